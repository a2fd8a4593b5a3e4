/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * The daemon's view of us: a connection to its launch socket, over which the
 * guest is registered, with fresh connections to QEMU each time.  When it
 * ends it is made again, for as long as the guest runs; the guest does not
 * notice.  What comes over it is checked, but whoever can listen on that
 * socket decides about the guest; so it must be root or we ourselves.
 */

#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "imsg/log.h"
#include "launch/launch.h"
#include "rpc/body.h"
#include "rpc/error.h"
#include "rpc/frame.h"
#include "rpc/procs.h"

#define RETRY_FIRST_MS		10
#define RETRY_MAX_MS		1000
#define REFUSED_RETRY_MS	60000
#define ENDED_TRY_MS		10000	/* to tell a daemon that waits for it */
#define ENDED_TRY_OWN_MS	2000	/* ... that only looks on */
#define REPLY_MAX_BYTES		65536
#define READ_SIZE		4096
#define QUEUE_MAX		8

/* A frame that is being sent, and its descriptors. */
struct outgoing {
	TAILQ_ENTRY(outgoing)	 entry;
	char			*buf;
	size_t			 len, done;
	int			 fds[OWN_DESCRIPTORS_MAX];
	size_t			 nfds, donefds;
};

struct registration {
	struct launch		*l;
	int			 fd;		/* -1: not connected */
	struct event		*rd, *wr;
	struct event		*retry;
	struct event		*deadline;
	struct framer		 in;
	TAILQ_HEAD(, outgoing)	 out;
	unsigned int		 nout;
	unsigned int		 serial;	/* the last one */
	unsigned int		 waiting;	/* for the answer to register */
	unsigned int		 waiting_end;	/* ... to ended; 0: to none */
	unsigned int		 delay_ms;
	int			 error;		/* of the last attempt, */
	int			 emulator_error; /* so that each is told once */
	int			 accepted;	/* once at least */
	int			 renew;		/* again after the answer */
	char			 refused[256];	/* why, for the log */

	int			 have_ended;
	struct own_ended	 ended;
};

static struct registration *
		 registration_get(struct launch *);
static void	 reg_connect(struct registration *);
static int	 reg_open(const char *);
static int	 reg_trusted(int);
static void	 reg_close(struct registration *);
static void	 reg_lost(struct registration *);
static void	 reg_retry(struct registration *, unsigned int);
static void	 reg_timer(evutil_socket_t, short, void *);
static void	 reg_deadline(evutil_socket_t, short, void *);

static void	 reg_register(struct registration *);
static int	 reg_descriptors(struct launch *, own_descriptor *, int *,
		    u_int *);
static void	 reg_say_ended(struct registration *);
static int	 reg_call(struct registration *, int, xdrproc_t, const void *,
		    const int *, size_t);
static int	 reg_queue(struct registration *, char *, size_t, const int *,
		    size_t);
static void	 reg_writable(evutil_socket_t, short, void *);
static int	 outgoing_send(int, struct outgoing *);
static void	 outgoing_free(struct outgoing *);

static void	 reg_readable(evutil_socket_t, short, void *);
static int	 reg_frame(struct registration *, const struct frame *);
static int	 reg_answer(struct registration *, const struct frame *);
static int	 reg_refused(struct registration *, const struct frame *);
static int	 reg_message(struct registration *, const struct frame *);
static void	 reg_pong(struct registration *);

int
register_start(struct launch *l)
{
	struct registration	*r;
	struct timeval		 tv = { l->start_timeout_s, 0 };

	if ((r = registration_get(l)) == NULL)
		return (-1);
	if (l->daemon && l->start_timeout_s > 0)
		event_add(r->deadline, &tv);
	reg_connect(r);
	return (0);
}

void
register_ended(struct launch *l, enum own_how how, int code, const char *text)
{
	struct registration	*r;
	unsigned int		 ms = l->daemon ? ENDED_TRY_MS :
				    ENDED_TRY_OWN_MS;
	struct timeval		 tv = { ms / 1000, ms % 1000 * 1000 };
	char			 safe[OWN_TEXT_MAX + 1];

	if ((r = registration_get(l)) == NULL)
		launch_exit(l);
	/* a daemon that never knew of the guest need not know of its end */
	if (!l->daemon && !r->accepted && r->fd == -1)
		launch_exit(l);
	r->have_ended = 1;
	r->ended.how = how;
	r->ended.code = code;
	strlcpy(safe, text, sizeof(safe));
	free(r->ended.text);
	r->ended.text = strdup(safe);
	r->ended.name = l->name;
	memcpy(r->ended.uuid, l->uuid, sizeof(r->ended.uuid));
	if (r->ended.text == NULL || event_add(r->deadline, &tv) == -1)
		launch_exit(l);
	if (r->fd != -1)
		reg_say_ended(r);
	else
		reg_connect(r);
}

