/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Unit tests of virtio/dev/net.c and net_ctrl.c; packets need root (a tap). */
#include <config.h>

#include "guest.h"

#include "net/net.h"
#include "virtio/dev/net_priv.h"

#include "../net/netns.h"

extern const VirtioClass virtio_net;

#define MAC_A                                                                  \
    {                                                                          \
        0x52, 0x54, 0, 1, 2, 3                                                 \
    }

static bool have_taps;

/* --- filter (no tap needed) ---------------------------------------------- */

static bool wants(const NetFilter *f, const char *dest, unsigned vid)
{
    uint8_t frame[18] = { 0 };

    for (int i = 0; i < 6; i++)
        frame[i] = (uint8_t)strtoul(dest + 3 * i, NULL, 16);
    frame[12] = vid ? 0x81 : 0x08;
    frame[14] = vid >> 8;
    frame[15] = vid;
    return net_wanted(f, frame, sizeof(frame));
}

static void test_filter(void **state)
{
    static const uint8_t mac[] = MAC_A;
    NetFilter *f = calloc(1, sizeof(*f));

    net_filter_reset(f, mac, true);
    assert_true(wants(f, "52:54:00:99:99:99", 0)); /* promiscuous at first */
    f->promisc = false;
    assert_true(wants(f, "52:54:00:01:02:03", 0));
    assert_false(wants(f, "52:54:00:99:99:99", 0));
    assert_true(wants(f, "ff:ff:ff:ff:ff:ff", 0));
    assert_false(wants(f, "33:33:00:00:00:01", 0));
    f->multi.num = 1;
    memcpy(f->multi.mac[0], "\x33\x33\0\0\0\1", 6);
    assert_true(wants(f, "33:33:00:00:00:01", 0));
    assert_false(wants(f, "33:33:00:00:00:02", 0));
    f->multi.overflow = true;
    assert_true(wants(f, "33:33:00:00:00:02", 0));
    f->nomulti = true;
    assert_false(wants(f, "33:33:00:00:00:01", 0));
    f->nobcast = true;
    assert_false(wants(f, "ff:ff:ff:ff:ff:ff", 0));
    f->alluni = true;
    assert_true(wants(f, "52:54:00:99:99:99", 0));
    f->nouni = true;
    assert_false(wants(f, "52:54:00:01:02:03", 0));
    net_filter_reset(f, mac, false);
    assert_true(wants(f, "52:54:00:01:02:03", 0));
    assert_false(wants(f, "52:54:00:01:02:03", 7));
    f->vlans[0] = 1 << 7;
    assert_true(wants(f, "52:54:00:01:02:03", 7));
    assert_false(net_wanted(f, mac, 6)); /* no Ethernet header */
    free(f);
}

/* --- a driver with three queues ------------------------------------------ */

typedef struct Ring {
    uint64_t desc, avail, used;
    uint16_t added, seen;
} Ring;

typedef struct Fixture {
    Guest g;
    Netdev *nd;
    bool taken;
    int host; /* raw socket on the tap */
    Ring ring[5];
    Loop *io; /* an I/O thread's loop, turned by hand; NULL: main loop */
    bool use_io;
} Fixture;

static void *take(void *opaque, VirtioRef kind, const char *id, Err *e)
{
    Fixture *f = opaque;

    if (kind == VIRTIO_REF_IOTHREAD && f->io)
        return f->io;
    if (kind == VIRTIO_REF_NETDEV && !f->taken) {
        f->taken = true;
        return f->nd;
    }
    err_set(e, ENOENT, "no '%s'", id);
    return NULL;
}

static void put(void *opaque, VirtioRef kind, const char *id)
{
    if (kind == VIRTIO_REF_NETDEV)
        ((Fixture *)opaque)->taken = false;
}

