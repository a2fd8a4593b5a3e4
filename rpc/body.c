/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

#include <sys/types.h>

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "rpc/body.h"
#include "rpc/header.h"

/*
 * A stream that keeps nothing of what is encoded into it: it counts, and
 * compares with what is expected, if anything is.
 */
struct check {
	const char	*want;		/* NULL: only count */
	size_t		 len;
	size_t		 pos;
};

static void	check_create(XDR *, struct check *, const char *, size_t);
static bool_t	check_putlong(XDR *, const long *);
static bool_t	check_putbytes(XDR *, const char *, u_int);
static u_int	check_getpos(XDR *);
static bool_t	check_setpos(XDR *, u_int);
static int32_t *check_inline(XDR *, u_int);
static bool_t	check_getlong(XDR *, long *);
static bool_t	check_getbytes(XDR *, char *, u_int);
static void	check_destroy(XDR *);
static bool_t	check_control(XDR *, int, void *);

static const struct xdr_ops check_ops = {
	check_getlong, check_putlong, check_getbytes, check_putbytes,
	check_getpos, check_setpos, check_inline, check_destroy, check_control
};

int
rpc_decode(xdrproc_t proc, const char *data, size_t len, void *out,
    size_t size)
{
	struct check	 check;
	XDR		 x;
	int		 ok;

	memset(out, 0, size);
	if (len > FRAME_MAX) {
		errno = EBADMSG;
		return (-1);
	}

	/* One handle reads and writes; decoding does not write. */
	xdrmem_create(&x, (char *)(uintptr_t)data, (u_int)len, XDR_DECODE);
	errno = 0;
	ok = proc(&x, out) && xdr_getpos(&x) == len;
	xdr_destroy(&x);
	if (ok) {
		check_create(&x, &check, data, len);
		ok = proc(&x, out) && check.pos == len;
		xdr_destroy(&x);
	}
	if (!ok) {
		rpc_free(proc, out);
		memset(out, 0, size);
		if (errno != ENOMEM)
			errno = EBADMSG;
		return (-1);
	}
	return (0);
}

int
rpc_encode(xdrproc_t proc, const void *in, size_t head, char **buf,
    size_t *len)
{
	XDR		 x;
	char		*p;
	ssize_t		 n;
	int		 ok;

	*buf = NULL;
	*len = 0;
	if ((n = rpc_size(proc, in)) == -1)
		return (-1);
	if ((p = malloc(head + (size_t)n + 1)) == NULL)
		return (-1);
	memset(p, 0, head);
	xdrmem_create(&x, p + head, (u_int)n, XDR_ENCODE);
	ok = proc(&x, in) && xdr_getpos(&x) == (u_int)n;
	xdr_destroy(&x);
	if (!ok) {
		free(p);
		errno = EINVAL;
		return (-1);
	}
	*buf = p;
	*len = head + (size_t)n;
	return (0);
}

ssize_t
rpc_size(xdrproc_t proc, const void *in)
{
	struct check	 check;
	XDR		 x;
	int		 ok;

	check_create(&x, &check, NULL, FRAME_MAX);
	ok = proc(&x, in);
	xdr_destroy(&x);
	if (!ok) {
		errno = EINVAL;
		return (-1);
	}
	return ((ssize_t)check.pos);
}

void
rpc_free(xdrproc_t proc, void *p)
{
	if (p != NULL)
		xdr_free(proc, p);
}

static void
check_create(XDR *x, struct check *c, const char *want, size_t len)
{
	memset(x, 0, sizeof(*x));
	c->want = want;
	c->len = len;
	c->pos = 0;
	x->x_op = XDR_ENCODE;
	x->x_ops = &check_ops;
	x->x_private = c;
}

static bool_t
check_putbytes(XDR *x, const char *p, u_int n)
{
	struct check	*c = x->x_private;

	if (n > c->len - c->pos)
		return (FALSE);
	if (c->want != NULL && memcmp(c->want + c->pos, p, n) != 0)
		return (FALSE);
	c->pos += n;
	return (TRUE);
}

static bool_t
check_putlong(XDR *x, const long *l)
{
	uint32_t	 v = (uint32_t)*l;
	char		 b[4];

	b[0] = (char)(v >> 24);
	b[1] = (char)(v >> 16);
	b[2] = (char)(v >> 8);
	b[3] = (char)v;
	return (check_putbytes(x, b, sizeof(b)));
}

static u_int
check_getpos(XDR *x)
{
	const struct check	*c = x->x_private;

	return ((u_int)c->pos);
}

static bool_t
check_setpos(XDR *x, u_int pos)
{
	return (FALSE);
}

/* No memory to write to: XDR then calls putlong for each unit. */
static int32_t *
check_inline(XDR *x, u_int len)
{
	return (NULL);
}

static bool_t
check_getlong(XDR *x, long *l)
{
	return (FALSE);
}

static bool_t
check_getbytes(XDR *x, char *p, u_int n)
{
	return (FALSE);
}

static void
check_destroy(XDR *x)
{
}

static bool_t
check_control(XDR *x, int request, void *info)
{
	return (FALSE);
}
