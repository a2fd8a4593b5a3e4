/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * <disk>: hard disks, CD-ROM and floppy drives, with chains of images.
 *
 * QEMU gets each image as a descriptor in an fdset of its own, below two
 * block nodes: "disk-vda-0-file", which reads bytes, and "disk-vda-0", which
 * knows the format.  Format and backing are always said, so that nothing
 * that a guest writes into an image can choose them.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domain/domain.h"
#include "domain/device.h"

#define DISK_SERIAL_MAX	20	/* bytes that IDE and virtio can tell */

static const char *const devices[] = { "disk", "cdrom", "floppy", NULL };
static const char *const buses[] = { "ide", "fdc", "virtio", "sata", NULL };
static const char *const formats[] = { "", "raw", "qcow2", NULL };
static const char *const caches[] = { "", "none", "writeback",
    "writethrough", "directsync", "unsafe", NULL };
static const char *const discards[] = { "", "unmap", "ignore", NULL };
static const char *const snapshots[] = { "", "no", "internal", "external",
    NULL };
static const char *const types[] = { "file", NULL };

static void	 disk_init(void *);
static void	 disk_clear(void *);
static int	 disk_parse(struct xml *, const xmlNode *, void *);
static int	 disk_check(const struct domain *, const void *,
		    struct domain_error *);
static void	 disk_format(struct out *, const struct domain *,
		    const void *);
static int	 disk_order(const void *, const void *);
static int	 disk_assign(struct domain *, void *, struct domain_error *);
static enum pci_plug disk_plug(const struct domain *, const void *);
static void	 disk_alias(const struct domain *, const void *,
		    unsigned int, char *, size_t);
static int	 disk_plan(const void *, struct domain_fds *);
static void	 disk_command(struct command *, const void *);

const struct device_class disk_class = {
	.element = "disk",
	.size = sizeof(struct disk),
	.init = disk_init,
	.clear = disk_clear,
	.parse = disk_parse,
	.check = disk_check,
	.format = disk_format,
	.order = disk_order,
	.assign = disk_assign,
	.plug = disk_plug,
	.alias = disk_alias,
	.plan = disk_plan,
	.command = disk_command,
};

static void
disk_init(void *arg)
{
	struct disk	*disk = arg;

	TAILQ_INIT(&disk->layers);
}

static void
disk_clear(void *arg)
{
	struct disk		*disk = arg;
	struct disk_layer	*l;

	while ((l = TAILQ_FIRST(&disk->layers)) != NULL) {
		TAILQ_REMOVE(&disk->layers, l, entry);
		free(l->path);
		free(l);
	}
	free(disk->target);
	free(disk->serial);
}

/* hda: 0, vdb: 1, sdaa: 26; three letters are enough for all devices. */
int
disk_index(const char *target)
{
	static const char *const prefixes[] = { "hd", "fd", "vd", "sd" };
	const char	*s;
	size_t		 i;
	int		 n = 0, len = 0;

	for (i = 0; i < nitems(prefixes); i++)
		if (strncmp(target, prefixes[i], 2) == 0)
			break;
	if (i == nitems(prefixes))
		return (-1);
	for (s = target + 2; *s >= 'a' && *s <= 'z' && len < 3; s++, len++)
		n = n * 26 + (*s - 'a') + 1;
	if (*s != '\0' || len == 0)
		return (-1);
	return (n - 1);
}

/* --- XML ------------------------------------------------------------------ */

/* <source> or nothing, in a <disk> or <backingStore>: adds a layer. */
static int
parse_source(struct xml *x, const xmlNode *node, struct disk *disk,
    struct disk_layer **layer)
{
	struct disk_layer	*l;
	xmlNode			*n;
	char			*path;
	int			 r;

