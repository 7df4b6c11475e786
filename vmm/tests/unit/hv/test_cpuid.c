/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* CPUID leaves for all numbers of vCPUs and odd topologies. */
#include <config.h>

#include "hv/kvm/x86_64/cpuid.h"
#include "util/cleanup.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

typedef struct Cpuid {
    struct kvm_cpuid2 head;
    struct kvm_cpuid_entry2 entries[CPUID_ENTRIES_MAX];
} Cpuid;

static void put(Cpuid *c, uint32_t function, uint32_t index, uint32_t eax,
                uint32_t ebx, uint32_t ecx, uint32_t edx)
{
    c->entries[c->head.nent++] = (struct kvm_cpuid_entry2){
        .function = function,
        .index = index,
        .eax = eax,
        .ebx = ebx,
        .ecx = ecx,
        .edx = edx,
    };
}

static void supported(Cpuid *c, const char *vendor, uint32_t max)
{
    uint32_t v[3];

    memset(c, 0, sizeof(*c));
    memcpy(v, vendor, 12);
    put(c, 0, 0, max, v[0], v[2], v[1]);
    put(c, 1, 0, 0x600, 0x05100800, 0x01000000, 0x10000000);
    put(c, 4, 0, 0xffffc121, 0, 0, 0); /* L1 data, shared by all */
    put(c, 4, 1, 0xffffc163, 0, 0, 0); /* L3 */
    put(c, 4, 2, 0, 0, 0, 0);
    put(c, 6, 0, 0x77, 2, 9, 1);
    put(c, 7, 0, 0, 0xffffffff, 0xffffffff, 0);
    put(c, 0xa, 0, 0x07300002, 0, 0, 0); /* version without counters */
    put(c, 0xb, 0, 5, 32, 0x100, 13);
    put(c, 0x12, 0, 1, 2, 3, 4);
    if (max >= 0x1f)
        put(c, 0x1f, 0, 5, 32, 0x100, 13);
    put(c, 0x40000000, 0, 0x40000001, 0x4b4d564b, 0x564b4d56, 0x4d);
    put(c, 0x40000001, 0, 0x01007efb, 0, 0, 0);
    put(c, 0x80000001, 0, 0, 0, 2, 0);
    put(c, 0x80000008, 0, 0x3030, 0, 0x703f, 0);
    put(c, 0x8000001d, 0, 0xfff121, 0, 0, 0);
    put(c, 0x8000001e, 0, 99, 99, 99, 99);
}

static const struct kvm_cpuid_entry2 *get(const Cpuid *c, uint32_t function,
                                          uint32_t index)
{
    for (uint32_t i = 0; i < c->head.nent; i++)
        if (c->entries[i].function == function && c->entries[i].index == index)
            return &c->entries[i];
    return NULL;
}

static void build(Cpuid *to, const Cpuid *from, const HvCpuTopology *topology,
                  unsigned index)
{
    CpuidConf conf = { .topology = *topology, .tsc_deadline = true };

    conf.topology.apic_id = hv_apic_id(topology, index);
    assert_int_equal(
        cpuid_build(&to->head, CPUID_ENTRIES_MAX, &from->head, &conf), 0);
}

/* What a kernel derives from leaf 0xB must be the place in the topology. */
static void check_levels(const Cpuid *c, uint32_t function,
                         const HvCpuTopology *t, unsigned index)
{
    const struct kvm_cpuid_entry2 *smt = get(c, function, 0);
    const struct kvm_cpuid_entry2 *core = get(c, function, 1);
    unsigned id = hv_apic_id(t, index);
    unsigned per_die = t->threads * t->cores * t->clusters;
    bool dies = function == 0x1f && t->dies > 1;
    const struct kvm_cpuid_entry2 *end = get(c, function, dies ? 3 : 2);
    unsigned package_shift = core->eax;

    assert_int_equal(smt->ecx, 0x100);
    assert_int_equal(smt->ebx, t->threads);
    assert_int_equal(smt->edx, id);
    assert_true(1u << smt->eax >= t->threads);
    assert_int_equal(core->ecx, 0x201);
    assert_int_equal(core->edx, id);
    if (dies) {
        const struct kvm_cpuid_entry2 *die = get(c, function, 2);

        assert_int_equal(die->ecx, 0x502);
        assert_int_equal(die->ebx, per_die * t->dies);
        assert_int_equal(core->ebx, per_die);
        assert_int_equal(id >> core->eax & ((1u << (die->eax - core->eax)) - 1),
                         index / per_die % t->dies);
        package_shift = die->eax;
    } else {
        assert_int_equal(core->ebx, per_die * t->dies);
    }
    assert_int_equal(id >> package_shift, index / per_die / t->dies);
    assert_int_equal(id & ((1u << smt->eax) - 1), index % t->threads);
    assert_non_null(end);
    assert_int_equal(end->ecx >> 8, 0);
    assert_int_equal(end->eax, 0);
    assert_int_equal(end->ebx, 0);
}

