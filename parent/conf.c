/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * What is true of a configuration as a whole: defaults, checks across
 * directives, accounts, printing, and what changes with a new one.
 */

#include <sys/param.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <vis.h>

#include "parent/conf.h"
#include "paths.h"

#define nitems(a)	(sizeof(a) / sizeof((a)[0]))

static const struct {
	const char	*name;
	const char	*path;
	const char	*session_path;	/* below the home */
} dirs[] = {
	[DIR_DEFINITIONS] = { "definitions", SYSCONFDIR "/qemud.d",
	    "/.qemud.d" },
	[DIR_STATE] = { "state", LOCALSTATEDIR "/lib/qemud",
	    "/.qemud.d/state" },
	[DIR_LOG] = { "log", LOCALSTATEDIR "/log/qemud", "/.qemud.d/log" },
	[DIR_RUN] = { "run", RUNDIR "/qemud", "/.qemud.d/run" },
};

static const struct {
	const char	*name;
	const char	*user;		/* of the system instance */
} roles[] = {
	[ROLE_QEMUD] = { "qemud", "_qemud" },
	[ROLE_NETD] = { "netd", "_qemudnet" },
	[ROLE_NETD_RO] = { "netd-ro", "_qemudro" },
	[ROLE_NETD_LAUNCH] = { "netd-launch", "_qemudlaunch" },
	[ROLE_MONITORD] = { "monitord", "_qemudmon" },
};

/* A launcher stays connected, and one user may run many. */
static const struct {
	const char	*name;
	const char	*socket;
	mode_t		 mode;		/* in a session always 0600 */
	unsigned int	 clients;
	unsigned int	 per_user;	/* in a session all of them */
} classes[CLASS_N] = {
	[CLASS_FULL] = { "full-control", "qemud", 0600, 2000, 2000 },
	[CLASS_RO] = { "read-only", "qemud-ro", 0666, 1000, 100 },
	[CLASS_LAUNCH] = { "launch", "launch", 0666, 2000, 1000 },
};

static const struct {
	int		 session;
	int		 readonly;
	const char	*path;
} files[] = {
	{ 0, 0, LOCALSTATEDIR "/lib/qemud/images" },
	{ 0, 0, "/var/lib/libvirt/images" },
	{ 0, 1, "/var/lib/libvirt/boot" },
	{ 0, 1, "/boot" },
	{ 1, 0, "/" },
};

static const char *const emulators[] = {
	"/usr/bin/qemu-system-*",
	"/usr/libexec/qemu-kvm",
};

/* --- making and freeing --------------------------------------------------- */

struct conf *
conf_new(int session)
{
	struct conf	*c;

	if ((c = calloc(1, sizeof(*c))) == NULL)
		return (NULL);
	c->session = session;
	TAILQ_INIT(&c->names);
	TAILQ_INIT(&c->listens);
	TAILQ_INIT(&c->files);
	TAILQ_INIT(&c->emulators);
	return (c);
}

/* Takes path, also on failure. */
struct conf_listen *
conf_listen_new(const struct conf_pos *pos, char *path)
{
	struct conf_listen	*l;

	if ((l = calloc(1, sizeof(*l))) == NULL) {
		free(path);
		return (NULL);
	}
	l->pos = *pos;
	l->path = path;
	l->mode = (mode_t)-1;
	l->uid = (uid_t)-1;
	l->gid = (gid_t)-1;
	l->fd = -1;
	return (l);
}

void
conf_listen_free(struct conf_listen *l)
{
	if (l == NULL)
		return;
	if (l->fd != -1)
		close(l->fd);
	free(l->path);
	free(l->owner);
	free(l->group);
	free(l);
}

/* Takes path, also on failure. */
int
conf_path_add(struct conf_paths *to, const struct conf_pos *pos, char *path,
    int readonly)
{
	struct conf_path	*p;

	if (path == NULL || (p = calloc(1, sizeof(*p))) == NULL) {
		free(path);
		return (-1);
	}
	p->pos = *pos;
	p->path = path;
	p->readonly = readonly;
	TAILQ_INSERT_TAIL(to, p, entry);
	return (0);
}

