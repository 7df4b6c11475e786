/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Unit tests of block/: options, raw images, bounces, faults, locks. */
#include <config.h>

#include "block/block.h"

#include "block/raw_priv.h"
#include "core/clock.h"
#include "util/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define DISK_BYTES (1 << 20)

typedef struct Fixture {
    Loop *loop;
    Block *block;
    char path[64];
    char spec[128];
    BlockConf conf;
    Err e;
} Fixture;

typedef struct TestReq {
    BlockReq req;
    struct iovec iov[3];
    int calls;
    int res;
} TestReq;

/* --- helpers ------------------------------------------------------------- */

static void fill_pattern(uint8_t *buf, size_t len, unsigned seed)
{
    for (size_t i = 0; i < len; i++)
        buf[i] = (uint8_t)(i / 512 * 7 + i + seed) | 1;
}

static int setup_mode(void **state, const char *no_uring)
{
    static uint8_t buf[DISK_BYTES];
    Fixture *f = calloc(1, sizeof(*f));
    int fd;

    alarm(60);
    setenv("STRATOVMM_NO_URING", no_uring, 1);
    /* Not in /tmp: that is often a tmpfs, which may lack O_DIRECT. */
    snprintf(f->path, sizeof(f->path), "./test-block-XXXXXX");
    fd = mkstemp(f->path);
    assert_true(fd >= 0);
    fill_pattern(buf, sizeof(buf), 0);
    assert_int_equal(write(fd, buf, sizeof(buf)), sizeof(buf));
    close(fd);
    f->conf = (BlockConf){
        .id = "d", .file = f->path, .aio_given = true, .aio = BLOCK_AIO_URING
    };
    assert_int_equal(loop_new(&f->loop, "test", &f->e), 0);
    assert_int_equal(pool_start(f->loop, 2, &f->e), 0);
    *state = f;
    return 0;
}

static int setup(void **state)
{
    return setup_mode(state, "0");
}

static int setup_pool(void **state)
{
    return setup_mode(state, "1");
}

static int teardown(void **state)
{
    Fixture *f = *state;

    if (f->block)
        block_detach(f->block);
    block_close(f->block);
    pool_stop();
    loop_free(f->loop);
    unlink(f->path);
    free(f);
    return 0;
}

static void open_disk(Fixture *f)
{
    int r = block_open(&f->block, &f->conf, NULL, NULL, &f->e);

    if (r < 0)
        print_message("%s\n", f->e.msg);
    assert_int_equal(r, 0);
    assert_int_equal(block_attach(f->block, f->loop, &f->e), 0);
}

static void req_done(BlockReq *req, int res)
{
    TestReq *t = container_of(req, TestReq, req);

    t->calls++;
    t->res = res;
    loop_wake(req->block->loop);
}

static void start(Fixture *f, TestReq *t, BlockOp op, void *buf, uint64_t off,
                  uint64_t len)
{
    t->iov[0] = (struct iovec){ buf, len };
    t->req.op = op;
    t->req.iov = t->iov;
    t->req.niov = 1;
    t->req.off = off;
    t->req.len = len;
    t->req.done = req_done;
    t->calls = 0;
    block_submit(f->block, &t->req);
}

static int wait_for(Fixture *f, TestReq *t)
{
    while (!t->calls)
        loop_turn(f->loop, -1);
    assert_int_equal(t->calls, 1);
    return t->res;
}

static int do_req(Fixture *f, BlockOp op, void *buf, uint64_t off, uint64_t len)
{
    TestReq t = { 0 };

    start(f, &t, op, buf, off, len);
    return wait_for(f, &t);
}

static void expect_disk(Fixture *f, uint64_t off, const void *want, size_t len)
{
    uint8_t *buf = malloc(len);
    int fd = open(f->path, O_RDONLY | O_CLOEXEC);

    assert_int_equal(pread(fd, buf, len, off), len);
    assert_memory_equal(buf, want, len);
    close(fd);
    free(buf);
}

/* The whole disk as set up, with a piece of it replaced. */
static void expect_patched(Fixture *f, uint64_t off, const void *piece,
                           size_t len)
{
    static uint8_t want[DISK_BYTES];

    fill_pattern(want, sizeof(want), 0);
    memcpy(want + off, piece, len);
    expect_disk(f, 0, want, sizeof(want));
}

static int second_lock(Fixture *f, bool readonly);

