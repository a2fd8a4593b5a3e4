/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * Domain XML, in and out.  tests/data/domain/NAME.xml is what somebody
 * defines, NAME.out what it is from then on.
 */

#include <atf-c.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libxml/relaxng.h>

#include "domain/domain.h"

#define SCHEMA	"/usr/share/libvirt/schemas/domain.rng"

static char	*slurp(const char *, const char *);
static struct domain *parse(const char *, unsigned int);
static struct domain *define(const char *);
static void	 refused(const char *, size_t, unsigned int, int, int,
		    const char *);
static void	 each_file(void (*)(const char *, const char *));

/* The file of that name in the data folder; caller frees. */
static char *
slurp(const char *name, const char *suffix)
{
	const char	*dir = getenv("SRCDIR");
	char		 path[PATH_MAX];
	char		*text;
	FILE		*f;
	size_t		 n;

	snprintf(path, sizeof(path), "%s/tests/data/domain/%s%s",
	    dir == NULL ? "." : dir, name, suffix);
	ATF_REQUIRE_MSG((f = fopen(path, "r")) != NULL, "%s: %s", path,
	    strerror(errno));
	ATF_REQUIRE((text = malloc(1 << 20)) != NULL);
	n = fread(text, 1, (1 << 20) - 1, f);
	text[n] = '\0';
	fclose(f);
	return (text);
}

static void
each_file(void (*func)(const char *, const char *))
{
	const char	*dir = getenv("SRCDIR");
	char		 path[PATH_MAX], *dot, *text;
	struct dirent	*e;
	DIR		*d;
	int		 n = 0;

	snprintf(path, sizeof(path), "%s/tests/data/domain",
	    dir == NULL ? "." : dir);
	ATF_REQUIRE((d = opendir(path)) != NULL);
	while ((e = readdir(d)) != NULL) {
		if ((dot = strrchr(e->d_name, '.')) == NULL ||
		    strcmp(dot, ".xml") != 0)
			continue;
		*dot = '\0';
		text = slurp(e->d_name, ".xml");
		func(e->d_name, text);
		free(text);
		n++;
	}
	closedir(d);
	ATF_CHECK(n >= 10);
}

static struct domain *
parse(const char *xml, unsigned int flags)
{
	struct domain_error	 err;
	struct domain		*d;

	ATF_REQUIRE_MSG(domain_parse(xml, strlen(xml), flags, &d, &err) == 0,
	    "%s", err.text);
	ATF_REQUIRE(d != NULL);
	return (d);
}

static struct domain *
define(const char *xml)
{
	struct domain_error	 err;
	struct domain		*d;

	d = parse(xml, 0);
	ATF_REQUIRE_MSG(domain_assign(d, &err) == 0, "%s", err.text);
	return (d);
}

/* What a domain needs around its devices, or around what is tested. */
#define HEAD	"<domain type='qemu'>\n<name>a</name>\n"		\
		"<memory>65536</memory>\n<os><type>hvm</type></os>\n"
#define TAIL	"</domain>"
#define DEV(x)	HEAD "<devices>\n" x "</devices>\n" TAIL

/* Refused by parse or assign, with this code and line, saying words. */
static void
refused(const char *xml, size_t len, unsigned int flags, int code, int line,
    const char *words)
{
	struct domain_error	 err;
	struct domain		*d = NULL;
	const unsigned char	*c;
	int			 r;

	memset(&err, 'x', sizeof(err));
	if ((r = domain_parse(xml, len, flags, &d, &err)) == 0) {
		ATF_CHECK(d != NULL);
		r = domain_assign(d, &err);
		domain_free(d);
	} else
		ATF_CHECK(d == NULL);
	ATF_CHECK_MSG(r == -1, "accepted: %.400s", xml);
	if (r == 0)
		return;
	ATF_CHECK_MSG(err.code == code, "code %d, not %d: %s", err.code, code,
	    err.text);
	ATF_CHECK_MSG(err.line == line, "line %d, not %d: %s", err.line, line,
	    err.text);
	ATF_CHECK_MSG(strstr(err.text, words) != NULL, "no '%s' in: %s",
	    words, err.text);
	for (c = (unsigned char *)err.text; *c != '\0'; c++)
		ATF_CHECK(*c >= 0x20 && *c != 0x7f);
}

struct bad {
	const char	*xml;
	int		 code, line;
	const char	*words;
};

static void
all_refused(const struct bad *bad, size_t n)
{
	size_t	 i;

	for (i = 0; i < n; i++)
		refused(bad[i].xml, strlen(bad[i].xml), 0, bad[i].code,
		    bad[i].line, bad[i].words);
}

#define ALL_REFUSED(b)	all_refused(b, sizeof(b) / sizeof((b)[0]))

/* --- what is right -------------------------------------------------------- */

static void
check_golden(const char *name, const char *xml)
{
	struct domain	*d;
	char		*out, *want;

	d = define(xml);
	want = slurp(name, ".out");
	ATF_REQUIRE((out = domain_format(d, DOMAIN_FORMAT_INACTIVE)) != NULL);
	ATF_CHECK_MSG(strcmp(out, want) == 0, "%s: is now\n%s", name, out);
	free(out);
	free(want);
	domain_free(d);
}

ATF_TC_WITHOUT_HEAD(golden);
ATF_TC_BODY(golden, tc)
{
	each_file(check_golden);
}

/* Reading its own output changes nothing, before and after assigning. */
static void
check_fixed_point(const char *name, const char *xml)
{
	static const unsigned int	 formats[] = {
		DOMAIN_FORMAT_SECURE, DOMAIN_FORMAT_INACTIVE,
		DOMAIN_FORMAT_INACTIVE | DOMAIN_FORMAT_SECURE,
		DOMAIN_FORMAT_MIGRATABLE, 0
	};
	struct domain_error	 err;
	struct domain		*d, *e;
	char			*a, *b;
	size_t			 i;
	int			 step;

	d = parse(xml, DOMAIN_PARSE_LIVE);
	for (step = 0; step < 3; step++) {
		if (step == 1)
			ATF_REQUIRE_MSG(domain_assign(d, &err) == 0, "%s",
			    err.text);
		if (step == 2)
			ATF_REQUIRE_MSG(domain_assign_live(d, &err) == 0,
			    "%s", err.text);
		for (i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
			a = domain_format(d, formats[i]);
			ATF_REQUIRE(a != NULL);
			e = parse(a, DOMAIN_PARSE_LIVE |
			    DOMAIN_PARSE_VALIDATE);
			if (step > 0)
				ATF_REQUIRE_MSG(domain_assign(e, &err) == 0,
				    "%s", err.text);
			if (step == 2 && i == 0)
				ATF_REQUIRE_MSG(domain_assign_live(e, &err) ==
				    0, "%s", err.text);
			b = domain_format(e, formats[i]);
			ATF_REQUIRE(b != NULL);
			ATF_CHECK_MSG(strcmp(a, b) == 0, "%s: from\n%s\nto\n"
			    "%s", name, a, b);
			free(a);
			free(b);
			domain_free(e);
		}
	}
	ATF_REQUIRE((e = domain_copy(d)) != NULL);
	a = domain_format(d, DOMAIN_FORMAT_SECURE);
	b = domain_format(e, DOMAIN_FORMAT_SECURE);
	ATF_CHECK(strcmp(a, b) == 0);
	free(a);
	free(b);
	domain_free(e);
	domain_free(d);
}