static int setup(void **state)
{
    Fixture *f = calloc(1, sizeof(*f));
    RamConf ram = { .name = "ram", .size_bytes = RAM_BYTES };
    RamBlock *block = NULL;
    Guest *g = &f->g;
    Err e = ERR_INIT;

    alarm(60);
    *state = f;
    f->host = -1;
    assert_int_equal(loop_new(&g->loop, "test", &e), 0);
    assert_int_equal(loop_new(&f->io, "io", &e), 0);
    assert_int_equal(gmem_new(&g->gm, &e), 0);
    assert_int_equal(ram_block_new(&block, &ram, &e), 0);
    assert_int_equal(gmem_map(g->gm, 0, RAM_BYTES, block, 0, 0, &e), 0);
    ram_block_unref(block);
    g->env = (VirtioEnv){ .main_loop = g->loop,
                          .gm = g->gm,
                          .vcpus = 1,
                          .ref_take = take,
                          .ref_put = put,
                          .opaque = f };
    return 0;
}

static void turn(Fixture *f)
{
    for (int i = 0; i < 8; i++) {
        loop_turn(f->g.loop, 0);
        loop_turn(f->io, 0);
    }
}

static int teardown(void **state)
{
    Fixture *f = *state;

    if (f->g.vdev) {
        virtio_unplug(f->g.vdev, NULL, NULL);
        turn(f);
        virtio_free(f->g.vdev);
        assert_false(f->taken);
    }
    netdev_close(f->nd);
    if (f->host >= 0)
        close(f->host);
    gmem_free(f->g.gm);
    loop_free(f->io);
    loop_free(f->g.loop);
    free(f);
    return 0;
}

static void plug(Fixture *f, const char *text, unsigned queues)
{
    NetConf nc = { .id = "n", .queues = (uint16_t)queues, .ifname = "vn0" };
    void *conf = calloc(1, virtio_net.conf_size);
    Guest *g = &f->g;
    Err e = ERR_INIT;
    OptBag bag;

    if (!have_taps) {
        free(conf);
        skip();
    }
    assert_int_equal(netdev_open(&f->nd, &nc, &e), 0);
    assert_int_equal(netns_up("vn0", true), 0);
    f->host = netns_socket("vn0");
    assert_true(f->host >= 0);
    opt_bag_text(&bag, "-device virtio-net", text, OPT_HEAD_NONE, NULL, &e);
    assert_int_equal(opt_parse(virtio_net.opts, &bag, conf, &e), 0);
    assert_int_equal(
        virtio_new(&g->vdev, &virtio_net, "dut", conf, &g->env, &e), 0);
    opt_bag_fini(&bag);
    free(conf);
    g->t.ops = &fake_ops;
    g->t.vdev = g->vdev;
    g->vdev->transport = &g->t;
}

static void start(Fixture *f, uint64_t features)
{
    VirtioDev *vdev = f->g.vdev;

    gmem_set(f->g.gm, 0, 0, RAM_BYTES);
    guest_status(&f->g, 3);
    virtio_drv_features(vdev, 0, (uint32_t)features);
    virtio_drv_features(vdev, 1, 1);
    guest_status(&f->g, 11);
    assert_int_equal(vdev->status, 11);
    for (unsigned i = 0; i < vdev->num_queues && i < 5; i++) {
        Ring *r = &f->ring[i];

        *r = (Ring){ .desc = 0x1000 + i * 0x4000,
                     .avail = 0x2000 + i * 0x4000,
                     .used = 0x3000 + i * 0x4000 };
        virtio_drv_queue_size(vdev, i, QUEUE_SIZE);
        virtio_drv_queue_addr(vdev, i, VQ_RING_DESC, false, (uint32_t)r->desc);
        virtio_drv_queue_addr(vdev, i, VQ_RING_AVAIL, false,
                              (uint32_t)r->avail);
        virtio_drv_queue_addr(vdev, i, VQ_RING_USED, false, (uint32_t)r->used);
        virtio_drv_queue_ready(vdev, i, true);
    }
    guest_status(&f->g, 15);
    turn(f);
}

