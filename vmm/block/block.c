/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* block/block.c - drives: stages every request passes, counters, locks. */
#include <config.h>

#include "block/block.h"

#include "block/block_priv.h"
#include "core/clock.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/fdset.h"
#include "util/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_S          1000000000LL
#define THROTTLE_BURST_NS (NS_PER_S / 10) /* what may come at once */

/* --- the host ------------------------------------------------------------ */

static void io_ended(IoReq *io, int64_t res)
{
    BlockReq *req = container_of(io, BlockReq, io);

    list_del(&req->link);
    req->ended(req, res);
}

void block_io(BlockReq *req, IoOp op, int fd, const struct iovec *iov,
              unsigned niov, uint64_t off,
              void (*ended)(BlockReq *req, int64_t res))
{
    IoReq *io = &req->io;

    io->op = op;
    io->fd = fd;
    io->iov = iov;
    io->niov = niov;
    io->off = off;
    io->len = req->run_len;
    io->threads = req->block->aio == BLOCK_AIO_THREADS;
    io->done = io_ended;
    req->ended = ended;
    list_add_tail(&req->block->with_host, &req->link);
    ioq_submit(req->block->ioq, io);
}

/* --- way back: counters, stable storage ---------------------------------- */

static void count(BlockCounter *c, const BlockReq *req, int res)
{
    int64_t ns = clock_now_ns() - req->start_ns;

    if (res < 0) {
        atomic_fetch_add_explicit(&c->failed, 1, memory_order_relaxed);
        return;
    }
    atomic_fetch_add_explicit(&c->ops, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&c->ns, MAX(ns, 0), memory_order_relaxed);
    atomic_fetch_add_explicit(&c->bytes, req->len, memory_order_relaxed);
}

static void finish(BlockReq *req, int res)
{
    Block *block = req->block;

    count(&block->stats[req->op], req, res);
    block->in_flight--;
    req->done(req, res);
}

void block_done(BlockReq *req, int res)
{
    Block *block = req->block;

    if (req->run_op == BLOCK_FLUSH && res < 0 && res != -ECANCELED &&
        !block->sync_error) {
        block->sync_error = res;
        log_error("drive '%s': cannot flush '%s' (%s); every flush fails from "
                  "now on, since written data may be lost",
                  block->id, block->file, strerror(-res));
    }
    if (res == 0 && req->fua && !req->syncing) {
        req->syncing = true;
        req->run_op = BLOCK_FLUSH;
        if (block->sync_error)
            finish(req, block->sync_error);
        else
            block->drv->submit(block, req);
        return;
    }
    finish(req, res);
}

/* --- way in -------------------------------------------------------------- */

void block_after_fault(BlockReq *req)
{
    Block *block = req->block;

    if (req->op == BLOCK_FLUSH && block->sync_error) {
        finish(req, block->sync_error);
        return;
    }
    if (req->op == BLOCK_WRITE && block->detect_zeroes != BLOCK_DETECT_OFF &&
        block_iov_is_zero(req->iov, req->niov)) {
        req->run_op = BLOCK_ZEROES;
        req->run_unmap =
            block->detect_zeroes == BLOCK_DETECT_UNMAP && block->info.discard;
    }
    block->drv->submit(block, req);
}

static void after_throttle(BlockReq *req)
{
    Block *block = req->block;

    if (block->fault && fault_catch(block->fault, req))
        return;
    block_after_fault(req);
}

/* One token each 1/iops seconds, and some may be saved up. */
static bool throttle_admits(Block *block)
{
    int64_t now_ns = clock_now_ns();
    int64_t burst_ns = MAX(THROTTLE_BURST_NS, NS_PER_S / (int64_t)block->iops);

    if (block->tat_ns - now_ns >= burst_ns)
        return false;
    block->tat_ns =
        MAX(block->tat_ns, now_ns) + NS_PER_S / (int64_t)block->iops;
    return true;
}

static void throttle_wait(Block *block)
{
    int64_t burst_ns = MAX(THROTTLE_BURST_NS, NS_PER_S / (int64_t)block->iops);

    timer_set(&block->throttle_timer, block->tat_ns - burst_ns + 1);
}