	*layer = NULL;
	if ((r = xml_only(x, node, "source", &n)) != 1)
		return (r);
	xml_skip_attr(n, "index");	/* a number of the node, live */
	if ((r = xml_attr(x, n, "file", &path)) != 1)
		return (r);
	if (path[0] == '\0') {
		free(path);
		return (0);
	}
	if (xml_check_path(x, n, path) == -1) {
		free(path);
		return (-1);
	}
	if ((l = calloc(1, sizeof(*l))) == NULL) {
		free(path);
		return (xml_nomem(x));
	}
	l->path = path;
	TAILQ_INSERT_TAIL(&disk->layers, l, entry);
	*layer = l;
	return (1);
}

/* Nests as deep as the chain is long. */
static int
parse_backing(struct xml *x, const xmlNode *node, struct disk *disk)
{
	struct disk_layer	*l;
	xmlNode			*b, *n;
	unsigned int		 u, depth;
	int			 r;

	for (depth = 1;; depth++, node = b) {
		if ((r = xml_only(x, node, "backingStore", &b)) != 1)
			return (r);
		xml_skip_attr(b, "index");
		if ((r = xml_attr_enum(x, b, "type", types, &u)) == -1)
			return (-1);
		if (r == 0) {
			disk->chain_end = 1;	/* <backingStore/> */
			return (0);
		}
		if (depth == DOMAIN_MAX_LAYERS)
			return (xml_error(x, b, DOMAIN_ERR_CONFIG_UNSUPPORTED,
			    "a disk has at most %d images behind each other",
			    DOMAIN_MAX_LAYERS));
		if (TAILQ_EMPTY(&disk->layers))
			return (xml_error(x, b, DOMAIN_ERR_XML,
			    "there is no <source> that it could be behind"));
		if ((r = parse_source(x, b, disk, &l)) == -1)
			return (-1);
		if (r == 0)
			return (xml_error(x, b, DOMAIN_ERR_XML,
			    "<source file=> is missing"));
		if ((r = xml_only(x, b, "format", &n)) == -1)
			return (-1);
		u = DISK_FORMAT_NONE;
		if (r == 1 && xml_attr_enum(x, n, "type", formats, &u) == -1)
			return (-1);
		if (u == DISK_FORMAT_NONE)
			return (xml_error(x, b, DOMAIN_ERR_XML,
			    "<format type=> is missing: formats are never "
			    "guessed"));
		l->format = u;
	}
}

static int
parse_driver(struct xml *x, const xmlNode *node, struct disk *disk)
{
	static const char *const names[] = { "qemu", NULL };
	xmlNode		*n;
	unsigned int	 name, format = DISK_FORMAT_NONE, cache = 0,
			 discard = 0;
	int		 r;

	if ((r = xml_only(x, node, "driver", &n)) != 1)
		return (r);
	if ((disk->driver = xml_attr_enum(x, n, "name", names, &name)) == -1 ||
	    xml_attr_enum(x, n, "type", formats, &format) == -1 ||
	    xml_attr_enum(x, n, "cache", caches, &cache) == -1 ||
	    xml_attr_enum(x, n, "discard", discards, &discard) == -1)
		return (-1);
	disk->format = format;
	disk->cache = cache;
	disk->discard = discard;
	return (0);
}

static int
parse_target(struct xml *x, const xmlNode *node, struct disk *disk)
{
	static const char *const closed[] = { "closed", NULL };
	xmlNode		*n;
	unsigned int	 u;
	int		 r;

	if ((r = xml_only(x, node, "target", &n)) == -1)
		return (-1);
	if (r == 0)
		return (xml_error(x, node, DOMAIN_ERR_NO_TARGET,
		    "<target> is missing"));
	if ((r = xml_attr(x, n, "dev", &disk->target)) == -1)
		return (-1);
	if (r == 0)
		return (xml_error(x, n, DOMAIN_ERR_NO_TARGET,
		    "attribute 'dev' is missing"));
	if (disk_index(disk->target) == -1)
		return (xml_error(x, n, DOMAIN_ERR_XML, "dev='%.40s' is not a "
		    "disk: it must be one such as hda, fda, sda or vda",
		    disk->target));
	if (xml_attr_enum(x, n, "tray", closed, &u) == -1 ||
	    (r = xml_attr_enum(x, n, "bus", buses, &u)) == -1)
		return (-1);
	if (r == 1)
		disk->bus = u;
	else if (disk->device == DISK_FLOPPY)
		disk->bus = DISK_BUS_FDC;
	else if (disk->target[0] == 'h')
		disk->bus = DISK_BUS_IDE;
	else if (disk->target[0] == 'f')
		disk->bus = DISK_BUS_FDC;
	else if (disk->target[0] == 'v')
		disk->bus = DISK_BUS_VIRTIO;
	else
		return (xml_error(x, n, DOMAIN_ERR_CONFIG_UNSUPPORTED,
		    "dev='%s' means a SCSI disk, which is not supported: say "
		    "bus='sata' or bus='virtio'", disk->target));
	return (0);
}

