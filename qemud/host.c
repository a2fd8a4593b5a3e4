/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * The machine we run on.  Its files are read once, before this process gives
 * up the file system; what changes later is asked of the kernel by system
 * calls.
 */

#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "imsg/log.h"
#include "qemud/qemud.h"

static int	 cpu_clock(pid_t, struct timespec *);
static int	 file_int(const char *, int);
static int	 file_line(const char *, char *, size_t);
static void	 collect_cpus(rp_node_info *);
static void	 collect_mhz(rp_node_info *);
static unsigned int
		 collect_nodes(void);
static void	 collect_uuid(void);
static void	 collect_capabilities(void);
static void	 collect_emulators(FILE *);
static void	 collect_sysinfo(void);
static void	 xml_text(FILE *, const char *);

static rp_node_info	 node;
static char		*capabilities;
static char		*sysinfo_xml;
static char		 host_uuid[37];
static unsigned char	 cpu_map[RP_CPUMAP_MAX];
static unsigned int	 cpu_online;
static unsigned int	 cpu_present;

uint64_t
now_ms(void)
{
	struct timespec	 ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ((uint64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000);
}

void
host_collect(void)
{
	struct utsname	 un;
	struct sysinfo	 si;

	uname(&un);
	strlcpy(node.model, un.machine, sizeof(node.model));
	if (sysinfo(&si) == 0)
		node.memory = (uint64_t)si.totalram * si.mem_unit / 1024;
	collect_cpus(&node);
	collect_mhz(&node);
	collect_uuid();
	collect_capabilities();
	collect_sysinfo();
	file_line("/proc/sys/kernel/random/boot_id", env.boot_id,
	    sizeof(env.boot_id));
}

/* One line of a small file, without newline: its length, or -1. */
static int
file_line(const char *path, char *buf, size_t size)
{
	ssize_t	 n;
	int	 fd;

	buf[0] = '\0';
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		return (-1);
	n = read(fd, buf, size - 1);
	close(fd);
	if (n < 0)
		return (-1);
	buf[n] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	return (strlen(buf));
}

static int
file_int(const char *path, int otherwise)
{
	char		 line[32];
	const char	*error;
	int		 n;

	if (file_line(path, line, sizeof(line)) <= 0)
		return (otherwise);
	n = strtonum(line, 0, 1 << 20, &error);
	return (error != NULL ? otherwise : n);
}

/*
 * Sockets, cores and threads from sysfs.  What is asked for is that
 * nodes * sockets * cores * threads is the number of processors; where the
 * machine is not that regular, one node with one thread per core says it.
 */
static void
collect_cpus(rp_node_info *n)
{
	char		 path[128];
	unsigned int	 cpu, threads, max_package = 0, max_core = 0;
	int		 package, core, first;

	for (cpu = 0; cpu < sizeof(cpu_map) * 8; cpu++) {
		snprintf(path, sizeof(path),
		    "/sys/devices/system/cpu/cpu%u", cpu);
		if (access(path, F_OK) == -1)
			break;
		cpu_present = cpu + 1;
		snprintf(path, sizeof(path),
		    "/sys/devices/system/cpu/cpu%u/online", cpu);
		if (file_int(path, 1) == 0)
			continue;
		cpu_map[cpu / 8] |= 1 << cpu % 8;
		cpu_online++;
		snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/"
		    "topology/physical_package_id", cpu);
		package = file_int(path, 0);
		snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/"
		    "topology/core_id", cpu);
		core = file_int(path, cpu);
		if ((unsigned int)package > max_package)
			max_package = package;
		if ((unsigned int)core > max_core)
			max_core = core;
	}
	first = sysconf(_SC_NPROCESSORS_ONLN);
	if (cpu_online == 0) {
		/* without sysfs */
		cpu_online = cpu_present = first > 0 ? first : 1;
		for (cpu = 0; cpu < cpu_online; cpu++)
			cpu_map[cpu / 8] |= 1 << cpu % 8;
	}
	n->cpus = cpu_online;
	n->nodes = collect_nodes();
	n->sockets = max_package + 1;
	threads = 1;
	if (file_line("/sys/devices/system/cpu/cpu0/topology/"
	    "thread_siblings_list", path, sizeof(path)) > 0 &&
	    strpbrk(path, ",-") != NULL)
		threads = 2;
	n->threads = threads;
	if (n->sockets % n->nodes == 0)
		n->sockets /= n->nodes;
	n->cores = n->cpus / (n->nodes * n->sockets * threads);
	if (n->cores * n->nodes * n->sockets * n->threads != n->cpus) {
		n->nodes = n->sockets = n->threads = 1;
		n->cores = n->cpus;
	}
}

