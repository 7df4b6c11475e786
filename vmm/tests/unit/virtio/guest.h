/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A device under test, a megabyte of guest memory, and a driver's hands. */
#pragma once

#include "virtio/transport.h"
#include "virtio/virtio_priv.h"

#include "util/bytes.h"
#include "util/cleanup.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RAM_BYTES  0x100000
#define DESC_GPA   0x1000
#define AVAIL_GPA  0x2000
#define USED_GPA   0x3000
#define TABLE_GPA  0x4000
#define DATA_GPA   0x10000
#define QUEUE_SIZE 16

enum {
    NEXT = 1,
    WRITE = 2,
    INDIRECT = 4,
};

typedef struct Guest {
    Loop *loop;
    GuestMem *gm;
    VirtioEnv env;
    VirtioDev *vdev;
    VirtioTransport t;
    unsigned queue_irqs, config_irqs;
    uint16_t avail; /* driver's index */
    uint16_t seen;  /* used entries looked at */
} Guest;

static Guest *guest_of(VirtioTransport *t)
{
    return container_of(t, Guest, t);
}

static void fake_queue_irq(VirtioTransport *t, unsigned queue)
{
    guest_of(t)->queue_irqs++;
}

static void fake_config_irq(VirtioTransport *t)
{
    guest_of(t)->config_irqs++;
}

static void fake_refresh(VirtioTransport *t)
{
}

static const VirtioTransportOps fake_ops = {
    .queue_irq = fake_queue_irq,
    .config_irq = fake_config_irq,
    .refresh = fake_refresh,
    .reset = fake_refresh,
};

static inline void guest_init(Guest *g, const VirtioClass *cls,
                              const void *conf)
{
    RamConf ram = { .name = "ram", .size_bytes = RAM_BYTES };
    RamBlock *block = NULL;
    Err e = ERR_INIT;

    assert_int_equal(loop_new(&g->loop, "test", &e), 0);
    assert_int_equal(gmem_new(&g->gm, &e), 0);
    assert_int_equal(ram_block_new(&block, &ram, &e), 0);
    assert_int_equal(gmem_map(g->gm, 0, RAM_BYTES, block, 0, 0, &e), 0);
    ram_block_unref(block);
    g->env.main_loop = g->loop;
    g->env.gm = g->gm;
    g->env.vcpus = 1;
    assert_int_equal(virtio_new(&g->vdev, cls, "dut", conf, &g->env, &e), 0);
    g->t.ops = &fake_ops;
    g->t.vdev = g->vdev;
    g->vdev->transport = &g->t;
}

/* Runs the loop until nothing more happens at once. */
static inline void guest_run(Guest *g)
{
    for (int i = 0; i < 8; i++)
        loop_turn(g->loop, 0);
}

static inline void guest_fini(Guest *g)
{
    virtio_unplug(g->vdev, NULL, NULL);
    guest_run(g);
    virtio_free(g->vdev);
    gmem_free(g->gm);
    loop_free(g->loop);
}

static inline void guest_status(Guest *g, uint8_t val)
{
    pthread_mutex_lock(&g->vdev->lock);
    virtio_drv_status(g->vdev, val);
    pthread_mutex_unlock(&g->vdev->lock);
}

static inline void guest_start(Guest *g, uint64_t features)
{
    VirtioDev *vdev = g->vdev;

    g->avail = g->seen = 0;
    gmem_set(g->gm, 0, 0, RAM_BYTES);
    guest_status(g, 3);
    virtio_drv_features(vdev, 0, (uint32_t)features);
    virtio_drv_features(vdev, 1,
                        (features | VIRTIO_F(VIRTIO_F_VERSION_1)) >> 32);
    guest_status(g, 11);
    assert_int_equal(vdev->status, 11);
    virtio_drv_queue_size(vdev, 0, QUEUE_SIZE);
    virtio_drv_queue_addr(vdev, 0, VQ_RING_DESC, false, DESC_GPA);
    virtio_drv_queue_addr(vdev, 0, VQ_RING_AVAIL, false, AVAIL_GPA);
    virtio_drv_queue_addr(vdev, 0, VQ_RING_USED, false, USED_GPA);
    virtio_drv_queue_ready(vdev, 0, true);
    guest_status(g, 15);
    guest_run(g);
}

static inline void guest_desc_at(Guest *g, uint64_t table, unsigned i,
                                 uint64_t addr, uint32_t len, uint16_t flags,
                                 uint16_t next)
{
    uint8_t raw[16];

    store_le64(raw, addr);
    store_le32(raw + 8, len);
    store_le16(raw + 12, flags);
    store_le16(raw + 14, next);
    assert_int_equal(gmem_write(g->gm, table + i * 16, raw, 16), 0);
}

static inline void guest_desc(Guest *g, unsigned i, uint64_t addr, uint32_t len,
                              uint16_t flags, uint16_t next)
{
    guest_desc_at(g, DESC_GPA, i, addr, len, flags, next);
}

static inline void guest_avail_set(Guest *g, uint16_t idx)
{
    uint8_t raw[2];

    store_le16(raw, idx);
    gmem_write(g->gm, AVAIL_GPA + 2, raw, 2);
}

/* Makes a chain available without a kick. */
static inline void guest_add(Guest *g, uint16_t head)
{
    uint8_t raw[2];

    store_le16(raw, head);
    gmem_write(g->gm, AVAIL_GPA + 4 + 2 * (g->avail % QUEUE_SIZE), raw, 2);
    guest_avail_set(g, ++g->avail);
}

static inline void guest_kick(Guest *g)
{
    pthread_mutex_lock(&g->vdev->lock);
    virtio_drv_notify(g->vdev, 0);
    pthread_mutex_unlock(&g->vdev->lock);
    guest_run(g);
}

static inline uint16_t guest_load16(Guest *g, uint64_t gpa)
{
    uint8_t raw[2];

    gmem_read(g->gm, gpa, raw, 2);
    return load_le16(raw);
}

static inline void guest_store16(Guest *g, uint64_t gpa, uint16_t val)
{
    uint8_t raw[2];

    store_le16(raw, val);
    gmem_write(g->gm, gpa, raw, 2);
}

static inline uint16_t guest_used_idx(Guest *g)
{
    return guest_load16(g, USED_GPA + 2);
}

/* The next used entry; there must be one. */
static inline void guest_used(Guest *g, uint32_t *ret_id, uint32_t *ret_len)
{
    uint8_t raw[8];

    assert_int_not_equal(guest_used_idx(g), g->seen);
    gmem_read(g->gm, USED_GPA + 4 + 8 * (g->seen++ % QUEUE_SIZE), raw, 8);
    *ret_id = load_le32(raw);
    *ret_len = load_le32(raw + 4);
}
