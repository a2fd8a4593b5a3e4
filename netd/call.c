/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * What a client has asked for and not got yet.  Few at a time, so they are
 * searched one after the other.
 */

#include <sys/types.h>

#include <errno.h>
#include <stdlib.h>

#include "netd/netd.h"

#define CALLS_FIRST	4

int
call_add(struct client *c, uint32_t serial, const struct rpc_proc *proc)
{
	struct call	*calls;
	size_t		 size;

	if (c->ncalls == c->callsize) {
		size = c->callsize == 0 ? CALLS_FIRST : c->callsize * 2;
		calls = reallocarray(c->calls, size, sizeof(*calls));
		if (calls == NULL)
			return (-1);
		c->calls = calls;
		c->callsize = size;
	}
	c->calls[c->ncalls].serial = serial;
	c->calls[c->ncalls++].proc = proc;
	return (0);
}

struct call *
call_find(struct client *c, uint32_t serial)
{
	size_t	 i;

	for (i = 0; i < c->ncalls; i++)
		if (c->calls[i].serial == serial)
			return (&c->calls[i]);
	return (NULL);
}

void
call_remove(struct client *c, struct call *call)
{
	*call = c->calls[--c->ncalls];
}

int
stream_add(struct client *c, uint32_t serial, const struct rpc_proc *proc)
{
	struct stream	*s;

	if (c->nstreams == STREAMS_MAX) {
		errno = ENOBUFS;
		return (-1);
	}
	if (c->streams == NULL &&
	    (c->streams = calloc(STREAMS_MAX, sizeof(*s))) == NULL)
		return (-1);
	s = &c->streams[c->nstreams++];
	s->serial = serial;
	s->proc = proc;
	s->finished = 0;
	return (0);
}

struct stream *
stream_find(struct client *c, uint32_t serial)
{
	size_t	 i;

	for (i = 0; i < c->nstreams; i++)
		if (c->streams[i].serial == serial)
			return (&c->streams[i]);
	return (NULL);
}

void
stream_remove(struct client *c, struct stream *s)
{
	*s = c->streams[--c->nstreams];
}

size_t
stream_count(const struct client *c)
{
	size_t	 i, n = c->nstreams;

	for (i = 0; i < c->ncalls; i++)
		if (c->calls[i].proc->flags & PROC_STREAM)
			n++;
	return (n);
}
