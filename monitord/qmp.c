/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "monitord/qmp.h"

#define QMP_READER_BYTES	4096		/* first size of its buffer */
#define QMP_EXACT_MAX		9007199254740992.0	/* 2^53 */

struct qmp_event_row {
	const char		*name;
	enum msg_event_kind	 kind;
	unsigned int		 detail;
	/* the rest of its data; -1 if that is not as it must be */
	int			(*fill)(const json_t *,
				    struct msg_guest_event *, char *);
};

static int	 qmp_reader_keep(struct qmp_reader *, const char *, size_t);
static int	 qmp_reader_line(struct qmp_reader *, const char *, size_t,
		    qmp_line_fn *, void *);
static int	 qmp_scan(const char *, size_t, const char **);
static int	 qmp_decode_greeting(const json_t *, struct qmp_msg *);
static int	 qmp_decode_answer(const json_t *, struct qmp_msg *,
		    const char **);
static int	 qmp_decode_event(const json_t *, struct qmp_msg *);
static int	 qmp_number(const json_t *, const char *, double, double,
		    double *);
static int	 qmp_string(const json_t *, const char *, const char **);
static int	 qmp_flag(const json_t *, const char *, int *);
static int	 event_by_guest(const json_t *, struct msg_guest_event *,
		    char *);
static int	 event_action(const json_t *, struct msg_guest_event *, char *);
static int	 event_io_error(const json_t *, struct msg_guest_event *,
		    char *);
static int	 event_offset(const json_t *, struct msg_guest_event *, char *);
static void	*qmp_alloc(size_t);
static void	 qmp_release(void *);
static char	*qmp_dump(const json_t *, size_t *);

/* What qemud wants to hear of. */
static const struct qmp_event_row qmp_events[] = {
	{ "SHUTDOWN",		EV_SHUTDOWN,	0, event_by_guest },
	{ "RESET",		EV_RESET,	0, event_by_guest },
	{ "STOP",		EV_STOP,	0, NULL },
	{ "RESUME",		EV_RESUME,	0, NULL },
	{ "POWERDOWN",		EV_POWERDOWN,	0, NULL },
	{ "SUSPEND",		EV_SUSPEND,	0, NULL },
	{ "SUSPEND_DISK",	EV_SUSPEND,	1, NULL },
	{ "WAKEUP",		EV_WAKEUP,	0, NULL },
	{ "WATCHDOG",		EV_WATCHDOG,	0, event_action },
	{ "GUEST_PANICKED",	EV_PANICKED,	0, event_action },
	{ "BLOCK_IO_ERROR",	EV_IO_ERROR,	0, event_io_error },
	{ "RTC_CHANGE",		EV_RTC_CHANGE,	0, event_offset }
};

static const struct {
	const char		*name;
	enum msg_runstate	 state;
} qmp_states[] = {
	{ "running",		RUN_RUNNING },
	{ "paused",		RUN_PAUSED },
	{ "prelaunch",		RUN_PRELAUNCH },
	{ "shutdown",		RUN_SHUTDOWN },
	{ "guest-panicked",	RUN_PANICKED },
	{ "io-error",		RUN_IO_ERROR },
	{ "watchdog",		RUN_WATCHDOG },
	{ "suspended",		RUN_SUSPENDED },
	{ "inmigrate",		RUN_MIGRATING },
	{ "finish-migrate",	RUN_MIGRATING },
	{ "postmigrate",	RUN_PAUSED },
	{ "save-vm",		RUN_PAUSED },
	{ "restore-vm",		RUN_PAUSED },
	{ "debug",		RUN_PAUSED },
	{ "colo",		RUN_RUNNING },
	{ "internal-error",	RUN_INTERNAL_ERROR }
};

#define NITEMS(a)	(sizeof(a) / sizeof((a)[0]))

void
qmp_setup(void)
{
	/* passwords pass through here, both ways */
	json_set_alloc_funcs(qmp_alloc, qmp_release);
	/* else the library opens /dev/urandom when the first object comes */
	json_object_seed(arc4random() | 1);
}

