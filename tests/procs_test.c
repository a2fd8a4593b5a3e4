/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * The table of procedures, the codecs of all bodies in it, and the errors.
 */

#include <sys/types.h>

#include <atf-c.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rpc/body.h"
#include "rpc/const.h"
#include "rpc/error.h"
#include "rpc/frame.h"
#include "rpc/procs.h"

#define nitems(a)	(sizeof(a) / sizeof((a)[0]))

/* --- making values ----------------------------------------------------------
 *
 * A codec that decodes from here gets whatever fits: counts and numbers below
 * range (sometimes any number), text of letters.  With first set, the first
 * number is that: the count of a body that begins with a list.
 */

static struct source {
	uint64_t	 seed;
	unsigned int	 range;		/* 0: zeros only */
	int		 use_first;
	uint32_t	 first;
} source;

static uint32_t
source_random(void)
{
	source.seed ^= source.seed << 13;
	source.seed ^= source.seed >> 7;
	source.seed ^= source.seed << 17;
	return ((uint32_t)(source.seed >> 16));
}

static bool_t
source_getlong(XDR *x, long *l)
{
	if (source.use_first) {
		source.use_first = 0;
		*l = (long)source.first;
	} else if (source.range == 0)
		*l = 0;
	else if (source_random() % 8 == 0)
		*l = (long)(int32_t)source_random();
	else
		*l = (long)(source_random() % source.range);
	return (TRUE);
}

static bool_t
source_getbytes(XDR *x, char *p, u_int n)
{
	u_int	 i;

	for (i = 0; i < n; i++)
		p[i] = (char)(source.range == 0 ? 0 :
		    'a' + source_random() % 26);
	return (TRUE);
}

static int32_t *
source_inline(XDR *x, u_int n)
{
	return (NULL);
}

static u_int
source_getpos(XDR *x)
{
	return (0);
}

static void
source_destroy(XDR *x)
{
}

static const struct xdr_ops source_ops = {
	.x_getlong = source_getlong,
	.x_getbytes = source_getbytes,
	.x_inline = source_inline,
	.x_getpostn = source_getpos,
	.x_destroy = source_destroy
};

/* A value of size bytes at out; 0 if what came cannot be one. */
static int
source_value(xdrproc_t proc, void *out, size_t size)
{
	XDR	 x;

	memset(&x, 0, sizeof(x));
	memset(out, 0, size);
	x.x_op = XDR_DECODE;
	x.x_ops = &source_ops;
	if (proc(&x, out))
		return (1);
	rpc_free(proc, out);
	return (0);
}

/* --- every codec of the table ---------------------------------------------- */

static void
each_codec(void (*fn)(const char *, xdrproc_t, size_t))
{
	const struct rpc_proc	*p;
	const struct rpc_event	*e;
	char			 name[80];
	size_t			 i;

	for (i = 0; (p = rpc_proc_index(i)) != NULL; i++) {
		snprintf(name, sizeof(name), "%s argument", p->name);
		fn(name, p->arg, p->argsize);
		snprintf(name, sizeof(name), "%s result", p->name);
		fn(name, p->res, p->ressize);
	}
	for (i = 0; (e = rpc_event_index(i)) != NULL; i++)
		fn(e->name, e->body, e->bodysize);
	fn("error", (xdrproc_t)xdr_rp_error, sizeof(rp_error));
	fn("hole", (xdrproc_t)xdr_rp_hole, sizeof(rp_hole));
}

/* Encode, decode, encode: the same bytes; size tells how many. */
static void
round_trip(const char *name, xdrproc_t proc, size_t size, void *v,
    char **buf, size_t *len)
{
	void	*v2;
	char	*buf2;
	size_t	 len2;

	ATF_REQUIRE_EQ_MSG(0, rpc_encode(proc, v, 0, buf, len), "%s", name);
	ATF_CHECK_EQ(*len, (size_t)rpc_size(proc, v));
	ATF_REQUIRE((v2 = malloc(size)) != NULL);
	ATF_REQUIRE_EQ_MSG(0, rpc_decode(proc, *buf, *len, v2, size),
	    "%s: does not decode", name);
	ATF_REQUIRE_EQ(0, rpc_encode(proc, v2, 28, &buf2, &len2));
	ATF_REQUIRE_EQ_MSG(*len + 28, len2, "%s", name);
	ATF_CHECK_EQ_MSG(0, memcmp(*buf, buf2 + 28, *len), "%s", name);
	free(buf2);
	rpc_free(proc, v2);
	free(v2);
}

static void
codec_zero(const char *name, xdrproc_t proc, size_t size)
{
	void	*v;
	char	*buf;
	size_t	 len, i;

	source.range = 0;
	ATF_REQUIRE((v = malloc(size)) != NULL);
	ATF_REQUIRE_EQ_MSG(1, source_value(proc, v, size), "%s", name);
	round_trip(name, proc, size, v, &buf, &len);
	for (i = 0; i < len; i++)
		ATF_CHECK_EQ_MSG('\0', buf[i], "%s", name);
	rpc_free(proc, v);
	free(v);
	free(buf);
}

