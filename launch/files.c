/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * The files of a guest: opened (when nobody has done so for us), looked at,
 * and locked in the way that QEMU and qemu-img understand.
 *
 * QEMU says what it does with an image by shared locks on single bytes of
 * it: byte 100 + n is locked by who needs right n, byte 200 + n by who does
 * not want others to have right n.  We run it with locking=off, as locks
 * that it takes itself and descriptors that it is given do not go together,
 * and take the same locks before it starts, on the descriptors that it
 * inherits.  They belong to the open file, so they last exactly as long as
 * QEMU, whatever happens to us.
 */

#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "launch/launch.h"

#define LOCK_NEED		100
#define LOCK_REFUSE		200
#define RIGHT_READ		0	/* consistent data */
#define RIGHT_WRITE		1
#define RIGHT_RESIZE		3

#define COPY_MAX_BYTES		(1024 * 1024 * 1024)

static int	 file_check(struct launch *, const struct plan_file *, int);
static int	 file_reopenable(int);
static int	 file_copy(struct launch *, const struct plan_file *, int *);
static int	 image_lock(struct launch *, const struct plan_file *, int);
static int	 lock_byte(int, int);
static int	 lock_conflict(int, int);
static int	 emulator_allowed(const struct launch *, const char *);
static const char *
		 disk_name(const struct plan_file *, char *, size_t);

int
files_open(struct launch *l, struct plan *p)
{
	struct plan_file	*f;
	u_int			 i;
	int			 fd;

	for (i = 0; i < p->g.files.files_len; i++) {
		f = &p->g.files.files_val[i];
		if (f->mode == PLAN_LISTEN)
			continue;
		/* without waiting for the other end, should it be a fifo */
		fd = open(f->path, (f->mode == PLAN_RW ? O_RDWR : O_RDONLY) |
		    O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
		if (fd == -1)
			return (launch_fail(l, errno, "%s: cannot open %s%s: "
			    "%s", f->key, f->path, f->mode == PLAN_RW ?
			    " for reading and writing" : "", strerror(errno)));
		p->fds[i] = fd;
		if (fcntl(fd, F_SETFL, 0) == -1)
			return (launch_fail(l, errno, "%s: %s: %s", f->key,
			    f->path, strerror(errno)));
	}
	return (0);
}

int
files_check(struct launch *l, const struct plan *p)
{
	struct plan_file	*f;
	u_int			 i;

	for (i = 0; i < p->g.files.files_len; i++) {
		f = &p->g.files.files_val[i];
		if (f->mode == PLAN_LISTEN)
			continue;
		if (p->fds[i] == -1)
			return (launch_fail(l, 0, "%s: no descriptor came "
			    "with the plan", f->key));
		if (file_check(l, f, p->fds[i]) == -1)
			return (-1);
		if (f->reopened && !file_reopenable(p->fds[i]) &&
		    file_copy(l, f, &p->fds[i]) == -1)
			return (-1);
	}
	return (0);
}

static int
file_check(struct launch *l, const struct plan_file *f, int fd)
{
	struct stat	 st;
	int		 flags;

	if (fstat(fd, &st) == -1 || (flags = fcntl(fd, F_GETFL)) == -1)
		return (launch_fail(l, errno, "%s: %s: %s", f->key, f->path,
		    strerror(errno)));
	if (!(f->regular && S_ISREG(st.st_mode)) &&
	    !(f->block && S_ISBLK(st.st_mode)))
		return (launch_fail(l, EINVAL, "%s: %s is not a regular file"
		    "%s", f->key, f->path, f->block ? " or block device" : ""));
	/* QEMU compares the access mode exactly, and O_PATH has none */
	if ((flags & O_PATH) != 0 ||
	    (flags & O_ACCMODE) != (f->mode == PLAN_RW ? O_RDWR : O_RDONLY))
		return (launch_fail(l, EINVAL, "%s: %s is not open for %s",
		    f->key, f->path, f->mode == PLAN_RW ?
		    "reading and writing" : "reading only"));
	return (0);
}

/* Kernel and initrd are opened by QEMU again, so by our user. */
static int
file_reopenable(int fd)
{
	char	 path[32];
	int	 again;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if ((again = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) == -1)
		return (0);
	close(again);
	return (1);
}

/* Replaces the descriptor by one of a copy in memory, which is ours. */
static int
file_copy(struct launch *l, const struct plan_file *f, int *fd)
{
	const char	*name = f->key;
	struct stat	 st;
	ssize_t		 n;
	off_t		 done = 0;
	int		 copy;

	copy = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (copy == -1 || fstat(*fd, &st) == -1)
		goto fail;
	if (st.st_size > COPY_MAX_BYTES) {
		errno = EFBIG;
		goto fail;
	}
	while ((n = sendfile(copy, *fd, &done, 1 << 24)) > 0)
		if (done > COPY_MAX_BYTES) {
			errno = EFBIG;
			goto fail;
		}
	if (n == -1 || fcntl(copy, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW |
	    F_SEAL_WRITE | F_SEAL_SEAL) == -1)
		goto fail;
	close(*fd);
	*fd = copy;
	return (0);

 fail:
	launch_fail(l, errno, "%s: cannot copy %s into memory: %s", f->key,
	    f->path, strerror(errno));
	if (copy != -1)
		close(copy);
	return (-1);
}

int
files_lock(struct launch *l, const struct plan *p)
{
	struct plan_file	*f;
	u_int			 i;

	for (i = 0; i < p->g.files.files_len; i++) {
		f = &p->g.files.files_val[i];
		if (f->lock && image_lock(l, f, p->fds[i]) == -1)
			return (-1);
	}
	return (0);
}

/*
 * First our locks, then a look at those of others, as QEMU does: of two who
 * start at the same moment at least one sees the other.
 */
static int
image_lock(struct launch *l, const struct plan_file *f, int fd)
{
	static const int	 need_rw[] = { RIGHT_READ, RIGHT_WRITE,
				    RIGHT_RESIZE };
	static const int	 refuse[] = { RIGHT_WRITE, RIGHT_RESIZE };
	char			 disk[PLAN_KEY_MAX + 1];
	size_t			 i, nneed = f->mode == PLAN_RW ? 3 : 1;
	int			 other;

	for (i = 0; i < nneed; i++)
		if (lock_byte(fd, LOCK_NEED + need_rw[i]) == -1)
			goto fail;
	for (i = 0; i < 2; i++)
		if (lock_byte(fd, LOCK_REFUSE + refuse[i]) == -1)
			goto fail;
	for (i = 0, other = 0; i < nneed && other == 0; i++)
		other = lock_conflict(fd, LOCK_REFUSE + need_rw[i]);
	for (i = 0; i < 2 && other == 0; i++)
		other = lock_conflict(fd, LOCK_NEED + refuse[i]);
	if (other == 0)
		return (0);
	if (other == 1)
		return (launch_fail(l, EBUSY, "%s: %s is in use by another "
		    "program", disk_name(f, disk, sizeof(disk)), f->path));
 fail:
	if (errno == EAGAIN || errno == EACCES)
		return (launch_fail(l, EBUSY, "%s: %s is in use by another "
		    "program", disk_name(f, disk, sizeof(disk)), f->path));
	return (launch_fail(l, errno, "%s: cannot lock %s: %s",
	    disk_name(f, disk, sizeof(disk)), f->path, strerror(errno)));
}

static int
lock_byte(int fd, int byte)
{
	struct flock	 fl = { .l_type = F_RDLCK, .l_whence = SEEK_SET,
			    .l_start = byte, .l_len = 1 };

	return (fcntl(fd, F_OFD_SETLK, &fl));
}

/* Has somebody else locked it?  -1: cannot say, with errno. */
static int
lock_conflict(int fd, int byte)
{
	struct flock	 fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET,
			    .l_start = byte, .l_len = 1 };

	if (fcntl(fd, F_OFD_GETLK, &fl) == -1)
		return (-1);
	return (fl.l_type != F_UNLCK);
}

