/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * Consoles.  What a guest writes goes into a ring, always, so that it never
 * waits for a reader.  Its readers, the pseudo terminal and any number of
 * viewers, each have a position in that ring; who falls too far behind
 * misses what was overwritten.  What is typed, at the terminal or by the
 * one viewer that may write, waits in a small buffer until QEMU takes it.
 * Nothing here looks at what the bytes are.
 */

#include <sys/socket.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "imsg/log.h"
#include "monitord/monitord.h"

#define PTY_BYTES		4096	/* read at once from a terminal */
#define PTY_RETRY_MS		1000	/* nobody has its other side open */
#define DRAIN_BYTES		CONSOLE_RING	/* read when QEMU has gone */

/* Bytes of one console, both directions. */
static const struct rate_limit	console_limit = { 2 << 20, 1 << 20 };

struct viewer {
	RB_ENTRY(viewer)	 entry;
	TAILQ_ENTRY(viewer)	 byconsole;
	struct console		*console;
	uint64_t		 id;
	uint64_t		 pos;
	int			 watch;
	int			 stopped;	/* it reads slowly */
};
RB_HEAD(viewers, viewer);

struct console {
	TAILQ_ENTRY(console)	 entry;
	struct guest		*guest;
	unsigned int		 number;
	struct event		 tick;		/* too much: not read until */
	struct rate		 rate;
	int			 resting;

	int			 fd;		/* QEMU's side, -1 */
	struct event		 rd;
	struct event		 wr;
	char			*ring;
	uint64_t		 written;	/* bytes since the beginning */
	char			*input;		/* typed, for QEMU */
	size_t			 inputlen;
	int			 full;		/* no more of it for now */

	int			 pty;		/* -1 */
	struct event		 pty_rd;
	struct event		 pty_wr;
	struct event		 pty_retry;
	uint64_t		 pty_pos;
	struct rate		 pty_alarms;

	TAILQ_HEAD(, viewer)	 viewers;
	unsigned int		 nwatchers;
	struct viewer		*writer;
};

static struct console *console_get(struct guest *, unsigned int);
static struct console *console_find(struct guest *, unsigned int);
static void	 console_free(struct console *);
static void	 console_readable(int, short, void *);
static void	 console_writable(int, short, void *);
static ssize_t	 console_read(struct console *);
static void	 console_drain(struct console *);
static void	 console_close(struct console *, const char *);
static void	 console_output(struct console *, const char *, size_t);
static size_t	 console_view(struct console *, uint64_t *, uint64_t *,
		    const char **);
static int	 console_input(struct console *, const char *, size_t);
static void	 console_flush(struct console *);
static void	 console_hold(struct console *, int);
static void	 console_rest(struct console *);
static void	 console_ticked(int, short, void *);
static void	 pty_readable(int, short, void *);
static void	 pty_writable(int, short, void *);
static void	 pty_retried(int, short, void *);
static void	 pty_flush(struct console *);
static void	 pty_close(struct console *);
static int	 pty_failed(struct console *, int, int);
static int	 viewer_cmp(struct viewer *, struct viewer *);
static struct viewer *viewer_find(uint64_t);
static void	 viewer_free(struct viewer *);
static void	 viewer_end(struct viewer *, int, const char *);
static void	 viewer_say_closed(uint64_t, int, const char *);
static void	 viewer_say_hold(struct viewer *, int);
static void	 viewer_flush(struct viewer *);
static void	 viewer_send(struct viewer *, const char *, size_t);

RB_PROTOTYPE(viewers, viewer, entry, viewer_cmp)
RB_GENERATE(viewers, viewer, entry, viewer_cmp)

static struct viewers	 viewers = RB_INITIALIZER(&viewers);
static unsigned int	 nviewers;

static int
viewer_cmp(struct viewer *a, struct viewer *b)
{
	return (a->id < b->id ? -1 : a->id > b->id);
}

static struct viewer *
viewer_find(uint64_t id)
{
	struct viewer	key = { .id = id };

	return (RB_FIND(viewers, &viewers, &key));
}

unsigned int
viewers_count(void)
{
	return (nviewers);
}

/* --- a console ----------------------------------------------------------- */

