/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * One connection: how it begins and ends, what is read and written.
 *
 * What a client wants while it may not ask more of qemud is parked, in
 * order, and so little is read then that PARK_MAX bounds it.  It is still
 * read, so that a client that waits for many answers gets its pings
 * answered.
 */

#include <sys/types.h>
#include <sys/socket.h>

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "imsg/log.h"
#include "netd/netd.h"

#define CLIENT_BUCKETS	1024
#define LINE_MAX_BYTES	512

static struct client	*client_alloc(int, const struct ucred *,
			    struct user *);
static void		 client_readable(int, short, void *);
static void		 client_writable(int, short, void *);
static ssize_t		 client_recv(struct client *, int *, size_t *);
static size_t		 client_fds(struct msghdr *, int *);
static void		 client_frames(struct client *);
static void		 client_unpark(struct client *);
static void		 parked_free(struct parked *);
static int		 client_queue(struct client *,
			    const struct frame_header *, size_t);
static void		 client_write(struct client *);
static void		 client_flow(struct client *);
static void		 client_watch(struct client *);
static void		 client_account(struct client *);
static void		 client_free(struct client *);
static void		 client_log(struct client *, const char *, va_list)
			    __attribute__((format(printf, 2, 0)));

static LIST_HEAD(, client)	 clients[CLIENT_BUCKETS];
static uint64_t			 last_id;

/* What one read brought; it is dealt with before the next. */
static char			 input[FRAME_READ_SIZE];

void
client_new(int fd)
{
	struct ucred	 cred;
	struct user	*u;
	struct client	*c;
	socklen_t	 len = sizeof(cred);
	const char	*why = NULL;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == -1 ||
	    (u = user_get(cred.uid)) == NULL) {
		log_warn("cannot serve a new client");
		close(fd);
		return;
	}
	if (!user_welcome(u))
		why = "may not register guests";
	else if (user_banned(u))
		why = "is shut out at the moment";
	else if (env->nclients >= env->limits.clients_max)
		why = "would be one client too many";
	else if (u->nclients >= user_clients_max(u))
		why = "has too many connections";
	if (why != NULL) {
		if (user_complaint(u))
			log_info("uid %u, pid %d: closed: %s (%u clients, %u "
			    "of this user)", cred.uid, cred.pid, why,
			    env->nclients, u->nclients);
		close(fd);
		netd_tick_start();
		return;
	}
	if ((c = client_alloc(fd, &cred, u)) == NULL) {
		log_warn("cannot serve a new client");
		user_put(u);
		return;
	}
	log_debug("client %" PRIu64 ": uid %u, gid %u, pid %d", c->id, c->uid,
	    c->gid, c->pid);
	netd_tick_start();
	netd_turn(c);
}

/* Takes fd, also on failure. */
static struct client *
client_alloc(int fd, const struct ucred *cred, struct user *u)
{
	struct client	*c;

	if ((c = calloc(1, sizeof(*c))) == NULL) {
		close(fd);
		return (NULL);
	}
	c->fd = fd;
	c->uid = cred->uid;
	c->gid = cred->gid;
	c->pid = cred->pid;
	c->id = ++last_id;
	c->seen = now();
	framer_init(&c->in, FRAME_MAX_IN);
	TAILQ_INIT(&c->parked);
	outq_init(&c->out);
	event_assign(&c->rd, env->proc.base, fd, EV_READ | EV_PERSIST,
	    client_readable, c);
	event_assign(&c->wr, env->proc.base, fd, EV_WRITE, client_writable,
	    c);
	c->user = u;
	u->nclients++;
	env->nclients++;
	TAILQ_INSERT_TAIL(&env->clients, c, entry);
	LIST_INSERT_HEAD(&clients[c->id % CLIENT_BUCKETS], c, hash);
	return (c);
}

struct client *
client_find(uint64_t id)
{
	struct client	*c;

	LIST_FOREACH(c, &clients[id % CLIENT_BUCKETS], hash)
		if (c->id == id)
			return (c->dead ? NULL : c);
	return (NULL);
}

