/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

#ifndef CLIENT_H
#define CLIENT_H

#include <sys/types.h>
#include <sys/queue.h>
#include <sys/tree.h>
#include <sys/un.h>

#include <stdint.h>

#include "client/qemud.h"
#include "rpc/error.h"
#include "rpc/frame.h"
#include "rpc/procs.h"

#define nitems(a)		(sizeof(a) / sizeof((a)[0]))

/* What a program, or a daemon, may make us keep. */
#define CALLS_MAX		16384	/* in flight */
#define OUT_MAX			(64 * 1024 * 1024)	/* bytes to be sent */
#define STREAMS_MAX		32
#define STREAM_OUT_HIGH		(256 * 1024)	/* then it takes no more */
#define STREAM_OUT_LOW		(64 * 1024)
#define STREAM_IN_MAX		(1024 * 1024)	/* while it is paused */
#define STREAM_PACKET		65536		/* bytes of data in a frame */
#define SAID_MAX		2048	/* of what qemud-parent complains */

#define READ_BYTES		16384	/* at once */
#define READ_BURST		16	/* of them in one dispatch */

#define CONNECT_TIMEOUT_MS	10000	/* while too many want to */
#define CONNECT_RETRY_MS	10
#define GREET_TIMEOUT_MS	30000
#define START_TIMEOUT_MS	20000	/* of qemud-parent, until it is up */
#define STARTED_TIMEOUT_MS	2000	/* ... until somebody else's is */

/* Bytes to be sent. */
struct chunk {
	TAILQ_ENTRY(chunk)	 entry;
	char			*buf;
	size_t			 len;
	size_t			 done;
};
TAILQ_HEAD(chunks, chunk);

struct outq {
	struct chunks		 chunks;
	size_t			 bytes;
};

/* Where a URI leads to. */
struct target {
	int		 session;
	int		 startable;	/* if nobody is there */
	char		 path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	const char	*name;		/* for people */
	const char	*asked;		/* for the daemon */
};

enum stage {
	STAGE_STARTING,		/* qemud-parent runs; fd: what it says */
	STAGE_RETRY,		/* no fd; until retry_at */
	STAGE_GREETING,		/* connected; connect_open not yet answered */
	STAGE_OPEN,
	STAGE_CLOSED
};

enum call_state {
	CALL_FLYING,		/* is in the map, unless it waits for its end */
	CALL_READY,		/* answered, not told yet */
	CALL_DONE		/* the answer waits for its owner */
};

/* Looks at an answer first; 1: the call is in flight again. */
typedef int (call_hook)(struct qemud_call *);

struct qemud_call {
	TAILQ_ENTRY(qemud_call)	 entry;		/* all */
	TAILQ_ENTRY(qemud_call)	 ready;
	RB_ENTRY(qemud_call)	 byserial;
	struct qemud		*q;
	const struct rpc_proc	*proc;
	uint32_t		 serial;
	enum call_state		 state;
	int			 mapped;
	int			 early;		/* part of the greeting */
	int			 forgotten;	/* its owner has freed it */
	int			 telling;	/* its function runs */
	qemud_done		*done;
	void			*arg;

	call_hook		*hook;
	void			*hook_arg;	/* freed with the call */
	struct qemud_stream	*stream;	/* which it opens */
	struct subscription	*subscription;	/* which it makes */

	struct qemud_reply	 reply;
	struct qemud_error	 error;
	char			*error_text;
	void			*res;		/* decoded, as proc says */
	void			*list;		/* guests or params */
	union {
		struct qemud_guest	 guest;
		struct qemud_info	 info;
		struct qemud_host	 host;
	} u;
};
TAILQ_HEAD(callq, qemud_call);
RB_HEAD(callmap, qemud_call);

struct subscription {
	TAILQ_ENTRY(subscription) entry;
	int			 event;
	int64_t			 number;	/* -1: not known yet */
	qemud_event_fn		*fn;
	void			*arg;
};

struct qemud_stream {
	TAILQ_ENTRY(qemud_stream) entry;
	struct qemud		*q;
	const struct rpc_proc	*proc;
	uint32_t		 serial;
	struct qemud_stream_ops	 ops;
	void			*arg;
	unsigned int		 open : 1;	/* both ways */
	unsigned int		 finished : 1;	/* ours */
	unsigned int		 dead : 1;	/* waits to be freed */
	unsigned int		 paused : 1;
	unsigned int		 blocked : 1;	/* wants writable */
	unsigned int		 eof : 1;	/* theirs, to be told */
	unsigned int		 eof_told : 1;
	unsigned int		 ended : 1;	/* to be told */
	char			*in;		/* arrived while paused */
	size_t			 inlen;
	struct rpc_error	*err;		/* it ended by this, or NULL */
};

