/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * Channels over real socketpairs.  One end is an imsgbuf, the other either
 * a second one or bare sendmsg(2), for what only a hostile peer sends.
 * Descriptors are ends of pipes, so that a test sees whether the receiver
 * has kept one (data arrives) or closed it (the other end reads EOF).
 */

#include <sys/types.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <atf-c.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "imsg/imsg.h"

#define BIG	65536		/* payload that our channels allow */

static int	 sv[2];		/* here is 0, the peer has 1 */
static struct imsgbuf	 here, peer;

static void
setup(int fdpass)
{
	ATF_REQUIRE_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK |
	    SOCK_CLOEXEC, 0, sv));
	ATF_REQUIRE_EQ(0, imsgbuf_init(&here, sv[0]));
	ATF_REQUIRE_EQ(0, imsgbuf_init(&peer, sv[1]));
	ATF_REQUIRE_EQ(0, imsgbuf_set_maxsize(&here, BIG));
	ATF_REQUIRE_EQ(0, imsgbuf_set_maxsize(&peer, BIG));
	if (fdpass) {
		imsgbuf_allow_fdpass(&here);
		imsgbuf_allow_fdpass(&peer);
	}
}

static void
teardown(void)
{
	imsgbuf_clear(&here);
	imsgbuf_clear(&peer);
	ATF_CHECK_EQ(0, close(sv[0]));
	ATF_CHECK_EQ(0, close(sv[1]));
}

/* A pipe: the write end is what travels, the read end is what we watch. */
static int
token(int *rd)
{
	int	 p[2];

	ATF_REQUIRE_EQ(0, pipe2(p, O_CLOEXEC | O_NONBLOCK));
	*rd = p[0];
	return (p[1]);
}

/* The received fd is the write end that belongs to rd; closes both. */
static void
check_token(int fd, int rd)
{
	char	 c = 0;

	ATF_REQUIRE(fd != -1);
	ATF_CHECK_EQ(1, write(fd, "t", 1));
	ATF_CHECK_EQ(1, read(rd, &c, 1));
	ATF_CHECK_EQ('t', c);
	ATF_CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
	close(rd);
}

/* Nobody has the write end any more; closes the read end. */
static void
check_gone(int rd)
{
	char	 c;

	ATF_CHECK_EQ_MSG(0, read(rd, &c, 1), "descriptor is still open");
	close(rd);
}

static void
check_open(int rd)
{
	char	 c;

	ATF_CHECK_ERRNO(EAGAIN, read(rd, &c, 1) == -1);
}

/* What a peer without our library sends; closes fds. */
static void
raw_send(const void *p, size_t len, int *fds, size_t nfds)
{
	union {
		struct cmsghdr	 hdr;
		char		 buf[CMSG_SPACE(sizeof(int) * 16)];
	} control;
	struct iovec	 iov = { NULL, len };
	struct msghdr	 msg;
	size_t		 i;

	memset(&msg, 0, sizeof(msg));
	memset(&control, 0, sizeof(control));
	memcpy(&iov.iov_base, &p, sizeof(p));	/* drops const */
	msg.msg_iov = &iov;
	msg.msg_iovlen = 1;
	if (nfds > 0) {
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
		control.hdr.cmsg_len = CMSG_LEN(sizeof(int) * nfds);
		control.hdr.cmsg_level = SOL_SOCKET;
		control.hdr.cmsg_type = SCM_RIGHTS;
		memcpy(CMSG_DATA(&control.hdr), fds, sizeof(int) * nfds);
	}
	ATF_REQUIRE_EQ((ssize_t)len, sendmsg(sv[1], &msg, MSG_NOSIGNAL));
	for (i = 0; i < nfds; i++)
		close(fds[i]);
}

/* Appends a message to p and returns its size; len as it shall be sent. */
static size_t
raw_msg(char *p, uint32_t type, uint32_t len, const char *payload, size_t n)
{
	struct imsg_hdr	 hdr = { type, len, 7, 8 };

	memcpy(p, &hdr, sizeof(hdr));
	if (n > 0)
		memcpy(p + sizeof(hdr), payload, n);
	return (sizeof(hdr) + n);
}

/* A correct message with the payload "abc", with or without the mark. */
static size_t
raw_abc(char *p, uint32_t type, int marked)
{
	return (raw_msg(p, type, 19 | (marked ? IMSG_FD_MARK : 0), "abc", 3));
}

static void
get(struct imsg *im, uint32_t type)
{
	ATF_REQUIRE_EQ(1, imsgbuf_get(&here, im));
	ATF_REQUIRE_EQ(type, imsg_get_type(im));
}

/* The next message is type with "abc" and a descriptor, or none (rd -1). */
static void
check_abc(uint32_t type, int rd)
{
	struct imsg	 im;
	char		 got[3];

	get(&im, type);
	ATF_CHECK_EQ(0, imsg_get_data(&im, got, 3));
	ATF_CHECK_EQ(0, memcmp("abc", got, 3));
	if (rd != -1)
		check_token(imsg_get_fd(&im), rd);
	ATF_CHECK_EQ(-1, imsg_get_fd(&im));
	imsg_free(&im);
}

static void
check_none(void)
{
	struct imsg	 im;

	errno = ENOTTY;
	ATF_CHECK_EQ(0, imsgbuf_get(&here, &im));
	ATF_CHECK_EQ(ENOTTY, errno);
}

/* Reading fails with error, and goes on to do so. */
static void
check_failed(int error)
{
	struct imsg	 im;

	ATF_CHECK_ERRNO(error, imsgbuf_read(&here) == -1);
	ATF_CHECK_ERRNO(error, imsgbuf_read(&here) == -1);
	ATF_CHECK_ERRNO(error, imsgbuf_get(&here, &im) == -1);
}

/* --- the plain way ------------------------------------------------------- */