ATF_TC_WITHOUT_HEAD(fixed_point);
ATF_TC_BODY(fixed_point, tc)
{
	each_file(check_fixed_point);
}

static xmlRelaxNG	*schema;

static void
check_schema(const char *name, const char *xml)
{
	static const unsigned int	 formats[] = {
		DOMAIN_FORMAT_SECURE, DOMAIN_FORMAT_INACTIVE
	};
	struct domain_error	 err;
	struct domain		*d;
	xmlRelaxNGValidCtxt	*v;
	xmlDoc			*doc;
	char			*out;
	size_t			 i;

	d = parse(xml, DOMAIN_PARSE_LIVE);
	ATF_REQUIRE(domain_assign(d, &err) == 0);
	ATF_REQUIRE(domain_assign_live(d, &err) == 0);
	for (i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		ATF_REQUIRE((out = domain_format(d, formats[i])) != NULL);
		doc = xmlReadMemory(out, (int)strlen(out), NULL, NULL,
		    XML_PARSE_NONET);
		ATF_REQUIRE(doc != NULL);
		ATF_REQUIRE((v = xmlRelaxNGNewValidCtxt(schema)) != NULL);
		ATF_CHECK_MSG(xmlRelaxNGValidateDoc(v, doc) == 0,
		    "%s is not valid:\n%s", name, out);
		xmlRelaxNGFreeValidCtxt(v);
		xmlFreeDoc(doc);
		free(out);
	}
	domain_free(d);
}

ATF_TC_WITHOUT_HEAD(valid_by_schema);
ATF_TC_BODY(valid_by_schema, tc)
{
	xmlRelaxNGParserCtxt	*c;

	if (access(SCHEMA, R_OK) == -1)
		atf_tc_skip("no libvirt schema on this host");
	ATF_REQUIRE((c = xmlRelaxNGNewParserCtxt(SCHEMA)) != NULL);
	ATF_REQUIRE((schema = xmlRelaxNGParse(c)) != NULL);
	xmlRelaxNGFreeParserCtxt(c);
	each_file(check_schema);
	xmlRelaxNGFree(schema);
}

/* White space around a UUID or a number is no part of it. */
ATF_TC_WITHOUT_HEAD(spaces);
ATF_TC_BODY(spaces, tc)
{
	struct domain	*d;
	char		 text[37];

	d = parse("<domain type='qemu'>\n<name> a </name>\n<uuid>\n\t"
	    "9d3c1f0e-5a6b-4c7d-8e9f-0a1b2c3d4e5f\n</uuid>\n"
	    "<memory>\n1024\n</memory>\n<vcpu>\n2\n</vcpu>\n"
	    "<os><type>hvm</type></os></domain>", DOMAIN_PARSE_VALIDATE);
	domain_uuid_format(d->uuid, text);
	ATF_CHECK_STREQ(text, "9d3c1f0e-5a6b-4c7d-8e9f-0a1b2c3d4e5f");
	ATF_CHECK_EQ(d->memory, 1024);
	ATF_CHECK_EQ(d->vcpus, 2);
	ATF_CHECK_STREQ(d->name, " a ");
	domain_free(d);
}

/* Every unit that memory may have, rounded up to KiB. */
ATF_TC_WITHOUT_HEAD(units);
ATF_TC_BODY(units, tc)
{
	static const struct {
		const char	*unit, *value;
		uint64_t	 kib;
	} all[] = {
		{ "b", "1048577", 1025 },	{ "bytes", "1", 1 },
		{ "byte", "1024", 1 },		{ "KB", "1000", 977 },
		{ "k", "7", 7 },		{ "K", "7", 7 },
		{ "KiB", "7", 7 },		{ "MB", "1", 977 },
		{ "M", "2", 2048 },		{ "MiB", "2", 2048 },
		{ "mib", " 2 \n", 2048 },	{ "GB", "1", 976563 },
		{ "G", "1", 1048576 },		{ "GiB", "1", 1048576 },
		{ "TB", "1", 976562500 },	{ "T", "1", 1ULL << 30 },
		{ "TiB", "16", 16ULL << 30 },
	};
	struct domain	*d;
	char		 xml[400];
	size_t		 i;

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		snprintf(xml, sizeof(xml), "<domain type='qemu'><name>a"
		    "</name><memory unit='%s'>%s</memory><os><type>hvm"
		    "</type></os></domain>", all[i].unit, all[i].value);
		d = parse(xml, 0);
		ATF_CHECK_EQ_MSG(d->memory, all[i].kib, "%s", xml);
		ATF_CHECK_EQ(d->current_memory, all[i].kib);
		domain_free(d);
	}
}

/* Without a unit it is KiB; a missing UUID and MAC are made, and differ. */
ATF_TC_WITHOUT_HEAD(made_up);
ATF_TC_BODY(made_up, tc)
{
	static const char	 xml[] = DEV("<interface type='user'/>"
	    "<interface type='user'/>");
	struct domain		*d, *e;
	struct net		*n, *m;
	char			*a, *b;

	d = define(xml);
	e = define(xml);
	ATF_CHECK_EQ(d->memory, 65536);
	ATF_CHECK(d->has_uuid);
	ATF_CHECK(memcmp(d->uuid, e->uuid, 16) != 0);
	ATF_CHECK_EQ(d->uuid[6] >> 4, 4);
	ATF_CHECK_EQ(d->uuid[8] >> 6, 2);
	n = DEVICE_FIRST(d, DEVICE_NET);
	m = DEVICE_NEXT(n);
	ATF_CHECK(n->has_mac && m->has_mac);
	ATF_CHECK(memcmp(n->mac, "\x52\x54\x00", 3) == 0);
	ATF_CHECK(memcmp(n->mac, m->mac, 6) != 0);
	ATF_CHECK_STREQ(n->model, "rtl8139");

	/* once made they stay */
	a = domain_format(d, 0);
	domain_free(e);
	e = define(a);
	b = domain_format(e, 0);
	ATF_CHECK_STREQ(a, b);
	free(a);
	free(b);
	domain_free(d);
	domain_free(e);
}

/* Old forms and their meaning today. */
ATF_TC_WITHOUT_HEAD(old_forms);
ATF_TC_BODY(old_forms, tc)
{
	struct disk	*disk;
	struct domain	*d;
	char		*xml;

	xml = slurp("announce-cdrom", ".xml");
	d = define(xml);
	ATF_CHECK_EQ(d->type, DOMAIN_KQEMU);
	ATF_CHECK_EQ(d->os.arch, ARCH_I686);
	ATF_CHECK_STREQ(d->os.machine, "pc");
	ATF_CHECK_EQ(d->os.boot[0], BOOT_CDROM);
	ATF_REQUIRE((disk = domain_find_disk(d, "hdc")) != NULL);
	ATF_CHECK_EQ(disk->device, DISK_CDROM);
	ATF_CHECK_EQ(disk->bus, DISK_BUS_IDE);
	ATF_CHECK(disk->readonly);
	ATF_CHECK_EQ(TAILQ_FIRST(&disk->layers)->format, DISK_FORMAT_RAW);
	ATF_CHECK(domain_find_disk(d, "hdb") == NULL);
	domain_free(d);
	free(xml);
}

