/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * PCI addresses: the same as libvirt gives, so that a guest that was once
 * started by it, or will be, keeps its hardware.
 *
 * What the chipset has on board comes first, then each kind of device in a
 * fixed order (pci_order), each at the first free place that it can be
 * plugged into.  There are two passes.  The first only counts, on a map that
 * grows a bus whenever it is full: then it is known which controllers there
 * must be.  The second gives out addresses, controllers first.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domain/domain.h"
#include "domain/device.h"

#define PCI_BUSES	256
#define PCI_SLOTS	32

#define PLUG(p)		(1U << (p))
#define ENDPOINTS	(PLUG(PCI_PLUG_CONVENTIONAL) | PLUG(PCI_PLUG_EXPRESS))

struct pci_bus {
	enum controller_model	 model;		/* DEFAULT: not known yet */
	unsigned int		 accepts;	/* of PLUG() */
	int			 automatic;	/* devices may be put there */
	unsigned int		 first, last;	/* slots */
	uint8_t			 used[PCI_SLOTS];	/* bit per function */
	uint8_t			 shared[PCI_SLOTS];	/* by root ports */
};

struct pci_map {
	struct domain		*d;
	struct domain_error	*err;
	int			 counting;	/* first pass */
	unsigned int		 n;
	struct pci_bus		 bus[PCI_BUSES];
};

/* Who gets an address when; what isn't here never does. */
static const struct {
	enum device_type	 type;
	enum { ANY, BUSES, NOT_BUSES } which;
} pci_order[] = {
	{ DEVICE_CONTROLLER, BUSES },
	{ DEVICE_NET, ANY },
	{ DEVICE_CONTROLLER, NOT_BUSES },
	{ DEVICE_DISK, ANY },
	{ DEVICE_BALLOON, ANY },
	{ DEVICE_VIDEO, ANY },
};

static void	 bus_init(struct pci_bus *, enum controller_model);
static int	 bus_add(struct pci_map *, enum controller_model);
static int	 map_grow(struct pci_map *, enum pci_plug, unsigned int *);
static int	 map_next(struct pci_map *, enum pci_plug, struct address *);
static int	 map_reserve(struct pci_map *, const struct device *,
		    enum pci_plug, const struct address *);
static int	 map_onboard(struct pci_map *, unsigned int, unsigned int);
static int	 map_place(struct pci_map *, struct device *);
static int	 map_open(struct pci_map *, struct domain *, int,
		    struct domain_error *);
static int	 map_chipset(struct pci_map *);
static int	 map_devices(struct pci_map *);
static int	 map_spare(struct pci_map *, int);
static int	 map_controllers(struct pci_map *);
static int	 is_chipset(const struct domain *, const struct device *);
static void	 finish(struct pci_map *);

static void
bus_init(struct pci_bus *b, enum controller_model model)
{
	b->model = model;
	b->automatic = 1;
	b->first = 1;
	b->last = PCI_SLOTS - 1;
	switch (model) {
	case CONTROLLER_MODEL_PCIE_ROOT:
		/* what is put there can't be unplugged: only if asked for */
		b->accepts = PLUG(PCI_PLUG_EXPRESS) | PLUG(PCI_PLUG_ROOT_PORT);
		b->automatic = 0;
		break;
	case CONTROLLER_MODEL_PCIE_ROOT_PORT:
		b->accepts = PLUG(PCI_PLUG_EXPRESS) |
		    PLUG(PCI_PLUG_PCIE_TO_PCI);
		b->first = b->last = 0;
		break;
	default:
		b->accepts = PLUG(PCI_PLUG_CONVENTIONAL) |
		    PLUG(PCI_PLUG_PCI_BRIDGE);
		break;
	}
}

static int
bus_add(struct pci_map *m, enum controller_model model)
{
	if (m->n == PCI_BUSES)
		return (domain_error(m->err, DOMAIN_ERR_CONFIG_UNSUPPORTED, 0,
		    "no more available PCI slots: there can be %d buses",
		    PCI_BUSES));
	bus_init(&m->bus[m->n++], model);
	return (0);
}

