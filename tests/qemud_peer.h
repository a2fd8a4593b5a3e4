/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * Everybody that qemud talks to, for its tests: the parent, monitord, the
 * three kinds of netd, a launcher.  The program itself is the real one, in a
 * session (no change of user), with its folders in the test's own folder and
 * its system call filter; what it logs goes to the file "log".
 *
 * All functions that wait do so for a bounded time, and fail the test then.
 */

#ifndef QEMUD_PEER_H
#define QEMUD_PEER_H

#include <sys/types.h>

#include "imsg/chan.h"
#include "rpc/body.h"
#include "rpc/const.h"
#include "rpc/error.h"
#include "rpc/procs.h"

#define nitems(a)	(sizeof(a) / sizeof((a)[0]))

/* Our end of a channel. */
struct peer {
	struct imsgbuf	 ibuf;
	int		 fd;		/* -1: closed */
	int		 asked;		/* by qemud_settle */
};
extern struct peer	 parent;
extern struct peer	 peers[ROLE_COUNT];	/* by role of who we are */
extern pid_t		 qemud_pid;

#define full		(&peers[ROLE_NETD])
#define ro		(&peers[ROLE_NETD_RO])
#define launch		(&peers[ROLE_NETD_LAUNCH])
#define monitord	(&peers[ROLE_MONITORD])

/*
 * Starts it, with all its channels, and a client that has opened its
 * connection on the full one (1).  The folders are made unless they are
 * there.
 */
void	qemud_start(void);
/* The same in steps. */
void	qemud_exec(void);
void	qemud_setup(void);
void	qemud_done(void);
void	qemud_link(enum msg_role);
void	qemud_client(void);
/* Ends it as the parent does, and checks that it ends well. */
void	qemud_stop(void);
/* Ends it by a signal. */
void	qemud_kill(void);
/* What has been sent to it before, all its peers have got the effects of. */
void	qemud_settle(void);

/* Where its log ends; whether a line after that contains this. */
off_t	log_end(void);
int	logged(off_t, const char *);

/* --- channels --- */

void	peer_send(struct peer *, uint32_t, xdrproc_t, const void *, int);
/* A payload as it is. */
void	peer_send_raw(struct peer *, uint32_t, const void *, size_t, int);
#define SEND(p, type, name, m, fd)	\
	peer_send((p), (type), (xdrproc_t)xdr_##name, (m), (fd))
/*
 * The next message, which has to be this one, and what it has as a
 * descriptor.  Structures are to be freed with xdr_free.
 */
int	peer_take(struct peer *, uint32_t, xdrproc_t, void *, size_t);
#define TAKE(p, type, name, m)		\
	peer_take((p), (type), (xdrproc_t)xdr_##name, (m), sizeof(struct name))
/* The type of the next message, which stays, or 0 if there is none yet. */
uint32_t peer_next(struct peer *);
/* ... that there has to be. */
uint32_t peer_wait(struct peer *);
/* Drops all messages until the other side closes; how many there were. */
size_t	peer_closed(struct peer *);
void	peer_close(struct peer *);
void	peer_open(struct peer *, int);

/* --- clients --- */

void	client_new(struct peer *, uint64_t);
void	client_gone(struct peer *, uint64_t);
/* connect_open, and its answer. */
void	client_open(struct peer *, uint64_t, unsigned int flags);
/* A body as it is; a long one travels as a descriptor. */
void	call_raw(struct peer *, uint64_t, unsigned int serial,
	    unsigned int prog, unsigned int procedure, const void *, size_t);
void	call(struct peer *, uint64_t, unsigned int serial,
	    const struct rpc_proc *, const void *);
const struct rpc_proc *
	proc_named(const char *);

struct answer {
	struct msg_reply	 m;
	char			*body;
	size_t			 len;
	struct rpc_error	 err;		/* if status is 1 */
};
/* The next message is an answer. */
void	answer_take(struct peer *, struct answer *);
void	answer_clear(struct answer *);
/* Calls and takes the answer, which has to be one of success. */
void	ask(struct peer *, uint64_t, const char *name, const void *arg,
	    void *result);
/* ... of failure: the code, with the text in ask_text. */
enum rpc_code	ask_fails(struct peer *, uint64_t, const char *name,
		    const void *arg);
extern char	ask_text[RPC_ERROR_MAX];

/* --- guests --- */

/* A guest that runs, with the test as its launcher and its QEMU. */
struct running {
	rp_dom		 dom;
	uint64_t	 monitor;	/* number at monitord */
	uint64_t	 client;	/* the launcher, at netd launch */
	int		 qmp;		/* our end of its monitor */
	int		 lock;		/* its locked status file */
};
/* Its XML; devices may be empty. */
const char	*guest_xml(const char *name, const char *devices);
void	guest_define(const char *name, const char *devices);
rp_dom	guest_lookup(const char *name);
/* Starts a defined guest that needs no files. */
void	guest_run(const char *name, struct running *);
/* Steps of it: up to the launcher with its plan. */
void	guest_create(const char *name, unsigned int serial);
void	guest_launched(struct running *, int pid);
void	guest_plan(struct running *, int plan);
/* The descriptors of a registration; they are taken. */
void	guest_register(struct running *, int pid, unsigned int serial,
	    const own_descriptor *, const int *, u_int);
void	guest_attached(struct running *);
/* monitord's part: takes an operation and answers it; all up to OP_CONT. */
enum msg_op_kind
	guest_op(struct running *, enum msg_op_result);
void	guest_go(struct running *);
void	running_clear(struct running *);

/*
 * Everything that clients can see of all guests, and everything in the
 * folders; to be compared and freed.
 */
struct state {
	char	*data;
	size_t	 len;
};
struct state	state_get(void);
int		state_same(const struct state *, const struct state *);
void		state_clear(struct state *);

#endif /* QEMUD_PEER_H */
