/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * Streams.  What arrives is told at once, or kept while the stream is paused;
 * data, the end of data and the end of the stream are told in this order.
 */

#include <sys/types.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/client.h"

static struct qemud_stream *
		 stream_find(struct qemud *, const struct frame_header *);
static int	 stream_send(struct qemud_stream *, enum frame_status,
		    const void *, size_t);
static int	 stream_data(struct qemud_stream *, const char *, size_t);
static void	 stream_end(struct qemud_stream *, const struct rpc_error *);
static int	 stream_due(const struct qemud_stream *);
static void	 stream_step(struct qemud_stream *);
static void	 stream_free(struct qemud_stream *);

struct qemud_stream *
qemud_guest_console(struct qemud *q, const struct qemud_guest *g,
    const char *device, unsigned int flags,
    const struct qemud_stream_ops *ops, void *arg)
{
	rp_dom_opttext_flags	 a = { 0 };
	rp_str			 text = (char *)(uintptr_t)device;
	struct qemud_stream	*s;
	struct qemud_call	*c;

	if (q->nstreams >= STREAMS_MAX) {
		errno = EMFILE;
		return (NULL);
	}
	if ((s = calloc(1, sizeof(*s))) == NULL)
		return (NULL);
	s->q = q;
	s->ops = *ops;
	s->arg = arg;
	a.dom = guest_dom(g);
	a.text = device != NULL ? &text : NULL;
	a.flags = flags;
	c = call_new(q, RP_PROGRAM, PROC_domain_open_console, &a, NULL, NULL);
	if (c == NULL) {
		free(s);
		return (NULL);
	}
	c->stream = s;
	s->proc = c->proc;
	s->serial = c->serial;
	TAILQ_INSERT_TAIL(&q->streams, s, entry);
	q->nstreams++;
	return (s);
}

ssize_t
qemud_stream_write(struct qemud_stream *s, const void *data, size_t len)
{
	const char	*p = data;
	size_t		 done = 0, n;

	if (!s->open || s->finished) {
		errno = EPIPE;
		return (-1);
	}
	while (done < len && s->q->out.bytes < STREAM_OUT_HIGH) {
		n = len - done;
		if (n > STREAM_PACKET)
			n = STREAM_PACKET;
		if (stream_send(s, FRAME_CONTINUE, p + done, n) == -1)
			break;
		done += n;
	}
	if (done < len)
		s->blocked = 1;
	return (done);
}

void
qemud_stream_pause(struct qemud_stream *s, int paused)
{
	s->paused = paused != 0;
}

/* A side that has no more data itself may be gone, and need not answer. */
void
qemud_stream_finish(struct qemud_stream *s)
{
	if (!s->open || s->finished)
		return;
	s->finished = 1;
	s->blocked = 0;
	if (stream_send(s, FRAME_OK, NULL, 0) == -1)
		client_fail(s->q, RPCE_NO_MEMORY, "out of memory");
	else if (s->eof || s->eof_told)
		stream_end(s, NULL);
}

/* One that is not open yet is aborted when it is. */
void
qemud_stream_abort(struct qemud_stream *s)
{
	if (s->dead)
		return;
	s->dead = 1;
	if (s->open && stream_send(s, FRAME_ERROR, NULL, 0) == -1)
		client_fail(s->q, RPCE_NO_MEMORY, "out of memory");
}

/* The answer to the call that opens it. */
void
stream_opened(struct qemud_stream *s, const struct qemud_reply *r)
{
	struct rpc_error	 err;

	if (r->error != NULL) {
		rpc_error_clear(&err);
		error_full(&err, (enum rpc_code)r->error->code, "%s",
		    r->error->text);
		err.domain = (enum rpc_domain)r->error->domain;
		err.sys = r->error->sys;
		stream_end(s, &err);
		return;
	}
	s->open = 1;
	if (s->dead) {
		s->dead = 0;
		qemud_stream_abort(s);
	} else if (s->ops.open != NULL)
		s->ops.open(s, s->arg);
}

static int
stream_send(struct qemud_stream *s, enum frame_status status,
    const void *data, size_t len)
{
	struct frame_header	 h = { 0 };

	if (s->q->stage != STAGE_OPEN)
		return (0);		/* it ends anyway */
	h.prog = s->proc->prog;
	h.vers = 1;
	h.procedure = s->proc->number;
	h.type = FRAME_STREAM;
	h.serial = s->serial;
	h.status = status;
	return (io_send(s->q, &h, data, len));
}

/* --- what arrives --------------------------------------------------------- */

