/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * qemud against those of its peers that have been taken over: a netd for
 * read-only clients first of all, which the world can reach; the netd of the
 * launchers; monitord.  Whatever they say, nothing changes that is not
 * theirs to change, the others are served as before, the liar is named in
 * the log and reported to the parent, and its channel ends.
 */

#include <sys/types.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <atf-c.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/qemud_peer.h"

#define CANARY	"c4nary"		/* a VNC password: at most 8 bytes */
#define VNC	"<graphics type='vnc' port='-1' passwd='" CANARY "'/>"
#define LIAR	7			/* client of the read-only netd */

static struct running	 web;		/* a guest that runs */
static struct state	 before;

static void	 world_make(void);
static void	 world_end(void);
static void	 unchanged(const char *);
static void	 quiet(const char *);
static void	 ended(struct peer *, enum msg_role, off_t, const char *,
		    const char *);
static void	 fresh(void);
static int	 fd_count(void);

/* --- values --------------------------------------------------------------- */

/*
 * A codec that decodes from here gets whatever fits: numbers of a range, or
 * at the limits, UUIDs of the guest that runs, its name as text.
 */
static struct {
	uint64_t	 seed;
	unsigned int	 range;		/* 0: only zeros */
	int		 limits;
} source;

static uint32_t
source_random(void)
{
	source.seed ^= source.seed << 13;
	source.seed ^= source.seed >> 7;
	source.seed ^= source.seed << 17;
	return ((uint32_t)(source.seed >> 16));
}

static bool_t
source_getlong(XDR *x, long *l)
{
	static const int32_t	 edges[] = {
		0, 1, 3, 255, MSG_TEXT_MAX, MSG_PATH_MAX, MSG_DATA_MAX,
		MSG_INLINE_MAX, INT32_MAX, INT32_MIN, -1
	};

	if (source.limits)
		*l = edges[source_random() % nitems(edges)];
	else
		*l = source.range == 0 ? 0 : source_random() % source.range;
	return (TRUE);
}

static bool_t
source_getbytes(XDR *x, char *p, u_int n)
{
	const char	*name = web.dom.name;
	u_int		 i;

	if (source.range != 0 && n == sizeof(web.dom.uuid)) {
		memcpy(p, web.dom.uuid, n);
		return (TRUE);
	}
	for (i = 0; i < n; i++)
		p[i] = source.range == 0 ? 0 : n == strlen(name) ? name[i] :
		    (char)('a' + source_random() % 26);
	return (TRUE);
}

static int32_t *
source_inline(XDR *x, u_int n)
{
	return (NULL);
}

static u_int
source_getpos(XDR *x)
{
	return (0);
}

static void
source_destroy(XDR *x)
{
}

static const struct xdr_ops source_ops = {
	.x_getlong = source_getlong,
	.x_getbytes = source_getbytes,
	.x_inline = source_inline,
	.x_getpostn = source_getpos,
	.x_destroy = source_destroy
};

/* The encoded form of some value of this type; 0 if it has not got one. */
static int
value(xdrproc_t proc, size_t size, char **buf, size_t *len)
{
	XDR	 x;
	void	*out;
	int	 ok;

	ATF_REQUIRE((out = calloc(1, size)) != NULL);
	memset(&x, 0, sizeof(x));
	x.x_op = XDR_DECODE;
	x.x_ops = &source_ops;
	ok = proc(&x, out) && rpc_encode(proc, out, 0, buf, len) == 0;
	rpc_free(proc, out);
	free(out);
	return (ok);
}

/* --- the world ------------------------------------------------------------ */

/* Two guests that are off, one of them with a secret; one that runs. */
static void
world_make(void)
{
	qemud_start();
	guest_define("off", "");
	guest_define("secret", VNC);
	guest_define("web", VNC "<serial type='pty'/>");
	guest_run("web", &web);
	before = state_get();
}

static void
world_end(void)
{
	unchanged("at the end");
	qemud_stop();
	state_clear(&before);
	running_clear(&web);
}

static void
unchanged(const char *what)
{
	struct state	 now = state_get();

	if (!state_same(&before, &now)) {
		fprintf(stderr, "--- before\n");
		fwrite(before.data, before.len, 1, stderr);
		fprintf(stderr, "\n--- after %s\n", what);
		fwrite(now.data, now.len, 1, stderr);
		atf_tc_fail("%s changes something", what);
	}
	state_clear(&now);
}

/* Neither parent nor monitord nor a launcher has been told anything. */
static void
quiet(const char *what)
{
	static struct peer *const	 others[] = { &parent, monitord,
					    launch };
	size_t				 i;
	uint32_t			 type;

	qemud_settle();
	for (i = 0; i < nitems(others); i++)
		ATF_REQUIRE_MSG(others[i]->fd == -1 || (type = peer_next(others[i])) == 0,
		    "%s makes qemud say %s", what, msg_type_name(type));
}

/*
 * The channel has been ended by qemud without an answer, the parent is to
 * replace whoever has it, and the log says why: who, and what.
 */
static void
ended(struct peer *p, enum msg_role role, off_t from, const char *what,
    const char *text)
{
	struct msg_offence	 m;
	struct answer		 a;
	char			 who[64];

	while (peer_next(p) == MSG_REPLY) {
		answer_take(p, &a);
		ATF_CHECK_MSG(a.m.status != 0, "%s is answered", what);
		answer_clear(&a);
	}
	peer_closed(p);
	ATF_REQUIRE_EQ(-1, TAKE(&parent, MSG_OFFENCE, msg_offence, &m));
	ATF_CHECK_EQ_MSG(role, m.role, "%s: %s is blamed", what,
	    msg_role_name(m.role));
	snprintf(who, sizeof(who), "%s has broken the rules",
	    msg_role_name(role));
	ATF_CHECK_MSG(logged(from, who), "%s: the log does not say who",
	    what);
	ATF_CHECK_MSG(logged(from, text), "%s: the log does not say \"%s\"",
	    what, text);
}

/* A new read-only netd, with a client that has opened its connection. */
static void
fresh(void)
{
	qemud_link(ROLE_NETD_RO);
	client_new(ro, LIAR);
	client_open(ro, LIAR, LV_OPEN_RO);
}

/* Descriptors that qemud has open. */
static int
fd_count(void)
{
	char		 path[64];
	struct dirent	*de;
	DIR		*dir;
	int		 n = 0;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)qemud_pid);
	if ((dir = opendir(path)) == NULL)
		atf_tc_skip("%s: %s", path, strerror(errno));
	while ((de = readdir(dir)) != NULL)
		n++;
	closedir(dir);
	return (n);
}

/* --- read-only: procedures ---------------------------------------------------- */

/* One call from the read-only netd, whatever it is. */
static void
try_call(const struct rpc_proc *proc, const char *body, size_t len)
{
	static unsigned int	 n;
	struct answer		 a;
	char			 what[128], text[128];
	void			*arg;
	off_t			 from = log_end();
	int			 decodes;

	n++;
	snprintf(what, sizeof(what), "%s, body %u of %zu bytes", proc->name,
	    n, len);
	ATF_REQUIRE((arg = malloc(proc->argsize)) != NULL);
	if ((decodes = rpc_decode(proc->arg, body, len, arg,
	    proc->argsize) == 0))
		rpc_free(proc->arg, arg);
	free(arg);
	fresh();
	call_raw(ro, LIAR, n, proc->prog, proc->number, body, len);
	if (!rpc_proc_allowed(proc, RIGHTS_READ_ONLY)) {
		snprintf(text, sizeof(text), "netd ro: procedure %d of "
		    "program %#x is not for its clients", proc->number,
		    proc->prog);
		ended(ro, ROLE_NETD_RO, from, what, text);
	} else if (!decodes) {
		snprintf(text, sizeof(text), "netd ro: the body of %s does "
		    "not decode", proc->name);
		ended(ro, ROLE_NETD_RO, from, what, text);
	} else {
		answer_take(ro, &a);
		ATF_CHECK_EQ(n, a.m.serial);
		ATF_CHECK_EQ(LIAR, a.m.client);
		ATF_CHECK_MSG(memmem(a.body, a.len, CANARY,
		    strlen(CANARY)) == NULL, "%s tells a secret", what);
		answer_clear(&a);
		ATF_CHECK_EQ(0, peer_next(ro));
	}
	quiet(what);
	unchanged(what);
}