/* More buses, so that such a device has a place: on *bus. */
static int
map_grow(struct pci_map *m, enum pci_plug plug, unsigned int *bus)
{
	unsigned int	 i;

	if (plug == PCI_PLUG_EXPRESS || plug == PCI_PLUG_PCIE_TO_PCI) {
		*bus = m->n;
		return (bus_add(m, CONTROLLER_MODEL_PCIE_ROOT_PORT));
	}
	if (plug != PCI_PLUG_CONVENTIONAL)
		return (domain_error(m->err, DOMAIN_ERR_CONFIG_UNSUPPORTED, 0,
		    "no more available PCI slots for controllers"));
	for (i = 0; i < m->n; i++)
		if (m->bus[i].accepts & PLUG(PCI_PLUG_PCI_BRIDGE)) {
			*bus = m->n;
			return (bus_add(m, CONTROLLER_MODEL_PCI_BRIDGE));
		}
	/* Express only so far: a port for a bridge to conventional PCI */
	if (bus_add(m, CONTROLLER_MODEL_PCIE_ROOT_PORT) == -1)
		return (-1);
	m->bus[m->n - 1].accepts = PLUG(PCI_PLUG_PCIE_TO_PCI);
	*bus = m->n;
	return (bus_add(m, CONTROLLER_MODEL_PCIE_TO_PCI_BRIDGE));
}

/* The first free place.  0: in *a, and reserved. */
static int
map_next(struct pci_map *m, enum pci_plug plug, struct address *a)
{
	struct pci_bus	*b;
	unsigned int	 i, slot, f;

	memset(a, 0, sizeof(*a));
	a->type = ADDRESS_PCI;
	a->pci.multifunction = -1;
	for (i = 0; i < m->n; i++) {
		b = &m->bus[i];
		if (!(b->accepts & PLUG(plug)) ||
		    (!b->automatic && (PLUG(plug) & ENDPOINTS)))
			continue;
		for (slot = b->first; slot <= b->last; slot++) {
			if (b->used[slot] == 0) {
				b->shared[slot] = plug == PCI_PLUG_ROOT_PORT;
				f = 0;
				goto found;
			}
			/* eight root ports share a slot */
			if (plug != PCI_PLUG_ROOT_PORT || !b->shared[slot] ||
			    b->used[slot] == 0xff)
				continue;
			for (f = 0; b->used[slot] & 1U << f; f++)
				;
			goto found;
		}
	}
	if (!m->counting)
		return (domain_error(m->err, DOMAIN_ERR_CONFIG_UNSUPPORTED, 0,
		    "no more available PCI slots"));
	if (map_grow(m, plug, &i) == -1)
		return (-1);
	b = &m->bus[i];
	slot = b->first;
	f = 0;
 found:
	b->used[slot] |= 1U << f;
	a->pci.bus = i;
	a->pci.slot = slot;
	a->pci.function = f;
	return (0);
}

/* An address that the XML says. */
static int
map_reserve(struct pci_map *m, const struct device *dev, enum pci_plug plug,
    const struct address *a)
{
	struct pci_bus		*b;
	char			 text[80];

	address_text(a, text, sizeof(text));
	while (a->pci.bus >= m->n && m->counting)
		if (bus_add(m, domain_machine(m->d) == MACHINE_Q35 ?
		    CONTROLLER_MODEL_PCIE_ROOT_PORT :
		    CONTROLLER_MODEL_PCI_BRIDGE) == -1)
			return (-1);
	if (a->pci.bus >= m->n)
		return (device_error(m->err, dev,
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, "%s: there is no such bus",
		    text));
	b = &m->bus[a->pci.bus];
	if (!(b->accepts & PLUG(plug)) &&
	    !((PLUG(plug) & ENDPOINTS) && (b->accepts & ENDPOINTS)))
		return (device_error(m->err, dev, DOMAIN_ERR_XML, "%s is on a "
		    "bus that this device cannot be plugged into", text));
	if (a->pci.slot < b->first || a->pci.slot > b->last)
		return (device_error(m->err, dev, DOMAIN_ERR_XML, "%s: slots "
		    "of this bus are 0x%02x to 0x%02x", text, b->first,
		    b->last));
	if (b->used[a->pci.slot] & 1U << a->pci.function)
		return (device_error(m->err, dev, DOMAIN_ERR_XML,
		    "%s is already in use by another device", text));
	if (b->used[a->pci.slot] == 0)
		b->shared[a->pci.slot] = plug == PCI_PLUG_ROOT_PORT;
	else if (plug != PCI_PLUG_ROOT_PORT)
		b->shared[a->pci.slot] = 0;
	b->used[a->pci.slot] |= 1U << a->pci.function;
	return (0);
}

/* Something on board that the model doesn't have. */
static int
map_onboard(struct pci_map *m, unsigned int slot, unsigned int function)
{
	if (m->bus[0].used[slot] & 1U << function)
		return (domain_error(m->err, DOMAIN_ERR_XML, 0, "PCI address "
		    "0000:00:%02x.%x belongs to the machine: no device can "
		    "have it", slot, function));
	m->bus[0].used[slot] |= 1U << function;
	return (0);
}

