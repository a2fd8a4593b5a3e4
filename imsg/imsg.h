/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * The channel between two of our processes, and the buffers below it: the
 * imsg and ibuf interface of current OpenBSD, written for Linux.  imsg(3)
 * is the manual.
 *
 * Unless a comment says otherwise an int function returns 0, or -1 with
 * errno set; a function that fails has changed nothing and has taken
 * nothing.  Sizes and positions are bytes; positions count from the first
 * unread byte.  Nothing here is safe for use by several threads on one
 * object; there is no hidden state beside the objects.
 */

#ifndef IMSG_IMSG_H
#define IMSG_IMSG_H

#include <sys/types.h>
#include <sys/queue.h>
#include <sys/uio.h>

#include <stddef.h>
#include <stdint.h>

#define IBUF_READ_SIZE		65535	/* bytes that one read takes at most */
#define IMSG_HEADER_SIZE	sizeof(struct imsg_hdr)
#define MAX_IMSGSIZE		16384	/* bytes with header, unless set */
#define IMSG_FD_MARK		0x80000000U	/* in len: with descriptor */

struct msgbuf;				/* opaque */

/* A buffer, or a view of somebody else's bytes.  All members are private. */
struct ibuf {
	TAILQ_ENTRY(ibuf)	 entry;
	unsigned char		*base;
	size_t			 size;	/* bytes at base */
	size_t			 max;	/* size may grow up to this */
	size_t			 rpos;	/* first unread byte */
	size_t			 wpos;	/* end of what was written */
	int			 fd;	/* owned, or -1 */
	int			 view;	/* base is borrowed */
};

/* A queue of buffers.  All members are private. */
struct ibufqueue {
	TAILQ_HEAD(, ibuf)	 bufs;
	uint32_t		 len;
};

/* On the wire, in host order: both ends are on the same machine. */
struct imsg_hdr {
	uint32_t	type;
	uint32_t	len;		/* header and payload, IMSG_FD_MARK */
	uint32_t	peerid;
	uint32_t	pid;
};

/* A received message; read it with the imsg_get functions. */
struct imsg {
	struct imsg_hdr	 hdr;
	struct ibuf	*buf;
};

/*
 * One end of a channel.  Event code may read fd, the rest is private.  It
 * is referred to from inside: initialise it where it stays, never copy it.
 */
struct imsgbuf {
	struct msgbuf	*w;
	pid_t		 pid;
	uint32_t	 maxsize;	/* with header */
	int		 fd;		/* borrowed */
	int		 flags;
};

/* --- channel ------------------------------------------------------------ */

/*
 * Makes both directions ready on fd, a stream socket, and remembers
 * getpid() as the sender of what is composed.  Borrows fd: it is never
 * closed here.  Largest message is MAX_IMSGSIZE, descriptors are refused.
 * The socket must not have SO_PASSCRED or another option that makes the
 * kernel add control data: it would look like a descriptor.
 */
int		 imsgbuf_init(struct imsgbuf *, int);
/* From now on a message may bring a descriptor, in both directions. */
void		 imsgbuf_allow_fdpass(struct imsgbuf *);
/*
 * Sets the largest payload, for sending and for the next header received;
 * the header is added to it.  ERANGE if that does not fit in 32 bits,
 * EINVAL if it reaches the bit that marks a descriptor.
 */
int		 imsgbuf_set_maxsize(struct imsgbuf *, uint32_t);
/*
 * Reads once, at most IBUF_READ_SIZE bytes.  Returns 1 if something was
 * read or nothing is there yet (EAGAIN), 0 if the peer has closed, -1 on
 * failure; EINTR is retried.  Beside recvmsg(2)'s errors:
 *	ERANGE		a header's length is below 16 or above the limit
 *	EMSGSIZE	a message claims a descriptor that did not come:
 *			lost as this process has too many open (the kernel
 *			only says MSG_CTRUNC then), never sent, or more came
 *			at once than is ever kept
 *	EBADMSG		a descriptor came that no message claims
 *	EPERM		a descriptor or its mark came, and
 *			imsgbuf_allow_fdpass() was not called
 *	ENOMEM		no memory for the message
 * After one of these the place in the stream is lost: all unclaimed
 * descriptors are closed, and each further read fails the same way.
 */
int		 imsgbuf_read(struct imsgbuf *);
/*
 * Fetches the next complete message.  Returns 1 and fills the imsg, which
 * the caller must imsg_free(); 0 if none is complete yet; -1 if there will
 * be none, with the errno that made imsgbuf_read() fail for good.
 * Messages complete before that are still handed out.
 */
