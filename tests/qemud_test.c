/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * qemud when its peers end, come again, are slow or early; and when it ends
 * itself and finds what there was.  The test plays everybody else.
 */

#include <sys/types.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <atf-c.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/qemud_peer.h"

static const own_descriptor	 monitor = { .kind = OWN_MONITOR };

static rp_dom_state
state_of(struct running *r)
{
	rp_dom_flags	 arg = { r->dom, 0 };
	rp_dom_state	 res;

	ask(full, 1, "domain_get_state", &arg, &res);
	return (res);
}

/* The launcher registers, with a fresh connection to its QEMU. */
static void
registers(struct running *r, int pid)
{
	int	 sv[2];

	if (r->qmp != -1)
		close(r->qmp);
	ATF_REQUIRE_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
	    sv));
	r->qmp = sv[0];
	guest_register(r, pid, 123, &monitor, &sv[1], 1);
}

static void
accepted(void)
{
	struct answer	 a;

	answer_take(launch, &a);
	ATF_CHECK_EQ(123, a.m.serial);
	ATF_CHECK_EQ_MSG(0, a.m.status, "%s", a.err.detail);
	answer_clear(&a);
}

static void
ready(struct running *r, msg_runstate state)
{
	struct msg_guest_ready	 m = { r->monitor, 7002000, state };

	SEND(monitord, MSG_GUEST_READY, msg_guest_ready, &m, -1);
}

static void
attached(struct running *r)
{
	struct msg_guest_attach	 m;
	struct msg_guest_start	 start;
	int			 fd;

	fd = TAKE(monitord, MSG_GUEST_ATTACH, msg_guest_attach, &m);
	ATF_REQUIRE(fd != -1);
	close(fd);
	r->monitor = m.guest;
	xdr_free((xdrproc_t)xdr_msg_guest_attach, (char *)&m);
	TAKE(monitord, MSG_GUEST_START, msg_guest_start, &start);
}

static void
renew(struct running *r)
{
	struct msg_event	 m;

	TAKE(launch, MSG_EVENT, msg_event, &m);
	ATF_CHECK_EQ(EVENT_launch_renew, (int)m.procedure);
	ATF_CHECK_EQ(r->client, m.client);
	xdr_free((xdrproc_t)xdr_msg_event, (char *)&m);
}

/* --- peers that end ------------------------------------------------------------ */

/*
 * A call is on its way when its netd is replaced: the answer does not go to
 * the client of the new one that has the same number.
 */
ATF_TC_WITHOUT_HEAD(answer_of_old_netd);
ATF_TC_BODY(answer_of_old_netd, tc)
{
	struct msg_launch	 m;
	struct msg_launched	 no = { 0, EAGAIN, 0, NULL };
	char			 text[] = "no";
	int			 fd;

	qemud_start();
	guest_define("web", "");
	guest_create("web", 5);
	fd = TAKE(&parent, MSG_LAUNCH, msg_launch, &m);
	close(fd);
	qemud_link(ROLE_NETD);
	qemud_client();
	no.id = m.id;
	no.text = text;
	SEND(&parent, MSG_LAUNCHED, msg_launched, &no, -1);
	xdr_free((xdrproc_t)xdr_msg_launch, (char *)&m);
	qemud_settle();
	ATF_CHECK_EQ(0, peer_next(full));
	qemud_stop();
}

