/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/* Buffers, views, queues, and a stream of messages with a foreign header. */

#include <sys/types.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <atf-c.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "imsg/imsg.h"

/* The test's way to see that the far end of a pipe was closed. */
static int
pipe_closed(int rd)
{
	char	 c;

	return (read(rd, &c, 1) == 0);
}

static struct ibuf *
dynamic(size_t len, size_t max)
{
	struct ibuf	*b;

	ATF_REQUIRE((b = ibuf_dynamic(len, max)) != NULL);
	return (b);
}

/* Runs fn in a child and wants it to abort. */
static void
aborts(void (*fn)(void))
{
	struct rlimit	 none = { 0, 0 };
	pid_t		 pid;
	int		 status;

	ATF_REQUIRE((pid = fork()) != -1);
	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &none);
		signal(SIGABRT, SIG_DFL);
		fn();
		_exit(0);
	}
	ATF_REQUIRE_EQ(pid, waitpid(pid, &status, 0));
	ATF_CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

ATF_TC_WITHOUT_HEAD(open_fixed);
ATF_TC_BODY(open_fixed, tc)
{
	struct ibuf	*b;

	ATF_REQUIRE((b = ibuf_open(4)) != NULL);
	ATF_CHECK_EQ(0, ibuf_size(b));
	ATF_CHECK_EQ(4, ibuf_left(b));
	ATF_CHECK_EQ(0, ibuf_add(b, "abc", 3));
	ATF_CHECK_ERRNO(ERANGE, ibuf_add(b, "de", 2) == -1);
	ATF_CHECK_EQ(3, ibuf_size(b));
	ATF_CHECK_EQ(0, ibuf_add(b, "d", 1));
	ATF_CHECK_EQ(0, ibuf_left(b));
	ATF_CHECK_ERRNO(ERANGE, ibuf_add_zero(b, 1) == -1);
	ATF_CHECK_ERRNO(ERANGE, ibuf_add(b, "x", SIZE_MAX) == -1);
	ATF_CHECK_EQ(0, memcmp(ibuf_data(b), "abcd", 4));
	ibuf_free(b);

	ATF_REQUIRE((b = ibuf_open(0)) != NULL);
	ATF_CHECK_EQ(0, ibuf_left(b));
	ATF_CHECK_EQ(0, ibuf_add(b, NULL, 0));
	ATF_CHECK(ibuf_reserve(b, 0) != NULL);
	ATF_CHECK_ERRNO(ERANGE, ibuf_reserve(b, 1) == NULL);
	ibuf_free(b);
}

ATF_TC_WITHOUT_HEAD(open_dynamic);
ATF_TC_BODY(open_dynamic, tc)
{
	struct ibuf	*b;
	size_t		 i;

	ATF_CHECK_ERRNO(EINVAL, ibuf_dynamic(2, 1) == NULL);
	ATF_CHECK_ERRNO(EINVAL, ibuf_dynamic(0, 0) == NULL);

	b = dynamic(0, 1000);
	for (i = 0; i < 1000; i++)
		ATF_REQUIRE_EQ(0, ibuf_add_n8(b, i & 0xff));
	ATF_CHECK_ERRNO(ERANGE, ibuf_add_n8(b, 0) == -1);
	ATF_CHECK_EQ(1000, ibuf_size(b));
	for (i = 0; i < 1000; i++)
		ATF_REQUIRE_EQ(i & 0xff, ((uint8_t *)ibuf_data(b))[i]);
	ibuf_free(b);

	/* no overflow where max is all there is */
	b = dynamic(3, SIZE_MAX);
	ATF_CHECK_EQ(0, ibuf_add(b, "abcd", 4));
	ATF_CHECK_ERRNO(ERANGE, ibuf_add_zero(b, SIZE_MAX) == -1);
	ATF_CHECK_EQ(4, ibuf_size(b));
	ibuf_free(b);
}