static struct console *
console_find(struct guest *g, unsigned int number)
{
	struct console	*c;

	TAILQ_FOREACH(c, &g->consoles, entry)
		if (c->number == number)
			return (c);
	return (NULL);
}

static struct console *
console_get(struct guest *g, unsigned int number)
{
	struct console	*c;

	if ((c = console_find(g, number)) != NULL)
		return (c);
	if (g->nconsoles >= CONSOLES_MAX ||
	    (c = calloc(1, sizeof(*c))) == NULL)
		return (NULL);
	/* not cleared: memory is used as far as it is written */
	if ((c->ring = malloc(CONSOLE_RING)) == NULL) {
		free(c);
		return (NULL);
	}
	c->guest = g;
	c->number = number;
	c->fd = c->pty = -1;
	TAILQ_INIT(&c->viewers);
	event_assign(&c->tick, env.proc.base, -1, 0, console_ticked, c);
	TAILQ_INSERT_TAIL(&g->consoles, c, entry);
	g->nconsoles++;
	return (c);
}

void
consoles_clear(struct guest *g, const char *why)
{
	struct console	*c;

	while ((c = TAILQ_FIRST(&g->consoles)) != NULL) {
		/* a guest's last words are what one wants to read */
		console_drain(c);
		console_close(c, why);
		console_free(c);
	}
}

static void
console_free(struct console *c)
{
	TAILQ_REMOVE(&c->guest->consoles, c, entry);
	c->guest->nconsoles--;
	event_del(&c->tick);
	pty_close(c);
	free(c->ring);
	free(c);
}

int
console_attach(struct guest *g, unsigned int number, int fd)
{
	struct console	*c;

	if (!fd_is_stream(fd) || !fd_spare(fd) ||
	    (c = console_get(g, number)) == NULL) {
		log_warnx("guest %s: console %u refused", g->name, number);
		close(fd);
		return (0);
	}
	if (c->fd != -1) {
		close(fd);
		return (-1);
	}
	c->fd = fd;
	event_assign(&c->rd, env.proc.base, fd, EV_READ | EV_PERSIST,
	    console_readable, c);
	event_assign(&c->wr, env.proc.base, fd, EV_WRITE, console_writable,
	    c);
	event_add(&c->rd, NULL);
	return (0);
}

/* QEMU has closed it, or it has to be closed. */
static void
console_close(struct console *c, const char *why)
{
	struct viewer	*v;

	if (c->fd != -1) {
		event_del(&c->rd);
		event_del(&c->wr);
		close(c->fd);
		c->fd = -1;
	}
	while ((v = TAILQ_FIRST(&c->viewers)) != NULL)
		viewer_end(v, 0, why);
	freezero(c->input, CONSOLE_INPUT_MAX);
	c->input = NULL;
	c->inputlen = 0;
	console_hold(c, 0);
}

/* --- what the guest writes ----------------------------------------------- */

static void
console_readable(int fd, short what, void *arg)
{
	struct console	*c = arg;
	ssize_t		 n;

	if ((n = console_read(c)) == 0) {
		log_debug("guest %s: console %u closed", c->guest->name,
		    c->number);
		console_close(c, "the guest has closed this console");
	} else if (n > 0 && !rate_take(&c->rate, &console_limit, n))
		console_rest(c);
}

/* As read(2), and the bytes are where they belong. */
static ssize_t
console_read(struct console *c)
{
	static char	 buf[READ_BYTES];
	ssize_t		 n;

	n = recv(c->fd, buf, sizeof(buf), MSG_DONTWAIT);
	if (n > 0)
		console_output(c, buf, n);
	else if (n == -1 && errno != EAGAIN && errno != EINTR)
		n = 0;
	return (n);
}

static void
console_drain(struct console *c)
{
	size_t	total = 0;
	ssize_t	n;

	while (c->fd != -1 && total < DRAIN_BYTES &&
	    (n = console_read(c)) > 0)
		total += n;
}

