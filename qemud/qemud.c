/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * qemud: knows all guests and decides what happens to them.
 *
 * Trusted with: the folders of definitions and state.  Parses: domain XML,
 * headers of qcow2 images.
 * May ask the parent to open an image that a guest's XML names, to run a
 * launcher, and to end a guest.  What a client may do follows from the
 * channel that its call came over: there is one table for each kind of netd
 * (client.c), and no message says who its sender is.
 *
 *	qemud.c		setup, channels
 *	client.c	clients, what they subscribed to
 *	call.c		calls, answers		job.c	their order on a guest
 *	handlers: connect.c version.c domain.c action.c lists.c own.c
 *	guest.c		guests and their states
 *	start.c stop.c	from off to running, and back
 *	launcher.c	launchers that register	monitor.c  towards monitord
 *	event.c		events for clients	console.c  console streams
 *	store.c status.c  what is on disk	host.c	the machine
 *	chain.c image.c	backing files of images
 */

#include <sys/resource.h>

#include <errno.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "imsg/confine.h"
#include "imsg/log.h"
#include "qemud/qemud.h"

static int	 on_conf(struct chan *, void *, int);
static int	 on_dir(struct chan *, void *, int);
static int	 on_peer(struct chan *, void *, int);
static int	 on_setup_done(struct chan *, void *, int);
static int	 on_reload(struct chan *, void *, int);
static int	 on_child(struct chan *, void *, int);
static int	 on_opened(struct chan *, void *, int);
static int	 on_launched(struct chan *, void *, int);
static int	 on_launcher_ended(struct chan *, void *, int);
static int	 on_killed(struct chan *, void *, int);
static void	 netd_closed(struct chan *);
static void	 netd_drained(struct chan *);
static void	 monitord_closed(struct chan *);
static void	 peer_lost(enum msg_role, int);
static void	 peer_missing(evutil_socket_t, short, void *);
static void	 adopt_late(evutil_socket_t, short, void *);
static void	 adopt_hold(int);
static void	 confine_qemud(void);
static void	 descriptors_max(void);
static int	 copy_conf(const struct msg_setup_qemud *);

struct env	 env = { .dirs = { -1, -1, -1, -1 } };

static const struct msg_handler from_parent[] = {
	PROC_ROWS,
	MSG_ROW(MSG_SETUP_QEMUD, msg_setup_qemud, FD_NONE, on_conf),
	MSG_ROW(MSG_SETUP_DIR, msg_setup_dir, FD_MUST, on_dir),
	MSG_ROW(MSG_SETUP_PEER, msg_setup_peer, FD_MUST, on_peer),
	MSG_ROW_EMPTY(MSG_SETUP_DONE, on_setup_done),
	MSG_ROW_EMPTY(MSG_RELOAD, on_reload),
	MSG_ROW(MSG_CHILD, msg_child, FD_NONE, on_child),
	MSG_ROW(MSG_OPENED, msg_opened, FD_MAY, on_opened),
	MSG_ROW(MSG_LAUNCHED, msg_launched, FD_NONE, on_launched),
	MSG_ROW(MSG_LAUNCHER_ENDED, msg_launcher_ended, FD_NONE,
	    on_launcher_ended),
	MSG_ROW(MSG_KILLED, msg_killed, FD_NONE, on_killed),
	MSG_ROW_END
};

/*
 * qemud after setup:
 * recvmsg sendmsg epoll_* clock_gettime timerfd: the event loop
 * openat .. fsync: below its folders (Landlock); flock: status files
 * socketpair: the channel that becomes a launcher's descriptor 3
 * memfd_create fcntl mmap: bodies too long for a message
 * uname sysinfo: what the host is called, its free memory
 * sendto: syslog.  No socket, no connect, no exec, no fork, no kill.
 */
static const int	 syscalls[] = {
	SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(readv), SCMP_SYS(writev),
	SCMP_SYS(pread64), SCMP_SYS(lseek), SCMP_SYS(close),
	SCMP_SYS(recvmsg), SCMP_SYS(sendmsg), SCMP_SYS(sendto),
	SCMP_SYS(socketpair),
	SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_ctl),
	SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday),
	SCMP_SYS(timerfd_settime),
	SCMP_SYS(openat), SCMP_SYS(unlinkat), SCMP_SYS(renameat),
	SCMP_SYS(mkdirat), SCMP_SYS(symlinkat), SCMP_SYS(readlinkat),
	SCMP_SYS(getdents64), SCMP_SYS(newfstatat), SCMP_SYS(fstat),
	SCMP_SYS(fsync), SCMP_SYS(ftruncate), SCMP_SYS(flock),
	SCMP_SYS(fcntl), SCMP_SYS(dup), SCMP_SYS(memfd_create),
	SCMP_SYS(mmap), SCMP_SYS(munmap), SCMP_SYS(mremap),
	SCMP_SYS(mprotect), SCMP_SYS(madvise), SCMP_SYS(brk),
	SCMP_SYS(futex), SCMP_SYS(getrandom), SCMP_SYS(getpid),
	SCMP_SYS(uname), SCMP_SYS(sysinfo),
	SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigaction), SCMP_SYS(restart_syscall),
	SCMP_SYS(exit), SCMP_SYS(exit_group),
	-1
};

