/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* block/block.h - disks: a drive's options, its image, requests, counters. */
#pragma once

#include "core/ioq.h"
#include "core/loop.h"
#include "opt/opt.h"
#include "util/err.h"
#include "util/list.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

/*
 * How this works
 *
 * A Block is one -drive with its image opened.  A device claims it, attaches
 * it to its loop and submits BlockReqs there; each ends with one call of
 * done(), in any order.  A request passes these stages:
 *
 *   check (range, read-only) -> throttle -> fault -> detect-zeroes -> driver
 *
 * and on its way back the counters.  Drivers (raw now) are a table of
 * functions in block_priv.h.  Requests take host iovecs, never guest
 * addresses.  Steady state allocates nothing: all state is in BlockReq.
 *
 * Flush means it: it ends after fdatasync() did, and once that failed every
 * later flush fails, since the kernel forgets what it could not write.
 *
 * Images are locked as QEMU and StratoVirt do (block/lock.c).
 *
 * fault: for tests, file=fault:RULES:PATH makes chosen requests fail or wait;
 * see block/fault.c.
 */
typedef enum BlockIface {
    BLOCK_IF_NONE,
    BLOCK_IF_PFLASH,
    BLOCK_IF_MAX
} BlockIface;

typedef enum BlockFormat {
    BLOCK_FORMAT_RAW,
    BLOCK_FORMAT_QCOW2,
    BLOCK_FORMAT_MAX
} BlockFormat;

typedef enum BlockAio {
    BLOCK_AIO_OFF,
    BLOCK_AIO_NATIVE,
    BLOCK_AIO_URING,
    BLOCK_AIO_THREADS, /* helper threads even where io_uring works */
    BLOCK_AIO_MAX
} BlockAio;

typedef enum BlockDetect {
    BLOCK_DETECT_OFF,
    BLOCK_DETECT_ON,
    BLOCK_DETECT_UNMAP,
    BLOCK_DETECT_MAX
} BlockDetect;

typedef enum BlockMedia {
    BLOCK_MEDIA_DISK,
    BLOCK_MEDIA_CDROM,
    BLOCK_MEDIA_MAX
} BlockMedia;

typedef struct BlockConf {
    const char *file;
    const char *id;
    unsigned iface; /* BlockIface */
    uint8_t unit;   /* pflash */
    bool unit_given;
    unsigned format; /* BlockFormat */
    bool readonly;
    bool direct; /* O_DIRECT */
    bool direct_given;
    unsigned aio; /* BlockAio */
    bool aio_given;
    uint64_t iops_total;           /* requests a second; 0 no limit */
    unsigned media;                /* BlockMedia */
    bool discard;                  /* unmap */
    unsigned detect_zeroes;        /* BlockDetect */
    uint64_t l2_cache_bytes;       /* qcow2 */
    uint64_t refcount_cache_bytes; /* qcow2 */
} BlockConf;

extern const char *const block_detect_names[BLOCK_DETECT_MAX + 1];

/* The table of -drive. */
extern const OptDesc block_opts[];
/* Rules across options; pure. */
int block_check(BlockConf *conf, Err *e);

/* Opens a path: a descriptor or -errno. As MachineConf's. */
typedef int BlockOpenFn(void *opaque, const char *path, int flags, Err *e);

typedef enum BlockOp {
    BLOCK_READ,
    BLOCK_WRITE,
    BLOCK_FLUSH,
    BLOCK_DISCARD, /* contents no longer needed */
    BLOCK_ZEROES,  /* reads zeroes afterwards */
    BLOCK_OP_MAX,
} BlockOp;

typedef struct Block Block;
typedef struct BlockReq BlockReq;

struct BlockReq {
    /* Filled by the caller. */
    BlockOp op;
    bool fua;                /* WRITE, ZEROES: on stable storage when done */
    bool unmap;              /* ZEROES: may deallocate */
    const struct iovec *iov; /* READ, WRITE: @len bytes; borrowed */
    unsigned niov;
    uint64_t off; /* bytes */
    uint64_t len;
    void (*done)(BlockReq *req, int res); /* 0 or -errno */

