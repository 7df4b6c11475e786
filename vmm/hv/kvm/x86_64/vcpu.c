/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hv/kvm/x86_64/vcpu.c - x86 vCPU: first registers, and reset. */
#include <config.h>

#include "hv/kvm/kvm_priv.h"
#include "hv/kvm/x86_64/cpuid.h"
#include "hv/kvm/x86_64/msr.h"

#include <errno.h>
#include <string.h>

/*
 * How this works
 *
 * A vCPU that KVM just made is in its reset state, so the first set-up writes
 * only what differs from it.  A later reset writes everything: first what can
 * hold the processor in another mode (nested guest, pending events), then
 * registers, and the LAPIC last since its page means different things in xAPIC
 * and x2APIC mode, which the APIC base selects.
 */
#define CR0_PE 0x1ull
#define CR0_ET 0x10ull
#define CR0_NW 0x20000000ull
#define CR0_CD 0x40000000ull
#define CR0_PG 0x80000000ull

#define CR4_PAE  0x20ull
#define EFER_LME 0x100ull
#define EFER_LMA 0x400ull

#define APIC_BASE_GPA    0xfee00000ull
#define APIC_BASE_BSP    0x100ull
#define APIC_BASE_ENABLE 0x800ull

#define APIC_ID       0x20
#define APIC_VERSION  0x30
#define APIC_DFR      0xe0
#define APIC_SPIV     0xf0
#define APIC_LVT      0x320 /* timer, then one each 0x10 bytes */
#define APIC_LVT_LAST 0x370
#define APIC_LVT_CMCI 0x2f0
#define APIC_LINT0    0x350
#define APIC_LINT1    0x360

#define LVT_MASKED 0x10000u
#define LVT_NMI    0x400u
#define LVT_EXTINT 0x700u

typedef struct CpuidBuf {
    struct kvm_cpuid2 cpuid;
    struct kvm_cpuid_entry2 entries[CPUID_ENTRIES_MAX];
} CpuidBuf;

unsigned long kvm_arch_vcpu_id(unsigned index, const HvCpuTopology *topology)
{
    return topology->apic_id;
}

static int set_cpuid(KvmVcpu *vcpu, Err *e)
{
    KvmVm *vm = container_of(vcpu->base.hv, KvmVm, hv);
    const CpuidConf conf = {
        .topology = vcpu->base.topology,
        .tsc_deadline = vm->arch.tsc_deadline,
    };
    CpuidBuf buf; /* on the stack: an allocation costs a new arena's calls */
    int r =
        cpuid_build(&buf.cpuid, CPUID_ENTRIES_MAX, vm->arch.supported, &conf);

    if (r == 0)
        r = kvm_ioctl(vcpu->fd, KVM_SET_CPUID2, &buf);
    if (r < 0)
        return err_sys(e, -r, "cannot set CPUID of vCPU %u", vcpu->base.index);
    return 0;
}

/* --- registers ----------------------------------------------------------- */

static struct kvm_segment segment(uint16_t selector, uint64_t base,
                                  uint32_t limit, uint8_t type)
{
    return (struct kvm_segment){
        .base = base,
        .limit = limit,
        .selector = selector,
        .type = type,
        .present = 1,
        .s = 1,
    };
}

static struct kvm_segment system_segment(uint8_t type)
{
    struct kvm_segment seg = segment(0, 0, 0xffff, type);

    seg.s = 0;
    return seg;
}

static void sregs_reset(const KvmVcpu *vcpu, struct kvm_sregs *s)
{
    const struct kvm_segment data = segment(0, 0, 0xffff, 3);

    memset(s, 0, sizeof(*s));
    s->cs = segment(0xf000, 0xffff0000, 0xffff, 11);
    s->ds = s->es = s->fs = s->gs = s->ss = data;
    s->tr = system_segment(11);
    s->ldt = system_segment(2);
    s->gdt.limit = s->idt.limit = 0xffff;
    s->cr0 = CR0_CD | CR0_NW | CR0_ET;
    s->apic_base = APIC_BASE_GPA | APIC_BASE_ENABLE;
    if (vcpu->base.topology.apic_id == 0)
        s->apic_base |= APIC_BASE_BSP;
}

/* Flat 4 GiB segments out of the table boot code placed. */
static void sregs_flat(struct kvm_sregs *s, const HvBootState *boot)
{
    struct kvm_segment data = segment(0x18, 0, 0xffffffff, 3);

    data.g = 1;
    data.db = 1;
    s->ds = s->es = s->fs = s->gs = s->ss = data;
    s->cs = segment(0x10, 0, 0xffffffff, 11);
    s->cs.g = 1;
    s->gdt.base = boot->gdt_gpa;
    s->gdt.limit = boot->gdt_limit;
    s->idt.base = boot->idt_gpa;
    s->idt.limit = boot->idt_limit;
}

