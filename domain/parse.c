/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/* XML to struct domain: all but the devices, which have their own files. */

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domain/domain.h"
#include "domain/device.h"

const char *const domain_types[] = { "qemu", "kvm", "kqemu", NULL };
const char *const domain_boots[] = { "hd", "cdrom", "fd", "network", NULL };
const char *const domain_clocks[] = { "utc", "localtime", NULL };
const char *const domain_actions[] = { "destroy", "restart", "preserve",
    "rename-restart", NULL };
const char *const domain_crash_actions[] = { "destroy", "restart",
    "preserve", "rename-restart", "coredump-destroy", "coredump-restart",
    NULL };

static int	 parse_general(struct xml *, struct domain *);
static int	 parse_size(struct xml *, const xmlNode *, uint64_t *);
static int	 parse_memory(struct xml *, struct domain *);
static int	 parse_vcpu(struct xml *, struct domain *);
static int	 parse_path(struct xml *, const xmlNode *, const char *,
		    char **);
static int	 parse_os(struct xml *, struct domain *);
static int	 parse_machine(struct xml *, const xmlNode *, struct domain *);
static int	 parse_features(struct xml *, struct domain *);
static int	 parse_clock(struct xml *, struct domain *);
static int	 parse_actions(struct xml *, struct domain *);
static int	 parse_devices(struct xml *, struct domain *);
static int	 parse_domain(struct xml *, struct domain *);

static int
parse_general(struct xml *x, struct domain *d)
{
	xmlNode	*n;
	char	*s;
	int	 r;

	if ((r = xml_only(x, x->root, "name", &n)) == -1)
		return (-1);
	if (r == 0)
		return (xml_error(x, x->root, DOMAIN_ERR_NO_NAME,
		    "<name> is missing"));
	if ((r = xml_text_lines(x, n, &d->name)) == -1)
		return (-1);
	if (domain_check_name(d->name, x->err) == -1) {
		x->err->line = (int)xmlGetLineNo(n);
		return (-1);
	}

	if ((r = xml_only(x, x->root, "uuid", &n)) == -1)
		return (-1);
	if (r == 1) {
		if (xml_text_word(x, n, &s) == -1)
			return (-1);
		if (domain_uuid_parse(s, d->uuid) == -1) {
			r = xml_error(x, n, DOMAIN_ERR_XML, "malformed uuid "
			    "'%.60s': it must have 32 hexadecimal digits, as "
			    "in 01234567-89ab-cdef-0123-456789abcdef", s);
			free(s);
			return (r);
		}
		free(s);
		d->has_uuid = 1;
	}

	if ((r = xml_only(x, x->root, "title", &n)) == -1 ||
	    (r == 1 && xml_text(x, n, DOMAIN_STRING_MAX, &d->title) == -1))
		return (-1);
	if (d->title != NULL && d->title[0] == '\0') {
		free(d->title);
		d->title = NULL;
	}
	if ((r = xml_only(x, x->root, "description", &n)) == -1 ||
	    (r == 1 && xml_text_lines(x, n, &d->description) == -1))
		return (-1);
	if ((r = xml_only(x, x->root, "metadata", &n)) == -1 ||
	    (r == 1 && xml_metadata(x, n, &d->metadata) == -1))
		return (-1);
	return (0);
}

/* A number with a unit, in KiB, rounded up. */
static int
parse_size(struct xml *x, const xmlNode *node, uint64_t *kib)
{
	static const struct {
		const char	*name;
		uint64_t	 bytes;
	} units[] = {
		{ "KiB", 1ULL << 10 },	{ "k", 1ULL << 10 },
		{ "b", 1 },		{ "byte", 1 },
		{ "bytes", 1 },		{ "KB", 1000ULL },
		{ "MB", 1000000ULL },	{ "M", 1ULL << 20 },
		{ "MiB", 1ULL << 20 },
		{ "GB", 1000000000ULL }, { "G", 1ULL << 30 },
		{ "GiB", 1ULL << 30 },	{ "TB", 1000000000000ULL },
		{ "T", 1ULL << 40 },	{ "TiB", 1ULL << 40 },
		{ "PB", 1000000000000000ULL }, { "P", 1ULL << 50 },
		{ "PiB", 1ULL << 50 },	{ "EB", 1000000000000000000ULL },
		{ "E", 1ULL << 60 },	{ "EiB", 1ULL << 60 },
	};
	char		*unit;
	uint64_t	 n, scale = 1ULL << 10;
	size_t		 i;
	int		 r;

	if ((r = xml_attr(x, node, "unit", &unit)) == -1)
		return (-1);
	if (r == 1) {
		for (i = 0; i < nitems(units); i++)
			if (strcasecmp(unit, units[i].name) == 0)
				break;
		if (i == nitems(units)) {
			r = xml_error(x, node, DOMAIN_ERR_INVALID_ARG,
			    "unknown suffix '%.20s': unit must be b, KiB, "
			    "MiB, GiB, TiB, KB, MB, GB or TB", unit);
			free(unit);
			return (r);
		}
		scale = units[i].bytes;
		free(unit);
	}
	if (xml_text_uint64(x, node, &n) == -1)
		return (-1);
	if (n > DOMAIN_MEMORY_MAX_KIB * 1024 / scale)
		return (xml_error(x, node, DOMAIN_ERR_CONFIG_UNSUPPORTED,
		    "size value too large: a domain has at most %llu KiB",
		    DOMAIN_MEMORY_MAX_KIB));
	*kib = (n * scale + 1023) / 1024;
	return (1);
}