static unsigned int
collect_nodes(void)
{
	struct dirent	*de;
	DIR		*dir;
	unsigned int	 n = 0;

	if ((dir = opendir("/sys/devices/system/node")) == NULL)
		return (1);
	while ((de = readdir(dir)) != NULL)
		if (strncmp(de->d_name, "node", 4) == 0 &&
		    isdigit((unsigned char)de->d_name[4]))
			n++;
	closedir(dir);
	return (n == 0 ? 1 : n);
}

static void
collect_mhz(rp_node_info *n)
{
	char	*line = NULL, *p;
	size_t	 size = 0;
	FILE	*f;

	if ((f = fopen("/proc/cpuinfo", "re")) == NULL)
		return;
	while (getline(&line, &size, f) != -1)
		if (strncmp(line, "cpu MHz", 7) == 0 &&
		    (p = strchr(line, ':')) != NULL) {
			n->mhz = (int)strtod(p + 1, NULL);
			break;
		}
	free(line);
	fclose(f);
}

/* The same on every start: from the firmware, else from the system's id. */
static void
collect_uuid(void)
{
	char		 line[64];
	uint8_t		 uuid[16];

	if ((file_line("/sys/class/dmi/id/product_uuid", line,
	    sizeof(line)) == 36 ||
	    file_line("/etc/machine-id", line, sizeof(line)) == 32) &&
	    domain_uuid_parse(line, uuid) == 0) {
		domain_uuid_format(uuid, host_uuid);
		return;
	}
	arc4random_buf(uuid, sizeof(uuid));
	domain_uuid_format(uuid, host_uuid);
}

static void
collect_capabilities(void)
{
	struct utsname	 un;
	size_t		 size;
	FILE		*f;

	uname(&un);
	if ((f = open_memstream(&capabilities, &size)) == NULL)
		fatal(NULL);
	fprintf(f, "<capabilities>\n\n  <host>\n    <uuid>%s</uuid>\n"
	    "    <cpu>\n      <arch>", host_uuid);
	xml_text(f, un.machine);
	fprintf(f, "</arch>\n    </cpu>\n  </host>\n\n");
	collect_emulators(f);
	fprintf(f, "</capabilities>\n");
	if (fclose(f) != 0)
		fatal(NULL);
}

/* One entry for each emulator that is installed. */
static void
collect_emulators(FILE *f)
{
	static const enum domain_arch	 archs[] = { ARCH_I686, ARCH_X86_64 };
	static const char *const	 machines[] = { "pc", "q35", "microvm" };
	const char			*emulator;
	size_t				 i, m;

	for (i = 0; i < sizeof(archs) / sizeof(archs[0]); i++) {
		emulator = domain_default_emulator(archs[i]);
		if (access(emulator, X_OK) == -1)
			continue;
		fprintf(f, "  <guest>\n    <os_type>hvm</os_type>\n"
		    "    <arch name='%s'>\n      <wordsize>%d</wordsize>\n"
		    "      <emulator>", domain_arch_name(archs[i]),
		    archs[i] == ARCH_I686 ? 32 : 64);
		xml_text(f, emulator);
		fprintf(f, "</emulator>\n");
		for (m = 0; m < sizeof(machines) / sizeof(machines[0]); m++)
			fprintf(f, "      <machine maxCpus='255'>%s"
			    "</machine>\n", machines[m]);
		fprintf(f, "      <domain type='qemu'/>\n    </arch>\n"
		    "    <features>\n%s"
		    "      <acpi default='on' toggle='yes'/>\n"
		    "      <apic default='on' toggle='no'/>\n"
		    "    </features>\n  </guest>\n\n",
		    archs[i] == ARCH_I686 ?
		    "      <pae/>\n      <nonpae/>\n" : "");
	}
}

