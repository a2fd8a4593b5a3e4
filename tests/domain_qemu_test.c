/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * Does QEMU take what domain_command makes?  It is started, not running, with
 * real descriptors for each of tests/data/domain/NAME.xml, takes the commands
 * of domain_setup, is asked for its disks, and ends.
 */

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <atf-c.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "domain/domain.h"

#define REPLY_TIMEOUT_S	60
#define FLOPPY_BYTES	1474560

static struct domain *define(const char *);
static void	 make_image(const char *, enum disk_format, off_t);
static void	 open_all(const struct domain *, struct domain_fds *);
static pid_t	 start(const struct domain *, struct domain_fds *, int *);
static char	*ask(int, const char *);
static void	 finish(pid_t, int);

static struct domain *
define(const char *name)
{
	const char		*dir = getenv("SRCDIR");
	struct domain_error	 err;
	struct domain		*d;
	static char		 xml[1 << 20];
	char			 path[PATH_MAX];
	FILE			*f;
	size_t			 n;

	snprintf(path, sizeof(path), "%s/tests/data/domain/%s.xml",
	    dir == NULL ? "." : dir, name);
	ATF_REQUIRE_MSG((f = fopen(path, "r")) != NULL, "%s: %s", path,
	    strerror(errno));
	n = fread(xml, 1, sizeof(xml), f);
	fclose(f);
	ATF_REQUIRE_MSG(domain_parse(xml, n, 0, &d, &err) == 0, "%s",
	    err.text);
	d->type = DOMAIN_QEMU;		/* there may be no KVM here */
	ATF_REQUIRE_MSG(domain_assign(d, &err) == 0, "%s", err.text);
	ATF_REQUIRE_MSG(domain_assign_live(d, &err) == 0, "%s", err.text);
	/* what is to be seen is the devices */
	if (d->memory < 65536)
		d->memory = d->current_memory = 65536;
	domain_set_string(&d->emulator,
	    domain_default_emulator(d->os.arch));
	if (access(d->emulator, X_OK) == -1)
		atf_tc_skip("no %s on this host", d->emulator);
	return (d);
}

/* A qcow2 of the first version that knows clusters of 64 KiB: all empty. */
static void
make_image(const char *path, enum disk_format format, off_t size)
{
	unsigned char	 h[72];
	int		 fd;

	ATF_REQUIRE((fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600)) !=
	    -1);
	if (format == DISK_FORMAT_QCOW2) {
		memset(h, 0, sizeof(h));
		memcpy(h, "QFI\xfb", 4);
		h[7] = 2;			/* version */
		h[23] = 16;			/* bits of a cluster */
		h[29] = 0x10;			/* 1 MiB */
		h[39] = 1;			/* one L1 entry */
		h[45] = 3;			/* L1 table: cluster 3 */
		h[53] = 1;			/* refcount table: cluster 1 */
		h[59] = 1;			/* of one cluster */
		ATF_REQUIRE_EQ(pwrite(fd, h, sizeof(h), 0), 72);
		memset(h, 0, sizeof(h));
		h[5] = 2;			/* refcounts: cluster 2 */
		ATF_REQUIRE_EQ(pwrite(fd, h, 8, 1 << 16), 8);
		memcpy(h, "\0\1\0\1\0\1\0\1", 8);
		ATF_REQUIRE_EQ(pwrite(fd, h, 8, 2 << 16), 8);
		size = 4 << 16;
	}
	ATF_REQUIRE_EQ(ftruncate(fd, size), 0);
	close(fd);
}