/* --- what runs ------------------------------------------------------------ */

ATF_TC_WITHOUT_HEAD(live);
ATF_TC_BODY(live, tc)
{
	struct domain_error	 err;
	struct graphics		*g;
	struct domain		*d;
	char			*xml, *out;

	xml = slurp("live", ".xml");
	d = parse(xml, DOMAIN_PARSE_LIVE);
	ATF_CHECK_EQ(d->id, 12);
	g = DEVICE_FIRST(d, DEVICE_GRAPHICS);
	ATF_CHECK_EQ(g->port, 5903);
	ATF_CHECK_STREQ(domain_find_chardev(d, "serial/0")->tty,
	    "/dev/pts/3");

	/* all of it comes back */
	ATF_REQUIRE((out = domain_format(d, DOMAIN_FORMAT_SECURE)) != NULL);
	ATF_CHECK_STREQ(out, xml);
	free(out);

	/* and none of it, where it isn't wanted */
	out = domain_format(d, DOMAIN_FORMAT_INACTIVE);
	ATF_CHECK(strstr(out, "id='12'") == NULL);
	ATF_CHECK(strstr(out, "pts") == NULL);
	ATF_CHECK(strstr(out, "alias") == NULL);
	ATF_CHECK(strstr(out, "5903") == NULL);
	free(out);
	out = domain_format(d, DOMAIN_FORMAT_MIGRATABLE);
	ATF_CHECK(strstr(out, "pts") == NULL);
	ATF_CHECK(strstr(out, "secret99") == NULL);
	free(out);
	domain_free(d);

	/* a definition does not bring it */
	d = define(xml);
	ATF_CHECK_EQ(d->id, -1);
	g = DEVICE_FIRST(d, DEVICE_GRAPHICS);
	ATF_CHECK_EQ(g->port, -1);
	ATF_CHECK(domain_find_chardev(d, "serial/0")->tty == NULL);
	ATF_CHECK(g->dev.alias == NULL);

	/* whoever starts it knows it */
	ATF_REQUIRE(domain_assign_live(d, &err) == 0);
	d->id = 12;
	g->port = 5903;
	ATF_CHECK_EQ(domain_set_tty(d, "serial/0", "/dev/pts/3"), 0);
	ATF_CHECK_ERRNO(ENOENT, domain_set_tty(d, "serial/1", "/x") == -1);
	ATF_REQUIRE((out = domain_format(d, DOMAIN_FORMAT_SECURE)) != NULL);
	free(out);
	domain_free(d);
	free(xml);
}

/* A port that was chosen is shown while it runs only. */
ATF_TC_WITHOUT_HEAD(autoport);
ATF_TC_BODY(autoport, tc)
{
	static const struct {
		const char	*attrs;
		int		 port, autoport;
	} all[] = {
		{ "", -1, 1 },
		{ " port='-1'", -1, 1 },
		{ " port='0'", -1, 1 },
		{ " port='-1' autoport='no'", -1, 1 },
		{ " autoport='yes'", -1, 1 },
		{ " port='5901'", 5901, 0 },
		{ " port='5901' autoport='no'", 5901, 0 },
		{ " port='5901' autoport='yes'", -1, 1 },
	};
	struct graphics	*g;
	struct domain	*d;
	char		 xml[400];
	size_t		 i;

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		snprintf(xml, sizeof(xml), DEV("<graphics type='vnc'%s/>"),
		    all[i].attrs);
		d = parse(xml, 0);
		g = DEVICE_FIRST(d, DEVICE_GRAPHICS);
		ATF_CHECK_EQ_MSG(g->port, all[i].port, "%s", all[i].attrs);
		ATF_CHECK_EQ_MSG(g->autoport, all[i].autoport, "%s",
		    all[i].attrs);
		domain_free(d);
	}
}

/* A password is in no XML but the one that asks for it. */
ATF_TC_WITHOUT_HEAD(secrets);
ATF_TC_BODY(secrets, tc)
{
	static const char	 xml[] =
	    DEV("<graphics type='vnc' passwd='CANARY'/>");
	struct domain		*d;
	char			*out;
	unsigned int		 flags;

	d = define(xml);
	for (flags = 0; flags < 16; flags++) {
		ATF_REQUIRE((out = domain_format(d, flags)) != NULL);
		ATF_CHECK_EQ(strstr(out, "CANARY") != NULL,
		    (flags & DOMAIN_FORMAT_SECURE) != 0);
		free(out);
	}
	domain_free(d);
}

/* --- what is wrong -------------------------------------------------------- */

ATF_TC_WITHOUT_HEAD(not_xml);
ATF_TC_BODY(not_xml, tc)
{
	static const struct {
		const char	*xml;
		int		 line, column;
	} all[] = {
		{ "", 1, 1 },
		{ "hello", 1, 1 },
		{ "<domain>\n <a>\n  </b>\n</domain>", 3, 7 },
		{ "<domain>\n<name>x</name>", 2, 15 },
		{ "<domain a='1' a='2'/>", 1, 20 },
		{ "<domain>\n  &undefined;\n</domain>", 2, 14 },
		{ "<domain><x:y/></domain>", 1, 13 },
		{ "<domain>\n\xc3\x28</domain>", 2, 1 },
		{ "<domain>\n ab\xff</domain>", 2, 4 },
		{ "<domain>\xed\xa0\x80</domain>", 1, 9 },
		{ "<domain>\x01</domain>", 1, 9 },
		{ "<domain>&#1;</domain>", 1, 13 },
		{ "<domain/><domain/>", 1, 10 },
	};
	struct domain_error	 err;
	struct domain		*d;
	size_t			 i;

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		ATF_REQUIRE(domain_parse(all[i].xml, strlen(all[i].xml), 0, &d,
		    &err) == -1);
		ATF_CHECK(d == NULL);
		ATF_CHECK_EQ_MSG(err.code, DOMAIN_ERR_XML_DETAIL, "%s: %d",
		    all[i].xml, err.code);
		ATF_CHECK_MSG(err.line == all[i].line &&
		    err.column == all[i].column, "%s: line %d, column %d: %s",
		    all[i].xml, err.line, err.column, err.text);
	}
	/* a NUL, wherever it is */
	ATF_REQUIRE(domain_parse("<domain>\n\0</domain>", 19, 0, &d, &err) ==
	    -1);
	ATF_CHECK_EQ(err.line, 2);
	ATF_CHECK_EQ(err.column, 1);
	ATF_REQUIRE(domain_parse("", 0, 0, &d, &err) == -1);
	/* who doesn't want to know needs not */
	ATF_CHECK(domain_parse("<", 1, 0, &d, NULL) == -1);
}

