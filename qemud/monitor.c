/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * Towards monitord: what it shall do with a guest's monitor, what it tells
 * of it.  It reads what guests write, so it may have been taken over by one:
 * it can lie about guests, and no more.
 */

#include <sys/file.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "imsg/log.h"
#include "qemud/qemud.h"
#include "rpc/body.h"

#define OP_SLACK_MS	5000
#define OP_BODY_MAX	(4 * 1024 * 1024)	/* what a client can get */
#define WATCH_MIN_MS	10
#define WATCH_MAX_MS	1000

/* An operation that has not been answered. */
struct op {
	TAILQ_ENTRY(op)	 entry;
	uint64_t	 id;
	uint64_t	 monitor;
	op_done		*done;
	void		*arg;
	struct event	*late;		/* monitord has said nothing of it */
};

static void	 op_late(evutil_socket_t, short, void *);
static void	 op_end(struct op *, enum msg_op_result);
static void	 op_finish(struct op *, const struct msg_op_done *,
		    const char *, size_t);
static void	 ops_gone(uint64_t);
static int	 on_guest_ready(struct chan *, void *, int);
static int	 on_guest_gone(struct chan *, void *, int);
static int	 on_guest_event(struct chan *, void *, int);
static int	 on_op_done(struct chan *, void *, int);
static void	 monitor_send_fd(struct guest *, uint32_t, xdrproc_t,
		    const void *, int);
static void	 ready_running(struct guest *, enum msg_runstate);
static void	 ready_setup(struct guest *);
static void	 ready_set(struct guest *, const struct msg_op_done *,
		    const char *, size_t, void *);
static void	 ready_went(struct guest *, const struct msg_op_done *,
		    const char *, size_t, void *);
static int	 off_pauses(const struct guest *);
static void	 on_shutdown(struct guest *, int, const char *);
static void	 on_stop(struct guest *);
static void	 on_resume(struct guest *);
static void	 on_panic(struct guest *);
static void	 rebooting_set(struct guest *, const struct msg_op_done *,
		    const char *, size_t, void *);
static void	 restart_reset(struct guest *);
static void	 restart_went(struct guest *, const struct msg_op_done *,
		    const char *, size_t, void *);
static int	 launcher_alive(const struct guest *);
static void	 guest_look(evutil_socket_t, short, void *);
static void	 call_done(struct guest *, const struct msg_op_done *,
		    const char *, size_t, void *);

const struct msg_handler from_monitord[] = {
	MSG_ROW(MSG_OP_DONE, msg_op_done, FD_MAY, on_op_done),
	MSG_ROW(MSG_VIEWER_DATA, msg_viewer_data, FD_NONE, on_viewer_data),
	MSG_ROW(MSG_GUEST_EVENT, msg_guest_event, FD_NONE, on_guest_event),
	MSG_ROW(MSG_GUEST_READY, msg_guest_ready, FD_NONE, on_guest_ready),
	MSG_ROW(MSG_GUEST_GONE, msg_guest_gone, FD_NONE, on_guest_gone),
	MSG_ROW(MSG_VIEWER_CLOSED, msg_viewer_closed, FD_NONE,
	    on_viewer_closed),
	MSG_ROW(MSG_VIEWER_HOLD, msg_viewer_flow, FD_NONE, on_viewer_hold),
	MSG_ROW_END
};

static TAILQ_HEAD(, op)	 ops = TAILQ_HEAD_INITIALIZER(ops);
static uint64_t		 lastop;
static uint64_t		 lastmonitor;

void
monitor_attach(struct guest *g, int fd)
{
	struct msg_guest_attach	 m = { 0 };

	monitor_detach(g);
	g->monitor = ++lastmonitor;
	m.guest = g->monitor;
	m.name = (char *)(uintptr_t)guest_name(g);
	m.timeout_ms = env.conf.start_timeout_s * 1000;
	monitor_send_fd(g, MSG_GUEST_ATTACH,
	    (xdrproc_t)xdr_msg_guest_attach, &m, fd);
}

