/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The built daemon under its own root: raw frames, stock virsh, restarts,
 * socket activation, idle exit, refusals to start. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glib/gstdio.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/rpc/raw_client.h"
#include "util/error.h"
#include "util/file.h"

#define START_DEADLINE_S 30

typedef struct Fixture {
    char *root;
    char *dir; /* of the sockets */
    char *path;
    char *conf;
    char *err; /* file with the daemon's stderr */
    const char *uri_path;
    pid_t pid; /* 0: not running */
} Fixture;

static Fixture *fx;

static const Codec void_codec = CODEC_VOID;
static const Codec open_codec = CODEC(wire_a_open);
static const Codec ret_str_codec = CODEC(wire_r_str);

static int remove_one(const char *path, const struct stat *st, int flag,
                      struct FTW *ftw)
{
    return remove(path);
}

static gboolean session(void)
{
    return geteuid() != 0;
}

static void write_conf(const char *text)
{
    g_autofree char *dir = g_path_get_dirname(fx->conf);

    assert_true(file_mkdir_p(dir, 0700, NULL));
    assert_true(file_write_atomic(fx->conf, text, -1, 0600, NULL));
}

static int setup(void **state)
{
    fx = g_new0(Fixture, 1);
    fx->root = g_dir_make_tmp("root-XXXXXX", NULL);
    g_setenv("XDG_RUNTIME_DIR", "/xdg", TRUE);
    g_setenv("XDG_CONFIG_HOME", "/xdg", TRUE);
    g_setenv("XDG_CACHE_HOME", "/xdg", TRUE);
    fx->dir = g_strconcat(fx->root, session() ? "/xdg" : RUNSTATEDIR,
                          "/libvirt", NULL);
    fx->conf = g_strconcat(fx->root, session() ? "/xdg" : SYSCONFDIR,
                           "/libvirt/virtstratovirtd.conf", NULL);
    fx->path = g_build_filename(fx->dir, "virtstratovirtd-sock", NULL);
    fx->err = g_build_filename(fx->root, "stderr", NULL);
    fx->uri_path = session() ? "session" : "system";
    write_conf("auth_unix_rw = \"none\"\nauth_unix_ro = \"none\"\n");
    return 0;
}

