/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * qemuctl: control of qemud, for people and scripts.
 *
 * Trusted with: what its user may do.  Parses: answers of the daemon (in
 * libqemud), domain XML that the daemon sends (facts.c).  What comes from
 * there is made harmless before a terminal gets it (out.c).
 *
 *	qemuctl.c	options, the table of commands, help
 *	ctl.c		connection, errors, finding guests
 *	out.c		text, tables, JSON
 *	list.c show.c guest.c watch.c monitor.c console.c edit.c: commands
 */

#include <err.h>
#include <getopt.h>
#include <locale.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "paths.h"
#include "qemuctl/qemuctl.h"

static const struct command	*command_find(const char *);
static enum status		 command_unknown(struct ctl *, const char *);
static enum status		 command_run(struct ctl *, int, char **);
static enum status		 cmd_help(struct ctl *, int, char **);
static void			 usage(FILE *);

static const struct command	commands[] = {
	{ "autostart", "NAME on|off",
	    "start a guest with the daemon, or not", cmd_autostart, 0 },
	{ "console", "[-f] [-d device] NAME",
	    "connect to a guest's console", cmd_console, CMD_TALK },
	{ "create", "[-p] FILE",
	    "start a guest that has no definition", cmd_create, 0 },
	{ "define", "FILE", "make or change a definition", cmd_define, 0 },
	{ "edit", "NAME", "change a definition with an editor", cmd_edit,
	    CMD_TALK },
	{ "help", "[COMMAND]", "what there is", cmd_help,
	    CMD_TALK | CMD_ALONE },
	{ "host", "", "what the host has", cmd_host, 0 },
	{ "kill", "[-g] NAME ...", "end a guest at once", cmd_kill, 0 },
	{ "list", "[-an]", "the guests that run, or all", cmd_list, 0 },
	{ "log", "[-n lines] NAME", "what a guest's QEMU has logged",
	    cmd_log, 0 },
	{ "monitor", "[-q] NAME [COMMAND ...]",
	    "talk to a guest's QEMU", cmd_monitor, 0 },
	{ "pause", "NAME ...", "stop a guest's processors", cmd_pause, 0 },
	{ "reboot", "NAME ...", "ask a guest to start anew", cmd_reboot, 0 },
	{ "rename", "NAME NEW", "give a guest another name", cmd_rename, 0 },
	{ "reset", "NAME ...", "press a guest's reset button", cmd_reset,
	    0 },
	{ "resume", "NAME ...", "let a paused guest run", cmd_resume, 0 },
	{ "show", "[-i] [-x] NAME", "all about a guest", cmd_show, 0 },
	{ "start", "[-p] NAME ...", "start a guest", cmd_start, 0 },
	{ "status", "", "is the daemon well?", cmd_status, 0 },
	{ "stop", "[-w] [-t seconds] NAME ...", "ask a guest to turn itself "
	    "off", cmd_stop, 0 },
	{ "undefine", "NAME ...", "remove a definition", cmd_undefine, 0 },
	{ "version", "", "of all that takes part", cmd_version, CMD_ALONE },
	{ "watch", "[NAME]", "events, as they happen", cmd_watch, 0 }
};

int
main(int argc, char *argv[])
{
	static const struct option	 longopts[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 }
	};
	struct ctl			 ctl = { 0 };
	enum status			 status;
	int				 ch;

	setlocale(LC_CTYPE, "");
	signal(SIGPIPE, SIG_IGN);
	ctl.uri = getenv("QEMUD_URI");
	while ((ch = getopt_long(argc, argv, "+c:hjrv", longopts,
	    NULL)) != -1)
		switch (ch) {
		case 'c':
			ctl.uri = optarg;
			break;
		case 'h':
			usage(stdout);
			return (CTL_OK);
		case 'j':
			ctl.json = 1;
			break;
		case 'r':
			ctl.readonly = 1;
			break;
		case 'v':
			ctl.verbose = 1;
			break;
		case 'V':
			printf("qemuctl %s\n", QEMUD_VERSION);
			return (CTL_OK);
		default:
			usage(stderr);
			return (CTL_USAGE);
		}
	argc -= optind;
	argv += optind;
	if (argc == 0 || (ctl.command = command_find(argv[0])) == NULL) {
		if (argc > 0)
			command_unknown(&ctl, argv[0]);
		usage(stderr);
		return (CTL_USAGE);
	}
	if (ctl.uri != NULL && ctl.uri[0] == '\0')
		ctl.uri = NULL;
	status = command_run(&ctl, argc, argv);
	ctl_disconnect(&ctl);
	if (ctl.status != CTL_OK)
		status = ctl.status;
	if ((fflush(stdout) != 0 || ferror(stdout)) && status == CTL_OK) {
		warn("stdout");
		status = CTL_FAILED;
	}
	return (status);
}

static enum status
command_run(struct ctl *ctl, int argc, char *argv[])
{
	optind = 0;			/* begin anew */
	return (ctl->command->run(ctl, argc, argv));
}

