/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A stream that is a descriptor: console, channel. */
#include <config.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "rpc/stream.h"

#define FD_READ_BYTES 65536
/* What is still read after a hang-up: the guest's last words, but not what it
 * tells the next client. */
#define HANGUP_READS 4

struct RpcFdStream {
    gint refs;
    EvLoop *loop; /* borrowed */
    int fd;       /* borrowed until closed() */
    void (*closed)(gpointer user);
    gpointer user;

    /* loop thread only */
    RpcStream *stream; /* borrowed from the client; NULL: not open, or over */
    EvWatch *watch;    /* NULL: waiting for nothing */
    guint32 events;    /* of the watch */
    GQueue pending;    /* of GBytes: towards the descriptor */
    gsize offset;      /* into the first of them */
    gboolean hung_up;  /* the other side is gone */
    gboolean drained;  /* and nothing is left to read */
    guint last_reads;  /* since it is gone */
};

RpcFdStream *rpc_fd_stream_new(EvLoop *loop, int fd,
                               void (*closed)(gpointer user), gpointer user)
{
    RpcFdStream *fs = g_new0(RpcFdStream, 1);

    fs->refs = 1;
    fs->loop = loop;
    fs->fd = fd;
    fs->closed = closed;
    fs->user = user;
    g_queue_init(&fs->pending);
    return fs;
}

RpcFdStream *rpc_fd_stream_ref(RpcFdStream *fs)
{
    g_atomic_int_inc(&fs->refs);
    return fs;
}

static void fd_release(RpcFdStream *fs)
{
    if (fs->closed)
        fs->closed(fs->user);
    fs->closed = NULL;
    fs->fd = -1;
}

void rpc_fd_stream_unref(RpcFdStream *fs)
{
    if (!g_atomic_int_dec_and_test(&fs->refs))
        return;
    fd_release(fs);
    g_free(fs);
}

static void fd_io(gpointer user, guint32 events);

/* A hang-up is reported whatever is asked for, so that a watch which waits
 * for nothing must not exist. */
static void fd_watch(RpcFdStream *fs)
{
    guint32 events = 0;

    if (fs->stream && !fs->drained && rpc_stream_can_send(fs->stream))
        events |= EPOLLIN;
    if (fs->stream && !fs->hung_up && !g_queue_is_empty(&fs->pending))
        events |= EPOLLOUT;
    if (events == fs->events)
        return;
    fs->events = events;
    if (events && fs->watch) {
        ev_watch_mod(fs->watch, events);
    } else if (events) {
        fs->watch = ev_watch_add(fs->loop, fs->fd, events, fd_io, fs);
        fs->drained = fs->drained || !fs->watch;
    } else {
        g_clear_pointer(&fs->watch, ev_watch_del);
    }
}

static void pending_drop(RpcFdStream *fs)
{
    GBytes *bytes;

    while ((bytes = g_queue_pop_head(&fs->pending))) {
        g_bytes_unref(bytes);
        if (fs->stream)
            rpc_stream_consumed(fs->stream);
    }
    fs->offset = 0;
}

static void fd_write(RpcFdStream *fs)
{
    GBytes *bytes;

    while ((bytes = g_queue_peek_head(&fs->pending))) {
        gsize len;
        const char *data = g_bytes_get_data(bytes, &len);
        ssize_t n = write(fs->fd, data + fs->offset, len - fs->offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0) {
            fs->hung_up = TRUE;
            pending_drop(fs);
            return;
        }
        fs->offset += n;
        if (fs->offset < len)
            continue;
        fs->offset = 0;
        g_bytes_unref(g_queue_pop_head(&fs->pending));
        rpc_stream_consumed(fs->stream);
    }
}

static void fd_read(RpcFdStream *fs)
{
    char buf[FD_READ_BYTES];
    ssize_t n = 0;

    if (!fs->hung_up || fs->last_reads++ < HANGUP_READS)
        n = read(fs->fd, buf, sizeof(buf));
    if (n > 0) {
        rpc_stream_send(fs->stream, buf, n);
        return;
    }
    if (n < 0 && (errno == EINTR || (errno == EAGAIN && !fs->hung_up)))
        return;
    /* End of file; a pty without its other side says EIO. */
    fs->drained = TRUE;
    fs->hung_up = TRUE;
    rpc_stream_send_eof(fs->stream);
}

static void fd_io(gpointer user, guint32 events)
{
    RpcFdStream *fs = rpc_fd_stream_ref(user);

    if (events & EPOLLOUT)
        fd_write(fs);
    if (fs->stream && !fs->drained &&
        (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) &&
        rpc_stream_can_send(fs->stream))
        fd_read(fs);
    fd_watch(fs);
    rpc_fd_stream_unref(fs);
}

static void fs_opened(gpointer user, RpcStream *stream)
{
    RpcFdStream *fs = user;

    fs->stream = stream;
    if (fs->hung_up)
        fd_read(fs);
    fd_watch(fs);
}

static void fs_packet(gpointer user, RpcStream *stream, GBytes *bytes)
{
    RpcFdStream *fs = user;

    if (fs->hung_up) {
        rpc_stream_consumed(stream);
        return;
    }
    g_queue_push_tail(&fs->pending, g_bytes_ref(bytes));
    fd_write(fs);
    fd_watch(fs);
}

static void fs_writable(gpointer user, RpcStream *stream)
{
    RpcFdStream *fs = user;

    if (fs->hung_up && !fs->drained)
        fd_read(fs);
    fd_watch(fs);
}

static void fs_finish(gpointer user, RpcStream *stream)
{
    RpcFdStream *fs = user;

    /* What a stuck guest does not take now is lost with its terminal. */
    fd_write(fs);
}

static void fs_closed(gpointer user)
{
    RpcFdStream *fs = user;

    g_clear_pointer(&fs->watch, ev_watch_del);
    pending_drop(fs);
    fs->stream = NULL;
    fd_release(fs);
    rpc_fd_stream_unref(fs);
}

static const RpcStreamOps fd_stream_ops = {
    .opened = fs_opened,
    .packet = fs_packet,
    .writable = fs_writable,
    .finish = fs_finish,
    .closed = fs_closed,
};

void rpc_fd_stream_open(RpcFdStream *fs, RpcCall *call)
{
    rpc_call_complete_stream(call, &fd_stream_ops, fs);
}

static void hangup_run(gpointer user)
{
    RpcFdStream *fs = user;

    fs->hung_up = TRUE;
    if (fs->stream) {
        pending_drop(fs);
        if (!fs->drained && rpc_stream_can_send(fs->stream))
            fd_read(fs);
        fd_watch(fs);
    }
    rpc_fd_stream_unref(fs);
}

void rpc_fd_stream_hangup(RpcFdStream *fs)
{
    ev_loop_post(fs->loop, hangup_run, rpc_fd_stream_ref(fs));
}
