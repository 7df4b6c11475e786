/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtio/dev/blk.c - virtio block device.  Spec: virtio 1.2, 5.2.
 *
 * A kick takes every available chain, checks it and submits it to the drive;
 * the loop sends them all to the host at the end of its turn.  Requests end in
 * any order; each batch of completions interrupts a queue once.
 *
 * A chain is: header (16 bytes, readable), data, status (last writable byte).
 * Where a header or a status byte is missing the device breaks; everything
 * else that is wrong with a request is told in its status.
 */
#include <config.h>

#include "block/block.h"
#include "opt/opt.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "virtio/virtio.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SECTOR          512
#define BLK_MAX_QUEUES  32
#define BLK_SERIAL_LEN  20
#define BLK_HDR_LEN     16
#define BLK_SEG_LEN     16         /* one range of discard or write-zeroes */
#define BLK_MAX_SEGS    32         /* of them in a request */
#define BLK_MAX_SECTORS (1u << 22) /* in one of them: 2 GiB */

enum {
    BLK_F_SEG_MAX = 2,
    BLK_F_RO = 5,
    BLK_F_BLK_SIZE = 6,
    BLK_F_FLUSH = 9,
    BLK_F_TOPOLOGY = 10,
    BLK_F_MQ = 12,
    BLK_F_DISCARD = 13,
    BLK_F_WRITE_ZEROES = 14,
};

enum {
    BLK_T_IN = 0,
    BLK_T_OUT = 1,
    BLK_T_FLUSH = 4,
    BLK_T_GET_ID = 8,
    BLK_T_DISCARD = 11,
    BLK_T_WRITE_ZEROES = 13,
};

enum {
    BLK_S_OK = 0,
    BLK_S_IOERR = 1,
    BLK_S_UNSUPP = 2,
};

#define BLK_SEG_UNMAP 1u

/* Offsets in config space. */
enum {
    CFG_CAPACITY = 0,
    CFG_SEG_MAX = 12,
    CFG_BLK_SIZE = 20,
    CFG_PHYS_EXP = 24,
    CFG_MIN_IO = 26,
    CFG_WRITEBACK = 32,
    CFG_NUM_QUEUES = 34,
    CFG_BASE_LEN = 36,
    CFG_DISCARD_MAX = 36,
    CFG_DISCARD_SEGS = 40,
    CFG_DISCARD_ALIGN = 44,
    CFG_DISCARD_LEN = 48,
    CFG_ZEROES_MAX = 48,
    CFG_ZEROES_SEGS = 52,
    CFG_ZEROES_UNMAP = 56,
    CFG_LEN = 57,
};

typedef struct BlkConf {
    const char *drive;
    const char *iothread;
    const char *serial;
    uint16_t num_queues;
    uint16_t queue_size;
    uint8_t bootindex;
    bool bootindex_given;
} BlkConf;

typedef struct Blk Blk;

typedef struct BlkReq {
    BlockReq io;
    Blk *blk;            /* borrowed; the device */
    struct BlkReq *next; /* in the list of free ones */
    VqChain chain;
    uint8_t *status; /* in guest memory */
    uint32_t type;
    unsigned seg, num_segs; /* ranges of discard and write-zeroes */
} BlkReq;

struct Blk {
    VirtioDev vdev;
    Block *block;    /* borrowed from the machine while claimed */
    char *drive;     /* owned; its id */
    char *iothread;  /* owned; NULL: main loop */
    IoBatch notify;  /* interrupts after a batch of completions */
    BlkReq *reqs;    /* owned array: one for each descriptor of each queue */
    BlkReq *free;    /* used before and free again */
    unsigned fresh;  /* never used: index into @reqs */
    unsigned in_use; /* requests with a chain */
    char serial[BLK_SERIAL_LEN];
};