static void
try_value(const struct rpc_proc *proc)
{
	char	*buf;
	size_t	 len;

	if (value(proc->arg, proc->argsize, &buf, &len)) {
		try_call(proc, buf, len);
		free(buf);
	}
}

/* What a client that may do everything would say to change something. */
static void
try_aimed(const struct rpc_proc *proc)
{
	const char	*xml = guest_xml("evil", "");
	rp_text		 text = { (char *)(uintptr_t)xml };
	rp_text_flags	 text_flags = { text.text, 0 };
	char		*buf;
	size_t		 len;

	if (proc->arg == (xdrproc_t)xdr_rp_text)
		ATF_REQUIRE_EQ(0, rpc_encode(proc->arg, &text, 0, &buf, &len));
	else if (proc->arg == (xdrproc_t)xdr_rp_text_flags)
		ATF_REQUIRE_EQ(0, rpc_encode(proc->arg, &text_flags, 0, &buf,
		    &len));
	else
		return;
	try_call(proc, buf, len);
	free(buf);
}

ATF_TC_WITHOUT_HEAD(ro_procedures_valid);
ATF_TC_BODY(ro_procedures_valid, tc)
{
	const struct rpc_proc	*proc;
	size_t			 i;
	unsigned int		 n;

	world_make();
	source.seed = 88172645463325252ULL;
	for (i = 0; (proc = rpc_proc_index(i)) != NULL; i++) {
		source.limits = 0;
		source.range = 0;
		try_value(proc);
		source.range = 1;	/* flags 0, this guest */
		try_value(proc);
		for (n = 2; n < 6; n++) {
			source.range = n;
			try_value(proc);
		}
		source.limits = 1;
		for (n = 0; n < 4; n++)
			try_value(proc);
		try_aimed(proc);
	}
	ATF_CHECK(i > 100);
	world_end();
}

ATF_TC_WITHOUT_HEAD(ro_procedures_random);
ATF_TC_BODY(ro_procedures_random, tc)
{
	static const size_t	 lengths[] = { 0, 1, 4, 20, 24, 28, 36, 200,
				    4096, MSG_INLINE_MAX + 4 };
	static char		 body[MSG_INLINE_MAX + 4];
	const struct rpc_proc	*proc;
	size_t			 i, j, k;

	world_make();
	source.seed = 362436069362436069ULL;
	for (i = 0; (proc = rpc_proc_index(i)) != NULL; i++)
		for (j = 0; j < nitems(lengths); j++) {
			for (k = 0; k < lengths[j]; k++)
				body[k] = source_random();
			try_call(proc, body, lengths[j]);
		}
	world_end();
}

/* Numbers that nothing stands behind. */
ATF_TC_WITHOUT_HEAD(ro_procedures_unknown);
ATF_TC_BODY(ro_procedures_unknown, tc)
{
	static const unsigned int	 programs[] = { RP_PROGRAM,
		RQ_PROGRAM, OWN_PROGRAM, 0, 1, RP_PROGRAM - 1, RP_PROGRAM + 2,
		0x6b656570, INT32_MAX, 1U << 31, UINT32_MAX };
	static const unsigned int	 edges[] = { 1000, 65535, 65536,
		1 << 30, INT32_MAX, 1U << 31, UINT32_MAX - 1, UINT32_MAX };
	char				 what[64], text[128];
	unsigned int			 prog, n, number;
	off_t				 from;
	size_t				 i;

	world_make();
	for (i = 0; i < nitems(programs); i++)
		for (n = 0; n < 460 + nitems(edges); n++) {
			prog = programs[i];
			number = n < 460 ? n : edges[n - 460];
			if (rpc_proc_find(prog, number) != NULL ||
			    (i > 2 && n > 2 && n < 458))
				continue;
			snprintf(what, sizeof(what), "procedure %u of %#x",
			    number, prog);
			snprintf(text, sizeof(text), "netd ro: procedure %u "
			    "of program %#x is not for", number, prog);
			from = log_end();
			fresh();
			call_raw(ro, LIAR, 1, prog, number, "\0\0\0", 4);
			ended(ro, ROLE_NETD_RO, from, what, text);
			quiet(what);
		}
	world_end();
}

/* --- read-only: messages ------------------------------------------------------ */

static const struct {
	uint32_t	 type;
	xdrproc_t	 codec;
	size_t		 size;
} catalogue[] = {
#define M(type, name)	{ type, (xdrproc_t)xdr_##name, sizeof(struct name) }
#define E(type)		{ type, NULL, 0 }
	M(MSG_SETUP, msg_setup),
	M(MSG_SETUP_QEMUD, msg_setup_qemud),
	M(MSG_SETUP_NETD, msg_setup_netd),
	M(MSG_SETUP_DIR, msg_setup_dir),
	M(MSG_SETUP_PEER, msg_setup_peer),
	E(MSG_SETUP_DONE),
	E(MSG_READY),
	M(MSG_VERBOSE, msg_verbose),
	E(MSG_RELOAD),
	M(MSG_CHILD, msg_child),
	M(MSG_LISTENER, msg_listener),
	M(MSG_LISTENER_CLOSE, msg_listener_close),
	M(MSG_OPEN, msg_open),
	M(MSG_OPENED, msg_opened),
	M(MSG_LAUNCH, msg_launch),
	M(MSG_LAUNCHED, msg_launched),
	M(MSG_LAUNCHER_ENDED, msg_launcher_ended),
	M(MSG_KILL, msg_kill),
	M(MSG_KILLED, msg_killed),
	M(MSG_OFFENCE, msg_offence),
	M(MSG_PLAN, msg_plan),
	M(MSG_PLAN_FILE, msg_plan_file),
	E(MSG_PLAN_GO),
	M(MSG_CLIENT_NEW, msg_client_new),
	M(MSG_CLIENT_GONE, msg_client_gone),
	M(MSG_CALL_FD, msg_call_fd),
	M(MSG_CALL, msg_call),
	M(MSG_CLIENT_FLOW, msg_client_flow),
	M(MSG_REPLY, msg_reply),
	M(MSG_EVENT, msg_event),
	M(MSG_CLIENT_CLOSE, msg_client_close),
	M(MSG_CLIENT_HOLD, msg_client_flow),
	M(MSG_STREAM, msg_stream),
	M(MSG_GUEST_ATTACH, msg_guest_attach),
	M(MSG_GUEST_CONSOLE, msg_guest_console),
	M(MSG_GUEST_PTY, msg_guest_pty),
	M(MSG_GUEST_VNC, msg_guest_vnc),
	M(MSG_GUEST_START, msg_guest_start),
	M(MSG_GUEST_DETACH, msg_guest_detach),
	M(MSG_OP, msg_op),
	M(MSG_VIEWER_OPEN, msg_viewer_open),
	M(MSG_VIEWER_CLOSE, msg_viewer_close),
	M(MSG_VIEWER_FLOW, msg_viewer_flow),
	M(MSG_GUEST_READY, msg_guest_ready),
	M(MSG_GUEST_GONE, msg_guest_gone),
	M(MSG_GUEST_EVENT, msg_guest_event),
	M(MSG_OP_DONE, msg_op_done),
	M(MSG_VIEWER_CLOSED, msg_viewer_closed),
	M(MSG_VIEWER_HOLD, msg_viewer_flow),
	M(MSG_VIEWER_DATA, msg_viewer_data)
#undef M
#undef E
};

