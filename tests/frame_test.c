/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/* Frames: bytes in, frames out, and what is to be done with each. */

#include <sys/types.h>

#include <atf-c.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rpc/body.h"
#include "rpc/error.h"
#include "rpc/frame.h"
#include "rpc/procs.h"

#define nitems(a)	(sizeof(a) / sizeof((a)[0]))

/* "lookup of web1", serial 7, as it is seen on the wire. */
static const unsigned char golden[] = {
	0x00, 0x00, 0x00, 0x24,			/* 36 bytes */
	0x20, 0x00, 0x80, 0x86,			/* program */
	0x00, 0x00, 0x00, 0x01,			/* version */
	0x00, 0x00, 0x00, 0x17,			/* procedure 23 */
	0x00, 0x00, 0x00, 0x00,			/* call */
	0x00, 0x00, 0x00, 0x07,			/* serial */
	0x00, 0x00, 0x00, 0x00,			/* status */
	0x00, 0x00, 0x00, 0x04, 'w', 'e', 'b', '1'
};

static const struct frame_header call = {
	RP_PROGRAM, RP_VERSION, PROC_domain_lookup_by_name, FRAME_CALL, 7,
	FRAME_OK
};

/* A frame of this type with a body of len bytes, each of them c. */
static char *
make(unsigned int type, unsigned int serial, size_t len, char c, size_t *n)
{
	struct frame_header	 h = call;
	char			*p;

	h.type = type;
	h.serial = serial;
	ATF_REQUIRE((p = malloc(FRAME_HEAD + len + 1)) != NULL);
	ATF_REQUIRE_EQ(0, frame_head(p, &h, len));
	memset(p + FRAME_HEAD, c, len);
	*n = FRAME_HEAD + len;
	return (p);
}

/* The same with descriptors: body, count and the bytes that carry them. */
static char *
make_fds(unsigned int type, size_t len, size_t nfds, size_t *n)
{
	struct frame_header	 h = call;
	char			*p;

	h.type = type;
	ATF_REQUIRE((p = calloc(1, FRAME_HEAD_FDS + len + nfds + 1)) != NULL);
	ATF_REQUIRE_EQ(0, frame_head_fds(p, &h, len, nfds));
	memset(p + FRAME_HEAD_FDS, 'b', len);
	*n = FRAME_HEAD_FDS + len + nfds;
	return (p);
}

/* A descriptor to give away, and one that tells when it has been closed. */
static int
watched(int *watch)
{
	int	 p[2];

	ATF_REQUIRE_EQ(0, pipe2(p, O_CLOEXEC | O_NONBLOCK));
	*watch = p[0];
	return (p[1]);
}

static int
is_closed(int watch)
{
	char	 c;

	return (read(watch, &c, 1) == 0);
}

ATF_TC_WITHOUT_HEAD(header_golden);
ATF_TC_BODY(header_golden, tc)
{
	struct frame_header	 h;
	rp_text			 name;
	char			*p, out[FRAME_HEADER_BYTES];
	size_t			 n;
	char			 web1[] = "web1";

	name.text = web1;
	ATF_REQUIRE_EQ(0, frame_encode(&call, (xdrproc_t)xdr_rp_text, &name,
	    &p, &n));
	ATF_REQUIRE_EQ(sizeof(golden), n);
	ATF_CHECK_EQ(0, memcmp(golden, p, n));

	frame_header_get(p + FRAME_LENGTH_BYTES, &h);
	ATF_CHECK_EQ(0x20008086, h.prog);
	ATF_CHECK_EQ(1, h.vers);
	ATF_CHECK_EQ(23, h.procedure);
	ATF_CHECK_EQ(0, h.type);
	ATF_CHECK_EQ(7, h.serial);
	ATF_CHECK_EQ(0, h.status);

	/* each field is its own */
	h.prog = 0xfffefdfc;
	h.vers = 0xfbfaf9f8;
	h.procedure = -2;
	h.type = 0xf3f2f1f0;
	h.serial = 0xefeeedec;
	h.status = 0xebeae9e8;
	frame_header_put(out, &h);
	ATF_CHECK_EQ(0, memcmp(out, "\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8"
	    "\xff\xff\xff\xfe\xf3\xf2\xf1\xf0\xef\xee\xed\xec"
	    "\xeb\xea\xe9\xe8", sizeof(out)));
	memset(&h, 0, sizeof(h));
	frame_header_get(out, &h);
	ATF_CHECK_EQ(-2, h.procedure);
	ATF_CHECK_EQ(0xf3f2f1f0, h.type);
	ATF_CHECK_EQ(0xebeae9e8, h.status);
	free(p);
}

