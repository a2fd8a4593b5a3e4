/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * libqemud: clients of qemud, and of other daemons of its protocol.
 *
 * Nothing here waits, except qemud_run() and qemud_wait().  A connection is a
 * descriptor that any event loop can watch; a call returns at once with a
 * handle, and its answer comes to a function of the caller's, or is waited
 * for.  Many calls can be in flight; answers may overtake one another.
 *
 *	struct qemud			*q;
 *	struct qemud_call		*c;
 *	const struct qemud_reply	*r;
 *	size_t				 i;
 *
 *	if ((q = qemud_open(NULL, 0)) == NULL)
 *		err(1, NULL);
 *	c = qemud_guest_list(q, QEMUD_LIST_ACTIVE, NULL, NULL);
 *	r = qemud_wait(c, -1);
 *	if (r->error != NULL)
 *		errx(1, "%s", r->error->text);
 *	for (i = 0; i < r->nguests; i++)
 *		puts(r->guests[i].name);
 *	qemud_call_free(c);
 *	qemud_close(q);
 *
 * The library has no state of its own: what belongs to one connection may be
 * used by one thread at a time, those of others at the same time by others.
 * It prints nothing and never ends the program.  Texts are UTF-8, and come
 * from a daemon that may send anything but a NUL in them.
 */

#ifndef QEMUD_H
#define QEMUD_H

#include <sys/types.h>

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct qemud;			/* a connection */
struct qemud_call;		/* a call, until it has been answered */
struct qemud_stream;		/* a console */

/* --- errors --------------------------------------------------------------- */

/* What kind.  A daemon may send numbers that are not listed here. */
enum qemud_code {
	QEMUD_ERR_INTERNAL =		1,
	QEMUD_ERR_NO_MEMORY =		2,
	QEMUD_ERR_NO_SUPPORT =		3,	/* no such function there */
	QEMUD_ERR_NO_CONNECT =		5,	/* cannot connect */
	QEMUD_ERR_INVALID_ARG =		8,
	QEMUD_ERR_FAILED =		9,
	QEMUD_ERR_XML =			27,
	QEMUD_ERR_EXISTS =		28,
	QEMUD_ERR_READ_ONLY =		29,	/* needs full control */
	QEMUD_ERR_XML_SYNTAX =		35,
	QEMUD_ERR_SYSTEM =		38,
	QEMUD_ERR_CONNECTION =		39,	/* lost, or not understood */
	QEMUD_ERR_NO_GUEST =		42,
	QEMUD_ERR_AUTH =		45,
	QEMUD_ERR_INVALID_STATE =	55,	/* not as things are now */
	QEMUD_ERR_CONFIG =		67,	/* not on this host */
	QEMUD_ERR_TIMEOUT =		68,
	QEMUD_ERR_ARG_UNSUPPORTED =	74,
	QEMUD_ERR_ABORTED =		78,
	QEMUD_ERR_UNSUPPORTED =		84,
	QEMUD_ERR_BUSY =		87,
	QEMUD_ERR_DENIED =		88
};

struct qemud_error {
	int		 code;		/* enum qemud_code */
	int		 domain;	/* which part of the daemon, or 0 */
	int		 sys;		/* errno behind it, or 0 */
	const char	*text;		/* the whole; the first line is the
					   cause, others may follow */
};

/* --- what answers consist of ---------------------------------------------- */

struct qemud_guest {
	const char	*name;
	unsigned char	 uuid[16];
	int		 id;		/* -1: does not run */
};

enum qemud_type {
	QEMUD_TYPE_INT =		1,	/* i */
	QEMUD_TYPE_UINT =		2,	/* u */
	QEMUD_TYPE_INT64 =		3,	/* i */
	QEMUD_TYPE_UINT64 =		4,	/* u */
	QEMUD_TYPE_DOUBLE =		5,	/* d */
	QEMUD_TYPE_BOOLEAN =		6,	/* i */
	QEMUD_TYPE_STRING =		7	/* s */
};

struct qemud_param {
	const char	*name;
	int		 type;		/* enum qemud_type */
	union {
		int64_t		 i;
		uint64_t	 u;
		double		 d;
		const char	*s;
	} value;
};

/* Of a guest. */
struct qemud_info {
	int		 state;		/* enum qemud_state */
	unsigned int	 vcpus;
	uint64_t	 memory;	/* KiB, now */
	uint64_t	 max_memory;	/* KiB */
	uint64_t	 cpu_time;	/* ns, since it was started */
};

