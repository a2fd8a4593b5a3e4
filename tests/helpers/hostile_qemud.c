/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * Takes qemud's place below a parent, and says what a test wants it to say.
 * It gives up nothing of what the parent started it with.
 *
 * Commands come from the FIFO "hostile" beside the program's folder, a line
 * each; what they lead to goes to standard error, a line each, in order:
 *
 *	open ro|rw PATH		opened ERROR MODE SIZE TEXT
 *	long N FOLDER		the same for a path of N bytes in FOLDER
 *	launch NAME UID		launched ERROR PID TEXT
 *	kill UID PID QEMUPID	killed ERROR
 *	offence ROLE		(nothing comes of it here)
 *	raw TYPE LENGTH		bytes that mean nothing, as that message
 *	rawfd TYPE LENGTH	the same with a descriptor
 *	flood TYPE N		N times the same well-formed message, and no
 *				answer is read
 *	answers			read N; until no more come
 *	say TEXT		said TEXT
 *	sleep			stops reading commands, for good
 *	exit STATUS
 *
 * "hostile PID" says that it is ready.
 */

#include <sys/types.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "imsg/chan.h"
#include "imsg/proc.h"

#define WAIT_MS		20000
#define FLOOD_MS	500		/* so long nothing can be sent */

static void	 say(const char *, ...) __attribute__((format(printf, 1, 2)));
static void	 quote(char *, size_t, const char *);
static void	 listen_to(int);
static void	 tell(uint32_t, xdrproc_t, const void *, int);
static void	 tell_raw(uint32_t, const void *, size_t, int);
static int	 hear(uint32_t, xdrproc_t, void *, size_t);
static int	 hear_any(struct imsg *, int);
static void	 command(char *);
static void	 do_open(char *);
static void	 do_long(char *);
static void	 do_launch(char *);
static void	 do_kill(char *);
static void	 do_offence(char *);
static void	 do_raw(char *, int);
static void	 do_flood(char *);
static void	 do_answers(void);
static void	 asked(const char *, int);

static struct imsgbuf	 ibuf;
static unsigned int	 last_id;
static int		 kept[64];		/* towards launchers */
static size_t		 nkept;
static int		 deaf;			/* to answers */

/* In one piece, as others write to the same file. */
static void
say(const char *fmt, ...)
{
	char	 line[8192];
	va_list	 ap;
	int	 n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line) - 1, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(line) - 1)
		n = sizeof(line) - 2;
	line[n++] = '\n';
	if (write(STDERR_FILENO, line, n) == -1)
		exit(1);
}

/* Only what fits on a line. */
static void
quote(char *buf, size_t size, const char *s)
{
	size_t	 i;

	for (i = 0; i + 1 < size && s[i] != '\0'; i++)
		buf[i] = (unsigned char)s[i] < ' ' ? '?' : s[i];
	buf[i] = '\0';
}

int
main(int argc, char *argv[])
{
	char		 path[PATH_MAX];
	struct imsg	 imsg;
	uint32_t	 type;
	ssize_t		 n;
	int		 fifo;

	signal(SIGPIPE, SIG_IGN);
	/* whatever it is doing then */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (imsgbuf_init(&ibuf, PROC_CHANNEL_FD) == -1)
		err(1, "imsgbuf_init");
	imsgbuf_allow_fdpass(&ibuf);
	if (imsgbuf_set_maxsize(&ibuf, CHAN_PAYLOAD_MAX) == -1)
		err(1, "imsgbuf_set_maxsize");
	do {
		if (!hear_any(&imsg, WAIT_MS))
			exit(1);
		type = imsg_get_type(&imsg);
		imsg_free(&imsg);
	} while (type != MSG_SETUP_DONE);
	tell(MSG_READY, NULL, NULL, -1);

	if ((n = readlink("/proc/self/exe", path, sizeof(path))) == -1)
		err(1, "/proc/self/exe");
	path[n] = '\0';
	*strrchr(path, '/') = '\0';
	strlcpy(strrchr(path, '/'), "/hostile", 16);
	if ((fifo = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC)) == -1)
		err(1, "%s", path);
	say("hostile %d", (int)getpid());
	for (;;)
		listen_to(fifo);
}

