/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * qemud.conf: what is in tests/data/conf is read and compared.  NAME.ok is
 * how NAME.conf is printed, NAME.err is what is complained about;
 * session-NAME is for a session instance.
 */

#include <sys/stat.h>
#include <sys/wait.h>

#include <atf-c.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "parent/conf.h"
#include "paths.h"

#define MUTATIONS	300	/* of each file */

static struct conf_macros	 none = TAILQ_HEAD_INITIALIZER(none);

/* What is complained about, line by line. */
struct lines {
	char	*text;
	size_t	 len;
	int	 n;
};

static void
collect(void *arg, const char *line)
{
	struct lines	*l = arg;
	const char	*s;
	size_t		 len = strlen(line);

	for (s = line; *s != '\0'; s++)
		ATF_CHECK(!iscntrl((unsigned char)*s));
	ATF_REQUIRE((l->text = realloc(l->text, l->len + len + 2)) != NULL);
	memcpy(l->text + l->len, line, len);
	memcpy(l->text + l->len + len, "\n", 2);
	l->len += len + 1;
	l->n++;
}

static char *
slurp(const char *path)
{
	FILE	*f;
	char	*text;
	size_t	 n;

	ATF_REQUIRE_MSG((f = fopen(path, "r")) != NULL, "%s: %s", path,
	    strerror(errno));
	ATF_REQUIRE((text = malloc(CONF_FILE_MAX + 1)) != NULL);
	n = fread(text, 1, CONF_FILE_MAX, f);
	text[n] = '\0';
	fclose(f);
	return (text);
}

static void
spit(const char *path, const char *text, size_t len)
{
	int	 fd;

	ATF_REQUIRE((fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644)) !=
	    -1);
	ATF_REQUIRE_EQ(write(fd, text, len), (ssize_t)len);
	ATF_REQUIRE_EQ(fchmod(fd, 0644), 0);
	close(fd);
}

/* The dump of a configuration file, or NULL; complaints go to lines. */
static char *
load(const char *file, int session, const struct conf_macros *macros,
    struct lines *lines)
{
	struct conf	*c;
	FILE		*f;
	char		*text = NULL;
	size_t		 size;
	int		 result;

	memset(lines, 0, sizeof(*lines));
	ATF_REQUIRE((c = conf_new(session)) != NULL);
	result = conf_load(c, file, macros, collect, lines);
	ATF_CHECK_EQ(result, lines->n == 0 ? 0 : -1);
	ATF_CHECK(lines->n <= CONF_ERRORS_MAX);
	if (result == 0) {
		ATF_REQUIRE((f = open_memstream(&text, &size)) != NULL);
		conf_dump(c, f);
		fclose(f);
	}
	conf_free(c);
	return (text);
}

/* What is in text is refused with this one complaint. */
static void
refused(const char *text, const char *complaint)
{
	struct lines	 lines;
	char		*dump;

	spit("refused.conf", text, strlen(text));
	dump = load("refused.conf", 0, &none, &lines);
	ATF_CHECK_EQ(dump, NULL);
	ATF_REQUIRE(lines.text != NULL);
	lines.text[lines.len - 1] = '\0';
	ATF_CHECK_STREQ(lines.text, complaint);
	free(lines.text);
	free(dump);
}

static struct conf *
conf_of(int session, const char *text)
{
	struct lines	 lines = { NULL, 0, 0 };
	struct conf	*c;

	spit("text.conf", text, strlen(text));
	ATF_REQUIRE((c = conf_new(session)) != NULL);
	ATF_REQUIRE_EQ_MSG(conf_load(c, "text.conf", &none, collect, &lines),
	    0, "%s", lines.text);
	return (c);
}

/* The data, where nobody else can write it, in the current folder. */
static void
copy_data(void)
{
	const char	*src = getenv("SRCDIR");
	char		 cmd[1024];

	ATF_REQUIRE_MSG(src != NULL, "SRCDIR is not set");
	snprintf(cmd, sizeof(cmd), "cp -R '%s/tests/data/conf' data && "
	    "chmod -R u+w,go-w data", src);
	ATF_REQUIRE_EQ(system(cmd), 0);
	ATF_REQUIRE_EQ(chdir("data"), 0);
	setenv("HOME", "/home/u", 1);
	unsetenv("XDG_CONFIG_HOME");
	unsetenv("XDG_RUNTIME_DIR");
}

