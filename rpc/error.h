/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * Errors as clients of the libvirt protocol see them.  Programs match on
 * code, and people and scripts on the text, which the server makes in full:
 * a lead that belongs to the code, a colon, the detail.  So callers give the
 * detail only:
 *
 *	rpc_error_set(&e, RPCD_QEMU, RPCE_NO_DOMAIN,
 *	    "no domain with matching name '%s'", name);
 *
 * reaches the user as
 *
 *	error: Domain not found: no domain with matching name 'x'
 *
 * Some clients take RPCE_INTERNAL_ERROR, RPCE_SYSTEM_ERROR, RPCE_RPC,
 * RPCE_NO_MEMORY and RPCE_INVALID_CONN for a broken connection and start
 * anew, so none of them is for an ordinary failure: a bad request is
 * INVALID_ARG, XML_ERROR or CONFIG_UNSUPPORTED, a thing that cannot be done
 * now is OPERATION_INVALID, one that was tried in vain OPERATION_FAILED.
 */

#ifndef RPC_ERROR_H
#define RPC_ERROR_H

#include <sys/types.h>

#include <stdarg.h>

enum rpc_code {
	RPCE_OK =			0,
	RPCE_INTERNAL_ERROR =		1,
	RPCE_NO_MEMORY =		2,
	RPCE_NO_SUPPORT =		3,	/* no such function here */
	RPCE_NO_CONNECT =		5,
	RPCE_INVALID_CONN =		6,
	RPCE_INVALID_DOMAIN =		7,
	RPCE_INVALID_ARG =		8,
	RPCE_OPERATION_FAILED =		9,
	RPCE_OS_TYPE =			16,
	RPCE_NO_NAME =			21,
	RPCE_XML_ERROR =		27,
	RPCE_DOM_EXIST =		28,
	RPCE_OPERATION_DENIED =		29,	/* read-only */
	RPCE_XML_DETAIL =		35,	/* not well-formed */
	RPCE_SYSTEM_ERROR =		38,
	RPCE_RPC =			39,
	RPCE_NO_DOMAIN =		42,
	RPCE_NO_NETWORK =		43,
	RPCE_INVALID_MAC =		44,
	RPCE_AUTH_FAILED =		45,
	RPCE_NO_STORAGE_POOL =		49,
	RPCE_NO_STORAGE_VOL =		50,
	RPCE_NO_NODE_DEVICE =		53,
	RPCE_OPERATION_INVALID =	55,	/* not in this state */
	RPCE_NO_INTERFACE =		57,
	RPCE_NO_NWFILTER =		62,
	RPCE_NO_SECRET =		66,
	RPCE_CONFIG_UNSUPPORTED =	67,
	RPCE_OPERATION_TIMEOUT =	68,
	RPCE_NO_DOMAIN_SNAPSHOT =	72,
	RPCE_INVALID_STREAM =		73,
	RPCE_ARGUMENT_UNSUPPORTED =	74,	/* flag we do not have */
	RPCE_OPERATION_ABORTED =	78,
	RPCE_NO_DOMAIN_METADATA =	80,
	RPCE_OVERFLOW =			82,
	RPCE_OPERATION_UNSUPPORTED =	84,
	RPCE_AGENT_UNRESPONSIVE =	86,
	RPCE_RESOURCE_BUSY =		87,
	RPCE_ACCESS_DENIED =		88,
	RPCE_CPU_INCOMPATIBLE =		91,
	RPCE_XML_INVALID_SCHEMA =	92,
	RPCE_AUTH_UNAVAILABLE =		94,
	RPCE_AGENT_UNSYNCED =		97,
	RPCE_DEVICE_MISSING =		99,
	RPCE_NO_NWFILTER_BINDING =	101,
	RPCE_NO_DOMAIN_CHECKPOINT =	103,
	RPCE_NO_HOSTNAME =		108
};

/* Which part of the system speaks. */
enum rpc_domain {
	RPCD_NONE =			0,
	RPCD_XML =			5,
	RPCD_RPC =			7,
	RPCD_CONF =			9,
	RPCD_QEMU =			10,
	RPCD_NETWORK =			19,
	RPCD_DOMAIN =			20,
	RPCD_STORAGE =			18,
	RPCD_NODEDEV =			22,
	RPCD_SECURITY =			24,
	RPCD_INTERFACE =		26,
	RPCD_SECRET =			30,
	RPCD_CPU =			31,
	RPCD_NWFILTER =			33,
	RPCD_DOMAIN_SNAPSHOT =		35,
	RPCD_STREAMS =			38,
	RPCD_EVENT =			40,
	RPCD_CAPABILITIES =		44,
	RPCD_AUTH =			46,
	RPCD_DEVICE =			49,
	RPCD_ACCESS =			55
};

#define RPC_LEVEL_ERROR		2

#define RPC_ERROR_MAX		8192	/* detail with its NUL; room for the
					   last words of a QEMU */

/*
 * No heap memory in it: it can be set when there is none left, copied, and
 * thrown away.  Before use: rpc_error_clear(), or all zero.
 */
struct rpc_error {
	enum rpc_code	 code;
	enum rpc_domain	 domain;
	int		 sys;		/* errno of RPCE_SYSTEM_ERROR, or 0 */
	int		 full;		/* detail is the whole text */
	char		 detail[RPC_ERROR_MAX];
};

/*
 * Set it, unless one is set already: the first error is the cause.  Text too
 * long is cut at a character.  A NULL err is fine.  Always returns -1, so
 * that a caller can fail with it.
 */
int	rpc_error_set(struct rpc_error *, enum rpc_domain, enum rpc_code,
	    const char *, ...)
	    __attribute__((__format__ (printf, 4, 5)));
int	rpc_error_vset(struct rpc_error *, enum rpc_domain, enum rpc_code,
	    const char *, va_list)
	    __attribute__((__format__ (printf, 4, 0)));
/* The same for a system call, from errno: "cannot open x: No such file". */
int	rpc_error_sys(struct rpc_error *, enum rpc_domain, const char *, ...)
	    __attribute__((__format__ (printf, 3, 4)));
void	rpc_error_clear(struct rpc_error *);

/* The full text: lead, colon, detail.  Returns its argument. */
const char	*rpc_error_text(const struct rpc_error *, char *, size_t);

/* The lead alone, without colon: "Domain not found"; "" has none. */
const char	*rpc_error_lead(enum rpc_code);

/*
 * The body of an error frame.  Allocates *buf, which the caller frees; -1
 * with errno on failure.
 */
int	rpc_error_encode(const struct rpc_error *, char **, size_t *);

/*
 * From a body, for clients; -1 with EBADMSG if it is none.  detail then is
 * the server's full text, and stays so in rpc_error_text.
 */
int	rpc_error_decode(struct rpc_error *, const char *, size_t);

#endif
