/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * libqemud: one connection to a daemon.
 *
 * Trusted with: what its program may do.  Parses: frames of a daemon, which
 * may be hostile; it can make calls fail and say wrong things, and costs at
 * most the memory of one frame and what the bounds in client.h allow.
 *
 *	uri.c connect.c session.c	how the connection comes about
 *	io.c				bytes, frames, signs of life
 *	call.c reply.c			calls, their answers
 *	guest.c				what can be called
 *	stream.c event.c		consoles, events
 *	text.c				words for numbers
 *
 * Functions of the program are called from qemud_dispatch() only, and from
 * qemud_close(); anything that ends while these run is marked, and freed when
 * they are done.
 */

#include <sys/types.h>

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client/client.h"

static void	 client_free(struct qemud *);
static void	 client_closed(struct qemud *);
static void	 sooner(int64_t *, int64_t);

struct qemud *
qemud_open(const char *uri, unsigned int flags)
{
	struct rpc_error	 err;
	struct qemud		*q;

	if ((q = calloc(1, sizeof(*q))) == NULL)
		return (NULL);
	q->flags = flags;
	q->fd = -1;
	q->stage = STAGE_RETRY;
	framer_init(&q->in, FRAME_MAX);
	TAILQ_INIT(&q->out.chunks);
	TAILQ_INIT(&q->held.chunks);
	TAILQ_INIT(&q->calls);
	TAILQ_INIT(&q->ready);
	TAILQ_INIT(&q->streams);
	TAILQ_INIT(&q->subscriptions);
	RB_INIT(&q->map);
	rpc_error_clear(&err);
	if (flags & ~(QEMUD_OPEN_READ_ONLY | QEMUD_OPEN_NO_START))
		client_fail(q, RPCE_INVALID_ARG, "unknown flags 0x%x", flags);
	else if (target_parse(uri, flags & QEMUD_OPEN_READ_ONLY, &q->target,
	    &err) == -1)
		client_fail_error(q, &err);
	else
		connect_try(q);
	return (q);
}

void
qemud_close(struct qemud *q)
{
	int	 save = errno;

	if (q == NULL || q->closing)
		return;
	q->closing = 1;
	q->changed = NULL;
	client_fail(q, RPCE_OPERATION_ABORTED,
	    "this program has closed the connection");
	if (!q->dispatching)
		client_free(q);
	errno = save;
}

/* Everybody who waits is told. */
static void
client_free(struct qemud *q)
{
	q->dispatching = 1;
	client_closed(q);
	streams_reap(q, 1);
	calls_clear(q);
	subscriptions_clear(q);
	session_end(q);
	framer_clear(&q->in);
	outq_clear(&q->out);
	outq_clear(&q->held);
	free(q);
}

int
qemud_fd(const struct qemud *q)
{
	return (qemud_events(q) == 0 ? -1 : q->fd);
}

short
qemud_events(const struct qemud *q)
{
	short	 events = 0;

	if (q->fd == -1)
		return (0);
	if (q->stage == STAGE_STARTING)
		return (POLLIN);
	if (!io_stopped(q))
		events |= POLLIN;
	if (q->out.bytes > 0)
		events |= POLLOUT;
	return (events);
}

static void
sooner(int64_t *t, int64_t other)
{
	if (other != 0 && (*t == 0 || other < *t))
		*t = other;
}

int
qemud_timeout_ms(const struct qemud *q)
{
	int64_t	 t = 0, now;

	if (q->failed || !TAILQ_EMPTY(&q->ready) || streams_due(q) ||
	    (q->left && !io_stopped(q)) ||
	    (q->stage == STAGE_GREETING && !q->greeted))
		return (0);
	if (q->stage == STAGE_STARTING || q->stage == STAGE_RETRY)
		sooner(&t, q->retry_at);
	sooner(&t, q->deadline);
	sooner(&t, io_due(q));
	if (t == 0)
		return (-1);
	now = now_ms();
	return (t <= now ? 0 : t - now);
}

int
qemud_dispatch(struct qemud *q)
{
	if (q->dispatching) {
		errno = EDEADLK;
		return (-1);
	}
	q->dispatching = 1;
	connect_step(q);
	if (q->stage == STAGE_GREETING || q->stage == STAGE_OPEN)
		io_step(q);
	if (q->failed)
		client_closed(q);
	streams_step(q);
	calls_tell(q);
	streams_reap(q, 0);
	q->dispatching = 0;
	if (q->closing) {
		client_free(q);
		errno = ENOTCONN;
		return (-1);
	}
	if (q->stage == STAGE_CLOSED) {
		errno = ENOTCONN;
		return (-1);
	}
	return (0);
}

