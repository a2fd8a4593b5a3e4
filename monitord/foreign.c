/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * Descriptors that the launcher of a guest has too.  The launcher runs as
 * the guest's user, so it may pass anything: a file whose file system is a
 * process of that user, where each read, and even fstat, waits for as long
 * as that one likes.  Nothing here asks such a file a question.
 */

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/time.h>

#include <fcntl.h>
#include <signal.h>
#include <time.h>

#include "monitord/monitord.h"

#define PTMX_MAJOR	5
#define PTMX_MINOR	2

static int	fd_sockopt(int, int);
static void	guard_alarm(int);

/* How often a busy machine may make a call look as if it had blocked. */
static const struct rate_limit	guard_limit = { 1, 10 };

static volatile sig_atomic_t	guard_fired;

/* A socket's option, -1 if it is no socket: the kernel looks no further. */
static int
fd_sockopt(int fd, int option)
{
	socklen_t	len = sizeof(int);
	int		val;

	if (getsockopt(fd, SOL_SOCKET, option, &val, &len) == -1)
		return (-1);
	return (val);
}

int
fd_is_stream(int fd)
{
	return (fd_sockopt(fd, SO_DOMAIN) == AF_UNIX &&
	    fd_sockopt(fd, SO_TYPE) == SOCK_STREAM &&
	    fd_sockopt(fd, SO_ACCEPTCONN) == 0);
}

int
fd_is_listener(int fd)
{
	return (fd_sockopt(fd, SO_TYPE) == SOCK_STREAM &&
	    fd_sockopt(fd, SO_ACCEPTCONN) == 1);
}

int
fd_is_pty(int fd)
{
	struct statx	st;

	/* what the kernel has cached of it, without asking a file system */
	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE,
	    &st) == -1)
		return (0);
	return (S_ISCHR(st.stx_mode) && st.stx_rdev_major == PTMX_MAJOR &&
	    st.stx_rdev_minor == PTMX_MINOR);
}

int
fd_nonblock(int fd)
{
	int	flags;

	if ((flags = fcntl(fd, F_GETFL)) == -1)
		return (-1);
	return (fcntl(fd, F_SETFL, flags | O_NONBLOCK));
}

int
fd_spare(int fd)
{
	/* the kernel gives the lowest number that is free */
	return (fd < env.fds_max);
}

void
guard_setup(void)
{
	struct sigaction	sa = { .sa_handler = guard_alarm };

	sigemptyset(&sa.sa_mask);
	sigaction(SIGALRM, &sa, NULL);	/* no SA_RESTART: that is the point */
}

static void
guard_alarm(int sig)
{
	guard_fired = 1;
}

void
guard_begin(void)
{
	/* again and again: the first may come just before the call */
	const struct itimerval	it = {
		.it_value.tv_usec = GUARD_MS * 1000,
		.it_interval.tv_usec = GUARD_MS * 1000
	};

	guard_fired = 0;
	setitimer(ITIMER_REAL, &it, NULL);
}

int
guard_end(int fd, struct rate *alarms)
{
	const struct itimerval	off = { 0 };
	int			flags;

	setitimer(ITIMER_REAL, &off, NULL);
	if (!guard_fired)
		return (0);
	flags = fcntl(fd, F_GETFL);
	return (flags == -1 || !(flags & O_NONBLOCK) ||
	    !rate_take(alarms, &guard_limit, 1));
}

uint64_t
now_ms(void)
{
	struct timespec	ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ((uint64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000);
}

int
rate_take(struct rate *r, const struct rate_limit *limit, int64_t n)
{
	uint64_t	now = now_ms();

	if (r->last_ms == 0 || now - r->last_ms > 1000000)
		r->left = limit->burst;
	else {
		/* whole units only; the rest of the time counts again */
		uint64_t	ms = now - r->last_ms;
		int64_t		more = ms * limit->per_second / 1000;

		if (more == 0)
			now = r->last_ms;
		r->left += more;
		if (r->left > limit->burst)
			r->left = limit->burst;
	}
	r->last_ms = now;
	if (r->left <= 0)
		return (0);
	r->left -= n;
	return (1);
}
