/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * Reads qemud.conf(5) into a struct conf: what the directives do, then the
 * grammar, then the scanner.  Every file is a struct source with a run of the
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

/* One file. */
struct source {
	struct conf		*conf;
	struct conf_errors	*errs;
	const struct conf_macros *cmdline;
	struct reader		*r;
	struct source		*includer;
	const char		*name;		/* lent by conf */
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

/* What all files of a configuration share. */
struct reader {
	struct conf_macros	 macros;
	struct conf_limit	 limit;		/* clients of all classes */
	unsigned int		 nfiles;
	unsigned int		 nitems;	/* listeners and paths */
	/* the line being read: */
	struct conf_paths	 list;
	char			*mode, *owner, *group;
};

#define YYLLOC_DEFAULT(cur, rhs, n)					\
	((cur) = (n) ? YYRHSLOC(rhs, 1) : YYRHSLOC(rhs, 0))

union YYSTYPE;
static int	 yylex(union YYSTYPE *, struct conf_pos *, struct source *);
static void	 yyerror(struct conf_pos *, struct source *, const char *);
static void	 read_file(struct source *, const struct conf_pos *,
		    const char *, int);

/* --- directives: each takes the strings that it is given ------------------ */

/* p, of which NULL is complained about. */
static void *
need(struct source *s, const struct conf_pos *pos, void *p)
{
	if (p == NULL)
		conf_error(s->errs, pos, "%s", strerror(ENOMEM));
	return (p);
}

/* Copies *new to *old, which must not have been set by another line. */
static int
once(struct source *s, struct conf_pos *old, const struct conf_pos *new)
{
	if (old->file == NULL) {
		*old = *new;
		return (1);
	}
	conf_error(s->errs, new, "already set at %s:%u", old->file, old->line);
	return (0);
}

static int
room(struct source *s, const struct conf_pos *pos)
{
	if (s->r->nitems++ < CONF_LIST_MAX)
		return (1);
	conf_error(s->errs, pos, "more than %d listeners, folders and "
	    "emulators", CONF_LIST_MAX);
	return (0);
}

static int
only_system(struct source *s, const struct conf_pos *pos)
{
	if (!s->conf->session)
		return (1);
	conf_error(s->errs, pos, "not in a session instance, where "
	    "everything runs as the user who started it");
	return (0);
}

/* Cuts off a final slash. */
static int
good_path(struct source *s, const struct conf_pos *pos, char *path)
{
	const char	*wrong;
	size_t		 len = strlen(path);

	if (len > 1 && path[len - 1] == '/')
		path[len - 1] = '\0';
	if ((wrong = conf_path_wrong(path)) == NULL)
		return (1);
	conf_error(s->errs, pos, "\"%s\": %s", path, wrong);
	return (0);
}

/* 1 to max, or 0 after a complaint. */
static unsigned int
number(struct source *s, const struct conf_pos *pos, char *text,
    unsigned int max)
{
	const char	*errstr;
	unsigned int	 n;

	n = strtonum(text, 1, max, &errstr);
	if (errstr != NULL)
		conf_error(s->errs, pos, "%s is %s, expected 1 to %u", text,
		    errstr, max);
	free(text);
	return (n);
}

static const struct conf_macro *
find_macro(const struct conf_macros *macros, const char *name, size_t len)
{
	const struct conf_macro	*m;

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

	if (strchr(name, '-') != NULL)
		conf_error(s->errs, pos, "macro %s: a name consists of "
		    "letters, digits and _", name);
	else if (find_macro(&s->r->macros, name, strlen(name)) != NULL)
		conf_error(s->errs, pos, "macro %s is already set", name);
	else if ((m = need(s, pos, calloc(1, sizeof(*m)))) != NULL) {
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
	const char	*slash;
	char		*path = NULL;
	int		 n = 0;

	if (name[0] != '/' && (slash = strrchr(s->name, '/')) != NULL)
		n = slash + 1 - s->name;
	if (asprintf(&path, "%.*s%s", n, s->name, name) == -1)
		path = NULL;
	if (need(s, pos, path) != NULL)
		read_file(s, pos, path, 0);
	free(path);
	free(name);
}

static void
set_dir(struct source *s, const struct conf_pos *pos, enum msg_dir which,
    char *path)
{
	struct conf_dir	*d = &s->conf->dirs[which];

	if (good_path(s, pos, path) && once(s, &d->pos, pos))
		d->path = path;
	else
		free(path);
}

/* An option of listen on. */
static void
set_option(struct source *s, const struct conf_pos *pos, char **option,
    char *value)
{
	if (*option != NULL) {
		conf_error(s->errs, pos, "given twice");
		free(value);
	} else
		*option = value;
}

static void
add_listen(struct source *s, const struct conf_pos *pos, char *path,
    enum conf_class class)
{
	struct conf_listen	*l;
	char			*end;
	unsigned long		 mode = 0;

	if (s->r->mode != NULL) {
		mode = strtoul(s->r->mode, &end, 8);
		if (*end != '\0' || mode > 0777)
			conf_error(s->errs, pos, "mode %s is not an octal "
			    "number up to 0777", s->r->mode);
		if (class == CLASS_FULL && (mode & 0002))
			conf_error(s->errs, pos, "mode %s of a full-control "
			    "socket gives all users of this host all guests: "
			    "it must not be writable for others, like 0600 "
			    "or 0660", s->r->mode);
	}
	if (!good_path(s, pos, path) || !room(s, pos)) {
		free(path);
		return;
	}
	if (need(s, pos, l = conf_listen_new(pos, path)) == NULL)
		return;
	l->class = class;
	if (s->r->mode != NULL)
		l->mode = mode;
	l->owner = s->r->owner;
	l->group = s->r->group;
	s->r->owner = s->r->group = NULL;
	TAILQ_INSERT_TAIL(&s->conf->listens, l, entry);
}

static void
add_path(struct source *s, const struct conf_pos *pos, char *path)
{
	if (!good_path(s, pos, path) || !room(s, pos))
		free(path);
	else if (conf_path_add(&s->r->list, pos, path, 0) == -1)
		need(s, pos, NULL);
}

static void
take_list(struct source *s, struct conf_paths *to, int readonly)
{
	struct conf_path	*p;

	TAILQ_FOREACH(p, &s->r->list, entry)
		p->readonly = readonly;
	TAILQ_CONCAT(to, &s->r->list, entry);
}

static void
set_uids(struct source *s, const struct conf_pos *pos, uid_t first,
    uid_t last)
{
	struct conf	*c = s->conf;

	if (!only_system(s, pos) || first == 0 || last == 0)
		return;
	if (first < CONF_UID_FIRST)
		conf_error(s->errs, pos, "%u is one of the system's accounts, "
		    "expected %u or more", first, CONF_UID_FIRST);
	else if (last < first)
		conf_error(s->errs, pos, "the last, %u, is below the first, "
		    "%u", last, first);
	else if (first <= 65535 && last >= 65534)
		conf_error(s->errs, pos, "65534 and 65535 stand for nobody, "
		    "and cannot be a guest's");
	else if (once(s, &c->uids_pos, pos)) {
		c->uid_first = first;
		c->uid_last = last;
	}
}

static void
set_user(struct source *s, const struct conf_pos *pos, enum msg_role role,
    char *name)
{
	struct conf_user	*u = &s->conf->users[role];

	if (only_system(s, pos) && once(s, &u->pos, pos))
		u->name = name;
	else
		free(name);
}

/* per_user is 0 if the line does not say it. */
static void
set_clients(struct source *s, const struct conf_pos *pos,
    struct conf_limit *l, unsigned int clients, unsigned int per_user)
{
	if (clients != 0 && per_user > clients)
		conf_error(s->errs, pos, "%u clients per user are more than "
		    "all %u", per_user, clients);
	else if (clients != 0 && once(s, &l->pos, pos)) {
		l->clients = clients;
		l->per_user = per_user;
	}
}

static void
set_number(struct source *s, const struct conf_pos *pos,
    struct conf_pos *old, unsigned int *n, unsigned int value)
{
	if (value != 0 && once(s, old, pos))
		*n = value;
}

/* What a line leaves that has ended, well or not. */
static void
forget(struct reader *r)
{
	conf_paths_clear(&r->list);
	free(r->mode);
	free(r->owner);
	free(r->group);
	r->mode = r->owner = r->group = NULL;
}
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
	| file line		{ forget(s->r); }
	| file error EOL {
		forget(s->r);
		if (s->errs->n >= CONF_ERRORS_MAX)
			YYABORT;
		yyerrok;
	}
	;

line	: MACRO '=' value EOL	{ set_macro(s, &@1, $1, $3); }
	| INCLUDE STRING EOL	{ include(s, &@2, $2); }
	| dir IN STRING EOL	{ set_dir(s, &@3, $1, $3); }
	| LISTEN ON STRING options class EOL {
		add_listen(s, &@3, $3, $5);
	}
	| LISTEN ON TLS {
		conf_error(s->errs, &@3,
		    "TLS endpoints are not available in this version");
		YYERROR;
	}
	| FILES IN paths access EOL {
		take_list(s, &s->conf->files, $4);
	}
	| EMULATORS paths EOL	{ take_list(s, &s->conf->emulators, 0); }
	| GUEST UIDS NUMBER '-' NUMBER EOL {
		uid_t	 first = number(s, &@3, $3, CONF_UID_LAST);

		set_uids(s, &@3, first, number(s, &@5, $5, CONF_UID_LAST));
	}
	| USER role STRING EOL	{ set_user(s, &@3, $2, $3); }
	| CLIENTS any_class NUMBER per_user EOL {
		set_clients(s, &@3, $2 == CLASS_N ? &s->r->limit :
		    &s->conf->limits[$2], number(s, &@3, $3, 65536), $4);
	}
	| CALLS IN FLIGHT NUMBER EOL {
		set_number(s, &@4, &s->conf->calls_pos, &s->conf->calls,
		    number(s, &@4, $4, 4096));
	}
	| START TIMEOUT NUMBER EOL {
		set_number(s, &@3, &s->conf->timeout_pos,
		    &s->conf->start_timeout, number(s, &@3, $3, 3600));
	}
	| TENANT {
		conf_error(s->errs, &@1,
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

options	: %empty
	| options MODE NUMBER	{ set_option(s, &@3, &s->r->mode, $3); }
	| options OWNER STRING {
		only_system(s, &@2);
		set_option(s, &@3, &s->r->owner, $3);
	}
	| options GROUP STRING	{ set_option(s, &@3, &s->r->group, $3); }
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
	| PER USER NUMBER	{ $$ = number(s, &@3, $3, 65536); }
	;

%%

/* --- the scanner ---------------------------------------------------------- */

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
		if (peek(s, 0) == '#') {
			while (s->at < s->len && peek(s, 0) != '\n')
				s->at++;
		} else if (peek(s, 0) == '\\' && peek(s, 1) == '\n') {
			s->at++;
			next_line(s);
		} else if (peek(s, 0) == '\n' && s->braces > 0)
			next_line(s);
		else if (peek(s, 0) == ' ' || peek(s, 0) == '\t')
			s->at++;
		else
			return;
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
		conf_error(s->errs, &pos, "$ is not followed by the name "
		    "of a macro; the character itself is \"\\$\"");
		return (NULL);
	}
	s->at += brace;
	if ((m = find_macro(s->cmdline, name, len)) == NULL &&
	    (m = find_macro(&s->r->macros, name, len)) == NULL) {
		conf_error(s->errs, &pos, "macro %.*s is not defined",
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
				conf_error(s->errs, pos,
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
			conf_error(s->errs, &here, "%s", wrong);
	}
	s->at++;
	if (bad)
		return (YYerror);
	val->string = need(s, pos, strdup(buf));
	return (val->string != NULL ? STRING : YYerror);
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
			conf_error(s->errs, &s->brace, "{ is not closed");
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
		s->braces -= s->braces > 0;
		s->at++;
		return (c);
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
		conf_error(s->errs, pos, "the word is too long");
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
	val->string = need(s, pos, strndup(text, len));
	return (val->string != NULL ? kind : YYerror);
}

/* --- complaints ----------------------------------------------------------- */

static void
yyerror(YYLTYPE *pos, struct source *s, const char *what)
{
	conf_error(s->errs, pos, "%s", what);
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

/*
 * "found this, expected that, that or that (did you mean that?)"; where a
 * line begins, all words that it may begin with, unless we know which was
 * meant.
 */
static int
yyreport_syntax_error(const yypcontext_t *ctx, struct source *s)
{
	yysymbol_kind_t	 want[YYNTOKENS], found = yypcontext_token(ctx);
	const char	*text = s->buf + s->token, *name, *near = NULL;
	char		 list[256] = "", all[256] = "";
	size_t		 len = MIN(s->at - s->token, 64);
	unsigned int	 d, least = 3;
	int		 i, n, word;

	word = found == YYSYMBOL_WORD ||
	    (found >= YYSYMBOL_CALLS && found <= YYSYMBOL_USER);
	n = yypcontext_expected_tokens(ctx, want, YYNTOKENS);
	for (i = 0; i < n; i++) {
		name = yysymbol_name(want[i]);
		strlcat(list, i == 0 ? "" : i < n - 1 ? ", " : " or ",
		    sizeof(list));
		strlcat(list, name, sizeof(list));
		if (want[i] >= YYSYMBOL_CALLS && want[i] <= YYSYMBOL_USER &&
		    want[i] != YYSYMBOL_TENANT) {
			strlcat(all, all[0] == '\0' ? ": " : ", ",
			    sizeof(all));
			strlcat(all, name, sizeof(all));
		}
		if (found == YYSYMBOL_WORD && want[i] >= YYSYMBOL_CALLS &&
		    want[i] <= YYSYMBOL_USER &&
		    (d = distance(text, len, name)) < least &&
		    d * 2 < strlen(name)) {
			least = d;
			near = name;
		}
	}
	if (found == YYSYMBOL_EOL || yysymbol_name(found)[0] == '\'') {
		text = yysymbol_name(found);	/* end of line, '{' */
		len = strlen(text);
	}
	conf_error(s->errs, yypcontext_location(ctx),
	    "found %.*s, expected %s%s%s%s%s", (int)len, text,
	    n > 8 ? "a directive" : list, n > 8 && near == NULL && word ?
	    all : "",
	    near != NULL ? " (did you mean " : "",
	    near != NULL ? near : "", near != NULL ? "?)" : "");
	return (0);
}

/* --- files ---------------------------------------------------------------- */

/*
 * Who can write the configuration owns the host: so it must be root's, or
 * that of who starts us, and nobody else may write it.
 */
static const char *
load(struct source *s, int fd)
{
	struct source	*o;
	struct stat	 st;
	ssize_t		 n;

	if (fd == -1 || fstat(fd, &st) == -1)
		return (strerror(errno));
	if (!S_ISREG(st.st_mode))
		return ("not a regular file");
	if (st.st_uid != 0 && st.st_uid != getuid())
		return ("owned by neither root nor the user who runs this");
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return ("writable for group or others, expected mode 0644 or "
		    "less");
	for (o = s->includer; o != NULL; o = o->includer)
		if (o->dev == st.st_dev && o->ino == st.st_ino)
			return ("includes itself");
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	if ((s->buf = malloc(CONF_FILE_MAX)) == NULL)
		return (strerror(errno));
	while ((n = read(fd, s->buf + s->len, CONF_FILE_MAX - s->len)) > 0)
		s->len += n;
	if (n == -1)
		return (strerror(errno));
	if (s->len == CONF_FILE_MAX)
		return ("too large for a configuration file");
	if (memchr(s->buf, '\0', s->len) != NULL)
		return ("has a NUL byte, so it is not text");
	return (NULL);
}

/* from and pos are what includes it; the first file has no pos. */
static void
read_file(struct source *from, const struct conf_pos *pos, const char *path,
    int optional)
{
	struct source	 s = { .conf = from->conf, .errs = from->errs,
			    .cmdline = from->cmdline, .r = from->r,
			    .includer = from, .line = 1, .start = 1 };
	struct conf_name *name;
	const char	*wrong;
	int		 fd = -1, depth = 0;

	for (; from->includer != NULL; from = from->includer)
		depth++;
	if (depth > CONF_DEPTH_MAX)
		wrong = "included too deep";
	else if (s.r->nfiles++ >= CONF_FILES_MAX)
		wrong = "too many files";
	else if ((name = malloc(sizeof(*name) + strlen(path) + 1)) == NULL)
		wrong = strerror(errno);
	else {
		memcpy(name->name, path, strlen(path) + 1);
		TAILQ_INSERT_TAIL(&s.conf->names, name, entry);
		s.name = name->name;
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		if (fd == -1 && errno == ENOENT && optional)
			return;
		wrong = load(&s, fd);
	}
	if (wrong == NULL)
		yyparse(&s);
	else
		conf_error(s.errs, pos, "%s%s%s", pos != NULL ? path : "",
		    pos != NULL ? ": " : "", wrong);
	forget(s.r);
	free(s.buf);
	if (fd != -1)
		close(fd);
}

/*
 * Reads file and what it includes into c; a missing file is fine if it is
 * optional.  The caller looks into errs for the result.
 */
void
conf_parse(struct conf *c, const char *file, int optional,
    const struct conf_macros *cmdline, struct conf_errors *errs)
{
	struct reader	 r = { .nfiles = 0 };
	struct source	 none = { .conf = c, .errs = errs,
			    .cmdline = cmdline, .r = &r };
	int		 i;

	TAILQ_INIT(&r.macros);
	TAILQ_INIT(&r.list);
	read_file(&none, NULL, file, optional);
	for (i = 0; i < CLASS_N; i++)
		if (c->limits[i].pos.file == NULL)
			c->limits[i] = r.limit;
	conf_macros_clear(&r.macros);
}