void
register_clear(struct launch *l)
{
	struct registration	*r = l->reg;

	if (r == NULL)
		return;
	reg_close(r);
	if (r->retry != NULL)
		event_free(r->retry);
	if (r->deadline != NULL)
		event_free(r->deadline);
	free(r->ended.text);
	free(r);
	l->reg = NULL;
}

static struct registration *
registration_get(struct launch *l)
{
	struct registration	*r;

	if (l->reg != NULL)
		return (l->reg);
	if ((r = calloc(1, sizeof(*r))) == NULL)
		return (NULL);
	r->l = l;
	r->fd = -1;
	TAILQ_INIT(&r->out);
	framer_init(&r->in, REPLY_MAX_BYTES);
	r->retry = evtimer_new(l->base, reg_timer, r);
	r->deadline = evtimer_new(l->base, reg_deadline, r);
	l->reg = r;
	if (r->retry == NULL || r->deadline == NULL) {
		register_clear(l);
		return (NULL);
	}
	return (r);
}

/* --- the connection ------------------------------------------------------- */

static void
reg_connect(struct registration *r)
{
	struct event_base	*base = r->l->base;

	evtimer_del(r->retry);
	if ((r->fd = reg_open(r->l->socket)) == -1) {
		if (errno != r->error)
			log_debug("%s: %s", r->l->socket, strerror(errno));
		r->error = errno;
		reg_lost(r);
		return;
	}
	r->error = 0;
	r->rd = event_new(base, r->fd, EV_READ | EV_PERSIST, reg_readable, r);
	r->wr = event_new(base, r->fd, EV_WRITE, reg_writable, r);
	if (r->rd == NULL || r->wr == NULL || event_add(r->rd, NULL) == -1)
		reg_lost(r);
	else if (r->have_ended)
		reg_say_ended(r);
	else
		reg_register(r);
}

static int
reg_open(const char *path)
{
	struct sockaddr_un	 sun = { .sun_family = AF_UNIX };
	int			 fd, saved;

	if (strlcpy(sun.sun_path, path, sizeof(sun.sun_path)) >=
	    sizeof(sun.sun_path)) {
		errno = ENAMETOOLONG;
		return (-1);
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return (-1);
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == -1 ||
	    !reg_trusted(fd)) {
		saved = errno;
		close(fd);
		errno = saved;
		return (-1);
	}
	return (fd);
}

static int
reg_trusted(int fd)
{
	struct ucred	 cred;
	socklen_t	 len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == -1)
		return (0);
	if (cred.uid == 0 || cred.uid == geteuid())
		return (1);
	errno = EPERM;
	return (0);
}

/* Everything of this connection is forgotten. */
static void
reg_close(struct registration *r)
{
	struct outgoing	*o;

	while ((o = TAILQ_FIRST(&r->out)) != NULL) {
		TAILQ_REMOVE(&r->out, o, entry);
		outgoing_free(o);
	}
	r->nout = 0;
	if (r->rd != NULL)
		event_free(r->rd);
	if (r->wr != NULL)
		event_free(r->wr);
	r->rd = r->wr = NULL;
	framer_clear(&r->in);
	if (r->fd != -1)
		close(r->fd);
	r->fd = -1;
	r->waiting = r->waiting_end = 0;
	r->renew = 0;
}

/* The connection has ended, or there is none: again, a little later. */
static void
reg_lost(struct registration *r)
{
	reg_close(r);
	reg_retry(r, r->delay_ms);
	r->delay_ms = r->delay_ms == 0 ? RETRY_FIRST_MS : r->delay_ms * 2;
	if (r->delay_ms > RETRY_MAX_MS)
		r->delay_ms = RETRY_MAX_MS;
}

static void
reg_retry(struct registration *r, unsigned int ms)
{
	struct timeval	 tv = { ms / 1000, ms % 1000 * 1000 };

	evtimer_add(r->retry, &tv);
}

/* Not connected: connect.  Connected: the daemon had refused the guest. */
static void
reg_timer(evutil_socket_t fd, short what, void *arg)
{
	struct registration	*r = arg;

	if (r->fd == -1)
		reg_connect(r);
	else if (!r->have_ended && r->waiting == 0)
		reg_register(r);
}

