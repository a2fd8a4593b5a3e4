/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * What an instance has in the file system: its folders, its lock, its
 * listening sockets.
 */

#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "imsg/log.h"
#include "parent/parent.h"

static void	 dir_make(const char *, mode_t, uid_t, gid_t);
static void	 dir_lock(const char *);
static char	*dir_below(const struct conf *, enum msg_dir, const char *);
static int	 dir_empty(int);
static int	 mkdirs(const char *, mode_t);
static int	 socket_bind(struct conf_listen *);
static int	 socket_stale(const struct sockaddr_un *);
static int	 socket_mode(const struct conf_listen *);

static int	 lock_fd = -1;

/*
 * Of state and run folder qemud has a part; they are root's themselves, since
 * images and sockets may lie in them, too.
 */
void
dirs_make(struct env *env)
{
	const struct conf	*conf = env->conf;
	const struct conf_user	*qemud = &conf->users[ROLE_QEMUD];
	uid_t			 uid = qemud->uid, root = 0;
	gid_t			 gid = qemud->gid;
	mode_t			 open = env->session ? 0700 : 0755;

	if (env->session) {
		uid = root = geteuid();
		gid = getegid();
	}
	if ((env->empty = dir_below(conf, DIR_RUN, "empty")) == NULL ||
	    (env->guests = dir_below(conf, DIR_RUN, "guests")) == NULL ||
	    (env->state = dir_below(conf, DIR_STATE, "guests")) == NULL)
		fatal(NULL);
	dir_make(conf->dirs[DIR_DEFINITIONS].path, 0700, uid, gid);
	dir_lock(conf->dirs[DIR_DEFINITIONS].path);
	dir_make(conf->dirs[DIR_STATE].path, open, root,
	    env->session ? gid : 0);
	dir_make(env->state, 0700, uid, gid);
	dir_make(conf->dirs[DIR_LOG].path, 0750, root, gid);
	dir_make(conf->dirs[DIR_RUN].path, open, root,
	    env->session ? gid : 0);
	dir_make(env->guests, 0700, uid, gid);
	dir_make(env->empty, 0555, root, env->session ? gid : 0);
}

static char *
dir_below(const struct conf *conf, enum msg_dir dir, const char *name)
{
	char	*path;

	if (asprintf(&path, "%s/%s", conf->dirs[dir].path, name) == -1)
		return (NULL);
	return (path);
}

void
instance_over(void)
{
	if (ftruncate(lock_fd, 0) == -1)
		log_warn("cannot empty the lock file");
}

/* Two instances over the same guests would start each of them twice. */
static void
dir_lock(const char *path)
{
	int	 fd;

	/* kept open, and locked, for good */
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1)
		fatal("%s", path);
	if (flock(fd, LOCK_EX | LOCK_NB) == -1)
		fatalx("another instance is running with the definitions in "
		    "%s", path);
}

/*
 * Whoever owned it before: it has to be ours, or the owner could act for us.
 * But a folder that has something in it already may be somebody else's.
 */
static void
dir_make(const char *path, mode_t mode, uid_t uid, gid_t gid)
{
	struct stat	 st;
	int		 fd;

	if (mkdirs(path, 0700) == -1)
		fatal("cannot make folder %s", path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd == -1 || fstat(fd, &st) == -1)
		fatal("%s", path);
	if (st.st_uid == uid && st.st_gid == gid &&
	    (st.st_mode & 07777) == mode) {
		close(fd);
		return;
	}
	if (!dir_empty(fd) && (st.st_uid != uid || (st.st_mode & 07000)))
		fatalx("%s is there, with something in it, and belongs to uid "
		    "%u, mode %04o: if it is for qemud alone, "
		    "\"chown %u:%u\" and \"chmod %04o\" it", path,
		    st.st_uid, st.st_mode & 07777, uid, gid, mode);
	if (fchown(fd, uid, gid) == -1)
		fatal("%s: cannot give it to uid %u", path, uid);
	if (fchmod(fd, mode) == -1)
		fatal("%s: cannot set its mode to %04o", path, mode);
	close(fd);
}

static int
dir_empty(int fd)
{
	struct dirent	*de;
	DIR		*dir;
	int		 empty = 1, copy;

	if ((copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) ==
	    -1 || (dir = fdopendir(copy)) == NULL)
		return (0);
	while ((de = readdir(dir)) != NULL)
		if (strcmp(de->d_name, ".") != 0 &&
		    strcmp(de->d_name, "..") != 0)
			empty = 0;
	closedir(dir);
	return (empty);
}

/* path, with that mode if it is new; what is above it is open to all. */
static int
mkdirs(const char *path, mode_t mode)
{
	char	*copy, *p;
	int	 ret = 0;

	if ((copy = strdup(path)) == NULL)
		return (-1);
	for (p = copy + 1; (p = strchr(p, '/')) != NULL; *p++ = '/') {
		*p = '\0';
		if (mkdir(copy, 0700) == 0)
			chmod(copy, 0755);
		else if (errno != EEXIST) {
			ret = -1;
			break;
		}
	}
	if (ret == 0 && mkdir(copy, 0700) == 0)
		ret = chmod(copy, mode);
	else if (errno != EEXIST)
		ret = -1;
	free(copy);
	return (ret);
}

