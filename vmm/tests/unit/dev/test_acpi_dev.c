/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Unit tests of dev/acpi_dev.c. */
#include <config.h>

#include "dev/acpi_dev.h"

#include "fake_hv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define GED   0xfeb00000
#define CTL   0xce9
#define STS   0xcea
#define RESET 0xcf9

static unsigned offs, resets;

static void on_off(void *opaque)
{
    offs++;
}

static void on_reset(void *opaque)
{
    resets++;
}

static Bus *bus;
static AcpiDev *dev;

static int setup(void **state)
{
    AcpiDevConf conf = { .ged_base = GED,
                         .ged_gsi = 9,
                         .sleep_ctl = CTL,
                         .sleep_sts = STS,
                         .reset_port = RESET,
                         .kbd_reset = true,
                         .listener = { on_off, on_reset, NULL } };
    Err e = ERR_INIT;

    assert_int_equal(bus_new(&bus, &e), 0);
    conf.bus = bus;
    assert_int_equal(acpi_dev_new(&dev, &conf, &e), 0);
    offs = resets = fake_pulses = 0;
    return 0;
}

static int teardown(void **state)
{
    acpi_dev_free(dev);
    bus_free(bus);
    return 0;
}

static void events_are_read_once(void **state)
{
    assert_int_equal(bus_read(bus, BUS_MMIO, GED, 4), 0);
    acpi_dev_event(dev, 1);
    acpi_dev_event(dev, 0x20);
    assert_int_equal(fake_pulses, 2);
    bus_write(bus, BUS_MMIO, GED, 0xffffffff, 4);
    assert_int_equal(bus_read(bus, BUS_MMIO, GED, 4), 0x21);
    assert_int_equal(bus_read(bus, BUS_MMIO, GED, 4), 0);
    acpi_dev_event(dev, 1);
    acpi_dev_reset(dev);
    assert_int_equal(bus_read(bus, BUS_MMIO, GED, 4), 0);
}

static void only_s5_powers_off(void **state)
{
    bus_write(bus, BUS_PIO, CTL, 5 << 2, 1); /* not enabled */
    bus_write(bus, BUS_PIO, CTL, 0x20 | 3 << 2, 1);
    assert_int_equal(offs, 0);
    bus_write(bus, BUS_PIO, CTL, 0x20 | 5 << 2, 1);
    assert_int_equal(offs, 1);
    assert_int_equal(bus_read(bus, BUS_PIO, CTL, 1) & 0x20, 0);
    assert_int_equal(bus_read(bus, BUS_PIO, STS, 1), 0);
}

static void resets_by_either_port(void **state)
{
    bus_write(bus, BUS_PIO, RESET, 0x02, 1);
    bus_write(bus, BUS_PIO, 0x64, 0xd1, 1);
    assert_int_equal(resets, 0);
    bus_write(bus, BUS_PIO, RESET, 0x0f, 1);
    assert_int_equal(resets, 1);
    assert_int_equal(bus_read(bus, BUS_PIO, 0x64, 1), 0xfd);
    bus_write(bus, BUS_PIO, 0x64, 0xfe, 1);
    assert_int_equal(resets, 2);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(events_are_read_once),
        T(only_s5_powers_off),
        T(resets_by_either_port),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