static void sregs_boot(struct kvm_sregs *s, const HvBootState *boot)
{
    switch (boot->mode) {
    case HV_BOOT_PVH:
        sregs_flat(s, boot);
        s->cs.db = 1;
        s->tr.limit = 0x67;
        s->cr0 = CR0_PE | CR0_ET;
        break;
    case HV_BOOT_LONG64:
        sregs_flat(s, boot);
        s->cs.l = 1;
        s->cr0 = CR0_PE | CR0_PG | CR0_ET;
        s->cr3 = boot->cr3;
        s->cr4 = CR4_PAE;
        s->efer = EFER_LME | EFER_LMA;
        break;
    case HV_BOOT_WAIT:
    case HV_BOOT_REAL:
    default:
        break;
    }
}

static void regs_boot(struct kvm_regs *r, const HvBootState *boot)
{
    memset(r, 0, sizeof(*r));
    r->rflags = 2;
    r->rip = 0xfff0;
    if (boot->mode != HV_BOOT_PVH && boot->mode != HV_BOOT_LONG64)
        return;
    r->rip = boot->pc;
    r->rsp = boot->sp;
    if (boot->mode == HV_BOOT_PVH) {
        r->rbx = boot->arg;
    } else {
        r->rsi = boot->arg;
        r->rbp = boot->sp;
    }
}

static int set_registers(KvmVcpu *vcpu, const HvBootState *boot)
{
    struct kvm_sregs sregs;
    struct kvm_regs regs;
    int r;

    sregs_reset(vcpu, &sregs);
    sregs_boot(&sregs, boot);
    r = kvm_ioctl(vcpu->fd, KVM_SET_SREGS, &sregs);
    if (r < 0)
        return r;
    regs_boot(&regs, boot);
    return kvm_ioctl(vcpu->fd, KVM_SET_REGS, &regs);
}

/* --- local APIC ---------------------------------------------------------- */

static void lapic_put(struct kvm_lapic_state *lapic, unsigned reg, uint32_t val)
{
    memcpy(lapic->regs + reg, &val, sizeof(val));
}

/* LINT0 and LINT1 as firmware leaves them on the first processor. */
static void lapic_lint(struct kvm_lapic_state *lapic)
{
    lapic_put(lapic, APIC_LINT0, LVT_EXTINT);
    lapic_put(lapic, APIC_LINT1, LVT_NMI);
}

static void lapic_reset(struct kvm_lapic_state *lapic, uint32_t apic_id)
{
    uint32_t version;

    memcpy(&version, lapic->regs + APIC_VERSION, sizeof(version));
    memset(lapic, 0, sizeof(*lapic));
    lapic_put(lapic, APIC_ID, apic_id << 24);
    lapic_put(lapic, APIC_VERSION, version);
    lapic_put(lapic, APIC_DFR, UINT32_MAX);
    lapic_put(lapic, APIC_SPIV, 0xff);
    lapic_put(lapic, APIC_LVT_CMCI, LVT_MASKED);
    for (unsigned reg = APIC_LVT; reg <= APIC_LVT_LAST; reg += 0x10)
        lapic_put(lapic, reg, LVT_MASKED);
}

static int set_lapic(KvmVcpu *vcpu, bool reset, bool bsp)
{
    KvmVm *vm = container_of(vcpu->base.hv, KvmVm, hv);
    struct kvm_lapic_state lapic;
    int r;

    if (!vm->irqchip || (!reset && !bsp))
        return 0;
    r = kvm_ioctl(vcpu->fd, KVM_GET_LAPIC, &lapic);
    if (r < 0)
        return r;
    if (reset)
        lapic_reset(&lapic, vcpu->base.topology.apic_id);
    if (bsp)
        lapic_lint(&lapic);
    return kvm_ioctl(vcpu->fd, KVM_SET_LAPIC, &lapic);
}

/* --- what a running guest may have left behind --------------------------- */

static int leave_nested(KvmVcpu *vcpu)
{
    KvmVm *vm = container_of(vcpu->base.hv, KvmVm, hv);
    struct kvm_nested_state state = {
        .format = KVM_STATE_NESTED_FORMAT_VMX,
        .size = sizeof(state),
    };
    int r;

    if (!kvm_cap(vm, KVM_CAP_NESTED_STATE))
        return 0;
    state.hdr.vmx.vmxon_pa = UINT64_MAX;
    state.hdr.vmx.vmcs12_pa = UINT64_MAX;
    r = kvm_ioctl(vcpu->fd, KVM_SET_NESTED_STATE, &state);
    if (r != -EINVAL)
        return r;
    state = (struct kvm_nested_state){
        .flags = KVM_STATE_NESTED_GIF_SET,
        .format = KVM_STATE_NESTED_FORMAT_SVM,
        .size = sizeof(state),
    };
    r = kvm_ioctl(vcpu->fd, KVM_SET_NESTED_STATE, &state);
    /* Refused where the guest cannot nest: then it is not nested either. */
    return r == -EINVAL ? 0 : r;
}

