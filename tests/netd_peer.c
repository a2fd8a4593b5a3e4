/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

#include <sys/types.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <arpa/inet.h>

#include <atf-c.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "imsg/proc.h"
#include "tests/netd_peer.h"

#define PAYLOAD_MAX	CHAN_PAYLOAD_MAX

static void	 peer_open(struct peer *, int);
static int	 peer_get(struct peer *, struct imsg *);
static void	 wait_for(int, short);
static void	 hear_bytes(int, char *, size_t);

struct peer	 parent = { .fd = -1 }, qemud = { .fd = -1 };
pid_t		 netd_pid;

/* A message that was looked at and not taken. */
static struct imsg	 next;
static struct peer	*next_of;

/* --- the process ------------------------------------------------------------ */

void
netd_start(enum msg_role role, const struct msg_setup_netd *limits)
{
	static char		 none[] = "";
	static struct msg_setup_netd usual = { 1000, 1000, 100, 0, 0, 0 };
	struct msg_setup	 m = { .role = role, .session = TRUE,
				    .root = none, .to_stderr = TRUE };

	netd_exec();
	netd_setup(&m, limits == NULL ? &usual : limits);
}

void
netd_exec(void)
{
	char	 self[PATH_MAX], path[PATH_MAX];
	char	*argv[] = { path, NULL };
	ssize_t	 n;
	int	 sv[2], log;

	/* build/tests/NAME_test, build/libexec/qemud/netd */
	ATF_REQUIRE((n = readlink("/proc/self/exe", self, sizeof(self))) > 0);
	snprintf(path, sizeof(path), "%.*s", (int)n, self);
	*strrchr(path, '/') = '\0';
	strlcpy(strrchr(path, '/') + 1, "libexec/qemud/netd",
	    sizeof(path) - (strrchr(path, '/') + 1 - path));

	ATF_REQUIRE_EQ(0, proc_socketpair(sv));
	log = open("log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	ATF_REQUIRE(log != -1);
	ATF_REQUIRE((netd_pid = fork()) != -1);
	if (netd_pid == 0) {
		dup2(log, STDERR_FILENO);
		if (dup2(sv[1], PROC_CHANNEL_FD) == -1 ||
		    (sv[1] == PROC_CHANNEL_FD &&
		    fcntl(PROC_CHANNEL_FD, F_SETFD, 0) == -1))
			_exit(126);
		execv(path, argv);
		_exit(127);
	}
	close(log);
	close(sv[1]);
	peer_open(&parent, sv[0]);
}

void
netd_setup(const struct msg_setup *m, const struct msg_setup_netd *limits)
{
	SEND(&parent, MSG_SETUP, msg_setup, m, -1);
	SEND(&parent, MSG_SETUP_NETD, msg_setup_netd, limits, -1);
	netd_listener(1, "sock");
	netd_qemud();
	peer_send(&parent, MSG_SETUP_DONE, NULL, NULL, -1);
	ATF_CHECK_EQ(-1, peer_take(&parent, MSG_READY, NULL, NULL, 0));
}

void
netd_listener(unsigned int id, const char *path)
{
	struct sockaddr_un	 sun = { .sun_family = AF_UNIX };
	char			 copy[sizeof(sun.sun_path)];
	struct msg_listener	 m = { id, copy };
	int			 fd;

	strlcpy(copy, path, sizeof(copy));
	strlcpy(sun.sun_path, path, sizeof(sun.sun_path));
	unlink(path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ATF_REQUIRE(fd != -1);
	ATF_REQUIRE_EQ(0, bind(fd, (struct sockaddr *)&sun, sizeof(sun)));
	ATF_REQUIRE_EQ(0, chmod(path, 0666));
	ATF_REQUIRE_EQ(0, listen(fd, 1024));
	SEND(&parent, MSG_LISTENER, msg_listener, &m, fd);
}

void
netd_qemud(void)
{
	struct msg_setup_peer	 m = { ROLE_QEMUD };
	int			 sv[2];

	ATF_REQUIRE_EQ(0, proc_socketpair(sv));
	SEND(&parent, MSG_SETUP_PEER, msg_setup_peer, &m, sv[1]);
	peer_open(&qemud, sv[0]);
}

void
netd_stop(void)
{
	peer_close(&qemud);
	peer_close(&parent);
	netd_ended(0);
}

void
netd_ended(int want)
{
	int	 status;

	ATF_REQUIRE_EQ(netd_pid, waitpid(netd_pid, &status, 0));
	ATF_CHECK_MSG(WIFEXITED(status) && WEXITSTATUS(status) == want,
	    "netd has ended with status 0x%x", status);
	if (logged("ERROR: ") || logged("runtime error"))
		atf_tc_fail_nonfatal("a sanitizer complains, see log");
}

int
logged(const char *text)
{
	char	 line[8192];
	FILE	*f;
	int	 found = 0;

	ATF_REQUIRE((f = fopen("log", "re")) != NULL);
	while (!found && fgets(line, sizeof(line), f) != NULL)
		found = strstr(line, text) != NULL;
	fclose(f);
	return (found);
}

/* --- channels --------------------------------------------------------------- */

static void
peer_open(struct peer *p, int fd)
{
	p->fd = fd;
	ATF_REQUIRE_EQ(0, imsgbuf_init(&p->ibuf, fd));
	imsgbuf_allow_fdpass(&p->ibuf);
	ATF_REQUIRE_EQ(0, imsgbuf_set_maxsize(&p->ibuf, PAYLOAD_MAX));
}

void
peer_close(struct peer *p)
{
	if (p->fd == -1)
		return;
	if (next_of == p) {
		imsg_free(&next);
		next_of = NULL;
	}
	imsgbuf_clear(&p->ibuf);
	close(p->fd);
	p->fd = -1;
}

void
peer_send(struct peer *p, uint32_t type, xdrproc_t encode, const void *m,
    int fd)
{
	static char	 buf[PAYLOAD_MAX];
	XDR		 x;
	size_t		 len = 0;

	if (encode != NULL) {
		xdrmem_create(&x, buf, sizeof(buf), XDR_ENCODE);
		ATF_REQUIRE(encode(&x, (void *)(uintptr_t)m));
		len = xdr_getpos(&x);
		xdr_destroy(&x);
	}
	ATF_REQUIRE_EQ(1, imsg_compose(&p->ibuf, type, 0, 0, fd, buf, len));
	while (imsgbuf_queuelen(&p->ibuf) > 0) {
		if (imsgbuf_write(&p->ibuf) == -1) {
			/* it has ended the channel; the test will see that */
			ATF_REQUIRE(errno == EPIPE || errno == ECONNRESET);
			return;
		}
		if (imsgbuf_queuelen(&p->ibuf) > 0)
			wait_for(p->fd, POLLOUT);
	}
}

/* 1, or 0 when the other side has closed. */
static int
peer_get(struct peer *p, struct imsg *imsg)
{
	int	 n;

	if (next_of == p) {
		*imsg = next;
		next_of = NULL;
		return (1);
	}
	for (;;) {
		if ((n = imsgbuf_get(&p->ibuf, imsg)) == 1)
			return (1);
		ATF_REQUIRE_EQ(0, n);
		wait_for(p->fd, POLLIN);
		if ((n = imsgbuf_read(&p->ibuf)) == -1)
			ATF_REQUIRE_EQ(ECONNRESET, errno);
		if (n != 1)
			return (0);
	}
}

int
peer_take(struct peer *p, uint32_t type, xdrproc_t decode, void *m,
    size_t size)
{
	struct imsg	 imsg;
	struct ibuf	 b;
	XDR		 x;
	int		 fd;

	ATF_REQUIRE_MSG(peer_get(p, &imsg) == 1, "closed, expected %s",
	    msg_type_name(type));
	ATF_REQUIRE_MSG(imsg_get_type(&imsg) == type, "got %s, expected %s",
	    msg_type_name(imsg_get_type(&imsg)), msg_type_name(type));
	if (decode != NULL) {
		ATF_REQUIRE_EQ(0, imsg_get_ibuf(&imsg, &b));
		memset(m, 0, size);
		xdrmem_create(&x, ibuf_data(&b), ibuf_size(&b), XDR_DECODE);
		ATF_REQUIRE(decode(&x, m));
		ATF_REQUIRE_EQ(ibuf_size(&b), xdr_getpos(&x));
		xdr_destroy(&x);
	} else
		ATF_REQUIRE_EQ(0, imsg_get_len(&imsg));
	fd = imsg_get_fd(&imsg);
	imsg_free(&imsg);
	return (fd);
}

uint32_t
peer_next(struct peer *p)
{
	struct pollfd	 pfd = { p->fd, POLLIN, 0 };
	int		 n;

	while (next_of != p) {
		ATF_REQUIRE_EQ(NULL, next_of);
		if ((n = imsgbuf_get(&p->ibuf, &next)) == 1) {
			next_of = p;
			break;
		}
		ATF_REQUIRE_EQ(0, n);
		if (poll(&pfd, 1, 0) != 1 || imsgbuf_read(&p->ibuf) != 1)
			return (0);
	}
	return (imsg_get_type(&next));
}

/* As peer_next, but there has to be one. */
uint32_t
peer_wait(struct peer *p)
{
	if (next_of != p) {
		ATF_REQUIRE_EQ(NULL, next_of);
		ATF_REQUIRE_MSG(peer_get(p, &next) == 1, "closed");
		next_of = p;
	}
	return (imsg_get_type(&next));
}

void
peer_closed(struct peer *p)
{
	struct imsg	 imsg;

	while (peer_get(p, &imsg) == 1)
		imsg_free(&imsg);
	peer_close(p);
}

struct seen
qemud_call(void)
{
	struct msg_client_new	 new;
	struct msg_call		 m;
	struct seen		 s;
	const char		*map;
	int			 fd;

	if (peer_wait(&qemud) == MSG_CLIENT_NEW)
		ATF_CHECK_EQ(-1, TAKE(&qemud, MSG_CLIENT_NEW, msg_client_new,
		    &new));
	fd = TAKE(&qemud, MSG_CALL, msg_call, &m);
	s.client = m.client;
	s.serial = m.serial;
	s.procedure = m.procedure;
	s.len = m.body.body_len;
	if (fd != -1) {
		ATF_CHECK_EQ(0, m.body.body_len);
		ATF_REQUIRE_EQ(0, body_map(fd, FRAME_MAX, &map, &s.len));
		body_unmap(map, s.len);
	}
	xdr_free((xdrproc_t)xdr_msg_call, &m);
	return (s);
}

void
qemud_gone(uint64_t id)
{
	struct msg_client_gone	 m;

	TAKE(&qemud, MSG_CLIENT_GONE, msg_client_gone, &m);
	ATF_CHECK_EQ(id, m.client);
}

void
qemud_reply(const struct seen *s, int c, size_t len)
{
	struct msg_reply	 m = { 0 };
	char			*body;
	int			 fd = -1;

	m.client = s->client;
	m.prog = RP_PROGRAM;
	m.procedure = s->procedure;
	m.serial = s->serial;
	ATF_REQUIRE((body = malloc(len + 1)) != NULL);
	memset(body, c, len);
	if (len > MSG_INLINE_MAX)
		ATF_REQUIRE((fd = body_seal(body, len)) != -1);
	else {
		m.body.body_val = body;
		m.body.body_len = len;
	}
	SEND(&qemud, MSG_REPLY, msg_reply, &m, fd);
	free(body);
}

void
qemud_error(const struct seen *s)
{
	struct msg_reply	 m = { 0 };
	struct rpc_error	 err;
	size_t			 len;

	rpc_error_clear(&err);
	rpc_error_set(&err, RPCD_QEMU, RPCE_NO_DOMAIN, "none at all");
	ATF_REQUIRE_EQ(0, rpc_error_encode(&err, &m.body.body_val, &len));
	m.body.body_len = len;
	m.client = s->client;
	m.prog = RP_PROGRAM;
	m.procedure = s->procedure;
	m.serial = s->serial;
	m.status = FRAME_ERROR;
	SEND(&qemud, MSG_REPLY, msg_reply, &m, -1);
	free(m.body.body_val);
}

/* --- clients ---------------------------------------------------------------- */

int
dial(const char *path)
{
	struct sockaddr_un	 sun = { .sun_family = AF_UNIX };
	int			 fd;

	strlcpy(sun.sun_path, path, sizeof(sun.sun_path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ATF_REQUIRE(fd != -1);
	ATF_REQUIRE_EQ(0, connect(fd, (struct sockaddr *)&sun, sizeof(sun)));
	return (fd);
}

void
say(int fd, const void *data, size_t len)
{
	const char	*p = data;
	ssize_t		 n;

	for (; len > 0; p += n, len -= n) {
		wait_for(fd, POLLOUT);
		n = send(fd, p, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n == -1) {
			/* it has closed: seen by who reads */
			if (errno == EPIPE || errno == ECONNRESET)
				return;
			ATF_REQUIRE_EQ(EAGAIN, errno);
			n = 0;
		}
	}
}

size_t
say_most(int fd, const void *data, size_t len, int other)
{
	const char	*p = data;
	size_t		 done = 0;
	ssize_t		 n;
	int		 full = 0;

	while (full < 3) {
		ATF_REQUIRE_MSG(done < len, "netd reads all there is");
		n = send(fd, p + done, len - done, MSG_NOSIGNAL |
		    MSG_DONTWAIT);
		if (n == -1) {
			/* netd gets its turn; is there still no room? */
			ATF_REQUIRE_EQ(EAGAIN, errno);
			settle(other);
			full++;
		} else {
			done += n;
			full = 0;
		}
	}
	return (done);
}

void
say_fd(int fd, const void *data, size_t len, int passed)
{
	union {
		struct cmsghdr	 hdr;
		char		 bytes[CMSG_SPACE(sizeof(int))];
	} control = { { 0 } };
	struct iovec	 iov = { (void *)(uintptr_t)data, len };
	struct msghdr	 msg = { 0 };

	msg.msg_iov = &iov;
	msg.msg_iovlen = 1;
	msg.msg_control = control.bytes;
	msg.msg_controllen = sizeof(control.bytes);
	control.hdr.cmsg_level = SOL_SOCKET;
	control.hdr.cmsg_type = SCM_RIGHTS;
	control.hdr.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.hdr), &passed, sizeof(int));
	wait_for(fd, POLLOUT);
	/* what came before may have been reason enough to hang up */
	ATF_REQUIRE(sendmsg(fd, &msg, MSG_NOSIGNAL) == (ssize_t)len ||
	    errno == EPIPE || errno == ECONNRESET);
}

void
say_frame(int fd, const struct frame_header *h, const void *body, size_t len)
{
	char	 head[FRAME_HEAD];

	ATF_REQUIRE_EQ(0, frame_head(head, h, len));
	say(fd, head, sizeof(head));
	say(fd, body, len);
}

void
call(int fd, int procedure, unsigned int serial, xdrproc_t encode,
    const void *arg)
{
	struct frame_header	 h = { RP_PROGRAM, RP_VERSION, procedure,
				    FRAME_CALL, serial, FRAME_OK };
	char			*buf;
	size_t			 len;

	ATF_REQUIRE_EQ(0, frame_encode(&h, encode, arg, &buf, &len));
	say(fd, buf, len);
	free(buf);
}

void
call_none(int fd, int procedure, unsigned int serial)
{
	rp_none	 none = { 0 };

	call(fd, procedure, serial, (xdrproc_t)xdr_rp_none, &none);
}

struct answer
hear(int fd)
{
	struct answer	 a;
	char		 head[FRAME_HEAD];
	uint32_t	 len;

	hear_bytes(fd, head, sizeof(head));
	memcpy(&len, head, sizeof(len));
	len = ntohl(len);
	ATF_REQUIRE(len >= FRAME_HEAD && len <= FRAME_MAX);
	frame_header_get(head + FRAME_LENGTH_BYTES, &a.hdr);
	a.len = len - FRAME_HEAD;
	ATF_REQUIRE((a.body = malloc(a.len + 1)) != NULL);
	hear_bytes(fd, a.body, a.len);
	return (a);
}

void
answer_free(struct answer *a)
{
	free(a->body);
}

void
hear_reply(int fd, unsigned int serial, size_t len)
{
	struct answer	 a = hear(fd);

	ATF_CHECK_EQ(FRAME_REPLY, a.hdr.type);
	ATF_CHECK_EQ(FRAME_OK, a.hdr.status);
	ATF_CHECK_EQ_MSG(serial, a.hdr.serial, "serial %u, expected %u",
	    a.hdr.serial, serial);
	ATF_CHECK_EQ(len, a.len);
	answer_free(&a);
}

struct rpc_error
hear_error(int fd, unsigned int serial)
{
	struct answer		 a = hear(fd);
	struct rpc_error	 err;

	ATF_CHECK_EQ(FRAME_REPLY, a.hdr.type);
	ATF_CHECK_EQ(FRAME_ERROR, a.hdr.status);
	ATF_CHECK_EQ(serial, a.hdr.serial);
	ATF_REQUIRE_EQ(0, rpc_error_decode(&err, a.body, a.len));
	answer_free(&a);
	return (err);
}

void
hear_eof(int fd)
{
	char	 c;
	ssize_t	 n;

	wait_for(fd, POLLIN);
	n = recv(fd, &c, 1, MSG_DONTWAIT);
	ATF_CHECK_MSG(n == 0 || (n == -1 && errno == ECONNRESET),
	    "expected the end, recv: %zd", n);
	close(fd);
}

void
ping(int fd)
{
	struct frame_header	 h = { KEEPALIVE_PROGRAM, KEEPALIVE_VERSION,
				    KEEPALIVE_PING, FRAME_MESSAGE, 0, 0 };
	struct answer		 a;

	say_frame(fd, &h, NULL, 0);
	a = hear(fd);
	ATF_CHECK_EQ(KEEPALIVE_PROGRAM, a.hdr.prog);
	ATF_CHECK_EQ(KEEPALIVE_VERSION, a.hdr.vers);
	ATF_CHECK_EQ(KEEPALIVE_PONG, a.hdr.procedure);
	ATF_CHECK_EQ(FRAME_MESSAGE, a.hdr.type);
	ATF_CHECK_EQ(0, a.hdr.serial);
	ATF_CHECK_EQ(FRAME_OK, a.hdr.status);
	ATF_CHECK_EQ(0, a.len);
	answer_free(&a);
}

void
settle(int fd)
{
	/* when the second is answered, the turn of the first is over */
	ping(fd);
	ping(fd);
}

static void
hear_bytes(int fd, char *p, size_t len)
{
	ssize_t	 n;

	for (; len > 0; p += n, len -= n) {
		wait_for(fd, POLLIN);
		n = recv(fd, p, len, MSG_DONTWAIT);
		if (n == -1 && (errno == EAGAIN || errno == EINTR))
			n = 0;
		else
			ATF_REQUIRE_MSG(n > 0, "the connection was closed");
	}
}

static void
wait_for(int fd, short what)
{
	struct pollfd	 pfd = { fd, what, 0 };

	ATF_REQUIRE_MSG(poll(&pfd, 1, WAIT_MS) == 1, "nothing happens");
}
