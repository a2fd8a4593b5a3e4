/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * What a hostile process can do to the other end of its channel.  The input
 * is a list of pieces: a byte that says how long the piece is (1 to 64,
 * bits 0 to 5) and how many descriptors come with it (0 to 3, bits 6 and
 * 7), then the piece.  The first byte of all sets up the channel.  Each
 * piece is sent and read, and what comes out is read with every getter.
 */

#include <sys/types.h>
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "imsg/imsg.h"

#define ALLOW_FDS	0x01	/* in the first byte */
#define SMALL		0x02	/* limit of 64 bytes, else 65536 */
#define BACKLOG		0x04	/* messages are fetched only at the end */

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
check(int good)
{
	if (!good)
		abort();
}

/* The numbers and strings in b, as b itself says; b is a view. */
static void
walk(struct ibuf *b)
{
	char		 field[16], *s;
	struct ibuf	 part;
	uint64_t	 n64;
	uint32_t	 n32;
	uint16_t	 n16;
	uint8_t		 op, len;
	size_t		 before;

	while (ibuf_get_n8(b, &op) == 0) {
		before = ibuf_size(b);
		switch (op % 12) {
		case 0:
			(void)ibuf_get_n16(b, &n16);
			break;
		case 1:
			(void)ibuf_get_n32(b, &n32);
			break;
		case 2:
			(void)ibuf_get_n64(b, &n64);
			break;
		case 3:
			(void)ibuf_get_h16(b, &n16);
			break;
		case 4:
			(void)ibuf_get_h32(b, &n32);
			break;
		case 5:
			(void)ibuf_get_h64(b, &n64);
			break;
		case 6:
			if (ibuf_get_n8(b, &len) == 0 &&
			    (s = ibuf_get_string(b, len)) != NULL) {
				check(strlen(s) <= len);
				free(s);
			}
			break;
		case 7:
			if (ibuf_get_strbuf(b, field, sizeof(field)) == 0)
				check(strlen(field) < sizeof(field));
			break;
		case 8:
			if (ibuf_get_n16(b, &n16) == 0 &&
			    ibuf_get_ibuf(b, n16, &part) == 0) {
				check(ibuf_size(&part) == n16);
				walk(&part);
			}
			break;
		case 9:
			if (ibuf_get_n32(b, &n32) == 0)
				(void)ibuf_skip(b, n32);
			break;
		case 10:
			if (ibuf_get_n64(b, &n64) == 0 &&
			    ibuf_seek(b, n64, op) != NULL)
				check(n64 + op <= ibuf_size(b));
			break;
		case 11:
			if (ibuf_get_n8(b, &len) == 0 && len < ibuf_size(b))
				(void)ibuf_truncate(b, len);
			break;
		}
		check(ibuf_size(b) <= before);
	}
}

/* One message, through each of the imsg_get functions. */
static void
use(struct imsgbuf *ib, struct imsg *im, size_t max)
{
	struct ibuf	 b;
	char		 buf[4];
	size_t		 len = imsg_get_len(im);
	int		 fd;

	check(len <= max);
	check(imsg_get_data(im, buf, 0) == -1);
	if (imsg_get_data(im, buf, sizeof(buf)) == 0)
		check(len == sizeof(buf));
	check(imsg_forward(ib, im) == 1);
	if (imsg_get_type(im) & 1) {
		(void)imsg_get_buf(im, buf, sizeof(buf));
		(void)imsg_get_strbuf(im, buf, sizeof(buf));
	}
	if (imsg_get_ibuf(im, &b) == 0)
		walk(&b);
	check(imsg_get_len(im) == 0);
	if ((imsg_get_id(im) & 1) && (fd = imsg_get_fd(im)) != -1) {
		check(close(fd) == 0);
		check(imsg_get_fd(im) == -1);
	}
}

static void
send_piece(int s, const uint8_t *p, size_t len, size_t nfds)
{
	union {
		struct cmsghdr	 hdr;
		char		 buf[CMSG_SPACE(sizeof(int) * 3)];
	} control;
	static const int stderrs[3] = { STDERR_FILENO, STDERR_FILENO,
	    STDERR_FILENO };
	struct iovec	 iov = { NULL, len };
	struct msghdr	 msg;

	memset(&msg, 0, sizeof(msg));
	memset(&control, 0, sizeof(control));
	memcpy(&iov.iov_base, &p, sizeof(p));
	msg.msg_iov = &iov;
	msg.msg_iovlen = 1;
	if (nfds > 0) {
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
		control.hdr.cmsg_len = CMSG_LEN(sizeof(int) * nfds);
		control.hdr.cmsg_level = SOL_SOCKET;
		control.hdr.cmsg_type = SCM_RIGHTS;
		memcpy(CMSG_DATA(&control.hdr), stderrs, sizeof(int) * nfds);
	}
	check(sendmsg(s, &msg, MSG_NOSIGNAL) == (ssize_t)len);
}

/* Every descriptor that came is closed again: the lowest free one stays. */
static int
lowest_fd(void)
{
	int	 fd;

	check((fd = dup(STDERR_FILENO)) != -1);
	close(fd);
	return (fd);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int	 sv[2] = { -1, -1 };
	struct imsgbuf	 ib;
	struct imsg	 im;
	size_t		 max, len;
	uint8_t		 mode;
	int		 lowest, ret = 1;

	if (sv[0] == -1)
		check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK |
		    SOCK_CLOEXEC, 0, sv) == 0);
	if (size-- == 0)
		return (0);
	mode = *data++;
	lowest = lowest_fd();
	max = mode & SMALL ? 64 : 65536;
	check(imsgbuf_init(&ib, sv[0]) == 0);
	check(imsgbuf_set_maxsize(&ib, max) == 0);
	if (mode & ALLOW_FDS)
		imsgbuf_allow_fdpass(&ib);

	while (ret == 1 && size > 1) {
		len = (data[0] & 0x3f) + 1;
		if (len > size - 1)
			len = size - 1;
		send_piece(sv[1], data + 1, len, data[0] >> 6);
		ret = imsgbuf_read(&ib);
		check(ret == 1 || ret == -1);
		if (ret == -1)
			check(errno == ERANGE || errno == EPERM ||
			    errno == EBADMSG || errno == EMSGSIZE);
		while (!(mode & BACKLOG) && imsgbuf_get(&ib, &im) == 1) {
			use(&ib, &im, max);
			imsg_free(&im);
		}
		data += 1 + len;
		size -= 1 + len;
	}
	if ((mode & BACKLOG) && size % 2 == 0) {
		while (imsgbuf_get(&ib, &im) == 1) {
			use(&ib, &im, max);
			imsg_free(&im);
		}
		check(imsgbuf_get(&ib, &im) == (ret == 1 ? 0 : -1));
	}
	imsgbuf_clear(&ib);
	check(lowest_fd() == lowest);
	return (0);
}