static int clear_events(KvmVcpu *vcpu)
{
    struct kvm_vcpu_events events = {
        .flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW,
    };
    struct kvm_debugregs debug = { .dr6 = 0xffff0ff0, .dr7 = 0x400 };
    int r = kvm_ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &events);

    return r < 0 ? r : kvm_ioctl(vcpu->fd, KVM_SET_DEBUGREGS, &debug);
}

/* Initial FPU state: XSTATE_BV 0 makes every component so.  As large as any
 * processor's area, since KVM reads as much as the vCPU's is. */
static const struct {
    uint16_t fcw;
    uint8_t pad[22];
    uint32_t mxcsr;
    uint32_t mxcsr_mask;
    uint8_t rest[16384 - 32];
} xsave_initial = { .fcw = 0x37f, .mxcsr = 0x1f80, .mxcsr_mask = 0xffff };

static int clear_fpu(KvmVcpu *vcpu)
{
    struct kvm_xcrs xcrs = { .nr_xcrs = 1, .xcrs = { { .value = 1 } } };
    struct kvm_fpu fpu = { .fcw = 0x37f, .mxcsr = 0x1f80 };
    int r = kvm_ioctl(vcpu->fd, KVM_SET_XSAVE, (void *)&xsave_initial);

    if (r == -EINVAL || r == -ENOTTY)
        return kvm_ioctl(vcpu->fd, KVM_SET_FPU, &fpu); /* has no XSAVE */
    if (r == 0)
        r = kvm_ioctl(vcpu->fd, KVM_SET_XCRS, &xcrs);
    return r == -EINVAL ? 0 : r;
}

static int set_mp_state(KvmVcpu *vcpu, bool runnable)
{
    struct kvm_mp_state state = {
        .mp_state =
            runnable ? KVM_MP_STATE_RUNNABLE : KVM_MP_STATE_UNINITIALIZED,
    };

    return kvm_ioctl(vcpu->fd, KVM_SET_MP_STATE, &state);
}

static int reset_again(KvmVcpu *vcpu, const HvBootState *boot)
{
    KvmVm *vm = container_of(vcpu->base.hv, KvmVm, hv);
    bool bsp = vcpu->base.topology.apic_id == 0;
    int r = leave_nested(vcpu);

    if (r == 0)
        r = clear_events(vcpu);
    if (r == 0)
        r = clear_fpu(vcpu);
    if (r == 0)
        r = set_registers(vcpu, boot);
    if (r == 0)
        r = msr_reset(vm, vcpu->fd, boot->mode != HV_BOOT_REAL);
    if (r == 0)
        r = set_lapic(vcpu, true, bsp);
    if (r == 0 && vm->irqchip)
        r = set_mp_state(vcpu, boot->mode != HV_BOOT_WAIT);
    return r;
}

int kvm_arch_vcpu_reset(HvVcpu *base, const HvBootState *boot, Err *e)
{
    KvmVcpu *vcpu = container_of(base, KvmVcpu, base);
    int r;

    if (vcpu->was_set_up) {
        r = reset_again(vcpu, boot);
        if (r < 0)
            return err_sys(e, -r, "cannot reset vCPU %u", base->index);
        return 0;
    }
    r = set_cpuid(vcpu, e);
    if (r < 0)
        return r;
    r = msr_first(vcpu->fd, boot->mode != HV_BOOT_REAL);
    if (r == 0 && boot->mode != HV_BOOT_WAIT && boot->mode != HV_BOOT_REAL)
        r = set_registers(vcpu, boot);
    if (r == 0)
        r = set_lapic(vcpu, false, base->topology.apic_id == 0);
    if (r < 0)
        return err_sys(e, -r, "cannot set up vCPU %u", base->index);
    vcpu->was_set_up = true;
    return 0;
}

int kvm_arch_vcpu_nmi(HvVcpu *base)
{
    KvmVcpu *vcpu = container_of(base, KvmVcpu, base);

    return kvm_ioctl(vcpu->fd, KVM_NMI, NULL);
}

int kvm_arch_vcpu_clock_restored(HvVcpu *base)
{
    KvmVcpu *vcpu = container_of(base, KvmVcpu, base);
    int r = kvm_ioctl(vcpu->fd, KVM_KVMCLOCK_CTRL, NULL);

    return r == -EINVAL ? 0 : r; /* the guest has not enabled kvmclock */
}
