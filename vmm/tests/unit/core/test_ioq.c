/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Unit tests of core/ioq.h and core/pool.h, on the ring and on helpers. */
#include <config.h>

#include "core/ioq.h"
#include "core/pool.h"
#include "core/thread.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NUM_REQS 3000

typedef struct Fixture {
    Loop *loop;
    IoQueue *ioq;
    int fd;
    int pipe[2];
    bool ring;
} Fixture;

typedef struct TestReq {
    IoReq io;
    int calls;
    int64_t res;
    struct iovec iov[4];
    int again; /* submit again so many times */
    IoBatch *batch;
} TestReq;

static int setup(void **state, bool ring)
{
    Fixture *f = calloc(1, sizeof(*f));
    char name[] = "/tmp/test-ioq-XXXXXX";
    Err e = ERR_INIT;

    alarm(60);
    setenv("STRATOVMM_NO_URING", ring ? "0" : "1", 1);
    assert_int_equal(loop_new(&f->loop, "test", &e), 0);
    assert_int_equal(pool_start(f->loop, 4, &e), 0);
    assert_int_equal(ioq_get(&f->ioq, f->loop, &e), 0);
    f->ring = ring && ioq_uses_ring(f->ioq);
    f->fd = mkstemp(name);
    assert_true(f->fd >= 0);
    unlink(name);
    assert_int_equal(pipe(f->pipe), 0);
    *state = f;
    return 0;
}

static int setup_ring(void **state)
{
    return setup(state, true);
}

static int setup_pool(void **state)
{
    return setup(state, false);
}

static int teardown(void **state)
{
    Fixture *f = *state;

    assert_int_equal(ioq_in_flight(f->ioq), 0);
    ioq_put(f->ioq);
    assert_int_equal(pool_stop(), 0);
    loop_free(f->loop);
    close(f->fd);
    close(f->pipe[0]);
    close(f->pipe[1]);
    free(f);
    return 0;
}

static void req_done(IoReq *io, int64_t res)
{
    TestReq *req = container_of(io, TestReq, io);

    req->calls++;
    req->res = res;
    loop_wake(ioq_loop(io->ioq)); /* the turn that runs this shall end */
    if (req->batch)
        ioq_batch(io->ioq, req->batch);
    if (req->again) {
        req->again--;
        ioq_submit(io->ioq, io);
    }
}

static void submit(Fixture *f, TestReq *req, IoOp op, void *buf, size_t len,
                   uint64_t off)
{
    req->iov[0] = (struct iovec){ buf, len };
    req->io.op = op;
    req->io.fd = f->fd;
    req->io.iov = req->iov;
    req->io.niov = buf ? 1 : 0;
    req->io.off = off;
    req->io.done = req_done;
    ioq_submit(f->ioq, &req->io);
}

static void run(Fixture *f)
{
    while (ioq_in_flight(f->ioq))
        loop_turn(f->loop, -1);
}

static void test_mode(void **state)
{
    Fixture *f = *state;
    const char *want = getenv("STRATOVMM_NO_URING");

    if (*want == '1')
        assert_false(ioq_uses_ring(f->ioq));
    else if (!f->ring)
        skip(); /* no io_uring on this host */
}

static void test_write_read(void **state)
{
    Fixture *f = *state;
    TestReq w = { 0 }, s = { 0 }, r = { 0 };
    char buf[64] = "";

    submit(f, &w, IO_WRITEV, "hello, disk", 11, 4096);
    assert_int_equal(w.calls, 0); /* never from within submit */
    run(f);
    assert_int_equal(w.res, 11);
    submit(f, &s, IO_FDATASYNC, NULL, 0, 0);
    submit(f, &r, IO_READV, buf, 11, 4096);
    run(f);
    assert_int_equal(s.res, 0);
    assert_int_equal(r.res, 11);
    assert_string_equal(buf, "hello, disk");
    assert_int_equal(w.calls + s.calls + r.calls, 3);
}

