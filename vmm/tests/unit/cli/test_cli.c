/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Cutting argv, processor topology, exit record, pid file. */
#include <config.h>

#include "cli/args.h"
#include "cli/config.h"
#include "cli/exit.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define CUT(args, e, ...)                                                      \
    args_cut(args, sizeof((char *[]){ "vmm", __VA_ARGS__ }) / sizeof(char *),  \
             (char *[]){ "vmm", __VA_ARGS__ }, e)

static void test_cut(void **state)
{
    Args args;
    Err e = ERR_INIT;

    (void)state;
    assert_int_equal(CUT(&args, &e, "-device", "a", "b", "-S", "-device", "c",
                         "-D", "-append", "x", "y", "--", "-foo"),
                     0);
    assert_int_equal(args_check(&args, &e), 0);
    assert_int_equal(args.arg[ARG_DEVICE].num, 3);
    assert_string_equal(args.arg[ARG_DEVICE].values[2], "c");
    assert_string_equal(args_value(&args, ARG_D), "");
    assert_null(args_value(&args, ARG_M));
    assert_true(args_given(&args, ARG_S));
    args_fini(&args);

    assert_int_equal(CUT(&args, &e, "-help"), 0);
    assert_true(args_given(&args, ARG_H));
    args_fini(&args);
    assert_int_equal(CUT(&args, &e, "--help"), 0);
    assert_true(args_given(&args, ARG_H));
    args_fini(&args);
}

static void test_cut_errors(void **state)
{
    static const struct {
        const char *arg, *value, *message;
    } bad[] = {
        { "-M", NULL, "unknown option '-M'; -h lists the options" },
        { "-", NULL, "unknown option '-'; -h lists the options" },
        { "", NULL, "'' is not an option; -h lists the options" },
        { "-m", "-5", "unknown option '-5'; -h lists the options" },
        { "--machine=x", NULL,
          "unknown option '--machine=x': options take one dash, as in "
          "'-machine=x'; -h lists them" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char *argv[] = { "vmm", (char *)bad[i].arg, (char *)bad[i].value };
        Args args;
        Err e = ERR_INIT;

        assert_int_equal(args_cut(&args, bad[i].value ? 3 : 2, argv, &e),
                         -EINVAL);
        assert_string_equal(e.msg, bad[i].message);
        args_fini(&args);
    }
}

static void smp(SmpArgs a, unsigned max, unsigned sockets, unsigned dies,
                unsigned cores, unsigned threads)
{
    SmpConf c;
    Err e = ERR_INIT;

    if (cli_smp(&a, &c, &e) < 0)
        fail_msg("%s", e.msg);
    assert_int_equal(c.max_cpus, max);
    assert_int_equal(c.sockets, sockets);
    assert_int_equal(c.dies, dies);
    assert_int_equal(c.clusters, 1);
    assert_int_equal(c.cores, cores);
    assert_int_equal(c.threads, threads);
}

static void test_smp(void **state)
{
    const SmpArgs odd = { .cpus = 3, .sockets = 2 };
    const SmpArgs few = { .cpus = 9, .sockets = 8, .cores = 1, .threads = 1 };
    SmpConf c;
    Err e = ERR_INIT;

    (void)state;
    smp((SmpArgs){ .cpus = 4 }, 4, 1, 1, 4, 1);
    smp((SmpArgs){ .cpus = 4, .max_cpus = 8 }, 8, 1, 1, 8, 1);
    smp((SmpArgs){ .cpus = 4, .sockets = 2 }, 4, 2, 1, 2, 1);
    smp((SmpArgs){ .cpus = 4, .cores = 2 }, 4, 2, 1, 2, 1);
    smp((SmpArgs){ .cpus = 4, .threads = 2 }, 4, 1, 1, 2, 2);
    smp((SmpArgs){ .cpus = 4, .sockets = 2, .cores = 2, .threads = 2 }, 8, 2, 1,
        2, 2);
    smp((SmpArgs){ .cpus = 4, .max_cpus = 8, .sockets = 2, .cores = 2 }, 8, 2,
        1, 2, 2);
    smp((SmpArgs){ .cpus = 4, .dies = 2, .max_cpus = 8 }, 8, 1, 2, 4, 1);
    assert_int_equal(cli_smp(&odd, &c, &e), -EINVAL);
    assert_int_equal(cli_smp(&few, &c, &e), -EINVAL);
}

/* Every combination either fails or is consistent. */
static void test_smp_all(void **state)
{
    SmpConf c;
    Err e = ERR_INIT;

    (void)state;
    for (unsigned i = 0; i < 85 * 37 * 4; i++) {
        SmpArgs a = { .cpus = 6,
                      .sockets = (uint8_t)(i / 4 / 37 * 3),
                      .cores = (uint8_t)(i / 4 % 37 * 7),
                      .threads = (uint8_t)(i % 4) };

        if (cli_smp(&a, &c, &e) == 0)
            assert_int_equal(c.sockets * c.dies * c.clusters * c.cores *
                                 c.threads,
                             c.max_cpus);
    }
}

static void test_record(void **state)
{
    char text[256];
    int fds[2];
    Err e = ERR_INIT;
    ssize_t len;

    (void)state;
    assert_int_equal(exit_record_init(9999, &e), -EBADF);
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(exit_record_init(fds[1], &e), 0);
    exit_record(EXIT_CAUSE_PANIC, true, "a \"b\"\\\n\xff");
    exit_record(EXIT_CAUSE_QUIT, false, NULL); /* only the first one counts */
    exit_on_trap(59, "vcpu");
    close(fds[1]);
    len = read(fds[0], text, sizeof(text) - 1);
    assert_true(len > 0);
    text[len] = 0;
    assert_string_equal(text, "{\"cause\":\"panic\",\"guest\":true,\"detail\":"
                              "\"a \\\"b\\\"\\\\\\u000a\\u00ff\"}\n");
    close(fds[0]);
}

static void test_pidfile(void **state)
{
    char path[] = "/tmp/test_cli_XXXXXX";
    char want[128];
    Err e = ERR_INIT;
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(exit_pidfile_create(path, &e), -EEXIST);
    snprintf(want, sizeof(want), "-pidfile: '%s' exists already", path);
    assert_string_equal(e.msg, want);
    unlink(path);
    assert_int_equal(exit_pidfile_create(path, &e), 0);
    assert_int_equal(exit_pidfile_write(1234, &e), 0);
    assert_int_equal(access(path, F_OK), 0);
    exit_cleanup();
    exit_cleanup();
    assert_int_equal(access(path, F_OK), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut),    cmocka_unit_test(test_cut_errors),
        cmocka_unit_test(test_smp),    cmocka_unit_test(test_smp_all),
        cmocka_unit_test(test_record), cmocka_unit_test(test_pidfile),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
