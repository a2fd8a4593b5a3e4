/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * Handlers: QEMU's program (its monitor), and our own (logs, status).  Those
 * of launchers are in launcher.c.
 */

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "imsg/log.h"
#include "paths.h"
#include "qemud/handlers.h"
#include "qemud/qemud.h"

#define WARNINGS_MAX	16		/* more would not be read */
#define RESTARTS_MANY	3

static void	 do_monitor(struct call *, struct guest *);
static void	 monitor_answer(struct guest *, const struct msg_op_done *,
		    const char *, size_t, void *);
static int	 log_tail(const char *, char *, size_t, size_t *);

void
call_qemu_domain_monitor_command(struct call *c, void *arg)
{
	const rp_dom_text_flags	*a = arg;
	struct guest		*g;

	if (call_bad_flags(c, a->flags, LV_MONITOR_HMP))
		return;
	if (strlen(a->text) >= MSG_INLINE_MAX - 256)
		call_fail(c, RPCE_INVALID_ARG, "a monitor command can have %d "
		    "bytes", MSG_INLINE_MAX - 256);
	else if ((g = call_guest(c, &a->dom)) != NULL)
		job_run(c, g, 1, do_monitor);
}

static void
do_monitor(struct call *c, struct guest *g)
{
	const rp_dom_text_flags	*a = c->arg;

	if (g->state != GST_RUNNING)
		call_fail(c, RPCE_OPERATION_INVALID, "domain is not running");
	else
		monitor_op(g, a->flags & LV_MONITOR_HMP ? OP_HMP : OP_QMP,
		    a->text, monitor_answer, c);
}

static void
monitor_answer(struct guest *g, const struct msg_op_done *m, const char *body,
    size_t len, void *arg)
{
	struct call		*c = arg;
	struct rpc_error	 err;
	rp_text			 res;

	if (op_error(m, &err) == -1) {
		call_fail_with(c, &err);
		return;
	}
	if ((res.text = strndup(body, len)) == NULL)
		fatal(NULL);
	call_ok(c, &res);
	free(res.text);
}

/* --- our own ----------------------------------------------------------------- */

void
call_guest_log(struct call *c, void *arg)
{
	static char		 data[OWN_LOG_MAX];
	const own_log_args	*a = arg;
	struct guest		*g = guest_find_name(a->name);
	own_log			 res = { { 0, data } };
	size_t			 max = sizeof(data), len;

	if (g == NULL || g->internal) {
		call_fail(c, RPCE_NO_DOMAIN, "no domain with matching name "
		    "'%s'", a->name);
		return;
	}
	if (a->max != 0 && a->max < max)
		max = a->max;
	if (log_tail(guest_name(g), data, max, &len) == -1) {
		if (errno != ENOENT)
			call_fail(c, RPCE_OPERATION_FAILED, "cannot read the "
			    "log of domain '%s': %s", guest_name(g),
			    strerror(errno));
		else
			call_ok(c, &res);	/* it has not run yet */
		return;
	}
	res.data.data_len = len;
	call_ok(c, &res);
}

/* The last bytes of a guest's log, from the start of a line on. */
static int
log_tail(const char *name, char *data, size_t max, size_t *len)
{
	char		 path[PATH_MAX], *nl;
	struct stat	 st;
	off_t		 from = 0;
	ssize_t		 n;
	int		 fd;

	*len = 0;
	if ((size_t)snprintf(path, sizeof(path), "%s.log", name) >=
	    sizeof(path)) {
		errno = ENAMETOOLONG;
		return (-1);
	}
	fd = openat(env.dirs[DIR_LOG], path, O_RDONLY | O_NOFOLLOW |
	    O_NONBLOCK | O_CLOEXEC);
	if (fd == -1)
		return (-1);
	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode)) {
		close(fd);
		return (-1);
	}
	if (st.st_size > (off_t)max)
		from = st.st_size - max;
	n = pread(fd, data, max, from);
	close(fd);
	if (n == -1)
		return (-1);
	if (from > 0 && (nl = memchr(data, '\n', n)) != NULL) {
		n -= nl + 1 - data;
		memmove(data, nl + 1, n);
	}
	*len = n;
	return (0);
}