/* Without monitord it is lost; a new one asks for all of it again. */
static void
monitor_send_fd(struct guest *g, uint32_t type, xdrproc_t encode,
    const void *m, int fd)
{
	if (env.monitord != NULL)
		chan_send(env.monitord, type, encode, m, fd);
	else
		close(fd);
}

void
monitor_console(struct guest *g, unsigned int console, int fd)
{
	struct msg_guest_console	 m = { g->monitor, console };

	monitor_send_fd(g, MSG_GUEST_CONSOLE,
	    (xdrproc_t)xdr_msg_guest_console, &m, fd);
}

void
monitor_pty(struct guest *g, unsigned int console, int fd)
{
	struct msg_guest_pty	 m = { g->monitor, console };

	monitor_send_fd(g, MSG_GUEST_PTY, (xdrproc_t)xdr_msg_guest_pty, &m,
	    fd);
}

void
monitor_vnc(struct guest *g, int fd)
{
	struct msg_guest_vnc	 m = { g->monitor };

	monitor_send_fd(g, MSG_GUEST_VNC, (xdrproc_t)xdr_msg_guest_vnc, &m,
	    fd);
}

void
monitor_greet(struct guest *g)
{
	struct msg_guest_start	 m = { g->monitor };

	if (env.monitord != NULL)
		CHAN_SEND(env.monitord, MSG_GUEST_START, msg_guest_start, &m,
		    -1);
}

void
monitor_detach(struct guest *g)
{
	struct msg_guest_detach	 m = { g->monitor };

	if (g->monitor == 0)
		return;
	if (env.monitord != NULL)
		CHAN_SEND(env.monitord, MSG_GUEST_DETACH, msg_guest_detach, &m,
		    -1);
	g->monitor = 0;
	g->monitor_ready = 0;
	g->monitor_stalled = 0;
	ops_gone(m.guest);
	streams_lost(m.guest);
}

void
monitor_lost(void)
{
	struct guest	*g;

	RB_FOREACH(g, guests_byname, &guests) {
		if (g->monitor == 0)
			continue;
		g->monitor = 0;
		g->monitor_ready = 0;
		guest_watch(g);
	}
	ops_gone(0);
	streams_lost(0);
}

/* 0: of all monitors. */
static void
ops_gone(uint64_t monitor)
{
	struct op	*op;

	/* each may lead to more of them, or to the end of others */
	for (;;) {
		TAILQ_FOREACH(op, &ops, entry)
			if (monitor == 0 || op->monitor == monitor)
				break;
		if (op == NULL)
			break;
		op_end(op, OP_GONE);
	}
}

/* Without monitord's word for it. */
static void
op_end(struct op *op, enum msg_op_result result)
{
	struct msg_op_done	 m = { 0 };
	char			 none[] = "";

	m.result = result;
	m.text = none;
	op_finish(op, &m, "", 0);
}

void
monitor_op(struct guest *g, enum msg_op_kind kind, const char *text,
    op_done *done, void *arg)
{
	static const struct timeval	 late = {
		(OP_TIMEOUT_MS + OP_SLACK_MS) / 1000, 0
	};
	struct msg_op			 m = { 0 };
	struct op			*op;

	if ((op = calloc(1, sizeof(*op))) == NULL)
		fatal(NULL);
	op->id = ++lastop;
	op->monitor = g->monitor;
	op->done = done;
	op->arg = arg;
	TAILQ_INSERT_TAIL(&ops, op, entry);
	m.guest = g->monitor;
	m.id = op->id;
	m.op = kind;
	m.text = (char *)(uintptr_t)text;
	m.timeout_ms = OP_TIMEOUT_MS;
	if (!g->monitor_ready || env.monitord == NULL ||
	    CHAN_SEND(env.monitord, MSG_OP, msg_op, &m, -1) == -1) {
		op_end(op, OP_GONE);
		return;
	}
	if ((op->late = evtimer_new(env.proc.base, op_late, op)) == NULL)
		fatalx("evtimer_new");
	evtimer_add(op->late, &late);
}

