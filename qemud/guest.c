/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * All guests, by name and by UUID, and the states that they go through.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "imsg/log.h"
#include "qemud/qemud.h"

#define NO	GST_NSTATES

/* What each event leads to; NO is an event that cannot happen there. */
static const enum guest_state guest_next[GST_NSTATES][GEV_NEVENTS] = {
	/*		   START	 ADOPT	      READY	   KILL		 ENDED */
	[GST_OFF] =	 { GST_STARTING, GST_RUNNING, NO,	   NO,		 NO },
	[GST_STARTING] = { NO,		 NO,	      GST_RUNNING, GST_STOPPING, GST_OFF },
	[GST_RUNNING] =	 { NO,		 NO,	      NO,	   GST_STOPPING, GST_OFF },
	[GST_STOPPING] = { NO,		 NO,	      NO,	   GST_STOPPING, GST_OFF }
};

static const char *const state_names[] = {
	[GST_OFF] = "off",
	[GST_STARTING] = "starting",
	[GST_RUNNING] = "running",
	[GST_STOPPING] = "stopping"
};

RB_HEAD(guests_byuuid, guest);
RB_PROTOTYPE(guests_byuuid, guest, byuuid, cmp_uuid)

static int	 cmp_uuid(const struct guest *, const struct guest *);
static int	 guest_cmp_name(const struct guest *, const struct guest *);
static void	 guest_reap(evutil_socket_t, short, void *);

struct guests_byname		 guests = RB_INITIALIZER(&guests);
struct guests_active		 guests_active =
				    TAILQ_HEAD_INITIALIZER(guests_active);
static struct guests_byuuid	 byuuid = RB_INITIALIZER(&byuuid);
static TAILQ_HEAD(, guest)	 dying = TAILQ_HEAD_INITIALIZER(dying);
static unsigned int		 nguests;
static uid_t			 uid_last;

static int
cmp_uuid(const struct guest *a, const struct guest *b)
{
	return (memcmp(a->config->uuid, b->config->uuid,
	    sizeof(a->config->uuid)));
}

static int
guest_cmp_name(const struct guest *a, const struct guest *b)
{
	return (strcmp(a->config->name, b->config->name));
}

RB_GENERATE(guests_byname, guest, byname, guest_cmp_name)
RB_GENERATE(guests_byuuid, guest, byuuid, cmp_uuid)

const char *
guest_name(const struct guest *g)
{
	return (g->config->name);
}

const uint8_t *
guest_uuid(const struct guest *g)
{
	return (g->config->uuid);
}

struct domain *
guest_domain(const struct guest *g)
{
	return (g->live != NULL ? g->live : g->config);
}

int
guest_active(const struct guest *g)
{
	return (g->state != GST_OFF);
}

int
guest_id(const struct guest *g)
{
	return (g->live != NULL ? g->live->id : -1);
}

struct guest *
guest_find_name(const char *name)
{
	struct domain	 d;
	struct guest	 key;

	d.name = (char *)(uintptr_t)name;
	key.config = &d;
	return (RB_FIND(guests_byname, &guests, &key));
}

struct guest *
guest_find_uuid(const uint8_t uuid[16])
{
	struct domain	 d;
	struct guest	 key;

	memcpy(d.uuid, uuid, sizeof(d.uuid));
	key.config = &d;
	return (RB_FIND(guests_byuuid, &byuuid, &key));
}

struct guest *
guest_find_id(int id)
{
	struct guest	*g;

	TAILQ_FOREACH(g, &guests_active, byactive)
		if (g->live != NULL && g->live->id == id)
			return (g);
	return (NULL);
}

struct guest *
guest_find_monitor(uint64_t monitor)
{
	struct guest	*g;

	TAILQ_FOREACH(g, &guests_active, byactive)
		if (g->monitor == monitor && monitor != 0)
			return (g);
	return (NULL);
}

unsigned int
guests_count(int active, int inactive)
{
	struct guest	*g;
	unsigned int	 n = 0, all = 0;

	TAILQ_FOREACH(g, &guests_active, byactive) {
		all++;
		if (!g->internal)
			n++;
	}
	/* those that clients do not see are gone when they are off */
	return ((active ? n : 0) + (inactive ? nguests - all : 0));
}

int
guest_check_name(const char *name, struct rpc_error *err)
{
	if (name[0] != '.')
		return (0);
	return (rpc_error_set(err, RPCD_DOMAIN, RPCE_XML_ERROR,
	    "the name of a domain cannot begin with a dot"));
}