ATF_TC_WITHOUT_HEAD(numbers);
ATF_TC_BODY(numbers, tc)
{
	static const uint8_t	 net[] = { 0x01, 0x02, 0x03, 0x04, 0x05, 0x06,
	    0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f };
	struct ibuf		*b;
	uint8_t			 n8;
	uint16_t		 n16, h16 = 0x1122;
	uint32_t		 n32, h32 = 0x11223344;
	uint64_t		 n64, h64 = 0x1122334455667788ULL;
	size_t			 i;

	b = dynamic(1, 100);
	ATF_CHECK_EQ(0, ibuf_add_n8(b, 0x01));
	ATF_CHECK_EQ(0, ibuf_add_n16(b, 0x0203));
	ATF_CHECK_EQ(0, ibuf_add_n32(b, 0x04050607));
	ATF_CHECK_EQ(0, ibuf_add_n64(b, 0x08090a0b0c0d0e0fULL));
	ATF_CHECK_EQ(sizeof(net), ibuf_size(b));
	ATF_CHECK_EQ(0, memcmp(net, ibuf_data(b), sizeof(net)));
	ATF_CHECK_EQ(0, ibuf_add_h16(b, h16));
	ATF_CHECK_EQ(0, ibuf_add_h32(b, h32));
	ATF_CHECK_EQ(0, ibuf_add_h64(b, h64));
	ATF_CHECK_EQ(0, memcmp((char *)ibuf_data(b) + 15, &h16, 2));
	ATF_CHECK_EQ(0, memcmp((char *)ibuf_data(b) + 17, &h32, 4));
	ATF_CHECK_EQ(0, memcmp((char *)ibuf_data(b) + 21, &h64, 8));

	/* too large for the width: nothing is added */
	ATF_CHECK_ERRNO(EINVAL, ibuf_add_n8(b, 0x100) == -1);
	ATF_CHECK_ERRNO(EINVAL, ibuf_add_n16(b, 0x10000) == -1);
	ATF_CHECK_ERRNO(EINVAL, ibuf_add_n32(b, 0x100000000ULL) == -1);
	ATF_CHECK_ERRNO(EINVAL, ibuf_add_h16(b, UINT64_MAX) == -1);
	ATF_CHECK_ERRNO(EINVAL, ibuf_add_h32(b, 0x100000000ULL) == -1);
	ATF_CHECK_EQ(29, ibuf_size(b));

	ATF_CHECK_EQ(0, ibuf_get_n8(b, &n8));
	ATF_CHECK_EQ(0, ibuf_get_n16(b, &n16));
	ATF_CHECK_EQ(0, ibuf_get_n32(b, &n32));
	ATF_CHECK_EQ(0, ibuf_get_n64(b, &n64));
	ATF_CHECK_EQ(0x01, n8);
	ATF_CHECK_EQ(0x0203, n16);
	ATF_CHECK_EQ(0x04050607, n32);
	ATF_CHECK_EQ(0x08090a0b0c0d0e0fULL, n64);
	ATF_CHECK_EQ(0, ibuf_get_h16(b, &n16));
	ATF_CHECK_EQ(0, ibuf_get_h32(b, &n32));
	ATF_CHECK_EQ(0, ibuf_get_h64(b, &n64));
	ATF_CHECK_EQ(h16, n16);
	ATF_CHECK_EQ(h32, n32);
	ATF_CHECK_EQ(h64, n64);
	ATF_CHECK_EQ(0, ibuf_size(b));

	/* one byte short: refused, and nothing is consumed */
	for (i = 0; i < 8; i++) {
		ATF_REQUIRE_EQ(0, ibuf_truncate(b, 0));
		ATF_REQUIRE_EQ(0, ibuf_add_zero(b, i));
		if (i < 1)
			ATF_CHECK_ERRNO(EBADMSG, ibuf_get_n8(b, &n8) == -1);
		if (i < 2) {
			ATF_CHECK_ERRNO(EBADMSG, ibuf_get_n16(b, &n16) == -1);
			ATF_CHECK_ERRNO(EBADMSG, ibuf_get_h16(b, &n16) == -1);
		}
		if (i < 4) {
			ATF_CHECK_ERRNO(EBADMSG, ibuf_get_n32(b, &n32) == -1);
			ATF_CHECK_ERRNO(EBADMSG, ibuf_get_h32(b, &n32) == -1);
		}
		ATF_CHECK_ERRNO(EBADMSG, ibuf_get_n64(b, &n64) == -1);
		ATF_CHECK_ERRNO(EBADMSG, ibuf_get_h64(b, &n64) == -1);
		ATF_CHECK_EQ(i, ibuf_size(b));
	}
	ibuf_free(b);
}

