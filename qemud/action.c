/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * Handlers: what changes a guest.  Each is the guest's job until it is
 * answered; only its destruction does not wait for its turn.
 */

#include <stdlib.h>
#include <string.h>

#include "imsg/log.h"
#include "qemud/handlers.h"
#include "qemud/qemud.h"

static struct domain *
		 domain_from(struct call *, const char *, int);
static struct guest *
		 define(struct domain *, struct rpc_error *);
static void	 create_done(struct guest *, const struct rpc_error *, void *);
static void	 define_xml(struct call *, const char *, int);
static int	 set_metadata(struct domain *, const rp_set_metadata *,
		    struct domain_error *);
static void	 start(struct call *, struct guest *, struct domain *, int);
static void	 ask(struct call *, struct guest *, unsigned int, int);
static int	 must_run(struct call *, const struct guest *);
static void	 do_create(struct call *, struct guest *);
static void	 do_create_flags(struct call *, struct guest *);
static void	 do_create_xml(struct call *, struct guest *);
static void	 do_suspend(struct call *, struct guest *);
static void	 do_resume(struct call *, struct guest *);
static void	 do_shutdown(struct call *, struct guest *);
static void	 do_shutdown_flags(struct call *, struct guest *);
static void	 do_reboot(struct call *, struct guest *);
static void	 do_reset(struct call *, struct guest *);
static void	 do_undefine(struct call *, struct guest *);
static void	 do_autostart(struct call *, struct guest *);
static void	 do_rename(struct call *, struct guest *);
static void	 do_metadata(struct call *, struct guest *);
static void	 do_console(struct call *, struct guest *);
static void	 suspended(struct guest *, const struct msg_op_done *,
		    const char *, size_t, void *);
static void	 resumed(struct guest *, const struct msg_op_done *,
		    const char *, size_t, void *);
static void	 destroy(struct call *, struct guest *, unsigned int);

/* --- definitions ----------------------------------------------------------- */

/* The domain that a client's XML describes; NULL: the call has failed. */
static struct domain *
domain_from(struct call *c, const char *xml, int validate)
{
	struct domain_error	 derr = { 0 };
	struct rpc_error	 err;
	struct domain		*d;

	if (domain_parse(xml, strlen(xml), validate ? DOMAIN_PARSE_VALIDATE :
	    0, &d, &derr) == -1) {
		call_fail_domain(c, &derr);
		return (NULL);
	}
	rpc_error_clear(&err);
	if (guest_check_name(d->name, &err) == -1)
		call_fail_with(c, &err);
	else if (domain_assign(d, &derr) == -1)
		call_fail_domain(c, &derr);
	else
		return (d);
	domain_free(d);
	return (NULL);
}

/*
 * Takes d as the definition of its guest, which is on disk afterwards.  A
 * guest that has this UUID already keeps its name, else the new one would
 * have two.
 */
static struct guest *
define(struct domain *d, struct rpc_error *err)
{
	struct guest	*g, *other;
	char		 uuid[37];
	int		 detail = LV_EVENT_DEFINED_UPDATED;

	g = guest_find_uuid(d->uuid);
	other = guest_find_name(d->name);
	domain_uuid_format(d->uuid, uuid);
	if (g != NULL && other != g) {
		rpc_error_set(err, RPCD_DOMAIN, RPCE_OPERATION_FAILED,
		    "domain '%s' is already defined with uuid %s",
		    guest_name(g), uuid);
		goto fail;
	}
	if (g == NULL && other != NULL) {
		domain_uuid_format(guest_uuid(other), uuid);
		rpc_error_set(err, RPCD_DOMAIN, RPCE_OPERATION_FAILED,
		    "domain '%s' already exists with uuid %s", d->name, uuid);
		goto fail;
	}
	if (g == NULL) {
		if ((g = guest_new(d, err)) == NULL)
			return (NULL);
		if (store_write(d, err) == -1) {
			guest_forget(g);
			return (NULL);
		}
		detail = LV_EVENT_DEFINED_ADDED;
	} else {
		if (store_write(d, err) == -1)
			goto fail;
		if (!g->persistent)
			detail = LV_EVENT_DEFINED_ADDED;
		guest_configure(g, d);
	}
	g->persistent = 1;
	if (g->lock != -1)
		status_update(g);
	event_lifecycle(g, LV_EVENT_DEFINED, detail);
	return (g);

 fail:
	domain_free(d);
	return (NULL);
}

