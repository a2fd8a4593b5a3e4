/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * Bodies of frames.  libtirpc reads things that are not quite right: padding
 * that is not zero, a NUL inside of a string, a 16 bit number that does not
 * fit.  Two processes could then read different things from the same bytes,
 * so a body counts as decoded only if encoding it again gives exactly these
 * bytes.
 */

#ifndef RPC_BODY_H
#define RPC_BODY_H

#include <sys/types.h>

#include <rpc/rpc.h>

/*
 * Decode len bytes into out, which has size bytes and is zeroed first.
 * Returns 0 and the caller has to rpc_free(), or -1 with EBADMSG or ENOMEM
 * and nothing is left to free.
 */
int	rpc_decode(xdrproc_t, const char *, size_t, void *, size_t);

/*
 * Encode into new memory, after head bytes that are left for the caller;
 * *len counts them too.  -1 with errno: EINVAL if the value does not keep to
 * its bounds, ENOMEM.
 */
int	rpc_encode(xdrproc_t, const void *, size_t, char **, size_t *);

/* Bytes that the body would take, or -1 as rpc_encode. */
ssize_t	rpc_size(xdrproc_t, const void *);

/*
 * Free what decoding has allocated; NULL is fine.  Of a value that does not
 * keep to its bounds (rpc_encode said EINVAL) libtirpc frees only a part.
 */
void	rpc_free(xdrproc_t, void *);

#endif
