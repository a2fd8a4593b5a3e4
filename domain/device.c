/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/* The table of device classes, and what is the same for all devices. */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domain/domain.h"
#include "domain/device.h"

static int	 address_parse(struct xml *, const xmlNode *,
		    struct address *);
static void	 address_format(struct out *, const struct address *);
static int	 alias_parse(struct xml *, const xmlNode *, struct device *);
static int	 check_addresses(const struct domain *,
		    struct domain_error *);

/* In the order in which XML has them: that of enum device_type. */
static const struct device_class *const classes[DEVICE_NTYPES] = {
	[DEVICE_DISK] =		&disk_class,
	[DEVICE_CONTROLLER] =	&controller_class,
	[DEVICE_NET] =		&net_class,
	[DEVICE_SERIAL] =	&serial_class,
	[DEVICE_CONSOLE] =	&console_class,
	[DEVICE_INPUT] =	&input_class,
	[DEVICE_GRAPHICS] =	&graphics_class,
	[DEVICE_VIDEO] =	&video_class,
	[DEVICE_BALLOON] =	&balloon_class,
};

const struct device_class *
device_class(enum device_type type)
{
	return (classes[type]);
}

void *
device_add(struct domain *d, enum device_type type)
{
	struct device	*dev;

	if (d->ndevices >= DOMAIN_MAX_DEVICES) {
		errno = ENOSPC;
		return (NULL);
	}
	if ((dev = calloc(1, classes[type]->size)) == NULL)
		return (NULL);
	dev->type = type;
	if (classes[type]->init != NULL)
		classes[type]->init(dev);
	TAILQ_INSERT_TAIL(&d->devices[type], dev, entry);
	d->ndevices++;
	return (dev);
}

void
device_remove(struct domain *d, struct device *dev)
{
	TAILQ_REMOVE(&d->devices[dev->type], dev, entry);
	d->ndevices--;
	if (classes[dev->type]->clear != NULL)
		classes[dev->type]->clear(dev);
	free(dev->alias);
	free(dev);
}

/*
 * Moves dev, the last of its list, to where it belongs: the order of disks
 * decides their PCI slots, so it must not depend on that of the XML.
 */
void
device_sort(struct domain *d, struct device *dev)
{
	const struct device_class	*class = classes[dev->type];
	struct devices			*list = &d->devices[dev->type];
	struct device			*other, *behind = NULL;
	int				 r;

	if (class->order == NULL)
		return;
	TAILQ_FOREACH(other, list, entry) {
		if (other == dev || (r = class->order(dev, other)) == 0)
			continue;
		if (r < 0) {
			TAILQ_REMOVE(list, dev, entry);
			TAILQ_INSERT_BEFORE(other, dev, entry);
			return;
		}
		behind = other;
	}
	if (behind != NULL) {
		TAILQ_REMOVE(list, dev, entry);
		TAILQ_INSERT_AFTER(list, behind, dev, entry);
	}
}

/* All of a kind into their order, as if they were read again. */
void
device_sort_all(struct domain *d, enum device_type type)
{
	struct devices	 all;
	struct device	*dev;

	TAILQ_INIT(&all);
	TAILQ_CONCAT(&all, &d->devices[type], entry);
	while ((dev = TAILQ_FIRST(&all)) != NULL) {
		TAILQ_REMOVE(&all, dev, entry);
		TAILQ_INSERT_TAIL(&d->devices[type], dev, entry);
		device_sort(d, dev);
	}
}

enum pci_plug
device_plug(const struct domain *d, const struct device *dev)
{
	const struct device_class	*class = classes[dev->type];

	if (domain_machine(d) == MACHINE_MICROVM || class->plug == NULL)
		return (PCI_PLUG_NONE);
	return (class->plug(d, dev));
}

int
device_error(struct domain_error *err, const struct device *dev, int code,
    const char *fmt, ...)
{
	char	 what[400];
	va_list	 ap;

	va_start(ap, fmt);
	if (vsnprintf(what, sizeof(what), fmt, ap) < 0)
		what[0] = '\0';
	va_end(ap);
	if (dev->line > 0)
		return (domain_error(err, code, dev->line,
		    "line %d, <%s>: %s", dev->line,
		    classes[dev->type]->element, what));
	return (domain_error(err, code, 0, "<%s>: %s",
	    classes[dev->type]->element, what));
}

/* --- parts that all elements have ----------------------------------------- */

