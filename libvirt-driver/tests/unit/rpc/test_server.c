/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Unit tests of the RPC server with a small program of its own: calls that
 * answer now and later, limits, hostile frames, streams, keepalive. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
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
#include "rpc/server.h"
#include "rpc/stream.h"
#include "util/error.h"

#define PROG 0x1234u

enum {
    PROC_ECHO = 1,
    PROC_PARK,    /* pends until the test completes it */
    PROC_BLOCK,   /* holds its worker until the test lets go */
    PROC_URGENT,  /* high priority echo */
    PROC_NONE,    /* no handler */
    PROC_FD,      /* returns the descriptor it gets */
    PROC_WRITE,   /* refused on a read-only connection */
    PROC_BAD,     /* fails without a reason */
    PROC_NULL,    /* forgets its result */
    PROC_STREAM,  /* opens a stream on a socket pair */
    PROC_PING_ME, /* arms keepalive */
    PROC_NOAUTH,  /* before authentication, then authenticates */
    PROC_CLOSE    /* closes behind the reply */
};

typedef struct Fixture {
    EvLoop *loop;
    RpcServer *server;
    char *dir;
    char *path;
    char *ro_path;
    GMutex lock;
    GCond cond;
    GQueue parked;   /* of RpcCall */
    guint blocked;   /* handlers that hold a worker */
    gboolean let_go; /* they may end */
    int pipe_fd;     /* the test's end of the stream's socket pair */
    RpcFdStream *fs;
    guint closed_streams;
    guint clients;
} Fixture;

static Fixture *fx;

static const Codec str_codec = CODEC(wire_a_str);
static const Codec void_codec = CODEC_VOID;

static RpcVerdict echo(RpcCall *call, gconstpointer args, gpointer ret,
                       GError **error)
{
    const wire_a_str *a = args;
    wire_r_str *r = ret;

    r->value = g_strdup(a->value);
    return CALL_DONE;
}

static RpcVerdict park(RpcCall *call, gconstpointer args, gpointer ret,
                       GError **error)
{
    g_mutex_lock(&fx->lock);
    g_queue_push_tail(&fx->parked, call);
    g_cond_broadcast(&fx->cond);
    g_mutex_unlock(&fx->lock);
    return CALL_PENDING;
}

static RpcVerdict block(RpcCall *call, gconstpointer args, gpointer ret,
                        GError **error)
{
    g_mutex_lock(&fx->lock);
    fx->blocked++;
    g_cond_broadcast(&fx->cond);
    while (!fx->let_go)
        g_cond_wait(&fx->cond, &fx->lock);
    fx->blocked--;
    g_mutex_unlock(&fx->lock);
    return CALL_DONE;
}

static RpcVerdict pass_fd(RpcCall *call, gconstpointer args, gpointer ret,
                          GError **error)
{
    int fd = rpc_call_take_fd(call, 0);

    if (fd < 0) {
        vir_error_set(error, VIR_ERR_INVALID_ARG, "no descriptor");
        return CALL_FAILED;
    }
    rpc_call_add_fd(call, fd);
    return CALL_DONE;
}

static RpcVerdict bad(RpcCall *call, gconstpointer args, gpointer ret,
                      GError **error)
{
    return CALL_FAILED;
}

static RpcVerdict forget(RpcCall *call, gconstpointer args, gpointer ret,
                         GError **error)
{
    return CALL_DONE;
}

static void stream_closed(gpointer user)
{
    g_mutex_lock(&fx->lock);
    close(GPOINTER_TO_INT(user));
    fx->closed_streams++;
    g_cond_broadcast(&fx->cond);
    g_mutex_unlock(&fx->lock);
}

static RpcVerdict stream(RpcCall *call, gconstpointer args, gpointer ret,
                         GError **error)
{
    RpcFdStream *fs;
    int pair[2];

    g_assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    g_assert(fcntl(pair[1], F_SETFL, O_NONBLOCK) == 0);
    fs = rpc_fd_stream_new(fx->loop, pair[1], stream_closed,
                           GINT_TO_POINTER(pair[1]));
    fx->pipe_fd = pair[0];
    fx->fs = rpc_fd_stream_ref(fs);
    rpc_fd_stream_open(fs, call);
    return CALL_PENDING;
}

