/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * Launchers: each holds one guest, and says so on the launch socket, again
 * after every restart of ours.  Which guest it may speak for is proved by
 * its credentials, as the kernel gave them to netd:
 *
 *	a guest that the suite started	has a uid of its own (system
 *			instance), and its launcher the pid that the parent
 *			was told of
 *	a guest that somebody else started (qemud-launch run by root, or by
 *			the user of a session) comes with its XML
 *
 * What a launcher says may come from a QEMU that its guest has taken over:
 * nothing in it is believed that would harm another guest.
 */

#include <sys/wait.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "imsg/log.h"
#include "qemud/handlers.h"
#include "qemud/qemud.h"

#define COMPLAINTS_MAX		10	/* lines about launchers, */
#define COMPLAINTS_WINDOW_MS	10000	/* in that time */

static struct guest *
		 launcher_guest(struct call *, const struct client *,
		    const own_register *);
static struct guest *
		 launcher_foreign(struct call *, const struct client *,
		    const own_register *);
static int	 launcher_proved(const struct guest *, const struct client *);
static void	 launcher_accept(struct call *, struct client *,
		    struct guest *);
static int	 launcher_attach(struct guest *, struct call *,
		    const own_register *);
static void	 launcher_vnc(struct guest *, const own_vnc *);
static int	 tty_ok(const char *);
static int	 complaint_due(void);

void
call_launch_register(struct call *c, void *arg)
{
	const own_register	*r = arg;
	struct client		*client = call_client(c);
	struct guest		*g;

	if (r->descriptors.descriptors_len != c->nfds) {
		call_fail(c, RPCE_INVALID_ARG, "%u descriptors are described, "
		    "%u came", r->descriptors.descriptors_len, c->nfds);
		return;
	}
	if (client->guest != NULL && memcmp(guest_uuid(client->guest), r->uuid,
	    sizeof(r->uuid)) != 0) {
		call_fail(c, RPCE_OPERATION_INVALID, "this connection has "
		    "registered another guest");
		return;
	}
	if ((g = launcher_guest(c, client, r)) == NULL)
		return;
	if (!launcher_proved(g, client)) {
		if (complaint_due())
			log_warnx("guest %s: uid %u, pid %d is not its "
			    "launcher", guest_name(g), client->uid,
			    (int)client->pid);
		call_fail(c, RPCE_ACCESS_DENIED, "not the launcher of this "
		    "guest");
		return;
	}
	launcher_accept(c, client, g);
}

/* A guest that has broken out may say the same thing for ever. */
static int
complaint_due(void)
{
	static uint64_t		 since_ms;
	static unsigned int	 n;

	if (now_ms() - since_ms >= COMPLAINTS_WINDOW_MS) {
		if (n > COMPLAINTS_MAX)
			log_info("launchers: %u more such lines", n -
			    COMPLAINTS_MAX);
		since_ms = now_ms();
		n = 0;
	}
	return (++n <= COMPLAINTS_MAX);
}

/* The guest that it says it has; NULL: the call has failed. */
static struct guest *
launcher_guest(struct call *c, const struct client *client,
    const own_register *r)
{
	struct guest	*g;

	g = guest_find_uuid((const uint8_t *)r->uuid);
	if (g != NULL && guest_active(g))
		return (g);
	if (g == NULL && r->xml[0] != '\0')
		return (launcher_foreign(c, client, r));
	/* it ended for us while we did not know of each other */
	if (complaint_due())
		log_info("a launcher (uid %u, pid %d) has a guest that should "
		    "not run", client->uid, (int)client->pid);
	call_fail(c, RPCE_NO_DOMAIN, "no domain with matching uuid runs here");
	return (NULL);
}