static const OptDesc blk_opts[] = {
    { .name = "drive",
      .type = OPT_REF,
      .ref = "drive",
      .off = offsetof(BlkConf, drive),
      .required = true,
      .help = "the disk's back end" },
    { .name = "num-queues",
      .type = OPT_U16,
      .off = offsetof(BlkConf, num_queues),
      .min = 1,
      .max = BLK_MAX_QUEUES,
      .def = "1",
      .help = "request queues" },
    { .name = "queue-size",
      .type = OPT_U16,
      .off = offsetof(BlkConf, queue_size),
      .min = 4,
      .max = VQ_MAX_SIZE,
      .pow2 = true,
      .def = "256",
      .help = "entries of each queue" },
    { .name = "iothread",
      .type = OPT_REF,
      .ref = "iothread",
      .off = offsetof(BlkConf, iothread),
      .help = "I/O thread that serves the disk; the main loop without it" },
    { .name = "serial",
      .type = OPT_STR,
      .off = offsetof(BlkConf, serial),
      .max = BLK_SERIAL_LEN,
      .def = "",
      .help = "serial number that the guest sees" },
    { .name = "bootindex",
      .type = OPT_U8,
      .off = offsetof(BlkConf, bootindex),
      .given = offsetof(BlkConf, bootindex_given),
      .help = "order among boot devices; for firmware" },
    { 0 },
};

static Blk *blk_of(VirtioDev *vdev)
{
    return container_of(vdev, Blk, vdev);
}

/* --- requests ------------------------------------------------------------ */

static BlkReq *req_get(Blk *blk)
{
    BlkReq *req = blk->free;

    if (req)
        blk->free = req->next;
    else
        req = &blk->reqs[blk->fresh++];
    req->blk = blk;
    blk->in_use++;
    return req;
}

static void req_put(Blk *blk, BlkReq *req)
{
    req->next = blk->free;
    blk->free = req;
    blk->in_use--;
}

/* Ends a request: status, used ring, back to the free ones. */
static void req_finish(BlkReq *req, uint8_t status)
{
    Blk *blk = req->blk;
    VqChain *chain = &req->chain;

    /* An orphan's memory belongs to the driver again. */
    if (chain->generation == blk->vdev.generation) {
        *req->status = status;
        gmem_dirty(blk->vdev.env->gm, req->status, 1);
    }
    vq_push(chain->vq, chain, chain->in_bytes);
    block_batch(blk->block, &blk->notify);
    req_put(blk, req);
}

static void notify_all(void *opaque)
{
    Blk *blk = opaque;

    for (unsigned i = 0; i < blk->vdev.num_queues; i++)
        vq_notify(&blk->vdev.vqs[i]);
}

static void io_done(BlockReq *io, int res)
{
    BlkReq *req = container_of(io, BlkReq, io);

    if (res < 0 && res != -ECANCELED)
        log_warn_rated("drive '%s': request of type %u at byte %llu, %llu "
                       "bytes: %s",
                       req->blk->drive, req->type, (unsigned long long)io->off,
                       (unsigned long long)io->len, strerror(-res));
    req_finish(req, res < 0 ? BLK_S_IOERR : BLK_S_OK);
}

/* Bytes of a range in sectors, or false when the disk has no such range. */
static bool range_of(Blk *blk, uint64_t sector, uint64_t bytes,
                     uint64_t *ret_off)
{
    if (bytes % SECTOR || sector > UINT64_MAX / SECTOR ||
        !range_within(sector * SECTOR, bytes, block_size(blk->block)))
        return false;
    *ret_off = sector * SECTOR;
    return true;
}

/* --- read, write, flush -------------------------------------------------- */

static void submit(BlkReq *req, BlockOp op)
{
    BlockReq *io = &req->io;

    io->op = op;
    io->unmap = false;
    /* A driver that cannot flush counts on every write being stable. */
    io->fua = (op == BLOCK_WRITE || op == BLOCK_ZEROES) &&
              !virtio_has(&req->blk->vdev, BLK_F_FLUSH);
    io->done = io_done;
    block_submit(req->blk->block, io);
}