static void add(Fixture *f, unsigned q, unsigned head)
{
    Ring *r = &f->ring[q];

    guest_store16(&f->g, r->avail + 4 + 2 * (r->added % QUEUE_SIZE),
                  (uint16_t)head);
    guest_store16(&f->g, r->avail + 2, ++r->added);
}

static void kick(Fixture *f, unsigned q)
{
    pthread_mutex_lock(&f->g.vdev->lock);
    virtio_drv_notify(f->g.vdev, q);
    pthread_mutex_unlock(&f->g.vdev->lock);
    turn(f);
}

/* Waits for a used entry; its length. */
static uint32_t used(Fixture *f, unsigned q, unsigned want_head)
{
    Ring *r = &f->ring[q];
    uint8_t raw[8];

    while (guest_load16(&f->g, r->used + 2) == r->seen)
        turn(f);
    gmem_read(f->g.gm, r->used + 4 + 8 * (r->seen++ % QUEUE_SIZE), raw, 8);
    assert_int_equal(load_le32(raw), want_head);
    return load_le32(raw + 4);
}

/* One receive buffer of @len bytes, as descriptor @i. */
static void rx_buffer(Fixture *f, unsigned i, uint32_t len)
{
    guest_desc_at(&f->g, f->ring[0].desc, i, DATA_GPA * 2 + i * 0x1000, len,
                  WRITE, 0);
    add(f, 0, i);
}

static void frame_to(uint8_t *frame, size_t len, const uint8_t dest[6])
{
    for (size_t i = 0; i < len; i++)
        frame[i] = (uint8_t)(i * 3);
    memcpy(frame, dest, 6);
    frame[12] = 0x08;
    frame[13] = 0;
}

static void control(Fixture *f, uint8_t cls, uint8_t cmd, const void *data,
                    uint32_t len, uint8_t want)
{
    unsigned q = f->g.vdev->num_queues - 1;
    uint8_t hdr[2] = { cls, cmd }, ack = 0xff;
    uint64_t gpa = 0x60000;

    gmem_write(f->g.gm, gpa, hdr, 2);
    gmem_write(f->g.gm, gpa + 16, data, len);
    gmem_write(f->g.gm, gpa + 0x1000, &ack, 1);
    guest_desc_at(&f->g, f->ring[q].desc, 0, gpa, 2, NEXT, len ? 1 : 2);
    guest_desc_at(&f->g, f->ring[q].desc, 1, gpa + 16, len, NEXT, 2);
    guest_desc_at(&f->g, f->ring[q].desc, 2, gpa + 0x1000, 1, WRITE, 0);
    add(f, q, 0);
    kick(f, q);
    assert_int_equal(used(f, q, 0), 1);
    gmem_read(f->g.gm, gpa + 0x1000, &ack, 1);
    assert_int_equal(ack, want);
}

#define F_MRG VIRTIO_F(NET_F_MRG_RXBUF)
#define F_CTRL                                                                 \
    (VIRTIO_F(NET_F_CTRL_VQ) | VIRTIO_F(NET_F_CTRL_RX) |                       \
     VIRTIO_F(NET_F_CTRL_MAC_ADDR) | VIRTIO_F(NET_F_CTRL_VLAN))

static const uint8_t mac_a[] = MAC_A;
static const uint8_t bcast[] = { 255, 255, 255, 255, 255, 255 };

/* --- tests --------------------------------------------------------------- */

