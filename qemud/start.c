/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * From off to running:
 *
 *	the parent opens the images and runs the launcher, both at once;
 *	an image may lie on another one, which is opened, too (chain.c);
 *	the launcher gets its plan: the XML, the images;
 *	it starts QEMU and registers (launcher.c);
 *	monitord greets QEMU (monitor.c), which has not run an instruction;
 *	passwords, links, ... are set, then the virtual CPUs may go.
 *
 * At each step something may fail, or somebody may destroy the guest; then
 * start_failed ends what there is and says why.
 */

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "imsg/log.h"
#include "qemud/qemud.h"

#define UIDS_TRY_MAX	64		/* of a guest, until one is free */

struct start {
	TAILQ_ENTRY(start)	 entry;
	struct guest		*guest;
	unsigned int		 id;		/* of requests to the parent */
	struct domain_fds	 fds;
	size_t			 waiting;	/* answers still to come */
	size_t			 opening;	/* those of them about files */
	size_t			 setups;	/* QMP commands not answered */
	struct chan		*plan;		/* to the launcher */
	int			 planned;	/* all was sent */
	unsigned int		 uids;		/* that were tried */
	struct rpc_error	 err;		/* why it has failed */
	start_done		*done;
	void			*arg;
};

static int	 start_prepare(struct guest *, struct rpc_error *);
static int	 start_emulator(const struct domain *, struct rpc_error *);
static int	 start_uid(struct guest *, struct rpc_error *);
static int	 start_request(struct start *, struct rpc_error *);
static int	 start_launch(struct start *, struct rpc_error *);
static int	 start_tell(struct start *);
static int	 start_open(struct start *, struct rpc_error *);
static int	 start_chains(struct start *);
static struct start *
		 start_find(unsigned int);
static void	 start_release(struct start *);
static void	 start_plan(struct start *);
static void	 start_setup(struct guest *, const struct msg_op_done *,
		    const char *, size_t, void *);
static void	 start_cont(struct guest *);
static void	 start_went(struct guest *, const struct msg_op_done *,
		    const char *, size_t, void *);
static void	 start_running(struct guest *);
static void	 start_late(evutil_socket_t, short, void *);
static void	 plan_closed(struct chan *);

static const struct msg_handler	 from_launcher[] = { MSG_ROW_END };

static TAILQ_HEAD(, start)	 starts = TAILQ_HEAD_INITIALIZER(starts);
static unsigned int		 lastid;
static int			 last_domain_id;

void
guest_start(struct guest *g, struct domain *once, int paused,
    start_done *done, void *arg)
{
	struct rpc_error	 err;
	struct start		*s;

	rpc_error_clear(&err);
	if (guest_step(g, GEV_START) == -1) {
		domain_free(once);
		rpc_error_set(&err, RPCD_QEMU, RPCE_OPERATION_INVALID,
		    "domain is already running");
		done(g, &err, arg);
		return;
	}
	if ((s = calloc(1, sizeof(*s))) == NULL)
		fatal(NULL);
	s->guest = g;
	s->id = ++lastid;
	s->done = done;
	s->arg = arg;
	TAILQ_INSERT_TAIL(&starts, s, entry);
	g->start = s;
	g->live = once != NULL ? once : domain_copy(g->config);
	if (g->live == NULL)
		fatal(NULL);
	g->want_paused = paused;
	g->destroyed = g->panicked = 0;
	g->monitor_stalled = 0;
	guest_show(g, LV_PAUSED, LV_PAUSED_STARTING_UP);
	guest_timer(g, start_late, env.conf.start_timeout_s * 1000);
	if (start_prepare(g, &err) == -1 || start_request(s, &err) == -1)
		start_failed(g, &err);
}

/* What the guest will be: its live form, its uid, its status file. */
static int
start_prepare(struct guest *g, struct rpc_error *err)
{
	struct domain_error	 derr = { 0 };

	if (domain_assign_live(g->live, &derr) == -1)
		return (rpc_error_set(err, RPCD_DOMAIN, derr.code, "%s",
		    derr.text));
	if (start_emulator(g->live, err) == -1)
		return (-1);
	g->live->id = start_new_id();
	g->launched = 1;
	if (start_uid(g, err) == -1)
		return (-1);
	return (status_create(g, err));
}

/* In a session all guests have that of the user. */
static int
start_uid(struct guest *g, struct rpc_error *err)
{
	g->uid = env.proc.setup.uid;
	if (!env.proc.setup.session && (g->uid = guest_uid_alloc()) == 0)
		return (rpc_error_set(err, RPCD_QEMU, RPCE_OPERATION_FAILED,
		    "all guest uids (%u to %u) are in use: widen \"guest "
		    "uids\" in the configuration", env.conf.uid_first,
		    env.conf.uid_last));
	return (0);
}

