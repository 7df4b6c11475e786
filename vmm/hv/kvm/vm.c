/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hv/kvm/vm.c - a KVM machine: memory slots, ioeventfds, interrupt routes. */
#include <config.h>

#include "hv/kvm/kvm_priv.h"
#include "util/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/*
 * How this works
 *
 * Opening makes few calls on purpose: a capability is asked for only where the
 * answer changes what we do, since these calls are a good part of what a VMM
 * does before its guest runs.  Default routes of the pins come with the
 * in-kernel interrupt controller, so the routing table is set only when the
 * first message is routed.
 */
int kvm_ioctl(int fd, unsigned long request, void *arg)
{
    int r;

    do {
        r = ioctl(fd, request, arg);
    } while (r < 0 && errno == EINTR);
    return r < 0 ? -errno : r;
}

int kvm_cap(const KvmVm *vm, int cap)
{
    int r = kvm_ioctl_val(vm->vm_fd, KVM_CHECK_EXTENSION, (unsigned long)cap);

    return r < 0 ? 0 : r;
}

/* --- memory -------------------------------------------------------------- */

static int kvm_slot_set(KvmVm *vm, const MemRange *range, bool present)
{
    struct kvm_userspace_memory_region region = {
        .slot = (uint32_t)range->slot,
        .guest_phys_addr = range->gpa,
        .memory_size = present ? range->size_bytes : 0,
        .userspace_addr =
            (uint64_t)(uintptr_t)(range->block->hva + range->block_off),
    };

    if (range->flags & MEM_READONLY)
        region.flags |= KVM_MEM_READONLY;
    return kvm_ioctl(vm->vm_fd, KVM_SET_USER_MEMORY_REGION, &region);
}

static int kvm_mem_add(void *opaque, const MemRange *range, Err *e)
{
    KvmVm *vm = opaque;
    int r;

    /* Without read-only slots, reads of a register page simply exit. */
    if ((range->flags & MEM_REGISTERS) && !vm->hv.limits.readonly_mem)
        return 0;
    r = kvm_slot_set(vm, range, true);
    if (r < 0)
        return err_sys(e, -r, "KVM refuses %llu MiB of memory at 0x%llx",
                       (unsigned long long)(range->size_bytes >> 20),
                       (unsigned long long)range->gpa);
    return 0;
}

static void kvm_mem_del(void *opaque, const MemRange *range)
{
    KvmVm *vm = opaque;
    int r;

    if ((range->flags & MEM_REGISTERS) && !vm->hv.limits.readonly_mem)
        return;
    r = kvm_slot_set(vm, range, false);
    if (r < 0)
        log_error("KVM does not give up the memory at 0x%llx: %s",
                  (unsigned long long)range->gpa, strerror(-r));
}

/* --- ioeventfd and coalescing -------------------------------------------- */

static int kvm_ioevent(Hv *hv, const HvIoEvent *ev, int fd, bool add)
{
    KvmVm *vm = container_of(hv, KvmVm, hv);
    struct kvm_ioeventfd arg = {
        .datamatch = ev->match ? ev->data : 0,
        .addr = ev->addr,
        .len = ev->len,
        .fd = fd,
    };

    if (ev->match)
        arg.flags |= KVM_IOEVENTFD_FLAG_DATAMATCH;
    if (ev->pio)
        arg.flags |= KVM_IOEVENTFD_FLAG_PIO;
    if (!add)
        arg.flags |= KVM_IOEVENTFD_FLAG_DEASSIGN;
    return kvm_ioctl(vm->vm_fd, KVM_IOEVENTFD, &arg);
}

static int kvm_coalesce(Hv *hv, uint64_t addr, unsigned len, bool pio, bool add)
{
    KvmVm *vm = container_of(hv, KvmVm, hv);
    struct kvm_coalesced_mmio_zone zone = {
        .addr = addr,
        .size = len,
        .pio = pio,
    };
    int r = kvm_ioctl(vm->vm_fd,
                      add ? KVM_REGISTER_COALESCED_MMIO
                          : KVM_UNREGISTER_COALESCED_MMIO,
                      &zone);

    return r < 0 ? -ENOTSUP : 0;
}

static void kvm_coalesce_drain(Hv *hv, HvCoalescedFn *fn, void *opaque)
{
    KvmVm *vm = container_of(hv, KvmVm, hv);
    struct kvm_coalesced_mmio_ring *ring = vm->ring;
    const unsigned max =
        (unsigned)((4096 - sizeof(*ring)) / sizeof(ring->coalesced_mmio[0]));

    if (!ring || __atomic_load_n(&ring->first, __ATOMIC_RELAXED) ==
                     __atomic_load_n(&ring->last, __ATOMIC_ACQUIRE))
        return;
    MUTEX_SCOPE(&vm->ring_lock);
    for (;;) {
        unsigned first = ring->first;
        struct kvm_coalesced_mmio entry;

        if (first == __atomic_load_n(&ring->last, __ATOMIC_ACQUIRE))
            break;
        entry = ring->coalesced_mmio[first % max];
        fn(opaque, entry.pio != 0, entry.phys_addr,
           MIN(entry.len, (uint32_t)sizeof(entry.data)), entry.data);
        __atomic_store_n(&ring->first, (first + 1) % max, __ATOMIC_RELEASE);
    }
}

