/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* device/virtio.c - the driver's side of virtio-mmio. */
#include <config.h>

#include "device/virtio.h"

#include <endian.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* --- devices ------------------------------------------------------------- */

Dev dev_find(Vm *vm, uint32_t type, unsigned nth)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        Dev d = { .vm = vm, .base = SLOT_BASE + i * SLOT_STRIDE };

        if (dev_get(&d, MMIO_MAGIC) == 0x74726976 &&
            dev_get(&d, MMIO_DEVICE_ID) == type && nth-- == 0)
            return d;
    }
    fail_msg("no virtio device of type %u", type);
    return (Dev){ 0 };
}

uint64_t dev_offered(Dev *d)
{
    uint64_t f;

    dev_set(d, MMIO_DEV_FEATURES_SEL, 1);
    f = (uint64_t)dev_get(d, MMIO_DEV_FEATURES) << 32;
    dev_set(d, MMIO_DEV_FEATURES_SEL, 0);
    return f | dev_get(d, MMIO_DEV_FEATURES);
}

void dev_reset(Dev *d)
{
    VmDeadline deadline = vm_deadline();

    dev_set(d, MMIO_STATUS, 0);
    while (dev_get(d, MMIO_STATUS) != 0)
        vm_retry(d->vm, &deadline, "reset a device");
    memset(d->q, 0, sizeof(d->q));
}

void dev_negotiate(Dev *d, uint64_t wanted)
{
    d->features = dev_offered(d) & wanted;
    dev_reset(d);
    dev_set(d, MMIO_STATUS, S_ACK);
    dev_set(d, MMIO_STATUS, S_ACK | S_DRIVER);
    dev_set(d, MMIO_DRV_FEATURES_SEL, 0);
    dev_set(d, MMIO_DRV_FEATURES, d->features);
    dev_set(d, MMIO_DRV_FEATURES_SEL, 1);
    dev_set(d, MMIO_DRV_FEATURES, d->features >> 32);
    dev_set(d, MMIO_STATUS, S_ACK | S_DRIVER | S_FEATURES_OK);
    assert_int_equal(dev_get(d, MMIO_STATUS), S_ACK | S_DRIVER | S_FEATURES_OK);
}

static void set_addr(Dev *d, unsigned reg, uint64_t gpa)
{
    dev_set(d, reg, gpa);
    dev_set(d, reg + 4, gpa >> 32);
}

Queue *dev_queue(Dev *d, unsigned index)
{
    Queue *q = &d->q[index];
    unsigned max;

    dev_set(d, MMIO_QUEUE_SEL, index);
    max = dev_get(d, MMIO_QUEUE_NUM_MAX);
    assert_true(max > 0);
    assert_int_equal(dev_get(d, MMIO_QUEUE_READY), 0);
    *q =
        (Queue){ .dev = d, .index = index, .num = max < Q_SIZE ? max : Q_SIZE };
    q->desc = vm_alloc(d->vm, q->num * 16, 4096);
    q->avail = vm_alloc(d->vm, q->num * 2 + 6, 4096);
    q->used = vm_alloc(d->vm, q->num * 8 + 6, 4096);
    dev_set(d, MMIO_QUEUE_NUM, q->num);
    set_addr(d, MMIO_QUEUE_DESC, q->desc);
    set_addr(d, MMIO_QUEUE_AVAIL, q->avail);
    set_addr(d, MMIO_QUEUE_USED, q->used);
    dev_set(d, MMIO_QUEUE_READY, 1);
    assert_int_equal(dev_get(d, MMIO_QUEUE_READY), 1);
    return q;
}

void dev_go(Dev *d)
{
    dev_set(d, MMIO_STATUS, S_ACK | S_DRIVER | S_FEATURES_OK | S_DRIVER_OK);
}

void dev_start(Dev *d, uint64_t wanted, unsigned queues)
{
    dev_negotiate(d, wanted);
    for (unsigned i = 0; i < queues; i++)
        dev_queue(d, i);
    dev_go(d);
    assert_int_equal(dev_get(d, MMIO_STATUS),
                     S_ACK | S_DRIVER | S_FEATURES_OK | S_DRIVER_OK);
}

