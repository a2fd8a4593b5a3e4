/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/* Calls: sent, in flight, answered. */

#include <sys/types.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/client.h"
#include "rpc/body.h"

static struct qemud_call *
		 call_alloc(struct qemud *, unsigned int, int, qemud_done *,
		    void *);
static int	 call_send(struct qemud_call *, const void *);
static uint32_t	 call_serial(struct qemud *);
static void	 call_unmap(struct qemud_call *);
static int	 call_result(struct qemud_call *, const struct frame *);
static void	 call_error(struct qemud_call *, const struct rpc_error *);
static void	 call_ready(struct qemud_call *);
static void	 call_tell(struct qemud_call *);
static void	 call_destroy(struct qemud_call *);

int
call_cmp(const struct qemud_call *a, const struct qemud_call *b)
{
	return (a->serial < b->serial ? -1 : a->serial > b->serial);
}

RB_GENERATE(callmap, qemud_call, byserial, call_cmp)

/* --- sending -------------------------------------------------------------- */

static struct qemud_call *
call_alloc(struct qemud *q, unsigned int prog, int procedure,
    qemud_done *done, void *arg)
{
	struct qemud_call	*c;

	if (q->closing) {
		errno = ENOTCONN;
		return (NULL);
	}
	if ((c = calloc(1, sizeof(*c))) == NULL)
		return (NULL);
	c->q = q;
	c->proc = rpc_proc_find(prog, procedure);
	c->done = done;
	c->arg = arg;
	TAILQ_INSERT_TAIL(&q->calls, c, entry);
	q->ncalls++;
	return (c);
}

/*
 * The handle, or NULL if there is no memory or the connection is being closed.
 * All other failures are answers.
 */
struct qemud_call *
call_new(struct qemud *q, unsigned int prog, int procedure, const void *body,
    qemud_done *done, void *arg)
{
	struct qemud_call	*c;
	struct rpc_error	 err;

	if ((c = call_alloc(q, prog, procedure, done, arg)) == NULL)
		return (NULL);
	rpc_error_clear(&err);
	if (q->stage == STAGE_CLOSED)
		err = q->err;
	else if (q->ncalls > CALLS_MAX ||
	    q->out.bytes + q->held.bytes > OUT_MAX)
		error_full(&err, RPCE_RESOURCE_BUSY, "too much is waiting for "
		    "an answer of the daemon already: %zu calls", q->ncalls);
	else if (call_send(c, body) == -1) {
		if (errno == ENOMEM) {
			call_destroy(c);
			errno = ENOMEM;
			return (NULL);
		}
		error_full(&err, RPCE_INVALID_ARG,
		    "a text is too long to be sent");
	}
	if (err.code != RPCE_OK) {
		call_error(c, &err);
		call_ready(c);
	}
	return (c);
}

/* One that belongs to the greeting, before all others. */
struct qemud_call *
call_early(struct qemud *q, int procedure, const void *body, qemud_done *done,
    void *arg)
{
	struct qemud_call	*c;

	if ((c = call_alloc(q, RP_PROGRAM, procedure, done, arg)) == NULL)
		return (NULL);
	c->early = 1;
	if (call_send(c, body) == -1) {
		call_destroy(c);
		return (NULL);
	}
	return (c);
}

/* For hooks: the same call asks for something else.  1, or 0 if it cannot. */
int
call_again(struct qemud_call *c, int procedure, const void *body)
{
	c->proc = rpc_proc_find(RP_PROGRAM, procedure);
	c->reply.error = NULL;
	if (call_send(c, body) == 0)
		return (1);
	c->reply.error = &c->error;
	return (0);
}

static int
call_send(struct qemud_call *c, const void *body)
{
	struct qemud		*q = c->q;
	struct frame_header	 h = { 0 };
	char			*buf;
	size_t			 len;

	c->serial = call_serial(q);
	h.prog = c->proc->prog;
	h.vers = 1;			/* of all that we know */
	h.procedure = c->proc->number;
	h.type = FRAME_CALL;
	h.serial = c->serial;
	if (frame_encode(&h, c->proc->arg, body, &buf, &len) == -1 ||
	    outq_take(q->stage == STAGE_OPEN || c->early ? &q->out : &q->held,
	    buf, len) == -1)
		return (-1);
	RB_INSERT(callmap, &q->map, c);
	c->mapped = 1;
	return (0);
}

/* Not 0, and not one that is in use, should they ever begin anew. */
static uint32_t
call_serial(struct qemud *q)
{
	struct qemud_call	 key;
	struct qemud_stream	*s;

	do {
		if (++q->serial == 0)
			q->serial = 1;
		key.serial = q->serial;
		TAILQ_FOREACH(s, &q->streams, entry)
			if (s->open && s->serial == q->serial)
				break;
	} while (s != NULL || RB_FIND(callmap, &q->map, &key) != NULL);
	return (q->serial);
}

/* --- answers -------------------------------------------------------------- */

static void
call_unmap(struct qemud_call *c)
{
	if (c->mapped)
		RB_REMOVE(callmap, &c->q->map, c);
	c->mapped = 0;
}

/* A frame that claims to be an answer.  -1: it is none. */
int
call_reply(struct qemud *q, const struct frame *f)
{
	struct qemud_call	 key, *c;

	key.serial = f->hdr.serial;
	if ((c = RB_FIND(callmap, &q->map, &key)) == NULL ||
	    c->proc->prog != f->hdr.prog ||
	    c->proc->number != f->hdr.procedure)
		return (-1);
	call_unmap(c);
	if (call_result(c, f) == -1)
		return (-1);		/* it fails with the connection */
	if (c->hook != NULL && c->hook(c))
		return (0);
	if (c->subscription != NULL)
		subscription_made(q, c->subscription, &c->reply);
	call_tell(c);
	return (0);
}

