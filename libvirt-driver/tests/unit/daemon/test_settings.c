/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Unit tests of the command line, the configuration and the sockets. */
#include <config.h>

#include <fcntl.h>
#include <glib/gstdio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/options.h"
#include "daemon/settings.h"
#include "daemon/sockets.h"
#include "util/error.h"
#include "util/file.h"

static char *dir;

static int setup(void **state)
{
    dir = g_dir_make_tmp("daemon-XXXXXX", NULL);
    g_unsetenv("LIBVIRT_DEBUG");
    g_unsetenv("LIBVIRT_LOG_FILTERS");
    g_unsetenv("LIBVIRT_LOG_OUTPUTS");
    return 0;
}

static int teardown(void **state)
{
    g_autofree char *conf = g_build_filename(dir, "conf", NULL);

    g_unlink(conf);
    g_rmdir(dir);
    g_clear_pointer(&dir, g_free);
    return 0;
}

static gboolean parse(DaemonOptions *o, GError **error, const char *args)
{
    g_auto(GStrv) argv = g_strsplit(args, " ", -1);

    return daemon_options_parse(g_strv_length(argv), argv, o, error);
}

static void test_options(void **state)
{
    g_auto(DaemonOptions) o = { 0 };
    g_auto(DaemonOptions) plain = { 0 };

    assert_true(
        parse(&o, NULL, "d -d --config /c -p /p --timeout 30 -v --root /r"));
    assert_true(o.daemonize);
    assert_true(o.verbose);
    assert_string_equal(o.config, "/c");
    assert_string_equal(o.pid_file, "/p");
    assert_int_equal(o.timeout_s, 30);
    assert_string_equal(o.root, "/r");
    assert_true(parse(&plain, NULL, "d --root /"));
    assert_string_equal(plain.root, "");
    assert_null(plain.config);
}