static void
define_xml(struct call *c, const char *xml, int validate)
{
	struct rpc_error	 err;
	struct domain		*d;
	struct guest		*g;
	rp_dom			 res;

	if ((d = domain_from(c, xml, validate)) == NULL)
		return;
	rpc_error_clear(&err);
	if ((g = define(d, &err)) == NULL) {
		call_fail_with(c, &err);
		return;
	}
	guest_dom(g, &res);
	call_ok(c, &res);
}

void
call_domain_define_xml(struct call *c, void *arg)
{
	const rp_text	*a = arg;

	define_xml(c, a->text, 0);
}

void
call_domain_define_xml_flags(struct call *c, void *arg)
{
	const rp_text_flags	*a = arg;

	if (!call_bad_flags(c, a->flags, LV_DEFINE_VALIDATE))
		define_xml(c, a->text, a->flags & LV_DEFINE_VALIDATE);
}

void
call_domain_undefine(struct call *c, void *arg)
{
	struct guest	*g;

	if ((g = call_guest(c, arg)) != NULL)
		job_run(c, g, 1, do_undefine);
}

/* What the flags speak of, no guest has: nothing to do for them. */
void
call_domain_undefine_flags(struct call *c, void *arg)
{
	const rp_dom_flags	*a = arg;
	struct guest		*g;

	if (!call_bad_flags(c, a->flags, LV_UNDEFINE_MANAGED_SAVE |
	    LV_UNDEFINE_SNAPSHOTS_METADATA | LV_UNDEFINE_NVRAM |
	    LV_UNDEFINE_KEEP_NVRAM | LV_UNDEFINE_CHECKPOINTS_METADATA |
	    LV_UNDEFINE_TPM | LV_UNDEFINE_KEEP_TPM) &&
	    (g = call_guest(c, &a->dom)) != NULL)
		job_run(c, g, 1, do_undefine);
}

static void
do_undefine(struct call *c, struct guest *g)
{
	struct rpc_error	 err;

	if (!g->persistent) {
		call_fail(c, RPCE_OPERATION_INVALID,
		    "cannot undefine transient domain");
		return;
	}
	rpc_error_clear(&err);
	if (store_remove(guest_name(g), &err) == -1) {
		call_fail_with(c, &err);
		return;
	}
	g->persistent = g->autostart = 0;
	event_lifecycle(g, LV_EVENT_UNDEFINED, LV_EVENT_UNDEFINED_REMOVED);
	if (guest_active(g))
		status_update(g);	/* transient from now on */
	else
		guest_forget(g);
	call_ok(c, NULL);
}

void
call_domain_set_autostart(struct call *c, void *arg)
{
	const rp_dom_int	*a = arg;
	struct guest		*g;

	if ((g = call_guest(c, &a->dom)) != NULL)
		job_run(c, g, 1, do_autostart);
}

static void
do_autostart(struct call *c, struct guest *g)
{
	const rp_dom_int	*a = c->arg;
	struct rpc_error	 err;

	if (!g->persistent) {
		call_fail(c, RPCE_OPERATION_INVALID,
		    "cannot set autostart for transient domain");
		return;
	}
	rpc_error_clear(&err);
	if (store_autostart(guest_name(g), a->value != 0, &err) == -1) {
		call_fail_with(c, &err);
		return;
	}
	g->autostart = a->value != 0;
	call_ok(c, NULL);
}

void
call_domain_rename(struct call *c, void *arg)
{
	const rp_dom_opttext_flags	*a = arg;
	struct guest			*g;

	if (!call_bad_flags(c, a->flags, 0) &&
	    (g = call_guest(c, &a->dom)) != NULL)
		job_run(c, g, 1, do_rename);
}

