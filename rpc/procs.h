/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * The procedures, once: name, number, who may call it, what it takes and
 * returns.  netd decides access from this table before it decodes a body;
 * qemud makes its table of handlers from the same lists, so neither can know
 * a procedure that the other does not.
 *
 *	X(name, number, access, argument, result, flags)
 *
 * argument and result are types of the .x files, or rp_none.  A program that
 * has a handler for each procedure of a list writes
 *
 *	#define X(name, num, acc, arg, res, fl) \
 *		[num] = (handler_t)call_##name,
 *	static const handler_t handlers[] = { RPC_REMOTE_PROCS(X) };
 *
 * and does not link when one is missing.  The numbers are also there as
 * PROC_name, those of events as EVENT_name.
 *
 * To make a procedure ACCESS_READ is a decision: the golden list in
 * tests/procs_test.c has to be changed too.  READ is what changes nothing,
 * connects to nothing in the guest, takes no path of the host and reveals no
 * secret, whatever its arguments.  Handlers of these must still look whether
 * the client may only read:
 *
 *	domain_get_xml_desc	flags LV_XML_SECURE, LV_XML_MIGRATABLE
 *	domain_get_vcpus_flags	flag LV_VCPU_GUEST
 */

/* There is no rpc/rpc.h in this folder: <rpc/rpc.h> is libtirpc's. */

#ifndef RPC_PROCS_H
#define RPC_PROCS_H

#include <sys/types.h>

#include <rpc/rpc.h>

#include "rpc/error.h"
#include "rpc/header.h"
#include "rpc/own.h"
#include "rpc/qemu.h"
#include "rpc/remote.h"

/* Bits, so that what an endpoint allows is a set of them. */
enum rpc_access {
	ACCESS_NONE = 1,	/* before the connection is opened */
	ACCESS_READ = 2,
	ACCESS_WRITE = 4,	/* full control */
	ACCESS_LAUNCH = 8	/* launchers, on their own socket */
};
#define RIGHTS_READ_ONLY	(ACCESS_NONE | ACCESS_READ)
#define RIGHTS_FULL_CONTROL	(ACCESS_NONE | ACCESS_READ | ACCESS_WRITE)
#define RIGHTS_LAUNCH		ACCESS_LAUNCH

#define PROC_STREAM	0x01	/* success starts a stream with its serial */
#define PROC_FDS	0x02	/* may come as a call with descriptors */

/* The body that is not there. */
typedef struct { char unused; } rp_none;
bool_t	xdr_rp_none(XDR *, rp_none *);

