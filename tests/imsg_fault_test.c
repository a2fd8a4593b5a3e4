/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * What does not happen by itself in a test: memory that runs out at any
 * place, sockets that take or give a byte at a time, interrupts, a kernel
 * without buffers.  The module is compiled in here, with the functions that
 * fail replaced.
 */

#include <sys/types.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <atf-c.h>
#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "imsg/imsg.h"

static size_t	 allocs_left = SIZE_MAX;	/* then one fails */
static size_t	 io_max = SIZE_MAX;		/* bytes per call */
static int	 io_errno;			/* the next call fails so */
static size_t	 fds_sent;
static size_t	 wiped;				/* bytes, by freezero */
static int	 send_flags, recv_flags;

static int	 alloc_fails(void);
static ssize_t	 io_sendmsg(int, const struct msghdr *, int);
static ssize_t	 io_recvmsg(int, struct msghdr *, int);

#define calloc(n, s)		(alloc_fails() ? NULL : calloc(n, s))
#define strndup(s, n)		(alloc_fails() ? NULL : strndup(s, n))
#define recallocarray(p, o, n, s) \
	(alloc_fails() ? NULL : recallocarray(p, o, n, s))
#define freezero(p, n)		(wiped += (n), freezero(p, n))
#define sendmsg(fd, m, f)	io_sendmsg(fd, m, f)
#define recvmsg(fd, m, f)	io_recvmsg(fd, m, f)

#include "imsg/imsg-buffer.c"
#include "imsg/msgbuf.c"
#include "imsg/imsg.c"

#undef calloc
#undef strndup
#undef recallocarray
#undef freezero
#undef sendmsg
#undef recvmsg

static int
alloc_fails(void)
{
	if (allocs_left-- != 0)
		return (0);
	errno = ENOMEM;
	return (1);
}

static int
io_fails(void)
{
	if (io_errno == 0)
		return (0);
	errno = io_errno;
	io_errno = 0;
	return (1);
}

/* Cuts the iovec so that the call moves io_max bytes at most. */
static void
io_cut(struct iovec *iov, size_t *n)
{
	size_t	 i, left = io_max;

	for (i = 0; i < *n && left > 0; i++) {
		if (iov[i].iov_len > left)
			iov[i].iov_len = left;
		left -= iov[i].iov_len;
	}
	*n = i;
}

static ssize_t
io_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	struct msghdr	 m = *msg;
	ssize_t		 n;

	if (io_fails())
		return (-1);
	send_flags = flags;
	io_cut(m.msg_iov, &m.msg_iovlen);
	if ((n = sendmsg(fd, &m, flags)) > 0 && m.msg_controllen > 0)
		fds_sent++;
	return (n);
}

static ssize_t
io_recvmsg(int fd, struct msghdr *m, int flags)
{
	if (io_fails())
		return (-1);
	recv_flags = flags;
	io_cut(m->msg_iov, &m->msg_iovlen);
	return (recvmsg(fd, m, flags));
}

static void
setup(int *sv, struct imsgbuf *a, struct imsgbuf *b)
{
	ATF_REQUIRE_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK |
	    SOCK_CLOEXEC, 0, sv));
	ATF_REQUIRE_EQ(0, imsgbuf_init(a, sv[0]));
	ATF_REQUIRE_EQ(0, imsgbuf_init(b, sv[1]));
	imsgbuf_allow_fdpass(a);
	imsgbuf_allow_fdpass(b);
}

static void
teardown(int *sv, struct imsgbuf *a, struct imsgbuf *b)
{
	imsgbuf_clear(a);
	imsgbuf_clear(b);
	close(sv[0]);
	close(sv[1]);
}

static int
count_fds(void)
{
	DIR	*d;
	int	 n = 0;

	ATF_REQUIRE((d = opendir("/proc/self/fd")) != NULL);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return (n);
}

/* Whether fd is /dev/null or /dev/zero, as the test has sent it. */
static void
check_device(int fd, int zero)
{
	char	 c;

	ATF_REQUIRE(fd != -1);
	ATF_CHECK_EQ(zero, read(fd, &c, 1));
	ATF_CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
}

/*
 * Messages with and without descriptors through calls that move a few bytes
 * each: all arrive, in order, and each descriptor is sent just once.
 */