static void throttle_due(void *opaque)
{
    Block *block = opaque;

    while (!list_empty(&block->throttled) && throttle_admits(block)) {
        BlockReq *req = container_of(block->throttled.next, BlockReq, link);

        list_del(&req->link);
        after_throttle(req);
    }
    if (!list_empty(&block->throttled))
        throttle_wait(block);
}

static int check_request(const Block *block, const BlockReq *req)
{
    if (req->op == BLOCK_FLUSH)
        return 0;
    if (req->op != BLOCK_READ && block->info.readonly)
        return -EROFS;
    if (!range_within(req->off, req->len, block->size_bytes))
        return -EINVAL;
    return 0;
}

void block_submit(Block *block, BlockReq *req)
{
    int r;

    req->block = block;
    req->start_ns = clock_now_ns();
    req->syncing = req->zeroing = false;
    req->run_op = req->op;
    req->run_unmap = req->unmap;
    req->run_iov = req->iov;
    req->run_niov = req->niov;
    req->run_off = req->off;
    req->run_len = req->op == BLOCK_FLUSH ? 0 : req->len;
    list_init(&req->link);
    block->in_flight++;
    r = check_request(block, req);
    if (r < 0) {
        finish(req, r);
        return;
    }
    if (!block->iops ||
        (list_empty(&block->throttled) && throttle_admits(block))) {
        after_throttle(req);
        return;
    }
    if (list_empty(&block->throttled))
        throttle_wait(block);
    list_add_tail(&block->throttled, &req->link);
}

void block_cancel(Block *block)
{
    while (!list_empty(&block->throttled)) {
        BlockReq *req = container_of(block->throttled.next, BlockReq, link);

        list_del(&req->link);
        finish(req, -ECANCELED);
    }
    if (block->loop && block->iops)
        timer_del(&block->throttle_timer);
    if (block->fault)
        fault_cancel(block->fault);
    block->drv->cancel_waiting(block);
    list_for_each(pos, &block->with_host)
        ioq_cancel(&container_of(pos, BlockReq, link)->io);
}

void block_batch(Block *block, IoBatch *batch)
{
    ioq_batch(block->ioq, batch);
}

/* --- life ---------------------------------------------------------------- */

static int open_image(const BlockConf *conf, const char *path,
                      BlockOpenFn *open_fn, void *open_opaque, Err *e)
{
    /* A FIFO without a writer must not hang the start. */
    int flags = (conf->readonly ? O_RDONLY : O_RDWR) | O_NONBLOCK;

    return open_fn ? open_fn(open_opaque, path, flags, e)
                   : path_open(path, flags, 0, e);
}

static int open_driver(Block *block, const BlockConf *conf, const char *path,
                       BlockOpenFn *open_fn, void *open_opaque, Err *e)
{
    int fd CLEANUP(fd_close) = open_image(conf, path, open_fn, open_opaque, e);
    int r;

    if (fd < 0)
        return err_prefix(e, "drive '%s': ", block->id);
    block->info = (BlockInfo){
        .id = block->id,
        .file = block->file,
        .format = block->drv->name,
        .readonly = conf->readonly,
        .direct = conf->direct,
        .detect_zeroes = block_detect_names[conf->detect_zeroes],
        .iops_total = conf->iops_total,
        .discard = conf->discard && !conf->readonly,
        .write_zeroes =
            conf->detect_zeroes != BLOCK_DETECT_OFF && !conf->readonly,
    };
    r = block->drv->open(block, fd, e);
    if (r == -EINVAL && conf->direct && !conf->direct_given) {
        /* Not asked for in so many words: do without. */
        log_warn("drive '%s': the file system of '%s' has no O_DIRECT, using "
                 "the page cache",
                 block->id, block->file);
        block->info.direct = false;
        *e = (Err)ERR_INIT;
        r = block->drv->open(block, fd, e);
    }
    if (r < 0)
        return err_prefix(e, "drive '%s': ", block->id);
    fd_take(&fd);
    return 0;
}

static Block *new_block(const BlockConf *conf)
{
    Block *block = calloc(1, block_raw.size);

    if (!block)
        return NULL;
    block->drv = &block_raw;
    block->id = strdup(conf->id ? conf->id : "");
    block->file = strdup(conf->file);
    block->aio = conf->aio;
    block->detect_zeroes = conf->detect_zeroes;
    block->iops = conf->iops_total;
    list_init(&block->throttled);
    list_init(&block->with_host);
    if (block->id && block->file)
        return block;
    free(block->id);
    free(block->file);
    free(block);
    return NULL;
}

