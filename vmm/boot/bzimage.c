/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* boot/bzimage.c - Linux bzImage, 64-bit entry.  Spec: Linux boot protocol. */
#include <config.h>

#include "boot/boot_priv.h"
#include "util/bytes.h"
#include "util/cleanup.h"

#include <errno.h>
#include <string.h>

#define HDR_SETUP_SECTS   0x1f1 /* start of the setup header */
#define HDR_JUMP_LEN      0x201 /* the header ends so far behind 0x202 */
#define HDR_MAGIC         0x202
#define HDR_VERSION       0x206
#define HDR_LOADFLAGS     0x211
#define HDR_CODE32        0x214
#define HDR_INITRD_MAX    0x22c
#define HDR_CMDLINE_SIZE  0x238
#define HDR_XLOADFLAGS    0x236
#define HDR_PREF_ADDRESS  0x258
#define HDR_INIT_SIZE     0x260
#define HDR_END_MAX       0x290 /* what the zero page has room for */
#define HDR_LEN_MIN       0x268 /* as far as protocol 2.12 reaches */
#define LOADFLAG_HIGH     0x01
#define XLOADFLAG_64      0x01
#define ENTRY64_OFF       0x200
#define VERSION_MIN       0x0202
#define VERSION_ENTRY64   0x020c
#define SECTOR            512u
#define SETUP_SECTS_UNSET 4

bool bzimage_detect(const BootLoad *l)
{
    return l->head_len >= HDR_MAGIC + 4 + 16 &&
           !memcmp(l->head + HDR_MAGIC, "HdrS", 4) &&
           load_le16(l->head + HDR_VERSION) >= VERSION_MIN &&
           (l->head[HDR_LOADFLAGS] & LOADFLAG_HIGH);
}

static int check_header(const BootLoad *l, Err *e)
{
    unsigned version = load_le16(l->head + HDR_VERSION);

    if (l->head_len < HDR_LEN_MIN)
        return err_set(e, ENODATA, "'%s' ends within its setup header",
                       l->conf->kernel.name);
    if (version < VERSION_ENTRY64 ||
        !(load_le16(l->head + HDR_XLOADFLAGS) & XLOADFLAG_64))
        return err_set(
            e, ENOEXEC,
            "'%s' has no 64-bit entry point (boot protocol %u.%02u): "
            "use a 64-bit Linux 3.8 or newer",
            l->conf->kernel.name, version >> 8, version & 0xff);
    return 0;
}

/* Where the kernel unpacks itself to, and how much it needs there. */
static void note_needs(BootLoad *l, uint64_t load_gpa, uint64_t len)
{
    uint64_t pref = load_le64(l->head + HDR_PREF_ADDRESS);
    uint64_t init = load_le32(l->head + HDR_INIT_SIZE);
    uint64_t start = MAX(load_gpa, MIN(pref, X86_4GIB));
    uint64_t initrd_max = load_le32(l->head + HDR_INITRD_MAX);
    uint64_t cmdline_size = load_le32(l->head + HDR_CMDLINE_SIZE);

    l->kernel_end = MAX(load_gpa + len, start + init);
    if (initrd_max)
        l->initrd_limit = MIN(l->initrd_limit, initrd_max + 1);
    if (cmdline_size)
        l->cmdline_limit = MIN(l->cmdline_limit, cmdline_size);
}

int bzimage_load(BootLoad *l, uint8_t *zero_page, Err *e)
{
    unsigned sects = l->head[HDR_SETUP_SECTS];
    uint64_t off = ((sects ? sects : SETUP_SECTS_UNSET) + 1) * SECTOR;
    uint64_t load_gpa = load_le32(l->head + HDR_CODE32);
    size_t header_end = HDR_MAGIC + (size_t)l->head[HDR_JUMP_LEN];
    int r = check_header(l, e);

    if (r < 0)
        return r;
    if (off >= l->kernel_size)
        return err_set(e, ENODATA, "'%s' ends before its protected-mode part",
                       l->conf->kernel.name);
    if (!load_gpa)
        load_gpa = X86_HIGH_GPA;
    if (load_gpa < X86_HIGH_GPA)
        return err_set(e, ENOEXEC,
                       "'%s' wants to be loaded at 0x%llx, below 1 MiB",
                       l->conf->kernel.name, (unsigned long long)load_gpa);
    note_needs(l, load_gpa, l->kernel_size - off);
    if (l->kernel_end > boot_low_ram(l->conf))
        return err_set(e, ENOSPC,
                       "'%s' needs %llu MiB to unpack itself: give the machine "
                       "more memory (-m)",
                       l->conf->kernel.name,
                       (unsigned long long)(l->kernel_end >> 20));
    header_end = MIN(header_end, MIN((size_t)HDR_END_MAX, l->head_len));
    memcpy(zero_page + HDR_SETUP_SECTS, l->head + HDR_SETUP_SECTS,
           header_end - HDR_SETUP_SECTS);
    l->boot->entry.protocol = BOOT_LINUX64;
    l->boot->entry.pc = load_gpa + ENTRY64_OFF;
    return boot_put_file(l, load_gpa, l->kernel_size - off, &l->conf->kernel,
                         off, e);
}
