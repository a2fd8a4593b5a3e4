/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * Reads qemud.conf(5) into a struct conf: the grammar, what each directive
 * does, then the scanner.  Every file is a struct source with a run of the
 * parser of its own: an included file is a call of read_file() within one.
 * What can be said about a single directive is checked here, where its
 * position is known; what concerns several, or defaults, in conf.c.
 */

%code requires {
#include "parent/conf.h"

struct source;
}

%code {
#include <sys/param.h>
#include <sys/stat.h>

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One configuration, over all its files. */
struct reader {
	struct conf		*conf;
	struct conf_errors	*errs;
	const struct conf_macros *cmdline;
	struct conf_macros	 macros;
	struct conf_paths	 list;		/* { ... } being read */
	struct conf_listen	*listen;	/* listen on ... being read */
	struct conf_limit	 limit;		/* clients of all classes */
	unsigned int		 nfiles;
};

/* One file. */
struct source {
	struct reader		*r;
	struct source		*includer;
	const char		*name;		/* lent by conf */
	unsigned int		 depth;
	dev_t			 dev;
	ino_t			 ino;
	char			*buf;
	size_t			 len;
	size_t			 at;		/* next byte */
	size_t			 token;		/* first byte of the last */
	size_t			 bol;		/* first byte of its line */
	unsigned int		 line;
	int			 start;		/* a directive begins here */
	unsigned int		 braces;	/* open */
	struct conf_pos		 brace;		/* the outermost one */
};

#define YYLLOC_DEFAULT(cur, rhs, n)					\
	((cur) = (n) ? YYRHSLOC(rhs, 1) : YYRHSLOC(rhs, 0))

union YYSTYPE;
static int	 yylex(union YYSTYPE *, struct conf_pos *, struct source *);
static void	 yyerror(struct conf_pos *, struct source *, const char *);
static void	 set_macro(struct source *, const struct conf_pos *, char *,
		    char *);
static void	 include(struct source *, const struct conf_pos *, char *);
static void	 set_dir(struct source *, const struct conf_pos *,
		    enum conf_dirs, const struct conf_pos *, char *);
static int	 listen_start(struct source *, const struct conf_pos *,
		    char *);
static void	 listen_mode(struct source *, const struct conf_pos *, char *);
static void	 listen_name(struct source *, const struct conf_pos *,
		    const char *, char **, char *);
static void	 listen_end(struct source *, enum conf_class);
static void	 add_path(struct source *, const struct conf_pos *, char *);
static void	 take_list(struct source *, const struct conf_pos *,
		    struct conf_paths *, int);
static void	 set_uids(struct source *, const struct conf_pos *, char *,
		    char *);
static void	 set_user(struct source *, const struct conf_pos *,
		    enum conf_role, const struct conf_pos *, char *);
static void	 set_clients(struct source *, const struct conf_pos *,
		    enum conf_class, unsigned int, unsigned int);
static unsigned int
		 number(struct source *, const struct conf_pos *, char *,
		    const char *, unsigned int);
static int	 once(struct source *, struct conf_pos *,
		    const struct conf_pos *, const char *);
static void	 forget(struct reader *);
static int	 read_file(struct reader *, struct source *,
		    const struct conf_pos *, const char *, int);
}

%define api.pure full
%define api.location.type {struct conf_pos}
%define parse.error custom
%param { struct source *s }
%locations
%expect 0

%union {
	char			*string;
	unsigned int		 number;
}