/* Replaces @NAME@ by what this build, this test have in its place. */
static char *
expand(char *text)
{
	char		*cwd = getcwd(NULL, 0), *out = NULL, *s = text;
	const char	*const names[][2] = {
		{ "@SYSCONFDIR@", SYSCONFDIR },
		{ "@LOCALSTATEDIR@", LOCALSTATEDIR },
		{ "@RUNDIR@", RUNDIR },
		{ "@PWD@", cwd },
	};
	FILE		*f;
	size_t		 i, size;

	ATF_REQUIRE((f = open_memstream(&out, &size)) != NULL);
	while (*s != '\0') {
		for (i = 0; i < 4; i++)
			if (strncmp(s, names[i][0], strlen(names[i][0])) == 0)
				break;
		if (i < 4) {
			fputs(names[i][1], f);
			s += strlen(names[i][0]);
		} else
			putc(*s++, f);
	}
	fclose(f);
	free(cwd);
	free(text);
	return (out);
}

/* Calls fn with the name of each NAME.conf. */
static void
each_file(void (*fn)(const char *name, int session))
{
	struct dirent	**list;
	char		*dot;
	int		 i, n, files = 0;

	copy_data();
	ATF_REQUIRE((n = scandir(".", &list, NULL, alphasort)) != -1);
	for (i = 0; i < n; i++) {
		if ((dot = strrchr(list[i]->d_name, '.')) != NULL &&
		    strcmp(dot, ".conf") == 0) {
			*dot = '\0';
			fn(list[i]->d_name,
			    strncmp(list[i]->d_name, "session-", 8) == 0);
			files++;
		}
		free(list[i]);
	}
	free(list);
	ATF_CHECK(files > 0);
}

static void
check_golden(const char *name, int session)
{
	struct lines	 lines, again;
	char		 path[256], *dump, *want, *dump2;

	snprintf(path, sizeof(path), "%s.conf", name);
	dump = load(path, session, &none, &lines);
	snprintf(path, sizeof(path), "%s.%s", name, dump ? "ok" : "err");
	if (access(path, F_OK) == -1)
		atf_tc_fail("%s.conf: %s", name, dump ? "was accepted" :
		    lines.text);
	want = expand(slurp(path));
	ATF_CHECK_STREQ_MSG(want, dump != NULL ? dump : lines.text,
	    "%s: got\n%s", path, dump != NULL ? dump : lines.text);
	if (dump != NULL) {
		spit("dump", dump, strlen(dump));
		dump2 = load("dump", session, &none, &again);
		ATF_REQUIRE_MSG(dump2 != NULL, "%s: %s", path, again.text);
		ATF_CHECK_STREQ(dump, dump2);
		free(dump2);
		free(again.text);
	}
	free(want);
	free(dump);
	free(lines.text);
}

ATF_TC(golden);
ATF_TC_HEAD(golden, tc)
{
	atf_tc_set_md_var(tc, "descr", "Files are read and printed, or "
	    "refused, as expected; what is printed is read as the same");
}
ATF_TC_BODY(golden, tc)
{
	each_file(check_golden);
}

/* --- damaged files: any, but never a crash, and never half accepted ------- */

static uint32_t	 seed;

static unsigned int
randomly(unsigned int below)
{
	seed = seed * 1664525 + 1013904223;
	return ((seed >> 8) % below);
}

