/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Nothing is left behind: failing starts, and many starts in a row. */
#include <config.h>

#include "tests/unit/domain/harness.h"

#include <string.h>

#include "util/error.h"

enum {
    CYCLES = 200,
    CROWD = 100,
    STUCK = 40, /* more than the pool has threads */
};

static const char *const steps[] = {
    "probe",    "directory",   "identity",      "log",
    "pid-file", "exit-record", "monitor",       "kvm",
    "boot",     "disks",       "nets",          "chardevs",
    "rngs",     "argv",        "status",        "spawn",
    "cgroup",   "send",        "exec",          "connect",
    "greeting", "query-cpus",  "query-chardev", "status-running",
    "cont",
};

static void assert_no_leaks(const Leaks *before, const Leaks *after)
{
    assert_int_equal(after->fds, before->fds);
    assert_int_equal(after->children, before->children);
    assert_int_equal(after->files, before->files);
}

static void cycle(Harness *h, Domain *dom)
{
    Call *call = call_new(h);

    domain_start_async(dom, 0, NULL, call_done, call);
    call_ok(call);
    call = call_new(h);
    domain_destroy_async(dom, 0, call_done, call);
    call_ok(call);
}

static void failed_start_leaves_nothing(void **state)
{
    Harness *h = *state;
    g_autoptr(Domain) dom = harness_define(h, "a", "");
    Leaks before;

    cycle(h, dom);
    before = count_leaks(h);
    for (gsize i = 0; i < G_N_ELEMENTS(steps); i++) {
        g_autofree char *text =
            g_strdup_printf("fault injected at '%s'", steps[i]);
        Call *call = call_new(h);
        Leaks after;

        driver_set_fault(h->drv, steps[i]);
        domain_start_async(dom, 0, NULL, call_done, call);
        call_fails(call, VIR_ERR_INTERNAL_ERROR, text);
        expect_state(dom, VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_SHUTOFF_FAILED);
        assert_int_equal(driver_num_active(h->drv), 0);
        after = count_leaks(h);
        assert_no_leaks(&before, &after);
    }
    driver_set_fault(h->drv, NULL);
    cycle(h, dom); /* and it is not broken */
}

/* A transient domain whose start fails is gone. */
static void failed_create_leaves_nothing(void **state)
{
    Harness *h = *state;
    g_autofree char *xml = harness_xml(h, "t", "", NULL);
    Leaks before = count_leaks(h);

    for (gsize i = 0; i < G_N_ELEMENTS(steps); i++) {
        Call *call = call_new(h);
        Leaks after;

        driver_set_fault(h->drv, steps[i]);
        driver_create_async(h->drv, xml, 0, NULL, call_done, call);
        call_fails(call, VIR_ERR_INTERNAL_ERROR, "fault injected");
        assert_null(driver_lookup_name(h->drv, "t", NULL));
        after = count_leaks(h);
        assert_no_leaks(&before, &after);
    }
}

/* The VMM itself lets the start down. */
static void vmm_that_fails_leaves_nothing(void **state)
{
    static const char *const words[] = {
        "fake.start=exit",        "fake.refuse=query-cpus",
        "fake.die=query-cpus",    "fake.refuse=query-chardev",
        "fake.die=query-chardev", "fake.refuse=cont",
        "fake.die=cont",          "fake.die=qmp_capabilities",
    };
    Harness *h = *state;
    Leaks before = count_leaks(h);

    for (gsize i = 0; i < G_N_ELEMENTS(words); i++) {
        g_autofree char *xml = harness_xml(h, "t", words[i], NULL);
        Call *call = call_new(h);
        Leaks after;

        driver_create_async(h->drv, xml, 0, NULL, call_done, call);
        call_fails(call, VIR_ERR_OPERATION_FAILED, "");
        after = count_leaks(h);
        assert_no_leaks(&before, &after);
    }
}

static void many_starts_leave_nothing(void **state)
{
    Harness *h = *state;
    g_autoptr(Domain) dom = harness_define(h, "a", "");
    Leaks before, after;

    for (int i = 0; i < 3; i++)
        cycle(h, dom);
    before = count_leaks(h);
    for (int i = 0; i < CYCLES; i++)
        cycle(h, dom);
    after = count_leaks(h);
    assert_no_leaks(&before, &after);
    /* Idle threads of the pool come and go, within its limit. */
    assert_true(after.threads <= before.threads + 32);
    assert_int_equal(driver_num_active(h->drv), 0);
}