ATF_TC_WITHOUT_HEAD(set);
ATF_TC_BODY(set, tc)
{
	static const uint8_t	 want[] = { 0x01, 0x02, 0x03, 0x04, 0x05, 0x06,
	    0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 'x', 'y' };
	struct ibuf		*b;
	uint16_t		 h16 = 0xa1a2;
	uint32_t		 h32 = 0xb1b2b3b4;
	uint64_t		 h64 = 0xc1c2c3c4c5c6c7c8ULL;

	b = dynamic(0, 100);
	ATF_REQUIRE(ibuf_reserve(b, 18) != NULL);
	ATF_REQUIRE_EQ(0, ibuf_skip(b, 1));	/* positions begin here */
	ATF_CHECK_EQ(0, ibuf_set_n8(b, 0, 0x01));
	ATF_CHECK_EQ(0, ibuf_set_n16(b, 1, 0x0203));
	ATF_CHECK_EQ(0, ibuf_set_n32(b, 3, 0x04050607));
	ATF_CHECK_EQ(0, ibuf_set_n64(b, 7, 0x08090a0b0c0d0e0fULL));
	ATF_CHECK_EQ(0, ibuf_set(b, 15, "xy", 2));
	ATF_CHECK_EQ(0, memcmp(want, ibuf_data(b), sizeof(want)));

	ATF_CHECK_ERRNO(ERANGE, ibuf_set(b, 16, "zz", 2) == -1);
	ATF_CHECK_ERRNO(ERANGE, ibuf_set(b, 18, NULL, 0) == -1);
	ATF_CHECK_EQ(0, ibuf_set(b, 17, NULL, 0));
	ATF_CHECK_ERRNO(ERANGE, ibuf_set(b, SIZE_MAX, "z", 1) == -1);
	ATF_CHECK_ERRNO(ERANGE, ibuf_set(b, 1, "z", SIZE_MAX) == -1);
	ATF_CHECK_ERRNO(ERANGE, ibuf_set_n8(b, 17, 0) == -1);
	ATF_CHECK_ERRNO(ERANGE, ibuf_set_n64(b, 10, 0) == -1);
	ATF_CHECK_ERRNO(EINVAL, ibuf_set_n8(b, 0, 0x100) == -1);
	ATF_CHECK_ERRNO(EINVAL, ibuf_set_h32(b, 0, UINT64_MAX) == -1);
	ATF_CHECK_EQ(0, memcmp(want, ibuf_data(b), sizeof(want)));
	ATF_CHECK_EQ(sizeof(want), ibuf_size(b));

	ATF_CHECK_EQ(0, ibuf_set_h16(b, 0, h16));
	ATF_CHECK_EQ(0, ibuf_set_h32(b, 2, h32));
	ATF_CHECK_EQ(0, ibuf_set_h64(b, 6, h64));
	ATF_CHECK_EQ(0, memcmp(ibuf_seek(b, 0, 2), &h16, 2));
	ATF_CHECK_EQ(0, memcmp(ibuf_seek(b, 2, 4), &h32, 4));
	ATF_CHECK_EQ(0, memcmp(ibuf_seek(b, 6, 8), &h64, 8));

	ATF_CHECK_EQ((char *)ibuf_data(b) + 3, ibuf_seek(b, 3, 14));
	ATF_CHECK_ERRNO(ERANGE, ibuf_seek(b, 3, 15) == NULL);
	ibuf_free(b);
}

ATF_TC_WITHOUT_HEAD(truncate);
ATF_TC_BODY(truncate, tc)
{
	struct ibuf	*b;

	b = dynamic(0, 8);
	ATF_REQUIRE_EQ(0, ibuf_add(b, "abcdef", 6));
	ATF_REQUIRE_EQ(0, ibuf_skip(b, 1));
	ATF_CHECK_EQ(0, ibuf_truncate(b, 2));
	ATF_CHECK_EQ(2, ibuf_size(b));
	ATF_CHECK_EQ(0, memcmp("bc", ibuf_data(b), 2));
	/* what was cut does not come back */
	ATF_CHECK_EQ(0, ibuf_truncate(b, 7));
	ATF_CHECK_EQ(0, memcmp("bc\0\0\0\0", ibuf_data(b), 7));
	ATF_CHECK_ERRNO(ERANGE, ibuf_truncate(b, 8) == -1);
	ATF_CHECK_EQ(7, ibuf_size(b));
	ATF_CHECK_EQ(0, ibuf_truncate(b, 0));
	ATF_CHECK_EQ(0, ibuf_add(b, "z", 1));
	ATF_CHECK_EQ(0, memcmp(ibuf_reserve(b, 4), "\0\0\0", 4));
	ibuf_free(b);
}

