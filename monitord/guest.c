/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * A guest: the connection to its QEMU's monitor and its life.  Whatever
 * arrives here is the work of somebody who may have taken over QEMU.  What
 * he can reach is his own guest: it is closed at the first thing that no
 * QEMU says, it is read in small portions, and it costs a bounded number of
 * bytes.
 */

#include <sys/socket.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "imsg/log.h"
#include "monitord/monitord.h"

/*
 * Events of one guest that are read, and those of them that qemud gets.  A
 * QEMU whose disk is full reports an error for each request of the guest.
 */
static const struct rate_limit	events_in_limit = { 5000, 10000 };
static const struct rate_limit	events_out_limit = { 100, 200 };

/* An event that is held back: one of each kind. */
struct guest_news {
	TAILQ_ENTRY(guest_news)	 entry;
	struct msg_guest_event	 m;
	char			 text[MSG_NAME_MAX + 1];
};

RB_HEAD(guests, guest);

#define NO	GST_NSTATES

/* What each input leads to; NO is one that cannot be in that state. */
static const enum guest_state	next[GST_NSTATES][GIN_NINPUTS] = {
	/* by input:	    START, GREETING, NEGOTIATED, LOST */
	[GST_ATTACHED] =    { GST_GREETING, NO, NO, GST_GONE },
	[GST_GREETING] =    { NO, GST_NEGOTIATING, NO, GST_GONE },
	[GST_NEGOTIATING] = { NO, NO, GST_READY, GST_GONE },
	[GST_READY] =	    { NO, NO, NO, GST_GONE },
	[GST_GONE] =	    { NO, NO, NO, NO },
};

static const char *const	names[GST_NSTATES] = {
	[GST_ATTACHED] = "attached", [GST_GREETING] = "greeting",
	[GST_NEGOTIATING] = "negotiating", [GST_READY] = "ready",
	[GST_GONE] = "gone"
};

static int	 guest_cmp(struct guest *, struct guest *);
static void	 guests_title(void);
static void	 guest_refuse(const struct msg_guest_attach *, int,
		    const char *);
static void	 guest_close(struct guest *);
static void	 guest_say_gone(uint64_t, enum msg_gone, const char *);
static void	 guests_reap(int, short, void *);
static void	 guest_readable(int, short, void *);
static void	 guest_writable(int, short, void *);
static void	 guest_expired(int, short, void *);
static void	 guest_ticked(int, short, void *);
static void	 guest_tick(struct guest *);
static int	 guest_line(void *, const char *, size_t);
static const char *
		 guest_message(struct guest *, const struct qmp_msg *,
		    const char *, size_t);
static void	 guest_greeted(struct guest *, const struct qmp_msg *);
static const char *
		 guest_event(struct guest *, const struct qmp_msg *);
static ssize_t	 command_send(int, struct command *);
static void	 command_free(struct guest *, struct command *);
static int	 news_send(struct guest *, const struct msg_guest_event *);
static void	 news_flush(struct guest *, int);

RB_PROTOTYPE(guests, guest, entry, guest_cmp)
RB_GENERATE(guests, guest, entry, guest_cmp)

static struct guests	 guests = RB_INITIALIZER(&guests);
static unsigned int	 nguests;
/* No longer in the tree; a function further up may still use them. */
static TAILQ_HEAD(, guest) dead = TAILQ_HEAD_INITIALIZER(dead);
static struct event	 reaper;

static int
guest_cmp(struct guest *a, struct guest *b)
{
	return (a->id < b->id ? -1 : a->id > b->id);
}

struct guest *
guest_find(uint64_t id)
{
	struct guest	key = { .id = id };

	return (RB_FIND(guests, &guests, &key));
}

void
guests_setup(void)
{
	event_assign(&reaper, env.proc.base, -1, 0, guests_reap, NULL);
}

unsigned int
guests_count(void)
{
	return (nguests);
}