void dev_expect_broken(Dev *d)
{
    VmDeadline deadline = vm_deadline();

    while (!(dev_get(d, MMIO_STATUS) & S_NEEDS_RESET))
        vm_retry(d->vm, &deadline, "see that a driver misbehaves");
    /* told by a configuration change interrupt */
    assert_true(dev_get(d, MMIO_INT_STATUS) & 2);
}

/* --- queues -------------------------------------------------------------- */

void q_desc_at(Vm *vm, uint64_t table, unsigned i, uint64_t gpa, uint32_t len,
               uint16_t flags, uint16_t next)
{
    struct {
        uint64_t gpa;
        uint32_t len;
        uint16_t flags, next;
    } d = { htole64(gpa), htole32(len), htole16(flags), htole16(next) };

    vm_write(vm, table + i * 16, &d, 16);
}

void q_desc(Queue *q, unsigned i, uint64_t gpa, uint32_t len, uint16_t flags,
            uint16_t next)
{
    q_desc_at(q->dev->vm, q->desc, i, gpa, len, flags, next);
}

void q_avail_idx(Queue *q, uint16_t idx)
{
    vm_store(q->dev->vm, q->avail + 2, idx, 2);
}

void q_avail(Queue *q, uint16_t head)
{
    vm_store(q->dev->vm, q->avail + 4 + 2 * (q->avail_idx % q->num), head, 2);
    q_avail_idx(q, ++q->avail_idx);
}

void q_kick(Queue *q)
{
    dev_set(q->dev, MMIO_QUEUE_NOTIFY, q->index);
}

uint16_t q_used_idx(Queue *q)
{
    return vm_load(q->dev->vm, q->used + 2, 2);
}

static uint16_t take_desc(Queue *q)
{
    uint16_t i = q->next_desc;

    q->next_desc = (i + 1) % q->num;
    return i;
}

static uint16_t buf_flags(const Buf *b, bool more)
{
    return (b->write ? D_WRITE : 0) | (more ? D_NEXT : 0);
}

uint16_t q_add(Queue *q, const Buf *bufs, unsigned num, bool indirect)
{
    uint16_t head = q->next_desc;
    uint64_t table;

    if (indirect) {
        table = vm_alloc(q->dev->vm, num * 16, 16);
        for (unsigned i = 0; i < num; i++)
            q_desc_at(q->dev->vm, table, i, bufs[i].gpa, bufs[i].len,
                      buf_flags(&bufs[i], i + 1 < num), i + 1);
        q_desc(q, take_desc(q), table, num * 16, D_INDIRECT, 0);
    } else {
        for (unsigned i = 0; i < num; i++) {
            uint16_t at = take_desc(q);

            q_desc(q, at, bufs[i].gpa, bufs[i].len,
                   buf_flags(&bufs[i], i + 1 < num), q->next_desc);
        }
    }
    q_avail(q, head);
    return head;
}

uint32_t q_wait(Queue *q, uint32_t *ret_len)
{
    VmDeadline deadline = vm_deadline();
    uint64_t entry = q->used + 4 + 8 * (q->used_idx % q->num);

    while (q_used_idx(q) == q->used_idx)
        vm_retry(q->dev->vm, &deadline, "use a buffer");
    q->used_idx++;
    if (ret_len)
        *ret_len = vm_readl(q->dev->vm, entry + 4);
    return vm_readl(q->dev->vm, entry);
}

uint32_t q_do(Queue *q, const Buf *bufs, unsigned num)
{
    uint16_t head = q_add(q, bufs, num, false);
    uint32_t len;

    q_kick(q);
    assert_int_equal(q_wait(q, &len), head);
    return len;
}

/* --- hostile drivers ----------------------------------------------------- */

typedef struct Torture {
    const char *name;
    void (*fn)(Queue *q);
} Torture;

static uint64_t page(Queue *q)
{
    return vm_alloc(q->dev->vm, 4096, 4096);
}

static void head_too_big(Queue *q)
{
    q_avail(q, q->num);
}

static void head_all_ones(Queue *q)
{
    q_avail(q, 0xffff);
}

