/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * A channel: an imsgbuf to one other process of the suite, on libevent, with
 * the table of what that process may say.  What is not in the table, brings
 * a descriptor where none belongs (or the reverse), or does not decode
 * exactly, ends the channel: it is a bug or a break-in on the other side.
 */

#ifndef CHAN_H
#define CHAN_H

#include <sys/types.h>

#include <event2/event.h>
#include <rpc/rpc.h>
#include <stdint.h>

#include "imsg/imsg.h"
#include "imsg/msg.h"

#define CHAN_PAYLOAD_MAX	65536	/* bytes of one message, encoded */
#define CHAN_DECODED_MAX	512	/* bytes of a decoded structure */
#define CHAN_QUEUE_HIGH		2048	/* messages queued: stop causing more */
#define CHAN_QUEUE_LOW		512	/* ... go on */
#define CHAN_FDS_HIGH		64	/* the same for those that bring a */
#define CHAN_FDS_LOW		16	/* descriptor: they are few, and large */
#define CHAN_QUEUE_MAX		65536	/* the other side is stuck: end it */
#define CHAN_READ_BURST		64	/* messages handled before others' turn */

struct chan;

enum fd_rule { FD_NONE, FD_MAY, FD_MUST };

/*
 * One kind of message that the other side may send.  handle gets the decoded
 * message (NULL if decode is NULL: no payload), which is freed after it
 * returns, and the descriptor or -1, which it takes.  It returns 0, or -1
 * for what the sender must never say: the channel then ends.
 */
struct msg_handler {
	uint32_t	 type;
	xdrproc_t	 decode;
	size_t		 size;
	enum fd_rule	 fd;
	int		(*handle)(struct chan *, void *, int);
};

/* A row of a table: MSG_ROW(MSG_CALL, msg_call, FD_MAY, call_readonly). */
#define MSG_ROW(type, name, fd, handle)	\
	{ (type), (xdrproc_t)xdr_##name, sizeof(struct name), (fd), (handle) }
#define MSG_ROW_EMPTY(type, handle)	\
	{ (type), NULL, 0, FD_NONE, (handle) }
#define MSG_ROW_END	{ 0, NULL, 0, FD_NONE, NULL }

/*
 * New channel on fd, which it takes, with the table of what may arrive (not
 * copied; ends with MSG_ROW_END).  owner is the caller's.  closed is called
 * once, from the event loop, when the other side has closed, broken the
 * rules, or chan_end was called; there the owner must chan_free.
 * NULL with errno on failure, fd is then closed.
 */
struct chan	*chan_new(struct event_base *, int fd, const char *name,
		    const struct msg_handler *, void *owner,
		    void (*closed)(struct chan *));

/*
 * How its turn compares with that of others, 0 first; PROC_PRIORITIES says how
 * many there are, the middle one is the default.  Right after chan_new.
 */
int		 chan_set_priority(struct chan *, int);

/* Frees it and closes its descriptor; not from a handler: see chan_end. */
void		 chan_free(struct chan *);

/* Ends the channel: no further message is handled; closed follows. */
void		 chan_end(struct chan *);

/*
 * Queues one message; encode may be NULL for an empty payload.  fd (or -1)
 * belongs to the channel afterwards, also on failure.  Returns 0, or -1 with
 * errno; if the message could not be queued the channel ends, since both
 * sides could not agree any more.
 */
int		 chan_send(struct chan *, uint32_t type, xdrproc_t encode,
		    const void *msg, int fd);
#define CHAN_SEND(c, type, name, msg, fd)	\
	chan_send((c), (type), (xdrproc_t)xdr_##name, (msg), (fd))

/* Writes what is queued, blocking; only while a process starts. */
int		 chan_flush(struct chan *);

/* Replaces the table, for a process that leaves its setup phase. */
void		 chan_set_handlers(struct chan *, const struct msg_handler *);

/*
 * Calls fn when the queue, having been above CHAN_QUEUE_HIGH, has fallen
 * below CHAN_QUEUE_LOW again.  chan_full says whether it is above.
 */
void		 chan_set_drained(struct chan *, void (*fn)(struct chan *));
int		 chan_full(const struct chan *);
/* Messages that wait to be sent, of CHAN_QUEUE_MAX at most. */
unsigned int	 chan_queued(struct chan *);

/*
 * Did it end because the other side broke the rules, or reads nothing?  Then
 * it will not end by itself.
 */
int		 chan_offended(const struct chan *);

void		*chan_owner(const struct chan *);
const char	*chan_name(const struct chan *);

/*
 * Handles at most CHAN_READ_BURST messages at a time.  With hold the channel
 * reads nothing until it is released.
 */
void		 chan_hold(struct chan *, int hold);

/*
 * Bodies: short ones travel in the message, long ones (longer than
 * MSG_INLINE_MAX) as a sealed memfd.
 *
 * body_seal makes such a memfd of len bytes: the descriptor, or -1.
 * body_map maps a received one of 1 to max bytes, and takes fd; EBADMSG if
 * it is not sealed against change or has another size.  body_unmap releases.
 */
int		 body_seal(const void *data, size_t len);
int		 body_map(int fd, size_t max, const char **data, size_t *len);
void		 body_unmap(const char *data, size_t len);

/* Name of a message type and of a role, for the log. */
const char	*msg_type_name(uint32_t);
const char	*msg_role_name(uint32_t);

#endif /* CHAN_H */