/* Bodies cut anywhere, and longer ones. */
static void
refuse_other_lengths(const char *name, xdrproc_t proc, size_t size,
    const char *buf, size_t len)
{
	char	*out, *copy;
	size_t	 i, k;

	ATF_REQUIRE((out = malloc(size)) != NULL);
	for (i = 0; i <= len + 8; i++) {
		if (i == len)
			continue;
		/* of exactly this size, so that a sanitizer sees more */
		ATF_REQUIRE((copy = calloc(1, i == 0 ? 1 : i)) != NULL);
		memcpy(copy, buf, i < len ? i : len);
		memset(out, 'x', size);
		errno = 0;
		ATF_CHECK_EQ_MSG(-1, rpc_decode(proc, copy, i, out, size),
		    "%s: %zu of %zu bytes decode", name, i, len);
		ATF_CHECK_EQ(EBADMSG, errno);
		for (k = 0; k < size; k++)
			ATF_CHECK_EQ_MSG('\0', out[k], "%s: remains", name);
		free(copy);
	}
	free(out);
}

static void
codec_random(const char *name, xdrproc_t proc, size_t size)
{
	void	*v;
	char	*buf;
	size_t	 len;
	int	 done = 0, i;

	ATF_REQUIRE((v = malloc(size)) != NULL);
	for (i = 0; i < 2000 && done < 20; i++) {
		source.range = 2 + source_random() % 7;
		if (!source_value(proc, v, size))
			continue;
		round_trip(name, proc, size, v, &buf, &len);
		if (done < 3 && len < 4096)
			refuse_other_lengths(name, proc, size, buf, len);
		done++;
		rpc_free(proc, v);
		free(buf);
	}
	ATF_CHECK_EQ_MSG(20, done, "%s: %d values", name, done);
	free(v);
}

ATF_TC_WITHOUT_HEAD(codecs_zero);
ATF_TC_BODY(codecs_zero, tc)
{
	each_codec(codec_zero);
}

ATF_TC_WITHOUT_HEAD(codecs_random);
ATF_TC_BODY(codecs_random, tc)
{
	source.seed = 20260101;
	each_codec(codec_random);
}

/* --- bounds ------------------------------------------------------------------ */

/* Bodies that begin with a list, and how long it may be. */
static const struct {
	const char	*name;
	xdrproc_t	 proc;
	size_t		 size;
	uint32_t	 max;
} lists[] = {
#define L(t, max)	{ #t, (xdrproc_t)xdr_##t, sizeof(t), max }
	L(rp_names, 16384),
	L(rp_ids, 16384),
	L(rp_doms, 16384),
	L(rp_nets, 16384),
	L(rp_pools, 16384),
	L(rp_ifaces, 16384),
	L(rp_filters, 16384),
	L(rp_bindings, 16384),
	L(rp_secrets, 16384),
	L(rp_nodedevs, 65536),
	L(rp_device_names, 65536),
	L(rp_auth_types, 20),
	L(rp_cpu_map, 2048),
	L(rp_labels, 64),
	L(rp_label, 4097),
	L(rp_secmodel, 257),
	L(rp_messages, 2048),
	L(own_log, 65536)
};

ATF_TC_WITHOUT_HEAD(lists_max);
ATF_TC_BODY(lists_max, tc)
{
	char	*buf, *out;
	size_t	 i, k, len;
	uint32_t over[] = { 1, 0x7fffffff, 0x80000000, 0xffffffff };

	for (i = 0; i < nitems(lists); i++) {
		ATF_REQUIRE((out = malloc(lists[i].size)) != NULL);
		source.range = 0;
		source.use_first = 1;
		source.first = lists[i].max;
		ATF_REQUIRE_EQ_MSG(1, source_value(lists[i].proc, out,
		    lists[i].size), "%s", lists[i].name);
		round_trip(lists[i].name, lists[i].proc, lists[i].size, out,
		    &buf, &len);
		ATF_CHECK_MSG(len < FRAME_MAX_IN, "%s", lists[i].name);
		rpc_free(lists[i].proc, out);

		/* the same bytes, but for the count */
		buf = realloc(buf, len + 64);
		ATF_REQUIRE(buf != NULL);
		memset(buf + len, 0, 64);
		for (k = 0; k < nitems(over); k++) {
			uint32_t	 n = over[k] == 1 ? lists[i].max + 1 :
					    over[k];

			buf[0] = (char)(n >> 24);
			buf[1] = (char)(n >> 16);
			buf[2] = (char)(n >> 8);
			buf[3] = (char)n;
			ATF_CHECK_ERRNO(EBADMSG, rpc_decode(lists[i].proc,
			    buf, len + 64, out, lists[i].size) == -1);
		}
		free(buf);
		free(out);
	}
}

/* Text of bodies that begin with one, and how long it may be. */
static const struct {
	const char	*name;
	xdrproc_t	 proc;
	size_t		 size;
	uint32_t	 max;
} texts[] = {
	L(rp_text, 4194304),
	L(rp_text_flags, 4194304),
	L(rp_dom, 4194304),
	L(own_ended, 255),
	L(own_log_args, 255)
#undef L
};

