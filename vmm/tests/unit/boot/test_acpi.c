/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ACPI tables: structure, checksums, and what iasl makes of them. */
#include <config.h>

#include "boot/acpi.h"
#include "boot/aml.h"
#include "boot/boot_priv.h"
#include "util/bytes.h"
#include "util/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static uint32_t ids[254];

static const AcpiSlot slots[] = {
    { 0xf0100000, 0x200, 5, true },  { 0xf0100200, 0x200, 6, false },
    { 0xf0100400, 0x200, 7, false }, { 0xf0100600, 0x200, 8, false },
    { 0xf0100800, 0x200, 9, true },  { 0xf0100a00, 0x200, 10, false },
    { 0xf0100c00, 0x200, 16, true },
};

static MicrovmAcpi conf_typical(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(ids); i++)
        ids[i] = i;
    return (MicrovmAcpi){
        .apic_ids = ids,
        .vcpus = 2,
        .slots = slots,
        .num_slots = ARRAY_SIZE(slots),
        .serial_port = 0x3f8,
        .serial_gsi = 4,
        .ged_base = 0xf0200000,
        .ged_gsi = 23,
        .slot_state_gpa = ACPI_SLOT_STATE_GPA,
    };
}

typedef struct Tables {
    uint8_t *buf;
    size_t len;
} Tables;

static void build(Tables *t, const MicrovmAcpi *conf)
{
    Err e = ERR_INIT;

    if (acpi_microvm_build(conf, ACPI_TABLES_GPA, &t->buf, &t->len, &e) < 0)
        fail_msg("%s", e.msg);
}

static void check_sum(const uint8_t *buf, size_t len)
{
    uint8_t sum = 0;

    for (size_t i = 0; i < len; i++)
        sum = (uint8_t)(sum + buf[i]);
    assert_int_equal(sum, 0);
}

static const uint8_t *table_at(const Tables *t, uint64_t gpa, const char *sig)
{
    const uint8_t *table = t->buf + (gpa - ACPI_TABLES_GPA);

    assert_in_range(gpa, ACPI_TABLES_GPA, ACPI_TABLES_GPA + t->len - 36);
    assert_memory_equal(table, sig, 4);
    assert_true(
        range_within(gpa - ACPI_TABLES_GPA, load_le32(table + 4), t->len));
    check_sum(table, load_le32(table + 4));
    assert_memory_equal(table + 10, "STRATOVIRT", 10);
    return table;
}

static const uint8_t *find_table(const Tables *t, const char *sig)
{
    const uint8_t *xsdt = table_at(t, load_le64(t->buf + 24), "XSDT");

    for (size_t i = 36; i < load_le32(xsdt + 4); i += 8) {
        uint64_t gpa = load_le64(xsdt + i);

        if (!memcmp(t->buf + (gpa - ACPI_TABLES_GPA), sig, 4))
            return table_at(t, gpa, sig);
    }
    fail_msg("no table %s", sig);
    return NULL;
}

static void test_fixed_tables(void **state)
{
    const MicrovmAcpi conf = conf_typical();
    Tables t;
    const uint8_t *fadt, *madt;

    build(&t, &conf);
    assert_memory_equal(t.buf, "RSD PTR ", 8);
    check_sum(t.buf, 20);
    check_sum(t.buf, 36);
    assert_int_equal(t.buf[15], 2);
    fadt = find_table(&t, "FACP");
    assert_int_equal(load_le32(fadt + 4), 276);
    assert_true(load_le32(fadt + 112) & 1 << 20);  /* reduced hardware */
    assert_true(load_le32(fadt + 112) & 1 << 10);  /* reset register */
    assert_int_equal(load_le16(fadt + 109), 0x24); /* no VGA, no CMOS */
    assert_int_equal(load_le64(fadt + 116 + 4), ACPI_PORT_RESET);
    assert_int_equal(load_le64(fadt + 244 + 4), ACPI_PORT_SLEEP_CTL);
    assert_int_equal(load_le64(fadt + 256 + 4), ACPI_PORT_SLEEP_STS);
    table_at(&t, load_le64(fadt + 140), "DSDT");
    madt = find_table(&t, "APIC");
    assert_int_equal(load_le32(madt + 4), 44 + 12 + 2 * 8);
    assert_int_equal(madt[44], 1);
    assert_int_equal(load_le32(madt + 48), 0xfec00000);
    assert_int_equal(madt[56 + 8 + 3], 1);
    free(t.buf);
}