static void test_bad_options(void **state)
{
    static const struct {
        const char *args;
        const char *text;
    } bad[] = {
        { "d --nonsense", "'--nonsense'" },
        { "d -x", "'-x'" },
        { "d --timeout", "'--timeout'" },
        { "d -t 0", "'0'" },
        { "d -t 5x", "'5x'" },
        { "d -t -1", "'-1'" },
        { "d more", "'more'" },
        { "d --listen", "'--listen'" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_auto(DaemonOptions) o = { 0 };
        g_autoptr(GError) error = NULL;

        assert_false(parse(&o, &error, bad[i].args));
        if (!strstr(error->message, bad[i].text))
            fail_msg("'%s' does not contain %s", error->message, bad[i].text);
    }
}

static void test_paths(void **state)
{
    g_auto(DaemonOptions) o = { 0 };
    g_auto(DaemonPaths) system = { 0 };
    g_auto(DaemonPaths) session = { 0 };

    assert_true(parse(&o, NULL, "d --root /r -p /p"));
    daemon_paths_init(&system, &o, FALSE);
    assert_string_equal(system.socket_dir, "/r" RUNSTATEDIR "/libvirt");
    assert_string_equal(system.pid_file, "/p");
    assert_string_equal(system.config,
                        "/r" SYSCONFDIR "/libvirt/virtstratovirtd.conf");
    daemon_paths_init(&session, &o, TRUE);
    assert_true(g_str_has_prefix(session.socket_dir, "/r/"));
    assert_true(
        g_str_has_suffix(session.config, "/libvirt/virtstratovirtd.conf"));
}

static gboolean load(DaemonSettings *s, const char *text, gboolean session,
                     GError **error)
{
    g_autofree char *path = g_build_filename(dir, "conf", NULL);

    assert_true(file_write_atomic(path, text, -1, 0600, NULL));
    return daemon_settings_load(s, path, TRUE, session, error);
}

static void test_defaults(void **state)
{
    g_auto(DaemonSettings) s = { 0 };
    g_auto(DaemonSettings) mine = { 0 };

    assert_true(load(&s, "", FALSE, NULL));
    assert_int_equal(s.auth_rw, RPC_AUTH_POLKIT);
    assert_int_equal(s.rw_perms, 0777);
    assert_int_equal(s.rpc.max_clients, 5000);
    assert_int_equal(s.rpc.keepalive_interval_s, 5);
    assert_string_equal(s.host_uuid_source, "smbios");
    assert_true(load(&mine, "", TRUE, NULL));
    assert_int_equal(mine.auth_rw, RPC_AUTH_NONE);
    assert_int_equal(mine.rw_perms, 0700);
}

static void test_values(void **state)
{
    g_auto(DaemonSettings) s = { 0 };

    g_setenv("LIBVIRT_DEBUG", "1", TRUE);
    g_setenv("LIBVIRT_LOG_OUTPUTS", "1:stderr", TRUE);
    assert_true(load(&s,
                     "auth_unix_rw = \"none\"\n"
                     "unix_sock_ro_perms = \"0770\"\n"
                     "unix_sock_group = \"wheel\"\n"
                     "max_clients = 30\nkeepalive_interval = -1\n"
                     "log_level = 4\nlog_outputs = \"1:file:/x\"\n"
                     "host_uuid_source = \"machine-id\"\n"
                     "access_drivers = []\n"
                     "audit_level = 2\nfrom_the_future = 1\n",
                     FALSE, NULL));
    g_unsetenv("LIBVIRT_DEBUG");
    g_unsetenv("LIBVIRT_LOG_OUTPUTS");
    assert_int_equal(s.auth_rw, RPC_AUTH_NONE);
    assert_int_equal(s.rw_perms, 0700);
    assert_int_equal(s.ro_perms, 0770);
    assert_string_equal(s.sock_group, "wheel");
    assert_int_equal(s.rpc.max_clients, 30);
    assert_int_equal(s.rpc.keepalive_interval_s, -1);
    assert_int_equal(s.log_level, 1);
    assert_string_equal(s.log_outputs, "1:stderr");
}

static void test_bad_values(void **state)
{
    static const char *const bad[] = {
        "auth_unix_rw = \"sasl\"",
        "auth_unix_ro = 5",
        "unix_sock_rw_perms = \"0888\"",
        "unix_sock_rw_perms = \"\"",
        "unix_sock_rw_perms = \"07777\"",
        "max_workers = 0",
        "max_clients = 10",
        "keepalive_interval = -2",
        "log_level = 5",
        "host_uuid = \"nonsense\"",
        "host_uuid_source = \"dice\"",
        "access_drivers = [\"polkit\"]",
        "max_clients",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_auto(DaemonSettings) s = { 0 };
        g_autoptr(GError) error = NULL;
        g_autofree char *key = g_strndup(bad[i], strcspn(bad[i], " "));

        assert_false(load(&s, bad[i], FALSE, &error));
        /* the sentence names the key, or the place when there is none */
        if (!strstr(error->message, key) && !strstr(error->message, "conf:1"))
            fail_msg("'%s' does not name %s", error->message, key);
    }
}

static void test_sockets(void **state)
{
    g_auto(DaemonSettings) s = { 0 };
    DaemonSockets sockets = DAEMON_SOCKETS_INIT;
    DaemonSockets second = DAEMON_SOCKETS_INIT;
    g_autofree char *rw = g_build_filename(dir, "virtstratovirtd-sock", NULL);
    g_autoptr(GError) error = NULL;
    struct stat st;

    assert_true(load(&s, "unix_sock_rw_perms = \"0750\"", FALSE, NULL));
    assert_true(daemon_sockets_open(&sockets, &s, dir, FALSE, NULL));
    assert_int_equal(stat(rw, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0750);
    assert_int_equal(stat(sockets.ro_path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0777);
    /* a live daemon is not pushed aside, a dead one's file is */
    assert_false(daemon_sockets_open(&second, &s, dir, FALSE, &error));
    assert_non_null(strstr(error->message, "another daemon listens"));
    daemon_sockets_close(&second);
    fd_clear(&sockets.rw_fd);
    fd_clear(&sockets.ro_fd);
    fd_clear(&sockets.admin_fd);
    assert_true(daemon_sockets_open(&second, &s, dir, TRUE, NULL));
    assert_int_equal(second.ro_fd, -1);
    assert_int_equal(stat(rw, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    daemon_sockets_close(&second);
    daemon_sockets_close(&sockets);
    assert_int_equal(stat(rw, &st), -1);
}

static void test_socket_errors(void **state)
{
    g_auto(DaemonSettings) s = { 0 };
    DaemonSockets sockets = DAEMON_SOCKETS_INIT;
    g_autoptr(GError) error = NULL;
    g_autofree char *fill = g_strnfill(120, 'x');
    g_autofree char *deep = g_build_filename(dir, fill, NULL);

    assert_true(
        load(&s, "unix_sock_group = \"no-such-group-here\"", FALSE, NULL));
    assert_false(daemon_sockets_open(&sockets, &s, dir, FALSE, &error));
    assert_non_null(strstr(error->message, "no-such-group-here"));
    g_clear_error(&error);
    daemon_sockets_close(&sockets);
    {
        g_autofree char *left =
            g_build_filename(dir, "virtstratovirtd-sock", NULL);

        g_unlink(left);
    }
    assert_false(daemon_sockets_open(&sockets, &s, deep, FALSE, &error));
    assert_non_null(strstr(error->message, "longer than"));
    daemon_sockets_close(&sockets);
    g_rmdir(deep);
}

static void set_activation(const char *fds, const char *names)
{
    g_autofree char *pid = g_strdup_printf("%d", (int)getpid());

    g_setenv("LISTEN_PID", pid, TRUE);
    g_setenv("LISTEN_FDS", fds, TRUE);
    g_setenv("LISTEN_FDNAMES", names, TRUE);
}

static void test_activation_errors(void **state)
{
    static const struct {
        const char *fds;
        const char *names;
        const char *text;
    } bad[] = {
        { "1", "something.socket", "'something.socket'" },
        { "2", "virtstratovirtd.socket", "LISTEN_FDNAMES has 1" },
        { "2", "virtstratovirtd.socket:virtstratovirtd.socket",
          "'virtstratovirtd.socket'" },
    };
    g_auto(DaemonSettings) s = { 0 };
    /* the first descriptor of activation; what is there now is kept aside */
    int kept = fcntl(3, F_DUPFD_CLOEXEC, 20);
    int flags = kept >= 0 ? fcntl(3, F_GETFL) : 0;

    assert_true(load(&s, "", FALSE, NULL));
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        DaemonSockets sockets = DAEMON_SOCKETS_INIT;
        g_autoptr(GError) error = NULL;
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);

        if (fd != 3) {
            assert_int_equal(dup2(fd, 3), 3);
            close(fd);
        }
        set_activation(bad[i].fds, bad[i].names);
        assert_false(daemon_sockets_open(&sockets, &s, dir, FALSE, &error));
        if (!strstr(error->message, bad[i].text))
            fail_msg("'%s' does not contain %s", error->message, bad[i].text);
        daemon_sockets_close(&sockets);
    }
    if (kept >= 0) {
        dup2(kept, 3);
        fcntl(3, F_SETFL, flags);
        close(kept);
    } else {
        close(3);
    }
    g_unsetenv("LISTEN_PID");
    g_unsetenv("LISTEN_FDS");
    g_unsetenv("LISTEN_FDNAMES");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_options),
        TEST(test_bad_options),
        TEST(test_paths),
        TEST(test_defaults),
        TEST(test_values),
        TEST(test_bad_values),
        TEST(test_sockets),
        TEST(test_socket_errors),
        TEST(test_activation_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
