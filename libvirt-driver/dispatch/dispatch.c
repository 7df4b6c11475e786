/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What joins the RPC server with the driver. */
#include <config.h>

#include "dispatch/dispatch.h"

#include "dispatch/conn.h"
#include "dispatch/event.h"

const RpcProgram *const dispatch_programs[] = { &remote_program, &qemu_program,
                                                &lxc_program, NULL };

Dispatch *dispatch_new(gboolean session)
{
    Dispatch *dispatch = g_new0(Dispatch, 1);

    dispatch->session = session;
    dispatch->type = g_strdup("StratoVirt");
    dispatch->events = event_broker_new();
    return dispatch;
}

void dispatch_free(Dispatch *dispatch)
{
    if (!dispatch)
        return;
    event_broker_free(dispatch->events);
    g_free(dispatch->type);
    g_free(dispatch);
}

static gpointer on_connected(gpointer user, RpcClient *client)
{
    return conn_new(user);
}

/* A worker's job: destroying AUTODESTROY guests may touch files. */
static void connection_end(gpointer user)
{
    g_autoptr(RpcClient) client = user;
    Conn *conn = rpc_client_data(client);

    driver_connection_closed(conn->dispatch->driver, conn);
}

void dispatch_connection_end(RpcClient *client)
{
    rpc_client_ref(client);
    /* A daemon that stops lets all guests go on. */
    if (!worker_pool_push(rpc_server_workers(rpc_client_server(client)), FALSE,
                          connection_end, client))
        rpc_client_unref(client);
}

static void on_disconnected(gpointer user, RpcClient *client, gpointer data)
{
    Dispatch *dispatch = user;

    event_broker_drop(dispatch->events, client);
    dispatch_connection_end(client);
}

static void on_clients(gpointer user, guint count)
{
    Dispatch *dispatch = user;

    if (dispatch->clients)
        dispatch->clients(dispatch->user, count);
}

const RpcServerHooks dispatch_hooks = {
    .connected = on_connected,
    .disconnected = on_disconnected,
    .data_free = conn_free,
    .clients = on_clients,
    .is_open = conn_is_open,
};

static void on_event(gpointer user, const DriverEvent *event)
{
    Dispatch *dispatch = user;

    event_broker_send(dispatch->events, event);
}

static void on_monitor_event(gpointer user, const DriverMonitorEvent *event)
{
    Dispatch *dispatch = user;

    event_broker_send_monitor(dispatch->events, event);
}

static void on_busy(gpointer user, gboolean busy)
{
    Dispatch *dispatch = user;

    if (dispatch->busy)
        dispatch->busy(dispatch->user, busy);
}

const DriverListener dispatch_listener = {
    .event = on_event,
    .monitor_event = on_monitor_event,
    .busy = on_busy,
};
