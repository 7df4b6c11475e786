/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Procedures of the remote and qemu programs on top of the driver.
 *
 * Handlers stay thin: flags, look-up, one call of the driver, result.  The
 * tables (remote_table.c, qemu_table.c) name each procedure of the protocol
 * with its rights; a row without a handler answers VIR_ERR_NO_SUPPORT.
 *
 * A Conn is what we know of one client's connection.  It lives as long as the
 * client object, which calls and event registrations may hold beyond the
 * socket's end.
 */
#pragma once

#include "domain/driver.h"
#include "rpc/server.h"

typedef struct EventBroker EventBroker;

/* One for each daemon; the `user` of the server. */
typedef struct Dispatch {
    Driver *driver;      /* borrowed */
    EventBroker *events; /* owned */
    gboolean session;    /* user instance: stratovirt:///session */
    char *type;          /* owned: what GET_TYPE answers */
    /* For the owner, NULL: it does not ask.  Any thread. */
    void (*clients)(gpointer user, guint count);
    void (*busy)(gpointer user, gboolean busy);
    gpointer user;
} Dispatch;

/* Starts without driver and server, which need it as their listener. */
Dispatch *dispatch_new(gboolean session);
void dispatch_free(Dispatch *dispatch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Dispatch, dispatch_free)

/* NULL-terminated; for rpc_server_new(). */
extern const RpcProgram *const dispatch_programs[];
extern const RpcServerHooks dispatch_hooks;
/* For driver_new(), with the Dispatch as user. */
extern const DriverListener dispatch_listener;

/* Tells the driver, on a worker, that a client's connection is gone. */
void dispatch_connection_end(RpcClient *client);

extern const RpcProgram remote_program;
extern const RpcProgram qemu_program;
extern const RpcProgram lxc_program;
