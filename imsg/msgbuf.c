/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * The two ends of a stream that carries buffers.  What the other end wrote
 * enters in reader_read() and is cut into messages in reader_feed(); what a
 * header means is the business of the layer above (imsg.c).
 *
 * Linux's rules for descriptors on a stream socket, on which this relies:
 * a descriptor arrives with the first byte of the sendmsg(2) it was given
 * to, never later; one recvmsg(2) may return what several calls have sent,
 * but ends behind the first that brought a descriptor.
 */

#include <sys/types.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "imsg/imsg.h"

/* More descriptors than this at once are lost: our senders send one. */
#define FDS_PER_READ	4

struct msgbuf {
	struct ibufqueue	 out;
	struct ibufqueue	 in;	/* complete messages */

	/* reader: NULL and 0 for an output queue */
	struct ibuf		*(*readhdr)(struct ibuf *, void *, int *);
	void			*arg;
	size_t			 hdrsize;
	size_t			 hdrlen;	/* bytes of a split header */
	unsigned char		*hdr;
	struct ibuf		*cur;		/* message half read */
	int			 error;		/* why reading has ended */

	/*
	 * Descriptors that came and are not claimed yet, oldest first.
	 * Between two reads that is at most one, which then belongs to
	 * the message whose header is incomplete: owed.
	 */
	int			 fds[FDS_PER_READ + 1];
	size_t			 nfds;
	int			 owed;
};

static void	 fds_close(struct msgbuf *);
static void	 fds_pop(struct msgbuf *);
static void	 fds_receive(struct msgbuf *, struct msghdr *);
static void	 reader_reset(struct msgbuf *);
static int	 reader_fail(struct msgbuf *, int);
static int	 reader_header(struct msgbuf *);
static int	 reader_feed(struct msgbuf *, const unsigned char *, size_t);
static ssize_t	 reader_receive(int, struct msgbuf *, void *, size_t, int);
static int	 reader_read(int, struct msgbuf *, int);
static void	 output_drain(struct msgbuf *, size_t);
static ssize_t	 output_send(int, struct iovec *, size_t, int, int);
static int	 output_write(int, struct msgbuf *, int);

struct msgbuf *
msgbuf_new(void)
{
	struct msgbuf	*mb;

	if ((mb = calloc(1, sizeof(*mb))) == NULL)
		return (NULL);
	TAILQ_INIT(&mb->out.bufs);
	TAILQ_INIT(&mb->in.bufs);
	return (mb);
}

struct msgbuf *
msgbuf_new_reader(size_t hdrsize,
    struct ibuf *(*readhdr)(struct ibuf *, void *, int *), void *arg)
{
	struct msgbuf	*mb;

	if (hdrsize == 0 || hdrsize > IBUF_READ_SIZE) {
		errno = EINVAL;
		return (NULL);
	}
	if ((mb = msgbuf_new()) == NULL)
		return (NULL);
	if ((mb->hdr = calloc(1, hdrsize)) == NULL) {
		msgbuf_free(mb);
		return (NULL);
	}
	mb->hdrsize = hdrsize;
	mb->readhdr = readhdr;
	mb->arg = arg;
	return (mb);
}

void
msgbuf_free(struct msgbuf *mb)
{
	if (mb == NULL)
		return;
	msgbuf_clear(mb);
	free(mb->hdr);
	free(mb);
}

void
msgbuf_clear(struct msgbuf *mb)
{
	ibufq_flush(&mb->out);
	ibufq_flush(&mb->in);
	reader_reset(mb);
	mb->error = 0;
}

void
ibuf_close(struct msgbuf *mb, struct ibuf *b)
{
	ibufq_push(&mb->out, b);
}

void
msgbuf_concat(struct msgbuf *mb, struct ibufqueue *q)
{
	ibufq_concat(&mb->out, q);
}

uint32_t
msgbuf_queuelen(struct msgbuf *mb)
{
	return (mb->out.len);
}

struct ibuf *
msgbuf_get(struct msgbuf *mb)
{
	struct ibuf	*b;

	if ((b = ibufq_pop(&mb->in)) == NULL && mb->error != 0)
		errno = mb->error;
	return (b);
}

/* --- input -------------------------------------------------------------- */

static void
fds_close(struct msgbuf *mb)
{
	while (mb->nfds > 0)
		close(mb->fds[--mb->nfds]);
}

