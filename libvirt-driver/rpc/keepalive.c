/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keepalive: answers a client's pings, and sends our own once it asked. */
#include <config.h>

#include "rpc/server_priv.h"

static void keepalive_send(RpcClient *client, int proc)
{
    RpcHeader header = { RPC_PROGRAM_KEEPALIVE, RPC_VERSION, proc,
                         RPC_TYPE_MESSAGE,      0,           RPC_STATUS_OK };

    rpc_client_queue(client, rpc_frame_new_raw(&header, NULL, 0), RPC_TX_OTHER,
                     NULL);
}

void rpc_keepalive_frame(RpcClient *client, const RpcHeader *header)
{
    if (header->vers != RPC_VERSION || header->type != RPC_TYPE_MESSAGE)
        return;
    if (header->proc == RPC_KEEPALIVE_PING)
        keepalive_send(client, RPC_KEEPALIVE_PONG);
}

static void ping_due(gpointer user);

static void ping_schedule(RpcClient *client, gint64 delay_us)
{
    client->ping_timer = ev_timer_add(
        client->server->loop, MAX(delay_us, 0) / 1000 + 1, ping_due, client);
}

static void ping_due(gpointer user)
{
    RpcClient *client = user;
    const RpcServerConfig *config = &client->server->config;
    gint64 interval_us = config->keepalive_interval_s * G_USEC_PER_SEC;
    gint64 silent_us = g_get_monotonic_time() - client->last_rx_us;

    client->ping_timer = NULL;
    /* Answers cannot be seen while a limit keeps us from reading. */
    if (client->requests >= config->max_client_requests) {
        ping_schedule(client, interval_us);
        return;
    }
    if (client->pings_sent == 0 && silent_us < interval_us) {
        ping_schedule(client, interval_us - silent_us);
        return;
    }
    if (client->pings_sent >= config->keepalive_count) {
        rpc_client_close(client, "it does not answer keepalive pings");
        return;
    }
    client->pings_sent++;
    keepalive_send(client, RPC_KEEPALIVE_PING);
    ping_schedule(client, interval_us);
}

static void keepalive_arm(gpointer user)
{
    g_autoptr(RpcClient) client = user;
    int interval_s = client->server->config.keepalive_interval_s;

    if (client->fd < 0 || client->ping_timer || interval_s <= 0)
        return;
    client->last_rx_us = g_get_monotonic_time();
    ping_schedule(client, interval_s * G_USEC_PER_SEC);
}

void rpc_client_arm_keepalive(RpcClient *client)
{
    ev_loop_post(client->server->loop, keepalive_arm, rpc_client_ref(client));
}

void rpc_keepalive_stop(RpcClient *client)
{
    g_clear_pointer(&client->ping_timer, ev_timer_del);
}
