/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Unit tests of virtio/vq.c and the device core: rings good, odd, hostile. */
#include <config.h>

#include "guest.h"

#include "core/clock.h"

/* A device that copies what it reads to what it may write, or holds chains. */
typedef struct Echo {
    VirtioDev vdev;
    bool hold;
    unsigned num_held;
    VqChain held[QUEUE_SIZE];
    unsigned kicks, chains, deactivations, resets;
} Echo;

static void echo_finish(Vq *vq, VqChain *chain)
{
    uint8_t buf[4096];
    size_t n = vq_chain_read(chain, 0, buf, sizeof(buf));

    vq_push(vq, chain, vq_chain_write(chain, 0, buf, n));
}

static int echo_kick(VirtioDev *vdev, Vq *vq)
{
    Echo *echo = container_of(vdev, Echo, vdev);
    VqChain chain;
    int r;

    echo->kicks++;
    while ((r = vq_pop(vq, &chain)) > 0) {
        echo->chains++;
        if (echo->hold)
            vq_chain_move(&echo->held[echo->num_held++], &chain);
        else
            echo_finish(vq, &chain);
    }
    return r;
}

static int echo_realize(VirtioDev *vdev, const void *conf, Err *e)
{
    return 0;
}

static void echo_deactivate(VirtioDev *vdev)
{
    container_of(vdev, Echo, vdev)->deactivations++;
}

static void echo_reset(VirtioDev *vdev)
{
    container_of(vdev, Echo, vdev)->resets++;
}

static const VirtioClass echo_class = {
    .name = "virtio-echo",
    .virtio_id = 42,
    .num_queues = 1,
    .queue_size = QUEUE_SIZE,
    .features = 1,
    .dev_size = sizeof(Echo),
    .realize = echo_realize,
    .kick = echo_kick,
    .deactivate = echo_deactivate,
    .reset = echo_reset,
};

#define BOTH (VIRTIO_F(VIRTIO_F_INDIRECT) | VIRTIO_F(VIRTIO_F_EVENT_IDX))

static int setup(void **state)
{
    Guest *g = calloc(1, sizeof(*g));

    guest_init(g, &echo_class, NULL);
    *state = g;
    return 0;
}

static int teardown(void **state)
{
    Guest *g = *state;
    Echo *echo = container_of(g->vdev, Echo, vdev);

    while (echo->num_held)
        echo_finish(&g->vdev->vqs[0], &echo->held[--echo->num_held]);
    guest_fini(g);
    free(g);
    return 0;
}

static Echo *echo_of(Guest *g)
{
    return container_of(g->vdev, Echo, vdev);
}

/* desc 0 readable, desc 1 writable */
static void add_pair(Guest *g, unsigned head, const char *text)
{
    size_t len = strlen(text);
    uint64_t at = DATA_GPA + head * 0x100;

    gmem_write(g->gm, at, text, len);
    guest_desc(g, head, at, len, NEXT, head + 1);
    guest_desc(g, head + 1, at + 0x80, 0x80, WRITE, 0);
    guest_add(g, head);
}

static void expect_echo(Guest *g, unsigned head, const char *text)
{
    char back[0x80] = "";
    uint32_t id, len;

    guest_used(g, &id, &len);
    assert_int_equal(id, head);
    assert_int_equal(len, strlen(text));
    gmem_read(g->gm, DATA_GPA + head * 0x100 + 0x80, back, len);
    assert_string_equal(back, text);
}

static void chains_go_round(void **state)
{
    Guest *g = *state;

    guest_start(g, 0);
    for (int i = 0; i < 100; i++) { /* the ring wraps */
        add_pair(g, i % 7 * 2, "hello");
        guest_kick(g);
        expect_echo(g, i % 7 * 2, "hello");
        assert_int_equal(g->queue_irqs, i + 1);
    }
}

static void no_interrupt_flag_is_heeded(void **state)
{
    Guest *g = *state;

    guest_start(g, 0);
    guest_store16(g, AVAIL_GPA, 1);
    add_pair(g, 0, "quiet");
    guest_kick(g);
    expect_echo(g, 0, "quiet");
    assert_int_equal(g->queue_irqs, 0);
    /* and the device does not mind kicks once the ring is empty */
    assert_int_equal(guest_load16(g, USED_GPA), 0);
}