/* Forgets the oldest descriptor: somebody has taken it. */
static void
fds_pop(struct msgbuf *mb)
{
	mb->nfds--;
	memmove(mb->fds, mb->fds + 1, mb->nfds * sizeof(mb->fds[0]));
}

/* Takes every descriptor that came with msg, so that none can leak. */
static void
fds_receive(struct msgbuf *mb, struct msghdr *msg)
{
	struct cmsghdr	*c;
	unsigned char	*p;
	size_t		 left;
	int		 fd;

	for (c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		p = CMSG_DATA(c);
		for (left = c->cmsg_len - CMSG_LEN(0); left >= sizeof(fd);
		    left -= sizeof(fd), p += sizeof(fd)) {
			memcpy(&fd, p, sizeof(fd));
			if (mb->nfds < FDS_PER_READ + 1)
				mb->fds[mb->nfds++] = fd;
			else {
				close(fd);
				msg->msg_flags |= MSG_CTRUNC;
			}
		}
	}
}

/* Drops what is half read and unclaimed; complete messages stay. */
static void
reader_reset(struct msgbuf *mb)
{
	fds_close(mb);
	ibuf_free(mb->cur);
	mb->cur = NULL;
	if (mb->hdr != NULL)
		explicit_bzero(mb->hdr, mb->hdrsize);
	mb->hdrlen = 0;
}

/* The place in the stream is lost: there is no reading on after this. */
static int
reader_fail(struct msgbuf *mb, int error)
{
	reader_reset(mb);
	mb->error = error;
	errno = error;
	return (-1);
}

/* A header is complete: lets readhdr make the buffer for its message. */
static int
reader_header(struct msgbuf *mb)
{
	struct ibuf	 hdr;
	int		 fd = mb->nfds > 0 ? mb->fds[0] : -1;
	int		 had = mb->nfds > 0;

	ibuf_from_buffer(&hdr, mb->hdr, mb->hdrsize);
	mb->cur = mb->readhdr(&hdr, mb->arg, &fd);
	if (had && fd == -1) {
		fds_pop(mb);
		mb->owed = 0;
	}
	if (mb->cur == NULL)
		return (-1);
	if (mb->owed) {			/* came with this message, unmarked */
		errno = EBADMSG;
		return (-1);
	}
	if (ibuf_add(mb->cur, mb->hdr, mb->hdrsize) == -1)
		return (-1);
	mb->hdrlen = 0;
	return (0);
}

/* The decoder: cuts what was read, split anywhere, into messages. */
static int
reader_feed(struct msgbuf *mb, const unsigned char *p, size_t len)
{
	size_t	 n;

	while (len > 0) {
		if (mb->cur == NULL) {
			n = mb->hdrsize - mb->hdrlen;
			if (n > len)
				n = len;
			memcpy(mb->hdr + mb->hdrlen, p, n);
			mb->hdrlen += n;
			p += n;
			len -= n;
			if (mb->hdrlen < mb->hdrsize)
				break;
			if (reader_header(mb) == -1)
				return (-1);
		}
		n = ibuf_left(mb->cur);
		if (n > len)
			n = len;
		if (ibuf_add(mb->cur, p, n) == -1)
			return (-1);
		p += n;
		len -= n;
		if (ibuf_left(mb->cur) == 0) {
			ibufq_push(&mb->in, mb->cur);
			mb->cur = NULL;
		}
	}
	/* Only the message whose header has begun can claim one later. */
	if (mb->nfds > (mb->hdrlen > 0 ? 1 : 0)) {
		errno = EBADMSG;
		return (-1);
	}
	return (0);
}

/*
 * One recvmsg(2).  Without fdpass there is no room for control data, so
 * that the kernel drops a descriptor itself, and says so; and what is no
 * socket is just read.
 */
static ssize_t
reader_receive(int fd, struct msgbuf *mb, void *p, size_t len, int fdpass)
{
	union {
		struct cmsghdr	 hdr;
		char		 buf[CMSG_SPACE(sizeof(int) * FDS_PER_READ)];
	} control;
	struct iovec	 iov = { p, len };
	struct msghdr	 msg;
	ssize_t		 n;

	do {
		memset(&msg, 0, sizeof(msg));
		msg.msg_iov = &iov;
		msg.msg_iovlen = 1;
		if (fdpass) {
			msg.msg_control = &control;
			msg.msg_controllen = sizeof(control);
		}
		n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
		if (n == -1 && errno == ENOTSOCK && !fdpass)
			n = read(fd, p, len);
	} while (n == -1 && errno == EINTR);
	if (n == -1)
		return (-1);
	if (fdpass)
		fds_receive(mb, &msg);
	if (msg.msg_flags & MSG_CTRUNC) {
		explicit_bzero(p, n);
		return (reader_fail(mb, fdpass ? EMSGSIZE : EPERM));
	}
	return (n);
}

