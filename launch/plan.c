/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * How the plan of the guest is made: the planner gets the domain's XML on
 * its standard input, from qemud or from a file, and answers with what has
 * to be opened and run.  From qemud come also the files.
 */

#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "imsg/chan.h"
#include "imsg/log.h"
#include "launch/launch.h"
#include "rpc/body.h"

#define PLAN_READ_SIZE	32768

/* A file that came before it was known what the plan needs. */
struct given {
	char	key[PLAN_KEY_MAX + 1];
	int	fd;
};

/* While there is no plan yet; one per process. */
struct planning {
	struct launch	*l;
	struct chan	*qemud;		/* NULL: not from there */
	struct event	*next;		/* goes on when qemud has been left */
	struct given	*given;
	size_t		 ngiven, sgiven;
	int		 have_plan;	/* MSG_PLAN */
	int		 go;		/* MSG_PLAN_GO */
	const char	*file;		/* name of what is read, or NULL */

	pid_t		 pid;		/* the planner */
	struct event	*answer;
	int		 fd;
	char		*buf;
	size_t		 len, size;
	int		 done;
};

static int	on_plan(struct chan *, void *, int);
static int	on_file(struct chan *, void *, int);
static int	on_go(struct chan *, void *, int);
static void	qemud_gone(struct chan *);
static void	plan_next(evutil_socket_t, short, void *);

static int	planner_run(struct planning *, int, const char *);
static void	planner_child(const char *, int, int, const char *)
		    __attribute__((noreturn));
static void	planner_readable(evutil_socket_t, short, void *);
static ssize_t	planner_read(struct planning *);
static void	planner_end(struct planning *);
static struct plan *
		 planner_answer(struct planning *);
static int	plan_match(struct planning *, struct plan *);
static int	plan_open(struct planning *, const char *);
static void	planning_clear(struct planning *);

static const struct msg_handler from_qemud[] = {
	MSG_ROW(MSG_PLAN, msg_plan, FD_MUST, on_plan),
	MSG_ROW(MSG_PLAN_FILE, msg_plan_file, FD_MUST, on_file),
	MSG_ROW_EMPTY(MSG_PLAN_GO, on_go),
	MSG_ROW_END
};

static struct planning	 planning = { .fd = -1, .pid = -1 };

/* --- from qemud ----------------------------------------------------------- */

void
plan_receive(struct launch *l)
{
	struct planning	*pl = &planning;
	int		 flags;

	pl->l = l;
	flags = fcntl(LAUNCH_PLAN_FD, F_GETFL);
	if (flags == -1)
		fatalx("with -c a plan comes on descriptor 3: is started by "
		    "qemud-parent, not by hand");
	if (fcntl(LAUNCH_PLAN_FD, F_SETFL, flags | O_NONBLOCK) == -1 ||
	    fcntl(LAUNCH_PLAN_FD, F_SETFD, FD_CLOEXEC) == -1)
		fatal("descriptor 3");
	pl->next = event_new(l->base, -1, 0, plan_next, pl);
	pl->qemud = chan_new(l->base, LAUNCH_PLAN_FD, "qemud", from_qemud, pl,
	    qemud_gone);
	if (pl->next == NULL || pl->qemud == NULL)
		fatal("channel to qemud");
}

static int
on_plan(struct chan *c, void *arg, int fd)
{
	struct planning	*pl = chan_owner(c);
	struct msg_plan	*m = arg;

	if (pl->have_plan) {
		close(fd);
		return (-1);
	}
	pl->have_plan = 1;
	memcpy(pl->l->uuid, m->uuid, sizeof(pl->l->uuid));
	pl->l->start_timeout_s = m->start_timeout_s;
	/* where the sender has left it is of no interest */
	if (lseek(fd, 0, SEEK_SET) == -1) {
		close(fd);
		return (-1);
	}
	planner_run(pl, fd, "-d");
	return (0);
}

static int
on_file(struct chan *c, void *arg, int fd)
{
	struct planning		*pl = chan_owner(c);
	struct msg_plan_file	*m = arg;
	struct given		*g;
	size_t			 size;

	if (!pl->have_plan || pl->go || pl->ngiven >= PLAN_FILES_MAX ||
	    strlen(m->key) > PLAN_KEY_MAX) {
		close(fd);
		return (-1);
	}
	if (strcmp(m->key, "lock") == 0) {
		if (pl->l->lock != -1) {
			close(fd);
			return (-1);
		}
		pl->l->lock = fd;
		if (flock(fd, LOCK_EX | LOCK_NB) == -1)
			launch_fail(pl->l, errno, "the guest is running "
			    "already: its status file is locked");
		return (0);
	}
	if (pl->ngiven == pl->sgiven) {
		size = pl->sgiven + 16;
		g = recallocarray(pl->given, pl->sgiven, size, sizeof(*g));
		if (g == NULL) {
			close(fd);
			return (-1);
		}
		pl->given = g;
		pl->sgiven = size;
	}
	g = &pl->given[pl->ngiven++];
	strlcpy(g->key, m->key, sizeof(g->key));
	g->fd = fd;
	return (0);
}

