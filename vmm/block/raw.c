/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* block/raw.c - raw images on files and block devices. */
#include <config.h>

#include "block/raw_priv.h"
#include "util/bytes.h"
#include "util/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

static Raw *raw_of(const BlockReq *req)
{
    return container_of(req->block, Raw, base);
}

/* --- who may change the image now ---------------------------------------- */

static void raw_run(Raw *raw, BlockReq *req);

static bool needs_alone(const Raw *raw, const BlockReq *req)
{
    return req->run_op != BLOCK_DISCARD &&
           ((req->run_off | req->run_len) & (raw->req_align - 1));
}

static bool admit(Raw *raw, BlockReq *req)
{
    bool alone = needs_alone(raw, req);

    if (raw->alone || (alone && raw->changing))
        return false;
    raw->alone = alone;
    raw->changing++;
    return true;
}

static void run_held(Raw *raw)
{
    if (raw->running_held) /* one that ended at once: no recursion */
        return;
    raw->running_held = true;
    while (!list_empty(&raw->held)) {
        BlockReq *next = container_of(raw->held.next, BlockReq, link);

        if (!admit(raw, next))
            break;
        list_del(&next->link);
        raw_run(raw, next);
    }
    raw->running_held = false;
}

static void raw_finish(BlockReq *req, int res)
{
    Raw *raw = raw_of(req);

    if (raw_changes(req)) {
        raw->changing--;
        raw->alone = false;
        run_held(raw);
    }
    block_done(req, res);
}

/* --- reads and writes ---------------------------------------------------- */

bool raw_is_aligned(const Raw *raw, const BlockReq *req)
{
    uint64_t lens = req->run_off;

    if (raw->req_align == 1)
        return true;
    for (unsigned i = 0; i < req->run_niov; i++) {
        lens |= req->run_iov[i].iov_len;
        if ((uintptr_t)req->run_iov[i].iov_base & (raw->mem_align - 1))
            return false;
    }
    return !(lens & (raw->req_align - 1));
}

static void rw_done(BlockReq *req, int64_t res)
{
    /* A read past the end: the image was cut after it was opened. */
    if (res >= 0 && (uint64_t)res < req->run_len)
        res = -EIO;
    raw_piece_done(req, res < 0 ? (int)res : 0);
}

static void rw(Raw *raw, BlockReq *req)
{
    if (!raw_is_aligned(raw, req)) {
        bounce_submit(raw, req);
        return;
    }
    block_io(req, req->run_op == BLOCK_READ ? IO_READV : IO_WRITEV, raw->fd,
             req->run_iov, req->run_niov, req->run_off, rw_done);
}

/* --- zeroes and discards ------------------------------------------------- */

#define ZERO_BYTES (64 << 10)

/* In .bss and never written: all of it is the kernel's one zero page. */
static uint8_t zeroes[ZERO_BYTES] __attribute__((aligned(4096)));

static bool not_there(int64_t res)
{
    return res == -EOPNOTSUPP || res == -ENOSYS || res == -ENOTTY ||
           res == -EINVAL;
}

/* The next piece of a range that is zeroed by writing. */
static void write_zeroes(Raw *raw, BlockReq *req)
{
    uint64_t end = req->off + req->len;

    if (req->run_off == end) {
        raw_finish(req, 0);
        return;
    }
    req->run_len = MIN(end - req->run_off, ZERO_BYTES);
    req->fill = (struct iovec){ zeroes, req->run_len };
    req->run_iov = &req->fill;
    req->run_niov = 1;
    rw(raw, req);
}

void raw_piece_done(BlockReq *req, int res)
{
    if (res == 0 && req->zeroing) {
        req->run_off += req->run_len;
        write_zeroes(raw_of(req), req);
        return;
    }
    raw_finish(req, res);
}

static void zero_range(Raw *raw, BlockReq *req);

