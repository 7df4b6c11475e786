/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Unit tests of util/config_file. */
#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "util/config_file.h"
#include "util/error.h"

static void test_values(void **state)
{
    static const char text[] = "# comment\n"
                               "a = 5 # tail\n"
                               "  neg=-1\n"
                               "s = \"x # y\"\n"
                               "t = 'q\"q'\n"
                               "l = [ \"one\", # first\n  'two',\n]\n"
                               "e = []\n"
                               "on = 1";
    g_autoptr(GError) error = NULL;
    g_autoptr(ConfigFile) file = config_file_parse(text, "f", &error);
    g_autofree char *s = g_strdup("default");
    g_autofree char *t = NULL;
    g_auto(GStrv) list = NULL;
    g_auto(GStrv) empty = NULL;
    g_auto(GStrv) single = NULL;
    gboolean on = FALSE;
    gint64 n = 7;

    assert_non_null(file);
    assert_true(config_file_get_int(file, "missing", 0, 9, &n, &error));
    assert_int_equal(n, 7);
    assert_true(config_file_get_int(file, "a", 0, 9, &n, &error));
    assert_int_equal(n, 5);
    assert_true(config_file_get_int(file, "neg", -1, 9, &n, &error));
    assert_int_equal(n, -1);
    assert_true(config_file_get_string(file, "s", &s, &error));
    assert_string_equal(s, "x # y");
    assert_true(config_file_get_string(file, "t", &t, &error));
    assert_string_equal(t, "q\"q");
    assert_true(config_file_get_list(file, "l", &list, &error));
    assert_int_equal(g_strv_length(list), 2);
    assert_string_equal(list[1], "two");
    assert_true(config_file_get_list(file, "e", &empty, &error));
    assert_int_equal(g_strv_length(empty), 0);
    assert_true(config_file_get_list(file, "s", &single, &error));
    assert_int_equal(g_strv_length(single), 1);
    assert_true(config_file_get_bool(file, "on", &on, &error));
    assert_true(on);
    assert_true(config_file_has(file, "e"));
    assert_false(config_file_has(file, "missing"));
}

static void test_wrong_type(void **state)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ConfigFile) file =
        config_file_parse("\na = 5\ns = \"x\"\n", "f.conf", &error);
    g_autofree char *s = NULL;
    g_auto(GStrv) list = NULL;
    gboolean on = FALSE;
    gint64 n = 1;

    assert_false(config_file_get_string(file, "a", &s, &error));
    assert_string_equal(error->message,
                        "f.conf:2: a must be a string in quotes");
    g_clear_error(&error);
    assert_false(config_file_get_int(file, "a", 0, 4, &n, &error));
    assert_string_equal(error->message,
                        "f.conf:2: a must be a number from 0 to 4");
    g_clear_error(&error);
    assert_false(config_file_get_bool(file, "s", &on, &error));
    g_clear_error(&error);
    assert_false(config_file_get_list(file, "a", &list, &error));
    assert_int_equal(n, 1);
}

static void test_syntax(void **state)
{
    static const char *const bad[] = {
        "a",
        "a =",
        "= 5",
        "a = \"x",
        "a = \"x\ny\"",
        "a = [ 5 ]",
        "a = [ \"x\" \"y\" ]",
        "a = [ \"x\"",
        "a = 5 6",
        "a = x",
        "a = 99999999999999999999",
        "[x]",
        "a = 'x\"",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;

        assert_null(config_file_parse(bad[i], "f", &error));
        assert_non_null(error);
    }
}

static void test_unknown(void **state)
{
    static const char *const known[] = { "a", NULL };
    g_autoptr(ConfigFile) file = config_file_parse("a=1\nzz=2\n", "f", NULL);
    g_autoptr(ConfigFile) good = config_file_parse("a=1\n", "f", NULL);
    g_autofree char *unknown = config_file_unknown_keys(file, known);

    assert_string_equal(unknown, "zz (line 2)");
    assert_null(config_file_unknown_keys(good, known));
}

static void test_load(void **state)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ConfigFile) file =
        config_file_load("/nonexistent/x.conf", FALSE, &error);

    assert_non_null(file);
    assert_null(config_file_load("/nonexistent/x.conf", TRUE, &error));
    assert_non_null(error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values), cmocka_unit_test(test_wrong_type),
        cmocka_unit_test(test_syntax), cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_load),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
