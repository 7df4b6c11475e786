/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hv/hv.h - the hypervisor behind one table: KVM, or the test accelerator. */
#pragma once

#include "core/loop.h"
#include "mem/mem.h"
#include "util/err.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * How this works
 *
 * Hv is one virtual machine of an accelerator (hv/kvm, hv/test).  It owns the
 * memory slots (it listens to GuestMem), the GSI table, ioeventfds and vCPUs.
 * Register ioctls run on the vCPU's own thread; everything else on the main
 * loop, except what says "any thread".
 */
typedef struct Hv Hv;
typedef struct HvVcpu HvVcpu;

typedef enum HvKind {
    HV_KVM,
    HV_TEST,
    HV_KIND_MAX
} HvKind;

/* aarch64: where the GICv3 is, 128 KiB of redistributor a vCPU. */
typedef struct HvGicConf {
    uint64_t dist_gpa;
    uint64_t redist_gpa;
    unsigned redist_vcpus; /* that the first region has room for */
    uint64_t redist2_gpa;  /* all others */
} HvGicConf;

typedef struct HvConf {
    HvKind kind;
    const char *device;   /* /dev/kvm or another path; NULL the default */
    int device_fd;        /* already open, taken; -1 none */
    const char *mod_test; /* test: socket to connect to */
    Loop *loop;           /* main loop, borrowed: level interrupts, test */
    unsigned max_vcpus;   /* highest APIC id + 1 that may come */
    bool irqchip;         /* false for machine type none */
    bool pit;             /* x86: in-kernel PIT */
    HvGicConf gic;        /* aarch64, with @irqchip */
} HvConf;

int hv_open(Hv **ret_hv, const HvConf *conf, GuestMem *gm, Err *e);
void hv_close(Hv *hv);
HvKind hv_kind(const Hv *hv);
/* Start serving (test: the harness that hv_open() connected to). After the
 * machine exists. */
int hv_start(Hv *hv, Err *e);

/**
 * hv_reset() - Put the machine-wide parts (PIC, IOAPIC, PIT) into reset state
 *
 * Every vCPU is paused; each then does hv_vcpu_reset() on its own thread.
 * Thread: main loop
 */
int hv_reset(Hv *hv);

/* --- ioeventfd ----------------------------------------------------------- */

typedef struct HvIoEvent {
    uint64_t addr;
    unsigned len; /* 1, 2, 4, 8; 0 any */
    bool pio;
    bool match; /* only writes of @data */
    uint64_t data;
} HvIoEvent;

int hv_ioevent_add(Hv *hv, const HvIoEvent *ev, int eventfd, Err *e);
void hv_ioevent_del(Hv *hv, const HvIoEvent *ev, int eventfd);

/* Coalesced PIO or MMIO writes; -ENOTSUP is harmless. */
int hv_coalesce_add(Hv *hv, uint64_t addr, unsigned len, bool pio);
void hv_coalesce_del(Hv *hv, uint64_t addr, unsigned len, bool pio);
/* Calls @fn for every write in the coalescing ring. Any thread. */
typedef void HvCoalescedFn(void *opaque, bool pio, uint64_t addr, unsigned len,
                           const void *data);
void hv_coalesce_drain(Hv *hv, HvCoalescedFn *fn, void *opaque);

/* --- interrupts ---------------------------------------------------------- */

/*
 * A device holds an Irq, never a GSI.  irq_raise()/irq_lower()/irq_pulse() may
 * be called by any thread and from vCPU handlers: edge and MSI handles signal
 * an eventfd (irqfd), level handles one with resample.
 */
typedef struct Irq Irq;

typedef enum IrqKind {
    IRQ_EDGE,
    IRQ_LEVEL,
    IRQ_MSI
} IrqKind;

/* A pin of the interrupt controller (GSI number as ACPI or DT names it). */
int irq_new_pin(Irq **ret_irq, Hv *hv, IrqKind kind, unsigned gsi, Err *e);
/* A message; unrouted until irq_msi_set(). */
int irq_new_msi(Irq **ret_irq, Hv *hv, Err *e);
void irq_free(Irq *irq);

void irq_pulse(Irq *irq);           /* edge and MSI */
void irq_set(Irq *irq, bool level); /* level pins */
int irq_eventfd(Irq *irq);          /* borrowed: for vhost, io paths */

/* Queue a route change; masked detaches the irqfd. irq_commit() applies all
 * queued changes with one KVM_SET_GSI_ROUTING. */
void irq_msi_set(Irq *irq, uint64_t addr, uint32_t data, bool masked);
int irq_commit(Hv *hv);

/* --- vCPUs --------------------------------------------------------------- */