static void *
qmp_alloc(size_t size)
{
	return (malloc(size));
}

static void
qmp_release(void *p)
{
	if (p == NULL)
		return;
	explicit_bzero(p, malloc_usable_size(p));
	free(p);
}

/* --- from bytes to lines ------------------------------------------------- */

int
qmp_reader_feed(struct qmp_reader *r, const char *data, size_t len,
    qmp_line_fn *fn, void *arg)
{
	const char	*nl;
	size_t		 n;

	while (len > 0) {
		nl = memchr(data, '\n', len);
		n = nl != NULL ? (size_t)(nl - data) : len;
		if (r->skipped > 0 || r->len + n > r->max) {
			if (!r->may_skip && r->skipped == 0) {
				errno = EMSGSIZE;
				return (-1);
			}
			/* ends, too: a line that never does is no answer */
			r->skipped += r->len + n + 1;
			qmp_reader_clear(r);
			if (r->skipped > QMP_SKIP_BYTES) {
				errno = EMSGSIZE;
				return (-1);
			}
		} else if (nl == NULL)
			return (qmp_reader_keep(r, data, n));
		if (nl == NULL)
			return (0);
		if (qmp_reader_line(r, data, n, fn, arg) == -1)
			return (-1);
		data = nl + 1;
		len -= n + 1;
	}
	return (0);
}

/* A line is complete: what was kept of it, and the n bytes at data. */
static int
qmp_reader_line(struct qmp_reader *r, const char *data, size_t n,
    qmp_line_fn *fn, void *arg)
{
	struct qmp_reader	 line = { 0 };
	int			 ret;

	if (r->skipped > 0) {
		r->skipped = 0;
		ret = fn(arg, NULL, 0);
	} else {
		if (r->len > 0) {
			if (qmp_reader_keep(r, data, n) == -1)
				return (-1);
			/* fn may end the reader */
			line = *r;
			r->buf = NULL;
			r->len = r->size = 0;
			data = line.buf;
			n = line.len;
		}
		if (n > 0 && data[n - 1] == '\r')
			n--;
		ret = fn(arg, data, n);
		qmp_reader_clear(&line);
	}
	if (ret == -1)
		errno = ECANCELED;
	return (ret);
}

static int
qmp_reader_keep(struct qmp_reader *r, const char *data, size_t n)
{
	size_t	 size;
	char	*buf;

	if (n == 0)
		return (0);
	size = r->size > 0 ? r->size : QMP_READER_BYTES;
	while (size < r->len + n)
		size *= 2;
	if (size > r->size) {
		if ((buf = recallocarray(r->buf, r->size, size, 1)) == NULL)
			return (-1);
		r->buf = buf;
		r->size = size;
	}
	memcpy(r->buf + r->len, data, n);
	r->len += n;
	return (0);
}

void
qmp_reader_trim(struct qmp_reader *r)
{
	if (r->len <= r->max)
		return;
	r->skipped = r->len;
	qmp_reader_clear(r);
}

void
qmp_reader_clear(struct qmp_reader *r)
{
	freezero(r->buf, r->size);
	r->buf = NULL;
	r->len = r->size = 0;
}

/* --- from a line to a message -------------------------------------------- */

/*
 * Bounds what the parse of this text can cost, in stack and in memory,
 * before there is one.  Whether it is JSON at all is the parser's question.
 */
static int
qmp_scan(const char *p, size_t len, const char **why)
{
	size_t	 i, objects = 0, values = 0;
	int	 depth = 0, quoted = 0;

	for (i = 0; i < len; i++) {
		if (quoted) {
			if (p[i] == '\\')
				i++;
			else if (p[i] == '"')
				quoted = 0;
			continue;
		}
		switch (p[i]) {
		case '"':
			quoted = 1;
			break;
		case '{':
		case '[':
			if (++depth > QMP_DEPTH_MAX) {
				*why = "nested too deeply";
				return (-1);
			}
			objects++;
			values++;
			break;
		case '}':
		case ']':
			depth--;
			break;
		case ',':
			values++;
			break;
		}
		if (objects > QMP_OBJECTS_MAX || values > QMP_VALUES_MAX) {
			*why = "too many values in one line";
			return (-1);
		}
	}
	return (0);
}

