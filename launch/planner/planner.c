/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * launch-plan, the part of the launcher that reads XML: from standard input
 * comes a domain, to standard output goes the plan of its start (plan.x).
 * It is a program of its own so that the launcher, which stays as long as
 * its guest, neither parses what others wrote nor carries libxml2 along.
 *
 * Trusted with: the guest's definition.  Parses: domain XML.
 * May ask for: nothing; when it reads its first byte it can read, write and
 * exit.
 *
 *	-d	the domain is in live form and was made final by qemud
 *	-p	write {KEY} where a descriptor's number would be
 */

#include <sys/resource.h>

#include <errno.h>
#include <limits.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "domain/domain.h"
#include "imsg/confine.h"
#include "imsg/log.h"
#include "launch/plan.h"
#include "rpc/body.h"

#define PLANNER_CPU_S	20	/* no XML within bounds takes as long */

static char	*input_read(size_t *);
static int	 plan_make(const char *, size_t, struct plan_guest *,
		    struct domain_error *);
static int	 plan_files(const struct domain *, struct domain_fds *,
		    struct plan_guest *, struct domain_error *);
static int	 disk_shared(const struct domain *, const char *);
static int	 plan_args(const struct domain *, const struct domain_fds *,
		    struct plan_guest *, struct domain_error *);
static int	 plan_consoles(struct domain *, struct plan_guest *,
		    struct domain_error *);
static int	 plan_screens(struct domain *, struct plan_guest *,
		    struct domain_error *);
static int	 plan_setup(const struct domain *, struct plan_guest *,
		    struct domain_error *);
static int	 plan_xml(const struct domain *, struct plan_guest *,
		    struct domain_error *);
static int	 no_memory(struct domain_error *);
static void	 answer_write(const struct plan_answer *);

static int	 final, print;

int
main(int argc, char *argv[])
{
	/*
	 * read, write - domain, answer, complaints
	 * brk, mmap, mremap, munmap, madvise, mprotect - malloc
	 * getrandom - UUID and MAC addresses that are not given
	 * futex - once-only initialisation
	 * exit_group, rt_sig*, gettid, tgkill, getpid - the end, abort
	 * clock_gettime, fstat - libxml2, stdio
	 */
	static const int	 calls[] = {
		SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(writev),
		SCMP_SYS(brk), SCMP_SYS(mmap), SCMP_SYS(mremap),
		SCMP_SYS(munmap), SCMP_SYS(madvise), SCMP_SYS(mprotect),
		SCMP_SYS(getrandom), SCMP_SYS(futex),
		SCMP_SYS(exit_group), SCMP_SYS(rt_sigaction),
		SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn),
		SCMP_SYS(gettid), SCMP_SYS(tgkill), SCMP_SYS(getpid),
		SCMP_SYS(clock_gettime), SCMP_SYS(fstat),
		SCMP_SYS(newfstatat), SCMP_SYS(lseek), -1
	};
	const struct rlimit	 cpu = { PLANNER_CPU_S, PLANNER_CPU_S };
	struct msg_setup	 setup = { .session = 1 };
	struct plan_answer	 answer = { .ok = 1 };
	struct domain_error	 err = { 0 };
	char			*xml;
	size_t			 len;
	int			 ch;

	log_init("launch-plan", 1);
	while ((ch = getopt(argc, argv, "dp")) != -1)
		switch (ch) {
		case 'd':
			final = 1;
			break;
		case 'p':
			print = 1;
			break;
		default:
			fatalx("is started by qemud-launch, not by hand");
		}
	if (argc != optind || isatty(STDOUT_FILENO))
		fatalx("is started by qemud-launch, not by hand");
	if (setrlimit(RLIMIT_CPU, &cpu) == -1)
		fatal("setrlimit");
	confine(&setup, NULL, 0, calls);

	if ((xml = input_read(&len)) == NULL)
		domain_error(&err, DOMAIN_ERR_XML, 0,
		    "the domain cannot be read: %s", errno == EFBIG ?
		    "it is too long" : strerror(errno));
	if (xml == NULL || plan_make(xml, len, &answer.plan_answer_u.guest,
	    &err) == -1) {
		answer.ok = 0;
		answer.plan_answer_u.error.line = err.line;
		answer.plan_answer_u.error.column = err.column;
		answer.plan_answer_u.error.text = err.text;
	}
	answer_write(&answer);
	/* there is nothing left to be tidy for */
	_exit(0);
}