void
conf_paths_clear(struct conf_paths *paths)
{
	struct conf_path	*p;

	while ((p = TAILQ_FIRST(paths)) != NULL) {
		TAILQ_REMOVE(paths, p, entry);
		free(p->path);
		free(p);
	}
}

void
conf_free(struct conf *c)
{
	struct conf_listen	*l;
	struct conf_name	*n;
	int			 i;

	if (c == NULL)
		return;
	while ((l = TAILQ_FIRST(&c->listens)) != NULL) {
		TAILQ_REMOVE(&c->listens, l, entry);
		conf_listen_free(l);
	}
	conf_paths_clear(&c->files);
	conf_paths_clear(&c->emulators);
	for (i = 0; i <= CONF_DIR_LAST; i++)
		free(c->dirs[i].path);
	for (i = 0; i <= CONF_ROLE_LAST; i++)
		free(c->users[i].name);
	while ((n = TAILQ_FIRST(&c->names)) != NULL) {
		TAILQ_REMOVE(&c->names, n, entry);
		free(n);
	}
	free(c);
}

/* From -D name=value; -1 with EINVAL if it is not of that form. */
int
conf_macro_set(struct conf_macros *macros, const char *text)
{
	struct conf_macro	*m;
	const char		*s;
	size_t			 len = 0;

	while (isalnum((unsigned char)text[len]) || text[len] == '_')
		len++;
	for (s = text; *s != '\0' && !iscntrl((unsigned char)*s); s++)
		;
	if (len == 0 || text[len] != '=' || *s != '\0' ||
	    s - text > CONF_TOKEN_MAX) {
		errno = EINVAL;
		return (-1);
	}
	if ((m = calloc(1, sizeof(*m))) == NULL ||
	    (m->name = strndup(text, len)) == NULL ||
	    (m->value = strdup(text + len + 1)) == NULL) {
		if (m != NULL)
			free(m->name);
		free(m);
		return (-1);
	}
	TAILQ_INSERT_HEAD(macros, m, entry);	/* the last one wins */
	return (0);
}

void
conf_macros_clear(struct conf_macros *macros)
{
	struct conf_macro	*m;

	while ((m = TAILQ_FIRST(macros)) != NULL) {
		TAILQ_REMOVE(macros, m, entry);
		free(m->name);
		free(m->value);
		free(m);
	}
}

/* --- checks --------------------------------------------------------------- */

/* pos is NULL, or nowhere, if no line says what is wrong. */
void
conf_error(struct conf_errors *errs, const struct conf_pos *pos,
    const char *fmt, ...)
{
	va_list	 ap;
	char	 line[2048], safe[sizeof(line) * 4];
	size_t	 n;

	if (++errs->n > CONF_ERRORS_MAX)
		return;
	if (pos == NULL || pos->file == NULL)
		snprintf(line, sizeof(line), "%s: ", errs->file);
	else
		snprintf(line, sizeof(line), "%s:%u:%u: ", pos->file,
		    pos->line, pos->column);
	n = strlen(line);
	va_start(ap, fmt);
	vsnprintf(line + n, sizeof(line) - n, errs->n < CONF_ERRORS_MAX ? fmt :
	    "too many errors, giving up", ap);
	va_end(ap);
	strvis(safe, line, VIS_CSTYLE | VIS_NL | VIS_NOSLASH);
	errs->complain(errs->arg, safe);
}

/* What is wrong with a path from the root, or NULL. */
const char *
conf_path_wrong(const char *path)
{
	const char	*s;
	size_t		 n;

	if (path[0] != '/')
		return ("not an absolute path");
	for (s = path; *s != '\0'; s++)
		if (iscntrl((unsigned char)*s))
			return ("has a control character");
	for (s = path; s != NULL && path[1] != '\0'; s = strchr(s + 1, '/')) {
		n = strcspn(s + 1, "/");
		if (n == 0)
			return ("has an empty component");
		if (n <= 2 && strspn(s + 1, ".") >= n)
			return ("has a . or .. component");
	}
	return (NULL);
}

static int
is_below(const char *path, const char *dir)
{
	size_t	 len = strcmp(dir, "/") == 0 ? 0 : strlen(dir);

	return (strncmp(path, dir, len) == 0 && path[len] == '/' &&
	    path[len + 1] != '\0');
}

