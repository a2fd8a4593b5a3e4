/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/* Bytes and frames, in both directions, and signs of life. */

#include <sys/types.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/client.h"

#define IOV_ONCE	64

static void	 io_write(struct qemud *);
static void	 io_read(struct qemud *);
static int	 io_frames(struct qemud *);
static int	 io_frame(struct qemud *, const struct frame *);
static void	 io_lost(struct qemud *, int);
static void	 io_ping(struct qemud *);
static int	 keepalive_send(struct qemud *, int);

/* --- output --------------------------------------------------------------- */

/* Takes buf, also on failure. */
int
outq_take(struct outq *o, char *buf, size_t len)
{
	struct chunk	*c;

	if ((c = malloc(sizeof(*c))) == NULL) {
		free(buf);
		return (-1);
	}
	c->buf = buf;
	c->len = len;
	c->done = 0;
	TAILQ_INSERT_TAIL(&o->chunks, c, entry);
	o->bytes += len;
	return (0);
}

void
outq_clear(struct outq *o)
{
	struct chunk	*c;

	while ((c = TAILQ_FIRST(&o->chunks)) != NULL) {
		TAILQ_REMOVE(&o->chunks, c, entry);
		free(c->buf);
		free(c);
	}
	o->bytes = 0;
}

/* That many bytes at its beginning were sent. */
static void
outq_drain(struct outq *o, size_t n)
{
	struct chunk	*c;
	size_t		 len;

	o->bytes -= n;
	while (n > 0) {
		c = TAILQ_FIRST(&o->chunks);
		len = c->len - c->done;
		if (n < len) {
			c->done += n;
			return;
		}
		n -= len;
		TAILQ_REMOVE(&o->chunks, c, entry);
		free(c->buf);
		free(c);
	}
}

static void
io_write(struct qemud *q)
{
	struct iovec	 iov[IOV_ONCE];
	struct msghdr	 msg = { .msg_iov = iov };
	struct chunk	*c;
	ssize_t		 n;

	while (q->out.bytes > 0) {
		msg.msg_iovlen = 0;
		TAILQ_FOREACH(c, &q->out.chunks, entry) {
			if (msg.msg_iovlen == IOV_ONCE)
				break;
			iov[msg.msg_iovlen].iov_base = c->buf + c->done;
			iov[msg.msg_iovlen++].iov_len = c->len - c->done;
		}
		if ((n = sendmsg(q->fd, &msg, MSG_NOSIGNAL)) == -1) {
			if (errno == EINTR)
				continue;
			/* what it said before it went is still to be read */
			if (errno == EPIPE || errno == ECONNRESET)
				outq_clear(&q->out);
			else if (errno != EAGAIN && errno != ENOBUFS)
				io_lost(q, errno);
			return;
		}
		outq_drain(&q->out, n);
	}
}

/* A frame with this body.  0, or -1 with errno. */
int
io_send(struct qemud *q, const struct frame_header *h, const void *body,
    size_t len)
{
	char	*buf;

	if ((buf = malloc(FRAME_HEAD + len)) == NULL)
		return (-1);
	if (frame_head(buf, h, len) == -1) {
		free(buf);
		return (-1);
	}
	if (len > 0)
		memcpy(buf + FRAME_HEAD, body, len);
	return (outq_take(&q->out, buf, FRAME_HEAD + len));
}

/* --- input ---------------------------------------------------------------- */

/* Nothing is to be read until a stream goes on. */
int
io_stopped(const struct qemud *q)
{
	const struct qemud_stream	*s;

	TAILQ_FOREACH(s, &q->streams, entry)
		if (s->paused && !s->dead && s->inlen >= STREAM_IN_MAX)
			return (1);
	return (0);
}

void
io_step(struct qemud *q)
{
	io_write(q);
	if (q->stage != STAGE_CLOSED)
		io_read(q);
	if (q->stage != STAGE_CLOSED)
		io_ping(q);
	if (q->stage != STAGE_CLOSED)
		io_write(q);
}

