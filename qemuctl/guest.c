/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/* Commands that change guests. */

#include <err.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "qemuctl/qemuctl.h"

/* What can be done to a guest, and what is said about it. */
struct verb {
	struct qemud_call	*(*call)(struct qemud *,
				    const struct qemud_guest *, unsigned int);
	const char		*cannot;
	const char		*done;
};

/* qemud_guest_define(), qemud_guest_create() */
typedef struct qemud_call *(from_xml)(struct qemud *, const char *,
	    unsigned int, qemud_done *, void *);

/* A guest that "stop" has asked. */
struct asked {
	struct qemud_guest	*guest;
	int			 pending;	/* has not stopped yet */
};

struct stop {
	struct asked		*list;
	size_t			 n;
	size_t			 pending;
};

static void	 verb_do(struct ctl *, const struct verb *,
		    const struct qemud_guest *, unsigned int);
static enum status
		 verb_each(struct ctl *, const struct verb *, int, char **,
		    unsigned int);
static enum status
		 verb_plain(struct ctl *, const struct verb *, int, char **);
static enum status
		 from_file(struct ctl *, from_xml *, const char *,
		    unsigned int, const char *, const char *);
static int	 stop_subscribe(struct ctl *, struct stop *);
static void	 stop_ask(struct ctl *, struct stop *, const char *, int);
static void	 stop_await(struct ctl *, struct stop *, int);
static void	 stop_event(struct qemud *, const struct qemud_event *,
		    void *);
static int64_t	 clock_ms(void);

/* --- to any number of guests ---------------------------------------------- */

