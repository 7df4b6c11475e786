/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* boot/boot.c - places pieces in guest memory and can do so again. */
#include <config.h>

#include "boot/boot.h"

#include "boot/boot_priv.h"
#include "util/bytes.h"
#include "util/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- pieces -------------------------------------------------------------- */

static int read_full(int fd, void *buf, uint64_t len, uint64_t off)
{
    uint8_t *to = buf;

    while (len) {
        ssize_t n = pread(fd, to, len, (off_t)off);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -ENODATA;
        to += n;
        off += (uint64_t)n;
        len -= (uint64_t)n;
    }
    return 0;
}

int boot_pread(const BootFile *file, void *buf, size_t len, uint64_t off,
               Err *e)
{
    int r = read_full(file->fd, buf, len, off);

    return r < 0 ? err_sys(e, -r, "cannot read '%s'", file->name) : 0;
}

/* A range of guest memory is one piece of host memory but at its 4 GiB gap. */
static int piece_place(const BootPiece *p, GuestMem *gm)
{
    uint8_t *to;

    if (p->bytes)
        return gmem_write(gm, p->gpa, p->bytes, p->len);
    if (p->fd < 0)
        return gmem_set(gm, p->gpa, 0, p->len);
    to = gmem_ptr(gm, p->gpa, p->len, true);
    if (!to)
        return -EFAULT;
    gmem_dirty(gm, to, p->len);
    return read_full(p->fd, to, p->len, p->off);
}

static int piece_add(BootLoad *l, const BootPiece *p, const char *what, Err *e)
{
    Boot *boot = l->boot;
    int r;

    if (boot->num_pieces == BOOT_PIECES_MAX) {
        free(p->bytes);
        return err_set(e, E2BIG, "'%s' has too many segments",
                       l->conf->kernel.name);
    }
    boot->pieces[boot->num_pieces++] = *p;
    r = piece_place(p, l->gm);
    if (r == -EFAULT)
        return err_set(e, ENOSPC,
                       "%s needs guest memory 0x%llx to 0x%llx, which the "
                       "machine does not have: give it more (-m)",
                       what, (unsigned long long)p->gpa,
                       (unsigned long long)(p->gpa + p->len - 1));
    if (r == -ENODATA)
        return err_set(e, ENODATA, "'%s' ends before its last byte", what);
    return r < 0 ? err_sys(e, -r, "cannot load '%s'", what) : 0;
}

int boot_put_file(BootLoad *l, uint64_t gpa, uint64_t len, const BootFile *file,
                  uint64_t off, Err *e)
{
    const BootPiece p = { .gpa = gpa, .len = len, .fd = file->fd, .off = off };

    return len ? piece_add(l, &p, file->name, e) : 0;
}

int boot_put_bytes(BootLoad *l, uint64_t gpa, const void *bytes, size_t len,
                   Err *e)
{
    BootPiece p = { .gpa = gpa, .len = len, .fd = -1 };

    p.bytes = malloc(len);
    if (!p.bytes)
        return err_sys(e, ENOMEM, "cannot prepare boot data");
    memcpy(p.bytes, bytes, len);
    return piece_add(l, &p, "boot data", e);
}

int boot_put_zeros(BootLoad *l, uint64_t gpa, uint64_t len, Err *e)
{
    const BootPiece p = { .gpa = gpa, .len = len, .fd = -1 };

    return len ? piece_add(l, &p, l->conf->kernel.name, e) : 0;
}

int boot_restore(const Boot *boot, GuestMem *gm, Err *e)
{
    for (unsigned i = 0; i < boot->num_pieces; i++) {
        int r = piece_place(&boot->pieces[i], gm);

        if (r < 0)
            return err_sys(e, -r, "cannot load the kernel again for a reset");
    }
    return 0;
}

void boot_free(Boot *boot)
{
    if (!boot)
        return;
    for (unsigned i = 0; i < boot->num_pieces; i++)
        free(boot->pieces[i].bytes);
    free(boot);
}

const BootEntry *boot_entry(const Boot *boot)
{
    return &boot->entry;
}

/* --- memory map ---------------------------------------------------------- */

uint64_t boot_low_ram(const BootConf *conf)
{
    return MIN(conf->ram_bytes, conf->low_ram_max);
}

unsigned boot_ranges(const BootConf *conf, BootRange ranges[BOOT_RANGES_MAX])
{
    uint64_t low = boot_low_ram(conf);
    unsigned n = 0;

    ranges[n++] = (BootRange){ 0, X86_EBDA_GPA, X86_MAP_RAM };
    ranges[n++] = (BootRange){ X86_EBDA_GPA, X86_VGA_GPA - X86_EBDA_GPA,
                               X86_MAP_RESERVED };
    ranges[n++] =
        (BootRange){ ACPI_SLOT_STATE_GPA, X86_HIGH_GPA - ACPI_SLOT_STATE_GPA,
                     X86_MAP_RESERVED };
    if (low > X86_HIGH_GPA)
        ranges[n++] =
            (BootRange){ X86_HIGH_GPA, low - X86_HIGH_GPA, X86_MAP_RAM };
    if (conf->ram_bytes > low)
        ranges[n++] =
            (BootRange){ X86_4GIB, conf->ram_bytes - low, X86_MAP_RAM };
    return n;
}
