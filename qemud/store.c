/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * Definitions: one file NAME.xml for each persistent guest, as we print it,
 * and a symbolic link in autostart/ for each that starts with the suite.
 * A definition is on disk before its client gets the answer.  Files that
 * somebody else put there and that are not right are named in the log and
 * left alone.
 */

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

#define AUTOSTART	"autostart"
#define SUFFIX		".xml"
#define SKIPPED_MAX	16		/* files that are remembered */
#define AUTOSTARTED	".autostarted"	/* in the run folder */

static int	 file_name(char *, size_t, const char *, const char *,
		    struct rpc_error *);
static int	 sync_below(int, const char *);
static int	 load_file(const char *, int);
static int	 load_incomplete(const char *, struct domain *);
static struct guest *
		 load_domain(const char *, struct domain *, int);
static void	 load_autostart(void);
static void	 autostart_done(struct guest *, const struct rpc_error *,
		    void *);

/* Those that the last look at the folder has skipped. */
static char		 skipped[SKIPPED_MAX][NAME_MAX + 1];
static unsigned int	 nskipped;

/* prefix NAME suffix, as the name of a file. */
static int
file_name(char *buf, size_t size, const char *prefix, const char *name,
    struct rpc_error *err)
{
	int	 n;

	n = snprintf(buf, size, "%s%s" SUFFIX, prefix, name);
	if (n < 0 || (size_t)n >= size || strlen(name) > NAME_MAX - 16)
		return (rpc_error_set(err, RPCD_CONF, RPCE_INVALID_ARG,
		    "the name '%s' is too long for a file: at most %d bytes",
		    name, NAME_MAX - 16));
	return (0);
}

int
store_write(const struct domain *d, struct rpc_error *err)
{
	char	 path[PATH_MAX], tmp[PATH_MAX];
	char	*xml;
	int	 ret;

	if (file_name(path, sizeof(path), "", d->name, err) == -1 ||
	    file_name(tmp, sizeof(tmp), ".new-", d->name, err) == -1)
		return (-1);
	if ((xml = domain_format(d, DOMAIN_FORMAT_SECURE |
	    DOMAIN_FORMAT_INACTIVE)) == NULL)
		fatal(NULL);
	ret = file_replace(env.dirs[DIR_DEFINITIONS], path, tmp, xml,
	    strlen(xml), 1);
	free(xml);
	if (ret == -1)
		return (rpc_error_set(err, RPCD_CONF, RPCE_OPERATION_FAILED,
		    "cannot write %s/%s: %s", env.conf.definitions, path,
		    strerror(errno)));
	return (0);
}

/*
 * Replaces a file as a whole: whoever reads it, also after a crash, sees the
 * old one or the new one.  With durable it is on disk on return.
 */
int
file_replace(int dir, const char *path, const char *tmp, const char *data,
    size_t len, int durable)
{
	size_t	 done;
	ssize_t	 n;
	int	 fd, saved;

	fd = openat(dir, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW |
	    O_CLOEXEC, 0600);
	if (fd == -1)
		return (-1);
	for (done = 0; done < len; done += n)
		if ((n = write(fd, data + done, len - done)) == -1) {
			if (errno != EINTR)
				goto fail;
			n = 0;
		}
	if ((durable && fsync(fd) == -1) ||
	    renameat(dir, tmp, dir, path) == -1 ||
	    (durable && fsync(dir) == -1))
		goto fail;
	close(fd);
	return (0);

 fail:
	saved = errno;
	close(fd);
	unlinkat(dir, tmp, 0);
	errno = saved;
	return (-1);
}

int
store_remove(const char *name, struct rpc_error *err)
{
	char	 path[PATH_MAX], link[PATH_MAX];

	if (file_name(path, sizeof(path), "", name, err) == -1 ||
	    file_name(link, sizeof(link), AUTOSTART "/", name, err) == -1)
		return (-1);
	unlinkat(env.dirs[DIR_DEFINITIONS], link, 0);
	if ((unlinkat(env.dirs[DIR_DEFINITIONS], path, 0) == -1 &&
	    errno != ENOENT) || fsync(env.dirs[DIR_DEFINITIONS]) == -1)
		return (rpc_error_set(err, RPCD_CONF, RPCE_OPERATION_FAILED,
		    "cannot remove %s/%s: %s", env.conf.definitions, path,
		    strerror(errno)));
	return (0);
}

