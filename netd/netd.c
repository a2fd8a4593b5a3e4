/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * netd: the endpoint that clients connect to.  One program, three processes:
 * full-control, read-only, and for launchers.
 *
 * Trusted with: listening sockets, and a channel to qemud that can say what
 * clients of this class may say.  Parses: frames and their bodies, all of
 * them hostile.  May ask: qemud, for what the class allows.  A read-only
 * process that is taken over can do what a read-only client can.
 *
 *	listen.c	listening sockets
 *	user.c		limits and penalties of those who connect
 *	client.c	one connection, its input and output
 *	frame.c		frames of clients become messages to qemud
 *	qemud.c		messages of qemud become frames
 *	call.c		calls in flight, open streams
 *	outq.c		bytes that wait to be written
 *	keepalive.c	pings
 */

#include <sys/types.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <time.h>
#include <unistd.h>

#include "imsg/confine.h"
#include "imsg/log.h"
#include "netd/netd.h"

static void	give_up_rights(void);
static int	on_limits(struct chan *, void *, int);
static int	on_setup_done(struct chan *, void *, int);
static void	turn(int, short, void *);
static void	tick(int, short, void *);
static void	title(void);

static struct netd	 netd;
struct netd		*env = &netd;

static const struct msg_handler from_parent[] = {
	PROC_ROWS,
	MSG_ROW(MSG_SETUP_NETD, msg_setup_netd, FD_NONE, on_limits),
	MSG_ROW(MSG_SETUP_PEER, msg_setup_peer, FD_MUST, qemud_peer),
	MSG_ROW_EMPTY(MSG_SETUP_DONE, on_setup_done),
	MSG_ROW(MSG_LISTENER, msg_listener, FD_MUST, listen_add),
	MSG_ROW(MSG_LISTENER_CLOSE, msg_listener_close, FD_NONE,
	    listen_remove),
	MSG_ROW_END
};

int
main(int argc, char *argv[])
{
	TAILQ_INIT(&env->clients);
	TAILQ_INIT(&env->turns);
	env->self = getuid();
	proc_init(&env->proc, "netd", argc, argv, from_parent, env);
	env->turn_ev = event_new(env->proc.base, -1, 0, turn, NULL);
	env->tick_ev = event_new(env->proc.base, -1, EV_PERSIST, tick, NULL);
	if (env->turn_ev == NULL || env->tick_ev == NULL)
		fatalx("event_new");
	proc_run(&env->proc);
}

/* Limits may change later; who is there already stays. */
static int
on_limits(struct chan *c, void *arg, int fd)
{
	struct msg_setup_netd	*m = arg;

	if (m->clients_max == 0 || m->clients_per_user_max == 0 ||
	    m->calls_max == 0)
		return (-1);
	env->limits = *m;
	if (m->keepalive_s == 0)
		env->limits.keepalive_s = KEEPALIVE_INTERVAL_S;
	env->have_limits = 1;
	return (0);
}

static int
on_setup_done(struct chan *c, void *arg, int fd)
{
	if (env->proc.ready || !env->proc.have_setup || !env->have_limits)
		return (-1);
	switch (env->proc.setup.role) {
	case ROLE_NETD:
		env->rights = RIGHTS_FULL_CONTROL;
		break;
	case ROLE_NETD_RO:
		env->rights = RIGHTS_READ_ONLY;
		break;
	case ROLE_NETD_LAUNCH:
		env->rights = RIGHTS_LAUNCH;
		env->descriptors = 1;
		break;
	default:
		return (-1);
	}
	give_up_rights();
	proc_ready(&env->proc);
	title();
	listen_update();
	return (0);
}

static void
give_up_rights(void)
{
	/*
	 * netd after setup:
	 * accept4, getsockopt - clients and who they are
	 * recvmsg, sendmsg, memfd_create, fstat, mmap, fcntl - clients,
	 *	qemud, the parent; long bodies, seals, listening sockets
	 * write, lseek, sendto - standard error or syslog, memfds
	 * epoll_*, clock_gettime - libevent
	 * no open, no socket, no connect, no exec
	 */
	static const int	 syscalls[] = {
		SYS_accept4, SYS_getsockopt,
		SYS_recvmsg, SYS_sendmsg, SYS_memfd_create, SYS_fstat,
		SYS_newfstatat, SYS_fcntl, SYS_close,
		SYS_write, SYS_lseek, SYS_sendto,
		SYS_epoll_wait, SYS_epoll_pwait, SYS_epoll_ctl,
		SYS_clock_gettime, SYS_gettimeofday,
		SYS_brk, SYS_mmap, SYS_munmap, SYS_mremap, SYS_madvise,
		SYS_futex, SYS_getpid, SYS_rt_sigreturn, SYS_restart_syscall,
		SYS_exit, SYS_exit_group,
		-1
	};
	struct rlimit	 rl;

	/* every client takes one, its long bodies some more for a moment */
	if (getrlimit(RLIMIT_NOFILE, &rl) == -1)
		fatal("getrlimit");
	rl.rlim_cur = rl.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &rl) == -1)
		fatal("setrlimit");
	if (rl.rlim_cur < env->limits.clients_max)
		log_info("%u clients are allowed, but only %llu descriptors",
		    env->limits.clients_max,
		    (unsigned long long)rl.rlim_cur);
	confine(&env->proc.setup, NULL, 0, syscalls);
}

time_t
now(void)
{
	struct timespec	 ts;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return (ts.tv_sec);
}

void
netd_turn(struct client *c)
{
	if (c->has_turn)
		return;
	c->has_turn = 1;
	if (TAILQ_EMPTY(&env->turns))
		event_active(env->turn_ev, 0, 0);
	TAILQ_INSERT_TAIL(&env->turns, c, turn);
}

void
netd_tick_start(void)
{
	const struct timeval	 second = { 1, 0 };

	if (env->ticking)
		return;
	env->ticking = 1;
	event_add(env->tick_ev, &second);
}

void
netd_turns(void)
{
	struct client	*c;

	while ((c = TAILQ_FIRST(&env->turns)) != NULL) {
		TAILQ_REMOVE(&env->turns, c, turn);
		c->has_turn = 0;
		client_turn(c);
	}
}

/*
 * Comes behind all events that were ready together, so that what they have
 * queued for a client goes out at once.
 */
static void
turn(int fd, short what, void *arg)
{
	netd_turns();
	if (env->nclients != env->titled)
		title();
}

static void
tick(int fd, short what, void *arg)
{
	keepalive_tick();
	if (user_tick() == 0) {
		event_del(env->tick_ev);
		env->ticking = 0;
	}
	if (env->nclients != env->titled)
		title();
}

static void
title(void)
{
	env->titled = env->nclients;
	setproctitle("-%s%s: %u client%s",
	    msg_role_name(env->proc.setup.role),
	    env->proc.setup.session ? " (session)" : "", env->nclients,
	    env->nclients == 1 ? "" : "s");
}
