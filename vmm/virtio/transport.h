/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* virtio/transport.h - how a transport shows a device to the guest. */
#pragma once

#include "bus/bus.h"
#include "hv/hv.h"
#include "virtio/virtio.h"

/*
 * How this works
 *
 * Transports turn register accesses into calls of the virtio_drv_ family (what
 * the driver did) and get the calls of VirtioTransportOps (what the device has
 * to say).  All of the driver's side runs under vdev->lock on a vCPU thread.
 */
typedef struct VirtioTransportOps {
    /* Buffers were used on @queue. Device's loop, no lock held. */
    void (*queue_irq)(VirtioTransport *t, unsigned queue);
    /* Config changed or NEEDS_RESET. Under vdev->lock. */
    void (*config_irq)(VirtioTransport *t);
    /* Status, queues or config changed without the driver's doing: bring what
     * the guest can read up to date. Under vdev->lock. */
    void (*refresh)(VirtioTransport *t);
    /* The device was reset: registers to power-on. Under vdev->lock. */
    void (*reset)(VirtioTransport *t);
} VirtioTransportOps;

struct VirtioTransport {
    const VirtioTransportOps *ops;
    VirtioDev *vdev; /* borrowed; outlives the transport */
};

/* The driver wrote the status register. */
void virtio_drv_status(VirtioDev *vdev, uint8_t val);
/* The driver wrote 32 feature bits, word 0 or 1. */
void virtio_drv_features(VirtioDev *vdev, unsigned word, uint32_t val);
/* Queue registers. Writes in a state that does not allow them are ignored. */
void virtio_drv_queue_size(VirtioDev *vdev, unsigned queue, uint32_t size);
void virtio_drv_queue_ready(VirtioDev *vdev, unsigned queue, bool ready);
typedef enum VqRing {
    VQ_RING_DESC,
    VQ_RING_AVAIL,
    VQ_RING_USED,
} VqRing;
void virtio_drv_queue_addr(VirtioDev *vdev, unsigned queue, VqRing ring,
                           bool high, uint32_t val);
/* Kick by register write: when no ioeventfd took it. */
void virtio_drv_notify(VirtioDev *vdev, unsigned queue);
/* Config space write of any width. */
void virtio_drv_config_write(VirtioDev *vdev, uint32_t off, uint64_t val,
                             unsigned size);

/* --- virtio-mmio --------------------------------------------------------- */

#define VIRTIO_MMIO_STRIDE 0x200

typedef struct VirtioMmio VirtioMmio;
/* The 4 KiB register pages of a machine; NULL where reads shall exit. */
typedef struct VirtioMmioPages VirtioMmioPages;

typedef struct VirtioMmioConf {
    uint64_t base;          /* VIRTIO_MMIO_STRIDE-aligned */
    unsigned gsi;           /* edge */
    Bus *bus;               /* borrowed */
    Hv *hv;                 /* borrowed */
    VirtioMmioPages *pages; /* borrowed; NULL: every read is an exit */
} VirtioMmioConf;

/* Main loop. Puts @vdev at conf->base. */
int virtio_mmio_new(VirtioMmio **ret_mmio, VirtioDev *vdev,
                    const VirtioMmioConf *conf, Err *e);
void virtio_mmio_free(VirtioMmio *mmio);

/* Maps read-only register pages as slots need them (hv_limits.readonly_mem). */
int virtio_mmio_pages_new(VirtioMmioPages **ret_pages, GuestMem *gm, Err *e);
void virtio_mmio_pages_free(VirtioMmioPages *pages);
