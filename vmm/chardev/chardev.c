/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * chardev/chardev.c - consumer, input flow, output buffer; all classes.
 *
 *   host -> in_fd -> recv -> filter -> handlers.read     while can_read() > 0
 *   chardev_write() -> send -> out_fd -> host, the rest in the ring
 *
 * A descriptor that is watched for nothing stays in the epoll set
 * edge-triggered: a hang-up, which epoll always reports, then wakes us once
 * and not for ever.
 */
#include <config.h>

#include "chardev/chardev_priv.h"

#include "util/cleanup.h"
#include "util/fdset.h"
#include "util/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *const chardev_class_names[] = {
    [CHARDEV_STDIO] = "stdio",         [CHARDEV_PTY] = "pty",
    [CHARDEV_FILE] = "file",           [CHARDEV_SOCKET] = "socket",
    [CHARDEV_LOG] = "redirect-to-log",
};
_Static_assert(ARRAY_SIZE(chardev_class_names) == CHARDEV_CLASS_MAX,
               "a name per class");

static const ChardevOps *const class_ops[] = {
    [CHARDEV_STDIO] = &chardev_stdio_ops,
    [CHARDEV_PTY] = &chardev_pty_ops,
    [CHARDEV_FILE] = &chardev_file_ops,
    [CHARDEV_SOCKET] = &chardev_socket_ops,
    [CHARDEV_LOG] = &chardev_log_ops,
};
_Static_assert(ARRAY_SIZE(class_ops) == CHARDEV_CLASS_MAX, "ops per class");

static void in_run(void *opaque);
static void hangup_run(void *opaque);
static void send_pending(Chardev *cd);

/* --- creation ------------------------------------------------------------ */

int chardev_name(Chardev *cd, Err *e, const char *fmt, ...)
{
    va_list ap;
    int r;

    free(cd->filename);
    va_start(ap, fmt);
    r = vasprintf(&cd->filename, fmt, ap);
    va_end(ap);
    if (r < 0) {
        cd->filename = NULL;
        return err_set(e, ENOMEM, "out of memory");
    }
    return 0;
}

static int open_log(Chardev *cd, const ChardevConf *conf, Err *e)
{
    if (!conf->logfile)
        return 0;
    cd->log_fd = path_open(conf->logfile,
                           O_WRONLY | O_CREAT | O_NONBLOCK |
                               (conf->logappend ? O_APPEND : O_TRUNC),
                           0600, e);
    return cd->log_fd < 0 ? err_prefix(e, "logfile: ") : 0;
}

int chardev_new(Chardev **ret_cd, const ChardevConf *conf, Err *e)
{
    Chardev *cd = calloc(1, sizeof(*cd));
    int r;

    if (cd)
        cd->id = strdup(conf->id);
    if (!cd || !cd->id) {
        free(cd);
        return err_set(e, ENOMEM, "out of memory");
    }
    cd->cls = conf->cls;
    cd->ops = class_ops[conf->cls];
    cd->server = conf->server;
    cd->in_fd = cd->out_fd = cd->log_fd = -1;
    work_init(&cd->in_work, in_run, cd);
    work_init(&cd->hangup_work, hangup_run, cd);
    r = chardev_name(cd, e, "%s", chardev_class_names[conf->cls]);
    if (r == 0)
        r = open_log(cd, conf, e);
    if (r == 0)
        r = cd->ops->open(cd, conf, e);
    if (r < 0) {
        chardev_free(cd);
        return err_prefix(e, "chardev '%s': ", conf->id);
    }
    *ret_cd = cd;
    return 0;
}

void chardev_free(Chardev *cd)
{
    if (!cd)
        return;
    chardev_detach(cd);
    if (cd->ops->close)
        cd->ops->close(cd);
    if (cd->out_fd == cd->in_fd)
        cd->out_fd = -1;
    fd_close(&cd->in_fd);
    fd_close(&cd->out_fd);
    fd_close(&cd->log_fd);
    free(cd->buf);
    free(cd->filename);
    free(cd->id);
    free(cd);
}

const char *chardev_id(const Chardev *cd)
{
    return cd->id;
}

ChardevClass chardev_class(const Chardev *cd)
{
    return cd->cls;
}

bool chardev_is_server(const Chardev *cd)
{
    return cd->server;
}

bool chardev_connected(const Chardev *cd)
{
    return cd->connected;
}

