/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * chardev/socket.c - unix and TCP sockets, one client at a time.
 *
 * While a client is served, others wait in the listener's backlog.  A listener
 * may be inherited; then nothing is bound and nothing removed at the end.
 * Descriptors that a client sends go to the consumer before the bytes they
 * came with.
 */
#include <config.h>

#include "chardev/chardev_priv.h"

#include "util/cleanup.h"
#include "util/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

typedef struct Socket {
    int listen_fd; /* owned; -1 for a connection that was handed over */
    char *bound;   /* owned: path to remove; NULL none */
    LoopFd listener;
} Socket;

/* --- opening ------------------------------------------------------------- */

static int unix_addr(struct sockaddr_un *sa, const char *path, Err *e)
{
    *sa = (struct sockaddr_un){ .sun_family = AF_UNIX };
    if (strlen(path) >= sizeof(sa->sun_path))
        return err_set(e, ENAMETOOLONG,
                       "socket path '%s' is too long: at most %zu bytes", path,
                       sizeof(sa->sun_path) - 1);
    strcpy(sa->sun_path, path);
    return 0;
}

/* A socket that nobody listens on any more. */
static bool is_stale(const struct sockaddr_un *sa)
{
    int fd CLEANUP(fd_close) = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    return fd >= 0 &&
           connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) < 0 &&
           errno == ECONNREFUSED;
}

static int listen_unix(Socket *s, const char *path, Err *e)
{
    struct sockaddr_un sa;
    int r = unix_addr(&sa, path, e);

    if (r < 0)
        return r;
    s->listen_fd =
        socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s->listen_fd < 0)
        return err_sys(e, errno, "cannot create a socket");
    /* The path gets the socket's mode when it is bound: never a moment of
     * wider access. */
    fchmod(s->listen_fd, 0600);
    r = bind(s->listen_fd, (struct sockaddr *)&sa, sizeof(sa));
    if (r < 0 && errno == EADDRINUSE && is_stale(&sa)) {
        unlink(path);
        r = bind(s->listen_fd, (struct sockaddr *)&sa, sizeof(sa));
    }
    if (r < 0)
        return err_sys(e, errno, "cannot bind socket '%s'", path);
    s->bound = strdup(path);
    if (listen(s->listen_fd, 10) < 0)
        return err_sys(e, errno, "cannot listen on '%s'", path);
    return 0;
}