static int
address_parse(struct xml *x, const xmlNode *node, struct address *a)
{
	static const char *const types[] = { "", "pci", "drive", "usb",
	    "virtio-mmio", NULL };
	xmlNode		*n;
	char		*s;
	unsigned int	 type = ADDRESS_NONE, domain = 0;
	int		 r;

	if ((r = xml_only(x, node, "address", &n)) != 1)
		return (r);
	if ((r = xml_attr_enum(x, n, "type", types, &type)) == -1)
		return (-1);
	if (r == 0)
		return (xml_error(x, n, DOMAIN_ERR_XML,
		    "attribute 'type' is missing"));
	a->type = type;
	switch (a->type) {
	case ADDRESS_PCI:
		a->pci.multifunction = -1;
		if (xml_attr_uint(x, n, "domain", 0xffff, &domain) == -1 ||
		    xml_attr_uint(x, n, "bus", 0xff, &a->pci.bus) == -1 ||
		    xml_attr_uint(x, n, "slot", 0x1f, &a->pci.slot) == -1 ||
		    xml_attr_uint(x, n, "function", 7,
		    &a->pci.function) == -1 ||
		    xml_attr_bool(x, n, "multifunction", xml_onoff,
		    &a->pci.multifunction) == -1)
			return (-1);
		if (domain != 0)
			return (xml_error(x, n,
			    DOMAIN_ERR_CONFIG_UNSUPPORTED, "PCI domain is "
			    "0x%04x: a PC has domain 0x0000 only", domain));
		/* all zero is how "none" was once written */
		if (a->pci.bus == 0 && a->pci.slot == 0 &&
		    a->pci.function == 0)
			a->type = ADDRESS_NONE;
		break;
	case ADDRESS_DRIVE:
		if (xml_attr_uint(x, n, "controller", 0xff,
		    &a->drive.controller) == -1 ||
		    xml_attr_uint(x, n, "bus", 0xff, &a->drive.bus) == -1 ||
		    xml_attr_uint(x, n, "target", 0xff,
		    &a->drive.target) == -1 ||
		    xml_attr_uint(x, n, "unit", 0xff, &a->drive.unit) == -1)
			return (-1);
		break;
	case ADDRESS_USB:
		if (xml_attr_uint(x, n, "bus", 0xff, &a->usb.bus) == -1 ||
		    (r = xml_attr(x, n, "port", &s)) == -1)
			return (-1);
		if (r == 1) {
			if (s[strspn(s, "0123456789")] != '\0' ||
			    s[0] == '0' || s[0] == '\0' || strlcpy(a->usb.port,
			    s, sizeof(a->usb.port)) > 2) {
				xml_error(x, n, DOMAIN_ERR_CONFIG_UNSUPPORTED,
				    "USB port is '%.40s': it must be a port "
				    "of the controller, from 1; there are no "
				    "hubs", s);
				free(s);
				return (-1);
			}
			free(s);
		}
		break;
	case ADDRESS_VIRTIO_MMIO:
	case ADDRESS_NONE:
		break;
	}
	return (0);
}

static void
address_format(struct out *o, const struct address *a)
{
	if (a->type == ADDRESS_NONE)
		return;
	out_start(o, "address");
	switch (a->type) {
	case ADDRESS_PCI:
		out_attr(o, "type", "pci");
		out_attr(o, "domain", "0x0000");
		out_attrf(o, "bus", "0x%02x", a->pci.bus);
		out_attrf(o, "slot", "0x%02x", a->pci.slot);
		out_attrf(o, "function", "0x%x", a->pci.function);
		if (a->pci.multifunction != -1)
			out_attr(o, "multifunction",
			    xml_onoff[a->pci.multifunction]);
		break;
	case ADDRESS_DRIVE:
		out_attr(o, "type", "drive");
		out_attrf(o, "controller", "%u", a->drive.controller);
		out_attrf(o, "bus", "%u", a->drive.bus);
		out_attrf(o, "target", "%u", a->drive.target);
		out_attrf(o, "unit", "%u", a->drive.unit);
		break;
	case ADDRESS_USB:
		out_attr(o, "type", "usb");
		out_attrf(o, "bus", "%u", a->usb.bus);
		if (a->usb.port[0] != '\0')
			out_attr(o, "port", a->usb.port);
		break;
	case ADDRESS_VIRTIO_MMIO:
		out_attr(o, "type", "virtio-mmio");
		break;
	case ADDRESS_NONE:
		break;
	}
	out_end(o);
}