static int
parse_memory(struct xml *x, struct domain *d)
{
	xmlNode	*n;
	int	 r;

	if ((r = xml_only(x, x->root, "memory", &n)) == -1)
		return (-1);
	if (r == 0)
		return (xml_error(x, x->root, DOMAIN_ERR_XML,
		    "<memory> is missing"));
	if (parse_size(x, n, &d->memory) == -1)
		return (-1);
	if (d->memory == 0)
		return (xml_error(x, n, DOMAIN_ERR_XML,
		    "a domain cannot be without memory"));
	d->current_memory = d->memory;
	if ((r = xml_only(x, x->root, "currentMemory", &n)) != 1)
		return (r);
	if (parse_size(x, n, &d->current_memory) == -1)
		return (-1);
	if (d->current_memory == 0)
		d->current_memory = d->memory;
	if (d->current_memory > d->memory)
		return (xml_error(x, n, DOMAIN_ERR_XML, "%llu KiB are more "
		    "than <memory>, which is %llu KiB",
		    (unsigned long long)d->current_memory,
		    (unsigned long long)d->memory));
	return (0);
}

static int
parse_vcpu(struct xml *x, struct domain *d)
{
	static const char *const placements[] = { "static", NULL };
	xmlNode		*n;
	uint64_t	 max;
	unsigned int	 placement;
	int		 r;

	if ((r = xml_only(x, x->root, "vcpu", &n)) != 1)
		return (r);
	if (xml_attr_enum(x, n, "placement", placements, &placement) == -1 ||
	    xml_text_uint64(x, n, &max) == -1)
		return (-1);
	if (max == 0 || max > INT_MAX)
		return (xml_error(x, n, DOMAIN_ERR_XML, "invalid maximum "
		    "number of vCPUs '%llu'", (unsigned long long)max));
	d->vcpus = d->current_vcpus = (unsigned int)max;
	if (xml_attr_uint(x, n, "current", INT_MAX, &d->current_vcpus) == -1)
		return (-1);
	if (d->current_vcpus == 0 || d->current_vcpus > d->vcpus)
		return (xml_error(x, n, DOMAIN_ERR_XML, "current='%u' must be "
		    "from 1 to the maximum of %u vCPUs", d->current_vcpus,
		    d->vcpus));
	return (0);
}

/* An absolute path in the element of that name. */
static int
parse_path(struct xml *x, const xmlNode *parent, const char *name,
    char **path)
{
	xmlNode	*n;
	int	 r;

	if ((r = xml_only(x, parent, name, &n)) != 1)
		return (r);
	if (xml_text(x, n, DOMAIN_STRING_MAX, path) == -1)
		return (-1);
	if ((*path)[0] == '\0') {	/* as if it weren't there */
		free(*path);
		*path = NULL;
		return (0);
	}
	return (xml_check_path(x, n, *path) == -1 ? -1 : 1);
}