/* All of standard input, with a NUL behind it; NULL with errno. */
static char *
input_read(size_t *len)
{
	char	*buf = NULL, *p;
	size_t	 size = 0;
	ssize_t	 n;

	*len = 0;
	for (;;) {
		if (size - *len < 2) {
			size = size == 0 ? 32768 : size * 2;
			if ((p = realloc(buf, size)) == NULL)
				goto fail;
			buf = p;
		}
		n = read(STDIN_FILENO, buf + *len, size - *len - 1);
		if (n == -1 && errno != EINTR)
			goto fail;
		if (n == 0)
			break;
		if (n > 0)
			*len += n;
		if (*len > XML_MAX_BYTES) {
			errno = EFBIG;
			goto fail;
		}
	}
	buf[*len] = '\0';
	return (buf);

 fail:
	free(buf);
	return (NULL);
}

/*
 * What g and err point to afterwards stays allocated: this process answers
 * once and ends.
 */
static int
plan_make(const char *xml, size_t len, struct plan_guest *g,
    struct domain_error *err)
{
	struct domain_fds	 fds;
	struct domain		*d;

	if (domain_parse(xml, len, final ? DOMAIN_PARSE_LIVE : 0, &d,
	    err) == -1 ||
	    domain_assign(d, err) == -1 || domain_assign_live(d, err) == -1)
		return (-1);
	g->name = d->name;
	memcpy(g->uuid, d->uuid, sizeof(g->uuid));
	if (plan_files(d, &fds, g, err) == -1 ||
	    plan_args(d, &fds, g, err) == -1 ||
	    plan_consoles(d, g, err) == -1 ||
	    plan_screens(d, g, err) == -1 ||
	    plan_setup(d, g, err) == -1 ||
	    plan_xml(d, g, err) == -1)
		return (-1);
	return (0);
}

/* The n-th file is going to be QEMU's descriptor PLAN_FD_FIRST + n. */
static int
plan_files(const struct domain *d, struct domain_fds *fds,
    struct plan_guest *g, struct domain_error *err)
{
	struct domain_fd	*f;
	struct plan_file	*to;
	size_t			 i;

	if (domain_fds_plan(d, fds) == -1)
		return (no_memory(err));
	if (fds->n > PLAN_FILES_MAX)
		return (domain_error(err, DOMAIN_ERR_CONFIG_UNSUPPORTED, 0,
		    "the guest has %zu files, a guest can have %d", fds->n,
		    PLAN_FILES_MAX));
	if ((to = calloc(fds->n + 1, sizeof(*to))) == NULL)
		return (no_memory(err));
	g->files.files_val = to;
	g->files.files_len = fds->n;
	for (i = 0; i < fds->n; i++, to++) {
		f = &fds->v[i];
		f->fd = print ? -1 : (int)(PLAN_FD_FIRST + i);
		to->key = f->key;
		to->path = f->path;
		to->mode = f->mode == DOMAIN_FD_RO ? PLAN_RO :
		    f->mode == DOMAIN_FD_RW ? PLAN_RW : PLAN_LISTEN;
		to->regular = (f->may_be & DOMAIN_FD_REGULAR) != 0;
		to->block = (f->may_be & DOMAIN_FD_BLOCK) != 0;
		to->lock = f->set != -1 && !disk_shared(d, f->key);
		to->reopened = f->set == -1 && f->path != NULL;
		if (to->path == NULL &&
		    (to->path = strdup("")) == NULL)
			return (no_memory(err));
	}
	return (0);
}

/*
 * Is it the image of a <shareable/> disk, which any number of guests may
 * write?  Unlike all others, also those that a guest only reads.
 */
static int
disk_shared(const struct domain *d, const char *key)
{
	struct disk	*disk;
	char		 name[DOMAIN_KEY_MAX];

	DEVICE_FOREACH(disk, d, DEVICE_DISK) {
		snprintf(name, sizeof(name), "disk/%s/0", disk->target);
		if (disk->shareable && strcmp(key, name) == 0)
			return (1);
	}
	return (0);
}

static int
plan_args(const struct domain *d, const struct domain_fds *fds,
    struct plan_guest *g, struct domain_error *err)
{
	struct domain_argv	 argv;
	size_t			 i;

	if (domain_command(d, fds, print ? DOMAIN_COMMAND_PRINT : 0, &argv,
	    err) == -1)
		return (-1);
	for (i = 0; i < argv.n; i++)
		if (strlen(argv.v[i]) > PLAN_ARG_MAX)
			return (domain_error(err,
			    DOMAIN_ERR_CONFIG_UNSUPPORTED, 0, "an argument "
			    "of QEMU would have %zu bytes, it can have %d",
			    strlen(argv.v[i]), PLAN_ARG_MAX));
	if (argv.n > PLAN_ARGS_MAX)
		return (domain_error(err, DOMAIN_ERR_CONFIG_UNSUPPORTED, 0,
		    "QEMU would need %zu arguments, it can have %d", argv.n,
		    PLAN_ARGS_MAX));
	g->args.args_val = argv.v;
	g->args.args_len = argv.n;
	return (0);
}