static RpcVerdict ping_me(RpcCall *call, gconstpointer args, gpointer ret,
                          GError **error)
{
    rpc_client_arm_keepalive(rpc_call_client(call));
    return CALL_DONE;
}

static RpcVerdict authenticate(RpcCall *call, gconstpointer args, gpointer ret,
                               GError **error)
{
    rpc_client_set_authenticated(rpc_call_client(call));
    return CALL_DONE;
}

static RpcVerdict close_it(RpcCall *call, gconstpointer args, gpointer ret,
                           GError **error)
{
    g_autoptr(RpcClient) client = rpc_client_ref(rpc_call_client(call));

    rpc_call_complete(call, NULL);
    rpc_client_close_after_flush(client);
    return CALL_PENDING;
}

static const RpcProc procs[] = {
    { PROC_ECHO, "testEcho", VIR_FROM_DOMAIN, RPC_PROC_READONLY,
      CODEC(wire_a_str), CODEC(wire_r_str), echo },
    { PROC_PARK, "testPark", VIR_FROM_DOMAIN, 0, CODEC_VOID, CODEC_VOID, park },
    { PROC_BLOCK, "testBlock", VIR_FROM_DOMAIN, 0, CODEC_VOID, CODEC_VOID,
      block },
    { PROC_URGENT, "testUrgent", VIR_FROM_DOMAIN, RPC_PROC_HIGH,
      CODEC(wire_a_str), CODEC(wire_r_str), echo },
    { PROC_NONE, "testNone", VIR_FROM_NETWORK, RPC_PROC_READONLY },
    { PROC_FD, "testFd", VIR_FROM_DOMAIN, 0, CODEC_VOID, CODEC_VOID, pass_fd },
    { PROC_WRITE, "testWrite", VIR_FROM_DOMAIN, 0, CODEC_VOID, CODEC_VOID,
      forget },
    { PROC_BAD, "testBad", VIR_FROM_DOMAIN, 0, CODEC_VOID, CODEC_VOID, bad },
    { PROC_NULL, "testNull", VIR_FROM_DOMAIN, 0, CODEC_VOID, CODEC(wire_r_str),
      forget },
    { PROC_STREAM, "testStream", VIR_FROM_DOMAIN, 0, CODEC_VOID, CODEC_VOID,
      stream },
    { PROC_PING_ME, "testPingMe", VIR_FROM_DOMAIN, 0, CODEC_VOID, CODEC_VOID,
      ping_me },
    { PROC_NOAUTH, "testNoAuth", VIR_FROM_DOMAIN,
      RPC_PROC_NOAUTH | RPC_PROC_READONLY, CODEC_VOID, CODEC_VOID,
      authenticate },
    { PROC_CLOSE, "testClose", VIR_FROM_DOMAIN, 0, CODEC_VOID, CODEC_VOID,
      close_it },
};

static const RpcProgram program = { PROG, RPC_VERSION, procs,
                                    G_N_ELEMENTS(procs) };
static const RpcProgram *const programs[] = { &program, NULL };

static void on_clients(gpointer user, guint count)
{
    Fixture *f = user;

    g_mutex_lock(&f->lock);
    f->clients = count;
    g_cond_broadcast(&f->cond);
    g_mutex_unlock(&f->lock);
}

static const RpcServerHooks hooks = { .clients = on_clients };

static int listen_at(const char *path)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    g_strlcpy(addr.sun_path, path, sizeof(addr.sun_path));
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    assert_int_equal(listen(fd, 50), 0);
    return fd;
}

/* SASL stands for a method that lets nobody in by itself. */
static void start(const RpcServerConfig *config, RpcAuth auth)
{
    g_autoptr(GError) error = NULL;

    fx = g_new0(Fixture, 1);
    g_mutex_init(&fx->lock);
    g_cond_init(&fx->cond);
    g_queue_init(&fx->parked);
    fx->pipe_fd = -1;
    fx->dir = g_dir_make_tmp("rpc-XXXXXX", NULL);
    fx->path = g_build_filename(fx->dir, "rw", NULL);
    fx->ro_path = g_build_filename(fx->dir, "ro", NULL);
    fx->loop = ev_loop_new("rpc-loop", &error);
    assert_non_null(fx->loop);
    fx->server = rpc_server_new(fx->loop, config, programs, &hooks, fx, &error);
    assert_non_null(fx->server);
    rpc_server_add_listener(fx->server, listen_at(fx->path), FALSE, auth);
    rpc_server_add_listener(fx->server, listen_at(fx->ro_path), TRUE, auth);
    rpc_server_start(fx->server);
}