/* The new file is safe before the old one goes. */
static void
do_rename(struct call *c, struct guest *g)
{
	const rp_dom_opttext_flags	*a = c->arg;
	struct domain_error		 derr = { 0 };
	struct rpc_error		 err;
	struct domain			*d;
	char				*old;
	int				 autostart = g->autostart;
	rp_int				 res = { 0 };

	if (a->text == NULL || domain_check_name(*a->text, &derr) == -1) {
		call_fail(c, RPCE_INVALID_ARG, "%s", a->text == NULL ?
		    "a new name is needed" : derr.text);
		return;
	}
	if (guest_active(g) || !g->persistent) {
		call_fail(c, RPCE_OPERATION_INVALID, "%s", !g->persistent ?
		    "cannot rename a transient domain" :
		    "cannot rename active domain");
		return;
	}
	rpc_error_clear(&err);
	if (guest_check_name(*a->text, &err) == -1) {
		call_fail(c, RPCE_INVALID_ARG, "%s", err.detail);
		return;
	}
	if (guest_find_name(*a->text) != NULL) {
		call_fail(c, RPCE_OPERATION_INVALID, "domain with name '%s' "
		    "already exists", *a->text);
		return;
	}
	rpc_error_clear(&err);
	if ((d = domain_copy(g->config)) == NULL ||
	    domain_set_string(&d->name, *a->text) == -1 ||
	    (old = strdup(guest_name(g))) == NULL)
		fatal(NULL);
	if (store_write(d, &err) == -1) {
		call_fail_with(c, &err);
		goto out;
	}
	event_lifecycle(g, LV_EVENT_UNDEFINED, LV_EVENT_UNDEFINED_RENAMED);
	if (guest_rename(g, *a->text) == -1)
		fatal(NULL);
	if (store_remove(old, &err) == -1 ||
	    (autostart && store_autostart(guest_name(g), 1, &err) == -1))
		log_warnx("guest %s: %s", guest_name(g), err.detail);
	event_lifecycle(g, LV_EVENT_DEFINED, LV_EVENT_DEFINED_RENAMED);
	call_ok(c, &res);
 out:
	domain_free(d);
	free(old);
}

void
call_domain_set_metadata(struct call *c, void *arg)
{
	const rp_set_metadata	*a = arg;
	struct guest		*g;

	if (!call_bad_flags(c, a->flags, LV_AFFECT_LIVE | LV_AFFECT_CONFIG) &&
	    (g = call_guest(c, &a->dom)) != NULL)
		job_run(c, g, 1, do_metadata);
}

static int
set_metadata(struct domain *d, const rp_set_metadata *a,
    struct domain_error *err)
{
	const char	*text = a->metadata != NULL ? *a->metadata : NULL;

	switch (a->type) {
	case LV_METADATA_DESCRIPTION:
		return (domain_set_string(&d->description,
		    text != NULL && *text == '\0' ? NULL : text));
	case LV_METADATA_TITLE:
		if (text != NULL && strchr(text, '\n') != NULL)
			return (domain_error(err, DOMAIN_ERR_INVALID_ARG, 0,
			    "a title must be one line"));
		return (domain_set_string(&d->title,
		    text != NULL && *text == '\0' ? NULL : text));
	case LV_METADATA_ELEMENT:
		if (a->uri == NULL || (text != NULL && a->key == NULL))
			return (domain_error(err, DOMAIN_ERR_INVALID_ARG, 0,
			    "a metadata element needs a URI and a key"));
		return (domain_metadata_set(d, *a->uri,
		    a->key != NULL ? *a->key : NULL, text, err));
	default:
		return (domain_error(err, DOMAIN_ERR_INVALID_ARG, 0,
		    "unknown metadata type %d", a->type));
	}
}