ATF_TC_WITHOUT_HEAD(bad_general);
ATF_TC_BODY(bad_general, tc)
{
#define NAME(n)	"<domain type='qemu'>\n<name>" n "</name>\n"		\
		"<memory>1024</memory><os><type>hvm</type></os></domain>"
#define OS(o)	"<domain type='qemu'>\n<name>a</name>"			\
		"<memory>1024</memory>\n" o "</domain>"
#define MEM(m)	"<domain type='qemu'><name>a</name>"			\
		"<os><type>hvm</type></os>\n" m "</domain>"
	static const struct bad bad[] = {
		{ "<network/>", DOMAIN_ERR_XML, 1, "expecting <domain>" },
		{ "\n<domain xmlns='urn:x' type='qemu'/>", DOMAIN_ERR_XML, 2,
		    "expecting <domain>" },
		{ "<domain/>", DOMAIN_ERR_XML, 1,
		    "missing domain type attribute" },
		{ "<domain type='xen'/>", DOMAIN_ERR_CONFIG_UNSUPPORTED, 1,
		    "qemu, kvm" },
		{ "<domain type='qemu'/>", DOMAIN_ERR_NO_NAME, 1, "<name>" },

		{ NAME(""), DOMAIN_ERR_XML, 2, "empty" },
		{ NAME("a/b"), DOMAIN_ERR_XML, 2, "cannot contain '/'" },
		{ NAME("a\nb"), DOMAIN_ERR_XML, 2, "newline" },
		{ NAME("a&#9;b"), DOMAIN_ERR_XML, 2, "control" },
		{ NAME("  "), DOMAIN_ERR_XML, 2, "spaces" },
		{ NAME("a</name><name>b"), DOMAIN_ERR_XML, 2, "second" },

		{ MEM(""), DOMAIN_ERR_XML, 1, "<memory> is missing" },
		{ MEM("<memory>0</memory>"), DOMAIN_ERR_XML, 2, "without" },
		{ MEM("<memory>-1</memory>"), DOMAIN_ERR_XML, 2, "number" },
		{ MEM("<memory>1.5</memory>"), DOMAIN_ERR_XML, 2, "number" },
		{ MEM("<memory></memory>"), DOMAIN_ERR_XML, 2, "number" },
		{ MEM("<memory>99999999999999999999</memory>"),
		    DOMAIN_ERR_XML, 2, "too big" },
		{ MEM("<memory unit='EiB'>18446744073709551615</memory>"),
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, 2, "too large" },
		{ MEM("<memory unit='TiB'>17</memory>"),
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, 2, "too large" },
		{ MEM("<memory unit='pages'>1</memory>"),
		    DOMAIN_ERR_INVALID_ARG, 2, "unit must be" },
		{ MEM("<memory>10</memory>\n<currentMemory>11</currentMemory>"),
		    DOMAIN_ERR_XML, 3, "more than <memory>" },
		{ MEM("<memory>10</memory>\n<memory>11</memory>"),
		    DOMAIN_ERR_XML, 3, "second <memory>" },
		{ MEM("<memory>10</memory>\n<vcpu>0</vcpu>"),
		    DOMAIN_ERR_XML, 3, "invalid maximum number of vCPUs" },
		{ MEM("<memory>10</memory>\n<vcpu>x</vcpu>"),
		    DOMAIN_ERR_XML, 3, "number" },
		{ MEM("<memory>10</memory>\n<vcpu current='3'>2</vcpu>"),
		    DOMAIN_ERR_XML, 3, "current" },
		{ MEM("<memory>10</memory>\n<vcpu>4294967297</vcpu>"),
		    DOMAIN_ERR_XML, 3, "invalid maximum number of vCPUs" },
		{ MEM("<memory>10</memory>\n<vcpu>256</vcpu>"),
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, 0, "255" },
		{ MEM("<memory>10</memory>\n<uuid>1234</uuid>"),
		    DOMAIN_ERR_XML, 3, "malformed uuid" },
		{ MEM("<memory>10</memory>\n<uuid>"
		    "9d3c1f0e-5a6b-4c7d-8e9f-0a1b2c3d4e5fa</uuid>"),
		    DOMAIN_ERR_XML, 3, "malformed uuid" },
		{ MEM("<memory>10</memory>\n<uuid>"
		    "9d3c1f0e 5a6b-4c7d-8e9f-0a1b2c3d4e5f</uuid>"),
		    DOMAIN_ERR_XML, 3, "malformed uuid" },
		{ MEM("<memory>10</memory>\n<title>a\nb</title>"),
		    DOMAIN_ERR_XML, 3, "control character" },
		{ MEM("<memory>10</memory>\n<clock offset='variable'/>"),
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, 3, "utc, localtime" },
		{ MEM("<memory>10</memory>\n<on_reboot>jump</on_reboot>"),
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, 3, "rename-restart" },
		{ MEM("<memory>10</memory>\n"
		    "<on_reboot>coredump-destroy</on_reboot>"),
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, 3, "on_reboot" },

		{ OS(""), DOMAIN_ERR_XML, 1, "<os> is missing" },
		{ OS("<os/>"), DOMAIN_ERR_XML, 3, "an os <type> must be" },
		{ OS("<os><type>linux</type></os>"), DOMAIN_ERR_OS_TYPE, 3,
		    "hvm" },
		{ OS("<os><type arch='sparc'>hvm</type></os>"),
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, 3, "i686, x86_64" },
		{ OS("<os><type machine='pc,accel=kvm'>hvm</type></os>"),
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, 3, "machine" },
		{ OS("<os><type machine='pc-q35-1,x=y'>hvm</type></os>"),
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, 3, "machine" },
		{ OS("<os><type machine='isapc'>hvm</type></os>"),
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, 3, "machine" },
		{ OS("<os><type>hvm</type>\n<boot dev='usb'/></os>"),
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, 4, "hd, cdrom" },
		{ OS("<os><type>hvm</type>\n<boot/></os>"),
		    DOMAIN_ERR_XML, 4, "'dev' is missing" },
		{ OS("<os><type>hvm</type>\n<boot dev='hd'/>\n"
		    "<boot dev='hd'/></os>"), DOMAIN_ERR_XML, 5, "twice" },
		{ OS("<os><type>hvm</type>\n<kernel>vmlinuz</kernel></os>"),
		    DOMAIN_ERR_XML, 4, "absolute" },
		{ OS("<os><type>hvm</type>\n<initrd>/i</initrd></os>"),
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, 3, "needs a <kernel>" },
		{ OS("<os><type>hvm</type>\n<cmdline>x</cmdline></os>"),
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, 3, "needs a <kernel>" },
		{ OS("<os><type>hvm</type><kernel>/k</kernel>\n"
		    "<cmdline>a\nb</cmdline></os>"),
		    DOMAIN_ERR_XML, 4, "control character" },
	};

	ALL_REFUSED(bad);
}

