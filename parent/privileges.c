/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * What is left of root.  The children start with what the parent has, and
 * give up the rest themselves (imsg/confine.c); so the list says what any of
 * them needs until then, too.
 */

#include <sys/prctl.h>
#include <sys/syscall.h>

#include <linux/capability.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "imsg/log.h"
#include "parent/parent.h"

static const int	 kept[] = {
	CAP_DAC_OVERRIDE,	/* images and folders of whatever owner */
	CAP_CHOWN,		/* sockets, folders, logs of guests */
	CAP_FOWNER,		/* ... their modes, once they are given away */
	CAP_KILL,		/* a child that does not end when told */
	CAP_SETUID,		/* to become a guest, or a child's user */
	CAP_SETGID,
	CAP_SYS_CHROOT		/* the empty root of a child */
};

void
privileges_drop(void)
{
	struct __user_cap_header_struct	 head = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};
	struct __user_cap_data_struct	 data[2];
	size_t				 i;
	int				 cap;

	memset(data, 0, sizeof(data));
	for (i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		data[kept[i] / 32].permitted |= 1U << kept[i] % 32;
	for (i = 0; i < 2; i++)
		data[i].effective = data[i].permitted;
	for (cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) != -1; cap++)
		if (!(data[cap / 32].permitted & 1U << cap % 32) &&
		    prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == -1)
			fatal("cannot drop capability %d", cap);
	if (syscall(SYS_capset, &head, data) == -1)
		fatal("capset");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		fatal("no_new_privs");
}
