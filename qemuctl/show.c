/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/* show: all about one guest. */

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "qemuctl/qemuctl.h"

static enum status	 show_xml(struct ctl *, const struct qemud_guest *,
			    unsigned int);
static json_t		*show_json(struct ctl *, const struct qemud_guest *,
			    unsigned int);
static int		 show_answers(struct ctl *, json_t *,
			    const struct qemud_guest *);
static void		 show_print(const json_t *);
static void		 field(const char *, const char *, ...)
			    __attribute__((format(printf, 2, 3)));
static const char	*str(const json_t *, const char *, const char *);
static void		 print_memory(const json_t *);
static void		 print_disk(const json_t *);
static void		 print_interface(const json_t *);
static void		 print_console(const json_t *);
static void		 print_graphics(const json_t *);
static void		 print_list(const json_t *, const char *,
			    void (*)(const json_t *));

enum status
cmd_show(struct ctl *ctl, int argc, char *argv[])
{
	struct qemud_guest	*g;
	json_t			*j;
	unsigned int		 flags = 0;
	int			 ch, xml = 0;

	while ((ch = ctl_getopt(ctl, argc, argv, "ix")) != -1)
		switch (ch) {
		case 'i':
			flags = QEMUD_XML_INACTIVE;
			break;
		case 'x':
			xml = 1;
			break;
		}
	if ((g = ctl_guest(ctl, ctl_name(ctl, argc, argv))) == NULL)
		return (ctl->status);
	if (xml)
		show_xml(ctl, g, flags);
	else if ((j = show_json(ctl, g, flags)) != NULL) {
		if (ctl->json)
			out_json(j, 0);
		else {
			show_print(j);
			json_decref(j);
		}
	}
	free(g);
	return (ctl->status);
}

static enum status
show_xml(struct ctl *ctl, const struct qemud_guest *g, unsigned int flags)
{
	char	*xml;

	if ((xml = ctl_xml(ctl, g, flags)) == NULL)
		return (ctl->status);
	if (ctl->json)
		out_json(json_pack("{s:o}", "xml",
		    json_text(xml, strlen(xml))), 0);
	else
		out_text(stdout, xml, strlen(xml));
	free(xml);
	return (CTL_OK);
}

/* NULL: complained. */
static json_t *
show_json(struct ctl *ctl, const struct qemud_guest *g, unsigned int flags)
{
	json_t	*j;
	char	*xml;

	if ((xml = ctl_xml(ctl, g, flags)) == NULL)
		return (NULL);
	j = guest_json(g);
	if (facts_add(j, xml) == -1) {
		ctl_failx(ctl, CTL_FAILED, "%s: its XML is not well-formed",
		    g->name);
		json_decref(j);
		j = NULL;
	} else if (!show_answers(ctl, j, g)) {
		json_decref(j);
		j = NULL;
	}
	free(xml);
	return (j);
}

/* What the XML does not have.  0: complained. */
static int
show_answers(struct ctl *ctl, json_t *j, const struct qemud_guest *g)
{
	struct qemud_call		*c[4];
	const struct qemud_reply	*r[nitems(c)];
	const struct qemud_info		*info;
	size_t				 i;
	int				 ok = 1;

	c[0] = qemud_guest_info(ctl->q, g, NULL, NULL);
	c[1] = qemud_guest_state(ctl->q, g, NULL, NULL);
	c[2] = qemud_guest_autostart(ctl->q, g, NULL, NULL);
	c[3] = qemud_guest_persistent(ctl->q, g, NULL, NULL);
	for (i = 0; i < nitems(c); i++) {
		r[i] = qemud_wait(c[i], -1);
		if (ok && r[i]->error != NULL) {
			ctl_fail(ctl, g->name, "cannot look at it",
			    r[i]->error);
			ok = 0;
		}
	}
	if (ok) {
		info = r[0]->info;
		json_object_update_new(j, json_pack(
		    "{s:s, s:s, s:I, s:I, s:I, s:I, s:b, s:b}",
		    "state", qemud_state_text(r[1]->state),
		    "reason", qemud_reason_text(r[1]->state, r[1]->reason),
		    "vcpus", (json_int_t)info->vcpus,
		    "memory_kib", (json_int_t)info->memory,
		    "max_memory_kib", (json_int_t)info->max_memory,
		    "cpu_time_ns", (json_int_t)info->cpu_time,
		    "autostart", r[2]->number != 0,
		    "persistent", r[3]->number != 0));
	}
	for (i = 0; i < nitems(c); i++)
		qemud_call_free(c[i]);
	return (ok);
}

