/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/* <video>: display adapters.  The first is the one that the BIOS uses. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domain/domain.h"
#include "domain/device.h"

#define VIDEO_MEMORY_MAX	(1024 * 1024)	/* KiB */

/* In the order of enum video_model. */
static const char *const types[] = { "", "vga", "cirrus", "virtio", "qxl",
    "none", NULL };
static const struct model {
	const char	*first, *other;		/* QEMU's names */
	unsigned int	 vram, ram, vgamem;	/* KiB, by default */
	enum pci_plug	 plug;
} models[] = {
	[VIDEO_VGA] = { "VGA", NULL, 16384, 0, 0, PCI_PLUG_CONVENTIONAL },
	[VIDEO_CIRRUS] = { "cirrus-vga", NULL, 16384, 0, 0,
	    PCI_PLUG_CONVENTIONAL },
	[VIDEO_VIRTIO] = { "virtio-vga", "virtio-gpu-pci", 0, 0, 0,
	    PCI_PLUG_EXPRESS },
	[VIDEO_QXL] = { "qxl-vga", "qxl", 65536, 65536, 16384,
	    PCI_PLUG_CONVENTIONAL },
	[VIDEO_NONE] = { NULL, NULL, 0, 0, 0, PCI_PLUG_NONE },
};

static int	 video_parse(struct xml *, const xmlNode *, void *);
static int	 video_check(const struct domain *, const void *,
		    struct domain_error *);
static void	 video_format(struct out *, const struct domain *,
		    const void *);
static int	 video_order(const void *, const void *);
static int	 video_assign(struct domain *, void *, struct domain_error *);
static enum pci_plug video_plug(const struct domain *, const void *);
static void	 video_alias(const struct domain *, const void *,
		    unsigned int, char *, size_t);
static void	 video_command(struct command *, const void *);
static int	 is_first(const struct domain *, const struct video *);

const struct device_class video_class = {
	.element = "video",
	.size = sizeof(struct video),
	.parse = video_parse,
	.check = video_check,
	.format = video_format,
	.order = video_order,
	.assign = video_assign,
	.plug = video_plug,
	.alias = video_alias,
	.command = video_command,
};

static int
is_first(const struct domain *d, const struct video *v)
{
	return ((const void *)v == DEVICE_FIRST(d, DEVICE_VIDEO));
}

static int
video_parse(struct xml *x, const xmlNode *node, void *arg)
{
	struct video	*v = arg;
	xmlNode		*n;
	unsigned int	 u = VIDEO_DEFAULT;
	int		 r;

	if ((r = xml_only(x, node, "model", &n)) != 1)
		return (r);
	if (xml_attr_enum(x, n, "type", types, &u) == -1 ||
	    xml_attr_uint(x, n, "vram", VIDEO_MEMORY_MAX, &v->vram) == -1 ||
	    xml_attr_uint(x, n, "ram", VIDEO_MEMORY_MAX, &v->ram) == -1 ||
	    xml_attr_uint(x, n, "vgamem", VIDEO_MEMORY_MAX,
	    &v->vgamem) == -1 ||
	    xml_attr_uint(x, n, "heads", 16, &v->heads) == -1 ||
	    xml_attr_bool(x, n, "primary", xml_yesno, &v->primary) == -1)
		return (-1);
	v->model = u;
	if (v->model != VIDEO_QXL && (v->ram != 0 || v->vgamem != 0))
		return (xml_error(x, n, DOMAIN_ERR_XML, "attributes 'ram' and "
		    "'vgamem' are for type='qxl' only"));
	return (0);
}

static int
check_memory(const struct video *v, const char *name, unsigned int kib,
    struct domain_error *err)
{
	if (kib != 0 && kib < 1024)
		return (device_error(err, &v->dev,
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, "value for '%s' must be at "
		    "least 1 MiB (1024 KiB)", name));
	return (0);
}

