/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * struct domain to QEMU's arguments, to the descriptors that they need, and
 * to the QMP commands of a start.
 *
 * An argument list can be read by everybody on the host, and QEMU splits
 * values at commas: so no secret goes there, and every string is quoted
 * (opt_str).  No path goes there either, but those of QEMU's own descriptors.
 */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domain/domain.h"
#include "domain/device.h"

#define ARGV_MAX	16384	/* some ten for each device and layer */

/* What others are plugged into comes before them: PCI buses, then the rest. */
static const enum device_type command_order[] = {
	DEVICE_CONTROLLER, DEVICE_DISK, DEVICE_NET, DEVICE_SERIAL,
	DEVICE_CONSOLE, DEVICE_INPUT, DEVICE_GRAPHICS, DEVICE_VIDEO,
	DEVICE_BALLOON
};

static int	 argv_add(struct domain_argv *, const char *);
static void	 cmd_machine(struct command *);
static void	 cmd_cpu_memory(struct command *);
static void	 cmd_actions(struct command *);
static void	 cmd_monitor(struct command *);
static void	 cmd_boot(struct command *);
static void	 cmd_device(struct command *, const struct device *);
static int	 is_pci_bus(const struct device *);
static const struct domain_fd *cmd_find(struct command *, const char *);
static void	 opt_value(struct command *, const char *);

/* --- descriptors ---------------------------------------------------------- */

/* The entry is the caller's to fill in; NULL: no memory. */
struct domain_fd *
fds_add(struct domain_fds *fds, const char *path, const char *fmt, ...)
{
	struct domain_fd	*fd;
	va_list			 ap;
	size_t			 size;

	if (fds->n == fds->size) {
		size = fds->size == 0 ? 8 : fds->size * 2;
		fd = recallocarray(fds->v, fds->size, size, sizeof(*fd));
		if (fd == NULL)
			return (NULL);
		fds->v = fd;
		fds->size = size;
	}
	fd = &fds->v[fds->n];
	va_start(ap, fmt);
	vsnprintf(fd->key, sizeof(fd->key), fmt, ap);
	va_end(ap);
	fd->fd = fd->set = -1;
	if (path != NULL && (fd->path = strdup(path)) == NULL)
		return (NULL);
	fds->n++;
	return (fd);
}

int
domain_fds_plan(const struct domain *d, struct domain_fds *fds)
{
	const struct device	*dev;
	struct domain_fd	*fd;
	int			 t;

	memset(fds, 0, sizeof(*fds));
	if ((fd = fds_add(fds, NULL, "monitor")) == NULL)
		goto fail;
	fd->mode = DOMAIN_FD_LISTEN;
	if (d->os.kernel != NULL) {
		if ((fd = fds_add(fds, d->os.kernel, "kernel")) == NULL)
			goto fail;
		fd->mode = DOMAIN_FD_RO;
		fd->may_be = DOMAIN_FD_REGULAR;
		fd->shareable = 1;
	}
	if (d->os.initrd != NULL) {
		if ((fd = fds_add(fds, d->os.initrd, "initrd")) == NULL)
			goto fail;
		fd->mode = DOMAIN_FD_RO;
		fd->may_be = DOMAIN_FD_REGULAR;
		fd->shareable = 1;
	}
	for (t = 0; t < DEVICE_NTYPES; t++)
		TAILQ_FOREACH(dev, &d->devices[t], entry)
			if (device_class(t)->plan != NULL &&
			    device_class(t)->plan(dev, fds) == -1)
				goto fail;
	return (0);
 fail:
	domain_fds_clear(fds);
	return (-1);
}

struct domain_fd *
domain_fds_find(const struct domain_fds *fds, const char *key)
{
	size_t	 i;

	for (i = 0; i < fds->n; i++)
		if (strcmp(fds->v[i].key, key) == 0)
			return (&fds->v[i]);
	return (NULL);
}

void
domain_fds_clear(struct domain_fds *fds)
{
	size_t	 i;

	for (i = 0; i < fds->n; i++)
		free(fds->v[i].path);
	free(fds->v);
	memset(fds, 0, sizeof(*fds));
}

/* --- argument lists ------------------------------------------------------- */

static int
argv_add(struct domain_argv *a, const char *s)
{
	char	**v;
	size_t	  size;

	if (a->n + 2 > a->size) {
		size = a->size == 0 ? 64 : a->size * 2;
		if (size > ARGV_MAX || (v = recallocarray(a->v, a->size, size,
		    sizeof(*v))) == NULL)
			return (-1);
		a->v = v;
		a->size = size;
	}
	if ((a->v[a->n] = strdup(s)) == NULL)
		return (-1);
	a->v[++a->n] = NULL;
	return (0);
}

