/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Unit tests of virtio/dev/blk.c: requests good, odd and hostile. */
#include <config.h>

#include "guest.h"

#include "block/block.h"
#include "core/clock.h"
#include "core/pool.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

extern const VirtioClass virtio_blk;

/* The driver's memory: header, data, status of each request. */
#define HDR_GPA    0x8000
#define STATUS_GPA 0x9000
#define DISK_BYTES (256 << 10)

enum {
    T_IN = 0,
    T_OUT = 1,
    T_FLUSH = 4,
    T_GET_ID = 8,
    T_DISCARD = 11,
    T_ZEROES = 13,
};

#define F_FLUSH   VIRTIO_F(9)
#define F_DISCARD VIRTIO_F(13)
#define F_ZEROES  VIRTIO_F(14)

typedef struct Fixture {
    Guest g;
    Block *block;
    bool taken;
    char path[64];
    char spec[128];
    BlockConf conf;
} Fixture;

static void *take_drive(void *opaque, VirtioRef kind, const char *id, Err *e)
{
    Fixture *f = opaque;

    if (kind != VIRTIO_REF_DRIVE || strcmp(id, "d") || f->taken) {
        err_set(e, ENOENT, "no drive '%s'", id);
        return NULL;
    }
    f->taken = true;
    return f->block;
}

static void put_drive(void *opaque, VirtioRef kind, const char *id)
{
    ((Fixture *)opaque)->taken = false;
}

/* As guest_init(), for a device that needs a loop and a drive first. */
static void machine_init(Fixture *f)
{
    RamConf ram = { .name = "ram", .size_bytes = RAM_BYTES };
    Guest *g = &f->g;
    RamBlock *block = NULL;
    Err e = ERR_INIT;

    assert_int_equal(loop_new(&g->loop, "test", &e), 0);
    assert_int_equal(pool_start(g->loop, 2, &e), 0);
    assert_int_equal(gmem_new(&g->gm, &e), 0);
    assert_int_equal(ram_block_new(&block, &ram, &e), 0);
    assert_int_equal(gmem_map(g->gm, 0, RAM_BYTES, block, 0, 0, &e), 0);
    ram_block_unref(block);
    g->env = (VirtioEnv){ .main_loop = g->loop,
                          .gm = g->gm,
                          .vcpus = 1,
                          .ref_take = take_drive,
                          .ref_put = put_drive,
                          .opaque = f };
}

static void plug(Fixture *f, const char *text)
{
    Guest *g = &f->g;
    Err e = ERR_INIT;
    OptBag bag;
    void *conf = calloc(1, virtio_blk.conf_size);

    assert_int_equal(block_open(&f->block, &f->conf, NULL, NULL, &e), 0);
    assert_int_equal(
        opt_bag_text(&bag, "-device virtio-blk", text, OPT_HEAD_NONE, NULL, &e),
        0);
    assert_int_equal(opt_parse(virtio_blk.opts, &bag, conf, &e), 0);
    assert_int_equal(
        virtio_new(&g->vdev, &virtio_blk, "dut", conf, &g->env, &e), 0);
    opt_bag_fini(&bag);
    free(conf);
    g->t.ops = &fake_ops;
    g->t.vdev = g->vdev;
    g->vdev->transport = &g->t;
}

