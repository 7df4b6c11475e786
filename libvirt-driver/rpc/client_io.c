/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bytes of a client: cutting frames out, writing frames. */
#include <config.h>

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rpc/server_priv.h"
#include "util/error.h"
#include "util/log.h"

/* Frames taken from one client before the others get their turn. */
#define READ_BUDGET_FRAMES 16
#define RX_CHUNK_BYTES     65536u

void rpc_rx_clear(RpcRx *rx)
{
    for (guint i = 0; i < rx->nfds; i++)
        close(rx->fds[i]);
    g_free(rx->data);
    memset(rx, 0, sizeof(*rx));
    rx->want = RPC_LEN_BYTES;
}

void rpc_tx_free(gpointer data)
{
    RpcTx *tx = data;

    rpc_frame_free(tx->frame);
    if (tx->stream)
        rpc_stream_unref(tx->stream);
    g_free(tx);
}

static guint32 rx_length(const RpcRx *rx)
{
    guint32 be;

    memcpy(&be, rx->data, sizeof(be));
    return GUINT32_FROM_BE(be);
}

/* The buffer grows with what arrives, not with what was announced. */
static void rx_reserve(RpcRx *rx)
{
    gsize need = MIN(rx->want, MAX(2 * rx->have, RX_CHUNK_BYTES));

    if (rx->have < rx->alloc)
        return;
    rx->alloc = MAX(need, RPC_LEN_BYTES);
    rx->data = g_realloc(rx->data, rx->alloc);
}

/* The length word is complete: is it legal? */
static gboolean rx_length_ok(RpcClient *client)
{
    RpcRx *rx = &client->rx;
    guint32 len = rx_length(rx);
    guint32 max = rpc_client_is_authenticated(client)
                      ? RPC_MESSAGE_MAX
                      : RPC_ANONYMOUS_MESSAGE_MAX;

    if (len < RPC_LEN_BYTES + RPC_HEADER_BYTES || len - RPC_LEN_BYTES > max)
        return FALSE;
    rx->want = len;
    return TRUE;
}

static void frame_deliver(RpcClient *client, const RpcHeader *header,
                          gsize offset)
{
    RpcRx rx = client->rx;

    memset(&client->rx, 0, sizeof(client->rx));
    client->rx.want = RPC_LEN_BYTES;
    switch (header->type) {
    case RPC_TYPE_CALL:
    case RPC_TYPE_CALL_WITH_FDS:
        rpc_call_start(client, header, rx.data, rx.have, offset, rx.fds,
                       rx.nfds);
        return;
    case RPC_TYPE_STREAM:
    case RPC_TYPE_STREAM_HOLE:
        rpc_stream_frame(client, header, rx.data + offset, rx.have - offset);
        break;
    default:
        log_debug("dropped a frame of type %u, procedure %d", header->type,
                  header->proc);
        break;
    }
    rpc_rx_clear(&rx);
}

/* A frame and its descriptors are there. */
static void frame_done(RpcClient *client)
{
    RpcHeader header;
    gsize offset;
    guint nfds;

    if (!rpc_header_decode(client->rx.data, client->rx.have, &header, &nfds,
                           &offset)) {
        rpc_client_close(client, "it sent a malformed header");
        return;
    }
    client->last_rx_us = g_get_monotonic_time();
    client->pings_sent = 0;
    if (header.prog == RPC_PROGRAM_KEEPALIVE) {
        rpc_rx_clear(&client->rx);
        rpc_keepalive_frame(client, &header);
        return;
    }
    frame_deliver(client, &header, offset);
}

/* One descriptor on one byte.  Return: 1 got it, 0 not yet, -1 broken */
static int rx_fd(RpcClient *client)
{
    union {
        char bytes[CMSG_SPACE(RPC_FDS_MAX * sizeof(int))];
        struct cmsghdr align;
    } control;
    char byte;
    struct iovec iov = { &byte, 1 };
    struct msghdr msg = { .msg_iov = &iov,
                          .msg_iovlen = 1,
                          .msg_control = control.bytes,
                          .msg_controllen = sizeof(control.bytes) };
    ssize_t n = recvmsg(client->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    RpcRx *rx = &client->rx;
    guint got = 0;
    int fds[RPC_FDS_MAX];

    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
        guint count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        for (guint i = 0; i < count && got < RPC_FDS_MAX; i++)
            memcpy(&fds[got++], CMSG_DATA(c) + i * sizeof(int), sizeof(int));
    }
    if (n == 1 && got == 1 && !(msg.msg_flags & MSG_CTRUNC)) {
        rx->fds[rx->nfds++] = fds[0];
        return 1;
    }
    while (got > 0)
        close(fds[--got]);
    return -1;
}

