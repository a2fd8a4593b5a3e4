/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * What QEMU is asked to do.  QEMU works on one operation at a time.  The
 * commands of an operation go out together, and QEMU answers them in that
 * order, since we never enable its out-of-band commands: so the next answer
 * is known, and any other one ends the guest's connection.
 *
 * When an operation's time is up qemud is told so, but QEMU still owes its
 * answers; until they have come nothing more is sent, so that a QEMU that
 * wakes up does not find a heap of old wishes.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "imsg/log.h"
#include "monitord/monitord.h"

struct op_spec {
	const char	*name;
	/* queues its commands: NULL, or why it cannot */
	const char	*(*ask)(struct guest *, struct op *);
	/* the answer to command number n: -1 if it makes no sense */
	int		 (*answer)(struct guest *, struct op *, unsigned int n,
			    const json_t *);
	size_t		 answer_max;
	/* its end; op is freed after that */
	void		 (*done)(struct guest *, struct op *);
};

struct op {
	TAILQ_ENTRY(op)		 entry;
	const struct op_spec	*spec;
	uint64_t		 id;		/* qemud's */
	uint64_t		 deadline_ms;
	char			*text;
	size_t			 textlen;
	int			 fd;		/* a VNC client, -1 */
	uint64_t		 first;		/* id of its first command */
	unsigned int		 commands;
	unsigned int		 answered;
	int			 overdue;	/* answered without QEMU */

	enum msg_op_result	 result;
	enum msg_runstate	 state;
	char			 why[MSG_TEXT_MAX + 1];
	char			*body;
	size_t			 bodylen;
};

static struct op *op_new(const struct op_spec *, uint64_t, const char *,
		    unsigned int);
static void	 op_free(struct op *);
static void	 op_queue(struct guest *, struct op *);
static void	 op_done(struct guest *, struct op *);
static void	 op_refuse(struct op *, enum msg_op_result, const char *);
static int	 op_answer(struct guest *, struct op *,
		    const struct qmp_msg *, const char *, size_t);
static const char *
		 op_command(struct guest *, struct op *, const char *,
		    json_t *);
static const char *
		 op_plain(struct guest *, struct op *, const char *);
static const char *
		 op_line(struct guest *, struct op *, char *, size_t, int);
static const char *
		 ask_simple(struct guest *, struct op *);
static const char *
		 ask_password(struct guest *, struct op *);
static const char *
		 ask_hmp(struct guest *, struct op *);
static const char *
		 ask_qmp(struct guest *, struct op *);
static const char *
		 ask_shutdown_action(struct guest *, struct op *);
static const char *
		 ask_negotiate(struct guest *, struct op *);
static const char *
		 ask_session(struct guest *, struct op *);
static int	 answer_none(struct guest *, struct op *, unsigned int,
		    const json_t *);
static int	 answer_status(struct guest *, struct op *, unsigned int,
		    const json_t *);
static int	 answer_text(struct guest *, struct op *, unsigned int,
		    const json_t *);
static void	 done_reply(struct guest *, struct op *);
static void	 done_negotiate(struct guest *, struct op *);
static void	 done_session(struct guest *, struct op *);
static void	 op_reply(uint64_t, const struct op *);

