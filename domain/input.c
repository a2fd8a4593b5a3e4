/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/* <input>: PS/2 devices, which a PC always has, and USB ones. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domain/domain.h"
#include "domain/device.h"

static const char *const types[] = { "mouse", "keyboard", "tablet", NULL };
static const char *const buses[] = { "", "ps2", "usb", NULL };
static const char *const drivers[] = { "usb-mouse", "usb-kbd", "usb-tablet" };

static int	 input_parse(struct xml *, const xmlNode *, void *);
static int	 input_check(const struct domain *, const void *,
		    struct domain_error *);
static void	 input_format(struct out *, const struct domain *,
		    const void *);
static int	 input_assign(struct domain *, void *, struct domain_error *);
static void	 input_alias(const struct domain *, const void *,
		    unsigned int, char *, size_t);
static void	 input_command(struct command *, const void *);

const struct device_class input_class = {
	.element = "input",
	.size = sizeof(struct input),
	.parse = input_parse,
	.check = input_check,
	.format = input_format,
	.assign = input_assign,
	.alias = input_alias,
	.command = input_command,
};

static int
input_parse(struct xml *x, const xmlNode *node, void *arg)
{
	struct input	*in = arg;
	unsigned int	 u;
	int		 r;

	if ((r = xml_attr_enum(x, node, "type", types, &u)) == -1)
		return (-1);
	if (r == 0)
		return (xml_error(x, node, DOMAIN_ERR_XML,
		    "attribute 'type' is missing"));
	in->type = u;
	u = in->type == INPUT_TABLET ? INPUT_BUS_USB : INPUT_BUS_PS2;
	if (xml_attr_enum(x, node, "bus", buses, &u) == -1)
		return (-1);
	in->bus = u;
	return (0);
}

static int
input_check(const struct domain *d, const void *arg, struct domain_error *err)
{
	const struct input	*in = arg;

	if (in->type == INPUT_TABLET && in->bus != INPUT_BUS_USB)
		return (device_error(err, &in->dev,
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, "a tablet has bus 'usb', "
		    "not '%s'", buses[in->bus]));
	if (domain_machine(d) == MACHINE_MICROVM)
		return (device_error(err, &in->dev,
		    DOMAIN_ERR_CONFIG_UNSUPPORTED,
		    "machine 'microvm' has no input devices"));
	if (in->dev.address.type != ADDRESS_NONE &&
	    (in->dev.address.type != ADDRESS_USB ||
	    in->bus != INPUT_BUS_USB))
		return (device_error(err, &in->dev,
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, "on bus '%s' it cannot "
		    "have an address of that type", buses[in->bus]));
	return (0);
}

static void
input_format(struct out *o, const struct domain *d, const void *arg)
{
	const struct input	*in = arg;

	out_attr(o, "type", types[in->type]);
	out_attr(o, "bus", buses[in->bus]);
}

/* How many ports the controller has itself. */
static unsigned int
usb_ports(const struct controller *c)
{
	switch (c->model) {
	case CONTROLLER_MODEL_QEMU_XHCI:
	case CONTROLLER_MODEL_NEC_XHCI:
		return (c->ports == -1 ? 4 : (unsigned int)c->ports);
	case CONTROLLER_MODEL_USB_NONE:
		return (0);
	default:
		return (2);
	}
}

/* 1 if a is a port of that controller which nobody has. */
static int
usb_free(const struct domain *d, const struct controller *c, unsigned int port)
{
	const struct input	*in;
	struct address		 a;

	if (port < 1 || port > usb_ports(c))
		return (0);
	memset(&a, 0, sizeof(a));
	a.type = ADDRESS_USB;
	a.usb.bus = c->index;
	snprintf(a.usb.port, sizeof(a.usb.port), "%u", port);
	DEVICE_FOREACH(in, d, DEVICE_INPUT)
		if (address_equal(&in->dev.address, &a))
			return (0);
	return (1);
}

static int
input_assign(struct domain *d, void *arg, struct domain_error *err)
{
	struct input		*in = arg;
	struct address		*a = &in->dev.address;
	const struct controller	*c;
	unsigned int		 port;
	int			 fixed = a->type == ADDRESS_USB;

	if (in->bus != INPUT_BUS_USB ||
	    (fixed && a->usb.port[0] != '\0' &&
	    (c = controller_find(d, CONTROLLER_USB, a->usb.bus)) != NULL &&
	    strtoul(a->usb.port, NULL, 10) <= usb_ports(c)))
		return (0);
	if (fixed && a->usb.port[0] != '\0')
		return (device_error(err, &in->dev,
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, "there is no USB bus %u "
		    "with a port %s", a->usb.bus, a->usb.port));
	DEVICE_FOREACH(c, d, DEVICE_CONTROLLER) {
		if (c->type != CONTROLLER_USB ||
		    (fixed && c->index != a->usb.bus))
			continue;
		for (port = 1; port <= usb_ports(c); port++) {
			if (!usb_free(d, c, port))
				continue;
			a->type = ADDRESS_USB;
			a->usb.bus = c->index;
			snprintf(a->usb.port, sizeof(a->usb.port), "%u",
			    port);
			return (0);
		}
	}
	return (device_error(err, &in->dev, DOMAIN_ERR_CONFIG_UNSUPPORTED,
	    "no USB port is free for it: add a <controller type='usb'> with "
	    "another index"));
}

static void
input_alias(const struct domain *d, const void *arg, unsigned int n,
    char *buf, size_t size)
{
	snprintf(buf, size, "input%u", n);
}

static void
input_command(struct command *c, const void *arg)
{
	const struct input	*in = arg;

	if (in->bus != INPUT_BUS_USB)
		return;		/* the machine has it */
	opt_start(c, "-device", drivers[in->type]);
	opt_device(c, &in->dev);
	opt_end(c);
}