/* Of the live form, the definition, or both; of a copy first, then on disk. */
static void
do_metadata(struct call *c, struct guest *g)
{
	const rp_set_metadata	*a = c->arg;
	struct domain_error	 derr = { DOMAIN_ERR_NO_MEMORY, 0, 0,
	    "out of memory" };
	struct rpc_error	 err;
	struct domain		*live = NULL, *config = NULL;
	int			 do_live, do_config;

	do_live = a->flags & LV_AFFECT_LIVE;
	do_config = a->flags & LV_AFFECT_CONFIG;
	if (!do_live && !do_config) {
		do_live = guest_active(g);
		do_config = !do_live;
	}
	if ((do_live && !guest_active(g)) || (do_config && !g->persistent)) {
		call_fail(c, RPCE_OPERATION_INVALID, "%s", do_live &&
		    !guest_active(g) ? "domain is not running" :
		    "transient domains do not have any persistent config");
		return;
	}
	if ((do_live && (live = domain_copy(g->live)) == NULL) ||
	    (do_config && (config = domain_copy(g->config)) == NULL))
		fatal(NULL);
	rpc_error_clear(&err);
	if ((live != NULL && set_metadata(live, a, &derr) == -1) ||
	    (config != NULL && set_metadata(config, a, &derr) == -1)) {
		call_fail_domain(c, &derr);
		goto fail;
	}
	if (config != NULL && store_write(config, &err) == -1) {
		call_fail_with(c, &err);
		goto fail;
	}
	if (config != NULL)
		guest_configure(g, config);
	if (live != NULL) {
		domain_free(g->live);
		g->live = live;
		status_update(g);
	}
	event_metadata(g, a->type, a->uri != NULL ? *a->uri : NULL);
	call_ok(c, NULL);
	return;

 fail:
	domain_free(live);
	domain_free(config);
}

/* --- starting --------------------------------------------------------------- */

/* Takes once, what it shall be this time; NULL: what it is defined as. */
static void
start(struct call *c, struct guest *g, struct domain *once, int paused)
{
	if (guest_active(g)) {
		domain_free(once);
		call_fail(c, RPCE_OPERATION_INVALID,
		    "domain is already running");
	} else
		guest_start(g, once, paused, create_done, c);
}

static void
create_done(struct guest *g, const struct rpc_error *err, void *arg)
{
	struct call	*c = arg;
	rp_dom		 res;

	if (err != NULL) {
		call_fail_with(c, err);
		return;
	}
	guest_dom(g, &res);
	call_ok(c, c->proc->number == PROC_domain_create ? NULL : &res);
}

void
call_domain_create(struct call *c, void *arg)
{
	struct guest	*g;

	if ((g = call_guest(c, arg)) != NULL)
		job_run(c, g, 1, do_create);
}

static void
do_create(struct call *c, struct guest *g)
{
	start(c, g, NULL, 0);
}

/* There is no saved state to be skipped by FORCE_BOOT or BYPASS_CACHE. */
void
call_domain_create_with_flags(struct call *c, void *arg)
{
	const rp_dom_flags	*a = arg;
	struct guest		*g;

	if (!call_bad_flags(c, a->flags, LV_START_PAUSED |
	    LV_START_BYPASS_CACHE | LV_START_FORCE_BOOT) &&
	    (g = call_guest(c, &a->dom)) != NULL)
		job_run(c, g, 1, do_create_flags);
}

static void
do_create_flags(struct call *c, struct guest *g)
{
	const rp_dom_flags	*a = c->arg;

	start(c, g, NULL, (a->flags & LV_START_PAUSED) != 0);
}

/* A transient guest, or a defined one started with another description. */
void
call_domain_create_xml(struct call *c, void *arg)
{
	const rp_text_flags	*a = arg;
	struct rpc_error	 err;
	struct domain		*d;
	struct guest		*g;

	if (call_bad_flags(c, a->flags, LV_START_PAUSED | LV_START_VALIDATE |
	    LV_START_BYPASS_CACHE | LV_START_FORCE_BOOT) ||
	    (d = domain_from(c, a->text,
	    a->flags & LV_START_VALIDATE)) == NULL)
		return;
	rpc_error_clear(&err);
	g = guest_find_uuid(d->uuid);
	if (g != NULL && strcmp(guest_name(g), d->name) == 0) {
		if (guest_active(g)) {
			domain_free(d);
			call_fail(c, RPCE_OPERATION_INVALID,
			    "domain is already active as '%s'", guest_name(g));
			return;
		}
		domain_free(d);		/* parsed again when it is its turn */
	} else if ((g = guest_new(d, &err)) == NULL) {
		call_fail_with(c, &err);
		return;
	}
	job_run(c, g, 1, do_create_xml);
}