/* A command, or the end of the channel. */
static void
listen_to(int fifo)
{
	static char	 buf[8192];
	static size_t	 have;
	struct pollfd	 pfd[] = {
		{ fifo, POLLIN, 0 }, { PROC_CHANNEL_FD, POLLIN, 0 }
	};
	struct imsg	 imsg;
	char		*nl;
	ssize_t		 n;

	while ((nl = memchr(buf, '\n', have)) != NULL) {
		*nl = '\0';
		command(buf);
		have -= nl + 1 - buf;
		memmove(buf, nl + 1, have);
	}
	if (poll(pfd, deaf ? 1 : 2, -1) == -1)
		err(1, "poll");
	if (pfd[1].revents && hear_any(&imsg, 0))
		imsg_free(&imsg);	/* nobody has asked for it */
	if (!pfd[0].revents)
		return;
	n = read(fifo, buf + have, sizeof(buf) - have);
	if (n > 0)
		have += n;
	else if (n == -1 && errno != EAGAIN)
		err(1, "read");
}

/* --- the channel --------------------------------------------------------------- */

static void
tell(uint32_t type, xdrproc_t encode, const void *m, int fd)
{
	static char	 buf[CHAN_PAYLOAD_MAX];
	XDR		 x;
	size_t		 len = 0;

	if (encode != NULL) {
		xdrmem_create(&x, buf, sizeof(buf), XDR_ENCODE);
		if (!encode(&x, (void *)(uintptr_t)m))
			errx(1, "%s: cannot encode", msg_type_name(type));
		len = xdr_getpos(&x);
		xdr_destroy(&x);
	}
	tell_raw(type, buf, len, fd);
}

static void
tell_raw(uint32_t type, const void *data, size_t len, int fd)
{
	struct pollfd	 pfd = { PROC_CHANNEL_FD, POLLOUT, 0 };

	if (imsg_compose(&ibuf, type, 0, 0, fd, data, len) == -1)
		err(1, "imsg_compose");
	while (imsgbuf_queuelen(&ibuf) > 0) {
		if (imsgbuf_write(&ibuf) == -1)
			return;		/* closed: the next read says so */
		if (imsgbuf_queuelen(&ibuf) > 0)
			poll(&pfd, 1, WAIT_MS);
	}
}

/* 0: nothing came, or the channel has ended. */
static int
hear_any(struct imsg *imsg, int ms)
{
	struct pollfd	 pfd = { PROC_CHANNEL_FD, POLLIN, 0 };

	for (;;) {
		switch (imsgbuf_get(&ibuf, imsg)) {
		case 1:
			return (1);
		case -1:
			errx(1, "bad message from the parent");
		}
		if (poll(&pfd, 1, ms) != 1)
			return (0);
		if (imsgbuf_read(&ibuf) != 1) {
			say("closed");
			exit(0);
		}
	}
}

/* What is waited for, and nothing else is of interest. */
static int
hear(uint32_t type, xdrproc_t decode, void *m, size_t size)
{
	struct imsg	 imsg;
	struct ibuf	 b;
	XDR		 x;
	int		 fd;

	for (;;) {
		if (!hear_any(&imsg, WAIT_MS)) {
			say("no answer");
			exit(1);
		}
		if (imsg_get_type(&imsg) == type)
			break;
		imsg_free(&imsg);
	}
	if (imsg_get_ibuf(&imsg, &b) == -1)
		errx(1, "empty answer");
	memset(m, 0, size);
	xdrmem_create(&x, ibuf_data(&b), ibuf_size(&b), XDR_DECODE);
	if (!decode(&x, m))
		errx(1, "%s does not decode", msg_type_name(type));
	xdr_destroy(&x);
	fd = imsg_get_fd(&imsg);
	imsg_free(&imsg);
	return (fd);
}

/* --- commands ------------------------------------------------------------------- */

