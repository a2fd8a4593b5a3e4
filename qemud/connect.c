/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * Handlers: the connection, the host, who wants which events.
 */

#include <sys/utsname.h>

#include <stdlib.h>
#include <string.h>

#include "imsg/log.h"
#include "qemud/handlers.h"
#include "qemud/qemud.h"

static int	 uri_ok(const char *);
static void	 fail_no_event(struct call *, int);

/* --- opening ------------------------------------------------------------- */

void
call_auth_list(struct call *c, void *arg)
{
	rp_auth_type	 none = RP_AUTH_NONE;
	rp_auth_types	 res = { { 1, &none } };

	/* who may connect is a matter of the socket's owner and mode */
	call_ok(c, &res);
}

/* What is asked for must be this instance; whose it is, the socket says. */
static int
uri_ok(const char *uri)
{
	static const char *const	 schemes[] = { "qemu://", "qemud://" };
	const char			*path;
	size_t				 i, len;

	for (i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
		if (strncmp(uri, schemes[i], strlen(schemes[i])) == 0)
			break;
	if (i == sizeof(schemes) / sizeof(schemes[0]) ||
	    (path = strchr(uri + strlen(schemes[i]), '/')) == NULL)
		return (0);
	len = strcspn(path, "?");
	if (len <= 1)
		return (1);
	return (strncmp(path, env.proc.setup.session ? "/session" : "/system",
	    len) == 0);
}

void
call_connect_open(struct call *c, void *arg)
{
	const rp_opttext_flags	*a = arg;
	struct client		*client = call_client(c);

	if (call_bad_flags(c, a->flags, LV_OPEN_RO | LV_OPEN_NO_ALIASES |
	    LV_OPEN_AUTOSTART))
		return;
	if (client->opened) {
		call_fail(c, RPCE_OPERATION_INVALID,
		    "the connection is open already");
		return;
	}
	if (a->text != NULL && **a->text != '\0' && !uri_ok(*a->text)) {
		call_fail(c, RPCE_NO_CONNECT, "'%s' is not served here; "
		    "qemu:///%s is", *a->text,
		    env.proc.setup.session ? "session" : "system");
		return;
	}
	client->opened = 1;
	if (a->flags & LV_OPEN_RO)
		client->rights &= RIGHTS_READ_ONLY;
	call_ok(c, NULL);
}

void
call_connect_close(struct call *c, void *arg)
{
	struct client	*client = call_client(c);

	client->opened = 0;
	while (!TAILQ_EMPTY(&client->streams))
		stream_free(TAILQ_FIRST(&client->streams));
	event_unsubscribe_all(client);
	call_ok(c, NULL);
}

void
call_connect_supports_feature(struct call *c, void *arg)
{
	rp_int	*a = arg;
	rp_int	 res = { 0 };

	switch (a->value) {
	case LV_FEATURE_REMOTE:
	case LV_FEATURE_PARAM_STRING:
	case LV_FEATURE_KEEPALIVE:
	case LV_FEATURE_EVENT_CALLBACK:
	case LV_FEATURE_CLOSE_CALLBACK:
		res.value = 1;
		break;
	default:
		break;
	}
	call_ok(c, &res);
}

void
call_connect_get_type(struct call *c, void *arg)
{
	char	 type[] = LV_CONNECTION_TYPE;
	rp_text	 res = { type };

	call_ok(c, &res);
}

void
call_connect_get_lib_version(struct call *c, void *arg)
{
	rp_ulong	 res = { LV_API_VERSION };

	call_ok(c, &res);
}

void
call_connect_get_hostname(struct call *c, void *arg)
{
	struct utsname	 un;
	rp_text		 res = { un.nodename };

	uname(&un);
	call_ok(c, &res);
}

void
call_connect_get_uri(struct call *c, void *arg)
{
	char	 system[] = "qemu:///system", session[] = "qemu:///session";
	rp_text	 res = { env.proc.setup.session ? session : system };

	call_ok(c, &res);
}

void
call_connect_is_secure(struct call *c, void *arg)
{
	rp_int	 res = { 1 };	/* a socket of this machine */

	call_ok(c, &res);
}

/* --- the host ------------------------------------------------------------- */

void
call_connect_get_max_vcpus(struct call *c, void *arg)
{
	const rp_opttext	*a = arg;
	const char		*type = a->text != NULL ? *a->text : "qemu";
	rp_int			 res = { 255 };

	if (strcasecmp(type, "qemu") != 0 && strcasecmp(type, "kvm") != 0 &&
	    strcasecmp(type, "kqemu") != 0) {
		call_fail(c, RPCE_INVALID_ARG, "unknown type '%s'; the types "
		    "are qemu and kvm", type);
		return;
	}
	call_ok(c, &res);
}

void
call_node_get_info(struct call *c, void *arg)
{
	rp_node_info	 res;

	host_node_info(&res);
	call_ok(c, &res);
}

void
call_node_get_free_memory(struct call *c, void *arg)
{
	rp_ulong	 res = { host_free_memory() };

	call_ok(c, &res);
}

void
call_node_get_cpu_map(struct call *c, void *arg)
{
	const rp_cpu_map_args	*a = arg;
	unsigned char		 map[RP_CPUMAP_MAX];
	rp_cpu_map		 res = { 0 };

	if (call_bad_flags(c, a->flags, 0))
		return;
	res.count = host_cpu_map(map, sizeof(map), &res.online);
	if (a->need_map) {
		res.map.map_val = (char *)map;
		res.map.map_len = (res.count + 7) / 8;
	}
	if (!a->need_online)
		res.online = 0;
	call_ok(c, &res);
}

void
call_connect_get_capabilities(struct call *c, void *arg)
{
	rp_text	 res = { (char *)(uintptr_t)host_capabilities() };

	call_ok(c, &res);
}

void
call_connect_get_sysinfo(struct call *c, void *arg)
{
	const rp_flags	*a = arg;
	rp_text		 res = { (char *)(uintptr_t)host_sysinfo() };

	if (!call_bad_flags(c, a->flags, 0))
		call_ok(c, &res);
}

void
call_node_get_security_model(struct call *c, void *arg)
{
	char		 none[] = "none", zero[] = "0";
	rp_secmodel	 res = { { sizeof(none), none },
	    { sizeof(zero), zero } };

	call_ok(c, &res);
}

/* --- events ---------------------------------------------------------------- */

static void
fail_no_event(struct call *c, int event)
{
	call_fail(c, RPCE_INVALID_ARG, "cannot subscribe to event %d: there "
	    "is no such event, or there are too many subscriptions already: "
	    "%d of this client, or %d of all", event, SUBSCRIPTIONS_MAX,
	    SUBSCRIPTIONS_ALL_MAX);
}

void
call_connect_domain_event_register(struct call *c, void *arg)
{
	struct client	*client = call_client(c);
	rp_int		 res = { 1 };

	if (event_subscribe(client, LV_EVENT_ID_LIFECYCLE, 1, NULL) == -1)
		fail_no_event(c, LV_EVENT_ID_LIFECYCLE);
	else
		call_ok(c, &res);
}

void
call_connect_domain_event_deregister(struct call *c, void *arg)
{
	rp_int	 res = { 0 };

	if (event_unsubscribe_legacy(call_client(c),
	    LV_EVENT_ID_LIFECYCLE) == -1)
		call_fail(c, RPCE_INVALID_ARG, "not registered for events");
	else
		call_ok(c, &res);
}

void
call_connect_domain_event_register_any(struct call *c, void *arg)
{
	rp_int	*a = arg;

	/* those that came later exist in the new form only */
	if (a->value > LV_EVENT_ID_PMSUSPEND_DISK ||
	    event_subscribe(call_client(c), a->value, 1, NULL) == -1)
		fail_no_event(c, a->value);
	else
		call_ok(c, NULL);
}

void
call_connect_domain_event_deregister_any(struct call *c, void *arg)
{
	rp_int	*a = arg;

	if (event_unsubscribe_legacy(call_client(c), a->value) == -1)
		call_fail(c, RPCE_INVALID_ARG, "not registered for event %d",
		    a->value);
	else
		call_ok(c, NULL);
}

void
call_connect_domain_event_callback_register_any(struct call *c, void *arg)
{
	const rp_register_dom	*a = arg;
	rp_int			 res;

	res.value = event_subscribe(call_client(c), a->event, 0,
	    a->dom != NULL ? (const uint8_t *)a->dom->uuid : NULL);
	if (res.value == -1)
		fail_no_event(c, a->event);
	else
		call_ok(c, &res);
}

void
call_connect_domain_event_callback_deregister_any(struct call *c, void *arg)
{
	rp_int	*a = arg;

	if (event_unsubscribe(call_client(c), a->value) == -1)
		call_fail(c, RPCE_INVALID_ARG, "there is no callback %d",
		    a->value);
	else
		call_ok(c, NULL);
}

void
call_connect_register_close_callback(struct call *c, void *arg)
{
	struct client	*client = call_client(c);

	if (client->close_callback)
		call_fail(c, RPCE_OPERATION_FAILED,
		    "a close callback is registered already");
	else {
		client->close_callback = 1;
		call_ok(c, NULL);
	}
}

void
call_connect_unregister_close_callback(struct call *c, void *arg)
{
	struct client	*client = call_client(c);

	if (!client->close_callback)
		call_fail(c, RPCE_OPERATION_FAILED,
		    "no close callback is registered");
	else {
		client->close_callback = 0;
		call_ok(c, NULL);
	}
}