static int setup(void **state)
{
    Fixture *f = calloc(1, sizeof(*f));
    static uint8_t buf[DISK_BYTES];
    int fd;

    alarm(60);
    snprintf(f->path, sizeof(f->path), "./test-blk-XXXXXX");
    fd = mkstemp(f->path);
    assert_true(fd >= 0);
    for (unsigned i = 0; i < sizeof(buf); i++)
        buf[i] = i / 512;
    assert_int_equal(write(fd, buf, sizeof(buf)), sizeof(buf));
    close(fd);
    f->conf = (BlockConf){ .id = "d", .file = f->path, .aio = BLOCK_AIO_URING };
    machine_init(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    Fixture *f = *state;

    if (f->g.vdev) {
        virtio_unplug(f->g.vdev, NULL, NULL);
        guest_run(&f->g);
        virtio_free(f->g.vdev);
        assert_false(f->taken);
    }
    block_close(f->block);
    pool_stop();
    gmem_free(f->g.gm);
    loop_free(f->g.loop);
    unlink(f->path);
    free(f);
    return 0;
}

/* --- the driver's side --------------------------------------------------- */

static void header(Guest *g, unsigned i, uint32_t type, uint64_t sector)
{
    uint8_t hdr[16] = { 0 };

    store_le32(hdr, type);
    store_le64(hdr + 8, sector);
    gmem_write(g->gm, HDR_GPA + i * 16, hdr, sizeof(hdr));
    gmem_set(g->gm, STATUS_GPA + i, 0xff, 1);
}

/* Descriptors 3i..3i+2: header, data, status. */
static void put_request(Guest *g, unsigned i, uint32_t type, uint64_t sector,
                        uint64_t data_gpa, uint32_t len, bool write)
{
    unsigned d = 3 * i;

    header(g, i, type, sector);
    guest_desc(g, d, HDR_GPA + i * 16, 16, NEXT, len ? d + 1 : d + 2);
    if (len)
        guest_desc(g, d + 1, data_gpa, len, NEXT | (write ? WRITE : 0), d + 2);
    guest_desc(g, d + 2, STATUS_GPA + i, 1, WRITE, 0);
    guest_add(g, d);
}

static uint8_t status_of(Guest *g, unsigned i)
{
    uint8_t status;

    gmem_read(g->gm, STATUS_GPA + i, &status, 1);
    return status;
}

/* Waits for the next used entry; its length. */
static uint32_t wait_used(Guest *g, uint32_t want_id)
{
    uint32_t id, len;

    while (guest_used_idx(g) == g->seen)
        loop_turn(g->loop, 100);
    guest_used(g, &id, &len);
    assert_int_equal(id, want_id);
    return len;
}

static uint8_t do_request(Guest *g, uint32_t type, uint64_t sector,
                          uint32_t len, bool write)
{
    put_request(g, 0, type, sector, DATA_GPA, len, write);
    guest_kick(g);
    wait_used(g, 0);
    return status_of(g, 0);
}

static void expect_disk(Fixture *f, uint64_t off, const void *want, size_t len)
{
    uint8_t buf[8192];
    int fd = open(f->path, O_RDONLY | O_CLOEXEC);

    assert_int_equal(pread(fd, buf, len, off), len);
    assert_memory_equal(buf, want, len);
    close(fd);
}

/* --- tests --------------------------------------------------------------- */

static void test_config(void **state)
{
    Fixture *f = *state;
    VirtioDev *vdev;

    f->conf.discard = true;
    f->conf.detect_zeroes = BLOCK_DETECT_ON;
    plug(f, "drive=d,queue-size=128,serial=12345678901234567890");
    vdev = f->g.vdev;
    assert_int_equal(load_le64(vdev->config), DISK_BYTES / 512);
    assert_int_equal(load_le32(vdev->config + 12), 126);
    assert_int_equal(vdev->config_len, 57);
    assert_int_equal(vdev->config[56], 1);
    assert_true(vdev->host_features & F_FLUSH);
    assert_true(vdev->host_features & F_DISCARD);
    assert_true(vdev->host_features & F_ZEROES);
    assert_false(vdev->host_features & VIRTIO_F(5));
    assert_false(vdev->host_features & VIRTIO_F(12));
    /* The image grew. */
    assert_int_equal(truncate(f->path, DISK_BYTES * 2), 0);
    Err e = ERR_INIT;
    assert_int_equal(block_refresh(f->block, &e), 0);
    assert_int_equal(load_le64(vdev->config), DISK_BYTES / 512 * 2);
}

static void test_config_plain(void **state)
{
    Fixture *f = *state;

    f->conf.readonly = true;
    plug(f, "drive=d,num-queues=4");
    assert_int_equal(f->g.vdev->config_len, 36);
    assert_int_equal(load_le16(f->g.vdev->config + 34), 4);
    assert_true(f->g.vdev->host_features & VIRTIO_F(5));
    assert_true(f->g.vdev->host_features & VIRTIO_F(12));
    assert_false(f->g.vdev->host_features & (F_DISCARD | F_ZEROES));
}

static void test_read_write_flush(void **state)
{
    Fixture *f = *state;
    Guest *g = &f->g;
    uint8_t buf[2048];

    plug(f, "drive=d");
    guest_start(g, F_FLUSH);
    put_request(g, 0, T_IN, 3, DATA_GPA, 1024, true);
    guest_kick(g);
    assert_int_equal(wait_used(g, 0), 1025);
    assert_int_equal(status_of(g, 0), 0);
    gmem_read(g->gm, DATA_GPA, buf, 1024);
    assert_int_equal(buf[0], 3);
    assert_int_equal(buf[1023], 4);
    gmem_set(g->gm, DATA_GPA, 0xab, 2048);
    assert_int_equal(do_request(g, T_OUT, 10, 2048, false), 0);
    memset(buf, 0xab, sizeof(buf));
    expect_disk(f, 5120, buf, 2048);
    assert_int_equal(do_request(g, T_FLUSH, 0, 0, false), 0);
    assert_int_equal(g->queue_irqs, 3);
    assert_false(g->vdev->broken);
}

/* The driver cannot flush: a write is on the disk when it is done. */
static void test_write_through(void **state)
{
    Fixture *f = *state;
    BlockStats stats;

    snprintf(f->spec, sizeof(f->spec), "fault:flush-EIO:%s", f->path);
    f->conf.file = f->spec;
    plug(f, "drive=d");
    guest_start(&f->g, 0);
    assert_int_equal(do_request(&f->g, T_OUT, 1, 512, false), 0);
    block_stats(f->block, &stats);
    assert_int_equal(stats.op[BLOCK_WRITE].ops, 1);
    /* Its own flush is the driver's affair alone. */
    assert_int_equal(stats.op[BLOCK_FLUSH].ops, 0);
}

static void test_get_id(void **state)
{
    Fixture *f = *state;
    char id[24];

    plug(f, "drive=d,serial=root-disk");
    guest_start(&f->g, 0);
    gmem_set(f->g.gm, DATA_GPA, 0xff, 32);
    put_request(&f->g, 0, T_GET_ID, 0, DATA_GPA, 20, true);
    guest_kick(&f->g);
    assert_int_equal(wait_used(&f->g, 0), 21);
    assert_int_equal(status_of(&f->g, 0), 0);
    gmem_read(f->g.gm, DATA_GPA, id, 20);
    assert_memory_equal(id, "root-disk\0\0\0\0\0\0\0\0\0\0\0", 20);
    /* A buffer too short gets its beginning. */
    assert_int_equal(do_request(&f->g, T_GET_ID, 0, 4, true), 0);
}

static void test_bad_requests(void **state)
{
    static const struct {
        uint32_t type;
        uint64_t sector;
        uint32_t len;
        bool write;
        uint8_t status;
    } cases[] = {
        { T_IN, DISK_BYTES / 512 - 1, 1024, true, 1 }, /* beyond the end */
        { T_IN, UINT64_MAX, 512, true, 1 },
        { T_IN, UINT64_MAX / 512, 512, true, 1 },
        { T_IN, 0, 100, true, 1 }, /* not a sector */
        { T_OUT, 0, 511, false, 1 },
        { T_OUT, 1ULL << 55, 512, false, 1 },
        { T_IN, 0, 0, true, 0 }, /* nothing at all */
        { 99, 0, 512, true, 2 },
        { T_DISCARD, 0, 16, false, 2 }, /* not negotiated */
        { T_ZEROES, 0, 16, false, 2 },
    };
    Fixture *f = *state;

    plug(f, "drive=d");
    guest_start(&f->g, F_FLUSH);
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++)
        assert_int_equal(do_request(&f->g, cases[i].type, cases[i].sector,
                                    cases[i].len, cases[i].write),
                         cases[i].status);
    assert_false(f->g.vdev->broken);
}

