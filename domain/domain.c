/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * The struct domain itself: made, freed, searched; and the small values
 * that all of this library uses.
 *
 * This folder is trusted with nothing: it turns bytes of anybody who may
 * define guests into values, in whatever process it is linked into, and
 * asks for nothing from the system but memory.
 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domain/domain.h"
#include "domain/device.h"

static int	 hex_value(int);

struct domain *
domain_new(void)
{
	struct domain	*d;
	size_t		 i;

	if ((d = calloc(1, sizeof(*d))) == NULL)
		return (NULL);
	d->id = -1;
	d->vcpus = d->current_vcpus = 1;
	d->os.arch = ARCH_X86_64;
	d->on_poweroff = ACTION_DESTROY;
	d->on_reboot = ACTION_RESTART;
	d->on_crash = ACTION_DESTROY;
	for (i = 0; i < nitems(d->devices); i++)
		TAILQ_INIT(&d->devices[i]);
	return (d);
}

void
domain_free(struct domain *d)
{
	struct device	*dev;
	size_t		 i;

	if (d == NULL)
		return;
	for (i = 0; i < nitems(d->devices); i++)
		while ((dev = TAILQ_FIRST(&d->devices[i])) != NULL)
			device_remove(d, dev);
	free(d->name);
	free(d->title);
	free(d->description);
	free(d->metadata);
	free(d->os.machine);
	free(d->os.kernel);
	free(d->os.initrd);
	free(d->os.cmdline);
	free(d->emulator);
	free(d);
}

/* By way of XML: what the format cannot say is not in the model. */
struct domain *
domain_copy(const struct domain *d)
{
	struct domain		*copy;
	struct domain_error	 err;
	char			*xml;

	if ((xml = domain_format(d, DOMAIN_FORMAT_SECURE)) == NULL)
		return (NULL);
	domain_parse(xml, strlen(xml), DOMAIN_PARSE_LIVE, &copy, &err);
	freezero(xml, strlen(xml));
	return (copy);
}

enum domain_machine
domain_machine(const struct domain *d)
{
	const char	*m = d->os.machine;

	if (m != NULL && (strcmp(m, "q35") == 0 ||
	    strncmp(m, "pc-q35-", 7) == 0))
		return (MACHINE_Q35);
	if (m != NULL && strcmp(m, "microvm") == 0)
		return (MACHINE_MICROVM);
	return (MACHINE_PC);
}

const char *
domain_arch_name(enum domain_arch arch)
{
	return (arch == ARCH_I686 ? "i686" : "x86_64");
}

const char *
domain_default_emulator(enum domain_arch arch)
{
	return (arch == ARCH_I686 ? "/usr/bin/qemu-system-i386" :
	    "/usr/bin/qemu-system-x86_64");
}

int
domain_set_string(char **where, const char *value)
{
	char	*s = NULL;

	if (value != NULL && (s = strdup(value)) == NULL)
		return (-1);
	free(*where);
	*where = s;
	return (0);
}

/* A name is also a file's and part of an argument list. */
int
domain_check_name(const char *name, struct domain_error *err)
{
	const unsigned char	*c;
	size_t			 len = strlen(name), n, i;

	if (len == 0)
		return (domain_error(err, DOMAIN_ERR_XML, 0,
		    "the name of a domain must not be empty"));
	if (len > DOMAIN_NAME_MAX)
		return (domain_error(err, DOMAIN_ERR_XML, 0, "the name of a "
		    "domain has at most %d bytes, this one has %zu",
		    DOMAIN_NAME_MAX, len));
	for (c = (const unsigned char *)name; *c != '\0'; c++) {
		if (*c == '/')
			return (domain_error(err, DOMAIN_ERR_XML, 0,
			    "name %s cannot contain '/'", name));
		if (*c == '\n')
			return (domain_error(err, DOMAIN_ERR_XML, 0,
			    "the name of a domain cannot contain a newline"));
		if (*c < 0x20 || *c == 0x7f)
			return (domain_error(err, DOMAIN_ERR_XML, 0, "the "
			    "name of a domain cannot contain a control "
			    "character"));
	}
	for (i = 0; i < len; i += n)
		if ((n = utf8_length(name + i, len - i)) == 0)
			return (domain_error(err, DOMAIN_ERR_XML, 0,
			    "the name of a domain must be UTF-8"));
	if (strspn(name, " ") == len)
		return (domain_error(err, DOMAIN_ERR_XML, 0,
		    "the name of a domain cannot be of spaces only"));
	return (0);
}

