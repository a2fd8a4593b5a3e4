/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * Messages with a 16 byte header over a stream socket between two of our
 * processes.  The other end may have been taken over: of what it sends,
 * imsg_readhdr() checks the length and that descriptor and mark belong
 * together; type, id and pid are handed on as the claims they are.
 */

#include <sys/types.h>
#include <sys/uio.h>

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "imsg/imsg.h"

#define IMSGBUF_FDPASS	0x01

static struct ibuf	*imsg_readhdr(struct ibuf *, void *, int *);
static int		 imsg_take(struct ibuf *, struct imsg *);
static struct ibuf	*imsg_start(struct imsgbuf *, uint32_t, uint32_t,
			    uint32_t, size_t);
static int		 imsg_fdcheck(struct imsgbuf *, int);

/* --- channel ------------------------------------------------------------ */

int
imsgbuf_init(struct imsgbuf *ib, int fd)
{
	memset(ib, 0, sizeof(*ib));
	ib->fd = fd;
	ib->pid = getpid();
	ib->maxsize = MAX_IMSGSIZE;
	ib->w = msgbuf_new_reader(IMSG_HEADER_SIZE, imsg_readhdr, ib);
	return (ib->w == NULL ? -1 : 0);
}

void
imsgbuf_allow_fdpass(struct imsgbuf *ib)
{
	ib->flags |= IMSGBUF_FDPASS;
}

int
imsgbuf_set_maxsize(struct imsgbuf *ib, uint32_t max)
{
	if (max > UINT32_MAX - IMSG_HEADER_SIZE) {
		errno = ERANGE;
		return (-1);
	}
	max += IMSG_HEADER_SIZE;
	if (max & IMSG_FD_MARK) {
		errno = EINVAL;
		return (-1);
	}
	ib->maxsize = max;
	return (0);
}

int
imsgbuf_read(struct imsgbuf *ib)
{
	if (ib->flags & IMSGBUF_FDPASS)
		return (msgbuf_read(ib->fd, ib->w));
	return (ibuf_read(ib->fd, ib->w));
}

int
imsgbuf_write(struct imsgbuf *ib)
{
	if (ib->flags & IMSGBUF_FDPASS)
		return (msgbuf_write(ib->fd, ib->w));
	return (ibuf_write(ib->fd, ib->w));
}

int
imsgbuf_flush(struct imsgbuf *ib)
{
	struct pollfd	 pfd = { ib->fd, POLLOUT, 0 };

	while (imsgbuf_queuelen(ib) > 0) {
		if (imsgbuf_write(ib) == -1)
			return (-1);
		if (imsgbuf_queuelen(ib) > 0 &&
		    poll(&pfd, 1, -1) == -1 && errno != EINTR)
			return (-1);
	}
	return (0);
}

uint32_t
imsgbuf_queuelen(struct imsgbuf *ib)
{
	return (ib->w == NULL ? 0 : msgbuf_queuelen(ib->w));
}

void
imsgbuf_clear(struct imsgbuf *ib)
{
	msgbuf_free(ib->w);
	ib->w = NULL;
}

/*
 * Makes the buffer for the message that begins with hdr, and moves the
 * descriptor that it claims there.
 */
static struct ibuf *
imsg_readhdr(struct ibuf *v, void *arg, int *fd)
{
	struct imsgbuf	*ib = arg;
	struct imsg_hdr	 hdr;
	struct ibuf	*b;
	uint32_t	 len;
	int		 marked;

	if (ibuf_get(v, &hdr, sizeof(hdr)) == -1)
		return (NULL);
	len = hdr.len & ~IMSG_FD_MARK;
	marked = (hdr.len & IMSG_FD_MARK) != 0;
	if (len < IMSG_HEADER_SIZE || len > ib->maxsize) {
		errno = ERANGE;
		return (NULL);
	}
	if (marked && !(ib->flags & IMSGBUF_FDPASS)) {
		errno = EPERM;
		return (NULL);
	}
	/* Never a message that silently lacks what it speaks about. */
	if (marked && *fd == -1) {
		errno = EMSGSIZE;
		return (NULL);
	}
	if ((b = ibuf_open(len)) == NULL)
		return (NULL);
	if (marked) {
		ibuf_fd_set(b, *fd);
		*fd = -1;
	}
	return (b);
}

