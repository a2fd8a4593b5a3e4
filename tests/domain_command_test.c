/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * Domains to QEMU's arguments.  tests/data/domain/NAME.args is what NAME.xml
 * comes to, with an option on each line, NAME.qmp what follows by QMP.
 * tests/helpers/domain_print makes both.
 */

#include <atf-c.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domain/domain.h"

static char	*slurp(const char *, const char *);
static struct domain *define(const char *);
static struct domain *device(const char *);
static void	 command(const struct domain *, struct domain_argv *);
static char	*lines(const struct domain_argv *, int);
static const char *option(const struct domain_argv *, const char *,
		    const char *);

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

static struct domain *
define(const char *xml)
{
	struct domain_error	 err;
	struct domain		*d;

	ATF_REQUIRE_MSG(domain_parse(xml, strlen(xml), 0, &d, &err) == 0,
	    "%s", err.text);
	ATF_REQUIRE_MSG(domain_assign(d, &err) == 0, "%s", err.text);
	ATF_REQUIRE_MSG(domain_assign_live(d, &err) == 0, "%s", err.text);
	return (d);
}

/* A domain with these devices, or other elements behind them. */
static struct domain *
device(const char *xml)
{
	char	 text[4096];

	ATF_REQUIRE((size_t)snprintf(text, sizeof(text), "<domain type='qemu'>"
	    "<name>a</name><memory>65536</memory><os><type>hvm</type></os>"
	    "<devices>%s</devices></domain>", xml) < sizeof(text));
	return (define(text));
}

/* Its arguments, with placeholders for descriptors. */
static void
command(const struct domain *d, struct domain_argv *argv)
{
	struct domain_error	 err;
	struct domain_fds	 fds;

	ATF_REQUIRE(domain_fds_plan(d, &fds) == 0);
	ATF_REQUIRE_MSG(domain_command(d, &fds, DOMAIN_COMMAND_PRINT, argv,
	    &err) == 0, "%s", err.text);
	ATF_CHECK(argv->v[argv->n] == NULL);
	domain_fds_clear(&fds);
}

static char *
lines(const struct domain_argv *argv, int each)
{
	char	*text = NULL;
	size_t	 len, i;
	FILE	*f;

	ATF_REQUIRE((f = open_memstream(&text, &len)) != NULL);
	for (i = 0; i < argv->n; i++)
		fprintf(f, "%s%s", i == 0 ? "" : each ||
		    argv->v[i][0] == '-' ? "\n" : " ", argv->v[i]);
	if (argv->n > 0)
		putc('\n', f);
	fclose(f);
	return (text);
}

/* The value of the first such option that contains words, or NULL. */
static const char *
option(const struct domain_argv *argv, const char *name, const char *words)
{
	size_t	 i;

	for (i = 0; i + 1 < argv->n; i++)
		if (strcmp(argv->v[i], name) == 0 &&
		    strstr(argv->v[i + 1], words) != NULL)
			return (argv->v[i + 1]);
	return (NULL);
}

ATF_TC_WITHOUT_HEAD(golden);
ATF_TC_BODY(golden, tc)
{
	struct domain_argv	 argv;
	struct domain		*d;
	struct dirent		*e;
	const char		*dir = getenv("SRCDIR");
	char			 path[PATH_MAX], *dot, *xml, *want, *got;
	DIR			*dp;
	int			 n = 0;

	snprintf(path, sizeof(path), "%s/tests/data/domain",
	    dir == NULL ? "." : dir);
	ATF_REQUIRE((dp = opendir(path)) != NULL);
	while ((e = readdir(dp)) != NULL) {
		if ((dot = strrchr(e->d_name, '.')) == NULL ||
		    strcmp(dot, ".xml") != 0)
			continue;
		*dot = '\0';
		xml = slurp(e->d_name, ".xml");
		d = define(xml);
		free(xml);

		command(d, &argv);
		got = lines(&argv, 0);
		want = slurp(e->d_name, ".args");
		ATF_CHECK_MSG(strcmp(got, want) == 0, "%s: is now\n%s",
		    e->d_name, got);
		free(got);
		free(want);
		domain_argv_clear(&argv);

		ATF_REQUIRE(domain_setup(d, &argv) == 0);
		got = lines(&argv, 1);
		want = slurp(e->d_name, ".qmp");
		ATF_CHECK_MSG(strcmp(got == NULL ? "" : got, want) == 0,
		    "%s: is now\n%s", e->d_name, got);
		free(got);
		free(want);
		domain_argv_clear(&argv);
		domain_free(d);
		n++;
	}
	closedir(dp);
	ATF_CHECK(n >= 10);
}