static void test_config(void **state)
{
    Fixture *f = *state;
    VirtioDev *vdev;

    plug(f, "netdev=n,mac=52:54:00:01:02:03,mq=on,queue-size=4096", 2);
    vdev = f->g.vdev;
    assert_memory_equal(vdev->config, mac_a, 6);
    assert_int_equal(load_le16(vdev->config + 6), 1);
    assert_int_equal(load_le16(vdev->config + 8), 2);
    assert_int_equal(vdev->num_queues, 5);
    assert_true(vdev->host_features & VIRTIO_F(NET_F_MQ));
    assert_true(vdev->host_features & VIRTIO_F(NET_F_HOST_TSO4));
    /* Segments without checksums make no sense. */
    guest_status(&f->g, 3);
    virtio_drv_features(vdev, 0, 1u << NET_F_GUEST_TSO4);
    virtio_drv_features(vdev, 1, 1);
    guest_status(&f->g, 11);
    assert_int_equal(vdev->status, 3);
}

static void test_send(void **state)
{
    Fixture *f = *state;
    uint8_t frame[200], got[2048];

    plug(f, "netdev=n", 1);
    start(f, 0);
    frame_to(frame, sizeof(frame), bcast);
    gmem_set(f->g.gm, DATA_GPA, 0, 12);
    gmem_write(f->g.gm, DATA_GPA + 12, frame, sizeof(frame));
    guest_desc_at(&f->g, f->ring[1].desc, 0, DATA_GPA, 20, NEXT, 1);
    guest_desc_at(&f->g, f->ring[1].desc, 1, DATA_GPA + 20, 192, 0, 0);
    add(f, 1, 0);
    kick(f, 1);
    assert_int_equal(used(f, 1, 0), 0);
    assert_int_equal(recv(f->host, got, sizeof(got), 0), sizeof(frame));
    assert_memory_equal(got, frame, sizeof(frame));
    /* Not even a header: the driver is broken. */
    guest_desc_at(&f->g, f->ring[1].desc, 0, DATA_GPA, 11, 0, 0);
    add(f, 1, 0);
    kick(f, 1);
    assert_true(f->g.vdev->broken);
}

static void expect_packet(Fixture *f, uint64_t gpa, const uint8_t *frame,
                          size_t len)
{
    uint8_t buf[2048];

    gmem_read(f->g.gm, gpa, buf, 12 + len);
    assert_int_equal(load_le16(buf + 10), 1);
    assert_memory_equal(buf + 12, frame, len);
}

static void receive_one(Fixture *f)
{
    uint8_t frame[300];

    frame_to(frame, sizeof(frame), mac_a);
    assert_int_equal(send(f->host, frame, sizeof(frame), 0), sizeof(frame));
    assert_int_equal(used(f, 0, 0), sizeof(frame) + 12);
    expect_packet(f, DATA_GPA * 2, frame, sizeof(frame));
}

static void test_receive(void **state)
{
    Fixture *f = *state;
    uint8_t frame[300];

    plug(f, "netdev=n", 1);
    start(f, 0);
    rx_buffer(f, 0, 2048);
    kick(f, 0);
    receive_one(f);
    /* No buffer: the packet waits in the tap until there is one. */
    frame_to(frame, sizeof(frame), mac_a);
    assert_int_equal(send(f->host, frame, sizeof(frame), 0), sizeof(frame));
    turn(f);
    assert_true(((Net *)f->g.vdev)->pair[0].rx_starved);
    rx_buffer(f, 1, 2048);
    kick(f, 0);
    assert_int_equal(used(f, 0, 1), sizeof(frame) + 12);
    expect_packet(f, DATA_GPA * 2 + 0x1000, frame, sizeof(frame));
}

/* The device lives on an I/O thread: taps are set up by the main loop. */
static void test_receive_iothread(void **state)
{
    Fixture *f = *state;

    plug(f, "netdev=n,iothread=io", 1);
    assert_ptr_equal(f->g.vdev->loop, f->io);
    start(f, VIRTIO_F(NET_F_GUEST_CSUM) | VIRTIO_F(NET_F_GUEST_TSO4));
    rx_buffer(f, 0, 2048);
    kick(f, 0);
    receive_one(f);
    guest_status(&f->g, 0);
    turn(f);
    assert_int_equal(f->g.vdev->status, 0);
    start(f, 0);
    rx_buffer(f, 0, 2048);
    kick(f, 0);
    receive_one(f);
}

