/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * Handlers: finding guests, looking at them.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "imsg/log.h"
#include "qemud/handlers.h"
#include "qemud/qemud.h"

static void	 answer_dom(struct call *, const struct guest *);
static int	 list_wanted(const struct guest *, unsigned int);

static void
answer_dom(struct call *c, const struct guest *g)
{
	rp_dom	 res;

	guest_dom(g, &res);
	call_ok(c, &res);
}

/* --- finding ----------------------------------------------------------------- */

void
call_domain_lookup_by_name(struct call *c, void *arg)
{
	const rp_text	*a = arg;
	struct guest	*g = guest_find_name(a->text);

	if (g == NULL || g->internal)
		call_fail(c, RPCE_NO_DOMAIN, "no domain with matching name "
		    "'%s'", a->text);
	else
		answer_dom(c, g);
}

void
call_domain_lookup_by_uuid(struct call *c, void *arg)
{
	const rp_uuid_arg	*a = arg;
	struct guest		*g = guest_find_uuid((const uint8_t *)a->uuid);
	char			 uuid[37];

	if (g == NULL || g->internal) {
		domain_uuid_format((const uint8_t *)a->uuid, uuid);
		call_fail(c, RPCE_NO_DOMAIN, "no domain with matching uuid "
		    "'%s'", uuid);
	} else
		answer_dom(c, g);
}

void
call_domain_lookup_by_id(struct call *c, void *arg)
{
	const rp_int	*a = arg;
	struct guest	*g = guest_find_id(a->value);

	if (g == NULL || g->internal)
		call_fail(c, RPCE_NO_DOMAIN, "no domain with matching id %d",
		    a->value);
	else
		answer_dom(c, g);
}

/* --- lists --------------------------------------------------------------------- */

void
call_connect_num_of_domains(struct call *c, void *arg)
{
	rp_int	 res = { guests_count(1, 0) };

	call_ok(c, &res);
}

void
call_connect_num_of_defined_domains(struct call *c, void *arg)
{
	rp_int	 res = { guests_count(0, 1) };

	call_ok(c, &res);
}

void
call_connect_list_domains(struct call *c, void *arg)
{
	static int	 ids[GUESTS_MAX];
	const rp_int	*a = arg;
	struct guest	*g;
	rp_ids		 res = { { 0, ids } };

	if (a->value < 0) {
		call_fail(c, RPCE_INVALID_ARG,
		    "the most to list must not be negative");
		return;
	}
	RB_FOREACH(g, guests_byname, &guests)
		if (guest_active(g) && !g->internal &&
		    res.ids.ids_len < (u_int)a->value)
			ids[res.ids.ids_len++] = guest_id(g);
	call_ok(c, &res);
}

void
call_connect_list_defined_domains(struct call *c, void *arg)
{
	static rp_str	 names[GUESTS_MAX];
	const rp_int	*a = arg;
	struct guest	*g;
	rp_names	 res = { { 0, names } };

	if (a->value < 0) {
		call_fail(c, RPCE_INVALID_ARG,
		    "the most to list must not be negative");
		return;
	}
	RB_FOREACH(g, guests_byname, &guests)
		if (!guest_active(g) && !g->internal &&
		    res.names.names_len < (u_int)a->value)
			names[res.names.names_len++] =
			    (char *)(uintptr_t)guest_name(g);
	call_ok(c, &res);
}

/*
 * Flags come in groups; a group without any does not restrict, within a group
 * one that fits is enough.
 */
static int
list_wanted(const struct guest *g, unsigned int flags)
{
	unsigned int	 is, group;
	size_t		 i;
	static const unsigned int	 groups[] = {
		LV_LIST_GROUP_ACTIVE, LV_LIST_GROUP_PERSISTENT,
		LV_LIST_GROUP_STATE, LV_LIST_GROUP_SAVE,
		LV_LIST_GROUP_AUTOSTART, LV_LIST_GROUP_SNAPSHOT,
		LV_LIST_GROUP_CHECKPOINT
	};

	if (g->internal)
		return (0);
	is = guest_active(g) ? LV_LIST_ACTIVE : LV_LIST_INACTIVE;
	is |= g->persistent ? LV_LIST_PERSISTENT : LV_LIST_TRANSIENT;
	is |= g->shown == LV_RUNNING ? LV_LIST_RUNNING :
	    g->shown == LV_PAUSED ? LV_LIST_PAUSED :
	    g->shown == LV_SHUTOFF ? LV_LIST_SHUTOFF : LV_LIST_OTHER;
	is |= g->autostart ? LV_LIST_AUTOSTART : LV_LIST_NO_AUTOSTART;
	is |= LV_LIST_NO_MANAGEDSAVE | LV_LIST_NO_SNAPSHOT |
	    LV_LIST_NO_CHECKPOINT;
	for (i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		group = flags & groups[i];
		if (group != 0 && (group & is) == 0)
			return (0);
	}
	return (1);
}