static void index_ahead(Queue *q)
{
    q_avail_idx(q, q->num + 1);
}

static void index_behind(Queue *q)
{
    q_avail_idx(q, 0xffff);
}

static void direct_loop(Queue *q)
{
    uint64_t p = page(q);

    q_desc(q, 0, p, 16, D_NEXT, 1);
    q_desc(q, 1, p, 16, D_NEXT, 0);
    q_avail(q, 0);
}

static void self_loop(Queue *q)
{
    q_desc(q, 3, page(q), 16, D_NEXT | D_WRITE, 3);
    q_avail(q, 3);
}

static void next_outside(Queue *q)
{
    q_desc(q, 0, page(q), 16, D_NEXT, q->num);
    q_avail(q, 0);
}

static void out_after_in(Queue *q)
{
    uint64_t p = page(q);

    q_desc(q, 0, p, 16, D_NEXT | D_WRITE, 1);
    q_desc(q, 1, p, 16, 0, 0);
    q_avail(q, 0);
}

static void outside_ram(Queue *q)
{
    q_desc(q, 0, VM_RAM_BYTES - 8, 16, 0, 0);
    q_avail(q, 0);
}

static void outside_ram_write(Queue *q)
{
    q_desc(q, 0, VM_RAM_BYTES, 4096, D_WRITE, 0);
    q_avail(q, 0);
}

static void in_registers(Queue *q)
{
    q_desc(q, 0, q->dev->base, 64, D_WRITE, 0);
    q_avail(q, 0);
}

static void wraps(Queue *q)
{
    q_desc(q, 0, UINT64_MAX - 7, 16, 0, 0);
    q_avail(q, 0);
}

static void four_gib(Queue *q)
{
    q_desc(q, 0, 0, UINT32_MAX, 0, 0);
    q_avail(q, 0);
}

static void sum_too_big(Queue *q)
{
    /* each inside RAM, 4 GiB and more together */
    for (unsigned i = 0; i < 20; i++)
        q_desc(q, i, 0, VM_RAM_BYTES, D_NEXT, i + 1);
    q_desc(q, 20, 0, 16, 0, 0);
    q_avail(q, 0);
}

static void indirect_odd(Queue *q)
{
    q_desc(q, 0, page(q), 24, D_INDIRECT, 0);
    q_avail(q, 0);
}

static void indirect_empty(Queue *q)
{
    q_desc(q, 0, page(q), 0, D_INDIRECT, 0);
    q_avail(q, 0);
}

static void indirect_next(Queue *q)
{
    q_desc(q, 0, page(q), 16, D_INDIRECT | D_NEXT, 1);
    q_avail(q, 0);
}

static void indirect_nested(Queue *q)
{
    uint64_t p = page(q);

    q_desc_at(q->dev->vm, p, 0, p, 16, D_INDIRECT, 0);
    q_desc(q, 0, p, 16, D_INDIRECT, 0);
    q_avail(q, 0);
}

static void indirect_loop(Queue *q)
{
    uint64_t p = page(q);

    q_desc_at(q->dev->vm, p, 0, p + 64, 16, D_NEXT, 1);
    q_desc_at(q->dev->vm, p, 1, p + 64, 16, D_NEXT, 0);
    q_desc(q, 0, p, 32, D_INDIRECT, 0);
    q_avail(q, 0);
}

static void indirect_outside(Queue *q)
{
    q_desc(q, 0, VM_RAM_BYTES - 16, 32, D_INDIRECT, 0);
    q_desc_at(q->dev->vm, VM_RAM_BYTES - 16, 0, 0, 16, D_NEXT, 1);
    q_avail(q, 0);
}

static void indirect_huge(Queue *q)
{
    uint64_t p = page(q);

    q_desc_at(q->dev->vm, p, 0, p, 16, D_NEXT, 0);
    q_desc(q, 0, p, 0xfffffff0, D_INDIRECT, 0);
    q_avail(q, 0);
}

