/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * netd as its clients and qemud see it, while all of them keep to the
 * protocol: calls and answers, limits, slow readers, pings, streams, the
 * loss of qemud.  netd_hostile_test.c is about those who do not.
 */

#include <sys/types.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <atf-c.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/netd_peer.h"

#define HOSTNAME	PROC_connect_get_hostname	/* takes nothing */

static void	send_event(uint64_t, size_t);
static void	client_flow(uint64_t, int);
static int	readable(int);

/* An event to a client, with a body of that many bytes. */
static void
send_event(uint64_t client, size_t len)
{
	static char		 body[MSG_INLINE_MAX];
	struct msg_event	 m = { 0 };
	int			 fd = -1;
	char			*big;

	m.client = client;
	m.prog = RP_PROGRAM;
	m.procedure = EVENT_domain_event_lifecycle;
	if (len > sizeof(body)) {
		ATF_REQUIRE((big = calloc(1, len)) != NULL);
		ATF_REQUIRE((fd = body_seal(big, len)) != -1);
		free(big);
	} else {
		m.body.body_val = body;
		m.body.body_len = len;
	}
	SEND(&qemud, MSG_EVENT, msg_event, &m, fd);
}

/* netd says next that the client is slow, or no longer. */
static void
client_flow(uint64_t client, int stop)
{
	struct msg_client_flow	 m;

	TAKE(&qemud, MSG_CLIENT_FLOW, msg_client_flow, &m);
	ATF_CHECK_EQ(client, m.client);
	ATF_CHECK_EQ(stop, m.stop);
}

static int
readable(int fd)
{
	struct pollfd	 pfd = { fd, POLLIN, 0 };

	return (poll(&pfd, 1, 0) == 1);
}

/* --- calls ------------------------------------------------------------------ */

ATF_TC_WITHOUT_HEAD(call_reply);
ATF_TC_BODY(call_reply, tc)
{
	const char		 answer[] = "\0\0\0\4host";
	struct msg_client_new	 new;
	struct msg_call		 m;
	struct msg_reply	 r = { 0 };
	struct answer		 a;
	rp_int			 arg = { 4711 };
	int			 fd, silent;

	netd_start(ROLE_NETD, NULL);
	/* who only connects is not worth a message */
	silent = dial("sock");
	fd = dial("sock");
	settle(silent);
	ATF_CHECK_EQ(0, peer_next(&qemud));

	call(fd, PROC_domain_lookup_by_id, 77, (xdrproc_t)xdr_rp_int, &arg);
	ATF_CHECK_EQ(-1, TAKE(&qemud, MSG_CLIENT_NEW, msg_client_new, &new));
	ATF_CHECK_EQ(getuid(), new.uid);
	ATF_CHECK_EQ(getgid(), new.gid);
	ATF_CHECK_EQ(getpid(), new.pid);
	ATF_CHECK_EQ(-1, TAKE(&qemud, MSG_CALL, msg_call, &m));
	ATF_CHECK_EQ(new.client, m.client);
	ATF_CHECK_EQ(RP_PROGRAM, m.prog);
	ATF_CHECK_EQ(PROC_domain_lookup_by_id, m.procedure);
	ATF_CHECK_EQ(77, m.serial);
	ATF_REQUIRE_EQ(4, m.body.body_len);
	ATF_CHECK_EQ(0, memcmp(m.body.body_val, "\0\0\x12\x67", 4));

	r.client = m.client;
	r.prog = m.prog;
	r.procedure = m.procedure;
	r.serial = m.serial;
	r.body.body_val = (char *)(uintptr_t)answer;
	r.body.body_len = 8;
	SEND(&qemud, MSG_REPLY, msg_reply, &r, -1);
	xdr_free((xdrproc_t)xdr_msg_call, &m);
	a = hear(fd);
	ATF_CHECK_EQ(RP_PROGRAM, a.hdr.prog);
	ATF_CHECK_EQ(RP_VERSION, a.hdr.vers);
	ATF_CHECK_EQ(PROC_domain_lookup_by_id, a.hdr.procedure);
	ATF_CHECK_EQ(FRAME_REPLY, a.hdr.type);
	ATF_CHECK_EQ(77, a.hdr.serial);
	ATF_CHECK_EQ(FRAME_OK, a.hdr.status);
	ATF_REQUIRE_EQ(8, a.len);
	ATF_CHECK_EQ(0, memcmp(a.body, answer, 8));
	answer_free(&a);

	/* a serial may be used again, once it is answered */
	call_none(fd, HOSTNAME, 77);
	ATF_CHECK_EQ(-1, TAKE(&qemud, MSG_CALL, msg_call, &m));
	xdr_free((xdrproc_t)xdr_msg_call, &m);

	close(fd);
	qemud_gone(new.client);
	/* its answer comes too late, which is nobody's fault */
	r.procedure = HOSTNAME;
	SEND(&qemud, MSG_REPLY, msg_reply, &r, -1);
	close(silent);

	fd = dial("sock");
	call_none(fd, HOSTNAME, 1);
	TAKE(&qemud, MSG_CLIENT_NEW, msg_client_new, &new);
	ATF_CHECK(new.client > r.client);
	close(fd);
	netd_stop();
}

ATF_TC_WITHOUT_HEAD(error_reply);
ATF_TC_BODY(error_reply, tc)
{
	struct rpc_error	 err;
	struct seen		 s;
	int			 fd;

	netd_start(ROLE_NETD_RO, NULL);
	fd = dial("sock");
	call_none(fd, HOSTNAME, 5);
	s = qemud_call();
	qemud_error(&s);
	err = hear_error(fd, 5);
	ATF_CHECK_EQ(RPCE_NO_DOMAIN, err.code);
	ATF_CHECK_STREQ("Domain not found: none at all", err.detail);
	close(fd);
	netd_stop();
}

