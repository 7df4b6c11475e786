/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Unit tests of virtio/dev: entropy and console. */
#include <config.h>

#include "guest.h"

#include "chardev/chardev.h"
#include "core/clock.h"
#include "virtio/dev/console.h"
#include "virtio/dev/rng.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

typedef struct Bench {
    Guest g;
    RngSource *source;
    Chardev *cd;
    int peer;
    unsigned taken;
} Bench;

static void *ref_take(void *opaque, VirtioRef kind, const char *id, Err *e)
{
    Bench *b = opaque;

    b->taken++;
    return kind == VIRTIO_REF_RNG ? (void *)b->source : (void *)b->cd;
}

static void ref_put(void *opaque, VirtioRef kind, const char *id)
{
    ((Bench *)opaque)->taken--;
}

static Bench *bench_new(void)
{
    Bench *b = calloc(1, sizeof(*b));

    alarm(30);
    b->peer = -1;
    b->g.env.ref_take = ref_take;
    b->g.env.ref_put = ref_put;
    b->g.env.opaque = b;
    return b;
}

static void bench_free(Bench *b)
{
    guest_fini(&b->g);
    assert_int_equal(b->taken, 0);
    rng_source_free(b->source);
    chardev_free(b->cd);
    fd_close(&b->peer);
    free(b);
}

/* Device options as a user writes them. */
static void *parse(const VirtioClass *cls, const char *text)
{
    void *conf = calloc(1, cls->conf_size);
    OptBag bag;
    Err e = ERR_INIT;

    assert_int_equal(
        opt_bag_text(&bag, "-device", text, OPT_HEAD_NAME, NULL, &e), 0);
    if (opt_parse(cls->opts, &bag, conf, &e) < 0)
        fail_msg("%s", e.msg);
    opt_bag_fini(&bag);
    return conf;
}

/* --- entropy ------------------------------------------------------------- */

static Bench *rng_bench(const char *file, const char *text)
{
    const VirtioClass *cls = virtio_class_find("virtio-rng");
    RngSourceConf source = { .id = "r", .filename = file };
    Bench *b = bench_new();
    void *conf = parse(cls, text);
    Err e = ERR_INIT;

    if (rng_source_new(&b->source, &source, &e) < 0)
        fail_msg("%s", e.msg);
    guest_init(&b->g, cls, conf);
    free(conf);
    return b;
}

static uint32_t used_len(Guest *g)
{
    uint32_t id, len;

    guest_used(g, &id, &len);
    return len;
}

static void rng_fills_buffers(void **state)
{
    Bench *b = rng_bench("/dev/urandom", "virtio-rng,rng=r");
    Guest *g = &b->g;
    uint8_t out[64] = { 0 }, zero[64] = { 0 };

    guest_start(g, 0);
    guest_desc(g, 0, DATA_GPA, 64, WRITE, 0);
    guest_desc(g, 1, DATA_GPA, 64, 0, 0); /* nowhere to write to */
    guest_add(g, 0);
    guest_add(g, 1);
    guest_kick(g);
    assert_int_equal(used_len(g), 64);
    assert_int_equal(used_len(g), 0);
    gmem_read(g->gm, DATA_GPA, out, 64);
    assert_memory_not_equal(out, zero, 64);
    bench_free(b);
}

static void rng_keeps_to_its_quota(void **state)
{
    Bench *b =
        rng_bench("/dev/urandom", "virtio-rng,rng=r,max-bytes=100,period=1000");
    Guest *g = &b->g;

    guest_start(g, VIRTIO_F(VIRTIO_F_EVENT_IDX));
    guest_desc(g, 0, DATA_GPA, 64, WRITE, 0);
    for (int i = 0; i < 4; i++)
        guest_add(g, 0);
    guest_kick(g);
    assert_int_equal(used_len(g), 64);
    assert_int_equal(used_len(g), 36);
    assert_int_equal(guest_used_idx(g), 2);
    clock_set_virtual(clock_now_ns() + 999000000);
    guest_run(g);
    assert_int_equal(guest_used_idx(g), 2);
    clock_set_virtual(clock_now_ns() + 1000000);
    guest_run(g);
    assert_int_equal(used_len(g), 64);
    assert_int_equal(used_len(g), 36);
    /* a reset in mid-period starts afresh, with no timer left behind */
    guest_add(g, 0);
    guest_kick(g);
    guest_status(g, 0);
    guest_run(g);
    assert_int_equal(g->vdev->status, 0);
    assert_int_equal(loop_next_deadline_all(), INT64_MAX);
    guest_start(g, 0);
    guest_desc(g, 0, DATA_GPA, 64, WRITE, 0);
    guest_add(g, 0);
    guest_kick(g);
    assert_int_equal(used_len(g), 64);
    bench_free(b);
}