static void
mutate(const char *name, int session)
{
	static const char *const words[] = { "\"", "{", "}", "\\", "\n", "#",
	    "$", "${x}", "\\\n", "include \"mutated\"\n", "x = \"$x\"\n",
	    "listen on ", "listen on tls ", "tenant ", "\"/a\"", "/", "..",
	    "read-only", "full-control", "launch", "files in ", " user ",
	    "4294967296", "-", ",", "=", "\377", "\001", "\r", " 0", "state" };
	struct lines	 lines, again;
	char		 path[256], *orig, *text, *dump, *dump2;
	const char	*word;
	size_t		 len, at, n;
	int		 i, j;

	snprintf(path, sizeof(path), "%s.conf", name);
	orig = slurp(path);
	seed = strlen(orig);
	for (i = 0; i < MUTATIONS; i++) {
		len = strlen(orig);
		ATF_REQUIRE((text = malloc(len + 1024)) != NULL);
		memcpy(text, orig, len + 1);
		for (j = randomly(4); j >= 0; j--) {
			at = randomly(len + 1);
			switch (randomly(4)) {
			case 0:			/* replace a byte */
				if (at < len)
					text[at] = randomly(256);
				break;
			case 1:			/* remove some */
				n = randomly(32) % (len - at + 1);
				memmove(text + at, text + at + n,
				    len - at - n);
				len -= n;
				break;
			case 2:			/* insert a word */
				word = words[randomly(sizeof(words) /
				    sizeof(words[0]))];
				n = strlen(word);
				memmove(text + at + n, text + at, len - at);
				memcpy(text + at, word, n);
				len += n;
				break;
			case 3:			/* end here */
				if (randomly(8) == 0)
					len = at;
				break;
			}
		}
		spit("mutated", text, len);
		if ((dump = load("mutated", session, &none, &lines)) != NULL) {
			spit("dump", dump, strlen(dump));
			dump2 = load("dump", session, &none, &again);
			if (dump2 == NULL || strcmp(dump, dump2) != 0)
				atf_tc_fail("%.*s\nis printed as\n%s\nwhich "
				    "is read as\n%s%s", (int)len, text, dump,
				    dump2 != NULL ? dump2 : "",
				    dump2 != NULL ? "" : again.text);
			free(dump2);
			free(again.text);
		}
		free(dump);
		free(lines.text);
		free(text);
	}
	free(orig);
}

ATF_TC(mutations);
ATF_TC_HEAD(mutations, tc)
{
	atf_tc_set_md_var(tc, "descr", "Damaged files do not crash it; what "
	    "is accepted is printed and read as the same");
}
ATF_TC_BODY(mutations, tc)
{
	each_file(mutate);
}

/* --- defaults ------------------------------------------------------------- */

ATF_TC_WITHOUT_HEAD(shipped);
ATF_TC_BODY(shipped, tc)
{
	struct lines	 lines;
	const char	*src = getenv("SRCDIR");
	char		 path[1024], *text, *s, *want, *dump;

	if (strcmp(SYSCONFDIR, "/etc") != 0 ||
	    strcmp(LOCALSTATEDIR, "/var") != 0 || strcmp(RUNDIR, "/run") != 0)
		atf_tc_skip("this build has other folders than the example");
	ATF_REQUIRE(src != NULL);
	snprintf(path, sizeof(path), "%s/etc/qemud.conf", src);
	text = slurp(path);
	spit("empty", "", 0);
	ATF_REQUIRE((want = load("empty", 0, &none, &lines)) != NULL);

	/* as it is, and with every directive that is in a comment */
	spit("shipped", text, strlen(text));
	dump = load("shipped", 0, &none, &lines);
	ATF_REQUIRE_MSG(dump != NULL, "%s", lines.text);
	ATF_CHECK_STREQ(want, dump);
	free(dump);
	for (s = text; (s = strchr(s, '#')) != NULL; s++)
		if (isalpha((unsigned char)s[1]))
			*s = ' ';
	spit("uncommented", text, strlen(text));
	dump = load("uncommented", 0, &none, &lines);
	ATF_REQUIRE_MSG(dump != NULL, "%s", lines.text);
	ATF_CHECK_STREQ(want, dump);
	free(dump);
	free(text);
	free(want);
}

