/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/* What commands have in common: the connection, errors, finding guests. */

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "qemuctl/qemuctl.h"

static enum status	 status_of(const struct qemud_error *);
static char		*read_all(int);

/* 0: it failed, and was complained about. */
int
ctl_connect(struct ctl *ctl)
{
	const char	*uri = ctl->uri;

	if (ctl->q != NULL)
		return (1);
	ctl->q = qemud_open(uri, ctl->readonly ? QEMUD_OPEN_READ_ONLY : 0);
	if (ctl->q == NULL)
		err(CTL_FAILED, NULL);
	if (qemud_error(ctl->q) != NULL &&
	    qemud_error(ctl->q)->code == QEMUD_ERR_INVALID_ARG) {
		ctl_fail(ctl, NULL, NULL, qemud_error(ctl->q));
		ctl_disconnect(ctl);
		ctl->status = CTL_USAGE;	/* the URI is none */
		return (0);
	}
	while (qemud_status(ctl->q) == QEMUD_CONNECTING)
		qemud_run(ctl->q, -1);
	if (qemud_error(ctl->q) != NULL) {
		ctl_fail(ctl, NULL, NULL, qemud_error(ctl->q));
		if (!ctl->readonly && (qemud_error(ctl->q)->sys == EACCES ||
		    qemud_error(ctl->q)->sys == EPERM))
			ctl_complain("qemuctl -r uses that one");
		ctl_disconnect(ctl);
		ctl->status = CTL_CONNECT;
		return (0);
	}
	if (ctl->verbose)
		warnx("connected to %s%s", uri != NULL ? uri : geteuid() == 0 ?
		    "qemud:///system" : "qemud:///session",
		    ctl->readonly ? ", read-only" : "");
	return (1);
}

void
ctl_disconnect(struct ctl *ctl)
{
	qemud_close(ctl->q);
	ctl->q = NULL;
}

/* A line that belongs to the complaint before it. */
void
ctl_complain(const char *line)
{
	fprintf(stderr, "  %s\n", line);
}

/*
 * Complains: "qemuctl: web1: cannot start: ...", each further line of the
 * error on its own.  Returns what to exit with, which is also kept.
 */
enum status
ctl_fail(struct ctl *ctl, const char *guest, const char *what,
    const struct qemud_error *e)
{
	enum status	 status = status_of(e);
	char		*text, *name, *line, *rest;

	fflush(stdout);
	text = out_printable(e->text, strlen(e->text), 1);
	name = guest != NULL ? out_printable(guest, strlen(guest), 0) : NULL;
	rest = text;
	line = strsep(&rest, "\n");
	warnx("%s%s%s%s%s", name != NULL ? name : "",
	    name != NULL ? ": " : "", what != NULL ? what : "",
	    what != NULL ? ": " : "", line);
	while ((line = strsep(&rest, "\n")) != NULL)
		if (*line != '\0')
			ctl_complain(line);
	if (ctl->verbose)
		fprintf(stderr, "  (error %d of part %d)\n", e->code,
		    e->domain);
	if (status == CTL_DENIED && ctl->readonly)
		ctl_complain("without -r, qemuctl asks for full control");
	free(text);
	free(name);
	if (ctl->status == CTL_OK)
		ctl->status = status;
	return (status);
}

/* The same for what is wrong here. */
enum status
ctl_failx(struct ctl *ctl, enum status status, const char *fmt, ...)
{
	va_list	 ap;
	char	*raw, *text;
	int	 n;

	fflush(stdout);
	va_start(ap, fmt);
	n = vasprintf(&raw, fmt, ap);
	va_end(ap);
	if (n == -1)
		err(CTL_FAILED, NULL);
	text = out_printable(raw, n, 0);
	warnx("%s", text);
	free(text);
	free(raw);
	if (ctl->status == CTL_OK)
		ctl->status = status;
	return (status);
}

static enum status
status_of(const struct qemud_error *e)
{
	switch (e->code) {
	case QEMUD_ERR_NO_GUEST:
		return (CTL_NOT_FOUND);
	case QEMUD_ERR_NO_CONNECT:
		return (CTL_CONNECT);
	case QEMUD_ERR_READ_ONLY:
	case QEMUD_ERR_DENIED:
	case QEMUD_ERR_AUTH:
		return (CTL_DENIED);
	case QEMUD_ERR_INVALID_STATE:
		return (CTL_STATE);
	case QEMUD_ERR_TIMEOUT:
		return (CTL_TIMEOUT);
	default:
		return (CTL_FAILED);
	}
}

