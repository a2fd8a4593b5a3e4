/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * netd against those who break the rules: clients that send what is no
 * frame, no body, not theirs to ask, or descriptors; and a qemud that says
 * what it must never say.
 */

#include <sys/types.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <arpa/inet.h>

#include <atf-c.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/netd_peer.h"

#define HOSTNAME	PROC_connect_get_hostname	/* takes nothing */
#define nitems(a)	(sizeof(a) / sizeof((a)[0]))

static void	check_alive(int);
static void	check_not_forwarded(int);

/* Nothing went to qemud, and others are served as before. */
static void
check_not_forwarded(int good)
{
	settle(good);
	ATF_CHECK_EQ(0, peer_next(&qemud));
	check_alive(good);
}

static void
check_alive(int good)
{
	struct seen	 s;

	call_none(good, HOSTNAME, 4321);
	s = qemud_call();
	ATF_CHECK_EQ(HOSTNAME, s.procedure);
	qemud_reply(&s, 'x', 4);
	hear_reply(good, 4321, 4);
}

/* --- frames ------------------------------------------------------------------- */

ATF_TC_WITHOUT_HEAD(bad_length);
ATF_TC_BODY(bad_length, tc)
{
	const uint32_t	 lengths[] = { 0, 1, 3, 4, 5, 27, FRAME_MAX_IN + 1,
			    FRAME_MAX, FRAME_MAX + 1, INT32_MAX,
			    0x80000000U, UINT32_MAX };
	uint32_t	 n;
	size_t		 i;
	int		 good, fd;

	netd_start(ROLE_NETD, NULL);
	good = dial("sock");
	for (i = 0; i < nitems(lengths); i++) {
		fd = dial("sock");
		n = htonl(lengths[i]);
		say(fd, &n, sizeof(n));
		hear_eof(fd);
		/* also behind a good frame */
		fd = dial("sock");
		ping(fd);
		say(fd, &n, sizeof(n));
		hear_eof(fd);
	}
	ATF_CHECK(logged("closed: a frame of impossible length"));
	check_not_forwarded(good);
	/* half a frame, and then nothing: no harm to anybody */
	for (i = 1; i < FRAME_HEAD; i++) {
		fd = dial("sock");
		n = htonl(FRAME_HEAD);
		say(fd, &n, i < sizeof(n) ? i : sizeof(n));
		if (i > sizeof(n))
			say(fd, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
			    "\0", i - sizeof(n));
		close(fd);
	}
	check_not_forwarded(good);
	close(good);
	netd_stop();
}

/* What gets an error as the answer, with the code and words clients know. */
ATF_TC_WITHOUT_HEAD(bad_header);
ATF_TC_BODY(bad_header, tc)
{
	const struct {
		struct frame_header	 h;
		enum rpc_code		 code;
		const char		*text;
	} t[] = {
#define P	RP_PROGRAM
		{ { 1, 1, 1, 0, 7, 0 }, RPCE_RPC,
		    "Cannot find program 1 version 1" },
		{ { P, 0, 1, 0, 7, 0 }, RPCE_RPC, "Cannot find program " },
		{ { P, 2, 1, 0, 7, 0 }, RPCE_RPC, "Cannot find program " },
		{ { KEEPALIVE_PROGRAM, 1, 1, 0, 7, 0 }, RPCE_RPC,
		    "Cannot find program " },
		{ { P, 1, 0, 0, 7, 0 }, RPCE_RPC, "unknown procedure: 0" },
		{ { P, 1, -1, 0, 7, 0 }, RPCE_RPC, "unknown procedure: -1" },
		{ { P, 1, 8, 0, 7, 0 }, RPCE_RPC, "unknown procedure: 8" },
		{ { P, 1, EVENT_domain_event_lifecycle, 0, 7, 0 }, RPCE_RPC,
		    "unknown procedure: 107" },
		{ { P, 1, 444, 0, 7, 0 }, RPCE_RPC, "unknown procedure: 4" },
		{ { P, 1, INT_MAX, 0, 7, 0 }, RPCE_RPC, "unknown proc" },
		{ { P, 1, INT_MIN, 0, 7, 0 }, RPCE_RPC, "unknown proc" },
		{ { P, 1, 249, FRAME_CALL, 7, 0 }, RPCE_RPC, "unknown proc" },
		{ { P, 1, HOSTNAME, 0, 7, 1 }, RPCE_RPC,
		    "Unexpected message status 1" },
		{ { P, 1, HOSTNAME, 0, 7, 77 }, RPCE_RPC,
		    "Unexpected message status 77" }
#undef P
	};
	struct rpc_error	 err;
	static char		 body[100000];
	size_t			 i;
	int			 fd;

	netd_start(ROLE_NETD, NULL);
	fd = dial("sock");
	for (i = 0; i < nitems(t); i++) {
		/* a body does not matter, nobody looks at it */
		say_frame(fd, &t[i].h, body, i * 4097);
		err = hear_error(fd, 7);
		ATF_CHECK_EQ(t[i].code, err.code);
		ATF_CHECK_EQ(RPCD_RPC, err.domain);
		ATF_CHECK_MSG(strncmp(err.detail, t[i].text,
		    strlen(t[i].text)) == 0, "%zu: %s", i, err.detail);
	}
	/* the connection is as good as before */
	check_not_forwarded(fd);
	ATF_CHECK(logged("refused: unknown procedure: -1"));
	close(fd);
	netd_stop();
}

