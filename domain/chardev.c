/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * <serial> and <console>.  QEMU listens on a socket that it inherits; what
 * a pty is, is made outside of it.  The first <console> of a PC is its
 * first serial line under another name: it has no device of its own.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domain/domain.h"
#include "domain/device.h"

static const char *const types[] = { "pty", NULL };

static void	 chardev_clear(void *);
static int	 chardev_check(const struct domain *, const void *,
		    struct domain_error *);
static int	 source_parse(struct xml *, const xmlNode *,
		    struct chardev *);
static int	 serial_parse(struct xml *, const xmlNode *, void *);
static int	 console_parse(struct xml *, const xmlNode *, void *);
static void	 serial_format(struct out *, const struct domain *,
		    const void *);
static void	 console_format(struct out *, const struct domain *,
		    const void *);
static int	 serial_assign(struct domain *, void *,
		    struct domain_error *);
static int	 console_assign(struct domain *, void *,
		    struct domain_error *);
static void	 serial_alias(const struct domain *, const void *,
		    unsigned int, char *, size_t);
static int	 serial_plan(const void *, struct domain_fds *);
static void	 serial_command(struct command *, const void *);

const struct device_class serial_class = {
	.element = "serial",
	.size = sizeof(struct chardev),
	.max = DOMAIN_MAX_SERIALS,
	.clear = chardev_clear,
	.parse = serial_parse,
	.check = chardev_check,
	.format = serial_format,
	.assign = serial_assign,
	.alias = serial_alias,
	.plan = serial_plan,
	.command = serial_command,
};

const struct device_class console_class = {
	.element = "console",
	.size = sizeof(struct chardev),
	.max = 1,
	.clear = chardev_clear,
	.parse = console_parse,
	.check = chardev_check,
	.format = console_format,
	.assign = console_assign,
	.alias = serial_alias,
};

static void
chardev_clear(void *arg)
{
	struct chardev	*chr = arg;

	free(chr->tty);
}

/* The path of a pty is a fact of a running guest. */
static int
source_parse(struct xml *x, const xmlNode *node, struct chardev *chr)
{
	xmlNode		*n;
	unsigned int	 type = CHARDEV_PTY;
	int		 r;

	if ((r = xml_attr_enum(x, node, "type", types, &type)) == -1)
		return (-1);
	if (r == 0)
		return (xml_error(x, node, DOMAIN_ERR_XML,
		    "attribute 'type' is missing"));
	chr->type = type;
	xml_skip_attr(node, "tty");	/* an older name of it */
	if ((r = xml_only(x, node, "source", &n)) != 1)
		return (r);
	if (!(x->flags & DOMAIN_PARSE_LIVE)) {
		xml_skip_attr(n, "path");
		return (0);
	}
	if ((r = xml_attr(x, n, "path", &chr->tty)) != 1)
		return (r);
	return (xml_check_path(x, n, chr->tty));
}

static int
port_parse(struct xml *x, const xmlNode *node, const char *const *targets,
    struct chardev *chr)
{
	static const char *const models[] = { "isa-serial", NULL };
	xmlNode		*n, *m;
	unsigned int	 u;
	int		 r;

	if ((r = xml_only(x, node, "target", &n)) != 1)
		return (r);
	if (xml_attr_enum(x, n, "type", targets, &u) == -1 ||
	    (chr->has_port = xml_attr_uint(x, n, "port",
	    DOMAIN_MAX_SERIALS - 1, &chr->port)) == -1)
		return (-1);
	if ((r = xml_only(x, n, "model", &m)) == -1 ||
	    (r == 1 && xml_attr_enum(x, m, "name", models, &u) == -1))
		return (-1);
	return (0);
}

static int
serial_parse(struct xml *x, const xmlNode *node, void *arg)
{
	static const char *const targets[] = { "isa-serial", NULL };

	if (source_parse(x, node, arg) == -1)
		return (-1);
	return (port_parse(x, node, targets, arg));
}

static int
console_parse(struct xml *x, const xmlNode *node, void *arg)
{
	static const char *const targets[] = { "serial", NULL };

	if (source_parse(x, node, arg) == -1)
		return (-1);
	return (port_parse(x, node, targets, arg));
}