/* --- for people ----------------------------------------------------------- */

/* "name          value" in a form that is safe to show. */
static void
field(const char *name, const char *fmt, ...)
{
	char	 text[8192], *p;
	va_list	 ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	p = out_printable(text, strlen(text), 0);
	printf("%-14s  %s\n", name, p);
	free(p);
}

static const char *
str(const json_t *j, const char *key, const char *otherwise)
{
	const char	*s = json_string_value(json_object_get(j, key));

	return (s != NULL && *s != '\0' ? s : otherwise);
}

static void
show_print(const json_t *j)
{
	const char	*s;
	json_int_t	 cpu;

	field("name", "%s", str(j, "name", "?"));
	if ((s = str(j, "title", NULL)) != NULL)
		field("title", "%s", s);
	field("uuid", "%s", str(j, "uuid", "?"));
	if (json_is_integer(json_object_get(j, "id")))
		field("id", "%" JSON_INTEGER_FORMAT,
		    json_integer_value(json_object_get(j, "id")));
	field("state", "%s (%s)", str(j, "state", "?"),
	    str(j, "reason", "?"));
	field("vcpus", "%" JSON_INTEGER_FORMAT,
	    json_integer_value(json_object_get(j, "vcpus")));
	print_memory(j);
	cpu = json_integer_value(json_object_get(j, "cpu_time_ns"));
	if (cpu > 0)
		field("cpu time", "%.1f s", (double)cpu / 1e9);
	field("definition", "%s",
	    json_is_true(json_object_get(j, "persistent")) ?
	    "kept" : "none, it ends with the guest");
	field("autostart", "%s",
	    json_is_true(json_object_get(j, "autostart")) ? "yes" : "no");
	field("machine", "%s, %s (%s)", str(j, "machine", "?"),
	    str(j, "arch", "?"), str(j, "type", "?"));
	if ((s = str(j, "emulator", NULL)) != NULL)
		field("emulator", "%s", s);
	print_list(j, "disks", print_disk);
	print_list(j, "interfaces", print_interface);
	print_list(j, "consoles", print_console);
	print_list(j, "graphics", print_graphics);
}

static void
print_list(const json_t *j, const char *key, void (*print)(const json_t *))
{
	json_t	*list = json_object_get(j, key), *o;
	size_t	 i;

	json_array_foreach(list, i, o)
		print(o);
}

static void
print_memory(const json_t *j)
{
	const json_t	*now = json_object_get(j, "memory_kib");
	const json_t	*max = json_object_get(j, "max_memory_kib");
	char		 b1[32], b2[32];

	if (json_equal(now, max))
		field("memory", "%s", out_cell(now, CELL_MEMORY, b1,
		    sizeof(b1)));
	else
		field("memory", "%s of %s", out_cell(now, CELL_MEMORY, b1,
		    sizeof(b1)), out_cell(max, CELL_MEMORY, b2, sizeof(b2)));
}

static void
print_disk(const json_t *o)
{
	char	 name[64];

	snprintf(name, sizeof(name), "%s %s", str(o, "device", "disk"),
	    str(o, "target", "?"));
	field(name, "%s (%s%s%s%s)", str(o, "source", "empty"),
	    str(o, "bus", "?"),
	    str(o, "format", NULL) != NULL ? ", " : "",
	    str(o, "format", ""),
	    json_is_true(json_object_get(o, "readonly")) ?
	    ", read-only" : "");
}

static void
print_interface(const json_t *o)
{
	char	 name[64];

	snprintf(name, sizeof(name), "interface%s%s",
	    str(o, "target", NULL) != NULL ? " " : "", str(o, "target", ""));
	field(name, "%s, %s%s%s (%s)", str(o, "mac", "?"),
	    str(o, "type", "?"),
	    str(o, "source", NULL) != NULL ? " " : "", str(o, "source", ""),
	    str(o, "model", "default model"));
}

static void
print_console(const json_t *o)
{
	field("console", "%s", str(o, "tty", str(o, "type", "?")));
}

static void
print_graphics(const json_t *o)
{
	const char	*type = str(o, "type", "graphics");
	const char	*port = str(o, "port", NULL);
	const char	*listen = str(o, "listen", NULL);

	if (str(o, "socket", NULL) != NULL)
		field(type, "%s", str(o, "socket", ""));
	else if (port == NULL || strcmp(port, "-1") == 0)
		field(type, "no port yet");
	else if (listen == NULL)
		field(type, "port %s", port);
	else
		field(type, strchr(listen, ':') != NULL ? "[%s]:%s" : "%s:%s",
		    listen, port);
}