static void check_vcpu(const Cpuid *from, const HvCpuTopology *t,
                       unsigned index)
{
    Cpuid c;
    const struct kvm_cpuid_entry2 *e;

    build(&c, from, t, index);
    e = get(&c, 1, 0);
    assert_int_equal(e->ebx >> 24, hv_apic_id(t, index) & 0xff);
    assert_int_equal(e->ebx & 0xffff, 0x0800);
    assert_true(e->ecx & 1u << 31);
    assert_true(e->ecx & 1u << 24);
    assert_true(e->ecx & 1u << 21);
    assert_int_equal(!!(e->edx & 1u << 28),
                     t->threads * t->cores * t->clusters * t->dies > 1);
    check_levels(&c, 0xb, t, index);
    if (get(&c, 0x1f, 0))
        check_levels(&c, 0x1f, t, index);
}

static void test_every_count(void **state)
{
    static Cpuid from;

    supported(&from, "GenuineIntel", 0x20);
    for (unsigned n = 1; n <= 254; n++) {
        const HvCpuTopology t = { 1, 1, 1, n, 1, 0 };

        check_vcpu(&from, &t, 0);
        check_vcpu(&from, &t, n / 2);
        check_vcpu(&from, &t, n - 1);
    }
}

static void test_odd_topologies(void **state)
{
    static const HvCpuTopology all[] = {
        { 1, 1, 1, 1, 3, 0 },   { 7, 1, 1, 3, 2, 0 }, { 2, 3, 1, 5, 2, 0 },
        { 84, 1, 1, 1, 3, 0 },  { 1, 2, 2, 3, 2, 0 }, { 127, 1, 1, 1, 2, 0 },
        { 1, 1, 1, 127, 2, 0 }, { 2, 2, 2, 2, 2, 0 },
    };
    static Cpuid from;

    for (unsigned v = 0; v < 2; v++) {
        supported(&from, v ? "AuthenticAMD" : "GenuineIntel", v ? 0x10 : 0xd);
        for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
            const HvCpuTopology *t = &all[i];
            unsigned n =
                t->sockets * t->dies * t->clusters * t->cores * t->threads;

            for (unsigned k = 0; k < n; k++)
                check_vcpu(&from, t, k);
        }
    }
}

static void test_intel(void **state)
{
    const HvCpuTopology t = { 2, 1, 1, 4, 2, 0 };
    static Cpuid from, c;

    supported(&from, "GenuineIntel", 0xd);
    build(&c, &from, &t, 9);
    assert_int_equal(get(&c, 0, 0)->eax, 0xd);
    assert_int_equal(get(&c, 4, 0)->eax >> 14 & 0xfff, 1); /* a core's */
    assert_int_equal(get(&c, 4, 1)->eax >> 14 & 0xfff, 7); /* a die's */
    assert_int_equal(get(&c, 4, 0)->eax >> 26, 3);
    assert_int_equal(get(&c, 4, 2)->eax, 0);
    assert_int_equal(get(&c, 6, 0)->eax, 4);
    assert_int_equal(get(&c, 6, 0)->ecx, 0);
    assert_false(get(&c, 7, 0)->ebx & 4);
    assert_int_equal(get(&c, 0xa, 0)->eax, 0);
    assert_null(get(&c, 0x12, 0));
    assert_null(get(&c, 0x1f, 0));
    assert_int_equal(get(&c, 0x40000001, 0)->eax, 0x01007efb);
    assert_int_equal(get(&c, 0x80000008, 0)->ecx, 0x703f); /* not AMD's */
}

static void test_amd(void **state)
{
    const HvCpuTopology t = { 2, 1, 1, 3, 2, 0 };
    static Cpuid from, c;

    supported(&from, "AuthenticAMD", 0x10);
    build(&c, &from, &t, 7); /* socket 1, core 0, thread 1 */
    assert_int_equal(get(&c, 0x80000008, 0)->ecx & 0xff, 5);
    assert_int_equal(get(&c, 0x80000008, 0)->ecx >> 12 & 0xf, 3);
    assert_int_equal(get(&c, 0x8000001e, 0)->eax, 9);
    assert_int_equal(get(&c, 0x8000001e, 0)->ebx, 0x100);
    assert_int_equal(get(&c, 0x8000001e, 0)->ecx, 1);
    assert_true(get(&c, 0x80000001, 0)->ecx & 2);
    assert_int_equal(get(&c, 0x8000001d, 0)->eax >> 14 & 0xfff, 1);
}

static void test_old_processor(void **state)
{
    const HvCpuTopology t = { 1, 2, 1, 2, 1, 0 };
    static Cpuid from, c;
    CpuidConf conf = { .topology = t };

    supported(&from, "GenuineIntel", 0x6);
    build(&c, &from, &t, 0);
    assert_int_equal(get(&c, 0, 0)->eax, 0x1f); /* dies need the leaf */
    assert_int_equal(cpuid_build(&c.head, CPUID_ENTRIES_MAX, &from.head, &conf),
                     0);
    assert_false(get(&c, 1, 0)->ecx & 1u << 24); /* KVM cannot */
    assert_int_equal(cpuid_build(&c.head, 8, &from.head, &conf), -E2BIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_count),
        cmocka_unit_test(test_odd_topologies),
        cmocka_unit_test(test_intel),
        cmocka_unit_test(test_amd),
        cmocka_unit_test(test_old_processor),
    };

    return cmocka_run_group_tests_name("hv/cpuid", tests, NULL, NULL);
}
