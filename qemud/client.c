/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * Clients, as the three kinds of netd tell of them, and what each kind may
 * say.  A netd that passes on what its clients may not ask has been taken
 * over: that ends its channel, it does not answer the call.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "imsg/log.h"
#include "qemud/qemud.h"
#include "rpc/body.h"

#define EVENTS_DROPPED_MS	10000	/* between two lines about them */

static int	 client_cmp(const struct client *, const struct client *);
static enum msg_role
		 chan_role(struct chan *);
static void	 client_free(struct client *);
static void	 events_dropped(enum msg_role);
static int	 on_client_new(struct chan *, void *, int);
static int	 on_client_gone(struct chan *, void *, int);
static int	 on_call(struct chan *, void *, int);
static int	 on_call_fd(struct chan *, void *, int);
static int	 on_stream(struct chan *, void *, int);
static int	 on_client_flow(struct chan *, void *, int);

const struct msg_handler from_netd_full[] = {
	MSG_ROW(MSG_CALL, msg_call, FD_MAY, on_call),
	MSG_ROW(MSG_STREAM, msg_stream, FD_NONE, on_stream),
	MSG_ROW(MSG_CLIENT_FLOW, msg_client_flow, FD_NONE, on_client_flow),
	MSG_ROW(MSG_CLIENT_NEW, msg_client_new, FD_NONE, on_client_new),
	MSG_ROW(MSG_CLIENT_GONE, msg_client_gone, FD_NONE, on_client_gone),
	MSG_ROW_END
};

/* No procedure of the read class opens a stream. */
const struct msg_handler from_netd_ro[] = {
	MSG_ROW(MSG_CALL, msg_call, FD_MAY, on_call),
	MSG_ROW(MSG_CLIENT_FLOW, msg_client_flow, FD_NONE, on_client_flow),
	MSG_ROW(MSG_CLIENT_NEW, msg_client_new, FD_NONE, on_client_new),
	MSG_ROW(MSG_CLIENT_GONE, msg_client_gone, FD_NONE, on_client_gone),
	MSG_ROW_END
};

const struct msg_handler from_netd_launch[] = {
	MSG_ROW(MSG_CALL, msg_call, FD_MAY, on_call),
	MSG_ROW(MSG_CALL_FD, msg_call_fd, FD_MUST, on_call_fd),
	MSG_ROW(MSG_CLIENT_FLOW, msg_client_flow, FD_NONE, on_client_flow),
	MSG_ROW(MSG_CLIENT_NEW, msg_client_new, FD_NONE, on_client_new),
	MSG_ROW(MSG_CLIENT_GONE, msg_client_gone, FD_NONE, on_client_gone),
	MSG_ROW_END
};

static const unsigned int	 rights_of[ROLE_COUNT] = {
	[ROLE_NETD] = RIGHTS_FULL_CONTROL,
	[ROLE_NETD_RO] = RIGHTS_READ_ONLY,
	[ROLE_NETD_LAUNCH] = RIGHTS_LAUNCH
};

RB_HEAD(clients, client);
RB_PROTOTYPE(clients, client, entry, client_cmp)

static struct clients	 clients = RB_INITIALIZER(&clients);
static unsigned int	 nclients[ROLE_COUNT];
static struct client	*bringing;	/* descriptors, for its next call */

static int
client_cmp(const struct client *a, const struct client *b)
{
	if (a->role != b->role)
		return (a->role < b->role ? -1 : 1);
	return (a->id < b->id ? -1 : a->id > b->id);
}

RB_GENERATE(clients, client, entry, client_cmp)

static enum msg_role
chan_role(struct chan *c)
{
	return ((struct chan **)chan_owner(c) - env.netd);
}

struct client *
client_find(enum msg_role role, uint64_t id)
{
	struct client	 key;

	key.role = role;
	key.id = id;
	return (RB_FIND(clients, &clients, &key));
}

unsigned int
clients_count(enum msg_role role)
{
	return (nclients[role]);
}

void
clients_each(void (*fn)(struct client *, void *), void *arg)
{
	struct client	*c, *next;

	RB_FOREACH_SAFE(c, clients, &clients, next)
		if (c->role != ROLE_NETD_LAUNCH)
			fn(c, arg);
}

