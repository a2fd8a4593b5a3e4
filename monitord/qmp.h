/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * QMP, without any connection: from the bytes that a QEMU wrote to checked
 * values, and from values to a command.  QEMU belongs to the guest: every
 * byte is hostile.  The functions that take them keep no state but the
 * reader's unfinished line, and nothing they allocate grows beyond the
 * limits below.
 */

#ifndef QMP_H
#define QMP_H

#include <jansson.h>
#include <stdint.h>

#include "imsg/msg.h"

#define QMP_LINE_BYTES		(64 * 1024)	/* greeting, event, answer */
#define QMP_ANSWER_BYTES	(4 * 1024 * 1024) /* to a client's command */
#define QMP_SKIP_BYTES		(64 * 1024 * 1024) /* of a late answer */
#define QMP_DEPTH_MAX		64
/*
 * An empty object of three bytes costs the JSON library some 200, a number
 * of two some 40: how much one line can make us allocate for its parse.
 */
#define QMP_OBJECTS_MAX		32768
#define QMP_VALUES_MAX		262144

/* --- from bytes to lines ------------------------------------------------- */

struct qmp_reader {
	char	*buf;		/* the unfinished line */
	size_t	 len;
	size_t	 size;
	size_t	 max;		/* a longer line is an error, unless ... */
	int	 may_skip;	/* ... it is to be thrown away */
	size_t	 skipped;	/* bytes of it so far, 0 if there is none */
};

/*
 * A line, without its end; of a line that was thrown away, NULL.  May change
 * max and may_skip.  -1 ends the reading.
 */
typedef int	qmp_line_fn(void *arg, const char *line, size_t len);

/*
 * Takes the next len bytes and calls fn for each line that they complete.
 * 0, or -1 with errno: EMSGSIZE for a line that is too long, ENOMEM,
 * ECANCELED if fn said so.
 */
int	qmp_reader_feed(struct qmp_reader *, const char *data, size_t len,
	    qmp_line_fn *fn, void *arg);
/* Drops what is beyond max already, after max was lowered. */
void	qmp_reader_trim(struct qmp_reader *);
void	qmp_reader_clear(struct qmp_reader *);

/* --- from a line to a message -------------------------------------------- */

enum qmp_kind {
	QMP_GREETING,
	QMP_RETURN,
	QMP_ERROR,
	QMP_EVENT
};

struct qmp_msg {
	enum qmp_kind	 kind;
	json_t		*root;		/* qmp_msg_clear releases it */
	json_t		*data;		/* return's or event's; may be NULL */
	const char	*text;		/* event's name, error's explanation */
	int		 has_id;
	uint64_t	 id;
	uint64_t	 seconds;	/* of an event */
	unsigned int	 micros;
	unsigned int	 version;	/* as in msg_guest_ready */
};

/*
 * 0, or -1 and *why says what is wrong, in words that hold nothing of the
 * line.
 */
int	qmp_decode(const char *line, size_t len, struct qmp_msg *,
	    const char **why);
void	qmp_msg_clear(struct qmp_msg *);

/*
 * The event for qemud: 1 and *e is set, its text in the given field; 0 for
 * an event that nobody wants; -1 if its data has not the form it must have.
 */
int	qmp_event(const struct qmp_msg *, struct msg_guest_event *e,
	    char text[MSG_NAME_MAX + 1]);

/* The state in the answer to query-status; RUN_UNKNOWN for a new word. */
int	qmp_status(const json_t *, enum msg_runstate *);

/* --- from values to a command -------------------------------------------- */

/*
 * One line for QEMU, as short as can be: QEMU reads its monitor a byte at a
 * time.  Takes args, which may be NULL.  NULL if there is no memory.  The
 * caller frees the line with freezero.
 */
char	*qmp_command(const char *execute, json_t *args, uint64_t id,
	    size_t *len);

/*
 * The same from what a client wrote as JSON: one object with "execute".  Its
 * own "id" is replaced.  NULL, and *why says what is wrong.
 */
char	*qmp_passthrough(const char *json, uint64_t id, size_t *len,
	    const char **why);

/* --- text ---------------------------------------------------------------- */

/*
 * Copies UTF-8 to a field of that size, with a blank for each run of control
 * characters; what does not fit is cut off between two characters.
 */
void	qmp_text(char *dst, size_t size, const char *src);

/* Copies JSON without the blanks between its tokens; returns the length. */
size_t	qmp_compact(char *dst, const char *src, size_t len);

/* Before the first use: memory for JSON is wiped when it is released. */
void	qmp_setup(void);

#endif /* QMP_H */