/* Keywords are looked up by these names: all of them, CALLS to USER. */
%token	CALLS "calls" CLIENTS "clients" DEFINITIONS "definitions"
%token	EMULATORS "emulators" FILES "files" FLIGHT "flight"
%token	FULL_CONTROL "full-control" GROUP "group" GUEST "guest" IN "in"
%token	INCLUDE "include" LAUNCH "launch" LISTEN "listen" LOG "log"
%token	MODE "mode" MONITORD "monitord" NETD "netd"
%token	NETD_LAUNCH "netd-launch" NETD_RO "netd-ro" ON "on" OWNER "owner"
%token	PER "per" QEMUD "qemud" READ_ONLY "read-only" RUN "run"
%token	START "start" STATE "state" TENANT "tenant" TIMEOUT "timeout"
%token	TLS "tls" UIDS "uids" USER "user"
%token	JUNK EOL "end of line"
%token	WORD "a word"
%token	<string> MACRO "a macro"
%token	<string> NUMBER "a number"
%token	<string> STRING "a \"quoted string\""

%type	<string> value
%type	<number> dir class any_class role access per_user

%destructor { free($$); } <string>

%%

file	: %empty
	| file EOL
	| file line EOL
	| file error EOL {
		forget(s->r);
		if (s->r->errs->n >= CONF_ERRORS_MAX)
			YYABORT;
		yyerrok;
	}
	;

line	: MACRO '=' value	{ set_macro(s, &@1, $1, $3); }
	| INCLUDE STRING	{ include(s, &@2, $2); }
	| dir IN STRING		{ set_dir(s, &@1, $1, &@3, $3); }
	| LISTEN ON listener
	| FILES IN paths access	{ take_list(s, &@1, &s->r->conf->files, $4); }
	| EMULATORS paths {
		take_list(s, &@1, &s->r->conf->emulators, 0);
	}
	| GUEST UIDS NUMBER '-' NUMBER {
		set_uids(s, &@1, $3, $5);
	}
	| USER role STRING	{ set_user(s, &@1, $2, &@3, $3); }
	| CLIENTS any_class NUMBER per_user {
		set_clients(s, &@1, $2,
		    number(s, &@3, $3, "clients", 65536), $4);
	}
	| CALLS IN FLIGHT NUMBER {
		struct conf	*c = s->r->conf;

		c->calls = number(s, &@4, $4, "calls in flight", 4096);
		once(s, &c->calls_pos, &@1, "calls in flight");
	}
	| START TIMEOUT NUMBER {
		struct conf	*c = s->r->conf;

		c->start_timeout = number(s, &@3, $3, "start timeout", 3600);
		once(s, &c->timeout_pos, &@1, "start timeout");
	}
	| TENANT {
		conf_error(s->r->errs, &@1,
		    "tenants are not available in this version");
		YYERROR;
	}
	;

value	: STRING
	| NUMBER
	;

dir	: DEFINITIONS		{ $$ = DIR_DEFINITIONS; }
	| STATE			{ $$ = DIR_STATE; }
	| LOG			{ $$ = DIR_LOG; }
	| RUN			{ $$ = DIR_RUN; }
	;

listener: address options class	{ listen_end(s, $3); }
	| TLS {
		conf_error(s->r->errs, &@1,
		    "TLS endpoints are not available in this version");
		YYERROR;
	}
	;

address	: STRING {
		if (listen_start(s, &@1, $1) == -1)
			YYERROR;
	}
	;

options	: %empty
	| options MODE NUMBER	{ listen_mode(s, &@3, $3); }
	| options OWNER STRING {
		listen_name(s, &@2, "owner", &s->r->listen->owner, $3);
	}
	| options GROUP STRING {
		listen_name(s, &@2, "group", &s->r->listen->group, $3);
	}
	;

class	: FULL_CONTROL		{ $$ = CLASS_FULL; }
	| READ_ONLY		{ $$ = CLASS_RO; }
	| LAUNCH		{ $$ = CLASS_LAUNCH; }
	;

any_class: %empty		{ $$ = CLASS_N; }
	| class
	;

paths	: path
	| '{' list '}'
	| '{' list ',' '}'
	;

list	: path
	| list path
	| list ',' path
	;

path	: STRING		{ add_path(s, &@1, $1); }
	;