/* What gets no answer at all, as in any daemon of this protocol. */
ATF_TC_WITHOUT_HEAD(ignored);
ATF_TC_BODY(ignored, tc)
{
	const struct frame_header	 t[] = {
		{ RP_PROGRAM, 1, HOSTNAME, FRAME_REPLY, 7, 0 },
		{ RP_PROGRAM, 1, HOSTNAME, FRAME_MESSAGE, 0, 0 },
		{ RP_PROGRAM, 1, HOSTNAME, FRAME_REPLY, 7, 1 },
		{ RP_PROGRAM, 1, HOSTNAME, 7, 7, 0 },
		{ RP_PROGRAM, 1, HOSTNAME, UINT_MAX, 7, 0 },
		{ 1, 1, 1, FRAME_MESSAGE, 7, 0 },
		{ RP_PROGRAM, 1, HOSTNAME, FRAME_STREAM, 7, 2 },
		{ RP_PROGRAM, 1, HOSTNAME, FRAME_STREAM, 7, 0 },
		{ RP_PROGRAM, 1, PROC_domain_open_console, FRAME_STREAM, 7, 9 },
		{ 1, 1, 1, FRAME_STREAM, 7, 2 },
		{ RP_PROGRAM, 1, HOSTNAME, FRAME_STREAM_HOLE, 7, 2 },
		{ KEEPALIVE_PROGRAM, 1, KEEPALIVE_PONG, FRAME_MESSAGE, 0, 0 },
		{ KEEPALIVE_PROGRAM, 1, 3, FRAME_MESSAGE, 0, 0 },
		{ KEEPALIVE_PROGRAM, 2, KEEPALIVE_PING, FRAME_MESSAGE, 0, 0 }
	};
	size_t	 i;
	int	 fd;

	netd_start(ROLE_NETD, NULL);
	fd = dial("sock");
	for (i = 0; i < nitems(t); i++) {
		say_frame(fd, &t[i], "abcd", 4);
		/* the next frame is the pong */
		ping(fd);
	}
	check_not_forwarded(fd);
	ATF_CHECK(logged("ignored: frame of type reply"));
	close(fd);
	netd_stop();
}

/* --- bodies ------------------------------------------------------------------- */

ATF_TC_WITHOUT_HEAD(bad_body);
ATF_TC_BODY(bad_body, tc)
{
#define BODY(proc, bytes)	{ PROC_##proc, bytes, sizeof(bytes) - 1 }
	const struct {
		int		 proc;
		const char	*bytes;
		size_t		 len;
	} t[] = {
		/* more than it takes */
		BODY(connect_get_hostname, "\0"),
		BODY(connect_get_hostname, "\0\0\0\0"),
		BODY(domain_lookup_by_id, "\0\0\0\1\0"),
		BODY(domain_lookup_by_id, "\0\0\0\1\0\0\0\0"),
		/* less */
		BODY(domain_lookup_by_id, ""),
		BODY(domain_lookup_by_id, "\0\0\0"),
		BODY(domain_lookup_by_uuid, "123456789abcdef"),
		/* text: shorter than it says, no padding, padding not zero */
		BODY(domain_lookup_by_name, "\0\0\0\5abc"),
		BODY(domain_lookup_by_name, "\0\0\0\3abc"),
		BODY(domain_lookup_by_name, "\0\0\0\3abcX"),
		/* a NUL in it */
		BODY(domain_lookup_by_name, "\0\0\0\4a\0bc"),
		/* lengths that nothing has */
		BODY(domain_lookup_by_name, "\xff\xff\xff\xff""abcd"),
		BODY(domain_lookup_by_name, "\x80\0\0\0""abcd"),
		BODY(domain_lookup_by_name, "\0\x40\0\1""abcd"),
		/* neither there nor not there */
		BODY(connect_open, "\0\0\0\2\0\0\0\0\0\0\0\0"),
		BODY(connect_open, "\xff\xff\xff\xff\0\0\0\0")
	};
#undef BODY
	struct frame_header	 h = { RP_PROGRAM, RP_VERSION, 0, FRAME_CALL,
				    7, FRAME_OK };
	struct rpc_error	 err;
	size_t			 i;
	int			 fd;

	netd_start(ROLE_NETD, NULL);
	fd = dial("sock");
	for (i = 0; i < nitems(t); i++) {
		h.procedure = t[i].proc;
		say_frame(fd, &h, t[i].bytes, t[i].len);
		err = hear_error(fd, 7);
		ATF_CHECK_EQ_MSG(RPCE_RPC, err.code, "%zu", i);
		ATF_CHECK_STREQ("Unable to decode message payload",
		    err.detail);
	}
	check_not_forwarded(fd);
	close(fd);
	netd_stop();
}

ATF_TC_WITHOUT_HEAD(serial_in_use);
ATF_TC_BODY(serial_in_use, tc)
{
	rp_dom_opttext_flags	 arg = { 0 };
	char			 name[] = "web1";
	struct seen		 s;
	int			 good, fd;

	netd_start(ROLE_NETD, NULL);
	good = dial("sock");
	fd = dial("sock");
	call_none(fd, HOSTNAME, 7);
	s = qemud_call();
	call_none(fd, HOSTNAME, 7);
	hear_eof(fd);
	qemud_gone(s.client);
	ATF_CHECK(logged("closed: serial 7 is in use"));
	check_not_forwarded(good);

	/* of a stream */
	fd = dial("sock");
	arg.dom.name = name;
	call(fd, PROC_domain_open_console, 9,
	    (xdrproc_t)xdr_rp_dom_opttext_flags, &arg);
	s = qemud_call();
	qemud_reply(&s, 'x', 0);
	hear_reply(fd, 9, 0);
	call_none(fd, HOSTNAME, 9);
	hear_eof(fd);
	qemud_gone(s.client);
	check_not_forwarded(good);
	close(good);
	netd_stop();
}

