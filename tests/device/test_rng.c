/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Device tests: virtio entropy device. */
#include <config.h>

#include "device/virtio.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define TYPE 4

static const char *const plain[] = {
    "-object", "rng-random,id=r,filename=/dev/urandom",
    "-device", "virtio-rng-device,id=rng0,rng=r",
    NULL,
};

static const char *const limited[] = {
    "-object", "rng-random,id=r,filename=/dev/urandom",
    "-device", "virtio-rng-device,id=rng0,rng=r,max-bytes=1000,period=1000",
    NULL,
};

static void registers(void **state)
{
    Vm *vm = vm_start(plain);
    Dev d = dev_find(vm, TYPE, 0);

    dev_check_registers(&d, TYPE, 1, 0);
    vm_quit(vm);
}

static void fill(Dev *d, bool indirect)
{
    Vm *vm = d->vm;
    uint64_t gpa = vm_alloc(vm, 256, 16);
    Buf bufs[] = { { gpa, 100, true }, { gpa + 100, 28, true } };
    uint8_t out[128], zero[128] = { 0 };
    uint32_t len;

    q_add(&d->q[0], bufs, 2, indirect);
    q_kick(&d->q[0]);
    q_wait(&d->q[0], &len);
    assert_true(len > 0 && len <= 128);
    vm_read(vm, gpa, out, 128);
    assert_memory_not_equal(out, zero, len);
    assert_memory_equal(out + len, zero, 128 - len);
}

static void gives_bytes(void **state)
{
    Vm *vm = vm_start(plain);
    Dev d = dev_find(vm, TYPE, 0);

    dev_start(&d, NO_FEATURES, 1);
    for (int i = 0; i < 100; i++)
        fill(&d, false);
    assert_int_equal(dev_get(&d, MMIO_INT_STATUS), 1);
    dev_set(&d, MMIO_INT_ACK, 1);
    assert_int_equal(dev_get(&d, MMIO_INT_STATUS), 0);
    dev_start(&d, ALL_FEATURES, 1);
    fill(&d, true);
    vm_quit(vm);
}

static void keeps_to_its_quota(void **state)
{
    Vm *vm = vm_start(limited);
    Dev d = dev_find(vm, TYPE, 0);
    Queue *q = &d.q[0];
    uint32_t len, sum = 0;

    dev_start(&d, ALL_FEATURES, 1);
    for (int i = 0; i < 8; i++) {
        Buf b = { vm_alloc(vm, 400, 16), 400, true };

        q_add(q, &b, 1, false);
    }
    q_kick(q);
    while (sum < 1000) {
        q_wait(q, &len);
        sum += len;
    }
    assert_int_equal(sum, 1000);
    vm_clock_step(vm, 999000000);
    assert_int_equal(q_used_idx(q), q->used_idx);
    vm_clock_step(vm, 2000000);
    q_wait(q, &len);
    assert_true(len > 0);
    /* reset with buffers waiting for the next period */
    dev_reset(&d);
    vm_clock_step(vm, 5000000000);
    dev_start(&d, ALL_FEATURES, 1);
    fill(&d, false);
    vm_quit(vm);
}

static void survives_hostile_rings(void **state)
{
    Vm *vm = vm_start(plain);
    Dev d = dev_find(vm, TYPE, 0);

    dev_torture(&d, 1, 0);
    dev_start(&d, ALL_FEATURES, 1);
    fill(&d, false);
    vm_quit(vm);
}

static void pause_and_reset(void **state)
{
    Vm *vm = vm_start(plain);
    Dev d = dev_find(vm, TYPE, 0);
    Buf b = { vm_alloc(vm, 64, 16), 64, true };

    dev_start(&d, ALL_FEATURES, 1);
    vm_qmp_do(vm, "stop", NULL);
    q_add(&d.q[0], &b, 1, false);
    vm_qmp_do(vm, "cont", NULL); /* looks at the rings by itself */
    q_wait(&d.q[0], NULL);
    vm_qmp_do(vm, "system_reset", NULL);
    json_decref(vm_event(vm, "RESET"));
    assert_int_equal(dev_get(&d, MMIO_STATUS), 0);
    dev_set(&d, MMIO_QUEUE_SEL, 0);
    assert_int_equal(dev_get(&d, MMIO_QUEUE_READY), 0);
    dev_start(&d, ALL_FEATURES, 1);
    fill(&d, false);
    vm_quit(vm);
}

static void refused(void **state)
{
    static const struct {
        const char *source, *device, *says;
    } wrong[] = {
        { "rng-random,id=r,filename=/dev/urandom",
          "virtio-rng-device,id=a,rng=none", "none" },
        { "rng-random,id=r,filename=/etc/passwd",
          "virtio-rng-device,id=a,rng=r", "/etc/passwd" },
        { "rng-random,id=r,filename=/dev/urandom",
          "virtio-rng-device,id=a,rng=r,max-bytes=5", "period" },
        { "rng-random,id=r,filename=/dev/urandom",
          "virtio-rng-device,id=a,rng=r,max-bytes=5,period=1000", "max-bytes" },
        { "rng-random,id=r,filename=/dev/urandom", "virtio-rng-device,id=a",
          "rng" },
    };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        const char *args[] = { "-object", wrong[i].source, "-device",
                               wrong[i].device, NULL };
        char text[2048];

        assert_int_not_equal(vm_fail(args, text, sizeof(text)), 0);
        if (!strstr(text, wrong[i].says))
            fail_msg("%s: %s", wrong[i].device, text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(registers),
        cmocka_unit_test(gives_bytes),
        cmocka_unit_test(keeps_to_its_quota),
        cmocka_unit_test(survives_hostile_rings),
        cmocka_unit_test(pause_and_reset),
        cmocka_unit_test(refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