static void
guests_title(void)
{
	setproctitle("-monitord: %u guest%s%s", nguests,
	    nguests == 1 ? "" : "s",
	    env.proc.setup.session ? " (session)" : "");
}

/* --- life ---------------------------------------------------------------- */

int
guest_attach(const struct msg_guest_attach *m, int fd)
{
	struct guest	*g;

	if (guest_find(m->guest) != NULL) {
		close(fd);
		return (-1);
	}
	if (nguests >= GUESTS_MAX || !fd_spare(fd)) {
		guest_refuse(m, fd, "too many guests");
		return (0);
	}
	if (!fd_is_stream(fd)) {
		guest_refuse(m, fd, "its monitor is not a Unix socket");
		return (0);
	}
	if ((g = calloc(1, sizeof(*g))) == NULL) {
		guest_refuse(m, fd, "out of memory");
		return (0);
	}
	g->id = m->guest;
	g->start_timeout_ms = m->timeout_ms != 0 ? m->timeout_ms :
	    TIMEOUT_DEFAULT_MS;
	strlcpy(g->name, m->name, sizeof(g->name));
	g->fd = fd;
	g->reader.max = QMP_LINE_BYTES;
	TAILQ_INIT(&g->out);
	TAILQ_INIT(&g->news);
	TAILQ_INIT(&g->ops);
	TAILQ_INIT(&g->consoles);
	TAILQ_INIT(&g->listeners);
	event_assign(&g->rd, env.proc.base, fd, EV_READ | EV_PERSIST,
	    guest_readable, g);
	event_assign(&g->wr, env.proc.base, fd, EV_WRITE, guest_writable, g);
	event_assign(&g->deadline, env.proc.base, -1, 0, guest_expired, g);
	event_assign(&g->tick, env.proc.base, -1, 0, guest_ticked, g);
	RB_INSERT(guests, &guests, g);
	nguests++;
	guests_title();
	log_debug("guest %s: attached", g->name);
	return (0);
}

static void
guest_refuse(const struct msg_guest_attach *m, int fd, const char *why)
{
	close(fd);
	log_warnx("guest %s: %s", m->name, why);
	guest_say_gone(m->guest, GONE_CLOSED, why);
}

enum guest_state
guest_next(enum guest_state state, enum guest_input in)
{
	return (next[state][in]);
}

int
guest_step(struct guest *g, enum guest_input in)
{
	enum guest_state	to = next[g->state][in];

	if (to == NO)
		return (-1);
	log_debug("guest %s: %s -> %s", g->name, names[g->state], names[to]);
	g->state = to;
	switch (to) {
	case GST_GREETING:
		g->start_ms = now_ms() + g->start_timeout_ms;
		guest_deadline(g);
		if (event_add(&g->rd, NULL) == -1)
			guest_lost(g, GONE_CLOSED, "its monitor cannot be "
			    "watched");
		break;
	case GST_NEGOTIATING:
		op_negotiate(g);
		break;
	case GST_READY:
		guest_deadline(g);
		listeners_accept(g);
		ops_run(g);
		break;
	case GST_GONE:
		guest_close(g);
		break;
	default:
		break;
	}
	return (0);
}

void
guest_lost(struct guest *g, enum msg_gone why, const char *fmt, ...)
{
	char	text[MSG_NAME_MAX];
	va_list	ap;

	if (g->state == GST_GONE)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (why == GONE_CLOSED)
		log_info("guest %s: %s", g->name, text);
	else
		log_warnx("guest %s: %s", g->name, text);
	guest_step(g, GIN_LOST);
	guest_say_gone(g->id, why, text);
}

void
guest_detach(struct guest *g)
{
	guest_step(g, GIN_LOST);
}

