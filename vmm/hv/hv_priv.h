/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hv/hv_priv.h - what the accelerators implement. */
#pragma once

#include "hv/gsi.h"
#include "hv/hv.h"
#include "util/list.h"

#include <pthread.h>
#include <stdatomic.h>

/*
 * How this works
 *
 * hv.c and irq.c hold what both accelerators share: the table of interrupt
 * numbers, the Irq handles, and the calls through HvOps.  An accelerator embeds
 * Hv and HvVcpu as the first member of its own structs.
 */
typedef struct HvOps {
    void (*close)(Hv *hv);
    int (*start)(Hv *hv, Err *e); /* may be NULL */
    int (*reset)(Hv *hv);

    int (*ioevent)(Hv *hv, const HvIoEvent *ev, int fd, bool add);
    int (*coalesce)(Hv *hv, uint64_t addr, unsigned len, bool pio, bool add);
    void (*coalesce_drain)(Hv *hv, HvCoalescedFn *fn, void *opaque);

    /* Connect or disconnect the handle's eventfd; under hv->lock. */
    int (*irq_attach)(Hv *hv, Irq *irq);
    void (*irq_detach)(Hv *hv, Irq *irq);
    /* A message's route is about to change; may be NULL; under hv->lock. */
    void (*irq_route)(Hv *hv, Irq *irq);
    /* The level of a level pin changed; NULL: kernel needs no word of it. */
    void (*irq_level)(Hv *hv, Irq *irq, bool level);
    int (*commit)(Hv *hv); /* apply hv->gsi; under hv->lock */

    int (*vcpu_new)(HvVcpu **ret_vcpu, Hv *hv, unsigned index,
                    const HvCpuTopology *topology, Err *e);
    void (*vcpu_free)(HvVcpu *vcpu);
    int (*vcpu_reset)(HvVcpu *vcpu, const HvBootState *boot, Err *e);
    void (*vcpu_run)(HvVcpu *vcpu, HvExit *exit);
    bool (*vcpu_complete)(HvVcpu *vcpu, HvExit *exit);
    void (*vcpu_kick)(HvVcpu *vcpu);
    int (*vcpu_nmi)(HvVcpu *vcpu);
    int (*vcpu_clock_restored)(HvVcpu *vcpu);
    int (*clock_save)(Hv *hv);
    int (*clock_restore)(Hv *hv);
} HvOps;

struct Hv {
    const HvOps *ops;
    HvKind kind;
    GuestMem *gm; /* borrowed */
    Loop *loop;   /* borrowed: main loop, may be NULL */
    HvLimits limits;
    pthread_mutex_t lock; /* gsi, irqs; leaf */
    GsiTable gsi;
    List irqs; /* Irq.link */
};

struct HvVcpu {
    Hv *hv; /* borrowed */
    unsigned index;
    HvCpuTopology topology;
};

struct Irq {
    List link;
    Hv *hv; /* borrowed */
    IrqKind kind;
    unsigned gsi;
    int event_fd;    /* owned; signalling raises */
    int resample_fd; /* owned; level: the guest ended the interrupt */
    LoopFd resample;
    atomic_bool level; /* level: what the device drives */
    bool attached;     /* under hv->lock, as all below */
    bool masked;       /* MSI: wanted state */
    bool changed;      /* MSI: in the queue for irq_commit() */
    uint64_t msi_addr;
    uint32_t msi_data;
};

/* Where each level of the topology starts in an APIC id, and its counts.  CPUID
 * before leaf 0x1F knows no clusters, so they count as cores. */
typedef struct HvTopologyShifts {
    unsigned threads, cores, dies; /* each at least 1 */
    unsigned core, die, socket;    /* first bit */
} HvTopologyShifts;

HvTopologyShifts hv_topology_shifts(const HvCpuTopology *topology);

/* Common part of an accelerator's Hv; @hv is zeroed. */
int hv_init(Hv *hv, const HvOps *ops, const HvConf *conf, GuestMem *gm, Err *e);
void hv_fini(Hv *hv);

int kvm_open(Hv **ret_hv, const HvConf *conf, GuestMem *gm, Err *e);
int test_open(Hv **ret_hv, const HvConf *conf, GuestMem *gm, Err *e);
