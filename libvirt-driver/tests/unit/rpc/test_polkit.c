/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Authentication by polkit against a bus and a polkit of the test's own. */
#include <config.h>

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "raw_client.h"
#include "rpc/polkit.h"
#include "util/error.h"

#define PROG       0x1234u
#define NOBODY_UID 65534

static const char polkit_xml[] =
    "<node><interface name='org.freedesktop.PolicyKit1.Authority'>"
    "<method name='CheckAuthorization'>"
    "<arg type='(sa{sv})' direction='in'/><arg type='s' direction='in'/>"
    "<arg type='a{ss}' direction='in'/><arg type='u' direction='in'/>"
    "<arg type='s' direction='in'/><arg type='(bba{ss})' direction='out'/>"
    "</method></interface></node>";

/* What the polkit of the test answers, and what it was asked. */
typedef struct Authority {
    gboolean authorized;
    gboolean challenge;
    const char *dismissed; /* "true", or NULL */
    const char *error;     /* D-Bus error text, or NULL */
    char *action;          /* owned; of the last question */
    guint32 pid;
    guint64 start_time;
    gint32 uid;
    guint32 flags;
} Authority;

typedef struct Fixture {
    EvLoop *bus_loop; /* serves the polkit of the test */
    EvLoop *loop;
    RpcServer *server;
    GDBusConnection *connection;
    char *dir;
    char *path;
    char *ro_path;
} Fixture;

static GTestDBus *bus;
static Authority authority;
static Fixture *fx;

static const Codec void_codec = CODEC_VOID;
static const Codec list_codec = CODEC(wire_r_auth_list);
static const Codec int_codec = CODEC(wire_r_int);

static RpcVerdict nothing(RpcCall *call, gconstpointer args, gpointer ret,
                          GError **error)
{
    return CALL_DONE;
}

static const RpcProc procs[] = {
    { 1, "testNothing", VIR_FROM_NONE, RPC_PROC_READONLY, CODEC_VOID,
      CODEC_VOID, nothing },
    { 66, "authList", VIR_FROM_NONE, RPC_PROC_NOAUTH | RPC_PROC_READONLY,
      CODEC_VOID, CODEC(wire_r_auth_list), rpc_auth_list },
    { 70, "authPolkit", VIR_FROM_NONE, RPC_PROC_NOAUTH | RPC_PROC_READONLY,
      CODEC_VOID, CODEC(wire_r_int), rpc_auth_polkit },
};
static const RpcProgram program = { PROG, RPC_VERSION, procs,
                                    G_N_ELEMENTS(procs) };
static const RpcProgram *const programs[] = { &program, NULL };
static const RpcServerHooks hooks = { NULL };

static void note_question(GVariant *parameters)
{
    g_autoptr(GVariant) subject = g_variant_get_child_value(parameters, 0);
    g_autoptr(GVariant) details = g_variant_get_child_value(subject, 1);

    g_free(authority.action);
    g_variant_get_child(parameters, 1, "s", &authority.action);
    g_variant_get_child(parameters, 3, "u", &authority.flags);
    g_variant_lookup(details, "pid", "u", &authority.pid);
    g_variant_lookup(details, "start-time", "t", &authority.start_time);
    g_variant_lookup(details, "uid", "i", &authority.uid);
}

static void on_method(GDBusConnection *connection, const char *sender,
                      const char *path, const char *interface,
                      const char *method, GVariant *parameters,
                      GDBusMethodInvocation *invocation, gpointer user)
{
    GVariantBuilder details;

    note_question(parameters);
    if (authority.error) {
        g_dbus_method_invocation_return_dbus_error(
            invocation, "org.freedesktop.PolicyKit1.Error.Failed",
            authority.error);
        return;
    }
    g_variant_builder_init(&details, G_VARIANT_TYPE("a{ss}"));
    if (authority.dismissed)
        g_variant_builder_add(&details, "{ss}", "polkit.dismissed",
                              authority.dismissed);
    g_dbus_method_invocation_return_value(
        invocation, g_variant_new("((bba{ss}))", authority.authorized,
                                  authority.challenge, &details));
}

