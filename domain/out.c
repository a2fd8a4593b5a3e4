/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/* Writing XML: indents by two, escapes everything, remembers failure. */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domain/domain.h"
#include "domain/xml.h"

#define OUT_MAX_BYTES	(16 * 1024 * 1024)	/* no domain is as big */

static void	 out_add(struct out *, const char *, size_t);
static void	 out_escape(struct out *, const char *, int);
static void	 out_indent(struct out *);

static void
out_add(struct out *o, const char *s, size_t len)
{
	char	*n;
	size_t	 size;

	if (o->failed)
		return;
	if (len >= OUT_MAX_BYTES - o->len) {
		o->failed = 1;
		return;
	}
	if (o->len + len + 1 > o->size) {
		size = o->size == 0 ? 2048 : o->size;
		while (size < o->len + len + 1)
			size *= 2;
		if ((n = recallocarray(o->buf, o->size, size, 1)) == NULL) {
			o->failed = 1;
			return;
		}
		o->buf = n;
		o->size = size;
	}
	memcpy(o->buf + o->len, s, len);
	o->len += len;
	o->buf[o->len] = '\0';
}

/* White space in an attribute would come back as plain spaces. */
static void
out_escape(struct out *o, const char *s, int attr)
{
	const char	*e;
	size_t		 n;

	for (; *s != '\0'; s++) {
		n = strcspn(s, attr ? "&<>'\"\r\n\t" : "&<>\r");
		out_add(o, s, n);
		s += n;
		switch (*s) {
		case '\0':
			return;
		case '&':
			e = "&amp;";
			break;
		case '<':
			e = "&lt;";
			break;
		case '>':
			e = "&gt;";
			break;
		case '\'':
			e = "&apos;";
			break;
		case '"':
			e = "&quot;";
			break;
		case '\r':
			e = "&#13;";
			break;
		case '\n':
			e = "&#10;";
			break;
		default:
			e = "&#9;";
			break;
		}
		out_add(o, e, strlen(e));
	}
}

static void
out_indent(struct out *o)
{
	unsigned int	 i;

	for (i = 0; i < o->depth; i++)
		out_add(o, "  ", 2);
}

void
out_start(struct out *o, const char *name)
{
	if (o->open)
		out_add(o, ">\n", 2);
	if (o->depth == OUT_DEPTH_MAX) {
		o->failed = 1;
		return;
	}
	out_indent(o);
	out_add(o, "<", 1);
	out_add(o, name, strlen(name));
	o->stack[o->depth++] = name;
	o->open = 1;
	o->oneline = 0;
}

void
out_attr(struct out *o, const char *name, const char *value)
{
	out_add(o, " ", 1);
	out_add(o, name, strlen(name));
	out_add(o, "='", 2);
	out_escape(o, value, 1);
	out_add(o, "'", 1);
}

/* For what is known to be short. */
void
out_attrf(struct out *o, const char *name, const char *fmt, ...)
{
	char	 value[128];
	va_list	 ap;
	int	 n;

	va_start(ap, fmt);
	n = vsnprintf(value, sizeof(value), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(value))
		o->failed = 1;
	else
		out_attr(o, name, value);
}

void
out_text(struct out *o, const char *text)
{
	if (o->open)
		out_add(o, ">", 1);
	o->open = 0;
	o->oneline = 1;
	out_escape(o, text, 0);
}

void
out_end(struct out *o)
{
	const char	*name;

	if (o->depth == 0) {
		o->failed = 1;
		return;
	}
	name = o->stack[--o->depth];
	if (o->open) {
		out_add(o, "/>\n", 3);
	} else {
		if (!o->oneline)
			out_indent(o);
		out_add(o, "</", 2);
		out_add(o, name, strlen(name));
		out_add(o, ">\n", 2);
	}
	o->open = 0;
	o->oneline = 0;
}

void
out_leaf(struct out *o, const char *name, const char *text)
{
	if (text == NULL)
		return;
	out_start(o, name);
	if (text[0] != '\0')
		out_text(o, text);
	out_end(o);
}

void
out_raw(struct out *o, const char *xml)
{
	if (o->open)
		out_add(o, ">\n", 2);
	o->open = 0;
	out_indent(o);
	out_add(o, xml, strlen(xml));
	out_add(o, "\n", 1);
}

int
out_live(const struct out *o)
{
	return ((o->flags &
	    (DOMAIN_FORMAT_INACTIVE | DOMAIN_FORMAT_MIGRATABLE)) == 0);
}