static void put_range(Guest *g, unsigned i, uint64_t sector, uint32_t sectors,
                      uint32_t flags)
{
    uint8_t seg[16];

    store_le64(seg, sector);
    store_le32(seg + 8, sectors);
    store_le32(seg + 12, flags);
    gmem_write(g->gm, DATA_GPA + i * 16, seg, sizeof(seg));
}

static void test_ranges(void **state)
{
    Fixture *f = *state;
    Guest *g = &f->g;
    uint8_t zero[4096] = { 0 }, one[512];

    f->conf.discard = true;
    f->conf.detect_zeroes = BLOCK_DETECT_ON;
    plug(f, "drive=d");
    guest_start(g, F_FLUSH | F_DISCARD | F_ZEROES);
    put_range(g, 0, 8, 8, 0);
    put_range(g, 1, 24, 1, 1); /* may unmap */
    assert_int_equal(do_request(g, T_ZEROES, 0, 32, false), 0);
    expect_disk(f, 4096, zero, 4096);
    expect_disk(f, 24 * 512, zero, 512);
    memset(one, 25, sizeof(one));
    expect_disk(f, 25 * 512, one, 512);
    put_range(g, 0, 64, 64, 0);
    assert_int_equal(do_request(g, T_DISCARD, 0, 16, false), 0);

    assert_int_equal(do_request(g, T_DISCARD, 0, 15, false), 1);
    assert_int_equal(do_request(g, T_DISCARD, 0, 33 * 16, false), 1);
    assert_int_equal(do_request(g, T_DISCARD, 0, 0, false), 1);
    put_range(g, 0, DISK_BYTES / 512 - 1, 2, 0);
    assert_int_equal(do_request(g, T_DISCARD, 0, 16, false), 1);
    put_range(g, 0, UINT64_MAX, 2, 0);
    assert_int_equal(do_request(g, T_ZEROES, 0, 16, false), 1);
    put_range(g, 0, 0, UINT32_MAX, 0);
    assert_int_equal(do_request(g, T_ZEROES, 0, 16, false), 1);
    put_range(g, 0, 0, 1, 1);
    assert_int_equal(do_request(g, T_DISCARD, 0, 16, false), 2);
    put_range(g, 0, 0, 1, 2);
    assert_int_equal(do_request(g, T_ZEROES, 0, 16, false), 2);
}

