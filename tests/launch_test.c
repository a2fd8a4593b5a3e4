/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * The launcher, as a program, with a real QEMU: the test is qemud, which
 * hands it a plan on descriptor 3, and the daemon that it registers at.
 */

#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include <atf-c.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "imsg/chan.h"
#include "imsg/imsg.h"
#include "rpc/body.h"
#include "rpc/error.h"
#include "rpc/frame.h"
#include "rpc/procs.h"

#define WAIT_MS		120000
#define QEMU		"/usr/bin/qemu-system-x86_64"
#define NOBODY		65534
#define UUID		"11223344-5566-7788-99aa-bbccddeeff00"
#define ARGS_MAX	16

static const unsigned char	 uuid[16] = { 0x11, 0x22, 0x33, 0x44, 0x55,
				    0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc,
				    0xdd, 0xee, 0xff, 0 };

/* The daemon's side. */
static int			 listener = -1, conn = -1;
static struct framer		 framer;
static char			 sockpath[PATH_MAX];

/* The launcher, qemud's end of its descriptor 3, and its QEMU. */
static pid_t			 launcher = -1, qemu = -1;
static struct imsgbuf		 plan;
static int			 planfd = -1;

/* The last registration, and its descriptors. */
static struct own_register	 reg;
static int			 fds[FRAME_FDS_MAX];
static size_t			 nfds;
static unsigned int		 serial;

/* --- small things --------------------------------------------------------- */

static char	cwd[PATH_MAX];

static const char *
here(const char *name)
{
	static char	 path[4][PATH_MAX];
	static int	 i;

	if (cwd[0] == '\0')
		ATF_REQUIRE(getcwd(cwd, sizeof(cwd) / 2) != NULL);
	i = (i + 1) % 4;
	ATF_REQUIRE(snprintf(path[i], sizeof(path[i]), "%s/%s", cwd, name) <
	    (int)sizeof(path[i]));
	return (path[i]);
}

static void
write_file(const char *name, const char *text, mode_t mode)
{
	int	 fd;

	fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	ATF_REQUIRE(fd != -1);
	ATF_REQUIRE_EQ((ssize_t)strlen(text), write(fd, text, strlen(text)));
	ATF_REQUIRE(fchmod(fd, mode) == 0);
	close(fd);
}

/* Of a file below /proc as well; the caller frees. */
static char *
read_file(const char *name)
{
	char	*buf = malloc(1 << 24);
	size_t	 len = 0;
	ssize_t	 n;
	int	 fd;

	ATF_REQUIRE(buf != NULL);
	ATF_REQUIRE_MSG((fd = open(name, O_RDONLY | O_CLOEXEC)) != -1, "%s: %s",
	    name, strerror(errno));
	while ((n = read(fd, buf + len, (1 << 24) - 1 - len)) > 0)
		len += n;
	close(fd);
	buf[len] = '\0';
	return (buf);
}

static int
contains(const char *name, const char *text)
{
	char	*all = read_file(name);
	int	 found = strstr(all, text) != NULL;

	free(all);
	return (found);
}

static int
proc_contains(pid_t pid, const char *name, const char *text)
{
	char	 path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	return (contains(path, text));
}

static void
wait_ready(int fd, short events)
{
	struct pollfd	 pfd = { .fd = fd, .events = events };

	ATF_REQUIRE_EQ(1, poll(&pfd, 1, WAIT_MS));
}

/* Status of the shell's command. */
static int	run(const char *, ...)
		    __attribute__((__format__(printf, 1, 2)));
static int
run(const char *fmt, ...)
{
	char	 command[4096];
	va_list	 ap;
	int	 status;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	status = system(command);
	ATF_REQUIRE(WIFEXITED(status));
	return (WEXITSTATUS(status));
}

static int
process_lives(pid_t pid)
{
	char	 path[64], *stat;
	int	 zombie;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (access(path, F_OK) == -1)
		return (0);
	stat = read_file(path);
	zombie = strstr(stat, ") Z ") != NULL;
	free(stat);
	return (!zombie);
}

static void
process_gone(pid_t pid)
{
	int	 fd = syscall(SYS_pidfd_open, pid, 0);

	if (fd == -1)
		return;
	wait_ready(fd, POLLIN);
	close(fd);
}

/* A test that fails leaves no process behind either. */
static void
at_exit(void)
{
	char	 path[64];
	FILE	*f;
	int	 pid;

	if (launcher > 0) {
		snprintf(path, sizeof(path), "/proc/%d/task/%d/children",
		    launcher, launcher);
		kill(launcher, SIGSTOP);
		if ((f = fopen(path, "r")) != NULL) {
			while (fscanf(f, "%d", &pid) == 1)
				kill(pid, SIGKILL);
			fclose(f);
		}
		kill(launcher, SIGKILL);
	}
	if (qemu > 0)
		kill(qemu, SIGKILL);
}

/* --- the daemon ----------------------------------------------------------- */

static void
daemon_listen(void)
{
	struct sockaddr_un	 sun = { .sun_family = AF_UNIX };

	strlcpy(sockpath, here("launch"), sizeof(sockpath));
	ATF_REQUIRE(strlcpy(sun.sun_path, sockpath, sizeof(sun.sun_path)) <
	    sizeof(sun.sun_path));
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ATF_REQUIRE(listener != -1);
	ATF_REQUIRE(bind(listener, (struct sockaddr *)&sun,
	    sizeof(sun)) == 0);
	ATF_REQUIRE(listen(listener, 5) == 0);
}

static void
daemon_accept(void)
{
	wait_ready(listener, POLLIN);
	conn = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	ATF_REQUIRE(conn != -1);
	framer_init(&framer, FRAME_MAX);
}

static void
daemon_hangup(void)
{
	framer_clear(&framer);
	close(conn);
	conn = -1;
}

/* Once: bytes and descriptors.  0: the launcher has closed. */
static int
daemon_read(void)
{
	union {
		struct cmsghdr	 align;
		char		 buf[CMSG_SPACE(sizeof(int) * 8)];
	}		 control;
	struct msghdr	 msg = { 0 };
	struct cmsghdr	*c;
	struct iovec	 iov;
	char		 buf[65536];
	int		 got[8];
	size_t		 ngot = 0;
	ssize_t		 n;

	iov.iov_base = buf;
	iov.iov_len = sizeof(buf);
	msg.msg_iov = &iov;
	msg.msg_iovlen = 1;
	msg.msg_control = control.buf;
	msg.msg_controllen = sizeof(control.buf);
	wait_ready(conn, POLLIN);
	n = recvmsg(conn, &msg, MSG_CMSG_CLOEXEC);
	if (n <= 0)
		return (0);
	for (c = CMSG_FIRSTHDR(&msg); c != NULL; c = CMSG_NXTHDR(&msg, c)) {
		ATF_REQUIRE_EQ(SCM_RIGHTS, c->cmsg_type);
		ngot = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(got, CMSG_DATA(c), ngot * sizeof(int));
	}
	ATF_REQUIRE(framer_push(&framer, buf, n, got, ngot) == 0);
	return (1);
}

static void
daemon_next(struct frame *f)
{
	int	 n;

	while ((n = framer_next(&framer, f)) == 0)
		ATF_REQUIRE_MSG(daemon_read(), "the launcher has hung up");
	ATF_REQUIRE_EQ(1, n);
	ATF_REQUIRE_EQ(OWN_PROGRAM, (int)f->hdr.prog);
	ATF_REQUIRE_EQ(OWN_VERSION, (int)f->hdr.vers);
	ATF_REQUIRE_EQ(FRAME_OK, (int)f->hdr.status);
	serial = f->hdr.serial;
}

static void
fds_close(void)
{
	while (nfds > 0)
		if (fds[--nfds] != -1)
			close(fds[nfds]);
}

/* The next thing that the launcher says is that it has the guest. */
static void
daemon_registration(void)
{
	struct frame	 f;
	size_t		 i;

	xdr_free((xdrproc_t)xdr_own_register, &reg);
	fds_close();
	daemon_next(&f);
	ATF_REQUIRE_EQ(PROC_launch_register, f.hdr.procedure);
	ATF_REQUIRE_EQ(FRAME_CALL_WITH_FDS, (int)f.hdr.type);
	ATF_REQUIRE(rpc_decode((xdrproc_t)xdr_own_register, f.body, f.len,
	    &reg, sizeof(reg)) == 0);
	ATF_REQUIRE_EQ(reg.descriptors.descriptors_len, f.nfds);
	for (i = 0; i < f.nfds; i++) {
		fds[i] = f.fds[i];
		f.fds[i] = -1;
	}
	nfds = f.nfds;
	qemu = reg.qemu_pid;
}

