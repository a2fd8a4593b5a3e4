/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

#ifndef QEMUD_IMAGE_H
#define QEMUD_IMAGE_H

#include <sys/types.h>

#include <stddef.h>
#include <stdint.h>

#include "domain/domain.h"

#define IMAGE_HEAD_MAX	65536		/* bytes looked at */
#define IMAGE_NAME_MAX	1023		/* bytes of a backing file's name */

/* What a header says of the image that lies below. */
struct image {
	uint64_t	 name_offset;
	uint32_t	 name_len;
	char		 format[32];	/* "" if it does not say */
};

/*
 * Reads the first len bytes of a qcow2 image.  1: it has a backing file, im is
 * filled in; 0: it has none; -1: it cannot be used, and why says so, such that
 * the image's name can stand before it.
 */
int	image_qcow2(const void *, size_t len, struct image *im, char *why,
	    size_t whysize);

/*
 * The same for an open qcow2 image whose path is image: path and format of its
 * backing file, with a relative name taken from the image's folder.
 */
int	image_backing(int fd, const char *image, char *path, size_t pathsize,
	    enum disk_format *format, char *why, size_t whysize);

/* Takes ".", ".." and "//" out of an absolute path; -1: nothing is left. */
int	path_normal(char *path);

#endif /* QEMUD_IMAGE_H */
