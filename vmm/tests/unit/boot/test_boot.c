/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Kernel loading: made-up and mutated images never leave guest memory. */
#include <config.h>

#include "boot/boot.h"
#include "boot/boot_priv.h"
#include "util/bytes.h"
#include "util/cleanup.h"

#include <elf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define MIB (1ull << 20)

typedef struct Fixture {
    GuestMem *gm;
    RamBlock *ram;
    BootConf conf;
    Boot *boot;
    Err e;
} Fixture;

static const uint32_t apic_ids[2] = { 0, 1 };

static int file_of(const void *bytes, size_t len)
{
    int fd = memfd_create("image", MFD_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, len, 0), (ssize_t)len);
    return fd;
}

static void set_up(Fixture *f, uint64_t ram_bytes)
{
    RamConf ram = { .name = "ram", .size_bytes = ram_bytes };
    uint64_t low = MIN(ram_bytes, 3ull << 30);

    *f = (Fixture){ 0 };
    assert_int_equal(gmem_new(&f->gm, &f->e), 0);
    assert_int_equal(ram_block_new(&f->ram, &ram, &f->e), 0);
    assert_int_equal(gmem_map(f->gm, 0, low, f->ram, 0, 0, &f->e), 0);
    if (ram_bytes > low)
        assert_int_equal(
            gmem_map(f->gm, X86_4GIB, ram_bytes - low, f->ram, low, 0, &f->e),
            0);
    f->conf = (BootConf){
        .kernel = { -1, "vmlinuz" },
        .initrd = { -1, "initrd" },
        .cmdline = "quiet",
        .ram_bytes = ram_bytes,
        .low_ram_max = 3ull << 30,
        .apic_ids = apic_ids,
        .vcpus = 2,
        .mptable = true,
    };
}

static void tear_down(Fixture *f)
{
    boot_free(f->boot);
    fd_close(&f->conf.kernel.fd);
    fd_close(&f->conf.initrd.fd);
    gmem_free(f->gm);
    ram_block_unref(f->ram);
}

static int load(Fixture *f)
{
    boot_free(f->boot);
    f->boot = NULL;
    f->e = (Err)ERR_INIT;
    return boot_load_x86(&f->boot, &f->conf, f->gm, &f->e);
}

static const uint8_t *at(Fixture *f, uint64_t gpa, size_t len)
{
    const uint8_t *p = gmem_ptr(f->gm, gpa, len, false);

    assert_non_null(p);
    return p;
}

/* --- bzImage ------------------------------------------------------------- */

#define BZ_LEN 0x4000

static void make_bzimage(uint8_t *image)
{
    memset(image, 0x5a, BZ_LEN);
    memset(image + 0x1f1, 0, 0x290 - 0x1f1);
    image[0x1f1] = 3; /* setup sectors: protected part at 0x800 */
    store_le16(image + 0x1fe, 0xaa55);
    image[0x200] = 0xeb;
    image[0x201] = 0x66;
    memcpy(image + 0x202, "HdrS", 4);
    store_le16(image + 0x206, 0x020f);
    image[0x211] = 1;
    store_le32(image + 0x214, 0x100000);
    store_le32(image + 0x22c, 0x7fffffff);
    store_le16(image + 0x236, 1);
    store_le32(image + 0x238, 2047);
    store_le64(image + 0x258, 0x1000000);
    store_le32(image + 0x260, 0x10000);
}

static void load_bzimage(Fixture *f, const uint8_t *image)
{
    fd_close(&f->conf.kernel.fd);
    f->conf.kernel.fd = file_of(image, BZ_LEN);
}

static void check_e820(const uint8_t *zp, unsigned i, uint64_t base,
                       uint64_t len, uint32_t type)
{
    const uint8_t *entry = zp + 0x2d0 + i * 20;

    assert_true(i < zp[0x1e8]);
    assert_true(load_le64(entry) == base);
    assert_true(load_le64(entry + 8) == len);
    assert_int_equal(load_le32(entry + 16), type);
}