/* What qemud may ask for. */
static const struct op_spec	specs[] = {
	[OP_CONT] = { "cont", ask_simple, answer_none, QMP_LINE_BYTES,
	    done_reply },
	[OP_STOP] = { "stop", ask_simple, answer_none, QMP_LINE_BYTES,
	    done_reply },
	[OP_POWERDOWN] = { "system_powerdown", ask_simple, answer_none,
	    QMP_LINE_BYTES, done_reply },
	[OP_RESET] = { "system_reset", ask_simple, answer_none,
	    QMP_LINE_BYTES, done_reply },
	[OP_QUIT] = { "quit", ask_simple, answer_none, QMP_LINE_BYTES,
	    done_reply },
	[OP_STATUS] = { "query-status", ask_simple, answer_status,
	    QMP_LINE_BYTES, done_reply },
	[OP_VNC_PASSWORD] = { "set_password", ask_password, answer_none,
	    QMP_LINE_BYTES, done_reply },
	[OP_HMP] = { "human-monitor-command", ask_hmp, answer_text,
	    QMP_ANSWER_BYTES, done_reply },
	/* no answer: it goes to the client as it is */
	[OP_QMP] = { "a client's command", ask_qmp, NULL,
	    QMP_ANSWER_BYTES, done_reply },
	[OP_SHUTDOWN_ACTION] = { "set-action", ask_shutdown_action,
	    answer_none, QMP_LINE_BYTES, done_reply },
	[OP_SETUP] = { "a command of the start", ask_qmp, answer_none,
	    QMP_LINE_BYTES, done_reply }
};
#define NSPECS	(sizeof(specs) / sizeof(specs[0]))

/* What we ask for ourselves. */
static const struct op_spec	spec_negotiate = {
	"qmp_capabilities", ask_negotiate, answer_status, QMP_LINE_BYTES,
	done_negotiate
};
static const struct op_spec	spec_session = {
	"add_client", ask_session, answer_none, QMP_LINE_BYTES, done_session
};

/* --- life of an operation ------------------------------------------------ */

int
op_request(struct msg_op *m)
{
	struct guest	*g;
	struct op	*op, none = { .result = OP_GONE };

	if ((unsigned int)m->op >= NSPECS || specs[m->op].ask == NULL)
		return (-1);
	if ((g = guest_find(m->guest)) == NULL) {
		none.id = m->id;
		op_reply(m->guest, &none);
	} else if (g->nops >= OPS_MAX || (op = op_new(&specs[m->op], m->id,
	    m->text, m->timeout_ms)) == NULL) {
		none.id = m->id;
		op_refuse(&none, OP_FULL, "too many operations are waiting "
		    "for this guest");
		op_reply(m->guest, &none);
	} else {
		g->nops++;
		op_queue(g, op);
	}
	/* may be a password, and the message is freed as it is */
	explicit_bzero(m->text, strlen(m->text));
	return (0);
}

void
op_negotiate(struct guest *g)
{
	struct op	*op;

	if ((op = op_new(&spec_negotiate, 0, NULL, 0)) == NULL) {
		guest_lost(g, GONE_CLOSED, "out of memory");
		return;
	}
	/* the guest's own deadline counts, and its end ends this */
	op->deadline_ms = UINT64_MAX;
	TAILQ_INSERT_HEAD(&g->ops, op, entry);
	ops_run(g);
}

void
op_session(struct guest *g, int fd)
{
	struct op	*op;

	if ((op = op_new(&spec_session, 0, NULL, VNC_TIMEOUT_MS)) == NULL) {
		close(fd);
		return;
	}
	op->fd = fd;
	g->sessions++;
	op_queue(g, op);
}

static struct op *
op_new(const struct op_spec *spec, uint64_t id, const char *text,
    unsigned int timeout_ms)
{
	struct op	*op;

	if ((op = calloc(1, sizeof(*op))) == NULL)
		return (NULL);
	op->spec = spec;
	op->id = id;
	op->fd = -1;
	op->deadline_ms = now_ms() +
	    (timeout_ms != 0 ? timeout_ms : TIMEOUT_DEFAULT_MS);
	if (text != NULL && *text != '\0') {
		op->textlen = strlen(text);
		if ((op->text = strdup(text)) == NULL) {
			free(op);
			return (NULL);
		}
	}
	return (op);
}

static void
op_free(struct op *op)
{
	freezero(op->text, op->textlen);
	freezero(op->body, op->bodylen);
	if (op->fd != -1)
		close(op->fd);
	free(op);
}

static void
op_queue(struct guest *g, struct op *op)
{
	TAILQ_INSERT_TAIL(&g->ops, op, entry);
	ops_run(g);
	guest_deadline(g);
}

