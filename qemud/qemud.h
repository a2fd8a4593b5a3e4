/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

#ifndef QEMUD_H
#define QEMUD_H

#include <sys/types.h>
#include <sys/queue.h>
#include <sys/tree.h>

#include <event2/event.h>
#include <stdint.h>

#include "domain/domain.h"
#include "imsg/chan.h"
#include "imsg/proc.h"
#include "rpc/const.h"
#include "rpc/procs.h"

#define GUESTS_MAX		16384	/* RP_LIST_MAX: more cannot be listed */
#define CALLS_PER_GUEST_MAX	256	/* waiting for one guest */
#define CLIENTS_MAX		65536	/* of one netd; as many as can be set */
#define SUBSCRIPTIONS_MAX	256	/* events that one client asked for */
#define SUBSCRIPTIONS_ALL_MAX	65536	/* ... all clients of one netd */
#define STREAMS_PER_CLIENT_MAX	16
#define OP_TIMEOUT_MS		30000	/* of an ordinary monitor command */
#define ADOPT_TIMEOUT_MS	2500	/* for launchers to come back */
#define KILL_TIMEOUT_MS		500	/* then the parent ends the guest */
#define PEER_PATIENCE_S		3	/* for a process that has lost us */
#define GRACE_MS		10000	/* of a graceful destroy */

struct guest;
struct client;

/* --- qemud.c --------------------------------------------------------------- */

struct env {
	struct proc		 proc;		/* first: proc.c finds it here */
	struct chan		*netd[ROLE_COUNT];	/* by role */
	unsigned int		 links[ROLE_COUNT];	/* how many there were */
	struct chan		*monitord;
	struct msg_setup_qemud	 conf;
	int			 have_conf;
	int			 dirs[4];	/* by enum msg_dir */
	struct {
		int		 pid;
		unsigned int	 restarts;
	}			 children[ROLE_COUNT];
	int			 adopting;	/* launchers may still come back */
	struct event		*adopt_timer;
	unsigned int		 qemu_version;	/* as msg_guest_ready has it */
	char			 boot_id[40];
};
extern struct env	env;

/* No guest is waited for any more: clients may ask. */
void	adopted(void);
/* Tells the parent that the process at the other end must be replaced. */
void	offence(enum msg_role);

/* --- client.c: who is connected ------------------------------------------- */

struct subscription {
	TAILQ_ENTRY(subscription) entry;
	int		 kind;		/* of object; 0: domains */
	int		 callback;	/* number for the client */
	int		 event;		/* LV_EVENT_ID_* */
	int		 legacy;	/* events without the callback number */
	int		 one;		/* only of the domain uuid */
	uint8_t		 uuid[16];
};

struct stream {
	TAILQ_ENTRY(stream)	 entry;
	struct client		*client;
	uint64_t		 viewer;	/* numbers towards monitord */
	uint64_t		 monitor;	/* 0: that is gone */
	unsigned int		 console;
	int			 held;		/* its client is, for its sake */
	unsigned int		 procedure;
	unsigned int		 serial;
	RB_ENTRY(stream)	 byviewer;
};

struct client {
	RB_ENTRY(client)	 entry;
	enum msg_role		 role;		/* which netd it came through */
	uint64_t		 id;
	uid_t			 uid;
	gid_t			 gid;
	pid_t			 pid;
	unsigned int		 rights;	/* RIGHTS_* of rpc/procs.h */
	int			 opened;	/* it said which connection */
	int			 close_callback;
	int			 slow;		/* send it no stream data */
	struct guest		*guest;		/* a launcher: of this guest */
	int			 lastcallback;
	unsigned int		 nsubscriptions;
	unsigned int		 nstreams;
	unsigned int		 nheld;		/* streams, for which we hold it */
	TAILQ_HEAD(, subscription) subscriptions;
	TAILQ_HEAD(, stream)	 streams;
	int			 fds[OWN_DESCRIPTORS_MAX];	/* for its */
	unsigned int		 nfds;			/* next call */
};

extern const struct msg_handler	from_netd_full[];
extern const struct msg_handler	from_netd_ro[];
extern const struct msg_handler	from_netd_launch[];

struct client	*client_find(enum msg_role, uint64_t);
/* Every client of that netd is gone with it. */
void		 clients_lost(enum msg_role);
unsigned int	 clients_count(enum msg_role);
/* Sends a message that no call asked for.  body is of the event's type. */
void		 client_event(struct client *, unsigned int prog, int number,
		    const void *body);
/* Calls fn for each client of the two ordinary endpoints. */
void		 clients_each(void (*fn)(struct client *, void *), void *);

/* --- call.c: calls and their answers -------------------------------------- */

