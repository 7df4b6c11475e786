/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Life cycle of domains with the fake VMM: calls, states, events, errors. */
#include <config.h>

#include "tests/unit/domain/harness.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "util/error.h"

static void start_ok(Harness *h, Domain *dom, guint flags)
{
    Call *call = call_new(h);

    domain_start_async(dom, flags, NULL, call_done, call);
    call_ok(call);
}

static void destroy_ok(Harness *h, Domain *dom)
{
    Call *call = call_new(h);

    domain_destroy_async(dom, 0, call_done, call);
    call_ok(call);
}

static void start_and_destroy(void **state)
{
    Harness *h = *state;
    g_autoptr(Domain) dom = harness_define(h, "a", "");
    g_autofree char *xml = NULL;

    expect_state(dom, VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_SHUTOFF_UNKNOWN);
    start_ok(h, dom, 0);
    expect_event(h, "a 2/0 id 1");
    expect_state(dom, VIR_DOMAIN_RUNNING, VIR_DOMAIN_RUNNING_BOOTED);
    assert_int_equal(driver_num_active(h->drv), 1);
    xml = domain_get_xml(dom, 0, NULL);
    assert_non_null(strstr(xml, "id='1'"));
    assert_non_null(strstr(xml, "tty='/dev/pts/"));
    assert_non_null(strstr(xml, "<alias name='virtio-disk0'/>"));
    destroy_ok(h, dom);
    expect_event(h, "a 6/2 id 1");
    expect_event(h, "a 5/1 id -1");
    expect_state(dom, VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_SHUTOFF_DESTROYED);
    expect_no_event(h);
}

static void start_paused(void **state)
{
    Harness *h = *state;
    g_autoptr(Domain) dom = harness_define(h, "a", "");
    Call *call = call_new(h);

    start_ok(h, dom, VIR_DOMAIN_START_PAUSED);
    expect_event(h, "a 2/0 id 1");
    expect_event(h, "a 3/0 id 1");
    expect_state(dom, VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_USER);
    domain_resume_async(dom, call_done, call);
    call_ok(call);
    expect_event(h, "a 4/0 id 1");
    expect_state(dom, VIR_DOMAIN_RUNNING, VIR_DOMAIN_RUNNING_UNPAUSED);
}

static void suspend_and_resume(void **state)
{
    Harness *h = *state;
    g_autoptr(Domain) dom = harness_define(h, "a", "");
    Call *call;

    start_ok(h, dom, 0);
    expect_event(h, "a 2/0 id 1");
    for (int i = 0; i < 2; i++) { /* the second changes nothing */
        call = call_new(h);
        domain_suspend_async(dom, call_done, call);
        call_ok(call);
        expect_state(dom, VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_USER);
    }
    expect_event(h, "a 3/0 id 1");
    call = call_new(h);
    domain_resume_async(dom, call_done, call);
    call_ok(call);
    expect_event(h, "a 4/0 id 1");
    call = call_new(h);
    domain_resume_async(dom, call_done, call);
    call_fails(call, VIR_ERR_OPERATION_INVALID, "domain is already running");
    expect_no_event(h);
}

static void inactive_domains_refuse(void **state)
{
    static void (*const calls[])(Domain *, DriverDone, gpointer) = {
        domain_suspend_async, domain_resume_async, domain_reset_async
    };
    Harness *h = *state;
    g_autoptr(Domain) dom = harness_define(h, "a", "");
    g_autoptr(GError) error = NULL;
    Call *call;

    for (gsize i = 0; i < G_N_ELEMENTS(calls); i++) {
        call = call_new(h);
        calls[i](dom, call_done, call);
        call_fails(call, VIR_ERR_OPERATION_INVALID, "domain is not running");
    }
    call = call_new(h);
    domain_destroy_async(dom, 0, call_done, call);
    call_fails(call, VIR_ERR_OPERATION_INVALID, "domain is not running");
    call = call_new(h);
    domain_shutdown_async(dom, 0, call_done, call);
    call_fails(call, VIR_ERR_OPERATION_INVALID, "domain is not running");
    assert_null(domain_get_vcpus(dom, 1, &error));
    assert_int_equal(error->code, VIR_ERR_OPERATION_INVALID);
}