ATF_TC_WITHOUT_HEAD(pipelined);
ATF_TC_BODY(pipelined, tc)
{
	struct seen	 s[50];
	unsigned int	 i;
	int		 fd;

	netd_start(ROLE_NETD, NULL);
	fd = dial("sock");
	for (i = 0; i < 50; i++)
		call_none(fd, HOSTNAME, 1000 + i);
	for (i = 0; i < 50; i++) {
		s[i] = qemud_call();
		ATF_CHECK_EQ(1000 + i, s[i].serial);
	}
	/* answers come as qemud gives them, each with its serial */
	for (i = 50; i-- > 0;)
		qemud_reply(&s[i], 'x', i);
	for (i = 50; i-- > 0;)
		hear_reply(fd, 1000 + i, i);
	close(fd);
	netd_stop();
}

ATF_TC_WITHOUT_HEAD(byte_by_byte);
ATF_TC_BODY(byte_by_byte, tc)
{
	struct frame_header	 h = { RP_PROGRAM, RP_VERSION,
				    PROC_domain_lookup_by_name, FRAME_CALL, 3,
				    FRAME_OK };
	char			 text[] = "a guest's name";
	rp_text			 arg = { text };
	struct seen		 s;
	char			*buf;
	size_t			 len, i, n;
	int			 fd;

	netd_start(ROLE_NETD, NULL);
	fd = dial("sock");
	ATF_REQUIRE_EQ(0, frame_encode(&h, (xdrproc_t)xdr_rp_text, &arg, &buf,
	    &len));
	for (i = 0; i < len; i++) {
		ATF_CHECK_EQ(0, peer_next(&qemud));
		say(fd, buf + i, 1);
	}
	s = qemud_call();
	ATF_CHECK_EQ(3, s.serial);
	ATF_CHECK_EQ(len - FRAME_HEAD, s.len);
	qemud_reply(&s, 'x', 10);
	hear_reply(fd, 3, 10);

	/* and in any two pieces, with another client between them */
	for (i = 1; i < len; i++) {
		n = dial("sock");
		say(fd, buf, i);
		ping(n);
		close(n);
		say(fd, buf + i, len - i);
		s = qemud_call();
		ATF_CHECK_EQ(len - FRAME_HEAD, s.len);
		qemud_reply(&s, 'x', 10);
		hear_reply(fd, 3, 10);
	}
	free(buf);
	close(fd);
	netd_stop();
}

ATF_TC_WITHOUT_HEAD(many_clients);
ATF_TC_BODY(many_clients, tc)
{
	struct seen	 s[200];
	int		 fd[200];
	unsigned int	 i;
	char		 title[128] = "", path[64];
	int		 f;

	netd_start(ROLE_NETD_RO, NULL);
	for (i = 0; i < 200; i++) {
		fd[i] = dial("sock");
		call_none(fd[i], HOSTNAME, i);
		s[i] = qemud_call();
		ATF_CHECK_EQ(i, s[i].serial);
	}
	for (i = 0; i < 200; i++)
		qemud_reply(&s[i], 'x', i);
	for (i = 0; i < 200; i++)
		hear_reply(fd[i], i, i);

	/* ps shows how many there are */
	settle(fd[0]);
	snprintf(path, sizeof(path), "/proc/%d/cmdline", netd_pid);
	ATF_REQUIRE((f = open(path, O_RDONLY | O_CLOEXEC)) != -1);
	ATF_REQUIRE(read(f, title, sizeof(title) - 1) > 0);
	close(f);
	ATF_CHECK_MSG(strncmp(title, "netd ro (session): 200 clients", 30) ==
	    0, "%s", title);

	for (i = 0; i < 200; i++) {
		close(fd[i]);
		qemud_gone(s[i].client);
	}
	netd_stop();
}

/* Bodies that are longer than a message, up to what the protocol has. */
ATF_TC_WITHOUT_HEAD(long_bodies);
ATF_TC_BODY(long_bodies, tc)
{
	const size_t	 sizes[] = { MSG_INLINE_MAX - 8, MSG_INLINE_MAX,
			    MSG_INLINE_MAX + 4, 1024 * 1024, RP_STRING_MAX };
	const size_t	 replies[] = { MSG_INLINE_MAX, MSG_INLINE_MAX + 1,
			    3000000, FRAME_MAX - FRAME_HEAD };
	struct msg_client_flow	 flow;
	struct seen	 s;
	struct answer	 a;
	rp_text		 arg;
	uint64_t	 id;
	size_t		 i;
	int		 fd;

	netd_start(ROLE_NETD, NULL);
	fd = dial("sock");
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		ATF_REQUIRE((arg.text = malloc(sizes[i] + 1)) != NULL);
		memset(arg.text, '<', sizes[i]);
		arg.text[sizes[i]] = '\0';
		call(fd, PROC_domain_define_xml, i, (xdrproc_t)xdr_rp_text,
		    &arg);
		free(arg.text);
		s = qemud_call();
		ATF_CHECK_EQ(4 + sizes[i], s.len);
		qemud_reply(&s, 'r', 1);
		hear_reply(fd, i, 1);
	}
	id = s.client;
	for (i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
		call_none(fd, HOSTNAME, i);
		while (peer_wait(&qemud) == MSG_CLIENT_FLOW)
			TAKE(&qemud, MSG_CLIENT_FLOW, msg_client_flow, &flow);
		s = qemud_call();
		qemud_reply(&s, 'r', replies[i]);
		a = hear(fd);
		ATF_CHECK_EQ(i, a.hdr.serial);
		ATF_REQUIRE_EQ(replies[i], a.len);
		ATF_CHECK_EQ('r', a.body[0]);
		ATF_CHECK_EQ('r', a.body[a.len - 1]);
		answer_free(&a);
	}

	/* and events */
	send_event(id, 40);
	send_event(id, MSG_INLINE_MAX + 1);
	for (i = 0; i < 2; i++) {
		a = hear(fd);
		ATF_CHECK_EQ(FRAME_MESSAGE, a.hdr.type);
		ATF_CHECK_EQ(RP_PROGRAM, a.hdr.prog);
		ATF_CHECK_EQ(EVENT_domain_event_lifecycle, a.hdr.procedure);
		ATF_CHECK_EQ(0, a.hdr.serial);
		ATF_CHECK_EQ(i == 0 ? 40 : MSG_INLINE_MAX + 1, a.len);
		answer_free(&a);
	}
	close(fd);
	netd_stop();
}

