/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

#ifndef MONITORD_H
#define MONITORD_H

#include <sys/types.h>
#include <sys/queue.h>
#include <sys/tree.h>

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdint.h>

#include "imsg/chan.h"
#include "imsg/proc.h"
#include "monitord/qmp.h"

#define GUESTS_MAX		4096
#define CONSOLES_MAX		16	/* of a guest */
#define LISTENERS_MAX		8	/* for VNC, of a guest */
#define OPS_MAX			64	/* waiting, of a guest */
#define TIMEOUT_DEFAULT_MS	30000
#define VIEWERS_MAX		4096
#define CONSOLE_WATCHERS_MAX	16	/* of a console */
#define CONSOLE_RING		65536	/* bytes of output to show again */
#define CONSOLE_INPUT_HIGH	16384	/* bytes typed ahead: read no more */
#define CONSOLE_INPUT_LOW	4096	/* ... read again */
#define CONSOLE_INPUT_MAX	65536	/* a viewer that types on regardless */
#define VNC_SESSIONS_MAX	16	/* on their way to QEMU, of a guest */
#define VNC_TIMEOUT_MS		5000
#define READ_BYTES		16384	/* of one guest, before others' turn */
#define TICK_MS			50	/* while something is held back */
#define FDS_SPARE		64	/* descriptors that guests must leave */

struct guest;
struct console;

/* --- monitord.c ---------------------------------------------------------- */

struct env {
	struct proc	 proc;		/* first: proc.c finds it here */
	struct chan	*qemud;		/* NULL between two of them */
	int		 fds_max;	/* a number from here on is too high */
	struct event	 status;	/* SIGUSR1 */
};
extern struct env	env;

/* The parent's table; a test may want to see that it is all there is. */
extern const struct msg_handler	from_parent[];
extern const struct msg_handler	from_qemud[];

/* --- foreign.c: descriptors that others have too, time, rates ------------ */

/*
 * Is it what the launcher says?  What else it may be could hold up whoever
 * reads it.
 */
int	 fd_is_stream(int fd);		/* a connected Unix socket */
int	 fd_is_listener(int fd);	/* a listening stream socket */
int	 fd_is_pty(int fd);		/* the master of a pseudo terminal */
int	 fd_nonblock(int fd);

/* Room for new descriptors of guests?  fd is the newest one. */
int	 fd_spare(int fd);

uint64_t now_ms(void);			/* monotonic */

/* So many per second, and no more than burst at once. */
struct rate {
	int64_t		 left;
	uint64_t	 last_ms;	/* 0: never used */
};
struct rate_limit {
	int64_t		 per_second;
	int64_t		 burst;
};
/* Takes n if something is left (perhaps more than that): 1, else 0. */
int	 rate_take(struct rate *, const struct rate_limit *, int64_t n);

/*
 * The launcher can make a descriptor that it shares with us block at any
 * moment.  Between these two a system call that blocks is interrupted after
 * GUARD_MS.  guard_end says whether it should be closed for that; alarms
 * counts, since a busy machine may look the same.
 */
#define GUARD_MS	20
void	 guard_setup(void);
void	 guard_begin(void);
int	 guard_end(int fd, struct rate *alarms);

/* --- guest.c: a guest's monitor connection ------------------------------- */

enum guest_state {
	GST_ATTACHED,		/* descriptors are coming */
	GST_GREETING,		/* waits for QEMU to greet */
	GST_NEGOTIATING,	/* waits for the first two answers */
	GST_READY,
	GST_GONE,		/* closed; freed from the event loop */
	GST_NSTATES
};

enum guest_input {
	GIN_START,		/* qemud has said so */
	GIN_GREETING,
	GIN_NEGOTIATED,
	GIN_LOST,		/* the connection is of no more use */
	GIN_NINPUTS
};

/* One command on its way to QEMU. */
struct command {
	TAILQ_ENTRY(command)	 entry;
	char			*line;
	size_t			 len;
	size_t			 sent;
	int			 fd;	/* goes with its first byte; -1 */
};
TAILQ_HEAD(commands, command);

struct op;
TAILQ_HEAD(ops, op);

struct guest_news;
TAILQ_HEAD(guest_newses, guest_news);

struct guest {
	RB_ENTRY(guest)		 entry;
	TAILQ_ENTRY(guest)	 bydead;
	uint64_t		 id;
	char			 name[MSG_NAME_MAX + 1];
	enum guest_state	 state;
	unsigned int		 start_timeout_ms;
	unsigned int		 qemu_version;

