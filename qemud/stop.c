/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * From running to off.  The launcher is asked first, since it sees QEMU's
 * end at once and with its status; if it does not do it, the parent does.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "imsg/log.h"
#include "qemud/qemud.h"

static void	 stop_late(evutil_socket_t, short, void *);
static void	 stop_by_parent(struct guest *);
static void	 stop_answer(struct guest *, enum rpc_code);
static void	 ended_how(struct guest *, int, enum own_how, int, int *,
		    int *);

void
guest_kill(struct guest *g, struct call *call, unsigned int grace_ms)
{
	struct own_kill		 m = { grace_ms };
	struct rpc_error	 err;
	uint64_t		 late_ms;

	if (call != NULL) {
		g->destroyed = 1;
		TAILQ_INSERT_TAIL(&g->stops, call, entry);
	}
	if (g->start != NULL && g->state == GST_STARTING && call != NULL) {
		rpc_error_clear(&err);
		rpc_error_set(&err, RPCD_QEMU, RPCE_OPERATION_ABORTED,
		    "domain '%s' was destroyed while it started",
		    guest_name(g));
		start_failed(g, &err);		/* comes back, without call */
		return;
	}
	late_ms = now_ms() + grace_ms + KILL_TIMEOUT_MS;
	/* to ask again must not put it off */
	if (g->state != GST_STOPPING || late_ms < g->stop_by_ms) {
		g->stop_by_ms = late_ms;
		guest_timer(g, stop_late, grace_ms + KILL_TIMEOUT_MS);
	}
	guest_step(g, GEV_KILL);
	if (g->launcher != NULL)
		client_event(g->launcher, OWN_PROGRAM, EVENT_launch_kill, &m);
	else
		stop_by_parent(g);
}

static void
stop_late(evutil_socket_t fd, short what, void *arg)
{
	struct guest	*g = arg;

	log_warnx("guest %s: its launcher does not end it", guest_name(g));
	stop_by_parent(g);
}

static void
stop_by_parent(struct guest *g)
{
	struct msg_kill	 m = { 0 };

	if (!g->launched) {
		/* somebody else's process, and it does not listen */
		stop_answer(g, RPCE_OPERATION_TIMEOUT);
		return;
	}
	m.id = guest_id(g);
	m.uid = g->uid;
	m.pid = g->launcher_pid;
	m.qemu_pid = g->qemu_pid;
	CHAN_SEND(env.proc.parent, MSG_KILL, msg_kill, &m, -1);
}

void
stop_killed(const struct msg_killed *m)
{
	struct guest	*g;

	if ((g = guest_find_id(m->id)) == NULL)
		return;
	if (m->error != 0 && m->error != ESRCH) {
		log_warnx("guest %s: the parent cannot end it: %s",
		    guest_name(g), strerror(m->error));
		if (host_alive(g->qemu_pid)) {
			stop_answer(g, RPCE_OPERATION_FAILED);
			return;
		}
	}
	/* killed without a word, or nothing was left of it */
	guest_ended(g, OWN_SIGNALLED, 9, "");
}

/* What clients are told about this end. */
static void
ended_how(struct guest *g, int ran, enum own_how how, int code, int *reason,
    int *detail)
{
	if (g->destroyed) {
		*reason = LV_SHUTOFF_DESTROYED;
		*detail = LV_EVENT_STOPPED_DESTROYED;
	} else if (!ran || how == OWN_FAILED) {
		*reason = LV_SHUTOFF_FAILED;
		*detail = LV_EVENT_STOPPED_FAILED;
	} else if (g->panicked || (g->shown != LV_SHUTDOWN &&
	    (how == OWN_SIGNALLED || code != 0))) {
		*reason = LV_SHUTOFF_CRASHED;
		*detail = LV_EVENT_STOPPED_CRASHED;
	} else {
		*reason = LV_SHUTOFF_SHUTDOWN;
		*detail = LV_EVENT_STOPPED_SHUTDOWN;
	}
}

void
guest_ended(struct guest *g, enum own_how how, int code, const char *text)
{
	struct rpc_error	 err;
	int			 reason, detail, ran = g->start == NULL;

	if (!guest_active(g))
		return;
	if (!ran) {
		/* unless it has failed before: its last words are why */
		rpc_error_clear(&err);
		if (how == OWN_FAILED)
			rpc_error_set(&err, RPCD_QEMU, RPCE_OPERATION_FAILED,
			    "cannot start domain '%s': %s", guest_name(g),
			    text);
		else
			rpc_error_set(&err, RPCD_QEMU, RPCE_OPERATION_FAILED,
			    "QEMU has ended (%s %d) while domain '%s' "
			    "started%s%s", how == OWN_SIGNALLED ? "signal" :
			    "status", code, guest_name(g),
			    *text != '\0' ? ": " : "", text);
		start_fail_with(g, &err);
	}
	ended_how(g, ran, how, code, &reason, &detail);
	log_info("guest %s: ended%s", guest_name(g),
	    reason == LV_SHUTOFF_CRASHED ? " badly" : "");
	guest_step(g, GEV_ENDED);
	if (g->timer != NULL)
		evtimer_del(g->timer);
	monitor_detach(g);
	if (g->launcher != NULL)
		g->launcher->guest = NULL;
	status_remove(g);
	if (ran && g->destroyed && g->shown != LV_SHUTDOWN)
		event_lifecycle(g, LV_EVENT_SHUTDOWN, LV_EVENT_SHUTDOWN_HOST);
	guest_show(g, LV_SHUTOFF, reason);
	if (ran)
		event_lifecycle(g, LV_EVENT_STOPPED, detail);
	domain_free(g->live);
	g->live = NULL;
	g->launcher = NULL;
	g->launcher_pid = g->qemu_pid = 0;
	g->uid = 0;
	g->updated = g->destroyed = g->rebooting = g->resetting = 0;
	if (!g->persistent && ran)
		event_lifecycle(g, LV_EVENT_UNDEFINED,
		    LV_EVENT_UNDEFINED_REMOVED);
	if (!g->persistent)
		guest_forget(g);
	if (!ran)
		start_finish(g);
	stop_answer(g, RPCE_OK);
	guest_adopted(g);
}

static void
stop_answer(struct guest *g, enum rpc_code code)
{
	struct call	*c;

	while ((c = TAILQ_FIRST(&g->stops)) != NULL) {
		TAILQ_REMOVE(&g->stops, c, entry);
		if (code == RPCE_OK)
			call_ok(c, NULL);
		else
			call_fail(c, code, "domain '%s' cannot be ended: %s",
			    guest_name(g), g->launched ? "the log says why" :
			    "it was not started by the daemon, and its "
			    "launcher does not answer");
	}
}