static void
guest_close(struct guest *g)
{
	/* what was held back comes before the end */
	news_flush(g, 1);
	ops_clear(g);
	consoles_clear(g, "the guest is gone");
	listeners_clear(g);
	guest_unwrite(g);
	event_del(&g->rd);
	event_del(&g->wr);
	event_del(&g->deadline);
	event_del(&g->tick);
	close(g->fd);
	g->fd = -1;
	qmp_reader_clear(&g->reader);
	RB_REMOVE(guests, &guests, g);
	nguests--;
	guests_title();
	TAILQ_INSERT_TAIL(&dead, g, bydead);
	event_active(&reaper, EV_TIMEOUT, 0);
}

static void
guests_reap(int fd, short what, void *arg)
{
	struct guest	*g;

	while ((g = TAILQ_FIRST(&dead)) != NULL) {
		TAILQ_REMOVE(&dead, g, bydead);
		free(g);
	}
}

static void
guest_say_gone(uint64_t id, enum msg_gone why, const char *text)
{
	struct msg_guest_gone	m = { 0 };

	if (env.qemud == NULL)
		return;
	m.guest = id;
	m.why = why;
	m.text = (char *)(uintptr_t)text;
	CHAN_SEND(env.qemud, MSG_GUEST_GONE, msg_guest_gone, &m, -1);
}

void
guests_lost(void)
{
	struct guest	*g;

	while ((g = RB_ROOT(&guests)) != NULL)
		guest_detach(g);
}

void
guests_log(void)
{
	struct guest	*g;

	log_info("guests: %u, viewers: %u", nguests, viewers_count());
	RB_FOREACH(g, guests, &guests)
		log_info("guest %s: %s, %u operations%s, %u consoles, "
		    "%u VNC clients on their way%s", g->name, names[g->state],
		    g->nops, g->stalled ? " (QEMU does not answer)" : "",
		    g->nconsoles, g->sessions,
		    g->flooded ? ", too many events" : "");
}

/* --- reading ------------------------------------------------------------- */

static void
guest_readable(int fd, short what, void *arg)
{
	static char	 buf[READ_BYTES];
	struct guest	*g = arg;
	ssize_t		 n;

	/* recv without room for descriptors: what QEMU sends of them is lost */
	if ((n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT)) == -1) {
		if (errno == EAGAIN || errno == EINTR)
			return;
		if (errno != ECONNRESET)
			log_warn("guest %s: monitor", g->name);
		n = 0;
	}
	if (n == 0) {
		guest_lost(g, GONE_CLOSED, g->state == GST_GREETING ?
		    "QEMU closed its monitor before it greeted" :
		    "QEMU closed its monitor");
		return;
	}
	if (qmp_reader_feed(&g->reader, buf, n, guest_line, g) == -1) {
		if (errno == EMSGSIZE)
			guest_lost(g, GONE_PROTOCOL, "its monitor wrote a "
			    "line longer than %zu bytes", g->reader.max);
		else if (errno != ECANCELED)
			guest_lost(g, GONE_PROTOCOL, "out of memory for what "
			    "its monitor wrote");
	}
	explicit_bzero(buf, n);
}

static int
guest_line(void *arg, const char *line, size_t len)
{
	struct qmp_msg	 m = { 0 };
	struct guest	*g = arg;
	const char	*why;

	if (line == NULL)
		why = ops_answer(g, NULL, NULL, 0);
	else if (qmp_decode(line, len, &m, &why) == 0) {
		why = guest_message(g, &m, line, len);
		qmp_msg_clear(&m);
	}
	if (g->state == GST_GONE)
		return (-1);
	if (why != NULL) {
		guest_lost(g, GONE_PROTOCOL, "its monitor broke the "
		    "protocol: %s", why);
		return (-1);
	}
	return (0);
}

/* NULL, or what is wrong. */
static const char *
guest_message(struct guest *g, const struct qmp_msg *m, const char *line,
    size_t len)
{
	if (g->state == GST_GREETING && m->kind != QMP_GREETING)
		return ("no greeting");
	switch (m->kind) {
	case QMP_GREETING:
		if (g->state != GST_GREETING)
			return ("a second greeting");
		guest_greeted(g, m);
		return (NULL);
	case QMP_EVENT:
		return (guest_event(g, m));
	default:
		return (ops_answer(g, m, line, len));
	}
}

