/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of the procedures over a socket, by raw frames and by stock virsh,
 * with a driver that has no VMMs. */
#include <config.h>

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

#include "dispatch/dispatch.h"
#include "fake_driver.h"
#include "tests/unit/rpc/raw_client.h"
#include "util/error.h"

#define P RPC_PROGRAM_REMOTE

typedef struct Fixture {
    EvLoop *loop;
    Dispatch *dispatch;
    RpcServer *server;
    Driver *driver;
    char *dir;
    char *path;
    char *ro_path;
} Fixture;

static Fixture *fx;

static const Codec void_codec = CODEC_VOID;
static const Codec open_codec = CODEC(wire_a_open);
static const Codec int_codec = CODEC(wire_a_int);
static const Codec str_codec = CODEC(wire_a_str);
static const Codec str_flags_codec = CODEC(wire_a_str_flags);
static const Codec dom_codec = CODEC(wire_a_dom);
static const Codec dom_flags_codec = CODEC(wire_a_dom_flags);
static const Codec ret_dom_codec = CODEC(wire_r_dom);
static const Codec ret_int_codec = CODEC(wire_r_int);
static const Codec ret_str_codec = CODEC(wire_r_str);
static const Codec register_codec = CODEC(wire_a_event_register);
static const Codec console_codec = CODEC(wire_a_dom_str_opt_flags);

static const char vm_xml[] = "<domain type='kvm'><name>vm</name></domain>";

static int listen_at(const char *path)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    g_strlcpy(addr.sun_path, path, sizeof(addr.sun_path));
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    assert_int_equal(listen(fd, 50), 0);
    return fd;
}

static int setup(void **state)
{
    RpcServerConfig config = RPC_SERVER_CONFIG_INIT;

    fx = g_new0(Fixture, 1);
    fx->dir = g_dir_make_tmp("dispatch-XXXXXX", NULL);
    fx->path = g_build_filename(fx->dir, "rw", NULL);
    fx->ro_path = g_build_filename(fx->dir, "ro", NULL);
    fx->loop = ev_loop_new("rpc-loop", NULL);
    fx->dispatch = dispatch_new(FALSE);
    fx->driver = fake_driver_new(&dispatch_listener, fx->dispatch);
    fx->dispatch->driver = fx->driver;
    fx->server = rpc_server_new(fx->loop, &config, dispatch_programs,
                                &dispatch_hooks, fx->dispatch, NULL);
    rpc_server_add_listener(fx->server, listen_at(fx->path), FALSE,
                            RPC_AUTH_NONE);
    rpc_server_add_listener(fx->server, listen_at(fx->ro_path), TRUE,
                            RPC_AUTH_NONE);
    rpc_server_start(fx->server);
    return 0;
}

static int teardown(void **state)
{
    rpc_server_stop(fx->server);
    fake_driver_free(fx->driver);
    ev_loop_free(fx->loop);
    rpc_server_unref(fx->server);
    dispatch_free(fx->dispatch);
    g_unlink(fx->path);
    g_unlink(fx->ro_path);
    g_rmdir(fx->dir);
    g_free(fx->path);
    g_free(fx->ro_path);
    g_free(fx->dir);
    g_free(fx);
    return 0;
}

static guint32 next_serial;

/* Calls and returns the decoded result. */
static gpointer call(int fd, int proc, const Codec *args_codec,
                     gconstpointer args, const Codec *ret_codec)
{
    guint32 serial = next_serial++;
    RawReply reply;
    gpointer ret;

    raw_call(fd, P, proc, serial, args_codec, args);
    raw_expect(fd, &reply, serial, RPC_STATUS_OK);
    ret = raw_decode(&reply, ret_codec);
    raw_reply_clear(&reply);
    return ret;
}

static void call_void(int fd, int proc, const Codec *codec, gconstpointer args)
{
    assert_null(call(fd, proc, codec, args, &void_codec));
}

static void call_error(int fd, int proc, const Codec *codec, gconstpointer args,
                       int code, const char *text)
{
    guint32 serial = next_serial++;

    raw_call(fd, P, proc, serial, codec, args);
    raw_expect_error(fd, serial, code, text);
}