/* The launcher has ended before there is a plan for it. */
ATF_TC_WITHOUT_HEAD(launcher_ends_early);
ATF_TC_BODY(launcher_ends_early, tc)
{
	struct msg_launch	 m;
	struct msg_launched	 yes = { 0, 0, 99999, NULL };
	struct msg_launcher_ended ended = { 99999, 127 << 8 };
	struct answer		 a;
	char			 text[] = "";
	int			 fd, early;

	qemud_start();
	guest_define("web", "");
	for (early = 0; early < 2; early++) {
		guest_create("web", 5 + early);
		fd = TAKE(&parent, MSG_LAUNCH, msg_launch, &m);
		if (early) {
			close(fd);
			qemud_settle();
		}
		yes.id = m.id;
		yes.text = text;
		SEND(&parent, MSG_LAUNCHED, msg_launched, &yes, -1);
		if (!early)
			close(fd);
		SEND(&parent, MSG_LAUNCHER_ENDED, msg_launcher_ended, &ended,
		    -1);
		xdr_free((xdrproc_t)xdr_msg_launch, (char *)&m);
		if (!early && peer_wait(&parent) == MSG_KILL) {
			struct msg_kill		 kill;
			struct msg_killed	 killed = { 0 };

			TAKE(&parent, MSG_KILL, msg_kill, &kill);
			killed.id = kill.id;
			SEND(&parent, MSG_KILLED, msg_killed, &killed, -1);
		}
		answer_take(full, &a);
		ATF_CHECK_EQ(5 + early, (int)a.m.serial);
		ATF_CHECK_EQ(1, a.m.status);
		ATF_CHECK_MSG(strstr(a.err.detail, "launcher") != NULL, "%s",
		    a.err.detail);
		answer_clear(&a);
	}
	ATF_CHECK(access("run/web.status", F_OK) == -1);
	ATF_CHECK(access("run/web.lock", F_OK) == -1);
	qemud_stop();
}

/* monitord ends in the middle of a start, which goes on with the next one. */
ATF_TC_WITHOUT_HEAD(monitord_ends_in_start);
ATF_TC_BODY(monitord_ends_in_start, tc)
{
	struct running	 r = { .qmp = -1, .lock = -1 };
	struct answer	 a;
	struct msg_op	 m;
	int		 step;

	qemud_start();
	guest_define("web", "<graphics type='vnc' passwd='x'/>");
	r.dom = guest_lookup("web");
	guest_create("web", 5);
	guest_launched(&r, getpid());
	registers(&r, getpid());
	for (step = 0; step < 4; step++) {
		attached(&r);
		accepted();
		if (step > 0)
			ready(&r, RUN_PRELAUNCH);
		if (step > 1)
			guest_op(&r, OP_OK);
		if (step > 2) {
			TAKE(monitord, MSG_OP, msg_op, &m);
			xdr_free((xdrproc_t)xdr_msg_op, (char *)&m);
		}
		qemud_link(ROLE_MONITORD);
		renew(&r);
		registers(&r, getpid());
	}
	guest_attached(&r);
	accepted();
	guest_go(&r);
	answer_take(full, &a);
	ATF_CHECK_EQ(5, a.m.serial);
	ATF_CHECK_EQ(0, a.m.status);
	answer_clear(&a);
	ATF_CHECK_EQ(LV_RUNNING, state_of(&r).state);
	qemud_stop();
	running_clear(&r);
}

/* Operations that were under way with it are answered. */
ATF_TC_WITHOUT_HEAD(monitord_ends_in_calls);
ATF_TC_BODY(monitord_ends_in_calls, tc)
{
	rp_dom_text_flags	 arg = { .flags = LV_MONITOR_HMP };
	struct running		 r;
	struct answer		 a;
	char			 text[] = "info";
	int			 i;

	qemud_start();
	guest_define("web", "");
	guest_run("web", &r);
	arg.dom = r.dom;
	arg.text = text;
	call(full, 1, 50, proc_named("domain_suspend"), &r.dom);
	for (i = 51; i < 60; i++)
		call(full, 1, i, proc_named("qemu_domain_monitor_command"),
		    &arg);
	peer_close(monitord);
	for (i = 50; i < 60; i++) {
		answer_take(full, &a);
		ATF_CHECK_EQ(i, (int)a.m.serial);
		ATF_CHECK_EQ(1, a.m.status);
		answer_clear(&a);
	}
	ATF_CHECK_EQ(LV_RUNNING, state_of(&r).state);
	qemud_link(ROLE_MONITORD);
	renew(&r);
	registers(&r, getpid());
	attached(&r);
	accepted();
	/* it was stopped after all */
	ready(&r, RUN_PAUSED);
	qemud_settle();
	ATF_CHECK_EQ(LV_PAUSED, state_of(&r).state);
	qemud_stop();
	running_clear(&r);
}

