/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * The guest's log.  What the emulator prints comes through a pipe, so that
 * it can be bounded, made harmless for a terminal, and its last lines be
 * told to whoever wanted the guest.  Nothing here ever waits for the reader
 * of the log.
 */

#include <sys/socket.h>
#include <sys/stat.h>

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "imsg/log.h"
#include "launch/launch.h"

#define OUTPUT_MAX_BYTES	(8 * 1024 * 1024)	/* of one run */
#define OUTPUT_CHUNK		2048

/* With its NUL: at worst each character is ' and becomes '\'' */
#define QUOTED_MAX(len)		(4 * (len) + 3)

static int	output_reopen(int);
static void	output_readable(evutil_socket_t, short, void *);
static void	output_take(struct output *, const char *, size_t);
static void	output_tail(struct output *, const char *, size_t);
static void	output_own(struct output *, const char *);
static void	output_write(struct output *, const char *, size_t);
static void	timestamp(char *, size_t);
static size_t	clean(char *, const char *, size_t);

int
output_open(struct output *o, const char *path)
{
	struct stat	 st;
	int		 fd;

	if (path != NULL) {
		fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC |
		    O_NOCTTY | O_NONBLOCK, 0600);
		if (fd == -1)
			return (-1);
	} else if ((fd = output_reopen(STDERR_FILENO)) == -1)
		return (-1);
	o->issock = fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
	o->log = fd;
	return (0);
}

/*
 * A description of our own of what that descriptor is, which can be made
 * non-blocking without changing it for the others who use it.  Files need
 * none, and sockets have MSG_DONTWAIT.
 */
static int
output_reopen(int from)
{
	struct stat	 st;
	char		 path[32];
	int		 fd;

	if (fstat(from, &st) == 0 && (S_ISFIFO(st.st_mode) ||
	    S_ISCHR(st.st_mode))) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", from);
		fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY |
		    O_NONBLOCK);
		if (fd != -1) {
			/* what is said with log_warn() shall not wait either */
			dup2(fd, from);
			return (fd);
		}
	}
	return (fcntl(from, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
}

void
output_line(struct output *o, const char *fmt, ...)
{
	va_list	 ap;
	char	*text;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) == -1)
		text = NULL;
	va_end(ap);
	if (text != NULL)
		output_own(o, text);
	free(text);
}

void
output_command(struct output *o, const char *const *args, size_t n)
{
	char	*text, *word;
	size_t	 size = sizeof("starting:"), i;

	for (i = 0; i < n; i++)
		size += QUOTED_MAX(strlen(args[i])) + 1;
	if ((text = malloc(size)) == NULL)
		return;
	strlcpy(text, "starting:", size);
	for (i = 0; i < n; i++) {
		if ((word = shell_quote(args[i])) == NULL)
			break;
		strlcat(text, " ", size);
		strlcat(text, word, size);
		free(word);
	}
	output_own(o, text);
	free(text);
}

int
output_watch(struct output *o, struct event_base *base, int fd)
{
	o->ev = event_new(base, fd, EV_READ | EV_PERSIST, output_readable, o);
	if (o->ev == NULL || event_add(o->ev, NULL) == -1) {
		close(fd);
		errno = ENOMEM;
		return (-1);
	}
	o->pipe = fd;
	return (0);
}

static void
output_readable(evutil_socket_t fd, short what, void *arg)
{
	struct output	*o = arg;
	char		 buf[OUTPUT_CHUNK];
	ssize_t		 n;

	n = read(fd, buf, sizeof(buf));
	if (n > 0)
		output_take(o, buf, n);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		/* the emulator has closed it, and may live on */
		event_del(o->ev);
	}
}

/*
 * A child of the emulator may have the pipe open for ever, so this reads
 * what is there, not until the end.
 */
void
output_finish(struct output *o)
{
	char	 buf[OUTPUT_CHUNK];
	ssize_t	 n;
	int	 rounds;

	if (o->pipe == -1)
		return;
	/* as much as a pipe can hold, and no more: somebody may still write */
	for (rounds = 0; rounds < 65536 / OUTPUT_CHUNK; rounds++) {
		if ((n = read(o->pipe, buf, sizeof(buf))) <= 0)
			break;
		output_take(o, buf, n);
	}
	event_free(o->ev);
	o->ev = NULL;
	close(o->pipe);
	o->pipe = -1;
}

const char *
output_last(struct output *o)
{
	char	*p = o->tail;

	while (o->ntail > 0 && (p[o->ntail - 1] == '\n' ||
	    p[o->ntail - 1] == ' '))
		o->ntail--;
	p[o->ntail] = '\0';
	return (p);
}