static void zero_range_done(BlockReq *req, int64_t res)
{
    Raw *raw = raw_of(req);

    if (!not_there(res)) {
        raw_finish(req, (int)res);
        return;
    }
    /* EINVAL may be about this range only. */
    if (req->run_unmap)
        raw->no_punch |= res != -EINVAL;
    else
        raw->no_zero_range |= res != -EINVAL;
    if (req->run_unmap) {
        req->run_unmap = false;
        zero_range(raw, req);
        return;
    }
    req->zeroing = true;
    write_zeroes(raw, req);
}

static void zero_range(Raw *raw, BlockReq *req)
{
    int mode = FALLOC_FL_KEEP_SIZE;

    if (raw->no_punch)
        req->run_unmap = false;
    if (!req->run_unmap && raw->no_zero_range) {
        req->zeroing = true;
        write_zeroes(raw, req);
        return;
    }
    mode |= req->run_unmap ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE;
    req->io.mode = mode;
    block_io(req, IO_FALLOCATE, raw->fd, NULL, 0, req->run_off,
             zero_range_done);
}

/* A block device that can discard but not zero. */
static int discard_call(IoReq *io)
{
    uint64_t range[2] = { io->off, io->len };

    return ioctl(io->fd, BLKDISCARD, range) < 0 ? -errno : 0;
}

static void discard_done(BlockReq *req, int64_t res)
{
    Raw *raw = raw_of(req);

    if (not_there(res) && req->io.op == IO_FALLOCATE && raw->is_blk &&
        pool_started()) {
        req->io.fn = discard_call;
        block_io(req, IO_CALL, raw->fd, NULL, 0, req->run_off, discard_done);
        return;
    }
    if (res == -EOPNOTSUPP)
        raw->no_discard = true;
    /* A discard is advice: one that the host cannot take is done. */
    raw_finish(req, not_there(res) ? 0 : (int)res);
}

static void discard(Raw *raw, BlockReq *req)
{
    if (raw->no_discard || !raw->base.info.discard) {
        raw_finish(req, 0);
        return;
    }
    req->io.mode = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE;
    block_io(req, IO_FALLOCATE, raw->fd, NULL, 0, req->run_off, discard_done);
}

static void flush_done(BlockReq *req, int64_t res)
{
    raw_finish(req, (int)res);
}

/* --- dispatch ------------------------------------------------------------ */

static void raw_run(Raw *raw, BlockReq *req)
{
    switch (req->run_op) {
    case BLOCK_READ:
    case BLOCK_WRITE:
        rw(raw, req);
        break;
    case BLOCK_ZEROES:
        req->run_unmap &= raw->base.info.discard;
        zero_range(raw, req);
        break;
    case BLOCK_DISCARD:
        discard(raw, req);
        break;
    case BLOCK_FLUSH:
    case BLOCK_OP_MAX:
        if (raw->base.info.readonly)
            raw_finish(req, 0);
        else
            block_io(req, IO_FDATASYNC, raw->fd, NULL, 0, 0, flush_done);
        break;
    }
}

static void raw_submit(Block *block, BlockReq *req)
{
    Raw *raw = container_of(block, Raw, base);

    if (raw_changes(req) && (!list_empty(&raw->held) || !admit(raw, req)))
        list_add_tail(&raw->held, &req->link);
    else
        raw_run(raw, req);
}

static void raw_cancel_waiting(Block *block)
{
    Raw *raw = container_of(block, Raw, base);
    List now;

    list_init(&now);
    list_splice(&now, &raw->held);
    while (!list_empty(&now)) {
        BlockReq *req = container_of(now.next, BlockReq, link);

        list_del(&req->link);
        block_done(req, -ECANCELED);
    }
    list_splice(&now, &raw->bounces);
    while (!list_empty(&now)) {
        BlockReq *req = container_of(now.next, BlockReq, link);

        list_del(&req->link);
        raw_finish(req, -ECANCELED);
    }
}

/* --- open ---------------------------------------------------------------- */

