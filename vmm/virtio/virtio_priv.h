/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* virtio/virtio_priv.h - between the queues and the device core. */
#pragma once

#include "virtio/transport.h"

/* Who waits for chains in flight: bits of VirtioDev.wanted. */
typedef enum VirtioWant {
    VIRTIO_WANT_RESET = 1 << 0,  /* the guest wrote status 0 */
    VIRTIO_WANT_QUEUES = 1 << 1, /* the guest wrote QueueReady 0 */
    VIRTIO_WANT_OP = 1 << 2,     /* the machine: VirtioDev.op */
} VirtioWant;

enum {
    VIRTIO_OP_NONE,
    VIRTIO_OP_PAUSE,
    VIRTIO_OP_RESUME,
    VIRTIO_OP_RESET,
    VIRTIO_OP_UNPLUG,
};

int vq_init(Vq *vq, VirtioDev *vdev, unsigned index, unsigned size, Err *e);
void vq_fini(Vq *vq);
/* Registers to power-on state. Under the device's lock. */
void vq_reset_regs(Vq *vq);

/* Maps the rings. -EBADMSG when the driver set up nonsense. Device's loop. */
int vq_start(Vq *vq);
void vq_stop(Vq *vq);
/* Gives the device a turn with a fresh budget. Device's loop. */
void vq_run_kick(Vq *vq);

/* Registers to power-on state. Under vdev->lock. */
void virtio_reset_regs(VirtioDev *vdev);

/* A chain came back and @inflight may be 0 now. Device's loop. */
void virtio_settle_soon(VirtioDev *vdev);
