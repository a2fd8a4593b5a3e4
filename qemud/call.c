/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * Calls: from the bytes that netd has checked to the handler, and from its
 * result back.  The list of procedures (rpc/procs.h) is also the list of
 * handlers: call_NAME for each, and none can be missing.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "imsg/log.h"
#include "qemud/handlers.h"
#include "qemud/qemud.h"
#include "rpc/body.h"
#include "rpc/frame.h"

typedef void	(handler)(struct call *, void *);

static void	 call_reply(struct call *, unsigned int, char *, size_t);
static void	 call_free(struct call *);
static handler	*handler_find(const struct rpc_proc *);

#define X(name, num, acc, arg, res, fl)	[num] = call_##name,
static handler *const	 remote_handlers[] = { RPC_REMOTE_PROCS(X) };
static handler *const	 qemu_handlers[] = { RPC_QEMU_PROCS(X) };
static handler *const	 own_handlers[] = { RPC_OWN_PROCS(X) };
#undef X

static handler *
handler_find(const struct rpc_proc *proc)
{
	switch (proc->prog) {
	case RP_PROGRAM:
		return (remote_handlers[proc->number]);
	case RQ_PROGRAM:
		return (qemu_handlers[proc->number]);
	default:
		return (own_handlers[proc->number]);
	}
}

int
call_new(struct client *client, const struct msg_call *m, int fd)
{
	const struct rpc_proc	*proc;
	struct call		*c;
	const char		*body = m->body.body_val;
	char			 name[RPC_API_NAME_MAX];
	size_t			 len = m->body.body_len;
	int			 ok;

	proc = rpc_proc_find(m->prog, m->procedure);
	/* what the endpoint allows, netd has looked at already */
	if (proc == NULL || !rpc_proc_allowed(proc,
	    client->role == ROLE_NETD ? RIGHTS_FULL_CONTROL :
	    client->role == ROLE_NETD_RO ? RIGHTS_READ_ONLY : RIGHTS_LAUNCH)) {
		log_warnx("%s: procedure %u of program %#x is not for its "
		    "clients", msg_role_name(client->role), m->procedure,
		    m->prog);
		if (fd != -1)
			close(fd);
		return (-1);
	}
	if (client->nfds > 0 && !(proc->flags & PROC_FDS)) {
		if (fd != -1)
			close(fd);
		return (-1);
	}
	if (fd != -1 && len != 0) {
		close(fd);
		return (-1);
	}
	if (fd != -1 && body_map(fd, FRAME_MAX, &body, &len) == -1)
		return (-1);
	if ((c = calloc(1, sizeof(*c))) == NULL ||
	    (c->arg = malloc(proc->argsize)) == NULL)
		fatal(NULL);
	ok = rpc_decode(proc->arg, body, len, c->arg, proc->argsize) == 0;
	if (fd != -1)
		body_unmap(body, len);
	if (!ok) {
		log_warnx("%s: the body of %s does not decode",
		    msg_role_name(client->role), proc->name);
		free(c->arg);
		free(c);
		return (-1);
	}
	c->role = client->role;
	c->link = env.links[c->role];
	c->client = client->id;
	c->proc = proc;
	c->serial = m->serial;
	memcpy(c->fds, client->fds, client->nfds * sizeof(c->fds[0]));
	c->nfds = client->nfds;
	client->nfds = 0;
	log_debug("%s client %llu: %s", msg_role_name(client->role),
	    (unsigned long long)client->id, proc->name);
	/* what this one connection said of itself when it was opened */
	if (!rpc_proc_allowed(proc, client->rights))
		call_fail(c, RPCE_OPERATION_DENIED, "read only access "
		    "prevents %s", rpc_proc_api_name(proc, name,
		    sizeof(name)));
	else if (!client->opened && (proc->access == ACCESS_READ ||
	    proc->access == ACCESS_WRITE))
		call_fail(c, RPCE_INVALID_CONN, "the connection is not open");
	else
		handler_find(proc)(c, c->arg);
	return (0);
}

