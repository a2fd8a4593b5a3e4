/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * monitord, as a process, between a qemud and QEMUs that this test plays:
 * QEMUs as they should be, one real one, and QEMUs that a guest has taken
 * over.
 */

#include <sys/param.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <netinet/in.h>

#include <atf-c.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "monitord/monitord.h"

#define WAIT_MS		60000		/* for what comes in no time */
#define LONG_MS		600000		/* a deadline that never matters */
#define GREETING	"{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, " \
	"\"minor\": 2, \"major\": 7}, \"package\": \"\"}, "		\
	"\"capabilities\": [\"oob\"]}}\r\n"
#define STAMP	"\"timestamp\": {\"seconds\": %d, \"microseconds\": 7}"

struct env	env;		/* of the modules that are linked here */

/* What monitord said to qemud: the fields of all its messages. */
struct got {
	TAILQ_ENTRY(got)	 entry;
	uint32_t		 type;
	uint64_t		 guest;		/* or the viewer */
	uint64_t		 id;
	int			 code;		/* why, kind, busy, ... */
	unsigned int		 detail;	/* or sent, version */
	enum msg_runstate	 state;
	uint64_t		 seconds;
	char			 text[MSG_TEXT_MAX + 1];
	char			*body;
	size_t			 len;
};
TAILQ_HEAD(gots, got);

struct monitord {
	struct event_base	*base;
	struct chan		*parent;
	struct chan		*qemud;
	int			 ready;
	int			 parent_gone;
	int			 qemud_gone;
	pid_t			 pid;
	struct gots		 got;
};

static struct monitord	 md;

/* --- the two channels ---------------------------------------------------- */

static struct got *
got_new(uint32_t type, uint64_t guest, const char *text)
{
	struct got	*g;

	ATF_REQUIRE((g = calloc(1, sizeof(*g))) != NULL);
	g->type = type;
	g->guest = guest;
	strlcpy(g->text, text, sizeof(g->text));
	TAILQ_INSERT_TAIL(&md.got, g, entry);
	return (g);
}

static void
got_body(struct got *g, const char *p, size_t len)
{
	ATF_REQUIRE((g->body = malloc(len + 1)) != NULL);
	if (len > 0)
		memcpy(g->body, p, len);
	g->body[len] = '\0';
	g->len = len;
}

static int
on_ready(struct chan *c, void *arg, int fd)
{
	md.ready = 1;
	return (0);
}

static int
on_guest_ready(struct chan *c, void *arg, int fd)
{
	struct msg_guest_ready	*m = arg;
	struct got		*g = got_new(MSG_GUEST_READY, m->guest, "");

	g->detail = m->qemu_version;
	g->state = m->state;
	return (0);
}

static int
on_guest_gone(struct chan *c, void *arg, int fd)
{
	struct msg_guest_gone	*m = arg;

	got_new(MSG_GUEST_GONE, m->guest, m->text)->code = m->why;
	return (0);
}

static int
on_guest_event(struct chan *c, void *arg, int fd)
{
	struct msg_guest_event	*m = arg;
	struct got		*g = got_new(MSG_GUEST_EVENT, m->guest,
				    m->text);

	g->code = m->kind;
	g->detail = m->detail;
	g->seconds = m->seconds;
	return (0);
}

static int
on_op_done(struct chan *c, void *arg, int fd)
{
	struct msg_op_done	*m = arg;
	struct got		*g = got_new(MSG_OP_DONE, m->guest, m->text);
	const char		*p;
	size_t			 len;

	g->id = m->id;
	g->code = m->result;
	g->detail = m->sent;
	g->state = m->state;
	if (fd == -1)
		got_body(g, m->body.body_val, m->body.body_len);
	else {
		ATF_REQUIRE_EQ(0, m->body.body_len);
		ATF_REQUIRE_EQ(0, body_map(fd, QMP_ANSWER_BYTES, &p, &len));
		ATF_CHECK(len > MSG_INLINE_MAX);
		got_body(g, p, len);
		body_unmap(p, len);
	}
	return (0);
}

static int
on_viewer_closed(struct chan *c, void *arg, int fd)
{
	struct msg_viewer_closed	*m = arg;

	got_new(MSG_VIEWER_CLOSED, m->viewer, m->text)->code = m->busy;
	return (0);
}

static int
on_viewer_hold(struct chan *c, void *arg, int fd)
{
	struct msg_viewer_flow	*m = arg;

	got_new(MSG_VIEWER_HOLD, m->viewer, "")->code = m->stop;
	return (0);
}

static int
on_viewer_data(struct chan *c, void *arg, int fd)
{
	struct msg_viewer_data	*m = arg;

	got_body(got_new(MSG_VIEWER_DATA, m->viewer, ""), m->data.data_val,
	    m->data.data_len);
	return (0);
}

static const struct msg_handler	to_parent[] = {
	MSG_ROW_EMPTY(MSG_READY, on_ready),
	MSG_ROW_END
};

static const struct msg_handler	to_qemud[] = {
	MSG_ROW(MSG_GUEST_READY, msg_guest_ready, FD_NONE, on_guest_ready),
	MSG_ROW(MSG_GUEST_GONE, msg_guest_gone, FD_NONE, on_guest_gone),
	MSG_ROW(MSG_GUEST_EVENT, msg_guest_event, FD_NONE, on_guest_event),
	MSG_ROW(MSG_OP_DONE, msg_op_done, FD_MAY, on_op_done),
	MSG_ROW(MSG_VIEWER_CLOSED, msg_viewer_closed, FD_NONE,
	    on_viewer_closed),
	MSG_ROW(MSG_VIEWER_HOLD, msg_viewer_flow, FD_NONE, on_viewer_hold),
	MSG_ROW(MSG_VIEWER_DATA, msg_viewer_data, FD_NONE, on_viewer_data),
	MSG_ROW_END
};

static void
on_parent_closed(struct chan *c)
{
	md.parent_gone = 1;
	chan_free(c);
	md.parent = NULL;
}

static void
on_qemud_closed(struct chan *c)
{
	if (c == md.qemud) {
		md.qemud_gone = 1;
		md.qemud = NULL;
	}
	chan_free(c);
}

static void
waited_enough(int fd, short what, void *arg)
{
	*(int *)arg = 1;
}

/* Runs the loop until *flag; 0 if it does not come. */
static int
wait_for(const int *flag)
{
	const struct timeval	 tv = { WAIT_MS / 1000, 0 };
	struct event		*timer;
	int			 late = 0;

	timer = event_new(md.base, -1, 0, waited_enough, &late);
	ATF_REQUIRE(timer != NULL && event_add(timer, &tv) == 0);
	while (!*flag && !late)
		event_base_loop(md.base, EVLOOP_ONCE);
	event_free(timer);
	return (*flag);
}

/* The next thing that monitord says to qemud; the caller frees. */
static struct got *
next_got(void)
{
	const struct timeval	 tv = { WAIT_MS / 1000, 0 };
	struct event		*timer;
	struct got		*g;
	int			 late = 0;

	if ((g = TAILQ_FIRST(&md.got)) == NULL) {
		timer = event_new(md.base, -1, 0, waited_enough, &late);
		ATF_REQUIRE(timer != NULL && event_add(timer, &tv) == 0);
		while ((g = TAILQ_FIRST(&md.got)) == NULL && !late &&
		    !md.qemud_gone)
			event_base_loop(md.base, EVLOOP_ONCE);
		event_free(timer);
	}
	ATF_REQUIRE_MSG(g != NULL, "monitord says nothing");
	TAILQ_REMOVE(&md.got, g, entry);
	return (g);
}

static void
got_free(struct got *g)
{
	free(g->body);
	free(g);
}

/* It has to be this, about that guest or viewer. */
static struct got *
expect(uint32_t type, uint64_t guest)
{
	struct got	*g = next_got();

	ATF_REQUIRE_MSG(g->type == type && g->guest == guest,
	    "%s of %llu (code %d, %s) instead of %s of %llu",
	    msg_type_name(g->type), (unsigned long long)g->guest, g->code,
	    g->text, msg_type_name(type), (unsigned long long)guest);
	return (g);
}

static void
expect_code(uint32_t type, uint64_t guest, int code, const char *text)
{
	struct got	*g = expect(type, guest);

	ATF_CHECK_MSG(g->code == code && strstr(g->text, text) != NULL,
	    "%s of %llu: code %d, %s instead of %d, %s", msg_type_name(type),
	    (unsigned long long)guest, g->code, g->text, code, text);
	got_free(g);
}

static void
expect_done(uint64_t guest, uint64_t id, int result, const char *text)
{
	struct got	*g = expect(MSG_OP_DONE, guest);

	ATF_CHECK_MSG(g->id == id && g->code == result &&
	    strstr(g->text, text) != NULL,
	    "operation %llu: result %d, %s instead of %llu: %d, %s",
	    (unsigned long long)g->id, g->code, g->text,
	    (unsigned long long)id, result, text);
	got_free(g);
}

/* Everything for this viewer up to len bytes. */
static void
expect_data(uint64_t viewer, const char *want, size_t len)
{
	struct got	*g;
	size_t		 at = 0;

	while (at < len) {
		g = expect(MSG_VIEWER_DATA, viewer);
		ATF_REQUIRE_MSG(at + g->len <= len &&
		    memcmp(want + at, g->body, g->len) == 0,
		    "other data at %zu of %zu: %.80s", at, len, g->body);
		at += g->len;
		got_free(g);
	}
}

/* What the daemon is told. */
#define SAY(c, type, name, msg, fd) do {				\
	ATF_REQUIRE_EQ(0, CHAN_SEND((c), (type), name, (msg), (fd)));	\
	ATF_REQUIRE_EQ(0, chan_flush(c));				\
} while (0)
#define SAY_EMPTY(c, type) do {						\
	ATF_REQUIRE_EQ(0, chan_send((c), (type), NULL, NULL, -1));	\
	ATF_REQUIRE_EQ(0, chan_flush(c));				\
} while (0)

static char	nothing[] = "";

static const struct msg_setup	in_session = {
	.role = ROLE_MONITORD,
	.session = 1,
	.root = nothing,
	.to_stderr = 1
};

static void
give_qemud(void)
{
	struct msg_setup_peer	peer = { .role = ROLE_QEMUD };
	int			fds[2];

	ATF_REQUIRE_EQ(0, proc_socketpair(fds));
	SAY(md.parent, MSG_SETUP_PEER, msg_setup_peer, &peer, fds[1]);
	md.qemud_gone = 0;
	md.qemud = chan_new(md.base, fds[0], "monitord", to_qemud, NULL,
	    on_qemud_closed);
	ATF_REQUIRE(md.qemud != NULL);
}

static const char *
binary(void)
{
	static char	 path[PATH_MAX];
	char		*p;
	ssize_t		 n;

	n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	ATF_REQUIRE(n > 0);
	path[n] = '\0';
	if ((p = strstr(path, "/tests/")) == NULL)
		atf_tc_fail("not run from a build folder");
	*p = '\0';
	strlcat(path, "/libexec/qemud/monitord", sizeof(path));
	return (path);
}

