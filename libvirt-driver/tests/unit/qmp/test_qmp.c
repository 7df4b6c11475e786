/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Monitor client: the test plays the VMM's side of a socket pair. */
#include <config.h>

#include "qmp/qmp_client.h"
#include "qmp/qmp_commands.h"
#include "qmp/qmp_scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "util/error.h"

#define GREETING                                                               \
    "{\"QMP\":{\"version\":{\"qemu\":{\"micro\":2,\"minor\":2,\"major\":8},"   \
    "\"package\":\"stratovmm-0.1.0\"},\"capabilities\":[]}}\r\n"
#define CAPS "{\"execute\":\"qmp_capabilities\",\"id\":\"libvirt-1\"}\r\n"

typedef struct Env {
    EvLoop *loop;
    QmpClient *client;
    int peer;          /* the VMM's side */
    GAsyncQueue *news; /* of char *: what callbacks said, in order */
} Env;

static void say(Env *env, char *text)
{
    g_async_queue_push(env->news, text);
}

static void on_ready(gpointer user, const QmpGreeting *greeting)
{
    say(user,
        g_strdup_printf("ready %u %s", greeting->version, greeting->package));
}

static void on_event(gpointer user, const QmpEvent *event)
{
    say(user, g_strdup_printf("event %s", event->name));
}

static void on_stuck(gpointer user, const char *command)
{
    say(user, g_strdup_printf("stuck %s", command));
}

static void on_closed(gpointer user, const GError *why)
{
    say(user, g_strdup_printf("closed %s", why->message));
}

static const QmpListener listener = { on_ready, on_event, on_stuck, on_closed };

static void on_reply(gpointer user, json_t *ret, const GError *error)
{
    if (error) {
        say(user, g_strdup_printf("error %d %s", error->code, error->message));
    } else {
        char *text = json_dumps(ret, JSON_COMPACT | JSON_ENCODE_ANY);

        say(user, g_strdup_printf("return %s", text));
        free(text);
    }
}

static void expect(Env *env, const char *want)
{
    g_autofree char *got =
        g_async_queue_timeout_pop(env->news, 30 * G_USEC_PER_SEC);

    assert_non_null(got);
    assert_string_equal(got, want);
}

static void expect_prefix(Env *env, const char *want)
{
    g_autofree char *got =
        g_async_queue_timeout_pop(env->news, 30 * G_USEC_PER_SEC);

    assert_non_null(got);
    if (!g_str_has_prefix(got, want))
        assert_string_equal(got, want);
}

static void peer_send(Env *env, const char *text)
{
    assert_int_equal(send(env->peer, text, strlen(text), MSG_NOSIGNAL),
                     strlen(text));
}

static void peer_expect(Env *env, const char *want)
{
    g_autofree char *got = g_malloc0(strlen(want) + 1);

    assert_int_equal(recv(env->peer, got, strlen(want), MSG_WAITALL),
                     strlen(want));
    assert_string_equal(got, want);
}

static int setup_timeout(void **state, guint timeout_ms, const char *first)
{
    Env *env = g_new0(Env, 1);
    int fds[2];

    alarm(60);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds),
                     0);
    env->news = g_async_queue_new_full(g_free);
    env->loop = ev_loop_new("test", NULL);
    env->peer = fds[1];
    if (first)
        peer_send(env, first);
    env->client =
        qmp_client_new(env->loop, fds[0], timeout_ms, &listener, env, NULL);
    *state = env;
    return 0;
}

static int setup(void **state)
{
    return setup_timeout(state, 30000, NULL);
}

static int setup_short(void **state)
{
    return setup_timeout(state, 50, NULL);
}

/* The VMM greets at once, and is then slower than the deadline. */
static int setup_greeted(void **state)
{
    return setup_timeout(state, 50,
                         GREETING "{\"return\":{},\"id\":\"libvirt-1\"}");
}

static int setup_ready(void **state)
{
    Env *env;

    setup(state);
    env = *state;
    peer_send(env, GREETING);
    peer_expect(env, CAPS);
    peer_send(env, "{\"return\":{}}\r\n");
    expect(env, "ready 8002002 stratovmm-0.1.0");
    return 0;
}

static int teardown(void **state)
{
    Env *env = *state;

    qmp_client_close(env->client);
    qmp_client_unref(env->client);
    ev_loop_free(env->loop);
    close(env->peer);
    assert_int_equal(g_async_queue_length(env->news), 0);
    g_async_queue_unref(env->news);
    g_free(env);
    return 0;
}

