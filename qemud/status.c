/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * Status: a file for each running guest, in the run folder, from which a
 * qemud that was started again learns what there was.  Its launcher holds a
 * lock on the first file, NAME.lock, as long as it lives; NAME.status says
 * what the guest is, and is replaced as a whole when that changes.
 */

#include <sys/file.h>
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "imsg/log.h"
#include "qemud/qemud.h"

#define STATUS_RETRY_S	2		/* until one is written again */
#define STATUS_FORMAT	"qemud status 1\n"	\
	"id %d\nuid %u\nlauncher %d\nqemu %d\npersistent %d\npaused %d\n" \
	"state %d\nreason %d\n"
#define STATUS_BOOT	"boot "		/* then the XML after an empty line */

struct status {
	int		 id;
	unsigned int	 uid;
	int		 launcher;
	int		 qemu;
	int		 persistent;
	int		 paused;
	int		 state;
	int		 reason;
	int		 same_boot;	/* the pids may still be good */
};

static int	 retrying;

static void	 status_again(void);
static void	 status_retry(evutil_socket_t, short, void *);
static void	 status_file(char *, size_t, const struct guest *,
		    const char *);
static void	 status_adopt(const char *);
static struct guest *
		 status_read(const char *, struct status *);
static int	 status_held(const char *, int *);
static void	 status_discard(const char *);

static void
status_file(char *buf, size_t size, const struct guest *g, const char *suffix)
{
	snprintf(buf, size, "%s.%s", guest_name(g), suffix);
}

int
status_create(struct guest *g, struct rpc_error *err)
{
	char	 lock[PATH_MAX];

	status_file(lock, sizeof(lock), g, "lock");
	/* a new file: an old launcher may still hold the old one */
	unlinkat(env.dirs[DIR_RUN], lock, 0);
	g->lock = openat(env.dirs[DIR_RUN], lock, O_RDWR | O_CREAT | O_EXCL |
	    O_NOFOLLOW | O_CLOEXEC, 0600);
	if (g->lock == -1 || status_update(g) == -1)
		return (rpc_error_set(err, RPCD_QEMU, RPCE_OPERATION_FAILED,
		    "cannot write %s/guests/%s: %s", env.conf.run, lock,
		    strerror(errno)));
	return (0);
}

/* Not a copy of g->lock: that would share its lock. */
int
status_lock(const struct guest *g)
{
	char	 lock[PATH_MAX];

	status_file(lock, sizeof(lock), g, "lock");
	return (openat(env.dirs[DIR_RUN], lock, O_RDWR | O_NOFOLLOW |
	    O_CLOEXEC));
}

int
status_update(struct guest *g)
{
	char	 path[PATH_MAX], tmp[PATH_MAX];
	char	*xml, *all;
	int	 len, ret;

	if (g->lock == -1)
		return (0);
	status_file(path, sizeof(path), g, "status");
	status_file(tmp, sizeof(tmp), g, "new");
	if ((xml = domain_format(g->live, DOMAIN_FORMAT_SECURE)) == NULL)
		fatal(NULL);
	len = asprintf(&all, STATUS_FORMAT STATUS_BOOT "%s\n\n%s",
	    g->live->id, g->uid, (int)g->launcher_pid, (int)g->qemu_pid,
	    g->persistent, g->want_paused, (int)g->shown, g->reason,
	    env.boot_id, xml);
	free(xml);
	if (len == -1)
		fatal(NULL);
	/* it need not outlive the machine, so nothing is synced */
	ret = file_replace(env.dirs[DIR_RUN], path, tmp, all, len, 0);
	if (ret == -1 && !g->status_late)
		log_warn("guest %s: cannot write its status, trying again",
		    guest_name(g));
	g->status_late = ret == -1;
	if (ret == -1)
		status_again();
	freezero(all, len);
	return (ret);
}

/* Those that could not be written: a restart would believe the old ones. */
static void
status_again(void)
{
	static const struct timeval	 later = { STATUS_RETRY_S, 0 };

	if (retrying)
		return;
	retrying = event_base_once(env.proc.base, -1, EV_TIMEOUT,
	    status_retry, NULL, &later) == 0;
}

static void
status_retry(evutil_socket_t fd, short what, void *arg)
{
	struct guest	*g;

	retrying = 0;
	TAILQ_FOREACH(g, &guests_active, byactive)
		if (g->status_late && status_update(g) == 0)
			log_info("guest %s: its status is written",
			    guest_name(g));
}

void
status_remove(struct guest *g)
{
	char	 path[PATH_MAX];

	g->status_late = 0;
	if (g->lock == -1)
		return;
	close(g->lock);
	g->lock = -1;
	status_file(path, sizeof(path), g, "status");
	unlinkat(env.dirs[DIR_RUN], path, 0);
	status_file(path, sizeof(path), g, "lock");
	unlinkat(env.dirs[DIR_RUN], path, 0);
}