static int
on_go(struct chan *c, void *arg, int fd)
{
	struct planning	*pl = chan_owner(c);

	if (!pl->have_plan || pl->go)
		return (-1);
	pl->go = 1;
	/* no word from there counts any more */
	chan_end(c);
	return (0);
}

/* Also after chan_end(): here the channel can be freed. */
static void
qemud_gone(struct chan *c)
{
	struct planning	*pl = chan_owner(c);

	chan_free(c);
	pl->qemud = NULL;
	if (!pl->go) {
		log_info("qemud has given up the start");
		planning_clear(pl);
		exit(0);
	}
	event_active(pl->next, EV_TIMEOUT, 0);
}

/* --- from a file ---------------------------------------------------------- */

void
plan_read(struct launch *l, const char *file)
{
	struct planning	*pl = &planning;

	pl->l = l;
	pl->file = file;
	pl->go = 1;
	pl->next = event_new(l->base, -1, 0, plan_next, pl);
	if (pl->next == NULL)
		fatalx("event_new");
	if (plan_open(pl, NULL) == -1)
		event_active(pl->next, EV_TIMEOUT, 0);
}

/* Gives the file to the planner. */
static int
plan_open(struct planning *pl, const char *option)
{
	int	 fd;

	if (strcmp(pl->file, "-") == 0) {
		pl->file = "standard input";
		fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	} else
		fd = open(pl->file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd == -1)
		return (launch_fail(pl->l, errno, "%s: %s", pl->file,
		    strerror(errno)));
	return (planner_run(pl, fd, option));
}

int
plan_print(struct launch *l, const char *file)
{
	struct planning		*pl = &planning;
	struct plan		*p = NULL;
	struct plan_guest	*g;
	char			*word;
	u_int			 i;
	ssize_t			 n;

	pl->l = l;
	pl->file = file;
	if (plan_open(pl, "-p") == -1)
		return (-1);
	while ((n = planner_read(pl)) > 0 || (n == -1 && errno == EINTR))
		;
	planner_end(pl);
	if ((p = planner_answer(pl)) == NULL)
		goto out;
	g = &p->g;
	for (i = 0; i < g->args.args_len; i++) {
		if ((word = shell_quote(g->args.args_val[i])) == NULL)
			fatal(NULL);
		if (i > 0)
			printf(g->args.args_val[i][0] == '-' ? " \\\n    " :
			    " ");
		printf("%s", word);
		free(word);
	}
	printf("\n");
	if (fflush(stdout) != 0)
		launch_fail(l, errno, "standard output: %s", strerror(errno));
 out:
	plan_free(p);
	planning_clear(pl);
	return (l->failure.set ? -1 : 0);
}

/* --- the planner ---------------------------------------------------------- */

/* Takes fd.  -1: the failure says why. */
static int
planner_run(struct planning *pl, int fd, const char *option)
{
	int	 out[2];

	if (pipe2(out, O_CLOEXEC) == -1) {
		close(fd);
		return (launch_fail(pl->l, errno, "pipe: %s",
		    strerror(errno)));
	}
	if ((pl->pid = fork()) == 0)
		planner_child(pl->l->planner, fd, out[1], option);
	close(fd);
	close(out[1]);
	pl->fd = out[0];
	if (pl->pid == -1)
		return (launch_fail(pl->l, errno, "fork: %s",
		    strerror(errno)));
	if (pl->l->base == NULL)
		return (0);
	pl->answer = event_new(pl->l->base, pl->fd, EV_READ | EV_PERSIST,
	    planner_readable, pl);
	if (pl->answer == NULL || event_add(pl->answer, NULL) == -1) {
		planner_end(pl);
		return (launch_fail(pl->l, ENOMEM, "%s", strerror(ENOMEM)));
	}
	return (0);
}

static void
planner_child(const char *path, int in, int out, const char *option)
{
	static char	 name[] = "launch-plan", env0[] = "PATH=/usr/bin:/bin";
	char		*env[] = { env0, NULL };
	char		*argv[] = { name, (char *)(uintptr_t)option, NULL };

	/* in and out are not 0 to 2: these are always open */
	if (dup2(in, STDIN_FILENO) == -1 || dup2(out, STDOUT_FILENO) == -1 ||
	    syscall(SYS_close_range, 3, ~0U, 0) == -1)
		_exit(126);
	execve(path, argv, env);
	log_warn("cannot execute %s", path);
	_exit(127);
}

static void
planner_readable(evutil_socket_t fd, short what, void *arg)
{
	struct planning	*pl = arg;
	ssize_t		 n;

	n = planner_read(pl);
	if (n > 0 || (n == -1 && errno == EINTR))
		return;
	event_free(pl->answer);
	pl->answer = NULL;
	planner_end(pl);
	if (pl->go && pl->qemud == NULL)
		plan_next(-1, 0, pl);
}