static void commands_go_one_at_a_time(void **state)
{
    Env *env = *state;
    char byte;

    qmp_stop(env->client, on_reply, env);
    qmp_cont(env->client, on_reply, env);
    peer_expect(env, "{\"execute\":\"stop\",\"id\":\"libvirt-2\"}\r\n");
    peer_send(env, "{\"event\":\"STOP\",\"data\":{},\"timestamp\":"
                   "{\"seconds\":1,\"microseconds\":2}}\r\n");
    expect(env, "event STOP");
    assert_int_equal(recv(env->peer, &byte, 1, MSG_DONTWAIT), -1);
    peer_send(env, "{\"return\":{},\"id\":\"libvirt-2\"}\r\n");
    expect(env, "return {}");
    peer_expect(env, "{\"execute\":\"cont\",\"id\":\"libvirt-3\"}\r\n");
    /* In pieces and with the next document behind it. */
    peer_send(env, "  {\"retu");
    peer_send(env, "rn\":{\"a\":\"}\\\"\"},\"id\":\"libvirt-3\"}{\"event\":"
                   "\"RESUME\"}");
    expect(env, "return {\"a\":\"}\\\"\"}");
    expect(env, "event RESUME");
}

static void errors_are_mapped(void **state)
{
    static const struct {
        const char *reply, *want;
    } rows[] = {
        { "{\"error\":{\"class\":\"CommandNotFound\",\"desc\":\"no\"}}",
          "error 3 the VMM refused 'stop': no" },
        { "{\"error\":{\"class\":\"GenericError\",\"desc\":\"unknown variant "
          "`stop`, expected one of x\"}}",
          "error 3 the VMM refused 'stop': unknown variant `stop`, expected "
          "one of x" },
        { "{\"error\":{\"class\":\"GenericError\",\"desc\":\"\"}}",
          "error 9 the VMM refused 'stop': no reason given" },
        { "{\"error\":7}", "error 9 the VMM refused 'stop': no reason given" },
    };
    Env *env = *state;

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *request = g_strdup_printf(
            "{\"execute\":\"stop\",\"id\":\"libvirt-%zu\"}\r\n", i + 2);

        qmp_stop(env->client, on_reply, env);
        peer_expect(env, request);
        peer_send(env, rows[i].reply);
        expect(env, rows[i].want);
    }
}

static void raw_reply_is_whole(void **state)
{
    Env *env = *state;

    qmp_client_execute_raw(env->client, "x", json_pack("{s:i}", "n", 1),
                           on_reply, env);
    peer_expect(env, "{\"execute\":\"x\",\"arguments\":{\"n\":1},\"id\":"
                     "\"libvirt-2\"}\r\n");
    peer_send(env, "{\"error\":{\"class\":\"C\"},\"id\":\"libvirt-2\"}");
    expect(env, "return {\"error\":{\"class\":\"C\"},\"id\":\"libvirt-2\"}");
}

static void hostile_peers_are_cut_off(void **state)
{
    static const char *const bad[] = {
        "hello",
        "[]",
        "{\"QMP\":1}",
        "{\"QMP\":{},\"QMP\":{}}",
        "{\"return\":{}}",
        "{\"x\" 1}",
        "{\"a\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
        "[[[[[[[[",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        Env *env;

        setup(state);
        env = *state;
        peer_send(env, bad[i]);
        expect_prefix(env, "closed the VMM's monitor sent ");
        teardown(state);
    }
    setup(state);
}

static void endless_document_is_cut_off(void **state)
{
    Env *env = *state;
    g_autofree char *block = g_strnfill(65536, 'x');
    gsize sent = 0;

    peer_send(env, "{\"x\":\"");
    while (sent < 2 * QMP_SCAN_MAX_BYTES) {
        ssize_t n = send(env->peer, block, 65536, MSG_NOSIGNAL);

        if (n < 0)
            break;
        sent += n;
    }
    expect_prefix(env, "closed the VMM's monitor sent what is no JSON");
}

static void wrong_id_is_cut_off(void **state)
{
    Env *env = *state;

    qmp_stop(env->client, on_reply, env);
    peer_expect(env, "{\"execute\":\"stop\",\"id\":\"libvirt-2\"}\r\n");
    peer_send(env, "{\"return\":{},\"id\":\"libvirt-9\"}");
    expect_prefix(env, "error 9 the VMM's monitor answered a command that was");
    expect_prefix(env, "closed the VMM's monitor answered a command that was");
}

