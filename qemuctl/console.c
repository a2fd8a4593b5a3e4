/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * console: standard input and output become a guest's console.  A terminal is
 * made raw, and is what it was before however this ends: signals that would
 * end us are taken from a descriptor, as everything else is.
 */

#include <sys/signalfd.h>

#include <err.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "qemuctl/qemuctl.h"

#define ESCAPE		0x1d	/* Ctrl-] */
#define OUT_HIGH	65536	/* of the console, not yet written: pause it */
#define OUT_LOW		16384
#define WRITE_BYTES	4096	/* a pipe that poll(2) reports takes so many */

struct console {
	struct ctl		*ctl;
	const char		*name;
	struct qemud_stream	*stream;	/* NULL: has ended */
	int			 open;
	int			 tty;		/* of standard input */
	int			 raw;
	struct termios		 before;
	int			 sigfd;
	sigset_t		 sigmask;	/* before */
	int			 signal;	/* which has ended us, or 0 */
	int			 detached;	/* by the escape */
	int			 in_end;	/* no more input */
	char			 in[1024];	/* typed, not taken yet */
	size_t			 inlen;
	char			*out;		/* not written yet */
	size_t			 outlen;
	size_t			 outsize;
};

static void	 on_open(struct qemud_stream *, void *);
static void	 on_data(struct qemud_stream *, const void *, size_t, void *);
static void	 on_writable(struct qemud_stream *, void *);
static void	 on_end(struct qemud_stream *, const struct qemud_error *,
		    void *);
static void	 console_run(struct console *);
static int	 console_step(struct console *);
static void	 console_say(const struct console *, const char *);
static void	 in_read(struct console *);
static void	 in_send(struct console *);
static void	 out_write(struct console *);
static void	 raw_on(struct console *);
static void	 raw_off(struct console *);
static void	 signals_take(struct console *);
static void	 signals_give(struct console *);
static void	 signals_read(struct console *);

static const struct qemud_stream_ops	 ops = {
	on_open, on_data, on_writable, on_end
};

enum status
cmd_console(struct ctl *ctl, int argc, char *argv[])
{
	struct qemud_guest	*g;
	struct console		 con = { .ctl = ctl };
	const char		*device = NULL;
	unsigned int		 flags = 0;
	int			 ch;

	while ((ch = ctl_getopt(ctl, argc, argv, "d:f")) != -1)
		switch (ch) {
		case 'd':
			device = optarg;
			break;
		case 'f':
			flags = QEMUD_CONSOLE_FORCE;
			break;
		}
	if ((g = ctl_guest(ctl, ctl_name(ctl, argc, argv))) == NULL)
		return (ctl->status);
	con.name = g->name;
	con.tty = isatty(STDIN_FILENO);
	con.stream = qemud_guest_console(ctl->q, g, device, flags, &ops,
	    &con);
	if (con.stream == NULL)
		err(CTL_FAILED, NULL);
	console_run(&con);
	free(con.out);
	free(g);
	if (con.signal != 0) {
		ctl_disconnect(ctl);
		raise(con.signal);	/* with what it does by default */
	}
	return (ctl->status);
}

static void
console_run(struct console *con)
{
	signals_take(con);
	while ((con->stream != NULL || con->outlen > 0) && !con->detached &&
	    con->signal == 0)
		if (!console_step(con))
			break;
	if (con->stream != NULL)
		qemud_stream_abort(con->stream);
	con->stream = NULL;
	raw_off(con);
	if (con->open && con->tty) {
		fputc('\n', stderr);
		console_say(con, "disconnected");
	}
	/* so that the daemon knows before we are gone */
	while (qemud_error(con->ctl->q) == NULL &&
	    (qemud_events(con->ctl->q) & POLLOUT) && con->signal == 0)
		qemud_run(con->ctl->q, -1);
	signals_give(con);
}

/* 0: it cannot go on, and that was said. */
static int
console_step(struct console *con)
{
	struct qemud	*q = con->ctl->q;
	struct pollfd	 pfd[4] = { { -1, POLLIN, 0 }, { -1, POLLOUT, 0 },
	    { con->sigfd, POLLIN, 0 }, { qemud_fd(q), qemud_events(q), 0 } };

	if (con->open && !con->in_end && con->inlen == 0)
		pfd[0].fd = STDIN_FILENO;
	if (con->outlen > 0)
		pfd[1].fd = STDOUT_FILENO;
	if (poll(pfd, nitems(pfd), qemud_timeout_ms(q)) == -1) {
		if (errno == EINTR)
			return (1);
		ctl_failx(con->ctl, CTL_FAILED, "poll: %s", strerror(errno));
		return (0);
	}
	if (pfd[2].revents != 0)
		signals_read(con);
	if (pfd[0].revents != 0 && con->stream != NULL)
		in_read(con);
	if (pfd[1].revents != 0)
		out_write(con);
	qemud_dispatch(q);
	return (con->ctl->status == CTL_OK || con->outlen > 0);
}

