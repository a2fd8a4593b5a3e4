/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * Device classes, private to this folder.
 *
 * All that the rest knows of a kind of device stands in its struct
 * device_class, which its own file has.  To add a kind: a struct and an enum
 * value in domain.h, a file with its functions, a row in device.c, and, if
 * it is a PCI device, its place in the order of pci.c.
 */

#ifndef DOMAIN_DEVICE_H
#define DOMAIN_DEVICE_H

#include <stdio.h>

#include "domain/xml.h"

#define nitems(a)	(sizeof((a)) / sizeof((a)[0]))

/* A bus that a PCI device can be plugged into. */
enum pci_plug {
	PCI_PLUG_NONE,			/* it isn't a PCI device */
	PCI_PLUG_CONVENTIONAL,
	PCI_PLUG_EXPRESS,
	PCI_PLUG_ROOT_PORT,		/* these are for controllers */
	PCI_PLUG_PCI_BRIDGE,
	PCI_PLUG_PCIE_TO_PCI
};

/* QEMU's arguments while they grow; see command.c. */
struct command {
	const struct domain	*d;
	const struct domain_fds	*fds;
	struct domain_argv	*argv;
	struct domain_error	*err;
	unsigned int		 flags;		/* DOMAIN_COMMAND_ */
	int			 failed;
	FILE			*opt;		/* the value being written */
	char			*optbuf;
	size_t			 optlen;
};

/* QMP commands of a start while they grow; see command.c. */
struct setup {
	const struct domain	*d;
	struct domain_argv	*lines;
	int			 failed;
};

/* Members may be NULL: nothing to do.  int functions: 0, or -1 and err. */
struct device_class {
	const char	*element;
	size_t		 size;
	unsigned int	 max;		/* of them in one domain; 0: many */

	/* Sets what isn't 0 in a new one; frees what it holds. */
	void		(*init)(void *);
	void		(*clear)(void *);

	/*
	 * Reads the element, except for <address>, <alias> and <boot>, which
	 * device.c does.  Then, with the whole domain known, check, which
	 * assign is followed by as well.
	 */
	int		(*parse)(struct xml *, const xmlNode *, void *);
	int		(*check)(const struct domain *, const void *,
			    struct domain_error *);

	/* Attributes of the element, then what is in it. */
	void		(*format)(struct out *, const struct domain *,
			    const void *);

	/* -1: in front of that other one; 1: behind it; 0: anywhere. */
	int		(*order)(const void *, const void *);

	/* Defaults, and addresses other than PCI. */
	int		(*assign)(struct domain *, void *,
			    struct domain_error *);
	enum pci_plug	(*plug)(const struct domain *, const void *);

	/* Its id in QEMU, or nothing; n is its place in the list. */
	void		(*alias)(const struct domain *, const void *,
			    unsigned int, char *, size_t);

	int		(*plan)(const void *, struct domain_fds *);
	void		(*command)(struct command *, const void *);
	void		(*setup)(struct setup *, const void *);
};

extern const struct device_class disk_class, controller_class, net_class,
    serial_class, console_class, input_class, graphics_class, video_class,
    balloon_class;

/* device.c */
const struct device_class *device_class(enum device_type);
int		 device_parse(struct xml *, const xmlNode *, struct domain *,
		    enum device_type);
void		 device_format(struct out *, const struct domain *,
		    const struct device *);
void		 device_sort(struct domain *, struct device *);
void		 device_sort_all(struct domain *, enum device_type);
enum pci_plug	 device_plug(const struct domain *, const struct device *);
int		 device_error(struct domain_error *, const struct device *,
		    int, const char *, ...)
		    __attribute__((__format__(printf, 4, 5)));
int		 address_equal(const struct address *, const struct address *);
void		 address_text(const struct address *, char *, size_t);
int		 domain_check(const struct domain *, struct domain_error *);

/* parse.c: the words of enums, in their order */
extern const char *const domain_types[], *const domain_boots[],
    *const domain_clocks[], *const domain_actions[],
    *const domain_crash_actions[];

/* domain.c */
int		 domain_verror(struct domain_error *, int, int, const char *,
		    va_list) __attribute__((__format__(printf, 4, 0)));
size_t		 utf8_length(const char *, size_t);

/* disk.c: a=0, z=25, aa=26, from the letters behind hd, fd, vd, sd; -1 */
int		 disk_index(const char *);

/* controller.c */
struct controller *controller_find(const struct domain *,
		    enum controller_type, unsigned int);
struct controller *controller_want(struct domain *, enum controller_type,
		    unsigned int, enum controller_model,
		    struct domain_error *);
/* Has the chipset this one on board: not an argument of QEMU? */
int		 controller_builtin(const struct domain *,
		    const struct controller *);

/* input.c: the lowest free port of USB bus 0 */
int		 input_usb_port(const struct domain *, unsigned int,
		    struct address *);

/* pci.c */
int		 pci_assign(struct domain *, struct domain_error *);

/*
 * command.c.  An option's value is started, gets its parts, and is ended:
 *	opt_start(c, "-device", "virtio-blk-pci");	-device virtio-blk-pci
 *	opt_str(c, "serial", "a,b");			,serial=a,,b
 *	opt_end(c);
 * Strings may hold anything: commas are doubled.  After a failure nothing
 * happens any more, and domain_command returns -1.
 */
struct domain_fd *fds_add(struct domain_fds *, const char *, const char *,
		    ...) __attribute__((__format__(printf, 3, 4)));
void		 cmd_arg(struct command *, const char *);
void		 cmd_argf(struct command *, const char *, ...)
		    __attribute__((__format__(printf, 2, 3)));
void		 cmd_fail(struct command *, const struct device *,
		    const char *, ...)
		    __attribute__((__format__(printf, 3, 4)));
/* The number of that descriptor, as text. */
const char	*cmd_fd(struct command *, const char *key, char *, size_t);
int		 cmd_fdset(struct command *, const char *key);
unsigned int	 cmd_bootindex(struct command *, const struct device *);
void		 opt_start(struct command *, const char *, const char *);
void		 opt_str(struct command *, const char *, const char *);
void		 opt_fmt(struct command *, const char *, const char *, ...)
		    __attribute__((__format__(printf, 3, 4)));
void		 opt_end(struct command *);
/* id=, and bus=,addr= or bus=,port= of the device's address. */
void		 opt_device(struct command *, const struct device *);
void		 opt_bootindex(struct command *, const struct device *);
/* For between quotes; the text of n bytes needs up to 6 n + 1. */
void		 json_escape(const char *, char *, size_t);
void		 setup_line(struct setup *, const char *, ...)
		    __attribute__((__format__(printf, 2, 3)));

#endif /* DOMAIN_DEVICE_H */