	int			 fd;
	struct event		 rd;
	struct event		 wr;
	struct event		 deadline;	/* the next one */
	struct event		 tick;		/* something is held back */
	struct qmp_reader	 reader;
	struct commands		 out;
	int			 mute;		/* cannot be written to */
	uint64_t		 start_ms;	/* when it must be ready */
	struct rate		 events_in;
	struct rate		 events_out;
	int			 resting;	/* too many events: not read */
	int			 flooded;	/* too many events of late */
	int			 stalled;	/* as qemud has been told */
	struct guest_newses	 news;		/* held back, for qemud */

	struct op		*op;		/* that QEMU works on */
	struct ops		 ops;		/* that wait */
	unsigned int		 nops;
	uint64_t		 command_id;	/* last one used */

	TAILQ_HEAD(, console)	 consoles;
	unsigned int		 nconsoles;
	TAILQ_HEAD(, listener)	 listeners;
	unsigned int		 nlisteners;
	unsigned int		 sessions;	/* on their way to QEMU */
};

void		 guests_setup(void);
/* fd is taken.  A guest that cannot be is answered with MSG_GUEST_GONE. */
int		 guest_attach(const struct msg_guest_attach *, int fd);
struct guest	*guest_find(uint64_t id);
unsigned int	 guests_count(void);
/*
 * The one place where the state changes; -1 if that cannot happen in this
 * state.
 */
int		 guest_step(struct guest *, enum guest_input);
enum guest_state guest_next(enum guest_state, enum guest_input);
/* Closes all of it and tells qemud. */
void		 guest_lost(struct guest *, enum msg_gone, const char *, ...)
		    __attribute__((format(printf, 3, 4)));
/* The same without telling. */
void		 guest_detach(struct guest *);
/* qemud is gone, and with it all that it attached. */
void		 guests_lost(void);
/* qemud's channel has room again. */
void		 guests_drained(void);
void		 guests_log(void);
/* Sends an event, or keeps it if there are too many.  e is copied. */
void		 guest_tell(struct guest *, const struct msg_guest_event *);
void		 guest_stalled(struct guest *, int);
/* Queues a line for QEMU; takes line (not const) and fd, or -1. */
int		 guest_write(struct guest *, char *line, size_t len, int fd);
/* Drops what is queued. */
void		 guest_unwrite(struct guest *);
/* What of the queue QEMU's socket takes now. */
void		 guest_flush(struct guest *);
/* Sets the timer to the next deadline. */
void		 guest_deadline(struct guest *);

/* --- ops.c: what QEMU is asked to do ------------------------------------- */

/* From qemud; -1 for what it must not say.  Answered in any case. */
int	 op_request(struct msg_op *);
/* The first two commands, once QEMU has greeted. */
void	 op_negotiate(struct guest *);
/* A VNC client for QEMU: fd is taken, g->sessions counted up until it is. */
void	 op_session(struct guest *, int fd);
/* Starts the next one, if QEMU is idle. */
void	 ops_run(struct guest *);
/*
 * QEMU's answer: m, or NULL for one that was thrown away unread; line is
 * what it came from.  NULL, or what is wrong with it.
 */
const char *
	 ops_answer(struct guest *, const struct qmp_msg *m, const char *line,
	    size_t len);
/* When the next deadline of an operation is, UINT64_MAX if there is none. */
uint64_t ops_next_ms(const struct guest *);
void	 ops_expire(struct guest *, uint64_t now);
/* The guest is gone: answers all of them. */
void	 ops_clear(struct guest *);

/* --- console.c ----------------------------------------------------------- */

/* fd is taken; -1: qemud must not say this. */
int	 console_attach(struct guest *, unsigned int number, int fd);
int	 console_pty(struct guest *, unsigned int number, int fd);
void	 consoles_clear(struct guest *, const char *why);
int	 viewer_open(const struct msg_viewer_open *);
int	 viewer_input(const struct msg_viewer_data *);
void	 viewer_close(uint64_t);
void	 viewer_flow(uint64_t, int stop);
unsigned int
	 viewers_count(void);
/* qemud's channel has room again. */
void	 viewers_drained(void);

/* --- vnc.c --------------------------------------------------------------- */

/* fd, a listening socket, is taken. */
void	 listener_add(struct guest *, int fd);
/* The guest is ready for VNC clients, or for more of them. */
void	 listeners_accept(struct guest *);
void	 listeners_clear(struct guest *);

#endif /* MONITORD_H */
