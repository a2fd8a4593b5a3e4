/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * qemuctl, the program, with a daemon that is played by a child of the test:
 * it has three guests, writes down what it was asked for, and does not
 * remember anything else.
 */

#include <sys/types.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <atf-c.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "tests/client_peer.h"

#define ARGS_MAX	24
#define nitems(a)	(sizeof(a) / sizeof((a)[0]))

#define UUID1		"00112233-4455-6677-8899-aabbccddee01"

/* --- the daemon ----------------------------------------------------------- */

static struct {
	int	 readonly;	/* refuses what changes something */
	int	 stubborn;	/* a guest does not stop when asked to */
	int	 garbage;	/* answers what is no answer */
	int	 taken;		/* its console is in use */
	int	 old;		/* has no program of its own */
	int	 flood;		/* a console that does not stop to talk */
	int	 empty;		/* no guests */
} model;

static struct model_guest {
	const char	*name;
	int		 id;
	int		 state, reason;
	unsigned int	 memory;
	int		 autostart;
} guests[] = {
	{ "web1", 1, LV_RUNNING, LV_RUNNING_BOOTED, 524288, 1 },
	{ "a-guest-with-a-rather-long-name", -1, LV_SHUTOFF,
	    LV_SHUTOFF_SHUTDOWN, 1572864, 0 },
	{ "\303\244\033[31m", 12, LV_PAUSED, LV_PAUSED_IOERROR, 65536, 0 }
};

static const char	 xml1[] =
    "<domain type='kvm' id='1'>\n"
    "  <name>web1</name>\n"
    "  <uuid>" UUID1 "</uuid>\n"
    "  <title>first &amp; only</title>\n"
    "  <os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os>\n"
    "  <devices>\n"
    "    <emulator>/usr/bin/qemu-system-x86_64</emulator>\n"
    "    <disk type='file' device='disk'><driver name='qemu' type='qcow2'/>"
    "<source file='/srv/web1.qcow2'/><target dev='vda' bus='virtio'/>"
    "</disk>\n"
    "    <disk type='file' device='cdrom'><target dev='sda' bus='sata'/>"
    "<readonly/></disk>\n"
    "    <interface type='bridge'><mac address='52:54:00:00:00:01'/>"
    "<source bridge='br0'/><target dev='vnet0'/><model type='virtio'/>"
    "</interface>\n"
    "    <console type='pty' tty='/dev/pts/7'><alias name='serial0'/>"
    "</console>\n"
    "    <graphics type='vnc' port='5901' listen='127.0.0.1'/>\n"
    "  </devices>\n"
    "</domain>\n";

static pid_t	 daemon_pid;

static void
file_write(const char *path, const char *text)
{
	int	 fd;

	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	ATF_REQUIRE(fd != -1);
	ATF_REQUIRE_EQ(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static char *
file_read(const char *path)
{
	static char	 buf[4][65536];
	static int	 next;
	char		*p = buf[next++ % 4];
	ssize_t		 n = 0, m;
	int		 fd;

	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) != -1) {
		while ((m = read(fd, p + n, sizeof(buf[0]) - 1 - n)) > 0)
			n += m;
		close(fd);
	}
	p[n] = '\0';
	return (p);
}

static void	 note(const char *, ...)
		    __attribute__((format(printf, 1, 2)));

/* To the file "calls". */
static void
note(const char *fmt, ...)
{
	va_list	 ap;
	FILE	*f;

	ATF_REQUIRE((f = fopen("calls", "ae")) != NULL);
	va_start(ap, fmt);
	vfprintf(f, fmt, ap);
	va_end(ap);
	fputc('\n', f);
	fclose(f);
}

static rp_dom
dom(size_t i)
{
	rp_dom	 d;

	d.name = (char *)(uintptr_t)guests[i].name;
	ATF_REQUIRE_EQ(qemud_uuid_parse(UUID1, (unsigned char *)d.uuid), 0);
	d.uuid[15] = (char)(i + 1);
	d.id = guests[i].id;
	return (d);
}

static void
send_lifecycle(struct peer *p, size_t i, int event, int detail)
{
	rp_evcb_lifecycle	 ev = { 0, { dom(i), event, detail } };

	peer_event(p, EVENT_domain_event_callback_lifecycle,
	    (xdrproc_t)xdr_rp_evcb_lifecycle, &ev);
}

/* One of each kind; the subscriptions have the numbers 0 to 6. */
static void
send_events(struct peer *p)
{
	char			 path[] = "/srv/a\033b", alias[] = "vda";
	rp_evcb_dom		 reboot = { 1, dom(0) };
	rp_evcb_rtc		 rtc = { 2, { dom(0), -60 } };
	rp_evcb_dom_int		 dog = { 3, { dom(0), LV_WATCHDOG_RESET } };
	rp_evcb_io_error	 io = { 4, { dom(0), path, alias, 1 } };
	rp_evcb_pm		 pm = { 5, 0, dom(2) };

	send_lifecycle(p, 0, LV_EVENT_STARTED, LV_EVENT_STARTED_BOOTED);
	peer_event(p, EVENT_domain_event_callback_reboot,
	    (xdrproc_t)xdr_rp_evcb_dom, &reboot);
	peer_event(p, EVENT_domain_event_callback_rtc_change,
	    (xdrproc_t)xdr_rp_evcb_rtc, &rtc);
	peer_event(p, EVENT_domain_event_callback_watchdog,
	    (xdrproc_t)xdr_rp_evcb_dom_int, &dog);
	peer_event(p, EVENT_domain_event_callback_io_error,
	    (xdrproc_t)xdr_rp_evcb_io_error, &io);
	peer_event(p, EVENT_domain_event_callback_pmwakeup,
	    (xdrproc_t)xdr_rp_evcb_pm, &pm);
}

static void
answer_list(struct peer *p, const struct frame_header *h, unsigned int flags)
{
	rp_dom	 doms[nitems(guests)];
	rp_doms	 res = { { 0, doms }, 0 };
	size_t	 i;

	for (i = 0; i < nitems(guests) && !model.empty; i++)
		if (flags == 0 || guests[i].id != -1)
			doms[res.doms.doms_len++] = dom(i);
	res.count = res.doms.doms_len;
	peer_reply(p, h, (xdrproc_t)xdr_rp_doms, &res);
}

static void
answer_status(struct peer *p, const struct frame_header *h)
{
	static const struct {
		const char	*key;
		const char	*text;
		unsigned int	 number;
	} values[] = {
		{ "version", "0.1.0", 0 }, { "instance", "system", 0 },
		{ "uptime", NULL, 93784 }, { "guests.running", NULL, 2 },
		{ "guests.defined", NULL, 3 }, { "clients", NULL, 1 },
		{ "process.count", NULL, 2 },
		{ "process.0.name", "parent", 0 },
		{ "process.0.pid", NULL, 4123456 },
		{ "process.0.state", "running", 0 },
		{ "process.0.restarts", NULL, 0 },
		{ "process.1.name", "netd ro", 0 },
		{ "process.1.pid", NULL, 0 },
		{ "process.1.state", "down", 0 },
		{ "process.1.restarts", NULL, 17 },
		{ "warning.count", NULL, 1 },
		{ "warning.0", "the moon is full", 0 },
		{ "later.thing", NULL, 5 }
	};
	rp_param	 params[nitems(values)];
	own_status	 res = { { nitems(values), params } };
	size_t		 i;

	for (i = 0; i < nitems(values); i++) {
		params[i].key = (char *)(uintptr_t)values[i].key;
		params[i].value.type = values[i].text != NULL ?
		    LV_PARAM_STRING : LV_PARAM_ULLONG;
		if (values[i].text != NULL)
			params[i].value.rp_value_u.s =
			    (char *)(uintptr_t)values[i].text;
		else
			params[i].value.rp_value_u.ul = values[i].number;
	}
	peer_reply(p, h, (xdrproc_t)xdr_own_status, &res);
}

/* A guest by what a call has as its first argument. */
static struct model_guest *
guest_of(const rp_dom *d)
{
	size_t	 i = (unsigned char)d->uuid[15] - 1;

	ATF_REQUIRE(i < nitems(guests));
	ATF_CHECK_STREQ(d->name, guests[i].name);
	return (&guests[i]);
}