static void
command(char *line)
{
	char	*rest = line + strcspn(line, " ");

	if (*rest != '\0')
		*rest++ = '\0';
	if (strcmp(line, "open") == 0)
		do_open(rest);
	else if (strcmp(line, "long") == 0)
		do_long(rest);
	else if (strcmp(line, "launch") == 0)
		do_launch(rest);
	else if (strcmp(line, "kill") == 0)
		do_kill(rest);
	else if (strcmp(line, "offence") == 0)
		do_offence(rest);
	else if (strcmp(line, "raw") == 0)
		do_raw(rest, -1);
	else if (strcmp(line, "rawfd") == 0)
		do_raw(rest, open("/dev/null", O_RDWR | O_CLOEXEC));
	else if (strcmp(line, "flood") == 0)
		do_flood(rest);
	else if (strcmp(line, "answers") == 0)
		do_answers();
	else if (strcmp(line, "say") == 0)
		say("said %s", rest);
	else if (strcmp(line, "sleep") == 0)
		for (;;)
			pause();
	else if (strcmp(line, "exit") == 0)
		exit(atoi(rest));
	else
		say("no command %s", line);
}

static void
asked(const char *path, int rw)
{
	struct msg_open		 m = { ++last_id, (char *)(uintptr_t)path,
				    rw ? OPEN_RW : OPEN_RO };
	struct msg_opened	 a;
	struct stat		 st = { 0 };
	char			 text[MSG_TEXT_MAX + 1], mode[16] = "-";
	int			 fd, flags;

	tell(MSG_OPEN, (xdrproc_t)xdr_msg_open, &m, -1);
	fd = hear(MSG_OPENED, (xdrproc_t)xdr_msg_opened, &a, sizeof(a));
	quote(text, sizeof(text), a.text);
	if (fd != -1) {
		flags = fcntl(fd, F_GETFL);
		fstat(fd, &st);
		snprintf(mode, sizeof(mode), "%s%s", (flags & O_ACCMODE) ==
		    O_RDWR ? "rw" : (flags & O_ACCMODE) == O_RDONLY ? "ro" :
		    "wo", flags & (O_APPEND | O_NONBLOCK | O_PATH) ? "?" : "");
		close(fd);
	}
	say("opened %d %s %lld %s", a.error, mode, (long long)st.st_size,
	    text);
	xdr_free((xdrproc_t)xdr_msg_opened, (char *)&a);
}

static void
do_open(char *args)
{
	char	*path = args + strcspn(args, " ");

	if (*path != '\0')
		*path++ = '\0';
	asked(path, strcmp(args, "rw") == 0);
}

static void
do_long(char *args)
{
	char	*folder, path[MSG_PATH_MAX + 1];
	size_t	 n, i;

	n = strtoul(args, &folder, 10);
	folder += strspn(folder, " ");
	if (n > MSG_PATH_MAX)
		n = MSG_PATH_MAX;
	i = strlcpy(path, folder, sizeof(path));
	for (; i < n; i++)
		path[i] = i % 100 == 0 ? '/' : 'x';
	path[n] = '\0';
	asked(path, 0);
}

static void
do_launch(char *args)
{
	struct msg_launch	 m = { ++last_id, args, 0 };
	struct msg_launched	 a;
	char			*uid = strrchr(args, ' ');
	char			 text[MSG_TEXT_MAX + 1];
	int			 fds[2];

	if (uid == NULL)
		return;
	*uid++ = '\0';
	m.uid = strtoul(uid, NULL, 10);
	if (proc_socketpair(fds) == -1)
		err(1, "socketpair");
	tell(MSG_LAUNCH, (xdrproc_t)xdr_msg_launch, &m, fds[1]);
	/* a launcher ends when nobody is there who could give it a plan */
	if (nkept < sizeof(kept) / sizeof(kept[0]))
		kept[nkept++] = fds[0];
	hear(MSG_LAUNCHED, (xdrproc_t)xdr_msg_launched, &a, sizeof(a));
	quote(text, sizeof(text), a.text);
	say("launched %d %d %s", a.error, a.pid, text);
	xdr_free((xdrproc_t)xdr_msg_launched, (char *)&a);
}