static int open_at(const char *path)
{
    char *uri = (char *)"stratovirt:///system";
    wire_a_open args = { .name = &uri };
    int fd = raw_connect(path);

    call_void(fd, 1, &open_codec, &args);
    return fd;
}

/* Defines the test domain; free with codec_free(). */
static wire_r_dom *define(int fd)
{
    wire_a_str args = { (char *)vm_xml };

    return call(fd, 11, &str_codec, &args, &ret_dom_codec);
}

static void test_open(void **state)
{
    char *uri = (char *)"qemu:///system";
    wire_a_open args = { .name = &uri };
    wire_a_int feature = { 10 };
    wire_r_int *yes;
    wire_r_str *text;
    int fd = raw_connect(fx->path);

    call_error(fd, 59, &void_codec, NULL, VIR_ERR_INTERNAL_ERROR, "not open");
    feature.value = 14;
    call_error(fd, 60, &int_codec, &feature, VIR_ERR_INTERNAL_ERROR,
               "not open");
    feature.value = 10;
    yes = call(fd, 60, &int_codec, &feature, &ret_int_codec);
    assert_int_equal(yes->value, 1);
    codec_free(&ret_int_codec, yes);
    call_error(fd, 1, &open_codec, &args, VIR_ERR_NO_CONNECT, "qemu:///system");
    uri = (char *)"stratovirt:///session";
    call_error(fd, 1, &open_codec, &args, VIR_ERR_INTERNAL_ERROR,
               "try stratovirt:///system");
    uri = (char *)"stratovirt:///system?x=y#z";
    call_void(fd, 1, &open_codec, &args);
    call_error(fd, 1, &open_codec, &args, VIR_ERR_INTERNAL_ERROR,
               "already open");
    text = call(fd, 110, &void_codec, NULL, &ret_str_codec);
    assert_string_equal(text->value, "stratovirt:///system?x=y#z");
    codec_free(&ret_str_codec, text);
    call_void(fd, 2, &void_codec, NULL);
    raw_expect_closed(fd);
    close(fd);
}

static void test_no_support(void **state)
{
    int fd = open_at(fx->path);

    call_error(fd, 211, &void_codec, NULL, VIR_ERR_NO_SUPPORT,
               "virDomainScreenshot");
    call_error(fd, 283, &void_codec, NULL, VIR_ERR_NO_SUPPORT,
               "virConnectListAllNetworks");
    call_error(fd, 444, &void_codec, NULL, VIR_ERR_RPC,
               "unknown procedure: 444");
    call_error(fd, 318, &void_codec, NULL, VIR_ERR_RPC,
               "unknown procedure: 318");
    raw_call(fd, RPC_PROGRAM_LXC, 1, 99, &void_codec, NULL);
    raw_expect_error(fd, 99, VIR_ERR_NO_SUPPORT, "virDomainLxcOpenNamespace");
    close(fd);
}

static void test_readonly(void **state)
{
    int rw = open_at(fx->path);
    int ro = open_at(fx->ro_path);
    wire_a_open args = { .flags = 1 };
    wire_r_dom *dom = define(rw);
    wire_a_dom handle = { dom->dom };
    wire_a_dom_flags secure = { dom->dom, VIR_DOMAIN_XML_SECURE };
    wire_r_str *xml;
    int self = raw_connect(fx->path);

    call_error(ro, 12, &dom_codec, &handle, VIR_ERR_OPERATION_DENIED,
               "read only access prevents virDomainDestroy");
    call_error(ro, 14, &dom_flags_codec, &secure, VIR_ERR_OPERATION_DENIED,
               "virDomainGetXMLDesc");
    secure.flags = 0;
    xml = call(ro, 14, &dom_flags_codec, &secure, &ret_str_codec);
    assert_string_equal(xml->value, vm_xml);
    codec_free(&ret_str_codec, xml);
    /* asked for by the client itself, and for good */
    call_void(self, 1, &open_codec, &args);
    call_error(self, 12, &dom_codec, &handle, VIR_ERR_OPERATION_DENIED,
               "virDomainDestroy");
    codec_free(&ret_dom_codec, dom);
    close(rw);
    close(ro);
    close(self);
}