/*
 * Before the end: the guest has not run yet, and if nobody has taken it in
 * all this time nobody ever lets it run.  After it: it was tried for long
 * enough.
 */
static void
reg_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct registration	*r = arg;

	if (r->have_ended)
		launch_exit(r->l);
	if (r->accepted)
		return;
	output_line(&r->l->out, "no daemon has taken the guest within %u "
	    "seconds: ending it", r->l->start_timeout_s);
	launch_kill(r->l, 0);
}

/* --- what we say ---------------------------------------------------------- */

static void
reg_register(struct registration *r)
{
	struct launch		*l = r->l;
	struct own_register	 m = { 0 };
	own_descriptor		 what[OWN_DESCRIPTORS_MAX];
	int			 fds[OWN_DESCRIPTORS_MAX];
	u_int			 i, n;

	memset(what, 0, sizeof(what));
	if (reg_descriptors(l, what, fds, &n) == -1) {
		if (errno != r->emulator_error)
			output_line(&l->out, "cannot connect to the emulator: "
			    "%s", strerror(errno));
		r->emulator_error = errno;
		reg_lost(r);
		return;
	}
	r->emulator_error = 0;
	m.revision = OWN_REVISION;
	m.name = l->name;
	memcpy(m.uuid, l->uuid, sizeof(m.uuid));
	m.launcher_pid = getpid();
	m.qemu_pid = l->pid;
	m.xml = l->xml;
	m.descriptors.descriptors_val = what;
	m.descriptors.descriptors_len = n;
	if (reg_call(r, PROC_launch_register, (xdrproc_t)xdr_own_register, &m,
	    fds, n) == -1) {
		for (i = 0; i < n; i++)
			close(fds[i]);
		reg_lost(r);
		return;
	}
	r->waiting = r->serial;
	r->renew = 0;
}

/* 0: all n of fds are the caller's; -1 with errno: none is open. */
static int
reg_descriptors(struct launch *l, own_descriptor *what, int *fds, u_int *len)
{
	static char	 none[] = "";
	struct console	*c;
	size_t		 i;
	u_int		 n = 0;
	int		 saved;

	/* the bounds of a plan are far below OWN_DESCRIPTORS_MAX */
	what[n].kind = OWN_MONITOR;
	if ((fds[n] = endpoint_connect(&l->monitor)) == -1)
		goto fail;
	n++;
	for (i = 0; i < l->nconsoles; i++) {
		c = &l->consoles[i];
		what[n].kind = OWN_CONSOLE;
		what[n].own_descriptor_u.console.index = c->port;
		what[n].own_descriptor_u.console.alias = c->alias;
		what[n].own_descriptor_u.console.tty = c->tty == NULL ?
		    none : c->tty;
		if ((fds[n] = endpoint_connect(&c->ep)) == -1)
			goto fail;
		n++;
		if (c->master == -1)
			continue;
		what[n].kind = OWN_PTY;
		what[n].own_descriptor_u.pty = c->port;
		if ((fds[n] = fcntl(c->master, F_DUPFD_CLOEXEC, 0)) == -1)
			goto fail;
		n++;
	}
	for (i = 0; i < l->nscreens; i++) {
		what[n].kind = OWN_VNC;
		what[n].own_descriptor_u.vnc.index = l->screens[i].index;
		what[n].own_descriptor_u.vnc.port = l->screens[i].port;
		fds[n] = fcntl(l->screens[i].listener, F_DUPFD_CLOEXEC, 0);
		if (fds[n] == -1)
			goto fail;
		n++;
	}
	*len = n;
	return (0);

 fail:
	saved = errno;
	while (n > 0)
		close(fds[--n]);
	errno = saved;
	return (-1);
}

static void
reg_say_ended(struct registration *r)
{
	if (reg_call(r, PROC_launch_ended, (xdrproc_t)xdr_own_ended, &r->ended,
	    NULL, 0) == -1)
		reg_lost(r);
	else
		r->waiting_end = r->serial;
}