/* Calls that look; 0: it is none of these. */
static int
answer_looking(struct peer *p, const struct frame *f, const void *arg)
{
	const struct frame_header	*h = &f->hdr;
	const rp_dom			*d = arg;
	const rp_text			*name = arg;
	struct model_guest		*g;
	rp_dom_info			 info = { 0 };
	rp_dom_state			 state;
	rp_int				 n = { 0 };
	rp_text				 text;
	rp_dom				 found;
	size_t				 i;

	switch (h->procedure) {
	case PROC_connect_list_all_domains:
		answer_list(p, h, ((const rp_list_args *)arg)->flags);
		return (1);
	case PROC_domain_lookup_by_name:
		for (i = 0; i < nitems(guests); i++)
			if (strcmp(guests[i].name, name->text) == 0) {
				found = dom(i);
				peer_reply(p, h, (xdrproc_t)xdr_rp_dom,
				    &found);
				return (1);
			}
		peer_fail(p, h, RPCE_NO_DOMAIN, "no such name");
		return (1);
	case PROC_domain_lookup_by_id:
	case PROC_domain_lookup_by_uuid:
		found = dom(0);
		peer_reply(p, h, (xdrproc_t)xdr_rp_dom, &found);
		return (1);
	case PROC_domain_get_info:
		g = guest_of(d);
		info.state = g->state;
		info.max_memory = 2 * g->memory;
		info.memory = g->memory;
		info.vcpus = 2;
		info.cpu_time = 12345678901;
		peer_reply(p, h, (xdrproc_t)xdr_rp_dom_info, &info);
		return (1);
	case PROC_domain_get_state:
		g = guest_of(&((const rp_dom_flags *)arg)->dom);
		state.state = g->state;
		state.reason = g->reason;
		peer_reply(p, h, (xdrproc_t)xdr_rp_dom_state, &state);
		return (1);
	case PROC_domain_get_autostart:
		n.value = guest_of(d)->autostart;
		peer_reply(p, h, (xdrproc_t)xdr_rp_int, &n);
		return (1);
	case PROC_domain_is_persistent:
		n.value = guest_of(d)->id != 12;
		peer_reply(p, h, (xdrproc_t)xdr_rp_int, &n);
		return (1);
	case PROC_domain_get_xml_desc:
		note("xml %u", ((const rp_dom_flags *)arg)->flags);
		text.text = file_read("xml");
		peer_reply(p, h, (xdrproc_t)xdr_rp_text, &text);
		return (1);
	}
	return (0);
}

static int
answer_host(struct peer *p, const struct frame_header *h)
{
	rp_node_info	 node = { "x86_64", 8388608, 8, 2400, 1, 2, 2, 2 };
	rp_ulong	 n = { 7002022 };
	char		 host[] = "host.example";
	rp_text		 text = { host };

	switch (h->procedure) {
	case PROC_connect_get_hostname:
		peer_reply(p, h, (xdrproc_t)xdr_rp_text, &text);
		return (1);
	case PROC_node_get_info:
		peer_reply(p, h, (xdrproc_t)xdr_rp_node_info, &node);
		return (1);
	case PROC_node_get_free_memory:
		n.value = 1ULL << 31;
		peer_reply(p, h, (xdrproc_t)xdr_rp_ulong, &n);
		return (1);
	case PROC_connect_get_lib_version:
	case PROC_connect_get_version:
		if (h->procedure == PROC_connect_get_lib_version)
			n.value = LV_API_VERSION;
		peer_reply(p, h, (xdrproc_t)xdr_rp_ulong, &n);
		return (1);
	}
	return (0);
}

/* Of the programs that are not libvirt's first. */
static void
answer_other(struct peer *p, const struct frame *f, const void *arg)
{
	const rp_dom_text_flags	*m = arg;
	char			 lines[] = "one\ntwo\033\nthree\n";
	own_log			 log = { { sizeof(lines) - 1, lines } };
	char			 answer[256];
	rp_text			 text = { answer };

	if (model.old && f->hdr.prog == OWN_PROGRAM) {
		peer_fail(p, &f->hdr, RPCE_RPC, "Cannot find program");
	} else if (f->hdr.prog == OWN_PROGRAM) {
		if (f->hdr.procedure == PROC_daemon_status)
			answer_status(p, &f->hdr);
		else
			peer_reply(p, &f->hdr, (xdrproc_t)xdr_own_log, &log);
	} else if (strcmp(m->text, "bad") == 0) {
		peer_fail(p, &f->hdr, RPCE_OPERATION_FAILED, "bad command");
	} else {
		snprintf(answer, sizeof(answer), "<%s> %u\r\n", m->text,
		    m->flags);
		peer_reply(p, &f->hdr, (xdrproc_t)xdr_rp_text, &text);
	}
}

static void
answer_console(struct peer *p, const struct frame *f, const void *arg)
{
	const rp_dom_opttext_flags	*a = arg;
	static char			 lots[65536];
	rp_none				 none;
	int				 i;

	note("console %s %u", a->text != NULL ? *a->text : "-", a->flags);
	if (model.taken && !(a->flags & LV_CONSOLE_FORCE)) {
		peer_fail(p, &f->hdr, RPCE_OPERATION_FAILED,
		    "Active console session exists for this domain");
		return;
	}
	peer_reply(p, &f->hdr, (xdrproc_t)xdr_rp_none, &none);
	memset(lots, '.', sizeof(lots));
	for (i = 0; model.flood && i < 64; i++)
		peer_stream(p, &f->hdr, FRAME_CONTINUE, lots, sizeof(lots));
	peer_stream(p, &f->hdr, FRAME_CONTINUE, "login: ", 7);
}

/* Echoes; some letters end it in one way or another. */
static void
answer_stream(struct peer *p, const struct frame *f)
{
	if (f->hdr.status == FRAME_ERROR) {
		note("abort");
		peer_stream(p, &f->hdr, FRAME_OK, "", 0);
		return;
	}
	if (f->hdr.status == FRAME_OK) {
		note("finish");
		peer_stream(p, &f->hdr, FRAME_OK, "", 0);
		return;
	}
	note("typed %.*s", (int)f->len, f->body);
	peer_stream(p, &f->hdr, FRAME_CONTINUE, f->body, f->len);
	if (memchr(f->body, 'Q', f->len) != NULL)
		peer_stream(p, &f->hdr, FRAME_CONTINUE, "", 0);
	if (memchr(f->body, 'E', f->len) != NULL)
		peer_fail(p, &f->hdr, RPCE_OPERATION_ABORTED,
		    "another client has taken the console");
}

/* What changes something. */
static void
answer_changing(struct peer *p, const struct frame *f,
    const struct rpc_proc *proc, const void *arg)
{
	const rp_text_flags	*x = arg;
	unsigned int		 flags = 0;
	rp_dom			 res = dom(0);
	rp_int			 zero = { 0 };
	size_t			 i = 0;

	if (proc->arg == (xdrproc_t)xdr_rp_dom_flags)
		flags = ((const rp_dom_flags *)arg)->flags;
	else if (proc->arg == (xdrproc_t)xdr_rp_dom_int)
		flags = ((const rp_dom_int *)arg)->value;
	else if (proc->arg == (xdrproc_t)xdr_rp_text_flags)
		flags = x->flags;
	if (proc->arg != (xdrproc_t)xdr_rp_text_flags) {
		guest_of(arg);
		i = (unsigned char)((const rp_dom *)arg)->uuid[15] - 1;
	}
	note("%s %zu %u", proc->name, i + 1, flags);
	if (f->hdr.procedure == PROC_domain_create_with_flags &&
	    guests[i].id != -1) {
		peer_fail(p, &f->hdr, RPCE_OPERATION_INVALID,
		    "domain is already running");
		return;
	}
	if (proc->arg == (xdrproc_t)xdr_rp_text_flags) {
		if (strstr(x->text, "<bad") != NULL) {
			peer_fail(p, &f->hdr, RPCE_XML_ERROR,
			    "line 1: no <bad>\nwrite <good>\n");
			return;
		}
		file_write("defined", x->text);
	}
	if (proc->res == (xdrproc_t)xdr_rp_dom)
		peer_reply(p, &f->hdr, proc->res, &res);
	else
		peer_reply(p, &f->hdr, proc->res, &zero);
	if (f->hdr.procedure == PROC_domain_shutdown && !model.stubborn)
		send_lifecycle(p, i, LV_EVENT_STOPPED, 1);
}