/* --- limits ----------------------------------------------------------------- */

ATF_TC_WITHOUT_HEAD(clients_max);
ATF_TC_BODY(clients_max, tc)
{
	struct msg_setup_netd	 limits = { 3, 3, 10, 0, 0, 0 };
	int			 fd[3], i;

	netd_start(ROLE_NETD, &limits);
	for (i = 0; i < 3; i++)
		fd[i] = dial("sock");
	hear_eof(dial("sock"));
	ATF_CHECK(logged("would be one client too many"));
	for (i = 0; i < 3; i++)
		ping(fd[i]);
	/* who goes makes room at once */
	for (i = 0; i < 100; i++) {
		close(fd[0]);
		fd[0] = dial("sock");
		ping(fd[0]);
	}
	/* the parent may change its mind; who is there stays */
	limits.clients_max = limits.clients_per_user_max = 1;
	SEND(&parent, MSG_SETUP_NETD, msg_setup_netd, &limits, -1);
	settle(fd[0]);
	hear_eof(dial("sock"));
	for (i = 0; i < 3; i++) {
		ping(fd[i]);
		close(fd[i]);
	}
	netd_stop();
}

ATF_TC_WITHOUT_HEAD(clients_per_user);
ATF_TC_BODY(clients_per_user, tc)
{
	struct msg_setup_netd	 limits = { 100, 2, 10, 0, 0, 0 };
	int			 a, b, i;

	netd_start(ROLE_NETD_RO, &limits);
	a = dial("sock");
	b = dial("sock");
	/* many times, but it is not many lines in the log */
	for (i = 0; i < 100; i++)
		hear_eof(dial("sock"));
	ATF_CHECK(logged("has too many connections"));
	ping(a);
	close(a);
	settle(b);
	a = dial("sock");
	ping(a);
	close(a);
	close(b);
	netd_stop();
	ATF_CHECK_EQ(0, system("test `grep -c 'too many' log` -le 20"));
}

ATF_TC(other_users);
ATF_TC_HEAD(other_users, tc)
{
	atf_tc_set_md_var(tc, "require.user", "root");
}
ATF_TC_BODY(other_users, tc)
{
	struct msg_setup_netd	 limits = { 100, 1, 10, 0, 0, 0 };
	struct msg_client_new	 new;
	int			 a, b;

	netd_start(ROLE_NETD_RO, &limits);
	a = dial("sock");
	hear_eof(dial("sock"));
	/* root's connections are not those of somebody else */
	ATF_REQUIRE_EQ(0, setegid(4321));
	ATF_REQUIRE_EQ(0, seteuid(1234));
	b = dial("sock");
	hear_eof(dial("sock"));
	ATF_REQUIRE_EQ(0, seteuid(0));
	ping(a);
	call_none(b, HOSTNAME, 1);
	TAKE(&qemud, MSG_CLIENT_NEW, msg_client_new, &new);
	ATF_CHECK_EQ(1234, new.uid);
	ATF_CHECK_EQ(4321, new.gid);
	close(a);
	close(b);
	netd_stop();
}

/*
 * A client that has as many calls in flight as it may is not cut off: what
 * else it asks waits, in order, and its pings are answered.
 */
ATF_TC_WITHOUT_HEAD(calls_max);
ATF_TC_BODY(calls_max, tc)
{
	struct msg_setup_netd	 limits = { 10, 10, 2, 0, 0, 0 };
	struct seen		 a, b, c;
	int			 fd, other;

	netd_start(ROLE_NETD, &limits);
	fd = dial("sock");
	other = dial("sock");
	for (c.serial = 1; c.serial <= 5; c.serial++)
		call_none(fd, HOSTNAME, c.serial);
	settle(fd);
	a = qemud_call();
	b = qemud_call();
	ATF_CHECK_EQ(1, a.serial);
	ATF_CHECK_EQ(2, b.serial);
	ATF_CHECK_EQ(0, peer_next(&qemud));
	/* others are not concerned */
	call_none(other, HOSTNAME, 1);
	c = qemud_call();
	ATF_CHECK(c.client != a.client);
	qemud_reply(&c, 'x', 1);
	hear_reply(other, 1, 1);

	qemud_reply(&b, 'x', 2);
	hear_reply(fd, 2, 2);
	c = qemud_call();
	ATF_CHECK_EQ(3, c.serial);
	ping(fd);
	ATF_CHECK_EQ(0, peer_next(&qemud));
	qemud_reply(&c, 'x', 3);
	hear_reply(fd, 3, 3);
	qemud_reply(&a, 'x', 1);
	hear_reply(fd, 1, 1);
	a = qemud_call();
	b = qemud_call();
	ATF_CHECK_EQ(4, a.serial);
	ATF_CHECK_EQ(5, b.serial);
	/* gone with calls parked and in flight */
	call_none(fd, HOSTNAME, 6);
	settle(fd);
	close(fd);
	qemud_gone(a.client);
	close(other);
	netd_stop();
}