/*
 * A call in flight.  A handler gets it with arg decoded, and sooner or later
 * gives it back, once, through call_ok, call_fail or call_fail_with.
 */
struct call {
	TAILQ_ENTRY(call)	 entry;		/* of a guest's queue */
	enum msg_role		 role;
	unsigned int		 link;		/* a new netd counts from 1 */
	uint64_t		 client;	/* may be gone */
	const struct rpc_proc	*proc;
	unsigned int		 serial;
	void			*arg;
	int			 fds[OWN_DESCRIPTORS_MAX];	/* that came */
	unsigned int		 nfds;				/* with it */
	struct guest		*guest;		/* that it works on, or waits for */
};
TAILQ_HEAD(calls, call);

/* A call that netd has passed on; -1: netd must not have. */
int	 call_new(struct client *, const struct msg_call *, int fd);
/* The client, or NULL if it has gone. */
struct client *
	 call_client(const struct call *);
/* Answers and frees; result is of the procedure's result type. */
void	 call_ok(struct call *, const void *result);
void	 call_fail(struct call *, enum rpc_code, const char *, ...)
	    __attribute__((format(printf, 3, 4)));
void	 call_fail_with(struct call *, const struct rpc_error *);
void	 call_fail_domain(struct call *, const struct domain_error *);
/* Fails if flags has others than known; then the call is gone: 1. */
int	 call_bad_flags(struct call *, unsigned int flags, unsigned int known);
/* The guest that a call names by UUID; NULL: the call has failed. */
struct guest *
	 call_guest(struct call *, const rp_dom *);
/*
 * The form of the guest that LV_AFFECT_* mean, to be looked at; NULL: the
 * call has failed.
 */
const struct domain *
	 domain_affected(struct call *, const struct guest *, unsigned int);
/* May the caller change things? */
int	 call_readonly(const struct call *);

/* --- guest.c: all guests ---------------------------------------------------- */

enum guest_state {
	GST_OFF,
	GST_STARTING,		/* from the request to the first instruction */
	GST_RUNNING,		/* QEMU is there; public: running, paused, ... */
	GST_STOPPING,		/* it is being ended */
	GST_NSTATES
};

enum guest_event {
	GEV_START,		/* somebody wants it to run */
	GEV_ADOPT,		/* it ran before this qemud did */
	GEV_READY,		/* it runs, or is paused as asked */
	GEV_KILL,		/* somebody wants it to end, or it must */
	GEV_ENDED,		/* QEMU has ended */
	GEV_NEVENTS
};

struct guest {
	RB_ENTRY(guest)		 byuuid;
	RB_ENTRY(guest)		 byname;
	TAILQ_ENTRY(guest)	 bydying;
	TAILQ_ENTRY(guest)	 byactive;	/* unless it is off */
	struct domain		*config;	/* for the next start */
	struct domain		*live;		/* while not GST_OFF */
	enum guest_state	 state;
	enum lv_state		 shown;		/* to clients */
	int			 reason;
	int			 persistent;
	int			 autostart;
	int			 updated;	/* config changed while running */
	int			 internal;	/* not for clients to see */
	int			 dead;		/* being forgotten */
	int			 adopting;	/* its launcher may come back */

	/* while not GST_OFF */
	uint64_t		 monitor;	/* number towards monitord, 0 */
	int			 monitor_ready;
	int			 monitor_stalled;
	struct client		*launcher;	/* its connection, or NULL */
	int			 launched;	/* by this suite, not by itself */
	pid_t			 launcher_pid;
	pid_t			 qemu_pid;
	uid_t			 uid;
	int			 lock;		/* its status file, -1 */
	int			 status_late;	/* it could not be written */
	struct start		*start;		/* GST_STARTING */
	struct event		*timer;		/* of starting, of stopping, */
	unsigned int		 watch_ms;	/* of running unseen */
	int			 want_paused;	/* how it was started */
	int			 destroyed;	/* somebody asked for the end */
	int			 panicked;
	int			 rebooting;	/* when it powers off: reset it */
	int			 resetting;	/* it stands still for that */
	struct calls		 stops;		/* answered when it has ended */
	uint64_t		 stop_by_ms;	/* then the parent ends it */

	struct call		*job;		/* the call that works on it */
	TAILQ_HEAD(waitings, waiting) queue;		/* those that wait (job.c) */
	unsigned int		 nqueue;
	struct event		*turn;		/* of the next one */
	uint64_t		 state_since_ms;
};
RB_HEAD(guests_byname, guest);
extern struct guests_byname	guests;
TAILQ_HEAD(guests_active, guest);
extern struct guests_active	guests_active;
RB_PROTOTYPE(guests_byname, guest, byname, guest_cmp_name)

