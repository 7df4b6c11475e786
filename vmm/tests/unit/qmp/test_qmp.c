/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The monitor server over a socket pair, with a machine of a few lines. */
#include <config.h>

#include "qmp/qmp.h"
#include "qmp/scan.h"
#include "util/cleanup.h"
#include "util/fdset.h"
#include "util/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

/* --- a machine that completes requests when told
 * ------------------------------ */

struct Machine {
    MachineConf conf;
    RunState state;
    MachineActions actions;
    MachineDoneFn *done;
    void *opaque;
    bool sync; /* complete within the call */
    unsigned quits;
    QmpServer *server;
};

static Machine fake;

const char *const run_state_names[RUN_STATE_MAX] = {
    "paused",         "running",        "shutdown",
    "guest-panicked", "internal-error", "io-error",
};

static void fake_complete(int r, const char *event)
{
    MachineDoneFn *done = fake.done;
    Err e = ERR_INIT;

    fake.done = NULL;
    if (event)
        qmp_event(fake.server, event, NULL);
    if (r < 0)
        err_set(&e, -r, "the fake machine refuses");
    done(fake.opaque, r, &e);
}

static void fake_request(MachineDoneFn *done, void *opaque, const char *event)
{
    fake.done = done;
    fake.opaque = opaque;
    if (fake.sync)
        fake_complete(0, event);
}

void machine_stop(Machine *m, MachineDoneFn *done, void *opaque)
{
    m->state = RUN_STATE_PAUSED;
    fake_request(done, opaque, "STOP");
}

void machine_cont(Machine *m, MachineDoneFn *done, void *opaque)
{
    m->state = RUN_STATE_RUNNING;
    fake_request(done, opaque, "RESUME");
}

void machine_reset(Machine *m, MachineDoneFn *done, void *opaque)
{
    (void)m;
    fake_request(done, opaque, "RESET");
}

int machine_powerdown(Machine *m, Err *e)
{
    (void)m;
    return err_set(e, ENOTSUP, "the fake machine has no power button");
}

int machine_nmi(Machine *m, Err *e)
{
    (void)m;
    (void)e;
    return 0;
}

void machine_quit(Machine *m, ExitCause cause, const char *detail, int status)
{
    (void)cause;
    (void)detail;
    (void)status;
    m->quits++;
}

const MachineConf *machine_conf(const Machine *m)
{
    return &m->conf;
}

RunState machine_run_state(const Machine *m)
{
    return m->state;
}

const char *machine_state_reason(const Machine *m)
{
    (void)m;
    return NULL;
}

MachineActions *machine_actions(Machine *m)
{
    return &m->actions;
}

#define FAKE_QUERY(name, value)                                                \
    json_t *name(const Machine *m)                                             \
    {                                                                          \
        (void)m;                                                               \
        return value;                                                          \
    }
FAKE_QUERY(machine_query_cpus,
           json_pack("[{s:i, s:s, s:i, s:{}}]", "CPU", 0, "qom_path", "/x",
                     "thread_id", 7, "props"))
FAKE_QUERY(machine_query_hotpluggable_cpus, json_array())
FAKE_QUERY(machine_query_chardev, json_array())
FAKE_QUERY(machine_query_iothreads, json_array())
FAKE_QUERY(machine_query_block, json_array())
FAKE_QUERY(machine_query_blockstats, json_array())
FAKE_QUERY(machine_query_rx_filter, json_array())
FAKE_QUERY(machine_query_memory_size, json_object())
FAKE_QUERY(machine_query_devices,
           json_pack("[{s:s, s:s}]", "id", "rng0", "type", "virtio-rng-device"))

/* --- a client
 * ------------------------------------------------------------------- */

typedef struct Rig {
    Loop *loop;
    QmpServer *server;
    int fd[2]; /* clients */
} Rig;

static int client_add(Rig *rig, const char *id)
{
    int pair[2];
    Chardev *cd;
    Err e = ERR_INIT;
    ChardevConf conf = { .id = id, .cls = CHARDEV_SOCKET, .has_fd = true };

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair),
                     0);
    conf.fd = pair[0];
    if (chardev_new(&cd, &conf, &e) < 0 || qmp_add(rig->server, cd, &e) < 0)
        fail_msg("%s", e.msg);
    return pair[1];
}

