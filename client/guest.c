/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/* What can be called, one function each: the arguments, and the procedure. */

#include <sys/types.h>

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "client/client.h"
#include "rpc/const.h"

/* The public header has its own names for numbers of the protocol. */
#define SAME(a, b)	_Static_assert((int)(a) == (int)(b), #a)
SAME(QEMUD_ERR_CONNECTION, RPCE_RPC);
SAME(QEMUD_ERR_NO_GUEST, RPCE_NO_DOMAIN);
SAME(QEMUD_ERR_READ_ONLY, RPCE_OPERATION_DENIED);
SAME(QEMUD_ERR_INVALID_STATE, RPCE_OPERATION_INVALID);
SAME(QEMUD_ERR_ABORTED, RPCE_OPERATION_ABORTED);
SAME(QEMUD_ERR_DENIED, RPCE_ACCESS_DENIED);
SAME(QEMUD_TYPE_STRING, LV_PARAM_STRING);
SAME(QEMUD_LIST_OTHER, LV_LIST_OTHER);
SAME(QEMUD_LIST_NO_AUTOSTART, LV_LIST_NO_AUTOSTART);
SAME(QEMUD_PM_SUSPENDED, LV_PMSUSPENDED);
SAME(QEMUD_XML_SECURE, LV_XML_SECURE);
SAME(QEMUD_XML_INACTIVE, LV_XML_INACTIVE);
SAME(QEMUD_DEFINE_VALIDATE, LV_DEFINE_VALIDATE);
SAME(QEMUD_START_PAUSED, LV_START_PAUSED);
SAME(QEMUD_KILL_GRACEFUL, LV_DESTROY_GRACEFUL);
SAME(QEMUD_MONITOR_HMP, LV_MONITOR_HMP);
SAME(QEMUD_CONSOLE_FORCE, LV_CONSOLE_FORCE);
SAME(QEMUD_EVENT_PM_SUSPEND, LV_EVENT_ID_PMSUSPEND);
SAME(QEMUD_GUEST_CRASHED, LV_EVENT_CRASHED);

/* Arguments are only read. */
#define UNCONST(p)	((char *)(uintptr_t)(p))

static int	 find_next(struct qemud_call *);

