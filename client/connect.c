/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/* From nothing to an open connection. */

#include <sys/types.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "client/client.h"
#include "rpc/const.h"

static int	 retry(struct qemud *, int);
static void	 connect_failed(struct qemud *, int);
static const char *
		 advice(const struct qemud *, int);
static void	 greet(struct qemud *);
static void	 feature_done(struct qemud *, const struct qemud_reply *,
		    void *);
static void	 open_done(struct qemud *, const struct qemud_reply *, void *);

void
connect_try(struct qemud *q)
{
	struct sockaddr_un	 sun = { .sun_family = AF_UNIX };
	int			 error, fd;

	q->retry_at = 0;
	memcpy(sun.sun_path, q->target.path, sizeof(sun.sun_path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd != -1 && connect(fd, (struct sockaddr *)&sun,
	    sizeof(sun)) == 0) {
		q->fd = fd;
		q->stage = STAGE_GREETING;
		q->seen = now_ms();
		q->deadline = q->seen + GREET_TIMEOUT_MS;
		return;
	}
	error = errno;
	if (fd != -1)
		close(fd);
	if ((error == ENOENT || error == ECONNREFUSED) && !q->started &&
	    q->target.startable && !(q->flags & QEMUD_OPEN_NO_START))
		session_start(q);
	else if (!retry(q, error))
		connect_failed(q, error);
}

/*
 * Again in a moment, if it may just be too early: too many are waiting to be
 * accepted, or an instance has been started.  0: it makes no sense.
 */
static int
retry(struct qemud *q, int error)
{
	int64_t	 now = now_ms();

	if (error == EAGAIN && q->deadline == 0)
		q->deadline = now + CONNECT_TIMEOUT_MS;
	if ((error != EAGAIN && !q->started) || now >= q->deadline)
		return (0);
	q->stage = STAGE_RETRY;
	q->retry_at = now + CONNECT_RETRY_MS;
	return (1);
}

static void
connect_failed(struct qemud *q, int error)
{
	if (q->saidlen > 0)
		client_fail(q, RPCE_NO_CONNECT, "cannot start %s\n%s",
		    q->target.name, q->said);
	else
		client_fail(q, RPCE_NO_CONNECT, "cannot connect to %s: %s\n"
		    "its socket is %s%s", q->target.name, strerror(error),
		    q->target.path, advice(q, error));
	q->error.sys = error;
}

static const char *
advice(const struct qemud *q, int error)
{
	switch (error) {
	case ENOENT:
	case ECONNREFUSED:
		return (q->target.session ?
		    "\nqemud-parent -S starts a session instance" :
		    "\nis qemud-parent running?");
	case EACCES:
	case EPERM:
		return (q->flags & QEMUD_OPEN_READ_ONLY ?
		    "\nits owner and mode are set in qemud.conf" :
		    "\nits owner and mode are set in qemud.conf; you may be "
		    "allowed to look: try the read-only socket");
	case EAGAIN:
		return ("\ntoo many clients are waiting there");
	default:
		return ("");
	}
}

void
connect_step(struct qemud *q)
{
	if (q->stage == STAGE_STARTING)
		session_step(q);
	if (q->stage == STAGE_RETRY && now_ms() >= q->retry_at)
		connect_try(q);
	if (q->stage != STAGE_GREETING)
		return;
	if (!q->greeted)
		greet(q);
	else if (now_ms() >= q->deadline)
		client_fail(q, RPCE_NO_CONNECT, "cannot connect to %s: no "
		    "answer for %d s\nits socket is %s", q->target.name,
		    GREET_TIMEOUT_MS / 1000, q->target.path);
}

static void
greet(struct qemud *q)
{
	rp_str			 uri;
	rp_opttext_flags	 open = { &uri, 0 };
	rp_int			 feature = { LV_FEATURE_KEEPALIVE };

	q->greeted = 1;
	uri = (char *)(uintptr_t)q->target.asked;	/* only read */
	if (q->flags & QEMUD_OPEN_READ_ONLY)
		open.flags = LV_OPEN_RO;
	if ((q->ping_interval != 0 && call_early(q,
	    PROC_connect_supports_feature, &feature, feature_done,
	    NULL) == NULL) || call_early(q, PROC_connect_open, &open,
	    open_done, NULL) == NULL)
		client_fail(q, RPCE_NO_MEMORY, "out of memory");
}

static void
feature_done(struct qemud *q, const struct qemud_reply *r, void *arg)
{
	q->pinging = r->error == NULL && r->number != 0;
}

static void
open_done(struct qemud *q, const struct qemud_reply *r, void *arg)
{
	if (r->error == NULL) {
		q->deadline = 0;
		q->stage = STAGE_OPEN;
		client_opened(q);
	} else if (q->stage != STAGE_CLOSED)
		client_fail(q, (enum rpc_code)r->error->code,
		    "cannot connect to %s: %s\nits socket is %s",
		    q->target.name, r->error->text, q->target.path);
}
