/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * <graphics>: VNC.  QEMU itself never listens: who accepts a viewer hands
 * the connection in by QMP (add_client).  The password goes by QMP as well,
 * since arguments can be read by everybody.
 */

#include <arpa/inet.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domain/domain.h"
#include "domain/device.h"

#define VNC_PORT_MIN	5900
#define VNC_PASSWD_MAX	8	/* bytes that the protocol uses */
#define KEYMAP_MAX	16

static const char *const types[] = { "vnc", NULL };
static const char *const listens[] = { "address", "none", NULL };

static void	 graphics_init(void *);
static void	 graphics_clear(void *);
static int	 graphics_parse(struct xml *, const xmlNode *, void *);
static int	 graphics_check(const struct domain *, const void *,
		    struct domain_error *);
static void	 graphics_format(struct out *, const struct domain *,
		    const void *);
static void	 graphics_command(struct command *, const void *);
static void	 graphics_setup(struct setup *, const void *);

const struct device_class graphics_class = {
	.element = "graphics",
	.size = sizeof(struct graphics),
	.max = 1,
	.init = graphics_init,
	.clear = graphics_clear,
	.parse = graphics_parse,
	.check = graphics_check,
	.format = graphics_format,
	.command = graphics_command,
	.setup = graphics_setup,
};

static void
graphics_init(void *arg)
{
	struct graphics	*g = arg;

	g->port = -1;
	g->autoport = 1;
}

static void
graphics_clear(void *arg)
{
	struct graphics	*g = arg;

	free(g->address);
	if (g->passwd != NULL)
		freezero(g->passwd, strlen(g->passwd));
	free(g->keymap);
}

/* Numeric: whoever listens there may not ask a name server. */
static int
check_address(struct xml *x, const xmlNode *node, const char *s)
{
	unsigned char	 buf[sizeof(struct in6_addr)];

	if (inet_pton(AF_INET, s, buf) == 1 ||
	    inet_pton(AF_INET6, s, buf) == 1)
		return (0);
	return (xml_error(x, node, DOMAIN_ERR_CONFIG_UNSUPPORTED, "'%.60s' is "
	    "not an address: give a numeric one, such as 127.0.0.1 or ::1",
	    s));
}

static int
parse_port(struct xml *x, const xmlNode *node, struct graphics *g)
{
	char	*s;
	int	 r, have_auto;

	if ((have_auto = xml_attr_bool(x, node, "autoport", xml_yesno,
	    &g->autoport)) == -1)
		return (-1);
	if ((r = xml_attr(x, node, "port", &s)) == -1)
		return (-1);
	if (r == 0) {
		g->autoport = 1;
		return (0);
	}
	if (strcmp(s, "-1") == 0 || strcmp(s, "0") == 0) {
		g->autoport = 1;
		free(s);
		return (0);
	}
	free(s);
	if (!have_auto)
		g->autoport = 0;
	if (xml_attr_uint(x, node, "port", 65535, (unsigned int *)&g->port) ==
	    -1)
		return (-1);
	if (g->port < VNC_PORT_MIN)
		return (xml_error(x, node, DOMAIN_ERR_XML, "vnc port must be "
		    "in range [%d,65535], or -1 for any", VNC_PORT_MIN));
	if (g->autoport && !(x->flags & DOMAIN_PARSE_LIVE))
		g->port = -1;
	return (0);
}

static int
parse_listen(struct xml *x, const xmlNode *node, struct graphics *g)
{
	xmlNode		*n;
	char		*s;
	unsigned int	 u = LISTEN_ADDRESS;
	int		 r;

	if ((r = xml_attr(x, node, "listen", &g->address)) == -1)
		return (-1);
	if (r == 1 && g->address[0] == '\0') {
		free(g->address);
		g->address = NULL;
	}
	if (g->address != NULL && check_address(x, node, g->address) == -1)
		return (-1);
	if ((r = xml_only(x, node, "listen", &n)) != 1)
		return (r);
	if ((r = xml_attr_enum(x, n, "type", listens, &u)) == -1)
		return (-1);
	if (r == 0)
		return (xml_error(x, n, DOMAIN_ERR_XML,
		    "attribute 'type' is missing"));
	g->listen = u;
	if (g->listen == LISTEN_NONE) {
		if (g->address != NULL)
			return (xml_error(x, n, DOMAIN_ERR_XML, "type='none' "
			    "and an address contradict each other"));
		return (0);
	}
	if ((r = xml_attr(x, n, "address", &s)) != 1)
		return (r);
	if (s[0] == '\0') {
		free(s);
		return (0);
	}
	if (check_address(x, n, s) == -1) {
		free(s);
		return (-1);
	}
	if (g->address != NULL && strcmp(g->address, s) != 0) {
		xml_error(x, n, DOMAIN_ERR_XML, "graphics 'listen' attribute "
		    "'%.60s' must match 'address' attribute of first listen "
		    "element (found '%.60s')", g->address, s);
		free(s);
		return (-1);
	}
	free(g->address);
	g->address = s;
	return (0);
}