/* Who could write our configuration or the emulators would own the host. */
/* Folders that a slip must not hand over to the suite. */
static int
of_system(const char *path)
{
	static const char *const	 folders[] = {
		"/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib",
		"/lib64", "/media", "/mnt", "/opt", "/proc", "/root", "/run",
		"/sbin", "/srv", "/sys", "/tmp", "/usr", "/var", "/var/lib",
		"/var/log", "/var/run", "/var/spool", "/var/tmp"
	};
	size_t				 i;

	for (i = 0; i < nitems(folders); i++)
		if (strcmp(path, folders[i]) == 0)
			return (1);
	return (0);
}

static void
check_files(struct conf *c, struct conf_errors *errs)
{
	struct conf_path	*f, *e;
	struct conf_name	*n;
	char			*path;
	int			 i;

	TAILQ_FOREACH(f, &c->files, entry) {
		if (f->readonly || c->session)
			continue;
		TAILQ_FOREACH(e, &c->emulators, entry)
			if (is_below(e->path, f->path))
				conf_error(errs, &f->pos, "\"%s\": guests "
				    "could write the emulator \"%s\", so this "
				    "must be read-only", f->path, e->path);
		for (i = 0; i < (int)nitems(c->dirs); i++)
			if (is_below(c->dirs[i].path, f->path))
				conf_error(errs, &f->pos, "\"%s\": guests "
				    "could write the suite's own folder \"%s\", "
				    "so this must be read-only", f->path,
				    c->dirs[i].path);
		/* its owner could exchange folders for links */
		if (is_below(f->path, c->dirs[DIR_DEFINITIONS].path))
			conf_error(errs, &f->pos, "\"%s\": images cannot lie "
			    "among the definitions", f->path);
		TAILQ_FOREACH(n, &c->names, entry) {
			if ((path = realpath(n->name, NULL)) != NULL &&
			    is_below(path, f->path))
				conf_error(errs, &f->pos, "\"%s\": guests "
				    "could write the configuration \"%s\", so "
				    "this must be read-only", f->path, path);
			free(path);
		}
	}
}

static void
check_paths(struct conf_paths *paths, struct conf_errors *errs)
{
	struct conf_path	*a, *b;

	TAILQ_FOREACH(b, paths, entry)
		for (a = TAILQ_FIRST(paths); a != b; a = TAILQ_NEXT(a, entry))
			if (strcmp(a->path, b->path) == 0)
				conf_error(errs, &b->pos,
				    "\"%s\" is given twice", b->path);
}

/* The one that a line says, so that there is a place to complain about. */
static const struct conf_pos *
said(const struct conf_pos *a, const struct conf_pos *b)
{
	return (a->file != NULL ? a : b);
}

static void
check_listens(struct conf *c, struct conf_errors *errs)
{
	struct conf_listen	*a, *b;
	const size_t		 max =
	    sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;

	TAILQ_FOREACH(b, &c->listens, entry) {
		if (strlen(b->path) > max)
			conf_error(errs, &b->pos, "\"%s\": a socket's path "
			    "can have %zu bytes, this one has %zu", b->path,
			    max, strlen(b->path));
		for (a = TAILQ_FIRST(&c->listens); a != b;
		    a = TAILQ_NEXT(a, entry))
			if (strcmp(a->path, b->path) == 0)
				conf_error(errs, said(&b->pos, &a->pos),
				    "\"%s\" is listened on twice, %s and %s",
				    b->path, classes[a->class].name,
				    classes[b->class].name);
	}
}