/* Return: 1 go on, 0 not yet, -1 the connection is over */
static int rx_bytes(RpcClient *client)
{
    RpcRx *rx = &client->rx;
    ssize_t n;

    rx_reserve(rx);
    n = recv(client->fd, rx->data + rx->have,
             MIN(rx->alloc, rx->want) - rx->have, MSG_DONTWAIT);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    if (n == 0)
        return -1;
    rx->have += n;
    return 1;
}

/* The bytes that were wanted are there: what next?  Return: FALSE: closed */
static gboolean rx_advance(RpcClient *client, int *frames)
{
    RpcRx *rx = &client->rx;
    RpcHeader header;
    gsize offset;

    if (rx->want == RPC_LEN_BYTES) {
        if (rx_length_ok(client))
            return TRUE;
        rpc_client_close(client, "it sent a frame of a forbidden length");
        return FALSE;
    }
    if (!rx->in_fds) {
        if (!rpc_header_decode(rx->data, rx->have, &header, &rx->nfds_want,
                               &offset)) {
            rpc_client_close(client, "it sent a malformed header");
            return FALSE;
        }
        rx->in_fds = TRUE;
    }
    if (rx->nfds == rx->nfds_want) {
        (*frames)++;
        frame_done(client);
    }
    return client->fd >= 0;
}

static gboolean may_read(const RpcClient *client)
{
    return client->fd >= 0 && !client->closing &&
           client->requests < client->server->config.max_client_requests;
}

void rpc_client_read(RpcClient *client)
{
    RpcRx *rx = &client->rx;
    int frames = 0;
    int r;

    while (frames < READ_BUDGET_FRAMES && may_read(client)) {
        r = rx->in_fds ? rx_fd(client) : rx_bytes(client);
        if (r < 0) {
            rpc_client_close(client,
                             rx->have ? "its last frame is incomplete" : NULL);
            return;
        }
        if (r == 0)
            break;
        if (rx->have == rx->want && !rx_advance(client, &frames))
            return;
    }
    rpc_client_update_events(client);
}

/* Return: 1 all written, 0 not yet, -1 broken */
static int tx_write(RpcClient *client, RpcTx *tx)
{
    RpcFrame *frame = tx->frame;

    while (tx->written < frame->len) {
        ssize_t n = send(client->fd, frame->data + tx->written,
                         frame->len - tx->written, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? 0 : -1;
        tx->written += n;
    }
    while (tx->fds_written < frame->nfds) {
        union {
            char bytes[CMSG_SPACE(sizeof(int))];
            struct cmsghdr align;
        } control = { { 0 } };
        char byte = 0;
        struct iovec iov = { &byte, 1 };
        struct msghdr msg = { .msg_iov = &iov,
                              .msg_iovlen = 1,
                              .msg_control = control.bytes,
                              .msg_controllen = sizeof(control.bytes) };
        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &frame->fds[tx->fds_written], sizeof(int));
        if (sendmsg(client->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
            if (errno == EINTR)
                continue;
            return errno == EAGAIN ? 0 : -1;
        }
        tx->fds_written++;
    }
    return 1;
}

static void tx_done(RpcClient *client, RpcTx *tx)
{
    if (tx->kind == RPC_TX_REPLY)
        rpc_client_request_done(client);
    if (tx->kind == RPC_TX_STREAM)
        rpc_stream_written(tx->stream);
    rpc_tx_free(tx);
}

/* The head stays ours alone: other threads only append. */
static RpcTx *tx_head(RpcClient *client)
{
    RpcTx *tx;

    g_mutex_lock(&client->lock);
    tx = g_queue_peek_head(&client->tx);
    g_mutex_unlock(&client->lock);
    return tx;
}

static void tx_pop(RpcClient *client, RpcTx *tx)
{
    g_mutex_lock(&client->lock);
    g_queue_pop_head(&client->tx);
    client->tx_bytes -= tx->frame->len;
    g_mutex_unlock(&client->lock);
}

void rpc_client_write(RpcClient *client)
{
    RpcTx *tx;
    int r = 1;

    while (client->fd >= 0 && (tx = tx_head(client))) {
        r = tx_write(client, tx);
        if (r <= 0)
            break;
        tx_pop(client, tx);
        tx_done(client, tx);
    }
    if (client->fd < 0)
        return;
    if (r < 0 || (r > 0 && client->closing)) {
        rpc_client_close(client, NULL);
        return;
    }
    client->want_out = r == 0;
    rpc_client_update_events(client);
}