static struct qemud_stream *
stream_find(struct qemud *q, const struct frame_header *h)
{
	struct qemud_stream	*s;

	TAILQ_FOREACH(s, &q->streams, entry)
		if (s->open && !s->dead && !s->ended &&
		    s->serial == h->serial && s->proc->prog == h->prog &&
		    s->proc->number == h->procedure)
			return (s);
	return (NULL);
}

/* -1: not valid.  What is for none may have crossed with our abort. */
int
stream_frame(struct qemud *q, const struct frame *f)
{
	struct qemud_stream	*s;
	struct rpc_error	 err;

	if ((s = stream_find(q, &f->hdr)) == NULL)
		return (0);
	switch (f->hdr.status) {
	case FRAME_CONTINUE:
		if (f->len > 0)
			return (stream_data(s, f->body, f->len));
		s->eof = 1;
		break;
	case FRAME_OK:
		stream_end(s, NULL);
		break;
	case FRAME_ERROR:
		rpc_error_clear(&err);
		if (rpc_error_decode(&err, f->body, f->len) == -1)
			return (-1);
		stream_end(s, &err);
		break;
	default:
		return (-1);
	}
	stream_step(s);
	return (0);
}

static int
stream_data(struct qemud_stream *s, const char *data, size_t len)
{
	char	*p;

	if (!s->paused && s->inlen == 0) {
		if (s->ops.data != NULL)
			s->ops.data(s, data, len, s->arg);
		return (0);
	}
	if ((p = realloc(s->in, s->inlen + len)) == NULL) {
		client_fail(s->q, RPCE_NO_MEMORY, "out of memory");
		return (0);
	}
	memcpy(p + s->inlen, data, len);
	s->in = p;
	s->inlen += len;
	return (0);
}

static void
stream_end(struct qemud_stream *s, const struct rpc_error *err)
{
	if (s->ended)
		return;
	s->ended = 1;
	s->open = 0;
	if (err != NULL && (s->err = malloc(sizeof(*err))) != NULL)
		*s->err = *err;
}

/* Is there something that can be told? */
static int
stream_due(const struct qemud_stream *s)
{
	return (!s->dead && !s->paused && (s->inlen > 0 ||
	    (s->eof && !s->eof_told) || s->ended));
}

static void
stream_step(struct qemud_stream *s)
{
	struct qemud_error	 e;
	char			*in;
	size_t			 len;

	if (!s->dead && !s->paused && s->inlen > 0) {
		in = s->in;
		len = s->inlen;
		s->in = NULL;
		s->inlen = 0;
		if (s->ops.data != NULL)
			s->ops.data(s, in, len, s->arg);
		free(in);
	}
	if (!s->dead && !s->paused && s->eof && !s->eof_told) {
		s->eof_told = 1;
		if (s->ops.data != NULL)
			s->ops.data(s, NULL, 0, s->arg);
	}
	if (!s->dead && !s->paused && s->ended) {
		s->dead = 1;
		if (s->err != NULL)
			error_show(s->err, &e);
		if (s->ops.end != NULL)
			s->ops.end(s, s->err != NULL ? &e : NULL, s->arg);
	}
}

int
streams_due(const struct qemud *q)
{
	const struct qemud_stream	*s;

	TAILQ_FOREACH(s, &q->streams, entry)
		if (stream_due(s) || (s->blocked && s->open && !s->dead &&
		    q->out.bytes <= STREAM_OUT_LOW))
			return (1);
	return (0);
}

/* None is freed meanwhile: streams_reap() does this. */
void
streams_step(struct qemud *q)
{
	struct qemud_stream	*s;

	TAILQ_FOREACH(s, &q->streams, entry) {
		stream_step(s);
		if (s->blocked && s->open && !s->dead &&
		    q->out.bytes <= STREAM_OUT_LOW) {
			s->blocked = 0;
			if (s->ops.writable != NULL)
				s->ops.writable(s, s->arg);
		}
	}
}

/* The connection has ended.  Those not open yet hear it from their call. */
void
streams_fail(struct qemud *q, const struct rpc_error *err)
{
	struct qemud_stream	*s;

	TAILQ_FOREACH(s, &q->streams, entry) {
		if (s->open)
			stream_end(s, err);
		if (q->closing)
			s->paused = 0;
	}
}

/* Frees the dead ones, or all; but those whose call is in flight wait. */
void
streams_reap(struct qemud *q, int all)
{
	struct qemud_stream	*s, *next;

	TAILQ_FOREACH_SAFE(s, &q->streams, entry, next)
		if (all || (s->dead && (s->open || s->ended)))
			stream_free(s);
}

static void
stream_free(struct qemud_stream *s)
{
	TAILQ_REMOVE(&s->q->streams, s, entry);
	s->q->nstreams--;
	free(s->in);
	free(s->err);
	free(s);
}