/* Takes the descriptors, unless it returns -1. */
static int
reg_call(struct registration *r, int procedure, xdrproc_t proc,
    const void *body, const int *fds, size_t nfds)
{
	struct frame_header	 hdr = { 0 };
	const size_t		 head = nfds > 0 ? FRAME_HEAD_FDS : FRAME_HEAD;
	char			*buf;
	size_t			 len;
	int			 ret;

	if (rpc_encode(proc, body, head, &buf, &len) == -1) {
		log_warn("cannot say procedure %d", procedure);
		return (-1);
	}
	hdr.prog = OWN_PROGRAM;
	hdr.vers = OWN_VERSION;
	hdr.procedure = procedure;
	hdr.type = nfds > 0 ? FRAME_CALL_WITH_FDS : FRAME_CALL;
	hdr.serial = ++r->serial;
	hdr.status = FRAME_OK;
	if (nfds > 0)
		ret = frame_head_fds(buf, &hdr, len - head, nfds);
	else
		ret = frame_head(buf, &hdr, len - head);
	if (ret == -1) {
		log_warn("cannot say procedure %d", procedure);
		free(buf);
		return (-1);
	}
	return (reg_queue(r, buf, len, fds, nfds));
}

/* Takes buf; takes the descriptors, unless it returns -1. */
static int
reg_queue(struct registration *r, char *buf, size_t len, const int *fds,
    size_t nfds)
{
	struct outgoing	*o;

	if (r->nout >= QUEUE_MAX || (o = calloc(1, sizeof(*o))) == NULL) {
		free(buf);
		errno = ENOBUFS;
		return (-1);
	}
	o->buf = buf;
	o->len = len;
	if (nfds > 0)
		memcpy(o->fds, fds, nfds * sizeof(*fds));
	o->nfds = nfds;
	TAILQ_INSERT_TAIL(&r->out, o, entry);
	r->nout++;
	event_active(r->wr, EV_WRITE, 0);
	return (0);
}

static void
reg_writable(evutil_socket_t fd, short what, void *arg)
{
	struct registration	*r = arg;
	struct outgoing		*o;

	while ((o = TAILQ_FIRST(&r->out)) != NULL) {
		if (outgoing_send(r->fd, o) == -1) {
			if (errno == EAGAIN) {
				event_add(r->wr, NULL);
				return;
			}
			/* what was said to us before is still to be read */
			if (errno == EPIPE || errno == ECONNRESET)
				return;
			log_debug("%s: %s", r->l->socket, strerror(errno));
			reg_lost(r);
			return;
		}
		TAILQ_REMOVE(&r->out, o, entry);
		r->nout--;
		outgoing_free(o);
	}
}

/* The bytes, then each descriptor with one byte of its own. */
static int
outgoing_send(int fd, struct outgoing *o)
{
	union {
		struct cmsghdr	 align;
		char		 buf[CMSG_SPACE(sizeof(int))];
	}		 control;
	struct msghdr	 msg;
	struct cmsghdr	*cmsg;
	struct iovec	 iov;
	static char	 zero;
	ssize_t		 n;

	while (o->done < o->len) {
		n = send(fd, o->buf + o->done, o->len - o->done, MSG_NOSIGNAL);
		if (n == -1 && errno != EINTR)
			return (-1);
		if (n > 0)
			o->done += n;
	}
	while (o->donefds < o->nfds) {
		memset(&msg, 0, sizeof(msg));
		memset(&control, 0, sizeof(control));
		iov.iov_base = &zero;
		iov.iov_len = 1;
		msg.msg_iov = &iov;
		msg.msg_iovlen = 1;
		msg.msg_control = control.buf;
		msg.msg_controllen = sizeof(control.buf);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), &o->fds[o->donefds], sizeof(int));
		n = sendmsg(fd, &msg, MSG_NOSIGNAL);
		if (n == -1 && errno != EINTR)
			return (-1);
		/* ours is closed at once: the daemon's end is the end of it */
		if (n == 1) {
			close(o->fds[o->donefds]);
			o->donefds++;
		}
	}
	return (0);
}

static void
outgoing_free(struct outgoing *o)
{
	size_t	 i;

	for (i = o->donefds; i < o->nfds; i++)
		close(o->fds[i]);
	free(o->buf);
	free(o);
}

/* --- what the daemon says ------------------------------------------------- */

