/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/* <interface>: network cards, and what is behind them. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domain/domain.h"
#include "domain/device.h"

static const char *const types[] = { "user", NULL };
static const char *const links[] = { "", "up", "down", NULL };

static const struct model {
	const char	*name;
	const char	*driver;
	enum pci_plug	 plug;
} models[] = {
	{ "rtl8139", "rtl8139", PCI_PLUG_CONVENTIONAL },
	{ "virtio", "virtio-net-pci", PCI_PLUG_EXPRESS },
	{ "e1000", "e1000", PCI_PLUG_CONVENTIONAL },
	{ "e1000e", "e1000e", PCI_PLUG_EXPRESS },
	{ "e1000-82544gc", "e1000-82544gc", PCI_PLUG_CONVENTIONAL },
	{ "e1000-82545em", "e1000-82545em", PCI_PLUG_CONVENTIONAL },
	{ "i82551", "i82551", PCI_PLUG_CONVENTIONAL },
	{ "i82557b", "i82557b", PCI_PLUG_CONVENTIONAL },
	{ "i82559er", "i82559er", PCI_PLUG_CONVENTIONAL },
	{ "ne2k_pci", "ne2k_pci", PCI_PLUG_CONVENTIONAL },
	{ "pcnet", "pcnet", PCI_PLUG_CONVENTIONAL },
};

static void	 net_clear(void *);
static int	 net_parse(struct xml *, const xmlNode *, void *);
static int	 net_check(const struct domain *, const void *,
		    struct domain_error *);
static void	 net_format(struct out *, const struct domain *,
		    const void *);
static int	 net_assign(struct domain *, void *, struct domain_error *);
static enum pci_plug net_plug(const struct domain *, const void *);
static void	 net_alias(const struct domain *, const void *, unsigned int,
		    char *, size_t);
static void	 net_command(struct command *, const void *);
static void	 net_setup(struct setup *, const void *);
static const struct model *model_find(const char *);

const struct device_class net_class = {
	.element = "interface",
	.size = sizeof(struct net),
	.clear = net_clear,
	.parse = net_parse,
	.check = net_check,
	.format = net_format,
	.assign = net_assign,
	.plug = net_plug,
	.alias = net_alias,
	.command = net_command,
	.setup = net_setup,
};

static void
net_clear(void *arg)
{
	struct net	*net = arg;

	free(net->model);
}

static const struct model *
model_find(const char *name)
{
	size_t	 i;

	for (i = 0; i < nitems(models); i++)
		if (strcmp(models[i].name, name) == 0)
			return (&models[i]);
	return (NULL);
}

/* Six bytes in hexadecimal, of one or two digits each. */
static int
parse_mac(struct xml *x, const xmlNode *node, struct net *net)
{
	char		*s, *p, *end;
	unsigned long	 v;
	int		 i, r;

	if ((r = xml_attr(x, node, "address", &s)) != 1)
		return (r);
	for (p = s, i = 0; i < 6; i++) {
		if (strspn(p, "0123456789abcdefABCDEF") == 0)
			break;
		v = strtoul(p, &end, 16);
		if (end - p > 2 || *end != (i < 5 ? ':' : '\0'))
			break;
		net->mac[i] = (uint8_t)v;
		p = end + 1;
	}
	if (i < 6)
		r = xml_error(x, node, DOMAIN_ERR_XML, "unable to parse mac "
		    "address '%.40s': it must be six hexadecimal numbers, as "
		    "in 52:54:00:12:34:56", s);
	else if (net->mac[0] & 1)
		r = xml_error(x, node, DOMAIN_ERR_XML, "expected unicast mac "
		    "address, found multicast '%.40s': the first number must "
		    "be even", s);
	else
		net->has_mac = 1;
	free(s);
	return (r);
}

static int
net_parse(struct xml *x, const xmlNode *node, void *arg)
{
	struct net	*net = arg;
	xmlNode		*n;
	unsigned int	 u;
	int		 r;

	if ((r = xml_attr_enum(x, node, "type", types, &u)) == -1)
		return (-1);
	if (r == 0)
		return (xml_error(x, node, DOMAIN_ERR_XML,
		    "attribute 'type' is missing"));
	net->type = u;
	if ((r = xml_only(x, node, "mac", &n)) == -1 ||
	    (r == 1 && parse_mac(x, n, net) == -1))
		return (-1);
	if ((r = xml_only(x, node, "model", &n)) == -1 ||
	    (r == 1 && (r = xml_attr(x, n, "type", &net->model)) == -1))
		return (-1);
	if (r == 1 && model_find(net->model) == NULL)
		return (xml_error(x, n, DOMAIN_ERR_CONFIG_UNSUPPORTED,
		    "type='%.40s' is not supported: it may be virtio, "
		    "rtl8139, e1000, e1000e, pcnet or ne2k_pci, for example",
		    net->model));
	if ((r = xml_only(x, node, "link", &n)) == -1)
		return (-1);
	u = NET_LINK_DEFAULT;
	if (r == 1 && xml_attr_enum(x, n, "state", links, &u) == -1)
		return (-1);
	net->link = u;
	return (0);
}

