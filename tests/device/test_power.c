/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Device tests: power button, sleep, reset, ports that nobody answers at. */
#include <config.h>

#include "device/vm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#define GED        0xf0000000ULL
#define SLEEP_CTL  0xce9
#define SLEEP_STS  0xcea
#define RESET_PORT 0xcf9
#define S5         (0x20 | 5 << 2)

static const char *const none[] = { NULL };

static void button_raises_an_event(void **state)
{
    Vm *vm = vm_start(none);

    assert_int_equal(vm_readl(vm, GED), 0);
    vm_qmp_do(vm, "system_powerdown", NULL);
    json_decref(vm_event(vm, "POWERDOWN"));
    vm_writel(vm, GED, 0xffffffff);          /* ignored */
    for (unsigned off = 0; off < 4; off++) { /* nor by parts */
        vm_load(vm, GED + off, 1);
        vm_store(vm, GED + off, 0xff, 1);
    }
    assert_int_equal(vm_readl(vm, GED), 1);
    assert_int_equal(vm_readl(vm, GED), 0); /* reading took it */
    /* it is the guest's to act upon: nothing else happened */
    assert_false(vm_had_event(vm, "SHUTDOWN"));
    vm_quit(vm);
}

static void reset_forgets_the_button(void **state)
{
    Vm *vm = vm_start(none);

    vm_qmp_do(vm, "system_powerdown", NULL);
    vm_qmp_do(vm, "system_reset", NULL);
    json_decref(vm_event(vm, "RESET"));
    assert_int_equal(vm_readl(vm, GED), 0);
    vm_quit(vm);
}

static void expect_shutdown(Vm *vm, const char *reason)
{
    json_t *data = vm_event(vm, "SHUTDOWN");

    assert_true(json_is_true(json_object_get(data, "guest")));
    assert_string_equal(json_string_value(json_object_get(data, "reason")),
                        reason);
    json_decref(data);
}

static void s5_ends_the_vm(void **state)
{
    Vm *vm = vm_start(none);

    vm_out(vm, SLEEP_CTL, 5 << 2, 1);        /* not enabled */
    vm_out(vm, SLEEP_CTL, 0x20 | 3 << 2, 1); /* another state */
    assert_int_equal(vm_in(vm, SLEEP_STS, 1), 0);
    assert_false(vm_had_event(vm, "SHUTDOWN"));
    vm_out_last(vm, SLEEP_CTL, S5);
    expect_shutdown(vm, "guest-shutdown");
    assert_int_equal(vm_wait(vm), 0);
}

static void s5_is_kept_by_no_shutdown(void **state)
{
    static const char *const keep[] = { "-no-shutdown", NULL };
    Vm *vm = vm_start(keep);
    json_t *status;

    vm_out(vm, SLEEP_CTL, S5, 1);
    expect_shutdown(vm, "guest-shutdown");
    status = vm_qmp(vm, "query-status", NULL);
    assert_string_equal(json_string_value(json_object_get(status, "status")),
                        "shutdown");
    json_decref(status);
    vm_quit(vm);
}

static void guest_reset_by(uint16_t port, uint8_t val)
{
    static const char *const reboot[] = { "-action", "reboot=reset", NULL };
    Vm *vm = vm_start(reboot);
    json_t *data;

    vm_out(vm, port, val, 1);
    data = vm_event(vm, "RESET");
    assert_true(json_is_true(json_object_get(data, "guest")));
    json_decref(data);
    assert_int_equal(vm_readl(vm, GED), 0); /* still there */
    vm_quit(vm);

    vm = vm_start(none); /* the machine's default: a reset ends it */
    vm_out_last(vm, port, val);
    expect_shutdown(vm, "guest-reset");
    assert_int_equal(vm_wait(vm), 0);
}

static void guest_resets(void **state)
{
    guest_reset_by(RESET_PORT, 0x0f);
    guest_reset_by(0x64, 0xfe); /* reboot=k */
}

static void absent_ports(void **state)
{
    Vm *vm = vm_start(none);

    assert_int_equal(vm_in(vm, 0x61, 1), 0x20);
    assert_int_equal(vm_in(vm, 0x64, 1), 0xfd);
    assert_int_equal(vm_in(vm, 0x71, 1), 0);
    assert_int_equal(vm_in(vm, 0xcf8, 4), 0xffffffff);
    assert_int_equal(vm_in(vm, 0xffff, 1), 0xff);
    for (unsigned port = 0; port < 0x10000; port += 0x101) {
        if (port == SLEEP_CTL || port == RESET_PORT)
            continue;
        vm_in(vm, port, 2);
        vm_out(vm, port, 0, 4);
    }
    assert_int_equal(vm_readl(vm, 0xfe000000), 0xffffffff);
    vm_writel(vm, 0xfe000000, 0);
    vm_quit(vm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(button_raises_an_event),
        cmocka_unit_test(reset_forgets_the_button),
        cmocka_unit_test(s5_ends_the_vm),
        cmocka_unit_test(s5_is_kept_by_no_shutdown),
        cmocka_unit_test(guest_resets),
        cmocka_unit_test(absent_ports),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
