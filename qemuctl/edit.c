/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * edit: a definition, with an editor.  Whatever happens, the text is not
 * lost: its file is removed only when the daemon has taken it, or when
 * nothing was changed in it.
 */

#include <sys/wait.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "qemuctl/qemuctl.h"

#define XML_FLAGS	(QEMUD_XML_INACTIVE | QEMUD_XML_SECURE)

struct edit {
	struct ctl		*ctl;
	struct qemud_guest	*guest;
	char			*before;	/* as the daemon has it */
	char			 dir[4096];
	char			 path[4160];
};

static int	 edit_begin(struct edit *, const char *);
static int	 edit_once(struct edit *, char **);
static int	 file_make(struct edit *);
static int	 file_write(const char *, const char *);
static void	 file_remove(const struct edit *);
static int	 editor_run(const struct edit *);
static void	 editor_exec(const struct edit *) __attribute__((noreturn));
static int	 edit_take(struct edit *, const char *);
static int	 same_guest(struct edit *, const char *);
static int	 unchanged_there(struct edit *);
static int	 again(void);

enum status
cmd_edit(struct ctl *ctl, int argc, char *argv[])
{
	struct edit	 e = { .ctl = ctl };
	char		*after = NULL;
	int		 done = 0;

	ctl_getopt(ctl, argc, argv, "");
	if (edit_begin(&e, ctl_name(ctl, argc, argv)) && file_make(&e)) {
		/* it is not ours while somebody thinks */
		ctl_disconnect(ctl);
		do {
			free(after);
			after = NULL;
		} while (!(done = edit_once(&e, &after)) && again());
		if (done || (after != NULL && strcmp(after, e.before) == 0))
			file_remove(&e);
		else
			fprintf(stderr, "  your text is in %s\n", e.path);
	}
	free(after);
	free(e.before);
	free(e.guest);
	return (ctl->status);
}

/* What it has become, *after, the caller frees.  0: complained. */
static int
edit_once(struct edit *e, char **after)
{
	int	 ok;

	e->ctl->status = CTL_OK;
	ok = editor_run(e);
	if ((*after = ctl_read(e->ctl, e->path)) == NULL || !ok)
		return (0);
	if (strcmp(*after, e->before) != 0)
		return (edit_take(e, *after));
	ctl_failx(e->ctl, CTL_OK, "%s: nothing was changed", e->guest->name);
	return (1);
}

/* 0: complained. */
static int
edit_begin(struct edit *e, const char *name)
{
	const struct qemud_reply	*r;
	struct qemud_call		*c;
	int				 persistent;

	if ((e->guest = ctl_guest(e->ctl, name)) == NULL)
		return (0);
	c = qemud_guest_persistent(e->ctl->q, e->guest, NULL, NULL);
	if ((r = ctl_wait(e->ctl, c, e->guest->name,
	    "cannot look at it")) == NULL)
		return (0);
	persistent = r->number != 0;
	qemud_call_free(c);
	if (!persistent) {
		ctl_failx(e->ctl, CTL_STATE, "%s: has no definition that "
		    "could be edited", e->guest->name);
		return (0);
	}
	return ((e->before = ctl_xml(e->ctl, e->guest, XML_FLAGS)) != NULL);
}

/* In a folder of its own, as it may have secrets in it.  0: complained. */
static int
file_make(struct edit *e)
{
	const char	*tmp = getenv("TMPDIR");

	if (tmp == NULL || *tmp == '\0')
		tmp = "/tmp";
	if ((size_t)snprintf(e->dir, sizeof(e->dir), "%s/qemuctl.XXXXXX",
	    tmp) >= sizeof(e->dir) || mkdtemp(e->dir) == NULL) {
		ctl_failx(e->ctl, CTL_FAILED, "%s: cannot make a folder: %s",
		    tmp, strerror(errno));
		return (0);
	}
	snprintf(e->path, sizeof(e->path), "%s/guest.xml", e->dir);
	if (file_write(e->path, e->before) == -1) {
		ctl_failx(e->ctl, CTL_FAILED, "%s: %s", e->path,
		    strerror(errno));
		file_remove(e);
		return (0);
	}
	return (1);
}

static int
file_write(const char *path, const char *text)
{
	size_t	 len = strlen(text);
	ssize_t	 n = 0;
	int	 fd;

	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd == -1)
		return (-1);
	for (; len > 0; text += n, len -= n)
		if ((n = write(fd, text, len)) == -1) {
			close(fd);
			return (-1);
		}
	return (close(fd));
}