void
call_connect_list_all_domains(struct call *c, void *arg)
{
	static rp_dom		 doms[GUESTS_MAX];
	const rp_list_args	*a = arg;
	struct guest		*g;
	rp_doms			 res = { { 0, doms }, 0 };

	if (call_bad_flags(c, a->flags, LV_LIST_ALL))
		return;
	RB_FOREACH(g, guests_byname, &guests) {
		if (!list_wanted(g, a->flags))
			continue;
		if (a->need_results)
			guest_dom(g, &doms[res.doms.doms_len++]);
		res.count++;
	}
	call_ok(c, &res);
}

/* --- looking ---------------------------------------------------------------------- */

/*
 * Most of what only looks is answered at once, but never before an earlier
 * call of the same client on the same guest: job.c.
 */

/* void call_NAME(...): look_NAME(call, guest) when it is its turn. */
#define LOOK(name, type, member)					\
static void	 look_##name(struct call *, struct guest *);		\
void									\
call_##name(struct call *c, void *arg)					\
{									\
	const type	*a = arg;					\
	struct guest	*g;						\
									\
	if ((g = call_guest(c, &a->member)) != NULL)			\
		job_run(c, g, 0, look_##name);				\
}									\
static void								\
look_##name(struct call *c, struct guest *g)

#define LOOK_DOM(name)							\
static void	 look_##name(struct call *, struct guest *);		\
void									\
call_##name(struct call *c, void *arg)					\
{									\
	struct guest	*g;						\
									\
	if ((g = call_guest(c, arg)) != NULL)				\
		job_run(c, g, 0, look_##name);				\
}									\
static void								\
look_##name(struct call *c, struct guest *g)

LOOK_DOM(domain_get_info)
{
	const struct domain	*d = guest_domain(g);
	rp_dom_info		 res = { 0 };

	res.state = g->shown;
	res.max_memory = d->memory;
	res.memory = d->current_memory;
	res.vcpus = d->current_vcpus;
	res.cpu_time = host_cpu_time(g->qemu_pid);
	call_ok(c, &res);
}

LOOK(domain_get_state, rp_dom_flags, dom)
{
	const rp_dom_flags	*a = c->arg;
	rp_dom_state		 res = { g->shown, g->reason };

	if (!call_bad_flags(c, a->flags, 0))
		call_ok(c, &res);
}

LOOK(domain_get_control_info, rp_dom_flags, dom)
{
	const rp_dom_flags	*a = c->arg;
	rp_dom_control		 res = { LV_CONTROL_OK, 0, 0 };

	if (call_bad_flags(c, a->flags, 0))
		return;
	if (!guest_active(g)) {
		call_fail(c, RPCE_OPERATION_INVALID, "domain is not running");
		return;
	}
	if (!g->monitor_ready) {
		res.state = LV_CONTROL_ERROR;
		res.details = LV_CONTROL_ERROR_MONITOR;
	} else if (g->monitor_stalled)
		res.state = LV_CONTROL_OCCUPIED;
	else if (g->job != NULL)
		res.state = LV_CONTROL_JOB;
	call_ok(c, &res);
}

LOOK(domain_get_xml_desc, rp_dom_flags, dom)
{
	const rp_dom_flags	*a = c->arg;
	const struct domain	*d;
	unsigned int		 format = 0;
	rp_text			 res;

	if (call_bad_flags(c, a->flags, LV_XML_SECURE | LV_XML_INACTIVE |
	    LV_XML_UPDATE_CPU | LV_XML_MIGRATABLE))
		return;
	if ((a->flags & LV_XML_FULL_CONTROL) && call_readonly(c)) {
		call_fail(c, RPCE_OPERATION_DENIED, "%s",
		    "read only access prevents virDomainGetXMLDesc with "
		    "security-sensitive information");
		return;
	}
	d = a->flags & LV_XML_INACTIVE ? g->config : guest_domain(g);
	if (a->flags & LV_XML_SECURE)
		format |= DOMAIN_FORMAT_SECURE;
	if ((a->flags & LV_XML_INACTIVE) || !guest_active(g))
		format |= DOMAIN_FORMAT_INACTIVE;
	if (a->flags & LV_XML_MIGRATABLE)
		format |= DOMAIN_FORMAT_MIGRATABLE;
	if ((res.text = domain_format(d, format)) == NULL)
		fatal(NULL);
	call_ok(c, &res);
	free(res.text);
}

LOOK_DOM(domain_get_os_type)
{
	char	 hvm[] = "hvm";
	rp_text	 res = { hvm };

	call_ok(c, &res);
}

LOOK_DOM(domain_get_max_memory)
{
	rp_ulong	 res = { guest_domain(g)->memory };

	call_ok(c, &res);
}

LOOK_DOM(domain_get_max_vcpus)
{
	rp_int	 res = { guest_domain(g)->vcpus };

	if (!guest_active(g))
		call_fail(c, RPCE_OPERATION_INVALID, "domain is not running");
	else
		call_ok(c, &res);
}

LOOK(domain_get_vcpus_flags, rp_dom_flags, dom)
{
	const rp_dom_flags	*a = c->arg;
	const struct domain	*d;
	rp_int			 res;

	if (call_bad_flags(c, a->flags, LV_AFFECT_LIVE | LV_AFFECT_CONFIG |
	    LV_VCPU_MAXIMUM | LV_VCPU_GUEST))
		return;
	if (a->flags & LV_VCPU_GUEST) {
		call_fail(c, call_readonly(c) ? RPCE_OPERATION_DENIED :
		    RPCE_OPERATION_UNSUPPORTED, "%s", call_readonly(c) ?
		    "read only access prevents virDomainGetVcpusFlags with "
		    "the guest agent" :
		    "the guest agent is not supported yet");
		return;
	}
	if ((d = domain_affected(c, g, a->flags)) == NULL)
		return;
	res.value = a->flags & LV_VCPU_MAXIMUM ? d->vcpus : d->current_vcpus;
	call_ok(c, &res);
}

const struct domain *
domain_affected(struct call *c, const struct guest *g, unsigned int flags)
{
	if ((flags & LV_AFFECT_LIVE) && (flags & LV_AFFECT_CONFIG)) {
		call_fail(c, RPCE_INVALID_ARG,
		    "only one of live and config can be looked at");
		return (NULL);
	}
	if ((flags & LV_AFFECT_LIVE) && !guest_active(g)) {
		call_fail(c, RPCE_OPERATION_INVALID, "domain is not running");
		return (NULL);
	}
	if ((flags & LV_AFFECT_CONFIG) && !g->persistent) {
		call_fail(c, RPCE_OPERATION_INVALID, "transient domains do "
		    "not have any persistent config");
		return (NULL);
	}
	return (flags & LV_AFFECT_CONFIG ? g->config : guest_domain(g));
}

LOOK_DOM(domain_get_autostart)
{
	rp_int	 res = { g->autostart };

	call_ok(c, &res);
}

LOOK_DOM(domain_is_active)
{
	rp_int	 res = { guest_active(g) };

	call_ok(c, &res);
}

LOOK_DOM(domain_is_persistent)
{
	rp_int	 res = { g->persistent };

	call_ok(c, &res);
}

LOOK_DOM(domain_is_updated)
{
	rp_int	 res = { g->updated };

	call_ok(c, &res);
}

LOOK(domain_has_managed_save_image, rp_dom_flags, dom)
{
	const rp_dom_flags	*a = c->arg;
	rp_int			 res = { 0 };

	if (!call_bad_flags(c, a->flags, 0))
		call_ok(c, &res);
}

LOOK(domain_snapshot_num, rp_dom_flags, dom)
{
	rp_int	 res = { 0 };

	call_ok(c, &res);
}

LOOK(domain_has_current_snapshot, rp_dom_flags, dom)
{
	rp_int	 res = { 0 };

	call_ok(c, &res);
}

LOOK_DOM(domain_get_job_info)
{
	rp_dom_job	 res = { 0 };

	if (!guest_active(g))
		call_fail(c, RPCE_OPERATION_INVALID, "domain is not running");
	else
		call_ok(c, &res);
}

LOOK_DOM(domain_get_security_label)
{
	char		 empty[] = "";
	rp_label	 res = { { 1, empty }, 0 };

	call_ok(c, &res);
}

LOOK_DOM(domain_get_security_label_list)
{
	rp_labels	 res = { { 0, NULL }, 0 };

	call_ok(c, &res);
}

LOOK(domain_get_messages, rp_dom_flags, dom)
{
	const rp_dom_flags	*a = c->arg;
	rp_messages		 res = { { 0, NULL } };

	if (!call_bad_flags(c, a->flags, LV_MESSAGE_DEPRECATION |
	    LV_MESSAGE_TAINTING))
		call_ok(c, &res);
}

LOOK(domain_get_metadata, rp_get_metadata, dom)
{
	const rp_get_metadata	*a = c->arg;
	const struct domain	*d;
	const char		*text;
	char			*element = NULL;
	rp_text			 res;

	if (call_bad_flags(c, a->flags, LV_AFFECT_LIVE | LV_AFFECT_CONFIG) ||
	    (d = domain_affected(c, g, a->flags)) == NULL)
		return;
	switch (a->type) {
	case LV_METADATA_DESCRIPTION:
		text = d->description;
		break;
	case LV_METADATA_TITLE:
		text = d->title;
		break;
	case LV_METADATA_ELEMENT:
		if (a->uri == NULL) {
			call_fail(c, RPCE_INVALID_ARG, "metadata elements "
			    "are named by a URI, and there is none");
			return;
		}
		text = element = domain_metadata_get(d, *a->uri);
		break;
	default:
		call_fail(c, RPCE_INVALID_ARG, "unknown metadata type %d",
		    a->type);
		return;
	}
	if (text == NULL)
		call_fail(c, RPCE_NO_DOMAIN_METADATA,
		    "Requested metadata element is not present");
	else {
		res.text = (char *)(uintptr_t)text;
		call_ok(c, &res);
	}
	free(element);
}
