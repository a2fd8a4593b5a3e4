/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * What a qcow2 header says of the image below it.  A guest may have written
 * the header: whatever is in it is only a name that the parent is asked to
 * open, with the same checks as one that stands in XML, and read-only.
 *
 * Facts: docs/interop/qcow2.txt of QEMU.  All numbers are big endian.
 */

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "imsg/imsg.h"
#include "qemud/image.h"

#define QCOW2_MAGIC		0x514649fb	/* "QFI\xfb" */
#define QCOW2_V2_LEN		72
#define QCOW2_V3_LEN		104
#define QCOW2_CLUSTER_BITS_MIN	9
#define QCOW2_CLUSTER_BITS_MAX	21
#define QCOW2_CORRUPT		0x2		/* incompatible features */
#define QCOW2_DATA_FILE		0x4
#define QCOW2_KNOWN		0x1f
#define QCOW2_EXT_END		0
#define QCOW2_EXT_FORMAT	0xe2792aca	/* of the backing file */
#define QCOW2_EXTS_MAX		64

static int	 refuse(char *, size_t, const char *, ...)
		    __attribute__((format(printf, 3, 4)));
static int	 read_format(struct ibuf *, char *, size_t);
static int	 backing_path(const char *, const char *, char *, size_t,
		    char *, size_t);

static int
refuse(char *why, size_t size, const char *fmt, ...)
{
	va_list	 ap;

	va_start(ap, fmt);
	vsnprintf(why, size, fmt, ap);
	va_end(ap);
	return (-1);
}

/* The extension that names the backing file's format; "" if there is none. */
static int
read_format(struct ibuf *b, char *format, size_t size)
{
	uint32_t	 type, len;
	int		 n;

	format[0] = '\0';
	for (n = 0; n < QCOW2_EXTS_MAX && ibuf_size(b) >= 8; n++) {
		if (ibuf_get_n32(b, &type) == -1 ||
		    ibuf_get_n32(b, &len) == -1)
			return (-1);
		if (type == QCOW2_EXT_END)
			return (0);
		if (len > ibuf_size(b))
			return (-1);
		if (type == QCOW2_EXT_FORMAT) {
			if (len >= size)
				return (-1);
			memcpy(format, ibuf_data(b), len);
			format[len] = '\0';
			if (strlen(format) != len)
				return (-1);
			return (0);
		}
		len = (len + 7) & ~7U;
		if (len > ibuf_size(b) || ibuf_skip(b, len) == -1)
			return (-1);
	}
	return (0);
}

int
image_qcow2(const void *head, size_t len, struct image *im, char *why,
    size_t whysize)
{
	struct ibuf	 b;
	uint64_t	 offset, features = 0, exts;
	uint32_t	 magic, version, size, bits, crypt, header;
	size_t		 end;

	memset(im, 0, sizeof(*im));
	ibuf_from_buffer(&b, (void *)(uintptr_t)head, len);
	if (len < QCOW2_V2_LEN || ibuf_get_n32(&b, &magic) == -1 ||
	    magic != QCOW2_MAGIC)
		return (refuse(why, whysize, "is not a qcow2 image"));
	if (ibuf_get_n32(&b, &version) == -1 ||
	    ibuf_get_n64(&b, &offset) == -1 ||
	    ibuf_get_n32(&b, &size) == -1 || ibuf_get_n32(&b, &bits) == -1 ||
	    ibuf_skip(&b, 8) == -1 || ibuf_get_n32(&b, &crypt) == -1)
		return (refuse(why, whysize, "has a qcow2 header cut short"));
	if (version != 2 && version != 3)
		return (refuse(why, whysize, "is of qcow version %u; versions "
		    "2 and 3 can be used", version));
	if (bits < QCOW2_CLUSTER_BITS_MIN || bits > QCOW2_CLUSTER_BITS_MAX)
		return (refuse(why, whysize, "has a bad qcow2 header"));
	if (crypt != 0)
		return (refuse(why, whysize,
		    "is encrypted, which is not supported yet"));
	exts = header = QCOW2_V2_LEN;
	if (version == 3) {
		if (len < QCOW2_V3_LEN || ibuf_skip(&b, QCOW2_V2_LEN - 36) ==
		    -1 || ibuf_get_n64(&b, &features) == -1 ||
		    ibuf_skip(&b, 20) == -1 ||
		    ibuf_get_n32(&b, &header) == -1 ||
		    header < QCOW2_V3_LEN || header > len)
			return (refuse(why, whysize,
			    "has a bad qcow2 header"));
		exts = header;
	}
	if (features & QCOW2_DATA_FILE)
		return (refuse(why, whysize,
		    "keeps its data in another file, which is not supported"));
	if (features & QCOW2_CORRUPT)
		return (refuse(why, whysize, "is marked as corrupt: "
		    "\"qemu-img check -r all\" may repair it"));
	if (features & ~(uint64_t)QCOW2_KNOWN)
		return (refuse(why, whysize, "uses features of qcow2 that are "
		    "not known here (0x%llx)",
		    (unsigned long long)(features & ~QCOW2_KNOWN)));
	if (offset == 0)
		return (0);
	if (size == 0 || size > IMAGE_NAME_MAX || offset < exts ||
	    offset + size > 1ULL << bits)
		return (refuse(why, whysize, "has a bad qcow2 header: the "
		    "name of its backing file"));
	/* extensions end where the name begins, or what was read */
	end = offset < len ? offset : len;
	ibuf_from_buffer(&b, (char *)(uintptr_t)head + exts, end - exts);
	if (read_format(&b, im->format, sizeof(im->format)) == -1)
		return (refuse(why, whysize,
		    "has a bad qcow2 header: its extensions"));
	im->name_offset = offset;
	im->name_len = size;
	return (1);
}

