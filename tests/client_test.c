/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * libqemud against a daemon that is played by the test, in the same process:
 * what one side has sent waits in the socket for the other.
 */

#include <sys/types.h>
#include <sys/socket.h>

#include <atf-c.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/client.h"
#include "tests/client_peer.h"

static int		 listener;
static char		 uri[256];
static struct peer	 peer;
static struct qemud	*q;

static const struct qemud_guest	 web = { "web1", "0123456789abcde", 3 };
static rp_none			 none;

/* --- helpers -------------------------------------------------------------- */

/* Connected as far as the kernel goes. */
static void
begin(unsigned int flags)
{
	char	 cwd[200];

	ATF_REQUIRE(getcwd(cwd, sizeof(cwd)) != NULL);
	snprintf(uri, sizeof(uri), "qemud+unix:///system?socket=%s/sock", cwd);
	listener = peer_listen("sock");
	q = qemud_open(uri, flags);
	ATF_REQUIRE(q != NULL);
	peer_accept(&peer, listener);
}

static void
greet(void)
{
	struct frame	 f;

	ATF_REQUIRE_EQ(peer_take(&peer, q, &f), 1);
	ATF_REQUIRE_EQ(f.hdr.procedure, PROC_connect_open);
	peer_reply(&peer, &f.hdr, (xdrproc_t)xdr_rp_none, &none);
	while (qemud_status(q) == QEMUD_CONNECTING)
		qemud_run(q, WAIT_MS);
	ATF_REQUIRE_EQ(qemud_status(q), QEMUD_CONNECTED);
}

static void
begin_open(void)
{
	begin(0);
	greet();
}

static void
end(void)
{
	qemud_close(q);
	peer_close(&peer);
	close(listener);
}

static const struct qemud_reply *
answer(struct qemud_call *c)
{
	ATF_REQUIRE(c != NULL);
	return (qemud_wait(c, WAIT_MS));
}

static void
answer_ok(struct qemud_call *c)
{
	const struct qemud_reply	*r = answer(c);

	ATF_CHECK_MSG(r->error == NULL, "%s", r->error->text);
	qemud_call_free(c);
}

static void
check_error(const struct qemud_error *e, int code, const char *text)
{
	ATF_REQUIRE(e != NULL);
	ATF_CHECK_EQ_MSG(e->code, code, "%d: %s", e->code, e->text);
	ATF_CHECK_MSG(strstr(e->text, text) != NULL, "\"%s\" is not in \"%s\"",
	    text, e->text);
}

static void
answer_error(struct qemud_call *c, int code, const char *text)
{
	check_error(answer(c)->error, code, text);
	qemud_call_free(c);
}

/* The peer takes the next call, which has to be this one. */
static struct frame_header
take(int procedure)
{
	struct frame	 f;

	ATF_REQUIRE_EQ(peer_take(&peer, q, &f), 1);
	ATF_REQUIRE_EQ(f.hdr.procedure, procedure);
	return (f.hdr);
}

/* The client runs until this is so. */
#define RUN_UNTIL(condition) do {					\
	int64_t	 until = peer_now() + WAIT_MS;				\
									\
	while (!(condition)) {						\
		ATF_REQUIRE_MSG(peer_now() < until, "never: %s",	\
		    #condition);					\
		qemud_run(q, 100);					\
	}								\
} while (0)

static void
run_closed(int code, const char *text)
{
	RUN_UNTIL(qemud_status(q) == QEMUD_CLOSED);
	check_error(qemud_error(q), code, text);
	ATF_CHECK_EQ(qemud_fd(q), -1);
	ATF_CHECK_EQ(qemud_events(q), 0);
}

/* Counts what it is called for; remembers the last error. */
struct seen {
	int	 calls;
	int	 errors;
	int	 code;
	int	 order[8];
};

static struct seen	*order_of;
static int		 order_next;

static void
on_done(struct qemud *client, const struct qemud_reply *r, void *arg)
{
	struct seen	*s = arg;

	s->calls++;
	if (r->error != NULL) {
		s->errors++;
		s->code = r->error->code;
	}
	if (order_of == s)
		s->order[order_next++ % 8] = (int)r->number;
}

/* --- URIs ----------------------------------------------------------------- */

ATF_TC(uris);
ATF_TC_HEAD(uris, tc)
{
	atf_tc_set_md_var(tc, "descr", "URIs, and the sockets that they name");
}
ATF_TC_BODY(uris, tc)
{
	static const struct {
		const char	*uri;
		int		 ro;
		const char	*path;		/* NULL: refused */
		const char	*text;		/* why; or the name asked for */
	} t[] = {
		{ "qemud:///session", 0, "/run/user/7/qemud/qemud",
		    "qemu:///session" },
		{ "qemud:///session", 1, "/run/user/7/qemud/qemud-ro",
		    "qemu:///session" },
		{ "qemu:///session", 0, "/run/user/7/qemud/qemud",
		    "qemu:///session" },
		{ "qemud+unix:///session", 0, "/run/user/7/qemud/qemud",
		    "qemu:///session" },
		{ "QEMU+UNIX:///session", 0, "/run/user/7/qemud/qemud",
		    "qemu:///session" },
		{ "qemud+unix:///system?socket=/x/y", 1, "/x/y",
		    "qemu:///system" },
		{ "qemu:///session?socket=/x", 0, "/x", "qemu:///session" },
		{ "qemud:///system?socket=/a%20b%2fc%3F", 0, "/a b/c?",
		    "qemu:///system" },
		{ "", 0, NULL, "is not a URI" },
		{ "web1", 0, NULL, "is not a URI" },
		{ "xen:///system", 0, NULL, "begin with qemud://" },
		{ "qemudx:///system", 0, NULL, "begin with qemud://" },
		{ "qemu+ssh://host/system", 0, NULL, "no ssh" },
		{ "qemud+tls://host/system", 0, NULL, "no tls" },
		{ "qemud://host/", 0, NULL, "TLS" },
		{ "qemud://host:8123/", 0, NULL, "TLS" },
		{ "qemud+unix://host/system", 0, NULL, "another host" },
		{ "qemud:///", 0, NULL, "qemud:///system and" },
		{ "qemud://", 0, NULL, "qemud:///system and" },
		{ "qemud:///systems", 0, NULL, "qemud:///system and" },
		{ "qemud:///system/", 0, NULL, "qemud:///system and" },
		{ "qemud:///system#x", 0, NULL, "%23" },
		{ "qemud:///system?socket=/x#y", 0, NULL, "%23" },
		{ "qemud:///system?mode=direct", 0, NULL, "mode=direct" },
		{ "qemud:///system?socket=/x&no_verify=1", 0, NULL,
		    "no_verify" },
		{ "qemud:///system?socket=x", 0, NULL, "absolute" },
		{ "qemud:///system?socket=", 0, NULL, "absolute" },
		{ "qemud:///system?socket=/x%0", 0, NULL, "absolute" },
		{ "qemud:///system?socket=/x%zz", 0, NULL, "absolute" },
		{ "qemud:///system?socket=/x%00y", 0, NULL, "absolute" }
	};
	struct rpc_error	 err;
	struct target		 target;
	size_t			 i;

	setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
	for (i = 0; i < nitems(t); i++) {
		rpc_error_clear(&err);
		if (target_parse(t[i].uri, t[i].ro, &target, &err) == 0) {
			ATF_CHECK_MSG(t[i].path != NULL, "%s", t[i].uri);
			if (t[i].path == NULL)
				continue;
			ATF_CHECK_STREQ(target.path, t[i].path);
			ATF_CHECK_STREQ(target.asked, t[i].text);
			ATF_CHECK_EQ(target.startable,
			    strstr(t[i].uri, "session") != NULL &&
			    strstr(t[i].uri, "socket") == NULL);
		} else {
			ATF_CHECK_MSG(t[i].path == NULL, "%s: %s", t[i].uri,
			    err.detail);
			ATF_CHECK_EQ(err.code, RPCE_INVALID_ARG);
			ATF_CHECK_MSG(strstr(err.detail, t[i].text) != NULL,
			    "%s: %s", t[i].uri, err.detail);
		}
	}
}

ATF_TC(uri_defaults);
ATF_TC_HEAD(uri_defaults, tc)
{
	atf_tc_set_md_var(tc, "descr", "What holds without a URI, without "
	    "variables, and with folders that are too long");
}
ATF_TC_BODY(uri_defaults, tc)
{
	struct rpc_error	 err = { 0 };
	struct target		 t;
	char			 deep[120] = "/";

	setenv("XDG_RUNTIME_DIR", "relative", 1);
	setenv("HOME", "/home/u", 1);
	ATF_REQUIRE_EQ(target_parse(NULL, 0, &t, &err), 0);
	ATF_CHECK_STREQ(t.name, geteuid() == 0 ? "qemud:///system" :
	    "qemud:///session");
	ATF_REQUIRE_EQ(target_parse("qemud:///session", 0, &t, &err), 0);
	ATF_CHECK_STREQ(t.path, "/home/u/.qemud.d/run/qemud");
	unsetenv("XDG_RUNTIME_DIR");
	ATF_REQUIRE_EQ(target_parse("qemud:///session", 1, &t, &err), 0);
	ATF_CHECK_STREQ(t.path, "/home/u/.qemud.d/run/qemud-ro");

	memset(deep + 1, 'x', sizeof(deep) - 2);
	setenv("XDG_RUNTIME_DIR", deep, 1);
	ATF_CHECK_EQ(target_parse("qemud:///session", 0, &t, &err), -1);
	ATF_CHECK_EQ(err.code, RPCE_NO_CONNECT);
	ATF_CHECK(strstr(err.detail, "too long") != NULL);
}

/* --- connecting ----------------------------------------------------------- */

/* A connection that cannot be. */
static void
check_refused(const char *to, unsigned int flags, int code, int sys,
    const char *text)
{
	struct seen	 s = { 0 };

	q = qemud_open(to, flags);
	ATF_REQUIRE(q != NULL);
	ATF_REQUIRE(qemud_guest_list(q, 0, on_done, &s) != NULL);
	ATF_CHECK_EQ_MSG(s.calls, 0, "called before the call has returned");
	run_closed(code, text);
	ATF_CHECK_EQ(qemud_error(q)->sys, sys);
	RUN_UNTIL(s.calls == 1);
	ATF_CHECK_EQ(s.code, code);
	/* also those that are made now */
	answer_error(qemud_guest_list(q, 0, NULL, NULL), code, text);
	ATF_CHECK_EQ(qemud_dispatch(q), -1);
	ATF_CHECK_EQ(errno, ENOTCONN);
	qemud_close(q);
}