static int
disk_parse(struct xml *x, const xmlNode *node, void *arg)
{
	struct disk		*disk = arg;
	struct disk_layer	*l;
	xmlNode			*n;
	unsigned int		 u = DISK_DISK;
	int			 r;

	if ((r = xml_attr_enum(x, node, "type", types, &u)) == -1)
		return (-1);
	u = DISK_DISK;
	if (xml_attr_enum(x, node, "device", devices, &u) == -1)
		return (-1);
	disk->device = u;
	u = DISK_SNAPSHOT_DEFAULT;
	if (xml_attr_enum(x, node, "snapshot", snapshots, &u) == -1)
		return (-1);
	disk->snapshot = u;
	if (parse_driver(x, node, disk) == -1 ||
	    parse_target(x, node, disk) == -1 ||
	    parse_source(x, node, disk, &l) == -1)
		return (-1);
	if (l != NULL)
		l->format = disk->format;
	if (parse_backing(x, node, disk) == -1)
		return (-1);
	if ((disk->readonly = xml_only(x, node, "readonly", &n)) == -1 ||
	    (disk->shareable = xml_only(x, node, "shareable", &n)) == -1)
		return (-1);
	if (disk->device == DISK_CDROM)
		disk->readonly = 1;
	if ((r = xml_only(x, node, "serial", &n)) == -1 ||
	    (r == 1 && xml_text(x, n, DISK_SERIAL_MAX, &disk->serial) == -1))
		return (-1);
	if (disk->serial != NULL && disk->serial[0] == '\0') {
		free(disk->serial);
		disk->serial = NULL;
	}
	if (disk->serial != NULL && disk->serial[strspn(disk->serial,
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	    "_.+- ")] != '\0')
		return (xml_error(x, n, DOMAIN_ERR_XML, "'%s' may have "
		    "letters, digits, '_', '.', '+', '-' and spaces only",
		    disk->serial));
	return (0);
}

