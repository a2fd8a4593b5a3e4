/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * Public numbers of the libvirt API that travel in the bodies of remote.x.
 * LV_ stands for what the public headers call VIR_, VIR_DOMAIN_ or
 * VIR_CONNECT_.
 */

#ifndef RPC_CONST_H
#define RPC_CONST_H

/* The version of the API that we speak: connect_get_lib_version. */
#define LV_API_VERSION		9000000		/* 9.0.0 */
#define LV_CONNECTION_TYPE	"QEMU"

/* --- connection ----------------------------------------------------------- */

/* connect_open */
enum {
	LV_OPEN_RO =			1 << 0,
	LV_OPEN_NO_ALIASES =		1 << 1,
	LV_OPEN_AUTOSTART =		1 << 2	/* the client's own, but sent */
};

/* connect_supports_feature */
enum {
	LV_FEATURE_MIGRATION_V1 =	1,
	LV_FEATURE_REMOTE =		2,
	LV_FEATURE_MIGRATION_V2 =	3,
	LV_FEATURE_MIGRATION_P2P =	4,
	LV_FEATURE_MIGRATION_DIRECT =	5,
	LV_FEATURE_MIGRATION_V3 =	6,
	LV_FEATURE_CHANGE_PROTECTION =	7,
	LV_FEATURE_FD_PASSING =		8,
	LV_FEATURE_PARAM_STRING =	9,
	LV_FEATURE_KEEPALIVE =		10,	/* asked before the open */
	LV_FEATURE_XML_MIGRATABLE =	11,
	LV_FEATURE_MIGRATION_OFFLINE =	12,
	LV_FEATURE_MIGRATION_PARAMS =	13,
	LV_FEATURE_EVENT_CALLBACK =	14,
	LV_FEATURE_CLOSE_CALLBACK =	15,
	LV_FEATURE_NETWORK_UPDATE_ORDER = 16
};

/* connect_event_connection_closed */
enum {
	LV_CLOSE_ERROR =		0,
	LV_CLOSE_EOF =			1,
	LV_CLOSE_KEEPALIVE =		2,
	LV_CLOSE_CLIENT =		3
};

/* rp_value */
enum {
	LV_PARAM_INT =			1,
	LV_PARAM_UINT =			2,
	LV_PARAM_LLONG =		3,
	LV_PARAM_ULLONG =		4,
	LV_PARAM_DOUBLE =		5,
	LV_PARAM_BOOLEAN =		6,
	LV_PARAM_STRING =		7
};
#define LV_PARAM_KEY_MAX	79	/* longer keys break clients */
#define LV_PARAM_STRING_OKAY	(1 << 2) /* flag: the client takes strings */

/* --- states of a domain --------------------------------------------------- */

enum lv_state {
	LV_NOSTATE =			0,
	LV_RUNNING =			1,
	LV_BLOCKED =			2,
	LV_PAUSED =			3,
	LV_SHUTDOWN =			4,	/* in the course of it */
	LV_SHUTOFF =			5,
	LV_CRASHED =			6,
	LV_PMSUSPENDED =		7
};

/* reasons; 0 is "unknown" in each state */
enum lv_reason_running {
	LV_RUNNING_UNKNOWN =		0,
	LV_RUNNING_BOOTED =		1,
	LV_RUNNING_MIGRATED =		2,
	LV_RUNNING_RESTORED =		3,
	LV_RUNNING_FROM_SNAPSHOT =	4,
	LV_RUNNING_UNPAUSED =		5,
	LV_RUNNING_MIGRATION_CANCELED =	6,
	LV_RUNNING_SAVE_CANCELED =	7,
	LV_RUNNING_WAKEUP =		8,
	LV_RUNNING_CRASHED =		9,
	LV_RUNNING_POSTCOPY =		10,
	LV_RUNNING_POSTCOPY_FAILED =	11
};