static int
on_client_new(struct chan *chan, void *arg, int fd)
{
	struct msg_client_new	*m = arg;
	struct client		*c;

	if (nclients[chan_role(chan)] >= CLIENTS_MAX)
		return (-1);
	if ((c = calloc(1, sizeof(*c))) == NULL)
		fatal(NULL);
	c->role = chan_role(chan);
	c->id = m->client;
	c->uid = m->uid;
	c->gid = m->gid;
	c->pid = m->pid;
	c->rights = rights_of[c->role];
	TAILQ_INIT(&c->subscriptions);
	TAILQ_INIT(&c->streams);
	if (RB_INSERT(clients, &clients, c) != NULL) {
		free(c);
		return (-1);
	}
	nclients[c->role]++;
	return (0);
}

static int
on_client_gone(struct chan *chan, void *arg, int fd)
{
	struct msg_client_gone	*m = arg;
	struct client		*c;

	if ((c = client_find(chan_role(chan), m->client)) == NULL)
		return (-1);
	client_free(c);
	return (0);
}

static void
client_free(struct client *c)
{
	unsigned int	 i;

	RB_REMOVE(clients, &clients, c);
	nclients[c->role]--;
	if (c->role == ROLE_NETD_LAUNCH)
		launcher_gone(c);
	while (!TAILQ_EMPTY(&c->streams))
		stream_free(TAILQ_FIRST(&c->streams));
	event_unsubscribe_all(c);
	for (i = 0; i < c->nfds; i++)
		close(c->fds[i]);
	if (bringing == c)
		bringing = NULL;
	free(c);
}

void
clients_lost(enum msg_role role)
{
	struct client	*c, *next;

	RB_FOREACH_SAFE(c, clients, &clients, next)
		if (c->role == role)
			client_free(c);
}

static int
on_call(struct chan *chan, void *arg, int fd)
{
	struct msg_call	*m = arg;
	struct client	*c;

	if ((c = client_find(chan_role(chan), m->client)) == NULL) {
		if (fd != -1)
			close(fd);
		return (-1);
	}
	if (c == bringing)
		bringing = NULL;
	if (chan_full(chan))
		chan_hold(chan, 1);	/* netd_drained goes on */
	return (call_new(c, m, fd));
}

static int
on_call_fd(struct chan *chan, void *arg, int fd)
{
	struct msg_call_fd	*m = arg;
	struct client		*c;

	/* call by call, so that few of them can be open here at a time */
	c = client_find(chan_role(chan), m->client);
	if (c == NULL || c->nfds == OWN_DESCRIPTORS_MAX ||
	    (bringing != NULL && bringing != c)) {
		close(fd);
		return (-1);
	}
	bringing = c;
	c->fds[c->nfds++] = fd;
	return (0);
}

static int
on_stream(struct chan *chan, void *arg, int fd)
{
	struct msg_stream	*m = arg;
	struct client		*c;

	if ((c = client_find(chan_role(chan), m->client)) == NULL)
		return (-1);
	return (stream_input(c, m));
}

static int
on_client_flow(struct chan *chan, void *arg, int fd)
{
	struct msg_client_flow	*m = arg;
	struct client		*c;

	if ((c = client_find(chan_role(chan), m->client)) == NULL)
		return (-1);
	client_flow(c, m->stop);
	return (0);
}

/* More of them at once than one netd can pass on: better some than none. */
static void
events_dropped(enum msg_role role)
{
	static uint64_t		 said_ms;
	static unsigned int	 n;

	n++;
	if (now_ms() - said_ms < EVENTS_DROPPED_MS)
		return;
	said_ms = now_ms();
	log_warnx("%s: %u events were dropped, more wait than it can take",
	    msg_role_name(role), n);
	n = 0;
}

void
client_event(struct client *c, unsigned int prog, int number, const void *body)
{
	const struct rpc_event	*e = rpc_event_find(prog, number);
	struct msg_event	 m = { 0 };
	char			*buf;
	size_t			 len;
	int			 fd = -1;

	if (env.netd[c->role] == NULL)
		return;
	if (prog == RP_PROGRAM &&
	    chan_queued(env.netd[c->role]) > CHAN_QUEUE_MAX / 2) {
		events_dropped(c->role);
		return;
	}
	if (e == NULL || rpc_encode(e->body, body, 0, &buf, &len) == -1) {
		log_warn("cannot encode event %d", number);
		return;
	}
	m.client = c->id;
	m.prog = prog;
	m.procedure = number;
	if (len > MSG_INLINE_MAX) {
		if ((fd = body_seal(buf, len)) == -1) {
			log_warn("cannot pass on event %d", number);
			free(buf);
			return;
		}
	} else {
		m.body.body_val = buf;
		m.body.body_len = len;
	}
	CHAN_SEND(env.netd[c->role], MSG_EVENT, msg_event, &m, fd);
	free(buf);
}