static void test_bzimage(void **state)
{
    uint8_t image[BZ_LEN];
    uint8_t initrd[5000];
    Fixture f;
    const BootEntry *entry;
    const uint8_t *zp;

    set_up(&f, 128 * MIB);
    make_bzimage(image);
    image[0x800 + 77] = 0xa7;
    load_bzimage(&f, image);
    memset(initrd, 0x17, sizeof(initrd));
    f.conf.initrd.fd = file_of(initrd, sizeof(initrd));
    if (load(&f) < 0)
        fail_msg("%s", f.e.msg);
    entry = boot_entry(f.boot);
    assert_int_equal(entry->protocol, BOOT_LINUX64);
    assert_int_equal(entry->pc, 0x100200);
    assert_int_equal(entry->arg, 0x7000);
    assert_int_equal(entry->cr3, 0x9000);
    assert_int_equal(entry->sp, 0x8ff0);
    assert_memory_equal(at(&f, 0x100000, BZ_LEN - 0x800), image + 0x800,
                        BZ_LEN - 0x800);
    assert_true(load_le64(at(&f, 0x510, 8)) == 0x00af9b000000ffff);
    assert_int_equal(load_le64(at(&f, 0xb008, 8)), 0x200083);
    assert_string_equal((const char *)at(&f, 0x20000, 6), "quiet");
    assert_memory_equal(at(&f, 0x9fc00, 4), "_MP_", 4);
    assert_memory_equal(at(&f, 0xffff0, 6), "\xba\xf9\x0c\xb0\x0f\xee", 6);
    zp = at(&f, 0x7000, 4096);
    assert_int_equal(zp[0x210], 0xff);
    assert_int_equal(load_le32(zp + 0x228), 0x20000);
    assert_int_equal(load_le64(zp + 0x70), 0);
    assert_int_equal(load_le32(zp + 0x21c), sizeof(initrd));
    assert_int_equal(load_le32(zp + 0x218), 128 * MIB - 8192);
    assert_memory_equal(at(&f, 128 * MIB - 8192, sizeof(initrd)), initrd,
                        sizeof(initrd));
    assert_int_equal(zp[0x1e8], 4);
    check_e820(zp, 0, 0, 0x9fc00, 1);
    check_e820(zp, 1, 0x9fc00, 0x400, 2);
    check_e820(zp, 2, 0xd0000, 0x30000, 2);
    check_e820(zp, 3, 0x100000, 127 * MIB, 1);
    tear_down(&f);
}

/* 512 GiB: the map alone, nothing of it is touched. */
static void test_e820_extremes(void **state)
{
    const BootConf conf = { .ram_bytes = 512ull << 30,
                            .low_ram_max = 3ull << 30 };
    BootRange ranges[BOOT_RANGES_MAX];

    assert_int_equal(boot_ranges(&conf, ranges), 5);
    assert_true(ranges[3].base + ranges[3].len == 3ull << 30);
    assert_true(ranges[4].base == X86_4GIB);
    assert_true(ranges[4].len == 509ull << 30);
}

static void test_high_ram(void **state)
{
    uint8_t image[BZ_LEN];
    Fixture f;
    const uint8_t *zp;

    set_up(&f, 5ull << 30);
    make_bzimage(image);
    load_bzimage(&f, image);
    if (load(&f) < 0)
        fail_msg("%s", f.e.msg);
    zp = at(&f, 0x7000, 4096);
    check_e820(zp, 3, 0x100000, (3ull << 30) - 0x100000, 1);
    check_e820(zp, 4, X86_4GIB, 2ull << 30, 1);
    tear_down(&f);
}

typedef struct BadImage {
    unsigned off;
    uint32_t val;
    const char *text;
} BadImage;

static void test_bzimage_errors(void **state)
{
    static const BadImage bad[] = {
        { 0x206, 0x020b, "'vmlinuz' has no 64-bit entry point" },
        { 0x236, 0, "'vmlinuz' has no 64-bit entry point" },
        { 0x1f1, 0xff, "ends before its protected-mode part" },
        { 0x214, 0x8000, "wants to be loaded at 0x8000, below 1 MiB" },
        { 0x214, 0xfffff000, "to unpack itself: give the machine more" },
        { 0x260, 0xffffffff, "to unpack itself: give the machine more" },
    };
    uint8_t image[BZ_LEN];
    Fixture f;

    set_up(&f, 128 * MIB);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        make_bzimage(image);
        if (bad[i].off == 0x1f1)
            image[0x1f1] = (uint8_t)bad[i].val;
        else if (bad[i].off == 0x206 || bad[i].off == 0x236)
            store_le16(image + bad[i].off, (uint16_t)bad[i].val);
        else
            store_le32(image + bad[i].off, bad[i].val);
        load_bzimage(&f, image);
        assert_true(load(&f) < 0);
        if (!strstr(f.e.msg, bad[i].text))
            fail_msg("'%s' lacks '%s'", f.e.msg, bad[i].text);
    }
    make_bzimage(image);
    store_le32(image + 0x238, 4);
    load_bzimage(&f, image);
    assert_int_equal(load(&f), -E2BIG);
    assert_string_equal(f.e.msg, "the kernel command line has 5 bytes, but "
                                 "'vmlinuz' takes at most 4");
    tear_down(&f);
}