/* What waits has a bound as well: then the client's own writes wait. */
ATF_TC_WITHOUT_HEAD(push_back);
ATF_TC_BODY(push_back, tc)
{
	struct msg_setup_netd	 limits = { 10, 10, 1, 0, 0, 0 };
	struct seen		 s;
	struct frame_header	 h = { RP_PROGRAM, RP_VERSION,
				    PROC_domain_define_xml, FRAME_CALL, 0,
				    FRAME_OK };
	char			 text[3001];
	rp_text			 arg = { text };
	char			*all = NULL, *buf;
	size_t			 len;
	unsigned int		 i, n;
	int			 fd, other;

	netd_start(ROLE_NETD, &limits);
	fd = dial("sock");
	other = dial("sock");
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (i = 0; i < 2000; i++) {
		h.serial = i;
		ATF_REQUIRE_EQ(0, frame_encode(&h, (xdrproc_t)xdr_rp_text,
		    &arg, &buf, &len));
		if (all == NULL)
			ATF_REQUIRE((all = calloc(2000, len)) != NULL);
		memcpy(all + i * len, buf, len);
		free(buf);
	}
	n = say_most(fd, all, i * len, other) / len;
	for (i = 0; i < n; i++) {
		s = qemud_call();
		ATF_CHECK_EQ(i, s.serial);
		qemud_reply(&s, 'x', i % 100);
		hear_reply(fd, i, i % 100);
	}
	free(all);
	close(fd);
	close(other);
	netd_stop();
}

/* Without descriptors clients wait, and are served when there are some. */
ATF_TC_WITHOUT_HEAD(out_of_descriptors);
ATF_TC_BODY(out_of_descriptors, tc)
{
	const struct rlimit	 few = { 40, 40 };
	static char		 xml[100001];
	rp_text			 arg = { xml };
	struct seen		 s;
	int			 fd[60], i;

	netd_start(ROLE_NETD, NULL);
	ATF_REQUIRE_EQ(0, prlimit(netd_pid, RLIMIT_NOFILE, &few, NULL));
	for (i = 0; i < 60; i++)
		fd[i] = dial("sock");
	for (i = 0; i < 20; i++)
		ping(fd[i]);
	for (i = 0; i < 30; i++)
		close(fd[i]);
	for (; i < 60; i++) {
		ping(fd[i]);
		close(fd[i]);
	}
	ATF_CHECK(logged("sock: accept: Too many open files"));

	/* none is lost over time */
	memset(xml, 'x', sizeof(xml) - 1);
	for (i = 0; i < 200; i++) {
		fd[0] = dial("sock");
		call(fd[0], PROC_domain_define_xml, 1,
		    (xdrproc_t)xdr_rp_text, &arg);
		s = qemud_call();
		qemud_reply(&s, 'x', sizeof(xml));
		hear_reply(fd[0], 1, sizeof(xml));
		if (i % 2) {
			/* answered, or not */
			call_none(fd[0], HOSTNAME, 2);
			s = qemud_call();
		}
		close(fd[0]);
		qemud_gone(s.client);
		qemud_reply(&s, 'x', sizeof(xml));
	}
	netd_stop();
}

/* --- slow readers ------------------------------------------------------------- */

ATF_TC_WITHOUT_HEAD(slow_reader);
ATF_TC_BODY(slow_reader, tc)
{
	struct seen	 slow, s;
	struct answer	 a;
	unsigned int	 n = 0, i;
	int		 fd, other;

	netd_start(ROLE_NETD, NULL);
	fd = dial("sock");
	other = dial("sock");
	call_none(fd, HOSTNAME, 1);
	slow = qemud_call();
	qemud_reply(&slow, 'x', 1);
	hear_reply(fd, 1, 1);

	/* qemud hears that it should send no more streams */
	while (peer_next(&qemud) == 0) {
		send_event(slow.client, MSG_INLINE_MAX);
		ATF_REQUIRE(++n < 1000);
		ping(other);
	}
	client_flow(slow.client, 1);
	/* it is not read meanwhile */
	call_none(fd, HOSTNAME, 2);
	settle(other);
	ATF_CHECK_EQ(0, peer_next(&qemud));

	/* it reads: all of it arrives, and things go on */
	for (i = 0; i < n; i++) {
		a = hear(fd);
		ATF_CHECK_EQ(FRAME_MESSAGE, a.hdr.type);
		ATF_CHECK_EQ(MSG_INLINE_MAX, a.len);
		answer_free(&a);
	}
	client_flow(slow.client, 0);
	s = qemud_call();
	ATF_CHECK_EQ(2, s.serial);
	qemud_reply(&s, 'x', 2);
	hear_reply(fd, 2, 2);

	/* it does not read ever again: at some point it is closed */
	for (n = 0;; n++) {
		ATF_REQUIRE(n < 10000);
		send_event(slow.client, MSG_INLINE_MAX);
		/* others are served all the time */
		call_none(other, HOSTNAME, n);
		while (peer_wait(&qemud) == MSG_CLIENT_FLOW)
			client_flow(slow.client, 1);
		if (peer_wait(&qemud) == MSG_CLIENT_GONE)
			break;
		s = qemud_call();
		ATF_REQUIRE(s.client != slow.client);
		qemud_reply(&s, 'x', 5);
		hear_reply(other, n, 5);
	}
	qemud_gone(slow.client);
	/* 32 MiB have to pass, a lot more must not */
	ATF_CHECK_MSG(n * MSG_INLINE_MAX >= FRAME_MAX - FRAME_HEAD &&
	    n * MSG_INLINE_MAX < 2 * FRAME_MAX, "after %u events", n);
	ATF_CHECK(logged("closed: it does not read"));
	/* late messages for it are fine */
	send_event(slow.client, 10);
	settle(other);
	close(fd);
	close(other);
	netd_stop();
}

