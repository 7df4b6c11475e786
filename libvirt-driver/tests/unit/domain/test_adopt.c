/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A new daemon finds what the old one left: running, ended, half started. */
#include <config.h>

#include "tests/unit/domain/harness.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/error.h"

static Domain *start(Harness *h, const char *name, const char *append)
{
    Domain *dom = harness_define(h, name, append);
    Call *call = call_new(h);

    domain_start_async(dom, 0, NULL, call_done, call);
    call_ok(call);
    return dom;
}

/* Stops the driver as if it had crashed; the pid of the guest's VMM. */
static pid_t leave(Harness *h, Domain *dom)
{
    pid_t pid = dom->proc->pid;

    domain_unref(dom);
    harness_stop_driver(h);
    g_queue_clear_full(&h->events, g_free);
    return pid;
}

static Domain *find(Harness *h, const char *name)
{
    Domain *dom = driver_lookup_name(h->drv, name, NULL);

    if (!dom)
        fail_msg("domain '%s' is not known any more", name);
    return dom;
}

static void wait_end(pid_t pid)
{
    siginfo_t info;

    assert_int_equal(waitid(P_PID, pid, &info, WEXITED | WNOWAIT), 0);
}

static void running_guest_goes_on(void **state)
{
    Harness *h = *state;
    g_autoptr(Domain) dom = NULL;
    g_autofree char *before = NULL;
    g_autofree char *after = NULL;
    Domain *old = start(h, "a", "");
    Call *call;
    pid_t pid;

    before = domain_get_xml(old, 0, NULL);
    pid = leave(h, old);
    harness_start_driver(h);
    dom = find(h, "a");
    assert_int_equal(dom->proc->pid, pid);
    expect_state(dom, VIR_DOMAIN_RUNNING, VIR_DOMAIN_RUNNING_BOOTED);
    assert_true(domain_is_persistent(dom));
    after = domain_get_xml(dom, 0, NULL);
    assert_string_equal(after, before);
    expect_no_event(h);
    /* Its monitor works, and its events come. */
    call = call_new(h);
    domain_suspend_async(dom, call_done, call);
    call_ok(call);
    expect_event(h, "a 3/0 id 1");
    fake_does(h, dom, "shutdown");
    expect_event(h, "a 6/1 id 1");
    expect_event(h, "a 5/0 id -1");
}

static void paused_stays_paused_and_ids_go_on(void **state)
{
    Harness *h = *state;
    Domain *old = start(h, "a", "");
    Call *call = call_new(h);
    g_autoptr(Domain) dom = NULL;
    g_autoptr(Domain) next = NULL;

    domain_suspend_async(old, call_done, call);
    call_ok(call);
    leave(h, old);
    harness_start_driver(h);
    dom = find(h, "a");
    expect_state(dom, VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_USER);
    next = start(h, "b", "");
    expect_event(h, "b 2/0 id 2");
}

static void ends_meanwhile_are_told(void **state)
{
    Harness *h = *state;
    g_autoptr(Domain) dom = NULL;
    pid_t pid;

    /* Without a record it crashed. */
    pid = leave(h, start(h, "a", ""));
    kill(pid, SIGKILL);
    wait_end(pid);
    harness_start_driver(h);
    dom = find(h, "a");
    expect_state(dom, VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_SHUTOFF_CRASHED);
    domain_unref(g_steal_pointer(&dom));
    /* With one, what it says. */
    pid = leave(h, start(h, "b", ""));
    kill(pid, SIGTERM);
    wait_end(pid);
    harness_start_driver(h);
    dom = find(h, "b");
    expect_state(dom, VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_SHUTOFF_SHUTDOWN);
    assert_false(domain_is_active(dom));
}

static void transient_that_ended_is_gone(void **state)
{
    Harness *h = *state;
    pid_t pid = leave(h, harness_create(h, "t", ""));
    Leaks leaks;

    kill(pid, SIGKILL);
    wait_end(pid);
    harness_start_driver(h);
    assert_null(driver_lookup_name(h->drv, "t", NULL));
    leaks = count_leaks(h);
    assert_int_equal(leaks.files, 1); /* driver.pid */
}