static void
console_output(struct console *c, const char *p, size_t len)
{
	struct viewer	*v;
	size_t		 at, n;

	while (len > 0) {
		at = c->written % CONSOLE_RING;
		n = len < CONSOLE_RING - at ? len : CONSOLE_RING - at;
		memcpy(c->ring + at, p, n);
		c->written += n;
		p += n;
		len -= n;
	}
	/* one that waits for its descriptor has its turn when that is ready */
	if (c->pty != -1 && !event_pending(&c->pty_wr, EV_WRITE, NULL))
		pty_flush(c);
	TAILQ_FOREACH(v, &c->viewers, byconsole)
		viewer_flush(v);
}

/*
 * The next bytes for a reader at *pos: how many are at *p.  If it missed
 * some, *pos is moved on, and *lost says how many.
 */
static size_t
console_view(struct console *c, uint64_t *pos, uint64_t *lost, const char **p)
{
	uint64_t	have = c->written - *pos;
	size_t		at;

	*lost = 0;
	if (have > CONSOLE_RING) {
		*lost = have - CONSOLE_RING;
		*pos += *lost;
		have = CONSOLE_RING;
	}
	at = *pos % CONSOLE_RING;
	*p = c->ring + at;
	return (have < CONSOLE_RING - at ? have : CONSOLE_RING - at);
}

/* --- what is typed ------------------------------------------------------- */

static int
console_input(struct console *c, const char *p, size_t len)
{
	if (c->input == NULL &&
	    (c->input = malloc(CONSOLE_INPUT_MAX)) == NULL)
		return (-1);
	if (c->inputlen + len > CONSOLE_INPUT_MAX)
		return (-1);
	memcpy(c->input + c->inputlen, p, len);
	c->inputlen += len;
	console_flush(c);
	return (0);
}

static void
console_flush(struct console *c)
{
	ssize_t	n;

	if (c->fd == -1 || c->inputlen == 0)
		return;
	n = send(c->fd, c->input, c->inputlen, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n == -1) {
		/* if it is closed, reading will say so */
		if (errno != EAGAIN && errno != EINTR && errno != ENOBUFS)
			n = c->inputlen;
		else
			n = 0;
	}
	memmove(c->input, c->input + n, c->inputlen - n);
	c->inputlen -= n;
	explicit_bzero(c->input + c->inputlen, n);
	if (c->inputlen > 0)
		event_add(&c->wr, NULL);
	else {
		free(c->input);
		c->input = NULL;
	}
	if (c->inputlen > CONSOLE_INPUT_HIGH)
		console_hold(c, 1);
	else if (c->inputlen < CONSOLE_INPUT_LOW)
		console_hold(c, 0);
}

static void
console_writable(int fd, short what, void *arg)
{
	console_flush(arg);
}

/* The guest does not read what is typed, or reads again. */
static void
console_hold(struct console *c, int hold)
{
	if (c->full == hold)
		return;
	c->full = hold;
	if (c->writer != NULL)
		viewer_say_hold(c->writer, hold);
	if (c->pty == -1)
		return;
	if (hold)
		event_del(&c->pty_rd);
	else if (!c->resting)
		event_add(&c->pty_rd, NULL);
}

/* Too much in a short time: nothing is read for a moment. */
static void
console_rest(struct console *c)
{
	const struct timeval	tv = { 0, TICK_MS * 1000 };

	c->resting = 1;
	if (c->fd != -1)
		event_del(&c->rd);
	if (c->pty != -1)
		event_del(&c->pty_rd);
	event_add(&c->tick, &tv);
}

static void
console_ticked(int fd, short what, void *arg)
{
	struct console	*c = arg;

	if (!rate_take(&c->rate, &console_limit, 0)) {
		console_rest(c);
		return;
	}
	c->resting = 0;
	if (c->fd != -1)
		event_add(&c->rd, NULL);
	if (c->pty != -1 && !c->full &&
	    !event_pending(&c->pty_retry, EV_TIMEOUT, NULL))
		event_add(&c->pty_rd, NULL);
}

/* --- the pseudo terminal ------------------------------------------------- */