static int setup(void **state)
{
    RpcServerConfig config = RPC_SERVER_CONFIG_INIT;

    config.min_workers = 1;
    config.max_workers = 2;
    config.prio_workers = 1;
    start(&config, RPC_AUTH_NONE);
    return 0;
}

static int teardown(void **state)
{
    RpcCall *call;

    g_mutex_lock(&fx->lock);
    fx->let_go = TRUE;
    g_cond_broadcast(&fx->cond);
    g_mutex_unlock(&fx->lock);
    rpc_server_stop(fx->server);
    while ((call = g_queue_pop_head(&fx->parked)))
        rpc_call_complete(call, NULL);
    if (fx->fs)
        rpc_fd_stream_unref(fx->fs);
    ev_loop_free(fx->loop);
    rpc_server_unref(fx->server);
    if (fx->pipe_fd >= 0)
        close(fx->pipe_fd);
    g_unlink(fx->path);
    g_unlink(fx->ro_path);
    g_rmdir(fx->dir);
    g_free(fx->path);
    g_free(fx->ro_path);
    g_free(fx->dir);
    g_mutex_clear(&fx->lock);
    g_cond_clear(&fx->cond);
    g_free(fx);
    return 0;
}

static void wait_until(gboolean (*ready)(void))
{
    gint64 end = g_get_monotonic_time() + RAW_DEADLINE_MS * 1000;

    g_mutex_lock(&fx->lock);
    while (!ready()) {
        if (!g_cond_wait_until(&fx->cond, &fx->lock, end))
            fail_msg("the server did not get there in time");
    }
    g_mutex_unlock(&fx->lock);
}

static void call_void(int fd, int proc, guint32 serial)
{
    raw_call(fd, PROG, proc, serial, &void_codec, NULL);
}

static void expect_ok(int fd, guint32 serial)
{
    RawReply reply;

    raw_expect(fd, &reply, serial, RPC_STATUS_OK);
    raw_reply_clear(&reply);
}

static void check_echo(int fd, guint32 serial, const char *text)
{
    wire_a_str args = { (char *)text };
    RawReply reply;
    wire_a_str *back;

    raw_call(fd, PROG, PROC_ECHO, serial, &str_codec, &args);
    raw_expect(fd, &reply, serial, RPC_STATUS_OK);
    assert_int_equal(reply.header.proc, PROC_ECHO);
    assert_int_equal(reply.header.type, RPC_TYPE_REPLY);
    back = raw_decode(&reply, &str_codec);
    assert_string_equal(back->value, text);
    codec_free(&str_codec, back);
    raw_reply_clear(&reply);
}

static void test_call(void **state)
{
    int a = raw_connect(fx->path);
    int b = raw_connect(fx->path);

    check_echo(a, 0, "hello");
    check_echo(b, 0, "");
    check_echo(a, 1, "again");
    close(a);
    close(b);
}

static void test_byte_by_byte(void **state)
{
    wire_a_str args = { (char *)"slowly" };
    RpcHeader header = { PROG, RPC_VERSION, PROC_ECHO, RPC_TYPE_CALL, 9, 0 };
    g_autoptr(RpcFrame) frame =
        rpc_frame_new(&header, &str_codec, &args, NULL, 0, NULL);
    int fd = raw_connect(fx->path);
    RawReply reply;

    for (gsize i = 0; i < frame->len; i++)
        raw_write(fd, frame->data + i, 1);
    raw_expect(fd, &reply, 9, RPC_STATUS_OK);
    raw_reply_clear(&reply);
    close(fd);
}

static void test_coalesced(void **state)
{
    wire_a_str args = { (char *)"x" };
    RpcHeader header = { PROG, RPC_VERSION, PROC_ECHO, RPC_TYPE_CALL, 0, 0 };
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    gboolean seen[40] = { FALSE };
    int fd = raw_connect(fx->path);

    for (guint i = 0; i < G_N_ELEMENTS(seen); i++) {
        g_autoptr(RpcFrame) frame = NULL;

        header.serial = i;
        frame = rpc_frame_new(&header, &str_codec, &args, NULL, 0, NULL);
        g_byte_array_append(bytes, frame->data, frame->len);
    }
    raw_write(fd, bytes->data, bytes->len);
    for (guint i = 0; i < G_N_ELEMENTS(seen); i++) {
        RawReply reply;

        assert_true(raw_read(fd, &reply));
        assert_in_range(reply.header.serial, 0, G_N_ELEMENTS(seen) - 1);
        assert_false(seen[reply.header.serial]);
        seen[reply.header.serial] = TRUE;
        raw_reply_clear(&reply);
    }
    close(fd);
}

