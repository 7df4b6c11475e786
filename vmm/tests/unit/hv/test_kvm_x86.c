/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bare-metal payloads of a few bytes on whatever /dev/kvm there is. */
#include <config.h>

#include "core/thread.h"
#include "hv/hv.h"
#include "util/bytes.h"
#include "util/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

/*
 * The payloads are 64-bit ring 0 code placed at CODE, with page tables that
 * map the first and the last GiB below 4 GiB onto themselves.  Each ends with
 * a write to DONE_PORT.  Ring 0 may be emulated slowly, so nothing loops over
 * memory.  An alarm ends a test that hangs.
 */
#define RAM_BYTES 0x200000
#define GDT       0x500
#define IDT       0x4000
#define CODE      0x10000
#define PML4      0x9000
#define MMIO      0xF0100000ull

#define DATA      0x8000
#define DONE_PORT 0xF4
#define VECTOR    0x30

#define PAYLOAD(name, text)                                                    \
    extern const uint8_t name[], name##_end[];                                 \
    __asm__(".pushsection .rodata\n"                                           \
            ".globl " #name "\n" #name ":\n" text "\n.globl " #name            \
            "_end\n" #name "_end:\n"                                           \
            ".popsection\n")

typedef struct Vm {
    Loop *loop;
    GuestMem *gm;
    RamBlock *ram;
    Hv *hv;
    HvVcpu *vcpu;
    HvBootState boot;
} Vm;

static void put_page_tables(Vm *vm)
{
    uint64_t e = 0xA003;

    gmem_write(vm->gm, PML4, &e, 8);
    e = 0xB003;
    gmem_write(vm->gm, 0xA000, &e, 8);
    e = 0xC003;
    gmem_write(vm->gm, 0xA000 + 3 * 8, &e, 8);
    for (uint64_t i = 0; i < 512; i++) {
        e = i << 21 | 0x83;
        gmem_write(vm->gm, 0xB000 + i * 8, &e, 8);
        e = (3ull << 30) + (i << 21) + 0x83;
        gmem_write(vm->gm, 0xC000 + i * 8, &e, 8);
    }
}

static void put_gate(Vm *vm, unsigned vector, uint64_t handler)
{
    uint8_t gate[16] = { 0 };

    store_le16(gate, (uint16_t)handler);
    store_le16(gate + 2, 0x10);
    gate[5] = 0x8e;
    store_le16(gate + 6, (uint16_t)(handler >> 16));
    assert_int_equal(gmem_write(vm->gm, IDT + vector * 16, gate, 16), 0);
}

static void vm_set_up(Vm *vm, unsigned vcpus)
{
    const HvConf conf = {
        .kind = HV_KVM,
        .device_fd = -1,
        .loop = vm->loop,
        .max_vcpus = vcpus,
        .irqchip = true,
    };
    const RamConf ram = { .name = "ram", .size_bytes = RAM_BYTES };
    const HvCpuTopology topology = { 1, 1, 1, vcpus, 1, 0 };
    const uint64_t gdt[] = { 0, 0, 0x00af9b000000ffff, 0x00cf93000000ffff };
    Err e = ERR_INIT;

    alarm(60);
    assert_int_equal(gmem_new(&vm->gm, &e), 0);
    assert_int_equal(ram_block_new(&vm->ram, &ram, &e), 0);
    assert_int_equal(gmem_map(vm->gm, 0, RAM_BYTES, vm->ram, 0, 0, &e), 0);
    if (hv_open(&vm->hv, &conf, vm->gm, &e) < 0)
        fail_msg("%s", e.msg);
    if (hv_vcpu_new(&vm->vcpu, vm->hv, 0, &topology, &e) < 0)
        fail_msg("%s", e.msg);
    put_page_tables(vm);
    assert_int_equal(gmem_write(vm->gm, GDT, gdt, sizeof(gdt)), 0);
    vm->boot = (HvBootState){
        .mode = HV_BOOT_LONG64,
        .pc = CODE,
        .arg = 0x7000,
        .sp = 0x8ff0,
        .cr3 = PML4,
        .gdt_gpa = GDT,
        .gdt_limit = 31,
        .idt_gpa = IDT,
        .idt_limit = 0xfff,
    };
}