static void
daemon_send(const struct frame_header *hdr, xdrproc_t proc, const void *body)
{
	char	*buf;
	size_t	 len;

	ATF_REQUIRE(frame_encode(hdr, proc, body, &buf, &len) == 0);
	ATF_REQUIRE_EQ((ssize_t)len, send(conn, buf, len, MSG_NOSIGNAL));
	free(buf);
}

static void
daemon_reply(int procedure, enum frame_status status, xdrproc_t proc,
    const void *body)
{
	struct frame_header	 hdr = { OWN_PROGRAM, OWN_VERSION, procedure,
				    FRAME_REPLY, serial, status };

	daemon_send(&hdr, proc, body);
}

static void
daemon_verdict(enum own_verdict verdict)
{
	struct own_registered	 m = { OWN_REVISION, verdict, 7 };

	daemon_reply(PROC_launch_register, FRAME_OK,
	    (xdrproc_t)xdr_own_registered, &m);
}

static void
daemon_refuse(const char *text)
{
	struct rpc_error	 err;
	struct frame_header	 hdr = { OWN_PROGRAM, OWN_VERSION,
				    PROC_launch_register, FRAME_REPLY, serial,
				    FRAME_ERROR };
	char			*body, head[FRAME_HEAD];
	size_t			 len;

	rpc_error_clear(&err);
	rpc_error_set(&err, RPCD_QEMU, RPCE_OPERATION_INVALID, "%s", text);
	ATF_REQUIRE(rpc_error_encode(&err, &body, &len) == 0);
	ATF_REQUIRE(frame_head(head, &hdr, len) == 0);
	ATF_REQUIRE_EQ(FRAME_HEAD, send(conn, head, FRAME_HEAD, MSG_NOSIGNAL));
	ATF_REQUIRE_EQ((ssize_t)len, send(conn, body, len, MSG_NOSIGNAL));
	free(body);
}

static void
daemon_message(int procedure, xdrproc_t proc, const void *body)
{
	struct frame_header	 hdr = { OWN_PROGRAM, OWN_VERSION, procedure,
				    FRAME_MESSAGE, 0, FRAME_OK };

	daemon_send(&hdr, proc, body);
}

/* The launcher connects, registers, and is welcome. */
static void
daemon_takes_guest(void)
{
	daemon_accept();
	daemon_registration();
	daemon_verdict(OWN_ACCEPT);
}

/* It says how its guest has ended, and goes when it has been heard. */
static struct own_ended
daemon_ended(void)
{
	struct own_ended	 m;
	struct frame		 f;
	rp_none			 none = { 0 };

	daemon_next(&f);
	ATF_REQUIRE_EQ(PROC_launch_ended, f.hdr.procedure);
	ATF_REQUIRE_EQ(FRAME_CALL, (int)f.hdr.type);
	ATF_REQUIRE(rpc_decode((xdrproc_t)xdr_own_ended, f.body, f.len, &m,
	    sizeof(m)) == 0);
	ATF_CHECK(memcmp(m.uuid, uuid, sizeof(uuid)) == 0);
	daemon_reply(PROC_launch_ended, FRAME_OK, (xdrproc_t)xdr_rp_none,
	    &none);
	return (m);
}

/* --- qemud, and the launcher ---------------------------------------------- */

/*
 * Runs it with these arguments; log is where its output goes.  fd becomes
 * descriptor 3, unless it is -1.  As user "uid", unless that is 0.
 */
static void
launcher_exec(int fd, uid_t uid, const char *const *args)
{
	const char	*argv[ARGS_MAX + 2] = { "qemud-launch" };
	char		 path[PATH_MAX];
	int		 i, out;

	ATF_REQUIRE(getenv("BUILDDIR") != NULL);
	snprintf(path, sizeof(path), "%s/bin/qemud-launch",
	    getenv("BUILDDIR"));
	for (i = 0; args[i] != NULL; i++) {
		ATF_REQUIRE(i < ARGS_MAX);
		argv[i + 1] = args[i];
	}
	out = open("log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	ATF_REQUIRE(out != -1);
	atexit(at_exit);
	ATF_REQUIRE((launcher = fork()) != -1);
	if (launcher == 0) {
		/* as a person's shell has it */
		dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
		dup2(out, STDOUT_FILENO);
		dup2(out, STDERR_FILENO);
		if (fd != -1)
			dup2(fd, 3);
		if (uid != 0 && (setresgid(uid, uid, uid) == -1 ||
		    setresuid(uid, uid, uid) == -1))
			_exit(99);
		unsetenv("XDG_RUNTIME_DIR");
		execv(path, (char *const *)(uintptr_t)argv);
		_exit(98);
	}
	close(out);
}

static void
plan_send(uint32_t type, xdrproc_t proc, void *m, int fd)
{
	char	 buf[1024];
	XDR	 x;
	size_t	 len = 0;

	if (proc != NULL) {
		xdrmem_create(&x, buf, sizeof(buf), XDR_ENCODE);
		ATF_REQUIRE(proc(&x, m));
		len = xdr_getpos(&x);
		xdr_destroy(&x);
	}
	ATF_REQUIRE_EQ(1, imsg_compose(&plan, type, 0, 0, fd, buf, len));
	ATF_REQUIRE(imsgbuf_flush(&plan) == 0);
}

/* A launcher that waits for its plan; it registers at the daemon. */
static void
plan_open(uid_t uid, const char *pattern)
{
	const char	*args[] = { "-c", "-s", sockpath, "-e", pattern, NULL };
	int		 sv[2];

	ATF_REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
	    sv) == 0);
	launcher_exec(sv[1], uid, args);
	close(sv[1]);
	planfd = sv[0];
	ATF_REQUIRE(imsgbuf_init(&plan, planfd) == 0);
	imsgbuf_allow_fdpass(&plan);
}

static void
plan_xml(const char *xml, unsigned int timeout_s)
{
	struct msg_plan	 m;
	int		 fd;

	memcpy(m.uuid, uuid, sizeof(uuid));
	m.start_timeout_s = timeout_s;
	ATF_REQUIRE((fd = body_seal(xml, strlen(xml))) != -1);
	plan_send(MSG_PLAN, (xdrproc_t)xdr_msg_plan, &m, fd);
}

static void
plan_file(const char *key, const char *path, int flags)
{
	struct msg_plan_file	 m;
	int			 fd;

	m.key = (char *)(uintptr_t)key;
	ATF_REQUIRE((fd = open(path, flags | O_CLOEXEC)) != -1);
	plan_send(MSG_PLAN_FILE, (xdrproc_t)xdr_msg_plan_file, &m, fd);
}

static void
plan_close(void)
{
	imsgbuf_clear(&plan);
	close(planfd);
}

static void
plan_go(void)
{
	plan_send(MSG_PLAN_GO, NULL, NULL, -1);
	plan_close();
}

static int
launcher_status(void)
{
	int	 status;

	process_gone(launcher);
	ATF_REQUIRE_EQ(launcher, waitpid(launcher, &status, 0));
	launcher = -1;
	ATF_REQUIRE(WIFEXITED(status));
	return (WEXITSTATUS(status));
}

/* Nothing is left behind anywhere. */
static void
all_gone(void)
{
	if (qemu > 0) {
		process_gone(qemu);
		ATF_CHECK(!process_lives(qemu));
		qemu = -1;
	}
	fds_close();
	if (conn != -1)
		daemon_hangup();
	xdr_free((xdrproc_t)xdr_own_register, &reg);
	memset(&reg, 0, sizeof(reg));
}

/* --- domains -------------------------------------------------------------- */

/* The caller frees. */
static char *
domain_xml(const char *emulator, const char *machine, const char *devices)
{
	char	*xml;

	ATF_REQUIRE(asprintf(&xml,
	    "<domain type='qemu'>"
	    "<name>launched</name><uuid>" UUID "</uuid>"
	    "<memory unit='MiB'>32</memory><vcpu>1</vcpu>"
	    "<os><type arch='x86_64' machine='%s'>hvm</type></os>"
	    "<devices><emulator>%s</emulator>%s</devices></domain>", machine,
	    emulator, devices) != -1);
	return (xml);
}

static char *
disk_xml(const char *path, const char *more)
{
	char	*xml;

	ATF_REQUIRE(asprintf(&xml,
	    "<disk type='file' device='disk'>"
	    "<driver name='qemu' type='qcow2'/><source file='%s'/>"
	    "<target dev='vda' bus='virtio'/>%s</disk>", path, more) != -1);
	return (xml);
}

static void
disk_make(const char *name)
{
	ATF_REQUIRE_EQ(0, run("qemu-img create -q -f qcow2 %s 16M", name));
}

