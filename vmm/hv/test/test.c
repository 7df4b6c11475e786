/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hv/test/test.c - test accelerator: vCPUs that do what a socket says. */
#include <config.h>

#include "hv/test/test_priv.h"
#include "util/bytes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * How this works
 *
 * The server thread (server.c) takes one request at a time.  An access to a
 * port or device is posted to a vCPU, whose thread comes out of hv_vcpu_run()
 * with it as from KVM; it counts as done when that thread comes back for more,
 * so that a handler's posted work is done too.  Memory, register pages and
 * ioeventfds are served by the server itself, as KVM does without an exit.
 *
 *   TEST_IDLE -> POSTED (server) -> TAKEN (vCPU) -> DONE (vCPU) -> IDLE
 */
static TestVm *vm_of(Hv *hv)
{
    return container_of(hv, TestVm, hv);
}

/* --- vCPUs --------------------------------------------------------------- */

static int test_vcpu_new(HvVcpu **ret_vcpu, Hv *hv, unsigned index,
                         const HvCpuTopology *topology, Err *e)
{
    TestVm *vm = vm_of(hv);
    TestVcpu *vcpu;

    if (index >= TEST_VCPUS_MAX)
        return err_set(e, EINVAL, "the test accelerator has no vCPU %u", index);
    vcpu = calloc(1, sizeof(*vcpu));
    if (!vcpu)
        return err_sys(e, ENOMEM, "cannot create vCPU %u", index);
    vcpu->base.hv = hv;
    vcpu->base.index = index;
    vcpu->base.topology = *topology;
    pthread_cond_init(&vcpu->wake, NULL);
    pthread_mutex_lock(&vm->lock);
    vm->vcpus[index] = vcpu;
    pthread_mutex_unlock(&vm->lock);
    *ret_vcpu = &vcpu->base;
    return 0;
}

static void test_vcpu_free(HvVcpu *base)
{
    TestVcpu *vcpu = container_of(base, TestVcpu, base);
    TestVm *vm = vm_of(base->hv);

    test_server_stop(vm); /* it may still wait for this one */
    pthread_mutex_lock(&vm->lock);
    vm->vcpus[base->index] = NULL;
    pthread_mutex_unlock(&vm->lock);
    pthread_cond_destroy(&vcpu->wake);
    free(vcpu);
}

static int test_vcpu_reset(HvVcpu *base, const HvBootState *boot, Err *e)
{
    return 0; /* it has no registers */
}

/* Under the lock. */
static void vcpu_finish(TestVm *vm, TestVcpu *vcpu)
{
    if (vcpu->phase != TEST_TAKEN)
        return;
    vcpu->phase = TEST_DONE;
    pthread_cond_broadcast(&vm->done);
}

static void test_vcpu_run(HvVcpu *base, HvExit *exit)
{
    TestVcpu *vcpu = container_of(base, TestVcpu, base);
    TestVm *vm = vm_of(base->hv);

    MUTEX_SCOPE(&vm->lock);
    vcpu_finish(vm, vcpu);
    while (!vcpu->kicked && vcpu->phase != TEST_POSTED)
        pthread_cond_wait(&vcpu->wake, &vm->lock);
    if (vcpu->kicked) {
        vcpu->kicked = false;
        exit->kind = HV_EXIT_NONE;
        return;
    }
    vcpu->phase = TEST_TAKEN;
    *exit = vcpu->access;
    exit->data = &vcpu->data;
}

static bool test_vcpu_complete(HvVcpu *base, HvExit *exit)
{
    TestVcpu *vcpu = container_of(base, TestVcpu, base);
    TestVm *vm = vm_of(base->hv);

    MUTEX_SCOPE(&vm->lock);
    vcpu_finish(vm, vcpu);
    return true;
}

static void test_vcpu_kick(HvVcpu *base)
{
    TestVcpu *vcpu = container_of(base, TestVcpu, base);

    MUTEX_SCOPE(&vm_of(base->hv)->lock);
    vcpu->kicked = true;
    pthread_cond_signal(&vcpu->wake);
}

static int test_vcpu_nothing(HvVcpu *base)
{
    return 0;
}

static int test_hv_nothing(Hv *hv)
{
    return 0;
}