static int
video_check(const struct domain *d, const void *arg, struct domain_error *err)
{
	const struct video	*v = arg;

	if (check_memory(v, "vram", v->vram, err) == -1 ||
	    check_memory(v, "ram", v->ram, err) == -1 ||
	    check_memory(v, "vgamem", v->vgamem, err) == -1)
		return (-1);
	if (v->heads > 1 && v->model != VIDEO_VIRTIO && v->model != VIDEO_QXL)
		return (device_error(err, &v->dev,
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, "only types 'virtio' and "
		    "'qxl' have more than one head"));
	if (v->model == VIDEO_NONE &&
	    (!is_first(d, v) || DEVICE_NEXT(v) != NULL))
		return (device_error(err, &v->dev, DOMAIN_ERR_XML,
		    "a video of type 'none' must be the only one"));
	if (!is_first(d, v) && v->primary)
		return (device_error(err, &v->dev, DOMAIN_ERR_XML,
		    "only one video device can be primary"));
	if (!is_first(d, v) && v->model != VIDEO_VIRTIO &&
	    v->model != VIDEO_QXL)
		return (device_error(err, &v->dev,
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, "video type '%s' is only "
		    "valid as primary video device", v->model ==
		    VIDEO_DEFAULT ? "default" : types[v->model]));
	if (domain_machine(d) == MACHINE_MICROVM && v->model != VIDEO_NONE)
		return (device_error(err, &v->dev,
		    DOMAIN_ERR_CONFIG_UNSUPPORTED,
		    "machine 'microvm' has no display"));
	if (v->dev.address.type != ADDRESS_NONE &&
	    (v->dev.address.type != ADDRESS_PCI || v->model == VIDEO_NONE))
		return (device_error(err, &v->dev,
		    DOMAIN_ERR_CONFIG_UNSUPPORTED,
		    "it cannot have an address of that type"));
	return (0);
}

static void
video_format(struct out *o, const struct domain *d, const void *arg)
{
	const struct video	*v = arg;

	out_start(o, "model");
	if (v->model != VIDEO_DEFAULT)
		out_attr(o, "type", types[v->model]);
	if (v->ram != 0)
		out_attrf(o, "ram", "%u", v->ram);
	if (v->vram != 0)
		out_attrf(o, "vram", "%u", v->vram);
	if (v->vgamem != 0)
		out_attrf(o, "vgamem", "%u", v->vgamem);
	if (v->heads != 0)
		out_attrf(o, "heads", "%u", v->heads);
	if (v->primary)
		out_attr(o, "primary", "yes");
	out_end(o);
}

static int
video_order(const void *a, const void *b)
{
	const struct video	*x = a, *y = b;

	return (x->primary && !y->primary ? -1 : 1);
}

static int
video_assign(struct domain *d, void *arg, struct domain_error *err)
{
	struct video		*v = arg;
	const struct model	*m;
	unsigned int		 n;

	if (v->model == VIDEO_DEFAULT)
		v->model = VIDEO_CIRRUS;
	if (v->model == VIDEO_NONE)
		return (0);
	m = &models[v->model];
	if (v->vram == 0)
		v->vram = m->vram;
	if (v->ram == 0)
		v->ram = m->ram;
	if (v->vgamem == 0)
		v->vgamem = m->vgamem;
	for (n = 1024; n < v->vgamem; n *= 2)
		;	/* QXL takes powers of two only */
	if (v->vgamem != 0)
		v->vgamem = n;
	if (v->heads == 0)
		v->heads = 1;
	if (is_first(d, v))
		v->primary = 1;
	return (0);
}

static enum pci_plug
video_plug(const struct domain *d, const void *arg)
{
	const struct video	*v = arg;
	enum pci_plug		 plug;

	plug = models[v->model == VIDEO_DEFAULT ? VIDEO_CIRRUS :
	    v->model].plug;
	if (plug == PCI_PLUG_EXPRESS && domain_machine(d) != MACHINE_Q35)
		plug = PCI_PLUG_CONVENTIONAL;
	return (plug);
}

static void
video_alias(const struct domain *d, const void *arg, unsigned int n,
    char *buf, size_t size)
{
	snprintf(buf, size, "video%u", n);
}

static void
video_command(struct command *c, const void *arg)
{
	const struct video	*v = arg;
	const struct model	*m = &models[v->model];

	if (v->model == VIDEO_NONE)
		return;
	if (v->model == VIDEO_DEFAULT) {
		cmd_fail(c, &v->dev, "it has no model yet");
		return;
	}
	opt_start(c, "-device", is_first(c->d, v) ? m->first : m->other);
	opt_device(c, &v->dev);
	switch (v->model) {
	case VIDEO_VGA:
		opt_fmt(c, "vgamem_mb", "%u", (v->vram + 1023) / 1024);
		break;
	case VIDEO_QXL:
		opt_fmt(c, "max_outputs", "%u", v->heads);
		opt_fmt(c, "ram_size", "%u", v->ram * 1024);
		opt_fmt(c, "vram_size", "%u", v->vram * 1024);
		opt_fmt(c, "vram64_size_mb", "0");
		opt_fmt(c, "vgamem_mb", "%u", v->vgamem / 1024);
		break;
	case VIDEO_VIRTIO:
		opt_fmt(c, "max_outputs", "%u", v->heads);
		break;
	default:	/* Cirrus has 4 MiB, whatever vram says */
		break;
	}
	opt_end(c);
}