/* A guest of the daemon's with no devices but these; it is registered. */
static void
guest_start(const char *devices)
{
	char	*xml = domain_xml(QEMU, "pc", devices);

	daemon_listen();
	plan_open(0, "/usr/bin/qemu-system-*");
	plan_xml(xml, 60);
	plan_go();
	daemon_takes_guest();
	free(xml);
}

/* The guest of a plan that cannot work ends like this. */
static struct own_ended
guest_fails(void)
{
	struct own_ended	 m;

	daemon_accept();
	m = daemon_ended();
	ATF_CHECK_EQ(OWN_FAILED, m.how);
	ATF_CHECK_EQ(1, launcher_status());
	daemon_hangup();
	return (m);
}

/* What is said after any number of registrations. */
static struct own_ended
script_ended(void)
{
	struct own_ended	 m;
	struct frame		 f;

	daemon_accept();
	for (;;) {
		daemon_next(&f);
		if (f.hdr.procedure == PROC_launch_ended)
			break;
		daemon_verdict(OWN_ACCEPT);
	}
	ATF_REQUIRE(rpc_decode((xdrproc_t)xdr_own_ended, f.body, f.len, &m,
	    sizeof(m)) == 0);
	daemon_reply(PROC_launch_ended, FRAME_OK, (xdrproc_t)xdr_rp_none, "");
	daemon_hangup();
	return (m);
}

static void
guest_kill(void)
{
	struct own_kill		 m = { 0 };
	struct own_ended	 ended;

	daemon_message(EVENT_launch_kill, (xdrproc_t)xdr_own_kill, &m);
	ended = daemon_ended();
	ATF_CHECK_EQ(OWN_SIGNALLED, ended.how);
	ATF_CHECK_EQ(SIGKILL, ended.code);
	xdr_free((xdrproc_t)xdr_own_ended, &ended);
	ATF_CHECK_EQ(128 + SIGKILL, launcher_status());
	all_gone();
}

/* --- QMP, as much as it takes --------------------------------------------- */

/* A line that contains this comes; what else comes does not matter. */
static void
qmp_expect(int fd, const char *text)
{
	char	 line[65536];
	size_t	 len = 0;
	ssize_t	 n;

	for (;;) {
		wait_ready(fd, POLLIN);
		n = read(fd, line + len, 1);
		ATF_REQUIRE_MSG(n == 1, "QEMU has closed its monitor");
		if (line[len] != '\n') {
			ATF_REQUIRE(++len < sizeof(line) - 1);
			continue;
		}
		line[len] = '\0';
		if (strstr(line, text) != NULL)
			return;
		len = 0;
	}
}

static void
qmp_say(int fd, const char *command)
{
	ATF_REQUIRE_EQ((ssize_t)strlen(command), write(fd, command,
	    strlen(command)));
}

static int
qmp_open(void)
{
	ATF_REQUIRE(nfds > 0);
	ATF_REQUIRE_EQ(OWN_MONITOR, reg.descriptors.descriptors_val[0].kind);
	qmp_expect(fds[0], "\"QMP\"");
	qmp_say(fds[0], "{\"execute\":\"qmp_capabilities\"}\n");
	qmp_expect(fds[0], "\"return\"");
	return (fds[0]);
}

/* --- the tests ------------------------------------------------------------ */

#define NEEDS_QEMU							\
	atf_tc_set_md_var(tc, "require.progs", QEMU " qemu-img qemu-io")

ATF_TC(registers);
ATF_TC_HEAD(registers, tc)
{
	NEEDS_QEMU;
	atf_tc_set_md_var(tc, "descr", "A guest is started from qemud's plan "
	    "and registered with working descriptors");
}
ATF_TC_BODY(registers, tc)
{
	own_descriptor		*d;
	struct sockaddr_in	 sin = { .sin_family = AF_INET };
	struct own_ended	 ended;
	char			*disk, *xml, *devices, buf[64];
	size_t			 i;
	int			 kinds[5] = { 0 }, s, a;

	disk_make("disk.qcow2");
	disk = disk_xml(here("disk.qcow2"), "");
	ATF_REQUIRE(asprintf(&devices, "%s<serial type='pty'><target "
	    "port='0'/></serial><graphics type='vnc' port='-1' "
	    "autoport='yes'/>", disk) != -1);
	xml = domain_xml(QEMU, "pc", devices);
	daemon_listen();
	plan_open(0, "/usr/bin/qemu-system-*");
	plan_xml(xml, 60);
	plan_file("disk/vda/0", "disk.qcow2", O_RDWR);
	plan_go();
	daemon_takes_guest();

	ATF_CHECK_STREQ("launched", reg.name);
	ATF_CHECK(memcmp(reg.uuid, uuid, sizeof(uuid)) == 0);
	ATF_CHECK_STREQ("", reg.xml);
	ATF_CHECK_EQ(launcher, reg.launcher_pid);
	ATF_CHECK_EQ(4, nfds);
	for (i = 0; i < nfds; i++) {
		d = &reg.descriptors.descriptors_val[i];
		kinds[d->kind]++;
		switch (d->kind) {
		case OWN_MONITOR:
			break;
		case OWN_CONSOLE:
			ATF_CHECK_EQ(0, (int)
			    d->own_descriptor_u.console.index);
			ATF_CHECK_STREQ("serial0",
			    d->own_descriptor_u.console.alias);
			s = open(d->own_descriptor_u.console.tty,
			    O_RDWR | O_NOCTTY);
			ATF_REQUIRE(s != -1);
			/* what is typed there arrives at the master, as is */
			ATF_REQUIRE_EQ(OWN_PTY, d[1].kind);
			ATF_REQUIRE_EQ(3, write(s, "x\n\003", 3));
			wait_ready(fds[i + 1], POLLIN);
			ATF_CHECK_EQ(3, read(fds[i + 1], buf, sizeof(buf)));
			ATF_CHECK(memcmp(buf, "x\n\003", 3) == 0);
			close(s);
			break;
		case OWN_PTY:
			ATF_CHECK_EQ(0, (int)d->own_descriptor_u.pty);
			break;
		case OWN_VNC:
			sin.sin_port = htons(d->own_descriptor_u.vnc.port);
			sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
			s = socket(AF_INET, SOCK_STREAM, 0);
			ATF_REQUIRE(connect(s, (struct sockaddr *)&sin,
			    sizeof(sin)) == 0);
			wait_ready(fds[i], POLLIN);
			ATF_CHECK((a = accept(fds[i], NULL, NULL)) != -1);
			close(a);
			close(s);
			break;
		}
	}
	for (i = OWN_MONITOR; i <= OWN_VNC; i++)
		ATF_CHECK_EQ(1, kinds[i]);

	ATF_CHECK(proc_contains(launcher, "cmdline",
	    "qemud-launch: launched"));
	/* it waits for the daemon to let it run */
	qmp_say(qmp_open(), "{\"execute\":\"query-status\"}\n");
	qmp_expect(fds[0], "prelaunch");
	qmp_say(fds[0], "{\"execute\":\"cont\"}\n");
	qmp_expect(fds[0], "\"return\"");
	qmp_say(fds[0], "{\"execute\":\"quit\"}\n");
	ended = daemon_ended();
	ATF_CHECK_STREQ("launched", ended.name);
	ATF_CHECK_EQ(OWN_EXITED, ended.how);
	ATF_CHECK_EQ(0, ended.code);
	xdr_free((xdrproc_t)xdr_own_ended, &ended);
	ATF_CHECK_EQ(0, launcher_status());
	ATF_CHECK(contains("log", "Z starting: " QEMU " -name"));
	ATF_CHECK(contains("log", "ended with status 0"));
	all_gone();
	free(disk);
	free(devices);
	free(xml);
}

/* Each descriptor of that process: nothing but the disk has a path. */
static void
check_inventory(pid_t pid, const char *disk)
{
	static const char *const	 fine[] = { "/dev/null", "pipe:",
					    "socket:", "anon_inode:",
					    "/memfd:" };
	char				 path[64], to[PATH_MAX];
	struct dirent			*e;
	DIR				*dir;
	ssize_t				 n;
	size_t				 i;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	ATF_REQUIRE((dir = opendir(path)) != NULL);
	while ((e = readdir(dir)) != NULL) {
		n = readlinkat(dirfd(dir), e->d_name, to, sizeof(to) - 1);
		if (n == -1)
			continue;
		to[n] = '\0';
		for (i = 0; i < 5; i++)
			if (strncmp(to, fine[i], strlen(fine[i])) == 0)
				break;
		ATF_CHECK_MSG(i < 5 || strcmp(to, disk) == 0,
		    "descriptor %s is %s", e->d_name, to);
	}
	closedir(dir);
}