/* What the header says about a name, once it has been read. */
static int
backing_path(const char *image, const char *name, char *path, size_t size,
    char *why, size_t whysize)
{
	const char	*colon = strchr(name, ':'), *slash;
	char		 joined[2 * IMAGE_NAME_MAX + 4200];

	if (strncmp(name, "file:", 5) == 0)
		name += 5;
	else if (colon != NULL && ((slash = strchr(name, '/')) == NULL ||
	    colon < slash))
		return (refuse(why, whysize, "names '%s' as its backing file; "
		    "only paths of files can be followed", name));
	if (name[0] == '/')
		strlcpy(joined, name, sizeof(joined));
	else {
		slash = strrchr(image, '/');
		snprintf(joined, sizeof(joined), "%.*s/%s",
		    (int)(slash - image), image, name);
	}
	if (path_normal(joined) == -1 ||
	    strlcpy(path, joined, size) >= size)
		return (refuse(why, whysize, "names '%s' as its backing file, "
		    "which is no path", name));
	return (0);
}

int
path_normal(char *path)
{
	char	*in, *out, *end;
	size_t	 len;

	if (path[0] != '/')
		return (-1);
	for (in = out = path; *in != '\0'; in = end) {
		in += strspn(in, "/");
		len = strcspn(in, "/");
		end = in + len;
		if (len == 0 || (len == 1 && in[0] == '.'))
			continue;
		if (len == 2 && in[0] == '.' && in[1] == '.') {
			while (out > path && *--out != '/')
				;
			continue;
		}
		*out++ = '/';
		memmove(out, in, len);
		out += len;
	}
	if (out == path)
		return (-1);
	*out = '\0';
	return (0);
}

int
image_backing(int fd, const char *image, char *path, size_t pathsize,
    enum disk_format *format, char *why, size_t whysize)
{
	static char	 head[IMAGE_HEAD_MAX];
	struct image	 im;
	char		 name[IMAGE_NAME_MAX + 1];
	ssize_t		 n;
	int		 ret;

	if ((n = pread(fd, head, sizeof(head), 0)) == -1)
		return (refuse(why, whysize, "cannot be read: %s",
		    strerror(errno)));
	if ((ret = image_qcow2(head, n, &im, why, whysize)) != 1)
		return (ret);
	if (pread(fd, name, im.name_len, im.name_offset) !=
	    (ssize_t)im.name_len || memchr(name, '\0', im.name_len) != NULL)
		return (refuse(why, whysize,
		    "has a bad qcow2 header: the name of its backing file"));
	name[im.name_len] = '\0';
	if (strcmp(im.format, "raw") == 0)
		*format = DISK_FORMAT_RAW;
	else if (strcmp(im.format, "qcow2") == 0)
		*format = DISK_FORMAT_QCOW2;
	else if (im.format[0] == '\0')
		return (refuse(why, whysize, "does not say of which format its "
		    "backing file '%s' is, and formats are never guessed: "
		    "\"qemu-img rebase -u -b %s -F raw|qcow2\" says it", name,
		    name));
	else
		return (refuse(why, whysize, "has a backing file '%s' of "
		    "format '%s'; raw and qcow2 can be used", name,
		    im.format));
	if (backing_path(image, name, path, pathsize, why, whysize) == -1)
		return (-1);
	return (1);
}
