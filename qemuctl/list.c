/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/* Commands that look at all guests, the daemon, the host. */

#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "paths.h"
#include "qemuctl/qemuctl.h"

#define BATCH		1000	/* guests that are asked for at once */

static void	 list_names(const struct qemud_reply *, int);
static json_t	*list_rows(struct ctl *, const struct qemud_reply *);
static void	 list_batch(struct ctl *, const struct qemud_guest *, size_t,
		    json_t *);
static json_t	*list_row(struct ctl *, const struct qemud_guest *,
		    const struct qemud_reply *, const struct qemud_reply *);
static json_t	*status_json(const struct qemud_reply *);
static void	 status_add(json_t *, const char *, json_t *);
static int	 status_index(const char *, const char *, size_t *,
		    const char **);
static json_t	*param_json(const struct qemud_param *);
static void	 status_print(json_t *);
static json_t	*host_json(struct ctl *);
static void	 fields_print(const json_t *, const struct column *, size_t);
static void	 version_add(struct ctl *, json_t *, const char *,
		    struct qemud_call *);

/* --- guests --------------------------------------------------------------- */

enum status
cmd_list(struct ctl *ctl, int argc, char *argv[])
{
	static const struct column	 cols[] = {
		{ "id", "ID", CELL_NUMBER },
		{ "name", "NAME", CELL_TEXT },
		{ "state", "STATE", CELL_TEXT },
		{ "vcpus", "VCPUS", CELL_NUMBER },
		{ "memory_kib", "MEMORY", CELL_MEMORY },
		{ "autostart", "AUTOSTART", CELL_YESNO }
	};
	const struct qemud_reply	*r;
	struct qemud_call		*c;
	json_t				*rows;
	unsigned int			 flags = QEMUD_LIST_ACTIVE;
	int				 ch, names = 0;

	while ((ch = ctl_getopt(ctl, argc, argv, "an")) != -1)
		switch (ch) {
		case 'a':
			flags = 0;
			break;
		case 'n':
			names = 1;
			break;
		}
	ctl_words(ctl, argc, argv, 0, 0);
	c = qemud_guest_list(ctl->q, flags, NULL, NULL);
	if ((r = ctl_wait(ctl, c, NULL, "cannot list guests")) == NULL)
		return (CTL_FAILED);
	if (names)
		list_names(r, ctl->json);
	else {
		rows = list_rows(ctl, r);
		if (ctl->json)
			out_json(rows, 0);
		else
			out_table(rows, cols, nitems(cols));
	}
	qemud_call_free(c);
	return (CTL_OK);
}

static void
list_names(const struct qemud_reply *r, int json)
{
	json_t	*names = json_array();
	char	*name;
	size_t	 i;

	for (i = 0; i < r->nguests; i++) {
		json_array_append_new(names, json_text(r->guests[i].name,
		    strlen(r->guests[i].name)));
		if (json)
			continue;
		name = out_printable(r->guests[i].name,
		    strlen(r->guests[i].name), 0);
		puts(name);
		free(name);
	}
	if (json)
		out_json(names, 0);
	else
		json_decref(names);
}

static json_t *
list_rows(struct ctl *ctl, const struct qemud_reply *r)
{
	json_t	*rows = json_array();
	size_t	 i, n;

	for (i = 0; i < r->nguests; i += n) {
		n = r->nguests - i;
		if (n > BATCH)
			n = BATCH;
		list_batch(ctl, &r->guests[i], n, rows);
	}
	return (rows);
}

/* All are asked for before the first answer is looked at. */
static void
list_batch(struct ctl *ctl, const struct qemud_guest *g, size_t n,
    json_t *rows)
{
	struct qemud_call	*info[BATCH], *autostart[BATCH];
	json_t			*row;
	size_t			 i;

	for (i = 0; i < n; i++) {
		info[i] = qemud_guest_info(ctl->q, &g[i], NULL, NULL);
		autostart[i] = qemud_guest_autostart(ctl->q, &g[i], NULL,
		    NULL);
	}
	for (i = 0; i < n; i++) {
		row = list_row(ctl, &g[i], qemud_wait(info[i], -1),
		    qemud_wait(autostart[i], -1));
		if (row != NULL)
			json_array_append_new(rows, row);
		qemud_call_free(info[i]);
		qemud_call_free(autostart[i]);
	}
}

