/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Guests of the system daemon, and a VMM that takes paths: StratoVirt's. */
#include <config.h>

#include "tests/unit/domain/harness.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/error.h"

static int setup_upstream(void **state)
{
    Harness *h;
    g_autofree char *path = NULL;

    harness_setup(state);
    h = *state;
    path = g_build_filename(h->root, "upstream", NULL);
    assert_int_equal(symlink(FAKE_VMM, path), 0);
    h->emulator = g_steal_pointer(&path);
    return 0;
}

static int teardown_upstream(void **state)
{
    Harness *h = *state;
    char *path = (char *)h->emulator;

    harness_teardown(state);
    g_free(path);
    return 0;
}

static void become_system(Harness *h)
{
    harness_stop_driver(h);
    h->system = TRUE;
    harness_start_driver(h);
}

/* Skips where this process may not make namespaces. */
static void start_or_skip(Harness *h, Domain *dom)
{
    Call *call = call_new(h);
    g_autoptr(GError) error = NULL;

    domain_start_async(dom, 0, NULL, call_done, call);
    error = call_wait(call);
    if (error && (strstr(error->message, "namespace") ||
                  strstr(error->message, "cannot become user")))
        skip();
    if (error)
        fail_msg("unexpected error: %s", error->message);
}

static void destroy_ok(Harness *h, Domain *dom)
{
    Call *call = call_new(h);

    domain_destroy_async(dom, 0, call_done, call);
    call_ok(call);
}

static uid_t owner_of(Harness *h, const char *name)
{
    g_autofree char *path = g_build_filename(h->root, name, NULL);
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    return st.st_uid;
}

static void vmm_with_paths_in_a_session(void **state)
{
    Harness *h = *state;
    g_autoptr(Domain) dom = harness_define(h, "a", "");
    Leaks before = count_leaks(h), after;

    start_or_skip(h, dom);
    expect_event(h, "a 2/0 id 1");
    assert_non_null(strstr(dom->proc->info->caps->version, "2.5.0"));
    destroy_ok(h, dom);
    after = count_leaks(h);
    assert_int_equal(after.fds, before.fds);
    assert_int_equal(after.files, before.files);
}

static void vmm_with_paths_borrows_files(void **state)
{
    Harness *h = *state;
    g_autoptr(Domain) dom = NULL;
    g_autoptr(Domain) again = NULL;
    uid_t uid;

    if (geteuid() != 0)
        skip();
    become_system(h);
    dom = harness_define(h, "a", "");
    start_or_skip(h, dom);
    uid = dom->proc->uid;
    assert_int_not_equal(uid, 0);
    assert_int_equal(owner_of(h, "disk.img"), uid);
    assert_int_equal(owner_of(h, "kernel"), 0); /* only read */
    domain_unref(g_steal_pointer(&dom));
    harness_restart(h); /* the list survives the daemon */
    again = driver_lookup_name(h->drv, "a", NULL);
    assert_non_null(again);
    destroy_ok(h, again);
    assert_int_equal(owner_of(h, "disk.img"), 0);
}

static void failed_start_gives_files_back(void **state)
{
    Harness *h = *state;
    g_autoptr(Domain) dom = NULL;
    Call *call = call_new(h);

    if (geteuid() != 0) {
        g_free(call);
        skip();
    }
    become_system(h);
    dom = harness_define(h, "a", "");
    driver_set_fault(h->drv, "argv");
    domain_start_async(dom, 0, NULL, call_done, call);
    call_fails(call, VIR_ERR_INTERNAL_ERROR, "fault injected at 'argv'");
    assert_int_equal(owner_of(h, "disk.img"), 0);
}

/* Each guest is somebody else, and none is root. */
static void guests_have_users_of_their_own(void **state)
{
    Harness *h = *state;
    g_autoptr(Domain) a = NULL;
    g_autoptr(Domain) b = NULL;
    g_autoptr(Domain) again = NULL;
    uid_t uid;

    if (geteuid() != 0)
        skip();
    become_system(h);
    a = harness_define(h, "a", "");
    expect_no_event(h);
    start_or_skip(h, a);
    expect_event(h, "a 2/0 id 1");
    b = harness_define(h, "b", "");
    start_or_skip(h, b);
    uid = a->proc->uid;
    assert_true(uid >= h->drv->config->uid_first);
    assert_int_not_equal(uid, b->proc->uid);
    assert_int_equal(owner_of(h, "disk.img"), 0); /* never lent */
    domain_unref(g_steal_pointer(&a));
    domain_unref(g_steal_pointer(&b));
    harness_restart(h); /* ids in use are known after a restart */
    again = driver_lookup_name(h->drv, "a", NULL);
    assert_int_equal(again->proc->uid, uid);
    assert_true(h->drv->uid_used[uid - h->drv->config->uid_first]);
    destroy_ok(h, again);
    assert_false(h->drv->uid_used[uid - h->drv->config->uid_first]);
}

static void no_user_for_guests(void **state)
{
    Harness *h = *state;
    g_autoptr(Domain) dom = NULL;
    Call *call;

    if (geteuid() != 0)
        skip();
    become_system(h);
    dom = harness_define(h, "a", "");
    h->drv->config->uid_last = h->drv->config->uid_first; /* one only */
    start_or_skip(h, dom);
    expect_event(h, "a 2/0 id 1");
    domain_unref(dom);
    dom = harness_define(h, "b", "");
    call = call_new(h);
    domain_start_async(dom, 0, NULL, call_done, call);
    call_fails(call, VIR_ERR_OPERATION_FAILED, "all 1 users of uid_range");
    h->drv->config->user = g_strdup("nosuchuser");
    call = call_new(h);
    domain_start_async(dom, 0, NULL, call_done, call);
    call_fails(call, VIR_ERR_CONFIG_UNSUPPORTED, "there is no such user");
    g_clear_pointer(&h->drv->config->user, g_free);
}

#define TEST(fn)                                                               \
    cmocka_unit_test_setup_teardown(fn, harness_setup, harness_teardown)
#define UPSTREAM(fn)                                                           \
    cmocka_unit_test_setup_teardown(fn, setup_upstream, teardown_upstream)

int main(void)
{
    const struct CMUnitTest tests[] = {
        UPSTREAM(vmm_with_paths_in_a_session),
        UPSTREAM(vmm_with_paths_borrows_files),
        UPSTREAM(failed_start_gives_files_back),
        TEST(guests_have_users_of_their_own),
        TEST(no_user_for_guests),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