/* Gives dev the next address, if it wants one. */
static int
map_place(struct pci_map *m, struct device *dev)
{
	struct address	 a;
	enum pci_plug	 plug = device_plug(m->d, dev);

	if (dev->address.type != ADDRESS_NONE || plug == PCI_PLUG_NONE ||
	    is_chipset(m->d, dev))
		return (0);
	if (map_next(m, plug, &a) == -1)
		return (-1);
	if (!m->counting)
		dev->address = a;
	return (0);
}

/* Is its place on the board, whatever is free? */
static int
is_chipset(const struct domain *d, const struct device *dev)
{
	const struct controller	*c = (const struct controller *)dev;

	if (dev->type != DEVICE_CONTROLLER || c->index != 0)
		return (0);
	if (domain_machine(d) == MACHINE_Q35)
		return (c->type == CONTROLLER_SATA);
	return (c->type == CONTROLLER_IDE || (c->type == CONTROLLER_USB &&
	    c->model == CONTROLLER_MODEL_PIIX3_UHCI));
}

/* The buses that there are, and the addresses that are given. */
static int
map_open(struct pci_map *m, struct domain *d, int counting,
    struct domain_error *err)
{
	struct controller	*c;
	struct device		*dev;
	unsigned int		 i;
	int			 t, q35 = domain_machine(d) == MACHINE_Q35;

	memset(m, 0, sizeof(*m));
	m->d = d;
	m->err = err;
	m->counting = counting;
	DEVICE_FOREACH(c, d, DEVICE_CONTROLLER) {
		if (c->type != CONTROLLER_PCI)
			continue;
		bus_init(&m->bus[c->index], c->model);
		if (c->index >= m->n)
			m->n = c->index + 1;
	}
	for (i = 1; i < m->n; i++)
		if (m->bus[i].model == CONTROLLER_MODEL_DEFAULT)
			bus_init(&m->bus[i], q35 ?
			    CONTROLLER_MODEL_PCIE_ROOT_PORT :
			    CONTROLLER_MODEL_PCI_BRIDGE);
	for (t = 0; t < DEVICE_NTYPES; t++)
		TAILQ_FOREACH(dev, &d->devices[t], entry)
			if (dev->address.type == ADDRESS_PCI &&
			    !is_chipset(d, dev) &&
			    map_reserve(m, dev, device_plug(d, dev),
			    &dev->address) == -1)
				return (-1);
	return (0);
}

/* One that is on board at that place: it has to say the same, or nothing. */
static int
chipset_device(struct pci_map *m, struct device *dev, unsigned int slot,
    unsigned int function)
{
	struct address	 a;

	memset(&a, 0, sizeof(a));
	a.type = ADDRESS_PCI;
	a.pci.slot = slot;
	a.pci.function = function;
	a.pci.multifunction = -1;
	if (dev->address.type != ADDRESS_NONE &&
	    !address_equal(&dev->address, &a))
		return (device_error(m->err, dev, DOMAIN_ERR_XML, "it is a "
		    "part of the chipset: its PCI address must be "
		    "0000:00:%02x.%x", slot, function));
	if (dev->address.type == ADDRESS_NONE && !m->counting)
		dev->address = a;
	return (map_onboard(m, slot, function));
}

static int
map_chipset(struct pci_map *m)
{
	struct controller	*c;
	struct video		*v;
	unsigned int		 slot;
	int			 q35 = domain_machine(m->d) == MACHINE_Q35;

	DEVICE_FOREACH(c, m->d, DEVICE_CONTROLLER) {
		if (!is_chipset(m->d, &c->dev))
			continue;
		if (q35 ? chipset_device(m, &c->dev, 0x1f, 2) == -1 :
		    chipset_device(m, &c->dev, 1,
		    c->type == CONTROLLER_IDE ? 1 : 2) == -1)
			return (-1);
	}
	/* the ISA bridge; SMBus or power management */
	slot = q35 ? 0x1f : 1;
	if (map_onboard(m, slot, 0) == -1 || map_onboard(m, slot, 3) == -1)
		return (-1);

	/* the first display is at the first slot behind the board's */
	v = DEVICE_FIRST(m->d, DEVICE_VIDEO);
	if (v == NULL || v->dev.address.type != ADDRESS_NONE ||
	    device_plug(m->d, &v->dev) == PCI_PLUG_NONE)
		return (0);
	slot = q35 ? 1 : 2;
	if (m->bus[0].used[slot] != 0)
		return (map_place(m, &v->dev));
	m->bus[0].used[slot] = 1;
	if (!m->counting) {
		memset(&v->dev.address, 0, sizeof(v->dev.address));
		v->dev.address.type = ADDRESS_PCI;
		v->dev.address.pci.slot = slot;
		v->dev.address.pci.multifunction = -1;
	}
	return (0);
}