int
client_existed(uint64_t id)
{
	return (id >= 1 && id <= last_id);
}

void
client_end(struct client *c)
{
	struct msg_client_gone	 m = { c->id };

	if (c->dead)
		return;
	c->dead = 1;
	event_del(&c->rd);
	event_del(&c->wr);
	log_debug("client %" PRIu64 ": gone", c->id);
	if (c->announced && env->qemud != NULL)
		CHAN_SEND(env->qemud, MSG_CLIENT_GONE, msg_client_gone, &m,
		    -1);
	netd_turn(c);
}

void
client_close(struct client *c)
{
	if (c->dead || c->closing)
		return;
	c->closing = 1;
	c->closing_since = now();
	netd_turn(c);
}

void
client_close_all(void)
{
	struct client	*c;

	TAILQ_FOREACH(c, &env->clients, entry)
		client_end(c);
}

static void
client_free(struct client *c)
{
	struct parked	*p;

	if (c->has_turn)
		TAILQ_REMOVE(&env->turns, c, turn);
	while ((p = TAILQ_FIRST(&c->parked)) != NULL) {
		TAILQ_REMOVE(&c->parked, p, entry);
		parked_free(p);
	}
	c->parked_bytes = 0;
	framer_clear(&c->in);
	outq_clear(&c->out);
	client_account(c);
	free(c->calls);
	free(c->streams);
	close(c->fd);
	c->user->nclients--;
	user_put(c->user);
	env->nclients--;
	TAILQ_REMOVE(&env->clients, c, entry);
	LIST_REMOVE(c, hash);
	free(c);
}

void
client_turn(struct client *c)
{
	if (!c->dead)
		client_unpark(c);
	/* a client that ends still gets what goes out at once */
	client_write(c);
	client_account(c);
	if (c->dead) {
		client_free(c);
		return;
	}
	if (c->closing && c->out.len == 0) {
		client_end(c);
		return;
	}
	client_flow(c);
	client_watch(c);
}

/* --- input ----------------------------------------------------------------- */

static void
client_readable(int fd, short what, void *arg)
{
	struct client	*c = arg;
	int		 fds[FRAME_FDS_MAX];
	size_t		 nfds = 0;
	ssize_t		 n;

	n = client_recv(c, fds, &nfds);
	if (n == -1) {
		if (errno == EAGAIN || errno == EINTR)
			return;
		if (errno != ECONNRESET)
			client_complain(c, "cannot read: %s",
			    strerror(errno));
		client_end(c);
		return;
	}
	if (n == 0) {
		client_end(c);
		return;
	}
	c->seen = now();
	c->pings = 0;
	if (framer_push(&c->in, input, n, fds, nfds) == -1) {
		if (errno == EMFILE)
			client_offence(c, "more descriptors than a call has");
		else
			log_warn("client %" PRIu64, c->id);
		client_end(c);
		return;
	}
	client_frames(c);
	client_account(c);
	if (!c->dead && c->in_bytes > PARK_MAX &&
	    c->user->in > USER_IN_MAX) {
		client_complain(c, "closed: its user has more than %d bytes "
		    "of unfinished requests", USER_IN_MAX);
		client_end(c);
	}
	if (!c->dead)
		client_watch(c);
}

/*
 * The only place where bytes of clients enter.  Without a buffer for them
 * the kernel drops descriptors that nobody wants; receiving and closing them
 * could take as long as the file system that they are from likes.
 * XXX launchers can do that to us: a descriptor of a FUSE file that does not
 * answer makes close(2) wait.
 */
