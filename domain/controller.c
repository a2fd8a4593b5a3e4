/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * <controller>: what disks, USB and PCI devices are plugged into.  Most come
 * from assign.c and pci.c, but once given they stay in the XML.
 */

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domain/domain.h"
#include "domain/device.h"

#define XHCI_PORTS_MAX	15

static const char *const types[] = { "pci", "ide", "sata", "fdc", "usb",
    NULL };

/* In the order of enum controller_model. */
static const struct model {
	const char		*name;
	enum controller_type	 type;
	const char		*driver;	/* NULL: none that we make */
	enum pci_plug		 plug;
} models[] = {
	{ "", CONTROLLER_PCI, NULL, PCI_PLUG_NONE },
	{ "pci-root", CONTROLLER_PCI, NULL, PCI_PLUG_NONE },
	{ "pci-bridge", CONTROLLER_PCI, "pci-bridge", PCI_PLUG_PCI_BRIDGE },
	{ "pcie-root", CONTROLLER_PCI, NULL, PCI_PLUG_NONE },
	{ "pcie-root-port", CONTROLLER_PCI, "pcie-root-port",
	    PCI_PLUG_ROOT_PORT },
	{ "pcie-to-pci-bridge", CONTROLLER_PCI, "pcie-pci-bridge",
	    PCI_PLUG_PCIE_TO_PCI },
	{ "none", CONTROLLER_USB, NULL, PCI_PLUG_NONE },
	{ "piix3-uhci", CONTROLLER_USB, "piix3-usb-uhci",
	    PCI_PLUG_CONVENTIONAL },
	{ "piix4-uhci", CONTROLLER_USB, "piix4-usb-uhci",
	    PCI_PLUG_CONVENTIONAL },
	{ "nec-xhci", CONTROLLER_USB, "nec-usb-xhci", PCI_PLUG_EXPRESS },
	{ "qemu-xhci", CONTROLLER_USB, "qemu-xhci", PCI_PLUG_EXPRESS },
};

static void	 controller_init(void *);
static int	 controller_parse(struct xml *, const xmlNode *, void *);
static int	 controller_check(const struct domain *, const void *,
		    struct domain_error *);
static void	 controller_format(struct out *, const struct domain *,
		    const void *);
static int	 controller_order(const void *, const void *);
static enum pci_plug controller_plug(const struct domain *, const void *);
static void	 controller_alias(const struct domain *, const void *,
		    unsigned int, char *, size_t);
static void	 controller_command(struct command *, const void *);

const struct device_class controller_class = {
	.element = "controller",
	.size = sizeof(struct controller),
	.init = controller_init,
	.parse = controller_parse,
	.check = controller_check,
	.format = controller_format,
	.order = controller_order,
	.plug = controller_plug,
	.alias = controller_alias,
	.command = controller_command,
};

static void
controller_init(void *arg)
{
	struct controller	*c = arg;

	c->ports = c->chassis = c->port = -1;
}

/* --- XML ------------------------------------------------------------------ */

static int
parse_model(struct xml *x, const xmlNode *node, struct controller *c)
{
	char	*s;
	char	 all[160] = "";
	size_t	 i;
	int	 r;

	if ((r = xml_attr(x, node, "model", &s)) != 1)
		return (r);
	for (i = 1; i < nitems(models); i++) {
		if (models[i].type != c->type)
			continue;
		if (strcmp(models[i].name, s) == 0) {
			c->model = (enum controller_model)i;
			free(s);
			return (1);
		}
		if (all[0] != '\0')
			strlcat(all, ", ", sizeof(all));
		strlcat(all, models[i].name, sizeof(all));
	}
	r = xml_error(x, node, DOMAIN_ERR_CONFIG_UNSUPPORTED, "model='%.40s' "
	    "of type='%s' is not supported%s%s", s, types[c->type],
	    all[0] == '\0' ? ": leave it out" : ": it may be ", all);
	free(s);
	return (r);
}