int test_access(TestVm *vm, HvExitKind kind, bool write, uint64_t addr,
                unsigned len, uint64_t *val)
{
    TestVcpu *vcpu;

    MUTEX_SCOPE(&vm->lock);
    vcpu = vm->selected < TEST_VCPUS_MAX ? vm->vcpus[vm->selected] : NULL;
    if (!vcpu)
        return -ENODEV;
    vcpu->access = (HvExit){
        .kind = kind,
        .write = write,
        .addr = addr,
        .len = len,
        .count = 1,
    };
    vcpu->data = write ? *val : 0;
    vcpu->phase = TEST_POSTED;
    pthread_cond_signal(&vcpu->wake);
    while (vcpu->phase != TEST_DONE) {
        if (vm->stopping)
            return -ESHUTDOWN;
        pthread_cond_wait(&vm->done, &vm->lock);
    }
    vcpu->phase = TEST_IDLE;
    *val = vcpu->data;
    return 0;
}

/* --- memory and ioeventfds ----------------------------------------------- */

static int test_mem_add(void *opaque, const MemRange *range, Err *e)
{
    TestVm *vm = opaque;
    MemRange *grown;

    if (!(range->flags & MEM_REGISTERS))
        return 0; /* the server looks memory up itself */
    MUTEX_SCOPE(&vm->lock);
    grown = realloc(vm->registers,
                    (vm->num_registers + 1) * sizeof(*vm->registers));
    if (!grown)
        return err_sys(e, ENOMEM, "cannot map a register page");
    vm->registers = grown;
    vm->registers[vm->num_registers++] = *range;
    return 0;
}

static void test_mem_del(void *opaque, const MemRange *range)
{
    TestVm *vm = opaque;

    MUTEX_SCOPE(&vm->lock);
    for (size_t i = 0; i < vm->num_registers; i++) {
        if (vm->registers[i].gpa != range->gpa)
            continue;
        vm->registers[i] = vm->registers[--vm->num_registers];
        return;
    }
}

static int test_mem_ignore(void *opaque, const MemRange *range, Err *e)
{
    return 0;
}

static bool read_registers(TestVm *vm, uint64_t addr, uint8_t *buf, size_t len)
{
    MUTEX_SCOPE(&vm->lock);
    for (size_t i = 0; i < vm->num_registers; i++) {
        const MemRange *range = &vm->registers[i];

        if (addr < range->gpa ||
            !range_within(addr - range->gpa, len, range->size_bytes))
            continue;
        memcpy(buf, range->block->hva + range->block_off + (addr - range->gpa),
               len);
        return true;
    }
    return false;
}

static bool ioevent_matches(const HvIoEvent *ev, bool pio, uint64_t addr,
                            unsigned len, uint64_t val)
{
    return ev->pio == pio && ev->addr == addr && (!ev->len || ev->len == len) &&
           (!ev->match || ev->data == val);
}

/* Return: true when an eventfd took the write. */
static bool signal_ioevent(TestVm *vm, bool pio, uint64_t addr, unsigned len,
                           uint64_t val)
{
    const uint64_t one = 1;

    MUTEX_SCOPE(&vm->lock);
    list_for_each(pos, &vm->ioevents)
    {
        const TestIoEvent *io = container_of(pos, TestIoEvent, link);

        if (ioevent_matches(&io->ev, pio, addr, len, val))
            return write(io->fd, &one, sizeof(one)) == sizeof(one);
    }
    return false;
}

static int ioevent_add(TestVm *vm, const HvIoEvent *ev, int fd)
{
    TestIoEvent *io = calloc(1, sizeof(*io));

    if (!io)
        return -ENOMEM;
    *io = (TestIoEvent){ .ev = *ev, .fd = fd };
    list_add_tail(&vm->ioevents, &io->link);
    return 0;
}

static bool ioevent_same(const HvIoEvent *a, const HvIoEvent *b)
{
    return a->pio == b->pio && a->addr == b->addr && a->len == b->len &&
           a->match == b->match && (!a->match || a->data == b->data);
}

static int test_ioevent(Hv *hv, const HvIoEvent *ev, int fd, bool add)
{
    TestVm *vm = vm_of(hv);

    MUTEX_SCOPE(&vm->lock);
    list_for_each_safe(pos, &vm->ioevents)
    {
        TestIoEvent *io = container_of(pos, TestIoEvent, link);

        if (!ioevent_same(&io->ev, ev))
            continue;
        if (add)
            return -EEXIST;
        list_del(&io->link);
        free(io);
        return 0;
    }
    return add ? ioevent_add(vm, ev, fd) : -ENOENT;
}

