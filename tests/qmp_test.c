/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * QMP without a connection: lines, messages, events, commands, as a QEMU
 * writes them and as nobody should.
 */

#include <atf-c.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "monitord/qmp.h"

#define GREETING	"{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, " \
	"\"minor\": 2, \"major\": 7}, \"package\": \"Debian\"}, "	\
	"\"capabilities\": [\"oob\"]}}"
#define STAMP	"\"timestamp\": {\"seconds\": 1700000000, "		\
	"\"microseconds\": 123456}"

/* What a reader has found. */
struct lines {
	char	 text[512];		/* with a | after each */
	int	 n;
	int	 stop_at;
};

static int
add_line(void *arg, const char *line, size_t len)
{
	struct lines	*l = arg;
	size_t		 used = strlen(l->text);

	if (line == NULL) {
		line = "(skipped)";
		len = strlen(line);
	}
	snprintf(l->text + used, sizeof(l->text) - used, "%.*s|", (int)len,
	    line);
	return (++l->n == l->stop_at ? -1 : 0);
}

static int
feed(struct qmp_reader *r, const char *s, struct lines *l)
{
	return (qmp_reader_feed(r, s, strlen(s), add_line, l));
}

static struct qmp_msg
decoded(const char *line)
{
	struct qmp_msg	 m;
	const char	*why = "";

	ATF_REQUIRE_MSG(qmp_decode(line, strlen(line), &m, &why) == 0,
	    "%s: %s", line, why);
	return (m);
}

static void
check_refused(const char *line, size_t len, const char *want)
{
	struct qmp_msg	 m;
	const char	*why = "";

	ATF_CHECK_EQ_MSG(-1, qmp_decode(line, len, &m, &why), "%.60s", line);
	ATF_CHECK_STREQ(want, why);
	ATF_CHECK(m.root == NULL);
}

static void
check_bad(const char *line, const char *want)
{
	check_refused(line, strlen(line), want);
}

ATF_TC_WITHOUT_HEAD(lines_split_anywhere);
ATF_TC_BODY(lines_split_anywhere, tc)
{
	const char	*s = "{\"a\": 1}\r\n\n{\"b\": 2}\n{\"c\"}\r\n";
	size_t		 i, j, len = strlen(s);

	for (i = 0; i <= len; i++)
		for (j = i; j <= len; j++) {
			struct qmp_reader	r = { .max = 100 };
			struct lines		l = { 0 };

			ATF_REQUIRE_EQ(0, qmp_reader_feed(&r, s, i,
			    add_line, &l));
			ATF_REQUIRE_EQ(0, qmp_reader_feed(&r, s + i, j - i,
			    add_line, &l));
			ATF_REQUIRE_EQ(0, qmp_reader_feed(&r, s + j, len - j,
			    add_line, &l));
			ATF_REQUIRE_STREQ("{\"a\": 1}||{\"b\": 2}|{\"c\"}|",
			    l.text);
			ATF_CHECK(r.buf == NULL);
		}
}

ATF_TC_WITHOUT_HEAD(line_too_long);
ATF_TC_BODY(line_too_long, tc)
{
	struct qmp_reader	r = { .max = 8 };
	struct lines		l = { 0 };

	ATF_CHECK_EQ(0, feed(&r, "12345678\n1234", &l));
	ATF_CHECK_EQ(0, feed(&r, "5678", &l));
	ATF_CHECK_ERRNO(EMSGSIZE, feed(&r, "9", &l) == -1);
	ATF_CHECK_STREQ("12345678|", l.text);
	qmp_reader_clear(&r);
	ATF_CHECK_ERRNO(EMSGSIZE, feed(&r, "123456789\n", &l) == -1);
	qmp_reader_clear(&r);
}

/* Without a newline nothing is kept beyond the limit, however much comes. */
ATF_TC_WITHOUT_HEAD(line_without_end);
ATF_TC_BODY(line_without_end, tc)
{
	static char		zeros[16384];
	struct qmp_reader	r = { .max = QMP_LINE_BYTES };
	struct lines		l = { 0 };
	size_t			i;

	memset(zeros, 'x', sizeof(zeros));
	for (i = 0; i < 4; i++)
		ATF_REQUIRE_EQ(0, qmp_reader_feed(&r, zeros, sizeof(zeros),
		    add_line, &l));
	ATF_CHECK_ERRNO(EMSGSIZE, qmp_reader_feed(&r, zeros, sizeof(zeros),
	    add_line, &l) == -1);
	ATF_CHECK(r.size <= QMP_LINE_BYTES);
	qmp_reader_clear(&r);
}

