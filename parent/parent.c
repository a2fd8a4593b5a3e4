/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * qemud-parent: the only process of the suite with privileges.
 *
 * Trusted with: root (system instance): user ids, opening images, binding
 * sockets.  Parses: its configuration file, at start and on SIGHUP; nothing
 * that a client or a guest wrote.  It answers what its children ask for,
 * after checking each request against the configuration as if the sender
 * were hostile:
 *
 *	parent.c	options, signals
 *	children.c	starts the other processes, and starts them again
 *	sockets.c	listening sockets, folders
 *	open.c		"open this image"			(qemud)
 *	guest.c		"run the launcher", "end that guest"	(qemud)
 *	privileges.c	what it keeps of root
 *	conf.c parse.y	the configuration
 */

#include <sys/stat.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "imsg/log.h"
#include "parent/parent.h"
#include "paths.h"

#define BIND_PATIENCE_MS	1000

static void	 usage(void) __attribute__((noreturn));
static void	 complain_stderr(void *, const char *);
static void	 complain_log(void *, const char *);
static struct conf *
		 configuration(struct env *, conf_complain *);
static void	 find_programs(struct env *);
static void	 check_launcher(const char *);
static void	 signals(struct env *);
static void	 on_signal(evutil_socket_t, short, void *);
static void	 reload(struct env *);

static void
usage(void)
{
	fprintf(stderr, "usage: qemud-parent [-dnSv] [-D macro=value] "
	    "[-f file]\n");
	exit(1);
}

int
main(int argc, char *argv[])
{
	extern char	**environ;
	static struct env	 env;	/* still in use at exit */
	struct timespec	 ts;
	int		 ch, check = 0;

	TAILQ_INIT(&env.macros);
	log_init("qemud-parent", 1);
	setproctitle_init(argc, argv, environ);
	while ((ch = getopt(argc, argv, "dD:f:nSv")) != -1)
		switch (ch) {
		case 'd':
			env.foreground = 1;
			break;
		case 'D':
			if (conf_macro_set(&env.macros, optarg) == -1)
				errx(1, "-D %s: a macro is set by name=value",
				    optarg);
			break;
		case 'f':
			env.conffile = optarg;
			break;
		case 'n':
			check = 1;
			break;
		case 'S':
			env.session = 1;
			break;
		case 'v':
			env.verbose++;
			break;
		default:
			usage();
		}
	if (argc != optind)
		usage();
	if ((env.conf = configuration(&env, complain_stderr)) == NULL)
		return (1);
	if (check) {
		if (env.verbose)
			conf_dump(env.conf, stdout);
		fprintf(stderr, "configuration OK\n");
		conf_free(env.conf);
		conf_macros_clear(&env.macros);
		return (0);
	}
	if (!env.session && geteuid() != 0)
		errx(1, "the system instance needs root; "
		    "your own instance is started by qemud-parent -S");
	if (env.session && geteuid() == 0 && getuid() != 0)
		errx(1, "a session instance must not be set-user-id");
	umask(077);
	clock_gettime(CLOCK_BOOTTIME, &ts);
	env.started = ts.tv_sec;
	find_programs(&env);
	instance_lock(&env);
	dirs_make(&env);
	/* netd of an instance that was killed just now may still have them */
	if (sockets_bind(env.conf, BIND_PATIENCE_MS) == -1)
		fatalx("not all sockets could be bound");
	if (!env.foreground) {
		/* clients can connect as soon as the caller goes on */
		if (daemon(0, 0) == -1)
			fatal("daemon");
		log_init("qemud-parent", 0);
	}
	instance_pid();
	log_setverbose(env.verbose);
	setproctitle("-parent%s", env.session ? " (session)" : "");
	if (!env.session)
		privileges_drop();
	if ((env.base = event_base_new()) == NULL)
		fatalx("event_base_new");
	signals(&env);
	guest_init(&env);
	children_start(&env);
	log_info("%s instance of version %s started",
	    env.session ? "session" : "system", QEMUD_VERSION);
	event_base_dispatch(env.base);
	sockets_unlink(env.conf);
	instance_over();
	log_info("stopped");
	return (0);
}