static void event_idx_limits_interrupts_and_kicks(void **state)
{
    Guest *g = *state;
    uint64_t used_event = AVAIL_GPA + 4 + 2 * QUEUE_SIZE;
    uint64_t avail_event = USED_GPA + 4 + 8 * QUEUE_SIZE;

    guest_start(g, BOTH);
    guest_store16(g, used_event, 2); /* after the third */
    for (int i = 0; i < 4; i++) {
        add_pair(g, i * 2, "event");
        guest_kick(g);
        assert_int_equal(g->queue_irqs, i >= 2);
        assert_int_equal(guest_load16(g, avail_event), i + 1);
    }
}

static void indirect_chains_may_be_long(void **state)
{
    Guest *g = *state;
    uint8_t *out = malloc(3000), *in = malloc(3000);
    uint32_t id, len;

    guest_start(g, BOTH);
    for (int i = 0; i < 3000; i++)
        out[i] = i;
    gmem_write(g->gm, DATA_GPA, out, 3000);
    for (int i = 0; i < 60; i++)
        guest_desc_at(g, TABLE_GPA, i, DATA_GPA + i % 30 * 100 + (i / 30 << 14),
                      100, (i >= 30 ? WRITE : 0) | (i < 59 ? NEXT : 0), i + 1);
    guest_desc(g, 5, TABLE_GPA, 60 * 16, INDIRECT, 0);
    guest_add(g, 5);
    guest_kick(g);
    guest_used(g, &id, &len);
    assert_int_equal(id, 5);
    assert_int_equal(len, 3000);
    gmem_read(g->gm, DATA_GPA + (1 << 14), in, 3000);
    assert_memory_equal(in, out, 3000);
    free(out);
    free(in);
}

static void budget_gives_others_a_turn(void **state)
{
    Guest *g = *state;
    Echo *echo = echo_of(g);

    guest_start(g, 0);
    echo->kicks = 0;
    guest_desc(g, 0, DATA_GPA, 4, 0, 0);
    for (int i = 0; i < QUEUE_SIZE; i++)
        guest_add(g, 0);
    g->vdev->vqs[0].kick_work.fn(&g->vdev->vqs[0]);
    assert_int_equal(echo->chains, QUEUE_SIZE);
    guest_run(g); /* the rest of a spent budget came as work */
    assert_int_equal(echo->kicks, 2);
}

/* --- hostile drivers ----------------------------------------------------- */

static void expect_broken(Guest *g)
{
    assert_true(g->vdev->status & VIRTIO_S_NEEDS_RESET);
    assert_int_equal(g->config_irqs, 1);
    assert_int_equal(echo_of(g)->chains, 0);
    /* nothing more is taken until a reset, which brings the device back */
    guest_kick(g);
    assert_int_equal(echo_of(g)->chains, 0);
    guest_status(g, 0);
    guest_run(g);
    assert_int_equal(g->vdev->status, 0);
    guest_start(g, 0);
    add_pair(g, 0, "again");
    guest_kick(g);
    expect_echo(g, 0, "again");
}

static void hostile_head(void **state)
{
    Guest *g = *state;

    guest_start(g, BOTH);
    guest_add(g, QUEUE_SIZE);
    guest_kick(g);
    expect_broken(g);
}

static void hostile_index(void **state)
{
    Guest *g = *state;

    guest_start(g, BOTH);
    guest_avail_set(g, QUEUE_SIZE + 1);
    guest_kick(g);
    expect_broken(g);
}

static void hostile_reuse(void **state)
{
    Guest *g = *state;
    Echo *echo = echo_of(g);

    guest_start(g, BOTH);
    echo->hold = true;
    guest_desc(g, 0, DATA_GPA, 4, 0, 0);
    for (int i = 0; i < QUEUE_SIZE; i++)
        guest_add(g, 0);
    guest_kick(g);
    assert_int_equal(echo->num_held, QUEUE_SIZE);
    guest_add(g, 0); /* none was returned yet */
    guest_kick(g);
    assert_int_equal(echo->num_held, QUEUE_SIZE);
    assert_true(g->vdev->status & VIRTIO_S_NEEDS_RESET);
}

static void hostile_loop(void **state)
{
    Guest *g = *state;

    guest_start(g, BOTH);
    guest_desc(g, 0, DATA_GPA, 4, NEXT, 1);
    guest_desc(g, 1, DATA_GPA, 4, NEXT, 0);
    guest_add(g, 0);
    guest_kick(g);
    expect_broken(g);
}

