/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hv/kvm/aarch64/vcpu.c - arm vCPU: first registers, and reset. */
#include <config.h>

#include "hv/kvm/aarch64/gic.h"

#include <errno.h>
#include <stddef.h>

#define PSTATE_EL1H_MASKED 0x3c5 /* EL1 with its own stack, DAIF masked */

#define CORE_REG(field)                                                        \
    (KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE |                     \
     KVM_REG_ARM_CORE_REG(field))
#define MPIDR_EL1 ARM64_SYS_REG(3, 0, 0, 0, 5)

unsigned long kvm_arch_vcpu_id(unsigned index, const HvCpuTopology *topology)
{
    return index;
}

static int set_reg(const KvmVcpu *vcpu, uint64_t id, uint64_t val)
{
    struct kvm_one_reg reg = { .id = id, .addr = (uint64_t)(uintptr_t)&val };

    return kvm_ioctl(vcpu->fd, KVM_SET_ONE_REG, &reg);
}

static int get_reg(const KvmVcpu *vcpu, uint64_t id, uint64_t *ret_val)
{
    struct kvm_one_reg reg = { .id = id, .addr = (uint64_t)(uintptr_t)ret_val };

    return kvm_ioctl(vcpu->fd, KVM_GET_ONE_REG, &reg);
}

/* KVM resets every register; waiting vCPUs start through PSCI CPU_ON. */
static int init(KvmVcpu *vcpu, bool wait)
{
    KvmVm *vm = container_of(vcpu->base.hv, KvmVm, hv);
    struct kvm_vcpu_init target = { 0 };
    int r = kvm_ioctl(vm->vm_fd, KVM_ARM_PREFERRED_TARGET, &target);

    if (r < 0)
        return r;
    target.features[0] |= 1u << KVM_ARM_VCPU_PSCI_0_2;
    if (wait)
        target.features[0] |= 1u << KVM_ARM_VCPU_POWER_OFF;
    r = kvm_ioctl(vcpu->fd, KVM_ARM_VCPU_INIT, &target);
    if (r == 0 && vcpu->base.index == 0)
        vm->arch.first_vcpu_fd = vcpu->fd;
    return r;
}

static int set_entry(KvmVcpu *vcpu, const HvBootState *boot)
{
    int r = set_reg(vcpu, CORE_REG(regs.pstate), PSTATE_EL1H_MASKED);

    if (r == 0)
        r = set_reg(vcpu, CORE_REG(regs.pc), boot->pc);
    if (r == 0)
        r = set_reg(vcpu, CORE_REG(regs.regs[0]), boot->arg);
    return r;
}

int kvm_arch_vcpu_reset(HvVcpu *base, const HvBootState *boot, Err *e)
{
    KvmVcpu *vcpu = container_of(base, KvmVcpu, base);
    KvmVm *vm = container_of(base->hv, KvmVm, hv);
    int r = init(vcpu, boot->mode == HV_BOOT_WAIT);

    if (r == 0 && vcpu->was_set_up)
        r = gic_reset_vcpu(vm, vcpu->arch.mpidr);
    else if (r == 0)
        r = get_reg(vcpu, MPIDR_EL1, &vcpu->arch.mpidr);
    if (r == 0 && boot->mode != HV_BOOT_WAIT)
        r = set_entry(vcpu, boot);
    if (r < 0)
        return err_sys(e, -r, "cannot set up vCPU %u", base->index);
    vcpu->was_set_up = true;
    return 0;
}

int kvm_arch_vcpu_nmi(HvVcpu *base)
{
    return -ENOTSUP; /* the architecture has none to inject */
}

int kvm_arch_vcpu_clock_restored(HvVcpu *base)
{
    return 0;
}
