/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hv/kvm/vcpu.c - a KVM vCPU: creation, and running until it needs us. */
#include <config.h>

#include "hv/kvm/kvm_priv.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/*
 * How this works
 *
 * kvm_run is a page shared with the kernel.  A kick sets immediate_exit there
 * and signals the thread: whether it is just before, inside or after KVM_RUN,
 * that call or the next returns with EINTR.  The flag is cleared before
 * HV_EXIT_NONE is returned, and requests are looked at after that, so a kick
 * that comes later is not lost.
 */
#if defined(__x86_64__)
#define COALESCED_PAGE 2 /* KVM_COALESCED_MMIO_PAGE_OFFSET */
#else
#define COALESCED_PAGE 1
#endif

static int vcpu_map_ring(KvmVm *vm, int fd)
{
    void *map;

    if (vm->ring_map || vm->run_size < (COALESCED_PAGE + 1) * 4096ul)
        return 0;
    /* A mapping of its own: it outlives the vCPU it came from. */
    map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
               COALESCED_PAGE * 4096l);
    if (map == MAP_FAILED)
        return -errno;
    vm->ring_map = map;
    vm->ring = map;
    return 0;
}

int kvm_vcpu_new(HvVcpu **ret_vcpu, Hv *hv, unsigned index,
                 const HvCpuTopology *topology, Err *e)
{
    KvmVm *vm = container_of(hv, KvmVm, hv);
    KvmVcpu *vcpu = calloc(1, sizeof(*vcpu));
    int r;

    if (!vcpu)
        return err_sys(e, ENOMEM, "cannot create vCPU %u", index);
    vcpu->base.hv = hv;
    vcpu->base.index = index;
    vcpu->base.topology = *topology;
    vcpu->fd = kvm_ioctl_val(vm->vm_fd, KVM_CREATE_VCPU,
                             kvm_arch_vcpu_id(index, topology));
    if (vcpu->fd < 0) {
        r = err_sys(e, -vcpu->fd, "KVM cannot create vCPU %u", index);
        kvm_vcpu_free(&vcpu->base);
        return r;
    }
    vcpu->run = mmap(NULL, vm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED,
                     vcpu->fd, 0);
    if (vcpu->run == MAP_FAILED) {
        vcpu->run = NULL;
        r = err_sys(e, errno, "cannot map the run page of vCPU %u", index);
        kvm_vcpu_free(&vcpu->base);
        return r;
    }
    r = vcpu_map_ring(vm, vcpu->fd);
    if (r < 0) {
        kvm_vcpu_free(&vcpu->base);
        return err_sys(e, -r, "cannot map the ring of coalesced writes");
    }
    vm->num_vcpus++;
    *ret_vcpu = &vcpu->base;
    return 0;
}

void kvm_vcpu_free(HvVcpu *base)
{
    KvmVcpu *vcpu = container_of(base, KvmVcpu, base);
    KvmVm *vm = container_of(base->hv, KvmVm, hv);

    if (vcpu->run)
        munmap(vcpu->run, vm->run_size);
    fd_close(&vcpu->fd);
    free(vcpu);
}

void kvm_vcpu_kick(HvVcpu *base)
{
    KvmVcpu *vcpu = container_of(base, KvmVcpu, base);

    __atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
}

static void exit_fail(HvExit *exit, const HvVcpu *vcpu, const char *what,
                      unsigned long long code)
{
    exit->kind = HV_EXIT_FAIL;
    snprintf(exit->detail, sizeof(exit->detail), "vCPU %u: %s (%llu)",
             vcpu->index, what, code);
}

static void exit_io(KvmVcpu *vcpu, HvExit *exit)
{
    struct kvm_run *run = vcpu->run;

    exit->kind = HV_EXIT_PIO;
    exit->write = run->io.direction == KVM_EXIT_IO_OUT;
    exit->addr = run->io.port;
    exit->len = run->io.size;
    exit->count = run->io.count;
    exit->data = (uint8_t *)run + run->io.data_offset;
}

static void exit_mmio(KvmVcpu *vcpu, HvExit *exit)
{
    struct kvm_run *run = vcpu->run;

    exit->kind = HV_EXIT_MMIO;
    exit->write = run->mmio.is_write != 0;
    exit->addr = run->mmio.phys_addr;
    exit->len = MIN(run->mmio.len, (uint32_t)sizeof(run->mmio.data));
    exit->count = 1;
    exit->data = run->mmio.data;
}

static void exit_system(KvmVcpu *vcpu, HvExit *exit)
{
    exit->kind = HV_EXIT_SYSTEM;
    switch (vcpu->run->system_event.type) {
    case KVM_SYSTEM_EVENT_SHUTDOWN:
        exit->system = HV_SYSTEM_SHUTDOWN;
        break;
    case KVM_SYSTEM_EVENT_RESET:
        exit->system = HV_SYSTEM_RESET;
        break;
    case KVM_SYSTEM_EVENT_CRASH:
        exit->system = HV_SYSTEM_CRASH;
        break;
    default:
        exit_fail(exit, &vcpu->base, "unknown system event",
                  vcpu->run->system_event.type);
    }
}

static void exit_decode(KvmVcpu *vcpu, HvExit *exit)
{
    struct kvm_run *run = vcpu->run;

    switch (run->exit_reason) {
    case KVM_EXIT_IO:
        exit_io(vcpu, exit);
        break;
    case KVM_EXIT_MMIO:
        exit_mmio(vcpu, exit);
        break;
    case KVM_EXIT_HLT:
        exit->kind = HV_EXIT_HALT;
        break;
    case KVM_EXIT_SHUTDOWN:
        exit->kind = HV_EXIT_SHUTDOWN;
        break;
    case KVM_EXIT_SYSTEM_EVENT:
        exit_system(vcpu, exit);
        break;
    case KVM_EXIT_INTR:
    case KVM_EXIT_IRQ_WINDOW_OPEN:
        exit->kind = HV_EXIT_NONE;
        break;
    case KVM_EXIT_FAIL_ENTRY:
        exit_fail(exit, &vcpu->base, "the processor refuses to enter the guest",
                  run->fail_entry.hardware_entry_failure_reason);
        break;
    case KVM_EXIT_INTERNAL_ERROR:
        exit_fail(exit, &vcpu->base,
                  "KVM cannot emulate what the guest does, suberror",
                  run->internal.suberror);
        break;
    default:
        exit_fail(exit, &vcpu->base, "unexpected exit from KVM",
                  run->exit_reason);
    }
}

void kvm_vcpu_run(HvVcpu *base, HvExit *exit)
{
    KvmVcpu *vcpu = container_of(base, KvmVcpu, base);
    int r = ioctl(vcpu->fd, KVM_RUN, NULL);

    if (r == 0) {
        exit_decode(vcpu, exit);
        return;
    }
    if (errno == EINTR || errno == EAGAIN) {
        __atomic_store_n(&vcpu->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
        exit->kind = HV_EXIT_NONE;
        return;
    }
    exit_fail(exit, base,
              errno == EFAULT ? "the guest ran where it has no memory, errno"
                              : "KVM cannot run the guest, errno",
              (unsigned long long)errno);
}

bool kvm_vcpu_complete(HvVcpu *base, HvExit *exit)
{
    KvmVcpu *vcpu = container_of(base, KvmVcpu, base);

    /* Stays set, so that no kick is lost: the next run returns at once. */
    kvm_vcpu_kick(base);
    if (ioctl(vcpu->fd, KVM_RUN, NULL) < 0)
        return true;
    exit_decode(vcpu, exit);
    return exit->kind == HV_EXIT_NONE;
}
