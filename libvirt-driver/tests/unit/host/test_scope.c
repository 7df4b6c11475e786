/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A guest's scope, from a machined and a systemd of the test's own. */
#include <config.h>

#include <ftw.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/cgroup_priv.h"
#include "util/error.h"
#include "util/ev_loop.h"

#define PID      4711
#define MACHINED "machine-by-machined.scope"

/* org.freedesktop.machine1(5) and org.freedesktop.systemd1(5): what has
 * another signature is refused by GDBus. */
static const char machined_xml[] =
    "<node><interface name='org.freedesktop.machine1.Manager'>"
    "<method name='CreateMachine'>"
    "<arg type='s' direction='in'/><arg type='ay' direction='in'/>"
    "<arg type='s' direction='in'/><arg type='s' direction='in'/>"
    "<arg type='u' direction='in'/><arg type='s' direction='in'/>"
    "<arg type='a(sv)' direction='in'/><arg type='o' direction='out'/>"
    "</method></interface></node>";
static const char systemd_xml[] =
    "<node><interface name='org.freedesktop.systemd1.Manager'>"
    "<method name='StartTransientUnit'>"
    "<arg type='s' direction='in'/><arg type='s' direction='in'/>"
    "<arg type='a(sv)' direction='in'/><arg type='a(sa(sv))' direction='in'/>"
    "<arg type='o' direction='out'/></method>"
    "</interface></node>";

typedef enum Manner {
    ABSENT, /* nobody owns the name */
    ACCEPT, /* moves the process and answers */
    LATE,   /* answers, and moves the process later */
    IDLE,   /* answers, and its job fails: nothing moves */
    REFUSE,
    HANG,
} Manner;

typedef struct Service {
    const char *name;
    const char *path;
    const char *xml;
    Manner manner;
    int calls;
    GVariant *args;               /* owned; of the last call */
    GDBusMethodInvocation *hangs; /* owned; never answered in time */
} Service;

static GTestDBus *bus;
static EvLoop *loop;
static GDBusConnection *connection;
static char *dir;
static char *root;
static char *proc;
static CgroupHost host;
static Service machined, systemd;

static const guint8 uuid[16] = { 1, 2,  3,  4,  5,  6,  7,  8,
                                 9, 10, 11, 12, 13, 14, 15, 16 };

/* ---- The host --------------------------------------------------------- */

static void set_process_path(const char *path)
{
    g_autofree char *file = g_strdup_printf("%s/%d/cgroup", proc, PID);
    g_autofree char *text = g_strdup_printf("1:x:/no\n0::%s\n", path);

    g_assert_true(g_file_set_contents(file, text, -1, NULL));
}

/* The kernel puts cgroup.type into each directory made; here it is before. */
static void prepare_group(const char *unit)
{
    g_autofree char *group = g_build_filename(root, "machine.slice", unit,
                                              "libvirt", "emulator", NULL);
    g_autofree char *type = g_build_filename(group, "cgroup.type", NULL);

    g_assert_cmpint(g_mkdir_with_parents(group, 0755), ==, 0);
    g_assert_true(g_file_set_contents(type, "", 0, NULL));
}

static void move_process(const char *unit)
{
    g_autofree char *path = g_strconcat("/machine.slice/", unit, NULL);

    prepare_group(unit);
    set_process_path(path);
}

/* ---- The services ----------------------------------------------------- */

static gboolean move_later(gpointer unit)
{
    move_process(unit);
    return G_SOURCE_REMOVE;
}

static void post_move(const char *unit)
{
    GSource *source = g_timeout_source_new(50);

    g_source_set_callback(source, move_later, g_strdup(unit), g_free);
    g_source_attach(source, ev_loop_context(loop));
    g_source_unref(source);
}

static void on_method(GDBusConnection *conn, const char *sender,
                      const char *path, const char *interface,
                      const char *method, GVariant *parameters,
                      GDBusMethodInvocation *invocation, gpointer user)
{
    Service *service = user;
    g_autofree char *unit = NULL;

    service->calls++;
    g_clear_pointer(&service->args, g_variant_unref);
    service->args = g_variant_ref(parameters);
    if (service == &machined)
        unit = g_strdup(MACHINED);
    else
        g_variant_get_child(parameters, 0, "s", &unit);
    if (service->manner == HANG) {
        g_clear_object(&service->hangs);
        service->hangs = invocation; /* is ours to answer */
        return;
    }
    if (service->manner == REFUSE) {
        g_dbus_method_invocation_return_dbus_error(
            invocation, "org.freedesktop.DBus.Error.AccessDenied", "no");
        return;
    }
    if (service->manner == ACCEPT)
        move_process(unit);
    else if (service->manner == LATE)
        post_move(unit);
    g_dbus_method_invocation_return_value(
        invocation, g_variant_new("(o)", "/org/freedesktop/answer"));
}