#define RPC_REMOTE_PROCS(X)						\
X(connect_open,			1, NONE, rp_opttext_flags, rp_none, 0)	\
X(connect_close,		2, NONE, rp_none, rp_none, 0)		\
X(connect_get_type,		3, READ, rp_none, rp_text, 0)		\
X(connect_get_version,		4, READ, rp_none, rp_ulong, 0)		\
X(connect_get_max_vcpus,	5, READ, rp_opttext, rp_int, 0)		\
X(node_get_info,		6, READ, rp_none, rp_node_info, 0)	\
X(connect_get_capabilities,	7, READ, rp_none, rp_text, 0)		\
X(domain_create,		9, WRITE, rp_dom, rp_none, 0)		\
X(domain_create_xml,		10, WRITE, rp_text_flags, rp_dom, 0)	\
X(domain_define_xml,		11, WRITE, rp_text, rp_dom, 0)		\
X(domain_destroy,		12, WRITE, rp_dom, rp_none, 0)		\
X(domain_get_xml_desc,		14, READ, rp_dom_flags, rp_text, 0)	\
X(domain_get_autostart,		15, READ, rp_dom, rp_int, 0)		\
X(domain_get_info,		16, READ, rp_dom, rp_dom_info, 0)	\
X(domain_get_max_memory,	17, READ, rp_dom, rp_ulong, 0)		\
X(domain_get_max_vcpus,		18, READ, rp_dom, rp_int, 0)		\
X(domain_get_os_type,		19, READ, rp_dom, rp_text, 0)		\
X(connect_list_defined_domains,	21, READ, rp_int, rp_names, 0)		\
X(domain_lookup_by_id,		22, READ, rp_int, rp_dom, 0)		\
X(domain_lookup_by_name,	23, READ, rp_text, rp_dom, 0)		\
X(domain_lookup_by_uuid,	24, READ, rp_uuid_arg, rp_dom, 0)	\
X(connect_num_of_defined_domains, 25, READ, rp_none, rp_int, 0)		\
X(domain_reboot,		27, WRITE, rp_dom_flags, rp_none, 0)	\
X(domain_resume,		28, WRITE, rp_dom, rp_none, 0)		\
X(domain_set_autostart,		29, WRITE, rp_dom_int, rp_none, 0)	\
X(domain_shutdown,		33, WRITE, rp_dom, rp_none, 0)		\
X(domain_suspend,		34, WRITE, rp_dom, rp_none, 0)		\
X(domain_undefine,		35, WRITE, rp_dom, rp_none, 0)		\
X(connect_list_defined_networks, 36, READ, rp_int, rp_names, 0)		\
X(connect_list_domains,		37, READ, rp_int, rp_ids, 0)		\
X(connect_list_networks,	38, READ, rp_int, rp_names, 0)		\
X(network_lookup_by_name,	46, READ, rp_text, rp_net, 0)		\
X(network_lookup_by_uuid,	47, READ, rp_uuid_arg, rp_net, 0)	\
X(connect_num_of_defined_networks, 50, READ, rp_none, rp_int, 0)	\
X(connect_num_of_domains,	51, READ, rp_none, rp_int, 0)		\
X(connect_num_of_networks,	52, READ, rp_none, rp_int, 0)		\
X(connect_get_hostname,		59, READ, rp_none, rp_text, 0)		\
X(connect_supports_feature,	60, NONE, rp_int, rp_int, 0)		\
X(auth_list,			66, NONE, rp_none, rp_auth_types, 0)	\
X(connect_num_of_storage_pools,	71, READ, rp_none, rp_int, 0)		\
X(connect_list_storage_pools,	72, READ, rp_int, rp_names, 0)		\
X(connect_num_of_defined_storage_pools, 73, READ, rp_none, rp_int, 0)	\
X(connect_list_defined_storage_pools, 74, READ, rp_int, rp_names, 0)	\
X(storage_pool_lookup_by_name,	84, READ, rp_text, rp_pool, 0)		\
X(storage_pool_lookup_by_uuid,	85, READ, rp_uuid_arg, rp_pool, 0)	\
X(storage_pool_lookup_by_volume, 86, READ, rp_vol, rp_pool, 0)		\
X(storage_vol_lookup_by_name,	95, READ, rp_pool_text, rp_vol, 0)	\
X(storage_vol_lookup_by_key,	96, READ, rp_text, rp_vol, 0)		\
X(storage_vol_lookup_by_path,	97, READ, rp_text, rp_vol, 0)		\
X(node_get_free_memory,		102, READ, rp_none, rp_ulong, 0)	\
X(connect_domain_event_register, 105, READ, rp_none, rp_int, 0)		\
X(connect_domain_event_deregister, 106, READ, rp_none, rp_int, 0)	\
X(connect_get_uri,		110, READ, rp_none, rp_text, 0)		\
X(node_num_of_devices,		111, READ, rp_opttext_flags, rp_int, 0)	\
X(node_list_devices,		112, READ, rp_list_devices,		\
				rp_device_names, 0)			\