int
main(int argc, char *argv[])
{
	proc_init(&env.proc, "qemud", argc, argv, from_parent, &env);
	proc_run(&env.proc);
}

static int
on_conf(struct chan *c, void *arg, int fd)
{
	return (copy_conf(arg));
}

/* The message is freed after its handler: keep our own strings. */
static int
copy_conf(const struct msg_setup_qemud *m)
{
	struct msg_setup_qemud	*conf = &env.conf;
	u_int			 i;

	if (env.have_conf)
		xdr_free((xdrproc_t)xdr_msg_setup_qemud, conf);
	*conf = *m;
	env.have_conf = 1;
	conf->definitions = strdup(m->definitions);
	conf->state = strdup(m->state);
	conf->log = strdup(m->log);
	conf->run = strdup(m->run);
	conf->emulators.emulators_val = calloc(m->emulators.emulators_len + 1,
	    sizeof(msg_path));
	if (conf->definitions == NULL || conf->state == NULL ||
	    conf->log == NULL || conf->run == NULL ||
	    conf->emulators.emulators_val == NULL)
		fatal(NULL);
	for (i = 0; i < m->emulators.emulators_len; i++)
		if ((conf->emulators.emulators_val[i] =
		    strdup(m->emulators.emulators_val[i])) == NULL)
			fatal(NULL);
	return (0);
}

static int
on_dir(struct chan *c, void *arg, int fd)
{
	struct msg_setup_dir	*m = arg;

	if (env.proc.ready || (unsigned int)m->dir > DIR_LOG ||
	    env.dirs[m->dir] != -1) {
		close(fd);
		return (-1);
	}
	env.dirs[m->dir] = fd;
	return (0);
}

static int
on_peer(struct chan *c, void *arg, int fd)
{
	struct msg_setup_peer	*m = arg;
	struct chan		*peer;
	const char		*name = msg_role_name(m->role);

	switch (m->role) {
	case ROLE_MONITORD:
		if (env.monitord != NULL) {
			chan_free(env.monitord);
			env.monitord = NULL;
			monitor_lost();
		}
		env.monitord = chan_new(env.proc.base, fd, name,
		    from_monitord, NULL, monitord_closed);
		if (env.monitord == NULL ||
		    chan_set_priority(env.monitord, 0) == -1)
			fatal("%s", name);
		chan_hold(env.monitord, !env.proc.ready);
		launchers_renew();
		return (0);
	case ROLE_NETD:
	case ROLE_NETD_RO:
	case ROLE_NETD_LAUNCH:
		break;
	default:
		close(fd);
		return (-1);
	}
	if (env.netd[m->role] != NULL) {
		chan_free(env.netd[m->role]);
		env.netd[m->role] = NULL;
		clients_lost(m->role);
	}
	peer = chan_new(env.proc.base, fd, name, m->role == ROLE_NETD ?
	    from_netd_full : m->role == ROLE_NETD_RO ? from_netd_ro :
	    from_netd_launch, &env.netd[m->role], netd_closed);
	/* whoever may only look must not keep others waiting */
	if (peer == NULL || chan_set_priority(peer, m->role == ROLE_NETD ?
	    0 : m->role == ROLE_NETD_LAUNCH ? 1 : 2) == -1)
		fatal("%s", name);
	chan_set_drained(peer, netd_drained);
	env.netd[m->role] = peer;
	env.links[m->role]++;
	/* nothing from outside before we are confined, and know our guests */
	if (!env.proc.ready)
		chan_hold(peer, 1);
	else if (env.adopting)
		adopt_hold(1);
	return (0);
}

/* From here on nothing of the file system but our folders. */
static void
confine_qemud(void)
{
	struct confine_dir	 dirs[] = {
		{ env.dirs[DIR_DEFINITIONS], 1 },
		{ env.dirs[DIR_STATE], 1 },
		{ env.dirs[DIR_RUN], 1 },
		{ env.dirs[DIR_LOG], 0 }
	};

	confine(&env.proc.setup, dirs, sizeof(dirs) / sizeof(dirs[0]),
	    syscalls);
}

/* One for each guest that runs, more for those that start. */
static void
descriptors_max(void)
{
	struct rlimit	 rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == -1)
		fatal("getrlimit");
	rl.rlim_cur = rl.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &rl) == -1)
		fatal("setrlimit");
}

