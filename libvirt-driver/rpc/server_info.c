/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an administrator asks of a server; it is looked up on its loop. */
#include <config.h>

#include "rpc/server.h"
#include "rpc/server_priv.h"

typedef struct ListRequest {
    RpcServer *server;
    GArray *clients;
} ListRequest;

static void list_run(gpointer user)
{
    ListRequest *req = user;
    GHashTableIter iter;
    gpointer key;

    g_hash_table_iter_init(&iter, req->server->clients);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        RpcClient *client = key;
        RpcClientInfo info = { client->id, client->since,
                               rpc_client_is_readonly(client), client->peer };

        g_array_append_val(req->clients, info);
    }
}

static int info_compare(gconstpointer a, gconstpointer b)
{
    const RpcClientInfo *x = a;
    const RpcClientInfo *y = b;

    return x->id < y->id ? -1 : x->id > y->id;
}

GArray *rpc_server_list_clients(RpcServer *server)
{
    ListRequest req = { server,
                        g_array_new(FALSE, FALSE, sizeof(RpcClientInfo)) };

    ev_loop_call(server->loop, list_run, &req);
    g_array_sort(req.clients, info_compare);
    return req.clients;
}

typedef struct CloseRequest {
    RpcServer *server;
    guint64 id;
    gboolean found;
} CloseRequest;

static void close_run(gpointer user)
{
    CloseRequest *req = user;
    RpcClient *found = NULL;
    GHashTableIter iter;
    gpointer key;

    g_hash_table_iter_init(&iter, req->server->clients);
    while (!found && g_hash_table_iter_next(&iter, &key, NULL)) {
        if (((RpcClient *)key)->id == req->id)
            found = key;
    }
    req->found = found != NULL;
    if (found)
        rpc_client_close(found, "the administrator closes it");
}

gboolean rpc_server_close_client(RpcServer *server, guint64 id)
{
    CloseRequest req = { server, id, FALSE };

    ev_loop_call(server->loop, close_run, &req);
    return req.found;
}

typedef struct LimitsRequest {
    RpcServer *server;
    RpcServerLimits limits;
} LimitsRequest;

static void get_run(gpointer user)
{
    LimitsRequest *req = user;

    req->limits = (RpcServerLimits){ req->server->config.max_clients,
                                     g_hash_table_size(req->server->clients),
                                     req->server->config.max_anonymous_clients,
                                     req->server->anonymous };
}

void rpc_server_get_limits(RpcServer *server, RpcServerLimits *ret_limits)
{
    LimitsRequest req = { .server = server };

    ev_loop_call(server->loop, get_run, &req);
    *ret_limits = req.limits;
}

static void set_run(gpointer user)
{
    LimitsRequest *req = user;

    req->server->config.max_clients = req->limits.max_clients;
    req->server->config.max_anonymous_clients = req->limits.max_anonymous;
    rpc_server_limits_changed(req->server);
}

void rpc_server_set_limits(RpcServer *server, guint max_clients,
                           guint max_anonymous)
{
    LimitsRequest req = {
        server, { .max_clients = max_clients, .max_anonymous = max_anonymous }
    };

    ev_loop_call(server->loop, set_run, &req);
}