const char *chardev_filename(const Chardev *cd)
{
    return cd->filename;
}

const char *chardev_pty_path(const Chardev *cd)
{
    return cd->cls == CHARDEV_PTY ? cd->filename : NULL;
}

void chardev_set_escape(Chardev *cd, LoopFn *fn, void *opaque)
{
    cd->escape = fn;
    cd->escape_opaque = opaque;
}

/* --- consumer ------------------------------------------------------------ */

int chardev_attach(Chardev *cd, Loop *loop, const ChardevHandlers *handlers,
                   void *opaque, unsigned flags, Err *e)
{
    int r = 0;

    if (cd->attached)
        return err_set(e, EBUSY, "chardev '%s' is in use already", cd->id);
    cd->loop = loop;
    cd->handlers = handlers;
    cd->opaque = opaque;
    cd->flags = flags;
    cd->attached = true;
    if (cd->ops->start)
        r = cd->ops->start(cd, e);
    else
        chardev_opened(cd);
    if (r < 0) {
        chardev_detach(cd);
        return err_prefix(e, "chardev '%s': ", cd->id);
    }
    return 0;
}

void chardev_detach(Chardev *cd)
{
    if (!cd->attached)
        return;
    send_pending(cd);
    chardev_unwatch(cd);
    loop_unpost(cd->loop, &cd->in_work);
    loop_unpost(cd->loop, &cd->hangup_work);
    if (cd->ops->stop)
        cd->ops->stop(cd);
    cd->attached = cd->connected = false;
    cd->pending = 0;
}

void chardev_opened(Chardev *cd)
{
    if (cd->connected)
        return;
    cd->connected = true;
    if (cd->handlers->event)
        cd->handlers->event(cd->opaque, CHARDEV_OPENED);
    chardev_watch(cd);
}

void chardev_closed(Chardev *cd)
{
    if (!cd->connected)
        return;
    cd->connected = false;
    cd->pending = cd->head = 0;
    cd->short_write = false;
    if (cd->handlers->event)
        cd->handlers->event(cd->opaque, CHARDEV_CLOSED);
}

void chardev_disconnect(Chardev *cd)
{
    if (cd->attached && cd->ops->hangup)
        loop_post(cd->loop, &cd->hangup_work);
}

static void hangup_run(void *opaque)
{
    Chardev *cd = opaque;

    if (cd->connected) {
        send_pending(cd);
        cd->ops->hangup(cd);
    }
}

/* --- watching ------------------------------------------------------------ */

static size_t room(Chardev *cd)
{
    if (!cd->handlers->can_read)
        return CHARDEV_IN_BYTES;
    return MIN(cd->handlers->can_read(cd->opaque), CHARDEV_IN_BYTES);
}

static void receive(Chardev *cd);