static int
controller_parse(struct xml *x, const xmlNode *node, void *arg)
{
	struct controller	*c = arg;
	xmlNode			*n;
	char			*s;
	unsigned int		 u;
	int			 r;

	if ((r = xml_attr_enum(x, node, "type", types, &u)) == -1)
		return (-1);
	if (r == 0)
		return (xml_error(x, node, DOMAIN_ERR_XML,
		    "attribute 'type' is missing"));
	c->type = u;
	if (xml_attr_uint(x, node, "index", c->type == CONTROLLER_PCI ? 255 :
	    CONTROLLER_INDEX_MAX, &c->index) == -1 ||
	    parse_model(x, node, c) == -1)
		return (-1);
	if (c->type == CONTROLLER_PCI && c->model == CONTROLLER_MODEL_DEFAULT)
		return (xml_error(x, node, DOMAIN_ERR_XML,
		    "attribute 'model' is missing"));
	if (c->model == CONTROLLER_MODEL_QEMU_XHCI ||
	    c->model == CONTROLLER_MODEL_NEC_XHCI) {
		if ((r = xml_attr_uint(x, node, "ports", XHCI_PORTS_MAX,
		    &u)) == -1)
			return (-1);
		if (r == 1 && u == 0)
			return (xml_error(x, node, DOMAIN_ERR_XML,
			    "ports='0' is none: it must be 1 to %d",
			    XHCI_PORTS_MAX));
		if (r == 1)
			c->ports = (int)u;
	}
	if (c->type != CONTROLLER_PCI)
		return (0);

	/* QEMU has one driver for each of ours; say what libvirt says */
	if ((r = xml_only(x, node, "model", &n)) == -1)
		return (-1);
	if (r == 1) {
		if ((r = xml_attr(x, n, "name", &s)) == -1)
			return (-1);
		if (r == 1 && (models[c->model].driver == NULL ||
		    strcmp(s, models[c->model].driver) != 0)) {
			r = xml_error(x, n, DOMAIN_ERR_CONFIG_UNSUPPORTED,
			    "name='%.40s' is not supported for model='%s'",
			    s, models[c->model].name);
			free(s);
			return (r);
		}
		free(s);
	}
	if ((r = xml_only(x, node, "target", &n)) != 1)
		return (r);
	if (c->model == CONTROLLER_MODEL_PCIE_ROOT_PORT) {
		if ((r = xml_attr_uint(x, n, "port", 255, &u)) == -1)
			return (-1);
		if (r == 1)
			c->port = (int)u;
	}
	if (c->model != CONTROLLER_MODEL_PCIE_ROOT_PORT &&
	    c->model != CONTROLLER_MODEL_PCI_BRIDGE)
		return (0);
	if ((r = xml_attr_uint(x, n, c->model == CONTROLLER_MODEL_PCI_BRIDGE ?
	    "chassisNr" : "chassis", 255, &u)) != 1)
		return (r);
	if (u == 0)
		return (xml_error(x, n, DOMAIN_ERR_XML,
		    "the number of a chassis must be from 1 to 255"));
	c->chassis = (int)u;
	return (0);
}

static int
controller_check(const struct domain *d, const void *arg,
    struct domain_error *err)
{
	const struct controller	*c = arg, *other;
	const struct device	*dev = &c->dev;
	enum domain_machine	 machine = domain_machine(d);

