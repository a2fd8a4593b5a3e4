/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * monitord talks with the guests' QEMUs, for qemud.
 *
 * It is trusted with the monitor connections, consoles and VNC sockets of
 * all guests, which qemud passes to it, and with VNC passwords on their way
 * to QEMU.  It parses QMP, JSON from hostile hands, and carries console
 * bytes, which it does not look at.  It may ask for nothing: it does what
 * qemud tells it, and answers.  It has no file system, cannot make a socket
 * and cannot run anything.
 *
 * qemud gets checked values only; the two kinds of bytes that it passes on
 * unread are console data and the answers to commands that a full-control
 * client wrote itself.
 */

#include <sys/resource.h>

#include <malloc.h>
#include <seccomp.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "imsg/confine.h"
#include "imsg/log.h"
#include "monitord/monitord.h"

struct env	env;

static int	on_peer(struct chan *, void *, int);
static int	on_done(struct chan *, void *, int);
static int	on_guest_attach(struct chan *, void *, int);
static int	on_guest_console(struct chan *, void *, int);
static int	on_guest_pty(struct chan *, void *, int);
static int	on_guest_vnc(struct chan *, void *, int);
static int	on_guest_start(struct chan *, void *, int);
static int	on_guest_detach(struct chan *, void *, int);
static int	on_op(struct chan *, void *, int);
static int	on_viewer_open(struct chan *, void *, int);
static int	on_viewer_data(struct chan *, void *, int);
static int	on_viewer_close(struct chan *, void *, int);
static int	on_viewer_flow(struct chan *, void *, int);
static void	qemud_gone(struct chan *);
static void	qemud_drained(struct chan *);
static void	descriptors_max(void);
static void	show_status(evutil_socket_t, short, void *);

const struct msg_handler	from_parent[] = {
	PROC_ROWS,
	MSG_ROW(MSG_SETUP_PEER, msg_setup_peer, FD_MUST, on_peer),
	MSG_ROW_EMPTY(MSG_SETUP_DONE, on_done),
	MSG_ROW_END
};

const struct msg_handler	from_qemud[] = {
	MSG_ROW(MSG_OP, msg_op, FD_NONE, on_op),
	MSG_ROW(MSG_VIEWER_DATA, msg_viewer_data, FD_NONE, on_viewer_data),
	MSG_ROW(MSG_VIEWER_FLOW, msg_viewer_flow, FD_NONE, on_viewer_flow),
	MSG_ROW(MSG_VIEWER_OPEN, msg_viewer_open, FD_NONE, on_viewer_open),
	MSG_ROW(MSG_VIEWER_CLOSE, msg_viewer_close, FD_NONE,
	    on_viewer_close),
	MSG_ROW(MSG_GUEST_ATTACH, msg_guest_attach, FD_MUST,
	    on_guest_attach),
	MSG_ROW(MSG_GUEST_CONSOLE, msg_guest_console, FD_MUST,
	    on_guest_console),
	MSG_ROW(MSG_GUEST_PTY, msg_guest_pty, FD_MUST, on_guest_pty),
	MSG_ROW(MSG_GUEST_VNC, msg_guest_vnc, FD_MUST, on_guest_vnc),
	MSG_ROW(MSG_GUEST_START, msg_guest_start, FD_NONE, on_guest_start),
	MSG_ROW(MSG_GUEST_DETACH, msg_guest_detach, FD_NONE,
	    on_guest_detach),
	MSG_ROW_END
};

/*
 * monitord after setup:
 * recvmsg, sendmsg - qemud and the parent, with descriptors; commands to
 *	QEMU, a VNC client's descriptor among them
 * recvfrom, sendto - what QEMU says, consoles; the log
 * read, write - pseudo terminals; SIGUSR1's pipe; standard error
 * accept4 - VNC clients
 * getsockopt, statx, fcntl - whether a descriptor is what it should be
 * setitimer, rt_sigreturn - breaks off what blocks
 * memfd_create - long answers
 * epoll_*, clock_*, close, memory - libevent, libc
 * no open, no socket, no exec, no ioctl
 */
static const int	syscalls[] = {
	SCMP_SYS(recvmsg), SCMP_SYS(sendmsg),
	SCMP_SYS(recvfrom), SCMP_SYS(sendto),
	SCMP_SYS(read), SCMP_SYS(write),
	SCMP_SYS(accept4),
	SCMP_SYS(getsockopt), SCMP_SYS(statx), SCMP_SYS(fcntl),
	SCMP_SYS(setitimer), SCMP_SYS(rt_sigreturn),
	SCMP_SYS(memfd_create),
	SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_ctl),
	SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday), SCMP_SYS(time),
	SCMP_SYS(restart_syscall), SCMP_SYS(getpid), SCMP_SYS(close),
	SCMP_SYS(brk), SCMP_SYS(mmap), SCMP_SYS(munmap), SCMP_SYS(mremap),
	SCMP_SYS(madvise), SCMP_SYS(futex),
	SCMP_SYS(exit_group),
	-1
};