static void vm_tear_down(Vm *vm)
{
    hv_vcpu_free(vm->vcpu);
    hv_close(vm->hv);
    gmem_free(vm->gm);
    ram_block_unref(vm->ram);
    alarm(0);
}

static void vm_load(Vm *vm, const uint8_t *from, const uint8_t *to)
{
    Err e = ERR_INIT;

    assert_int_equal(gmem_write(vm->gm, CODE, from, (size_t)(to - from)), 0);
    if (hv_vcpu_reset(vm->vcpu, &vm->boot, &e) < 0)
        fail_msg("%s", e.msg);
}

#define VM_LOAD(vm, name) vm_load(vm, name, name##_end)

static void expect_exit(Vm *vm, HvExit *exit, HvExitKind kind, uint64_t addr)
{
    *exit = (HvExit){ 0 };
    do {
        hv_vcpu_run(vm->vcpu, exit);
    } while (exit->kind == HV_EXIT_NONE);
    if (exit->kind == HV_EXIT_FAIL)
        fail_msg("%s", exit->detail);
    assert_int_equal(exit->kind, kind);
    assert_int_equal(exit->addr, addr);
}

static uint32_t read32(Vm *vm, uint64_t gpa)
{
    uint32_t v = 0;

    assert_int_equal(gmem_read(vm->gm, gpa, &v, sizeof(v)), 0);
    return v;
}

/* --- ports and MMIO ------------------------------------------------------ */

PAYLOAD(p_io, "mov $0x3f8, %dx\n"
              "mov $'A', %al\n"
              "out %al, %dx\n"
              "in $0x61, %al\n"
              "mov %al, 0x8000\n"
              "mov $0xf0100010, %eax\n"
              "movl $0x12345678, (%rax)\n"
              "mov 4(%rax), %ebx\n"
              "mov %ebx, 0x8004\n"
              "mov 8(%rax), %rcx\n"
              "mov %rcx, 0x8008\n"
              "out %al, $0xf4\n");

static void test_io(void **state)
{
    Vm vm = { 0 };
    HvExit exit;
    const uint64_t wide = 0x1122334455667788;
    uint64_t got;

    vm_set_up(&vm, 1);
    VM_LOAD(&vm, p_io);
    expect_exit(&vm, &exit, HV_EXIT_PIO, 0x3f8);
    assert_true(exit.write);
    assert_int_equal(exit.len, 1);
    assert_int_equal(exit.count, 1);
    assert_int_equal(*(uint8_t *)exit.data, 'A');
    expect_exit(&vm, &exit, HV_EXIT_PIO, 0x61);
    assert_false(exit.write);
    *(uint8_t *)exit.data = 0x20;
    expect_exit(&vm, &exit, HV_EXIT_MMIO, MMIO + 0x10);
    assert_true(exit.write);
    assert_int_equal(exit.len, 4);
    assert_int_equal(load_le32(exit.data), 0x12345678);
    expect_exit(&vm, &exit, HV_EXIT_MMIO, MMIO + 0x14);
    assert_false(exit.write);
    store_le32(exit.data, 0xcafef00d);
    expect_exit(&vm, &exit, HV_EXIT_MMIO, MMIO + 0x18);
    assert_int_equal(exit.len, 8);
    memcpy(exit.data, &wide, 8);
    expect_exit(&vm, &exit, HV_EXIT_PIO, DONE_PORT);
    assert_int_equal(read32(&vm, DATA) & 0xff, 0x20);
    assert_int_equal(read32(&vm, DATA + 4), 0xcafef00d);
    assert_int_equal(gmem_read(vm.gm, DATA + 8, &got, 8), 0);
    assert_true(got == wide);
    vm_tear_down(&vm);
}

/* --- completion, kick ---------------------------------------------------- */

PAYLOAD(p_spin, "in $0x61, %al\n"
                "mov %al, 0x8000\n"
                "1: jmp 1b\n");