ATF_TC(clean_process);
ATF_TC_HEAD(clean_process, tc)
{
	NEEDS_QEMU;
	atf_tc_set_md_var(tc, "descr", "QEMU inherits what the plan says and "
	    "nothing else");
}
ATF_TC_BODY(clean_process, tc)
{
	char		*disk, *xml, path[64];
	char		*env;
	size_t		 n;
	FILE		*f;

	ATF_REQUIRE(setenv("LAUNCH_TEST_SECRET", "canary", 1) == 0);
	disk_make("disk.qcow2");
	disk = disk_xml(here("disk.qcow2"), "");
	xml = domain_xml(QEMU, "pc", disk);
	daemon_listen();
	/* a descriptor that somebody forgot to close */
	ATF_REQUIRE(dup2(open("/etc/passwd", O_RDONLY), 77) == 77);
	plan_open(0, "/usr/bin/qemu-system-*");
	close(77);
	plan_xml(xml, 60);
	plan_file("disk/vda/0", "disk.qcow2", O_RDWR);
	plan_go();
	daemon_takes_guest();
	(void)qmp_open();

	check_inventory(qemu, here("disk.qcow2"));
	ATF_CHECK(proc_contains(qemu, "status", "NoNewPrivs:\t1"));
	ATF_CHECK(proc_contains(qemu, "status", "Umask:\t0077"));
	ATF_CHECK(proc_contains(qemu, "limits",
	    "Max core file size        0                    0"));
	ATF_CHECK_EQ(qemu, getsid(qemu));
	snprintf(path, sizeof(path), "/proc/%d/environ", qemu);
	env = read_file(path);
	ATF_CHECK_STREQ("PATH=/usr/sbin:/usr/bin:/sbin:/bin", env);
	free(env);
	n = 0;
	ATF_REQUIRE((f = fopen(path, "r")) != NULL);
	for (int c; (c = getc(f)) != EOF;)
		n += c == '\0';
	fclose(f);
	ATF_CHECK_EQ_MSG(3, n, "%zu variables", n);

	/* the launcher holds no image, and cannot do much any more */
	ATF_CHECK(!proc_contains(launcher, "maps", "libxml2"));
	snprintf(path, sizeof(path), "ls -l /proc/%d/fd | grep -q qcow2",
	    launcher);
	ATF_CHECK_EQ(1, run("%s", path));
	ATF_CHECK(proc_contains(launcher, "status", "NoNewPrivs:\t1"));
	if (getenv("SANITIZED") == NULL)
		ATF_CHECK(proc_contains(launcher, "status", "Seccomp:\t2"));
	guest_kill();
	free(disk);
	free(xml);
}

ATF_TC(registers_again);
ATF_TC_HEAD(registers_again, tc)
{
	NEEDS_QEMU;
	atf_tc_set_md_var(tc, "descr", "Connections come fresh when asked for "
	    "and when the daemon is restarted");
}
ATF_TC_BODY(registers_again, tc)
{
	struct frame	 f;
	rp_none		 none = { 0 };
	pid_t		 before;
	int		 i, old;

	guest_start("<serial type='pty'/>");
	before = qemu;
	(void)qmp_open();
	/* asked for: over the same connection */
	old = fds[0];
	fds[0] = -1;
	daemon_message(EVENT_launch_renew, (xdrproc_t)xdr_rp_none, &none);
	daemon_registration();
	daemon_verdict(OWN_ACCEPT);
	/* QEMU has time for it when the old one is gone */
	close(old);
	(void)qmp_open();
	/* several at once are answered by at least one more, and not by ten */
	fds_close();
	for (i = 0; i < 10; i++)
		daemon_message(EVENT_launch_renew, (xdrproc_t)xdr_rp_none,
		    &none);
	daemon_registration();
	fds_close();
	daemon_verdict(OWN_ACCEPT);
	daemon_registration();
	daemon_verdict(OWN_ACCEPT);
	(void)qmp_open();
	/* a daemon that dies, over and over */
	for (i = 0; i < 5; i++) {
		daemon_hangup();
		fds_close();
		daemon_accept();
		if (i == 3)
			continue;	/* ... before it has heard anything */
		daemon_registration();
		if (i != 2)
			daemon_verdict(OWN_ACCEPT);
		ATF_CHECK_EQ(before, qemu);
		ATF_CHECK_EQ(3, nfds);
		(void)qmp_open();
	}
	/* it has been away for a while */
	daemon_hangup();
	fds_close();
	close(listener);
	ATF_REQUIRE(unlink(sockpath) == 0);
	daemon_listen();
	daemon_takes_guest();
	(void)qmp_open();
	/* one that talks nonsense is left, and tried again */
	fds_close();
	ATF_REQUIRE_EQ(8, send(conn, "GET / HT", 8, MSG_NOSIGNAL));
	while (framer_next(&framer, &f) == 0 && daemon_read())
		;
	daemon_hangup();
	daemon_takes_guest();
	(void)qmp_open();
	guest_kill();
}

ATF_TC(killed);
ATF_TC_HEAD(killed, tc)
{
	NEEDS_QEMU;
	atf_tc_set_md_var(tc, "descr", "The daemon can end a guest at once, "
	    "and gently");
}
ATF_TC_BODY(killed, tc)
{
	struct own_kill		 m = { 0 };
	struct own_ended	 ended;

	guest_start("");
	guest_kill();
	close(listener);
	unlink(sockpath);

	/* QEMU ends in good order on SIGTERM */
	guest_start("");
	(void)qmp_open();
	m.grace_ms = WAIT_MS;
	daemon_message(EVENT_launch_kill, (xdrproc_t)xdr_own_kill, &m);
	ended = daemon_ended();
	ATF_CHECK_EQ(OWN_EXITED, ended.how);
	ATF_CHECK_EQ(0, ended.code);
	ATF_CHECK(strstr(ended.text, "signal 15") != NULL);
	xdr_free((xdrproc_t)xdr_own_ended, &ended);
	ATF_CHECK_EQ(0, launcher_status());
	all_gone();
	close(listener);
	unlink(sockpath);

	/* a stopped one does not listen to that: it is killed after it */
	guest_start("");
	(void)qmp_open();
	ATF_REQUIRE(kill(qemu, SIGSTOP) == 0);
	m.grace_ms = 50;
	daemon_message(EVENT_launch_kill, (xdrproc_t)xdr_own_kill, &m);
	ended = daemon_ended();
	ATF_CHECK_EQ(OWN_SIGNALLED, ended.how);
	ATF_CHECK_EQ(SIGKILL, ended.code);
	xdr_free((xdrproc_t)xdr_own_ended, &ended);
	ATF_CHECK_EQ(128 + SIGKILL, launcher_status());
	all_gone();
}

ATF_TC(ends_while_alone);
ATF_TC_HEAD(ends_while_alone, tc)
{
	NEEDS_QEMU;
	atf_tc_set_md_var(tc, "descr", "A guest that ends while there is no "
	    "daemon is reported to the next one");
}
ATF_TC_BODY(ends_while_alone, tc)
{
	struct own_ended	 ended;
	int			 monitor;

	guest_start("");
	monitor = qmp_open();
	fds[0] = -1;
	daemon_hangup();
	qmp_say(monitor, "{\"execute\":\"quit\"}\n");
	process_gone(qemu);
	close(monitor);
	/* it may have connected to register just before */
	do {
		struct frame	 f;

		daemon_accept();
		daemon_next(&f);
		if (f.hdr.procedure == PROC_launch_ended) {
			ATF_REQUIRE(rpc_decode((xdrproc_t)xdr_own_ended,
			    f.body, f.len, &ended, sizeof(ended)) == 0);
			break;
		}
		daemon_hangup();
	} while (1);
	ATF_CHECK_EQ(OWN_EXITED, ended.how);
	xdr_free((xdrproc_t)xdr_own_ended, &ended);
	/* one that hangs up without a word is asked once more */
	daemon_hangup();
	daemon_accept();
	ended = daemon_ended();
	xdr_free((xdrproc_t)xdr_own_ended, &ended);
	ATF_CHECK_EQ(0, launcher_status());
	all_gone();
}