/* NULL if it has gone meanwhile, or there is nothing to say about it. */
static json_t *
list_row(struct ctl *ctl, const struct qemud_guest *g,
    const struct qemud_reply *info, const struct qemud_reply *autostart)
{
	json_t	*row;

	if (info->error != NULL) {
		if (info->error->code != QEMUD_ERR_NO_GUEST)
			ctl_fail(ctl, g->name, NULL, info->error);
		return (NULL);
	}
	row = guest_json(g);
	json_object_update_new(row, json_pack("{s:s, s:I, s:I, s:I, s:I}",
	    "state", qemud_state_text(info->info->state),
	    "vcpus", (json_int_t)info->info->vcpus,
	    "memory_kib", (json_int_t)info->info->memory,
	    "max_memory_kib", (json_int_t)info->info->max_memory,
	    "cpu_time_ns", (json_int_t)info->info->cpu_time));
	json_object_set_new(row, "autostart",
	    autostart->error != NULL ? json_null() :
	    json_boolean(autostart->number));
	return (row);
}

/* --- the daemon ----------------------------------------------------------- */

enum status
cmd_status(struct ctl *ctl, int argc, char *argv[])
{
	const struct qemud_reply	*r;
	struct qemud_call		*c;
	json_t				*j;

	ctl_getopt(ctl, argc, argv, "");
	ctl_words(ctl, argc, argv, 0, 0);
	c = qemud_daemon_status(ctl->q, NULL, NULL);
	if ((r = ctl_wait(ctl, c, NULL, "cannot get the status")) == NULL)
		return (CTL_FAILED);
	j = status_json(r);
	qemud_call_free(c);
	if (ctl->json)
		out_json(j, 0);
	else
		status_print(j);
	return (CTL_OK);
}

/* From a flat list of names with dots. */
static json_t *
status_json(const struct qemud_reply *r)
{
	json_t	*j;
	size_t	 i;

	j = json_pack("{s:[], s:[]}", "processes", "warnings");
	for (i = 0; i < r->nparams; i++)
		status_add(j, r->params[i].name, param_json(&r->params[i]));
	return (j);
}

/*
 * process.N.NAME belongs to processes[N], warning.N is warnings[N], a.b is b
 * of a; how many there are goes without saying.
 */
static void
status_add(json_t *j, const char *name, json_t *value)
{
	json_t		*list, *o;
	const char	*rest;
	char		 part[64];
	size_t		 n;

	if (strcmp(name, "process.count") == 0 ||
	    strcmp(name, "warning.count") == 0) {
		json_decref(value);
	} else if (status_index(name, "process.", &n, &rest) &&
	    *rest == '.') {
		list = json_object_get(j, "processes");
		while (json_array_size(list) <= n)
			json_array_append_new(list, json_object());
		json_object_set_new(json_array_get(list, n), rest + 1, value);
	} else if (status_index(name, "warning.", &n, &rest)) {
		json_array_append_new(json_object_get(j, "warnings"), value);
	} else if ((rest = strchr(name, '.')) != NULL) {
		snprintf(part, sizeof(part), "%.*s", (int)(rest - name),
		    name);
		if ((o = json_object_get(j, part)) == NULL) {
			o = json_object();
			json_object_set_new(j, part, o);
		}
		json_object_set_new(o, rest + 1, value);
	} else
		json_object_set_new(j, name, value);
}

/* Does name begin with this and a number? */
static int
status_index(const char *name, const char *with, size_t *n, const char **rest)
{
	char	*end;

	if (strncmp(name, with, strlen(with)) != 0)
		return (0);
	name += strlen(with);
	*n = strtoul(name, &end, 10);
	*rest = end;
	return (end != name && *n < 1000 && (*end == '.' || *end == '\0'));
}

