/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * What libvirt's domain format has, in each element that we read: so that
 * what we don't do is refused by name, and only what nobody knows may be
 * dropped.  An '@' marks an attribute.
 *
 * There is a row for each element that xml_sweep gets to: one that a parser
 * looks at.  What that parser handles may stand here or not.
 */

#include <stdlib.h>
#include <string.h>

#include "domain/domain.h"
#include "domain/xml.h"

static const struct schema {
	const char	*element;
	const char	*knows;
} schema[] = {
	{ "address", "@base @bus @controller @cssid @devno @domain @function "
	    "@iobase @irq @multifunction @port @reg @slot @ssid @target @type "
	    "@unit @uuid zpci" },
	{ "alias", "@name" },
	{ "backingStore", "@index @type backingStore format source" },
	{ "boot", "@dev @loadparm @order" },
	{ "bootmenu", "@enable @timeout" },
	{ "clock", "@adjustment @basis @offset @start @timezone timer" },
	{ "console", "@tty @type acpi address alias log protocol source "
	    "target" },
	{ "controller", "@index @maxEventChannels @maxGrantFrames @model "
	    "@ports @type @vectors acpi address alias driver master model "
	    "pcihole64 target" },
	{ "currentMemory", "@unit" },
	{ "devices", "audio channel console controller crypto disk emulator "
	    "filesystem graphics hostdev hub input interface iommu lease "
	    "memballoon memory nvram panic parallel pstore redirdev "
	    "redirfilter rng serial shmem smartcard sound tpm video vsock "
	    "watchdog" },
	{ "disk", "@device @model @rawio @sgio @snapshot @type acpi address "
	    "alias auth backenddomain backingStore blockio boot driver "
	    "encryption geometry iotune mirror privateData product readonly "
	    "serial shareable source target throttlefilters transient vendor "
	    "wwn" },
	{ "domain", "@id @type blkiotune bootloader bootloader_args "
	    "capabilities clock commandline cpu cputune currentMemory "
	    "datacenterpath defaultiothread deprecation description devices "
	    "features genid idmap iothreadids iothreads keywrap "
	    "launchSecurity maxMemory memory memoryBacking memtune metadata "
	    "name namespace numatune on_crash on_lockfailure on_poweroff "
	    "on_reboot os override perf pm resource seclabel sysinfo "
	    "throttlegroups title uuid vcpu vcpus" },
	{ "driver", "@ats @aw_bits @cache @caching_mode @cmd_per_lun "
	    "@copy_on_read @detect_zeroes @discard @discard_no_unref @eim "
	    "@error_policy @event_idx @format @intremap @io @ioeventfd "
	    "@iommu @iothread @iotlb @max_sectors @name @packed @page_per_vq "
	    "@queue @queue_size @queues @rerror_policy @rss "
	    "@rss_hash_report @rx_queue_size @tx_queue_size @txmode @type "
	    "@vgaconf @wrpolicy guest host iothreads metadata_cache "
	    "statistics" },
	{ "features", "acpi aia apic async-teardown capabilities ccf-assist "
	    "cfpc gic hap hpt htm hyperv ibs ioapic kvm msrs nested-hv pae "
	    "pmu privnet ps2 pvspinlock ras sbbc smm tcg viridian vmcoreinfo "
	    "vmport xen" },
	{ "apic", "@eoi" },
	{ "pae", "" },
	{ "acpi", "@index table" },
	{ "format", "@type metadata_cache" },
	{ "graphics", "@address @autoport @connected @defaultMode @display "
	    "@fullscreen @keymap @listen @multiUser @p2p @passwd "
	    "@passwdValidTo @port @powerControl @replaceUser @sharePolicy "
	    "@socket @tlsPort @type @username @websocket @xauth audio channel "
	    "clipboard filetransfer gl image jpeg listen mouse playback "
	    "streaming zlib" },
	{ "input", "@bus @model @type acpi address alias driver source" },
	{ "interface", "@managed @trustGuestRxFilters @type acpi address "
	    "alias backend backenddomain bandwidth boot coalesce downscript "
	    "driver filterref guest ip link mac model mtu port portForward "
	    "rom route script source target teaming tune virtualport vlan" },
	{ "link", "@state" },
	{ "listen", "@address @network @socket @type" },
	{ "mac", "@address @check @currentAddress @type" },
	{ "memballoon", "@autodeflate @freePageReporting @model acpi address "
	    "alias driver stats" },
	{ "memory", "@dumpCore @unit" },
	{ "model", "@blob @edid @fallback @heads @name @primary @ram @type "
	    "@vendor_id @vgamem @vram @vram64 acceleration resolution" },
	{ "os", "@firmware acpi bios boot bootmenu cmdline dtb firmware init "
	    "initarg initdir initenv initgroup initrd inituser kernel loader "
	    "nvram root shim smbios type varstore" },
	{ "serial", "@tty @type acpi address alias log protocol source "
	    "target" },
	{ "source", "@address @append @bridge @channel @connectionid @dev "
	    "@dir @evdev @fdgroup @file @grab @grabToggle @guestReset @host "
	    "@index @macTableManager @managed @master @missing @mode @name "
	    "@namespace @network @path @pool @port @portgroup @portgroupid "
	    "@portid @protocol @query @repeat @service @slave @socket "
	    "@startupPolicy @switchid @tls @tlsHostname @type @units @usage "
	    "@volume @writeFiltering @wwpn adapter address alignsize auth "
	    "block char clipboard config cookies dataStore encryption host "
	    "identity initiator interface ip local mouse nodemask pagesize "
	    "path pmem privateData product readahead reconnect reservations "
	    "route seclabel slices snapshot ssl timeout vendor" },
	{ "stats", "@period" },
	{ "target", "@address @bus @busNr @chassis @chassisNr @dev @dir "
	    "@dpofs @hotplug @index @managed @memReserve @name @offset @path "
	    "@port @removable @rotation_rate @state @tray @type block "
	    "current label model node readonly requested size" },
	{ "type", "@arch @machine" },
	{ "vcpu", "@cpuset @current @enabled @hotpluggable @id @order "
	    "@placement" },
	{ "video", "acpi address alias driver model" },
};

static int	 knows(const char *, const char *, int);

static int
knows(const char *in, const char *name, int attr)
{
	const char	*p;
	size_t		 i, n, len = strlen(name);

	for (i = 0; i < sizeof(schema) / sizeof(schema[0]); i++) {
		if (strcmp(schema[i].element, in) != 0)
			continue;
		for (p = schema[i].knows; *p != '\0'; p += n) {
			p += strspn(p, " ");
			n = strcspn(p, " ");
			if (attr ? n == len + 1 && p[0] == '@' &&
			    memcmp(p + 1, name, len) == 0 :
			    n == len && memcmp(p, name, len) == 0)
				return (1);
		}
	}
	return (0);
}

int
schema_element(const char *in, const char *name)
{
	return (knows(in, name, 0));
}

int
schema_attr(const char *in, const char *name)
{
	return (knows(in, name, 1));
}
