/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A client for tests that says exactly what it is told, byte by byte. */
#include <config.h>

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "raw_client.h"
#include "rpc/wire_error.h"

int raw_connect(const char *path)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    g_strlcpy(addr.sun_path, path, sizeof(addr.sun_path));
    assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    return fd;
}

void raw_write(int fd, gconstpointer data, gsize len)
{
    const char *p = data;

    while (len > 0) {
        ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

        if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
            return; /* the server hung up: the reader will see it */
        assert_true(n > 0);
        p += n;
        len -= n;
    }
}

void raw_write_fd(int fd, int passed)
{
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
    memcpy(CMSG_DATA(c), &passed, sizeof(int));
    assert_int_equal(sendmsg(fd, &msg, MSG_NOSIGNAL), 1);
}

void raw_frame(int fd, const RpcHeader *header, gconstpointer data, gsize len)
{
    g_autoptr(RpcFrame) frame = rpc_frame_new_raw(header, data, len);

    raw_write(fd, frame->data, frame->len);
}

void raw_call(int fd, guint32 prog, int proc, guint32 serial,
              const Codec *codec, gconstpointer args)
{
    RpcHeader header = { prog,          RPC_VERSION, proc,
                         RPC_TYPE_CALL, serial,      RPC_STATUS_OK };
    g_autoptr(RpcFrame) frame =
        rpc_frame_new(&header, codec, args, NULL, 0, NULL);

    assert_non_null(frame);
    raw_write(fd, frame->data, frame->len);
}

static gboolean wait_readable(int fd, int timeout_ms)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };

    return poll(&p, 1, timeout_ms) > 0;
}

gboolean raw_quiet(int fd)
{
    return !wait_readable(fd, 0);
}

/* FALSE at end of file before the first byte. */
static gboolean read_all(int fd, guint8 *buf, gsize len)
{
    gsize have = 0;

    while (have < len) {
        ssize_t n;

        if (!wait_readable(fd, RAW_DEADLINE_MS))
            fail_msg("the server sent nothing in time");
        n = recv(fd, buf + have, len - have, 0);
        if (n < 0 && errno == ECONNRESET)
            n = 0;
        if (n == 0 && have == 0)
            return FALSE;
        assert_true(n > 0);
        have += n;
    }
    return TRUE;
}

static int read_fd(int fd)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    char byte;
    struct iovec iov = { &byte, 1 };
    struct msghdr msg = { .msg_iov = &iov,
                          .msg_iovlen = 1,
                          .msg_control = control.bytes,
                          .msg_controllen = sizeof(control.bytes) };
    int passed;

    assert_true(wait_readable(fd, RAW_DEADLINE_MS));
    assert_int_equal(recvmsg(fd, &msg, MSG_CMSG_CLOEXEC), 1);
    assert_non_null(CMSG_FIRSTHDR(&msg));
    memcpy(&passed, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(int));
    return passed;
}

gboolean raw_read(int fd, RawReply *reply)
{
    guint32 be;
    guint want;

    memset(reply, 0, sizeof(*reply));
    if (!read_all(fd, (guint8 *)&be, sizeof(be)))
        return FALSE;
    reply->len = GUINT32_FROM_BE(be);
    assert_true(reply->len >= 28 && reply->len <= RPC_MESSAGE_MAX + 4);
    reply->data = g_malloc(reply->len);
    memcpy(reply->data, &be, sizeof(be));
    assert_true(read_all(fd, reply->data + 4, reply->len - 4));
    assert_true(rpc_header_decode(reply->data, reply->len, &reply->header,
                                  &want, &reply->offset));
    while (reply->nfds < want)
        reply->fds[reply->nfds++] = read_fd(fd);
    return TRUE;
}

void raw_reply_clear(RawReply *reply)
{
    for (guint i = 0; i < reply->nfds; i++)
        close(reply->fds[i]);
    g_free(reply->data);
    memset(reply, 0, sizeof(*reply));
}

gpointer raw_decode(const RawReply *reply, const Codec *codec)
{
    gpointer value = NULL;

    assert_true(codec_decode(codec, reply->data + reply->offset,
                             reply->len - reply->offset, &value, NULL));
    return value;
}

void raw_expect(int fd, RawReply *reply, guint32 serial, RpcStatus status)
{
    wire_error *error;

    assert_true(raw_read(fd, reply));
    if (reply->header.status == RPC_STATUS_ERROR &&
        status != RPC_STATUS_ERROR) {
        error = raw_decode(reply, &wire_error_codec);
        fail_msg("unexpected error %d: %s", error->code,
                 wire_str_opt_get(error->message));
    }
    assert_int_equal(reply->header.serial, serial);
    assert_int_equal(reply->header.status, status);
}

void raw_expect_error(int fd, guint32 serial, int code, const char *text)
{
    RawReply reply;
    wire_error *error;

    raw_expect(fd, &reply, serial, RPC_STATUS_ERROR);
    assert_int_equal(reply.header.type, RPC_TYPE_REPLY);
    error = raw_decode(&reply, &wire_error_codec);
    assert_int_equal(error->code, code);
    if (!strstr(wire_str_opt_get(error->message), text))
        fail_msg("'%s' does not contain '%s'", wire_str_opt_get(error->message),
                 text);
    codec_free(&wire_error_codec, error);
    raw_reply_clear(&reply);
}

void raw_expect_closed(int fd)
{
    RawReply reply;

    assert_false(raw_read(fd, &reply));
}