static void
answer(struct peer *p, struct frame *f)
{
	static int		 subscriptions;
	alignas(16) char	 arg[512];
	const struct rpc_proc	*proc;
	rp_none			 none;
	rp_int			 n;

	if (f->hdr.type == FRAME_STREAM) {
		answer_stream(p, f);
		return;
	}
	proc = rpc_proc_find(f->hdr.prog, f->hdr.procedure);
	ATF_REQUIRE(proc != NULL);
	ATF_REQUIRE_EQ(rpc_decode(proc->arg, f->body, f->len, arg,
	    proc->argsize), 0);
	if (model.garbage && f->hdr.procedure != PROC_connect_open) {
		peer_bytes(p, "HTTP/1.0 400 Bad request\r\n\r\n", 28);
	} else if (model.readonly && proc->access == ACCESS_WRITE) {
		peer_fail(p, &f->hdr, RPCE_OPERATION_DENIED, "read only");
	} else if (f->hdr.prog != RP_PROGRAM) {
		answer_other(p, f, arg);
	} else if (f->hdr.procedure == PROC_connect_open) {
		subscriptions = 0;
		note("open %u", ((rp_opttext_flags *)arg)->flags);
		peer_reply(p, &f->hdr, (xdrproc_t)xdr_rp_none, &none);
	} else if (f->hdr.procedure ==
	    PROC_connect_domain_event_callback_register_any) {
		n.value = subscriptions++;
		peer_reply(p, &f->hdr, (xdrproc_t)xdr_rp_int, &n);
		if (subscriptions == 7) {
			send_events(p);
			/* all was said; the client reads it first */
			shutdown(p->fd, SHUT_RDWR);
		}
	} else if (f->hdr.procedure == PROC_domain_open_console) {
		answer_console(p, f, arg);
	} else if (!answer_looking(p, f, arg) && !answer_host(p, &f->hdr))
		answer_changing(p, f, proc, arg);
	rpc_free(proc->arg, arg);
}

static void
daemon_run(int listener)
{
	struct peer	 p;
	struct frame	 f;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		peer_accept(&p, listener);
		while (peer_take(&p, NULL, &f))
			answer(&p, &f);
		peer_close(&p);
	}
}

/* Starts it, and makes qemuctl find it. */
static void
begin(void)
{
	char	 cwd[200], uri[300];
	int	 listener;

	ATF_REQUIRE(getcwd(cwd, sizeof(cwd)) != NULL);
	snprintf(uri, sizeof(uri), "qemud+unix:///system?socket=%s/sock", cwd);
	setenv("QEMUD_URI", uri, 1);
	setenv("LC_ALL", "C.UTF-8", 1);
	setenv("TZ", "UTC", 1);
	setenv("TMPDIR", cwd, 1);
	unsetenv("COLUMNS");
	unsetenv("VISUAL");
	unsetenv("EDITOR");
	file_write("xml", xml1);
	file_write("calls", "");
	listener = peer_listen("sock");
	ATF_REQUIRE((daemon_pid = fork()) != -1);
	if (daemon_pid == 0)
		daemon_run(listener);
	close(listener);
}

static void
end(void)
{
	kill(daemon_pid, SIGKILL);
	waitpid(daemon_pid, NULL, 0);
	unlink("sock");
}

/* --- the client ----------------------------------------------------------- */

/* Executes qemuctl with words that end with NULL. */
static void
client_exec(va_list ap)
{
	const char	*dir = getenv("BUILDDIR"), *arg;
	char		*argv[ARGS_MAX] = { strdup("qemuctl") }, path[4096];
	int		 n = 1;

	snprintf(path, sizeof(path), "%s/bin/qemuctl", dir);
	while ((arg = va_arg(ap, const char *)) != NULL && n < ARGS_MAX - 1)
		argv[n++] = strdup(arg);
	execv(path, argv);
	_exit(99);
}