ATF_TC_WITHOUT_HEAD(bad_stream);
ATF_TC_BODY(bad_stream, tc)
{
	struct frame_header	 h = { RP_PROGRAM, RP_VERSION,
				    PROC_domain_open_console, FRAME_STREAM, 9,
				    FRAME_CONTINUE };
	rp_dom_opttext_flags	 arg = { 0 };
	char			 name[] = "web1";
	struct seen		 s;
	int			 good, fd, i;

	netd_start(ROLE_NETD, NULL);
	good = dial("sock");
	arg.dom.name = name;
	for (i = 0; i < 4; i++) {
		fd = dial("sock");
		call(fd, PROC_domain_open_console, 9,
		    (xdrproc_t)xdr_rp_dom_opttext_flags, &arg);
		s = qemud_call();
		qemud_reply(&s, 'x', 0);
		hear_reply(fd, 9, 0);
		/* right serial, wrong procedure, program, version: ignored */
		h.procedure = HOSTNAME;
		say_frame(fd, &h, "abc", 3);
		h.procedure = PROC_domain_open_console;
		h.prog = RQ_PROGRAM;
		say_frame(fd, &h, "abc", 3);
		h.prog = RP_PROGRAM;
		h.vers = 2;
		say_frame(fd, &h, "abc", 3);
		h.vers = RP_VERSION;
		check_not_forwarded(good);
		h.type = i < 2 ? FRAME_STREAM : FRAME_STREAM_HOLE;
		h.status = i % 2 ? 3 : FRAME_CONTINUE;
		if (i == 0)
			h.status = UINT_MAX;
		say_frame(fd, &h, "\0\0\0\0\0\0\0\5\0\0\0", 12);
		hear_eof(fd);
		qemud_gone(s.client);
		h.type = FRAME_STREAM;
		h.status = FRAME_CONTINUE;
	}
	check_not_forwarded(good);
	close(good);
	netd_stop();
}

/* --- access ------------------------------------------------------------------- */

/*
 * Every procedure of every program, and the numbers around them, on an
 * instance: what it must not pass on it answers, without a look at the body.
 */
static void
access_of(enum msg_role role, unsigned int rights)
{
	const unsigned int	 progs[] = { RP_PROGRAM, RQ_PROGRAM,
				    OWN_PROGRAM };
	const struct rpc_proc	*proc;
	struct frame_header	 h = { 0, 1, 0, FRAME_CALL, 7, FRAME_OK };
	struct rpc_error	 err;
	size_t			 i, refused = 0;
	int			 fd;

	netd_start(role, NULL);
	fd = dial("sock");
	for (i = 0; i < nitems(progs); i++)
		for (h.procedure = -2; h.procedure < 600; h.procedure++) {
			h.prog = progs[i];
			proc = rpc_proc_find(h.prog, h.procedure);
			if (proc != NULL && (proc->access & rights))
				continue;
			say_frame(fd, &h, "garbage", 7);
			err = hear_error(fd, 7);
			if (proc == NULL)
				ATF_CHECK_MSG(err.code == RPCE_RPC &&
				    strncmp(err.detail, "unknown procedure",
				    17) == 0, "%s", err.detail);
			else if (rights == RIGHTS_READ_ONLY &&
			    proc->access == ACCESS_WRITE) {
				ATF_CHECK_EQ(RPCE_OPERATION_DENIED, err.code);
				ATF_CHECK_MSG(strstr(err.detail, "operation "
				    "forbidden: read only access prevents ")
				    == err.detail, "%s", err.detail);
				refused++;
			} else {
				ATF_CHECK_EQ(RPCE_ACCESS_DENIED, err.code);
				refused++;
			}
		}
	ATF_CHECK(refused > 0);
	settle(fd);
	ATF_CHECK_EQ(0, peer_next(&qemud));
	close(fd);
	netd_stop();
}

ATF_TC_WITHOUT_HEAD(access_read_only);
ATF_TC_BODY(access_read_only, tc)
{
	access_of(ROLE_NETD_RO, ACCESS_NONE | ACCESS_READ);
}

ATF_TC_WITHOUT_HEAD(access_full_control);
ATF_TC_BODY(access_full_control, tc)
{
	access_of(ROLE_NETD, ACCESS_NONE | ACCESS_READ | ACCESS_WRITE);
}

ATF_TC_WITHOUT_HEAD(access_launch);
ATF_TC_BODY(access_launch, tc)
{
	access_of(ROLE_NETD_LAUNCH, ACCESS_LAUNCH);
}

/* --- descriptors --------------------------------------------------------------- */

/* A pipe whose write end travels: the read end shows if somebody has it. */
static int
token(int *rd)
{
	int	 p[2];

	ATF_REQUIRE_EQ(0, pipe2(p, O_CLOEXEC));
	*rd = p[0];
	return (p[1]);
}

/* Says one byte with the write end, which we keep no longer. */
static int
say_token(int fd, const void *data, size_t len)
{
	int	 rd, wr = token(&rd);

	say_fd(fd, data, len, wr);
	close(wr);
	return (rd);
}

