/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A session driver on a temporary root with the fake VMM, made synchronous. */
#include <config.h>

#include "tests/unit/domain/harness.h"

#include <errno.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/vmm_probe.h"
#include "util/error.h"
#include "util/file.h"

enum {
    DEADLINE_S = 60,
};

/* ---- Events ----------------------------------------------------------- */

static void on_event(gpointer user, const DriverEvent *event)
{
    Harness *h = user;
    char *text;

    if (event->id == VIR_DOMAIN_EVENT_ID_LIFECYCLE)
        text = g_strdup_printf("%s %d/%d id %d", event->dom.name, event->type,
                               event->detail, event->dom.id);
    else
        text = g_strdup_printf("%s #%d", event->dom.name, event->id);
    g_mutex_lock(&h->lock);
    g_queue_push_tail(&h->events, text);
    g_cond_broadcast(&h->cond);
    g_mutex_unlock(&h->lock);
}

static const DriverListener listener = { .event = on_event };

void expect_event(Harness *h, const char *want)
{
    gint64 end = g_get_monotonic_time() + DEADLINE_S * G_USEC_PER_SEC;
    g_autofree char *got = NULL;

    g_mutex_lock(&h->lock);
    while (!(got = g_queue_pop_head(&h->events))) {
        if (!g_cond_wait_until(&h->cond, &h->lock, end))
            break;
    }
    g_mutex_unlock(&h->lock);
    if (!got)
        fail_msg("no event, wanted '%s'", want);
    assert_string_equal(got, want);
}

static void do_nothing(gpointer unused)
{
}

void expect_no_event(Harness *h)
{
    guint n;

    strands_drain(h->drv);
    ev_loop_call(h->drv->loop, do_nothing, NULL);
    g_mutex_lock(&h->lock);
    n = h->events.length;
    g_mutex_unlock(&h->lock);
    if (n)
        fail_msg("unexpected event '%s'",
                 (char *)g_queue_peek_head(&h->events));
}

/* ---- Set-up ----------------------------------------------------------- */

static void put_file(Harness *h, const char *name)
{
    g_autofree char *path = g_build_filename(h->root, name, NULL);
    g_autofree char *dir = g_path_get_dirname(path);

    assert_int_equal(g_mkdir_with_parents(dir, 0755), 0);
    assert_true(g_file_set_contents(path, "data", 4, NULL));
}

void harness_start_driver(Harness *h)
{
    DriverConfig *config = driver_config_new(!h->system, h->root);
    g_autoptr(GError) error = NULL;

    g_free(config->emulator);
    config->emulator = g_strdup(FAKE_VMM);
    g_free(config->launch_helper);
    config->launch_helper = g_strdup(LAUNCH_HELPER);
    config->use_cgroup = FALSE; /* the host's own are left alone */
    config->host_uuid = g_strdup("8a6d7e2c-54f1-4d3c-9d6a-3f1e2b4c5d6e");
    h->drv = driver_new(config, &listener, h, &error);
    if (!h->drv)
        fail_msg("driver_new: %s", error->message);
}

void harness_stop_driver(Harness *h)
{
    g_clear_pointer(&h->drv, driver_free);
}

void harness_restart(Harness *h)
{
    harness_stop_driver(h);
    harness_start_driver(h);
}

int harness_setup(void **state)
{
    Harness *h = g_new0(Harness, 1);

    alarm(600);
    h->root = g_dir_make_tmp("stratovirt-test-XXXXXX", NULL);
    assert_non_null(h->root);
    assert_int_equal(chmod(h->root, 0711), 0); /* for guests' users */
    h->emulator = FAKE_VMM;
    g_queue_init(&h->events);
    put_file(h, "dev/kvm");
    put_file(h, "kernel");
    put_file(h, "disk.img");
    harness_start_driver(h);
    *state = h;
    return 0;
}

static int remove_entry(const char *path, const struct stat *st, int type,
                        struct FTW *ftw)
{
    return remove(path);
}

