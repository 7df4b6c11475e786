/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Authentication procedures: the list of methods, and polkit over D-Bus. */
#include <config.h>

#include "rpc/polkit.h"

#include <gio/gio.h>
#include <string.h>

#include "util/error.h"
#include "util/log.h"

#define ACTION_MANAGE      "org.libvirt.unix.manage"
#define ACTION_MONITOR     "org.libvirt.unix.monitor"
#define POLKIT_INTERACTIVE 1u

RpcVerdict rpc_auth_list(RpcCall *call, gconstpointer args, gpointer ret,
                         GError **error)
{
    wire_r_auth_list *list = ret;

    list->types.types_val = g_new0(int, 1);
    list->types.types_len = 1;
    list->types.types_val[0] = rpc_client_auth(rpc_call_client(call));
    return CALL_DONE;
}

static const char *call_action(RpcCall *call)
{
    return rpc_client_is_readonly(rpc_call_client(call)) ? ACTION_MONITOR
                                                         : ACTION_MANAGE;
}

static const char *call_key(RpcCall *call)
{
    return rpc_client_is_readonly(rpc_call_client(call)) ? "auth_unix_ro"
                                                         : "auth_unix_rw";
}

static void polkit_fail(RpcCall *call, int code, const char *text)
{
    g_autoptr(GError) error = NULL;

    vir_error_set_from(&error, VIR_FROM_POLKIT, code, "%s", text);
    rpc_call_complete(call, error);
}

/* D-Bus or polkit itself failed: say which and what helps. */
static void polkit_unreachable(RpcCall *call, const GError *cause)
{
    g_autofree char *detail = g_strdup(cause->message);
    g_autofree char *text = NULL;

    if (strstr(detail, "is not registered"))
        text = g_strdup_printf(
            "polkit does not know the action %s: install the package "
            "libvirt-daemon-system, which brings it, or set %s = \"none\" in "
            "virtstratovirtd.conf",
            call_action(call), call_key(call));
    else
        text = g_strdup_printf(
            "cannot ask polkit over the system D-Bus (%s): start dbus and "
            "polkitd, or set %s = \"none\" in virtstratovirtd.conf",
            detail, call_key(call));
    polkit_fail(call, VIR_ERR_AUTH_FAILED, text);
}

static void polkit_verdict(RpcCall *call, GVariant *reply)
{
    g_autoptr(GVariant) details = NULL;
    g_autofree char *text = NULL;
    const char *dismissed = NULL;
    gboolean authorized = FALSE;
    gboolean challenge = FALSE;
    wire_r_int *ret = rpc_call_ret(call);

    g_variant_get(reply, "((bb@a{ss}))", &authorized, &challenge, &details);
    if (authorized) {
        rpc_client_set_authenticated(rpc_call_client(call));
        ret->value = 1;
        rpc_call_complete(call, NULL);
        return;
    }
    if (g_variant_lookup(details, "polkit.dismissed", "&s", &dismissed) &&
        g_str_equal(dismissed, "true")) {
        polkit_fail(call, VIR_ERR_AUTH_CANCELLED,
                    "the user dismissed the authentication dialogue");
        return;
    }
    text =
        g_strdup_printf(challenge ? "no polkit agent available to authenticate "
                                    "action '%s'"
                                  : "access denied by policy for action '%s'",
                        call_action(call));
    polkit_fail(
        call, challenge ? VIR_ERR_AUTH_UNAVAILABLE : VIR_ERR_AUTH_FAILED, text);
}

static void on_checked(GObject *source, GAsyncResult *result, gpointer user)
{
    g_autoptr(GError) cause = NULL;
    g_autoptr(GVariant) reply = g_dbus_connection_call_finish(
        G_DBUS_CONNECTION(source), result, &cause);

    if (!reply) {
        g_dbus_error_strip_remote_error(cause);
        polkit_unreachable(user, cause);
        return;
    }
    polkit_verdict(user, reply);
}

static GVariant *check_arguments(RpcCall *call)
{
    const RpcPeer *peer = rpc_client_peer(rpc_call_client(call));
    GVariantBuilder process;

    g_variant_builder_init(&process, G_VARIANT_TYPE("a{sv}"));
    g_variant_builder_add(&process, "{sv}", "pid",
                          g_variant_new_uint32(peer->pid));
    g_variant_builder_add(&process, "{sv}", "start-time",
                          g_variant_new_uint64(peer->start_time));
    g_variant_builder_add(&process, "{sv}", "uid",
                          g_variant_new_int32(peer->uid));
    return g_variant_new("((sa{sv})sa{ss}us)", "unix-process", &process,
                         call_action(call), NULL, POLKIT_INTERACTIVE, "");
}

static void on_bus(GObject *source, GAsyncResult *result, gpointer user)
{
    g_autoptr(GError) cause = NULL;
    g_autoptr(GDBusConnection) bus = g_bus_get_finish(result, &cause);

    if (!bus) {
        polkit_unreachable(user, cause);
        return;
    }
    g_dbus_connection_set_exit_on_close(bus, FALSE);
    g_dbus_connection_call(
        bus, "org.freedesktop.PolicyKit1",
        "/org/freedesktop/PolicyKit1/Authority",
        "org.freedesktop.PolicyKit1.Authority", "CheckAuthorization",
        check_arguments(user), G_VARIANT_TYPE("((bba{ss}))"),
        G_DBUS_CALL_FLAGS_NONE, G_MAXINT, NULL, on_checked, user);
}

/* On the loop thread, whose context then gets the answers. */
static void polkit_ask(gpointer user)
{
    g_bus_get(G_BUS_TYPE_SYSTEM, NULL, on_bus, user);
}

RpcVerdict rpc_auth_polkit(RpcCall *call, gconstpointer args, gpointer ret,
                           GError **error)
{
    RpcClient *client = rpc_call_client(call);

    if (rpc_client_auth(client) != RPC_AUTH_POLKIT ||
        rpc_client_is_authenticated(client)) {
        vir_error_set_from(error, VIR_FROM_POLKIT, VIR_ERR_AUTH_FAILED,
                           "this connection does not ask for polkit");
        return CALL_FAILED;
    }
    if (!rpc_client_peer(client)->known ||
        rpc_client_peer(client)->start_time == 0) {
        vir_error_set_from(error, VIR_FROM_POLKIT, VIR_ERR_AUTH_FAILED,
                           "the client's process cannot be identified");
        return CALL_FAILED;
    }
    ev_loop_post(rpc_server_loop(rpc_client_server(client)), polkit_ask, call);
    return CALL_PENDING;
}