static int raw_size(Block *block, uint64_t *ret_bytes)
{
    Raw *raw = container_of(block, Raw, base);
    off_t size = lseek(raw->fd, 0, SEEK_END);

    if (size < 0)
        return -errno;
    *ret_bytes = align_down(size, BLOCK_SECTOR);
    return 0;
}

/* The smallest alignments with which the host reads under O_DIRECT. */
static int probe_align(Raw *raw)
{
    static const struct {
        uint32_t mem, req;
    } tries[] = { { 512, 512 }, { 4096, 512 }, { 4096, 4096 } };

    for (unsigned i = 0; i < ARRAY_SIZE(tries); i++) {
        uint8_t *at = raw->buf + (tries[i].mem & 4095);

        if (pread(raw->fd, at, tries[i].req, 0) < 0 && errno == EINVAL)
            continue;
        raw->mem_align = tries[i].mem;
        raw->req_align = tries[i].req;
        return 0;
    }
    return -EINVAL;
}

static int set_flags(Raw *raw, Err *e)
{
    bool direct = raw->base.info.direct;

    /* Clears O_NONBLOCK, which io_uring takes as "fail with EAGAIN", and
     * O_APPEND, which makes writes ignore their offset. */
    if (fcntl(raw->fd, F_SETFL, direct ? O_DIRECT : 0) == 0) {
        if (!direct || probe_align(raw) == 0)
            return 0;
        errno = EINVAL;
    }
    if (errno == EINVAL && direct)
        return err_set(e, EINVAL,
                       "the file system of '%s' has no O_DIRECT; use "
                       "direct=off",
                       raw->base.file);
    return err_sys(e, errno, "cannot set up '%s'", raw->base.file);
}

static int check_type(Raw *raw, Err *e)
{
    struct stat st;
    unsigned phys = 0;

    if (fstat(raw->fd, &st) < 0)
        return err_sys(e, errno, "cannot examine '%s'", raw->base.file);
    raw->is_blk = S_ISBLK(st.st_mode);
    if (!raw->is_blk && !S_ISREG(st.st_mode))
        return err_set(e, ENOTBLK,
                       "'%s' is neither a regular file nor a block device",
                       raw->base.file);
    raw->base.info.phys_bytes = BLOCK_SECTOR;
    if (raw->is_blk && ioctl(raw->fd, BLKPBSZGET, &phys) == 0)
        raw->base.info.phys_bytes = phys;
    else if (!raw->is_blk)
        raw->base.info.phys_bytes = MIN((unsigned)st.st_blksize, 4096);
    return 0;
}

static int raw_setup(Raw *raw, Err *e)
{
    int r = check_type(raw, e);

    if (r < 0)
        return r;
    if (raw->base.info.direct) {
        void *buf;

        if (posix_memalign(&buf, 4096, RAW_BOUNCE_BYTES))
            return err_set(e, ENOMEM, "out of memory for '%s'", raw->base.file);
        raw->buf = buf;
    }
    r = set_flags(raw, e);
    if (r == 0 && (r = raw_size(&raw->base, &raw->base.info.size_bytes)) < 0)
        err_sys(e, -r, "cannot get the size of '%s'", raw->base.file);
    return r;
}

static int raw_open(Block *block, int fd, Err *e)
{
    Raw *raw = container_of(block, Raw, base);
    int r;

    raw->fd = fd;
    raw->mem_align = raw->req_align = 1;
    list_init(&raw->held);
    list_init(&raw->bounces);
    r = raw_setup(raw, e);
    if (r < 0)
        ptr_free(&raw->buf);
    return r;
}

static void raw_close(Block *block)
{
    Raw *raw = container_of(block, Raw, base);

    close(raw->fd);
    free(raw->buf);
}

static int raw_fd(const Block *block)
{
    return container_of(block, Raw, base)->fd;
}

const BlockDriver block_raw = {
    .name = "raw",
    .size = sizeof(Raw),
    .open = raw_open,
    .close = raw_close,
    .fd = raw_fd,
    .submit = raw_submit,
    .cancel_waiting = raw_cancel_waiting,
    .size_now = raw_size,
};