/* To the person at the terminal; it may be raw. */
static void
console_say(const struct console *con, const char *what)
{
	char	*name;

	name = out_printable(con->name, strlen(con->name), 0);
	fprintf(stderr, "qemuctl: %s: %s%s\n", name, what,
	    con->raw ? "\r" : "");
	free(name);
}

/* --- the stream ----------------------------------------------------------- */

static void
on_open(struct qemud_stream *s, void *arg)
{
	struct console	*con = arg;

	con->open = 1;
	raw_on(con);			/* what is typed from now on is sent */
	if (con->tty || con->ctl->verbose)
		console_say(con, con->tty ?
		    "connected, escape is Ctrl-]" : "connected");
}

/* No data: the guest will say nothing more. */
static void
on_data(struct qemud_stream *s, const void *data, size_t len, void *arg)
{
	struct console	*con = arg;

	if (len == 0) {
		qemud_stream_finish(s);
		return;
	}
	if (con->outsize - con->outlen < len) {
		con->outsize = con->outlen + len;
		if ((con->out = realloc(con->out, con->outsize)) == NULL) {
			raw_off(con);
			err(CTL_FAILED, NULL);
		}
	}
	memcpy(con->out + con->outlen, data, len);
	con->outlen += len;
	if (con->outlen >= OUT_HIGH)
		qemud_stream_pause(s, 1);
}

static void
on_writable(struct qemud_stream *s, void *arg)
{
	in_send(arg);
}

static void
on_end(struct qemud_stream *s, const struct qemud_error *e, void *arg)
{
	struct console	*con = arg;

	con->stream = NULL;
	if (e != NULL) {
		raw_off(con);
		if (con->open && con->tty)
			fputc('\n', stderr);
		ctl_fail(con->ctl, con->name, con->open ? "console" :
		    "cannot open its console", e);
		/* it has no number of its own */
		if (strstr(e->text, "Active console session") != NULL)
			ctl_complain("qemuctl console -f takes it from who "
			    "has it");
	}
}

/* --- standard input and output -------------------------------------------- */

/* Only a person can type the escape; from elsewhere it is data. */
static void
in_read(struct console *con)
{
	char	*escape;
	ssize_t	 n;

	n = read(STDIN_FILENO, con->in, sizeof(con->in));
	if (n == -1 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		con->in_end = 1;
		con->detached = con->tty;
		return;
	}
	con->inlen = n;
	if (con->tty && (escape = memchr(con->in, ESCAPE, n)) != NULL) {
		con->inlen = escape - con->in;
		con->detached = 1;
	}
	in_send(con);
}

static void
in_send(struct console *con)
{
	ssize_t	 n;

	if (con->stream == NULL || con->inlen == 0)
		return;
	if ((n = qemud_stream_write(con->stream, con->in, con->inlen)) <= 0)
		return;
	con->inlen -= n;
	memmove(con->in, con->in + n, con->inlen);
}

static void
out_write(struct console *con)
{
	ssize_t	 n;

	n = con->outlen < WRITE_BYTES ? con->outlen : WRITE_BYTES;
	if ((n = write(STDOUT_FILENO, con->out, n)) == -1) {
		if (errno == EINTR || errno == EAGAIN)
			return;
		raw_off(con);
		ctl_failx(con->ctl, CTL_FAILED, "stdout: %s",
		    strerror(errno));
		n = con->outlen;
	}
	con->outlen -= n;
	memmove(con->out, con->out + n, con->outlen);
	if (con->outlen <= OUT_LOW && con->stream != NULL)
		qemud_stream_pause(con->stream, 0);
}

/* --- the terminal --------------------------------------------------------- */

static void
raw_on(struct console *con)
{
	struct termios	 raw;

	if (!con->tty || con->raw ||
	    tcgetattr(STDIN_FILENO, &con->before) == -1)
		return;
	raw = con->before;
	cfmakeraw(&raw);
	if (tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0)
		con->raw = 1;
}

static void
raw_off(struct console *con)
{
	if (con->raw)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &con->before);
	con->raw = 0;
}

static void
signals_take(struct console *con)
{
	sigset_t	 set;

	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGQUIT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGTSTP);
	if (sigprocmask(SIG_BLOCK, &set, &con->sigmask) == -1 ||
	    (con->sigfd = signalfd(-1, &set, SFD_NONBLOCK |
	    SFD_CLOEXEC)) == -1)
		err(CTL_FAILED, "signalfd");
}

static void
signals_give(struct console *con)
{
	close(con->sigfd);
	sigprocmask(SIG_SETMASK, &con->sigmask, NULL);
}

static void
signals_read(struct console *con)
{
	struct signalfd_siginfo	 si;

	while (read(con->sigfd, &si, sizeof(si)) == sizeof(si)) {
		if (si.ssi_signo != SIGTSTP) {
			con->signal = si.ssi_signo;
			return;
		}
		/* stopped with the terminal as it was, and raw again later */
		raw_off(con);
		raise(SIGSTOP);
		if (con->open)
			raw_on(con);
	}
}
