/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "imsg/chan.h"
#include "imsg/log.h"

struct chan {
	struct imsgbuf			 ibuf;
	struct event			*rd;
	struct event			*wr;
	const struct msg_handler	*handlers;
	void				*owner;
	void				(*closed)(struct chan *);
	void				(*drained)(struct chan *);
	char				 name[32];
	int				 fd;
	int				 dead;
	int				 offence;
	int				 mute;	/* nobody reads what we say */
	int				 full;
	unsigned int			 fds;	/* queued, at most */
	int				 held;
};

static void	chan_readable(int, short, void *);
static void	chan_writable(int, short, void *);
static void	chan_dispatch(struct chan *);
static int	chan_handle(struct chan *, struct imsg *);
static int	chan_decode(const struct msg_handler *, struct ibuf *, void *);

/* The encoded form of one message; processes have one thread. */
static char	 chan_buf[CHAN_PAYLOAD_MAX];
static char	 chan_cmp[CHAN_PAYLOAD_MAX];

struct chan *
chan_new(struct event_base *base, int fd, const char *name,
    const struct msg_handler *handlers, void *owner,
    void (*closed)(struct chan *))
{
	struct chan	*c;

	if ((c = calloc(1, sizeof(*c))) == NULL) {
		close(fd);
		return (NULL);
	}
	c->fd = fd;
	c->handlers = handlers;
	c->owner = owner;
	c->closed = closed;
	strlcpy(c->name, name, sizeof(c->name));
	if (imsgbuf_init(&c->ibuf, fd) == -1) {
		close(fd);
		free(c);
		return (NULL);
	}
	imsgbuf_allow_fdpass(&c->ibuf);
	if (imsgbuf_set_maxsize(&c->ibuf, CHAN_PAYLOAD_MAX) == -1)
		goto fail;
	c->rd = event_new(base, fd, EV_READ | EV_PERSIST, chan_readable, c);
	c->wr = event_new(base, fd, EV_WRITE, chan_writable, c);
	if (c->rd == NULL || c->wr == NULL || event_add(c->rd, NULL) == -1) {
		errno = ENOMEM;
		goto fail;
	}
	return (c);

 fail:
	chan_free(c);
	return (NULL);
}

int
chan_set_priority(struct chan *c, int priority)
{
	if (event_priority_set(c->rd, priority) == -1 ||
	    event_priority_set(c->wr, priority) == -1) {
		errno = EINVAL;
		return (-1);
	}
	return (0);
}

void
chan_free(struct chan *c)
{
	int	saved = errno;

	if (c == NULL)
		return;
	if (c->rd != NULL)
		event_free(c->rd);
	if (c->wr != NULL)
		event_free(c->wr);
	imsgbuf_clear(&c->ibuf);
	close(c->fd);
	free(c);
	errno = saved;
}

void
chan_end(struct chan *c)
{
	if (c->dead)
		return;
	c->dead = 1;
	/* whoever is in the middle of using it goes on; then it is closed */
	event_active(c->rd, EV_READ, 0);
}

int
chan_send(struct chan *c, uint32_t type, xdrproc_t encode, const void *msg,
    int fd)
{
	XDR		 x;
	bool_t		 ok;
	uint32_t	 queued;
	size_t		 len = 0;

	if (c->dead || c->mute) {
		errno = EPIPE;
		goto fail;
	}
	if (encode != NULL) {
		xdrmem_create(&x, chan_buf, sizeof(chan_buf), XDR_ENCODE);
		ok = encode(&x, (void *)(uintptr_t)msg);
		len = xdr_getpos(&x);
		xdr_destroy(&x);
		if (!ok) {
			/* beyond a bound: the caller's mistake */
			errno = EMSGSIZE;
			log_warn("%s: %s", c->name, msg_type_name(type));
			goto fail;
		}
	}
	queued = imsgbuf_queuelen(&c->ibuf);
	if (queued >= CHAN_QUEUE_MAX) {
		log_warnx("%s: reads nothing, %u messages are waiting",
		    c->name, queued);
		errno = ENOBUFS;
		goto end;
	}
	if (imsg_compose(&c->ibuf, type, 0, 0, fd, chan_buf, len) == -1) {
		log_warn("%s: %s", c->name, msg_type_name(type));
		goto end;
	}
	if (fd != -1)
		c->fds++;
	if (queued + 1 > CHAN_QUEUE_HIGH || c->fds > CHAN_FDS_HIGH)
		c->full = 1;
	log_trace("-> %s: %s, %zu bytes%s", c->name, msg_type_name(type), len,
	    fd == -1 ? "" : ", descriptor");
	/* sent when the present event has been dealt with, in one go */
	if (queued == 0)
		event_active(c->wr, EV_WRITE, 0);
	return (0);

 end:
	c->offence = 1;
	chan_end(c);
 fail:
	if (fd != -1)
		close(fd);
	return (-1);
}

int
chan_flush(struct chan *c)
{
	return (imsgbuf_flush(&c->ibuf));
}

