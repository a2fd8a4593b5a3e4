/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * The domain model: what a guest is made of.
 *
 *	XML --domain_parse--> struct domain --domain_format--> XML
 *			      domain_assign: what a definition needs once
 *			      domain_assign_live: what a start needs
 *			      domain_fds_plan: descriptors to open
 *			      domain_command: QEMU's arguments
 *
 * Pure functions on values: nothing here opens a file, logs, prints or
 * aborts.  Everything is bounded (the constants below); all strings are
 * UTF-8 without control characters, except that title, description and
 * metadata may hold what XML allows.
 */

#ifndef DOMAIN_H
#define DOMAIN_H

#include <sys/types.h>
#include <sys/queue.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#define XML_MAX_BYTES		(4 * 1024 * 1024)
#define XML_MAX_DEPTH		64
#define XML_MAX_NODES		65536	/* elements, attributes, comments */

#define DOMAIN_NAME_MAX		255	/* bytes */
#define DOMAIN_STRING_MAX	4096	/* bytes; any other single value */
#define DOMAIN_CMDLINE_MAX	2048	/* bytes; what Linux on x86 takes */
#define DOMAIN_MAX_DEVICES	1024
#define DOMAIN_MAX_LAYERS	32	/* of one disk */
#define CONTROLLER_INDEX_MAX	31	/* of a kind; for PCI it is 255 */
#define DOMAIN_MAX_SERIALS	4	/* ISA ports of a PC */
#define DOMAIN_MEMORY_MAX_KIB	(16ULL * 1024 * 1024 * 1024)	/* 16 TiB */
#define DOMAIN_KEY_MAX		64

/*
 * Why something was refused.  code is the number of the public protocol,
 * ready to be sent to a client.  line and column count from 1, 0 if unknown;
 * text says what is wrong, where, and what would be right.
 */
enum domain_error_code {
	DOMAIN_ERR_NO_MEMORY		= 2,
	DOMAIN_ERR_INVALID_ARG		= 8,
	DOMAIN_ERR_OPERATION_FAILED	= 9,
	DOMAIN_ERR_OS_TYPE		= 16,
	DOMAIN_ERR_NO_SOURCE		= 19,
	DOMAIN_ERR_NO_TARGET		= 20,
	DOMAIN_ERR_NO_NAME		= 21,
	DOMAIN_ERR_XML			= 27,	/* it isn't a proper domain */
	DOMAIN_ERR_XML_DETAIL		= 35,	/* it isn't XML */
	DOMAIN_ERR_CONFIG_UNSUPPORTED	= 67,	/* proper, but not by us */
	DOMAIN_ERR_XML_INVALID_SCHEMA	= 92	/* DOMAIN_PARSE_VALIDATE */
};

struct domain_error {
	int		code;		/* 0: no error */
	int		line;
	int		column;
	char		text[512];
};

/* --- addresses, and what all devices have --------------------------------- */

enum address_type {
	ADDRESS_NONE,
	ADDRESS_PCI,
	ADDRESS_DRIVE,
	ADDRESS_USB,
	ADDRESS_VIRTIO_MMIO
};

struct address {
	enum address_type	type;
	union {
		struct {
			unsigned int	bus, slot, function;
			int		multifunction;	/* 0, 1, -1: not said */
		}		pci;
		struct {
			unsigned int	controller, bus, target, unit;
		}		drive;
		struct {
			unsigned int	bus;
			char		port[16];	/* "1"; "": any */
		}		usb;
	};
};

enum device_type {			/* in the order in which XML has them */
	DEVICE_DISK,
	DEVICE_CONTROLLER,
	DEVICE_NET,
	DEVICE_SERIAL,
	DEVICE_CONSOLE,
	DEVICE_INPUT,
	DEVICE_GRAPHICS,
	DEVICE_VIDEO,
	DEVICE_BALLOON,
	DEVICE_NTYPES
};

/* The head of every device's struct, always its first member. */
struct device {
	TAILQ_ENTRY(device)	 entry;
	enum device_type	 type;
	struct address		 address;
	unsigned int		 boot;	/* <boot order=>, from 1; 0: none */
	char			*alias;	/* live: QEMU's id, "virtio-disk0" */
	int			 line;	/* in the XML that it came from */
};
TAILQ_HEAD(devices, device);