static void running_domain_does_not_start(void **state)
{
    Harness *h = *state;
    g_autoptr(Domain) dom = harness_define(h, "a", "");
    Call *call = call_new(h);

    start_ok(h, dom, 0);
    domain_start_async(dom, 0, NULL, call_done, call);
    call_fails(call, VIR_ERR_OPERATION_INVALID, "domain is already running");
}

/* What the guest or the VMM does -> events and final state. */
static void ends_have_reasons(void **state)
{
    static const struct {
        const char *what, *first, *second;
        int reason;
    } rows[] = {
        { "shutdown", "6/1 id", "5/0 id -1", VIR_DOMAIN_SHUTOFF_SHUTDOWN },
        { "crash", NULL, "5/5 id -1", VIR_DOMAIN_SHUTOFF_CRASHED },
        { "panic", "8/0 id", "5/2 id -1", VIR_DOMAIN_SHUTOFF_CRASHED },
        { "error", NULL, "5/5 id -1", VIR_DOMAIN_SHUTOFF_FAILED },
    };
    Harness *h = *state;
    g_autoptr(Domain) dom = harness_define(h, "a", "");

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *started = g_strdup_printf("a 2/0 id %zu", i + 1);
        g_autofree char *first = g_strdup_printf(
            "a %s %zu", rows[i].first ? rows[i].first : "", i + 1);
        g_autofree char *second = g_strdup_printf("a %s", rows[i].second);

        start_ok(h, dom, 0);
        expect_event(h, started);
        fake_does(h, dom, rows[i].what);
        if (rows[i].first)
            expect_event(h, first);
        expect_event(h, second);
        expect_state(dom, VIR_DOMAIN_SHUTOFF, rows[i].reason);
    }
    expect_no_event(h);
}

static void shutdown_asks_the_guest(void **state)
{
    Harness *h = *state;
    g_autoptr(Domain) dom = harness_define(h, "a", "fake.powerdown=obey");
    Call *call = call_new(h);

    start_ok(h, dom, 0);
    expect_event(h, "a 2/0 id 1");
    domain_shutdown_async(dom, 0, call_done, call);
    call_ok(call);
    expect_event(h, "a 6/1 id 1");
    expect_event(h, "a 5/0 id -1");
    expect_state(dom, VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_SHUTOFF_SHUTDOWN);
}

static void reboot_and_reset(void **state)
{
    Harness *h = *state;
    g_autoptr(Domain) dom = harness_define(h, "a", "fake.powerdown=obey");
    Call *call = call_new(h);

    start_ok(h, dom, 0);
    expect_event(h, "a 2/0 id 1");
    domain_reboot_async(dom, 0, call_done, call);
    call_ok(call);
    expect_event(h, "a #1");
    expect_state(dom, VIR_DOMAIN_RUNNING, VIR_DOMAIN_RUNNING_BOOTED);
    call = call_new(h);
    domain_reset_async(dom, call_done, call);
    call_ok(call);
    expect_event(h, "a #1");
    /* And a power-off is one again. */
    call = call_new(h);
    domain_shutdown_async(dom, 0, call_done, call);
    call_ok(call);
    expect_event(h, "a 6/1 id 1");
    expect_event(h, "a 5/0 id -1");
}

static void on_poweroff_restart(void **state)
{
    Harness *h = *state;
    g_autofree char *xml =
        harness_xml(h, "a", "", "<on_poweroff>restart</on_poweroff>");
    g_autoptr(Domain) dom = driver_define(h->drv, xml, 0, NULL);

    assert_non_null(dom);
    expect_event(h, "a 0/0 id -1");
    start_ok(h, dom, 0);
    expect_event(h, "a 2/0 id 1");
    fake_does(h, dom, "shutdown");
    expect_event(h, "a #1");
    expect_state(dom, VIR_DOMAIN_RUNNING, VIR_DOMAIN_RUNNING_BOOTED);
}

