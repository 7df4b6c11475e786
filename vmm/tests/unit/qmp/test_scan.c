/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The request scanner: whole, cut in pieces, concatenated, hostile. */
#include <config.h>

#include "qmp/scan.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Feeds @text @step bytes at a time; writes "kind:text|" for every result. */
static void run(const char *text, size_t step, char *out, size_t out_len)
{
    static const char *const kinds[] = { "more", "obj", "deep", "junk",
                                         "long" };
    char *buf = strdup(text);
    size_t total = strlen(text);
    size_t have = 0;
    size_t len = 0;
    Scanner s = { 0 };

    *out = 0;
    while (have < total) {
        size_t take = total - have < step ? total - have : step;
        size_t start = 0;
        size_t end = 0;
        ScanResult r;

        memmove(buf + len, text + have, take);
        have += take;
        len += take;
        while ((r = scan(&s, buf, len, &start, &end)) != SCAN_MORE) {
            size_t used = strlen(out);

            if (r == SCAN_LONG) {
                snprintf(out + used, out_len - used, "long|");
                free(buf);
                return;
            }
            snprintf(out + used, out_len - used, "%s:%.*s|", kinds[r],
                     (int)(end - start), buf + start);
            len -= end;
            memmove(buf, buf + end, len);
        }
    }
    free(buf);
}

static void check(const char *text, const char *want)
{
    char out[1024];

    for (size_t step = 1; step <= strlen(text); step++) {
        run(text, step, out, sizeof(out));
        assert_string_equal(out, want);
    }
}

static void test_objects(void **state)
{
    (void)state;
    check("{\"a\":1}", "obj:{\"a\":1}|");
    check(" \r\n\t{}{}  {\"a\":{\"b\":[{}]}}\n", "obj:{}|obj:{}|obj:{\"a\":"
                                                 "{\"b\":[{}]}}|");
    check("{\"a\":\"}{\\\"}\\\\\"}{}", "obj:{\"a\":\"}{\\\"}\\\\\"}|obj:{}|");
    check("{\"a\":\"", "");
}

static void test_garbage(void **state)
{
    char out[256];

    (void)state;
    run("quit\n{}", 64, out, sizeof(out));
    assert_string_equal(out, "junk:quit|obj:{}|");
    run("[1]{}", 64, out, sizeof(out));
    assert_string_equal(out, "junk:[1]|obj:{}|");
    run("}}}}", 64, out, sizeof(out));
    assert_string_equal(out, "junk:}}}}|");
}

static void test_limits(void **state)
{
    static char text[SCAN_MAX_BYTES + 101];
    const size_t big = sizeof(text) - 1;
    char out[512];
    Scanner s = { 0 };
    size_t start;
    size_t end;

    (void)state;
    memset(text, '{', SCAN_MAX_DEPTH);
    memset(text + SCAN_MAX_DEPTH, '}', SCAN_MAX_DEPTH);
    run(text, 1, out, sizeof(out));
    assert_memory_equal(out, "obj:", 4);

    memset(text, '[', SCAN_MAX_DEPTH + 1);
    text[0] = '{';
    memset(text + SCAN_MAX_DEPTH + 1, ']', SCAN_MAX_DEPTH + 1);
    run(text, 7, out, sizeof(out));
    assert_memory_equal(out, "deep:", 5);

    memset(text, ' ', big);
    text[0] = '{';
    assert_int_equal(scan(&s, text, big, &start, &end), SCAN_LONG);
}

static void cut(const char *text, int want_r, const char *want_id,
                const char *want_msg)
{
    Request req;
    Err e = ERR_INIT;
    int r = request_cut(text, strlen(text), &req, &e);
    char *id = req.id.at ? slice_compact(&req.id) : NULL;

    assert_int_equal(r, want_r);
    if (want_id)
        assert_string_equal(id, want_id);
    else
        assert_null(id);
    if (want_msg)
        assert_string_equal(e.msg, want_msg);
    free(id);
}

static void test_members(void **state)
{
    (void)state;
    cut("{\"execute\":\"stop\"}", 0, NULL, NULL);
    cut("{ \"execute\" : \"stop\" , \"id\" : 18446744073709551616 }", 0,
        "18446744073709551616", NULL);
    cut("{\"id\": { \"b\" : [ 1 , \" a\\\" \" ] } ,\"execute\":\"stop\"}", 0,
        "{\"b\":[1,\" a\\\" \"]}", NULL);
    cut("{\"id\":1}", -EINVAL, "1", "missing field `execute`");
    cut("{}", -EINVAL, NULL, "missing field `execute`");
    cut("{\"exec\":1,\"id\":2}", -EINVAL, "2",
        "unknown field `exec`, expected one of `execute`, `arguments`, `id`");
    cut("{\"execute\":1,\"execute\":2,\"id\":3}", -EINVAL, "3",
        "duplicate field `execute`");
    cut("{\"id\":3,}", -EBADMSG, "3", NULL);
    cut("{\"id\":3 4}", -EINVAL, "34", NULL);
    cut("{\"id\"}", -EBADMSG, NULL, NULL);
    cut("{\"id\":}", -EBADMSG, NULL, NULL);
    cut("{\"id\":1]}", -EBADMSG, "1", NULL);
    cut("{\"id", -EBADMSG, NULL, NULL);
    cut("{\"id\":\"a\\", -EBADMSG, NULL, NULL);
    cut("x", -EBADMSG, NULL, NULL);
    cut("", -EBADMSG, NULL, NULL);
}

/* Every prefix and every changed byte of a request: no crash, in bounds. */
static void test_hostile(void **state)
{
    static const char text[] =
        "{\"execute\":\"x\",\"arguments\":{\"a\":[1,\"\\u0041\"]},\"id\":{}}";
    static const char bytes[] = "{}[]\",:\\ \0\xff";

    (void)state;
    for (size_t len = 0; len < sizeof(text); len++) {
        for (size_t b = 0; b < sizeof(bytes); b++) {
            char *copy = malloc(len + 1);
            Request req;
            Err e = ERR_INIT;

            memcpy(copy, text, len);
            if (len)
                copy[len / 2] = bytes[b];
            request_cut(copy, len, &req, &e);
            if (req.id.at) {
                char *id = slice_compact(&req.id);

                assert_true(strlen(id) <= len);
                free(id);
            }
            free(copy);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_objects), cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_limits),  cmocka_unit_test(test_members),
        cmocka_unit_test(test_hostile),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