static int
client_end(pid_t pid)
{
	int	 status;

	ATF_REQUIRE_EQ(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		return (-WTERMSIG(status));
	return (WEXITSTATUS(status));
}

/* Runs it with standard input from a file, into the files out and err. */
static void
run(int expect, ...)
{
	va_list	 ap;
	pid_t	 pid;
	int	 status;

	ATF_REQUIRE((pid = fork()) != -1);
	if (pid == 0) {
		if (freopen(access("in", R_OK) == 0 ? "in" : "/dev/null", "r",
		    stdin) == NULL || freopen("out", "w", stdout) == NULL ||
		    freopen("err", "w", stderr) == NULL)
			_exit(98);
		va_start(ap, expect);
		client_exec(ap);
	}
	status = client_end(pid);
	ATF_CHECK_EQ_MSG(status, expect, "exit %d instead of %d: %s", status,
	    expect, file_read("err"));
}

static void
check_out(const char *text)
{
	const char	*out = file_read("out");

	ATF_CHECK_STREQ(out, text);
}

static void
check_err(const char *text)
{
	const char	*err = file_read("err");

	ATF_CHECK_STREQ(err, text);
}

static void
check_calls(const char *text)
{
	const char	*calls = file_read("calls");

	ATF_CHECK_STREQ(calls, text);
	file_write("calls", "");
}

static json_t *
out_json(void)
{
	json_error_t	 e;
	json_t		*j;

	j = json_loads(file_read("out"), 0, &e);
	ATF_REQUIRE_MSG(j != NULL, "%s in \"%s\"", e.text, file_read("out"));
	return (j);
}

/* Starts it on a terminal so wide: the other side of it. */
static int
terminal(int width, pid_t *pid, ...)
{
	struct winsize	 ws = { .ws_row = 24, .ws_col = width };
	va_list		 ap;
	int		 fd;

	ATF_REQUIRE((*pid = forkpty(&fd, NULL, NULL, &ws)) != -1);
	if (*pid == 0) {
		va_start(ap, pid);
		client_exec(ap);
	}
	return (fd);
}

/* What the terminal shows until that text, or to the end (NULL). */
static const char *
shown(int fd, const char *until)
{
	static char	 buf[65536];
	struct pollfd	 pfd = { fd, POLLIN, 0 };
	size_t		 n = 0;
	ssize_t		 got;

	do {
		ATF_REQUIRE_MSG(poll(&pfd, 1, WAIT_MS) == 1, "no %s in \"%s\"",
		    until, buf);
		got = read(fd, buf + n, sizeof(buf) - 1 - n);
		if (got <= 0) {
			ATF_REQUIRE_MSG(until == NULL, "no %s in \"%s\"",
			    until, buf);
			break;
		}
		n += got;
		buf[n] = '\0';
	} while (until == NULL || strstr(buf, until) == NULL);
	buf[n] = '\0';
	return (buf);
}

static void
check_shown(int fd, const char *text)
{
	const char	*s = shown(fd, NULL);

	ATF_CHECK_STREQ(s, text);
}

/* --- lists ---------------------------------------------------------------- */

ATF_TC(list);
ATF_TC_HEAD(list, tc)
{
	atf_tc_set_md_var(tc, "descr", "Lists, as they are when nothing limits "
	    "their width");
}
ATF_TC_BODY(list, tc)
{
	begin();
	run(0, "list", NULL);
	check_out(
	    "ID  NAME       STATE    VCPUS  MEMORY  AUTOSTART\n"
	    " 1  web1       running      2    512M  yes\n"
	    "12  \303\244\\033[31m  paused       2     64M  no\n");
	check_err("");
	run(0, "list", "-a", NULL);
	check_out("ID  NAME                             STATE     VCPUS  "
	    "MEMORY  AUTOSTART\n"
	    " 1  web1                             running       2    512M  "
	    "yes\n"
	    " -  a-guest-with-a-rather-long-name  shut off      2    1.5G  "
	    "no\n"
	    "12  \303\244\\033[31m                        paused        2     "
	    "64M  no\n");
	setenv("COLUMNS", "20", 1);		/* not for a file */
	run(0, "list", NULL);
	ATF_CHECK(strstr(file_read("out"), "AUTOSTART") != NULL);
	run(0, "list", "-na", NULL);
	check_out("web1\na-guest-with-a-rather-long-name\n"
	    "\303\244\\033[31m\n");
	setenv("LC_ALL", "C", 1);
	run(0, "list", "-n", NULL);
	check_out("web1\n\\303\\244\\033[31m\n");
	end();
	model.empty = 1;
	begin();
	run(0, "list", "-a", NULL);
	check_out("ID  NAME  STATE  VCPUS  MEMORY  AUTOSTART\n");
	run(0, "list", "-n", NULL);
	check_out("");
	run(0, "-j", "list", NULL);
	check_out("[]\n");
	end();
}

ATF_TC(list_json);
ATF_TC_HEAD(list_json, tc)
{
	atf_tc_set_md_var(tc, "descr", "Lists as JSON");
}
ATF_TC_BODY(list_json, tc)
{
	const char	*name, *uuid, *state;
	json_int_t	 vcpus, memory, max, cpu, id;
	json_t		*j;
	int		 autostart;

	begin();
	run(0, "list", "-aj", NULL);
	j = out_json();
	ATF_CHECK_EQ(json_array_size(j), 3);
	ATF_CHECK_EQ(json_unpack(json_array_get(j, 0),
	    "{s:s, s:s, s:I, s:s, s:I, s:I, s:I, s:I, s:b !}", "name", &name,
	    "uuid", &uuid, "id", &id, "state", &state, "vcpus", &vcpus,
	    "memory_kib", &memory, "max_memory_kib", &max, "cpu_time_ns",
	    &cpu, "autostart", &autostart), 0);
	ATF_CHECK_STREQ(name, "web1");
	ATF_CHECK_STREQ(uuid, UUID1);
	ATF_CHECK_EQ(id, 1);
	ATF_CHECK_STREQ(state, "running");
	ATF_CHECK_EQ(memory, 524288);
	ATF_CHECK_EQ(max, 1048576);
	ATF_CHECK_EQ(cpu, 12345678901);
	ATF_CHECK_EQ(autostart, 1);
	ATF_CHECK(json_is_null(json_object_get(json_array_get(j, 1), "id")));
	ATF_CHECK_STREQ(json_string_value(json_object_get(json_array_get(j,
	    2), "name")), guests[2].name);
	json_decref(j);
	run(0, "-j", "list", "-n", NULL);
	j = out_json();
	ATF_CHECK_EQ(json_array_size(j), 2);
	ATF_CHECK_STREQ(json_string_value(json_array_get(j, 0)), "web1");
	json_decref(j);
	end();
}

ATF_TC(widths);
ATF_TC_HEAD(widths, tc)
{
	atf_tc_set_md_var(tc, "descr", "Tables fit the terminal");
}
ATF_TC_BODY(widths, tc)
{
	pid_t	 pid;
	int	 fd;

	begin();
	fd = terminal(80, &pid, "list", "-a", NULL);
	check_shown(fd,
	    "ID  NAME                             STATE     VCPUS  MEMORY  "
	    "AUTOSTART\r\n"
	    " 1  web1                             running       2    512M  "
	    "yes\r\n"
	    " -  a-guest-with-a-rather-long-name  shut off      2    1.5G  "
	    "no\r\n"
	    "12  \303\244\\033[31m                        paused        2     "
	    "64M  no\r\n");
	ATF_CHECK_EQ(client_end(pid), 0);
	close(fd);
	fd = terminal(60, &pid, "list", "-a", NULL);
	check_shown(fd,
	    "ID  NAME                  STATE     VCPUS  MEMORY  AUTOSTART\r\n"
	    " 1  web1                  running       2    512M  yes\r\n"
	    " -  a-guest-with-a-rath\342\200\246  shut off      2    1.5G  "
	    "no\r\n"
	    "12  \303\244\\033[31m             paused        2     64M  "
	    "no\r\n");
	ATF_CHECK_EQ(client_end(pid), 0);
	close(fd);
	/* every column gives way, the widest first */
	fd = terminal(40, &pid, "list", "-a", NULL);
	check_shown(fd,
	    "ID  NAME   STATE   VCPUS  MEMORY  AUTOS\342\200\246\r\n"
	    " 1  web1   runni\342\200\246      2    512M  yes\r\n"
	    " -  a-gu\342\200\246  shut \342\200\246      2    1.5G  no\r\n"
	    "12  \303\244\\03\342\200\246  paused      2     64M  no\r\n");
	ATF_CHECK_EQ(client_end(pid), 0);
	close(fd);
	/* as narrow as it gets; and the variable wins */
	setenv("COLUMNS", "1", 1);
	setenv("LC_ALL", "C", 1);
	fd = terminal(80, &pid, "list", "-a", NULL);
	ATF_CHECK(strncmp(shown(fd, NULL),
	    "ID  NAME  STA~  VCP~  MEM~  AUT~\r\n", 34) == 0);
	ATF_CHECK_EQ(client_end(pid), 0);
	close(fd);
	/* but a number is never cut */
	fd = terminal(80, &pid, "status", NULL);
	ATF_CHECK(strstr(shown(fd, NULL),
	    "\r\nPRO~      PID  STA~  RES~\r\n"
	    "par~  4123456  run~     0\r\n") != NULL);
	ATF_CHECK_EQ(client_end(pid), 0);
	close(fd);
	end();
}

/* --- one guest, the daemon, the host -------------------------------------- */

ATF_TC(show);
ATF_TC_HEAD(show, tc)
{
	atf_tc_set_md_var(tc, "descr", "All about a guest, for people and in "
	    "JSON");
}
ATF_TC_BODY(show, tc)
{
	const char	*s[12];
	json_int_t	 memory;
	json_t		*j;
	int		 persistent, readonly;

	begin();
	run(0, "show", "web1", NULL);
	check_out(
	    "name            web1\n"
	    "title           first & only\n"
	    "uuid            " UUID1 "\n"
	    "id              1\n"
	    "state           running (booted)\n"
	    "vcpus           2\n"
	    "memory          512M of 1G\n"
	    "cpu time        12.3 s\n"
	    "definition      kept\n"
	    "autostart       yes\n"
	    "machine         pc-q35-7.2, x86_64 (kvm)\n"
	    "emulator        /usr/bin/qemu-system-x86_64\n"
	    "disk vda        /srv/web1.qcow2 (virtio, qcow2)\n"
	    "cdrom sda       empty (sata, read-only)\n"
	    "interface vnet0  52:54:00:00:00:01, bridge br0 (virtio)\n"
	    "console         /dev/pts/7\n"
	    "vnc             127.0.0.1:5901\n");
	check_calls("open 0\nxml 0\n");
	run(0, "show", "web1", "-j", NULL);
	j = out_json();
	ATF_CHECK_EQ(json_unpack(j, "{s:s, s:s, s:s, s:s, s:s, s:I, s:b,"
	    " s:[{s:s, s:s}, {s:b}], s:[{s:s}], s:[{s:s}], s:[{s:s}]}",
	    "name", &s[0], "title", &s[1], "state", &s[2], "reason", &s[3],
	    "machine", &s[4], "memory_kib", &memory, "persistent",
	    &persistent, "disks", "source", &s[5], "format", &s[6],
	    "readonly", &readonly, "interfaces", "mac", &s[7], "consoles",
	    "tty", &s[8], "graphics", "port", &s[9]), 0);
	ATF_CHECK_STREQ(s[1], "first & only");
	ATF_CHECK_STREQ(s[5], "/srv/web1.qcow2");
	ATF_CHECK_STREQ(s[8], "/dev/pts/7");
	ATF_CHECK_EQ(readonly, 1);
	json_decref(j);
	file_write("calls", "");

	run(0, "show", "-x", "web1", NULL);
	check_out(xml1);
	run(0, "show", "--xml", "web1", "--inactive", NULL);
	check_out(xml1);
	check_calls("open 0\nxml 0\nopen 0\nxml 2\n");
	run(0, "-j", "show", "-x", UUID1, NULL);
	j = out_json();
	ATF_CHECK_STREQ(json_string_value(json_object_get(j, "xml")), xml1);
	json_decref(j);

	/* less, and what is not XML at all */
	file_write("xml", "<domain><name>web1</name>"
	    "<devices><graphics type='vnc' port='-1'/>"
	    "<disk><source file='/a\tb'/></disk></devices></domain>");
	run(0, "show", "web1", NULL);
	ATF_CHECK(strstr(file_read("out"), "\nvnc             no port yet\n")
	    != NULL);
	ATF_CHECK(strstr(file_read("out"), "\nmachine         ?, ? (?)\n") !=
	    NULL);
	file_write("xml", "<!DOCTYPE domain [<!ENTITY a 'b'>]><domain/>");
	run(1, "show", "web1", NULL);
	check_err("qemuctl: web1: its XML is not well-formed\n");
	file_write("xml", "");
	run(1, "show", "web1", NULL);
	end();
}

ATF_TC(show_terminal);
ATF_TC_HEAD(show_terminal, tc)
{
	atf_tc_set_md_var(tc, "descr", "What the daemon sends cannot steer a "
	    "terminal");
}
ATF_TC_BODY(show_terminal, tc)
{
	const char	*s;
	pid_t		 pid;
	int		 fd;

	begin();
	file_write("xml", "<domain>\n\t<!-- \033[2J --></domain>\n");
	fd = terminal(80, &pid, "show", "-x", "web1", NULL);
	check_shown(fd, "<domain>\r\n\t"
	    "<!-- \\033[2J --></domain>\r\n");
	ATF_CHECK_EQ(client_end(pid), 0);
	close(fd);
	fd = terminal(80, &pid, "log", "web1", NULL);
	s = shown(fd, NULL);
	ATF_CHECK(strstr(s, "two\\033\r\n") != NULL);
	ATF_CHECK_EQ(client_end(pid), 0);
	close(fd);
	run(0, "show", "-x", "web1", NULL);
	check_out("<domain>\n\t<!-- \033[2J --></domain>\n");
	end();
}

ATF_TC(status);
ATF_TC_HEAD(status, tc)
{
	atf_tc_set_md_var(tc, "descr", "The daemon, the host, versions");
}
ATF_TC_BODY(status, tc)
{
	const char	*s[3];
	json_int_t	 n[4];
	json_t		*j;

	begin();
	run(0, "status", NULL);
	check_out("qemud 0.1.0, system instance, up 1 day 02:03:04\n"
	    "2 of 3 guests running, 1 client\n"
	    "warning: the moon is full\n"
	    "\n"
	    "PROCESS      PID  STATE    RESTARTS\n"
	    "parent   4123456  running         0\n"
	    "netd ro        0  down           17\n");
	run(0, "-j", "status", NULL);
	j = out_json();
	ATF_CHECK_EQ(json_unpack(j, "{s:s, s:s, s:I, s:{s:I, s:I !}, s:I, "
	    "s:[{s:s, s:I, s:s, s:I !}, {s:I}], s:[s], s:{s:I} !}",
	    "version", &s[0], "instance", &s[1], "uptime", &n[0],
	    "guests", "running", &n[1], "defined", &n[1], "clients", &n[1],
	    "processes", "name", &s[1], "pid", &n[1], "state", &s[1],
	    "restarts", &n[1], "restarts", &n[2],
	    "warnings", &s[2], "later", "thing", &n[3]), 0);
	ATF_CHECK_EQ(n[0], 93784);
	ATF_CHECK_EQ(n[2], 17);
	ATF_CHECK_EQ(n[3], 5);
	ATF_CHECK_STREQ(s[2], "the moon is full");
	json_decref(j);

	run(0, "host", NULL);
	check_out("name        host.example\n"
	    "processor   x86_64\n"
	    "cpus        8\n"
	    "mhz         2400\n"
	    "nodes       1\n"
	    "sockets     2\n"
	    "cores       2\n"
	    "threads     2\n"
	    "memory      8G\n"
	    "free        2G\n");
	run(0, "version", NULL);
	ATF_CHECK(strncmp(file_read("out"), "qemuctl     ", 12) == 0);
	ATF_CHECK(strstr(file_read("out"), "\nqemud       0.1.0\n"
	    "QEMU        7.2.22\nAPI         9.0.0\n") != NULL);
	end();
	/* another daemon of this protocol has no status */
	model.old = 1;
	begin();
	run(0, "version", NULL);
	ATF_CHECK(strstr(file_read("out"), "qemud") == NULL);
	ATF_CHECK(strstr(file_read("out"), "QEMU        7.2.22") != NULL);
	run(1, "status", NULL);
	check_err("qemuctl: cannot get the status: the daemon does not have "
	    "this function (daemon_status)\n");
	end();
	run(4, "version", NULL);
	ATF_CHECK(strncmp(file_read("out"), "qemuctl     ", 12) == 0);
}

/* --- changing guests ------------------------------------------------------ */

ATF_TC(verbs);
ATF_TC_HEAD(verbs, tc)
{
	atf_tc_set_md_var(tc, "descr", "What is asked of guests, silently");
}
ATF_TC_BODY(verbs, tc)
{
	static const struct {
		const char	*words[4];
		const char	*calls;
	} t[] = {
		{ { "kill", "web1" }, "domain_destroy_flags 1 0\n" },
		{ { "kill", "-g", "web1" }, "domain_destroy_flags 1 1\n" },
		{ { "stop", "web1" }, "domain_shutdown 1 0\n" },
		{ { "pause", "web1" }, "domain_suspend 1 0\n" },
		{ { "resume", "web1" }, "domain_resume 1 0\n" },
		{ { "reboot", "web1" }, "domain_reboot 1 0\n" },
		{ { "reset", "web1" }, "domain_reset 1 0\n" },
		{ { "reset", "1" }, "domain_reset 1 0\n" },
		{ { "undefine", "web1" }, "domain_undefine 1 0\n" },
		{ { "start", "a-guest-with-a-rather-long-name" },
		    "domain_create_with_flags 2 0\n" },
		{ { "start", "-p", "a-guest-with-a-rather-long-name" },
		    "domain_create_with_flags 2 1\n" },
		{ { "autostart", "web1", "on" }, "domain_set_autostart 1 1\n" },
		{ { "autostart", "web1", "off" },
		    "domain_set_autostart 1 0\n" },
		{ { "rename", "web1", "web2" }, "domain_rename 1 0\n" },
		{ { "define", "xml" }, "domain_define_xml_flags 1 0\n" },
		{ { "create", "xml" }, "domain_create_xml 1 0\n" },
		{ { "create", "-p", "xml" }, "domain_create_xml 1 1\n" },
		{ { "pause", "web1", "a-guest-with-a-rather-long-name" },
		    "domain_suspend 1 0\ndomain_suspend 2 0\n" }
	};
	char		 calls[256];
	size_t		 i;

	begin();
	for (i = 0; i < nitems(t); i++) {
		run(0, t[i].words[0], t[i].words[1], t[i].words[2],
		    t[i].words[3], NULL);
		snprintf(calls, sizeof(calls), "open 0\n%s", t[i].calls);
		check_calls(calls);
		check_out("");
		check_err("");
	}
	run(0, "-v", "pause", "web1", NULL);
	check_out("web1: paused\n");
	run(0, "-j", "pause", "web1", "web1", NULL);
	check_out("{\"name\":\"web1\",\"uuid\":\"" UUID1 "\",\"id\":1}\n"
	    "{\"name\":\"web1\",\"uuid\":\"" UUID1 "\",\"id\":1}\n");
	/* one fails, the next is done */
	file_write("calls", "");
	run(3, "pause", "nix", "web1", NULL);
	check_err("qemuctl: nix: Domain not found: no such name\n");
	check_calls("open 0\ndomain_suspend 1 0\n");
	end();
}

ATF_TC(files);
ATF_TC_HEAD(files, tc)
{
	atf_tc_set_md_var(tc, "descr", "Descriptions from files and standard "
	    "input, and what is wrong with them");
}
ATF_TC_BODY(files, tc)
{
	char	*huge;
	FILE	*f;

	begin();
	file_write("in", "<domain>in</domain>");
	run(0, "define", "-", NULL);
	ATF_CHECK_STREQ(file_read("defined"), "<domain>in</domain>");
	run(1, "define", "none", NULL);
	check_err("qemuctl: none: No such file or directory\n");
	run(1, "define", ".", NULL);
	check_err("qemuctl: .: Is a directory\n");
	file_write("bad.xml", "<bad/>");
	run(1, "define", "bad.xml", NULL);
	check_err("qemuctl: bad.xml: cannot define this: XML error: line 1: "
	    "no <bad>\n  write <good>\n");
	run(1, "-v", "create", "bad.xml", NULL);
	ATF_CHECK(strstr(file_read("err"), "(error 27 of part 10)") != NULL);

	ATF_REQUIRE((f = fopen("nul.xml", "we")) != NULL);
	fwrite("<a>\0</a>", 1, 8, f);
	fclose(f);
	run(1, "define", "nul.xml", NULL);
	check_err("qemuctl: nul.xml: this is no text\n");
	ATF_REQUIRE((huge = malloc(9 << 20)) != NULL);
	memset(huge, ' ', (9 << 20) - 1);
	huge[(9 << 20) - 1] = '\0';
	file_write("huge.xml", huge);
	free(huge);
	run(1, "define", "huge.xml", NULL);
	check_err("qemuctl: huge.xml: this is too long for a domain\n");
	end();
}

ATF_TC(stop);
ATF_TC_HEAD(stop, tc)
{
	atf_tc_set_md_var(tc, "descr", "Waiting for guests to end, at most so "
	    "long");
}
ATF_TC_BODY(stop, tc)
{
	begin();
	run(0, "-v", "stop", "-w", "web1", guests[1].name, NULL);
	check_out("web1: stopped\na-guest-with-a-rather-long-name: stopped\n");
	run(0, "stop", "-t", "60", "web1", NULL);
	check_out("");
	run(0, "-v", "stop", "web1", NULL);
	check_out("web1: asked to stop\n");
	run(3, "-j", "stop", "-w", "nix", "web1", NULL);
	check_out("{\"name\":\"web1\",\"uuid\":\"" UUID1 "\",\"id\":1}\n");
	end();
	model.stubborn = 1;
	begin();
	run(7, "stop", "-t", "0", "web1", guests[1].name, NULL);
	check_err("qemuctl: web1: has not stopped in 0 s\n"
	    "qemuctl: a-guest-with-a-rather-long-name: has not stopped in "
	    "0 s\n");
	run(2, "stop", "-t", "x", "web1", NULL);
	run(2, "stop", "-t", "-1", "web1", NULL);
	end();
}

ATF_TC(exits);
ATF_TC_HEAD(exits, tc)
{
	atf_tc_set_md_var(tc, "descr", "What it exits with, and says");
}
ATF_TC_BODY(exits, tc)
{
	static const char *const	 wrong[][4] = {
		{ NULL }, { "nix" }, { "-x" }, { "-c" }, { "s" },
		{ "list", "x" }, { "list", "-x" }, { "list", "--xml" },
		{ "show" }, { "show", "a", "b" }, { "start" },
		{ "stop", "-t" }, { "define" }, { "rename", "a" },
		{ "autostart", "web1" }, { "autostart", "web1", "yes" },
		{ "monitor" }, { "status", "x" }, { "-j", "console", "web1" },
		{ "-j", "edit", "web1" }, { "help", "nix" },
		{ "log", "-n", "x", "web1" }, { "watch", "a", "b" }
	};
	size_t				 i;

	begin();
	for (i = 0; i < nitems(wrong); i++) {
		run(2, wrong[i][0], wrong[i][1], wrong[i][2], wrong[i][3],
		    NULL);
		ATF_CHECK_MSG(*file_read("err") != '\0', "row %zu", i);
		check_out("");
	}
	run(2, "list", "foo", NULL);
	check_err("qemuctl: list: foo is one word too many\n"
	    "usage: qemuctl [-jrv] [-c uri] list [-an]\n");
	run(2, "autostart", "web1", "maybe", NULL);
	check_err("qemuctl: autostart: maybe is neither on nor off\n"
	    "usage: qemuctl [-jrv] [-c uri] autostart NAME on|off\n");
	run(2, "rename", "web1", NULL);
	check_err("qemuctl: rename: an argument is missing behind web1\n"
	    "usage: qemuctl [-jrv] [-c uri] rename NAME NEW\n");
	run(2, "start", NULL);
	check_err("qemuctl: start: an argument is missing\n"
	    "usage: qemuctl [-jrv] [-c uri] start [-p] NAME ...\n");
	run(2, "-j", "edit", "web1", NULL);
	check_err("qemuctl: edit: there is no JSON output\n"
	    "usage: qemuctl [-rv] [-c uri] edit NAME\n");
	run(2, "st", NULL);
	ATF_CHECK(strncmp(file_read("err"), "qemuctl: st: this may be short "
	    "for start, status, stop\nusage: ", 62) == 0);
	run(2, "help", "re", NULL);
	check_err("qemuctl: re: this may be short for reboot, rename, reset, "
	    "resume\n");
	run(2, "nix", NULL);
	ATF_CHECK(strncmp(file_read("err"), "qemuctl: nix: there is no such "
	    "command\nusage: ", 46) == 0);
	run(2, "stop", "--frob", NULL);
	ATF_CHECK(strncmp(file_read("err"), "qemuctl: stop: there is no option "
	    "--frob\nusage: qemuctl ", 55) == 0);
	run(0, "--help", NULL);
	run(0, "--version", NULL);
	ATF_CHECK(strncmp(file_read("out"), "qemuctl 0.", 10) == 0);
	run(0, "help", NULL);
	ATF_CHECK(strstr(file_read("out"), "\n  console ") != NULL);
	run(0, "console", "--help", NULL);
	ATF_CHECK(strncmp(file_read("out"), "usage: qemuctl [-rv] [-c uri] "
	    "console [-f]", 42) == 0);
	run(0, "he", "mon", NULL);		/* short for */
	ATF_CHECK(strstr(file_read("out"), "monitor") != NULL);

	run(6, "start", "web1", NULL);
	check_err("qemuctl: web1: cannot start: Requested operation is not "
	    "valid: domain is already running\n");
	file_write("calls", "");
	run(0, "-r", "list", "-n", NULL);
	check_calls("open 1\n");
	end();
	model.readonly = 1;
	begin();
	run(5, "-r", "kill", "web1", NULL);
	check_err("qemuctl: web1: cannot kill: operation forbidden: read only\n"
	    "  without -r, qemuctl asks for full control\n");
	end();
	run(4, "list", NULL);
	ATF_CHECK(strncmp(file_read("err"), "qemuctl: cannot connect to "
	    "qemud:///system: No such file or directory\n  its socket is /",
	    85) == 0);
	run(2, "-c", "nonsense", "list", NULL);
	check_err("qemuctl: \"nonsense\" is not a URI; qemud:///system is "
	    "one\n");
	run(2, "-c", "qemud:///systen", "list", NULL);
	model.garbage = 1;
	begin();
	run(1, "list", NULL);
	ATF_CHECK(strstr(file_read("err"), "not of this protocol") != NULL);
	end();
	model.garbage = model.readonly = 0;
	begin();
	/* nowhere to write to */
	ATF_REQUIRE_EQ(symlink("/dev/full", "out.full"), 0);
	unlink("out");
	ATF_REQUIRE_EQ(rename("out.full", "out"), 0);
	run(1, "list", NULL);
	check_err("qemuctl: stdout: No space left on device\n");
	end();
}

/* --- edit ----------------------------------------------------------------- */

/* An editor that is this program of sed's. */
static void
editor(const char *how)
{
	char	 text[512];

	snprintf(text, sizeof(text), "sed -i -e '%s'", how);
	setenv("EDITOR", text, 1);
}

/* The file that it has kept, as it says, or "". */
static const char *
kept(void)
{
	static char	 path[512];
	const char	*err = file_read("err"), *p;

	path[0] = '\0';
	if ((p = strstr(err, "your text is in ")) != NULL) {
		strlcpy(path, p + 16, sizeof(path));
		path[strcspn(path, "\n")] = '\0';
	}
	return (path);
}

ATF_TC(edit);
ATF_TC_HEAD(edit, tc)
{
	atf_tc_set_md_var(tc, "descr", "A definition is edited, and no text is "
	    "lost");
}
ATF_TC_BODY(edit, tc)
{
	struct stat	 st;
	char		 dir[512];

	begin();
	editor("s/first/second/");
	run(0, "-v", "edit", "web1", NULL);
	ATF_CHECK_STREQ(kept(), "");
	ATF_CHECK(strstr(file_read("defined"), "second &amp; only") != NULL);
	check_out("web1: changed\n");
	/* with secrets, as defined; looked at again before it is defined */
	check_calls("open 0\nxml 3\nopen 0\nxml 3\n"
	    "domain_define_xml_flags 1 0\n");
	ATF_CHECK_EQ(system("ls -d qemuctl.* 2>/dev/null"), 512);

	setenv("VISUAL", "true", 1);		/* comes first */
	run(0, "edit", "web1", NULL);
	check_err("qemuctl: web1: nothing was changed\n");
	check_calls("open 0\nxml 3\n");
	setenv("VISUAL", "false", 1);
	run(1, "edit", "web1", NULL);
	check_err("qemuctl: web1: the editor has failed, so nothing is "
	    "changed\n");
	setenv("VISUAL", "/nonexistent/editor", 1);
	run(1, "edit", "web1", NULL);
	ATF_CHECK_STREQ(kept(), "");
	ATF_CHECK_EQ(system("ls -d qemuctl.* 2>/dev/null"), 512);
	unsetenv("VISUAL");

	/* not taken: in a file, in a folder that is nobody else's */
	editor("s/<title>/<bad>/");
	run(1, "edit", "web1", NULL);
	ATF_CHECK(strstr(file_read("err"), "cannot define this: XML error: "
	    "line 1: no <bad>\n  write <good>\n  your text is in /") != NULL);
	ATF_CHECK(strstr(file_read(kept()), "<bad>first") != NULL);
	strlcpy(dir, kept(), sizeof(dir));
	ATF_REQUIRE(dir[0] == '/');
	*strrchr(dir, '/') = '\0';
	ATF_REQUIRE_EQ(stat(dir, &st), 0);
	ATF_CHECK_EQ(st.st_mode & 0777, 0700);

	editor("s/<name>web1/<name>web2/");
	run(1, "edit", "web1", NULL);
	ATF_CHECK(strstr(file_read("err"), "the name must stay") != NULL);
	ATF_CHECK(strstr(file_read(kept()), "web2") != NULL);
	editor("s/ee01</ee02</");
	run(1, "edit", "web1", NULL);
	ATF_CHECK(strstr(file_read("err"), "the UUID must stay") != NULL);
	ATF_CHECK(strstr(file_read(kept()), "ee02") != NULL);

	/* somebody else was faster */
	setenv("EDITOR", "echo '<domain/>' >xml; sed -i s/first/mine/", 1);
	run(1, "edit", "web1", NULL);
	ATF_CHECK(strstr(file_read("err"), "somebody else has changed") !=
	    NULL);
	ATF_CHECK(strstr(file_read(kept()), "mine") != NULL);

	run(6, "edit", guests[2].name, NULL);
	check_err("qemuctl: \303\244\\033[31m: has no definition that could be "
	    "edited\n");
	end();
}

ATF_TC(edit_again);
ATF_TC_HEAD(edit_again, tc)
{
	atf_tc_set_md_var(tc, "descr", "At a terminal, the editor can be "
	    "called again with the text that was not taken");
}
ATF_TC_BODY(edit_again, tc)
{
	const char	*s;
	pid_t		 pid;
	int		 fd;

	begin();
	/* the first time it makes a mistake, which it then repairs */
	setenv("EDITOR", "sed -i -e 's/<bad>/<good>/;s/<title>/<bad>/'", 1);
	fd = terminal(200, &pid, "edit", "web1", NULL);
	s = shown(fd, "Edit again? [Y/n] ");
	ATF_CHECK(strstr(s, "write <good>") != NULL);
	ATF_REQUIRE_EQ(write(fd, "\n", 1), 1);
	shown(fd, NULL);
	ATF_CHECK_EQ(client_end(pid), 0);
	ATF_CHECK(strstr(file_read("defined"), "<good>first") != NULL);
	close(fd);

	fd = terminal(200, &pid, "edit", "web1", NULL);
	shown(fd, "Edit again? [Y/n] ");
	ATF_REQUIRE_EQ(write(fd, "n\n", 2), 2);
	s = shown(fd, NULL);
	ATF_CHECK(strstr(s, "your text is in ") != NULL);
	ATF_CHECK_EQ(client_end(pid), 1);
	close(fd);
	end();
}

/* --- console, monitor, log, watch ----------------------------------------- */

ATF_TC(console);
ATF_TC_HEAD(console, tc)
{
	atf_tc_set_md_var(tc, "descr", "A console in scripts: all bytes go "
	    "through, and it ends with the guest");
}
ATF_TC_BODY(console, tc)
{
	begin();
	file_write("in", "root\035x\nQ");
	run(0, "console", "web1", NULL);
	check_out("login: root\035x\nQ");
	check_err("");
	run(0, "list", NULL);		/* so the daemon has done that, too */
	check_calls("open 0\nconsole - 0\ntyped root\035x\nQ\nfinish\n"
	    "open 0\n");
	run(0, "-v", "console", "-f", "-d", "serial1", "web1", NULL);
	ATF_CHECK(strstr(file_read("err"), "web1: connected\n") != NULL);
	ATF_CHECK(strstr(file_read("calls"), "console serial1 1\n") != NULL);
	file_write("in", "E");
	run(1, "console", "web1", NULL);
	check_out("login: E");
	check_err("qemuctl: web1: console: operation aborted: another client "
	    "has taken the console\n");
	end();
	model.taken = 1;
	begin();
	run(1, "console", "web1", NULL);
	check_err("qemuctl: web1: cannot open its console: operation failed: "
	    "Active console session exists for this domain\n"
	    "  qemuctl console -f takes it from who has it\n");
	end();
}

ATF_TC(console_flood);
ATF_TC_HEAD(console_flood, tc)
{
	atf_tc_set_md_var(tc, "descr", "A console that talks faster than it "
	    "is read loses nothing");
}
ATF_TC_BODY(console_flood, tc)
{
	size_t	 total = 0;
	ssize_t	 n;
	char	 buf[16384], last[16] = "";
	pid_t	 pid;
	int	 p[2];

	model.flood = 1;
	begin();
	file_write("in", "Q");
	ATF_REQUIRE_EQ(pipe2(p, O_CLOEXEC), 0);
	ATF_REQUIRE((pid = fork()) != -1);
	if (pid == 0) {
		dup2(open("in", O_RDONLY), STDIN_FILENO);
		dup2(p[1], STDOUT_FILENO);
		execl("/bin/sh", "sh", "-c",
		    "exec \"$BUILDDIR/bin/qemuctl\" console web1",
		    (char *)NULL);
		_exit(99);
	}
	close(p[1]);
	while ((n = read(p[0], buf, sizeof(buf))) > 0) {
		total += n;
		if (n >= 8)
			snprintf(last, sizeof(last), "%.8s", buf + n - 8);
	}
	ATF_CHECK_EQ(client_end(pid), 0);
	ATF_CHECK_EQ(total, 64 * 65536 + 8);
	close(p[0]);
	end();
}

static int
is_raw(int fd)
{
	struct termios	 t;

	ATF_REQUIRE_EQ(tcgetattr(fd, &t), 0);
	return (!(t.c_lflag & ICANON));
}

/* There is no event that would tell. */
static void
await_raw(int fd)
{
	int64_t	 until = peer_now() + WAIT_MS;

	while (!is_raw(fd)) {
		ATF_REQUIRE(peer_now() < until);
		poll(NULL, 0, 1);
	}
}

ATF_TC(console_terminal);
ATF_TC_HEAD(console_terminal, tc)
{
	atf_tc_set_md_var(tc, "descr", "A console at a terminal, which is as "
	    "before afterwards, however it ends");
}
ATF_TC_BODY(console_terminal, tc)
{
	pid_t	 pid;
	int	 fd, status;

	begin();
	fd = terminal(80, &pid, "console", "web1", NULL);
	shown(fd, "web1: connected, escape is Ctrl-]\r\n");
	ATF_REQUIRE_EQ(write(fd, "a\003b", 3), 3);	/* no signal */
	shown(fd, "a\003b");
	ATF_CHECK(is_raw(fd));
	ATF_REQUIRE_EQ(write(fd, "c\035Q", 3), 3);
	ATF_CHECK(strstr(shown(fd, NULL), "disconnected") != NULL);
	ATF_CHECK_EQ(client_end(pid), 0);
	ATF_CHECK(!is_raw(fd));
	close(fd);
	run(0, "list", NULL);		/* so the daemon has done that, too */
	ATF_CHECK(strstr(file_read("calls"), "typed c\nabort\n") != NULL);

	/* a signal that ends it */
	fd = terminal(80, &pid, "console", "web1", NULL);
	shown(fd, "login: ");
	ATF_CHECK(is_raw(fd));
	ATF_REQUIRE_EQ(kill(pid, SIGTERM), 0);
	ATF_CHECK_EQ(client_end(pid), -SIGTERM);
	ATF_CHECK(!is_raw(fd));
	close(fd);

	/* one that stops it for a while */
	fd = terminal(80, &pid, "console", "web1", NULL);
	shown(fd, "login: ");
	ATF_REQUIRE_EQ(kill(pid, SIGTSTP), 0);
	ATF_REQUIRE_EQ(waitpid(pid, &status, WUNTRACED), pid);
	ATF_REQUIRE(WIFSTOPPED(status));
	ATF_CHECK(!is_raw(fd));
	ATF_REQUIRE_EQ(kill(pid, SIGCONT), 0);
	await_raw(fd);
	ATF_REQUIRE_EQ(write(fd, "again\n", 6), 6);
	shown(fd, "again");
	/* the console is taken away */
	ATF_REQUIRE_EQ(write(fd, "E", 1), 1);
	ATF_CHECK(strstr(shown(fd, NULL), "another client has taken") !=
	    NULL);
	ATF_CHECK_EQ(client_end(pid), 1);
	ATF_CHECK(!is_raw(fd));
	close(fd);
	end();
}

ATF_TC(monitor);
ATF_TC_HEAD(monitor, tc)
{
	atf_tc_set_md_var(tc, "descr", "Commands to a monitor, one or many");
}
ATF_TC_BODY(monitor, tc)
{
	const char	*s;
	json_t		*j;
	pid_t		 pid;
	int		 fd;

	begin();
	run(0, "monitor", "web1", "info", "-x", "block", NULL);
	check_out("<info -x block> 1\r\n");
	run(0, "monitor", "-q", "web1", "{}", NULL);
	check_out("<{}> 0\r\n");
	run(0, "-j", "monitor", "web1", "x", NULL);
	j = out_json();
	ATF_CHECK_STREQ(json_string_value(json_object_get(j, "answer")),
	    "<x> 1\r\n");
	json_decref(j);
	run(1, "monitor", "web1", "bad", NULL);
	check_err("qemuctl: web1: monitor: operation failed: bad command\n");
	file_write("in", "one\n\nbad\nthree");
	run(1, "monitor", "web1", NULL);
	check_out("<one> 1\r\n<three> 1\r\n");

	fd = terminal(80, &pid, "monitor", "web1", NULL);
	shown(fd, "(web1) ");
	ATF_REQUIRE_EQ(write(fd, "bad\n", 4), 4);
	shown(fd, "bad command\r\n(web1) ");
	ATF_REQUIRE_EQ(write(fd, "info\n", 5), 5);
	s = shown(fd, "1\r\n(web1) ");
	ATF_CHECK(strstr(s, "<info> 1\r\n(web1) ") != NULL);
	ATF_REQUIRE_EQ(write(fd, "\004", 1), 1);
	shown(fd, NULL);
	ATF_CHECK_EQ(client_end(pid), 0);
	close(fd);
	end();
}

ATF_TC(logs);
ATF_TC_HEAD(logs, tc)
{
	atf_tc_set_md_var(tc, "descr", "The last lines of a log");
}
ATF_TC_BODY(logs, tc)
{
	begin();
	run(0, "log", "web1", NULL);
	check_out("one\ntwo\033\nthree\n");
	run(0, "log", "web1", "-n", "2", NULL);
	check_out("two\033\nthree\n");
	run(0, "log", "-n", "1", "web1", NULL);
	check_out("three\n");
	run(0, "log", "-n", "0", "web1", NULL);
	check_out("");
	run(0, "log", "-n", "99", "web1", NULL);
	check_out("one\ntwo\033\nthree\n");
	run(0, "-j", "log", "-n", "2", "web1", NULL);
	check_out("{\n  \"log\": \"two\\u001B\\nthree\\n\"\n}\n");
	end();
}

ATF_TC(watch);
ATF_TC_HEAD(watch, tc)
{
	atf_tc_set_md_var(tc, "descr", "Events, a line each, until the daemon "
	    "goes away");
}
ATF_TC_BODY(watch, tc)
{
	static const char *const	 lines[] = {
		" web1 started (booted)\n", " web1 reboot\n",
		" web1 rtc-change (-60 s)\n", " web1 watchdog (reset)\n",
		" web1 io-error (vda, /srv/a\\033b)\n",
		" \303\244\\033[31m wakeup\n"
	};
	char				*s;
	const char			*what, *when;
	json_t				*j;
	size_t				 i;

	begin();
	run(1, "watch", NULL);
	ATF_CHECK(strstr(file_read("err"), "has closed the connection") !=
	    NULL);
	s = file_read("out");
	for (i = 0; i < nitems(lines); i++) {
		/* date and time */
		ATF_CHECK(strspn(s, "0123456789-") == 10 && s[10] == ' ');
		ATF_CHECK_MSG(strncmp(s + 19, lines[i],
		    strlen(lines[i])) == 0, "%s", s);
		s += 19 + strlen(lines[i]);
	}
	ATF_CHECK_STREQ(s, "");

	run(1, "-j", "watch", "web1", NULL);
	s = file_read("out");
	for (i = 0; i < nitems(lines); i++) {
		j = json_loads(s, JSON_DISABLE_EOF_CHECK, NULL);
		ATF_REQUIRE_MSG(j != NULL, "%s", s);
		ATF_CHECK_EQ(json_unpack(j, "{s:s, s:s, s:s, s:i, s:s}",
		    "time", &when, "name", &what, "uuid", &what, "id",
		    &(int){ 0 }, "event", &what), 0);
		/* RFC 3339 */
		ATF_CHECK_MSG(strlen(when) == 20 && when[10] == 'T' &&
		    when[19] == 'Z', "%s", when);
		if (i == 0) {
			ATF_CHECK_EQ(json_unpack(j, "{s:s}", "what", &what),
			    0);
			ATF_CHECK_STREQ(what, "started");
		}
		json_decref(j);
		s = strchr(s, '\n') + 1;
	}
	ATF_CHECK_STREQ(s, "");
	end();
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, list);
	ATF_TP_ADD_TC(tp, list_json);
	ATF_TP_ADD_TC(tp, widths);
	ATF_TP_ADD_TC(tp, show);
	ATF_TP_ADD_TC(tp, show_terminal);
	ATF_TP_ADD_TC(tp, status);
	ATF_TP_ADD_TC(tp, verbs);
	ATF_TP_ADD_TC(tp, files);
	ATF_TP_ADD_TC(tp, stop);
	ATF_TP_ADD_TC(tp, exits);
	ATF_TP_ADD_TC(tp, edit);
	ATF_TP_ADD_TC(tp, edit_again);
	ATF_TP_ADD_TC(tp, console);
	ATF_TP_ADD_TC(tp, console_flood);
	ATF_TP_ADD_TC(tp, console_terminal);
	ATF_TP_ADD_TC(tp, monitor);
	ATF_TP_ADD_TC(tp, logs);
	ATF_TP_ADD_TC(tp, watch);
	return (atf_no_error());
}