/* It keeps the deadlines of QEMUs, so it is itself in trouble. */
static void
op_late(evutil_socket_t fd, short what, void *arg)
{
	op_end(arg, OP_TIMEOUT);
	offence(ROLE_MONITORD);
}

static void
op_finish(struct op *op, const struct msg_op_done *m, const char *body,
    size_t len)
{
	struct guest	*g = guest_find_monitor(op->monitor);
	op_done		*done = op->done;
	void		*arg = op->arg;

	TAILQ_REMOVE(&ops, op, entry);
	if (op->late != NULL)
		event_free(op->late);
	free(op);
	done(g, m, body, len, arg);
}

static int
on_op_done(struct chan *c, void *arg, int fd)
{
	struct msg_op_done	*m = arg;
	struct op		*op;
	size_t			 len = m->body.body_len;
	const char		*body = len > 0 ? m->body.body_val : "";

	TAILQ_FOREACH(op, &ops, entry)
		if (op->id == m->id)
			break;
	if (op == NULL || op->monitor != m->guest) {
		/* the guest was detached before this came */
		if (fd != -1)
			close(fd);
		return (0);
	}
	if (fd != -1 && body_map(fd, OP_BODY_MAX, &body, &len) == -1)
		return (-1);
	op_finish(op, m, body, len);
	if (fd != -1)
		body_unmap(body, len);
	return (0);
}

/* --- calls that are one operation --------------------------------------- */

void
monitor_call(struct call *c, struct guest *g, enum msg_op_kind kind,
    const char *text)
{
	monitor_op(g, kind, text, call_done, c);
}

static void
call_done(struct guest *g, const struct msg_op_done *m, const char *body,
    size_t len, void *arg)
{
	struct rpc_error	 err;

	if (op_error(m, &err) == -1)
		call_fail_with(arg, &err);
	else
		call_ok(arg, NULL);
}

int
op_error(const struct msg_op_done *m, struct rpc_error *err)
{
	rpc_error_clear(err);
	switch (m->result) {
	case OP_OK:
		return (0);
	case OP_REFUSED:
		return (rpc_error_set(err, RPCD_QEMU, RPCE_OPERATION_FAILED,
		    "QEMU refuses: %s", m->text));
	case OP_TIMEOUT:
		return (rpc_error_set(err, RPCD_QEMU, RPCE_OPERATION_TIMEOUT,
		    "QEMU does not answer its monitor"));
	case OP_FULL:
		return (rpc_error_set(err, RPCD_QEMU, RPCE_OPERATION_TIMEOUT,
		    "too many operations wait for QEMU's monitor"));
	default:
		return (rpc_error_set(err, RPCD_QEMU, RPCE_OPERATION_INVALID,
		    "domain is not running, or its monitor is lost"));
	}
}

/* --- what it tells unasked ------------------------------------------------ */

static int
on_guest_ready(struct chan *c, void *arg, int fd)
{
	struct msg_guest_ready	*m = arg;
	struct guest		*g;

	if ((g = guest_find_monitor(m->guest)) == NULL)
		return (0);
	g->monitor_ready = 1;
	version_learn(g, m->qemu_version);
	if (g->state == GST_STARTING)
		start_ready(g);
	else if (g->state == GST_RUNNING)
		ready_running(g, m->state);
	return (0);
}

/*
 * A guest that runs has a new monitor connection, since one of us was
 * restarted: see what has become of it meanwhile.
 */
