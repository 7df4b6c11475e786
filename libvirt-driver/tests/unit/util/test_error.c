/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Unit tests of util/error. */
#include <config.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "util/error.h"

static void check_text(GError *error, const char *want)
{
    g_autofree char *text = vir_error_text(error);

    assert_string_equal(text, want);
}

static void test_prefixes(void **state)
{
    g_autoptr(GError) a = NULL;
    g_autoptr(GError) b = NULL;
    g_autoptr(GError) c = NULL;

    assert_false(vir_error_set(&a, VIR_ERR_NO_DOMAIN, "no domain '%s'", "x"));
    assert_string_equal(a->message, "no domain 'x'");
    check_text(a, "Domain not found: no domain 'x'");
    assert_int_equal(vir_error_domain(a), VIR_FROM_QEMU);
    assert_true(vir_error_is_quiet(a));

    assert_false(
        vir_error_set_from(&b, VIR_FROM_DOMAIN, VIR_ERR_NO_NAME, NULL));
    check_text(b, "missing name information");
    assert_int_equal(vir_error_domain(b), VIR_FROM_DOMAIN);

    /* a detail that looks like a template is not one */
    assert_false(vir_error_set(&c, VIR_ERR_RPC, "%s", "100%s"));
    check_text(c, "100%s");
}

static void test_errno(void **state)
{
    g_autoptr(GError) error = NULL;

    assert_false(vir_error_set_errno(&error, ENOENT, "cannot open '%s'", "/x"));
    check_text(error, "cannot open '/x': No such file or directory");
    assert_int_equal(error->code, VIR_ERR_SYSTEM_ERROR);
    assert_int_equal(vir_error_errno(error), ENOENT);
}

static void test_flags(void **state)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GError) ctl = NULL;

    assert_true(vir_error_check_flags(3, 7, "virF", &error));
    assert_null(error);
    assert_false(vir_error_check_flags(0x13, 3, "virF", &error));
    check_text(error, "unsupported flags (0x10) in function virF");
    assert_string_equal(vir_error_function(error), "virF");
    assert_string_equal(vir_error_argument(error), "flags");

    assert_true(vir_error_check_exclusive(1, 1, "A", 2, "B", "virF", &ctl));
    assert_false(vir_error_check_exclusive(3, 1, "A", 2, "B", "virF", &ctl));
    assert_string_equal(vir_error_argument(ctl), "ctl");
}

static void test_copy_and_foreign(void **state)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GError) copy = NULL;
    g_autoptr(GError) foreign =
        g_error_new_literal(G_FILE_ERROR, G_FILE_ERROR_ACCES, "not allowed");

    vir_error_set_arg(&error, "virF", "x", "bad x");
    copy = g_error_copy(error);
    g_clear_error(&error);
    assert_string_equal(vir_error_argument(copy), "x");
    assert_int_equal(vir_error_code(foreign), VIR_ERR_INTERNAL_ERROR);
    check_text(foreign, "internal error: not allowed");
    assert_false(vir_error_set(NULL, VIR_ERR_RPC, "dropped"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prefixes),
        cmocka_unit_test(test_errno),
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_copy_and_foreign),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
