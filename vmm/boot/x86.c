/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* boot/x86.c - direct boot on x86: everything a kernel finds beside itself. */
#include <config.h>

#include "boot/boot_priv.h"
#include "util/bytes.h"
#include "util/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Offsets in the zero page (Linux boot protocol). */
#define ZP_RSDP          0x070
#define ZP_EXT_RAMDISK   0x0c0
#define ZP_E820_ENTRIES  0x1e8
#define ZP_BOOT_FLAG     0x1fe
#define ZP_MAGIC         0x202
#define ZP_VERSION       0x206
#define ZP_LOADER        0x210
#define ZP_LOADFLAGS     0x211
#define ZP_RAMDISK       0x218
#define ZP_RAMDISK_SIZE  0x21c
#define ZP_CMDLINE       0x228
#define ZP_CMDLINE_SIZE  0x238
#define ZP_E820          0x2d0
#define ZP_E820_ENTRY    20
#define ZP_LEN           0x1000
#define ZP_LOADER_OTHER  0xff
#define ZP_LOADFLAG_HIGH 1

/* PVH start info, version 1. */
#define PVH_MAGIC       0x336ec578u
#define PVH_INFO_LEN    56
#define PVH_MODULE_LEN  32
#define PVH_MODULE_OFF  0x40
#define PVH_MEMMAP_OFF  0x80
#define PVH_MEMMAP_LEN  24
#define PVH_TABLE_BYTES (PVH_MEMMAP_OFF + BOOT_RANGES_MAX * PVH_MEMMAP_LEN)

/* --- processor tables ---------------------------------------------------- */

static int put_gdt(BootLoad *l, Err *e)
{
    bool pvh = l->boot->entry.protocol == BOOT_PVH;
    uint8_t tables[40] = { 0 }; /* four descriptors and one empty gate */
    BootEntry *entry = &l->boot->entry;

    store_le64(tables + 16, pvh ? 0x00cf9b000000ffff : 0x00af9b000000ffff);
    store_le64(tables + 24, 0x00cf93000000ffff);
    entry->gdt_gpa = X86_GDT_GPA;
    entry->gdt_limit = 31;
    entry->idt_gpa = X86_IDT_GPA;
    entry->idt_limit = 7;
    return boot_put_bytes(l, X86_GDT_GPA, tables, sizeof(tables), e);
}

/* The first GiB, onto itself. */
static int put_page_tables(BootLoad *l, Err *e)
{
    uint8_t table[4096];
    int r;

    l->boot->entry.cr3 = X86_PML4_GPA;
    memset(table, 0, sizeof(table));
    store_le64(table, X86_PDPT_GPA | 3);
    r = boot_put_zeros(l, X86_PML4_GPA, X86_PD_GPA - X86_PML4_GPA, e);
    if (r == 0)
        r = boot_put_bytes(l, X86_PML4_GPA, table, 8, e);
    store_le64(table, X86_PD_GPA | 3);
    if (r == 0)
        r = boot_put_bytes(l, X86_PDPT_GPA, table, 8, e);
    for (uint64_t i = 0; i < 512; i++)
        store_le64(table + i * 8, i << 21 | 0x83);
    return r < 0 ? r : boot_put_bytes(l, X86_PD_GPA, table, sizeof(table), e);
}

/* --- command line, initrd ------------------------------------------------ */

static int put_cmdline(BootLoad *l, Err *e)
{
    const char *cmdline = l->conf->cmdline ? l->conf->cmdline : "";

    l->cmdline_len = strlen(cmdline);
    if (l->cmdline_len > l->cmdline_limit)
        return err_set(e, E2BIG,
                       "the kernel command line has %zu bytes, but '%s' takes "
                       "at most %llu",
                       l->cmdline_len, l->conf->kernel.name,
                       (unsigned long long)l->cmdline_limit);
    return boot_put_bytes(l, X86_CMDLINE_GPA, cmdline, l->cmdline_len + 1, e);
}

static int file_size(const BootFile *file, uint64_t *ret_size, Err *e)
{
    struct stat st;

    if (fstat(file->fd, &st) < 0)
        return err_sys(e, errno, "cannot read '%s'", file->name);
    if (!S_ISREG(st.st_mode))
        return err_set(e, EINVAL, "'%s' is not a regular file", file->name);
    if (st.st_size <= 0)
        return err_set(e, EINVAL, "'%s' is empty", file->name);
    *ret_size = (uint64_t)st.st_size;
    return 0;
}

