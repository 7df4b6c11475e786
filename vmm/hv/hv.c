/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hv/hv.c - the calls of hv.h, through the accelerator's table. */
#include <config.h>

#include "hv/hv.h"

#include "hv/hv_priv.h"

#include <errno.h>

int hv_init(Hv *hv, const HvOps *ops, const HvConf *conf, GuestMem *gm, Err *e)
{
    int r = pthread_mutex_init(&hv->lock, NULL);

    if (r != 0)
        return err_sys(e, r, "cannot create the interrupt table's lock");
    hv->ops = ops;
    hv->kind = conf->kind;
    hv->gm = gm;
    hv->loop = conf->loop;
    list_init(&hv->irqs);
    return 0;
}

void hv_fini(Hv *hv)
{
    gsi_fini(&hv->gsi);
    pthread_mutex_destroy(&hv->lock);
}

int hv_open(Hv **ret_hv, const HvConf *conf, GuestMem *gm, Err *e)
{
    switch (conf->kind) {
    case HV_KVM:
        return kvm_open(ret_hv, conf, gm, e);
    case HV_TEST:
        return test_open(ret_hv, conf, gm, e);
    default:
        return err_set(e, EINVAL, "accelerator number %d does not exist",
                       (int)conf->kind);
    }
}

void hv_close(Hv *hv)
{
    if (hv)
        hv->ops->close(hv);
}

HvKind hv_kind(const Hv *hv)
{
    return hv->kind;
}

const HvLimits *hv_limits(const Hv *hv)
{
    return &hv->limits;
}

int hv_start(Hv *hv, Err *e)
{
    return hv->ops->start ? hv->ops->start(hv, e) : 0;
}

int hv_reset(Hv *hv)
{
    return hv->ops->reset(hv);
}

int hv_ioevent_add(Hv *hv, const HvIoEvent *ev, int eventfd, Err *e)
{
    int r = hv->ops->ioevent(hv, ev, eventfd, true);

    if (r < 0)
        return err_sys(e, -r, "cannot watch writes to %s 0x%llx",
                       ev->pio ? "port" : "address",
                       (unsigned long long)ev->addr);
    return 0;
}

void hv_ioevent_del(Hv *hv, const HvIoEvent *ev, int eventfd)
{
    hv->ops->ioevent(hv, ev, eventfd, false);
}

int hv_coalesce_add(Hv *hv, uint64_t addr, unsigned len, bool pio)
{
    return hv->ops->coalesce(hv, addr, len, pio, true);
}

void hv_coalesce_del(Hv *hv, uint64_t addr, unsigned len, bool pio)
{
    hv->ops->coalesce(hv, addr, len, pio, false);
}

void hv_coalesce_drain(Hv *hv, HvCoalescedFn *fn, void *opaque)
{
    hv->ops->coalesce_drain(hv, fn, opaque);
}

int hv_vcpu_new(HvVcpu **ret_vcpu, Hv *hv, unsigned index,
                const HvCpuTopology *topology, Err *e)
{
    return hv->ops->vcpu_new(ret_vcpu, hv, index, topology, e);
}

void hv_vcpu_free(HvVcpu *vcpu)
{
    if (vcpu)
        vcpu->hv->ops->vcpu_free(vcpu);
}

int hv_vcpu_reset(HvVcpu *vcpu, const HvBootState *boot, Err *e)
{
    return vcpu->hv->ops->vcpu_reset(vcpu, boot, e);
}

void hv_vcpu_run(HvVcpu *vcpu, HvExit *exit)
{
    vcpu->hv->ops->vcpu_run(vcpu, exit);
}

bool hv_vcpu_complete(HvVcpu *vcpu, HvExit *exit)
{
    return vcpu->hv->ops->vcpu_complete(vcpu, exit);
}

void hv_vcpu_kick(HvVcpu *vcpu)
{
    vcpu->hv->ops->vcpu_kick(vcpu);
}

int hv_vcpu_nmi(HvVcpu *vcpu)
{
    return vcpu->hv->ops->vcpu_nmi(vcpu);
}

int hv_vcpu_clock_restored(HvVcpu *vcpu)
{
    return vcpu->hv->ops->vcpu_clock_restored(vcpu);
}

int hv_clock_save(Hv *hv)
{
    return hv->ops->clock_save(hv);
}

int hv_clock_restore(Hv *hv)
{
    return hv->ops->clock_restore(hv);
}

/* Bits that number @n things. */
static unsigned hv_bits(unsigned n)
{
    unsigned bits = 0;

    while (bits < 31 && (1u << bits) < n)
        bits++;
    return bits;
}

HvTopologyShifts hv_topology_shifts(const HvCpuTopology *topology)
{
    HvTopologyShifts s;

    s.threads = MAX(topology->threads, 1u);
    s.cores = MAX(topology->cores, 1u) * MAX(topology->clusters, 1u);
    s.dies = MAX(topology->dies, 1u);
    s.core = hv_bits(s.threads);
    s.die = s.core + hv_bits(s.cores);
    s.socket = s.die + hv_bits(s.dies);
    return s;
}

unsigned hv_apic_id(const HvCpuTopology *topology, unsigned index)
{
    const HvTopologyShifts s = hv_topology_shifts(topology);
    unsigned thread = index % s.threads;
    unsigned core = index / s.threads % s.cores;
    unsigned die = index / s.threads / s.cores % s.dies;
    unsigned socket = index / s.threads / s.cores / s.dies;

    return thread | core << s.core | die << s.die | socket << s.socket;
}
