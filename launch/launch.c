/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * qemud-launch: supervises exactly one QEMU.  All guests are started by it,
 * by the daemon (through the parent) or by a person or an application; it
 * owns the guest's log and learns how the guest ends, and it outlives every
 * process of the suite.
 *
 * Trusted with: the descriptors of one guest, with the rights of the user
 * that it runs as, which are the guest's.  Parses: the planner's answer (an
 * XDR body), and what the daemon says on the launch socket (rpc/frame.h).
 * Domain XML is read by the planner, another process; what QEMU says on its
 * monitor by monitord.  May ask for: the registration of its guest.
 *
 *	plan.c		what to open and to run
 *	files.c		images, kernels: opened, checked, locked
 *	prepare.c	sockets, terminals, ports
 *	start.c		QEMU
 *	output.c	its log
 *	setup.c		its last settings, when no daemon makes them
 *	register.c	the daemon
 *
 * Once QEMU runs nothing is opened any more, and little is allocated: there
 * is one such process for each guest of the host, for as long as it runs.
 */

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <malloc.h>
#include <pwd.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "imsg/confine.h"
#include "imsg/log.h"
#include "launch/launch.h"
#include "paths.h"

#define FILES_LIMIT	65536	/* descriptors, should a guest want many */

#define MALLOC_LARGE	8192	/* bytes that get pages of their own */

#define EXIT_FAILED	1	/* not started, or the emulator gave up */
#define EXIT_SIGNALLED	128	/* and the signal's number */

static void	 usage(void) __attribute__((noreturn));
static int	 print(struct launch *, const char *)
		    __attribute__((noreturn));
static void	 standard_descriptors(void);
static char	*planner_path(void);
static char	*absolute(const char *);
static char	*default_socket(void);
static void	 limits_raise(void);
static void	 signals(struct launch *);
static void	 on_signal(evutil_socket_t, short, void *);
static void	 guest_failed(struct launch *);
static void	 guest_started(struct launch *);
static void	 guest_ended(evutil_socket_t, short, void *);
static void	 grace_over(evutil_socket_t, short, void *);
static void	 settle(struct launch *);

/* A signal of QEMU's that we pass on, or an end that was asked for. */
static struct event	*sigs[3];
static int		 exit_status = EXIT_FAILED;

static void
usage(void)
{
	fprintf(stderr,
	    "usage: qemud-launch [-vw] [-e pattern] [-l logfile] [-s socket] "
	    "file | -\n"
	    "       qemud-launch -n file | -\n"
	    "       qemud-launch -c -s socket [-e pattern]\n");
	exit(EXIT_FAILED);
}