static int
plan_consoles(struct domain *d, struct plan_guest *g,
    struct domain_error *err)
{
	struct plan_console	*to;
	struct chardev		*c;

	if ((to = calloc(PLAN_CONSOLES_MAX, sizeof(*to))) == NULL)
		return (no_memory(err));
	g->consoles.consoles_val = to;
	DEVICE_FOREACH(c, d, DEVICE_SERIAL) {
		if (g->consoles.consoles_len++ == PLAN_CONSOLES_MAX)
			return (domain_error(err,
			    DOMAIN_ERR_CONFIG_UNSUPPORTED, c->dev.line,
			    "a guest can have %d serial lines",
			    PLAN_CONSOLES_MAX));
		if (asprintf(&to->key, "serial/%u", c->port) == -1 ||
		    (to->alias = strdup(c->dev.alias == NULL ? "" :
		    c->dev.alias)) == NULL)
			return (no_memory(err));
		to->port = c->port;
		to->pty = c->type == CHARDEV_PTY;
		to++;
	}
	return (0);
}

static int
plan_screens(struct domain *d, struct plan_guest *g,
    struct domain_error *err)
{
	struct plan_screen	*to;
	struct graphics		*s;
	unsigned int		 index = 0;

	if ((to = calloc(PLAN_SCREENS_MAX, sizeof(*to))) == NULL)
		return (no_memory(err));
	g->screens.screens_val = to;
	DEVICE_FOREACH(s, d, DEVICE_GRAPHICS) {
		if (s->type != GRAPHICS_VNC || s->listen != LISTEN_ADDRESS) {
			index++;
			continue;
		}
		if (g->screens.screens_len++ == PLAN_SCREENS_MAX)
			return (domain_error(err,
			    DOMAIN_ERR_CONFIG_UNSUPPORTED, s->dev.line,
			    "a guest can have %d <graphics>",
			    PLAN_SCREENS_MAX));
		to->index = index++;
		to->port = s->autoport || s->port < 1 ? 0 : s->port;
		if ((to->address = strdup(s->address == NULL ? "" :
		    s->address)) == NULL)
			return (no_memory(err));
		to++;
	}
	return (0);
}

static int
plan_setup(const struct domain *d, struct plan_guest *g,
    struct domain_error *err)
{
	struct domain_argv	 lines;
	size_t			 i;

	if (final)
		return (0);
	if (domain_setup(d, &lines) == -1)
		return (no_memory(err));
	if (lines.n > PLAN_SETUP_MAX)
		return (domain_error(err, DOMAIN_ERR_CONFIG_UNSUPPORTED, 0,
		    "the guest needs %zu settings, it can have %d", lines.n,
		    PLAN_SETUP_MAX));
	for (i = 0; i < lines.n; i++)
		if (strlen(lines.v[i]) > PLAN_ARG_MAX)
			return (domain_error(err,
			    DOMAIN_ERR_CONFIG_UNSUPPORTED, 0, "a setting of "
			    "the guest is too long"));
	g->setup.setup_val = lines.v;
	g->setup.setup_len = lines.n;
	return (0);
}

/* With its secrets: it goes to the daemon, which needs them. */
static int
plan_xml(const struct domain *d, struct plan_guest *g,
    struct domain_error *err)
{
	if (final)
		g->xml = strdup("");
	else
		g->xml = domain_format(d, DOMAIN_FORMAT_SECURE);
	if (g->xml == NULL)
		return (no_memory(err));
	if (strlen(g->xml) > PLAN_XML_MAX)
		return (domain_error(err, DOMAIN_ERR_CONFIG_UNSUPPORTED, 0,
		    "the domain has %zu bytes, it can have %d",
		    strlen(g->xml), PLAN_XML_MAX));
	return (0);
}

static int
no_memory(struct domain_error *err)
{
	return (domain_error(err, DOMAIN_ERR_NO_MEMORY, 0,
	    "out of memory"));
}

static void
answer_write(const struct plan_answer *answer)
{
	char	*buf;
	size_t	 len, done;
	ssize_t	 n;

	if (rpc_encode((xdrproc_t)xdr_plan_answer, answer, 0, &buf,
	    &len) == -1)
		fatal("the plan cannot be encoded");
	for (done = 0; done < len; done += n)
		if ((n = write(STDOUT_FILENO, buf + done, len - done)) == -1) {
			if (errno != EINTR)
				fatal("the plan cannot be written");
			n = 0;
		}
}