int
main(int argc, char *argv[])
{
	proc_init(&env.proc, "monitord", argc, argv, from_parent, &env);
	/* one guest's long answer must not leave holes for good */
	mallopt(M_MMAP_THRESHOLD, 128 * 1024);
	tzset();
	qmp_setup();
	guard_setup();
	guests_setup();
	descriptors_max();
	evsignal_assign(&env.status, env.proc.base, SIGUSR1, show_status,
	    NULL);
	evsignal_add(&env.status, NULL);
	proc_run(&env.proc);
}

/* A guest takes a handful, and there may be thousands. */
static void
descriptors_max(void)
{
	struct rlimit	rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == -1)
		fatal("getrlimit");
	rl.rlim_cur = rl.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &rl) == -1)
		fatal("setrlimit");
	env.fds_max = rl.rlim_cur > INT32_MAX ? INT32_MAX : (int)rl.rlim_cur;
	env.fds_max -= FDS_SPARE;
}

static void
show_status(evutil_socket_t fd, short what, void *arg)
{
	guests_log();
}

/* --- the parent ---------------------------------------------------------- */

static int
on_peer(struct chan *c, void *arg, int fd)
{
	struct msg_setup_peer	*m = arg;

	if (!env.proc.have_setup || m->role != ROLE_QEMUD) {
		close(fd);
		return (-1);
	}
	/* the new one knows nothing of what the old one attached */
	chan_free(env.qemud);
	env.qemud = NULL;
	guests_lost();
	env.qemud = chan_new(env.proc.base, fd, "qemud", from_qemud, &env,
	    qemud_gone);
	if (env.qemud == NULL)
		fatal("channel to qemud");
	chan_set_drained(env.qemud, qemud_drained);
	if (!env.proc.ready)
		chan_hold(env.qemud, 1);
	return (0);
}

static int
on_done(struct chan *c, void *arg, int fd)
{
	if (!env.proc.have_setup || env.proc.ready)
		return (-1);
	confine(&env.proc.setup, NULL, 0, syscalls);
	proc_ready(&env.proc);
	if (env.qemud != NULL)
		chan_hold(env.qemud, 0);
	return (0);
}

/* --- qemud --------------------------------------------------------------- */

static void
qemud_gone(struct chan *c)
{
	log_debug("qemud is gone");
	chan_free(c);
	env.qemud = NULL;
	guests_lost();
}

static void
qemud_drained(struct chan *c)
{
	guests_drained();
	viewers_drained();
}

static int
on_guest_attach(struct chan *c, void *arg, int fd)
{
	return (guest_attach(arg, fd));
}

/* A guest that is not found has just gone: qemud has been told. */

static int
on_guest_console(struct chan *c, void *arg, int fd)
{
	struct msg_guest_console	*m = arg;
	struct guest			*g;

	if ((g = guest_find(m->guest)) != NULL)
		return (console_attach(g, m->console, fd));
	close(fd);
	return (0);
}

static int
on_guest_pty(struct chan *c, void *arg, int fd)
{
	struct msg_guest_pty	*m = arg;
	struct guest		*g;

	if ((g = guest_find(m->guest)) != NULL)
		return (console_pty(g, m->console, fd));
	close(fd);
	return (0);
}

static int
on_guest_vnc(struct chan *c, void *arg, int fd)
{
	struct msg_guest_vnc	*m = arg;
	struct guest		*g;

	if ((g = guest_find(m->guest)) != NULL)
		listener_add(g, fd);
	else
		close(fd);
	return (0);
}

static int
on_guest_start(struct chan *c, void *arg, int fd)
{
	struct msg_guest_start	*m = arg;
	struct guest		*g;

	if ((g = guest_find(m->guest)) == NULL)
		return (0);
	return (guest_step(g, GIN_START));
}

static int
on_guest_detach(struct chan *c, void *arg, int fd)
{
	struct msg_guest_detach	*m = arg;
	struct guest		*g;

	if ((g = guest_find(m->guest)) != NULL)
		guest_detach(g);
	return (0);
}

static int
on_op(struct chan *c, void *arg, int fd)
{
	return (op_request(arg));
}

static int
on_viewer_open(struct chan *c, void *arg, int fd)
{
	return (viewer_open(arg));
}

static int
on_viewer_data(struct chan *c, void *arg, int fd)
{
	return (viewer_input(arg));
}

static int
on_viewer_close(struct chan *c, void *arg, int fd)
{
	struct msg_viewer_close	*m = arg;

	viewer_close(m->viewer);
	return (0);
}

static int
on_viewer_flow(struct chan *c, void *arg, int fd)
{
	struct msg_viewer_flow	*m = arg;

	viewer_flow(m->viewer, m->stop);
	return (0);
}