static void test_life_cycle(void **state)
{
    int fd = open_at(fx->path);
    wire_r_dom *dom = define(fd);
    wire_a_dom handle = { dom->dom };
    wire_a_dom_flags flags = { dom->dom, 0x1000 };
    wire_a_str_flags none = { (char *)"<domain/>", 0 };
    wire_r_dom *started;
    wire_r_state *now;
    static const Codec state_codec = CODEC(wire_r_state);

    assert_int_equal(dom->dom.id, -1);
    call_error(fd, 196, &dom_flags_codec, &flags, VIR_ERR_INVALID_ARG,
               "unsupported flags (0x1000) in function "
               "virDomainCreateWithFlags");
    flags.flags = VIR_DOMAIN_START_PAUSED;
    started = call(fd, 196, &dom_flags_codec, &flags, &ret_dom_codec);
    assert_int_equal(started->dom.id, 1);
    codec_free(&ret_dom_codec, started);
    call_error(fd, 9, &dom_codec, &handle, VIR_ERR_OPERATION_INVALID,
               "already running");
    flags.flags = 0;
    now = call(fd, 212, &dom_flags_codec, &flags, &state_codec);
    assert_int_equal(now->state, VIR_DOMAIN_PAUSED);
    codec_free(&state_codec, now);
    call_void(fd, 28, &dom_codec, &handle);
    call_void(fd, 12, &dom_codec, &handle);
    call_error(fd, 10, &str_flags_codec, &none, VIR_ERR_NO_NAME,
               "missing name information");
    call_void(fd, 35, &dom_codec, &handle);
    call_error(fd, 12, &dom_codec, &handle, VIR_ERR_NO_DOMAIN, "uuid");
    codec_free(&ret_dom_codec, dom);
    close(fd);
}

static int register_event(int fd, int event, wire_dom *dom)
{
    wire_a_event_register args = { event, dom };
    wire_r_int *ret = call(fd, 316, &register_codec, &args, &ret_int_codec);
    int id = ret->value;

    codec_free(&ret_int_codec, ret);
    return id;
}

static void expect_event(int fd, int proc, const int *fields, gsize nfields)
{
    RawReply reply;
    const guint8 *p;

    assert_true(raw_read(fd, &reply));
    assert_int_equal(reply.header.type, RPC_TYPE_MESSAGE);
    assert_int_equal(reply.header.proc, proc);
    /* the numbers behind the domain */
    p = reply.data + reply.len - 4 * nfields;
    for (gsize i = 0; i < nfields; i++) {
        guint32 be;

        memcpy(&be, p + 4 * i, 4);
        assert_int_equal((int)GUINT32_FROM_BE(be), fields[i]);
    }
    raw_reply_clear(&reply);
}

static void test_events(void **state)
{
    int fd = open_at(fx->path);
    int other = open_at(fx->path);
    wire_r_dom *dom = define(fd);
    wire_a_dom handle = { dom->dom };
    wire_dom stranger = { .name = (char *)"z", .id = -1 };
    int id = register_event(fd, VIR_DOMAIN_EVENT_ID_LIFECYCLE, NULL);
    wire_a_int args = { id };
    static const int started[] = { VIR_DOMAIN_EVENT_STARTED, 0 };
    static const int suspended[] = { VIR_DOMAIN_EVENT_SUSPENDED, 0 };
    RawReply reply;

    /* every id is accepted, known or not; negative ones are not */
    for (int i = 1; i < 40; i++)
        register_event(fd, i, NULL);
    {
        wire_a_event_register bad = { -1, NULL };

        call_error(fd, 316, &register_codec, &bad, VIR_ERR_INTERNAL_ERROR,
                   "unsupported event ID -1");
    }
    /* a filter for another domain stays silent */
    assert_int_not_equal(
        register_event(other, VIR_DOMAIN_EVENT_ID_LIFECYCLE, &stranger), id);
    raw_call(other, P, 9, 1000, &dom_codec, &handle);
    raw_expect(other, &reply, 1000, RPC_STATUS_OK);
    raw_reply_clear(&reply);
    expect_event(fd, 318, started, 2);
    raw_call(other, P, 34, 1001, &dom_codec, &handle);
    raw_expect(other, &reply, 1001, RPC_STATUS_OK);
    raw_reply_clear(&reply);
    expect_event(fd, 318, suspended, 2);
    call_void(fd, 317, &int_codec, &args);
    call_error(fd, 317, &int_codec, &args, VIR_ERR_INTERNAL_ERROR,
               "not registered");
    call_void(fd, 28, &dom_codec, &handle); /* and no event before the reply */
    codec_free(&ret_dom_codec, dom);
    close(fd);
    close(other);
}