ATF_TC(refused);
ATF_TC_HEAD(refused, tc)
{
	atf_tc_set_md_var(tc, "descr", "Connections that cannot be, and why");
}
ATF_TC_BODY(refused, tc)
{
	char	 cwd[200], to[300];

	ATF_REQUIRE(getcwd(cwd, sizeof(cwd)) != NULL);
	check_refused("qemud:///system", 1 << 5, QEMUD_ERR_INVALID_ARG, 0,
	    "0x20");
	check_refused("qemud://host/", 0, QEMUD_ERR_INVALID_ARG, 0, "TLS");
	snprintf(to, sizeof(to), "qemud:///system?socket=%s/none", cwd);
	check_refused(to, 0, QEMUD_ERR_NO_CONNECT, ENOENT,
	    "cannot connect to qemud:///system: No such file or directory\n"
	    "its socket is ");
	check_refused(to, 0, QEMUD_ERR_NO_CONNECT, ENOENT,
	    "is qemud-parent running?");
	close(peer_listen("old"));
	snprintf(to, sizeof(to), "qemud:///session?socket=%s/old", cwd);
	check_refused(to, 0, QEMUD_ERR_NO_CONNECT, ECONNREFUSED,
	    "qemud:///session: Connection refused\n");
	setenv("XDG_RUNTIME_DIR", cwd, 1);
	check_refused("qemud:///session", QEMUD_OPEN_NO_START,
	    QEMUD_ERR_NO_CONNECT, ENOENT, "qemud-parent -S");
}

ATF_TC(forbidden);
ATF_TC_HEAD(forbidden, tc)
{
	atf_tc_set_md_var(tc, "descr", "A socket of somebody else's");
	atf_tc_set_md_var(tc, "require.user", "unprivileged");
}
ATF_TC_BODY(forbidden, tc)
{
	char	 cwd[200], to[300];
	int	 fd = peer_listen("sock");

	ATF_REQUIRE_EQ(chmod("sock", 0), 0);
	ATF_REQUIRE(getcwd(cwd, sizeof(cwd)) != NULL);
	snprintf(to, sizeof(to), "qemud:///system?socket=%s/sock", cwd);
	check_refused(to, 0, QEMUD_ERR_NO_CONNECT, EACCES,
	    "Permission denied\n");
	check_refused(to, 0, QEMUD_ERR_NO_CONNECT, EACCES,
	    "try the read-only socket");
	close(fd);
}

ATF_TC(greeting);
ATF_TC_HEAD(greeting, tc)
{
	atf_tc_set_md_var(tc, "descr", "The connection is opened before "
	    "anything else is asked, and what was asked meanwhile follows");
}
static void
on_change(struct qemud *client, enum qemud_status status, void *arg)
{
	struct seen	*s = arg;

	ATF_CHECK_EQ(qemud_status(client), status);
	s->order[s->calls++] = status;
}
ATF_TC_BODY(greeting, tc)
{
	struct seen		 s = { 0 };
	struct frame		 f;
	rp_opttext_flags	 open;
	struct qemud_call	*c;
	struct pollfd		 pfd;
	rp_text			 name = { NULL };

	begin(QEMUD_OPEN_READ_ONLY);
	qemud_on_change(q, on_change, &s);
	ATF_CHECK_EQ(qemud_status(q), QEMUD_CONNECTING);
	ATF_CHECK(qemud_error(q) == NULL);
	ATF_CHECK_EQ(qemud_timeout_ms(q), 0);
	c = qemud_hostname(q, NULL, NULL);
	ATF_CHECK(qemud_call_reply(c) == NULL);

	ATF_REQUIRE_EQ(peer_take(&peer, q, &f), 1);
	peer_arg(&f, PROC_connect_open, (xdrproc_t)xdr_rp_opttext_flags,
	    &open, sizeof(open));
	ATF_REQUIRE(open.text != NULL);
	ATF_CHECK_STREQ(*open.text, "qemu:///system");
	ATF_CHECK_EQ(open.flags, LV_OPEN_RO);
	rpc_free((xdrproc_t)xdr_rp_opttext_flags, &open);

	/* no other frame is there */
	qemud_dispatch(q);
	pfd.fd = peer.fd;
	pfd.events = POLLIN;
	ATF_CHECK_EQ(poll(&pfd, 1, 0), 0);
	ATF_CHECK_EQ(framer_pending(&peer.in), 0);
	ATF_CHECK_EQ(qemud_events(q), POLLIN);
	ATF_CHECK(qemud_timeout_ms(q) > 0);
	peer_reply(&peer, &f.hdr, (xdrproc_t)xdr_rp_none, &none);

	f.hdr = take(PROC_connect_get_hostname);
	ATF_CHECK_EQ(s.calls, 1);
	ATF_CHECK_EQ(qemud_timeout_ms(q), -1);
	name.text = uri;
	peer_reply(&peer, &f.hdr, (xdrproc_t)xdr_rp_text, &name);
	ATF_CHECK_STREQ(answer(c)->text, uri);
	ATF_CHECK_EQ(answer(c)->len, strlen(uri));
	ATF_CHECK_EQ(qemud_call_reply(c), answer(c));
	qemud_call_free(c);

	peer_close(&peer);
	run_closed(QEMUD_ERR_CONNECTION, "closed the connection");
	RUN_UNTIL(s.calls == 2);
	ATF_CHECK_EQ(s.order[0], QEMUD_CONNECTED);
	ATF_CHECK_EQ(s.order[1], QEMUD_CLOSED);
	qemud_close(q);
	ATF_CHECK_EQ(s.calls, 2);
	close(listener);
}

ATF_TC(greeting_refused);
ATF_TC_HEAD(greeting_refused, tc)
{
	atf_tc_set_md_var(tc, "descr", "The daemon does not want us");
}
ATF_TC_BODY(greeting_refused, tc)
{
	struct frame	 f;

	begin(0);
	ATF_REQUIRE_EQ(peer_take(&peer, q, &f), 1);
	peer_fail(&peer, &f.hdr, RPCE_NO_CONNECT, "qemu:///session is");
	run_closed(QEMUD_ERR_NO_CONNECT, "cannot connect to qemud:///system: ");
	check_error(qemud_error(q), QEMUD_ERR_NO_CONNECT,
	    "qemu:///session is\nits socket is /");
	end();
	unlink("sock");

	begin(0);
	peer_close(&peer);
	run_closed(QEMUD_ERR_NO_CONNECT, "has closed the connection\n");
	qemud_close(q);
	close(listener);
}

/* --- calls ---------------------------------------------------------------- */

ATF_TC(overtaking);
ATF_TC_HEAD(overtaking, tc)
{
	atf_tc_set_md_var(tc, "descr", "Answers come in another order");
}
ATF_TC_BODY(overtaking, tc)
{
	struct frame_header	 h[5];
	struct seen		 s = { 0 };
	struct qemud_call	*last;
	rp_ulong		 n;
	int			 i;

	begin_open();
	order_of = &s;
	for (i = 0; i < 4; i++)
		ATF_REQUIRE(qemud_api_version(q, on_done, &s) != NULL);
	last = qemud_api_version(q, NULL, NULL);
	for (i = 0; i < 5; i++)
		h[i] = take(PROC_connect_get_lib_version);
	for (i = 4; i >= 0; i--) {
		n.value = i;
		peer_reply(&peer, &h[i], (xdrproc_t)xdr_rp_ulong, &n);
	}
	ATF_CHECK_EQ(answer(last)->number, 4);
	RUN_UNTIL(s.calls == 4);
	for (i = 0; i < 4; i++)
		ATF_CHECK_EQ(s.order[i], 3 - i);
	qemud_call_free(last);
	end();
}

ATF_TC(errors);
ATF_TC_HEAD(errors, tc)
{
	atf_tc_set_md_var(tc, "descr", "Errors of the daemon, with all that "
	    "they say");
}
ATF_TC_BODY(errors, tc)
{
	struct frame_header		 h;
	struct qemud_call		*c;
	const struct qemud_reply	*r;

	begin_open();
	c = qemud_guest_by_name(q, "x", NULL, NULL);
	h = take(PROC_domain_lookup_by_name);
	peer_fail(&peer, &h, RPCE_NO_DOMAIN, "no domain named 'x'");
	r = answer(c);
	check_error(r->error, QEMUD_ERR_NO_GUEST,
	    "Domain not found: no domain named 'x'");
	ATF_CHECK_EQ(r->error->domain, RPCD_QEMU);
	ATF_CHECK_EQ(r->nguests, 0);
	ATF_CHECK(r->guests == NULL);
	qemud_call_free(c);

	/* a daemon without this program */
	c = qemud_daemon_status(q, NULL, NULL);
	h = take(PROC_daemon_status);
	peer_fail(&peer, &h, RPCE_RPC, "Cannot find program 1 version 1");
	answer_error(c, QEMUD_ERR_NO_SUPPORT, "daemon_status");
	c = qemud_uri(q, NULL, NULL);
	h = take(PROC_connect_get_uri);
	peer_fail(&peer, &h, RPCE_RPC, "unknown procedure: 110");
	answer_error(c, QEMUD_ERR_NO_SUPPORT, "connect_get_uri");

	/* a number that nobody knows here is passed on */
	c = qemud_uri(q, NULL, NULL);
	h = take(PROC_connect_get_uri);
	peer_fail(&peer, &h, (enum rpc_code)4711, "later");
	answer_error(c, 4711, "later");
	ATF_CHECK_EQ(qemud_status(q), QEMUD_CONNECTED);
	end();
}

/*
 * Each call: its procedure, that its argument is what the daemon decodes,
 * and what is made of the answer.
 */
static struct frame
taken(int procedure, xdrproc_t proc, void *arg, size_t size)
{
	struct frame	 f;

	ATF_REQUIRE_EQ(peer_take(&peer, q, &f), 1);
	peer_arg(&f, procedure, proc, arg, size);
	return (f);
}

static void
check_dom(const rp_dom *dom)
{
	ATF_CHECK_STREQ(dom->name, web.name);
	ATF_CHECK_EQ(memcmp(dom->uuid, web.uuid, sizeof(dom->uuid)), 0);
	ATF_CHECK_EQ(dom->id, web.id);
}

