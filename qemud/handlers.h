/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * One handler for each procedure, by name: connect.c (connection and host),
 * domain.c (guests), lists.c (kinds of objects that there are none of), own.c
 * (our own program, and QEMU's).
 */

#ifndef QEMUD_HANDLERS_H
#define QEMUD_HANDLERS_H

#include "qemud/qemud.h"

#define X(name, num, acc, arg, res, fl)	void call_##name(struct call *, void *);
RPC_REMOTE_PROCS(X)
RPC_QEMU_PROCS(X)
RPC_OWN_PROCS(X)
#undef X

#endif /* QEMUD_HANDLERS_H */
