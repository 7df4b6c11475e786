/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bus/bus.h - which device answers at a port or address. */
#pragma once

#include "core/loop.h"
#include "util/err.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * How this works
 *
 * Each space (ports, guest-physical MMIO) publishes one immutable sorted array
 * of regions; vCPU threads search it without a lock and call the handler under
 * the region's device lock, a leaf.  Handlers never block and make no system
 * call.  What needs one is a Deferred: posted to the owning loop, while the
 * vCPU parks before it enters the guest again.
 */
typedef enum BusSpace {
    BUS_PIO,
    BUS_MMIO,
    BUS_SPACE_MAX
} BusSpace;

typedef struct IoOps {
    /* @off from the region's base; @size 1, 2, 4 or 8 */
    uint64_t (*read)(void *opaque, uint64_t off, unsigned size);
    void (*write)(void *opaque, uint64_t off, uint64_t val, unsigned size);
    unsigned sizes; /* allowed sizes or-ed: 1|2|4|8; others read all-ones */
} IoOps;

typedef struct IoRegion {
    const char *name;
    uint64_t base;
    uint64_t len;
    const IoOps *ops;
    void *opaque;
    pthread_mutex_t *lock; /* the device's; NULL: handler needs none */
} IoRegion;

typedef struct Bus Bus;

int bus_new(Bus **ret_bus, Err *e);
void bus_free(Bus *bus);

/* @region is borrowed until bus_del(). -EEXIST when it overlaps. Main loop. */
int bus_add(Bus *bus, BusSpace space, const IoRegion *region, Err *e);
void bus_del(Bus *bus, BusSpace space, const IoRegion *region);

/**
 * bus_read() / bus_write() - One access by a vCPU
 *
 * Nobody there, a size the region refuses, or a range beyond its end: reads
 * give all-ones, writes are dropped.  Ports without a device answer as the
 * design says (bus_pio_default()).
 */
uint64_t bus_read(Bus *bus, BusSpace space, uint64_t addr, unsigned size);
void bus_write(Bus *bus, BusSpace space, uint64_t addr, uint64_t val,
               unsigned size);

/* --- parking ------------------------------------------------------------- */

/* One per vCPU thread. Handlers find it by bus_cpu_self(). */
typedef struct BusCpu {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    unsigned pending; /* Deferreds this vCPU waits for; under @lock */
    bool kicked;      /* pause, reset or quit wants the vCPU; under @lock */
} BusCpu;

void bus_cpu_init(BusCpu *cpu);
void bus_cpu_fini(BusCpu *cpu);
void bus_cpu_enter(BusCpu *cpu); /* the calling thread is this vCPU */
/* Waits until nothing is pending. Return: false when kicked away first. */
bool bus_cpu_park(BusCpu *cpu);
void bus_cpu_kick(BusCpu *cpu); /* any thread */
void bus_cpu_unkick(BusCpu *cpu);

/*
 * A Deferred is embedded in a device: its function runs once on @loop, and the
 * vCPU whose handler posted it does not run on before.  The function may
 * finish later by keeping the Deferred and calling deferred_done() itself.
 */
typedef struct Deferred {
    Work work;
    Loop *loop;
    LoopFn *fn; /* must lead to deferred_done() */
    void *opaque;
    BusCpu *cpu; /* parked for it, NULL none; under its lock */
    bool busy;   /* under the device's lock */
} Deferred;

void deferred_init(Deferred *d, LoopFn *fn, void *opaque);
/* From a handler, device lock held. Return: false when it is busy already. */
bool deferred_post(Deferred *d, Loop *loop);
/* On the loop. Clears busy under @lock (the device's) and wakes the vCPU. */
void deferred_done(Deferred *d, pthread_mutex_t *lock);