int		 imsgbuf_get(struct imsgbuf *, struct imsg *);
/* imsgbuf_get() in its old form: 1 is the message's size, with header. */
ssize_t		 imsg_get(struct imsgbuf *, struct imsg *);
/*
 * Sends with one sendmsg(2), up to IOV_MAX buffers and one descriptor.
 * Returns 0 also if the socket is full (EAGAIN, ENOBUFS): see
 * imsgbuf_queuelen().  EPIPE comes without a signal.  EPERM: a buffer with
 * a descriptor is next and imsgbuf_allow_fdpass() was not called.
 */
int		 imsgbuf_write(struct imsgbuf *);
/* Writes until all is sent, waiting if need be: only during startup. */
int		 imsgbuf_flush(struct imsgbuf *);
/* How many buffers are not sent completely. */
uint32_t	 imsgbuf_queuelen(struct imsgbuf *);
/*
 * Drops what is queued in both directions and closes descriptors that are
 * not sent or not claimed; fd stays open and can still be read here.  Only
 * imsgbuf_init(), imsgbuf_queuelen() and imsgbuf_clear() may follow.
 */
void		 imsgbuf_clear(struct imsgbuf *);

/* --- sending: channel, type, id, pid (0: ours), ... --------------------- */

/*
 * Queues a message with a copy of len bytes.  Returns 1, or -1.  Takes the
 * descriptor (-1: none) if it returns 1, and closes it once it is sent; on
 * -1 it is still the caller's.  ERANGE if the payload is too large, EPERM
 * if the channel does not pass descriptors, EBADF for one below -1.
 */
int		 imsg_compose(struct imsgbuf *, uint32_t, uint32_t, pid_t,
		    int, const void *, size_t);
/* The same, the payload gathered from int elements of an iovec. */
int		 imsg_composev(struct imsgbuf *, uint32_t, uint32_t, pid_t,
		    int, const struct iovec *, int);
/*
 * Queues a message whose payload are the unread bytes of the ibuf, without
 * copying.  Returns 1, or -1: ERANGE if too large, EINVAL if it holds a
 * descriptor.  Takes the ibuf in either case.
 */
int		 imsg_compose_ibuf(struct imsgbuf *, uint32_t, uint32_t,
		    pid_t, struct ibuf *);
/*
 * Starts a message: a buffer with room for size_t bytes of payload, which
 * grows up to the channel's limit.  The caller owns it until imsg_close()
 * or ibuf_free(); ibuf_fd_set() gives it a descriptor, all ibuf_add
 * functions work.  NULL with ERANGE if larger than the channel allows.
 */
struct ibuf	*imsg_create(struct imsgbuf *, uint32_t, uint32_t, pid_t,
		    size_t);
/* Sets a smaller limit for this message's payload; else ERANGE. */
int		 imsg_set_maxsize(struct ibuf *, size_t);
/* Appends.  Returns the length, or -1, and then the buffer is freed. */
int		 imsg_add(struct ibuf *, const void *, size_t);
/* Completes the header and queues the message.  Takes the buffer. */
void		 imsg_close(struct imsgbuf *, struct ibuf *);
/*
 * Queues a received message on another channel: same type, id and pid,
 * whole payload, however much of it was read; never the descriptor.  The
 * message is unchanged and still the caller's.  Returns 1, or -1.
 */
int		 imsg_forward(struct imsgbuf *, struct imsg *);

/* --- receiving ---------------------------------------------------------- */

/* What the header says: claims of the sender. */
uint32_t	 imsg_get_type(struct imsg *);
uint32_t	 imsg_get_id(struct imsg *);
pid_t		 imsg_get_pid(struct imsg *);
/* Bytes of payload not consumed yet. */
size_t		 imsg_get_len(struct imsg *);
/* Hands the descriptor to the caller, once; -1 if there is none. */
int		 imsg_get_fd(struct imsg *);
/* Copies the rest: just len bytes, else EBADMSG.  EINVAL if len is 0. */
int		 imsg_get_data(struct imsg *, void *, size_t);
/* Copies the next len bytes.  EBADMSG if there are fewer. */
int		 imsg_get_buf(struct imsg *, void *, size_t);
/* As ibuf_get_strbuf(). */
int		 imsg_get_strbuf(struct imsg *, char *, size_t);
/*
 * Consumes the rest and makes the ibuf a view of it, which is valid until
 * imsg_free() and is not to be freed.  EBADMSG if nothing is left.
 */
int		 imsg_get_ibuf(struct imsg *, struct ibuf *);
/* Frees the payload, closes a descriptor that nobody took.  Keeps errno. */
void		 imsg_free(struct imsg *);