ATF_TC(not_wanted);
ATF_TC_HEAD(not_wanted, tc)
{
	NEEDS_QEMU;
	atf_tc_set_md_var(tc, "descr", "What becomes of a guest that the "
	    "daemon does not take");
}
ATF_TC_BODY(not_wanted, tc)
{
	struct own_ended	 ended;
	char			*xml = domain_xml(QEMU, "pc", "");
	struct frame_header	 ping = { KEEPALIVE_PROGRAM,
				    KEEPALIVE_VERSION, KEEPALIVE_PING,
				    FRAME_MESSAGE, 0, FRAME_OK };
	struct frame		 f;
	rp_none			 none = { 0 };
	int			 i, n;

	daemon_listen();
	for (i = 0; i < 2; i++) {
		plan_open(0, "/usr/bin/qemu-system-*");
		plan_xml(xml, 60);
		plan_go();
		daemon_accept();
		daemon_registration();
		if (i == 0)
			daemon_verdict(OWN_END);
		else
			daemon_refuse("not yours");
		ended = daemon_ended();
		ATF_CHECK_EQ(OWN_SIGNALLED, ended.how);
		ATF_CHECK_EQ(SIGKILL, ended.code);
		xdr_free((xdrproc_t)xdr_own_ended, &ended);
		ATF_CHECK_EQ(128 + SIGKILL, launcher_status());
		all_gone();
	}
	ATF_CHECK(contains("log", "not yours"));

	/* but one that was taken once lives on when it is refused later */
	plan_open(0, "/usr/bin/qemu-system-*");
	plan_xml(xml, 60);
	plan_go();
	daemon_takes_guest();
	daemon_hangup();
	daemon_accept();
	daemon_registration();
	daemon_refuse("busy");
	/* it is still there, and listens */
	daemon_send(&ping, (xdrproc_t)xdr_rp_none, &none);
	while ((n = framer_next(&framer, &f)) == 0)
		ATF_REQUIRE(daemon_read());
	ATF_REQUIRE_EQ(1, n);
	ATF_CHECK_EQ(KEEPALIVE_PROGRAM, (int)f.hdr.prog);
	ATF_CHECK_EQ(KEEPALIVE_PONG, f.hdr.procedure);
	ATF_CHECK(process_lives(qemu));
	daemon_message(EVENT_launch_renew, (xdrproc_t)xdr_rp_none, &none);
	daemon_registration();
	daemon_verdict(OWN_ACCEPT);
	guest_kill();
	free(xml);
}

ATF_TC(nobody_takes_it);
ATF_TC_HEAD(nobody_takes_it, tc)
{
	NEEDS_QEMU;
	atf_tc_set_md_var(tc, "descr", "A guest whose daemon is gone before it "
	    "has taken it does not wait for ever");
}
ATF_TC_BODY(nobody_takes_it, tc)
{
	struct own_ended	 ended;
	char			*xml = domain_xml(QEMU, "pc", "");

	daemon_listen();
	plan_open(0, "/usr/bin/qemu-system-*");
	plan_xml(xml, 1);
	plan_go();
	daemon_accept();
	daemon_registration();
	ended = daemon_ended();
	ATF_CHECK_EQ(OWN_SIGNALLED, ended.how);
	xdr_free((xdrproc_t)xdr_own_ended, &ended);
	ATF_CHECK_EQ(128 + SIGKILL, launcher_status());
	ATF_CHECK(contains("log", "no daemon has taken the guest"));
	all_gone();
	free(xml);
}

ATF_TC(emulators);
ATF_TC_HEAD(emulators, tc)
{
	NEEDS_QEMU;
	atf_tc_set_md_var(tc, "descr", "An emulator that is not allowed, not "
	    "there or not content is reported as such");
}
ATF_TC_BODY(emulators, tc)
{
	struct own_ended	 m;
	char			*xml;

	daemon_listen();
	/* not allowed */
	write_file("evil", "#!/bin/sh\ntouch was-run\n", 0755);
	xml = domain_xml(here("evil"), "pc", "");
	plan_open(0, "/usr/bin/qemu-system-*");
	plan_xml(xml, 60);
	plan_go();
	m = guest_fails();
	ATF_CHECK_MSG(strstr(m.text, "not allowed") != NULL, "%s", m.text);
	ATF_CHECK_STREQ("launched", m.name);
	xdr_free((xdrproc_t)xdr_own_ended, &m);
	free(xml);
	/* an allowed name of something that is not allowed */
	ATF_REQUIRE(symlink(here("evil"), "qemu-system-good") == 0);
	xml = domain_xml(here("qemu-system-good"), "pc", "");
	plan_open(0, here("qemu-system-*"));
	plan_xml(xml, 60);
	plan_go();
	m = guest_fails();
	ATF_CHECK_MSG(strstr(m.text, "is a link to") != NULL, "%s", m.text);
	xdr_free((xdrproc_t)xdr_own_ended, &m);
	free(xml);
	ATF_CHECK(access("was-run", F_OK) == -1);
	/* not there */
	xml = domain_xml("/usr/bin/qemu-system-none", "pc", "");
	plan_open(0, "/usr/bin/qemu-system-*");
	plan_xml(xml, 60);
	plan_go();
	m = guest_fails();
	ATF_CHECK_EQ(ENOENT, m.code);
	ATF_CHECK(strstr(m.text, "qemu-system-none") != NULL);
	xdr_free((xdrproc_t)xdr_own_ended, &m);
	free(xml);
	/* no program */
	write_file("qemu-text", "no program\n", 0755);
	xml = domain_xml(here("qemu-text"), "pc", "");
	plan_open(0, here("*"));
	plan_xml(xml, 60);
	plan_go();
	m = guest_fails();
	ATF_CHECK_EQ(ENOEXEC, m.code);
	ATF_CHECK(strstr(m.text, "cannot execute") != NULL);
	xdr_free((xdrproc_t)xdr_own_ended, &m);
	free(xml);
	/* there, but it does not like its arguments */
	xml = domain_xml(QEMU, "pc-i440fx-99.9", "");
	plan_open(0, "/usr/bin/qemu-system-*");
	plan_xml(xml, 60);
	plan_go();
	m = script_ended();
	ATF_CHECK_EQ(OWN_EXITED, m.how);
	ATF_CHECK_EQ(1, m.code);
	ATF_CHECK_MSG(strstr(m.text, "unsupported machine type") != NULL,
	    "%s", m.text);
	xdr_free((xdrproc_t)xdr_own_ended, &m);
	ATF_CHECK_EQ(1, launcher_status());
	all_gone();
	free(xml);
}

ATF_TC(bad_plans);
ATF_TC_HEAD(bad_plans, tc)
{
	NEEDS_QEMU;
	atf_tc_set_md_var(tc, "descr", "A plan that does not fit together "
	    "starts nothing, and says why");
}
ATF_TC_BODY(bad_plans, tc)
{
	static const struct {
		const char	*key;
		const char	*file;
		int		 flags;
		const char	*says;
	} t[] = {
		{ NULL, NULL, 0, "no descriptor" },
		{ "disk/vdb/0", "disk.qcow2", O_RDWR, "no such file" },
		{ "monitor", "disk.qcow2", O_RDWR, "no such file" },
		{ "disk/vda/0", "disk.qcow2", O_RDONLY, "not open for reading "
		    "and writing" },
		{ "disk/vda/0", "disk.qcow2", O_PATH, "not open for" },
		{ "disk/vda/0", "/dev/zero", O_RDWR, "not a regular file" },
		{ "disk/vda/0", "fifo", O_RDWR, "not a regular file" },
		{ "disk/vda/0", ".", O_RDONLY, "not a regular file" }
	};
	static const char *const	 xmls[] = { "", "<domain>",
					    "<!DOCTYPE x><domain/>" };
	struct own_ended		 m;
	char				*disk, *xml;
	size_t				 i;

	daemon_listen();
	disk_make("disk.qcow2");
	ATF_REQUIRE(mkfifo("fifo", 0600) == 0);
	disk = disk_xml(here("disk.qcow2"), "");
	xml = domain_xml(QEMU, "pc", disk);
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		plan_open(0, "/usr/bin/qemu-system-*");
		plan_xml(xml, 60);
		if (t[i].key != NULL)
			plan_file(t[i].key, t[i].file, t[i].flags);
		plan_go();
		m = guest_fails();
		ATF_CHECK_MSG(strstr(m.text, t[i].says) != NULL, "%zu: %s", i,
		    m.text);
		ATF_CHECK(contains("log", m.text));
		xdr_free((xdrproc_t)xdr_own_ended, &m);
	}
	/* not a domain at all: who it should be is known all the same */
	for (i = 0; i < 3; i++) {
		plan_open(0, "/usr/bin/qemu-system-*");
		plan_xml(xmls[i], 60);
		plan_go();
		m = guest_fails();
		ATF_CHECK(m.text[0] != '\0');
		xdr_free((xdrproc_t)xdr_own_ended, &m);
	}
	free(xml);
	/* somebody else's domain */
	ATF_REQUIRE(asprintf(&xml, "<domain type='qemu'><name>x</name>"
	    "<memory>65536</memory><os><type>hvm</type></os></domain>") != -1);
	plan_open(0, "/usr/bin/qemu-system-*");
	plan_xml(xml, 60);
	plan_go();
	m = guest_fails();
	ATF_CHECK(strstr(m.text, "another domain") != NULL);
	xdr_free((xdrproc_t)xdr_own_ended, &m);
	free(disk);
	free(xml);
}

