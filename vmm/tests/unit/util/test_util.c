/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Unit tests of util/: errors, lists, byte access, log lines. */
#include <config.h>

#include "util/bytes.h"
#include "util/err.h"
#include "util/list.h"
#include "util/log.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void err_keeps_the_first_cause(void **state)
{
    Err e = ERR_INIT;

    assert_int_equal(err_set(&e, ENOENT, "cannot open '%s'", "x"), -ENOENT);
    assert_int_equal(err_prefix(&e, "drive '%s': ", "root"), -ENOENT);
    assert_string_equal(e.msg, "drive 'root': cannot open 'x'");
    err_sys(&e, EACCES, "cannot open '%s'", "y");
    assert_string_equal(e.msg, "cannot open 'y': Permission denied");
}

static void err_prefix_never_overflows(void **state)
{
    Err e = ERR_INIT;
    char big[2 * sizeof(e.msg)];

    memset(big, 'a', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    err_set(&e, EINVAL, "%s", big);
    err_prefix(&e, "%s", big);
    assert_int_equal(strlen(e.msg), sizeof(e.msg) - 1);
}

static void list_splices_in_order(void **state)
{
    List a, b, items[4];

    list_init(&a);
    list_init(&b);
    for (int i = 0; i < 4; i++)
        list_add_tail(i < 2 ? &a : &b, &items[i]);
    list_splice(&a, &b);
    assert_true(list_empty(&b));
    int i = 0;
    list_for_each(pos, &a) assert_ptr_equal(pos, &items[i++]);
    assert_int_equal(i, 4);
    list_del(&items[1]);
    list_del(&items[1]);
    assert_ptr_equal(items[0].next, &items[2]);
}

static void range_within_does_not_wrap(void **state)
{
    assert_true(range_within(0, 10, 10));
    assert_false(range_within(1, 10, 10));
    assert_false(range_within(UINT64_MAX, 2, 10));
    assert_false(range_within(5, UINT64_MAX, 10));
}

static void log_line_is_one_line(void **state)
{
    char buf[2048];
    int p[2];
    ssize_t n;

    assert_int_equal(pipe(p), 0);
    log_init(p[1], "debug");
    log_debug("guest says %s", "a\nb");
    n = read(p[0], buf, sizeof(buf) - 1);
    assert_true(n > 0);
    buf[n] = '\0';
    assert_non_null(strstr(buf, "]:DEBUG: guest says a b\n"));
    assert_ptr_equal(strchr(buf, '\n'), buf + n - 1);
    assert_false(log_enabled(LOG_LEVEL_TRACE));
    log_init(STDERR_FILENO, NULL);
    close(p[0]);
    close(p[1]);
}

static void log_rate_is_bounded(void **state)
{
    LogRate rate = { 0 };
    int said = 0;

    for (int i = 0; i < 1000; i++)
        said += log_rate_ok(&rate);
    assert_int_equal(said, LOG_RATE_BURST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(err_keeps_the_first_cause),
        cmocka_unit_test(err_prefix_never_overflows),
        cmocka_unit_test(list_splices_in_order),
        cmocka_unit_test(range_within_does_not_wrap),
        cmocka_unit_test(log_line_is_one_line),
        cmocka_unit_test(log_rate_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