/* Only what the configuration names is ever executed. */
static int
start_emulator(const struct domain *d, struct rpc_error *err)
{
	u_int	 i;

	for (i = 0; i < env.conf.emulators.emulators_len; i++)
		if (fnmatch(env.conf.emulators.emulators_val[i], d->emulator,
		    FNM_PATHNAME | FNM_PERIOD) == 0)
			return (0);
	return (rpc_error_set(err, RPCD_QEMU, RPCE_CONFIG_UNSUPPORTED,
	    "emulator '%s' is not one that the configuration allows "
	    "(\"emulators\" in qemud.conf)", d->emulator));
}

/*
 * Asks the parent for everything at once; its answers come in the order of
 * the requests.
 */
static int
start_request(struct start *s, struct rpc_error *err)
{
	if (start_open(s, err) == -1 || start_launch(s, err) == -1)
		return (-1);
	s->waiting++;
	return (0);
}

static int
start_launch(struct start *s, struct rpc_error *err)
{
	struct guest		*g = s->guest;
	struct msg_launch	 m = { 0 };
	int			 fds[2];

	chan_free(s->plan);
	s->plan = NULL;
	s->uids++;
	if (proc_socketpair(fds) == -1)
		goto fail;
	s->plan = chan_new(env.proc.base, fds[0], guest_name(g),
	    from_launcher, s, plan_closed);
	if (s->plan == NULL || chan_set_priority(s->plan, 0) == -1) {
		close(fds[1]);
		goto fail;
	}
	m.id = s->id;
	m.name = (char *)(uintptr_t)guest_name(g);
	m.uid = g->uid;
	if (CHAN_SEND(env.proc.parent, MSG_LAUNCH, msg_launch, &m,
	    fds[1]) == -1)
		goto fail;
	return (0);

 fail:
	return (rpc_error_sys(err, RPCD_QEMU, "cannot start domain '%s'",
	    guest_name(g)));
}

/* The files of the guest that are not open yet. */
static int
start_open(struct start *s, struct rpc_error *err)
{
	struct domain_fds	 old = s->fds;
	struct domain_fd	*have, *fd;
	struct msg_open		 m = { 0 };
	size_t			 i;

	if (domain_fds_plan(s->guest->live, &s->fds) == -1)
		fatal(NULL);
	m.id = s->id;
	for (i = 0; i < s->fds.n; i++) {
		fd = &s->fds.v[i];
		fd->fd = -1;
		if (fd->path == NULL)
			continue;
		if ((have = domain_fds_find(&old, fd->key)) != NULL) {
			fd->fd = have->fd;
			continue;
		}
		m.path = fd->path;
		m.mode = fd->mode == DOMAIN_FD_RW ? OPEN_RW : OPEN_RO;
		if (CHAN_SEND(env.proc.parent, MSG_OPEN, msg_open, &m,
		    -1) == -1) {
			domain_fds_clear(&old);
			return (rpc_error_sys(err, RPCD_QEMU,
			    "cannot open %s", fd->path));
		}
		s->waiting++;
		s->opening++;
	}
	domain_fds_clear(&old);
	return (0);
}

static struct start *
start_find(unsigned int id)
{
	struct start	*s;

	TAILQ_FOREACH(s, &starts, entry)
		if (s->id == id && s->err.code == RPCE_OK)
			return (s);
	return (NULL);
}

/* What was opened for it, and the way to the launcher. */
static void
start_release(struct start *s)
{
	size_t	 i;

	for (i = 0; i < s->fds.n; i++)
		if (s->fds.v[i].fd != -1)
			close(s->fds.v[i].fd);
	domain_fds_clear(&s->fds);
	chan_free(s->plan);
	s->plan = NULL;
}

/* Answers come in the order of the requests, so in that of the fds. */
void
start_opened(const struct msg_opened *m, int fd)
{
	struct rpc_error	 err;
	struct start		*s;
	size_t			 i;

	if ((s = start_find(m->id)) == NULL) {
		/* the start has failed meanwhile */
		if (fd != -1)
			close(fd);
		return;
	}
	for (i = 0; i < s->fds.n; i++)
		if (s->fds.v[i].path != NULL && s->fds.v[i].fd == -1)
			break;
	if (m->error != 0 || fd == -1 || i == s->fds.n) {
		if (fd != -1)
			close(fd);
		rpc_error_clear(&err);
		rpc_error_set(&err, RPCD_QEMU, m->error == ENOENT ?
		    RPCE_OPERATION_FAILED : RPCE_CONFIG_UNSUPPORTED,
		    "cannot open %s of domain '%s': %s",
		    i < s->fds.n ? s->fds.v[i].key : "a file",
		    guest_name(s->guest), m->text);
		start_failed(s->guest, &err);
		return;
	}
	s->fds.v[i].fd = fd;
	s->waiting--;
	if (--s->opening == 0 && start_chains(s) == -1)
		return;
	start_plan(s);
}