/* cpus = nodes * sockets * cores * threads, as far as the host is regular. */
struct qemud_host {
	char		 model[33];	/* of its processor: "x86_64" */
	uint64_t	 memory;	/* KiB */
	int		 cpus;
	int		 mhz;
	int		 nodes;
	int		 sockets;
	int		 cores;
	int		 threads;
};

/*
 * The answer to a call.  With an error, nothing else is set.  Which members
 * a call sets stands at the call; all others are 0 or NULL.  Everything in it
 * lives as long as the handle: while the function that it is given to runs,
 * or until qemud_call_free().
 */
struct qemud_reply {
	const struct qemud_error	*error;
	int64_t				 number;
	const char			*text;	/* ends with a NUL */
	size_t				 len;	/* of text */
	const struct qemud_guest	*guests;
	size_t				 nguests;
	const struct qemud_param	*params;
	size_t				 nparams;
	const struct qemud_info		*info;
	const struct qemud_host		*host;
	int				 state;	/* enum qemud_state */
	int				 reason;
};

/* Gets the answer.  It may make calls, and close the connection. */
typedef void (qemud_done)(struct qemud *, const struct qemud_reply *, void *);

/* --- connections ---------------------------------------------------------- */

enum qemud_status {
	QEMUD_CONNECTING,
	QEMUD_CONNECTED,
	QEMUD_CLOSED		/* for good; qemud_error() says why */
};

enum {
	QEMUD_OPEN_READ_ONLY =	1 << 0,	/* on the read-only socket */
	QEMUD_OPEN_NO_START =	1 << 1	/* do not start a session instance */
};

/*
 * Begins to connect.  The URI is one of
 *
 *	qemud:///system			the instance of this host
 *	qemud:///session		the user's own; it is started if it
 *					does not run
 *	qemud+unix:///system?socket=PATH	an instance at another socket,
 *	qemud+unix:///session?socket=PATH	which is used as it is
 *
 * with qemu for qemud if one likes.  NULL stands for qemud:///system if
 * called by root and qemud:///session otherwise.  A "%" and two hexadecimal
 * digits in PATH are a byte.
 *
 * NULL with errno if there is no memory.  All other failures, also of the
 * URI, are found by qemud_error() after the next qemud_dispatch(), and are the
 * answer to every call.  Calls may be made at once.
 */
struct qemud	*qemud_open(const char *, unsigned int);

/*
 * Closes and frees the connection and all calls and streams of it.  Functions
 * that wait for an answer get an error, QEMUD_ERR_ABORTED, first.  May be
 * called from such a function, also from one that it calls itself.  NULL is
 * fine.
 */
void		 qemud_close(struct qemud *);

/*
 * How to embed it: before each wait, ask for descriptor, events and time;
 * afterwards call qemud_dispatch(), whatever happened.
 *
 * qemud_fd: the descriptor to watch, which may become another one, or -1 if
 * there is none to watch at the moment.
 * qemud_events: POLLIN, POLLOUT of poll(2).
 * qemud_timeout_ms: how long to wait at most; -1 is for ever.
 * qemud_dispatch: reads, writes, calls the caller's functions.  0, or -1 with
 * ENOTCONN if the connection is closed, or with EDEADLK if called from a
 * function that it has called.
 */
int		 qemud_fd(const struct qemud *);
short		 qemud_events(const struct qemud *);
int		 qemud_timeout_ms(const struct qemud *);
int		 qemud_dispatch(struct qemud *);

/*
 * For programs without a loop: waits once, at most that many milliseconds
 * (-1: for ever), and calls qemud_dispatch().  Returns as that does; also -1
 * with EINTR after a signal.
 */
int		 qemud_run(struct qemud *, int);

enum qemud_status qemud_status(const struct qemud *);

/* Why it is closed, or NULL; lives as long as the connection. */
const struct qemud_error *qemud_error(const struct qemud *);

/*
 * This function is called when the connection has opened, and when it is
 * closed other than by qemud_close().
 */
typedef void (qemud_changed)(struct qemud *, enum qemud_status, void *);
void		 qemud_on_change(struct qemud *, qemud_changed *, void *);

/*
 * Asks for a sign of life after so many seconds of silence, and closes the
 * connection after so many such questions in a row without an answer.  To be
 * called right after qemud_open(), as both sides have to agree: then the
 * daemon asks too, so qemud_dispatch() has to be called in time.  -1 with
 * EINVAL if it is too late or a number is not between 1 and 3600.  A daemon
 * that does not know this is not asked.
 */