static void
monitord_spawn(void)
{
	char			 name[] = "monitord";
	char			*argv[] = { name, NULL };
	struct proc_spec	 spec = { 0 };
	int			 fds[2], pidfd;

	signal(SIGPIPE, SIG_IGN);
	memset(&md, 0, sizeof(md));
	TAILQ_INIT(&md.got);
	ATF_REQUIRE((md.base = event_base_new()) != NULL);
	ATF_REQUIRE_EQ(0, proc_socketpair(fds));
	md.parent = chan_new(md.base, fds[0], "monitord", to_parent, NULL,
	    on_parent_closed);
	ATF_REQUIRE(md.parent != NULL);
	spec.path = binary();
	spec.argv = argv;
	spec.channel = fds[1];
	spec.out = STDERR_FILENO;
	md.pid = proc_spawn(&spec, &pidfd);
	ATF_REQUIRE(md.pid != -1);
	close(pidfd);
}

static void
monitord_start_as(const struct msg_setup *setup)
{
	monitord_spawn();
	SAY(md.parent, MSG_SETUP, msg_setup, setup, -1);
	give_qemud();
	SAY_EMPTY(md.parent, MSG_SETUP_DONE);
	ATF_REQUIRE_MSG(wait_for(&md.ready), "monitord is not ready");
}

static void
monitord_start(void)
{
	monitord_start_as(&in_session);
}

/* Ends as it should: 0, and not by a signal of the system call filter. */
static void
monitord_stop(void)
{
	struct got	*g;
	int		 status;

	chan_free(md.parent);
	ATF_REQUIRE_EQ(md.pid, waitpid(md.pid, &status, 0));
	ATF_CHECK_MSG(WIFEXITED(status) && WEXITSTATUS(status) == 0,
	    "monitord ended with status %#x", status);
	while ((g = TAILQ_FIRST(&md.got)) != NULL) {
		ATF_CHECK_MSG(0, "not awaited: %s of %llu, code %d, %s",
		    msg_type_name(g->type), (unsigned long long)g->guest,
		    g->code, g->text);
		TAILQ_REMOVE(&md.got, g, entry);
		got_free(g);
	}
	chan_free(md.qemud);
	event_base_free(md.base);
}

static void
op(uint64_t guest, uint64_t id, enum msg_op_kind kind, const char *text,
    unsigned int timeout_ms)
{
	struct msg_op	m = { .guest = guest, .id = id, .op = kind,
			    .text = (char *)(uintptr_t)text,
			    .timeout_ms = timeout_ms };

	SAY(md.qemud, MSG_OP, msg_op, &m, -1);
}

/* Until monitord has dealt with all that it was told before. */
static void
barrier(void)
{
	struct gots	 other = TAILQ_HEAD_INITIALIZER(other);
	struct got	*g;

	op(UINT64_MAX, 1, OP_STOP, "", 0);
	while ((g = next_got())->guest != UINT64_MAX)
		TAILQ_INSERT_TAIL(&other, g, entry);
	got_free(g);
	/* and what it said meanwhile is still to be looked at */
	TAILQ_CONCAT(&other, &md.got, entry);
	TAILQ_CONCAT(&md.got, &other, entry);
}

static void
viewer(uint64_t id, uint64_t guest, unsigned int console, int force,
    int watch)
{
	struct msg_viewer_open	m = { .viewer = id, .guest = guest,
				    .console = console, .force = force,
				    .watch = watch };

	SAY(md.qemud, MSG_VIEWER_OPEN, msg_viewer_open, &m, -1);
}

static void
flow(uint64_t id, int stop)
{
	struct msg_viewer_flow	m = { .viewer = id, .stop = stop };

	SAY(md.qemud, MSG_VIEWER_FLOW, msg_viewer_flow, &m, -1);
}

static void
type_text(uint64_t id, const char *p, size_t len)
{
	struct msg_viewer_data	m = { .viewer = id };

	m.data.data_val = (char *)(uintptr_t)p;
	m.data.data_len = len;
	SAY(md.qemud, MSG_VIEWER_DATA, msg_viewer_data, &m, -1);
}

/* --- a QEMU -------------------------------------------------------------- */

static void
put(int fd, const char *p, size_t len)
{
	ssize_t	n;

	for (; len > 0; p += n, len -= n)
		ATF_REQUIRE((n = send(fd, p, len, MSG_NOSIGNAL)) > 0);
}

static void __attribute__((format(printf, 2, 3)))
answer(int fd, const char *fmt, ...)
{
	char	*s;
	va_list	 ap;

	va_start(ap, fmt);
	ATF_REQUIRE(vasprintf(&s, fmt, ap) != -1);
	va_end(ap);
	put(fd, s, strlen(s));
	free(s);
}

/* The next command, and the descriptor that came with it. */
static int
command_fd(int fd, char *line, size_t size)
{
	char		 control[CMSG_SPACE(sizeof(int))];
	struct iovec	 iov;
	struct msghdr	 msg;
	struct cmsghdr	*cmsg;
	size_t		 n = 0;
	int		 came = -1;

	/* a byte at a time, as QEMU does */
	do {
		ATF_REQUIRE(n < size - 1);
		iov.iov_base = line + n;
		iov.iov_len = 1;
		memset(&msg, 0, sizeof(msg));
		msg.msg_iov = &iov;
		msg.msg_iovlen = 1;
		msg.msg_control = control;
		msg.msg_controllen = sizeof(control);
		ATF_REQUIRE_MSG(recvmsg(fd, &msg, MSG_CMSG_CLOEXEC) == 1,
		    "no command: %s", strerror(errno));
		cmsg = CMSG_FIRSTHDR(&msg);
		if (cmsg != NULL && cmsg->cmsg_type == SCM_RIGHTS) {
			ATF_REQUIRE_EQ(-1, came);
			memcpy(&came, CMSG_DATA(cmsg), sizeof(came));
		}
	} while (line[n++] != '\n');
	line[n - 1] = '\0';
	return (came);
}

static void
send_fd(int fd, const char *s, int other)
{
	union {
		struct cmsghdr	 hdr;
		char		 buf[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec	 iov = { (char *)(uintptr_t)s, strlen(s) };
	struct msghdr	 msg = { .msg_iov = &iov, .msg_iovlen = 1,
			    .msg_control = control.buf,
			    .msg_controllen = sizeof(control.buf) };
	struct cmsghdr	*cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &other, sizeof(int));
	ATF_REQUIRE_EQ((ssize_t)strlen(s), sendmsg(fd, &msg, MSG_NOSIGNAL));
}

/* The next command must be this one, with any id; which is returned. */
static unsigned long long
command(int fd, const char *want)
{
	unsigned long long	 id;
	char			 line[2048], *p;

	ATF_CHECK_EQ(-1, command_fd(fd, line, sizeof(line)));
	ATF_REQUIRE_MSG((p = strstr(line, ",\"id\":")) != NULL, "%s", line);
	id = strtoull(p + 6, NULL, 10);
	*p = '\0';
	ATF_CHECK_MSG(strcmp(line, want) == 0, "%s instead of %s", line,
	    want);
	return (id);
}

static void
return_empty(int fd, const char *want)
{
	answer(fd, "{\"return\": {}, \"id\": %llu}\r\n", command(fd, want));
}

static void
socket_pair(int fds[2])
{
	const struct timeval	tv = { WAIT_MS / 1000, 0 };

	ATF_REQUIRE_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
	    fds));
	/* our end, so that nothing hangs */
	setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(fds[0], SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
}

static void
attach_fd(uint64_t guest, int fd, unsigned int timeout_ms)
{
	struct msg_guest_attach	m = { .guest = guest,
				    .timeout_ms = timeout_ms };
	char			name[32];

	snprintf(name, sizeof(name), "test%llu", (unsigned long long)guest);
	m.name = name;
	SAY(md.qemud, MSG_GUEST_ATTACH, msg_guest_attach, &m, fd);
}

static int
attach(uint64_t guest, unsigned int timeout_ms)
{
	int	fds[2];

	socket_pair(fds);
	attach_fd(guest, fds[1], timeout_ms);
	return (fds[0]);
}

static void
start(uint64_t guest)
{
	struct msg_guest_start	m = { .guest = guest };

	SAY(md.qemud, MSG_GUEST_START, msg_guest_start, &m, -1);
}

static void
detach(uint64_t guest)
{
	struct msg_guest_detach	m = { .guest = guest };

	SAY(md.qemud, MSG_GUEST_DETACH, msg_guest_detach, &m, -1);
}

static void
negotiate(uint64_t guest, int q)
{
	struct got	*g;

	answer(q, "%s", GREETING);
	return_empty(q, "{\"execute\":\"qmp_capabilities\"");
	answer(q, "{\"return\": {\"status\": \"prelaunch\", \"singlestep\": "
	    "false, \"running\": false}, \"id\": %llu}\r\n",
	    command(q, "{\"execute\":\"query-status\""));
	g = expect(MSG_GUEST_READY, guest);
	ATF_CHECK_EQ(7002022, g->detail);
	ATF_CHECK_EQ(RUN_PRELAUNCH, g->state);
	got_free(g);
}

/* A guest that is ready; its QEMU. */
static int
guest_up(uint64_t guest)
{
	int	q = attach(guest, LONG_MS);

	start(guest);
	negotiate(guest, q);
	return (q);
}

/* It works: an operation is done and answered. */
static void
check_alive(uint64_t guest, int q)
{
	static uint64_t	id = 1000000;

	op(guest, ++id, OP_STOP, "", LONG_MS);
	return_empty(q, "{\"execute\":\"stop\"");
	expect_done(guest, id, OP_OK, "");
}

static void
check_closed(int fd)
{
	char	c;
	ssize_t	n;

	while ((n = recv(fd, &c, 1, 0)) == 1)
		;
	ATF_CHECK_MSG(n == 0 || (n == -1 && errno == ECONNRESET),
	    "not closed: %s", strerror(errno));
	close(fd);
}

static int
console(uint64_t guest, unsigned int number)
{
	struct msg_guest_console	m = { .guest = guest,
					    .console = number };
	int				fds[2];

	socket_pair(fds);
	SAY(md.qemud, MSG_GUEST_CONSOLE, msg_guest_console, &m, fds[1]);
	return (fds[0]);
}

static void
get_exactly(int fd, char *p, size_t len)
{
	struct pollfd	pfd = { .fd = fd, .events = POLLIN };
	size_t		at;
	ssize_t		n;

	for (at = 0; at < len; at += n) {
		ATF_REQUIRE_MSG(poll(&pfd, 1, WAIT_MS) == 1,
		    "only %zu of %zu bytes come", at, len);
		ATF_REQUIRE((n = read(fd, p + at, len - at)) > 0);
	}
}