/* Makes im of a buffer that begins with a header; takes b. */
static int
imsg_take(struct ibuf *b, struct imsg *im)
{
	struct imsg_hdr	 hdr;

	if (ibuf_get(b, &hdr, sizeof(hdr)) == -1) {
		ibuf_free(b);
		return (-1);
	}
	im->hdr = hdr;
	im->buf = b;
	return (1);
}

int
imsgbuf_get(struct imsgbuf *ib, struct imsg *im)
{
	struct ibuf	*b;
	int		 save = errno;

	errno = 0;
	if ((b = msgbuf_get(ib->w)) == NULL && errno != 0)
		return (-1);
	errno = save;
	return (b == NULL ? 0 : imsg_take(b, im));
}

ssize_t
imsg_get(struct imsgbuf *ib, struct imsg *im)
{
	int	 ret;

	if ((ret = imsgbuf_get(ib, im)) != 1)
		return (ret);
	return (IMSG_HEADER_SIZE + imsg_get_len(im));
}

/* --- sending ------------------------------------------------------------ */

/* Whether the caller may give fd (-1: none) to this channel. */
static int
imsg_fdcheck(struct imsgbuf *ib, int fd)
{
	if (fd == -1)
		return (0);
	if (fd >= 0 && (ib->flags & IMSGBUF_FDPASS))
		return (0);
	errno = fd < 0 ? EBADF : EPERM;
	return (-1);
}

/* A buffer with a header that says pid, whoever that is. */
static struct ibuf *
imsg_start(struct imsgbuf *ib, uint32_t type, uint32_t id, uint32_t pid,
    size_t len)
{
	struct imsg_hdr	 hdr;
	struct ibuf	*b;

	if (len > ib->maxsize - IMSG_HEADER_SIZE) {
		errno = ERANGE;
		return (NULL);
	}
	b = ibuf_dynamic(IMSG_HEADER_SIZE + len, ib->maxsize);
	if (b == NULL)
		return (NULL);
	hdr.type = type;
	hdr.len = 0;			/* imsg_close */
	hdr.peerid = id;
	hdr.pid = pid;
	ibuf_add(b, &hdr, sizeof(hdr));	/* has room */
	return (b);
}

struct ibuf *
imsg_create(struct imsgbuf *ib, uint32_t type, uint32_t id, pid_t pid,
    size_t len)
{
	return (imsg_start(ib, type, id, pid == 0 ? ib->pid : pid, len));
}

int
imsg_set_maxsize(struct ibuf *b, size_t max)
{
	if (max > SIZE_MAX - IMSG_HEADER_SIZE) {
		errno = ERANGE;
		return (-1);
	}
	return (ibuf_set_maxsize(b, max + IMSG_HEADER_SIZE));
}

int
imsg_add(struct ibuf *b, const void *data, size_t len)
{
	if (ibuf_add(b, data, len) == -1) {
		ibuf_free(b);
		return (-1);
	}
	return (len);
}

void
imsg_close(struct imsgbuf *ib, struct ibuf *b)
{
	uint64_t	 len = ibuf_size(b);

	/* Not from imsg_create: nobody could read what follows. */
	if (len < IMSG_HEADER_SIZE || len >= IMSG_FD_MARK)
		abort();
	if (ibuf_fd_avail(b))
		len |= IMSG_FD_MARK;
	ibuf_set_h32(b, offsetof(struct imsg_hdr, len), len);
	ibuf_close(ib->w, b);
}

int
imsg_compose(struct imsgbuf *ib, uint32_t type, uint32_t id, pid_t pid,
    int fd, const void *data, size_t len)
{
	struct ibuf	*b;

	if (imsg_fdcheck(ib, fd) == -1 ||
	    (b = imsg_create(ib, type, id, pid, len)) == NULL)
		return (-1);
	if (imsg_add(b, data, len) == -1)
		return (-1);
	ibuf_fd_set(b, fd);
	imsg_close(ib, b);
	return (1);
}

