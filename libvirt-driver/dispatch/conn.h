/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One client's connection, and helpers that handlers share. */
#pragma once

#include "dispatch/dispatch.h"

typedef struct Conn {
    Dispatch *dispatch; /* borrowed */
    GMutex lock;        /* guards what follows */
    gboolean open;
    gboolean close_callback;   /* registered by the client */
    char *uri;                 /* owned; NULL before it is open */
    wire_a_identity *identity; /* owned; NULL: that of the socket */
} Conn;

Conn *conn_new(Dispatch *dispatch);
void conn_free(gpointer conn);
gboolean conn_is_open(gpointer conn);

/* Everything a handler starts from. */
Dispatch *call_dispatch(RpcCall *call);
Driver *call_driver(RpcCall *call);
Conn *call_conn(RpcCall *call);

/* Refuses unknown flags; names the procedure's public function. */
gboolean call_check_flags(RpcCall *call, guint flags, guint supported,
                          GError **error);

/* The domain of a client's handle, referenced; NULL with the error. */
Domain *call_lookup(RpcCall *call, const wire_dom *dom, GError **error);

/* Fills a handle from a domain. */
void wire_dom_fill(wire_dom *wire, Domain *dom);
/* Takes what @ident owns. */
void wire_dom_take(wire_dom *wire, DomainIdent *ident);

/* TRUE -> CALL_DONE, FALSE -> CALL_FAILED */
static inline RpcVerdict verdict(gboolean ok)
{
    return ok ? CALL_DONE : CALL_FAILED;
}

/* Completion of calls; pass the call as user. */
void done_void(gpointer call, Domain *dom, const char *text,
               const GError *error);
void done_domain(gpointer call, Domain *dom, const char *text,
                 const GError *error); /* result wire_r_dom */
void done_text(gpointer call, Domain *dom, const char *text,
               const GError *error); /* result wire_r_str */

/* Moves a g_malloc()ed string into a wire_r_str; FALSE for NULL. */
gboolean ret_take_string(gpointer ret, char *text);