static void read_write(BlkReq *req, uint64_t sector)
{
    bool in = req->type == BLK_T_IN;
    VqChain *chain = &req->chain;
    BlockReq *io = &req->io;
    uint64_t len = in ? chain->in_bytes - 1 : chain->out_bytes - BLK_HDR_LEN;

    if (!range_of(req->blk, sector, len, &io->off) ||
        (!in && block_info(req->blk->block)->readonly)) {
        req_finish(req, BLK_S_IOERR);
        return;
    }
    if (len == 0) {
        req_finish(req, BLK_S_OK);
        return;
    }
    io->niov = in ? chain->in_num : chain->out_num;
    io->iov =
        in ? vq_iov_slice(vq_chain_in(chain), &io->niov, 0, len)
           : vq_iov_slice(vq_chain_out(chain), &io->niov, BLK_HDR_LEN, len);
    io->len = len;
    submit(req, in ? BLOCK_READ : BLOCK_WRITE);
}

static void get_id(BlkReq *req)
{
    VqChain *chain = &req->chain;
    size_t len = MIN(chain->in_bytes - 1, BLK_SERIAL_LEN);

    vq_chain_write(chain, 0, req->blk->serial, len);
    req_finish(req, BLK_S_OK);
}

/* --- discard, write zeroes ----------------------------------------------- */

static void next_seg(BlkReq *req);

static void seg_done(BlockReq *io, int res)
{
    BlkReq *req = container_of(io, BlkReq, io);

    req->seg++;
    if (res < 0)
        io_done(io, res);
    else
        next_seg(req);
}

/* Return: status that refuses the range, or BLK_S_OK */
static uint8_t check_seg(BlkReq *req, const uint8_t *seg)
{
    uint64_t sector = load_le64(seg);
    uint32_t sectors = load_le32(seg + 8);
    uint32_t flags = load_le32(seg + 12);
    uint32_t known = req->type == BLK_T_WRITE_ZEROES ? BLK_SEG_UNMAP : 0;

    if (flags & ~known)
        return BLK_S_UNSUPP;
    if (sectors > BLK_MAX_SECTORS ||
        !range_of(req->blk, sector, (uint64_t)sectors * SECTOR, &req->io.off))
        return BLK_S_IOERR;
    req->io.len = (uint64_t)sectors * SECTOR;
    req->io.unmap = flags & BLK_SEG_UNMAP;
    return BLK_S_OK;
}

static void next_seg(BlkReq *req)
{
    uint8_t seg[BLK_SEG_LEN];
    uint8_t status = BLK_S_OK;
    BlockReq *io = &req->io;

    if (req->seg < req->num_segs) {
        vq_chain_read(&req->chain, BLK_HDR_LEN + req->seg * BLK_SEG_LEN, seg,
                      sizeof(seg));
        status = check_seg(req, seg);
    }
    if (status != BLK_S_OK || req->seg == req->num_segs) {
        req_finish(req, status);
        return;
    }
    io->op = req->type == BLK_T_DISCARD ? BLOCK_DISCARD : BLOCK_ZEROES;
    io->fua =
        io->op == BLOCK_ZEROES && !virtio_has(&req->blk->vdev, BLK_F_FLUSH);
    io->iov = NULL;
    io->niov = 0;
    io->done = seg_done;
    block_submit(req->blk->block, io);
}

static void ranges(BlkReq *req, unsigned feature)
{
    uint64_t len = req->chain.out_bytes - BLK_HDR_LEN;

    if (!virtio_has(&req->blk->vdev, feature)) {
        req_finish(req, BLK_S_UNSUPP);
        return;
    }
    if (len == 0 || len % BLK_SEG_LEN || len / BLK_SEG_LEN > BLK_MAX_SEGS ||
        block_info(req->blk->block)->readonly) {
        req_finish(req, BLK_S_IOERR);
        return;
    }
    req->seg = 0;
    req->num_segs = len / BLK_SEG_LEN;
    next_seg(req);
}

/* --- the queue ----------------------------------------------------------- */