#define CALL(proc, body)						\
    call_new(q, RP_PROGRAM, PROC_##proc, body, done, arg)

/* --- of nothing ----------------------------------------------------------- */

#define CALL_NONE(name, prog, proc)					\
struct qemud_call *							\
name(struct qemud *q, qemud_done *done, void *arg)			\
{									\
	rp_none	 none = { 0 };						\
									\
	return (call_new(q, prog, PROC_##proc, &none, done, arg));	\
}

CALL_NONE(qemud_daemon_status, OWN_PROGRAM, daemon_status)
CALL_NONE(qemud_api_version, RP_PROGRAM, connect_get_lib_version)
CALL_NONE(qemud_emulator_version, RP_PROGRAM, connect_get_version)
CALL_NONE(qemud_hostname, RP_PROGRAM, connect_get_hostname)
CALL_NONE(qemud_uri, RP_PROGRAM, connect_get_uri)
CALL_NONE(qemud_capabilities, RP_PROGRAM, connect_get_capabilities)
CALL_NONE(qemud_host_info, RP_PROGRAM, node_get_info)
CALL_NONE(qemud_host_free_memory, RP_PROGRAM, node_get_free_memory)

/* --- of a guest ----------------------------------------------------------- */

#define CALL_GUEST(name, proc)						\
struct qemud_call *							\
name(struct qemud *q, const struct qemud_guest *g, qemud_done *done,	\
    void *arg)								\
{									\
	rp_dom	 dom = guest_dom(g);					\
									\
	return (CALL(proc, &dom));					\
}

CALL_GUEST(qemud_guest_info, domain_get_info)
CALL_GUEST(qemud_guest_autostart, domain_get_autostart)
CALL_GUEST(qemud_guest_persistent, domain_is_persistent)
CALL_GUEST(qemud_guest_undefine, domain_undefine)
CALL_GUEST(qemud_guest_shutdown, domain_shutdown)
CALL_GUEST(qemud_guest_suspend, domain_suspend)
CALL_GUEST(qemud_guest_resume, domain_resume)

#define CALL_GUEST_FLAGS(name, proc)					\
struct qemud_call *							\
name(struct qemud *q, const struct qemud_guest *g, unsigned int flags,	\
    qemud_done *done, void *arg)					\
{									\
	rp_dom_flags	 a = { guest_dom(g), flags };			\
									\
	return (CALL(proc, &a));					\
}

CALL_GUEST_FLAGS(qemud_guest_xml, domain_get_xml_desc)
CALL_GUEST_FLAGS(qemud_guest_start, domain_create_with_flags)
CALL_GUEST_FLAGS(qemud_guest_kill, domain_destroy_flags)

#define CALL_GUEST_ZERO(name, proc)					\
struct qemud_call *							\
name(struct qemud *q, const struct qemud_guest *g, qemud_done *done,	\
    void *arg)								\
{									\
	rp_dom_flags	 a = { guest_dom(g), 0 };			\
									\
	return (CALL(proc, &a));					\
}

CALL_GUEST_ZERO(qemud_guest_state, domain_get_state)
CALL_GUEST_ZERO(qemud_guest_reboot, domain_reboot)
CALL_GUEST_ZERO(qemud_guest_reset, domain_reset)

#define CALL_XML(name, proc)						\
struct qemud_call *							\
name(struct qemud *q, const char *xml, unsigned int flags,		\
    qemud_done *done, void *arg)					\
{									\
	rp_text_flags	 a = { UNCONST(xml), flags };			\
									\
	return (CALL(proc, &a));					\
}

CALL_XML(qemud_guest_define, domain_define_xml_flags)
CALL_XML(qemud_guest_create, domain_create_xml)

struct qemud_call *
qemud_guest_set_autostart(struct qemud *q, const struct qemud_guest *g,
    int on, qemud_done *done, void *arg)
{
	rp_dom_int	 a = { guest_dom(g), on != 0 };

	return (CALL(domain_set_autostart, &a));
}

struct qemud_call *
qemud_guest_rename(struct qemud *q, const struct qemud_guest *g,
    const char *name, qemud_done *done, void *arg)
{
	rp_str			 text = UNCONST(name);
	rp_dom_opttext_flags	 a = { guest_dom(g), &text, 0 };

	return (CALL(domain_rename, &a));
}

struct qemud_call *
qemud_guest_monitor(struct qemud *q, const struct qemud_guest *g,
    const char *command, unsigned int flags, qemud_done *done, void *arg)
{
	rp_dom_text_flags	 a = { guest_dom(g), UNCONST(command), flags };

	return (call_new(q, RQ_PROGRAM, PROC_qemu_domain_monitor_command, &a,
	    done, arg));
}

struct qemud_call *
qemud_guest_log(struct qemud *q, const struct qemud_guest *g,
    unsigned int max, qemud_done *done, void *arg)
{
	own_log_args	 a = { UNCONST(g->name), max };

	return (call_new(q, OWN_PROGRAM, PROC_guest_log, &a, done, arg));
}

/* --- finding -------------------------------------------------------------- */

struct qemud_call *
qemud_guest_list(struct qemud *q, unsigned int flags, qemud_done *done,
    void *arg)
{
	rp_list_args	 a = { 1, flags };

	return (CALL(connect_list_all_domains, &a));
}

struct qemud_call *
qemud_guest_by_name(struct qemud *q, const char *name, qemud_done *done,
    void *arg)
{
	rp_text	 a = { UNCONST(name) };

	return (CALL(domain_lookup_by_name, &a));
}

struct qemud_call *
qemud_guest_by_uuid(struct qemud *q, const unsigned char uuid[16],
    qemud_done *done, void *arg)
{
	rp_uuid_arg	 a;

	memcpy(a.uuid, uuid, sizeof(a.uuid));
	return (CALL(domain_lookup_by_uuid, &a));
}

struct qemud_call *
qemud_guest_by_id(struct qemud *q, int id, qemud_done *done, void *arg)
{
	rp_int	 a = { id };

	return (CALL(domain_lookup_by_id, &a));
}

struct qemud_call *
qemud_guest_find(struct qemud *q, const char *text, qemud_done *done,
    void *arg)
{
	struct qemud_call	*c;
	char			*copy;

	if ((copy = strdup(text)) == NULL)
		return (NULL);
	if ((c = qemud_guest_by_name(q, text, done, arg)) == NULL) {
		free(copy);
		return (NULL);
	}
	c->hook = find_next;
	c->hook_arg = copy;
	return (c);
}

/* Not found by what the call has tried: the next that the text can be. */
static int
find_next(struct qemud_call *c)
{
	const char	*text = c->hook_arg, *error;
	rp_uuid_arg	 uuid;
	rp_int		 id;

	if (c->reply.error == NULL || c->error.code != RPCE_NO_DOMAIN)
		return (0);
	if (c->proc->number == PROC_domain_lookup_by_name &&
	    qemud_uuid_parse(text, (unsigned char *)uuid.uuid) == 0)
		return (call_again(c, PROC_domain_lookup_by_uuid, &uuid));
	if (c->proc->number == PROC_domain_lookup_by_name) {
		id.value = strtonum(text, 0, INT_MAX, &error);
		if (error == NULL)
			return (call_again(c, PROC_domain_lookup_by_id, &id));
	}
	return (0);
}

struct qemud_guest *
qemud_guest_copy(const struct qemud_guest *g)
{
	struct qemud_guest	*copy;
	size_t			 len = strlen(g->name) + 1;
	char			*name;

	if ((copy = malloc(sizeof(*copy) + len)) == NULL)
		return (NULL);
	*copy = *g;
	name = (char *)(copy + 1);
	memcpy(name, g->name, len);
	copy->name = name;
	return (copy);
}
