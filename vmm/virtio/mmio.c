/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtio/mmio.c - the virtio-mmio transport.  Spec: virtio 1.2, 4.2.
 *
 * All that the guest can read stands in a window of 0x200 bytes that is kept
 * current by every write and every change of the device: no read has side
 * effects, so reading is copying from the window.  With register pages
 * (mmio_pages.c) the window lies in memory that the guest reads without an
 * exit; without them, a read exits and mmio_read() copies.
 *
 * Threads: writes run on vCPU threads under vdev->lock, refreshes under the
 * same lock on any thread.  InterruptStatus alone is changed without it, by
 * atomic operations, since a loop sets it for every interrupt.
 */
#include <config.h>

#include "virtio/mmio_priv.h"

#include "util/bytes.h"
#include "util/cleanup.h"
#include "virtio/virtio_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    REG_MAGIC = 0x00,
    REG_VERSION = 0x04,
    REG_DEVICE_ID = 0x08,
    REG_VENDOR_ID = 0x0c,
    REG_DEVICE_FEATURES = 0x10,
    REG_DEVICE_FEATURES_SEL = 0x14,
    REG_DRIVER_FEATURES = 0x20,
    REG_DRIVER_FEATURES_SEL = 0x24,
    REG_QUEUE_SEL = 0x30,
    REG_QUEUE_NUM_MAX = 0x34,
    REG_QUEUE_NUM = 0x38,
    REG_QUEUE_READY = 0x44,
    REG_QUEUE_NOTIFY = 0x50,
    REG_INTERRUPT_STATUS = 0x60,
    REG_INTERRUPT_ACK = 0x64,
    REG_STATUS = 0x70,
    REG_QUEUE_DESC_LOW = 0x80,
    REG_QUEUE_DESC_HIGH = 0x84,
    REG_QUEUE_DRIVER_LOW = 0x90,
    REG_QUEUE_DRIVER_HIGH = 0x94,
    REG_QUEUE_DEVICE_LOW = 0xa0,
    REG_QUEUE_DEVICE_HIGH = 0xa4,
    REG_SHM_LEN_LOW = 0xb0, /* and high, base low, base high: no regions */
    REG_CONFIG_GENERATION = 0xfc,
    REG_CONFIG = 0x100,
};

#define MMIO_MAGIC   0x74726976
#define MMIO_VERSION 2

enum {
    INT_QUEUE = 1,
    INT_CONFIG = 2,
};

struct VirtioMmio {
    VirtioTransport t;
    VirtioMmioConf conf;
    Irq *irq; /* owned */
    IoRegion region;
    unsigned ioevents; /* queues whose ioeventfd is registered */
    unsigned zones;    /* of @coalesced, registered */
    bool on_bus;

    /* vdev->lock */
    uint32_t features_sel; /* of the device's */
    uint32_t driver_sel;
    uint32_t queue_sel;
    uint8_t *win; /* the window: in a register page, or @own */
    uint8_t own[VIRTIO_MMIO_STRIDE] __attribute__((aligned(8)));
};

static void win_set(VirtioMmio *m, unsigned reg, uint32_t val)
{
    __atomic_store_n((uint32_t *)(m->win + reg), htole32(val),
                     __ATOMIC_RELEASE);
}

static uint32_t win_get(const VirtioMmio *m, unsigned reg)
{
    return le32toh(
        __atomic_load_n((const uint32_t *)(m->win + reg), __ATOMIC_ACQUIRE));
}

static void show_features(VirtioMmio *m)
{
    uint64_t f = m->t.vdev->host_features;

    win_set(m, REG_DEVICE_FEATURES,
            m->features_sel > 1 ? 0 : f >> (m->features_sel * 32));
}

static void show_queue(VirtioMmio *m)
{
    const VirtioDev *vdev = m->t.vdev;
    const Vq *vq =
        m->queue_sel < vdev->num_queues ? &vdev->vqs[m->queue_sel] : NULL;

    win_set(m, REG_QUEUE_NUM_MAX, vq ? vq->size_max : 0);
    win_set(m, REG_QUEUE_READY, vq && vq->ready);
}

/*
 * A driver that reads the generation before and after sees a change, unless it
 * read both while we copied: then the config interrupt, which follows every
 * change, makes it read again.
 */
static void show_config(VirtioMmio *m)
{
    VirtioDev *vdev = m->t.vdev;

    if (memcmp(m->win + REG_CONFIG, vdev->config, vdev->config_len) == 0)
        return;
    win_set(m, REG_CONFIG_GENERATION, ++vdev->config_gen);
    __sync_synchronize();
    memcpy(m->win + REG_CONFIG, vdev->config, vdev->config_len);
    win_set(m, REG_CONFIG_GENERATION, ++vdev->config_gen);
}