static void
file_remove(const struct edit *e)
{
	char	 backup[sizeof(e->path) + 1];

	/* many editors leave one */
	snprintf(backup, sizeof(backup), "%s~", e->path);
	unlink(backup);
	unlink(e->path);
	if (rmdir(e->dir) == -1)
		warn("%s", e->dir);
}

/* --- the editor ----------------------------------------------------------- */

/* 0: complained. */
static int
editor_run(const struct edit *e)
{
	struct sigaction	 ignore = { .sa_handler = SIG_IGN }, sint,
				 squit;
	int			 status;
	pid_t			 pid, got;

	/* what is typed in the editor concerns the editor */
	sigaction(SIGINT, &ignore, &sint);
	sigaction(SIGQUIT, &ignore, &squit);
	if ((pid = fork()) == 0) {
		sigaction(SIGINT, &sint, NULL);
		sigaction(SIGQUIT, &squit, NULL);
		signal(SIGPIPE, SIG_DFL);
		editor_exec(e);
	}
	do {
		got = pid == -1 ? -1 : waitpid(pid, &status, 0);
	} while (got == -1 && pid != -1 && errno == EINTR);
	sigaction(SIGINT, &sint, NULL);
	sigaction(SIGQUIT, &squit, NULL);
	if (got == -1) {
		ctl_failx(e->ctl, CTL_FAILED, "cannot run an editor: %s",
		    strerror(errno));
		return (0);
	}
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		ctl_failx(e->ctl, CTL_FAILED, "%s: the editor has failed, so "
		    "nothing is changed", e->guest->name);
		return (0);
	}
	return (1);
}

/* The variables may hold options, too: the shell knows. */
static void
editor_exec(const struct edit *e)
{
	const char	*editor = getenv("VISUAL");
	char		*command;

	if (editor == NULL || *editor == '\0')
		editor = getenv("EDITOR");
	if (editor == NULL || *editor == '\0')
		editor = "vi";
	if (asprintf(&command, "%s \"$1\"", editor) != -1)
		execl("/bin/sh", "sh", "-c", command, "sh", e->path,
		    (char *)NULL);
	warn("/bin/sh");
	_exit(127);
}

/* --- back to the daemon --------------------------------------------------- */

/* 0: complained, the text is still to be dealt with. */
static int
edit_take(struct edit *e, const char *after)
{
	struct qemud_call	*c;
	int			 done = 0;

	if (!same_guest(e, after) || !ctl_connect(e->ctl))
		return (0);
	if (unchanged_there(e)) {
		c = qemud_guest_define(e->ctl->q, after, 0, NULL, NULL);
		if (ctl_wait(e->ctl, c, e->guest->name,
		    "cannot define this") != NULL) {
			ctl_guest_done(e->ctl, e->guest, "changed");
			qemud_call_free(c);
			done = 1;
		}
	}
	ctl_disconnect(e->ctl);
	return (done);
}

/*
 * With another name or UUID it would be another guest.  What is not
 * well-formed is for the daemon to say.
 */
static int
same_guest(struct edit *e, const char *after)
{
	char	*name, *uuid, text[37];
	int	 same = 1;

	if (facts_identity(after, &name, &uuid) == 0) {
		qemud_uuid_format(e->guest->uuid, text);
		if (name != NULL && strcmp(name, e->guest->name) != 0) {
			ctl_failx(e->ctl, CTL_FAILED, "%s: the name must "
			    "stay; \"qemuctl rename\" changes it",
			    e->guest->name);
			same = 0;
		} else if (uuid == NULL || strcasecmp(uuid, text) != 0) {
			ctl_failx(e->ctl, CTL_FAILED, "%s: the UUID must stay "
			    "%s", e->guest->name, text);
			same = 0;
		}
		free(name);
		free(uuid);
	}
	return (same);
}

/* Nobody else's change shall be lost either. */
static int
unchanged_there(struct edit *e)
{
	char	*now;
	int	 same;

	if ((now = ctl_xml(e->ctl, e->guest, XML_FLAGS)) == NULL)
		return (0);
	if (!(same = strcmp(now, e->before) == 0))
		ctl_failx(e->ctl, CTL_FAILED, "%s: somebody else has changed "
		    "its definition meanwhile", e->guest->name);
	free(now);
	return (same);
}

/* Is there somebody who wants to go on? */
static int
again(void)
{
	char	 line[16];

	if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
		return (0);
	fprintf(stderr, "Edit again? [Y/n] ");
	if (fgets(line, sizeof(line), stdin) == NULL) {
		fputc('\n', stderr);
		return (0);
	}
	return (line[0] != 'n' && line[0] != 'N');
}