static void test_refusals(void **state)
{
    RpcHeader header = { PROG, RPC_VERSION, PROC_ECHO, RPC_TYPE_CALL, 1, 0 };
    int fd = raw_connect(fx->path);

    raw_call(fd, 0x999, 1, 1, &void_codec, NULL);
    raw_expect_error(fd, 1, VIR_ERR_RPC, "unknown program 0x999");
    header.vers = 2;
    raw_frame(fd, &header, NULL, 0);
    raw_expect_error(fd, 1, VIR_ERR_RPC, "version 2");
    call_void(fd, 999, 2);
    raw_expect_error(fd, 2, VIR_ERR_RPC, "unknown procedure: 999");
    call_void(fd, -1, 3);
    raw_expect_error(fd, 3, VIR_ERR_RPC, "unknown procedure: -1");
    call_void(fd, PROC_NONE, 4);
    raw_expect_error(fd, 4, VIR_ERR_NO_SUPPORT, "testNone");
    header.vers = RPC_VERSION;
    header.status = RPC_STATUS_CONTINUE;
    raw_frame(fd, &header, NULL, 0);
    raw_expect_error(fd, 1, VIR_ERR_RPC, "status");
    call_void(fd, PROC_BAD, 5);
    raw_expect_error(fd, 5, VIR_ERR_INTERNAL_ERROR, "testBad");
    call_void(fd, PROC_NULL, 6);
    raw_expect_error(fd, 6, VIR_ERR_RPC, "procedure 9");
    /* arguments that do not decode: an error, and the connection goes on */
    call_void(fd, PROC_ECHO, 7);
    raw_expect_error(fd, 7, VIR_ERR_RPC, "decoded");
    check_echo(fd, 8, "still here");
    close(fd);
}

static void test_ignored_types(void **state)
{
    RpcHeader header = { PROG, RPC_VERSION, PROC_ECHO, 0, 1, 0 };
    static const guint32 types[] = { RPC_TYPE_REPLY,
                                     RPC_TYPE_MESSAGE,
                                     RPC_TYPE_STREAM,
                                     RPC_TYPE_STREAM_HOLE,
                                     77,
                                     0xffffffffu };
    int fd = raw_connect(fx->path);

    for (guint i = 0; i < G_N_ELEMENTS(types); i++) {
        header.type = types[i];
        raw_frame(fd, &header, "abcd", 4);
    }
    check_echo(fd, 2, "alive");
    close(fd);
}

static void check_cut_off(const guint8 *bytes, gsize len)
{
    int fd = raw_connect(fx->path);

    raw_write(fd, bytes, len);
    raw_expect_closed(fd);
    close(fd);
}

static void test_bad_lengths(void **state)
{
    static const guint8 zero[4] = { 0 };
    static const guint8 small[4] = { 0, 0, 0, 27 };
    static const guint8 over[4] = { 0x02, 0, 0, 5 };
    static const guint8 huge[4] = { 0xff, 0xff, 0xff, 0xff };
    guint8 fds[32] = { 0, 0, 0, 32, 0, 0, 0x12, 0x34, 0, 0,
                       0, 1, 0, 0,  0, 6, 0,    0,    0, 4 };
    guint8 no_count[28] = { 0, 0, 0, 28, 0, 0, 0x12, 0x34, 0, 0,
                            0, 1, 0, 0,  0, 6, 0,    0,    0, 4 };
    int fd;

    check_cut_off(zero, 4);
    check_cut_off(small, 4);
    check_cut_off(over, 4);
    check_cut_off(huge, 4);
    fds[31] = 33;
    check_cut_off(fds, sizeof(fds));
    fds[28] = 0xff;
    check_cut_off(fds, sizeof(fds));
    check_cut_off(no_count, sizeof(no_count));
    /* half a frame, then gone */
    fd = raw_connect(fx->path);
    raw_write(fd, fds, 20);
    close(fd);
    fd = raw_connect(fx->path);
    check_echo(fd, 1, "others go on");
    close(fd);
}