X(node_device_lookup_by_name,	113, READ, rp_text, rp_nodedev, 0)	\
X(domain_get_security_label,	121, READ, rp_dom, rp_label, 0)		\
X(node_get_security_model,	122, READ, rp_none, rp_secmodel, 0)	\
X(connect_num_of_interfaces,	126, READ, rp_none, rp_int, 0)		\
X(connect_list_interfaces,	127, READ, rp_int, rp_names, 0)		\
X(interface_lookup_by_name,	128, READ, rp_text, rp_iface, 0)	\
X(interface_lookup_by_mac_string, 129, READ, rp_text, rp_iface, 0)	\
X(connect_num_of_defined_interfaces, 137, READ, rp_none, rp_int, 0)	\
X(connect_list_defined_interfaces, 138, READ, rp_int, rp_names, 0)	\
X(connect_num_of_secrets,	139, READ, rp_none, rp_int, 0)		\
X(connect_list_secrets,		140, READ, rp_int, rp_names, 0)		\
X(secret_lookup_by_uuid,	141, READ, rp_uuid_arg, rp_secret, 0)	\
X(secret_lookup_by_usage,	147, READ, rp_secret_usage, rp_secret, 0) \
X(connect_is_secure,		149, READ, rp_none, rp_int, 0)		\
X(domain_is_active,		150, READ, rp_dom, rp_int, 0)		\
X(domain_is_persistent,		151, READ, rp_dom, rp_int, 0)		\
X(connect_get_lib_version,	157, READ, rp_none, rp_ulong, 0)	\
X(domain_get_job_info,		163, READ, rp_dom, rp_dom_job, 0)	\
X(connect_domain_event_register_any, 167, READ, rp_int, rp_none, 0)	\
X(connect_domain_event_deregister_any, 168, READ, rp_int, rp_none, 0)	\
X(nwfilter_lookup_by_name,	175, READ, rp_text, rp_filter, 0)	\
X(nwfilter_lookup_by_uuid,	176, READ, rp_uuid_arg, rp_filter, 0)	\
X(connect_num_of_nwfilters,	178, READ, rp_none, rp_int, 0)		\
X(connect_list_nwfilters,	179, READ, rp_int, rp_names, 0)		\
X(domain_has_managed_save_image, 183, READ, rp_dom_flags, rp_int, 0)	\
X(domain_snapshot_num,		187, READ, rp_dom_flags, rp_int, 0)	\
X(domain_has_current_snapshot,	190, READ, rp_dom_flags, rp_int, 0)	\
X(domain_create_with_flags,	196, WRITE, rp_dom_flags, rp_dom, 0)	\
X(domain_get_vcpus_flags,	200, READ, rp_dom_flags, rp_int, 0)	\
X(domain_open_console,		201, WRITE, rp_dom_opttext_flags,	\
				rp_none, PROC_STREAM)			\
X(domain_is_updated,		202, READ, rp_dom, rp_int, 0)		\
X(connect_get_sysinfo,		203, READ, rp_flags, rp_text, 0)	\
X(domain_get_state,		212, READ, rp_dom_flags, rp_dom_state, 0) \
X(domain_get_control_info,	229, READ, rp_dom_flags, rp_dom_control, 0) \
X(domain_undefine_flags,	231, WRITE, rp_dom_flags, rp_none, 0)	\
X(domain_destroy_flags,		234, WRITE, rp_dom_flags, rp_none, 0)	\
X(domain_reset,			245, WRITE, rp_dom_flags, rp_none, 0)	\
X(domain_shutdown_flags,	258, WRITE, rp_dom_flags, rp_none, 0)	\
X(domain_set_metadata,		264, WRITE, rp_set_metadata, rp_none, 0) \
X(domain_get_metadata,		265, READ, rp_get_metadata, rp_text, 0)	\
X(connect_list_all_domains,	273, READ, rp_list_args, rp_doms, 0)	\
X(domain_get_security_label_list, 278, READ, rp_dom, rp_labels, 0)	\
X(connect_list_all_storage_pools, 281, READ, rp_list_args, rp_pools, 0)	\
X(connect_list_all_networks,	283, READ, rp_list_args, rp_nets, 0)	\
X(connect_list_all_interfaces,	284, READ, rp_list_args, rp_ifaces, 0)	\
X(connect_list_all_node_devices, 285, READ, rp_list_args, rp_nodedevs, 0) \
X(connect_list_all_nwfilters,	286, READ, rp_list_args, rp_filters, 0)	\
X(connect_list_all_secrets,	287, READ, rp_list_args, rp_secrets, 0)	\
X(node_get_cpu_map,		293, READ, rp_cpu_map_args, rp_cpu_map, 0) \
X(connect_network_event_register_any, 313, READ, rp_register_net,	\
				rp_int, 0)				\
X(connect_network_event_deregister_any, 314, READ, rp_int, rp_none, 0)	\
X(connect_domain_event_callback_register_any, 316, READ,		\
				rp_register_dom, rp_int, 0)		\
