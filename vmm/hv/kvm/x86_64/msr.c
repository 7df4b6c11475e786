/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hv/kvm/x86_64/msr.c - model-specific registers of a new or reset vCPU. */
#include <config.h>

#include "hv/kvm/x86_64/msr.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * How this works
 *
 * KVM_SET_MSRS stops at the first index it refuses and says how many it set.
 * A listed index may still be refused (KVM lists by what the kernel knows, not
 * by what this processor has), so setting goes on behind it.
 */
#define MSR_TSC              0x10
#define MSR_TSC_ADJUST       0x3b
#define MSR_SPEC_CTRL        0x48
#define MSR_MISC_ENABLE      0x1a0
#define MISC_ENABLE_FAST     0x1ull    /* string operations */
#define MISC_ENABLE_NO_TRACE 0x1800ull /* neither BTS nor PEBS */
#define MSR_PAT              0x277
#define PAT_RESET            0x0007040600070406ull
#define MSR_MTRR_DEFAULT     0x2ff
#define MTRR_ON_WRITEBACK    0x806ull
#define MSR_KVM_POLL_CONTROL 0x4b564d05

typedef struct MsrRange {
    uint32_t first;
    uint32_t last;
    uint64_t value;
} MsrRange;

/* In the order they are set: whatever points into guest memory first. */
static const MsrRange msr_resets[] = {
    { 0x4b564d00, 0x4b564d04, 0 }, /* kvmclock, async pf, steal time, PV EOI */
    { MSR_KVM_POLL_CONTROL, MSR_KVM_POLL_CONTROL, 1 },
    { 0x4b564d06, 0x4b564d07, 0 }, /* async pf by interrupt */
    { 0x11, 0x12, 0 },             /* kvmclock at its old place */
    { 0x38d, 0x38d, 0 },           /* performance counters: off first */
    { 0x38f, 0x38f, 0 },
    { 0x186, 0x195, 0 },
    { 0xc1, 0xd0, 0 },
    { 0x309, 0x30c, 0 },
    { 0xc0010200, 0xc001020b, 0 }, /* AMD's: select before count */
    { 0xc0010000, 0xc0010007, 0 },
    { 0x1d9, 0x1d9, 0 }, /* debug control */
    { MSR_SPEC_CTRL, MSR_SPEC_CTRL, 0 },
    { 0x174, 0x176, 0 },           /* sysenter */
    { 0xc0000081, 0xc0000084, 0 }, /* syscall */
    { 0xc0000102, 0xc0000103, 0 }, /* swapgs, TSC_AUX */
    { 0x17a, 0x17a, 0 },           /* machine check status */
    { 0x9e, 0x9e, 0 },             /* SMI count */
    { 0xda0, 0xda0, 0 },           /* XSS */
    { 0x1c4, 0x1c5, 0 },           /* XFD */
    { 0xe1, 0xe1, 0 },             /* umwait */
    { 0x122, 0x122, 0 },           /* TSX control */
    { 0xd90, 0xd90, 0 },           /* bound configuration */
    { MSR_PAT, MSR_PAT, PAT_RESET },
    { 0xc0010117, 0xc0010117, 0 },          /* SVM host save area */
    { 0xc0000104, 0xc0000104, 1ull << 32 }, /* AMD TSC ratio: 1.0 */
    { 0x6e0, 0x6e0, 0 },                    /* TSC deadline */
    { MSR_TSC, MSR_TSC, 0 },
    { MSR_TSC_ADJUST, MSR_TSC_ADJUST, 0 },
};

#define MSR_BATCH 128

typedef struct MsrBatch {
    struct kvm_msrs head;
    struct kvm_msr_entry entries[MSR_BATCH];
} MsrBatch;

static void batch_add(MsrBatch *batch, uint32_t index, uint64_t value)
{
    if (batch->head.nmsrs < MSR_BATCH)
        batch->entries[batch->head.nmsrs++] =
            (struct kvm_msr_entry){ .index = index, .data = value };
}

static int batch_set(MsrBatch *batch, int fd)
{
    while (batch->head.nmsrs) {
        int r = kvm_ioctl(fd, KVM_SET_MSRS, batch);
        unsigned done = r < 0 ? 0 : (unsigned)r;

        if (r < 0 && r != -EINVAL)
            return r;
        if (done >= batch->head.nmsrs)
            break;
        done++; /* refused */
        batch->head.nmsrs -= done;
        memmove(batch->entries, batch->entries + done,
                batch->head.nmsrs * sizeof(batch->entries[0]));
    }
    return 0;
}

static void batch_add_first(MsrBatch *batch, bool direct)
{
    batch_add(batch, MSR_MISC_ENABLE, MISC_ENABLE_FAST | MISC_ENABLE_NO_TRACE);
    batch_add(batch, MSR_MTRR_DEFAULT, direct ? MTRR_ON_WRITEBACK : 0);
}

int msr_first(int vcpu_fd, bool direct)
{
    MsrBatch batch;

    batch.head = (struct kvm_msrs){ 0 };
    batch_add_first(&batch, direct);
    return batch_set(&batch, vcpu_fd);
}

int msr_list_get(KvmVm *vm)
{
    struct kvm_msr_list probe = { 0 };
    struct kvm_msr_list *list;
    int r;

    if (vm->arch.msrs)
        return 0;
    r = kvm_ioctl(vm->kvm_fd, KVM_GET_MSR_INDEX_LIST, &probe);
    if (r < 0 && r != -E2BIG)
        return r;
    list = calloc(1, sizeof(*list) + probe.nmsrs * sizeof(list->indices[0]));
    if (!list)
        return -ENOMEM;
    list->nmsrs = probe.nmsrs;
    r = kvm_ioctl(vm->kvm_fd, KVM_GET_MSR_INDEX_LIST, list);
    if (r < 0) {
        free(list);
        return r;
    }
    vm->arch.msrs = list;
    return 0;
}

static bool msr_listed(const struct kvm_msr_list *list, uint32_t index)
{
    for (uint32_t i = 0; i < list->nmsrs; i++)
        if (list->indices[i] == index)
            return true;
    return false;
}

int msr_reset(const KvmVm *vm, int vcpu_fd, bool direct)
{
    MsrBatch batch;

    batch.head = (struct kvm_msrs){ 0 };
    for (size_t i = 0; i < ARRAY_SIZE(msr_resets); i++) {
        const MsrRange *range = &msr_resets[i];

        for (uint32_t m = range->first; m <= range->last; m++)
            if (!vm->arch.msrs || msr_listed(vm->arch.msrs, m))
                batch_add(&batch, m, range->value);
    }
    batch_add_first(&batch, direct);
    return batch_set(&batch, vcpu_fd);
}
