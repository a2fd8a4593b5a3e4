/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * The configuration of the suite.  The parent reads it once, as qemud.conf(5)
 * describes, and tells its children what they need in messages; nobody else
 * reads the file.
 *
 *	struct conf_macros macros = TAILQ_HEAD_INITIALIZER(macros);
 *
 *	if ((c = conf_new(session)) == NULL ||
 *	    conf_load(c, file, &macros, print_error, NULL) == -1 ||
 *	    conf_users(c, print_error, NULL) == -1)
 *		...
 *	conf_free(c);
 */

#ifndef PARENT_CONF_H
#define PARENT_CONF_H

#include <sys/types.h>
#include <sys/queue.h>

#include <stdint.h>
#include <stdio.h>

#include "imsg/msg.h"

#define CONF_ERRORS_MAX		50	/* then reading is given up */
#define CONF_FILE_MAX		(256 * 1024)	/* bytes */
#define CONF_DEPTH_MAX		8	/* files within files */
#define CONF_FILES_MAX		64	/* files altogether */
#define CONF_TOKEN_MAX		1023	/* bytes of a word or string */
#define CONF_LIST_MAX		256	/* lines of listeners, folders, emulators */
#define CONF_UID_FIRST		1000	/* below are the system's accounts */
#define CONF_UID_LAST		0x7ffffffe

/* Where something was said; file is NULL for what is a default. */
struct conf_pos {
	const char		*file;		/* lent by the struct conf */
	unsigned int		 line;		/* from 1 */
	unsigned int		 column;	/* in bytes, from 1 */
};

/* What the clients of a listener may do. */
enum conf_class {
	CLASS_FULL,
	CLASS_RO,
	CLASS_LAUNCH,
	CLASS_N
};

struct conf_listen {
	TAILQ_ENTRY(conf_listen) entry;
	struct conf_pos		 pos;
	char			*path;		/* fits into sun_path */
	enum conf_class		 class;
	mode_t			 mode;
	char			*owner;		/* NULL: as it is created */
	char			*group;
	uid_t			 uid;		/* conf_users() sets them; */
	gid_t			 gid;		/* (uid_t)-1: no chown */
	int			 fd;		/* the parent's, -1 if none; */
						/* closed by conf_free() */
	unsigned int		 id;		/* the parent's, for that fd */
};
TAILQ_HEAD(conf_listens, conf_listen);

/* A folder of images, or the pattern of an emulator's path. */
struct conf_path {
	TAILQ_ENTRY(conf_path)	 entry;
	struct conf_pos		 pos;
	char			*path;		/* absolute, no "..", no final / */
	int			 readonly;	/* folders only */
};
TAILQ_HEAD(conf_paths, conf_path);

/*
 * The account of a child; only in the system instance.  There is one for
 * each role of the catalogue from the first to the last of these.
 */
#define CONF_ROLE_FIRST		ROLE_QEMUD
#define CONF_ROLE_LAST		ROLE_NETD_LAUNCH

struct conf_user {
	struct conf_pos		 pos;
	char			*name;		/* NULL in a session */
	uid_t			 uid;		/* conf_users() sets them */
	gid_t			 gid;
};

/* For the clients of one class, all its listeners together. */
struct conf_limit {
	struct conf_pos		 pos;
	unsigned int		 clients;
	unsigned int		 per_user;	/* never more than clients */
};

/* A folder that the suite itself uses: one for each enum msg_dir. */
#define CONF_DIR_LAST		DIR_LOG

struct conf_dir {
	struct conf_pos		 pos;
	char			*path;
};

struct conf_name {
	TAILQ_ENTRY(conf_name)	 entry;
	char			 name[];
};
TAILQ_HEAD(conf_names, conf_name);

struct conf {
	int			 session;
	struct conf_names	 names;		/* of the files, main one first */
	struct conf_dir		 dirs[CONF_DIR_LAST + 1];
	struct conf_listens	 listens;	/* some of every class */
	struct conf_paths	 files;		/* folders of images */
	struct conf_paths	 emulators;	/* patterns for fnmatch(3) */
	struct conf_pos		 uids_pos;
	uid_t			 uid_first;	/* for guests, one each; */
	uid_t			 uid_last;	/* both are 0 in a session */
	struct conf_user	 users[CONF_ROLE_LAST + 1];
	struct conf_limit	 limits[CLASS_N];
	struct conf_pos		 calls_pos;
	unsigned int		 calls;		/* in flight, per client */
	struct conf_pos		 timeout_pos;
	unsigned int		 start_timeout;	/* seconds */
};

/* name = "value"; those of the command line win over those of the file. */
struct conf_macro {
	TAILQ_ENTRY(conf_macro)	 entry;
	char			*name;
	char			*value;
};
TAILQ_HEAD(conf_macros, conf_macro);

/*
 * Gets one complaint, "file:line:column: what", without newline, fit for a
 * terminal and a log.
 */
typedef void	(conf_complain)(void *, const char *);

/* What must be told to whom after a reload: conf_changes(). */
#define CONF_DIRS	0x01	/* definitions, state, log, run */
#define CONF_LISTENERS	0x02
#define CONF_FILES	0x04
#define CONF_EMULATORS	0x08
#define CONF_UIDS	0x10	/* guest uids */
#define CONF_USERS	0x20
#define CONF_LIMITS	0x40	/* clients, calls, start timeout */
#define CONF_ALL	0x7f

/* The complaints about one configuration; only for conf.c and parse.y. */
struct conf_errors {
	conf_complain		*complain;
	void			*arg;
	const char		*file;		/* for what has no position */
	unsigned int		 n;
};

/* conf.c */
struct conf	*conf_new(int);
void		 conf_free(struct conf *);
int		 conf_load(struct conf *, const char *,
		    const struct conf_macros *, conf_complain *, void *);
int		 conf_users(struct conf *, conf_complain *, void *);
void		 conf_dump(const struct conf *, FILE *);
unsigned int	 conf_changes(const struct conf *, const struct conf *);
void		 conf_inherit(struct conf *, struct conf *);
const struct conf_path *
		 conf_files_find(const struct conf *, const char *);
int		 conf_macro_set(struct conf_macros *, const char *);
void		 conf_macros_clear(struct conf_macros *);
void		 conf_error(struct conf_errors *, const struct conf_pos *,
		    const char *, ...) __attribute__((format(printf, 3, 4)));
const char	*conf_path_wrong(const char *);
struct conf_listen
		*conf_listen_new(const struct conf_pos *, char *);
void		 conf_listen_free(struct conf_listen *);
int		 conf_path_add(struct conf_paths *, const struct conf_pos *,
		    char *, int);
void		 conf_paths_clear(struct conf_paths *);

/* parse.y */
void		 conf_parse(struct conf *, const char *, int,
		    const struct conf_macros *, struct conf_errors *);

#endif