ATF_TC_WITHOUT_HEAD(session_paths);
ATF_TC_BODY(session_paths, tc)
{
	struct lines	 lines = { NULL, 0, 0 };
	struct conf	*c;
	char		 cwd[512], path[1024];

	/* without a file */
	ATF_REQUIRE(getcwd(cwd, sizeof(cwd)) != NULL);
	setenv("HOME", cwd, 1);
	setenv("XDG_RUNTIME_DIR", "/run/user/5/", 1);
	unsetenv("XDG_CONFIG_HOME");
	ATF_REQUIRE((c = conf_new(1)) != NULL);
	ATF_REQUIRE_EQ(conf_load(c, NULL, &none, collect, &lines), 0);
	ATF_CHECK_STREQ(c->dirs[DIR_RUN].path, "/run/user/5/qemud");
	snprintf(path, sizeof(path), "%s/.qemud.d", cwd);
	ATF_CHECK_STREQ(c->dirs[DIR_DEFINITIONS].path, path);
	ATF_CHECK_EQ(c->uid_first, 0);
	ATF_CHECK_EQ(c->users[ROLE_QEMUD].name, NULL);
	ATF_REQUIRE_EQ(conf_users(c, collect, &lines), 0);
	ATF_CHECK_EQ(c->users[ROLE_QEMUD].uid, getuid());
	conf_free(c);

	/* with one in the home, and one that XDG_CONFIG_HOME names */
	ATF_REQUIRE_EQ(system("mkdir -p .config/qemud xdg/qemud"), 0);
	spit(".config/qemud/qemud.conf", "calls in flight 5\n", 18);
	spit("xdg/qemud/qemud.conf", "calls in flight 6\n", 18);
	ATF_REQUIRE((c = conf_new(1)) != NULL);
	ATF_REQUIRE_EQ(conf_load(c, NULL, &none, collect, &lines), 0);
	ATF_CHECK_EQ(c->calls, 5);
	conf_free(c);
	snprintf(path, sizeof(path), "%s/xdg", cwd);
	setenv("XDG_CONFIG_HOME", path, 1);
	ATF_REQUIRE((c = conf_new(1)) != NULL);
	ATF_REQUIRE_EQ(conf_load(c, NULL, &none, collect, &lines), 0);
	ATF_CHECK_EQ(c->calls, 6);
	conf_free(c);

	/* what is not a path from the root is not used */
	setenv("XDG_CONFIG_HOME", "xdg", 1);
	setenv("XDG_RUNTIME_DIR", "run", 1);
	ATF_REQUIRE((c = conf_new(1)) != NULL);
	ATF_REQUIRE_EQ(conf_load(c, NULL, &none, collect, &lines), 0);
	ATF_CHECK_EQ(c->calls, 5);
	snprintf(path, sizeof(path), "%s/.qemud.d/run", cwd);
	ATF_CHECK_STREQ(c->dirs[DIR_RUN].path, path);
	conf_free(c);
	ATF_CHECK_EQ_MSG(lines.n, 0, "%s", lines.text);

	/* a file that is named must be there, and a home must make sense */
	ATF_REQUIRE((c = conf_new(1)) != NULL);
	ATF_CHECK_EQ(conf_load(c, "nowhere", &none, collect, &lines), -1);
	ATF_CHECK_STREQ(lines.text, "nowhere: No such file or directory\n");
	conf_free(c);
	setenv("HOME", "/home/../u", 1);
	spit("empty", "", 0);
	ATF_REQUIRE((c = conf_new(1)) != NULL);
	ATF_CHECK_EQ(conf_load(c, "empty", &none, collect, &lines), -1);
	ATF_CHECK(strstr(lines.text, "\nempty: definitions in "
	    "\"/home/../u/.qemud.d\": has a . or .. component\n") != NULL);
	conf_free(c);
	free(lines.text);
}

/* --- files ---------------------------------------------------------------- */

