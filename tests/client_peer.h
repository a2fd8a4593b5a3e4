/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * The daemon's side of a connection, for tests of clients.  All functions
 * that wait do so for a bounded time, and fail the test then.
 */

#ifndef CLIENT_PEER_H
#define CLIENT_PEER_H

#include <sys/types.h>

#include "client/qemud.h"
#include "rpc/body.h"
#include "rpc/const.h"
#include "rpc/error.h"
#include "rpc/frame.h"
#include "rpc/procs.h"

#define WAIT_MS		60000

struct peer {
	int		 fd;
	struct framer	 in;
};

/* Listens on a unix socket of this name. */
int	peer_listen(const char *);

/*
 * Takes a connection, if there is one, and frames from it: 1, or 0 when it is
 * closed.  With a client, this is run meanwhile.
 */
void	peer_accept(struct peer *, int);
int	peer_take(struct peer *, struct qemud *, struct frame *);
void	peer_close(struct peer *);

/* The argument of a call that must be this one; to be freed by rpc_free(). */
void	peer_arg(const struct frame *, int, xdrproc_t, void *, size_t);

/* Sends bytes; a frame; an answer to the call with this header. */
void	peer_bytes(struct peer *, const void *, size_t);
void	peer_send(struct peer *, const struct frame_header *, const void *,
	    size_t);
void	peer_body(struct peer *, const struct frame_header *, xdrproc_t,
	    const void *);
void	peer_reply(struct peer *, const struct frame_header *, xdrproc_t,
	    const void *);
void	peer_fail(struct peer *, const struct frame_header *, enum rpc_code,
	    const char *);
/* A frame of the stream that this call has opened. */
void	peer_stream(struct peer *, const struct frame_header *,
	    enum frame_status, const void *, size_t);
void	peer_event(struct peer *, int, xdrproc_t, const void *);

/* Milliseconds of a clock that never goes back. */
int64_t	peer_now(void);

#endif