ATF_TC_WITHOUT_HEAD(encode_limits);
ATF_TC_BODY(encode_limits, tc)
{
	char	 head[FRAME_HEAD_FDS], *p;
	rp_text	 t;
	size_t	 n;

	ATF_CHECK_EQ(0, frame_head(head, &call, FRAME_MAX - FRAME_HEAD));
	ATF_CHECK_EQ(0, memcmp(head, "\x02\x00\x00\x04", 4));
	ATF_CHECK_ERRNO(ERANGE,
	    frame_head(head, &call, FRAME_MAX - FRAME_HEAD + 1) == -1);
	ATF_CHECK_ERRNO(ERANGE, frame_head(head, &call, SIZE_MAX) == -1);
	ATF_CHECK_EQ(0, frame_head_fds(head, &call, 0, FRAME_FDS_MAX));
	ATF_CHECK_EQ(0, memcmp(head, "\0\0\0\x20", 4));
	ATF_CHECK_EQ(0, memcmp(head + FRAME_HEAD, "\0\0\0\x20", 4));
	ATF_CHECK_ERRNO(ERANGE,
	    frame_head_fds(head, &call, 0, FRAME_FDS_MAX + 1) == -1);
	ATF_CHECK_ERRNO(ERANGE, frame_head_fds(head, &call,
	    FRAME_MAX - FRAME_HEAD, 0) == -1);

	t.text = NULL;
	ATF_CHECK_ERRNO(EINVAL, frame_encode(&call, (xdrproc_t)xdr_rp_text, &t,
	    &p, &n) == -1);
	ATF_CHECK_EQ(NULL, p);
}

ATF_TC_WITHOUT_HEAD(bytewise);
ATF_TC_BODY(bytewise, tc)
{
	struct framer	 f;
	struct frame	 frame;
	size_t		 i, k, n, got = 0;
	char		*p;

	framer_init(&f, FRAME_MAX_IN);
	for (k = 0; k < 3; k++) {
		p = make(FRAME_CALL, (unsigned int)k, k * 100, (char)('a' + k),
		    &n);
		for (i = 0; i < n; i++) {
			ATF_REQUIRE_EQ(0, framer_push(&f, p + i, 1, NULL, 0));
			if (i < n - 1) {
				ATF_REQUIRE_EQ(0, framer_next(&f, &frame));
				ATF_REQUIRE_EQ(i + 1, framer_pending(&f));
				continue;
			}
			ATF_REQUIRE_EQ(1, framer_next(&f, &frame));
			ATF_CHECK_EQ(k, frame.hdr.serial);
			ATF_REQUIRE_EQ(k * 100, frame.len);
			ATF_CHECK_EQ(0, memcmp(frame.body, p + FRAME_HEAD,
			    frame.len));
			ATF_CHECK_EQ(0, frame.nfds);
			got++;
		}
		ATF_CHECK_EQ(0, framer_next(&f, &frame));
		ATF_CHECK_EQ_MSG(0, f.size, "an idle framer holds memory");
		free(p);
	}
	ATF_CHECK_EQ(3, got);
	framer_clear(&f);
}

