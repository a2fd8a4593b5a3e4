/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * Frames: what travels between a client and the daemon.
 *
 *	length		4 bytes, big endian, counts itself
 *	header		24 bytes, see header.x
 *	count		4 bytes, only in ..._WITH_FDS: descriptors, up to 32
 *	body		XDR, or the bytes of a stream
 *
 * After a frame with descriptors come as many single bytes (zero, but it
 * does not matter), which the length does not count; each is sent with its
 * own sendmsg(2), and one descriptor as SCM_RIGHTS.  They can only travel on
 * unix sockets.
 *
 * What an existing daemon of this protocol answers, so that ours does too:
 *
 *	length below 28 or above the limit	closes the connection
 *	descriptors: count above 32		closes
 *	call of a program or version unknown	error reply, RPC: "Cannot find
 *						program N version N"
 *	call of a procedure unknown, negative,	error reply, RPC: "unknown
 *	    or that is an event			procedure: N"; clients make
 *						NO_SUPPORT of exactly this
 *	call with a status that is not OK	error reply, RPC: "Unexpected
 *						message status N"
 *	call before authentication		error reply, RPC:
 *						"authentication required"
 *	call whose body does not decode		error reply, RPC: "Unable to
 *						decode message payload"
 *	reply, message, unknown type		no answer at all
 *	stream data or hole, no such stream	no answer at all: packets that
 *						the client sent before it knew
 *						that the stream had ended
 *	keepalive ping (type message)		pong; other numbers: no answer
 *
 * An error reply has the type REPLY (STREAM if a stream is concerned), the
 * status ERROR, program, version, procedure and serial of the call, and a
 * body rp_error.  rpc_judge() of procs.h knows all this.  It also ignores
 * bytes after a body; we refuse them (body.h).
 *
 * Streams: after the OK reply of a procedure that starts one (PROC_STREAM),
 * frames of type STREAM with its procedure and serial go both ways.  Status
 * CONTINUE: the body is data, of no length: end of what this side sends.
 * OK, no body, from the client: finish; answered by the same.  ERROR from
 * the client, no body: abort; answered by OK without a body.  ERROR from the
 * daemon, body rp_error: the stream has failed and is gone.  STREAM_HOLE,
 * CONTINUE: the body is an rp_hole, for those who agreed on sparse streams.
 *
 * This file is pure: bytes in, frames out; it reads no descriptor, and its
 * memory grows only with bytes that have arrived.
 */

#ifndef RPC_FRAME_H
#define RPC_FRAME_H

#include <sys/types.h>

#include <rpc/rpc.h>

#include "rpc/header.h"

/*
 * The protocol allows FRAME_MAX.  The longest argument that makes sense is
 * one text of RP_STRING_MAX with a domain and some flags around it, so this
 * is what we read from a client.  The client library, which reads what a
 * daemon sends, takes FRAME_MAX.
 */
#define FRAME_MAX_IN	(4194304 + 65536)

#define FRAME_HEAD	(FRAME_LENGTH_BYTES + FRAME_HEADER_BYTES)
#define FRAME_HEAD_FDS	(FRAME_HEAD + 4)

/* What one read from a connection should ask for. */
#define FRAME_READ_SIZE	65536

/*
 * A frame, complete.  body belongs to the framer and is valid until the next
 * call with it.  fds too: take one by setting it to -1, the rest is closed.
 */
struct frame {
	struct frame_header	 hdr;
	const char		*body;
	size_t			 len;
	int			*fds;
	size_t			 nfds;
};

struct framer {
	size_t	 max;		/* longest frame; may be changed any time */
	char	*buf;
	size_t	 size;		/* allocated */
	size_t	 start;		/* first byte not yet given out */
	size_t	 end;		/* behind the last byte that has arrived */
	int	 fds[FRAME_FDS_MAX];	/* arrived, not yet given out */
	size_t	 nfds;
	int	 out[FRAME_FDS_MAX];	/* of the frame given out last */
	size_t	 nout;
};

void	framer_init(struct framer *, size_t);

/* Frees, and closes descriptors; the framer can be used again. */
void	framer_clear(struct framer *);

/*
 * Bytes have arrived, and with them descriptors, which are taken in any
 * case.  Call framer_next() until it has no more before pushing again:
 * nothing else bounds what is kept.  0, or -1 with ENOMEM, or EMFILE if there
 * are more descriptors than any frame may claim.
 */
int	framer_push(struct framer *, const char *, size_t, const int *,
	    size_t);

/*
 * The next frame: 1; 0 if none is complete; -1 if the stream is not valid and
 * the connection has to be closed: ERANGE a length out of bounds, EBADMSG
 * descriptors that nobody claims, too many, or missing.
 */
int	framer_next(struct framer *, struct frame *);

/*
 * The header of the frame that is still arriving: 1, or 0 if not even that
 * is there.  To decide early that a long body is not wanted.
 */
int	framer_peek(const struct framer *, struct frame_header *);

/* Bytes that wait to be given out. */
size_t	framer_pending(const struct framer *);

/* What a length may be, framer->max aside: 0, or -1 with ERANGE. */
int	frame_length_check(u_int32_t, size_t);

/* Header from and to FRAME_HEADER_BYTES bytes. */
void	frame_header_get(const char *, struct frame_header *);
void	frame_header_put(char *, const struct frame_header *);

/*
 * Length and header, FRAME_HEAD bytes, for a body of this many bytes: 0, or
 * -1 with ERANGE.  The second also writes the count, FRAME_HEAD_FDS bytes.
 */
int	frame_head(char *, const struct frame_header *, size_t);
int	frame_head_fds(char *, const struct frame_header *, size_t, size_t);

/*
 * A whole frame with an encoded body, in new memory that the caller frees:
 * 0, or -1 with errno as rpc_encode.
 */
int	frame_encode(const struct frame_header *, xdrproc_t, const void *,
	    char **, size_t *);

/* For logs: "call", "reply", ..., "type 77". */
const char	*frame_type_name(unsigned int, char *, size_t);

#endif