/* A terminal, raw; its slave, and the master for monitord. */
static int
terminal(int *master)
{
	struct termios	t;
	int		slave;

	ATF_REQUIRE((*master = posix_openpt(O_RDWR | O_NOCTTY |
	    O_CLOEXEC)) != -1);
	ATF_REQUIRE_EQ(0, grantpt(*master));
	ATF_REQUIRE_EQ(0, unlockpt(*master));
	slave = open(ptsname(*master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	ATF_REQUIRE(slave != -1);
	ATF_REQUIRE_EQ(0, tcgetattr(slave, &t));
	cfmakeraw(&t);
	ATF_REQUIRE_EQ(0, tcsetattr(slave, TCSANOW, &t));
	return (slave);
}

static void
give_pty(uint64_t guest, unsigned int number, int fd)
{
	struct msg_guest_pty	m = { .guest = guest, .console = number };

	SAY(md.qemud, MSG_GUEST_PTY, msg_guest_pty, &m, fd);
}

static void
pattern(char *p, size_t len, size_t from)
{
	size_t	i;

	for (i = 0; i < len; i++)
		p[i] = (char)((from + i) * 31 + (from + i) / 251);
}

/* --- setup --------------------------------------------------------------- */

static void
status_of(const char *key, char *val, size_t size)
{
	char	 path[64], line[256];
	size_t	 n = strlen(key);
	FILE	*f;

	val[0] = '\0';
	snprintf(path, sizeof(path), "/proc/%d/status", (int)md.pid);
	ATF_REQUIRE((f = fopen(path, "r")) != NULL);
	while (fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, key, n) == 0 && line[n] == ':') {
			line[strcspn(line, "\n")] = '\0';
			strlcpy(val, line + n + 1 + strspn(line + n + 1,
			    " \t"), size);
		}
	fclose(f);
}

static void
check_title(const char *want)
{
	char	 path[64], title[128] = "";
	FILE	*f;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)md.pid);
	ATF_REQUIRE((f = fopen(path, "r")) != NULL);
	ATF_CHECK(fgets(title, sizeof(title), f) != NULL);
	fclose(f);
	ATF_CHECK_STREQ(want, title);
}

ATF_TC_WITHOUT_HEAD(confined);
ATF_TC_BODY(confined, tc)
{
	char	val[64];
	int	q, q2;

	monitord_start();
	status_of("NoNewPrivs", val, sizeof(val));
	ATF_CHECK_STREQ("1", val);
#ifndef SANITIZED
	status_of("Seccomp", val, sizeof(val));
	ATF_CHECK_STREQ("2", val);
#endif
	q = guest_up(1);
	check_title("monitord: 1 guest (session)");
	q2 = guest_up(2);
	check_title("monitord: 2 guests (session)");
	close(q);
	expect_code(MSG_GUEST_GONE, 1, GONE_CLOSED, "closed its monitor");
	check_title("monitord: 1 guest (session)");
	/* and it logs what it has, which is a signal's business */
	kill(md.pid, SIGUSR1);
	check_alive(2, q2);
	close(q2);
	expect_code(MSG_GUEST_GONE, 2, GONE_CLOSED, "");
	monitord_stop();
}

/* qemud may speak before it is confined, and is answered after that. */
ATF_TC_WITHOUT_HEAD(nothing_before_setup);
ATF_TC_BODY(nothing_before_setup, tc)
{
	monitord_spawn();
	SAY(md.parent, MSG_SETUP, msg_setup, &in_session, -1);
	give_qemud();
	op(7, 1, OP_STOP, "", LONG_MS);
	event_base_loop(md.base, EVLOOP_NONBLOCK);
	ATF_CHECK(TAILQ_EMPTY(&md.got));
	SAY_EMPTY(md.parent, MSG_SETUP_DONE);
	ATF_REQUIRE(wait_for(&md.ready));
	expect_done(7, 1, OP_GONE, "");
	monitord_stop();
}

/* As in the system instance: another user, an empty root, syslog. */
ATF_TC(as_a_system_service);
ATF_TC_HEAD(as_a_system_service, tc)
{
	atf_tc_set_md_var(tc, "require.user", "root");
}
ATF_TC_BODY(as_a_system_service, tc)
{
	struct msg_setup	setup = in_session;
	char			root[PATH_MAX], val[64];
	int			q, c, slave, master;

	ATF_REQUIRE_EQ(0, mkdir("empty", 0555));
	ATF_REQUIRE(realpath("empty", root) != NULL);
	setup.session = setup.to_stderr = 0;
	setup.root = root;
	setup.uid = setup.gid = 65534;
	monitord_start_as(&setup);
	status_of("Uid", val, sizeof(val));
	ATF_CHECK_STREQ("65534\t65534\t65534\t65534", val);
	status_of("Groups", val, sizeof(val));
	ATF_CHECK_STREQ("", val);
	status_of("CapEff", val, sizeof(val));
	ATF_CHECK_STREQ("0000000000000000", val);
	/* with all that it does, and lines for the log, whoever takes them */
	q = guest_up(1);
	c = console(1, 0);
	slave = terminal(&master);
	give_pty(1, 0, master);
	put(c, "x", 1);
	get_exactly(slave, val, 1);
	answer(q, "x\n");
	expect_code(MSG_GUEST_GONE, 1, GONE_PROTOCOL, "not JSON");
	check_closed(q);
	check_closed(c);
	close(slave);
	monitord_stop();
}

/* --- operations ---------------------------------------------------------- */

ATF_TC_WITHOUT_HEAD(operations);
ATF_TC_BODY(operations, tc)
{
	static const struct {
		enum msg_op_kind	 kind;
		const char		*command;
	} simple[] = {
		{ OP_CONT, "{\"execute\":\"cont\"" },
		{ OP_STOP, "{\"execute\":\"stop\"" },
		{ OP_POWERDOWN, "{\"execute\":\"system_powerdown\"" },
		{ OP_RESET, "{\"execute\":\"system_reset\"" },
		{ OP_QUIT, "{\"execute\":\"quit\"" }
	};
	struct got	*g;
	size_t		 i;
	int		 q;

	monitord_start();
	q = guest_up(1);
	for (i = 0; i < sizeof(simple) / sizeof(simple[0]); i++) {
		op(1, i, simple[i].kind, "", LONG_MS);
		return_empty(q, simple[i].command);
		expect_done(1, i, OP_OK, "");
	}

	op(1, 20, OP_STATUS, "", LONG_MS);
	answer(q, "{\"return\": {\"status\": \"io-error\", \"running\": "
	    "false}, \"id\": %llu}\r\n",
	    command(q, "{\"execute\":\"query-status\""));
	g = expect(MSG_OP_DONE, 1);
	ATF_CHECK(g->id == 20 && g->code == OP_OK);
	ATF_CHECK_EQ(RUN_IO_ERROR, g->state);
	got_free(g);

	/* QEMU says no; its text is for people's screens */
	op(1, 21, OP_CONT, "", LONG_MS);
	answer(q, "{\"id\": %llu, \"error\": {\"class\": \"GenericError\", "
	    "\"desc\": \"not\\n\\u001b[31mnow\"}}\r\n",
	    command(q, "{\"execute\":\"cont\""));
	expect_done(1, 21, OP_REFUSED, "not [31mnow");

	op(1, 22, OP_HMP, "info \"version\"", LONG_MS);
	answer(q, "{\"return\": \"7.2\\r\\n\\u00e4\", \"id\": %llu}\r\n",
	    command(q, "{\"execute\":\"human-monitor-command\",\"arguments\":"
	    "{\"command-line\":\"info \\\"version\\\"\"}"));
	g = expect(MSG_OP_DONE, 1);
	ATF_CHECK(g->id == 22 && g->code == OP_OK);
	ATF_CHECK_STREQ("7.2\r\n\xc3\xa4", g->body);
	got_free(g);

	/* what cannot be sent is refused without QEMU */
	op(1, 23, OP_HMP, "", LONG_MS);
	expect_done(1, 23, OP_REFUSED, "empty");
	op(1, 24, OP_HMP, "\xff\xfe", LONG_MS);
	expect_done(1, 24, OP_REFUSED, "UTF-8");
	op(99, 25, OP_STOP, "", LONG_MS);
	expect_done(99, 25, OP_GONE, "");

	/* asked for before QEMU greets, done when it has */
	close(q);
	expect_code(MSG_GUEST_GONE, 1, GONE_CLOSED, "");
	q = attach(2, LONG_MS);
	op(2, 30, OP_CONT, "", LONG_MS);
	start(2);
	negotiate(2, q);
	return_empty(q, "{\"execute\":\"cont\"");
	expect_done(2, 30, OP_OK, "");
	detach(2);
	check_closed(q);
	monitord_stop();
}

ATF_TC_WITHOUT_HEAD(client_commands);
ATF_TC_BODY(client_commands, tc)
{
	struct got	*g;
	char		*many, line[256];
	size_t		 len = 300000;
	int		 q;

	monitord_start();
	q = guest_up(1);
	op(1, 1, OP_QMP, "{\"execute\": \"query-name\", \"id\": \"mine\"}",
	    LONG_MS);
	ATF_CHECK_EQ(-1, command_fd(q, line, sizeof(line)));
	ATF_CHECK_STREQ("{\"execute\":\"query-name\",\"id\":3}", line);
	answer(q, "{\"return\": {\"n\": 18446744073709551615, \"s\": "
	    "\"a b\"}, \"id\": 3}\r\n");
	g = expect(MSG_OP_DONE, 1);
	ATF_CHECK_EQ(OP_OK, g->code);
	ATF_CHECK_STREQ("{\"return\":{\"n\":18446744073709551615,"
	    "\"s\":\"a b\"},\"id\":3}", g->body);
	got_free(g);

	/* QEMU's refusal is the client's answer, also one without a number */
	op(1, 2, OP_QMP, "{\"execute\":\"x\"}", LONG_MS);
	answer(q, "{\"id\": %llu, \"error\": {\"class\": \"CommandNotFound\","
	    " \"desc\": \"no x\"}}\r\n", command(q, "{\"execute\":\"x\""));
	g = expect(MSG_OP_DONE, 1);
	ATF_CHECK(g->code == OP_OK && strstr(g->body, "no x") != NULL);
	got_free(g);
	op(1, 3, OP_QMP, "{\"execute\":\"y\"}", LONG_MS);
	command(q, "{\"execute\":\"y\"");
	answer(q, "{\"error\": {\"class\": \"GenericError\", \"desc\": "
	    "\"Invalid JSON syntax\"}}\r\n");
	g = expect(MSG_OP_DONE, 1);
	ATF_CHECK(g->code == OP_OK && strstr(g->body, "syntax") != NULL);
	got_free(g);

	op(1, 4, OP_QMP, "{\"exec-oob\": \"x\"}", LONG_MS);
	expect_done(1, 4, OP_REFUSED, "exec-oob");
	op(1, 5, OP_QMP, "stop", LONG_MS);
	expect_done(1, 5, OP_REFUSED, "JSON");

	/* a long answer comes as a memfd */
	op(1, 6, OP_HMP, "info qtree", LONG_MS);
	ATF_REQUIRE((many = malloc(len + 1)) != NULL);
	memset(many, 'q', len);
	many[len] = '\0';
	answer(q, "{\"return\": \"%s\", \"id\": %llu}\r\n", many,
	    command(q, "{\"execute\":\"human-monitor-command\",\"arguments\":"
	    "{\"command-line\":\"info qtree\"}"));
	g = expect(MSG_OP_DONE, 1);
	ATF_CHECK_EQ(len, g->len);
	ATF_CHECK(memcmp(many, g->body, len) == 0);
	got_free(g);
	free(many);
	check_alive(1, q);
	detach(1);
	check_closed(q);
	monitord_stop();
}