/* What each may say; only for that it is not ended at once. */
static const uint32_t	 ro_may[] = { MSG_CLIENT_NEW, MSG_CLIENT_GONE,
			    MSG_CALL, MSG_CLIENT_FLOW };
static const uint32_t	 launch_may[] = { MSG_CLIENT_NEW, MSG_CLIENT_GONE,
			    MSG_CALL, MSG_CALL_FD, MSG_CLIENT_FLOW };
static const uint32_t	 monitord_may[] = { MSG_GUEST_READY, MSG_GUEST_GONE,
			    MSG_GUEST_EVENT, MSG_OP_DONE, MSG_VIEWER_CLOSED,
			    MSG_VIEWER_HOLD, MSG_VIEWER_DATA };

static int
among(uint32_t type, const uint32_t *list, size_t n)
{
	size_t	 i;

	for (i = 0; i < n; i++)
		if (list[i] == type)
			return (1);
	return (0);
}

/* Nothing is in the catalogue that is not in the table above. */
ATF_TC_WITHOUT_HEAD(catalogue_complete);
ATF_TC_BODY(catalogue_complete, tc)
{
	uint32_t	 type;
	size_t		 i;

	for (type = 0; type < 65536; type++) {
		for (i = 0; i < nitems(catalogue); i++)
			if (catalogue[i].type == type)
				break;
		ATF_CHECK_EQ_MSG(i < nitems(catalogue), strcmp("unknown "
		    "message", msg_type_name(type)) != 0, "message %u", type);
	}
}

/* A payload that is not for this sender to say, whatever is in it. */
static void
try_message(enum msg_role role, uint32_t type, const void *data, size_t len,
    int fd)
{
	struct peer	*p = &peers[role];
	off_t		 from = log_end();
	char		 what[128], text[128];

	snprintf(what, sizeof(what), "%s: %s (%u) is not for it to say",
	    msg_role_name(role), msg_type_name(type), type);
	snprintf(text, sizeof(text), "%s", what);
	qemud_link(role);
	if (role != ROLE_MONITORD)
		client_new(p, LIAR);
	peer_send_raw(p, type, data, len, fd);
	ended(p, role, from, what, text);
}

static void
try_messages(enum msg_role role, const uint32_t *may, size_t nmay)
{
	char	*buf, big[64 * 1024];
	size_t	 i, len;
	int	 n;

	source.seed = 521288629521288629ULL;
	memset(big, 0, sizeof(big));
	for (i = 0; i < nitems(catalogue); i++) {
		if (among(catalogue[i].type, may, nmay))
			continue;
		try_message(role, catalogue[i].type, NULL, 0, -1);
		try_message(role, catalogue[i].type, NULL, 0,
		    open("/dev/null", O_RDWR | O_CLOEXEC));
		try_message(role, catalogue[i].type, big, 4, -1);
		try_message(role, catalogue[i].type, big,
		    CHAN_PAYLOAD_MAX - IMSG_HEADER_SIZE, -1);
		for (n = 0; n < 40 && catalogue[i].codec != NULL; n++) {
			source.limits = n > 4;
			source.range = n;
			if (!value(catalogue[i].codec, catalogue[i].size,
			    &buf, &len))
				continue;
			if (len <= CHAN_PAYLOAD_MAX - IMSG_HEADER_SIZE)
				try_message(role, catalogue[i].type, buf, len,
				    n % 2 ? -1 : body_seal("x", 1));
			free(buf);
		}
		quiet(msg_type_name(catalogue[i].type));
		if (role == ROLE_NETD_RO)
			unchanged(msg_type_name(catalogue[i].type));
	}
	for (n = 0; n < 70; n++)
		if (strcmp(msg_type_name(n), "unknown message") == 0)
			try_message(role, n, big, n, -1);
	try_message(role, 256, NULL, 0, -1);
	try_message(role, INT32_MAX, NULL, 0, -1);
	try_message(role, UINT32_MAX, NULL, 0, -1);
}

ATF_TC_WITHOUT_HEAD(ro_messages);
ATF_TC_BODY(ro_messages, tc)
{
	world_make();
	try_messages(ROLE_NETD_RO, ro_may, nitems(ro_may));
	world_end();
}

/* What it may say, but not so: too short, too long, with a descriptor. */
static void
try_misshapen(enum msg_role role, const uint32_t *may, size_t nmay,
    const uint32_t *fds, size_t nfds)
{
	struct peer	*p = &peers[role];
	char		*buf, what[128], longer[CHAN_PAYLOAD_MAX];
	size_t		 i, len, cut;
	off_t		 from;

	source.limits = 0;
	source.range = 4;
	for (i = 0; i < nitems(catalogue); i++) {
		if (!among(catalogue[i].type, may, nmay))
			continue;
		while (!value(catalogue[i].codec, catalogue[i].size, &buf,
		    &len))
			;
		memcpy(longer, buf, len);
		memset(longer + len, 0, 4);
		for (cut = 0; cut <= len + 4; cut++) {
			if (cut == len)
				continue;
			snprintf(what, sizeof(what), "%s: %s of %zu bytes "
			    "does not decode", msg_role_name(role),
			    msg_type_name(catalogue[i].type), cut);
			from = log_end();
			qemud_link(role);
			peer_send_raw(p, catalogue[i].type, longer, cut,
			    catalogue[i].type == MSG_CALL_FD ?
			    open("/dev/null", O_RDONLY | O_CLOEXEC) : -1);
			ended(p, role, from, what, what);
		}
		if (!among(catalogue[i].type, fds, nfds)) {
			snprintf(what, sizeof(what), "%s: %s with a "
			    "descriptor", msg_role_name(role),
			    msg_type_name(catalogue[i].type));
			from = log_end();
			qemud_link(role);
			peer_send_raw(p, catalogue[i].type, buf, len,
			    open("/dev/null", O_RDONLY | O_CLOEXEC));
			ended(p, role, from, what, what);
		}
		free(buf);
	}
}