int
address_equal(const struct address *a, const struct address *b)
{
	if (a->type != b->type)
		return (0);
	switch (a->type) {
	case ADDRESS_PCI:
		return (a->pci.bus == b->pci.bus &&
		    a->pci.slot == b->pci.slot &&
		    a->pci.function == b->pci.function);
	case ADDRESS_DRIVE:
		return (a->drive.controller == b->drive.controller &&
		    a->drive.bus == b->drive.bus &&
		    a->drive.target == b->drive.target &&
		    a->drive.unit == b->drive.unit);
	case ADDRESS_USB:
		return (a->usb.port[0] != '\0' && a->usb.bus == b->usb.bus &&
		    strcmp(a->usb.port, b->usb.port) == 0);
	case ADDRESS_VIRTIO_MMIO:
	case ADDRESS_NONE:
		break;
	}
	return (0);
}

/* For people. */
void
address_text(const struct address *a, char *buf, size_t size)
{
	switch (a->type) {
	case ADDRESS_PCI:
		snprintf(buf, size, "PCI address 0000:%02x:%02x.%x",
		    a->pci.bus, a->pci.slot, a->pci.function);
		break;
	case ADDRESS_DRIVE:
		snprintf(buf, size, "drive address controller %u, bus %u, "
		    "target %u, unit %u", a->drive.controller, a->drive.bus,
		    a->drive.target, a->drive.unit);
		break;
	case ADDRESS_USB:
		snprintf(buf, size, "USB address bus %u, port %s", a->usb.bus,
		    a->usb.port);
		break;
	case ADDRESS_VIRTIO_MMIO:
		strlcpy(buf, "virtio-mmio address", size);
		break;
	case ADDRESS_NONE:
		strlcpy(buf, "no address", size);
		break;
	}
}

/* One that the user chose begins with "ua-", and stays. */
static int
alias_parse(struct xml *x, const xmlNode *node, struct device *dev)
{
	xmlNode	*n;
	char	*s;
	size_t	 len;
	int	 r;

	if ((r = xml_only(x, node, "alias", &n)) != 1)
		return (r);
	if ((r = xml_attr(x, n, "name", &s)) != 1)
		return (r);
	if (strncmp(s, "ua-", 3) != 0 && !(x->flags & DOMAIN_PARSE_LIVE)) {
		free(s);
		return (0);
	}
	len = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "0123456789-_.");
	if (s[len] != '\0' || len == 0 || len >= DOMAIN_KEY_MAX ||
	    strchr("-_.0123456789", s[0]) != NULL) {
		xml_error(x, n, DOMAIN_ERR_XML, "alias '%.64s' must have at "
		    "most %d of letters, digits, '-', '_' and '.', and begin "
		    "with a letter", s, DOMAIN_KEY_MAX - 1);
		free(s);
		return (-1);
	}
	dev->alias = s;
	return (0);
}

/* --- one device ----------------------------------------------------------- */

/* Adds the device that node is. */
int
device_parse(struct xml *x, const xmlNode *node, struct domain *d,
    enum device_type type)
{
	const struct device_class	*class = classes[type];
	struct device			*dev;
	xmlNode				*n;
	int				 r;

	if ((dev = device_add(d, type)) == NULL) {
		if (errno == ENOSPC)
			return (xml_error(x, node,
			    DOMAIN_ERR_CONFIG_UNSUPPORTED, "too many devices: "
			    "a domain has at most %d", DOMAIN_MAX_DEVICES));
		return (xml_nomem(x));
	}
	dev->line = (int)xmlGetLineNo(node);
	if (class->parse(x, node, dev) == -1 ||
	    address_parse(x, node, &dev->address) == -1 ||
	    alias_parse(x, node, dev) == -1)
		return (-1);
	if (type == DEVICE_DISK || type == DEVICE_NET) {
		if ((r = xml_only(x, node, "boot", &n)) == -1)
			return (-1);
		if (r == 1) {
			if ((r = xml_attr_uint(x, n, "order", 65535,
			    &dev->boot)) == -1)
				return (-1);
			if (r == 0 || dev->boot == 0)
				return (xml_error(x, n, DOMAIN_ERR_XML,
				    "attribute 'order' must be a number from "
				    "1"));
		}
	}
	device_sort(d, dev);
	return (0);
}

