/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * Everybody that netd talks to, for its tests: the parent, qemud, clients.
 * The program itself is the real one, in a session (no change of user), with
 * its system call filter; what it logs goes to the file "log".
 *
 * All functions that wait do so for a bounded time, and fail the test then.
 */

#ifndef NETD_PEER_H
#define NETD_PEER_H

#include <sys/types.h>

#include "imsg/chan.h"
#include "rpc/body.h"
#include "rpc/const.h"
#include "rpc/error.h"
#include "rpc/frame.h"
#include "rpc/procs.h"

#define WAIT_MS		60000

/* Our end of a channel. */
struct peer {
	struct imsgbuf	 ibuf;
	int		 fd;
};
extern struct peer	 parent, qemud;
extern pid_t		 netd_pid;

/* Clients of 0 get sensible limits. */
void	netd_start(enum msg_role, const struct msg_setup_netd *);
/* The same in steps: what netd_start calls after the process runs. */
void	netd_exec(void);
void	netd_setup(const struct msg_setup *, const struct msg_setup_netd *);
void	netd_listener(unsigned int, const char *);
/* A new channel to qemud. */
void	netd_qemud(void);
/* Ends it as the parent does, and checks that it ends well. */
void	netd_stop(void);
/* It has ended itself, with this status. */
void	netd_ended(int);
/* Whether a line of its log contains this. */
int	logged(const char *);

/* --- channels --- */

void	peer_send(struct peer *, uint32_t, xdrproc_t, const void *, int);
/*
 * The next message, which has to be this one, and what it has as a
 * descriptor.  Structures are to be freed with xdr_free.
 */
int	peer_take(struct peer *, uint32_t, xdrproc_t, void *, size_t);
/*
 * The type of the next message, which stays; peer_next is 0 if there is none
 * yet, peer_wait waits.
 */
uint32_t peer_next(struct peer *);
uint32_t peer_wait(struct peer *);
/* Drops all messages until the other side closes. */
void	peer_closed(struct peer *);
void	peer_close(struct peer *);
#define SEND(p, type, name, m, fd)	\
	peer_send((p), (type), (xdrproc_t)xdr_##name, (m), (fd))
#define TAKE(p, type, name, m)		\
	peer_take((p), (type), (xdrproc_t)xdr_##name, (m), sizeof(struct name))

/* A call has come: its client, serial, procedure, and a copy of the body. */
struct seen {
	uint64_t	 client;
	uint32_t	 serial;
	int		 procedure;
	size_t		 len;
};
/* The next message of qemud's end is a call (a new client may go before). */
struct seen	 qemud_call(void);
/* ... and is the client's end. */
void		 qemud_gone(uint64_t);
/* Answers a call with a body of this length, whose bytes are all c. */
void		 qemud_reply(const struct seen *, int c, size_t);
void		 qemud_error(const struct seen *);

/* --- clients --- */

struct answer {
	struct frame_header	 hdr;
	char			*body;
	size_t			 len;
};

/* Connects to a listener. */
int	dial(const char *);
void	say(int, const void *, size_t);
/*
 * Says as much as netd reads before it stops, and how much that was; other
 * is another client of it.
 */
size_t	say_most(int, const void *, size_t, int other);
void	say_fd(int, const void *, size_t, int);
/* A frame with a body as it is. */
void	say_frame(int, const struct frame_header *, const void *, size_t);
/* A call of the remote program. */
void	call(int, int, unsigned int, xdrproc_t, const void *);
void	call_none(int, int, unsigned int);
/* The next frame; answer_free. */
struct answer	 hear(int);
void	answer_free(struct answer *);
/* It is the reply to this serial, and a success. */
void	hear_reply(int, unsigned int, size_t);
/* It is an error reply: what the error is. */
struct rpc_error hear_error(int, unsigned int);
void	hear_eof(int);
/* A ping, and its pong is the next frame. */
void	ping(int);
/*
 * Everything that was sent before has been dealt with by netd, and what it
 * said to qemud can be read.
 */
void	settle(int);

#endif /* NETD_PEER_H */
