/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * Bytes that wait to be written to a socket.  Short ones are gathered in
 * blocks, which are kept for the next one who needs some; a long body stays
 * in the memory that it came in.  An empty queue costs nothing.
 */

#ifndef NETD_OUTQ_H
#define NETD_OUTQ_H

#include <sys/types.h>
#include <sys/queue.h>

struct outblock;
STAILQ_HEAD(outblocks, outblock);

struct outq {
	struct outblocks	 blocks;
	size_t			 len;		/* bytes not written yet */
};

void	outq_init(struct outq *);
void	outq_clear(struct outq *);
/* Appends a copy: 0, or -1 with ENOMEM, and then half of it may be there. */
int	outq_add(struct outq *, const void *, size_t);
/* Appends a mapping of body_map, and takes it in any case: 0, or -1. */
int	outq_map(struct outq *, const char *, size_t);
/*
 * One system call: how many bytes it wrote, 0 if the socket takes none at
 * the moment, or -1 with errno.
 */
ssize_t	outq_write(struct outq *, int);

#endif /* NETD_OUTQ_H */
