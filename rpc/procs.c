/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

#include <sys/types.h>

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "rpc/header.h"
#include "rpc/procs.h"

#define nitems(a)	(sizeof(a) / sizeof((a)[0]))

/* Position of each row in the tables below, from 1; 0 is "none". */
#define X_PROC(name, num, acc, arg, res, fl)	ROW_##name,
#define X_EVENT(name, num, body)		EVROW_##name,
enum proc_row {
	ROW_NONE,
	RPC_REMOTE_PROCS(X_PROC)
	RPC_QEMU_PROCS(X_PROC)
	RPC_OWN_PROCS(X_PROC)
	ROW_COUNT
};
enum event_row {
	EVROW_NONE,
	RPC_REMOTE_EVENTS(X_EVENT)
	RPC_OWN_EVENTS(X_EVENT)
	EVROW_COUNT
};
#undef X_PROC
#undef X_EVENT

#define X_PROC(prog, name, num, acc, arg, res, fl)			\
	[ROW_##name] = { #name, prog, num, ACCESS_##acc, fl,		\
	    (xdrproc_t)xdr_##arg, sizeof(arg),				\
	    (xdrproc_t)xdr_##res, sizeof(res) },
#define X_EVENT(prog, name, num, body)					\
	[EVROW_##name] = { #name, prog, num,				\
	    (xdrproc_t)xdr_##body, sizeof(body) },
#define X_REMOTE(...)	X_PROC(RP_PROGRAM, __VA_ARGS__)
#define X_QEMU(...)	X_PROC(RQ_PROGRAM, __VA_ARGS__)
#define X_OWN(...)	X_PROC(OWN_PROGRAM, __VA_ARGS__)
#define X_REMOTE_EV(...) X_EVENT(RP_PROGRAM, __VA_ARGS__)
#define X_OWN_EV(...)	X_EVENT(OWN_PROGRAM, __VA_ARGS__)
static const struct rpc_proc procs[ROW_COUNT] = {
	RPC_REMOTE_PROCS(X_REMOTE)
	RPC_QEMU_PROCS(X_QEMU)
	RPC_OWN_PROCS(X_OWN)
};
static const struct rpc_event events[EVROW_COUNT] = {
	RPC_REMOTE_EVENTS(X_REMOTE_EV)
	RPC_OWN_EVENTS(X_OWN_EV)
};

/* Number to row. */
#define X_ROW(name, num, acc, arg, res, fl)	[num] = ROW_##name,
#define X_EVROW(name, num, body)		[num] = EVROW_##name,
static const u_int8_t remote_rows[] = { RPC_REMOTE_PROCS(X_ROW) };
static const u_int8_t qemu_rows[] = { RPC_QEMU_PROCS(X_ROW) };
static const u_int8_t own_rows[] = { RPC_OWN_PROCS(X_ROW) };
static const u_int8_t remote_evrows[] = { RPC_REMOTE_EVENTS(X_EVROW) };
static const u_int8_t own_evrows[] = { RPC_OWN_EVENTS(X_EVROW) };
_Static_assert(ROW_COUNT <= 256 && EVROW_COUNT <= 256, "rows fit a byte");

static const struct program {
	unsigned int	 prog;
	unsigned int	 vers;
	const u_int8_t	*rows;
	size_t		 nrows;
	const u_int8_t	*evrows;
	size_t		 nevrows;
} programs[] = {
	{ RP_PROGRAM, RP_VERSION, remote_rows, nitems(remote_rows),
	    remote_evrows, nitems(remote_evrows) },
	{ RQ_PROGRAM, RQ_VERSION, qemu_rows, nitems(qemu_rows), NULL, 0 },
	{ OWN_PROGRAM, OWN_VERSION, own_rows, nitems(own_rows),
	    own_evrows, nitems(own_evrows) }
};

static const struct program	*program_find(unsigned int);

bool_t
xdr_rp_none(XDR *x, rp_none *none)
{
	return (TRUE);
}

int
rpc_program_known(unsigned int prog, unsigned int vers)
{
	const struct program	*p;

	return ((p = program_find(prog)) != NULL && p->vers == vers);
}

const struct rpc_proc *
rpc_proc_find(unsigned int prog, int number)
{
	const struct program	*p;

	if ((p = program_find(prog)) == NULL || number < 0 ||
	    (size_t)number >= p->nrows || p->rows[number] == ROW_NONE)
		return (NULL);
	return (&procs[p->rows[number]]);
}

const struct rpc_event *
rpc_event_find(unsigned int prog, int number)
{
	const struct program	*p;

	if ((p = program_find(prog)) == NULL || number < 0 ||
	    (size_t)number >= p->nevrows || p->evrows[number] == EVROW_NONE)
		return (NULL);
	return (&events[p->evrows[number]]);
}

const struct rpc_proc *
rpc_proc_index(size_t i)
{
	return (i < ROW_COUNT - 1 ? &procs[i + 1] : NULL);
}

const struct rpc_event *
rpc_event_index(size_t i)
{
	return (i < EVROW_COUNT - 1 ? &events[i + 1] : NULL);
}

int
rpc_proc_allowed(const struct rpc_proc *p, unsigned int rights)
{
	return ((p->access & rights) != 0);
}

enum rpc_judgement
rpc_judge(const struct frame_header *h, unsigned int rights,
    const struct rpc_proc **proc, struct rpc_error *err)
{
	const struct rpc_proc	*p;
	char			 name[RPC_API_NAME_MAX];

	*proc = NULL;
	if (h->prog == KEEPALIVE_PROGRAM && h->vers == KEEPALIVE_VERSION &&
	    h->type == FRAME_MESSAGE)
		return (h->procedure == KEEPALIVE_PING ? JUDGE_PING :
		    JUDGE_IGNORE);
	if (h->type == FRAME_STREAM || h->type == FRAME_STREAM_HOLE)
		return (JUDGE_STREAM);
	if (h->type != FRAME_CALL && h->type != FRAME_CALL_WITH_FDS)
		return (JUDGE_IGNORE);

	if (!rpc_program_known(h->prog, h->vers)) {
		rpc_error_set(err, RPCD_RPC, RPCE_RPC,
		    "Cannot find program %u version %u", h->prog, h->vers);
		return (JUDGE_REFUSE);
	}
	if (h->status != FRAME_OK) {
		rpc_error_set(err, RPCD_RPC, RPCE_RPC,
		    "Unexpected message status %u", h->status);
		return (JUDGE_REFUSE);
	}
	if ((p = rpc_proc_find(h->prog, h->procedure)) == NULL) {
		/* Clients know these words, and make NO_SUPPORT of them. */
		rpc_error_set(err, RPCD_RPC, RPCE_RPC,
		    "unknown procedure: %d", h->procedure);
		return (JUDGE_REFUSE);
	}
	if (!rpc_proc_allowed(p, rights)) {
		rpc_proc_api_name(p, name, sizeof(name));
		if (p->access == ACCESS_LAUNCH)
			rpc_error_set(err, RPCD_ACCESS, RPCE_ACCESS_DENIED,
			    "%s is for the launch socket only", name);
		else if (rights == RIGHTS_LAUNCH)
			rpc_error_set(err, RPCD_ACCESS, RPCE_ACCESS_DENIED,
			    "the launch socket is for launchers only, not "
			    "for %s", name);
		else
			rpc_error_set(err, RPCD_DOMAIN, RPCE_OPERATION_DENIED,
			    "read only access prevents %s", name);
		return (JUDGE_REFUSE);
	}
	if (h->type == FRAME_CALL_WITH_FDS && !(p->flags & PROC_FDS)) {
		rpc_proc_api_name(p, name, sizeof(name));
		rpc_error_set(err, RPCD_RPC, RPCE_INVALID_ARG,
		    "%s takes no file descriptors", name);
		return (JUDGE_REFUSE);
	}
	*proc = p;
	return (JUDGE_CALL);
}

/*
 * domain_create_xml is virDomainCreateXML there: words begin with a capital,
 * abbreviations are all capitals.
 */
const char *
rpc_proc_api_name(const struct rpc_proc *p, char *buf, size_t size)
{
	static const char *const capitals[] = { "xml", "uri", "os", "id",
	    "uuid", "cpu" };
	const char	*s;
	char		 word[32];
	size_t		 i, n;

	if (p->prog == OWN_PROGRAM) {
		strlcpy(buf, p->name, size);
		return (buf);
	}
	s = p->name;
	strlcpy(buf, "vir", size);
	if (strncmp(s, "qemu_domain_", 12) == 0) {
		strlcat(buf, "DomainQemu", size);
		s += 12;
	}
	for (; *s != '\0'; s += n + (s[n] == '_')) {
		n = strcspn(s, "_");
		snprintf(word, sizeof(word), "%.*s", (int)n, s);
		word[0] = (char)toupper((unsigned char)word[0]);
		if (strncmp(word, "Nwfilter", 8) == 0)
			memcpy(word, "NWFilter", 8);
		for (i = 0; i < nitems(capitals); i++)
			if (strcasecmp(word, capitals[i]) == 0)
				break;
		if (i < nitems(capitals))
			for (i = 0; word[i] != '\0'; i++)
				word[i] = (char)toupper(
				    (unsigned char)word[i]);
		strlcat(buf, word, size);
	}
	return (buf);
}

static const struct program *
program_find(unsigned int prog)
{
	size_t	 i;

	for (i = 0; i < nitems(programs); i++)
		if (programs[i].prog == prog)
			return (&programs[i]);
	return (NULL);
}