ATF_TC_WITHOUT_HEAD(late_answer_is_skipped);
ATF_TC_BODY(late_answer_is_skipped, tc)
{
	static char		much[65536];
	struct qmp_reader	r = { .max = 100 };
	struct lines		l = { 0 };
	size_t			i;

	/* half of it is there when it becomes late */
	ATF_CHECK_EQ(0, feed(&r, "one\n0123456789", &l));
	r.max = 8;
	r.may_skip = 1;
	qmp_reader_trim(&r);
	ATF_CHECK(r.buf == NULL);
	ATF_CHECK_EQ(0, feed(&r, "01234567890123456789", &l));
	ATF_CHECK_EQ(0, feed(&r, "end\ntwo\n", &l));
	ATF_CHECK_STREQ("one|(skipped)|two|", l.text);

	/* it comes later, at once or in pieces; short ones are read */
	ATF_CHECK_EQ(0, feed(&r, "0123456789\nthree\n", &l));
	ATF_CHECK_EQ(0, feed(&r, "01234", &l));
	ATF_CHECK_EQ(0, feed(&r, "56789\nfour\n", &l));
	ATF_CHECK_STREQ("one|(skipped)|two|(skipped)|three|(skipped)|four|",
	    l.text);

	/* an end, too */
	memset(much, 'x', sizeof(much));
	for (i = 0; i < QMP_SKIP_BYTES / sizeof(much); i++)
		if (qmp_reader_feed(&r, much, sizeof(much), add_line,
		    &l) == -1)
			break;
	ATF_CHECK_EQ(EMSGSIZE, errno);
	ATF_CHECK(r.buf == NULL);
}

ATF_TC_WITHOUT_HEAD(reader_stops);
ATF_TC_BODY(reader_stops, tc)
{
	struct qmp_reader	r = { .max = 100 };
	struct lines		l = { .stop_at = 2 };

	ATF_CHECK_ERRNO(ECANCELED, feed(&r, "one\ntwo\nthree\n", &l) == -1);
	ATF_CHECK_STREQ("one|two|", l.text);
	qmp_reader_clear(&r);
}

ATF_TC_WITHOUT_HEAD(greeting);
ATF_TC_BODY(greeting, tc)
{
	struct qmp_msg	 m = decoded(GREETING);
	const char	*bad[] = {
		"{\"QMP\": 1}", "{\"QMP\": {}}",
		"{\"QMP\": {\"version\": {\"qemu\": {}}}}",
		"{\"QMP\": {\"version\": {\"qemu\": {\"major\": 1000, "
		    "\"minor\": 0, \"micro\": 0}}}}",
		"{\"QMP\": {\"version\": {\"qemu\": {\"major\": 7, "
		    "\"minor\": -1, \"micro\": 0}}}}",
		"{\"QMP\": {\"version\": {\"qemu\": {\"major\": 7, "
		    "\"minor\": \"2\", \"micro\": 0}}}}"
	};
	size_t		 i;

	ATF_CHECK_EQ(QMP_GREETING, m.kind);
	ATF_CHECK_EQ(7002022, m.version);
	qmp_msg_clear(&m);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		check_bad(bad[i], "a greeting without a version");
}