ATF_TC_WITHOUT_HEAD(vnc_password);
ATF_TC_BODY(vnc_password, tc)
{
	int	q;

	monitord_start();
	q = guest_up(1);
	op(1, 1, OP_VNC_PASSWORD, "se\"cret", LONG_MS);
	return_empty(q, "{\"execute\":\"set_password\",\"arguments\":"
	    "{\"protocol\":\"vnc\",\"password\":\"se\\\"cret\"}");
	return_empty(q, "{\"execute\":\"expire_password\",\"arguments\":"
	    "{\"protocol\":\"vnc\",\"time\":\"never\"}");
	expect_done(1, 1, OP_OK, "");
	op(1, 2, OP_VNC_PASSWORD, "x", LONG_MS);
	answer(q, "{\"id\": %llu, \"error\": {\"class\": \"GenericError\", "
	    "\"desc\": \"Could not set password\"}}\r\n",
	    command(q, "{\"execute\":\"set_password\",\"arguments\":"
	    "{\"protocol\":\"vnc\",\"password\":\"x\"}"));
	return_empty(q, "{\"execute\":\"expire_password\",\"arguments\":"
	    "{\"protocol\":\"vnc\",\"time\":\"never\"}");
	expect_done(1, 2, OP_REFUSED, "Could not set password");
	op(1, 3, OP_VNC_PASSWORD, "", LONG_MS);
	expect_done(1, 3, OP_REFUSED, "must not be empty");
	detach(1);
	check_closed(q);
	monitord_stop();
}

ATF_TC_WITHOUT_HEAD(queue_is_bounded);
ATF_TC_BODY(queue_is_bounded, tc)
{
	unsigned int	i;
	int		q;

	monitord_start();
	q = guest_up(1);
	for (i = 0; i < OPS_MAX; i++)
		op(1, i, i % 2 ? OP_STOP : OP_CONT, "", LONG_MS);
	op(1, OPS_MAX, OP_STOP, "", LONG_MS);
	expect_done(1, OPS_MAX, OP_FULL, "too many");
	for (i = 0; i < OPS_MAX; i++) {
		return_empty(q, i % 2 ? "{\"execute\":\"stop\"" :
		    "{\"execute\":\"cont\"");
		expect_done(1, i, OP_OK, "");
	}
	check_alive(1, q);
	detach(1);
	check_closed(q);
	monitord_stop();
}

/* One that hangs gets nothing more until it has answered. */
ATF_TC_WITHOUT_HEAD(deadlines);
ATF_TC_BODY(deadlines, tc)
{
	unsigned long long	 id;
	struct got		*g;
	char			*late;
	int			 q, other;

	monitord_start();
	q = guest_up(1);
	other = guest_up(2);
	op(1, 1, OP_STOP, "", 50);
	op(1, 2, OP_RESET, "", 100);
	op(1, 3, OP_CONT, "", LONG_MS);
	id = command(q, "{\"execute\":\"stop\"");
	g = expect(MSG_OP_DONE, 1);
	ATF_CHECK(g->id == 1 && g->code == OP_TIMEOUT && g->detail == 1);
	got_free(g);
	g = expect(MSG_GUEST_EVENT, 1);
	ATF_CHECK(g->code == EV_STALLED && g->detail == 1);
	got_free(g);
	g = expect(MSG_OP_DONE, 1);
	ATF_CHECK(g->id == 2 && g->code == OP_TIMEOUT && g->detail == 0);
	got_free(g);
	check_alive(2, other);

	/* it wakes up: the reset was never sent */
	answer(q, "{\"return\": {}, \"id\": %llu}\r\n", id);
	g = expect(MSG_GUEST_EVENT, 1);
	ATF_CHECK(g->code == EV_STALLED && g->detail == 0);
	got_free(g);
	return_empty(q, "{\"execute\":\"cont\"");
	expect_done(1, 3, OP_OK, "");

	/* a late answer, half of which is there, that is very long */
	op(1, 4, OP_HMP, "x", 200);
	id = command(q, "{\"execute\":\"human-monitor-command\",\"arguments\":"
	    "{\"command-line\":\"x\"}");
	ATF_REQUIRE((late = malloc(3000001)) != NULL);
	memset(late, 'l', 3000000);
	late[3000000] = '\0';
	answer(q, "{\"return\": \"%.100000s", late);
	expect_done(1, 4, OP_TIMEOUT, "");
	expect_code(MSG_GUEST_EVENT, 1, EV_STALLED, "");
	answer(q, "%s\", \"id\": %llu}\r\n", late, id);
	expect_code(MSG_GUEST_EVENT, 1, EV_STALLED, "");
	check_alive(1, q);

	/* or all of it comes late */
	op(1, 5, OP_HMP, "x", 50);
	id = command(q, "{\"execute\":\"human-monitor-command\",\"arguments\":"
	    "{\"command-line\":\"x\"}");
	expect_done(1, 5, OP_TIMEOUT, "");
	expect_code(MSG_GUEST_EVENT, 1, EV_STALLED, "");
	answer(q, "{\"return\": \"%s\", \"id\": %llu}\r\n", late, id);
	free(late);
	expect_code(MSG_GUEST_EVENT, 1, EV_STALLED, "");
	check_alive(1, q);
	detach(1);
	detach(2);
	check_closed(q);
	check_closed(other);
	monitord_stop();
}

/* --- guests that misbehave ----------------------------------------------- */

ATF_TC_WITHOUT_HEAD(no_greeting);
ATF_TC_BODY(no_greeting, tc)
{
	int	q, q2, other;

	monitord_start();
	q = attach(1, 100);
	q2 = attach(3, 100);
	other = guest_up(2);
	start(1);
	check_alive(2, other);
	expect_code(MSG_GUEST_GONE, 1, GONE_TIMEOUT, "did not greet");
	check_closed(q);

	/* greets, and no more */
	answer(q2, "%s", GREETING);
	start(3);
	expect_code(MSG_GUEST_GONE, 3, GONE_TIMEOUT, "did not answer");
	check_closed(q2);

	/* greets, and refuses */
	q = attach(4, LONG_MS);
	start(4);
	answer(q, "%s", GREETING);
	answer(q, "{\"error\": {\"desc\": \"no\"}, \"id\": %llu}\r\n",
	    command(q, "{\"execute\":\"qmp_capabilities\""));
	answer(q, "{\"error\": {\"desc\": \"no\"}, \"id\": %llu}\r\n",
	    command(q, "{\"execute\":\"query-status\""));
	expect_code(MSG_GUEST_GONE, 4, GONE_PROTOCOL, "refuses");
	check_closed(q);
	check_alive(2, other);
	detach(2);
	check_closed(other);
	monitord_stop();
}

/* What a hostile QEMU says instead of a greeting, and when it is ready. */
ATF_TC_WITHOUT_HEAD(garbage);
ATF_TC_BODY(garbage, tc)
{
	static const struct {
		const char	*say;
		const char	*why;
	} first[] = {
		{ "hello\n", "not JSON" },
		{ "\n", "not JSON" },
		{ "{\"return\": {}, \"id\": 1}\n", "no greeting" },
		{ "{\"event\": \"STOP\", \"timestamp\": {\"seconds\": 1, "
		    "\"microseconds\": 1}}\n", "no greeting" },
		{ "{\"QMP\": {}}\n", "version" },
		{ "[]\n", "not an object" }
	}, later[] = {
		{ "\xff\xfe\n", "not JSON" },
		{ "{\"return\": \"\xc0\x80\", \"id\": 3}\n", "not JSON" },
		{ "{\"return\": {}, \"return\": {}, \"id\": 3}\n",
		    "not JSON" },
		{ GREETING, "second greeting" },
		{ "{\"return\": {}, \"id\": 4}\n", "another command" },
		{ "{\"return\": {}, \"id\": 2}\n", "another command" },
		{ "{\"return\": {}}\n", "another command" },
		{ "{\"error\": {\"desc\": \"\"}}\n", "another command" },
		{ "{\"return\": [], \"id\": 3}\n", "another form" },
		{ "{\"return\": {}, \"id\": \"3\"}\n", "no QEMU gives" },
		{ "{\"return\": {}, \"error\": {}, \"id\": 3}\n", "neither" },
		{ "{\"event\": \"STOP\"}\n", "an event" },
		{ "{\"event\": \"RTC_CHANGE\", \"timestamp\": {\"seconds\": "
		    "1, \"microseconds\": 1}}\n", "bad data" },
		/* the right answer, and then one too many */
		{ "{\"return\": {}, \"id\": 3}\n{\"return\": {}, "
		    "\"id\": 4}\n", "nothing asked for" },
	};
	struct got	*g;
	size_t		 i;
	int		 q, other;

	monitord_start();
	other = guest_up(2);
	for (i = 0; i < sizeof(first) / sizeof(first[0]); i++) {
		q = attach(100 + i, LONG_MS);
		start(100 + i);
		answer(q, "%s", first[i].say);
		expect_code(MSG_GUEST_GONE, 100 + i, GONE_PROTOCOL,
		    first[i].why);
		check_closed(q);
		check_alive(2, other);
	}
	for (i = 0; i < sizeof(later) / sizeof(later[0]); i++) {
		q = guest_up(200 + i);
		op(200 + i, 1, OP_STOP, "", LONG_MS);
		ATF_CHECK_EQ(3, command(q, "{\"execute\":\"stop\""));
		answer(q, "%s", later[i].say);
		g = expect(MSG_OP_DONE, 200 + i);
		ATF_CHECK_EQ(strstr(later[i].why, "nothing") != NULL ?
		    OP_OK : OP_GONE, (enum msg_op_result)g->code);
		got_free(g);
		expect_code(MSG_GUEST_GONE, 200 + i, GONE_PROTOCOL,
		    later[i].why);
		check_closed(q);
		check_alive(2, other);
	}
	detach(2);
	check_closed(other);
	monitord_stop();
}

/*
 * It answers what it has not read yet, again and again: the questions would
 * pile up.
 */
