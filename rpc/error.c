/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

#include <sys/types.h>

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rpc/body.h"
#include "rpc/error.h"
#include "rpc/remote.h"

#define nitems(a)	(sizeof(a) / sizeof((a)[0]))

/*
 * What the text begins with.  alone is the text if there is no detail, and
 * also the lead, unless lead says otherwise; "" means that the detail stands
 * for itself.  These are the words that clients and scripts know.
 */
struct words {
	const char	*alone;
	const char	*lead;
	const char	*tail;
};

static const struct words words[] = {
	[RPCE_INTERNAL_ERROR] = { "internal error", NULL, NULL },
	[RPCE_NO_MEMORY] = { "out of memory", NULL, NULL },
	[RPCE_NO_SUPPORT] = { "this function is not supported by the "
	    "connection driver", NULL, NULL },
	[RPCE_NO_CONNECT] = { "no connection driver available",
	    "no connection driver available for ", NULL },
	[RPCE_INVALID_CONN] = { "invalid connection pointer in",
	    "invalid connection pointer in ", NULL },
	[RPCE_INVALID_DOMAIN] = { "invalid domain pointer in",
	    "invalid domain pointer in ", NULL },
	[RPCE_INVALID_ARG] = { "invalid argument", NULL, NULL },
	[RPCE_OPERATION_FAILED] = { "operation failed", NULL, NULL },
	[RPCE_OS_TYPE] = { "unknown OS type", "unknown OS type ", NULL },
	[RPCE_NO_NAME] = { "missing name information",
	    "missing name information in ", NULL },
	[RPCE_XML_ERROR] = { "XML description is invalid or not well formed",
	    "XML error: ", NULL },
	[RPCE_DOM_EXIST] = { "this domain exists already", "domain ",
	    " exists already" },
	[RPCE_OPERATION_DENIED] = { "operation forbidden for read only "
	    "access", "operation forbidden: ", NULL },
	[RPCE_XML_DETAIL] = { "parser error", "", NULL },
	[RPCE_SYSTEM_ERROR] = { "system call error", "", NULL },
	[RPCE_RPC] = { "RPC error", "", NULL },
	[RPCE_NO_DOMAIN] = { "Domain not found", NULL, NULL },
	[RPCE_NO_NETWORK] = { "Network not found", NULL, NULL },
	[RPCE_INVALID_MAC] = { "invalid MAC address", NULL, NULL },
	[RPCE_AUTH_FAILED] = { "authentication failed", NULL, NULL },
	[RPCE_NO_STORAGE_POOL] = { "Storage pool not found", NULL, NULL },
	[RPCE_NO_STORAGE_VOL] = { "Storage volume not found", NULL, NULL },
	[RPCE_NO_NODE_DEVICE] = { "Node device not found", NULL, NULL },
	[RPCE_OPERATION_INVALID] = { "Requested operation is not valid",
	    NULL, NULL },
	[RPCE_NO_INTERFACE] = { "Interface not found", NULL, NULL },
	[RPCE_NO_NWFILTER] = { "Network filter not found", NULL, NULL },
	[RPCE_NO_SECRET] = { "Secret not found", NULL, NULL },
	[RPCE_CONFIG_UNSUPPORTED] = { "unsupported configuration", NULL,
	    NULL },
	[RPCE_OPERATION_TIMEOUT] = { "Timed out during operation", NULL,
	    NULL },
	[RPCE_NO_DOMAIN_SNAPSHOT] = { "Domain snapshot not found", NULL,
	    NULL },
	[RPCE_INVALID_STREAM] = { "invalid stream pointer",
	    "invalid stream pointer in ", NULL },
	[RPCE_ARGUMENT_UNSUPPORTED] = { "argument unsupported", NULL, NULL },
	[RPCE_OPERATION_ABORTED] = { "operation aborted", NULL, NULL },
	[RPCE_NO_DOMAIN_METADATA] = { "metadata not found", NULL, NULL },
	[RPCE_OVERFLOW] = { "numerical overflow", NULL, NULL },
	[RPCE_OPERATION_UNSUPPORTED] = { "Operation not supported", NULL,
	    NULL },
	[RPCE_AGENT_UNRESPONSIVE] = { "Guest agent is not responding", NULL,
	    NULL },
	[RPCE_RESOURCE_BUSY] = { "resource busy", NULL, NULL },
	[RPCE_ACCESS_DENIED] = { "access denied", NULL, NULL },
	[RPCE_CPU_INCOMPATIBLE] = { "the CPU is incompatible with host CPU",
	    NULL, NULL },
	[RPCE_XML_INVALID_SCHEMA] = { "XML document failed to validate "
	    "against schema", NULL, NULL },
	[RPCE_AUTH_UNAVAILABLE] = { "authentication unavailable", NULL,
	    NULL },
	[RPCE_AGENT_UNSYNCED] = { "guest agent replied with wrong id to "
	    "guest-sync command", NULL, NULL },
	[RPCE_DEVICE_MISSING] = { "device not found", NULL, NULL },
	[RPCE_NO_NWFILTER_BINDING] = { "Network filter binding not found",
	    NULL, NULL },
	[RPCE_NO_DOMAIN_CHECKPOINT] = { "Domain checkpoint not found", NULL,
	    NULL },
	[RPCE_NO_HOSTNAME] = { "no hostname found", NULL, NULL }
};

static const struct words	*words_find(enum rpc_code);
static void			 cut_utf8(char *, size_t);

int
rpc_error_set(struct rpc_error *err, enum rpc_domain domain,
    enum rpc_code code, const char *fmt, ...)
{
	va_list	 ap;