ATF_TC(calls_guest);
ATF_TC_HEAD(calls_guest, tc)
{
	atf_tc_set_md_var(tc, "descr", "Calls of a guest that return nothing "
	    "or a number");
}
ATF_TC_BODY(calls_guest, tc)
{
	typedef struct qemud_call *(*simple)(struct qemud *,
	    const struct qemud_guest *, qemud_done *, void *);
	static const struct {
		simple	 call;
		int	 procedure;
		int	 flags;		/* its argument has some */
	} t[] = {
		{ qemud_guest_undefine, PROC_domain_undefine, 0 },
		{ qemud_guest_shutdown, PROC_domain_shutdown, 0 },
		{ qemud_guest_suspend, PROC_domain_suspend, 0 },
		{ qemud_guest_resume, PROC_domain_resume, 0 },
		{ qemud_guest_reboot, PROC_domain_reboot, 1 },
		{ qemud_guest_reset, PROC_domain_reset, 1 }
	};
	struct qemud_call	*c;
	struct frame		 f;
	rp_dom_flags		 df;
	rp_dom_int		 di;
	rp_dom_opttext_flags	 dtf;
	rp_dom			 dom;
	rp_int			 n = { 1 };
	size_t			 i;

	begin_open();
	for (i = 0; i < nitems(t); i++) {
		c = t[i].call(q, &web, NULL, NULL);
		if (t[i].flags) {
			f = taken(t[i].procedure, (xdrproc_t)xdr_rp_dom_flags,
			    &df, sizeof(df));
			check_dom(&df.dom);
			ATF_CHECK_EQ(df.flags, 0);
			rpc_free((xdrproc_t)xdr_rp_dom_flags, &df);
		} else {
			f = taken(t[i].procedure, (xdrproc_t)xdr_rp_dom, &dom,
			    sizeof(dom));
			check_dom(&dom);
			rpc_free((xdrproc_t)xdr_rp_dom, &dom);
		}
		peer_reply(&peer, &f.hdr, (xdrproc_t)xdr_rp_none, &none);
		answer_ok(c);
	}

	c = qemud_guest_kill(q, &web, QEMUD_KILL_GRACEFUL, NULL, NULL);
	f = taken(PROC_domain_destroy_flags, (xdrproc_t)xdr_rp_dom_flags, &df,
	    sizeof(df));
	ATF_CHECK_EQ(df.flags, LV_DESTROY_GRACEFUL);
	rpc_free((xdrproc_t)xdr_rp_dom_flags, &df);
	peer_reply(&peer, &f.hdr, (xdrproc_t)xdr_rp_none, &none);
	answer_ok(c);

	c = qemud_guest_set_autostart(q, &web, 7, NULL, NULL);
	f = taken(PROC_domain_set_autostart, (xdrproc_t)xdr_rp_dom_int, &di,
	    sizeof(di));
	check_dom(&di.dom);
	ATF_CHECK_EQ(di.value, 1);
	rpc_free((xdrproc_t)xdr_rp_dom_int, &di);
	peer_reply(&peer, &f.hdr, (xdrproc_t)xdr_rp_none, &none);
	answer_ok(c);

	c = qemud_guest_rename(q, &web, "web2", NULL, NULL);
	f = taken(PROC_domain_rename, (xdrproc_t)xdr_rp_dom_opttext_flags,
	    &dtf, sizeof(dtf));
	ATF_REQUIRE(dtf.text != NULL);
	ATF_CHECK_STREQ(*dtf.text, "web2");
	rpc_free((xdrproc_t)xdr_rp_dom_opttext_flags, &dtf);
	peer_reply(&peer, &f.hdr, (xdrproc_t)xdr_rp_int, &n);
	answer_ok(c);

	c = qemud_guest_autostart(q, &web, NULL, NULL);
	f.hdr = take(PROC_domain_get_autostart);
	peer_reply(&peer, &f.hdr, (xdrproc_t)xdr_rp_int, &n);
	ATF_CHECK_EQ(answer(c)->number, 1);
	qemud_call_free(c);
	c = qemud_guest_persistent(q, &web, NULL, NULL);
	f.hdr = take(PROC_domain_is_persistent);
	peer_reply(&peer, &f.hdr, (xdrproc_t)xdr_rp_int, &n);
	ATF_CHECK_EQ(answer(c)->number, 1);
	qemud_call_free(c);
	end();
}

ATF_TC(calls_looking);
ATF_TC_HEAD(calls_looking, tc)
{
	atf_tc_set_md_var(tc, "descr", "Calls that look at guests");
}
ATF_TC_BODY(calls_looking, tc)
{
	const struct qemud_reply	*r;
	struct qemud_call		*c;
	struct frame			 f;
	rp_dom_info			 info = { LV_PAUSED, 2048, 1024, 4,
	    123456789 };
	rp_dom_state			 state = { LV_RUNNING,
	    LV_RUNNING_BOOTED };
	rp_dom_flags			 df;
	rp_dom_text_flags		 dtf;
	own_log_args			 la;
	char				 xml[] = "<domain/>",
	    lines[] = "a\nb\0c\n";
	rp_text				 text = { xml };
	own_log				 log = { { 6, lines } };

	begin_open();
	c = qemud_guest_info(q, &web, NULL, NULL);
	f.hdr = take(PROC_domain_get_info);
	peer_reply(&peer, &f.hdr, (xdrproc_t)xdr_rp_dom_info, &info);
	r = answer(c);
	ATF_REQUIRE(r->info != NULL);
	ATF_CHECK_EQ(r->info->state, QEMUD_PAUSED);
	ATF_CHECK_EQ(r->info->max_memory, 2048);
	ATF_CHECK_EQ(r->info->memory, 1024);
	ATF_CHECK_EQ(r->info->vcpus, 4);
	ATF_CHECK_EQ(r->info->cpu_time, 123456789);
	qemud_call_free(c);

	c = qemud_guest_state(q, &web, NULL, NULL);
	f.hdr = take(PROC_domain_get_state);
	peer_reply(&peer, &f.hdr, (xdrproc_t)xdr_rp_dom_state, &state);
	ATF_CHECK_EQ(answer(c)->state, QEMUD_RUNNING);
	ATF_CHECK_EQ(answer(c)->reason, LV_RUNNING_BOOTED);
	qemud_call_free(c);

	c = qemud_guest_xml(q, &web, QEMUD_XML_INACTIVE, NULL, NULL);
	f = taken(PROC_domain_get_xml_desc, (xdrproc_t)xdr_rp_dom_flags, &df,
	    sizeof(df));
	ATF_CHECK_EQ(df.flags, LV_XML_INACTIVE);
	rpc_free((xdrproc_t)xdr_rp_dom_flags, &df);
	peer_reply(&peer, &f.hdr, (xdrproc_t)xdr_rp_text, &text);
	ATF_CHECK_STREQ(answer(c)->text, xml);
	qemud_call_free(c);

	c = qemud_guest_monitor(q, &web, "info status", QEMUD_MONITOR_HMP,
	    NULL, NULL);
	f = taken(PROC_qemu_domain_monitor_command,
	    (xdrproc_t)xdr_rp_dom_text_flags, &dtf, sizeof(dtf));
	ATF_CHECK_EQ(f.hdr.prog, RQ_PROGRAM);
	ATF_CHECK_STREQ(dtf.text, "info status");
	ATF_CHECK_EQ(dtf.flags, LV_MONITOR_HMP);
	rpc_free((xdrproc_t)xdr_rp_dom_text_flags, &dtf);
	peer_reply(&peer, &f.hdr, (xdrproc_t)xdr_rp_text, &text);
	ATF_CHECK_STREQ(answer(c)->text, xml);
	qemud_call_free(c);

	c = qemud_guest_log(q, &web, 99, NULL, NULL);
	f = taken(PROC_guest_log, (xdrproc_t)xdr_own_log_args, &la,
	    sizeof(la));
	ATF_CHECK_EQ(f.hdr.prog, OWN_PROGRAM);
	ATF_CHECK_STREQ(la.name, "web1");
	ATF_CHECK_EQ(la.max, 99);
	rpc_free((xdrproc_t)xdr_own_log_args, &la);
	peer_reply(&peer, &f.hdr, (xdrproc_t)xdr_own_log, &log);
	ATF_CHECK_EQ(answer(c)->len, 6);
	ATF_CHECK_EQ(memcmp(answer(c)->text, "a\nb\0c\n", 7), 0);
	qemud_call_free(c);
	end();
}

ATF_TC(calls_finding);
ATF_TC_HEAD(calls_finding, tc)
{
	atf_tc_set_md_var(tc, "descr", "Lists, and what is found by name, "
	    "UUID and number");
}
ATF_TC_BODY(calls_finding, tc)
{
	const struct qemud_reply	*r;
	struct qemud_guest		*copy;
	struct qemud_call		*c;
	struct frame			 f;
	rp_list_args			 la;
	rp_dom				 doms[3];
	rp_doms				 list = { { 3, doms }, 3 };
	rp_uuid_arg			 ua;
	rp_int				 n;
	int				 i;

	begin_open();
	for (i = 0; i < 3; i++)
		doms[i] = guest_dom(&web);
	doms[2].id = -1;
	c = qemud_guest_list(q, QEMUD_LIST_ACTIVE, NULL, NULL);
	f = taken(PROC_connect_list_all_domains,
	    (xdrproc_t)xdr_rp_list_args, &la, sizeof(la));
	ATF_CHECK_EQ(la.need_results, 1);
	ATF_CHECK_EQ(la.flags, LV_LIST_ACTIVE);
	peer_reply(&peer, &f.hdr, (xdrproc_t)xdr_rp_doms, &list);
	r = answer(c);
	ATF_REQUIRE_EQ(r->nguests, 3);
	ATF_CHECK_STREQ(r->guests[1].name, "web1");
	ATF_CHECK_EQ(memcmp(r->guests[1].uuid, web.uuid, 16), 0);
	ATF_CHECK_EQ(r->guests[2].id, -1);
	copy = qemud_guest_copy(&r->guests[1]);
	qemud_call_free(c);
	ATF_CHECK_STREQ(copy->name, "web1");
	ATF_CHECK_EQ(copy->id, 3);
	free(copy);
	list.doms.doms_len = list.count = 0;
	c = qemud_guest_list(q, 0, NULL, NULL);
	f.hdr = take(PROC_connect_list_all_domains);
	peer_reply(&peer, &f.hdr, (xdrproc_t)xdr_rp_doms, &list);
	ATF_CHECK_EQ(answer(c)->nguests, 0);
	qemud_call_free(c);

	c = qemud_guest_by_uuid(q, web.uuid, NULL, NULL);
	f = taken(PROC_domain_lookup_by_uuid, (xdrproc_t)xdr_rp_uuid_arg, &ua,
	    sizeof(ua));
	ATF_CHECK_EQ(memcmp(ua.uuid, web.uuid, 16), 0);
	peer_reply(&peer, &f.hdr, (xdrproc_t)xdr_rp_dom, &doms[0]);
	ATF_REQUIRE_EQ(answer(c)->nguests, 1);
	ATF_CHECK_STREQ(answer(c)->guests[0].name, "web1");
	qemud_call_free(c);
	c = qemud_guest_by_id(q, 3, NULL, NULL);
	f = taken(PROC_domain_lookup_by_id, (xdrproc_t)xdr_rp_int, &n,
	    sizeof(n));
	ATF_CHECK_EQ(n.value, 3);
	peer_reply(&peer, &f.hdr, (xdrproc_t)xdr_rp_dom, &doms[0]);
	answer_ok(c);
	end();
}