ATF_TC_WITHOUT_HEAD(answers);
ATF_TC_BODY(answers, tc)
{
	struct qmp_msg	m;

	m = decoded("{\"return\": {\"status\": \"paused\"}, \"id\": 17}");
	ATF_CHECK_EQ(QMP_RETURN, m.kind);
	ATF_CHECK(m.has_id && m.id == 17);
	ATF_CHECK(json_is_object(m.data));
	qmp_msg_clear(&m);

	m = decoded("{\"id\": 9007199254740992, \"error\": {\"class\": "
	    "\"GenericError\", \"desc\": \"no such thing\"}}");
	ATF_CHECK_EQ(QMP_ERROR, m.kind);
	ATF_CHECK(m.has_id && m.id == 9007199254740992);
	ATF_CHECK_STREQ("no such thing", m.text);
	qmp_msg_clear(&m);

	m = decoded("{\"error\": {\"desc\": \"bad JSON\"}}");
	ATF_CHECK(!m.has_id);
	qmp_msg_clear(&m);

	/* numbers that no int64_t holds are QEMU's right */
	m = decoded("{\"return\": 18446744073709551615, \"id\": 0}");
	qmp_msg_clear(&m);

	check_bad("{}", "neither greeting, event nor answer");
	check_bad("{\"return\": {}, \"error\": {\"desc\": \"\"}}",
	    "neither greeting, event nor answer");
	check_bad("{\"return\": {}, \"id\": \"1\"}",
	    "an answer of a form that no QEMU gives");
	check_bad("{\"return\": {}, \"id\": -1}",
	    "an answer of a form that no QEMU gives");
	check_bad("{\"return\": {}, \"id\": 1.5}",
	    "an answer of a form that no QEMU gives");
	check_bad("{\"return\": {}, \"id\": 1e300}",
	    "an answer of a form that no QEMU gives");
	check_bad("{\"error\": \"no\", \"id\": 1}",
	    "an answer of a form that no QEMU gives");
	check_bad("{\"error\": {\"desc\": 1}, \"id\": 1}",
	    "an answer of a form that no QEMU gives");
}

ATF_TC_WITHOUT_HEAD(not_json);
ATF_TC_BODY(not_json, tc)
{
	check_bad("", "not JSON");
	check_bad("hello", "not JSON");
	check_bad("{\"return\": {}", "not JSON");
	check_bad("{\"return\": {}} x", "not JSON");
	check_bad("{\"return\": {}, \"return\": {}}", "not JSON");
	check_bad("{\"return\": \"\xff\xfe\"}", "not JSON");
	check_bad("{\"return\": \"\xed\xa0\x80\"}", "not JSON");
	check_bad("{\"return\": \"\\u0000\"}", "not JSON");
	check_bad("{\"return\": \"\x01\"}", "not JSON");
	check_bad("{\"return\": \"\\\"}", "not JSON");
	check_refused("{\"return\": {}}\0", 15, "not JSON");
	check_refused("\0\0\0", 3, "not JSON");
	check_bad("[]", "not an object");
}

static char *
repeat(const char *head, const char *s, size_t n, const char *tail)
{
	char	*p;
	size_t	 i, len = strlen(s), at = strlen(head);

	ATF_REQUIRE((p = malloc(at + n * len + strlen(tail) + 1)) != NULL);
	memcpy(p, head, at);
	for (i = 0; i < n; i++, at += len)
		memcpy(p + at, s, len);
	strcpy(p + at, tail);
	return (p);
}

static void
check_repeated(const char *head, const char *s, size_t n, const char *tail,
    const char *want)
{
	struct qmp_msg	 m;
	const char	*why = NULL;
	char		*p = repeat(head, s, n, tail);

	if (qmp_decode(p, strlen(p), &m, &why) == 0) {
		qmp_msg_clear(&m);
		why = NULL;
	}
	ATF_CHECK_MSG(want == NULL ? why == NULL :
	    why != NULL && strcmp(why, want) == 0,
	    "%zu times %s: %s", n, s, why != NULL ? why : "taken");
	free(p);
}

ATF_TC_WITHOUT_HEAD(bombs);
ATF_TC_BODY(bombs, tc)
{
	const char	*ret = "{\"id\":1,\"return\":";

	/* one level is the answer itself */
	check_repeated(ret, "[", QMP_DEPTH_MAX - 1, "", "not JSON");
	check_repeated(ret, "[", QMP_DEPTH_MAX, "", "nested too deeply");
	check_repeated("", "[", 1000000, "", "nested too deeply");
	check_repeated("", "{\"a\":", 1000000, "", "nested too deeply");
	/* what is quoted has no depth */
	check_repeated("{\"id\":1,\"return\":\"\\\"", "[{", 1000, "\"}",
	    NULL);
	/* many small things */
	check_repeated("{\"id\":1,\"return\":[0", ",{}",
	    QMP_OBJECTS_MAX - 2, "]}", NULL);
	check_repeated("{\"id\":1,\"return\":[0", ",{}", QMP_OBJECTS_MAX,
	    "]}", "too many values in one line");
	check_repeated("{\"id\":1,\"return\":[0", ",[]", QMP_OBJECTS_MAX,
	    "]}", "too many values in one line");
	check_repeated("{\"id\":1,\"return\":[0", ",1",
	    QMP_VALUES_MAX - 4, "]}", NULL);
	check_repeated("{\"id\":1,\"return\":[0", ",1", QMP_VALUES_MAX,
	    "]}", "too many values in one line");
}