int		 qemud_keepalive(struct qemud *, unsigned int, unsigned int);

/* --- calls ---------------------------------------------------------------- */

/*
 * Every call below takes, at the end, a function and its argument.  With a
 * function the handle is gone once the function was called; it is never called
 * before the call has returned.  With NULL the answer stays in the handle,
 * for qemud_call_reply() or qemud_wait(), and the caller has to
 * qemud_call_free() it.  What is passed to a call is copied.
 *
 * NULL instead of a handle: no memory, or the connection is being closed (see
 * errno); no function will be called.
 */

/* The answer, or NULL if there is none yet. */
const struct qemud_reply *qemud_call_reply(const struct qemud_call *);

/*
 * Runs the connection until there is an answer, or for so many milliseconds
 * (-1: for ever).  Never NULL: when time is up, an answer with the error
 * QEMUD_ERR_TIMEOUT, which is not the call's, and the call goes on; without a
 * handle, QEMUD_ERR_NO_MEMORY.  Only for calls without a function.
 */
const struct qemud_reply *qemud_wait(struct qemud_call *, int);

/*
 * Frees the handle and its answer.  If there is none yet, nobody will hear of
 * it; what was asked for is done all the same.  NULL is fine.
 */
void		 qemud_call_free(struct qemud_call *);

/* --- the daemon and its host --- */

/* params: what the daemon says of itself, qemud-protocol(7) lists the names */
struct qemud_call *qemud_daemon_status(struct qemud *, qemud_done *, void *);

/* number: of the API, and of QEMU: 1000000 * major + 1000 * minor + release */
struct qemud_call *qemud_api_version(struct qemud *, qemud_done *, void *);
struct qemud_call *qemud_emulator_version(struct qemud *, qemud_done *, void *);

/* text: the host's name; the URI as the daemon knows it; XML */
struct qemud_call *qemud_hostname(struct qemud *, qemud_done *, void *);
struct qemud_call *qemud_uri(struct qemud *, qemud_done *, void *);
struct qemud_call *qemud_capabilities(struct qemud *, qemud_done *, void *);

/* host */
struct qemud_call *qemud_host_info(struct qemud *, qemud_done *, void *);

/* number: bytes */
struct qemud_call *qemud_host_free_memory(struct qemud *, qemud_done *,
		    void *);

/* --- finding guests --- */

/* Bits of a group add up, the groups restrict one another. */
enum {
	QEMUD_LIST_ACTIVE =		1 << 0,
	QEMUD_LIST_INACTIVE =		1 << 1,

	QEMUD_LIST_PERSISTENT =		1 << 2,
	QEMUD_LIST_TRANSIENT =		1 << 3,

	QEMUD_LIST_RUNNING =		1 << 4,
	QEMUD_LIST_PAUSED =		1 << 5,
	QEMUD_LIST_SHUTOFF =		1 << 6,
	QEMUD_LIST_OTHER =		1 << 7,

	QEMUD_LIST_AUTOSTART =		1 << 10,
	QEMUD_LIST_NO_AUTOSTART =	1 << 11
};

/* guests: any number; flags QEMUD_LIST_*, 0 is all */
struct qemud_call *qemud_guest_list(struct qemud *, unsigned int,
		    qemud_done *, void *);

/* guests: one; the error is QEMUD_ERR_NO_GUEST if there is no such guest */
struct qemud_call *qemud_guest_by_name(struct qemud *, const char *,
		    qemud_done *, void *);
struct qemud_call *qemud_guest_by_uuid(struct qemud *,
		    const unsigned char[16], qemud_done *, void *);
struct qemud_call *qemud_guest_by_id(struct qemud *, int, qemud_done *,
		    void *);
/* By what people write: the name; if there is none, the UUID; then the id. */
struct qemud_call *qemud_guest_find(struct qemud *, const char *,
		    qemud_done *, void *);

/* A copy, in one piece, that lives until it is freed by free(3); or NULL. */
struct qemud_guest *qemud_guest_copy(const struct qemud_guest *);

/* --- looking at guests --- */