/* --- keepalive ---------------------------------------------------------------- */

/*
 * Three clients at once, since each needs seconds: one that does not answer,
 * one that was never asked, and one that is not read from because it asks
 * too much: it is pinged, as a sign that we live, but never closed.
 */
ATF_TC_WITHOUT_HEAD(keepalive);
ATF_TC_BODY(keepalive, tc)
{
	static char		 all[100000 * FRAME_HEAD];
	struct msg_setup_netd	 limits = { 10, 10, 2, 1, 0, 0 };
	struct frame_header	 flood = { RP_PROGRAM, RP_VERSION, HOSTNAME,
				    FRAME_CALL, 0, FRAME_OK };
	struct frame_header	 pong = { KEEPALIVE_PROGRAM,
				    KEEPALIVE_VERSION, KEEPALIVE_PONG,
				    FRAME_MESSAGE, 0, 0 };
	rp_int			 feature = { LV_FEATURE_KEEPALIVE };
	struct seen		 s;
	struct answer		 a;
	unsigned int		 i, dead_pings = 0;
	int			 dead, plain, busy, alive;
	char			 c;

	netd_start(ROLE_NETD, &limits);
	dead = dial("sock");
	plain = dial("sock");
	busy = dial("sock");
	alive = dial("sock");
	call_none(plain, HOSTNAME, 1);
	s = qemud_call();
	qemud_reply(&s, 'x', 1);
	hear_reply(plain, 1, 1);
	for (i = 0; i < 3; i++) {
		int	 fd = i == 0 ? dead : i == 1 ? busy : alive;

		call(fd, PROC_connect_supports_feature, 1,
		    (xdrproc_t)xdr_rp_int, &feature);
		s = qemud_call();
		ATF_CHECK_EQ(PROC_connect_supports_feature, s.procedure);
		qemud_reply(&s, 0, 4);
		hear_reply(fd, 1, 4);
	}
	/* nobody answers these, and then netd reads no more from it */
	for (i = 0; i < 100000; i++) {
		flood.serial = 100 + i;
		ATF_REQUIRE_EQ(0, frame_head(all + i * FRAME_HEAD, &flood,
		    0));
	}
	say_most(busy, all, sizeof(all), plain);
	for (;;) {
		a = hear(alive);
		ATF_CHECK_EQ(KEEPALIVE_PROGRAM, a.hdr.prog);
		ATF_CHECK_EQ(KEEPALIVE_PING, a.hdr.procedure);
		answer_free(&a);
		say_frame(alive, &pong, NULL, 0);
		while (readable(dead)) {
			if (recv(dead, &c, 1, MSG_PEEK) <= 0)
				goto over;
			a = hear(dead);
			ATF_CHECK_EQ(KEEPALIVE_PING, a.hdr.procedure);
			answer_free(&a);
			dead_pings++;
		}
	}
 over:
	ATF_CHECK_EQ(5, dead_pings);
	hear_eof(dead);
	ATF_CHECK(logged("closed: no answer to 5 pings"));
	for (i = 0; i < 8; i++) {
		a = hear(busy);
		ATF_CHECK_EQ(KEEPALIVE_PING, a.hdr.procedure);
		answer_free(&a);
		a = hear(alive);
		answer_free(&a);
		say_frame(alive, &pong, NULL, 0);
	}
	/* nothing for a client that did not ask for it; it lives */
	ATF_CHECK(!readable(plain));
	ping(plain);
	ping(alive);
	close(plain);
	close(busy);
	close(alive);
	netd_stop();
}

/* --- what qemud may say about a client ---------------------------------------- */

ATF_TC_WITHOUT_HEAD(close_by_qemud);
ATF_TC_BODY(close_by_qemud, tc)
{
	struct msg_client_close	 m;
	struct msg_client_flow	 flow;
	struct seen		 s;
	int			 fd;

	netd_start(ROLE_NETD, NULL);
	fd = dial("sock");
	call_none(fd, PROC_connect_close, 1);
	s = qemud_call();
	/* what was said before still arrives, all of it */
	qemud_reply(&s, 'x', 2000000);
	m.client = s.client;
	SEND(&qemud, MSG_CLIENT_CLOSE, msg_client_close, &m, -1);
	hear_reply(fd, 1, 2000000);
	hear_eof(fd);
	while (peer_wait(&qemud) == MSG_CLIENT_FLOW)
		TAKE(&qemud, MSG_CLIENT_FLOW, msg_client_flow, &flow);
	qemud_gone(s.client);
	/* twice is as good as once */
	SEND(&qemud, MSG_CLIENT_CLOSE, msg_client_close, &m, -1);
	fd = dial("sock");
	ping(fd);
	close(fd);
	netd_stop();
}