int
qmp_decode(const char *line, size_t len, struct qmp_msg *m, const char **why)
{
	const json_t	*o;
	int		 ret = -1;

	memset(m, 0, sizeof(*m));
	if (qmp_scan(line, len, why) == -1)
		return (-1);
	/*
	 * QEMU prints unsigned 64 bit numbers, some of them the guest's
	 * choice, that do not fit into the library's integers.
	 */
	m->root = json_loadb(line, len, JSON_REJECT_DUPLICATES |
	    JSON_DECODE_INT_AS_REAL, NULL);
	if (m->root == NULL) {
		*why = "not JSON";
		return (-1);
	}
	if (!json_is_object(m->root)) {
		*why = "not an object";
		goto out;
	}
	if ((o = json_object_get(m->root, "QMP")) != NULL) {
		m->kind = QMP_GREETING;
		*why = "a greeting without a version";
		ret = qmp_decode_greeting(o, m);
	} else if ((o = json_object_get(m->root, "event")) != NULL) {
		m->kind = QMP_EVENT;
		*why = "an event without name, data or time";
		ret = qmp_decode_event(o, m);
	} else
		ret = qmp_decode_answer(m->root, m, why);

 out:
	if (ret == -1)
		qmp_msg_clear(m);
	return (ret);
}

void
qmp_msg_clear(struct qmp_msg *m)
{
	json_decref(m->root);
	memset(m, 0, sizeof(*m));
}

static int
qmp_decode_greeting(const json_t *o, struct qmp_msg *m)
{
	const json_t	*v;
	double		 major, minor, micro;

	v = json_object_get(json_object_get(o, "version"), "qemu");
	if (qmp_number(v, "major", 0, 999, &major) != 1 ||
	    qmp_number(v, "minor", 0, 999, &minor) != 1 ||
	    qmp_number(v, "micro", 0, 999, &micro) != 1)
		return (-1);
	m->version = (unsigned int)major * 1000000 +
	    (unsigned int)minor * 1000 + (unsigned int)micro;
	return (0);
}

static int
qmp_decode_answer(const json_t *root, struct qmp_msg *m, const char **why)
{
	json_t	*ret, *error;
	double	 id;

	ret = json_object_get(root, "return");
	error = json_object_get(root, "error");
	if ((ret == NULL) == (error == NULL)) {
		*why = "neither greeting, event nor answer";
		return (-1);
	}
	*why = "an answer of a form that no QEMU gives";
	m->has_id = qmp_number(root, "id", 0, QMP_EXACT_MAX, &id);
	if (m->has_id == -1)
		return (-1);
	if (m->has_id)
		m->id = (uint64_t)id;
	if (ret != NULL) {
		m->kind = QMP_RETURN;
		m->data = ret;
		return (0);
	}
	m->kind = QMP_ERROR;
	return (qmp_string(error, "desc", &m->text) == 1 ? 0 : -1);
}

static int
qmp_decode_event(const json_t *name, struct qmp_msg *m)
{
	const json_t	*stamp;
	double		 seconds, micros;

	m->text = json_string_value(name);
	m->data = json_object_get(m->root, "data");
	stamp = json_object_get(m->root, "timestamp");
	/* QEMU says -1 if it has no clock */
	if (m->text == NULL || (m->data != NULL && !json_is_object(m->data)) ||
	    qmp_number(stamp, "seconds", -1, QMP_EXACT_MAX, &seconds) != 1 ||
	    qmp_number(stamp, "microseconds", -1, 999999, &micros) != 1)
		return (-1);
	m->seconds = seconds < 0 ? 0 : (uint64_t)seconds;
	m->micros = micros < 0 ? 0 : (unsigned int)micros;
	return (0);
}

