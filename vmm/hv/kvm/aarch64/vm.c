/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hv/kvm/aarch64/vm.c - arm machine: interrupt controller, counter. */
#include <config.h>

#include "hv/kvm/aarch64/gic.h"

#include <errno.h>

int kvm_arch_vm_init(KvmVm *vm, const HvConf *conf, Err *e)
{
    return conf->irqchip ? gic_create(vm, conf, e) : 0;
}

void kvm_arch_vm_fini(KvmVm *vm)
{
    gic_close(vm);
}

int kvm_arch_irqchip_finish(KvmVm *vm)
{
    return gic_finish(vm);
}

int kvm_arch_vm_reset(KvmVm *vm)
{
    return gic_reset(vm);
}

/* --- routing ------------------------------------------------------------- */

/* Shared peripheral interrupts, from 0; messages need an ITS. */
unsigned kvm_arch_pins(const KvmVm *vm)
{
    return GIC_SPIS;
}

unsigned kvm_arch_gsi_max(const KvmVm *vm)
{
    return GIC_SPIS;
}

unsigned kvm_arch_num_pin_routes(const KvmVm *vm)
{
    return vm->irqchip ? GIC_SPIS : 0;
}

void kvm_arch_pin_routes(const KvmVm *vm, struct kvm_irq_routing_entry *to)
{
    for (unsigned i = 0; vm->irqchip && i < GIC_SPIS; i++)
        *to++ = (struct kvm_irq_routing_entry){
            .gsi = i,
            .type = KVM_IRQ_ROUTING_IRQCHIP,
            .u.irqchip = { 0, i },
        };
}

/* --- virtual counter ----------------------------------------------------- */

static int counter_access(const KvmVm *vm, unsigned long request,
                          uint64_t *counter)
{
    struct kvm_one_reg reg = {
        .id = KVM_REG_ARM_TIMER_CNT,
        .addr = (uint64_t)(uintptr_t)counter,
    };

    if (!vm->arch.first_vcpu_fd)
        return -ENODEV;
    return kvm_ioctl(vm->arch.first_vcpu_fd, request, &reg);
}

/* One counter for all vCPUs, which are paused: any of them will do. */
int kvm_arch_clock_save(Hv *hv)
{
    KvmVm *vm = container_of(hv, KvmVm, hv);
    int r = counter_access(vm, KVM_GET_ONE_REG, &vm->arch.counter);

    vm->clock_valid = r == 0;
    return r;
}

int kvm_arch_clock_restore(Hv *hv)
{
    KvmVm *vm = container_of(hv, KvmVm, hv);

    if (!vm->clock_valid)
        return 0;
    vm->clock_valid = false;
    return counter_access(vm, KVM_SET_ONE_REG, &vm->arch.counter);
}
