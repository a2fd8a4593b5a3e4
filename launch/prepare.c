/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * What QEMU finds ready when it starts: the sockets that it listens on, the
 * pseudo terminals, the ports of its screens.
 *
 * An endpoint is a Unix socket that is bound, listens and has no name: it is
 * made in a folder that only we can enter, and its name is removed before
 * anybody could connect.  What remains is a descriptor of its inode, and the
 * kernel connects to that when it is given as /proc/self/fd/N, which works
 * for no other process.  As our current folder is /proc/self/fd, N alone is
 * enough, also where /proc can't be reached by path any more.
 */

#include <sys/socket.h>
#include <sys/un.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "launch/launch.h"

#define ENDPOINT_NAME		"socket"
#define ENDPOINT_BACKLOG	16
#define SCREEN_BACKLOG		4
#define VNC_PORT_FIRST		5900
#define VNC_PORT_LAST		6899

static int	endpoint_new(struct launch *, struct endpoint *);
static int	endpoint_bind(struct endpoint *, int);
static void	endpoint_clear(struct endpoint *);
static char	*folder_new(void);
static int	console_new(struct launch *, const struct plan_console *);
static int	console_tty(struct launch *, struct console *);
static void	console_clear(struct console *);
static int	screen_new(struct launch *, const struct plan_screen *);
static int	screen_listen(const char *, unsigned int);
static int	screen_address(const char *, unsigned int,
		    struct sockaddr_storage *, socklen_t *);
static int	plan_give(struct launch *, struct plan *, const char *, int);

int
prepare(struct launch *l, struct plan *p)
{
	const struct plan_guest	*g = &p->g;
	u_int			 i;

	if (chdir("/proc/self/fd") == -1)
		return (launch_fail(l, errno, "/proc/self/fd: %s: is /proc "
		    "mounted?", strerror(errno)));
	if (endpoint_new(l, &l->monitor) == -1 ||
	    plan_give(l, p, "monitor", l->monitor.listener) == -1)
		return (-1);
	for (i = 0; i < g->consoles.consoles_len; i++)
		if (console_new(l, &g->consoles.consoles_val[i]) == -1 ||
		    plan_give(l, p, g->consoles.consoles_val[i].key,
		    l->consoles[i].ep.listener) == -1)
			return (-1);
	for (i = 0; i < g->screens.screens_len; i++)
		if (screen_new(l, &g->screens.screens_val[i]) == -1)
			return (-1);
	for (i = 0; i < g->files.files_len; i++)
		if (p->fds[i] == -1)
			return (launch_fail(l, 0, "%s: nobody knows how to "
			    "prepare it", g->files.files_val[i].key));
	return (0);
}

void
prepare_clear(struct launch *l)
{
	size_t	 i;

	endpoint_clear(&l->monitor);
	for (i = 0; i < l->nconsoles; i++)
		console_clear(&l->consoles[i]);
	for (i = 0; i < l->nscreens; i++)
		close(l->screens[i].listener);
	l->nconsoles = l->nscreens = 0;
}

/* The descriptor of that key is a duplicate of fd. */
static int
plan_give(struct launch *l, struct plan *p, const char *key, int fd)
{
	u_int	 i;

	for (i = 0; i < p->g.files.files_len; i++)
		if (strcmp(p->g.files.files_val[i].key, key) == 0)
			break;
	if (i == p->g.files.files_len || p->fds[i] != -1)
		return (launch_fail(l, 0, "%s: the plan has no place for it",
		    key));
	if ((p->fds[i] = fcntl(fd, F_DUPFD_CLOEXEC, PLAN_FD_FIRST)) == -1)
		return (launch_fail(l, errno, "%s: %s", key,
		    strerror(errno)));
	return (0);
}

/* --- endpoints ------------------------------------------------------------ */

static int
endpoint_new(struct launch *l, struct endpoint *ep)
{
	char	*folder;
	int	 dir, ret = 0;

	ep->inode = -1;
	ep->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (ep->listener == -1)
		return (launch_fail(l, errno, "socket: %s", strerror(errno)));
	if ((folder = folder_new()) == NULL)
		return (launch_fail(l, errno, "cannot make a folder in /tmp "
		    "for the sockets of the guest: %s", strerror(errno)));
	dir = open(folder, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir == -1 || endpoint_bind(ep, dir) == -1)
		ret = launch_fail(l, errno, "cannot make a socket in %s: %s",
		    folder, strerror(errno));
	if (dir != -1) {
		unlinkat(dir, ENDPOINT_NAME, 0);
		close(dir);
	}
	rmdir(folder);
	free(folder);
	return (ret);
}

/* By way of the descriptor: the folder's path may be too long for sun. */
static int
endpoint_bind(struct endpoint *ep, int dir)
{
	struct sockaddr_un	 sun = { .sun_family = AF_UNIX };

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%d/" ENDPOINT_NAME,
	    dir);
	if (bind(ep->listener, (struct sockaddr *)&sun, sizeof(sun)) == -1)
		return (-1);
	ep->inode = openat(dir, ENDPOINT_NAME, O_PATH | O_NOFOLLOW |
	    O_CLOEXEC);
	if (ep->inode == -1)
		return (-1);
	return (listen(ep->listener, ENDPOINT_BACKLOG));
}

int
endpoint_connect(const struct endpoint *ep)
{
	struct sockaddr_un	 sun = { .sun_family = AF_UNIX };
	int			 fd, saved;

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return (-1);
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%d", ep->inode);
	/* QEMU has made it 1, and takes the next one when the last is gone */
	if (listen(ep->listener, ENDPOINT_BACKLOG) == -1 ||
	    connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == -1) {
		saved = errno;
		close(fd);
		errno = saved;
		return (-1);
	}
	return (fd);
}