static const GDBusInterfaceVTable vtable = { .method_call = on_method };

static void serve(Service *service)
{
    g_autoptr(GDBusNodeInfo) node =
        g_dbus_node_info_new_for_xml(service->xml, NULL);
    g_autoptr(GVariant) reply = NULL;

    if (service->manner == ABSENT)
        return;
    g_assert_cmpuint(g_dbus_connection_register_object(
                         connection, service->path, node->interfaces[0],
                         &vtable, service, NULL, NULL),
                     !=, 0);
    reply = g_dbus_connection_call_sync(connection, "org.freedesktop.DBus", "/",
                                        "org.freedesktop.DBus", "RequestName",
                                        g_variant_new("(su)", service->name, 4),
                                        NULL, 0, -1, NULL, NULL);
    g_assert_nonnull(reply);
}

static void join_bus(gpointer user)
{
    connection = g_dbus_connection_new_for_address_sync(
        g_test_dbus_get_bus_address(bus),
        G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
            G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
        NULL, NULL, NULL);
    g_assert_nonnull(connection);
    serve(&machined);
    serve(&systemd);
}

static void leave_bus(gpointer user)
{
    if (connection)
        g_dbus_connection_close_sync(connection, NULL, NULL);
    g_clear_object(&machined.hangs);
    g_clear_object(&systemd.hangs);
    g_clear_object(&connection);
}

static void start(Manner of_machined, Manner of_systemd)
{
    machined.manner = of_machined;
    systemd.manner = of_systemd;
    ev_loop_call(loop, join_bus, NULL);
}

/* ---- Fixture ---------------------------------------------------------- */

static int setup(void **state)
{
    g_autofree char *process = NULL;
    struct statfs fs;

    machined = (Service){ .name = "org.freedesktop.machine1",
                          .path = "/org/freedesktop/machine1",
                          .xml = machined_xml };
    systemd = (Service){ .name = "org.freedesktop.systemd1",
                         .path = "/org/freedesktop/systemd1",
                         .xml = systemd_xml };
    loop = ev_loop_new("services", NULL);
    dir = g_dir_make_tmp("scope-XXXXXX", NULL);
    root = g_build_filename(dir, "cgroup", NULL);
    proc = g_build_filename(dir, "proc", NULL);
    process = g_strdup_printf("%s/%d", proc, PID);
    assert_int_equal(g_mkdir(root, 0755), 0);
    assert_int_equal(g_mkdir_with_parents(process, 0755), 0);
    set_process_path("/system.slice/daemon.service");
    assert_int_equal(statfs(root, &fs), 0);
    host = (CgroupHost){ .root = root,
                         .super_magic = (guint64)fs.f_type,
                         .proc = proc,
                         .dbus_timeout_ms = 60000,
                         .move_timeout_ms = 60000 };
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type,
                      struct FTW *ftw)
{
    return remove(path);
}

static int teardown(void **state)
{
    ev_loop_call(loop, leave_bus, NULL);
    ev_loop_free(loop);
    g_clear_pointer(&machined.args, g_variant_unref);
    g_clear_pointer(&systemd.args, g_variant_unref);
    nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    g_free(dir);
    g_free(root);
    g_free(proc);
    return 0;
}

/* ---- Helpers ---------------------------------------------------------- */

static char *create(const char *name)
{
    CgroupRequest req = { name, uuid, 7, PID, TRUE };
    g_autoptr(GError) error = NULL;
    char *path = NULL;

    if (!cgroup_create_on(&host, &req, &path, &error))
        fail_msg("%s", error->message);
    return path;
}

static void expect_scope(const char *name, const char *unit)
{
    g_autofree char *path = create(name);
    g_autofree char *want = g_build_filename(root, "machine.slice", unit, NULL);
    g_autofree char *type =
        g_build_filename(want, "libvirt", "emulator", "cgroup.type", NULL);
    g_autofree char *text = NULL;

    assert_non_null(path);
    assert_string_equal(path, want);
    assert_true(g_file_get_contents(type, &text, NULL, NULL));
    assert_string_equal(text, "threaded");
}