/* What is tried for a text, one after the other, until one is found. */
static void
check_find(const char *text, const int *procedures, int found)
{
	struct qemud_call	*c;
	struct frame_header	 h;
	rp_dom			 dom = guest_dom(&web);
	size_t			 i;

	c = qemud_guest_find(q, text, NULL, NULL);
	for (i = 0; procedures[i] != 0; i++) {
		h = take(procedures[i]);
		if (found && procedures[i + 1] == 0)
			peer_reply(&peer, &h, (xdrproc_t)xdr_rp_dom, &dom);
		else
			peer_fail(&peer, &h, RPCE_NO_DOMAIN,
			    i == 0 ? "no such name" : "nothing");
	}
	if (found) {
		ATF_REQUIRE(answer(c)->error == NULL);
		ATF_REQUIRE_EQ(answer(c)->nguests, 1);
		ATF_CHECK_STREQ(answer(c)->guests[0].name, "web1");
		qemud_call_free(c);
	} else
		answer_error(c, QEMUD_ERR_NO_GUEST, "no such name");
}

ATF_TC(find);
ATF_TC_HEAD(find, tc)
{
	atf_tc_set_md_var(tc, "descr", "A text is a name first, then a UUID "
	    "or a number, if it can be one");
}
ATF_TC_BODY(find, tc)
{
	static const int	 name[] = { PROC_domain_lookup_by_name, 0 };
	static const int	 uuid[] = { PROC_domain_lookup_by_name,
	    PROC_domain_lookup_by_uuid, 0 };
	static const int	 id[] = { PROC_domain_lookup_by_name,
	    PROC_domain_lookup_by_id, 0 };
	struct qemud_call	*c;
	struct frame_header	 h;

	begin_open();
	check_find("web1", name, 1);
	check_find("web1", name, 0);
	check_find("17", name, 1);
	check_find("17", id, 1);
	check_find("17", id, 0);
	check_find("-1", name, 0);
	check_find("17x", name, 0);
	check_find("99999999999", name, 0);
	check_find("30313233-3435-3637-3839-616263646500", uuid, 1);
	check_find("30313233343536373839616263646500", uuid, 0);
	check_find("30313233-3435-3637-3839-61626364650", name, 0);

	/* another error is the answer */
	c = qemud_guest_find(q, "17", NULL, NULL);
	h = take(PROC_domain_lookup_by_name);
	peer_fail(&peer, &h, RPCE_ACCESS_DENIED, "no");
	answer_error(c, QEMUD_ERR_DENIED, "no");
	/* forgotten, but tried to the end */
	c = qemud_guest_find(q, "17", NULL, NULL);
	h = take(PROC_domain_lookup_by_name);
	qemud_call_free(c);
	peer_fail(&peer, &h, RPCE_NO_DOMAIN, "no");
	h = take(PROC_domain_lookup_by_id);
	peer_fail(&peer, &h, RPCE_NO_DOMAIN, "no");
	RUN_UNTIL(TAILQ_EMPTY(&q->calls));
	end();
}

ATF_TC(calls_host);
ATF_TC_HEAD(calls_host, tc)
{
	atf_tc_set_md_var(tc, "descr", "Calls about the daemon and its host");
}
ATF_TC_BODY(calls_host, tc)
{
	const struct qemud_reply	*r;
	struct qemud_call		*c;
	struct frame_header		 h;
	rp_node_info			 node = { "x86_64", 4096, 8, 2400, 1,
	    2, 2, 2 };
	char				 key[] = "guests.running",
	    key2[] = "version", value[] = "0.1.0", neg[] = "neg";
	rp_param			 params[3] = { { key, { 4, { 0 } } },
	    { key2, { 7, { 0 } } }, { neg, { 1, { 0 } } } };
	own_status			 status = { { 3, params } };
	rp_dom				 dom = guest_dom(&web);
	char				 xml[] = "<domain/>";
	rp_text_flags			 tf;
	struct frame			 f;
	rp_text				 text = { xml };
	rp_ulong			 n = { 7002019 };

	begin_open();
	c = qemud_host_info(q, NULL, NULL);
	h = take(PROC_node_get_info);
	memset(node.model, 'x', sizeof(node.model));	/* no NUL */
	peer_reply(&peer, &h, (xdrproc_t)xdr_rp_node_info, &node);
	r = answer(c);
	ATF_REQUIRE(r->host != NULL);
	ATF_CHECK_EQ(strlen(r->host->model), 32);
	ATF_CHECK_EQ(r->host->cpus, 8);
	ATF_CHECK_EQ(r->host->memory, 4096);
	qemud_call_free(c);

	params[0].value.rp_value_u.ul = 1ULL << 63;
	params[1].value.rp_value_u.s = value;
	params[2].value.rp_value_u.i = -5;
	c = qemud_daemon_status(q, NULL, NULL);
	h = take(PROC_daemon_status);
	peer_reply(&peer, &h, (xdrproc_t)xdr_own_status, &status);
	r = answer(c);
	ATF_REQUIRE_EQ(r->nparams, 3);
	ATF_CHECK_STREQ(r->params[0].name, "guests.running");
	ATF_CHECK_EQ(r->params[0].type, QEMUD_TYPE_UINT64);
	ATF_CHECK_EQ(r->params[0].value.u, 1ULL << 63);
	ATF_CHECK_STREQ(r->params[1].value.s, "0.1.0");
	ATF_CHECK_EQ(r->params[2].value.i, -5);
	qemud_call_free(c);

	c = qemud_emulator_version(q, NULL, NULL);
	h = take(PROC_connect_get_version);
	peer_reply(&peer, &h, (xdrproc_t)xdr_rp_ulong, &n);
	ATF_CHECK_EQ(answer(c)->number, 7002019);
	qemud_call_free(c);
	c = qemud_host_free_memory(q, NULL, NULL);
	h = take(PROC_node_get_free_memory);
	peer_reply(&peer, &h, (xdrproc_t)xdr_rp_ulong, &n);
	ATF_CHECK_EQ(answer(c)->number, 7002019);
	qemud_call_free(c);
	c = qemud_capabilities(q, NULL, NULL);
	h = take(PROC_connect_get_capabilities);
	peer_reply(&peer, &h, (xdrproc_t)xdr_rp_text, &text);
	ATF_CHECK_STREQ(answer(c)->text, xml);
	qemud_call_free(c);

	c = qemud_guest_define(q, xml, QEMUD_DEFINE_VALIDATE, NULL, NULL);
	f = taken(PROC_domain_define_xml_flags,
	    (xdrproc_t)xdr_rp_text_flags, &tf, sizeof(tf));
	ATF_CHECK_STREQ(tf.text, xml);
	ATF_CHECK_EQ(tf.flags, LV_DEFINE_VALIDATE);
	rpc_free((xdrproc_t)xdr_rp_text_flags, &tf);
	peer_reply(&peer, &f.hdr, (xdrproc_t)xdr_rp_dom, &dom);
	ATF_CHECK_STREQ(answer(c)->guests[0].name, "web1");
	qemud_call_free(c);
	c = qemud_guest_create(q, xml, QEMUD_START_PAUSED, NULL, NULL);
	f = taken(PROC_domain_create_xml, (xdrproc_t)xdr_rp_text_flags, &tf,
	    sizeof(tf));
	ATF_CHECK_EQ(tf.flags, LV_START_PAUSED);
	rpc_free((xdrproc_t)xdr_rp_text_flags, &tf);
	peer_reply(&peer, &f.hdr, (xdrproc_t)xdr_rp_dom, &dom);
	ATF_CHECK_EQ(answer(c)->guests[0].id, 3);
	qemud_call_free(c);
	c = qemud_guest_start(q, &web, QEMUD_START_PAUSED, NULL, NULL);
	h = take(PROC_domain_create_with_flags);
	peer_reply(&peer, &h, (xdrproc_t)xdr_rp_dom, &dom);
	ATF_CHECK_EQ(answer(c)->guests[0].id, 3);
	qemud_call_free(c);
	end();
}

ATF_TC(limits);
ATF_TC_HEAD(limits, tc)
{
	atf_tc_set_md_var(tc, "descr", "What a program may not ask for");
}
ATF_TC_BODY(limits, tc)
{
	struct qemud_call	*c;
	struct seen		 s = { 0 };
	char			*text;
	int			 i;

	begin_open();
	text = malloc(RP_STRING_MAX + 2);
	ATF_REQUIRE(text != NULL);
	memset(text, 'x', RP_STRING_MAX + 1);
	text[RP_STRING_MAX + 1] = '\0';
	answer_error(qemud_guest_define(q, text, 0, NULL, NULL),
	    QEMUD_ERR_INVALID_ARG, "too long");
	free(text);

	for (i = 0; i < CALLS_MAX; i++)
		ATF_REQUIRE(qemud_uri(q, on_done, &s) != NULL);
	c = qemud_uri(q, NULL, NULL);
	answer_error(c, QEMUD_ERR_BUSY, "16385 calls");
	ATF_CHECK_EQ(s.calls, 0);
	qemud_close(q);
	ATF_CHECK_EQ(s.calls, CALLS_MAX);
	ATF_CHECK_EQ(s.errors, CALLS_MAX);
	ATF_CHECK_EQ(s.code, QEMUD_ERR_ABORTED);
	peer_close(&peer);
	close(listener);
}

