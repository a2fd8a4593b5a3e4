/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * What the domain model makes of an XML file, for golden data and for
 * looking at it:
 *
 *	domain_print xml FILE	as it would be defined
 *	domain_print live FILE	as it would run
 *	domain_print args FILE	QEMU's arguments, an option on each line
 *	domain_print setup FILE	QMP commands of its start
 */

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domain/domain.h"

int
main(int argc, char **argv)
{
	static char		 buf[XML_MAX_BYTES + 1];
	struct domain_argv	 args;
	struct domain_error	 error;
	struct domain_fds	 fds;
	struct domain		*d;
	FILE			*f;
	char			*xml;
	size_t			 n;

	if (argc != 3)
		errx(1, "usage: domain_print xml|live|args|setup file");
	if ((f = fopen(argv[2], "r")) == NULL)
		err(1, "%s", argv[2]);
	n = fread(buf, 1, sizeof(buf), f);
	fclose(f);
	if (domain_parse(buf, n, 0, &d, &error) == -1 ||
	    domain_assign(d, &error) == -1)
		errx(1, "%s:%d:%d: error %d: %s", argv[2], error.line,
		    error.column, error.code, error.text);
	if (strcmp(argv[1], "xml") == 0) {
		if ((xml = domain_format(d, DOMAIN_FORMAT_INACTIVE)) == NULL)
			err(1, NULL);
		fputs(xml, stdout);
		free(xml);
		domain_free(d);
		return (0);
	}
	if (domain_assign_live(d, &error) == -1)
		errx(1, "%s", error.text);
	if (strcmp(argv[1], "live") == 0) {
		if ((xml = domain_format(d, DOMAIN_FORMAT_SECURE)) == NULL)
			err(1, NULL);
		fputs(xml, stdout);
		free(xml);
		domain_free(d);
		return (0);
	}
	if (strcmp(argv[1], "setup") == 0) {
		if (domain_setup(d, &args) == -1)
			err(1, NULL);
		for (n = 0; n < args.n; n++)
			puts(args.v[n]);
	} else {
		if (domain_fds_plan(d, &fds) == -1)
			err(1, NULL);
		if (domain_command(d, &fds, DOMAIN_COMMAND_PRINT, &args,
		    &error) == -1)
			errx(1, "%s", error.text);
		for (n = 0; n < args.n; n++)
			printf("%s%s", n == 0 ? "" : args.v[n][0] == '-' ?
			    "\n" : " ", args.v[n]);
		putchar('\n');
		domain_fds_clear(&fds);
	}
	domain_argv_clear(&args);
	domain_free(d);
	return (0);
}
