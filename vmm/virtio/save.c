/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtio/save.c - a device's state to sections and back.
 *
 * A paused device has no chain in flight, so a queue's state is its registers
 * and three indices; the rings themselves are guest memory.
 */
#include <config.h>

#include "virtio/virtio_priv.h"

#include "util/cleanup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define STATE_VERSION 1

static const StateField dev_state[] = {
    { "features", STATE_U64, offsetof(VirtioDev, features), 0, 0 },
    { "status", STATE_U8, offsetof(VirtioDev, status), 0, 0 },
    { "broken", STATE_BOOL, offsetof(VirtioDev, broken), 0, 0 },
    { "config-generation", STATE_U32, offsetof(VirtioDev, config_gen), 0, 0 },
    { 0 },
};

static const StateField config_state[] = {
    { "config", STATE_U8, 0, VIRTIO_MAX_CONFIG, 0 },
    { 0 },
};

static const StateField queue_state[] = {
    { "size", STATE_U16, offsetof(Vq, size), 0, 0 },
    { "ready", STATE_BOOL, offsetof(Vq, ready), 0, 0 },
    { "desc", STATE_U64, offsetof(Vq, desc_gpa), 0, 0 },
    { "avail", STATE_U64, offsetof(Vq, avail_gpa), 0, 0 },
    { "used", STATE_U64, offsetof(Vq, used_gpa), 0, 0 },
    { "last-avail", STATE_U16, offsetof(Vq, last_avail), 0, 0 },
    { "used-index", STATE_U16, offsetof(Vq, used_idx), 0, 0 },
    { "signalled", STATE_U16, offsetof(Vq, signalled), 0, 0 },
    { 0 },
};

static void queue_name(char *buf, size_t len, const VirtioDev *vdev, unsigned i)
{
    snprintf(buf, len, "%s.%u", vdev->id, i);
}

int virtio_save(VirtioDev *vdev, StateBuf *buf, Err *e)
{
    char name[80];
    int r;

    MUTEX_SCOPE(&vdev->lock);
    r = state_save(buf, "virtio", vdev->id, STATE_VERSION, dev_state, vdev, e);
    if (r == 0)
        r = state_save(buf, "virtio-config", vdev->id, STATE_VERSION,
                       config_state, vdev->config, e);
    for (unsigned i = 0; i < vdev->num_queues && r == 0; i++) {
        queue_name(name, sizeof(name), vdev, i);
        r = state_save(buf, "virtio-queue", name, STATE_VERSION, queue_state,
                       &vdev->vqs[i], e);
    }
    if (r == 0 && vdev->cls->state)
        r = state_save(buf, vdev->cls->name, vdev->id, STATE_VERSION,
                       vdev->cls->state, vdev, e);
    return r;
}

static int load_dev(VirtioDev *vdev, const StateSection *section, Err *e)
{
    int r = state_load(section, dev_state, vdev, e);

    if (r < 0)
        return r;
    if (vdev->features & ~vdev->host_features) {
        uint64_t lacking = vdev->features & ~vdev->host_features;

        virtio_reset_regs(vdev);
        return err_set(e, EINVAL,
                       "state of '%s': its driver uses features 0x%llx that "
                       "this device lacks",
                       vdev->id, (unsigned long long)lacking);
    }
    vdev->live = vdev->status != 0;
    return 0;
}

static int load_queue(VirtioDev *vdev, const StateSection *section, Err *e)
{
    char name[80];

    for (unsigned i = 0; i < vdev->num_queues; i++) {
        queue_name(name, sizeof(name), vdev, i);
        if (strcmp(name, section->instance) == 0) {
            int r = state_load(section, queue_state, &vdev->vqs[i], e);

            return r < 0 ? r : 1;
        }
    }
    return 0;
}

static int load_class(VirtioDev *vdev, const StateSection *section, Err *e)
{
    int r = state_load(section, vdev->cls->state, vdev, e);

    if (r == 0 && vdev->cls->loaded)
        r = vdev->cls->loaded(vdev, e);
    return r;
}

static int load_section(VirtioDev *vdev, const StateSection *section, Err *e)
{
    if (strcmp(section->name, "virtio-queue") == 0)
        return load_queue(vdev, section, e);
    if (strcmp(section->instance, vdev->id) != 0)
        return 0;
    if (strcmp(section->name, "virtio") == 0)
        return load_dev(vdev, section, e) ?: 1;
    if (strcmp(section->name, "virtio-config") == 0)
        return state_load(section, config_state, vdev->config, e) ?: 1;
    if (vdev->cls->state && strcmp(section->name, vdev->cls->name) == 0)
        return load_class(vdev, section, e) ?: 1;
    return 0;
}

int virtio_load(VirtioDev *vdev, const StateSection *section, Err *e)
{
    int r;

    MUTEX_SCOPE(&vdev->lock);
    r = load_section(vdev, section, e);
    if (vdev->transport)
        vdev->transport->ops->refresh(vdev->transport);
    return r;
}
