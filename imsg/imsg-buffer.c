/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * Buffers, views of foreign bytes, and plain queues of buffers.  Every
 * read and write of a byte here is behind ibuf_grow(), ibuf_seek() or
 * ibuf_skip(), which check the bounds.
 */

#include <sys/types.h>

#include <endian.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "imsg/imsg.h"

static void	*ibuf_grow(struct ibuf *, size_t);
static void	 num_encode(unsigned char *, uint64_t, size_t, int);
static uint64_t	 num_decode(const unsigned char *, size_t, int);
static int	 num_check(uint64_t, size_t);
static int	 num_add(struct ibuf *, uint64_t, size_t, int);
static int	 num_set(struct ibuf *, size_t, uint64_t, size_t, int);
static int	 num_get(struct ibuf *, uint64_t *, size_t, int);

/* --- buffers: making ---------------------------------------------------- */

struct ibuf *
ibuf_open(size_t len)
{
	struct ibuf	*b;

	if ((b = calloc(1, sizeof(*b))) == NULL)
		return (NULL);
	b->size = len > 0 ? len : 1;	/* base is never NULL */
	if ((b->base = calloc(1, b->size)) == NULL) {
		free(b);
		return (NULL);
	}
	b->max = len;
	b->fd = -1;
	return (b);
}

struct ibuf *
ibuf_dynamic(size_t len, size_t max)
{
	struct ibuf	*b;

	if (max == 0 || max < len) {
		errno = EINVAL;
		return (NULL);
	}
	if ((b = ibuf_open(len)) == NULL)
		return (NULL);
	b->max = max;
	return (b);
}

void
ibuf_free(struct ibuf *b)
{
	int	 save = errno;

	if (b == NULL)
		return;
	if (b->view)
		abort();
	if (b->fd != -1)
		close(b->fd);
	freezero(b->base, b->size);
	free(b);
	errno = save;
}

/*
 * Makes len more bytes part of the buffer and returns where they are; what
 * is in them is undefined.  Grows by doubling, so that many small additions
 * do not copy each time; recallocarray wipes the old place.
 */
static void *
ibuf_grow(struct ibuf *b, size_t len)
{
	unsigned char	*p;
	size_t		 size;

	if (len > ibuf_left(b)) {
		errno = ERANGE;
		return (NULL);
	}
	if (len > b->size - b->wpos) {
		size = b->size < b->max / 2 ? b->size * 2 : b->max;
		if (size < b->wpos + len)
			size = b->wpos + len;
		if ((p = recallocarray(b->base, b->size, size, 1)) == NULL)
			return (NULL);
		b->base = p;
		b->size = size;
	}
	p = b->base + b->wpos;
	b->wpos += len;
	return (p);
}

void *
ibuf_reserve(struct ibuf *b, size_t len)
{
	void	*p;

	if ((p = ibuf_grow(b, len)) == NULL)
		return (NULL);
	memset(p, 0, len);
	return (p);
}

int
ibuf_add(struct ibuf *b, const void *data, size_t len)
{
	void	*p;

	if ((p = ibuf_grow(b, len)) == NULL)
		return (-1);
	if (len > 0)			/* data may be NULL then */
		memcpy(p, data, len);
	return (0);
}

int
ibuf_add_ibuf(struct ibuf *b, const struct ibuf *from)
{
	return (ibuf_add(b, ibuf_data(from), ibuf_size(from)));
}

int
ibuf_add_zero(struct ibuf *b, size_t len)
{
	return (ibuf_reserve(b, len) == NULL ? -1 : 0);
}

/* order is BIG_ENDIAN or BYTE_ORDER. */
static void
num_encode(unsigned char *p, uint64_t v, size_t width, int order)
{
	size_t	 i;

	for (i = 0; i < width; i++) {
		p[order == BIG_ENDIAN ? width - 1 - i : i] = v & 0xff;
		v >>= 8;
	}
}

static uint64_t
num_decode(const unsigned char *p, size_t width, int order)
{
	uint64_t	 v = 0;
	size_t		 i;

	for (i = 0; i < width; i++)
		v = v << 8 | p[order == BIG_ENDIAN ? i : width - 1 - i];
	return (v);
}

static int
num_check(uint64_t v, size_t width)
{
	if (width < sizeof(v) && v >> (8 * width) != 0) {
		errno = EINVAL;
		return (-1);
	}
	return (0);
}

static int
num_add(struct ibuf *b, uint64_t v, size_t width, int order)
{
	unsigned char	*p;

	if (num_check(v, width) == -1 || (p = ibuf_grow(b, width)) == NULL)
		return (-1);
	num_encode(p, v, width, order);
	return (0);
}

int
ibuf_add_n8(struct ibuf *b, uint64_t v)
{
	return (num_add(b, v, 1, BIG_ENDIAN));
}

int
ibuf_add_n16(struct ibuf *b, uint64_t v)
{
	return (num_add(b, v, 2, BIG_ENDIAN));
}