static void test_many_cpus(void **state)
{
    MicrovmAcpi conf = conf_typical();
    Tables t;
    const uint8_t *madt;

    conf.vcpus = 254;
    for (unsigned i = 0; i < 254; i++)
        ids[i] = i * 4 / 3; /* three threads a core: gaps, up to 337 */
    build(&t, &conf);
    madt = find_table(&t, "APIC");
    {
        unsigned lapics = 0, x2apics = 0;
        size_t at = 44;

        for (; at < load_le32(madt + 4); at += madt[at + 1]) {
            lapics += madt[at] == 0;
            x2apics += madt[at] == 9;
            assert_true(madt[at + 1] >= 8);
        }
        assert_int_equal(at, load_le32(madt + 4));
        assert_int_equal(lapics + x2apics, 254);
        assert_true(x2apics > 0);
        assert_int_equal(load_le32(madt + at - 12), ids[253]);
    }
    free(t.buf);
}

/* --- AML ----------------------------------------------------------------- */

static void test_package_lengths(void **state)
{
    const size_t sizes[] = { 0, 10, 62, 63, 100, 4092, 4093, 4094, 70000 };

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        Aml a = { 0 };
        size_t at = aml_open(&a, 0x11), n, len;

        for (size_t k = 0; k < sizes[i]; k++)
            aml_byte(&a, 0xee);
        aml_close(&a, at);
        assert_false(a.failed);
        n = (a.buf[1] >> 6) + 1u;
        len = n == 1 ? a.buf[1] & 0x3f : a.buf[1] & 0xf;
        for (size_t k = 1; k < n; k++)
            len |= (size_t)a.buf[1 + k] << (8 * k - 4);
        assert_int_equal(len, a.len - 1);
        assert_int_equal(a.len, 1 + n + sizes[i]);
        aml_fini(&a);
    }
}

static void test_paths_and_ids(void **state)
{
    Aml a = { 0 };
    const uint8_t id[] = { 0x0c, 0x41, 0xd0, 0x0c, 0x0c };
    const uint8_t path[] = {
        '\\', 0x2e, '_', 'S', 'B', '_', 'P', 'W', 'R', 'B'
    };

    aml_eisa_id(&a, "PNP0C0C");
    assert_int_equal(a.len, sizeof(id));
    assert_memory_equal(a.buf, id, sizeof(id));
    a.len = 0;
    aml_path(&a, "\\_SB.PWRB");
    assert_int_equal(a.len, sizeof(path));
    assert_memory_equal(a.buf, path, sizeof(path));
    aml_fini(&a);
}

/* Return: exit status of a command in @dir, its output in @dir/log */
static int run_in(const char *dir, const char *command)
{
    char line[512];

    snprintf(line, sizeof(line), "cd '%s' && { %s; } >log 2>&1", dir, command);
    return system(line);
}

static void read_text(const char *dir, const char *name, char *buf, size_t max)
{
    char path[128];
    ssize_t n;
    int fd;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    n = read(fd, buf, max - 1);
    assert_true(n >= 0);
    buf[n] = 0;
    close(fd);
}

static void write_table(const char *dir, const char *name, const uint8_t *table)
{
    char path[128];
    int fd;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, table, load_le32(table + 4)),
                     load_le32(table + 4));
    close(fd);
}

static void disassemble(const MicrovmAcpi *conf, char *dsl, size_t max)
{
    char dir[] = "/tmp/test-acpi-XXXXXX";
    const uint8_t *fadt;
    Tables t;

    assert_non_null(mkdtemp(dir));
    build(&t, conf);
    fadt = find_table(&t, "FACP");
    write_table(dir, "dsdt.aml", table_at(&t, load_le64(fadt + 140), "DSDT"));
    write_table(dir, "facp.aml", fadt);
    write_table(dir, "apic.aml", find_table(&t, "APIC"));
    free(t.buf);
    assert_int_equal(run_in(dir, "iasl -d dsdt.aml"), 0);
    assert_int_equal(run_in(dir, "iasl -d facp.aml apic.aml"), 0);
    assert_int_equal(run_in(dir, "mv dsdt.aml old.aml && iasl -oa dsdt.dsl && "
                                 "cmp -i 36 old.aml dsdt.aml"),
                     0);
    read_text(dir, "dsdt.dsl", dsl, max);
    assert_int_equal(run_in(dir, "rm -r \"$PWD\""), 0);
}

static bool have_iasl(void)
{
    return system("iasl -v >/dev/null 2>&1") == 0;
}