/* --- load ----------------------------------------------------------------------- */

/*
 * Calls without a pause from clients with full control: whoever else has
 * something to say gets a turn all the same.
 */
ATF_TC_WITHOUT_HEAD(busy);
ATF_TC_BODY(busy, tc)
{
	const struct rpc_proc	*hostname = proc_named("connect_get_hostname");
	const struct rpc_proc	*xml = proc_named("domain_get_xml_desc");
	rp_dom_flags		 arg = { .flags = 0 };
	struct running		 r;
	struct answer		 a;
	static char		 junk[1 << 20];
	uint64_t		 bytes;
	pid_t			 pid;
	ssize_t			 n;
	int			 i;

	qemud_start();
	guest_define("web", "<serial type='pty'/><graphics type='vnc'/>");
	guest_run("web", &r);
	client_new(ro, 1);
	client_open(ro, 1, 0);
	arg.dom = r.dom;
	/* one writes, the other reads, and both are faster than qemud */
	ATF_REQUIRE((pid = fork()) != -1);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			call(full, 1, 0, xml, &arg);
	}
	for (i = 0; i < 20; i++) {
		call(ro, 1, i, hostname, NULL);
		for (bytes = 0; peer_next(ro) == 0 && bytes < 1 << 30;
		    bytes += n)
			if ((n = recv(full->fd, junk, sizeof(junk),
			    MSG_DONTWAIT)) == -1)
				n = 0;
		ATF_REQUIRE_MSG(peer_next(ro) != 0, "others are not heard");
		answer_take(ro, &a);
		answer_clear(&a);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	qemud_kill();
	running_clear(&r);
}

/* --- qemud ends ---------------------------------------------------------------- */

/* Up to where channels are made; the launchers' one comes first. */
static void
restarts(void)
{
	qemud_exec();
	qemud_setup();
	qemud_link(ROLE_NETD_LAUNCH);
	qemud_link(ROLE_MONITORD);
	qemud_link(ROLE_NETD);
	qemud_link(ROLE_NETD_RO);
}

/* A guest is taken up again as it is, and nobody sees it otherwise. */
ATF_TC_WITHOUT_HEAD(adopts);
ATF_TC_BODY(adopts, tc)
{
	static const struct {
		msg_runstate	 says;
		int		 state, reason;
	} t[] = {
		{ RUN_RUNNING, LV_RUNNING, LV_RUNNING_BOOTED },
		{ RUN_PAUSED, LV_PAUSED, LV_PAUSED_UNKNOWN },
		{ RUN_PAUSED, LV_PAUSED, LV_PAUSED_UNKNOWN },
		{ RUN_RUNNING, LV_RUNNING, LV_RUNNING_UNPAUSED },
		{ RUN_IO_ERROR, LV_PAUSED, LV_PAUSED_IOERROR },
		{ RUN_PANICKED, LV_CRASHED, LV_CRASHED_PANICKED }
	};
	struct msg_client_new	 early = { 1, 0, 0, 1 };
	struct running		 r;
	struct answer		 a;
	rp_dom_flags		 arg = { .flags = 0 };
	rp_dom			 dom;
	size_t			 i;
	int			 id;

	qemud_start();
	guest_define("web", "");
	guest_run("web", &r);
	dom = guest_lookup("web");
	id = dom.id;
	rpc_free((xdrproc_t)xdr_rp_dom, &dom);
	for (i = 0; i < nitems(t); i++) {
		qemud_kill();
		restarts();
		/* the launcher is there before qemud knows its guests */
		r.client = 0;
		registers(&r, getpid());
		/* and so is a client */
		early.client = 1;
		SEND(full, MSG_CLIENT_NEW, msg_client_new, &early, -1);
		{
			rp_opttext_flags	 open = { NULL, 0 };

			call(full, 1, 1, proc_named("connect_open"), &open);
			arg.dom = r.dom;
			call(full, 1, 2, proc_named("domain_get_state"),
			    &arg);
		}
		qemud_done();
		attached(&r);
		accepted();
		ATF_CHECK_EQ(0, peer_next(full));
		ready(&r, t[i].says);
		answer_take(full, &a);
		ATF_CHECK_EQ(1, a.m.serial);
		answer_clear(&a);
		answer_take(full, &a);
		ATF_CHECK_EQ(2, a.m.serial);
		ATF_CHECK_EQ(0, a.m.status);
		answer_clear(&a);
		ATF_CHECK_EQ_MSG(t[i].state, state_of(&r).state, "%zu", i);
		ATF_CHECK_EQ_MSG(t[i].reason, state_of(&r).reason, "%zu: %d",
		    i, state_of(&r).reason);
		dom = guest_lookup("web");
		ATF_CHECK_EQ(id, dom.id);
		rpc_free((xdrproc_t)xdr_rp_dom, &dom);
	}
	qemud_stop();
	running_clear(&r);
}

