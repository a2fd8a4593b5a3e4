/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/* Words for the numbers of the protocol. */

#include <sys/types.h>

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "client/client.h"
#include "rpc/const.h"

struct words {
	const char *const	*word;
	size_t			 n;
};
#define WORDS(a)	{ a, nitems(a) }

static const char	*word(const struct words *, int);

static const char *const	states[] = {
	[LV_NOSTATE] = "no state",
	[LV_RUNNING] = "running",
	[LV_BLOCKED] = "idle",
	[LV_PAUSED] = "paused",
	[LV_SHUTDOWN] = "in shutdown",
	[LV_SHUTOFF] = "shut off",
	[LV_CRASHED] = "crashed",
	[LV_PMSUSPENDED] = "suspended"
};

static const char *const	running[] = {
	[LV_RUNNING_BOOTED] = "booted",
	[LV_RUNNING_MIGRATED] = "migrated",
	[LV_RUNNING_RESTORED] = "restored",
	[LV_RUNNING_FROM_SNAPSHOT] = "from snapshot",
	[LV_RUNNING_UNPAUSED] = "unpaused",
	[LV_RUNNING_MIGRATION_CANCELED] = "migration canceled",
	[LV_RUNNING_SAVE_CANCELED] = "save canceled",
	[LV_RUNNING_WAKEUP] = "woken up",
	[LV_RUNNING_CRASHED] = "crashed",
	[LV_RUNNING_POSTCOPY] = "post-copy",
	[LV_RUNNING_POSTCOPY_FAILED] = "post-copy failed"
};

static const char *const	paused[] = {
	[LV_PAUSED_USER] = "user",
	[LV_PAUSED_MIGRATION] = "migrating",
	[LV_PAUSED_SAVE] = "saving",
	[LV_PAUSED_DUMP] = "dumping",
	[LV_PAUSED_IOERROR] = "I/O error",
	[LV_PAUSED_WATCHDOG] = "watchdog",
	[LV_PAUSED_FROM_SNAPSHOT] = "from snapshot",
	[LV_PAUSED_SHUTTING_DOWN] = "shutting down",
	[LV_PAUSED_SNAPSHOT] = "making snapshot",
	[LV_PAUSED_CRASHED] = "crashed",
	[LV_PAUSED_STARTING_UP] = "starting up",
	[LV_PAUSED_POSTCOPY] = "post-copy",
	[LV_PAUSED_POSTCOPY_FAILED] = "post-copy failed"
};

static const char *const	shutdown_reasons[] = {
	[LV_SHUTDOWN_USER] = "user"
};

static const char *const	shutoff[] = {
	[LV_SHUTOFF_SHUTDOWN] = "shutdown",
	[LV_SHUTOFF_DESTROYED] = "destroyed",
	[LV_SHUTOFF_CRASHED] = "crashed",
	[LV_SHUTOFF_MIGRATED] = "migrated",
	[LV_SHUTOFF_SAVED] = "saved",
	[LV_SHUTOFF_FAILED] = "failed",
	[LV_SHUTOFF_FROM_SNAPSHOT] = "from snapshot",
	[LV_SHUTOFF_DAEMON] = "daemon"
};

static const char *const	crashed[] = {
	[LV_CRASHED_PANICKED] = "panicked"
};

static const struct words	reasons[] = {
	[LV_RUNNING] = WORDS(running),
	[LV_PAUSED] = WORDS(paused),
	[LV_SHUTDOWN] = WORDS(shutdown_reasons),
	[LV_SHUTOFF] = WORDS(shutoff),
	[LV_CRASHED] = WORDS(crashed)
};

static const char *const	events[] = {
	[LV_EVENT_ID_LIFECYCLE] = "lifecycle",
	[LV_EVENT_ID_REBOOT] = "reboot",
	[LV_EVENT_ID_RTC_CHANGE] = "rtc-change",
	[LV_EVENT_ID_WATCHDOG] = "watchdog",
	[LV_EVENT_ID_IO_ERROR] = "io-error",
	[LV_EVENT_ID_PMWAKEUP] = "wakeup",
	[LV_EVENT_ID_PMSUSPEND] = "suspend"
};

static const char *const	lifecycle[] = {
	[LV_EVENT_DEFINED] = "defined",
	[LV_EVENT_UNDEFINED] = "undefined",
	[LV_EVENT_STARTED] = "started",
	[LV_EVENT_SUSPENDED] = "suspended",
	[LV_EVENT_RESUMED] = "resumed",
	[LV_EVENT_STOPPED] = "stopped",
	[LV_EVENT_SHUTDOWN] = "shutdown",
	[LV_EVENT_PMSUSPENDED] = "pm-suspended",
	[LV_EVENT_CRASHED] = "crashed"
};

static const char *const	defined[] = {
	[LV_EVENT_DEFINED_ADDED] = "added",
	[LV_EVENT_DEFINED_UPDATED] = "updated",
	[LV_EVENT_DEFINED_RENAMED] = "renamed",
	[LV_EVENT_DEFINED_FROM_SNAPSHOT] = "from snapshot"
};

static const char *const	undefined[] = {
	[LV_EVENT_UNDEFINED_REMOVED] = "removed",
	[LV_EVENT_UNDEFINED_RENAMED] = "renamed"
};

static const char *const	started[] = {
	[LV_EVENT_STARTED_BOOTED] = "booted",
	[LV_EVENT_STARTED_MIGRATED] = "migrated",
	[LV_EVENT_STARTED_RESTORED] = "restored",
	[LV_EVENT_STARTED_FROM_SNAPSHOT] = "from snapshot",
	[LV_EVENT_STARTED_WAKEUP] = "woken up"
};

