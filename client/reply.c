/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * From what the daemon has answered, decoded, to what the program is shown:
 * one function for each type of a result.  Texts are not copied, as both live
 * as long as the call.
 */

#include <sys/types.h>

#include <stdlib.h>
#include <string.h>

#include "client/client.h"

static int	 from_int(struct qemud_call *, const void *);
static int	 from_ulong(struct qemud_call *, const void *);
static int	 from_text(struct qemud_call *, const void *);
static int	 from_dom(struct qemud_call *, const void *);
static int	 from_doms(struct qemud_call *, const void *);
static int	 from_info(struct qemud_call *, const void *);
static int	 from_state(struct qemud_call *, const void *);
static int	 from_node(struct qemud_call *, const void *);
static int	 from_log(struct qemud_call *, const void *);
static int	 from_status(struct qemud_call *, const void *);
static void	 param_fill(struct qemud_param *, const rp_param *);

static const struct {
	xdrproc_t	 type;
	int		 (*fill)(struct qemud_call *, const void *);
} fillers[] = {
	{ (xdrproc_t)xdr_rp_int, from_int },
	{ (xdrproc_t)xdr_rp_ulong, from_ulong },
	{ (xdrproc_t)xdr_rp_text, from_text },
	{ (xdrproc_t)xdr_rp_dom, from_dom },
	{ (xdrproc_t)xdr_rp_doms, from_doms },
	{ (xdrproc_t)xdr_rp_dom_info, from_info },
	{ (xdrproc_t)xdr_rp_dom_state, from_state },
	{ (xdrproc_t)xdr_rp_node_info, from_node },
	{ (xdrproc_t)xdr_own_log, from_log },
	{ (xdrproc_t)xdr_own_status, from_status }
};

/* 0, or -1 if there is no memory. */
int
reply_fill(struct qemud_call *c)
{
	size_t	 i;

	memset(&c->reply, 0, sizeof(c->reply));
	for (i = 0; i < nitems(fillers); i++)
		if (fillers[i].type == c->proc->res)
			return (fillers[i].fill(c, c->res));
	return (0);
}

static int
from_int(struct qemud_call *c, const void *res)
{
	const rp_int	*r = res;

	c->reply.number = r->value;
	return (0);
}

static int
from_ulong(struct qemud_call *c, const void *res)
{
	const rp_ulong	*r = res;

	c->reply.number = (int64_t)r->value;
	return (0);
}

static int
from_text(struct qemud_call *c, const void *res)
{
	const rp_text	*r = res;

	c->reply.text = r->text;
	c->reply.len = strlen(r->text);
	return (0);
}

void
guest_fill(struct qemud_guest *g, const rp_dom *dom)
{
	g->name = dom->name;
	memcpy(g->uuid, dom->uuid, sizeof(g->uuid));
	g->id = dom->id;
}

/* The other way round, for arguments, which are only read. */
rp_dom
guest_dom(const struct qemud_guest *g)
{
	rp_dom	 dom;

	dom.name = (char *)(uintptr_t)g->name;
	memcpy(dom.uuid, g->uuid, sizeof(dom.uuid));
	dom.id = g->id;
	return (dom);
}

static int
from_dom(struct qemud_call *c, const void *res)
{
	guest_fill(&c->u.guest, res);
	c->reply.guests = &c->u.guest;
	c->reply.nguests = 1;
	return (0);
}

static int
from_doms(struct qemud_call *c, const void *res)
{
	const rp_doms		*r = res;
	struct qemud_guest	*guests;
	u_int			 i;

	if (r->doms.doms_len == 0)
		return (0);
	guests = c->list = calloc(r->doms.doms_len, sizeof(*guests));
	if (guests == NULL)
		return (-1);
	for (i = 0; i < r->doms.doms_len; i++)
		guest_fill(&guests[i], &r->doms.doms_val[i]);
	c->reply.guests = guests;
	c->reply.nguests = r->doms.doms_len;
	return (0);
}

static int
from_info(struct qemud_call *c, const void *res)
{
	const rp_dom_info	*r = res;

	c->u.info.state = r->state;
	c->u.info.vcpus = r->vcpus;
	c->u.info.memory = r->memory;
	c->u.info.max_memory = r->max_memory;
	c->u.info.cpu_time = r->cpu_time;
	c->reply.info = &c->u.info;
	return (0);
}

static int
from_state(struct qemud_call *c, const void *res)
{
	const rp_dom_state	*r = res;

	c->reply.state = r->state;
	c->reply.reason = r->reason;
	return (0);
}

static int
from_node(struct qemud_call *c, const void *res)
{
	const rp_node_info	*r = res;

	memcpy(c->u.host.model, r->model, sizeof(r->model));
	c->u.host.model[sizeof(c->u.host.model) - 1] = '\0';
	c->u.host.memory = r->memory;
	c->u.host.cpus = r->cpus;
	c->u.host.mhz = r->mhz;
	c->u.host.nodes = r->nodes;
	c->u.host.sockets = r->sockets;
	c->u.host.cores = r->cores;
	c->u.host.threads = r->threads;
	c->reply.host = &c->u.host;
	return (0);
}

static int
from_log(struct qemud_call *c, const void *res)
{
	const own_log	*r = res;
	char		*text;

	if ((text = c->list = malloc(r->data.data_len + 1)) == NULL)
		return (-1);
	if (r->data.data_len > 0)
		memcpy(text, r->data.data_val, r->data.data_len);
	text[r->data.data_len] = '\0';
	c->reply.text = text;
	c->reply.len = r->data.data_len;
	return (0);
}

static int
from_status(struct qemud_call *c, const void *res)
{
	const own_status	*r = res;
	struct qemud_param	*params;
	u_int			 i;

	if (r->params.params_len == 0)
		return (0);
	params = c->list = calloc(r->params.params_len, sizeof(*params));
	if (params == NULL)
		return (-1);
	for (i = 0; i < r->params.params_len; i++)
		param_fill(&params[i], &r->params.params_val[i]);
	c->reply.params = params;
	c->reply.nparams = r->params.params_len;
	return (0);
}

/* Decoding has refused other types. */
static void
param_fill(struct qemud_param *p, const rp_param *from)
{
	const rp_value	*v = &from->value;

	p->name = from->key;
	p->type = v->type;
	switch (p->type) {
	case QEMUD_TYPE_INT:
		p->value.i = v->rp_value_u.i;
		break;
	case QEMUD_TYPE_UINT:
		p->value.u = v->rp_value_u.u;
		break;
	case QEMUD_TYPE_INT64:
		p->value.i = v->rp_value_u.l;
		break;
	case QEMUD_TYPE_UINT64:
		p->value.u = v->rp_value_u.ul;
		break;
	case QEMUD_TYPE_DOUBLE:
		p->value.d = v->rp_value_u.d;
		break;
	case QEMUD_TYPE_BOOLEAN:
		p->value.i = v->rp_value_u.b != 0;
		break;
	case QEMUD_TYPE_STRING:
		p->value.s = v->rp_value_u.s;
		break;
	}
}