/* What libvirt's format has and we don't, by name; never dropped. */
ATF_TC_WITHOUT_HEAD(unsupported);
ATF_TC_BODY(unsupported, tc)
{
	static const struct bad bad[] = {
		{ HEAD "<cpu mode='host-model'/>" TAIL,
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, 5, "<cpu>" },
		{ HEAD "<memoryBacking/>" TAIL,
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, 5, "<memoryBacking>" },
		{ HEAD "<features>\n<hyperv/></features>" TAIL,
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, 6, "<hyperv>" },
		{ HEAD "<features>\n<apic eoi='on'/></features>" TAIL,
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, 6, "'eoi'" },
		{ HEAD "<clock offset='utc'>\n<timer name='pit'/></clock>" TAIL,
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, 6, "<timer>" },
		{ DEV("<hostdev mode='subsystem' type='pci'/>"),
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, 6, "<hostdev>" },
		{ DEV("<crypto model='virtio'/>"),
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, 6, "<crypto>" },
		{ DEV("<interface type='user'>\n<mtu size='9000'/>"
		    "</interface>"),
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, 7, "<mtu>" },
		{ DEV("<interface type='bridge'/>"),
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, 6, "user" },
		{ DEV("<disk type='network'/>"),
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, 6, "type='network'" },
		{ DEV("<disk type='file'><driver io='native'/>"
		    "<source file='/x'/><target dev='vda'/></disk>"),
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, 6, "'io'" },
		{ DEV("<graphics type='spice'/>"),
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, 6, "vnc" },
		{ DEV("<graphics type='vnc' websocket='5700'/>"),
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, 6, "'websocket'" },
		{ DEV("<audio id='1' type='alsa'/>"),
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, 6, "none" },
		{ DEV("<memballoon model='virtio' autodeflate='on'/>"),
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, 6, "'autodeflate'" },
		{ HEAD "<q:commandline xmlns:q='http://libvirt.org/schemas/"
		    "domain/qemu/1.0'><q:arg value='-S'/></q:commandline>"
		    TAIL, DOMAIN_ERR_CONFIG_UNSUPPORTED, 5,
		    "qemu:commandline" },
	};

	ALL_REFUSED(bad);
}

/* What nobody knows is dropped, unless asked to check. */
ATF_TC_WITHOUT_HEAD(unknown);
ATF_TC_BODY(unknown, tc)
{
	static const char *const all[] = {
		HEAD "<nonsense/>" TAIL,
		HEAD "<x:nonsense xmlns:x='urn:x'><x:y/></x:nonsense>" TAIL,
		HEAD "<clock offset='utc' nonsense='1'/>" TAIL,
		DEV("<nonsense><disk/></nonsense>"),
		DEV("<memballoon model='none'><nonsense/></memballoon>"),
	};
	struct domain	*d;
	size_t		 i;
	char		*out;

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		d = parse(all[i], 0);
		ATF_REQUIRE((out = domain_format(d, 0)) != NULL);
		ATF_CHECK(strstr(out, "nonsense") == NULL);
		free(out);
		domain_free(d);
		refused(all[i], strlen(all[i]), DOMAIN_PARSE_VALIDATE,
		    DOMAIN_ERR_XML_INVALID_SCHEMA, i < 3 ? 5 : 6, "unknown");
	}
	/* what stands in dumps of others without meaning anything to us */
	domain_free(parse(HEAD "<seclabel type='none' model='dac'/>" TAIL,
	    DOMAIN_PARSE_VALIDATE));
}