/* All that is known of is open: what lies below it?  -1: it has failed. */
static int
start_chains(struct start *s)
{
	struct rpc_error	 err;
	int			 added;

	rpc_error_clear(&err);
	added = chain_extend(s->guest, &s->fds, &err);
	if (added == -1 || (added > 0 && start_open(s, &err) == -1)) {
		start_failed(s->guest, &err);
		return (-1);
	}
	return (0);
}

void
start_launched(const struct msg_launched *m)
{
	struct rpc_error	 err;
	struct start		*s;
	struct guest		*g;

	if ((s = start_find(m->id)) == NULL)
		return;		/* its end is reported all the same */
	g = s->guest;
	rpc_error_clear(&err);
	if (m->error == EBUSY && !env.proc.setup.session &&
	    s->uids < UIDS_TRY_MAX) {
		/* something of a guest that we do not know of is left */
		if (start_uid(g, &err) == -1 || status_update(g) == -1 ||
		    start_launch(s, &err) == -1) {
			rpc_error_set(&err, RPCD_QEMU, RPCE_OPERATION_FAILED,
			    "cannot launch domain '%s': %s", guest_name(g),
			    m->text);
			start_failed(g, &err);
		}
		return;
	}
	if (m->error != 0) {
		rpc_error_set(&err, RPCD_QEMU, RPCE_OPERATION_FAILED,
		    "cannot launch domain '%s': %s", guest_name(g), m->text);
		start_failed(g, &err);
		return;
	}
	g->launcher_pid = m->pid;
	status_update(g);
	s->waiting--;
	start_plan(s);
}

/* Everything is there: tell the launcher what to do. */
static void
start_plan(struct start *s)
{
	struct rpc_error	 err;

	if (s->waiting > 0 || s->planned)
		return;
	rpc_error_clear(&err);
	if (s->plan == NULL)
		rpc_error_set(&err, RPCD_QEMU, RPCE_OPERATION_FAILED,
		    "the launcher of domain '%s' has ended at once; its log "
		    "may say why", guest_name(s->guest));
	else if (start_tell(s) == -1)
		rpc_error_sys(&err, RPCD_QEMU, "cannot tell the launcher of "
		    "domain '%s' what to do", guest_name(s->guest));
	if (err.code != RPCE_OK)
		start_failed(s->guest, &err);
}

static int
start_tell(struct start *s)
{
	struct guest		*g = s->guest;
	struct msg_plan		 plan = { 0 };
	struct msg_plan_file	 file;
	char			 lock[] = "lock";
	char			*xml;
	size_t			 i;
	int			 fd, lockfd;

	if ((lockfd = status_lock(g)) == -1)
		return (-1);
	/* that there is a password is among QEMU's arguments */
	if ((xml = domain_format(g->live, DOMAIN_FORMAT_SECURE)) == NULL)
		fatal(NULL);
	memcpy(plan.uuid, guest_uuid(g), sizeof(plan.uuid));
	plan.start_timeout_s = env.conf.start_timeout_s;
	fd = body_seal(xml, strlen(xml));
	freezero(xml, strlen(xml));
	if (fd == -1 || lseek(fd, 0, SEEK_SET) == -1) {
		if (fd != -1)
			close(fd);
		close(lockfd);
		return (-1);
	}
	s->planned = 1;
	CHAN_SEND(s->plan, MSG_PLAN, msg_plan, &plan, fd);
	for (i = 0; i < s->fds.n; i++) {
		if (s->fds.v[i].fd == -1)
			continue;
		file.key = s->fds.v[i].key;
		CHAN_SEND(s->plan, MSG_PLAN_FILE, msg_plan_file, &file,
		    s->fds.v[i].fd);
		s->fds.v[i].fd = -1;
	}
	file.key = lock;
	CHAN_SEND(s->plan, MSG_PLAN_FILE, msg_plan_file, &file, lockfd);
	chan_send(s->plan, MSG_PLAN_GO, NULL, NULL, -1);
	return (0);
}

/* The launcher has read its plan, or has gone; either way it says so. */
static void
plan_closed(struct chan *c)
{
	struct start	*s = chan_owner(c);

	chan_free(s->plan);
	s->plan = NULL;
}