/* What spans several directives, or is a default. */
static void
conf_check(struct conf *c, struct conf_errors *errs)
{
	const struct conf_dir	*d = c->dirs;
	const struct conf_user	*u = c->users;
	const char		*wrong;
	int			 i, j;

	for (i = 0; i <= CONF_DIR_LAST; i++) {
		if ((wrong = conf_path_wrong(d[i].path)) != NULL)
			conf_error(errs, &d[i].pos, "%s in \"%s\": %s",
			    dirs[i].name, d[i].path, wrong);
		else if (!c->session && of_system(d[i].path))
			conf_error(errs, &d[i].pos, "%s in \"%s\": a folder "
			    "for the suite alone is needed, not one of the "
			    "system", dirs[i].name, d[i].path);
		for (j = 0; j < i; j++)
			if (strcmp(d[i].path, d[j].path) == 0)
				conf_error(errs, said(&d[i].pos, &d[j].pos),
				    "%s and %s cannot both be in \"%s\"",
				    dirs[j].name, dirs[i].name, d[i].path);
	}
	for (i = CONF_ROLE_FIRST; i <= CONF_ROLE_LAST && !c->session; i++)
		for (j = CONF_ROLE_FIRST; j < i; j++)
			if (strcmp(u[i].name, u[j].name) == 0)
				conf_error(errs, said(&u[i].pos, &u[j].pos),
				    "%s and %s cannot both be \"%s\": they "
				    "must not reach each other",
				    roles[j].name, roles[i].name, u[i].name);
	check_listens(c, errs);
	check_paths(&c->files, errs);
	check_paths(&c->emulators, errs);
	check_files(c, errs);
}

/* --- defaults ------------------------------------------------------------- */

/* $var/sub if that variable is an absolute path, else below the home. */
static char *
session_path(const char *var, const char *sub, const char *home_sub)
{
	struct passwd	*pw;
	const char	*base;
	char		*path;
	size_t		 len;

	if (var == NULL || (base = getenv(var)) == NULL || base[0] != '/') {
		sub = home_sub;
		base = getenv("HOME");
		if (base == NULL || base[0] != '/')
			base = (pw = getpwuid(getuid())) == NULL ? "/" :
			    pw->pw_dir;
	}
	for (len = strlen(base); len > 0 && base[len - 1] == '/'; len--)
		;
	if (asprintf(&path, "%.*s%s", (int)len, base, sub) == -1)
		return (NULL);
	return (path);
}

/* Fills in what no line has said. */
static int
conf_defaults(struct conf *c)
{
	static const struct conf_pos	 nowhere;
	struct conf_listen		*l;
	struct conf_limit		*m;
	char				*path;
	size_t				 i;

	for (i = 0; i <= CONF_DIR_LAST; i++)
		if (c->dirs[i].path == NULL && (c->dirs[i].path = c->session ?
		    session_path(i == DIR_RUN ? "XDG_RUNTIME_DIR" : NULL,
		    "/qemud", dirs[i].session_path) :
		    strdup(dirs[i].path)) == NULL)
			return (-1);
	for (i = 0; i < CLASS_N; i++) {
		TAILQ_FOREACH(l, &c->listens, entry)
			if (l->class == i)
				break;
		if (l == NULL) {
			if (asprintf(&path, "%s/%s", c->dirs[DIR_RUN].path,
			    classes[i].socket) == -1 ||
			    (l = conf_listen_new(&nowhere, path)) == NULL)
				return (-1);
			l->class = i;
			TAILQ_INSERT_TAIL(&c->listens, l, entry);
		}
		m = &c->limits[i];
		if (m->clients == 0)
			m->clients = classes[i].clients;
		if (m->per_user == 0)
			m->per_user = c->session ? m->clients :
			    MIN(classes[i].per_user, m->clients);
	}
	TAILQ_FOREACH(l, &c->listens, entry)
		if (l->mode == (mode_t)-1)
			l->mode = c->session ? 0600 : classes[l->class].mode;
	if (TAILQ_EMPTY(&c->files))
		for (i = 0; i < nitems(files); i++)
			if (files[i].session == c->session &&
			    conf_path_add(&c->files, &nowhere,
			    strdup(files[i].path), files[i].readonly) == -1)
				return (-1);
	if (TAILQ_EMPTY(&c->emulators))
		for (i = 0; i < nitems(emulators); i++)
			if (conf_path_add(&c->emulators, &nowhere,
			    strdup(emulators[i]), 0) == -1)
				return (-1);
	if (!c->session && c->uid_first == 0) {
		c->uid_first = 200000;
		c->uid_last = 265535;
	}
	for (i = CONF_ROLE_FIRST; i <= CONF_ROLE_LAST && !c->session; i++)
		if (c->users[i].name == NULL &&
		    (c->users[i].name = strdup(roles[i].user)) == NULL)
			return (-1);
	if (c->calls == 0)
		c->calls = 64;
	if (c->start_timeout == 0)
		c->start_timeout = 30;
	return (0);
}

