/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

#ifndef LAUNCH_H
#define LAUNCH_H

#include <sys/types.h>
#include <sys/queue.h>

#include <event2/event.h>
#include <stdarg.h>
#include <stdint.h>

#include "launch/plan.h"
#include "rpc/own.h"

#define LAUNCH_PATTERNS_MAX	64
#define LAUNCH_PLAN_FD		3	/* qemud's end, with -c */

struct registration;
struct setup;

/* A socket that QEMU listens on, and how to reach it: see prepare.c. */
struct endpoint {
	int	listener;
	int	inode;
};

/* A serial line, with its pseudo terminal, if it has one. */
struct console {
	struct endpoint	 ep;
	unsigned int	 port;
	char		*alias;
	char		*tty;		/* "" if it has none */
	int		 master;
	int		 slave;		/* kept: else the master says EIO */
};

struct screen {
	int		 listener;
	unsigned int	 index;
	unsigned int	 port;
};

/* Why the guest was not started: the first reason counts. */
struct failure {
	int	 set;
	int	 error;			/* an errno value or 0 */
	char	 text[OWN_TEXT_MAX + 1];
};

/* The log of the guest, and its emulator's last words. */
struct output {
	struct event	*ev;
	int		 log;		/* -1: none */
	int		 issock;
	int		 pipe;		/* what the emulator writes to */
	int		 midline;
	int		 dropping;
	uint64_t	 bytes;		/* of the emulator's, in the log */
	char		 tail[OWN_TEXT_MAX];
	size_t		 ntail;
};

struct launch {
	/* what the command line says */
	int			 daemon;	/* -c */
	int			 paused;	/* -w */
	int			 verbose;
	char			*socket;
	const char		*emulators[LAUNCH_PATTERNS_MAX + 1];
	size_t			 nemulators;
	char			*planner;	/* path of launch-plan */

	struct event_base	*base;
	struct failure		 failure;
	struct output		 out;
	struct registration	*reg;
	struct setup		*setup;		/* while it lasts */

	/* what the guest is, as planned */
	char			*name;		/* "" while not known */
	uint8_t			 uuid[16];
	char			*xml;
	unsigned int		 start_timeout_s;	/* 0: none */
	int			 lock;		/* held while we live */

	/* what was prepared for it */
	struct endpoint		 monitor;
	struct console		 consoles[PLAN_CONSOLES_MAX];
	size_t			 nconsoles;
	struct screen		 screens[PLAN_SCREENS_MAX];
	size_t			 nscreens;

	/* its emulator */
	pid_t			 pid;		/* -1: not running */
	int			 pidfd;
	struct event		*ended;
	struct event		*grace;		/* until SIGKILL */
};

/* A plan and its descriptors, one for each file, -1 where still missing. */
struct plan {
	struct plan_guest	 g;
	int			*fds;
};

/* --- launch.c ------------------------------------------------------------- */

/* Records why, unless there is a reason already.  Always returns -1. */
int	launch_fail(struct launch *, int error, const char *, ...)
	    __attribute__((__format__(printf, 3, 4)));

/*
 * The plan is there (it belongs to launch.c from now on), or the start has
 * failed and p is NULL.  Called by plan.c, once.
 */
void	launch_planned(struct launch *, struct plan *p);

/* Ends the emulator: with SIGKILL, or with SIGTERM and that grace before. */
void	launch_kill(struct launch *, unsigned int grace_ms);

/* Everything has been said: clean up and exit. */
void	launch_exit(struct launch *) __attribute__((noreturn));

/* --- plan.c --------------------------------------------------------------- */

/* Over descriptor 3, from qemud; from a file or "-".  Answer: see above. */
void	plan_receive(struct launch *);
void	plan_read(struct launch *, const char *);

/* Shows what would be run; 0, or -1 and the failure is set. */
int	plan_print(struct launch *, const char *);

void	plan_free(struct plan *);

/* --- files.c -------------------------------------------------------------- */

/* Opens what has a path, with our own rights. */
int	files_open(struct launch *, struct plan *);

/* Is each of them what the plan says? */
int	files_check(struct launch *, const struct plan *);

/* Locks the images, on the descriptors that QEMU gets. */
int	files_lock(struct launch *, const struct plan *);

/* The path of the emulator, free of links, if it may be run; else NULL. */
char	*files_emulator(struct launch *, const struct plan *);

/* --- prepare.c ------------------------------------------------------------ */

/*
 * Makes sockets, terminals and ports, and fills in the descriptors that the
 * plan lacks.  The current folder is another one afterwards.
 */
int	prepare(struct launch *, struct plan *);
void	prepare_clear(struct launch *);

/* A new connection, not blocking, close-on-exec; -1 with errno. */
int	endpoint_connect(const struct endpoint *);

/* --- start.c -------------------------------------------------------------- */

/* Runs the emulator at that path. */
int	start(struct launch *, const struct plan *, const char *path);

/* --- output.c ------------------------------------------------------------- */

/* The log goes to that file, or with NULL to standard error. */
int	output_open(struct output *, const char *);
/* A line of the launcher's own, with the time. */
void	output_line(struct output *, const char *, ...)
	    __attribute__((__format__(printf, 2, 3)));
/* "starting:" and the command. */
void	output_command(struct output *, const char *const *, size_t);
/* Takes the reading end of what the emulator writes. */
int	output_watch(struct output *, struct event_base *, int);
/* Reads what is left, and closes it. */
void	output_finish(struct output *);
/* The emulator's last lines, as text; valid until more is read. */
const char *
	output_last(struct output *);
void	output_clear(struct output *);
/* s as a word of the shell; the caller frees it.  NULL: no memory. */
char	*shell_quote(const char *);

/* --- setup.c -------------------------------------------------------------- */

/* Tells the emulator what no daemon does, on a connection of its own. */
int	setup_start(struct launch *, const struct plan *);
void	setup_clear(struct launch *);

/* --- register.c ----------------------------------------------------------- */

/* Starts trying to register the guest; it never stops. */
int	register_start(struct launch *);

/*
 * How it ended: tells the daemon for a while, and calls launch_exit() after
 * that.  Works without register_start() too.
 */
void	register_ended(struct launch *, enum own_how, int code, const char *);

void	register_clear(struct launch *);

#endif /* LAUNCH_H */