void
chan_set_handlers(struct chan *c, const struct msg_handler *handlers)
{
	c->handlers = handlers;
}

void
chan_set_drained(struct chan *c, void (*fn)(struct chan *))
{
	c->drained = fn;
}

int
chan_full(const struct chan *c)
{
	return (c->full);
}

unsigned int
chan_queued(struct chan *c)
{
	return (imsgbuf_queuelen(&c->ibuf));
}

int
chan_offended(const struct chan *c)
{
	return (c->offence);
}

void *
chan_owner(const struct chan *c)
{
	return (c->owner);
}

const char *
chan_name(const struct chan *c)
{
	return (c->name);
}

void
chan_hold(struct chan *c, int hold)
{
	if (c->held == hold)
		return;
	c->held = hold;
	if (hold)
		event_del(c->rd);
	else {
		event_add(c->rd, NULL);
		/* messages may be waiting in the buffer already */
		event_active(c->rd, 0, 0);
	}
}

static void
chan_readable(int fd, short what, void *arg)
{
	struct chan	*c = arg;
	int		 n;

	if (!c->dead && (what & EV_READ)) {
		n = imsgbuf_read(&c->ibuf);
		if (n == -1) {
			if (errno != ECONNRESET) {
				log_warn("%s: cannot read", c->name);
				c->offence = 1;
			}
			c->dead = 1;
		} else if (n == 0) {
			/* what arrived before the end still counts */
			chan_dispatch(c);
			c->dead = 1;
		}
	}
	if (!c->dead)
		chan_dispatch(c);
	if (c->dead) {
		event_del(c->rd);
		event_del(c->wr);
		c->closed(c);		/* c may be gone from here on */
	}
}

static void
chan_dispatch(struct chan *c)
{
	struct imsg	 imsg;
	int		 n, burst = 0;

	while (!c->dead && !c->held) {
		if (++burst > CHAN_READ_BURST) {
			event_active(c->rd, 0, 0);
			return;
		}
		if ((n = imsgbuf_get(&c->ibuf, &imsg)) == 0)
			return;
		if (n == -1) {
			log_warn("%s: bad message", c->name);
			c->dead = c->offence = 1;
			return;
		}
		if (chan_handle(c, &imsg) == -1)
			c->dead = c->offence = 1;
		imsg_free(&imsg);		/* here and nowhere else */
	}
}

static int
chan_handle(struct chan *c, struct imsg *imsg)
{
	alignas(16) char		 m[CHAN_DECODED_MAX];
	const struct msg_handler	*h;
	struct ibuf			 b;
	uint32_t			 type;
	size_t				 len;
	int				 fd, ret;

	type = imsg_get_type(imsg);
	len = imsg_get_len(imsg);
	for (h = c->handlers; h->handle != NULL; h++)
		if (h->type == type)
			break;
	if (h->handle == NULL || h->size > sizeof(m)) {
		log_warnx("%s: %s (%u) is not for it to say", c->name,
		    msg_type_name(type), type);
		return (-1);
	}
	fd = imsg_get_fd(imsg);
	if ((fd == -1 && h->fd == FD_MUST) || (fd != -1 && h->fd == FD_NONE)) {
		log_warnx("%s: %s %s a descriptor", c->name,
		    msg_type_name(type), fd == -1 ? "without" : "with");
		goto bad;
	}
	if (len == 0)
		ibuf_from_buffer(&b, m, 0);
	else if (imsg_get_ibuf(imsg, &b) == -1)
		goto bad;
	if (chan_decode(h, &b, m) == -1) {
		log_warnx("%s: %s of %zu bytes does not decode", c->name,
		    msg_type_name(type), len);
		goto bad;
	}
	log_trace("<- %s: %s, %zu bytes%s", c->name, msg_type_name(type), len,
	    fd == -1 ? "" : ", descriptor");
	ret = h->handle(c, h->decode != NULL ? m : NULL, fd);
	if (ret == -1)
		log_warnx("%s: %s refused", c->name, msg_type_name(type));
	if (h->decode != NULL)
		xdr_free(h->decode, m);
	return (ret);

 bad:
	if (fd != -1)
		close(fd);
	return (-1);
}

/*
 * All of the payload, and in the one form that it has: libtirpc takes
 * padding that is not zero, strings with a NUL and any number as bool, so
 * what was understood is encoded again and compared.
 */
static int
chan_decode(const struct msg_handler *h, struct ibuf *b, void *m)
{
	XDR	 x;
	char	*data = ibuf_data(b);
	size_t	 len = ibuf_size(b);
	bool_t	 ok;

	if (h->decode == NULL)
		return (len == 0 ? 0 : -1);
	memset(m, 0, h->size);
	xdrmem_create(&x, data, len, XDR_DECODE);
	ok = h->decode(&x, m) && xdr_getpos(&x) == len;
	xdr_destroy(&x);
	if (ok) {
		xdrmem_create(&x, chan_cmp, sizeof(chan_cmp), XDR_ENCODE);
		ok = h->decode(&x, m) && xdr_getpos(&x) == len &&
		    memcmp(chan_cmp, data, len) == 0;
		xdr_destroy(&x);
	}
	if (!ok)
		xdr_free(h->decode, m);
	return (ok ? 0 : -1);
}