ATF_TC_WITHOUT_HEAD(trickle);
ATF_TC_BODY(trickle, tc)
{
	struct imsgbuf	 a, b;
	struct imsg	 im;
	size_t		 step[2], i;
	char		 data[32] = "0123456789abcdef0123456789abcde";
	int		 sv[2], fd, next, reads;

	for (i = 0; i < 40 * 40; i++) {
		step[0] = 1 + i % 40;
		step[1] = 1 + i / 40;
		setup(sv, &a, &b);
		fds_sent = 0;
		for (next = 0; next < 8; next++) {
			fd = -1;
			if (next % 2 == 1)
				ATF_REQUIRE((fd = open(next % 4 == 1 ?
				    "/dev/zero" : "/dev/null",
				    O_RDONLY | O_CLOEXEC)) != -1);
			ATF_REQUIRE_EQ(1, imsg_compose(&a, next, 0, 0, fd,
			    data, next % 3 == 0 ? 0 : 4 * next));
		}
		for (next = reads = 0; next < 8; reads++) {
			ATF_REQUIRE(reads < 1000);
			io_max = step[0];
			ATF_REQUIRE_EQ(0, imsgbuf_write(&a));
			io_max = step[1];
			ATF_REQUIRE_EQ_MSG(1, imsgbuf_read(&b),
			    "%zu %zu: %s", step[0], step[1], strerror(errno));
			while (imsgbuf_get(&b, &im) == 1) {
				ATF_CHECK_EQ((uint32_t)next,
				    imsg_get_type(&im));
				if (next % 2 == 1)
					check_device(imsg_get_fd(&im),
					    next % 4 == 1);
				ATF_CHECK_EQ(-1, imsg_get_fd(&im));
				if (next % 3 != 0)
					ATF_CHECK_EQ(0, imsg_get_data(&im,
					    data, 4 * next));
				ATF_CHECK_EQ(0, imsg_get_len(&im));
				imsg_free(&im);
				next++;
			}
		}
		io_max = SIZE_MAX;
		ATF_CHECK_EQ(0, imsgbuf_queuelen(&a));
		ATF_CHECK_EQ(4, fds_sent);
		teardown(sv, &a, &b);
	}
}

ATF_TC_WITHOUT_HEAD(syscalls);
ATF_TC_BODY(syscalls, tc)
{
	static const int	 later[] = { EAGAIN, ENOBUFS };
	struct imsgbuf		 a, b;
	struct imsg		 im;
	size_t			 i;
	int			 sv[2], fd;

	setup(sv, &a, &b);
	/* no room now: not lost, not an error, the descriptor still there */
	ATF_REQUIRE((fd = open("/dev/zero", O_RDONLY | O_CLOEXEC)) != -1);
	ATF_REQUIRE_EQ(1, imsg_compose(&a, 1, 0, 0, fd, "x", 1));
	for (i = 0; i < sizeof(later) / sizeof(later[0]); i++) {
		io_errno = later[i];
		ATF_CHECK_EQ(0, imsgbuf_write(&a));
		ATF_CHECK_EQ(1, imsgbuf_queuelen(&a));
	}
	io_errno = ETOOMANYREFS;
	ATF_CHECK_ERRNO(ETOOMANYREFS, imsgbuf_write(&a) == -1);
	ATF_CHECK_EQ(1, imsgbuf_queuelen(&a));
	io_errno = EINTR;			/* retried */
	ATF_CHECK_EQ(0, imsgbuf_write(&a));
	ATF_CHECK_EQ(0, imsgbuf_queuelen(&a));
	ATF_CHECK(send_flags & MSG_NOSIGNAL);

	io_errno = EAGAIN;
	ATF_CHECK_EQ(1, imsgbuf_read(&b));
	ATF_CHECK_EQ(0, imsgbuf_get(&b, &im));
	io_errno = ECONNRESET;
	ATF_CHECK_ERRNO(ECONNRESET, imsgbuf_read(&b) == -1);
	ATF_CHECK_EQ(0, imsgbuf_get(&b, &im));	/* the kernel's, not ours */
	io_errno = EINTR;
	ATF_CHECK_EQ(1, imsgbuf_read(&b));
	ATF_CHECK(recv_flags & MSG_CMSG_CLOEXEC);
	ATF_REQUIRE_EQ(1, imsgbuf_get(&b, &im));
	check_device(imsg_get_fd(&im), 1);
	imsg_free(&im);

	/* flush goes on until all is gone */
	ATF_REQUIRE_EQ(1, imsg_compose(&a, 1, 0, 0, -1, "x", 1));
	io_errno = EAGAIN;
	ATF_CHECK_EQ(0, imsgbuf_flush(&a));
	ATF_CHECK_EQ(0, imsgbuf_queuelen(&a));
	ATF_REQUIRE_EQ(1, imsg_compose(&a, 1, 0, 0, -1, "x", 1));
	io_errno = EIO;
	ATF_CHECK_ERRNO(EIO, imsgbuf_flush(&a) == -1);
	teardown(sv, &a, &b);
}