/*
 * struct disk *disk;
 * DEVICE_FOREACH(disk, d, DEVICE_DISK) ...
 * Removing disk inside the loop is not allowed.
 */
#define DEVICE_FIRST(d, t)	((void *)TAILQ_FIRST(&(d)->devices[(t)]))
#define DEVICE_NEXT(p)		((void *)TAILQ_NEXT(&(p)->dev, entry))
#define DEVICE_FOREACH(p, d, t) \
	for ((p) = DEVICE_FIRST(d, t); (p) != NULL; (p) = DEVICE_NEXT(p))

/* --- disk.c --------------------------------------------------------------- */

enum disk_device { DISK_DISK, DISK_CDROM, DISK_FLOPPY };
enum disk_bus { DISK_BUS_IDE, DISK_BUS_FDC, DISK_BUS_VIRTIO, DISK_BUS_SATA };
enum disk_format { DISK_FORMAT_NONE, DISK_FORMAT_RAW, DISK_FORMAT_QCOW2 };
enum disk_cache { DISK_CACHE_DEFAULT, DISK_CACHE_NONE, DISK_CACHE_WRITEBACK,
    DISK_CACHE_WRITETHROUGH, DISK_CACHE_DIRECTSYNC, DISK_CACHE_UNSAFE };
enum disk_discard { DISK_DISCARD_DEFAULT, DISK_DISCARD_UNMAP,
    DISK_DISCARD_IGNORE };
enum disk_snapshot { DISK_SNAPSHOT_DEFAULT, DISK_SNAPSHOT_NO,
    DISK_SNAPSHOT_INTERNAL, DISK_SNAPSHOT_EXTERNAL };

/*
 * One image of a chain.  Layer 0 is <source>, which the guest writes; layer
 * n + 1 is what layer n is backed by (<backingStore>), always read-only.
 * The list is the whole chain: QEMU is told that the last layer has no
 * backing file, whatever its header says.  So whoever starts a guest has to
 * look at the headers first, and fill in or refuse what they name.
 */
struct disk_layer {
	TAILQ_ENTRY(disk_layer)	 entry;
	char			*path;
	enum disk_format	 format;	/* NONE means raw */
};
TAILQ_HEAD(disk_layers, disk_layer);

struct disk {
	struct device		 dev;
	enum disk_device	 device;
	enum disk_bus		 bus;
	enum disk_format	 format;	/* of an empty drive */
	enum disk_cache		 cache;
	enum disk_discard	 discard;
	enum disk_snapshot	 snapshot;
	char			*target;	/* "hda": unique in a domain */
	char			*serial;
	int			 readonly;
	int			 shareable;
	int			 driver;	/* <driver> was said */
	int			 chain_end;	/* <backingStore/> was said */
	struct disk_layers	 layers;	/* empty: no medium */
};

/* The block node of a layer, as block jobs name it: "disk-vda-0". */
void		 domain_node_name(const struct disk *, unsigned int layer,
		    char name[32]);

/* --- controller.c --------------------------------------------------------- */

enum controller_type { CONTROLLER_PCI, CONTROLLER_IDE, CONTROLLER_SATA,
    CONTROLLER_FDC, CONTROLLER_USB };
enum controller_model {
	CONTROLLER_MODEL_DEFAULT,
	CONTROLLER_MODEL_PCI_ROOT,
	CONTROLLER_MODEL_PCI_BRIDGE,
	CONTROLLER_MODEL_PCIE_ROOT,
	CONTROLLER_MODEL_PCIE_ROOT_PORT,
	CONTROLLER_MODEL_PCIE_TO_PCI_BRIDGE,
	CONTROLLER_MODEL_USB_NONE,
	CONTROLLER_MODEL_PIIX3_UHCI,
	CONTROLLER_MODEL_PIIX4_UHCI,
	CONTROLLER_MODEL_NEC_XHCI,
	CONTROLLER_MODEL_QEMU_XHCI
};

