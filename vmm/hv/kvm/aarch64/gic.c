/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hv/kvm/aarch64/gic.c - the in-kernel GICv3. */
#include <config.h>

#include "hv/kvm/aarch64/gic.h"

#include <errno.h>

/*
 * How this works
 *
 * KVM wants the device before interrupts are connected, and its last
 * initialisation after the last vCPU was made: gic_finish(), called when the
 * first interrupt is connected and at the start at the latest.  A reset writes
 * the registers, since KVM has no call for it.
 */
#define GICD_CTLR      0x0000
#define GICD_IGROUPR   0x0080
#define GICD_ICENABLER 0x0180
#define GICD_ICPENDR   0x0280
#define GICD_ICACTIVER 0x0380
#define GICD_IPRIORITY 0x0400
#define GICD_ICFGR     0x0c00
#define GICD_IROUTER   0x6000

#define GICR_CTLR      0x00000
#define GICR_WAKER     0x00014
#define GICR_SGI       0x10000 /* second frame: as the distributor's */
#define WAKER_SLEEPING 6       /* processor and children asleep */

#define ICC(op0, op1, crn, crm, op2)                                           \
    ((uint64_t)(op0) << 14 | (op1) << 11 | (crn) << 7 | (crm) << 3 | (op2))

static int gic_attr(int fd, uint32_t group, uint64_t attr, const void *val)
{
    const struct kvm_device_attr arg = {
        .group = group,
        .attr = attr,
        .addr = (uint64_t)(uintptr_t)val,
    };

    return kvm_ioctl(fd, KVM_SET_DEVICE_ATTR, (void *)&arg);
}

static int redist_region(KvmVm *vm, unsigned index, uint64_t gpa,
                         unsigned count)
{
    const uint64_t val = gpa | index | (uint64_t)count << 52;

    if (!count)
        return 0;
    return gic_attr(vm->arch.gic_fd, KVM_DEV_ARM_VGIC_GRP_ADDR,
                    KVM_VGIC_V3_ADDR_TYPE_REDIST_REGION, &val);
}

static int gic_place(KvmVm *vm)
{
    const HvGicConf *gic = &vm->arch.gic;
    const uint32_t irqs = GIC_IRQS;
    unsigned first = MIN(vm->arch.max_vcpus, gic->redist_vcpus);
    int r = gic_attr(vm->arch.gic_fd, KVM_DEV_ARM_VGIC_GRP_NR_IRQS, 0, &irqs);

    if (r == 0)
        r = gic_attr(vm->arch.gic_fd, KVM_DEV_ARM_VGIC_GRP_ADDR,
                     KVM_VGIC_V3_ADDR_TYPE_DIST, &gic->dist_gpa);
    if (r == 0)
        r = redist_region(vm, 0, gic->redist_gpa, first);
    if (r == 0)
        r = redist_region(vm, 1, gic->redist2_gpa, vm->arch.max_vcpus - first);
    return r;
}

int gic_create(KvmVm *vm, const HvConf *conf, Err *e)
{
    struct kvm_create_device dev = { .type = KVM_DEV_TYPE_ARM_VGIC_V3 };
    int r = kvm_ioctl(vm->vm_fd, KVM_CREATE_DEVICE, &dev);

    if (r < 0)
        return err_sys(e, -r, "KVM cannot create a GICv3");
    vm->arch.gic_fd = (int)dev.fd;
    vm->arch.gic = conf->gic;
    vm->arch.max_vcpus = conf->max_vcpus;
    r = gic_place(vm);
    if (r < 0)
        return err_sys(e, -r, "KVM does not take the GICv3's addresses");
    return 0;
}

int gic_finish(KvmVm *vm)
{
    int r;

    if (!vm->arch.gic_fd || vm->arch.gic_ready)
        return 0;
    r = gic_attr(vm->arch.gic_fd, KVM_DEV_ARM_VGIC_GRP_CTRL,
                 KVM_DEV_ARM_VGIC_CTRL_INIT, NULL);
    vm->arch.gic_ready = r == 0;
    return r;
}