static void test_complete_and_kick(void **state)
{
    Vm vm = { 0 };
    HvExit exit;

    vm_set_up(&vm, 1);
    VM_LOAD(&vm, p_spin);
    expect_exit(&vm, &exit, HV_EXIT_PIO, 0x61);
    *(uint8_t *)exit.data = 0x5a;
    assert_true(hv_vcpu_complete(vm.vcpu, &exit));
    hv_vcpu_run(vm.vcpu, &exit); /* the kick of completing */
    assert_int_equal(exit.kind, HV_EXIT_NONE);
    assert_int_equal(read32(&vm, DATA), 0); /* al is loaded, no more */
    hv_vcpu_kick(vm.vcpu);
    hv_vcpu_run(vm.vcpu, &exit);
    assert_int_equal(exit.kind, HV_EXIT_NONE);
    vm_tear_down(&vm);
}

typedef struct Spinner {
    Vm *vm;
    Thread thread;
    int done_fd;
    HvExitKind kind;
} Spinner;

static void *spin(void *arg)
{
    Spinner *s = arg;
    const uint64_t one = 1;
    HvExit exit = { 0 };
    Err e = ERR_INIT;

    if (hv_vcpu_reset(s->vm->vcpu, &s->vm->boot, &e) < 0)
        return NULL;
    hv_vcpu_run(s->vm->vcpu, &exit);
    *(uint8_t *)exit.data = 1;
    if (write(s->done_fd, &one, sizeof(one)) < 0)
        return NULL;
    hv_vcpu_run(s->vm->vcpu, &exit);
    s->kind = exit.kind;
    return NULL;
}

/* A guest that never exits is ended by the kick and the signal. */
static void test_kick_running(void **state)
{
    Vm vm = { 0 };
    Spinner s = { .vm = &vm, .kind = HV_EXIT_FAIL };
    uint64_t count;
    Err e = ERR_INIT;

    vm_set_up(&vm, 1);
    assert_int_equal(
        gmem_write(vm.gm, CODE, p_spin, (size_t)(p_spin_end - p_spin)), 0);
    s.done_fd = eventfd(0, EFD_CLOEXEC);
    assert_int_equal(thread_start(&s.thread, ROLE_VCPU, "vcpu0", spin, &s, &e),
                     0);
    assert_int_equal(read(s.done_fd, &count, sizeof(count)), sizeof(count));
    hv_vcpu_kick(vm.vcpu);
    pthread_kill(s.thread.id, THREAD_KICK_SIGNAL);
    thread_join(&s.thread);
    assert_int_equal(s.kind, HV_EXIT_NONE);
    close(s.done_fd);
    vm_tear_down(&vm);
}

/* --- memory slots -------------------------------------------------------- */

PAYLOAD(p_rom, "mov 0x40000000, %eax\n"
               "mov %eax, 0x8000\n"
               "out %al, $0x80\n"
               "movl $7, 0x40000004\n"
               "mov 0x40000004, %eax\n"
               "mov %eax, 0x8004\n"
               "out %al, $0xf4\n");

static void test_readonly_slot(void **state)
{
    Vm vm = { 0 };
    const RamConf conf = { .name = "rom", .size_bytes = 0x1000 };
    const uint64_t gpa = 0x40000000;
    RamBlock *rom;
    uint64_t entry = gpa | 0x83;
    HvExit exit;
    Err e = ERR_INIT;

    vm_set_up(&vm, 1);
    if (!hv_limits(vm.hv)->readonly_mem) {
        vm_tear_down(&vm);
        skip();
    }
    assert_int_equal(ram_block_new(&rom, &conf, &e), 0);
    store_le32(rom->hva, 0x11223344);
    store_le32(rom->hva + 4, 0x55667788);
    /* The second GiB's page directory: one entry is enough. */
    assert_int_equal(gmem_write(vm.gm, 0xD000, &entry, 8), 0);
    entry = 0xD003;
    assert_int_equal(gmem_write(vm.gm, 0xA008, &entry, 8), 0);
    assert_int_equal(gmem_map(vm.gm, gpa, 0x1000, rom, 0, MEM_READONLY, &e), 0);
    VM_LOAD(&vm, p_rom);
    expect_exit(&vm, &exit, HV_EXIT_PIO, 0x80);
    assert_int_equal(read32(&vm, DATA), 0x11223344);
    expect_exit(&vm, &exit, HV_EXIT_MMIO, gpa + 4);
    assert_true(exit.write);
    assert_int_equal(load_le32(exit.data), 7);
    expect_exit(&vm, &exit, HV_EXIT_PIO, DONE_PORT);
    assert_int_equal(read32(&vm, DATA + 4), 0x55667788);

    /* Without the slot the same read exits. */
    gmem_unmap(vm.gm, gpa);
    VM_LOAD(&vm, p_rom);
    expect_exit(&vm, &exit, HV_EXIT_MMIO, gpa);
    assert_false(exit.write);
    vm_tear_down(&vm);
    ram_block_unref(rom);
}