ATF_TC_WITHOUT_HEAD(files);
ATF_TC_BODY(files, tc)
{
	static char	 big[CONF_FILE_MAX];
	struct lines	 lines;
	char		 name[32], text[64], *dump;
	int		 i;

	/* who else could write it; main file and included */
	umask(0);
	spit("inc", "", 0);
	ATF_REQUIRE_EQ(chmod("inc", 0620), 0);
	ATF_CHECK_EQ(load("inc", 0, &none, &lines), NULL);
	ATF_CHECK_STREQ(lines.text, "inc: writable for group or others, "
	    "expected mode 0644 or less\n");
	free(lines.text);
	refused("\n include \"inc\"", "refused.conf:2:10: inc: writable for "
	    "group or others, expected mode 0644 or less");
	ATF_REQUIRE_EQ(chmod("inc", 0602), 0);
	ATF_CHECK_EQ(load("inc", 0, &none, &lines), NULL);
	free(lines.text);

	/* what is not text, or not a file */
	spit("inc", "a\0b", 3);
	refused("include \"inc\"", "refused.conf:1:9: inc: has a NUL byte, so "
	    "it is not text");
	ATF_REQUIRE_EQ(mkfifo("fifo", 0600), 0);
	refused("include \"fifo\"", "refused.conf:1:9: fifo: not a regular "
	    "file");
	memset(big, '\n', sizeof(big));
	spit("inc", big, sizeof(big) - 1);
	ATF_CHECK((dump = load("inc", 0, &none, &lines)) != NULL);
	free(dump);
	spit("inc", big, sizeof(big));
	refused("include \"inc\"", "refused.conf:1:9: inc: too large for a "
	    "configuration file");

	/* eight deep, not nine */
	for (i = 1; i <= CONF_DEPTH_MAX + 1; i++) {
		snprintf(name, sizeof(name), "deep%d", i);
		snprintf(text, sizeof(text), "include \"deep%d\"\n", i + 1);
		spit(name, text, i <= CONF_DEPTH_MAX ? strlen(text) : 0);
	}
	ATF_CHECK((dump = load("deep2", 0, &none, &lines)) != NULL);
	free(dump);
	refused("include \"deep1\"", "deep8:1:9: deep9: included too deep");

	/* many, one beside another */
	for (i = 0; i < CONF_FILES_MAX; i++)
		memcpy(big + i * 16, "include \"deep9\"\n", 16);
	big[i * 16] = '\0';
	refused(big, "refused.conf:64:9: deep9: too many files");
	big[(i - 1) * 16] = '\0';
	spit("inc", big, strlen(big));
	ATF_CHECK((dump = load("inc", 0, &none, &lines)) != NULL);
	free(dump);
}

ATF_TC(owner);
ATF_TC_HEAD(owner, tc)
{
	atf_tc_set_md_var(tc, "require.user", "root");
}
ATF_TC_BODY(owner, tc)
{
	struct lines	 lines;
	char		*dump;
	int		 status;

	spit("theirs", "", 0);
	ATF_REQUIRE_EQ(chown("theirs", 12345, 0), 0);
	ATF_CHECK_EQ(load("theirs", 0, &none, &lines), NULL);
	ATF_CHECK_STREQ(lines.text, "theirs: owned by neither root nor the "
	    "user who runs this\n");
	free(lines.text);

	/* its owner may use it, and a file of root's */
	spit("roots", "include \"theirs\"", 16);
	ATF_REQUIRE_EQ(chmod(".", 0755), 0);
	if (fork() == 0) {
		if (setresuid(12345, 12345, 12345) == -1 ||
		    (dump = load("roots", 0, &none, &lines)) == NULL)
			_exit(1);
		_exit(0);
	}
	ATF_REQUIRE(wait(&status) != -1);
	ATF_CHECK_EQ(status, 0);
}

ATF_TC_WITHOUT_HEAD(many_errors);
ATF_TC_BODY(many_errors, tc)
{
	struct lines	 lines;
	char		 text[4 * CONF_ERRORS_MAX + 1];
	size_t		 i;

	for (i = 0; i < sizeof(text) - 1; i++)
		text[i] = i % 2 ? '\n' : 'x';
	text[i] = '\0';
	spit("many", text, strlen(text));
	ATF_CHECK_EQ(load("many", 0, &none, &lines), NULL);
	ATF_CHECK_EQ(lines.n, CONF_ERRORS_MAX);
	ATF_CHECK(strstr(lines.text, "\nmany:49:1: found x, expected a "
	    "directive: calls, ") != NULL);
	ATF_CHECK(strstr(lines.text, ", user\nmany:50:1: too many errors, "
	    "giving up\n") != NULL);
	free(lines.text);
}

ATF_TC_WITHOUT_HEAD(many_items);
ATF_TC_BODY(many_items, tc)
{
	struct lines	 lines;
	FILE		*f;
	char		*dump;
	int		 i;

	umask(022);
	ATF_REQUIRE((f = fopen("many", "w")) != NULL);
	for (i = 0; i < CONF_LIST_MAX / 2; i++)
		fprintf(f, "files in \"/f%d\"\nlisten on \"/%d\" launch\n", i,
		    i);
	fflush(f);
	ATF_CHECK((dump = load("many", 0, &none, &lines)) != NULL);
	free(dump);
	fprintf(f, "emulators \"/e\"\n");
	fclose(f);
	ATF_CHECK_EQ(load("many", 0, &none, &lines), NULL);
	ATF_CHECK_STREQ(lines.text, "many:257:11: more than 256 listeners, "
	    "folders and emulators\n");
	free(lines.text);
}