/* Many frames in one read, the last of them cut anywhere. */
ATF_TC_WITHOUT_HEAD(batch);
ATF_TC_BODY(batch, tc)
{
	struct framer	 f;
	struct frame	 frame;
	size_t		 cut, k, len = 0, n;
	char		*p, all[4096];

	for (k = 0; k < 10; k++) {
		p = make(FRAME_CALL, (unsigned int)k, k * 7, 'x', &n);
		memcpy(all + len, p, n);
		len += n;
		free(p);
	}
	framer_init(&f, FRAME_MAX_IN);
	for (cut = 0; cut <= len; cut++) {
		k = 0;
		ATF_REQUIRE_EQ(0, framer_push(&f, all, cut, NULL, 0));
		while (framer_next(&f, &frame) == 1)
			ATF_REQUIRE_EQ(k++, frame.hdr.serial);
		ATF_REQUIRE_EQ(0, framer_push(&f, all + cut, len - cut, NULL,
		    0));
		while (framer_next(&f, &frame) == 1) {
			ATF_REQUIRE_EQ(k * 7, frame.len);
			ATF_REQUIRE_EQ(k++, frame.hdr.serial);
		}
		ATF_REQUIRE_EQ(10, k);
		ATF_REQUIRE_EQ(0, framer_pending(&f));
	}
	framer_clear(&f);
}

/* A length that cannot be is refused as soon as it is there. */
ATF_TC_WITHOUT_HEAD(hostile_lengths);
ATF_TC_BODY(hostile_lengths, tc)
{
	static const struct {
		u_int32_t	 len;
		int		 ok;
	} lengths[] = {
		{ 0, 0 }, { 1, 0 }, { 3, 0 }, { 4, 0 }, { 27, 0 }, { 28, 1 },
		{ 29, 1 }, { FRAME_MAX_IN - 1, 1 }, { FRAME_MAX_IN, 1 },
		{ FRAME_MAX_IN + 1, 0 }, { FRAME_MAX, 0 },
		{ 0x7fffffff, 0 }, { 0x80000000, 0 }, { 0xffffffe3, 0 },
		{ 0xffffffff, 0 }
	};
	struct framer	 f;
	struct frame	 frame;
	unsigned char	 b[4];
	size_t		 i;

	for (i = 0; i < nitems(lengths); i++) {
		framer_init(&f, FRAME_MAX_IN);
		b[0] = (unsigned char)(lengths[i].len >> 24);
		b[1] = (unsigned char)(lengths[i].len >> 16);
		b[2] = (unsigned char)(lengths[i].len >> 8);
		b[3] = (unsigned char)lengths[i].len;
		ATF_REQUIRE_EQ(0, framer_push(&f, (char *)b, 4, NULL, 0));
		errno = 0;
		ATF_CHECK_EQ_MSG(lengths[i].ok ? 0 : -1,
		    framer_next(&f, &frame), "length %u", lengths[i].len);
		if (!lengths[i].ok)
			ATF_CHECK_EQ(ERANGE, errno);
		framer_clear(&f);
	}

	/* the largest that the client library takes from a daemon */
	ATF_CHECK_EQ(0, frame_length_check(FRAME_MAX, FRAME_MAX));
	ATF_CHECK_ERRNO(ERANGE,
	    frame_length_check(FRAME_MAX + 1, FRAME_MAX) == -1);
}

/* Who says that 4 MiB will come pays for it himself. */
ATF_TC_WITHOUT_HEAD(claims_cost_nothing);
ATF_TC_BODY(claims_cost_nothing, tc)
{
	struct framer		 f;
	struct frame		 frame;
	struct frame_header	 h;
	size_t			 i, n, total;
	char			*p;

	p = make(FRAME_CALL, 1, FRAME_MAX_IN - FRAME_HEAD, 'y', &n);
	framer_init(&f, FRAME_MAX_IN);
	ATF_CHECK_EQ(0, framer_peek(&f, &h));
	for (total = 0; total < n; total += i) {
		i = total < 100 ? 50 : 65536;
		if (i > n - total)
			i = n - total;
		ATF_REQUIRE_EQ(0, framer_push(&f, p + total, i, NULL, 0));
		ATF_CHECK(f.size <= 512 || f.size <= 2 * (total + i));
		if (total + i < n)
			ATF_REQUIRE_EQ(0, framer_next(&f, &frame));
		ATF_REQUIRE_EQ(1, framer_peek(&f, &h));
		ATF_CHECK_EQ(PROC_domain_lookup_by_name, h.procedure);
	}
	ATF_REQUIRE_EQ(1, framer_next(&f, &frame));
	ATF_CHECK_EQ(n - FRAME_HEAD, frame.len);
	ATF_CHECK_EQ(0, memcmp(frame.body, p + FRAME_HEAD, frame.len));
	ATF_REQUIRE_EQ(0, framer_next(&f, &frame));
	ATF_CHECK_EQ(0, f.size);
	framer_clear(&f);
	free(p);
}

