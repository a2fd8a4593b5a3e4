/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * Events: who asked for which, and what is sent when one happens.  Clients
 * register in two ways: the old one gets each event once, in its old form;
 * the newer one gets it once for each callback, with the callback's number
 * in front.
 */

#include <stdlib.h>
#include <string.h>

#include "imsg/log.h"
#include "qemud/qemud.h"

/* An event that happens: the message in both forms. */
struct happening {
	const struct guest	*guest;
	enum lv_event_id	 id;
	int			 old;		/* its number in the old form */
	int			 new;
	const void		*oldbody;
	void			*newbody;	/* begins with the callback */
};

static struct subscription *
		 subscribe(struct client *, int, int);
static int	 unsubscribe(struct client *, struct subscription *);
static void	 event_send(const struct happening *);
static void	 event_client(struct client *, void *);

static unsigned int	 nsubscriptions[ROLE_COUNT];

static struct subscription *
subscribe(struct client *c, int kind, int event)
{
	struct subscription	*s;

	if (c->nsubscriptions >= SUBSCRIPTIONS_MAX ||
	    nsubscriptions[c->role] >= SUBSCRIPTIONS_ALL_MAX)
		return (NULL);
	if ((s = calloc(1, sizeof(*s))) == NULL)
		fatal(NULL);
	s->kind = kind;
	s->callback = c->lastcallback++;
	s->event = event;
	TAILQ_INSERT_TAIL(&c->subscriptions, s, entry);
	c->nsubscriptions++;
	nsubscriptions[c->role]++;
	return (s);
}

static int
unsubscribe(struct client *c, struct subscription *s)
{
	if (s == NULL)
		return (-1);
	TAILQ_REMOVE(&c->subscriptions, s, entry);
	c->nsubscriptions--;
	nsubscriptions[c->role]--;
	free(s);
	return (0);
}

int
event_subscribe(struct client *c, int event, int legacy, const uint8_t *uuid)
{
	struct subscription	*s;

	if (event < 0 || event >= LV_EVENT_ID_LAST)
		return (-1);
	/* the same again would only multiply what one event costs */
	TAILQ_FOREACH(s, &c->subscriptions, entry)
		if (s->kind == 0 && s->event == event &&
		    s->legacy == legacy && s->one == (uuid != NULL) &&
		    (uuid == NULL || memcmp(s->uuid, uuid,
		    sizeof(s->uuid)) == 0))
			return (-1);
	if ((s = subscribe(c, 0, event)) == NULL)
		return (-1);
	s->legacy = legacy;
	if (uuid != NULL) {
		s->one = 1;
		memcpy(s->uuid, uuid, sizeof(s->uuid));
	}
	return (s->callback);
}

int
event_subscribe_kind(struct client *c, int kind)
{
	struct subscription	*s = subscribe(c, kind, -1);

	return (s == NULL ? -1 : s->callback);
}

int
event_unsubscribe_kind(struct client *c, int kind, int callback)
{
	struct subscription	*s;

	TAILQ_FOREACH(s, &c->subscriptions, entry)
		if (!s->legacy && s->kind == kind && s->callback == callback)
			break;
	return (unsubscribe(c, s));
}

int
event_unsubscribe(struct client *c, int callback)
{
	return (event_unsubscribe_kind(c, 0, callback));
}

void
event_unsubscribe_all(struct client *c)
{
	while (!TAILQ_EMPTY(&c->subscriptions))
		unsubscribe(c, TAILQ_FIRST(&c->subscriptions));
}

int
event_unsubscribe_legacy(struct client *c, int event)
{
	struct subscription	*s;

	TAILQ_FOREACH(s, &c->subscriptions, entry)
		if (s->legacy && s->event == event)
			break;
	return (unsubscribe(c, s));
}

static void
event_send(const struct happening *h)
{
	if (!h->guest->internal)
		clients_each(event_client, (void *)(uintptr_t)h);
}

static void
event_client(struct client *c, void *arg)
{
	const struct happening	*h = arg;
	struct subscription	*s;

	TAILQ_FOREACH(s, &c->subscriptions, entry) {
		if (s->event != (int)h->id)
			continue;
		if (s->one && memcmp(s->uuid, guest_uuid(h->guest),
		    sizeof(s->uuid)) != 0)
			continue;
		if (s->legacy)
			client_event(c, RP_PROGRAM, h->old, h->oldbody);
		else {
			*(int *)h->newbody = s->callback;
			client_event(c, RP_PROGRAM, h->new, h->newbody);
		}
	}
}

void
event_lifecycle(struct guest *g, enum lv_event event, int detail)
{
	rp_evcb_lifecycle	 new = { 0 };
	struct happening	 h = { g, LV_EVENT_ID_LIFECYCLE,
	    EVENT_domain_event_lifecycle,
	    EVENT_domain_event_callback_lifecycle, &new.msg, &new };

	guest_dom(g, &new.msg.dom);
	new.msg.event = event;
	new.msg.detail = detail;
	event_send(&h);
}