/* What no machine can have; what this one can't. */
static int
disk_check(const struct domain *d, const void *arg, struct domain_error *err)
{
	const struct disk	*disk = arg, *other;
	const struct device	*dev = &disk->dev;
	const struct disk_layer	*l;
	enum domain_machine	 machine = domain_machine(d);

	DEVICE_FOREACH(other, d, DEVICE_DISK) {
		if (other == disk)
			break;
		if (strcmp(other->target, disk->target) == 0)
			return (device_error(err, dev, DOMAIN_ERR_XML,
			    "target '%s' duplicated for disk sources",
			    disk->target));
		if (disk->bus == DISK_BUS_VIRTIO && other->bus == disk->bus &&
		    disk_index(other->target) == disk_index(disk->target))
			return (device_error(err, dev, DOMAIN_ERR_XML,
			    "targets '%s' and '%s' are the same place of bus "
			    "'virtio'", other->target, disk->target));
	}
	if (disk->device == DISK_DISK && TAILQ_EMPTY(&disk->layers))
		return (device_error(err, dev, DOMAIN_ERR_NO_SOURCE,
		    "disk '%s' has no <source file=>: only CD-ROM and floppy "
		    "drives may be empty", disk->target));
	if ((disk->device == DISK_FLOPPY) != (disk->bus == DISK_BUS_FDC))
		return (device_error(err, dev, DOMAIN_ERR_CONFIG_UNSUPPORTED,
		    "'%s': bus 'fdc' is for floppy drives, and floppy drives "
		    "are on it", disk->target));
	if (disk->device == DISK_CDROM && disk->bus == DISK_BUS_VIRTIO)
		return (device_error(err, dev, DOMAIN_ERR_CONFIG_UNSUPPORTED,
		    "disk type of '%s' does not support ejectable media: a "
		    "CD-ROM needs bus 'ide' or 'sata'", disk->target));
	if (disk->device == DISK_DISK && disk->readonly &&
	    disk->bus != DISK_BUS_VIRTIO)
		return (device_error(err, dev, DOMAIN_ERR_CONFIG_UNSUPPORTED,
		    "'%s': IDE and SATA disks cannot be readonly: use bus "
		    "'virtio'", disk->target));
	if (disk->serial != NULL && disk->device == DISK_FLOPPY)
		return (device_error(err, dev, DOMAIN_ERR_CONFIG_UNSUPPORTED,
		    "'%s': a floppy drive has no <serial>", disk->target));
	TAILQ_FOREACH(l, &disk->layers, entry)
		if (l->format != DISK_FORMAT_QCOW2 &&
		    TAILQ_NEXT(l, entry) != NULL)
			return (device_error(err, dev,
			    DOMAIN_ERR_CONFIG_UNSUPPORTED, "'%s': an image of "
			    "format raw has no <backingStore>",
			    disk->target));
	if (disk->bus == DISK_BUS_IDE && machine != MACHINE_PC)
		return (device_error(err, dev, DOMAIN_ERR_CONFIG_UNSUPPORTED,
		    "'%s': IDE controllers are unsupported for machine '%s': "
		    "use bus '%s'", disk->target, d->os.machine,
		    machine == MACHINE_Q35 ? "sata" : "virtio"));
	if (disk->bus != DISK_BUS_VIRTIO && machine == MACHINE_MICROVM)
		return (device_error(err, dev, DOMAIN_ERR_CONFIG_UNSUPPORTED,
		    "'%s': machine 'microvm' has disks of bus 'virtio' only",
		    disk->target));
	switch (dev->address.type) {
	case ADDRESS_NONE:
		return (0);
	case ADDRESS_PCI:
		if (disk->bus == DISK_BUS_VIRTIO && machine != MACHINE_MICROVM)
			return (0);
		break;
	case ADDRESS_VIRTIO_MMIO:
		if (machine == MACHINE_MICROVM)
			return (0);
		break;
	case ADDRESS_DRIVE:
		if ((disk->bus == DISK_BUS_IDE &&
		    dev->address.drive.controller == 0 &&
		    dev->address.drive.bus <= 1 &&
		    dev->address.drive.unit <= 1 &&
		    dev->address.drive.target == 0) ||
		    (disk->bus == DISK_BUS_FDC &&
		    dev->address.drive.controller == 0 &&
		    dev->address.drive.bus == 0 &&
		    dev->address.drive.unit <= 1 &&
		    dev->address.drive.target == 0) ||
		    (disk->bus == DISK_BUS_SATA &&
		    dev->address.drive.bus == 0 &&
		    dev->address.drive.unit <= 5 &&
		    dev->address.drive.target == 0))
			return (0);
		return (device_error(err, dev, DOMAIN_ERR_CONFIG_UNSUPPORTED,
		    "'%s': bus '%s' has no place of that address (%s)",
		    disk->target, buses[disk->bus],
		    disk->bus == DISK_BUS_IDE ? "controller 0, bus 0 to 1, "
		    "unit 0 to 1" : disk->bus == DISK_BUS_FDC ?
		    "controller 0, bus 0, unit 0 to 1" :
		    "bus 0, unit 0 to 5"));
	case ADDRESS_USB:
		break;
	}
	return (device_error(err, dev, DOMAIN_ERR_CONFIG_UNSUPPORTED,
	    "'%s': a disk of bus '%s' on machine '%s' cannot have an address "
	    "of that type", disk->target, buses[disk->bus], d->os.machine));
}

