/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

#include <sys/types.h>

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rpc/body.h"
#include "rpc/frame.h"

#define FRAMER_FIRST	512	/* bytes allocated first */

static u_int32_t	get32(const char *);
static void		put32(char *, u_int32_t);
static int		framer_room(struct framer *, size_t);
static void		framer_give_back(struct framer *);
static int		framer_stray(const struct framer *);

void
framer_init(struct framer *f, size_t max)
{
	memset(f, 0, sizeof(*f));
	f->max = max;
}

void
framer_clear(struct framer *f)
{
	size_t	 i;

	framer_give_back(f);
	for (i = 0; i < f->nfds; i++)
		close(f->fds[i]);
	f->nfds = 0;
	free(f->buf);
	f->buf = NULL;
	f->size = f->start = f->end = 0;
}

int
framer_push(struct framer *f, const char *data, size_t len, const int *fds,
    size_t nfds)
{
	size_t	 i;

	for (i = 0; i < nfds && f->nfds < FRAME_FDS_MAX; i++)
		f->fds[f->nfds++] = fds[i];
	if (i < nfds) {
		for (; i < nfds; i++)
			close(fds[i]);
		errno = EMFILE;
		return (-1);
	}
	if (len == 0)
		return (0);
	if (framer_room(f, len) == -1)
		return (-1);
	memcpy(f->buf + f->end, data, len);
	f->end += len;
	return (0);
}

int
framer_next(struct framer *f, struct frame *frame)
{
	const char	*p;
	size_t		 have, len, nfds = 0;
	int		 with_fds;

	memset(frame, 0, sizeof(*frame));
	framer_give_back(f);

	have = f->end - f->start;
	if (have == 0) {
		/* An idle connection costs no buffer. */
		free(f->buf);
		f->buf = NULL;
		f->size = f->start = f->end = 0;
	}
	if (have < FRAME_LENGTH_BYTES)
		return (framer_stray(f));
	p = f->buf + f->start;
	len = get32(p);
	if (frame_length_check((u_int32_t)len, f->max) == -1)
		return (-1);
	if (have < FRAME_HEAD)
		return (framer_stray(f));
	frame_header_get(p + FRAME_LENGTH_BYTES, &frame->hdr);
	with_fds = frame->hdr.type == FRAME_CALL_WITH_FDS ||
	    frame->hdr.type == FRAME_REPLY_WITH_FDS;
	if (with_fds) {
		if (len < FRAME_HEAD_FDS) {
			errno = ERANGE;
			return (-1);
		}
		if (have < FRAME_HEAD_FDS)
			return (framer_stray(f));
		if ((nfds = get32(p + FRAME_HEAD)) > FRAME_FDS_MAX) {
			errno = EBADMSG;
			return (-1);
		}
	}
	if (have < len + nfds)
		return (framer_stray(f));
	if (nfds > f->nfds) {
		errno = EBADMSG;
		return (-1);
	}

	memcpy(f->out, f->fds, nfds * sizeof(f->fds[0]));
	f->nout = nfds;
	f->nfds -= nfds;
	memmove(f->fds, f->fds + nfds, f->nfds * sizeof(f->fds[0]));

	frame->body = p + (with_fds ? FRAME_HEAD_FDS : FRAME_HEAD);
	frame->len = len - (with_fds ? FRAME_HEAD_FDS : FRAME_HEAD);
	frame->fds = f->out;
	frame->nfds = nfds;
	f->start += len + nfds;
	return (1);
}

int
framer_peek(const struct framer *f, struct frame_header *hdr)
{
	if (f->end - f->start < FRAME_HEAD)
		return (0);
	frame_header_get(f->buf + f->start + FRAME_LENGTH_BYTES, hdr);
	return (1);
}

size_t
framer_pending(const struct framer *f)
{
	return (f->end - f->start);
}

int
frame_length_check(u_int32_t len, size_t max)
{
	if (len < FRAME_HEAD || len > max) {
		errno = ERANGE;
		return (-1);
	}
	return (0);
}

void
frame_header_get(const char *p, struct frame_header *h)
{
	XDR	 x;

	xdrmem_create(&x, (char *)(uintptr_t)p, FRAME_HEADER_BYTES,
	    XDR_DECODE);
	xdr_frame_header(&x, h);	/* six words: it cannot fail */
	xdr_destroy(&x);
}