static int test_coalesce(Hv *hv, uint64_t addr, unsigned len, bool pio,
                         bool add)
{
    return -ENOTSUP; /* each write reaches its handler before the reply */
}

static void test_coalesce_drain(Hv *hv, HvCoalescedFn *fn, void *opaque)
{
}

int test_port(TestVm *vm, bool write, uint16_t port, unsigned len,
              uint64_t *val)
{
    if (write && signal_ioevent(vm, true, port, len, *val))
        return 0;
    return test_access(vm, HV_EXIT_PIO, write, port, len, val);
}

/* The largest aligned access at @addr within @len. */
static unsigned access_len(uint64_t addr, size_t len)
{
    unsigned n = 8;

    while (n > len || addr % n)
        n /= 2;
    return n;
}

static int device_access(TestVm *vm, bool write, uint64_t addr, uint8_t *buf,
                         unsigned len)
{
    uint64_t val = 0;
    int r;

    memcpy(&val, buf, len);
    if (write && signal_ioevent(vm, false, addr, len, val))
        return 0;
    if (!write && read_registers(vm, addr, buf, len))
        return 0;
    r = test_access(vm, HV_EXIT_MMIO, write, addr, len, &val);
    if (r == 0 && !write)
        memcpy(buf, &val, len);
    return r;
}

static bool ram_access(TestVm *vm, bool write, uint64_t addr, uint8_t *buf,
                       size_t len)
{
    int r;

    qs_online(&vm->qs);
    r = write ? gmem_write(vm->hv.gm, addr, buf, len)
              : gmem_read(vm->hv.gm, addr, buf, len);
    qs_offline(&vm->qs);
    return r == 0;
}

int test_mem(TestVm *vm, bool write, uint64_t addr, uint8_t *buf, size_t len)
{
    if (addr + len < addr)
        return -EFAULT;
    if (ram_access(vm, write, addr, buf, len))
        return 0;
    while (len) {
        unsigned n = access_len(addr, len);
        int r;

        if (!ram_access(vm, write, addr, buf, n)) {
            r = device_access(vm, write, addr, buf, n);
            if (r < 0)
                return r;
        }
        addr += n;
        buf += n;
        len -= n;
    }
    return 0;
}

/* --- interrupts ---------------------------------------------------------- */

static void msi_record(TestVm *vm, uint64_t addr, uint32_t data)
{
    TestMsi *msi;

    list_for_each(pos, &vm->msis)
    {
        msi = container_of(pos, TestMsi, link);
        if (msi->addr == addr && msi->data == data)
            return;
    }
    msi = calloc(1, sizeof(*msi));
    if (!msi)
        return;
    msi->addr = addr;
    msi->data = data;
    list_add_tail(&vm->msis, &msi->link);
}

/* What the handle's eventfd holds becomes an interrupt. Under Hv.lock. */
static void irq_collect(TestVm *vm, Irq *irq)
{
    uint64_t count = 0;

    if (!irq->attached ||
        read(irq->event_fd, &count, sizeof(count)) != sizeof(count))
        return;
    if (irq->kind == IRQ_MSI)
        msi_record(vm, irq->msi_addr, irq->msi_data);
    else if (irq->kind == IRQ_EDGE)
        vm->edges[irq->gsi] += count;
}

static void irq_collect_all(TestVm *vm)
{
    list_for_each(pos, &vm->hv.irqs)
        irq_collect(vm, container_of(pos, Irq, link));
}

static int test_irq_attach(Hv *hv, Irq *irq)
{
    return 0;
}

static void test_irq_detach(Hv *hv, Irq *irq)
{
    irq_collect(vm_of(hv), irq);
}

static void test_irq_route(Hv *hv, Irq *irq)
{
    irq_collect(vm_of(hv), irq);
}

static void test_irq_level(Hv *hv, Irq *irq, bool level)
{
    if (level)
        atomic_store(&vm_of(hv)->intx[irq->gsi], true);
}

bool test_take_msi(TestVm *vm, uint64_t addr, uint32_t data)
{
    MUTEX_SCOPE(&vm->hv.lock);
    irq_collect_all(vm);
    list_for_each_safe(pos, &vm->msis)
    {
        TestMsi *msi = container_of(pos, TestMsi, link);

        if (msi->addr != addr || msi->data != data)
            continue;
        list_del(&msi->link);
        free(msi);
        return true;
    }
    return false;
}