int
qemud_run(struct qemud *q, int timeout)
{
	struct pollfd	 pfd;
	int		 ms;

	if (q->dispatching) {
		errno = EDEADLK;
		return (-1);
	}
	ms = qemud_timeout_ms(q);
	if (timeout != -1 && (ms == -1 || timeout < ms))
		ms = timeout;
	pfd.fd = qemud_fd(q);
	pfd.events = qemud_events(q);
	if (q->stage == STAGE_CLOSED && ms == -1)
		ms = 0;			/* nothing can happen any more */
	if (poll(&pfd, 1, ms) == -1)
		return (-1);
	return (qemud_dispatch(q));
}

enum qemud_status
qemud_status(const struct qemud *q)
{
	switch (q->stage) {
	case STAGE_OPEN:
		return (QEMUD_CONNECTED);
	case STAGE_CLOSED:
		return (QEMUD_CLOSED);
	default:
		return (QEMUD_CONNECTING);
	}
}

const struct qemud_error *
qemud_error(const struct qemud *q)
{
	return (q->stage == STAGE_CLOSED ? &q->error : NULL);
}

void
qemud_on_change(struct qemud *q, qemud_changed *changed, void *arg)
{
	q->changed = changed;
	q->changed_arg = arg;
}

int
qemud_keepalive(struct qemud *q, unsigned int interval, unsigned int count)
{
	if (q->greeted || interval < 1 || interval > 3600 || count < 1 ||
	    count > 3600) {
		errno = EINVAL;
		return (-1);
	}
	q->ping_interval = interval;
	q->ping_count = count;
	return (0);
}

/* What was asked meanwhile is sent now. */
void
client_opened(struct qemud *q)
{
	TAILQ_CONCAT(&q->out.chunks, &q->held.chunks, entry);
	q->out.bytes += q->held.bytes;
	q->held.bytes = 0;
	if (q->changed != NULL)
		q->changed(q, QEMUD_CONNECTED, q->changed_arg);
}

/*
 * The connection ends, by this error.  Those who wait are told later, when
 * nobody is in the middle of something.  Always -1.
 */
int
client_fail_error(struct qemud *q, const struct rpc_error *err)
{
	if (q->stage == STAGE_CLOSED)
		return (-1);
	q->stage = STAGE_CLOSED;
	q->failed = 1;
	q->left = 0;
	q->err = *err;
	error_show(&q->err, &q->error);
	q->retry_at = q->deadline = 0;
	if (q->fd != -1)
		close(q->fd);
	q->fd = -1;
	outq_clear(&q->out);
	outq_clear(&q->held);
	return (-1);
}

int
client_fail(struct qemud *q, enum rpc_code code, const char *fmt, ...)
{
	struct rpc_error	 err;
	va_list			 ap;

	rpc_error_clear(&err);
	va_start(ap, fmt);
	rpc_error_vset(&err, RPCD_NONE, code, fmt, ap);
	va_end(ap);
	err.full = 1;
	return (client_fail_error(q, &err));
}

static void
client_closed(struct qemud *q)
{
	q->failed = 0;
	calls_fail(q, &q->err);
	calls_tell(q);			/* also to streams not open yet */
	streams_fail(q, &q->err);
	streams_step(q);
	if (q->changed != NULL)
		q->changed(q, QEMUD_CLOSED, q->changed_arg);
}

/* An error whose text is the whole.  Always -1. */
int
error_full(struct rpc_error *err, enum rpc_code code, const char *fmt, ...)
{
	va_list	 ap;

	va_start(ap, fmt);
	rpc_error_vset(err, RPCD_NONE, code, fmt, ap);
	va_end(ap);
	err->full = 1;
	return (-1);
}

/* As programs see it; the text stays in the first. */
void
error_show(const struct rpc_error *err, struct qemud_error *e)
{
	e->code = err->code;
	e->domain = err->domain;
	e->sys = err->sys;
	e->text = err->detail;
}

int64_t
now_ms(void)
{
	struct timespec	 ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ((int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000);
}
