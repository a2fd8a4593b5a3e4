/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * What clients say: frames are judged by their header (rpc_judge), then by
 * their body, and become messages to qemud, or are answered here.  Beside
 * what rpc/frame.h lists:
 *
 *	serial of a call that is not answered	closes: nobody could tell the
 *	    yet, or of an open stream		answers apart
 *	stream frame with an unknown status,	closes
 *	    hole in a stream that has none
 *	stream frame after the finish or abort	no answer
 */

#include <sys/types.h>

#include <errno.h>
#include <inttypes.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "imsg/log.h"
#include "netd/netd.h"
#include "rpc/body.h"
#include "rpc/const.h"

#define ARG_BYTES_MAX	512		/* of a decoded argument */

static void	frame_refuse(struct client *, const struct frame_header *,
		    const struct rpc_error *);
static void	frame_call(struct client *, struct frame *);
static int	frame_serial(struct client *, const struct frame_header *);
static int	frame_decode(struct client *, const struct frame *,
		    const struct rpc_proc *, struct rpc_error *);
static int	frame_pass(struct client *, struct frame *,
		    const struct rpc_proc *, struct rpc_error *);
static void	frame_announce(struct client *);
static void	frame_stream(struct client *, struct frame *);
static void	frame_data(struct client *, const struct frame *);

void
frame_take(struct client *c, struct frame *f)
{
	const struct rpc_proc	*proc;
	struct rpc_error	 err;
	char			 type[32];

	rpc_error_clear(&err);
	switch (rpc_judge(&f->hdr, env->rights, &proc, &err)) {
	case JUDGE_PING:
		frame_keepalive(c, KEEPALIVE_PONG);
		break;
	case JUDGE_IGNORE:
		if (f->hdr.prog == KEEPALIVE_PROGRAM)
			break;
		client_offence(c, "ignored: frame of type %s, procedure %d, "
		    "of program 0x%x",
		    frame_type_name(f->hdr.type, type, sizeof(type)),
		    f->hdr.procedure, f->hdr.prog);
		break;
	case JUDGE_REFUSE:
		frame_refuse(c, &f->hdr, &err);
		break;
	case JUDGE_CALL:
	case JUDGE_STREAM:
		if (client_blocked(c) || !TAILQ_EMPTY(&c->parked))
			client_park(c, f);
		else
			frame_forward(c, f);
		break;
	}
}

void
frame_forward(struct client *c, struct frame *f)
{
	if (f->hdr.type == FRAME_STREAM || f->hdr.type == FRAME_STREAM_HOLE)
		frame_stream(c, f);
	else
		frame_call(c, f);
}

void
frame_bad(struct client *c)
{
	const struct rpc_proc	*proc;
	struct frame_header	 h;
	struct rpc_error	 err;

	rpc_error_clear(&err);
	if (errno == ERANGE)
		client_offence(c, "closed: a frame of impossible length");
	else if (!env->descriptors && framer_peek(&c->in, &h) == 1 &&
	    rpc_judge(&h, env->rights, &proc, &err) == JUDGE_REFUSE) {
		/* it claims descriptors, which were not received */
		frame_refuse(c, &h, &err);
		client_close(c);
		return;
	} else
		client_offence(c, "closed: descriptors that belong to no "
		    "call, or a call without its descriptors");
	client_end(c);
}

void
frame_keepalive(struct client *c, int procedure)
{
	const struct frame_header	 h = {
		.prog = KEEPALIVE_PROGRAM,
		.vers = KEEPALIVE_VERSION,
		.procedure = procedure,
		.type = FRAME_MESSAGE
	};

	client_send(c, &h, NULL, 0);
}

/* An error instead of an answer of qemud. */
static void
frame_refuse(struct client *c, const struct frame_header *call,
    const struct rpc_error *err)
{
	struct frame_header	 h = *call;
	char			*body;
	size_t			 len;

	client_complain(c, "refused: %s", err->detail);
	if (rpc_error_encode(err, &body, &len) == -1) {
		log_warn("error reply");
		client_end(c);
		return;
	}
	h.type = FRAME_REPLY;
	h.status = FRAME_ERROR;
	client_send(c, &h, body, len);
	free(body);
}

static void
frame_call(struct client *c, struct frame *f)
{
	const struct rpc_proc	*proc;
	struct rpc_error	 err;

	rpc_error_clear(&err);
	proc = rpc_proc_find(f->hdr.prog, f->hdr.procedure);
	if (frame_serial(c, &f->hdr) == -1)
		return;
	if (frame_decode(c, f, proc, &err) == -1 ||
	    frame_pass(c, f, proc, &err) == -1)
		frame_refuse(c, &f->hdr, &err);
}

static int
frame_serial(struct client *c, const struct frame_header *h)
{
	if (call_find(c, h->serial) == NULL &&
	    stream_find(c, h->serial) == NULL)
		return (0);
	client_offence(c, "closed: serial %u is in use", h->serial);
	client_end(c);
	return (-1);
}