/* A folder within dir, if it is there. */
static int
sync_below(int dir, const char *name)
{
	int	 fd, ret;

	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW |
	    O_CLOEXEC);
	if (fd == -1)
		return (errno == ENOENT ? 0 : -1);
	ret = fsync(fd);
	close(fd);
	return (ret);
}

int
store_autostart(const char *name, int on, struct rpc_error *err)
{
	char	 target[PATH_MAX], link[PATH_MAX];
	int	 dir = env.dirs[DIR_DEFINITIONS];

	if (file_name(target, sizeof(target), "../", name, err) == -1 ||
	    file_name(link, sizeof(link), AUTOSTART "/", name, err) == -1)
		return (-1);
	if (on) {
		if ((mkdirat(dir, AUTOSTART, 0700) == -1 && errno != EEXIST) ||
		    (symlinkat(target, dir, link) == -1 && errno != EEXIST))
			goto fail;
	} else if (unlinkat(dir, link, 0) == -1 && errno != ENOENT)
		goto fail;
	if (fsync(dir) == -1 || sync_below(dir, AUTOSTART) == -1)
		goto fail;
	return (0);

 fail:
	return (rpc_error_set(err, RPCD_CONF, RPCE_OPERATION_FAILED,
	    "cannot change %s/%s: %s", env.conf.definitions, link,
	    strerror(errno)));
}

/* All of a regular file of at most max bytes, with a NUL behind; free() it. */
char *
file_read(int dir, const char *name, size_t max, size_t *len)
{
	struct stat	 st;
	char		*data = NULL;
	size_t		 have = 0;
	ssize_t		 n;
	int		 fd;

	fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd == -1)
		return (NULL);
	if (fstat(fd, &st) == -1)
		goto fail;
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size > max) {
		errno = S_ISREG(st.st_mode) ? EFBIG : EINVAL;
		goto fail;
	}
	if ((data = malloc(st.st_size + 1)) == NULL)
		goto fail;
	while (have < (size_t)st.st_size) {
		if ((n = read(fd, data + have, st.st_size - have)) == -1)
			goto fail;
		if (n == 0)
			break;
		have += n;
	}
	data[have] = '\0';
	*len = have;
	close(fd);
	return (data);

 fail:
	free(data);
	close(fd);
	return (NULL);
}

const char *
store_skipped(unsigned int n)
{
	return (n < nskipped ? skipped[n] : NULL);
}

void
store_load(int first)
{
	struct dirent	**names;
	const char	 *name, *dot;
	int		  dir = env.dirs[DIR_DEFINITIONS], i, n;

	/* all names first: files are written on the way */
	if ((n = scandirat(dir, ".", &names, NULL, alphasort)) == -1) {
		log_warn("%s", env.conf.definitions);
		return;
	}
	nskipped = 0;
	for (i = 0; i < n; i++) {
		name = names[i]->d_name;
		dot = strrchr(name, '.');
		if (strncmp(name, ".new-", 5) == 0 && first)
			unlinkat(dir, name, 0);		/* cut off by a crash */
		else if (dot != NULL && strcmp(dot, SUFFIX) == 0 &&
		    name[0] != '.' && load_file(name, first) == -1 &&
		    nskipped < SKIPPED_MAX)
			strlcpy(skipped[nskipped++], name,
			    sizeof(skipped[0]));
		free(names[i]);
	}
	free(names);
	load_autostart();
	n = guests_count(1, 1);
	log_info("%d domain%s defined", n, n == 1 ? " is" : "s are");
}

/* -1: it was skipped, and the log says why. */
static int
load_file(const char *file, int first)
{
	struct domain_error	 derr = { 0 };
	struct rpc_error	 err;
	struct domain		*d;
	struct guest		*g;
	char			*xml, name[NAME_MAX + 1];
	size_t			 len;
	int			 incomplete;

	xml = file_read(env.dirs[DIR_DEFINITIONS], file, XML_MAX_BYTES, &len);
	if (xml == NULL) {
		log_warn("%s/%s is skipped", env.conf.definitions, file);
		return (-1);
	}
	strlcpy(name, file, sizeof(name));
	name[strlen(name) - strlen(SUFFIX)] = '\0';
	if (domain_parse(xml, len, 0, &d, &derr) == -1)
		goto skip;
	incomplete = load_incomplete(name, d);
	if (domain_assign(d, &derr) == -1)
		goto skip;
	free(xml);
	rpc_error_clear(&err);
	if ((g = load_domain(name, d, first)) == NULL)
		return (-1);
	if (incomplete && store_write(g->config, &err) == -1)
		log_warnx("guest %s: %s", name, err.detail);
	return (0);

 skip:
	log_warnx("%s/%s is skipped: line %d, column %d: %s",
	    env.conf.definitions, file, derr.line, derr.column, derr.text);
	domain_free(d);
	free(xml);
	return (-1);
}