struct controller {
	struct device		 dev;
	enum controller_type	 type;
	enum controller_model	 model;
	unsigned int		 index;
	int			 ports;		/* of xhci, -1: not said */
	int			 chassis;	/* root port, bridge; -1 */
	int			 port;		/* of a root port, -1 */
};

/* --- net.c ---------------------------------------------------------------- */

enum net_type { NET_USER };
enum net_link { NET_LINK_DEFAULT, NET_LINK_UP, NET_LINK_DOWN };

struct net {
	struct device		 dev;
	enum net_type		 type;
	enum net_link		 link;
	int			 has_mac;	/* domain_assign makes one */
	uint8_t			 mac[6];
	char			*model;		/* "rtl8139"; NULL: default */
};

/* --- chardev.c: <serial> and <console> ------------------------------------ */

enum chardev_type { CHARDEV_PTY };

struct chardev {
	struct device		 dev;
	enum chardev_type	 type;
	unsigned int		 port;		/* "serial/PORT" is its key */
	int			 has_port;	/* domain_assign gives one */
	char			*tty;		/* live: /dev/pts/N, or NULL */
};

/* --- graphics.c ----------------------------------------------------------- */

enum graphics_type { GRAPHICS_VNC };
enum listen_type { LISTEN_ADDRESS, LISTEN_NONE };

struct graphics {
	struct device		 dev;
	enum graphics_type	 type;
	int			 port;		/* -1: not known yet */
	int			 autoport;	/* port was or will be chosen */
	enum listen_type	 listen;
	char			*address;	/* NULL: the daemon's default */
	char			*passwd;	/* secret */
	char			*keymap;
};

/* --- video.c, input.c, balloon.c ------------------------------------------ */

enum video_model { VIDEO_DEFAULT, VIDEO_VGA, VIDEO_CIRRUS, VIDEO_VIRTIO,
    VIDEO_QXL, VIDEO_NONE };

struct video {
	struct device		 dev;
	enum video_model	 model;
	unsigned int		 vram, ram, vgamem;	/* KiB, 0: default */
	unsigned int		 heads;			/* 0: not said */
	int			 primary;
};

enum input_type { INPUT_MOUSE, INPUT_KEYBOARD, INPUT_TABLET };
enum input_bus { INPUT_BUS_DEFAULT, INPUT_BUS_PS2, INPUT_BUS_USB };

struct input {
	struct device		 dev;
	enum input_type		 type;
	enum input_bus		 bus;
};

enum balloon_model { BALLOON_NONE, BALLOON_VIRTIO };

struct balloon {
	struct device		 dev;
	enum balloon_model	 model;
	unsigned int		 period;	/* of stats, s; 0: off */
};

/* --- the domain ----------------------------------------------------------- */

enum domain_type { DOMAIN_QEMU, DOMAIN_KVM, DOMAIN_KQEMU };
enum domain_arch { ARCH_I686, ARCH_X86_64 };
enum domain_boot { BOOT_HD, BOOT_CDROM, BOOT_FD, BOOT_NETWORK, BOOT_NDEVS };
enum domain_clock { CLOCK_UTC, CLOCK_LOCALTIME };
enum domain_machine { MACHINE_PC, MACHINE_Q35, MACHINE_MICROVM };
enum domain_action {
	ACTION_DESTROY,
	ACTION_RESTART,
	ACTION_PRESERVE,
	ACTION_RENAME_RESTART,
	ACTION_COREDUMP_DESTROY,	/* on_crash only, as the next */
	ACTION_COREDUMP_RESTART
};

struct domain_os {
	enum domain_arch	 arch;
	char			*machine;	/* "pc", "pc-q35-7.2", ... */
	enum domain_boot	 boot[BOOT_NDEVS];
	unsigned int		 nboot;
	char			*kernel;
	char			*initrd;
	char			*cmdline;
};

