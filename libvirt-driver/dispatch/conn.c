/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One client's connection, and helpers that handlers share. */
#include <config.h>

#include "dispatch/conn.h"

#include <string.h>

#include "util/error.h"

G_STATIC_ASSERT(sizeof(wire_uuid) == DRIVER_UUID_BYTES);

static const Codec identity_codec = CODEC(wire_a_identity);

Conn *conn_new(Dispatch *dispatch)
{
    Conn *conn = g_new0(Conn, 1);

    conn->dispatch = dispatch;
    g_mutex_init(&conn->lock);
    return conn;
}

void conn_free(gpointer data)
{
    Conn *conn = data;

    g_mutex_clear(&conn->lock);
    codec_free(&identity_codec, conn->identity);
    g_free(conn->uri);
    g_free(conn);
}

gboolean conn_is_open(gpointer data)
{
    Conn *conn = data;
    gboolean open;

    g_mutex_lock(&conn->lock);
    open = conn->open;
    g_mutex_unlock(&conn->lock);
    return open;
}

Conn *call_conn(RpcCall *call)
{
    return rpc_client_data(rpc_call_client(call));
}

Dispatch *call_dispatch(RpcCall *call)
{
    return call_conn(call)->dispatch;
}

Driver *call_driver(RpcCall *call)
{
    return call_dispatch(call)->driver;
}

gboolean call_check_flags(RpcCall *call, guint flags, guint supported,
                          GError **error)
{
    return vir_error_check_flags(flags, supported, rpc_call_proc(call)->api,
                                 error);
}

Domain *call_lookup(RpcCall *call, const wire_dom *dom, GError **error)
{
    return driver_lookup(call_driver(call), dom->name,
                         (const guint8 *)dom->uuid, error);
}

void wire_dom_take(wire_dom *wire, DomainIdent *ident)
{
    wire->name = g_steal_pointer(&ident->name);
    memcpy(wire->uuid, ident->uuid, sizeof(wire->uuid));
    wire->id = ident->id;
}

void wire_dom_fill(wire_dom *wire, Domain *dom)
{
    g_auto(DomainIdent) ident = { 0 };

    domain_ident(dom, &ident);
    wire_dom_take(wire, &ident);
}

void done_void(gpointer call, Domain *dom, const char *text,
               const GError *error)
{
    rpc_call_complete(call, error);
}

void done_domain(gpointer call, Domain *dom, const char *text,
                 const GError *error)
{
    wire_r_dom *ret = rpc_call_ret(call);

    if (!error)
        wire_dom_fill(&ret->dom, dom);
    rpc_call_complete(call, error);
}

void done_text(gpointer call, Domain *dom, const char *text,
               const GError *error)
{
    wire_r_str *ret = rpc_call_ret(call);

    if (!error)
        ret->value = g_strdup(text ? text : "");
    rpc_call_complete(call, error);
}

gboolean ret_take_string(gpointer ret, char *text)
{
    ((wire_r_str *)ret)->value = text;
    return text != NULL;
}