ATF_TC_WITHOUT_HEAD(hold_by_qemud);
ATF_TC_BODY(hold_by_qemud, tc)
{
	struct msg_client_flow	 m;
	struct seen		 s;
	int			 fd, other;

	netd_start(ROLE_NETD, NULL);
	fd = dial("sock");
	other = dial("sock");
	call_none(fd, HOSTNAME, 1);
	s = qemud_call();
	m.client = s.client;
	m.stop = TRUE;
	SEND(&qemud, MSG_CLIENT_HOLD, msg_client_flow, &m, -1);
	qemud_reply(&s, 'x', 1);
	hear_reply(fd, 1, 1);
	call_none(fd, HOSTNAME, 2);
	settle(fd);
	ATF_CHECK_EQ(0, peer_next(&qemud));
	call_none(other, HOSTNAME, 1);
	s = qemud_call();
	ATF_CHECK(s.client != m.client);
	m.stop = FALSE;
	SEND(&qemud, MSG_CLIENT_HOLD, msg_client_flow, &m, -1);
	s = qemud_call();
	ATF_CHECK_EQ(m.client, s.client);
	ATF_CHECK_EQ(2, s.serial);
	close(fd);
	close(other);
	netd_stop();
}

/* --- streams ------------------------------------------------------------------ */

static const struct frame_header stream_hdr = { RP_PROGRAM, RP_VERSION,
    PROC_domain_open_console, FRAME_STREAM, 9, FRAME_CONTINUE };

/* Opens one with serial 9. */
static struct seen
stream_open(int fd)
{
	rp_dom_opttext_flags	 arg = { 0 };
	char			 name[] = "web1";
	struct seen		 s;

	arg.dom.name = name;
	call(fd, PROC_domain_open_console, 9,
	    (xdrproc_t)xdr_rp_dom_opttext_flags, &arg);
	s = qemud_call();
	ATF_CHECK_EQ(PROC_domain_open_console, s.procedure);
	qemud_reply(&s, 'x', 0);
	hear_reply(fd, 9, 0);
	return (s);
}

static void
stream_from_client(const struct seen *s, unsigned int status, size_t len)
{
	struct msg_stream	 m;

	TAKE(&qemud, MSG_STREAM, msg_stream, &m);
	ATF_CHECK_EQ(s->client, m.client);
	ATF_CHECK_EQ(RP_PROGRAM, m.prog);
	ATF_CHECK_EQ(PROC_domain_open_console, m.procedure);
	ATF_CHECK_EQ(9, m.serial);
	ATF_CHECK_EQ(status, m.status);
	ATF_CHECK_EQ_MSG(len, m.data.data_len, "%u bytes", m.data.data_len);
	xdr_free((xdrproc_t)xdr_msg_stream, &m);
}

static void
stream_to_client(const struct seen *s, unsigned int status, int fd)
{
	struct msg_stream	 m = { 0 };
	struct answer		 a;
	char			 text[] = "login: ";

	m.client = s->client;
	m.prog = RP_PROGRAM;
	m.procedure = PROC_domain_open_console;
	m.serial = 9;
	m.status = status;
	if (status != FRAME_OK) {
		m.data.data_val = text;
		m.data.data_len = sizeof(text) - 1;
	}
	SEND(&qemud, MSG_STREAM, msg_stream, &m, -1);
	a = hear(fd);
	ATF_CHECK_EQ(FRAME_STREAM, a.hdr.type);
	ATF_CHECK_EQ(RP_PROGRAM, a.hdr.prog);
	ATF_CHECK_EQ(RP_VERSION, a.hdr.vers);
	ATF_CHECK_EQ(PROC_domain_open_console, a.hdr.procedure);
	ATF_CHECK_EQ(9, a.hdr.serial);
	ATF_CHECK_EQ(status, a.hdr.status);
	ATF_CHECK_EQ(m.data.data_len, a.len);
	answer_free(&a);
}

ATF_TC_WITHOUT_HEAD(stream);
ATF_TC_BODY(stream, tc)
{
	static char		 data[100000];
	struct frame_header	 h = stream_hdr;
	struct seen		 s;
	size_t			 i;
	int			 fd;

	netd_start(ROLE_NETD, NULL);
	fd = dial("sock");
	/* there is none yet */
	say_frame(fd, &h, "abc", 3);
	s = stream_open(fd);
	stream_to_client(&s, FRAME_CONTINUE, fd);
	say_frame(fd, &h, "abc", 3);
	stream_from_client(&s, FRAME_CONTINUE, 3);
	say_frame(fd, &h, data, sizeof(data));
	for (i = 0; i < 6; i++)
		stream_from_client(&s, FRAME_CONTINUE, MSG_DATA_MAX);
	stream_from_client(&s, FRAME_CONTINUE, sizeof(data) % MSG_DATA_MAX);
	/* the end of data, then the end */
	say_frame(fd, &h, NULL, 0);
	stream_from_client(&s, FRAME_CONTINUE, 0);
	h.status = FRAME_OK;
	say_frame(fd, &h, NULL, 0);
	stream_from_client(&s, FRAME_OK, 0);
	/* nothing after that, and nothing for other streams */
	h.status = FRAME_CONTINUE;
	say_frame(fd, &h, "abc", 3);
	h.serial = 10;
	say_frame(fd, &h, "abc", 3);
	settle(fd);
	ATF_CHECK_EQ(0, peer_next(&qemud));
	stream_to_client(&s, FRAME_CONTINUE, fd);
	stream_to_client(&s, FRAME_OK, fd);

	/* the serial is free again; the client aborts */
	h = stream_hdr;
	s = stream_open(fd);
	h.status = FRAME_ERROR;
	say_frame(fd, &h, NULL, 0);
	stream_from_client(&s, FRAME_ERROR, 0);
	stream_to_client(&s, FRAME_OK, fd);

	/* qemud gives it up; what the client sends then is dropped */
	s = stream_open(fd);
	stream_to_client(&s, FRAME_ERROR, fd);
	h.status = FRAME_CONTINUE;
	say_frame(fd, &h, "abc", 3);
	settle(fd);
	ATF_CHECK_EQ(0, peer_next(&qemud));

	/* a call that fails opens none */
	rp_dom_opttext_flags	 arg = { 0 };
	char			 name[] = "web1";

	arg.dom.name = name;
	call(fd, PROC_domain_open_console, 9,
	    (xdrproc_t)xdr_rp_dom_opttext_flags, &arg);
	s = qemud_call();
	qemud_error(&s);
	hear_error(fd, 9);
	say_frame(fd, &h, "abc", 3);
	settle(fd);
	ATF_CHECK_EQ(0, peer_next(&qemud));
	close(fd);
	netd_stop();
}

