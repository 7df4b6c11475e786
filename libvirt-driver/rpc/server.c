/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The RPC server: listening, limits on clients, start and stop. */
#include <config.h>

#include "rpc/server.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rpc/server_priv.h"
#include "util/log.h"

/* accept() found no descriptor or memory: try again after this. */
#define ACCEPT_RETRY_MS 200

typedef struct RpcListener {
    RpcServer *server; /* borrowed */
    int fd;            /* owned */
    gboolean readonly;
    RpcAuth auth;
    EvWatch *watch; /* NULL: suspended */
} RpcListener;

static void listener_free(gpointer data)
{
    RpcListener *listener = data;

    ev_watch_del(listener->watch);
    close(listener->fd);
    g_free(listener);
}

RpcServer *rpc_server_new(EvLoop *loop, const RpcServerConfig *config,
                          const RpcProgram *const *programs,
                          const RpcServerHooks *hooks, gpointer user,
                          GError **error)
{
    RpcServer *server = g_new0(RpcServer, 1);

    server->refs = 1;
    server->loop = loop;
    server->config = *config;
    server->programs = programs;
    server->hooks = hooks;
    server->user = user;
    server->listeners = g_ptr_array_new_with_free_func(listener_free);
    server->clients = g_hash_table_new(NULL, NULL);
    server->workers = worker_pool_new(config->min_workers, config->max_workers,
                                      config->prio_workers, error);
    if (!server->workers)
        g_clear_pointer(&server, rpc_server_unref);
    return server;
}

void rpc_server_unref(RpcServer *server)
{
    if (!server || !g_atomic_int_dec_and_test(&server->refs))
        return;
    g_ptr_array_unref(server->listeners);
    g_hash_table_unref(server->clients);
    worker_pool_free(server->workers);
    g_free(server);
}

void rpc_server_add_listener(RpcServer *server, int fd, gboolean readonly,
                             RpcAuth auth)
{
    RpcListener *listener = g_new0(RpcListener, 1);

    listener->server = server;
    listener->fd = fd;
    listener->readonly = readonly;
    listener->auth = auth;
    g_ptr_array_add(server->listeners, listener);
}

WorkerPool *rpc_server_workers(RpcServer *server)
{
    return server->workers;
}

EvLoop *rpc_server_loop(RpcServer *server)
{
    return server->loop;
}

gpointer rpc_server_user(RpcServer *server)
{
    return server->user;
}

static void clients_changed(RpcServer *server)
{
    if (server->hooks->clients)
        server->hooks->clients(server->user,
                               g_hash_table_size(server->clients));
}

static void client_add(RpcServer *server, int fd, const RpcListener *listener)
{
    RpcClient *client =
        rpc_client_new(server, fd, listener->readonly, listener->auth);

    if (!rpc_client_watch(client)) {
        log_warning("cannot watch a client's socket: %s", g_strerror(errno));
        close(fd);
        rpc_client_unref(client);
        return;
    }
    client->id = ++server->next_id;
    client->since = g_get_real_time() / G_USEC_PER_SEC;
    g_hash_table_add(server->clients, client);
    if (!client->authenticated)
        server->anonymous++;
    if (server->hooks->connected)
        client->data = server->hooks->connected(server->user, client);
    clients_changed(server);
}

static gboolean limit_reached(const RpcServer *server)
{
    return g_hash_table_size(server->clients) >= server->config.max_clients ||
           server->anonymous >= server->config.max_anonymous_clients;
}

static void listeners_update(RpcServer *server);

static void retry_due(gpointer user)
{
    RpcServer *server = user;

    server->retry = NULL;
    listeners_update(server);
}

static void listener_io(gpointer user, guint32 events)
{
    RpcListener *listener = user;
    RpcServer *server = listener->server;
    int fd;

    while (!limit_reached(server)) {
        fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            client_add(server, fd, listener);
            continue;
        }
        if (errno == EINTR || errno == ECONNABORTED)
            continue;
        if (errno != EAGAIN) {
            log_warning("cannot accept a client: %s", g_strerror(errno));
            server->retry =
                ev_timer_add(server->loop, ACCEPT_RETRY_MS, retry_due, server);
        }
        break;
    }
    listeners_update(server);
}

/* Listening is suspended at a limit: clients wait in the backlog. */
static void listeners_update(RpcServer *server)
{
    gboolean listen =
        server->listening && !limit_reached(server) && !server->retry;

    for (guint i = 0; i < server->listeners->len; i++) {
        RpcListener *listener = g_ptr_array_index(server->listeners, i);

        if (listen && !listener->watch)
            listener->watch = ev_watch_add(server->loop, listener->fd, EPOLLIN,
                                           listener_io, listener);
        if (!listen)
            g_clear_pointer(&listener->watch, ev_watch_del);
    }
}

static guint anonymous_count(RpcServer *server)
{
    GHashTableIter iter;
    gpointer client;
    guint count = 0;

    g_hash_table_iter_init(&iter, server->clients);
    while (g_hash_table_iter_next(&iter, &client, NULL)) {
        if (!rpc_client_is_authenticated(client))
            count++;
    }
    return count;
}

void rpc_server_authenticated(RpcServer *server)
{
    server->anonymous = anonymous_count(server);
    listeners_update(server);
}

void rpc_server_limits_changed(RpcServer *server)
{
    listeners_update(server);
}

void rpc_server_client_gone(RpcServer *server, RpcClient *client)
{
    if (!g_hash_table_remove(server->clients, client))
        return;
    server->anonymous = anonymous_count(server);
    listeners_update(server);
    clients_changed(server);
    rpc_client_unref(client);
}

static void start_run(gpointer user)
{
    RpcServer *server = user;

    server->listening = TRUE;
    listeners_update(server);
}

void rpc_server_start(RpcServer *server)
{
    ev_loop_call(server->loop, start_run, server);
}

static void stop_run(gpointer user)
{
    RpcServer *server = user;
    g_autoptr(GList) clients = g_hash_table_get_keys(server->clients);

    server->listening = FALSE;
    g_clear_pointer(&server->retry, ev_timer_del);
    g_ptr_array_set_size(server->listeners, 0);
    for (GList *l = clients; l; l = l->next)
        rpc_client_close(l->data, "the daemon stops");
}

static void nothing_run(gpointer user)
{
}

void rpc_server_stop(RpcServer *server)
{
    ev_loop_call(server->loop, stop_run, server);
    worker_pool_stop(server->workers);
    /* what the last jobs posted has run after this */
    ev_loop_call(server->loop, nothing_run, NULL);
}