/* A property of an a(sv), NULL when it is not there; owned by the caller. */
static GVariant *property(GVariant *list, const char *name)
{
    GVariantIter iter;
    const char *key;
    GVariant *value;

    g_variant_iter_init(&iter, list);
    while (g_variant_iter_next(&iter, "(&sv)", &key, &value)) {
        if (strcmp(key, name) == 0)
            return value;
        g_variant_unref(value);
    }
    return NULL;
}

static void expect_property(GVariant *list, const char *name, const char *want)
{
    g_autoptr(GVariant) value = property(list, name);
    g_autofree char *text = NULL;

    assert_non_null(value);
    text = g_variant_print(value, TRUE);
    assert_string_equal(text, want);
}

/* ---- Tests ------------------------------------------------------------ */

static void test_machined(void **state)
{
    const char *name, *service, *class, *root_dir;
    g_autoptr(GVariant) id = NULL;
    g_autoptr(GVariant) props = NULL;
    const guint8 *bytes;
    gsize len;
    guint32 leader;

    start(ACCEPT, ACCEPT);
    expect_scope("web", MACHINED);
    assert_int_equal(machined.calls, 1);
    assert_int_equal(systemd.calls, 0);
    g_variant_get(machined.args, "(&s@ay&s&su&s@a(sv))", &name, &id, &service,
                  &class, &leader, &root_dir, &props);
    assert_string_equal(name, "stratovirt-7-web");
    bytes = g_variant_get_fixed_array(id, &len, 1);
    assert_int_equal(len, 16);
    assert_memory_equal(bytes, uuid, 16);
    assert_string_equal(service, "libvirt-stratovirt");
    assert_string_equal(class, "vm");
    assert_int_equal(leader, PID);
    assert_string_equal(root_dir, "");
    expect_property(props, "Slice", "'machine.slice'");
    expect_property(props, "Delegate", "true");
}

static void test_machine_names(void **state)
{
    static const struct {
        const char *domain;
        const char *machine;
    } names[] = {
        { "a b/c_d.e", "stratovirt-7-abcde" },
        { "--a--b--", "stratovirt-7-a-b" },
        { "\xd0\xb6\xd0\xb6", "stratovirt-7" },
        { "0123456789012345678901234567890123456789012345-x",
          "stratovirt-7-0123456789012345678901234567890123456789012345" },
        { "0123456789012345678901234567890123456789012345678901234567",
          "stratovirt-7-01234567890123456789012345678901234567890123456" },
    };

    start(ACCEPT, ABSENT);
    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        const char *name;

        set_process_path("/system.slice/daemon.service");
        expect_scope(names[i].domain, MACHINED);
        g_variant_get_child(machined.args, 0, "&s", &name);
        assert_string_equal(name, names[i].machine);
        assert_true(strlen(name) <= 64);
    }
}

static void test_systemd(void **state)
{
    const char *name, *mode;
    g_autoptr(GVariant) props = NULL;
    g_autoptr(GVariant) aux = NULL;

    start(REFUSE, ACCEPT);
    expect_scope("web", "machine-stratovirt\\x2d7\\x2dweb.scope");
    assert_int_equal(machined.calls, 1);
    assert_int_equal(systemd.calls, 1);
    g_variant_get(systemd.args, "(&s&s@a(sv)@a(sa(sv)))", &name, &mode, &props,
                  &aux);
    assert_string_equal(name, "machine-stratovirt\\x2d7\\x2dweb.scope");
    assert_string_equal(mode, "fail");
    expect_property(props, "Description", "'StratoVirt guest web'");
    expect_property(props, "Slice", "'machine.slice'");
    expect_property(props, "Delegate", "true");
    expect_property(props, "PIDs", "[uint32 4711]");
    assert_int_equal(g_variant_n_children(aux), 0);
}

static void test_absent_machined(void **state)
{
    start(ABSENT, ACCEPT);
    expect_scope("a-b/c@d", "machine-stratovirt\\x2d7\\x2d"
                            "a\\x2db\\x2fc\\x40d.scope");
    assert_int_equal(systemd.calls, 1);
}

