/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * Runs QEMU: as a session of its own, with /dev/null, our pipe, the
 * descriptors of the plan under the numbers that its arguments say, and
 * nothing else that is ours.
 */

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "imsg/log.h"
#include "launch/launch.h"

/* What the child needs, and where: above what it makes room for. */
struct child {
	const char	 *path;
	char		**argv;
	const int	 *fds;
	int		  nfds;
	int		  null;
	int		  out;
	int		  status;	/* gets an errno value if exec fails */
};

static int	start_child(struct launch *, struct child *);
static int	pipe_above(int [2], int);
static int	fds_above(struct launch *, const struct plan *, int *, int);
static void	child(const struct child *) __attribute__((noreturn));
static void	child_fail(const struct child *) __attribute__((noreturn));

int
start(struct launch *l, const struct plan *p, const char *path)
{
	struct child	 c = { .path = path, .null = -1, .out = -1,
			    .status = -1 };
	u_int		 i, nargs = p->g.args.args_len;
	int		 first, in = -1, out[2] = { -1, -1 }, ret = -1;
	int		*fds = NULL;

	c.nfds = p->g.files.files_len;
	first = PLAN_FD_FIRST + c.nfds;
	c.argv = calloc(nargs + 1, sizeof(*c.argv));
	c.fds = fds = calloc(c.nfds + 1, sizeof(*fds));
	if (c.argv == NULL || fds == NULL) {
		launch_fail(l, errno, "%s", strerror(errno));
		goto out;
	}
	for (i = 0; i < nargs; i++)
		c.argv[i] = p->g.args.args_val[i];
	for (i = 0; i < p->g.files.files_len; i++)
		fds[i] = -1;
	if (fds_above(l, p, fds, first) == -1)
		goto out;
	if ((in = open("/dev/null", O_RDONLY | O_CLOEXEC)) == -1 ||
	    (c.null = fcntl(in, F_DUPFD_CLOEXEC, first)) == -1 ||
	    pipe_above(out, first) == -1 ||
	    fcntl(out[0], F_SETFL, O_NONBLOCK) == -1) {
		launch_fail(l, errno, "cannot start the emulator: %s",
		    strerror(errno));
		goto out;
	}
	c.out = out[1];
	output_command(&l->out, (const char *const *)c.argv, nargs);
	if (start_child(l, &c) == -1)
		goto out;
	if (output_watch(&l->out, l->base, out[0]) == -1)
		log_warn("the emulator's messages are lost");
	out[0] = -1;
	ret = 0;
 out:
	if (in != -1)
		close(in);
	if (c.null != -1)
		close(c.null);
	if (out[0] != -1)
		close(out[0]);
	if (out[1] != -1)
		close(out[1]);
	for (i = 0; fds != NULL && i < p->g.files.files_len; i++)
		if (fds[i] != -1)
			close(fds[i]);
	free(fds);
	free(c.argv);
	return (ret);
}

/* Forks, and waits until the program runs. */
static int
start_child(struct launch *l, struct child *c)
{
	int	 status[2], error = 0;
	ssize_t	 n;

	if (pipe_above(status, PLAN_FD_FIRST + c->nfds) == -1)
		return (launch_fail(l, errno, "cannot start the emulator: %s",
		    strerror(errno)));
	c->status = status[1];
	if ((l->pid = fork()) == 0)
		child(c);
	close(status[1]);
	if (l->pid == -1) {
		close(status[0]);
		return (launch_fail(l, errno, "cannot start the emulator: %s",
		    strerror(errno)));
	}
	while ((n = read(status[0], &error, sizeof(error))) == -1 &&
	    errno == EINTR)
		;
	close(status[0]);
	/* it is not reaped, so it is this process */
	if (n == 0 &&
	    (l->pidfd = syscall(SYS_pidfd_open, l->pid, 0)) == -1) {
		error = errno;
		launch_fail(l, error, "cannot watch the emulator: %s",
		    strerror(error));
		kill(l->pid, SIGKILL);
	} else if (n != 0)
		launch_fail(l, error, "cannot execute %s: %s", c->path,
		    strerror(error));
	else
		return (0);
	waitpid(l->pid, NULL, 0);
	l->pid = -1;
	return (-1);
}

/* Both ends numbered first or above. */
static int
pipe_above(int fds[2], int first)
{
	int	 low[2], i, saved = 0;

	fds[0] = fds[1] = -1;
	if (pipe2(low, O_CLOEXEC) == -1)
		return (-1);
	for (i = 0; i < 2; i++) {
		if ((fds[i] = fcntl(low[i], F_DUPFD_CLOEXEC, first)) == -1)
			saved = errno;
		close(low[i]);
	}
	if (saved == 0)
		return (0);
	for (i = 0; i < 2; i++)
		if (fds[i] != -1)
			close(fds[i]);
	fds[0] = fds[1] = -1;
	errno = saved;
	return (-1);
}

/* Duplicates that are out of the way of the numbers they are going to. */
static int
fds_above(struct launch *l, const struct plan *p, int *fds, int first)
{
	u_int	 i;

	for (i = 0; i < p->g.files.files_len; i++) {
		fds[i] = fcntl(p->fds[i], F_DUPFD_CLOEXEC, first);
		if (fds[i] == -1)
			return (launch_fail(l, errno, "%s: %s",
			    p->g.files.files_val[i].key, strerror(errno)));
	}
	return (0);
}

static void
child(const struct child *c)
{
	static char		 path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
				 home[] = "HOME=/", lang[] = "LANG=C";
	char			*env[] = { path, home, lang, NULL };
	const struct rlimit	 none = { 0, 0 };
	sigset_t		 set;
	int			 i;

	setsid();
	for (i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	sigemptyset(&set);
	sigprocmask(SIG_SETMASK, &set, NULL);
	umask(077);
	if (chdir("/") == -1 || setrlimit(RLIMIT_CORE, &none) == -1 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		child_fail(c);
	if (dup2(c->null, STDIN_FILENO) == -1 ||
	    dup2(c->out, STDOUT_FILENO) == -1 ||
	    dup2(c->out, STDERR_FILENO) == -1)
		child_fail(c);
	for (i = 0; i < c->nfds; i++)
		if (dup2(c->fds[i], PLAN_FD_FIRST + i) == -1)
			child_fail(c);
	/* status must stay until exec; the rest goes with it */
	if (syscall(SYS_close_range, PLAN_FD_FIRST + c->nfds, c->status - 1,
	    0) == -1 ||
	    syscall(SYS_close_range, c->status + 1, ~0U, 0) == -1)
		child_fail(c);
	execve(c->path, c->argv, env);
	child_fail(c);
}

static void
child_fail(const struct child *c)
{
	int	 error = errno;

	if (write(c->status, &error, sizeof(error)) == -1)
		_exit(126);
	_exit(127);
}
