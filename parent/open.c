/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * Opens images for qemud.  The path comes from a domain's XML, so it is
 * resolved beneath a folder that the configuration names, and the kernel
 * refuses every way out of it.  What is opened is looked at before it is
 * opened for real: opening a FIFO blocks, opening some devices acts.
 */

#include <sys/stat.h>
#include <sys/syscall.h>

#include <linux/openat2.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "parent/parent.h"

#define SHOWN	"1024"		/* bytes of a path, so that the reason fits */

static int	resolve(const struct conf *, const struct conf_path *,
		    const char *);

int
image_open(const struct conf *conf, const char *path, int writable, char *why,
    size_t whysize)
{
	const struct conf_path	*dir;
	const char		*wrong;
	struct stat		 st;
	char			 self[32];
	int			 where, fd, saved;

	if ((wrong = conf_path_wrong(path)) != NULL) {
		snprintf(why, whysize, "%." SHOWN "s: %s; a path must be "
		    "absolute, without \".\", \"..\" or \"//\"", path, wrong);
		errno = EINVAL;
		return (-1);
	}
	if ((dir = conf_files_find(conf, path)) == NULL) {
		snprintf(why, whysize, "%." SHOWN "s: no \"files in\" line of "
		    "the configuration has a folder that it is in; lines of "
		    "your own replace the default ones", path);
		errno = EACCES;
		return (-1);
	}
	if (writable && dir->readonly) {
		snprintf(why, whysize, "%." SHOWN "s: the configuration says "
		    "that files in %s are read-only", path, dir->path);
		errno = EROFS;
		return (-1);
	}
	if ((where = resolve(conf, dir, path)) == -1) {
		snprintf(why, whysize, "%." SHOWN "s: %s", path, errno == ELOOP ?
		    "a symbolic link is on the way to it" : strerror(errno));
		return (-1);
	}
	if (fstat(where, &st) == -1 ||
	    (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))) {
		snprintf(why, whysize, "%." SHOWN "s: is neither a regular file nor a "
		    "block device", path);
		close(where);
		errno = EINVAL;
		return (-1);
	}
	snprintf(self, sizeof(self), "/proc/self/fd/%d", where);
	fd = open(self, (writable ? O_RDWR : O_RDONLY) | O_NONBLOCK |
	    O_NOCTTY | O_CLOEXEC);
	saved = errno;
	close(where);
	if (fd == -1)
		snprintf(why, whysize, "%." SHOWN "s: %s", path, strerror(saved));
	else	/* it is for QEMU, which expects it to block */
		fcntl(fd, F_SETFL, 0);
	errno = saved;
	return (fd);
}

/* An O_PATH descriptor of path, which lies textually in dir. */
static int
resolve(const struct conf *conf, const struct conf_path *dir, const char *path)
{
	struct open_how	 how = { 0 };
	const char	*rest;
	int		 dirfd, fd, saved;

	dirfd = open(dir->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dirfd == -1)
		return (-1);
	rest = path + strlen(dir->path);
	rest += strspn(rest, "/");
	how.flags = O_PATH | O_CLOEXEC;
	how.resolve = RESOLVE_NO_MAGICLINKS;
	/* in a session the user's own rights are all that there is */
	if (!conf->session)
		how.resolve |= RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
	fd = syscall(SYS_openat2, dirfd, rest, &how, sizeof(how));
	saved = errno;
	close(dirfd);
	errno = saved;
	return (fd);
}
