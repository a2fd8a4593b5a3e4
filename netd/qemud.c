/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * What qemud says: messages become frames.  A client may have gone while a
 * message for it was on its way; what could not be said to any client ends
 * the channel.
 */

#include <sys/types.h>

#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include "imsg/log.h"
#include "netd/netd.h"

static void	qemud_closed(struct chan *);
static void	qemud_drained(struct chan *);
static void	qemud_missing(int, short, void *);
static int	client_of(uint64_t, struct client **);
static int	send_body(struct client *, const struct frame_header *,
		    const char *, size_t, int);
static unsigned int
		version_of(unsigned int);
static int	on_reply(struct chan *, void *, int);
static int	on_event(struct chan *, void *, int);
static int	on_stream(struct chan *, void *, int);
static int	on_client_close(struct chan *, void *, int);
static int	on_client_hold(struct chan *, void *, int);

static const struct msg_handler from_qemud[] = {
	MSG_ROW(MSG_REPLY, msg_reply, FD_MAY, on_reply),
	MSG_ROW(MSG_EVENT, msg_event, FD_MAY, on_event),
	MSG_ROW(MSG_STREAM, msg_stream, FD_NONE, on_stream),
	MSG_ROW(MSG_CLIENT_CLOSE, msg_client_close, FD_NONE, on_client_close),
	MSG_ROW(MSG_CLIENT_HOLD, msg_client_flow, FD_NONE, on_client_hold),
	MSG_ROW_END
};

static struct event	*missing_timer;

/*
 * A new qemud knows nothing of the clients of the old one, so these are
 * closed.
 */
int
qemud_peer(struct chan *parent, void *arg, int fd)
{
	struct msg_setup_peer	*m = arg;

	if (m->role != ROLE_QEMUD) {
		close(fd);
		return (-1);
	}
	if (missing_timer != NULL)
		event_free(missing_timer);
	missing_timer = NULL;
	chan_free(env->qemud);
	env->qemud = NULL;
	client_close_all();
	env->qemud = chan_new(env->proc.base, fd, msg_role_name(m->role),
	    from_qemud, env, qemud_closed);
	if (env->qemud == NULL)
		fatal("channel to qemud");
	chan_set_drained(env->qemud, qemud_drained);
	listen_update();
	return (0);
}

static void
qemud_closed(struct chan *c)
{
	const struct timeval	 wait = { PEER_WAIT_S, 0 };

	log_info("the channel to qemud has ended, all %u clients are closed",
	    env->nclients);
	env->qemud = NULL;
	chan_free(c);
	client_close_all();
	listen_update();
	missing_timer = evtimer_new(env->proc.base, qemud_missing, NULL);
	if (missing_timer == NULL)
		fatalx("timer");
	evtimer_add(missing_timer, &wait);
}

/*
 * The parent gives a new channel when it has restarted qemud.  If qemud has
 * not ended, but broken with us, it does not: then we have to be restarted.
 */
static void
qemud_missing(int fd, short what, void *arg)
{
	fatalx("no new channel to qemud within %d seconds", PEER_WAIT_S);
}

static void
qemud_drained(struct chan *chan)
{
	struct client	*c;

	TAILQ_FOREACH(c, &env->clients, entry)
		if (!c->dead && (!c->reading || !TAILQ_EMPTY(&c->parked)))
			netd_turn(c);
}

/* Sets *c to the client, or NULL if it is gone; -1 for one never told of. */
static int
client_of(uint64_t id, struct client **c)
{
	if ((*c = client_find(id)) != NULL)
		return ((*c)->announced ? 0 : -1);
	return (client_existed(id) ? 0 : -1);
}

/*
 * Takes fd, which is -1 or holds the body.  -1 for a body that no message
 * may have.
 */
static int
send_body(struct client *c, const struct frame_header *h, const char *body,
    size_t len, int fd)
{
	const char	*map;
	size_t		 maplen;
	int		 saved;

	if (fd == -1) {
		client_send(c, h, body, len);
		return (0);
	}
	if (len > 0) {
		close(fd);
		return (-1);
	}
	if (body_map(fd, FRAME_MAX - FRAME_HEAD, &map, &maplen) == -1) {
		log_warn("client %" PRIu64 ": body from qemud", c->id);
		saved = errno;
		client_end(c);		/* it may wait for that for ever */
		return (saved == EBADMSG ? -1 : 0);
	}
	client_send_mapped(c, h, map, maplen);
	return (0);
}