ATF_TC_WITHOUT_HEAD(descriptors);
ATF_TC_BODY(descriptors, tc)
{
	struct framer	 f;
	struct frame	 frame;
	char		*p;
	size_t		 i, n;
	int		 fd, watch[2], kept;

	/*
	 * As they come from a unix socket: the frame, then one byte with
	 * each descriptor.
	 */
	framer_init(&f, FRAME_MAX_IN);
	p = make_fds(FRAME_CALL_WITH_FDS, 12, 2, &n);
	ATF_REQUIRE_EQ(0, framer_push(&f, p, n - 2, NULL, 0));
	ATF_CHECK_EQ(0, framer_next(&f, &frame));
	for (i = 0; i < 2; i++) {
		fd = watched(&watch[i]);
		ATF_REQUIRE_EQ(0, framer_push(&f, p + n - 2 + i, 1, &fd, 1));
		ATF_REQUIRE_EQ(i == 1, framer_next(&f, &frame));
	}
	ATF_CHECK_EQ(12, frame.len);
	ATF_CHECK_EQ('b', frame.body[0]);
	ATF_REQUIRE_EQ(2, frame.nfds);

	/* what is not taken is closed with the next call */
	kept = frame.fds[0];
	frame.fds[0] = -1;
	ATF_CHECK(!is_closed(watch[1]));
	ATF_CHECK_EQ(0, framer_next(&f, &frame));
	ATF_CHECK(is_closed(watch[1]));
	ATF_CHECK(!is_closed(watch[0]));
	close(kept);
	close(watch[0]);
	close(watch[1]);
	free(p);

	/* none at all is fine too, and the next frame is not eaten */
	p = make_fds(FRAME_REPLY_WITH_FDS, 0, 0, &n);
	ATF_REQUIRE_EQ(0, framer_push(&f, p, n, NULL, 0));
	ATF_REQUIRE_EQ(0, framer_push(&f, p, n, NULL, 0));
	ATF_CHECK_EQ(1, framer_next(&f, &frame));
	ATF_CHECK_EQ(0, frame.nfds);
	ATF_CHECK_EQ(0, frame.len);
	ATF_CHECK_EQ(1, framer_next(&f, &frame));
	ATF_CHECK_EQ(0, framer_next(&f, &frame));
	free(p);

	/* clearing closes those that wait and those given out */
	p = make_fds(FRAME_CALL_WITH_FDS, 0, 1, &n);
	fd = watched(&watch[0]);
	ATF_REQUIRE_EQ(0, framer_push(&f, p, n, &fd, 1));
	ATF_CHECK_EQ(1, framer_next(&f, &frame));
	fd = watched(&watch[1]);
	ATF_REQUIRE_EQ(0, framer_push(&f, p, 5, &fd, 1));
	framer_clear(&f);
	ATF_CHECK(is_closed(watch[0]));
	ATF_CHECK(is_closed(watch[1]));
	close(watch[0]);
	close(watch[1]);
	free(p);
}