/* --- options ------------------------------------------------------------- */

static int parse(Fixture *f, const char *text, BlockConf *conf, OptBag *bag)
{
    int r;

    f->e = (Err)ERR_INIT;
    memset(conf, 0, sizeof(*conf));
    r = opt_bag_text(bag, "-drive", text, OPT_HEAD_NONE, NULL, &f->e);
    assert_int_equal(r, 0);
    r = opt_parse(block_opts, bag, conf, &f->e);
    return r < 0 ? r : block_check(conf, &f->e);
}

static void test_options(void **state)
{
    static const struct {
        const char *text;
        const char *error; /* NULL: fine */
    } cases[] = {
        { "file=/x,id=a", NULL },
        { "path-on-host=/x,id=a,direct=off", NULL },
        { "file=/x,id=a,direct=no", NULL },
        { "file=/x,id=a,direct=false,aio=threads,readonly=on", NULL },
        { "file=/x,id=a,discard=unmap,write-zeroes=unmap,iops=200", NULL },
        { "file=/x,id=a,if=pflash,unit=1", NULL },
        { "file=/x", "-drive file=/x needs an id= for a device to name it" },
        { "file=/x,if=pflash",
          "-drive if=pflash needs unit=0 (code) or unit=1 (variables)" },
        { "file=/x,id=a,aio=native,direct=off",
          "drive 'a': aio=native needs direct=on; use aio=io_uring, threads or "
          "off with direct=off" },
        { "file=/x,id=a,aio=off",
          "drive 'a': aio=off needs direct=off; use aio=native, io_uring or "
          "threads with direct=on" },
        { "file=/x,id=a,format=qcow2",
          "drive 'a': format=qcow2 is not supported yet; convert the image to "
          "raw" },
    };
    Fixture *f = *state;

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        OptBag bag;
        BlockConf conf;
        int r = parse(f, cases[i].text, &conf, &bag);

        assert_string_equal(f->e.msg, cases[i].error ? cases[i].error : "");
        assert_int_equal(r < 0, cases[i].error != NULL);
        opt_bag_fini(&bag);
    }
}

/* --- open ---------------------------------------------------------------- */

static void test_open_errors(void **state)
{
    Fixture *f = *state;
    BlockConf conf = f->conf;

    conf.file = "/nonexistent/image";
    assert_int_equal(block_open(&f->block, &conf, NULL, NULL, &f->e), -ENOENT);
    assert_non_null(strstr(f->e.msg, "drive 'd': "));
    assert_non_null(strstr(f->e.msg, "/nonexistent/image"));

    conf.file = "/dev/null";
    f->e = (Err)ERR_INIT;
    assert_int_equal(block_open(&f->block, &conf, NULL, NULL, &f->e), -ENOTBLK);
    assert_string_equal(f->e.msg, "drive 'd': '/dev/null' is neither a regular "
                                  "file nor a block device");

    conf.file = "/proc/self/status";
    conf.readonly = conf.direct = conf.direct_given = true;
    f->e = (Err)ERR_INIT;
    assert_int_equal(block_open(&f->block, &conf, NULL, NULL, &f->e), -EINVAL);
    assert_string_equal(f->e.msg, "drive 'd': the file system of "
                                  "'/proc/self/status' has no O_DIRECT; use "
                                  "direct=off");
}

/* The default asks for O_DIRECT, too, but does without. */
static void test_direct_by_default(void **state)
{
    Fixture *f = *state;

    f->conf.file = "/sys/kernel/uevent_seqnum"; /* sysfs has no O_DIRECT */
    f->conf.readonly = f->conf.direct = true;
    if (access(f->conf.file, R_OK) < 0)
        skip();
    assert_int_equal(block_open(&f->block, &f->conf, NULL, NULL, &f->e), 0);
    assert_false(block_info(f->block)->direct);
}

static void add_one(void *opaque)
{
    ++*(int *)opaque;
}

static void test_info_and_resize(void **state)
{
    Fixture *f = *state;
    int resized = 0;

    open_disk(f);
    block_on_resize(f->block, add_one, &resized);
    assert_string_equal(block_info(f->block)->id, "d");
    assert_string_equal(block_info(f->block)->format, "raw");
    assert_int_equal(block_info(f->block)->size_bytes, DISK_BYTES);
    assert_int_equal(block_refresh(f->block, &f->e), 0);
    assert_int_equal(truncate(f->path, DISK_BYTES + 700), 0);
    assert_int_equal(block_refresh(f->block, &f->e), 0);
    assert_int_equal(block_info(f->block)->size_bytes, DISK_BYTES + 512);
    assert_int_equal(resized, 1);
}

