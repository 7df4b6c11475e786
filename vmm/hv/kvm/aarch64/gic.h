/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hv/kvm/aarch64/gic.h - the in-kernel GICv3. */
#pragma once

#include "hv/kvm/kvm_priv.h"

#define GIC_IRQS 192 /* interrupt ids in all */
#define GIC_SPIS (GIC_IRQS - 32)

int gic_create(KvmVm *vm, const HvConf *conf, Err *e);
/* All vCPUs exist; again is a no-op. */
int gic_finish(KvmVm *vm);
void gic_close(KvmVm *vm);
/* Distributor into reset state. */
int gic_reset(KvmVm *vm);
/* Redistributor and CPU interface of one vCPU into reset state. */
int gic_reset_vcpu(KvmVm *vm, uint64_t mpidr);