/* --- interrupts ---------------------------------------------------------- */

static int kvm_irqfd(Hv *hv, Irq *irq, bool add)
{
    KvmVm *vm = container_of(hv, KvmVm, hv);
    struct kvm_irqfd arg = {
        .fd = (uint32_t)irq->event_fd,
        .gsi = irq->gsi,
    };

    if (!add) {
        arg.flags |= KVM_IRQFD_FLAG_DEASSIGN;
    } else if (irq->kind == IRQ_LEVEL) {
        arg.flags |= KVM_IRQFD_FLAG_RESAMPLE;
        arg.resamplefd = (uint32_t)irq->resample_fd;
    }
    return kvm_ioctl(vm->vm_fd, KVM_IRQFD, &arg);
}

static int kvm_irq_attach(Hv *hv, Irq *irq)
{
    KvmVm *vm = container_of(hv, KvmVm, hv);
    int r = kvm_arch_irqchip_finish(vm);

    return r < 0 ? r : kvm_irqfd(hv, irq, true);
}

static void kvm_irq_detach(Hv *hv, Irq *irq)
{
    kvm_irqfd(hv, irq, false);
}

static int kvm_commit(Hv *hv)
{
    KvmVm *vm = container_of(hv, KvmVm, hv);
    unsigned pins = kvm_arch_num_pin_routes(vm);
    unsigned n = pins + gsi_num_routed(&hv->gsi);
    struct kvm_irq_routing *table CLEANUP(ptr_free) =
        calloc(1, sizeof(*table) + n * sizeof(table->entries[0]));
    const GsiRoute *route;

    if (!table)
        return -ENOMEM;
    kvm_arch_pin_routes(vm, table->entries);
    n = pins;
    for (int g = gsi_next(&hv->gsi, 0, &route); g >= 0;
         g = gsi_next(&hv->gsi, (unsigned)g + 1, &route)) {
        table->entries[n++] = (struct kvm_irq_routing_entry){
            .gsi = (uint32_t)g,
            .type = KVM_IRQ_ROUTING_MSI,
            .u.msi.address_lo = (uint32_t)route->addr,
            .u.msi.address_hi = (uint32_t)(route->addr >> 32),
            .u.msi.data = route->data,
        };
    }
    table->nr = n;
    return kvm_ioctl(vm->vm_fd, KVM_SET_GSI_ROUTING, table);
}

static int kvm_reset(Hv *hv)
{
    KvmVm *vm = container_of(hv, KvmVm, hv);

    /* Connecting anew drops a level that the guest never acknowledged. */
    pthread_mutex_lock(&hv->lock);
    list_for_each(pos, &hv->irqs)
    {
        Irq *irq = container_of(pos, Irq, link);

        if (irq->kind != IRQ_LEVEL || !irq->attached)
            continue;
        kvm_irq_detach(hv, irq);
        irq->attached = kvm_irq_attach(hv, irq) == 0;
    }
    pthread_mutex_unlock(&hv->lock);
    return kvm_arch_vm_reset(vm);
}

/* --- life ---------------------------------------------------------------- */

static int kvm_start(Hv *hv, Err *e)
{
    int r = kvm_arch_irqchip_finish(container_of(hv, KvmVm, hv));

    if (r < 0)
        return err_sys(e, -r, "KVM cannot start its interrupt controller");
    return 0;
}

static int kvm_mem_ignore(void *opaque, const MemRange *range, Err *e)
{
    return 0;
}

static void kvm_close(Hv *hv)
{
    KvmVm *vm = container_of(hv, KvmVm, hv);

    if (vm->hv.gm) {
        const MemListener none = { kvm_mem_ignore, NULL, NULL };
        Err e = ERR_INIT;

        gmem_listen(vm->hv.gm, &none, &e);
    }
    kvm_arch_vm_fini(vm);
    if (vm->ring_map)
        munmap(vm->ring_map, 4096);
    fd_close(&vm->vm_fd);
    fd_close(&vm->kvm_fd);
    pthread_mutex_destroy(&vm->ring_lock);
    hv_fini(hv);
    free(vm);
}