static void
ready_running(struct guest *g, enum msg_runstate state)
{
	switch (state) {
	case RUN_PRELAUNCH:
		/* we may have been interrupted in starting it */
		ready_setup(g);
		if (g->want_paused) {
			guest_show(g, LV_PAUSED, LV_PAUSED_USER);
			break;
		}
		monitor_op(g, OP_CONT, "", ready_went, NULL);
		return;
	case RUN_RUNNING:
		if (g->shown != LV_RUNNING)
			guest_show(g, LV_RUNNING, g->shown == LV_SHUTOFF ?
			    LV_RUNNING_BOOTED : LV_RUNNING_UNPAUSED);
		break;
	case RUN_PAUSED:
		if (g->shown != LV_PAUSED)
			guest_show(g, LV_PAUSED, LV_PAUSED_UNKNOWN);
		break;
	case RUN_SHUTDOWN:
		on_shutdown(g, 1, "");
		break;
	case RUN_PANICKED:
		guest_show(g, LV_CRASHED, LV_CRASHED_PANICKED);
		break;
	case RUN_IO_ERROR:
		guest_show(g, LV_PAUSED, LV_PAUSED_IOERROR);
		break;
	case RUN_WATCHDOG:
		guest_show(g, LV_PAUSED, LV_PAUSED_WATCHDOG);
		break;
	case RUN_SUSPENDED:
		guest_show(g, LV_PMSUSPENDED, 0);
		break;
	default:
		break;
	}
	guest_adopted(g);
}

/* What a start sets up is set up again; that does no harm. */
static void
ready_setup(struct guest *g)
{
	struct domain_argv	 lines;
	size_t			 i;

	if (domain_setup(g->live, &lines) == -1)
		fatal(NULL);
	for (i = 0; i < lines.n; i++)
		monitor_op(g, OP_SETUP, lines.v[i], ready_set, NULL);
	domain_argv_clear(&lines);
}

static void
ready_set(struct guest *g, const struct msg_op_done *m, const char *body,
    size_t len, void *arg)
{
	if (g != NULL && m->result != OP_OK)
		log_warnx("guest %s: QEMU does not take what it needs: %s",
		    guest_name(g), m->text);
}

static void
ready_went(struct guest *g, const struct msg_op_done *m, const char *body,
    size_t len, void *arg)
{
	if (g == NULL)
		return;
	if (m->result == OP_OK)
		guest_show(g, LV_RUNNING, LV_RUNNING_BOOTED);
	guest_adopted(g);
}

void
guest_adopted(struct guest *g)
{
	if (!g->adopting)
		return;
	g->adopting = 0;
	if (guest_active(g))
		log_info("guest %s: runs on, as before", guest_name(g));
	/* 0: nobody waits any longer, it comes late */
	if (env.adopting > 0 && --env.adopting == 0)
		adopted();
}

static int
on_guest_gone(struct chan *c, void *arg, int fd)
{
	struct msg_guest_gone	*m = arg;
	struct rpc_error	 err;
	struct guest		*g;

	if ((g = guest_find_monitor(m->guest)) == NULL)
		return (0);
	if (m->why != GONE_CLOSED)
		log_warnx("guest %s: monitor lost: %s", guest_name(g),
		    m->text);
	g->monitor_ready = 0;
	g->monitor = 0;
	ops_gone(m->guest);
	streams_lost(m->guest);
	if (g->start != NULL && m->why != GONE_CLOSED) {
		rpc_error_clear(&err);
		rpc_error_set(&err, RPCD_QEMU, m->why == GONE_TIMEOUT ?
		    RPCE_OPERATION_TIMEOUT : RPCE_OPERATION_FAILED,
		    "domain '%s' has not come up: %s", guest_name(g), m->text);
		start_failed(g, &err);
	} else if (g->state == GST_STOPPING && !launcher_alive(g))
		guest_ended(g, OWN_SIGNALLED, 0, "");
	else
		/* if QEMU has ended, its launcher says how */
		guest_watch(g);
	return (0);
}

void
guest_watch(struct guest *g)
{
	if (g->state != GST_RUNNING)
		return;
	g->watch_ms = WATCH_MIN_MS;
	guest_timer(g, guest_look, g->watch_ms);
}

