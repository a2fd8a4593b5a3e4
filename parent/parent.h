/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

#ifndef PARENT_H
#define PARENT_H

#include <sys/types.h>

#include <event2/event.h>
#include <time.h>

#include "imsg/chan.h"
#include "parent/conf.h"

/* What the whole program knows; one per process. */
struct env {
	struct event_base	*base;
	struct conf		*conf;
	struct conf_macros	 macros;
	const char		*conffile;	/* NULL: there need not be one */
	char			*libexec;	/* folder of the children */
	char			*launcher;	/* path of qemud-launch */
	char			*empty;		/* root of the children */
	char			*guests;	/* qemud's part of the run folder, */
	char			*state;		/* of the state folder */
	time_t			 started;
	int			 session;
	int			 foreground;
	int			 verbose;
	int			 stopping;
};

/* children.c: supervision of the suite's processes */

/* Starts all of them.  Failure is fatal. */
void	 children_start(struct env *);
/* Tells them what changed in the configuration. */
void	 children_reload(struct env *);
void	 children_verbose(int);
/* Closes their channels; env's loop ends when the last one has ended. */
void	 children_stop(struct env *);
/* The channel to a child, NULL if it is not running at the moment. */
struct chan *
	 children_chan(enum msg_role);

/* sockets.c: listening sockets, folders, the lock of an instance */

/* Makes the folders of the configuration, with their owners.  Fatal. */
void	 dirs_make(struct env *);
/*
 * Takes the lock of the run folder for good, or is fatal: another instance
 * has it.  instance_pid writes into it who we are.
 */
void	 instance_lock(struct env *);
void	 instance_pid(void);
/* Nobody is there any more: the pid may be another process's soon. */
void	 instance_over(void);
/*
 * Binds every listener of conf that has no descriptor yet, and waits that
 * long for those that are in use.  0, or -1 after a log line for each that
 * could not be bound.
 */
int	 sockets_bind(struct conf *, int patience_ms);
/* Removes those of its sockets that no other configuration has inherited. */
void	 sockets_unlink(const struct conf *);
/* Gives those that are bound already the owner and mode that conf says. */
void	 sockets_modes(const struct conf *);

/* open.c: images */

/*
 * Opens path for a guest, if the configuration allows it: below one of its
 * folders, no symbolic link on the way, a regular file or block device.
 * Returns a descriptor of the caller's, or -1 with errno and the reason in
 * why.
 */
int	 image_open(const struct conf *, const char *path, int writable,
	    char *why, size_t whysize);

/* privileges.c */

/* Keeps what the system instance needs of root; fatal if that fails. */
void	 privileges_drop(void);

/* guest.c: launchers */

/* Handlers of MSG_LAUNCH and MSG_KILL: chan's owner is unused. */
int	 guest_launch(struct chan *, void *, int);
int	 guest_kill(struct chan *, void *, int);
void	 guest_init(struct env *);

#endif /* PARENT_H */
