/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Calls: from a frame to a handler and back to a reply. */
#include <config.h>

#include <string.h>
#include <unistd.h>

#include "rpc/server_priv.h"
#include "rpc/wire_error.h"
#include "util/error.h"
#include "util/log.h"

static void fds_close(int *fds, guint *nfds)
{
    for (guint i = 0; i < *nfds; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
    }
    *nfds = 0;
}

static void call_free(RpcCall *call)
{
    if (call->proc) {
        codec_free(&call->proc->args, call->args);
        codec_free(&call->proc->ret, call->ret);
    }
    fds_close(call->fds, &call->nfds);
    fds_close(call->out_fds, &call->n_out_fds);
    g_free(call->data);
    rpc_client_unref(call->client);
    g_free(call);
}

static RpcHeader reply_header(const RpcCall *call, RpcType type,
                              RpcStatus status)
{
    RpcHeader header = call->header;

    header.type = type;
    header.status = status;
    return header;
}

static RpcFrame *error_frame(const RpcCall *call, const GError *error)
{
    RpcHeader header = reply_header(call, RPC_TYPE_REPLY, RPC_STATUS_ERROR);
    wire_error *wire = codec_new(&wire_error_codec);
    RpcFrame *frame;

    wire_error_fill(wire, error);
    /* its strings are bounded, so that this cannot fail */
    frame = rpc_frame_new(&header, &wire_error_codec, wire, NULL, 0, NULL);
    codec_free(&wire_error_codec, wire);
    return frame;
}

static RpcFrame *result_frame(RpcCall *call, GError **error)
{
    RpcHeader header = reply_header(
        call, call->n_out_fds ? RPC_TYPE_REPLY_WITH_FDS : RPC_TYPE_REPLY,
        RPC_STATUS_OK);
    RpcFrame *frame = rpc_frame_new(&header, &call->proc->ret, call->ret,
                                    call->out_fds, call->n_out_fds, error);

    if (frame)
        call->n_out_fds = 0; /* the frame owns them now */
    return frame;
}

void rpc_call_complete(RpcCall *call, const GError *error)
{
    g_autoptr(GError) own = NULL;
    RpcFrame *frame = NULL;

    if (!error)
        frame = result_frame(call, &own);
    if (!frame) {
        log_gerror(error ? error : own);
        frame = error_frame(call, error ? error : own);
    }
    rpc_client_queue(call->client, frame, RPC_TX_REPLY, NULL);
    call_free(call);
}

static gboolean call_admit(RpcCall *call, GError **error)
{
    const RpcServerHooks *hooks = call->client->server->hooks;
    const RpcProc *proc = call->proc;

    if (!(proc->flags & (RPC_PROC_NOOPEN | RPC_PROC_NOAUTH)) &&
        hooks->is_open && !hooks->is_open(call->client->data))
        return vir_error_set_from(error, VIR_FROM_RPC, VIR_ERR_INTERNAL_ERROR,
                                  "connection not open");
    if (!(proc->flags & RPC_PROC_READONLY) &&
        rpc_client_is_readonly(call->client))
        return vir_error_set_from(error, proc->from, VIR_ERR_OPERATION_DENIED,
                                  "read only access prevents %s", proc->api);
    if (!proc->handler)
        return vir_error_set_from(error, proc->from, VIR_ERR_NO_SUPPORT, "%s",
                                  proc->api);
    return codec_decode(&proc->args, call->data + call->offset,
                        call->len - call->offset, &call->args, error) &&
           (!proc->check || proc->check(call, call->args, error));
}

/* A worker's job. */
static void call_run(gpointer user)
{
    RpcCall *call = user;
    g_autoptr(GError) error = NULL;
    RpcVerdict verdict = CALL_FAILED;

    if (call_admit(call, &error)) {
        call->ret = codec_new(&call->proc->ret);
        verdict = call->proc->handler(call, call->args, call->ret, &error);
    }
    if (verdict == CALL_PENDING)
        return;
    if (verdict == CALL_FAILED && !error)
        vir_error_set_from(&error, VIR_FROM_RPC, VIR_ERR_INTERNAL_ERROR,
                           "%s failed and gave no reason", call->proc->api);
    rpc_call_complete(call, error);
}

static int proc_compare(const void *key, const void *row)
{
    int number = *(const int *)key;
    const RpcProc *proc = row;

    return number < proc->number ? -1 : number > proc->number;
}

static const RpcProgram *program_find(const RpcServer *server, guint32 number)
{
    for (const RpcProgram *const *p = server->programs; *p; p++) {
        if ((*p)->number == number)
            return *p;
    }
    return NULL;
}