/* "disk/vda/0" is called "disk vda". */
static const char *
disk_name(const struct plan_file *f, char *buf, size_t size)
{
	char	*slash;

	strlcpy(buf, f->key, size);
	if ((slash = strchr(buf, '/')) != NULL) {
		*slash++ = ' ';
		if ((slash = strchr(slash, '/')) != NULL)
			*slash = '\0';
	}
	return (buf);
}

char *
files_emulator(struct launch *l, const struct plan *p)
{
	const char	*name;
	char		*path;

	if (p->g.args.args_len == 0) {
		launch_fail(l, EINVAL, "the plan has no emulator");
		return (NULL);
	}
	name = p->g.args.args_val[0];
	if (name[0] != '/') {
		launch_fail(l, EINVAL, "emulator %s is not an absolute path",
		    name);
		return (NULL);
	}
	if ((path = realpath(name, NULL)) == NULL) {
		launch_fail(l, errno, "emulator %s: %s", name,
		    strerror(errno));
		return (NULL);
	}
	if (!emulator_allowed(l, name))
		launch_fail(l, EPERM, "emulator %s is not allowed", name);
	else if (!emulator_allowed(l, path))
		launch_fail(l, EPERM, "emulator %s is not allowed: it is a "
		    "link to %s", name, path);
	else
		return (path);
	free(path);
	return (NULL);
}

static int
emulator_allowed(const struct launch *l, const char *path)
{
	size_t	 i;

	for (i = 0; i < l->nemulators; i++)
		if (fnmatch(l->emulators[i], path, FNM_PATHNAME) == 0)
			return (1);
	return (l->nemulators == 0);
}