/* All at once: they get in each other's way nowhere. */
static void crowd_of_guests(void **state)
{
    Harness *h = *state;
    Call *calls[CROWD];
    g_autoptr(GPtrArray) all = NULL;
    Leaks before = count_leaks(h), after;

    for (int i = 0; i < CROWD; i++) {
        g_autofree char *name = g_strdup_printf("g%d", i);
        g_autofree char *xml = harness_xml(h, name, "", NULL);

        calls[i] = call_new(h);
        driver_create_async(h->drv, xml, 0, NULL, call_done, calls[i]);
    }
    for (int i = 0; i < CROWD; i++)
        call_ok(calls[i]);
    assert_int_equal(driver_num_active(h->drv), CROWD);
    harness_restart(h);
    assert_int_equal(driver_num_active(h->drv), CROWD);
    all = driver_list(h->drv, VIR_CONNECT_LIST_DOMAINS_RUNNING);
    assert_int_equal(all->len, CROWD);
    for (int i = 0; i < CROWD; i++) {
        calls[i] = call_new(h);
        domain_destroy_async(g_ptr_array_index(all, i), 0, call_done, calls[i]);
    }
    for (int i = 0; i < CROWD; i++)
        call_ok(calls[i]);
    g_ptr_array_set_size(all, 0);
    after = count_leaks(h);
    assert_no_leaks(&before, &after);
}

/* A stuck guest holds nobody up: its thread is free. */
static void stuck_guests_hold_nobody_up(void **state)
{
    Harness *h = *state;
    Call *stuck[STUCK];
    g_autoptr(Domain) dom = NULL;

    for (int i = 0; i < STUCK; i++) {
        g_autofree char *name = g_strdup_printf("s%d", i);
        g_autofree char *xml = harness_xml(h, name, "fake.start=silent", NULL);

        stuck[i] = call_new(h);
        driver_create_async(h->drv, xml, 0, NULL, call_done, stuck[i]);
    }
    dom = harness_create(h, "a", "");
    assert_true(domain_is_active(dom));
    for (int i = 0; i < STUCK; i++) {
        g_autofree char *name = g_strdup_printf("s%d", i);
        g_autoptr(Domain) one = driver_lookup_name(h->drv, name, NULL);
        Call *call = call_new(h);

        domain_destroy_async(one, 0, call_done, call);
        call_ok(call);
        call_fails(stuck[i], VIR_ERR_OPERATION_ABORTED, "destroyed");
    }
}

static void vmm_that_ignores_term_is_killed(void **state)
{
    Harness *h = *state;
    g_autoptr(Domain) dom = harness_create(h, "t", "fake.term=ignore");
    Call *graceful = call_new(h);
    Call *call = call_new(h);

    domain_destroy_async(dom, VIR_DOMAIN_DESTROY_GRACEFUL, call_done, graceful);
    domain_destroy_async(dom, 0, call_done, call); /* KILL after 10 s */
    call_ok(call);
    call_ok(graceful);
}

/* The end of the driver frees what it has, whatever runs. */
static void driver_ends_with_guests(void **state)
{
    Harness *h = *state;
    g_autoptr(Domain) running = NULL;
    g_autofree char *xml = harness_xml(h, "t", "fake.start=silent", NULL);
    Call *call = call_new(h);
    g_autoptr(GError) error = NULL;

    domain_unref(harness_create(h, "r", ""));
    driver_create_async(h->drv, xml, 0, NULL, call_done, call);
    strands_drain(h->drv);
    harness_restart(h);
    error = call_wait(call);
    assert_non_null(error);
    running = driver_lookup_name(h->drv, "r", NULL);
    assert_non_null(running);
    expect_state(running, VIR_DOMAIN_RUNNING, VIR_DOMAIN_RUNNING_BOOTED);
}

#define TEST(fn)                                                               \
    cmocka_unit_test_setup_teardown(fn, harness_setup, harness_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(failed_start_leaves_nothing),
        TEST(failed_create_leaves_nothing),
        TEST(vmm_that_fails_leaves_nothing),
        TEST(many_starts_leave_nothing),
        TEST(crowd_of_guests),
        TEST(stuck_guests_hold_nobody_up),
        TEST(vmm_that_ignores_term_is_killed),
        TEST(driver_ends_with_guests),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
