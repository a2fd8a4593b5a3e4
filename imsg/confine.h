/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * How a process gives up its rights, for good.
 */

#ifndef CONFINE_H
#define CONFINE_H

#include <sys/types.h>

#include "imsg/msg.h"

/* A folder that stays usable, through the descriptor that the process has. */
struct confine_dir {
	int	fd;
	int	writable;	/* create, write, rename, remove below it */
};

/*
 * Becomes uid and gid without supplementary groups, with setup->root as root
 * (system instance); then in both instances: not dumpable, no new
 * privileges, no file system but dirs (Landlock, where the kernel has it),
 * and none but the listed system calls (-1 ends the list), for which the
 * kernel ends the process otherwise.  Any failure is fatal, except that a
 * kernel without Landlock is logged.
 */
void	confine(const struct msg_setup *, const struct confine_dir *dirs,
	    size_t ndirs, const int *syscalls);

#endif /* CONFINE_H */