ATF_TC_WITHOUT_HEAD(texts_max);
ATF_TC_BODY(texts_max, tc)
{
	char		*buf, *out, *text;
	size_t		 i, len;
	uint32_t	 n;

	for (i = 0; i < nitems(texts); i++) {
		ATF_REQUIRE((out = malloc(texts[i].size)) != NULL);
		source.range = 4;
		source.seed = i + 1;
		do {
			source.use_first = 1;
			source.first = texts[i].max;
		} while (!source_value(texts[i].proc, out, texts[i].size));
		round_trip(texts[i].name, texts[i].proc, texts[i].size, out,
		    &buf, &len);
		ATF_CHECK(len >= texts[i].max && len < FRAME_MAX_IN);

		/* a byte more does not encode */
		memcpy(&text, out, sizeof(text));
		ATF_CHECK_EQ(texts[i].max, strlen(text));
		ATF_REQUIRE((text = realloc(text, texts[i].max + 2)) != NULL);
		memcpy(text + texts[i].max, "x", 2);
		memcpy(out, &text, sizeof(text));
		ATF_CHECK_ERRNO(EINVAL,
		    rpc_size(texts[i].proc, out) == -1);
		text[texts[i].max] = '\0';	/* body.h, rpc_free */
		rpc_free(texts[i].proc, out);

		/* and does not decode */
		for (n = 1; n != 0; n <<= 1) {
			uint32_t	 v = texts[i].max + n;

			buf[0] = (char)(v >> 24);
			buf[1] = (char)(v >> 16);
			buf[2] = (char)(v >> 8);
			buf[3] = (char)v;
			ATF_CHECK_ERRNO(EBADMSG, rpc_decode(texts[i].proc,
			    buf, len, out, texts[i].size) == -1);
		}
		free(buf);
		free(out);
	}
}

/* --- exactness --------------------------------------------------------------- */