/* The event that a line is, or kind 0. */
static struct msg_guest_event
event(const char *name, const char *data, char text[MSG_NAME_MAX + 1])
{
	struct msg_guest_event	 e = { 0 };
	struct qmp_msg		 m;
	char			 line[1024];

	snprintf(line, sizeof(line), "{" STAMP ", \"event\": \"%s\"%s%s}",
	    name, *data != '\0' ? ", \"data\": " : "", data);
	m = decoded(line);
	ATF_CHECK_EQ(QMP_EVENT, m.kind);
	switch (qmp_event(&m, &e, text)) {
	case 1:
		ATF_CHECK_EQ(1700000000, e.seconds);
		ATF_CHECK_EQ(123456, e.micros);
		ATF_CHECK(e.text == text);
		break;
	case 0:
		e.kind = 0;
		break;
	default:
		e.kind = -1;
	}
	qmp_msg_clear(&m);
	return (e);
}

ATF_TC_WITHOUT_HEAD(events);
ATF_TC_BODY(events, tc)
{
	static const struct {
		const char	*name;
		const char	*data;
		int		 kind;
		unsigned int	 detail;
		int64_t		 offset;
		const char	*text;
	} want[] = {
		{ "SHUTDOWN", "{\"guest\": true, \"reason\": "
		    "\"guest-shutdown\"}", EV_SHUTDOWN, 1, 0,
		    "guest-shutdown" },
		{ "SHUTDOWN", "{\"guest\": false, \"reason\": "
		    "\"host-qmp-quit\"}", EV_SHUTDOWN, 0, 0,
		    "host-qmp-quit" },
		{ "SHUTDOWN", "", EV_SHUTDOWN, 0, 0, "" },
		{ "SHUTDOWN", "{\"guest\": 1}", -1, 0, 0, "" },
		{ "RESET", "{\"guest\": true, \"reason\": \"guest-reset\"}",
		    EV_RESET, 1, 0, "guest-reset" },
		{ "STOP", "", EV_STOP, 0, 0, "" },
		{ "RESUME", "", EV_RESUME, 0, 0, "" },
		{ "POWERDOWN", "", EV_POWERDOWN, 0, 0, "" },
		{ "SUSPEND", "", EV_SUSPEND, 0, 0, "" },
		{ "SUSPEND_DISK", "", EV_SUSPEND, 1, 0, "" },
		{ "WAKEUP", "", EV_WAKEUP, 0, 0, "" },
		{ "WATCHDOG", "{\"action\": \"reset\"}", EV_WATCHDOG, 0, 0,
		    "reset" },
		{ "WATCHDOG", "{\"action\": 7}", -1, 0, 0, "" },
		{ "GUEST_PANICKED", "{\"action\": \"pause\", \"info\": "
		    "{\"type\": \"hyper-v\", \"arg1\": "
		    "18446744073709551615}}", EV_PANICKED, 0, 0, "pause" },
		{ "BLOCK_IO_ERROR", "{\"device\": \"\", \"node-name\": "
		    "\"libvirt-1\", \"operation\": \"write\", \"action\": "
		    "\"stop\", \"nospace\": true, \"reason\": \"full\"}",
		    EV_IO_ERROR, EV_IO_STOPPED | EV_IO_NOSPACE, 0,
		    "libvirt-1" },
		{ "BLOCK_IO_ERROR", "{\"device\": \"drive0\", \"action\": "
		    "\"ignore\"}", EV_IO_ERROR, EV_IO_IGNORED, 0, "drive0" },
		{ "BLOCK_IO_ERROR", "{\"device\": \"drive0\", \"action\": "
		    "\"report\"}", EV_IO_ERROR, 0, 0, "drive0" },
		{ "BLOCK_IO_ERROR", "{\"device\": {}}", -1, 0, 0, "" },
		{ "RTC_CHANGE", "{\"offset\": -3600}", EV_RTC_CHANGE, 0,
		    -3600, "" },
		{ "RTC_CHANGE", "", -1, 0, 0, "" },
		{ "RTC_CHANGE", "{\"offset\": 1e300}", -1, 0, 0, "" },
		{ "NIC_RX_FILTER_CHANGED", "{\"path\": \"x\"}", 0, 0, 0, "" },
		{ "", "", 0, 0, 0, "" }
	};
	struct msg_guest_event	 e;
	char			 text[MSG_NAME_MAX + 1];
	size_t			 i;

	for (i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		e = event(want[i].name, want[i].data, text);
		ATF_CHECK_EQ_MSG(want[i].kind, (int)e.kind, "%s %s: %d",
		    want[i].name, want[i].data, (int)e.kind);
		if (want[i].kind <= 0)
			continue;
		ATF_CHECK_EQ(want[i].detail, e.detail);
		ATF_CHECK_EQ(want[i].offset, e.offset);
		ATF_CHECK_STREQ(want[i].text, text);
	}
	check_bad("{\"event\": \"STOP\"}",
	    "an event without name, data or time");
	check_bad("{" STAMP ", \"event\": 1}",
	    "an event without name, data or time");
	check_bad("{" STAMP ", \"event\": \"STOP\", \"data\": []}",
	    "an event without name, data or time");
	check_bad("{\"event\": \"STOP\", \"timestamp\": {\"seconds\": 1, "
	    "\"microseconds\": 1000000}}",
	    "an event without name, data or time");
}