static const char *const	suspended[] = {
	[LV_EVENT_SUSPENDED_PAUSED] = "paused",
	[LV_EVENT_SUSPENDED_MIGRATED] = "migrated",
	[LV_EVENT_SUSPENDED_IOERROR] = "I/O error",
	[LV_EVENT_SUSPENDED_WATCHDOG] = "watchdog",
	[LV_EVENT_SUSPENDED_RESTORED] = "restored",
	[LV_EVENT_SUSPENDED_FROM_SNAPSHOT] = "from snapshot",
	[LV_EVENT_SUSPENDED_API_ERROR] = "error",
	[LV_EVENT_SUSPENDED_POSTCOPY] = "post-copy",
	[LV_EVENT_SUSPENDED_POSTCOPY_FAILED] = "post-copy failed"
};

static const char *const	resumed[] = {
	[LV_EVENT_RESUMED_UNPAUSED] = "unpaused",
	[LV_EVENT_RESUMED_MIGRATED] = "migrated",
	[LV_EVENT_RESUMED_FROM_SNAPSHOT] = "from snapshot",
	[LV_EVENT_RESUMED_POSTCOPY] = "post-copy",
	[LV_EVENT_RESUMED_POSTCOPY_FAILED] = "post-copy failed"
};

static const char *const	stopped[] = {
	[LV_EVENT_STOPPED_SHUTDOWN] = "shutdown",
	[LV_EVENT_STOPPED_DESTROYED] = "destroyed",
	[LV_EVENT_STOPPED_CRASHED] = "crashed",
	[LV_EVENT_STOPPED_MIGRATED] = "migrated",
	[LV_EVENT_STOPPED_SAVED] = "saved",
	[LV_EVENT_STOPPED_FAILED] = "failed",
	[LV_EVENT_STOPPED_FROM_SNAPSHOT] = "from snapshot"
};

static const char *const	ending[] = {
	[LV_EVENT_SHUTDOWN_FINISHED] = "finished",
	[LV_EVENT_SHUTDOWN_GUEST] = "guest",
	[LV_EVENT_SHUTDOWN_HOST] = "host"
};

static const char *const	asleep[] = {
	[LV_EVENT_PMSUSPENDED_MEMORY] = "memory",
	[LV_EVENT_PMSUSPENDED_DISK] = "disk"
};

static const char *const	panics[] = {
	[LV_EVENT_CRASHED_PANICKED] = "panicked",
	[LV_EVENT_CRASHED_CRASHLOADED] = "crashloaded"
};

static const struct words	details[] = {
	[LV_EVENT_DEFINED] = WORDS(defined),
	[LV_EVENT_UNDEFINED] = WORDS(undefined),
	[LV_EVENT_STARTED] = WORDS(started),
	[LV_EVENT_SUSPENDED] = WORDS(suspended),
	[LV_EVENT_RESUMED] = WORDS(resumed),
	[LV_EVENT_STOPPED] = WORDS(stopped),
	[LV_EVENT_SHUTDOWN] = WORDS(ending),
	[LV_EVENT_PMSUSPENDED] = WORDS(asleep),
	[LV_EVENT_CRASHED] = WORDS(panics)
};

static const char *
word(const struct words *w, int i)
{
	if (i < 0 || (size_t)i >= w->n || w->word[i] == NULL)
		return ("unknown");
	return (w->word[i]);
}

const char *
qemud_state_text(int state)
{
	static const struct words	 w = WORDS(states);

	return (word(&w, state));
}

const char *
qemud_reason_text(int state, int reason)
{
	if (state < 0 || (size_t)state >= nitems(reasons))
		return ("unknown");
	return (word(&reasons[state], reason));
}

const char *
qemud_event_text(int id)
{
	static const struct words	 w = WORDS(events);

	return (word(&w, id));
}

const char *
qemud_lifecycle_text(int event)
{
	static const struct words	 w = WORDS(lifecycle);

	return (word(&w, event));
}

const char *
qemud_detail_text(int event, int detail)
{
	if (event < 0 || (size_t)event >= nitems(details))
		return ("unknown");
	return (word(&details[event], detail));
}

void
qemud_uuid_format(const unsigned char uuid[16], char text[37])
{
	size_t	 i, n = 0;

	for (i = 0; i < 16; i++)
		n += snprintf(text + n, 37 - n, "%s%02x", i == 4 || i == 6 ||
		    i == 8 || i == 10 ? "-" : "", uuid[i]);
}

/* With its hyphens, or without any. */
int
qemud_uuid_parse(const char *text, unsigned char uuid[16])
{
	unsigned char	 u[16];
	size_t		 len = strlen(text), i;
	int		 hi, lo;

	for (i = 0; i < sizeof(u) && (len == 32 || len == 36); i++) {
		if (len == 36 && (i == 4 || i == 6 || i == 8 || i == 10) &&
		    *text++ != '-')
			break;
		if ((hi = hex_digit(text[0])) == -1 ||
		    (lo = hex_digit(text[1])) == -1)
			break;
		u[i] = hi << 4 | lo;
		text += 2;
	}
	if (i < sizeof(u)) {
		errno = EINVAL;
		return (-1);
	}
	memcpy(uuid, u, sizeof(u));
	return (0);
}

/* Its value, or -1. */
int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return (c - '0');
	c = tolower((unsigned char)c);
	return (c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1);
}