static void
disk_format(struct out *o, const struct domain *d, const void *arg)
{
	const struct disk	*disk = arg;
	const struct disk_layer	*l = TAILQ_FIRST(&disk->layers);
	enum disk_format	 format = l != NULL ? l->format : disk->format;
	unsigned int		 depth = 0;

	out_attr(o, "type", "file");
	out_attr(o, "device", devices[disk->device]);
	if (disk->snapshot != DISK_SNAPSHOT_DEFAULT)
		out_attr(o, "snapshot", snapshots[disk->snapshot]);
	if (disk->driver || format != DISK_FORMAT_NONE ||
	    disk->cache != DISK_CACHE_DEFAULT ||
	    disk->discard != DISK_DISCARD_DEFAULT) {
		out_start(o, "driver");
		out_attr(o, "name", "qemu");
		if (format != DISK_FORMAT_NONE)
			out_attr(o, "type", formats[format]);
		if (disk->cache != DISK_CACHE_DEFAULT)
			out_attr(o, "cache", caches[disk->cache]);
		if (disk->discard != DISK_DISCARD_DEFAULT)
			out_attr(o, "discard", discards[disk->discard]);
		out_end(o);
	}
	TAILQ_FOREACH(l, &disk->layers, entry) {
		if (depth++ > 0) {
			out_start(o, "backingStore");
			out_attr(o, "type", "file");
			out_start(o, "format");
			out_attr(o, "type", formats[l->format]);
			out_end(o);
		}
		out_start(o, "source");
		out_attr(o, "file", l->path);
		out_end(o);
	}
	if (disk->chain_end)
		out_leaf(o, "backingStore", "");
	for (; depth > 1; depth--)
		out_end(o);
	out_start(o, "target");
	out_attr(o, "dev", disk->target);
	out_attr(o, "bus", buses[disk->bus]);
	out_end(o);
	if (disk->readonly)
		out_leaf(o, "readonly", "");
	if (disk->shareable)
		out_leaf(o, "shareable", "");
	out_leaf(o, "serial", disk->serial);
}

static int
disk_order(const void *a, const void *b)
{
	const struct disk	*x = a, *y = b;

	if (x->bus != y->bus)
		return (0);
	return (disk_index(x->target) < disk_index(y->target) ? -1 : 1);
}

/* --- addresses ------------------------------------------------------------ */

/* The name says the place: hdc is the first of the second IDE cable. */
static int
disk_assign(struct domain *d, void *arg, struct domain_error *err)
{
	struct disk		*disk = arg;
	struct address		*a = &disk->dev.address;
	unsigned int		 n = (unsigned int)disk_index(disk->target);
	struct disk_layer	*l;
	enum controller_type	 type;

	/* what is not said is raw, and from now on that is said */
	if (disk->format == DISK_FORMAT_NONE)
		disk->format = DISK_FORMAT_RAW;
	if ((l = TAILQ_FIRST(&disk->layers)) != NULL &&
	    l->format == DISK_FORMAT_NONE)
		l->format = DISK_FORMAT_RAW;
	disk->driver = 1;

	if (disk->bus == DISK_BUS_VIRTIO) {
		if (a->type == ADDRESS_NONE &&
		    domain_machine(d) == MACHINE_MICROVM)
			a->type = ADDRESS_VIRTIO_MMIO;
		return (0);
	}
	type = disk->bus == DISK_BUS_IDE ? CONTROLLER_IDE :
	    disk->bus == DISK_BUS_FDC ? CONTROLLER_FDC : CONTROLLER_SATA;
	if (a->type == ADDRESS_NONE) {
		memset(a, 0, sizeof(*a));
		a->type = ADDRESS_DRIVE;
		switch (disk->bus) {
		case DISK_BUS_IDE:
			a->drive.controller = n / 4;
			a->drive.bus = n / 2 % 2;
			a->drive.unit = n % 2;
			break;
		case DISK_BUS_FDC:
			a->drive.controller = n / 2;
			a->drive.unit = n % 2;
			break;
		case DISK_BUS_SATA:
			a->drive.controller = n / 6;
			a->drive.unit = n % 6;
			break;
		case DISK_BUS_VIRTIO:
			break;
		}
		if (a->drive.controller > (disk->bus == DISK_BUS_SATA ?
		    CONTROLLER_INDEX_MAX : 0))
			return (device_error(err, &disk->dev,
			    DOMAIN_ERR_CONFIG_UNSUPPORTED, "there is no place "
			    "for '%s': bus '%s' has %d drives", disk->target,
			    buses[disk->bus], disk->bus == DISK_BUS_IDE ? 4 :
			    disk->bus == DISK_BUS_FDC ? 2 :
			    (CONTROLLER_INDEX_MAX + 1) * 6));
	}
	if (controller_want(d, type, a->drive.controller,
	    CONTROLLER_MODEL_DEFAULT, err) == NULL)
		return (-1);
	return (0);
}