/* 0 at the end, or when it is too much. */
static ssize_t
planner_read(struct planning *pl)
{
	size_t	 size;
	ssize_t	 n;
	char	*p;

	if (pl->size - pl->len < PLAN_READ_SIZE) {
		size = pl->size * 2 + PLAN_READ_SIZE;
		if (size > 2 * PLAN_BYTES_MAX ||
		    (p = realloc(pl->buf, size)) == NULL) {
			launch_fail(pl->l, EFBIG, "the plan is too large");
			return (0);
		}
		pl->buf = p;
		pl->size = size;
	}
	n = read(pl->fd, pl->buf + pl->len, PLAN_READ_SIZE);
	if (n > 0)
		pl->len += n;
	return (n);
}

/* It has answered, and so has nothing more to do. */
static void
planner_end(struct planning *pl)
{
	int	 status;

	close(pl->fd);
	pl->fd = -1;
	pl->done = 1;
	if (pl->pid <= 0)
		return;
	kill(pl->pid, SIGKILL);
	while (waitpid(pl->pid, &status, 0) == -1 && errno == EINTR)
		;
	pl->pid = -1;
}

/* NULL: the failure says why. */
static struct plan *
planner_answer(struct planning *pl)
{
	struct plan_answer	 answer;
	struct plan_error	*e;
	struct plan		*p;
	u_int			 i;

	if (rpc_decode((xdrproc_t)xdr_plan_answer, pl->buf, pl->len, &answer,
	    sizeof(answer)) == -1) {
		launch_fail(pl->l, 0, "the domain cannot be read: %s gave no "
		    "answer", pl->l->planner);
		return (NULL);
	}
	if (!answer.ok) {
		e = &answer.plan_answer_u.error;
		if (pl->file != NULL && e->line > 0)
			launch_fail(pl->l, 0, "%s:%u:%u: %s", pl->file,
			    e->line, e->column > 0 ? e->column : 1, e->text);
		else if (pl->file != NULL)
			launch_fail(pl->l, 0, "%s: %s", pl->file, e->text);
		else
			launch_fail(pl->l, 0, "%s", e->text);
		rpc_free((xdrproc_t)xdr_plan_answer, &answer);
		return (NULL);
	}
	if ((p = calloc(1, sizeof(*p))) == NULL ||
	    (p->fds = calloc(answer.plan_answer_u.guest.files.files_len + 1,
	    sizeof(*p->fds))) == NULL) {
		free(p);
		rpc_free((xdrproc_t)xdr_plan_answer, &answer);
		launch_fail(pl->l, ENOMEM, "%s", strerror(ENOMEM));
		return (NULL);
	}
	p->g = answer.plan_answer_u.guest;
	for (i = 0; i < p->g.files.files_len; i++)
		p->fds[i] = -1;
	return (p);
}

/* --- both came together --------------------------------------------------- */

static void
plan_next(evutil_socket_t fd, short what, void *arg)
{
	struct planning	*pl = arg;
	struct launch	*l = pl->l;
	struct plan	*p = NULL;

	if (pl->pid > 0)
		return;			/* the planner is still at work */
	if (pl->done)
		p = planner_answer(pl);
	if (p != NULL) {
		free(l->name);
		l->name = p->g.name;
		p->g.name = NULL;
		if (pl->file != NULL)
			memcpy(l->uuid, p->g.uuid, sizeof(l->uuid));
		else if (memcmp(l->uuid, p->g.uuid, sizeof(l->uuid)) != 0)
			launch_fail(l, 0, "the plan is of another domain");
		if (plan_match(pl, p) == -1 || l->failure.set) {
			plan_free(p);
			p = NULL;
		}
	}
	planning_clear(pl);
	launch_planned(l, p);
}

/* Each file that was given has its place. */
static int
plan_match(struct planning *pl, struct plan *p)
{
	struct given	*g;
	size_t		 i;
	u_int		 j;

	for (i = 0; i < pl->ngiven; i++) {
		g = &pl->given[i];
		for (j = 0; j < p->g.files.files_len; j++)
			if (strcmp(p->g.files.files_val[j].key, g->key) == 0)
				break;
		if (j == p->g.files.files_len || p->fds[j] != -1 ||
		    p->g.files.files_val[j].mode == PLAN_LISTEN)
			return (launch_fail(pl->l, 0, "%s: the domain has no "
			    "such file", g->key));
		p->fds[j] = g->fd;
		g->fd = -1;
	}
	return (0);
}

void
plan_free(struct plan *p)
{
	struct plan_answer	 answer = { .ok = 1 };
	u_int			 i;

	if (p == NULL)
		return;
	for (i = 0; i < p->g.files.files_len; i++)
		if (p->fds[i] != -1)
			close(p->fds[i]);
	free(p->fds);
	answer.plan_answer_u.guest = p->g;
	rpc_free((xdrproc_t)xdr_plan_answer, &answer);
	free(p);
}

static void
planning_clear(struct planning *pl)
{
	size_t	 i;

	if (pl->pid > 0)
		planner_end(pl);
	if (pl->answer != NULL)
		event_free(pl->answer);
	if (pl->next != NULL)
		event_free(pl->next);
	for (i = 0; i < pl->ngiven; i++)
		if (pl->given[i].fd != -1)
			close(pl->given[i].fd);
	free(pl->given);
	free(pl->buf);
	memset(pl, 0, sizeof(*pl));
	pl->fd = pl->pid = -1;
}