static unsigned int
version_of(unsigned int prog)
{
	switch (prog) {
	case RQ_PROGRAM:
		return (RQ_VERSION);
	case OWN_PROGRAM:
		return (OWN_VERSION);
	default:
		return (RP_VERSION);
	}
}

static int
on_reply(struct chan *chan, void *arg, int fd)
{
	struct msg_reply	*m = arg;
	struct frame_header	 h = { 0 };
	struct client		*c;
	struct call		*call;
	const struct rpc_proc	*proc;

	if (client_of(m->client, &c) == -1)
		goto bad;
	if (c == NULL) {
		if (fd != -1)
			close(fd);
		return (0);
	}
	call = call_find(c, m->serial);
	if (call == NULL || call->proc->prog != m->prog ||
	    (unsigned int)call->proc->number != m->procedure ||
	    m->status > FRAME_ERROR)
		goto bad;
	proc = call->proc;
	call_remove(c, call);
	netd_turn(c);			/* something may be parked */
	if (m->status == FRAME_OK && (proc->flags & PROC_STREAM) &&
	    stream_add(c, m->serial, proc) == -1) {
		log_warn("client %" PRIu64 ": stream", c->id);
		client_end(c);
	}
	h.prog = m->prog;
	h.vers = version_of(m->prog);
	h.procedure = m->procedure;
	h.type = FRAME_REPLY;
	h.serial = m->serial;
	h.status = m->status;
	return (send_body(c, &h, m->body.body_val, m->body.body_len, fd));

 bad:
	if (fd != -1)
		close(fd);
	return (-1);
}

static int
on_event(struct chan *chan, void *arg, int fd)
{
	struct msg_event	*m = arg;
	struct frame_header	 h = { 0 };
	struct client		*c;
	int			 ret;

	ret = client_of(m->client, &c);
	if (rpc_event_find(m->prog, m->procedure) == NULL)
		ret = -1;
	if (ret == -1 || c == NULL) {
		if (fd != -1)
			close(fd);
		return (ret);
	}
	h.prog = m->prog;
	h.vers = version_of(m->prog);
	h.procedure = m->procedure;
	h.type = FRAME_MESSAGE;
	return (send_body(c, &h, m->body.body_val, m->body.body_len, fd));
}

/* A stream ends when qemud says so, and only then. */
static int
on_stream(struct chan *chan, void *arg, int fd)
{
	struct msg_stream	*m = arg;
	struct frame_header	 h = { 0 };
	struct client		*c;
	struct stream		*s;

	if (client_of(m->client, &c) == -1)
		return (-1);
	if (c == NULL)
		return (0);
	s = stream_find(c, m->serial);
	if (s == NULL || s->proc->prog != m->prog ||
	    (unsigned int)s->proc->number != m->procedure ||
	    m->status > FRAME_CONTINUE ||
	    (m->status == FRAME_OK && m->data.data_len > 0))
		return (-1);
	if (m->status != FRAME_CONTINUE)
		stream_remove(c, s);
	h.prog = m->prog;
	h.vers = version_of(m->prog);
	h.procedure = m->procedure;
	h.type = FRAME_STREAM;
	h.serial = m->serial;
	h.status = m->status;
	client_send(c, &h, m->data.data_val, m->data.data_len);
	return (0);
}

static int
on_client_close(struct chan *chan, void *arg, int fd)
{
	struct msg_client_close	*m = arg;
	struct client		*c;

	if (client_of(m->client, &c) == -1)
		return (-1);
	if (c != NULL)
		client_close(c);
	return (0);
}

static int
on_client_hold(struct chan *chan, void *arg, int fd)
{
	struct msg_client_flow	*m = arg;
	struct client		*c;

	if (client_of(m->client, &c) == -1)
		return (-1);
	if (c != NULL) {
		c->held = m->stop;
		netd_turn(c);
	}
	return (0);
}