static const HvOps kvm_ops = {
    .close = kvm_close,
    .start = kvm_start,
    .reset = kvm_reset,
    .ioevent = kvm_ioevent,
    .coalesce = kvm_coalesce,
    .coalesce_drain = kvm_coalesce_drain,
    .irq_attach = kvm_irq_attach,
    .irq_detach = kvm_irq_detach,
    .commit = kvm_commit,
    .vcpu_new = kvm_vcpu_new,
    .vcpu_free = kvm_vcpu_free,
    .vcpu_reset = kvm_arch_vcpu_reset,
    .vcpu_run = kvm_vcpu_run,
    .vcpu_complete = kvm_vcpu_complete,
    .vcpu_kick = kvm_vcpu_kick,
    .vcpu_nmi = kvm_arch_vcpu_nmi,
    .vcpu_clock_restored = kvm_arch_vcpu_clock_restored,
    .clock_save = kvm_arch_clock_save,
    .clock_restore = kvm_arch_clock_restore,
};

static int kvm_open_device(KvmVm *vm, const HvConf *conf, Err *e)
{
    const char *path = conf->device ? conf->device : "/dev/kvm";
    int r;

    vm->kvm_fd = conf->device_fd;
    if (vm->kvm_fd < 0)
        vm->kvm_fd = open(path, O_RDWR | O_CLOEXEC);
    if (vm->kvm_fd < 0 && errno == EACCES)
        return err_set(e, EACCES,
                       "no permission to open '%s': add the user to its group "
                       "(usually kvm)",
                       path);
    if (vm->kvm_fd < 0)
        return err_sys(e, errno,
                       "cannot open '%s' (is the KVM module loaded and "
                       "virtualisation enabled in the firmware?)",
                       path);
    r = kvm_ioctl(vm->kvm_fd, KVM_GET_API_VERSION, NULL);
    if (r < 0)
        return err_set(e, ENODEV, "'%s' is not a KVM device",
                       conf->device_fd >= 0 && !conf->device
                           ? "the descriptor given for KVM"
                           : path);
    if (r != KVM_API_VERSION)
        return err_set(e, ENODEV, "KVM's API version is %d, not %d", r,
                       KVM_API_VERSION);
    return 0;
}

static int kvm_probe(KvmVm *vm, Err *e)
{
    HvLimits *limits = &vm->hv.limits;
    int r = kvm_ioctl(vm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, NULL);

    if (r < (int)sizeof(struct kvm_run))
        return err_set(e, ENODEV, "KVM states no size of its run page");
    vm->run_size = (size_t)r;
    if (!kvm_cap(vm, KVM_CAP_IMMEDIATE_EXIT))
        return err_set(e, ENOTSUP,
                       "this kernel's KVM has no immediate_exit: Linux 4.13 "
                       "or newer is needed");
    limits->slots = (unsigned)kvm_cap(vm, KVM_CAP_NR_MEMSLOTS);
    limits->vcpus = (unsigned)kvm_cap(vm, KVM_CAP_MAX_VCPUS);
    limits->readonly_mem = kvm_cap(vm, KVM_CAP_READONLY_MEM) > 0;
    return 0;
}

static int kvm_create(KvmVm *vm, const HvConf *conf, Err *e)
{
    const MemListener listener = { kvm_mem_add, kvm_mem_del, vm };
    int r = kvm_open_device(vm, conf, e);

    if (r < 0)
        return r;
    vm->vm_fd = kvm_ioctl(vm->kvm_fd, KVM_CREATE_VM, NULL);
    if (vm->vm_fd < 0)
        return err_sys(e, -vm->vm_fd, "KVM cannot create a machine");
    r = kvm_probe(vm, e);
    if (r == 0)
        r = kvm_arch_vm_init(vm, conf, e);
    if (r < 0)
        return r;
    if (conf->irqchip)
        gsi_init(&vm->hv.gsi, kvm_arch_pins(vm), kvm_arch_gsi_max(vm));
    if (!vm->hv.gm)
        return 0;
    return gmem_listen(vm->hv.gm, &listener, e);
}

int kvm_open(Hv **ret_hv, const HvConf *conf, GuestMem *gm, Err *e)
{
    KvmVm *vm = calloc(1, sizeof(*vm));
    int r;

    if (!vm)
        return err_sys(e, ENOMEM, "cannot create a machine");
    vm->kvm_fd = vm->vm_fd = -1;
    vm->irqchip = conf->irqchip;
    r = hv_init(&vm->hv, &kvm_ops, conf, gm, e);
    if (r < 0) {
        free(vm);
        return r;
    }
    pthread_mutex_init(&vm->ring_lock, NULL);
    r = kvm_create(vm, conf, e);
    if (r < 0) {
        kvm_close(&vm->hv);
        return r;
    }
    *ret_hv = &vm->hv;
    return 0;
}