/* --- ioeventfd, coalescing ----------------------------------------------- */

PAYLOAD(p_kick, "mov $0xf0100050, %eax\n"
                "movl $1, (%rax)\n"
                "movl $1, (%rax)\n"
                "movl $2, (%rax)\n"
                "out %al, $0xf4\n");

static void test_ioeventfd(void **state)
{
    Vm vm = { 0 };
    const HvIoEvent ev = {
        .addr = MMIO + 0x50, .len = 4, .match = true, .data = 1
    };
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    uint64_t count;
    HvExit exit;
    Err e = ERR_INIT;

    vm_set_up(&vm, 1);
    assert_int_equal(hv_ioevent_add(vm.hv, &ev, fd, &e), 0);
    VM_LOAD(&vm, p_kick);
    expect_exit(&vm, &exit, HV_EXIT_MMIO, MMIO + 0x50);
    assert_int_equal(load_le32(exit.data), 2);
    assert_int_equal(read(fd, &count, sizeof(count)), sizeof(count));
    assert_int_equal(count, 2);
    expect_exit(&vm, &exit, HV_EXIT_PIO, DONE_PORT);

    hv_ioevent_del(vm.hv, &ev, fd);
    VM_LOAD(&vm, p_kick);
    expect_exit(&vm, &exit, HV_EXIT_MMIO, MMIO + 0x50);
    assert_int_equal(load_le32(exit.data), 1);
    assert_int_equal(hv_ioevent_add(vm.hv, &ev, -1, &e) < 0, 1);
    close(fd);
    vm_tear_down(&vm);
}

PAYLOAD(p_tx, "mov $0x3f8, %dx\n"
              "mov $'h', %al\n"
              "out %al, %dx\n"
              "mov $'i', %al\n"
              "out %al, %dx\n"
              "out %al, $0xf4\n");

typedef struct Text {
    char text[16];
    size_t len;
} Text;

static void take_char(void *opaque, bool pio, uint64_t addr, unsigned len,
                      const void *data)
{
    Text *t = opaque;

    assert_true(pio);
    assert_int_equal(addr, 0x3f8);
    assert_int_equal(len, 1);
    t->text[t->len++] = *(const char *)data;
}

static void test_coalesced_pio(void **state)
{
    Vm vm = { 0 };
    Text t = { 0 };
    HvExit exit;

    vm_set_up(&vm, 1);
    if (hv_coalesce_add(vm.hv, 0x3f8, 1, true) < 0) {
        vm_tear_down(&vm);
        skip();
    }
    VM_LOAD(&vm, p_tx);
    expect_exit(&vm, &exit, HV_EXIT_PIO, DONE_PORT);
    hv_coalesce_drain(vm.hv, take_char, &t);
    assert_string_equal(t.text, "hi");
    hv_coalesce_del(vm.hv, 0x3f8, 1, true);
    VM_LOAD(&vm, p_tx);
    expect_exit(&vm, &exit, HV_EXIT_PIO, 0x3f8);
    vm_tear_down(&vm);
}

/* --- interrupts ---------------------------------------------------------- */

