/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* block/bounce.c - requests that O_DIRECT refuses, by way of a buffer. */
#include <config.h>

#include "block/raw_priv.h"
#include "util/bytes.h"
#include "util/cleanup.h"

#include <errno.h>
#include <string.h>

static void next_part(Raw *raw);
static void start_next(Raw *raw);

static uint64_t part_begin(const Raw *raw)
{
    return raw->bouncing->run_off + raw->done;
}

/* Bytes of the request that are in the buffer's part. */
static size_t part_used(const Raw *raw)
{
    uint64_t end = raw->bouncing->run_off + raw->bouncing->run_len;

    return MIN(end, raw->at + raw->part) - part_begin(raw);
}

static void end_bounce(Raw *raw, int res)
{
    BlockReq *req = raw->bouncing;

    raw->bouncing = NULL;
    start_next(raw);
    raw_piece_done(req, res);
}

static Raw *raw_of(BlockReq *req)
{
    return container_of(req->block, Raw, base);
}

static void written(BlockReq *req, int64_t res)
{
    Raw *raw = raw_of(req);

    if (res < 0) {
        end_bounce(raw, (int)res);
        return;
    }
    raw->done += part_used(raw);
    next_part(raw);
}

static void write_part(Raw *raw)
{
    BlockReq *req = raw->bouncing;

    block_iov_to_buf(req->run_iov, req->run_niov, raw->done,
                     raw->buf + (part_begin(raw) - raw->at), part_used(raw));
    block_io(req, IO_WRITEV, raw->fd, &req->bounce, 1, raw->at, written);
}

static void was_read(BlockReq *req, int64_t res)
{
    Raw *raw = raw_of(req);
    uint64_t need = part_begin(raw) - raw->at + part_used(raw);

    if (res >= 0 && raw->patching) {
        /* Beyond the end there is nothing to keep. */
        memset(raw->buf + res, 0, raw->part - res);
        write_part(raw);
        return;
    }
    if (res >= 0 && (uint64_t)res < need)
        res = -EIO;
    if (res < 0) {
        end_bounce(raw, (int)res);
        return;
    }
    block_iov_from_buf(req->run_iov, req->run_niov, raw->done,
                       raw->buf + (part_begin(raw) - raw->at), part_used(raw));
    raw->done += part_used(raw);
    next_part(raw);
}

static void read_part(Raw *raw)
{
    BlockReq *req = raw->bouncing;

    block_io(req, IO_READV, raw->fd, &req->bounce, 1, raw->at, was_read);
}

static void next_part(Raw *raw)
{
    BlockReq *req = raw->bouncing;
    uint64_t end = req->run_off + req->run_len;
    uint64_t begin = part_begin(raw);

    if (begin == end) {
        end_bounce(raw, 0);
        return;
    }
    raw->at = align_down(begin, raw->req_align);
    raw->part = MIN(align_up(end, raw->req_align) - raw->at, RAW_BOUNCE_BYTES);
    req->bounce = (struct iovec){ raw->buf, raw->part };
    raw->patching =
        raw_changes(req) && (begin != raw->at || end < raw->at + raw->part);
    if (raw_changes(req) && !raw->patching)
        write_part(raw);
    else
        read_part(raw);
}

static void start_next(Raw *raw)
{
    if (raw->bouncing || list_empty(&raw->bounces))
        return;
    raw->bouncing = container_of(raw->bounces.next, BlockReq, link);
    list_del(&raw->bouncing->link);
    raw->done = 0;
    next_part(raw);
}

void bounce_submit(Raw *raw, BlockReq *req)
{
    list_add_tail(&raw->bounces, &req->link);
    start_next(raw);
}