static void free_block(Block *block)
{
    fault_free(block->fault);
    free(block->id);
    free(block->file);
    free(block);
}

int block_open(Block **ret_block, const BlockConf *conf, BlockOpenFn *open_fn,
               void *open_opaque, Err *e)
{
    Block *block = new_block(conf);
    const char *path;
    int r;

    if (!block)
        return err_set(e, ENOMEM, "out of memory for drive '%s'", conf->id);
    r = fault_parse(&block->fault, block->file, &path, e);
    if (r >= 0)
        r = open_driver(block, conf, path, open_fn, open_opaque, e);
    if (r < 0) {
        free_block(block);
        return r;
    }
    block->size_bytes = block->info.size_bytes;
    *ret_block = block;
    return 0;
}

/* Drives closed with requests in flight, for ever: the host writes to them. */
static Block *abandoned;

static void forget(IoReq *io, int64_t res)
{
}

void block_close(Block *block)
{
    if (!block)
        return;
    if (block->in_flight) {
        /* The host may still write to their memory, so that and ours must
         * stay; but nobody is told any more. */
        block->next = abandoned;
        abandoned = block;
        list_for_each(pos, &block->with_host)
            ioq_orphan(&container_of(pos, BlockReq, link)->io, forget);
        log_warn("drive '%s': closed with %u requests in flight", block->id,
                 block->in_flight);
        return;
    }
    block_detach(block);
    block->drv->close(block);
    free_block(block);
}

int block_lock(Block *block, Err *e)
{
    int r;

    if (block->locked)
        return 0;
    r = image_lock(block->drv->fd(block), block->info.readonly, block->file, e);
    if (r < 0)
        return err_prefix(e, "drive '%s': ", block->id);
    block->locked = true;
    return 0;
}

void block_unlock(Block *block)
{
    if (block->locked)
        image_unlock(block->drv->fd(block));
    block->locked = false;
}

int block_attach(Block *block, Loop *loop, Err *e)
{
    int r = ioq_get(&block->ioq, loop, e);

    if (r < 0)
        return err_prefix(e, "drive '%s': ", block->id);
    block->loop = loop;
    timer_init(&block->throttle_timer, loop, throttle_due, block);
    if (block->fault)
        fault_attach(block->fault, loop);
    return 0;
}

void block_detach(Block *block)
{
    if (!block->loop || block->in_flight)
        return;
    timer_del(&block->throttle_timer);
    if (block->fault)
        fault_detach(block->fault);
    ioq_put(block->ioq);
    block->ioq = NULL;
    block->loop = NULL;
}

/* --- queries ------------------------------------------------------------- */

const BlockInfo *block_info(const Block *block)
{
    return &block->info;
}

uint64_t block_size(const Block *block)
{
    return block->size_bytes;
}

void block_stats(const Block *block, BlockStats *ret_stats)
{
    for (int op = 0; op < BLOCK_OP_MAX; op++) {
        const BlockCounter *c = &block->stats[op];

        ret_stats->op[op] = (BlockOpStats){
            .bytes = atomic_load_explicit(&c->bytes, memory_order_relaxed),
            .ops = atomic_load_explicit(&c->ops, memory_order_relaxed),
            .ns = atomic_load_explicit(&c->ns, memory_order_relaxed),
            .failed = atomic_load_explicit(&c->failed, memory_order_relaxed),
        };
    }
}

int block_refresh(Block *block, Err *e)
{
    uint64_t size_bytes;
    int r = block->drv->size_now(block, &size_bytes);

    if (r < 0)
        return err_sys(e, -r, "drive '%s': cannot get the size of '%s'",
                       block->id, block->file);
    if (size_bytes == block->info.size_bytes)
        return 0;
    block->info.size_bytes = size_bytes;
    block->size_bytes = size_bytes;
    if (block->resize_fn)
        block->resize_fn(block->resize_opaque);
    return 0;
}

void block_on_resize(Block *block, LoopFn *fn, void *opaque)
{
    block->resize_fn = fn;
    block->resize_opaque = opaque;
}