static int
listener(const char *path)
{
	struct sockaddr_un	 sun;
	int			 fd;

	memset(&sun, 0, sizeof(sun));
	sun.sun_family = AF_UNIX;
	strlcpy(sun.sun_path, path, sizeof(sun.sun_path));
	unlink(path);
	ATF_REQUIRE((fd = socket(AF_UNIX, SOCK_STREAM, 0)) != -1);
	ATF_REQUIRE_EQ(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	ATF_REQUIRE_EQ(listen(fd, 5), 0);
	return (fd);
}

/* Each with the mode that the plan says, and no other. */
static void
open_all(const struct domain *d, struct domain_fds *fds)
{
	const struct disk	*disk;
	struct disk_layer	*l;
	struct domain_fd	*fd;
	char			 key[DOMAIN_KEY_MAX], path[64];
	size_t			 i;
	unsigned int		 n;

	ATF_REQUIRE(domain_fds_plan(d, fds) == 0);
	DEVICE_FOREACH(disk, d, DEVICE_DISK) {
		n = 0;
		TAILQ_FOREACH(l, &disk->layers, entry) {
			snprintf(key, sizeof(key), "disk/%s/%u", disk->target,
			    n);
			snprintf(path, sizeof(path), "%s-%u", disk->target,
			    n++);
			make_image(path, l->format, disk->device ==
			    DISK_FLOPPY ? FLOPPY_BYTES : 1 << 20);
			ATF_REQUIRE((fd = domain_fds_find(fds, key)) != NULL);
			fd->fd = open(path, fd->mode == DOMAIN_FD_RW ?
			    O_RDWR : O_RDONLY);
			ATF_REQUIRE(fd->fd != -1);
		}
	}
	for (i = 0; i < fds->n; i++) {
		fd = &fds->v[i];
		if (fd->mode == DOMAIN_FD_LISTEN) {
			snprintf(path, sizeof(path), "socket-%zu", i);
			fd->fd = listener(path);
		} else if (fd->fd == -1) {
			snprintf(path, sizeof(path), "%s/guest/%s",
			    getenv("BUILDDIR") == NULL ? "build" :
			    getenv("BUILDDIR"), strcmp(fd->key, "kernel") ==
			    0 ? "vmlinuz" : "initrd");
			if ((fd->fd = open(path, O_RDONLY)) == -1)
				atf_tc_skip("%s: there is no guest", path);
		}
	}
}

/* QEMU, with its monitor on *mon after the greeting. */
static pid_t
start(const struct domain *d, struct domain_fds *fds, int *mon)
{
	static const char	 caps[] =
	    "{\"execute\":\"qmp_capabilities\"}";
	struct domain_argv	 argv;
	struct domain_error	 err;
	struct sockaddr_un	 sun;
	struct timeval		 tv = { REPLY_TIMEOUT_S, 0 };
	pid_t			 pid;
	size_t			 i;
	char			*s;

	ATF_REQUIRE_MSG(domain_command(d, fds, 0, &argv, &err) == 0, "%s",
	    err.text);
	/* the connection waits until QEMU is there; if it dies it is closed */
	memset(&sun, 0, sizeof(sun));
	sun.sun_family = AF_UNIX;
	strlcpy(sun.sun_path, "socket-0", sizeof(sun.sun_path));
	ATF_REQUIRE((*mon = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) !=
	    -1);
	ATF_REQUIRE_EQ(connect(*mon, (struct sockaddr *)&sun, sizeof(sun)),
	    0);
	ATF_REQUIRE_EQ(setsockopt(*mon, SOL_SOCKET, SO_RCVTIMEO, &tv,
	    sizeof(tv)), 0);
	fflush(stdout);
	ATF_REQUIRE((pid = fork()) != -1);
	if (pid == 0) {
		execv(argv.v[0], argv.v);
		_exit(127);
	}
	domain_argv_clear(&argv);
	for (i = 0; i < fds->n; i++)
		close(fds->v[i].fd);
	domain_fds_clear(fds);
	s = ask(*mon, caps);
	ATF_CHECK_MSG(strncmp(s, "{\"return\"", 9) == 0, "%s", s);
	free(s);
	return (pid);
}

/* The reply to that command; events and the greeting are skipped. */
static char *
ask(int mon, const char *cmd)
{
	static char	 line[1 << 20];
	size_t		 n = 0;
	ssize_t		 r;

	ATF_REQUIRE_MSG(send(mon, cmd, strlen(cmd), MSG_NOSIGNAL) ==
	    (ssize_t)strlen(cmd), "%s: %s", cmd, strerror(errno));
	for (;;) {
		ATF_REQUIRE_MSG((r = read(mon, line + n, 1)) == 1,
		    "%s: no reply: %s", cmd, r == 0 ? "QEMU has ended" :
		    strerror(errno));
		if (line[n] != '\n') {
			ATF_REQUIRE(++n < sizeof(line) - 1);
			continue;
		}
		line[n] = '\0';
		line[strcspn(line, "\r")] = '\0';
		if (strncmp(line, "{\"return\"", 9) == 0 ||
		    strncmp(line, "{\"error\"", 8) == 0)
			return (strdup(line));
		n = 0;
	}
}

static void
finish(pid_t pid, int mon)
{
	char	*s;
	int	 status;

	s = ask(mon, "{\"execute\":\"quit\"}");
	free(s);
	ATF_REQUIRE_EQ(waitpid(pid, &status, 0), pid);
	ATF_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	close(mon);
}

static void
run(const char *name)
{
	const struct disk	*disk;
	struct domain_argv	 lines;
	struct domain_fds	 fds;
	struct domain		*d;
	char			 text[64], *s;
	size_t			 i;
	pid_t			 pid;
	int			 mon;

	d = define(name);
	open_all(d, &fds);
	pid = start(d, &fds, &mon);
	ATF_REQUIRE(domain_setup(d, &lines) == 0);
	for (i = 0; i < lines.n; i++) {
		s = ask(mon, lines.v[i]);
		ATF_CHECK_MSG(strncmp(s, "{\"return\"", 9) == 0, "%s: %s",
		    lines.v[i], s);
		free(s);
	}
	domain_argv_clear(&lines);
	s = ask(mon, "{\"execute\":\"query-block\"}");
	DEVICE_FOREACH(disk, d, DEVICE_DISK) {
		ATF_CHECK_MSG(strstr(s, disk->dev.alias) != NULL,
		    "%s is not in %s", disk->dev.alias, s);
		snprintf(text, sizeof(text), "\"node-name\": \"disk-%s-0\"",
		    disk->target);
		ATF_CHECK_MSG(TAILQ_EMPTY(&disk->layers) ||
		    strstr(s, text) != NULL, "%s is not in %s", text, s);
	}
	free(s);
	finish(pid, mon);
	domain_free(d);
}

#define TC(n, name)							\
	ATF_TC_WITHOUT_HEAD(n);						\
	ATF_TC_BODY(n, tc)						\
	{								\
		run(name);						\
	}

TC(announce_cdrom, "announce-cdrom")
TC(announce_kernel, "announce-kernel")
TC(minimal, "minimal")
TC(pc_all, "pc-all")
TC(pc_many, "pc-many")
TC(addresses, "addresses")
TC(q35, "q35")
TC(q35_conventional, "q35-conventional")
TC(microvm, "microvm")
TC(live, "live")

/* The name stays a name. */
ATF_TC_WITHOUT_HEAD(quoting);
ATF_TC_BODY(quoting, tc)
{
	struct domain_fds	 fds;
	struct domain		*d;
	char			*s;
	pid_t			 pid;
	int			 mon;

	d = define("quoting");
	open_all(d, &fds);
	pid = start(d, &fds, &mon);
	s = ask(mon, "{\"execute\":\"query-name\"}");
	ATF_CHECK_STREQ(s, "{\"return\": {\"name\": "
	    "\"x,file=etc -S \\\"q\\\" {'a':1}\"}}");
	free(s);
	s = ask(mon, "{\"execute\":\"qom-get\",\"arguments\":{\"path\":"
	    "\"/machine\",\"property\":\"kernel\"}}");
	ATF_CHECK_MSG(strstr(s, "/proc/self/fd/") != NULL, "%s", s);
	free(s);
	finish(pid, mon);
	domain_free(d);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, announce_cdrom);
	ATF_TP_ADD_TC(tp, announce_kernel);
	ATF_TP_ADD_TC(tp, minimal);
	ATF_TP_ADD_TC(tp, pc_all);
	ATF_TP_ADD_TC(tp, pc_many);
	ATF_TP_ADD_TC(tp, addresses);
	ATF_TP_ADD_TC(tp, q35);
	ATF_TP_ADD_TC(tp, q35_conventional);
	ATF_TP_ADD_TC(tp, microvm);
	ATF_TP_ADD_TC(tp, live);
	ATF_TP_ADD_TC(tp, quoting);
	return (atf_no_error());
}
