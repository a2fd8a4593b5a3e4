/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * The other processes of the suite: starts them, connects those that talk to
 * one another and no others, and starts one again that ends, with new
 * channels to its peers.
 */

#include <sys/syscall.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "imsg/log.h"
#include "imsg/proc.h"
#include "parent/parent.h"

#define RESTART_QUICK_S		10	/* living shorter than this is bad */
#define RESTART_MIN_MS		50
#define RESTART_MAX_MS		5000
#define STOP_TIMEOUT_S		3	/* then what has not ended is killed */

struct child {
	enum msg_role	 role;
	const char	*program;
	struct chan	*chan;		/* NULL: not running */
	struct event	*ended;		/* on pidfd */
	struct event	*restart;
	pid_t		 pid;
	int		 pidfd;
	int		 ready;
	time_t		 started;	/* CLOCK_MONOTONIC */
	unsigned int	 listeners[CONF_LIST_MAX];	/* those it has */
	size_t		 nlisteners;
	unsigned int	 delay_ms;
	unsigned int	 restarts;
};

static void	 child_start(struct child *);
static int	 child_setup(struct child *);
static void	 child_listeners(struct child *);
static void	 child_listen(struct child *, const struct conf_listen *);
static enum msg_role
		 class_role(enum conf_class);
static void	 child_netd(struct child *);
static void	 child_qemud(struct child *);
static void	 child_ended(evutil_socket_t, short, void *);
static void	 child_restart(evutil_socket_t, short, void *);
static void	 child_schedule(struct child *);
static void	 child_closed(struct chan *);
static void	 child_drained(struct chan *);
static void	 child_slow(struct chan *);
static void	 child_kill(struct child *);
static void	 child_report(const struct child *);
static int	 links_make(struct child *);
static struct child *
		 child_of(enum msg_role);
static int	 send_dir(struct child *, enum msg_dir, const char *);
static void	 stop_late(evutil_socket_t, short, void *);
static time_t	 now(void);

static int	 on_ready(struct chan *, void *, int);
static int	 on_open(struct chan *, void *, int);
static int	 on_offence(struct chan *, void *, int);

/* What each child may ask for: these tables, nothing else. */
static const struct msg_handler from_qemud[] = {
	MSG_ROW_EMPTY(MSG_READY, on_ready),
	MSG_ROW(MSG_OPEN, msg_open, FD_NONE, on_open),
	MSG_ROW(MSG_LAUNCH, msg_launch, FD_MUST, guest_launch),
	MSG_ROW(MSG_KILL, msg_kill, FD_NONE, guest_kill),
	MSG_ROW(MSG_OFFENCE, msg_offence, FD_NONE, on_offence),
	MSG_ROW_END
};

static const struct msg_handler from_others[] = {
	MSG_ROW_EMPTY(MSG_READY, on_ready),
	MSG_ROW_END
};

static struct child	 children[] = {
	{ .role = ROLE_QEMUD, .program = "qemud" },
	{ .role = ROLE_MONITORD, .program = "monitord" },
	{ .role = ROLE_NETD, .program = "netd" },
	{ .role = ROLE_NETD_RO, .program = "netd" },
	{ .role = ROLE_NETD_LAUNCH, .program = "netd" }
};
#define NCHILDREN	(sizeof(children) / sizeof(children[0]))

/* Who talks to whom. */
static const enum msg_role	 links[][2] = {
	{ ROLE_QEMUD, ROLE_MONITORD },
	{ ROLE_QEMUD, ROLE_NETD },
	{ ROLE_QEMUD, ROLE_NETD_RO },
	{ ROLE_QEMUD, ROLE_NETD_LAUNCH }
};
#define NLINKS	(sizeof(links) / sizeof(links[0]))

static struct env	*env;

static time_t
now(void)
{
	struct timespec	 ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (ts.tv_sec);
}