struct domain {
	enum domain_type	 type;
	int			 id;		/* -1: not running */
	char			*name;
	int			 has_uuid;	/* domain_assign makes one */
	uint8_t			 uuid[16];
	char			*title;
	char			*description;
	char			*metadata;	/* "<metadata>...</metadata>" */
	uint64_t		 memory;	/* KiB, the most it can have */
	uint64_t		 current_memory; /* KiB, at most memory */
	unsigned int		 vcpus;		/* the most it can have */
	unsigned int		 current_vcpus;	/* at most vcpus */
	struct domain_os	 os;
	int			 acpi, apic, pae;	/* <features> */
	enum domain_clock	 clock;
	enum domain_action	 on_poweroff;
	enum domain_action	 on_reboot;
	enum domain_action	 on_crash;
	char			*emulator;	/* NULL until domain_assign */
	struct devices		 devices[DEVICE_NTYPES];
	unsigned int		 ndevices;
};

/* --- domain.c ------------------------------------------------------------- */

/* A domain without name, memory or devices; NULL: no memory. */
struct domain	*domain_new(void);

/* Frees everything in it; secrets are wiped.  NULL is fine. */
void		 domain_free(struct domain *);

/*
 * A copy that shares nothing, with runtime facts and secrets.  NULL: no
 * memory, or d was changed to something that domain_parse would refuse.
 */
struct domain	*domain_copy(const struct domain *);

/*
 * A device of that type, zeroed, at the end of its list, which owns it.
 * NULL with errno ENOMEM, or ENOSPC if there are DOMAIN_MAX_DEVICES.
 */
void		*device_add(struct domain *, enum device_type);

/* Takes the device out of the domain and frees it. */
void		 device_remove(struct domain *, struct device *);

/* The family of its machine, whatever the version. */
enum domain_machine domain_machine(const struct domain *);

/* "x86_64"; "/usr/bin/qemu-system-x86_64", used if <emulator> is absent. */
const char	*domain_arch_name(enum domain_arch);
const char	*domain_default_emulator(enum domain_arch);

/*
 * Replaces *where by a copy of value (NULL: by NULL).  -1: no memory, and
 * *where is as before.
 */
int		 domain_set_string(char **where, const char *value);

/* 0 if name can be a domain's, else -1 and err (may be NULL) says why not. */
int		 domain_check_name(const char *name, struct domain_error *err);

/* 32 hexadecimal digits, with dashes between bytes or without.  -1: no. */
int		 domain_uuid_parse(const char *, uint8_t uuid[16]);
void		 domain_uuid_format(const uint8_t uuid[16], char text[37]);

/*
 * The disk of that target ("vda"), the chardev of that key ("serial/0");
 * NULL: none.  They belong to the domain.
 */
struct disk	*domain_find_disk(const struct domain *, const char *target);
struct chardev	*domain_find_chardev(const struct domain *, const char *key);

/*
 * The pty that serves "serial/0", once there is one: also the console that
 * mirrors it shows it.  -1 with errno ENOENT or ENOMEM.
 */
int		 domain_set_tty(struct domain *, const char *key,
		    const char *path);

/*
 * Fills err, which may be NULL; returns -1, so that it ends a function.  What
 * the text quotes is made printable.
 */
int		 domain_error(struct domain_error *, int code, int line,
		    const char *, ...)
		    __attribute__((__format__(printf, 4, 5)));

/* --- parse.c -------------------------------------------------------------- */

#define DOMAIN_PARSE_LIVE	0x1	/* with runtime facts */
#define DOMAIN_PARSE_VALIDATE	0x2	/* nothing unknown is let through */

/*
 * Reads a domain.  0: *d is the caller's.  -1: *d is NULL, err says why.
 * xml need not end with a NUL.  Safe for bytes from anybody: entities are
 * never expanded, nothing is fetched, memory is bounded.
 *
 * What libvirt's format knows and this doesn't is refused by name
 * (DOMAIN_ERR_CONFIG_UNSUPPORTED); what no version of it knows is dropped,
 * or refused with DOMAIN_PARSE_VALIDATE.
 */
int		 domain_parse(const char *xml, size_t len, unsigned int flags,
		    struct domain **d, struct domain_error *err);

/* --- format.c ------------------------------------------------------------- */

/* The numbers of the public protocol. */
#define DOMAIN_FORMAT_SECURE	0x1	/* with passwords */
#define DOMAIN_FORMAT_INACTIVE	0x2	/* without runtime facts */
#define DOMAIN_FORMAT_MIGRATABLE 0x8	/* for another host: nothing that is
					 * true on this one only; no secrets
					 * unless SECURE asks for them */

