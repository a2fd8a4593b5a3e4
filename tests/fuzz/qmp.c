/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * What a hostile QEMU writes to its monitor, and what a client writes as a
 * command.  The first byte says which, and where the bytes are cut in two.
 */

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "monitord/qmp.h"

#define LINE_BYTES	4096		/* small, so that it is reached */

int		LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static int	take_line(void *, const char *, size_t);
static void	take_message(const struct qmp_msg *);
static void	take_command(const char *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static int		 ready;
	struct qmp_reader	 r = { .max = LINE_BYTES };
	const char		*p = (const char *)data;
	size_t			 cut;

	if (!ready) {
		qmp_setup();
		ready = 1;
	}
	if (len == 0)
		return (0);
	if (*data >= 0xf0) {
		take_command(p + 1, len - 1);
		return (0);
	}
	cut = (len - 1) * (*data & 0x7f) / 0x7f;
	r.may_skip = *data >= 0x80;
	if (qmp_reader_feed(&r, p + 1, cut, take_line, &r) == 0)
		qmp_reader_feed(&r, p + 1 + cut, len - 1 - cut, take_line,
		    &r);
	assert(r.len <= r.max && r.size <= 2 * LINE_BYTES);
	qmp_reader_clear(&r);
	return (0);
}

static int
take_line(void *arg, const char *line, size_t len)
{
	struct qmp_msg	 m, again;
	const char	*why = NULL;
	char		*compact;
	size_t		 n;

	if (line == NULL)
		return (0);
	if (qmp_decode(line, len, &m, &why) == -1) {
		assert(why != NULL && m.root == NULL);
		return (-1);
	}
	take_message(&m);
	/* without its blanks it is the same */
	if ((compact = malloc(len)) == NULL)
		abort();
	n = qmp_compact(compact, line, len);
	assert(n <= len && qmp_decode(compact, n, &again, &why) == 0);
	assert(json_equal(m.root, again.root));
	qmp_msg_clear(&again);
	qmp_msg_clear(&m);
	free(compact);
	return (0);
}

static void
take_message(const struct qmp_msg *m)
{
	struct msg_guest_event	 e;
	enum msg_runstate	 state;
	char			 text[MSG_NAME_MAX + 1], small[8];
	json_t			*s;

	switch (m->kind) {
	case QMP_EVENT:
		if (qmp_event(m, &e, text) == 1) {
			assert(strlen(text) <= MSG_NAME_MAX);
			assert(e.text == text && e.kind >= EV_SHUTDOWN);
		}
		break;
	case QMP_ERROR:
		qmp_text(small, sizeof(small), m->text);
		/* still UTF-8 */
		s = json_string(small);
		assert(s != NULL);
		json_decref(s);
		break;
	case QMP_RETURN:
		(void)qmp_status(m->data, &state);
		break;
	case QMP_GREETING:
		assert(m->version <= 999999999);
		break;
	}
}

static void
take_command(const char *p, size_t len)
{
	struct qmp_msg	 m;
	const char	*why = NULL;
	char		*json, *line;
	size_t		 n;

	if ((json = strndup(p, len)) == NULL)
		abort();
	line = qmp_passthrough(json, 17, &n, &why);
	free(json);
	if (line == NULL) {
		assert(why != NULL);
		return;
	}
	/* one line, whatever was in it; and JSON, but no message of QEMU's */
	assert(n > 0 && line[n - 1] == '\n' &&
	    memchr(line, '\n', n) == line + n - 1);
	if (qmp_decode(line, n - 1, &m, &why) == 0)
		qmp_msg_clear(&m);
	else
		assert(strcmp(why, "not an object") != 0);
	freezero(line, n);
}