/*
 * Is something missing that must be the same whenever the file is read?  The
 * domain of this name, if there is one, is what is meant.
 */
static int
load_incomplete(const char *name, struct domain *d)
{
	struct guest	*g;
	struct net	*net;
	int		 incomplete = !d->has_uuid;

	if (!d->has_uuid && (g = guest_find_name(name)) != NULL) {
		memcpy(d->uuid, guest_uuid(g), sizeof(d->uuid));
		d->has_uuid = 1;
	}
	DEVICE_FOREACH(net, d, DEVICE_NET)
		if (!net->has_mac)
			incomplete = 1;
	return (incomplete);
}

/* Takes d.  NULL if it was not right, after a log line. */
static struct guest *
load_domain(const char *name, struct domain *d, int first)
{
	struct rpc_error	 err;
	struct guest		*g;
	char			*old, *new;
	int			 same;

	if (strcmp(name, d->name) != 0) {
		log_warnx("%s/%s" SUFFIX " is skipped: its domain is called "
		    "'%s', so the file should be", env.conf.definitions, name,
		    d->name);
		domain_free(d);
		return (NULL);
	}
	g = first ? NULL : guest_find_name(name);
	rpc_error_clear(&err);
	if (g == NULL) {
		if ((g = guest_new(d, &err)) == NULL) {
			log_warnx("%s/%s" SUFFIX " is skipped: %s",
			    env.conf.definitions, name, err.detail);
			return (NULL);
		}
		g->persistent = 1;
		if (!first)
			event_lifecycle(g, LV_EVENT_DEFINED,
			    LV_EVENT_DEFINED_ADDED);
		return (g);
	}
	if (memcmp(guest_uuid(g), d->uuid, sizeof(d->uuid)) != 0) {
		log_warnx("%s/%s" SUFFIX " is skipped: the domain of this "
		    "name has another UUID", env.conf.definitions, name);
		domain_free(d);
		return (NULL);
	}
	old = domain_format(g->config, DOMAIN_FORMAT_SECURE |
	    DOMAIN_FORMAT_INACTIVE);
	new = domain_format(d, DOMAIN_FORMAT_SECURE | DOMAIN_FORMAT_INACTIVE);
	if (old == NULL || new == NULL)
		fatal(NULL);
	same = g->persistent && strcmp(old, new) == 0;
	free(old);
	free(new);
	if (same) {
		domain_free(d);
		return (g);
	}
	guest_configure(g, d);
	g->persistent = 1;
	event_lifecycle(g, LV_EVENT_DEFINED, LV_EVENT_DEFINED_UPDATED);
	return (g);
}

static void
load_autostart(void)
{
	struct guest	*g;
	char		 link[PATH_MAX];
	struct stat	 st;

	RB_FOREACH(g, guests_byname, &guests)
		g->autostart = g->persistent &&
		    file_name(link, sizeof(link), AUTOSTART "/",
		    guest_name(g), NULL) == 0 &&
		    fstatat(env.dirs[DIR_DEFINITIONS], link, &st,
		    AT_SYMLINK_NOFOLLOW) == 0;
}

/*
 * Once after each boot of the machine, not whenever the suite is started
 * again: a guest that has been shut down since stays so.
 */
void
store_autostart_all(void)
{
	struct guest	*g;
	char		*done;
	size_t		 len;
	int		 same;

	done = file_read(env.dirs[DIR_RUN], AUTOSTARTED, 64, &len);
	same = done != NULL && strcmp(done, env.boot_id) == 0;
	free(done);
	if (same)
		return;
	if (file_replace(env.dirs[DIR_RUN], AUTOSTARTED, AUTOSTARTED ".new",
	    env.boot_id, strlen(env.boot_id), 0) == -1)
		log_warn("%s/guests/" AUTOSTARTED, env.conf.run);
	RB_FOREACH(g, guests_byname, &guests)
		if (g->autostart && !guest_active(g))
			guest_start(g, NULL, 0, autostart_done, NULL);
}

static void
autostart_done(struct guest *g, const struct rpc_error *err, void *arg)
{
	if (err != NULL)
		log_warnx("guest %s: autostart: %s", guest_name(g),
		    err->detail);
}