access	: %empty		{ $$ = 0; }
	| READ_ONLY		{ $$ = 1; }
	;

role	: QEMUD			{ $$ = ROLE_QEMUD; }
	| NETD			{ $$ = ROLE_NETD; }
	| NETD_RO		{ $$ = ROLE_NETD_RO; }
	| NETD_LAUNCH		{ $$ = ROLE_NETD_LAUNCH; }
	| MONITORD		{ $$ = ROLE_MONITORD; }
	;

per_user: %empty		{ $$ = 0; }
	| PER USER NUMBER {
		$$ = number(s, &@3, $3, "clients per user", 65536);
	}
	;

%%

/* --- directives: each takes the strings that it is given ----------------- */

/* Copies *new to *old, which must not have been set by another line. */
static int
once(struct source *s, struct conf_pos *old, const struct conf_pos *new,
    const char *what)
{
	if (old->file != NULL) {
		conf_error(s->r->errs, new, "%s: already set at %s:%u", what,
		    old->file, old->line);
		return (-1);
	}
	*old = *new;
	return (0);
}

/* 1 to max, or 0 after a complaint. */
static unsigned int
number(struct source *s, const struct conf_pos *pos, char *text,
    const char *what, unsigned int max)
{
	const char	*errstr;
	unsigned int	 n;

	n = strtonum(text, 1, max, &errstr);
	if (errstr != NULL)
		conf_error(s->r->errs, pos,
		    "%s: %s is %s, expected 1 to %u", what, text, errstr, max);
	free(text);
	return (n);
}

/* The final slash of path is cut off, -1 after a complaint. */
static int
check_path(struct source *s, const struct conf_pos *pos, char *path)
{
	const char	*wrong;
	size_t		 len = strlen(path);

	if (len > 1 && path[len - 1] == '/')
		path[len - 1] = '\0';
	if ((wrong = conf_path_wrong(path)) == NULL)
		return (0);
	conf_error(s->r->errs, pos, "\"%s\": %s", path, wrong);
	return (-1);
}

static int
not_in_session(struct source *s, const struct conf_pos *pos, const char *what)
{
	if (!s->r->conf->session)
		return (0);
	conf_error(s->r->errs, pos, "%s: not in a session instance, "
	    "where everything runs as the user who started it", what);
	return (-1);
}

static struct conf_macro *
find_macro(const struct conf_macros *macros, const char *name, size_t len)
{
	struct conf_macro	*m;

	TAILQ_FOREACH(m, macros, entry)
		if (strlen(m->name) == len && memcmp(m->name, name, len) == 0)
			return (m);
	return (NULL);
}

static void
set_macro(struct source *s, const struct conf_pos *pos, char *name,
    char *value)
{
	struct conf_macro	*m;

	if ((m = find_macro(&s->r->macros, name, strlen(name))) != NULL) {
		once(s, &m->pos, pos, name);
	} else if ((m = calloc(1, sizeof(*m))) == NULL) {
		conf_error(s->r->errs, pos, "%s", strerror(errno));
	} else {
		m->pos = *pos;
		m->name = name;
		m->value = value;
		TAILQ_INSERT_TAIL(&s->r->macros, m, entry);
		return;
	}
	free(name);
	free(value);
}

/* A relative name starts at the folder of the file that has the line. */
static void
include(struct source *s, const struct conf_pos *pos, char *name)
{
	const char	*slash = NULL;
	char		*path = NULL;

	if (name[0] != '/')
		slash = strrchr(s->name, '/');
	if (asprintf(&path, "%.*s%s", slash == NULL ? 0 :
	    (int)(slash + 1 - s->name), s->name, name) == -1) {
		path = NULL;
		conf_error(s->r->errs, pos, "%s", strerror(errno));
	} else
		read_file(s->r, s, pos, path, 0);
	free(path);
	free(name);
}

