/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * Clients that can be asked whether they live (they have asked for the
 * feature) are, when nothing has come from them for a while; one that does
 * not answer several times is closed.
 *
 * A ping is also the sign that we live.  It is sent as well while we do not
 * read, because the client asks too much at once; but then it is not the
 * client's fault that no answer comes, and it is not counted.
 */

#include <sys/types.h>

#include "imsg/log.h"
#include "netd/netd.h"

static void	keepalive_check(struct client *, time_t);

void
keepalive_tick(void)
{
	struct client	*c;
	time_t		 t = now();

	TAILQ_FOREACH(c, &env->clients, entry) {
		if (c->dead)
			continue;
		if (c->closing) {
			if (t - c->closing_since >= CLOSE_LINGER_S)
				client_end(c);
		} else if (c->keepalive)
			keepalive_check(c, t);
	}
}

static void
keepalive_check(struct client *c, time_t t)
{
	time_t	 last;

	/* what takes our bytes lives */
	if (c->slow && c->moved) {
		c->seen = t;
		c->pings = 0;
	}
	c->moved = 0;
	last = c->seen > c->pinged ? c->seen : c->pinged;
	if (t - last < env->limits.keepalive_s)
		return;
	if (c->pings >= KEEPALIVE_COUNT) {
		client_complain(c, "closed: no answer to %u pings", c->pings);
		client_end(c);
		return;
	}
	c->pinged = t;
	if (c->reading || c->slow)
		c->pings++;
	if (!c->slow)			/* else it would only wait, too */
		frame_keepalive(c, KEEPALIVE_PING);
}