static void transient_domains(void **state)
{
    Harness *h = *state;
    g_autoptr(Domain) dom = harness_create(h, "t", "");
    g_autoptr(GError) error = NULL;

    expect_event(h, "t 2/0 id 1");
    assert_false(domain_is_persistent(dom));
    assert_false(driver_undefine(h->drv, dom, 0, &error));
    assert_int_equal(error->code, VIR_ERR_OPERATION_INVALID);
    g_clear_error(&error);
    assert_false(driver_set_autostart(h->drv, dom, TRUE, &error));
    assert_int_equal(error->code, VIR_ERR_OPERATION_INVALID);
    fake_does(h, dom, "shutdown");
    expect_event(h, "t 6/1 id 1");
    expect_event(h, "t 5/0 id -1");
    g_clear_error(&error);
    assert_null(driver_lookup_name(h->drv, "t", &error));
    assert_int_equal(error->code, VIR_ERR_NO_DOMAIN);
    expect_no_event(h);
}

static void persistence_changes_while_running(void **state)
{
    Harness *h = *state;
    g_autoptr(Domain) dom = harness_define(h, "a", "");
    g_autofree char *xml = NULL;
    g_autoptr(Domain) again = NULL;

    start_ok(h, dom, 0);
    expect_event(h, "a 2/0 id 1");
    xml = domain_get_xml(dom, VIR_DOMAIN_XML_INACTIVE, NULL);
    assert_true(driver_undefine(h->drv, dom, 0, NULL));
    expect_event(h, "a 1/0 id 1");
    assert_false(domain_is_persistent(dom));
    expect_state(dom, VIR_DOMAIN_RUNNING, VIR_DOMAIN_RUNNING_BOOTED);
    again = driver_define(h->drv, xml, 0, NULL);
    assert_ptr_equal(again, dom);
    expect_event(h, "a 0/0 id 1");
    assert_true(domain_is_persistent(dom));
    destroy_ok(h, dom);
    expect_event(h, "a 6/2 id 1");
    expect_event(h, "a 5/1 id -1");
    assert_true(driver_undefine(h->drv, dom, 0, NULL));
    expect_event(h, "a 1/0 id -1");
    assert_null(driver_lookup_name(h->drv, "a", NULL));
}

static void names_and_uuids_are_unique(void **state)
{
    Harness *h = *state;
    g_autoptr(Domain) dom = harness_define(h, "a", "");
    g_autofree char *same_name = harness_xml(h, "a", "", NULL);
    g_autofree char *xml = domain_get_xml(dom, 0, NULL);
    g_autoptr(GString) same_uuid = g_string_new(xml);
    g_autoptr(GError) error = NULL;

    assert_null(driver_define(h->drv, same_name, 0, &error));
    assert_int_equal(error->code, VIR_ERR_OPERATION_FAILED);
    assert_int_equal(vir_error_domain(error), VIR_FROM_DOM);
    assert_non_null(strstr(error->message, "domain 'a' already exists with"));
    g_clear_error(&error);
    g_string_replace(same_uuid, "<name>a<", "<name>b<", 0);
    assert_null(driver_define(h->drv, same_uuid->str, 0, &error));
    assert_non_null(
        strstr(error->message, "domain 'a' is already defined with uuid"));
    assert_non_null(driver_define(h->drv, xml, 0, NULL));
    domain_unref(dom);
    expect_event(h, "a 0/1 id -1");
}

static void rename_moves_everything(void **state)
{
    Harness *h = *state;
    g_autoptr(Domain) dom = harness_define(h, "a", "");
    g_autoptr(Domain) other = harness_define(h, "b", "");
    g_autoptr(GError) error = NULL;
    g_autoptr(Domain) found = NULL;

    assert_true(driver_set_autostart(h->drv, dom, TRUE, NULL));
    assert_false(driver_rename(h->drv, dom, "b", &error));
    g_clear_error(&error);
    assert_false(driver_rename(h->drv, dom, "x/y", &error));
    assert_true(driver_rename(h->drv, dom, "c", NULL));
    expect_event(h, "a 1/1 id -1");
    expect_event(h, "c 0/2 id -1");
    domain_unref(g_steal_pointer(&dom));
    domain_unref(g_steal_pointer(&other));
    harness_restart(h);
    found = driver_lookup_name(h->drv, "c", NULL);
    assert_non_null(found);
    assert_true(domain_get_autostart(found));
    assert_null(driver_lookup_name(h->drv, "a", NULL));
}

static void failing_start_shows_the_log(void **state)
{
    Harness *h = *state;
    g_autoptr(Domain) dom = harness_define(h, "a", "fake.start=exit");
    Call *call = call_new(h);

    domain_start_async(dom, 0, NULL, call_done, call);
    call_fails(call, VIR_ERR_OPERATION_FAILED,
               "fake: the kernel does not please me");
    expect_state(dom, VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_SHUTOFF_FAILED);
    expect_no_event(h);
}