int
imsg_composev(struct imsgbuf *ib, uint32_t type, uint32_t id, pid_t pid,
    int fd, const struct iovec *iov, int n)
{
	struct ibuf	*b;
	size_t		 len = 0;
	int		 i;

	if (n < 0) {
		errno = EINVAL;
		return (-1);
	}
	if (imsg_fdcheck(ib, fd) == -1)
		return (-1);
	for (i = 0; i < n; i++) {
		if (iov[i].iov_len > ib->maxsize - len) {
			errno = ERANGE;
			return (-1);
		}
		len += iov[i].iov_len;
	}
	if ((b = imsg_create(ib, type, id, pid, len)) == NULL)
		return (-1);
	for (i = 0; i < n; i++)
		if (imsg_add(b, iov[i].iov_base, iov[i].iov_len) == -1)
			return (-1);
	ibuf_fd_set(b, fd);
	imsg_close(ib, b);
	return (1);
}

int
imsg_compose_ibuf(struct imsgbuf *ib, uint32_t type, uint32_t id, pid_t pid,
    struct ibuf *payload)
{
	struct ibuf	*b;
	size_t		 len = ibuf_size(payload);

	if (ibuf_fd_avail(payload)) {
		errno = EINVAL;
		goto fail;
	}
	if (len > ib->maxsize - IMSG_HEADER_SIZE) {
		errno = ERANGE;
		goto fail;
	}
	if ((b = imsg_create(ib, type, id, pid, 0)) == NULL)
		goto fail;
	ibuf_set_h32(b, offsetof(struct imsg_hdr, len), ibuf_size(b) + len);
	ibuf_close(ib->w, b);
	ibuf_close(ib->w, payload);
	return (1);
 fail:
	ibuf_free(payload);
	return (-1);
}

int
imsg_forward(struct imsgbuf *ib, struct imsg *im)
{
	struct ibuf	 v, *b;

	v = *im->buf;			/* its own position, nothing owned */
	v.view = 1;
	v.fd = -1;
	ibuf_rewind(&v);
	if (ibuf_skip(&v, IMSG_HEADER_SIZE) == -1)
		return (-1);
	b = imsg_start(ib, im->hdr.type, im->hdr.peerid, im->hdr.pid,
	    ibuf_size(&v));
	if (b == NULL)
		return (-1);
	if (ibuf_add_ibuf(b, &v) == -1) {
		ibuf_free(b);
		return (-1);
	}
	imsg_close(ib, b);
	return (1);
}

/* --- receiving ---------------------------------------------------------- */

uint32_t
imsg_get_type(struct imsg *im)
{
	return (im->hdr.type);
}

uint32_t
imsg_get_id(struct imsg *im)
{
	return (im->hdr.peerid);
}

pid_t
imsg_get_pid(struct imsg *im)
{
	return (im->hdr.pid);
}

size_t
imsg_get_len(struct imsg *im)
{
	return (ibuf_size(im->buf));
}

int
imsg_get_fd(struct imsg *im)
{
	return (ibuf_fd_get(im->buf));
}

int
imsg_get_data(struct imsg *im, void *data, size_t len)
{
	if (len == 0) {
		errno = EINVAL;
		return (-1);
	}
	if (ibuf_size(im->buf) != len) {
		errno = EBADMSG;
		return (-1);
	}
	return (ibuf_get(im->buf, data, len));
}

int
imsg_get_buf(struct imsg *im, void *data, size_t len)
{
	return (ibuf_get(im->buf, data, len));
}

int
imsg_get_strbuf(struct imsg *im, char *s, size_t len)
{
	return (ibuf_get_strbuf(im->buf, s, len));
}

int
imsg_get_ibuf(struct imsg *im, struct ibuf *view)
{
	if (ibuf_size(im->buf) == 0) {
		errno = EBADMSG;
		return (-1);
	}
	return (ibuf_get_ibuf(im->buf, ibuf_size(im->buf), view));
}

void
imsg_free(struct imsg *im)
{
	ibuf_free(im->buf);
	im->buf = NULL;
}

void
imsg_ibufq_push(struct ibufqueue *q, struct imsg *im)
{
	ibuf_rewind(im->buf);
	ibufq_push(q, im->buf);
	memset(im, 0, sizeof(*im));
}

int
imsg_ibufq_pop(struct ibufqueue *q, struct imsg *im)
{
	struct ibuf	*b;

	if ((b = ibufq_pop(q)) == NULL)
		return (0);
	return (imsg_take(b, im));
}