static void unasked_reply_is_cut_off(void **state)
{
    Env *env = *state;

    peer_send(env, "{\"return\":{}}");
    expect(env, "closed the VMM's monitor answered without being asked");
    qmp_stop(env->client, on_reply, env);
    expect(env, "error 9 the connection to the VMM is closed");
}

static void end_of_file_fails_what_waits(void **state)
{
    Env *env = *state;

    qmp_stop(env->client, on_reply, env);
    qmp_cont(env->client, on_reply, env);
    peer_expect(env, "{\"execute\":\"stop\",\"id\":\"libvirt-2\"}\r\n");
    shutdown(env->peer, SHUT_RDWR);
    expect(env, "error 9 the VMM closed its monitor");
    expect(env, "error 9 the VMM closed its monitor");
    expect(env, "closed the VMM closed its monitor");
}

static void no_greeting_in_time(void **state)
{
    expect_prefix(*state, "closed the VMM did not greet");
}

static void late_answer_makes_it_stuck(void **state)
{
    Env *env = *state;

    expect(env, "ready 8002002 stratovmm-0.1.0");
    qmp_stop(env->client, on_reply, env);
    expect(env, "stuck stop");
    expect_prefix(env, "error 68 the VMM did not answer 'stop' within 50 ms");
    qmp_cont(env->client, on_reply, env);
    expect(env, "error 9 the VMM's monitor does not respond");
    /* Too late; events still pass. */
    peer_send(env, "{\"return\":{},\"id\":\"libvirt-2\"}{\"event\":\"E\"}");
    expect(env, "event E");
}

static void replies_are_parsed_with_care(void **state)
{
    json_t *doc = json_loads("[{\"label\":\"s0\",\"filename\":\"pty:/dev/pts/3"
                             "\"},{\"label\":\"s1\",\"filename\":\"/dev/pts/4"
                             "\"},{\"label\":\"x\",\"filename\":\"/etc/passwd"
                             "\"},7,{\"label\":1}]",
                             0, NULL);
    g_autoptr(GHashTable) ptys = qmp_query_chardev_parse(doc);
    GArray *tids;

    assert_int_equal(g_hash_table_size(ptys), 2);
    assert_string_equal(g_hash_table_lookup(ptys, "s0"), "/dev/pts/3");
    json_decref(doc);
    doc = json_loads("[{\"CPU\":1,\"thread_id\":77},{\"CPU\":9,\"thread_id\":1}"
                     ",{\"CPU\":-1,\"thread_id\":1},{\"CPU\":0,\"thread_id\":"
                     "-5}]",
                     0, NULL);
    tids = qmp_query_cpus_parse(doc, 2);
    assert_int_equal(tids->len, 2);
    assert_int_equal(g_array_index(tids, pid_t, 0), 0);
    assert_int_equal(g_array_index(tids, pid_t, 1), 77);
    g_array_unref(tids);
    json_decref(doc);
    assert_int_equal(qmp_query_status_parse(NULL), QMP_RUN_UNKNOWN);
}

static void peer_is_checked(void **state)
{
    Env *env = *state;
    g_autoptr(GError) error = NULL;

    assert_true(qmp_peer_check(env->peer, getpid(), getuid(), NULL));
    assert_true(qmp_peer_check(env->peer, 0, getuid(), NULL));
    assert_false(qmp_peer_check(env->peer, 1, getuid(), &error));
    assert_int_equal(error->code, VIR_ERR_OPERATION_FAILED);
}

#define READY(fn) cmocka_unit_test_setup_teardown(fn, setup_ready, teardown)
#define FRESH(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
#define SHORT(fn) cmocka_unit_test_setup_teardown(fn, setup_short, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        READY(commands_go_one_at_a_time),
        READY(errors_are_mapped),
        READY(raw_reply_is_whole),
        FRESH(hostile_peers_are_cut_off),
        FRESH(endless_document_is_cut_off),
        READY(wrong_id_is_cut_off),
        READY(unasked_reply_is_cut_off),
        READY(end_of_file_fails_what_waits),
        SHORT(no_greeting_in_time),
        cmocka_unit_test_setup_teardown(late_answer_makes_it_stuck,
                                        setup_greeted, teardown),
        FRESH(replies_are_parsed_with_care),
        FRESH(peer_is_checked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
