/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/* From a URI to the socket that it stands for. */

#include <sys/types.h>
#include <sys/auxv.h>

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/client.h"
#include "paths.h"

static int	 scheme_parse(const char *, size_t, const char *, size_t,
		    struct rpc_error *);
static int	 instance_parse(const char *, size_t, struct target *,
		    struct rpc_error *);
static int	 query_parse(const char *, struct target *,
		    struct rpc_error *);
static int	 percent_decode(const char *, size_t, char *, size_t);
static int	 default_path(int, struct target *, struct rpc_error *);

/* Where an instance listens if its configuration does not say otherwise. */
static int
default_path(int readonly, struct target *t, struct rpc_error *err)
{
	struct passwd	*pw;
	const char	*base = RUNDIR, *sub = "/qemud";

	if (t->session) {
		base = secure_getenv("XDG_RUNTIME_DIR");
		if (base == NULL || base[0] != '/') {
			sub = "/.qemud.d/run";
			base = secure_getenv("HOME");
		}
		if (base == NULL || base[0] != '/')
			base = (pw = getpwuid(getuid())) == NULL ? "/" :
			    pw->pw_dir;
	}
	if ((size_t)snprintf(t->path, sizeof(t->path), "%s%s/%s", base, sub,
	    readonly ? "qemud-ro" : "qemud") >= sizeof(t->path))
		return (error_full(err, RPCE_NO_CONNECT, "cannot connect to "
		    "%s: the name of its socket is too long\n"
		    "it would be in %s%s\n"
		    "set XDG_RUNTIME_DIR to a shorter one", t->name, base,
		    sub));
	return (0);
}

int
target_parse(const char *uri, int readonly, struct target *t,
    struct rpc_error *err)
{
	const char	*p, *host, *path;
	size_t		 hostlen, pathlen;

	memset(t, 0, sizeof(*t));
	if (uri == NULL)
		uri = geteuid() == 0 ? "qemud:///system" : "qemud:///session";
	if ((p = strstr(uri, "://")) == NULL)
		return (error_full(err, RPCE_INVALID_ARG,
		    "\"%s\" is not a URI; qemud:///system is one", uri));
	host = p + 3;
	hostlen = strcspn(host, "/?#");
	path = host + hostlen;
	pathlen = strcspn(path, "?#");
	if (strchr(path, '#') != NULL)
		return (error_full(err, RPCE_INVALID_ARG, "%s: a \"#\" has "
		    "to be written as %%23", uri));
	if (scheme_parse(uri, p - uri, host, hostlen, err) == -1 ||
	    instance_parse(path, pathlen, t, err) == -1)
		return (-1);
	if (path[pathlen] == '?' &&
	    query_parse(path + pathlen + 1, t, err) == -1)
		return (-1);
	if (t->path[0] != '\0')
		return (0);
	t->startable = t->session && !getauxval(AT_SECURE);
	return (default_path(readonly, t, err));
}

/* driver or driver+transport, and who is to be reached by that. */
static int
scheme_parse(const char *s, size_t len, const char *host, size_t hostlen,
    struct rpc_error *err)
{
	const char	*plus = memchr(s, '+', len);
	size_t		 n = plus == NULL ? len : (size_t)(plus - s);
	size_t		 tlen = plus == NULL ? 0 : len - n - 1;

	if (!(n == 4 && strncasecmp(s, "qemu", n) == 0) &&
	    !(n == 5 && strncasecmp(s, "qemud", n) == 0))
		return (error_full(err, RPCE_INVALID_ARG, "%.*s: URIs begin "
		    "with qemud:// or qemu://", (int)len, s));
	if (plus != NULL &&
	    !(tlen == 4 && strncasecmp(plus + 1, "unix", tlen) == 0))
		return (error_full(err, RPCE_INVALID_ARG, "%.*s: this version "
		    "has no %.*s, only sockets of this host: qemud+unix://",
		    (int)len, s, (int)tlen, plus + 1));
	if (hostlen != 0)
		return (error_full(err, RPCE_INVALID_ARG, "%.*s: %s",
		    (int)hostlen, host, plus != NULL ?
		    "a unix socket is not on another host" :
		    "other hosts need TLS, which this version has not"));
	return (0);
}

static int
instance_parse(const char *path, size_t len, struct target *t,
    struct rpc_error *err)
{
	if (len == 7 && strncmp(path, "/system", len) == 0) {
		t->name = "qemud:///system";
		t->asked = "qemu:///system";
		return (0);
	}
	if (len == 8 && strncmp(path, "/session", len) == 0) {
		t->session = 1;
		t->name = "qemud:///session";
		t->asked = "qemu:///session";
		return (0);
	}
	return (error_full(err, RPCE_INVALID_ARG, "\"%.*s\": there are the "
	    "instances qemud:///system and qemud:///session", (int)len, path));
}

static int
query_parse(const char *query, struct target *t, struct rpc_error *err)
{
	const char	*p;
	size_t		 len;

	for (p = query; *p != '\0'; p += len + (p[len] != '\0')) {
		len = strcspn(p, "&");
		if (strncmp(p, "socket=", 7) != 0)
			return (error_full(err, RPCE_INVALID_ARG, "\"%.*s\": "
			    "the only option of a URI is socket=PATH",
			    (int)len, p));
		if (percent_decode(p + 7, len - 7, t->path,
		    sizeof(t->path)) == -1 || t->path[0] != '/')
			return (error_full(err, RPCE_INVALID_ARG, "\"%.*s\": "
			    "this must be an absolute path of at most %zu "
			    "bytes", (int)len, p, sizeof(t->path) - 1));
	}
	return (0);
}

static int
percent_decode(const char *s, size_t len, char *out, size_t size)
{
	size_t	 i, n = 0;
	char	 c;

	for (i = 0; i < len; i++) {
		c = s[i];
		if (c == '%') {
			if (len - i < 3 || hex_digit(s[i + 1]) == -1 ||
			    hex_digit(s[i + 2]) == -1)
				return (-1);
			c = (char)(hex_digit(s[i + 1]) << 4 |
			    hex_digit(s[i + 2]));
			i += 2;
		}
		if (c == '\0' || n + 1 >= size)
			return (-1);
		out[n++] = c;
	}
	out[n] = '\0';
	return (0);
}