ATF_TC_WITHOUT_HEAD(answers_unread_questions);
ATF_TC_BODY(answers_unread_questions, tc)
{
	char	*text;
	int	 q, small = 1;

	monitord_start();
	q = attach(1, LONG_MS);
	setsockopt(q, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	start(1);
	negotiate(1, q);
	/* six bytes for each, and more than a socket holds */
	ATF_REQUIRE((text = malloc(49001)) != NULL);
	memset(text, 1, 49000);
	text[49000] = '\0';
	op(1, 1, OP_HMP, text, LONG_MS);
	free(text);
	barrier();
	answer(q, "{\"return\": \"\", \"id\": 3}\n");
	expect_done(1, 1, OP_GONE, "");
	expect_code(MSG_GUEST_GONE, 1, GONE_PROTOCOL, "has not read");
	check_closed(q);
	monitord_stop();
}

/* Writes as much of n times s as is taken; does it end before n? */
static int
flood(int fd, const char *s, size_t n)
{
	size_t	i, len = strlen(s);

	for (i = 0; i < n; i++)
		if (send(fd, s, len, MSG_NOSIGNAL) != (ssize_t)len)
			return (1);
	return (0);
}

ATF_TC_WITHOUT_HEAD(bombs);
ATF_TC_BODY(bombs, tc)
{
	char	*kib, val[64];
	int	 q, other;

	ATF_REQUIRE((kib = calloc(1, 1025)) != NULL);
	monitord_start();
	other = guest_up(2);

	/* 64 MiB without a newline, before it greets, and later */
	memset(kib, 'x', 1024);
	q = attach(10, LONG_MS);
	start(10);
	ATF_CHECK(flood(q, kib, 65536));
	expect_code(MSG_GUEST_GONE, 10, GONE_PROTOCOL, "longer than 65536");
	close(q);
	q = guest_up(11);
	ATF_CHECK(flood(q, kib, 65536));
	expect_code(MSG_GUEST_GONE, 11, GONE_PROTOCOL, "longer than 65536");
	close(q);
	check_alive(2, other);

	/* 10^6 brackets, where a long answer is allowed */
	memset(kib, '[', 1024);
	q = guest_up(12);
	op(12, 1, OP_QMP, "{\"execute\":\"x\"}", LONG_MS);
	command(q, "{\"execute\":\"x\"");
	answer(q, "{\"id\": 3, \"return\": ");
	ATF_CHECK(!flood(q, kib, 1000));
	answer(q, "\n");
	expect_done(12, 1, OP_GONE, "");
	expect_code(MSG_GUEST_GONE, 12, GONE_PROTOCOL, "nested");
	check_closed(q);

	/* and more than is allowed there */
	memset(kib, 'x', 1024);
	q = guest_up(13);
	op(13, 1, OP_HMP, "x", LONG_MS);
	command(q, "{\"execute\":\"human-monitor-command\",\"arguments\":"
	    "{\"command-line\":\"x\"}");
	ATF_CHECK(flood(q, kib, 65536));
	expect_done(13, 1, OP_GONE, "");
	expect_code(MSG_GUEST_GONE, 13, GONE_PROTOCOL, "longer than 4194304");
	close(q);

	check_alive(2, other);
	detach(2);
	check_closed(other);
#ifndef SANITIZED
	status_of("VmHWM", val, sizeof(val));
	ATF_CHECK_MSG(strtol(val, NULL, 10) < 32 * 1024, "used %s", val);
#else
	(void)val;
#endif
	monitord_stop();
	free(kib);
}

ATF_TC_WITHOUT_HEAD(closes_half_way);
ATF_TC_BODY(closes_half_way, tc)
{
	int	q, c;

	monitord_start();
	q = attach(1, LONG_MS);
	close(q);
	start(1);
	expect_code(MSG_GUEST_GONE, 1, GONE_CLOSED, "before it greeted");

	/* with operations, a viewer, and half an answer on their way */
	q = guest_up(2);
	c = console(2, 0);
	viewer(50, 2, 0, 0, 0);
	op(2, 1, OP_STOP, "", LONG_MS);
	op(2, 2, OP_CONT, "", LONG_MS);
	command(q, "{\"execute\":\"stop\"");
	put(c, "last words", 10);
	answer(q, "{\"event\": \"SHUTDOWN\", " STAMP "}\r\n{\"retu", 5);
	close(q);
	/* what the guest said comes first, and its end last */
	for (;;) {
		struct got	*g = next_got();
		int		 last = g->type == MSG_GUEST_GONE;

		switch (g->type) {
		case MSG_OP_DONE:
			ATF_CHECK_EQ(OP_GONE, g->code);
			break;
		case MSG_GUEST_EVENT:
			ATF_CHECK_EQ(EV_SHUTDOWN, g->code);
			break;
		case MSG_VIEWER_DATA:
			ATF_CHECK_STREQ("last words", g->body);
			break;
		case MSG_VIEWER_CLOSED:
			ATF_CHECK_EQ(50, g->guest);
			break;
		case MSG_GUEST_GONE:
			ATF_CHECK_EQ(GONE_CLOSED, g->code);
			break;
		}
		got_free(g);
		if (last)
			break;
	}
	check_closed(c);

	/* what still comes for it is no offence */
	op(2, 3, OP_STOP, "", LONG_MS);
	expect_done(2, 3, OP_GONE, "");
	viewer(51, 2, 0, 0, 0);
	expect_code(MSG_VIEWER_CLOSED, 51, 0, "gone");
	type_text(50, "x", 1);
	close(console(2, 1));
	detach(2);
	start(2);
	q = guest_up(3);
	detach(3);
	check_closed(q);
	monitord_stop();
}

ATF_TC_WITHOUT_HEAD(detached);
ATF_TC_BODY(detached, tc)
{
	int	q, c, other;

	monitord_start();
	q = guest_up(1);
	other = guest_up(2);
	c = console(1, 0);
	viewer(50, 1, 0, 0, 0);
	op(1, 1, OP_STOP, "", LONG_MS);
	op(1, 2, OP_CONT, "", LONG_MS);
	command(q, "{\"execute\":\"stop\"");
	detach(1);
	expect_done(1, 1, OP_GONE, "");
	expect_done(1, 2, OP_GONE, "");
	expect_code(MSG_VIEWER_CLOSED, 50, 0, "");
	check_closed(q);
	check_closed(c);
	check_alive(2, other);
	detach(2);
	check_closed(other);
	monitord_stop();
}

/* --- events -------------------------------------------------------------- */

ATF_TC_WITHOUT_HEAD(events);
ATF_TC_BODY(events, tc)
{
	struct got	*g;
	int		 q;

	monitord_start();
	q = guest_up(1);
	answer(q, "{" STAMP ", \"event\": \"RESUME\"}\r\n"
	    "{" STAMP ", \"event\": \"VNC_CONNECTED\", \"data\": {}}\r\n"
	    "{" STAMP ", \"event\": \"WATCHDOG\", \"data\": "
	    "{\"action\": \"pause\"}}\r\n", 11, 12, 13);
	g = expect(MSG_GUEST_EVENT, 1);
	ATF_CHECK(g->code == EV_RESUME && g->seconds == 11);
	got_free(g);
	expect_code(MSG_GUEST_EVENT, 1, EV_WATCHDOG, "pause");
	answer(q, "{" STAMP ", \"event\": \"SHUTDOWN\", \"data\": "
	    "{\"guest\": true, \"reason\": \"guest-shutdown\"}}\r\n", 14);
	close(q);
	expect_code(MSG_GUEST_EVENT, 1, EV_SHUTDOWN, "guest-shutdown");
	expect_code(MSG_GUEST_GONE, 1, GONE_CLOSED, "");
	monitord_stop();
}

/*
 * A guest that makes events as fast as it can: another one works as ever,
 * qemud hears of few of them, and of the last one of each kind.
 */
ATF_TC_WITHOUT_HEAD(event_flood);
ATF_TC_BODY(event_flood, tc)
{
	const int	 total = 40000;
	struct got	*g;
	char		 line[256];
	pid_t		 pid;
	unsigned int	 told = 0, done = 0;
	int		 i, q, other, status, last = 0, asked = 0;

	monitord_start();
	q = guest_up(1);
	other = guest_up(2);
	if ((pid = fork()) == 0) {
		for (i = 1; i <= total; i++) {
			snprintf(line, sizeof(line), "{\"event\": \"%s\", "
			    STAMP "}\r\n", i % 2 ? "STOP" : "RESUME", i);
			if (send(q, line, strlen(line), MSG_NOSIGNAL) == -1)
				_exit(1);
		}
		_exit(0);
	}
	ATF_REQUIRE(pid != -1);
	while (last < total || asked) {
		if (last < total && !asked) {
			op(2, 1, OP_STATUS, "", LONG_MS);
			answer(other, "{\"return\": {\"status\": "
			    "\"running\"}, \"id\": %llu}\r\n",
			    command(other, "{\"execute\":\"query-status\""));
			asked = 1;
		}
		g = next_got();
		if (g->type == MSG_OP_DONE) {
			ATF_CHECK_EQ(OP_OK, g->code);
			asked = 0;
			done++;
		} else {
			ATF_REQUIRE(g->type == MSG_GUEST_EVENT &&
			    g->guest == 1);
			/* each is later than the one before */
			ATF_CHECK_MSG((int)g->seconds > last, "%d after %d",
			    (int)g->seconds, last);
			ATF_CHECK_EQ(g->seconds % 2 ? EV_STOP : EV_RESUME,
			    (enum msg_event_kind)g->code);
			last = (int)g->seconds;
			told++;
		}
		got_free(g);
	}
	ATF_REQUIRE_EQ(pid, waitpid(pid, &status, 0));
	ATF_CHECK_EQ(0, status);
	printf("%u of %d events told, %u operations beside\n", told, total,
	    done);
	ATF_CHECK(told < (unsigned int)total / 2);
	ATF_CHECK(done > 0);
	check_alive(1, q);
	detach(1);
	detach(2);
	check_closed(q);
	check_closed(other);
	monitord_stop();
}

/* --- consoles ------------------------------------------------------------ */

ATF_TC_WITHOUT_HEAD(viewers);
ATF_TC_BODY(viewers, tc)
{
	static char	 out[CONSOLE_RING + 5000];
	char		 buf[64];
	int		 q, c;

	monitord_start();
	q = guest_up(1);
	c = console(1, 0);
	viewer(1, 1, 7, 0, 0);
	expect_code(MSG_VIEWER_CLOSED, 1, 0, "no such console");

	/* nobody watches: the last of it is kept */
	viewer(2, 1, 0, 0, 0);
	pattern(out, sizeof(out), 0);
	put(c, out, sizeof(out));
	expect_data(2, out, sizeof(out));
	put(c, "login: ", 7);
	expect_data(2, "login: ", 7);
	memmove(out, out + 7, sizeof(out) - 7);
	memcpy(out + sizeof(out) - 7, "login: ", 7);

	/* one writes, others watch */
	viewer(3, 1, 0, 0, 0);
	expect_code(MSG_VIEWER_CLOSED, 3, 1, "in use");
	viewer(4, 1, 0, 0, 1);
	expect_data(4, out + 5000, CONSOLE_RING);
	type_text(2, "root\r", 5);
	ATF_REQUIRE_EQ(5, recv(c, buf, 5, MSG_WAITALL));
	ATF_CHECK(memcmp("root\r", buf, 5) == 0);
	put(c, "root", 4);
	expect_data(2, "root", 4);
	expect_data(4, "root", 4);
	type_text(4, "x", 1);
	expect_code(MSG_VIEWER_CLOSED, 4, 0, "only watch");

	/* somebody takes it over, and gets the end of it again */
	viewer(5, 1, 0, 1, 0);
	expect_code(MSG_VIEWER_CLOSED, 2, 1, "took");
	memmove(out, out + 4, sizeof(out) - 4);
	memcpy(out + sizeof(out) - 4, "root", 4);
	expect_data(5, out + 5000, CONSOLE_RING);
	type_text(5, "y", 1);
	ATF_REQUIRE_EQ(1, recv(c, buf, 1, 0));
	ATF_CHECK_EQ('y', buf[0]);

	/* it leaves: the next one need not force */
	SAY(md.qemud, MSG_VIEWER_CLOSE, msg_viewer_close,
	    &((struct msg_viewer_close){ .viewer = 5 }), -1);
	viewer(6, 1, 0, 0, 0);
	expect_data(6, out + 5000, CONSOLE_RING);

	/* QEMU closes it */
	close(c);
	expect_code(MSG_VIEWER_CLOSED, 6, 0, "closed");
	viewer(7, 1, 0, 0, 0);
	expect_code(MSG_VIEWER_CLOSED, 7, 0, "no such console");
	check_alive(1, q);
	detach(1);
	check_closed(q);
	monitord_stop();
}

/* A viewer that reads slowly gets what is still there, and is told so. */
ATF_TC_WITHOUT_HEAD(slow_viewer);
ATF_TC_BODY(slow_viewer, tc)
{
	static char	 out[CONSOLE_RING + 5000];
	struct got	*g;
	int		 q, c;

	monitord_start();
	q = guest_up(1);
	c = console(1, 3);
	viewer(1, 1, 3, 0, 0);
	viewer(2, 1, 3, 0, 1);
	put(c, "a", 1);
	expect_data(1, "a", 1);
	expect_data(2, "a", 1);
	flow(1, 1);
	pattern(out, sizeof(out), 0);
	put(c, out, 1000);
	expect_data(2, out, 1000);
	flow(1, 0);
	expect_data(1, out, 1000);

	flow(1, 1);
	put(c, out, sizeof(out));
	expect_data(2, out, sizeof(out));
	flow(1, 0);
	g = expect(MSG_VIEWER_DATA, 1);
	ATF_CHECK_STREQ("\r\n[5000 bytes lost]\r\n", g->body);
	got_free(g);
	expect_data(1, out + 5000, CONSOLE_RING);
	detach(1);
	expect_code(MSG_VIEWER_CLOSED, 1, 0, "gone");
	expect_code(MSG_VIEWER_CLOSED, 2, 0, "gone");
	check_closed(q);
	check_closed(c);
	monitord_stop();
}

/* A guest that does not read what is typed. */
ATF_TC_WITHOUT_HEAD(typed_ahead);
ATF_TC_BODY(typed_ahead, tc)
{
	static char	 in[MSG_DATA_MAX], back[MSG_DATA_MAX];
	size_t		 sent = 0, i;
	int		 q, c;

	monitord_start();
	q = guest_up(1);
	c = console(1, 0);
	viewer(1, 1, 0, 0, 0);
	/* until it is held, which it must be before it is ended */
	while (TAILQ_EMPTY(&md.got)) {
		ATF_REQUIRE(sent < 16 << 20);
		pattern(in, sizeof(in), sent);
		type_text(1, in, sizeof(in));
		sent += sizeof(in);
		barrier();
	}
	expect_code(MSG_VIEWER_HOLD, 1, 1, "");
	/* the guest reads again: all of it, in order */
	for (i = 0; i < sent; i += sizeof(back)) {
		pattern(in, sizeof(in), i);
		ATF_REQUIRE_EQ((ssize_t)sizeof(back), recv(c, back,
		    sizeof(back), MSG_WAITALL));
		ATF_REQUIRE(memcmp(in, back, sizeof(back)) == 0);
	}
	expect_code(MSG_VIEWER_HOLD, 1, 0, "");

	/* one that goes on regardless is ended */
	for (i = 0; i < 64 && !md.qemud_gone; i++)
		type_text(1, in, sizeof(in));
	expect_code(MSG_VIEWER_HOLD, 1, 1, "");
	expect_code(MSG_VIEWER_CLOSED, 1, 0, "does not read");
	check_alive(1, q);
	detach(1);
	check_closed(q);
	close(c);
	monitord_stop();
}

ATF_TC_WITHOUT_HEAD(pty_bridge);
ATF_TC_BODY(pty_bridge, tc)
{
	static char	 out[3000], back[3000];
	char		*name;
	int		 q, c, master, slave, again;

	monitord_start();
	q = guest_up(1);
	slave = terminal(&master);
	name = strdup(ptsname(master));
	c = console(1, 0);
	/* what came before the terminal is in it too */
	viewer(1, 1, 0, 0, 0);
	put(c, "boot\r\n", 6);
	expect_data(1, "boot\r\n", 6);
	give_pty(1, 0, master);
	get_exactly(slave, back, 6);
	ATF_CHECK(memcmp("boot\r\n", back, 6) == 0);
	pattern(out, sizeof(out), 3);
	put(c, out, sizeof(out));
	get_exactly(slave, back, sizeof(back));
	ATF_CHECK(memcmp(out, back, sizeof(out)) == 0);
	expect_data(1, out, sizeof(out));

	/* both may type */
	ATF_REQUIRE_EQ(3, write(slave, "ls\r", 3));
	ATF_REQUIRE_EQ(3, recv(c, back, 3, MSG_WAITALL));
	ATF_CHECK(memcmp("ls\r", back, 3) == 0);
	type_text(1, "ps\r", 3);
	ATF_REQUIRE_EQ(3, recv(c, back, 3, MSG_WAITALL));
	ATF_CHECK(memcmp("ps\r", back, 3) == 0);

	/* nobody has it open any more; then somebody has, and it works */
	close(slave);
	put(c, "x", 1);
	expect_data(1, "x", 1);
	check_alive(1, q);
	ATF_REQUIRE((again = open(name, O_RDWR | O_NOCTTY)) != -1);
	ATF_REQUIRE_EQ(3, write(again, "ok\r", 3));
	ATF_REQUIRE_EQ(3, recv(c, back, 3, MSG_WAITALL));
	ATF_CHECK(memcmp("ok\r", back, 3) == 0);
	close(again);
	free(name);
	detach(1);
	expect_code(MSG_VIEWER_CLOSED, 1, 0, "");
	check_closed(q);
	check_closed(c);
	monitord_stop();
}

/* Nobody reads the terminal: the guest and viewers go on. */
ATF_TC_WITHOUT_HEAD(pty_unread);
ATF_TC_BODY(pty_unread, tc)
{
	static char	 out[CONSOLE_RING], back[1];
	size_t		 i;
	int		 q, c, master, slave;

	monitord_start();
	q = guest_up(1);
	slave = terminal(&master);
	c = console(1, 0);
	give_pty(1, 0, master);
	viewer(1, 1, 0, 0, 0);
	for (i = 0; i < 8; i++) {
		pattern(out, sizeof(out), i);
		put(c, out, sizeof(out));
		expect_data(1, out, sizeof(out));
	}
	/* it is there for who comes late, from where it was */
	pattern(out, sizeof(out), 0);
	get_exactly(slave, back, 1);
	ATF_CHECK_EQ(out[0], back[0]);
	detach(1);
	expect_code(MSG_VIEWER_CLOSED, 1, 0, "");
	check_closed(q);
	check_closed(c);
	close(slave);
	monitord_stop();
}

/* The launcher makes the terminal block, which it shares with monitord. */
ATF_TC_WITHOUT_HEAD(pty_blocks);
ATF_TC_BODY(pty_blocks, tc)
{
	static char	 out[CONSOLE_RING];
	struct pollfd	 pfd = { 0 };
	int		 q, c, master, slave, other, copy, i;

	monitord_start();
	q = guest_up(1);
	other = guest_up(2);
	slave = terminal(&master);
	ATF_REQUIRE((copy = dup(master)) != -1);
	c = console(1, 0);
	give_pty(1, 0, master);
	put(c, "x", 1);
	get_exactly(slave, out, 1);
	ATF_REQUIRE_EQ(0, fcntl(copy, F_SETFL, O_RDWR));
	viewer(1, 1, 0, 0, 0);
	expect_data(1, "x", 1);
	pattern(out, sizeof(out), 0);
	for (i = 0; i < 4; i++) {
		put(c, out, sizeof(out));
		expect_data(1, out, sizeof(out));
		check_alive(2, other);
	}
	/* and nobody but us has it any more */
	close(copy);
	pfd.fd = slave;
	while (poll(&pfd, 1, WAIT_MS) == 1 && !(pfd.revents & POLLHUP))
		;
	ATF_CHECK(pfd.revents & POLLHUP);
	detach(1);
	expect_code(MSG_VIEWER_CLOSED, 1, 0, "");
	detach(2);
	check_closed(q);
	check_closed(other);
	check_closed(c);
	close(slave);
	monitord_stop();
}

/* --- VNC ----------------------------------------------------------------- */

static int
vnc_listener(uint64_t guest, struct sockaddr_in *sin)
{
	struct msg_guest_vnc	m = { .guest = guest };
	socklen_t		len = sizeof(*sin);
	int			fd;

	memset(sin, 0, sizeof(*sin));
	sin->sin_family = AF_INET;
	sin->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ATF_REQUIRE((fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC,
	    0)) != -1);
	ATF_REQUIRE_EQ(0, bind(fd, (struct sockaddr *)sin, sizeof(*sin)));
	ATF_REQUIRE_EQ(0, listen(fd, 64));
	ATF_REQUIRE_EQ(0, getsockname(fd, (struct sockaddr *)sin, &len));
	SAY(md.qemud, MSG_GUEST_VNC, msg_guest_vnc, &m, fd);
	return (fd);
}