static void
xml_text(FILE *f, const char *s)
{
	for (; *s != '\0'; s++)
		switch (*s) {
		case '<':
			fputs("&lt;", f);
			break;
		case '>':
			fputs("&gt;", f);
			break;
		case '&':
			fputs("&amp;", f);
			break;
		case '\'':
			fputs("&apos;", f);
			break;
		default:
			if ((unsigned char)*s >= ' ')
				fputc(*s, f);
			break;
		}
}

/* What the firmware says of the machine, where the kernel passes it on. */
static void
collect_sysinfo(void)
{
	static const struct {
		const char	*section;	/* NULL: as the one before */
		const char	*entry;
		const char	*file;
	} items[] = {
		{ "bios", "vendor", "bios_vendor" },
		{ NULL, "version", "bios_version" },
		{ NULL, "date", "bios_date" },
		{ NULL, "release", "bios_release" },
		{ "system", "manufacturer", "sys_vendor" },
		{ NULL, "product", "product_name" },
		{ NULL, "version", "product_version" },
		{ NULL, "serial", "product_serial" },
		{ NULL, "uuid", "product_uuid" },
		{ NULL, "sku", "product_sku" },
		{ NULL, "family", "product_family" },
		{ "baseBoard", "manufacturer", "board_vendor" },
		{ NULL, "product", "board_name" },
		{ NULL, "version", "board_version" },
		{ NULL, "serial", "board_serial" },
		{ NULL, "asset", "board_asset_tag" },
		{ "chassis", "manufacturer", "chassis_vendor" },
		{ NULL, "version", "chassis_version" },
		{ NULL, "serial", "chassis_serial" },
		{ NULL, "asset", "chassis_asset_tag" }
	};
	const char	*section = NULL, *open = NULL;
	char		 path[128], line[256];
	size_t		 i, size;
	FILE		*f;

	if ((f = open_memstream(&sysinfo_xml, &size)) == NULL)
		fatal(NULL);
	fprintf(f, "<sysinfo type='smbios'>\n");
	for (i = 0; i < sizeof(items) / sizeof(items[0]); i++) {
		if (items[i].section != NULL)
			section = items[i].section;
		snprintf(path, sizeof(path), "/sys/class/dmi/id/%s",
		    items[i].file);
		if (file_line(path, line, sizeof(line)) <= 0)
			continue;
		if (open != section) {
			if (open != NULL)
				fprintf(f, "  </%s>\n", open);
			fprintf(f, "  <%s>\n", section);
			open = section;
		}
		fprintf(f, "    <entry name='%s'>", items[i].entry);
		xml_text(f, line);
		fprintf(f, "</entry>\n");
	}
	if (open != NULL)
		fprintf(f, "  </%s>\n", open);
	fprintf(f, "</sysinfo>\n");
	if (fclose(f) != 0)
		fatal(NULL);
}

void
host_node_info(rp_node_info *n)
{
	*n = node;
}

uint64_t
host_free_memory(void)
{
	struct sysinfo	 si;

	if (sysinfo(&si) == -1)
		return (0);
	return ((uint64_t)si.freeram * si.mem_unit);
}

unsigned int
host_cpu_map(unsigned char *map, size_t size, unsigned int *online)
{
	memcpy(map, cpu_map, size < sizeof(cpu_map) ? size : sizeof(cpu_map));
	*online = cpu_online;
	return (cpu_present);
}

const char *
host_capabilities(void)
{
	return (capabilities);
}

const char *
host_sysinfo(void)
{
	return (sysinfo_xml);
}

/*
 * The kernel has a clock for each process, which needs no file.  This one is
 * as clock_getcpuclockid(3) makes it, without its check.
 */
static int
cpu_clock(pid_t pid, struct timespec *ts)
{
	if (pid <= 0) {
		errno = ESRCH;
		return (-1);
	}
	return (clock_gettime((clockid_t)((~(unsigned int)pid << 3) | 2), ts));
}

int
host_alive(pid_t pid)
{
	struct timespec	 ts;

	return (cpu_clock(pid, &ts) == 0);
}

uint64_t
host_cpu_time(pid_t pid)
{
	struct timespec	 ts;

	if (cpu_clock(pid, &ts) == -1)
		return (0);
	return ((uint64_t)ts.tv_sec * 1000000000 + ts.tv_nsec);
}