ATF_TC_WITHOUT_HEAD(bad_devices);
ATF_TC_BODY(bad_devices, tc)
{
#define DISK(t)	"<disk type='file'><source file='/x'/>" t "</disk>"
	static const struct bad bad[] = {
		/* disks */
		{ DEV("<disk type='file'/>"), DOMAIN_ERR_NO_TARGET, 6,
		    "<target> is missing" },
		{ DEV(DISK("<target/>")), DOMAIN_ERR_NO_TARGET, 6, "'dev'" },
		{ DEV(DISK("<target dev='xda'/>")), DOMAIN_ERR_XML, 6,
		    "hda" },
		{ DEV(DISK("<target dev='hd'/>")), DOMAIN_ERR_XML, 6, "hda" },
		{ DEV(DISK("<target dev='vdaaaa'/>")), DOMAIN_ERR_XML, 6,
		    "hda" },
		{ DEV(DISK("<target dev='vda1'/>")), DOMAIN_ERR_XML, 6,
		    "hda" },
		{ DEV(DISK("<target dev='sda'/>")),
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, 6, "bus='sata'" },
		{ DEV(DISK("<target dev='hde'/>")),
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, 6, "no place" },
		{ DEV(DISK("<target dev='sdzz' bus='sata'/>")),
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, 6, "no place" },
		{ DEV(DISK("<target dev='hda' bus='xen'/>")),
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, 6, "bus='xen'" },
		{ DEV(DISK("<target dev='fda' bus='fdc'/>")),
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, 6, "floppy" },
		{ DEV(DISK("<target dev='hda'/><readonly/>")),
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, 6, "readonly" },
		{ DEV("<disk type='file'><target dev='hda'/></disk>"),
		    DOMAIN_ERR_NO_SOURCE, 6, "<source file=>" },
		{ DEV("<disk type='file'><source file='x'/>"
		    "<target dev='hda'/></disk>"), DOMAIN_ERR_XML, 6,
		    "absolute" },
		{ DEV("<disk type='file'><source file='/a&#10;b'/>"
		    "<target dev='hda'/></disk>"), DOMAIN_ERR_XML, 6,
		    "control character" },
		{ DEV("<disk type='file' device='cdrom'>"
		    "<target dev='vda'/></disk>"),
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, 6, "ejectable" },
		{ DEV(DISK("<target dev='hda'/>") "\n"
		    DISK("<target dev='hda'/>")), DOMAIN_ERR_XML, 7,
		    "target 'hda' duplicated" },
		{ DEV(DISK("<target dev='hda'/>") "\n"
		    DISK("<target dev='vda' bus='ide'/>")), DOMAIN_ERR_XML, 7,
		    "already in use" },
		{ DEV(DISK("<target dev='hda' bus='virtio'/>") "\n"
		    DISK("<target dev='vda' bus='virtio'/>")), DOMAIN_ERR_XML,
		    7, "same place" },
		{ DEV(DISK("<target dev='vda'/><serial>a,b</serial>")),
		    DOMAIN_ERR_XML, 6, "letters, digits" },
		{ DEV(DISK("<target dev='vda'/>"
		    "<serial>123456789012345678901</serial>")),
		    DOMAIN_ERR_XML, 6, "longer than 20" },
		{ DEV(DISK("<driver name='tap'/><target dev='vda'/>")),
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, 6, "qemu" },
		{ DEV(DISK("<driver type='vmdk'/><target dev='vda'/>")),
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, 6, "raw, qcow2" },
		{ DEV(DISK("<driver type=''/><target dev='vda'/>")),
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, 6, "raw, qcow2" },
		{ DEV(DISK("<target dev='vda'/>\n<backingStore type='file'>"
		    "<format type='raw'/><source file='/y'/>"
		    "</backingStore>")),
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, 6, "format raw has no" },
		{ DEV(DISK("<driver type='qcow2'/><target dev='vda'/>\n"
		    "<backingStore type='file'><source file='/y'/>"
		    "</backingStore>")), DOMAIN_ERR_XML, 7,
		    "never guessed" },
		{ DEV(DISK("<target dev='vda'/>\n<boot order='0'/>")),
		    DOMAIN_ERR_XML, 7, "from 1" },
		{ DEV(DISK("<target dev='vda'/><boot order='1'/>") "\n"
		    DISK("<target dev='vdb'/><boot order='1'/>")),
		    DOMAIN_ERR_XML, 7, "boot order 1" },

		/* addresses */
		{ DEV(DISK("<target dev='vda'/>\n<address type='ccw'/>")),
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, 7, "pci, drive" },
		{ DEV(DISK("<target dev='vda'/>\n"
		    "<address type='pci' domain='1' slot='5'/>")),
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, 7, "domain" },
		{ DEV(DISK("<target dev='vda'/>\n"
		    "<address type='pci' slot='0x20'/>")),
		    DOMAIN_ERR_XML, 7, "0 to 31" },
		{ DEV(DISK("<target dev='vda'/>\n<address type='pci' "
		    "slot='99999999999999999999'/>")),
		    DOMAIN_ERR_XML, 7, "0 to 31" },
		{ DEV(DISK("<target dev='vda'/>\n"
		    "<address type='pci' slot=' 5'/>")),
		    DOMAIN_ERR_XML, 7, "0 to 31" },
		{ DEV(DISK("<target dev='vda'/>\n"
		    "<address type='pci' slot='-1'/>")),
		    DOMAIN_ERR_XML, 7, "0 to 31" },
		{ DEV(DISK("<target dev='vda'/>"
		    "<address type='drive' unit='1'/>")),
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, 6, "virtio" },
		{ DEV(DISK("<target dev='hda'/>"
		    "<address type='drive' bus='2'/>")),
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, 6, "no place" },
		{ DEV(DISK("<target dev='vda'/><address type='pci' slot='5'/>")
		    "\n<interface type='user'>"
		    "<address type='pci' slot='0x5'/></interface>"),
		    DOMAIN_ERR_XML, 7, "0000:00:05.0 is already in use" },
		{ DEV(DISK("<target dev='vda'/>"
		    "<address type='pci' slot='1'/>")),
		    DOMAIN_ERR_XML, 0, "belongs to the machine" },
		{ DEV("<controller type='ide'>"
		    "<address type='pci' slot='7'/></controller>"),
		    DOMAIN_ERR_XML, 6, "0000:00:01.1" },
		{ DEV("<controller type='pci' index='1' "
		    "model='pcie-root-port'/>"),
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, 6, "Express" },
		{ DEV("<controller type='pci' model='pcie-root'/>"),
		    DOMAIN_ERR_XML, 6, "pci-root" },
		{ DEV("<controller type='pci' index='1'/>"),
		    DOMAIN_ERR_XML, 6, "'model' is missing" },
		{ DEV("<controller type='usb'/>\n<controller type='usb'/>"),
		    DOMAIN_ERR_XML, 7, "two of type='usb'" },
		{ DEV("<controller type='scsi'/>"),
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, 6, "scsi" },

		/* the others */
		{ DEV("<interface/>"), DOMAIN_ERR_XML, 6, "'type'" },
		{ DEV("<interface type='user'>\n<mac address='1:2:3:4:5'/>"
		    "</interface>"), DOMAIN_ERR_XML, 7, "parse mac" },
		{ DEV("<interface type='user'>\n<mac address='52:54:00:1:2:3g'"
		    "/></interface>"), DOMAIN_ERR_XML, 7, "parse mac" },
		{ DEV("<interface type='user'>\n<mac address='52:54:000:1:2:3'"
		    "/></interface>"), DOMAIN_ERR_XML, 7, "parse mac" },
		{ DEV("<interface type='user'>\n<mac address='53:54:00:1:2:3'"
		    "/></interface>"), DOMAIN_ERR_XML, 7, "multicast" },
		{ DEV("<interface type='user'>\n<model type='virtio,x=y'/>"
		    "</interface>"), DOMAIN_ERR_CONFIG_UNSUPPORTED, 7,
		    "rtl8139" },
		{ DEV("<graphics type='vnc' port='80'/>"), DOMAIN_ERR_XML, 6,
		    "[5900,65535]" },
		{ DEV("<graphics type='vnc' port='65536'/>"), DOMAIN_ERR_XML,
		    6, "65535" },
		{ DEV("<graphics type='vnc' passwd=''/>"),
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, 6, "empty" },
		{ DEV("<graphics type='vnc' passwd='123456789'/>"),
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, 6, "only 8 permitted" },
		{ DEV("<graphics type='vnc' keymap='../x'/>"),
		    DOMAIN_ERR_XML, 6, "en-us" },
		{ DEV("<graphics type='vnc' listen='example.org'/>"),
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, 6, "numeric" },
		{ DEV("<graphics type='vnc' listen='::1'>\n"
		    "<listen type='address' address='::2'/></graphics>"),
		    DOMAIN_ERR_XML, 7, "must match" },
		{ DEV("<graphics type='vnc'/>\n<graphics type='vnc'/>"),
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, 7, "at most 1" },
		{ DEV("<video><model type='vmvga'/></video>"),
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, 6, "cirrus" },
		{ DEV("<video><model type='vga' vram='5'/></video>"),
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, 6, "1 MiB" },
		{ DEV("<video/>\n<video><model type='vga'/></video>"),
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, 7, "only valid as primary" },
		{ DEV("<serial type='pty'><target port='0'/></serial>\n"
		    "<serial type='pty'><target port='0'/></serial>"),
		    DOMAIN_ERR_XML, 7, "port 0" },
		{ DEV("<serial type='pty'><target port='4'/></serial>"),
		    DOMAIN_ERR_XML, 6, "0 to 3" },
		{ DEV("<serial type='tcp'/>"), DOMAIN_ERR_CONFIG_UNSUPPORTED,
		    6, "pty" },
		{ DEV("<console type='pty'/>\n<console type='pty'/>"),
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, 7, "at most 1" },
		{ DEV("<input type='tablet' bus='ps2'/>"),
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, 6, "usb" },
		{ DEV("<controller type='usb' model='none'/>\n"
		    "<input type='tablet'/>"),
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, 7, "no USB port" },
		{ DEV("<input type='tablet'><address type='usb' bus='0' "
		    "port='3'/></input>"),
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, 6, "port 3" },
		{ DEV("<memballoon/>"), DOMAIN_ERR_XML, 6, "'model'" },
		{ DEV("<memballoon model='none'/>\n"
		    "<memballoon model='none'/>"),
		    DOMAIN_ERR_CONFIG_UNSUPPORTED, 7, "at most 1" },
		{ DEV("<interface type='user'><alias name='ua-a,b'/>"
		    "</interface>"), DOMAIN_ERR_XML, 6, "alias" },
		{ DEV("<interface type='user'><alias name='ua-a'/>"
		    "</interface>\n<interface type='user'>"
		    "<alias name='ua-a'/></interface>"), DOMAIN_ERR_XML, 7,
		    "alias 'ua-a'" },
	};
	static const char	 mixed[] = "<domain type='qemu'>\n<name>a"
	    "</name><memory>1024</memory><os><type>hvm</type>"
	    "<boot dev='hd'/></os><devices>\n"
	    DISK("<target dev='hda'/><boot order='1'/>") "</devices></domain>";

	ALL_REFUSED(bad);
	refused(mixed, strlen(mixed), 0, DOMAIN_ERR_CONFIG_UNSUPPORTED, 3,
	    "cannot be used together");
}