static int
vnc_connect(const struct sockaddr_in *sin)
{
	const struct timeval	tv = { WAIT_MS / 1000, 0 };
	int			fd;

	ATF_REQUIRE((fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC,
	    0)) != -1);
	ATF_REQUIRE_EQ(0, connect(fd, (const struct sockaddr *)sin,
	    sizeof(*sin)));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	return (fd);
}

/* QEMU's part: takes the client, or does not.  Its number in *first. */
static int
vnc_taken(int q, int refuse)
{
	char			 line[512], name[64];
	unsigned long long	 id, id2;
	int			 fd;

	fd = command_fd(q, line, sizeof(line));
	ATF_REQUIRE_MSG(sscanf(line, "{\"execute\":\"getfd\",\"arguments\":"
	    "{\"fdname\":\"%63[a-z0-9]\"},\"id\":%llu}", name, &id) == 2,
	    "%s", line);
	ATF_REQUIRE(fd != -1);
	answer(q, "{\"return\": {}, \"id\": %llu}\r\n", id);
	ATF_CHECK_EQ(-1, command_fd(q, line, sizeof(line)));
	ATF_REQUIRE_MSG(sscanf(line, "{\"execute\":\"add_client\","
	    "\"arguments\":{\"protocol\":\"vnc\",\"fdname\":\"%63[a-z0-9]\","
	    "\"skipauth\":false},\"id\":%llu}", name, &id2) == 2, "%s", line);
	ATF_CHECK_EQ(id + 1, id2);
	if (refuse) {
		close(fd);
		answer(q, "{\"error\": {\"desc\": \"no\"}, \"id\": %llu}\r\n",
		    id2);
		return (-1);
	}
	answer(q, "{\"return\": {}, \"id\": %llu}\r\n", id2);
	return (fd);
}