static void
do_create_xml(struct call *c, struct guest *g)
{
	const rp_text_flags	*a = c->arg;
	struct domain		*once = NULL;

	if (g->persistent && (once = domain_from(c, a->text, 0)) == NULL)
		return;
	start(c, g, once, (a->flags & LV_START_PAUSED) != 0);
}

/* --- running -------------------------------------------------------------------- */

/* 0: the call has failed. */
static int
must_run(struct call *c, const struct guest *g)
{
	if (g->state == GST_RUNNING)
		return (1);
	call_fail(c, RPCE_OPERATION_INVALID, "domain is not running");
	return (0);
}

#define ACT_DOM(name, fn)						\
void									\
call_##name(struct call *c, void *arg)					\
{									\
	struct guest	*g;						\
									\
	if ((g = call_guest(c, arg)) != NULL)				\
		job_run(c, g, 1, fn);					\
}

#define ACT_FLAGS(name, known, fn)					\
void									\
call_##name(struct call *c, void *arg)					\
{									\
	const rp_dom_flags	*a = arg;				\
	struct guest		*g;					\
									\
	if (!call_bad_flags(c, a->flags, known) &&			\
	    (g = call_guest(c, &a->dom)) != NULL)			\
		job_run(c, g, 1, fn);					\
}

ACT_DOM(domain_suspend, do_suspend)
ACT_DOM(domain_resume, do_resume)
ACT_DOM(domain_shutdown, do_shutdown)
ACT_FLAGS(domain_shutdown_flags, LV_ASK_ACPI | LV_ASK_AGENT |
    LV_ASK_INITCTL | LV_ASK_SIGNAL | LV_ASK_PARAVIRT, do_shutdown_flags)
ACT_FLAGS(domain_reboot, LV_ASK_ACPI | LV_ASK_AGENT | LV_ASK_INITCTL |
    LV_ASK_SIGNAL | LV_ASK_PARAVIRT, do_reboot)
ACT_FLAGS(domain_reset, 0, do_reset)

static void
do_suspend(struct call *c, struct guest *g)
{
	if (!must_run(c, g))
		return;
	if (g->shown == LV_PAUSED)
		call_ok(c, NULL);
	else if (g->shown == LV_PMSUSPENDED)
		call_fail(c, RPCE_OPERATION_INVALID,
		    "domain is pmsuspended");
	else
		monitor_op(g, OP_STOP, "", suspended, c);
}

static void
suspended(struct guest *g, const struct msg_op_done *m, const char *body,
    size_t len, void *arg)
{
	struct rpc_error	 err;

	if (op_error(m, &err) == -1) {
		call_fail_with(arg, &err);
		return;
	}
	/* unless QEMU's event has done so already */
	if (g->shown != LV_PAUSED) {
		guest_show(g, LV_PAUSED, LV_PAUSED_USER);
		event_lifecycle(g, LV_EVENT_SUSPENDED,
		    LV_EVENT_SUSPENDED_PAUSED);
	}
	call_ok(arg, NULL);
}

static void
do_resume(struct call *c, struct guest *g)
{
	if (!must_run(c, g))
		return;
	if (g->shown == LV_RUNNING)
		call_fail(c, RPCE_OPERATION_INVALID,
		    "domain is already running");
	else if (g->shown == LV_PMSUSPENDED)
		call_fail(c, RPCE_OPERATION_INVALID, "domain is pmsuspended");
	else if (g->shown == LV_CRASHED)
		call_fail(c, RPCE_OPERATION_INVALID,
		    "domain has crashed: only a reset or a new start helps");
	else
		monitor_op(g, OP_CONT, "", resumed, c);
}

static void
resumed(struct guest *g, const struct msg_op_done *m, const char *body,
    size_t len, void *arg)
{
	struct rpc_error	 err;

	if (op_error(m, &err) == -1) {
		call_fail_with(arg, &err);
		return;
	}
	if (g->shown != LV_RUNNING) {
		guest_show(g, LV_RUNNING, LV_RUNNING_UNPAUSED);
		event_lifecycle(g, LV_EVENT_RESUMED, LV_EVENT_RESUMED_UNPAUSED);
	}
	call_ok(arg, NULL);
}