/* It is no longer in the queue, nor QEMU's. */
static void
op_done(struct guest *g, struct op *op)
{
	if (!op->overdue)
		op->spec->done(g, op);
	op_free(op);
}

static void
op_refuse(struct op *op, enum msg_op_result result, const char *why)
{
	op->result = result;
	qmp_text(op->why, sizeof(op->why), why);
}

void
ops_run(struct guest *g)
{
	struct op	*op;
	const char	*why;

	while (g->op == NULL && (op = TAILQ_FIRST(&g->ops)) != NULL) {
		if (g->state != GST_READY && op->spec != &spec_negotiate)
			return;
		TAILQ_REMOVE(&g->ops, op, entry);
		op->first = g->command_id + 1;
		if ((why = op->spec->ask(g, op)) == NULL) {
			g->op = op;
			g->reader.max = op->spec->answer_max;
			log_debug("guest %s: %s", g->name, op->spec->name);
			guest_flush(g);
			return;
		}
		/* none of its commands has been sent */
		guest_unwrite(g);
		op->commands = 0;
		op_refuse(op, OP_REFUSED, why);
		op_done(g, op);
	}
}

/* --- answers ------------------------------------------------------------- */

const char *
ops_answer(struct guest *g, const struct qmp_msg *m, const char *line,
    size_t len)
{
	struct op	*op = g->op;

	if (op == NULL)
		return ("an answer that nothing asked for");
	/*
	 * QEMU does not name a command whose JSON it could not read: it has
	 * its own ideas of what a client may write.
	 */
	if (m != NULL && (m->has_id ? m->id != op->first + op->answered :
	    m->kind != QMP_ERROR || op->spec->answer != NULL))
		return ("an answer to another command");
	if (m != NULL && !op->overdue &&
	    op_answer(g, op, m, line, len) == -1)
		return ("an answer of another form than the command's");
	if (++op->answered < op->commands)
		return (NULL);
	if (!TAILQ_EMPTY(&g->out))
		return ("an answer to what it has not read");
	g->op = NULL;
	g->reader.max = QMP_LINE_BYTES;
	g->reader.may_skip = 0;
	if (op->overdue)
		guest_stalled(g, 0);
	op_done(g, op);
	if (g->state != GST_GONE) {
		ops_run(g);
		guest_deadline(g);
	}
	return (NULL);
}

/* The answer to the next of its commands, which it is. */
static int
op_answer(struct guest *g, struct op *op, const struct qmp_msg *m,
    const char *line, size_t len)
{
	if (op->spec->answer == NULL) {
		if ((op->body = malloc(len)) != NULL)
			op->bodylen = qmp_compact(op->body, line, len);
		else
			op_refuse(op, OP_REFUSED, "out of memory");
		return (0);
	}
	if (m->kind == QMP_RETURN)
		return (op->spec->answer(g, op, op->answered, m->data));
	if (op->result == OP_OK)
		op_refuse(op, OP_REFUSED, m->text);
	return (0);
}

/* --- deadlines ----------------------------------------------------------- */

uint64_t
ops_next_ms(const struct guest *g)
{
	const struct op	*op;
	uint64_t	 at = UINT64_MAX;

	if (g->op != NULL && !g->op->overdue)
		at = g->op->deadline_ms;
	TAILQ_FOREACH(op, &g->ops, entry)
		if (op->deadline_ms < at)
			at = op->deadline_ms;
	return (at);
}