X(connect_domain_event_callback_deregister_any, 317, READ, rp_int,	\
				rp_none, 0)				\
X(domain_define_xml_flags,	350, WRITE, rp_text_flags, rp_dom, 0)	\
X(domain_rename,		358, WRITE, rp_dom_opttext_flags,	\
				rp_int, 0)				\
X(connect_register_close_callback, 360, READ, rp_none, rp_none, 0)	\
X(connect_unregister_close_callback, 361, READ, rp_none, rp_none, 0)	\
X(connect_storage_pool_event_register_any, 368, READ,			\
				rp_register_pool, rp_int, 0)		\
X(connect_storage_pool_event_deregister_any, 369, READ, rp_int,		\
				rp_none, 0)				\
X(connect_node_device_event_register_any, 374, READ,			\
				rp_register_nodedev, rp_int, 0)		\
X(connect_node_device_event_deregister_any, 375, READ, rp_int,		\
				rp_none, 0)				\
X(connect_secret_event_register_any, 380, READ, rp_register_secret,	\
				rp_int, 0)				\
X(connect_secret_event_deregister_any, 381, READ, rp_int, rp_none, 0)	\
X(storage_pool_lookup_by_target_path, 391, READ, rp_text, rp_pool, 0)	\
X(nwfilter_binding_lookup_by_port_dev, 397, READ, rp_text, rp_binding, 0) \
X(connect_list_all_nwfilter_bindings, 401, READ, rp_list_args,		\
				rp_bindings, 0)				\
X(domain_get_messages,		426, READ, rp_dom_flags, rp_messages, 0)

#define RPC_QEMU_PROCS(X)						\
X(qemu_domain_monitor_command,	1, WRITE, rp_dom_text_flags, rp_text, 0)

#define RPC_OWN_PROCS(X)						\
X(launch_register,		1, LAUNCH, own_register, own_registered, \
				PROC_FDS)				\
X(launch_ended,			2, LAUNCH, own_ended, rp_none, 0)	\
X(guest_log,			16, WRITE, own_log_args, own_log, 0)	\
X(daemon_status,		17, READ, rp_none, own_status, 0)

/* What the daemon sends unasked: X(name, number, body). */
#define RPC_REMOTE_EVENTS(X)						\
X(domain_event_lifecycle,		107, rp_ev_lifecycle)		\
X(domain_event_reboot,			169, rp_dom)			\
X(domain_event_rtc_change,		170, rp_ev_rtc)			\
X(domain_event_watchdog,		171, rp_dom_int)		\
X(domain_event_io_error,		172, rp_ev_io_error)		\
X(domain_event_graphics,		173, rp_ev_graphics)		\
X(domain_event_io_error_reason,		195, rp_ev_io_error_reason)	\
X(domain_event_control_error,		224, rp_dom)			\
X(domain_event_block_job,		241, rp_ev_block_job)		\
X(domain_event_disk_change,		248, rp_ev_disk_change)		\
X(domain_event_tray_change,		268, rp_ev_tray_change)		\
X(domain_event_pmwakeup,		269, rp_dom)			\
X(domain_event_pmsuspend,		270, rp_dom)			\
X(domain_event_balloon_change,		276, rp_ev_balloon)		\
X(domain_event_pmsuspend_disk,		292, rp_dom)			\
X(domain_event_callback_lifecycle,	318, rp_evcb_lifecycle)		\
X(domain_event_callback_reboot,		319, rp_evcb_dom)		\
X(domain_event_callback_rtc_change,	320, rp_evcb_rtc)		\
X(domain_event_callback_watchdog,	321, rp_evcb_dom_int)		\
X(domain_event_callback_io_error,	322, rp_evcb_io_error)		\
X(domain_event_callback_graphics,	323, rp_evcb_graphics)		\
X(domain_event_callback_io_error_reason, 324, rp_evcb_io_error_reason)	\
X(domain_event_callback_control_error,	325, rp_evcb_dom)		\
X(domain_event_callback_block_job,	326, rp_evcb_block_job)		\
X(domain_event_callback_disk_change,	327, rp_evcb_disk_change)	\
X(domain_event_callback_tray_change,	328, rp_evcb_tray_change)	\
X(domain_event_callback_pmwakeup,	329, rp_evcb_pm)		\
X(domain_event_callback_pmsuspend,	330, rp_evcb_pm)		\
X(domain_event_callback_balloon_change,	331, rp_evcb_balloon)		\
X(domain_event_callback_pmsuspend_disk,	332, rp_evcb_pm)		\
X(domain_event_callback_device_removed,	333, rp_evcb_device)		\
X(domain_event_block_job_2,		339, rp_evcb_block_job)		\
X(domain_event_callback_tunable,	346, rp_evcb_tunable)		\
X(domain_event_callback_agent_lifecycle, 348, rp_evcb_agent)		\
X(domain_event_callback_device_added,	354, rp_evcb_device)		\
X(domain_event_callback_migration_iteration, 359, rp_evcb_dom_int)	\
X(connect_event_connection_closed,	362, rp_int)			\
X(domain_event_callback_job_completed,	363, rp_evcb_job)		\
X(domain_event_callback_device_removal_failed, 367, rp_evcb_device)	\
X(domain_event_callback_metadata_change, 379, rp_evcb_metadata)		\
X(domain_event_block_threshold,		385, rp_evcb_threshold)		\
X(domain_event_memory_failure,		423, rp_evcb_memory_failure)	\
X(domain_event_memory_device_size_change, 438, rp_evcb_memory_size)