static void hostile_next(void **state)
{
    Guest *g = *state;

    guest_start(g, BOTH);
    guest_desc(g, 0, DATA_GPA, 4, NEXT, 0xffff);
    guest_add(g, 0);
    guest_kick(g);
    expect_broken(g);
}

static void hostile_addresses(void **state)
{
    static const struct {
        uint64_t addr;
        uint32_t len;
    } bad[] = {
        { RAM_BYTES, 1 },           { RAM_BYTES - 4, 5 }, { UINT64_MAX, 1 },
        { UINT64_MAX - 3, 8 },      { 0, UINT32_MAX },    { 0xf0100000, 4 },
        { 0x8000000000000000, 16 },
    };
    Guest *g = *state;

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        echo_of(g)->chains = 0;
        g->config_irqs = 0;
        guest_start(g, BOTH);
        guest_desc(g, 0, bad[i].addr, bad[i].len, i & 1 ? WRITE : 0, 0);
        guest_add(g, 0);
        guest_kick(g);
        expect_broken(g);
        guest_status(g, 0);
        guest_run(g);
    }
}

static void hostile_order(void **state)
{
    Guest *g = *state;

    guest_start(g, BOTH);
    guest_desc(g, 0, DATA_GPA, 4, NEXT | WRITE, 1);
    guest_desc(g, 1, DATA_GPA, 4, 0, 0);
    guest_add(g, 0);
    guest_kick(g);
    expect_broken(g);
}

static void hostile_indirect(void **state)
{
    static const struct {
        uint64_t addr;
        uint32_t len;
        uint16_t flags;
    } bad[] = {
        { TABLE_GPA, 0, INDIRECT },
        { TABLE_GPA, 24, INDIRECT },
        { TABLE_GPA, 16, INDIRECT | NEXT },
        { RAM_BYTES, 16, INDIRECT },
        { RAM_BYTES - 16, 32, INDIRECT }, /* second entry is outside */
        { UINT64_MAX - 15, 32, INDIRECT },
        { TABLE_GPA, 0xfffffff0, INDIRECT }, /* loops inside */
        { TABLE_GPA + 0x100, 16, INDIRECT }, /* nested */
        { TABLE_GPA + 0x200, 16, INDIRECT }, /* next outside the table */
    };
    Guest *g = *state;

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        echo_of(g)->chains = 0;
        g->config_irqs = 0;
        guest_start(g, BOTH);
        guest_desc_at(g, RAM_BYTES - 16, 0, DATA_GPA, 4, NEXT, 1);
        guest_desc_at(g, TABLE_GPA, 0, DATA_GPA, 4, NEXT, 0);
        guest_desc_at(g, TABLE_GPA, 0x10, TABLE_GPA, 16, INDIRECT, 0);
        guest_desc_at(g, TABLE_GPA, 0x20, DATA_GPA, 4, NEXT, 1);
        guest_desc(g, 0, bad[i].addr, bad[i].len, bad[i].flags, 1);
        guest_desc(g, 1, DATA_GPA, 4, 0, 0);
        guest_add(g, 0);
        guest_kick(g);
        expect_broken(g);
        guest_status(g, 0);
        guest_run(g);
    }
}

static void indirect_needs_its_feature(void **state)
{
    Guest *g = *state;

    guest_start(g, 0);
    guest_desc_at(g, TABLE_GPA, 0, DATA_GPA, 4, 0, 0);
    guest_desc(g, 0, TABLE_GPA, 16, INDIRECT, 0);
    guest_add(g, 0);
    guest_kick(g);
    expect_broken(g);
}

static void total_length_is_bounded(void **state)
{
    Guest *g = *state;

    guest_start(g, BOTH);
    /* 2^32 bytes in sum, each descriptor inside RAM */
    for (int i = 0; i < 1024; i++)
        guest_desc_at(g, 0x20000, i, 0, RAM_BYTES, NEXT, (i + 1) % 1024);
    guest_desc(g, 0, 0x20000, 1024 * 16, INDIRECT, 0);
    guest_add(g, 0);
    guest_kick(g);
    expect_broken(g);
}

