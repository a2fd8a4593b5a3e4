/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * Starting the session instance: qemud-parent -S goes into the background
 * when its sockets are there.  What it says until then arrives through a
 * pipe, whose end is also the sign that it has done so or has given up.
 */

#include <sys/types.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/client.h"

static int	 parent_find(char *, size_t);
static int	 parent_spawn(struct qemud *, const char *, int);
static int	 spawn_setup(posix_spawn_file_actions_t *,
		    posix_spawnattr_t *, int);
static int	 said_read(struct qemud *);
static void	 starter_wait(struct qemud *);

extern char	**environ;

/* Runs it.  If that cannot be, the connection fails. */
void
session_start(struct qemud *q)
{
	char	 path[PATH_MAX];
	int	 p[2], error;

	q->started = 1;
	if (parent_find(path, sizeof(path)) == -1) {
		client_fail(q, RPCE_NO_CONNECT, "cannot connect to %s: it does "
		    "not run, and cannot be started\n"
		    "there is no qemud-parent beside this program or in PATH",
		    q->target.name);
		return;
	}
	if (pipe2(p, O_CLOEXEC) == -1) {
		client_fail(q, RPCE_NO_CONNECT, "cannot start %s: %s",
		    q->target.name, strerror(errno));
		return;
	}
	fcntl(p[0], F_SETFL, O_NONBLOCK);
	error = parent_spawn(q, path, p[1]);
	close(p[1]);
	if (error != 0) {
		close(p[0]);
		client_fail(q, RPCE_NO_CONNECT, "cannot start %s: %s: %s",
		    q->target.name, path, strerror(error));
		return;
	}
	q->fd = p[0];
	q->stage = STAGE_STARTING;
	q->deadline = now_ms() + START_TIMEOUT_MS;
}

/*
 * As installed: PREFIX/bin/this and PREFIX/sbin/qemud-parent.  A program of
 * somebody else's finds it where commands are.
 */
static int
parent_find(char *path, size_t size)
{
	char		 exe[PATH_MAX], *slash;
	const char	*env, *p;
	ssize_t		 n;
	size_t		 len;
	int		 up;

	n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	exe[n > 0 ? n : 0] = '\0';
	for (up = 0; up < 2; up++)
		if ((slash = strrchr(exe, '/')) != NULL)
			*slash = '\0';
	if ((size_t)snprintf(path, size, "%s/sbin/qemud-parent", exe) < size &&
	    access(path, X_OK) == 0)
		return (0);
	if ((env = secure_getenv("PATH")) == NULL)
		env = "";
	if ((size_t)snprintf(exe, sizeof(exe), "%s:/usr/local/sbin:/usr/sbin",
	    env) >= sizeof(exe))
		return (-1);
	for (p = exe; *p != '\0'; p += len + (p[len] != '\0')) {
		len = strcspn(p, ":");
		if (*p == '/' && (size_t)snprintf(path, size,
		    "%.*s/qemud-parent", (int)len, p) < size &&
		    access(path, X_OK) == 0)
			return (0);
	}
	return (-1);
}

/* fd is where it complains.  0 or an errno. */
static int
parent_spawn(struct qemud *q, const char *path, int fd)
{
	posix_spawn_file_actions_t	 actions;
	posix_spawnattr_t		 attr;
	char				 name[] = "qemud-parent", opt[] = "-S";
	char				*argv[] = { name, opt, NULL };
	int				 error;

	if ((error = posix_spawn_file_actions_init(&actions)) != 0)
		return (error);
	if ((error = posix_spawnattr_init(&attr)) == 0) {
		if ((error = spawn_setup(&actions, &attr, fd)) == 0)
			error = posix_spawn(&q->starter, path, &actions,
			    &attr, argv, environ);
		posix_spawnattr_destroy(&attr);
	}
	posix_spawn_file_actions_destroy(&actions);
	return (error);
}

/*
 * It lives longer than this program: no descriptor of ours, no signal
 * handled as only we want it.
 */
static int
spawn_setup(posix_spawn_file_actions_t *actions, posix_spawnattr_t *attr,
    int fd)
{
	sigset_t	 none, all;
	int		 error;

	sigemptyset(&none);
	sigfillset(&all);
	if ((error = posix_spawn_file_actions_adddup2(actions, fd,
	    STDERR_FILENO)) != 0 ||
	    (error = posix_spawn_file_actions_addopen(actions, STDIN_FILENO,
	    "/dev/null", O_RDWR, 0)) != 0 ||
	    (error = posix_spawn_file_actions_addopen(actions, STDOUT_FILENO,
	    "/dev/null", O_RDWR, 0)) != 0 ||
	    (error = posix_spawn_file_actions_addclosefrom_np(actions,
	    STDERR_FILENO + 1)) != 0 ||
	    (error = posix_spawnattr_setsigmask(attr, &none)) != 0 ||
	    (error = posix_spawnattr_setsigdefault(attr, &all)) != 0)
		return (error);
	return (posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGMASK |
	    POSIX_SPAWN_SETSIGDEF));
}

void
session_step(struct qemud *q)
{
	if (q->fd != -1 && said_read(q)) {
		close(q->fd);
		q->fd = -1;
	}
	if (q->fd == -1)
		starter_wait(q);
	if (q->stage == STAGE_STARTING && now_ms() >= q->deadline)
		client_fail(q, RPCE_NO_CONNECT, "cannot start %s: qemud-parent "
		    "has not finished in %d s\n%s", q->target.name,
		    START_TIMEOUT_MS / 1000, q->said);
}

/* 1: it has no more to say. */
static int
said_read(struct qemud *q)
{
	char	 buf[512];
	ssize_t	 n;
	size_t	 room;

	while ((n = read(q->fd, buf, sizeof(buf))) > 0) {
		room = sizeof(q->said) - 1 - q->saidlen;
		if ((size_t)n > room)
			n = room;
		memcpy(q->said + q->saidlen, buf, n);
		q->saidlen += n;
		q->said[q->saidlen] = '\0';
	}
	return (n == 0 || (errno != EAGAIN && errno != EINTR));
}

/*
 * The end of the pipe is at most a moment before that of the process.  If it
 * failed, another client may have started an instance at the same time, so we
 * try to connect in any case; connect_try() knows what was said.  A program
 * that waits for all of its children itself may have taken its status.
 */
static void
starter_wait(struct qemud *q)
{
	int64_t	 now = now_ms();
	int	 status = 0;
	pid_t	 pid;

	pid = waitpid(q->starter, &status, WNOHANG);
	if (pid == 0 || (pid == -1 && errno == EINTR)) {
		q->retry_at = now + CONNECT_RETRY_MS;
		return;
	}
	q->starter = 0;
	if (pid != -1 && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		q->saidlen = 0;		/* just warnings */
	while (q->saidlen > 0 && q->said[q->saidlen - 1] == '\n')
		q->saidlen--;
	q->said[q->saidlen] = '\0';
	q->stage = STAGE_RETRY;
	q->retry_at = now;
	q->deadline = now + STARTED_TIMEOUT_MS;
}

/*
 * It runs on if the connection is closed meanwhile.
 * XXX if it has not ended yet, it is a zombie later, until this program ends
 */
void
session_end(struct qemud *q)
{
	if (q->starter != 0)
		waitpid(q->starter, NULL, WNOHANG);
	q->starter = 0;
}