static void
guest_look(evutil_socket_t fd, short what, void *arg)
{
	struct guest	*g = arg;

	if (g->state != GST_RUNNING || g->monitor_ready)
		return;
	if (!launcher_alive(g) && !host_alive(g->qemu_pid)) {
		/* nobody saw how it ended; in order, it would have said so */
		guest_ended(g, g->shown == LV_SHUTDOWN ? OWN_EXITED :
		    OWN_SIGNALLED, 0, "");
		return;
	}
	if ((g->watch_ms *= 2) > WATCH_MAX_MS)
		g->watch_ms = WATCH_MAX_MS;
	guest_timer(g, guest_look, g->watch_ms);
}

/* It holds a lock on the status file as long as it lives. */
static int
launcher_alive(const struct guest *g)
{
	if (g->launcher != NULL)
		return (1);
	if (g->lock == -1)
		return (0);
	if (flock(g->lock, LOCK_EX | LOCK_NB) == -1)
		return (1);
	flock(g->lock, LOCK_UN);
	return (0);
}

static int
on_guest_event(struct chan *c, void *arg, int fd)
{
	struct msg_guest_event	*m = arg;
	struct guest		*g;

	g = guest_find_monitor(m->guest);
	if (g == NULL || g->state == GST_OFF)
		return (0);
	switch (m->kind) {
	case EV_SHUTDOWN:
		on_shutdown(g, m->detail, m->text);
		break;
	case EV_RESET:
		/* so it will not power off for it any more */
		if (g->rebooting && !g->resetting)
			guest_rebooting(g, 0);
		event_reboot(g);
		break;
	case EV_STOP:
		on_stop(g);
		break;
	case EV_RESUME:
		on_resume(g);
		break;
	case EV_SUSPEND:
		guest_show(g, LV_PMSUSPENDED, 0);
		event_lifecycle(g, LV_EVENT_PMSUSPENDED, m->detail ?
		    LV_EVENT_PMSUSPENDED_DISK : LV_EVENT_PMSUSPENDED_MEMORY);
		event_pm(g, m->detail ? LV_EVENT_ID_PMSUSPEND_DISK :
		    LV_EVENT_ID_PMSUSPEND);
		break;
	case EV_WAKEUP:
		guest_show(g, LV_RUNNING, LV_RUNNING_WAKEUP);
		event_lifecycle(g, LV_EVENT_STARTED, LV_EVENT_STARTED_WAKEUP);
		event_pm(g, LV_EVENT_ID_PMWAKEUP);
		break;
	case EV_WATCHDOG:
		event_watchdog(g, m->text);
		break;
	case EV_PANICKED:
		on_panic(g);
		break;
	case EV_IO_ERROR:
		if (m->detail & EV_IO_STOPPED)
			guest_show(g, LV_PAUSED, LV_PAUSED_IOERROR);
		event_io_error(g, m->text, m->detail & EV_IO_STOPPED ?
		    LV_IO_ERROR_PAUSE : m->detail & EV_IO_IGNORED ?
		    LV_IO_ERROR_NONE : LV_IO_ERROR_REPORT);
		break;
	case EV_RTC_CHANGE:
		event_rtc(g, m->offset);
		break;
	case EV_STALLED:
		g->monitor_stalled = m->detail != 0;
		break;
	default:
		break;
	}
	return (0);
}

/*
 * The guest has powered off, or was told to from outside.  QEMU ends by
 * itself unless the domain wants something else (domain/command.c).
 */
