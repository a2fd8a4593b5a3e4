/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * Console streams: a client's stream on one side, a viewer at monitord on the
 * other.  The bytes are looked at by neither of us.
 */

#include <stdlib.h>
#include <string.h>

#include "imsg/log.h"
#include "qemud/qemud.h"

RB_HEAD(streams, stream);
RB_PROTOTYPE(streams, stream, byviewer, stream_cmp)

static int	 stream_cmp(const struct stream *, const struct stream *);
static struct stream *
		 stream_of_viewer(uint64_t);
static struct stream *
		 stream_of_console(const struct guest *, unsigned int);
static void	 stream_send(struct stream *, unsigned int, const char *,
		    size_t);
static void	 stream_abort(struct stream *, const char *);
static void	 stream_hold(struct stream *, int);
static void	 stream_eof(struct stream *);

static struct streams	 streams = RB_INITIALIZER(&streams);
static uint64_t		 lastviewer;

static int
stream_cmp(const struct stream *a, const struct stream *b)
{
	return (a->viewer < b->viewer ? -1 : a->viewer > b->viewer);
}

RB_GENERATE(streams, stream, byviewer, stream_cmp)

static struct stream *
stream_of_viewer(uint64_t viewer)
{
	struct stream	 key;

	key.viewer = viewer;
	return (RB_FIND(streams, &streams, &key));
}

static struct stream *
stream_of_console(const struct guest *g, unsigned int console)
{
	struct stream	*s;

	RB_FOREACH(s, streams, &streams)
		if (s->monitor == g->monitor && s->console == console)
			return (s);
	return (NULL);
}

/*
 * Answers the call: the stream has its serial.  One client at a time has a
 * console, unless another takes it by force.
 */
void
console_open(struct call *c, struct guest *g, unsigned int console, int force)
{
	struct client		*client = call_client(c);
	struct msg_viewer_open	 m = { 0 };
	struct stream		*s;

	if (client == NULL || env.monitord == NULL || !g->monitor_ready) {
		call_fail(c, RPCE_OPERATION_INVALID, "the console of domain "
		    "'%s' cannot be reached at the moment", guest_name(g));
		return;
	}
	if (client->nstreams >= STREAMS_PER_CLIENT_MAX) {
		call_fail(c, RPCE_OPERATION_FAILED, "%u streams are open, the "
		    "most that one client can have", client->nstreams);
		return;
	}
	if ((s = stream_of_console(g, console)) != NULL) {
		if (!force) {
			call_fail(c, RPCE_OPERATION_FAILED, "Active console "
			    "session exists for this domain");
			return;
		}
		stream_abort(s, "another client has taken the console");
	}
	if ((s = calloc(1, sizeof(*s))) == NULL)
		fatal(NULL);
	s->client = client;
	s->viewer = ++lastviewer;
	s->monitor = g->monitor;
	s->console = console;
	s->procedure = c->proc->number;
	s->serial = c->serial;
	TAILQ_INSERT_TAIL(&client->streams, s, entry);
	client->nstreams++;
	RB_INSERT(streams, &streams, s);
	m.viewer = s->viewer;
	m.guest = g->monitor;
	m.console = console;
	m.force = force;
	call_ok(c, NULL);		/* before the first byte */
	CHAN_SEND(env.monitord, MSG_VIEWER_OPEN, msg_viewer_open, &m, -1);
	if (client->slow)
		client_flow(client, 1);
}

/* The client is held while any of its streams is. */
static void
stream_hold(struct stream *s, int stop)
{
	if (s->held == stop)
		return;
	s->held = stop;
	s->client->nheld += stop ? 1 : -1;
	if (s->client->nheld == (stop ? 1 : 0))
		client_hold(s->client, stop);
}

/* monitord hears that the viewer has gone, if it still knows it. */
void
stream_free(struct stream *s)
{
	struct msg_viewer_close	 m = { s->viewer };

	if (s->monitor != 0 && env.monitord != NULL)
		CHAN_SEND(env.monitord, MSG_VIEWER_CLOSE, msg_viewer_close, &m,
		    -1);
	stream_hold(s, 0);
	RB_REMOVE(streams, &streams, s);
	TAILQ_REMOVE(&s->client->streams, s, entry);
	s->client->nstreams--;
	free(s);
}

