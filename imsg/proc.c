/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "imsg/log.h"
#include "imsg/proc.h"

static void	proc_parent_gone(struct chan *);
static void	proc_child(const struct proc_spec *)
		    __attribute__((noreturn));

void
proc_init(struct proc *p, const char *name, int argc, char **argv,
    const struct msg_handler *from_parent, void *owner)
{
	extern char	**environ;

	log_init(name, 1);
	if (argc != 1)
		fatalx("is started by qemud-parent, not by hand");
	setproctitle_init(argc, argv, environ);
	signal(SIGPIPE, SIG_IGN);
	/* a terminal's Ctrl-C is for the parent, which ends us in order */
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	if (fcntl(PROC_CHANNEL_FD, F_GETFD) == -1)
		fatalx("is started by qemud-parent, not by hand");
	fcntl(PROC_CHANNEL_FD, F_SETFD, FD_CLOEXEC);
	if ((p->base = event_base_new()) == NULL ||
	    event_base_priority_init(p->base, PROC_PRIORITIES) == -1)
		fatalx("event_base_new");
	p->parent = chan_new(p->base, PROC_CHANNEL_FD, "parent", from_parent,
	    owner, proc_parent_gone);
	if (p->parent == NULL || chan_set_priority(p->parent, 0) == -1)
		fatal("channel to the parent");
}

/* The owner's first member is its struct proc. */
int
proc_on_setup(struct chan *c, void *arg, int fd)
{
	struct proc		*p = chan_owner(c);
	struct msg_setup	*m = arg;
	const char		*name;

	if (p->have_setup || m->role <= ROLE_PARENT || m->role >= ROLE_COUNT)
		return (-1);
	p->setup = *m;
	if ((p->setup.root = strdup(m->root)) == NULL)
		fatal(NULL);
	p->have_setup = 1;
	name = msg_role_name(m->role);
	log_init(name, m->to_stderr);
	log_setverbose(m->verbose);
	setproctitle("-%s%s", name, m->session ? " (session)" : "");
	return (0);
}

int
proc_on_verbose(struct chan *c, void *arg, int fd)
{
	struct msg_verbose	*m = arg;

	log_setverbose(m->level);
	return (0);
}

void
proc_ready(struct proc *p)
{
	p->ready = 1;
	chan_send(p->parent, MSG_READY, NULL, NULL, -1);
}

static void
proc_parent_gone(struct chan *c)
{
	log_debug("the parent is gone");
	exit(0);
}

void
proc_run(struct proc *p)
{
	if (event_base_dispatch(p->base) == -1)
		fatalx("event loop");
	exit(0);
}

int
proc_socketpair(int fds[2])
{
	return (socketpair(AF_UNIX,
	    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds));
}

pid_t
proc_spawn(const struct proc_spec *spec, int *pidfd)
{
	pid_t	 pid;
	int	 saved;

	*pidfd = -1;
	pid = fork();
	if (pid == 0)
		proc_child(spec);
	saved = errno;
	close(spec->channel);
	errno = saved;
	if (pid == -1)
		return (-1);
	/* the pid cannot be another process yet: only we reap it */
	*pidfd = syscall(SYS_pidfd_open, pid, 0);
	return (pid);
}

static void
proc_child(const struct proc_spec *spec)
{
	static char	 path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
	static char	*env[] = { path, NULL };
	sigset_t	 none;
	int		 null, out, sig;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	if ((null = open("/dev/null", O_RDWR | O_CLOEXEC)) == -1)
		_exit(126);
	out = spec->out == -1 ? null : spec->out;
	if (dup2(null, STDIN_FILENO) == -1 ||
	    (out != STDOUT_FILENO && dup2(out, STDOUT_FILENO) == -1) ||
	    (out != STDERR_FILENO && dup2(out, STDERR_FILENO) == -1))
		_exit(126);
	if (spec->channel == PROC_CHANNEL_FD) {
		if (fcntl(PROC_CHANNEL_FD, F_SETFD, 0) == -1)
			_exit(126);
	} else if (dup2(spec->channel, PROC_CHANNEL_FD) == -1)
		_exit(126);
	if (syscall(SYS_close_range, PROC_CHANNEL_FD + 1, ~0U, 0) == -1)
		_exit(126);
	if (spec->tied && prctl(PR_SET_PDEATHSIG, SIGKILL) == -1)
		_exit(126);
	if (spec->drop && (setgroups(0, NULL) == -1 ||
	    setresgid(spec->gid, spec->gid, spec->gid) == -1 ||
	    setresuid(spec->uid, spec->uid, spec->uid) == -1))
		_exit(126);
	execve(spec->path, spec->argv, env);
	dprintf(STDERR_FILENO, "uid %u cannot run %s: %s\n", geteuid(),
	    spec->path, strerror(errno));
	_exit(127);
}