static void test_fd_passing(void **state)
{
    RpcHeader header = { PROG, RPC_VERSION, PROC_FD, RPC_TYPE_CALL_WITH_FDS, 3,
                         0 };
    g_autoptr(RpcFrame) frame =
        rpc_frame_new(&header, NULL, NULL, NULL, 0, NULL);
    int fd = raw_connect(fx->path);
    RawReply reply;
    int pipe_fds[2];

    assert_int_equal(pipe(pipe_fds), 0);
    frame->data[31] = 2; /* one more than the handler takes */
    raw_write(fd, frame->data, frame->len);
    raw_write_fd(fd, pipe_fds[1]);
    raw_write_fd(fd, pipe_fds[1]);
    close(pipe_fds[1]);
    raw_expect(fd, &reply, 3, RPC_STATUS_OK);
    assert_int_equal(reply.header.type, RPC_TYPE_REPLY_WITH_FDS);
    assert_int_equal(reply.nfds, 1);
    assert_int_equal(write(reply.fds[0], "x", 1), 1);
    raw_reply_clear(&reply);
    {
        char byte[2];

        assert_int_equal(read(pipe_fds[0], byte, 2), 1);
        /* all copies are closed: the unused one as well */
        assert_int_equal(read(pipe_fds[0], byte, 2), 0);
    }
    close(pipe_fds[0]);
    /* a byte without a descriptor where one is due */
    raw_write(fd, frame->data, frame->len);
    raw_write(fd, "\0", 1);
    raw_expect_closed(fd);
    close(fd);
}

static gboolean one_parked(void)
{
    return fx->parked.length >= 1;
}

static gboolean five_parked(void)
{
    return fx->parked.length >= 5;
}

static void unpark(const GError *error)
{
    RpcCall *call;

    g_mutex_lock(&fx->lock);
    call = g_queue_pop_head(&fx->parked);
    g_mutex_unlock(&fx->lock);
    rpc_call_complete(call, error);
}

static void test_pending(void **state)
{
    g_autoptr(GError) error = NULL;
    int fd = raw_connect(fx->path);

    call_void(fd, PROC_PARK, 1);
    wait_until(one_parked);
    check_echo(fd, 2, "overtakes");
    unpark(NULL);
    expect_ok(fd, 1);
    call_void(fd, PROC_PARK, 3);
    wait_until(one_parked);
    vir_error_set(&error, VIR_ERR_OPERATION_TIMEOUT, "too late");
    unpark(error);
    raw_expect_error(fd, 3, VIR_ERR_OPERATION_TIMEOUT, "too late");
    /* the client is gone when its call completes */
    call_void(fd, PROC_PARK, 4);
    wait_until(one_parked);
    close(fd);
    unpark(NULL);
}

static void test_request_limit(void **state)
{
    int fd = raw_connect(fx->path);
    int other = raw_connect(fx->path);
    RawReply reply;

    for (guint i = 0; i < 5; i++)
        call_void(fd, PROC_PARK, i);
    wait_until(five_parked);
    /* not read before a reply is written, keepalive included */
    raw_call(fd, PROG, PROC_PARK, 5, &void_codec, NULL);
    check_echo(other, 1, "others go on");
    assert_int_equal(fx->parked.length, 5);
    unpark(NULL);
    assert_true(raw_read(fd, &reply)); /* whichever came to a worker first */
    assert_in_range(reply.header.serial, 0, 4);
    raw_reply_clear(&reply);
    wait_until(five_parked);
    close(fd);
    close(other);
}

static gboolean two_blocked(void)
{
    return fx->blocked == 2;
}

static void test_priority(void **state)
{
    wire_a_str args = { (char *)"urgent" };
    int fd = raw_connect(fx->path);
    RawReply reply;

    call_void(fd, PROC_BLOCK, 1);
    call_void(fd, PROC_BLOCK, 2);
    wait_until(two_blocked); /* all ordinary workers */
    call_void(fd, PROC_WRITE, 3);
    raw_call(fd, PROG, PROC_URGENT, 4, &str_codec, &args);
    raw_expect(fd, &reply, 4, RPC_STATUS_OK);
    raw_reply_clear(&reply);
    assert_true(raw_quiet(fd));
    g_mutex_lock(&fx->lock);
    fx->let_go = TRUE;
    g_cond_broadcast(&fx->cond);
    g_mutex_unlock(&fx->lock);
    for (int i = 0; i < 3; i++) {
        assert_true(raw_read(fd, &reply));
        assert_int_equal(reply.header.status, RPC_STATUS_OK);
        raw_reply_clear(&reply);
    }
    close(fd);
}

