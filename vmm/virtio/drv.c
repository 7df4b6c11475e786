/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtio/drv.c - what the driver does to a device's registers.
 *
 * Everything here runs on a vCPU thread under vdev->lock.  What the spec does
 * not allow a driver to do in the device's state is ignored; what it must be
 * told of (a refused FEATURES_OK) shows when it reads back.
 * Spec: virtio 1.2, 2.1 and 3.1.
 */
#include <config.h>

#include "virtio/virtio_priv.h"

#include "util/bytes.h"
#include "util/log.h"

static void refresh(VirtioDev *vdev)
{
    if (vdev->transport)
        vdev->transport->ops->refresh(vdev->transport);
}

static bool features_good(const VirtioDev *vdev)
{
    uint64_t f = vdev->features;

    if (!(f & VIRTIO_F(VIRTIO_F_VERSION_1)) || (f & ~vdev->host_features))
        return false;
    return !vdev->cls->check_features || vdev->cls->check_features(vdev, f);
}

/* The driver set bits that were clear. */
static void status_raise(VirtioDev *vdev, uint8_t val)
{
    uint8_t set = val & ~vdev->status;
    const uint8_t begun = VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER;

    vdev->status |= set & (begun | VIRTIO_S_FAILED);
    if ((set & VIRTIO_S_FEATURES_OK) && (vdev->status & begun) == begun) {
        if (features_good(vdev))
            vdev->status |= VIRTIO_S_FEATURES_OK;
        else
            log_warn_rated("%s '%s': refused features 0x%llx", vdev->cls->name,
                           vdev->id, (unsigned long long)vdev->features);
    }
    if ((set & VIRTIO_S_DRIVER_OK) && (vdev->status & VIRTIO_S_FEATURES_OK)) {
        vdev->status |= VIRTIO_S_DRIVER_OK;
        vdev->live = true;
        deferred_post(&vdev->activation, vdev->loop);
    }
}

void virtio_drv_status(VirtioDev *vdev, uint8_t val)
{
    if (val == 0) {
        if (vdev->live)
            deferred_post(&vdev->resetting, vdev->loop);
        else
            virtio_reset_regs(vdev);
        return;
    }
    val |= vdev->status & VIRTIO_S_NEEDS_RESET;
    if (vdev->status & ~val)
        return; /* bits are cleared by reset only */
    if (!vdev->resetting.busy)
        status_raise(vdev, val);
    refresh(vdev);
}

void virtio_drv_features(VirtioDev *vdev, unsigned word, uint32_t val)
{
    unsigned shift = word * 32;

    if (word > 1 || !(vdev->status & VIRTIO_S_DRIVER) ||
        (vdev->status & VIRTIO_S_FEATURES_OK))
        return;
    vdev->features &= ~(0xffffffffULL << shift);
    vdev->features |= (uint64_t)val << shift;
}

/* The queue, when its registers may be written now. */
static Vq *queue_open(VirtioDev *vdev, unsigned queue)
{
    if (queue >= vdev->num_queues || !(vdev->status & VIRTIO_S_FEATURES_OK) ||
        (vdev->status & VIRTIO_S_DRIVER_OK) || vdev->vqs[queue].ready)
        return NULL;
    return &vdev->vqs[queue];
}

void virtio_drv_queue_size(VirtioDev *vdev, unsigned queue, uint32_t size)
{
    Vq *vq = queue_open(vdev, queue);

    if (vq) /* activation judges it */
        vq->size = size > UINT16_MAX ? 0 : size;
}

void virtio_drv_queue_ready(VirtioDev *vdev, unsigned queue, bool ready)
{
    Vq *vq;

    if (ready) {
        vq = queue_open(vdev, queue);
        if (vq)
            vq->ready = true;
    } else if (queue < vdev->num_queues && vdev->vqs[queue].ready) {
        vdev->vqs[queue].ready = false;
        if (vdev->live)
            deferred_post(&vdev->queue_stop, vdev->loop);
    }
    refresh(vdev);
}

void virtio_drv_queue_addr(VirtioDev *vdev, unsigned queue, VqRing ring,
                           bool high, uint32_t val)
{
    Vq *vq = queue_open(vdev, queue);
    uint64_t *gpa;

    if (!vq)
        return;
    gpa = ring == VQ_RING_DESC    ? &vq->desc_gpa
          : ring == VQ_RING_AVAIL ? &vq->avail_gpa
                                  : &vq->used_gpa;
    if (high)
        *gpa = (*gpa & 0xffffffff) | (uint64_t)val << 32;
    else
        *gpa = (*gpa & ~0xffffffffULL) | val;
}

void virtio_drv_notify(VirtioDev *vdev, unsigned queue)
{
    if (queue < vdev->num_queues && (vdev->status & VIRTIO_S_DRIVER_OK))
        loop_post(vdev->loop, &vdev->vqs[queue].kick_work);
}

void virtio_drv_config_write(VirtioDev *vdev, uint32_t off, uint64_t val,
                             unsigned size)
{
    uint8_t raw[8];

    if (!vdev->cls->write_config || !range_within(off, size, vdev->config_len))
        return;
    if (!(vdev->status & VIRTIO_S_DRIVER) || (vdev->status & VIRTIO_S_FAILED))
        return;
    store_le64(raw, val);
    vdev->live = true; /* reset has something to undo */
    vdev->cls->write_config(vdev, off, raw, size);
    refresh(vdev);
}