/* Enables the LAPIC, opens IOAPIC pin 5 for the vector, then counts. */
PAYLOAD(p_irq, "mov $0xfee000f0, %eax\n"
               "movl $0x1ff, (%rax)\n"
               "mov $0xfec00000, %eax\n"
               "movl $0x1b, (%rax)\n"
               "movl $0, 0x10(%rax)\n"
               "movl $0x1a, (%rax)\n"
               "movl $0x30, 0x10(%rax)\n"
               "xor %ebx, %ebx\n"
               "out %al, $0x80\n"
               "1: sti\n"
               "nop\n"
               "nop\n"
               "cli\n"
               "cmp %ebx, 0x8000\n"
               "je 1b\n"
               "mov 0x8000, %ebx\n"
               "out %al, $0x80\n"
               "jmp 1b\n");

PAYLOAD(p_isr, "push %rax\n"
               "incl 0x8000\n"
               "mov $0xfee000b0, %eax\n"
               "movl $0, (%rax)\n"
               "pop %rax\n"
               "iretq\n");

static void irq_guest(Vm *vm)
{
    HvExit exit;

    assert_int_equal(
        gmem_write(vm->gm, CODE + 0x800, p_isr, (size_t)(p_isr_end - p_isr)),
        0);
    put_gate(vm, VECTOR, CODE + 0x800);
    VM_LOAD(vm, p_irq);
    expect_exit(vm, &exit, HV_EXIT_PIO, 0x80);
}

static void test_edge_irq(void **state)
{
    Vm vm = { 0 };
    Irq *irq;
    HvExit exit;
    Err e = ERR_INIT;

    vm_set_up(&vm, 1);
    irq_guest(&vm);
    assert_int_equal(irq_new_pin(&irq, vm.hv, IRQ_EDGE, 5, &e), 0);
    for (unsigned i = 1; i <= 3; i++) {
        irq_pulse(irq);
        expect_exit(&vm, &exit, HV_EXIT_PIO, 0x80);
        assert_int_equal(read32(&vm, DATA), i);
    }
    irq_free(irq);
    assert_int_equal(irq_new_pin(&irq, vm.hv, IRQ_EDGE, 24, &e), -EINVAL);
    assert_non_null(strstr(e.msg, "interrupt 24"));
    vm_tear_down(&vm);
}

/* As p_irq, with a level pin 6 besides. */
PAYLOAD(p_level, "mov $0xfee000f0, %eax\n"
                 "movl $0x1ff, (%rax)\n"
                 "mov $0xfec00000, %eax\n"
                 "movl $0x1d, (%rax)\n"
                 "movl $0, 0x10(%rax)\n"
                 "movl $0x1c, (%rax)\n"
                 "movl $0x8030, 0x10(%rax)\n"
                 "xor %ebx, %ebx\n"
                 "out %al, $0x80\n"
                 "1: sti\n"
                 "nop\n"
                 "nop\n"
                 "cli\n"
                 "cmp %ebx, 0x8000\n"
                 "je 1b\n"
                 "mov 0x8000, %ebx\n"
                 "out %al, $0x80\n"
                 "jmp 1b\n");

/* Asserted again after each end of interrupt, until the device lets go. */
static void test_level_irq(void **state)
{
    Vm vm = { 0 };
    Irq *irq;
    HvExit exit;
    Err e = ERR_INIT;

    assert_int_equal(loop_new(&vm.loop, "main", &e), 0);
    vm_set_up(&vm, 1);
    assert_int_equal(
        gmem_write(vm.gm, CODE + 0x800, p_isr, (size_t)(p_isr_end - p_isr)), 0);
    put_gate(&vm, VECTOR, CODE + 0x800);
    VM_LOAD(&vm, p_level);
    expect_exit(&vm, &exit, HV_EXIT_PIO, 0x80);
    assert_int_equal(irq_new_pin(&irq, vm.hv, IRQ_LEVEL, 6, &e), 0);
    irq_set(irq, true);
    irq_set(irq, true); /* no change */
    expect_exit(&vm, &exit, HV_EXIT_PIO, 0x80);
    assert_int_equal(read32(&vm, DATA), 1);
    loop_turn(vm.loop, -1);
    expect_exit(&vm, &exit, HV_EXIT_PIO, 0x80);
    assert_int_equal(read32(&vm, DATA), 2);
    irq_set(irq, false);
    loop_turn(vm.loop, -1);
    irq_set(irq, true);
    expect_exit(&vm, &exit, HV_EXIT_PIO, 0x80);
    assert_int_equal(read32(&vm, DATA), 3);
    /* A reset drops the level that nobody ended, and the device's own. */
    irq_set(irq, false);
    assert_int_equal(hv_reset(vm.hv), 0);
    irq_free(irq);
    vm_tear_down(&vm);
    loop_free(vm.loop);
}

