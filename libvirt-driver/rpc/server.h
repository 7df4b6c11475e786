/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The RPC server: sockets, clients, calls, limits.  Knows no domain.
 *
 * Data flow.  The loop thread accepts clients, cuts their bytes into frames and
 * writes what is queued for them.  A call becomes a job of the worker pool:
 * decode, checks, handler, reply.  A handler answers at once (CALL_DONE,
 * CALL_FAILED) or says CALL_PENDING and somebody calls rpc_call_complete()
 * later, from any thread; a pending call holds no worker.
 *
 * States of a client: connected, authenticated (at once where the socket asks
 * for nothing), closed.  A client has at most max_client_requests calls and
 * unconsumed stream packets; then its socket is not read until a reply is
 * written.  Reading never goes beyond the current frame, because descriptors
 * travel on single bytes behind it.
 *
 * Threads.  Receiving, streams and keepalive belong to the loop thread; the
 * queue of outgoing frames has a lock.  Clients are reference counted: calls
 * and event registrations hold them while the connection may be long gone.
 */
#pragma once

#include "rpc/codec.h"
#include "rpc/peer.h"
#include "rpc/worker.h"
#include "util/ev_loop.h"

typedef struct RpcServer RpcServer;
typedef struct RpcClient RpcClient;
typedef struct RpcCall RpcCall;
typedef struct RpcStream RpcStream;

typedef enum RpcVerdict {
    CALL_DONE,   /* the result is filled in */
    CALL_FAILED, /* the error is set */
    CALL_PENDING /* rpc_call_complete() follows, or happened already */
} RpcVerdict;

/* The result struct is zeroed, may be filled until completion, and is freed by
 * its codec. */
typedef RpcVerdict (*RpcHandler)(RpcCall *call, gconstpointer args,
                                 gpointer ret, GError **error);
typedef gboolean (*RpcCheck)(RpcCall *call, gconstpointer args, GError **error);

enum {
    RPC_PROC_HIGH = 1 << 0,     /* served by the priority workers too */
    RPC_PROC_READONLY = 1 << 1, /* allowed on a read-only connection */
    RPC_PROC_NOAUTH = 1 << 2,   /* allowed before authentication */
    RPC_PROC_NOOPEN = 1 << 3    /* allowed before the connection is opened */
};

/* One procedure; a row of a program's table. */
typedef struct RpcProc {
    int number;
    const char *api; /* public function, as messages name it */
    int from;        /* virErrorDomain of refusals */
    guint flags;
    Codec args;
    Codec ret;
    RpcHandler handler; /* NULL: known, not supported */
    RpcCheck check;     /* rule that depends on arguments; NULL: none */
} RpcProc;

typedef struct RpcProgram {
    guint32 number;
    guint32 version;
    const RpcProc *procs; /* sorted by number */
    gsize nprocs;
} RpcProgram;

typedef struct RpcServerConfig {
    guint max_clients;
    guint max_anonymous_clients;
    guint max_client_requests;
    guint min_workers;
    guint max_workers;
    guint prio_workers;
    int keepalive_interval_s; /* <= 0: the server sends no pings */
    guint keepalive_count;
    guint auth_timeout_ms; /* an idle client that never authenticates */
    gsize max_queue_bytes; /* unsent, beyond which a client is cut off */
} RpcServerConfig;

#define RPC_SERVER_CONFIG_INIT                                                 \
    {                                                                          \
        .max_clients = 5000, .max_anonymous_clients = 20,                      \
        .max_client_requests = 5, .min_workers = 5, .max_workers = 20,         \
        .prio_workers = 5, .keepalive_interval_s = 5, .keepalive_count = 5,    \
        .auth_timeout_ms = 60000, .max_queue_bytes = 256u << 20                \
    }

/* What the owner of the server adds; all called on the loop thread. */
typedef struct RpcServerHooks {
    /* Returns the client's data; see rpc_client_data(). */
    gpointer (*connected)(gpointer user, RpcClient *client);
    /* The connection is gone; calls may still run and use the data. */
    void (*disconnected)(gpointer user, RpcClient *client, gpointer data);
    /* Nobody uses the data any more; any thread. */
    void (*data_free)(gpointer data);
    /* The number of connected clients changed. */
    void (*clients)(gpointer user, guint count);
    /* Has the connection been opened?  Any thread. */
    gboolean (*is_open)(gpointer data);
} RpcServerHooks;