ATF_TC_WITHOUT_HEAD(roundtrip);
ATF_TC_BODY(roundtrip, tc)
{
	struct iovec	 iov[3];
	struct imsg	 im;
	struct ibuf	*b, v;
	char		 one[] = "one", two[] = "two", got[8];

	setup(0);
	ATF_CHECK_EQ(1, imsgbuf_read(&here));		/* EAGAIN */
	check_none();
	ATF_CHECK_EQ(0, imsgbuf_write(&peer));

	ATF_CHECK_EQ(1, imsg_compose(&peer, 1, 0xfffffffe, 0, -1, "hello", 6));
	ATF_CHECK_EQ(1, imsg_compose(&peer, 2, 0, 4711, -1, NULL, 0));
	iov[0].iov_base = one;
	iov[0].iov_len = 3;
	iov[1].iov_base = NULL;
	iov[1].iov_len = 0;
	iov[2].iov_base = two;
	iov[2].iov_len = 3;
	ATF_CHECK_EQ(1, imsg_composev(&peer, 3, 5, 0, -1, iov, 3));
	ATF_CHECK_EQ(1, imsg_composev(&peer, 4, 5, 0, -1, NULL, 0));
	ATF_REQUIRE((b = ibuf_dynamic(0, 100)) != NULL);
	ATF_REQUIRE_EQ(0, ibuf_add(b, "xpayload", 8));
	ATF_REQUIRE_EQ(0, ibuf_skip(b, 1));
	ATF_CHECK_EQ(1, imsg_compose_ibuf(&peer, 5, 6, 0, b));
	ATF_REQUIRE((b = ibuf_dynamic(0, 100)) != NULL);
	ATF_CHECK_EQ(1, imsg_compose_ibuf(&peer, 6, 6, 0, b));
	ATF_REQUIRE((b = imsg_create(&peer, 7, 8, 9, 1)) != NULL);
	ATF_CHECK_EQ(2, imsg_add(b, "ab", 2));
	ATF_CHECK_EQ(0, imsg_add(b, NULL, 0));
	ATF_CHECK_EQ(0, ibuf_add_strbuf(b, "cd", 4));
	imsg_close(&peer, b);
	ATF_CHECK_EQ(9, imsgbuf_queuelen(&peer));	/* compose_ibuf: two */
	ATF_CHECK_EQ(0, imsgbuf_write(&peer));
	ATF_CHECK_EQ(0, imsgbuf_queuelen(&peer));
	ATF_CHECK_EQ(1, imsgbuf_read(&here));

	get(&im, 1);
	ATF_CHECK_EQ(0xfffffffe, imsg_get_id(&im));
	ATF_CHECK_EQ(getpid(), imsg_get_pid(&im));
	ATF_CHECK_EQ(6, imsg_get_len(&im));
	ATF_CHECK_EQ(-1, imsg_get_fd(&im));
	ATF_CHECK_ERRNO(EBADMSG, imsg_get_data(&im, got, 5) == -1);
	ATF_CHECK_ERRNO(EBADMSG, imsg_get_data(&im, got, 7) == -1);
	ATF_CHECK_ERRNO(EINVAL, imsg_get_data(&im, got, 0) == -1);
	ATF_CHECK_EQ(6, imsg_get_len(&im));
	ATF_CHECK_EQ(0, imsg_get_data(&im, got, 6));
	ATF_CHECK_STREQ("hello", got);
	ATF_CHECK_EQ(0, imsg_get_len(&im));
	ATF_CHECK_ERRNO(EBADMSG, imsg_get_ibuf(&im, &v) == -1);
	imsg_free(&im);
	imsg_free(&im);					/* harmless */

	get(&im, 2);
	ATF_CHECK_EQ(4711, imsg_get_pid(&im));
	ATF_CHECK_EQ(0, imsg_get_len(&im));
	ATF_CHECK_ERRNO(EBADMSG, imsg_get_data(&im, got, 1) == -1);
	ATF_CHECK_ERRNO(EINVAL, imsg_get_data(&im, got, 0) == -1);
	imsg_free(&im);

	get(&im, 3);
	ATF_CHECK_EQ(0, imsg_get_buf(&im, got, 2));
	ATF_CHECK_EQ(0, memcmp("on", got, 2));
	ATF_CHECK_ERRNO(EBADMSG, imsg_get_buf(&im, got, 5) == -1);
	ATF_CHECK_EQ(4, imsg_get_len(&im));
	ATF_CHECK_EQ(0, imsg_get_ibuf(&im, &v));
	ATF_CHECK_EQ(0, imsg_get_len(&im));
	ATF_CHECK_EQ(4, ibuf_size(&v));
	ATF_CHECK_EQ(0, memcmp("etwo", ibuf_data(&v), 4));
	imsg_free(&im);

	get(&im, 4);
	ATF_CHECK_EQ(0, imsg_get_len(&im));
	imsg_free(&im);
	get(&im, 5);
	ATF_CHECK_EQ(0, imsg_get_data(&im, got, 7));
	ATF_CHECK_EQ(0, memcmp("payload", got, 7));
	imsg_free(&im);
	get(&im, 6);
	ATF_CHECK_EQ(0, imsg_get_len(&im));
	imsg_free(&im);

	ATF_CHECK_EQ(16 + 6, imsg_get(&here, &im));	/* the old form */
	ATF_CHECK_EQ(7, imsg_get_type(&im));
	ATF_CHECK_EQ(8, imsg_get_id(&im));
	ATF_CHECK_EQ(9, imsg_get_pid(&im));
	ATF_CHECK_ERRNO(EOVERFLOW, imsg_get_strbuf(&im, got, 2) == -1);
	ATF_CHECK_EQ(0, imsg_get_buf(&im, got, 2));
	ATF_CHECK_EQ(0, imsg_get_strbuf(&im, got, 4));
	ATF_CHECK_STREQ("cd", got);
	imsg_free(&im);
	ATF_CHECK_EQ(0, imsg_get(&here, &im));
	teardown();
}

