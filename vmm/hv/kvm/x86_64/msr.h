/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hv/kvm/x86_64/msr.h - model-specific registers of a new or reset vCPU. */
#pragma once

#include "hv/kvm/kvm_priv.h"

/* @direct: a kernel starts without firmware, so memory types are set up. */
int msr_first(int vcpu_fd, bool direct);
/* Main loop, before msr_reset(): which registers KVM knows. */
int msr_list_get(KvmVm *vm);
int msr_reset(const KvmVm *vm, int vcpu_fd, bool direct);