#define RPC_OWN_EVENTS(X)						\
X(launch_renew,			8, rp_none)				\
X(launch_kill,			9, own_kill)

#define RPC_X_PROC(name, num, acc, arg, res, fl)	PROC_##name = num,
#define RPC_X_EVENT(name, num, body)			EVENT_##name = num,
enum {
	RPC_REMOTE_PROCS(RPC_X_PROC)
	RPC_QEMU_PROCS(RPC_X_PROC)
	RPC_OWN_PROCS(RPC_X_PROC)
	RPC_REMOTE_EVENTS(RPC_X_EVENT)
	RPC_OWN_EVENTS(RPC_X_EVENT)
};
#undef RPC_X_PROC
#undef RPC_X_EVENT

struct rpc_proc {
	const char	*name;
	unsigned int	 prog;
	int		 number;
	enum rpc_access	 access;
	unsigned int	 flags;		/* PROC_* */
	xdrproc_t	 arg;
	size_t		 argsize;
	xdrproc_t	 res;
	size_t		 ressize;
};

struct rpc_event {
	const char	*name;
	unsigned int	 prog;
	int		 number;
	xdrproc_t	 body;
	size_t		 bodysize;
};

/* Is there such a program, in this version? */
int	rpc_program_known(unsigned int, unsigned int);

/* By program and number; NULL if we have none.  Constant time. */
const struct rpc_proc	*rpc_proc_find(unsigned int, int);
const struct rpc_event	*rpc_event_find(unsigned int, int);

/* All of them, in turn; NULL after the last. */
const struct rpc_proc	*rpc_proc_index(size_t);
const struct rpc_event	*rpc_event_index(size_t);

/* May a peer with these RIGHTS_* call it? */
int	rpc_proc_allowed(const struct rpc_proc *, unsigned int);

/*
 * What to do with a frame that came from a client with these rights, by its
 * header alone.  *proc is set with JUDGE_CALL only.
 */
enum rpc_judgement {
	JUDGE_CALL,		/* look at the body */
	JUDGE_STREAM,		/* if prog, procedure, serial are those of an
				   open stream; otherwise ignore it */
	JUDGE_PING,		/* answer with a pong */
	JUDGE_REFUSE,		/* answer with *err, as a reply */
	JUDGE_IGNORE		/* no answer; log it */
};
enum rpc_judgement	rpc_judge(const struct frame_header *, unsigned int,
			    const struct rpc_proc **, struct rpc_error *);

/*
 * The name that clients know it by, "virDomainCreateXML", for messages;
 * truncated to fit.
 */
#define RPC_API_NAME_MAX	64
const char	*rpc_proc_api_name(const struct rpc_proc *, char *, size_t);

#endif
