/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * Who connects, by uid: how many connections, how much memory, how many
 * offences, how many lines in the log.
 */

#include <sys/types.h>
#include <sys/queue.h>

#include <stdlib.h>

#include "imsg/log.h"
#include "netd/netd.h"

#define USER_BUCKETS	256		/* a launcher has a uid of its own */

static int	 user_trusted(const struct user *);
static int	 user_guest(const struct user *);
static int	 user_idle(const struct user *, time_t);
static void	 user_suppressed(struct user *);

static LIST_HEAD(, user)	 users[USER_BUCKETS];

struct user *
user_get(uid_t uid)
{
	struct user	*u;

	LIST_FOREACH(u, &users[uid % USER_BUCKETS], hash)
		if (u->uid == uid)
			return (u);
	if ((u = calloc(1, sizeof(*u))) == NULL)
		return (NULL);
	u->uid = uid;
	LIST_INSERT_HEAD(&users[uid % USER_BUCKETS], u, hash);
	return (u);
}

int
user_put(struct user *u)
{
	if (!user_idle(u, now()))
		return (0);
	user_suppressed(u);
	LIST_REMOVE(u, hash);
	free(u);
	return (1);
}

unsigned int
user_tick(void)
{
	struct user	*u, *next;
	unsigned int	 i, n = 0;

	for (i = 0; i < USER_BUCKETS; i++)
		for (u = LIST_FIRST(&users[i]); u != NULL; u = next) {
			next = LIST_NEXT(u, hash);
			n += !user_put(u);
		}
	return (n);
}

/* A guest, with the uid that it has for itself? */
static int
user_guest(const struct user *u)
{
	return (env->limits.uid_first != 0 &&
	    u->uid >= env->limits.uid_first && u->uid <= env->limits.uid_last);
}

int
user_welcome(const struct user *u)
{
	return (env->proc.setup.role != ROLE_NETD_LAUNCH || u->uid == 0 ||
	    user_guest(u) || (env->proc.setup.session && u->uid == env->self));
}

unsigned int
user_clients_max(const struct user *u)
{
	return (env->proc.setup.role == ROLE_NETD_LAUNCH && user_guest(u) ?
	    GUEST_CLIENTS_MAX : env->limits.clients_per_user_max);
}

int
user_banned(struct user *u)
{
	return (u->banned_until > now());
}

int
user_offence(struct user *u)
{
	time_t	 t = now();

	if (user_trusted(u))
		return (0);
	if (u->offences == 0 || t - u->offended >= PENALTY_WINDOW_S) {
		u->offended = t;
		u->offences = 0;
	}
	if (++u->offences >= PENALTY_COUNT && u->banned_until <= t) {
		log_info("uid %u: broke the protocol %u times within %d "
		    "seconds, may not connect for %d", u->uid, u->offences,
		    PENALTY_WINDOW_S, PENALTY_S);
		u->banned_until = t + PENALTY_S;
	}
	return (u->banned_until > t);
}

int
user_complaint(struct user *u)
{
	time_t	 t = now();

	if (u->complaints == 0 || t - u->complained >= COMPLAINTS_WINDOW_S) {
		user_suppressed(u);
		u->complained = t;
		u->complaints = 0;
	}
	if (u->complaints < COMPLAINTS_MAX) {
		u->complaints++;
		return (1);
	}
	u->suppressed++;
	return (0);
}

/*
 * Root, and in a session the one user there is, would only be kept from
 * repairing things.
 */
static int
user_trusted(const struct user *u)
{
	return (env->proc.setup.role == ROLE_NETD &&
	    (u->uid == 0 || env->proc.setup.session));
}

static int
user_idle(const struct user *u, time_t t)
{
	return (u->nclients == 0 && u->banned_until <= t &&
	    (u->offences == 0 || t - u->offended >= PENALTY_WINDOW_S) &&
	    (u->complaints == 0 || t - u->complained >= COMPLAINTS_WINDOW_S));
}

static void
user_suppressed(struct user *u)
{
	if (u->suppressed > 0)
		log_info("uid %u: %u more lines like these are not shown",
		    u->uid, u->suppressed);
	u->suppressed = 0;
}
