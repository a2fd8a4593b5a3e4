/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

#include <sys/prctl.h>
#include <sys/syscall.h>

#include <linux/landlock.h>

#include <errno.h>
#include <grp.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "imsg/confine.h"
#include "imsg/log.h"

#define LANDLOCK_READ	(LANDLOCK_ACCESS_FS_READ_FILE |		\
	LANDLOCK_ACCESS_FS_READ_DIR)
#define LANDLOCK_WRITE	(LANDLOCK_READ |			\
	LANDLOCK_ACCESS_FS_WRITE_FILE |				\
	LANDLOCK_ACCESS_FS_REMOVE_FILE |			\
	LANDLOCK_ACCESS_FS_REMOVE_DIR |				\
	LANDLOCK_ACCESS_FS_MAKE_REG |				\
	LANDLOCK_ACCESS_FS_MAKE_DIR |				\
	LANDLOCK_ACCESS_FS_MAKE_SYM)

/* Each version of Landlock's interface knows this many file rights. */
static const int	 landlock_rights[] = { 0, 13, 14, 15, 15, 16 };
#define LANDLOCK_ABI_MAX	5

static void	confine_user(const struct msg_setup *);
static void	confine_files(const struct confine_dir *, size_t);
static void	confine_syscalls(const int *);

#ifdef SANITIZED
/*
 * What looks for leaks at exit reads /proc and traces the process, so only
 * the user, and the root, are given up; in an empty root it must not try.
 */
static int	 in_empty_root;
int		 __lsan_is_turned_off(void);

int
__lsan_is_turned_off(void)
{
	return (in_empty_root);
}
#endif

void
confine(const struct msg_setup *setup, const struct confine_dir *dirs,
    size_t ndirs, const int *syscalls)
{
	if (!setup->session)
		confine_user(setup);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		fatal("prctl");
#ifdef SANITIZED
	in_empty_root = !setup->session;
	return;
#endif
	if (prctl(PR_SET_DUMPABLE, 0) == -1)
		fatal("prctl");
	confine_files(dirs, ndirs);
	confine_syscalls(syscalls);
}

static void
confine_user(const struct msg_setup *setup)
{
	if (setup->uid == 0 || setup->gid == 0)
		fatalx("must not run as root");
	if (chroot(setup->root) == -1 || chdir("/") == -1)
		fatal("chroot to %s", setup->root);
	if (setgroups(0, NULL) == -1 ||
	    setresgid(setup->gid, setup->gid, setup->gid) == -1 ||
	    setresuid(setup->uid, setup->uid, setup->uid) == -1)
		fatal("cannot become uid %u, gid %u", setup->uid, setup->gid);
	if (setuid(0) != -1)
		fatalx("could become root again");
	/* the change of user has untied it from its parent */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1)
		fatal("prctl");
}

static void
confine_files(const struct confine_dir *dirs, size_t ndirs)
{
	struct landlock_ruleset_attr		 attr = { 0 };
	struct landlock_path_beneath_attr	 rule;
	long					 abi;
	size_t					 i;
	int					 fd;

	abi = syscall(SYS_landlock_create_ruleset, NULL, 0,
	    LANDLOCK_CREATE_RULESET_VERSION);
	if (abi < 1) {
		log_info("this kernel has no Landlock: files are kept from "
		    "this process by its user and its root only");
		return;
	}
	if (abi > LANDLOCK_ABI_MAX)
		abi = LANDLOCK_ABI_MAX;
	attr.handled_access_fs = (1ULL << landlock_rights[abi]) - 1;
	fd = syscall(SYS_landlock_create_ruleset, &attr,
	    sizeof(attr.handled_access_fs), 0);
	if (fd == -1)
		fatal("landlock_create_ruleset");
	for (i = 0; i < ndirs; i++) {
		rule.parent_fd = dirs[i].fd;
		rule.allowed_access = attr.handled_access_fs &
		    (dirs[i].writable ? LANDLOCK_WRITE |
		    1ULL << 14 /* truncate, since version 3 */ :
		    LANDLOCK_READ);
		if (syscall(SYS_landlock_add_rule, fd,
		    LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == -1)
			fatal("landlock_add_rule");
	}
	if (syscall(SYS_landlock_restrict_self, fd, 0) == -1)
		fatal("landlock_restrict_self");
	close(fd);
}

static void
confine_syscalls(const int *list)
{
	scmp_filter_ctx	 ctx;
	int		 error, socket = 0;

	if ((ctx = seccomp_init(SCMP_ACT_KILL_PROCESS)) == NULL)
		fatalx("seccomp_init");
	for (; *list != -1; list++) {
		socket |= *list == SYS_socket;
		if ((error = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, *list,
		    0)) != 0) {
			errno = -error;
			fatal("seccomp rule for call %d", *list);
		}
	}
	/* syslog(3) tries when its socket is dead: it gets none */
	if (!socket && (error = seccomp_rule_add(ctx,
	    SCMP_ACT_ERRNO(EACCES), SYS_socket, 0)) != 0) {
		errno = -error;
		fatal("seccomp rule for socket");
	}
	if ((error = seccomp_load(ctx)) != 0) {
		errno = -error;
		fatal("seccomp_load");
	}
	seccomp_release(ctx);
}