static void test_readonly(void **state)
{
    int fd = raw_connect(fx->ro_path);

    check_echo(fd, 1, "reading is fine");
    call_void(fd, PROC_WRITE, 2);
    raw_expect_error(fd, 2, VIR_ERR_OPERATION_DENIED,
                     "read only access prevents testWrite");
    close(fd);
}

static void test_keepalive_answer(void **state)
{
    RpcHeader ping = { RPC_PROGRAM_KEEPALIVE, RPC_VERSION, RPC_KEEPALIVE_PING,
                       RPC_TYPE_MESSAGE,      0,           0 };
    int fd = raw_connect(fx->path);
    RawReply reply;

    raw_frame(fd, &ping, NULL, 0);
    assert_true(raw_read(fd, &reply));
    assert_int_equal(reply.len, 28);
    assert_int_equal(reply.header.prog, RPC_PROGRAM_KEEPALIVE);
    assert_int_equal(reply.header.proc, RPC_KEEPALIVE_PONG);
    assert_int_equal(reply.header.type, RPC_TYPE_MESSAGE);
    raw_reply_clear(&reply);
    close(fd);
}

static void test_close_behind_reply(void **state)
{
    int fd = raw_connect(fx->path);

    call_void(fd, PROC_CLOSE, 1);
    expect_ok(fd, 1);
    raw_expect_closed(fd);
    close(fd);
}

/* ---- streams ---- */

static RpcHeader stream_header(guint32 serial, RpcStatus status)
{
    RpcHeader header = { PROG,   RPC_VERSION, PROC_STREAM, RPC_TYPE_STREAM,
                         serial, status };

    return header;
}

static void stream_packet(int fd, guint32 serial, RpcStatus status,
                          const char *data)
{
    RpcHeader header = stream_header(serial, status);

    raw_frame(fd, &header, data, strlen(data));
}

static int stream_open(guint32 serial)
{
    int fd = raw_connect(fx->path);

    call_void(fd, PROC_STREAM, serial);
    expect_ok(fd, serial);
    return fd;
}

static void expect_stream(int fd, guint32 serial, RpcStatus status,
                          const char *data)
{
    RawReply reply;

    raw_expect(fd, &reply, serial, status);
    assert_int_equal(reply.header.type, RPC_TYPE_STREAM);
    assert_int_equal(reply.header.proc, PROC_STREAM);
    assert_int_equal(reply.len - reply.offset, strlen(data));
    assert_memory_equal(reply.data + reply.offset, data, strlen(data));
    raw_reply_clear(&reply);
}

static gboolean stream_over(void)
{
    return fx->closed_streams == 1;
}

static void test_stream_both_ways(void **state)
{
    int fd = stream_open(7);
    char buf[16];

    stream_packet(fd, 7, RPC_STATUS_CONTINUE, "in");
    assert_int_equal(recv(fx->pipe_fd, buf, 2, MSG_WAITALL), 2);
    assert_memory_equal(buf, "in", 2);
    assert_int_equal(write(fx->pipe_fd, "out", 3), 3);
    expect_stream(fd, 7, RPC_STATUS_CONTINUE, "out");
    /* the client finishes; others' packets go nowhere */
    stream_packet(fd, 8, RPC_STATUS_CONTINUE, "lost");
    stream_packet(fd, 7, RPC_STATUS_CONTINUE, "bye");
    stream_packet(fd, 7, RPC_STATUS_OK, "");
    expect_stream(fd, 7, RPC_STATUS_OK, "");
    wait_until(stream_over);
    assert_int_equal(recv(fx->pipe_fd, buf, sizeof(buf), MSG_WAITALL), 3);
    assert_memory_equal(buf, "bye", 3);
    stream_packet(fd, 7, RPC_STATUS_CONTINUE, "late");
    check_echo(fd, 9, "the connection goes on");
    close(fd);
}