static void mmio_refresh(VirtioTransport *t)
{
    VirtioMmio *m = container_of(t, VirtioMmio, t);

    show_features(m);
    show_queue(m);
    show_config(m);
    win_set(m, REG_STATUS, t->vdev->status);
}

static void mmio_reset(VirtioTransport *t)
{
    VirtioMmio *m = container_of(t, VirtioMmio, t);

    m->features_sel = m->driver_sel = m->queue_sel = 0;
    win_set(m, REG_INTERRUPT_STATUS, 0);
    mmio_refresh(t);
}

static void interrupt(VirtioMmio *m, uint32_t bit)
{
    __atomic_fetch_or((uint32_t *)(m->win + REG_INTERRUPT_STATUS), htole32(bit),
                      __ATOMIC_SEQ_CST);
    irq_pulse(m->irq);
}

static void mmio_queue_irq(VirtioTransport *t, unsigned queue)
{
    interrupt(container_of(t, VirtioMmio, t), INT_QUEUE);
}

static void mmio_config_irq(VirtioTransport *t)
{
    interrupt(container_of(t, VirtioMmio, t), INT_CONFIG);
}

static const VirtioTransportOps mmio_transport_ops = {
    .queue_irq = mmio_queue_irq,
    .config_irq = mmio_config_irq,
    .refresh = mmio_refresh,
    .reset = mmio_reset,
};

/* --- register accesses --------------------------------------------------- */

static uint64_t mmio_read(void *opaque, uint64_t off, unsigned size)
{
    VirtioMmio *m = opaque;
    uint8_t raw[8] = { 0 };

    if (!range_within(off, size, VIRTIO_MMIO_STRIDE))
        return UINT64_MAX;
    if (size == 4 && off % 4 == 0)
        return win_get(m, off);
    memcpy(raw, m->win + off, size);
    return load_le64(raw);
}

static void queue_write(VirtioMmio *m, uint64_t off, uint32_t val)
{
    VirtioDev *vdev = m->t.vdev;
    unsigned q = m->queue_sel;
    bool high = off & 4;

    switch (off & ~4ULL) {
    case REG_QUEUE_DESC_LOW:
        virtio_drv_queue_addr(vdev, q, VQ_RING_DESC, high, val);
        break;
    case REG_QUEUE_DRIVER_LOW:
        virtio_drv_queue_addr(vdev, q, VQ_RING_AVAIL, high, val);
        break;
    case REG_QUEUE_DEVICE_LOW:
        virtio_drv_queue_addr(vdev, q, VQ_RING_USED, high, val);
        break;
    }
}

static void reg_write(VirtioMmio *m, uint64_t off, uint32_t val)
{
    VirtioDev *vdev = m->t.vdev;

    switch (off) {
    case REG_DEVICE_FEATURES_SEL:
        m->features_sel = val;
        show_features(m);
        break;
    case REG_DRIVER_FEATURES:
        virtio_drv_features(vdev, m->driver_sel, val);
        break;
    case REG_DRIVER_FEATURES_SEL:
        m->driver_sel = val;
        break;
    case REG_QUEUE_SEL:
        m->queue_sel = val;
        show_queue(m);
        break;
    case REG_QUEUE_NUM:
        virtio_drv_queue_size(vdev, m->queue_sel, val);
        break;
    case REG_QUEUE_READY:
        virtio_drv_queue_ready(vdev, m->queue_sel, val & 1);
        break;
    case REG_QUEUE_NOTIFY:
        virtio_drv_notify(vdev, val);
        break;
    case REG_INTERRUPT_ACK:
        __atomic_fetch_and((uint32_t *)(m->win + REG_INTERRUPT_STATUS),
                           htole32(~val), __ATOMIC_SEQ_CST);
        break;
    case REG_STATUS:
        virtio_drv_status(vdev, val);
        break;
    default:
        queue_write(m, off, val);
    }
}

static void mmio_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    VirtioMmio *m = opaque;

    if (off >= REG_CONFIG)
        virtio_drv_config_write(m->t.vdev, off - REG_CONFIG, val, size);
    else if (size == 4 && off % 4 == 0)
        reg_write(m, off, val);
}

static const IoOps mmio_io_ops = {
    .read = mmio_read,
    .write = mmio_write,
    .sizes = 1 | 2 | 4 | 8,
};

/* --- construction -------------------------------------------------------- */

static HvIoEvent notify_event(const VirtioMmio *m, unsigned queue)
{
    return (HvIoEvent){
        .addr = m->conf.base + REG_QUEUE_NOTIFY,
        .len = 4,
        .match = true,
        .data = queue,
    };
}