void
ops_expire(struct guest *g, uint64_t now)
{
	struct op	*op, *tmp;

	if ((op = g->op) != NULL && !op->overdue && now >= op->deadline_ms) {
		op_refuse(op, OP_TIMEOUT, "QEMU does not answer");
		op->spec->done(g, op);
		op->overdue = 1;
		/* a long answer, half of which is here, is of no more use */
		g->reader.max = QMP_LINE_BYTES;
		g->reader.may_skip = 1;
		qmp_reader_trim(&g->reader);
		guest_stalled(g, 1);
	}
	TAILQ_FOREACH_SAFE(op, &g->ops, entry, tmp) {
		if (now < op->deadline_ms)
			continue;
		TAILQ_REMOVE(&g->ops, op, entry);
		op_refuse(op, OP_TIMEOUT, "QEMU has not answered what it was "
		    "asked before");
		op_done(g, op);
	}
}

void
ops_clear(struct guest *g)
{
	struct op	*op;

	if ((op = g->op) != NULL) {
		g->op = NULL;
		op_refuse(op, OP_GONE, "the guest is gone");
		op_done(g, op);
	}
	while ((op = TAILQ_FIRST(&g->ops)) != NULL) {
		TAILQ_REMOVE(&g->ops, op, entry);
		op_refuse(op, OP_GONE, "the guest is gone");
		op_done(g, op);
	}
}

/* --- questions ----------------------------------------------------------- */

/* Queues one command; takes args, which is NULL if they could not be made. */
static const char *
op_command(struct guest *g, struct op *op, const char *execute, json_t *args)
{
	char	*line;
	size_t	 len;

	if (args == NULL)
		return ("out of memory");
	line = qmp_command(execute, args, g->command_id + 1, &len);
	return (op_line(g, op, line, len, -1));
}

static const char *
op_plain(struct guest *g, struct op *op, const char *execute)
{
	char	*line;
	size_t	 len;

	line = qmp_command(execute, NULL, g->command_id + 1, &len);
	return (op_line(g, op, line, len, -1));
}

/* Takes line and fd; line is NULL if it could not be made. */
static const char *
op_line(struct guest *g, struct op *op, char *line, size_t len, int fd)
{
	if (line == NULL) {
		if (fd != -1)
			close(fd);
		return ("out of memory");
	}
	if (guest_write(g, line, len, fd) == -1)
		return ("out of memory");
	g->command_id++;
	op->commands++;
	return (NULL);
}

static const char *
ask_simple(struct guest *g, struct op *op)
{
	return (op_plain(g, op, op->spec->name));
}

static const char *
ask_negotiate(struct guest *g, struct op *op)
{
	const char	*why;

	if ((why = op_plain(g, op, "qmp_capabilities")) != NULL)
		return (why);
	return (op_plain(g, op, "query-status"));
}

static const char *
ask_password(struct guest *g, struct op *op)
{
	const char	*why;
	json_t		*text;

	/* QEMU takes an empty one as "let nobody in"; here, it is an error */
	if (op->text == NULL)
		return ("a VNC password must not be empty");
	if ((text = json_string(op->text)) == NULL)
		return ("the password is not UTF-8");
	why = op_command(g, op, "set_password", json_pack("{s:s,s:o}",
	    "protocol", "vnc", "password", text));
	if (why != NULL)
		return (why);
	return (op_command(g, op, "expire_password", json_pack("{s:s,s:s}",
	    "protocol", "vnc", "time", "never")));
}

static const char *
ask_shutdown_action(struct guest *g, struct op *op)
{
	if (op->text == NULL || (strcmp(op->text, "poweroff") != 0 &&
	    strcmp(op->text, "pause") != 0))
		return ("there is no such action");
	return (op_command(g, op, "set-action", json_pack("{s:s}",
	    "shutdown", op->text)));
}

static const char *
ask_hmp(struct guest *g, struct op *op)
{
	json_t	*text;

	if (op->text == NULL)
		return ("an empty command");
	if ((text = json_string(op->text)) == NULL)
		return ("the command is not UTF-8");
	return (op_command(g, op, op->spec->name,
	    json_pack("{s:o}", "command-line", text)));
}