static void handle(BlkReq *req, const uint8_t *hdr)
{
    req->type = load_le32(hdr);
    switch (req->type) {
    case BLK_T_IN:
    case BLK_T_OUT:
        read_write(req, load_le64(hdr + 8));
        break;
    case BLK_T_FLUSH:
        req->io.off = req->io.len = 0;
        submit(req, BLOCK_FLUSH);
        break;
    case BLK_T_GET_ID:
        get_id(req);
        break;
    case BLK_T_DISCARD:
        ranges(req, BLK_F_DISCARD);
        break;
    case BLK_T_WRITE_ZEROES:
        ranges(req, BLK_F_WRITE_ZEROES);
        break;
    default:
        req_finish(req, BLK_S_UNSUPP);
        break;
    }
}

/* Takes the frame of a request apart. */
static int start(BlkReq *req)
{
    VqChain *chain = &req->chain;
    uint8_t hdr[BLK_HDR_LEN];
    struct iovec *last;

    if (vq_chain_read(chain, 0, hdr, sizeof(hdr)) < sizeof(hdr) ||
        chain->in_bytes < 1)
        return -EBADMSG;
    last = &vq_chain_in(chain)[chain->in_num - 1];
    req->status = (uint8_t *)last->iov_base + last->iov_len - 1;
    handle(req, hdr);
    return 0;
}

static int blk_kick(VirtioDev *vdev, Vq *vq)
{
    Blk *blk = blk_of(vdev);

    for (;;) {
        BlkReq *req = req_get(blk);
        int r = vq_pop(vq, &req->chain);

        if (r <= 0) {
            req_put(blk, req);
            return r;
        }
        r = start(req);
        if (r < 0) {
            vq_push(vq, &req->chain, 0);
            req_put(blk, req);
            return r;
        }
    }
}

/* --- life ---------------------------------------------------------------- */

static void blk_resized(void *opaque)
{
    Blk *blk = opaque;
    uint8_t capacity[8];

    store_le64(capacity, block_size(blk->block) / SECTOR);
    virtio_config_update(&blk->vdev, CFG_CAPACITY, capacity, sizeof(capacity));
}

static void topology(VirtioDev *vdev, uint32_t phys_bytes)
{
    unsigned exp = 0;

    store_le32(vdev->config + CFG_BLK_SIZE, SECTOR);
    while (exp < 7 && (uint32_t)SECTOR << (exp + 1) <= phys_bytes)
        exp++;
    if (exp == 0)
        return;
    vdev->config[CFG_PHYS_EXP] = exp;
    store_le16(vdev->config + CFG_MIN_IO, 1u << exp);
    vdev->host_features |= VIRTIO_F(BLK_F_BLK_SIZE) | VIRTIO_F(BLK_F_TOPOLOGY);
}

static void fill_config(Blk *blk, const BlkConf *conf)
{
    const BlockInfo *info = block_info(blk->block);
    VirtioDev *vdev = &blk->vdev;
    uint8_t *cfg = vdev->config;

    store_le64(cfg + CFG_CAPACITY, info->size_bytes / SECTOR);
    store_le32(cfg + CFG_SEG_MAX, conf->queue_size - 2);
    topology(vdev, info->phys_bytes);
    cfg[CFG_WRITEBACK] = 1;
    store_le16(cfg + CFG_NUM_QUEUES, conf->num_queues);
    vdev->config_len = CFG_BASE_LEN;
    if (info->readonly)
        vdev->host_features |= VIRTIO_F(BLK_F_RO);
    if (conf->num_queues > 1)
        vdev->host_features |= VIRTIO_F(BLK_F_MQ);
    if (info->discard) {
        vdev->host_features |= VIRTIO_F(BLK_F_DISCARD);
        store_le32(cfg + CFG_DISCARD_MAX, BLK_MAX_SECTORS);
        store_le32(cfg + CFG_DISCARD_SEGS, BLK_MAX_SEGS);
        store_le32(cfg + CFG_DISCARD_ALIGN, info->phys_bytes / SECTOR);
        vdev->config_len = CFG_DISCARD_LEN;
    }
    if (info->write_zeroes) {
        vdev->host_features |= VIRTIO_F(BLK_F_WRITE_ZEROES);
        store_le32(cfg + CFG_ZEROES_MAX, BLK_MAX_SECTORS);
        store_le32(cfg + CFG_ZEROES_SEGS, BLK_MAX_SEGS);
        cfg[CFG_ZEROES_UNMAP] = info->discard;
        vdev->config_len = CFG_LEN;
    }
}