ATF_TC_WITHOUT_HEAD(streams_max);
ATF_TC_BODY(streams_max, tc)
{
	rp_dom_opttext_flags	 arg = { 0 };
	char			 name[] = "web1";
	struct rpc_error	 err;
	struct seen		 s;
	unsigned int		 i;
	int			 fd;

	netd_start(ROLE_NETD, NULL);
	fd = dial("sock");
	arg.dom.name = name;
	for (i = 0; i < 32; i++) {
		call(fd, PROC_domain_open_console, i,
		    (xdrproc_t)xdr_rp_dom_opttext_flags, &arg);
		s = qemud_call();
		if (i % 2) {
			qemud_reply(&s, 'x', 0);
			hear_reply(fd, i, 0);
		}
	}
	call(fd, PROC_domain_open_console, i,
	    (xdrproc_t)xdr_rp_dom_opttext_flags, &arg);
	err = hear_error(fd, i);
	ATF_CHECK_EQ(RPCE_RESOURCE_BUSY, err.code);
	ATF_CHECK(strstr(err.detail, "32 streams open") != NULL);
	/* anything else is fine */
	call_none(fd, HOSTNAME, i);
	s = qemud_call();
	ATF_CHECK_EQ(HOSTNAME, s.procedure);
	close(fd);
	netd_stop();
}

/* --- coming and going ---------------------------------------------------------- */

ATF_TC_WITHOUT_HEAD(qemud_lost);
ATF_TC_BODY(qemud_lost, tc)
{
	struct seen	 s;
	struct peer	 old;
	int		 fd, waiting, i;

	netd_start(ROLE_NETD, NULL);
	for (i = 0; i < 2; i++) {
		fd = dial("sock");
		call_none(fd, HOSTNAME, 1);
		s = qemud_call();
		/* what it said last is still heard */
		qemud_reply(&s, 'x', 3);
		call_none(fd, HOSTNAME, 2);
		s = qemud_call();
		peer_close(&qemud);
		hear_reply(fd, 1, 3);
		hear_eof(fd);
		/* new ones wait for the next qemud */
		waiting = dial("sock");
		call_none(waiting, HOSTNAME, 3);
		netd_qemud();
		s = qemud_call();
		ATF_CHECK_EQ(3, s.serial);
		qemud_reply(&s, 'x', 1);
		hear_reply(waiting, 3, 1);
		close(waiting);
		qemud_gone(s.client);
	}

	/* a new one while the old one is still there */
	fd = dial("sock");
	call_none(fd, HOSTNAME, 1);
	s = qemud_call();
	old.fd = dup(qemud.fd);
	peer_close(&qemud);
	netd_qemud();
	hear_eof(fd);
	ATF_CHECK_EQ(0, recv(old.fd, &i, 1, 0));
	close(old.fd);
	fd = dial("sock");
	call_none(fd, HOSTNAME, 1);
	qemud_call();
	close(fd);
	netd_stop();
}

/* Nobody gives a new one: it lets itself be started anew. */
ATF_TC_WITHOUT_HEAD(qemud_never_again);
ATF_TC_BODY(qemud_never_again, tc)
{
	netd_start(ROLE_NETD, NULL);
	peer_close(&qemud);
	netd_ended(1);
	ATF_CHECK(logged("no new channel to qemud"));
}

ATF_TC_WITHOUT_HEAD(listeners);
ATF_TC_BODY(listeners, tc)
{
	struct msg_listener_close	 m = { 1 };
	int				 a, b, late;

	netd_start(ROLE_NETD, NULL);
	netd_listener(2, "second");
	a = dial("sock");
	b = dial("second");
	ping(a);
	ping(b);
	SEND(&parent, MSG_LISTENER_CLOSE, msg_listener_close, &m, -1);
	settle(a);
	/* who is connected stays */
	ping(a);
	ping(b);
	late = dial("second");
	ping(late);
	close(late);
	late = socket(AF_UNIX, SOCK_STREAM, 0);
	ATF_CHECK_EQ(-1, connect(late, (const struct sockaddr *)
	    &(const struct { sa_family_t f; char path[10]; }){ AF_UNIX,
	    "sock" }, sizeof(sa_family_t) + 10));
	ATF_CHECK_EQ(ECONNREFUSED, errno);
	close(late);
	/* its number can be given again */
	netd_listener(1, "third");
	late = dial("third");
	ping(late);
	close(late);
	close(a);
	close(b);
	netd_stop();
}

