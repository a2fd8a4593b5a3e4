/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * VNC: clients are accepted here, and QEMU, which could not listen, gets
 * each one's connection.  Nothing is read from a client.
 */

#include <sys/socket.h>

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "imsg/log.h"
#include "monitord/monitord.h"

#define ACCEPT_PAUSE_MS		1000	/* no descriptors left */

static const struct rate_limit	sessions_limit = { 10, 32 };

struct listener {
	TAILQ_ENTRY(listener)	 entry;
	struct guest		*guest;
	int			 fd;
	struct event		 rd;
	struct event		 retry;
	struct rate		 rate;
	struct rate		 alarms;
};

static void	listener_readable(int, short, void *);
static void	listener_retried(int, short, void *);
static void	listener_pause(struct listener *, unsigned int);
static void	listener_free(struct listener *);

void
listener_add(struct guest *g, int fd)
{
	struct listener	*l;

	if (g->nlisteners >= LISTENERS_MAX || !fd_spare(fd) ||
	    !fd_is_listener(fd) || fd_nonblock(fd) == -1) {
		log_warnx("guest %s: VNC socket refused", g->name);
		close(fd);
		return;
	}
	if ((l = calloc(1, sizeof(*l))) == NULL) {
		log_warn("guest %s", g->name);
		close(fd);
		return;
	}
	l->guest = g;
	l->fd = fd;
	event_assign(&l->rd, env.proc.base, fd, EV_READ | EV_PERSIST,
	    listener_readable, l);
	event_assign(&l->retry, env.proc.base, -1, 0, listener_retried, l);
	TAILQ_INSERT_TAIL(&g->listeners, l, entry);
	g->nlisteners++;
	listeners_accept(g);
}

void
listeners_accept(struct guest *g)
{
	struct listener	*l;

	if (g->state != GST_READY || g->sessions >= VNC_SESSIONS_MAX)
		return;
	TAILQ_FOREACH(l, &g->listeners, entry)
		if (!event_pending(&l->retry, EV_TIMEOUT, NULL))
			event_add(&l->rd, NULL);
}

void
listeners_clear(struct guest *g)
{
	struct listener	*l;

	while ((l = TAILQ_FIRST(&g->listeners)) != NULL)
		listener_free(l);
}

static void
listener_free(struct listener *l)
{
	TAILQ_REMOVE(&l->guest->listeners, l, entry);
	l->guest->nlisteners--;
	event_del(&l->rd);
	event_del(&l->retry);
	close(l->fd);
	free(l);
}

/* One client at a time: others have their turn. */
static void
listener_readable(int fd, short what, void *arg)
{
	struct listener	*l = arg;
	struct guest	*g = l->guest;
	int		 s, error, blocks;

	if (g->sessions >= VNC_SESSIONS_MAX) {
		event_del(&l->rd);	/* until one of them is done */
		return;
	}
	if (!rate_take(&l->rate, &sessions_limit, 1)) {
		listener_pause(l, TICK_MS);
		return;
	}
	guard_begin();
	s = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	error = errno;
	blocks = guard_end(fd, &l->alarms);
	if (blocks) {
		log_warnx("guest %s: its VNC socket blocks: closed", g->name);
		if (s != -1)
			close(s);
		listener_free(l);
		return;
	}
	if (s == -1) {
		if (error == EMFILE || error == ENFILE || error == ENOBUFS ||
		    error == ENOMEM)
			listener_pause(l, ACCEPT_PAUSE_MS);
		return;
	}
	if (!fd_spare(s)) {
		log_warnx("guest %s: too many descriptors for another VNC "
		    "client", g->name);
		close(s);
		listener_pause(l, ACCEPT_PAUSE_MS);
		return;
	}
	op_session(g, s);
}

static void
listener_pause(struct listener *l, unsigned int ms)
{
	const struct timeval	tv = { ms / 1000, ms % 1000 * 1000 };

	event_del(&l->rd);
	event_add(&l->retry, &tv);
}

static void
listener_retried(int fd, short what, void *arg)
{
	struct listener	*l = arg;

	listeners_accept(l->guest);
}
