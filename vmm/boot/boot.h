/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* boot/boot.h - put a kernel and what it needs into guest memory. */
#pragma once

#include "boot/acpi.h"
#include "mem/mem.h"
#include "util/err.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * How this works
 *
 * boot_load_x86() looks at the kernel's first bytes, chooses the entry
 * protocol, and reads the file straight into guest memory.  The result, a
 * Boot, remembers every piece that was placed: from which file and offset, or
 * its bytes when it was made here.  boot_restore() places all of it again
 * after a reset.
 *
 *   bzImage (HdrS, protocol 2.12 with a 64-bit entry)  BOOT_LINUX64
 *   ELF with a Xen PVH note                            BOOT_PVH
 *   ELF x86-64 without one                             BOOT_LINUX64 at e_entry
 *   anything else: verbatim at 16 MiB                  BOOT_LINUX64
 */
typedef enum BootProtocol {
    BOOT_LINUX64, /* 64-bit, paging on, rsi = zero page */
    BOOT_PVH,     /* 32-bit, paging off, rbx = start info */
    BOOT_PROTOCOL_MAX
} BootProtocol;

/* Registers of the first processor; all others wait for INIT. */
typedef struct BootEntry {
    BootProtocol protocol;
    uint64_t pc;
    uint64_t arg; /* rsi or rbx */
    uint64_t sp;
    uint64_t cr3; /* 0 for BOOT_PVH */
    uint64_t gdt_gpa;
    uint16_t gdt_limit;
    uint64_t idt_gpa;
    uint16_t idt_limit;
} BootEntry;

/* A file that stays open as long as the Boot lives. */
typedef struct BootFile {
    int fd;           /* borrowed; -1 none */
    const char *name; /* for messages: borrowed during the call */
} BootFile;

typedef struct BootConf {
    BootFile kernel;
    BootFile initrd;
    const char *cmdline; /* complete; NULL empty */
    uint64_t ram_bytes;
    uint64_t low_ram_max;     /* RAM below 4 GiB: 3 GiB on microvm */
    const MicrovmAcpi *acpi;  /* NULL: no tables */
    const uint32_t *apic_ids; /* of the MP table; borrowed */
    unsigned vcpus;
    bool mptable;
} BootConf;

typedef struct Boot Boot;

int boot_load_x86(Boot **ret_boot, const BootConf *conf, GuestMem *gm, Err *e);
void boot_free(Boot *boot);
const BootEntry *boot_entry(const Boot *boot);

/**
 * boot_restore() - Place everything again, as a reset must
 *
 * Reads the files again.  Memory that boot code did not write is left alone.
 * Thread: main loop, vCPUs paused
 */
int boot_restore(const Boot *boot, GuestMem *gm, Err *e);
