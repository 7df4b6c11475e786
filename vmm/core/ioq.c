/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* core/ioq.c - file I/O of a loop; see core/ioq.h for the model. */
#include <config.h>

#include "core/ioq.h"

#include "util/cleanup.h"
#include "util/log.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define IOQ_SQ_ENTRIES 128
#define IOQ_CQ_ENTRIES 1024 /* also the most requests in the ring */
#define IOQ_ROUNDS     4    /* enters a turn, when completions submit more */
#define IOQ_TRIES      64   /* EAGAIN in a row before it is an error */

struct IoQueue {
    Loop *loop; /* borrowed; outlives the queue */
    atomic_uint refs;
    IoQueue *next; /* registry */

    bool ring_made;
    bool in_hook;
    struct io_uring ring;
    LoopFd ring_fd;
    unsigned in_ring; /* entries submitted and not reaped */

    LoopHook hook;
    Work start;         /* joins the loop, on its thread */
    Work again;         /* another turn is needed */
    List backlog;       /* requests not sent yet */
    List failed;        /* requests that end without having run */
    List batches;       /* to run after this turn's completions */
    unsigned in_flight; /* requests submitted, done not called */
};

/* The queues of all loops; under the lock. */
static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static IoQueue *registry;

/* --- one request --------------------------------------------------------- */

static bool is_rw(const IoReq *req)
{
    return req->op == IO_READV || req->op == IO_WRITEV;
}

/* The part of the vector that is still to do. */
static const struct iovec *rest_of(IoReq *req, unsigned *ret_n)
{
    if (req->part.iov_len) {
        *ret_n = 1;
        return &req->part;
    }
    *ret_n = MIN(req->niov - req->at, IOV_MAX);
    return req->iov + req->at;
}

/* Steps over @bytes done; elements of length 0 never stay in front. */
static void consume(IoReq *req, uint64_t bytes)
{
    req->got += bytes;
    while (req->at < req->niov) {
        const struct iovec *iov = &req->iov[req->at];
        size_t left = req->part.iov_len ? req->part.iov_len : iov->iov_len;

        if (bytes < left) {
            if (bytes) {
                req->part.iov_base =
                    (char *)iov->iov_base + (iov->iov_len - left) + bytes;
                req->part.iov_len = left - bytes;
            }
            return;
        }
        bytes -= left;
        req->part.iov_len = 0;
        req->at++;
    }
}

/*
 * Judges the outcome of one call.
 * Return: true when the request is through, its result in @ret_res
 */
static bool finished(IoReq *req, int res, int64_t *ret_res)
{
    if (res == -EINTR)
        return false;
    if (res == -EAGAIN && ++req->tries < IOQ_TRIES)
        return false;
    if (res < 0 || !is_rw(req)) {
        *ret_res = res;
        return true;
    }
    req->tries = 0;
    consume(req, res);
    if (req->at < req->niov && res > 0)
        return false;
    *ret_res = req->got;
    if (req->at < req->niov && req->op == IO_WRITEV)
        *ret_res = -ENOSPC; /* a write that makes no progress */
    return true;
}

static int call_once(IoReq *req)
{
    unsigned n;
    const struct iovec *iov = rest_of(req, &n);
    ssize_t r = -1;

    switch (req->op) {
    case IO_READV:
        r = preadv(req->fd, iov, n, req->off + req->got);
        break;
    case IO_WRITEV:
        r = pwritev(req->fd, iov, n, req->off + req->got);
        break;
    case IO_FDATASYNC:
        r = fdatasync(req->fd);
        break;
    case IO_FSYNC:
        r = fsync(req->fd);
        break;
    case IO_FALLOCATE:
        r = fallocate(req->fd, req->mode, req->off, req->len);
        break;
    case IO_CALL:
        return req->fn(req);
    case IO_OP_MAX:
        errno = EINVAL;
        break;
    }
    return r < 0 ? -errno : (int)r;
}

static void complete(IoQueue *ioq, IoReq *req, int64_t res)
{
    ioq->in_flight--;
    req->busy = false;
    req->done(req, res);
}

/* --- helper threads ------------------------------------------------------ */

/* On a helper thread.  The result may exceed an int: it is in @got. */
static int job_run(PoolJob *job)
{
    IoReq *req = container_of(job, IoReq, job);
    int64_t res;

    while (!finished(req, call_once(req), &res))
        ;
    return res < 0 ? (int)res : 0;
}