/* Its launcher comes too late: clients do not wait for ever, for anything. */
ATF_TC_WITHOUT_HEAD(adopts_late);
ATF_TC_BODY(adopts_late, tc)
{
	struct running	 r;

	qemud_start();
	guest_define("web", "");
	guest_run("web", &r);
	qemud_kill();
	restarts();
	qemud_done();
	qemud_client();
	ATF_CHECK_EQ(LV_RUNNING, state_of(&r).state);
	r.client = 0;
	registers(&r, getpid());
	attached(&r);
	accepted();
	ready(&r, RUN_RUNNING);
	qemud_settle();
	/* also who comes later is served */
	qemud_link(ROLE_NETD);
	qemud_client();
	ATF_CHECK_EQ(LV_RUNNING, state_of(&r).state);
	qemud_link(ROLE_NETD_RO);
	client_new(ro, 1);
	client_open(ro, 1, 0);
	qemud_stop();
	running_clear(&r);
}

/* It has ended while nobody looked. */
ATF_TC_WITHOUT_HEAD(adopts_dead);
ATF_TC_BODY(adopts_dead, tc)
{
	struct running	 r;

	qemud_start();
	guest_define("web", "");
	guest_run("web", &r);
	qemud_kill();
	close(r.lock);
	r.lock = -1;
	restarts();
	qemud_done();
	qemud_client();
	ATF_CHECK_EQ(LV_SHUTOFF, state_of(&r).state);
	ATF_CHECK_EQ(LV_SHUTOFF_CRASHED, state_of(&r).reason);
	ATF_CHECK(access("run/web.status", F_OK) == -1);
	ATF_CHECK(access("run/web.lock", F_OK) == -1);
	/* and says so, if it is late */
	r.client = 0;
	registers(&r, getpid());
	{
		struct answer	 a;

		answer_take(launch, &a);
		ATF_CHECK_EQ(1, a.m.status);
		answer_clear(&a);
	}
	qemud_stop();
	running_clear(&r);
}

/*
 * Its launcher has ended, its QEMU has not: it is looked at, and its end is
 * seen.
 */