static void test_iasl(void **state)
{
    static char dsl[65536];
    MicrovmAcpi conf = conf_typical();

    if (!have_iasl())
        skip();
    disassemble(&conf, dsl, sizeof(dsl));
    assert_non_null(strstr(dsl, "\"LNRO0005\""));
    assert_non_null(strstr(dsl, "PNP0501"));
    assert_non_null(strstr(dsl, "PNP0C0C"));
    assert_non_null(strstr(dsl, "\"ACPI0013\""));
    assert_non_null(strstr(dsl, "Device (V006)"));
    assert_non_null(strstr(dsl, "0x00000010,")); /* GSI 16 */
    assert_non_null(strstr(dsl, "Notify (\\_SB.PWRB, 0x80)"));

    conf.serial_port = 0;
    conf.slot_state_gpa = 0;
    conf.ged_base = 0;
    disassemble(&conf, dsl, sizeof(dsl));
    assert_null(strstr(dsl, "PNP0501"));
    assert_null(strstr(dsl, "ACPI0013"));

    conf.num_slots = 0;
    disassemble(&conf, dsl, sizeof(dsl));
    assert_null(strstr(dsl, "LNRO0005"));
}

static void test_most_slots(void **state)
{
    static AcpiSlot many[ACPI_SLOTS_MAX + 1];
    static char dsl[65536];
    MicrovmAcpi conf = conf_typical();
    Tables t;
    Err e = ERR_INIT;

    for (unsigned i = 0; i < ARRAY_SIZE(many); i++)
        many[i] = (AcpiSlot){ 0xf0100000 + i * 0x200, 0x200, 5, i % 2 };
    conf.slots = many;
    conf.num_slots = ACPI_SLOTS_MAX;
    if (have_iasl())
        disassemble(&conf, dsl, sizeof(dsl));
    conf.num_slots++;
    assert_int_equal(acpi_microvm_build(&conf, 0, &t.buf, &t.len, &e), -EINVAL);
    assert_string_equal(e.msg, "ACPI describes at most 64 virtio slots");
}

static void test_slot_state(void **state)
{
    const MicrovmAcpi conf = conf_typical();
    const RamConf ram = { .name = "ram", .size_bytes = 0x100000 };
    GuestMem *gm;
    RamBlock *block;
    uint8_t bytes[2];
    Err e = ERR_INIT;

    assert_int_equal(gmem_new(&gm, &e), 0);
    assert_int_equal(ram_block_new(&block, &ram, &e), 0);
    assert_int_equal(gmem_map(gm, 0, ram.size_bytes, block, 0, 0, &e), 0);
    assert_int_equal(acpi_slot_set(&conf, gm, 1, true), 0);
    gmem_read(gm, ACPI_SLOT_STATE_GPA + 2, bytes, 2);
    assert_int_equal(bytes[0], 0xf);
    assert_int_equal(bytes[1], 1);
    assert_int_equal(acpi_slot_set(&conf, gm, 1, false), 0);
    gmem_read(gm, ACPI_SLOT_STATE_GPA + 2, bytes, 2);
    assert_int_equal(bytes[0], 0);
    assert_int_equal(acpi_slot_set(&conf, gm, 7, true), -EINVAL);
    gmem_free(gm);
    ram_block_unref(block);
}

/* --- MP table ------------------------------------------------------------ */

static void test_mptable(void **state)
{
    uint8_t buf[8192];
    size_t len, at = 60;
    unsigned counts[5] = { 0 };

    conf_typical();
    len = mptable_build(buf, sizeof(buf), 0x9fc00, ids, 254);
    assert_memory_equal(buf, "_MP_", 4);
    check_sum(buf, 16);
    assert_int_equal(load_le32(buf + 4), 0x9fc10);
    assert_memory_equal(buf + 16, "PCMP", 4);
    assert_int_equal(load_le16(buf + 20), len - 16);
    check_sum(buf + 16, len - 16);
    assert_int_equal(buf[60 + 3], 3); /* boot processor */
    while (at < len) {
        assert_in_range(buf[at], 0, 4);
        counts[buf[at]]++;
        at += buf[at] == 0 ? 20 : 8;
    }
    assert_int_equal(at, len);
    assert_int_equal(counts[0], 254);
    assert_int_equal(counts[1], 1);
    assert_int_equal(counts[2], 1);
    assert_int_equal(counts[3], 16);
    assert_int_equal(counts[4], 2);
    assert_int_equal(load_le16(buf + 16 + 34), 254 + 1 + 1 + 16 + 2);
    /* Too little room is no overrun. */
    assert_true(mptable_build(buf, 100, 0x9fc00, ids, 254) <= 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fixed_tables),
        cmocka_unit_test(test_many_cpus),
        cmocka_unit_test(test_package_lengths),
        cmocka_unit_test(test_paths_and_ids),
        cmocka_unit_test(test_iasl),
        cmocka_unit_test(test_most_slots),
        cmocka_unit_test(test_slot_state),
        cmocka_unit_test(test_mptable),
    };

    return cmocka_run_group_tests_name("boot/acpi", tests, NULL, NULL);
}
