/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hv/kvm/x86_64/vm.c - x86 machine: interrupt controllers, PIT, clock. */
#include <config.h>

#include "hv/kvm/kvm_priv.h"
#include "hv/kvm/x86_64/cpuid.h"
#include "hv/kvm/x86_64/msr.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define IDENTITY_MAP_GPA 0xFEF0C000ul
#define TSS_GPA          0xFEF0D000ul

#define IOAPIC_PINS 24
#define PIC_PINS    16
#define KVM_GSI_MAX 4096

static int get_supported_cpuid(KvmVm *vm, Err *e)
{
    struct kvm_cpuid2 *cpuid = calloc(
        1, sizeof(*cpuid) + CPUID_ENTRIES_MAX * sizeof(cpuid->entries[0]));
    int r;

    if (!cpuid)
        return err_sys(e, ENOMEM, "cannot read what KVM offers in CPUID");
    cpuid->nent = CPUID_ENTRIES_MAX;
    r = kvm_ioctl(vm->kvm_fd, KVM_GET_SUPPORTED_CPUID, cpuid);
    if (r < 0) {
        free(cpuid);
        return err_sys(e, -r, "cannot read what KVM offers in CPUID");
    }
    vm->arch.supported = cpuid;
    return 0;
}

static int create_pit(KvmVm *vm, Err *e)
{
    const struct kvm_pit_config config = { .flags = KVM_PIT_SPEAKER_DUMMY };
    int r = kvm_ioctl(vm->vm_fd, KVM_CREATE_PIT2, (void *)&config);

    if (r == 0)
        r = kvm_ioctl(vm->vm_fd, KVM_GET_PIT2, &vm->arch.pit);
    if (r < 0)
        return err_sys(e, -r, "KVM cannot create the timer (PIT)");
    vm->arch.has_pit = true;
    return 0;
}

/* APIC ids above 254 need 32-bit ids in messages and LAPIC state. */
static int enable_x2apic_ids(KvmVm *vm, Err *e)
{
    struct kvm_enable_cap cap = {
        .cap = KVM_CAP_X2APIC_API,
        .args = { KVM_X2APIC_API_USE_32BIT_IDS |
                  KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK },
    };
    int r = kvm_ioctl(vm->vm_fd, KVM_ENABLE_CAP, &cap);

    if (r < 0)
        return err_sys(e, -r,
                       "this kernel's KVM has no APIC ids above 254; choose a "
                       "topology (-smp) with fewer gaps");
    return 0;
}

/*
 * All inputs masked, as firmware leaves them: a kernel told that the hardware
 * is reduced never touches these, and an unmasked one would deliver exception
 * numbers as interrupts.
 */
static int reset_pic(KvmVm *vm, uint32_t chip_id, uint8_t elcr_mask)
{
    struct kvm_irqchip chip = {
        .chip_id = chip_id,
        .chip.pic = { .imr = 0xff, .elcr_mask = elcr_mask },
    };

    return kvm_ioctl(vm->vm_fd, KVM_SET_IRQCHIP, &chip);
}

static int reset_pics(KvmVm *vm)
{
    int r = reset_pic(vm, KVM_IRQCHIP_PIC_MASTER, 0xf8);

    return r < 0 ? r : reset_pic(vm, KVM_IRQCHIP_PIC_SLAVE, 0xde);
}

static int reset_ioapic(KvmVm *vm)
{
    struct kvm_irqchip chip = {
        .chip_id = KVM_IRQCHIP_IOAPIC,
        .chip.ioapic = { .base_address = 0xfec00000 },
    };

    for (unsigned i = 0; i < IOAPIC_PINS; i++)
        chip.chip.ioapic.redirtbl[i].fields.mask = 1;
    return kvm_ioctl(vm->vm_fd, KVM_SET_IRQCHIP, &chip);
}