static void
chan_writable(int fd, short what, void *arg)
{
	struct chan	*c = arg;
	uint32_t	 left;

	if (c->dead || c->mute)
		return;
	if (imsgbuf_write(&c->ibuf) == -1) {
		/* what it said before it ended is still to be read */
		c->mute = 1;
		if (errno != EPIPE && errno != ECONNRESET) {
			log_warn("%s: cannot write", c->name);
			c->offence = 1;
			chan_end(c);
		}
		return;
	}
	if ((left = imsgbuf_queuelen(&c->ibuf)) > 0)
		event_add(c->wr, NULL);
	if (c->fds > left)
		c->fds = left;
	if (c->full && left < CHAN_QUEUE_LOW && c->fds < CHAN_FDS_LOW) {
		c->full = 0;
		if (c->drained != NULL)
			c->drained(c);
	}
}

int
body_seal(const void *data, size_t len)
{
	const char	*p = data;
	size_t		 done;
	ssize_t		 n;
	int		 fd;

	if ((fd = memfd_create("body", MFD_CLOEXEC | MFD_ALLOW_SEALING)) == -1)
		return (-1);
	for (done = 0; done < len; done += n)
		if ((n = write(fd, p + done, len - done)) == -1) {
			if (errno != EINTR)
				goto fail;
			n = 0;
		}
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE |
	    F_SEAL_SEAL) == -1)
		goto fail;
	return (fd);

 fail:
	close(fd);
	return (-1);
}

int
body_map(int fd, size_t max, const char **data, size_t *len)
{
	const int	 seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
	struct stat	 st;
	void		*p;
	int		 have;

	have = fcntl(fd, F_GET_SEALS);
	if (have == -1 || (have & seals) != seals || fstat(fd, &st) == -1 ||
	    st.st_size < 1 || (size_t)st.st_size > max) {
		close(fd);
		errno = EBADMSG;
		return (-1);
	}
	p = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (p == MAP_FAILED)
		return (-1);
	*data = p;
	*len = st.st_size;
	return (0);
}

void
body_unmap(const char *data, size_t len)
{
	munmap((void *)(uintptr_t)data, len);
}

const char *
msg_type_name(uint32_t type)
{
#define N(t)	case t: return (#t)
	switch (type) {
	N(MSG_SETUP);
	N(MSG_SETUP_QEMUD);
	N(MSG_SETUP_NETD);
	N(MSG_SETUP_DIR);
	N(MSG_SETUP_PEER);
	N(MSG_SETUP_DONE);
	N(MSG_READY);
	N(MSG_VERBOSE);
	N(MSG_RELOAD);
	N(MSG_CHILD);
	N(MSG_LISTENER);
	N(MSG_LISTENER_CLOSE);
	N(MSG_OPEN);
	N(MSG_OPENED);
	N(MSG_LAUNCH);
	N(MSG_LAUNCHED);
	N(MSG_LAUNCHER_ENDED);
	N(MSG_KILL);
	N(MSG_KILLED);
	N(MSG_OFFENCE);
	N(MSG_PLAN);
	N(MSG_PLAN_FILE);
	N(MSG_PLAN_GO);
	N(MSG_CLIENT_NEW);
	N(MSG_CLIENT_GONE);
	N(MSG_CALL_FD);
	N(MSG_CALL);
	N(MSG_CLIENT_FLOW);
	N(MSG_REPLY);
	N(MSG_EVENT);
	N(MSG_CLIENT_CLOSE);
	N(MSG_CLIENT_HOLD);
	N(MSG_STREAM);
	N(MSG_GUEST_ATTACH);
	N(MSG_GUEST_CONSOLE);
	N(MSG_GUEST_PTY);
	N(MSG_GUEST_VNC);
	N(MSG_GUEST_START);
	N(MSG_GUEST_DETACH);
	N(MSG_OP);
	N(MSG_VIEWER_OPEN);
	N(MSG_VIEWER_CLOSE);
	N(MSG_VIEWER_FLOW);
	N(MSG_GUEST_READY);
	N(MSG_GUEST_GONE);
	N(MSG_GUEST_EVENT);
	N(MSG_OP_DONE);
	N(MSG_VIEWER_CLOSED);
	N(MSG_VIEWER_HOLD);
	N(MSG_VIEWER_DATA);
	default:
		return ("unknown message");
	}
#undef N
}

const char *
msg_role_name(uint32_t role)
{
	static const char *const names[ROLE_COUNT] = {
		[ROLE_PARENT] = "parent",
		[ROLE_QEMUD] = "qemud",
		[ROLE_MONITORD] = "monitord",
		[ROLE_NETD] = "netd full",
		[ROLE_NETD_RO] = "netd ro",
		[ROLE_NETD_LAUNCH] = "netd launch",
		[ROLE_LAUNCHER] = "launcher"
	};

	return (role < ROLE_COUNT ? names[role] : "unknown role");
}