/**
 * rpc_server_new() - Make a server that does not listen yet
 * @loop:     runs the sockets; outlives the server and its calls
 * @config:   limits
 * @programs: NULL-terminated; static storage
 * @hooks:    static storage
 * @user:     for the hooks
 */
RpcServer *rpc_server_new(EvLoop *loop, const RpcServerConfig *config,
                          const RpcProgram *const *programs,
                          const RpcServerHooks *hooks, gpointer user,
                          GError **error);

/* Adds a listening socket (owned); before rpc_server_start(). */
void rpc_server_add_listener(RpcServer *server, int fd, gboolean readonly,
                             RpcAuth auth);
/* Begins to accept. */
void rpc_server_start(RpcServer *server);
/* Closes listeners and clients and joins the workers; not from the loop. */
void rpc_server_stop(RpcServer *server);
/* After rpc_server_stop(), or for one that was never started. */
void rpc_server_unref(RpcServer *server);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RpcServer, rpc_server_unref)

WorkerPool *rpc_server_workers(RpcServer *server);
EvLoop *rpc_server_loop(RpcServer *server);
gpointer rpc_server_user(RpcServer *server);

/* ---- what an administrator asks ---- */

typedef struct RpcClientInfo {
    guint64 id;   /* from 1, never used twice */
    gint64 since; /* seconds of the epoch */
    gboolean readonly;
    RpcPeer peer;
} RpcClientInfo;

typedef struct RpcServerLimits {
    guint max_clients;
    guint clients;
    guint max_anonymous;
    guint anonymous;
} RpcServerLimits;

/* Array of RpcClientInfo.  These are not for the loop thread. */
GArray *rpc_server_list_clients(RpcServer *server);
/* FALSE: there is no such client. */
gboolean rpc_server_close_client(RpcServer *server, guint64 id);
void rpc_server_get_limits(RpcServer *server, RpcServerLimits *ret_limits);
void rpc_server_set_limits(RpcServer *server, guint max_clients,
                           guint max_anonymous);

/* ---- clients ---- */

RpcClient *rpc_client_ref(RpcClient *client);
void rpc_client_unref(RpcClient *client);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RpcClient, rpc_client_unref)

RpcServer *rpc_client_server(RpcClient *client);
/* The connection is gone: what is queued is dropped. */
gboolean rpc_client_is_closed(RpcClient *client);
gpointer rpc_client_data(RpcClient *client);
const RpcPeer *rpc_client_peer(RpcClient *client);
gboolean rpc_client_is_readonly(RpcClient *client);
/* Sticky: there is no way back. */
void rpc_client_set_readonly(RpcClient *client);
/* The client asked for keepalive: the server may send pings from now on. */
void rpc_client_arm_keepalive(RpcClient *client);
/* No more frames are read; the connection ends when all is written. */
void rpc_client_close_after_flush(RpcClient *client);

/**
 * rpc_client_send_message() - Queue a MESSAGE, as events are; any thread
 * @prog:  program
 * @proc:  procedure number
 * @codec: layout of @data
 *
 * A connection that is gone swallows it; so does a message over a limit, which
 * is logged.
 */
void rpc_client_send_message(RpcClient *client, guint32 prog, int proc,
                             const Codec *codec, gconstpointer data);

/* ---- authentication ---- */

RpcAuth rpc_client_auth(RpcClient *client);
gboolean rpc_client_is_authenticated(RpcClient *client);
void rpc_client_set_authenticated(RpcClient *client);

/* ---- calls ---- */

RpcClient *rpc_call_client(RpcCall *call);
const RpcProc *rpc_call_proc(RpcCall *call);
/* The result struct, until completion. */
gpointer rpc_call_ret(RpcCall *call);
/* The decoded arguments, until completion. */
gconstpointer rpc_call_args(RpcCall *call);

/**
 * rpc_call_complete() - Answer a pending call
 * @call:  gone after this
 * @error: borrowed; NULL: the result struct is the answer
 *
 * Once a call; any thread.
 */
void rpc_call_complete(RpcCall *call, const GError *error);

guint rpc_call_nfds(RpcCall *call);
/* Takes a descriptor that came with the call; -1: none or taken. */
int rpc_call_take_fd(RpcCall *call, guint index);
/* Sends a descriptor with the reply; taken over. */
void rpc_call_add_fd(RpcCall *call, int fd);