/* No client is served before netd has given up its rights. */
ATF_TC_WITHOUT_HEAD(not_before_setup);
ATF_TC_BODY(not_before_setup, tc)
{
	static char		 none[] = "";
	struct msg_setup	 m = { .role = ROLE_NETD, .session = TRUE,
				    .root = none, .to_stderr = TRUE };
	struct msg_setup_netd	 limits = { 1, 1, 1, 0, 0, 0 };
	struct frame_header	 h = { KEEPALIVE_PROGRAM, KEEPALIVE_VERSION,
				    KEEPALIVE_PING, FRAME_MESSAGE, 0, 0 };
	struct answer		 a;
	int			 fd;

	netd_exec();
	SEND(&parent, MSG_SETUP, msg_setup, &m, -1);
	SEND(&parent, MSG_SETUP_NETD, msg_setup_netd, &limits, -1);
	netd_listener(1, "sock");
	fd = dial("sock");
	say_frame(fd, &h, NULL, 0);
	peer_send(&parent, MSG_SETUP_DONE, NULL, NULL, -1);
	peer_take(&parent, MSG_READY, NULL, NULL, 0);
	/* ready, but there is no qemud yet */
	ATF_CHECK(!readable(fd));
	netd_qemud();
	a = hear(fd);
	ATF_CHECK_EQ(KEEPALIVE_PONG, a.hdr.procedure);
	answer_free(&a);
	close(fd);
	netd_stop();
}

/* There need not be a syslog, or it comes and goes. */
ATF_TC_WITHOUT_HEAD(log_to_syslog);
ATF_TC_BODY(log_to_syslog, tc)
{
	static char		 none[] = "";
	struct msg_setup	 m = { .role = ROLE_NETD, .session = TRUE,
				    .root = none, .to_stderr = FALSE };
	struct msg_setup_netd	 limits = { 10, 10, 10, 0, 0, 0 };
	int			 fd, i;

	netd_exec();
	netd_setup(&m, &limits);
	for (i = 0; i < 3; i++) {
		fd = dial("sock");
		say(fd, "\0\0\0\0", 4);
		hear_eof(fd);
	}
	fd = dial("sock");
	ping(fd);
	close(fd);
	netd_stop();
}

/* As the system instance does it: another user, an empty root. */
ATF_TC(confined);
ATF_TC_HEAD(confined, tc)
{
	atf_tc_set_md_var(tc, "require.user", "root");
}
ATF_TC_BODY(confined, tc)
{
	struct msg_setup	 m = { .role = ROLE_NETD_RO, .uid = 4711,
				    .gid = 4712, .to_stderr = TRUE };
	struct msg_setup_netd	 limits = { 10, 10, 10, 0, 0, 0 };
	struct seen		 s;
	struct stat		 st;
	char			 path[64], line[256], uids[64] = "";
	char			 root[] = "empty";
	char			 seccomp[64] = "";
	FILE			*f;
	int			 fd;

	ATF_REQUIRE_EQ(0, mkdir(root, 0755));
	m.root = root;
	netd_exec();
	netd_setup(&m, &limits);
	fd = dial("sock");
	call_none(fd, HOSTNAME, 1);
	s = qemud_call();
	qemud_reply(&s, 'x', 1000000);
	hear_reply(fd, 1, 1000000);

	snprintf(path, sizeof(path), "/proc/%d/status", netd_pid);
	ATF_REQUIRE((f = fopen(path, "re")) != NULL);
	while (fgets(line, sizeof(line), f) != NULL) {
		if (strncmp(line, "Uid:", 4) == 0)
			strlcpy(uids, line, sizeof(uids));
		if (strncmp(line, "Groups:", 7) == 0)
			ATF_CHECK_STREQ("Groups:\t \n", line);
		if (strncmp(line, "CapEff:", 7) == 0)
			ATF_CHECK_STREQ("CapEff:\t0000000000000000\n", line);
		if (strncmp(line, "NoNewPrivs:", 11) == 0)
			ATF_CHECK_STREQ("NoNewPrivs:\t1\n", line);
		if (strncmp(line, "Seccomp:", 8) == 0)
			strlcpy(seccomp, line, sizeof(seccomp));
	}
	fclose(f);
	ATF_CHECK_STREQ("Uid:\t4711\t4711\t4711\t4711\n", uids);
	if (getenv("SANITIZED") == NULL)
		ATF_CHECK_STREQ("Seccomp:\t2\n", seccomp);
	snprintf(path, sizeof(path), "/proc/%d/root/etc", netd_pid);
	ATF_CHECK_EQ(-1, stat(path, &st));
	close(fd);
	netd_stop();
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, call_reply);
	ATF_TP_ADD_TC(tp, error_reply);
	ATF_TP_ADD_TC(tp, pipelined);
	ATF_TP_ADD_TC(tp, byte_by_byte);
	ATF_TP_ADD_TC(tp, many_clients);
	ATF_TP_ADD_TC(tp, long_bodies);
	ATF_TP_ADD_TC(tp, clients_max);
	ATF_TP_ADD_TC(tp, clients_per_user);
	ATF_TP_ADD_TC(tp, other_users);
	ATF_TP_ADD_TC(tp, calls_max);
	ATF_TP_ADD_TC(tp, push_back);
	ATF_TP_ADD_TC(tp, out_of_descriptors);
	ATF_TP_ADD_TC(tp, slow_reader);
	ATF_TP_ADD_TC(tp, keepalive);
	ATF_TP_ADD_TC(tp, close_by_qemud);
	ATF_TP_ADD_TC(tp, hold_by_qemud);
	ATF_TP_ADD_TC(tp, stream);
	ATF_TP_ADD_TC(tp, streams_max);
	ATF_TP_ADD_TC(tp, qemud_lost);
	ATF_TP_ADD_TC(tp, qemud_never_again);
	ATF_TP_ADD_TC(tp, listeners);
	ATF_TP_ADD_TC(tp, not_before_setup);
	ATF_TP_ADD_TC(tp, log_to_syslog);
	ATF_TP_ADD_TC(tp, confined);
	return (atf_no_error());
}