static const GDBusInterfaceVTable vtable = { .method_call = on_method };

static void serve_polkit(gpointer user)
{
    g_autoptr(GDBusNodeInfo) node =
        g_dbus_node_info_new_for_xml(polkit_xml, NULL);
    g_autoptr(GVariant) name = NULL;

    fx->connection = g_dbus_connection_new_for_address_sync(
        g_test_dbus_get_bus_address(bus),
        G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
            G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
        NULL, NULL, NULL);
    g_assert(fx->connection);
    g_dbus_connection_register_object(
        fx->connection, "/org/freedesktop/PolicyKit1/Authority",
        node->interfaces[0], &vtable, NULL, NULL, NULL);
    name = g_dbus_connection_call_sync(
        fx->connection, "org.freedesktop.DBus", "/", "org.freedesktop.DBus",
        "RequestName", g_variant_new("(su)", "org.freedesktop.PolicyKit1", 4),
        NULL, 0, -1, NULL, NULL);
    g_assert(name);
}

static int listen_at(const char *path)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    g_strlcpy(addr.sun_path, path, sizeof(addr.sun_path));
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    assert_int_equal(chmod(path, 0777), 0);
    assert_int_equal(listen(fd, 50), 0);
    return fd;
}

static int setup(void **state)
{
    RpcServerConfig config = RPC_SERVER_CONFIG_INIT;

    memset(&authority, 0, sizeof(authority));
    fx = g_new0(Fixture, 1);
    fx->dir = g_dir_make_tmp("polkit-XXXXXX", NULL);
    assert_int_equal(chmod(fx->dir, 0711), 0);
    fx->path = g_build_filename(fx->dir, "rw", NULL);
    fx->ro_path = g_build_filename(fx->dir, "ro", NULL);
    fx->loop = ev_loop_new("rpc-loop", NULL);
    fx->bus_loop = ev_loop_new("polkit-loop", NULL);
    fx->server =
        rpc_server_new(fx->loop, &config, programs, &hooks, NULL, NULL);
    rpc_server_add_listener(fx->server, listen_at(fx->path), FALSE,
                            RPC_AUTH_POLKIT);
    rpc_server_add_listener(fx->server, listen_at(fx->ro_path), TRUE,
                            RPC_AUTH_POLKIT);
    rpc_server_start(fx->server);
    return 0;
}

static void leave_bus(gpointer user)
{
    if (fx->connection)
        g_dbus_connection_close_sync(fx->connection, NULL, NULL);
    g_clear_object(&fx->connection);
}

static int teardown(void **state)
{
    rpc_server_stop(fx->server);
    ev_loop_call(fx->bus_loop, leave_bus, NULL);
    ev_loop_free(fx->bus_loop);
    ev_loop_free(fx->loop);
    rpc_server_unref(fx->server);
    g_unlink(fx->path);
    g_unlink(fx->ro_path);
    g_rmdir(fx->dir);
    g_free(fx->path);
    g_free(fx->ro_path);
    g_free(fx->dir);
    g_free(fx);
    g_clear_pointer(&authority.action, g_free);
    return 0;
}

/* Root is never asked, so that root's test is somebody else for this moment;
 * for this thread alone, hence not through libc. */
static int connect_as_user(const char *path)
{
    gboolean root = geteuid() == 0;
    int fd;

    if (root)
        assert_int_equal(syscall(SYS_setresuid, -1, NOBODY_UID, -1), 0);
    fd = raw_connect(path);
    if (root)
        assert_int_equal(syscall(SYS_setresuid, -1, 0, -1), 0);
    return fd;
}

static void call_void(int fd, int proc, guint32 serial)
{
    raw_call(fd, PROG, proc, serial, &void_codec, NULL);
}

static void expect_ok(int fd, guint32 serial)
{
    RawReply reply;

    raw_expect(fd, &reply, serial, RPC_STATUS_OK);
    raw_reply_clear(&reply);
}