static void test_readonly(void **state)
{
    Fixture *f = *state;

    f->conf.readonly = true;
    plug(f, "drive=d");
    guest_start(&f->g, F_FLUSH);
    assert_int_equal(do_request(&f->g, T_OUT, 0, 512, false), 1);
    assert_int_equal(do_request(&f->g, T_IN, 0, 512, true), 0);
    assert_int_equal(do_request(&f->g, T_FLUSH, 0, 0, false), 0);
}

/* Header, data and status cut into odd pieces: one piece holds both. */
static void test_odd_pieces(void **state)
{
    Fixture *f = *state;
    Guest *g = &f->g;
    uint8_t buf[1024];

    plug(f, "drive=d");
    guest_start(g, F_FLUSH);
    header(g, 0, T_IN, 5);
    guest_desc(g, 0, HDR_GPA, 3, NEXT, 1);
    guest_desc(g, 1, HDR_GPA + 3, 13, NEXT, 2);
    guest_desc(g, 2, DATA_GPA, 7, NEXT | WRITE, 3);
    guest_desc(g, 3, DATA_GPA + 7, 506, WRITE, 0); /* 505 data, status */
    guest_add(g, 0);
    guest_kick(g);
    assert_int_equal(wait_used(g, 0), 513);
    gmem_read(g->gm, DATA_GPA, buf, 513);
    for (int i = 0; i < 512; i++)
        assert_int_equal(buf[i], 5);
    assert_int_equal(buf[512], 0);

    header(g, 0, T_OUT, 7);
    gmem_set(g->gm, HDR_GPA + 16, 0x77, 512);
    guest_desc(g, 0, HDR_GPA, 20, NEXT, 1); /* header and 4 bytes of data */
    guest_desc(g, 1, HDR_GPA + 20, 508, NEXT, 2);
    guest_desc(g, 2, STATUS_GPA, 1, WRITE, 0);
    guest_add(g, 0);
    guest_kick(g);
    assert_int_equal(wait_used(g, 0), 1);
    assert_int_equal(status_of(g, 0), 0);
    memset(buf, 0x77, 512);
    expect_disk(f, 7 * 512, buf, 512);
}

