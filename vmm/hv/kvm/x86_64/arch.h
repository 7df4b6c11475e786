/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hv/kvm/x86_64/arch.h - x86 part of a KVM machine. */
#pragma once

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct KvmArchVm {
    struct kvm_cpuid2 *supported; /* owned: KVM_GET_SUPPORTED_CPUID */
    struct kvm_msr_list *msrs;    /* owned: fetched by the first reset */
    struct kvm_pit_state2 pit;    /* as created, for reset */
    bool has_pit;
    bool tsc_deadline;
    struct kvm_clock_data clock;
} KvmArchVm;

typedef struct KvmArchVcpu {
    uint32_t apic_id;
} KvmArchVcpu;