	va_start(ap, fmt);
	rpc_error_vset(err, domain, code, fmt, ap);
	va_end(ap);
	return (-1);
}

int
rpc_error_vset(struct rpc_error *err, enum rpc_domain domain,
    enum rpc_code code, const char *fmt, va_list ap)
{
	int	 n, save = errno;

	if (err == NULL || err->code != RPCE_OK)
		return (-1);
	err->domain = domain;
	err->code = code;
	err->sys = 0;
	err->full = 0;
	n = vsnprintf(err->detail, sizeof(err->detail), fmt, ap);
	if (n < 0)
		err->detail[0] = '\0';
	else if ((size_t)n >= sizeof(err->detail))
		cut_utf8(err->detail, sizeof(err->detail) - 1);
	errno = save;
	return (-1);
}

int
rpc_error_sys(struct rpc_error *err, enum rpc_domain domain,
    const char *fmt, ...)
{
	va_list	 ap;
	size_t	 n;
	int	 save = errno;

	if (err == NULL || err->code != RPCE_OK)
		return (-1);
	va_start(ap, fmt);
	rpc_error_vset(err, domain, RPCE_SYSTEM_ERROR, fmt, ap);
	va_end(ap);
	err->sys = save;
	n = strlen(err->detail);
	snprintf(err->detail + n, sizeof(err->detail) - n, ": %s",
	    strerror(save));
	errno = save;
	return (-1);
}

void
rpc_error_clear(struct rpc_error *err)
{
	err->code = RPCE_OK;
	err->domain = RPCD_NONE;
	err->sys = 0;
	err->full = 0;
	err->detail[0] = '\0';
}

const char *
rpc_error_text(const struct rpc_error *err, char *buf, size_t size)
{
	const struct words	*w;
	const char		*lead, *sep = "";
	int			 n;

	w = words_find(err->code);
	if (err->full || w == NULL) {
		n = snprintf(buf, size, "%s", err->detail);
	} else if (err->detail[0] == '\0') {
		n = snprintf(buf, size, "%s", w->alone);
	} else {
		if ((lead = w->lead) == NULL) {
			lead = w->alone;
			sep = ": ";
		}
		n = snprintf(buf, size, "%s%s%s%s", lead, sep, err->detail,
		    w->tail == NULL ? "" : w->tail);
	}
	if (n > 0 && size > 0 && (size_t)n >= size)
		cut_utf8(buf, size - 1);
	return (buf);
}

const char *
rpc_error_lead(enum rpc_code code)
{
	const struct words	*w;

	if ((w = words_find(code)) == NULL)
		return ("");
	return (w->alone);
}

/*
 * Clients get three strings beside the text: how it was made, the detail,
 * nothing.
 */
int
rpc_error_encode(const struct rpc_error *err, char **buf, size_t *len)
{
	const struct words	*w;
	struct rp_error		 body;
	rp_str			 message, str1, str2;
	char			 text[RPC_ERROR_MAX + 256], form[256];

	memset(&body, 0, sizeof(body));
	body.code = err->code == RPCE_OK ? RPCE_INTERNAL_ERROR : err->code;
	body.domain = err->domain;
	body.level = RPC_LEVEL_ERROR;
	body.int1 = err->sys != 0 ? err->sys : -1;
	body.int2 = -1;

	rpc_error_text(err, text, sizeof(text));
	if (text[0] == '\0')
		snprintf(text, sizeof(text), "%s",
		    rpc_error_lead((enum rpc_code)body.code));
	message = text;
	body.message = &message;

	if ((w = words_find(err->code)) != NULL && err->detail[0] != '\0' &&
	    !err->full) {
		snprintf(form, sizeof(form), "%s%s%%s%s",
		    w->lead != NULL ? w->lead : w->alone,
		    w->lead != NULL ? "" : ": ",
		    w->tail != NULL ? w->tail : "");
		str1 = form;
		body.str1 = &str1;
		str2 = (char *)(uintptr_t)err->detail;	/* only read */
		body.str2 = &str2;
	}
	return (rpc_encode((xdrproc_t)xdr_rp_error, &body, 0, buf, len));
}

int
rpc_error_decode(struct rpc_error *err, const char *data, size_t len)
{
	struct rp_error	 body;

	rpc_error_clear(err);
	if (rpc_decode((xdrproc_t)xdr_rp_error, data, len, &body,
	    sizeof(body)) == -1)
		return (-1);
	/* A number that we have no name for is still the server's number. */
	err->code = body.code == RPCE_OK ? RPCE_INTERNAL_ERROR :
	    (enum rpc_code)body.code;
	err->domain = (enum rpc_domain)body.domain;
	if (body.code == RPCE_SYSTEM_ERROR && body.int1 > 0)
		err->sys = body.int1;
	err->full = 1;
	if (snprintf(err->detail, sizeof(err->detail), "%s",
	    body.message != NULL ? *body.message : "unknown error") >=
	    (int)sizeof(err->detail))
		cut_utf8(err->detail, sizeof(err->detail) - 1);
	rpc_free((xdrproc_t)xdr_rp_error, &body);
	return (0);
}

static const struct words *
words_find(enum rpc_code code)
{
	if ((unsigned int)code >= nitems(words) || words[code].alone == NULL)
		return (NULL);
	return (&words[code]);
}

/* Cut s, of length len, before a character that is not complete at its end. */
static void
cut_utf8(char *s, size_t len)
{
	size_t		 i, need;
	unsigned char	 c;

	for (i = len; i > 0 && len - i < 4; i--) {
		c = (unsigned char)s[i - 1];
		if ((c & 0xc0) == 0x80)
			continue;
		need = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
		if (len - (i - 1) < need)
			s[i - 1] = '\0';
		return;
	}
}