ATF_TC_WITHOUT_HEAD(limits);
ATF_TC_BODY(limits, tc)
{
	static char	 data[BIG + 1];
	struct iovec	 iov[2] = { { data, BIG }, { data, 1 } };
	struct imsg	 im;
	struct ibuf	*b;

	setup(0);
	ATF_CHECK_ERRNO(ERANGE,
	    imsgbuf_set_maxsize(&here, UINT32_MAX - 15) == -1);
	ATF_CHECK_ERRNO(ERANGE, imsgbuf_set_maxsize(&here, UINT32_MAX) == -1);
	ATF_CHECK_ERRNO(EINVAL,
	    imsgbuf_set_maxsize(&here, UINT32_MAX - 16) == -1);
	ATF_CHECK_ERRNO(EINVAL,
	    imsgbuf_set_maxsize(&here, IMSG_FD_MARK - 16) == -1);
	ATF_CHECK_EQ(0, imsgbuf_set_maxsize(&here, IMSG_FD_MARK - 17));
	ATF_CHECK_EQ(0, imsgbuf_set_maxsize(&here, BIG));

	/* the sender's limit, in each way to compose */
	ATF_CHECK_ERRNO(ERANGE,
	    imsg_compose(&peer, 1, 0, 0, -1, data, BIG + 1) == -1);
	ATF_CHECK_ERRNO(ERANGE,
	    imsg_compose(&peer, 1, 0, 0, -1, data, SIZE_MAX) == -1);
	ATF_CHECK_ERRNO(ERANGE,
	    imsg_composev(&peer, 1, 0, 0, -1, iov, 2) == -1);
	iov[1].iov_len = SIZE_MAX;
	ATF_CHECK_ERRNO(ERANGE,
	    imsg_composev(&peer, 1, 0, 0, -1, iov, 2) == -1);
	ATF_CHECK_ERRNO(EINVAL,
	    imsg_composev(&peer, 1, 0, 0, -1, iov, -1) == -1);
	ATF_REQUIRE((b = ibuf_dynamic(0, SIZE_MAX)) != NULL);
	ATF_REQUIRE_EQ(0, ibuf_add_zero(b, BIG + 1));
	ATF_CHECK_ERRNO(ERANGE, imsg_compose_ibuf(&peer, 1, 0, 0, b) == -1);
	ATF_CHECK_ERRNO(ERANGE, imsg_create(&peer, 1, 0, 0, BIG + 1) == NULL);
	ATF_REQUIRE((b = imsg_create(&peer, 1, 0, 0, 0)) != NULL);
	ATF_CHECK_ERRNO(ERANGE, imsg_add(b, data, BIG + 1) == -1); /* frees */
	ATF_REQUIRE((b = imsg_create(&peer, 1, 0, 0, 0)) != NULL);
	ATF_CHECK_ERRNO(ERANGE, imsg_set_maxsize(b, BIG + 1) == -1);
	ATF_CHECK_ERRNO(ERANGE, imsg_set_maxsize(b, SIZE_MAX) == -1);
	ATF_CHECK_EQ(0, imsg_set_maxsize(b, 10));
	ATF_CHECK_EQ(10, imsg_add(b, data, 10));
	ATF_CHECK_ERRNO(ERANGE, imsg_add(b, data, 1) == -1);
	ATF_CHECK_EQ(0, imsgbuf_queuelen(&peer));

	/* the largest that is allowed, both ways of growing */
	memset(data, 'd', sizeof(data));
	ATF_CHECK_EQ(1, imsg_compose(&peer, 1, 0, 0, -1, data, BIG));
	ATF_REQUIRE((b = imsg_create(&peer, 2, 0, 0, 0)) != NULL);
	ATF_CHECK_EQ(BIG, imsg_add(b, data, BIG));
	imsg_close(&peer, b);
	while (imsgbuf_queuelen(&peer) > 0) {
		ATF_REQUIRE_EQ(0, imsgbuf_write(&peer));
		ATF_REQUIRE_EQ(1, imsgbuf_read(&here));
	}
	ATF_REQUIRE_EQ(1, imsgbuf_read(&here));
	ATF_REQUIRE_EQ(1, imsgbuf_read(&here));
	get(&im, 1);
	ATF_CHECK_EQ(BIG, imsg_get_len(&im));
	imsg_free(&im);
	get(&im, 2);
	ATF_CHECK_EQ(0, imsg_get_data(&im, data, BIG));
	ATF_CHECK_EQ('d', data[BIG - 1]);
	imsg_free(&im);

	/* a channel for headers alone */
	ATF_CHECK_EQ(0, imsgbuf_set_maxsize(&peer, 0));
	ATF_CHECK_EQ(1, imsg_compose(&peer, 3, 0, 0, -1, NULL, 0));
	ATF_CHECK_ERRNO(ERANGE,
	    imsg_compose(&peer, 3, 0, 0, -1, data, 1) == -1);
	teardown();

	/* what holds if nothing is set */
	ATF_REQUIRE_EQ(0, imsgbuf_init(&here, -1));
	ATF_CHECK_EQ(1, imsg_compose(&here, 1, 0, 0, -1, data,
	    MAX_IMSGSIZE - IMSG_HEADER_SIZE));
	ATF_CHECK_ERRNO(ERANGE, imsg_compose(&here, 1, 0, 0, -1, data,
	    MAX_IMSGSIZE - IMSG_HEADER_SIZE + 1) == -1);
	imsgbuf_clear(&here);
	imsgbuf_clear(&here);
	ATF_CHECK_EQ(0, imsgbuf_queuelen(&here));
}

