/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/* struct domain to XML that libvirt's schema takes. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domain/domain.h"
#include "domain/device.h"

static void	 format_os(struct out *, const struct domain *);
static void	 format_features(struct out *, const struct domain *);
static void	 format_devices(struct out *, const struct domain *);
static void	 format_domain(struct out *, const struct domain *);

static void
format_os(struct out *o, const struct domain *d)
{
	unsigned int	 i;

	out_start(o, "os");
	out_start(o, "type");
	out_attr(o, "arch", domain_arch_name(d->os.arch));
	if (d->os.machine != NULL)
		out_attr(o, "machine", d->os.machine);
	out_text(o, "hvm");
	out_end(o);
	out_leaf(o, "kernel", d->os.kernel);
	out_leaf(o, "initrd", d->os.initrd);
	out_leaf(o, "cmdline", d->os.cmdline);
	for (i = 0; i < d->os.nboot; i++) {
		out_start(o, "boot");
		out_attr(o, "dev", domain_boots[d->os.boot[i]]);
		out_end(o);
	}
	out_end(o);
}

static void
format_features(struct out *o, const struct domain *d)
{
	if (!d->acpi && !d->apic && !d->pae)
		return;
	out_start(o, "features");
	out_leaf(o, "acpi", d->acpi ? "" : NULL);
	out_leaf(o, "apic", d->apic ? "" : NULL);
	out_leaf(o, "pae", d->pae ? "" : NULL);
	out_end(o);
}

static void
format_devices(struct out *o, const struct domain *d)
{
	const struct device	*dev;
	int			 t;

	out_start(o, "devices");
	out_leaf(o, "emulator", d->emulator);
	for (t = 0; t < DEVICE_NTYPES; t++)
		TAILQ_FOREACH(dev, &d->devices[t], entry)
			device_format(o, d, dev);
	out_end(o);
}

static void
format_domain(struct out *o, const struct domain *d)
{
	char	 text[37];

	out_start(o, "domain");
	out_attr(o, "type", domain_types[d->type]);
	if (d->id != -1 && out_live(o))
		out_attrf(o, "id", "%d", d->id);
	out_leaf(o, "name", d->name);
	if (d->has_uuid) {
		domain_uuid_format(d->uuid, text);
		out_leaf(o, "uuid", text);
	}
	out_leaf(o, "title", d->title);
	out_leaf(o, "description", d->description);
	if (d->metadata != NULL)
		out_raw(o, d->metadata);
	out_start(o, "memory");
	out_attr(o, "unit", "KiB");
	snprintf(text, sizeof(text), "%llu", (unsigned long long)d->memory);
	out_text(o, text);
	out_end(o);
	out_start(o, "currentMemory");
	out_attr(o, "unit", "KiB");
	snprintf(text, sizeof(text), "%llu",
	    (unsigned long long)d->current_memory);
	out_text(o, text);
	out_end(o);
	out_start(o, "vcpu");
	out_attr(o, "placement", "static");
	if (d->current_vcpus != d->vcpus)
		out_attrf(o, "current", "%u", d->current_vcpus);
	snprintf(text, sizeof(text), "%u", d->vcpus);
	out_text(o, text);
	out_end(o);
	format_os(o, d);
	format_features(o, d);
	out_start(o, "clock");
	out_attr(o, "offset", domain_clocks[d->clock]);
	out_end(o);
	out_leaf(o, "on_poweroff", domain_actions[d->on_poweroff]);
	out_leaf(o, "on_reboot", domain_actions[d->on_reboot]);
	out_leaf(o, "on_crash", domain_crash_actions[d->on_crash]);
	format_devices(o, d);
	out_end(o);
}

char *
domain_format(const struct domain *d, unsigned int flags)
{
	struct out	 o;

	memset(&o, 0, sizeof(o));
	o.flags = flags;
	format_domain(&o, d);
	if (o.failed) {
		freezero(o.buf, o.size);
		return (NULL);
	}
	return (o.buf);
}