int
ibuf_add_n32(struct ibuf *b, uint64_t v)
{
	return (num_add(b, v, 4, BIG_ENDIAN));
}

int
ibuf_add_n64(struct ibuf *b, uint64_t v)
{
	return (num_add(b, v, 8, BIG_ENDIAN));
}

int
ibuf_add_h16(struct ibuf *b, uint64_t v)
{
	return (num_add(b, v, 2, BYTE_ORDER));
}

int
ibuf_add_h32(struct ibuf *b, uint64_t v)
{
	return (num_add(b, v, 4, BYTE_ORDER));
}

int
ibuf_add_h64(struct ibuf *b, uint64_t v)
{
	return (num_add(b, v, 8, BYTE_ORDER));
}

int
ibuf_add_strbuf(struct ibuf *b, const char *s, size_t len)
{
	char	*p;
	size_t	 n = strlen(s);

	if (n >= len) {
		errno = EOVERFLOW;
		return (-1);
	}
	if ((p = ibuf_reserve(b, len)) == NULL)
		return (-1);
	memcpy(p, s, n);
	return (0);
}

void *
ibuf_seek(struct ibuf *b, size_t pos, size_t len)
{
	size_t	 size = ibuf_size(b);

	if (pos > size || len > size - pos) {
		errno = ERANGE;
		return (NULL);
	}
	return (b->base + b->rpos + pos);
}

int
ibuf_set(struct ibuf *b, size_t pos, const void *data, size_t len)
{
	void	*p;

	if ((p = ibuf_seek(b, pos, len)) == NULL)
		return (-1);
	if (len > 0)
		memcpy(p, data, len);
	return (0);
}

static int
num_set(struct ibuf *b, size_t pos, uint64_t v, size_t width, int order)
{
	unsigned char	*p;

	if (num_check(v, width) == -1 ||
	    (p = ibuf_seek(b, pos, width)) == NULL)
		return (-1);
	num_encode(p, v, width, order);
	return (0);
}

int
ibuf_set_n8(struct ibuf *b, size_t pos, uint64_t v)
{
	return (num_set(b, pos, v, 1, BIG_ENDIAN));
}

int
ibuf_set_n16(struct ibuf *b, size_t pos, uint64_t v)
{
	return (num_set(b, pos, v, 2, BIG_ENDIAN));
}

int
ibuf_set_n32(struct ibuf *b, size_t pos, uint64_t v)
{
	return (num_set(b, pos, v, 4, BIG_ENDIAN));
}

int
ibuf_set_n64(struct ibuf *b, size_t pos, uint64_t v)
{
	return (num_set(b, pos, v, 8, BIG_ENDIAN));
}

int
ibuf_set_h16(struct ibuf *b, size_t pos, uint64_t v)
{
	return (num_set(b, pos, v, 2, BYTE_ORDER));
}

int
ibuf_set_h32(struct ibuf *b, size_t pos, uint64_t v)
{
	return (num_set(b, pos, v, 4, BYTE_ORDER));
}

int
ibuf_set_h64(struct ibuf *b, size_t pos, uint64_t v)
{
	return (num_set(b, pos, v, 8, BYTE_ORDER));
}

int
ibuf_set_maxsize(struct ibuf *b, size_t max)
{
	if (b->view) {
		errno = EINVAL;
		return (-1);
	}
	if (max > b->max || max < b->wpos) {
		errno = ERANGE;
		return (-1);
	}
	b->max = max;
	return (0);
}

int
ibuf_truncate(struct ibuf *b, size_t len)
{
	size_t	 size = ibuf_size(b);

	if (len > size)
		return (ibuf_add_zero(b, len - size));
	b->wpos = b->rpos + len;
	return (0);
}

void
ibuf_fd_set(struct ibuf *b, int fd)
{
	int	 save = errno;

	if (b->view)
		abort();
	if (b->fd != -1)
		close(b->fd);
	b->fd = fd < 0 ? -1 : fd;
	errno = save;
}

int
ibuf_fd_get(struct ibuf *b)
{
	int	 fd = b->fd;

	b->fd = -1;
	return (fd);
}

int
ibuf_fd_avail(struct ibuf *b)
{
	return (b->fd != -1);
}

/* --- buffers: reading --------------------------------------------------- */

void
ibuf_from_buffer(struct ibuf *b, void *data, size_t len)
{
	static unsigned char	 nothing;

	memset(b, 0, sizeof(*b));
	b->base = data != NULL ? data : &nothing;
	b->size = b->max = b->wpos = len;
	b->fd = -1;
	b->view = 1;
}

void
ibuf_from_ibuf(struct ibuf *b, const struct ibuf *from)
{
	ibuf_from_buffer(b, ibuf_data(from), ibuf_size(from));
}

void *
ibuf_data(const struct ibuf *b)
{
	return (b->base + b->rpos);
}