	DEVICE_FOREACH(other, d, DEVICE_CONTROLLER) {
		if (other == c)
			break;
		if (other->type == c->type && other->index == c->index)
			return (device_error(err, dev, DOMAIN_ERR_XML,
			    "there are two of type='%s' with index='%u'",
			    types[c->type], c->index));
		if (c->type == CONTROLLER_PCI && c->chassis > 0 &&
		    other->type == c->type && other->model == c->model &&
		    other->chassis == c->chassis)
			return (device_error(err, dev, DOMAIN_ERR_XML,
			    "chassis %d is in use by another controller",
			    c->chassis));
	}
	if (machine == MACHINE_MICROVM &&
	    c->model != CONTROLLER_MODEL_USB_NONE)
		return (device_error(err, dev, DOMAIN_ERR_CONFIG_UNSUPPORTED,
		    "machine 'microvm' has no controllers of type='%s'",
		    types[c->type]));
	if (dev->address.type != ADDRESS_NONE &&
	    (dev->address.type != ADDRESS_PCI ||
	    c->type == CONTROLLER_FDC ||
	    c->model == CONTROLLER_MODEL_USB_NONE ||
	    c->model == CONTROLLER_MODEL_PCI_ROOT ||
	    c->model == CONTROLLER_MODEL_PCIE_ROOT))
		return (device_error(err, dev, DOMAIN_ERR_CONFIG_UNSUPPORTED,
		    "type='%s' cannot have an address of that type",
		    types[c->type]));
	if (c->type == CONTROLLER_IDE && machine != MACHINE_PC)
		return (device_error(err, dev, DOMAIN_ERR_CONFIG_UNSUPPORTED,
		    "IDE controllers are unsupported for machine '%s'",
		    d->os.machine));
	switch (c->type) {
	case CONTROLLER_IDE:
	case CONTROLLER_FDC:
		if (c->index != 0)
			return (device_error(err, dev,
			    DOMAIN_ERR_CONFIG_UNSUPPORTED, "only a single "
			    "controller of type='%s' is supported",
			    types[c->type]));
		break;
	case CONTROLLER_PCI:
		if (c->index == 0 && c->model != (machine == MACHINE_Q35 ?
		    CONTROLLER_MODEL_PCIE_ROOT : CONTROLLER_MODEL_PCI_ROOT))
			return (device_error(err, dev, DOMAIN_ERR_XML, "the "
			    "PCI controller with index='0' must be "
			    "model='%s' for machine '%s'",
			    machine == MACHINE_Q35 ? "pcie-root" : "pci-root",
			    d->os.machine));
		if (c->index != 0 && models[c->model].driver == NULL)
			return (device_error(err, dev, DOMAIN_ERR_XML,
			    "model='%s' must have index='0'",
			    models[c->model].name));
		if (machine == MACHINE_PC && models[c->model].driver != NULL &&
		    c->model != CONTROLLER_MODEL_PCI_BRIDGE)
			return (device_error(err, dev,
			    DOMAIN_ERR_CONFIG_UNSUPPORTED, "model='%s' needs "
			    "a machine with PCI Express, such as q35",
			    models[c->model].name));
		if (dev->address.type == ADDRESS_PCI &&
		    dev->address.pci.bus >= c->index)
			return (device_error(err, dev,
			    DOMAIN_ERR_CONFIG_UNSUPPORTED, "index='%u' must "
			    "be larger than the bus 0x%02x that it is on",
			    c->index, dev->address.pci.bus));
		break;
	case CONTROLLER_SATA:
	case CONTROLLER_USB:
		break;
	}
	return (0);
}

static void
controller_format(struct out *o, const struct domain *d, const void *arg)
{
	const struct controller	*c = arg;

	out_attr(o, "type", types[c->type]);
	out_attrf(o, "index", "%u", c->index);
	if (c->model != CONTROLLER_MODEL_DEFAULT)
		out_attr(o, "model", models[c->model].name);
	if (c->ports != -1)
		out_attrf(o, "ports", "%d", c->ports);
	if (c->type != CONTROLLER_PCI || models[c->model].driver == NULL)
		return;
	out_start(o, "model");
	out_attr(o, "name", models[c->model].driver);
	out_end(o);
	if (c->chassis == -1 && c->port == -1)
		return;
	out_start(o, "target");
	if (c->model == CONTROLLER_MODEL_PCI_BRIDGE) {
		out_attrf(o, "chassisNr", "%d", c->chassis);
	} else {
		if (c->chassis != -1)
			out_attrf(o, "chassis", "%d", c->chassis);
		if (c->port != -1)
			out_attrf(o, "port", "0x%x", (unsigned int)c->port);
	}
	out_end(o);
}

static int
controller_order(const void *a, const void *b)
{
	const struct controller	*x = a, *y = b;

	if (x->type != y->type)
		return (0);
	return (x->index < y->index ? -1 : 1);
}

/* --- which there are ------------------------------------------------------ */

struct controller *
controller_find(const struct domain *d, enum controller_type type,
    unsigned int index)
{
	struct controller	*c;

	DEVICE_FOREACH(c, d, DEVICE_CONTROLLER)
		if (c->type == type && c->index == index)
			return (c);
	return (NULL);
}

/*
 * That one; it is added if it isn't there yet.  NULL: err says why.  It goes
 * to the end of the list: the ones that the XML has get their addresses
 * first.
 */
struct controller *
controller_want(struct domain *d, enum controller_type type,
    unsigned int index, enum controller_model model, struct domain_error *err)
{
	struct controller	*c;

	if ((c = controller_find(d, type, index)) != NULL)
		return (c);
	if ((c = device_add(d, DEVICE_CONTROLLER)) == NULL) {
		if (errno == ENOSPC)
			domain_error(err, DOMAIN_ERR_CONFIG_UNSUPPORTED, 0,
			    "too many devices: a domain has at most %d, with "
			    "the controllers that they need",
			    DOMAIN_MAX_DEVICES);
		else
			domain_error(err, DOMAIN_ERR_NO_MEMORY, 0,
			    "out of memory");
		return (NULL);
	}
	c->type = type;
	c->index = index;
	c->model = model;
	return (c);
}