static void
stream_send(struct stream *s, unsigned int status, const char *data,
    size_t len)
{
	struct msg_stream	 m = { 0 };
	struct chan		*netd = env.netd[s->client->role];

	m.client = s->client->id;
	m.prog = RP_PROGRAM;
	m.procedure = s->procedure;
	m.serial = s->serial;
	m.status = status;
	m.data.data_val = (char *)(uintptr_t)data;
	m.data.data_len = len;
	if (netd != NULL)
		CHAN_SEND(netd, MSG_STREAM, msg_stream, &m, -1);
}

static void
stream_abort(struct stream *s, const char *why)
{
	struct rpc_error	 err;
	char			*buf;
	size_t			 len;

	rpc_error_clear(&err);
	rpc_error_set(&err, RPCD_STREAMS, RPCE_OPERATION_ABORTED, "%s", why);
	if (rpc_error_encode(&err, &buf, &len) == 0) {
		stream_send(s, 1, buf, len);
		free(buf);
	}
	stream_free(s);
}

/* Nothing more will come; the client then finishes the stream. */
static void
stream_eof(struct stream *s)
{
	if (s->monitor == 0)
		return;
	stream_send(s, 2, NULL, 0);
	s->monitor = 0;
	stream_hold(s, 0);
}

/* The guests of this monitor number, or all (0), cannot be seen any more. */
void
streams_lost(uint64_t monitor)
{
	struct stream	*s;

	RB_FOREACH(s, streams, &streams)
		if (monitor == 0 || s->monitor == monitor)
			stream_eof(s);
}

/* A packet from the client.  -1: netd must not have let it through. */
int
stream_input(struct client *c, const struct msg_stream *m)
{
	struct msg_viewer_data	 data;
	struct stream		*s;

	TAILQ_FOREACH(s, &c->streams, entry)
		if (s->serial == m->serial && s->procedure == m->procedure)
			break;
	if (s == NULL)
		return (0);	/* it crossed with our end of it */
	if (m->status == 2) {
		if (s->monitor == 0)
			return (0);
		data.viewer = s->viewer;
		data.data.data_val = m->data.data_val;
		data.data.data_len = m->data.data_len;
		if (env.monitord != NULL)
			CHAN_SEND(env.monitord, MSG_VIEWER_DATA,
			    msg_viewer_data, &data, -1);
		return (0);
	}
	/* finished or aborted: both are confirmed alike */
	stream_send(s, 0, NULL, 0);
	stream_free(s);
	return (0);
}

int
on_viewer_data(struct chan *chan, void *arg, int fd)
{
	struct msg_viewer_data	*m = arg;
	struct stream		*s;

	if ((s = stream_of_viewer(m->viewer)) != NULL &&
	    m->data.data_len > 0)
		stream_send(s, 2, m->data.data_val, m->data.data_len);
	return (0);
}

int
on_viewer_closed(struct chan *chan, void *arg, int fd)
{
	struct msg_viewer_closed	*m = arg;
	struct stream			*s;

	if ((s = stream_of_viewer(m->viewer)) == NULL)
		return (0);
	if (m->busy)
		stream_abort(s, m->text);
	else
		stream_eof(s);		/* as when a line is hung up */
	return (0);
}

/* The guest reads slowly: read nothing more from whoever types so much. */
int
on_viewer_hold(struct chan *chan, void *arg, int fd)
{
	struct msg_viewer_flow	*m = arg;
	struct stream		*s;

	if ((s = stream_of_viewer(m->viewer)) != NULL)
		stream_hold(s, m->stop);
	return (0);
}

void
client_hold(struct client *c, int stop)
{
	struct msg_client_flow	 m = { c->id, stop };

	if (env.netd[c->role] != NULL)
		CHAN_SEND(env.netd[c->role], MSG_CLIENT_HOLD, msg_client_flow,
		    &m, -1);
}

/* The client reads slowly: its consoles are to send nothing meanwhile. */
void
client_flow(struct client *c, int stop)
{
	struct msg_viewer_flow	 m;
	struct stream		*s;

	c->slow = stop;
	TAILQ_FOREACH(s, &c->streams, entry) {
		m.viewer = s->viewer;
		m.stop = stop;
		if (env.monitord != NULL)
			CHAN_SEND(env.monitord, MSG_VIEWER_FLOW,
			    msg_viewer_flow, &m, -1);
	}
}