const char	*guest_name(const struct guest *);
const uint8_t	*guest_uuid(const struct guest *);
struct domain	*guest_domain(const struct guest *);	/* live, or config */
int		 guest_active(const struct guest *);
int		 guest_id(const struct guest *);
struct guest	*guest_find_name(const char *);
struct guest	*guest_find_uuid(const uint8_t [16]);
struct guest	*guest_find_id(int);
struct guest	*guest_find_monitor(uint64_t);
unsigned int	 guests_count(int active, int inactive);
/* Names with a dot in front are of guests and files of our own. */
int		 guest_check_name(const char *, struct rpc_error *err);
/* Takes d.  NULL with err: name or UUID belong to another guest, ... */
struct guest	*guest_new(struct domain *, struct rpc_error *err);
/* Forgets it; from the event loop, so that callers can still look at it. */
void		 guest_forget(struct guest *);
/* Takes d as the configuration for the next start, under the same name. */
void		 guest_configure(struct guest *, struct domain *);
int		 guest_rename(struct guest *, const char *);
/* Shows another state to clients. */
void		 guest_show(struct guest *, enum lv_state, int reason);
/* Its one timer, for what it waits for at the moment. */
void		 guest_timer(struct guest *, event_callback_fn,
		    unsigned int ms);
/* The one place that changes state; -1: cannot happen in this state. */
int		 guest_step(struct guest *, enum guest_event);
/* Fills in what names a guest in replies; lends the strings. */
void		 guest_dom(const struct guest *, rp_dom *);
/* A uid from the configured range that no guest has; 0: none is left. */
uid_t		 guest_uid_alloc(void);

/* --- job.c: one thing after the other on one guest ------------------------- */

/*
 * Runs fn(call, guest) now, or when what was asked for before is done.  A
 * call with write becomes the guest's job until call_ok or call_fail.
 */
void	 job_run(struct call *, struct guest *, int write,
	    void (*fn)(struct call *, struct guest *));
/* The call is being answered: the next one may run. */
void	 job_done(struct call *);
/* Fails everything that waits for a guest that is going. */
void	 jobs_fail(struct guest *, enum rpc_code, const char *);

/* --- start.c, stop.c -------------------------------------------------------- */

/* error: NULL if it runs. */
typedef void	(start_done)(struct guest *, const struct rpc_error *error,
		    void *);

/*
 * Starts a guest that is off, as once says (taken), or as it is defined if
 * that is NULL.  done is called once, also on failure, perhaps
 * before this returns.
 */
void	 guest_start(struct guest *, struct domain *once, int paused,
	    start_done *, void *);
int	 start_new_id(void);
void	 start_seen_id(int);
void	 start_opened(const struct msg_opened *, int fd);
void	 start_launched(const struct msg_launched *);
/* Its monitor answers. */
void	 start_ready(struct guest *);
/* It cannot go on: ends what there is of it, then says why. */
void	 start_failed(struct guest *, const struct rpc_error *);
int	 start_fail_with(struct guest *, const struct rpc_error *);
void	 start_finish(struct guest *);

/*
 * chain.c: looks at the lowest layer of each disk, which is open in fds, and
 * adds those that they name to g->live.  How many were added, or -1 and err.
 */
int	 chain_extend(struct guest *, const struct domain_fds *fds,
	    struct rpc_error *err);

/* Ends a guest; call (may be NULL) is answered when it has ended. */
void	 guest_kill(struct guest *, struct call *, unsigned int grace_ms);
void	 stop_killed(const struct msg_killed *);
/* QEMU has ended: cleans up, says so to everybody. */
void	 guest_ended(struct guest *, enum own_how, int code, const char *text);

/* --- launcher.c: their registration ----------------------------------------- */

void	 launcher_register(struct call *);
void	 launcher_gone(struct client *);
void	 launchers_renew(void);		/* monitord is new */
void	 launcher_ended_status(const struct msg_launcher_ended *);

/* --- monitor.c: towards monitord --------------------------------------------- */

typedef void	(op_done)(struct guest *, const struct msg_op_done *,
		    const char *body, size_t len, void *);

extern const struct msg_handler	from_monitord[];

/*
 * A new number for the guest at monitord, whose monitor is fd; then its other
 * descriptors; then it is greeted.  All descriptors are taken.
 */
void	 monitor_attach(struct guest *, int fd);
void	 monitor_console(struct guest *, unsigned int console, int fd);
void	 monitor_pty(struct guest *, unsigned int console, int fd);
void	 monitor_vnc(struct guest *, int fd);
void	 monitor_greet(struct guest *);
void	 monitor_detach(struct guest *);
/* monitord is gone: so are its answers. */
void	 monitor_lost(void);
/* done is called once, with OP_GONE if there is no monitor. */
void	 monitor_op(struct guest *, enum msg_op_kind, const char *text,
	    op_done *, void *);