static void job_done(PoolJob *job, int res)
{
    IoReq *req = container_of(job, IoReq, job);
    IoQueue *ioq = req->ioq;

    complete(ioq, req, res < 0 || !is_rw(req) ? res : (int64_t)req->got);
}

static void submit_job(IoQueue *ioq, IoReq *req)
{
    req->job.fn = job_run;
    req->job.done = job_done;
    pool_submit(&req->job, ioq->loop);
}

/* --- the ring ------------------------------------------------------------ */

/* Debian 12's liburing.so lacks two wrappers that its header declares. */
static int ring_register(struct io_uring *ring, unsigned op, void *arg,
                         unsigned n)
{
    return syscall(SYS_io_uring_register, ring->ring_fd, op, arg, n) < 0
               ? -errno
               : 0;
}

static int restrict_ring(struct io_uring *ring)
{
    static const uint8_t ops[] = {
        IORING_OP_READV,     IORING_OP_WRITEV,       IORING_OP_FSYNC,
        IORING_OP_FALLOCATE, IORING_OP_ASYNC_CANCEL,
    };
    struct io_uring_restriction res[ARRAY_SIZE(ops)];

    memset(res, 0, sizeof(res));
    for (unsigned i = 0; i < ARRAY_SIZE(ops); i++) {
        res[i].opcode = IORING_RESTRICTION_SQE_OP;
        res[i].sqe_op = ops[i];
    }
    return ring_register(ring, IORING_REGISTER_RESTRICTIONS, res,
                         ARRAY_SIZE(ops));
}

