/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/* monitor and log: what a guest's QEMU has to say. */

#include <err.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "qemuctl/qemuctl.h"

static char	*join(int, char **);
static void	 command(struct ctl *, const struct qemud_guest *,
		    const char *, unsigned int);
static void	 interactive(struct ctl *, const struct qemud_guest *,
		    unsigned int);
static void	 print_lines(const char *, size_t);
static const char
		*last_lines(const char *, size_t *, unsigned int);

enum status
cmd_monitor(struct ctl *ctl, int argc, char *argv[])
{
	struct qemud_guest	*g;
	unsigned int		 flags = QEMUD_MONITOR_HMP;
	char			*text;

	/* a command's own words may begin with "-" */
	while (ctl_getopt(ctl, argc, argv, "+q") != -1)
		flags = 0;
	ctl_words(ctl, argc, argv, 1, INT_MAX);
	if ((g = ctl_guest(ctl, argv[optind])) == NULL)
		return (ctl->status);
	if (++optind < argc) {
		text = join(argc - optind, argv + optind);
		command(ctl, g, text, flags);
		free(text);
	} else
		interactive(ctl, g, flags);
	free(g);
	return (ctl->status);
}

static char *
join(int n, char *words[])
{
	char	*text;
	size_t	 size = 1;
	int	 i;

	for (i = 0; i < n; i++)
		size += strlen(words[i]) + 1;
	if ((text = malloc(size)) == NULL)
		err(CTL_FAILED, NULL);
	text[0] = '\0';
	for (i = 0; i < n; i++) {
		if (i > 0)
			strlcat(text, " ", size);
		strlcat(text, words[i], size);
	}
	return (text);
}

static void
command(struct ctl *ctl, const struct qemud_guest *g, const char *text,
    unsigned int flags)
{
	const struct qemud_reply	*r;
	struct qemud_call		*c;

	c = qemud_guest_monitor(ctl->q, g, text, flags, NULL, NULL);
	if ((r = ctl_wait(ctl, c, g->name, "monitor")) == NULL)
		return;
	if (ctl->json)
		out_json(json_pack("{s:o}", "answer",
		    json_text(r->text, r->len)), 1);
	else
		print_lines(r->text, r->len);
	qemud_call_free(c);
}

/* The end of the last one is not always there. */
static void
print_lines(const char *text, size_t len)
{
	out_text(stdout, text, len);
	if (len > 0 && text[len - 1] != '\n')
		putchar('\n');
}

/* Line by line, until the end of input or of the connection. */
static void
interactive(struct ctl *ctl, const struct qemud_guest *g, unsigned int flags)
{
	char	*line = NULL, *name;
	size_t	 size = 0;
	int	 prompt = isatty(STDIN_FILENO);

	name = out_printable(g->name, strlen(g->name), 0);
	while (qemud_error(ctl->q) == NULL) {
		if (prompt)
			printf("(%s) ", name);
		fflush(stdout);
		if (getline(&line, &size, stdin) == -1)
			break;
		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '\0')
			continue;
		command(ctl, g, line, flags);
		if (prompt && qemud_error(ctl->q) == NULL)
			ctl->status = CTL_OK;	/* seen, and dealt with */
	}
	if (prompt)
		putchar('\n');
	free(line);
	free(name);
}

/* --- log ------------------------------------------------------------------ */

enum status
cmd_log(struct ctl *ctl, int argc, char *argv[])
{
	const struct qemud_reply	*r;
	struct qemud_guest		*g;
	struct qemud_call		*c;
	const char			*error, *text;
	unsigned int			 lines = UINT_MAX;
	size_t				 len;

	while (ctl_getopt(ctl, argc, argv, "n:") != -1) {
		lines = strtonum(optarg, 0, UINT_MAX, &error);
		if (error != NULL)
			ctl_misuse(ctl, "-n %s: this number of lines is %s",
			    optarg, error);
	}
	if ((g = ctl_guest(ctl, ctl_name(ctl, argc, argv))) == NULL)
		return (ctl->status);
	c = qemud_guest_log(ctl->q, g, 0, NULL, NULL);
	r = ctl_wait(ctl, c, g->name, "cannot read its log");
	free(g);
	if (r == NULL)
		return (ctl->status);
	len = r->len;
	text = last_lines(r->text, &len, lines);
	if (ctl->json)
		out_json(json_pack("{s:o}", "log", json_text(text, len)), 0);
	else
		print_lines(text, len);
	qemud_call_free(c);
	return (CTL_OK);
}

static const char *
last_lines(const char *text, size_t *len, unsigned int lines)
{
	size_t		 start = *len;
	unsigned int	 n = 0;

	while (start > 0 && (start == *len || text[start - 1] != '\n' ||
	    ++n < lines)) {
		if (lines == 0)
			break;
		start--;
	}
	*len -= start;
	return (text + start);
}