static void test_msi(void **state)
{
    Vm vm = { 0 };
    Irq *irq;
    HvExit exit;
    Err e = ERR_INIT;

    vm_set_up(&vm, 1);
    irq_guest(&vm);
    assert_int_equal(irq_new_msi(&irq, vm.hv, &e), 0);
    irq_pulse(irq); /* masked: kept */
    irq_msi_set(irq, 0xfee00000, VECTOR, false);
    assert_int_equal(irq_commit(vm.hv), 0);
    expect_exit(&vm, &exit, HV_EXIT_PIO, 0x80);
    assert_int_equal(read32(&vm, DATA), 1);
    irq_pulse(irq);
    expect_exit(&vm, &exit, HV_EXIT_PIO, 0x80);
    assert_int_equal(read32(&vm, DATA), 2);
    irq_msi_set(irq, 0xfee00000, VECTOR, true);
    assert_int_equal(irq_commit(vm.hv), 0);
    irq_pulse(irq);
    irq_msi_set(irq, 0xfee00000, VECTOR, false);
    assert_int_equal(irq_commit(vm.hv), 0);
    expect_exit(&vm, &exit, HV_EXIT_PIO, 0x80);
    assert_int_equal(read32(&vm, DATA), 3);
    irq_free(irq);
    vm_tear_down(&vm);
}

/* --- reset --------------------------------------------------------------- */

/* Leaves as much behind as it can: FPU, debug, LAPIC, MSRs, interrupts on. */
PAYLOAD(p_dirty, "mov $0xfee000f0, %eax\n"
                 "mov (%rax), %ebx\n"
                 "mov %ebx, 0x8000\n"
                 "movl $0x1ff, (%rax)\n"
                 "mov %dr0, %rax\n"
                 "mov %rax, 0x8008\n"
                 "mov $0xc0000102, %ecx\n"
                 "rdmsr\n"
                 "mov %eax, 0x8010\n"
                 "mov $0x1234, %eax\n"
                 "xor %edx, %edx\n"
                 "wrmsr\n"
                 "mov %rax, %dr0\n"
                 "mov %cr4, %rax\n"
                 "mov %rax, 0x8018\n"
                 "or $4, %rax\n"
                 "mov %rax, %cr4\n"
                 "mov $0x277, %ecx\n"
                 "rdmsr\n"
                 "mov %eax, 0x8020\n"
                 "mov $0x06060606, %eax\n"
                 "mov %eax, %edx\n"
                 "wrmsr\n"
                 "mov $0x1a0, %ecx\n"
                 "rdmsr\n"
                 "mov %eax, 0x8024\n"
                 "mov $0x2ff, %ecx\n"
                 "rdmsr\n"
                 "mov %eax, 0x8028\n"
                 "out %al, $0xf4\n");

static void check_clean(Vm *vm)
{
    HvExit exit;

    expect_exit(vm, &exit, HV_EXIT_PIO, DONE_PORT);
    assert_int_equal(read32(vm, 0x8000) & 0x1ff, 0xff); /* LAPIC off */
    assert_int_equal(read32(vm, 0x8008), 0);            /* dr0 */
    assert_int_equal(read32(vm, 0x8010), 0);            /* kernel GS base */
    assert_int_equal(read32(vm, 0x8018), 0x20);         /* cr4: PAE */
    assert_int_equal(read32(vm, 0x8020), 0x00070406);   /* PAT */
    assert_int_equal(read32(vm, 0x8024) & 1, 1);        /* fast strings */
    assert_int_equal(read32(vm, 0x8028), 0x806); /* memory is write-back */
}

