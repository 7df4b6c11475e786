/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A client of the server: its life, its queue, its limits. */
#include <config.h>

#include <string.h>
#include <unistd.h>

#include "rpc/server_priv.h"
#include "util/error.h"
#include "util/log.h"

RpcClient *rpc_client_ref(RpcClient *client)
{
    g_atomic_int_inc(&client->refs);
    return client;
}

void rpc_client_unref(RpcClient *client)
{
    const RpcServerHooks *hooks;

    if (!client || !g_atomic_int_dec_and_test(&client->refs))
        return;
    hooks = client->server->hooks;
    if (client->data && hooks->data_free)
        hooks->data_free(client->data);
    g_hash_table_unref(client->streams);
    g_mutex_clear(&client->lock);
    rpc_server_unref(client->server);
    g_free(client);
}

static void auth_timer_start(RpcClient *client);

static void auth_expired(gpointer user)
{
    RpcClient *client = user;

    /* A dialogue with the user takes its time. */
    if (client->requests > 0) {
        auth_timer_start(client);
        return;
    }
    client->auth_timer = NULL;
    rpc_client_close(client, "it did not authenticate in time");
}

static void auth_timer_start(RpcClient *client)
{
    RpcServer *server = client->server;

    client->auth_timer = ev_timer_add(
        server->loop, server->config.auth_timeout_ms, auth_expired, client);
}

RpcClient *rpc_client_new(RpcServer *server, int fd, gboolean readonly,
                          RpcAuth auth)
{
    RpcClient *client = g_new0(RpcClient, 1);

    client->refs = 1;
    client->server = server;
    g_atomic_int_inc(&server->refs);
    client->fd = fd;
    client->readonly = readonly;
    client->auth = auth;
    client->rx.want = RPC_LEN_BYTES;
    client->streams = g_hash_table_new_full(NULL, NULL, NULL, rpc_stream_unref);
    g_mutex_init(&client->lock);
    g_queue_init(&client->tx);
    rpc_peer_read(fd, &client->peer);
    if (auth == RPC_AUTH_NONE ||
        (auth == RPC_AUTH_POLKIT && client->peer.known &&
         client->peer.uid == 0)) {
        client->auth = RPC_AUTH_NONE;
        client->authenticated = TRUE;
    }
    return client;
}

gboolean rpc_client_watch(RpcClient *client)
{
    RpcServer *server = client->server;

    client->watch =
        ev_watch_add(server->loop, client->fd, EPOLLIN, rpc_client_io, client);
    if (!client->watch)
        return FALSE;
    if (!client->authenticated && server->config.auth_timeout_ms > 0)
        auth_timer_start(client);
    return TRUE;
}

static void queue_clear(RpcClient *client)
{
    GQueue dropped;

    g_mutex_lock(&client->lock);
    client->tx_dead = TRUE;
    dropped = client->tx;
    g_queue_init(&client->tx);
    client->tx_bytes = 0;
    g_mutex_unlock(&client->lock);
    g_queue_clear_full(&dropped, rpc_tx_free);
}

static void streams_lost(RpcClient *client)
{
    g_autoptr(GList) streams = g_hash_table_get_values(client->streams);

    for (GList *l = streams; l; l = l->next)
        rpc_stream_lost(l->data);
}

void rpc_client_close(RpcClient *client, const char *why)
{
    RpcServer *server = client->server;

    if (client->fd < 0)
        return;
    if (why)
        log_info("closing connection of process %d, user %d: %s",
                 (int)client->peer.pid, (int)client->peer.uid, why);
    g_clear_pointer(&client->watch, ev_watch_del);
    g_clear_pointer(&client->auth_timer, ev_timer_del);
    rpc_keepalive_stop(client);
    close(client->fd);
    client->fd = -1;
    rpc_rx_clear(&client->rx);
    queue_clear(client);
    streams_lost(client);
    if (server->hooks->disconnected)
        server->hooks->disconnected(server->user, client, client->data);
    rpc_server_client_gone(server, client);
}

void rpc_client_update_events(RpcClient *client)
{
    guint32 events = 0;

    if (client->fd < 0)
        return;
    if (!client->closing &&
        client->requests < client->server->config.max_client_requests)
        events |= EPOLLIN;
    if (client->want_out)
        events |= EPOLLOUT;
    ev_watch_mod(client->watch, events);
}

void rpc_client_request_done(RpcClient *client)
{
    g_assert(client->requests > 0);
    client->requests--;
    rpc_client_update_events(client);
}