static void rng_waits_for_its_source(void **state)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    struct termios tio;
    Bench *b;
    Guest *g;

    assert_int_equal(grantpt(master) | unlockpt(master), 0);
    b = rng_bench(ptsname(master), "virtio-rng,rng=r");
    g = &b->g;
    assert_int_equal(tcgetattr(master, &tio), 0);
    cfmakeraw(&tio);
    assert_int_equal(tcsetattr(master, TCSANOW, &tio), 0);
    guest_start(g, 0);
    guest_desc(g, 0, DATA_GPA, 8, WRITE, 0);
    guest_add(g, 0);
    guest_kick(g);
    assert_int_equal(guest_used_idx(g), 0);
    assert_int_equal(g->vdev->inflight, 0); /* no buffer is held meanwhile */
    assert_int_equal(write(master, "luck", 4), 4);
    while (guest_used_idx(g) == 0)
        loop_turn(g->loop, 100);
    assert_int_equal(used_len(g), 4);
    bench_free(b);
    close(master);
}

static void rng_options(void **state)
{
    static const struct {
        const char *text;
        bool good;
    } cases[] = {
        { "virtio-rng,rng=r", true },
        { "virtio-rng,rng=r,max-bytes=64,period=1000", true },
        { "virtio-rng,rng=r,max-bytes=63,period=1000", false },
        { "virtio-rng,rng=r,max-bytes=1000000000,period=1000", true },
        { "virtio-rng,rng=r,max-bytes=1000000001,period=1000", false },
        { "virtio-rng,rng=r,max-bytes=100", false },
        { "virtio-rng,rng=r,period=100", false },
        { "virtio-rng,rng=r,max-bytes=18446744073709551615,period=1", false },
    };
    const VirtioClass *cls = virtio_class_find("virtio-rng");

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        void *conf = parse(cls, cases[i].text);
        Err e = ERR_INIT;

        assert_int_equal(cls->check(conf, &e) == 0, cases[i].good);
        free(conf);
    }
}

static void rng_source_must_be_a_device(void **state)
{
    RngSourceConf conf = { .id = "r", .filename = "/etc/passwd" };
    RngSource *source;
    Err e = ERR_INIT;

    assert_int_equal(rng_source_new(&source, &conf, &e), -EINVAL);
    assert_non_null(strstr(e.msg, "/etc/passwd"));
}

/* --- console ------------------------------------------------------------- */

#define RX_DESC  0x5000
#define RX_AVAIL 0x6000
#define RX_USED  0x7000

static Bench *console_bench(void)
{
    const VirtioClass *cls = virtio_class_find("virtio-serial");
    ChardevConf cd = { .id = "c", .cls = CHARDEV_SOCKET, .has_fd = true };
    ConsolePortConf port = { .chardev = "c" };
    void *conf = parse(cls, "virtio-serial");
    Bench *b = bench_new();
    int fds[2];
    Err e = ERR_INIT;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    cd.fd = fds[0];
    b->peer = fds[1];
    assert_int_equal(chardev_new(&b->cd, &cd, &e), 0);
    guest_init(&b->g, cls, conf);
    assert_int_equal(virtio_console_add_port(b->g.vdev, &port, true, &e), 0);
    free(conf);
    return b;
}

/* guest_start() sets up queue 0, receive; this one adds transmit. */
static void console_start(Guest *g)
{
    VirtioDev *vdev = g->vdev;

    g->avail = g->seen = 0;
    gmem_set(g->gm, 0, 0, RAM_BYTES);
    guest_status(g, 3);
    virtio_drv_features(vdev, 1, 1);
    guest_status(g, 11);
    for (unsigned q = 0; q < 2; q++) {
        virtio_drv_queue_size(vdev, q, QUEUE_SIZE);
        virtio_drv_queue_addr(vdev, q, VQ_RING_DESC, false,
                              q ? DESC_GPA : RX_DESC);
        virtio_drv_queue_addr(vdev, q, VQ_RING_AVAIL, false,
                              q ? AVAIL_GPA : RX_AVAIL);
        virtio_drv_queue_addr(vdev, q, VQ_RING_USED, false,
                              q ? USED_GPA : RX_USED);
        virtio_drv_queue_ready(vdev, q, true);
    }
    guest_status(g, 15);
    guest_run(g);
}