/* --- requests ------------------------------------------------------------ */

static void test_read_write(void **state)
{
    Fixture *f = *state;
    uint8_t *buf, want[4096];
    BlockStats stats;

    buf = aligned_alloc(4096, align_up(4096, 4096));
    open_disk(f);
    assert_int_equal(do_req(f, BLOCK_READ, buf, 8192, 4096), 0);
    expect_disk(f, 8192, buf, 4096);
    fill_pattern(buf, 4096, 99);
    memcpy(want, buf, sizeof(want));
    assert_int_equal(do_req(f, BLOCK_WRITE, buf, 512, 4096), 0);
    expect_patched(f, 512, want, 4096);
    assert_int_equal(do_req(f, BLOCK_FLUSH, NULL, 0, 0), 0);
    block_stats(f->block, &stats);
    assert_int_equal(stats.op[BLOCK_READ].ops, 1);
    assert_int_equal(stats.op[BLOCK_READ].bytes, 4096);
    assert_int_equal(stats.op[BLOCK_WRITE].bytes, 4096);
    assert_int_equal(stats.op[BLOCK_FLUSH].ops, 1);
    assert_int_equal(stats.op[BLOCK_FLUSH].bytes, 0);
    free(buf);
}

static void test_range_and_readonly(void **state)
{
    Fixture *f = *state;
    uint8_t buf[1024] = { 0 };
    BlockStats stats;

    f->conf.readonly = true;
    open_disk(f);
    assert_int_equal(do_req(f, BLOCK_READ, buf, DISK_BYTES - 512, 1024),
                     -EINVAL);
    assert_int_equal(do_req(f, BLOCK_READ, buf, UINT64_MAX - 511, 1024),
                     -EINVAL);
    assert_int_equal(do_req(f, BLOCK_READ, buf, DISK_BYTES - 512, 512), 0);
    assert_int_equal(do_req(f, BLOCK_WRITE, buf, 0, 512), -EROFS);
    assert_int_equal(do_req(f, BLOCK_ZEROES, NULL, 0, 512), -EROFS);
    assert_int_equal(do_req(f, BLOCK_DISCARD, NULL, 0, 512), -EROFS);
    assert_int_equal(do_req(f, BLOCK_FLUSH, NULL, 0, 0), 0);
    block_stats(f->block, &stats);
    assert_int_equal(stats.op[BLOCK_READ].failed, 2);
    assert_int_equal(stats.op[BLOCK_READ].ops, 1);
}

static void test_truncated_image(void **state)
{
    Fixture *f = *state;
    uint8_t buf[1024];

    open_disk(f);
    assert_int_equal(truncate(f->path, 4096), 0);
    assert_int_equal(do_req(f, BLOCK_READ, buf, 4096 - 512, 1024), -EIO);
    assert_int_equal(do_req(f, BLOCK_READ, buf, 8192, 512), -EIO);
}

static void test_zeroes_and_discard(void **state)
{
    static const uint8_t zero[200 << 10];
    Fixture *f = *state;
    Raw *raw;
    struct stat before, after;

    f->conf.discard = true;
    f->conf.detect_zeroes = BLOCK_DETECT_ON;
    open_disk(f);
    raw = container_of(f->block, Raw, base);
    assert_true(block_info(f->block)->discard);
    assert_true(block_info(f->block)->write_zeroes);
    assert_int_equal(do_req(f, BLOCK_ZEROES, NULL, 512, 8192), 0);
    expect_patched(f, 512, zero, 8192);
    raw->no_zero_range = true; /* by writing */
    assert_int_equal(do_req(f, BLOCK_ZEROES, NULL, 512, sizeof(zero)), 0);
    expect_patched(f, 512, zero, sizeof(zero));
    stat(f->path, &before);
    assert_int_equal(do_req(f, BLOCK_DISCARD, NULL, 65536, 131072), 0);
    stat(f->path, &after);
    assert_true(after.st_blocks < before.st_blocks);
    assert_int_equal(after.st_size, DISK_BYTES);
}