static gboolean call_resolve(RpcCall *call, GError **error)
{
    const RpcHeader *h = &call->header;
    const RpcProgram *program = program_find(call->client->server, h->prog);
    const RpcProc *proc;

    if (!program || program->version != h->vers)
        return vir_error_set_from(error, VIR_FROM_RPC, VIR_ERR_RPC,
                                  "unknown program 0x%x version %u", h->prog,
                                  h->vers);
    if (h->status != RPC_STATUS_OK)
        return vir_error_set_from(error, VIR_FROM_RPC, VIR_ERR_RPC,
                                  "a call must have status 0, not %u",
                                  h->status);
    proc = bsearch(&h->proc, program->procs, program->nprocs, sizeof(RpcProc),
                   proc_compare);
    if (!proc)
        return vir_error_set_from(error, VIR_FROM_RPC, VIR_ERR_RPC,
                                  "unknown procedure: %d", h->proc);
    if (!(proc->flags & RPC_PROC_NOAUTH) &&
        !rpc_client_is_authenticated(call->client))
        return vir_error_set_from(error, VIR_FROM_RPC, VIR_ERR_RPC,
                                  "authentication required before %s",
                                  proc->api);
    call->program = program;
    call->proc = proc;
    return TRUE;
}

void rpc_call_start(RpcClient *client, const RpcHeader *header, guint8 *data,
                    gsize len, gsize offset, int *fds, guint nfds)
{
    RpcCall *call = g_new0(RpcCall, 1);
    g_autoptr(GError) error = NULL;

    call->client = rpc_client_ref(client);
    call->header = *header;
    call->data = data;
    call->len = len;
    call->offset = offset;
    memcpy(call->fds, fds, nfds * sizeof(*fds));
    call->nfds = nfds;
    client->requests++;
    if (!call_resolve(call, &error)) {
        rpc_call_complete(call, error);
        return;
    }
    worker_pool_push(client->server->workers,
                     (call->proc->flags & RPC_PROC_HIGH) != 0, call_run, call);
}

RpcClient *rpc_call_client(RpcCall *call)
{
    return call->client;
}

const RpcProc *rpc_call_proc(RpcCall *call)
{
    return call->proc;
}

gpointer rpc_call_ret(RpcCall *call)
{
    return call->ret;
}

gconstpointer rpc_call_args(RpcCall *call)
{
    return call->args;
}

guint rpc_call_nfds(RpcCall *call)
{
    return call->nfds;
}

int rpc_call_take_fd(RpcCall *call, guint index)
{
    int fd = -1;

    if (index < call->nfds) {
        fd = call->fds[index];
        call->fds[index] = -1;
    }
    return fd;
}

void rpc_call_add_fd(RpcCall *call, int fd)
{
    g_assert(call->n_out_fds < RPC_FDS_MAX);
    call->out_fds[call->n_out_fds++] = fd;
}

/* ---- the answer that opens a stream ---- */

typedef struct StreamOpening {
    RpcCall *call;     /* owned */
    RpcStream *stream; /* reference */
} StreamOpening;

/* On the loop thread, so that no packet can overtake the reply. */
static void stream_open(gpointer user)
{
    StreamOpening *opening = user;
    RpcStream *stream = opening->stream;
    RpcClient *client = opening->call->client;
    gpointer key = GUINT_TO_POINTER(stream->header.serial);

    if (client->fd >= 0 && !g_hash_table_contains(client->streams, key)) {
        g_hash_table_insert(client->streams, key, rpc_stream_ref(stream));
        rpc_call_complete(opening->call, NULL);
        stream->ops->opened(stream->user, stream);
    } else {
        stream->ended = TRUE;
        stream->ops->closed(stream->user);
        rpc_call_complete(opening->call, NULL);
    }
    rpc_stream_unref(stream);
    g_free(opening);
}

void rpc_call_complete_stream(RpcCall *call, const RpcStreamOps *ops,
                              gpointer user)
{
    StreamOpening *opening = g_new0(StreamOpening, 1);
    RpcStream *stream = g_new0(RpcStream, 1);

    stream->refs = 1;
    stream->client = rpc_client_ref(call->client);
    stream->header = reply_header(call, RPC_TYPE_STREAM, RPC_STATUS_CONTINUE);
    stream->ops = ops;
    stream->user = user;
    opening->call = call;
    opening->stream = stream;
    ev_loop_post(call->client->server->loop, stream_open, opening);
}