static int
graphics_parse(struct xml *x, const xmlNode *node, void *arg)
{
	struct graphics	*g = arg;
	unsigned int	 u;
	size_t		 n;
	int		 r;

	if ((r = xml_attr_enum(x, node, "type", types, &u)) == -1)
		return (-1);
	if (r == 0)
		return (xml_error(x, node, DOMAIN_ERR_XML,
		    "attribute 'type' is missing"));
	g->type = u;
	if (parse_port(x, node, g) == -1 || parse_listen(x, node, g) == -1)
		return (-1);
	if ((r = xml_attr(x, node, "passwd", &g->passwd)) == -1)
		return (-1);
	if (r == 1) {
		n = strlen(g->passwd);
		if (n == 0)
			return (xml_error(x, node,
			    DOMAIN_ERR_CONFIG_UNSUPPORTED, "passwd is empty: "
			    "give one, or leave it out to ask for none"));
		if (n > VNC_PASSWD_MAX)
			return (xml_error(x, node,
			    DOMAIN_ERR_CONFIG_UNSUPPORTED, "VNC password is "
			    "%zu characters long, only %d permitted", n,
			    VNC_PASSWD_MAX));
	}
	if ((r = xml_attr(x, node, "keymap", &g->keymap)) == -1)
		return (-1);
	/* QEMU makes a path of it */
	if (r == 1 && (g->keymap[0] == '\0' ||
	    strlen(g->keymap) > KEYMAP_MAX || g->keymap[strspn(g->keymap,
	    "abcdefghijklmnopqrstuvwxyz0123456789-")] != '\0'))
		return (xml_error(x, node, DOMAIN_ERR_XML, "keymap '%.40s' "
		    "must be one such as en-us", g->keymap));
	return (0);
}

static int
graphics_check(const struct domain *d, const void *arg,
    struct domain_error *err)
{
	const struct graphics	*g = arg;

	if (g->dev.address.type != ADDRESS_NONE)
		return (device_error(err, &g->dev,
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, "it has no <address>"));
	return (0);
}

static void
graphics_format(struct out *o, const struct domain *d, const void *arg)
{
	const struct graphics	*g = arg;

	out_attr(o, "type", types[g->type]);
	if (g->listen != LISTEN_NONE) {
		if (g->autoport && !out_live(o))
			out_attr(o, "port", "-1");
		else
			out_attrf(o, "port", "%d", g->port);
		out_attr(o, "autoport", xml_yesno[g->autoport]);
		if (g->address != NULL)
			out_attr(o, "listen", g->address);
	}
	if (g->passwd != NULL && (o->flags & DOMAIN_FORMAT_SECURE))
		out_attr(o, "passwd", g->passwd);
	if (g->keymap != NULL)
		out_attr(o, "keymap", g->keymap);
	out_start(o, "listen");
	out_attr(o, "type", listens[g->listen]);
	if (g->address != NULL)
		out_attr(o, "address", g->address);
	out_end(o);
}

static void
graphics_command(struct command *c, const void *arg)
{
	const struct graphics	*g = arg;

	opt_start(c, "-vnc", "none");
	if (g->passwd != NULL)
		opt_str(c, "password", "on");
	opt_end(c);
	if (g->keymap != NULL) {
		cmd_arg(c, "-k");
		cmd_arg(c, g->keymap);
	}
}

static void
graphics_setup(struct setup *s, const void *arg)
{
	const struct graphics	*g = arg;
	char			 text[6 * VNC_PASSWD_MAX + 1];

	if (g->passwd == NULL)
		return;
	json_escape(g->passwd, text, sizeof(text));
	setup_line(s, "{\"execute\":\"set_password\",\"arguments\":"
	    "{\"protocol\":\"vnc\",\"password\":\"%s\"}}", text);
	explicit_bzero(text, sizeof(text));
}