ATF_TC_WITHOUT_HEAD(forward);
ATF_TC_BODY(forward, tc)
{
	struct imsg	 im;
	char		 raw[64], got[3];
	size_t		 n;
	int		 fd, rd, i;

	setup(1);
	fd = token(&rd);
	n = raw_abc(raw, 9, 1);
	memset(raw + 12, 0, 4);			/* pid 0 stays 0 */
	raw_send(raw, n, &fd, 1);
	ATF_REQUIRE_EQ(1, imsgbuf_read(&here));
	get(&im, 9);
	ATF_CHECK_EQ(0, imsg_get_buf(&im, got, 2));
	ATF_CHECK_EQ(1, imsg_forward(&peer, &im));
	ATF_CHECK_EQ(1, imsg_forward(&peer, &im));
	ATF_CHECK_EQ(1, imsg_get_len(&im));	/* place is kept */
	check_token(imsg_get_fd(&im), rd);	/* so is the descriptor */
	ATF_CHECK_EQ(0, imsgbuf_set_maxsize(&peer, 2));
	ATF_CHECK_ERRNO(ERANGE, imsg_forward(&peer, &im) == -1);
	imsg_free(&im);

	ATF_REQUIRE_EQ(0, imsgbuf_write(&peer));
	ATF_REQUIRE_EQ(1, imsgbuf_read(&here));
	for (i = 0; i < 2; i++) {
		get(&im, 9);
		ATF_CHECK_EQ(7, imsg_get_id(&im));
		ATF_CHECK_EQ(0, imsg_get_pid(&im));
		ATF_CHECK_EQ(-1, imsg_get_fd(&im));
		ATF_CHECK_EQ(0, imsg_get_data(&im, got, 3));
		ATF_CHECK_EQ(0, memcmp("abc", got, 3));
		imsg_free(&im);
	}
	check_none();
	teardown();
}

ATF_TC_WITHOUT_HEAD(park);
ATF_TC_BODY(park, tc)
{
	struct ibufqueue	*q;
	struct imsg		 im, zero;
	struct ibuf		*b;
	char			 raw[64], got[3];
	int			 fd, rd;

	setup(1);
	memset(&zero, 0, sizeof(zero));
	ATF_REQUIRE((q = ibufq_new()) != NULL);
	ATF_CHECK_EQ(0, imsg_ibufq_pop(q, &im));
	fd = token(&rd);
	raw_send(raw, raw_abc(raw, 3, 1), &fd, 1);
	ATF_REQUIRE_EQ(1, imsgbuf_read(&here));
	get(&im, 3);
	ATF_CHECK_EQ(0, imsg_get_buf(&im, got, 3));
	imsg_ibufq_push(q, &im);
	ATF_CHECK_EQ(0, memcmp(&zero, &im, sizeof(im)));
	imsg_free(&im);					/* harmless */
	ATF_CHECK_EQ(1, ibufq_queuelen(q));
	ATF_CHECK_EQ(1, imsg_ibufq_pop(q, &im));
	ATF_CHECK_EQ(3, imsg_get_type(&im));
	ATF_CHECK_EQ(7, imsg_get_id(&im));
	ATF_CHECK_EQ(3, imsg_get_len(&im));		/* unread again */
	check_token(imsg_get_fd(&im), rd);
	imsg_free(&im);

	ATF_REQUIRE((b = ibuf_open(15)) != NULL);
	ATF_REQUIRE_EQ(0, ibuf_add_zero(b, 15));
	ibufq_push(q, b);
	ATF_CHECK_ERRNO(EBADMSG, imsg_ibufq_pop(q, &im) == -1);
	ATF_CHECK_EQ(0, imsg_ibufq_pop(q, &im));
	ibufq_free(q);
	teardown();
}

/* --- descriptors, both ends ours ------------------------------------------- */

ATF_TC_WITHOUT_HEAD(fd_ownership);
ATF_TC_BODY(fd_ownership, tc)
{
	struct iovec	 iov = { NULL, 0 };
	struct ibuf	*b;
	struct imsg	 im;
	int		 fd, rd;

	setup(1);
	/* refused: still ours */
	fd = token(&rd);
	ATF_CHECK_ERRNO(ERANGE,
	    imsg_compose(&peer, 1, 0, 0, fd, NULL, SIZE_MAX) == -1);
	iov.iov_len = SIZE_MAX;
	ATF_CHECK_ERRNO(ERANGE,
	    imsg_composev(&peer, 1, 0, 0, fd, &iov, 1) == -1);
	iov.iov_len = 0;
	ATF_CHECK(fcntl(fd, F_GETFD) != -1);
	ATF_CHECK_ERRNO(EBADF,
	    imsg_compose(&peer, 1, 0, 0, -2, NULL, 0) == -1);

	/* queued: taken; sent: closed here, one at the other end */
	ATF_CHECK_EQ(1, imsg_composev(&peer, 1, 0, 0, fd, &iov, 1));
	ATF_CHECK(fcntl(fd, F_GETFD) != -1);
	ATF_CHECK_EQ(0, imsgbuf_write(&peer));
	ATF_CHECK_ERRNO(EBADF, fcntl(fd, F_GETFD) == -1);
	ATF_CHECK_EQ(1, imsgbuf_read(&here));
	get(&im, 1);
	check_token(imsg_get_fd(&im), rd);
	ATF_CHECK_EQ(-1, imsg_get_fd(&im));
	imsg_free(&im);

	/* nobody asked for it: closed with the message, errno kept */
	fd = token(&rd);
	ATF_CHECK_EQ(1, imsg_compose(&peer, 2, 0, 0, fd, "x", 1));
	ATF_CHECK_EQ(0, imsgbuf_write(&peer));
	ATF_CHECK_EQ(1, imsgbuf_read(&here));
	get(&im, 2);
	check_open(rd);
	errno = ENOTTY;
	imsg_free(&im);
	ATF_CHECK_EQ(ENOTTY, errno);
	check_gone(rd);

	/* a payload buffer may not hold one; taken in either case */
	fd = token(&rd);
	ATF_REQUIRE((b = ibuf_open(1)) != NULL);
	ibuf_fd_set(b, fd);
	ATF_CHECK_ERRNO(EINVAL, imsg_compose_ibuf(&peer, 1, 0, 0, b) == -1);
	check_gone(rd);

	/* with imsg_create */
	fd = token(&rd);
	ATF_REQUIRE((b = imsg_create(&peer, 3, 0, 0, 0)) != NULL);
	ibuf_fd_set(b, fd);
	imsg_close(&peer, b);
	ATF_CHECK_EQ(0, imsgbuf_write(&peer));
	ATF_CHECK_EQ(1, imsgbuf_read(&here));
	get(&im, 3);
	check_token(imsg_get_fd(&im), rd);
	imsg_free(&im);
	teardown();
}

