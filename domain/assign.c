/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * What a definition doesn't say but has: the same as libvirt would give it,
 * since guests and clients know that hardware.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domain/domain.h"
#include "domain/device.h"

static int	 add_failed(struct domain_error *);
static int	 assign_consoles(struct domain *, struct domain_error *);
static int	 assign_controllers(struct domain *, struct domain_error *);
static int	 assign_inputs(struct domain *, struct domain_error *);
static int	 assign_defaults(struct domain *, struct domain_error *);
static void	 make_uuid(struct domain *);
static int	 any_boot_order(const struct domain *);

static int
add_failed(struct domain_error *err)
{
	if (errno == ENOSPC)
		return (domain_error(err, DOMAIN_ERR_CONFIG_UNSUPPORTED, 0,
		    "too many devices: a domain has at most %d, with those "
		    "that its machine always has", DOMAIN_MAX_DEVICES));
	return (domain_error(err, DOMAIN_ERR_NO_MEMORY, 0, "out of memory"));
}

/* Random, RFC 4122 version 4. */
static void
make_uuid(struct domain *d)
{
	arc4random_buf(d->uuid, sizeof(d->uuid));
	d->uuid[6] = (d->uuid[6] & 0x0f) | 0x40;
	d->uuid[8] = (d->uuid[8] & 0x3f) | 0x80;
	d->has_uuid = 1;
}

static int
any_boot_order(const struct domain *d)
{
	const struct device	*dev;
	int			 t;

	for (t = 0; t < DEVICE_NTYPES; t++)
		TAILQ_FOREACH(dev, &d->devices[t], entry)
			if (dev->boot != 0)
				return (1);
	return (0);
}

/* The first console and the first serial line are one: none without other. */
static int
assign_consoles(struct domain *d, struct domain_error *err)
{
	struct chardev	*serial, *console, *new;

	serial = DEVICE_FIRST(d, DEVICE_SERIAL);
	console = DEVICE_FIRST(d, DEVICE_CONSOLE);
	if ((serial == NULL) == (console == NULL))
		return (0);
	new = device_add(d, serial == NULL ? DEVICE_SERIAL : DEVICE_CONSOLE);
	if (new == NULL)
		return (add_failed(err));
	if (serial == NULL)
		serial = console;
	new->type = serial->type;
	if (serial->tty != NULL && domain_set_string(&new->tty,
	    serial->tty) == -1)
		return (add_failed(err));
	if (new->dev.type == DEVICE_CONSOLE && serial->has_port) {
		new->port = serial->port;
		new->has_port = 1;
	}
	return (0);
}

static int
assign_controllers(struct domain *d, struct domain_error *err)
{
	struct controller	*c;

	switch (domain_machine(d)) {
	case MACHINE_PC:
		if (controller_want(d, CONTROLLER_USB, 0,
		    CONTROLLER_MODEL_PIIX3_UHCI, err) == NULL ||
		    controller_want(d, CONTROLLER_PCI, 0,
		    CONTROLLER_MODEL_PCI_ROOT, err) == NULL)
			return (-1);
		break;
	case MACHINE_Q35:
		if (controller_want(d, CONTROLLER_USB, 0,
		    CONTROLLER_MODEL_QEMU_XHCI, err) == NULL ||
		    controller_want(d, CONTROLLER_SATA, 0,
		    CONTROLLER_MODEL_DEFAULT, err) == NULL ||
		    controller_want(d, CONTROLLER_PCI, 0,
		    CONTROLLER_MODEL_PCIE_ROOT, err) == NULL)
			return (-1);
		break;
	case MACHINE_MICROVM:
		return (0);
	}
	DEVICE_FOREACH(c, d, DEVICE_CONTROLLER)
		if (c->type == CONTROLLER_USB &&
		    c->model == CONTROLLER_MODEL_DEFAULT)
			c->model = CONTROLLER_MODEL_PIIX3_UHCI;
	return (0);
}