static void test_event_layouts(void **state)
{
    /* what follows the callback id and the domain "vm", id -1 */
    static const struct {
        DriverEvent event;
        int proc;
        gsize payload; /* bytes behind the callback id and the domain */
    } kinds[] = {
        { { .id = VIR_DOMAIN_EVENT_ID_REBOOT }, 319, 0 },
        { { .id = VIR_DOMAIN_EVENT_ID_RTC_CHANGE, .offset = -5 }, 320, 8 },
        { { .id = VIR_DOMAIN_EVENT_ID_WATCHDOG, .type = 1 }, 321, 4 },
        { { .id = VIR_DOMAIN_EVENT_ID_IO_ERROR, .path = "/x", .alias = "disk" },
          322,
          8 + 8 + 4 },
        { { .id = VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON,
            .path = "/x",
            .alias = "disk",
            .text = "enospc" },
          324,
          8 + 8 + 4 + 12 },
        { { .id = VIR_DOMAIN_EVENT_ID_CONTROL_ERROR }, 325, 0 },
        { { .id = VIR_DOMAIN_EVENT_ID_BALLOON_CHANGE, .offset = 5 }, 331, 8 },
        { { .id = VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, .alias = "net0" },
          333,
          8 },
        { { .id = VIR_DOMAIN_EVENT_ID_DEVICE_ADDED, .alias = "net0" }, 354, 8 },
        { { .id = VIR_DOMAIN_EVENT_ID_DEVICE_REMOVAL_FAILED, .alias = "net0" },
          367,
          8 },
        { { .id = VIR_DOMAIN_EVENT_ID_METADATA_CHANGE, .type = 1 }, 379, 8 },
        { { .id = VIR_DOMAIN_EVENT_ID_METADATA_CHANGE,
            .type = 2,
            .text = "http" },
          379,
          4 + 4 + 8 },
    };
    const gsize before = 28 + 4 + 8 + 16 + 4;
    int fd = open_at(fx->path);

    codec_free(&ret_dom_codec, define(fd));
    for (int i = 0; i <= VIR_DOMAIN_EVENT_ID_METADATA_CHANGE; i++)
        register_event(fd, i, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++) {
        RawReply reply;

        fake_event(fx->driver, &kinds[i].event);
        assert_true(raw_read(fd, &reply));
        assert_int_equal(reply.header.proc, kinds[i].proc);
        assert_int_equal(reply.len, before + kinds[i].payload);
        raw_reply_clear(&reply);
    }
    close(fd);
}

static void test_legacy_events(void **state)
{
    static const int started[] = { VIR_DOMAIN_EVENT_STARTED, 0 };
    int fd = open_at(fx->path);
    int other = open_at(fx->path);
    wire_r_dom *dom = define(fd);
    wire_a_dom handle = { dom->dom };
    wire_a_int late = { VIR_DOMAIN_EVENT_ID_DEVICE_ADDED };
    wire_r_int *ret = call(fd, 105, &void_codec, NULL, &ret_int_codec);

    assert_int_equal(ret->value, 1);
    codec_free(&ret_int_codec, ret);
    call_error(fd, 105, &void_codec, NULL, VIR_ERR_INTERNAL_ERROR,
               "already registered");
    call_error(fd, 167, &int_codec, &late, VIR_ERR_INTERNAL_ERROR,
               "unsupported event ID");
    call_void(other, 9, &dom_codec, &handle);
    expect_event(fd, 107, started, 2);
    ret = call(fd, 106, &void_codec, NULL, &ret_int_codec);
    assert_int_equal(ret->value, 0);
    codec_free(&ret_int_codec, ret);
    call_error(fd, 106, &void_codec, NULL, VIR_ERR_INTERNAL_ERROR,
               "not registered");
    codec_free(&ret_dom_codec, dom);
    close(fd);
    close(other);
}