static int put_initrd(BootLoad *l, Err *e)
{
    const BootFile *file = &l->conf->initrd;
    uint64_t limit = MIN(l->initrd_limit, boot_low_ram(l->conf));
    uint64_t floor = align_up(MAX(l->kernel_end, X86_HIGH_GPA), 4096);
    int r;

    if (file->fd < 0)
        return 0;
    r = file_size(file, &l->initrd_len, e);
    if (r < 0)
        return r;
    if (limit < floor || l->initrd_len > limit - floor)
        return err_set(e, ENOSPC,
                       "initrd '%s' (%llu MiB) does not fit between the kernel "
                       "and 0x%llx: give the machine more memory (-m) or use a "
                       "smaller initrd",
                       file->name, (unsigned long long)(l->initrd_len >> 20),
                       (unsigned long long)limit);
    l->initrd_gpa = align_down(limit - l->initrd_len, 4096);
    return boot_put_file(l, l->initrd_gpa, l->initrd_len, file, 0, e);
}

/* --- what the entry protocols hand over ---------------------------------- */

static int put_zero_page(BootLoad *l, uint8_t *zp, Err *e)
{
    BootRange ranges[BOOT_RANGES_MAX];
    unsigned n = boot_ranges(l->conf, ranges);

    zp[ZP_LOADER] = ZP_LOADER_OTHER;
    zp[ZP_LOADFLAGS] |= ZP_LOADFLAG_HIGH;
    store_le32(zp + ZP_CMDLINE, X86_CMDLINE_GPA);
    store_le32(zp + ZP_CMDLINE_SIZE, (uint32_t)l->cmdline_len);
    store_le32(zp + ZP_RAMDISK, (uint32_t)l->initrd_gpa);
    store_le32(zp + ZP_RAMDISK_SIZE, (uint32_t)l->initrd_len);
    store_le64(zp + ZP_RSDP, l->conf->acpi ? ACPI_TABLES_GPA : 0);
    zp[ZP_E820_ENTRIES] = (uint8_t)n;
    for (unsigned i = 0; i < n; i++) {
        uint8_t *entry = zp + ZP_E820 + i * ZP_E820_ENTRY;

        store_le64(entry, ranges[i].base);
        store_le64(entry + 8, ranges[i].len);
        store_le32(entry + 16, ranges[i].type);
    }
    l->boot->entry.arg = X86_ZERO_PAGE;
    return boot_put_bytes(l, X86_ZERO_PAGE, zp, ZP_LEN, e);
}

/* For kernels that bring no setup header. */
static void zero_page_synthetic(uint8_t *zp)
{
    store_le16(zp + ZP_BOOT_FLAG, 0xaa55);
    memcpy(zp + ZP_MAGIC, "HdrS", 4);
    store_le16(zp + ZP_VERSION, 0x0200);
}

static int put_pvh_info(BootLoad *l, Err *e)
{
    BootRange ranges[BOOT_RANGES_MAX];
    unsigned n = boot_ranges(l->conf, ranges);
    uint8_t info[PVH_TABLE_BYTES] = { 0 };
    uint8_t *module = info + PVH_MODULE_OFF;

    store_le32(info, PVH_MAGIC);
    store_le32(info + 4, 1); /* version */
    if (l->initrd_len) {
        store_le32(info + 12, 1);
        store_le64(info + 16, X86_PVH_INFO_GPA + PVH_MODULE_OFF);
        store_le64(module, l->initrd_gpa);
        store_le64(module + 8, l->initrd_len);
    }
    store_le64(info + 24, X86_CMDLINE_GPA);
    store_le64(info + 32, l->conf->acpi ? ACPI_TABLES_GPA : 0);
    store_le64(info + 40, X86_PVH_INFO_GPA + PVH_MEMMAP_OFF);
    store_le32(info + 48, n);
    for (unsigned i = 0; i < n; i++) {
        uint8_t *entry = info + PVH_MEMMAP_OFF + i * PVH_MEMMAP_LEN;

        store_le64(entry, ranges[i].base);
        store_le64(entry + 8, ranges[i].len);
        store_le32(entry + 16, ranges[i].type);
    }
    l->boot->entry.arg = X86_PVH_INFO_GPA;
    return boot_put_bytes(l, X86_PVH_INFO_GPA, info, sizeof(info), e);
}

/* --- machine tables ------------------------------------------------------ */