void
domain_argv_clear(struct domain_argv *a)
{
	size_t	 i;

	for (i = 0; i < a->n; i++)
		freezero(a->v[i], strlen(a->v[i]));
	free(a->v);
	memset(a, 0, sizeof(*a));
}

void
cmd_fail(struct command *c, const struct device *dev, const char *fmt, ...)
{
	char	 what[256];
	va_list	 ap;

	if (c->failed)
		return;
	c->failed = 1;
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	if (dev == NULL)
		domain_error(c->err, DOMAIN_ERR_OPERATION_FAILED, 0, "%s",
		    what);
	else
		device_error(c->err, dev, DOMAIN_ERR_OPERATION_FAILED, "%s",
		    what);
}

static void
cmd_nomem(struct command *c)
{
	if (!c->failed)
		domain_error(c->err, DOMAIN_ERR_NO_MEMORY, 0,
		    "out of memory, or too many arguments");
	c->failed = 1;
}

void
cmd_arg(struct command *c, const char *s)
{
	if (!c->failed && argv_add(c->argv, s) == -1)
		cmd_nomem(c);
}

void
cmd_argf(struct command *c, const char *fmt, ...)
{
	char	*s;
	va_list	 ap;
	int	 n;

	if (c->failed)
		return;
	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	if (n == -1) {
		cmd_nomem(c);
		return;
	}
	cmd_arg(c, s);
	free(s);
}

static const struct domain_fd *
cmd_find(struct command *c, const char *key)
{
	const struct domain_fd	*fd;

	if ((fd = domain_fds_find(c->fds, key)) == NULL ||
	    (fd->fd < 0 && !(c->flags & DOMAIN_COMMAND_PRINT))) {
		cmd_fail(c, NULL, "there is no descriptor for %s", key);
		return (NULL);
	}
	return (fd);
}

const char *
cmd_fd(struct command *c, const char *key, char *buf, size_t size)
{
	const struct domain_fd	*fd;

	if ((fd = cmd_find(c, key)) == NULL)
		strlcpy(buf, "-1", size);
	else if (fd->fd < 0)
		snprintf(buf, size, "{%s}", key);
	else
		snprintf(buf, size, "%d", fd->fd);
	return (buf);
}

int
cmd_fdset(struct command *c, const char *key)
{
	const struct domain_fd	*fd;

	return ((fd = cmd_find(c, key)) == NULL ? -1 : fd->set);
}

/*
 * From 1, or 0.  <boot dev=> in <os> means the first device of its kind: as
 * the firmware of a PC did it, the others are not tried.
 */
unsigned int
cmd_bootindex(struct command *c, const struct device *dev)
{
	const struct disk	*disk, *first;
	enum domain_boot	 kind = BOOT_NETWORK;
	unsigned int		 i;

	if (dev->boot != 0)
		return (dev->boot);
	if (dev->type == DEVICE_DISK) {
		disk = (const struct disk *)dev;
		kind = disk->device == DISK_CDROM ? BOOT_CDROM :
		    disk->device == DISK_FLOPPY ? BOOT_FD : BOOT_HD;
		DEVICE_FOREACH(first, c->d, DEVICE_DISK)
			if (first->device == disk->device)
				break;
		if (first != disk)
			return (0);
	} else if (dev->type != DEVICE_NET ||
	    dev != DEVICE_FIRST(c->d, DEVICE_NET))
		return (0);
	for (i = 0; i < c->d->os.nboot; i++)
		if (c->d->os.boot[i] == kind)
			return (i + 1);
	return (0);
}

/* --- option values -------------------------------------------------------- */

void
opt_start(struct command *c, const char *option, const char *first)
{
	cmd_arg(c, option);
	if (c->failed)
		return;
	if ((c->opt = open_memstream(&c->optbuf, &c->optlen)) == NULL) {
		cmd_nomem(c);
		return;
	}
	opt_value(c, first);
}

static void
opt_value(struct command *c, const char *s)
{
	for (; *s != '\0'; s++) {
		if (*s == ',')
			putc(',', c->opt);
		putc(*s, c->opt);
	}
}

void
opt_str(struct command *c, const char *key, const char *value)
{
	if (c->failed)
		return;
	fprintf(c->opt, ",%s=", key);
	opt_value(c, value);
}

void
opt_fmt(struct command *c, const char *key, const char *fmt, ...)
{
	char	*s;
	va_list	 ap;
	int	 n;

	if (c->failed)
		return;
	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	if (n == -1) {
		cmd_nomem(c);
		return;
	}
	opt_str(c, key, s);
	free(s);
}

void
opt_end(struct command *c)
{
	int	 bad;

	if (c->opt != NULL) {
		bad = ferror(c->opt);
		if (fclose(c->opt) == EOF || bad)
			cmd_nomem(c);
		else
			cmd_arg(c, c->optbuf);
		free(c->optbuf);
	}
	c->opt = NULL;
	c->optbuf = NULL;
}

