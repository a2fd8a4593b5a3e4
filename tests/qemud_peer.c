/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

#include <sys/types.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <atf-c.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "imsg/proc.h"
#include "rpc/frame.h"
#include "tests/qemud_peer.h"

#define WAIT_MS		60000
#define CLIENT		1		/* ours, on the full channel */
#define SETTLER		999999		/* ours, on the others */

static int	 peer_get(struct peer *, struct imsg *);
static void	 wait_for(int, short);
static void	 version_write(void);
static void	 dir_send(enum msg_dir, const char *);
static void	 dir_state(FILE *, const char *);
static void	 state_call(FILE *, const char *, const void *);

struct peer		 parent = { .fd = -1 };
struct peer		 peers[ROLE_COUNT] = {
	{ .fd = -1 }, { .fd = -1 }, { .fd = -1 }, { .fd = -1 }, { .fd = -1 },
	{ .fd = -1 }, { .fd = -1 }
};
pid_t			 qemud_pid;
char			 ask_text[RPC_ERROR_MAX];

/* A message that was looked at and not taken. */
static struct imsg	 next;
static struct peer	*next_of;
static unsigned int	 last_serial;
static uint64_t		 last_launcher;

/* --- the process ------------------------------------------------------------ */

void
qemud_start(void)
{
	version_write();
	qemud_exec();
	qemud_setup();
	qemud_link(ROLE_MONITORD);
	qemud_link(ROLE_NETD);
	qemud_link(ROLE_NETD_RO);
	qemud_link(ROLE_NETD_LAUNCH);
	qemud_done();
	qemud_client();
}

