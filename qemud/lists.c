/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * Handlers: kinds of objects that there are none of: networks, storage pools,
 * interfaces, node devices, network filters, secrets.  Clients count and list
 * them when they connect, and take an error for a broken connection, so the
 * answer is an empty list; whoever looks for one is told that it is not
 * there.  Events of theirs can be asked for; none happens.
 */

#include <stdlib.h>
#include <string.h>

#include "qemud/handlers.h"
#include "qemud/qemud.h"

static void	 no_such(struct call *, enum rpc_domain, enum rpc_code,
		    const char *, ...) __attribute__((format(printf, 4, 5)));

#define NONE_NUM(name)							\
void									\
call_##name(struct call *c, void *arg)					\
{									\
	rp_int	 res = { 0 };						\
									\
	call_ok(c, &res);						\
}

#define NONE_NAMES(name)						\
void									\
call_##name(struct call *c, void *arg)					\
{									\
	rp_int		*max = arg;					\
	rp_names	 res = { { 0, NULL } };				\
									\
	if (max->value < 0)						\
		call_fail(c, RPCE_INVALID_ARG,				\
		    "the most to list must not be negative");		\
	else								\
		call_ok(c, &res);					\
}

#define NONE_ALL(name, type, known)					\
void									\
call_##name(struct call *c, void *arg)					\
{									\
	const rp_list_args	*a = arg;				\
	type			 res = { { 0, NULL }, 0 };		\
									\
	if (!call_bad_flags(c, a->flags, known))			\
		call_ok(c, &res);					\
}

NONE_NUM(connect_num_of_networks)
NONE_NUM(connect_num_of_defined_networks)
NONE_NUM(connect_num_of_storage_pools)
NONE_NUM(connect_num_of_defined_storage_pools)
NONE_NUM(connect_num_of_interfaces)
NONE_NUM(connect_num_of_defined_interfaces)
NONE_NUM(connect_num_of_secrets)
NONE_NUM(connect_num_of_nwfilters)
NONE_NUM(node_num_of_devices)

NONE_NAMES(connect_list_networks)
NONE_NAMES(connect_list_defined_networks)
NONE_NAMES(connect_list_storage_pools)
NONE_NAMES(connect_list_defined_storage_pools)
NONE_NAMES(connect_list_interfaces)
NONE_NAMES(connect_list_defined_interfaces)
NONE_NAMES(connect_list_secrets)
NONE_NAMES(connect_list_nwfilters)

NONE_ALL(connect_list_all_networks, rp_nets, LV_LIST_ALL_NETWORKS)
NONE_ALL(connect_list_all_storage_pools, rp_pools, LV_LIST_ALL_POOLS)
NONE_ALL(connect_list_all_interfaces, rp_ifaces, LV_LIST_ALL_INTERFACES)
NONE_ALL(connect_list_all_node_devices, rp_nodedevs, LV_LIST_ALL_NODE_DEVICES)
NONE_ALL(connect_list_all_nwfilters, rp_filters, 0)
NONE_ALL(connect_list_all_nwfilter_bindings, rp_bindings, 0)
NONE_ALL(connect_list_all_secrets, rp_secrets, LV_LIST_ALL_SECRETS)

void
call_node_list_devices(struct call *c, void *arg)
{
	rp_device_names	 res = { { 0, NULL } };

	call_ok(c, &res);
}

/* --- looking for one of them ----------------------------------------------- */

static void
no_such(struct call *c, enum rpc_domain domain, enum rpc_code code,
    const char *fmt, ...)
{
	struct rpc_error	 err;
	va_list			 ap;

	rpc_error_clear(&err);
	va_start(ap, fmt);
	rpc_error_vset(&err, domain, code, fmt, ap);
	va_end(ap);
	call_fail_with(c, &err);
}

static const char *
uuid_text(const char *uuid)
{
	static char	 text[37];

	domain_uuid_format((const uint8_t *)uuid, text);
	return (text);
}

/* Clients match on the code, scripts on the words. */
#define NO_SUCH(name, type, kind, fmt, what)				\
void									\
call_##name(struct call *c, void *arg)					\
{									\
	const type	*a = arg;					\
									\
	no_such(c, kind, fmt, what);					\
}

#define NET	RPCD_NETWORK, RPCE_NO_NETWORK
#define POOL	RPCD_STORAGE, RPCE_NO_STORAGE_POOL
#define VOL	RPCD_STORAGE, RPCE_NO_STORAGE_VOL
#define IFACE	RPCD_INTERFACE, RPCE_NO_INTERFACE
#define NODEDEV	RPCD_NODEDEV, RPCE_NO_NODE_DEVICE
#define SECRET	RPCD_SECRET, RPCE_NO_SECRET
#define FILTER	RPCD_NWFILTER, RPCE_NO_NWFILTER
#define BINDING	RPCD_NWFILTER, RPCE_NO_NWFILTER_BINDING