/*
 * The answer, to be freed with the call; or NULL, then it was complained
 * about, and the call is freed.
 */
const struct qemud_reply *
ctl_wait(struct ctl *ctl, struct qemud_call *c, const char *guest,
    const char *what)
{
	const struct qemud_reply	*r;

	r = qemud_wait(c, -1);
	if (r->error == NULL)
		return (r);
	ctl_fail(ctl, guest, what, r->error);
	qemud_call_free(c);
	return (NULL);
}

/* By name, UUID or number; the caller frees it.  NULL: complained. */
struct qemud_guest *
ctl_guest(struct ctl *ctl, const char *name)
{
	const struct qemud_reply	*r;
	struct qemud_call		*c;
	struct qemud_guest		*g;

	c = qemud_guest_find(ctl->q, name, NULL, NULL);
	if ((r = ctl_wait(ctl, c, name, NULL)) == NULL)
		return (NULL);
	if ((g = qemud_guest_copy(r->guests)) == NULL)
		err(CTL_FAILED, NULL);
	qemud_call_free(c);
	return (g);
}

/* Its XML, which the caller frees.  NULL: complained. */
char *
ctl_xml(struct ctl *ctl, const struct qemud_guest *g, unsigned int flags)
{
	const struct qemud_reply	*r;
	struct qemud_call		*c;
	char				*xml;

	c = qemud_guest_xml(ctl->q, g, flags, NULL, NULL);
	if ((r = ctl_wait(ctl, c, g->name, "cannot get its XML")) == NULL)
		return (NULL);
	if ((xml = strdup(r->text)) == NULL)
		err(CTL_FAILED, NULL);
	qemud_call_free(c);
	return (xml);
}

/* The text of a file, "-" is standard input.  NULL: complained. */
char *
ctl_read(struct ctl *ctl, const char *path)
{
	char	*text;
	int	 fd = STDIN_FILENO;

	if (strcmp(path, "-") != 0 &&
	    (fd = open(path, O_RDONLY | O_CLOEXEC)) == -1) {
		ctl_failx(ctl, CTL_FAILED, "%s: %s", path, strerror(errno));
		return (NULL);
	}
	if ((text = read_all(fd)) == NULL)
		ctl_failx(ctl, CTL_FAILED, "%s: %s", path, errno == EFBIG ?
		    "this is too long for a domain" : errno == EILSEQ ?
		    "this is no text" : strerror(errno));
	if (fd != STDIN_FILENO)
		close(fd);
	return (text);
}

static char *
read_all(int fd)
{
	char	*buf = NULL, *p;
	size_t	 len = 0, size = 0;
	ssize_t	 n;

	for (;;) {
		if (size - len < 2) {
			if (size > FILE_BYTES_MAX) {
				errno = EFBIG;
				break;
			}
			size = size == 0 ? 65536 : size * 2;
			if ((p = realloc(buf, size)) == NULL)
				break;
			buf = p;
		}
		n = read(fd, buf + len, size - len - 1);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			break;
		len += n;
		if (n > 0)
			continue;
		buf[len] = '\0';
		if (strlen(buf) == len)
			return (buf);
		errno = EILSEQ;
		break;
	}
	free(buf);
	return (NULL);
}

/* Something was done to a guest: silent, unless asked to speak. */
void
ctl_guest_done(const struct ctl *ctl, const struct qemud_guest *g,
    const char *done)
{
	char	*name;

	if (ctl->json)
		out_json(guest_json(g), 1);
	else if (ctl->verbose) {
		name = out_printable(g->name, strlen(g->name), 0);
		printf("%s: %s\n", name, done);
		free(name);
	}
}

json_t *
guest_json(const struct qemud_guest *g)
{
	char	 uuid[37];

	qemud_uuid_format(g->uuid, uuid);
	return (json_pack("{s:o, s:s, s:o}",
	    "name", json_text(g->name, strlen(g->name)), "uuid", uuid,
	    "id", g->id == -1 ? json_null() : json_integer(g->id)));
}