static void test_console(void **state)
{
    RpcHeader packet = { P,  RPC_VERSION,        201, RPC_TYPE_STREAM,
                         50, RPC_STATUS_CONTINUE };
    int fd = open_at(fx->path);
    wire_r_dom *dom = define(fd);
    wire_a_dom_str_opt_flags args = { .dom = dom->dom };
    char *none = (char *)"none";
    RawReply reply;
    char buf[8];
    int guest;

    args.value = &none;
    call_error(fd, 201, &console_codec, &args, VIR_ERR_INVALID_ARG,
               "no device 'none'");
    args.value = NULL;
    raw_call(fd, P, 201, 50, &console_codec, &args);
    raw_expect(fd, &reply, 50, RPC_STATUS_OK);
    raw_reply_clear(&reply);
    guest = fake_console_guest_fd(fx->driver);
    raw_frame(fd, &packet, "ls\n", 3);
    assert_int_equal(recv(guest, buf, 3, MSG_WAITALL), 3);
    assert_memory_equal(buf, "ls\n", 3);
    assert_int_equal(send(guest, "ok", 2, 0), 2);
    raw_expect(fd, &reply, 50, RPC_STATUS_CONTINUE);
    assert_int_equal(reply.len, 30);
    raw_reply_clear(&reply);
    /* taken away by another client: end of data, then both say OK */
    fake_console_lose(fx->driver);
    raw_expect(fd, &reply, 50, RPC_STATUS_CONTINUE);
    assert_int_equal(reply.len, 28);
    raw_reply_clear(&reply);
    packet.status = RPC_STATUS_OK;
    raw_frame(fd, &packet, NULL, 0);
    raw_expect(fd, &reply, 50, RPC_STATUS_OK);
    assert_int_equal(reply.header.type, RPC_TYPE_STREAM);
    raw_reply_clear(&reply);
    /* the guest's side sees the end as well */
    assert_int_equal(recv(guest, buf, 1, 0), 0);
    codec_free(&ret_dom_codec, dom);
    close(fd);
}

static void test_monitor(void **state)
{
    static const Codec command_codec = CODEC(wire_a_dom_str_flags);
    static const Codec reg_codec = CODEC(wire_a_monitor_event_register);
    int fd = open_at(fx->path);
    int ro = open_at(fx->ro_path);
    wire_r_dom *dom = define(fd);
    wire_a_dom_str_flags args = { dom->dom, (char *)"{\"execute\":1}", 0 };
    char *pattern = (char *)"^RE";
    wire_a_monitor_event_register reg = { NULL, &pattern, 1 };
    wire_r_str *text;
    RawReply reply;

    raw_call(fd, RPC_PROGRAM_QEMU, 1, 1, &command_codec, &args);
    raw_expect(fd, &reply, 1, RPC_STATUS_OK);
    text = raw_decode(&reply, &ret_str_codec);
    assert_string_equal(text->value, "{\"return\":{\"execute\":1}}");
    codec_free(&ret_str_codec, text);
    raw_reply_clear(&reply);
    raw_call(ro, RPC_PROGRAM_QEMU, 1, 2, &command_codec, &args);
    raw_expect_error(ro, 2, VIR_ERR_OPERATION_DENIED,
                     "virDomainQemuMonitorCommand");
    raw_call(fd, RPC_PROGRAM_QEMU, 3, 3, &command_codec, &args);
    raw_expect_error(fd, 3, VIR_ERR_NO_SUPPORT, "virDomainQemuAgentCommand");
    raw_call(fd, RPC_PROGRAM_QEMU, 4, 4, &reg_codec, &reg);
    raw_expect(fd, &reply, 4, RPC_STATUS_OK);
    raw_reply_clear(&reply);
    fake_monitor_event(fx->driver, "STOP", NULL);
    fake_monitor_event(fx->driver, "RESUME", "{}");
    assert_true(raw_read(fd, &reply));
    assert_int_equal(reply.header.prog, RPC_PROGRAM_QEMU);
    assert_int_equal(reply.header.proc, 6);
    /* callback, domain, "RESUME", time, {} */
    assert_int_equal(reply.len, 28 + 4 + 28 + 12 + 8 + 4 + 12);
    raw_reply_clear(&reply);
    pattern = (char *)"(";
    raw_call(fd, RPC_PROGRAM_QEMU, 4, 5, &reg_codec, &reg);
    raw_expect_error(fd, 5, VIR_ERR_INVALID_ARG, "regular expression");
    codec_free(&ret_dom_codec, dom);
    close(fd);
    close(ro);
}