static int
reader_read(int fd, struct msgbuf *mb, int fdpass)
{
	unsigned char	 buf[IBUF_READ_SIZE];
	ssize_t		 n;
	int		 ret = 1;

	if (mb->readhdr == NULL) {
		errno = EINVAL;
		return (-1);
	}
	if (mb->error != 0) {
		errno = mb->error;
		return (-1);
	}
	mb->owed = mb->nfds > 0;
	n = reader_receive(fd, mb, buf, sizeof(buf), fdpass);
	if (n == -1)
		return (errno == EAGAIN || errno == EWOULDBLOCK ? 1 : -1);
	if (n == 0) {
		reader_reset(mb);
		return (0);
	}
	if (reader_feed(mb, buf, n) == -1)
		ret = reader_fail(mb, errno);
	explicit_bzero(buf, n);
	return (ret);
}

int
ibuf_read(int fd, struct msgbuf *mb)
{
	return (reader_read(fd, mb, 0));
}

int
msgbuf_read(int fd, struct msgbuf *mb)
{
	return (reader_read(fd, mb, 1));
}

/* --- output ------------------------------------------------------------- */

/* Frees what n bytes have sent completely; an unsent descriptor stays. */
static void
output_drain(struct msgbuf *mb, size_t n)
{
	struct ibuf	*b;

	while ((b = TAILQ_FIRST(&mb->out.bufs)) != NULL && b->fd == -1) {
		if (n < ibuf_size(b)) {
			b->rpos += n;
			return;
		}
		n -= ibuf_size(b);
		ibuf_free(ibufq_pop(&mb->out));
	}
}

/* One sendmsg(2), with passed unless it is -1. */
static ssize_t
output_send(int fd, struct iovec *iov, size_t niov, int passed, int fdpass)
{
	union {
		struct cmsghdr	 hdr;
		char		 buf[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr	 msg;
	struct cmsghdr	*c;
	ssize_t		 n;

	memset(&msg, 0, sizeof(msg));
	msg.msg_iov = iov;
	msg.msg_iovlen = niov;
	if (passed != -1) {
		memset(&control, 0, sizeof(control));
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_len = CMSG_LEN(sizeof(int));
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		memcpy(CMSG_DATA(c), &passed, sizeof(passed));
	}
	do {
		n = sendmsg(fd, &msg, MSG_NOSIGNAL);
		if (n == -1 && errno == ENOTSOCK && !fdpass)
			n = writev(fd, iov, niov);
	} while (n == -1 && errno == EINTR);
	return (n);
}

/*
 * A descriptor goes with the first byte of its message: so one call ends
 * before a second message that has one, or before the first if others are
 * in front of it.  Once a byte is sent the descriptor is gone, too, and is
 * forgotten here, so that the rest of a partial write cannot send it again.
 */
static int
output_write(int fd, struct msgbuf *mb, int fdpass)
{
	struct iovec	 iov[IOV_MAX];
	struct ibuf	*b, *first;
	size_t		 niov = 0;
	ssize_t		 n;

	output_drain(mb, 0);			/* empty buffers */
	if ((first = TAILQ_FIRST(&mb->out.bufs)) == NULL)
		return (0);
	if (first->fd != -1 && (!fdpass || ibuf_size(first) == 0)) {
		errno = fdpass ? EINVAL : EPERM;
		return (-1);
	}
	TAILQ_FOREACH(b, &mb->out.bufs, entry) {
		if (niov == IOV_MAX || (b != first && b->fd != -1))
			break;
		iov[niov].iov_base = ibuf_data(b);
		iov[niov].iov_len = ibuf_size(b);
		niov++;
	}
	if ((n = output_send(fd, iov, niov, first->fd, fdpass)) == -1)
		return (errno == EAGAIN || errno == EWOULDBLOCK ||
		    errno == ENOBUFS ? 0 : -1);
	if (n > 0)
		ibuf_fd_set(first, -1);
	output_drain(mb, n);
	return (0);
}

int
ibuf_write(int fd, struct msgbuf *mb)
{
	return (output_write(fd, mb, 0));
}

int
msgbuf_write(int fd, struct msgbuf *mb)
{
	return (output_write(fd, mb, 1));
}