/* --- the command line, accounts ------------------------------------------- */

ATF_TC_WITHOUT_HEAD(macros);
ATF_TC_BODY(macros, tc)
{
	struct conf_macros	 macros = TAILQ_HEAD_INITIALIZER(macros);
	struct lines		 lines;
	char			 text[CONF_TOKEN_MAX + 2], *dump;
	const char		*conf = "dir = \"/a\"\n"
				    "state in \"$dir/b\"\n"
				    "calls in flight $n\n";

	memset(text, 'a', sizeof(text));
	text[1] = '=';
	text[sizeof(text) - 1] = '\0';
	ATF_CHECK_ERRNO(EINVAL, conf_macro_set(&macros, text) == -1);
	ATF_CHECK_ERRNO(EINVAL, conf_macro_set(&macros, "name") == -1);
	ATF_CHECK_ERRNO(EINVAL, conf_macro_set(&macros, "") == -1);
	ATF_CHECK_ERRNO(EINVAL, conf_macro_set(&macros, "=x") == -1);
	ATF_CHECK_ERRNO(EINVAL, conf_macro_set(&macros, "a-b=x") == -1);
	ATF_CHECK_ERRNO(EINVAL, conf_macro_set(&macros, "a=x\ny") == -1);
	ATF_CHECK(TAILQ_EMPTY(&macros));
	ATF_CHECK_EQ(conf_macro_set(&macros, "dir=/c"), 0);
	ATF_CHECK_EQ(conf_macro_set(&macros, "dir=/d=\"e\""), 0);
	ATF_CHECK_EQ(conf_macro_set(&macros, "n=17"), 0);

	spit("macros", conf, strlen(conf));
	dump = load("macros", 0, &macros, &lines);
	ATF_REQUIRE_MSG(dump != NULL, "%s", lines.text);
	ATF_CHECK(strstr(dump, "\nstate in \"/d=\\\"e\\\"/b\"\n") != NULL);
	ATF_CHECK(strstr(dump, "\ncalls in flight 17\n") != NULL);
	free(dump);

	/* a value is never read as anything but a value */
	ATF_CHECK_EQ(conf_macro_set(&macros, "n=17 }"), 0);
	ATF_CHECK_EQ(load("macros", 0, &macros, &lines), NULL);
	ATF_CHECK_STREQ(lines.text, "macros:3:17: found $n, expected a "
	    "number\n");
	free(lines.text);
	conf_macros_clear(&macros);
}