enum qemud_state {
	QEMUD_NO_STATE =		0,
	QEMUD_RUNNING =			1,
	QEMUD_BLOCKED =			2,
	QEMUD_PAUSED =			3,
	QEMUD_SHUTTING_DOWN =		4,
	QEMUD_SHUTOFF =			5,
	QEMUD_CRASHED =			6,
	QEMUD_PM_SUSPENDED =		7
};

enum {
	QEMUD_XML_SECURE =		1 << 0,	/* with secrets */
	QEMUD_XML_INACTIVE =		1 << 1	/* as at the next start */
};

/* state, reason */
struct qemud_call *qemud_guest_state(struct qemud *,
		    const struct qemud_guest *, qemud_done *, void *);

/* info */
struct qemud_call *qemud_guest_info(struct qemud *,
		    const struct qemud_guest *, qemud_done *, void *);

/* text: XML; flags QEMUD_XML_* */
struct qemud_call *qemud_guest_xml(struct qemud *,
		    const struct qemud_guest *, unsigned int, qemud_done *,
		    void *);

/* number: 0 or 1; is it started with the host, has it a definition? */
struct qemud_call *qemud_guest_autostart(struct qemud *,
		    const struct qemud_guest *, qemud_done *, void *);
struct qemud_call *qemud_guest_persistent(struct qemud *,
		    const struct qemud_guest *, qemud_done *, void *);

/*
 * text, len: the last lines of the log, at most that many bytes, 0: as many
 * as the daemon likes.  There may be a NUL in it.
 */
struct qemud_call *qemud_guest_log(struct qemud *, const struct qemud_guest *,
		    unsigned int, qemud_done *, void *);

/* --- definitions --- */

enum {
	QEMUD_DEFINE_VALIDATE =		1 << 0	/* against the schema */
};

/* guests: the one that this XML defines; flags QEMUD_DEFINE_* */
struct qemud_call *qemud_guest_define(struct qemud *, const char *,
		    unsigned int, qemud_done *, void *);
struct qemud_call *qemud_guest_undefine(struct qemud *,
		    const struct qemud_guest *, qemud_done *, void *);
struct qemud_call *qemud_guest_rename(struct qemud *,
		    const struct qemud_guest *, const char *, qemud_done *,
		    void *);
/* The number says whether: 0 or 1. */
struct qemud_call *qemud_guest_set_autostart(struct qemud *,
		    const struct qemud_guest *, int, qemud_done *, void *);

/* --- running --- */

enum {
	QEMUD_START_PAUSED =		1 << 0
};
enum {
	QEMUD_KILL_GRACEFUL =		1 << 0	/* QEMU may write its data */
};
enum {
	QEMUD_MONITOR_HMP =		1 << 0	/* for people; else JSON */
};

/* guests: it, running now; of XML, without a definition; QEMUD_START_* */
struct qemud_call *qemud_guest_create(struct qemud *, const char *,
		    unsigned int, qemud_done *, void *);
struct qemud_call *qemud_guest_start(struct qemud *,
		    const struct qemud_guest *, unsigned int, qemud_done *,
		    void *);

/* Asks the guest; that it was asked is the answer. */
struct qemud_call *qemud_guest_shutdown(struct qemud *,
		    const struct qemud_guest *, qemud_done *, void *);
struct qemud_call *qemud_guest_reboot(struct qemud *,
		    const struct qemud_guest *, qemud_done *, void *);

/* Does not ask it; flags QEMUD_KILL_* */
struct qemud_call *qemud_guest_kill(struct qemud *, const struct qemud_guest *,
		    unsigned int, qemud_done *, void *);
struct qemud_call *qemud_guest_reset(struct qemud *,
		    const struct qemud_guest *, qemud_done *, void *);
struct qemud_call *qemud_guest_suspend(struct qemud *,
		    const struct qemud_guest *, qemud_done *, void *);
struct qemud_call *qemud_guest_resume(struct qemud *,
		    const struct qemud_guest *, qemud_done *, void *);

/* text: what QEMU's monitor says to this; flags QEMUD_MONITOR_* */
struct qemud_call *qemud_guest_monitor(struct qemud *,
		    const struct qemud_guest *, const char *, unsigned int,
		    qemud_done *, void *);

/* --- events --------------------------------------------------------------- */

enum qemud_event_id {
	QEMUD_EVENT_LIFECYCLE =		0,	/* detail[0], detail[1] */
	QEMUD_EVENT_REBOOT =		1,
	QEMUD_EVENT_RTC_CHANGE =	2,	/* number: seconds */
	QEMUD_EVENT_WATCHDOG =		3,	/* detail[0]: what is done */
	QEMUD_EVENT_IO_ERROR =		4,	/* detail[0], path, device */
	QEMUD_EVENT_PM_WAKEUP =		11,
	QEMUD_EVENT_PM_SUSPEND =	12
};