typedef enum HvExitKind {
    HV_EXIT_NONE,     /* interrupted: look at your requests and run again */
    HV_EXIT_PIO,      /* port access(es) */
    HV_EXIT_MMIO,     /* memory access */
    HV_EXIT_HALT,     /* halted (no in-kernel irqchip) */
    HV_EXIT_SHUTDOWN, /* triple fault */
    HV_EXIT_SYSTEM,   /* PSCI or similar: see HvExit.system */
    HV_EXIT_FAIL,     /* the hypervisor gave up; message logged */
} HvExitKind;

typedef enum HvSystemEvent {
    HV_SYSTEM_SHUTDOWN,
    HV_SYSTEM_RESET,
    HV_SYSTEM_CRASH,
} HvSystemEvent;

typedef struct HvExit {
    HvExitKind kind;
    bool write;
    uint64_t addr;  /* port or gpa */
    unsigned len;   /* bytes of one access: 1, 2, 4, 8 */
    unsigned count; /* PIO string: accesses, @len apart in @data */
    void *data;     /* in and out, borrowed until the next run */
    HvSystemEvent system;
    char detail[160]; /* HV_EXIT_FAIL: one sentence */
} HvExit;

/* What a vCPU looks like to CPUID; ids are those of x86 topology. */
typedef struct HvCpuTopology {
    unsigned sockets, dies, clusters, cores, threads;
    unsigned apic_id; /* of this vCPU */
} HvCpuTopology;

/**
 * hv_apic_id() - APIC id of the vCPU with a running number
 *
 * Each level of the topology takes whole bits, so ids may have gaps.
 */
unsigned hv_apic_id(const HvCpuTopology *topology, unsigned index);

/* Registers that boot code hands a processor; arch/x86: flat protected or
 * 64-bit mode as the entry protocol wants. */
typedef enum HvBootMode {
    HV_BOOT_WAIT,   /* application processor: waits for INIT/SIPI */
    HV_BOOT_REAL,   /* firmware reset vector */
    HV_BOOT_PVH,    /* 32-bit protected, paging off, rbx = start info */
    HV_BOOT_LONG64, /* 64-bit entry, identity paging at cr3, rsi = zero page */
    HV_BOOT_ARM64,  /* EL1, MMU off, x0 = device tree */
} HvBootMode;

typedef struct HvBootState {
    HvBootMode mode;
    uint64_t pc;
    uint64_t arg; /* rbx (PVH), rsi (LONG64), x0 (ARM64) */
    uint64_t sp;
    uint64_t cr3;
    uint64_t gdt_gpa; /* table already in guest memory */
    uint16_t gdt_limit;
    uint64_t idt_gpa;
    uint16_t idt_limit;
} HvBootState;

/* Main loop; the vCPU's ioctls come later, on its own thread. */
int hv_vcpu_new(HvVcpu **ret_vcpu, Hv *hv, unsigned index,
                const HvCpuTopology *topology, Err *e);
void hv_vcpu_free(HvVcpu *vcpu);

/* Own thread: first set-up and every reset (CPUID, MSRs, LAPIC, registers). */
int hv_vcpu_reset(HvVcpu *vcpu, const HvBootState *boot, Err *e);

/**
 * hv_vcpu_run() - Run the guest until something needs the VMM
 *
 * The data of a PIO or MMIO read must be filled before the next call, which
 * completes it.  Offline for core/quiesce.h is the caller's business.
 * Thread: the vCPU's own
 */
void hv_vcpu_run(HvVcpu *vcpu, HvExit *exit);

/**
 * hv_vcpu_complete() - Finish a pending PIO/MMIO exit without running on
 *
 * Runs with immediate_exit set, as pausing and saving state need.  One guest
 * instruction may be several accesses: then the next one is in @exit; handle
 * it and call again.
 *
 * Return: true when nothing is pending any more
 * Thread: the vCPU's own
 */
bool hv_vcpu_complete(HvVcpu *vcpu, HvExit *exit);

/**
 * hv_vcpu_kick() - Make hv_vcpu_run() return soon
 *
 * Sets immediate_exit; the caller also signals the thread.  Cleared by
 * hv_vcpu_run() when it returns HV_EXIT_NONE.
 * Thread: any
 */
void hv_vcpu_kick(HvVcpu *vcpu);

/* Pause keeps guest time still: save, then restore and KVM_KVMCLOCK_CTRL. */
int hv_clock_save(Hv *hv);
int hv_clock_restore(Hv *hv);
int hv_vcpu_clock_restored(HvVcpu *vcpu); /* own thread, before running on */

/* A non-maskable interrupt (inject-nmi). Own thread. */
int hv_vcpu_nmi(HvVcpu *vcpu);

/* Limits the accelerator states. */
typedef struct HvLimits {
    unsigned vcpus;
    unsigned slots;
    bool readonly_mem;
    bool tsc_deadline;
} HvLimits;
const HvLimits *hv_limits(const Hv *hv);
