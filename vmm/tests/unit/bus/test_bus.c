/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Unit tests of bus/: decode, refused accesses, parked vCPUs. */
#include <config.h>

#include "bus/bus.h"

#include "core/quiesce.h"
#include "core/thread.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct Dev {
    uint64_t off, val;
    unsigned size, reads, writes;
} Dev;

static uint64_t dev_read(void *opaque, uint64_t off, unsigned size)
{
    Dev *dev = opaque;

    dev->off = off;
    dev->size = size;
    dev->reads++;
    return UINT64_C(0x1122334455667788);
}

static void dev_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    Dev *dev = opaque;

    dev->off = off;
    dev->val = val;
    dev->writes++;
}

static const IoOps ops = { dev_read, dev_write, 1 | 2 | 4 };

static void decode(void **state)
{
    Dev dev = { 0 };
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    IoRegion a = { "a", 0x100, 8, &ops, &dev, &lock };
    IoRegion b = { "b", 0x108, 8, &ops, &dev, NULL };
    IoRegion clash = { "clash", 0x10f, 2, &ops, &dev, NULL };
    Err e = ERR_INIT;
    Bus *bus;

    assert_int_equal(bus_new(&bus, &e), 0);
    assert_int_equal(bus_add(bus, BUS_MMIO, &b, &e), 0);
    assert_int_equal(bus_add(bus, BUS_MMIO, &a, &e), 0);
    assert_int_equal(bus_add(bus, BUS_MMIO, &clash, &e), -EEXIST);
    assert_string_equal(e.msg,
                        "device 'clash' at address 0x10f overlaps device 'b'");

    assert_int_equal(bus_read(bus, BUS_MMIO, 0x10a, 2), 0x7788);
    assert_int_equal(dev.off, 2);
    bus_write(bus, BUS_MMIO, 0x104, UINT64_MAX, 4);
    assert_int_equal(dev.val, 0xffffffff);

    /* size not offered, across the end, nobody there, other space */
    assert_true(bus_read(bus, BUS_MMIO, 0x100, 8) == UINT64_MAX);
    assert_int_equal(bus_read(bus, BUS_MMIO, 0x10e, 4), 0xffffffff);
    assert_int_equal(bus_read(bus, BUS_MMIO, 0xff, 1), 0xff);
    assert_int_equal(bus_read(bus, BUS_MMIO, UINT64_MAX, 1), 0xff);
    assert_int_equal(bus_read(bus, BUS_PIO, 0x100, 1), 0xff);
    assert_int_equal(dev.reads, 1);

    bus_del(bus, BUS_MMIO, &a);
    bus_write(bus, BUS_MMIO, 0x104, 1, 4);
    assert_int_equal(dev.writes, 1);
    qs_poll();
    bus_free(bus);
}

static void absent_ports_stop_probes(void **state)
{
    Err e = ERR_INIT;
    Bus *bus;

    assert_int_equal(bus_new(&bus, &e), 0);
    assert_int_equal(bus_read(bus, BUS_PIO, 0x71, 1), 0);
    assert_int_equal(bus_read(bus, BUS_PIO, 0x64, 1), 0xfd);
    assert_int_equal(bus_read(bus, BUS_PIO, 0x61, 1), 0x20);
    assert_int_equal(bus_read(bus, BUS_PIO, 0x3f8, 1), 0xff);
    bus_free(bus);
}

typedef struct Parked {
    BusCpu cpu;
    Deferred d;
    pthread_mutex_t lock;
    Loop *loop;
    bool ran;
} Parked;

static void work(void *opaque)
{
    Parked *p = opaque;

    p->ran = true;
    deferred_done(&p->d, &p->lock);
}

static void *vcpu(void *arg)
{
    Parked *p = arg;

    bus_cpu_enter(&p->cpu);
    pthread_mutex_lock(&p->lock);
    assert_true(deferred_post(&p->d, p->loop));
    assert_false(deferred_post(&p->d, p->loop));
    pthread_mutex_unlock(&p->lock);
    return (void *)(uintptr_t)bus_cpu_park(&p->cpu);
}

static void a_vcpu_parks_until_the_loop_is_done(void **state)
{
    Parked p = { .lock = PTHREAD_MUTEX_INITIALIZER };
    pthread_t thread;
    Err e = ERR_INIT;
    void *done;

    assert_int_equal(loop_new(&p.loop, "test", &e), 0);
    bus_cpu_init(&p.cpu);
    deferred_init(&p.d, work, &p);

    /* kicked away first: the work is still pending afterwards */
    bus_cpu_kick(&p.cpu);
    pthread_create(&thread, NULL, vcpu, &p);
    pthread_join(thread, &done);
    assert_null(done);
    assert_false(p.ran);
    bus_cpu_unkick(&p.cpu);

    loop_turn(p.loop, 1000);
    assert_true(p.ran);
    assert_true(bus_cpu_park(&p.cpu));

    pthread_create(&thread, NULL, vcpu, &p);
    p.ran = false;
    while (!p.ran)
        loop_turn(p.loop, 1000);
    pthread_join(thread, &done);
    assert_non_null(done);
    bus_cpu_fini(&p.cpu);
    loop_free(p.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decode),
        cmocka_unit_test(absent_ports_stop_probes),
        cmocka_unit_test(a_vcpu_parks_until_the_loop_is_done),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