uint64_t test_take_edges(TestVm *vm, unsigned gsi)
{
    uint64_t count;

    MUTEX_SCOPE(&vm->hv.lock);
    irq_collect_all(vm);
    count = vm->edges[gsi];
    vm->edges[gsi] = 0;
    return count;
}

bool test_intx(TestVm *vm, unsigned gsi)
{
    return atomic_load(&vm->intx[gsi]);
}

/* The guest ends the interrupt: asserted again if a device still drives it. */
bool test_eoi(TestVm *vm, unsigned gsi)
{
    bool was = atomic_exchange(&vm->intx[gsi], false);

    MUTEX_SCOPE(&vm->hv.lock);
    list_for_each(pos, &vm->hv.irqs)
    {
        Irq *irq = container_of(pos, Irq, link);

        if (irq->kind == IRQ_LEVEL && irq->gsi == gsi &&
            atomic_load(&irq->level))
            atomic_store(&vm->intx[gsi], true);
    }
    return was;
}

/* --- life ---------------------------------------------------------------- */

static int test_start(Hv *hv, Err *e)
{
    return test_server_start(vm_of(hv), e);
}

static int test_reset(Hv *hv)
{
    TestVm *vm = vm_of(hv);

    for (unsigned i = 0; i < TEST_PINS; i++)
        atomic_store(&vm->intx[i], false);
    return 0;
}

static void test_close(Hv *hv)
{
    const MemListener none = { test_mem_ignore, NULL, NULL };
    TestVm *vm = vm_of(hv);
    Err e = ERR_INIT;

    test_server_stop(vm);
    if (hv->gm)
        gmem_listen(hv->gm, &none, &e);
    list_for_each_safe(pos, &vm->ioevents)
        free(container_of(pos, TestIoEvent, link));
    list_for_each_safe(msi, &vm->msis) free(container_of(msi, TestMsi, link));
    free(vm->registers);
    pthread_cond_destroy(&vm->done);
    pthread_mutex_destroy(&vm->lock);
    hv_fini(hv);
    free(vm);
}

static const HvOps test_ops = {
    .close = test_close,
    .start = test_start,
    .reset = test_reset,
    .ioevent = test_ioevent,
    .coalesce = test_coalesce,
    .coalesce_drain = test_coalesce_drain,
    .irq_attach = test_irq_attach,
    .irq_detach = test_irq_detach,
    .irq_route = test_irq_route,
    .irq_level = test_irq_level,
    .commit = test_hv_nothing,
    .vcpu_new = test_vcpu_new,
    .vcpu_free = test_vcpu_free,
    .vcpu_reset = test_vcpu_reset,
    .vcpu_run = test_vcpu_run,
    .vcpu_complete = test_vcpu_complete,
    .vcpu_kick = test_vcpu_kick,
    .vcpu_nmi = test_vcpu_nothing,
    .vcpu_clock_restored = test_vcpu_nothing,
    .clock_save = test_hv_nothing,
    .clock_restore = test_hv_nothing,
};

int test_open(Hv **ret_hv, const HvConf *conf, GuestMem *gm, Err *e)
{
    TestVm *vm = calloc(1, sizeof(*vm));
    int r;

    if (!vm)
        return err_sys(e, ENOMEM, "cannot create a machine");
    vm->sock = vm->epoll = vm->stop_fd = -1;
    r = hv_init(&vm->hv, &test_ops, conf, gm, e);
    if (r < 0) {
        free(vm);
        return r;
    }
    pthread_mutex_init(&vm->lock, NULL);
    pthread_cond_init(&vm->done, NULL);
    list_init(&vm->ioevents);
    list_init(&vm->msis);
    gsi_init(&vm->hv.gsi, TEST_PINS, 4096);
    vm->hv.limits = (HvLimits){
        .vcpus = TEST_VCPUS_MAX,
        .slots = 32764,
        .readonly_mem = true,
        .tsc_deadline = true,
    };
    if (conf->mod_test)
        r = test_server_connect(vm, conf->mod_test, e);
    if (r == 0 && gm) {
        const MemListener listener = { test_mem_add, test_mem_del, vm };

        r = gmem_listen(gm, &listener, e);
    }
    if (r < 0) {
        test_close(&vm->hv);
        return r;
    }
    *ret_hv = &vm->hv;
    return 0;
}