static void test_stream_server_end(void **state)
{
    int fd = stream_open(1);

    assert_int_equal(write(fx->pipe_fd, "last words", 10), 10);
    close(fx->pipe_fd);
    fx->pipe_fd = -1;
    expect_stream(fd, 1, RPC_STATUS_CONTINUE, "last words");
    expect_stream(fd, 1, RPC_STATUS_CONTINUE, "");
    stream_packet(fd, 1, RPC_STATUS_OK, "");
    expect_stream(fd, 1, RPC_STATUS_OK, "");
    wait_until(stream_over);
    close(fd);
}

static void test_stream_abort(void **state)
{
    int fd = stream_open(1);

    stream_packet(fd, 1, RPC_STATUS_ERROR, "");
    expect_stream(fd, 1, RPC_STATUS_OK, "");
    wait_until(stream_over);
    check_echo(fd, 2, "on it goes");
    close(fd);
}

static void test_stream_hangup(void **state)
{
    int fd = stream_open(1);

    rpc_fd_stream_hangup(fx->fs);
    expect_stream(fd, 1, RPC_STATUS_CONTINUE, "");
    stream_packet(fd, 1, RPC_STATUS_OK, "");
    expect_stream(fd, 1, RPC_STATUS_OK, "");
    wait_until(stream_over);
    close(fd);
}

static void test_stream_client_lost(void **state)
{
    int fd = stream_open(1);

    close(fd);
    wait_until(stream_over);
}

static void test_stream_hole(void **state)
{
    RpcHeader header = stream_header(1, RPC_STATUS_CONTINUE);
    int fd = stream_open(1);

    header.type = RPC_TYPE_STREAM_HOLE;
    raw_frame(fd, &header, "\0\0\0\0\0\0\0\1\0\0\0\0", 12);
    raw_expect_closed(fd);
    wait_until(stream_over);
    close(fd);
}

/* Nobody reads the other end: packets wait, and count as requests, so that
 * the client is not read any more, until they are taken. */
static void test_stream_back_pressure(void **state)
{
    g_autofree char *big = g_malloc0(RPC_STREAM_PACKET_MAX);
    RpcHeader header = stream_header(1, RPC_STATUS_CONTINUE);
    int fd = stream_open(1);
    gsize sent = 0;
    gsize got = 0;
    ssize_t n;
    g_autoptr(RpcFrame) frame =
        rpc_frame_new_raw(&header, big, RPC_STREAM_PACKET_MAX);

    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    /* far more than socket buffers and five packets */
    while (sent < 64 * frame->len) {
        n = send(fd, frame->data + sent % frame->len,
                 frame->len - sent % frame->len, MSG_NOSIGNAL);
        if (n < 0)
            break;
        sent += n;
    }
    assert_true(sent < 64 * frame->len);
    assert_int_equal(errno, EAGAIN);
    while (got < sent / frame->len * RPC_STREAM_PACKET_MAX) {
        n = recv(fx->pipe_fd, big, RPC_STREAM_PACKET_MAX, 0);
        assert_true(n > 0);
        got += n;
    }
    close(fd);
    wait_until(stream_over);
}

/* ---- limits of other configurations ---- */

static int setup_strict(void **state)
{
    RpcServerConfig config = RPC_SERVER_CONFIG_INIT;

    config.min_workers = 1;
    config.max_workers = 1;
    config.max_clients = 4;
    config.max_anonymous_clients = 2;
    config.keepalive_interval_s = 1;
    config.keepalive_count = 1;
    config.max_queue_bytes = 1 << 20;
    start(&config, RPC_AUTH_SASL);
    return 0;
}

static int setup_impatient(void **state)
{
    RpcServerConfig config = RPC_SERVER_CONFIG_INIT;

    config.auth_timeout_ms = 50;
    start(&config, RPC_AUTH_SASL);
    return 0;
}

static void authenticate_now(int fd, guint32 serial)
{
    call_void(fd, PROC_NOAUTH, serial);
    expect_ok(fd, serial);
}

static void test_auth_required(void **state)
{
    static const guint8 large[4] = { 0, 1, 0, 8 };
    int fd = raw_connect(fx->path);

    call_void(fd, PROC_WRITE, 1);
    raw_expect_error(fd, 1, VIR_ERR_RPC, "authentication required");
    authenticate_now(fd, 2);
    check_echo(fd, 3, "inside");
    close(fd);
    fd = raw_connect(fx->path);
    raw_write(fd, large, 4); /* more than an anonymous client may send */
    raw_expect_closed(fd);
    close(fd);
}