ATF_TC_WITHOUT_HEAD(vnc_clients);
ATF_TC_BODY(vnc_clients, tc)
{
	struct sockaddr_in	sin;
	char			banner[12];
	int			clients[40], q, fd, i;

	monitord_start();
	q = attach(1, LONG_MS);
	vnc_listener(1, &sin);
	/* comes before the guest is ready, waits */
	clients[0] = vnc_connect(&sin);
	start(1);
	negotiate(1, q);
	fd = vnc_taken(q, 0);
	put(fd, "RFB 003.008\n", 12);
	ATF_REQUIRE_EQ(12, recv(clients[0], banner, 12, MSG_WAITALL));
	ATF_CHECK(memcmp("RFB 003.008\n", banner, 12) == 0);
	/* nobody else holds it */
	close(fd);
	check_closed(clients[0]);

	clients[0] = vnc_connect(&sin);
	vnc_taken(q, 1);
	check_closed(clients[0]);
	check_alive(1, q);

	/* many at once: all of them, in time */
	for (i = 0; i < 40; i++)
		clients[i] = vnc_connect(&sin);
	for (i = 0; i < 40; i++) {
		fd = vnc_taken(q, 0);
		put(fd, "RFB 003.008\n", 12);
		close(fd);
	}
	for (i = 0; i < 40; i++) {
		ATF_CHECK_EQ(12, recv(clients[i], banner, 12, MSG_WAITALL));
		check_closed(clients[i]);
	}
	check_alive(1, q);

	/* the guest ends with some on their way */
	for (i = 0; i < 20; i++)
		clients[i] = vnc_connect(&sin);
	close(q);
	expect_code(MSG_GUEST_GONE, 1, GONE_CLOSED, "");
	for (i = 0; i < 20; i++)
		check_closed(clients[i]);
	monitord_stop();
}

/* --- descriptors, qemud -------------------------------------------------- */

ATF_TC_WITHOUT_HEAD(wrong_descriptors);
ATF_TC_BODY(wrong_descriptors, tc)
{
	struct msg_guest_console	m = { .guest = 2, .console = 0 };
	struct msg_guest_vnc		v = { .guest = 2 };
	char				c;
	int				q, fds[2], fd;

	monitord_start();
	q = guest_up(2);
	ATF_REQUIRE((fd = open("/dev/null", O_RDWR)) != -1);
	attach_fd(1, fd, LONG_MS);
	expect_code(MSG_GUEST_GONE, 1, GONE_CLOSED, "not a Unix socket");
	ATF_REQUIRE_EQ(0, pipe(fds));
	attach_fd(3, fds[0], LONG_MS);
	expect_code(MSG_GUEST_GONE, 3, GONE_CLOSED, "not a Unix socket");
	close(fds[1]);
	ATF_REQUIRE((fd = open("file", O_RDWR | O_CREAT, 0600)) != -1);
	SAY(md.qemud, MSG_GUEST_CONSOLE, msg_guest_console, &m, fd);
	viewer(9, 2, 0, 0, 0);
	expect_code(MSG_VIEWER_CLOSED, 9, 0, "no such console");
	ATF_REQUIRE((fd = open("/dev/null", O_RDWR)) != -1);
	give_pty(2, 0, fd);
	socket_pair(fds);
	SAY(md.qemud, MSG_GUEST_VNC, msg_guest_vnc, &v, fds[1]);
	close(fds[0]);
	check_alive(2, q);

	/* a descriptor that QEMU sends is not kept */
	ATF_REQUIRE_EQ(0, pipe(fds));
	send_fd(q, "{\"event\": \"WAKEUP\", \"timestamp\": {\"seconds\": 1, "
	    "\"microseconds\": 1}}\n", fds[1]);
	close(fds[1]);
	expect_code(MSG_GUEST_EVENT, 2, EV_WAKEUP, "");
	ATF_CHECK_EQ(0, read(fds[0], &c, 1));
	check_alive(2, q);
	detach(2);
	check_closed(q);
	monitord_stop();
}

static int
count_fds(void)
{
	char	 path[64];
	DIR	*dir;
	int	 n = 0;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)md.pid);
	if ((dir = opendir(path)) == NULL)
		return (-1);		/* not ours to look at */
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return (n);
}

/* What is said of a guest at its end. */
static void
forget(uint64_t guest, int started, int told)
{
	if (started) {
		expect_done(guest, 1, OP_GONE, "");
		expect_code(MSG_VIEWER_CLOSED, 990 + guest, 0, "");
	}
	if (told)
		got_free(expect(MSG_GUEST_GONE, guest));
}

/* After everything that can happen to it, nothing of a guest is left. */
ATF_TC_WITHOUT_HEAD(nothing_is_left);
ATF_TC_BODY(nothing_is_left, tc)
{
	struct sockaddr_in	sin;
	int			q, c, slave, master, client, before, i;

	monitord_start();
	q = guest_up(1);
	before = count_fds();
	for (i = 0; i < 100; i++) {
		int	g = attach(10 + i, LONG_MS);

		c = console(10 + i, 0);
		slave = terminal(&master);
		give_pty(10 + i, 0, master);
		vnc_listener(10 + i, &sin);
		client = vnc_connect(&sin);
		if (i % 4 != 0) {
			start(10 + i);
			negotiate(10 + i, g);
			viewer(1000 + i, 10 + i, 0, 0, 0);
			op(10 + i, 1, OP_HMP, "x", LONG_MS);
		}
		barrier();
		switch (i % 4) {
		case 0:
		case 1:
			detach(10 + i);
			break;
		case 2:
			answer(g, "x\n");
			break;
		case 3:
			close(g);
			g = -1;
		}
		/* until its end is certain */
		check_closed(c);
		if (g != -1)
			check_closed(g);
		check_closed(client);	/* QEMU may have had it */
		close(slave);
		forget(10 + i, i % 4 != 0, i % 4 >= 2);
		check_alive(1, q);
		ATF_REQUIRE(TAILQ_EMPTY(&md.got));
	}
	ATF_CHECK_EQ(before, count_fds());
	detach(1);
	check_closed(q);
	monitord_stop();
}

/* A new qemud finds nothing of what the old one attached. */
ATF_TC_WITHOUT_HEAD(qemud_replaced);
ATF_TC_BODY(qemud_replaced, tc)
{
	int	q, q2, c, again;

	monitord_start();
	q = guest_up(1);
	q2 = attach(2, LONG_MS);
	c = console(1, 0);
	viewer(5, 1, 0, 0, 0);
	op(1, 1, OP_STOP, "", LONG_MS);
	command(q, "{\"execute\":\"stop\"");

	/* replaced while it lives */
	give_qemud();
	check_closed(q);
	check_closed(q2);
	check_closed(c);
	again = guest_up(1);
	check_alive(1, again);

	/* it dies */
	chan_free(md.qemud);
	check_closed(again);
	give_qemud();
	again = guest_up(1);
	check_alive(1, again);
	detach(1);
	check_closed(again);
	monitord_stop();
}

/* There is an end to the number of guests; the others stay. */
ATF_TC_WITHOUT_HEAD(too_many_guests);
ATF_TC_BODY(too_many_guests, tc)
{
	uint64_t	i;
	int		q;

	monitord_start();
	q = guest_up(1);
	for (i = 2; i < GUESTS_MAX + 2; i++) {
		close(attach(i, LONG_MS));
		if (i % 256 == 0)
			barrier();
		if (!TAILQ_EMPTY(&md.got))
			break;
	}
	barrier();
	expect_code(MSG_GUEST_GONE, TAILQ_FIRST(&md.got)->guest, GONE_CLOSED,
	    "too many guests");
	while (!TAILQ_EMPTY(&md.got))
		got_free(next_got());
	check_alive(1, q);
	detach(2);
	close(q);
	expect_code(MSG_GUEST_GONE, 1, GONE_CLOSED, "");
	q = guest_up(1000000);
	check_alive(1000000, q);
	detach(1000000);
	check_closed(q);
	monitord_stop();
}

/*
 * A qemud that does not read for a while misses no output of a console, no
 * answer, and the last event of each kind.
 */
ATF_TC_WITHOUT_HEAD(qemud_is_slow);
ATF_TC_BODY(qemud_is_slow, tc)
{
	const unsigned int	 rounds = 300;
	static char		 out[300 * 100];
	size_t			 seen[CONSOLE_WATCHERS_MAX + 1] = { 0 };
	struct got		*g;
	unsigned int		 i, v, done = 0, left;
	int			 q, c, other, last = 0;

	monitord_start();
	q = guest_up(1);
	other = guest_up(2);
	c = console(1, 0);
	for (v = 0; v <= CONSOLE_WATCHERS_MAX; v++)
		viewer(v, 1, 0, 0, v > 0);
	viewer(v, 1, 0, 0, 1);
	expect_code(MSG_VIEWER_CLOSED, v, 0, "too many viewers");
	pattern(out, sizeof(out), 0);
	for (i = 0; i < rounds; i++) {
		put(c, out + 100 * i, 100);
		answer(q, "{\"event\": \"%s\", " STAMP "}\r\n",
		    i % 2 ? "STOP" : "RESUME", i + 1);
		/* says that monitord goes on, without reading from it */
		op(2, i, OP_STOP, "", LONG_MS);
		return_empty(other, "{\"execute\":\"stop\"");
	}
	left = (CONSOLE_WATCHERS_MAX + 1) * sizeof(out);
	while (left > 0 || done < rounds || last < (int)rounds) {
		g = next_got();
		switch (g->type) {
		case MSG_VIEWER_DATA:
			v = (unsigned int)g->guest;
			ATF_REQUIRE(v <= CONSOLE_WATCHERS_MAX &&
			    seen[v] + g->len <= sizeof(out) &&
			    memcmp(out + seen[v], g->body, g->len) == 0);
			seen[v] += g->len;
			left -= g->len;
			break;
		case MSG_OP_DONE:
			ATF_CHECK(g->id == done && g->code == OP_OK);
			done++;
			break;
		case MSG_GUEST_EVENT:
			ATF_CHECK((int)g->seconds > last);
			last = (int)g->seconds;
			break;
		default:
			atf_tc_fail("%s", msg_type_name(g->type));
		}
		got_free(g);
	}
	detach(1);
	for (v = 0; v <= CONSOLE_WATCHERS_MAX; v++)
		expect_code(MSG_VIEWER_CLOSED, v, 0, "");
	detach(2);
	check_closed(q);
	check_closed(c);
	check_closed(other);
	monitord_stop();
}