static void in_ready(void *opaque, uint32_t events)
{
    Chardev *cd = opaque;

    if (!cd->connected)
        return;
    if (cd->out_fd == cd->in_fd && (events & EPOLLOUT))
        send_pending(cd);
    if (cd->connected && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
        receive(cd);
    if (cd->attached)
        chardev_watch(cd);
}

static void out_ready(void *opaque, uint32_t events)
{
    Chardev *cd = opaque;

    send_pending(cd);
    chardev_watch(cd);
}

/* Sets the wanted events, or none but edges. False: cannot be watched. */
static bool watch(Chardev *cd, LoopFd *lfd, int fd, uint32_t events,
                  LoopFdFn *fn)
{
    Err e = ERR_INIT;

    if (!events)
        events = EPOLLET;
    if (lfd->loop)
        return loop_fd_set(lfd, events) == 0;
    return loop_fd_add(cd->loop, lfd, fd, events, fn, cd, &e) == 0;
}

void chardev_watch(Chardev *cd)
{
    uint32_t in = 0, out = cd->pending ? EPOLLOUT : 0;

    if (!cd->connected)
        return;
    if (cd->in_fd >= 0 && room(cd))
        in = EPOLLIN;
    if (cd->in_unpolled) {
        if (in)
            loop_post(cd->loop, &cd->in_work);
    } else if (cd->in_fd >= 0) {
        if (cd->out_fd == cd->in_fd)
            in |= out;
        if (!watch(cd, &cd->in, cd->in_fd, in, in_ready)) {
            cd->in_unpolled = true; /* a regular file is always ready */
            loop_post(cd->loop, &cd->in_work);
        }
    }
    if (cd->out_fd >= 0 && cd->out_fd != cd->in_fd && (out || cd->out.loop))
        watch(cd, &cd->out, cd->out_fd, out, out_ready);
}

void chardev_unwatch(Chardev *cd)
{
    loop_fd_del(&cd->in);
    loop_fd_del(&cd->out);
}

/* --- input --------------------------------------------------------------- */

static void receive(Chardev *cd)
{
    uint8_t buf[CHARDEV_IN_BYTES];
    size_t want = room(cd);
    ssize_t n;

    if (!want || cd->in_fd < 0)
        return; /* accept_input() comes back to it */
    if (cd->ops->recv) {
        n = cd->ops->recv(cd, buf, want);
    } else {
        n = read(cd->in_fd, buf, want);
        if (n < 0)
            n = -errno;
    }
    if (n == -EAGAIN || n == -EINTR)
        return;
    if (n <= 0) {
        cd->ops->hangup(cd);
        return;
    }
    if (cd->ops->filter)
        n = cd->ops->filter(cd, buf, n);
    if (n && cd->handlers->read)
        cd->handlers->read(cd->opaque, buf, n);
}

static void in_run(void *opaque)
{
    Chardev *cd = opaque;

    if (cd->connected && cd->in_fd >= 0) {
        receive(cd);
        if (cd->attached)
            chardev_watch(cd);
    }
}

void chardev_accept_input(Chardev *cd)
{
    if (cd->attached && cd->connected)
        chardev_watch(cd);
}

/* --- output -------------------------------------------------------------- */

/* Bytes taken by the host; 0 when it takes none now. */
static size_t send_some(Chardev *cd, const void *buf, size_t len)
{
    ssize_t n;

    if (cd->ops->send) {
        n = cd->ops->send(cd, buf, len);
    } else {
        n = write(cd->out_fd, buf, len);
        if (n < 0)
            n = -errno;
    }
    if (n == -EAGAIN || n == -EINTR)
        return 0;
    /* No reader will come back to this stream; input tells who hung up. */
    return n < 0 ? len : (size_t)n;
}

static void send_pending(Chardev *cd)
{
    while (cd->connected && cd->pending) {
        size_t n = MIN(cd->pending, CHARDEV_OUT_BYTES - cd->head);
        size_t sent = send_some(cd, cd->buf + cd->head, n);

        cd->head = (cd->head + sent) % CHARDEV_OUT_BYTES;
        cd->pending -= sent;
        if (sent < n)
            break;
    }
    if (cd->connected && cd->short_write &&
        cd->pending < CHARDEV_OUT_BYTES / 2 && cd->handlers->writable) {
        cd->short_write = false;
        cd->handlers->writable(cd->opaque);
    }
}

static size_t queue_some(Chardev *cd, const uint8_t *buf, size_t len)
{
    size_t done = 0;

    if (!cd->buf)
        cd->buf = malloc(CHARDEV_OUT_BYTES);
    if (!cd->buf)
        return 0;
    len = MIN(len, CHARDEV_OUT_BYTES - cd->pending);
    while (done < len) {
        size_t at = (cd->head + cd->pending) % CHARDEV_OUT_BYTES;
        size_t n = MIN(len - done, CHARDEV_OUT_BYTES - at);

        memcpy(cd->buf + at, buf + done, n);
        cd->pending += n;
        done += n;
    }
    return done;
}

static void log_output(Chardev *cd, const void *buf, size_t len)
{
    const uint8_t *p = buf;

    while (len) {
        ssize_t n = write(cd->log_fd, p, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            log_warn_rated("chardev '%s': cannot write its logfile: %s", cd->id,
                           strerror(errno));
            return;
        }
        p += n;
        len -= n;
    }
}

size_t chardev_write(Chardev *cd, const void *buf, size_t len)
{
    bool drop = cd->flags & CHARDEV_DROP;
    size_t done = 0;

    if (cd->connected) {
        if (!cd->pending)
            done = send_some(cd, buf, len);
        if (done < len) {
            done += queue_some(cd, (const uint8_t *)buf + done, len - done);
            chardev_watch(cd);
        }
    }
    if (drop)
        done = len;
    else if (done < len)
        cd->short_write = true;
    if (cd->log_fd >= 0)
        log_output(cd, buf, done);
    return done;
}

size_t chardev_pending(const Chardev *cd)
{
    return cd->pending;
}
