/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Launch helper: what the program sees, and how failing steps are told. */
#include <config.h>

#include "security/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "util/error.h"
#include "util/file.h"

/* Runs a plan whose program is a shell script; what it printed. */
static char *run_plan(LaunchPlan *plan, GError **error)
{
    GString *out = g_string_new(NULL);
    AUTO_FD pidfd = -1;
    AUTO_FD sock = -1;
    AUTO_FD in = -1;
    char buf[4096];
    int fds[2];
    pid_t pid;
    ssize_t n;
    gboolean ok;

    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    in = fds[0];
    plan->out = launch_plan_add_fd(plan, fds[1]);
    assert_true(launch_spawn(LAUNCH_HELPER, &pid, &pidfd, &sock, NULL));
    assert_true(launch_send(plan, sock, NULL));
    g_array_set_size(plan->fds, 0);
    while ((n = read(in, buf, sizeof(buf))) > 0)
        g_string_append_len(out, buf, n);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    ok = launch_report(sock, error);
    return g_string_free(out, !ok);
}

static LaunchPlan *script_plan(const char *script)
{
    LaunchPlan *plan = launch_plan_new();

    alarm(60);
    g_ptr_array_add(plan->argv, g_strdup("/bin/sh"));
    g_ptr_array_add(plan->argv, g_strdup("-c"));
    g_ptr_array_add(plan->argv, g_strdup(script));
    g_ptr_array_add(plan->env, g_strdup("PATH=/usr/bin:/bin"));
    return plan;
}

static void program_gets_its_descriptors_only(void **state)
{
    g_autoptr(LaunchPlan) plan =
        script_plan("cat <&4; cat <&5; ls /proc/self/fd | tr '\\n' ' '");
    g_autofree char *out = NULL;
    int a[2], b[2];

    assert_int_equal(pipe2(a, O_CLOEXEC), 0);
    assert_int_equal(pipe2(b, O_CLOEXEC), 0);
    assert_int_equal(write(a[1], "one ", 4), 4);
    assert_int_equal(write(b[1], "two ", 4), 4);
    close(a[1]);
    close(b[1]);
    assert_int_equal(launch_plan_add_fd(plan, a[0]), 4);
    assert_int_equal(launch_plan_add_fd(plan, b[0]), 5);
    out = run_plan(plan, NULL);
    /* 3 is ls reading the directory; 6 is the output that run_plan added. */
    assert_string_equal(out, "one two 0 1 2 3 4 5 6 ");
}

static void environment_signals_and_privileges(void **state)
{
    g_autoptr(LaunchPlan) plan = script_plan(
        "env | grep -v ^PWD= | grep -v ^_= | grep -v ^SHLVL=; pwd;"
        "grep -E 'SigBlk|SigIgn|NoNewPrivs' /proc/self/status; umask");
    g_autofree char *out = NULL;
    sigset_t set, old;

    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, &old);
    out = run_plan(plan, NULL);
    sigprocmask(SIG_SETMASK, &old, NULL);
    assert_string_equal(out, "PATH=/usr/bin:/bin\n/\n"
                             "SigBlk:\t0000000000000000\n"
                             "SigIgn:\t0000000000000000\n"
                             "NoNewPrivs:\t1\n0077\n");
}

static void missing_program_is_told(void **state)
{
    g_autoptr(LaunchPlan) plan = launch_plan_new();
    g_autoptr(GError) error = NULL;

    g_ptr_array_add(plan->argv, g_strdup("/nonexistent/vmm"));
    assert_null(run_plan(plan, &error));
    assert_string_equal(error->message, "cannot run '/nonexistent/vmm': No "
                                        "such file or directory");
    assert_int_equal(error->code, VIR_ERR_OPERATION_FAILED);
}

static void missing_helper_is_told(void **state)
{
    g_autoptr(GError) error = NULL;
    int pidfd, sock;
    pid_t pid;

    assert_false(
        launch_spawn("/nonexistent/helper", &pid, &pidfd, &sock, &error));
    assert_non_null(strstr(error->message, "cannot run '/nonexistent/helper'"));
}