size_t
ibuf_size(const struct ibuf *b)
{
	return (b->wpos - b->rpos);
}

size_t
ibuf_left(const struct ibuf *b)
{
	return (b->view ? 0 : b->max - b->wpos);
}

void
ibuf_rewind(struct ibuf *b)
{
	b->rpos = 0;
}

int
ibuf_skip(struct ibuf *b, size_t len)
{
	if (len > ibuf_size(b)) {
		errno = EBADMSG;
		return (-1);
	}
	b->rpos += len;
	return (0);
}

int
ibuf_get(struct ibuf *b, void *data, size_t len)
{
	const void	*p = ibuf_data(b);

	if (ibuf_skip(b, len) == -1)
		return (-1);
	if (len > 0)
		memcpy(data, p, len);
	return (0);
}

int
ibuf_get_ibuf(struct ibuf *b, size_t len, struct ibuf *view)
{
	void	*p = ibuf_data(b);

	if (ibuf_skip(b, len) == -1)
		return (-1);
	ibuf_from_buffer(view, p, len);
	return (0);
}

static int
num_get(struct ibuf *b, uint64_t *v, size_t width, int order)
{
	const unsigned char	*p = ibuf_data(b);

	if (ibuf_skip(b, width) == -1)
		return (-1);
	*v = num_decode(p, width, order);
	return (0);
}

int
ibuf_get_n8(struct ibuf *b, uint8_t *v)
{
	return (ibuf_get(b, v, sizeof(*v)));
}

int
ibuf_get_n16(struct ibuf *b, uint16_t *v)
{
	uint64_t	 n;

	if (num_get(b, &n, sizeof(*v), BIG_ENDIAN) == -1)
		return (-1);
	*v = n;
	return (0);
}

int
ibuf_get_n32(struct ibuf *b, uint32_t *v)
{
	uint64_t	 n;

	if (num_get(b, &n, sizeof(*v), BIG_ENDIAN) == -1)
		return (-1);
	*v = n;
	return (0);
}

int
ibuf_get_n64(struct ibuf *b, uint64_t *v)
{
	return (num_get(b, v, sizeof(*v), BIG_ENDIAN));
}

int
ibuf_get_h16(struct ibuf *b, uint16_t *v)
{
	return (ibuf_get(b, v, sizeof(*v)));
}

int
ibuf_get_h32(struct ibuf *b, uint32_t *v)
{
	return (ibuf_get(b, v, sizeof(*v)));
}

int
ibuf_get_h64(struct ibuf *b, uint64_t *v)
{
	return (ibuf_get(b, v, sizeof(*v)));
}

char *
ibuf_get_string(struct ibuf *b, size_t len)
{
	char	*s;

	if (len > ibuf_size(b)) {
		errno = EBADMSG;
		return (NULL);
	}
	if ((s = strndup(ibuf_data(b), len)) == NULL)
		return (NULL);
	b->rpos += len;
	return (s);
}

int
ibuf_get_strbuf(struct ibuf *b, char *s, size_t len)
{
	const char	*p = ibuf_data(b);
	size_t		 n;

	if (len == 0) {
		errno = EINVAL;
		return (-1);
	}
	if (len > ibuf_size(b)) {
		errno = EBADMSG;
		return (-1);
	}
	memset(s, 0, len);
	if ((n = strnlen(p, len)) == len) {
		errno = EOVERFLOW;
		return (-1);
	}
	memcpy(s, p, n);
	b->rpos += len;
	return (0);
}

/* --- queues ------------------------------------------------------------- */

struct ibufqueue *
ibufq_new(void)
{
	struct ibufqueue	*q;

	if ((q = calloc(1, sizeof(*q))) == NULL)
		return (NULL);
	TAILQ_INIT(&q->bufs);
	return (q);
}

void
ibufq_free(struct ibufqueue *q)
{
	if (q == NULL)
		return;
	ibufq_flush(q);
	free(q);
}

void
ibufq_push(struct ibufqueue *q, struct ibuf *b)
{
	if (b->view)
		abort();
	TAILQ_INSERT_TAIL(&q->bufs, b, entry);
	q->len++;
}

struct ibuf *
ibufq_pop(struct ibufqueue *q)
{
	struct ibuf	*b;

	if ((b = TAILQ_FIRST(&q->bufs)) == NULL)
		return (NULL);
	TAILQ_REMOVE(&q->bufs, b, entry);
	q->len--;
	return (b);
}

void
ibufq_concat(struct ibufqueue *to, struct ibufqueue *from)
{
	TAILQ_CONCAT(&to->bufs, &from->bufs, entry);
	to->len += from->len;
	from->len = 0;
}

void
ibufq_flush(struct ibufqueue *q)
{
	struct ibuf	*b;

	while ((b = ibufq_pop(q)) != NULL)
		ibuf_free(b);
}

uint32_t
ibufq_queuelen(struct ibufqueue *q)
{
	return (q->len);
}