static int
hex_value(int c)
{
	if (c >= '0' && c <= '9')
		return (c - '0');
	if (c >= 'a' && c <= 'f')
		return (c - 'a' + 10);
	if (c >= 'A' && c <= 'F')
		return (c - 'A' + 10);
	return (-1);
}

int
domain_uuid_parse(const char *s, uint8_t uuid[16])
{
	uint8_t	 u[16];
	int	 i, hi, lo;

	for (i = 0; i < 16; i++) {
		if (*s == '-' && i > 0)
			s++;
		if ((hi = hex_value((unsigned char)s[0])) == -1 ||
		    (lo = hex_value((unsigned char)s[1])) == -1)
			return (-1);
		u[i] = (uint8_t)(hi << 4 | lo);
		s += 2;
	}
	if (*s != '\0')
		return (-1);
	memcpy(uuid, u, sizeof(u));
	return (0);
}

void
domain_uuid_format(const uint8_t u[16], char text[37])
{
	int	 i;
	char	*p = text;

	for (i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*p++ = '-';
		snprintf(p, 3, "%02x", u[i]);
		p += 2;
	}
}

struct disk *
domain_find_disk(const struct domain *d, const char *target)
{
	struct disk	*disk;

	DEVICE_FOREACH(disk, d, DEVICE_DISK)
		if (strcmp(disk->target, target) == 0)
			return (disk);
	return (NULL);
}

struct chardev *
domain_find_chardev(const struct domain *d, const char *key)
{
	struct chardev	*chr;
	char		 k[DOMAIN_KEY_MAX];

	DEVICE_FOREACH(chr, d, DEVICE_SERIAL) {
		snprintf(k, sizeof(k), "serial/%u", chr->port);
		if (strcmp(k, key) == 0)
			return (chr);
	}
	return (NULL);
}

int
domain_set_tty(struct domain *d, const char *key, const char *path)
{
	struct chardev	*serial, *console;

	if ((serial = domain_find_chardev(d, key)) == NULL) {
		errno = ENOENT;
		return (-1);
	}
	if (domain_set_string(&serial->tty, path) == -1)
		return (-1);
	if ((void *)serial == DEVICE_FIRST(d, DEVICE_SERIAL) &&
	    (console = DEVICE_FIRST(d, DEVICE_CONSOLE)) != NULL &&
	    domain_set_string(&console->tty, path) == -1)
		return (-1);
	return (0);
}

/*
 * How many bytes the character at s has, of len; 0 if it isn't one.  RFC
 * 3629: no overlong forms, no surrogates.
 */
size_t
utf8_length(const char *str, size_t len)
{
	const unsigned char	*s = (const unsigned char *)str;
	size_t			 n, i;
	unsigned int		 min, c;

	if (len == 0)
		return (0);
	if (s[0] < 0x80)
		return (1);
	if (s[0] >= 0xc2 && s[0] <= 0xdf) {
		n = 2;
		c = s[0] & 0x1f;
		min = 0x80;
	} else if (s[0] >= 0xe0 && s[0] <= 0xef) {
		n = 3;
		c = s[0] & 0x0f;
		min = 0x800;
	} else if (s[0] >= 0xf0 && s[0] <= 0xf4) {
		n = 4;
		c = s[0] & 0x07;
		min = 0x10000;
	} else
		return (0);
	if (n > len)
		return (0);
	for (i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return (0);
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < min || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return (0);
	return (n);
}

/*
 * The text may quote what a stranger wrote, cut in the middle of a
 * character: only whole and printable ones stay, on one line.
 */
int
domain_verror(struct domain_error *err, int code, int line, const char *fmt,
    va_list ap)
{
	size_t	 i, n, len;

	if (err == NULL)
		return (-1);
	memset(err, 0, sizeof(*err));
	err->code = code;
	err->line = line;
	if (vsnprintf(err->text, sizeof(err->text), fmt, ap) < 0)
		err->text[0] = '\0';
	len = strlen(err->text);
	while (len > 0 && err->text[len - 1] == '\n')
		err->text[--len] = '\0';
	for (i = 0; i < len; i += n) {
		n = utf8_length(err->text + i, len - i);
		if (n == 0 || (n == 1 && ((unsigned char)err->text[i] < 0x20 ||
		    err->text[i] == 0x7f))) {
			err->text[i] = '?';
			n = 1;
		}
	}
	return (-1);
}

int
domain_error(struct domain_error *err, int code, int line, const char *fmt,
    ...)
{
	va_list	 ap;

	va_start(ap, fmt);
	domain_verror(err, code, line, fmt, ap);
	va_end(ap);
	return (-1);
}