static void silent_vmm_is_given_up(void **state)
{
    Harness *h = *state;
    g_autoptr(Domain) dom = harness_define(h, "a", "fake.start=silent");
    Call *call = call_new(h);

    h->drv->config->start_timeout_ms = 200;
    domain_start_async(dom, 0, NULL, call_done, call);
    call_fails(call, VIR_ERR_OPERATION_TIMEOUT, "did not come up in time");
}

static void destroy_ends_a_start(void **state)
{
    Harness *h = *state;
    g_autoptr(Domain) dom = harness_define(h, "a", "fake.start=silent");
    Call *start = call_new(h);

    domain_start_async(dom, 0, NULL, call_done, start);
    strands_drain(h->drv);
    destroy_ok(h, dom);
    call_fails(start, VIR_ERR_OPERATION_ABORTED, "destroyed while it started");
    expect_no_event(h);
}

static void stuck_vmm_can_be_destroyed(void **state)
{
    Harness *h = *state;
    g_autoptr(Domain) dom = harness_define(h, "a", "fake.hang=stop");
    DomainControlInfo info;
    Call *call;

    start_ok(h, dom, 0);
    expect_event(h, "a 2/0 id 1");
    domain_destroy_async(dom, 0, call_done, call = call_new(h));
    call_ok(call);
    expect_event(h, "a 6/2 id 1");
    expect_event(h, "a 5/1 id -1");
    h->drv->config->qmp_timeout_ms = 100;
    start_ok(h, dom, 0);
    expect_event(h, "a 2/0 id 2");
    call = call_new(h);
    domain_suspend_async(dom, call_done, call);
    call_fails(call, VIR_ERR_OPERATION_TIMEOUT, "did not answer 'stop'");
    expect_event(h, "a #7");
    assert_true(domain_get_control_info(dom, &info, NULL));
    assert_int_equal(info.state, VIR_DOMAIN_CONTROL_ERROR);
    destroy_ok(h, dom);
}

static void monitor_commands(void **state)
{
    Harness *h = *state;
    g_autoptr(Domain) dom = harness_define(h, "a", "");
    g_auto(GStrv) before = domain_get_messages(dom);
    g_auto(GStrv) after = NULL;
    Call *call;

    assert_null(before[0]);
    start_ok(h, dom, 0);
    call = call_new(h);
    domain_monitor_command_async(dom, "nonsense", 0, call_done, call);
    call_fails(call, VIR_ERR_INVALID_ARG, "the command is no JSON");
    call = call_new(h);
    domain_monitor_command_async(dom, "{\"execute\":\"nope\"}", 0, call_done,
                                 call);
    call_ok(call); /* the VMM's error is the answer */
    after = domain_get_messages(dom);
    assert_non_null(after[0]);
}

static void block_stats_done(gpointer user, const DomainBlockStats *stats,
                             const GError *error)
{
    char *text = stats ? g_strdup_printf("%d %d", (int)stats->rd_bytes,
                                         (int)stats->wr_req)
                       : NULL;

    call_done(user, NULL, text, error);
    g_free(text);
}

static void facts_of_a_guest(void **state)
{
    Harness *h = *state;
    g_autoptr(Domain) dom = harness_define(h, "a", "");
    g_autoptr(GArray) vcpus = NULL;
    DomainBlockInfo block;
    DomainMemoryStat memory[8];
    DomainInfo info;
    Call *call;

    start_ok(h, dom, 0);
    vcpus = domain_get_vcpus(dom, 1, NULL);
    assert_non_null(vcpus);
    assert_int_equal(vcpus->len, 2);
    domain_get_info(dom, &info);
    assert_int_equal(info.max_mem_kib, 131072);
    assert_int_equal(info.vcpus, 2);
    assert_true(domain_get_block_info(dom, "vda", &block, NULL));
    assert_int_equal(block.capacity, 4);
    assert_int_equal(domain_get_memory_stats(dom, memory, 8, NULL), 3);
    call = call_new(h);
    domain_get_block_stats_async(dom, "vda", block_stats_done, call);
    call_ok(call);
    call = call_new(h);
    domain_get_block_stats_async(dom, "vdz", block_stats_done, call);
    call_fails(call, VIR_ERR_INVALID_ARG, "invalid path: vdz");
}