ATF_TC(waiting);
ATF_TC_HEAD(waiting, tc)
{
	atf_tc_set_md_var(tc, "descr", "Waiting: in time, too late, in vain");
}
static void
wait_inside(struct qemud *client, const struct qemud_reply *r, void *arg)
{
	struct seen		*s = arg;
	struct qemud_call	*c = qemud_uri(client, NULL, NULL);

	s->code = qemud_wait(c, -1)->error->code;
	ATF_CHECK_EQ(qemud_dispatch(client), -1);
	ATF_CHECK_EQ(errno, EDEADLK);
	ATF_CHECK_EQ(qemud_run(client, 0), -1);
	ATF_CHECK_EQ(errno, EDEADLK);
	qemud_call_free(c);
	s->calls++;
}
ATF_TC_BODY(waiting, tc)
{
	struct qemud_call	*c;
	struct frame_header	 h;
	struct seen		 s = { 0 };
	rp_text			 text = { uri };

	begin_open();
	ATF_CHECK_EQ(qemud_wait(NULL, 0)->error->code, QEMUD_ERR_NO_MEMORY);
	qemud_call_free(NULL);
	c = qemud_uri(q, NULL, NULL);
	ATF_CHECK_EQ(qemud_wait(c, 0)->error->code, QEMUD_ERR_TIMEOUT);
	h = take(PROC_connect_get_uri);
	peer_reply(&peer, &h, (xdrproc_t)xdr_rp_text, &text);
	ATF_CHECK_STREQ(answer(c)->text, uri);
	qemud_call_free(c);

	/* from within: neither waits */
	ATF_REQUIRE(qemud_uri(q, wait_inside, &s) != NULL);
	h = take(PROC_connect_get_uri);
	peer_reply(&peer, &h, (xdrproc_t)xdr_rp_text, &text);
	RUN_UNTIL(s.calls == 1);
	ATF_CHECK_EQ(s.code, QEMUD_ERR_FAILED);
	end();
}

/* What functions may do to the connection that calls them. */
static void
close_inside(struct qemud *client, const struct qemud_reply *r, void *arg)
{
	struct seen	*s = arg;

	s->calls++;
	qemud_close(client);
	ATF_CHECK(qemud_uri(client, NULL, NULL) == NULL);
	ATF_CHECK_EQ(errno, ENOTCONN);
}
static void
free_inside(struct qemud *client, const struct qemud_reply *r, void *arg)
{
	struct qemud_call	**c = arg;
	int			  i;

	for (i = 0; i < 3; i++)
		qemud_call_free(c[i]);
	c[0] = NULL;
}

ATF_TC(reentry);
ATF_TC_HEAD(reentry, tc)
{
	atf_tc_set_md_var(tc, "descr", "Calls are freed, and the connection "
	    "is closed, by functions that it calls");
}
ATF_TC_BODY(reentry, tc)
{
	struct qemud_call	*c[3];
	struct frame_header	 h[4];
	struct seen		 s = { 0 };
	rp_text			 text = { uri };
	int			 i;

	begin_open();
	c[0] = qemud_uri(q, free_inside, c);
	c[1] = qemud_uri(q, on_done, &s);
	c[2] = qemud_uri(q, NULL, NULL);
	for (i = 0; i < 3; i++)
		h[i] = take(PROC_connect_get_uri);
	for (i = 0; i < 3; i++)
		peer_reply(&peer, &h[i], (xdrproc_t)xdr_rp_text, &text);
	RUN_UNTIL(TAILQ_EMPTY(&q->calls));
	ATF_CHECK(c[0] == NULL);
	ATF_CHECK_EQ(s.calls, 0);
	ATF_CHECK_EQ(qemud_status(q), QEMUD_CONNECTED);

	ATF_REQUIRE(qemud_uri(q, on_done, &s) != NULL);
	ATF_REQUIRE(qemud_uri(q, close_inside, &s) != NULL);
	ATF_REQUIRE(qemud_uri(q, on_done, &s) != NULL);
	ATF_REQUIRE(qemud_uri(q, NULL, NULL) != NULL);	/* freed with it */
	for (i = 0; i < 4; i++)
		h[i] = take(PROC_connect_get_uri);
	for (i = 0; i < 4; i++)
		peer_reply(&peer, &h[i], (xdrproc_t)xdr_rp_text, &text);
	while (qemud_run(q, WAIT_MS) == 0)
		;
	ATF_CHECK_EQ(s.calls, 3);
	ATF_CHECK_EQ(s.errors, 1);
	ATF_CHECK_EQ(s.code, QEMUD_ERR_ABORTED);
	peer_close(&peer);
	close(listener);
}

/* Asks again and again, as programs do: this must not keep us busy. */
static void
ask_again(struct qemud *client, const struct qemud_reply *r, void *arg)
{
	struct seen	*s = arg;

	s->calls++;
	if (s->calls < 1000000)
		qemud_uri(client, ask_again, arg);
}

ATF_TC(lost);
ATF_TC_HEAD(lost, tc)
{
	atf_tc_set_md_var(tc, "descr", "The daemon goes away in the middle of "
	    "a call; what it had said is still heard");
}
ATF_TC_BODY(lost, tc)
{
	struct qemud_call	*c1, *c2;
	struct frame_header	 h;
	struct seen		 s = { 0 };
	rp_text			 text = { uri };

	begin_open();
	ATF_REQUIRE(qemud_uri(q, ask_again, &s) != NULL);
	c1 = qemud_uri(q, NULL, NULL);
	c2 = qemud_uri(q, NULL, NULL);
	take(PROC_connect_get_uri);
	h = take(PROC_connect_get_uri);
	peer_reply(&peer, &h, (xdrproc_t)xdr_rp_text, &text);
	peer_close(&peer);
	ATF_REQUIRE(qemud_uri(q, on_done, &s) != NULL);	/* to be sent */
	answer_error(c2, QEMUD_ERR_CONNECTION, "closed the connection");
	ATF_CHECK_STREQ(answer(c1)->text, uri);
	qemud_call_free(c1);
	ATF_CHECK(s.calls < 10);
	qemud_close(q);
	close(listener);
}

/* --- a hostile daemon ----------------------------------------------------- */

ATF_TC(malformed);
ATF_TC_HEAD(malformed, tc)
{
	atf_tc_set_md_var(tc, "descr", "Frames that are not right end the "
	    "connection, and all calls with it");
}
ATF_TC_BODY(malformed, tc)
{
	enum { PROG, VERS, PROC, TYPE, SERIAL, STATUS, BODY, LENGTH, HUGE };
	static const struct {
		int	 what;
		int	 value;
	} t[] = {
		{ PROG, 1 }, { VERS, 2 }, { PROC, PROC_connect_get_hostname },
		{ PROC, -1 }, { TYPE, FRAME_CALL }, { TYPE, 99 },
		{ TYPE, FRAME_CALL_WITH_FDS }, { TYPE, FRAME_REPLY_WITH_FDS },
		{ TYPE, FRAME_STREAM_HOLE }, { SERIAL, 0 }, { SERIAL, 1 },
		{ SERIAL, 77 }, { STATUS, FRAME_ERROR },
		{ STATUS, FRAME_CONTINUE }, { STATUS, 9 }, { BODY, 0 },
		{ BODY, 1 }, { BODY, 7 }, { LENGTH, 27 }, { LENGTH, 0 },
		{ HUGE, 0 }
	};
	static const char	 body[] = "\0\0\0\3abc\0";
	struct frame_header	 h;
	struct seen		 s;
	char			 raw[64] = "";
	size_t			 i;

	for (i = 0; i < nitems(t); i++) {
		memset(&s, 0, sizeof(s));
		begin_open();
		ATF_REQUIRE(qemud_uri(q, on_done, &s) != NULL);
		ATF_REQUIRE(qemud_uri(q, on_done, &s) != NULL);
		h = take(PROC_connect_get_uri);
		h.type = FRAME_REPLY;
		switch (t[i].what) {
		case PROG:
			h.prog = t[i].value;
			break;
		case VERS:
			h.vers = t[i].value;
			break;
		case PROC:
			h.procedure = t[i].value;
			break;
		case TYPE:
			h.type = t[i].value;
			break;
		case SERIAL:
			h.serial = t[i].value;
			break;
		case STATUS:
			h.status = t[i].value;
			break;
		case LENGTH:
			raw[3] = t[i].value;
			peer_bytes(&peer, raw, sizeof(raw));
			break;
		case HUGE:
			memset(raw, 0x7f, 4);
			peer_bytes(&peer, raw, sizeof(raw));
			break;
		}
		if (t[i].what < LENGTH)
			peer_send(&peer, &h, body,
			    t[i].what == BODY ? (size_t)t[i].value : 8);
		/* the descriptors that it claims do not come */
		if (t[i].what == TYPE)
			peer_bytes(&peer, "\0\0\0", 3);
		run_closed(QEMUD_ERR_CONNECTION, "not of this protocol");
		RUN_UNTIL(s.calls == 2);
		ATF_CHECK_EQ_MSG(s.errors, 2, "row %zu", i);
		end();
		unlink("sock");
	}
}

ATF_TC(ignored);
ATF_TC_HEAD(ignored, tc)
{
	atf_tc_set_md_var(tc, "descr", "Frames that are of no use change "
	    "nothing");
}
ATF_TC_BODY(ignored, tc)
{
	struct frame_header	 h = { RP_PROGRAM, RP_VERSION, 9999,
	    FRAME_MESSAGE, 0, FRAME_OK };
	struct qemud_call	*c;
	rp_text			 text = { uri };
	rp_evcb_lifecycle	 ev = { 5, { guest_dom(&web), 1, 2 } };

	begin_open();
	peer_send(&peer, &h, "what?", 5);	/* a later event */
	h.prog = OWN_PROGRAM;
	h.procedure = EVENT_launch_kill;
	peer_send(&peer, &h, "", 0);		/* not for us */
	h.prog = KEEPALIVE_PROGRAM;
	h.procedure = KEEPALIVE_PONG;
	peer_send(&peer, &h, "", 0);
	peer_event(&peer, EVENT_domain_event_callback_lifecycle,
	    (xdrproc_t)xdr_rp_evcb_lifecycle, &ev);
	h.prog = RP_PROGRAM;
	h.procedure = PROC_domain_open_console;
	h.type = FRAME_STREAM;
	h.serial = 12;
	peer_send(&peer, &h, "bytes", 5);	/* of a stream that is over */
	c = qemud_uri(q, NULL, NULL);
	h = take(PROC_connect_get_uri);
	peer_reply(&peer, &h, (xdrproc_t)xdr_rp_text, &text);
	answer_ok(c);
	end();
}

ATF_TC(short_bodies);
ATF_TC_HEAD(short_bodies, tc)
{
	atf_tc_set_md_var(tc, "descr", "Every shorter body of an answer, and "
	    "a longer one, is refused");
}
ATF_TC_BODY(short_bodies, tc)
{
	rp_dom			 dom = guest_dom(&web);
	rp_doms			 list = { { 1, &dom }, 1 };
	struct frame_header	 h;
	struct qemud_call	*c;
	char			*buf;
	size_t			 len, i;

	ATF_REQUIRE_EQ(rpc_encode((xdrproc_t)xdr_rp_doms, &list, 0, &buf,
	    &len), 0);
	buf = realloc(buf, len + 4);
	ATF_REQUIRE(buf != NULL);
	memset(buf + len, 0, 4);
	for (i = 0; i <= len + 4; i++) {
		begin_open();
		c = qemud_guest_list(q, 0, NULL, NULL);
		h = take(PROC_connect_list_all_domains);
		h.type = FRAME_REPLY;
		peer_send(&peer, &h, buf, i);
		if (i == len)
			answer_ok(c);
		else
			answer_error(c, QEMUD_ERR_CONNECTION, "not of this");
		end();
		unlink("sock");
	}
	free(buf);
}

