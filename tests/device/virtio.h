/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* device/virtio.h - the driver's side of virtio-mmio, one step at a time. */
#pragma once

#include "device/vm.h"

/* Registers of a slot. */
enum {
    MMIO_MAGIC = 0x00,
    MMIO_VERSION = 0x04,
    MMIO_DEVICE_ID = 0x08,
    MMIO_VENDOR_ID = 0x0c,
    MMIO_DEV_FEATURES = 0x10,
    MMIO_DEV_FEATURES_SEL = 0x14,
    MMIO_DRV_FEATURES = 0x20,
    MMIO_DRV_FEATURES_SEL = 0x24,
    MMIO_QUEUE_SEL = 0x30,
    MMIO_QUEUE_NUM_MAX = 0x34,
    MMIO_QUEUE_NUM = 0x38,
    MMIO_QUEUE_READY = 0x44,
    MMIO_QUEUE_NOTIFY = 0x50,
    MMIO_INT_STATUS = 0x60,
    MMIO_INT_ACK = 0x64,
    MMIO_STATUS = 0x70,
    MMIO_QUEUE_DESC = 0x80,
    MMIO_QUEUE_AVAIL = 0x90,
    MMIO_QUEUE_USED = 0xa0,
    MMIO_SHM_LEN = 0xb0,
    MMIO_CONFIG_GEN = 0xfc,
    MMIO_CONFIG = 0x100,
};

enum {
    S_ACK = 1,
    S_DRIVER = 2,
    S_DRIVER_OK = 4,
    S_FEATURES_OK = 8,
    S_NEEDS_RESET = 0x40,
};

#define F(bit)       (1ULL << (bit))
#define F_INDIRECT_  28
#define F_EVENT_IDX_ 29
#define F_VERSION_1_ 32
#define ALL_FEATURES UINT64_MAX
#define NO_FEATURES  F(F_VERSION_1_)

#define SLOT_BASE   0xf0100000ULL
#define SLOT_STRIDE 0x200
#define SLOTS       19

enum {
    D_NEXT = 1,
    D_WRITE = 2,
    D_INDIRECT = 4,
};

#define Q_SIZE 64 /* entries the driver uses, unless the device has fewer */

typedef struct Queue {
    struct Dev *dev;
    unsigned index, num;
    uint64_t desc, avail, used;
    uint16_t avail_idx, used_idx, next_desc;
} Queue;

typedef struct Dev {
    Vm *vm;
    uint64_t base;
    uint64_t features; /* negotiated */
    Queue q[8];
} Dev;

typedef struct Buf {
    uint64_t gpa;
    uint32_t len;
    bool write; /* the device writes */
} Buf;

static inline uint32_t dev_get(Dev *d, unsigned reg)
{
    return vm_readl(d->vm, d->base + reg);
}

static inline void dev_set(Dev *d, unsigned reg, uint32_t val)
{
    vm_writel(d->vm, d->base + reg, val);
}

/* The @nth device of a type; there must be one. Not touched yet. */
Dev dev_find(Vm *vm, uint32_t type, unsigned nth);
uint64_t dev_offered(Dev *d);
void dev_reset(Dev *d);
/* Reset, ACKNOWLEDGE, DRIVER, features and FEATURES_OK. @wanted is masked by
 * what is offered. */
void dev_negotiate(Dev *d, uint64_t wanted);
Queue *dev_queue(Dev *d, unsigned index); /* set up and ready */
void dev_go(Dev *d);                      /* DRIVER_OK */
/* All of it, with @queues queues. */
void dev_start(Dev *d, uint64_t wanted, unsigned queues);
/* Waits until the device says NEEDS_RESET. */
void dev_expect_broken(Dev *d);

/* Writes one descriptor verbatim. */
void q_desc(Queue *q, unsigned i, uint64_t gpa, uint32_t len, uint16_t flags,
            uint16_t next);
void q_desc_at(Vm *vm, uint64_t table, unsigned i, uint64_t gpa, uint32_t len,
               uint16_t flags, uint16_t next);
/* Makes a head available, without a kick. */
void q_avail(Queue *q, uint16_t head);
void q_avail_idx(Queue *q, uint16_t idx);
void q_kick(Queue *q);
uint16_t q_used_idx(Queue *q);
/* Buffers as one chain, direct or indirect; returns its head. */
uint16_t q_add(Queue *q, const Buf *bufs, unsigned num, bool indirect);
/* The next used entry, waited for: its id, and the length written. */
uint32_t q_wait(Queue *q, uint32_t *ret_len);
/* Add, kick, wait; returns the length written. */
uint32_t q_do(Queue *q, const Buf *bufs, unsigned num);

/**
 * dev_torture() - Every malformed ring there is, on one queue
 * @queues: queues the device needs to be started
 * @queue:  the one to torture
 *
 * After each, the device must say NEEDS_RESET (or ignore what cannot be seen),
 * come back by a reset, and the VMM must still answer.
 */
void dev_torture(Dev *d, unsigned queues, unsigned queue);

/* Registers of any device: constants, selectors, states, widths. */
void dev_check_registers(Dev *d, uint32_t type, unsigned queues,
                         unsigned config_len);