static void bad_ring_addresses(void **state)
{
    static const uint64_t bad[] = { 8, RAM_BYTES - 8, UINT64_MAX - 15,
                                    RAM_BYTES, 0xf0100000 };
    Guest *g = *state;

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        guest_status(g, 0);
        guest_run(g);
        guest_status(g, 3);
        virtio_drv_features(g->vdev, 1, 1);
        guest_status(g, 11);
        virtio_drv_queue_addr(g->vdev, 0, VQ_RING_DESC, false, bad[i]);
        virtio_drv_queue_addr(g->vdev, 0, VQ_RING_DESC, true, bad[i] >> 32);
        virtio_drv_queue_addr(g->vdev, 0, VQ_RING_AVAIL, false, AVAIL_GPA);
        virtio_drv_queue_addr(g->vdev, 0, VQ_RING_USED, false, USED_GPA);
        virtio_drv_queue_ready(g->vdev, 0, true);
        guest_status(g, 15);
        guest_run(g);
        assert_true(g->vdev->status & VIRTIO_S_NEEDS_RESET);
        assert_int_equal(g->vdev->phase, VIRTIO_IDLE);
    }
}

/* --- life ---------------------------------------------------------------- */

static void features_must_be_offered(void **state)
{
    Guest *g = *state;

    guest_status(g, 3);
    virtio_drv_features(g->vdev, 0, 2); /* not offered */
    virtio_drv_features(g->vdev, 1, 1);
    guest_status(g, 11);
    assert_int_equal(g->vdev->status, 3);
    virtio_drv_features(g->vdev, 0, 1);
    virtio_drv_features(g->vdev, 1, 0); /* no VERSION_1 */
    guest_status(g, 11);
    assert_int_equal(g->vdev->status, 3);
    guest_status(g, 7); /* DRIVER_OK without FEATURES_OK */
    assert_int_equal(g->vdev->status, 3);
    virtio_drv_features(g->vdev, 1, 1);
    guest_status(g, 11);
    assert_int_equal(g->vdev->status, 11);
    guest_status(g, 3); /* bits do not go away */
    assert_int_equal(g->vdev->status, 11);
    virtio_drv_features(g->vdev, 0, 0); /* too late */
    assert_int_equal(g->vdev->features, 1 | VIRTIO_F(VIRTIO_F_VERSION_1));
}

static void reset_waits_for_chains(void **state)
{
    Guest *g = *state;
    Echo *echo = echo_of(g);

    guest_start(g, 0);
    echo->hold = true;
    add_pair(g, 0, "held");
    guest_kick(g);
    assert_int_equal(echo->num_held, 1);
    guest_status(g, 0);
    guest_run(g);
    assert_int_equal(echo->deactivations, 0);
    assert_int_not_equal(g->vdev->status, 0);
    echo_finish(&g->vdev->vqs[0], &echo->held[--echo->num_held]);
    guest_run(g);
    assert_int_equal(echo->deactivations, 1);
    assert_int_equal(echo->resets, 1);
    assert_int_equal(g->vdev->status, 0);
    assert_int_equal(guest_used_idx(g), 1); /* it was finished, not lost */
}

static void reset_orphans_after_its_deadline(void **state)
{
    Guest *g = *state;
    Echo *echo = echo_of(g);

    guest_start(g, 0);
    echo->hold = true;
    add_pair(g, 0, "stuck");
    guest_kick(g);
    guest_status(g, 0);
    guest_run(g);
    clock_set_virtual(clock_now_ns() + (VIRTIO_STOP_MS + 1) * 1000000LL);
    guest_run(g);
    assert_int_equal(echo->deactivations, 1);
    assert_int_equal(g->vdev->status, VIRTIO_S_NEEDS_RESET);
    assert_int_equal(g->vdev->orphans, 1);
    /* the late completion touches no ring */
    echo_finish(&g->vdev->vqs[0], &echo->held[--echo->num_held]);
    assert_int_equal(g->vdev->orphans, 0);
    assert_int_equal(guest_used_idx(g), 0);
    guest_status(g, 0);
    guest_run(g);
    echo->hold = false;
    guest_start(g, 0);
    add_pair(g, 0, "fresh");
    guest_kick(g);
    expect_echo(g, 0, "fresh");
}

static void count_done(void *opaque)
{
    ++*(unsigned *)opaque;
}

static void pause_holds_the_queue_still(void **state)
{
    Guest *g = *state;
    Echo *echo = echo_of(g);
    unsigned done = 0;

    guest_start(g, BOTH);
    echo->hold = true;
    add_pair(g, 0, "one");
    guest_kick(g);
    virtio_pause(g->vdev, count_done, &done);
    guest_run(g);
    assert_int_equal(done, 0);
    echo_finish(&g->vdev->vqs[0], &echo->held[--echo->num_held]);
    guest_run(g);
    assert_int_equal(done, 1);
    echo->hold = false;
    add_pair(g, 2, "two");
    guest_kick(g);
    assert_int_equal(guest_used_idx(g), 1);
    virtio_resume(g->vdev, count_done, &done);
    guest_run(g);
    assert_int_equal(done, 2);
    assert_int_equal(guest_used_idx(g), 2);
}