/* detail[0] of QEMUD_EVENT_LIFECYCLE; qemud_detail_text() knows detail[1] */
enum qemud_lifecycle {
	QEMUD_GUEST_DEFINED =		0,
	QEMUD_GUEST_UNDEFINED =		1,
	QEMUD_GUEST_STARTED =		2,
	QEMUD_GUEST_SUSPENDED =		3,
	QEMUD_GUEST_RESUMED =		4,
	QEMUD_GUEST_STOPPED =		5,
	QEMUD_GUEST_SHUTDOWN =		6,	/* in the course of it */
	QEMUD_GUEST_PM_SUSPENDED =	7,
	QEMUD_GUEST_CRASHED =		8
};

struct qemud_event {
	int			 id;		/* enum qemud_event_id */
	struct qemud_guest	 guest;
	int			 detail[2];
	int64_t			 number;
	const char		*path;		/* "" if not known */
	const char		*device;
};

/* The event lives while the function runs. */
typedef void (qemud_event_fn)(struct qemud *, const struct qemud_event *,
		    void *);

/*
 * Calls the first function, with the argument behind it, for every such event
 * of this guest (NULL: of all) from now on, until qemud_unsubscribe() or the
 * end of the connection.
 * number: of this subscription
 */
struct qemud_call *qemud_subscribe(struct qemud *, enum qemud_event_id,
		    const struct qemud_guest *, qemud_event_fn *, void *,
		    qemud_done *, void *);

/* The function is not called any more from now on. */
struct qemud_call *qemud_unsubscribe(struct qemud *, int64_t, qemud_done *,
		    void *);

/* --- consoles ------------------------------------------------------------- */

enum {
	QEMUD_CONSOLE_FORCE =		1 << 0	/* take it away */
};

/*
 * What is called; those that are NULL are not.  The last one is end, with
 * NULL or an error; the stream is gone afterwards.
 */
struct qemud_stream_ops {
	void	(*open)(struct qemud_stream *, void *);
	/* No bytes: the other side has no more. */
	void	(*data)(struct qemud_stream *, const void *, size_t, void *);
	/* There is room again, after qemud_stream_write() had too little. */
	void	(*writable)(struct qemud_stream *, void *);
	void	(*end)(struct qemud_stream *, const struct qemud_error *,
		    void *);
};

/*
 * Opens a console of a guest: the device of this alias ("serial0"), or with
 * NULL the first one.  Flags QEMUD_CONSOLE_*.  NULL with errno as for calls.
 */
struct qemud_stream *qemud_guest_console(struct qemud *,
		    const struct qemud_guest *, const char *, unsigned int,
		    const struct qemud_stream_ops *, void *);

/*
 * Takes as many bytes as there is room for now, and returns how many: less
 * than it was given, also 0, means to wait for writable.  -1 with EPIPE if
 * the stream has been finished or is not open yet.
 */
ssize_t		 qemud_stream_write(struct qemud_stream *, const void *,
		    size_t);

/*
 * Not 0: no data for now.  Some is kept; when that is too much, nothing at
 * all is read from the connection until the stream is not paused any more.
 */
void		 qemud_stream_pause(struct qemud_stream *, int);

/* Nothing more will be written; end comes when everything has arrived. */
void		 qemud_stream_finish(struct qemud_stream *);

/* Ends it now; no function is called any more. */
void		 qemud_stream_abort(struct qemud_stream *);

/* --- words ---------------------------------------------------------------- */

/* Never NULL; "unknown" for numbers that this version does not know. */
const char	*qemud_state_text(int);			/* "running" */
const char	*qemud_reason_text(int, int);		/* of it: "booted" */
const char	*qemud_event_text(int);			/* "lifecycle" */
const char	*qemud_lifecycle_text(int);		/* "started" */
const char	*qemud_detail_text(int, int);		/* of it: "booted" */

/* Of 36 characters and NUL; -1 with EINVAL if a text is no UUID. */
void		 qemud_uuid_format(const unsigned char[16], char[37]);
int		 qemud_uuid_parse(const char *, unsigned char[16]);

#ifdef __cplusplus
}
#endif

#endif