static void
do_kill(char *args)
{
	struct msg_kill		 m = { ++last_id, 0, 0, 0 };
	struct msg_killed	 a;
	char			*p;

	m.uid = strtoul(args, &p, 10);
	m.pid = strtol(p, &p, 10);
	m.qemu_pid = strtol(p, &p, 10);
	tell(MSG_KILL, (xdrproc_t)xdr_msg_kill, &m, -1);
	hear(MSG_KILLED, (xdrproc_t)xdr_msg_killed, &a, sizeof(a));
	say("killed %d", a.error);
}

static void
do_offence(char *args)
{
	struct msg_offence	 m = { strtoul(args, NULL, 10) };

	tell(MSG_OFFENCE, (xdrproc_t)xdr_msg_offence, &m, -1);
}

static void
do_raw(char *args, int fd)
{
	static char	 bytes[CHAN_PAYLOAD_MAX];
	char		*p;
	uint32_t	 type = strtoul(args, &p, 10);
	size_t		 len = strtoul(p, NULL, 10);

	if (len > CHAN_PAYLOAD_MAX - IMSG_HEADER_SIZE)
		len = CHAN_PAYLOAD_MAX - IMSG_HEADER_SIZE;
	memset(bytes, 0x41, sizeof(bytes));
	tell_raw(type, bytes, len, fd);
}

static void
do_flood(char *args)
{
	static char		 path[] = "/dev/null", name[] = "flood";
	struct msg_open		 m = { 0, path, OPEN_RO };
	struct msg_launch	 l = { 0, name, 0 };
	struct msg_kill		 k = { 0 };
	struct pollfd		 pfd = { PROC_CHANNEL_FD, POLLOUT, 0 };
	char			 buf[8192], *p;
	uint32_t		 type = strtoul(args, &p, 10);
	unsigned long		 n = strtoul(p, &p, 10), i;
	XDR			 x;
	int			 fds[2], fd = -1;
	bool_t			 ok;

	/* what it is about: a path, a uid */
	p += strspn(p, " ");
	for (i = 0; i < n; i++) {
		if (poll(&pfd, 1, type == MSG_OPEN ? FLOOD_MS : WAIT_MS) != 1)
			break;
		xdrmem_create(&x, buf, sizeof(buf), XDR_ENCODE);
		switch (type) {
		case MSG_OPEN:
			m.id = ++last_id;
			m.path = p;
			ok = xdr_msg_open(&x, &m);
			break;
		case MSG_LAUNCH:
			l.id = ++last_id;
			l.uid = strtoul(p, NULL, 10);
			ok = xdr_msg_launch(&x, &l);
			if (proc_socketpair(fds) == -1)
				err(1, "socketpair");
			close(fds[0]);
			fd = fds[1];
			break;
		default:
			k.id = ++last_id;
			k.uid = strtoul(p, NULL, 10);
			ok = xdr_msg_kill(&x, &k);
			break;
		}
		if (!ok || imsg_compose(&ibuf, type, 0, 0, fd, buf,
		    xdr_getpos(&x)) == -1)
			errx(1, "flood");
		xdr_destroy(&x);
		if (imsgbuf_write(&ibuf) == -1)
			break;
	}
	deaf = 1;
	say("flooded %lu", i);
}

static void
do_answers(void)
{
	struct imsg	 imsg;
	unsigned long	 n = 0;
	uint32_t	 type;

	while (hear_any(&imsg, FLOOD_MS)) {
		type = imsg_get_type(&imsg);
		imsg_free(&imsg);
		if (type == MSG_OPENED || type == MSG_LAUNCHED ||
		    type == MSG_KILLED)
			n++;
		if (imsgbuf_queuelen(&ibuf) > 0 && imsgbuf_write(&ibuf) == -1)
			break;
	}
	deaf = 0;
	say("read %lu", n);
}
