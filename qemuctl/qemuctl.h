/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

#ifndef QEMUCTL_H
#define QEMUCTL_H

#include <sys/types.h>

#include <jansson.h>
#include <stdio.h>

#include "client/qemud.h"

#define nitems(a)		(sizeof(a) / sizeof((a)[0]))

#define FILE_BYTES_MAX		(4 * 1024 * 1024)	/* of XML */

/* What the program exits with; documented in the manual. */
enum status {
	CTL_OK =		0,
	CTL_FAILED =		1,
	CTL_USAGE =		2,
	CTL_NOT_FOUND =		3,
	CTL_CONNECT =		4,
	CTL_DENIED =		5,
	CTL_STATE =		6,
	CTL_TIMEOUT =		7
};

struct ctl {
	const char		*uri;
	int			 readonly;
	int			 json;
	int			 verbose;
	const struct command	*command;
	struct qemud		*q;
	enum status		 status;	/* of the first failure */
};

#define CMD_TALK	0x01	/* is for people only: no -j */
#define CMD_ALONE	0x02	/* connects itself, if at all */

/*
 * A command gets its arguments as main() does; what it returns is the exit
 * status, unless something has been complained about before.
 */
struct command {
	const char	*name;
	const char	*args;		/* of its usage line */
	const char	*what;		/* one line, for help */
	enum status	 (*run)(struct ctl *, int, char **);
	unsigned int	 flags;
};

/* qemuctl.c */
int	 ctl_getopt(struct ctl *, int, char **, const char *);
char	*ctl_name(struct ctl *, int, char **);
void	 ctl_usage(const struct command *, FILE *);
void	 ctl_words(struct ctl *, int, char **, int, int);
void	 ctl_misuse(struct ctl *, const char *, ...)
	    __attribute__((format(printf, 2, 3), noreturn));

/* ctl.c */
int	 ctl_connect(struct ctl *);
void	 ctl_disconnect(struct ctl *);
void	 ctl_complain(const char *);
enum status
	 ctl_fail(struct ctl *, const char *, const char *,
	    const struct qemud_error *);
enum status
	 ctl_failx(struct ctl *, enum status, const char *, ...)
	    __attribute__((format(printf, 3, 4)));
const struct qemud_reply *
	 ctl_wait(struct ctl *, struct qemud_call *, const char *,
	    const char *);
struct qemud_guest *
	 ctl_guest(struct ctl *, const char *);
char	*ctl_xml(struct ctl *, const struct qemud_guest *, unsigned int);
char	*ctl_read(struct ctl *, const char *);
void	 ctl_guest_done(const struct ctl *, const struct qemud_guest *,
	    const char *);
json_t	*guest_json(const struct qemud_guest *);

/* out.c */
enum cell {
	CELL_TEXT,
	CELL_NUMBER,
	CELL_MEMORY,		/* of KiB */
	CELL_YESNO
};

struct column {
	const char	*key;
	const char	*title;
	enum cell	 kind;
};

char	*out_printable(const char *, size_t, int);
void	 out_text(FILE *, const char *, size_t);
const char *
	 out_memory(uint64_t, char *, size_t);
const char *
	 out_cell(const json_t *, enum cell, char *, size_t);
void	 out_table(json_t *, const struct column *, size_t);
void	 out_json(json_t *, int);
json_t	*json_text(const char *, size_t);
unsigned int
	 out_width(void);

/* facts.c */
int	 facts_add(json_t *, const char *);
int	 facts_identity(const char *, char **, char **);

/* The commands. */
enum status	 cmd_autostart(struct ctl *, int, char **);
enum status	 cmd_console(struct ctl *, int, char **);
enum status	 cmd_create(struct ctl *, int, char **);
enum status	 cmd_define(struct ctl *, int, char **);
enum status	 cmd_edit(struct ctl *, int, char **);
enum status	 cmd_host(struct ctl *, int, char **);
enum status	 cmd_kill(struct ctl *, int, char **);
enum status	 cmd_list(struct ctl *, int, char **);
enum status	 cmd_log(struct ctl *, int, char **);
enum status	 cmd_monitor(struct ctl *, int, char **);
enum status	 cmd_pause(struct ctl *, int, char **);
enum status	 cmd_reboot(struct ctl *, int, char **);
enum status	 cmd_rename(struct ctl *, int, char **);
enum status	 cmd_reset(struct ctl *, int, char **);
enum status	 cmd_resume(struct ctl *, int, char **);
enum status	 cmd_show(struct ctl *, int, char **);
enum status	 cmd_start(struct ctl *, int, char **);
enum status	 cmd_status(struct ctl *, int, char **);
enum status	 cmd_stop(struct ctl *, int, char **);
enum status	 cmd_undefine(struct ctl *, int, char **);
enum status	 cmd_version(struct ctl *, int, char **);
enum status	 cmd_watch(struct ctl *, int, char **);

#endif