#define VERB(how, arguments, cannot, done)				\
static struct qemud_call *						\
call_##how(struct qemud *q, const struct qemud_guest *g,		\
    unsigned int flags)							\
{									\
	return (qemud_guest_##how arguments);				\
}									\
static const struct verb	 verb_##how = { call_##how, cannot, done };
#define VERB_PLAIN(how, cannot, done)					\
	VERB(how, (q, g, NULL, NULL), cannot, done)
#define VERB_FLAGS(how, cannot, done)					\
	VERB(how, (q, g, flags, NULL, NULL), cannot, done)

VERB_FLAGS(start, "cannot start", "started")
VERB_FLAGS(kill, "cannot kill", "killed")
VERB_PLAIN(shutdown, "cannot stop", "asked to stop")
VERB_PLAIN(suspend, "cannot pause", "paused")
VERB_PLAIN(resume, "cannot resume", "resumed")
VERB_PLAIN(reboot, "cannot reboot", "asked to reboot")
VERB_PLAIN(reset, "cannot reset", "reset")
VERB_PLAIN(undefine, "cannot undefine", "undefined")

static void
verb_do(struct ctl *ctl, const struct verb *v, const struct qemud_guest *g,
    unsigned int flags)
{
	const struct qemud_reply	*r;
	struct qemud_call		*c;

	c = v->call(ctl->q, g, flags);
	if ((r = ctl_wait(ctl, c, g->name, v->cannot)) == NULL)
		return;
	/* some answer with the guest, and its new number */
	ctl_guest_done(ctl, r->nguests == 1 ? r->guests : g, v->done);
	qemud_call_free(c);
}

/* Also the others if it fails for one. */
static enum status
verb_each(struct ctl *ctl, const struct verb *v, int argc, char *argv[],
    unsigned int flags)
{
	struct qemud_guest	*g;

	ctl_words(ctl, argc, argv, 1, INT_MAX);
	for (argv += optind; *argv != NULL; argv++) {
		if ((g = ctl_guest(ctl, *argv)) != NULL)
			verb_do(ctl, v, g, flags);
		free(g);
	}
	return (ctl->status);
}

static enum status
verb_plain(struct ctl *ctl, const struct verb *v, int argc, char *argv[])
{
	ctl_getopt(ctl, argc, argv, "");
	return (verb_each(ctl, v, argc, argv, 0));
}

enum status
cmd_start(struct ctl *ctl, int argc, char *argv[])
{
	unsigned int	 flags = 0;

	while (ctl_getopt(ctl, argc, argv, "p") != -1)
		flags = QEMUD_START_PAUSED;
	return (verb_each(ctl, &verb_start, argc, argv, flags));
}

enum status
cmd_kill(struct ctl *ctl, int argc, char *argv[])
{
	unsigned int	 flags = 0;

	while (ctl_getopt(ctl, argc, argv, "g") != -1)
		flags = QEMUD_KILL_GRACEFUL;
	return (verb_each(ctl, &verb_kill, argc, argv, flags));
}

enum status
cmd_pause(struct ctl *ctl, int argc, char *argv[])
{
	return (verb_plain(ctl, &verb_suspend, argc, argv));
}

enum status
cmd_resume(struct ctl *ctl, int argc, char *argv[])
{
	return (verb_plain(ctl, &verb_resume, argc, argv));
}

enum status
cmd_reboot(struct ctl *ctl, int argc, char *argv[])
{
	return (verb_plain(ctl, &verb_reboot, argc, argv));
}

enum status
cmd_reset(struct ctl *ctl, int argc, char *argv[])
{
	return (verb_plain(ctl, &verb_reset, argc, argv));
}

enum status
cmd_undefine(struct ctl *ctl, int argc, char *argv[])
{
	return (verb_plain(ctl, &verb_undefine, argc, argv));
}

/* --- stop: ask, and wait -------------------------------------------------- */

enum status
cmd_stop(struct ctl *ctl, int argc, char *argv[])
{
	struct stop	 s = { NULL, 0, 0 };
	const char	*error;
	size_t		 i;
	int		 ch, await = 0, seconds = -1;

	while ((ch = ctl_getopt(ctl, argc, argv, "wt:")) != -1) {
		await = 1;
		if (ch == 'w')
			continue;
		seconds = strtonum(optarg, 0, INT_MAX / 1000, &error);
		if (error != NULL)
			ctl_misuse(ctl, "-t %s: this number of seconds is %s",
			    optarg, error);
	}
	ctl_words(ctl, argc, argv, 1, INT_MAX);
	if (await && !stop_subscribe(ctl, &s))
		return (CTL_FAILED);
	if ((s.list = calloc(argc - optind, sizeof(*s.list))) == NULL)
		err(CTL_FAILED, NULL);
	for (argv += optind; *argv != NULL; argv++)
		stop_ask(ctl, &s, *argv, await);
	if (await)
		stop_await(ctl, &s, seconds);
	for (i = 0; i < s.n; i++)
		free(s.list[i].guest);
	free(s.list);
	return (ctl->status);
}

/* Before anything is asked for, so that no end is missed. */
static int
stop_subscribe(struct ctl *ctl, struct stop *s)
{
	struct qemud_call	*c;

	c = qemud_subscribe(ctl->q, QEMUD_EVENT_LIFECYCLE, NULL, stop_event,
	    s, NULL, NULL);
	if (ctl_wait(ctl, c, NULL, "cannot watch guests") == NULL)
		return (0);
	qemud_call_free(c);
	return (1);
}

/* One that is waited for counts from before it is asked. */
static void
stop_ask(struct ctl *ctl, struct stop *s, const char *name, int await)
{
	const struct qemud_reply	*r;
	struct qemud_call		*c;
	struct asked			*a = &s->list[s->n];

	if ((a->guest = ctl_guest(ctl, name)) == NULL)
		return;
	a->pending = await;
	s->pending += await;
	s->n++;
	c = verb_shutdown.call(ctl->q, a->guest, 0);
	r = ctl_wait(ctl, c, a->guest->name, verb_shutdown.cannot);
	if (r == NULL) {
		s->pending -= a->pending;
		s->n--;
		free(a->guest);
		return;
	}
	qemud_call_free(c);
	if (!await)
		ctl_guest_done(ctl, a->guest, verb_shutdown.done);
}

static void
stop_await(struct ctl *ctl, struct stop *s, int seconds)
{
	int64_t	 end = clock_ms() + (int64_t)seconds * 1000, left = -1;
	size_t	 i;

	while (s->pending > 0 && qemud_error(ctl->q) == NULL) {
		if (seconds >= 0 && (left = end - clock_ms()) <= 0)
			break;
		qemud_run(ctl->q, (int)left);
	}
	for (i = 0; i < s->n; i++) {
		if (!s->list[i].pending)
			ctl_guest_done(ctl, s->list[i].guest, "stopped");
		else if (qemud_error(ctl->q) != NULL)
			ctl_fail(ctl, s->list[i].guest->name,
			    "cannot wait for its end", qemud_error(ctl->q));
		else
			ctl_failx(ctl, CTL_TIMEOUT, "%s: has not stopped in "
			    "%d s", s->list[i].guest->name, seconds);
	}
}

static void
stop_event(struct qemud *q, const struct qemud_event *e, void *arg)
{
	struct stop	*s = arg;
	size_t		 i;

	if (e->detail[0] != QEMUD_GUEST_STOPPED)
		return;
	for (i = 0; i < s->n; i++)
		if (s->list[i].pending && memcmp(s->list[i].guest->uuid,
		    e->guest.uuid, sizeof(e->guest.uuid)) == 0) {
			s->list[i].pending = 0;
			s->pending--;
		}
}

static int64_t
clock_ms(void)
{
	struct timespec	 ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ((int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000);
}

/* --- from files ----------------------------------------------------------- */

static enum status
from_file(struct ctl *ctl, from_xml *call, const char *path,
    unsigned int flags, const char *cannot, const char *done)
{
	const struct qemud_reply	*r;
	struct qemud_call		*c;
	char				*xml;

	if ((xml = ctl_read(ctl, path)) == NULL)
		return (CTL_FAILED);
	c = call(ctl->q, xml, flags, NULL, NULL);
	free(xml);
	if ((r = ctl_wait(ctl, c, path, cannot)) == NULL)
		return (CTL_FAILED);
	ctl_guest_done(ctl, r->guests, done);
	qemud_call_free(c);
	return (CTL_OK);
}

enum status
cmd_define(struct ctl *ctl, int argc, char *argv[])
{
	ctl_getopt(ctl, argc, argv, "");
	return (from_file(ctl, qemud_guest_define, ctl_name(ctl, argc, argv),
	    0, "cannot define this", "defined"));
}

enum status
cmd_create(struct ctl *ctl, int argc, char *argv[])
{
	unsigned int	 flags = 0;

	while (ctl_getopt(ctl, argc, argv, "p") != -1)
		flags = QEMUD_START_PAUSED;
	return (from_file(ctl, qemud_guest_create, ctl_name(ctl, argc, argv),
	    flags, "cannot create this", "started"));
}

/* --- settings ------------------------------------------------------------- */

enum status
cmd_autostart(struct ctl *ctl, int argc, char *argv[])
{
	struct qemud_guest	*g;
	struct qemud_call	*c;
	int			 on;

	ctl_getopt(ctl, argc, argv, "");
	ctl_words(ctl, argc, argv, 2, 2);
	on = strcmp(argv[optind + 1], "on") == 0;
	if (!on && strcmp(argv[optind + 1], "off") != 0)
		ctl_misuse(ctl, "%s is neither on nor off",
		    argv[optind + 1]);
	if ((g = ctl_guest(ctl, argv[optind])) == NULL)
		return (ctl->status);
	c = qemud_guest_set_autostart(ctl->q, g, on, NULL, NULL);
	if (ctl_wait(ctl, c, g->name, "cannot change autostart") != NULL) {
		ctl_guest_done(ctl, g, on ? "is started with the daemon" :
		    "is not started with the daemon");
		qemud_call_free(c);
	}
	free(g);
	return (ctl->status);
}

enum status
cmd_rename(struct ctl *ctl, int argc, char *argv[])
{
	struct qemud_guest	*g;
	struct qemud_call	*c;

	ctl_getopt(ctl, argc, argv, "");
	ctl_words(ctl, argc, argv, 2, 2);
	if ((g = ctl_guest(ctl, argv[optind])) == NULL)
		return (ctl->status);
	c = qemud_guest_rename(ctl->q, g, argv[optind + 1], NULL, NULL);
	if (ctl_wait(ctl, c, g->name, "cannot rename") != NULL) {
		g->name = argv[optind + 1];
		ctl_guest_done(ctl, g, "is its new name");
		qemud_call_free(c);
	}
	free(g);
	return (ctl->status);
}