static int
chardev_check(const struct domain *d, const void *arg,
    struct domain_error *err)
{
	const struct chardev	*chr = arg, *other;

	if (chr->dev.address.type != ADDRESS_NONE)
		return (device_error(err, &chr->dev,
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, "it cannot have an "
		    "<address> of that type"));
	DEVICE_FOREACH(other, d, chr->dev.type) {
		if (other == chr)
			break;
		if (other->has_port && chr->has_port &&
		    other->port == chr->port)
			return (device_error(err, &chr->dev, DOMAIN_ERR_XML,
			    "port %u is in use by another one", chr->port));
	}
	return (0);
}

static void
source_format(struct out *o, const struct chardev *chr)
{
	if (chr->tty == NULL || !out_live(o))
		return;
	out_start(o, "source");
	out_attr(o, "path", chr->tty);
	out_end(o);
}

static void
serial_format(struct out *o, const struct domain *d, const void *arg)
{
	const struct chardev	*chr = arg;

	out_attr(o, "type", types[chr->type]);
	source_format(o, chr);
	out_start(o, "target");
	out_attr(o, "type", "isa-serial");
	if (chr->has_port)
		out_attrf(o, "port", "%u", chr->port);
	out_start(o, "model");
	out_attr(o, "name", "isa-serial");
	out_end(o);
	out_end(o);
}

static void
console_format(struct out *o, const struct domain *d, const void *arg)
{
	const struct chardev	*chr = arg;

	out_attr(o, "type", types[chr->type]);
	if (chr->tty != NULL && out_live(o))
		out_attr(o, "tty", chr->tty);
	source_format(o, chr);
	out_start(o, "target");
	out_attr(o, "type", "serial");
	if (chr->has_port)
		out_attrf(o, "port", "%u", chr->port);
	out_end(o);
}

static int
serial_assign(struct domain *d, void *arg, struct domain_error *err)
{
	struct chardev	*chr = arg, *other;
	unsigned int	 port;

	for (port = 0; !chr->has_port && port < DOMAIN_MAX_SERIALS; port++) {
		DEVICE_FOREACH(other, d, DEVICE_SERIAL)
			if (other->has_port && other->port == port)
				break;
		if (other == NULL) {
			chr->port = port;
			chr->has_port = 1;
		}
	}
	return (0);
}

static int
console_assign(struct domain *d, void *arg, struct domain_error *err)
{
	struct chardev	*chr = arg;

	if (!chr->has_port) {
		chr->port = 0;
		chr->has_port = 1;
	}
	return (0);
}

static void
serial_alias(const struct domain *d, const void *arg, unsigned int n,
    char *buf, size_t size)
{
	const struct device	*first;

	/* a console is called as what it mirrors */
	first = DEVICE_FIRST(d, DEVICE_SERIAL);
	if (((const struct device *)arg)->type == DEVICE_CONSOLE &&
	    first != NULL && first->alias != NULL)
		strlcpy(buf, first->alias, size);
	else
		snprintf(buf, size, "serial%u", n);
}

static int
serial_plan(const void *arg, struct domain_fds *fds)
{
	const struct chardev	*chr = arg;
	struct domain_fd	*fd;

	if ((fd = fds_add(fds, NULL, "serial/%u", chr->port)) == NULL)
		return (-1);
	fd->mode = DOMAIN_FD_LISTEN;
	return (0);
}

static void
serial_command(struct command *c, const void *arg)
{
	const struct chardev	*chr = arg;
	char			 key[DOMAIN_KEY_MAX], num[80];

	if (chr->dev.alias == NULL) {
		cmd_fail(c, &chr->dev, "it has no alias yet");
		return;
	}
	snprintf(key, sizeof(key), "serial/%u", chr->port);
	opt_start(c, "-chardev", "socket");
	opt_fmt(c, "id", "char%s", chr->dev.alias);
	opt_str(c, "fd", cmd_fd(c, key, num, sizeof(num)));
	opt_str(c, "server", "on");
	opt_str(c, "wait", "off");
	opt_end(c);
	opt_start(c, "-device", "isa-serial");
	opt_fmt(c, "chardev", "char%s", chr->dev.alias);
	opt_device(c, &chr->dev);
	opt_fmt(c, "index", "%u", chr->port);
	opt_end(c);
}
