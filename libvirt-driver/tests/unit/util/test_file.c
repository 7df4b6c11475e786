/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Unit tests of util/file. */
#include <config.h>

#include <glib/gstdio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "util/error.h"
#include "util/file.h"

static void test_write_read(void **state)
{
    g_autofree char *dir = g_dir_make_tmp("file-XXXXXX", NULL);
    g_autofree char *sub = g_build_filename(dir, "a", "b", NULL);
    g_autofree char *parent = g_build_filename(dir, "a", NULL);
    g_autofree char *path = g_build_filename(sub, "f", NULL);
    g_autofree char *data = NULL;
    g_autofree char *again = NULL;
    g_autoptr(GError) error = NULL;
    struct stat st;
    gsize len;

    assert_true(file_mkdir_p(sub, 0700, &error));
    assert_true(file_mkdir_p(sub, 0700, &error));
    assert_true(file_write_atomic(path, "one", -1, 0600, &error));
    assert_true(file_write_atomic(path, "t\0o", 3, 0640, &error));
    assert_true(file_read(path, 100, &data, &len, &error));
    assert_int_equal(len, 3);
    assert_memory_equal(data, "t\0o", 4);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_false(file_read(path, 2, &again, &len, &error));
    assert_null(again);
    g_clear_error(&error);
    assert_true(file_unlink(path, &error));
    assert_true(file_unlink(path, &error));
    /* nothing temporary is left behind */
    assert_int_equal(g_rmdir(sub), 0);
    assert_int_equal(g_rmdir(parent), 0);
    assert_int_equal(g_rmdir(dir), 0);
}

static void test_sweep(void **state)
{
    g_autofree char *dir = g_dir_make_tmp("sweep-XXXXXX", NULL);
    g_autofree char *left = g_build_filename(dir, "a.xml.new-Ab12Cd", NULL);
    g_autofree char *kept = g_build_filename(dir, "a.new-Ab12Cd.xml", NULL);
    g_autoptr(GError) error = NULL;

    assert_true(file_write_atomic(left, "", -1, 0600, &error));
    assert_true(file_write_atomic(kept, "", -1, 0600, &error));
    file_sweep_temps(dir);
    assert_int_not_equal(access(left, F_OK), 0);
    assert_int_equal(access(kept, F_OK), 0);
    assert_true(file_unlink(kept, &error));
    assert_int_equal(g_rmdir(dir), 0);
    file_sweep_temps(dir); /* missing: nothing to do */
}

static void test_errors(void **state)
{
    g_autoptr(GError) error = NULL;
    char *data = NULL;

    assert_false(file_read("/nonexistent/f", 10, &data, NULL, &error));
    assert_int_equal(error->code, VIR_ERR_SYSTEM_ERROR);
    assert_non_null(strstr(error->message, "/nonexistent/f"));
    g_clear_error(&error);
    assert_false(file_write_atomic("/nonexistent/f", "", -1, 0600, &error));
    assert_null(data);
}

static void test_fd(void **state)
{
    int kept;

    {
        AUTO_FD fd = dup(2);

        assert_true(fd >= 0);
        kept = fd_steal(&fd);
    }
    assert_int_equal(close(kept), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_write_read),
        cmocka_unit_test(test_sweep),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_fd),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