ATF_TC_WITHOUT_HEAD(users);
ATF_TC_BODY(users, tc)
{
	struct lines	 lines = { NULL, 0, 0 };
	struct conf	*c;
	struct passwd	*pw;
	char		*names[CONF_ROLE_LAST + 1];
	uid_t		 uids[CONF_ROLE_LAST + 1];
	int		 i, n = CONF_ROLE_FIRST;

	/* any accounts of this host will do */
	while (n <= CONF_ROLE_LAST && (pw = getpwent()) != NULL) {
		if (pw->pw_uid == 0 || pw->pw_gid == 0)
			continue;
		for (i = CONF_ROLE_FIRST; i < n && uids[i] != pw->pw_uid; i++)
			;
		if (i == n) {
			uids[n] = pw->pw_uid;
			names[n++] = strdup(pw->pw_name);
		}
	}
	endpwent();
	if (n <= CONF_ROLE_LAST)
		atf_tc_skip("this host has too few accounts");

	c = conf_of(0, "listen on \"/x\" owner \"root\" group \"root\" launch\n"
	    "listen on \"/y\" launch\n");
	for (i = CONF_ROLE_FIRST; i <= CONF_ROLE_LAST; i++) {
		free(c->users[i].name);
		c->users[i].name = names[i];
	}
	ATF_CHECK_EQ_MSG(conf_users(c, collect, &lines), 0, "%s", lines.text);
	for (i = CONF_ROLE_FIRST; i <= CONF_ROLE_LAST; i++)
		ATF_CHECK_EQ(c->users[i].uid, uids[i]);
	ATF_CHECK_EQ(TAILQ_FIRST(&c->listens)->uid, 0);
	ATF_CHECK_EQ(TAILQ_FIRST(&c->listens)->gid, 0);
	ATF_CHECK_EQ(TAILQ_LAST(&c->listens, conf_listens)->uid, (uid_t)-1);
	ATF_CHECK_EQ(TAILQ_LAST(&c->listens, conf_listens)->gid, (gid_t)-1);

	/* one of the guests' */
	c->uid_first = c->uid_last = uids[ROLE_MONITORD];
	ATF_CHECK_EQ(conf_users(c, collect, &lines), -1);
	ATF_CHECK_EQ(lines.n, 1);
	ATF_CHECK(strstr(lines.text, "is one of the guest uids") != NULL);
	c->uid_first = c->uid_last = 200000;

	/* one for two */
	c->users[ROLE_NETD_RO].name = names[ROLE_NETD];
	ATF_CHECK_EQ(conf_users(c, collect, &lines), -1);
	ATF_CHECK_EQ(lines.n, 2);
	ATF_CHECK(strstr(lines.text, "users netd and netd-ro have the same "
	    "uid") != NULL);
	c->users[ROLE_NETD_RO].name = names[ROLE_NETD_RO];
	conf_free(c);

	free(lines.text);
	memset(&lines, 0, sizeof(lines));
	c = conf_of(0, "user qemud \"root\"\nuser netd \"no such\\$\"\n"
	    "listen on \"/x\" owner \"no such\" group \"no such\" launch\n");
	ATF_CHECK_EQ(conf_users(c, collect, &lines), -1);
	ATF_CHECK(strstr(lines.text, "text.conf:1:12: user qemud: \"root\" has "
	    "root's uid or gid\n") != NULL);
	ATF_CHECK(strstr(lines.text, "text.conf:2:11: netd runs as "
	    "\"no such$\", but there is no such user: make one, or name "
	    "another with user netd\n") != NULL);
	ATF_CHECK(strstr(lines.text, "text.conf:3:11: owner: there is no user "
	    "\"no such\"\n") != NULL);
	ATF_CHECK(strstr(lines.text, "text.conf:3:11: group: there is no group "
	    "\"no such\"\n") != NULL);
	conf_free(c);
	free(lines.text);
}

/* --- one that is in use --------------------------------------------------- */

ATF_TC_WITHOUT_HEAD(changes);
ATF_TC_BODY(changes, tc)
{
	static const struct {
		const char	*text;
		unsigned int	 changes;
	} t[] = {
		{ "# nothing\nstart timeout 30", 0 },
		{ "state in \"/a\"", CONF_DIRS },
		{ "run in \"/a\"", CONF_DIRS | CONF_LISTENERS },
		{ "listen on \"/a\" launch", CONF_LISTENERS },
		{ "files in \"/a\"", CONF_FILES },
		{ "emulators \"/a\"", CONF_EMULATORS },
		{ "guest uids 1000-2000", CONF_UIDS },
		{ "user netd \"a\"", CONF_USERS },
		{ "calls in flight 5", CONF_LIMITS },
		{ "start timeout 5", CONF_LIMITS },
		{ "clients 5", CONF_LIMITS },
	};
	struct conf	*a, *b;
	size_t		 i;

	a = conf_of(0, "");
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		b = conf_of(0, t[i].text);
		ATF_CHECK_EQ_MSG(conf_changes(a, b), t[i].changes, "%s: %x",
		    t[i].text, conf_changes(a, b));
		ATF_CHECK_EQ(conf_changes(b, a), t[i].changes);
		conf_free(b);
	}
	conf_free(a);
}