void
children_start(struct env *e)
{
	size_t	 i;

	env = e;
	for (i = 0; i < NCHILDREN; i++) {
		children[i].pidfd = -1;
		children[i].restart = evtimer_new(env->base, child_restart,
		    &children[i]);
		if (children[i].restart == NULL)
			fatalx("evtimer_new");
	}
	for (i = 0; i < NCHILDREN; i++)
		child_start(&children[i]);
}

static struct child *
child_of(enum msg_role role)
{
	size_t	 i;

	for (i = 0; i < NCHILDREN; i++)
		if (children[i].role == role)
			return (&children[i]);
	return (NULL);
}

struct chan *
children_chan(enum msg_role role)
{
	struct child	*ch = child_of(role);

	return (ch != NULL ? ch->chan : NULL);
}

/* On failure it is tried again after a while, and so is what it needs. */
static void
child_start(struct child *ch)
{
	struct proc_spec	 spec = { .out = -1 };
	char			 path[4096], arg0[32];
	char			*argv[] = { arg0, NULL };
	int			 fds[2] = { -1, -1 };

	snprintf(path, sizeof(path), "%s/%s", env->libexec, ch->program);
	strlcpy(arg0, ch->program, sizeof(arg0));
	if (proc_socketpair(fds) == -1) {
		log_warn("%s: socketpair", msg_role_name(ch->role));
		child_schedule(ch);
		return;
	}
	spec.path = path;
	spec.argv = argv;
	spec.channel = fds[1];
	spec.tied = 1;
	if (env->foreground)
		spec.out = STDERR_FILENO;
	ch->started = now();
	ch->ready = 0;
	ch->pid = proc_spawn(&spec, &ch->pidfd);
	if (ch->pid == -1 || ch->pidfd == -1) {
		log_warn("cannot start %s", path);
		close(fds[0]);
		if (ch->pid != -1) {
			kill(ch->pid, SIGKILL);
			waitpid(ch->pid, NULL, 0);
		}
		ch->pid = 0;
		child_schedule(ch);
		return;
	}
	ch->ended = event_new(env->base, ch->pidfd, EV_READ, child_ended, ch);
	ch->chan = chan_new(env->base, fds[0], msg_role_name(ch->role),
	    ch->role == ROLE_QEMUD ? from_qemud : from_others, ch,
	    child_closed);
	if (ch->ended == NULL || event_add(ch->ended, NULL) == -1 ||
	    ch->chan == NULL)
		fatalx("%s: no memory", msg_role_name(ch->role));
	chan_set_drained(ch->chan, child_drained);
	if (child_setup(ch) == -1 || links_make(ch) == -1) {
		log_warnx("%s: cannot set it up", msg_role_name(ch->role));
		child_kill(ch);
		return;
	}
	chan_send(ch->chan, MSG_SETUP_DONE, NULL, NULL, -1);
	child_listeners(ch);
	child_report(ch);
	log_debug("%s: pid %d", msg_role_name(ch->role), (int)ch->pid);
}

static int
child_setup(struct child *ch)
{
	const struct conf	*conf = env->conf;
	struct msg_setup	 m = { 0 };
	char			 none[] = "";

	m.role = ch->role;
	m.session = env->session;
	m.uid = conf->users[ch->role].uid;
	m.gid = conf->users[ch->role].gid;
	m.root = env->session ? none : env->empty;
	m.verbose = env->verbose;
	m.to_stderr = env->foreground;
	if (CHAN_SEND(ch->chan, MSG_SETUP, msg_setup, &m, -1) == -1)
		return (-1);
	switch (ch->role) {
	case ROLE_QEMUD:
		child_qemud(ch);
		if (send_dir(ch, DIR_DEFINITIONS,
		    conf->dirs[DIR_DEFINITIONS].path) == -1 ||
		    send_dir(ch, DIR_STATE, env->state) == -1 ||
		    send_dir(ch, DIR_LOG, conf->dirs[DIR_LOG].path) == -1 ||
		    send_dir(ch, DIR_RUN, env->guests) == -1)
			return (-1);
		break;
	case ROLE_NETD:
	case ROLE_NETD_RO:
	case ROLE_NETD_LAUNCH:
		child_netd(ch);
		break;
	default:
		break;
	}
	return (0);
}