static void
guest_greeted(struct guest *g, const struct qmp_msg *m)
{
	g->qemu_version = m->version;
	guest_step(g, GIN_GREETING);
}

static const char *
guest_event(struct guest *g, const struct qmp_msg *m)
{
	struct msg_guest_event	 e;
	char			 text[MSG_NAME_MAX + 1];
	int			 known;

	if ((known = qmp_event(m, &e, text)) == -1)
		return ("an event with bad data");
	if (!rate_take(&g->events_in, &events_in_limit, 1) && !g->resting) {
		if (!g->flooded)
			log_info("guest %s: too many events, slowed down",
			    g->name);
		g->resting = g->flooded = 1;
		event_del(&g->rd);
		guest_tick(g);
	}
	if (!known) {
		if (!g->resting) {
			qmp_text(text, sizeof(text), m->text);
			log_debug("guest %s: event %s", g->name, text);
		}
		return (NULL);
	}
	e.guest = g->id;
	guest_tell(g, &e);
	return (NULL);
}

/* --- events for qemud ---------------------------------------------------- */

void
guest_tell(struct guest *g, const struct msg_guest_event *e)
{
	struct guest_news	*n;

	if (TAILQ_EMPTY(&g->news) && news_send(g, e))
		return;
	/* the last one of its kind, and where it belongs in the order */
	TAILQ_FOREACH(n, &g->news, entry)
		if (n->m.kind == e->kind)
			break;
	if (n != NULL)
		TAILQ_REMOVE(&g->news, n, entry);
	else if ((n = calloc(1, sizeof(*n))) == NULL) {
		log_warn("guest %s: event lost", g->name);
		return;
	}
	n->m = *e;
	strlcpy(n->text, e->text, sizeof(n->text));
	n->m.text = n->text;
	TAILQ_INSERT_TAIL(&g->news, n, entry);
	guest_tick(g);
}

void
guest_stalled(struct guest *g, int stalled)
{
	struct msg_guest_event	 e = { 0 };
	char			 none[] = "";

	if (stalled)
		log_warnx("guest %s: QEMU does not answer", g->name);
	else
		log_info("guest %s: QEMU answers again", g->name);
	g->stalled = stalled;
	e.guest = g->id;
	e.kind = EV_STALLED;
	e.detail = stalled;
	e.text = none;
	guest_tell(g, &e);
}

/* 1, or 0 if it has to wait. */
static int
news_send(struct guest *g, const struct msg_guest_event *e)
{
	if (env.qemud == NULL)
		return (1);
	if (chan_full(env.qemud) ||
	    !rate_take(&g->events_out, &events_out_limit, 1))
		return (0);
	CHAN_SEND(env.qemud, MSG_GUEST_EVENT, msg_guest_event, e, -1);
	return (1);
}

static void
news_flush(struct guest *g, int all)
{
	struct guest_news	*n;

	while ((n = TAILQ_FIRST(&g->news)) != NULL) {
		if (!all && !news_send(g, &n->m))
			return;
		if (all && env.qemud != NULL)
			CHAN_SEND(env.qemud, MSG_GUEST_EVENT, msg_guest_event,
			    &n->m, -1);
		TAILQ_REMOVE(&g->news, n, entry);
		free(n);
	}
}

void
guests_drained(void)
{
	struct guest	*g;

	RB_FOREACH(g, guests, &guests)
		news_flush(g, 0);
}

static void
guest_tick(struct guest *g)
{
	const struct timeval	tv = { 0, TICK_MS * 1000 };

	if (!event_pending(&g->tick, EV_TIMEOUT, NULL))
		event_add(&g->tick, &tv);
}