enum lv_reason_paused {
	LV_PAUSED_UNKNOWN =		0,
	LV_PAUSED_USER =		1,
	LV_PAUSED_MIGRATION =		2,
	LV_PAUSED_SAVE =		3,
	LV_PAUSED_DUMP =		4,
	LV_PAUSED_IOERROR =		5,
	LV_PAUSED_WATCHDOG =		6,
	LV_PAUSED_FROM_SNAPSHOT =	7,
	LV_PAUSED_SHUTTING_DOWN =	8,
	LV_PAUSED_SNAPSHOT =		9,
	LV_PAUSED_CRASHED =		10,
	LV_PAUSED_STARTING_UP =		11,
	LV_PAUSED_POSTCOPY =		12,
	LV_PAUSED_POSTCOPY_FAILED =	13
};

enum lv_reason_shutdown {
	LV_SHUTDOWN_UNKNOWN =		0,
	LV_SHUTDOWN_USER =		1
};

enum lv_reason_shutoff {
	LV_SHUTOFF_UNKNOWN =		0,
	LV_SHUTOFF_SHUTDOWN =		1,
	LV_SHUTOFF_DESTROYED =		2,
	LV_SHUTOFF_CRASHED =		3,
	LV_SHUTOFF_MIGRATED =		4,
	LV_SHUTOFF_SAVED =		5,
	LV_SHUTOFF_FAILED =		6,	/* it did not start */
	LV_SHUTOFF_FROM_SNAPSHOT =	7,
	LV_SHUTOFF_DAEMON =		8
};

enum lv_reason_crashed {
	LV_CRASHED_UNKNOWN =		0,
	LV_CRASHED_PANICKED =		1
};

/* domain_get_control_info */
enum {
	LV_CONTROL_OK =			0,
	LV_CONTROL_JOB =		1,
	LV_CONTROL_OCCUPIED =		2,
	LV_CONTROL_ERROR =		3
};
enum {
	LV_CONTROL_ERROR_NONE =		0,
	LV_CONTROL_ERROR_UNKNOWN =	1,
	LV_CONTROL_ERROR_MONITOR =	2,
	LV_CONTROL_ERROR_INTERNAL =	3
};

/* domain_get_job_info */
enum {
	LV_JOB_NONE =			0,
	LV_JOB_BOUNDED =		1,
	LV_JOB_UNBOUNDED =		2,
	LV_JOB_COMPLETED =		3,
	LV_JOB_FAILED =			4,
	LV_JOB_CANCELLED =		5
};

/* --- flags of calls ------------------------------------------------------- */

enum {
	LV_AFFECT_CURRENT =		0,
	LV_AFFECT_LIVE =		1 << 0,
	LV_AFFECT_CONFIG =		1 << 1
};

/* domain_create_xml, domain_create_with_flags */
enum {
	LV_START_PAUSED =		1 << 0,
	LV_START_AUTODESTROY =		1 << 1,
	LV_START_BYPASS_CACHE =		1 << 2,
	LV_START_FORCE_BOOT =		1 << 3,
	LV_START_VALIDATE =		1 << 4,
	LV_START_RESET_NVRAM =		1 << 5
};

/* domain_define_xml_flags */
enum {
	LV_DEFINE_VALIDATE =		1 << 0
};

/* domain_undefine_flags */
enum {
	LV_UNDEFINE_MANAGED_SAVE =	1 << 0,
	LV_UNDEFINE_SNAPSHOTS_METADATA = 1 << 1,
	LV_UNDEFINE_NVRAM =		1 << 2,
	LV_UNDEFINE_KEEP_NVRAM =	1 << 3,
	LV_UNDEFINE_CHECKPOINTS_METADATA = 1 << 4,
	LV_UNDEFINE_TPM =		1 << 5,
	LV_UNDEFINE_KEEP_TPM =		1 << 6
};

/* domain_shutdown_flags, domain_reboot: how to ask the guest */
enum {
	LV_ASK_DEFAULT =		0,
	LV_ASK_ACPI =			1 << 0,
	LV_ASK_AGENT =			1 << 1,
	LV_ASK_INITCTL =		1 << 2,
	LV_ASK_SIGNAL =			1 << 3,
	LV_ASK_PARAVIRT =		1 << 4
};

/* domain_destroy_flags */
enum {
	LV_DESTROY_GRACEFUL =		1 << 0,
	LV_DESTROY_REMOVE_LOGS =	1 << 1
};