ATF_TC(given_up);
ATF_TC_HEAD(given_up, tc)
{
	NEEDS_QEMU;
	atf_tc_set_md_var(tc, "descr", "When qemud goes away before it has "
	    "said so, nothing is started");
}
ATF_TC_BODY(given_up, tc)
{
	struct pollfd	 pfd = { .events = POLLIN };
	char		*xml = domain_xml(QEMU, "pc", "");

	daemon_listen();
	plan_open(0, "/usr/bin/qemu-system-*");
	plan_close();
	ATF_CHECK_EQ(0, launcher_status());
	plan_open(0, "/usr/bin/qemu-system-*");
	plan_xml(xml, 60);
	plan_close();
	ATF_CHECK_EQ(0, launcher_status());
	/* out of order */
	plan_open(0, "/usr/bin/qemu-system-*");
	plan_send(MSG_PLAN_GO, NULL, NULL, -1);
	ATF_CHECK_EQ(0, launcher_status());
	plan_close();
	pfd.fd = listener;
	ATF_CHECK_EQ(0, poll(&pfd, 1, 0));
	ATF_CHECK(!contains("log", "starting:"));
	free(xml);
}

ATF_TC(status_file);
ATF_TC_HEAD(status_file, tc)
{
	NEEDS_QEMU;
	atf_tc_set_md_var(tc, "descr", "The status file is locked as long as "
	    "the launcher lives, and keeps a second one away");
}
ATF_TC_BODY(status_file, tc)
{
	struct own_ended	 m;
	char			*xml = domain_xml(QEMU, "pc", "");
	int			 fd;

	daemon_listen();
	write_file("status", "", 0600);
	plan_open(0, "/usr/bin/qemu-system-*");
	plan_xml(xml, 60);
	plan_file("lock", "status", O_RDWR);
	plan_go();
	daemon_takes_guest();
	ATF_REQUIRE((fd = open("status", O_RDWR | O_CLOEXEC)) != -1);
	ATF_CHECK_ERRNO(EWOULDBLOCK, flock(fd, LOCK_EX | LOCK_NB) == -1);
	/* it is not QEMU that holds it */
	ATF_REQUIRE(kill(launcher, SIGKILL) == 0);
	process_gone(launcher);
	ATF_REQUIRE_EQ(launcher, waitpid(launcher, NULL, 0));
	launcher = -1;
	ATF_CHECK(flock(fd, LOCK_EX | LOCK_NB) == 0);
	/* a guest goes on without its launcher */
	(void)qmp_open();
	qmp_say(fds[0], "{\"execute\":\"query-status\"}\n");
	qmp_expect(fds[0], "\"status\"");
	ATF_CHECK(process_lives(qemu));
	ATF_REQUIRE(kill(qemu, SIGKILL) == 0);
	all_gone();

	/* now we hold it */
	plan_open(0, "/usr/bin/qemu-system-*");
	plan_xml(xml, 60);
	plan_file("lock", "status", O_RDWR);
	plan_go();
	m = guest_fails();
	ATF_CHECK(strstr(m.text, "running already") != NULL);
	xdr_free((xdrproc_t)xdr_own_ended, &m);
	close(fd);
	free(xml);
}

ATF_TC(image_locks);
ATF_TC_HEAD(image_locks, tc)
{
	NEEDS_QEMU;
	atf_tc_set_md_var(tc, "descr", "Other programs see that the images "
	    "are in use, and the launcher sees other programs");
}
ATF_TC_BODY(image_locks, tc)
{
	struct flock		 fl = { .l_type = F_RDLCK,
				    .l_whence = SEEK_SET, .l_len = 1 };
	struct own_ended	 m;
	char			*disk, *more, *xml;
	int			 fd;

	disk_make("base.qcow2");
	ATF_REQUIRE_EQ(0, run("qemu-img create -q -f qcow2 -F qcow2 "
	    "-b base.qcow2 top.qcow2"));
	ATF_REQUIRE(asprintf(&more, "<backingStore type='file'>"
	    "<format type='qcow2'/><source file='%s'/><backingStore/>"
	    "</backingStore>", here("base.qcow2")) != -1);
	disk = disk_xml(here("top.qcow2"), more);
	xml = domain_xml(QEMU, "pc", disk);
	daemon_listen();
	plan_open(0, "/usr/bin/qemu-system-*");
	plan_xml(xml, 60);
	plan_file("disk/vda/0", "top.qcow2", O_RDWR);
	plan_file("disk/vda/1", "base.qcow2", O_RDONLY);
	plan_go();
	daemon_takes_guest();
	(void)qmp_open();

	/* nobody reads what the guest writes, unless he insists */
	ATF_CHECK_EQ(1, run("qemu-img info top.qcow2 2>err"));
	ATF_CHECK(contains("err", "lock"));
	ATF_CHECK_EQ(0, run("qemu-img info -U top.qcow2 >/dev/null"));
	ATF_CHECK_EQ(0, run("qemu-io -U -r -c 'read 0 512' top.qcow2 "
	    ">/dev/null"));
	ATF_CHECK_EQ(1, run("qemu-io -c 'write 0 512' top.qcow2 "
	    ">/dev/null 2>&1"));
	/* others may read the base, and nobody writes it */
	ATF_CHECK_EQ(0, run("qemu-img info base.qcow2 >/dev/null"));
	ATF_CHECK_EQ(1, run("qemu-io -c 'write 0 512' base.qcow2 "
	    ">/dev/null 2>&1"));
	/* not even when the launcher is gone and QEMU is not */
	ATF_REQUIRE(kill(launcher, SIGKILL) == 0);
	process_gone(launcher);
	ATF_REQUIRE_EQ(launcher, waitpid(launcher, NULL, 0));
	launcher = -1;
	ATF_CHECK_EQ(1, run("qemu-img info top.qcow2 2>/dev/null"));
	ATF_REQUIRE(kill(qemu, SIGKILL) == 0);
	all_gone();
	ATF_CHECK_EQ(0, run("qemu-img info top.qcow2 >/dev/null"));
	ATF_CHECK_EQ(0, run("qemu-io -c 'write 0 512' base.qcow2 "
	    ">/dev/null"));

	/* somebody does not want others to write it */
	ATF_REQUIRE((fd = open("top.qcow2", O_RDWR | O_CLOEXEC)) != -1);
	fl.l_start = 201;
	ATF_REQUIRE(fcntl(fd, F_OFD_SETLK, &fl) == 0);
	plan_open(0, "/usr/bin/qemu-system-*");
	plan_xml(xml, 60);
	plan_file("disk/vda/0", "top.qcow2", O_RDWR);
	plan_file("disk/vda/1", "base.qcow2", O_RDONLY);
	plan_go();
	m = guest_fails();
	ATF_CHECK_EQ(EBUSY, m.code);
	ATF_CHECK_MSG(strncmp(m.text, "disk vda: /", 11) == 0 &&
	    strstr(m.text, "top.qcow2 is in use by another program") != NULL,
	    "%s", m.text);
	xdr_free((xdrproc_t)xdr_own_ended, &m);
	close(fd);
	/* somebody writes the base */
	ATF_REQUIRE((fd = open("base.qcow2", O_RDWR | O_CLOEXEC)) != -1);
	fl.l_start = 101;
	ATF_REQUIRE(fcntl(fd, F_OFD_SETLK, &fl) == 0);
	plan_open(0, "/usr/bin/qemu-system-*");
	plan_xml(xml, 60);
	plan_file("disk/vda/0", "top.qcow2", O_RDWR);
	plan_file("disk/vda/1", "base.qcow2", O_RDONLY);
	plan_go();
	m = guest_fails();
	ATF_CHECK_MSG(strstr(m.text, "base.qcow2 is in use") != NULL, "%s",
	    m.text);
	xdr_free((xdrproc_t)xdr_own_ended, &m);
	close(fd);
	free(disk);
	free(more);
	free(xml);

	/* a disk that is shared is nobody's */
	ATF_REQUIRE_EQ(0, run("qemu-img convert -O raw base.qcow2 raw.img"));
	ATF_REQUIRE(asprintf(&disk, "<disk type='file' device='disk'>"
	    "<driver name='qemu' type='raw' cache='none'/>"
	    "<source file='%s'/><target dev='vda' bus='virtio'/>"
	    "<shareable/></disk>", here("raw.img")) != -1);
	xml = domain_xml(QEMU, "pc", disk);
	plan_open(0, "/usr/bin/qemu-system-*");
	plan_xml(xml, 60);
	plan_file("disk/vda/0", "raw.img", O_RDWR);
	plan_go();
	daemon_takes_guest();
	(void)qmp_open();
	ATF_CHECK_EQ(0, run("qemu-io -f raw -c 'write 0 512' raw.img "
	    ">/dev/null"));
	guest_kill();
	free(disk);
	free(xml);
}