ATF_TC_WITHOUT_HEAD(maxsize);
ATF_TC_BODY(maxsize, tc)
{
	struct ibuf	*b, v;

	b = dynamic(2, 10);
	ATF_REQUIRE_EQ(0, ibuf_add(b, "abcd", 4));
	ATF_CHECK_ERRNO(ERANGE, ibuf_set_maxsize(b, 11) == -1);
	ATF_CHECK_ERRNO(ERANGE, ibuf_set_maxsize(b, 3) == -1);
	ATF_CHECK_EQ(6, ibuf_left(b));
	ATF_CHECK_EQ(0, ibuf_set_maxsize(b, 5));
	ATF_CHECK_EQ(1, ibuf_left(b));
	ATF_CHECK_ERRNO(ERANGE, ibuf_add(b, "ef", 2) == -1);
	ATF_CHECK_EQ(0, ibuf_add(b, "e", 1));
	ATF_CHECK_ERRNO(ERANGE, ibuf_set_maxsize(b, 10) == -1);
	ibuf_from_ibuf(&v, b);
	ATF_CHECK_ERRNO(EINVAL, ibuf_set_maxsize(&v, 5) == -1);
	ibuf_free(b);
}

ATF_TC_WITHOUT_HEAD(add_ibuf);
ATF_TC_BODY(add_ibuf, tc)
{
	struct ibuf	*a, *b;

	a = dynamic(0, 10);
	b = dynamic(0, 4);
	ATF_REQUIRE_EQ(0, ibuf_add(a, "abcdef", 6));
	ATF_REQUIRE_EQ(0, ibuf_skip(a, 1));
	ATF_CHECK_ERRNO(ERANGE, ibuf_add_ibuf(b, a) == -1);
	ATF_CHECK_EQ(0, ibuf_size(b));
	ATF_REQUIRE_EQ(0, ibuf_skip(a, 1));
	ATF_CHECK_EQ(0, ibuf_add_ibuf(b, a));
	ATF_CHECK_EQ(4, ibuf_size(a));
	ATF_CHECK_EQ(4, ibuf_size(b));
	ATF_CHECK_EQ(0, memcmp("cdef", ibuf_data(b), 4));
	ibuf_free(a);
	ibuf_free(b);
}

ATF_TC_WITHOUT_HEAD(strings);
ATF_TC_BODY(strings, tc)
{
	struct ibuf	*b;
	char		 field[6], *s;

	b = dynamic(0, 64);
	ATF_CHECK_ERRNO(EOVERFLOW, ibuf_add_strbuf(b, "sixsix", 6) == -1);
	ATF_CHECK_ERRNO(EOVERFLOW, ibuf_add_strbuf(b, "", 0) == -1);
	ATF_CHECK_EQ(0, ibuf_size(b));
	ATF_CHECK_EQ(0, ibuf_add_strbuf(b, "fives", 6));
	ATF_CHECK_EQ(0, ibuf_add_strbuf(b, "a", 6));
	ATF_CHECK_EQ(0, memcmp("fives\0a\0\0\0\0", ibuf_data(b), 12));

	ATF_CHECK_ERRNO(EINVAL, ibuf_get_strbuf(b, field, 0) == -1);
	ATF_CHECK_EQ(0, ibuf_get_strbuf(b, field, 6));
	ATF_CHECK_STREQ("fives", field);
	ATF_CHECK_EQ(0, ibuf_get_strbuf(b, field, 6));
	ATF_CHECK_EQ(0, memcmp("a\0\0\0\0", field, 6));
	ATF_CHECK_ERRNO(EBADMSG, ibuf_get_strbuf(b, field, 6) == -1);

	/* no NUL: refused, not consumed, and what is left is a string */
	ATF_CHECK_EQ(0, ibuf_add(b, "sixsix", 6));
	ATF_CHECK_ERRNO(EOVERFLOW, ibuf_get_strbuf(b, field, 6) == -1);
	ATF_CHECK_STREQ("", field);
	ATF_CHECK_EQ(6, ibuf_size(b));

	/* what a sender left behind the NUL is not passed on */
	ATF_CHECK_EQ(0, ibuf_set(b, 0, "ab\0xyz", 6));
	ATF_CHECK_EQ(0, ibuf_get_strbuf(b, field, 6));
	ATF_CHECK_EQ(0, memcmp("ab\0\0\0", field, 6));

	ATF_CHECK_EQ(0, ibuf_add(b, "hello\0you", 9));
	ATF_CHECK_ERRNO(EBADMSG, ibuf_get_string(b, 10) == NULL);
	ATF_REQUIRE((s = ibuf_get_string(b, 0)) != NULL);
	ATF_CHECK_STREQ("", s);
	free(s);
	ATF_REQUIRE((s = ibuf_get_string(b, 4)) != NULL);
	ATF_CHECK_STREQ("hell", s);
	free(s);
	ATF_REQUIRE((s = ibuf_get_string(b, 5)) != NULL);
	ATF_CHECK_STREQ("o", s);		/* and that is short */
	ATF_CHECK_EQ(0, ibuf_size(b));
	free(s);
	ibuf_free(b);
}

