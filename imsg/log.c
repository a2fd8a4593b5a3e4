/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>
#include <vis.h>

#include "imsg/log.h"

#define LOG_LINE_MAX	2048

static void	 log_line(int, int, const char *, va_list)
		    __attribute__((format(printf, 3, 0)));
static void	 log_write(const char *);

static char	 log_name[64] = "qemud";
static int	 log_stderr = 1;
static int	 log_verbose;

void
log_init(const char *name, int to_stderr)
{
	strlcpy(log_name, name, sizeof(log_name));
	log_stderr = to_stderr;
	if (to_stderr)
		return;
	tzset();		/* syslog(3) would read it later */
	closelog();
	openlog(log_name, LOG_PID | LOG_NDELAY, LOG_DAEMON);
}

void
log_setverbose(int level)
{
	log_verbose = level;
}

int
log_getverbose(void)
{
	return (log_verbose);
}

static void
log_line(int pri, int error, const char *fmt, va_list ap)
{
	char	raw[LOG_LINE_MAX], line[LOG_LINE_MAX * 4 + 1];
	int	saved = errno, n;

	n = vsnprintf(raw, sizeof(raw), fmt, ap);
	if (n < 0)
		return;
	if (error && (size_t)n < sizeof(raw))
		snprintf(raw + n, sizeof(raw) - n, ": %s", strerror(error));
	strvisx(line, raw, strlen(raw), VIS_CSTYLE | VIS_NL | VIS_NOSLASH);
	if (log_stderr)
		log_write(line);
	else
		syslog(pri, "%s", line);
	errno = saved;
}

/*
 * One write: whole lines, also where several processes share a file; and
 * none of the system calls that stdio makes of it.
 */
static void
log_write(const char *line)
{
	char	out[sizeof(log_name) + LOG_LINE_MAX * 4 + 4];
	int	len;

	len = snprintf(out, sizeof(out), "%s: %s\n", log_name, line);
	if (len > 0 && (size_t)len < sizeof(out) &&
	    write(STDERR_FILENO, out, len) == -1)
		return;		/* there is nobody to tell */
}

#define LOG_VA(pri, error, fmt) do {		\
	va_list	ap;				\
						\
	va_start(ap, fmt);			\
	log_line((pri), (error), (fmt), ap);	\
	va_end(ap);				\
} while (0)

void
log_warn(const char *fmt, ...)
{
	LOG_VA(LOG_ERR, errno, fmt);
}

void
log_warnx(const char *fmt, ...)
{
	LOG_VA(LOG_ERR, 0, fmt);
}

void
log_info(const char *fmt, ...)
{
	LOG_VA(LOG_INFO, 0, fmt);
}

void
log_debug(const char *fmt, ...)
{
	if (log_verbose >= 1)
		LOG_VA(LOG_DEBUG, 0, fmt);
}

void
log_trace(const char *fmt, ...)
{
	if (log_verbose >= 2)
		LOG_VA(LOG_DEBUG, 0, fmt);
}

void
fatal(const char *fmt, ...)
{
	LOG_VA(LOG_CRIT, errno, fmt);
	exit(1);
}

void
fatalx(const char *fmt, ...)
{
	LOG_VA(LOG_CRIT, 0, fmt);
	exit(1);
}