int
console_pty(struct guest *g, unsigned int number, int fd)
{
	struct console	*c;

	if (!fd_is_pty(fd) || !fd_spare(fd) || fd_nonblock(fd) == -1 ||
	    (c = console_get(g, number)) == NULL) {
		log_warnx("guest %s: terminal of console %u refused", g->name,
		    number);
		close(fd);
		return (0);
	}
	if (c->pty != -1) {
		close(fd);
		return (-1);
	}
	c->pty = fd;
	event_assign(&c->pty_rd, env.proc.base, fd, EV_READ | EV_PERSIST,
	    pty_readable, c);
	event_assign(&c->pty_wr, env.proc.base, fd, EV_WRITE, pty_writable,
	    c);
	event_assign(&c->pty_retry, env.proc.base, -1, 0, pty_retried, c);
	event_add(&c->pty_rd, NULL);
	pty_flush(c);
	return (0);
}

static void
pty_close(struct console *c)
{
	if (c->pty == -1)
		return;
	event_del(&c->pty_rd);
	event_del(&c->pty_wr);
	event_del(&c->pty_retry);
	close(c->pty);
	c->pty = -1;
}

static void
pty_readable(int fd, short what, void *arg)
{
	struct console	*c = arg;
	char		 buf[PTY_BYTES];
	ssize_t		 n;
	int		 error, blocks;

	guard_begin();
	n = read(fd, buf, sizeof(buf));
	error = errno;
	blocks = guard_end(fd, &c->pty_alarms);
	if (n <= 0 || blocks) {
		pty_failed(c, n == 0 ? EIO : error, blocks);
		return;
	}
	if (c->fd != -1)
		console_input(c, buf, n);	/* room: it was not full */
	explicit_bzero(buf, sizeof(buf));
	if (!rate_take(&c->rate, &console_limit, n))
		console_rest(c);
}

/* What the terminal takes of the ring. */
static void
pty_flush(struct console *c)
{
	const char	*p;
	uint64_t	 lost;
	size_t		 len;
	ssize_t		 n;
	int		 error, blocks;

	if (event_pending(&c->pty_retry, EV_TIMEOUT, NULL))
		return;
	while ((len = console_view(c, &c->pty_pos, &lost, &p)) > 0) {
		guard_begin();
		n = write(c->pty, p, len);
		error = errno;
		blocks = guard_end(c->pty, &c->pty_alarms);
		if (n <= 0 || blocks) {
			if (n == 0)
				error = EAGAIN;
			if (pty_failed(c, error, blocks) == 0)
				event_add(&c->pty_wr, NULL);
			return;
		}
		c->pty_pos += n;
	}
}

static void
pty_writable(int fd, short what, void *arg)
{
	pty_flush(arg);
}

/* 0 if it may be tried again when it is ready. */
static int
pty_failed(struct console *c, int error, int blocks)
{
	const struct timeval	tv = { PTY_RETRY_MS / 1000, 0 };

	if (!blocks && (error == EAGAIN || error == EINTR))
		return (0);
	if (blocks || error != EIO) {
		log_warnx("guest %s: terminal of console %u %s: closed",
		    c->guest->name, c->number, blocks ? "blocks" : "fails");
		pty_close(c);
		return (-1);
	}
	/*
	 * Nobody has the other side open, not even the launcher; the kernel
	 * would say so again and again.
	 */
	event_del(&c->pty_rd);
	event_del(&c->pty_wr);
	event_add(&c->pty_retry, &tv);
	return (-1);
}

static void
pty_retried(int fd, short what, void *arg)
{
	struct console	*c = arg;

	if (!c->full && !c->resting)
		event_add(&c->pty_rd, NULL);
	pty_flush(c);
}

/* --- viewers ------------------------------------------------------------- */