/* By the power button, unless only ways are named that there are not. */
static void
ask(struct call *c, struct guest *g, unsigned int flags, int reboot)
{
	if (!must_run(c, g))
		return;
	if (flags != 0 && !(flags & LV_ASK_ACPI)) {
		call_fail(c, flags & LV_ASK_AGENT ?
		    RPCE_CONFIG_UNSUPPORTED : RPCE_OPERATION_UNSUPPORTED,
		    "domain '%s' can be asked by ACPI only (mode acpi)",
		    guest_name(g));
		return;
	}
	if (!g->live->acpi) {
		call_fail(c, RPCE_OPERATION_UNSUPPORTED, "domain '%s' has no "
		    "ACPI (<features><acpi/>), so it has no power button",
		    guest_name(g));
		return;
	}
	if (g->rebooting != reboot)
		guest_rebooting(g, reboot);
	monitor_call(c, g, OP_POWERDOWN, "");
}

static void
do_shutdown(struct call *c, struct guest *g)
{
	ask(c, g, 0, 0);
}

static void
do_shutdown_flags(struct call *c, struct guest *g)
{
	const rp_dom_flags	*a = c->arg;

	ask(c, g, a->flags, 0);
}

static void
do_reboot(struct call *c, struct guest *g)
{
	const rp_dom_flags	*a = c->arg;

	/* what the domain says of its reboots counts for this one, too */
	ask(c, g, a->flags, g->live != NULL &&
	    g->live->on_reboot != ACTION_DESTROY &&
	    g->live->on_reboot != ACTION_PRESERVE);
}

static void
do_reset(struct call *c, struct guest *g)
{
	if (must_run(c, g))
		monitor_call(c, g, OP_RESET, "");
}

/* --- ending ---------------------------------------------------------------------- */

static void
destroy(struct call *c, struct guest *g, unsigned int flags)
{
	if (!guest_active(g))
		call_fail(c, RPCE_OPERATION_INVALID, "domain is not running");
	else
		guest_kill(g, c, flags & LV_DESTROY_GRACEFUL ? GRACE_MS : 0);
}

void
call_domain_destroy(struct call *c, void *arg)
{
	struct guest	*g;

	if ((g = call_guest(c, arg)) != NULL)
		destroy(c, g, 0);
}

void
call_domain_destroy_flags(struct call *c, void *arg)
{
	const rp_dom_flags	*a = arg;
	struct guest		*g;

	if (!call_bad_flags(c, a->flags, LV_DESTROY_GRACEFUL) &&
	    (g = call_guest(c, &a->dom)) != NULL)
		destroy(c, g, a->flags);
}

/* --- its console ------------------------------------------------------------------ */

void
call_domain_open_console(struct call *c, void *arg)
{
	const rp_dom_opttext_flags	*a = arg;
	struct guest			*g;

	if (!call_bad_flags(c, a->flags, LV_CONSOLE_FORCE | LV_CONSOLE_SAFE) &&
	    (g = call_guest(c, &a->dom)) != NULL)
		job_run(c, g, 1, do_console);
}

/* By the alias of a serial line or console; the first one by default. */
static void
do_console(struct call *c, struct guest *g)
{
	const rp_dom_opttext_flags	*a = c->arg;
	struct chardev			*s;

	if (!must_run(c, g))
		return;
	DEVICE_FOREACH(s, g->live, DEVICE_SERIAL)
		if (a->text == NULL || (s->dev.alias != NULL &&
		    strcmp(s->dev.alias, *a->text) == 0))
			break;
	if (s == NULL)
		DEVICE_FOREACH(s, g->live, DEVICE_CONSOLE)
			if (a->text != NULL && s->dev.alias != NULL &&
			    strcmp(s->dev.alias, *a->text) == 0)
				break;
	if (s == NULL)
		call_fail(c, RPCE_INVALID_ARG, "domain '%s' has no %s%s%s",
		    guest_name(g), a->text == NULL ? "console" :
		    "console called '", a->text == NULL ? "" : *a->text,
		    a->text == NULL ? "" : "'");
	else
		console_open(c, g, s->port, a->flags & LV_CONSOLE_FORCE);
}
