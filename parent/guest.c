/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * Runs launchers and ends guests, for qemud.  The program is always the same,
 * its arguments come from the configuration only; what the guest is reaches
 * the launcher over the descriptor that qemud sends along.
 */

#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <grp.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "imsg/log.h"
#include "imsg/proc.h"
#include "parent/parent.h"

#define GUESTS_MAX	8192
#define UID_UNUSED	0x80000000U	/* no account has more than that */

/* A launcher that this process started and that has not ended yet. */
struct launcher {
	TAILQ_ENTRY(launcher)	 entry;
	struct event		*ended;
	pid_t			 pid;
	int			 pidfd;
	uid_t			 uid;
	char			 name[MSG_NAME_MAX + 1];
};

static int	 name_ok(const char *);
static const char *
		 launch(const struct msg_launch *, int, pid_t *);
static int	 log_open(const char *);
static pid_t	 spawn(const struct msg_launch *, int, int, int *);
static struct launcher *
		 launcher_add(const struct msg_launch *, pid_t, int);
static void	 launcher_ended(evutil_socket_t, short, void *);
static int	 uid_run(uid_t, int (*)(void));
static int	 uid_kill(void);
static int	 uid_find(void);
static int	 is_emulator(const char *);
static int	 kill_named(pid_t, const char *);

static TAILQ_HEAD(, launcher)	 launchers = TAILQ_HEAD_INITIALIZER(launchers);
static unsigned int		 nlaunchers;
static struct env		*env;

void
guest_init(struct env *e)
{
	env = e;
}

int
guest_launch(struct chan *c, void *arg, int fd)
{
	struct msg_launch	*m = arg;
	struct msg_launched	 answer = { 0 };
	const char		*why;
	char			 text[MSG_TEXT_MAX + 1];

	if (!name_ok(m->name) || (!env->session &&
	    (m->uid < env->conf->uid_first || m->uid > env->conf->uid_last))) {
		close(fd);
		return (-1);
	}
	answer.id = m->id;
	if ((why = launch(m, fd, &answer.pid)) != NULL) {
		answer.error = errno != 0 ? errno : EINVAL;
		snprintf(text, sizeof(text), "%s: %s", why,
		    strerror(answer.error));
		log_warnx("guest %s: %s", m->name, text);
	} else
		text[0] = '\0';
	answer.text = text;
	CHAN_SEND(c, MSG_LAUNCHED, msg_launched, &answer, -1);
	return (0);
}

/* Takes fd.  NULL, or what could not be done, with errno. */
static const char *
launch(const struct msg_launch *m, int fd, pid_t *pid)
{
	struct launcher	*l;
	int		 logfd, pidfd;

	TAILQ_FOREACH(l, &launchers, entry)
		if (!env->session && l->uid == m->uid) {
			close(fd);
			errno = EBUSY;
			return ("another guest with its uid is still there");
		}
	/* of one that an earlier instance has started, perhaps */
	if (!env->session && uid_run(m->uid, uid_find) != ESRCH) {
		close(fd);
		errno = EBUSY;
		return ("processes with its uid are still there");
	}
	if (nlaunchers >= GUESTS_MAX) {
		close(fd);
		errno = EAGAIN;
		return ("too many guests");
	}
	if ((logfd = log_open(m->name)) == -1) {
		close(fd);
		return ("cannot open its log");
	}
	*pid = spawn(m, fd, logfd, &pidfd);
	close(logfd);
	if (*pid == -1)
		return ("cannot start its launcher");
	if (launcher_add(m, *pid, pidfd) == NULL) {
		kill(*pid, SIGKILL);
		waitpid(*pid, NULL, 0);
		close(pidfd);
		errno = ENOMEM;
		return ("cannot watch its launcher");
	}
	return (NULL);
}

/* What can be a file's name, and names nothing outside a folder. */
static int
name_ok(const char *name)
{
	return (name[0] != '\0' && strchr(name, '/') == NULL);
}

/* Of the guest's log, which qemud may read and nobody but us replace. */
static int
log_open(const char *name)
{
	const struct conf	*conf = env->conf;
	char			 path[PATH_MAX];
	struct stat		 st;
	int			 fd;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s.log",
	    conf->dirs[DIR_LOG].path, name) >= sizeof(path)) {
		errno = ENAMETOOLONG;
		return (-1);
	}
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW |
	    O_NONBLOCK | O_CLOEXEC, 0600);
	if (fd == -1)
		return (-1);
	if (fstat(fd, &st) == -1)
		goto fail;
	if (!S_ISREG(st.st_mode)) {
		errno = EINVAL;
		goto fail;
	}
	if (!env->session && (fchown(fd, 0, conf->users[ROLE_QEMUD].gid) == -1 ||
	    fchmod(fd, 0640) == -1))
		goto fail;
	return (fd);

 fail:
	close(fd);
	return (-1);
}

static pid_t
spawn(const struct msg_launch *m, int fd, int logfd, int *pidfd)
{
	static char		 arg0[] = "qemud-launch", c[] = "-c",
				 s[] = "-s", e[] = "-e";
	struct proc_spec	 spec = { 0 };
	struct conf_listen	*l;
	struct conf_path	*p;
	char			*argv[2 * CONF_LIST_MAX + 8];
	int			 n = 0;

	argv[n++] = arg0;
	argv[n++] = c;
	TAILQ_FOREACH(l, &env->conf->listens, entry)
		if (l->class == CLASS_LAUNCH) {
			argv[n++] = s;
			argv[n++] = l->path;
			break;
		}
	TAILQ_FOREACH(p, &env->conf->emulators, entry) {
		argv[n++] = e;
		argv[n++] = p->path;
	}
	argv[n] = NULL;
	spec.path = env->launcher;
	spec.argv = argv;
	spec.channel = fd;
	spec.out = logfd;
	spec.drop = !env->session;
	spec.uid = spec.gid = m->uid;
	return (proc_spawn(&spec, pidfd));
}