static void
set_dir(struct source *s, const struct conf_pos *pos, enum conf_dirs which,
    const struct conf_pos *path_pos, char *path)
{
	struct conf_dir	*d = &s->r->conf->dirs[which];

	if (once(s, &d->pos, pos, "folder") == -1 ||
	    check_path(s, path_pos, path) == -1)
		free(path);
	else
		d->path = path;
}

static int
listen_start(struct source *s, const struct conf_pos *pos, char *path)
{
	struct conf_listen	*l;

	if (check_path(s, pos, path) == -1)
		goto fail;
	if ((l = calloc(1, sizeof(*l))) == NULL) {
		conf_error(s->r->errs, pos, "%s", strerror(errno));
		goto fail;
	}
	l->pos = *pos;
	l->path = path;
	l->mode = (mode_t)-1;
	l->uid = (uid_t)-1;
	l->gid = (gid_t)-1;
	l->fd = -1;
	s->r->listen = l;
	return (0);
 fail:
	free(path);
	return (-1);
}

static void
listen_mode(struct source *s, const struct conf_pos *pos, char *text)
{
	unsigned long	 mode;
	char		*end;

	mode = strtoul(text, &end, 8);
	if (*end != '\0' || mode > 0777)
		conf_error(s->r->errs, pos,
		    "mode: %s is not an octal number up to 0777", text);
	else if (s->r->listen->mode != (mode_t)-1)
		conf_error(s->r->errs, pos, "mode: given twice");
	else
		s->r->listen->mode = mode;
	free(text);
}

static void
listen_name(struct source *s, const struct conf_pos *pos, const char *what,
    char **to, char *name)
{
	if (*to != NULL)
		conf_error(s->r->errs, pos, "%s: given twice", what);
	else if (name[0] == '\0')
		conf_error(s->r->errs, pos, "%s: the name is empty", what);
	else if (strcmp(what, "owner") != 0 ||
	    not_in_session(s, pos, what) == 0) {
		*to = name;
		return;
	}
	free(name);
}

static void
listen_end(struct source *s, enum conf_class class)
{
	struct conf		*c = s->r->conf;
	struct conf_listen	*l = s->r->listen, *o;
	unsigned int		 n = 0;

	TAILQ_FOREACH(o, &c->listens, entry)
		n++;
	if (n >= CONF_LIST_MAX)
		conf_error(s->r->errs, &l->pos, "more than %d listeners",
		    CONF_LIST_MAX);
	else if (class == CLASS_FULL && l->mode != (mode_t)-1 &&
	    (l->mode & 0002))
		conf_error(s->r->errs, &l->pos, "mode %04o of a full-control "
		    "socket gives every user of this host all guests: it must "
		    "not be writable for others, like 0600 or 0660", l->mode);
	else {
		l->class = class;
		TAILQ_INSERT_TAIL(&c->listens, l, entry);
		s->r->listen = NULL;
	}
	forget(s->r);
}

static void
add_path(struct source *s, const struct conf_pos *pos, char *path)
{
	struct conf_path	*p;

	if (check_path(s, pos, path) == -1)
		free(path);
	else if ((p = calloc(1, sizeof(*p))) == NULL) {
		conf_error(s->r->errs, pos, "%s", strerror(errno));
		free(path);
	} else {
		p->pos = *pos;
		p->path = path;
		TAILQ_INSERT_TAIL(&s->r->list, p, entry);
	}
}

static void
take_list(struct source *s, const struct conf_pos *pos, struct conf_paths *to,
    int readonly)
{
	struct conf_path	*p;
	unsigned int		 n = 0;

	TAILQ_FOREACH(p, to, entry)
		n++;
	TAILQ_FOREACH(p, &s->r->list, entry) {
		p->readonly = readonly;
		n++;
	}
	if (n > CONF_LIST_MAX) {
		conf_error(s->r->errs, pos, "more than %d paths",
		    CONF_LIST_MAX);
		forget(s->r);
	} else
		TAILQ_CONCAT(to, &s->r->list, entry);
}