int
main(int argc, char *argv[])
{
	static const struct option	 longopts[] = {
		{ "print", no_argument, NULL, 'n' },
		{ NULL, 0, NULL, 0 }
	};
	static struct launch		 launch;
	struct launch			*l = &launch;
	extern char			**environ;
	const char			*logfile = NULL, *socket = NULL;
	int				 ch, only_print = 0;

	/* what is large is short-lived here: it must not tear holes */
	mallopt(M_MMAP_THRESHOLD, MALLOC_LARGE);
	mallopt(M_TOP_PAD, 0);
	/* its memory holds the guest's secrets; exec gives this up again */
	if (prctl(PR_SET_DUMPABLE, 0) == -1)
		exit(EXIT_FAILED);
	standard_descriptors();
	setproctitle_init(argc, argv, environ);
	log_init("qemud-launch", 1);
	l->lock = l->pid = l->pidfd = -1;
	l->out.log = l->out.pipe = -1;
	l->monitor.listener = l->monitor.inode = -1;
	while ((ch = getopt_long(argc, argv, "ce:l:ns:vw", longopts,
	    NULL)) != -1)
		switch (ch) {
		case 'c':
			l->daemon = 1;
			break;
		case 'e':
			if (l->nemulators == LAUNCH_PATTERNS_MAX)
				fatalx("too many -e");
			l->emulators[l->nemulators++] = optarg;
			break;
		case 'l':
			logfile = optarg;
			break;
		case 'n':
			only_print = 1;
			break;
		case 's':
			socket = optarg;
			break;
		case 'v':
			l->verbose++;
			break;
		case 'w':
			l->paused = 1;
			break;
		default:
			usage();
		}
	argc -= optind;
	argv += optind;
	if (l->daemon ? argc != 0 || socket == NULL || only_print ||
	    l->paused || logfile != NULL : argc != 1)
		usage();

	log_setverbose(l->verbose);
	if (syscall(SYS_close_range, l->daemon ? LAUNCH_PLAN_FD + 1 :
	    STDERR_FILENO + 1, ~0U, 0) == -1)
		fatal("close_range");
	if ((l->planner = planner_path()) == NULL ||
	    (l->name = strdup("")) == NULL)
		fatal("cannot find my programs");
	if (only_print)
		print(l, argv[0]);
	l->socket = socket != NULL ? absolute(socket) : default_socket();
	if (l->socket == NULL)
		fatal("socket");
	if (strlen(l->socket) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		fatalx("%s: the name of a socket cannot be as long",
		    l->socket);
	if (output_open(&l->out, logfile) == -1)
		fatal("%s", logfile != NULL ? logfile : "standard error");
	umask(077);
	limits_raise();
	if ((l->base = event_base_new()) == NULL)
		fatalx("event_base_new");
	signals(l);
	setproctitle("-qemud-launch: %s", "starting");
	if (l->daemon)
		plan_receive(l);
	else
		plan_read(l, argv[0]);
	event_base_dispatch(l->base);
	fatalx("event loop");
}

static int
print(struct launch *l, const char *file)
{
	if (plan_print(l, file) == -1) {
		fprintf(stderr, "qemud-launch: %s\n", l->failure.text);
		exit(EXIT_FAILED);
	}
	exit(0);
}

/* Descriptors 0 to 2 are open, so that nothing else gets their numbers. */
static void
standard_descriptors(void)
{
	int	 fd;

	do {
		if ((fd = open("/dev/null", O_RDWR)) == -1)
			exit(EXIT_FAILED);
	} while (fd <= STDERR_FILENO);
	close(fd);
}

/* ../libexec/qemud, seen from where this program is. */
static char *
planner_path(void)
{
	char	 exe[PATH_MAX], *path, *slash;
	ssize_t	 n;
	int	 i;

	if ((n = readlink("/proc/self/exe", exe, sizeof(exe) - 1)) == -1)
		return (NULL);
	exe[n] = '\0';
	for (i = 0; i < 2; i++)
		if ((slash = strrchr(exe, '/')) != NULL)
			*slash = '\0';
	if (asprintf(&path, "%s/libexec/qemud/launch-plan", exe) == -1)
		return (NULL);
	if (access(path, X_OK) == -1)
		fatal("%s", path);
	return (path);
}

static char *
absolute(const char *path)
{
	char	 cwd[PATH_MAX], *full;

	if (path[0] == '/')
		return (strdup(path));
	if (getcwd(cwd, sizeof(cwd)) == NULL ||
	    asprintf(&full, "%s/%s", cwd, path) == -1)
		return (NULL);
	return (full);
}

/* Where the daemon is that this user has by default. */
static char *
default_socket(void)
{
	const char	*run = getenv("XDG_RUNTIME_DIR");
	const char	*home = getenv("HOME");
	char		*path;
	int		 n;

	if (geteuid() == 0)
		return (strdup(RUNDIR "/qemud/launch"));
	if (run != NULL && run[0] == '/')
		n = asprintf(&path, "%s/qemud/launch", run);
	else
		n = asprintf(&path, "%s/.qemud.d/run/launch",
		    home != NULL && home[0] == '/' ? home : "");
	return (n == -1 ? NULL : path);
}

static void
limits_raise(void)
{
	struct rlimit	 rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == -1 || rl.rlim_cur >= FILES_LIMIT)
		return;
	rl.rlim_cur = rl.rlim_max < FILES_LIMIT ? rl.rlim_max : FILES_LIMIT;
	setrlimit(RLIMIT_NOFILE, &rl);
}

/*
 * A daemon's guest is none of a terminal's; who wants its end says so to the
 * daemon, or sends SIGTERM.
 */