/* domain_get_xml_desc; full control is needed for two of them */
enum {
	LV_XML_SECURE =			1 << 0,
	LV_XML_INACTIVE =		1 << 1,
	LV_XML_UPDATE_CPU =		1 << 2,
	LV_XML_MIGRATABLE =		1 << 3
};
#define LV_XML_FULL_CONTROL	(LV_XML_SECURE | LV_XML_MIGRATABLE)

/* domain_get_vcpus_flags, beside LV_AFFECT_*; GUEST needs full control */
enum {
	LV_VCPU_MAXIMUM =		1 << 2,
	LV_VCPU_GUEST =			1 << 3,
	LV_VCPU_HOTPLUGGABLE =		1 << 4
};

/* domain_open_console */
enum {
	LV_CONSOLE_FORCE =		1 << 0,
	LV_CONSOLE_SAFE =		1 << 1
};

/* domain_get_messages; 0 is both */
enum {
	LV_MESSAGE_DEPRECATION =	1 << 0,
	LV_MESSAGE_TAINTING =		1 << 1
};

/* domain_set_metadata, domain_get_metadata */
enum lv_metadata {
	LV_METADATA_DESCRIPTION =	0,
	LV_METADATA_TITLE =		1,
	LV_METADATA_ELEMENT =		2
};

/* qemu_domain_monitor_command */
enum {
	LV_MONITOR_HMP =		1 << 0
};

/* qemu_domain_agent_command: timeout */
enum {
	LV_AGENT_BLOCK =		-2,
	LV_AGENT_DEFAULT =		-1,
	LV_AGENT_NOWAIT =		0
};

/*
 * connect_list_all_domains.  A group that has no bit set does not filter;
 * within a group any set bit lets the domain in.
 */
enum {
	LV_LIST_ACTIVE =		1 << 0,
	LV_LIST_INACTIVE =		1 << 1,
	LV_LIST_PERSISTENT =		1 << 2,
	LV_LIST_TRANSIENT =		1 << 3,
	LV_LIST_RUNNING =		1 << 4,
	LV_LIST_PAUSED =		1 << 5,
	LV_LIST_SHUTOFF =		1 << 6,
	LV_LIST_OTHER =			1 << 7,
	LV_LIST_MANAGEDSAVE =		1 << 8,
	LV_LIST_NO_MANAGEDSAVE =	1 << 9,
	LV_LIST_AUTOSTART =		1 << 10,
	LV_LIST_NO_AUTOSTART =		1 << 11,
	LV_LIST_HAS_SNAPSHOT =		1 << 12,
	LV_LIST_NO_SNAPSHOT =		1 << 13,
	LV_LIST_HAS_CHECKPOINT =	1 << 14,
	LV_LIST_NO_CHECKPOINT =		1 << 15
};
#define LV_LIST_GROUP_ACTIVE	(LV_LIST_ACTIVE | LV_LIST_INACTIVE)
#define LV_LIST_GROUP_PERSISTENT (LV_LIST_PERSISTENT | LV_LIST_TRANSIENT)
#define LV_LIST_GROUP_STATE	(LV_LIST_RUNNING | LV_LIST_PAUSED | \
				    LV_LIST_SHUTOFF | LV_LIST_OTHER)
#define LV_LIST_GROUP_SAVE	(LV_LIST_MANAGEDSAVE | LV_LIST_NO_MANAGEDSAVE)
#define LV_LIST_GROUP_AUTOSTART	(LV_LIST_AUTOSTART | LV_LIST_NO_AUTOSTART)
#define LV_LIST_GROUP_SNAPSHOT	(LV_LIST_HAS_SNAPSHOT | LV_LIST_NO_SNAPSHOT)
#define LV_LIST_GROUP_CHECKPOINT \
    (LV_LIST_HAS_CHECKPOINT | LV_LIST_NO_CHECKPOINT)
#define LV_LIST_ALL		((1 << 16) - 1)

/* The bits that the other lists know; anything else is an invalid argument. */
#define LV_LIST_ALL_NETWORKS	((1 << 6) - 1)
#define LV_LIST_ALL_POOLS	((1 << 20) - 1)
#define LV_LIST_ALL_INTERFACES	((1 << 2) - 1)
#define LV_LIST_ALL_SECRETS	((1 << 4) - 1)
#define LV_LIST_ALL_NODE_DEVICES (((1U << 22) - 1) | 1U << 30 | 1U << 31)

