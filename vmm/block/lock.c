/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * block/lock.c - image locks that QEMU and StratoVirt understand.
 *
 * One-byte locks in the image, on the open file description (F_OFD_*), so that
 * closing another descriptor does not drop them and two drives of one process
 * exclude each other, too.
 *
 *   QEMU        holds shared locks: 100 + N "I use permission N", 200 + N "I
 *               do not let others use it"; N is 0 read, 1 write, 2 write
 *               unchanged, 3 resize.  It then asks whether the opposite byte
 *               of anybody else is locked.
 *   StratoVirt  locks 101, 102 and 202: shared when read-only, else exclusive.
 *
 * So a writer here locks 101 and 201 (shared, for QEMU) and 102 (exclusive: no
 * reader of StratoVirt's gets its shared one); a reader locks 100 and 201, and
 * 102 shared (no writer of StratoVirt's gets its exclusive one).
 */
#include <config.h>

#include "block/block_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

enum {
    BYTE_READ = 100,
    BYTE_WRITE = 101,
    BYTE_UNCHANGED = 102,
    BYTE_DENY_READ = 200,
    BYTE_DENY_WRITE = 201,
    BYTE_DENY_UNCHANGED = 202,
};

static struct flock one_byte(short type, off_t byte)
{
    return (struct flock){
        .l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1
    };
}

static int lock_byte(int fd, short type, off_t byte)
{
    struct flock fl = one_byte(type, byte);

    return fcntl(fd, F_OFD_SETLK, &fl) < 0 ? -errno : 0;
}

/* Whether somebody else holds a lock on the byte. */
static bool held(int fd, off_t byte)
{
    struct flock fl = one_byte(F_WRLCK, byte);

    return fcntl(fd, F_OFD_GETLK, &fl) == 0 && fl.l_type != F_UNLCK;
}

/* The shared locks of StratoVirt's reader look like a writer's of QEMU's. */
static bool is_stratovirt_reader(int fd)
{
    struct flock fl = one_byte(F_RDLCK, BYTE_UNCHANGED);

    return held(fd, BYTE_DENY_UNCHANGED) && !held(fd, BYTE_DENY_WRITE) &&
           fcntl(fd, F_OFD_GETLK, &fl) == 0 && fl.l_type == F_UNLCK;
}

static int in_use(const char *file, bool readonly, Err *e)
{
    return err_set(
        e, EAGAIN, "image '%s' is in use by another %s; stop that one%s", file,
        readonly ? "program or drive that writes it" : "program or drive",
        readonly ? "" : ", or use readonly=on in both");
}

int image_lock(int fd, bool readonly, const char *file, Err *e)
{
    int r;

    r = lock_byte(fd, F_RDLCK, readonly ? BYTE_READ : BYTE_WRITE);
    if (r == 0)
        r = lock_byte(fd, F_RDLCK, BYTE_DENY_WRITE);
    if (r == 0)
        r = lock_byte(fd, readonly ? F_RDLCK : F_WRLCK, BYTE_UNCHANGED);
    if (r == -EAGAIN || r == -EACCES) {
        image_unlock(fd);
        return in_use(file, readonly, e);
    }
    if (r == -EBADF && !readonly)
        return err_set(e, EBADF, "image '%s' is not open for writing", file);
    if (r == -EINVAL || r == -ENOLCK || r == -EOPNOTSUPP || r == -ENOSYS)
        return 0; /* the file system knows no locks */
    if (r < 0)
        return err_sys(e, -r, "cannot lock image '%s'", file);
    if ((held(fd, BYTE_WRITE) && !(readonly && is_stratovirt_reader(fd))) ||
        held(fd, readonly ? BYTE_DENY_READ : BYTE_DENY_WRITE)) {
        image_unlock(fd);
        return in_use(file, readonly, e);
    }
    return 0;
}

void image_unlock(int fd)
{
    static const off_t bytes[] = { BYTE_READ, BYTE_WRITE, BYTE_UNCHANGED,
                                   BYTE_DENY_WRITE };

    for (unsigned i = 0; i < ARRAY_SIZE(bytes); i++)
        lock_byte(fd, F_UNLCK, bytes[i]);
}