static void
signals(struct launch *l)
{
	static const int	 ends[] = { SIGTERM, SIGINT, SIGHUP };
	struct sigaction	 old;
	sigset_t		 none;
	size_t			 i;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* ignored children would be reaped before we have looked at them */
	signal(SIGCHLD, SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
	for (i = 0; i < 3; i++) {
		if (l->daemon && ends[i] != SIGTERM) {
			signal(ends[i], SIG_IGN);
			continue;
		}
		/* nohup(1) */
		if (ends[i] == SIGHUP && sigaction(SIGHUP, NULL, &old) == 0 &&
		    old.sa_handler == SIG_IGN)
			continue;
		sigs[i] = evsignal_new(l->base, ends[i], on_signal, l);
		if (sigs[i] == NULL || event_add(sigs[i], NULL) == -1)
			fatalx("evsignal_new");
	}
}

/* The first one is passed on as SIGTERM, the second one as SIGKILL. */
static void
on_signal(evutil_socket_t sig, short what, void *arg)
{
	static int	 count;
	struct launch	*l = arg;

	if (l->pid == -1) {
		/* still starting, or just telling the daemon of the end */
		launch_exit(l);
	}
	output_line(&l->out, "%s: ending the emulator",
	    strsignal((int)sig));
	syscall(SYS_pidfd_send_signal, l->pidfd,
	    count++ == 0 ? SIGTERM : SIGKILL, NULL, 0);
}

/* --- the guest's life ----------------------------------------------------- */

int
launch_fail(struct launch *l, int error, const char *fmt, ...)
{
	va_list	 ap;

	if (l->failure.set)
		return (-1);
	l->failure.set = 1;
	l->failure.error = error;
	va_start(ap, fmt);
	vsnprintf(l->failure.text, sizeof(l->failure.text), fmt, ap);
	va_end(ap);
	return (-1);
}

void
launch_planned(struct launch *l, struct plan *p)
{
	char	*emulator = NULL;

	if (p == NULL) {
		guest_failed(l);
		return;
	}
	setproctitle("-qemud-launch: %s", l->name);
	if ((emulator = files_emulator(l, p)) == NULL ||
	    (!l->daemon && files_open(l, p) == -1) ||
	    files_check(l, p) == -1 || files_lock(l, p) == -1 ||
	    prepare(l, p) == -1 || start(l, p, emulator) == -1) {
		free(emulator);
		plan_free(p);
		guest_failed(l);
		return;
	}
	free(emulator);
	if (!l->daemon && setup_start(l, p) == -1) {
		output_line(&l->out, "%s", l->failure.text);
		log_warnx("%s: %s", l->name, l->failure.text);
		launch_kill(l, 0);
	}
	l->xml = p->g.xml;
	p->g.xml = NULL;
	/* also our copies of the descriptors: QEMU has its own */
	plan_free(p);
	guest_started(l);
}

static void
guest_failed(struct launch *l)
{
	output_line(&l->out, "cannot start the guest: %s", l->failure.text);
	if (!l->daemon)
		log_warnx("%s%s%s", l->name, l->name[0] != '\0' ? ": " : "",
		    l->failure.text);
	exit_status = EXIT_FAILED;
	register_ended(l, OWN_FAILED, l->failure.error, l->failure.text);
}

static void
guest_started(struct launch *l)
{
	l->ended = event_new(l->base, l->pidfd, EV_READ, guest_ended, l);
	l->grace = evtimer_new(l->base, grace_over, l);
	if (l->ended == NULL || l->grace == NULL ||
	    event_add(l->ended, NULL) == -1 || register_start(l) == -1) {
		log_warnx("out of memory");
		syscall(SYS_pidfd_send_signal, l->pidfd, SIGKILL, NULL, 0);
		launch_exit(l);
	}
	settle(l);
}

/* From here on there is nothing to do but to wait. */
static void
settle(struct launch *l)
{
	/*
	 * socket, connect, listen, getsockopt - QEMU, the daemon
	 * sendmsg, sendto, recvfrom, read, write, poll, fcntl - these two,
	 *     the log
	 * epoll_*, rt_sig*, clock_gettime, getpid - libevent
	 * waitid, pidfd_send_signal - QEMU's end
	 * brk, mmap, mremap, munmap, madvise, futex, getrandom - malloc
	 * tgkill, gettid, exit_group - the end
	 */
	static const int	 calls[] = {
		SCMP_SYS(socket), SCMP_SYS(connect), SCMP_SYS(listen),
		SCMP_SYS(getsockopt),
		SCMP_SYS(sendmsg), SCMP_SYS(sendto), SCMP_SYS(recvfrom),
		SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(writev),
		SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(fcntl),
		SCMP_SYS(close), SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl),
		SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait),
		SCMP_SYS(epoll_pwait2), SCMP_SYS(rt_sigaction),
		SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn),
		SCMP_SYS(restart_syscall), SCMP_SYS(clock_gettime),
		SCMP_SYS(getpid), SCMP_SYS(geteuid), SCMP_SYS(waitid),
		SCMP_SYS(pidfd_send_signal), SCMP_SYS(brk), SCMP_SYS(mmap),
		SCMP_SYS(mremap), SCMP_SYS(munmap), SCMP_SYS(madvise),
		SCMP_SYS(futex), SCMP_SYS(getrandom), SCMP_SYS(fstat),
		SCMP_SYS(newfstatat), SCMP_SYS(lseek), SCMP_SYS(time),
		SCMP_SYS(gettimeofday), SCMP_SYS(gettid), SCMP_SYS(tgkill),
		SCMP_SYS(exit_group), -1
	};
	struct msg_setup	 setup = { .session = 1 };

	free(l->planner);
	l->planner = NULL;
	confine(&setup, NULL, 0, calls);
	malloc_trim(0);
}

