/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/* watch: events, one line each, as they happen. */

#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "qemuctl/qemuctl.h"

static const enum qemud_event_id	kinds[] = {
	QEMUD_EVENT_LIFECYCLE, QEMUD_EVENT_REBOOT, QEMUD_EVENT_RTC_CHANGE,
	QEMUD_EVENT_WATCHDOG, QEMUD_EVENT_IO_ERROR, QEMUD_EVENT_PM_WAKEUP,
	QEMUD_EVENT_PM_SUSPEND
};

static int	 watch_begin(struct ctl *, const struct qemud_guest *);
static void	 watch_event(struct qemud *, const struct qemud_event *,
		    void *);
static json_t	*event_json(const struct qemud_event *);
static void	 event_print(const struct qemud_event *, const char *);
static const char *
		 watchdog_text(int);

enum status
cmd_watch(struct ctl *ctl, int argc, char *argv[])
{
	struct qemud_guest	*g = NULL;

	ctl_getopt(ctl, argc, argv, "");
	ctl_words(ctl, argc, argv, 0, 1);
	if (optind < argc && (g = ctl_guest(ctl, argv[optind])) == NULL)
		return (ctl->status);
	if (watch_begin(ctl, g)) {
		if (ctl->verbose)
			warnx("watching");
		while (qemud_error(ctl->q) == NULL && !ferror(stdout))
			qemud_run(ctl->q, -1);
		if (qemud_error(ctl->q) != NULL)
			ctl_fail(ctl, NULL, NULL, qemud_error(ctl->q));
	}
	free(g);
	return (ctl->status);
}

/* Of one guest, or of all; 0: complained. */
static int
watch_begin(struct ctl *ctl, const struct qemud_guest *g)
{
	struct qemud_call	*c[nitems(kinds)];
	size_t			 i, failed = 0;

	for (i = 0; i < nitems(kinds); i++)
		c[i] = qemud_subscribe(ctl->q, kinds[i], g, watch_event, ctl,
		    NULL, NULL);
	for (i = 0; i < nitems(kinds); i++)
		if (failed == 0 && ctl_wait(ctl, c[i], NULL,
		    "cannot watch guests") == NULL)
			failed++;
		else
			qemud_call_free(c[i]);
	return (failed == 0);
}

static void
watch_event(struct qemud *q, const struct qemud_event *e, void *arg)
{
	const struct ctl	*ctl = arg;
	struct tm		 tm;
	time_t			 now = time(NULL);
	char			 when[64];
	json_t			*j;

	if (ctl->json) {
		gmtime_r(&now, &tm);
		strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
		j = event_json(e);
		json_object_set_new(j, "time", json_string(when));
		out_json(j, 1);
	} else {
		localtime_r(&now, &tm);
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
		event_print(e, when);
	}
}

static const char *
watchdog_text(int action)
{
	static const char *const	 words[] = { "none", "pause", "reset",
	    "poweroff", "shutdown", "debug", "inject-nmi" };

	return (action < 0 || (size_t)action >= nitems(words) ? "unknown" :
	    words[action]);
}

static json_t *
event_json(const struct qemud_event *e)
{
	json_t	*j = guest_json(&e->guest);

	json_object_set_new(j, "event",
	    json_string(qemud_event_text(e->id)));
	switch (e->id) {
	case QEMUD_EVENT_LIFECYCLE:
		json_object_set_new(j, "what",
		    json_string(qemud_lifecycle_text(e->detail[0])));
		json_object_set_new(j, "detail", json_string(
		    qemud_detail_text(e->detail[0], e->detail[1])));
		break;
	case QEMUD_EVENT_RTC_CHANGE:
		json_object_set_new(j, "seconds", json_integer(e->number));
		break;
	case QEMUD_EVENT_WATCHDOG:
		json_object_set_new(j, "action",
		    json_string(watchdog_text(e->detail[0])));
		break;
	case QEMUD_EVENT_IO_ERROR:
		json_object_set_new(j, "path",
		    json_text(e->path, strlen(e->path)));
		json_object_set_new(j, "device",
		    json_text(e->device, strlen(e->device)));
		break;
	}
	return (j);
}

static void
event_print(const struct qemud_event *e, const char *when)
{
	char	*name, *path;

	name = out_printable(e->guest.name, strlen(e->guest.name), 0);
	printf("%s %s ", when, name);
	free(name);
	switch (e->id) {
	case QEMUD_EVENT_LIFECYCLE:
		printf("%s (%s)", qemud_lifecycle_text(e->detail[0]),
		    qemud_detail_text(e->detail[0], e->detail[1]));
		break;
	case QEMUD_EVENT_RTC_CHANGE:
		printf("rtc-change (%lld s)", (long long)e->number);
		break;
	case QEMUD_EVENT_WATCHDOG:
		printf("watchdog (%s)", watchdog_text(e->detail[0]));
		break;
	case QEMUD_EVENT_IO_ERROR:
		path = out_printable(e->path, strlen(e->path), 0);
		name = out_printable(e->device, strlen(e->device), 0);
		printf("io-error (%s, %s)", name, path);
		free(path);
		free(name);
		break;
	default:
		printf("%s", qemud_event_text(e->id));
		break;
	}
	putchar('\n');
	fflush(stdout);
}