/* Parks a message in a queue, unread again; the imsg is zeroed. */
void		 imsg_ibufq_push(struct ibufqueue *, struct imsg *);
/*
 * Fetches it back: 1, 0 if the queue is empty, -1 with EBADMSG if what was
 * queued is no message (it is freed).  Then as after imsgbuf_get().
 */
int		 imsg_ibufq_pop(struct ibufqueue *, struct imsg *);

/* --- buffers: making ---------------------------------------------------- */

/* A buffer for len bytes, never more.  The caller frees it. */
struct ibuf	*ibuf_open(size_t);
/*
 * A buffer for len bytes that grows up to max.  The caller frees it.
 * EINVAL if max is 0 or less than len.
 */
struct ibuf	*ibuf_dynamic(size_t, size_t);
/*
 * Append.  ERANGE if it does not fit, which includes every view.  The
 * source of ibuf_add_ibuf() (its unread bytes) is not consumed; what is
 * added must not lie in the buffer itself, which may move.
 */
int		 ibuf_add(struct ibuf *, const void *, size_t);
int		 ibuf_add_ibuf(struct ibuf *, const struct ibuf *);
int		 ibuf_add_zero(struct ibuf *, size_t);
/* Append a number, n big endian, h host order.  EINVAL if too large. */
int		 ibuf_add_n8(struct ibuf *, uint64_t);
int		 ibuf_add_n16(struct ibuf *, uint64_t);
int		 ibuf_add_n32(struct ibuf *, uint64_t);
int		 ibuf_add_n64(struct ibuf *, uint64_t);
int		 ibuf_add_h16(struct ibuf *, uint64_t);
int		 ibuf_add_h32(struct ibuf *, uint64_t);
int		 ibuf_add_h64(struct ibuf *, uint64_t);
/*
 * Appends a field of len bytes: the string, padded with zeros.  EOVERFLOW
 * if the string with its NUL is longer than the field.
 */
int		 ibuf_add_strbuf(struct ibuf *, const char *, size_t);
/*
 * Appends len bytes of zero and returns where they are; NULL with ERANGE
 * or ENOMEM.  The next addition may move them.
 */
void		*ibuf_reserve(struct ibuf *, size_t);
/* Returns where len written bytes at pos are; NULL with ERANGE. */
void		*ibuf_seek(struct ibuf *, size_t, size_t);
/* Overwrite len written bytes, a number, at pos.  ERANGE, EINVAL as above. */
int		 ibuf_set(struct ibuf *, size_t, const void *, size_t);
int		 ibuf_set_n8(struct ibuf *, size_t, uint64_t);
int		 ibuf_set_n16(struct ibuf *, size_t, uint64_t);
int		 ibuf_set_n32(struct ibuf *, size_t, uint64_t);
int		 ibuf_set_n64(struct ibuf *, size_t, uint64_t);
int		 ibuf_set_h16(struct ibuf *, size_t, uint64_t);
int		 ibuf_set_h32(struct ibuf *, size_t, uint64_t);
int		 ibuf_set_h64(struct ibuf *, size_t, uint64_t);
/*
 * Lowers the limit.  ERANGE if it is above the old one or below what is
 * written already, EINVAL for a view.
 */
int		 ibuf_set_maxsize(struct ibuf *, size_t);
/* Cuts the unread bytes to len, or extends them with zeros (ERANGE). */
int		 ibuf_truncate(struct ibuf *, size_t);
/*
 * Gives a descriptor to the buffer (-1: none), which owns it from now on;
 * an earlier one is closed.  Aborts on a view.
 */
void		 ibuf_fd_set(struct ibuf *, int);
/* Takes it back: the caller owns it.  -1 if there is none. */
int		 ibuf_fd_get(struct ibuf *);
/* Whether it holds one. */
int		 ibuf_fd_avail(struct ibuf *);
/*
 * Wipes and frees the buffer, and closes its descriptor.  Keeps errno.
 * NULL is fine.  Aborts on a view: its bytes belong to somebody else.
 */
void		 ibuf_free(struct ibuf *);

/* --- buffers: reading --------------------------------------------------- */

/*
 * Make the first argument a view of memory; of the unread bytes of a
 * buffer, without consuming them.  Borrowed: valid as long as these bytes,
 * not to be freed.
 */