/* Room that a client names must bound what is allocated. */
static void test_hostile_sizes(void **state)
{
    static const Codec codec = CODEC(wire_a_dom_int_int);
    int fd = open_at(fx->path);
    wire_r_dom *dom = define(fd);
    wire_a_dom_int_int args = { dom->dom, G_MAXINT, G_MAXINT };
    wire_a_int room = { -1 };

    call_error(fd, 20, &codec, &args, VIR_ERR_RPC, "limit");
    args.first = 16384;
    args.second = 1024;
    call_error(fd, 20, &codec, &args, VIR_ERR_RPC, "limit");
    args.first = -1;
    call_error(fd, 20, &codec, &args, VIR_ERR_RPC, "limit");
    call_error(fd, 37, &int_codec, &room, VIR_ERR_RPC, "limit");
    room.value = 16385;
    call_error(fd, 21, &int_codec, &room, VIR_ERR_RPC, "limit");
    codec_free(&ret_dom_codec, dom);
    close(fd);
}

static void test_identity(void **state)
{
    static const Codec codec = CODEC(wire_a_identity);
    wire_params params = { { 0 } };
    wire_a_identity args = { { 0 } };
    int fd = open_at(fx->path);

    wire_params_add_string(&params, "user-name", "me");
    wire_params_add_ullong(&params, "unix-user-id", 5);
    args.params.params_len = 2;
    args.params.params_val = params.list.list_val;
    call_void(fd, 419, &codec, &args);
    call_void(fd, 419, &codec, &args);
    args.params.params_val[1].value.type = VIR_TYPED_PARAM_UINT;
    call_error(fd, 419, &codec, &args, VIR_ERR_INVALID_ARG, "wrong type");
    args.params.params_val[1].value.type = VIR_TYPED_PARAM_ULLONG;
    args.params.params_val[1].field[0] = 'x';
    call_error(fd, 419, &codec, &args, VIR_ERR_INVALID_ARG, "xnix-user-id");
    xdr_free((xdrproc_t)xdr_wire_params, &params);
    close(fd);
}

/* Arguments that begin like real ones and go on with noise: strings of all
 * lengths, counts that lie, flags of every kind. */
static gsize noise_args(GRand *rand, const wire_r_dom *dom, guint8 *buf,
                        gsize size)
{
    g_autoptr(RpcFrame) frame = NULL;
    RpcHeader header = { 0 };
    gsize len = g_rand_int_range(rand, 0, (gint32)size / 4 + 1) * 4;
    gsize start = 0;

    if (g_rand_boolean(rand)) {
        frame = rpc_frame_new(&header, &ret_dom_codec, dom, NULL, 0, NULL);
        start = MIN(frame->len - 28, len);
        memcpy(buf, frame->data + 28, start);
    }
    for (gsize i = start; i < len; i++)
        buf[i] = g_rand_boolean(rand) ? 0 : g_rand_int_range(rand, 0, 256);
    return len;
}

/* Each call is answered, whatever it carries, and the server stays. */
static void test_noise(void **state)
{
    RpcHeader header = { P, RPC_VERSION, 0, RPC_TYPE_CALL, 0, RPC_STATUS_OK };
    GRand *rand = g_rand_new_with_seed(20240229);
    int fd = open_at(fx->path);
    wire_r_dom *dom = define(fd);
    guint8 buf[256];

    for (int proc = 1; proc <= 445; proc++) {
        for (int round = 0; round < 8; round++) {
            RawReply reply;

            if (proc == 2) /* the goodbye */
                continue;
            header.proc = proc;
            header.serial = next_serial++;
            raw_frame(fd, &header, buf, noise_args(rand, dom, buf, 256));
            for (;;) { /* events may come between */
                gboolean done;

                assert_true(raw_read(fd, &reply));
                done = reply.header.type == RPC_TYPE_REPLY;
                if (done)
                    assert_int_equal(reply.header.serial, header.serial);
                raw_reply_clear(&reply);
                if (done)
                    break;
            }
        }
    }
    g_rand_free(rand);
    codec_free(&ret_dom_codec, dom);
    close(fd);
}