/* --- signs of life -------------------------------------------------------- */

ATF_TC(pong);
ATF_TC_HEAD(pong, tc)
{
	atf_tc_set_md_var(tc, "descr", "A ping is answered at any time");
}
ATF_TC_BODY(pong, tc)
{
	struct frame_header	 h = { KEEPALIVE_PROGRAM, KEEPALIVE_VERSION,
	    KEEPALIVE_PING, FRAME_MESSAGE, 0, FRAME_OK };
	struct frame		 f;

	begin_open();
	ATF_REQUIRE(qemud_uri(q, NULL, NULL) != NULL);
	take(PROC_connect_get_uri);
	peer_send(&peer, &h, "", 0);
	ATF_REQUIRE_EQ(peer_take(&peer, q, &f), 1);
	ATF_CHECK_EQ(f.hdr.prog, KEEPALIVE_PROGRAM);
	ATF_CHECK_EQ(f.hdr.procedure, KEEPALIVE_PONG);
	ATF_CHECK_EQ(f.hdr.type, FRAME_MESSAGE);
	ATF_CHECK_EQ(f.len, 0);
	end();
}

/* Opens with keepalive, which the daemon has, or not. */
static void
begin_keepalive(int feature)
{
	struct frame	 f;
	rp_int		 n;

	begin(0);
	ATF_CHECK_EQ(qemud_keepalive(q, 0, 1), -1);
	ATF_CHECK_EQ(qemud_keepalive(q, 1, 3601), -1);
	ATF_CHECK_EQ(qemud_keepalive(q, 1, 1), 0);
	f = taken(PROC_connect_supports_feature, (xdrproc_t)xdr_rp_int, &n,
	    sizeof(n));
	ATF_CHECK_EQ(n.value, LV_FEATURE_KEEPALIVE);
	n.value = feature;
	peer_reply(&peer, &f.hdr, (xdrproc_t)xdr_rp_int, &n);
	greet();
	ATF_CHECK_EQ(qemud_keepalive(q, 1, 1), -1);
}

ATF_TC(ping);
ATF_TC_HEAD(ping, tc)
{
	atf_tc_set_md_var(tc, "descr", "A daemon that says nothing is asked, "
	    "and given up if it does not answer");
}
ATF_TC_BODY(ping, tc)
{
	struct frame	 f;
	struct seen	 s = { 0 };

	begin_keepalive(1);
	ATF_CHECK(qemud_timeout_ms(q) > 0);
	ATF_REQUIRE(qemud_uri(q, on_done, &s) != NULL);
	take(PROC_connect_get_uri);
	ATF_REQUIRE_EQ(peer_take(&peer, q, &f), 1);
	ATF_CHECK_EQ(f.hdr.prog, KEEPALIVE_PROGRAM);
	ATF_CHECK_EQ(f.hdr.procedure, KEEPALIVE_PING);
	f.hdr.procedure = KEEPALIVE_PONG;
	peer_send(&peer, &f.hdr, "", 0);
	ATF_REQUIRE_EQ(peer_take(&peer, q, &f), 1);
	ATF_CHECK_EQ(f.hdr.procedure, KEEPALIVE_PING);
	run_closed(QEMUD_ERR_CONNECTION, "does not answer");
	RUN_UNTIL(s.calls == 1);
	end();
	unlink("sock");

	begin_keepalive(0);
	ATF_CHECK_EQ(qemud_timeout_ms(q), -1);
	end();
}

/* --- events --------------------------------------------------------------- */

struct heard {
	int			 n;
	struct qemud_event	 last;
	char			 name[32];
	char			 path[32];
};

static void
on_event(struct qemud *client, const struct qemud_event *e, void *arg)
{
	struct heard	*h = arg;

	h->n++;
	h->last = *e;
	strlcpy(h->name, e->guest.name, sizeof(h->name));
	strlcpy(h->path, e->path, sizeof(h->path));
}

/* Subscribes; the daemon gives it this number. */
static void
subscribe(enum qemud_event_id id, const struct qemud_guest *g, int number,
    struct heard *h)
{
	struct qemud_call	*c;
	struct frame		 f;
	rp_register_dom		 reg;
	rp_int			 n = { number };

	c = qemud_subscribe(q, id, g, on_event, h, NULL, NULL);
	f = taken(PROC_connect_domain_event_callback_register_any,
	    (xdrproc_t)xdr_rp_register_dom, &reg, sizeof(reg));
	ATF_CHECK_EQ(reg.event, (int)id);
	ATF_CHECK_EQ(reg.dom != NULL, g != NULL);
	if (reg.dom != NULL)
		check_dom(reg.dom);
	rpc_free((xdrproc_t)xdr_rp_register_dom, &reg);
	peer_reply(&peer, &f.hdr, (xdrproc_t)xdr_rp_int, &n);
	ATF_CHECK_EQ(answer(c)->number, number);
	qemud_call_free(c);
}

static void
send_lifecycle(int number, int event)
{
	rp_evcb_lifecycle	 ev = { number, { guest_dom(&web), event, 1 } };

	peer_event(&peer, EVENT_domain_event_callback_lifecycle,
	    (xdrproc_t)xdr_rp_evcb_lifecycle, &ev);
}

ATF_TC(events);
ATF_TC_HEAD(events, tc)
{
	atf_tc_set_md_var(tc, "descr", "Events go to who has asked for them");
}
ATF_TC_BODY(events, tc)
{
	struct heard		 all = { 0 }, one = { 0 }, other = { 0 };
	struct qemud_call	*c;
	struct frame		 f;
	rp_evcb_dom		 reboot = { 2, guest_dom(&web) };
	rp_int			 n;

	begin_open();
	subscribe(QEMUD_EVENT_LIFECYCLE, NULL, 0, &all);
	subscribe(QEMUD_EVENT_LIFECYCLE, &web, 1, &one);
	subscribe(QEMUD_EVENT_REBOOT, NULL, 2, &other);
	send_lifecycle(0, QEMUD_GUEST_STARTED);
	send_lifecycle(0, QEMUD_GUEST_STOPPED);
	send_lifecycle(1, QEMUD_GUEST_STARTED);
	send_lifecycle(2, QEMUD_GUEST_STARTED);	/* of another kind */
	send_lifecycle(3, QEMUD_GUEST_STARTED);	/* of nobody */
	peer_event(&peer, EVENT_domain_event_callback_reboot,
	    (xdrproc_t)xdr_rp_evcb_dom, &reboot);
	RUN_UNTIL(other.n == 1);
	ATF_CHECK_EQ(all.n, 2);
	ATF_CHECK_EQ(one.n, 1);
	ATF_CHECK_EQ(all.last.id, QEMUD_EVENT_LIFECYCLE);
	ATF_CHECK_EQ(all.last.detail[0], QEMUD_GUEST_STOPPED);
	ATF_CHECK_EQ(all.last.detail[1], 1);
	ATF_CHECK_STREQ(all.name, "web1");
	ATF_CHECK_EQ(all.last.guest.id, 3);
	ATF_CHECK_EQ(other.last.id, QEMUD_EVENT_REBOOT);

	/* not any more, even before the daemon knows */
	c = qemud_unsubscribe(q, 1, NULL, NULL);
	send_lifecycle(1, QEMUD_GUEST_STOPPED);
	send_lifecycle(0, QEMUD_GUEST_STARTED);
	RUN_UNTIL(all.n == 3);
	ATF_CHECK_EQ(one.n, 1);
	f = taken(PROC_connect_domain_event_callback_deregister_any,
	    (xdrproc_t)xdr_rp_int, &n, sizeof(n));
	ATF_CHECK_EQ(n.value, 1);
	peer_reply(&peer, &f.hdr, (xdrproc_t)xdr_rp_none, &none);
	answer_ok(c);

	/* refused */
	c = qemud_subscribe(q, QEMUD_EVENT_REBOOT, NULL, on_event, &other,
	    NULL, NULL);
	f.hdr = take(PROC_connect_domain_event_callback_register_any);
	peer_fail(&peer, &f.hdr, RPCE_INVALID_ARG, "no");
	answer_error(c, QEMUD_ERR_INVALID_ARG, "no");

	/* half an event */
	f.hdr.type = FRAME_MESSAGE;
	f.hdr.serial = 0;
	f.hdr.procedure = EVENT_domain_event_callback_lifecycle;
	peer_send(&peer, &f.hdr, "\0\0\0\1", 4);
	run_closed(QEMUD_ERR_CONNECTION, "not of this protocol");
	end();
}

ATF_TC(event_kinds);
ATF_TC_HEAD(event_kinds, tc)
{
	atf_tc_set_md_var(tc, "descr", "What the other events say");
}
ATF_TC_BODY(event_kinds, tc)
{
	struct heard		 h = { 0 };
	char			 path[] = "/disk", alias[] = "vda";
	rp_evcb_rtc		 rtc = { 0, { guest_dom(&web), -3600 } };
	rp_evcb_dom_int		 watchdog = { 1, { guest_dom(&web), 2 } };
	rp_evcb_io_error	 io = { 2, { guest_dom(&web), path, alias,
	    1 } };
	rp_evcb_pm		 pm = { 3, 0, guest_dom(&web) };

	begin_open();
	subscribe(QEMUD_EVENT_RTC_CHANGE, NULL, 0, &h);
	subscribe(QEMUD_EVENT_WATCHDOG, NULL, 1, &h);
	subscribe(QEMUD_EVENT_IO_ERROR, NULL, 2, &h);
	subscribe(QEMUD_EVENT_PM_WAKEUP, NULL, 3, &h);
	subscribe(QEMUD_EVENT_PM_SUSPEND, NULL, 4, &h);
	peer_event(&peer, EVENT_domain_event_callback_rtc_change,
	    (xdrproc_t)xdr_rp_evcb_rtc, &rtc);
	RUN_UNTIL(h.n == 1);
	ATF_CHECK_EQ(h.last.number, -3600);
	peer_event(&peer, EVENT_domain_event_callback_watchdog,
	    (xdrproc_t)xdr_rp_evcb_dom_int, &watchdog);
	RUN_UNTIL(h.n == 2);
	ATF_CHECK_EQ(h.last.detail[0], 2);
	ATF_CHECK_STREQ(h.path, "");
	peer_event(&peer, EVENT_domain_event_callback_io_error,
	    (xdrproc_t)xdr_rp_evcb_io_error, &io);
	RUN_UNTIL(h.n == 3);
	ATF_CHECK_STREQ(h.path, "/disk");
	peer_event(&peer, EVENT_domain_event_callback_pmwakeup,
	    (xdrproc_t)xdr_rp_evcb_pm, &pm);
	RUN_UNTIL(h.n == 4);
	ATF_CHECK_EQ(h.last.id, QEMUD_EVENT_PM_WAKEUP);
	pm.callback = 4;
	peer_event(&peer, EVENT_domain_event_callback_pmsuspend,
	    (xdrproc_t)xdr_rp_evcb_pm, &pm);
	RUN_UNTIL(h.n == 5);
	ATF_CHECK_EQ(h.last.id, QEMUD_EVENT_PM_SUSPEND);
	ATF_CHECK_STREQ(h.name, "web1");
	end();
}