    /* block/'s own. */
    Block *block;
    List link; /* waiting, or with the host */
    int64_t start_ns;
    int64_t due_ns; /* fault: delayed until */
    bool stuck;     /* fault: not to be cancelled */
    bool syncing;   /* the fdatasync of @fua is under way */
    bool zeroing;   /* zeroes are written piece by piece */
    BlockOp run_op; /* what the driver does: detect-zeroes may change it */
    bool run_unmap;
    const struct iovec *run_iov; /* the piece under way */
    unsigned run_niov;
    uint64_t run_off;
    uint64_t run_len;
    struct iovec fill;   /* zeroing: a vector of one */
    struct iovec bounce; /* likewise, for a buffer in between */
    void (*ended)(BlockReq *req, int64_t res);
    IoReq io;
};

/* What is fixed once opened, but for the size. */
typedef struct BlockInfo {
    const char *id;     /* of the drive */
    const char *file;   /* as the user wrote it */
    const char *format; /* "raw" */
    bool readonly;
    bool direct;
    const char *detect_zeroes; /* off, on, unmap */
    uint64_t iops_total;       /* 0 no limit */
    bool discard;              /* discards are passed on */
    bool write_zeroes;         /* write-zeroes is to be offered */
    uint64_t size_bytes;       /* multiple of 512 */
    uint32_t phys_bytes;       /* what the host likes to write at once */
} BlockInfo;

/* All of one op. */
typedef struct BlockOpStats {
    uint64_t bytes;
    uint64_t ops;
    uint64_t ns;
    uint64_t failed;
} BlockOpStats;

typedef struct BlockStats {
    BlockOpStats op[BLOCK_OP_MAX];
} BlockStats;

/**
 * block_open() - Open a drive's image
 * @conf:    checked; strings are copied
 * @open_fn: opens paths, "/dev/fdset/M" included; NULL: path_open()
 *
 * Does not lock it: see block_lock().
 * Thread: main
 */
int block_open(Block **ret_block, const BlockConf *conf, BlockOpenFn *open_fn,
               void *open_opaque, Err *e);

/* Main loop; detached.  Requests still in the kernel keep it alive. */
void block_close(Block *block);

/**
 * block_lock() - Keep other programs from writing the image
 *
 * Before the guest runs for the first time: at start, or with -S at the first
 * `cont`.  Taken once; repeated calls do nothing.
 * Return: -EAGAIN with one sentence when somebody else has it
 */
int block_lock(Block *block, Err *e);
void block_unlock(Block *block);

/**
 * block_attach() - All requests come from @loop from here on
 *
 * Makes the loop's IoQueue; main thread, and for drives of the command line
 * before the sandbox closes.
 */
int block_attach(Block *block, Loop *loop, Err *e);
void block_detach(Block *block);

/**
 * block_submit() - Start a request
 *
 * Sent to the host when the loop's turn ends.  @req->done may be called before
 * the return (refused requests).
 * Thread: the loop's
 */
void block_submit(Block *block, BlockReq *req);

/**
 * block_cancel() - End requests early
 *
 * Those that the host does not have yet end at once, their done() gets
 * -ECANCELED; the others end so if the host can.
 */
void block_cancel(Block *block);

/* Run @batch once after the current completions. The loop's thread. */
void block_batch(Block *block, IoBatch *batch);

const BlockInfo *block_info(const Block *block);
/* Bytes, a multiple of 512. Any thread. */
uint64_t block_size(const Block *block);

/* Any thread; numbers are current but not of one instant. */
void block_stats(const Block *block, BlockStats *ret_stats);

/**
 * block_refresh() - Look at the image's size again
 *
 * Calls the function of block_on_resize() when it changed.  Main loop.
 */
int block_refresh(Block *block, Err *e);
void block_on_resize(Block *block, LoopFn *fn, void *opaque);
