/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

#include <sys/types.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "imsg/chan.h"
#include "netd/outq.h"

#define BLOCK_BYTES	16384
#define BLOCKS_KEPT	64		/* free ones */
#define WRITE_BLOCKS	64		/* of one system call */

struct outblock {
	STAILQ_ENTRY(outblock)	 entry;
	const char		*data;		/* bytes, or a mapping */
	size_t			 start;		/* first byte not written */
	size_t			 end;		/* behind the last one */
	char			 bytes[];	/* BLOCK_BYTES, unless mapped */
};

static struct outblock	*block_new(void);
static void		 block_free(struct outblock *);

static struct outblocks	 kept = STAILQ_HEAD_INITIALIZER(kept);
static unsigned int	 nkept;

void
outq_init(struct outq *q)
{
	STAILQ_INIT(&q->blocks);
	q->len = 0;
}

void
outq_clear(struct outq *q)
{
	struct outblock	*b;

	while ((b = STAILQ_FIRST(&q->blocks)) != NULL) {
		STAILQ_REMOVE_HEAD(&q->blocks, entry);
		block_free(b);
	}
	q->len = 0;
}

int
outq_add(struct outq *q, const void *data, size_t len)
{
	struct outblock	*b;
	const char	*p = data;
	size_t		 n;

	b = STAILQ_LAST(&q->blocks, outblock, entry);
	while (len > 0) {
		if (b == NULL || b->data != b->bytes || b->end == BLOCK_BYTES) {
			if ((b = block_new()) == NULL)
				return (-1);
			STAILQ_INSERT_TAIL(&q->blocks, b, entry);
		}
		n = BLOCK_BYTES - b->end;
		if (n > len)
			n = len;
		memcpy(b->bytes + b->end, p, n);
		b->end += n;
		q->len += n;
		p += n;
		len -= n;
	}
	return (0);
}

int
outq_map(struct outq *q, const char *data, size_t len)
{
	struct outblock	*b;

	if ((b = malloc(sizeof(*b))) == NULL) {
		body_unmap(data, len);
		return (-1);
	}
	b->data = data;
	b->start = 0;
	b->end = len;
	STAILQ_INSERT_TAIL(&q->blocks, b, entry);
	q->len += len;
	return (0);
}

ssize_t
outq_write(struct outq *q, int fd)
{
	struct iovec	 iov[WRITE_BLOCKS];
	struct msghdr	 msg = { 0 };
	struct outblock	*b;
	ssize_t		 n;
	size_t		 left, have;

	STAILQ_FOREACH(b, &q->blocks, entry) {
		if (msg.msg_iovlen == WRITE_BLOCKS)
			break;
		iov[msg.msg_iovlen].iov_base =
		    (void *)(uintptr_t)(b->data + b->start);
		iov[msg.msg_iovlen++].iov_len = b->end - b->start;
	}
	if (msg.msg_iovlen == 0)
		return (0);
	msg.msg_iov = iov;
	do
		n = sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n == -1 && errno == EINTR);
	if (n == -1) {
		if (errno == EAGAIN || errno == ENOBUFS)
			return (0);
		return (-1);
	}
	q->len -= n;
	for (left = n; left > 0; left -= have) {
		b = STAILQ_FIRST(&q->blocks);
		have = b->end - b->start;
		if (have > left) {
			b->start += left;
			break;
		}
		STAILQ_REMOVE_HEAD(&q->blocks, entry);
		block_free(b);
	}
	return (n);
}

static struct outblock *
block_new(void)
{
	struct outblock	*b;

	if ((b = STAILQ_FIRST(&kept)) != NULL) {
		STAILQ_REMOVE_HEAD(&kept, entry);
		nkept--;
	} else if ((b = malloc(sizeof(*b) + BLOCK_BYTES)) == NULL)
		return (NULL);
	b->data = b->bytes;
	b->start = b->end = 0;
	return (b);
}

static void
block_free(struct outblock *b)
{
	if (b->data != b->bytes) {
		body_unmap(b->data, b->end);
		free(b);
	} else if (nkept < BLOCKS_KEPT) {
		STAILQ_INSERT_HEAD(&kept, b, entry);
		nkept++;
	} else
		free(b);
}