static void
reg_readable(evutil_socket_t fd, short what, void *arg)
{
	struct registration	*r = arg;
	struct frame		 f;
	char			 buf[READ_SIZE];
	ssize_t			 n;
	int			 more;

	if ((n = recv(fd, buf, sizeof(buf), 0)) == -1 &&
	    (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		log_debug("%s: %s", r->l->socket, n == 0 ?
		    "closed by the daemon" : strerror(errno));
		reg_lost(r);
		return;
	}
	if (framer_push(&r->in, buf, n, NULL, 0) == -1) {
		reg_lost(r);
		return;
	}
	while ((more = framer_next(&r->in, &f)) == 1)
		if (reg_frame(r, &f) == -1) {
			more = -1;
			break;
		}
	if (more == -1) {
		log_warnx("%s: that is not how a daemon of ours talks",
		    r->l->socket);
		reg_lost(r);
		return;
	}
	/* days may pass until something comes again */
	if (framer_pending(&r->in) == 0)
		framer_clear(&r->in);
}

static int
reg_frame(struct registration *r, const struct frame *f)
{
	if (f->hdr.prog == KEEPALIVE_PROGRAM) {
		if (f->hdr.type == FRAME_MESSAGE &&
		    f->hdr.procedure == KEEPALIVE_PING)
			reg_pong(r);
		return (0);
	}
	if (f->hdr.prog != OWN_PROGRAM || f->hdr.vers != OWN_VERSION)
		return (-1);
	if (f->hdr.type == FRAME_MESSAGE)
		return (reg_message(r, f));
	if (f->hdr.type != FRAME_REPLY || f->hdr.serial == 0)
		return (-1);
	if (f->hdr.serial == r->waiting_end)
		launch_exit(r->l);
	if (f->hdr.serial == r->waiting)
		return (reg_answer(r, f));
	return (-1);
}

static int
reg_answer(struct registration *r, const struct frame *f)
{
	struct own_registered	 m;
	struct launch		*l = r->l;

	r->waiting = 0;
	if (f->hdr.status != FRAME_OK)
		return (reg_refused(r, f));
	if (rpc_decode((xdrproc_t)xdr_own_registered, f->body, f->len, &m,
	    sizeof(m)) == -1)
		return (-1);
	r->delay_ms = 0;
	if (m.verdict != OWN_ACCEPT) {
		if (r->have_ended)
			return (0);
		output_line(&l->out, "the daemon does not want the guest any "
		    "more: ending it");
		launch_kill(l, 0);
		return (0);
	}
	if (!r->accepted || r->refused[0] != '\0')
		output_line(&l->out, "registered at %s", l->socket);
	log_debug("%s: accepted as %d", l->socket, m.id);
	r->accepted = 1;
	r->refused[0] = '\0';
	evtimer_del(r->retry);
	if (!r->have_ended) {
		evtimer_del(r->deadline);
		if (r->renew)
			reg_register(r);
	}
	return (0);
}

/*
 * A start that the daemon has asked for and now refuses is at its end.  A
 * guest that runs does not end because a daemon cannot have it: only the
 * verdict says so.
 */
static int
reg_refused(struct registration *r, const struct frame *f)
{
	struct rpc_error	 err;
	struct launch		*l = r->l;
	char			 text[sizeof(r->refused)];

	if (rpc_error_decode(&err, f->body, f->len) == -1)
		return (-1);
	strlcpy(text, err.detail, sizeof(text));
	if (strcmp(text, r->refused) != 0) {
		strlcpy(r->refused, text, sizeof(r->refused));
		output_line(&l->out, "the daemon at %s refuses the guest: %s",
		    l->socket, text);
	}
	if (r->have_ended)
		return (0);
	if (l->daemon && !r->accepted)
		launch_kill(l, 0);
	else
		reg_retry(r, REFUSED_RETRY_MS);
	return (0);
}

static int
reg_message(struct registration *r, const struct frame *f)
{
	struct own_kill	 m;

	switch (f->hdr.procedure) {
	case EVENT_launch_renew:
		if (f->len != 0)
			return (-1);
		if (r->have_ended)
			return (0);
		if (r->waiting != 0)
			r->renew = 1;
		else
			reg_register(r);
		return (0);
	case EVENT_launch_kill:
		if (rpc_decode((xdrproc_t)xdr_own_kill, f->body, f->len, &m,
		    sizeof(m)) == -1)
			return (-1);
		if (!r->have_ended)
			launch_kill(r->l, m.grace_ms);
		return (0);
	default:
		/* of a newer daemon, which knows that we do not know it */
		return (0);
	}
}

static void
reg_pong(struct registration *r)
{
	struct frame_header	 hdr = { 0 };
	char			*buf;

	if ((buf = malloc(FRAME_HEAD)) == NULL)
		return;
	hdr.prog = KEEPALIVE_PROGRAM;
	hdr.vers = KEEPALIVE_VERSION;
	hdr.procedure = KEEPALIVE_PONG;
	hdr.type = FRAME_MESSAGE;
	hdr.status = FRAME_OK;
	if (frame_head(buf, &hdr, 0) == -1)
		free(buf);
	else
		(void)reg_queue(r, buf, FRAME_HEAD, NULL, 0);
}