/* Nobody has the write end any more. */
static void
check_closed(int rd)
{
	struct pollfd	 pfd = { rd, POLLIN, 0 };
	char		 c;

	ATF_REQUIRE_MSG(poll(&pfd, 1, WAIT_MS) == 1, "still open");
	ATF_CHECK_EQ(0, read(rd, &c, 1));
	close(rd);
}

static const struct frame_header register_hdr = { OWN_PROGRAM, OWN_VERSION,
    PROC_launch_register, FRAME_CALL_WITH_FDS, 7, FRAME_OK };

/* A registration that says that it has n descriptors; the caller frees. */
static char *
registration(unsigned int serial, unsigned int n, const char *xml, size_t *len)
{
	struct frame_header	 h = register_hdr;
	own_register		 m = { 0 };
	char			 name[] = "web1", head[FRAME_HEAD_FDS], *buf;

	m.revision = OWN_REVISION;
	m.name = name;
	m.xml = (char *)(uintptr_t)xml;
	h.serial = serial;
	ATF_REQUIRE_EQ(0, rpc_encode((xdrproc_t)xdr_own_register, &m,
	    FRAME_HEAD_FDS, &buf, len));
	ATF_REQUIRE_EQ(0, frame_head_fds(head, &h, *len - FRAME_HEAD_FDS, n));
	memcpy(buf, head, sizeof(head));
	return (buf);
}

/* The next message brings the descriptor that belongs to rd. */
static void
take_token(int rd, uint64_t client)
{
	struct msg_call_fd	 m;
	char			 c = 0;
	int			 fd;

	fd = TAKE(&qemud, MSG_CALL_FD, msg_call_fd, &m);
	ATF_REQUIRE(fd != -1);
	ATF_CHECK_EQ(client, m.client);
	ATF_CHECK_EQ(1, write(fd, "t", 1));
	ATF_CHECK_EQ(1, read(rd, &c, 1));
	ATF_CHECK_EQ('t', c);
	close(fd);
	check_closed(rd);
}

ATF_TC_WITHOUT_HEAD(launch_register);
ATF_TC_BODY(launch_register, tc)
{
	struct msg_client_new	 new;
	struct msg_call		 m;
	struct msg_reply	 r = { 0 };
	static char		 xml[1000001];
	const char		*map;
	char			*buf;
	size_t			 len, maplen, i;
	int			 rd[32], fd, body;
	unsigned int		 n;

	netd_start(ROLE_NETD_LAUNCH, NULL);
	fd = dial("sock");
	memset(xml, 'x', sizeof(xml) - 1);
	for (n = 0; n <= 32; n += n < 4 ? 1 : 14) {
		/* the frame in two pieces, then the descriptors */
		buf = registration(n, n, n == 32 ? xml : "<domain/>", &len);
		say(fd, buf, 30);
		say(fd, buf + 30, len - 30);
		for (i = 0; i < n; i++)
			rd[i] = say_token(fd, "", 1);
		if (n == 0)
			TAKE(&qemud, MSG_CLIENT_NEW, msg_client_new, &new);
		for (i = 0; i < n; i++)
			take_token(rd[i], new.client);
		body = TAKE(&qemud, MSG_CALL, msg_call, &m);
		ATF_CHECK_EQ(OWN_PROGRAM, m.prog);
		ATF_CHECK_EQ(PROC_launch_register, m.procedure);
		ATF_CHECK_EQ(n, m.serial);
		/* the body begins behind the number of descriptors */
		if (body != -1) {
			ATF_CHECK_EQ(32, n);
			ATF_REQUIRE_EQ(0, body_map(body, FRAME_MAX, &map,
			    &maplen));
			ATF_CHECK_EQ(len - FRAME_HEAD_FDS, maplen);
			ATF_CHECK_EQ(0, memcmp(buf + FRAME_HEAD_FDS, map,
			    maplen));
			body_unmap(map, maplen);
		} else {
			ATF_CHECK_EQ(len - FRAME_HEAD_FDS, m.body.body_len);
			ATF_CHECK_EQ(0, memcmp(buf + FRAME_HEAD_FDS,
			    m.body.body_val, m.body.body_len));
		}
		r.client = m.client;
		r.prog = m.prog;
		r.procedure = m.procedure;
		r.serial = m.serial;
		SEND(&qemud, MSG_REPLY, msg_reply, &r, -1);
		hear_reply(fd, n, 0);
		xdr_free((xdrproc_t)xdr_msg_call, &m);
		free(buf);
	}

	/* and what qemud asks of a launcher */
	struct msg_event	 ev = { .client = new.client,
				    .prog = OWN_PROGRAM,
				    .procedure = EVENT_launch_renew };
	struct answer		 a;

	SEND(&qemud, MSG_EVENT, msg_event, &ev, -1);
	a = hear(fd);
	ATF_CHECK_EQ(OWN_PROGRAM, a.hdr.prog);
	ATF_CHECK_EQ(OWN_VERSION, a.hdr.vers);
	ATF_CHECK_EQ(EVENT_launch_renew, a.hdr.procedure);
	ATF_CHECK_EQ(FRAME_MESSAGE, a.hdr.type);
	answer_free(&a);
	close(fd);
	netd_stop();
}