/* Descriptors are asked for by key, and stand where they belong. */
ATF_TC_WITHOUT_HEAD(descriptors);
ATF_TC_BODY(descriptors, tc)
{
	static const struct {
		const char		*key, *path;
		enum domain_fd_mode	 mode;
		int			 shareable;
	} want[] = {
		{ "monitor", NULL, DOMAIN_FD_LISTEN, 0 },
		{ "disk/fda/0", "/srv/a floppy, old.img", DOMAIN_FD_RW, 0 },
		{ "disk/vda/0", "/srv/shared.raw", DOMAIN_FD_RW, 1 },
		{ "disk/vdb/0", "/srv/top.qcow2", DOMAIN_FD_RW, 0 },
		{ "disk/vdb/1", "/srv/mid.qcow2", DOMAIN_FD_RO, 1 },
		{ "disk/vdb/2", "/srv/base.raw", DOMAIN_FD_RO, 1 },
		{ "disk/vdc/0", "/srv/readonly.raw", DOMAIN_FD_RO, 1 },
		{ "disk/hda/0", "/srv/hda.raw", DOMAIN_FD_RW, 0 },
		{ "disk/sdb/0", "/srv/sata.raw", DOMAIN_FD_RW, 0 },
		{ "serial/0", NULL, DOMAIN_FD_LISTEN, 0 },
		{ "serial/2", NULL, DOMAIN_FD_LISTEN, 0 },
	};
	struct domain_argv	 argv;
	struct domain_error	 err;
	struct domain_fds	 fds;
	struct domain		*d;
	char			*xml, text[64];
	size_t			 i, j;

	xml = slurp("pc-all", ".xml");
	d = define(xml);
	free(xml);
	ATF_REQUIRE(domain_fds_plan(d, &fds) == 0);
	ATF_REQUIRE_EQ(fds.n, sizeof(want) / sizeof(want[0]));
	for (i = 0; i < fds.n; i++) {
		ATF_CHECK_STREQ(fds.v[i].key, want[i].key);
		ATF_CHECK_EQ(fds.v[i].mode, want[i].mode);
		ATF_CHECK_EQ(fds.v[i].fd, -1);
		ATF_CHECK_EQ(fds.v[i].shareable, want[i].shareable);
		if (want[i].path == NULL) {
			ATF_CHECK(fds.v[i].path == NULL);
			ATF_CHECK_EQ(fds.v[i].set, -1);
			continue;
		}
		ATF_CHECK_STREQ(fds.v[i].path, want[i].path);
		ATF_CHECK_EQ(fds.v[i].may_be, DOMAIN_FD_REGULAR);
		for (j = 0; j < i; j++)
			ATF_CHECK(fds.v[j].set != fds.v[i].set);
	}
	ATF_CHECK(domain_fds_find(&fds, "kernel") == NULL);

	/* all of them, or nothing */
	for (i = 0; i < fds.n; i++)
		fds.v[i].fd = 100 + (int)i;
	fds.v[4].fd = -1;
	ATF_CHECK(domain_command(d, &fds, 0, &argv, &err) == -1);
	ATF_CHECK_EQ(err.code, DOMAIN_ERR_OPERATION_FAILED);
	ATF_CHECK(strstr(err.text, "disk/vdb/1") != NULL);
	ATF_CHECK(argv.v == NULL && argv.n == 0);
	fds.v[4].fd = 104;
	ATF_REQUIRE(domain_command(d, &fds, 0, &argv, &err) == 0);
	ATF_CHECK(option(&argv, "-chardev", "id=monitor,fd=100,") != NULL);
	ATF_CHECK(option(&argv, "-chardev", "id=charserial1,fd=110,") !=
	    NULL);
	for (i = 1; i <= 8; i++) {
		snprintf(text, sizeof(text), "fd=%zu,set=%d", 100 + i,
		    fds.v[i].set);
		ATF_CHECK_MSG(option(&argv, "-add-fd", text) != NULL, "%s",
		    text);
		snprintf(text, sizeof(text), "\"/dev/fdset/%d\"",
		    fds.v[i].set);
		ATF_CHECK_MSG(option(&argv, "-blockdev", text) != NULL, "%s",
		    text);
	}
	/* paths of the host are no business of QEMU's */
	for (i = 0; i < argv.n; i++)
		ATF_CHECK(strstr(argv.v[i], "/srv") == NULL);
	domain_argv_clear(&argv);
	domain_fds_clear(&fds);
	domain_free(d);
}