static int
call_result(struct qemud_call *c, const struct frame *f)
{
	struct rpc_error	 err;

	rpc_error_clear(&err);
	switch (f->hdr.status) {
	case FRAME_ERROR:
		if (rpc_error_decode(&err, f->body, f->len) == -1)
			return (-1);
		/* how a daemon says that it does not know a procedure */
		if (err.code == RPCE_RPC &&
		    (strncmp(err.detail, "unknown procedure", 17) == 0 ||
		    strncmp(err.detail, "Cannot find program", 19) == 0)) {
			err.code = RPCE_NO_SUPPORT;
			snprintf(err.detail, sizeof(err.detail), "the daemon "
			    "does not have this function (%s)", c->proc->name);
		}
		call_error(c, &err);
		return (0);
	case FRAME_OK:
		break;
	default:
		return (-1);
	}
	if ((c->res = calloc(1, c->proc->ressize)) == NULL ||
	    rpc_decode(c->proc->res, f->body, f->len, c->res,
	    c->proc->ressize) == -1) {
		free(c->res);
		c->res = NULL;
		if (errno == EBADMSG)
			return (-1);
	} else if (reply_fill(c) == 0)
		return (0);
	error_full(&err, RPCE_NO_MEMORY, "out of memory");
	call_error(c, &err);
	return (0);
}

/* The first one stays: a call that was tried again says why it was. */
static void
call_error(struct qemud_call *c, const struct rpc_error *err)
{
	static char	 no_memory[] = "out of memory";

	memset(&c->reply, 0, sizeof(c->reply));
	c->reply.error = &c->error;
	if (c->error.text != NULL)
		return;
	error_show(err, &c->error);
	c->error_text = strdup(err->detail);
	c->error.text = c->error_text != NULL ? c->error_text : no_memory;
}

static void
call_ready(struct qemud_call *c)
{
	c->state = CALL_READY;
	TAILQ_INSERT_TAIL(&c->q->ready, c, ready);
}

static void
call_tell(struct qemud_call *c)
{
	c->state = CALL_DONE;
	if (c->stream != NULL)
		stream_opened(c->stream, &c->reply);
	else if (c->done != NULL && !c->forgotten) {
		c->telling = 1;
		c->done(c->q, &c->reply, c->arg);
	} else if (!c->forgotten)
		return;			/* its owner frees it */
	call_destroy(c);
}

/* Those that are ready now: they may make others that are, again and again. */
void
calls_tell(struct qemud *q)
{
	struct qemud_call	*c;
	size_t			 n = 0;

	TAILQ_FOREACH(c, &q->ready, ready)
		n++;
	while (n-- > 0 && (c = TAILQ_FIRST(&q->ready)) != NULL) {
		TAILQ_REMOVE(&q->ready, c, ready);
		call_tell(c);
	}
}

/* All that are in flight. */
void
calls_fail(struct qemud *q, const struct rpc_error *err)
{
	struct qemud_call	*c;

	TAILQ_FOREACH(c, &q->calls, entry) {
		if (c->state != CALL_FLYING)
			continue;
		call_unmap(c);
		/* the connection's error is the one that counts */
		free(c->error_text);
		c->error_text = NULL;
		c->error.text = NULL;
		call_error(c, err);
		call_ready(c);
	}
}

void
calls_clear(struct qemud *q)
{
	struct qemud_call	*c;

	while ((c = TAILQ_FIRST(&q->calls)) != NULL)
		call_destroy(c);
}

static void
call_destroy(struct qemud_call *c)
{
	call_unmap(c);
	if (c->state == CALL_READY)
		TAILQ_REMOVE(&c->q->ready, c, ready);
	TAILQ_REMOVE(&c->q->calls, c, entry);
	c->q->ncalls--;
	if (c->res != NULL) {
		rpc_free(c->proc->res, c->res);
		free(c->res);
	}
	free(c->list);
	free(c->hook_arg);
	free(c->error_text);
	free(c);
}

/* --- for programs --------------------------------------------------------- */

const struct qemud_reply *
qemud_call_reply(const struct qemud_call *c)
{
	return (c->state == CALL_DONE ? &c->reply : NULL);
}

const struct qemud_reply *
qemud_wait(struct qemud_call *c, int timeout)
{
	static const struct qemud_error	 no_memory = {
		QEMUD_ERR_NO_MEMORY, 0, ENOMEM, "out of memory" };
	static const struct qemud_error	 timed_out = {
		QEMUD_ERR_TIMEOUT, 0, ETIMEDOUT, "no answer in time" };
	static const struct qemud_error	 deadlock = {
		QEMUD_ERR_FAILED, 0, EDEADLK,
		"this call cannot be waited for here" };
	static const struct qemud_reply	 no_memory_reply = {
		.error = &no_memory };
	static const struct qemud_reply	 timed_out_reply = {
		.error = &timed_out };
	static const struct qemud_reply	 deadlock_reply = {
		.error = &deadlock };
	int64_t				 end = 0, left = -1;

	if (c == NULL)
		return (&no_memory_reply);
	if (timeout >= 0)
		end = now_ms() + timeout;
	while (c->state != CALL_DONE) {
		if (c->q->dispatching || c->done != NULL)
			return (&deadlock_reply);
		if (timeout >= 0 && (left = end - now_ms()) < 0)
			return (&timed_out_reply);
		qemud_run(c->q, (int)left);
	}
	return (&c->reply);
}

void
qemud_call_free(struct qemud_call *c)
{
	int	 save = errno;

	if (c == NULL || c->telling)
		return;
	if (c->state == CALL_FLYING)
		c->forgotten = 1;
	else
		call_destroy(c);
	errno = save;
}