struct guest *
guest_new(struct domain *d, struct rpc_error *err)
{
	struct guest	*g, *other;
	char		 uuid[37];

	domain_uuid_format(d->uuid, uuid);
	if ((other = guest_find_uuid(d->uuid)) != NULL) {
		rpc_error_set(err, RPCD_DOMAIN, RPCE_OPERATION_FAILED,
		    "domain '%s' is already defined with uuid %s",
		    guest_name(other), uuid);
		goto fail;
	}
	if ((other = guest_find_name(d->name)) != NULL) {
		domain_uuid_format(guest_uuid(other), uuid);
		rpc_error_set(err, RPCD_DOMAIN, RPCE_OPERATION_FAILED,
		    "domain '%s' already exists with uuid %s", d->name, uuid);
		goto fail;
	}
	if (nguests >= GUESTS_MAX) {
		rpc_error_set(err, RPCD_DOMAIN, RPCE_OPERATION_FAILED,
		    "there are %u domains, the most that there can be",
		    nguests);
		goto fail;
	}
	if ((g = calloc(1, sizeof(*g))) == NULL)
		fatal(NULL);
	g->config = d;
	g->internal = d->name[0] == '.';
	g->shown = LV_SHUTOFF;
	g->reason = LV_SHUTOFF_UNKNOWN;
	g->lock = -1;
	g->state_since_ms = now_ms();
	TAILQ_INIT(&g->queue);
	TAILQ_INIT(&g->stops);
	RB_INSERT(guests_byname, &guests, g);
	RB_INSERT(guests_byuuid, &byuuid, g);
	nguests++;
	return (g);

 fail:
	domain_free(d);
	return (NULL);
}

void
guest_forget(struct guest *g)
{
	static const struct timeval	 soon;

	if (g->dead)
		return;
	g->dead = 1;
	RB_REMOVE(guests_byname, &guests, g);
	RB_REMOVE(guests_byuuid, &byuuid, g);
	nguests--;
	jobs_fail(g, RPCE_NO_DOMAIN, "the domain has been removed meanwhile");
	if (TAILQ_EMPTY(&dying))
		event_base_once(env.proc.base, -1, EV_TIMEOUT, guest_reap,
		    NULL, &soon);
	TAILQ_INSERT_TAIL(&dying, g, bydying);
}

/* Nobody on the stack looks at them any more. */
static void
guest_reap(evutil_socket_t fd, short what, void *arg)
{
	struct guest	*g;

	while ((g = TAILQ_FIRST(&dying)) != NULL) {
		TAILQ_REMOVE(&dying, g, bydying);
		if (g->timer != NULL)
			event_free(g->timer);
		if (g->turn != NULL)
			event_free(g->turn);
		domain_free(g->config);
		domain_free(g->live);
		free(g);
	}
}

void
guest_configure(struct guest *g, struct domain *d)
{
	/* the key of both trees stays as it is */
	domain_free(g->config);
	g->config = d;
	if (guest_active(g))
		g->updated = 1;
}

int
guest_rename(struct guest *g, const char *name)
{
	int	 ret;

	RB_REMOVE(guests_byname, &guests, g);
	ret = domain_set_string(&g->config->name, name);
	RB_INSERT(guests_byname, &guests, g);
	return (ret);
}

void
guest_show(struct guest *g, enum lv_state state, int reason)
{
	if (g->shown == state && g->reason == reason)
		return;
	g->shown = state;
	g->reason = reason;
	g->state_since_ms = now_ms();
	if (g->lock != -1)
		status_update(g);
}

void
guest_timer(struct guest *g, event_callback_fn fn, unsigned int ms)
{
	struct timeval	 tv = { ms / 1000, ms % 1000 * 1000 };

	if (g->timer != NULL)
		event_free(g->timer);
	if ((g->timer = evtimer_new(env.proc.base, fn, g)) == NULL)
		fatalx("evtimer_new");
	evtimer_add(g->timer, &tv);
}

int
guest_step(struct guest *g, enum guest_event ev)
{
	enum guest_state	 next = guest_next[g->state][ev];

	if (next == NO)
		return (-1);
	if (g->state == GST_OFF)
		TAILQ_INSERT_TAIL(&guests_active, g, byactive);
	else if (next == GST_OFF)
		TAILQ_REMOVE(&guests_active, g, byactive);
	if (next != g->state)
		log_debug("guest %s: %s -> %s", guest_name(g),
		    state_names[g->state], state_names[next]);
	g->state = next;
	return (0);
}

void
guest_dom(const struct guest *g, rp_dom *dom)
{
	dom->name = g->config->name;
	memcpy(dom->uuid, g->config->uuid, sizeof(dom->uuid));
	dom->id = guest_id(g);
}

/*
 * The uids are taken in turn, so that one is not given again soon after its
 * last owner has ended.
 */
uid_t
guest_uid_alloc(void)
{
	struct guest	*g;
	const char	*p;
	uid_t		 uid, first = env.conf.uid_first;
	uint64_t	 range = (uint64_t)env.conf.uid_last - first + 1, n;

	/* instances that share a range had better begin at other places */
	if (uid_last == 0)
		for (p = env.conf.run; *p != '\0'; p++)
			uid_last = uid_last * 33 + (unsigned char)*p;
	if (uid_last < first || uid_last > env.conf.uid_last)
		uid_last = first + uid_last % range;
	for (n = 0; n < range; n++) {
		uid = uid_last < first || uid_last >= env.conf.uid_last ?
		    first : uid_last + 1;
		uid_last = uid;
		TAILQ_FOREACH(g, &guests_active, byactive)
			if (g->uid == uid)
				break;
		if (g == NULL)
			return (uid);
		if (n > GUESTS_MAX)
			break;
	}
	return (0);
}