static void test_broken_frames(void **state)
{
    Fixture *f = *state;
    Guest *g = &f->g;

    plug(f, "drive=d");
    guest_start(g, F_FLUSH);
    guest_desc(g, 0, HDR_GPA, 15, NEXT, 1); /* header too short */
    guest_desc(g, 1, STATUS_GPA, 1, WRITE, 0);
    guest_add(g, 0);
    guest_kick(g);
    assert_true(g->vdev->broken);
    assert_int_equal(g->config_irqs, 1);
    guest_status(g, 0);
    guest_run(g);
    assert_int_equal(g->vdev->status, 0);

    guest_start(g, F_FLUSH);
    header(g, 0, T_FLUSH, 0);
    guest_desc(g, 0, HDR_GPA, 16, 0, 0); /* nowhere to put the status */
    guest_add(g, 0);
    guest_kick(g);
    assert_true(g->vdev->broken);
    guest_status(g, 0);
    guest_run(g);
    guest_start(g, F_FLUSH);
    assert_int_equal(do_request(g, T_IN, 0, 512, true), 0);
}

/* Five at a time, ended in any order, one interrupt for a batch. */
static void test_many_at_once(void **state)
{
    Fixture *f = *state;
    Guest *g = &f->g;
    uint8_t buf[512];
    uint32_t id, len;

    plug(f, "drive=d");
    guest_start(g, F_FLUSH);
    for (unsigned round = 0; round < 100; round++) {
        for (unsigned i = 0; i < 5; i++)
            put_request(g, i, T_IN, (round + i * 7) % 256, DATA_GPA + i * 4096,
                        512, true);
        guest_kick(g);
        while ((uint16_t)(guest_used_idx(g) - g->seen) < 5)
            loop_turn(g->loop, 100);
        for (unsigned i = 0; i < 5; i++)
            guest_used(g, &id, &len);
        for (unsigned i = 0; i < 5; i++) {
            assert_int_equal(status_of(g, i), 0);
            gmem_read(g->gm, DATA_GPA + i * 4096, buf, 512);
            assert_int_equal(buf[511], (round + i * 7) % 256);
        }
    }
    assert_true(g->queue_irqs <= 500);
}

static void test_host_error(void **state)
{
    Fixture *f = *state;

    snprintf(f->spec, sizeof(f->spec), "fault:read@512-EIO:%s", f->path);
    f->conf.file = f->spec;
    plug(f, "drive=d");
    guest_start(&f->g, F_FLUSH);
    assert_int_equal(do_request(&f->g, T_IN, 0, 512, true), 0);
    assert_int_equal(do_request(&f->g, T_IN, 1, 512, true), 1);
    assert_int_equal(do_request(&f->g, T_IN, 2, 512, true), 0);
}

/* --- pause, reset -------------------------------------------------------- */

static void set_flag(void *opaque)
{
    *(bool *)opaque = true;
}

