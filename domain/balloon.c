/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * <memballoon>.  As in libvirt, a PC that says nothing has one: it is where
 * memory statistics and a changed memory size come from.
 */

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domain/domain.h"
#include "domain/device.h"

static const char *const models[] = { "none", "virtio", NULL };

static int	 balloon_parse(struct xml *, const xmlNode *, void *);
static int	 balloon_check(const struct domain *, const void *,
		    struct domain_error *);
static void	 balloon_format(struct out *, const struct domain *,
		    const void *);
static int	 balloon_assign(struct domain *, void *,
		    struct domain_error *);
static enum pci_plug balloon_plug(const struct domain *, const void *);
static void	 balloon_alias(const struct domain *, const void *,
		    unsigned int, char *, size_t);
static void	 balloon_command(struct command *, const void *);
static void	 balloon_setup(struct setup *, const void *);

const struct device_class balloon_class = {
	.element = "memballoon",
	.size = sizeof(struct balloon),
	.max = 1,
	.parse = balloon_parse,
	.check = balloon_check,
	.format = balloon_format,
	.assign = balloon_assign,
	.plug = balloon_plug,
	.alias = balloon_alias,
	.command = balloon_command,
	.setup = balloon_setup,
};

static int
balloon_parse(struct xml *x, const xmlNode *node, void *arg)
{
	struct balloon	*b = arg;
	xmlNode		*n;
	unsigned int	 u;
	int		 r;

	if ((r = xml_attr_enum(x, node, "model", models, &u)) == -1)
		return (-1);
	if (r == 0)
		return (xml_error(x, node, DOMAIN_ERR_XML,
		    "attribute 'model' is missing"));
	b->model = u;
	if (b->model == BALLOON_NONE)
		return (0);
	if ((r = xml_only(x, node, "stats", &n)) == -1 ||
	    (r == 1 && xml_attr_uint(x, n, "period", INT_MAX,
	    &b->period) == -1))
		return (-1);
	return (0);
}

static int
balloon_check(const struct domain *d, const void *arg,
    struct domain_error *err)
{
	const struct balloon	*b = arg;
	enum address_type	 type = b->dev.address.type;

	if (type != ADDRESS_NONE && (b->model == BALLOON_NONE ||
	    type != (domain_machine(d) == MACHINE_MICROVM ?
	    ADDRESS_VIRTIO_MMIO : ADDRESS_PCI)))
		return (device_error(err, &b->dev,
		    DOMAIN_ERR_CONFIG_UNSUPPORTED,
		    "it cannot have an address of that type"));
	return (0);
}

static void
balloon_format(struct out *o, const struct domain *d, const void *arg)
{
	const struct balloon	*b = arg;

	out_attr(o, "model", models[b->model]);
	if (b->period != 0) {
		out_start(o, "stats");
		out_attrf(o, "period", "%u", b->period);
		out_end(o);
	}
}

static int
balloon_assign(struct domain *d, void *arg, struct domain_error *err)
{
	struct balloon	*b = arg;

	if (b->model == BALLOON_VIRTIO &&
	    domain_machine(d) == MACHINE_MICROVM)
		b->dev.address.type = ADDRESS_VIRTIO_MMIO;
	return (0);
}

static enum pci_plug
balloon_plug(const struct domain *d, const void *arg)
{
	const struct balloon	*b = arg;

	if (b->model == BALLOON_NONE)
		return (PCI_PLUG_NONE);
	return (domain_machine(d) == MACHINE_Q35 ? PCI_PLUG_EXPRESS :
	    PCI_PLUG_CONVENTIONAL);
}

static void
balloon_alias(const struct domain *d, const void *arg, unsigned int n,
    char *buf, size_t size)
{
	const struct balloon	*b = arg;

	if (b->model != BALLOON_NONE)
		snprintf(buf, size, "balloon%u", n);
}

static void
balloon_command(struct command *c, const void *arg)
{
	const struct balloon	*b = arg;

	if (b->model == BALLOON_NONE)
		return;
	opt_start(c, "-device",
	    b->dev.address.type == ADDRESS_VIRTIO_MMIO ?
	    "virtio-balloon-device" : "virtio-balloon-pci");
	opt_device(c, &b->dev);
	opt_end(c);
}

static void
balloon_setup(struct setup *s, const void *arg)
{
	const struct balloon	*b = arg;

	if (b->model == BALLOON_NONE || b->dev.alias == NULL)
		return;
	if (s->d->current_memory < s->d->memory)
		setup_line(s, "{\"execute\":\"balloon\",\"arguments\":"
		    "{\"value\":%llu}}",
		    (unsigned long long)s->d->current_memory * 1024);
	if (b->period != 0)
		setup_line(s, "{\"execute\":\"qom-set\",\"arguments\":"
		    "{\"path\":\"/machine/peripheral/%s\",\"property\":"
		    "\"guest-stats-polling-interval\",\"value\":%u}}",
		    b->dev.alias, b->period);
}
