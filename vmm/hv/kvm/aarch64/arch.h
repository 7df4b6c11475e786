/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hv/kvm/aarch64/arch.h - arm part of a KVM machine. */
#pragma once

#include "hv/hv.h"

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct KvmArchVm {
    int gic_fd; /* owned: GICv3 device; 0 none */
    HvGicConf gic;
    unsigned max_vcpus;
    bool gic_ready;    /* initialised: after all vCPUs exist */
    int first_vcpu_fd; /* borrowed: reads the virtual counter; 0 none */
    uint64_t counter;  /* of the last pause */
} KvmArchVm;

typedef struct KvmArchVcpu {
    uint64_t mpidr; /* as KVM chose it */
} KvmArchVcpu;