NO_SUCH(network_lookup_by_name, rp_text, NET,
    "no network with matching name '%s'", a->text)
NO_SUCH(network_lookup_by_uuid, rp_uuid_arg, NET,
    "no network with matching uuid '%s'", uuid_text(a->uuid))
NO_SUCH(storage_pool_lookup_by_name, rp_text, POOL,
    "no storage pool with matching name '%s'", a->text)
NO_SUCH(storage_pool_lookup_by_uuid, rp_uuid_arg, POOL,
    "no storage pool with matching uuid '%s'", uuid_text(a->uuid))
NO_SUCH(storage_pool_lookup_by_volume, rp_vol, POOL,
    "no storage pool with matching name '%s'", a->pool)
NO_SUCH(storage_pool_lookup_by_target_path, rp_text, POOL,
    "no storage pool with matching target path '%s'", a->text)
NO_SUCH(storage_vol_lookup_by_name, rp_pool_text, POOL,
    "no storage pool with matching name '%s'", a->pool.name)
NO_SUCH(storage_vol_lookup_by_key, rp_text, VOL,
    "no storage vol with matching key %s", a->text)
NO_SUCH(storage_vol_lookup_by_path, rp_text, VOL,
    "no storage vol with matching path '%s'", a->text)
NO_SUCH(interface_lookup_by_name, rp_text, IFACE,
    "couldn't find interface named '%s'", a->text)
NO_SUCH(interface_lookup_by_mac_string, rp_text, IFACE,
    "couldn't find interface with MAC address '%s'", a->text)
NO_SUCH(node_device_lookup_by_name, rp_text, NODEDEV,
    "no node device with matching name '%s'", a->text)
NO_SUCH(secret_lookup_by_uuid, rp_uuid_arg, SECRET,
    "no secret with matching uuid '%s'", uuid_text(a->uuid))
NO_SUCH(secret_lookup_by_usage, rp_secret_usage, SECRET,
    "no secret with matching usage '%s'", a->usage_id)
NO_SUCH(nwfilter_lookup_by_name, rp_text, FILTER,
    "no nwfilter with matching name '%s'", a->text)
NO_SUCH(nwfilter_lookup_by_uuid, rp_uuid_arg, FILTER,
    "no nwfilter with matching uuid '%s'", uuid_text(a->uuid))
NO_SUCH(nwfilter_binding_lookup_by_port_dev, rp_text, BINDING,
    "no nwfilter binding for port dev '%s'", a->text)

/* --- their events ---------------------------------------------------------- */

/*
 * Kept like those of domains, so that a callback's number is good for one
 * kind only; the event's number is moved out of the way of the others.
 */
enum kind { KIND_NETWORK = 1, KIND_POOL, KIND_NODEDEV, KIND_SECRET };

static void
kind_register(struct call *c, enum kind kind, int event, int last)
{
	rp_int	 res = { -1 };

	if (event >= 0 && event < last)
		res.value = event_subscribe_kind(call_client(c), kind);
	if (res.value == -1)
		call_fail(c, RPCE_INVALID_ARG, "cannot subscribe to event %d",
		    event);
	else
		call_ok(c, &res);
}

static void
kind_deregister(struct call *c, enum kind kind, int callback)
{
	if (event_unsubscribe_kind(call_client(c), kind, callback) == -1)
		call_fail(c, RPCE_INVALID_ARG, "there is no callback %d",
		    callback);
	else
		call_ok(c, NULL);
}

#define KIND_EVENTS(name, kind, type, last)				\
void									\
call_connect_##name##_event_register_any(struct call *c, void *arg)	\
{									\
	const type	*a = arg;					\
									\
	kind_register(c, kind, a->event, last);				\
}									\
									\
void									\
call_connect_##name##_event_deregister_any(struct call *c, void *arg)	\
{									\
	const rp_int	*a = arg;					\
									\
	kind_deregister(c, kind, a->value);				\
}

KIND_EVENTS(network, KIND_NETWORK, rp_register_net, LV_NETWORK_EVENT_ID_LAST)
KIND_EVENTS(storage_pool, KIND_POOL, rp_register_pool, LV_POOL_EVENT_ID_LAST)
KIND_EVENTS(node_device, KIND_NODEDEV, rp_register_nodedev,
    LV_NODEDEV_EVENT_ID_LAST)
KIND_EVENTS(secret, KIND_SECRET, rp_register_secret, LV_SECRET_EVENT_ID_LAST)
