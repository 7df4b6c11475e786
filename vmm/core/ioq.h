/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* core/ioq.h - asynchronous file I/O of a loop: io_uring or helper threads. */
#pragma once

#include "core/loop.h"
#include "core/pool.h"
#include "util/err.h"
#include "util/list.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

/*
 * How this works
 *
 * A loop that owns disk queues has one IoQueue, shared by all its disks.
 * Callers embed an IoReq, fill it and submit it; nothing is sent before the
 * loop's turn ends: the before-wait hook reaps what the completion ring holds
 * (memory, no call), then submits all new requests with one io_uring_enter(),
 * then reaps what that finished at once.  The ring's descriptor is in the
 * epoll set only to end the wait; with IORING_SETUP_COOP_TASKRUN the kernel
 * interrupts no running code for a completion.  (DEFER_TASKRUN would cost one
 * more call per batch, and Linux 6.18 loses its wake-ups of an epoll set.)
 *
 * The ring is made by ioq_get() on the main thread, before the sandbox closes
 * for disks of the command line: disabled, restricted to the operations of
 * IoOp, then enabled.  A thread that does I/O therefore needs io_uring_enter
 * and neither io_uring_setup nor io_uring_register.
 *
 * Where the host refuses io_uring_setup (ENOSYS, EPERM, EACCES), or the
 * environment has STRATOVMM_NO_URING=1, requests run as jobs of core/pool.h.
 *
 * Reads and writes that came back short are continued until done, an error,
 * or the end of the file; EINTR is repeated, EAGAIN a bounded number of times.
 * All of it belongs to the loop's thread unless stated otherwise.
 */
typedef struct IoQueue IoQueue;
typedef struct IoReq IoReq;

typedef enum IoOp {
    IO_READV,
    IO_WRITEV,
    IO_FDATASYNC,
    IO_FSYNC,
    IO_FALLOCATE,
    IO_CALL, /* fn on a helper thread, always */
    IO_OP_MAX,
} IoOp;

struct IoReq {
    /* Filled by the caller before each submit. */
    IoOp op;
    int fd;                  /* borrowed */
    const struct iovec *iov; /* borrowed until done; never changed */
    unsigned niov;
    bool threads;          /* helper threads even where there is a ring */
    int mode;              /* IO_FALLOCATE: FALLOC_FL_* */
    uint64_t off;          /* bytes */
    uint64_t len;          /* IO_FALLOCATE: bytes */
    int (*fn)(IoReq *req); /* IO_CALL: 0 or -errno; may block */
    void (*done)(IoReq *req, int64_t res); /* bytes, 0, or -errno; may submit
                                              the request again */

    /* The queue's own. */
    IoQueue *ioq;
    List link;         /* in the backlog */
    struct iovec part; /* rest of a half-done vector element */
    unsigned at;       /* elements of @iov done */
    unsigned tries;    /* EAGAIN in a row */
    uint64_t got;      /* bytes done */
    bool busy;         /* submitted, done not called yet */
    bool in_kernel;    /* has an entry in the ring */
    PoolJob job;
};

/* A function that runs once after a batch of completions. */
typedef struct IoBatch {
    List link;
    LoopFn *fn;
    void *opaque;
} IoBatch;

/**
 * ioq_get() - The queue of a loop, made when it has none
 *
 * Counted: each call needs one ioq_put().
 * Thread: main, or the loop's own; the loop may be running
 * Return: 0, or -errno when there is neither io_uring nor a helper pool
 */
int ioq_get(IoQueue **ret_ioq, Loop *loop, Err *e);
void ioq_put(IoQueue *ioq);

Loop *ioq_loop(const IoQueue *ioq);
bool ioq_uses_ring(const IoQueue *ioq);

/* Queues @req; it is sent when the loop's turn ends. Never calls done itself.
 */
void ioq_submit(IoQueue *ioq, IoReq *req);

/* Requests submitted and not done, of all users. */
unsigned ioq_in_flight(const IoQueue *ioq);

/**
 * ioq_cancel() - Ask for an early end of a submitted request
 *
 * done() comes as always: with -ECANCELED or another error when it was not
 * begun or could be interrupted, else with its result.
 */
void ioq_cancel(IoReq *req);

/**
 * ioq_orphan() - Give up on a request that does not end
 * @release: called instead of done when the kernel lets go of it, perhaps
 *           never; frees the storage
 *
 * Cancels it, too.  Until @release the request, its vector and the
 * memory it points at must stay.  Used when the deadline of a deactivation has
 * passed.
 */
void ioq_orphan(IoReq *req, void (*release)(IoReq *req, int64_t res));

void io_batch_init(IoBatch *batch, LoopFn *fn, void *opaque);
/* Run @batch once when the current completions are through. */
void ioq_batch(IoQueue *ioq, IoBatch *batch);
void io_batch_del(IoBatch *batch); /* not queued: no-op */