static void
on_shutdown(struct guest *g, int by_guest, const char *why)
{
	enum domain_action	 action;
	int			 reset, pauses;

	if (g->state != GST_RUNNING)
		return;
	/* a reset that ends it (on_reboot), as QEMU words it: "guest-reset" */
	reset = strstr(why, "reset") != NULL;
	action = reset ? g->live->on_reboot : g->live->on_poweroff;
	pauses = off_pauses(g);
	event_lifecycle(g, LV_EVENT_SHUTDOWN, by_guest ?
	    LV_EVENT_SHUTDOWN_GUEST : LV_EVENT_SHUTDOWN_HOST);
	guest_adopted(g);
	if ((g->rebooting && !reset) || action == ACTION_RESTART ||
	    action == ACTION_RENAME_RESTART) {
		restart_reset(g);
		if (g->rebooting)
			guest_rebooting(g, 0);
		return;
	}
	guest_show(g, LV_SHUTDOWN, LV_SHUTDOWN_USER);
	if (action == ACTION_PRESERVE)
		guest_show(g, LV_PAUSED, LV_PAUSED_SHUTTING_DOWN);
	else if (pauses)
		guest_kill(g, NULL, 0);
}

/* Does QEMU outlive the guest's power-off?  (domain/command.c) */
static int
off_pauses(const struct guest *g)
{
	return (g->rebooting || g->live->on_poweroff != ACTION_DESTROY ||
	    g->live->on_reboot == ACTION_PRESERVE);
}

/* A reboot by power button is a power-off that QEMU outlives. */
void
guest_rebooting(struct guest *g, int on)
{
	g->rebooting = on;
	monitor_op(g, OP_SHUTDOWN_ACTION, off_pauses(g) ? "pause" :
	    "poweroff", rebooting_set, NULL);
}

static void
rebooting_set(struct guest *g, const struct msg_op_done *m, const char *body,
    size_t len, void *arg)
{
	if (g != NULL && m->result != OP_OK)
		log_warnx("guest %s: cannot say what its power-off means: %s",
		    guest_name(g), m->text);
}

/* QEMU stops and goes on in the course of it, which is nobody's business. */
static void
restart_reset(struct guest *g)
{
	g->resetting = 1;
	monitor_op(g, OP_RESET, "", restart_went, NULL);
}

static void
restart_went(struct guest *g, const struct msg_op_done *m, const char *body,
    size_t len, void *arg)
{
	if (g == NULL)
		return;
	if (m->result == OP_OK && arg == NULL) {
		monitor_op(g, OP_CONT, "", restart_went, g);
		return;
	}
	g->resetting = 0;
	if (m->result == OP_OK)
		guest_show(g, LV_RUNNING, LV_RUNNING_BOOTED);
	else
		guest_show(g, LV_PAUSED, LV_PAUSED_SHUTTING_DOWN);
}

static void
on_stop(struct guest *g)
{
	if (g->state != GST_RUNNING || g->shown != LV_RUNNING || g->resetting)
		return;
	guest_show(g, LV_PAUSED, g->job != NULL ? LV_PAUSED_USER :
	    LV_PAUSED_UNKNOWN);
	event_lifecycle(g, LV_EVENT_SUSPENDED, LV_EVENT_SUSPENDED_PAUSED);
}

static void
on_resume(struct guest *g)
{
	if (g->state != GST_RUNNING || g->shown == LV_RUNNING || g->resetting)
		return;
	guest_show(g, LV_RUNNING, LV_RUNNING_UNPAUSED);
	event_lifecycle(g, LV_EVENT_RESUMED, LV_EVENT_RESUMED_UNPAUSED);
}

static void
on_panic(struct guest *g)
{
	if (g->state != GST_RUNNING)
		return;
	g->panicked = 1;
	guest_show(g, LV_CRASHED, LV_CRASHED_PANICKED);
	event_lifecycle(g, LV_EVENT_CRASHED, LV_EVENT_CRASHED_PANICKED);
	switch (g->live->on_crash) {
	case ACTION_RESTART:
	case ACTION_RENAME_RESTART:
	case ACTION_COREDUMP_RESTART:
		g->panicked = 0;
		restart_reset(g);
		break;
	case ACTION_PRESERVE:
		break;
	default:
		guest_kill(g, NULL, 0);
		break;
	}
}
