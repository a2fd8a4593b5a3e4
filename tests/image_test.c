/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/* Headers of qcow2 images: right ones, and what a guest may make of them. */

#include <atf-c.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "qemud/image.h"

#define HEAD	512

static void
put32(unsigned char *p, uint32_t v)
{
	p[0] = v >> 24;
	p[1] = v >> 16;
	p[2] = v >> 8;
	p[3] = v;
}

/* Version 3, clusters of 64 KiB, with a backing file "base" of format raw. */
static void
header(unsigned char *h)
{
	memset(h, 0, HEAD);
	memcpy(h, "QFI\xfb", 4);
	put32(h + 4, 3);
	put32(h + 12, 200);		/* where the name is */
	put32(h + 16, 4);		/* its length */
	put32(h + 20, 16);
	put32(h + 100, 104);		/* length of the header */
	put32(h + 104, 0xe2792aca);
	put32(h + 108, 3);
	memcpy(h + 112, "raw", 3);
	memcpy(h + 200, "base", 4);
}

/* The file of such a header, and what is found in it. */
static int
backing(const unsigned char *h, char *path, enum disk_format *format,
    char *why)
{
	char	 name[] = "image.XXXXXX";
	int	 fd, ret;

	ATF_REQUIRE((fd = mkstemp(name)) != -1);
	unlink(name);
	ATF_REQUIRE_EQ(HEAD, write(fd, h, HEAD));
	ret = image_backing(fd, "/srv/img/top.qcow2", path, 256, format, why,
	    256);
	close(fd);
	return (ret);
}

static void
check_refused(const unsigned char *h, const char *text)
{
	enum disk_format	 format;
	char			 path[256], why[256] = "";

	ATF_CHECK_EQ_MSG(-1, backing(h, path, &format, why), "%s", text);
	ATF_CHECK_MSG(strstr(why, text) != NULL, "\"%s\" is not in \"%s\"",
	    text, why);
}

ATF_TC_WITHOUT_HEAD(backing_file);
ATF_TC_BODY(backing_file, tc)
{
	enum disk_format	 format = DISK_FORMAT_NONE;
	unsigned char		 h[HEAD];
	char			 path[256], why[256];

	header(h);
	ATF_REQUIRE_EQ(1, backing(h, path, &format, why));
	ATF_CHECK_STREQ("/srv/img/base", path);
	ATF_CHECK_EQ(DISK_FORMAT_RAW, format);

	put32(h + 16, 17);
	memcpy(h + 200, "../.././/x/../abc", 17);
	ATF_REQUIRE_EQ(1, backing(h, path, &format, why));
	ATF_CHECK_STREQ("/abc", path);

	put32(h + 16, 10);
	memcpy(h + 200, "file:/y/z.", 10);
	ATF_REQUIRE_EQ(1, backing(h, path, &format, why));
	ATF_CHECK_STREQ("/y/z.", path);

	put32(h + 12, 0);
	ATF_CHECK_EQ(0, backing(h, path, &format, why));
}

ATF_TC_WITHOUT_HEAD(refused);
ATF_TC_BODY(refused, tc)
{
	unsigned char	 h[HEAD];

	header(h);
	h[0] = 'q';
	check_refused(h, "not a qcow2 image");
	header(h);
	put32(h + 4, 1);
	check_refused(h, "version 1");
	header(h);
	put32(h + 4, 0xffffffff);
	check_refused(h, "version 4294967295");
	header(h);
	put32(h + 20, 8);
	check_refused(h, "bad qcow2 header");
	header(h);
	put32(h + 20, 64);		/* a shift that C does not have */
	check_refused(h, "bad qcow2 header");
	header(h);
	put32(h + 32, 2);
	check_refused(h, "encrypted");
	header(h);
	h[79] = 0x4;
	check_refused(h, "another file");
	header(h);
	h[79] = 0x2;
	check_refused(h, "corrupt");
	header(h);
	h[72] = 0x80;
	check_refused(h, "features");
	header(h);
	put32(h + 8, 0xffffffff);	/* the name, beyond everything */
	check_refused(h, "backing file");
	header(h);
	put32(h + 12, 50);		/* within the header */
	check_refused(h, "backing file");
	header(h);
	put32(h + 16, 0);
	check_refused(h, "backing file");
	header(h);
	put32(h + 16, 1024);
	check_refused(h, "backing file");
	header(h);
	put32(h + 12, HEAD - 2);	/* cut off by the end of the file */
	check_refused(h, "backing file");
	header(h);
	h[201] = '\0';
	check_refused(h, "backing file");
	header(h);
	put32(h + 100, 0x7fffffff);
	check_refused(h, "bad qcow2 header");
	header(h);
	put32(h + 108, 0xfffffff0);	/* an extension without end */
	check_refused(h, "extensions");
	header(h);
	put32(h + 104, 0);
	check_refused(h, "does not say of which format");
	header(h);
	put32(h + 108, 4);
	memcpy(h + 112, "vmdk", 4);
	check_refused(h, "format 'vmdk'");
	header(h);
	memcpy(h + 200, "a://", 4);
	check_refused(h, "only paths");
	header(h);
	put32(h + 16, 8);
	memcpy(h + 200, "json:{}x", 8);
	check_refused(h, "only paths");
}

/* Every header that is cut short, and every single bit that is wrong. */
ATF_TC_WITHOUT_HEAD(mutations);
ATF_TC_BODY(mutations, tc)
{
	unsigned char	 h[HEAD], *copy;
	struct image	 im;
	char		 why[256];
	size_t		 i;

	header(h);
	for (i = 0; i < HEAD; i++) {
		/* of its own size, so that reading on is seen */
		ATF_REQUIRE((copy = malloc(i + 1)) != NULL);
		memcpy(copy, h, i);
		image_qcow2(copy, i, &im, why, sizeof(why));
		ATF_CHECK(i >= 72 || image_qcow2(copy, i, &im, why,
		    sizeof(why)) == -1);
		free(copy);
	}
	for (i = 0; i < 256 * 8; i++) {
		h[i / 8] ^= 1 << i % 8;
		if (image_qcow2(h, HEAD, &im, why, sizeof(why)) == 1) {
			ATF_CHECK(im.name_len > 0 &&
			    im.name_len <= IMAGE_NAME_MAX);
			ATF_CHECK(im.name_offset + im.name_len <= 1U << 21);
		}
		h[i / 8] ^= 1 << i % 8;
	}
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, backing_file);
	ATF_TP_ADD_TC(tp, refused);
	ATF_TP_ADD_TC(tp, mutations);
	return (atf_no_error());
}