/* A packet over several buffers, then one that fits the next. */
static void test_receive_merged(void **state)
{
    Fixture *f = *state;
    uint8_t frame[1000], got[1012], buf[400];

    plug(f, "netdev=n", 1);
    start(f, F_MRG);
    for (unsigned i = 0; i < 10; i++)
        rx_buffer(f, i, 400);
    kick(f, 0);
    frame_to(frame, sizeof(frame), mac_a);
    assert_int_equal(send(f->host, frame, sizeof(frame), 0), sizeof(frame));
    assert_int_equal(used(f, 0, 0), 400);
    assert_int_equal(used(f, 0, 1), 400);
    assert_int_equal(used(f, 0, 2), 212);
    for (unsigned i = 0; i < 3; i++) {
        gmem_read(f->g.gm, DATA_GPA * 2 + i * 0x1000, buf, sizeof(buf));
        memcpy(got + i * 400, buf, i == 2 ? 212 : 400);
    }
    assert_int_equal(load_le16(got + 10), 3);
    assert_memory_equal(got + 12, frame, sizeof(frame));
    assert_int_equal(send(f->host, frame, 100, 0), 100);
    assert_int_equal(used(f, 0, 3), 112);
    expect_packet(f, DATA_GPA * 2 + 0x3000, frame, 100);
    /* The other buffers are the driver's again. */
    assert_int_equal(f->g.vdev->inflight, 0);
}

/* The used entries of a packet in @num buffers; what is in them. */
static void collect(Fixture *f, const unsigned *heads, unsigned num,
                    uint32_t each, uint8_t *got)
{
    for (unsigned i = 0; i < num; i++) {
        uint32_t len = used(f, 0, heads[i]);

        assert_in_range(len, 1, each);
        gmem_read(f->g.gm, DATA_GPA * 2 + heads[i] * 0x1000, got, len);
        got += len;
    }
}

#define BIG 9000

/* Larger than anything before, with enough buffers, and with too few. */
static void test_receive_large(void **state)
{
    static const unsigned heads[] = { 0, 1, 2,  3,  4,  5,  6,  7,
                                      8, 9, 10, 11, 12, 13, 14, 15 };
    Fixture *f = *state;
    uint8_t *frame = malloc(BIG), *got = malloc(BIG + 2048);
    NetStats stats;
    NetPair *pair;

    plug(f, "netdev=n", 1);
    pair = &((Net *)f->g.vdev)->pair[0];
    assert_int_equal(netns_mtu("vn0", BIG), 0);
    start(f, F_MRG);
    for (unsigned i = 0; i < 9; i++)
        rx_buffer(f, i, 1024);
    kick(f, 0);
    frame_to(frame, BIG, mac_a);
    assert_int_equal(send(f->host, frame, BIG, 0), BIG);
    collect(f, heads, 9, 1024, got);
    assert_int_equal(load_le16(got + 10), 9);
    assert_memory_equal(got + 12, frame, BIG);

    /* Five buffers: it is parked until there are four more. */
    for (unsigned i = 0; i < 5; i++)
        rx_buffer(f, i, 1024);
    kick(f, 0);
    frame[100] ^= 0xff;
    assert_int_equal(send(f->host, frame, BIG, 0), BIG);
    while (!pair->parked)
        turn(f);
    assert_int_equal(f->g.vdev->inflight, 0);
    for (unsigned i = 5; i < 8; i++)
        rx_buffer(f, i, 1024);
    kick(f, 0);
    assert_int_equal(pair->parked, BIG + 12); /* still too few */
    rx_buffer(f, 8, 1024);
    kick(f, 0);
    assert_int_equal(pair->parked, 0);
    memset(got, 0, BIG);
    collect(f, heads, 9, 1024, got);
    assert_memory_equal(got + 12, frame, BIG);

    /* A whole ring that can never hold it: dropped; small ones go on. */
    for (unsigned i = 0; i < 16; i++)
        rx_buffer(f, i, 200);
    kick(f, 0);
    assert_int_equal(send(f->host, frame, BIG, 0), BIG);
    assert_int_equal(send(f->host, frame, 150, 0), 150);
    collect(f, heads, 1, 200, got);
    assert_memory_equal(got + 12, frame, 150);
    netdev_stats(f->nd, &stats);
    assert_int_equal(stats.rx_packets, 3);
    assert_int_equal(stats.rx_dropped, 1);
    free(frame);
    free(got);
}