/* What qemud must never say ends its channel, and nothing else. */
ATF_TC_WITHOUT_HEAD(qemud_breaks_rules);
ATF_TC_BODY(qemud_breaks_rules, tc)
{
	int	q, i, fds[2];

	monitord_start();
	for (i = 0; i < 6; i++) {
		q = guest_up(1);
		switch (i) {
		case 0:
			start(1);
			break;
		case 1:
			socket_pair(fds);
			attach_fd(1, fds[1], LONG_MS);
			close(fds[0]);
			break;
		case 2:
			op(1, 1, 77, "", LONG_MS);
			break;
		case 3:
			SAY_EMPTY(md.qemud, MSG_READY);
			break;
		case 4:
			console(1, 0);
			console(1, 0);
			break;
		case 5:
			viewer(1, 1, 0, 1, 1);
			break;
		}
		ATF_CHECK(wait_for(&md.qemud_gone));
		check_closed(q);
		give_qemud();
	}
	q = guest_up(1);
	check_alive(1, q);
	detach(1);
	check_closed(q);
	monitord_stop();
}

/* --- parts of it --------------------------------------------------------- */

ATF_TC_WITHOUT_HEAD(states);
ATF_TC_BODY(states, tc)
{
	enum guest_state	s, to;
	enum guest_input	in;

	for (s = 0; s < GST_NSTATES; s++)
		for (in = 0; in < GIN_NINPUTS; in++) {
			to = guest_next(s, in);
			if (to == GST_NSTATES)
				continue;
			/* only onwards; the end only by a loss, for good */
			ATF_CHECK(to > s);
			ATF_CHECK((to == GST_GONE) == (in == GIN_LOST));
			ATF_CHECK(to == GST_GONE || to == s + 1);
		}
	for (s = 0; s < GST_GONE; s++)
		ATF_CHECK_EQ(GST_GONE, guest_next(s, GIN_LOST));
}

ATF_TC_WITHOUT_HEAD(rates);
ATF_TC_BODY(rates, tc)
{
	const struct rate_limit	limit = { 0, 3 };
	struct rate		r = { 0 };
	int			i;

	for (i = 0; i < 3; i++)
		ATF_CHECK_EQ(1, rate_take(&r, &limit, 1));
	ATF_CHECK_EQ(0, rate_take(&r, &limit, 1));
	/* more than is left may be taken at once, and is owed */
	memset(&r, 0, sizeof(r));
	ATF_CHECK_EQ(1, rate_take(&r, &limit, 100));
	ATF_CHECK_EQ(0, rate_take(&r, &limit, 0));
	ATF_CHECK_EQ(-97, r.left);
}

ATF_TC_WITHOUT_HEAD(descriptor_kinds);
ATF_TC_BODY(descriptor_kinds, tc)
{
	int	fds[2], slave, master, fd;

	socket_pair(fds);
	ATF_CHECK(fd_is_stream(fds[0]));
	ATF_CHECK(!fd_is_listener(fds[0]) && !fd_is_pty(fds[0]));
	slave = terminal(&master);
	ATF_CHECK(fd_is_pty(master) && !fd_is_pty(slave));
	ATF_CHECK(!fd_is_stream(master) && !fd_is_listener(master));
	ATF_REQUIRE((fd = socket(AF_INET, SOCK_STREAM, 0)) != -1);
	ATF_CHECK(!fd_is_stream(fd) && !fd_is_listener(fd));
	ATF_REQUIRE_EQ(0, listen(fd, 1));
	ATF_CHECK(!fd_is_stream(fd) && fd_is_listener(fd));
	ATF_REQUIRE((fd = socket(AF_UNIX, SOCK_DGRAM, 0)) != -1);
	ATF_CHECK(!fd_is_stream(fd) && !fd_is_listener(fd));
	ATF_CHECK(!fd_is_stream(-1) && !fd_is_listener(-1) && !fd_is_pty(-1));
}

/* --- the real thing ------------------------------------------------------ */

static pid_t
real_qemu(int mon, int serial)
{
	char	monarg[64], serialarg[64];
	pid_t	pid;

	snprintf(monarg, sizeof(monarg), "socket,id=mon,fd=%d", mon);
	snprintf(serialarg, sizeof(serialarg), "socket,id=ser,fd=%d", serial);
	fcntl(mon, F_SETFD, 0);
	fcntl(serial, F_SETFD, 0);
	if ((pid = fork()) == 0) {
		execlp("qemu-system-x86_64", "qemu-system-x86_64",
		    "-nodefaults", "-no-user-config", "-display", "none",
		    "-machine", "pc,accel=tcg", "-m", "32", "-S",
		    "-vnc", "none,password=on", "-vga", "std",
		    "-chardev", monarg, "-mon", "chardev=mon,mode=control",
		    "-chardev", serialarg, "-serial", "chardev:ser",
		    (char *)NULL);
		_exit(127);
	}
	ATF_REQUIRE(pid != -1);
	return (pid);
}

/* The next message that is no event of the guest. */
static struct got *
expect_done_any(void)
{
	struct got	*g;

	for (;;) {
		g = next_got();
		if (g->type == MSG_OP_DONE)
			return (g);
		ATF_REQUIRE_EQ(MSG_GUEST_EVENT, g->type);
		got_free(g);
	}
}

static enum msg_runstate
real_op(enum msg_op_kind kind, const char *text, const char *want)
{
	enum msg_runstate	 state;
	struct got		*g;

	op(1, 1, kind, text, LONG_MS);
	g = expect_done_any();
	ATF_CHECK_MSG(g->code == OP_OK && strstr(g->body, want) != NULL,
	    "%d: result %d, %s, %s", kind, g->code, g->text, g->body);
	state = g->state;
	got_free(g);
	return (state);
}

ATF_TC(real_qemu);
ATF_TC_HEAD(real_qemu, tc)
{
	atf_tc_set_md_var(tc, "require.progs", "qemu-system-x86_64");
}
ATF_TC_BODY(real_qemu, tc)
{
	struct msg_guest_console	m = { .guest = 1, .console = 0 };
	struct sockaddr_in		sin;
	struct got			*g;
	char				banner[12];
	int				mon[2], ser[2], client, status, i;
	pid_t				pid;

	monitord_start();
	socket_pair(mon);
	socket_pair(ser);
	pid = real_qemu(mon[0], ser[0]);
	close(mon[0]);
	close(ser[0]);
	attach_fd(1, mon[1], WAIT_MS);
	SAY(md.qemud, MSG_GUEST_CONSOLE, msg_guest_console, &m, ser[1]);
	vnc_listener(1, &sin);
	start(1);
	g = expect(MSG_GUEST_READY, 1);
	ATF_CHECK(g->detail >= 2000000);
	ATF_CHECK_EQ(RUN_PRELAUNCH, g->state);
	got_free(g);

	op(1, 1, OP_CONT, "", LONG_MS);
	expect_code(MSG_GUEST_EVENT, 1, EV_RESUME, "");
	expect_done(1, 1, OP_OK, "");
	ATF_CHECK_EQ(RUN_RUNNING, real_op(OP_STATUS, "", ""));
	op(1, 1, OP_STOP, "", LONG_MS);
	expect_code(MSG_GUEST_EVENT, 1, EV_STOP, "");
	expect_done(1, 1, OP_OK, "");
	ATF_CHECK_EQ(RUN_PAUSED, real_op(OP_STATUS, "", ""));

	real_op(OP_HMP, "info version", ".");
	real_op(OP_HMP, "no such command", "unknown command");
	/* longer than a message */
	real_op(OP_QMP, "{\"execute\":\"query-qmp-schema\"}",
	    "\"query-status\"");
	real_op(OP_QMP, "{\"execute\":\"nonsense\", \"id\": \"x\"}",
	    "CommandNotFound");
	/* what our JSON takes and QEMU's does not, has no number */
	real_op(OP_QMP, "{\"execute\":\"query-status\",\"arguments\":"
	    "{\"a\":\"\\uFFFF\"}}", "\"error\"");
	real_op(OP_STATUS, "", "");

	/* a VNC session, with a password */
	real_op(OP_VNC_PASSWORD, "secret", "");
	for (i = 0; i < 3; i++) {
		client = vnc_connect(&sin);
		ATF_REQUIRE_EQ(12, recv(client, banner, 12, MSG_WAITALL));
		ATF_CHECK(memcmp("RFB 003.008\n", banner, 12) == 0);
		close(client);
	}
	real_op(OP_STATUS, "", "");

	op(1, 1, OP_QUIT, "", LONG_MS);
	for (;;) {
		g = next_got();
		if (g->type == MSG_GUEST_GONE)
			break;
		got_free(g);
	}
	ATF_CHECK_EQ(GONE_CLOSED, g->code);
	got_free(g);
	ATF_REQUIRE_EQ(pid, waitpid(pid, &status, 0));
	ATF_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	monitord_stop();
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, confined);
	ATF_TP_ADD_TC(tp, nothing_before_setup);
	ATF_TP_ADD_TC(tp, as_a_system_service);
	ATF_TP_ADD_TC(tp, operations);
	ATF_TP_ADD_TC(tp, client_commands);
	ATF_TP_ADD_TC(tp, vnc_password);
	ATF_TP_ADD_TC(tp, queue_is_bounded);
	ATF_TP_ADD_TC(tp, deadlines);
	ATF_TP_ADD_TC(tp, no_greeting);
	ATF_TP_ADD_TC(tp, garbage);
	ATF_TP_ADD_TC(tp, answers_unread_questions);
	ATF_TP_ADD_TC(tp, bombs);
	ATF_TP_ADD_TC(tp, closes_half_way);
	ATF_TP_ADD_TC(tp, detached);
	ATF_TP_ADD_TC(tp, events);
	ATF_TP_ADD_TC(tp, event_flood);
	ATF_TP_ADD_TC(tp, viewers);
	ATF_TP_ADD_TC(tp, slow_viewer);
	ATF_TP_ADD_TC(tp, typed_ahead);
	ATF_TP_ADD_TC(tp, pty_bridge);
	ATF_TP_ADD_TC(tp, pty_unread);
	ATF_TP_ADD_TC(tp, pty_blocks);
	ATF_TP_ADD_TC(tp, vnc_clients);
	ATF_TP_ADD_TC(tp, wrong_descriptors);
	ATF_TP_ADD_TC(tp, nothing_is_left);
	ATF_TP_ADD_TC(tp, qemud_replaced);
	ATF_TP_ADD_TC(tp, too_many_guests);
	ATF_TP_ADD_TC(tp, qemud_is_slow);
	ATF_TP_ADD_TC(tp, qemud_breaks_rules);
	ATF_TP_ADD_TC(tp, states);
	ATF_TP_ADD_TC(tp, rates);
	ATF_TP_ADD_TC(tp, descriptor_kinds);
	ATF_TP_ADD_TC(tp, real_qemu);
	return (atf_no_error());
}