/* A PC has a PS/2 mouse and keyboard. */
static int
assign_inputs(struct domain *d, struct domain_error *err)
{
	static const enum input_type	 ps2[] = { INPUT_MOUSE,
	    INPUT_KEYBOARD };
	struct input			*in;
	size_t				 i;

	if (domain_machine(d) == MACHINE_MICROVM)
		return (0);
	for (i = 0; i < nitems(ps2); i++) {
		DEVICE_FOREACH(in, d, DEVICE_INPUT)
			if (in->type == ps2[i] && in->bus == INPUT_BUS_PS2)
				break;
		if (in != NULL)
			continue;
		if ((in = device_add(d, DEVICE_INPUT)) == NULL)
			return (add_failed(err));
		in->type = ps2[i];
		in->bus = INPUT_BUS_PS2;
	}
	return (0);
}

static int
assign_defaults(struct domain *d, struct domain_error *err)
{
	struct balloon	*b;

	if (!d->has_uuid)
		make_uuid(d);
	if (d->emulator == NULL && domain_set_string(&d->emulator,
	    domain_default_emulator(d->os.arch)) == -1)
		return (add_failed(err));
	if (d->os.nboot == 0 && !any_boot_order(d)) {
		d->os.boot[0] = BOOT_HD;
		d->os.nboot = 1;
	}
	if (assign_consoles(d, err) == -1 || assign_inputs(d, err) == -1 ||
	    assign_controllers(d, err) == -1)
		return (-1);
	if (DEVICE_FIRST(d, DEVICE_GRAPHICS) != NULL &&
	    DEVICE_FIRST(d, DEVICE_VIDEO) == NULL &&
	    domain_machine(d) != MACHINE_MICROVM &&
	    device_add(d, DEVICE_VIDEO) == NULL)
		return (add_failed(err));
	if (DEVICE_FIRST(d, DEVICE_BALLOON) == NULL) {
		if ((b = device_add(d, DEVICE_BALLOON)) == NULL)
			return (add_failed(err));
		b->model = domain_machine(d) == MACHINE_MICROVM ?
		    BALLOON_NONE : BALLOON_VIRTIO;
	}
	return (0);
}

int
domain_assign(struct domain *d, struct domain_error *err)
{
	struct device	*dev;
	int		 t;

	if (err != NULL)
		memset(err, 0, sizeof(*err));
	if (assign_defaults(d, err) == -1)
		return (-1);
	for (t = 0; t < DEVICE_NTYPES; t++)
		TAILQ_FOREACH(dev, &d->devices[t], entry)
			if (device_class(t)->assign != NULL &&
			    device_class(t)->assign(d, dev, err) == -1)
				return (-1);
	if (domain_machine(d) != MACHINE_MICROVM && pci_assign(d, err) == -1)
		return (-1);
	device_sort_all(d, DEVICE_CONTROLLER);
	return (domain_check(d, err));
}

/* QEMU's memory is in whole MiB. */
int
domain_assign_live(struct domain *d, struct domain_error *err)
{
	const struct device_class	*class;
	struct device			*dev;
	struct graphics			*g;
	char				 alias[DOMAIN_KEY_MAX];
	unsigned int			 n;
	int				 t;

	if (err != NULL)
		memset(err, 0, sizeof(*err));
	/* where a display is listened for, if nobody said */
	DEVICE_FOREACH(g, d, DEVICE_GRAPHICS)
		if (g->listen == LISTEN_ADDRESS && g->address == NULL &&
		    domain_set_string(&g->address, "127.0.0.1") == -1)
			return (add_failed(err));
	d->memory = (d->memory + 1023) / 1024 * 1024;
	d->current_memory = (d->current_memory + 1023) / 1024 * 1024;
	for (t = 0; t < DEVICE_NTYPES; t++) {
		class = device_class(t);
		n = 0;
		TAILQ_FOREACH(dev, &d->devices[t], entry) {
			if (class->alias != NULL && dev->alias == NULL) {
				alias[0] = '\0';
				class->alias(d, dev, n, alias, sizeof(alias));
				if (alias[0] != '\0' && domain_set_string(
				    &dev->alias, alias) == -1)
					return (add_failed(err));
			}
			n++;
		}
	}
	return (domain_check(d, err));
}