static int
parse_machine(struct xml *x, const xmlNode *node, struct domain *d)
{
	static const char *const prefixes[] = { "pc-i440fx-", "pc-q35-",
	    "pc-0.", "pc-1.", NULL };
	const char	*m;
	size_t		 i;
	int		 r;

	if ((r = xml_attr(x, node, "machine", &d->os.machine)) == -1)
		return (-1);
	if (r == 0)
		return (domain_set_string(&d->os.machine, "pc") == -1 ?
		    xml_nomem(x) : 0);
	m = d->os.machine;
	if (strcmp(m, "pc") == 0 || strcmp(m, "q35") == 0 ||
	    strcmp(m, "microvm") == 0)
		return (0);
	for (i = 0; prefixes[i] != NULL; i++)
		if (strncmp(m, prefixes[i], strlen(prefixes[i])) == 0 &&
		    m[strspn(m, "abcdefghijklmnopqrstuvwxyz0123456789.-_")] ==
		    '\0' && strlen(m) < DOMAIN_KEY_MAX)
			return (0);
	return (xml_error(x, node, DOMAIN_ERR_CONFIG_UNSUPPORTED, "unsupported "
	    "machine type '%.60s': it may be pc, q35, microvm, or a version "
	    "of them such as pc-q35-7.2", m));
}

static int
parse_os(struct xml *x, struct domain *d)
{
	static const char *const archs[] = { "i686", "x86_64", NULL };
	xmlNode		*os, *n;
	char		*s;
	unsigned int	 u, i;
	int		 r;

	if ((r = xml_only(x, x->root, "os", &os)) == -1)
		return (-1);
	if (r == 0)
		return (xml_error(x, x->root, DOMAIN_ERR_XML,
		    "<os> is missing: an os <type> must be specified"));
	if ((r = xml_only(x, os, "type", &n)) == -1)
		return (-1);
	if (r == 0)
		return (xml_error(x, os, DOMAIN_ERR_XML,
		    "<type> is missing: an os <type> must be specified"));
	if (xml_text(x, n, DOMAIN_STRING_MAX, &s) == -1)
		return (-1);
	if (strcmp(s, "hvm") != 0) {
		r = xml_error(x, n, DOMAIN_ERR_OS_TYPE, "unknown OS type "
		    "'%.40s': QEMU runs hvm only", s);
		free(s);
		return (r);
	}
	free(s);
	u = ARCH_X86_64;
	if (xml_attr_enum(x, n, "arch", archs, &u) == -1)
		return (-1);
	d->os.arch = u;
	if (parse_machine(x, n, d) == -1)
		return (-1);

	for (n = xml_child(os, "boot"); n != NULL; n = xml_next(n)) {
		if ((r = xml_attr_enum(x, n, "dev", domain_boots, &u)) == -1)
			return (-1);
		if (r == 0)
			return (xml_error(x, n, DOMAIN_ERR_XML,
			    "attribute 'dev' is missing"));
		for (i = 0; i < d->os.nboot; i++)
			if (d->os.boot[i] == (enum domain_boot)u)
				return (xml_error(x, n, DOMAIN_ERR_XML,
				    "dev='%s' stands there twice",
				    domain_boots[u]));
		d->os.boot[d->os.nboot++] = u;
	}

	if (parse_path(x, os, "kernel", &d->os.kernel) == -1 ||
	    parse_path(x, os, "initrd", &d->os.initrd) == -1)
		return (-1);
	if ((r = xml_only(x, os, "cmdline", &n)) == -1 ||
	    (r == 1 && xml_text(x, n, DOMAIN_CMDLINE_MAX - 1,
	    &d->os.cmdline) == -1))
		return (-1);
	if (d->os.kernel == NULL && d->os.initrd != NULL)
		return (xml_error(x, os, DOMAIN_ERR_CONFIG_UNSUPPORTED,
		    "<initrd> needs a <kernel>"));
	if (d->os.kernel == NULL && d->os.cmdline != NULL &&
	    d->os.cmdline[0] != '\0')
		return (xml_error(x, os, DOMAIN_ERR_CONFIG_UNSUPPORTED,
		    "<cmdline> needs a <kernel>"));
	return (0);
}

static int
parse_features(struct xml *x, struct domain *d)
{
	xmlNode	*f, *n;
	int	 r;

	if ((r = xml_only(x, x->root, "features", &f)) != 1)
		return (r);
	if ((d->acpi = xml_only(x, f, "acpi", &n)) == -1 ||
	    (d->apic = xml_only(x, f, "apic", &n)) == -1 ||
	    (d->pae = xml_only(x, f, "pae", &n)) == -1)
		return (-1);
	return (0);
}

static int
parse_clock(struct xml *x, struct domain *d)
{
	xmlNode		*n;
	unsigned int	 u = CLOCK_UTC;
	int		 r;

	if ((r = xml_only(x, x->root, "clock", &n)) != 1)
		return (r);
	if (xml_attr_enum(x, n, "offset", domain_clocks, &u) == -1)
		return (-1);
	d->clock = u;
	return (0);
}