/* The same, and done gets the answer of the call itself. */
void	 monitor_call(struct call *, struct guest *, enum msg_op_kind,
	    const char *text);
/* -1 and err (cleared before), unless the operation was done. */
int	 op_error(const struct msg_op_done *, struct rpc_error *err);
/*
 * The next time that the guest powers off, it is to be reset instead; or not.
 */
void	 guest_rebooting(struct guest *, int on);
/*
 * It runs, and has no monitor: looks from time to time whether it still does,
 * until it has one.
 */
void	 guest_watch(struct guest *);
/* It is as it is: the guest is not waited for after a restart any more. */
void	 guest_adopted(struct guest *);

/* --- event.c ------------------------------------------------------------------ */

void	 event_lifecycle(struct guest *, enum lv_event, int detail);
void	 event_reboot(struct guest *);
void	 event_pm(struct guest *, enum lv_event_id);
void	 event_rtc(struct guest *, int64_t offset);
void	 event_watchdog(struct guest *, const char *action);
void	 event_io_error(struct guest *, const char *device, int action);
void	 event_metadata(struct guest *, int type, const char *uri);
/* -1: too many, or no such event. */
int	 event_subscribe(struct client *, int event, int legacy,
	    const uint8_t *uuid);
int	 event_unsubscribe(struct client *, int callback);
int	 event_unsubscribe_legacy(struct client *, int event);
void	 event_unsubscribe_all(struct client *);
/* Of other kinds of objects (lists.c): kept, though none happens. */
int	 event_subscribe_kind(struct client *, int kind);
int	 event_unsubscribe_kind(struct client *, int kind, int callback);

/* --- store.c: definitions and status on disk ---------------------------------- */

/* 0 when it is safely on disk; else -1 and err. */
int	 store_write(const struct domain *, struct rpc_error *err);
int	 store_remove(const char *name, struct rpc_error *err);
int	 store_autostart(const char *name, int on, struct rpc_error *err);
/* Reads the folder; at start, and again on reload. */
void	 store_load(int first);
/* The n-th file that was skipped then; NULL after the last that is known. */
const char
	*store_skipped(unsigned int n);
/* Starts those that are to be started with the suite; once. */
void	 store_autostart_all(void);

int	 file_replace(int dir, const char *path, const char *tmp,
	    const char *data, size_t len, int durable);
char	*file_read(int dir, const char *name, size_t max, size_t *len);

/* Of a running guest: makes it and keeps it open in g->lock. */
int	 status_create(struct guest *, struct rpc_error *err);
int	 status_update(struct guest *);
/* Another descriptor of the lock file, for the launcher; -1. */
int	 status_lock(const struct guest *);
void	 status_remove(struct guest *);
/* Takes up the guests that run. */
void	 status_load(void);

/* --- console.c ------------------------------------------------------------------ */

void	 console_open(struct call *, struct guest *, unsigned int console,
	    int force);
int	 stream_input(struct client *, const struct msg_stream *);
void	 stream_free(struct stream *);
/* The consoles behind that number at monitord, or all (0), are gone. */
void	 streams_lost(uint64_t monitor);
void	 client_flow(struct client *, int stop);
void	 client_hold(struct client *, int stop);
int	 on_viewer_data(struct chan *, void *, int);
int	 on_viewer_closed(struct chan *, void *, int);
int	 on_viewer_hold(struct chan *, void *, int);

/* --- version.c -------------------------------------------------------------------- */

/* Looks at the emulator while files can still be read. */
void	 version_collect(void);
/* What is known from before. */
void	 version_load(void);
/* Clients may ask now: finds out, unless it is known. */
void	 version_start(void);
/* What a guest's QEMU says. */
void	 version_learn(const struct guest *, unsigned int);

/* --- host.c ----------------------------------------------------------------------- */

/* Looks at the machine while files can still be read. */
void	 host_collect(void);
void	 host_node_info(rp_node_info *);
uint64_t host_free_memory(void);		/* bytes */
unsigned int
	 host_cpu_map(unsigned char *map, size_t size, unsigned int *online);
const char *
	 host_capabilities(void);		/* XML */
const char *
	 host_sysinfo(void);			/* XML, NULL: unknown */
uint64_t host_cpu_time(pid_t);			/* ns */
int	 host_alive(pid_t);
uint64_t now_ms(void);				/* monotonic */

#endif /* QEMUD_H */
