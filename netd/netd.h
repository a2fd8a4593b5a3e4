/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

#ifndef NETD_H
#define NETD_H

#include <sys/types.h>
#include <sys/queue.h>

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdint.h>
#include <time.h>

#include "imsg/proc.h"
#include "netd/outq.h"
#include "rpc/error.h"
#include "rpc/frame.h"
#include "rpc/procs.h"

/* What one client may make us keep. */
#define STREAMS_MAX		32	/* open at once */
#define PARK_MAX		65536	/* bytes read while it may not call */
#define OUT_HIGH		(1024 * 1024)	/* bytes queued: slow down */
#define OUT_LOW			(256 * 1024)	/* ... go on */
#define OUT_MAX			(OUT_HIGH + FRAME_MAX)	/* ... it is closed */
/* What all clients of one user may make us keep. */
#define USER_IN_MAX		(64 * 1024 * 1024)
#define USER_OUT_MAX		(256 * 1024 * 1024)

#define ACCEPT_BURST		16	/* connections at a time */
#define ACCEPT_PAUSE_S		1	/* when descriptors run out */
#define CLOSE_LINGER_S		10	/* for a client to read the last words */
#define PEER_WAIT_S		10	/* for a new channel to qemud */

#define KEEPALIVE_INTERVAL_S	5	/* unless the parent says otherwise */
#define KEEPALIVE_COUNT		5	/* pings without an answer */

/* Whoever breaks the protocol that often within the time stays out so long. */
#define PENALTY_COUNT		10
#define PENALTY_WINDOW_S	10
#define PENALTY_S		10

/* Lines logged about one user within the time. */
#define GUEST_CLIENTS_MAX	8	/* of a guest's uid; one is enough */
#define COMPLAINTS_MAX		20
#define COMPLAINTS_WINDOW_S	10

struct user;

/* A call that qemud has not answered yet. */
struct call {
	uint32_t		 serial;
	const struct rpc_proc	*proc;
};

/* A stream that a call with this serial has opened. */
struct stream {
	uint32_t		 serial;
	const struct rpc_proc	*proc;
	int			 finished;	/* the client says no more */
};

/* A frame that has to wait; the descriptors and the body follow it. */
struct parked {
	TAILQ_ENTRY(parked)	 entry;
	struct frame		 frame;
	size_t			 size;
};

struct client {
	TAILQ_ENTRY(client)	 entry;		/* all of them */
	LIST_ENTRY(client)	 hash;		/* by id */
	TAILQ_ENTRY(client)	 turn;		/* those with work to do */
	struct user		*user;
	struct event		 rd;
	struct event		 wr;
	uint64_t		 id;		/* never used twice */
	uid_t			 uid;		/* SO_PEERCRED at accept */
	gid_t			 gid;
	pid_t			 pid;
	int			 fd;

	unsigned int		 announced : 1;	/* qemud knows it */
	unsigned int		 dead : 1;	/* waits for client_free */
	unsigned int		 closing : 1;	/* when all is written */
	unsigned int		 held : 1;	/* qemud wants no more calls */
	unsigned int		 slow : 1;	/* does not read its answers */
	unsigned int		 reading : 1;	/* rd is added */
	unsigned int		 writing : 1;	/* wr is added */
	unsigned int		 has_turn : 1;
	unsigned int		 keepalive : 1;	/* it answers pings */
	unsigned int		 moved : 1;	/* took bytes since the last tick */

	struct framer		 in;
	TAILQ_HEAD(, parked)	 parked;
	size_t			 parked_bytes;
	size_t			 in_bytes;	/* as accounted to the user */

	struct outq		 out;
	size_t			 out_bytes;	/* as accounted to the user */

	struct call		*calls;
	size_t			 ncalls;
	size_t			 callsize;
	struct stream		*streams;
	size_t			 nstreams;

	time_t			 seen;		/* last sign of life */
	time_t			 pinged;
	unsigned int		 pings;		/* since then */
	time_t			 closing_since;
};
TAILQ_HEAD(clientq, client);

/* Somebody who connects: what one may not do by coming several times. */
struct user {
	LIST_ENTRY(user)	 hash;
	uid_t			 uid;
	unsigned int		 nclients;
	size_t			 in;		/* bytes read, not dealt with */
	size_t			 out;		/* bytes to write */
	time_t			 offended;	/* start of the window */
	unsigned int		 offences;	/* within it */
	time_t			 banned_until;
	time_t			 complained;
	unsigned int		 complaints;
	unsigned int		 suppressed;
};

