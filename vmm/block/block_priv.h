/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* block/block_priv.h - for block/ and its tests: drivers and stages. */
#pragma once

#include "block/block.h"

#include <stdatomic.h>

#define BLOCK_SECTOR 512

typedef struct BlockFault BlockFault;

typedef struct BlockDriver {
    const char *name;
    size_t size; /* of the struct with Block first */
    /* @fd is taken on success. Sets info and request alignment. */
    int (*open)(Block *block, int fd, Err *e);
    void (*close)(Block *block);
    int (*fd)(const Block *block); /* for locks and size */
    /* Does run_op with run_*; leads to block_done(). */
    void (*submit)(Block *block, BlockReq *req);
    void (*cancel_waiting)(Block *block);
    int (*size_now)(Block *block, uint64_t *ret_bytes);
} BlockDriver;

typedef struct BlockCounter {
    _Atomic uint64_t bytes, ops, ns, failed;
} BlockCounter;

struct Block {
    const BlockDriver *drv;
    BlockInfo info;
    BlockAio aio;
    BlockDetect detect_zeroes;
    char *id;   /* owned */
    char *file; /* owned */
    _Atomic uint64_t size_bytes;

    bool locked;
    Loop *loop;   /* borrowed; NULL: detached */
    IoQueue *ioq; /* counted reference while attached */
    unsigned in_flight;
    int sync_error; /* a failed fdatasync stays */

    uint64_t iops;  /* 0: no limit */
    int64_t tat_ns; /* when the bucket is empty again */
    List throttled;
    List with_host; /* requests that are submitted to the loop's queue */
    Timer throttle_timer;

    BlockFault *fault; /* owned; NULL: none */

    Block *next; /* abandoned with requests in flight */

    LoopFn *resize_fn;
    void *resize_opaque;
    BlockCounter stats[BLOCK_OP_MAX];
};

extern const BlockDriver block_raw;

/* From a driver: the request's run_op came to its end. */
void block_done(BlockReq *req, int res);
/* Submits one call to the loop's queue; @ended gets bytes or -errno. */
void block_io(BlockReq *req, IoOp op, int fd, const struct iovec *iov,
              unsigned niov, uint64_t off,
              void (*ended)(BlockReq *req, int64_t res));

/* --- vectors --------------------------------------------------------------
 */

/* Copies between a vector, from byte @skip on, and a buffer. */
void block_iov_to_buf(const struct iovec *iov, unsigned niov, uint64_t skip,
                      void *buf, size_t len);
void block_iov_from_buf(const struct iovec *iov, unsigned niov, uint64_t skip,
                        const void *buf, size_t len);
bool block_iov_is_zero(const struct iovec *iov, unsigned niov);

/* --- faults ---------------------------------------------------------------
 */

/**
 * fault_parse() - Take "fault:RULES:PATH" apart
 * @ret_path: points into @file
 *
 * Return: 1 it has faults, 0 an ordinary path, -EINVAL
 */
int fault_parse(BlockFault **ret_fault, const char *file, const char **ret_path,
                Err *e);
void fault_free(BlockFault *fault);
void fault_attach(BlockFault *fault, Loop *loop);
void fault_detach(BlockFault *fault);
/* Return: true when the request is dealt with (fails, waits) */
bool fault_catch(BlockFault *fault, BlockReq *req);
/* Ends what waits and may be cancelled. */
void fault_cancel(BlockFault *fault);
/* Go on after the fault stage. */
void block_after_fault(BlockReq *req);

/* --- locks ----------------------------------------------------------------
 */

int image_lock(int fd, bool readonly, const char *file, Err *e);
void image_unlock(int fd);