static void delayed_disk(Fixture *f)
{
    snprintf(f->spec, sizeof(f->spec), "fault:read@0-late10000:%s", f->path);
    f->conf.file = f->spec;
    plug(f, "drive=d");
    guest_start(&f->g, F_FLUSH);
    put_request(&f->g, 0, T_IN, 0, DATA_GPA, 512, true);
    guest_kick(&f->g);
    assert_int_equal(guest_used_idx(&f->g), 0);
}

static void pass_ms(Fixture *f, int64_t ms)
{
    clock_set_virtual(clock_now_ns() + ms * 1000000);
    guest_run(&f->g);
}

static void test_pause_waits(void **state)
{
    Fixture *f = *state;
    bool paused = false, resumed = false;

    delayed_disk(f);
    virtio_pause(f->g.vdev, set_flag, &paused);
    guest_run(&f->g);
    assert_false(paused);
    put_request(&f->g, 1, T_IN, 1, DATA_GPA, 512, true);
    guest_kick(&f->g);
    pass_ms(f, 10000);
    wait_used(&f->g, 0);
    guest_run(&f->g);
    assert_true(paused);
    assert_int_equal(guest_used_idx(&f->g), 1); /* the second one waits */
    virtio_resume(f->g.vdev, set_flag, &resumed);
    guest_run(&f->g);
    assert_true(resumed);
    wait_used(&f->g, 3);
    assert_int_equal(status_of(&f->g, 1), 0);
}

/* What comes after the deadline touches nothing of the guest's. */
static void test_reset_deadline(void **state)
{
    Fixture *f = *state;
    Guest *g = &f->g;

    delayed_disk(f);
    guest_status(g, 0);
    guest_run(g);
    assert_int_not_equal(g->vdev->status, 0); /* waits for the request */
    pass_ms(f, VIRTIO_STOP_MS);
    assert_int_equal(g->vdev->status, VIRTIO_S_NEEDS_RESET);
    gmem_set(g->gm, 0, 0xee, RAM_BYTES);
    pass_ms(f, 10000 - VIRTIO_STOP_MS);
    for (int i = 0; i < 100 && g->vdev->orphans; i++)
        loop_turn(g->loop, 100);
    assert_int_equal(g->vdev->orphans, 0);
    assert_int_equal(status_of(g, 0), 0xee);
    guest_status(g, 0);
    guest_run(g);
    guest_start(g, F_FLUSH);
    assert_int_equal(do_request(g, T_IN, 9, 512, true), 0);
}

/* Requests that the host does not have yet do not hold up a reset. */
static void test_reset_cancels_waiting(void **state)
{
    Fixture *f = *state;
    Guest *g = &f->g;

    f->conf.iops_total = 1;
    snprintf(f->spec, sizeof(f->spec), "fault:read@2048-delay10000:%s",
             f->path);
    f->conf.file = f->spec;
    plug(f, "drive=d");
    guest_start(g, F_FLUSH);
    for (unsigned i = 0; i < 5; i++)
        put_request(g, i, T_IN, i, DATA_GPA + i * 4096, 512, true);
    guest_kick(g);
    wait_used(g, 0);
    guest_run(g);
    assert_int_equal(guest_used_idx(g), 1);
    guest_status(g, 0);
    guest_run(g);
    assert_int_equal(g->vdev->status, 0);

    guest_start(g, F_FLUSH);
    pass_ms(f, 60000);                               /* tokens again */
    put_request(g, 0, T_IN, 4, DATA_GPA, 512, true); /* is delayed */
    guest_kick(g);
    guest_status(g, 0);
    guest_run(g);
    assert_int_equal(g->vdev->status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
        T(test_config),
        T(test_config_plain),
        T(test_read_write_flush),
        T(test_write_through),
        T(test_get_id),
        T(test_bad_requests),
        T(test_ranges),
        T(test_readonly),
        T(test_odd_pieces),
        T(test_broken_frames),
        T(test_many_at_once),
        T(test_host_error),
        T(test_pause_waits),
        T(test_reset_deadline),
        T(test_reset_cancels_waiting),
#undef T
    };

    clock_use_virtual();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