/* Bodies that libtirpc would read, but that nobody encodes like this. */
ATF_TC_WITHOUT_HEAD(sloppy_bodies);
ATF_TC_BODY(sloppy_bodies, tc)
{
	static const struct {
		xdrproc_t	 proc;
		size_t		 size;
		size_t		 len;
		const char	*bytes;
		const char	*what;
	} cases[] = {
#define C(t, bytes, what) \
    { (xdrproc_t)xdr_##t, sizeof(t), sizeof(bytes) - 1, bytes, what }
		C(rp_text, "\0\0\0\3abc\1", "padding"),
		C(rp_text, "\0\0\0\5ab\0cd\0\0\0", "NUL inside"),
		C(rp_text, "\0\0\0\3ab\0\0", "NUL at the end"),
		C(rp_opttext, "\0\0\0\2\0\0\0\1a\0\0\0", "bool 2"),
		C(rp_opttext, "\377\377\377\377\0\0\0\1a\0\0\0", "bool -1"),
		C(rp_cpu_map, "\0\0\0\1z\0\0\1\0\0\0\0\0\0\0\0",
		    "padding of opaque"),
		C(rp_label, "\0\0\0\1\0\0\1a\0\0\0\0", "char of 9 bits"),
		C(rp_dom_info, "\0\0\1\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
		    "\0\0\0\0\0\0\0\0\0\0\0\0", "unsigned char of 9 bits"),
		C(rp_dom_info, "\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
		    "\0\1\0\0\0\0\0\0\0\0\0\0", "short of 17 bits"),
		C(own_status, "\0\0\0\1\0\0\0\1k\0\0\0\0\0\0\0\0\0\0\0",
		    "value of type 0"),
		C(own_status, "\0\0\0\1\0\0\0\1k\0\0\0\0\0\0\10\0\0\0\0",
		    "value of type 8"),
#undef C
	};
	char	 out[256];
	size_t	 i;

	for (i = 0; i < nitems(cases); i++) {
		ATF_REQUIRE(cases[i].size <= sizeof(out));
		errno = 0;
		ATF_CHECK_EQ_MSG(-1, rpc_decode(cases[i].proc, cases[i].bytes,
		    cases[i].len, out, cases[i].size), "%s", cases[i].what);
		ATF_CHECK_EQ(EBADMSG, errno);
	}
}

/* What is not there: NULL where text has to be, lists without memory. */
ATF_TC_WITHOUT_HEAD(null_values);
ATF_TC_BODY(null_values, tc)
{
	struct rp_dom	 dom;
	struct rp_names	 names;
	rp_none		 none;
	char		*buf;
	size_t		 len;

	memset(&dom, 0, sizeof(dom));
	ATF_CHECK_ERRNO(EINVAL, rpc_encode((xdrproc_t)xdr_rp_dom, &dom, 0,
	    &buf, &len) == -1);
	ATF_CHECK_EQ(NULL, buf);
	rpc_free((xdrproc_t)xdr_rp_dom, &dom);
	rpc_free((xdrproc_t)xdr_rp_dom, NULL);

	memset(&names, 0, sizeof(names));
	ATF_REQUIRE_EQ(0, rpc_encode((xdrproc_t)xdr_rp_names, &names, 0, &buf,
	    &len));
	ATF_CHECK_EQ(4, len);
	free(buf);

	/* no body at all */
	ATF_CHECK_EQ(0, rpc_decode((xdrproc_t)xdr_rp_none, NULL, 0, &none,
	    sizeof(none)));
}

/* --- the table ---------------------------------------------------------------- */

ATF_TC_WITHOUT_HEAD(lookup);
ATF_TC_BODY(lookup, tc)
{
	static const unsigned int programs[] = { 0x20008086, 0x20008087,
	    0x71656d64 };
	const struct rpc_proc	*p, *q;
	const struct rpc_event	*e, *f;
	size_t			 i, k, found = 0, nprocs, nevents;
	int			 n;

	for (i = 0; (p = rpc_proc_index(i)) != NULL; i++) {
		ATF_CHECK_EQ_MSG(p, rpc_proc_find(p->prog, p->number),
		    "%s: two of this number", p->name);
		ATF_CHECK_EQ_MSG(NULL, rpc_event_find(p->prog, p->number),
		    "%s: also an event", p->name);
		for (k = 0; k < i; k++) {
			q = rpc_proc_index(k);
			ATF_CHECK_MSG(strcmp(p->name, q->name) != 0, "%s",
			    p->name);
		}
		ATF_CHECK_MSG(p->arg != NULL && p->argsize > 0 &&
		    p->res != NULL && p->ressize > 0, "%s", p->name);
	}
	nprocs = i;
	for (i = 0; (e = rpc_event_index(i)) != NULL; i++) {
		ATF_CHECK_EQ_MSG(e, rpc_event_find(e->prog, e->number),
		    "%s: two of this number", e->name);
		for (k = 0; k < i; k++) {
			f = rpc_event_index(k);
			ATF_CHECK_MSG(strcmp(e->name, f->name) != 0, "%s",
			    e->name);
		}
	}
	nevents = i;

	for (i = 0; i < nitems(programs); i++) {
		ATF_CHECK(rpc_program_known(programs[i], 1));
		ATF_CHECK(!rpc_program_known(programs[i], 0));
		ATF_CHECK(!rpc_program_known(programs[i], 2));
		for (n = -70000; n < 70000; n++)
			if (rpc_proc_find(programs[i], n) != NULL ||
			    rpc_event_find(programs[i], n) != NULL)
				found++;
		ATF_CHECK_EQ(NULL, rpc_proc_find(programs[i], INT32_MAX));
		ATF_CHECK_EQ(NULL, rpc_proc_find(programs[i], INT32_MIN));
		ATF_CHECK_EQ(NULL, rpc_event_find(programs[i], INT32_MAX));
		ATF_CHECK_EQ(NULL, rpc_event_find(programs[i], INT32_MIN));
	}
	ATF_CHECK_EQ(nprocs + nevents, found);
	ATF_CHECK(!rpc_program_known(0, 1));
	ATF_CHECK_EQ(NULL, rpc_proc_find(0, 1));
	ATF_CHECK_EQ(NULL, rpc_proc_index(SIZE_MAX));
	ATF_CHECK_EQ(NULL, rpc_event_index(SIZE_MAX));
}

/*
 * Who may call what.  A procedure that is in none of these lists has to be
 * for full control.  To add one to may_read is to let everybody on the host
 * call it: it changes nothing, connects to nothing, takes no path, tells no
 * secret, and does not make the daemon talk to the guest.
 */
static const char *const before_open[] = {
	"connect_open", "connect_close", "connect_supports_feature",
	"auth_list"
};

static const char *const may_read[] = {
	/* the connection and the host */
	"connect_get_type", "connect_get_version", "connect_get_lib_version",
	"connect_get_hostname", "connect_get_uri", "connect_get_max_vcpus",
	"connect_get_capabilities", "connect_get_sysinfo",
	"connect_is_secure", "node_get_info", "node_get_free_memory",
	"node_get_cpu_map", "node_get_security_model",

	/* finding and looking at domains */
	"connect_num_of_domains", "connect_list_domains",
	"connect_num_of_defined_domains", "connect_list_defined_domains",
	"connect_list_all_domains", "domain_lookup_by_id",
	"domain_lookup_by_name", "domain_lookup_by_uuid",
	"domain_get_autostart", "domain_get_control_info", "domain_get_info",
	"domain_get_job_info", "domain_get_max_memory",
	"domain_get_max_vcpus", "domain_get_messages", "domain_get_metadata",
	"domain_get_os_type", "domain_get_security_label",
	"domain_get_security_label_list", "domain_get_state",
	"domain_has_current_snapshot", "domain_has_managed_save_image",
	"domain_is_active", "domain_is_persistent", "domain_is_updated",
	"domain_snapshot_num",

	/* these two with some of their flags only: the handler looks */
	"domain_get_vcpus_flags", "domain_get_xml_desc",

	/* lists of what else there is */
	"connect_num_of_networks", "connect_list_networks",
	"connect_num_of_defined_networks", "connect_list_defined_networks",
	"connect_list_all_networks",
	"connect_num_of_storage_pools", "connect_list_storage_pools",
	"connect_num_of_defined_storage_pools",
	"connect_list_defined_storage_pools",
	"connect_list_all_storage_pools",
	"connect_num_of_interfaces", "connect_list_interfaces",
	"connect_num_of_defined_interfaces",
	"connect_list_defined_interfaces", "connect_list_all_interfaces",
	"connect_num_of_nwfilters", "connect_list_nwfilters",
	"connect_list_all_nwfilters", "connect_list_all_nwfilter_bindings",
	"connect_num_of_secrets", "connect_list_secrets",
	"connect_list_all_secrets",
	"node_num_of_devices", "node_list_devices",
	"connect_list_all_node_devices",

	/* looking for one of those: compared with what there is, not opened */
	"network_lookup_by_name", "network_lookup_by_uuid",
	"storage_pool_lookup_by_name", "storage_pool_lookup_by_uuid",
	"storage_pool_lookup_by_volume", "storage_pool_lookup_by_target_path",
	"storage_vol_lookup_by_name", "storage_vol_lookup_by_key",
	"storage_vol_lookup_by_path",
	"node_device_lookup_by_name",
	"interface_lookup_by_name", "interface_lookup_by_mac_string",
	"secret_lookup_by_uuid", "secret_lookup_by_usage",
	"nwfilter_lookup_by_name", "nwfilter_lookup_by_uuid",
	"nwfilter_binding_lookup_by_port_dev",

	/* events: what they say can be asked for as well */
	"connect_domain_event_register", "connect_domain_event_deregister",
	"connect_domain_event_register_any",
	"connect_domain_event_deregister_any",
	"connect_domain_event_callback_register_any",
	"connect_domain_event_callback_deregister_any",
	"connect_network_event_register_any",
	"connect_network_event_deregister_any",
	"connect_storage_pool_event_register_any",
	"connect_storage_pool_event_deregister_any",
	"connect_node_device_event_register_any",
	"connect_node_device_event_deregister_any",
	"connect_secret_event_register_any",
	"connect_secret_event_deregister_any",
	"connect_register_close_callback",
	"connect_unregister_close_callback",

	/* our own */
	"daemon_status"
};

static const char *const for_launchers[] = {
	"launch_register", "launch_ended"
};

/* For full control, by the names that clients know. */
static const char *const may_write[] = {
	"virDomainCreate", "virDomainCreateXML", "virDomainCreateWithFlags",
	"virDomainDefineXML", "virDomainDefineXMLFlags", "virDomainDestroy",
	"virDomainDestroyFlags", "virDomainOpenConsole",
	"virDomainQemuMonitorCommand", "virDomainReboot", "virDomainRename",
	"virDomainReset", "virDomainResume", "virDomainSetAutostart",
	"virDomainSetMetadata", "virDomainShutdown", "guest_log",
	"virDomainShutdownFlags", "virDomainSuspend", "virDomainUndefine",
	"virDomainUndefineFlags"
};

static int
listed(const char *name, const char *const *list, size_t n)
{
	size_t	 i;

	for (i = 0; i < n; i++)
		if (strcmp(name, list[i]) == 0)
			return (1);
	return (0);
}

ATF_TC_WITHOUT_HEAD(access_classes);
ATF_TC_BODY(access_classes, tc)
{
	const struct rpc_proc	*p;
	enum rpc_access		 want;
	char			 name[RPC_API_NAME_MAX];
	size_t			 i;

	for (i = 0; (p = rpc_proc_index(i)) != NULL; i++) {
		rpc_proc_api_name(p, name, sizeof(name));
		if (listed(p->name, before_open, nitems(before_open)))
			want = ACCESS_NONE;
		else if (listed(p->name, may_read, nitems(may_read)))
			want = ACCESS_READ;
		else if (listed(p->name, for_launchers,
		    nitems(for_launchers)))
			want = ACCESS_LAUNCH;
		else {
			want = ACCESS_WRITE;
			ATF_CHECK_MSG(listed(name, may_write,
			    nitems(may_write)), "%s is in no list", name);
		}
		ATF_CHECK_EQ_MSG(want, p->access, "%s", p->name);

		ATF_CHECK_EQ(want == ACCESS_NONE || want == ACCESS_READ,
		    rpc_proc_allowed(p, RIGHTS_READ_ONLY));
		ATF_CHECK_EQ(want != ACCESS_LAUNCH,
		    rpc_proc_allowed(p, RIGHTS_FULL_CONTROL));
		ATF_CHECK_EQ(want == ACCESS_LAUNCH,
		    rpc_proc_allowed(p, RIGHTS_LAUNCH));
		ATF_CHECK(!rpc_proc_allowed(p, 0));

		/* what makes a stream or takes descriptors is not to read */
		if (p->flags != 0)
			ATF_CHECK(!rpc_proc_allowed(p, RIGHTS_READ_ONLY));
	}
	ATF_CHECK_EQ_MSG(nitems(before_open) + nitems(may_read) +
	    nitems(for_launchers) + nitems(may_write), i,
	    "a list names what is not in the table");
}

/* Numbers that clients rely on, written down once more. */
ATF_TC_WITHOUT_HEAD(numbers);
ATF_TC_BODY(numbers, tc)
{
	static const struct {
		unsigned int	 prog;
		int		 number;
		const char	*name;
	} procs[] = {
		{ 0x20008086, 1, "connect_open" },
		{ 0x20008086, 2, "connect_close" },
		{ 0x20008086, 14, "domain_get_xml_desc" },
		{ 0x20008086, 60, "connect_supports_feature" },
		{ 0x20008086, 66, "auth_list" },
		{ 0x20008086, 110, "connect_get_uri" },
		{ 0x20008086, 201, "domain_open_console" },
		{ 0x20008086, 273, "connect_list_all_domains" },
		{ 0x20008086, 316,
		    "connect_domain_event_callback_register_any" },
		{ 0x20008086, 426, "domain_get_messages" },
		{ 0x20008087, 1, "qemu_domain_monitor_command" },
		{ 0x71656d64, 1, "launch_register" },
		{ 0x71656d64, 2, "launch_ended" },
		{ 0x71656d64, 16, "guest_log" },
		{ 0x71656d64, 17, "daemon_status" }
	};
	size_t	 i;

	for (i = 0; i < nitems(procs); i++) {
		ATF_REQUIRE_MSG(rpc_proc_find(procs[i].prog, procs[i].number)
		    != NULL, "%s", procs[i].name);
		ATF_CHECK_STREQ(procs[i].name, rpc_proc_find(procs[i].prog,
		    procs[i].number)->name);
	}
	ATF_CHECK_STREQ("domain_event_callback_lifecycle",
	    rpc_event_find(0x20008086, 318)->name);
	ATF_CHECK_STREQ("launch_renew", rpc_event_find(0x71656d64, 8)->name);
	ATF_CHECK_STREQ("launch_kill", rpc_event_find(0x71656d64, 9)->name);
	ATF_CHECK_EQ(PROC_STREAM, rpc_proc_find(0x20008086, 201)->flags);
	ATF_CHECK_EQ(PROC_FDS, rpc_proc_find(0x71656d64, 1)->flags);
}

ATF_TC_WITHOUT_HEAD(api_names);
ATF_TC_BODY(api_names, tc)
{
	static const struct {
		unsigned int	 prog;
		int		 number;
		const char	*name;
	} names[] = {
		{ RP_PROGRAM, PROC_domain_lookup_by_uuid,
		    "virDomainLookupByUUID" },
		{ RP_PROGRAM, PROC_domain_lookup_by_id,
		    "virDomainLookupByID" },
		{ RP_PROGRAM, PROC_domain_get_os_type, "virDomainGetOSType" },
		{ RP_PROGRAM, PROC_domain_get_xml_desc,
		    "virDomainGetXMLDesc" },
		{ RP_PROGRAM, PROC_node_get_cpu_map, "virNodeGetCPUMap" },
		{ RP_PROGRAM, PROC_connect_get_uri, "virConnectGetURI" },
		{ RP_PROGRAM, PROC_connect_list_all_nwfilters,
		    "virConnectListAllNWFilters" },
		{ RQ_PROGRAM, PROC_qemu_domain_monitor_command,
		    "virDomainQemuMonitorCommand" },
		{ OWN_PROGRAM, PROC_guest_log, "guest_log" }
	};
	char	 buf[RPC_API_NAME_MAX], small[8];
	size_t	 i;

	for (i = 0; i < nitems(names); i++)
		ATF_CHECK_STREQ(names[i].name, rpc_proc_api_name(
		    rpc_proc_find(names[i].prog, names[i].number), buf,
		    sizeof(buf)));
	ATF_CHECK_STREQ("virDoma", rpc_proc_api_name(rpc_proc_find(RP_PROGRAM,
	    PROC_domain_destroy), small, sizeof(small)));
	for (i = 0; rpc_proc_index(i) != NULL; i++)
		ATF_CHECK(strlen(rpc_proc_api_name(rpc_proc_index(i), buf,
		    sizeof(buf))) < sizeof(buf) - 1);
}

/* qemud-protocol.7 has a line for each. */
ATF_TC_WITHOUT_HEAD(manual);
ATF_TC_BODY(manual, tc)
{
	static const char *const classes[] = {
		[ACCESS_NONE] = "open", [ACCESS_READ] = "read",
		[ACCESS_WRITE] = "write", [ACCESS_LAUNCH] = "launch"
	};
	static char		 text[65536];
	const struct rpc_proc	*p;
	const struct rpc_event	*e;
	const char		*dir;
	char			 buf[256];
	FILE			*fp;
	size_t			 i, len;

	if ((dir = getenv("SRCDIR")) == NULL)
		atf_tc_skip("SRCDIR is not set");
	snprintf(buf, sizeof(buf), "%s/rpc/qemud-protocol.7", dir);
	ATF_REQUIRE((fp = fopen(buf, "r")) != NULL);
	len = fread(text, 1, sizeof(text) - 1, fp);
	fclose(fp);
	ATF_REQUIRE(len > 0 && len < sizeof(text) - 1);
	text[len] = '\0';

	for (i = 0; (p = rpc_proc_index(i)) != NULL; i++) {
		snprintf(buf, sizeof(buf), "\n.It %d Ta %s%s Ta %s Ta ",
		    p->number, p->name, p->flags & PROC_STREAM ? "*" : "",
		    classes[p->access]);
		ATF_CHECK_MSG(strstr(text, buf) != NULL, "no line %s", buf + 1);
	}
	for (i = 0; (e = rpc_event_index(i)) != NULL; i++) {
		snprintf(buf, sizeof(buf), "\n.It %d Ta %s Ta ", e->number,
		    e->name);
		ATF_CHECK_MSG(strstr(text, buf) != NULL, "no line %s", buf + 1);
	}
}

/* --- errors -------------------------------------------------------------------- */

/* The words that scripts and programs look for. */
ATF_TC_WITHOUT_HEAD(error_texts);
ATF_TC_BODY(error_texts, tc)
{
	static const struct {
		enum rpc_code	 code;
		const char	*detail;
		const char	*text;
	} cases[] = {
		{ RPCE_NO_DOMAIN, "no domain with matching name 'x'",
		    "Domain not found: no domain with matching name 'x'" },
		{ RPCE_NO_DOMAIN, "", "Domain not found" },
		{ RPCE_OPERATION_INVALID, "domain is not running",
		    "Requested operation is not valid: "
		    "domain is not running" },
		{ RPCE_OPERATION_DENIED, "read only access prevents x",
		    "operation forbidden: read only access prevents x" },
		{ RPCE_OPERATION_DENIED, "",
		    "operation forbidden for read only access" },
		{ RPCE_NO_SUPPORT, "virDomainX", "this function is not "
		    "supported by the connection driver: virDomainX" },
		{ RPCE_CONFIG_UNSUPPORTED, "x", "unsupported configuration: "
		    "x" },
		{ RPCE_XML_ERROR, "x", "XML error: x" },
		{ RPCE_XML_ERROR, "",
		    "XML description is invalid or not well formed" },
		{ RPCE_XML_DETAIL, "(domain_definition):1: x",
		    "(domain_definition):1: x" },
		{ RPCE_RPC, "unknown procedure: 5", "unknown procedure: 5" },
		{ RPCE_INVALID_ARG, "x", "invalid argument: x" },
		{ RPCE_OPERATION_FAILED, "x", "operation failed: x" },
		{ RPCE_OPERATION_UNSUPPORTED, "x",
		    "Operation not supported: x" },
		{ RPCE_OPERATION_TIMEOUT, "x",
		    "Timed out during operation: x" },
		{ RPCE_INTERNAL_ERROR, "x", "internal error: x" },
		{ RPCE_NO_MEMORY, "", "out of memory" },
		{ RPCE_DOM_EXIST, "'x'", "domain 'x' exists already" },
		{ RPCE_NO_DOMAIN_METADATA, "x", "metadata not found: x" },
		{ RPCE_NO_CONNECT, "x",
		    "no connection driver available for x" },
		{ RPCE_OS_TYPE, "xen", "unknown OS type xen" },
		{ RPCE_AGENT_UNRESPONSIVE, "x",
		    "Guest agent is not responding: x" },
		{ RPCE_DEVICE_MISSING, "x", "device not found: x" },
		{ RPCE_RESOURCE_BUSY, "x", "resource busy: x" },
		{ RPCE_NO_NETWORK, "x", "Network not found: x" },
		{ RPCE_NO_STORAGE_POOL, "x", "Storage pool not found: x" },
		{ RPCE_NO_SECRET, "x", "Secret not found: x" },
		{ RPCE_ACCESS_DENIED, "x", "access denied: x" }
	};
	struct rpc_error	 e, d;
	char			 text[256], *buf;
	size_t			 i, len;

	for (i = 0; i < nitems(cases); i++) {
		rpc_error_clear(&e);
		ATF_CHECK_EQ(-1, rpc_error_set(&e, RPCD_QEMU, cases[i].code,
		    "%s", cases[i].detail));
		ATF_CHECK_STREQ(cases[i].text, rpc_error_text(&e, text,
		    sizeof(text)));

		/* over the wire and back */
		ATF_REQUIRE_EQ(0, rpc_error_encode(&e, &buf, &len));
		ATF_REQUIRE_EQ(0, rpc_error_decode(&d, buf, len));
		ATF_CHECK_EQ(cases[i].code, d.code);
		ATF_CHECK_EQ(RPCD_QEMU, d.domain);
		ATF_CHECK_STREQ(cases[i].text, rpc_error_text(&d, text,
		    sizeof(text)));
		free(buf);
	}
	ATF_CHECK_STREQ("Domain not found", rpc_error_lead(RPCE_NO_DOMAIN));
	ATF_CHECK_STREQ("", rpc_error_lead((enum rpc_code)7777));
	ATF_CHECK_STREQ("", rpc_error_lead((enum rpc_code)-1));
}

ATF_TC_WITHOUT_HEAD(error_body);
ATF_TC_BODY(error_body, tc)
{
	/* code, domain, message, level, no domain, three strings, two
	 * numbers, no network */
	static const char	 want[] =
	    "\0\0\0\x2a" "\0\0\0\x0a"
	    "\0\0\0\1\0\0\0\x13" "Domain not found: x\0"
	    "\0\0\0\2"
	    "\0\0\0\0"
	    "\0\0\0\1\0\0\0\x14" "Domain not found: %s"
	    "\0\0\0\1\0\0\0\1" "x\0\0\0"
	    "\0\0\0\0"
	    "\xff\xff\xff\xff" "\xff\xff\xff\xff"
	    "\0\0\0\0";
	struct rpc_error	 e;
	char			*buf;
	size_t			 len;

	rpc_error_clear(&e);
	rpc_error_set(&e, RPCD_QEMU, RPCE_NO_DOMAIN, "x");
	ATF_REQUIRE_EQ(0, rpc_error_encode(&e, &buf, &len));
	ATF_REQUIRE_EQ(sizeof(want) - 1, len);
	ATF_CHECK_EQ(0, memcmp(want, buf, len));
	refuse_other_lengths("error", (xdrproc_t)xdr_rp_error,
	    sizeof(rp_error), buf, len);
	ATF_CHECK_ERRNO(EBADMSG, rpc_error_decode(&e, buf, len - 4) == -1);
	free(buf);

	/* an error that nobody set is one nevertheless */
	rpc_error_clear(&e);
	ATF_REQUIRE_EQ(0, rpc_error_encode(&e, &buf, &len));
	ATF_REQUIRE_EQ(0, rpc_error_decode(&e, buf, len));
	ATF_CHECK_EQ(RPCE_INTERNAL_ERROR, e.code);
	free(buf);
}

ATF_TC_WITHOUT_HEAD(error_first);
ATF_TC_BODY(error_first, tc)
{
	struct rpc_error	 e;
	char			 text[128];

	rpc_error_clear(&e);
	errno = ENOENT;
	ATF_CHECK_EQ(-1, rpc_error_sys(&e, RPCD_QEMU, "cannot open %s", "x"));
	ATF_CHECK_EQ(ENOENT, errno);
	ATF_CHECK_EQ(ENOENT, e.sys);
	rpc_error_set(&e, RPCD_RPC, RPCE_OPERATION_FAILED, "later");
	ATF_CHECK_EQ(RPCE_SYSTEM_ERROR, e.code);
	ATF_CHECK_STREQ("cannot open x: No such file or directory",
	    rpc_error_text(&e, text, sizeof(text)));
	ATF_CHECK_EQ(-1, rpc_error_set(NULL, RPCD_RPC, RPCE_RPC, "x"));
	ATF_CHECK_EQ(-1, rpc_error_sys(NULL, RPCD_RPC, "x"));
}

/* What is too long is cut, but not within a character. */
ATF_TC_WITHOUT_HEAD(error_long);
ATF_TC_BODY(error_long, tc)
{
	static char		 in[RPC_ERROR_MAX + 10];
	struct rpc_error	 e, d;
	char			 text[16], *buf;
	size_t			 i, len;

	/* a character of three bytes at each place around the limit */
	for (i = 0; i < 6; i++) {
		memset(in, 'a', sizeof(in) - 1);
		memcpy(in + RPC_ERROR_MAX - 6 + i, "\xe2\x82\xac", 3);
		rpc_error_clear(&e);
		rpc_error_set(&e, RPCD_QEMU, RPCE_XML_ERROR, "%s", in);
		/* whole if its third byte comes before the NUL */
		len = strlen(e.detail);
		ATF_CHECK_EQ(i <= 2 ? RPC_ERROR_MAX - 1 :
		    i <= 4 ? RPC_ERROR_MAX - 6 + i : RPC_ERROR_MAX - 1, len);
		ATF_CHECK_EQ(0, memcmp(in, e.detail, len));

		ATF_REQUIRE_EQ(0, rpc_error_encode(&e, &buf, &len));
		ATF_CHECK_EQ(0, rpc_error_decode(&d, buf, len));
		free(buf);
	}

	rpc_error_clear(&e);
	rpc_error_set(&e, RPCD_QEMU, RPCE_XML_ERROR, "\xe2\x82\xac");
	for (i = 1; i < sizeof(text); i++)
		ATF_CHECK_EQ(i <= 12 ? i - 1 : i <= 14 ? 11 : 14,
		    strlen(rpc_error_text(&e, text, i)));
	ATF_CHECK_STREQ("XML error: \xe2\x82\xac", text);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, codecs_zero);
	ATF_TP_ADD_TC(tp, codecs_random);
	ATF_TP_ADD_TC(tp, lists_max);
	ATF_TP_ADD_TC(tp, texts_max);
	ATF_TP_ADD_TC(tp, sloppy_bodies);
	ATF_TP_ADD_TC(tp, null_values);
	ATF_TP_ADD_TC(tp, lookup);
	ATF_TP_ADD_TC(tp, access_classes);
	ATF_TP_ADD_TC(tp, numbers);
	ATF_TP_ADD_TC(tp, api_names);
	ATF_TP_ADD_TC(tp, manual);
	ATF_TP_ADD_TC(tp, error_texts);
	ATF_TP_ADD_TC(tp, error_body);
	ATF_TP_ADD_TC(tp, error_first);
	ATF_TP_ADD_TC(tp, error_long);
	return (atf_no_error());
}
