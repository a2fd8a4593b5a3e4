/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/* Events: who wants which, and what they look like. */

#include <sys/types.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/client.h"
#include "rpc/body.h"

/* The largest body that is looked at here. */
union body {
	rp_evcb_lifecycle	 lifecycle;
	rp_evcb_dom		 dom;
	rp_evcb_dom_int		 dom_int;
	rp_evcb_rtc		 rtc;
	rp_evcb_io_error	 io_error;
	rp_evcb_pm		 pm;
};

static void	 from_lifecycle(const union body *, struct qemud_event *);
static void	 from_reboot(const union body *, struct qemud_event *);
static void	 from_rtc(const union body *, struct qemud_event *);
static void	 from_watchdog(const union body *, struct qemud_event *);
static void	 from_io_error(const union body *, struct qemud_event *);
static void	 from_pm(const union body *, struct qemud_event *);

static const struct kind {
	int	 id;
	int	 number;	/* in the protocol */
	void	 (*fill)(const union body *, struct qemud_event *);
} kinds[] = {
	{ QEMUD_EVENT_LIFECYCLE, EVENT_domain_event_callback_lifecycle,
	    from_lifecycle },
	{ QEMUD_EVENT_REBOOT, EVENT_domain_event_callback_reboot,
	    from_reboot },
	{ QEMUD_EVENT_RTC_CHANGE, EVENT_domain_event_callback_rtc_change,
	    from_rtc },
	{ QEMUD_EVENT_WATCHDOG, EVENT_domain_event_callback_watchdog,
	    from_watchdog },
	{ QEMUD_EVENT_IO_ERROR, EVENT_domain_event_callback_io_error,
	    from_io_error },
	{ QEMUD_EVENT_PM_WAKEUP, EVENT_domain_event_callback_pmwakeup,
	    from_pm },
	{ QEMUD_EVENT_PM_SUSPEND, EVENT_domain_event_callback_pmsuspend,
	    from_pm }
};

static void
from_lifecycle(const union body *b, struct qemud_event *e)
{
	guest_fill(&e->guest, &b->lifecycle.msg.dom);
	e->detail[0] = b->lifecycle.msg.event;
	e->detail[1] = b->lifecycle.msg.detail;
}

static void
from_reboot(const union body *b, struct qemud_event *e)
{
	guest_fill(&e->guest, &b->dom.dom);
}

static void
from_rtc(const union body *b, struct qemud_event *e)
{
	guest_fill(&e->guest, &b->rtc.msg.dom);
	e->number = b->rtc.msg.offset;
}

static void
from_watchdog(const union body *b, struct qemud_event *e)
{
	guest_fill(&e->guest, &b->dom_int.msg.dom);
	e->detail[0] = b->dom_int.msg.value;
}

static void
from_io_error(const union body *b, struct qemud_event *e)
{
	guest_fill(&e->guest, &b->io_error.msg.dom);
	e->detail[0] = b->io_error.msg.action;
	e->path = b->io_error.msg.path;
	e->device = b->io_error.msg.alias;
}

static void
from_pm(const union body *b, struct qemud_event *e)
{
	guest_fill(&e->guest, &b->pm.dom);
	e->detail[0] = b->pm.reason;
}

/* A message that is not keepalive.  -1: not valid. */
int
event_frame(struct qemud *q, const struct frame *f)
{
	const struct rpc_event	*ev;
	const struct kind	*k = NULL;
	struct subscription	*s;
	struct qemud_event	 e = { .path = "", .device = "" };
	union body		 b;
	size_t			 i;

	for (i = 0; i < nitems(kinds); i++)
		if (f->hdr.prog == RP_PROGRAM &&
		    kinds[i].number == f->hdr.procedure)
			k = &kinds[i];
	if (k == NULL)
		return (0);		/* not one that we have asked for */
	if ((ev = rpc_event_find(f->hdr.prog, f->hdr.procedure)) == NULL ||
	    ev->bodysize > sizeof(b) ||
	    rpc_decode(ev->body, f->body, f->len, &b, ev->bodysize) == -1)
		return (-1);
	e.id = k->id;
	k->fill(&b, &e);
	/* all of these bodies begin with the number */
	TAILQ_FOREACH(s, &q->subscriptions, entry)
		if (s->event == k->id && s->number == b.dom.callback)
			break;
	if (s != NULL)
		s->fn(q, &e, s->arg);
	rpc_free(ev->body, &b);
	return (0);
}

struct qemud_call *
qemud_subscribe(struct qemud *q, enum qemud_event_id event,
    const struct qemud_guest *g, qemud_event_fn *fn, void *fn_arg,
    qemud_done *done, void *arg)
{
	rp_register_dom		 a = { 0 };
	rp_dom			 dom;
	struct subscription	*s;
	struct qemud_call	*c;

	if ((s = calloc(1, sizeof(*s))) == NULL)
		return (NULL);
	s->event = event;
	s->number = -1;
	s->fn = fn;
	s->arg = fn_arg;
	a.event = event;
	if (g != NULL) {
		dom = guest_dom(g);
		a.dom = &dom;
	}
	c = call_new(q, RP_PROGRAM,
	    PROC_connect_domain_event_callback_register_any, &a, done, arg);
	if (c == NULL) {
		free(s);
		return (NULL);
	}
	c->subscription = s;
	TAILQ_INSERT_TAIL(&q->subscriptions, s, entry);
	return (c);
}

/* The answer has come.  Without a number it was no use. */
void
subscription_made(struct qemud *q, struct subscription *s,
    const struct qemud_reply *r)
{
	if (r->error == NULL) {
		s->number = r->number;
		return;
	}
	TAILQ_REMOVE(&q->subscriptions, s, entry);
	free(s);
}

struct qemud_call *
qemud_unsubscribe(struct qemud *q, int64_t number, qemud_done *done,
    void *arg)
{
	struct subscription	*s;
	rp_int			 a = { (int)number };

	TAILQ_FOREACH(s, &q->subscriptions, entry)
		if (s->number == number && number >= 0)
			break;
	if (s != NULL) {
		TAILQ_REMOVE(&q->subscriptions, s, entry);
		free(s);
	}
	return (call_new(q, RP_PROGRAM,
	    PROC_connect_domain_event_callback_deregister_any, &a, done,
	    arg));
}

void
subscriptions_clear(struct qemud *q)
{
	struct subscription	*s;

	while ((s = TAILQ_FIRST(&q->subscriptions)) != NULL) {
		TAILQ_REMOVE(&q->subscriptions, s, entry);
		free(s);
	}
}