void
device_format(struct out *o, const struct domain *d, const struct device *dev)
{
	const struct device_class	*class = classes[dev->type];

	out_start(o, class->element);
	class->format(o, d, dev);
	if (dev->boot != 0) {
		out_start(o, "boot");
		out_attrf(o, "order", "%u", dev->boot);
		out_end(o);
	}
	if (dev->alias != NULL &&
	    (out_live(o) || strncmp(dev->alias, "ua-", 3) == 0)) {
		out_start(o, "alias");
		out_attr(o, "name", dev->alias);
		out_end(o);
	}
	address_format(o, &dev->address);
	out_end(o);
}

/* --- all devices ---------------------------------------------------------- */

/*
 * Nothing twice: addresses, boot orders, aliases.  DOMAIN_MAX_DEVICES
 * bounds the pairs.
 */
static int
check_pair(const struct device *a, const struct device *b,
    struct domain_error *err)
{
	char	 text[80];

	/* drives: each bus has numbers of its own */
	if (address_equal(&a->address, &b->address) &&
	    (a->address.type != ADDRESS_DRIVE ||
	    ((const struct disk *)a)->bus == ((const struct disk *)b)->bus)) {
		address_text(&a->address, text, sizeof(text));
		return (device_error(err, b, DOMAIN_ERR_XML,
		    "%s is already in use by another device", text));
	}
	if (a->boot != 0 && a->boot == b->boot)
		return (device_error(err, b, DOMAIN_ERR_XML, "boot order %u "
		    "is used for more than one device", a->boot));
	/* a console has the alias of the line that it mirrors */
	if (a->alias != NULL && b->alias != NULL &&
	    a->type != DEVICE_CONSOLE && b->type != DEVICE_CONSOLE &&
	    strcmp(a->alias, b->alias) == 0)
		return (device_error(err, b, DOMAIN_ERR_XML, "alias '%s' is "
		    "used for more than one device", a->alias));
	return (0);
}

static int
check_addresses(const struct domain *d, struct domain_error *err)
{
	const struct device	**all, *dev;
	size_t			  n = 0, i, j;
	int			  t, r = 0;

	if (d->ndevices == 0)
		return (0);
	if ((all = calloc(d->ndevices, sizeof(*all))) == NULL)
		return (domain_error(err, DOMAIN_ERR_NO_MEMORY, 0,
		    "out of memory"));
	for (t = 0; t < DEVICE_NTYPES; t++)
		TAILQ_FOREACH(dev, &d->devices[t], entry) {
			if (dev->address.type == ADDRESS_DRIVE &&
			    t != DEVICE_DISK) {
				r = device_error(err, dev, DOMAIN_ERR_XML,
				    "only a disk has an address of type "
				    "'drive'");
				goto out;
			}
			if (dev->address.type != ADDRESS_NONE ||
			    dev->boot != 0 || dev->alias != NULL)
				all[n++] = dev;
		}
	for (j = 1; j < n; j++)
		for (i = 0; i < j; i++)
			if (check_pair(all[i], all[j], err) == -1) {
				r = -1;
				goto out;
			}
 out:
	free(all);
	return (r);
}

/* 0 if all that is said can be true at once. */
int
domain_check(const struct domain *d, struct domain_error *err)
{
	const struct device	*dev, *booted = NULL;
	unsigned int		 n;
	int			 t;

	/*
	 * Q35 has more with an interrupt controller in the kernel; emulated
	 * ones have numbers of 8 bits.
	 */
	n = d->type == DOMAIN_KVM && domain_machine(d) != MACHINE_PC ?
	    288 : 255;
	if (d->vcpus > n)
		return (domain_error(err, DOMAIN_ERR_CONFIG_UNSUPPORTED, 0,
		    "<vcpu>: %u vCPUs are more than the %u that machine '%s' "
		    "has%s", d->vcpus, n, d->os.machine,
		    d->type == DOMAIN_KVM ? "" : " without KVM"));
	for (t = 0; t < DEVICE_NTYPES; t++) {
		n = 0;
		TAILQ_FOREACH(dev, &d->devices[t], entry) {
			if (dev->boot != 0)
				booted = dev;
			if (classes[t]->max != 0 && ++n > classes[t]->max)
				return (device_error(err, dev,
				    DOMAIN_ERR_CONFIG_UNSUPPORTED,
				    "a domain has at most %u <%s>",
				    classes[t]->max, classes[t]->element));
			if (classes[t]->check != NULL &&
			    classes[t]->check(d, dev, err) == -1)
				return (-1);
		}
	}
	if (booted != NULL && d->os.nboot > 0)
		return (device_error(err, booted,
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, "<boot order=> of a device "
		    "cannot be used together with <boot dev=> in <os>"));
	return (check_addresses(d, err));
}