/* Is the body what the procedure takes?  The rest is for qemud to say. */
static int
frame_decode(struct client *c, const struct frame *f,
    const struct rpc_proc *proc, struct rpc_error *err)
{
	alignas(16) char	 arg[ARG_BYTES_MAX];
	const rp_int		*feature;

	if (proc->argsize > sizeof(arg))
		fatalx("argument of %s", proc->name);
	if (rpc_decode(proc->arg, f->body, f->len, arg, proc->argsize) == -1) {
		if (errno == ENOMEM)
			return (rpc_error_set(err, RPCD_RPC,
			    RPCE_OPERATION_FAILED,
			    "the daemon is out of memory, try again"));
		rpc_error_set(err, RPCD_RPC, RPCE_RPC,
		    "Unable to decode message payload");
		if (user_offence(c->user))
			client_end(c);
		return (-1);
	}
	if (f->hdr.prog == RP_PROGRAM &&
	    f->hdr.procedure == PROC_connect_supports_feature) {
		feature = (const rp_int *)(const void *)arg;
		if (feature->value == LV_FEATURE_KEEPALIVE)
			c->keepalive = 1;
	}
	rpc_free(proc->arg, arg);
	return (0);
}

/* On to qemud: 0, also if the channel has ended, or -1 with err. */
static int
frame_pass(struct client *c, struct frame *f, const struct rpc_proc *proc,
    struct rpc_error *err)
{
	struct msg_call_fd	 mfd = { c->id };
	struct msg_call		 m = { 0 };
	size_t			 i;
	int			 fd = -1;

	if ((proc->flags & PROC_STREAM) && stream_count(c) >= STREAMS_MAX)
		return (rpc_error_set(err, RPCD_STREAMS, RPCE_RESOURCE_BUSY,
		    "this connection has %d streams open, close one first",
		    STREAMS_MAX));
	if (f->len > MSG_INLINE_MAX) {
		if ((fd = body_seal(f->body, f->len)) == -1)
			return (rpc_error_sys(err, RPCD_RPC,
			    "cannot pass on %zu bytes, try again", f->len));
	} else {
		m.body.body_val = (char *)(uintptr_t)f->body;
		m.body.body_len = f->len;
	}
	if (call_add(c, f->hdr.serial, proc) == -1) {
		if (fd != -1)
			close(fd);
		return (rpc_error_set(err, RPCD_RPC, RPCE_OPERATION_FAILED,
		    "the daemon is out of memory, try again"));
	}
	frame_announce(c);
	for (i = 0; i < f->nfds; i++) {
		CHAN_SEND(env->qemud, MSG_CALL_FD, msg_call_fd, &mfd,
		    f->fds[i]);
		f->fds[i] = -1;
	}
	m.client = c->id;
	m.prog = f->hdr.prog;
	m.procedure = f->hdr.procedure;
	m.serial = f->hdr.serial;
	CHAN_SEND(env->qemud, MSG_CALL, msg_call, &m, fd);
	return (0);
}

/* qemud hears of a client when it first asks for something. */
static void
frame_announce(struct client *c)
{
	struct msg_client_new	 m = { c->id, c->uid, c->gid, c->pid };

	if (c->announced)
		return;
	c->announced = 1;
	CHAN_SEND(env->qemud, MSG_CLIENT_NEW, msg_client_new, &m, -1);
}

/* Packets for a stream that has ended were sent before it was known. */
static void
frame_stream(struct client *c, struct frame *f)
{
	struct stream	*s;

	s = stream_find(c, f->hdr.serial);
	if (s == NULL || s->finished || s->proc->prog != f->hdr.prog ||
	    s->proc->number != f->hdr.procedure ||
	    !rpc_program_known(f->hdr.prog, f->hdr.vers)) {
		log_debug("client %" PRIu64 ": packet for no stream, serial "
		    "%u", c->id, f->hdr.serial);
		return;
	}
	if (f->hdr.type == FRAME_STREAM_HOLE || f->hdr.status >
	    FRAME_CONTINUE) {
		client_offence(c, "closed: stream packet with status %u%s",
		    f->hdr.status,
		    f->hdr.type == FRAME_STREAM_HOLE ? ", a hole" : "");
		client_end(c);
		return;
	}
	if (f->hdr.status != FRAME_CONTINUE) {
		s->finished = 1;
		f->len = 0;		/* finish and abort have no body */
	}
	frame_data(c, f);
}

/* In pieces, but at least one: no data is the end of data. */
static void
frame_data(struct client *c, const struct frame *f)
{
	struct msg_stream	 m = { 0 };
	size_t			 done = 0, n;

	m.client = c->id;
	m.prog = f->hdr.prog;
	m.procedure = f->hdr.procedure;
	m.serial = f->hdr.serial;
	m.status = f->hdr.status;
	do {
		n = f->len - done;
		if (n > MSG_DATA_MAX)
			n = MSG_DATA_MAX;
		m.data.data_val = (char *)(uintptr_t)f->body + done;
		m.data.data_len = n;
		CHAN_SEND(env->qemud, MSG_STREAM, msg_stream, &m, -1);
		done += n;
	} while (done < f->len);
}