ATF_TC_WITHOUT_HEAD(adopts_without_launcher);
ATF_TC_BODY(adopts_without_launcher, tc)
{
	own_register		 arg = { .revision = OWN_REVISION };
	struct msg_client_new	 new = { 77, getuid(), getgid(), getpid() };
	struct msg_call_fd	 fd = { 77 };
	struct running		 r;
	rp_dom_state		 s;
	char			 none[] = "";
	pid_t			 pid;

	ATF_REQUIRE((pid = fork()) != -1);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	qemud_start();
	guest_define("web", "");
	guest_run("web", &r);
	/* who its QEMU is */
	SEND(launch, MSG_CLIENT_NEW, msg_client_new, &new, -1);
	SEND(launch, MSG_CALL_FD, msg_call_fd, &fd, open("/dev/null", O_RDWR |
	    O_CLOEXEC));
	arg.name = r.dom.name;
	memcpy(arg.uuid, r.dom.uuid, sizeof(arg.uuid));
	arg.qemu_pid = pid;
	arg.xml = none;
	arg.descriptors.descriptors_val = (own_descriptor *)(uintptr_t)
	    &monitor;
	arg.descriptors.descriptors_len = 1;
	ask(launch, 77, "launch_register", &arg, NULL);
	qemud_kill();
	close(r.lock);
	r.lock = -1;
	restarts();
	qemud_done();
	qemud_client();
	ATF_CHECK_EQ(LV_RUNNING, state_of(&r).state);
	ATF_CHECK(logged(0, "its launcher has ended"));
	ATF_CHECK(access("run/web.status", F_OK) == 0);
	/* without a monitor there is not much that can be done */
	ATF_CHECK_EQ(RPCE_OPERATION_INVALID, ask_fails(full, 1,
	    "domain_suspend", &r.dom));
	kill(pid, SIGKILL);
	ATF_REQUIRE_EQ(pid, waitpid(pid, NULL, 0));
	do
		s = state_of(&r);
	while (s.state != LV_SHUTOFF);
	ATF_CHECK_EQ(LV_SHUTOFF_CRASHED, s.reason);
	ATF_CHECK(access("run/web.status", F_OK) == -1);
	qemud_stop();
	running_clear(&r);
}

/* A status file that cannot be read is kept as long as its guest runs. */
ATF_TC_WITHOUT_HEAD(adopts_unknown);
ATF_TC_BODY(adopts_unknown, tc)
{
	struct running	 r;
	FILE		*f;

	qemud_start();
	guest_define("web", "");
	guest_run("web", &r);
	qemud_kill();
	ATF_REQUIRE((f = fopen("run/web.status", "we")) != NULL);
	fprintf(f, "qemud status 99\n");
	fclose(f);
	restarts();
	qemud_done();
	qemud_client();
	ATF_CHECK(access("run/web.status", F_OK) == 0);
	ATF_CHECK(logged(0, "web.status is no status file"));
	qemud_kill();
	close(r.lock);
	r.lock = -1;
	restarts();
	qemud_done();
	qemud_client();
	ATF_CHECK(access("run/web.status", F_OK) == -1);
	ATF_CHECK(access("run/web.lock", F_OK) == -1);
	qemud_stop();
	running_clear(&r);
}

/* A start that was cut off goes on, with all that belongs to it. */
ATF_TC_WITHOUT_HEAD(adopts_start);
ATF_TC_BODY(adopts_start, tc)
{
	struct running	 r = { .qmp = -1, .lock = -1 };

	qemud_start();
	guest_define("web", "<graphics type='vnc' passwd='x'/>");
	r.dom = guest_lookup("web");
	guest_create("web", 5);
	guest_launched(&r, getpid());
	qemud_kill();
	restarts();
	registers(&r, getpid());
	qemud_done();
	attached(&r);
	accepted();
	ready(&r, RUN_PRELAUNCH);
	ATF_CHECK_EQ(OP_SETUP, guest_op(&r, OP_OK));
	guest_go(&r);
	qemud_client();
	ATF_CHECK_EQ(LV_RUNNING, state_of(&r).state);
	qemud_stop();
	running_clear(&r);
}