void gic_close(KvmVm *vm)
{
    if (vm->arch.gic_fd)
        close(vm->arch.gic_fd);
    vm->arch.gic_fd = 0;
}

/* --- reset --------------------------------------------------------------- */

/* One register for each so many interrupts, from @first on. */
static int fill(KvmVm *vm, uint32_t group, uint64_t base, unsigned first,
                unsigned end, unsigned per_reg, uint32_t val)
{
    int r = 0;

    for (unsigned i = first / per_reg; i < end / per_reg && r == 0; i++)
        r = gic_attr(vm->arch.gic_fd, group, base + i * 4, &val);
    return r;
}

static int reset_irqs(KvmVm *vm, uint32_t group, uint64_t base, unsigned first,
                      unsigned end)
{
    int r = fill(vm, group, base + GICD_ICENABLER, first, end, 32, UINT32_MAX);

    if (r == 0)
        r = fill(vm, group, base + GICD_ICPENDR, first, end, 32, UINT32_MAX);
    if (r == 0)
        r = fill(vm, group, base + GICD_ICACTIVER, first, end, 32, UINT32_MAX);
    if (r == 0)
        r = fill(vm, group, base + GICD_IGROUPR, first, end, 32, 0);
    if (r == 0)
        r = fill(vm, group, base + GICD_IPRIORITY, first, end, 4, 0);
    return r;
}

int gic_reset(KvmVm *vm)
{
    const uint32_t zero = 0;
    int r;

    if (!vm->arch.gic_ready)
        return 0;
    r = gic_attr(vm->arch.gic_fd, KVM_DEV_ARM_VGIC_GRP_DIST_REGS, GICD_CTLR,
                 &zero);
    if (r == 0)
        r = reset_irqs(vm, KVM_DEV_ARM_VGIC_GRP_DIST_REGS, 0, 32, GIC_IRQS);
    if (r == 0)
        r = fill(vm, KVM_DEV_ARM_VGIC_GRP_DIST_REGS, GICD_ICFGR, 32, GIC_IRQS,
                 16, 0);
    if (r == 0) /* 64-bit registers: both halves */
        r = fill(vm, KVM_DEV_ARM_VGIC_GRP_DIST_REGS, GICD_IROUTER, 64,
                 GIC_IRQS * 2, 1, 0);
    return r;
}

int gic_reset_vcpu(KvmVm *vm, uint64_t mpidr)
{
    static const struct {
        uint64_t reg;
        uint64_t val;
    } icc[] = {
        { ICC(3, 0, 12, 12, 6), 0 }, /* IGRPEN0 */
        { ICC(3, 0, 12, 12, 7), 0 }, /* IGRPEN1 */
        { ICC(3, 0, 4, 6, 0), 0 },   /* PMR */
        { ICC(3, 0, 12, 8, 4), 0 },  /* AP0R0 */
        { ICC(3, 0, 12, 9, 0), 0 },  /* AP1R0 */
    };
    const uint32_t zero = 0, sleeping = WAKER_SLEEPING;
    const uint32_t group = KVM_DEV_ARM_VGIC_GRP_REDIST_REGS;
    uint64_t affinity = ((mpidr & 0xffffff) | (mpidr >> 8 & 0xff000000)) << 32;
    int r;

    if (!vm->arch.gic_ready)
        return 0;
    r = gic_attr(vm->arch.gic_fd, group, affinity | GICR_CTLR, &zero);
    if (r == 0)
        r = gic_attr(vm->arch.gic_fd, group, affinity | GICR_WAKER, &sleeping);
    if (r == 0)
        r = reset_irqs(vm, group, affinity | GICR_SGI, 0, 32);
    for (size_t i = 0; i < ARRAY_SIZE(icc) && r == 0; i++)
        r = gic_attr(vm->arch.gic_fd, KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS,
                     affinity | icc[i].reg, &icc[i].val);
    return r;
}