static int put_mptable(BootLoad *l, Err *e)
{
    uint8_t table[8192];
    size_t len = mptable_build(table, sizeof(table), X86_MPTABLE_GPA,
                               l->conf->apic_ids, l->conf->vcpus);

    return boot_put_bytes(l, X86_MPTABLE_GPA, table, len, e);
}

static int put_acpi(BootLoad *l, Err *e)
{
    const MicrovmAcpi *acpi = l->conf->acpi;
    uint8_t *tables CLEANUP(ptr_free) = NULL;
    uint8_t state[ACPI_SLOTS_MAX * 2] = { 0 };
    size_t len;
    int r = acpi_microvm_build(acpi, ACPI_TABLES_GPA, &tables, &len, e);

    if (r == 0)
        r = boot_put_bytes(l, ACPI_TABLES_GPA, tables, len, e);
    if (r < 0 || !acpi->slot_state_gpa)
        return r;
    for (unsigned i = 0; i < acpi->num_slots && i < ACPI_SLOTS_MAX; i++)
        state[i * 2] = acpi->slots[i].present ? 0xf : 0;
    return boot_put_bytes(l, acpi->slot_state_gpa, state, sizeof(state), e);
}

/*
 * What stands at the reset vector in place of firmware.  Linux on reduced
 * hardware without EFI ends up here to reboot: it goes back to real mode and
 * jumps to it.  This writes the reset register, then waits.
 */
static int put_reset_vector(BootLoad *l, Err *e)
{
    const uint8_t code[] = {
        0xba,
        ACPI_PORT_RESET & 0xff,
        ACPI_PORT_RESET >> 8, /* mov dx */
        0xb0,
        ACPI_RESET_VALUE, /* mov al */
        0xee,             /* out dx, al */
        0xf4,             /* hlt */
        0xeb,
        0xfd, /* jmp to hlt */
    };

    return boot_put_bytes(l, X86_RESET_VECTOR, code, sizeof(code), e);
}

/* --- kernel -------------------------------------------------------------- */

static int load_raw(BootLoad *l, Err *e)
{
    l->boot->entry.protocol = BOOT_LINUX64;
    l->boot->entry.pc = X86_RAW_GPA;
    l->kernel_end = X86_RAW_GPA + l->kernel_size;
    return boot_put_file(l, X86_RAW_GPA, l->kernel_size, &l->conf->kernel, 0,
                         e);
}

static int load_kernel(BootLoad *l, uint8_t *zero_page, Err *e)
{
    int r;

    if (bzimage_detect(l))
        return bzimage_load(l, zero_page, e);
    zero_page_synthetic(zero_page);
    r = elf_detect(l) ? elf_load(l, e) : load_raw(l, e);
    return r;
}

static int load(BootLoad *l, Err *e)
{
    uint8_t zero_page[ZP_LEN] = { 0 };
    int r = file_size(&l->conf->kernel, &l->kernel_size, e);

    if (r < 0)
        return r;
    l->head_len = MIN(l->kernel_size, sizeof(l->head));
    l->initrd_limit = X86_INITRD_LIMIT;
    l->cmdline_limit = X86_CMDLINE_MAX - 1;
    l->boot->entry.sp = X86_STACK;
    r = boot_pread(&l->conf->kernel, l->head, l->head_len, 0, e);
    if (r == 0)
        r = load_kernel(l, zero_page, e);
    if (r == 0)
        r = put_initrd(l, e);
    if (r == 0)
        r = put_cmdline(l, e);
    if (r == 0)
        r = put_gdt(l, e);
    if (r == 0 && l->boot->entry.protocol == BOOT_PVH)
        r = put_pvh_info(l, e);
    if (r == 0 && l->boot->entry.protocol == BOOT_LINUX64)
        r = put_page_tables(l, e);
    if (r == 0 && l->boot->entry.protocol == BOOT_LINUX64)
        r = put_zero_page(l, zero_page, e);
    if (r == 0)
        r = put_reset_vector(l, e);
    if (r == 0 && l->conf->mptable)
        r = put_mptable(l, e);
    if (r == 0 && l->conf->acpi)
        r = put_acpi(l, e);
    return r;
}

int boot_load_x86(Boot **ret_boot, const BootConf *conf, GuestMem *gm, Err *e)
{
    BootLoad l = { .gm = gm, .conf = conf };
    int r;

    l.boot = calloc(1, sizeof(*l.boot));
    if (!l.boot)
        return err_sys(e, ENOMEM, "cannot load the kernel");
    r = load(&l, e);
    if (r < 0) {
        boot_free(l.boot);
        return r;
    }
    *ret_boot = l.boot;
    return 0;
}