static void machine_reset_brings_power_on_state(void **state)
{
    Guest *g = *state;
    unsigned done = 0;

    guest_start(g, BOTH);
    virtio_reset(g->vdev, count_done, &done);
    guest_run(g);
    assert_int_equal(done, 1);
    assert_int_equal(g->vdev->status, 0);
    assert_int_equal(g->vdev->features, 0);
    assert_false(g->vdev->vqs[0].ready);
    assert_int_equal(g->vdev->phase, VIRTIO_IDLE);
}

static void queue_ready_0_stops_the_queue(void **state)
{
    Guest *g = *state;

    guest_start(g, 0);
    pthread_mutex_lock(&g->vdev->lock);
    virtio_drv_queue_ready(g->vdev, 0, false);
    pthread_mutex_unlock(&g->vdev->lock);
    guest_run(g);
    assert_false(g->vdev->vqs[0].active);
    add_pair(g, 0, "late");
    guest_kick(g);
    assert_int_equal(guest_used_idx(g), 0);
}

/* Saved on one device, loaded into another, which goes on where it was. */
static void state_moves_to_another_device(void **state)
{
    Guest *g = *state;
    StateBuf buf = { 0 };
    const uint8_t *p;
    size_t len;
    StateSection section;
    VirtioDev *old = g->vdev;
    Err e = ERR_INIT;

    guest_start(g, BOTH);
    for (int i = 0; i < 5; i++) {
        add_pair(g, i * 2, "before");
        guest_kick(g);
        expect_echo(g, i * 2, "before");
    }
    virtio_pause(old, NULL, NULL);
    guest_run(g);
    add_pair(g, 10, "during");
    assert_int_equal(virtio_save(old, &buf, &e), 0);
    virtio_unplug(old, NULL, NULL);
    guest_run(g);
    old->transport = NULL;
    virtio_free(old);

    assert_int_equal(
        virtio_new(&g->vdev, &echo_class, "dut", NULL, &g->env, &e), 0);
    g->t.vdev = g->vdev;
    g->vdev->transport = &g->t;
    g->vdev->paused = true;
    p = buf.data;
    len = buf.len;
    while (state_next(&p, &len, &section, &e) > 0)
        assert_int_equal(virtio_load(g->vdev, &section, &e), 1);
    assert_int_equal(g->vdev->status, 15);
    virtio_resume(g->vdev, NULL, NULL);
    guest_run(g);
    expect_echo(g, 10, "during");
    add_pair(g, 12, "after");
    guest_kick(g);
    expect_echo(g, 12, "after");
    state_buf_fini(&buf);
}

static void slices(void **state)
{
    char data[30];
    struct iovec iov[3] = { { data, 10 },
                            { data + 10, 10 },
                            { data + 20, 10 } };
    unsigned num = 3;
    struct iovec *s = vq_iov_slice(iov, &num, 12, 10);

    assert_int_equal(num, 2);
    assert_ptr_equal(s[0].iov_base, data + 12);
    assert_int_equal(s[0].iov_len, 8);
    assert_int_equal(s[1].iov_len, 2);
    num = 2;
    vq_iov_slice(s, &num, 10, 1);
    assert_int_equal(num, 0);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(chains_go_round),
        T(no_interrupt_flag_is_heeded),
        T(event_idx_limits_interrupts_and_kicks),
        T(indirect_chains_may_be_long),
        T(budget_gives_others_a_turn),
        T(hostile_head),
        T(hostile_index),
        T(hostile_reuse),
        T(hostile_loop),
        T(hostile_next),
        T(hostile_addresses),
        T(hostile_order),
        T(hostile_indirect),
        T(indirect_needs_its_feature),
        T(total_length_is_bounded),
        T(bad_ring_addresses),
        T(features_must_be_offered),
        T(reset_waits_for_chains),
        T(reset_orphans_after_its_deadline),
        T(pause_holds_the_queue_still),
        T(machine_reset_brings_power_on_state),
        T(queue_ready_0_stops_the_queue),
        T(state_moves_to_another_device),
        cmocka_unit_test(slices),
    };

    clock_use_virtual();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