/* A reset forgets what was parked. */
static void test_reset_while_parked(void **state)
{
    Fixture *f = *state;
    uint8_t *frame = malloc(BIG);
    NetPair *pair;

    plug(f, "netdev=n", 1);
    pair = &((Net *)f->g.vdev)->pair[0];
    assert_int_equal(netns_mtu("vn0", BIG), 0);
    start(f, F_MRG);
    rx_buffer(f, 0, 1024);
    kick(f, 0);
    frame_to(frame, BIG, mac_a);
    assert_int_equal(send(f->host, frame, BIG, 0), BIG);
    while (!pair->parked)
        turn(f);
    guest_status(&f->g, 0);
    turn(f);
    assert_int_equal(f->g.vdev->status, 0);
    assert_int_equal(pair->parked, 0);
    start(f, 0);
    rx_buffer(f, 0, 2048);
    kick(f, 0);
    receive_one(f);
    free(frame);
}

/* Without mergeable buffers a packet that does not fit is dropped. */
static void test_receive_too_large(void **state)
{
    Fixture *f = *state;
    uint8_t frame[1000];

    plug(f, "netdev=n", 1);
    start(f, 0);
    rx_buffer(f, 0, 700);
    kick(f, 0);
    frame_to(frame, sizeof(frame), mac_a);
    assert_int_equal(send(f->host, frame, sizeof(frame), 0), sizeof(frame));
    receive_one(f);
}

static void test_receive_bad_buffer(void **state)
{
    Fixture *f = *state;
    uint8_t frame[300];

    plug(f, "netdev=n", 1);
    start(f, 0);
    rx_buffer(f, 0, 11); /* no room for a header */
    kick(f, 0);
    frame_to(frame, sizeof(frame), mac_a);
    assert_int_equal(send(f->host, frame, sizeof(frame), 0), sizeof(frame));
    while (!f->g.vdev->broken)
        turn(f);
}

