/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * QEMU's version.  Every guest that starts says it, and it is kept in the
 * state folder together with what the emulator's file looked like.  When it
 * is not known, a guest that nobody sees, and that never executes an
 * instruction, is asked: by ourselves when the suite starts, or when a client
 * with full control wants to know; never because of one that may only look.
 */

#include <sys/stat.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "imsg/log.h"
#include "qemud/handlers.h"
#include "qemud/qemud.h"

#define VERSION_FILE	"qemu-version"
#define VERSION_FORMAT	"%u %ju %jd %jd\n"	/* inode, size, mtime */
#define WAITING_MAX	256		/* calls that wait for the answer */

static const char	*emulator(void);
static int		 version_probe(struct rpc_error *);
static void		 probe_done(struct guest *, const struct rpc_error *,
			    void *);

static struct stat	 file;		/* the emulator's */
static int		 have_file;
static int		 probing;
static struct rpc_error	 why;		/* the last attempt has failed */
static struct calls	 waiting = TAILQ_HEAD_INITIALIZER(waiting);
static unsigned int	 nwaiting;

static const char *
emulator(void)
{
	return (domain_default_emulator(ARCH_X86_64));
}

void
version_collect(void)
{
	have_file = stat(emulator(), &file) == 0;
}

void
version_load(void)
{
	unsigned int	 version;
	uintmax_t	 ino;
	intmax_t	 size, mtime;
	char		*data;
	size_t		 len;

	if (!have_file)
		return;
	data = file_read(env.dirs[DIR_STATE], VERSION_FILE, 256, &len);
	if (data != NULL && sscanf(data, VERSION_FORMAT, &version, &ino, &size,
	    &mtime) == 4 && ino == file.st_ino && size == file.st_size &&
	    mtime == file.st_mtime)
		env.qemu_version = version;
	free(data);
}

void
version_start(void)
{
	struct rpc_error	 err;

	if (env.qemu_version != 0 || !have_file)
		return;
	rpc_error_clear(&err);
	if (version_probe(&err) == -1)
		log_info("QEMU's version: %s", err.detail);
}

void
version_learn(const struct guest *g, unsigned int version)
{
	char	 line[128];

	if (version == 0 || version == env.qemu_version ||
	    strcmp(g->live->emulator, emulator()) != 0)
		return;
	env.qemu_version = version;
	if (!have_file)
		return;
	snprintf(line, sizeof(line), VERSION_FORMAT, version,
	    (uintmax_t)file.st_ino, (intmax_t)file.st_size,
	    (intmax_t)file.st_mtime);
	if (file_replace(env.dirs[DIR_STATE], VERSION_FILE,
	    VERSION_FILE ".new", line, strlen(line), 0) == -1)
		log_warn("%s/" VERSION_FILE, env.conf.state);
}

/* probe_done hears how it went, unless this fails. */
static int
version_probe(struct rpc_error *err)
{
	struct domain_error	 derr = { 0 };
	struct domain		*d;
	struct guest		*g;
	char			 name[64], xml[512];
	unsigned int		 n = 0;

	if (probing)
		return (0);
	do
		snprintf(name, sizeof(name), ".version.%u", ++n);
	while (guest_find_name(name) != NULL);
	snprintf(xml, sizeof(xml),
	    "<domain type='qemu'><name>%s</name>"
	    "<memory unit='MiB'>16</memory><vcpu>1</vcpu>"
	    "<os><type arch='x86_64' machine='pc'>hvm</type></os></domain>",
	    name);
	if (domain_parse(xml, strlen(xml), 0, &d, &derr) == -1)
		return (rpc_error_set(err, RPCD_DOMAIN, derr.code, "%s",
		    derr.text));
	if (domain_assign(d, &derr) == -1) {
		domain_free(d);
		return (rpc_error_set(err, RPCD_DOMAIN, derr.code, "%s",
		    derr.text));
	}
	if ((g = guest_new(d, err)) == NULL)
		return (-1);
	g->internal = 1;
	probing = 1;
	guest_start(g, NULL, 1, probe_done, NULL);
	return (0);
}

static void
probe_done(struct guest *g, const struct rpc_error *err, void *arg)
{
	rp_ulong	 res = { env.qemu_version };
	struct call	*c;

	probing = 0;
	rpc_error_clear(&why);
	if (err != NULL) {
		why = *err;
		log_warnx("cannot learn QEMU's version: %s", err->detail);
	} else if (env.qemu_version == 0)
		rpc_error_set(&why, RPCD_QEMU, RPCE_OPERATION_FAILED,
		    "QEMU does not say its version");
	while ((c = TAILQ_FIRST(&waiting)) != NULL) {
		TAILQ_REMOVE(&waiting, c, entry);
		nwaiting--;
		if (why.code != RPCE_OK)
			call_fail_with(c, &why);
		else
			call_ok(c, &res);
	}
	if (err == NULL)
		guest_kill(g, NULL, 0);
}

void
call_connect_get_version(struct call *c, void *arg)
{
	struct rpc_error	 err;
	rp_ulong		 res = { env.qemu_version };

	rpc_error_clear(&err);
	if (env.qemu_version != 0)
		call_ok(c, &res);
	else if (nwaiting >= WAITING_MAX)
		call_fail(c, RPCE_OPERATION_TIMEOUT, "%u calls are waiting for "
		    "QEMU's version already", nwaiting);
	else if (!probing && call_readonly(c))
		call_fail(c, RPCE_OPERATION_FAILED, "QEMU's version is not "
		    "known%s%s", why.code != RPCE_OK ? ": " : " yet",
		    why.detail);
	else if (version_probe(&err) == -1)
		call_fail_with(c, &err);
	else if (!probing)
		/* it has failed at once */
		call_fail_with(c, &why);
	else {
		TAILQ_INSERT_TAIL(&waiting, c, entry);
		nwaiting++;
	}
}