/* With discard=ignore a discard is done and changes nothing. */
static void test_discard_ignored(void **state)
{
    Fixture *f = *state;

    open_disk(f);
    assert_int_equal(do_req(f, BLOCK_DISCARD, NULL, 0, 65536), 0);
    expect_patched(f, 0, "", 0);
}

static void test_detect_zeroes(void **state)
{
    static uint8_t zero[65536];
    Fixture *f = *state;
    struct stat before, after;

    f->conf.discard = true;
    f->conf.detect_zeroes = BLOCK_DETECT_UNMAP;
    open_disk(f);
    stat(f->path, &before);
    assert_int_equal(do_req(f, BLOCK_WRITE, zero, 65536, 65536), 0);
    stat(f->path, &after);
    assert_true(after.st_blocks < before.st_blocks);
    expect_patched(f, 65536, zero, sizeof(zero));
    zero[65535] = 1; /* one byte more than nothing */
    assert_int_equal(do_req(f, BLOCK_WRITE, zero, 65536, 65536), 0);
    expect_patched(f, 65536, zero, sizeof(zero));
    zero[65535] = 0;
}

static void test_fua(void **state)
{
    Fixture *f = *state;
    TestReq t = { .req.fua = true };
    uint8_t buf[512] = "stable";

    open_disk(f);
    start(f, &t, BLOCK_WRITE, buf, 0, 512);
    assert_int_equal(wait_for(f, &t), 0);
    assert_true(t.req.syncing);
    expect_patched(f, 0, buf, 512);
}

/* --- O_DIRECT ------------------------------------------------------------ */

static void open_direct(Fixture *f, uint32_t mem_align, uint32_t req_align)
{
    Raw *raw;

    f->conf.direct = true;
    open_disk(f);
    if (!block_info(f->block)->direct)
        skip(); /* this file system has none */
    /* As on a disk with larger sectors. */
    raw = container_of(f->block, Raw, base);
    raw->mem_align = MAX(raw->mem_align, mem_align);
    raw->req_align = MAX(raw->req_align, req_align);
}

static void test_direct_misaligned_memory(void **state)
{
    static uint8_t buf[RAW_BOUNCE_BYTES * 2 + 1], want[sizeof(buf)];
    size_t len = RAW_BOUNCE_BYTES * 2 - 512;
    Fixture *f = *state;

    open_direct(f, 512, 512);
    assert_int_equal(do_req(f, BLOCK_READ, buf + 1, 512, len), 0);
    expect_disk(f, 512, buf + 1, len);
    fill_pattern(buf, sizeof(buf), 3);
    memcpy(want, buf, sizeof(buf));
    assert_int_equal(do_req(f, BLOCK_WRITE, buf + 1, 1024, len), 0);
    expect_patched(f, 1024, want + 1, len);
}

/* Sectors of 512 bytes on a host disk with 4096: read, patch, write. */
static void test_direct_patch(void **state)
{
    Fixture *f = *state;
    uint8_t *buf, want[3 * 512];

    buf = aligned_alloc(4096, align_up(sizeof(want), 4096));
    open_direct(f, 512, 4096);
    fill_pattern(buf, sizeof(want), 50);
    memcpy(want, buf, sizeof(want));
    assert_int_equal(do_req(f, BLOCK_WRITE, buf, 7 * 512, sizeof(want)), 0);
    expect_patched(f, 7 * 512, want, sizeof(want));
    memset(buf, 0, sizeof(want));
    assert_int_equal(do_req(f, BLOCK_READ, buf, 7 * 512, sizeof(want)), 0);
    assert_memory_equal(buf, want, sizeof(want));
    free(buf);
}

/* All sectors of one host block at once: none may undo another. */
static void test_direct_patch_race(void **state)
{
    enum {
        N = 32
    };
    Fixture *f = *state;
    TestReq t[N] = { 0 };
    uint8_t *buf, want[N * 512];
    struct {
        TestReq t;
    } whole = { 0 };

    buf = aligned_alloc(4096, align_up(sizeof(want), 4096));
    open_direct(f, 512, 4096);
    fill_pattern(buf, sizeof(want), 77);
    memcpy(want, buf, sizeof(want));
    start(f, &whole.t, BLOCK_WRITE, buf, 4096, 4096);
    for (int i = 0; i < N; i++)
        start(f, &t[i], BLOCK_WRITE, buf + i * 512, 65536 + i * 512, 512);
    for (int i = 0; i < N; i++)
        assert_int_equal(wait_for(f, &t[i]), 0);
    assert_int_equal(wait_for(f, &whole.t), 0);
    expect_disk(f, 65536, want, sizeof(want));
    expect_disk(f, 4096, want, 4096);
    free(buf);
}

