/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * Backing chains: from the images that are open already to those that lie
 * below them, one layer at a time, until each chain has its end.  QEMU is
 * then told the whole chain and follows no name by itself.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "imsg/log.h"
#include "qemud/image.h"
#include "qemud/qemud.h"

static int	 disk_extend(struct guest *, struct disk *,
		    const struct domain_fds *, struct rpc_error *);

int
chain_extend(struct guest *g, const struct domain_fds *fds,
    struct rpc_error *err)
{
	struct disk	*disk;
	int		 n, added = 0;

	DEVICE_FOREACH(disk, g->live, DEVICE_DISK) {
		if (disk->chain_end || TAILQ_EMPTY(&disk->layers))
			continue;
		if ((n = disk_extend(g, disk, fds, err)) == -1)
			return (-1);
		added += n;
	}
	return (added);
}

/* What its lowest layer says: 1, a layer was added; 0, that is the end. */
static int
disk_extend(struct guest *g, struct disk *disk, const struct domain_fds *fds,
    struct rpc_error *err)
{
	struct disk_layer	*l, *lowest;
	struct domain_fd	*fd;
	enum disk_format	 format = DISK_FORMAT_NONE;
	char			 key[DOMAIN_KEY_MAX], path[MSG_PATH_MAX + 1];
	char			 why[1500];
	unsigned int		 depth = 0;
	int			 ret;

	TAILQ_FOREACH(l, &disk->layers, entry)
		depth++;
	lowest = TAILQ_LAST(&disk->layers, disk_layers);
	snprintf(key, sizeof(key), "disk/%s/%u", disk->target, depth - 1);
	fd = domain_fds_find(fds, key);
	if (lowest->format != DISK_FORMAT_QCOW2 || fd == NULL) {
		disk->chain_end = 1;
		return (0);
	}
	ret = image_backing(fd->fd, lowest->path, path, sizeof(path), &format,
	    why, sizeof(why));
	if (ret == -1)
		return (rpc_error_set(err, RPCD_STORAGE,
		    RPCE_CONFIG_UNSUPPORTED, "disk %s of domain '%s': %s %s",
		    disk->target, guest_name(g), lowest->path, why));
	if (ret == 0) {
		disk->chain_end = 1;
		return (0);
	}
	TAILQ_FOREACH(l, &disk->layers, entry)
		if (strcmp(l->path, path) == 0)
			return (rpc_error_set(err, RPCD_STORAGE,
			    RPCE_CONFIG_UNSUPPORTED, "disk %s of domain '%s': "
			    "%s is its own backing file", disk->target,
			    guest_name(g), path));
	if (depth >= DOMAIN_MAX_LAYERS)
		return (rpc_error_set(err, RPCD_STORAGE,
		    RPCE_CONFIG_UNSUPPORTED, "disk %s of domain '%s' has more "
		    "than %d layers", disk->target, guest_name(g),
		    DOMAIN_MAX_LAYERS));
	if ((l = calloc(1, sizeof(*l))) == NULL ||
	    (l->path = strdup(path)) == NULL)
		fatal(NULL);
	l->format = format;
	TAILQ_INSERT_TAIL(&disk->layers, l, entry);
	return (1);
}