static void
guest_ticked(int fd, short what, void *arg)
{
	struct guest	*g = arg;

	news_flush(g, 0);
	if (rate_take(&g->events_in, &events_in_limit, 0) && g->resting) {
		g->resting = 0;
		event_add(&g->rd, NULL);
	}
	/* said once, until it has been quiet for a while */
	if (g->events_in.left == events_in_limit.burst)
		g->flooded = 0;
	if (g->resting || g->flooded || !TAILQ_EMPTY(&g->news))
		guest_tick(g);
}

/* --- writing ------------------------------------------------------------- */

int
guest_write(struct guest *g, char *line, size_t len, int fd)
{
	struct command	*c;

	if ((c = calloc(1, sizeof(*c))) == NULL) {
		freezero(line, len);
		if (fd != -1)
			close(fd);
		return (-1);
	}
	c->line = line;
	c->len = len;
	c->fd = fd;
	TAILQ_INSERT_TAIL(&g->out, c, entry);
	return (0);
}

void
guest_unwrite(struct guest *g)
{
	struct command	*c;

	/* clang's analyzer thinks that the removed one is still the first */
	while ((c = TAILQ_FIRST(&g->out)) != NULL)
		command_free(g, c);
}

void
guest_flush(struct guest *g)
{
	struct command	*c;

	while (!g->mute && (c = TAILQ_FIRST(&g->out)) != NULL) {
		if (command_send(g->fd, c) == -1) {
			if (errno == EAGAIN || errno == EINTR ||
			    errno == ENOBUFS) {
				event_add(&g->wr, NULL);
				return;
			}
			/* what it said before it closed is still to be read */
			g->mute = 1;
			return;
		}
		if (c->sent == c->len)
			command_free(g, c);
	}
}

static ssize_t
command_send(int fd, struct command *c)
{
	union {
		struct cmsghdr	 hdr;
		char		 buf[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct msghdr	 msg = { 0 };
	struct iovec	 iov;
	struct cmsghdr	*cmsg;
	ssize_t		 n;

	iov.iov_base = c->line + c->sent;
	iov.iov_len = c->len - c->sent;
	msg.msg_iov = &iov;
	msg.msg_iovlen = 1;
	if (c->fd != -1) {
		msg.msg_control = control.buf;
		msg.msg_controllen = sizeof(control.buf);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), &c->fd, sizeof(int));
	}
	if ((n = sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL)) == -1)
		return (-1);
	c->sent += n;
	if (c->fd != -1) {
		close(c->fd);
		c->fd = -1;
	}
	return (n);
}

static void
command_free(struct guest *g, struct command *c)
{
	TAILQ_REMOVE(&g->out, c, entry);
	if (c->fd != -1)
		close(c->fd);
	freezero(c->line, c->len);
	free(c);
}

static void
guest_writable(int fd, short what, void *arg)
{
	guest_flush(arg);
}

/* --- deadlines ----------------------------------------------------------- */

void
guest_deadline(struct guest *g)
{
	struct timeval	tv;
	uint64_t	at, now = now_ms();

	at = ops_next_ms(g);
	if ((g->state == GST_GREETING || g->state == GST_NEGOTIATING) &&
	    g->start_ms < at)
		at = g->start_ms;
	if (g->state == GST_GONE || at == UINT64_MAX) {
		event_del(&g->deadline);
		return;
	}
	at = at > now ? at - now : 0;
	tv.tv_sec = at / 1000;
	tv.tv_usec = at % 1000 * 1000;
	event_add(&g->deadline, &tv);
}

static void
guest_expired(int fd, short what, void *arg)
{
	struct guest	*g = arg;
	uint64_t	 now = now_ms();

	if ((g->state == GST_GREETING || g->state == GST_NEGOTIATING) &&
	    now >= g->start_ms) {
		guest_lost(g, GONE_TIMEOUT, "QEMU did not %s within %u ms",
		    g->state == GST_GREETING ? "greet" : "answer",
		    g->start_timeout_ms);
		return;
	}
	ops_expire(g, now);
	guest_deadline(g);
}