ATF_TC_WITHOUT_HEAD(hostile_descriptors);
ATF_TC_BODY(hostile_descriptors, tc)
{
	struct framer	 f;
	struct frame	 frame;
	char		*p, *q;
	size_t		 i, n, m;
	int		 fd, watch, fds[FRAME_FDS_MAX + 1];
	int		 watches[FRAME_FDS_MAX + 1];

	/* claimed, but not sent */
	framer_init(&f, FRAME_MAX_IN);
	p = make_fds(FRAME_CALL_WITH_FDS, 4, 1, &n);
	ATF_REQUIRE_EQ(0, framer_push(&f, p, n, NULL, 0));
	ATF_CHECK_ERRNO(EBADMSG, framer_next(&f, &frame) == -1);
	framer_clear(&f);

	/* more claimed than there may be */
	memcpy(p + FRAME_HEAD, "\0\0\0\x21", 4);
	ATF_REQUIRE_EQ(0, framer_push(&f, p, n, NULL, 0));
	ATF_CHECK_ERRNO(EBADMSG, framer_next(&f, &frame) == -1);
	framer_clear(&f);
	memcpy(p + FRAME_HEAD, "\xff\xff\xff\xff", 4);
	ATF_REQUIRE_EQ(0, framer_push(&f, p, n, NULL, 0));
	ATF_CHECK_ERRNO(EBADMSG, framer_next(&f, &frame) == -1);
	framer_clear(&f);
	free(p);

	/* too short to hold the number of them */
	for (i = 0; i < 4; i++) {
		p = make(FRAME_CALL_WITH_FDS, 1, i, '\0', &n);
		ATF_REQUIRE_EQ(0, framer_push(&f, p, n, NULL, 0));
		ATF_CHECK_ERRNO(ERANGE, framer_next(&f, &frame) == -1);
		framer_clear(&f);
		free(p);
	}

	/* sent, but not claimed: with a whole frame, with half a one */
	p = make(FRAME_CALL, 1, 100, 'z', &n);
	fd = watched(&watch);
	ATF_REQUIRE_EQ(0, framer_push(&f, p, n, &fd, 1));
	ATF_CHECK_EQ(1, framer_next(&f, &frame));
	ATF_CHECK_EQ(0, frame.nfds);
	ATF_CHECK_ERRNO(EBADMSG, framer_next(&f, &frame) == -1);
	framer_clear(&f);
	ATF_CHECK(is_closed(watch));
	close(watch);
	fd = watched(&watch);
	ATF_REQUIRE_EQ(0, framer_push(&f, p, n - 1, &fd, 1));
	ATF_CHECK_ERRNO(EBADMSG, framer_next(&f, &frame) == -1);
	framer_clear(&f);
	ATF_CHECK(is_closed(watch));
	close(watch);

	/* a plain frame in front does not lose those of the next */
	q = make_fds(FRAME_CALL_WITH_FDS, 0, 1, &m);
	fd = watched(&watch);
	ATF_REQUIRE_EQ(0, framer_push(&f, p, n, NULL, 0));
	ATF_REQUIRE_EQ(0, framer_push(&f, q, m, &fd, 1));
	ATF_CHECK_EQ(1, framer_next(&f, &frame));
	ATF_CHECK_EQ(0, frame.nfds);
	ATF_CHECK_EQ(1, framer_next(&f, &frame));
	ATF_CHECK_EQ(1, frame.nfds);
	framer_clear(&f);
	ATF_CHECK(is_closed(watch));
	close(watch);
	free(p);
	free(q);

	/* a flood of them */
	for (i = 0; i < nitems(fds); i++)
		fds[i] = watched(&watches[i]);
	ATF_CHECK_ERRNO(EMFILE, framer_push(&f, "", 0, fds, nitems(fds)) ==
	    -1);
	framer_clear(&f);
	for (i = 0; i < nitems(fds); i++) {
		ATF_CHECK(is_closed(watches[i]));
		close(watches[i]);
	}
}