int
viewer_open(const struct msg_viewer_open *m)
{
	struct guest	*g;
	struct console	*c = NULL;
	struct viewer	*v;

	if (viewer_find(m->viewer) != NULL || (m->force && m->watch))
		return (-1);
	if ((g = guest_find(m->guest)) != NULL)
		c = console_find(g, m->console);
	if (c == NULL || c->fd == -1) {
		viewer_say_closed(m->viewer, 0, g == NULL ?
		    "the guest is gone" : "the guest has no such console");
		return (0);
	}
	if (!m->watch && c->writer != NULL && !m->force) {
		viewer_say_closed(m->viewer, 1, "this console is in use");
		return (0);
	}
	if (nviewers >= VIEWERS_MAX ||
	    (m->watch && c->nwatchers >= CONSOLE_WATCHERS_MAX) ||
	    (v = calloc(1, sizeof(*v))) == NULL) {
		viewer_say_closed(m->viewer, 0, "too many viewers");
		return (0);
	}
	if (!m->watch && c->writer != NULL)
		viewer_end(c->writer, 1, "somebody else took this console");
	v->console = c;
	v->id = m->viewer;
	v->watch = m->watch;
	v->pos = c->written > CONSOLE_RING ? c->written - CONSOLE_RING : 0;
	RB_INSERT(viewers, &viewers, v);
	TAILQ_INSERT_TAIL(&c->viewers, v, byconsole);
	nviewers++;
	if (m->watch)
		c->nwatchers++;
	else {
		c->writer = v;
		if (c->full)
			viewer_say_hold(v, 1);
	}
	viewer_flush(v);
	return (0);
}

int
viewer_input(const struct msg_viewer_data *m)
{
	struct viewer	*v;

	if ((v = viewer_find(m->viewer)) == NULL)
		return (0);		/* it has just been closed */
	if (v->watch)
		viewer_end(v, 0, "this viewer may only watch");
	else if (console_input(v->console, m->data.data_val,
	    m->data.data_len) == -1)
		viewer_end(v, 0, "the guest does not read what is typed");
	return (0);
}

void
viewer_close(uint64_t id)
{
	struct viewer	*v;

	if ((v = viewer_find(id)) != NULL)
		viewer_free(v);
}

void
viewer_flow(uint64_t id, int stop)
{
	struct viewer	*v;

	if ((v = viewer_find(id)) == NULL)
		return;
	v->stopped = stop;
	viewer_flush(v);
}

void
viewers_drained(void)
{
	struct viewer	*v;

	RB_FOREACH(v, viewers, &viewers)
		viewer_flush(v);
}

static void
viewer_free(struct viewer *v)
{
	struct console	*c = v->console;

	RB_REMOVE(viewers, &viewers, v);
	TAILQ_REMOVE(&c->viewers, v, byconsole);
	nviewers--;
	if (v->watch)
		c->nwatchers--;
	else
		c->writer = NULL;
	free(v);
}

static void
viewer_end(struct viewer *v, int busy, const char *why)
{
	viewer_say_closed(v->id, busy, why);
	viewer_free(v);
}

static void
viewer_say_closed(uint64_t id, int busy, const char *why)
{
	struct msg_viewer_closed	m = { 0 };

	if (env.qemud == NULL)
		return;
	m.viewer = id;
	m.busy = busy;
	m.text = (char *)(uintptr_t)why;
	CHAN_SEND(env.qemud, MSG_VIEWER_CLOSED, msg_viewer_closed, &m, -1);
}

static void
viewer_say_hold(struct viewer *v, int stop)
{
	struct msg_viewer_flow	m = { .viewer = v->id, .stop = stop };

	if (env.qemud != NULL)
		CHAN_SEND(env.qemud, MSG_VIEWER_HOLD, msg_viewer_flow, &m,
		    -1);
}

/* What it has not seen yet, if qemud and it can take it. */
static void
viewer_flush(struct viewer *v)
{
	char		 note[64];
	const char	*p;
	uint64_t	 lost;
	size_t		 len;

	while (!v->stopped && env.qemud != NULL && !chan_full(env.qemud) &&
	    (len = console_view(v->console, &v->pos, &lost, &p)) > 0) {
		if (lost > 0) {
			snprintf(note, sizeof(note),
			    "\r\n[%llu bytes lost]\r\n",
			    (unsigned long long)lost);
			viewer_send(v, note, strlen(note));
		}
		if (len > MSG_DATA_MAX)
			len = MSG_DATA_MAX;
		viewer_send(v, p, len);
		v->pos += len;
	}
}

static void
viewer_send(struct viewer *v, const char *p, size_t len)
{
	struct msg_viewer_data	m = { .viewer = v->id };

	m.data.data_val = (char *)(uintptr_t)p;
	m.data.data_len = len;
	CHAN_SEND(env.qemud, MSG_VIEWER_DATA, msg_viewer_data, &m, -1);
}