static int setup(void **state)
{
    static Rig rig;
    Err e = ERR_INIT;

    memset(&fake, 0, sizeof(fake));
    fake.sync = true;
    fake.state = RUN_STATE_RUNNING;
    fake.conf.name = "vm";
    log_init(2, "error");
    assert_int_equal(loop_new(&rig.loop, "test", &e), 0);
    assert_int_equal(qmp_new(&rig.server, rig.loop, &e), 0);
    fake.server = rig.server;
    rig.fd[0] = client_add(&rig, "a");
    rig.fd[1] = client_add(&rig, "b");
    if (qmp_start(rig.server, &fake, &e) < 0)
        fail_msg("%s", e.msg);
    *state = &rig;
    return 0;
}

static int teardown(void **state)
{
    Rig *rig = *state;

    qmp_free(rig->server);
    loop_free(rig->loop);
    close(rig->fd[0]);
    close(rig->fd[1]);
    return 0;
}

/* Turns of the loop until nothing happens any more. */
static void settle(Rig *rig)
{
    for (int i = 0; i < 40; i++)
        loop_turn(rig->loop, 0);
}

static void put(Rig *rig, int client, const char *text)
{
    assert_int_equal(send(rig->fd[client], text, strlen(text), 0),
                     strlen(text));
    settle(rig);
}

/* Everything the client got, timestamps blanked. */
static const char *get(Rig *rig, int client)
{
    static char buf[1 << 16];
    ssize_t len;
    char *stamp;

    settle(rig);
    len = recv(rig->fd[client], buf, sizeof(buf) - 1, MSG_DONTWAIT);
    if (len < 0)
        return errno == EAGAIN ? "" : "ERROR";
    buf[len] = 0;
    while ((stamp = strstr(buf, ",\"timestamp\"")))
        memmove(stamp, strchr(stamp, '}') + 1,
                strlen(strchr(stamp, '}') + 1) + 1);
    return buf;
}

#define expect(rig, client, text) assert_string_equal(get(rig, client), text)

static const char greeting[] =
    "{\"QMP\":{\"version\":{\"qemu\":{\"micro\":2,\"minor\":2,\"major\":8},"
    "\"package\":\"stratovmm-" PACKAGE_VERSION "\"},\"capabilities\":[]}}\r\n";

static void test_greeting(void **state)
{
    Rig *rig = *state;

    expect(rig, 0, greeting);
    put(rig, 0, "{\"execute\":\"qmp_capabilities\"}");
    expect(rig, 0, "{\"return\":{}}\r\n");
    put(rig, 0, "{\"execute\":\"query-name\",\"id\":\"x\"}\r\n");
    expect(rig, 0, "{\"return\":{\"name\":\"vm\"},\"id\":\"x\"}\r\n");
}

static void test_ids(void **state)
{
    Rig *rig = *state;

    get(rig, 0);
    put(rig, 0,
        "{\"execute\":\"stop\",\"id\": [ 1, {\"a\" : null} ] }"
        "{\"id\":99999999999999999999,\"execute\":\"nope\"}"
        "{\"id\":0.50}");
    expect(rig, 0,
           "{\"return\":{},\"id\":[1,{\"a\":null}]}\r\n"
           "{\"error\":{\"class\":\"CommandNotFound\",\"desc\":\"The command "
           "nope has not been found\"},\"id\":99999999999999999999}\r\n"
           "{\"error\":{\"class\":\"GenericError\",\"desc\":\"missing field "
           "`execute`\"},\"id\":0.50}\r\n"
           "{\"event\":\"STOP\",\"data\":{}}\r\n");
    put(rig, 0, "{\"execute\":\"stop\",\"id\":nul}");
    expect(rig, 0,
           "{\"error\":{\"class\":\"GenericError\",\"desc\":\"JSON "
           "parse error: 'id' is not JSON\"}}\r\n");
}