void
start_ready(struct guest *g)
{
	struct domain_argv	 lines;
	size_t			 i;

	if (domain_setup(g->live, &lines) == -1)
		fatal(NULL);
	g->start->setups = lines.n;
	for (i = 0; i < lines.n; i++)
		monitor_op(g, OP_SETUP, lines.v[i], start_setup, NULL);
	domain_argv_clear(&lines);
	if (i == 0)
		start_cont(g);
}

static void
start_setup(struct guest *g, const struct msg_op_done *m, const char *body,
    size_t len, void *arg)
{
	struct rpc_error	 err;

	if (g == NULL || g->state != GST_STARTING)
		return;
	if (m->result != OP_OK) {
		rpc_error_clear(&err);
		rpc_error_set(&err, RPCD_QEMU, RPCE_OPERATION_FAILED,
		    "QEMU does not take what domain '%s' needs: %s",
		    guest_name(g), m->text);
		start_failed(g, &err);
	} else if (--g->start->setups == 0)
		start_cont(g);
}

static void
start_cont(struct guest *g)
{
	if (g->want_paused)
		start_running(g);
	else
		monitor_op(g, OP_CONT, "", start_went, NULL);
}

static void
start_went(struct guest *g, const struct msg_op_done *m, const char *body,
    size_t len, void *arg)
{
	struct rpc_error	 err;

	if (g == NULL || g->state != GST_STARTING)
		return;
	if (m->result != OP_OK) {
		rpc_error_clear(&err);
		rpc_error_set(&err, RPCD_QEMU, RPCE_OPERATION_FAILED,
		    "QEMU does not start the guest: %s", m->text);
		start_failed(g, &err);
		return;
	}
	start_running(g);
}

static void
start_running(struct guest *g)
{
	int	 paused = g->want_paused;

	evtimer_del(g->timer);
	guest_step(g, GEV_READY);
	g->updated = 0;
	/* in the order that clients know */
	if (paused) {
		guest_show(g, LV_PAUSED, LV_PAUSED_USER);
		event_lifecycle(g, LV_EVENT_STARTED, LV_EVENT_STARTED_BOOTED);
		event_lifecycle(g, LV_EVENT_SUSPENDED,
		    LV_EVENT_SUSPENDED_PAUSED);
	} else {
		guest_show(g, LV_RUNNING, LV_RUNNING_BOOTED);
		event_lifecycle(g, LV_EVENT_RESUMED,
		    LV_EVENT_RESUMED_UNPAUSED);
		event_lifecycle(g, LV_EVENT_STARTED, LV_EVENT_STARTED_BOOTED);
	}
	log_info("guest %s: started", guest_name(g));
	start_finish(g);
}

/* Tells who asked for it how it went, once. */
void
start_finish(struct guest *g)
{
	struct start	*s = g->start;

	g->start = NULL;
	TAILQ_REMOVE(&starts, s, entry);
	start_release(s);
	s->done(g, s->err.code == RPCE_OK ? NULL : &s->err, s->arg);
	free(s);
}

/* The first reason counts: -1 if there was one. */
int
start_fail_with(struct guest *g, const struct rpc_error *err)
{
	if (g->start->err.code != RPCE_OK)
		return (-1);
	g->start->err = *err;
	log_info("guest %s: cannot start: %s", guest_name(g), err->detail);
	return (0);
}

/*
 * Whatever there is of it is ended first, so that whoever is told of the
 * failure can try again at once.
 */
void
start_failed(struct guest *g, const struct rpc_error *err)
{
	struct start	*s = g->start;

	if (start_fail_with(g, err) == -1)
		return;
	start_release(s);
	/* without a plan the launcher ends by itself */
	if (s->planned || g->launcher != NULL)
		guest_kill(g, NULL, 0);
	else
		guest_ended(g, OWN_FAILED, 0, err->detail);
}

static void
start_late(evutil_socket_t fd, short what, void *arg)
{
	struct guest		*g = arg;
	struct rpc_error	 err;

	rpc_error_clear(&err);
	rpc_error_set(&err, RPCD_QEMU, RPCE_OPERATION_TIMEOUT,
	    "domain '%s' has not come up within %u seconds: %s",
	    guest_name(g), env.conf.start_timeout_s, g->launcher == NULL ?
	    "its launcher did not register" : g->monitor_ready ?
	    "QEMU does not answer its monitor" :
	    "QEMU has not greeted on its monitor");
	start_failed(g, &err);
}

int
start_new_id(void)
{
	return (++last_domain_id);
}

/* After a restart: ids of before must not come again. */
void
start_seen_id(int id)
{
	if (id > last_domain_id)
		last_domain_id = id;
}