/* ... also before the launcher had its plan: then there is no guest. */
ATF_TC_WITHOUT_HEAD(adopts_no_start);
ATF_TC_BODY(adopts_no_start, tc)
{
	struct running		 r = { .qmp = -1, .lock = -1 };
	struct msg_launch	 m;
	struct answer		 a;
	int			 fd;

	qemud_start();
	guest_define("web", "");
	r.dom = guest_lookup("web");
	guest_create("web", 5);
	fd = TAKE(&parent, MSG_LAUNCH, msg_launch, &m);
	xdr_free((xdrproc_t)xdr_msg_launch, (char *)&m);
	close(fd);
	qemud_kill();
	restarts();
	qemud_done();
	qemud_client();
	ATF_CHECK_EQ(LV_SHUTOFF, state_of(&r).state);
	ATF_CHECK(access("run/web.status", F_OK) == -1);
	ATF_CHECK(access("run/web.lock", F_OK) == -1);
	registers(&r, getpid());
	answer_take(launch, &a);
	ATF_CHECK_EQ(RPCE_NO_DOMAIN, a.err.code);
	answer_clear(&a);
	/* it can be started as any other */
	rpc_free((xdrproc_t)xdr_rp_dom, &r.dom);
	close(r.qmp);
	guest_run("web", &r);
	ATF_CHECK_EQ(LV_RUNNING, state_of(&r).state);
	qemud_stop();
	running_clear(&r);
}

/* --- QEMU's version ------------------------------------------------------------ */

/* Who may only look does not make us run anything. */
ATF_TC(version);
ATF_TC_HEAD(version, tc)
{
	atf_tc_set_md_var(tc, "require.progs", "/usr/bin/qemu-system-x86_64");
}
ATF_TC_BODY(version, tc)
{
	struct running		 r = { .qmp = -1, .lock = -1 };
	struct msg_launch	 m;
	struct msg_launched	 no = { 0, EAGAIN, 0, NULL };
	struct answer		 a;
	rp_ulong		 res;
	char			 text[] = "no";
	int			 fd;

	restarts();
	qemud_done();
	qemud_client();
	/* we want to know it ourselves */
	fd = TAKE(&parent, MSG_LAUNCH, msg_launch, &m);
	close(fd);
	client_new(ro, 1);
	client_open(ro, 1, 0);
	call(ro, 1, 9, proc_named("connect_get_version"), NULL);
	qemud_settle();
	ATF_CHECK_EQ(0, peer_next(ro));
	no.id = m.id;
	no.text = text;
	SEND(&parent, MSG_LAUNCHED, msg_launched, &no, -1);
	xdr_free((xdrproc_t)xdr_msg_launch, (char *)&m);
	answer_take(ro, &a);
	ATF_CHECK_EQ(RPCE_OPERATION_FAILED, a.err.code);
	answer_clear(&a);
	ATF_CHECK_EQ(RPCE_OPERATION_FAILED, ask_fails(ro, 1,
	    "connect_get_version", NULL));
	qemud_settle();
	ATF_CHECK_EQ(0, peer_next(&parent));
	/* who may do everything, may have it tried again */
	call(full, 1, 10, proc_named("connect_get_version"), NULL);
	fd = TAKE(&parent, MSG_LAUNCH, msg_launch, &m);
	close(fd);
	no.id = m.id;
	SEND(&parent, MSG_LAUNCHED, msg_launched, &no, -1);
	xdr_free((xdrproc_t)xdr_msg_launch, (char *)&m);
	answer_take(full, &a);
	ATF_CHECK_EQ(1, a.m.status);
	answer_clear(&a);
	/* it is learnt from any guest, and kept */
	guest_define("web", "");
	guest_run("web", &r);
	ask(ro, 1, "connect_get_version", NULL, &res);
	ATF_CHECK_EQ(7002000, res.value);
	qemud_kill();
	restarts();
	qemud_done();
	qemud_client();
	client_new(ro, 1);
	client_open(ro, 1, 0);
	ask(ro, 1, "connect_get_version", NULL, &res);
	ATF_CHECK_EQ(7002000, res.value);
	qemud_settle();
	ATF_CHECK_EQ(0, peer_next(&parent));
	qemud_stop();
	running_clear(&r);
}