static void half_started_is_killed(void **state)
{
    Harness *h = *state;
    Domain *dom = harness_define(h, "a", "fake.start=silent");
    Call *call = call_new(h);
    g_autoptr(GError) error = NULL;
    g_autoptr(Domain) found = NULL;
    Leaks leaks;

    domain_start_async(dom, 0, NULL, call_done, call);
    strands_drain(h->drv);
    leave(h, dom);
    error = call_wait(call);
    assert_non_null(error);
    harness_start_driver(h);
    found = find(h, "a");
    /* Killed at once, gone as soon as the kernel says so. */
    for (int i = 0; domain_is_active(found) && i < 3000; i++)
        g_usleep(10000);
    expect_state(found, VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_SHUTOFF_FAILED);
    leaks = count_leaks(h);
    assert_int_equal(leaks.children, 0);
    assert_int_equal(leaks.files, 1);
}

/* A process with the same number is not the guest. */
static void other_process_is_left_alone(void **state)
{
    Harness *h = *state;
    g_autofree char *path = NULL;
    g_autofree char *text = NULL;
    g_autoptr(GString) changed = NULL;
    g_autofree char *mine = g_strdup_printf("pid='%d'", (int)getpid());
    g_autofree char *theirs = NULL;
    g_autoptr(Domain) dom = NULL;
    pid_t pid;

    path = path_named(h->drv->paths.run, "a", "xml");
    pid = leave(h, start(h, "a", ""));
    theirs = g_strdup_printf("pid='%d'", (int)pid);
    assert_true(g_file_get_contents(path, &text, NULL, NULL));
    changed = g_string_new(text);
    assert_int_equal(g_string_replace(changed, theirs, mine, 1), 1);
    assert_true(g_file_set_contents(path, changed->str, -1, NULL));
    harness_start_driver(h);
    dom = find(h, "a");
    expect_state(dom, VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_SHUTOFF_CRASHED);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void broken_status_file_is_skipped(void **state)
{
    static const char *const texts[] = {
        "",
        "<domstatus",
        "<domstatus/>",
        "<domstatus state='running' reason='1' pid='1'><process/>"
        "<domain/></domstatus>",
    };
    Harness *h = *state;
    g_autofree char *path = path_named(h->drv->paths.run, "x", "xml");

    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        harness_stop_driver(h);
        assert_true(g_file_set_contents(path, texts[i], -1, NULL));
        harness_start_driver(h);
        assert_int_equal(driver_num_active(h->drv), 0);
    }
    unlink(path);
}

static void autostart_once_per_boot(void **state)
{
    Harness *h = *state;
    Domain *dom = harness_define(h, "a", "");
    g_autoptr(Domain) again = NULL;
    Call *call;

    assert_true(driver_set_autostart(h->drv, dom, TRUE, NULL));
    driver_autostart(h->drv);
    expect_event(h, "a 2/0 id 1");
    call = call_new(h);
    domain_destroy_async(dom, 0, call_done, call);
    call_ok(call);
    domain_unref(dom);
    harness_restart(h);
    again = find(h, "a");
    assert_true(domain_get_autostart(again));
    driver_autostart(h->drv);
    strands_drain(h->drv);
    assert_false(domain_is_active(again));
}

static void second_driver_is_refused(void **state)
{
    Harness *h = *state;
    g_autoptr(GError) error = NULL;
    DriverConfig *config = driver_config_new(TRUE, h->root);

    assert_null(driver_new(config, NULL, NULL, &error));
    assert_non_null(strstr(error->message, "another driver runs with"));
}

#define TEST(fn)                                                               \
    cmocka_unit_test_setup_teardown(fn, harness_setup, harness_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(running_guest_goes_on),
        TEST(paused_stays_paused_and_ids_go_on),
        TEST(ends_meanwhile_are_told),
        TEST(transient_that_ended_is_gone),
        TEST(half_started_is_killed),
        TEST(other_process_is_left_alone),
        TEST(broken_status_file_is_skipped),
        TEST(autostart_once_per_boot),
        TEST(second_driver_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