/* The command of this name, or the only one that begins so. */
static const struct command *
command_find(const char *name)
{
	const struct command	*found = NULL;
	size_t			 i, n = 0;

	for (i = 0; i < nitems(commands); i++) {
		if (strcmp(commands[i].name, name) == 0)
			return (&commands[i]);
		if (strncmp(commands[i].name, name, strlen(name)) == 0) {
			found = &commands[i];
			n++;
		}
	}
	return (n == 1 ? found : NULL);
}

/* Complains: none begins so, or too many do. */
static enum status
command_unknown(struct ctl *ctl, const char *name)
{
	char	 names[512] = "";
	size_t	 i;

	for (i = 0; i < nitems(commands) && name[0] != '\0'; i++)
		if (strncmp(commands[i].name, name, strlen(name)) == 0) {
			strlcat(names, names[0] != '\0' ? ", " : "",
			    sizeof(names));
			strlcat(names, commands[i].name, sizeof(names));
		}
	if (names[0] == '\0')
		return (ctl_failx(ctl, CTL_USAGE,
		    "%s: there is no such command", name));
	return (ctl_failx(ctl, CTL_USAGE, "%s: this may be short for %s",
	    name, names));
}

/*
 * getopt(3) for commands: the options that all have are dealt with here, and
 * so is misuse.  With a "+" before opts, options end before the first word.
 * When there are no more, the connection is opened.
 */
int
ctl_getopt(struct ctl *ctl, int argc, char *argv[], const char *opts)
{
	static const struct option	 longopts[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "inactive", no_argument, NULL, 'i' },
		{ "xml", no_argument, NULL, 'x' },
		{ NULL, 0, NULL, 0 }
	};
	char				 all[64], opt[] = "-x";
	int				 ch, plus = opts[0] == '+';

	snprintf(all, sizeof(all), "%s:%shjv", plus ? "+" : "", opts + plus);
	opterr = 0;
	while ((ch = getopt_long(argc, argv, all, longopts, NULL)) != -1)
		switch (ch) {
		case 'h':
			ctl_usage(ctl->command, stdout);
			exit(CTL_OK);
		case 'j':
			ctl->json = 1;
			break;
		case 'v':
			ctl->verbose = 1;
			break;
		default:
			/* a long option may be that of another command */
			if (ch != '?' && ch != ':' &&
			    strchr(opts, ch) != NULL)
				return (ch);
			opt[1] = (char)optopt;
			ctl_misuse(ctl, "%s %s", ch == ':' ?
			    "an argument is needed after" :
			    "there is no option", optopt == 0 ?
			    argv[optind - 1] : opt);
		}
	if (ctl->json && (ctl->command->flags & CMD_TALK))
		ctl_misuse(ctl, "there is no JSON output");
	if (!(ctl->command->flags & CMD_ALONE) && !ctl_connect(ctl))
		exit(ctl->status);
	return (-1);
}

/* So many words must be left. */
void
ctl_words(struct ctl *ctl, int argc, char *argv[], int min, int max)
{
	int	 n = argc - optind;

	if (n > max)
		ctl_misuse(ctl, "%s is one word too many",
		    argv[optind + max]);
	if (n < min)
		ctl_misuse(ctl, "%s is missing%s%s",
		    min - n == 1 ? "an argument" : "something",
		    n == 0 ? "" : " behind ", n == 0 ? "" : argv[argc - 1]);
}

/* The only word that is left. */
char *
ctl_name(struct ctl *ctl, int argc, char *argv[])
{
	ctl_words(ctl, argc, argv, 1, 1);
	return (argv[optind]);
}

void
ctl_usage(const struct command *c, FILE *f)
{
	fprintf(f, "usage: qemuctl [-%srv] [-c uri] %s%s%s\n",
	    c->flags & CMD_TALK ? "" : "j", c->name,
	    c->args[0] != '\0' ? " " : "", c->args);
}

void
ctl_misuse(struct ctl *ctl, const char *fmt, ...)
{
	va_list	 ap;
	char	*what;

	va_start(ap, fmt);
	if (vasprintf(&what, fmt, ap) == -1)
		err(CTL_FAILED, NULL);
	va_end(ap);
	ctl_failx(ctl, CTL_USAGE, "%s: %s", ctl->command->name, what);
	free(what);
	ctl_usage(ctl->command, stderr);
	exit(CTL_USAGE);
}

static void
usage(FILE *f)
{
	fprintf(f, "usage: qemuctl [-jrv] [-c uri] command [argument ...]\n"
	    "       qemuctl help [command]\n");
}

static enum status
cmd_help(struct ctl *ctl, int argc, char *argv[])
{
	const struct command	*c;
	size_t			 i;

	ctl_getopt(ctl, argc, argv, "");
	ctl_words(ctl, argc, argv, 0, 1);
	if (argc - optind == 1) {
		if ((c = command_find(argv[optind])) == NULL)
			return (command_unknown(ctl, argv[optind]));
		ctl_usage(c, stdout);
		printf("%s: %s\n", c->name, c->what);
		return (CTL_OK);
	}
	usage(stdout);
	printf("\n");
	for (i = 0; i < nitems(commands); i++)
		printf("  %-10s %s\n", commands[i].name, commands[i].what);
	printf("\nNAME is a guest's name, its UUID, or its number while it "
	    "runs.\nqemuctl(8) has the rest.\n");
	return (CTL_OK);
}