ATF_TC_WITHOUT_HEAD(views);
ATF_TC_BODY(views, tc)
{
	struct ibuf	*b, v, part;
	char		 mem[] = "0123456789", got[4];

	ibuf_from_buffer(&v, mem, 10);
	ATF_CHECK_EQ(10, ibuf_size(&v));
	ATF_CHECK_EQ(0, ibuf_left(&v));
	ATF_CHECK_EQ((void *)mem, ibuf_data(&v));
	ATF_CHECK_EQ(0, ibuf_get(&v, got, 4));
	ATF_CHECK_EQ(0, memcmp("0123", got, 4));
	ATF_CHECK_EQ(0, ibuf_get_ibuf(&v, 3, &part));
	ATF_CHECK_EQ(3, ibuf_size(&part));
	ATF_CHECK_EQ(0, memcmp("456", ibuf_data(&part), 3));
	ATF_CHECK_ERRNO(EBADMSG, ibuf_get_ibuf(&v, 4, &part) == -1);
	ATF_CHECK_ERRNO(EBADMSG, ibuf_skip(&v, 4) == -1);
	ATF_CHECK_ERRNO(EBADMSG, ibuf_get(&v, got, SIZE_MAX) == -1);
	ATF_CHECK_EQ(3, ibuf_size(&v));
	ATF_CHECK_EQ(0, ibuf_skip(&v, 3));
	ATF_CHECK_EQ(0, ibuf_get(&v, NULL, 0));
	ATF_CHECK_EQ(0, ibuf_size(&v));

	/* the part ends where it ends, also if read again */
	ATF_CHECK_EQ(0, ibuf_skip(&part, 3));
	ATF_CHECK_ERRNO(EBADMSG, ibuf_skip(&part, 1) == -1);
	ibuf_rewind(&part);
	ATF_CHECK_EQ(3, ibuf_size(&part));
	ibuf_rewind(&v);
	ATF_CHECK_EQ(10, ibuf_size(&v));

	/* a view never grows, not even into what was cut from it */
	ATF_CHECK_ERRNO(ERANGE, ibuf_add(&v, "x", 1) == -1);
	ATF_CHECK_EQ(0, ibuf_truncate(&v, 5));
	ATF_CHECK_EQ(0, ibuf_left(&v));
	ATF_CHECK_ERRNO(ERANGE, ibuf_add_n8(&v, 1) == -1);
	ATF_CHECK_ERRNO(ERANGE, ibuf_truncate(&v, 6) == -1);
	ATF_CHECK_STREQ("0123456789", mem);

	ibuf_from_buffer(&v, NULL, 0);
	ATF_CHECK_EQ(0, ibuf_size(&v));
	ATF_CHECK_ERRNO(EBADMSG, ibuf_skip(&v, 1) == -1);
	ATF_CHECK_EQ(-1, ibuf_fd_get(&v));
	ATF_CHECK(!ibuf_fd_avail(&v));

	b = dynamic(0, 20);
	ATF_REQUIRE_EQ(0, ibuf_add(b, "abcdef", 6));
	ATF_REQUIRE_EQ(0, ibuf_skip(b, 2));
	ibuf_from_ibuf(&v, b);
	ATF_CHECK_EQ(0, ibuf_skip(&v, 1));
	ATF_CHECK_EQ(0, memcmp("def", ibuf_data(&v), 3));
	ATF_CHECK_EQ(4, ibuf_size(b));
	ibuf_rewind(&v);
	ATF_CHECK_EQ(4, ibuf_size(&v));
	ibuf_rewind(b);
	ATF_CHECK_EQ(6, ibuf_size(b));
	ibuf_free(b);
}

static void
free_view(void)
{
	struct ibuf	 v;
	char		 c;

	ibuf_from_buffer(&v, &c, 1);
	ibuf_free(&v);
}

static void
close_view(void)
{
	struct ibuf	 v;
	char		 c;

	ibuf_from_buffer(&v, &c, 1);
	ibuf_close(msgbuf_new(), &v);
}

