/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hv/kvm/x86_64/cpuid.h - CPUID of a vCPU out of what KVM supports. Pure. */
#pragma once

#include "hv/hv.h"

#include <linux/kvm.h>

#define CPUID_ENTRIES_MAX 256

typedef struct CpuidConf {
    HvCpuTopology topology;
    bool tsc_deadline; /* KVM_CAP_TSC_DEADLINE_TIMER */
} CpuidConf;

/**
 * cpuid_build() - Adjust the supported leaves for one vCPU
 * @to:        room for @max entries
 * @supported: as KVM_GET_SUPPORTED_CPUID gave it
 *
 * Return: 0, -E2BIG when the result does not fit
 */
int cpuid_build(struct kvm_cpuid2 *to, unsigned max,
                const struct kvm_cpuid2 *supported, const CpuidConf *conf);