void
event_reboot(struct guest *g)
{
	rp_evcb_dom		 new = { 0 };
	struct happening	 h = { g, LV_EVENT_ID_REBOOT,
	    EVENT_domain_event_reboot, EVENT_domain_event_callback_reboot,
	    &new.dom, &new };

	guest_dom(g, &new.dom);
	event_send(&h);
}

void
event_pm(struct guest *g, enum lv_event_id id)
{
	rp_evcb_pm		 new = { 0 };
	struct happening	 h = { g, id, EVENT_domain_event_pmsuspend,
	    EVENT_domain_event_callback_pmsuspend, &new.dom, &new };

	if (id == LV_EVENT_ID_PMWAKEUP) {
		h.old = EVENT_domain_event_pmwakeup;
		h.new = EVENT_domain_event_callback_pmwakeup;
	} else if (id == LV_EVENT_ID_PMSUSPEND_DISK) {
		h.old = EVENT_domain_event_pmsuspend_disk;
		h.new = EVENT_domain_event_callback_pmsuspend_disk;
	}
	guest_dom(g, &new.dom);
	event_send(&h);
}

void
event_rtc(struct guest *g, int64_t offset)
{
	rp_evcb_rtc		 new = { 0 };
	struct happening	 h = { g, LV_EVENT_ID_RTC_CHANGE,
	    EVENT_domain_event_rtc_change,
	    EVENT_domain_event_callback_rtc_change, &new.msg, &new };

	guest_dom(g, &new.msg.dom);
	new.msg.offset = offset;
	event_send(&h);
}

/* action as QEMU names it. */
void
event_watchdog(struct guest *g, const char *action)
{
	static const struct {
		const char	*name;
		int		 action;
	} actions[] = {
		{ "none", LV_WATCHDOG_NONE },
		{ "pause", LV_WATCHDOG_PAUSE },
		{ "reset", LV_WATCHDOG_RESET },
		{ "poweroff", LV_WATCHDOG_POWEROFF },
		{ "shutdown", LV_WATCHDOG_SHUTDOWN },
		{ "debug", LV_WATCHDOG_DEBUG },
		{ "inject-nmi", LV_WATCHDOG_INJECT_NMI }
	};
	rp_evcb_dom_int		 new = { 0 };
	struct happening	 h = { g, LV_EVENT_ID_WATCHDOG,
	    EVENT_domain_event_watchdog,
	    EVENT_domain_event_callback_watchdog, &new.msg, &new };
	size_t			 i;

	guest_dom(g, &new.msg.dom);
	for (i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
		if (strcmp(actions[i].name, action) == 0)
			new.msg.value = actions[i].action;
	event_send(&h);
}

/* device: the alias of the disk. */
void
event_io_error(struct guest *g, const char *device, int action)
{
	char			 none[] = "";
	rp_evcb_io_error	 new = { 0 };
	rp_evcb_io_error_reason	 reason = { 0 };
	struct happening	 h = { g, LV_EVENT_ID_IO_ERROR,
	    EVENT_domain_event_io_error,
	    EVENT_domain_event_callback_io_error, &new.msg, &new };
	struct disk		*d;

	guest_dom(g, &new.msg.dom);
	new.msg.path = none;
	new.msg.alias = (char *)(uintptr_t)device;
	new.msg.action = action;
	DEVICE_FOREACH(d, g->live, DEVICE_DISK)
		if (d->dev.alias != NULL && strcmp(d->dev.alias, device) == 0 &&
		    !TAILQ_EMPTY(&d->layers))
			new.msg.path = TAILQ_FIRST(&d->layers)->path;
	event_send(&h);

	reason.msg.dom = new.msg.dom;
	reason.msg.path = new.msg.path;
	reason.msg.alias = new.msg.alias;
	reason.msg.action = action;
	reason.msg.reason = none;
	h.id = LV_EVENT_ID_IO_ERROR_REASON;
	h.old = EVENT_domain_event_io_error_reason;
	h.new = EVENT_domain_event_callback_io_error_reason;
	h.oldbody = &reason.msg;
	h.newbody = &reason;
	event_send(&h);
}

/* type: LV_METADATA_*; uri only with an element. */
void
event_metadata(struct guest *g, int type, const char *uri)
{
	rp_evcb_metadata	 new = { 0 };
	struct happening	 h = { g, LV_EVENT_ID_METADATA_CHANGE, 0,
	    EVENT_domain_event_callback_metadata_change, NULL, &new };
	char			*u = (char *)(uintptr_t)uri;

	guest_dom(g, &new.dom);
	new.type = type;
	new.uri = uri != NULL ? &u : NULL;
	event_send(&h);
}
