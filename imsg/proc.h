/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * The life of a process of the suite.  The parent forks and execs a child
 * with one channel, on descriptor 3, and says who it is (MSG_SETUP), what it
 * works with, and MSG_SETUP_DONE.  The child then gives up what it does not
 * need (confine.h), answers MSG_READY, and only then reads its first byte
 * from outside.  When descriptor 3 closes, it exits: it keeps nothing that
 * cannot be given again.
 */

#ifndef PROC_H
#define PROC_H

#include <sys/types.h>

#include <event2/event.h>

#include "imsg/chan.h"

#define PROC_CHANNEL_FD		3
#define PROC_PRIORITIES		3	/* of events, chan_set_priority() */

/* The child's side. */
struct proc {
	struct event_base	*base;
	struct chan		*parent;
	struct msg_setup	 setup;		/* as received */
	int			 have_setup;
	int			 ready;		/* MSG_READY was sent */
};

/*
 * First thing in a child's main: log, title, libevent, channel 3 with the
 * table of what the parent may say, which has the rows of PROC_ROWS.
 * owner is for the handlers.  Does not return on failure.
 */
void	proc_init(struct proc *, const char *name, int argc, char **argv,
	    const struct msg_handler *from_parent, void *owner);

/* The handler of MSG_SETUP, MSG_VERBOSE; the owner begins with struct proc. */
int	proc_on_setup(struct chan *, void *, int);
int	proc_on_verbose(struct chan *, void *, int);
#define PROC_ROWS						\
	MSG_ROW(MSG_SETUP, msg_setup, FD_NONE, proc_on_setup),	\
	MSG_ROW(MSG_VERBOSE, msg_verbose, FD_NONE, proc_on_verbose)

/* Says MSG_READY, once the child has confined itself. */
void	proc_ready(struct proc *);

/* Runs the loop until the parent closes the channel; then exits 0. */
void	proc_run(struct proc *) __attribute__((noreturn));

/*
 * The parent's side: what to start.  Descriptor 3 becomes channel, standard
 * output and error become out, or /dev/null if it is -1; standard input is
 * /dev/null; nothing else stays open, and the environment is PATH only.
 * With drop the process gets that uid and gid and no other group before it
 * executes the program.
 */
struct proc_spec {
	const char	*path;
	char *const	*argv;
	int		 channel;	/* taken */
	int		 out;		/* lent */
	int		 tied;		/* ends when we do, whatever it does */
	int		 drop;
	uid_t		 uid;
	gid_t		 gid;
};

/*
 * Forks and execs.  *pidfd is the caller's, who must reap the process.
 * Returns the pid, or -1 with errno.  A program that cannot be executed
 * ends with status 127.
 */
pid_t	proc_spawn(const struct proc_spec *, int *pidfd);

/* A pair of connected, non-blocking, close-on-exec channel ends; 0 or -1. */
int	proc_socketpair(int fds[2]);

#endif /* PROC_H */