static void test_vector(void **state)
{
    Fixture *f = *state;
    TestReq r = { 0 };
    char a[3] = "", b[5] = "", c[3] = "";

    assert_int_equal(pwrite(f->fd, "abcdefghij", 10, 0), 10);
    r.iov[0] = (struct iovec){ a, 0 };
    r.iov[1] = (struct iovec){ a, 2 };
    r.iov[2] = (struct iovec){ b, 4 };
    r.iov[3] = (struct iovec){ c, 2 };
    r.io = (IoReq){ .op = IO_READV,
                    .fd = f->fd,
                    .iov = r.iov,
                    .niov = 4,
                    .off = 1,
                    .done = req_done };
    ioq_submit(f->ioq, &r.io);
    run(f);
    assert_int_equal(r.res, 8);
    assert_string_equal(a, "bc");
    assert_string_equal(b, "defg");
    assert_string_equal(c, "hi");
}

/* More elements than one call takes (IOV_MAX). */
static void test_long_vector(void **state)
{
    Fixture *f = *state;
    enum {
        N = 2500
    };
    static char out[N], in[N];
    static struct iovec iov[N];
    TestReq r = { 0 };

    for (int i = 0; i < N; i++) {
        out[i] = (char)('a' + i % 26);
        iov[i] = (struct iovec){ out + i, 1 };
    }
    r.io = (IoReq){
        .op = IO_WRITEV, .fd = f->fd, .iov = iov, .niov = N, .done = req_done
    };
    ioq_submit(f->ioq, &r.io);
    run(f);
    assert_int_equal(r.res, N);
    assert_int_equal(pread(f->fd, in, N, 0), N);
    assert_memory_equal(in, out, N);
}

/* A pipe gives what it has: the queue goes on until all was read. */
static void test_short_read_continues(void **state)
{
    Fixture *f = *state;
    TestReq r = { 0 };
    char a[4] = "", b[5] = "";

    assert_int_equal(write(f->pipe[1], "123", 3), 3);
    r.iov[0] = (struct iovec){ a, 2 };
    r.iov[1] = (struct iovec){ b, 4 };
    r.io = (IoReq){ .op = IO_READV,
                    .fd = f->pipe[0],
                    .iov = r.iov,
                    .niov = 2,
                    .off = 0,
                    .done = req_done };
    ioq_submit(f->ioq, &r.io);
    loop_turn(f->loop, 0);
    assert_int_equal(r.calls, 0);
    assert_int_equal(write(f->pipe[1], "456", 3), 3);
    run(f);
    assert_int_equal(r.res, 6);
    assert_memory_equal(a, "12", 2);
    assert_memory_equal(b, "3456", 4);
}

static void test_end_of_file(void **state)
{
    Fixture *f = *state;
    TestReq r = { 0 };
    char buf[100];

    assert_int_equal(pwrite(f->fd, "abc", 3, 0), 3);
    submit(f, &r, IO_READV, buf, sizeof(buf), 1);
    run(f);
    assert_int_equal(r.res, 2);
}

static void test_errors(void **state)
{
    Fixture *f = *state;
    TestReq r = { 0 };
    char buf[8];
    int good = f->fd;

    f->fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    submit(f, &r, IO_READV, buf, sizeof(buf), 0);
    run(f);
    assert_int_equal(r.res, -EBADF);
    close(f->fd);
    f->fd = open("/dev/full", O_RDWR | O_CLOEXEC);
    submit(f, &r, IO_WRITEV, buf, sizeof(buf), 0);
    run(f);
    assert_int_equal(r.res, -ENOSPC);
    close(f->fd);
    f->fd = good;
}