ATF_TC_WITHOUT_HEAD(ro_messages_misshapen);
ATF_TC_BODY(ro_messages_misshapen, tc)
{
	static const uint32_t	 fds[] = { MSG_CALL };
	static const struct {
		const char	*bytes;
		size_t		 len;
	} garbage[] = {
		/* headers: a length below its own, above the maximum */
		{ "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16 },
		{ "+\0\0\0\377\377\377\177\0\0\0\0\0\0\0\0", 16 },
		{ "+\0\0\0\17\0\0\0\0\0\0\0\0\0\0\0", 16 },
		{ "+\0\0\0\20\0\0\200\0\0\0\0\0\0\0\0", 16 },
		{ "GET / HTTP/1.1\r\n\r\n", 18 }
	};
	off_t			 from;
	size_t			 i;

	world_make();
	try_misshapen(ROLE_NETD_RO, ro_may, nitems(ro_may), fds, nitems(fds));
	for (i = 0; i < nitems(garbage); i++) {
		from = log_end();
		fresh();
		ATF_REQUIRE_EQ((ssize_t)garbage[i].len, send(ro->fd,
		    garbage[i].bytes, garbage[i].len, MSG_NOSIGNAL));
		ended(ro, ROLE_NETD_RO, from, "garbage", "netd ro");
	}
	quiet("garbage");
	world_end();
}

/* --- read-only: clients -------------------------------------------------------- */

ATF_TC_WITHOUT_HEAD(ro_clients);
ATF_TC_BODY(ro_clients, tc)
{
	static const uint64_t	 ids[] = { 0, 1, 2, LIAR - 1, LIAR + 1,
				    UINT32_MAX, UINT64_MAX };
	const struct rpc_proc	*hostname = proc_named("connect_get_hostname");
	struct msg_client_flow	 flow;
	char			 what[64];
	off_t			 from;
	size_t			 i;
	int			 n;

	world_make();
	/* of clients that it has not told of; 1 is one of the full netd */
	for (i = 0; i < nitems(ids); i++) {
		snprintf(what, sizeof(what), "client %" PRIu64, ids[i]);
		from = log_end();
		fresh();
		call(ro, ids[i], 1, hostname, NULL);
		ended(ro, ROLE_NETD_RO, from, what, "MSG_CALL refused");
		from = log_end();
		fresh();
		client_gone(ro, ids[i]);
		ended(ro, ROLE_NETD_RO, from, what,
		    "MSG_CLIENT_GONE refused");
		for (n = 0; n < 2; n++) {
			from = log_end();
			fresh();
			flow.client = ids[i];
			flow.stop = n;
			SEND(ro, MSG_CLIENT_FLOW, msg_client_flow, &flow, -1);
			ended(ro, ROLE_NETD_RO, from, what,
			    "MSG_CLIENT_FLOW refused");
		}
	}
	/* told twice */
	from = log_end();
	fresh();
	client_new(ro, LIAR);
	ended(ro, ROLE_NETD_RO, from, "a client again",
	    "MSG_CLIENT_NEW refused");
	/* gone, twice; and used after it */
	from = log_end();
	fresh();
	client_gone(ro, LIAR);
	client_gone(ro, LIAR);
	ended(ro, ROLE_NETD_RO, from, "gone twice",
	    "MSG_CLIENT_GONE refused");
	from = log_end();
	fresh();
	client_gone(ro, LIAR);
	call(ro, LIAR, 1, hostname, NULL);
	ended(ro, ROLE_NETD_RO, from, "a call after the end",
	    "MSG_CALL refused");
	/* a number that is used again has nothing of its former owner */
	fresh();
	client_gone(ro, LIAR);
	client_new(ro, LIAR);
	ATF_CHECK_EQ(RPCE_INVALID_CONN, ask_fails(ro, LIAR,
	    "connect_get_hostname", NULL));
	/* the full netd's client of the same number is another one */
	fresh();
	client_new(ro, 1);
	ATF_CHECK_EQ(RPCE_INVALID_CONN, ask_fails(ro, 1,
	    "connect_get_hostname", NULL));
	client_gone(ro, 1);
	qemud_settle();
	/* what it says of its clients' users gives them nothing */
	for (i = 0; i < 2; i++) {
		struct msg_client_new	 root = { 100 + i, 0, 0, 1 };
		rp_opttext_flags	 open = { NULL, 0 };
		rp_dom_flags		 secure = { web.dom, LV_XML_SECURE };

		SEND(ro, MSG_CLIENT_NEW, msg_client_new, &root, -1);
		ask(ro, 100 + i, "connect_open", &open, NULL);
		ATF_CHECK_EQ(RPCE_OPERATION_DENIED, ask_fails(ro, 100 + i,
		    "domain_get_xml_desc", &secure));
	}
	quiet("clients");
	world_end();
}

/* As many as there may be, and one more. */
ATF_TC_WITHOUT_HEAD(ro_clients_many);
ATF_TC_BODY(ro_clients_many, tc)
{
	uint64_t	 id;
	off_t		 from;

	world_make();
	from = log_end();
	qemud_link(ROLE_NETD_RO);
	for (id = 1; id <= 65536; id++)
		client_new(ro, id);
	client_open(ro, 65536, 0);
	client_gone(ro, 1);
	client_new(ro, 1);
	client_open(ro, 1, 0);
	client_new(ro, id);
	ended(ro, ROLE_NETD_RO, from, "too many clients",
	    "MSG_CLIENT_NEW refused");
	quiet("many clients");
	world_end();
}

/* Subscriptions: so many for a client, so many for all. */
ATF_TC_WITHOUT_HEAD(ro_subscriptions);
ATF_TC_BODY(ro_subscriptions, tc)
{
	char		 name[] = "x";
	rp_dom		 dom = { .name = name };
	rp_register_dom	 one = { LV_EVENT_ID_LIFECYCLE, &dom };
	rp_register_dom	 arg = { LV_EVENT_ID_LIFECYCLE, NULL };
	rp_int		 res;
	uint64_t	 id;
	unsigned int	 n;

	world_make();
	qemud_link(ROLE_NETD_RO);
	for (id = 1; id <= 256; id++) {
		client_new(ro, id);
		client_open(ro, id, 0);
		for (n = 0; n < 256; n++) {
			dom.uuid[0] = n;
			ask(ro, id, "connect_domain_event_callback_register_"
			    "any", &one, &res);
			/* the same again would only multiply its messages */
			if (n == 0)
				ATF_CHECK_EQ(RPCE_INVALID_ARG, ask_fails(ro,
				    id, "connect_domain_event_callback_"
				    "register_any", &one));
		}
		ATF_CHECK_EQ(RPCE_INVALID_ARG, ask_fails(ro, id,
		    "connect_domain_event_callback_register_any", &arg));
	}
	client_new(ro, id);
	client_open(ro, id, 0);
	ATF_CHECK_EQ(RPCE_INVALID_ARG, ask_fails(ro, id,
	    "connect_domain_event_callback_register_any", &arg));
	/* others are not concerned */
	ask(full, 1, "connect_domain_event_callback_register_any", &arg,
	    &res);
	/* and room is given back */
	client_gone(ro, 1);
	ask(ro, id, "connect_domain_event_callback_register_any", &arg, &res);
	quiet("subscriptions");
	world_end();
}

/* --- read-only: bodies --------------------------------------------------------- */

ATF_TC_WITHOUT_HEAD(ro_bodies);
ATF_TC_BODY(ro_bodies, tc)
{
	const struct rpc_proc	*hostname = proc_named("connect_get_hostname");
	const struct rpc_proc	*define = proc_named("domain_define_xml");
	struct msg_call		 m = { .client = LIAR, .prog = RP_PROGRAM,
				    .procedure = hostname->number };
	char			 page[8192] = "";
	off_t			 from;
	int			 fds[12], pipes[2], n = 0, i, open_before;

	world_make();
	fresh();
	qemud_settle();
	open_before = fd_count();
	/* not a memfd; not sealed; sealed too little; empty; too large */
	fds[n++] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	fds[n++] = open("etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fds[n++] = open("etc/off.xml", O_RDONLY | O_CLOEXEC);
	ATF_REQUIRE_EQ(0, pipe2(pipes, O_CLOEXEC));
	fds[n++] = pipes[0];
	fds[n++] = memfd_create("a", MFD_CLOEXEC);
	ATF_REQUIRE_EQ(4096, write(fds[n - 1], page, 4096));
	fds[n++] = memfd_create("b", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	ATF_REQUIRE_EQ(4096, write(fds[n - 1], page, 4096));
	fds[n++] = memfd_create("c", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	ATF_REQUIRE_EQ(4096, write(fds[n - 1], page, 4096));
	ATF_REQUIRE_EQ(0, fcntl(fds[n - 1], F_ADD_SEALS, F_SEAL_GROW |
	    F_SEAL_SHRINK));
	fds[n++] = body_seal(page, 0);
	fds[n++] = memfd_create("d", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	ATF_REQUIRE_EQ(0, ftruncate(fds[n - 1], 1 << 30));
	ATF_REQUIRE_EQ(0, fcntl(fds[n - 1], F_ADD_SEALS, F_SEAL_GROW |
	    F_SEAL_SHRINK | F_SEAL_WRITE));
	for (i = 0; i < n; i++) {
		ATF_REQUIRE(fds[i] != -1);
		from = log_end();
		fresh();
		m.body.body_len = 0;
		SEND(ro, MSG_CALL, msg_call, &m, fds[i]);
		ended(ro, ROLE_NETD_RO, from, "such a body",
		    "MSG_CALL refused");
	}
	close(pipes[1]);
	/* a body of both kinds */
	from = log_end();
	fresh();
	m.body.body_val = page;
	m.body.body_len = 4;
	SEND(ro, MSG_CALL, msg_call, &m, body_seal(page, 4));
	ended(ro, ROLE_NETD_RO, from, "two bodies", "MSG_CALL refused");
	/* not even looked at, for what it must not ask */
	from = log_end();
	fresh();
	m.procedure = define->number;
	m.body.body_len = 0;
	SEND(ro, MSG_CALL, msg_call, &m, open("/dev/null", O_RDWR |
	    O_CLOEXEC));
	ended(ro, ROLE_NETD_RO, from, "define", "is not for its clients");
	fresh();
	quiet("bodies");
	ATF_CHECK_EQ(open_before, fd_count());
	world_end();
}

/* --- read-only: secrets -------------------------------------------------------- */

/* No bit of the flags makes a password visible, nor does what may be read. */
ATF_TC_WITHOUT_HEAD(ro_secrets);
ATF_TC_BODY(ro_secrets, tc)
{
	rp_dom_flags	 arg;
	rp_dom		 off;
	rp_text		 xml;
	struct answer	 a;
	unsigned int	 flags;

	world_make();
	off = guest_lookup("secret");
	fresh();
	for (flags = 0; flags < 1 << 10; flags++) {
		arg.dom = flags % 2 ? off : web.dom;
		arg.flags = flags >> 1;
		call(ro, LIAR, flags, proc_named("domain_get_xml_desc"),
		    &arg);
		answer_take(ro, &a);
		ATF_CHECK_MSG(memmem(a.body, a.len, CANARY,
		    strlen(CANARY)) == NULL, "flags %#x tell the password",
		    arg.flags);
		if (arg.flags & (LV_XML_SECURE | LV_XML_MIGRATABLE)) {
			ATF_CHECK_EQ(1, a.m.status);
			if ((arg.flags & ~(LV_XML_SECURE | LV_XML_INACTIVE |
			    LV_XML_UPDATE_CPU | LV_XML_MIGRATABLE)) == 0)
				ATF_CHECK_EQ(RPCE_OPERATION_DENIED,
				    a.err.code);
		}
		answer_clear(&a);
	}
	/* who may see it, sees it */
	arg.flags = LV_XML_SECURE;
	ask(full, 1, "domain_get_xml_desc", &arg, &xml);
	ATF_CHECK(strstr(xml.text, CANARY) != NULL);
	rpc_free((xdrproc_t)xdr_rp_text, &xml);
	/* unless it gave that up itself */
	client_new(full, 2);
	client_open(full, 2, LV_OPEN_RO);
	ATF_CHECK_EQ(RPCE_OPERATION_DENIED, ask_fails(full, 2,
	    "domain_get_xml_desc", &arg));
	ATF_CHECK_EQ(RPCE_OPERATION_DENIED, ask_fails(full, 2,
	    "domain_destroy", &off));
	client_gone(full, 2);
	ATF_CHECK(!logged(0, CANARY));
	rpc_free((xdrproc_t)xdr_rp_dom, &off);
	quiet("secrets");
	world_end();
}

/* --- read-only: floods --------------------------------------------------------- */

/*
 * Calls without end, and nobody reads the answers: qemud stops reading them,
 * keeps a bounded number of answers, and serves the others.  Then each is
 * answered, once, in order.
 */
static void
flood(const char *name, const void *arg, int min_len)
{
	const struct rpc_proc	*proc = proc_named(name);
	struct pollfd		 pfd = { .events = POLLOUT };
	struct answer		 a;
	struct msg_call		 m = { .client = LIAR, .prog = proc->prog,
				    .procedure = proc->number };
	static const rp_none	 none = { 0 };
	char			*body, buf[1024];
	XDR			 x;
	size_t			 len;
	unsigned int		 sent = 0, got;
	int			 idle = 0, open_before;

	fresh();
	qemud_settle();
	open_before = fd_count();
	ATF_REQUIRE_EQ(0, rpc_encode(proc->arg, arg == NULL ? &none : arg, 0,
	    &body, &len));
	m.body.body_val = body;
	m.body.body_len = len;
	pfd.fd = ro->fd;
	/* until it takes no more, also after it had the time to */
	while (idle < 20) {
		if (poll(&pfd, 1, 0) != 1) {
			qemud_settle();
			idle++;
			continue;
		}
		idle = 0;
		ATF_REQUIRE_MSG(sent < 1000000, "it takes all there is");
		m.serial = ++sent;
		xdrmem_create(&x, buf, sizeof(buf), XDR_ENCODE);
		ATF_REQUIRE(xdr_msg_call(&x, &m));
		ATF_REQUIRE_EQ(1, imsg_compose(&ro->ibuf, MSG_CALL, 0, 0, -1,
		    buf, xdr_getpos(&x)));
		xdr_destroy(&x);
		ATF_REQUIRE_EQ(0, imsgbuf_write(&ro->ibuf));
	}
	ATF_CHECK_MSG(fd_count() < open_before + 300, "%d descriptors more",
	    fd_count() - open_before);
	unchanged(name);
	free(body);
	for (got = 1; got <= sent; got++) {
		answer_take(ro, &a);
		ATF_REQUIRE_EQ(got, a.m.serial);
		ATF_CHECK(a.m.status == 0 && (int)a.len >= min_len);
		answer_clear(&a);
		/* what did not fit before */
		if (imsgbuf_queuelen(&ro->ibuf) > 0)
			ATF_REQUIRE_EQ(0, imsgbuf_write(&ro->ibuf));
	}
	ATF_CHECK_EQ(0, peer_next(ro));
	quiet(name);
	ATF_CHECK_EQ(open_before, fd_count());
}

ATF_TC_WITHOUT_HEAD(ro_flood);
ATF_TC_BODY(ro_flood, tc)
{
	rp_dom_flags	 arg = { .flags = 0 };

	world_make();
	flood("connect_get_hostname", NULL, 1);
	arg.dom = web.dom;
	flood("domain_get_xml_desc", &arg, 100);
	world_end();
}

/* The same with answers that are too long for a message. */
ATF_TC_WITHOUT_HEAD(ro_flood_large);
ATF_TC_BODY(ro_flood_large, tc)
{
	rp_list_args	 all = { 1, 0 };
	char		 name[200];
	int		 i;

	world_make();
	memset(name, 'x', sizeof(name));
	for (i = 0; i < 300; i++) {
		snprintf(name + 190, sizeof(name) - 190, "%d", i);
		guest_define(name, "");
	}
	state_clear(&before);
	before = state_get();
	flood("connect_list_all_domains", &all, MSG_INLINE_MAX + 1);
	world_end();
}

/*
 * Events that nobody reads cost the others nothing: beyond a bound they are
 * dropped, since those who asked for them are not to blame for their number.
 */
ATF_TC_WITHOUT_HEAD(ro_events_unread);
ATF_TC_BODY(ro_events_unread, tc)
{
	rp_register_dom	 arg = { LV_EVENT_ID_LIFECYCLE, NULL };
	rp_text		 xml;
	rp_dom		 dom;
	rp_int		 res;
	uint64_t	 id;
	off_t		 from;
	int		 n;

	world_make();
	qemud_link(ROLE_NETD_RO);
	for (id = 1; id <= 500; id++) {
		client_new(ro, id);
		client_open(ro, id, 0);
		ask(ro, id, "connect_domain_event_callback_register_any",
		    &arg, &res);
	}
	from = log_end();
	/* 1,000 messages each time */
	xml.text = (char *)(uintptr_t)guest_xml("many", "");
	for (n = 0; n < 100; n++) {
		ask(full, 1, "domain_define_xml", &xml, &dom);
		ask(full, 1, "domain_undefine", &dom, NULL);
		rpc_free((xdrproc_t)xdr_rp_dom, &dom);
	}
	ATF_CHECK(logged(from, "events were dropped"));
	ATF_CHECK(!logged(from, "has broken the rules"));
	quiet("events");
	world_end();
}

/* --- the netd of launchers ------------------------------------------------------ */

ATF_TC_WITHOUT_HEAD(launch_messages);
ATF_TC_BODY(launch_messages, tc)
{
	static const uint32_t	 fds[] = { MSG_CALL, MSG_CALL_FD };
	const struct rpc_proc	*proc;
	off_t			 from;
	size_t			 i;
	char			 text[128];

	world_make();
	try_messages(ROLE_NETD_LAUNCH, launch_may, nitems(launch_may));
	try_misshapen(ROLE_NETD_LAUNCH, launch_may, nitems(launch_may), fds,
	    nitems(fds));
	for (i = 0; (proc = rpc_proc_index(i)) != NULL; i++) {
		if (proc->access == ACCESS_LAUNCH)
			continue;
		from = log_end();
		qemud_link(ROLE_NETD_LAUNCH);
		client_new(launch, LIAR);
		call_raw(launch, LIAR, 1, proc->prog, proc->number, NULL, 0);
		snprintf(text, sizeof(text), "netd launch: procedure %d of "
		    "program %#x is not for its clients", proc->number,
		    proc->prog);
		ended(launch, ROLE_NETD_LAUNCH, from, proc->name, text);
	}
	world_end();
}

/* A registration from somebody, with n descriptors described. */
static void
claim(uint64_t id, unsigned int uid, int pid, const uint8_t *uuid,
    u_int described, u_int sent, struct answer *a)
{
	struct msg_client_new	 new = { id, uid, uid, pid };
	struct msg_call_fd	 fd = { id };
	own_descriptor		 what[OWN_DESCRIPTORS_MAX];
	own_register		 arg = { .revision = OWN_REVISION };
	char			 none[] = "";
	u_int			 i;

	SEND(launch, MSG_CLIENT_NEW, msg_client_new, &new, -1);
	for (i = 0; i < sent; i++)
		SEND(launch, MSG_CALL_FD, msg_call_fd, &fd,
		    open("/dev/null", O_RDWR | O_CLOEXEC));
	memset(what, 0, sizeof(what));
	for (i = 0; i < described; i++)
		what[i].kind = i == 0 ? OWN_MONITOR : OWN_PTY;
	arg.name = web.dom.name;
	memcpy(arg.uuid, uuid, sizeof(arg.uuid));
	arg.xml = none;
	arg.descriptors.descriptors_val = what;
	arg.descriptors.descriptors_len = described;
	call(launch, id, 1, proc_named("launch_register"), &arg);
	answer_take(launch, a);
}

/* A guest is registered by its launcher, and by nobody else. */
ATF_TC_WITHOUT_HEAD(launch_not_proved);
ATF_TC_BODY(launch_not_proved, tc)
{
	const struct {
		unsigned int	 uid;
		int		 pid;
		int		 which;		/* guest: web, off, none */
		u_int		 described, sent;
		enum rpc_code	 code;
	} t[] = {
		{ getuid(), getpid() + 1, 0, 1, 1, RPCE_ACCESS_DENIED },
		{ getuid(), 0, 0, 1, 1, RPCE_ACCESS_DENIED },
		{ getuid(), 1, 0, 1, 1, RPCE_ACCESS_DENIED },
		{ getuid(), -1, 0, 1, 1, RPCE_ACCESS_DENIED },
		{ getuid() + 1, getpid(), 0, 1, 1, RPCE_ACCESS_DENIED },
		{ UINT32_MAX, getpid(), 0, 1, 1, RPCE_ACCESS_DENIED },
		{ getuid(), getpid(), 1, 1, 1, RPCE_NO_DOMAIN },
		{ getuid(), getpid(), 2, 1, 1, RPCE_NO_DOMAIN },
		{ getuid(), getpid(), 0, 0, 1, RPCE_INVALID_ARG },
		{ getuid(), getpid(), 0, 1, 0, RPCE_INVALID_ARG },
		{ getuid(), getpid(), 0, 2, 1, RPCE_INVALID_ARG },
		{ getuid(), getpid(), 0, 1, 2, RPCE_INVALID_ARG },
		{ getuid(), getpid(), 0, 32, 1, RPCE_INVALID_ARG },
		{ getuid(), getpid(), 0, 1, 32, RPCE_INVALID_ARG },
		{ getuid() + 1, getpid() + 1, 0, 32, 32, RPCE_ACCESS_DENIED }
	};
	const uint8_t	*uuids[3];
	uint8_t		 zero[16] = { 0 };
	struct answer	 a;
	rp_dom		 off;
	size_t		 i;
	int		 open_before;

	world_make();
	off = guest_lookup("off");
	uuids[0] = (const uint8_t *)web.dom.uuid;
	uuids[1] = (const uint8_t *)off.uuid;
	uuids[2] = zero;
	open_before = fd_count();
	for (i = 0; i < nitems(t); i++) {
		claim(1000 + i, t[i].uid, t[i].pid, uuids[t[i].which],
		    t[i].described, t[i].sent, &a);
		ATF_CHECK_EQ_MSG(1, a.m.status, "%zu is accepted", i);
		ATF_CHECK_EQ_MSG(t[i].code, a.err.code, "%zu: %s", i,
		    a.err.detail);
		answer_clear(&a);
		quiet("a registration");
		unchanged("a registration");
		/* what came along is not kept */
		ATF_CHECK_EQ_MSG(open_before, fd_count(), "%zu keeps %d "
		    "descriptors", i, fd_count() - open_before);
	}
	rpc_free((xdrproc_t)xdr_rp_dom, &off);
	world_end();
}

/* A refused launcher may try again, with fresh descriptors, as often as. */
ATF_TC_WITHOUT_HEAD(launch_again);
ATF_TC_BODY(launch_again, tc)
{
	own_descriptor	 what[20];
	struct running	 r;
	struct answer	 a;
	int		 fds[20], n, i, open_before;

	world_make();
	memset(&r, 0, sizeof(r));
	r.dom = web.dom;
	memset(what, 0, sizeof(what));
	open_before = fd_count();
	for (n = 0; n < 10; n++) {
		for (i = 0; i < 20; i++) {
			what[i].kind = i == 0 ? OWN_MONITOR : OWN_PTY;
			fds[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
		}
		/* its client number is one that the guest's has not */
		r.client = n == 0 ? 0 : r.client;
		guest_register(&r, getpid() + 1, n, what, fds, 20);
		answer_take(launch, &a);
		ATF_CHECK_EQ(1, a.m.status);
		ATF_CHECK_EQ_MSG(RPCE_ACCESS_DENIED, a.err.code, "%d: %s", n,
		    a.err.detail);
		answer_clear(&a);
		ATF_CHECK_EQ(open_before, fd_count());
	}
	quiet("a registration");
	world_end();
}

/* More descriptors than a call may have; or for a call that has none. */
ATF_TC_WITHOUT_HEAD(launch_descriptors);
ATF_TC_BODY(launch_descriptors, tc)
{
	struct msg_call_fd	 m = { LIAR };
	own_ended		 end = { .how = OWN_EXITED };
	char			 none[] = "";
	off_t			 from;
	int			 i, open_before;

	world_make();
	open_before = fd_count();
	from = log_end();
	qemud_link(ROLE_NETD_LAUNCH);
	client_new(launch, LIAR);
	for (i = 0; i <= OWN_DESCRIPTORS_MAX; i++)
		SEND(launch, MSG_CALL_FD, msg_call_fd, &m,
		    open("/dev/null", O_RDWR | O_CLOEXEC));
	ended(launch, ROLE_NETD_LAUNCH, from, "33 descriptors",
	    "MSG_CALL_FD refused");
	/* those of a client that is not there */
	from = log_end();
	qemud_link(ROLE_NETD_LAUNCH);
	SEND(launch, MSG_CALL_FD, msg_call_fd, &m,
	    open("/dev/null", O_RDWR | O_CLOEXEC));
	ended(launch, ROLE_NETD_LAUNCH, from, "nobody's descriptor",
	    "MSG_CALL_FD refused");
	/* of one client, while those of another wait for its call */
	from = log_end();
	qemud_link(ROLE_NETD_LAUNCH);
	client_new(launch, LIAR);
	client_new(launch, LIAR + 1);
	SEND(launch, MSG_CALL_FD, msg_call_fd, &m,
	    open("/dev/null", O_RDWR | O_CLOEXEC));
	m.client++;
	SEND(launch, MSG_CALL_FD, msg_call_fd, &m,
	    open("/dev/null", O_RDWR | O_CLOEXEC));
	ended(launch, ROLE_NETD_LAUNCH, from, "two at once",
	    "MSG_CALL_FD refused");
	/* with a call that cannot have any */
	from = log_end();
	qemud_link(ROLE_NETD_LAUNCH);
	m.client = LIAR;
	client_new(launch, LIAR);
	SEND(launch, MSG_CALL_FD, msg_call_fd, &m,
	    open("/dev/null", O_RDWR | O_CLOEXEC));
	end.name = web.dom.name;
	end.text = none;
	call(launch, LIAR, 1, proc_named("launch_ended"), &end);
	ended(launch, ROLE_NETD_LAUNCH, from, "descriptors of launch_ended",
	    "MSG_CALL refused");
	qemud_link(ROLE_NETD_LAUNCH);
	quiet("descriptors");
	ATF_CHECK_EQ(open_before, fd_count());
	world_end();
}

/* Only its own launcher says that a guest has ended. */
ATF_TC_WITHOUT_HEAD(launch_ended_lies);
ATF_TC_BODY(launch_ended_lies, tc)
{
	struct msg_client_new	 new = { LIAR, getuid(), getgid(), 1 };
	own_ended		 end = { .how = OWN_SIGNALLED, .code = 9 };
	char			 lie[] = "lie";
	rp_dom			 off;

	world_make();
	off = guest_lookup("off");
	SEND(launch, MSG_CLIENT_NEW, msg_client_new, &new, -1);
	end.name = web.dom.name;
	end.text = lie;
	memcpy(end.uuid, web.dom.uuid, sizeof(end.uuid));
	ask(launch, LIAR, "launch_ended", &end, NULL);
	memcpy(end.uuid, off.uuid, sizeof(end.uuid));
	ask(launch, LIAR, "launch_ended", &end, NULL);
	memset(end.uuid, 0, sizeof(end.uuid));
	ask(launch, LIAR, "launch_ended", &end, NULL);
	quiet("launch_ended");
	rpc_free((xdrproc_t)xdr_rp_dom, &off);
	world_end();
}

/*
 * Somebody else registers a guest while it starts, when its launcher's pid
 * is not known yet.
 */
ATF_TC_WITHOUT_HEAD(launch_too_early);
ATF_TC_BODY(launch_too_early, tc)
{
	own_descriptor		 what = { .kind = OWN_MONITOR };
	struct msg_launch	 m;
	struct msg_launched	 launched = { 0 };
	struct running		 r, thief;
	struct answer		 a;
	char			 none[] = "";
	int			 fd, sv[2];

	qemud_start();
	guest_define("web", "");
	memset(&r, 0, sizeof(r));
	r.dom = guest_lookup("web");
	thief = r;
	guest_create("web", 77);
	fd = TAKE(&parent, MSG_LAUNCH, msg_launch, &m);
	sv[0] = open("/dev/null", O_RDWR | O_CLOEXEC);
	guest_register(&thief, 1, 5, &what, sv, 1);
	answer_take(launch, &a);
	ATF_CHECK_EQ(thief.client, a.m.client);
	ATF_CHECK_EQ(RPCE_ACCESS_DENIED, a.err.code);
	answer_clear(&a);
	qemud_settle();
	ATF_CHECK_EQ(0, peer_next(monitord));
	launched.id = m.id;
	launched.pid = getpid();
	launched.text = none;
	SEND(&parent, MSG_LAUNCHED, msg_launched, &launched, -1);
	xdr_free((xdrproc_t)xdr_msg_launch, (char *)&m);
	guest_plan(&r, fd);
	ATF_REQUIRE_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
	    sv));
	guest_register(&r, getpid(), 6, &what, &sv[1], 1);
	guest_attached(&r);
	answer_take(launch, &a);
	ATF_CHECK_EQ(0, a.m.status);
	answer_clear(&a);
	guest_go(&r);
	answer_take(full, &a);
	ATF_CHECK_EQ(0, a.m.status);
	answer_clear(&a);
	qemud_stop();
	running_clear(&r);
	close(sv[0]);
}

/* --- monitord -------------------------------------------------------------------- */

ATF_TC_WITHOUT_HEAD(monitord_messages);
ATF_TC_BODY(monitord_messages, tc)
{
	static const uint32_t	 fds[] = { MSG_OP_DONE };

	world_make();
	/* the guest is without a monitor then, and that is to be seen */
	qemud_link(ROLE_NETD_LAUNCH);
	qemud_link(ROLE_MONITORD);
	qemud_settle();
	state_clear(&before);
	before = state_get();
	try_messages(ROLE_MONITORD, monitord_may, nitems(monitord_may));
	try_misshapen(ROLE_MONITORD, monitord_may, nitems(monitord_may), fds,
	    nitems(fds));
	world_end();
}

ATF_TC_WITHOUT_HEAD(monitord_lies);
ATF_TC_BODY(monitord_lies, tc)
{
	static const uint64_t	 unknown[] = { 0, 2, 3, 1000, UINT64_MAX };
	struct msg_guest_ready	 ready = { 0 };
	struct msg_guest_gone	 gone = { 0 };
	struct msg_guest_event	 event = { 0 };
	struct msg_op_done	 done = { 0 };
	struct msg_viewer_data	 data = { 0 };
	struct msg_viewer_closed closed = { 0 };
	struct msg_viewer_flow	 flow = { 0 };
	char			 text[] = "lies", bytes[MSG_DATA_MAX];
	size_t			 i;
	int			 kind;

	world_make();
	memset(bytes, 'x', sizeof(bytes));
	for (i = 0; i < nitems(unknown); i++) {
		/* of guests, operations and viewers that there are not */
		ready.guest = gone.guest = event.guest = unknown[i];
		SEND(monitord, MSG_GUEST_READY, msg_guest_ready, &ready, -1);
		for (kind = -1; kind < 5; kind++) {
			gone.why = kind;
			gone.text = text;
			SEND(monitord, MSG_GUEST_GONE, msg_guest_gone, &gone,
			    -1);
		}
		for (kind = -1; kind < 15; kind++) {
			event.kind = kind;
			event.text = text;
			SEND(monitord, MSG_GUEST_EVENT, msg_guest_event,
			    &event, -1);
		}
		done.guest = i % 2 ? web.monitor : unknown[i];
		done.id = unknown[i];
		done.text = text;
		SEND(monitord, MSG_OP_DONE, msg_op_done, &done, -1);
		SEND(monitord, MSG_OP_DONE, msg_op_done, &done,
		    body_seal(bytes, sizeof(bytes)));
		SEND(monitord, MSG_OP_DONE, msg_op_done, &done,
		    open("/dev/null", O_RDONLY | O_CLOEXEC));
		data.viewer = closed.viewer = flow.viewer = unknown[i];
		data.data.data_val = bytes;
		data.data.data_len = sizeof(bytes);
		SEND(monitord, MSG_VIEWER_DATA, msg_viewer_data, &data, -1);
		closed.text = text;
		SEND(monitord, MSG_VIEWER_CLOSED, msg_viewer_closed, &closed,
		    -1);
		SEND(monitord, MSG_VIEWER_HOLD, msg_viewer_flow, &flow, -1);
	}
	/* kinds and states that there are not */
	event.guest = web.monitor;
	for (kind = 13; kind < 40; kind++) {
		event.kind = kind;
		SEND(monitord, MSG_GUEST_EVENT, msg_guest_event, &event, -1);
	}
	event.kind = -1;
	SEND(monitord, MSG_GUEST_EVENT, msg_guest_event, &event, -1);
	ready.guest = web.monitor;
	ready.qemu_version = 7002000;
	ready.state = RUN_RUNNING;
	SEND(monitord, MSG_GUEST_READY, msg_guest_ready, &ready, -1);
	ready.state = 99;
	SEND(monitord, MSG_GUEST_READY, msg_guest_ready, &ready, -1);
	quiet("lies");
	world_end();
}

/* Answers that are too long, or can still be changed. */
ATF_TC_WITHOUT_HEAD(monitord_bodies);
ATF_TC_BODY(monitord_bodies, tc)
{
	const struct rpc_proc	*proc =
				    proc_named("qemu_domain_monitor_command");
	rp_dom_text_flags	 arg = { .flags = LV_MONITOR_HMP };
	struct msg_op		 m;
	struct msg_op_done	 done = { 0 };
	struct msg_event	 renew;
	struct answer		 a;
	struct running		 r;
	own_descriptor		 what = { .kind = OWN_MONITOR };
	char			 text[] = "info version", none[] = "";
	static char		 body[100000];
	off_t			 from;
	int			 i, sv[2], fd = -1, open_before = 0;

	world_make();
	memset(body, 'x', sizeof(body));
	arg.dom = web.dom;
	arg.text = text;
	r = web;
	for (i = 0; i < 6; i++) {
		call(full, 1, 4000 + i, proc, &arg);
		TAKE(monitord, MSG_OP, msg_op, &m);
		ATF_CHECK_EQ(OP_HMP, m.op);
		ATF_CHECK_STREQ(text, m.text);
		done.guest = m.guest;
		done.id = m.id;
		done.text = none;
		xdr_free((xdrproc_t)xdr_msg_op, (char *)&m);
		switch (i) {
		case 0:		/* as it should be: short, long */
			done.body.body_val = body;
			done.body.body_len = 100;
			break;
		case 1:
			fd = body_seal(body, sizeof(body));
			break;
		case 2:		/* 4 MiB and one byte */
			fd = memfd_create("big", MFD_CLOEXEC |
			    MFD_ALLOW_SEALING);
			ATF_REQUIRE_EQ(0, ftruncate(fd, 4 * 1024 * 1024 + 1));
			ATF_REQUIRE_EQ(0, fcntl(fd, F_ADD_SEALS, F_SEAL_GROW |
			    F_SEAL_SHRINK | F_SEAL_WRITE));
			break;
		case 3:
			fd = memfd_create("open", MFD_CLOEXEC |
			    MFD_ALLOW_SEALING);
			ATF_REQUIRE_EQ(4, write(fd, "hehe", 4));
			break;
		case 4:
			fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
			break;
		case 5:
			fd = open("etc/secret.xml", O_RDONLY | O_CLOEXEC);
			break;
		}
		from = log_end();
		SEND(monitord, MSG_OP_DONE, msg_op_done, &done, fd);
		fd = -1;
		done.body.body_val = NULL;
		done.body.body_len = 0;
		if (i > 1)
			ended(monitord, ROLE_MONITORD, from, "such a body",
			    "MSG_OP_DONE refused");
		answer_take(full, &a);
		ATF_CHECK_EQ(4000 + i, (int)a.m.serial);
		ATF_CHECK_EQ(i > 1, (int)a.m.status);
		if (i <= 1)
			ATF_CHECK_EQ(i == 0 ? 104U : sizeof(body) + 4, a.len);
		ATF_CHECK(memmem(a.body, a.len, CANARY,
		    strlen(CANARY)) == NULL);
		answer_clear(&a);
		if (i <= 1)
			continue;
		/* the new one gets all guests again */
		qemud_link(ROLE_MONITORD);
		TAKE(launch, MSG_EVENT, msg_event, &renew);
		ATF_CHECK_EQ(web.client, renew.client);
		ATF_CHECK_EQ(EVENT_launch_renew, (int)renew.procedure);
		xdr_free((xdrproc_t)xdr_msg_event, (char *)&renew);
		ATF_REQUIRE_EQ(0, socketpair(AF_UNIX, SOCK_STREAM |
		    SOCK_CLOEXEC, 0, sv));
		close(web.qmp);
		web.qmp = r.qmp = sv[0];
		guest_register(&r, getpid(), 5000 + i, &what, &sv[1], 1);
		guest_attached(&r);
		answer_take(launch, &a);
		ATF_CHECK_EQ(0, a.m.status);
		answer_clear(&a);
		/* says it has never run, so it is let run, as it was before */
		guest_go(&r);
		web.monitor = r.monitor;
		qemud_settle();
		if (i == 2)
			open_before = fd_count();
		ATF_CHECK_EQ(open_before, fd_count());
	}
	/* its status file was written again */
	state_clear(&before);
	before = state_get();
	quiet("bodies");
	world_end();
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, ro_procedures_valid);
	ATF_TP_ADD_TC(tp, ro_procedures_random);
	ATF_TP_ADD_TC(tp, ro_procedures_unknown);
	ATF_TP_ADD_TC(tp, catalogue_complete);
	ATF_TP_ADD_TC(tp, ro_messages);
	ATF_TP_ADD_TC(tp, ro_messages_misshapen);
	ATF_TP_ADD_TC(tp, ro_clients);
	ATF_TP_ADD_TC(tp, ro_clients_many);
	ATF_TP_ADD_TC(tp, ro_subscriptions);
	ATF_TP_ADD_TC(tp, ro_bodies);
	ATF_TP_ADD_TC(tp, ro_secrets);
	ATF_TP_ADD_TC(tp, ro_flood);
	ATF_TP_ADD_TC(tp, ro_flood_large);
	ATF_TP_ADD_TC(tp, ro_events_unread);
	ATF_TP_ADD_TC(tp, launch_messages);
	ATF_TP_ADD_TC(tp, launch_not_proved);
	ATF_TP_ADD_TC(tp, launch_again);
	ATF_TP_ADD_TC(tp, launch_descriptors);
	ATF_TP_ADD_TC(tp, launch_ended_lies);
	ATF_TP_ADD_TC(tp, launch_too_early);
	ATF_TP_ADD_TC(tp, monitord_messages);
	ATF_TP_ADD_TC(tp, monitord_lies);
	ATF_TP_ADD_TC(tp, monitord_bodies);

	return (atf_no_error());
}
