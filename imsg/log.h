/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * The log of a process: standard error in the foreground (-d), else syslog
 * with facility daemon.  One line per call, without a newline; control
 * characters in the result are shown in vis(3) form, so that a string from
 * outside cannot forge a line.  A line names its object first.
 */

#ifndef LOG_H
#define LOG_H

#include <stdarg.h>

/*
 * Names the process in every line; to_stderr chooses where lines go.  The
 * connection to syslog is made at once, so that it outlives an empty root.
 * May be called again to change the name (it is copied).
 */
void	log_init(const char *name, int to_stderr);

/* 0: operators' lines; 1: also debug lines; 2: and each message. */
void	log_setverbose(int level);
int	log_getverbose(void);

/* Errors: log_warn appends strerror(errno), log_warnx does not. */
void	log_warn(const char *, ...) __attribute__((format(printf, 1, 2)));
void	log_warnx(const char *, ...) __attribute__((format(printf, 1, 2)));
/* For operators. */
void	log_info(const char *, ...) __attribute__((format(printf, 1, 2)));
/* Shown from verbosity 1, 2. */
void	log_debug(const char *, ...) __attribute__((format(printf, 1, 2)));
void	log_trace(const char *, ...) __attribute__((format(printf, 1, 2)));

/*
 * Log and exit(1).  Only for what this process itself got wrong or cannot
 * live without: never reachable from bytes that others wrote.
 */
void	fatal(const char *, ...)
	    __attribute__((noreturn, format(printf, 1, 2)));
void	fatalx(const char *, ...)
	    __attribute__((noreturn, format(printf, 1, 2)));

#endif /* LOG_H */