static const char *
ask_qmp(struct guest *g, struct op *op)
{
	const char	*why;
	char		*line;
	size_t		 len;

	line = qmp_passthrough(op->text != NULL ? op->text : "",
	    g->command_id + 1, &len, &why);
	if (line == NULL)
		return (why);
	return (op_line(g, op, line, len, -1));
}

/*
 * QEMU keeps a descriptor under a name until add_client takes it from
 * there, also if that fails; so both are sent, come what may of the first.
 */
static const char *
ask_session(struct guest *g, struct op *op)
{
	const char	*why;
	char		 name[32], *line;
	json_t		*args;
	size_t		 len;
	int		 fd = op->fd;

	op->fd = -1;
	snprintf(name, sizeof(name), "vnc%llu",
	    (unsigned long long)g->command_id);
	args = json_pack("{s:s}", "fdname", name);
	line = qmp_command("getfd", args, g->command_id + 1, &len);
	if ((why = op_line(g, op, line, len, fd)) != NULL)
		return (why);
	return (op_command(g, op, op->spec->name, json_pack("{s:s,s:s,s:b}",
	    "protocol", "vnc", "fdname", name, "skipauth", 0)));
}

static int
answer_none(struct guest *g, struct op *op, unsigned int n, const json_t *data)
{
	return (json_is_object(data) ? 0 : -1);
}

/* The last command of the operation is query-status. */
static int
answer_status(struct guest *g, struct op *op, unsigned int n,
    const json_t *data)
{
	if (n + 1 < op->commands)
		return (json_is_object(data) ? 0 : -1);
	return (qmp_status(data, &op->state));
}

static int
answer_text(struct guest *g, struct op *op, unsigned int n,
    const json_t *data)
{
	if (!json_is_string(data))
		return (-1);
	op->bodylen = json_string_length(data);
	if ((op->body = malloc(op->bodylen + 1)) == NULL) {
		op->bodylen = 0;
		op_refuse(op, OP_REFUSED, "out of memory");
	} else
		memcpy(op->body, json_string_value(data), op->bodylen);
	return (0);
}

/* --- ends ---------------------------------------------------------------- */

static void
done_reply(struct guest *g, struct op *op)
{
	g->nops--;
	op_reply(g->id, op);
}

static void
op_reply(uint64_t guest, const struct op *op)
{
	struct msg_op_done	 m = { 0 };
	int			 fd = -1;

	if (env.qemud == NULL)
		return;
	m.guest = guest;
	m.id = op->id;
	m.result = op->result;
	m.sent = op->commands > 0;
	m.state = op->state;
	m.text = (char *)(uintptr_t)op->why;
	if (op->bodylen <= MSG_INLINE_MAX) {
		m.body.body_val = op->body;
		m.body.body_len = op->bodylen;
	} else if ((fd = body_seal(op->body, op->bodylen)) == -1) {
		log_warn("cannot pass an answer of %zu bytes", op->bodylen);
		m.result = OP_REFUSED;
		m.text = (char *)(uintptr_t)"the answer is too long for the "
		    "memory that is left";
	}
	CHAN_SEND(env.qemud, MSG_OP_DONE, msg_op_done, &m, fd);
}

static void
done_negotiate(struct guest *g, struct op *op)
{
	struct msg_guest_ready	m = { 0 };

	if (op->result == OP_GONE)
		return;
	if (op->result != OP_OK) {
		guest_lost(g, GONE_PROTOCOL, "QEMU refuses to negotiate");
		return;
	}
	if (env.qemud != NULL) {
		m.guest = g->id;
		m.qemu_version = g->qemu_version;
		m.state = op->state;
		CHAN_SEND(env.qemud, MSG_GUEST_READY, msg_guest_ready, &m,
		    -1);
	}
	guest_step(g, GIN_NEGOTIATED);
}

static void
done_session(struct guest *g, struct op *op)
{
	g->sessions--;
	if (op->result == OP_REFUSED)
		log_info("guest %s: QEMU refuses a VNC client", g->name);
	if (g->state != GST_GONE)
		listeners_accept(g);
}
