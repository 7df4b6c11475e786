/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hv/kvm/x86_64/cpuid.c - CPUID of a vCPU out of what KVM supports. */
#include <config.h>

#include "hv/kvm/x86_64/cpuid.h"

#include "hv/hv_priv.h"

#include <errno.h>
#include <string.h>

/*
 * How this works
 *
 * KVM states every leaf it can offer; most pass unchanged, among them its own
 * paravirtual ones (kvmclock, PV EOI, PV IPI, steal time, poll control).  What
 * depends on the host's place of the thread that asked (APIC ids, cache
 * sharing) or on our machine is rewritten here.  Topology is given three times
 * over, as processors of three generations did: leaves 1 and 4, leaf 0xB, leaf
 * 0x1F, and AMD's own at 0x80000008, 0x8000001D and 0x8000001E.
 */
#define BIT(n) (1u << (n))

#define L1_ECX_X2APIC       BIT(21)
#define L1_ECX_TSC_DEADLINE BIT(24)
#define L1_ECX_HYPERVISOR   BIT(31)
#define L1_EDX_HTT          BIT(28)
#define L6_EAX_ARAT         BIT(2)
#define L7_EBX_SGX          BIT(2)
#define L7_ECX_SGX_LC       BIT(30)
#define X1_ECX_CMP_LEGACY   BIT(1)

#define LEVEL_SMT  1
#define LEVEL_CORE 2
#define LEVEL_DIE  5

typedef struct Builder {
    struct kvm_cpuid2 *to;
    unsigned max;
    const CpuidConf *conf;
    HvTopologyShifts s;
    unsigned per_die;
    unsigned per_package;
    bool amd;
} Builder;

static const struct kvm_cpuid_entry2 *find(const struct kvm_cpuid2 *cpuid,
                                           uint32_t function)
{
    for (uint32_t i = 0; i < cpuid->nent; i++)
        if (cpuid->entries[i].function == function)
            return &cpuid->entries[i];
    return NULL;
}

static bool vendor_is_amd(const struct kvm_cpuid2 *cpuid)
{
    const struct kvm_cpuid_entry2 *e = find(cpuid, 0);
    char vendor[12];

    if (!e)
        return false;
    memcpy(vendor, &e->ebx, 4);
    memcpy(vendor + 4, &e->edx, 4);
    memcpy(vendor + 8, &e->ecx, 4);
    return !memcmp(vendor, "AuthenticAMD", 12) ||
           !memcmp(vendor, "HygonGenuine", 12);
}

/* Bits @hi..@lo of @word become @val, or all ones if that does not fit. */
static uint32_t put(uint32_t word, unsigned hi, unsigned lo, uint32_t val)
{
    uint32_t max = hi - lo == 31 ? UINT32_MAX : BIT(hi - lo + 1) - 1;

    return (word & ~(max << lo)) | MIN(val, max) << lo;
}

static void leaf_1(const Builder *b, struct kvm_cpuid_entry2 *e)
{
    e->ebx = put(e->ebx, 31, 24, b->conf->topology.apic_id & 0xff);
    e->ebx = put(e->ebx, 23, 16, BIT(b->s.socket));
    e->ecx |= L1_ECX_HYPERVISOR | L1_ECX_X2APIC;
    e->ecx &= ~L1_ECX_TSC_DEADLINE;
    if (b->conf->tsc_deadline)
        e->ecx |= L1_ECX_TSC_DEADLINE;
    e->edx &= ~L1_EDX_HTT;
    if (b->per_package > 1)
        e->edx |= L1_EDX_HTT;
}

/* Ids that share a cache of this level, less one. */
static uint32_t cache_sharing(const Builder *b, uint32_t eax)
{
    unsigned level = eax >> 5 & 7;

    return BIT(level < 3 ? b->s.core : b->s.die) - 1;
}

static void leaf_4(const Builder *b, struct kvm_cpuid_entry2 *e)
{
    if (!(e->eax & 0x1f))
        return; /* no more caches */
    e->eax = put(e->eax, 25, 14, cache_sharing(b, e->eax));
    if (!b->amd)
        e->eax = put(e->eax, 31, 26, BIT(b->s.socket - b->s.core) - 1);
}

static void leaf_6(struct kvm_cpuid_entry2 *e)
{
    /* No thermal or energy interface, but a timer that never stops. */
    e->eax &= L6_EAX_ARAT;
    e->ebx = e->ecx = e->edx = 0;
}

static void leaf_a(struct kvm_cpuid_entry2 *e)
{
    unsigned version = e->eax & 0xff;
    unsigned counters = e->eax >> 8 & 0xff;

    if (version && counters)
        return;
    e->eax = e->ebx = e->ecx = e->edx = 0;
}