/* While it may not call, descriptors wait with their call, or go with it. */
ATF_TC_WITHOUT_HEAD(launch_parked);
ATF_TC_BODY(launch_parked, tc)
{
	struct msg_setup_netd	 limits = { 10, 10, 1, 0, 0, 0 };
	struct msg_client_new	 new;
	struct msg_call		 m;
	struct msg_reply	 r = { 0 };
	char			*buf;
	size_t			 len;
	unsigned int		 i;
	int			 rd[6], fd;

	netd_start(ROLE_NETD_LAUNCH, &limits);
	fd = dial("sock");
	for (i = 0; i < 6; i += 2) {
		buf = registration(i, 2, "<domain/>", &len);
		say(fd, buf, len);
		free(buf);
		rd[i] = say_token(fd, "", 1);
		rd[i + 1] = say_token(fd, "", 1);
	}
	settle(fd);
	TAKE(&qemud, MSG_CLIENT_NEW, msg_client_new, &new);
	for (i = 0; i < 4; i += 2) {
		take_token(rd[i], new.client);
		take_token(rd[i + 1], new.client);
		TAKE(&qemud, MSG_CALL, msg_call, &m);
		ATF_CHECK_EQ(i, m.serial);
		r.client = m.client;
		r.prog = m.prog;
		r.procedure = m.procedure;
		r.serial = m.serial;
		xdr_free((xdrproc_t)xdr_msg_call, &m);
		if (i == 2)
			break;
		settle(fd);
		ATF_CHECK_EQ(0, peer_next(&qemud));
		SEND(&qemud, MSG_REPLY, msg_reply, &r, -1);
		hear_reply(fd, i, 0);
	}
	close(fd);
	qemud_gone(new.client);
	check_closed(rd[4]);
	check_closed(rd[5]);
	netd_stop();
}

ATF_TC_WITHOUT_HEAD(launch_bad_descriptors);
ATF_TC_BODY(launch_bad_descriptors, tc)
{
	struct frame_header	 h = register_hdr;
	struct msg_client_new	 new = { 0 };
	struct rpc_error	 err;
	char			 head[FRAME_HEAD_FDS], *buf;
	size_t			 len, i;
	int			 fd, rd[40], good;

	netd_start(ROLE_NETD_LAUNCH, NULL);
	good = dial("sock");

	/* more than a call may have */
	fd = dial("sock");
	ATF_REQUIRE_EQ(0, frame_head_fds(head, &h, 0, 32));
	head[FRAME_HEAD + 3] = 33;
	say(fd, head, sizeof(head));
	hear_eof(fd);
	/* no place for the number */
	fd = dial("sock");
	say_frame(fd, &h, "\0\0\0", 3);
	hear_eof(fd);
	/* one too few: a byte that brings none */
	fd = dial("sock");
	buf = registration(1, 2, "", &len);
	say(fd, buf, len);
	rd[0] = say_token(fd, "", 1);
	say(fd, "", 1);
	hear_eof(fd);
	check_closed(rd[0]);
	/* one too many */
	fd = dial("sock");
	say(fd, buf, len);
	for (i = 0; i < 40; i++)
		rd[i] = say_token(fd, "", 1);
	while (peer_wait(&qemud) != MSG_CLIENT_GONE) {
		struct msg_call		 m;
		struct msg_call_fd	 mfd;

		if (peer_next(&qemud) == MSG_CLIENT_NEW)
			TAKE(&qemud, MSG_CLIENT_NEW, msg_client_new, &new);
		else if (peer_next(&qemud) == MSG_CALL_FD)
			close(TAKE(&qemud, MSG_CALL_FD, msg_call_fd, &mfd));
		else {
			TAKE(&qemud, MSG_CALL, msg_call, &m);
			xdr_free((xdrproc_t)xdr_msg_call, &m);
		}
	}
	qemud_gone(new.client);
	hear_eof(fd);
	for (i = 0; i < 40; i++)
		check_closed(rd[i]);
	/* without any call, or with one that has none */
	fd = dial("sock");
	rd[0] = say_token(fd, "\0", 1);
	h.type = FRAME_CALL;
	say_frame(fd, &h, NULL, 0);
	hear_eof(fd);
	check_closed(rd[0]);
	/* with one that is not allowed, or wrong: an error, and they go */
	fd = dial("sock");
	h.type = FRAME_CALL_WITH_FDS;
	h.procedure = PROC_daemon_status;
	ATF_REQUIRE_EQ(0, frame_head_fds(head, &h, 0, 2));
	say(fd, head, sizeof(head));
	rd[0] = say_token(fd, "", 1);
	rd[1] = say_token(fd, "", 1);
	err = hear_error(fd, 7);
	ATF_CHECK_EQ(RPCE_ACCESS_DENIED, err.code);
	h.procedure = PROC_launch_ended;
	ATF_REQUIRE_EQ(0, frame_head_fds(head, &h, 0, 1));
	say(fd, head, sizeof(head));
	rd[2] = say_token(fd, "", 1);
	err = hear_error(fd, 7);
	ATF_CHECK_EQ(RPCE_INVALID_ARG, err.code);
	h.procedure = PROC_launch_register;
	ATF_REQUIRE_EQ(0, frame_head_fds(head, &h, 0, 1));
	say(fd, head, sizeof(head));
	rd[3] = say_token(fd, "", 1);
	err = hear_error(fd, 7);
	ATF_CHECK_EQ(RPCE_RPC, err.code);
	ping(fd);
	for (i = 0; i < 4; i++)
		check_closed(rd[i]);
	close(fd);
	/* gone in the middle */
	fd = dial("sock");
	say(fd, buf, len);
	rd[0] = say_token(fd, "", 1);
	close(fd);
	check_closed(rd[0]);
	free(buf);

	settle(good);
	ATF_CHECK_EQ(0, peer_next(&qemud));
	close(good);
	netd_stop();
}