/* The fake emulator: prints what we want to see printed. */
static void
script_start(const char *script, const char *devices)
{
	char	*xml;

	write_file("emulator", script, 0755);
	xml = domain_xml(here("emulator"), "pc", devices);
	plan_open(0, here("*"));
	plan_xml(xml, 60);
	free(xml);
}

ATF_TC(output);
ATF_TC_HEAD(output, tc)
{
	atf_tc_set_md_var(tc, "descr", "What the emulator prints is bounded "
	    "and harmless, and its last lines are told");
}
ATF_TC_BODY(output, tc)
{
	struct own_ended	 m;
	struct stat		 st;
	size_t			 len;

	daemon_listen();
	script_start("#!/bin/sh\nprintf 'first\\n\\033[2J\\377no \\r\\n'\n"
	    "printf 'the \\000 reason' >&2\nexit 3\n", "");
	plan_go();
	m = script_ended();
	ATF_CHECK_EQ(OWN_EXITED, m.how);
	ATF_CHECK_EQ(3, m.code);
	ATF_CHECK_STREQ("first\n\\033[2J\\377no \nthe \\000 reason", m.text);
	xdr_free((xdrproc_t)xdr_own_ended, &m);
	ATF_CHECK_EQ(1, launcher_status());
	ATF_CHECK(contains("log", "\\033[2J"));
	ATF_CHECK(!contains("log", "\033"));
	/* a line of ours begins as a line */
	ATF_CHECK(contains("log", "reason\n2"));

	/* more than a log should hold; the end of it is told all the same */
	script_start("#!/bin/sh\n"
	    "yes 'it goes on and on' | head -c 20000000\n"
	    "echo; echo the last line\nkill -9 $$\n", "");
	plan_go();
	m = script_ended();
	ATF_CHECK_EQ(OWN_SIGNALLED, m.how);
	ATF_CHECK_EQ(SIGKILL, m.code);
	len = strlen(m.text);
	ATF_CHECK(len > 2000 && len <= OWN_TEXT_MAX);
	ATF_CHECK(strncmp(m.text, "it goes", 7) == 0);
	ATF_CHECK_STREQ("\nthe last line", m.text + len - 14);
	xdr_free((xdrproc_t)xdr_own_ended, &m);
	ATF_CHECK_EQ(128 + SIGKILL, launcher_status());
	ATF_CHECK(contains("log", "printed too much"));
	ATF_REQUIRE(stat("log", &st) == 0);
	ATF_CHECK(st.st_size < 9 * 1024 * 1024);
}

ATF_TC(other_user);
ATF_TC_HEAD(other_user, tc)
{
	atf_tc_set_md_var(tc, "require.user", "root");
	atf_tc_set_md_var(tc, "descr", "Files that were opened for the guest "
	    "need not be open to its user");
}
ATF_TC_BODY(other_user, tc)
{
	struct own_ended	 m;
	char			*xml;

	write_file("kernel", "this is the kernel\n", 0600);
	write_file("initrd", "this is the initrd\n", 0600);
	/* opens them again, as QEMU does, and cannot write to them */
	write_file("emulator", "#!/bin/sh\nid -u\nfor a\ndo\n"
	    "\tcase $a in /proc/self/fd/*) cat $a; echo no >$a;; esac\n"
	    "done\n", 0755);
	ATF_REQUIRE(asprintf(&xml,
	    "<domain type='qemu'><name>launched</name><uuid>" UUID "</uuid>"
	    "<memory unit='MiB'>32</memory><vcpu>1</vcpu>"
	    "<os><type arch='x86_64' machine='pc'>hvm</type>"
	    "<kernel>%s</kernel><initrd>%s</initrd></os>"
	    "<devices><emulator>%s</emulator></devices></domain>",
	    here("kernel"), here("initrd"), here("emulator")) != -1);
	ATF_REQUIRE(chmod(".", 0755) == 0);
	daemon_listen();
	ATF_REQUIRE(chmod(sockpath, 0666) == 0);
	plan_open(NOBODY, here("*"));
	plan_xml(xml, 60);
	plan_file("kernel", "kernel", O_RDONLY);
	plan_file("initrd", "initrd", O_RDONLY);
	plan_go();
	m = script_ended();
	ATF_CHECK_MSG(strncmp(m.text, "65534\nthis is the kernel\n", 25) == 0 &&
	    strstr(m.text, "\nthis is the initrd\n") != NULL, "%s", m.text);
	xdr_free((xdrproc_t)xdr_own_ended, &m);
	(void)launcher_status();
	ATF_CHECK(contains("kernel", "this is the kernel"));
	free(xml);
}

/* Somebody listens on the launch socket who is neither root nor us. */
ATF_TC(impostor);
ATF_TC_HEAD(impostor, tc)
{
	atf_tc_set_md_var(tc, "require.user", "root");
	NEEDS_QEMU;
	atf_tc_set_md_var(tc, "descr", "No guest is given to a daemon of "
	    "another user");
}
ATF_TC_BODY(impostor, tc)
{
	char	*xml = domain_xml(QEMU, "pc", ""), buf[1];

	ATF_REQUIRE(chmod(".", 0777) == 0);
	ATF_REQUIRE(seteuid(NOBODY) == 0);
	daemon_listen();
	ATF_REQUIRE(seteuid(0) == 0);
	plan_open(0, "/usr/bin/qemu-system-*");
	plan_xml(xml, 1);
	plan_go();
	daemon_accept();
	ATF_CHECK_EQ(0, recv(conn, buf, 1, 0));
	/* after which nobody takes it */
	ATF_CHECK_EQ(128 + SIGKILL, launcher_status());
	all_gone();
	free(xml);
}

ATF_TC(screens);
ATF_TC_HEAD(screens, tc)
{
	NEEDS_QEMU;
	atf_tc_set_md_var(tc, "descr", "A VNC port that is taken is refused, "
	    "or passed over if any will do");
}
ATF_TC_BODY(screens, tc)
{
	struct sockaddr_in	 sin = { .sin_family = AF_INET };
	socklen_t		 len = sizeof(sin);
	struct own_ended	 m;
	char			*devices, *xml;
	own_descriptor		*d;
	const int		 on = 1;
	int			 s;

	daemon_listen();
	s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	/* sharing is offered, and not taken */
	ATF_REQUIRE(setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on,
	    sizeof(on)) == 0);
	/* the first that automatic choice would take, if it is free */
	sin.sin_port = htons(5900);
	if (bind(s, (struct sockaddr *)&sin, sizeof(sin)) == -1) {
		sin.sin_port = 0;
		ATF_REQUIRE(bind(s, (struct sockaddr *)&sin,
		    sizeof(sin)) == 0);
	}
	ATF_REQUIRE(listen(s, 1) == 0);
	ATF_REQUIRE(getsockname(s, (struct sockaddr *)&sin, &len) == 0);
	ATF_REQUIRE(asprintf(&devices, "<graphics type='vnc' port='%d' "
	    "autoport='no' listen='127.0.0.1'/>", ntohs(sin.sin_port)) != -1);
	xml = domain_xml(QEMU, "pc", devices);
	plan_open(0, "/usr/bin/qemu-system-*");
	plan_xml(xml, 60);
	plan_go();
	m = guest_fails();
	ATF_CHECK_EQ(EADDRINUSE, m.code);
	ATF_CHECK_MSG(strstr(m.text, "VNC port") != NULL &&
	    strstr(m.text, "127.0.0.1 is in use") != NULL, "%s", m.text);
	xdr_free((xdrproc_t)xdr_own_ended, &m);
	free(devices);
	free(xml);
	xml = domain_xml(QEMU, "pc", "<graphics type='vnc' port='-1' "
	    "autoport='yes' passwd='hushhush' listen='127.0.0.1'/>");
	plan_open(0, "/usr/bin/qemu-system-*");
	plan_xml(xml, 60);
	plan_go();
	daemon_takes_guest();
	ATF_REQUIRE_EQ(2, nfds);
	d = &reg.descriptors.descriptors_val[1];
	ATF_CHECK_EQ(OWN_VNC, d->kind);
	ATF_CHECK(d->own_descriptor_u.vnc.port >= 5900 &&
	    d->own_descriptor_u.vnc.port != ntohs(sin.sin_port));
	ATF_CHECK(!contains("log", "hush"));
	guest_kill();
	close(s);
	free(xml);
}