struct client *
call_client(const struct call *c)
{
	/* the number may be that of a client of the next netd by now */
	if (c->link != env.links[c->role])
		return (NULL);
	return (client_find(c->role, c->client));
}

int
call_readonly(const struct call *c)
{
	struct client	*client = call_client(c);

	return (client == NULL || !(client->rights & ACCESS_WRITE));
}

void
call_ok(struct call *c, const void *result)
{
	static const rp_none	 none = { 0 };
	char			*buf;
	size_t			 len;

	if (result == NULL)
		result = &none;
	if (rpc_encode(c->proc->res, result, 0, &buf, &len) == -1) {
		log_warn("%s: cannot encode the result", c->proc->name);
		call_fail(c, RPCE_OVERFLOW, "the result of %s does not fit "
		    "into an answer", c->proc->name);
		return;
	}
	call_reply(c, 0, buf, len);
}

void
call_fail(struct call *c, enum rpc_code code, const char *fmt, ...)
{
	struct rpc_error	 err;
	va_list			 ap;

	rpc_error_clear(&err);
	va_start(ap, fmt);
	rpc_error_vset(&err, RPCD_QEMU, code, fmt, ap);
	va_end(ap);
	call_fail_with(c, &err);
}

void
call_fail_domain(struct call *c, const struct domain_error *derr)
{
	struct rpc_error	 err;

	rpc_error_clear(&err);
	rpc_error_set(&err, RPCD_DOMAIN, (enum rpc_code)derr->code, "%s",
	    derr->text);
	call_fail_with(c, &err);
}

void
call_fail_with(struct call *c, const struct rpc_error *err)
{
	char	*buf;
	size_t	 len;

	log_debug("%s fails: %s", c->proc->name, err->detail);
	if (rpc_error_encode(err, &buf, &len) == -1)
		fatal("cannot encode an error");
	call_reply(c, 1, buf, len);
}

/* Takes buf. */
static void
call_reply(struct call *c, unsigned int status, char *buf, size_t len)
{
	struct msg_reply	 m = { 0 };
	int			 fd = -1;

	m.client = c->client;
	m.prog = c->proc->prog;
	m.procedure = c->proc->number;
	m.serial = c->serial;
	m.status = status;
	if (call_client(c) != NULL && env.netd[c->role] != NULL) {
		if (len > MSG_INLINE_MAX) {
			if ((fd = body_seal(buf, len)) == -1) {
				log_warn("%s: cannot pass on the answer",
				    c->proc->name);
				free(buf);
				call_fail(c, RPCE_OPERATION_FAILED, "the "
				    "daemon is short of memory or "
				    "descriptors, try again");
				return;
			}
		} else {
			m.body.body_val = buf;
			m.body.body_len = len;
		}
		CHAN_SEND(env.netd[c->role], MSG_REPLY, msg_reply, &m, fd);
	}
	free(buf);
	call_free(c);
}

static void
call_free(struct call *c)
{
	unsigned int	 i;

	if (c->guest != NULL)
		job_done(c);
	for (i = 0; i < c->nfds; i++)
		if (c->fds[i] != -1)
			close(c->fds[i]);
	rpc_free(c->proc->arg, c->arg);
	free(c->arg);
	free(c);
}

int
call_bad_flags(struct call *c, unsigned int flags, unsigned int known)
{
	char	 name[RPC_API_NAME_MAX];

	if ((flags & ~known) == 0)
		return (0);
	call_fail(c, RPCE_INVALID_ARG, "unsupported flags (0x%x) in %s",
	    flags & ~known, rpc_proc_api_name(c->proc, name, sizeof(name)));
	return (1);
}

struct guest *
call_guest(struct call *c, const rp_dom *dom)
{
	struct guest	*g;
	char		 uuid[37];

	g = guest_find_uuid((const uint8_t *)dom->uuid);
	if (g != NULL && !g->internal)
		return (g);
	domain_uuid_format((const uint8_t *)dom->uuid, uuid);
	call_fail(c, RPCE_NO_DOMAIN, "no domain with matching uuid '%s' (%s)",
	    uuid, dom->name);
	return (NULL);
}