/* The answer comes when the job is queued, and the process moves later. */
static void test_late(void **state)
{
    start(ABSENT, LATE);
    expect_scope("web", "machine-stratovirt\\x2d7\\x2dweb.scope");
}

/* A name of which each byte takes four stays below systemd's 255. */
static void test_long_name(void **state)
{
    g_autofree char *domain = g_strnfill(100, '+');
    g_autofree char *path = NULL;
    g_autofree char *unit = NULL;

    start(ABSENT, ACCEPT);
    path = create(domain);
    assert_non_null(path);
    unit = g_path_get_basename(path);
    assert_true(strlen(unit) <= 255);
    assert_true(strlen(unit) > 245);
    assert_true(g_str_has_suffix(unit, "\\x2b.scope"));
}

static void expect_by_hand(void)
{
    prepare_group("machine-stratovirt\\x2d7\\x2dweb.scope");
    expect_scope("web", "machine-stratovirt\\x2d7\\x2dweb.scope");
}

static void test_no_service(void **state)
{
    start(ABSENT, ABSENT);
    expect_by_hand();
}

static void test_both_refuse(void **state)
{
    start(REFUSE, REFUSE);
    expect_by_hand();
    assert_int_equal(machined.calls, 1);
    assert_int_equal(systemd.calls, 1);
}

static void test_failed_job(void **state)
{
    start(ABSENT, IDLE);
    host.move_timeout_ms = 100;
    expect_by_hand();
    assert_int_equal(systemd.calls, 1);
}

/* Services that never answer hold a guest up for the timeouts only. */
static void test_both_hang(void **state)
{
    start(HANG, HANG);
    host.dbus_timeout_ms = 500;
    expect_by_hand();
}

static void test_not_asked(void **state)
{
    CgroupRequest req = { "web", uuid, 7, PID, FALSE };
    g_autoptr(GError) error = NULL;
    g_autofree char *path = NULL;

    start(ACCEPT, ACCEPT);
    prepare_group("machine-stratovirt\\x2d7\\x2dweb.scope");
    assert_true(cgroup_create_on(&host, &req, &path, &error));
    assert_non_null(path);
    assert_int_equal(machined.calls + systemd.calls, 0);
}

/* A scope that is no control group: an error, and it is taken back. */
static void test_unusable(void **state)
{
    CgroupRequest req = { "web", uuid, 7, PID, FALSE };
    g_autofree char *unit = g_build_filename(
        root, "machine.slice", "machine-stratovirt\\x2d7\\x2dweb.scope", NULL);
    g_autoptr(GError) error = NULL;
    char *path = NULL;

    assert_false(cgroup_create_on(&host, &req, &path, &error));
    assert_null(path);
    assert_non_null(strstr(error->message, "cannot write 'threaded' to"));
    assert_false(g_file_test(unit, G_FILE_TEST_EXISTS));
}

static void test_none(void **state)
{
    g_autofree char *slice = g_build_filename(root, "machine.slice", NULL);

    start(ABSENT, ABSENT);
    assert_true(g_file_set_contents(slice, "", 0, NULL));
    assert_null(create("web"));
    g_unlink(slice);
    /* and no question is asked where there is no cgroup v2 */
    ev_loop_call(loop, leave_bus, NULL);
    start(ACCEPT, ACCEPT);
    host.super_magic ^= 1;
    assert_null(create("web"));
    assert_int_equal(machined.calls + systemd.calls, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_machined),   TEST(test_machine_names),
        TEST(test_systemd),    TEST(test_absent_machined),
        TEST(test_late),       TEST(test_long_name),
        TEST(test_no_service), TEST(test_both_refuse),
        TEST(test_failed_job), TEST(test_both_hang),
        TEST(test_not_asked),  TEST(test_unusable),
        TEST(test_none),
    };
    g_autofree char *daemon = g_find_program_in_path("dbus-daemon");
    int failed;

    alarm(300); /* whatever happens, the test ends */
    if (!daemon) {
        print_message("dbus-daemon is not installed\n");
        return 77;
    }
    bus = g_test_dbus_new(G_TEST_DBUS_NONE);
    g_test_dbus_up(bus);
    g_setenv("DBUS_SYSTEM_BUS_ADDRESS", g_test_dbus_get_bus_address(bus), TRUE);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    g_test_dbus_stop(bus);
    g_object_unref(bus);
    return failed;
}