static void test_control(void **state)
{
    static const uint8_t other[] = { 0x52, 0x54, 0, 9, 9, 9 };
    Fixture *f = *state;
    uint8_t data[600] = { 0 }, frame[300];
    uint8_t off = 0, vlan[2] = { 7, 0 }, bad_vlan[2] = { 0, 0x10 };
    NetFilter *filter;
    NetStats stats;

    plug(f, "netdev=n,mac=52:54:00:01:02:03", 1);
    filter = &((Net *)f->g.vdev)->filter;
    start(f, F_CTRL);
    control(f, 0, 0, &off, 1, 0);
    assert_false(filter->promisc);
    control(f, 0, 2, &off, 1, 1); /* RX_EXTRA is not negotiated */
    control(f, 0, 0, data, 2, 1);
    control(f, 9, 0, &off, 1, 1);
    control(f, 4, 0, vlan, 2, 1); /* nor is MQ */

    /* Two unicast, one multicast address; then lists that lie. */
    store_le32(data, 2);
    memcpy(data + 4, mac_a, 6);
    memcpy(data + 10, other, 6);
    store_le32(data + 16, 1);
    memcpy(data + 20, "\x33\x33\0\0\0\1", 6);
    control(f, 1, 0, data, 26, 0);
    assert_int_equal(filter->uni.num, 2);
    assert_int_equal(filter->multi.num, 1);
    control(f, 1, 0, data, 25, 1);
    control(f, 1, 0, data, 3, 1);
    store_le32(data, UINT32_MAX);
    control(f, 1, 0, data, 26, 1);
    store_le32(data, NET_MAX_MACS + 1);
    control(f, 1, 0, data, 4 + 6 * (NET_MAX_MACS + 1) + 4, 0);
    assert_true(filter->uni.overflow);
    memset(data, 0, 8);
    control(f, 1, 0, data, 8, 0);
    assert_false(filter->uni.overflow);

    control(f, 2, 0, vlan, 2, 0);
    assert_int_equal(filter->vlans[0], 1 << 7);
    control(f, 2, 1, vlan, 2, 0);
    assert_int_equal(filter->vlans[0], 0);
    control(f, 2, 0, bad_vlan, 2, 1);

    control(f, 1, 1, other, 6, 0);
    assert_memory_equal(f->g.vdev->config, other, 6);
    rx_buffer(f, 0, 2048);
    kick(f, 0);
    frame_to(frame, sizeof(frame), mac_a); /* no longer ours */
    assert_int_equal(send(f->host, frame, sizeof(frame), 0), sizeof(frame));
    frame_to(frame, sizeof(frame), other);
    assert_int_equal(send(f->host, frame, sizeof(frame), 0), sizeof(frame));
    assert_int_equal(used(f, 0, 0), 312);
    expect_packet(f, DATA_GPA * 2, frame, sizeof(frame));
    netdev_stats(f->nd, &stats);
    assert_int_equal(stats.rx_packets, 1);
    assert_int_equal(stats.rx_dropped, 1);

    guest_status(&f->g, 0); /* back to the address at power-on */
    turn(f);
    assert_memory_equal(f->g.vdev->config, mac_a, 6);
    assert_true(filter->promisc);
}

static void test_control_broken(void **state)
{
    Fixture *f = *state;
    unsigned q = 2;

    plug(f, "netdev=n", 1);
    start(f, F_CTRL);
    guest_desc_at(&f->g, f->ring[q].desc, 0, DATA_GPA, 2, 0, 0); /* no ack */
    add(f, q, 0);
    kick(f, q);
    assert_true(f->g.vdev->broken);
}

static void test_queue_pairs(void **state)
{
    Fixture *f = *state;
    uint8_t pairs[2] = { 2, 0 }, three[2] = { 3, 0 };

    plug(f, "netdev=n,mq=on", 2);
    start(f, F_CTRL | VIRTIO_F(NET_F_MQ));
    assert_int_equal(((Net *)f->g.vdev)->pairs, 1);
    control(f, 4, 0, pairs, 2, 0);
    assert_int_equal(((Net *)f->g.vdev)->pairs, 2);
    control(f, 4, 0, three, 2, 1);
    rx_buffer(f, 0, 2048);
    kick(f, 0);
    pairs[0] = 1;
    control(f, 4, 0, pairs, 2, 0);
    receive_one(f);
}

static void test_interface_gone(void **state)
{
    Fixture *f = *state;
    char cmd[64];

    plug(f, "netdev=n", 1);
    start(f, 0);
    rx_buffer(f, 0, 2048);
    kick(f, 0);
    snprintf(cmd, sizeof(cmd), "ip link del vn0 2>/dev/null");
    if (system(cmd) != 0)
        skip(); /* no ip(8) here */
    while (((Net *)f->g.vdev)->pair[0].lfd.loop)
        turn(f);
    assert_false(f->g.vdev->broken);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_filter),
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
        T(test_config),
        T(test_send),
        T(test_receive),
        T(test_receive_iothread),
        T(test_receive_merged),
        T(test_receive_large),
        T(test_reset_while_parked),
        T(test_receive_too_large),
        T(test_receive_bad_buffer),
        T(test_control),
        T(test_control_broken),
        T(test_queue_pairs),
        T(test_interface_gone),
#undef T
    };

    have_taps = netns_enter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