static void test_fallocate(void **state)
{
    Fixture *f = *state;
    TestReq r = { 0 };
    char buf[8192], zero[4096] = "";

    memset(buf, 'x', sizeof(buf));
    assert_int_equal(pwrite(f->fd, buf, sizeof(buf), 0), sizeof(buf));
    r.io = (IoReq){ .op = IO_FALLOCATE,
                    .fd = f->fd,
                    .off = 4096,
                    .len = 4096,
                    .mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                    .done = req_done };
    ioq_submit(f->ioq, &r.io);
    run(f);
    assert_int_equal(r.res, 0);
    assert_int_equal(pread(f->fd, buf, sizeof(buf), 0), sizeof(buf));
    assert_memory_equal(buf + 4096, zero, 4096);
}

/* Many more than the ring holds; all of them end. */
static void test_many(void **state)
{
    Fixture *f = *state;
    TestReq *reqs = calloc(NUM_REQS, sizeof(*reqs));
    uint32_t *vals = calloc(NUM_REQS, sizeof(*vals)), back;

    for (uint32_t i = 0; i < NUM_REQS; i++) {
        vals[i] = i;
        submit(f, &reqs[i], IO_WRITEV, &vals[i], sizeof(vals[i]),
               i * sizeof(vals[i]));
    }
    run(f);
    for (uint32_t i = 0; i < NUM_REQS; i++) {
        assert_int_equal(reqs[i].calls, 1);
        assert_int_equal(reqs[i].res, sizeof(vals[i]));
        assert_int_equal(pread(f->fd, &back, sizeof(back), i * sizeof(back)),
                         sizeof(back));
        assert_int_equal(back, i);
    }
    free(vals);
    free(reqs);
}

static void count(void *opaque)
{
    ++*(int *)opaque;
}

static void test_submit_from_done_and_batch(void **state)
{
    Fixture *f = *state;
    TestReq r = { .again = 50 };
    IoBatch batch;
    int batches = 0;

    io_batch_init(&batch, count, &batches);
    r.batch = &batch;
    submit(f, &r, IO_WRITEV, "x", 1, 0);
    run(f);
    loop_turn(f->loop, 0);
    assert_int_equal(r.calls, 51);
    assert_in_range(batches, 1, 51);
}

static int slow_call(IoReq *io)
{
    return io->fd == 7 ? -EDOM : 0;
}

static void test_call(void **state)
{
    Fixture *f = *state;
    TestReq r = { 0 };

    r.io = (IoReq){ .op = IO_CALL, .fd = 7, .fn = slow_call, .done = req_done };
    ioq_submit(f->ioq, &r.io);
    run(f);
    assert_int_equal(r.res, -EDOM);
}

static TestReq *released;

static void release(IoReq *io, int64_t res)
{
    released = container_of(io, TestReq, io);
    released->res = res;
    loop_wake(ioq_loop(io->ioq));
}

/* An orphan's done is not called; its storage is given back once. */
static void test_orphan_stuck(void **state)
{
    Fixture *f = *state;
    TestReq r = { 0 }, queued = { 0 };
    char buf[4];

    released = NULL;
    r.iov[0] = (struct iovec){ buf, 4 };
    r.io = (IoReq){ .op = IO_READV,
                    .fd = f->pipe[0],
                    .iov = r.iov,
                    .niov = 1,
                    .done = req_done };
    ioq_submit(f->ioq, &r.io);
    loop_turn(f->loop, 0);
    assert_int_equal(r.calls, 0); /* the pipe is empty */
    ioq_orphan(&r.io, release);
    /* The ring cancels the read; a helper sits in it until data comes. */
    if (!f->ring)
        assert_int_equal(write(f->pipe[1], "abcd", 4), 4);
    run(f);
    assert_ptr_equal(released, &r);
    assert_int_equal(r.calls, 0);
    assert_true(f->ring ? r.res < 0
                        : r.res == -EINVAL || r.res == -ESPIPE || r.res == 4 ||
                              r.res == -ECANCELED);

    /* One that was never sent is not sent any more. */
    released = NULL;
    submit(f, &queued, IO_WRITEV, "zzzz", 4, 0);
    ioq_orphan(&queued.io, release);
    run(f);
    assert_ptr_equal(released, &queued);
    assert_int_equal(queued.res, -ECANCELED);
    assert_int_equal(pread(f->fd, buf, 4, 0), 0);
}