/* A QEMU without a clock says -1. */
ATF_TC_WITHOUT_HEAD(event_without_clock);
ATF_TC_BODY(event_without_clock, tc)
{
	struct qmp_msg	m;

	m = decoded("{\"event\": \"STOP\", \"timestamp\": {\"seconds\": -1, "
	    "\"microseconds\": -1}}");
	ATF_CHECK(m.seconds == 0 && m.micros == 0);
	qmp_msg_clear(&m);
}

ATF_TC_WITHOUT_HEAD(states);
ATF_TC_BODY(states, tc)
{
	static const struct {
		const char		*name;
		enum msg_runstate	 state;
	} want[] = {
		{ "running", RUN_RUNNING }, { "paused", RUN_PAUSED },
		{ "prelaunch", RUN_PRELAUNCH }, { "shutdown", RUN_SHUTDOWN },
		{ "guest-panicked", RUN_PANICKED },
		{ "io-error", RUN_IO_ERROR }, { "watchdog", RUN_WATCHDOG },
		{ "suspended", RUN_SUSPENDED }, { "inmigrate", RUN_MIGRATING },
		{ "internal-error", RUN_INTERNAL_ERROR },
		{ "of a later QEMU", RUN_UNKNOWN }
	};
	enum msg_runstate	 state;
	json_t			*o;
	size_t			 i;

	for (i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		o = json_pack("{s:s,s:b}", "status", want[i].name,
		    "running", 0);
		ATF_CHECK_EQ(0, qmp_status(o, &state));
		ATF_CHECK_EQ(want[i].state, state);
		json_decref(o);
	}
	o = json_pack("{s:i}", "status", 1);
	ATF_CHECK_EQ(-1, qmp_status(o, &state));
	json_decref(o);
	ATF_CHECK_EQ(-1, qmp_status(NULL, &state));
}

static void
check_command(const char *want, char *line, size_t len)
{
	ATF_REQUIRE(line != NULL);
	ATF_CHECK_EQ(strlen(want), len);
	ATF_CHECK_MSG(strlen(want) == len && memcmp(want, line, len) == 0,
	    "%.*s", (int)len, line);
	freezero(line, len);
}

ATF_TC_WITHOUT_HEAD(commands);
ATF_TC_BODY(commands, tc)
{
	char	*line;
	size_t	 len;

	line = qmp_command("cont", NULL, 7, &len);
	check_command("{\"execute\":\"cont\",\"id\":7}\n", line, len);
	line = qmp_command("human-monitor-command", json_pack("{s:s}",
	    "command-line", "info \"x\"\n\xc3\xa4"), 8, &len);
	check_command("{\"execute\":\"human-monitor-command\",\"arguments\":"
	    "{\"command-line\":\"info \\\"x\\\"\\n\\u00E4\"},\"id\":8}\n",
	    line, len);
}