static int make_ring(IoQueue *ioq)
{
    static const unsigned flags[] = {
        IORING_SETUP_COOP_TASKRUN, /* 5.19 */
        0,                         /* 5.10 */
    };
    const char *denied = getenv("STRATOVMM_NO_URING");
    int r = -EPERM;

    if (denied && !strcmp(denied, "1"))
        return -EPERM;
    for (unsigned i = 0; i < ARRAY_SIZE(flags); i++) {
        struct io_uring_params p = {
            .flags = IORING_SETUP_R_DISABLED | IORING_SETUP_CQSIZE | flags[i],
            .cq_entries = IOQ_CQ_ENTRIES,
        };

        r = io_uring_queue_init_params(IOQ_SQ_ENTRIES, &ioq->ring, &p);
        if (r != -EINVAL)
            break;
    }
    if (r < 0)
        return r;
    r = restrict_ring(&ioq->ring);
    if (r == 0)
        r = ring_register(&ioq->ring, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
    if (r < 0) {
        io_uring_queue_exit(&ioq->ring);
        return r;
    }
    ioq->ring_made = true;
    return 0;
}

static void drop_ring(IoQueue *ioq)
{
    loop_fd_del(&ioq->ring_fd);
    io_uring_queue_exit(&ioq->ring);
    ioq->ring_made = false;
}

static void ring_ready(void *opaque, uint32_t events)
{
    /* It only ends the wait: the hook of the coming turn reaps. */
}

static void fill_sqe(struct io_uring_sqe *sqe, IoReq *req)
{
    unsigned n;
    const struct iovec *iov = rest_of(req, &n);

    switch (req->op) {
    case IO_READV:
        io_uring_prep_readv(sqe, req->fd, iov, n, req->off + req->got);
        break;
    case IO_WRITEV:
        io_uring_prep_writev(sqe, req->fd, iov, n, req->off + req->got);
        break;
    case IO_FDATASYNC:
        io_uring_prep_fsync(sqe, req->fd, IORING_FSYNC_DATASYNC);
        break;
    case IO_FSYNC:
        io_uring_prep_fsync(sqe, req->fd, 0);
        break;
    default: /* IO_FALLOCATE; IO_CALL never comes here */
        io_uring_prep_fallocate(sqe, req->fd, req->mode, req->off, req->len);
        break;
    }
    io_uring_sqe_set_data(sqe, req);
}

static void queue_sqes(IoQueue *ioq)
{
    while (!list_empty(&ioq->backlog) && ioq->in_ring < IOQ_CQ_ENTRIES) {
        IoReq *req = container_of(ioq->backlog.next, IoReq, link);
        struct io_uring_sqe *sqe = io_uring_get_sqe(&ioq->ring);

        if (!sqe)
            return;
        list_del(&req->link);
        fill_sqe(sqe, req);
        req->in_kernel = true;
        ioq->in_ring++;
    }
}

static void reap(IoQueue *ioq)
{
    struct io_uring_cqe *cqe;

    while (io_uring_peek_cqe(&ioq->ring, &cqe) == 0) {
        IoReq *req = io_uring_cqe_get_data(cqe);
        int res = cqe->res;
        int64_t total;

        io_uring_cqe_seen(&ioq->ring, cqe);
        if (!req) /* a cancellation */
            continue;
        ioq->in_ring--;
        req->in_kernel = false;
        if (finished(req, res, &total))
            complete(ioq, req, total);
        else
            list_add_tail(&ioq->backlog, &req->link);
    }
}

/* The one io_uring_enter() of a turn. */
static void submit_sqes(IoQueue *ioq)
{
    int r = io_uring_submit(&ioq->ring);

    if (r >= 0)
        return;
    if (r != -EINTR && r != -EAGAIN && r != -EBUSY)
        log_warn_rated("io_uring of loop %s: %s", loop_name(ioq->loop),
                       strerror(-r));
    /* Perhaps nothing in flight would wake us: come again for what is left. */
    loop_post(ioq->loop, &ioq->again);
}

static bool ring_has_work(IoQueue *ioq)
{
    return io_uring_sq_ready(&ioq->ring) ||
           (!list_empty(&ioq->backlog) && ioq->in_ring < IOQ_CQ_ENTRIES);
}

static void run_ring(IoQueue *ioq)
{
    reap(ioq);
    for (int round = 0; ring_has_work(ioq); round++) {
        if (round == IOQ_ROUNDS) {
            loop_post(ioq->loop, &ioq->again);
            return;
        }
        queue_sqes(ioq);
        submit_sqes(ioq);
        reap(ioq);
    }
}

/* --- the loop's turn ----------------------------------------------------- */

static void run_jobs(IoQueue *ioq)
{
    while (!list_empty(&ioq->backlog)) {
        IoReq *req = container_of(ioq->backlog.next, IoReq, link);

        list_del(&req->link);
        if (pool_started()) {
            submit_job(ioq, req);
        } else {
            req->got = 0;
            list_add_tail(&ioq->failed, &req->link);
        }
    }
}

static void run_failed(IoQueue *ioq)
{
    while (!list_empty(&ioq->failed)) {
        IoReq *req = container_of(ioq->failed.next, IoReq, link);

        list_del(&req->link);
        complete(ioq, req, -ECANCELED);
    }
}

static void run_batches(IoQueue *ioq)
{
    List now;

    list_init(&now);
    list_splice(&now, &ioq->batches);
    while (!list_empty(&now)) {
        IoBatch *batch = container_of(now.next, IoBatch, link);

        list_del(&batch->link);
        batch->fn(batch->opaque);
    }
}

static void free_if_unused(IoQueue *ioq)
{
    if (ioq->refs || ioq->in_flight || ioq->in_hook)
        return;
    MUTEX_SCOPE(&registry_lock);
    if (ioq->refs) /* found again meanwhile */
        return;
    for (IoQueue **p = &registry; *p; p = &(*p)->next)
        if (*p == ioq) {
            *p = ioq->next;
            break;
        }
    if (ioq->hook.fn)
        loop_hook_del(&ioq->hook);
    loop_unpost(ioq->loop, &ioq->start);
    loop_unpost(ioq->loop, &ioq->again);
    if (ioq->ring_made)
        drop_ring(ioq);
    free(ioq);
}

static void before_wait(void *opaque)
{
    IoQueue *ioq = opaque;

    ioq->in_hook = true;
    if (ioq->ring_made)
        run_ring(ioq);
    if (!ioq->ring_made)
        run_jobs(ioq);
    run_failed(ioq);
    run_batches(ioq);
    ioq->in_hook = false;
    /* What the last callbacks submitted must not wait for an event. */
    if (!list_empty(&ioq->backlog) || !list_empty(&ioq->failed) ||
        !list_empty(&ioq->batches))
        loop_post(ioq->loop, &ioq->again);
    free_if_unused(ioq);
}

static void do_nothing(void *opaque)
{
}

static void join_loop(void *opaque)
{
    IoQueue *ioq = opaque;
    Err e = ERR_INIT;

    if (ioq->ring_made &&
        loop_fd_add(ioq->loop, &ioq->ring_fd, ioq->ring.ring_fd, EPOLLIN,
                    ring_ready, ioq, &e) < 0) {
        log_warn("%s: disk I/O of loop %s uses helper threads", e.msg,
                 loop_name(ioq->loop));
        drop_ring(ioq);
    }
    loop_hook_add(ioq->loop, &ioq->hook, before_wait, ioq);
}

/* --- the interface ------------------------------------------------------- */

static IoQueue *find_queue(const Loop *loop)
{
    for (IoQueue *ioq = registry; ioq; ioq = ioq->next)
        if (ioq->loop == loop)
            return ioq;
    return NULL;
}

static int new_queue(IoQueue **ret_ioq, Loop *loop, Err *e)
{
    static atomic_bool told;
    IoQueue *ioq = calloc(1, sizeof(*ioq));
    int r;

    if (!ioq)
        return err_set(e, ENOMEM, "out of memory for the I/O queue of loop %s",
                       loop_name(loop));
    ioq->loop = loop;
    list_init(&ioq->backlog);
    list_init(&ioq->failed);
    list_init(&ioq->batches);
    work_init(&ioq->start, join_loop, ioq);
    work_init(&ioq->again, do_nothing, ioq);
    r = make_ring(ioq);
    if (r < 0 && !pool_started()) {
        free(ioq);
        return err_sys(e, -r, "disk I/O needs io_uring or helper threads");
    }
    if (r < 0 && !atomic_exchange(&told, true))
        log_info("io_uring is not available here (%s): disk I/O uses helper "
                 "threads",
                 strerror(-r));
    /* The loop may be running, on another thread. */
    loop_post(loop, &ioq->start);
    *ret_ioq = ioq;
    return 0;
}

int ioq_get(IoQueue **ret_ioq, Loop *loop, Err *e)
{
    IoQueue *ioq;
    int r;

    MUTEX_SCOPE(&registry_lock);
    ioq = find_queue(loop);
    if (!ioq) {
        r = new_queue(&ioq, loop, e);
        if (r < 0)
            return r;
        ioq->next = registry;
        registry = ioq;
    }
    ioq->refs++;
    *ret_ioq = ioq;
    return 0;
}

void ioq_put(IoQueue *ioq)
{
    if (!ioq)
        return;
    ioq->refs--;
    free_if_unused(ioq);
}

Loop *ioq_loop(const IoQueue *ioq)
{
    return ioq->loop;
}

bool ioq_uses_ring(const IoQueue *ioq)
{
    return ioq->ring_made;
}

unsigned ioq_in_flight(const IoQueue *ioq)
{
    return ioq->in_flight;
}

void ioq_submit(IoQueue *ioq, IoReq *req)
{
    req->ioq = ioq;
    req->at = 0;
    req->tries = 0;
    req->got = 0;
    req->part.iov_len = 0;
    req->busy = true;
    req->in_kernel = false;
    ioq->in_flight++;
    list_init(&req->link);
    if (is_rw(req))
        consume(req, 0);
    if ((req->op == IO_CALL || req->threads) && pool_started())
        submit_job(ioq, req);
    else if (req->op == IO_CALL)
        list_add_tail(&ioq->failed, &req->link);
    else
        list_add_tail(&ioq->backlog, &req->link);
}

static bool cancel_in_ring(IoQueue *ioq, IoReq *req)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ioq->ring);

    if (!sqe)
        return false;
    io_uring_prep_cancel(sqe, req, 0);
    io_uring_sqe_set_data(sqe, NULL);
    return true;
}

void ioq_cancel(IoReq *req)
{
    IoQueue *ioq = req->ioq;

    if (req->in_kernel) {
        cancel_in_ring(ioq, req);
    } else if (!list_empty(&req->link)) { /* in the backlog */
        list_del(&req->link);
        list_add_tail(&ioq->failed, &req->link);
    } else if (pool_cancel(&req->job)) {
        list_add_tail(&ioq->failed, &req->link);
    }
    loop_post(ioq->loop, &ioq->again); /* a turn, so that the hook runs */
}

void ioq_orphan(IoReq *req, void (*release)(IoReq *req, int64_t res))
{
    req->done = release;
    ioq_cancel(req);
}

void io_batch_init(IoBatch *batch, LoopFn *fn, void *opaque)
{
    *batch = (IoBatch){ .fn = fn, .opaque = opaque };
    list_init(&batch->link);
}

void ioq_batch(IoQueue *ioq, IoBatch *batch)
{
    if (list_empty(&batch->link))
        list_add_tail(&ioq->batches, &batch->link);
}

void io_batch_del(IoBatch *batch)
{
    list_del(&batch->link);
}