ATF_TC_WITHOUT_HEAD(judge);
ATF_TC_BODY(judge, tc)
{
#define RO	RIGHTS_READ_ONLY
#define FULL	RIGHTS_FULL_CONTROL
#define LAUNCH	RIGHTS_LAUNCH
#define REM	RP_PROGRAM, RP_VERSION
#define OWN	OWN_PROGRAM, OWN_VERSION
#define KA	KEEPALIVE_PROGRAM, KEEPALIVE_VERSION
	static const struct {
		struct frame_header	 h;
		unsigned int		 rights;
		enum rpc_judgement	 want;
		enum rpc_code		 code;
		const char		*text;
	} cases[] = {
		/* what a first client does */
		{ { REM, 66, FRAME_CALL, 0, 0 }, RO, JUDGE_CALL, 0, NULL },
		{ { REM, 1, FRAME_CALL, 1, 0 }, RO, JUDGE_CALL, 0, NULL },
		{ { REM, 12, FRAME_CALL, 1, 0 }, FULL, JUDGE_CALL, 0, NULL },
		{ { REM, 12, FRAME_CALL, 1, 0 }, RO, JUDGE_REFUSE,
		    RPCE_OPERATION_DENIED, "operation forbidden: read only "
		    "access prevents virDomainDestroy" },
		{ { 0x20008087, 1, 1, FRAME_CALL, 1, 0 }, RO, JUDGE_REFUSE,
		    RPCE_OPERATION_DENIED, "operation forbidden: read only "
		    "access prevents virDomainQemuMonitorCommand" },
		{ { 0x20008087, 1, 1, FRAME_CALL, 1, 0 }, FULL, JUDGE_CALL, 0,
		    NULL },

		/* numbers that are none, or not for calls */
		{ { REM, 0, FRAME_CALL, 1, 0 }, FULL, JUDGE_REFUSE, RPCE_RPC,
		    "unknown procedure: 0" },
		{ { REM, -1, FRAME_CALL, 1, 0 }, FULL, JUDGE_REFUSE, RPCE_RPC,
		    "unknown procedure: -1" },
		{ { REM, 0x7fffffff, FRAME_CALL, 1, 0 }, FULL, JUDGE_REFUSE,
		    RPCE_RPC, "unknown procedure: 2147483647" },
		{ { REM, -0x7fffffff - 1, FRAME_CALL, 1, 0 }, FULL,
		    JUDGE_REFUSE, RPCE_RPC, "unknown procedure: -2147483648" },
		{ { REM, 107, FRAME_CALL, 1, 0 }, FULL, JUDGE_REFUSE,
		    RPCE_RPC, "unknown procedure: 107" },
		{ { REM, 427, FRAME_CALL, 1, 0 }, FULL, JUDGE_REFUSE,
		    RPCE_RPC, "unknown procedure: 427" },

		/* programs and versions that are none */
		{ { 7, 1, 1, FRAME_CALL, 1, 0 }, FULL, JUDGE_REFUSE, RPCE_RPC,
		    "Cannot find program 7 version 1" },
		{ { RP_PROGRAM, 2, 1, FRAME_CALL, 1, 0 }, FULL, JUDGE_REFUSE,
		    RPCE_RPC, "Cannot find program 536903814 version 2" },
		{ { 7, 1, 1, FRAME_MESSAGE, 0, 0 }, FULL, JUDGE_IGNORE, 0,
		    NULL },

		/* a status that a call cannot have; types that are no call */
		{ { REM, 3, FRAME_CALL, 1, FRAME_ERROR }, FULL, JUDGE_REFUSE,
		    RPCE_RPC, "Unexpected message status 1" },
		{ { REM, 3, FRAME_CALL, 1, 99 }, FULL, JUDGE_REFUSE, RPCE_RPC,
		    "Unexpected message status 99" },
		{ { REM, 3, FRAME_REPLY, 1, 0 }, FULL, JUDGE_IGNORE, 0, NULL },
		{ { REM, 3, FRAME_MESSAGE, 0, 0 }, FULL, JUDGE_IGNORE, 0,
		    NULL },
		{ { REM, 3, 7, 0, 0 }, FULL, JUDGE_IGNORE, 0, NULL },
		{ { REM, 3, 0xffffffff, 0, 0 }, FULL, JUDGE_IGNORE, 0, NULL },
		{ { REM, 201, FRAME_STREAM, 9, 2 }, FULL, JUDGE_STREAM, 0,
		    NULL },
		{ { REM, 201, FRAME_STREAM_HOLE, 9, 2 }, FULL, JUDGE_STREAM,
		    0, NULL },

		/* keepalive, on each endpoint */
		{ { KA, 1, FRAME_MESSAGE, 0, 0 }, RO, JUDGE_PING, 0, NULL },
		{ { KA, 1, FRAME_MESSAGE, 0, 0 }, LAUNCH, JUDGE_PING, 0,
		    NULL },
		{ { KA, 2, FRAME_MESSAGE, 0, 0 }, RO, JUDGE_IGNORE, 0, NULL },
		{ { KA, 3, FRAME_MESSAGE, 0, 0 }, RO, JUDGE_IGNORE, 0, NULL },
		{ { KA, 1, FRAME_CALL, 1, 0 }, RO, JUDGE_REFUSE, RPCE_RPC,
		    "Cannot find program 1801807216 version 1" },

		/* launchers here, the others there */
		{ { OWN, 1, FRAME_CALL_WITH_FDS, 1, 0 }, LAUNCH, JUDGE_CALL,
		    0, NULL },
		{ { OWN, 1, FRAME_CALL, 1, 0 }, LAUNCH, JUDGE_CALL, 0, NULL },
		{ { OWN, 1, FRAME_CALL_WITH_FDS, 1, 0 }, FULL, JUDGE_REFUSE,
		    RPCE_ACCESS_DENIED, "access denied: launch_register is "
		    "for the launch socket only" },
		{ { REM, 3, FRAME_CALL, 1, 0 }, LAUNCH, JUDGE_REFUSE,
		    RPCE_ACCESS_DENIED, "access denied: the launch socket is "
		    "for launchers only, not for virConnectGetType" },
		{ { REM, 1, FRAME_CALL, 1, 0 }, LAUNCH, JUDGE_REFUSE,
		    RPCE_ACCESS_DENIED, NULL },
		{ { OWN, 17, FRAME_CALL, 1, 0 }, RO, JUDGE_CALL, 0, NULL },
		{ { OWN, 16, FRAME_CALL, 1, 0 }, RO, JUDGE_REFUSE,
		    RPCE_OPERATION_DENIED, "operation forbidden: read only "
		    "access prevents guest_log" },
		{ { OWN, 8, FRAME_CALL, 1, 0 }, LAUNCH, JUDGE_REFUSE,
		    RPCE_RPC, "unknown procedure: 8" },

		/* descriptors for a call that takes none */
		{ { REM, 10, FRAME_CALL_WITH_FDS, 1, 0 }, FULL, JUDGE_REFUSE,
		    RPCE_INVALID_ARG, "invalid argument: virDomainCreateXML "
		    "takes no file descriptors" },
	};
	const struct rpc_proc	*proc;
	struct rpc_error	 err;
	char			 text[256];
	size_t			 i;

	for (i = 0; i < nitems(cases); i++) {
		rpc_error_clear(&err);
		ATF_CHECK_EQ_MSG(cases[i].want, rpc_judge(&cases[i].h,
		    cases[i].rights, &proc, &err), "case %zu", i);
		ATF_CHECK_EQ(cases[i].want == JUDGE_CALL, proc != NULL);
		if (proc != NULL)
			ATF_CHECK_EQ(cases[i].h.procedure, proc->number);
		ATF_CHECK_EQ_MSG(cases[i].code, err.code, "case %zu", i);
		if (cases[i].text != NULL)
			ATF_CHECK_STREQ(cases[i].text,
			    rpc_error_text(&err, text, sizeof(text)));
	}
}

ATF_TC_WITHOUT_HEAD(type_names);
ATF_TC_BODY(type_names, tc)
{
	char	 buf[32];

	ATF_CHECK_STREQ("call", frame_type_name(0, buf, sizeof(buf)));
	ATF_CHECK_STREQ("stream hole", frame_type_name(6, buf, sizeof(buf)));
	ATF_CHECK_STREQ("type 7", frame_type_name(7, buf, sizeof(buf)));
	ATF_CHECK_STREQ("type 4294967295", frame_type_name(0xffffffff, buf,
	    sizeof(buf)));
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, header_golden);
	ATF_TP_ADD_TC(tp, encode_limits);
	ATF_TP_ADD_TC(tp, bytewise);
	ATF_TP_ADD_TC(tp, batch);
	ATF_TP_ADD_TC(tp, hostile_lengths);
	ATF_TP_ADD_TC(tp, claims_cost_nothing);
	ATF_TP_ADD_TC(tp, descriptors);
	ATF_TP_ADD_TC(tp, hostile_descriptors);
	ATF_TP_ADD_TC(tp, judge);
	ATF_TP_ADD_TC(tp, type_names);
	return (atf_no_error());
}