/* The other instances take none, whatever they come with. */
ATF_TC_WITHOUT_HEAD(descriptors_elsewhere);
ATF_TC_BODY(descriptors_elsewhere, tc)
{
	const enum msg_role	 roles[] = { ROLE_NETD, ROLE_NETD_RO };
	struct frame_header	 h = { RP_PROGRAM, RP_VERSION, HOSTNAME,
				    FRAME_CALL, 1, FRAME_OK };
	struct rpc_error	 err;
	struct seen		 s;
	char			 head[FRAME_HEAD_FDS], *buf;
	size_t			 i, len;
	int			 fd, rd;

	for (i = 0; i < nitems(roles); i++) {
		netd_start(roles[i], NULL);
		/* with an ordinary call: the call is served */
		fd = dial("sock");
		h.type = FRAME_CALL;
		ATF_REQUIRE_EQ(0, frame_head(head, &h, 0));
		rd = say_token(fd, head, FRAME_HEAD);
		check_closed(rd);
		s = qemud_call();
		qemud_reply(&s, 'x', 1);
		hear_reply(fd, 1, 1);
		/* alone, in half a frame */
		rd = say_token(fd, head, 1);
		check_closed(rd);
		say(fd, head + 1, FRAME_HEAD - 1);
		s = qemud_call();
		close(fd);
		qemud_gone(s.client);
		/* a call that says it has some */
		fd = dial("sock");
		h.type = FRAME_CALL_WITH_FDS;
		ATF_REQUIRE_EQ(0, frame_head_fds(head, &h, 0, 1));
		say(fd, head, sizeof(head));
		rd = say_token(fd, "", 1);
		check_closed(rd);
		err = hear_error(fd, 1);
		ATF_CHECK_EQ(RPCE_INVALID_ARG, err.code);
		hear_eof(fd);
		/* or none */
		fd = dial("sock");
		ATF_REQUIRE_EQ(0, frame_head_fds(head, &h, 0, 0));
		say(fd, head, sizeof(head));
		err = hear_error(fd, 1);
		ATF_CHECK_EQ(RPCE_INVALID_ARG, err.code);
		ping(fd);
		close(fd);
		/* a registration */
		fd = dial("sock");
		buf = registration(7, 1, "", &len);
		say(fd, buf, len);
		free(buf);
		rd = say_token(fd, "", 1);
		check_closed(rd);
		err = hear_error(fd, 7);
		ATF_CHECK_EQ(RPCE_ACCESS_DENIED, err.code);
		hear_eof(fd);
		fd = dial("sock");
		settle(fd);
		ATF_CHECK_EQ(0, peer_next(&qemud));
		close(fd);
		netd_stop();
	}
}

/* --- penalties ------------------------------------------------------------------ */

static void
offend(void)
{
	int	 fd = dial("sock");

	say(fd, "\0\0\0\0", 4);
	hear_eof(fd);
}

ATF_TC_WITHOUT_HEAD(penalty);
ATF_TC_BODY(penalty, tc)
{
	struct pollfd	 pfd;
	int		 good, fd, i;

	netd_start(ROLE_NETD_RO, NULL);
	good = dial("sock");
	for (i = 0; i < 9; i++)
		offend();
	fd = dial("sock");
	ping(fd);
	close(fd);
	offend();
	/* out, but what was there stays */
	hear_eof(dial("sock"));
	ATF_CHECK(logged("broke the protocol 10 times within 10 seconds"));
	ping(good);
	/* and in again some time */
	for (;;) {
		struct frame_header h = { KEEPALIVE_PROGRAM,
		    KEEPALIVE_VERSION, KEEPALIVE_PING, FRAME_MESSAGE, 0, 0 };
		char	 c;

		fd = dial("sock");
		say_frame(fd, &h, NULL, 0);
		pfd.fd = fd;
		pfd.events = POLLIN;
		ATF_REQUIRE_EQ(1, poll(&pfd, 1, WAIT_MS));
		if (recv(fd, &c, 1, MSG_PEEK) == 1)
			break;
		close(fd);
		poll(NULL, 0, 100);
	}
	close(fd);
	close(good);
	netd_stop();
}

/* Bad bodies on one connection end it, when they are too many. */
ATF_TC_WITHOUT_HEAD(penalty_one_connection);
ATF_TC_BODY(penalty_one_connection, tc)
{
	struct frame_header	 h = { RP_PROGRAM, RP_VERSION, HOSTNAME,
				    FRAME_CALL, 7, FRAME_OK };
	int			 fd, i;

	netd_start(ROLE_NETD_RO, NULL);
	fd = dial("sock");
	for (i = 0; i < 10; i++) {
		say_frame(fd, &h, "abc", 3);
		if (i < 9)
			hear_error(fd, 7);
	}
	hear_eof(fd);
	hear_eof(dial("sock"));
	netd_stop();
}

/* The one who has to repair things is not shut out. */
ATF_TC_WITHOUT_HEAD(no_penalty_for_owner);
ATF_TC_BODY(no_penalty_for_owner, tc)
{
	int	 fd, i;

	netd_start(ROLE_NETD, NULL);
	for (i = 0; i < 50; i++)
		offend();
	fd = dial("sock");
	check_alive(fd);
	close(fd);
	netd_stop();
}

/* --- chance ---------------------------------------------------------------------- */

/*
 * Good conversations with some bits changed: netd lives, and what it passes
 * on is something that the client may ask.
 */
