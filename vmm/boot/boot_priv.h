/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* boot/boot_priv.h - pieces that are placed in guest memory, and remembered. */
#pragma once

#include "boot/boot.h"

/* Fixed places of an x86 boot, all inside the first MiB. */
#define X86_GDT_GPA      0x500ull
#define X86_IDT_GPA      0x520ull
#define X86_PVH_INFO_GPA 0x6000ull
#define X86_ZERO_PAGE    0x7000ull
#define X86_STACK        0x8ff0ull
#define X86_PML4_GPA     0x9000ull
#define X86_PDPT_GPA     0xA000ull
#define X86_PD_GPA       0xB000ull
#define X86_CMDLINE_GPA  0x20000ull
#define X86_CMDLINE_MAX  0x10000ull
#define X86_MPTABLE_GPA  0x9FC00ull
#define X86_EBDA_GPA     0x9FC00ull
#define X86_VGA_GPA      0xA0000ull
#define X86_RESET_VECTOR 0xFFFF0ull
#define X86_HIGH_GPA     0x100000ull
#define X86_RAW_GPA      0x1000000ull
#define X86_INITRD_LIMIT 0x38000000ull /* first byte behind an initrd */
#define X86_4GIB         0x100000000ull

/* e820 and PVH use the same numbers. */
#define X86_MAP_RAM      1
#define X86_MAP_RESERVED 2

/* A piece: from @fd at @off, or @bytes, or zeros when neither. */
typedef struct BootPiece {
    uint64_t gpa;
    uint64_t len;
    int fd; /* borrowed; -1 */
    uint64_t off;
    uint8_t *bytes; /* owned */
} BootPiece;

#define BOOT_PIECES_MAX 96

struct Boot {
    BootEntry entry;
    BootPiece pieces[BOOT_PIECES_MAX];
    unsigned num_pieces;
};

/* One range of RAM or reserved space, for e820 and PVH. */
typedef struct BootRange {
    uint64_t base;
    uint64_t len;
    uint32_t type;
} BootRange;

#define BOOT_RANGES_MAX 8

/* What the steps of one load hand each other. */
typedef struct BootLoad {
    Boot *boot;
    GuestMem *gm;
    const BootConf *conf;
    uint64_t kernel_size;
    uint8_t head[4096]; /* first bytes of the kernel */
    size_t head_len;
    uint64_t kernel_end;    /* gpa behind what the kernel needs */
    uint64_t initrd_limit;  /* gpa behind the highest initrd */
    uint64_t cmdline_limit; /* bytes, without the NUL */
    uint64_t initrd_gpa;
    uint64_t initrd_len;
    size_t cmdline_len;
} BootLoad;

/* --- boot.c -------------------------------------------------------------- */
int boot_put_file(BootLoad *l, uint64_t gpa, uint64_t len, const BootFile *file,
                  uint64_t off, Err *e);
int boot_put_bytes(BootLoad *l, uint64_t gpa, const void *bytes, size_t len,
                   Err *e);
int boot_put_zeros(BootLoad *l, uint64_t gpa, uint64_t len, Err *e);
/* Reads exactly @len bytes. */
int boot_pread(const BootFile *file, void *buf, size_t len, uint64_t off,
               Err *e);
uint64_t boot_low_ram(const BootConf *conf);
unsigned boot_ranges(const BootConf *conf, BootRange ranges[BOOT_RANGES_MAX]);

/* --- bzimage.c, elf.c ---------------------------------------------------- */
bool bzimage_detect(const BootLoad *l);
/* @header: the zero page's setup header, filled */
int bzimage_load(BootLoad *l, uint8_t *zero_page, Err *e);
bool elf_detect(const BootLoad *l);
int elf_load(BootLoad *l, Err *e); /* sets entry.protocol and entry.pc */

/* --- mptable.c ----------------------------------------------------------- */
#define MPTABLE_CPUS_MAX 254
/* Return: bytes, at most @max */
size_t mptable_build(uint8_t *buf, size_t max, uint32_t gpa,
                     const uint32_t *apic_ids, unsigned vcpus);