ATF_TC_WITHOUT_HEAD(inherit);
ATF_TC_BODY(inherit, tc)
{
	struct conf		*old, *new;
	struct conf_listen	*l;
	int			 fd[3], i = 0;

	old = conf_of(0, "listen on \"/stays\" read-only\n"
	    "listen on \"/class\" mode 0600 launch\n"
	    "listen on \"/goes\" full-control\n");
	TAILQ_FOREACH(l, &old->listens, entry) {
		ATF_CHECK_EQ(l->fd, -1);
		l->id = 17 + i;
		ATF_REQUIRE((fd[i++] = l->fd = open("/dev/null", O_RDONLY)) !=
		    -1);
	}
	/* a socket stays with another owner or mode, not with another class */
	new = conf_of(0, "listen on \"/class\" mode 0600 full-control\n"
	    "listen on \"/comes\" full-control\n"
	    "listen on \"/stays\" mode 0640 read-only\n");
	conf_inherit(new, old);
	TAILQ_FOREACH(l, &new->listens, entry) {
		ATF_CHECK_EQ(l->fd, strcmp(l->path, "/stays") == 0 ? fd[0] :
		    -1);
		ATF_CHECK_EQ(l->id, l->fd == -1 ? 0 : 17);
	}
	conf_free(old);
	ATF_CHECK_EQ(fcntl(fd[0], F_GETFD), 0);
	ATF_CHECK_ERRNO(EBADF, fcntl(fd[1], F_GETFD) == -1);
	ATF_CHECK_ERRNO(EBADF, fcntl(fd[2], F_GETFD) == -1);
	conf_free(new);
	ATF_CHECK_ERRNO(EBADF, fcntl(fd[0], F_GETFD) == -1);
}

ATF_TC_WITHOUT_HEAD(find);
ATF_TC_BODY(find, tc)
{
	static const struct {
		const char	*path;
		const char	*found;
		int		 readonly;
	} t[] = {
		{ "/srv/a", "/srv", 1 },
		{ "/srv/images/a", "/srv/images", 0 },
		{ "/srv/images/iso/a", "/srv/images/iso", 1 },
		{ "/srv/images/iso/b/c", "/srv/images/iso", 1 },
		{ "/srv/images/isos", "/srv/images", 0 },
		{ "/srv/images", "/srv", 1 },
		{ "/srv", NULL, 0 },
		{ "/srvs/a", NULL, 0 },
		{ "/", NULL, 0 },
		{ "", NULL, 0 },
		{ "srv/a", NULL, 0 },
		{ "/srv/", NULL, 0 },
		{ "/srv/images/../a", NULL, 0 },
		{ "/srv/images/./a", NULL, 0 },
		{ "/srv/images//a", NULL, 0 },
		{ "/srv/images/..", NULL, 0 },
		{ "/srv/images/...", "/srv/images", 0 },
		{ "/srv/images/.a", "/srv/images", 0 },
		{ "/srv/images/a\nb", NULL, 0 },
	};
	const struct conf_path	*p;
	struct conf		*c;
	size_t			 i;

	c = conf_of(0, "files in { \"/srv/images/iso\" \"/srv\" } read-only\n"
	    "files in \"/srv/images\"\n");
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		p = conf_files_find(c, t[i].path);
		ATF_REQUIRE_EQ_MSG(p == NULL, t[i].found == NULL, "%s",
		    t[i].path);
		if (p != NULL) {
			ATF_CHECK_STREQ(p->path, t[i].found);
			ATF_CHECK_EQ(p->readonly, t[i].readonly);
		}
	}
	conf_free(c);

	c = conf_of(1, "");
	p = conf_files_find(c, "/a");
	ATF_REQUIRE(p != NULL);
	ATF_CHECK_STREQ(p->path, "/");
	ATF_CHECK_EQ(conf_files_find(c, "/"), NULL);
	conf_free(c);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, golden);
	ATF_TP_ADD_TC(tp, mutations);
	ATF_TP_ADD_TC(tp, shipped);
	ATF_TP_ADD_TC(tp, session_paths);
	ATF_TP_ADD_TC(tp, files);
	ATF_TP_ADD_TC(tp, owner);
	ATF_TP_ADD_TC(tp, many_errors);
	ATF_TP_ADD_TC(tp, many_items);
	ATF_TP_ADD_TC(tp, macros);
	ATF_TP_ADD_TC(tp, users);
	ATF_TP_ADD_TC(tp, changes);
	ATF_TP_ADD_TC(tp, inherit);
	ATF_TP_ADD_TC(tp, find);
	return (atf_no_error());
}