static void give_back(Blk *blk)
{
    const VirtioEnv *env = blk->vdev.env;

    if (blk->block) {
        block_on_resize(blk->block, NULL, NULL);
        block_detach(blk->block);
        env->ref_put(env->opaque, VIRTIO_REF_DRIVE, blk->drive);
    }
    if (blk->iothread)
        env->ref_put(env->opaque, VIRTIO_REF_IOTHREAD, blk->iothread);
    free(blk->drive);
    free(blk->iothread);
    free(blk->reqs);
}

static int claim(Blk *blk, const BlkConf *conf, Err *e)
{
    const VirtioEnv *env = blk->vdev.env;

    if (conf->iothread) {
        Loop *loop =
            env->ref_take(env->opaque, VIRTIO_REF_IOTHREAD, conf->iothread, e);

        if (!loop)
            return -e->code;
        blk->vdev.loop = loop;
        blk->iothread = strdup(conf->iothread);
    }
    blk->drive = strdup(conf->drive);
    /* Here, since an I/O thread cannot map memory; untouched it costs none. */
    blk->reqs = calloc((size_t)conf->num_queues * conf->queue_size + 1,
                       sizeof(*blk->reqs));
    if (!blk->drive || !blk->reqs || (conf->iothread && !blk->iothread))
        return err_set(e, ENOMEM, "out of memory for disk '%s'", blk->vdev.id);
    blk->block = env->ref_take(env->opaque, VIRTIO_REF_DRIVE, conf->drive, e);
    if (!blk->block)
        return -e->code;
    return block_attach(blk->block, blk->vdev.loop, e);
}

static int blk_realize(VirtioDev *vdev, const void *opaque, Err *e)
{
    const BlkConf *conf = opaque;
    Blk *blk = blk_of(vdev);
    int r = claim(blk, conf, e);

    if (r == 0)
        r = virtio_set_queues(vdev, conf->num_queues, conf->queue_size, e);
    if (r < 0) {
        give_back(blk);
        return r;
    }
    io_batch_init(&blk->notify, notify_all, blk);
    memcpy(blk->serial, conf->serial, strnlen(conf->serial, BLK_SERIAL_LEN));
    fill_config(blk, conf);
    block_on_resize(blk->block, blk_resized, blk);
    return 0;
}

static void blk_unrealize(VirtioDev *vdev)
{
    Blk *blk = blk_of(vdev);

    /* The kernel may still write what it was asked to: keep its memory. */
    if (blk->in_use)
        blk->reqs = NULL;
    io_batch_del(&blk->notify);
    give_back(blk);
}

static void blk_stop(VirtioDev *vdev)
{
    block_cancel(blk_of(vdev)->block);
}

extern const VirtioClass virtio_blk;
const VirtioClass virtio_blk = {
    .name = "virtio-blk",
    .doc = "disk",
    .virtio_id = VIRTIO_ID_BLOCK,
    .num_queues = BLK_MAX_QUEUES,
    .queue_size = 256,
    .config_len = CFG_LEN,
    .features = VIRTIO_F(BLK_F_SEG_MAX) | VIRTIO_F(BLK_F_FLUSH),
    .dev_size = sizeof(Blk),
    .conf_size = sizeof(BlkConf),
    .opts = blk_opts,
    .realize = blk_realize,
    .unrealize = blk_unrealize,
    .kick = blk_kick,
    .stop = blk_stop,
};