static int
send_dir(struct child *ch, enum msg_dir dir, const char *path)
{
	struct msg_setup_dir	 m = { dir };
	int			 fd;

	if ((fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1) {
		log_warn("%s", path);
		return (-1);
	}
	return (CHAN_SEND(ch->chan, MSG_SETUP_DIR, msg_setup_dir, &m, fd));
}

static void
child_qemud(struct child *ch)
{
	const struct conf	*conf = env->conf;
	struct msg_setup_qemud	 m = { 0 };
	struct conf_path	*p;
	msg_path		 list[MSG_LIST_MAX];

	m.definitions = conf->dirs[DIR_DEFINITIONS].path;
	m.state = conf->dirs[DIR_STATE].path;
	m.log = conf->dirs[DIR_LOG].path;
	m.run = conf->dirs[DIR_RUN].path;
	m.emulators.emulators_val = list;
	TAILQ_FOREACH(p, &conf->emulators, entry)
		if (m.emulators.emulators_len < MSG_LIST_MAX)
			list[m.emulators.emulators_len++] = p->path;
	m.uid_first = conf->uid_first;
	m.uid_last = conf->uid_last;
	m.start_timeout_s = conf->start_timeout;
	m.started = env->started;
	CHAN_SEND(ch->chan, MSG_SETUP_QEMUD, msg_setup_qemud, &m, -1);
}

static void
child_netd(struct child *ch)
{
	const struct conf	*conf = env->conf;
	struct msg_setup_netd	 m = { 0 };
	enum conf_class		 class;

	for (class = 0; class_role(class) != ch->role; class++)
		;
	m.clients_max = conf->limits[class].clients;
	m.clients_per_user_max = conf->limits[class].per_user;
	m.calls_max = conf->calls;
	m.uid_first = conf->uid_first;
	m.uid_last = conf->uid_last;
	CHAN_SEND(ch->chan, MSG_SETUP_NETD, msg_setup_netd, &m, -1);
}

/* The listeners that it should have and does not, and the reverse. */
static void
child_listeners(struct child *ch)
{
	struct msg_listener_close	 gone;
	struct conf_listen		*l;
	size_t				 i;

	for (i = 0; i < ch->nlisteners;) {
		TAILQ_FOREACH(l, &env->conf->listens, entry)
			if (l->id == ch->listeners[i])
				break;
		if (l != NULL) {
			i++;
			continue;
		}
		gone.id = ch->listeners[i];
		CHAN_SEND(ch->chan, MSG_LISTENER_CLOSE, msg_listener_close,
		    &gone, -1);
		ch->listeners[i] = ch->listeners[--ch->nlisteners];
	}
	TAILQ_FOREACH(l, &env->conf->listens, entry)
		if (l->fd != -1 && class_role(l->class) == ch->role)
			child_listen(ch, l);
}

static void
child_listen(struct child *ch, const struct conf_listen *l)
{
	struct msg_listener	 m = { l->id, l->path };
	size_t			 i;
	int			 fd;

	for (i = 0; i < ch->nlisteners; i++)
		if (ch->listeners[i] == l->id)
			return;
	if (ch->nlisteners == CONF_LIST_MAX ||
	    (fd = fcntl(l->fd, F_DUPFD_CLOEXEC, 0)) == -1) {
		log_warn("%s", l->path);
		return;
	}
	if (CHAN_SEND(ch->chan, MSG_LISTENER, msg_listener, &m, fd) == 0)
		ch->listeners[ch->nlisteners++] = l->id;
}

static enum msg_role
class_role(enum conf_class class)
{
	switch (class) {
	case CLASS_FULL:
		return (ROLE_NETD);
	case CLASS_RO:
		return (ROLE_NETD_RO);
	default:
		return (ROLE_NETD_LAUNCH);
	}
}

/* Connects ch with every peer that is running. */
static int
links_make(struct child *ch)
{
	struct child		*peer;
	struct msg_setup_peer	 m;
	size_t			 i;
	int			 fds[2];

	for (i = 0; i < NLINKS; i++) {
		if (links[i][0] == ch->role)
			peer = child_of(links[i][1]);
		else if (links[i][1] == ch->role)
			peer = child_of(links[i][0]);
		else
			continue;
		if (peer == NULL || peer->chan == NULL)
			continue;	/* it is linked when it starts */
		if (proc_socketpair(fds) == -1) {
			log_warn("socketpair");
			return (-1);
		}
		m.role = peer->role;
		CHAN_SEND(ch->chan, MSG_SETUP_PEER, msg_setup_peer, &m,
		    fds[0]);
		m.role = ch->role;
		CHAN_SEND(peer->chan, MSG_SETUP_PEER, msg_setup_peer, &m,
		    fds[1]);
	}
	return (0);
}

/* qemud knows everybody's pid, for "status". */
static void
child_report(const struct child *ch)
{
	struct child		*q = child_of(ROLE_QEMUD);
	struct msg_child	 m = { 0 };
	size_t			 i;

	if (q->chan == NULL)
		return;
	for (i = 0; i < NCHILDREN; i++) {
		if (ch->role != ROLE_QEMUD && ch != &children[i])
			continue;
		m.role = children[i].role;
		m.pid = children[i].chan != NULL ? children[i].pid : 0;
		m.restarts = children[i].restarts;
		CHAN_SEND(q->chan, MSG_CHILD, msg_child, &m, -1);
	}
	m.role = ROLE_PARENT;
	m.pid = getpid();
	m.restarts = 0;
	CHAN_SEND(q->chan, MSG_CHILD, msg_child, &m, -1);
}

static int
on_ready(struct chan *c, void *arg, int fd)
{
	struct child	*ch = chan_owner(c);

	if (ch->ready)
		return (-1);
	ch->ready = 1;
	log_debug("%s: ready", chan_name(c));
	return (0);
}

static int
on_open(struct chan *c, void *arg, int fd)
{
	struct msg_open		*m = arg;
	struct msg_opened	 answer = { 0 };
	char			 why[MSG_TEXT_MAX + 1] = "";
	int			 image;

	if (m->mode != OPEN_RO && m->mode != OPEN_RW)
		return (-1);
	child_slow(c);
	image = image_open(env->conf, m->path, m->mode == OPEN_RW, why,
	    sizeof(why));
	answer.id = m->id;
	if (image == -1)
		answer.error = errno != 0 ? errno : EIO;
	answer.text = why;
	CHAN_SEND(c, MSG_OPENED, msg_opened, &answer, image);
	return (0);
}

/* qemud talks to all others; what one of them must not say, it sees. */
static int
on_offence(struct chan *c, void *arg, int fd)
{
	struct msg_offence	*m = arg;
	struct child		*ch = child_of(m->role);

	if (ch == NULL || m->role == ROLE_QEMUD)
		return (-1);
	log_warnx("%s: has broken the rules towards qemud, ending it",
	    msg_role_name(m->role));
	child_kill(ch);
	return (0);
}

/*
 * Whoever asks faster than it reads the answers, with their descriptors, is
 * not heard until it has.
 */
static void
child_slow(struct chan *c)
{
	if (chan_full(c))
		chan_hold(c, 1);
}

static void
child_drained(struct chan *c)
{
	chan_hold(c, 0);
}

/* It closed, broke the rules, or never was: either way its life is over. */
static void
child_closed(struct chan *c)
{
	struct child	*ch = chan_owner(c);

	/* in this order, or it would begin to end by itself */
	child_kill(ch);
	chan_free(ch->chan);
	ch->chan = NULL;
}

static void
child_kill(struct child *ch)
{
	if (ch->pidfd != -1)
		syscall(SYS_pidfd_send_signal, ch->pidfd, SIGKILL, NULL, 0);
}

static void
child_ended(evutil_socket_t fd, short what, void *arg)
{
	struct child	*ch = arg;
	int		 status = 0;

	if (waitpid(ch->pid, &status, WNOHANG) == 0)
		return;
	event_free(ch->ended);
	ch->ended = NULL;
	close(ch->pidfd);
	ch->pidfd = -1;
	chan_free(ch->chan);
	ch->chan = NULL;
	ch->pid = 0;
	ch->nlisteners = 0;
	if (env->stopping) {
		children_stop(env);
		return;
	}
	if (WIFSIGNALED(status))
		log_warnx("%s: ended by signal %d%s",
		    msg_role_name(ch->role), WTERMSIG(status),
		    WTERMSIG(status) == SIGSYS ?
		    ": a system call that it must not make" : "");
	else
		log_warnx("%s: ended with status %d", msg_role_name(ch->role),
		    WEXITSTATUS(status));
	child_report(ch);
	child_schedule(ch);
}

/* At once, unless it keeps ending. */
static void
child_schedule(struct child *ch)
{
	struct timeval	 tv;

	if (now() - ch->started >= RESTART_QUICK_S)
		ch->delay_ms = 0;
	else if (ch->delay_ms == 0 && ch->restarts == 0)
		ch->delay_ms = 0;
	else if (ch->delay_ms < RESTART_MIN_MS)
		ch->delay_ms = RESTART_MIN_MS;
	else if ((ch->delay_ms *= 2) > RESTART_MAX_MS)
		ch->delay_ms = RESTART_MAX_MS;
	ch->restarts++;
	tv.tv_sec = ch->delay_ms / 1000;
	tv.tv_usec = ch->delay_ms % 1000 * 1000;
	evtimer_add(ch->restart, &tv);
}

static void
child_restart(evutil_socket_t fd, short what, void *arg)
{
	struct child	*ch = arg;

	log_info("%s: starting it again", msg_role_name(ch->role));
	child_start(ch);
}

void
children_reload(struct env *e)
{
	size_t	 i;

	for (i = 0; i < NCHILDREN; i++) {
		if (children[i].chan == NULL)
			continue;
		switch (children[i].role) {
		case ROLE_QEMUD:
			child_qemud(&children[i]);
			chan_send(children[i].chan, MSG_RELOAD, NULL, NULL,
			    -1);
			break;
		case ROLE_NETD:
		case ROLE_NETD_RO:
		case ROLE_NETD_LAUNCH:
			child_netd(&children[i]);
			child_listeners(&children[i]);
			break;
		default:
			break;
		}
	}
}

void
children_stop(struct env *e)
{
	static const struct timeval	 patience = { STOP_TIMEOUT_S, 0 };
	size_t				 i;
	int				 alive = 0;

	if (!e->stopping) {
		e->stopping = 1;
		event_base_once(e->base, -1, EV_TIMEOUT, stop_late, NULL,
		    &patience);
	}
	for (i = 0; i < NCHILDREN; i++) {
		evtimer_del(children[i].restart);
		chan_free(children[i].chan);
		children[i].chan = NULL;
		if (children[i].pid != 0)
			alive++;
	}
	if (alive == 0)
		event_base_loopexit(e->base, NULL);
}

static void
stop_late(evutil_socket_t fd, short what, void *arg)
{
	size_t	 i;

	for (i = 0; i < NCHILDREN; i++)
		if (children[i].pid != 0) {
			log_warnx("%s: does not end, killing it",
			    msg_role_name(children[i].role));
			child_kill(&children[i]);
		}
}

void
children_verbose(int level)
{
	struct msg_verbose	 m = { level };
	size_t			 i;

	for (i = 0; i < NCHILDREN; i++)
		if (children[i].chan != NULL)
			CHAN_SEND(children[i].chan, MSG_VERBOSE, msg_verbose,
			    &m, -1);
}