ATF_TC_WITHOUT_HEAD(fd_clear);
ATF_TC_BODY(fd_clear, tc)
{
	char	 raw[64];
	int	 fd, rd[3];

	/* unsent; complete but not fetched; waiting for its header */
	setup(1);
	fd = token(&rd[0]);
	ATF_CHECK_EQ(1, imsg_compose(&here, 1, 0, 0, fd, NULL, 0));
	fd = token(&rd[1]);
	raw_send(raw, raw_abc(raw, 1, 1), &fd, 1);
	ATF_CHECK_EQ(1, imsgbuf_read(&here));
	fd = token(&rd[2]);
	raw_abc(raw, 1, 1);
	raw_send(raw, 10, &fd, 1);
	ATF_CHECK_EQ(1, imsgbuf_read(&here));
	check_open(rd[0]);
	check_open(rd[1]);
	check_open(rd[2]);
	imsgbuf_clear(&here);
	check_gone(rd[0]);
	check_gone(rd[1]);
	check_gone(rd[2]);
	teardown();				/* sv[0] is still open */
}

ATF_TC_WITHOUT_HEAD(fd_one_per_write);
ATF_TC_BODY(fd_one_per_write, tc)
{
	static const uint32_t	 left[] = { 5, 3, 2, 0 };
	int			 rd[3], fd[3], i;

	setup(1);
	for (i = 0; i < 3; i++)
		fd[i] = token(&rd[i]);
	ATF_CHECK_EQ(1, imsg_compose(&peer, 1, 0, 0, -1, "abc", 3));
	ATF_CHECK_EQ(1, imsg_compose(&peer, 2, 0, 0, fd[0], "abc", 3));
	ATF_CHECK_EQ(1, imsg_compose(&peer, 3, 0, 0, -1, "abc", 3));
	ATF_CHECK_EQ(1, imsg_compose(&peer, 4, 0, 0, fd[1], "abc", 3));
	ATF_CHECK_EQ(1, imsg_compose(&peer, 5, 0, 0, fd[2], "abc", 3));
	ATF_CHECK_EQ(1, imsg_compose(&peer, 6, 0, 0, -1, "abc", 3));
	for (i = 0; i < 4; i++) {
		ATF_CHECK_EQ(0, imsgbuf_write(&peer));
		ATF_CHECK_EQ(left[i], imsgbuf_queuelen(&peer));
	}
	for (i = 0; i < 3; i++)			/* as many as there are fds */
		ATF_CHECK_EQ(1, imsgbuf_read(&here));
	check_abc(1, -1);
	check_abc(2, rd[0]);
	check_abc(3, -1);
	check_abc(4, rd[1]);
	check_abc(5, rd[2]);
	check_abc(6, -1);
	check_none();
	teardown();
}

/* Many messages and one descriptor in one read: only the mark tells. */
ATF_TC_WITHOUT_HEAD(fd_mark);
ATF_TC_BODY(fd_mark, tc)
{
	char	 raw[256];
	size_t	 n = 0;
	int	 fd, rd;

	setup(1);
	n += raw_abc(raw + n, 1, 0);
	n += raw_abc(raw + n, 2, 0);
	n += raw_abc(raw + n, 3, 1);
	n += raw_abc(raw + n, 4, 0);
	fd = token(&rd);
	raw_send(raw, n, &fd, 1);
	ATF_CHECK_EQ(1, imsgbuf_read(&here));
	check_abc(1, -1);
	check_abc(2, -1);
	check_abc(3, rd);
	check_abc(4, -1);
	check_none();
	teardown();
}

/* --- every split ------------------------------------------------------------ */

ATF_TC_WITHOUT_HEAD(read_bytewise);
ATF_TC_BODY(read_bytewise, tc)
{
	struct imsg	 im;
	char		 raw[256];
	size_t		 i, n = 0, end[4];
	int		 fd, rd = -1, got, total = 0;

	setup(1);
	n += raw_abc(raw + n, 0, 0);
	end[0] = n;
	n += raw_abc(raw + n, 1, 1);
	end[1] = n;
	n += raw_msg(raw + n, 2, 16, NULL, 0);
	end[2] = n;
	n += raw_abc(raw + n, 3, 0);
	end[3] = n;
	for (i = 0; i < n; i++) {
		if (i == end[0]) {
			fd = token(&rd);
			raw_send(raw + i, 1, &fd, 1);
		} else
			raw_send(raw + i, 1, NULL, 0);
		ATF_REQUIRE_EQ(1, imsgbuf_read(&here));
		got = imsgbuf_get(&here, &im);
		ATF_REQUIRE_EQ(i + 1 == end[total], got);
		if (got) {
			ATF_CHECK_EQ((uint32_t)total, imsg_get_type(&im));
			ATF_CHECK_EQ(total == 2 ? 0 : 3, imsg_get_len(&im));
			if (total == 1)
				check_token(imsg_get_fd(&im), rd);
			ATF_CHECK_EQ(-1, imsg_get_fd(&im));
			imsg_free(&im);
			total++;
		}
	}
	ATF_CHECK_EQ(4, total);
	teardown();
}

/* Two messages with a descriptor each; every way to cut that in two reads. */
ATF_TC_WITHOUT_HEAD(read_split);
ATF_TC_BODY(read_split, tc)
{
	char	 raw[256];
	size_t	 a, n, cut;
	int	 fd[2], rd[2];

	n = a = raw_abc(raw, 1, 1);
	n += raw_abc(raw + n, 2, 1);
	n += raw_abc(raw + n, 3, 0);
	for (cut = 1; cut < n; cut++) {
		setup(1);
		fd[0] = token(&rd[0]);
		fd[1] = token(&rd[1]);
		/* a descriptor comes with the first byte of its message */
		if (cut > a) {
			raw_send(raw, cut, fd, 2);
			ATF_CHECK_EQ(1, imsgbuf_read(&here));
			raw_send(raw + cut, n - cut, NULL, 0);
		} else {
			raw_send(raw, cut, fd, 1);
			ATF_CHECK_EQ(1, imsgbuf_read(&here));
			raw_send(raw + cut, n - cut, fd + 1, 1);
		}
		ATF_CHECK_EQ_MSG(1, imsgbuf_read(&here), "cut at %zu", cut);
		check_abc(1, rd[0]);
		check_abc(2, rd[1]);
		check_abc(3, -1);
		check_none();
		teardown();
	}
}