/* --- streams -------------------------------------------------------------- */

struct tap {
	struct qemud_stream	*s;
	int			 opened;
	int			 eof;
	int			 writable;
	int			 ended;
	int			 code;		/* it ended with */
	int			 abort_in_data;
	int			 pause_in_data;
	size_t			 bytes;
	char			 text[64];	/* the first of them */
};

static void
tap_open(struct qemud_stream *s, void *arg)
{
	struct tap	*t = arg;

	t->opened++;
}

static void
tap_data(struct qemud_stream *s, const void *data, size_t len, void *arg)
{
	struct tap	*t = arg;

	if (len == 0) {
		t->eof++;
		return;
	}
	if (t->bytes + len < sizeof(t->text))
		memcpy(t->text + t->bytes, data, len);
	t->bytes += len;
	if (t->abort_in_data)
		qemud_stream_abort(s);
	if (t->pause_in_data)
		qemud_stream_pause(s, 1);
}

static void
tap_writable(struct qemud_stream *s, void *arg)
{
	struct tap	*t = arg;

	t->writable++;
}

static void
tap_end(struct qemud_stream *s, const struct qemud_error *e, void *arg)
{
	struct tap	*t = arg;

	t->ended++;
	if (e != NULL)
		t->code = e->code;
}

static const struct qemud_stream_ops	 tap_ops = {
	tap_open, tap_data, tap_writable, tap_end
};

/* Opens one: the header of the call. */
static struct frame_header
tap_begin(struct tap *t, const char *device)
{
	struct frame		 f;
	rp_dom_opttext_flags	 a;

	memset(t, 0, sizeof(*t));
	t->s = qemud_guest_console(q, &web, device, QEMUD_CONSOLE_FORCE,
	    &tap_ops, t);
	ATF_REQUIRE(t->s != NULL);
	f = taken(PROC_domain_open_console,
	    (xdrproc_t)xdr_rp_dom_opttext_flags, &a, sizeof(a));
	check_dom(&a.dom);
	ATF_CHECK_EQ(a.flags, LV_CONSOLE_FORCE);
	ATF_CHECK_EQ(a.text != NULL, device != NULL);
	if (device != NULL && a.text != NULL)
		ATF_CHECK_STREQ(*a.text, device);
	rpc_free((xdrproc_t)xdr_rp_dom_opttext_flags, &a);
	ATF_CHECK_EQ(qemud_stream_write(t->s, "x", 1), -1);
	ATF_CHECK_EQ(errno, EPIPE);
	peer_reply(&peer, &f.hdr, (xdrproc_t)xdr_rp_none, &none);
	RUN_UNTIL(t->opened == 1);
	return (f.hdr);
}

/* The peer takes a frame of the stream. */
static struct frame
tap_take(const struct frame_header *h, enum frame_status status)
{
	struct frame	 f;

	ATF_REQUIRE_EQ(peer_take(&peer, q, &f), 1);
	ATF_CHECK_EQ(f.hdr.type, FRAME_STREAM);
	ATF_CHECK_EQ(f.hdr.serial, h->serial);
	ATF_CHECK_EQ(f.hdr.procedure, h->procedure);
	ATF_CHECK_EQ(f.hdr.prog, h->prog);
	ATF_REQUIRE_EQ(f.hdr.status, status);
	return (f);
}

ATF_TC(stream);
ATF_TC_HEAD(stream, tc)
{
	atf_tc_set_md_var(tc, "descr", "A console: bytes go both ways, and it "
	    "ends when we say so");
}
ATF_TC_BODY(stream, tc)
{
	struct frame_header	 h;
	struct frame		 f;
	struct tap		 t;

	begin_open();
	h = tap_begin(&t, "serial1");
	peer_stream(&peer, &h, FRAME_CONTINUE, "log", 3);
	peer_stream(&peer, &h, FRAME_CONTINUE, "in: ", 4);
	RUN_UNTIL(t.bytes == 7);
	ATF_CHECK_STREQ(t.text, "login: ");
	ATF_CHECK_EQ(qemud_stream_write(t.s, "root\r", 5), 5);
	f = tap_take(&h, FRAME_CONTINUE);
	ATF_REQUIRE_EQ(f.len, 5);
	ATF_CHECK_EQ(memcmp(f.body, "root\r", 5), 0);

	qemud_stream_finish(t.s);
	qemud_stream_finish(t.s);
	ATF_CHECK_EQ(qemud_stream_write(t.s, "x", 1), -1);
	peer_stream(&peer, &h, FRAME_CONTINUE, "bye", 3);
	f = tap_take(&h, FRAME_OK);
	ATF_CHECK_EQ(f.len, 0);
	RUN_UNTIL(t.bytes == 10);
	ATF_CHECK_EQ(t.ended, 0);
	peer_stream(&peer, &h, FRAME_OK, "", 0);
	RUN_UNTIL(t.ended == 1);
	ATF_CHECK_EQ(t.code, 0);
	ATF_CHECK_EQ(t.eof, 0);
	/* one more, by default the first device */
	h = tap_begin(&t, NULL);
	end();
	ATF_CHECK_EQ(t.ended, 1);
	ATF_CHECK_EQ(t.code, QEMUD_ERR_ABORTED);
}

ATF_TC(stream_ends);
ATF_TC_HEAD(stream_ends, tc)
{
	atf_tc_set_md_var(tc, "descr", "The ways in which a stream ends");
}
ATF_TC_BODY(stream_ends, tc)
{
	struct qemud_call	*c;
	struct frame_header	 h;
	struct tap		 t;
	rp_text			 text = { uri };

	begin_open();
	/* the other side has no more: it need not answer */
	h = tap_begin(&t, NULL);
	peer_stream(&peer, &h, FRAME_CONTINUE, "x", 1);
	peer_stream(&peer, &h, FRAME_CONTINUE, "", 0);
	RUN_UNTIL(t.eof == 1);
	ATF_CHECK_EQ(t.ended, 0);
	qemud_stream_finish(t.s);
	RUN_UNTIL(t.ended == 1);
	tap_take(&h, FRAME_OK);
	ATF_CHECK_EQ(t.code, 0);
	peer_stream(&peer, &h, FRAME_OK, "", 0);	/* but may */

	/* it fails there */
	h = tap_begin(&t, NULL);
	peer_stream(&peer, &h, FRAME_CONTINUE, "x", 1);
	peer_fail(&peer, &(struct frame_header){ h.prog, h.vers, h.procedure,
	    FRAME_STREAM, h.serial, FRAME_ERROR }, RPCE_OPERATION_ABORTED,
	    "taken");
	RUN_UNTIL(t.ended == 1);
	ATF_CHECK_EQ(t.bytes, 1);
	ATF_CHECK_EQ(t.code, QEMUD_ERR_ABORTED);

	/* we give up: nothing is heard from then on */
	h = tap_begin(&t, NULL);
	qemud_stream_abort(t.s);
	peer_stream(&peer, &h, FRAME_CONTINUE, "x", 1);
	tap_take(&h, FRAME_ERROR);
	peer_stream(&peer, &h, FRAME_OK, "", 0);

	/* in the middle of its data */
	h = tap_begin(&t, NULL);
	t.abort_in_data = 1;
	peer_stream(&peer, &h, FRAME_CONTINUE, "x", 1);
	peer_stream(&peer, &h, FRAME_CONTINUE, "y", 1);
	RUN_UNTIL(t.bytes == 1);
	tap_take(&h, FRAME_ERROR);

	/* before it is open */
	memset(&t, 0, sizeof(t));
	t.s = qemud_guest_console(q, &web, NULL, 0, &tap_ops, &t);
	h = take(PROC_domain_open_console);
	qemud_stream_abort(t.s);
	peer_reply(&peer, &h, (xdrproc_t)xdr_rp_none, &none);
	tap_take(&h, FRAME_ERROR);
	t.s = qemud_guest_console(q, &web, NULL, 0, &tap_ops, &t);
	h = take(PROC_domain_open_console);
	qemud_stream_abort(t.s);
	peer_fail(&peer, &h, RPCE_OPERATION_FAILED, "no");

	/* it does not open */
	t.s = qemud_guest_console(q, &web, NULL, 0, &tap_ops, &t);
	h = take(PROC_domain_open_console);
	ATF_CHECK_EQ(t.ended, 0);
	peer_fail(&peer, &h, RPCE_OPERATION_FAILED, "Active console session");
	RUN_UNTIL(t.ended == 1);
	ATF_CHECK_EQ(t.code, QEMUD_ERR_FAILED);
	ATF_CHECK_EQ(t.opened, 0);

	c = qemud_uri(q, NULL, NULL);
	h = take(PROC_connect_get_uri);
	peer_reply(&peer, &h, (xdrproc_t)xdr_rp_text, &text);
	answer_ok(c);
	ATF_CHECK_EQ(q->nstreams, 0);

	/* with the connection */
	h = tap_begin(&t, NULL);
	peer_stream(&peer, &h, FRAME_CONTINUE, "last", 4);
	peer_close(&peer);
	RUN_UNTIL(t.ended == 1);
	ATF_CHECK_EQ(t.bytes, 4);
	ATF_CHECK_EQ(t.code, QEMUD_ERR_CONNECTION);
	qemud_close(q);
	close(listener);
}

