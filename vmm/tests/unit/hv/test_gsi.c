/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Interrupt numbers and APIC ids. */
#include <config.h>

#include "hv/gsi.h"
#include "hv/hv.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_alloc_and_free(void **state)
{
    GsiTable t;

    gsi_init(&t, 24, 4096);
    for (int i = 24; i < 4096; i++)
        assert_int_equal(gsi_alloc(&t), i);
    assert_int_equal(gsi_alloc(&t), -ENOSPC);
    assert_false(t.dirty);
    gsi_free(&t, 100);
    gsi_free(&t, 30);
    gsi_free(&t, 30); /* twice is harmless */
    gsi_free(&t, 3);  /* so is a pin */
    assert_int_equal(gsi_alloc(&t), 30);
    assert_int_equal(gsi_alloc(&t), 100);
    assert_int_equal(gsi_alloc(&t), -ENOSPC);
    gsi_fini(&t);
}

static void test_routes(void **state)
{
    const GsiRoute *route;
    GsiTable t;

    gsi_init(&t, 24, 64);
    assert_int_equal(gsi_set(&t, 24, 1, 2), -EINVAL);
    assert_int_equal(gsi_set(&t, 5, 1, 2), -EINVAL);
    assert_int_equal(gsi_alloc(&t), 24);
    assert_int_equal(gsi_alloc(&t), 25);
    assert_int_equal(gsi_alloc(&t), 26);
    assert_int_equal(gsi_next(&t, 0, &route), -1);
    assert_int_equal(gsi_set(&t, 26, 0xfee00000, 0x41), 0);
    assert_true(t.dirty);
    t.dirty = false;
    assert_int_equal(gsi_set(&t, 26, 0xfee00000, 0x41), 0);
    assert_false(t.dirty); /* the same again */
    assert_int_equal(gsi_set(&t, 24, 0xfee01000, 0x42), 0);
    assert_int_equal(gsi_num_routed(&t), 2);
    assert_int_equal(gsi_next(&t, 0, &route), 24);
    assert_int_equal(route->data, 0x42);
    assert_int_equal(gsi_next(&t, 25, &route), 26);
    assert_int_equal(gsi_next(&t, 27, &route), -1);
    t.dirty = false;
    gsi_free(&t, 25);
    assert_false(t.dirty);
    gsi_free(&t, 24);
    assert_true(t.dirty);
    assert_int_equal(gsi_num_routed(&t), 1);
    gsi_fini(&t);
}

static void test_no_pins(void **state)
{
    GsiTable t;

    gsi_init(&t, 0, 0);
    assert_int_equal(gsi_alloc(&t), -ENOSPC);
    gsi_fini(&t);
}

static void test_apic_ids(void **state)
{
    const HvCpuTopology plain = { 1, 1, 1, 8, 1, 0 };
    const HvCpuTopology odd = { 2, 1, 1, 3, 2, 0 };
    const HvCpuTopology dies = { 2, 2, 2, 2, 1, 0 };
    const HvCpuTopology zero = { 0 };

    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(hv_apic_id(&plain, i), i);
    assert_int_equal(hv_apic_id(&odd, 5), 5);
    assert_int_equal(hv_apic_id(&odd, 6), 8); /* second socket */
    assert_int_equal(hv_apic_id(&odd, 11), 13);
    assert_int_equal(hv_apic_id(&dies, 3), 3);
    assert_int_equal(hv_apic_id(&dies, 4), 4);
    assert_int_equal(hv_apic_id(&dies, 15), 15);
    assert_int_equal(hv_apic_id(&zero, 2), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alloc_and_free),
        cmocka_unit_test(test_routes),
        cmocka_unit_test(test_no_pins),
        cmocka_unit_test(test_apic_ids),
    };

    return cmocka_run_group_tests_name("hv/gsi", tests, NULL, NULL);
}
