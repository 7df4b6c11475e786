/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* boot/elf.c - ELF kernels: segments, and the PVH entry note. */
#include <config.h>

#include "boot/boot_priv.h"
#include "util/bytes.h"
#include "util/cleanup.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

/* Xen's note with the 32-bit entry point of the PVH protocol. */
#define NOTE_XEN_PHYS32_ENTRY 18
#define NOTES_MAX             0x10000 /* bytes of one note segment looked at */
#define PHDRS_MAX             32

typedef struct ElfLoad {
    BootLoad *l;
    const char *name;
    Elf64_Ehdr ehdr;
    Elf64_Phdr phdrs[PHDRS_MAX];
    bool has_pvh;
    uint64_t pvh_entry;
} ElfLoad;

bool elf_detect(const BootLoad *l)
{
    return l->head_len >= SELFMAG && !memcmp(l->head, ELFMAG, SELFMAG);
}

static int read_headers(ElfLoad *x, Err *e)
{
    Elf64_Ehdr *h = &x->ehdr;

    if (x->l->head_len < sizeof(*h))
        return err_set(e, ENODATA, "'%s' ends within its ELF header", x->name);
    memcpy(h, x->l->head, sizeof(*h));
    if (h->e_ident[EI_CLASS] != ELFCLASS64 ||
        h->e_ident[EI_DATA] != ELFDATA2LSB || h->e_machine != EM_X86_64)
        return err_set(e, ENOEXEC, "'%s' is not an ELF file for x86-64",
                       x->name);
    if (h->e_phentsize != sizeof(Elf64_Phdr) || !h->e_phnum)
        return err_set(e, ENOEXEC, "'%s' has no ELF program headers", x->name);
    if (h->e_phnum > PHDRS_MAX)
        return err_set(e, E2BIG,
                       "'%s' has %u ELF program headers, more than %u", x->name,
                       h->e_phnum, PHDRS_MAX);
    if (!range_within(h->e_phoff, h->e_phnum * sizeof(Elf64_Phdr),
                      x->l->kernel_size))
        return err_set(e, ENODATA, "'%s' ends within its ELF program headers",
                       x->name);
    if (range_within(h->e_phoff, h->e_phnum * sizeof(Elf64_Phdr),
                     x->l->head_len)) {
        memcpy(x->phdrs, x->l->head + h->e_phoff,
               h->e_phnum * sizeof(Elf64_Phdr));
        return 0;
    }
    return boot_pread(&x->l->conf->kernel, x->phdrs,
                      h->e_phnum * sizeof(Elf64_Phdr), h->e_phoff, e);
}

static int load_segment(ElfLoad *x, const Elf64_Phdr *p, Err *e)
{
    uint64_t end = p->p_paddr + p->p_memsz;
    int r;

    if (p->p_filesz > p->p_memsz || end < p->p_paddr ||
        !range_within(p->p_offset, p->p_filesz, x->l->kernel_size))
        return err_set(e, ENOEXEC, "'%s' has an ELF segment beyond its end",
                       x->name);
    if (p->p_paddr < X86_HIGH_GPA)
        return err_set(e, ENOEXEC,
                       "'%s' has an ELF segment at 0x%llx, below 1 MiB",
                       x->name, (unsigned long long)p->p_paddr);
    if (end > boot_low_ram(x->l->conf))
        return err_set(e, ENOSPC,
                       "'%s' needs memory up to 0x%llx: give the machine more "
                       "(-m)",
                       x->name, (unsigned long long)end);
    x->l->kernel_end = MAX(x->l->kernel_end, end);
    r = boot_put_file(x->l, p->p_paddr, p->p_filesz, &x->l->conf->kernel,
                      p->p_offset, e);
    if (r < 0)
        return r;
    return boot_put_zeros(x->l, p->p_paddr + p->p_filesz,
                          p->p_memsz - p->p_filesz, e);
}

/* Looks for the note in @len bytes of notes aligned to @align. */
static void scan_notes(ElfLoad *x, const uint8_t *buf, size_t len, size_t align)
{
    size_t pos = 0;

    while (range_within(pos, sizeof(Elf64_Nhdr), len)) {
        size_t name_size = load_le32(buf + pos);
        size_t desc_size = load_le32(buf + pos + 4);
        uint32_t type = load_le32(buf + pos + 8);
        size_t name = pos + sizeof(Elf64_Nhdr);
        size_t desc = name + align_up(name_size, align);

        if (!range_within(name, name_size, len) ||
            !range_within(desc, desc_size, len))
            return;
        if (type == NOTE_XEN_PHYS32_ENTRY && name_size == 4 &&
            !memcmp(buf + name, "Xen", 4) && desc_size >= 4) {
            x->has_pvh = true;
            x->pvh_entry =
                desc_size >= 8 ? load_le64(buf + desc) : load_le32(buf + desc);
            return;
        }
        pos = desc + align_up(desc_size, align);
    }
}

static int read_notes(ElfLoad *x, const Elf64_Phdr *p, Err *e)
{
    uint8_t *buf CLEANUP(ptr_free) = NULL;
    size_t len = MIN(p->p_filesz, (uint64_t)NOTES_MAX);
    int r;

    if (!len || !range_within(p->p_offset, len, x->l->kernel_size))
        return 0; /* no note: the loader decides what that means */
    buf = malloc(len);
    if (!buf)
        return err_sys(e, ENOMEM, "cannot read '%s'", x->name);
    r = boot_pread(&x->l->conf->kernel, buf, len, p->p_offset, e);
    if (r == 0)
        scan_notes(x, buf, len, p->p_align == 8 ? 8 : 4);
    return r;
}

/* @addr as the processor sees it before paging; false: in no segment. */
static bool to_physical(const ElfLoad *x, uint64_t *addr)
{
    for (unsigned i = 0; i < x->ehdr.e_phnum; i++) {
        const Elf64_Phdr *p = &x->phdrs[i];

        if (p->p_type == PT_LOAD && *addr - p->p_paddr < p->p_memsz)
            return true;
    }
    for (unsigned i = 0; i < x->ehdr.e_phnum; i++) {
        const Elf64_Phdr *p = &x->phdrs[i];

        if (p->p_type == PT_LOAD && *addr - p->p_vaddr < p->p_memsz) {
            *addr = *addr - p->p_vaddr + p->p_paddr;
            return true;
        }
    }
    return false;
}

static int set_entry(ElfLoad *x, Err *e)
{
    BootEntry *entry = &x->l->boot->entry;

    entry->protocol = x->has_pvh ? BOOT_PVH : BOOT_LINUX64;
    entry->pc = x->has_pvh ? x->pvh_entry : x->ehdr.e_entry;
    if (!to_physical(x, &entry->pc))
        return err_set(e, ENOEXEC,
                       "'%s' has its entry point at 0x%llx, outside what it "
                       "loads",
                       x->name, (unsigned long long)entry->pc);
    return 0;
}

int elf_load(BootLoad *l, Err *e)
{
    ElfLoad x = { .l = l, .name = l->conf->kernel.name };
    int r = read_headers(&x, e);

    for (unsigned i = 0; i < x.ehdr.e_phnum && r == 0; i++) {
        if (x.phdrs[i].p_type == PT_LOAD)
            r = load_segment(&x, &x.phdrs[i], e);
        else if (x.phdrs[i].p_type == PT_NOTE && !x.has_pvh)
            r = read_notes(&x, &x.phdrs[i], e);
    }
    return r < 0 ? r : set_entry(&x, e);
}