static void test_arguments(void **state)
{
    Rig *rig = *state;

    get(rig, 0);
    put(rig, 0, "{\"execute\":\"stop\",\"arguments\":{\"x\":1}}");
    expect(rig, 0,
           "{\"error\":{\"class\":\"GenericError\",\"desc\":\"stop: unknown "
           "option 'x'; there are no options\"}}\r\n");
    put(rig, 0, "{\"execute\":\"query-version\",\"arguments\":{\"x\":1}}");
    assert_memory_equal(get(rig, 0), "{\"return\":{", 11);
    put(rig, 0, "{\"execute\":\"stop\",\"arguments\":[]}");
    expect(rig, 0,
           "{\"error\":{\"class\":\"GenericError\",\"desc\":\""
           "'arguments' must be an object\"}}\r\n");
    put(rig, 0,
        "{\"execute\":\"set-action\",\"arguments\":{\"reboot\":"
        "\"reset\",\"reboot\":\"shutdown\"},\"id\":1}");
    expect(rig, 0,
           "{\"error\":{\"class\":\"GenericError\",\"desc\":\"JSON "
           "parse error in 'arguments': duplicate object key near "
           "'\\\"reboot\\\"'\"},\"id\":1}\r\n");
    put(rig, 0,
        "{\"execute\":\"set-action\",\"arguments\":{\"reboot\":"
        "\"reset\",\"panic\":\"none\"}}");
    expect(rig, 0, "{\"return\":{}}\r\n");
    assert_int_equal(fake.actions.reboot, ACTION_REBOOT_RESET);
    assert_int_equal(fake.actions.panic, ACTION_PANIC_NONE);
    assert_int_equal(fake.actions.shutdown, ACTION_SHUTDOWN_POWEROFF);
    put(rig, 0, "{\"execute\":\"system_powerdown\"}");
    expect(rig, 0,
           "{\"error\":{\"class\":\"GenericError\",\"desc\":\"the fake "
           "machine has no power button\"}}\r\n");
    put(rig, 0, "{\"execute\":\"query-balloon\"}");
    expect(rig, 0,
           "{\"error\":{\"class\":\"DeviceNotActive\",\"desc\":\"No "
           "balloon device has been activated\"}}\r\n");
}

static void test_pending(void **state)
{
    Rig *rig = *state;

    get(rig, 0);
    get(rig, 1);
    fake.sync = false;
    put(rig, 0,
        "{\"execute\":\"stop\",\"id\":1}"
        "{\"execute\":\"query-status\",\"id\":2}");
    expect(rig, 0, "");
    /* Another client does not wait. */
    put(rig, 1, "{\"execute\":\"query-name\"}");
    expect(rig, 1, "{\"return\":{\"name\":\"vm\"}}\r\n");
    fake_complete(0, "STOP");
    expect(rig, 0,
           "{\"return\":{},\"id\":1}\r\n{\"return\":{\"running\":false,"
           "\"singlestep\":false,\"status\":\"paused\"},\"id\":2}\r\n"
           "{\"event\":\"STOP\",\"data\":{}}\r\n");
    expect(rig, 1, "{\"event\":\"STOP\",\"data\":{}}\r\n");
    put(rig, 0, "{\"execute\":\"cont\"}");
    fake_complete(-EBUSY, NULL);
    expect(rig, 0,
           "{\"error\":{\"class\":\"GenericError\",\"desc\":\"the fake "
           "machine refuses\"}}\r\n");
}

/* The client leaves while its request is carried out. */
static void test_leave(void **state)
{
    Rig *rig = *state;

    fake.sync = false;
    put(rig, 0, "{\"execute\":\"stop\",\"id\":1}{\"execute\":\"cont\"}");
    shutdown(rig->fd[0], SHUT_RDWR);
    settle(rig);
    fake_complete(0, "STOP");
    settle(rig);
    assert_null(fake.done);
    put(rig, 1, "{\"execute\":\"query-name\"}");
    assert_non_null(strstr(get(rig, 1), "\"vm\""));
}

/* Events go to those who made a request. */
static void test_events(void **state)
{
    Rig *rig = *state;
    json_t *data = json_pack("{s:b}", "guest", 1);

    get(rig, 0);
    get(rig, 1);
    put(rig, 1, "{\"execute\":\"qmp_capabilities\"}");
    get(rig, 1);
    qmp_event(rig->server, "RESET", data);
    json_decref(data);
    expect(rig, 0, "");
    expect(rig, 1, "{\"event\":\"RESET\",\"data\":{\"guest\":true}}\r\n");
}

static void test_garbage(void **state)
{
    Rig *rig = *state;

    get(rig, 0);
    put(rig, 0, "hello\n{\"execute\":\"query-name\"}");
    expect(rig, 0,
           "{\"error\":{\"class\":\"GenericError\",\"desc\":\"JSON "
           "parse error: a request is an object that starts with "
           "'{'\"}}\r\n{\"return\":{\"name\":\"vm\"}}\r\n");
    put(rig, 0, "{\"execute\":\"query-name\"");
    expect(rig, 0, "");
    put(rig, 0, "}");
    expect(rig, 0, "{\"return\":{\"name\":\"vm\"}}\r\n");
    put(rig, 0, "{\"execute\":\"\xff\xfe\"}");
    assert_non_null(strstr(get(rig, 0), "GenericError"));
    put(rig, 0, "{\"\xff\":1}");
    assert_non_null(strstr(get(rig, 0), "unknown field `?`"));
}