static int
parse_actions(struct xml *x, struct domain *d)
{
	struct {
		const char		*name;
		const char *const	*words;
		enum domain_action	*action;
	} all[] = {
		{ "on_poweroff", domain_actions, &d->on_poweroff },
		{ "on_reboot", domain_actions, &d->on_reboot },
		{ "on_crash", domain_crash_actions, &d->on_crash },
	};
	xmlNode		*n;
	unsigned int	 u;
	size_t		 i;
	int		 r;

	for (i = 0; i < nitems(all); i++) {
		if ((r = xml_only(x, x->root, all[i].name, &n)) == -1)
			return (-1);
		if (r == 0)
			continue;
		if (xml_text_enum(x, n, all[i].words, &u) == -1)
			return (-1);
		*all[i].action = u;
	}
	/* firmware resets the machine once more: it would never come up */
	if ((d->on_poweroff == ACTION_RESTART ||
	    d->on_poweroff == ACTION_RENAME_RESTART) &&
	    (d->on_reboot == ACTION_DESTROY ||
	    d->on_reboot == ACTION_PRESERVE))
		return (xml_error(x, x->root, DOMAIN_ERR_CONFIG_UNSUPPORTED,
		    "on_poweroff '%s' cannot be had with on_reboot '%s'",
		    domain_actions[d->on_poweroff],
		    domain_actions[d->on_reboot]));
	return (0);
}

static int
parse_devices(struct xml *x, struct domain *d)
{
	static const char *const audio[] = { "none", NULL };
	xmlNode		*devices, *n;
	unsigned int	 u;
	int		 r, t;

	if ((r = xml_only(x, x->root, "devices", &devices)) != 1)
		return (r);
	if (parse_path(x, devices, "emulator", &d->emulator) == -1)
		return (-1);
	for (t = 0; t < DEVICE_NTYPES; t++)
		for (n = xml_child(devices, device_class(t)->element);
		    n != NULL; n = xml_next(n))
			if (device_parse(x, n, d, t) == -1)
				return (-1);
	/* "Sound goes nowhere" is what we do. */
	for (n = xml_child(devices, "audio"); n != NULL; n = xml_next(n)) {
		if (xml_attr_enum(x, n, "type", audio, &u) == -1)
			return (-1);
		xml_skip_all(n);
	}
	return (0);
}

static int
parse_domain(struct xml *x, struct domain *d)
{
	unsigned int	 u;
	int		 r;

	if (x->root->ns != NULL ||
	    strcmp((const char *)x->root->name, "domain") != 0)
		return (xml_error(x, x->root, DOMAIN_ERR_XML, "unexpected "
		    "root element, expecting <domain>"));
	if ((r = xml_attr_enum(x, x->root, "type", domain_types, &u)) == -1)
		return (-1);
	if (r == 0)
		return (xml_error(x, x->root, DOMAIN_ERR_XML, "missing domain "
		    "type attribute: it may be qemu or kvm"));
	d->type = u;
	if (x->flags & DOMAIN_PARSE_LIVE) {
		if ((r = xml_attr_uint(x, x->root, "id", INT_MAX, &u)) == -1)
			return (-1);
		if (r == 1)
			d->id = (int)u;
	} else
		xml_skip_attr(x->root, "id");
	/*
	 * How a guest is confined is not its own choice; it stands in what
	 * clients read from elsewhere and send back.
	 */
	xml_skip(x->root, "seclabel");

	if (parse_general(x, d) == -1 || parse_memory(x, d) == -1 ||
	    parse_vcpu(x, d) == -1 || parse_os(x, d) == -1 ||
	    parse_features(x, d) == -1 || parse_clock(x, d) == -1 ||
	    parse_actions(x, d) == -1 || parse_devices(x, d) == -1)
		return (-1);
	return (xml_sweep(x));
}

int
domain_parse(const char *xml, size_t len, unsigned int flags,
    struct domain **dp, struct domain_error *err)
{
	struct domain_error	 ignored;
	struct domain		*d = NULL;
	struct xml		 x;

	*dp = NULL;
	if (err == NULL)
		err = &ignored;
	if (xml_open(&x, xml, len, flags, err) == -1)
		goto out;
	if ((d = domain_new()) == NULL) {
		xml_nomem(&x);
		goto out;
	}
	if (parse_domain(&x, d) == -1 || domain_check(d, err) == -1)
		goto out;
	*dp = d;
	d = NULL;
 out:
	domain_free(d);
	xml_close(&x);
	return (*dp == NULL ? -1 : 0);
}
