/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * Listening sockets.  They come from the parent, at any time.  Nobody is
 * accepted before we are confined, and while there is no qemud; then clients
 * wait in the backlog.
 */

#include <sys/types.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "imsg/log.h"
#include "netd/netd.h"

struct listener {
	TAILQ_ENTRY(listener)	 entry;
	struct event		*ev;
	char			*path;		/* for messages */
	unsigned int		 id;
	int			 fd;
	int			 open;		/* ev is added */
};

static struct listener	*listener_find(unsigned int);
static void		 listener_free(struct listener *);
static void		 listener_accept(int, short, void *);
static void		 listen_pause(void);
static void		 listen_resume(int, short, void *);

static TAILQ_HEAD(, listener)	 listeners =
				    TAILQ_HEAD_INITIALIZER(listeners);
static struct event		*pause_timer;	/* NULL: not paused */

int
listen_add(struct chan *parent, void *arg, int fd)
{
	struct msg_listener	*m = arg;
	struct listener		*l;
	int			 flags;

	if (listener_find(m->id) != NULL ||
	    (flags = fcntl(fd, F_GETFL)) == -1 ||
	    fcntl(fd, F_SETFL, flags | O_NONBLOCK) == -1) {
		close(fd);
		return (-1);
	}
	if ((l = calloc(1, sizeof(*l))) == NULL ||
	    (l->path = strdup(m->path)) == NULL ||
	    (l->ev = event_new(env->proc.base, fd, EV_READ | EV_PERSIST,
	    listener_accept, l)) == NULL)
		fatal("listener %s", m->path);
	l->id = m->id;
	l->fd = fd;
	TAILQ_INSERT_TAIL(&listeners, l, entry);
	log_debug("%s: listening", l->path);
	listen_update();
	return (0);
}

int
listen_remove(struct chan *parent, void *arg, int fd)
{
	struct msg_listener_close	*m = arg;
	struct listener			*l;

	if ((l = listener_find(m->id)) == NULL)
		return (-1);
	log_debug("%s: closed", l->path);
	listener_free(l);
	return (0);
}

void
listen_update(void)
{
	struct listener	*l;
	int		 want;

	want = env->proc.ready && env->qemud != NULL && pause_timer == NULL;
	TAILQ_FOREACH(l, &listeners, entry) {
		if (l->open == want)
			continue;
		l->open = want;
		if (want)
			event_add(l->ev, NULL);
		else
			event_del(l->ev);
	}
}

static struct listener *
listener_find(unsigned int id)
{
	struct listener	*l;

	TAILQ_FOREACH(l, &listeners, entry)
		if (l->id == id)
			return (l);
	return (NULL);
}

static void
listener_free(struct listener *l)
{
	TAILQ_REMOVE(&listeners, l, entry);
	event_free(l->ev);
	close(l->fd);
	free(l->path);
	free(l);
}

static void
listener_accept(int fd, short what, void *arg)
{
	struct listener	*l = arg;
	int		 s, n;

	/* those who are gone make room first: behind all that is ready now */
	if (what & EV_READ) {
		event_active(l->ev, 0, 0);
		return;
	}
	netd_turns();
	for (n = 0; n < ACCEPT_BURST; n++) {
		s = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (s != -1) {
			client_new(s);
			continue;
		}
		if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
			return;
		log_warn("%s: accept", l->path);
		listen_pause();
		return;
	}
}

/* No descriptors or no memory: trying again at once would only spin. */
static void
listen_pause(void)
{
	const struct timeval	 tv = { ACCEPT_PAUSE_S, 0 };

	pause_timer = evtimer_new(env->proc.base, listen_resume, NULL);
	if (pause_timer == NULL)
		fatalx("timer");
	evtimer_add(pause_timer, &tv);
	listen_update();
}

static void
listen_resume(int fd, short what, void *arg)
{
	event_free(pause_timer);
	pause_timer = NULL;
	listen_update();
}