/* connect_get_all_domain_stats: groups */
enum {
	LV_STATS_STATE =		1 << 0,
	LV_STATS_CPU_TOTAL =		1 << 1,
	LV_STATS_BALLOON =		1 << 2,
	LV_STATS_VCPU =			1 << 3,
	LV_STATS_INTERFACE =		1 << 4,
	LV_STATS_BLOCK =		1 << 5,
	LV_STATS_PERF =			1 << 6,
	LV_STATS_IOTHREAD =		1 << 7,
	LV_STATS_MEMORY =		1 << 8,
	LV_STATS_DIRTYRATE =		1 << 9,
	LV_STATS_VM =			1 << 10
};
/* and its flags, beside LV_LIST_ACTIVE to LV_LIST_OTHER */
#define LV_STATS_NOWAIT		(1U << 29)
#define LV_STATS_BACKING	(1U << 30)
#define LV_STATS_ENFORCE	(1U << 31)

/* --- events --------------------------------------------------------------- */

/* What ..._event_callback_register_any is asked for. */
enum lv_event_id {
	LV_EVENT_ID_LIFECYCLE =		0,
	LV_EVENT_ID_REBOOT =		1,
	LV_EVENT_ID_RTC_CHANGE =	2,
	LV_EVENT_ID_WATCHDOG =		3,
	LV_EVENT_ID_IO_ERROR =		4,
	LV_EVENT_ID_GRAPHICS =		5,
	LV_EVENT_ID_IO_ERROR_REASON =	6,
	LV_EVENT_ID_CONTROL_ERROR =	7,
	LV_EVENT_ID_BLOCK_JOB =		8,
	LV_EVENT_ID_DISK_CHANGE =	9,
	LV_EVENT_ID_TRAY_CHANGE =	10,
	LV_EVENT_ID_PMWAKEUP =		11,
	LV_EVENT_ID_PMSUSPEND =		12,
	LV_EVENT_ID_BALLOON_CHANGE =	13,
	LV_EVENT_ID_PMSUSPEND_DISK =	14,
	LV_EVENT_ID_DEVICE_REMOVED =	15,
	LV_EVENT_ID_BLOCK_JOB_2 =	16,
	LV_EVENT_ID_TUNABLE =		17,
	LV_EVENT_ID_AGENT_LIFECYCLE =	18,
	LV_EVENT_ID_DEVICE_ADDED =	19,
	LV_EVENT_ID_MIGRATION_ITERATION = 20,
	LV_EVENT_ID_JOB_COMPLETED =	21,
	LV_EVENT_ID_DEVICE_REMOVAL_FAILED = 22,
	LV_EVENT_ID_METADATA_CHANGE =	23,
	LV_EVENT_ID_BLOCK_THRESHOLD =	24,
	LV_EVENT_ID_MEMORY_FAILURE =	25,
	LV_EVENT_ID_MEMORY_DEVICE_SIZE = 26,
	LV_EVENT_ID_LAST =		27
};
#define LV_NETWORK_EVENT_ID_LAST	1	/* lifecycle */
#define LV_POOL_EVENT_ID_LAST		2	/* lifecycle, refresh */
#define LV_NODEDEV_EVENT_ID_LAST	2	/* lifecycle, update */
#define LV_SECRET_EVENT_ID_LAST		2	/* lifecycle, value changed */

/* Lifecycle of a domain: event, then its detail. */
enum lv_event {
	LV_EVENT_DEFINED =		0,
	LV_EVENT_UNDEFINED =		1,
	LV_EVENT_STARTED =		2,
	LV_EVENT_SUSPENDED =		3,
	LV_EVENT_RESUMED =		4,
	LV_EVENT_STOPPED =		5,
	LV_EVENT_SHUTDOWN =		6,
	LV_EVENT_PMSUSPENDED =		7,
	LV_EVENT_CRASHED =		8
};

enum {
	LV_EVENT_DEFINED_ADDED =	0,
	LV_EVENT_DEFINED_UPDATED =	1,
	LV_EVENT_DEFINED_RENAMED =	2,
	LV_EVENT_DEFINED_FROM_SNAPSHOT = 3
};