ATF_TC_WITHOUT_HEAD(mutations);
ATF_TC_BODY(mutations, tc)
{
	struct frame_header	 h = { RP_PROGRAM, RP_VERSION,
				    PROC_domain_get_metadata, FRAME_CALL, 1,
				    FRAME_OK };
	rp_get_metadata		 arg = { 0 };
	char			 name[] = "web1", uri[] = "http://x/",
				 copy[512], *u = uri, *buf;
	struct msg_client_new	 new;
	struct msg_client_gone	 gone;
	struct msg_stream	 st;
	struct msg_call		 m;
	const struct rpc_proc	*proc;
	size_t			 len, at;
	unsigned int		 i, k, calls = 0;
	int			 fd;

	netd_start(ROLE_NETD, NULL);
	srandom(4711);
	arg.dom.name = name;
	arg.uri = &u;
	ATF_REQUIRE_EQ(0, frame_encode(&h, (xdrproc_t)xdr_rp_get_metadata,
	    &arg, &buf, &len));
	ATF_REQUIRE(len * 3 < sizeof(copy));
	for (i = 0; i < 3000; i++) {
		memcpy(copy, buf, len);
		memcpy(copy + len, buf, len);
		memcpy(copy + 2 * len, buf, len);
		for (k = random() % 4; k > 0; k--) {
			at = random() % (3 * len);
			copy[at] = random() % 3 ? copy[at] ^ 1 <<
			    random() % 8 : random();
		}
		fd = dial("sock");
		say(fd, copy, 3 * len - random() % 8);
		close(fd);
		while (peer_next(&qemud) != 0) {
			if (peer_next(&qemud) == MSG_CLIENT_NEW)
				TAKE(&qemud, MSG_CLIENT_NEW, msg_client_new,
				    &new);
			else if (peer_next(&qemud) == MSG_CLIENT_GONE)
				TAKE(&qemud, MSG_CLIENT_GONE, msg_client_gone,
				    &gone);
			else if (peer_next(&qemud) == MSG_STREAM)
				TAKE(&qemud, MSG_STREAM, msg_stream, &st);
			else {
				TAKE(&qemud, MSG_CALL, msg_call, &m);
				proc = rpc_proc_find(m.prog, m.procedure);
				ATF_REQUIRE(proc != NULL);
				ATF_CHECK(proc->access != ACCESS_LAUNCH);
				calls++;
				xdr_free((xdrproc_t)xdr_msg_call, &m);
			}
		}
	}
	free(buf);
	fd = dial("sock");
	ping(fd);
	close(fd);
	ATF_CHECK_MSG(calls > 1000, "%u calls", calls);
	netd_stop();
}

/* --- qemud ----------------------------------------------------------------------- */

/*
 * What qemud must not say ends the channel: it is closed with all clients,
 * and netd goes on with the next one.
 */
static void
refuses(uint32_t type, xdrproc_t encode, const void *m, int fd, int client)
{
	peer_send(&qemud, type, encode, m, fd);
	peer_closed(&qemud);
	hear_eof(client);
	netd_qemud();
}

/* A client that waits for an answer. */
static struct seen
waiting(int *fd)
{
	*fd = dial("sock");
	call_none(*fd, HOSTNAME, 7);
	return (qemud_call());
}