void
frame_header_put(char *p, const struct frame_header *h)
{
	struct frame_header	 copy = *h;
	XDR			 x;

	xdrmem_create(&x, p, FRAME_HEADER_BYTES, XDR_ENCODE);
	xdr_frame_header(&x, &copy);
	xdr_destroy(&x);
}

int
frame_head(char *p, const struct frame_header *h, size_t len)
{
	if (len > FRAME_MAX - FRAME_HEAD) {
		errno = ERANGE;
		return (-1);
	}
	put32(p, (u_int32_t)(FRAME_HEAD + len));
	frame_header_put(p + FRAME_LENGTH_BYTES, h);
	return (0);
}

int
frame_head_fds(char *p, const struct frame_header *h, size_t len, size_t nfds)
{
	if (nfds > FRAME_FDS_MAX || len > FRAME_MAX - FRAME_HEAD_FDS) {
		errno = ERANGE;
		return (-1);
	}
	if (frame_head(p, h, len + 4) == -1)
		return (-1);
	put32(p + FRAME_HEAD, (u_int32_t)nfds);
	return (0);
}

int
frame_encode(const struct frame_header *h, xdrproc_t proc, const void *body,
    char **buf, size_t *len)
{
	if (rpc_encode(proc, body, FRAME_HEAD, buf, len) == -1)
		return (-1);
	if (frame_head(*buf, h, *len - FRAME_HEAD) == -1) {
		free(*buf);
		*buf = NULL;
		*len = 0;
		return (-1);
	}
	return (0);
}

const char *
frame_type_name(unsigned int type, char *buf, size_t size)
{
	static const char *const names[] = {
		[FRAME_CALL] = "call",
		[FRAME_REPLY] = "reply",
		[FRAME_MESSAGE] = "message",
		[FRAME_STREAM] = "stream",
		[FRAME_CALL_WITH_FDS] = "call with descriptors",
		[FRAME_REPLY_WITH_FDS] = "reply with descriptors",
		[FRAME_STREAM_HOLE] = "stream hole"
	};

	if (type < sizeof(names) / sizeof(names[0]))
		snprintf(buf, size, "%s", names[type]);
	else
		snprintf(buf, size, "type %u", type);
	return (buf);
}

/*
 * Room for len bytes at the end.  What has been given out goes first; then
 * the buffer is doubled, so it is at most twice of what has arrived.
 */
static int
framer_room(struct framer *f, size_t len)
{
	char	*p;
	size_t	 have = f->end - f->start, size;

	if (len <= f->size - f->end)
		return (0);
	if (f->start > 0) {
		memmove(f->buf, f->buf + f->start, have);
		f->start = 0;
		f->end = have;
		if (len <= f->size - f->end)
			return (0);
	}
	size = f->size < FRAMER_FIRST ? FRAMER_FIRST : f->size;
	while (size < have + len) {
		if (size > SIZE_MAX / 2) {
			errno = ENOMEM;
			return (-1);
		}
		size *= 2;
	}
	if ((p = realloc(f->buf, size)) == NULL)
		return (-1);
	f->buf = p;
	f->size = size;
	return (0);
}

/* Close what the owner of the last frame did not take. */
static void
framer_give_back(struct framer *f)
{
	size_t	 i;

	for (i = 0; i < f->nout; i++)
		if (f->out[i] != -1)
			close(f->out[i]);
	f->nout = 0;
}

/*
 * No frame is complete.  Descriptors that are there already must belong to
 * the one that is arriving: 0 if they can, -1 with EBADMSG.
 */
static int
framer_stray(const struct framer *f)
{
	struct frame_header	 h;

	if (f->nfds == 0)
		return (0);
	if (f->end - f->start == 0 || (framer_peek(f, &h) == 1 &&
	    h.type != FRAME_CALL_WITH_FDS && h.type != FRAME_REPLY_WITH_FDS)) {
		errno = EBADMSG;
		return (-1);
	}
	return (0);
}

static u_int32_t
get32(const char *p)
{
	const unsigned char	*b = (const unsigned char *)p;

	return ((u_int32_t)b[0] << 24 | (u_int32_t)b[1] << 16 |
	    (u_int32_t)b[2] << 8 | b[3]);
}

static void
put32(char *p, u_int32_t v)
{
	p[0] = (char)(v >> 24);
	p[1] = (char)(v >> 16);
	p[2] = (char)(v >> 8);
	p[3] = (char)v;
}
