/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Unit tests of dev/serial.c as a stock 8250 driver uses it. */
#include <config.h>

#include "dev/serial.h"

#include "fake_hv.h"
#include "util/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define BASE 0x3f8

enum {
    DATA,
    IER,
    IIR,
    LCR,
    MCR,
    LSR,
    MSR,
    SCR
};

typedef struct Port {
    Loop *loop;
    Bus *bus;
    Chardev *cd;
    Serial *serial;
    int peer; /* the other end of the chardev */
} Port;

static int setup(void **state)
{
    Port *p = calloc(1, sizeof(*p));
    ChardevConf conf = { .id = "c", .cls = CHARDEV_SOCKET, .has_fd = true };
    SerialConf serial = { .space = BUS_PIO, .base = BASE, .gsi = 4 };
    int fds[2];
    Err e = ERR_INIT;

    alarm(30);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    conf.fd = fds[0];
    p->peer = fds[1];
    assert_int_equal(loop_new(&p->loop, "test", &e), 0);
    assert_int_equal(bus_new(&p->bus, &e), 0);
    assert_int_equal(chardev_new(&p->cd, &conf, &e), 0);
    serial.bus = p->bus;
    serial.loop = p->loop;
    serial.chardev = p->cd;
    assert_int_equal(serial_new(&p->serial, &serial, &e), 0);
    fake_pulses = 0;
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    Port *p = *state;

    serial_free(p->serial);
    chardev_free(p->cd);
    bus_free(p->bus);
    loop_free(p->loop);
    close(p->peer);
    free(p);
    return 0;
}

static uint8_t in(Port *p, unsigned reg)
{
    return bus_read(p->bus, BUS_PIO, BASE + reg, 1);
}

static void out(Port *p, unsigned reg, uint8_t val)
{
    bus_write(p->bus, BUS_PIO, BASE + reg, val, 1);
}

static void run(Port *p)
{
    for (int i = 0; i < 4; i++)
        loop_turn(p->loop, 0);
}

static void power_on_state(void **state)
{
    Port *p = *state;

    assert_int_equal(fake_irq.gsi, 4);
    assert_int_equal(in(p, LSR), 0x60);
    assert_int_equal(in(p, MSR), 0xb0);
    assert_int_equal(in(p, IIR), 0x01);
    assert_int_equal(in(p, MCR), 0x08);
    assert_int_equal(in(p, IER), 0);
    out(p, SCR, 0x5a);
    assert_int_equal(in(p, SCR), 0x5a);
    out(p, IER, 0xff);
    assert_int_equal(in(p, IER), 0x0f);
    /* other widths find nobody */
    assert_int_equal(bus_read(p->bus, BUS_PIO, BASE, 2), 0xffff);
}

static void driver_finds_a_16550a(void **state)
{
    Port *p = *state;

    out(p, MCR, 0x1a); /* loopback, RTS, OUT2 */
    assert_int_equal(in(p, MSR), 0x90);
    out(p, MCR, 0x08);
    out(p, IIR, 0x01);
    assert_int_equal(in(p, IIR) & 0xc0, 0xc0);
    out(p, IIR, 0x21); /* no 64-byte FIFO */
    assert_int_equal(in(p, IIR) >> 5, 6);
    out(p, IIR, 0);
    assert_int_equal(in(p, IIR) & 0xc0, 0);
    out(p, LCR, 0x83);
    out(p, DATA, 0x34);
    out(p, IER, 0x12);
    assert_int_equal(in(p, DATA), 0x34);
    assert_int_equal(in(p, IER), 0x12);
    out(p, LCR, 0x03);
    assert_int_equal(in(p, IER), 0);
}

