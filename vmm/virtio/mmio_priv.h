/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* virtio/mmio_priv.h - between the mmio transport and its register pages. */
#pragma once

#include "virtio/transport.h"

/* The window of the slot at @base, in a page that is mapped when needed. */
int virtio_mmio_pages_get(VirtioMmioPages *pages, uint64_t base,
                          uint8_t **ret_win, Err *e);
/* The slot is empty again: reads as zero. */
void virtio_mmio_pages_put(VirtioMmioPages *pages, uint64_t base);