/* Nothing that a client says becomes an option of its own. */
ATF_TC_WITHOUT_HEAD(quoting);
ATF_TC_BODY(quoting, tc)
{
	struct domain_argv	 argv;
	struct domain		*d;
	char			*xml;
	const char		*s;
	size_t			 i, n = 0;

	xml = slurp("quoting", ".xml");
	d = define(xml);
	free(xml);
	command(d, &argv);
	ATF_CHECK_STREQ(argv.v[0], "/opt/a b/qemu,system");
	ATF_CHECK(option(&argv, "-name",
	    "guest=x,,file=etc -S \"q\" {'a':1},debug-threads=on") != NULL);
	ATF_REQUIRE((s = option(&argv, "-append", "")) != NULL);
	ATF_CHECK_STREQ(s, "-S,a=b \"c d\" 'e' <>& ,, ");
	for (i = 0; i < argv.n; i++)
		if (strcmp(argv.v[i], "-S") == 0)
			n++;
	ATF_CHECK_EQ(n, 1);
	domain_argv_clear(&argv);
	domain_free(d);
}

/* An argument list can be read by everybody. */
ATF_TC_WITHOUT_HEAD(secrets);
ATF_TC_BODY(secrets, tc)
{
	struct domain_argv	 argv;
	struct domain		*d;
	size_t			 i;

	d = device("<graphics type='vnc' passwd='CANARY'/>");
	command(d, &argv);
	for (i = 0; i < argv.n; i++)
		ATF_CHECK(strstr(argv.v[i], "CANARY") == NULL);
	ATF_CHECK(option(&argv, "-vnc", "none,password=on") != NULL);
	domain_argv_clear(&argv);
	ATF_REQUIRE(domain_setup(d, &argv) == 0);
	ATF_REQUIRE_EQ(argv.n, 1);
	ATF_CHECK_STREQ(argv.v[0], "{\"execute\":\"set_password\","
	    "\"arguments\":{\"protocol\":\"vnc\",\"password\":\"CANARY\"}}");
	domain_argv_clear(&argv);
	domain_free(d);

	d = device("<graphics type='vnc'/>");
	command(d, &argv);
	ATF_CHECK_STREQ(option(&argv, "-vnc", ""), "none");
	domain_argv_clear(&argv);
	ATF_REQUIRE(domain_setup(d, &argv) == 0);
	ATF_CHECK_EQ(argv.n, 0);
	domain_argv_clear(&argv);
	domain_free(d);
}

/* The format of an image is what the definition says, never what it looks
 * like; and so is what is behind it. */
ATF_TC_WITHOUT_HEAD(formats);
ATF_TC_BODY(formats, tc)
{
	struct domain_argv	 argv;
	struct domain		*d;
	const char		*s;

	d = device("<disk type='file'><source file='/a.qcow2'/>"
	    "<target dev='vda'/></disk>"
	    "<disk type='file'><driver name='qemu' type='qcow2'/>"
	    "<source file='/b'/><target dev='vdb'/></disk>");
	command(d, &argv);
	ATF_REQUIRE((s = option(&argv, "-blockdev",
	    "\"node-name\":\"disk-vda-0\"")) != NULL);
	ATF_CHECK(strstr(s, "\"driver\":\"raw\"") != NULL);
	ATF_REQUIRE((s = option(&argv, "-blockdev",
	    "\"node-name\":\"disk-vdb-0\"")) != NULL);
	ATF_CHECK(strstr(s, "\"driver\":\"qcow2\"") != NULL);
	ATF_CHECK(strstr(s, "\"backing\":null") != NULL);
	domain_argv_clear(&argv);
	domain_free(d);
}