ATF_TC(stream_writing);
ATF_TC_HEAD(stream_writing, tc)
{
	atf_tc_set_md_var(tc, "descr", "A daemon that does not read makes us "
	    "write no more, until it does");
}
ATF_TC_BODY(stream_writing, tc)
{
	static char		 data[1024 * 1024];
	struct frame_header	 h;
	struct frame		 f;
	struct tap		 t;
	size_t			 sent = 0, taken_bytes = 0;
	ssize_t			 n;
	int			 writable;

	begin_open();
	h = tap_begin(&t, NULL);
	memset(data, 'x', sizeof(data));
	do {
		n = qemud_stream_write(t.s, data, sizeof(data));
		ATF_REQUIRE(n >= 0);
		sent += n;
		qemud_dispatch(q);
	} while (n > 0);
	ATF_CHECK(q->out.bytes < STREAM_OUT_HIGH + 2 * STREAM_PACKET);
	writable = t.writable;
	ATF_CHECK(qemud_events(q) & POLLOUT);
	while (taken_bytes < sent) {
		f = tap_take(&h, FRAME_CONTINUE);
		taken_bytes += f.len;
	}
	RUN_UNTIL(t.writable == writable + 1);
	ATF_CHECK_EQ(taken_bytes, sent);
	ATF_CHECK_EQ(qemud_stream_write(t.s, data, 10), 10);
	f = tap_take(&h, FRAME_CONTINUE);
	ATF_CHECK_EQ(f.len, 10);
	ATF_CHECK_EQ(t.writable, writable + 1);
	end();
}

ATF_TC(stream_paused);
ATF_TC_HEAD(stream_paused, tc)
{
	atf_tc_set_md_var(tc, "descr", "Of a paused stream a part is kept, "
	    "others go on; then nothing is read");
}
ATF_TC_BODY(stream_paused, tc)
{
	static char		 data[65536];
	struct frame_header	 h, h2;
	struct qemud_call	*c;
	struct tap		 t;
	rp_text			 text = { uri };
	size_t			 sent = 0;
	int			 sndbuf = 65536;

	begin_open();
	h = tap_begin(&t, NULL);
	qemud_stream_pause(t.s, 1);
	peer_stream(&peer, &h, FRAME_CONTINUE, "kept", 4);
	c = qemud_uri(q, NULL, NULL);
	h2 = take(PROC_connect_get_uri);
	peer_reply(&peer, &h2, (xdrproc_t)xdr_rp_text, &text);
	answer_ok(c);
	ATF_CHECK_EQ(t.bytes, 0);
	ATF_CHECK_EQ(qemud_timeout_ms(q), -1);
	peer_stream(&peer, &h, FRAME_CONTINUE, "", 0);
	qemud_run(q, 100);
	ATF_CHECK_EQ(t.eof, 0);

	/* it goes on: data, then its end */
	qemud_stream_pause(t.s, 0);
	ATF_CHECK_EQ(qemud_timeout_ms(q), 0);
	RUN_UNTIL(t.eof == 1);
	ATF_CHECK_STREQ(t.text, "kept");
	qemud_stream_abort(t.s);
	tap_take(&h, FRAME_ERROR);

	/* too much */
	h = tap_begin(&t, NULL);
	qemud_stream_pause(t.s, 1);
	ATF_REQUIRE_EQ(setsockopt(peer.fd, SOL_SOCKET, SO_SNDBUF, &sndbuf,
	    sizeof(sndbuf)), 0);
	while (qemud_events(q) & POLLIN) {
		peer_stream(&peer, &h, FRAME_CONTINUE, data, 4096);
		sent += 4096;
		qemud_dispatch(q);
		ATF_REQUIRE(sent < 4 * STREAM_IN_MAX);
	}
	ATF_CHECK(sent >= STREAM_IN_MAX);
	ATF_CHECK_EQ(qemud_fd(q), -1);
	ATF_CHECK_EQ(t.bytes, 0);
	/* what comes now waits in the socket */
	peer_stream(&peer, &h, FRAME_CONTINUE, data, 4096);
	sent += 4096;
	qemud_dispatch(q);
	/* paused again by the first that is told: the rest is not lost */
	t.pause_in_data = 1;
	qemud_stream_pause(t.s, 0);
	RUN_UNTIL(t.bytes > 0);
	while (t.bytes < sent) {
		qemud_stream_pause(t.s, 0);
		qemud_run(q, WAIT_MS);
	}
	ATF_CHECK_EQ(t.bytes, sent);

	/* the end waits behind the data */
	peer_stream(&peer, &h, FRAME_CONTINUE, "z", 1);
	peer_close(&peer);
	RUN_UNTIL(qemud_status(q) == QEMUD_CLOSED);
	ATF_CHECK_EQ(t.ended, 0);
	qemud_stream_pause(t.s, 0);
	t.pause_in_data = 0;
	RUN_UNTIL(t.ended == 1);
	ATF_CHECK_EQ(t.bytes, sent + 1);
	ATF_CHECK_EQ(t.code, QEMUD_ERR_CONNECTION);
	qemud_close(q);
	close(listener);
}

ATF_TC(stream_limits);
ATF_TC_HEAD(stream_limits, tc)
{
	atf_tc_set_md_var(tc, "descr", "So many streams, and what a daemon "
	    "may not send on one");
}
ATF_TC_BODY(stream_limits, tc)
{
	struct frame_header	 h;
	struct tap		 t[STREAMS_MAX], bad;
	int			 i;

	begin_open();
	memset(t, 0, sizeof(t));
	for (i = 0; i < STREAMS_MAX; i++)
		ATF_REQUIRE(qemud_guest_console(q, &web, NULL, 0, &tap_ops,
		    &t[i]) != NULL);
	ATF_CHECK(qemud_guest_console(q, &web, NULL, 0, &tap_ops, &t[0]) ==
	    NULL);
	ATF_CHECK_EQ(errno, EMFILE);
	end();
	for (i = 0; i < STREAMS_MAX; i++)
		ATF_CHECK_EQ(t[i].code, QEMUD_ERR_ABORTED);

	for (i = 0; i < 2; i++) {
		unlink("sock");
		begin_open();
		h = tap_begin(&bad, NULL);
		peer_stream(&peer, &h, i == 0 ? FRAME_ERROR : 9, "x", 1);
		run_closed(QEMUD_ERR_CONNECTION, "not of this protocol");
		RUN_UNTIL(bad.ended == 1);
		end();
	}
}

/* --- words ---------------------------------------------------------------- */

ATF_TC(words);
ATF_TC_HEAD(words, tc)
{
	atf_tc_set_md_var(tc, "descr", "Words for numbers; UUIDs");
}
ATF_TC_BODY(words, tc)
{
	static const char *const	 bad[] = { "", "x",
	    "00112233-4455-6677-8899-aabbccddeef",
	    "00112233-4455-6677-8899-aabbccddeeff0",
	    "00112233-4455-6677-8899+aabbccddeeff",
	    "0011223-34455-6677-8899-aabbccddeeff",
	    "00112233445566778899aabbccddeegg" };
	unsigned char			 u[16];
	char				 text[37];
	size_t				 i;
	int				 n;

	ATF_CHECK_STREQ(qemud_state_text(QEMUD_RUNNING), "running");
	ATF_CHECK_STREQ(qemud_state_text(QEMUD_SHUTOFF), "shut off");
	ATF_CHECK_STREQ(qemud_reason_text(QEMUD_PAUSED, LV_PAUSED_IOERROR),
	    "I/O error");
	ATF_CHECK_STREQ(qemud_reason_text(QEMUD_RUNNING, 0), "unknown");
	ATF_CHECK_STREQ(qemud_event_text(QEMUD_EVENT_PM_SUSPEND), "suspend");
	ATF_CHECK_STREQ(qemud_event_text(9), "unknown");
	ATF_CHECK_STREQ(qemud_lifecycle_text(QEMUD_GUEST_STOPPED), "stopped");
	ATF_CHECK_STREQ(qemud_detail_text(QEMUD_GUEST_STOPPED,
	    LV_EVENT_STOPPED_DESTROYED), "destroyed");
	for (n = -2; n < 100; n++) {
		ATF_CHECK(qemud_state_text(n) != NULL);
		ATF_CHECK(qemud_reason_text(n, n) != NULL);
		ATF_CHECK(qemud_reason_text(1, n) != NULL);
		ATF_CHECK(qemud_event_text(n) != NULL);
		ATF_CHECK(qemud_lifecycle_text(n) != NULL);
		ATF_CHECK(qemud_detail_text(n, n) != NULL);
		ATF_CHECK(qemud_detail_text(5, n) != NULL);
	}

	ATF_REQUIRE_EQ(qemud_uuid_parse(
	    "00112233-4455-6677-8899-AAbbccddeeff", u), 0);
	qemud_uuid_format(u, text);
	ATF_CHECK_STREQ(text, "00112233-4455-6677-8899-aabbccddeeff");
	ATF_CHECK_EQ(qemud_uuid_parse("00112233445566778899aabbccddeeff", u),
	    0);
	for (i = 0; i < nitems(bad); i++) {
		ATF_CHECK_EQ_MSG(qemud_uuid_parse(bad[i], u), -1, "%s",
		    bad[i]);
		ATF_CHECK_EQ(errno, EINVAL);
	}
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, uris);
	ATF_TP_ADD_TC(tp, uri_defaults);
	ATF_TP_ADD_TC(tp, refused);
	ATF_TP_ADD_TC(tp, forbidden);
	ATF_TP_ADD_TC(tp, greeting);
	ATF_TP_ADD_TC(tp, greeting_refused);
	ATF_TP_ADD_TC(tp, overtaking);
	ATF_TP_ADD_TC(tp, errors);
	ATF_TP_ADD_TC(tp, calls_guest);
	ATF_TP_ADD_TC(tp, calls_looking);
	ATF_TP_ADD_TC(tp, calls_finding);
	ATF_TP_ADD_TC(tp, find);
	ATF_TP_ADD_TC(tp, calls_host);
	ATF_TP_ADD_TC(tp, limits);
	ATF_TP_ADD_TC(tp, waiting);
	ATF_TP_ADD_TC(tp, reentry);
	ATF_TP_ADD_TC(tp, lost);
	ATF_TP_ADD_TC(tp, malformed);
	ATF_TP_ADD_TC(tp, ignored);
	ATF_TP_ADD_TC(tp, short_bodies);
	ATF_TP_ADD_TC(tp, pong);
	ATF_TP_ADD_TC(tp, ping);
	ATF_TP_ADD_TC(tp, events);
	ATF_TP_ADD_TC(tp, event_kinds);
	ATF_TP_ADD_TC(tp, stream);
	ATF_TP_ADD_TC(tp, stream_ends);
	ATF_TP_ADD_TC(tp, stream_writing);
	ATF_TP_ADD_TC(tp, stream_paused);
	ATF_TP_ADD_TC(tp, stream_limits);
	ATF_TP_ADD_TC(tp, words);
	return (atf_no_error());
}