void		 ibuf_from_buffer(struct ibuf *, void *, size_t);
void		 ibuf_from_ibuf(struct ibuf *, const struct ibuf *);
/* Consume len bytes: copied, as a view, unseen.  EBADMSG if fewer are left. */
int		 ibuf_get(struct ibuf *, void *, size_t);
int		 ibuf_get_ibuf(struct ibuf *, size_t, struct ibuf *);
int		 ibuf_skip(struct ibuf *, size_t);
/* Consume a number, n big endian, h host order.  EBADMSG. */
int		 ibuf_get_n8(struct ibuf *, uint8_t *);
int		 ibuf_get_n16(struct ibuf *, uint16_t *);
int		 ibuf_get_n32(struct ibuf *, uint32_t *);
int		 ibuf_get_n64(struct ibuf *, uint64_t *);
int		 ibuf_get_h16(struct ibuf *, uint16_t *);
int		 ibuf_get_h32(struct ibuf *, uint32_t *);
int		 ibuf_get_h64(struct ibuf *, uint64_t *);
/*
 * Consumes len bytes and returns them as a string that the caller frees.
 * A NUL among them ends it early: who minds compares strlen() with len.
 * NULL with EBADMSG or ENOMEM.
 */
char		*ibuf_get_string(struct ibuf *, size_t);
/*
 * Consumes a field of len bytes as ibuf_add_strbuf() made it, into as many
 * bytes of the caller's; what follows the NUL is zeroed there.  EOVERFLOW
 * if there is no NUL in it (the result is the empty string then), EBADMSG
 * if it is short, EINVAL if len is 0.
 */
int		 ibuf_get_strbuf(struct ibuf *, char *, size_t);
/* The unread bytes, and their number; room for more, 0 in a view. */
void		*ibuf_data(const struct ibuf *);
size_t		 ibuf_size(const struct ibuf *);
size_t		 ibuf_left(const struct ibuf *);
/* Makes everything unread again. */
void		 ibuf_rewind(struct ibuf *);

/* --- queues below ------------------------------------------------------- */

/* An output queue.  NULL with ENOMEM. */
struct msgbuf	*msgbuf_new(void);
/*
 * An output queue that also reads messages with a header of hdrsz bytes,
 * 1 to IBUF_READ_SIZE (else EINVAL).  For each, readhdr(hdr, arg, &fd) gets
 * a view of the header and the oldest descriptor that nobody has claimed
 * (-1: none).  It returns an empty ibuf with ibuf_left() bytes for the
 * whole message, header included; or NULL with errno, which ends reading.
 * If the message brings a descriptor, readhdr takes it (ibuf_fd_set()) and
 * sets fd to -1; it may set fd to nothing else.
 */
struct msgbuf	*msgbuf_new_reader(size_t,
		    struct ibuf *(*)(struct ibuf *, void *, int *), void *);
/* Drops all that is queued or half read, with descriptors; NULL is fine. */
void		 msgbuf_free(struct msgbuf *);
/* The same, and starts afresh. */
void		 msgbuf_clear(struct msgbuf *);
/* Queues a buffer for output.  Takes it.  Aborts on a view. */
void		 ibuf_close(struct msgbuf *, struct ibuf *);
/* Moves all buffers of a queue to the end of the output. */
void		 msgbuf_concat(struct msgbuf *, struct ibufqueue *);
/* How many buffers are not sent completely. */
uint32_t	 msgbuf_queuelen(struct msgbuf *);
/*
 * The next message read, from its header on, which the caller frees.  NULL
 * if none is complete, which leaves errno alone, or if reading has failed
 * for good, and errno says why.
 */
struct ibuf	*msgbuf_get(struct msgbuf *);
/*
 * ibuf_read() and ibuf_write() refuse descriptors and work on any stream
 * (sockets, pipes; without MSG_NOSIGNAL on what is no socket), the msgbuf
 * ones pass them and want a Unix socket.  Results and errors are those of
 * imsgbuf_read() and imsgbuf_write(), beside those of readhdr; EINVAL if
 * there is no reader, or for a descriptor on an empty buffer.
 */
int		 ibuf_read(int, struct msgbuf *);
int		 ibuf_write(int, struct msgbuf *);
int		 msgbuf_read(int, struct msgbuf *);
int		 msgbuf_write(int, struct msgbuf *);

/* A plain queue.  NULL with ENOMEM. */
struct ibufqueue *ibufq_new(void);
/* Frees it and all buffers in it; NULL is fine. */
void		 ibufq_free(struct ibufqueue *);
/* Appends a buffer, and takes it.  Aborts on a view. */
void		 ibufq_push(struct ibufqueue *, struct ibuf *);
/* The first buffer, now the caller's; NULL when empty. */
struct ibuf	*ibufq_pop(struct ibufqueue *);
/* Moves all buffers of the second queue to the end of the first. */
void		 ibufq_concat(struct ibufqueue *, struct ibufqueue *);
/* Frees all buffers in it. */
void		 ibufq_flush(struct ibufqueue *);
uint32_t	 ibufq_queuelen(struct ibufqueue *);

#endif /* IMSG_IMSG_H */