/* The domain as XML; free() it.  NULL: no memory. */
char		*domain_format(const struct domain *, unsigned int flags);

/* --- metadata.c ----------------------------------------------------------- */

#define DOMAIN_METADATA_MAX	(1024 * 1024)	/* bytes, of one domain */

/*
 * The metadata element of that XML namespace, without its prefix, as it was
 * set; free() it.  NULL: there is none, or no memory.
 */
char		*domain_metadata_get(const struct domain *, const char *uri);

/*
 * Sets it to text, an element, under that prefix; NULL removes it.
 * -1: err says why, and nothing has changed.
 */
int		 domain_metadata_set(struct domain *, const char *uri,
		    const char *prefix, const char *text,
		    struct domain_error *err);

/* --- assign.c ------------------------------------------------------------- */

/*
 * Gives a new definition what it lacks and must keep from then on: UUID,
 * emulator, MAC addresses, the controllers and default devices of its
 * machine, drive, USB and PCI addresses; checks those that it brings.
 * Doing it again changes nothing.  -1: err says why; the domain can then
 * only be freed.
 */
int		 domain_assign(struct domain *, struct domain_error *err);

/*
 * What a start decides: aliases, memory in the unit that QEMU takes, the
 * address of a display.  After domain_assign; again it changes nothing.  id,
 * tty paths and ports are set by whoever knows them.  -1: err says why.
 */
int		 domain_assign_live(struct domain *, struct domain_error *err);

/* --- command.c ------------------------------------------------------------ */

enum domain_fd_mode {
	DOMAIN_FD_RO,		/* a file, O_RDONLY exactly */
	DOMAIN_FD_RW,		/* a file, O_RDWR exactly */
	DOMAIN_FD_LISTEN	/* a listening AF_UNIX stream socket */
};

/* What the file at path may be. */
#define DOMAIN_FD_REGULAR	0x1
#define DOMAIN_FD_BLOCK		0x2	/* a block device */

/*
 * One descriptor that QEMU inherits.  Keys are stable:
 *	"monitor"		QMP
 *	"serial/0"		port of a serial line
 *	"kernel" "initrd"	opened again by QEMU as /proc/self/fd/N
 *	"disk/vda/0"		target and layer
 * Whoever starts QEMU opens them and fills in fd.
 */
struct domain_fd {
	char			 key[DOMAIN_KEY_MAX];
	char			*path;		/* NULL: a socket */
	enum domain_fd_mode	 mode;
	unsigned int		 may_be;
	int			 shareable;	/* others may have it open */
	int			 set;		/* fdset number, -1: none */
	int			 fd;		/* -1: not open */
};

struct domain_fds {
	struct domain_fd	*v;
	size_t			 n, size;
	int			 nsets;
};

/*
 * What must be open before this domain starts, in a fixed order.  fds is
 * overwritten.  -1: no memory, fds is empty.
 */
int		 domain_fds_plan(const struct domain *, struct domain_fds *fds);
struct domain_fd *domain_fds_find(const struct domain_fds *, const char *key);
void		 domain_fds_clear(struct domain_fds *);	/* closes nothing */

struct domain_argv {
	char			**v;		/* ends with NULL */
	size_t			 n, size;
};

#define DOMAIN_COMMAND_PRINT	0x1	/* descriptors that are -1 are written
					 * as {KEY}: for people to read */

/*
 * QEMU's arguments, argv[0] being the emulator; QEMU must inherit the
 * descriptors under the numbers that fds says.  After domain_assign_live.
 * argv is overwritten; no secret is ever in it.  -1: argv is empty, err
 * says why.
 */
int		 domain_command(const struct domain *,
		    const struct domain_fds *, unsigned int flags,
		    struct domain_argv *argv, struct domain_error *err);

/*
 * QMP commands, one in each string, that a start needs between the greeting
 * and the first step of the guest: passwords, links that are down, the
 * balloon.  After domain_assign_live.  lines is overwritten.  -1: no memory,
 * lines is empty.
 */
int		 domain_setup(const struct domain *, struct domain_argv *lines);
void		 domain_argv_clear(struct domain_argv *);	/* and wipes */

#endif /* DOMAIN_H */