static void
complain_stderr(void *arg, const char *text)
{
	fprintf(stderr, "%s\n", text);
}

static void
complain_log(void *arg, const char *text)
{
	log_warnx("%s", text);
}

/* The checked configuration, or NULL after complaints. */
static struct conf *
configuration(struct env *env, conf_complain *complain)
{
	struct conf	*c;

	if ((c = conf_new(env->session)) == NULL)
		fatal(NULL);
	if (conf_load(c, env->conffile, &env->macros, complain, NULL) == -1 ||
	    conf_users(c, complain, NULL) == -1) {
		conf_free(c);
		return (NULL);
	}
	return (c);
}

/*
 * The other programs lie at fixed places beside this one, wherever the whole
 * was installed: ../libexec/qemud and ../bin.
 */
static void
find_programs(struct env *env)
{
	char	 exe[PATH_MAX], *p;
	ssize_t	 n;
	int	 up;

	if ((n = readlink("/proc/self/exe", exe, sizeof(exe) - 1)) == -1)
		fatal("/proc/self/exe");
	exe[n] = '\0';
	for (up = 0; up < 2; up++)
		if ((p = strrchr(exe, '/')) != NULL)
			*p = '\0';
	if (asprintf(&env->libexec, "%s/libexec/qemud", exe) == -1 ||
	    asprintf(&env->launcher, "%s/bin/qemud-launch", exe) == -1)
		fatal(NULL);
	if (access(env->libexec, X_OK) == -1)
		fatal("%s", env->libexec);
	if (access(env->launcher, X_OK) == -1)
		fatal("%s", env->launcher);
	if (!env->session)
		check_launcher(env->launcher);
}

/* Guests run it under uids of their own, so the way to it must be open. */
static void
check_launcher(const char *path)
{
	char		*way, *p;
	struct stat	 st;

	if ((way = strdup(path)) == NULL)
		fatal(NULL);
	for (p = way + strlen(way); p != NULL; p = strrchr(way, '/')) {
		*p = '\0';
		if (way[0] != '\0' && stat(way, &st) == 0 &&
		    !(st.st_mode & S_IXOTH))
			log_warnx("%s: may not be %s by others, so no guest "
			    "can be started", way,
			    S_ISDIR(st.st_mode) ? "entered" : "run");
	}
	free(way);
}

static void
signals(struct env *env)
{
	static const int	 sigs[] = { SIGHUP, SIGINT, SIGTERM, SIGUSR1,
	    SIGUSR2 };
	struct event		*ev;
	size_t			 i;

	signal(SIGPIPE, SIG_IGN);
	for (i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++) {
		ev = evsignal_new(env->base, sigs[i], on_signal, env);
		if (ev == NULL || evsignal_add(ev, NULL) == -1)
			fatalx("evsignal_add");
	}
}

static void
on_signal(evutil_socket_t sig, short what, void *arg)
{
	struct env	*env = arg;

	switch (sig) {
	case SIGHUP:
		reload(env);
		break;
	case SIGUSR1:
	case SIGUSR2:
		env->verbose = sig == SIGUSR1 ? env->verbose + 1 : 0;
		log_setverbose(env->verbose);
		children_verbose(env->verbose);
		log_info("verbosity is now %d", env->verbose);
		break;
	default:
		if (!env->stopping)
			log_info("stopping; guests run on");
		children_stop(env);
		break;
	}
}

/* A configuration that is not right changes nothing. */
static void
reload(struct env *env)
{
	struct conf	*c;
	unsigned int	 changes;

	log_info("reading the configuration again");
	if ((c = configuration(env, complain_log)) == NULL) {
		log_warnx("the configuration stays as it was");
		return;
	}
	changes = conf_changes(env->conf, c);
	if (changes & (CONF_DIRS | CONF_UIDS | CONF_USERS)) {
		log_warnx("folders, users and guest uids change at the next "
		    "start only; the configuration stays as it was");
		conf_free(c);
		return;
	}
	conf_inherit(c, env->conf);
	sockets_modes(c);
	sockets_unlink(env->conf);
	if (sockets_bind(c, 0) == -1)
		log_warnx("going on without the sockets that failed");
	conf_free(env->conf);
	env->conf = c;
	children_reload(env);
}
