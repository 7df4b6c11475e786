/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Streams: bytes in both directions under the number of the call that opened
 * them.
 *
 * A stream starts when its call is answered by rpc_call_complete_stream().  All
 * else happens on the loop thread.  At most one packet is queued towards the
 * client; `writable` says when the next may follow.  Packets of the client
 * count as outstanding requests until rpc_stream_consumed().
 *
 * Ends: the server's data ends (rpc_stream_send_eof, the client then
 * finishes), the client finishes or aborts, the server fails
 * (rpc_stream_fail), or the connection is lost.  `closed` is called exactly
 * once in all cases and is the last call.
 */
#pragma once

#include "rpc/server.h"

typedef struct RpcStreamOps {
    /* The stream is open; packets may be sent. */
    void (*opened)(gpointer user, RpcStream *stream);
    /* A packet arrived: take the bytes, call rpc_stream_consumed() later. */
    void (*packet)(gpointer user, RpcStream *stream, GBytes *bytes);
    /* The queued packet was written; the next may be sent. */
    void (*writable)(gpointer user, RpcStream *stream);
    /* The client has no more data: write out what is there. */
    void (*finish)(gpointer user, RpcStream *stream);
    /* The stream is over; frees @user.  Any thread when it never opened. */
    void (*closed)(gpointer user);
} RpcStreamOps;

/**
 * rpc_call_complete_stream() - Answer a call successfully and open its stream
 * @call: pending call, gone after this
 * @ops:  static storage
 * @user: owned by the stream, freed by ops->closed
 */
void rpc_call_complete_stream(RpcCall *call, const RpcStreamOps *ops,
                              gpointer user);

/* FALSE: a packet is still queued. */
gboolean rpc_stream_can_send(RpcStream *stream);
/* @len is 1 to RPC_STREAM_PACKET_MAX. */
void rpc_stream_send(RpcStream *stream, gconstpointer data, gsize len);
void rpc_stream_send_eof(RpcStream *stream);
void rpc_stream_consumed(RpcStream *stream);
void rpc_stream_fail(RpcStream *stream, const GError *error);
EvLoop *rpc_stream_loop(RpcStream *stream);

/* ---- a stream that is a descriptor: console, channel ---- */

typedef struct RpcFdStream RpcFdStream;

/**
 * rpc_fd_stream_new() - Join a call's stream with a descriptor
 * @fd:     non-blocking, borrowed until @closed
 * @closed: the stream is over: close the descriptor; once, loop thread
 *
 * Give it to rpc_fd_stream_open(), or to rpc_fd_stream_unref() when the call
 * fails, which then calls @closed.
 */
RpcFdStream *rpc_fd_stream_new(EvLoop *loop, int fd,
                               void (*closed)(gpointer user), gpointer user);
/* Answers the call; takes the caller's reference. */
void rpc_fd_stream_open(RpcFdStream *fs, RpcCall *call);
/* The other side is gone: what was read is sent, then end of data.  Any
 * thread; before or after opening. */
void rpc_fd_stream_hangup(RpcFdStream *fs);
RpcFdStream *rpc_fd_stream_ref(RpcFdStream *fs);
void rpc_fd_stream_unref(RpcFdStream *fs);