struct qemud {
	unsigned int		 flags;
	enum stage		 stage;
	struct target		 target;
	int			 fd;
	int64_t			 retry_at;	/* ms, 0: not set */
	int64_t			 deadline;	/* ms, 0: not set */

	int			 started;	/* qemud-parent was run */
	pid_t			 starter;	/* 0: not, or has ended */
	char			 said[SAID_MAX];
	size_t			 saidlen;

	int			 greeted;
	struct framer		 in;
	int			 left;		/* frames in it, by a pause */
	struct outq		 out;
	struct outq		 held;		/* until it is open */
	uint32_t		 serial;

	struct callq		 calls;
	struct callq		 ready;
	struct callmap		 map;
	size_t			 ncalls;
	TAILQ_HEAD(, qemud_stream) streams;
	unsigned int		 nstreams;
	TAILQ_HEAD(, subscription) subscriptions;

	unsigned int		 ping_interval;	/* s, 0: off */
	unsigned int		 ping_count;
	int			 pinging;	/* agreed on */
	unsigned int		 pings;		/* without an answer */
	int64_t			 seen;		/* ms */
	int64_t			 pinged;	/* ms */

	int			 dispatching;
	int			 closing;
	int			 failed;	/* to be told to all */
	qemud_changed		*changed;
	void			*changed_arg;
	struct rpc_error	 err;
	struct qemud_error	 error;		/* points to err */
};

/* client.c */
int64_t	 now_ms(void);
int	 client_fail(struct qemud *, enum rpc_code, const char *, ...)
	    __attribute__((format(printf, 3, 4)));
int	 client_fail_error(struct qemud *, const struct rpc_error *);
void	 client_opened(struct qemud *);
int	 error_full(struct rpc_error *, enum rpc_code, const char *, ...)
	    __attribute__((format(printf, 3, 4)));
void	 error_show(const struct rpc_error *, struct qemud_error *);

/* connect.c */
void	 connect_try(struct qemud *);
void	 connect_step(struct qemud *);

/* uri.c */
int	 target_parse(const char *, int, struct target *, struct rpc_error *);

/* session.c */
void	 session_start(struct qemud *);
void	 session_step(struct qemud *);
void	 session_end(struct qemud *);

/* io.c */
void	 io_step(struct qemud *);
int64_t	 io_due(const struct qemud *);
int	 io_stopped(const struct qemud *);
int	 io_send(struct qemud *, const struct frame_header *, const void *,
	    size_t);
int	 outq_take(struct outq *, char *, size_t);
void	 outq_clear(struct outq *);

/* call.c */
RB_PROTOTYPE(callmap, qemud_call, byserial, call_cmp)
int	 call_cmp(const struct qemud_call *, const struct qemud_call *);
struct qemud_call *
	 call_new(struct qemud *, unsigned int, int, const void *,
	    qemud_done *, void *);
struct qemud_call *
	 call_early(struct qemud *, int, const void *, qemud_done *, void *);
int	 call_again(struct qemud_call *, int, const void *);
int	 call_reply(struct qemud *, const struct frame *);
void	 calls_tell(struct qemud *);
void	 calls_fail(struct qemud *, const struct rpc_error *);
void	 calls_clear(struct qemud *);

/* reply.c */
int	 reply_fill(struct qemud_call *);
void	 guest_fill(struct qemud_guest *, const rp_dom *);
rp_dom	 guest_dom(const struct qemud_guest *);

/* stream.c */
int	 stream_frame(struct qemud *, const struct frame *);
void	 stream_opened(struct qemud_stream *, const struct qemud_reply *);
void	 streams_step(struct qemud *);
int	 streams_due(const struct qemud *);
void	 streams_fail(struct qemud *, const struct rpc_error *);
void	 streams_reap(struct qemud *, int);

/* event.c */
int	 event_frame(struct qemud *, const struct frame *);
void	 subscription_made(struct qemud *, struct subscription *,
	    const struct qemud_reply *);
void	 subscriptions_clear(struct qemud *);

/* text.c */
int	 hex_digit(char);

#endif