/*
 * The read buffer ends within a header whose descriptor has come already;
 * the next read brings a second one.
 */
ATF_TC_WITHOUT_HEAD(read_buffer_end);
ATF_TC_BODY(read_buffer_end, tc)
{
	struct imsg	 im;
	size_t		 fill, part;
	static char	 data[IBUF_READ_SIZE];
	int		 fd, rd[2], size = 1024 * 1024;

	for (part = 1; part <= IMSG_HEADER_SIZE; part++) {
		setup(1);
		setsockopt(sv[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
		fill = IBUF_READ_SIZE - part - IMSG_HEADER_SIZE;
		ATF_REQUIRE_EQ(1, imsg_compose(&peer, 1, 0, 0, -1, data, fill));
		fd = token(&rd[0]);
		ATF_REQUIRE_EQ(1, imsg_compose(&peer, 2, 0, 0, fd, "abc", 3));
		fd = token(&rd[1]);
		ATF_REQUIRE_EQ(1, imsg_compose(&peer, 3, 0, 0, fd, "abc", 3));
		ATF_REQUIRE_EQ(0, imsgbuf_flush(&peer));
		ATF_CHECK_EQ(1, imsgbuf_read(&here));
		get(&im, 1);
		imsg_free(&im);
		check_none();
		check_open(rd[0]);
		ATF_CHECK_EQ_MSG(1, imsgbuf_read(&here), "part %zu", part);
		ATF_CHECK_EQ(1, imsgbuf_read(&here));
		check_abc(2, rd[0]);
		check_abc(3, rd[1]);
		teardown();
	}
}

/* Real partial writes: a small socket, messages larger than it, and fds. */
ATF_TC_WITHOUT_HEAD(write_partial);
ATF_TC_BODY(write_partial, tc)
{
	static char	 data[BIG];
	struct imsg	 im;
	size_t		 i, next = 0;
	int		 size = 4096, fd, rd[64], full = 0;

	setup(1);
	ATF_REQUIRE_EQ(0, setsockopt(sv[1], SOL_SOCKET, SO_SNDBUF, &size,
	    sizeof(size)));
	for (i = 0; i < 64; i++) {
		memset(data, i, sizeof(data));
		fd = i % 3 == 0 ? token(&rd[i]) : -1;
		ATF_REQUIRE_EQ(1, imsg_compose(&peer, i, 0, 0, fd, data,
		    i * 1040));
	}
	while (next < 64) {
		if (imsgbuf_queuelen(&peer) > 0) {
			ATF_REQUIRE_EQ(0, imsgbuf_write(&peer));
			full += imsgbuf_queuelen(&peer) > 0;
		}
		ATF_REQUIRE_EQ(1, imsgbuf_read(&here));
		while (imsgbuf_get(&here, &im) == 1) {
			ATF_REQUIRE_EQ(next, imsg_get_type(&im));
			ATF_REQUIRE_EQ(next * 1040, imsg_get_len(&im));
			if (next % 3 == 0)
				check_token(imsg_get_fd(&im), rd[next]);
			ATF_CHECK_EQ(-1, imsg_get_fd(&im));
			if (next > 0) {
				ATF_CHECK_EQ(0, imsg_get_data(&im, data,
				    next * 1040));
				ATF_CHECK_EQ((char)next,
				    data[next * 1040 - 1]);
			}
			imsg_free(&im);
			next++;
		}
	}
	ATF_CHECK(full > 64);			/* it was a small socket */
	ATF_CHECK_EQ(0, imsgbuf_queuelen(&peer));
	teardown();
}

ATF_TC_WITHOUT_HEAD(write_many);
ATF_TC_BODY(write_many, tc)
{
	struct imsg	 im;
	uint32_t	 i;

	setup(0);
	for (i = 0; i < 2 * IOV_MAX + 1; i++)
		ATF_REQUIRE_EQ(1, imsg_compose(&peer, i, 0, 0, -1, "x", 1));
	ATF_CHECK_EQ(0, imsgbuf_write(&peer));
	ATF_CHECK_EQ(IOV_MAX + 1, imsgbuf_queuelen(&peer));
	ATF_CHECK_EQ(0, imsgbuf_flush(&peer));
	ATF_CHECK_EQ(0, imsgbuf_queuelen(&peer));
	ATF_CHECK_EQ(1, imsgbuf_read(&here));
	for (i = 0; i < 2 * IOV_MAX + 1; i++) {
		get(&im, i);
		imsg_free(&im);
	}
	check_none();
	teardown();
}

/* Flush waits for a reader that is slower, and gives up when it is gone. */
ATF_TC_WITHOUT_HEAD(flush);
ATF_TC_BODY(flush, tc)
{
	static char	 data[BIG];
	struct pollfd	 pfd;
	struct imsg	 im;
	pid_t		 pid;
	int		 i, n = 0, ret, status;

	setup(0);
	for (i = 0; i < 40; i++)
		ATF_REQUIRE_EQ(1, imsg_compose(&peer, i, 0, 0, -1, data, BIG));
	ATF_REQUIRE((pid = fork()) != -1);
	if (pid == 0) {
		close(sv[0]);
		_exit(imsgbuf_flush(&peer) == 0 &&
		    imsgbuf_queuelen(&peer) == 0 ? 0 : 1);
	}
	close(sv[1]);
	pfd.fd = sv[0];
	pfd.events = POLLIN;
	do {
		ATF_REQUIRE(poll(&pfd, 1, -1) == 1);
		ATF_REQUIRE((ret = imsgbuf_read(&here)) != -1);
		while (imsgbuf_get(&here, &im) == 1) {
			imsg_free(&im);
			n++;
		}
	} while (ret == 1);
	ATF_CHECK_EQ(40, n);
	ATF_REQUIRE_EQ(pid, waitpid(pid, &status, 0));
	ATF_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	imsgbuf_clear(&peer);
	imsgbuf_clear(&here);
	close(sv[0]);

	setup(0);
	for (i = 0; i < 40; i++)
		ATF_REQUIRE_EQ(1, imsg_compose(&peer, i, 0, 0, -1, data, BIG));
	ATF_CHECK_EQ(0, imsgbuf_write(&peer));
	shutdown(sv[0], SHUT_RDWR);
	ATF_CHECK_ERRNO(EPIPE, imsgbuf_flush(&peer) == -1);
	teardown();
}

/* --- the other end is gone, or lies ----------------------------------------- */

ATF_TC_WITHOUT_HEAD(closed);
ATF_TC_BODY(closed, tc)
{
	char	 raw[64];
	int	 fd, rd;

	setup(1);
	raw_abc(raw, 1, 0);
	raw_send(raw, raw_abc(raw, 1, 0), NULL, 0);
	raw_abc(raw, 1, 1);
	fd = token(&rd);
	raw_send(raw, 10, &fd, 1);		/* and dies */
	shutdown(sv[1], SHUT_RDWR);
	ATF_CHECK_EQ(1, imsgbuf_read(&here));
	ATF_CHECK_EQ(0, imsgbuf_read(&here));
	check_gone(rd);
	check_abc(1, -1);			/* what was whole counts */
	check_none();
	ATF_CHECK_EQ(0, imsgbuf_read(&here));

	/* SIGPIPE would end the test here */
	fd = token(&rd);
	ATF_CHECK_EQ(1, imsg_compose(&here, 1, 0, 0, fd, "x", 1));
	ATF_CHECK_ERRNO(EPIPE, imsgbuf_write(&here) == -1);
	ATF_CHECK_EQ(1, imsgbuf_queuelen(&here));
	teardown();
	check_gone(rd);
}

ATF_TC_WITHOUT_HEAD(bad_length);
ATF_TC_BODY(bad_length, tc)
{
	static const uint32_t	 bad[] = { 0, 1, 15, 16 + BIG + 1, 0x10000000,
	    0x7fffffff, 0x80000000, 0x8000000f, 0x80000000 + 16 + BIG + 1,
	    0xffffffff };
	char			 raw[64];
	size_t			 i, n;
	int			 fd, rd;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		setup(1);
		n = raw_abc(raw, 1, 0);
		n += raw_msg(raw + n, 2, bad[i], NULL, 0);
		fd = token(&rd);
		if (bad[i] & IMSG_FD_MARK)
			raw_send(raw, n, &fd, 1);
		else {
			close(fd);
			raw_send(raw, n, NULL, 0);
		}
		ATF_CHECK_ERRNO(ERANGE, imsgbuf_read(&here) == -1);
		check_abc(1, -1);		/* was in front of it */
		check_failed(ERANGE);
		check_gone(rd);
		teardown();
	}
}

/* The limit is the receiver's, whatever the sender believes. */
ATF_TC_WITHOUT_HEAD(over_limit);
ATF_TC_BODY(over_limit, tc)
{
	setup(0);
	ATF_REQUIRE_EQ(0, imsgbuf_set_maxsize(&here, 10));
	ATF_CHECK_EQ(1, imsg_compose(&peer, 1, 0, 0, -1, "0123456789", 10));
	ATF_CHECK_EQ(1, imsg_compose(&peer, 1, 0, 0, -1, "0123456789a", 11));
	ATF_CHECK_EQ(0, imsgbuf_write(&peer));
	ATF_CHECK_ERRNO(ERANGE, imsgbuf_read(&here) == -1);
	teardown();
}

ATF_TC_WITHOUT_HEAD(fd_not_allowed);
ATF_TC_BODY(fd_not_allowed, tc)
{
	struct ibuf	*b;
	char		 raw[64];
	int		 fd, rd;

	/* it comes, with the mark or without: refused and closed */
	setup(0);
	fd = token(&rd);
	raw_send(raw, raw_abc(raw, 1, 1), &fd, 1);
	check_failed(EPERM);
	check_gone(rd);
	teardown();
	setup(0);
	fd = token(&rd);
	raw_send(raw, raw_abc(raw, 1, 0), &fd, 1);
	check_failed(EPERM);
	check_gone(rd);
	teardown();

	/* the mark alone */
	setup(0);
	raw_send(raw, raw_abc(raw, 1, 1), NULL, 0);
	check_failed(EPERM);
	teardown();

	/* to send one is refused, too: still the caller's */
	setup(0);
	fd = token(&rd);
	ATF_CHECK_ERRNO(EPERM,
	    imsg_compose(&here, 1, 0, 0, fd, NULL, 0) == -1);
	ATF_CHECK_ERRNO(EPERM,
	    imsg_composev(&here, 1, 0, 0, fd, NULL, 0) == -1);
	ATF_REQUIRE((b = imsg_create(&here, 1, 0, 0, 0)) != NULL);
	ibuf_fd_set(b, fd);
	imsg_close(&here, b);
	ATF_CHECK_ERRNO(EPERM, imsgbuf_write(&here) == -1);
	imsgbuf_allow_fdpass(&here);
	ATF_CHECK_EQ(0, imsgbuf_write(&here));
	teardown();
	check_gone(rd);
}

ATF_TC_WITHOUT_HEAD(fd_missing);
ATF_TC_BODY(fd_missing, tc)
{
	char	 raw[128];
	size_t	 n;
	int	 fd, rd;

	setup(1);
	raw_send(raw, raw_abc(raw, 1, 1), NULL, 0);
	check_failed(EMSGSIZE);
	teardown();

	/* two claim, one came */
	setup(1);
	n = raw_abc(raw, 1, 1);
	n += raw_abc(raw + n, 2, 1);
	fd = token(&rd);
	raw_send(raw, n, &fd, 1);
	ATF_CHECK_ERRNO(EMSGSIZE, imsgbuf_read(&here) == -1);
	check_abc(1, rd);
	check_failed(EMSGSIZE);
	teardown();
}

ATF_TC_WITHOUT_HEAD(fd_unclaimed);
ATF_TC_BODY(fd_unclaimed, tc)
{
	char	 raw[128];
	size_t	 n;
	int	 fd[2], rd[2];

	/* a message without mark */
	setup(1);
	fd[0] = token(&rd[0]);
	raw_send(raw, raw_abc(raw, 1, 0), fd, 1);
	ATF_CHECK_ERRNO(EBADMSG, imsgbuf_read(&here) == -1);
	check_gone(rd[0]);
	check_abc(1, -1);
	check_failed(EBADMSG);
	teardown();

	/* one too many */
	setup(1);
	fd[0] = token(&rd[0]);
	fd[1] = token(&rd[1]);
	raw_send(raw, raw_abc(raw, 1, 1), fd, 2);
	ATF_CHECK_ERRNO(EBADMSG, imsgbuf_read(&here) == -1);
	check_gone(rd[1]);
	check_abc(1, rd[0]);
	check_failed(EBADMSG);
	teardown();

	/* in the middle of a payload */
	setup(1);
	n = raw_abc(raw, 1, 0);
	raw_send(raw, n - 1, NULL, 0);
	ATF_CHECK_EQ(1, imsgbuf_read(&here));
	fd[0] = token(&rd[0]);
	raw_send(raw + n - 1, 1, fd, 1);
	ATF_CHECK_ERRNO(EBADMSG, imsgbuf_read(&here) == -1);
	check_gone(rd[0]);
	teardown();

	/* with the first half of a header that has no mark: nobody else's */
	setup(1);
	n = raw_abc(raw, 1, 0);
	n += raw_abc(raw + n, 2, 1);
	fd[0] = token(&rd[0]);
	raw_send(raw, 10, fd, 1);
	ATF_CHECK_EQ(1, imsgbuf_read(&here));
	check_open(rd[0]);
	raw_send(raw + 10, n - 10, NULL, 0);
	check_failed(EBADMSG);
	check_gone(rd[0]);
	teardown();

	/* two with half a header */
	setup(1);
	fd[0] = token(&rd[0]);
	fd[1] = token(&rd[1]);
	raw_abc(raw, 1, 1);
	raw_send(raw, 10, fd, 2);
	check_failed(EBADMSG);
	check_gone(rd[0]);
	check_gone(rd[1]);
	teardown();
}

ATF_TC_WITHOUT_HEAD(fd_several);
ATF_TC_BODY(fd_several, tc)
{
	char	 raw[256];
	size_t	 n;
	int	 fd[16], rd[16], i;

	/* in one sendmsg: in order */
	setup(1);
	n = raw_abc(raw, 1, 1);
	n += raw_abc(raw + n, 2, 0);
	n += raw_abc(raw + n, 3, 1);
	n += raw_abc(raw + n, 4, 1);
	for (i = 0; i < 3; i++)
		fd[i] = token(&rd[i]);
	raw_send(raw, n, fd, 3);
	ATF_CHECK_EQ(1, imsgbuf_read(&here));
	check_abc(1, rd[0]);
	check_abc(2, -1);
	check_abc(3, rd[1]);
	check_abc(4, rd[2]);
	teardown();

	/* more than is ever kept: all of them closed */
	setup(1);
	for (i = 0; i < 16; i++)
		fd[i] = token(&rd[i]);
	raw_send(raw, n, fd, 16);
	check_failed(EMSGSIZE);
	for (i = 0; i < 16; i++)
		check_gone(rd[i]);
	teardown();
}

/* No descriptor is free: the kernel delivers the bytes and drops it. */
ATF_TC_WITHOUT_HEAD(fd_exhausted);
ATF_TC_BODY(fd_exhausted, tc)
{
	struct rlimit	 old, none;
	char		 raw[64];
	int		 fd, rd, lowest;

	setup(1);
	fd = token(&rd);
	raw_send(raw, raw_abc(raw, 1, 1), &fd, 1);
	ATF_REQUIRE((lowest = dup(rd)) != -1);
	close(lowest);
	ATF_REQUIRE_EQ(0, getrlimit(RLIMIT_NOFILE, &old));
	none = old;
	none.rlim_cur = lowest;
	ATF_REQUIRE_EQ(0, setrlimit(RLIMIT_NOFILE, &none));
	ATF_CHECK_ERRNO(EMFILE, dup(rd) == -1);
	check_failed(EMSGSIZE);
	ATF_REQUIRE_EQ(0, setrlimit(RLIMIT_NOFILE, &old));
	check_failed(EMSGSIZE);
	check_gone(rd);
	teardown();
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, roundtrip);
	ATF_TP_ADD_TC(tp, limits);
	ATF_TP_ADD_TC(tp, forward);
	ATF_TP_ADD_TC(tp, park);
	ATF_TP_ADD_TC(tp, fd_ownership);
	ATF_TP_ADD_TC(tp, fd_clear);
	ATF_TP_ADD_TC(tp, fd_one_per_write);
	ATF_TP_ADD_TC(tp, fd_mark);
	ATF_TP_ADD_TC(tp, read_bytewise);
	ATF_TP_ADD_TC(tp, read_split);
	ATF_TP_ADD_TC(tp, read_buffer_end);
	ATF_TP_ADD_TC(tp, write_partial);
	ATF_TP_ADD_TC(tp, write_many);
	ATF_TP_ADD_TC(tp, flush);
	ATF_TP_ADD_TC(tp, closed);
	ATF_TP_ADD_TC(tp, bad_length);
	ATF_TP_ADD_TC(tp, over_limit);
	ATF_TP_ADD_TC(tp, fd_not_allowed);
	ATF_TP_ADD_TC(tp, fd_missing);
	ATF_TP_ADD_TC(tp, fd_unclaimed);
	ATF_TP_ADD_TC(tp, fd_several);
	ATF_TP_ADD_TC(tp, fd_exhausted);
	return (atf_no_error());
}