static void test_shared(void **state)
{
    Fixture *f = *state;
    IoQueue *other;
    Err e = ERR_INIT;

    assert_int_equal(ioq_get(&other, f->loop, &e), 0);
    assert_ptr_equal(other, f->ioq);
    ioq_put(other);
    assert_ptr_equal(ioq_loop(f->ioq), f->loop);
}

/* Neither ring nor helpers: one sentence. */
static void test_nothing_available(void **state)
{
    IoQueue *ioq = NULL;
    Loop *loop;
    Err e = ERR_INIT;

    setenv("STRATOVMM_NO_URING", "1", 1);
    assert_int_equal(loop_new(&loop, "test", &e), 0);
    assert_int_equal(ioq_get(&ioq, loop, &e), -EPERM);
    assert_string_equal(e.msg, "disk I/O needs io_uring or helper threads: "
                               "Operation not permitted");
    assert_null(ioq);
    loop_free(loop);
}

static void test_pool_limits(void **state)
{
    Loop *loop;
    Err e = ERR_INIT;

    assert_int_equal(loop_new(&loop, "test", &e), 0);
    assert_int_equal(pool_start(loop, 0, &e), -EINVAL);
    assert_string_equal(e.msg, "a pool has 1 to 64 helper threads, not 0");
    assert_int_equal(pool_start(loop, 1, &e), 0);
    assert_int_equal(pool_start(loop, 1, &e), -EBUSY);
    assert_int_equal(pool_stop(), 0);
    assert_false(pool_started());
    loop_free(loop);
}

/* --- waking a loop from other threads ------------------------------------ */

typedef struct Poster {
    Loop *loop;
    Thread thread;
    Work works[4];
} Poster;

#define NUM_POSTS 100000

static void posted_work(void *opaque)
{
}

static void *post_many(void *opaque)
{
    Poster *p = opaque;

    for (unsigned i = 0; i < NUM_POSTS; i++)
        while (!loop_post(p->loop, &p->works[i % ARRAY_SIZE(p->works)]))
            sched_yield();
    loop_stop(p->loop);
    return NULL;
}

/* No wake-up may get lost, however posts and turns meet. */
static void test_posts_wake(void **state)
{
    Poster p = { 0 };
    Err e = ERR_INIT;

    alarm(60);
    assert_int_equal(loop_new(&p.loop, "test", &e), 0);
    for (unsigned i = 0; i < ARRAY_SIZE(p.works); i++)
        work_init(&p.works[i], posted_work, &p);
    assert_int_equal(
        thread_start(&p.thread, ROLE_POOL, "poster", post_many, &p, &e), 0);
    loop_run(p.loop);
    thread_join(&p.thread);
    for (unsigned i = 0; i < ARRAY_SIZE(p.works); i++)
        loop_unpost(p.loop, &p.works[i]);
    loop_free(p.loop);
}

#define BOTH(name)                                                             \
    { "ring: " #name, name, setup_ring, teardown, NULL },                      \
    {                                                                          \
        "pool: " #name, name, setup_pool, teardown, NULL                       \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_mode),
        BOTH(test_write_read),
        BOTH(test_vector),
        BOTH(test_long_vector),
        { "ring: test_short_read_continues", test_short_read_continues,
          setup_ring, teardown, NULL },
        BOTH(test_end_of_file),
        BOTH(test_errors),
        BOTH(test_fallocate),
        BOTH(test_many),
        BOTH(test_submit_from_done_and_batch),
        BOTH(test_call),
        BOTH(test_orphan_stuck),
        BOTH(test_shared),
        cmocka_unit_test(test_nothing_available),
        cmocka_unit_test(test_pool_limits),
        cmocka_unit_test(test_posts_wake),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