static void test_reset(void **state)
{
    Vm vm = { 0 };

    vm_set_up(&vm, 1);
    VM_LOAD(&vm, p_dirty);
    check_clean(&vm);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(gmem_set(vm.gm, DATA, 0xee, 0x40), 0);
        assert_int_equal(hv_reset(vm.hv), 0);
        VM_LOAD(&vm, p_dirty);
        check_clean(&vm);
    }
    vm_tear_down(&vm);
}

PAYLOAD(p_triple, "lidt 0x8040\n"
                  "ud2\n");

static void test_triple_fault_then_reset(void **state)
{
    Vm vm = { 0 };
    HvExit exit;

    vm_set_up(&vm, 1);
    VM_LOAD(&vm, p_triple);
    expect_exit(&vm, &exit, HV_EXIT_SHUTDOWN, 0);
    assert_int_equal(hv_reset(vm.hv), 0);
    VM_LOAD(&vm, p_dirty);
    check_clean(&vm);
    vm_tear_down(&vm);
}

/* --- a second processor -------------------------------------------------- */

/* Sends INIT and SIPI to APIC id 1, then waits for its word. */
PAYLOAD(p_bsp, "mov $0xfee00310, %eax\n"
               "movl $0x01000000, (%rax)\n"
               "mov $0xfee00300, %eax\n"
               "movl $0x4500, (%rax)\n"
               "movl $0x4611, (%rax)\n" /* vector 0x11: at 0x11000 */
               "1: pause\n"
               "cmpl $0x1234, 0x8000\n"
               "jne 1b\n"
               "out %al, $0xf4\n");

PAYLOAD(p_ap, ".code16\n"
              "xor %ax, %ax\n"
              "mov %ax, %ds\n"
              "movl $0x1234, 0x8000\n"
              "1: hlt\n"
              "jmp 1b\n"
              ".code64\n");

typedef struct Ap {
    HvVcpu *vcpu;
    Thread thread;
    atomic_bool quit;
    int resets; /* to do before running */
} Ap;

static void *ap_main(void *arg)
{
    const HvBootState wait = { .mode = HV_BOOT_WAIT };
    Ap *ap = arg;
    HvExit exit = { 0 };
    Err e = ERR_INIT;

    for (int i = 0; i < ap->resets; i++)
        if (hv_vcpu_reset(ap->vcpu, &wait, &e) < 0)
            return NULL;
    while (!ap->quit)
        hv_vcpu_run(ap->vcpu, &exit);
    return NULL;
}

static void run_two(Vm *vm, Ap *ap)
{
    HvExit exit;
    Err e = ERR_INIT;

    assert_int_equal(gmem_set(vm->gm, DATA, 0, 4), 0);
    ap->quit = false;
    assert_int_equal(
        thread_start(&ap->thread, ROLE_VCPU, "ap", ap_main, ap, &e), 0);
    VM_LOAD(vm, p_bsp);
    expect_exit(vm, &exit, HV_EXIT_PIO, DONE_PORT);
    ap->quit = true;
    hv_vcpu_kick(ap->vcpu);
    pthread_kill(ap->thread.id, THREAD_KICK_SIGNAL);
    thread_join(&ap->thread);
}

static void test_second_processor(void **state)
{
    const HvCpuTopology topology = { 1, 1, 1, 2, 1, 1 };
    Vm vm = { 0 };
    Ap ap = { .resets = 1 };
    Err e = ERR_INIT;

    vm_set_up(&vm, 2);
    assert_int_equal(hv_vcpu_new(&ap.vcpu, vm.hv, 1, &topology, &e), 0);
    assert_int_equal(
        gmem_write(vm.gm, 0x11000, p_ap, (size_t)(p_ap_end - p_ap)), 0);
    run_two(&vm, &ap);
    /* After a reset it waits again. */
    assert_int_equal(hv_reset(vm.hv), 0);
    run_two(&vm, &ap);
    hv_vcpu_free(ap.vcpu);
    vm_tear_down(&vm);
}