/* A request without end: an error, then the connection ends. */
static void test_long(void **state)
{
    Rig *rig = *state;
    char chunk[4096];
    const char *got;

    get(rig, 0);
    memset(chunk, ' ', sizeof(chunk));
    chunk[0] = '{';
    for (size_t sent = 0; sent <= SCAN_MAX_BYTES + sizeof(chunk);
         sent += sizeof(chunk)) {
        if (send(rig->fd[0], chunk, sizeof(chunk), MSG_NOSIGNAL) < 0)
            break;
        chunk[0] = ' ';
        settle(rig);
    }
    got = get(rig, 0);
    assert_non_null(strstr(got, "The socket message is too long."));
    assert_string_equal(get(rig, 0), "");
}

/* A client that reads nothing is left behind; the other one is served. */
static void test_slow_reader(void **state)
{
    Rig *rig = *state;
    struct pollfd p = { .fd = rig->fd[0], .events = POLLIN };
    char buf[65536];
    ssize_t len;

    put(rig, 0, "{\"execute\":\"qmp_capabilities\"}");
    get(rig, 1);
    for (int i = 0; i < 60000; i++) {
        qmp_event(rig->server, "RESET", NULL);
        if (i % 100 == 0)
            loop_turn(rig->loop, 0);
    }
    put(rig, 1, "{\"execute\":\"query-name\"}");
    assert_non_null(strstr(get(rig, 1), "\"vm\""));
    while ((len = recv(rig->fd[0], buf, sizeof(buf), 0)) > 0)
        settle(rig);
    assert_int_equal(len, 0); /* disconnected */
    assert_int_equal(poll(&p, 1, 0), 1);
}

/* Floods of requests without reading replies: bounded, then answered all. */
static void test_flood(void **state)
{
    static const char request[] = "{\"execute\":\"query-qmp-schema\"}";
    Rig *rig = *state;
    size_t sent = 0;
    size_t ends = 0;
    char buf[65536];
    ssize_t len;

    get(rig, 0);
    fcntl(rig->fd[0], F_SETFL, O_NONBLOCK);
    for (int i = 0; i < 200; i++) {
        if (send(rig->fd[0], request, sizeof(request) - 1, 0) !=
            sizeof(request) - 1)
            break;
        sent++;
        settle(rig);
    }
    for (int idle = 0; idle < 100;) {
        len = recv(rig->fd[0], buf, sizeof(buf), 0);
        idle = len > 0 ? 0 : idle + 1;
        for (ssize_t i = 0; i < len; i++)
            ends += buf[i] == '\n';
        settle(rig);
    }
    assert_int_equal(ends, sent);
}

static void send_fds(Rig *rig, int num, const char *text)
{
    char control[CMSG_SPACE(sizeof(int) * 4)] = { 0 };
    struct iovec iov = { (char *)text, strlen(text) };
    struct msghdr msg = { .msg_iov = &iov,
                          .msg_iovlen = 1,
                          .msg_control = control,
                          .msg_controllen = CMSG_SPACE(sizeof(int) * num) };
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    int fds[4];

    for (int i = 0; i < num; i++)
        fds[i] = open("/dev/null", i ? O_RDWR : O_RDONLY);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int) * num);
    memcpy(CMSG_DATA(c), fds, sizeof(int) * num);
    assert_true(sendmsg(rig->fd[0], &msg, 0) > 0);
    for (int i = 0; i < num; i++)
        close(fds[i]);
    settle(rig);
}

