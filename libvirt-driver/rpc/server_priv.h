/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Insides of the server that its files share. */
#pragma once

#include "rpc/server.h"
#include "rpc/stream.h"

/* Frames of a client that is not authenticated need not be large. */
#define RPC_ANONYMOUS_MESSAGE_MAX 65536u

typedef enum RpcTxKind {
    RPC_TX_OTHER,
    RPC_TX_REPLY, /* its writing ends an outstanding request */
    RPC_TX_STREAM /* its writing lets the stream go on */
} RpcTxKind;

/* A frame that waits to be written. */
typedef struct RpcTx {
    RpcFrame *frame; /* owned */
    RpcTxKind kind;
    RpcStream *stream; /* reference, RPC_TX_STREAM only */
    gsize written;
    guint fds_written;
} RpcTx;

/* A frame that is being read. */
typedef struct RpcRx {
    guint8 *data; /* owned */
    gsize have;
    gsize want; /* bytes of the frame, RPC_LEN_BYTES until known */
    gsize alloc;
    gboolean in_fds;
    guint nfds_want;
    int fds[RPC_FDS_MAX];
    guint nfds;
} RpcRx;

struct RpcServer {
    gint refs;
    EvLoop *loop; /* borrowed */
    RpcServerConfig config;
    const RpcProgram *const *programs;
    const RpcServerHooks *hooks;
    gpointer user;
    WorkerPool *workers; /* owned */

    /* loop thread only */
    GPtrArray *listeners; /* of RpcListener, owned */
    GHashTable *clients;  /* set of RpcClient, one reference each */
    guint64 next_id;
    guint anonymous;    /* clients not yet authenticated */
    gboolean listening; /* FALSE: suspended by a limit */
    EvTimer *retry;     /* accept failed for want of descriptors */
};

struct RpcClient {
    gint refs;
    RpcServer *server; /* reference */
    guint64 id;
    gint64 since; /* seconds of the epoch */
    RpcPeer peer;
    RpcAuth auth;
    gint readonly;      /* atomic */
    gint authenticated; /* atomic */
    gpointer data;      /* of the hooks */

    /* loop thread only */
    int fd; /* -1: closed */
    EvWatch *watch;
    RpcRx rx;
    guint requests;
    gboolean closing; /* after the queue is written */
    gboolean want_out;
    GHashTable *streams; /* serial -> RpcStream, one reference each */
    EvTimer *auth_timer;
    EvTimer *ping_timer;
    gint64 last_rx_us;
    guint pings_sent;

    GMutex lock;
    GQueue tx;        /* of RpcTx */
    gsize tx_bytes;   /* in tx */
    gboolean kicked;  /* the loop was asked to write */
    gboolean tx_dead; /* closed: frames are dropped */
};

struct RpcCall {
    RpcClient *client; /* reference */
    const RpcProgram *program;
    const RpcProc *proc;
    RpcHeader header;
    guint8 *data; /* owned: the frame */
    gsize len;
    gsize offset;  /* of the payload */
    gpointer args; /* owned, by its codec */
    gpointer ret;  /* owned, by its codec */
    int fds[RPC_FDS_MAX];
    guint nfds;
    int out_fds[RPC_FDS_MAX];
    guint n_out_fds;
};

struct RpcStream {
    gint refs;
    RpcClient *client; /* reference */
    RpcHeader header;  /* of its packets */
    const RpcStreamOps *ops;
    gpointer user;
    gboolean busy;  /* a packet is queued */
    gboolean eof;   /* we sent the end of our data */
    gboolean ended; /* nothing may be sent any more */
};

/* client.c; loop thread unless said otherwise */
RpcClient *rpc_client_new(RpcServer *server, int fd, gboolean readonly,
                          RpcAuth auth);
gboolean rpc_client_watch(RpcClient *client);
void rpc_client_close(RpcClient *client, const char *why);
void rpc_client_io(gpointer user, guint32 events);
void rpc_client_update_events(RpcClient *client);
void rpc_client_request_done(RpcClient *client);
/* any thread; takes the frame and the stream reference */
void rpc_client_queue(RpcClient *client, RpcFrame *frame, RpcTxKind kind,
                      RpcStream *stream);

/* client_io.c */
void rpc_client_read(RpcClient *client);
void rpc_client_write(RpcClient *client);
void rpc_tx_free(gpointer data);
void rpc_rx_clear(RpcRx *rx);

/* keepalive.c */
void rpc_keepalive_frame(RpcClient *client, const RpcHeader *header);
void rpc_keepalive_stop(RpcClient *client);

/* call.c: takes data and descriptors */
void rpc_call_start(RpcClient *client, const RpcHeader *header, guint8 *data,
                    gsize len, gsize offset, int *fds, guint nfds);

/* stream.c */
void rpc_stream_frame(RpcClient *client, const RpcHeader *header,
                      const guint8 *data, gsize len);
void rpc_stream_written(RpcStream *stream);
void rpc_stream_lost(RpcStream *stream);
RpcStream *rpc_stream_ref(RpcStream *stream);
void rpc_stream_unref(gpointer stream);

/* server.c */
void rpc_server_client_gone(RpcServer *server, RpcClient *client);
void rpc_server_authenticated(RpcServer *server);
void rpc_server_limits_changed(RpcServer *server);