/* The process. */
struct netd {
	struct proc		 proc;		/* first: proc_on_setup */
	uid_t			 self;		/* who started us */
	struct msg_setup_netd	 limits;
	int			 have_limits;
	unsigned int		 rights;	/* RIGHTS_* of this instance */
	int			 descriptors;	/* clients may bring some */
	struct chan		*qemud;		/* NULL: not there */
	struct event		*peer_timer;
	struct event		*turn_ev;
	struct event		*tick_ev;
	int			 ticking;
	struct clientq		 clients;
	struct clientq		 turns;
	unsigned int		 nclients;
	unsigned int		 titled;	/* clients in the title */
};
extern struct netd *env;

/* netd.c */

/* Seconds of a clock that nobody sets. */
time_t		 now(void);
/* client_turn will be called for it after the present event. */
void		 netd_turn(struct client *);
/* Does all of that now. */
void		 netd_turns(void);
/* There is somebody to look after once a second. */
void		 netd_tick_start(void);

/* listen.c: listening sockets */

int		 listen_add(struct chan *, void *, int);	/* MSG_LISTENER */
int		 listen_remove(struct chan *, void *, int);
/* Starts or stops accepting, as things are now. */
void		 listen_update(void);

/* user.c: who connects */

/* The user with this id, new if need be; NULL with ENOMEM. */
struct user	*user_get(uid_t);
/* Forgets it if there is nothing to remember: 1 if so. */
int		 user_put(struct user *);
/* Forgets those whose time is over; returns how many are left. */
unsigned int	 user_tick(void);
/* May it connect, as far as this instance is concerned? */
int		 user_welcome(const struct user *);
/* ... with that many connections. */
unsigned int	 user_clients_max(const struct user *);
/* ... after what it has done? */
int		 user_banned(struct user *);
/* It has broken the protocol: 1 if it is shut out now. */
int		 user_offence(struct user *);
/* Another line about it may be logged. */
int		 user_complaint(struct user *);

/* client.c: one connection */

/*
 * Takes fd, a connected socket, which is closed if the client cannot be: no
 * memory, or over a limit.  Logs why.
 */
void		 client_new(int fd);
/* The client with this id, NULL if it has gone (or never was). */
struct client	*client_find(uint64_t);
/* Has there been one with this id? */
int		 client_existed(uint64_t);
/*
 * Ends it now: it is dead afterwards, and freed when the present event is
 * over.  The caller logs why.
 */
void		 client_end(struct client *);
/* Ends it when all that is queued is written. */
void		 client_close(struct client *);
void		 client_close_all(void);
/* What is to be done for it after an event; may free it. */
void		 client_turn(struct client *);
/*
 * Queue a frame for it, with a body that is copied, or a mapping of
 * body_map, which is taken.  A client that lets too much wait is ended.
 */
void		 client_send(struct client *, const struct frame_header *,
		    const char *, size_t);
void		 client_send_mapped(struct client *,
		    const struct frame_header *, const char *, size_t);
/* Nothing may be asked of qemud for it at present. */
int		 client_blocked(const struct client *);
/* Keeps a copy of the frame for later, and takes its descriptors. */
void		 client_park(struct client *, struct frame *);
/* Logs a line about it, if its user has not caused too many. */
void		 client_complain(struct client *, const char *, ...)
		    __attribute__((format(printf, 2, 3)));
/* The same for what no client may do; ends it if its user is shut out. */
void		 client_offence(struct client *, const char *, ...)
		    __attribute__((format(printf, 2, 3)));

/* call.c: what a client has asked for and not got yet */

int		 call_add(struct client *, uint32_t, const struct rpc_proc *);
struct call	*call_find(struct client *, uint32_t);
void		 call_remove(struct client *, struct call *);
int		 stream_add(struct client *, uint32_t, const struct rpc_proc *);
struct stream	*stream_find(struct client *, uint32_t);
void		 stream_remove(struct client *, struct stream *);
/* Streams that are open, and calls that will open one. */
size_t		 stream_count(const struct client *);

/* frame.c: from frames of clients to messages */

/*
 * A frame has arrived: answers it, or passes it to qemud, or parks it.  May
 * end the client.
 */
void		 frame_take(struct client *, struct frame *);
/* Passes a parked call or stream frame to qemud. */
void		 frame_forward(struct client *, struct frame *);
/* There is no valid frame in what has arrived: errno says why. */
void		 frame_bad(struct client *);
void		 frame_keepalive(struct client *, int procedure);

/* qemud.c: from messages of qemud to frames */

/* MSG_SETUP_PEER */
int		 qemud_peer(struct chan *, void *, int);

/* keepalive.c: who still lives */

/* Once a second while there is a client. */
void		 keepalive_tick(void);

#endif /* NETD_H */
