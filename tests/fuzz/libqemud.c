/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * The client library and a daemon that sends anything at all.  The input is
 * a row of steps: a byte that says what the program does, a byte that says how
 * many bytes the daemon sends next, these bytes.  Serial numbers of calls
 * begin with 1, for the greeting.
 */

#include <sys/types.h>
#include <sys/socket.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/client.h"

#define HANDLES		8

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

struct program {
	struct qemud		*q;
	int			 daemon;
	struct qemud_call	*calls[HANDLES];
	struct qemud_stream	*stream;
	int64_t			 number;	/* of a subscription */
	unsigned int		 told;
	char			 sum;		/* so that all is looked at */
};

static const struct qemud_guest	 guest = { "web1", "0123456789abcde", 3 };

static void
look(struct program *p, const void *data, size_t len)
{
	const char	*b = data;

	while (len-- > 0)
		p->sum ^= *b++;
}

static void
on_done(struct qemud *q, const struct qemud_reply *r, void *arg)
{
	struct program	*p = arg;
	size_t		 i;

	p->told++;
	if (r->error != NULL) {
		look(p, r->error->text, strlen(r->error->text) + 1);
		return;
	}
	p->number = r->number;
	if (r->text != NULL)
		look(p, r->text, r->len + 1);
	for (i = 0; i < r->nguests; i++)
		look(p, r->guests[i].name, strlen(r->guests[i].name));
	for (i = 0; i < r->nparams; i++)
		if (r->params[i].type == QEMUD_TYPE_STRING)
			look(p, r->params[i].value.s,
			    strlen(r->params[i].value.s));
	if (r->info != NULL)
		look(p, r->info, sizeof(*r->info));
	if (r->host != NULL)
		look(p, r->host->model, strlen(r->host->model));
}

static void
on_event(struct qemud *q, const struct qemud_event *e, void *arg)
{
	struct program	*p = arg;

	look(p, e->guest.name, strlen(e->guest.name));
	look(p, e->path, strlen(e->path));
	look(p, e->device, strlen(e->device));
}

static void
on_data(struct qemud_stream *s, const void *data, size_t len, void *arg)
{
	look(arg, data, len);
}

static void
on_end(struct qemud_stream *s, const struct qemud_error *e, void *arg)
{
	struct program	*p = arg;

	p->stream = NULL;
	if (e != NULL)
		look(p, e->text, strlen(e->text));
}

static const struct qemud_stream_ops	 ops = {
	NULL, on_data, NULL, on_end
};

static struct qemud_call *
call(struct program *p, unsigned int kind, qemud_done *done)
{
	switch (kind) {
	case 0:
		return (qemud_guest_list(p->q, 0, done, p));
	case 1:
		return (qemud_guest_find(p->q, "17", done, p));
	case 2:
		return (qemud_guest_info(p->q, &guest, done, p));
	case 3:
		return (qemud_guest_xml(p->q, &guest, 0, done, p));
	case 4:
		return (qemud_guest_log(p->q, &guest, 0, done, p));
	case 5:
		return (qemud_daemon_status(p->q, done, p));
	case 6:
		return (qemud_host_info(p->q, done, p));
	default:
		return (qemud_subscribe(p->q, QEMUD_EVENT_LIFECYCLE, NULL,
		    on_event, p, done, p));
	}
}

static void
stream_act(struct program *p, unsigned int what)
{
	static const char	 text[1000];

	if (p->stream == NULL) {
		p->stream = qemud_guest_console(p->q, &guest, NULL, 0, &ops,
		    p);
		return;
	}
	switch (what) {
	case 0:
		qemud_stream_write(p->stream, text, sizeof(text));
		break;
	case 1:
		qemud_stream_finish(p->stream);
		break;
	case 2:
		qemud_stream_abort(p->stream);
		p->stream = NULL;
		break;
	default:
		qemud_stream_pause(p->stream, what & 1);
		break;
	}
}

/* Bits 0 to 2: which; 3 to 4: what. */
static void
act(struct program *p, unsigned int step)
{
	unsigned int	 which = step & 7;

	switch (step >> 3 & 3) {
	case 0:
		call(p, which, on_done);
		break;
	case 1:
		if (p->calls[which] == NULL)
			p->calls[which] = call(p, which, NULL);
		else {
			qemud_call_free(p->calls[which]);
			p->calls[which] = NULL;
		}
		break;
	case 2:
		stream_act(p, which);
		break;
	default:
		qemud_unsubscribe(p->q, p->number, on_done, p);
		break;
	}
}

/* A connection to us, as if the URI had led to it. */
static int
begin(struct program *p)
{
	int	 sv[2];

	memset(p, 0, sizeof(*p));
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
	    sv) == -1)
		return (-1);
	if ((p->q = qemud_open("", 0)) == NULL)
		abort();
	p->q->stage = STAGE_GREETING;
	p->q->failed = 0;
	p->q->fd = sv[0];
	p->q->target.name = p->q->target.asked = "qemud:///system";
	p->q->deadline = now_ms() + 3600 * 1000;
	p->daemon = sv[1];
	qemud_dispatch(p->q);		/* the greeting has serial 1 */
	return (0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct program	 p;
	char		 buf[4096];
	size_t		 n;

	if (begin(&p) == -1)
		return (0);
	while (size >= 2 && qemud_status(p.q) != QEMUD_CLOSED) {
		act(&p, data[0]);
		n = data[1];
		data += 2;
		size -= 2;
		if (n > size)
			n = size;
		if (send(p.daemon, data, n, MSG_NOSIGNAL) == -1)
			break;
		data += n;
		size -= n;
		qemud_dispatch(p.q);
		while (recv(p.daemon, buf, sizeof(buf), 0) > 0)
			;
	}
	close(p.daemon);
	/* all that is in flight gets an answer, one way or the other */
	while (qemud_dispatch(p.q) == 0)
		;
	qemud_close(p.q);
	return (0);
}
