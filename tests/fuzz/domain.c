/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * Domain XML from anybody: read, printed, read again, assigned, and turned
 * into arguments of QEMU.  The first byte holds flags of domain_parse (bits 0
 * and 1); the rest is the XML.
 *
 * What was read must be printed, and what was printed must be read, to the
 * same; whatever an assigned domain is, it has a command.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "domain/domain.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
check(int good)
{
	if (!good)
		abort();
}

/* Printing and reading changes nothing. */
static void
fixed(const struct domain *d, unsigned int parse, unsigned int format)
{
	struct domain_error	 err;
	struct domain		*e;
	char			*a, *b;

	check((a = domain_format(d, format)) != NULL);
	check(domain_parse(a, strlen(a), parse, &e, &err) == 0);
	check((b = domain_format(e, format)) != NULL);
	check(strcmp(a, b) == 0);
	free(a);
	free(b);
	domain_free(e);
}

static void
started(struct domain *d)
{
	struct domain_argv	 argv;
	struct domain_error	 err;
	struct domain_fds	 fds;
	size_t			 i, j;

	check(domain_fds_plan(d, &fds) == 0);
	for (i = 0; i < fds.n; i++)
		for (j = 0; j < i && i < 100; j++)
			check(strcmp(fds.v[i].key, fds.v[j].key) != 0);
	check(domain_command(d, &fds, DOMAIN_COMMAND_PRINT, &argv, &err) ==
	    0 || err.code == DOMAIN_ERR_NO_MEMORY);
	domain_argv_clear(&argv);
	for (i = 0; i < fds.n; i++)
		fds.v[i].fd = 3 + (int)i;
	check(domain_command(d, &fds, 0, &argv, &err) == 0 ||
	    err.code == DOMAIN_ERR_NO_MEMORY);
	domain_argv_clear(&argv);
	domain_fds_clear(&fds);
	check(domain_setup(d, &argv) == 0);
	domain_argv_clear(&argv);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct domain_error	 err;
	struct domain		*d;
	char			*a, *b;
	unsigned int		 flags;

	if (len == 0)
		return (0);
	flags = data[0] & (DOMAIN_PARSE_LIVE | DOMAIN_PARSE_VALIDATE);
	if (domain_parse((const char *)data + 1, len - 1, flags, &d, &err) ==
	    -1) {
		check(d == NULL && err.code != 0 && err.text[0] != '\0');
		return (0);
	}
	fixed(d, DOMAIN_PARSE_LIVE | DOMAIN_PARSE_VALIDATE,
	    DOMAIN_FORMAT_SECURE);
	fixed(d, DOMAIN_PARSE_VALIDATE, DOMAIN_FORMAT_INACTIVE);
	if (domain_assign(d, &err) == -1) {
		check(err.code != 0 && err.text[0] != '\0');
		domain_free(d);
		return (0);
	}
	fixed(d, DOMAIN_PARSE_VALIDATE, DOMAIN_FORMAT_MIGRATABLE);

	/* again it changes nothing */
	check((a = domain_format(d, DOMAIN_FORMAT_SECURE)) != NULL);
	check(domain_assign(d, &err) == 0);
	check((b = domain_format(d, DOMAIN_FORMAT_SECURE)) != NULL);
	check(strcmp(a, b) == 0);
	free(a);
	free(b);
	if (domain_assign_live(d, &err) == 0) {
		fixed(d, DOMAIN_PARSE_LIVE | DOMAIN_PARSE_VALIDATE,
		    DOMAIN_FORMAT_SECURE);
		started(d);
	} else
		check(err.code != 0 && err.text[0] != '\0');
	domain_free(d);
	return (0);
}