/* What q35 and microvm cannot have. */
ATF_TC_WITHOUT_HEAD(bad_for_machine);
ATF_TC_BODY(bad_for_machine, tc)
{
	static const struct {
		const char	*machine, *device, *words;
		int		 code;
	} all[] = {
		{ "q35", DISK("<target dev='hda'/>"), "use bus 'sata'",
		    DOMAIN_ERR_CONFIG_UNSUPPORTED },
		{ "q35", "<controller type='ide'/>", "IDE",
		    DOMAIN_ERR_CONFIG_UNSUPPORTED },
		{ "q35", "<controller type='pci' model='pci-root'/>",
		    "pcie-root", DOMAIN_ERR_XML },
		{ "q35", "<controller type='sata'><address type='pci' "
		    "slot='5'/></controller>", "1f.2", DOMAIN_ERR_XML },
		{ "microvm", DISK("<target dev='sda' bus='sata'/>"),
		    "virtio", DOMAIN_ERR_CONFIG_UNSUPPORTED },
		{ "microvm", "<video/>", "display",
		    DOMAIN_ERR_CONFIG_UNSUPPORTED },
		{ "microvm", "<interface type='user'><model type='e1000'/>"
		    "</interface>", "virtio", DOMAIN_ERR_CONFIG_UNSUPPORTED },
		{ "microvm", "<interface type='user'><address type='pci' "
		    "slot='5'/></interface>", "address",
		    DOMAIN_ERR_CONFIG_UNSUPPORTED },
		{ "microvm", "<controller type='usb'/>", "controllers",
		    DOMAIN_ERR_CONFIG_UNSUPPORTED },
		{ "microvm", "<input type='tablet'/>", "input",
		    DOMAIN_ERR_CONFIG_UNSUPPORTED },
		{ "pc", "<memballoon model='virtio'>"
		    "<address type='virtio-mmio'/></memballoon>", "address",
		    DOMAIN_ERR_CONFIG_UNSUPPORTED },
	};
	char		 xml[800];
	struct domain	*d;
	size_t		 i;
	int		 n;

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		snprintf(xml, sizeof(xml), "<domain type='qemu'><name>a"
		    "</name><memory>1024</memory><os><type machine='%s'>hvm"
		    "</type></os><devices>\n%s</devices></domain>",
		    all[i].machine, all[i].device);
		refused(xml, strlen(xml), 0, all[i].code, 2, all[i].words);
	}
	/* processors: 255, and 288 where the kernel helps */
	for (n = 254; n < 290; n++) {
		snprintf(xml, sizeof(xml), "<domain type='kvm'><name>a</name>"
		    "<memory>1024</memory><vcpu>%d</vcpu><os>"
		    "<type machine='q35'>hvm</type></os></domain>", n);
		if (n > 288)
			refused(xml, strlen(xml), 0,
			    DOMAIN_ERR_CONFIG_UNSUPPORTED, 0, "288");
		else {
			d = parse(xml, 0);
			ATF_CHECK_EQ(d->vcpus, (unsigned int)n);
			domain_free(d);
		}
	}
}

/* --- hostile -------------------------------------------------------------- */

static char *
repeat(const char *head, const char *piece, size_t n, const char *tail)
{
	size_t	 len = strlen(piece), i;
	char	*s, *p;

	ATF_REQUIRE((s = malloc(strlen(head) + len * n + strlen(tail) + 1)) !=
	    NULL);
	p = stpcpy(s, head);
	for (i = 0; i < n; i++)
		p = stpcpy(p, piece);
	stpcpy(p, tail);
	return (s);
}

ATF_TC_WITHOUT_HEAD(hostile);
ATF_TC_BODY(hostile, tc)
{
	static const char	 bomb[] =
	    "<!DOCTYPE domain [<!ENTITY a 'aaaaaaaaaa'>"
	    "<!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;'>"
	    "<!ENTITY c '&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;'>]>\n"
	    "<domain type='qemu'><name>&c;</name></domain>";
	static const char	 external[] =
	    "<?xml version='1.0'?>\n<!DOCTYPE domain SYSTEM "
	    "'file:///etc/passwd'>\n<domain type='qemu'/>";
	static const char	 xxe[] = "<!DOCTYPE d [<!ENTITY x SYSTEM "
	    "'file:///etc/passwd'>]><domain><name>&x;</name></domain>";
	char	*s;

	refused(bomb, strlen(bomb), 0, DOMAIN_ERR_XML, 1, "DOCTYPE");
	refused(external, strlen(external), 0, DOMAIN_ERR_XML, 2, "DOCTYPE");
	refused(xxe, strlen(xxe), 0, DOMAIN_ERR_XML, 1, "DOCTYPE");

	/* 5 MiB */
	s = repeat(HEAD "<description>", "0123456789abcdef", 5 << 16,
	    "</description>" TAIL);
	refused(s, strlen(s), 0, DOMAIN_ERR_XML, 0, "bytes");
	free(s);

	/* nested */
	s = repeat("<domain type='qemu'>\n", "<a>", 10000, "");
	refused(s, strlen(s), 0, DOMAIN_ERR_XML, 2, "nested too deeply");
	free(s);
	s = repeat(HEAD "<metadata>", "<a xmlns='urn:x'>", 63, "");
	refused(s, strlen(s), 0, DOMAIN_ERR_XML, 5, "nested too deeply");
	free(s);

	/* many */
	s = repeat(HEAD "<devices>\n", "<interface type='user'/>\n", 100000,
	    "</devices>" TAIL);
	refused(s, strlen(s), 0, DOMAIN_ERR_CONFIG_UNSUPPORTED, 2054,
	    "at most 1024");
	free(s);
	s = repeat(HEAD "<devices>\n", "<interface type='user'/>\n", 1025,
	    "</devices>" TAIL);
	refused(s, strlen(s), 0, DOMAIN_ERR_CONFIG_UNSUPPORTED, 1030,
	    "at most 1024");
	free(s);
	s = repeat(HEAD "<devices>\n", "<interface type='user'/>\n", 1024,
	    "</devices>" TAIL);
	refused(s, strlen(s), 0, DOMAIN_ERR_CONFIG_UNSUPPORTED, 0,
	    "too many devices");
	free(s);
	s = repeat(HEAD "<metadata><a xmlns='urn:x'>", "<b/>", 1000000,
	    "</a></metadata>" TAIL);
	refused(s, strlen(s), 0, DOMAIN_ERR_XML, 5, "more than 65536");
	free(s);
	s = repeat(HEAD "<metadata>", "<!---->", 500000, "</metadata>" TAIL);
	refused(s, strlen(s), 0, DOMAIN_ERR_XML, 5, "more than 65536");
	free(s);
	s = repeat(HEAD "<metadata>", "<?a?>", 500000, "</metadata>" TAIL);
	refused(s, strlen(s), 0, DOMAIN_ERR_XML, 5, "more than 65536");
	free(s);
	s = repeat(HEAD "<disk", " a=''", 800000, "/>" TAIL);
	refused(s, strlen(s), 0, DOMAIN_ERR_XML, 0, "attributes");
	free(s);

	/* long */
	s = repeat("<domain type='qemu'>\n<name>", "x", 256,
	    "</name></domain>");
	refused(s, strlen(s), 0, DOMAIN_ERR_XML, 2, "255 bytes");
	free(s);
	s = repeat("<domain type='qemu'>\n<name>", "\xc3\xbc", 200000,
	    "/</name></domain>");
	refused(s, strlen(s), 0, DOMAIN_ERR_XML, 2, "255 bytes");
	free(s);
	s = repeat(HEAD "<os><type>hvm</type><kernel>/", "x", 5000,
	    "</kernel></os>" TAIL);
	refused(s, strlen(s), 0, DOMAIN_ERR_XML, 5, "second <os>");
	free(s);
	s = repeat(HEAD "<", "x", 1000000, "");
	refused(s, strlen(s), 0, DOMAIN_ERR_XML_DETAIL, 5, "line 5");
	free(s);
	s = repeat("<domain type='", "\xe2\x82\xac", 1000, "'/>");
	refused(s, strlen(s), 0, DOMAIN_ERR_CONFIG_UNSUPPORTED, 1,
	    "not supported");
	free(s);
}

