/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Streams: packets in both directions under the number of a call. */
#include <config.h>

#include "rpc/stream.h"

#include "rpc/server_priv.h"
#include "rpc/wire_error.h"
#include "util/log.h"

RpcStream *rpc_stream_ref(RpcStream *stream)
{
    g_atomic_int_inc(&stream->refs);
    return stream;
}

void rpc_stream_unref(gpointer data)
{
    RpcStream *stream = data;

    if (!g_atomic_int_dec_and_test(&stream->refs))
        return;
    rpc_client_unref(stream->client);
    g_free(stream);
}

EvLoop *rpc_stream_loop(RpcStream *stream)
{
    return stream->client->server->loop;
}

static gpointer stream_key(const RpcStream *stream)
{
    return GUINT_TO_POINTER(stream->header.serial);
}

/* Takes the stream off its client; the last call to its owner. */
static void stream_end(RpcStream *stream)
{
    if (stream->ended)
        return;
    stream->ended = TRUE;
    rpc_stream_ref(stream);
    g_hash_table_remove(stream->client->streams, stream_key(stream));
    stream->ops->closed(stream->user);
    rpc_stream_unref(stream);
}

void rpc_stream_lost(RpcStream *stream)
{
    stream_end(stream);
}

static void stream_queue(RpcStream *stream, RpcStatus status,
                         gconstpointer data, gsize len, RpcTxKind kind)
{
    RpcHeader header = stream->header;
    RpcStream *holder = NULL;

    header.status = status;
    if (kind == RPC_TX_STREAM)
        holder = rpc_stream_ref(stream);
    rpc_client_queue(stream->client, rpc_frame_new_raw(&header, data, len),
                     kind, holder);
}

gboolean rpc_stream_can_send(RpcStream *stream)
{
    return !stream->busy && !stream->eof && !stream->ended;
}

void rpc_stream_send(RpcStream *stream, gconstpointer data, gsize len)
{
    g_assert(rpc_stream_can_send(stream));
    g_assert(len > 0 && len <= RPC_STREAM_PACKET_MAX);
    stream->busy = TRUE;
    stream_queue(stream, RPC_STATUS_CONTINUE, data, len, RPC_TX_STREAM);
}

void rpc_stream_send_eof(RpcStream *stream)
{
    if (stream->ended || stream->eof)
        return;
    stream->eof = TRUE;
    stream_queue(stream, RPC_STATUS_CONTINUE, NULL, 0, RPC_TX_OTHER);
}

void rpc_stream_written(RpcStream *stream)
{
    stream->busy = FALSE;
    if (!stream->ended && !stream->eof)
        stream->ops->writable(stream->user, stream);
}

void rpc_stream_consumed(RpcStream *stream)
{
    rpc_client_request_done(stream->client);
}

void rpc_stream_fail(RpcStream *stream, const GError *error)
{
    RpcHeader header = stream->header;
    wire_error *wire;
    RpcFrame *frame;

    if (stream->ended)
        return;
    header.status = RPC_STATUS_ERROR;
    wire = codec_new(&wire_error_codec);
    wire_error_fill(wire, error);
    frame = rpc_frame_new(&header, &wire_error_codec, wire, NULL, 0, NULL);
    codec_free(&wire_error_codec, wire);
    rpc_client_queue(stream->client, frame, RPC_TX_OTHER, NULL);
    stream_end(stream);
}

static void stream_packet(RpcStream *stream, const guint8 *data, gsize len)
{
    g_autoptr(GBytes) bytes = NULL;

    if (len == 0)
        return;
    bytes = g_bytes_new(data, len);
    stream->client->requests++;
    stream->ops->packet(stream->user, stream, bytes);
}

/* The client is through, or gave up: either way we confirm with OK. */
static void stream_client_end(RpcStream *stream, gboolean finish)
{
    if (finish)
        stream->ops->finish(stream->user, stream);
    if (stream->ended)
        return;
    stream_queue(stream, RPC_STATUS_OK, NULL, 0, RPC_TX_OTHER);
    stream_end(stream);
}

void rpc_stream_frame(RpcClient *client, const RpcHeader *header,
                      const guint8 *data, gsize len)
{
    RpcStream *stream =
        g_hash_table_lookup(client->streams, GUINT_TO_POINTER(header->serial));

    /* It may still be sending after an end that it did not see yet. */
    if (!stream || stream->header.prog != header->prog ||
        stream->header.proc != header->proc)
        return;
    if (header->type == RPC_TYPE_STREAM_HOLE) {
        rpc_client_close(client, "it sent a hole on a stream without holes");
        return;
    }
    rpc_stream_ref(stream);
    switch (header->status) {
    case RPC_STATUS_CONTINUE:
        stream_packet(stream, data, len);
        break;
    case RPC_STATUS_OK:
    case RPC_STATUS_ERROR:
        stream_client_end(stream, header->status == RPC_STATUS_OK);
        break;
    default:
        rpc_client_close(client, "it sent a stream packet of unknown status");
        break;
    }
    rpc_stream_unref(stream);
}