void
qemud_exec(void)
{
	char	 self[PATH_MAX], path[PATH_MAX];
	char	*argv[] = { path, NULL };
	ssize_t	 n;
	int	 sv[2], log;

	/* build/tests/NAME_test, build/libexec/qemud/qemud */
	ATF_REQUIRE((n = readlink("/proc/self/exe", self, sizeof(self))) > 0);
	snprintf(path, sizeof(path), "%.*s", (int)n, self);
	*strrchr(path, '/') = '\0';
	strlcpy(strrchr(path, '/') + 1, "libexec/qemud/qemud",
	    sizeof(path) - (strrchr(path, '/') + 1 - path));

	signal(SIGPIPE, SIG_IGN);
	ATF_REQUIRE_EQ(0, proc_socketpair(sv));
	log = open("log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	ATF_REQUIRE(log != -1);
	ATF_REQUIRE((qemud_pid = fork()) != -1);
	if (qemud_pid == 0) {
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

static void
dir_send(enum msg_dir dir, const char *path)
{
	struct msg_setup_dir	 m = { dir };
	int			 fd;

	ATF_REQUIRE(mkdir(path, 0700) == 0 || errno == EEXIST);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ATF_REQUIRE(fd != -1);
	SEND(&parent, MSG_SETUP_DIR, msg_setup_dir, &m, fd);
}

/* QEMU's version, so that it need not be asked for. */
static void
version_write(void)
{
	struct stat	 st;
	FILE		*f;

	if (stat("/usr/bin/qemu-system-x86_64", &st) == -1)
		return;
	ATF_REQUIRE(mkdir("lib", 0700) == 0 || errno == EEXIST);
	ATF_REQUIRE((f = fopen("lib/qemu-version", "we")) != NULL);
	fprintf(f, "7002000 %ju %jd %jd\n", (uintmax_t)st.st_ino,
	    (intmax_t)st.st_size, (intmax_t)st.st_mtime);
	ATF_REQUIRE_EQ(0, fclose(f));
}

/* All but the channels to the others. */
void
qemud_setup(void)
{
	static char		 none[] = "", etc[] = "etc", lib[] = "lib",
				 log[] = "log.d", run[] = "run",
				 emulator[] = "/usr/bin/qemu-system-*";
	static msg_path		 emulators[] = { emulator };
	struct msg_setup	 m = { .role = ROLE_QEMUD, .session = TRUE,
				    .uid = getuid(), .gid = getgid(),
				    .root = none, .to_stderr = TRUE,
				    .verbose = 1 };
	struct msg_setup_qemud	 conf = { etc, lib, log, run,
				    { 1, emulators }, 0, 0, 60, 1 };

	SEND(&parent, MSG_SETUP, msg_setup, &m, -1);
	SEND(&parent, MSG_SETUP_QEMUD, msg_setup_qemud, &conf, -1);
	dir_send(DIR_DEFINITIONS, "etc");
	dir_send(DIR_STATE, "lib");
	dir_send(DIR_LOG, "log.d");
	dir_send(DIR_RUN, "run");
}

void
qemud_done(void)
{
	peer_send(&parent, MSG_SETUP_DONE, NULL, NULL, -1);
	ATF_CHECK_EQ(-1, peer_take(&parent, MSG_READY, NULL, NULL, 0));
}

/* A new channel; the one before is closed. */
void
qemud_link(enum msg_role role)
{
	struct msg_setup_peer	 m = { role };
	int			 sv[2];

	peer_close(&peers[role]);
	ATF_REQUIRE_EQ(0, proc_socketpair(sv));
	SEND(&parent, MSG_SETUP_PEER, msg_setup_peer, &m, sv[1]);
	peer_open(&peers[role], sv[0]);
}

void
qemud_client(void)
{
	client_new(full, CLIENT);
	client_open(full, CLIENT, 0);
}

void
qemud_stop(void)
{
	int	 status;
	size_t	 i;

	peer_close(&parent);
	ATF_REQUIRE_EQ(qemud_pid, waitpid(qemud_pid, &status, 0));
	ATF_CHECK_MSG(WIFEXITED(status) && WEXITSTATUS(status) == 0,
	    "qemud has ended with status 0x%x", status);
	for (i = 0; i < ROLE_COUNT; i++)
		peer_close(&peers[i]);
	if (logged(0, "ERROR: ") || logged(0, "runtime error"))
		atf_tc_fail_nonfatal("a sanitizer complains, see log");
}

void
qemud_kill(void)
{
	int	 status;
	size_t	 i;

	kill(qemud_pid, SIGKILL);
	ATF_REQUIRE_EQ(qemud_pid, waitpid(qemud_pid, &status, 0));
	ATF_CHECK_MSG(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
	    "qemud had ended before, with status 0x%x", status);
	peer_close(&parent);
	for (i = 0; i < ROLE_COUNT; i++)
		peer_close(&peers[i]);
}

/*
 * What it says to others goes out when it has dealt with what it read; the
 * second answer comes after that.  It listens last to launchers and to those
 * who may only look, so one of these is asked.
 */
void
qemud_settle(void)
{
	struct peer	*p;
	own_ended	 end = { .how = OWN_EXITED };
	char		 none[] = "";
	int		 i;

	end.name = end.text = none;
	p = launch->fd != -1 && peer_next(launch) == 0 ? launch :
	    ro->fd != -1 && peer_next(ro) == 0 ? ro : full;
	if (!p->asked)
		client_new(p, SETTLER);
	p->asked = 1;
	for (i = 0; i < 2; i++)
		if (p == launch)
			ask(p, SETTLER, "launch_ended", &end, NULL);
		else
			ask(p, SETTLER, "auth_list", NULL, NULL);
}

off_t
log_end(void)
{
	struct stat	 st;

	ATF_REQUIRE_EQ(0, stat("log", &st));
	return (st.st_size);
}

int
logged(off_t from, const char *text)
{
	char	*line = NULL;
	size_t	 size = 0;
	FILE	*f;
	int	 found = 0;

	ATF_REQUIRE((f = fopen("log", "re")) != NULL);
	ATF_REQUIRE_EQ(0, fseeko(f, from, SEEK_SET));
	while (!found && getline(&line, &size, f) != -1)
		found = strstr(line, text) != NULL;
	free(line);
	fclose(f);
	return (found);
}

/* --- channels --------------------------------------------------------------- */

void
peer_open(struct peer *p, int fd)
{
	p->fd = fd;
	p->asked = 0;
	ATF_REQUIRE_EQ(0, imsgbuf_init(&p->ibuf, fd));
	imsgbuf_allow_fdpass(&p->ibuf);
	ATF_REQUIRE_EQ(0, imsgbuf_set_maxsize(&p->ibuf, CHAN_PAYLOAD_MAX));
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
	static char	 buf[CHAN_PAYLOAD_MAX];
	XDR		 x;
	size_t		 len = 0;

	if (encode != NULL) {
		xdrmem_create(&x, buf, sizeof(buf), XDR_ENCODE);
		ATF_REQUIRE(encode(&x, (void *)(uintptr_t)m));
		len = xdr_getpos(&x);
		xdr_destroy(&x);
	}
	peer_send_raw(p, type, buf, len, fd);
}

void
peer_send_raw(struct peer *p, uint32_t type, const void *data, size_t len,
    int fd)
{
	ATF_REQUIRE_EQ(1, imsg_compose(&p->ibuf, type, 0, 0, fd, data, len));
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

size_t
peer_closed(struct peer *p)
{
	struct imsg	 imsg;
	size_t		 n = 0;

	while (peer_get(p, &imsg) == 1) {
		imsg_free(&imsg);
		n++;
	}
	peer_close(p);
	return (n);
}

static void
wait_for(int fd, short what)
{
	struct pollfd	 pfd = { fd, what, 0 };

	ATF_REQUIRE_MSG(poll(&pfd, 1, WAIT_MS) == 1, "nothing happens");
}

/* --- clients ---------------------------------------------------------------- */

void
client_new(struct peer *p, uint64_t id)
{
	struct msg_client_new	 m = { id, getuid(), getgid(), getpid() };

	SEND(p, MSG_CLIENT_NEW, msg_client_new, &m, -1);
}

void
client_gone(struct peer *p, uint64_t id)
{
	struct msg_client_gone	 m = { id };

	SEND(p, MSG_CLIENT_GONE, msg_client_gone, &m, -1);
}

void
client_open(struct peer *p, uint64_t id, unsigned int flags)
{
	rp_opttext_flags	 arg = { NULL, flags };

	ask(p, id, "connect_open", &arg, NULL);
}

void
call_raw(struct peer *p, uint64_t id, unsigned int serial, unsigned int prog,
    unsigned int procedure, const void *body, size_t len)
{
	struct msg_call	 m = { .client = id, .prog = prog,
			    .procedure = procedure, .serial = serial };
	int		 fd = -1;

	if (len > MSG_INLINE_MAX)
		ATF_REQUIRE((fd = body_seal(body, len)) != -1);
	else {
		m.body.body_val = (char *)(uintptr_t)body;
		m.body.body_len = len;
	}
	SEND(p, MSG_CALL, msg_call, &m, fd);
}

void
call(struct peer *p, uint64_t id, unsigned int serial,
    const struct rpc_proc *proc, const void *arg)
{
	static const rp_none	 none = { 0 };
	char			*buf;
	size_t			 len;

	ATF_REQUIRE_EQ(0, rpc_encode(proc->arg, arg == NULL ? &none : arg, 0,
	    &buf, &len));
	call_raw(p, id, serial, proc->prog, proc->number, buf, len);
	free(buf);
}

const struct rpc_proc *
proc_named(const char *name)
{
	const struct rpc_proc	*proc;
	size_t			 i;

	for (i = 0; (proc = rpc_proc_index(i)) != NULL; i++)
		if (strcmp(proc->name, name) == 0)
			return (proc);
	atf_tc_fail("no procedure %s", name);
}

void
answer_take(struct peer *p, struct answer *a)
{
	const char	*map;
	int		 fd;

	fd = TAKE(p, MSG_REPLY, msg_reply, &a->m);
	a->len = a->m.body.body_len;
	if (fd != -1) {
		ATF_REQUIRE_EQ(0, a->len);
		ATF_REQUIRE_EQ(0, body_map(fd, FRAME_MAX, &map, &a->len));
		ATF_REQUIRE((a->body = malloc(a->len)) != NULL);
		memcpy(a->body, map, a->len);
		body_unmap(map, a->len);
	} else {
		ATF_REQUIRE((a->body = malloc(a->len + 1)) != NULL);
		if (a->len > 0)
			memcpy(a->body, a->m.body.body_val, a->len);
	}
	rpc_error_clear(&a->err);
	if (a->m.status == 1)
		ATF_REQUIRE_EQ(0, rpc_error_decode(&a->err, a->body, a->len));
}

void
answer_clear(struct answer *a)
{
	xdr_free((xdrproc_t)xdr_msg_reply, (char *)&a->m);
	free(a->body);
}

void
ask(struct peer *p, uint64_t id, const char *name, const void *arg,
    void *result)
{
	const struct rpc_proc	*proc = proc_named(name);
	struct answer		 a;

	call(p, id, ++last_serial, proc, arg);
	answer_take(p, &a);
	ATF_REQUIRE_EQ(last_serial, a.m.serial);
	ATF_REQUIRE_EQ(id, a.m.client);
	ATF_REQUIRE_MSG(a.m.status == 0, "%s: %s", name, a.err.detail);
	if (result != NULL)
		ATF_REQUIRE_EQ(0, rpc_decode(proc->res, a.body, a.len, result,
		    proc->ressize));
	answer_clear(&a);
}

enum rpc_code
ask_fails(struct peer *p, uint64_t id, const char *name, const void *arg)
{
	struct answer	 a;
	enum rpc_code	 code;

	call(p, id, ++last_serial, proc_named(name), arg);
	answer_take(p, &a);
	ATF_REQUIRE_EQ(last_serial, a.m.serial);
	ATF_REQUIRE_MSG(a.m.status == 1, "%s succeeds", name);
	code = a.err.code;
	strlcpy(ask_text, a.err.detail, sizeof(ask_text));
	answer_clear(&a);
	return (code);
}

/* --- guests ----------------------------------------------------------------- */

const char *
guest_xml(const char *name, const char *devices)
{
	static char	 xml[8192];

	ATF_REQUIRE((size_t)snprintf(xml, sizeof(xml), "<domain type='qemu'>"
	    "<name>%s</name><memory unit='MiB'>16</memory><vcpu>1</vcpu>"
	    "<os><type arch='x86_64' machine='pc'>hvm</type></os>"
	    "<devices>%s</devices></domain>", name, devices) < sizeof(xml));
	return (xml);
}

void
guest_define(const char *name, const char *devices)
{
	rp_text	 arg = { (char *)(uintptr_t)guest_xml(name, devices) };

	ask(full, CLIENT, "domain_define_xml", &arg, NULL);
}

rp_dom
guest_lookup(const char *name)
{
	rp_text	 arg = { (char *)(uintptr_t)name };
	rp_dom	 dom;

	ask(full, CLIENT, "domain_lookup_by_name", &arg, &dom);
	return (dom);
}

void
guest_create(const char *name, unsigned int serial)
{
	rp_dom	 dom = guest_lookup(name);

	call(full, CLIENT, serial, proc_named("domain_create"), &dom);
	rpc_free((xdrproc_t)xdr_rp_dom, &dom);
}

void
guest_launched(struct running *r, int pid)
{
	struct msg_launch	 m;
	struct msg_launched	 answer = { 0 };
	char			 none[] = "";
	int			 fd;

	fd = TAKE(&parent, MSG_LAUNCH, msg_launch, &m);
	ATF_REQUIRE(fd != -1);
	answer.id = m.id;
	answer.pid = pid;
	answer.text = none;
	SEND(&parent, MSG_LAUNCHED, msg_launched, &answer, -1);
	xdr_free((xdrproc_t)xdr_msg_launch, (char *)&m);
	guest_plan(r, fd);
}

void
guest_plan(struct running *r, int fd)
{
	struct peer		 plan = { .fd = -1 };
	struct msg_plan		 m;
	struct msg_plan_file	 file;

	peer_open(&plan, fd);
	fd = TAKE(&plan, MSG_PLAN, msg_plan, &m);
	ATF_REQUIRE(fd != -1);
	close(fd);
	r->lock = TAKE(&plan, MSG_PLAN_FILE, msg_plan_file, &file);
	ATF_REQUIRE(r->lock != -1);
	ATF_CHECK_STREQ("lock", file.key);
	xdr_free((xdrproc_t)xdr_msg_plan_file, (char *)&file);
	ATF_REQUIRE_EQ(0, flock(r->lock, LOCK_EX | LOCK_NB));
	peer_take(&plan, MSG_PLAN_GO, NULL, NULL, 0);
	peer_close(&plan);
}

void
guest_register(struct running *r, int pid, unsigned int serial,
    const own_descriptor *what, const int *fds, u_int n)
{
	struct msg_client_new	 new = { r->client, getuid(), getgid(), pid };
	struct msg_call_fd	 m = { r->client };
	own_register		 arg = { .revision = OWN_REVISION };
	char			 none[] = "";
	u_int			 i;

	if (r->client == 0) {
		new.client = m.client = r->client = ++last_launcher;
		SEND(launch, MSG_CLIENT_NEW, msg_client_new, &new, -1);
	}
	for (i = 0; i < n; i++)
		SEND(launch, MSG_CALL_FD, msg_call_fd, &m, fds[i]);
	arg.name = r->dom.name;
	memcpy(arg.uuid, r->dom.uuid, sizeof(arg.uuid));
	arg.xml = none;
	arg.descriptors.descriptors_val = (own_descriptor *)(uintptr_t)what;
	arg.descriptors.descriptors_len = n;
	call(launch, r->client, serial, proc_named("launch_register"), &arg);
}

/* monitord hears of it, and says that it is there and has not run. */
void
guest_attached(struct running *r)
{
	struct msg_guest_attach	 m;
	struct msg_guest_start	 start;
	struct msg_guest_ready	 ready = { 0, 7002000, RUN_PRELAUNCH };
	int			 fd;

	fd = TAKE(monitord, MSG_GUEST_ATTACH, msg_guest_attach, &m);
	ATF_REQUIRE(fd != -1);
	close(fd);
	r->monitor = ready.guest = m.guest;
	xdr_free((xdrproc_t)xdr_msg_guest_attach, (char *)&m);
	TAKE(monitord, MSG_GUEST_START, msg_guest_start, &start);
	ATF_CHECK_EQ(r->monitor, start.guest);
	SEND(monitord, MSG_GUEST_READY, msg_guest_ready, &ready, -1);
}

enum msg_op_kind
guest_op(struct running *r, enum msg_op_result result)
{
	struct msg_op		 m;
	struct msg_op_done	 done = { 0 };
	char			 none[] = "";
	enum msg_op_kind	 op;

	TAKE(monitord, MSG_OP, msg_op, &m);
	ATF_CHECK_EQ(r->monitor, m.guest);
	op = m.op;
	done.guest = m.guest;
	done.id = m.id;
	done.result = result;
	done.sent = TRUE;
	done.text = none;
	xdr_free((xdrproc_t)xdr_msg_op, (char *)&m);
	SEND(monitord, MSG_OP_DONE, msg_op_done, &done, -1);
	return (op);
}

/* What comes before its first step, and that. */
void
guest_go(struct running *r)
{
	enum msg_op_kind	 op;

	while ((op = guest_op(r, OP_OK)) != OP_CONT)
		ATF_CHECK_EQ_MSG(OP_SETUP, op, "operation %d", op);
}

void
guest_run(const char *name, struct running *r)
{
	own_descriptor	 what = { .kind = OWN_MONITOR };
	struct answer	 a;
	int		 sv[2];

	memset(r, 0, sizeof(*r));
	r->qmp = r->lock = -1;
	r->dom = guest_lookup(name);
	guest_create(name, 900000);
	guest_launched(r, getpid());
	ATF_REQUIRE_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
	    sv));
	r->qmp = sv[0];
	guest_register(r, getpid(), 900001, &what, &sv[1], 1);
	guest_attached(r);
	answer_take(launch, &a);
	ATF_REQUIRE_EQ_MSG(0, a.m.status, "register: %s", a.err.detail);
	answer_clear(&a);
	guest_go(r);
	answer_take(full, &a);
	ATF_REQUIRE_EQ(900000, a.m.serial);
	ATF_REQUIRE_EQ_MSG(0, a.m.status, "create: %s", a.err.detail);
	answer_clear(&a);
}

void
running_clear(struct running *r)
{
	rpc_free((xdrproc_t)xdr_rp_dom, &r->dom);
	if (r->qmp != -1)
		close(r->qmp);
	if (r->lock != -1)
		close(r->lock);
}

/* --- the state -------------------------------------------------------------- */

static void
dir_state(FILE *f, const char *path)
{
	struct dirent	**list;
	struct stat	  st;
	char		  name[PATH_MAX], buf[65536];
	ssize_t		  len;
	int		  i, n, fd;

	ATF_REQUIRE((n = scandir(path, &list, NULL, alphasort)) != -1);
	for (i = 0; i < n; i++) {
		if (strcmp(list[i]->d_name, ".") != 0 &&
		    strcmp(list[i]->d_name, "..") != 0) {
			snprintf(name, sizeof(name), "%s/%s", path,
			    list[i]->d_name);
			ATF_REQUIRE_EQ(0, lstat(name, &st));
			fprintf(f, "%s %o %ju %jd.%ld\n", name, st.st_mode,
			    (uintmax_t)st.st_ino, (intmax_t)st.st_mtime,
			    st.st_mtim.tv_nsec);
			if (S_ISDIR(st.st_mode))
				dir_state(f, name);
			fd = S_ISREG(st.st_mode) ? open(name, O_RDONLY |
			    O_CLOEXEC) : -1;
			while (fd != -1 && (len = read(fd, buf,
			    sizeof(buf))) > 0)
				fwrite(buf, len, 1, f);
			if (fd != -1)
				close(fd);
		}
		free(list[i]);
	}
	free(list);
}

static void
state_call(FILE *f, const char *name, const void *arg)
{
	struct answer	 a;

	call(full, CLIENT, ++last_serial, proc_named(name), arg);
	answer_take(full, &a);
	fprintf(f, "\n%s %u ", name, a.m.status);
	fwrite(a.body, a.len, 1, f);
	answer_clear(&a);
}

struct state
state_get(void)
{
	struct state	 s;
	rp_list_args	 all = { 1, 0 };
	rp_doms		 doms;
	rp_dom_flags	 arg;
	FILE		*f;
	u_int		 i;

	ATF_REQUIRE((f = open_memstream(&s.data, &s.len)) != NULL);
	dir_state(f, "etc");
	dir_state(f, "lib");
	dir_state(f, "run");
	dir_state(f, "log.d");
	state_call(f, "connect_list_all_domains", &all);
	ask(full, CLIENT, "connect_list_all_domains", &all, &doms);
	for (i = 0; i < doms.doms.doms_len; i++) {
		arg.dom = doms.doms.doms_val[i];
		arg.flags = 0;
		state_call(f, "domain_get_state", &arg);
		state_call(f, "domain_get_control_info", &arg);
		state_call(f, "domain_get_info", &arg.dom);
		state_call(f, "domain_get_autostart", &arg.dom);
		state_call(f, "domain_is_persistent", &arg.dom);
		state_call(f, "domain_is_updated", &arg.dom);
		arg.flags = LV_XML_SECURE;
		state_call(f, "domain_get_xml_desc", &arg);
		arg.flags |= LV_XML_INACTIVE;
		state_call(f, "domain_get_xml_desc", &arg);
	}
	rpc_free((xdrproc_t)xdr_rp_doms, &doms);
	ATF_REQUIRE_EQ(0, fclose(f));
	return (s);
}

int
state_same(const struct state *a, const struct state *b)
{
	return (a->len == b->len && memcmp(a->data, b->data, a->len) == 0);
}

void
state_clear(struct state *s)
{
	free(s->data);
	s->data = NULL;
}
