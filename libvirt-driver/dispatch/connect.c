/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Opening and closing connections, and what is asked of a connection. */
#include <config.h>

#include <string.h>

#include "dispatch/procs.h"
#include "host/host.h"
#include "util/error.h"

/* The libvirt level whose procedures are in the tables. */
#define LIB_VERSION 9000000u

/* Features of the protocol that a client asks about. */
enum {
    FEATURE_FD_PASSING = 8,
    FEATURE_TYPED_PARAM_STRING = 9,
    FEATURE_PROGRAM_KEEPALIVE = 10,
    FEATURE_EVENT_CALLBACK = 14,
    FEATURE_CLOSE_CALLBACK = 15,
    FEATURE_NETWORK_UPDATE_ORDER = 16
};

#define OPEN_READONLY 1u

static const char *default_uri(const Dispatch *dispatch)
{
    return dispatch->session ? "stratovirt:///session" : "stratovirt:///system";
}

/* Clients strip transport, host and their own parameters before they send a
 * URI; a query or fragment of other programs may remain. */
static gboolean uri_check(const Dispatch *dispatch, const char *uri,
                          GError **error)
{
    const char *want = dispatch->session ? "/session" : "/system";
    g_autoptr(GUri) parsed = g_uri_parse(uri, G_URI_FLAGS_NONE, NULL);

    if (!parsed)
        return vir_error_set_from(error, VIR_FROM_URI, VIR_ERR_INTERNAL_ERROR,
                                  "cannot parse the URI '%s'", uri);
    if (!g_str_equal(g_uri_get_scheme(parsed), "stratovirt"))
        return vir_error_set_from(error, VIR_FROM_NONE, VIR_ERR_NO_CONNECT,
                                  "%s", uri);
    if (!g_str_equal(g_uri_get_path(parsed), want))
        return vir_error_set(error, VIR_ERR_INTERNAL_ERROR,
                             "unexpected path '%s' in the URI, try %s",
                             g_uri_get_path(parsed), default_uri(dispatch));
    return TRUE;
}

static gboolean conn_open(Conn *conn, const char *name, GError **error)
{
    const char *uri = name && *name ? name : default_uri(conn->dispatch);
    gboolean ok;

    if (!uri_check(conn->dispatch, uri, error))
        return FALSE;
    g_mutex_lock(&conn->lock);
    ok = !conn->open;
    if (ok) {
        conn->open = TRUE;
        g_free(conn->uri);
        conn->uri = g_strdup(uri);
    }
    g_mutex_unlock(&conn->lock);
    if (!ok)
        return vir_error_set_from(error, VIR_FROM_RPC, VIR_ERR_INTERNAL_ERROR,
                                  "connection already open");
    return TRUE;
}

PROC(connect_open)
{
    const wire_a_open *a = args;

    if (!conn_open(call_conn(call), wire_str_opt_get(a->name), error))
        return CALL_FAILED;
    if (a->flags & OPEN_READONLY)
        rpc_client_set_readonly(rpc_call_client(call));
    return CALL_DONE;
}

PROC(connect_close)
{
    g_autoptr(RpcClient) client = rpc_client_ref(rpc_call_client(call));

    /* The reply is queued first, then the connection ends behind it. */
    rpc_call_complete(call, NULL);
    rpc_client_close_after_flush(client);
    return CALL_PENDING;
}

PROC(connect_get_type)
{
    return verdict(ret_take_string(ret, g_strdup(call_dispatch(call)->type)));
}

PROC(connect_get_version)
{
    wire_r_ulong *r = ret;

    r->value = driver_vmm_version(call_driver(call));
    return CALL_DONE;
}

PROC(connect_get_lib_version)
{
    wire_r_ulong *r = ret;

    r->value = LIB_VERSION;
    return CALL_DONE;
}

PROC(connect_get_hostname)
{
    if (ret_take_string(ret, host_get_hostname()))
        return CALL_DONE;
    vir_error_set(error, VIR_ERR_NO_HOSTNAME, NULL);
    return CALL_FAILED;
}

PROC(connect_get_uri)
{
    Conn *conn = call_conn(call);
    wire_r_str *r = ret;

    g_mutex_lock(&conn->lock);
    r->value = g_strdup(conn->uri);
    g_mutex_unlock(&conn->lock);
    return CALL_DONE;
}

PROC(connect_is_secure)
{
    wire_r_int *r = ret;

    r->value = 1; /* a UNIX socket */
    return CALL_DONE;
}