static enum pci_plug
disk_plug(const struct domain *d, const void *arg)
{
	const struct disk	*disk = arg;

	if (disk->bus != DISK_BUS_VIRTIO)
		return (PCI_PLUG_NONE);
	return (domain_machine(d) == MACHINE_Q35 ? PCI_PLUG_EXPRESS :
	    PCI_PLUG_CONVENTIONAL);
}

static void
disk_alias(const struct domain *d, const void *arg, unsigned int n, char *buf,
    size_t size)
{
	const struct disk	*disk = arg;
	const struct address	*a = &disk->dev.address;

	if (disk->bus == DISK_BUS_VIRTIO)
		snprintf(buf, size, "virtio-disk%d",
		    disk_index(disk->target));
	else
		snprintf(buf, size, "%s%u-%u-%u", buses[disk->bus],
		    a->drive.controller, a->drive.bus, a->drive.unit);
}

/* --- QEMU ----------------------------------------------------------------- */

static int
disk_plan(const void *arg, struct domain_fds *fds)
{
	const struct disk	*disk = arg;
	const struct disk_layer	*l;
	struct domain_fd	*fd;
	unsigned int		 n = 0;

	TAILQ_FOREACH(l, &disk->layers, entry) {
		if ((fd = fds_add(fds, l->path, "disk/%s/%u", disk->target,
		    n)) == NULL)
			return (-1);
		fd->mode = n > 0 || disk->readonly ? DOMAIN_FD_RO :
		    DOMAIN_FD_RW;
		fd->may_be = DOMAIN_FD_REGULAR;
		fd->shareable = n > 0 || disk->shareable || disk->readonly;
		fd->set = fds->nsets++;
		n++;
	}
	return (0);
}

void
domain_node_name(const struct disk *disk, unsigned int layer, char name[32])
{
	snprintf(name, 32, "disk-%s-%u", disk->target, layer);
}

/*
 * The two nodes of a layer.  All parts are ours, so JSON needs no escapes;
 * it is JSON because only that can say that there is no backing file.
 *
 * A node that writes gets the one descriptor that can, and must not ask for
 * another ("auto-read-only" would first try to open it for reading only). A
 * read-only one may ask for write access later, in a job that adds it.
 */