/*
 * Reads file into a new configuration, or with NULL the usual one, which a
 * session need not have.  On -1 each reason has been told to complain, and
 * all that can be done with c is to free it.
 */
int
conf_load(struct conf *c, const char *file, const struct conf_macros *cmdline,
    conf_complain *complain, void *arg)
{
	struct conf_errors	 errs = { complain, arg, "qemud.conf", 0 };
	char			*path;

	if (file != NULL)
		path = strdup(file);
	else if (c->session)
		path = session_path("XDG_CONFIG_HOME", "/qemud/qemud.conf",
		    "/.config/qemud/qemud.conf");
	else
		path = strdup(SYSCONFDIR "/qemud/qemud.conf");
	if (path != NULL) {
		errs.file = path;
		conf_parse(c, path, file == NULL && c->session, cmdline,
		    &errs);
	}
	if (path == NULL || conf_defaults(c) == -1)
		conf_error(&errs, NULL, "%s", strerror(errno));
	else
		conf_check(c, &errs);
	free(path);
	return (errs.n == 0 ? 0 : -1);
}

/* --- accounts ------------------------------------------------------------- */

static void
find_user(struct conf *c, enum msg_role role, struct conf_errors *errs)
{
	struct conf_user	*u = &c->users[role];
	struct passwd		*pw;
	int			 i;

	if ((pw = getpwnam(u->name)) == NULL) {
		conf_error(errs, &u->pos, "%s runs as \"%s\", but there is no "
		    "such user: make one, or name another with user %s",
		    roles[role].name, u->name, roles[role].name);
		return;
	}
	u->uid = pw->pw_uid;
	u->gid = pw->pw_gid;
	if (u->uid == 0 || u->gid == 0)
		conf_error(errs, &u->pos, "user %s: \"%s\" has root's uid or "
		    "gid", roles[role].name, u->name);
	else if (u->uid >= c->uid_first && u->uid <= c->uid_last)
		conf_error(errs, &u->pos, "user %s: the uid of \"%s\", %u, is "
		    "one of the guest uids", roles[role].name, u->name,
		    u->uid);
	for (i = CONF_ROLE_FIRST; i < (int)role; i++)
		if (c->users[i].uid == u->uid && c->users[i].uid != 0)
			conf_error(errs, &u->pos, "users %s and %s have the "
			    "same uid, %u", roles[i].name, roles[role].name,
			    u->uid);
}

/*
 * Looks up all accounts and groups that c names.  Apart from conf_load(), so
 * that a configuration can be checked elsewhere than on its host.
 */
int
conf_users(struct conf *c, conf_complain *complain, void *arg)
{
	struct conf_errors	 errs = { complain, arg, "qemud.conf", 0 };
	struct conf_listen	*l;
	struct passwd		*pw;
	struct group		*gr;
	int			 i;

	if (!TAILQ_EMPTY(&c->names))
		errs.file = TAILQ_FIRST(&c->names)->name;
	for (i = CONF_ROLE_FIRST; i <= CONF_ROLE_LAST; i++) {
		if (!c->session)
			find_user(c, i, &errs);
		else {
			c->users[i].uid = getuid();
			c->users[i].gid = getgid();
		}
	}
	TAILQ_FOREACH(l, &c->listens, entry) {
		if (l->owner != NULL && (pw = getpwnam(l->owner)) != NULL)
			l->uid = pw->pw_uid;
		else if (l->owner != NULL)
			conf_error(&errs, &l->pos, "owner: there is no user "
			    "\"%s\"", l->owner);
		if (l->group != NULL && (gr = getgrnam(l->group)) != NULL)
			l->gid = gr->gr_gid;
		else if (l->group != NULL)
			conf_error(&errs, &l->pos, "group: there is no group "
			    "\"%s\"", l->group);
	}
	return (errs.n == 0 ? 0 : -1);
}

/* --- printing ------------------------------------------------------------- */

static void
dump_string(FILE *f, const char *before, const char *s, const char *after)
{
	fprintf(f, "%s\"", before);
	for (; *s != '\0'; s++) {
		if (*s == '"' || *s == '\\' || *s == '$')
			putc('\\', f);
		putc(*s, f);
	}
	fprintf(f, "\"%s", after);
}

