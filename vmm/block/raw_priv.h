/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* block/raw_priv.h - what raw.c and bounce.c share. */
#pragma once

#include "block/block_priv.h"

/*
 * How this works
 *
 * A request that changes the image is first admitted: many may run side by
 * side, but one whose ends lie inside a block of the host (O_DIRECT on a disk
 * with 4096-byte sectors, say) reads, patches and writes that block, and runs
 * alone.  First come, first served.
 *
 * Reads and writes whose memory or range does not fit O_DIRECT go through one
 * buffer, a piece at a time and one request after the other: rare and slow,
 * but bounded.
 */
#define RAW_BOUNCE_BYTES (256 << 10)

typedef struct Raw {
    Block base;
    int fd; /* owned */
    bool is_blk;
    uint32_t mem_align; /* of buffers; power of two; 1: no matter */
    uint32_t req_align; /* of offset and length */

    bool no_punch; /* the host has no such call: found out by trying */
    bool no_zero_range;
    bool no_discard;

    unsigned changing; /* admitted requests that change the image */
    bool alone;        /* one of them runs alone */
    List held;         /* not admitted yet */
    bool running_held;

    uint8_t *buf;       /* owned; RAW_BOUNCE_BYTES; NULL without O_DIRECT */
    List bounces;       /* wait for the buffer */
    BlockReq *bouncing; /* has it */
    uint64_t done;      /* bytes of its piece that are through */
    uint64_t at;        /* the part in the buffer: image offset */
    size_t part;        /* bytes in the buffer */
    bool patching;      /* the buffer was read to be patched */
} Raw;

static inline bool raw_changes(const BlockReq *req)
{
    return req->run_op == BLOCK_WRITE || req->run_op == BLOCK_ZEROES ||
           req->run_op == BLOCK_DISCARD;
}

/* Whether the piece run_* can go to the kernel as it is. */
bool raw_is_aligned(const Raw *raw, const BlockReq *req);
/* The piece run_* is through. */
void raw_piece_done(BlockReq *req, int res);

/* Do the piece run_* by way of the buffer. */
void bounce_submit(Raw *raw, BlockReq *req);