static struct guest *
launcher_foreign(struct call *c, const struct client *client,
    const own_register *r)
{
	struct domain_error	 derr = { 0 };
	struct rpc_error	 err;
	struct domain		*d;
	struct guest		*g;

	if (client->uid != 0 && !(env.proc.setup.session &&
	    client->uid == env.proc.setup.uid)) {
		call_fail(c, RPCE_ACCESS_DENIED, "user %u may not register "
		    "guests of its own here", client->uid);
		return (NULL);
	}
	if (domain_parse(r->xml, strlen(r->xml), DOMAIN_PARSE_LIVE, &d,
	    &derr) == -1) {
		call_fail_domain(c, &derr);
		return (NULL);
	}
	if (domain_assign(d, &derr) == -1) {
		domain_free(d);
		call_fail_domain(c, &derr);
		return (NULL);
	}
	if (memcmp(d->uuid, r->uuid, sizeof(d->uuid)) != 0 ||
	    strcmp(d->name, r->name) != 0) {
		domain_free(d);
		call_fail(c, RPCE_INVALID_ARG, "name or UUID differ from "
		    "those of the XML");
		return (NULL);
	}
	rpc_error_clear(&err);
	if (guest_check_name(d->name, &err) == -1) {
		domain_free(d);
		call_fail_with(c, &err);
		return (NULL);
	}
	if ((g = guest_new(d, &err)) == NULL) {
		call_fail_with(c, &err);
		return (NULL);
	}
	if ((g->live = domain_copy(d)) == NULL)
		fatal(NULL);
	g->live->id = start_new_id();
	g->uid = client->uid;
	g->launcher_pid = client->pid;
	guest_step(g, GEV_ADOPT);
	guest_show(g, LV_RUNNING, LV_RUNNING_BOOTED);
	event_lifecycle(g, LV_EVENT_STARTED, LV_EVENT_STARTED_BOOTED);
	log_info("guest %s: started by uid %u, pid %d", guest_name(g),
	    client->uid, (int)client->pid);
	return (g);
}

static int
launcher_proved(const struct guest *g, const struct client *client)
{
	return (client->uid == g->uid && client->pid == g->launcher_pid);
}

static void
launcher_accept(struct call *c, struct client *client, struct guest *g)
{
	const own_register	*r = c->arg;
	own_registered		 answer = { OWN_REVISION, OWN_ACCEPT, 0 };

	if (g->launcher != NULL && g->launcher != client)
		g->launcher->guest = NULL;	/* an old connection of it */
	g->launcher = client;
	client->guest = g;
	if (r->qemu_pid > 0)
		g->qemu_pid = r->qemu_pid;
	if (g->state == GST_STOPPING)
		answer.verdict = OWN_END;
	else if (launcher_attach(g, c, r) == -1) {
		call_fail(c, RPCE_INVALID_ARG, "the descriptors are not those "
		    "of this guest");
		return;
	}
	answer.id = guest_id(g);
	log_debug("guest %s: launcher %d has registered", guest_name(g),
	    (int)client->pid);
	call_ok(c, &answer);
}

/* It goes into XML that others read. */
static int
tty_ok(const char *tty)
{
	static const char	 dir[] = "/dev/pts/";

	return (strncmp(tty, dir, sizeof(dir) - 1) == 0 &&
	    tty[sizeof(dir) - 1] != '\0' &&
	    tty[strspn(tty + sizeof(dir) - 1, "0123456789") +
	    sizeof(dir) - 1] == '\0');
}

/* Passes the descriptors on to monitord, and notes what it learns by them. */
static int
launcher_attach(struct guest *g, struct call *c, const own_register *r)
{
	const own_descriptor	*d;
	char			 key[DOMAIN_KEY_MAX];
	unsigned int		 i;
	int			 monitor = -1;

	for (i = 0; i < c->nfds; i++) {
		d = &r->descriptors.descriptors_val[i];
		if (d->kind == OWN_MONITOR)
			monitor = monitor == -1 ? (int)i : -2;
		else if ((d->kind == OWN_CONSOLE &&
		    d->own_descriptor_u.console.index >= DOMAIN_MAX_SERIALS) ||
		    (d->kind == OWN_PTY &&
		    d->own_descriptor_u.pty >= DOMAIN_MAX_SERIALS))
			return (-1);
	}
	if (monitor < 0)
		return (-1);
	monitor_attach(g, c->fds[monitor]);
	c->fds[monitor] = -1;
	for (i = 0; i < c->nfds; i++) {
		d = &r->descriptors.descriptors_val[i];
		switch (d->kind) {
		case OWN_CONSOLE:
			monitor_console(g, d->own_descriptor_u.console.index,
			    c->fds[i]);
			snprintf(key, sizeof(key), "serial/%u",
			    d->own_descriptor_u.console.index);
			if (tty_ok(d->own_descriptor_u.console.tty))
				domain_set_tty(g->live, key,
				    d->own_descriptor_u.console.tty);
			break;
		case OWN_PTY:
			monitor_pty(g, d->own_descriptor_u.pty,
			    c->fds[i]);
			break;
		case OWN_VNC:
			monitor_vnc(g, c->fds[i]);
			launcher_vnc(g, &d->own_descriptor_u.vnc);
			break;
		default:
			break;
		}
		c->fds[i] = -1;
	}
	monitor_greet(g);
	status_update(g);
	return (0);
}

