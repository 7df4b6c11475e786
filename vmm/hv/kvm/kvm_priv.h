/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hv/kvm/kvm_priv.h - KVM: what common and per-architecture code share. */
#pragma once

#include "hv/hv_priv.h"

#include <linux/kvm.h>
#include <sys/ioctl.h>

#if defined(__x86_64__)
#include "hv/kvm/x86_64/arch.h"
#elif defined(__aarch64__)
#include "hv/kvm/aarch64/arch.h"
#endif

typedef struct KvmVm {
    Hv hv;      /* base object */
    int kvm_fd; /* owned: /dev/kvm */
    int vm_fd;  /* owned */
    size_t run_size;
    bool irqchip;
    bool any_length; /* ioeventfd without a length */
    unsigned max_vcpu_ids;
    unsigned num_vcpus;
    pthread_mutex_t ring_lock;                /* consumers of @ring */
    struct kvm_coalesced_mmio_ring *ring;     /* in the first vCPU's mapping */
    struct kvm_coalesced_mmio_ring *ring_map; /* owned mapping */
    bool clock_valid;                         /* @clock was saved */
    KvmArchVm arch;
} KvmVm;

typedef struct KvmVcpu {
    HvVcpu base;         /* base object */
    int fd;              /* owned */
    struct kvm_run *run; /* owned mapping of KvmVm.run_size */
    bool was_set_up;     /* hv_vcpu_reset() ran before */
    KvmArchVcpu arch;
} KvmVcpu;

/* ioctl() that repeats when a signal came in between. */
int kvm_ioctl(int fd, unsigned long request, void *arg);
static inline int kvm_ioctl_val(int fd, unsigned long request, unsigned long v)
{
    return kvm_ioctl(fd, request, (void *)v);
}
int kvm_cap(const KvmVm *vm, int cap); /* 0: not there */

/* --- kvm/vcpu.c ---------------------------------------------------------- */
int kvm_vcpu_new(HvVcpu **ret_vcpu, Hv *hv, unsigned index,
                 const HvCpuTopology *topology, Err *e);
void kvm_vcpu_free(HvVcpu *vcpu);
void kvm_vcpu_run(HvVcpu *vcpu, HvExit *exit);
bool kvm_vcpu_complete(HvVcpu *vcpu, HvExit *exit);
void kvm_vcpu_kick(HvVcpu *vcpu);

/* --- kvm/ARCH ------------------------------------------------------------ */
int kvm_arch_vm_init(KvmVm *vm, const HvConf *conf, Err *e);
void kvm_arch_vm_fini(KvmVm *vm);
int kvm_arch_vm_reset(KvmVm *vm);
/* Before the first interrupt is connected; all vCPUs exist. */
int kvm_arch_irqchip_finish(KvmVm *vm);
/* Number of controller pins, and their entries of a routing table. */
unsigned kvm_arch_pins(const KvmVm *vm);
unsigned kvm_arch_gsi_max(const KvmVm *vm); /* pins and messages */
unsigned kvm_arch_num_pin_routes(const KvmVm *vm);
void kvm_arch_pin_routes(const KvmVm *vm, struct kvm_irq_routing_entry *to);
/* Id that KVM_CREATE_VCPU takes. */
unsigned long kvm_arch_vcpu_id(unsigned index, const HvCpuTopology *topology);
int kvm_arch_vcpu_reset(HvVcpu *vcpu, const HvBootState *boot, Err *e);
int kvm_arch_vcpu_nmi(HvVcpu *vcpu);
int kvm_arch_vcpu_clock_restored(HvVcpu *vcpu);
int kvm_arch_clock_save(Hv *hv);
int kvm_arch_clock_restore(Hv *hv);