static const Torture tortures[] = {
    { "head beyond the queue", head_too_big },
    { "head all ones", head_all_ones },
    { "index too far ahead", index_ahead },
    { "index behind", index_behind },
    { "loop of two", direct_loop },
    { "loop of one", self_loop },
    { "next beyond the queue", next_outside },
    { "readable after writable", out_after_in },
    { "read outside RAM", outside_ram },
    { "write outside RAM", outside_ram_write },
    { "into device registers", in_registers },
    { "address wraps", wraps },
    { "length of 4 GiB", four_gib },
    { "lengths of 5 GiB together", sum_too_big },
    { "indirect, odd length", indirect_odd },
    { "indirect, no length", indirect_empty },
    { "indirect and next", indirect_next },
    { "indirect in indirect", indirect_nested },
    { "indirect loop", indirect_loop },
    { "indirect outside RAM", indirect_outside },
    { "indirect of 4 GiB", indirect_huge },
};

static void bad_rings(Dev *d, unsigned queues, unsigned queue)
{
    const uint64_t bad[][3] = {
        { VM_RAM_BYTES - 16, 0x2000, 0x3000 },
        { 0x1000, VM_RAM_BYTES, 0x3000 },
        { 0x1000, 0x2000, d->base & ~0xfffULL },
        { 0x1008, 0x2000, 0x3000 },
        { 0x1000, 0x2001, 0x3000 },
        { 0x1000, 0x2000, 0x3002 },
        { UINT64_MAX - 15, 0x2000, 0x3000 },
    };
    const uint32_t bad_num[] = { 0, 3, 0x8000, 0x10000, UINT32_MAX };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        dev_negotiate(d, ALL_FEATURES);
        dev_set(d, MMIO_QUEUE_SEL, queue);
        dev_set(d, MMIO_QUEUE_NUM, 16);
        set_addr(d, MMIO_QUEUE_DESC, bad[i][0]);
        set_addr(d, MMIO_QUEUE_AVAIL, bad[i][1]);
        set_addr(d, MMIO_QUEUE_USED, bad[i][2]);
        dev_set(d, MMIO_QUEUE_READY, 1);
        dev_go(d);
        dev_expect_broken(d);
    }
    for (size_t i = 0; i < sizeof(bad_num) / sizeof(bad_num[0]); i++) {
        dev_negotiate(d, ALL_FEATURES);
        dev_set(d, MMIO_QUEUE_SEL, queue);
        dev_set(d, MMIO_QUEUE_NUM, bad_num[i]);
        set_addr(d, MMIO_QUEUE_DESC, 0x1000);
        set_addr(d, MMIO_QUEUE_AVAIL, 0x2000);
        set_addr(d, MMIO_QUEUE_USED, 0x3000);
        dev_set(d, MMIO_QUEUE_READY, 1);
        dev_go(d);
        dev_expect_broken(d);
    }
}

void dev_torture(Dev *d, unsigned queues, unsigned queue)
{
    for (size_t i = 0; i < sizeof(tortures) / sizeof(tortures[0]); i++) {
        print_message("    torture: %s\n", tortures[i].name);
        dev_start(d, ALL_FEATURES, queues);
        tortures[i].fn(&d->q[queue]);
        q_kick(&d->q[queue]);
        dev_expect_broken(d);
        /* nothing that comes later is taken */
        assert_int_equal(q_used_idx(&d->q[queue]), 0);
    }
    bad_rings(d, queues, queue);
    dev_reset(d);
}

/* --- registers ----------------------------------------------------------- */

static void check_queue_registers(Dev *d, unsigned queues)
{
    for (unsigned i = 0; i < queues + 2; i++) {
        dev_set(d, MMIO_QUEUE_SEL, i);
        if (i < queues)
            assert_true(dev_get(d, MMIO_QUEUE_NUM_MAX) > 0);
        else
            assert_int_equal(dev_get(d, MMIO_QUEUE_NUM_MAX), 0);
    }
    dev_set(d, MMIO_QUEUE_SEL, UINT32_MAX);
    assert_int_equal(dev_get(d, MMIO_QUEUE_NUM_MAX), 0);
    dev_set(d, MMIO_QUEUE_READY, 1); /* of a queue that is not there */
    assert_int_equal(dev_get(d, MMIO_QUEUE_READY), 0);
    dev_set(d, MMIO_QUEUE_NOTIFY, UINT32_MAX);
}