static json_t *
param_json(const struct qemud_param *p)
{
	switch (p->type) {
	case QEMUD_TYPE_STRING:
		return (json_text(p->value.s, strlen(p->value.s)));
	case QEMUD_TYPE_DOUBLE:
		return (json_real(p->value.d));
	case QEMUD_TYPE_BOOLEAN:
		return (json_boolean(p->value.i));
	case QEMUD_TYPE_UINT:
	case QEMUD_TYPE_UINT64:
		return (json_integer((json_int_t)p->value.u));
	default:
		return (json_integer(p->value.i));
	}
}

static void
status_print(json_t *j)
{
	static const struct column	 cols[] = {
		{ "name", "PROCESS", CELL_TEXT },
		{ "pid", "PID", CELL_NUMBER },
		{ "state", "STATE", CELL_TEXT },
		{ "restarts", "RESTARTS", CELL_NUMBER }
	};
	const char	*version = "?", *instance = "?", *s;
	json_int_t	 up = 0, running = 0, defined = 0, clients = 0;
	json_t		*w;
	size_t		 i;
	char		*p;

	json_unpack(j, "{s?s, s?s, s?I, s?{s?I, s?I}, s?I}",
	    "version", &version, "instance", &instance, "uptime", &up,
	    "guests", "running", &running, "defined", &defined,
	    "clients", &clients);
	p = out_printable(version, strlen(version), 0);
	printf("qemud %s, ", p);
	free(p);
	p = out_printable(instance, strlen(instance), 0);
	printf("%s instance, up ", p);
	free(p);
	if (up >= 86400)
		printf("%lld day%s ", (long long)up / 86400,
		    up / 86400 == 1 ? "" : "s");
	printf("%02lld:%02lld:%02lld\n", (long long)up / 3600 % 24,
	    (long long)up / 60 % 60, (long long)up % 60);
	printf("%lld of %lld guests running, %lld client%s\n",
	    (long long)running, (long long)defined, (long long)clients,
	    clients == 1 ? "" : "s");
	json_array_foreach(json_object_get(j, "warnings"), i, w)
		if ((s = json_string_value(w)) != NULL) {
			p = out_printable(s, strlen(s), 0);
			printf("warning: %s\n", p);
			free(p);
		}
	printf("\n");
	out_table(json_incref(json_object_get(j, "processes")), cols,
	    nitems(cols));
	json_decref(j);
}

/* --- the host ------------------------------------------------------------- */

enum status
cmd_host(struct ctl *ctl, int argc, char *argv[])
{
	static const struct column	 fields[] = {
		{ "hostname", "name", CELL_TEXT },
		{ "arch", "processor", CELL_TEXT },
		{ "cpus", "cpus", CELL_NUMBER },
		{ "mhz", "mhz", CELL_NUMBER },
		{ "nodes", "nodes", CELL_NUMBER },
		{ "sockets", "sockets", CELL_NUMBER },
		{ "cores", "cores", CELL_NUMBER },
		{ "threads", "threads", CELL_NUMBER },
		{ "memory_kib", "memory", CELL_MEMORY },
		{ "free_memory_kib", "free", CELL_MEMORY }
	};
	json_t				*j;

	ctl_getopt(ctl, argc, argv, "");
	ctl_words(ctl, argc, argv, 0, 0);
	if ((j = host_json(ctl)) == NULL)
		return (CTL_FAILED);
	if (ctl->json)
		out_json(j, 0);
	else {
		fields_print(j, fields, nitems(fields));
		json_decref(j);
	}
	return (CTL_OK);
}