int
controller_builtin(const struct domain *d, const struct controller *c)
{
	switch (c->type) {
	case CONTROLLER_PCI:
		return (c->index == 0);
	case CONTROLLER_IDE:
		return (1);
	case CONTROLLER_FDC:
		return (domain_machine(d) == MACHINE_PC);
	case CONTROLLER_SATA:
		return (c->index == 0 && domain_machine(d) == MACHINE_Q35);
	case CONTROLLER_USB:
		return (c->model == CONTROLLER_MODEL_USB_NONE);
	}
	return (0);
}

static enum pci_plug
controller_plug(const struct domain *d, const void *arg)
{
	const struct controller	*c = arg;
	enum pci_plug		 plug;

	switch (c->type) {
	case CONTROLLER_IDE:
	case CONTROLLER_SATA:
		return (PCI_PLUG_CONVENTIONAL);
	case CONTROLLER_FDC:
		return (PCI_PLUG_NONE);
	case CONTROLLER_USB:
	case CONTROLLER_PCI:
		break;
	}
	plug = models[c->model].plug;
	if (plug == PCI_PLUG_EXPRESS && domain_machine(d) != MACHINE_Q35)
		plug = PCI_PLUG_CONVENTIONAL;
	return (plug);
}

static void
controller_alias(const struct domain *d, const void *arg, unsigned int n,
    char *buf, size_t size)
{
	const struct controller	*c = arg;

	switch (c->type) {
	case CONTROLLER_PCI:
		snprintf(buf, size, "%s.%u",
		    c->model == CONTROLLER_MODEL_PCIE_ROOT ? "pcie" : "pci",
		    c->index);
		break;
	case CONTROLLER_IDE:
		strlcpy(buf, "ide", size);
		break;
	case CONTROLLER_SATA:
		if (controller_builtin(d, c))
			strlcpy(buf, "ide", size);
		else
			snprintf(buf, size, "sata%u", c->index);
		break;
	case CONTROLLER_FDC:
		snprintf(buf, size, "fdc%u", c->index);
		break;
	case CONTROLLER_USB:
		if (c->index == 0)
			strlcpy(buf, "usb", size);
		else
			snprintf(buf, size, "usb%u", c->index);
		break;
	}
}

/* --- QEMU ----------------------------------------------------------------- */

/* Boot order of floppy drives is a property of their controller. */
static void
fdc_command(struct command *c, const struct controller *ctl)
{
	const struct disk	*disk;
	unsigned int		 boot;
	int			 builtin = controller_builtin(c->d, ctl);

	if (!builtin) {
		opt_start(c, "-device", "isa-fdc");
		opt_device(c, &ctl->dev);
	}
	DEVICE_FOREACH(disk, c->d, DEVICE_DISK) {
		if (disk->bus != DISK_BUS_FDC ||
		    (boot = cmd_bootindex(c, &disk->dev)) == 0)
			continue;
		if (builtin) {
			cmd_arg(c, "-global");
			cmd_argf(c, "isa-fdc.bootindex%c=%u",
			    disk->dev.address.drive.unit == 0 ? 'A' : 'B',
			    boot);
		} else
			opt_fmt(c, disk->dev.address.drive.unit == 0 ?
			    "bootindexA" : "bootindexB", "%u", boot);
	}
	if (!builtin)
		opt_end(c);
}

static void
controller_command(struct command *c, const void *arg)
{
	const struct controller	*ctl = arg;

	if (ctl->type == CONTROLLER_FDC) {
		fdc_command(c, ctl);
		return;
	}
	if (controller_builtin(c->d, ctl))
		return;
	opt_start(c, "-device", ctl->type == CONTROLLER_SATA ? "ich9-ahci" :
	    models[ctl->model].driver);
	opt_device(c, &ctl->dev);
	switch (ctl->model) {
	case CONTROLLER_MODEL_PCI_BRIDGE:
		opt_fmt(c, "chassis_nr", "%d", ctl->chassis);
		break;
	case CONTROLLER_MODEL_PCIE_ROOT_PORT:
		opt_fmt(c, "port", "%d", ctl->port);
		opt_fmt(c, "chassis", "%d", ctl->chassis);
		break;
	case CONTROLLER_MODEL_QEMU_XHCI:
	case CONTROLLER_MODEL_NEC_XHCI:
		if (ctl->ports != -1) {
			opt_fmt(c, "p2", "%d", ctl->ports);
			opt_fmt(c, "p3", "%d", ctl->ports);
		}
		break;
	default:
		break;
	}
	opt_end(c);
}