static void
set_uids(struct source *s, const struct conf_pos *pos, char *first,
    char *last)
{
	struct conf	*c = s->r->conf;

	c->uid_first = number(s, pos, first, "guest uids", CONF_UID_LAST);
	c->uid_last = number(s, pos, last, "guest uids", CONF_UID_LAST);
	if (not_in_session(s, pos, "guest uids") == -1 ||
	    once(s, &c->uids_pos, pos, "guest uids") == -1 ||
	    c->uid_first == 0 || c->uid_last == 0)
		return;
	if (c->uid_first < CONF_UID_FIRST)
		conf_error(s->r->errs, pos, "guest uids: %u is one of the "
		    "system's accounts, expected %u or more", c->uid_first,
		    CONF_UID_FIRST);
	else if (c->uid_first > c->uid_last)
		conf_error(s->r->errs, pos, "guest uids: the last, %u, is "
		    "below the first, %u", c->uid_last, c->uid_first);
	else if (c->uid_first <= 65535 && c->uid_last >= 65534)
		conf_error(s->r->errs, pos, "guest uids: 65534 and 65535 "
		    "stand for nobody, and cannot be a guest's");
}

static void
set_user(struct source *s, const struct conf_pos *pos, enum conf_role role,
    const struct conf_pos *name_pos, char *name)
{
	struct conf_user	*u = &s->r->conf->users[role];

	if (name[0] == '\0')
		conf_error(s->r->errs, name_pos, "user %s: the name is empty",
		    conf_role_name(role));
	else if (not_in_session(s, pos, "user") == 0 &&
	    once(s, &u->pos, pos, conf_role_name(role)) == 0) {
		u->name = name;
		return;
	}
	free(name);
}

/* per_user is 0 if the line does not say it. */
static void
set_clients(struct source *s, const struct conf_pos *pos,
    enum conf_class class, unsigned int clients, unsigned int per_user)
{
	struct conf_limit	*l;

	l = class == CLASS_N ? &s->r->limit : &s->r->conf->limits[class];
	if (once(s, &l->pos, pos, "clients") == -1)
		return;
	if (clients != 0 && per_user > clients)
		conf_error(s->r->errs, pos, "clients: %u per user are more "
		    "than all %u", per_user, clients);
	l->clients = clients;
	l->per_user = per_user;
}

/* What a line that was not understood has left. */
static void
forget(struct reader *r)
{
	conf_listen_free(r->listen);
	r->listen = NULL;
	conf_paths_clear(&r->list);
}

/* --- the scanner ------------------------------------------------------------ */

static struct conf_pos
position(const struct source *s, size_t at)
{
	struct conf_pos	 pos = { s->name, s->line, at - s->bol + 1 };

	return (pos);
}

/* Its character at offset n from here, or '\0' at the end. */
static int
peek(const struct source *s, size_t n)
{
	return (n < s->len - s->at ? (unsigned char)s->buf[s->at + n] : '\0');
}

static int
is_name(int c)
{
	return (isalnum(c) || c == '_');
}

static void
next_line(struct source *s)
{
	s->at++;
	s->line++;
	s->bol = s->at;
}

/* Between { and } the end of a line is a blank. */
static void
skip_blanks(struct source *s)
{
	for (;;) {
		switch (peek(s, 0)) {
		case ' ':
		case '\t':
			s->at++;
			break;
		case '#':
			while (s->at < s->len && peek(s, 0) != '\n')
				s->at++;
			break;
		case '\\':
			if (peek(s, 1) != '\n')
				return;
			s->at++;
			next_line(s);
			break;
		case '\n':
			if (s->braces == 0)
				return;
			next_line(s);
			break;
		default:
			return;
		}
	}
}