ATF_TC_WITHOUT_HEAD(boot_order);
ATF_TC_BODY(boot_order, tc)
{
	static const char	 xml[] = "<domain type='qemu'><name>a</name>"
	    "<memory>1024</memory><os><type>hvm</type><boot dev='network'/>"
	    "<boot dev='hd'/></os><devices>"
	    "<disk type='file'><source file='/a'/><target dev='hda'/></disk>"
	    "<disk type='file'><source file='/b'/><target dev='hdb'/></disk>"
	    "<disk type='file' device='cdrom'><target dev='hdc'/></disk>"
	    "<interface type='user'/><interface type='user'/>"
	    "</devices></domain>";
	struct domain_argv	 argv;
	struct domain		*d;

	d = define(xml);
	command(d, &argv);
	ATF_CHECK(strstr(option(&argv, "-device", "id=ide0-0-0"),
	    "bootindex=2") != NULL);
	ATF_CHECK(strstr(option(&argv, "-device", "id=ide0-0-1"),
	    "bootindex") == NULL);
	ATF_CHECK(strstr(option(&argv, "-device", "id=ide0-1-0"),
	    "bootindex") == NULL);
	/* the one that boots has a ROM, the other needs none */
	ATF_CHECK(strstr(option(&argv, "-device", "id=net0"),
	    "bootindex=1") != NULL);
	ATF_CHECK(strstr(option(&argv, "-device", "id=net0"), "romfile") ==
	    NULL);
	ATF_CHECK(strstr(option(&argv, "-device", "id=net1"),
	    "bootindex") == NULL);
	ATF_CHECK(strstr(option(&argv, "-device", "id=net1"),
	    "romfile=") != NULL);
	domain_argv_clear(&argv);
	domain_free(d);
}

/* What happens when the guest ends. */
ATF_TC_WITHOUT_HEAD(actions);
ATF_TC_BODY(actions, tc)
{
	static const struct {
		const char	*event, *action, *reboot, *shutdown, *panic;
	} all[] = {
		{ "on_poweroff", "destroy", NULL, NULL, NULL },
		{ "on_poweroff", "restart", NULL, "shutdown=pause", NULL },
		{ "on_poweroff", "preserve", NULL, "shutdown=pause", NULL },
		{ "on_poweroff", "rename-restart", NULL, "shutdown=pause",
		    NULL },
		{ "on_reboot", "restart", NULL, NULL, NULL },
		{ "on_reboot", "rename-restart", NULL, NULL, NULL },
		{ "on_reboot", "destroy", "reboot=shutdown", NULL, NULL },
		{ "on_reboot", "preserve", "reboot=shutdown",
		    "shutdown=pause", NULL },
		{ "on_crash", "destroy", NULL, NULL, NULL },
		{ "on_crash", "restart", NULL, NULL, "panic=pause" },
		{ "on_crash", "preserve", NULL, NULL, "panic=pause" },
		{ "on_crash", "rename-restart", NULL, NULL, "panic=pause" },
		{ "on_crash", "coredump-destroy", NULL, NULL, "panic=pause" },
		{ "on_crash", "coredump-restart", NULL, NULL, "panic=pause" },
	};
	struct domain_argv	 argv;
	struct domain		*d;
	char			 xml[400], *out;
	size_t			 i;

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		snprintf(xml, sizeof(xml), "<domain type='qemu'><name>a"
		    "</name><memory>1024</memory><os><type>hvm</type></os>"
		    "<%s>%s</%s></domain>", all[i].event, all[i].action,
		    all[i].event);
		d = define(xml);
		command(d, &argv);
#define SAME(word, want)						\
		ATF_CHECK_EQ_MSG(option(&argv, "-action", word) != NULL, \
		    (want) != NULL, "%s %s: " word, all[i].event,	\
		    all[i].action)
		SAME("reboot=shutdown", all[i].reboot);
		SAME("shutdown=pause", all[i].shutdown);
		SAME("panic=pause", all[i].panic);
		domain_argv_clear(&argv);
		snprintf(xml, sizeof(xml), "<%s>%s<", all[i].event,
		    all[i].action);
		ATF_REQUIRE((out = domain_format(d, 0)) != NULL);
		ATF_CHECK(strstr(out, xml) != NULL);
		free(out);
		domain_free(d);
	}
}

