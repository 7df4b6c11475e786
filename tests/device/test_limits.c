/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Device tests: the largest machines there are, 254 vCPUs and 512 GiB.
 *
 * What the guest is told is read from its memory: the memory map of the zero
 * page and the processors of the ACPI MADT.  The kernel is a file of zeros,
 * which boot code loads verbatim and nobody runs.
 */
#include <config.h>

#include "device/vm.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define GIB         (1ULL << 30)
#define ZERO_PAGE   0x7000
#define E820_COUNT  (ZERO_PAGE + 0x1e8)
#define E820_TABLE  (ZERO_PAGE + 0x2d0)
#define E820_RAM    1
#define RSDP        0xe0000
#define MADT_LAPIC  0
#define MADT_X2APIC 9

static char kernel[] = "/tmp/test-limits-XXXXXX";

static uint64_t ram_in_e820(Vm *vm, uint64_t *ret_top)
{
    unsigned n = vm_load(vm, E820_COUNT, 1);
    uint64_t sum = 0, end = 0;

    assert_true(n > 0 && n <= 128);
    for (unsigned i = 0; i < n; i++) {
        struct {
            uint64_t base, len;
            uint32_t type;
        } __attribute__((packed)) e;

        vm_read(vm, E820_TABLE + i * sizeof(e), &e, sizeof(e));
        assert_true(e.base >= end); /* sorted, no overlap */
        end = e.base + e.len;
        if (e.type == E820_RAM) {
            sum += e.len;
            *ret_top = end;
        }
    }
    return sum;
}

/* Address of the table with a signature, by way of the XSDT; 0 none. */
static uint64_t find_table(Vm *vm, const char *signature)
{
    char rsdp[36], sig[4];
    uint64_t xsdt, entry;
    uint32_t len;

    vm_read(vm, RSDP, rsdp, sizeof(rsdp));
    assert_memory_equal(rsdp, "RSD PTR ", 8);
    memcpy(&xsdt, rsdp + 24, sizeof(xsdt));
    len = vm_load(vm, xsdt + 4, 4);
    assert_true(len >= 36 && len < 4096);
    for (uint64_t at = xsdt + 36; at < xsdt + len; at += 8) {
        entry = vm_load(vm, at, 8);
        vm_read(vm, entry, sig, sizeof(sig));
        if (!memcmp(sig, signature, 4))
            return entry;
    }
    return 0;
}

/* Enabled processors of the MADT; their ids in order. */
static unsigned madt_cpus(Vm *vm, uint32_t *ids, unsigned room)
{
    uint64_t madt = find_table(vm, "APIC");
    uint32_t len = vm_load(vm, madt + 4, 4);
    uint8_t *table = malloc(len), sum = 0;
    unsigned n = 0;

    assert_true(madt && len < 0x10000);
    vm_read(vm, madt, table, len);
    for (uint32_t i = 0; i < len; i++)
        sum += table[i];
    assert_int_equal(sum, 0);
    for (uint32_t at = 44; at < len; at += table[at + 1]) {
        uint32_t id = table[at + 3], flags;

        assert_true(table[at + 1] >= 2);
        if (table[at] != MADT_LAPIC && table[at] != MADT_X2APIC)
            continue;
        memcpy(&flags, table + at + (table[at] == MADT_LAPIC ? 4 : 8), 4);
        if (table[at] == MADT_X2APIC)
            memcpy(&id, table + at + 4, 4);
        else
            assert_true(id < 255);
        assert_true(n < room);
        if (flags & 1)
            ids[n++] = id;
    }
    free(table);
    return n;
}

static void the_largest_machine(void **state)
{
    const char *args[] = {
        "-smp", "254", "-m", "512G", "-kernel", kernel, NULL
    };
    Vm *vm = vm_start(args);
    uint32_t ids[256];
    uint64_t top = 0, last = 4 * GIB + 509 * GIB - 8;
    json_t *cpus = vm_qmp(vm, "query-cpus", NULL);

    assert_int_equal(json_array_size(cpus), 254);
    json_decref(cpus);
    assert_int_equal(madt_cpus(vm, ids, 256), 254);
    for (unsigned i = 0; i < 254; i++)
        assert_int_equal(ids[i], i);

    /* Below 1 MiB some kilobytes are not RAM. */
    assert_true(512 * GIB - ram_in_e820(vm, &top) < 1 << 20);
    assert_true(top == 4 * GIB + 509 * GIB);
    vm_store(vm, last, 0x1122334455667788, 8);
    assert_true(vm_load(vm, last, 8) == 0x1122334455667788);
    vm_store(vm, 3 * GIB - 8, 42, 8);
    assert_int_equal(vm_load(vm, 3 * GIB - 8, 8), 42);
    vm_store(vm, 4 * GIB, 43, 8);
    assert_int_equal(vm_load(vm, 4 * GIB, 8), 43);
    vm_store(vm, last + 8, 1, 8); /* behind the end: nobody there */
    assert_int_not_equal(vm_load(vm, last + 8, 8), 1);
    vm_quit(vm);
}

static void apic_ids_beyond_255(void **state)
{
    const char *args[] = { "-smp", "252,sockets=84,cores=3,threads=1",
                           "-kernel", kernel, NULL };
    Vm *vm = vm_start(args);
    uint32_t ids[256];

    assert_int_equal(madt_cpus(vm, ids, 256), 252);
    for (unsigned i = 0; i < 252; i++) /* three cores in two bits */
        assert_int_equal(ids[i], i / 3 * 4 + i % 3);
    vm_quit(vm);
}

static void the_smallest_machine(void **state)
{
    const char *args[] = { "-m", "128", "-kernel", kernel, NULL };
    Vm *vm = vm_start(args);
    uint32_t ids[2];
    uint64_t top = 0;

    assert_int_equal(madt_cpus(vm, ids, 2), 1);
    assert_true((128 << 20) - ram_in_e820(vm, &top) < 1 << 20);
    assert_int_equal(top, 128 << 20);
    vm_quit(vm);
}

static void beyond_the_limits(void **state)
{
    static const struct {
        const char *option, *value, *says;
    } rows[] = {
        { "-smp", "255", "1 to 254" },
        { "-m", "513G", "128M to 512G" },
        { "-m", "127", "128M to 512G" },
    };
    char text[512];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *args[] = { rows[i].option, rows[i].value, NULL };

        assert_int_equal(vm_fail(args, text, sizeof(text)), 1);
        if (!strstr(text, rows[i].says))
            fail_msg("%s %s says: %s", rows[i].option, rows[i].value, text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_largest_machine),
        cmocka_unit_test(apic_ids_beyond_255),
        cmocka_unit_test(the_smallest_machine),
        cmocka_unit_test(beyond_the_limits),
    };
    static const char zeros[8192];
    int fd = mkstemp(kernel), r;

    if (fd < 0 || write(fd, zeros, sizeof(zeros)) != sizeof(zeros))
        return 1;
    r = cmocka_run_group_tests(tests, NULL, NULL);
    close(fd);
    unlink(kernel);
    return r;
}