/* $name or ${name}; its value, NULL after a complaint. */
static const char *
scan_macro(struct source *s)
{
	struct conf_pos		 pos = position(s, s->at);
	const struct conf_macro	*m;
	const char		*name;
	size_t			 len = 0;
	int			 brace;

	s->at++;
	if ((brace = peek(s, 0) == '{'))
		s->at++;
	name = s->buf + s->at;
	while (is_name(peek(s, len)))
		len++;
	s->at += len;
	if (len == 0 || (brace && peek(s, 0) != '}')) {
		conf_error(s->r->errs, &pos, "$ is not followed by the name "
		    "of a macro; the character itself is \"\\$\"");
		return (NULL);
	}
	s->at += brace;
	if ((m = find_macro(s->r->cmdline, name, len)) == NULL &&
	    (m = find_macro(&s->r->macros, name, len)) == NULL) {
		conf_error(s->r->errs, &pos, "macro %.*s is not defined",
		    (int)len, name);
		return (NULL);
	}
	return (m->value);
}

static int
scan_string(struct source *s, YYSTYPE *val, const struct conf_pos *pos)
{
	struct conf_pos	 here;
	const char	*add, *wrong = NULL;
	char		 buf[CONF_TOKEN_MAX + 1], one[2] = "";
	int		 bad = 0;

	buf[0] = '\0';
	for (s->at++; peek(s, 0) != '"'; ) {
		if (s->at == s->len || peek(s, 0) == '\n') {
			if (!bad)
				conf_error(s->r->errs, pos,
				    "the string is not closed");
			if (s->brace.line == s->line)
				s->braces = 0;	/* its } was in the string */
			return (YYerror);
		}
		here = position(s, s->at);
		if (peek(s, 0) == '$') {
			if ((add = scan_macro(s)) == NULL) {
				bad = 1;
				continue;
			}
		} else {
			if (iscntrl(peek(s, 0)))
				wrong = "control character in a string";
			else if (peek(s, 0) == '\\' && (peek(s, 1) == '"' ||
			    peek(s, 1) == '\\' || peek(s, 1) == '$'))
				s->at++;
			else if (peek(s, 0) == '\\')
				wrong = "only \", \\ and $ can follow a \\ "
				    "in a string";
			one[0] = peek(s, 0);
			add = one;
			s->at++;
		}
		if (strlcat(buf, add, sizeof(buf)) >= sizeof(buf))
			wrong = "the string is too long";
		if (wrong != NULL && !bad++)
			conf_error(s->r->errs, &here, "%s", wrong);
	}
	s->at++;
	if (bad)
		return (YYerror);
	if ((val->string = strdup(buf)) == NULL) {
		conf_error(s->r->errs, pos, "%s", strerror(errno));
		return (YYerror);
	}
	return (STRING);
}