ATF_TC_WITHOUT_HEAD(passthrough);
ATF_TC_BODY(passthrough, tc)
{
	static const struct {
		const char	*json;
		const char	*why;
	} bad[] = {
		{ "", "the command is not valid JSON" },
		{ "{", "the command is not valid JSON" },
		{ "{\"execute\":\"a\"}{}", "the command is not valid JSON" },
		{ "{\"execute\":\"a\",\"execute\":\"b\"}",
		    "the command is not valid JSON" },
		{ "{\"execute\":\"\xff\"}", "the command is not valid JSON" },
		{ "[]", "the command is not a JSON object" },
		{ "{}", "the command has no \"execute\" with its name" },
		{ "{\"execute\":1}",
		    "the command has no \"execute\" with its name" },
		{ "{\"exec-oob\":\"x\",\"execute\":\"x\"}",
		    "\"exec-oob\" is not supported: use \"execute\"" }
	};
	const char	*why;
	char		*line, *deep;
	size_t		 i, len;

	line = qmp_passthrough(" { \"id\": \"libvirt-1\",\n \"execute\": "
	    "\"object-add\", \"arguments\": {\"size\": 9223372036854775807, "
	    "\"n\": null, \"e\": 1e2} } ", 9, &len, &why);
	check_command("{\"id\":9,\"execute\":\"object-add\",\"arguments\":"
	    "{\"size\":9223372036854775807,\"n\":null,\"e\":100.0}}\n",
	    line, len);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		why = "";
		ATF_CHECK(qmp_passthrough(bad[i].json, 1, &len,
		    &why) == NULL);
		ATF_CHECK_STREQ(bad[i].why, why);
	}
	deep = repeat("", "[", 40000, "");
	ATF_CHECK(qmp_passthrough(deep, 1, &len, &why) == NULL);
	ATF_CHECK_STREQ("nested too deeply", why);
	free(deep);
}

ATF_TC_WITHOUT_HEAD(text);
ATF_TC_BODY(text, tc)
{
	static const struct {
		const char	*from;
		size_t		 size;
		const char	*to;
	} want[] = {
		{ "", 8, "" },
		{ "plain", 8, "plain" },
		{ "1234567", 8, "1234567" },
		{ "12345678", 8, "1234567" },
		{ "two\r\nlines\n", 64, "two lines" },
		{ "\033[2Jclear\177", 64, "[2Jclear" },
		{ "a\xc2\x9b" "b", 64, "a b" },
		{ "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 10,
		    "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80" },
		{ "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 9,
		    "\xc3\xa4\xe2\x82\xac" },
		{ "\xc3\xa4\xe2\x82\xac", 5, "\xc3\xa4" },
		{ "x", 1, "" }
	};
	char	buf[64];
	size_t	i;

	for (i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		memset(buf, 'Z', sizeof(buf));
		qmp_text(buf, want[i].size, want[i].from);
		ATF_CHECK_STREQ(want[i].to, buf);
		if (want[i].size < sizeof(buf))
			ATF_CHECK_EQ('Z', buf[want[i].size]);
	}
}

ATF_TC_WITHOUT_HEAD(compact);
ATF_TC_BODY(compact, tc)
{
	const char	*s = "{\"return\": [1, \"a \\\" b\\\\\", {} ],\t"
	    "\"id\": 18446744073709551615 }";
	const char	*want = "{\"return\":[1,\"a \\\" b\\\\\",{}],"
	    "\"id\":18446744073709551615}";
	char		 buf[128];

	ATF_CHECK_EQ(strlen(want), qmp_compact(buf, s, strlen(s)));
	ATF_CHECK_EQ(0, memcmp(want, buf, strlen(want)));
}

ATF_TP_ADD_TCS(tp)
{
	qmp_setup();
	ATF_TP_ADD_TC(tp, lines_split_anywhere);
	ATF_TP_ADD_TC(tp, line_too_long);
	ATF_TP_ADD_TC(tp, line_without_end);
	ATF_TP_ADD_TC(tp, late_answer_is_skipped);
	ATF_TP_ADD_TC(tp, reader_stops);
	ATF_TP_ADD_TC(tp, greeting);
	ATF_TP_ADD_TC(tp, answers);
	ATF_TP_ADD_TC(tp, not_json);
	ATF_TP_ADD_TC(tp, bombs);
	ATF_TP_ADD_TC(tp, events);
	ATF_TP_ADD_TC(tp, event_without_clock);
	ATF_TP_ADD_TC(tp, states);
	ATF_TP_ADD_TC(tp, commands);
	ATF_TP_ADD_TC(tp, passthrough);
	ATF_TP_ADD_TC(tp, text);
	ATF_TP_ADD_TC(tp, compact);
	return (atf_no_error());
}
