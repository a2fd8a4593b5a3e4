/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * The order of calls on one guest.  One that changes it works alone; others
 * that change it wait, and so does whatever the same client asks of this
 * guest after a call of its own that has not been answered.  What only looks
 * is answered at once for everybody else: nobody waits for another's slow
 * call.
 */

#include <stdlib.h>

#include "imsg/log.h"
#include "qemud/qemud.h"

/* A call that waits, with what it waits for. */
struct waiting {
	TAILQ_ENTRY(waiting)	 entry;
	struct call		*call;
	int			 write;
	void			(*fn)(struct call *, struct guest *);
};

static int	 job_must_wait(const struct guest *, const struct call *, int);
static int	 same_client(const struct call *, const struct call *);
static void	 job_next(evutil_socket_t, short, void *);

static int
same_client(const struct call *a, const struct call *b)
{
	return (a->role == b->role && a->link == b->link &&
	    a->client == b->client);
}

static int
job_must_wait(const struct guest *g, const struct call *c, int write)
{
	const struct waiting	*w;

	if (g->job != NULL && (write || same_client(g->job, c)))
		return (1);
	TAILQ_FOREACH(w, &g->queue, entry)
		if (write || same_client(w->call, c))
			return (1);
	return (0);
}

void
job_run(struct call *c, struct guest *g, int write,
    void (*fn)(struct call *, struct guest *))
{
	struct waiting	*w;

	if (!job_must_wait(g, c, write)) {
		if (write) {
			c->guest = g;
			g->job = c;
		}
		fn(c, g);
		return;
	}
	if (g->nqueue >= CALLS_PER_GUEST_MAX) {
		call_fail(c, RPCE_OPERATION_TIMEOUT, "%u calls are waiting "
		    "for domain '%s' already", g->nqueue, guest_name(g));
		return;
	}
	if ((w = calloc(1, sizeof(*w))) == NULL)
		fatal(NULL);
	w->call = c;
	w->write = write;
	w->fn = fn;
	TAILQ_INSERT_TAIL(&g->queue, w, entry);
	g->nqueue++;
}

void
job_done(struct call *c)
{
	struct guest	*g = c->guest;

	c->guest = NULL;
	if (g->job != c)
		return;
	g->job = NULL;
	if (TAILQ_EMPTY(&g->queue))
		return;
	/*
	 * Not from here: whoever answers a call may be in the middle of
	 * something, and would find that the next call has changed it.
	 */
	if (g->turn == NULL && (g->turn = event_new(env.proc.base, -1, 0,
	    job_next, g)) == NULL)
		fatalx("event_new");
	event_active(g->turn, EV_TIMEOUT, 0);
}

/* Everything at the head that may run now. */
static void
job_next(evutil_socket_t fd, short what, void *arg)
{
	struct guest	*g = arg;
	struct waiting	*w;

	while (g->job == NULL && (w = TAILQ_FIRST(&g->queue)) != NULL) {
		TAILQ_REMOVE(&g->queue, w, entry);
		g->nqueue--;
		if (w->write) {
			w->call->guest = g;
			g->job = w->call;
		}
		w->fn(w->call, g);
		free(w);
	}
}

void
jobs_fail(struct guest *g, enum rpc_code code, const char *why)
{
	struct waiting	*w;

	while ((w = TAILQ_FIRST(&g->queue)) != NULL) {
		TAILQ_REMOVE(&g->queue, w, entry);
		g->nqueue--;
		call_fail(w->call, code, "%s", why);
		free(w);
	}
}