void
opt_device(struct command *c, const struct device *dev)
{
	const struct address	*a = &dev->address;
	const struct controller	*on = NULL;

	if (dev->alias == NULL) {
		cmd_fail(c, dev, "it has no alias yet");
		return;
	}
	opt_str(c, "id", dev->alias);
	if (a->type == ADDRESS_PCI)
		on = controller_find(c->d, CONTROLLER_PCI, a->pci.bus);
	else if (a->type == ADDRESS_USB)
		on = controller_find(c->d, CONTROLLER_USB, a->usb.bus);
	else if (a->type == ADDRESS_NONE &&
	    device_plug(c->d, dev) != PCI_PLUG_NONE) {
		cmd_fail(c, dev, "it has no address yet");
		return;
	} else
		return;
	if (on == NULL || on->dev.alias == NULL) {
		cmd_fail(c, dev, "its bus has no controller yet");
		return;
	}
	if (a->type == ADDRESS_USB) {
		opt_fmt(c, "bus", "%s.0", on->dev.alias);
		opt_str(c, "port", a->usb.port);
		return;
	}
	/* the root bus has its name from the machine */
	opt_str(c, "bus", on->model == CONTROLLER_MODEL_PCI_ROOT ? "pci.0" :
	    on->model == CONTROLLER_MODEL_PCIE_ROOT ? "pcie.0" :
	    on->dev.alias);
	if (a->pci.multifunction == 1)
		opt_str(c, "multifunction", "on");
	if (a->pci.function == 0)
		opt_fmt(c, "addr", "0x%x", a->pci.slot);
	else
		opt_fmt(c, "addr", "0x%x.0x%x", a->pci.slot,
		    a->pci.function);
}

void
opt_bootindex(struct command *c, const struct device *dev)
{
	unsigned int	 n;

	if ((n = cmd_bootindex(c, dev)) != 0)
		opt_fmt(c, "bootindex", "%u", n);
}

/* --- the domain ----------------------------------------------------------- */

static void
cmd_machine(struct command *c)
{
	const struct domain	*d = c->d;
	char			 text[37];

	opt_start(c, "-name", "");
	if (c->failed)
		return;
	fputs("guest=", c->opt);
	opt_value(c, d->name);
	opt_str(c, "debug-threads", "on");
	opt_end(c);
	cmd_arg(c, "-S");
	cmd_arg(c, "-no-user-config");
	cmd_arg(c, "-nodefaults");
	cmd_arg(c, "-display");
	cmd_arg(c, "none");
	cmd_arg(c, "-sandbox");
	cmd_arg(c, "on,obsolete=deny,elevateprivileges=deny,spawn=deny,"
	    "resourcecontrol=deny");
	opt_start(c, "-machine", d->os.machine);
	opt_str(c, "usb", "off");
	opt_str(c, "dump-guest-core", "off");
	if (!d->acpi)
		opt_str(c, "acpi", "off");
	opt_end(c);
	cmd_arg(c, "-accel");
	cmd_arg(c, d->type == DOMAIN_KVM ? "kvm" : "tcg");
	cmd_cpu_memory(c);
	domain_uuid_format(d->uuid, text);
	cmd_arg(c, "-uuid");
	cmd_arg(c, text);
	cmd_arg(c, "-rtc");
	cmd_arg(c, d->clock == CLOCK_UTC ? "base=utc" : "base=localtime");
}

static void
cmd_cpu_memory(struct command *c)
{
	const struct domain	*d = c->d;

	cmd_arg(c, "-m");
	cmd_argf(c, "size=%lluk", (unsigned long long)
	    ((d->memory + 1023) / 1024 * 1024));
	cmd_arg(c, "-smp");
	if (d->current_vcpus != d->vcpus)
		cmd_argf(c, "%u,maxcpus=%u,sockets=%u,cores=1,threads=1",
		    d->current_vcpus, d->vcpus, d->vcpus);
	else
		cmd_argf(c, "%u,sockets=%u,cores=1,threads=1", d->vcpus,
		    d->vcpus);
}

/*
 * Where the guest is not simply gone or started again, QEMU pauses and the
 * daemon does the rest.
 */
static void
cmd_actions(struct command *c)
{
	const struct domain	*d = c->d;
	int			 reboot, pause;

	reboot = d->on_reboot == ACTION_DESTROY ||
	    d->on_reboot == ACTION_PRESERVE;
	pause = d->on_poweroff != ACTION_DESTROY ||
	    d->on_reboot == ACTION_PRESERVE;
	if (reboot) {
		cmd_arg(c, "-action");
		cmd_arg(c, "reboot=shutdown");
	}
	if (pause) {
		cmd_arg(c, "-action");
		cmd_arg(c, "shutdown=pause");
	}
	if (d->on_crash != ACTION_DESTROY) {
		cmd_arg(c, "-action");
		cmd_arg(c, "panic=pause");
	}
}