static void
fd_view(void)
{
	struct ibuf	 v;
	char		 c;

	ibuf_from_buffer(&v, &c, 1);
	ibuf_fd_set(&v, 0);
}

ATF_TC_WITHOUT_HEAD(view_aborts);
ATF_TC_BODY(view_aborts, tc)
{
	aborts(free_view);
	aborts(close_view);
	aborts(fd_view);
}

ATF_TC_WITHOUT_HEAD(descriptors);
ATF_TC_BODY(descriptors, tc)
{
	struct ibuf	*b;
	int		 p[2], q[2], fd;

	ATF_REQUIRE_EQ(0, pipe2(p, O_CLOEXEC));
	ATF_REQUIRE_EQ(0, pipe2(q, O_CLOEXEC));
	b = dynamic(1, 1);
	ATF_CHECK(!ibuf_fd_avail(b));
	ATF_CHECK_EQ(-1, ibuf_fd_get(b));
	ibuf_fd_set(b, p[1]);
	ATF_CHECK(ibuf_fd_avail(b));
	ibuf_fd_set(b, q[1]);			/* closes the first */
	ATF_CHECK(pipe_closed(p[0]));
	ATF_CHECK_EQ(q[1], ibuf_fd_get(b));
	ATF_CHECK(!ibuf_fd_avail(b));
	ATF_CHECK_EQ(-1, ibuf_fd_get(b));
	fd = dup(q[1]);
	ibuf_fd_set(b, fd);
	ibuf_fd_set(b, -1);
	ATF_CHECK_ERRNO(EBADF, fcntl(fd, F_GETFD) == -1);
	ibuf_fd_set(b, q[1]);
	errno = ENOTTY;
	ibuf_free(b);
	ATF_CHECK_EQ(ENOTTY, errno);
	ATF_CHECK(pipe_closed(q[0]));
	b = dynamic(1, 1);
	ibuf_fd_set(b, fd);			/* closed long ago */
	errno = ENOTTY;
	ibuf_free(b);
	ATF_CHECK_EQ(ENOTTY, errno);
	errno = ENOTTY;
	ibuf_free(NULL);
	ATF_CHECK_EQ(ENOTTY, errno);
	close(p[0]);
	close(q[0]);
}

ATF_TC_WITHOUT_HEAD(queues);
ATF_TC_BODY(queues, tc)
{
	struct ibufqueue	*q, *r;
	struct msgbuf		*mb;
	struct ibuf		*b;
	uint8_t			 i, n;

	ATF_REQUIRE((q = ibufq_new()) != NULL);
	ATF_REQUIRE((r = ibufq_new()) != NULL);
	ATF_REQUIRE((mb = msgbuf_new()) != NULL);
	ATF_CHECK(ibufq_pop(q) == NULL);
	for (i = 0; i < 6; i++) {
		b = dynamic(0, 1);
		ATF_REQUIRE_EQ(0, ibuf_add_n8(b, i));
		ibufq_push(i < 3 ? q : r, b);
	}
	ATF_CHECK_EQ(3, ibufq_queuelen(q));
	ibufq_concat(q, r);
	ATF_CHECK_EQ(6, ibufq_queuelen(q));
	ATF_CHECK_EQ(0, ibufq_queuelen(r));
	ATF_CHECK(ibufq_pop(r) == NULL);
	ibufq_concat(q, r);			/* of nothing */
	for (i = 0; i < 2; i++) {
		ATF_REQUIRE((b = ibufq_pop(q)) != NULL);
		ATF_CHECK_EQ(0, ibuf_get_n8(b, &n));
		ATF_CHECK_EQ(i, n);
		ibuf_free(b);
	}
	ATF_CHECK_EQ(4, ibufq_queuelen(q));
	msgbuf_concat(mb, q);
	ATF_CHECK_EQ(4, msgbuf_queuelen(mb));
	ATF_CHECK_EQ(0, ibufq_queuelen(q));
	ATF_CHECK(msgbuf_get(mb) == NULL);	/* these go the other way */
	msgbuf_clear(mb);
	ATF_CHECK_EQ(0, msgbuf_queuelen(mb));
	ibufq_push(q, dynamic(1, 1));
	ibufq_flush(q);
	ATF_CHECK_EQ(0, ibufq_queuelen(q));
	ibufq_push(q, dynamic(1, 1));
	ibufq_free(q);
	ibufq_free(r);
	ibufq_free(NULL);
	ibuf_close(mb, dynamic(1, 1));
	msgbuf_free(mb);
	msgbuf_free(NULL);
}