/* Counts a failure, which must be for memory; 1 if it was none. */
static int
ok(int good, int *failures)
{
	if (good)
		return (1);
	ATF_CHECK_EQ(ENOMEM, errno);
	(*failures)++;
	return (0);
}

/* Uses everything that allocates.  Returns how often that failed. */
static int
everything(struct imsgbuf *a, struct imsgbuf *b)
{
	struct iovec		 iov = { NULL, 0 };
	struct ibufqueue	*q;
	struct imsg		 im;
	struct ibuf		*p, v;
	char			*s, word[] = "0123456789";
	int			 fd, i, failures = 0;

	iov.iov_base = word;
	iov.iov_len = 10;
	ATF_REQUIRE((fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) != -1);
	if (!ok(imsg_compose(a, 1, 0, 0, fd, word, 10) == 1, &failures))
		ATF_CHECK_EQ(0, close(fd));	/* still ours */
	ATF_REQUIRE((fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) != -1);
	if (!ok(imsg_composev(a, 2, 0, 0, fd, &iov, 1) == 1, &failures))
		ATF_CHECK_EQ(0, close(fd));
	if (ok((p = ibuf_dynamic(0, 100)) != NULL, &failures)) {
		for (i = 0; i < 100; i++)
			if (!ok(ibuf_add_n8(p, i) == 0, &failures))
				i--;		/* nothing changed: again */
		ATF_CHECK_EQ(100, ibuf_size(p));
		ATF_CHECK_EQ(99, ((uint8_t *)ibuf_data(p))[99]);
		ok(imsg_compose_ibuf(a, 3, 0, 0, p) == 1, &failures);
	}
	if (ok((p = imsg_create(a, 4, 0, 0, 1)) != NULL, &failures)) {
		/* freed if it fails */
		if (ok(imsg_add(p, word, 10) == 10, &failures))
			imsg_close(a, p);
	}
	ATF_REQUIRE_EQ(0, imsgbuf_flush(a));
	for (i = 0; i < 3; i++)
		if (!ok(imsgbuf_read(b) == 1, &failures))
			break;
	if (!ok((q = ibufq_new()) != NULL, &failures))
		return (failures);
	while ((i = imsgbuf_get(b, &im)) == 1) {
		ok(imsg_forward(b, &im) == 1, &failures);
		if (imsg_get_ibuf(&im, &v) == 0 &&
		    ok((s = ibuf_get_string(&v, 4)) != NULL, &failures))
			free(s);
		imsg_ibufq_push(q, &im);
	}
	ok(i == 0, &failures);
	ibufq_free(q);
	return (failures);
}

/* One allocation fails, the first, the second, ...: reported, no leak. */
ATF_TC_WITHOUT_HEAD(memory);
ATF_TC_BODY(memory, tc)
{
	struct imsgbuf	 a, b;
	size_t		 n;
	int		 sv[2], before, failures = 1;

	before = count_fds();
	ATF_REQUIRE_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK |
	    SOCK_CLOEXEC, 0, sv));
	for (n = 0; n < 2; n++) {
		allocs_left = n;
		ATF_CHECK_ERRNO(ENOMEM, imsgbuf_init(&a, sv[0]) == -1);
		imsgbuf_clear(&a);
	}
	allocs_left = SIZE_MAX;
	close(sv[0]);
	close(sv[1]);
	for (n = 0; failures > 0; n++) {
		ATF_REQUIRE(n < 1000);
		setup(sv, &a, &b);
		allocs_left = n;
		failures = everything(&a, &b);
		allocs_left = SIZE_MAX;
		teardown(sv, &a, &b);
		ATF_CHECK_EQ_MSG(before, count_fds(), "allocation %zu", n);
	}
	ATF_CHECK(n > 20);			/* they did fail */
}

/* Buffers may hold keys: they are wiped, all of what they have grown to. */
ATF_TC_WITHOUT_HEAD(wipe);
ATF_TC_BODY(wipe, tc)
{
	struct ibuf	*b;

	ATF_REQUIRE((b = ibuf_dynamic(1, 1000)) != NULL);
	ATF_REQUIRE_EQ(0, ibuf_add_zero(b, 100));
	ATF_REQUIRE_EQ(0, ibuf_skip(b, 50));
	ATF_REQUIRE_EQ(0, ibuf_truncate(b, 1));
	wiped = 0;
	ibuf_free(b);
	ATF_CHECK(wiped >= 100);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, trickle);
	ATF_TP_ADD_TC(tp, syscalls);
	ATF_TP_ADD_TC(tp, memory);
	ATF_TP_ADD_TC(tp, wipe);
	return (atf_no_error());
}