static void test_file_errors(void **state)
{
    uint8_t image[BZ_LEN];
    Fixture f;
    int fds[2];

    set_up(&f, 128 * MIB);
    f.conf.kernel.fd = file_of("", 0);
    assert_int_equal(load(&f), -EINVAL);
    assert_string_equal(f.e.msg, "'vmlinuz' is empty");
    make_bzimage(image);
    load_bzimage(&f, image);
    f.conf.initrd.fd = file_of("", 0);
    assert_int_equal(load(&f), -EINVAL);
    assert_string_equal(f.e.msg, "'initrd' is empty");
    assert_int_equal(ftruncate(f.conf.initrd.fd, 1ll << 40), 0);
    assert_int_equal(load(&f), -ENOSPC);
    assert_non_null(strstr(f.e.msg, "initrd 'initrd' (1048576 MiB)"));
    fd_close(&f.conf.initrd.fd);
    assert_int_equal(pipe(fds), 0);
    f.conf.initrd.fd = fds[0];
    assert_int_equal(load(&f), -EINVAL);
    assert_string_equal(f.e.msg, "'initrd' is not a regular file");
    close(fds[1]);
    tear_down(&f);
}

/* --- ELF ----------------------------------------------------------------- */

#define ELF_LEN 0x3000

typedef struct ElfImage {
    Elf64_Ehdr ehdr;
    Elf64_Phdr phdrs[2];
    uint8_t rest[ELF_LEN - sizeof(Elf64_Ehdr) - 2 * sizeof(Elf64_Phdr)];
} ElfImage;

static void make_elf(ElfImage *x, bool pvh)
{
    uint8_t *note = (uint8_t *)x + 0x1000;

    memset(x, 0, sizeof(*x));
    memcpy(x->ehdr.e_ident, ELFMAG, SELFMAG);
    x->ehdr.e_ident[EI_CLASS] = ELFCLASS64;
    x->ehdr.e_ident[EI_DATA] = ELFDATA2LSB;
    x->ehdr.e_machine = EM_X86_64;
    x->ehdr.e_phentsize = sizeof(Elf64_Phdr);
    x->ehdr.e_phnum = 2;
    x->ehdr.e_phoff = sizeof(Elf64_Ehdr);
    x->ehdr.e_entry = 0x1000010;
    x->phdrs[0] = (Elf64_Phdr){
        .p_type = PT_LOAD,
        .p_offset = 0x2000,
        .p_vaddr = 0xffffffff81000000,
        .p_paddr = 0x1000000,
        .p_filesz = 0x1000,
        .p_memsz = 0x3000,
    };
    x->phdrs[1] = (Elf64_Phdr){
        .p_type = pvh ? PT_NOTE : PT_NULL,
        .p_offset = 0x1000,
        .p_filesz = 0x100,
        .p_align = 4,
    };
    /* A foreign note first, with a name that needs padding. */
    store_le32(note, 5);
    store_le32(note + 4, 3);
    store_le32(note + 8, 18);
    memcpy(note + 12, "Abcd", 5);
    store_le32(note + 24, 4);
    store_le32(note + 28, 8);
    store_le32(note + 32, 18);
    memcpy(note + 36, "Xen", 4);
    store_le64(note + 40, 0x1000020);
    memset((uint8_t *)x + 0x2000, 0x77, 0x1000);
}

static void load_elf(Fixture *f, const ElfImage *x)
{
    fd_close(&f->conf.kernel.fd);
    f->conf.kernel.fd = file_of(x, sizeof(*x));
}

static void test_elf_pvh(void **state)
{
    static ElfImage x;
    const MicrovmAcpi acpi = { .apic_ids = apic_ids, .vcpus = 2 };
    const BootEntry *entry;
    const uint8_t *info;
    Fixture f;

    set_up(&f, 128 * MIB);
    make_elf(&x, true);
    load_elf(&f, &x);
    f.conf.acpi = &acpi;
    f.conf.initrd.fd = file_of("initrd", 6);
    assert_int_equal(gmem_set(f.gm, 0x1000000, 0xee, 0x4000), 0);
    if (load(&f) < 0)
        fail_msg("%s", f.e.msg);
    entry = boot_entry(f.boot);
    assert_int_equal(entry->protocol, BOOT_PVH);
    assert_int_equal(entry->pc, 0x1000020);
    assert_int_equal(entry->arg, 0x6000);
    assert_int_equal(at(&f, 0x1000fff, 1)[0], 0x77);
    assert_int_equal(at(&f, 0x1001000, 1)[0], 0);
    assert_int_equal(at(&f, 0x1002fff, 1)[0], 0);
    assert_int_equal(at(&f, 0x1003000, 1)[0], 0xee);
    info = at(&f, 0x6000, 0x200);
    assert_int_equal(load_le32(info), 0x336ec578);
    assert_int_equal(load_le32(info + 12), 1);
    assert_int_equal(load_le64(info + 32), ACPI_TABLES_GPA);
    assert_int_equal(load_le32(info + 48), 4);
    assert_int_equal(load_le64(info + 0x48), 6);
    assert_memory_equal(at(&f, load_le64(info + 0x40), 6), "initrd", 6);
    assert_memory_equal(at(&f, ACPI_TABLES_GPA, 8), "RSD PTR ", 8);
    tear_down(&f);
}