/* Our own guest is seen by nobody, also when we end in the middle of it. */
ATF_TC(version_guest);
ATF_TC_HEAD(version_guest, tc)
{
	atf_tc_set_md_var(tc, "require.progs", "/usr/bin/qemu-system-x86_64");
}
ATF_TC_BODY(version_guest, tc)
{
	struct running		 r = { .qmp = -1, .lock = -1 };
	struct msg_kill		 m;
	struct msg_killed	 killed = { 0 };
	rp_list_args		 all = { 1, 0 };
	rp_doms			 doms;

	restarts();
	qemud_done();
	guest_launched(&r, getpid());
	qemud_client();
	ask(full, 1, "connect_list_all_domains", &all, &doms);
	ATF_CHECK_EQ(0, doms.count);
	rpc_free((xdrproc_t)xdr_rp_doms, &doms);
	qemud_kill();
	restarts();
	qemud_done();
	TAKE(&parent, MSG_KILL, msg_kill, &m);
	ATF_CHECK_EQ(getpid(), m.pid);
	qemud_client();
	ask(full, 1, "connect_list_all_domains", &all, &doms);
	ATF_CHECK_EQ(0, doms.count);
	rpc_free((xdrproc_t)xdr_rp_doms, &doms);
	killed.id = m.id;
	SEND(&parent, MSG_KILLED, msg_killed, &killed, -1);
	qemud_settle();
	ATF_CHECK(access("run/.version.1.status", F_OK) == -1);
	qemud_stop();
	close(r.lock);
}

/* --- definitions ---------------------------------------------------------------- */

/* A file without a UUID gets one for good, or its guest would be lost. */
ATF_TC_WITHOUT_HEAD(definition_without_uuid);
ATF_TC_BODY(definition_without_uuid, tc)
{
	struct running	 r;
	rp_dom		 dom, again;
	FILE		*f;
	int		 i;

	ATF_REQUIRE_EQ(0, mkdir("etc", 0700));
	ATF_REQUIRE((f = fopen("etc/web.xml", "we")) != NULL);
	fprintf(f, "%s", guest_xml("web", "<interface type='user'/>"));
	fclose(f);
	qemud_start();
	guest_run("web", &r);
	dom = guest_lookup("web");
	qemud_kill();
	restarts();
	qemud_done();
	qemud_client();
	ATF_CHECK_EQ(LV_RUNNING, state_of(&r).state);
	/* also if it is written again, without one */
	for (i = 0; i < 2; i++) {
		ATF_REQUIRE((f = fopen("etc/web.xml", "we")) != NULL);
		fprintf(f, "%s", guest_xml("web", "<interface type='user'/>"));
		fclose(f);
		peer_send(&parent, MSG_RELOAD, NULL, NULL, -1);
		qemud_settle();
		again = guest_lookup("web");
		ATF_CHECK_EQ(0, memcmp(dom.uuid, again.uuid,
		    sizeof(dom.uuid)));
		rpc_free((xdrproc_t)xdr_rp_dom, &again);
	}
	rpc_free((xdrproc_t)xdr_rp_dom, &dom);
	qemud_stop();
	running_clear(&r);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, answer_of_old_netd);
	ATF_TP_ADD_TC(tp, launcher_ends_early);
	ATF_TP_ADD_TC(tp, monitord_ends_in_start);
	ATF_TP_ADD_TC(tp, monitord_ends_in_calls);
	ATF_TP_ADD_TC(tp, busy);
	ATF_TP_ADD_TC(tp, adopts);
	ATF_TP_ADD_TC(tp, adopts_late);
	ATF_TP_ADD_TC(tp, adopts_dead);
	ATF_TP_ADD_TC(tp, adopts_without_launcher);
	ATF_TP_ADD_TC(tp, adopts_unknown);
	ATF_TP_ADD_TC(tp, adopts_start);
	ATF_TP_ADD_TC(tp, adopts_no_start);
	ATF_TP_ADD_TC(tp, version);
	ATF_TP_ADD_TC(tp, version_guest);
	ATF_TP_ADD_TC(tp, definition_without_uuid);

	return (atf_no_error());
}