/*
 * Members of an object: 1 if it is there, 0 if not, -1 if it is something
 * else.
 */
static int
qmp_number(const json_t *o, const char *key, double min, double max,
    double *val)
{
	const json_t	*v;

	if ((v = json_object_get(o, key)) == NULL)
		return (0);
	if (!json_is_number(v))
		return (-1);
	*val = json_number_value(v);
	if (!(*val >= min && *val <= max) || (double)(int64_t)*val != *val)
		return (-1);
	return (1);
}

static int
qmp_string(const json_t *o, const char *key, const char **val)
{
	const json_t	*v;

	if ((v = json_object_get(o, key)) == NULL)
		return (0);
	return ((*val = json_string_value(v)) != NULL ? 1 : -1);
}

static int
qmp_flag(const json_t *o, const char *key, int *val)
{
	const json_t	*v;

	if ((v = json_object_get(o, key)) == NULL)
		return (0);
	*val = json_is_true(v);
	return (json_is_boolean(v) ? 1 : -1);
}

int
qmp_status(const json_t *o, enum msg_runstate *state)
{
	const char	*name;
	size_t		 i;

	if (qmp_string(o, "status", &name) != 1)
		return (-1);
	*state = RUN_UNKNOWN;
	for (i = 0; i < NITEMS(qmp_states); i++)
		if (strcmp(name, qmp_states[i].name) == 0)
			*state = qmp_states[i].state;
	return (0);
}

int
qmp_event(const struct qmp_msg *m, struct msg_guest_event *e,
    char text[MSG_NAME_MAX + 1])
{
	const struct qmp_event_row	*row;
	size_t				 i;

	for (i = 0; i < NITEMS(qmp_events); i++)
		if (strcmp(m->text, qmp_events[i].name) == 0)
			break;
	if (i == NITEMS(qmp_events))
		return (0);
	row = &qmp_events[i];
	memset(e, 0, sizeof(*e));
	text[0] = '\0';
	e->kind = row->kind;
	e->detail = row->detail;
	e->seconds = m->seconds;
	e->micros = m->micros;
	e->text = text;
	if (row->fill != NULL && row->fill(m->data, e, text) == -1)
		return (-1);
	return (1);
}

static int
event_by_guest(const json_t *data, struct msg_guest_event *e, char *text)
{
	const char	*reason = "";
	int		 guest = 0;

	if (qmp_flag(data, "guest", &guest) == -1 ||
	    qmp_string(data, "reason", &reason) == -1)
		return (-1);
	e->detail = guest;
	qmp_text(text, MSG_NAME_MAX + 1, reason);
	return (0);
}

static int
event_action(const json_t *data, struct msg_guest_event *e, char *text)
{
	const char	*action = "";

	if (qmp_string(data, "action", &action) == -1)
		return (-1);
	qmp_text(text, MSG_NAME_MAX + 1, action);
	return (0);
}

static int
event_io_error(const json_t *data, struct msg_guest_event *e, char *text)
{
	const char	*action = "", *device = "";
	int		 nospace = 0;

	if (qmp_string(data, "action", &action) == -1 ||
	    qmp_string(data, "device", &device) == -1 ||
	    qmp_flag(data, "nospace", &nospace) == -1)
		return (-1);
	/* a drive of -blockdev has a node, and no device name */
	if (*device == '\0' && qmp_string(data, "node-name", &device) == -1)
		return (-1);
	if (strcmp(action, "stop") == 0)
		e->detail |= EV_IO_STOPPED;
	else if (strcmp(action, "ignore") == 0)
		e->detail |= EV_IO_IGNORED;
	if (nospace)
		e->detail |= EV_IO_NOSPACE;
	qmp_text(text, MSG_NAME_MAX + 1, device);
	return (0);
}