static void leaf_80000008(const Builder *b, struct kvm_cpuid_entry2 *e)
{
    if (!b->amd)
        return;
    e->ecx = put(e->ecx, 7, 0, b->per_package - 1);
    e->ecx = put(e->ecx, 15, 12, b->s.socket);
}

static void leaf_8000001e(const Builder *b, struct kvm_cpuid_entry2 *e)
{
    uint32_t id = b->conf->topology.apic_id;

    if (!b->amd)
        return;
    e->eax = id;
    e->ebx = put(0, 7, 0, id >> b->s.core & (BIT(b->s.socket - b->s.core) - 1));
    e->ebx = put(e->ebx, 15, 8, b->s.threads - 1);
    e->ecx = put(0, 7, 0, (id >> b->s.die) & 0xff);
    e->ecx = put(e->ecx, 10, 8, b->s.dies - 1);
    e->edx = 0;
}

static void adjust(const Builder *b, struct kvm_cpuid_entry2 *e)
{
    switch (e->function) {
    case 0x1:
        leaf_1(b, e);
        break;
    case 0x4:
    case 0x8000001d:
        leaf_4(b, e);
        break;
    case 0x6:
        leaf_6(e);
        break;
    case 0x7:
        /* There is no enclave memory to go with it. */
        e->ebx &= ~(e->index == 0 ? L7_EBX_SGX : 0);
        e->ecx &= ~(e->index == 0 ? L7_ECX_SGX_LC : 0);
        break;
    case 0xa:
        leaf_a(e);
        break;
    case 0x80000001:
        if (b->amd && b->per_package > 1)
            e->ecx |= X1_ECX_CMP_LEGACY;
        else
            e->ecx &= ~(b->amd ? X1_ECX_CMP_LEGACY : 0);
        break;
    case 0x80000008:
        leaf_80000008(b, e);
        break;
    case 0x8000001e:
        leaf_8000001e(b, e);
        break;
    default:
        break;
    }
}

static int push(Builder *b, const struct kvm_cpuid_entry2 *e)
{
    if (b->to->nent >= b->max)
        return -E2BIG;
    b->to->entries[b->to->nent++] = *e;
    return 0;
}

/* One level of leaf 0xB or 0x1F; type 0 ends the list. */
static int push_level(Builder *b, uint32_t function, unsigned index,
                      unsigned type, unsigned shift, unsigned count)
{
    const struct kvm_cpuid_entry2 e = {
        .function = function,
        .index = index,
        .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
        .eax = shift,
        .ebx = count,
        .ecx = type << 8 | index,
        .edx = b->conf->topology.apic_id,
    };

    return push(b, &e);
}

static int push_leaf_b(Builder *b)
{
    int r = push_level(b, 0xb, 0, LEVEL_SMT, b->s.core, b->s.threads);

    if (r == 0)
        r = push_level(b, 0xb, 1, LEVEL_CORE, b->s.socket, b->per_package);
    return r < 0 ? r : push_level(b, 0xb, 2, 0, 0, 0);
}

static int push_leaf_1f(Builder *b)
{
    bool dies = b->s.dies > 1;
    int r = push_level(b, 0x1f, 0, LEVEL_SMT, b->s.core, b->s.threads);

    if (r == 0)
        r = push_level(b, 0x1f, 1, LEVEL_CORE, b->s.die, b->per_die);
    if (r == 0 && dies)
        r = push_level(b, 0x1f, 2, LEVEL_DIE, b->s.socket, b->per_package);
    return r < 0 ? r : push_level(b, 0x1f, dies ? 3 : 2, 0, 0, 0);
}

int cpuid_build(struct kvm_cpuid2 *to, unsigned max,
                const struct kvm_cpuid2 *supported, const CpuidConf *conf)
{
    Builder b = {
        .to = to,
        .max = max,
        .conf = conf,
        .s = hv_topology_shifts(&conf->topology),
        .amd = vendor_is_amd(supported),
    };
    bool leaf_1f = b.s.dies > 1 && !b.amd;
    int r = 0;

    b.per_die = b.s.threads * b.s.cores;
    b.per_package = b.per_die * b.s.dies;
    to->nent = 0;
    to->padding = 0;
    for (uint32_t i = 0; i < supported->nent && r == 0; i++) {
        struct kvm_cpuid_entry2 e = supported->entries[i];

        if (e.function == 0x1f)
            leaf_1f = true;
        if (e.function == 0xb || e.function == 0x1f || e.function == 0x12)
            continue;
        adjust(&b, &e);
        r = push(&b, &e);
    }
    if (r == 0)
        r = push_leaf_b(&b);
    if (r == 0 && leaf_1f)
        r = push_leaf_1f(&b);
    for (uint32_t i = 0; i < to->nent; i++)
        if (to->entries[i].function == 0)
            to->entries[i].eax =
                MAX(to->entries[i].eax, leaf_1f ? 0x1fu : 0xbu);
    return r;
}