static void
endpoint_clear(struct endpoint *ep)
{
	if (ep->listener != -1)
		close(ep->listener);
	if (ep->inode != -1)
		close(ep->inode);
	ep->listener = ep->inode = -1;
}

/* A folder that only this user can enter; the caller frees the name. */
static char *
folder_new(void)
{
	static const char *const	 tries[] = { "/tmp", "/var/tmp",
					    "/dev/shm" };
	const char			*first = getenv("XDG_RUNTIME_DIR");
	char				*path;
	size_t				 i;

	for (i = first == NULL || first[0] != '/'; i <= 3; i++) {
		if (asprintf(&path, "%s/.qemud-launch.XXXXXX",
		    i == 0 ? first : tries[i - 1]) == -1)
			return (NULL);
		if (mkdtemp(path) != NULL)
			return (path);
		free(path);
	}
	return (NULL);
}

/* --- serial lines --------------------------------------------------------- */

static int
console_new(struct launch *l, const struct plan_console *p)
{
	struct console	*c = &l->consoles[l->nconsoles];

	c->ep.listener = c->ep.inode = c->master = c->slave = -1;
	c->port = p->port;
	c->tty = NULL;
	c->alias = strdup(p->alias);
	l->nconsoles++;
	if (c->alias == NULL)
		return (launch_fail(l, errno, "%s: %s", p->key,
		    strerror(errno)));
	if (endpoint_new(l, &c->ep) == -1)
		return (-1);
	return (p->pty ? console_tty(l, c) : 0);
}

static int
console_tty(struct launch *l, struct console *c)
{
	struct termios	 tio;
	char		 name[64];

	c->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (c->master == -1 || grantpt(c->master) == -1 ||
	    unlockpt(c->master) == -1 ||
	    ptsname_r(c->master, name, sizeof(name)) != 0)
		goto fail;
	c->slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (c->slave == -1 || tcgetattr(c->slave, &tio) == -1)
		goto fail;
	/* no echo: else the guest would read its own output as input */
	cfmakeraw(&tio);
	if (tcsetattr(c->slave, TCSANOW, &tio) == -1 ||
	    (c->tty = strdup(name)) == NULL)
		goto fail;
	return (0);

 fail:
	return (launch_fail(l, errno, "serial/%u: cannot make a pseudo "
	    "terminal: %s", c->port, strerror(errno)));
}

static void
console_clear(struct console *c)
{
	endpoint_clear(&c->ep);
	if (c->master != -1)
		close(c->master);
	if (c->slave != -1)
		close(c->slave);
	free(c->alias);
	free(c->tty);
	c->master = c->slave = -1;
	c->alias = c->tty = NULL;
}

/* --- screens -------------------------------------------------------------- */

static int
screen_new(struct launch *l, const struct plan_screen *p)
{
	struct screen	*s = &l->screens[l->nscreens];
	const char	*address = p->address;
	unsigned int	 first = p->port, last = p->port, port;
	int		 fd;

	if (address[0] == '\0' || strcmp(address, "localhost") == 0)
		address = "127.0.0.1";
	if (p->port == 0) {
		first = VNC_PORT_FIRST;
		last = VNC_PORT_LAST;
	}
	for (port = first; port <= last; port++) {
		if ((fd = screen_listen(address, port)) != -1)
			break;
		if (errno == EINVAL)
			return (launch_fail(l, EINVAL, "VNC cannot listen on "
			    "%s: it is not an IP address", address));
		if (errno != EADDRINUSE)
			return (launch_fail(l, errno, "VNC cannot listen on "
			    "%s port %u: %s", address, port,
			    strerror(errno)));
	}
	if (port > last && p->port != 0)
		return (launch_fail(l, EADDRINUSE, "VNC port %u on %s is in "
		    "use", p->port, address));
	if (port > last)
		return (launch_fail(l, EADDRINUSE, "all VNC ports on %s from "
		    "%u to %u are in use", address, first, last));
	s->listener = fd;
	s->index = p->index;
	s->port = port;
	l->nscreens++;
	return (0);
}

/*
 * EADDRINUSE if anybody listens there.  SO_REUSEADDR lets us have a port
 * whose last connections are not forgotten yet, as QEMU does; a port where
 * somebody listens is never shared by it.
 */
static int
screen_listen(const char *address, unsigned int port)
{
	struct sockaddr_storage	 ss;
	socklen_t		 len;
	const int		 on = 1;
	int			 fd, saved;

	if (screen_address(address, port, &ss, &len) == -1) {
		errno = EINVAL;
		return (-1);
	}
	fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    0);
	if (fd == -1)
		return (-1);
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == -1 ||
	    bind(fd, (struct sockaddr *)&ss, len) == -1 ||
	    listen(fd, SCREEN_BACKLOG) == -1) {
		saved = errno;
		close(fd);
		/* EINVAL has its own meaning here */
		errno = saved == EINVAL ? EADDRNOTAVAIL : saved;
		return (-1);
	}
	return (fd);
}

static int
screen_address(const char *address, unsigned int port,
    struct sockaddr_storage *ss, socklen_t *len)
{
	struct sockaddr_in	*sin = (struct sockaddr_in *)ss;
	struct sockaddr_in6	*sin6 = (struct sockaddr_in6 *)ss;

	memset(ss, 0, sizeof(*ss));
	if (inet_pton(AF_INET, address, &sin->sin_addr) == 1) {
		sin->sin_family = AF_INET;
		sin->sin_port = htons(port);
		*len = sizeof(*sin);
		return (0);
	}
	if (inet_pton(AF_INET6, address, &sin6->sin6_addr) == 1) {
		sin6->sin6_family = AF_INET6;
		sin6->sin6_port = htons(port);
		*len = sizeof(*sin6);
		return (0);
	}
	return (-1);
}