static void test_elf_linux64(void **state)
{
    static ElfImage x;
    Fixture f;

    set_up(&f, 128 * MIB);
    make_elf(&x, false);
    load_elf(&f, &x);
    assert_int_equal(load(&f), 0);
    assert_int_equal(boot_entry(f.boot)->protocol, BOOT_LINUX64);
    assert_int_equal(boot_entry(f.boot)->pc, 0x1000010);
    assert_memory_equal(at(&f, 0x7202, 4), "HdrS", 4);
    /* A virtual entry address becomes the physical one. */
    x.ehdr.e_entry = 0xffffffff81000030;
    load_elf(&f, &x);
    assert_int_equal(load(&f), 0);
    assert_int_equal(boot_entry(f.boot)->pc, 0x1000030);
    tear_down(&f);
}

static void expect_elf_error(Fixture *f, const ElfImage *x, const char *text)
{
    load_elf(f, x);
    assert_true(load(f) < 0);
    if (!strstr(f->e.msg, text))
        fail_msg("'%s' lacks '%s'", f->e.msg, text);
}

static void test_elf_errors(void **state)
{
    static ElfImage x;
    Fixture f;

    set_up(&f, 128 * MIB);
    make_elf(&x, true);
    x.ehdr.e_machine = EM_AARCH64;
    expect_elf_error(&f, &x, "is not an ELF file for x86-64");
    make_elf(&x, true);
    x.ehdr.e_phoff = UINT64_MAX - 8;
    expect_elf_error(&f, &x, "ends within its ELF program headers");
    make_elf(&x, true);
    x.ehdr.e_phnum = 1000;
    expect_elf_error(&f, &x, "1000 ELF program headers");
    make_elf(&x, true);
    x.phdrs[0].p_offset = UINT64_MAX;
    expect_elf_error(&f, &x, "segment beyond its end");
    make_elf(&x, true);
    x.phdrs[0].p_filesz = 0x4000;
    expect_elf_error(&f, &x, "segment beyond its end");
    make_elf(&x, true);
    x.phdrs[0].p_paddr = UINT64_MAX - 8;
    expect_elf_error(&f, &x, "segment beyond its end");
    make_elf(&x, true);
    x.phdrs[0].p_paddr = 0x7000;
    expect_elf_error(&f, &x, "segment at 0x7000, below 1 MiB");
    make_elf(&x, true);
    x.phdrs[0].p_memsz = 1ull << 40;
    expect_elf_error(&f, &x, "give the machine more (-m)");
    make_elf(&x, true);
    store_le64((uint8_t *)&x + 0x1000 + 40, 0x5000000);
    expect_elf_error(&f, &x, "entry point at 0x5000000, outside");
    tear_down(&f);
}

/* --- raw, restore -------------------------------------------------------- */

static void test_raw(void **state)
{
    Fixture f;

    set_up(&f, 128 * MIB);
    f.conf.kernel.fd = file_of("\x0f\x0b", 2);
    assert_int_equal(load(&f), 0);
    assert_int_equal(boot_entry(f.boot)->pc, 0x1000000);
    assert_memory_equal(at(&f, 0x1000000, 2), "\x0f\x0b", 2);
    assert_int_equal(ftruncate(f.conf.kernel.fd, 200ll << 20), 0);
    assert_int_equal(load(&f), -ENOSPC);
    assert_non_null(strstr(f.e.msg, "give it more (-m)"));
    tear_down(&f);
}