/* A list of typed values that grows; the keys are documented. */
struct status_list {
	rp_param	v[64];
	char		keys[64][LV_PARAM_KEY_MAX + 1];
	u_int		n;
};

static rp_param	*add(struct status_list *, const char *, va_list)
		    __attribute__((format(printf, 2, 0)));

static rp_param *
add(struct status_list *l, const char *fmt, va_list ap)
{
	rp_param	*p = &l->v[l->n];

	p->key = l->keys[l->n++];
	vsnprintf(p->key, sizeof(l->keys[0]), fmt, ap);
	return (p);
}

static void	 add_number(struct status_list *, uint64_t, const char *, ...)
		    __attribute__((format(printf, 3, 4)));
static void	 add_text(struct status_list *, const char *, const char *, ...)
		    __attribute__((format(printf, 3, 4)));

static void
add_number(struct status_list *l, uint64_t value, const char *fmt, ...)
{
	rp_param	*p;
	va_list		 ap;

	va_start(ap, fmt);
	p = add(l, fmt, ap);
	va_end(ap);
	p->value.type = LV_PARAM_ULLONG;
	p->value.rp_value_u.ul = value;
}

static void
add_text(struct status_list *l, const char *value, const char *fmt, ...)
{
	rp_param	*p;
	va_list		 ap;

	va_start(ap, fmt);
	p = add(l, fmt, ap);
	va_end(ap);
	p->value.type = LV_PARAM_STRING;
	p->value.rp_value_u.s = (char *)(uintptr_t)value;
}

/* What somebody should see to. */
static void
add_warnings(struct status_list *l)
{
	static char	 text[WARNINGS_MAX][512];
	const char	*name;
	struct guest	*g;
	enum msg_role	 role;
	unsigned int	 n = 0, i;

	for (i = 0; n < WARNINGS_MAX - 1 &&
	    (name = store_skipped(i)) != NULL; i++)
		snprintf(text[n++], sizeof(text[0]), "%s/%s is no definition "
		    "that can be used; the log says why",
		    env.conf.definitions, name);
	TAILQ_FOREACH(g, &guests_active, byactive)
		if (g->state == GST_RUNNING && g->launcher == NULL &&
		    n < WARNINGS_MAX)
			snprintf(text[n++], sizeof(text[0]), "guest %s has "
			    "lost its launcher: nobody can %s it",
			    guest_name(g), g->monitor_ready ?
			    "save what happens to" : "talk to");
	for (role = ROLE_QEMUD; role < ROLE_LAUNCHER; role++)
		if (env.children[role].restarts >= RESTARTS_MANY &&
		    n < WARNINGS_MAX)
			snprintf(text[n++], sizeof(text[0]), "%s has been "
			    "started again %u times", msg_role_name(role),
			    env.children[role].restarts);
	add_number(l, n, "warning.count");
	for (i = 0; i < n; i++)
		add_text(l, text[i], "warning.%u", i);
}

void
call_daemon_status(struct call *c, void *arg)
{
	static struct status_list	 l;
	struct timespec			 now;
	own_status			 res;
	enum msg_role			 role;

	l.n = 0;
	add_text(&l, QEMUD_VERSION, "version");
	add_text(&l, env.proc.setup.session ? "session" : "system",
	    "instance");
	clock_gettime(CLOCK_BOOTTIME, &now);
	add_number(&l, now.tv_sec - env.conf.started, "uptime");
	add_number(&l, guests_count(1, 0), "guests.running");
	add_number(&l, guests_count(1, 1), "guests.defined");
	add_number(&l, clients_count(ROLE_NETD) + clients_count(ROLE_NETD_RO),
	    "clients");
	add_number(&l, ROLE_LAUNCHER, "process.count");
	for (role = ROLE_PARENT; role < ROLE_LAUNCHER; role++) {
		add_text(&l, msg_role_name(role), "process.%d.name", role);
		add_number(&l, env.children[role].pid, "process.%d.pid", role);
		add_text(&l, env.children[role].pid != 0 ? "running" : "down",
		    "process.%d.state", role);
		add_number(&l, env.children[role].restarts,
		    "process.%d.restarts", role);
	}
	add_warnings(&l);
	res.params.params_len = l.n;
	res.params.params_val = l.v;
	call_ok(c, &res);
}