void
output_clear(struct output *o)
{
	if (o->ev != NULL)
		event_free(o->ev);
	if (o->pipe != -1)
		close(o->pipe);
	if (o->log != -1)
		close(o->log);
	o->ev = NULL;
	o->pipe = o->log = -1;
}

static void
output_take(struct output *o, const char *raw, size_t len)
{
	static const char	 full[] = "the emulator has printed too much; "
				    "the rest of it is dropped";
	char			 buf[OUTPUT_CHUNK * 4];
	size_t			 n;

	n = clean(buf, raw, len);
	output_tail(o, buf, n);
	if (o->bytes + n <= OUTPUT_MAX_BYTES) {
		o->bytes += n;
		output_write(o, buf, n);
		o->midline = n > 0 && buf[n - 1] != '\n';
	} else if (!o->dropping) {
		o->dropping = 1;
		output_own(o, full);
	}
}

/* Keeps the end of it, from the beginning of a line on where possible. */
static void
output_tail(struct output *o, const char *p, size_t n)
{
	const size_t	 max = sizeof(o->tail) - 1;
	size_t		 drop;
	char		*nl;

	if (n > max) {
		p += n - max;
		n = max;
	}
	if (o->ntail + n > max) {
		drop = o->ntail + n - max;
		nl = memchr(o->tail + drop, '\n', o->ntail - drop);
		if (nl != NULL)
			drop = nl + 1 - o->tail;
		memmove(o->tail, o->tail + drop, o->ntail - drop);
		o->ntail -= drop;
	}
	memcpy(o->tail + o->ntail, p, n);
	o->ntail += n;
}

static void
output_own(struct output *o, const char *text)
{
	char	 time[32], *line, *safe = NULL;
	size_t	 len;
	int	 n;

	if (o->log == -1)
		return;
	timestamp(time, sizeof(time));
	n = asprintf(&line, "%s%s %s", o->midline ? "\n" : "", time, text);
	if (n == -1)
		return;
	if ((safe = reallocarray(NULL, n + 1, 4)) != NULL) {
		len = clean(safe, line, n);
		safe[len++] = '\n';
		output_write(o, safe, len);
		o->midline = 0;
	}
	free(safe);
	free(line);
}

/* What does not go in without waiting is lost. */
static void
output_write(struct output *o, const char *p, size_t len)
{
	struct pollfd	 pfd = { .fd = o->log, .events = POLLOUT };
	ssize_t		 n;

	if (o->log == -1)
		return;
	while (len > 0) {
		if (o->issock)
			n = send(o->log, p, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		else if (poll(&pfd, 1, 0) == 1)
			/* a pipe that is ready takes as much at once */
			n = write(o->log, p, len < PIPE_BUF ? len : PIPE_BUF);
		else
			return;
		if (n == -1 && errno != EINTR)
			return;
		if (n > 0) {
			p += n;
			len -= n;
		}
	}
}

static void
timestamp(char *buf, size_t size)
{
	struct tm	 tm;
	time_t		 now = time(NULL);

	if (gmtime_r(&now, &tm) == NULL ||
	    strftime(buf, size, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		strlcpy(buf, "-", size);
}

/*
 * What goes to a terminal or to another program: printable ASCII, tabs and
 * newlines as they are, carriage returns not at all, all else as \ooo.
 * to has room for four times len.
 */
static size_t
clean(char *to, const char *from, size_t len)
{
	char	*p = to;
	size_t	 i;

	for (i = 0; i < len; i++) {
		unsigned char	c = (unsigned char)from[i];

		if (c == '\r')
			continue;
		if ((c >= ' ' && c < 0x7f) || c == '\n' || c == '\t')
			*p++ = (char)c;
		else {
			*p++ = '\\';
			*p++ = (char)('0' + (c >> 6));
			*p++ = (char)('0' + ((c >> 3) & 7));
			*p++ = (char)('0' + (c & 7));
		}
	}
	return (p - to);
}

char *
shell_quote(const char *s)
{
	static const char	 plain[] = "@%_+=:,./-";
	const char		*p;
	char			*q, *out;

	for (p = s; *p != '\0'; p++)
		if (!(isascii((unsigned char)*p) &&
		    isalnum((unsigned char)*p)) && strchr(plain, *p) == NULL)
			break;
	if (*p == '\0' && p > s)
		return (strdup(s));
	if ((out = malloc(QUOTED_MAX(strlen(s)))) == NULL)
		return (NULL);
	q = out;
	*q++ = '\'';
	for (p = s; *p != '\0'; p++) {
		if (*p == '\'') {
			memcpy(q, "'\\''", 4);
			q += 4;
		} else
			*q++ = *p;
	}
	*q++ = '\'';
	*q = '\0';
	return (out);
}