static int create_irqchip(KvmVm *vm, const HvConf *conf, Err *e)
{
    int r = kvm_ioctl(vm->vm_fd, KVM_CREATE_IRQCHIP, NULL);

    if (r == 0)
        r = reset_pics(vm);
    if (r < 0)
        return err_sys(e, -r, "KVM cannot create the interrupt controllers");
    if (conf->max_vcpus > 255) {
        r = enable_x2apic_ids(vm, e);
        if (r < 0)
            return r;
    }
    return conf->pit ? create_pit(vm, e) : 0;
}

int kvm_arch_vm_init(KvmVm *vm, const HvConf *conf, Err *e)
{
    uint64_t identity = IDENTITY_MAP_GPA;
    int r = kvm_ioctl(vm->vm_fd, KVM_SET_IDENTITY_MAP_ADDR, &identity);

    if (r == 0)
        r = kvm_ioctl_val(vm->vm_fd, KVM_SET_TSS_ADDR, TSS_GPA);
    if (r < 0)
        return err_sys(e, -r, "KVM does not take its reserved pages");
    vm->arch.tsc_deadline = kvm_cap(vm, KVM_CAP_TSC_DEADLINE_TIMER) > 0;
    vm->hv.limits.tsc_deadline = vm->arch.tsc_deadline;
    r = get_supported_cpuid(vm, e);
    if (r == 0 && conf->irqchip)
        r = create_irqchip(vm, conf, e);
    return r;
}

void kvm_arch_vm_fini(KvmVm *vm)
{
    free(vm->arch.supported);
    free(vm->arch.msrs);
}

int kvm_arch_irqchip_finish(KvmVm *vm)
{
    return 0;
}

/* --- routing ------------------------------------------------------------- */

unsigned kvm_arch_pins(const KvmVm *vm)
{
    return IOAPIC_PINS;
}

unsigned kvm_arch_gsi_max(const KvmVm *vm)
{
    return KVM_GSI_MAX;
}

unsigned kvm_arch_num_pin_routes(const KvmVm *vm)
{
    return vm->irqchip ? IOAPIC_PINS + PIC_PINS : 0;
}

void kvm_arch_pin_routes(const KvmVm *vm, struct kvm_irq_routing_entry *to)
{
    if (!vm->irqchip)
        return;
    for (unsigned i = 0; i < IOAPIC_PINS; i++)
        *to++ = (struct kvm_irq_routing_entry){
            .gsi = i,
            .type = KVM_IRQ_ROUTING_IRQCHIP,
            .u.irqchip = { KVM_IRQCHIP_IOAPIC, i },
        };
    for (unsigned i = 0; i < PIC_PINS; i++)
        *to++ = (struct kvm_irq_routing_entry){
            .gsi = i,
            .type = KVM_IRQ_ROUTING_IRQCHIP,
            .u.irqchip = { i < 8 ? KVM_IRQCHIP_PIC_MASTER
                                 : KVM_IRQCHIP_PIC_SLAVE,
                           i % 8 },
        };
}

/* --- reset --------------------------------------------------------------- */

int kvm_arch_vm_reset(KvmVm *vm)
{
    int r = msr_list_get(vm);

    if (!vm->irqchip)
        return r;
    if (r == 0)
        r = reset_pics(vm);
    if (r == 0)
        r = reset_ioapic(vm);
    if (r == 0 && vm->arch.has_pit)
        r = kvm_ioctl(vm->vm_fd, KVM_SET_PIT2, &vm->arch.pit);
    return r;
}

/* --- clock --------------------------------------------------------------- */

int kvm_arch_clock_save(Hv *hv)
{
    KvmVm *vm = container_of(hv, KvmVm, hv);
    int r = kvm_ioctl(vm->vm_fd, KVM_GET_CLOCK, &vm->arch.clock);

    vm->clock_valid = r == 0;
    return r;
}

int kvm_arch_clock_restore(Hv *hv)
{
    KvmVm *vm = container_of(hv, KvmVm, hv);
    struct kvm_clock_data data = { .clock = vm->arch.clock.clock };

    if (!vm->clock_valid)
        return 0;
    vm->clock_valid = false;
    return kvm_ioctl(vm->vm_fd, KVM_SET_CLOCK, &data);
}