static void test_restore(void **state)
{
    static uint8_t before[2 * MIB];
    uint8_t image[BZ_LEN];
    Fixture f;

    set_up(&f, 128 * MIB);
    make_bzimage(image);
    load_bzimage(&f, image);
    assert_int_equal(load(&f), 0);
    memcpy(before, at(&f, 0, sizeof(before)), sizeof(before));
    assert_int_equal(gmem_set(f.gm, 0x500, 0xcc, 40), 0);
    assert_int_equal(gmem_set(f.gm, 0x7000, 0xcc, 0x1000), 0);
    assert_int_equal(gmem_set(f.gm, 0x9000, 0xcc, 0x3000), 0);
    assert_int_equal(gmem_set(f.gm, 0x20000, 0xcc, 6), 0);
    assert_int_equal(gmem_set(f.gm, 0x9fc00, 0xcc, 0x80), 0);
    assert_int_equal(gmem_set(f.gm, 0x100000, 0xcc, BZ_LEN - 0x800), 0);
    assert_int_equal(boot_restore(f.boot, f.gm, &f.e), 0);
    assert_memory_equal(at(&f, 0, sizeof(before)), before, sizeof(before));
    assert_int_equal(ftruncate(f.conf.kernel.fd, 100), 0);
    assert_int_equal(boot_restore(f.boot, f.gm, &f.e), -ENODATA);
    tear_down(&f);
}

/* --- mutations ----------------------------------------------------------- */

static uint64_t random_state = 0x9e3779b97f4a7c15;

static uint32_t random_next(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 32);
}

/*
 * Mutates headers and truncates.  Guard pages beyond guest memory are those of
 * the allocator; what matters is that loading ends, with 0 or a message.
 */
static void mutate(Fixture *f, const uint8_t *good, size_t len, size_t header)
{
    uint8_t *image = malloc(len);

    assert_non_null(image);
    for (int i = 0; i < 3000; i++) {
        size_t keep = random_next() % 8 ? len : random_next() % len + 1;
        unsigned changes = random_next() % 6;
        int r;

        memcpy(image, good, len);
        while (changes--) {
            size_t pos = random_next() % header;

            image[pos] = random_next() % 4 ? (uint8_t)random_next() : 0xff;
        }
        fd_close(&f->conf.kernel.fd);
        f->conf.kernel.fd = file_of(image, keep);
        r = load(f);
        if (r < 0)
            assert_true(f->e.msg[0] != 0);
        else
            assert_true(boot_entry(f->boot)->pc < f->conf.ram_bytes);
    }
    free(image);
}

static void test_mutations(void **state)
{
    static ElfImage x;
    uint8_t image[BZ_LEN];
    Fixture f;

    set_up(&f, 32 * MIB);
    make_bzimage(image);
    mutate(&f, image + 0, BZ_LEN, 0x290);
    make_elf(&x, true);
    mutate(&f, (const uint8_t *)&x, sizeof(x), 64 + 2 * 56);
    mutate(&f, (const uint8_t *)&x, sizeof(x), 0x1100);
    tear_down(&f);
}

/* Many small segments: the limit is a sentence, not an overrun. */
static void test_many_segments(void **state)
{
    static uint8_t image[0x2000];
    Elf64_Ehdr *h = (Elf64_Ehdr *)image;
    Fixture f;

    set_up(&f, 128 * MIB);
    memcpy(h->e_ident, ELFMAG, SELFMAG);
    h->e_ident[EI_CLASS] = ELFCLASS64;
    h->e_ident[EI_DATA] = ELFDATA2LSB;
    h->e_machine = EM_X86_64;
    h->e_phentsize = sizeof(Elf64_Phdr);
    h->e_phoff = 64;
    h->e_phnum = 32;
    h->e_entry = 0x100000;
    for (unsigned i = 0; i < 32; i++) {
        Elf64_Phdr p = { .p_type = PT_LOAD,
                         .p_paddr = 0x100000 + i * 0x1000,
                         .p_filesz = 8,
                         .p_memsz = 16 };

        memcpy(image + 64 + i * sizeof(p), &p, sizeof(p));
    }
    f.conf.kernel.fd = file_of(image, sizeof(image));
    assert_int_equal(load(&f), 0);
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bzimage),
        cmocka_unit_test(test_e820_extremes),
        cmocka_unit_test(test_high_ram),
        cmocka_unit_test(test_bzimage_errors),
        cmocka_unit_test(test_file_errors),
        cmocka_unit_test(test_elf_pvh),
        cmocka_unit_test(test_elf_linux64),
        cmocka_unit_test(test_elf_errors),
        cmocka_unit_test(test_raw),
        cmocka_unit_test(test_restore),
        cmocka_unit_test(test_mutations),
        cmocka_unit_test(test_many_segments),
    };

    alarm(300);
    return cmocka_run_group_tests_name("boot", tests, NULL, NULL);
}