static int
event_offset(const json_t *data, struct msg_guest_event *e, char *text)
{
	double	offset;

	if (qmp_number(data, "offset", -QMP_EXACT_MAX, QMP_EXACT_MAX,
	    &offset) != 1)
		return (-1);
	e->offset = (int64_t)offset;
	return (0);
}

/* --- from values to a command -------------------------------------------- */

char *
qmp_command(const char *execute, json_t *args, uint64_t id, size_t *len)
{
	json_t	*o;
	char	*line;

	if (args != NULL)
		o = json_pack("{s:s,s:o,s:I}", "execute", execute,
		    "arguments", args, "id", (json_int_t)id);
	else
		o = json_pack("{s:s,s:I}", "execute", execute,
		    "id", (json_int_t)id);
	if (o == NULL) {
		errno = ENOMEM;
		return (NULL);
	}
	line = qmp_dump(o, len);
	json_decref(o);
	return (line);
}

char *
qmp_passthrough(const char *json, uint64_t id, size_t *len, const char **why)
{
	json_t	*o;
	char	*line = NULL;

	if (qmp_scan(json, strlen(json), why) == -1)
		return (NULL);
	*why = "the command is not valid JSON";
	if ((o = json_loads(json, JSON_REJECT_DUPLICATES, NULL)) == NULL)
		return (NULL);
	if (!json_is_object(o))
		*why = "the command is not a JSON object";
	else if (json_object_get(o, "exec-oob") != NULL)
		*why = "\"exec-oob\" is not supported: use \"execute\"";
	else if (!json_is_string(json_object_get(o, "execute")))
		*why = "the command has no \"execute\" with its name";
	else {
		*why = "out of memory";
		if (json_object_set_new(o, "id", json_integer(id)) == 0)
			line = qmp_dump(o, len);
	}
	json_decref(o);
	return (line);
}

static char *
qmp_dump(const json_t *o, size_t *len)
{
	/* QEMU answers what it cannot read without saying which it was */
	const size_t	 flags = JSON_COMPACT | JSON_ENSURE_ASCII;
	size_t		 n;
	char		*line;

	if ((n = json_dumpb(o, NULL, 0, flags)) == 0) {
		errno = ENOMEM;
		return (NULL);
	}
	if ((line = malloc(n + 1)) == NULL)
		return (NULL);
	json_dumpb(o, line, n, flags);
	line[n] = '\n';
	*len = n + 1;
	return (line);
}

/* --- text ---------------------------------------------------------------- */

void
qmp_text(char *dst, size_t size, const char *src)
{
	const unsigned char	*s = (const unsigned char *)src;
	size_t			 n, used = 0;
	int			 blank = 0;

	while (*s != '\0') {
		/* C0, DEL, and C1 in its form of two bytes */
		if (*s < 0x20 || *s == 0x7f) {
			blank = 1;
			s++;
			continue;
		}
		if (*s == 0xc2 && s[1] >= 0x80 && s[1] < 0xa0) {
			blank = 1;
			s += 2;
			continue;
		}
		/* the character's first byte, and those that continue it */
		for (n = 1; (s[n] & 0xc0) == 0x80; n++)
			;
		if (used + blank + n >= size)
			break;
		if (blank && used > 0)
			dst[used++] = ' ';
		blank = 0;
		memcpy(dst + used, s, n);
		used += n;
		s += n;
	}
	dst[used] = '\0';
}

size_t
qmp_compact(char *dst, const char *src, size_t len)
{
	size_t	 i, n = 0;
	int	 quoted = 0;

	for (i = 0; i < len; i++) {
		if (quoted) {
			if (src[i] == '\\' && i + 1 < len)
				dst[n++] = src[i++];
			else if (src[i] == '"')
				quoted = 0;
		} else if (src[i] == '"')
			quoted = 1;
		else if (strchr(" \t\r\n", src[i]) != NULL)
			continue;
		dst[n++] = src[i];
	}
	return (n);
}