static int
yylex(YYSTYPE *val, YYLTYPE *pos, struct source *s)
{
	const char	*text;
	size_t		 len = 1, eq;
	int		 start = s->start, c, kind;

	skip_blanks(s);
	s->token = s->at;
	s->start = 0;
	*pos = position(s, s->at);
	if (s->at == s->len) {
		if (s->braces > 0) {
			s->braces = 0;
			conf_error(s->r->errs, &s->brace, "{ is not closed");
			return (YYerror);
		}
		s->start = 1;
		return (start ? YYEOF : EOL);
	}
	text = s->buf + s->at;
	switch (c = peek(s, 0)) {
	case '\n':
		next_line(s);
		s->start = 1;
		return (EOL);
	case '"':
		return (scan_string(s, val, pos));
	case '$':
		if ((text = scan_macro(s)) == NULL)
			return (YYerror);
		len = strlen(text);
		kind = len > 0 && strspn(text, "0123456789") == len ?
		    NUMBER : STRING;
		goto word;
	case '{':
		if (s->braces++ == 0)
			s->brace = *pos;
		s->at++;
		return (c);
	case '}':
		if (s->braces > 0)
			s->braces--;
		/* FALLTHROUGH */
	case ',':
	case '=':
	case '-':
		s->at++;
		return (c);
	}
	if (isdigit(c)) {
		while (isdigit(peek(s, len)))
			len++;
		kind = is_name(peek(s, len)) ? JUNK : NUMBER;
	} else if (is_name(c)) {
		while (is_name(peek(s, len)) || peek(s, len) == '-')
			len++;
		for (eq = len; peek(s, eq) == ' ' || peek(s, eq) == '\t'; eq++)
			;
		kind = start && peek(s, eq) == '=' ? MACRO : WORD;
	} else
		kind = JUNK;
	if (kind == JUNK)
		while (s->at + len < s->len &&
		    strchr(" \t\n\"{},", peek(s, len)) == NULL)
			len++;
	s->at += len;
	if (len > CONF_TOKEN_MAX) {
		conf_error(s->r->errs, pos, "the word is too long");
		return (YYerror);
	}
	if (kind == WORD) {
		for (kind = CALLS; kind <= USER; kind++) {
			const char *key = yysymbol_name(YYTRANSLATE(kind));

			if (strlen(key) == len && memcmp(key, text, len) == 0)
				return (kind);
		}
		return (WORD);
	} else if (kind == JUNK)
		return (JUNK);
 word:
	if ((val->string = strndup(text, len)) == NULL) {
		conf_error(s->r->errs, pos, "%s", strerror(errno));
		return (YYerror);
	}
	return (kind);
}

/* --- complaints -------------------------------------------------------------- */

static void
yyerror(YYLTYPE *pos, struct source *s, const char *what)
{
	conf_error(s->r->errs, pos, "%s", what);
}

/* How many letters to insert, delete or replace. */
static unsigned int
distance(const char *a, size_t alen, const char *b)
{
	unsigned int	 row[32], diagonal, above;
	size_t		 i, j, blen = strlen(b);

	if (blen >= sizeof(row) / sizeof(row[0]))
		return (UINT_MAX);
	for (j = 0; j <= blen; j++)
		row[j] = j;
	for (i = 1; i <= alen; i++) {
		diagonal = row[0]++;
		for (j = 1; j <= blen; j++) {
			above = row[j];
			row[j] = MIN(MIN(row[j], row[j - 1]) + 1,
			    diagonal + (a[i - 1] != b[j - 1]));
			diagonal = above;
		}
	}
	return (row[blen]);
}

/* "found this, expected that, that or that (did you mean that?)" */
static int
yyreport_syntax_error(const yypcontext_t *ctx, struct source *s)
{
	yysymbol_kind_t	 want[YYNTOKENS], found = yypcontext_token(ctx);
	const char	*text = s->buf + s->token, *name, *near = NULL;
	char		 list[256] = "";
	size_t		 len = MIN(s->at - s->token, 64);
	unsigned int	 d, least = 3;
	int		 i, n;

	n = yypcontext_expected_tokens(ctx, want, YYNTOKENS);
	for (i = 0; i < n; i++) {
		name = yysymbol_name(want[i]);
		strlcat(list, i == 0 ? "" : i < n - 1 ? ", " : " or ",
		    sizeof(list));
		strlcat(list, name, sizeof(list));
		if (found == YYSYMBOL_WORD && want[i] >= YYSYMBOL_CALLS &&
		    want[i] <= YYSYMBOL_USER && strlen(name) > 2 &&
		    (d = distance(text, len, name)) < least) {
			least = d;
			near = name;
		}
	}
	if (found == YYSYMBOL_EOL || found == YYSYMBOL_YYEOF) {
		text = "end of line";
		len = strlen(text);
	}
	conf_error(s->r->errs, yypcontext_location(ctx),
	    "found %.*s, expected %s%s%s%s", (int)len, text,
	    n > 8 ? "a directive" : list,
	    near != NULL ? " (did you mean " : "",
	    near != NULL ? near : "", near != NULL ? "?)" : "");
	return (0);
}