/* Chains of images have an end. */
ATF_TC_WITHOUT_HEAD(long_chain);
ATF_TC_BODY(long_chain, tc)
{
	struct disk_layer	*l;
	struct domain		*d;
	char			*open, *s, *out;
	int			 n, layers;

	for (n = DOMAIN_MAX_LAYERS - 1; n <= DOMAIN_MAX_LAYERS; n++) {
		open = repeat(HEAD "<devices><disk type='file'>"
		    "<driver type='qcow2'/><source file='/x'/>",
		    "<backingStore type='file'><format type='qcow2'/>"
		    "<source file='/y'/>", n, "");
		s = repeat(open, "</backingStore>", n,
		    "<target dev='vda'/></disk></devices>" TAIL);
		free(open);
		if (n == DOMAIN_MAX_LAYERS) {
			refused(s, strlen(s), 0,
			    DOMAIN_ERR_CONFIG_UNSUPPORTED, 5, "at most 32");
			free(s);
			break;
		}
		d = define(s);
		layers = 0;
		TAILQ_FOREACH(l, &domain_find_disk(d, "vda")->layers, entry)
			layers++;
		ATF_CHECK_EQ(layers, DOMAIN_MAX_LAYERS);
		ATF_REQUIRE((out = domain_format(d, 0)) != NULL);
		free(out);
		domain_free(d);
		free(s);
	}
}

/* Cut anywhere, and with any byte changed, nothing but an answer comes. */
ATF_TC_WITHOUT_HEAD(mutations);
ATF_TC_BODY(mutations, tc)
{
	static const char	 bytes[] = "<>&'\"/=\0\xff 0x-";
	struct domain_error	 err;
	struct domain		*d;
	char			*xml, *s;
	size_t			 i, j, len;

	xml = slurp("pc-all", ".xml");
	len = strlen(xml);
	ATF_REQUIRE((s = malloc(len)) != NULL);
	for (i = 0; i < len - 1; i++) {
		/* a block of just that size */
		s = realloc(s, i + 1);
		memcpy(s, xml, i);
		ATF_CHECK(domain_parse(s, i, 0, &d, &err) == -1);
		ATF_CHECK(err.code != 0 && err.text[0] != '\0');
	}
	s = realloc(s, len);
	for (i = 0; i < len; i += 3)
		for (j = 0; j < sizeof(bytes) - 1; j++) {
			memcpy(s, xml, len);
			s[i] = bytes[j];
			if (domain_parse(s, len, 0, &d, &err) == -1)
				continue;
			domain_assign(d, &err);
			domain_free(d);
		}
	free(s);
	free(xml);
}

/* --- small things --------------------------------------------------------- */

ATF_TC_WITHOUT_HEAD(uuid);
ATF_TC_BODY(uuid, tc)
{
	static const char	 text[] =
	    "9d3c1f0e-5a6b-4c7d-8e9f-0a1b2c3d4e5f";
	char			 out[37];
	uint8_t			 u[16];

	ATF_CHECK_EQ(domain_uuid_parse(text, u), 0);
	domain_uuid_format(u, out);
	ATF_CHECK_STREQ(out, text);
	ATF_CHECK_EQ(domain_uuid_parse("9D3C1F0E5A6B4C7D8E9F0A1B2C3D4E5F", u),
	    0);
	domain_uuid_format(u, out);
	ATF_CHECK_STREQ(out, text);
	ATF_CHECK_EQ(domain_uuid_parse("", u), -1);
	ATF_CHECK_EQ(domain_uuid_parse("9d3c1f0e", u), -1);
	ATF_CHECK_EQ(domain_uuid_parse(
	    "-9d3c1f0e5a6b4c7d8e9f0a1b2c3d4e5f", u), -1);
	ATF_CHECK_EQ(domain_uuid_parse(
	    "9d3c1f0e--5a6b4c7d8e9f0a1b2c3d4e5f", u), -1);
	ATF_CHECK_EQ(domain_uuid_parse(
	    "9d3c1f0e5a6b4c7d8e9f0a1b2c3d4e5f-", u), -1);
}

ATF_TC_WITHOUT_HEAD(devices);
ATF_TC_BODY(devices, tc)
{
	struct domain	*d;
	struct net	*n;
	int		 i;

	ATF_REQUIRE((d = domain_new()) != NULL);
	for (i = 0; i < DOMAIN_MAX_DEVICES; i++)
		ATF_REQUIRE(device_add(d, DEVICE_NET) != NULL);
	ATF_CHECK_ERRNO(ENOSPC, device_add(d, DEVICE_DISK) == NULL);
	n = DEVICE_FIRST(d, DEVICE_NET);
	device_remove(d, &n->dev);
	ATF_CHECK(device_add(d, DEVICE_DISK) != NULL);
	domain_free(d);
	domain_free(NULL);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, golden);
	ATF_TP_ADD_TC(tp, fixed_point);
	ATF_TP_ADD_TC(tp, valid_by_schema);
	ATF_TP_ADD_TC(tp, spaces);
	ATF_TP_ADD_TC(tp, units);
	ATF_TP_ADD_TC(tp, made_up);
	ATF_TP_ADD_TC(tp, old_forms);
	ATF_TP_ADD_TC(tp, live);
	ATF_TP_ADD_TC(tp, autoport);
	ATF_TP_ADD_TC(tp, secrets);
	ATF_TP_ADD_TC(tp, not_xml);
	ATF_TP_ADD_TC(tp, bad_general);
	ATF_TP_ADD_TC(tp, unsupported);
	ATF_TP_ADD_TC(tp, unknown);
	ATF_TP_ADD_TC(tp, bad_devices);
	ATF_TP_ADD_TC(tp, bad_for_machine);
	ATF_TP_ADD_TC(tp, hostile);
	ATF_TP_ADD_TC(tp, long_chain);
	ATF_TP_ADD_TC(tp, mutations);
	ATF_TP_ADD_TC(tp, uuid);
	ATF_TP_ADD_TC(tp, devices);
	return (atf_no_error());
}