static void test_direct_zero_patch(void **state)
{
    static const uint8_t zero[160 << 10];
    Fixture *f = *state;
    Raw *raw;

    f->conf.detect_zeroes = BLOCK_DETECT_ON;
    open_direct(f, 512, 4096);
    raw = container_of(f->block, Raw, base);
    raw->no_zero_range = true;
    assert_int_equal(do_req(f, BLOCK_ZEROES, NULL, 512, sizeof(zero)), 0);
    expect_patched(f, 512, zero, sizeof(zero));
}

/* --- a real block device ------------------------------------------------- */

/* A loop device with 4096-byte sectors on the image, or -1. */
static int loop_device(Fixture *f, char *ret_path, size_t len)
{
    struct loop_config lc = { .block_size = 4096,
                              .info.lo_flags = LO_FLAGS_AUTOCLEAR };
    int ctl CLEANUP(fd_close) = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    int file CLEANUP(fd_close) = open(f->path, O_RDWR | O_CLOEXEC);
    int nr = ctl < 0 ? -1 : ioctl(ctl, LOOP_CTL_GET_FREE);
    int fd;

    if (nr < 0)
        return -1;
    snprintf(ret_path, len, "/dev/loop%d", nr);
    fd = open(ret_path, O_RDWR | O_CLOEXEC);
    lc.fd = (uint32_t)file;
    if (fd >= 0 && ioctl(fd, LOOP_CONFIGURE, &lc) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* The guest's sectors have 512 bytes, the host's 4096. */
static void test_block_device(void **state)
{
    static const uint8_t zero[65536];
    Fixture *f = *state;
    uint8_t *buf, want[1024];
    int dev = loop_device(f, f->spec, sizeof(f->spec));

    if (dev < 0)
        skip(); /* needs root and a free loop device */
    f->conf.file = f->spec;
    f->conf.direct = f->conf.discard = true;
    f->conf.detect_zeroes = BLOCK_DETECT_ON;
    open_disk(f);
    assert_int_equal(block_info(f->block)->size_bytes, DISK_BYTES);
    assert_int_equal(block_info(f->block)->phys_bytes, 4096);
    assert_int_equal(container_of(f->block, Raw, base)->req_align, 4096);
    buf = aligned_alloc(4096, 4096);
    fill_pattern(buf, 4096, 33);
    memcpy(want, buf, sizeof(want));
    assert_int_equal(do_req(f, BLOCK_WRITE, buf, 512, sizeof(want)), 0);
    memset(buf, 0, sizeof(want));
    assert_int_equal(do_req(f, BLOCK_READ, buf, 512, sizeof(want)), 0);
    assert_memory_equal(buf, want, sizeof(want));
    assert_int_equal(do_req(f, BLOCK_ZEROES, NULL, 7 * 512, sizeof(zero)), 0);
    assert_int_equal(do_req(f, BLOCK_ZEROES, NULL, 131072, 65536), 0);
    assert_int_equal(do_req(f, BLOCK_DISCARD, NULL, 262144, 65536), 0);
    assert_int_equal(do_req(f, BLOCK_DISCARD, NULL, 512, 512), 0);
    assert_int_equal(do_req(f, BLOCK_FLUSH, NULL, 0, 0), 0);
    assert_int_equal(block_lock(f->block, &f->e), 0);
    assert_int_equal(second_lock(f, true), -EAGAIN);
    free(buf);
    block_detach(f->block);
    block_close(f->block);
    f->block = NULL;
    close(dev);
    expect_disk(f, 7 * 512, zero, sizeof(zero));
    expect_disk(f, 131072, zero, sizeof(zero));
    expect_disk(f, 512, want, sizeof(want));
}

/* --- faults -------------------------------------------------------------- */

static void with_faults(Fixture *f, const char *rules)
{
    snprintf(f->spec, sizeof(f->spec), "fault:%s:%s", rules, f->path);
    f->conf.file = f->spec;
}

static void test_fault_fail(void **state)
{
    Fixture *f = *state;
    uint8_t buf[1024] = { 1 };

    with_faults(f, "write@1024*2-EIO+read-ENOMEM");
    open_disk(f);
    assert_int_equal(do_req(f, BLOCK_WRITE, buf, 0, 1024), 0);
    assert_int_equal(do_req(f, BLOCK_WRITE, buf, 512, 1024), -EIO);
    assert_int_equal(do_req(f, BLOCK_WRITE, buf, 1024, 512), -EIO);
    assert_int_equal(do_req(f, BLOCK_WRITE, buf, 1024, 512), 0);
    assert_int_equal(do_req(f, BLOCK_READ, buf, 0, 512), -ENOMEM);
}

/* The kernel forgets what it could not write: no later flush succeeds. */
static void test_fault_flush_stays(void **state)
{
    Fixture *f = *state;
    TestReq t = { .req.fua = true };
    uint8_t buf[512] = { 1 };

    with_faults(f, "flush*1-ENOSPC");
    open_disk(f);
    assert_int_equal(do_req(f, BLOCK_FLUSH, NULL, 0, 0), -ENOSPC);
    assert_int_equal(do_req(f, BLOCK_FLUSH, NULL, 0, 0), -ENOSPC);
    start(f, &t, BLOCK_WRITE, buf, 0, 512);
    assert_int_equal(wait_for(f, &t), -ENOSPC);
    assert_int_equal(do_req(f, BLOCK_WRITE, buf, 0, 512), 0);
}

static void test_fault_syntax(void **state)
{
    static const char *const bad[] = {
        "fault:",
        "fault:read:/x",
        "fault:read-EWHAT:/x",
        "fault:read@-EIO:/x",
        "fault:eat-EIO:/x",
        "fault:read-EIO+:/x",
    };
    Fixture *f = *state;

    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        f->conf.file = bad[i];
        f->e = (Err)ERR_INIT;
        assert_int_equal(block_open(&f->block, &f->conf, NULL, NULL, &f->e),
                         -EINVAL);
        assert_non_null(strstr(f->e.msg, "is no fault:RULE"));
    }
    f->conf.file = "fault:read-EIO:";
    assert_int_equal(block_open(&f->block, &f->conf, NULL, NULL, &f->e),
                     -EINVAL);
    assert_non_null(strstr(f->e.msg, "names no image"));
}

/* --- time (virtual clock) ------------------------------------------------ */

static void test_fault_delay(void **state)
{
    Fixture *f = *state;
    TestReq a = { 0 }, b = { 0 };
    uint8_t buf[512];
    int64_t now_ns = clock_now_ns();

    with_faults(f, "read@0-delay20+read@512-delay10");
    open_disk(f);
    start(f, &a, BLOCK_READ, buf, 0, 512);
    start(f, &b, BLOCK_READ, buf, 512, 512);
    loop_turn(f->loop, 0);
    assert_int_equal(a.calls + b.calls, 0);
    clock_set_virtual(now_ns + 10000000);
    assert_int_equal(wait_for(f, &b), 0);
    assert_int_equal(a.calls, 0);
    clock_set_virtual(now_ns + 20000000);
    assert_int_equal(wait_for(f, &a), 0);
}

static unsigned run_due(Fixture *f, TestReq *t, unsigned n)
{
    unsigned calls = 0;

    for (int i = 0; i < 50; i++)
        loop_turn(f->loop, 1);
    for (unsigned i = 0; i < n; i++)
        calls += t[i].calls;
    return calls;
}

static void test_throttle(void **state)
{
    enum {
        N = 40
    };
    Fixture *f = *state;
    TestReq t[N] = { 0 };
    uint8_t buf[512];
    int64_t now_ns = clock_now_ns();

    f->conf.iops_total = 100;
    open_disk(f);
    for (int i = 0; i < N; i++)
        start(f, &t[i], BLOCK_READ, buf, 0, 512);
    assert_int_equal(run_due(f, t, N), 10); /* a burst of 100 ms */
    clock_set_virtual(now_ns + 100000001);
    assert_int_equal(run_due(f, t, N), 20);
    block_cancel(f->block);
    assert_int_equal(run_due(f, t, N), N);
    assert_int_equal(t[N - 1].res, -ECANCELED);
    assert_int_equal(t[19].res, 0);
}

/* --- locks --------------------------------------------------------------- */

static int second_lock(Fixture *f, bool readonly)
{
    BlockConf conf = f->conf;
    Block *other;
    int r;

    conf.readonly = readonly;
    f->e = (Err)ERR_INIT;
    assert_int_equal(block_open(&other, &conf, NULL, NULL, &f->e), 0);
    r = block_lock(other, &f->e);
    block_unlock(other);
    block_close(other);
    return r;
}

static void test_lock_writer(void **state)
{
    Fixture *f = *state;
    char want[256];

    open_disk(f);
    assert_int_equal(block_lock(f->block, &f->e), 0);
    assert_int_equal(block_lock(f->block, &f->e), 0); /* has it */
    assert_int_equal(second_lock(f, false), -EAGAIN);
    snprintf(
        want, sizeof(want),
        "drive 'd': image '%s' is in use by another program or drive; stop "
        "that one, or use readonly=on in both",
        f->path);
    assert_string_equal(f->e.msg, want);
    assert_int_equal(second_lock(f, true), -EAGAIN);
    block_unlock(f->block);
    assert_int_equal(second_lock(f, false), 0);
}

static void test_lock_readers(void **state)
{
    Fixture *f = *state;

    f->conf.readonly = true;
    open_disk(f);
    assert_int_equal(block_lock(f->block, &f->e), 0);
    assert_int_equal(second_lock(f, true), 0);
    assert_int_equal(second_lock(f, false), -EAGAIN);
}

static void foreign_lock(int fd, short type, off_t byte)
{
    struct flock fl = {
        .l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1
    };

    assert_int_equal(fcntl(fd, F_OFD_SETLK, &fl), 0);
}

/* What QEMU and StratoVirt hold while they use an image. */
static void test_lock_others(void **state)
{
    Fixture *f = *state;
    int fd = open(f->path, O_RDWR | O_CLOEXEC);

    foreign_lock(fd, F_RDLCK, 101); /* QEMU writes, allows other writers */
    assert_int_equal(second_lock(f, false), -EAGAIN);
    assert_int_equal(second_lock(f, true), -EAGAIN);
    foreign_lock(fd, F_UNLCK, 101);
    foreign_lock(fd, F_RDLCK, 100); /* QEMU reads, allows no writer */
    foreign_lock(fd, F_RDLCK, 201);
    assert_int_equal(second_lock(f, false), -EAGAIN);
    assert_int_equal(second_lock(f, true), 0);
    foreign_lock(fd, F_UNLCK, 100);
    foreign_lock(fd, F_UNLCK, 201);
    foreign_lock(fd, F_WRLCK, 101); /* StratoVirt writes */
    foreign_lock(fd, F_WRLCK, 102);
    foreign_lock(fd, F_WRLCK, 202);
    assert_int_equal(second_lock(f, true), -EAGAIN);
    foreign_lock(fd, F_RDLCK, 101); /* StratoVirt reads */
    foreign_lock(fd, F_RDLCK, 102);
    foreign_lock(fd, F_RDLCK, 202);
    assert_int_equal(second_lock(f, true), 0);
    assert_int_equal(second_lock(f, false), -EAGAIN);
    close(fd);
    assert_int_equal(second_lock(f, false), 0);
}

#define RING(fn)                                                               \
    {                                                                          \
        "ring: " #fn, fn, setup, teardown, NULL                                \
    }
#define BOTH(fn)                                                               \
    RING(fn),                                                                  \
    {                                                                          \
        "pool: " #fn, fn, setup_pool, teardown, NULL                           \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        RING(test_options),
        RING(test_open_errors),
        RING(test_direct_by_default),
        RING(test_info_and_resize),
        BOTH(test_read_write),
        BOTH(test_range_and_readonly),
        BOTH(test_truncated_image),
        BOTH(test_zeroes_and_discard),
        BOTH(test_discard_ignored),
        BOTH(test_detect_zeroes),
        BOTH(test_fua),
        BOTH(test_direct_misaligned_memory),
        BOTH(test_direct_patch),
        BOTH(test_direct_patch_race),
        BOTH(test_direct_zero_patch),
        BOTH(test_block_device),
        RING(test_fault_fail),
        RING(test_fault_flush_stays),
        RING(test_fault_syntax),
        RING(test_fault_delay),
        RING(test_throttle),
        RING(test_lock_writer),
        RING(test_lock_readers),
        RING(test_lock_others),
    };

    clock_use_virtual();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