static int
net_check(const struct domain *d, const void *arg, struct domain_error *err)
{
	const struct net	*net = arg;
	int			 mmio = domain_machine(d) == MACHINE_MICROVM;

	if (mmio && net->model != NULL && strcmp(net->model, "virtio") != 0)
		return (device_error(err, &net->dev,
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, "machine 'microvm' has no "
		    "PCI: the model can be 'virtio' only"));
	if (net->dev.address.type != ADDRESS_NONE &&
	    net->dev.address.type != (mmio ? ADDRESS_VIRTIO_MMIO :
	    ADDRESS_PCI))
		return (device_error(err, &net->dev,
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, "it cannot have an address "
		    "of that type on machine '%s'", d->os.machine));
	return (0);
}

static void
net_format(struct out *o, const struct domain *d, const void *arg)
{
	const struct net	*net = arg;
	const uint8_t		*m = net->mac;

	out_attr(o, "type", types[net->type]);
	if (net->has_mac) {
		out_start(o, "mac");
		out_attrf(o, "address", "%02x:%02x:%02x:%02x:%02x:%02x", m[0],
		    m[1], m[2], m[3], m[4], m[5]);
		out_end(o);
	}
	if (net->model != NULL) {
		out_start(o, "model");
		out_attr(o, "type", net->model);
		out_end(o);
	}
	if (net->link != NET_LINK_DEFAULT) {
		out_start(o, "link");
		out_attr(o, "state", links[net->link]);
		out_end(o);
	}
}

/* 52:54:00 is QEMU's; its first byte says: locally administered. */
static int
net_assign(struct domain *d, void *arg, struct domain_error *err)
{
	struct net	*net = arg;
	int		 mmio = domain_machine(d) == MACHINE_MICROVM;

	if (!net->has_mac) {
		net->mac[0] = 0x52;
		net->mac[1] = 0x54;
		net->mac[2] = 0x00;
		arc4random_buf(net->mac + 3, 3);
		net->has_mac = 1;
	}
	if (net->model == NULL && domain_set_string(&net->model,
	    mmio ? "virtio" : "rtl8139") == -1)
		return (domain_error(err, DOMAIN_ERR_NO_MEMORY, 0,
		    "out of memory"));
	if (mmio)
		net->dev.address.type = ADDRESS_VIRTIO_MMIO;
	return (0);
}

static enum pci_plug
net_plug(const struct domain *d, const void *arg)
{
	const struct net	*net = arg;
	const struct model	*m;

	m = model_find(net->model == NULL ? "rtl8139" : net->model);
	if (m == NULL || domain_machine(d) != MACHINE_Q35)
		return (PCI_PLUG_CONVENTIONAL);
	return (m->plug);
}

static void
net_alias(const struct domain *d, const void *arg, unsigned int n, char *buf,
    size_t size)
{
	snprintf(buf, size, "net%u", n);
}

static void
net_command(struct command *c, const void *arg)
{
	const struct net	*net = arg;
	const struct model	*m;
	const uint8_t		*a = net->mac;

	m = net->model == NULL ? NULL : model_find(net->model);
	if (m == NULL || net->dev.alias == NULL) {
		cmd_fail(c, &net->dev, "it has no model or alias yet");
		return;
	}
	opt_start(c, "-netdev", "user");
	opt_fmt(c, "id", "host%s", net->dev.alias);
	opt_end(c);
	opt_start(c, "-device",
	    net->dev.address.type == ADDRESS_VIRTIO_MMIO ?
	    "virtio-net-device" : m->driver);
	opt_device(c, &net->dev);
	opt_fmt(c, "netdev", "host%s", net->dev.alias);
	opt_fmt(c, "mac", "%02x:%02x:%02x:%02x:%02x:%02x", a[0], a[1], a[2],
	    a[3], a[4], a[5]);
	opt_bootindex(c, &net->dev);
	/* QEMU reads the ROM from a file: only if the guest boots from it. */
	if (cmd_bootindex(c, &net->dev) == 0 &&
	    net->dev.address.type == ADDRESS_PCI)
		opt_str(c, "romfile", "");
	opt_end(c);
}

static void
net_setup(struct setup *s, const void *arg)
{
	const struct net	*net = arg;

	if (net->link == NET_LINK_DOWN && net->dev.alias != NULL)
		setup_line(s, "{\"execute\":\"set_link\",\"arguments\":"
		    "{\"name\":\"%s\",\"up\":false}}", net->dev.alias);
}