/* ---- the stock client ---- */

static char *virsh(const char *command)
{
    g_autofree char *uri =
        g_strdup_printf("stratovirt+unix:///system?socket=%s", fx->path);
    const char *argv[] = { "timeout", "30", "virsh", "-c", uri, command, NULL };
    g_autoptr(GError) error = NULL;
    g_autofree char *err = NULL;
    char *out = NULL;
    int status = 0;

    assert_true(g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH,
                             NULL, NULL, &out, &err, &status, &error));
    if (!g_spawn_check_wait_status(status, NULL))
        fail_msg("virsh %s: %s", command, err);
    g_strchomp(out);
    return out;
}

static void virsh_says(const char *command, const char *text)
{
    g_autofree char *out = virsh(command);

    if (!strstr(out, text))
        fail_msg("virsh %s: '%s' does not contain '%s'", command, out, text);
}

static void test_virsh(void **state)
{
    static const struct {
        const char *command;
        const char *output;
    } steps[] = {
        { "uri", "stratovirt" },
        { "hostname", "fakehost" },
        { "version", "Running hypervisor: StratoVirt 8.2.2" },
        { "nodeinfo", "CPU(s):              4" },
        { "capabilities", "<capabilities/>" },
        { "domcapabilities --machine q35", "machine='q35'" },
        { "sysinfo", "smbios" },
        { "freecell", "4194304 KiB" },
        { "nodecpustats", "iowait" },
        { "nodememstats", "8388608 KiB" },
        { "nodecpumap", "CPUs present:   4" },
        { "maxvcpus", "254" },
        { "list --all", "vm" },
        { "start vm --paused", "Domain 'vm' started" },
        { "domstate vm --reason", "paused (user)" },
        { "resume vm", "Domain 'vm' resumed" },
        { "list", "running" },
        { "dominfo vm", "CPU time:       1.5s" },
        { "dominfo vm", "tainted: custom monitor control commands issued" },
        { "domid vm", "1" },
        { "vcpuinfo vm", "CPU Affinity:   yy" },
        { "vcpucount vm", "2" },
        { "domstats vm", "block.0.rd.bytes=18446744073709551615" },
        { "domblkstat vm vda", "vda rd_bytes" },
        { "domifstat vm vnet0", "vnet0 tx_drop 8" },
        { "domblkinfo vm vda", "Capacity:       3000" },
        { "dommemstat vm", "rss 4711" },
        { "domcontrol vm", "ok" },
        { "domjobinfo vm", "None" },
        { "autostart vm", "marked as autostarted" },
        { "desc vm --title hello", "updated" },
        { "list --title", "hello" },
        { "qemu-monitor-command vm '{}'", "return" },
        { "suspend vm", "suspended" },
        { "reset vm", "reset" },
        { "reboot vm", "being rebooted" },
        { "destroy vm --graceful", "destroyed" },
        { "domstate vm --reason", "shut off (destroyed)" },
        { "domrename vm wm", "renamed" },
        { "dumpxml wm", "<name>vm</name>" },
        { "undefine wm", "undefined" },
    };
    g_autofree char *tool = g_find_program_in_path("virsh");
    int fd;

    if (!tool) {
        print_message("virsh is not installed\n");
        skip();
    }
    fd = open_at(fx->path);
    codec_free(&ret_dom_codec, define(fd));
    for (gsize i = 0; i < G_N_ELEMENTS(steps); i++)
        virsh_says(steps[i].command, steps[i].output);
    close(fd);
    while (fake_connections_closed(fx->driver) < G_N_ELEMENTS(steps) + 1)
        g_usleep(1000); /* bounded by the alarm in main */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_open),          TEST(test_no_support),
        TEST(test_readonly),      TEST(test_life_cycle),
        TEST(test_events),        TEST(test_event_layouts),
        TEST(test_legacy_events), TEST(test_console),
        TEST(test_monitor),       TEST(test_hostile_sizes),
        TEST(test_identity),      TEST(test_noise),
        TEST(test_virsh),
    };

    alarm(300); /* whatever happens, the test ends */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