static void count_lost(gpointer user)
{
    g_atomic_int_inc((gint *)user);
}

static void consoles_are_exclusive(void **state)
{
    Harness *h = *state;
    g_autoptr(Domain) dom = harness_define(h, "a", "");
    g_autoptr(GError) error = NULL;
    DomainConsole *first, *second;
    gint lost = 0;

    start_ok(h, dom, 0);
    first = domain_console_open(dom, NULL, 0, count_lost, &lost, &error);
    assert_non_null(first);
    assert_true(domain_console_fd(first) >= 0);
    assert_null(domain_console_open(dom, NULL, 0, count_lost, &lost, &error));
    assert_int_equal(error->code, VIR_ERR_OPERATION_FAILED);
    assert_int_equal(lost, 0);
    second = domain_console_open(dom, "serial0", VIR_DOMAIN_CONSOLE_FORCE,
                                 count_lost, &lost, NULL);
    assert_non_null(second);
    assert_int_equal(g_atomic_int_get(&lost), 1);
    domain_console_close(first);
    destroy_ok(h, dom);
    assert_int_equal(g_atomic_int_get(&lost), 2);
    domain_console_close(second);
    g_clear_error(&error);
    assert_null(domain_console_open(dom, NULL, 0, count_lost, &lost, &error));
    assert_int_equal(error->code, VIR_ERR_OPERATION_INVALID);
}

static void autodestroy_follows_the_connection(void **state)
{
    Harness *h = *state;
    g_autoptr(Domain) dom = harness_define(h, "a", "");
    Call *call = call_new(h);
    int conn = 0, other = 0;

    domain_start_async(dom, VIR_DOMAIN_START_AUTODESTROY, &conn, call_done,
                       call);
    call_ok(call);
    expect_event(h, "a 2/0 id 1");
    driver_connection_closed(h->drv, &other);
    expect_no_event(h);
    driver_connection_closed(h->drv, &conn);
    expect_event(h, "a 6/2 id 1");
    expect_event(h, "a 5/1 id -1");
}

static void metadata(void **state)
{
    Harness *h = *state;
    g_autoptr(Domain) dom = harness_define(h, "a", "");
    g_autoptr(GError) error = NULL;
    g_autofree char *title = NULL;

    assert_null(
        domain_get_metadata(dom, VIR_DOMAIN_METADATA_TITLE, NULL, 0, &error));
    assert_int_equal(error->code, VIR_ERR_NO_DOMAIN_METADATA);
    assert_true(domain_set_metadata(dom, VIR_DOMAIN_METADATA_TITLE, "T", NULL,
                                    NULL, 0, NULL));
    expect_event(h, "a #23");
    title = domain_get_metadata(dom, VIR_DOMAIN_METADATA_TITLE, NULL, 0, NULL);
    assert_string_equal(title, "T");
    g_clear_error(&error);
    assert_false(domain_set_metadata(dom, VIR_DOMAIN_METADATA_TITLE, "T", NULL,
                                     NULL, VIR_DOMAIN_AFFECT_LIVE, &error));
    assert_int_equal(error->code, VIR_ERR_OPERATION_INVALID);
}

#define TEST(fn)                                                               \
    cmocka_unit_test_setup_teardown(fn, harness_setup, harness_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(start_and_destroy),
        TEST(start_paused),
        TEST(suspend_and_resume),
        TEST(inactive_domains_refuse),
        TEST(running_domain_does_not_start),
        TEST(ends_have_reasons),
        TEST(shutdown_asks_the_guest),
        TEST(reboot_and_reset),
        TEST(on_poweroff_restart),
        TEST(transient_domains),
        TEST(persistence_changes_while_running),
        TEST(names_and_uuids_are_unique),
        TEST(rename_moves_everything),
        TEST(failing_start_shows_the_log),
        TEST(silent_vmm_is_given_up),
        TEST(destroy_ends_a_start),
        TEST(stuck_vmm_can_be_destroyed),
        TEST(monitor_commands),
        TEST(facts_of_a_guest),
        TEST(consoles_are_exclusive),
        TEST(autodestroy_follows_the_connection),
        TEST(metadata),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