static void
launcher_vnc(struct guest *g, const own_vnc *vnc)
{
	struct graphics	*v;
	unsigned int	 index = 0;

	DEVICE_FOREACH(v, g->live, DEVICE_GRAPHICS)
		if (index++ == vnc->index && vnc->port <= 65535)
			v->port = vnc->port;
}

void
call_launch_ended(struct call *c, void *arg)
{
	const own_ended	*e = arg;
	struct client	*client = call_client(c);
	struct guest	*g;

	g = guest_find_uuid((const uint8_t *)e->uuid);
	if (g != NULL && guest_active(g) && (client->guest == g ||
	    launcher_proved(g, client))) {
		log_debug("guest %s: QEMU ended, %s %d", guest_name(g),
		    e->how == OWN_SIGNALLED ? "signal" : "status", e->code);
		guest_ended(g, e->how, e->code, e->text);
	}
	call_ok(c, NULL);
}

/* Its connection has ended; it will come back, unless it was its end. */
void
launcher_gone(struct client *client)
{
	struct guest	*g = client->guest;

	if (g == NULL)
		return;
	g->launcher = NULL;
	client->guest = NULL;
	if (g->state == GST_STOPPING)
		return;		/* the timer sees to it */
	/* of a foreign guest nobody else tells us how it ends */
	if (!g->launched && !g->monitor_ready)
		guest_ended(g, OWN_EXITED, 0, "");
	else
		guest_watch(g);
}

/* monitord is new: every launcher is asked for new connections. */
void
launchers_renew(void)
{
	static const rp_none	 none = { 0 };
	struct guest		*g;

	TAILQ_FOREACH(g, &guests_active, byactive)
		if (g->launcher != NULL)
			client_event(g->launcher, OWN_PROGRAM,
			    EVENT_launch_renew, &none);
}

/*
 * The parent has seen a launcher end.  If it told us before how its guest
 * ended, this is no news.  If not, it was killed: its QEMU may live on, and
 * as long as it answers its monitor the guest does.
 */
void
launcher_ended_status(const struct msg_launcher_ended *m)
{
	struct rpc_error	 err;
	struct guest		*g;

	TAILQ_FOREACH(g, &guests_active, byactive)
		if (g->launcher_pid == m->pid && g->launched)
			break;
	if (g == NULL)
		return;
	log_warnx("guest %s: its launcher has ended (%s %d)", guest_name(g),
	    WIFSIGNALED(m->status) ? "signal" : "status",
	    WIFSIGNALED(m->status) ? WTERMSIG(m->status) :
	    WEXITSTATUS(m->status));
	g->launcher_pid = 0;
	if (g->launcher != NULL)
		g->launcher->guest = NULL;
	g->launcher = NULL;
	if (g->state == GST_RUNNING) {
		guest_watch(g);		/* it answers, or has it ended? */
		return;
	}
	if (g->start != NULL) {
		rpc_error_clear(&err);
		rpc_error_set(&err, RPCD_QEMU, RPCE_OPERATION_FAILED,
		    "the launcher of domain '%s' has ended; %s/%s.log may say "
		    "why", guest_name(g), env.conf.log, guest_name(g));
		start_fail_with(g, &err);
	}
	guest_kill(g, NULL, 0);
}