/* --- files --------------------------------------------------------------------- */

/*
 * Who can write the configuration owns the host: so it must be root's, or
 * that of who starts us, and nobody else may write it.
 */
static const char *
load(struct source *s, const char *path)
{
	struct source	*o;
	struct stat	 st;
	ssize_t		 n;
	const char	*wrong = NULL;
	int		 fd;

	if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) == -1)
		return (strerror(errno));
	if (fstat(fd, &st) == -1)
		wrong = strerror(errno);
	else if (!S_ISREG(st.st_mode))
		wrong = "not a regular file";
	else if (st.st_uid != 0 && st.st_uid != getuid())
		wrong = "owned by neither root nor the user who runs this";
	else if (st.st_mode & (S_IWGRP | S_IWOTH))
		wrong = "writable for group or others, expected mode 0644 or "
		    "less";
	else if (st.st_size > CONF_FILE_MAX)
		wrong = "too large for a configuration file";
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	for (o = s->includer; wrong == NULL && o != NULL; o = o->includer)
		if (o->dev == s->dev && o->ino == s->ino)
			wrong = "includes itself";
	if (wrong == NULL && (s->buf = malloc(CONF_FILE_MAX)) == NULL)
		wrong = strerror(errno);
	while (wrong == NULL && s->len < CONF_FILE_MAX &&
	    (n = read(fd, s->buf + s->len, CONF_FILE_MAX - s->len)) != 0) {
		if (n == -1)
			wrong = strerror(errno);
		else
			s->len += n;
	}
	if (wrong == NULL && memchr(s->buf, '\0', s->len) != NULL)
		wrong = "has a NUL byte, so it is not text";
	close(fd);
	return (wrong);
}

/* pos is where it is included, NULL if it is the first file. */
static int
read_file(struct reader *r, struct source *includer,
    const struct conf_pos *pos, const char *path, int optional)
{
	struct source	 s = { .r = r, .includer = includer, .line = 1,
			    .start = 1 };
	struct conf_name *name;
	const char	*wrong;

	if (includer != NULL && (s.depth = includer->depth + 1) >=
	    CONF_DEPTH_MAX)
		wrong = "included too deep";
	else if (r->nfiles++ >= CONF_FILES_MAX)
		wrong = "too many files";
	else if ((name = malloc(sizeof(*name) + strlen(path) + 1)) == NULL)
		wrong = strerror(errno);
	else {
		memcpy(name->name, path, strlen(path) + 1);
		TAILQ_INSERT_TAIL(&r->conf->names, name, entry);
		s.name = name->name;
		errno = 0;
		wrong = load(&s, path);
		if (wrong != NULL && optional && errno == ENOENT)
			return (0);
	}
	if (wrong != NULL)
		conf_error(r->errs, pos, "%s%s%s", pos != NULL ? path : "",
		    pos != NULL ? ": " : "", wrong);
	else
		yyparse(&s);
	forget(r);
	free(s.buf);
	return (wrong == NULL);
}

/*
 * Reads file and what it includes into c; a missing file is fine if it is
 * optional.  The caller looks into errs for the result.
 */
void
conf_parse(struct conf *c, const char *file, int optional,
    const struct conf_macros *cmdline, struct conf_errors *errs)
{
	struct reader	 r = { .conf = c, .errs = errs, .cmdline = cmdline };
	int		 i;

	TAILQ_INIT(&r.macros);
	TAILQ_INIT(&r.list);
	if (read_file(&r, NULL, NULL, file, optional) &&
	    (c->file = strdup(file)) == NULL)
		conf_error(errs, NULL, "%s", strerror(errno));
	for (i = 0; i < CLASS_N && r.limit.pos.file != NULL; i++)
		if (c->limits[i].pos.file == NULL)
			c->limits[i] = r.limit;
	conf_macros_clear(&r.macros);
}
