/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * The output queue of netd: whatever is put in, in whatever pieces, comes out
 * in order, through a socket that takes as much as it likes.
 */

#include <sys/types.h>
#include <sys/socket.h>

#include <atf-c.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "imsg/chan.h"
#include "netd/outq.h"

#define TOTAL	(4 * 1024 * 1024)

static char	 data[TOTAL], got[TOTAL];

static int
add(struct outq *q, const char *p, size_t len, int mapped)
{
	const char	*map;
	size_t		 n;
	int		 fd;

	if (!mapped || len == 0)
		return (outq_add(q, p, len));
	ATF_REQUIRE((fd = body_seal(p, len)) != -1);
	ATF_REQUIRE_EQ(0, body_map(fd, len, &map, &n));
	return (outq_map(q, map, n));
}

ATF_TC_WITHOUT_HEAD(in_order);
ATF_TC_BODY(in_order, tc)
{
	struct outq	 q;
	size_t		 in = 0, out = 0, n;
	ssize_t		 r;
	int		 sv[2], small = 4096;

	ATF_REQUIRE_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0,
	    sv));
	setsockopt(sv[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	srandom(1);
	for (n = 0; n < TOTAL; n++)
		data[n] = random();
	outq_init(&q);
	while (out < TOTAL) {
		/* some short ones, rarely a long one */
		n = random() % 10 ? random() % 100 : random() % 100000;
		if (n > TOTAL - in)
			n = TOTAL - in;
		ATF_REQUIRE_EQ(0, add(&q, data + in, n, random() % 4 == 0));
		in += n;
		if (random() % 3 && in < TOTAL)
			continue;
		r = outq_write(&q, sv[0]);
		ATF_REQUIRE(r >= 0);
		while ((r = read(sv[1], got + out, random() % 20000 + 1)) > 0)
			out += r;
		ATF_REQUIRE(r == -1 && errno == EAGAIN);
		ATF_REQUIRE_EQ(in - out, q.len);
	}
	ATF_CHECK_EQ(0, memcmp(data, got, TOTAL));
	ATF_CHECK_EQ(0, outq_write(&q, sv[0]));
	close(sv[0]);
	close(sv[1]);
}

ATF_TC_WITHOUT_HEAD(full_and_closed);
ATF_TC_BODY(full_and_closed, tc)
{
	struct outq	 q;
	size_t		 before;
	int		 sv[2];

	ATF_REQUIRE_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0,
	    sv));
	outq_init(&q);
	ATF_REQUIRE_EQ(0, add(&q, data, TOTAL, 1));
	ATF_REQUIRE_EQ(0, add(&q, data, TOTAL, 0));
	while (outq_write(&q, sv[0]) > 0)
		;
	/* no room: nothing is lost */
	before = q.len;
	ATF_CHECK_EQ(0, outq_write(&q, sv[0]));
	ATF_CHECK_EQ(before, q.len);
	close(sv[1]);
	ATF_CHECK_EQ(-1, outq_write(&q, sv[0]));
	ATF_CHECK_EQ(EPIPE, errno);
	outq_clear(&q);
	ATF_CHECK_EQ(0, q.len);
	ATF_CHECK_EQ(0, outq_write(&q, sv[0]));
	close(sv[0]);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, in_order);
	ATF_TP_ADD_TC(tp, full_and_closed);
	return (atf_no_error());
}