static void
dump(const struct conf *c, unsigned int what, FILE *f)
{
	const struct conf_listen	*l;
	const struct conf_path		*p;
	int				 i;

	for (i = 0; i <= CONF_DIR_LAST && (what & CONF_DIRS); i++) {
		fprintf(f, "%s in ", dirs[i].name);
		dump_string(f, "", c->dirs[i].path, "\n");
	}
	TAILQ_FOREACH(l, &c->listens, entry) {
		if (!(what & CONF_LISTENERS))
			break;
		dump_string(f, "listen on ", l->path, "");
		fprintf(f, " mode %04o ", l->mode);
		if (l->owner != NULL)
			dump_string(f, "owner ", l->owner, " ");
		if (l->group != NULL)
			dump_string(f, "group ", l->group, " ");
		fprintf(f, "%s\n", classes[l->class].name);
	}
	if (what & CONF_FILES)
		TAILQ_FOREACH(p, &c->files, entry)
			dump_string(f, "files in ", p->path,
			    p->readonly ? " read-only\n" : "\n");
	if (what & CONF_EMULATORS)
		TAILQ_FOREACH(p, &c->emulators, entry)
			dump_string(f, "emulators ", p->path, "\n");
	if (!c->session && (what & CONF_UIDS))
		fprintf(f, "guest uids %u-%u\n", c->uid_first, c->uid_last);
	for (i = CONF_ROLE_FIRST; i <= CONF_ROLE_LAST; i++) {
		if (c->session || !(what & CONF_USERS))
			break;
		fprintf(f, "user %s ", roles[i].name);
		dump_string(f, "", c->users[i].name, "\n");
	}
	if (!(what & CONF_LIMITS))
		return;
	for (i = 0; i < CLASS_N; i++)
		fprintf(f, "clients %s %u per user %u\n", classes[i].name,
		    c->limits[i].clients, c->limits[i].per_user);
	fprintf(f, "calls in flight %u\nstart timeout %u\n", c->calls,
	    c->start_timeout);
}

/* All of it, as qemud.conf(5) would say it. */
void
conf_dump(const struct conf *c, FILE *f)
{
	dump(c, CONF_ALL, f);
}

/* --- a new one in place of an old one ------------------------------------- */

static char *
dump_text(const struct conf *c, unsigned int what)
{
	FILE	*f;
	char	*text = NULL;
	size_t	 size;

	if ((f = open_memstream(&text, &size)) == NULL)
		return (NULL);
	dump(c, what, f);
	fclose(f);
	return (text);
}

/* The parts that are not the same, CONF_; without memory, all. */
unsigned int
conf_changes(const struct conf *a, const struct conf *b)
{
	unsigned int	 what, changes = 0;
	char		*at, *bt;

	for (what = 1; what < CONF_ALL; what <<= 1) {
		at = dump_text(a, what);
		bt = dump_text(b, what);
		if (at == NULL || bt == NULL || strcmp(at, bt) != 0)
			changes |= what;
		free(at);
		free(bt);
	}
	return (changes);
}

/* Moves the sockets of listeners that stay from the old one to the new. */
void
conf_inherit(struct conf *new, struct conf *old)
{
	struct conf_listen	*l, *m;

	TAILQ_FOREACH(l, &new->listens, entry)
		TAILQ_FOREACH(m, &old->listens, entry)
			if (l->fd == -1 && l->class == m->class &&
			    strcmp(l->path, m->path) == 0) {
				l->fd = m->fd;
				l->id = m->id;
				m->fd = -1;
			}
}

/* --- questions ------------------------------------------------------------ */

/* The innermost folder of images that path is in; NULL: not allowed. */
const struct conf_path *
conf_files_find(const struct conf *c, const char *path)
{
	const struct conf_path	*p, *found = NULL;

	if (conf_path_wrong(path) != NULL)
		return (NULL);
	TAILQ_FOREACH(p, &c->files, entry)
		if (is_below(path, p->path) && (found == NULL ||
		    strlen(p->path) > strlen(found->path)))
			found = p;
	return (found);
}