ATF_TC_WITHOUT_HEAD(caches);
ATF_TC_BODY(caches, tc)
{
	static const struct {
		const char	*cache, *node, *device;
	} all[] = {
		{ "none", "{\"direct\":true,\"no-flush\":false}", "on" },
		{ "writeback", "{\"direct\":false,\"no-flush\":false}", "on" },
		{ "writethrough", "{\"direct\":false,\"no-flush\":false}",
		    "off" },
		{ "directsync", "{\"direct\":true,\"no-flush\":false}",
		    "off" },
		{ "unsafe", "{\"direct\":false,\"no-flush\":true}", "on" },
	};
	struct domain_argv	 argv;
	struct domain		*d;
	char			 xml[400];
	const char		*s;
	size_t			 i;

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		snprintf(xml, sizeof(xml), "<disk type='file'><driver "
		    "name='qemu' cache='%s'/><source file='/a'/>"
		    "<target dev='vda'/></disk>", all[i].cache);
		d = device(xml);
		command(d, &argv);
		s = option(&argv, "-blockdev", "\"disk-vda-0\"");
		ATF_CHECK(strstr(s, all[i].node) != NULL);
		s = option(&argv, "-blockdev", "\"disk-vda-0-file\"");
		ATF_CHECK(strstr(s, all[i].node) != NULL);
		s = option(&argv, "-device", "virtio-blk-pci");
		snprintf(xml, sizeof(xml), "write-cache=%s", all[i].device);
		ATF_CHECK(strstr(s, xml) != NULL);
		domain_argv_clear(&argv);
		domain_free(d);
	}
}

/* Before domain_assign and domain_assign_live there is no command. */
ATF_TC_WITHOUT_HEAD(incomplete);
ATF_TC_BODY(incomplete, tc)
{
	static const char	 xml[] = "<domain type='qemu'><name>a</name>"
	    "<memory>1024</memory><os><type>hvm</type></os><devices>"
	    "<interface type='user'/></devices></domain>";
	struct domain_argv	 argv;
	struct domain_error	 err;
	struct domain_fds	 fds;
	struct domain		*d;

	ATF_REQUIRE(domain_parse(xml, strlen(xml), 0, &d, &err) == 0);
	ATF_REQUIRE(domain_fds_plan(d, &fds) == 0);
	ATF_CHECK(domain_command(d, &fds, DOMAIN_COMMAND_PRINT, &argv, &err) ==
	    -1);
	ATF_CHECK(err.text[0] != '\0');
	ATF_REQUIRE(domain_assign(d, &err) == 0);
	ATF_CHECK(domain_command(d, &fds, DOMAIN_COMMAND_PRINT, &argv, &err) ==
	    -1);
	ATF_CHECK(err.text[0] != '\0');
	ATF_REQUIRE(domain_assign_live(d, &err) == 0);
	ATF_CHECK(domain_command(d, &fds, DOMAIN_COMMAND_PRINT, &argv, &err) ==
	    0);
	ATF_CHECK_EQ(err.code, 0);
	domain_argv_clear(&argv);
	domain_fds_clear(&fds);
	domain_free(d);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, golden);
	ATF_TP_ADD_TC(tp, descriptors);
	ATF_TP_ADD_TC(tp, quoting);
	ATF_TP_ADD_TC(tp, secrets);
	ATF_TP_ADD_TC(tp, formats);
	ATF_TP_ADD_TC(tp, boot_order);
	ATF_TP_ADD_TC(tp, actions);
	ATF_TP_ADD_TC(tp, caches);
	ATF_TP_ADD_TC(tp, incomplete);
	return (atf_no_error());
}