static int
on_setup_done(struct chan *c, void *arg, int fd)
{
	static const struct timeval	 patience = {
		ADOPT_TIMEOUT_MS / 1000, ADOPT_TIMEOUT_MS % 1000 * 1000
	};
	size_t				 i;

	if (env.proc.ready || !env.proc.have_setup || !env.have_conf)
		return (-1);
	for (i = 0; i < sizeof(env.dirs) / sizeof(env.dirs[0]); i++)
		if (env.dirs[i] == -1)
			return (-1);
	host_collect();
	version_collect();
	descriptors_max();
	confine_qemud();
	if ((env.adopt_timer = evtimer_new(env.proc.base, adopt_late,
	    NULL)) == NULL)
		fatalx("evtimer_new");
	proc_ready(&env.proc);
	version_load();
	store_load(1);
	status_load();
	if (env.monitord != NULL)
		chan_hold(env.monitord, 0);
	if (env.netd[ROLE_NETD_LAUNCH] != NULL)
		chan_hold(env.netd[ROLE_NETD_LAUNCH], 0);
	if (env.adopting > 0)
		evtimer_add(env.adopt_timer, &patience);
	else
		adopted();
	return (0);
}

/*
 * Until the launchers of the guests that were running have come back, clients
 * wait: they would see a guest in a state that is not true.
 */
void
adopted(void)
{
	env.adopting = 0;
	evtimer_del(env.adopt_timer);
	adopt_hold(0);
	store_autostart_all();
	version_start();
}

static void
adopt_late(evutil_socket_t fd, short what, void *arg)
{
	log_info("%d guests have not been heard of since the restart",
	    env.adopting);
	adopted();
}

static void
adopt_hold(int hold)
{
	if (env.netd[ROLE_NETD] != NULL)
		chan_hold(env.netd[ROLE_NETD], hold);
	if (env.netd[ROLE_NETD_RO] != NULL)
		chan_hold(env.netd[ROLE_NETD_RO], hold);
}

static int
on_reload(struct chan *c, void *arg, int fd)
{
	store_load(0);
	return (0);
}

static int
on_child(struct chan *c, void *arg, int fd)
{
	struct msg_child	*m = arg;

	if ((unsigned int)m->role >= ROLE_COUNT)
		return (-1);
	env.children[m->role].pid = m->pid;
	env.children[m->role].restarts = m->restarts;
	return (0);
}

static int
on_opened(struct chan *c, void *arg, int fd)
{
	start_opened(arg, fd);
	return (0);
}

static int
on_launched(struct chan *c, void *arg, int fd)
{
	start_launched(arg);
	return (0);
}

static int
on_launcher_ended(struct chan *c, void *arg, int fd)
{
	launcher_ended_status(arg);
	return (0);
}

static int
on_killed(struct chan *c, void *arg, int fd)
{
	stop_killed(arg);
	return (0);
}

void
offence(enum msg_role role)
{
	struct msg_offence	 m = { role };

	log_warnx("%s has broken the rules and must be replaced",
	    msg_role_name(role));
	CHAN_SEND(env.proc.parent, MSG_OFFENCE, msg_offence, &m, -1);
}

static void
netd_closed(struct chan *c)
{
	struct chan	**slot = chan_owner(c);
	enum msg_role	 role = slot - env.netd;
	int		 offended = chan_offended(c);

	chan_free(c);
	*slot = NULL;
	clients_lost(role);
	peer_lost(role, offended);
}

/*
 * Whoever ends is started again by the parent, with a new channel to us.  One
 * that lives on without its channel, for whatever reason, has to be ended
 * first: at once if it has broken the rules.
 */
static void
peer_lost(enum msg_role role, int offended)
{
	static const struct timeval	 patience = { PEER_PATIENCE_S, 0 };

	if (offended)
		offence(role);
	else if (event_base_once(env.proc.base, -1, EV_TIMEOUT, peer_missing,
	    (void *)(uintptr_t)role, &patience) == -1)
		fatalx("event_base_once");
}

static void
peer_missing(evutil_socket_t fd, short what, void *arg)
{
	enum msg_role	 role = (uintptr_t)arg;

	if ((role == ROLE_MONITORD ? env.monitord : env.netd[role]) == NULL)
		offence(role);
}

/* It had more answers to send than it could: ask for no more meanwhile. */
static void
netd_drained(struct chan *c)
{
	if (!env.adopting)
		chan_hold(c, 0);
}

static void
monitord_closed(struct chan *c)
{
	int	 offended = chan_offended(c);

	chan_free(c);
	env.monitord = NULL;
	monitor_lost();
	peer_lost(ROLE_MONITORD, offended);
}