static void check_states(Dev *d)
{
    uint64_t offered = dev_offered(d);

    assert_true(offered & F(F_VERSION_1_));
    dev_set(d, MMIO_DEV_FEATURES_SEL, 2);
    assert_int_equal(dev_get(d, MMIO_DEV_FEATURES), 0);
    /* DRIVER_OK needs FEATURES_OK, FEATURES_OK needs VERSION_1 */
    dev_reset(d);
    dev_set(d, MMIO_STATUS, 3);
    dev_set(d, MMIO_STATUS, 7);
    assert_int_equal(dev_get(d, MMIO_STATUS), 3);
    dev_set(d, MMIO_STATUS, 11);
    assert_int_equal(dev_get(d, MMIO_STATUS), 3);
    /* what was not offered is not accepted */
    dev_set(d, MMIO_DRV_FEATURES_SEL, 1);
    dev_set(d, MMIO_DRV_FEATURES, 1 | 0x40000000);
    dev_set(d, MMIO_STATUS, 11);
    assert_int_equal(dev_get(d, MMIO_STATUS), 3);
    /* queues cannot be set up before FEATURES_OK */
    dev_set(d, MMIO_QUEUE_SEL, 0);
    dev_set(d, MMIO_QUEUE_READY, 1);
    assert_int_equal(dev_get(d, MMIO_QUEUE_READY), 0);
    /* bits cannot be taken back one by one */
    dev_set(d, MMIO_DRV_FEATURES, 1);
    dev_set(d, MMIO_STATUS, 11);
    assert_int_equal(dev_get(d, MMIO_STATUS), 11);
    dev_set(d, MMIO_STATUS, 1);
    assert_int_equal(dev_get(d, MMIO_STATUS), 11);
    dev_set(d, MMIO_STATUS, 0x80 | 11);
    assert_int_equal(dev_get(d, MMIO_STATUS), 0x80 | 11);
    dev_reset(d);
}

/* Every width at every place gives the same bytes. */
static void check_config_widths(Dev *d, unsigned config_len)
{
    uint64_t at = d->base + MMIO_CONFIG;
    uint8_t bytes[0x108];

    for (unsigned i = 0; i < 0x100; i++)
        bytes[i] = vm_load(d->vm, at + i, 1);
    for (unsigned i = config_len; i < 0x100; i++)
        assert_int_equal(bytes[i], 0);
    for (unsigned size = 2; size <= 8; size *= 2)
        for (unsigned i = 0; i + size <= config_len + 8; i++) {
            uint64_t val = vm_load(d->vm, at + i, size);

            for (unsigned k = 0; k < size; k++)
                assert_int_equal(val >> 8 * k & 0xff, bytes[i + k]);
        }
}

/* Writes of every width everywhere do no harm. */
static void check_stray_writes(Dev *d)
{
    for (unsigned off = 0; off < SLOT_STRIDE; off++)
        for (unsigned size = 1; size <= 8; size *= 2)
            if (size != 4 || off % 4) /* not those that mean something */
                vm_store(d->vm, d->base + off,
                         0x5a5a5a5a5a5a5a5aULL >> (64 - 8 * size), size);
    dev_reset(d);
}

void dev_check_registers(Dev *d, uint32_t type, unsigned queues,
                         unsigned config_len)
{
    dev_reset(d);
    assert_int_equal(dev_get(d, MMIO_MAGIC), 0x74726976);
    assert_int_equal(dev_get(d, MMIO_VERSION), 2);
    assert_int_equal(dev_get(d, MMIO_DEVICE_ID), type);
    assert_int_equal(dev_get(d, MMIO_VENDOR_ID), 0);
    for (unsigned i = 0; i < 16; i += 4)
        assert_int_equal(dev_get(d, MMIO_SHM_LEN + i), UINT32_MAX);
    assert_int_equal(dev_get(d, MMIO_INT_STATUS), 0);
    check_queue_registers(d, queues);
    check_states(d);
    check_config_widths(d, config_len);
    check_stray_writes(d);
}