void
status_load(void)
{
	struct dirent	*de;
	const char	*dot;
	DIR		*dir;
	int		 fd;

	fd = openat(env.dirs[DIR_RUN], ".", O_RDONLY | O_DIRECTORY |
	    O_CLOEXEC);
	if (fd == -1 || (dir = fdopendir(fd)) == NULL)
		fatal("%s/guests", env.conf.run);
	while ((de = readdir(dir)) != NULL) {
		dot = strrchr(de->d_name, '.');
		if (dot != NULL && strcmp(dot, ".status") == 0)
			status_adopt(de->d_name);
	}
	closedir(dir);
}

/*
 * The guest runs if its launcher does; or if its QEMU does, which can then be
 * looked at and ended, but not talked to.
 */
static void
status_adopt(const char *file)
{
	struct status	 st;
	struct guest	*g;
	int		 held;

	if ((g = status_read(file, &st)) == NULL) {
		/* a guest that runs is not forgotten, though of no use */
		status_discard(file);
		return;
	}
	start_seen_id(st.id);
	held = status_held(guest_name(g), &g->lock);
	if (!held && !(st.same_boot && host_alive(st.qemu))) {
		log_warnx("guest %s: has ended meanwhile", guest_name(g));
		if (g->lock != -1)
			close(g->lock);
		g->lock = -1;
		status_discard(file);
		domain_free(g->live);
		g->live = NULL;
		g->reason = LV_SHUTOFF_CRASHED;
		if (!g->persistent)
			guest_forget(g);
		return;
	}
	guest_step(g, GEV_ADOPT);
	g->launched = 1;
	g->uid = st.uid;
	g->qemu_pid = st.qemu;
	g->want_paused = st.paused != 0;
	g->shown = st.state;
	g->reason = st.reason;
	if (held)
		g->launcher_pid = st.launcher;
	else
		log_warnx("guest %s: its launcher has ended, so nobody can "
		    "talk to it; it runs on", guest_name(g));
	if (g->internal) {
		guest_kill(g, NULL, 0);
		return;
	}
	guest_watch(g);
	if (held) {
		g->adopting = 1;
		env.adopting++;
	}
}

/* Of no guest that we know of. */
static void
status_discard(const char *file)
{
	char	 name[PATH_MAX];
	int	 fd, held;

	strlcpy(name, file, sizeof(name));
	*strrchr(name, '.') = '\0';
	held = status_held(name, &fd);
	if (fd != -1)
		close(fd);
	if (held)
		return;
	unlinkat(env.dirs[DIR_RUN], file, 0);
	strlcat(name, ".lock", sizeof(name));
	unlinkat(env.dirs[DIR_RUN], name, 0);
}

/* The guest with its live form; NULL after a log line. */
static struct guest *
status_read(const char *file, struct status *st)
{
	struct domain_error	 derr = { 0 };
	struct rpc_error	 err;
	struct domain		*d = NULL;
	struct guest		*g;
	char			*data, *xml, *boot;
	size_t			 len;

	data = file_read(env.dirs[DIR_RUN], file, XML_MAX_BYTES, &len);
	if (data == NULL) {
		log_warn("%s/guests/%s", env.conf.run, file);
		return (NULL);
	}
	memset(st, 0, sizeof(*st));
	if ((xml = strstr(data, "\n\n")) == NULL ||
	    sscanf(data, STATUS_FORMAT, &st->id, &st->uid,
	    &st->launcher, &st->qemu, &st->persistent, &st->paused,
	    &st->state, &st->reason) != 8) {
		log_warnx("%s/guests/%s is no status file", env.conf.run, file);
		free(data);
		return (NULL);
	}
	*xml = '\0';
	xml += 2;
	boot = strstr(data, "\n" STATUS_BOOT);
	st->same_boot = boot != NULL && *env.boot_id != '\0' &&
	    strcmp(boot + strlen("\n" STATUS_BOOT), env.boot_id) == 0;
	if (domain_parse(xml, strlen(xml), DOMAIN_PARSE_LIVE, &d,
	    &derr) == -1) {
		log_warnx("%s/guests/%s: line %d: %s", env.conf.run, file,
		    derr.line, derr.text);
		free(data);
		return (NULL);
	}
	freezero(data, len);
	d->id = st->id;
	g = guest_find_uuid(d->uuid);
	if (g == NULL) {
		/* transient: it is its own configuration */
		struct domain	*config;

		if ((config = domain_copy(d)) == NULL)
			fatal(NULL);
		rpc_error_clear(&err);
		if ((g = guest_new(config, &err)) == NULL) {
			log_warnx("%s/guests/%s: %s", env.conf.run, file,
			    err.detail);
			domain_free(d);
			return (NULL);
		}
	}
	g->internal = d->name[0] == '.';
	g->live = d;
	return (g);
}

/* Does somebody hold the lock?  *fd is the file, -1 if there is none. */
static int
status_held(const char *name, int *fd)
{
	char	 path[PATH_MAX];

	snprintf(path, sizeof(path), "%s.lock", name);
	*fd = openat(env.dirs[DIR_RUN], path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (*fd == -1)
		return (0);
	if (flock(*fd, LOCK_EX | LOCK_NB) == -1 && errno == EWOULDBLOCK)
		return (1);
	flock(*fd, LOCK_UN);
	return (0);
}