static void console_kick_queue(Guest *g, unsigned queue)
{
    pthread_mutex_lock(&g->vdev->lock);
    virtio_drv_notify(g->vdev, queue);
    pthread_mutex_unlock(&g->vdev->lock);
    guest_run(g);
}

static void console_offers_one_port(void **state)
{
    Bench *b = console_bench();
    VirtioDev *vdev = b->g.vdev;
    ConsolePortConf port = { .chardev = "c", .nr = 1 };
    Err e = ERR_INIT;

    assert_false(vdev->host_features & VIRTIO_F(1)); /* MULTIPORT */
    assert_int_equal(vdev->num_queues, 2);
    assert_int_equal(load_le32(vdev->config + 4), 1);
    assert_int_equal(virtio_console_add_port(vdev, &port, true, &e), -ENOSPC);
    bench_free(b);
}

static void console_transmits(void **state)
{
    Bench *b = console_bench();
    Guest *g = &b->g;
    char buf[16];

    console_start(g);
    gmem_write(g->gm, DATA_GPA, "hello", 5);
    guest_desc(g, 0, DATA_GPA, 2, NEXT, 1);
    guest_desc(g, 1, DATA_GPA + 2, 3, 0, 0);
    guest_add(g, 0);
    console_kick_queue(g, 1);
    assert_int_equal(used_len(g), 0);
    assert_int_equal(read(b->peer, buf, sizeof(buf)), 5);
    assert_memory_equal(buf, "hello", 5);
    bench_free(b);
}

static void console_output_never_waits(void **state)
{
    Bench *b = console_bench();
    Guest *g = &b->g;

    console_start(g);
    guest_desc(g, 0, 0, RAM_BYTES, 0, 0);
    for (int i = 0; i < 40; i++) {
        guest_add(g, 0);
        console_kick_queue(g, 1);
        assert_int_equal(used_len(g), 0);
    }
    bench_free(b);
}

static void rx_add(Guest *g, uint16_t idx, uint32_t len)
{
    guest_desc_at(g, RX_DESC, idx % QUEUE_SIZE, DATA_GPA + idx * 64, len, WRITE,
                  0);
    guest_store16(g, RX_AVAIL + 4 + 2 * (idx % QUEUE_SIZE), idx % QUEUE_SIZE);
    guest_store16(g, RX_AVAIL + 2, idx + 1);
}

static void console_receives_without_loss(void **state)
{
    Bench *b = console_bench();
    Guest *g = &b->g;
    char text[1000], got[1100];
    size_t len = 0;
    uint16_t used = 0;

    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = 'a' + i % 26;
    /* sent before there is a driver */
    assert_int_equal(write(b->peer, text, sizeof(text)), sizeof(text));
    guest_run(g);
    console_start(g);
    for (uint16_t i = 0; len < sizeof(text); i++) {
        uint8_t raw[8];

        rx_add(g, i, 33);
        console_kick_queue(g, 0);
        while (guest_load16(g, RX_USED + 2) == used)
            loop_turn(g->loop, 100);
        gmem_read(g->gm, RX_USED + 4 + 8 * (used++ % QUEUE_SIZE), raw, 8);
        gmem_read(g->gm, DATA_GPA + i * 64, got + len, load_le32(raw + 4));
        len += load_le32(raw + 4);
    }
    assert_int_equal(len, sizeof(text));
    assert_memory_equal(got, text, sizeof(text));
    bench_free(b);
}

static void console_emergency_write(void **state)
{
    Bench *b = console_bench();
    Guest *g = &b->g;
    char buf[4];

    guest_status(g, 3);
    pthread_mutex_lock(&g->vdev->lock);
    virtio_drv_config_write(g->vdev, 8, '!', 4);
    virtio_drv_config_write(g->vdev, 9, '?', 1);  /* not that register */
    virtio_drv_config_write(g->vdev, 12, '?', 4); /* beyond the end */
    pthread_mutex_unlock(&g->vdev->lock);
    guest_run(g);
    assert_int_equal(read(b->peer, buf, sizeof(buf)), 1);
    assert_int_equal(buf[0], '!');
    bench_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rng_fills_buffers),
        cmocka_unit_test(rng_keeps_to_its_quota),
        cmocka_unit_test(rng_waits_for_its_source),
        cmocka_unit_test(rng_options),
        cmocka_unit_test(rng_source_must_be_a_device),
        cmocka_unit_test(console_offers_one_port),
        cmocka_unit_test(console_transmits),
        cmocka_unit_test(console_output_never_waits),
        cmocka_unit_test(console_receives_without_loss),
        cmocka_unit_test(console_emergency_write),
    };

    clock_use_virtual();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