enum {
	LV_EVENT_UNDEFINED_REMOVED =	0,
	LV_EVENT_UNDEFINED_RENAMED =	1
};

enum {
	LV_EVENT_STARTED_BOOTED =	0,
	LV_EVENT_STARTED_MIGRATED =	1,
	LV_EVENT_STARTED_RESTORED =	2,
	LV_EVENT_STARTED_FROM_SNAPSHOT = 3,
	LV_EVENT_STARTED_WAKEUP =	4
};

enum {
	LV_EVENT_SUSPENDED_PAUSED =	0,
	LV_EVENT_SUSPENDED_MIGRATED =	1,
	LV_EVENT_SUSPENDED_IOERROR =	2,
	LV_EVENT_SUSPENDED_WATCHDOG =	3,
	LV_EVENT_SUSPENDED_RESTORED =	4,
	LV_EVENT_SUSPENDED_FROM_SNAPSHOT = 5,
	LV_EVENT_SUSPENDED_API_ERROR =	6,
	LV_EVENT_SUSPENDED_POSTCOPY =	7,
	LV_EVENT_SUSPENDED_POSTCOPY_FAILED = 8
};

enum {
	LV_EVENT_RESUMED_UNPAUSED =	0,
	LV_EVENT_RESUMED_MIGRATED =	1,
	LV_EVENT_RESUMED_FROM_SNAPSHOT = 2,
	LV_EVENT_RESUMED_POSTCOPY =	3,
	LV_EVENT_RESUMED_POSTCOPY_FAILED = 4
};

enum {
	LV_EVENT_STOPPED_SHUTDOWN =	0,
	LV_EVENT_STOPPED_DESTROYED =	1,
	LV_EVENT_STOPPED_CRASHED =	2,
	LV_EVENT_STOPPED_MIGRATED =	3,
	LV_EVENT_STOPPED_SAVED =	4,
	LV_EVENT_STOPPED_FAILED =	5,
	LV_EVENT_STOPPED_FROM_SNAPSHOT = 6
};

enum {
	LV_EVENT_SHUTDOWN_FINISHED =	0,
	LV_EVENT_SHUTDOWN_GUEST =	1,
	LV_EVENT_SHUTDOWN_HOST =	2
};

enum {
	LV_EVENT_PMSUSPENDED_MEMORY =	0,
	LV_EVENT_PMSUSPENDED_DISK =	1
};

enum {
	LV_EVENT_CRASHED_PANICKED =	0,
	LV_EVENT_CRASHED_CRASHLOADED =	1
};

/* domain_event_watchdog */
enum {
	LV_WATCHDOG_NONE =		0,
	LV_WATCHDOG_PAUSE =		1,
	LV_WATCHDOG_RESET =		2,
	LV_WATCHDOG_POWEROFF =		3,
	LV_WATCHDOG_SHUTDOWN =		4,
	LV_WATCHDOG_DEBUG =		5,
	LV_WATCHDOG_INJECT_NMI =	6
};

/* domain_event_io_error */
enum {
	LV_IO_ERROR_NONE =		0,
	LV_IO_ERROR_PAUSE =		1,
	LV_IO_ERROR_REPORT =		2
};

/* domain_event_graphics: phase, family of an address */
enum {
	LV_GRAPHICS_CONNECT =		0,
	LV_GRAPHICS_INITIALIZE =	1,
	LV_GRAPHICS_DISCONNECT =	2
};
enum {
	LV_GRAPHICS_IPV4 =		0,
	LV_GRAPHICS_IPV6 =		1,
	LV_GRAPHICS_UNIX =		2
};

/* domain_event_tray_change */
enum {
	LV_TRAY_OPEN =			0,
	LV_TRAY_CLOSE =			1
};

/* domain_event_callback_agent_lifecycle: state, reason */
enum {
	LV_AGENT_CONNECTED =		1,
	LV_AGENT_DISCONNECTED =		2
};
enum {
	LV_AGENT_REASON_UNKNOWN =	0,
	LV_AGENT_REASON_STARTED =	1,
	LV_AGENT_REASON_CHANNEL =	2
};

#endif