static void
io_read(struct qemud *q)
{
	char		 buf[READ_BYTES];
	ssize_t		 n;
	unsigned int	 i;

	/* frames that were left when a stream was paused */
	if (io_frames(q) == -1)
		return;
	for (i = 0; i < READ_BURST && !io_stopped(q); i++) {
		n = recv(q->fd, buf, sizeof(buf), 0);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && errno == EAGAIN)
			return;
		if (n <= 0) {
			io_lost(q, n == 0 ? 0 : errno);
			return;
		}
		q->seen = now_ms();
		q->pings = 0;
		if (framer_push(&q->in, buf, n, NULL, 0) == -1) {
			client_fail(q, RPCE_NO_MEMORY, "out of memory");
			return;
		}
		if (io_frames(q) == -1)
			return;
	}
}

/* -1: the connection is closed. */
static int
io_frames(struct qemud *q)
{
	struct frame	 f;
	int		 n = 0;

	while (q->stage != STAGE_CLOSED && !(q->left = io_stopped(q)) &&
	    (n = framer_next(&q->in, &f)) == 1)
		if (io_frame(q, &f) == -1)
			client_fail(q, RPCE_RPC, "the daemon sent what is not "
			    "of this protocol (frame type %u, program 0x%x, "
			    "procedure %d)", f.hdr.type, f.hdr.prog,
			    f.hdr.procedure);
	if (n == -1)
		client_fail(q, RPCE_RPC, "the daemon sent what is not of this "
		    "protocol (a frame of impossible length)");
	return (q->stage == STAGE_CLOSED ? -1 : 0);
}

/*
 * The only place where frames enter.  -1: not valid.  Where one is just of no
 * use, it was sent before the other side knew, or is newer than we are.
 */
static int
io_frame(struct qemud *q, const struct frame *f)
{
	if (f->hdr.prog == KEEPALIVE_PROGRAM) {
		if (f->hdr.procedure == KEEPALIVE_PING &&
		    keepalive_send(q, KEEPALIVE_PONG) == -1)
			client_fail(q, RPCE_NO_MEMORY, "out of memory");
		return (0);
	}
	if (!rpc_program_known(f->hdr.prog, f->hdr.vers))
		return (-1);
	switch (f->hdr.type) {
	case FRAME_REPLY:
		return (call_reply(q, f));
	case FRAME_MESSAGE:
		return (event_frame(q, f));
	case FRAME_STREAM:
		return (stream_frame(q, f));
	default:
		return (-1);
	}
}

/* error 0: it has closed the connection. */
static void
io_lost(struct qemud *q, int error)
{
	if (q->stage == STAGE_GREETING)
		client_fail(q, RPCE_NO_CONNECT, "cannot connect to %s: the "
		    "daemon has closed the connection\nits socket is %s\n"
		    "it may have too many clients, see its log",
		    q->target.name, q->target.path);
	else if (error == 0 || error == ECONNRESET)
		client_fail(q, RPCE_RPC, "the daemon has closed the "
		    "connection\nqemud was stopped or restarted, or this "
		    "client has misbehaved; see its log");
	else
		client_fail(q, RPCE_RPC, "the connection is lost: %s",
		    strerror(error));
}

/* --- signs of life -------------------------------------------------------- */

static int
keepalive_send(struct qemud *q, int procedure)
{
	const struct frame_header	 h = {
		.prog = KEEPALIVE_PROGRAM,
		.vers = KEEPALIVE_VERSION,
		.procedure = procedure,
		.type = FRAME_MESSAGE
	};

	/* one that waits already says the same; who asks must read, too */
	if (q->out.bytes > OUT_MAX)
		return (0);
	return (io_send(q, &h, NULL, 0));
}

/* When to look again, 0: never. */
int64_t
io_due(const struct qemud *q)
{
	int64_t	 last = q->seen > q->pinged ? q->seen : q->pinged;

	if (!q->pinging || q->stage != STAGE_OPEN || io_stopped(q))
		return (0);
	return (last + (int64_t)q->ping_interval * 1000);
}

static void
io_ping(struct qemud *q)
{
	int64_t	 due = io_due(q), now;

	if (due == 0 || (now = now_ms()) < due)
		return;
	if (q->pings >= q->ping_count) {
		client_fail(q, RPCE_RPC, "the daemon does not answer: no sign "
		    "of life for %u s", q->ping_interval * (q->pings + 1));
		return;
	}
	q->pinged = now;
	q->pings++;
	if (keepalive_send(q, KEEPALIVE_PING) == -1)
		client_fail(q, RPCE_NO_MEMORY, "out of memory");
}