static void
guest_ended(evutil_socket_t fd, short what, void *arg)
{
	struct launch	*l = arg;
	siginfo_t	 si = { 0 };
	enum own_how	 how = OWN_EXITED;
	const char	*text;

	if (waitid(P_PIDFD, l->pidfd, &si, WEXITED | WNOHANG) == -1)
		log_warn("waitid");
	else if (si.si_pid == 0) {
		event_add(l->ended, NULL);
		return;
	}
	event_del(l->grace);
	setup_clear(l);
	close(l->pidfd);
	l->pid = l->pidfd = -1;
	output_finish(&l->out);
	text = output_last(&l->out);
	if (si.si_code == CLD_EXITED) {
		output_line(&l->out, "the emulator has ended with status %d",
		    si.si_status);
		exit_status = si.si_status == 0 ? 0 : EXIT_FAILED;
	} else {
		how = OWN_SIGNALLED;
		output_line(&l->out, "the emulator was ended by signal %d "
		    "(%s)", si.si_status, strsignal(si.si_status));
		exit_status = EXIT_SIGNALLED + si.si_status;
	}
	prepare_clear(l);
	register_ended(l, how, si.si_status, text);
}

void
launch_kill(struct launch *l, unsigned int grace_ms)
{
	struct timeval	 tv = { grace_ms / 1000, grace_ms % 1000 * 1000 };

	if (l->pid == -1)
		return;
	syscall(SYS_pidfd_send_signal, l->pidfd,
	    grace_ms == 0 ? SIGKILL : SIGTERM, NULL, 0);
	if (grace_ms > 0)
		evtimer_add(l->grace, &tv);
}

static void
grace_over(evutil_socket_t fd, short what, void *arg)
{
	struct launch	*l = arg;

	if (l->pid != -1)
		syscall(SYS_pidfd_send_signal, l->pidfd, SIGKILL, NULL, 0);
}

void
launch_exit(struct launch *l)
{
	size_t	 i;

	setup_clear(l);
	register_clear(l);
	output_clear(&l->out);
	prepare_clear(l);
	for (i = 0; i < 3; i++)
		if (sigs[i] != NULL)
			event_free(sigs[i]);
	if (l->ended != NULL)
		event_free(l->ended);
	if (l->grace != NULL)
		event_free(l->grace);
	if (l->lock != -1)
		close(l->lock);
	event_base_free(l->base);
	free(l->name);
	free(l->xml);
	free(l->socket);
	free(l->planner);
	exit(exit_status);
}