static void
layer_command(struct command *c, const struct disk *disk,
    const struct disk_layer *l, unsigned int n)
{
	char	 node[32], backing[64], key[DOMAIN_KEY_MAX], num[80];
	char	 cache[64], discard[32];
	int	 ro = n > 0 || disk->readonly;

	domain_node_name(disk, n, node);
	snprintf(key, sizeof(key), "disk/%s/%u", disk->target, n);

	cache[0] = discard[0] = backing[0] = '\0';
	if (disk->cache != DISK_CACHE_DEFAULT)
		snprintf(cache, sizeof(cache), ",\"cache\":{\"direct\":%s,"
		    "\"no-flush\":%s}", disk->cache == DISK_CACHE_NONE ||
		    disk->cache == DISK_CACHE_DIRECTSYNC ? "true" : "false",
		    disk->cache == DISK_CACHE_UNSAFE ? "true" : "false");
	if (disk->discard != DISK_DISCARD_DEFAULT)
		snprintf(discard, sizeof(discard), ",\"discard\":\"%s\"",
		    discards[disk->discard]);
	if (l->format == DISK_FORMAT_QCOW2) {
		if (TAILQ_NEXT(l, entry) == NULL)
			strlcpy(backing, ",\"backing\":null",
			    sizeof(backing));
		else
			snprintf(backing, sizeof(backing),
			    ",\"backing\":\"disk-%s-%u\"", disk->target,
			    n + 1);
	}

	cmd_arg(c, "-add-fd");
	cmd_argf(c, "fd=%s,set=%d", cmd_fd(c, key, num, sizeof(num)),
	    cmd_fdset(c, key));
	cmd_arg(c, "-blockdev");
	cmd_argf(c, "{\"driver\":\"file\",\"node-name\":\"%s-file\","
	    "\"filename\":\"/dev/fdset/%d\",\"locking\":\"off\"%s%s%s}", node,
	    cmd_fdset(c, key), ro ? ",\"auto-read-only\":true" : "", discard,
	    cache);
	cmd_arg(c, "-blockdev");
	cmd_argf(c, "{\"driver\":\"%s\",\"node-name\":\"%s\","
	    "\"file\":\"%s-file\",\"read-only\":%s%s%s%s}",
	    formats[l->format == DISK_FORMAT_NONE ? DISK_FORMAT_RAW :
	    l->format], node, node, ro ? "true" : "false", backing, discard,
	    cache);
}

static void
disk_command(struct command *c, const void *arg)
{
	const struct disk	*disk = arg;
	const struct disk_layer	*l;
	const struct controller	*ctl;
	char			 node[32];
	unsigned int		 n = 0;
	const char		*driver;

	TAILQ_FOREACH(l, &disk->layers, entry)
		n++;
	TAILQ_FOREACH_REVERSE(l, &disk->layers, disk_layers, entry)
		layer_command(c, disk, l, --n);

	switch (disk->bus) {
	case DISK_BUS_VIRTIO:
		driver = disk->dev.address.type == ADDRESS_VIRTIO_MMIO ?
		    "virtio-blk-device" : "virtio-blk-pci";
		break;
	case DISK_BUS_FDC:
		driver = "floppy";
		break;
	default:
		driver = disk->device == DISK_CDROM ? "ide-cd" : "ide-hd";
		break;
	}
	opt_start(c, "-device", driver);
	opt_device(c, &disk->dev);
	switch (disk->bus) {
	case DISK_BUS_IDE:
		opt_fmt(c, "bus", "ide.%u", disk->dev.address.drive.bus);
		opt_fmt(c, "unit", "%u", disk->dev.address.drive.unit);
		break;
	case DISK_BUS_SATA:
		ctl = controller_find(c->d, CONTROLLER_SATA,
		    disk->dev.address.drive.controller);
		if (ctl == NULL || ctl->dev.alias == NULL)
			cmd_fail(c, &disk->dev, "it has no controller yet");
		else
			opt_fmt(c, "bus", "%s.%u", ctl->dev.alias,
			    disk->dev.address.drive.unit);
		break;
	case DISK_BUS_FDC:
		opt_fmt(c, "unit", "%u", disk->dev.address.drive.unit);
		break;
	case DISK_BUS_VIRTIO:
		break;
	}
	if (!TAILQ_EMPTY(&disk->layers)) {
		domain_node_name(disk, 0, node);
		opt_str(c, "drive", node);
	}
	if (disk->bus != DISK_BUS_FDC)	/* the controller has it there */
		opt_bootindex(c, &disk->dev);
	if (disk->serial != NULL)
		opt_str(c, "serial", disk->serial);
	if (disk->shareable && disk->device == DISK_DISK)
		opt_str(c, "share-rw", "on");
	if (disk->cache != DISK_CACHE_DEFAULT)
		opt_str(c, "write-cache",
		    disk->cache == DISK_CACHE_WRITETHROUGH ||
		    disk->cache == DISK_CACHE_DIRECTSYNC ? "off" : "on");
	opt_end(c);
}