static gboolean two_clients(void)
{
    return fx->clients == 2;
}

/* Two that never say a word fill the anonymous places; a third waits in the
 * backlog and is served when one of them is gone. */
static void test_slow_loris(void **state)
{
    int a = raw_connect(fx->path);
    int b = raw_connect(fx->path);
    int c;

    wait_until(two_clients);
    c = raw_connect(fx->path);
    call_void(c, PROC_NOAUTH, 1);
    raw_write(a, "\0\0", 2); /* half a length word */
    assert_true(raw_quiet(c));
    authenticate_now(b, 1); /* its place is free now */
    expect_ok(c, 1);
    close(a);
    close(b);
    close(c);
}

static void test_max_clients(void **state)
{
    int fds[5];

    for (int i = 0; i < 4; i++) {
        fds[i] = raw_connect(fx->path);
        authenticate_now(fds[i], 1);
    }
    fds[4] = raw_connect(fx->path);
    call_void(fds[4], PROC_NOAUTH, 1);
    check_echo(fds[0], 2, "served");
    assert_true(raw_quiet(fds[4]));
    close(fds[0]);
    expect_ok(fds[4], 1);
    for (int i = 1; i < 5; i++)
        close(fds[i]);
}

static void test_auth_deadline(void **state)
{
    int fd = raw_connect(fx->path);

    raw_expect_closed(fd);
    close(fd);
}

static void test_keepalive_sent(void **state)
{
    int fd = raw_connect(fx->path);
    RawReply reply;

    authenticate_now(fd, 1);
    call_void(fd, PROC_PING_ME, 2);
    expect_ok(fd, 2);
    /* a ping after the interval, the end after another one */
    assert_true(raw_read(fd, &reply));
    assert_int_equal(reply.header.prog, RPC_PROGRAM_KEEPALIVE);
    assert_int_equal(reply.header.proc, RPC_KEEPALIVE_PING);
    raw_reply_clear(&reply);
    raw_expect_closed(fd);
    close(fd);
}

static gboolean no_clients(void)
{
    return fx->clients == 0;
}

/* Echoes that nobody collects must not fill the memory. */
static void test_unread_replies(void **state)
{
    g_autofree char *text = g_strnfill(1 << 19, 'x');
    wire_a_str args = { text };
    RpcHeader header = { PROG, RPC_VERSION, PROC_ECHO, RPC_TYPE_CALL, 0, 0 };
    g_autoptr(RpcFrame) frame =
        rpc_frame_new(&header, &str_codec, &args, NULL, 0, NULL);
    int fd = raw_connect(fx->path);

    authenticate_now(fd, 1);
    for (int i = 0; i < 4; i++)
        raw_write(fd, frame->data, frame->len);
    wait_until(no_clients);
    close(fd);
}

#define PLAIN(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
#define STRICT(test)                                                           \
    cmocka_unit_test_setup_teardown(test, setup_strict, teardown)
#define IMPATIENT(test)                                                        \
    cmocka_unit_test_setup_teardown(test, setup_impatient, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLAIN(test_call),
        PLAIN(test_byte_by_byte),
        PLAIN(test_coalesced),
        PLAIN(test_refusals),
        PLAIN(test_ignored_types),
        PLAIN(test_bad_lengths),
        PLAIN(test_fd_passing),
        PLAIN(test_pending),
        PLAIN(test_request_limit),
        PLAIN(test_priority),
        PLAIN(test_readonly),
        PLAIN(test_keepalive_answer),
        PLAIN(test_close_behind_reply),
        PLAIN(test_stream_both_ways),
        PLAIN(test_stream_server_end),
        PLAIN(test_stream_abort),
        PLAIN(test_stream_hangup),
        PLAIN(test_stream_client_lost),
        PLAIN(test_stream_hole),
        PLAIN(test_stream_back_pressure),
        STRICT(test_auth_required),
        STRICT(test_slow_loris),
        STRICT(test_max_clients),
        IMPATIENT(test_auth_deadline),
        STRICT(test_keepalive_sent),
        STRICT(test_unread_replies),
    };

    alarm(300); /* whatever happens, the test ends */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