static void transmits_by_interrupt(void **state)
{
    Port *p = *state;
    char buf[64];

    out(p, IIR, 0x01);
    out(p, IER, 0x02); /* empty transmitter interrupts at once */
    assert_int_equal(fake_pulses, 1);
    assert_int_equal(in(p, IIR) & 0x0f, 0x02);
    assert_int_equal(in(p, IIR) & 0x0f, 0x01); /* reading took it */
    for (const char *c = "sixteen bytes ok"; *c; c++)
        out(p, DATA, *c);
    assert_int_equal(fake_pulses, 2);
    assert_int_equal(in(p, IIR) & 0x0f, 0x02);
    out(p, IER, 0);
    out(p, IER, 2); /* asks again: interrupts again */
    assert_int_equal(fake_pulses, 3);
    run(p);
    assert_int_equal(read(p->peer, buf, sizeof(buf)), 16);
    assert_memory_equal(buf, "sixteen bytes ok", 16);
}

static void receives_without_loss(void **state)
{
    Port *p = *state;
    char text[200];
    unsigned got = 0;

    for (unsigned i = 0; i < sizeof(text); i++)
        text[i] = i;
    out(p, IIR, 0x01);
    out(p, IER, 0x01);
    assert_int_equal(write(p->peer, text, sizeof(text)), sizeof(text));
    while (got < sizeof(text)) {
        loop_turn(p->loop, 100);
        if (in(p, LSR) & 1) {
            assert_int_equal(in(p, IIR) & 0x0f, 0x04);
            while (in(p, LSR) & 1)
                assert_int_equal(in(p, DATA), (uint8_t)text[got++]);
            assert_int_equal(in(p, IIR) & 0x0f, 0x01);
        }
    }
    assert_true(fake_pulses >= sizeof(text) / 16);
}

static void without_fifo_one_byte_at_a_time(void **state)
{
    Port *p = *state;

    assert_int_equal(write(p->peer, "abc", 3), 3);
    for (const char *c = "abc"; *c; c++) {
        while (!(in(p, LSR) & 1))
            loop_turn(p->loop, 100);
        assert_int_equal(in(p, DATA), *c);
        assert_int_equal(in(p, LSR) & 1, 0);
    }
}

static void loopback_stays_inside(void **state)
{
    Port *p = *state;
    char buf[8];

    out(p, IIR, 0x01);
    out(p, MCR, 0x18);
    out(p, DATA, 'x');
    run(p);
    assert_int_equal(in(p, LSR) & 1, 1);
    assert_int_equal(in(p, DATA), 'x');
    assert_int_equal(recv(p->peer, buf, sizeof(buf), MSG_DONTWAIT), -1);
    /* input waits until the loop is opened */
    assert_int_equal(write(p->peer, "y", 1), 1);
    run(p);
    assert_int_equal(in(p, LSR) & 1, 0);
    out(p, MCR, 0x08);
    while (!(in(p, LSR) & 1))
        loop_turn(p->loop, 100);
    assert_int_equal(in(p, DATA), 'y');
}

static void nobody_reads(void **state)
{
    Port *p = *state;

    for (int i = 0; i < 4000000; i++) {
        out(p, DATA, 'z');
        if (i % 4096 == 0)
            loop_turn(p->loop, 0);
    }
    assert_int_equal(in(p, LSR), 0x60);
}

static void reset_forgets(void **state)
{
    Port *p = *state;

    out(p, IIR, 0x01);
    out(p, IER, 0x03);
    out(p, LCR, 0x83);
    assert_int_equal(write(p->peer, "abc", 3), 3);
    run(p);
    serial_reset(p->serial);
    assert_int_equal(in(p, IER), 0);
    assert_int_equal(in(p, LCR), 0);
    assert_int_equal(in(p, LSR), 0x60);
    assert_int_equal(in(p, IIR), 0x01);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(power_on_state),
        T(driver_finds_a_16550a),
        T(transmits_by_interrupt),
        T(receives_without_loss),
        T(without_fifo_one_byte_at_a_time),
        T(loopback_stays_inside),
        T(nobody_reads),
        T(reset_forgets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