static struct launcher *
launcher_add(const struct msg_launch *m, pid_t pid, int pidfd)
{
	struct launcher	*l;

	if (pidfd == -1 || (l = calloc(1, sizeof(*l))) == NULL)
		return (NULL);
	l->ended = event_new(env->base, pidfd, EV_READ, launcher_ended, l);
	if (l->ended == NULL || event_add(l->ended, NULL) == -1) {
		if (l->ended != NULL)
			event_free(l->ended);
		free(l);
		return (NULL);
	}
	l->pid = pid;
	l->pidfd = pidfd;
	l->uid = m->uid;
	strlcpy(l->name, m->name, sizeof(l->name));
	TAILQ_INSERT_TAIL(&launchers, l, entry);
	nlaunchers++;
	log_debug("guest %s: launcher %d", l->name, (int)pid);
	return (l);
}

static void
launcher_ended(evutil_socket_t fd, short what, void *arg)
{
	struct launcher			*l = arg;
	struct msg_launcher_ended	 m = { 0 };
	struct chan			*c;

	m.pid = l->pid;
	if (waitpid(l->pid, &m.status, WNOHANG) <= 0)
		m.status = 0;
	if (WIFSIGNALED(m.status))
		log_warnx("guest %s: launcher %d: signal %d", l->name,
		    (int)l->pid, WTERMSIG(m.status));
	if ((c = children_chan(ROLE_QEMUD)) != NULL)
		CHAN_SEND(c, MSG_LAUNCHER_ENDED, msg_launcher_ended, &m, -1);
	TAILQ_REMOVE(&launchers, l, entry);
	nlaunchers--;
	event_free(l->ended);
	close(l->pidfd);
	free(l);
}

int
guest_kill(struct chan *c, void *arg, int fd)
{
	struct msg_kill		*m = arg;
	struct msg_killed	 answer = { 0 };
	int			 error;

	answer.id = m->id;
	if (env->session) {
		/* the launcher first: else it would report an accident */
		error = kill_named(m->pid, "qemud-launch");
		if (m->qemu_pid > 0 &&
		    kill_named(m->qemu_pid, NULL) == 0)
			error = 0;
	} else {
		if (m->uid < env->conf->uid_first ||
		    m->uid > env->conf->uid_last)
			return (-1);
		error = uid_run(m->uid, uid_kill);
	}
	answer.error = error;
	CHAN_SEND(c, MSG_KILLED, msg_killed, &answer, -1);
	return (0);
}

/*
 * All processes of a guest, whichever they are: a process with its effective
 * uid may signal just these.  They may signal none whose real and saved uids
 * are others, so those are nobody's: else the guest could stop this process,
 * and us, who wait for it.  Returns what fn does, 0 or an errno value.
 */
static int
uid_run(uid_t uid, int (*fn)(void))
{
	pid_t	 pid;
	uid_t	 own;
	int	 status;

	if ((pid = fork()) == -1)
		return (errno);
	if (pid == 0) {
		own = UID_UNUSED + getpid();
		if (setgroups(0, NULL) == -1 ||
		    setresgid(uid, uid, uid) == -1 ||
		    setresuid(own, uid, own) == -1)
			_exit(EPERM);
		_exit(fn());
	}
	while (waitpid(pid, &status, 0) == -1)
		if (errno != EINTR)
			return (errno);
	return (WIFEXITED(status) ? WEXITSTATUS(status) : EINTR);
}

static int
uid_kill(void)
{
	/* leaves out the caller itself; 0 also if it was alone */
	return (kill(-1, SIGKILL) == -1 ? errno : 0);
}

/* 0 if there is one, else ESRCH. */
static int
uid_find(void)
{
	struct dirent	*de;
	const char	*error;
	DIR		*dir;
	pid_t		 pid;

	if ((dir = opendir("/proc")) == NULL)
		return (errno);
	while ((de = readdir(dir)) != NULL) {
		pid = strtonum(de->d_name, 2, INT_MAX, &error);
		if (error == NULL && pid != getpid() && kill(pid, 0) == 0)
			return (0);
	}
	return (ESRCH);
}

/* The name of a process has 15 characters of its program's. */
static int
is_emulator(const char *comm)
{
	struct conf_path	*p;
	const char		*base;

	TAILQ_FOREACH(p, &env->conf->emulators, entry) {
		base = strrchr(p->path, '/') + 1;
		if (fnmatch(base, comm, 0) == 0 ||
		    (strlen(comm) == 15 && strncmp(base, comm, 15) == 0))
			return (1);
	}
	return (0);
}

/*
 * In a session all processes have one uid: end this one only if its name (or
 * that of some emulator, if it is NULL) says that it is of a guest.  A process that may not be traced shows no
 * more than that, also to its user.
 */
static int
kill_named(pid_t pid, const char *name)
{
	char	 path[64], comm[32] = "";
	ssize_t	 n = -1;
	int	 pidfd, fd, error = 0;

	if (pid <= 1)
		return (EINVAL);
	if ((pidfd = syscall(SYS_pidfd_open, pid, 0)) == -1)
		return (errno);
	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) != -1) {
		n = read(fd, comm, sizeof(comm) - 1);
		close(fd);
	}
	comm[strcspn(comm, "\n")] = '\0';
	if (n <= 0 || !(name != NULL ? strcmp(comm, name) == 0 :
	    is_emulator(comm)))
		error = EPERM;
	else if (syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL,
	    0) == -1)
		error = errno;
	close(pidfd);
	return (error);
}