/* A header of one byte: how long the message is, with it; 0 is an error. */
static struct ibuf *
short_header(struct ibuf *hdr, void *arg, int *fd)
{
	int	*calls = arg;
	uint8_t	 len;

	(*calls)++;
	ATF_CHECK_EQ(1, ibuf_size(hdr));
	ATF_REQUIRE_EQ(0, ibuf_get_n8(hdr, &len));
	if (len == 0) {
		errno = EPROTO;
		return (NULL);
	}
	if (len == 255)				/* smaller than the header */
		return (ibuf_open(0));
	return (ibuf_open(len));
}

ATF_TC_WITHOUT_HEAD(reader);
ATF_TC_BODY(reader, tc)
{
	struct msgbuf	*mb;
	struct ibuf	*b;
	int		 p[2], calls = 0;

	ATF_CHECK_ERRNO(EINVAL,
	    msgbuf_new_reader(0, short_header, &calls) == NULL);
	ATF_CHECK_ERRNO(EINVAL, msgbuf_new_reader(IBUF_READ_SIZE + 1,
	    short_header, &calls) == NULL);
	ATF_REQUIRE((mb = msgbuf_new_reader(1, short_header, &calls)) != NULL);
	ATF_REQUIRE_EQ(0, pipe2(p, O_CLOEXEC | O_NONBLOCK));

	/* a pipe will do */
	ATF_CHECK_EQ(1, ibuf_read(p[0], mb));	/* EAGAIN */
	ATF_REQUIRE_EQ(7, write(p[1], "\003ab\001\003xy", 7));
	ATF_CHECK_EQ(1, ibuf_read(p[0], mb));
	ATF_CHECK_EQ(3, calls);
	ATF_REQUIRE((b = msgbuf_get(mb)) != NULL);
	ATF_CHECK_EQ(3, ibuf_size(b));
	ATF_CHECK_EQ(0, memcmp("\003ab", ibuf_data(b), 3));
	ATF_CHECK_EQ(0, ibuf_left(b));
	ibuf_free(b);
	ATF_REQUIRE((b = msgbuf_get(mb)) != NULL);
	ATF_CHECK_EQ(1, ibuf_size(b));
	ibuf_free(b);

	/* clear drops what is complete and what is not */
	ATF_REQUIRE_EQ(2, write(p[1], "\003a", 2));
	ATF_CHECK_EQ(1, ibuf_read(p[0], mb));
	msgbuf_clear(mb);
	errno = ENOTTY;
	ATF_CHECK(msgbuf_get(mb) == NULL);
	ATF_CHECK_EQ(ENOTTY, errno);

	/* readhdr's errno is passed on, and reading has ended */
	ATF_REQUIRE_EQ(3, write(p[1], "\001\000\001", 3));
	ATF_CHECK_ERRNO(EPROTO, ibuf_read(p[0], mb) == -1);
	ATF_REQUIRE_EQ(1, write(p[1], "\001", 1));
	ATF_CHECK_ERRNO(EPROTO, ibuf_read(p[0], mb) == -1);
	ATF_REQUIRE((b = msgbuf_get(mb)) != NULL);
	ibuf_free(b);
	ATF_CHECK_ERRNO(EPROTO, msgbuf_get(mb) == NULL);
	msgbuf_clear(mb);
	ATF_CHECK_EQ(1, ibuf_read(p[0], mb));
	ATF_REQUIRE((b = msgbuf_get(mb)) != NULL);
	ibuf_free(b);

	ATF_REQUIRE_EQ(1, write(p[1], "\377", 1));
	ATF_CHECK_ERRNO(ERANGE, ibuf_read(p[0], mb) == -1);
	msgbuf_clear(mb);

	ATF_CHECK_ERRNO(ENOTSOCK, msgbuf_read(p[0], mb) == -1);
	close(p[1]);
	ATF_CHECK_EQ(0, ibuf_read(p[0], mb));
	close(p[0]);
	ATF_CHECK_ERRNO(EBADF, ibuf_read(p[0], mb) == -1);
	msgbuf_free(mb);

	ATF_REQUIRE((mb = msgbuf_new()) != NULL);
	ATF_CHECK_ERRNO(EINVAL, ibuf_read(0, mb) == -1);
	ATF_CHECK_ERRNO(EINVAL, msgbuf_read(0, mb) == -1);
	msgbuf_free(mb);
}