static int
map_devices(struct pci_map *m)
{
	struct device	*dev;
	size_t		 i;
	int		 bus;

	for (i = 0; i < nitems(pci_order); i++)
		TAILQ_FOREACH(dev, &m->d->devices[pci_order[i].type], entry) {
			bus = dev->type == DEVICE_CONTROLLER &&
			    ((struct controller *)dev)->type == CONTROLLER_PCI;
			if ((pci_order[i].which == BUSES && !bus) ||
			    (pci_order[i].which == NOT_BUSES && bus))
				continue;
			/* the first display has its place already */
			if (m->counting && dev->type == DEVICE_VIDEO &&
			    dev == DEVICE_FIRST(m->d, DEVICE_VIDEO))
				continue;
			if (map_place(m, dev) == -1)
				return (-1);
		}
	return (0);
}

/*
 * A place for what will be plugged in later: on conventional PCI before the
 * devices, so that a bridge is added while there is a slot for it; a root
 * port behind them, once, when the others are added.
 */
static int
map_spare(struct pci_map *m, int behind)
{
	struct address	 a;
	unsigned int	 i, slot;

	if (behind) {
		for (i = 1; i < m->n; i++)
			if (controller_find(m->d, CONTROLLER_PCI, i) != NULL)
				return (0);
		return (m->n > 1 ? map_next(m, PCI_PLUG_EXPRESS, &a) : 0);
	}
	for (i = 0; i < m->n; i++)
		for (slot = m->bus[i].first; slot <= m->bus[i].last; slot++)
			if (m->bus[i].used[slot] == 0)
				return (map_next(m, PCI_PLUG_CONVENTIONAL,
				    &a));
	return (0);
}

/* Makes controllers of the buses that were added. */
static int
map_controllers(struct pci_map *m)
{
	struct controller	*c;
	struct address		 a;
	unsigned int		 i;

	for (i = 1; i < m->n; i++) {
		if (controller_find(m->d, CONTROLLER_PCI, i) != NULL)
			continue;
		c = controller_want(m->d, CONTROLLER_PCI, i, m->bus[i].model,
		    m->err);
		if (c == NULL ||
		    map_next(m, device_plug(m->d, &c->dev), &a) == -1)
			return (-1);
	}
	return (0);
}

/* What follows from addresses. */
static void
finish(struct pci_map *m)
{
	struct controller	*c;
	struct device		*dev;
	struct address		*a;
	int			 t;

	for (t = 0; t < DEVICE_NTYPES; t++)
		TAILQ_FOREACH(dev, &m->d->devices[t], entry) {
			a = &dev->address;
			if (a->type == ADDRESS_PCI && a->pci.function == 0 &&
			    (m->bus[a->pci.bus].used[a->pci.slot] & ~1U))
				a->pci.multifunction = 1;
		}
	DEVICE_FOREACH(c, m->d, DEVICE_CONTROLLER) {
		if (c->model == CONTROLLER_MODEL_PCI_BRIDGE ||
		    c->model == CONTROLLER_MODEL_PCIE_ROOT_PORT) {
			if (c->chassis == -1)
				c->chassis = (int)c->index;
		}
		if (c->model == CONTROLLER_MODEL_PCIE_ROOT_PORT &&
		    c->port == -1)
			c->port = (int)(c->dev.address.pci.slot << 3 |
			    c->dev.address.pci.function);
	}
}

int
pci_assign(struct domain *d, struct domain_error *err)
{
	struct pci_map	*m;
	int		 q35 = domain_machine(d) == MACHINE_Q35, r = -1;

	if ((m = malloc(sizeof(*m))) == NULL)
		return (domain_error(err, DOMAIN_ERR_NO_MEMORY, 0,
		    "out of memory"));
	if (map_open(m, d, 1, err) == -1 || map_chipset(m) == -1 ||
	    (!q35 && map_spare(m, 0) == -1) || map_devices(m) == -1 ||
	    (q35 && map_spare(m, 1) == -1) || map_controllers(m) == -1)
		goto out;
	if (map_open(m, d, 0, err) == -1 || map_chipset(m) == -1 ||
	    map_devices(m) == -1)
		goto out;
	finish(m);
	r = 0;
 out:
	free(m);
	return (r);
}