/* --- run by a person ------------------------------------------------------ */

/* Runs it to its end; what it says is in the file "log". */
static int
own_run(const char *arg1, const char *arg2, const char *arg3)
{
	const char	*args[] = { "-s", "nowhere", arg1, arg2, arg3, NULL };

	launcher_exec(-1, 0, args);
	return (launcher_status());
}

ATF_TC(prints);
ATF_TC_HEAD(prints, tc)
{
	atf_tc_set_md_var(tc, "descr", "The command can be seen without "
	    "starting anything");
}
ATF_TC_BODY(prints, tc)
{
	const char	*args[] = { "--print", "guest.xml", NULL };
	char		*disk, *xml;

	disk = disk_xml("/srv/it&apos;s, not here.qcow2", "");
	xml = domain_xml(QEMU, "pc", disk);
	write_file("guest.xml", xml, 0600);
	launcher_exec(-1, 0, args);
	ATF_CHECK_EQ(0, launcher_status());
	ATF_CHECK(contains("log", QEMU " \\\n    -name "));
	ATF_CHECK(contains("log", "'fd={disk/vda/0},set=0'"));
	ATF_CHECK(contains("log", "\\\n    -uuid " UUID " \\\n"));
	/* a shell understands it */
	ATF_CHECK_EQ(0, run("sh -n log"));
	write_file("guest.xml", "<domain>\n  <oops/>\n</domain>\n", 0600);
	launcher_exec(-1, 0, args);
	ATF_CHECK_EQ(1, launcher_status());
	ATF_CHECK(contains("log", "qemud-launch: guest.xml:"));
	free(disk);
	free(xml);
}

ATF_TC(own_fails);
ATF_TC_HEAD(own_fails, tc)
{
	NEEDS_QEMU;
	atf_tc_set_md_var(tc, "descr", "Who starts a guest himself is told "
	    "why it does not start");
}
ATF_TC_BODY(own_fails, tc)
{
	char	*disk, *xml;

	ATF_CHECK_EQ(1, own_run("none.xml", NULL, NULL));
	ATF_CHECK(contains("log", "qemud-launch: none.xml: No such file"));
	write_file("bad.xml", "<domain type='qemu'>\n<name>\n", 0600);
	ATF_CHECK_EQ(1, own_run("bad.xml", NULL, NULL));
	ATF_CHECK(contains("log", "qemud-launch: bad.xml:"));
	disk = disk_xml(here("none.qcow2"), "");
	xml = domain_xml(QEMU, "pc", disk);
	write_file("guest.xml", xml, 0600);
	ATF_CHECK_EQ(1, own_run("guest.xml", NULL, NULL));
	ATF_CHECK(contains("log", "qemud-launch: launched: disk/vda/0: cannot "
	    "open /"));
	ATF_CHECK_EQ(1, own_run("-e", "/opt/*", "guest.xml"));
	ATF_CHECK(contains("log", "is not allowed"));
	ATF_CHECK_EQ(1, own_run("guest.xml", "extra", NULL));
	ATF_CHECK(contains("log", "usage:"));
	free(disk);
	free(xml);
	/* QEMU's own reason is on standard error too */
	xml = domain_xml(QEMU, "pc-i440fx-99.9", "");
	write_file("guest.xml", xml, 0600);
	ATF_CHECK_EQ(1, own_run("guest.xml", NULL, NULL));
	ATF_CHECK(contains("log", "unsupported machine type"));
	free(xml);
}

ATF_TC(own_guest);
ATF_TC_HEAD(own_guest, tc)
{
	NEEDS_QEMU;
	atf_tc_set_md_var(tc, "descr", "A guest of one's own runs with a "
	    "daemon and without");
}
ATF_TC_BODY(own_guest, tc)
{
	const char		*args[] = { "-s", "launch", "-l", "guest.log",
				    "guest.xml", NULL };
	struct own_ended	 ended;
	char			*disk, *devices, *xml;

	disk_make("disk.qcow2");
	disk = disk_xml(here("disk.qcow2"), "");
	ATF_REQUIRE(asprintf(&devices, "%s<graphics type='vnc' port='-1' "
	    "autoport='yes' passwd='hush'/>", disk) != -1);
	xml = domain_xml(QEMU, "pc", devices);
	write_file("guest.xml", xml, 0600);
	/* there is no daemon yet */
	launcher_exec(-1, 0, args);
	/* ... and now there is one: it finds a guest that runs */
	daemon_listen();
	daemon_takes_guest();
	ATF_CHECK_STREQ("launched", reg.name);
	ATF_CHECK(strstr(reg.xml, "<name>launched</name>") != NULL);
	ATF_CHECK(strstr(reg.xml, "hush") != NULL);
	qmp_say(qmp_open(), "{\"execute\":\"query-status\"}\n");
	qmp_expect(fds[0], "\"running\": true");
	ATF_CHECK_EQ(1, run("qemu-img info disk.qcow2 2>/dev/null"));
	/* it refuses it: that is no reason to end */
	daemon_hangup();
	fds_close();
	daemon_accept();
	daemon_registration();
	daemon_refuse("that name is in use");
	daemon_hangup();
	fds_close();
	daemon_takes_guest();
	/* Ctrl-C, and QEMU ends in order */
	ATF_REQUIRE(kill(launcher, SIGINT) == 0);
	ended = daemon_ended();
	ATF_CHECK_EQ(OWN_EXITED, ended.how);
	xdr_free((xdrproc_t)xdr_own_ended, &ended);
	ATF_CHECK_EQ(0, launcher_status());
	ATF_CHECK(contains("guest.log", "starting: "));
	ATF_CHECK(contains("guest.log", "that name is in use"));
	ATF_CHECK(!contains("guest.log", "hush"));
	ATF_CHECK(!contains("log", "starting: "));
	all_gone();
	close(listener);
	unlink(sockpath);

	/* the exit status says how it ended */
	daemon_listen();
	launcher_exec(-1, 0, args);
	daemon_takes_guest();
	ATF_REQUIRE(kill(qemu, SIGSEGV) == 0);
	ended = daemon_ended();
	ATF_CHECK_EQ(OWN_SIGNALLED, ended.how);
	ATF_CHECK_EQ(SIGSEGV, ended.code);
	xdr_free((xdrproc_t)xdr_own_ended, &ended);
	ATF_CHECK_EQ(128 + SIGSEGV, launcher_status());
	all_gone();

	/* ... also with nobody left to tell */
	launcher_exec(-1, 0, args);
	daemon_takes_guest();
	(void)qmp_open();
	close(listener);
	unlink(sockpath);
	daemon_hangup();
	ATF_REQUIRE(kill(launcher, SIGTERM) == 0);
	ATF_CHECK_EQ(0, launcher_status());
	all_gone();
	free(disk);
	free(devices);
	free(xml);
}

ATF_TC(own_paused);
ATF_TC_HEAD(own_paused, tc)
{
	NEEDS_QEMU;
	atf_tc_set_md_var(tc, "descr", "-w leaves it to the daemon to let the "
	    "guest run");
}
ATF_TC_BODY(own_paused, tc)
{
	const char	*args[] = { "-w", "-s", sockpath, "guest.xml", NULL };
	char		*xml = domain_xml(QEMU, "pc", "");

	write_file("guest.xml", xml, 0600);
	daemon_listen();
	launcher_exec(-1, 0, args);
	daemon_takes_guest();
	qmp_say(qmp_open(), "{\"execute\":\"query-status\"}\n");
	qmp_expect(fds[0], "prelaunch");
	guest_kill();
	free(xml);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, registers);
	ATF_TP_ADD_TC(tp, clean_process);
	ATF_TP_ADD_TC(tp, registers_again);
	ATF_TP_ADD_TC(tp, killed);
	ATF_TP_ADD_TC(tp, ends_while_alone);
	ATF_TP_ADD_TC(tp, not_wanted);
	ATF_TP_ADD_TC(tp, nobody_takes_it);
	ATF_TP_ADD_TC(tp, emulators);
	ATF_TP_ADD_TC(tp, bad_plans);
	ATF_TP_ADD_TC(tp, given_up);
	ATF_TP_ADD_TC(tp, status_file);
	ATF_TP_ADD_TC(tp, image_locks);
	ATF_TP_ADD_TC(tp, output);
	ATF_TP_ADD_TC(tp, other_user);
	ATF_TP_ADD_TC(tp, impostor);
	ATF_TP_ADD_TC(tp, screens);
	ATF_TP_ADD_TC(tp, prints);
	ATF_TP_ADD_TC(tp, own_fails);
	ATF_TP_ADD_TC(tp, own_guest);
	ATF_TP_ADD_TC(tp, own_paused);
	return (atf_no_error());
}