/* The daemon died between spawn and plan. */
static void helper_without_plan_ends(void **state)
{
    int pidfd, sock, status;
    pid_t pid;

    alarm(60);
    assert_true(launch_spawn(LAUNCH_HELPER, &pid, &pidfd, &sock, NULL));
    close(sock);
    close(pidfd);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
}

static void long_plans_and_many_descriptors(void **state)
{
    g_autoptr(LaunchPlan) plan =
        script_plan("echo $# ${300}; ls /proc/self/fd | wc -l");
    g_autofree char *filling = g_strnfill(1000, 'x');
    g_autofree char *out = NULL;

    g_ptr_array_add(plan->argv, g_strdup("sh"));
    for (int i = 1; i <= 300; i++)
        g_ptr_array_add(plan->argv, g_strdup_printf("%d%s", i, filling));
    for (int i = 0; i < 300; i++)
        launch_plan_add_fd(plan, open("/dev/null", O_RDONLY | O_CLOEXEC));
    out = run_plan(plan, NULL);
    assert_true(g_str_has_prefix(out, "300 300xxx"));
    assert_non_null(strstr(out, "\n305\n")); /* 0-3, 300, the output */
}

static void pid_file_is_written(void **state)
{
    g_autoptr(LaunchPlan) plan = script_plan("echo $$");
    g_autofree char *out = NULL;
    char path[] = "/tmp/stratovirt-pid-XXXXXX";
    char text[256] = "";
    int fd = mkstemp(path);

    unlink(path);
    plan->pid_file = launch_plan_add_fd(plan, dup(fd));
    out = run_plan(plan, NULL);
    assert_true(pread(fd, text, sizeof(text) - 1, 0) > 0);
    g_strchomp(out);
    assert_true(g_str_has_prefix(text, out));
    assert_int_equal(text[strlen(out)], ' ');
    close(fd);
}

static void root_gives_up_everything(void **state)
{
    g_autoptr(LaunchPlan) plan = script_plan(
        "id -u; id -g; id -G; grep -E 'CapPrm|CapBnd' /proc/self/status;"
        "ls /dev; test -w /dev/null && echo writable");
    g_autoptr(GError) error = NULL;
    g_autofree char *dir = NULL;
    g_autofree char *out = NULL;

    if (geteuid() != 0)
        skip();
    dir = g_dir_make_tmp("stratovirt-dev-XXXXXX", NULL);
    plan->drop_ids = TRUE;
    plan->uid = 1900000123;
    plan->gid = 1900000124;
    plan->dev_dir = g_strdup(dir);
    out = run_plan(plan, &error);
    rmdir(dir);
    if (!out && strstr(error->message, "cannot make a mount namespace"))
        skip(); /* a container that forbids it */
    assert_non_null(out);
    assert_string_equal(out, "1900000123\n1900000124\n1900000124\n"
                             "CapPrm:\t0000000000000000\n"
                             "CapBnd:\t0000000000000000\n"
                             "full\nnull\nptmx\npts\nrandom\nurandom\nzero\n"
                             "writable\n");
}

static void started_by_hand_it_says_so(void **state)
{
    int status = system(LAUNCH_HELPER " </dev/null 2>/dev/null 3>&-");

    assert_int_equal(WEXITSTATUS(status), 124);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(program_gets_its_descriptors_only),
        cmocka_unit_test(environment_signals_and_privileges),
        cmocka_unit_test(missing_program_is_told),
        cmocka_unit_test(missing_helper_is_told),
        cmocka_unit_test(helper_without_plan_ends),
        cmocka_unit_test(long_plans_and_many_descriptors),
        cmocka_unit_test(pid_file_is_written),
        cmocka_unit_test(root_gives_up_everything),
        cmocka_unit_test(started_by_hand_it_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