static ssize_t
client_recv(struct client *c, int *fds, size_t *nfds)
{
	union {
		struct cmsghdr	 align;
		char		 bytes[CMSG_SPACE(sizeof(int) *
				    FRAME_FDS_MAX)];
	} control;
	struct iovec	 iov = { input, sizeof(input) };
	struct msghdr	 msg = { 0 };
	ssize_t		 n;

	msg.msg_iov = &iov;
	msg.msg_iovlen = 1;
	if (env->descriptors) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
	}
	n = recvmsg(c->fd, &msg, MSG_CMSG_CLOEXEC);
	if (n == -1 || !env->descriptors)
		return (n);
	*nfds = client_fds(&msg, fds);
	if (msg.msg_flags & MSG_CTRUNC) {
		while (*nfds > 0)
			close(fds[--*nfds]);
		errno = EMFILE;		/* we have too many, or it sent them */
		return (-1);
	}
	return (n);
}

static size_t
client_fds(struct msghdr *msg, int *fds)
{
	struct cmsghdr	*cmsg;
	size_t		 n, len, total = 0;

	for (cmsg = CMSG_FIRSTHDR(msg); cmsg != NULL;
	    cmsg = CMSG_NXTHDR(msg, cmsg)) {
		if (cmsg->cmsg_level != SOL_SOCKET ||
		    cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		len = cmsg->cmsg_len - CMSG_LEN(0);
		n = len / sizeof(int);
		/* the buffer has room for that many, so this is all of them */
		memcpy(fds + total, CMSG_DATA(cmsg), n * sizeof(int));
		total += n;
	}
	return (total);
}

static void
client_frames(struct client *c)
{
	struct frame	 f;
	int		 n = 0;

	while (!c->dead && !c->closing && (n = framer_next(&c->in, &f)) == 1)
		frame_take(c, &f);
	if (n == -1)
		frame_bad(c);
}

int
client_blocked(const struct client *c)
{
	return (env->qemud == NULL || chan_full(env->qemud) || c->held ||
	    c->slow || c->ncalls >= env->limits.calls_max);
}

void
client_park(struct client *c, struct frame *f)
{
	struct parked	*p;
	size_t		 i, size;
	char		*body;
	int		*fds;

	size = sizeof(*p) + f->nfds * sizeof(int) + f->len;
	if ((p = malloc(size)) == NULL) {
		log_warn("client %" PRIu64, c->id);
		client_end(c);
		return;
	}
	fds = (int *)(p + 1);
	body = (char *)(fds + f->nfds);
	p->size = size;
	p->frame = *f;
	for (i = 0; i < f->nfds; i++) {
		fds[i] = f->fds[i];
		f->fds[i] = -1;
	}
	p->frame.fds = fds;
	if (f->len > 0)
		memcpy(body, f->body, f->len);
	p->frame.body = body;
	TAILQ_INSERT_TAIL(&c->parked, p, entry);
	c->parked_bytes += size;
}

static void
client_unpark(struct client *c)
{
	struct parked	*p;

	while (!c->dead && !c->closing && !client_blocked(c) &&
	    (p = TAILQ_FIRST(&c->parked)) != NULL) {
		TAILQ_REMOVE(&c->parked, p, entry);
		c->parked_bytes -= p->size;
		frame_forward(c, &p->frame);
		parked_free(p);
	}
}

static void
parked_free(struct parked *p)
{
	size_t	 i;

	for (i = 0; i < p->frame.nfds; i++)
		if (p->frame.fds[i] != -1)
			close(p->frame.fds[i]);
	free(p);
}

/* --- output ---------------------------------------------------------------- */

void
client_send(struct client *c, const struct frame_header *h, const char *body,
    size_t len)
{
	if (client_queue(c, h, len) == -1)
		return;
	if (outq_add(&c->out, body, len) == -1) {
		log_warn("client %" PRIu64, c->id);
		client_end(c);
	}
	client_account(c);
}

void
client_send_mapped(struct client *c, const struct frame_header *h,
    const char *body, size_t len)
{
	if (client_queue(c, h, len) == -1) {
		body_unmap(body, len);
		return;
	}
	if (outq_map(&c->out, body, len) == -1) {
		log_warn("client %" PRIu64, c->id);
		client_end(c);
	}
	client_account(c);
}

/* The head of a frame: 0, or -1 if the client gets nothing any more. */
static int
client_queue(struct client *c, const struct frame_header *h, size_t len)
{
	char	 head[FRAME_HEAD];
	size_t	 total = c->out.len + FRAME_HEAD + len;

	if (c->dead || c->closing)
		return (-1);
	if (total > OUT_MAX || (c->out.len > OUT_HIGH &&
	    c->user->out + FRAME_HEAD + len > USER_OUT_MAX)) {
		client_complain(c, "closed: it does not read, %zu bytes are "
		    "waiting (%zu of its user)", c->out.len, c->user->out);
		client_end(c);
		return (-1);
	}
	if (frame_head(head, h, len) == -1 ||
	    outq_add(&c->out, head, sizeof(head)) == -1) {
		log_warn("client %" PRIu64, c->id);
		client_end(c);
		return (-1);
	}
	netd_turn(c);
	return (0);
}

static void
client_write(struct client *c)
{
	ssize_t	 n;

	if (c->out.len == 0 || c->writing)
		return;
	if ((n = outq_write(&c->out, c->fd)) == -1) {
		if (!c->dead && errno != EPIPE && errno != ECONNRESET)
			client_complain(c, "cannot write: %s",
			    strerror(errno));
		client_end(c);
		return;
	}
	if (n > 0)
		c->moved = 1;
	if (c->out.len == 0 || c->dead)
		return;
	c->writing = 1;
	if (event_add(&c->wr, NULL) == -1) {
		log_warn("client %" PRIu64, c->id);
		client_end(c);
	}
}

static void
client_writable(int fd, short what, void *arg)
{
	struct client	*c = arg;

	c->writing = 0;
	netd_turn(c);
}

/* Tells qemud, and stops reading, while the client reads too slowly. */
static void
client_flow(struct client *c)
{
	struct msg_client_flow	 m = { .client = c->id };

	if (!c->slow && c->out.len > OUT_HIGH)
		c->slow = 1;
	else if (c->slow && c->out.len < OUT_LOW) {
		c->slow = 0;
		netd_turn(c);		/* something may be parked */
	} else
		return;
	log_debug("client %" PRIu64 ": %s", c->id,
	    c->slow ? "reads too slowly" : "reads again");
	m.stop = c->slow;
	if (c->announced && env->qemud != NULL)
		CHAN_SEND(env->qemud, MSG_CLIENT_FLOW, msg_client_flow, &m,
		    -1);
}

/* --- both ------------------------------------------------------------------ */

/* Starts or stops reading, as things are now. */
static void
client_watch(struct client *c)
{
	int	 want;

	want = !c->closing && !c->slow && !(client_blocked(c) &&
	    c->parked_bytes + framer_pending(&c->in) >= PARK_MAX);
	if (want == c->reading)
		return;
	c->reading = want;
	if (!want)
		event_del(&c->rd);
	else if (event_add(&c->rd, NULL) == -1) {
		log_warn("client %" PRIu64, c->id);
		client_end(c);
	}
}

static void
client_account(struct client *c)
{
	size_t	 in = c->parked_bytes + framer_pending(&c->in);

	c->user->in += in - c->in_bytes;
	c->in_bytes = in;
	c->user->out += c->out.len - c->out_bytes;
	c->out_bytes = c->out.len;
}

void
client_complain(struct client *c, const char *fmt, ...)
{
	va_list	 ap;

	va_start(ap, fmt);
	client_log(c, fmt, ap);
	va_end(ap);
}

void
client_offence(struct client *c, const char *fmt, ...)
{
	va_list	 ap;

	va_start(ap, fmt);
	client_log(c, fmt, ap);
	va_end(ap);
	if (user_offence(c->user))
		client_end(c);
}

static void
client_log(struct client *c, const char *fmt, va_list ap)
{
	char	 line[LINE_MAX_BYTES];

	if (!user_complaint(c->user))
		return;
	vsnprintf(line, sizeof(line), fmt, ap);
	log_info("client %" PRIu64 " (uid %u): %s", c->id, c->uid, line);
}