/* Exit status; fails the test when it does not end in time. */
static int daemon_wait(void)
{
    gint64 end = g_get_monotonic_time() + START_DEADLINE_S * G_USEC_PER_SEC;
    int status = 0;

    while (waitpid(fx->pid, &status, WNOHANG) == 0) {
        if (g_get_monotonic_time() > end)
            fail_msg("the daemon does not end");
        g_usleep(2000);
    }
    fx->pid = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int daemon_stop(int sig)
{
    assert_int_equal(kill(fx->pid, sig), 0);
    return daemon_wait();
}

static int teardown(void **state)
{
    if (fx->pid) {
        kill(fx->pid, SIGKILL);
        waitpid(fx->pid, NULL, 0);
    }
    nftw(fx->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    g_free(fx->root);
    g_free(fx->dir);
    g_free(fx->path);
    g_free(fx->conf);
    g_free(fx->err);
    g_free(fx);
    return 0;
}

/* In the child: file descriptor 3 is @listen_fd when there is one. */
static void child_exec(const char *const *argv, int listen_fd)
{
    int err = open(fx->err, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    g_autofree char *pid = g_strdup_printf("%d", (int)getpid());

    dup2(err, STDERR_FILENO);
    if (listen_fd >= 0) {
        if (listen_fd != 3)
            dup2(listen_fd, 3);
        else
            fcntl(3, F_SETFD, 0);
        g_setenv("LISTEN_PID", pid, TRUE);
        g_setenv("LISTEN_FDS", "1", TRUE);
        g_setenv("LISTEN_FDNAMES", "virtstratovirtd.socket", TRUE);
    }
    execv(argv[0], (char **)argv);
    _exit(127);
}

static void daemon_spawn(const char *option, const char *value, int listen_fd)
{
    const char *binary = g_getenv("VIRTSTRATOVIRTD");
    const char *argv[] = { binary ? binary : "./virtstratovirtd",
                           "--root",
                           fx->root,
                           option,
                           value,
                           NULL };

    fx->pid = fork();
    assert_true(fx->pid >= 0);
    if (fx->pid == 0)
        child_exec(argv, listen_fd);
}

static char *stderr_text(void)
{
    char *text = NULL;

    return file_read(fx->err, 1 << 20, &text, NULL, NULL) ? text : g_strdup("");
}

static void daemon_start(const char *option, const char *value)
{
    gint64 end = g_get_monotonic_time() + START_DEADLINE_S * G_USEC_PER_SEC;
    struct sockaddr_un addr = { .sun_family = AF_UNIX };

    daemon_spawn(option, value, -1);
    g_strlcpy(addr.sun_path, fx->path, sizeof(addr.sun_path));
    for (;;) {
        AUTO_FD fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int status;

        if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
            return;
        if (waitpid(fx->pid, &status, WNOHANG) != 0 ||
            g_get_monotonic_time() > end) {
            g_autofree char *text = stderr_text();

            fx->pid = 0;
            fail_msg("the daemon does not start: %s", text);
        }
        g_usleep(2000);
    }
}

static void expect_start_error(const char *option, const char *value,
                               const char *text)
{
    g_autofree char *err = NULL;

    daemon_spawn(option, value, -1);
    assert_int_equal(daemon_wait(), 1);
    err = stderr_text();
    if (!strstr(err, text))
        fail_msg("'%s' does not contain '%s'", err, text);
    assert_ptr_equal(strchr(err, '\n'), strrchr(err, '\n')); /* one sentence */
}

static int open_connection(void)
{
    wire_a_open args = { .name = NULL };
    int fd = raw_connect(fx->path);
    RawReply reply;

    raw_call(fd, RPC_PROGRAM_REMOTE, 1, 0, &open_codec, &args);
    raw_expect(fd, &reply, 0, RPC_STATUS_OK);
    raw_reply_clear(&reply);
    return fd;
}

static void check_hostname(int fd)
{
    RawReply reply;
    wire_r_str *text;

    raw_call(fd, RPC_PROGRAM_REMOTE, 59, 1, &void_codec, NULL);
    raw_expect(fd, &reply, 1, RPC_STATUS_OK);
    text = raw_decode(&reply, &ret_str_codec);
    assert_true(strlen(text->value) > 0);
    codec_free(&ret_str_codec, text);
    raw_reply_clear(&reply);
}

static void test_frames(void **state)
{
    static const guint8 garbage[] = "GET / HTTP/1.1\r\n\r\n";
    int bad;
    int fd;

    daemon_start(NULL, NULL);
    bad = raw_connect(fx->path);
    raw_write(bad, garbage, sizeof(garbage));
    raw_expect_closed(bad);
    close(bad);
    fd = open_connection();
    check_hostname(fd);
    close(fd);
    assert_int_equal(daemon_stop(SIGTERM), 0);
    /* nothing is left where clients look */
    assert_int_equal(access(fx->path, F_OK), -1);
}

static char *virsh(const char *command)
{
    g_autofree char *uri = g_strdup_printf("stratovirt+unix:///%s?socket=%s",
                                           fx->uri_path, fx->path);
    const char *argv[] = { "timeout", "30", "virsh", "-c", uri, command, NULL };
    g_autofree char *err = NULL;
    char *out = NULL;
    int status = 0;

    assert_true(g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH,
                             NULL, NULL, &out, &err, &status, NULL));
    if (!g_spawn_check_wait_status(status, NULL))
        fail_msg("virsh %s: %s", command, err);
    return out;
}

static void virsh_says(const char *command, const char *text)
{
    g_autofree char *out = virsh(command);

    if (!strstr(out, text))
        fail_msg("virsh %s: '%s' does not contain '%s'", command, out, text);
}

static void virt_admin_says(const char *command, const char *text)
{
    g_autofree char *uri = g_strdup_printf(
        "virtstratovirtd+unix:///%s?socket=%s/virtstratovirtd-admin-sock",
        fx->uri_path, fx->dir);
    const char *argv[] = { "timeout", "30",    "virt-admin", "-c",
                           uri,       command, NULL };
    g_autofree char *out = NULL;
    g_autofree char *err = NULL;

    assert_true(g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH,
                             NULL, NULL, &out, &err, NULL, NULL));
    if (!strstr(out, text) && !strstr(err, text))
        fail_msg("virt-admin %s: '%s%s' does not contain '%s'", command, out,
                 err, text);
}

static void test_admin(void **state)
{
    static const struct {
        const char *command;
        const char *output;
    } steps[] = {
        { "version", "9.0.0" },
        { "server-list", "admin" },
        { "server-threadpool-set virtstratovirtd --max-workers 7", "" },
        { "server-threadpool-info virtstratovirtd", "maxWorkers     : 7" },
        { "server-threadpool-set admin --max-workers 7", "" },
        { "server-threadpool-set virtstratovirtd --min-workers 9",
          "minWorkers must be" },
        { "client-list virtstratovirtd", "unix" },
        { "client-info virtstratovirtd 2", "unix_process_id" },
        { "client-info virtstratovirtd 77", "no client with matching id" },
        { "server-clients-set virtstratovirtd --max-clients 100", "" },
        { "server-clients-info virtstratovirtd", "nclients_max        : 100" },
        { "server-clients-set virtstratovirtd --max-clients 1",
          "nclients_unauth_max must be" },
        { "daemon-log-outputs", "stderr" },
        { "daemon-log-filters '4:rpc 3:domain'", "" },
        { "daemon-log-filters", "4:rpc 3:domain" },
        { "daemon-log-filters 'x'", "'x'" },
        { "server-update-tls virtstratovirtd", "not supported" },
        { "server-threadpool-info x", "no server with matching name" },
        { "client-disconnect virtstratovirtd 2", "disconnected" },
        { "daemon-timeout --timeout 1", "" },
    };
    g_autofree char *tool = g_find_program_in_path("virt-admin");
    int fd;

    if (!tool) {
        print_message("virt-admin is not installed\n");
        skip();
    }
    daemon_start(NULL, NULL); /* its client, number 1, is gone */
    fd = open_connection();
    for (gsize i = 0; i < G_N_ELEMENTS(steps); i++)
        virt_admin_says(steps[i].command, steps[i].output);
    raw_expect_closed(fd);
    close(fd);
    assert_int_equal(daemon_wait(), 0);
}

static const char vm_xml[] =
    "<domain type='kvm'><name>vm</name><memory unit='MiB'>256</memory>"
    "<vcpu>1</vcpu><os><type machine='microvm'>hvm</type>"
    "<kernel>/boot/vmlinuz</kernel></os></domain>";

/* A definition outlives a daemon that is killed. */
static void test_virsh(void **state)
{
    g_autofree char *tool = g_find_program_in_path("virsh");
    g_autofree char *xml = g_build_filename(fx->root, "vm.xml", NULL);
    g_autofree char *define = g_strdup_printf("define %s", xml);

    if (!tool) {
        print_message("virsh is not installed\n");
        skip();
    }
    assert_true(file_write_atomic(xml, vm_xml, -1, 0600, NULL));
    daemon_start(NULL, NULL);
    virsh_says("version", "StratoVirt");
    virsh_says("list --all", "Id");
    virsh_says(define, "defined");
    virsh_says("domstate vm", "shut off");
    daemon_stop(SIGKILL);
    daemon_start(NULL, NULL);
    virsh_says("list --all", "vm");
    virsh_says("dumpxml vm", "<name>vm</name>");
    virsh_says("undefine vm", "undefined");
    assert_int_equal(daemon_stop(SIGINT), 0);
}

static void test_second_instance(void **state)
{
    pid_t first;
    int fd;

    daemon_start(NULL, NULL);
    first = fx->pid;
    expect_start_error(NULL, NULL, "another virtstratovirtd runs");
    fx->pid = first;
    fd = open_connection();
    check_hostname(fd);
    close(fd);
}

static void test_reload(void **state)
{
    int fd;

    daemon_start(NULL, NULL);
    fd = open_connection();
    assert_int_equal(kill(fx->pid, SIGHUP), 0);
    check_hostname(fd);
    close(fd);
    assert_int_equal(daemon_stop(SIGQUIT), 0);
}

static void test_idle_exit(void **state)
{
    int fd;

    daemon_start("--timeout", "1");
    fd = open_connection();
    check_hostname(fd);
    close(fd);
    assert_int_equal(daemon_wait(), 0);
}

static void test_background(void **state)
{
    g_autofree char *pid_file = g_build_filename(fx->root, "pid", NULL);
    g_autofree char *text = NULL;
    int fd;

    daemon_spawn("-dp", pid_file, -1);
    /* the command ends when clients can connect */
    assert_int_equal(daemon_wait(), 0);
    fd = open_connection();
    check_hostname(fd);
    assert_true(file_read(pid_file, 32, &text, NULL, NULL));
    assert_int_equal(kill((pid_t)strtol(text, NULL, 10), SIGTERM), 0);
    raw_expect_closed(fd);
    close(fd);
}

static void test_activation(void **state)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    g_autofree char *path = g_build_filename(fx->root, "given", NULL);
    AUTO_FD listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    wire_a_open args = { .name = NULL };
    RawReply reply;
    int fd;

    g_strlcpy(addr.sun_path, path, sizeof(addr.sun_path));
    assert_int_equal(bind(listen_fd, (struct sockaddr *)&addr, sizeof(addr)),
                     0);
    assert_int_equal(listen(listen_fd, 5), 0);
    /* the client is first, as it is with systemd */
    fd = raw_connect(path);
    raw_call(fd, RPC_PROGRAM_REMOTE, 1, 0, &open_codec, &args);
    daemon_spawn(NULL, NULL, listen_fd);
    raw_expect(fd, &reply, 0, RPC_STATUS_OK);
    raw_reply_clear(&reply);
    check_hostname(fd);
    close(fd);
    /* no sockets of its own */
    assert_int_equal(access(fx->path, F_OK), -1);
    assert_int_equal(daemon_stop(SIGTERM), 0);
    assert_int_equal(access(path, F_OK), 0);
}

static void test_refusals(void **state)
{
    expect_start_error("--config", "/nonexistent/x.conf",
                       "/nonexistent/x.conf");
    expect_start_error("--timeout", "soon", "'soon'");
    write_conf("max_workers = 0\n");
    expect_start_error(NULL, NULL, "max_workers");
    write_conf("max_workers = = 1\n");
    expect_start_error(NULL, NULL, "virtstratovirtd.conf:1");
    write_conf("log_outputs = \"1:paper\"\n");
    expect_start_error(NULL, NULL, "1:paper");
    write_conf("unix_sock_group = \"no-such-group-here\"\n");
    expect_start_error(NULL, NULL, "no-such-group-here");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_frames),          TEST(test_virsh),      TEST(test_admin),
        TEST(test_second_instance), TEST(test_reload),     TEST(test_idle_exit),
        TEST(test_background),      TEST(test_activation), TEST(test_refusals),
    };

    alarm(300); /* whatever happens, the test ends */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