static int listen_tcp(Socket *s, const char *host, uint16_t port, Err *e)
{
    struct sockaddr_in sa = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
    };
    int one = 1;

    if (inet_pton(AF_INET, host ? host : "0.0.0.0", &sa.sin_addr) != 1)
        return err_set(e, EINVAL, "host '%s' is not an IPv4 address", host);
    s->listen_fd =
        socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s->listen_fd < 0)
        return err_sys(e, errno, "cannot create a socket");
    setsockopt(s->listen_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    /* clients inherit it */
    setsockopt(s->listen_fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (bind(s->listen_fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ||
        listen(s->listen_fd, 10) < 0)
        return err_sys(e, errno, "cannot listen on %s port %u",
                       host ? host : "0.0.0.0", port);
    return 0;
}

static int inherit(Chardev *cd, Socket *s, const ChardevConf *conf, Err *e)
{
    struct sockaddr_storage sa;
    socklen_t len = sizeof(sa);
    int listening = 0;
    socklen_t ilen = sizeof(listening);

    if (getsockname(conf->fd, (struct sockaddr *)&sa, &len) < 0)
        return err_sys(e, errno, "fd=%d is not a socket", conf->fd);
    getsockopt(conf->fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &ilen);
    if (!listening != !conf->server)
        return err_set(e, EINVAL, "fd=%d is %s: %s server", conf->fd,
                       listening ? "a listening socket" : "a connection",
                       listening ? "add" : "leave out");
    fcntl(conf->fd, F_SETFD, FD_CLOEXEC);
    fcntl(conf->fd, F_SETFL, O_NONBLOCK);
    if (conf->server)
        s->listen_fd = conf->fd;
    else
        cd->in_fd = cd->out_fd = conf->fd;
    return chardev_name(cd, e, "fd:%d%s", conf->fd,
                        conf->server ? ",server=on" : "");
}

static int socket_open(Chardev *cd, const ChardevConf *conf, Err *e)
{
    Socket *s = calloc(1, sizeof(*s));
    int r;

    if (!s)
        return err_set(e, ENOMEM, "out of memory");
    s->listen_fd = -1;
    cd->priv = s;
    if (conf->has_fd)
        return inherit(cd, s, conf, e);
    if (conf->port) {
        r = conf->server ? listen_tcp(s, conf->host, conf->port, e) : 0;
        if (r < 0)
            return r;
        return chardev_name(cd, e, "tcp:%s:%u%s",
                            conf->host ? conf->host : "0.0.0.0", conf->port,
                            conf->server ? ",server=on" : "");
    }
    r = conf->server ? listen_unix(s, conf->path, e) : 0;
    if (r < 0)
        return r;
    return chardev_name(cd, e, "unix:%s%s", conf->path,
                        conf->server ? ",server=on" : "");
}

static void socket_close(Chardev *cd)
{
    Socket *s = cd->priv;

    if (!s)
        return;
    if (s->bound)
        unlink(s->bound);
    free(s->bound);
    fd_close(&s->listen_fd);
    free(s);
}

/* --- clients ------------------------------------------------------------- */

static void client_waits(void *opaque, uint32_t events)
{
    Chardev *cd = opaque;
    Socket *s = cd->priv;
    int fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0) {
        if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
            log_warn_rated("chardev '%s': cannot accept a client: %s", cd->id,
                           strerror(errno));
        return;
    }
    loop_fd_set(&s->listener, EPOLLET); /* one client at a time */
    cd->in_fd = cd->out_fd = fd;
    chardev_opened(cd);
}

static int socket_start(Chardev *cd, Err *e)
{
    Socket *s = cd->priv;

    if (s->listen_fd >= 0) {
        int r = loop_fd_add(cd->loop, &s->listener, s->listen_fd, EPOLLIN,
                            client_waits, cd, e);

        if (r == 0) /* who waits already misses nothing */
            client_waits(cd, EPOLLIN);
        return r;
    }
    if (cd->in_fd < 0)
        return err_set(e, EINVAL,
                       "this use needs a socket that listens: add "
                       "server,nowait");
    chardev_opened(cd);
    return 0;
}

static void hang_up(Chardev *cd)
{
    chardev_unwatch(cd);
    fd_close(&cd->in_fd);
    cd->out_fd = -1;
}

static void socket_stop(Chardev *cd)
{
    Socket *s = cd->priv;

    loop_fd_del(&s->listener);
    if (s->listen_fd >= 0)
        hang_up(cd);
}

static void socket_hangup(Chardev *cd)
{
    Socket *s = cd->priv;

    hang_up(cd);
    chardev_closed(cd);
    if (s->listener.loop)
        loop_fd_set(&s->listener, EPOLLIN);
}

static void take_fds(Chardev *cd, struct msghdr *msg)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        int fds[CHARDEV_MAX_FDS];
        size_t num;

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        num = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        num = MIN(num, CHARDEV_MAX_FDS);
        memcpy(fds, CMSG_DATA(c), num * sizeof(int));
        if (cd->handlers->fds)
            cd->handlers->fds(cd->opaque, fds, num);
        else
            for (size_t i = 0; i < num; i++)
                close(fds[i]);
    }
}

static ssize_t socket_recv(Chardev *cd, void *buf, size_t len)
{
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(CHARDEV_MAX_FDS * sizeof(int))];
    } control;
    struct iovec iov = { buf, len };
    struct msghdr msg = {
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof(control),
    };
    ssize_t n = recvmsg(cd->in_fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

    if (n < 0)
        return -errno;
    take_fds(cd, &msg);
    return n;
}

ssize_t chardev_sock_recv(int fd, void *buf, size_t len)
{
    struct iovec iov = { buf, len };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

    return recvmsg(fd, &msg, MSG_DONTWAIT);
}

ssize_t chardev_sock_send(int fd, const void *buf, size_t len)
{
    struct iovec iov = { (void *)buf, len };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

    return sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static ssize_t socket_send(Chardev *cd, const void *buf, size_t len)
{
    ssize_t n = chardev_sock_send(cd->out_fd, buf, len);

    return n < 0 ? -errno : n;
}

const ChardevOps chardev_socket_ops = {
    .open = socket_open,
    .start = socket_start,
    .stop = socket_stop,
    .close = socket_close,
    .recv = socket_recv,
    .send = socket_send,
    .hangup = socket_hangup,
};