void
instance_lock(struct env *env)
{
	char	*path, pid[32] = "";
	ssize_t	 n;

	if (asprintf(&path, "%s/lock", env->conf->dirs[DIR_RUN].path) == -1)
		fatal(NULL);
	if (mkdirs(env->conf->dirs[DIR_RUN].path, 0700) == -1)
		fatal("cannot make folder %s", env->conf->dirs[DIR_RUN].path);
	lock_fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (lock_fd == -1)
		fatal("%s", path);
	if (flock(lock_fd, LOCK_EX | LOCK_NB) == -1) {
		if (errno != EWOULDBLOCK)
			fatal("%s", path);
		if ((n = read(lock_fd, pid, sizeof(pid) - 1)) > 0)
			pid[strcspn(pid, "\n")] = '\0';
		fatalx("another instance is running here: %s is locked%s%s",
		    path, n > 0 ? " by process " : "", n > 0 ? pid : "");
	}
	free(path);
}

void
instance_pid(void)
{
	if (ftruncate(lock_fd, 0) == -1 || lseek(lock_fd, 0, SEEK_SET) == -1 ||
	    dprintf(lock_fd, "%d\n", (int)getpid()) < 0)
		log_warn("cannot write the pid into the lock file");
}

int
sockets_bind(struct conf *conf, int patience_ms)
{
	static const struct timespec	 soon = { 0, 10 * 1000 * 1000 };
	static unsigned int		 lastid;
	struct conf_listen		*l;
	int				 ret = 0;

	TAILQ_FOREACH(l, &conf->listens, entry) {
		if (l->fd != -1)
			continue;
		for (;;) {
			l->fd = socket_bind(l);
			if (l->fd != -1 || errno != EADDRINUSE ||
			    patience_ms <= 0)
				break;
			nanosleep(&soon, NULL);
			patience_ms -= 10;
		}
		if (l->fd == -1) {
			log_warn("cannot listen on %s", l->path);
			ret = -1;
		} else
			l->id = ++lastid;
	}
	return (ret);
}

static int
socket_bind(struct conf_listen *l)
{
	struct sockaddr_un	 sun = { .sun_family = AF_UNIX };
	char			*slash;
	mode_t			 old;
	int			 fd, ret;

	strlcpy(sun.sun_path, l->path, sizeof(sun.sun_path));
	slash = strrchr(sun.sun_path, '/');
	*slash = '\0';
	ret = sun.sun_path[0] == '\0' ? 0 : mkdirs(sun.sun_path, 0755);
	*slash = '/';
	if (ret == -1 || !socket_stale(&sun))
		return (-1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return (-1);
	/* nobody else until owner and mode are right */
	old = umask(0177);
	ret = bind(fd, (struct sockaddr *)&sun, sizeof(sun));
	umask(old);
	if (ret == -1 || socket_mode(l) == -1 || listen(fd, SOMAXCONN) == -1) {
		ret = errno;
		close(fd);
		errno = ret;
		return (-1);
	}
	return (fd);
}

/*
 * Nothing is there, or the socket of somebody who has ended, which is then
 * removed.  Else 0 with errno.
 */
static int
socket_stale(const struct sockaddr_un *sun)
{
	struct stat	 st;
	int		 fd, ret;

	if (lstat(sun->sun_path, &st) == -1)
		return (errno == ENOENT);
	if (!S_ISSOCK(st.st_mode)) {
		errno = EEXIST;
		return (0);
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return (0);
	ret = connect(fd, (const struct sockaddr *)sun, sizeof(*sun));
	if (ret == -1 && errno == ECONNREFUSED) {
		close(fd);
		return (unlink(sun->sun_path) == 0);
	}
	close(fd);
	errno = EADDRINUSE;
	return (0);
}

/* Its mode last: until then it is as closed as it was before. */
static int
socket_mode(const struct conf_listen *l)
{
	if (lchown(l->path, l->uid != (uid_t)-1 ? l->uid : geteuid(),
	    l->gid != (gid_t)-1 ? l->gid : getegid()) == -1)
		return (-1);
	return (chmod(l->path, l->mode));
}

void
sockets_modes(const struct conf *conf)
{
	struct conf_listen	*l;

	TAILQ_FOREACH(l, &conf->listens, entry)
		if (l->fd != -1 && socket_mode(l) == -1)
			log_warn("%s", l->path);
}

void
sockets_unlink(const struct conf *conf)
{
	struct conf_listen	*l;

	TAILQ_FOREACH(l, &conf->listens, entry)
		if (l->fd != -1 && unlink(l->path) == -1 && errno != ENOENT)
			log_warn("%s", l->path);
}