/* --- entry states, clock, descriptors ------------------------------------ */

PAYLOAD(p_pvh, ".code32\n"
               "mov %ebx, 0x8000\n"
               "mov %cr0, %eax\n"
               "mov %eax, 0x8004\n"
               "out %al, $0xf4\n"
               ".code64\n");

static void test_pvh_entry(void **state)
{
    Vm vm = { 0 };
    HvExit exit;

    vm_set_up(&vm, 1);
    vm.boot.mode = HV_BOOT_PVH;
    vm.boot.arg = 0x6000;
    VM_LOAD(&vm, p_pvh);
    expect_exit(&vm, &exit, HV_EXIT_PIO, DONE_PORT);
    assert_int_equal(read32(&vm, DATA), 0x6000);
    assert_int_equal(read32(&vm, DATA + 4), 0x11);
    vm_tear_down(&vm);
}

static void test_clock(void **state)
{
    Vm vm = { 0 };

    vm_set_up(&vm, 1);
    VM_LOAD(&vm, p_io);
    assert_int_equal(hv_clock_save(vm.hv), 0);
    assert_int_equal(hv_clock_restore(vm.hv), 0);
    assert_int_equal(hv_vcpu_clock_restored(vm.vcpu), 0);
    assert_int_equal(hv_clock_restore(vm.hv), 0); /* nothing saved */
    vm_tear_down(&vm);
}

static void test_open_errors(void **state)
{
    HvConf conf = { .kind = HV_KVM, .device = "/nonexistent", .device_fd = -1 };
    Hv *hv = NULL;
    Err e = ERR_INIT;

    assert_int_equal(hv_open(&hv, &conf, NULL, &e), -ENOENT);
    assert_non_null(strstr(e.msg, "/nonexistent"));
    conf.device = NULL;
    conf.device_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    assert_int_equal(hv_open(&hv, &conf, NULL, &e), -ENODEV);
    assert_null(hv);
}

/* 254 vCPUs whose ids have gaps can be created on one machine. */
static void test_many_vcpus(void **state)
{
    static HvVcpu *vcpus[252];
    HvCpuTopology topology = { 84, 1, 1, 1, 3, 0 };
    const HvConf conf = {
        .kind = HV_KVM,
        .device_fd = -1,
        .max_vcpus = hv_apic_id(&topology, 251) + 1,
        .irqchip = true,
    };
    Hv *hv;
    Err e = ERR_INIT;

    assert_int_equal(conf.max_vcpus, 335);
    if (hv_open(&hv, &conf, NULL, &e) < 0)
        fail_msg("%s", e.msg);
    for (unsigned i = 0; i < ARRAY_SIZE(vcpus); i++) {
        const HvBootState boot = { .mode = HV_BOOT_WAIT };

        topology.apic_id = hv_apic_id(&topology, i);
        if (hv_vcpu_new(&vcpus[i], hv, i, &topology, &e) < 0 ||
            hv_vcpu_reset(vcpus[i], &boot, &e) < 0)
            fail_msg("%s", e.msg);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(vcpus); i++)
        hv_vcpu_free(vcpus[i]);
    hv_close(hv);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_io),
        cmocka_unit_test(test_complete_and_kick),
        cmocka_unit_test(test_kick_running),
        cmocka_unit_test(test_readonly_slot),
        cmocka_unit_test(test_ioeventfd),
        cmocka_unit_test(test_coalesced_pio),
        cmocka_unit_test(test_edge_irq),
        cmocka_unit_test(test_level_irq),
        cmocka_unit_test(test_msi),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_triple_fault_then_reset),
        cmocka_unit_test(test_second_processor),
        cmocka_unit_test(test_pvh_entry),
        cmocka_unit_test(test_clock),
        cmocka_unit_test(test_open_errors),
        cmocka_unit_test(test_many_vcpus),
    };
    int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

    if (fd < 0) {
        fprintf(stderr, "skipped: /dev/kvm cannot be opened\n");
        return 77;
    }
    close(fd);
    thread_kick_init();
    return cmocka_run_group_tests_name("hv/kvm/x86_64", tests, NULL, NULL);
}