static int method_offered(int fd)
{
    RawReply reply;
    wire_r_auth_list *list;
    int method;

    call_void(fd, 66, 0);
    raw_expect(fd, &reply, 0, RPC_STATUS_OK);
    list = raw_decode(&reply, &list_codec);
    assert_int_equal(list->types.types_len, 1);
    method = list->types.types_val[0];
    codec_free(&list_codec, list);
    raw_reply_clear(&reply);
    return method;
}

static void test_allowed(void **state)
{
    int fd = connect_as_user(fx->path);
    RawReply reply;
    wire_r_int *complete;

    authority.authorized = TRUE;
    ev_loop_call(fx->bus_loop, serve_polkit, NULL);
    assert_int_equal(method_offered(fd), RPC_AUTH_POLKIT);
    call_void(fd, 1, 1);
    raw_expect_error(fd, 1, VIR_ERR_RPC, "authentication required");
    call_void(fd, 70, 2);
    raw_expect(fd, &reply, 2, RPC_STATUS_OK);
    complete = raw_decode(&reply, &int_codec);
    assert_int_equal(complete->value, 1);
    codec_free(&int_codec, complete);
    raw_reply_clear(&reply);
    call_void(fd, 1, 3);
    expect_ok(fd, 3);
    assert_string_equal(authority.action, "org.libvirt.unix.manage");
    assert_int_equal(authority.pid, getpid());
    assert_int_equal(authority.start_time, rpc_peer_start_time(getpid()));
    assert_int_not_equal(authority.uid, 0);
    assert_int_equal(authority.flags, 1);
    /* once is enough */
    call_void(fd, 70, 4);
    raw_expect_error(fd, 4, VIR_ERR_AUTH_FAILED, "does not ask");
    close(fd);
}

static void test_readonly_action(void **state)
{
    int fd = connect_as_user(fx->ro_path);

    authority.authorized = TRUE;
    ev_loop_call(fx->bus_loop, serve_polkit, NULL);
    call_void(fd, 70, 1);
    expect_ok(fd, 1);
    assert_string_equal(authority.action, "org.libvirt.unix.monitor");
    close(fd);
}

static void test_refused(void **state)
{
    int fd = connect_as_user(fx->path);

    ev_loop_call(fx->bus_loop, serve_polkit, NULL);
    call_void(fd, 70, 1);
    raw_expect_error(fd, 1, VIR_ERR_AUTH_FAILED, "access denied by policy");
    authority.challenge = TRUE;
    call_void(fd, 70, 2);
    raw_expect_error(fd, 2, VIR_ERR_AUTH_UNAVAILABLE, "no polkit agent");
    authority.dismissed = "true";
    call_void(fd, 70, 3);
    raw_expect_error(fd, 3, VIR_ERR_AUTH_CANCELLED, "dismissed");
    call_void(fd, 1, 4);
    raw_expect_error(fd, 4, VIR_ERR_RPC, "authentication required");
    close(fd);
}

static void test_no_action(void **state)
{
    int fd = connect_as_user(fx->path);

    authority.error = "Action org.libvirt.unix.manage is not registered";
    ev_loop_call(fx->bus_loop, serve_polkit, NULL);
    call_void(fd, 70, 1);
    raw_expect_error(fd, 1, VIR_ERR_AUTH_FAILED,
                     "install the package libvirt-daemon-system");
    close(fd);
}

static void test_no_polkit(void **state)
{
    int fd = connect_as_user(fx->path);

    call_void(fd, 70, 1);
    raw_expect_error(fd, 1, VIR_ERR_AUTH_FAILED,
                     "start dbus and polkitd, or set auth_unix_rw");
    close(fd);
}

static void test_root(void **state)
{
    int fd;

    if (geteuid() != 0) {
        print_message("only root can be root\n");
        skip();
    }
    fd = raw_connect(fx->path);
    assert_int_equal(method_offered(fd), RPC_AUTH_NONE);
    call_void(fd, 1, 1);
    expect_ok(fd, 1);
    close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_no_polkit), TEST(test_allowed),   TEST(test_readonly_action),
        TEST(test_refused),   TEST(test_no_action), TEST(test_root),
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
