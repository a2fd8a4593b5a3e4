/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * What QEMU must be told before the guest's first step, when there is no
 * daemon that does so: settings that no argument has, and to go on.  They
 * are sent as they came from the planner.  The answers are no business of
 * ours: the last command has an id by which its answer, and so the end, is
 * found among the bytes, and what looks like an error is shown to people.
 */

#include <sys/socket.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "imsg/log.h"
#include "launch/launch.h"

#define SETUP_ANSWERS_MAX	16384	/* bytes of which the last are kept */

static const char	 hello[] = "{\"execute\":\"qmp_capabilities\"}\n";
static const char	 go_on[] = "{\"execute\":\"cont\"}\n";
static const char	 last[] = "{\"execute\":\"query-name\","
			    "\"id\":\"qemud-launch-setup\"}\n";
static const char	 mark[] = "\"id\": \"qemud-launch-setup\"";
static const char	 refusal[] = "\"error\": {";

struct setup {
	struct launch	*l;
	struct event	*rd, *wr;
	int		 fd;
	char		*say;		/* may hold a secret */
	size_t		 len, done;
	char		 answers[SETUP_ANSWERS_MAX];
	size_t		 nanswers;
};

static void	setup_writable(evutil_socket_t, short, void *);
static void	setup_readable(evutil_socket_t, short, void *);
static int	setup_append(struct setup *, const char *);
static int	setup_refused(const struct setup *);

int
setup_start(struct launch *l, const struct plan *p)
{
	struct setup	*s;
	u_int		 i;

	if ((s = calloc(1, sizeof(*s))) == NULL)
		return (launch_fail(l, errno, "%s", strerror(errno)));
	l->setup = s;
	s->l = l;
	if ((s->fd = endpoint_connect(&l->monitor)) == -1)
		return (launch_fail(l, errno, "cannot connect to the "
		    "emulator: %s", strerror(errno)));
	if (setup_append(s, hello) == -1)
		goto nomem;
	for (i = 0; i < p->g.setup.setup_len; i++)
		if (setup_append(s, p->g.setup.setup_val[i]) == -1 ||
		    setup_append(s, "\n") == -1)
			goto nomem;
	if ((!l->paused && setup_append(s, go_on) == -1) ||
	    setup_append(s, last) == -1)
		goto nomem;
	s->rd = event_new(l->base, s->fd, EV_READ | EV_PERSIST,
	    setup_readable, s);
	s->wr = event_new(l->base, s->fd, EV_WRITE, setup_writable, s);
	if (s->rd == NULL || s->wr == NULL || event_add(s->rd, NULL) == -1 ||
	    event_add(s->wr, NULL) == -1)
		goto nomem;
	return (0);

 nomem:
	return (launch_fail(l, ENOMEM, "%s", strerror(ENOMEM)));
}

void
setup_clear(struct launch *l)
{
	struct setup	*s = l->setup;

	if (s == NULL)
		return;
	if (s->rd != NULL)
		event_free(s->rd);
	if (s->wr != NULL)
		event_free(s->wr);
	if (s->fd != -1)
		close(s->fd);
	freezero(s->say, s->len);
	free(s);
	l->setup = NULL;
}

static int
setup_append(struct setup *s, const char *line)
{
	size_t	 n = strlen(line);
	char	*p;

	if ((p = recallocarray(s->say, s->len, s->len + n, 1)) == NULL)
		return (-1);
	memcpy(p + s->len, line, n);
	s->say = p;
	s->len += n;
	return (0);
}

static void
setup_writable(evutil_socket_t fd, short what, void *arg)
{
	struct setup	*s = arg;
	ssize_t		 n;

	n = send(fd, s->say + s->done, s->len - s->done, MSG_NOSIGNAL);
	if (n > 0)
		s->done += n;
	else if (n == -1 && errno != EAGAIN && errno != EINTR)
		return;			/* reading says what happened */
	if (s->done < s->len)
		event_add(s->wr, NULL);
}

static void
setup_readable(evutil_socket_t fd, short what, void *arg)
{
	struct setup	*s = arg;
	struct launch	*l = s->l;
	ssize_t		 n;
	size_t		 half;

	if (s->nanswers == sizeof(s->answers)) {
		half = sizeof(s->answers) / 2;
		memmove(s->answers, s->answers + half, half);
		s->nanswers = half;
	}
	n = recv(fd, s->answers + s->nanswers,
	    sizeof(s->answers) - s->nanswers, 0);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		/* it is ending; its last words will say why */
		setup_clear(l);
		return;
	}
	s->nanswers += n;
	if (setup_refused(s)) {
		setup_clear(l);
		launch_kill(l, 0);
		return;
	}
	if (memmem(s->answers, s->nanswers, mark, strlen(mark)) != NULL) {
		log_debug("the emulator is set up");
		setup_clear(l);
	}
}

/* A guest that is not what it should be does not run. */
static int
setup_refused(const struct setup *s)
{
	const char	*end = s->answers + s->nanswers, *p, *nl;

	p = memmem(s->answers, s->nanswers, refusal, strlen(refusal));
	if (p == NULL || (nl = memchr(p, '\n', end - p)) == NULL)
		return (0);
	output_line(&s->l->out, "the emulator refuses a setting: %.*s",
	    (int)(nl - p), p);
	if (!s->l->daemon)
		log_warnx("%s: the emulator refuses a setting: %.*s",
		    s->l->name, (int)(nl - p), p);
	return (1);
}
