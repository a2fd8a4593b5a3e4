/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * What a client can send, and what a client library can be sent.  The first
 * byte of the input says how the rest is taken:
 *
 *	bits 0 and 1	the endpoint: read-only, full control, launch, or the
 *			client's side, which gets replies and events
 *	bit 2		a body alone: two bytes procedure, one byte program
 *			and what it is, the body
 *	bit 3		each piece brings a descriptor
 *	bits 4 to 7	pieces of this many bytes; 0 is all at once
 *
 * Frames are cut, judged, and each body decoded by whatever codec belongs to
 * it, also if the call would be refused.
 */

#include <sys/types.h>

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rpc/body.h"
#include "rpc/frame.h"
#include "rpc/procs.h"

#define ENDPOINT	0x03
#define BODY		0x04
#define FDS		0x08

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
check(int good)
{
	if (!good)
		abort();
}

/* What decodes must be what it would have been encoded to. */
static void
body(xdrproc_t proc, size_t size, const char *data, size_t len)
{
	char	*out, *again;
	size_t	 n, i;

	check((out = malloc(size)) != NULL);
	memset(out, 'x', size);
	if (rpc_decode(proc, data, len, out, size) == 0) {
		check(rpc_encode(proc, out, 0, &again, &n) == 0);
		check(n == len && memcmp(again, data, n) == 0);
		free(again);
		rpc_free(proc, out);
	} else {
		check(errno == EBADMSG || errno == ENOMEM);
		for (i = 0; i < size; i++)
			check(out[i] == '\0');
	}
	free(out);
}

static void
error_body(const char *data, size_t len)
{
	struct rpc_error	 e, e2;
	char			 text[64], *again;
	size_t			 n;

	body((xdrproc_t)xdr_rp_error, sizeof(rp_error), data, len);
	if (rpc_error_decode(&e, data, len) == -1)
		return;
	check(e.code != RPCE_OK);
	check(strlen(rpc_error_text(&e, text, sizeof(text))) < sizeof(text));
	check(rpc_error_encode(&e, &again, &n) == 0);
	check(rpc_error_decode(&e2, again, n) == 0);
	check(e2.code == e.code && e2.domain == e.domain);
	free(again);
}

static void
body_alone(const uint8_t *data, size_t len)
{
	static const unsigned int programs[] = { RP_PROGRAM, RQ_PROGRAM,
	    OWN_PROGRAM, 0 };
	const struct rpc_proc	*p;
	const struct rpc_event	*e;
	const char		*rest;
	unsigned int		 prog;
	int			 number;

	if (len < 3)
		return;
	number = data[0] << 8 | data[1];
	prog = programs[data[2] & 3];
	rest = (const char *)data + 3;
	len -= 3;
	p = rpc_proc_find(prog, number);
	e = rpc_event_find(prog, number);
	check(p == NULL || e == NULL);
	if (p != NULL && (data[2] & 4) == 0)
		body(p->arg, p->argsize, rest, len);
	else if (p != NULL)
		body(p->res, p->ressize, rest, len);
	else if (e != NULL)
		body(e->body, e->bodysize, rest, len);
	else
		error_body(rest, len);
}

static void
frame_seen(const struct frame *f, unsigned int endpoint)
{
	static const unsigned int rights[] = { RIGHTS_READ_ONLY,
	    RIGHTS_FULL_CONTROL, RIGHTS_LAUNCH };
	const struct frame_header *h = &f->hdr;
	const struct rpc_proc	*p, *found;
	const struct rpc_event	*e;
	struct rpc_error	 err;
	char			 name[RPC_API_NAME_MAX], *buf;
	size_t			 len;

	check(f->len <= FRAME_MAX_IN - FRAME_HEAD);
	p = rpc_proc_find(h->prog, h->procedure);
	e = rpc_event_find(h->prog, h->procedure);
	frame_type_name(h->type, name, sizeof(name));

	if (endpoint < 3) {
		rpc_error_clear(&err);
		switch (rpc_judge(h, rights[endpoint], &found, &err)) {
		case JUDGE_CALL:
			check(found == p && p != NULL);
			check(rpc_proc_allowed(p, rights[endpoint]));
			check(h->type == FRAME_CALL || p->flags & PROC_FDS);
			check(err.code == RPCE_OK);
			break;
		case JUDGE_REFUSE:
			check(found == NULL && err.code != RPCE_OK);
			check(rpc_error_encode(&err, &buf, &len) == 0);
			free(buf);
			break;
		case JUDGE_STREAM:
		case JUDGE_PING:
		case JUDGE_IGNORE:
			check(found == NULL && err.code == RPCE_OK);
			break;
		}
		if (p != NULL) {
			rpc_proc_api_name(p, name, sizeof(name));
			body(p->arg, p->argsize, f->body, f->len);
		}
		if (h->type == FRAME_STREAM_HOLE)
			body((xdrproc_t)xdr_rp_hole, sizeof(rp_hole), f->body,
			    f->len);
		return;
	}
	if (h->status == FRAME_ERROR)
		error_body(f->body, f->len);
	else if (p != NULL)
		body(p->res, p->ressize, f->body, f->len);
	else if (e != NULL)
		body(e->body, e->bodysize, f->body, f->len);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct framer		 f;
	struct frame		 frame;
	struct frame_header	 h, h2;
	char			 bytes[FRAME_HEADER_BYTES];
	size_t			 i, piece, pushed = 0;
	unsigned int		 how;
	int			 fd, r = 0;

	if (len == 0)
		return (0);
	how = *data++;
	len--;
	if (how & BODY) {
		body_alone(data, len);
		return (0);
	}
	piece = how >> 4 == 0 ? (len == 0 ? 1 : len) : how >> 4;
	framer_init(&f, FRAME_MAX_IN);
	for (i = 0; i < len && r != -1; i += piece) {
		if (piece > len - i)
			piece = len - i;
		fd = -1;
		if (how & FDS)
			check((fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) !=
			    -1);
		if (framer_push(&f, (const char *)data + i, piece, &fd,
		    fd != -1) == -1)
			break;
		pushed += piece;
		check(f.size <= 512 || f.size <= 2 * pushed);
		while ((r = framer_next(&f, &frame)) == 1) {
			check(frame.nfds <= FRAME_FDS_MAX);
			frame_header_put(bytes, &frame.hdr);
			frame_header_get(bytes, &h2);
			check(memcmp(&h2, &frame.hdr, sizeof(h2)) == 0);
			frame_seen(&frame, how & ENDPOINT);
		}
		check(r == 0 || errno == ERANGE || errno == EBADMSG);
		if (framer_peek(&f, &h))
			check(framer_pending(&f) >= FRAME_HEAD);
	}
	framer_clear(&f);
	return (0);
}
