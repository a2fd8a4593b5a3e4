/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * Stands in for the fuzzer: feeds a fuzz target the files that it is given,
 * so that the stored corpus is part of every test run, with any compiler.
 */

#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static uint8_t	*slurp(const char *, size_t *);

int
main(int argc, char *argv[])
{
	uint8_t	*data;
	size_t	 len;
	int	 i;

	if (argc < 2)
		errx(2, "usage: %s file ...", getprogname());
	for (i = 1; i < argc; i++) {
		/* Said before, so that it is known which one it died of. */
		printf("%s\n", argv[i]);
		fflush(stdout);
		data = slurp(argv[i], &len);
		if (LLVMFuzzerTestOneInput(data, len) != 0)
			errx(1, "%s: refused", argv[i]);
		free(data);
	}
	return (0);
}

/*
 * The content of a file, in a block of just its size, so that the address
 * sanitizer sees each byte read past it.  Caller frees.
 */
static uint8_t *
slurp(const char *path, size_t *len)
{
	FILE	*fp;
	uint8_t	*data;
	long	 size;

	if ((fp = fopen(path, "rb")) == NULL ||
	    fseek(fp, 0, SEEK_END) == -1 || (size = ftell(fp)) == -1)
		err(1, "%s", path);
	rewind(fp);
	if ((data = malloc(size)) == NULL && size != 0)
		err(1, NULL);
	if (fread(data, 1, size, fp) != (size_t)size)
		err(1, "%s", path);
	fclose(fp);
	*len = size;
	return (data);
}
