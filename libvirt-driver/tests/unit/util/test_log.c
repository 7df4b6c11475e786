/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Unit tests of util/log. */
#include <config.h>

#include <glib/gstdio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "util/error.h"
#include "util/file.h"
#include "util/log.h"

static void test_outputs(void **state)
{
    g_autofree char *dir = g_dir_make_tmp("log-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "log", NULL);
    g_autofree char *moved = g_build_filename(dir, "log.1", NULL);
    g_autofree char *outputs = g_strdup_printf("1:file:%s", path);
    g_autofree char *first = NULL;
    g_autofree char *second = NULL;

    assert_true(log_setup(3, "", outputs, NULL));
    log_info("hidden");
    log_warning("shown %d", 1);
    g_rename(path, moved);
    log_reopen();
    log_error("after");
    assert_true(file_read(moved, 10000, &first, NULL, NULL));
    assert_true(file_read(path, 10000, &second, NULL, NULL));
    assert_null(strstr(first, "hidden"));
    assert_non_null(strstr(first, ": warning : test_outputs:"));
    assert_non_null(strstr(first, " : shown 1\n"));
    assert_non_null(strstr(second, " : after\n"));
    g_unlink(path);
    g_unlink(moved);
    g_rmdir(dir);
}

static void test_filters(void **state)
{
    assert_true(log_setup(4, "1:rpc 3:domain.*", "4:stderr", NULL));
    assert_true(log_enabled(LOG_LEVEL_DEBUG, "/a/b/rpc/server.c"));
    assert_true(log_enabled(LOG_LEVEL_WARNING, "domain/list.c"));
    assert_false(log_enabled(LOG_LEVEL_INFO, "domain/list.c"));
    assert_false(log_enabled(LOG_LEVEL_WARNING, "conf/parse.c"));
}

static void test_bad(void **state)
{
    static const char *const bad[] = { "9:rpc", "x", "1:", "1" };
    g_autoptr(GError) error = NULL;

    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        assert_false(log_setup(3, bad[i], "", &error));
        assert_non_null(strstr(error->message, bad[i]));
        g_clear_error(&error);
    }
    assert_false(log_setup(3, "", "1:file:relative", &error));
    g_clear_error(&error);
    assert_false(log_setup(0, "", "", &error));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outputs),
        cmocka_unit_test(test_filters),
        cmocka_unit_test(test_bad),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