ATF_TC_WITHOUT_HEAD(writer);
ATF_TC_BODY(writer, tc)
{
	struct msgbuf	*mb;
	struct ibuf	*b;
	char		 got[16];
	int		 p[2], s[2];

	ATF_REQUIRE((mb = msgbuf_new()) != NULL);
	ATF_REQUIRE_EQ(0, pipe2(p, O_CLOEXEC | O_NONBLOCK));
	ATF_REQUIRE_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC |
	    SOCK_NONBLOCK, 0, s));

	ATF_CHECK_EQ(0, ibuf_write(p[1], mb));	/* nothing to do */

	/* to a pipe; empty ones in between; only what is unread */
	ibuf_close(mb, dynamic(1, 1));
	b = dynamic(0, 5);
	ATF_REQUIRE_EQ(0, ibuf_add(b, "xab", 3));
	ATF_REQUIRE_EQ(0, ibuf_skip(b, 1));
	ibuf_close(mb, b);
	ibuf_close(mb, dynamic(1, 1));
	b = dynamic(0, 5);
	ATF_REQUIRE_EQ(0, ibuf_add(b, "cd", 2));
	ibuf_close(mb, b);
	ibuf_close(mb, dynamic(1, 1));
	ATF_CHECK_EQ(5, msgbuf_queuelen(mb));
	ATF_CHECK_ERRNO(ENOTSOCK, msgbuf_write(p[1], mb) == -1);
	ATF_CHECK_EQ(0, ibuf_write(p[1], mb));
	ATF_CHECK_EQ(0, msgbuf_queuelen(mb));
	ATF_CHECK_EQ(4, read(p[0], got, sizeof(got)));
	ATF_CHECK_EQ(0, memcmp("abcd", got, 4));

	/* a full pipe is no error */
	ATF_REQUIRE((b = ibuf_open(1024 * 1024)) != NULL);
	ATF_REQUIRE_EQ(0, ibuf_add_zero(b, 1024 * 1024));
	ibuf_close(mb, b);
	ATF_CHECK_EQ(0, ibuf_write(p[1], mb));
	ATF_CHECK_EQ(0, ibuf_write(p[1], mb));
	ATF_CHECK_EQ(1, msgbuf_queuelen(mb));
	msgbuf_clear(mb);

	/* a descriptor is never dropped on the way */
	b = dynamic(0, 1);
	ATF_REQUIRE_EQ(0, ibuf_add(b, "e", 1));
	ibuf_fd_set(b, dup(p[0]));
	ibuf_close(mb, b);
	ATF_CHECK_ERRNO(EPERM, ibuf_write(s[0], mb) == -1);
	ATF_CHECK_EQ(1, msgbuf_queuelen(mb));
	ATF_CHECK_EQ(0, msgbuf_write(s[0], mb));
	ATF_CHECK_EQ(0, msgbuf_queuelen(mb));

	/* empty ones in front of it are no write of their own */
	ibuf_close(mb, dynamic(1, 1));
	b = dynamic(0, 1);
	ATF_REQUIRE_EQ(0, ibuf_add(b, "f", 1));
	ibuf_fd_set(b, dup(p[0]));
	ibuf_close(mb, b);
	ATF_CHECK_EQ(0, msgbuf_write(s[0], mb));
	ATF_CHECK_EQ(0, msgbuf_queuelen(mb));

	/* nor sent without a byte to go with */
	b = dynamic(0, 1);
	ibuf_fd_set(b, dup(p[0]));
	ibuf_close(mb, b);
	ATF_CHECK_ERRNO(EINVAL, msgbuf_write(s[0], mb) == -1);
	msgbuf_free(mb);
	close(p[0]);
	close(p[1]);
	close(s[0]);
	close(s[1]);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, open_fixed);
	ATF_TP_ADD_TC(tp, open_dynamic);
	ATF_TP_ADD_TC(tp, numbers);
	ATF_TP_ADD_TC(tp, set);
	ATF_TP_ADD_TC(tp, truncate);
	ATF_TP_ADD_TC(tp, maxsize);
	ATF_TP_ADD_TC(tp, add_ibuf);
	ATF_TP_ADD_TC(tp, strings);
	ATF_TP_ADD_TC(tp, views);
	ATF_TP_ADD_TC(tp, view_aborts);
	ATF_TP_ADD_TC(tp, descriptors);
	ATF_TP_ADD_TC(tp, queues);
	ATF_TP_ADD_TC(tp, reader);
	ATF_TP_ADD_TC(tp, writer);
	return (atf_no_error());
}