/* NULL: complained. */
static json_t *
host_json(struct ctl *ctl)
{
	static const char *const	 cannot[] = {
		"cannot ask for the host's name",
		"cannot ask about the host",
		"cannot ask for the host's memory"
	};
	const struct qemud_reply	*r[3];
	const struct qemud_host		*h;
	struct qemud_call		*c[3];
	json_t				*j = NULL;
	size_t				 i, n = 0;

	c[0] = qemud_hostname(ctl->q, NULL, NULL);
	c[1] = qemud_host_info(ctl->q, NULL, NULL);
	c[2] = qemud_host_free_memory(ctl->q, NULL, NULL);
	for (i = 0; i < nitems(c); i++) {
		r[i] = qemud_wait(c[i], -1);
		if (r[i]->error == NULL)
			n++;
		else if (n == i)
			ctl_fail(ctl, NULL, cannot[i], r[i]->error);
	}
	if (n == nitems(c)) {
		h = r[1]->host;
		j = json_pack("{s:o, s:o, s:i, s:i, s:i, s:i, s:i, s:i, "
		    "s:I, s:I}",
		    "hostname", json_text(r[0]->text, r[0]->len),
		    "arch", json_text(h->model, strlen(h->model)),
		    "cpus", h->cpus, "mhz", h->mhz, "nodes", h->nodes,
		    "sockets", h->sockets, "cores", h->cores,
		    "threads", h->threads,
		    "memory_kib", (json_int_t)h->memory,
		    "free_memory_kib", (json_int_t)(r[2]->number / 1024));
	}
	for (i = 0; i < nitems(c); i++)
		qemud_call_free(c[i]);
	return (j);
}

static void
fields_print(const json_t *j, const struct column *fields, size_t n)
{
	const json_t	*v;
	const char	*s;
	char		 buf[64], *p;
	size_t		 i;

	for (i = 0; i < n; i++) {
		if ((v = json_object_get(j, fields[i].key)) == NULL)
			continue;
		s = out_cell(v, fields[i].kind, buf, sizeof(buf));
		p = out_printable(s, strlen(s), 0);
		printf("%-10s  %s\n", fields[i].title, p);
		free(p);
	}
}

/* --- versions ------------------------------------------------------------- */

/* Ours is known even if nobody can be reached. */
enum status
cmd_version(struct ctl *ctl, int argc, char *argv[])
{
	static const struct column	 fields[] = {
		{ "qemuctl", "qemuctl", CELL_TEXT },
		{ "qemud", "qemud", CELL_TEXT },
		{ "qemu", "QEMU", CELL_TEXT },
		{ "api", "API", CELL_TEXT }
	};
	const struct qemud_reply	*r;
	struct qemud_call		*status, *qemu, *api;
	json_t				*j, *s;

	ctl_getopt(ctl, argc, argv, "");
	ctl_words(ctl, argc, argv, 0, 0);
	j = json_pack("{s:s}", "qemuctl", QEMUD_VERSION);
	if (ctl_connect(ctl)) {
		status = qemud_daemon_status(ctl->q, NULL, NULL);
		qemu = qemud_emulator_version(ctl->q, NULL, NULL);
		api = qemud_api_version(ctl->q, NULL, NULL);
		r = qemud_wait(status, -1);
		if (r->error == NULL) {
			s = status_json(r);
			json_object_set(j, "qemud",
			    json_object_get(s, "version"));
			json_decref(s);
		} else if (r->error->code != QEMUD_ERR_NO_SUPPORT)
			ctl_fail(ctl, NULL, "cannot get the status",
			    r->error);
		qemud_call_free(status);
		version_add(ctl, j, "qemu", qemu);
		version_add(ctl, j, "api", api);
	}
	if (ctl->json)
		out_json(j, 0);
	else {
		fields_print(j, fields, nitems(fields));
		json_decref(j);
	}
	return (CTL_OK);
}

/* Frees the call. */
static void
version_add(struct ctl *ctl, json_t *j, const char *key,
    struct qemud_call *c)
{
	const struct qemud_reply	*r = qemud_wait(c, -1);
	char				 text[64];

	if (r->error != NULL) {
		ctl_fail(ctl, NULL, strcmp(key, "qemu") == 0 ?
		    "cannot ask for QEMU's version" :
		    "cannot ask for the version of the API", r->error);
	} else {
		snprintf(text, sizeof(text), "%lld.%lld.%lld",
		    (long long)(r->number / 1000000),
		    (long long)(r->number / 1000 % 1000),
		    (long long)(r->number % 1000));
		json_object_set_new(j, key, json_string(text));
	}
	qemud_call_free(c);
}