int harness_teardown(void **state)
{
    Harness *h = *state;
    g_autoptr(GPtrArray) active =
        driver_list(h->drv, VIR_CONNECT_LIST_DOMAINS_ACTIVE);

    for (guint i = 0; i < active->len; i++) {
        Call *call = call_new(h);

        domain_destroy_async(g_ptr_array_index(active, i), 0, call_done, call);
        g_clear_error(&(GError *){ call_wait(call) });
    }
    g_ptr_array_set_size(active, 0);
    harness_stop_driver(h);
    vmm_probe_forget();
    nftw(h->root, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    g_queue_clear_full(&h->events, g_free);
    g_free(h->root);
    g_free(h);
    return 0;
}

/* ---- Calls ------------------------------------------------------------ */

Call *call_new(Harness *h)
{
    Call *call = g_new0(Call, 1);

    call->h = h;
    return call;
}

void call_done(gpointer user, Domain *dom, const char *text,
               const GError *error)
{
    Call *call = user;

    g_mutex_lock(&call->h->lock);
    call->done = TRUE;
    call->text = g_strdup(text);
    call->error = error ? g_error_copy(error) : NULL;
    call->dom = dom ? domain_ref(dom) : NULL;
    g_cond_broadcast(&call->h->cond);
    g_mutex_unlock(&call->h->lock);
}

GError *call_wait(Call *call)
{
    gint64 end = g_get_monotonic_time() + DEADLINE_S * G_USEC_PER_SEC;
    Harness *h = call->h;
    GError *error;

    g_mutex_lock(&h->lock);
    while (!call->done) {
        if (!g_cond_wait_until(&h->cond, &h->lock, end))
            break;
    }
    g_mutex_unlock(&h->lock);
    if (!call->done)
        fail_msg("the call does not end");
    error = g_steal_pointer(&call->error);
    g_free(call->text);
    domain_unref(call->dom);
    g_free(call);
    return error;
}

void call_ok(Call *call)
{
    g_autoptr(GError) error = call_wait(call);

    if (error)
        fail_msg("unexpected error: %s", error->message);
}

void call_fails(Call *call, int code, const char *text)
{
    g_autoptr(GError) error = call_wait(call);

    if (!error)
        fail_msg("succeeded, wanted error %d: %s", code, text);
    if (error->code != code || !strstr(error->message, text))
        fail_msg("wanted error %d with '%s', got %d: %s", code, text,
                 error->code, error->message);
}

/* ---- Domains ---------------------------------------------------------- */

char *harness_xml(Harness *h, const char *name, const char *append,
                  const char *more)
{
    return g_strdup_printf(
        "<domain type='kvm'><name>%s</name><memory unit='MiB'>128</memory>"
        "<vcpu>2</vcpu><os><type arch='x86_64' machine='microvm'>hvm</type>"
        "<kernel>%s/kernel</kernel><cmdline>quiet %s</cmdline></os>%s"
        "<devices><emulator>%s</emulator>"
        "<disk type='file' device='disk'><driver name='qemu' type='raw'/>"
        "<source file='%s/disk.img'/><target dev='vda' bus='virtio'/></disk>"
        "<serial type='pty'/><rng model='virtio'>"
        "<backend model='random'>/dev/urandom</backend></rng>"
        "</devices></domain>",
        name, h->root, append, more ? more : "", h->emulator, h->root);
}

Domain *harness_define(Harness *h, const char *name, const char *append)
{
    g_autofree char *xml = harness_xml(h, name, append, NULL);
    g_autoptr(GError) error = NULL;
    Domain *dom = driver_define(h->drv, xml, 0, &error);
    g_autofree char *want = g_strdup_printf("%s 0/0 id -1", name);

    if (!dom)
        fail_msg("define: %s", error->message);
    expect_event(h, want);
    return dom;
}

Domain *harness_create(Harness *h, const char *name, const char *append)
{
    g_autofree char *xml = harness_xml(h, name, append, NULL);
    Call *call = call_new(h);

    driver_create_async(h->drv, xml, 0, NULL, call_done, call);
    call_ok(call);
    return driver_lookup_name(h->drv, name, NULL);
}

void expect_state(Domain *dom, int state, int reason)
{
    int got_state, got_reason;

    domain_get_state(dom, &got_state, &got_reason);
    if (got_state != state || got_reason != reason)
        fail_msg("state %d/%d, wanted %d/%d", got_state, got_reason, state,
                 reason);
}

void fake_does(Harness *h, Domain *dom, const char *what)
{
    g_autofree char *command = g_strdup_printf(
        "{\"execute\":\"x-fake\",\"arguments\":{\"do\":\"%s\"}}", what);
    Call *call = call_new(h);

    domain_monitor_command_async(dom, command, 0, call_done, call);
    /* The guest may be gone before the reply is. */
    g_clear_error(&(GError *){ call_wait(call) });
}

/* ---- Leaks ------------------------------------------------------------ */

static int count_dir(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    int n = 0;

    while (dir && g_dir_read_name(dir))
        n++;
    return n;
}

static int count_children(void)
{
    g_autoptr(GDir) dir = g_dir_open("/proc/self/task", 0, NULL);
    const char *task;
    int n = 0;

    while (dir && (task = g_dir_read_name(dir))) {
        g_autofree char *path =
            g_strdup_printf("/proc/self/task/%s/children", task);
        g_autofree char *text = NULL;

        if (!g_file_get_contents(path, &text, NULL, NULL))
            continue;
        for (char *p = text; (p = strchr(p, ' ')); p++)
            n++;
    }
    return n;
}

Leaks count_leaks(Harness *h)
{
    Leaks leaks;

    strands_drain(h->drv);
    ev_loop_call(h->drv->loop, do_nothing, NULL);
    leaks.fds = count_dir("/proc/self/fd");
    leaks.threads = count_dir("/proc/self/task");
    leaks.children = count_children();
    leaks.files = count_dir(h->drv->paths.run) + count_dir(h->drv->paths.lib);
    return leaks;
}
