/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* virtio/registry.c - every virtio device there is. */
#include <config.h>

#include "virtio/virtio.h"

#include <string.h>

extern const VirtioClass virtio_blk;
extern const VirtioClass virtio_console;
extern const VirtioClass virtio_net;
extern const VirtioClass virtio_rng;

const VirtioClass *const virtio_classes[] = {
    &virtio_blk, &virtio_console, &virtio_net, &virtio_rng, NULL,
};

const VirtioClass *virtio_class_find(const char *name)
{
    for (const VirtioClass *const *c = virtio_classes; *c; c++)
        if (strcmp((*c)->name, name) == 0)
            return *c;
    return NULL;
}