ATF_TC_WITHOUT_HEAD(hostile_qemud);
ATF_TC_BODY(hostile_qemud, tc)
{
	static char		 big[MSG_INLINE_MAX + 1];
	struct msg_reply	 r = { 0 };
	struct msg_event	 ev = { 0 };
	struct msg_stream	 st = { 0 };
	struct msg_client_close	 cl = { 0 };
	struct msg_client_flow	 flow = { 0 };
	struct msg_client_gone	 gone = { 0 };
	struct seen		 s;
	int			 i, fd, body, silent;

	netd_start(ROLE_NETD, NULL);
	for (i = 0; i < 9; i++) {
		s = waiting(&fd);
		r = (struct msg_reply){ s.client, RP_PROGRAM, HOSTNAME,
		    s.serial, FRAME_OK, { 0, NULL } };
		body = -1;
		switch (i) {
		case 0:
			r.client = 0;
			break;
		case 1:
			r.client += 1000;
			break;
		case 2:
			r.serial++;
			break;
		case 3:
			r.procedure++;
			break;
		case 4:
			r.prog = OWN_PROGRAM;
			break;
		case 5:
			r.status = FRAME_CONTINUE;
			break;
		case 6:
			/* a body here and there */
			body = body_seal("abc", 3);
			r.body.body_val = big;
			r.body.body_len = 3;
			break;
		case 7:
			/* that can change under our hands */
			body = memfd_create("x", MFD_CLOEXEC |
			    MFD_ALLOW_SEALING);
			ATF_REQUIRE_EQ(3, write(body, "abc", 3));
			break;
		case 8:
			/* that is no such thing */
			body = open("/dev/null", O_RDWR | O_CLOEXEC);
			break;
		}
		refuses(MSG_REPLY, (xdrproc_t)xdr_msg_reply, &r, body, fd);
	}

	/* twice the same answer */
	s = waiting(&fd);
	qemud_reply(&s, 'x', 1);
	hear_reply(fd, 7, 1);
	r = (struct msg_reply){ s.client, RP_PROGRAM, HOSTNAME, s.serial,
	    FRAME_OK, { 0, NULL } };
	refuses(MSG_REPLY, (xdrproc_t)xdr_msg_reply, &r, -1, fd);

	/* a client that it was not told of */
	silent = dial("sock");
	s = waiting(&fd);
	ping(silent);
	ev = (struct msg_event){ s.client - 1, RP_PROGRAM,
	    EVENT_domain_event_lifecycle, { 0, NULL } };
	refuses(MSG_EVENT, (xdrproc_t)xdr_msg_event, &ev, -1, fd);
	hear_eof(silent);

	/* events that there are none of */
	for (i = 0; i < 3; i++) {
		s = waiting(&fd);
		ev = (struct msg_event){ s.client, i == 0 ? 1 : RP_PROGRAM,
		    i == 1 ? HOSTNAME : i == 2 ? UINT_MAX :
		    EVENT_domain_event_lifecycle, { 0, NULL } };
		refuses(MSG_EVENT, (xdrproc_t)xdr_msg_event, &ev, -1, fd);
	}

	/* streams that are not open */
	s = waiting(&fd);
	st = (struct msg_stream){ s.client, RP_PROGRAM, HOSTNAME, s.serial,
	    FRAME_CONTINUE, { 0, NULL } };
	refuses(MSG_STREAM, (xdrproc_t)xdr_msg_stream, &st, -1, fd);

	s = waiting(&fd);
	cl.client = s.client + 77;
	refuses(MSG_CLIENT_CLOSE, (xdrproc_t)xdr_msg_client_close, &cl, -1,
	    fd);
	s = waiting(&fd);
	flow.client = s.client + 77;
	refuses(MSG_CLIENT_HOLD, (xdrproc_t)xdr_msg_client_flow, &flow, -1,
	    fd);
	/* what is not for it to say */
	s = waiting(&fd);
	gone.client = s.client;
	refuses(MSG_CLIENT_GONE, (xdrproc_t)xdr_msg_client_gone, &gone, -1,
	    fd);
	waiting(&fd);
	refuses(4711, NULL, NULL, -1, fd);
	waiting(&fd);
	refuses(MSG_SETUP_DONE, NULL, NULL, -1, fd);
	/* what does not decode */
	waiting(&fd);
	refuses(MSG_REPLY, NULL, NULL, -1, fd);
	s = waiting(&fd);
	cl.client = s.client;
	refuses(MSG_REPLY, (xdrproc_t)xdr_msg_client_close, &cl, -1, fd);
	/* a descriptor where none belongs */
	s = waiting(&fd);
	refuses(MSG_CLIENT_CLOSE, (xdrproc_t)xdr_msg_client_close, &cl,
	    open("/dev/null", O_RDWR | O_CLOEXEC), fd);

	/* all is well after that */
	fd = dial("sock");
	check_alive(fd);
	close(fd);
	netd_stop();
}

/* A stream that is open, and what qemud does with it. */
ATF_TC_WITHOUT_HEAD(hostile_stream);
ATF_TC_BODY(hostile_stream, tc)
{
	rp_dom_opttext_flags	 arg = { 0 };
	char			 name[] = "web1", data[] = "abc";
	struct msg_stream	 st;
	struct answer		 a;
	struct seen		 s;
	int			 i, fd;

	netd_start(ROLE_NETD, NULL);
	arg.dom.name = name;
	for (i = 0; i < 6; i++) {
		fd = dial("sock");
		call(fd, PROC_domain_open_console, 9,
		    (xdrproc_t)xdr_rp_dom_opttext_flags, &arg);
		s = qemud_call();
		qemud_reply(&s, 'x', 0);
		hear_reply(fd, 9, 0);
		st = (struct msg_stream){ s.client, RP_PROGRAM,
		    PROC_domain_open_console, 9, FRAME_CONTINUE,
		    { 3, data } };
		switch (i) {
		case 0:
			st.serial++;
			break;
		case 1:
			st.procedure = HOSTNAME;
			break;
		case 2:
			st.prog = RQ_PROGRAM;
			break;
		case 3:
			st.status = 3;
			break;
		case 4:
			st.status = FRAME_OK;	/* the end has no data */
			break;
		case 5:
			/* after the end */
			st.status = FRAME_OK;
			st.data.data_len = 0;
			SEND(&qemud, MSG_STREAM, msg_stream, &st, -1);
			a = hear(fd);
			ATF_CHECK_EQ(FRAME_OK, a.hdr.status);
			answer_free(&a);
			break;
		}
		refuses(MSG_STREAM, (xdrproc_t)xdr_msg_stream, &st, -1, fd);
	}
	netd_stop();
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, bad_length);
	ATF_TP_ADD_TC(tp, bad_header);
	ATF_TP_ADD_TC(tp, ignored);
	ATF_TP_ADD_TC(tp, bad_body);
	ATF_TP_ADD_TC(tp, serial_in_use);
	ATF_TP_ADD_TC(tp, bad_stream);
	ATF_TP_ADD_TC(tp, access_read_only);
	ATF_TP_ADD_TC(tp, access_full_control);
	ATF_TP_ADD_TC(tp, access_launch);
	ATF_TP_ADD_TC(tp, launch_register);
	ATF_TP_ADD_TC(tp, launch_parked);
	ATF_TP_ADD_TC(tp, launch_bad_descriptors);
	ATF_TP_ADD_TC(tp, descriptors_elsewhere);
	ATF_TP_ADD_TC(tp, penalty);
	ATF_TP_ADD_TC(tp, penalty_one_connection);
	ATF_TP_ADD_TC(tp, no_penalty_for_owner);
	ATF_TP_ADD_TC(tp, mutations);
	ATF_TP_ADD_TC(tp, hostile_qemud);
	ATF_TP_ADD_TC(tp, hostile_stream);
	return (atf_no_error());
}