void rpc_client_io(gpointer user, guint32 events)
{
    g_autoptr(RpcClient) client = rpc_client_ref(user);

    if (events & EPOLLOUT)
        rpc_client_write(client);
    if (client->fd >= 0 && (events & EPOLLIN))
        rpc_client_read(client);
    else if (client->fd >= 0 && (events & (EPOLLHUP | EPOLLERR)))
        rpc_client_close(client, NULL);
}

static void client_kick(gpointer user)
{
    g_autoptr(RpcClient) client = user;

    g_mutex_lock(&client->lock);
    client->kicked = FALSE;
    g_mutex_unlock(&client->lock);
    if (client->fd >= 0)
        rpc_client_write(client);
}

static void client_overflow(gpointer user)
{
    g_autoptr(RpcClient) client = user;

    rpc_client_close(client, "it does not read what it is sent");
}

void rpc_client_queue(RpcClient *client, RpcFrame *frame, RpcTxKind kind,
                      RpcStream *stream)
{
    EvLoop *loop = client->server->loop;
    RpcTx *tx = g_new0(RpcTx, 1);
    gboolean kick = FALSE;
    gboolean overflow = FALSE;

    tx->frame = frame;
    tx->kind = kind;
    tx->stream = stream;
    g_mutex_lock(&client->lock);
    if (!client->tx_dead) {
        client->tx_bytes += frame->len;
        g_queue_push_tail(&client->tx, tx);
        tx = NULL;
        kick = !client->kicked;
        client->kicked = TRUE;
        overflow = client->tx_bytes > client->server->config.max_queue_bytes;
        client->tx_dead = overflow;
    }
    g_mutex_unlock(&client->lock);
    if (tx)
        rpc_tx_free(tx);
    if (overflow)
        ev_loop_post(loop, client_overflow, rpc_client_ref(client));
    if (kick)
        ev_loop_post(loop, client_kick, rpc_client_ref(client));
}

static void client_flush_close(gpointer user)
{
    g_autoptr(RpcClient) client = user;

    if (client->fd < 0)
        return;
    client->closing = TRUE;
    rpc_client_write(client);
}

void rpc_client_close_after_flush(RpcClient *client)
{
    ev_loop_post(client->server->loop, client_flush_close,
                 rpc_client_ref(client));
}

void rpc_client_send_message(RpcClient *client, guint32 prog, int proc,
                             const Codec *codec, gconstpointer data)
{
    /* The stock daemon numbers events 1; clients ignore it. */
    RpcHeader header = { prog, RPC_VERSION,  proc, RPC_TYPE_MESSAGE,
                         1,    RPC_STATUS_OK };
    g_autoptr(GError) error = NULL;
    RpcFrame *frame = rpc_frame_new(&header, codec, data, NULL, 0, &error);

    if (!frame) {
        log_gerror(error);
        return;
    }
    rpc_client_queue(client, frame, RPC_TX_OTHER, NULL);
}

gboolean rpc_client_is_closed(RpcClient *client)
{
    gboolean closed;

    g_mutex_lock(&client->lock);
    closed = client->tx_dead;
    g_mutex_unlock(&client->lock);
    return closed;
}

RpcServer *rpc_client_server(RpcClient *client)
{
    return client->server;
}

gpointer rpc_client_data(RpcClient *client)
{
    return client->data;
}

const RpcPeer *rpc_client_peer(RpcClient *client)
{
    return &client->peer;
}

gboolean rpc_client_is_readonly(RpcClient *client)
{
    return g_atomic_int_get(&client->readonly);
}

void rpc_client_set_readonly(RpcClient *client)
{
    g_atomic_int_set(&client->readonly, TRUE);
}

RpcAuth rpc_client_auth(RpcClient *client)
{
    return client->auth;
}

gboolean rpc_client_is_authenticated(RpcClient *client)
{
    return g_atomic_int_get(&client->authenticated);
}

static void client_authenticated(gpointer user)
{
    g_autoptr(RpcClient) client = user;

    g_clear_pointer(&client->auth_timer, ev_timer_del);
    if (client->fd >= 0)
        rpc_server_authenticated(client->server);
}

void rpc_client_set_authenticated(RpcClient *client)
{
    if (g_atomic_int_compare_and_exchange(&client->authenticated, FALSE, TRUE))
        ev_loop_post(client->server->loop, client_authenticated,
                     rpc_client_ref(client));
}
