/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

#include <sys/types.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <atf-c.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/client_peer.h"

int
peer_listen(const char *path)
{
	struct sockaddr_un	 sun = { .sun_family = AF_UNIX };
	int			 fd;

	ATF_REQUIRE(strlcpy(sun.sun_path, path, sizeof(sun.sun_path)) <
	    sizeof(sun.sun_path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ATF_REQUIRE(fd != -1);
	ATF_REQUIRE_EQ(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	ATF_REQUIRE_EQ(listen(fd, 64), 0);
	return (fd);
}

void
peer_accept(struct peer *p, int listener)
{
	framer_init(&p->in, FRAME_MAX);
	p->fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	ATF_REQUIRE(p->fd != -1);
}

void
peer_close(struct peer *p)
{
	framer_clear(&p->in);
	close(p->fd);
	p->fd = -1;
}

/* Waits until the peer can be read, running the client meanwhile. */
static void
peer_wait(struct peer *p, struct qemud *q, int64_t end)
{
	struct pollfd	 pfd[2] = { { p->fd, POLLIN, 0 } };
	int		 ms;

	pfd[1].fd = -1;
	ms = (int)(end - peer_now());
	ATF_REQUIRE_MSG(ms > 0, "no frame has come in time");
	if (q != NULL) {
		qemud_dispatch(q);
		pfd[1].fd = qemud_fd(q);
		pfd[1].events = qemud_events(q);
		if (qemud_timeout_ms(q) >= 0 && qemud_timeout_ms(q) < ms)
			ms = qemud_timeout_ms(q);
	}
	ATF_REQUIRE(poll(pfd, 2, ms) != -1 || errno == EINTR);
}

int
peer_take(struct peer *p, struct qemud *q, struct frame *f)
{
	int64_t	 end = peer_now() + WAIT_MS;
	char	 buf[65536];
	ssize_t	 n;
	int	 got;

	for (;;) {
		got = framer_next(&p->in, f);
		ATF_REQUIRE(got != -1);
		if (got == 1)
			return (1);
		peer_wait(p, q, end);
		n = recv(p->fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (n == -1 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n <= 0)
			return (0);
		ATF_REQUIRE_EQ(framer_push(&p->in, buf, n, NULL, 0), 0);
	}
}

void
peer_arg(const struct frame *f, int procedure, xdrproc_t proc, void *arg,
    size_t size)
{
	ATF_REQUIRE_EQ(f->hdr.procedure, procedure);
	ATF_REQUIRE_EQ(f->hdr.type, FRAME_CALL);
	ATF_REQUIRE_EQ(f->hdr.status, FRAME_OK);
	ATF_REQUIRE_EQ(rpc_decode(proc, f->body, f->len, arg, size), 0);
}

void
peer_bytes(struct peer *p, const void *data, size_t len)
{
	const char	*b = data;
	ssize_t		 n;

	for (; len > 0; b += n, len -= n) {
		n = send(p->fd, b, len, MSG_NOSIGNAL);
		if (n == -1 && (errno == EPIPE || errno == ECONNRESET))
			return;		/* the client has gone */
		ATF_REQUIRE(n > 0);
	}
}

void
peer_send(struct peer *p, const struct frame_header *h, const void *body,
    size_t len)
{
	char	 head[FRAME_HEAD];

	ATF_REQUIRE_EQ(frame_head(head, h, len), 0);
	peer_bytes(p, head, sizeof(head));
	peer_bytes(p, body, len);
}

void
peer_body(struct peer *p, const struct frame_header *h, xdrproc_t proc,
    const void *body)
{
	char	*buf;
	size_t	 len;

	ATF_REQUIRE_EQ(frame_encode(h, proc, body, &buf, &len), 0);
	peer_bytes(p, buf, len);
	free(buf);
}

void
peer_reply(struct peer *p, const struct frame_header *call, xdrproc_t proc,
    const void *body)
{
	struct frame_header	 h = *call;

	h.type = FRAME_REPLY;
	h.status = FRAME_OK;
	peer_body(p, &h, proc, body);
}

void
peer_fail(struct peer *p, const struct frame_header *call, enum rpc_code code,
    const char *text)
{
	struct frame_header	 h = *call;
	struct rpc_error	 err;
	char			*buf;
	size_t			 len;

	rpc_error_clear(&err);
	rpc_error_set(&err, RPCD_QEMU, code, "%s", text);
	ATF_REQUIRE_EQ(rpc_error_encode(&err, &buf, &len), 0);
	if (h.type == FRAME_CALL)
		h.type = FRAME_REPLY;
	h.status = FRAME_ERROR;
	peer_send(p, &h, buf, len);
	free(buf);
}

void
peer_stream(struct peer *p, const struct frame_header *call,
    enum frame_status status, const void *data, size_t len)
{
	struct frame_header	 h = *call;

	h.type = FRAME_STREAM;
	h.status = status;
	peer_send(p, &h, data, len);
}

void
peer_event(struct peer *p, int procedure, xdrproc_t proc, const void *body)
{
	const struct frame_header	 h = {
		.prog = RP_PROGRAM,
		.vers = RP_VERSION,
		.procedure = procedure,
		.type = FRAME_MESSAGE
	};

	peer_body(p, &h, proc, body);
}

int64_t
peer_now(void)
{
	struct timespec	 ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ((int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000);
}