static int ioevents_add(VirtioMmio *m, Err *e)
{
    VirtioDev *vdev = m->t.vdev;

    for (; m->ioevents < vdev->num_queues; m->ioevents++) {
        HvIoEvent ev = notify_event(m, m->ioevents);
        int r =
            hv_ioevent_add(m->conf.hv, &ev, vdev->vqs[m->ioevents].kick_fd, e);

        if (r < 0)
            return r;
    }
    return 0;
}

/* What never changes; the rest is mmio_reset()'s. */
static void win_init(VirtioMmio *m)
{
    memset(m->win, 0, VIRTIO_MMIO_STRIDE);
    win_set(m, REG_MAGIC, MMIO_MAGIC);
    win_set(m, REG_VERSION, MMIO_VERSION);
    win_set(m, REG_DEVICE_ID, m->t.vdev->cls->virtio_id);
    for (unsigned i = 0; i < 16; i += 4)
        win_set(m, REG_SHM_LEN_LOW + i, UINT32_MAX);
}

/*
 * Registers that are only written, and mean nothing until one that exits is:
 * the hypervisor may keep such writes and hand them over before that exit.
 * Together they are most of what a driver writes to set a device up.
 */
static const struct {
    unsigned reg, len;
} coalesced[] = {
    { REG_DRIVER_FEATURES, 8 }, /* and their selector */
    { REG_QUEUE_NUM, 4 },
    { REG_QUEUE_DESC_LOW, REG_QUEUE_DEVICE_HIGH + 4 - REG_QUEUE_DESC_LOW },
};

static void coalesce(VirtioMmio *m)
{
    while (m->zones < ARRAY_SIZE(coalesced) &&
           hv_coalesce_add(m->conf.hv, m->conf.base + coalesced[m->zones].reg,
                           coalesced[m->zones].len, false) == 0)
        m->zones++;
}

static void uncoalesce(VirtioMmio *m)
{
    while (m->zones--)
        hv_coalesce_del(m->conf.hv, m->conf.base + coalesced[m->zones].reg,
                        coalesced[m->zones].len, false);
}

static int mmio_setup(VirtioMmio *m, Err *e)
{
    int r;

    if (m->conf.pages) {
        r = virtio_mmio_pages_get(m->conf.pages, m->conf.base, &m->win, e);
        if (r < 0)
            return r;
    }
    win_init(m);
    r = irq_new_pin(&m->irq, m->conf.hv, IRQ_EDGE, m->conf.gsi, e);
    if (r < 0)
        return r;
    r = ioevents_add(m, e);
    if (r < 0)
        return r;
    m->region = (IoRegion){
        .name = m->t.vdev->id,
        .base = m->conf.base,
        .len = VIRTIO_MMIO_STRIDE,
        .ops = &mmio_io_ops,
        .opaque = m,
        .lock = &m->t.vdev->lock,
    };
    r = bus_add(m->conf.bus, BUS_MMIO, &m->region, e);
    if (r < 0)
        return r;
    m->on_bus = true;
    coalesce(m);
    return 0;
}

int virtio_mmio_new(VirtioMmio **ret_mmio, VirtioDev *vdev,
                    const VirtioMmioConf *conf, Err *e)
{
    VirtioMmio *m = calloc(1, sizeof(*m));
    int r;

    if (!m)
        return err_set(e, ENOMEM, "out of memory");
    m->t.ops = &mmio_transport_ops;
    m->t.vdev = vdev;
    m->conf = *conf;
    m->win = m->own;
    r = mmio_setup(m, e);
    if (r < 0) {
        virtio_mmio_free(m);
        return r;
    }
    pthread_mutex_lock(&vdev->lock);
    vdev->transport = &m->t;
    mmio_reset(&m->t);
    pthread_mutex_unlock(&vdev->lock);
    *ret_mmio = m;
    return 0;
}

void virtio_mmio_free(VirtioMmio *m)
{
    if (!m)
        return;
    if (m->on_bus)
        bus_del(m->conf.bus, BUS_MMIO, &m->region);
    uncoalesce(m);
    while (m->ioevents--) {
        HvIoEvent ev = notify_event(m, m->ioevents);

        hv_ioevent_del(m->conf.hv, &ev, m->t.vdev->vqs[m->ioevents].kick_fd);
    }
    pthread_mutex_lock(&m->t.vdev->lock);
    m->t.vdev->transport = NULL;
    pthread_mutex_unlock(&m->t.vdev->lock);
    if (m->conf.pages)
        virtio_mmio_pages_put(m->conf.pages, m->conf.base);
    irq_free(m->irq);
    free(m);
}