static void
cmd_monitor(struct command *c)
{
	char	 num[80];

	opt_start(c, "-chardev", "socket");
	opt_str(c, "id", "monitor");
	opt_str(c, "fd", cmd_fd(c, "monitor", num, sizeof(num)));
	opt_str(c, "server", "on");
	opt_str(c, "wait", "off");
	opt_end(c);
	cmd_arg(c, "-mon");
	cmd_arg(c, "chardev=monitor,mode=control");
}

/* The order is with the devices; QEMU opens the kernel by path. */
static void
cmd_boot(struct command *c)
{
	const struct domain_os	*os = &c->d->os;
	char			 num[80];

	cmd_arg(c, "-boot");
	cmd_arg(c, "strict=on");
	if (os->kernel == NULL)
		return;
	cmd_arg(c, "-kernel");
	cmd_argf(c, "/proc/self/fd/%s", cmd_fd(c, "kernel", num,
	    sizeof(num)));
	if (os->initrd != NULL) {
		cmd_arg(c, "-initrd");
		cmd_argf(c, "/proc/self/fd/%s", cmd_fd(c, "initrd", num,
		    sizeof(num)));
	}
	if (os->cmdline != NULL && os->cmdline[0] != '\0') {
		cmd_arg(c, "-append");
		cmd_arg(c, os->cmdline);
	}
}

static int
is_pci_bus(const struct device *dev)
{
	return (dev->type == DEVICE_CONTROLLER &&
	    ((const struct controller *)dev)->type == CONTROLLER_PCI);
}

static void
cmd_device(struct command *c, const struct device *dev)
{
	if (device_class(dev->type)->command != NULL)
		device_class(dev->type)->command(c, dev);
}

int
domain_command(const struct domain *d, const struct domain_fds *fds,
    unsigned int flags, struct domain_argv *argv, struct domain_error *err)
{
	const struct device	*dev;
	struct command		 c;
	size_t			 i;

	if (err != NULL)
		memset(err, 0, sizeof(*err));
	memset(argv, 0, sizeof(*argv));
	memset(&c, 0, sizeof(c));
	c.d = d;
	c.fds = fds;
	c.argv = argv;
	c.err = err;
	c.flags = flags;
	if (d->emulator == NULL || !d->has_uuid || d->os.machine == NULL)
		return (domain_error(err, DOMAIN_ERR_OPERATION_FAILED, 0,
		    "the definition is not complete yet"));
	cmd_arg(&c, d->emulator);
	cmd_machine(&c);
	cmd_actions(&c);
	cmd_monitor(&c);
	cmd_boot(&c);
	TAILQ_FOREACH(dev, &d->devices[DEVICE_CONTROLLER], entry)
		if (is_pci_bus(dev))
			cmd_device(&c, dev);
	for (i = 0; i < nitems(command_order); i++)
		TAILQ_FOREACH(dev, &d->devices[command_order[i]], entry)
			if (!is_pci_bus(dev))
				cmd_device(&c, dev);
	opt_end(&c);		/* one that was left open by a failure */
	if (c.failed)
		domain_argv_clear(argv);
	return (c.failed ? -1 : 0);
}

/* --- QMP ------------------------------------------------------------------ */

void
json_escape(const char *s, char *buf, size_t size)
{
	size_t	 n = 0;

	for (; *s != '\0' && n + 7 <= size; s++) {
		if (*s == '"' || *s == '\\') {
			buf[n++] = '\\';
			buf[n++] = *s;
		} else if ((unsigned char)*s < 0x20)
			n += (size_t)snprintf(buf + n, size - n, "\\u%04x",
			    (unsigned char)*s);
		else
			buf[n++] = *s;
	}
	buf[n] = '\0';
}

void
setup_line(struct setup *s, const char *fmt, ...)
{
	char	*line;
	va_list	 ap;
	int	 n;

	va_start(ap, fmt);
	n = vasprintf(&line, fmt, ap);
	va_end(ap);
	if (n == -1) {
		s->failed = 1;
		return;
	}
	if (argv_add(s->lines, line) == -1)
		s->failed = 1;
	freezero(line, (size_t)n);
}

int
domain_setup(const struct domain *d, struct domain_argv *lines)
{
	const struct device	*dev;
	struct setup		 s;
	int			 t;

	memset(lines, 0, sizeof(*lines));
	memset(&s, 0, sizeof(s));
	s.d = d;
	s.lines = lines;
	for (t = 0; t < DEVICE_NTYPES; t++)
		TAILQ_FOREACH(dev, &d->devices[t], entry)
			if (device_class(t)->setup != NULL)
				device_class(t)->setup(&s, dev);
	if (s.failed)
		domain_argv_clear(lines);
	return (s.failed ? -1 : 0);
}