PROC(connect_supports_feature)
{
    const wire_a_int *a = args;
    wire_r_int *r = ret;

    switch (a->value) {
    case FEATURE_PROGRAM_KEEPALIVE:
        rpc_client_arm_keepalive(rpc_call_client(call));
        r->value = 1;
        return CALL_DONE;
    case FEATURE_FD_PASSING:
    case FEATURE_TYPED_PARAM_STRING:
    case FEATURE_EVENT_CALLBACK:
    case FEATURE_CLOSE_CALLBACK:
    case FEATURE_NETWORK_UPDATE_ORDER:
        r->value = 1;
        break;
    default:
        r->value = 0;
        break;
    }
    /* Only the keepalive question may come before the connection is open. */
    if (conn_is_open(call_conn(call)))
        return CALL_DONE;
    vir_error_set_from(error, VIR_FROM_RPC, VIR_ERR_INTERNAL_ERROR,
                       "connection not open");
    return CALL_FAILED;
}

typedef struct IdentityField {
    const char *name;
    int type; /* of the wire value */
} IdentityField;

static const IdentityField identity_fields[] = {
    { "user-name", VIR_TYPED_PARAM_STRING },
    { "unix-user-id", VIR_TYPED_PARAM_ULLONG },
    { "group-name", VIR_TYPED_PARAM_STRING },
    { "unix-group-id", VIR_TYPED_PARAM_ULLONG },
    { "process-id", VIR_TYPED_PARAM_LLONG },
    { "process-time", VIR_TYPED_PARAM_ULLONG },
    { "sasl-user-name", VIR_TYPED_PARAM_STRING },
    { "x509-distinguished-name", VIR_TYPED_PARAM_STRING },
    { "selinux-context", VIR_TYPED_PARAM_STRING },
    { "system.token", VIR_TYPED_PARAM_STRING },
};

static gboolean identity_check(const wire_param *param, GError **error)
{
    for (gsize i = 0; i < G_N_ELEMENTS(identity_fields); i++) {
        if (!g_str_equal(param->field, identity_fields[i].name))
            continue;
        if (param->value.type == identity_fields[i].type)
            return TRUE;
        return vir_error_set_from(error, VIR_FROM_IDENTITY, VIR_ERR_INVALID_ARG,
                                  "the identity field '%s' has the wrong type",
                                  param->field);
    }
    return vir_error_set_from(error, VIR_FROM_IDENTITY, VIR_ERR_INVALID_ARG,
                              "there is no identity field '%s'", param->field);
}

PROC(connect_set_identity)
{
    static const Codec codec = CODEC(wire_a_identity);
    const wire_a_identity *a = args;
    Conn *conn = call_conn(call);
    wire_a_identity *mine;
    wire_a_identity *old;

    if (!call_check_flags(call, a->flags, 0, error))
        return CALL_FAILED;
    for (guint i = 0; i < a->params.params_len; i++) {
        if (!identity_check(&a->params.params_val[i], error))
            return CALL_FAILED;
    }
    /* Ours to keep: the call's copy is emptied. */
    mine = g_memdup2(a, sizeof(*a));
    memset((gpointer)args, 0, sizeof(*a));
    g_mutex_lock(&conn->lock);
    old = conn->identity;
    conn->identity = mine;
    g_mutex_unlock(&conn->lock);
    codec_free(&codec, old);
    return CALL_DONE;
}

/* A local driver loses no connection, so that there is never such an event;
 * clients register for it all the same. */
static gboolean close_callback_set(Conn *conn, gboolean wanted)
{
    gboolean changed;

    g_mutex_lock(&conn->lock);
    changed = conn->close_callback != wanted;
    conn->close_callback = wanted;
    g_mutex_unlock(&conn->lock);
    return changed;
}

PROC(connect_register_close)
{
    if (close_callback_set(call_conn(call), TRUE))
        return CALL_DONE;
    vir_error_set_from(error, VIR_FROM_RPC, VIR_ERR_OPERATION_INVALID,
                       "a close callback is registered already");
    return CALL_FAILED;
}

PROC(connect_unregister_close)
{
    if (close_callback_set(call_conn(call), FALSE))
        return CALL_DONE;
    vir_error_set_from(error, VIR_FROM_RPC, VIR_ERR_OPERATION_INVALID,
                       "no close callback is registered");
    return CALL_FAILED;
}