static void test_fds(void **state)
{
    Rig *rig = *state;
    Err e = ERR_INIT;
    int fd;

    get(rig, 0);
    put(rig, 0, "{\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"x\"}}");
    expect(rig, 0,
           "{\"error\":{\"class\":\"GenericError\",\"desc\":\"No file "
           "descriptor supplied via SCM_RIGHTS\"}}\r\n");
    send_fds(rig, 2,
             "{\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"x\"}}"
             "{\"execute\":\"add-fd\",\"arguments\":{\"fdset-id\":3,"
             "\"opaque\":\"img\"}}");
    assert_non_null(
        strstr(get(rig, 0), "{\"return\":{}}\r\n{\"return\":{\"fdset-id\":3"));
    fd = path_open("/dev/fdset/3", O_RDWR, 0, &e);
    assert_true(fd >= 0);
    close(fd);
    put(rig, 0, "{\"execute\":\"query-fdsets\"}");
    assert_non_null(strstr(get(rig, 0), "\"opaque\":\"img\""));
    put(rig, 0,
        "{\"execute\":\"closefd\",\"arguments\":{\"fdname\":\"x\"}}"
        "{\"execute\":\"closefd\",\"arguments\":{\"fdname\":\"x\"}}");
    expect(rig, 0,
           "{\"return\":{}}\r\n{\"error\":{\"class\":\"GenericError\","
           "\"desc\":\"File descriptor named 'x' not found\"}}\r\n");
    put(rig, 0, "{\"execute\":\"remove-fd\",\"arguments\":{\"fdset-id\":3}}");
    expect(rig, 0, "{\"return\":{}}\r\n");
    /* Nobody takes these: they are closed, and not found later. */
    send_fds(rig, 4, "{\"execute\":\"query-name\"}");
    get(rig, 0);
    put(rig, 0, "{\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"x\"}}");
    assert_non_null(strstr(get(rig, 0), "No file descriptor"));
}

/* Every command that looks: an answer, whatever it is. */
static void test_all(void **state)
{
    Rig *rig = *state;
    json_t *commands = qmp_describe_commands();
    json_t *command;
    size_t at;

    get(rig, 0);
    json_array_foreach(commands, at, command)
    {
        char text[128];

        snprintf(text, sizeof(text), "{\"execute\":\"%s\",\"id\":%zu}",
                 json_string_value(json_object_get(command, "name")), at);
        put(rig, 0, text);
        snprintf(text, sizeof(text), "\"id\":%zu}\r\n", at);
        assert_non_null(strstr(get(rig, 0), text));
    }
    assert_int_equal(fake.quits, 1);
    json_decref(commands);
}

static void test_hmp(void **state)
{
    Rig *rig = *state;

    get(rig, 0);
    put(rig, 0,
        "{\"execute\":\"human-monitor-command\",\"arguments\":{"
        "\"command-line\":\"info status\"}}");
    expect(rig, 0, "{\"return\":\"VM status: running\\r\\n\"}\r\n");
    put(rig, 0,
        "{\"execute\":\"human-monitor-command\",\"arguments\":{"
        "\"command-line\":\"info cpus\",\"cpu-index\":0}}");
    expect(rig, 0, "{\"return\":\"* CPU #0: thread_id=7\\r\\n\"}\r\n");
    put(rig, 0,
        "{\"execute\":\"human-monitor-command\",\"arguments\":{"
        "\"command-line\":\"savevm x\"}}");
    expect(rig, 0,
           "{\"error\":{\"class\":\"GenericError\",\"desc\":"
           "\"Unsupported command: savevm\"}}\r\n");
}

static void test_qom(void **state)
{
    Rig *rig = *state;

    get(rig, 0);
    put(rig, 0,
        "{\"execute\":\"qom-list\",\"arguments\":{\"path\":\"/machine/"
        "peripheral\"}}");
    expect(rig, 0,
           "{\"return\":[{\"name\":\"type\",\"type\":\"string\"},{"
           "\"name\":\"rng0\",\"type\":\"child<virtio-rng-device>\"}]}"
           "\r\n");
    put(rig, 0,
        "{\"execute\":\"qom-get\",\"arguments\":{\"path\":\"/machine/"
        "peripheral/rng0\",\"property\":\"type\"}}");
    expect(rig, 0, "{\"return\":\"virtio-rng-device\"}\r\n");
    put(rig, 0, "{\"execute\":\"qom-list\",\"arguments\":{\"path\":\"/x\"}}");
    expect(rig, 0,
           "{\"error\":{\"class\":\"DeviceNotFound\",\"desc\":\"Device "
           "'/x' not found\"}}\r\n");
    put(rig, 0,
        "{\"execute\":\"device-list-properties\",\"arguments\":{"
        "\"typename\":\"virtio-rng-device\"}}");
    assert_non_null(strstr(get(rig, 0), "\"max-bytes\""));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_greeting), TEST(test_ids),   TEST(test_arguments),
        TEST(test_pending),  TEST(test_leave), TEST(test_events),
        TEST(test_garbage),  TEST(test_long),  TEST(test_slow_reader),
        TEST(test_flood),    TEST(test_fds),   TEST(test_all),
        TEST(test_hmp),      TEST(test_qom),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
