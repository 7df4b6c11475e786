/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Unit tests of rpc/codec and rpc/wire_error: layouts, limits, hostile input.
 */
#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "rpc/codec.h"
#include "rpc/wire_error.h"
#include "util/error.h"

static const Codec dom_codec = CODEC(wire_a_dom_flags);
static const Codec str_codec = CODEC(wire_a_str);
static const Codec open_codec = CODEC(wire_a_open);
static const Codec params_codec = CODEC(wire_r_params_count);
static const Codec identity_codec = CODEC(wire_a_identity);
static const Codec void_codec = CODEC_VOID;

static const RpcHeader call_header = {
    RPC_PROGRAM_REMOTE, RPC_VERSION, 14, RPC_TYPE_CALL, 7, RPC_STATUS_OK
};

static void test_layout(void **state)
{
    static const guint8 want[] = {
        0,  0,  0,   60,  0x20, 0,  0x80, 0x86, 0,    0,    0,    1, 0, 0, 0,
        14, 0,  0,   0,   0,    0,  0,    0,    7,    0,    0,    0, 0, 0, 0,
        0,  3,  'v', 'm', '1',  0,  1,    2,    3,    4,    5,    6, 7, 8, 9,
        10, 11, 12,  13,  14,   15, 16,   0xff, 0xff, 0xff, 0xff, 0, 0, 0, 2,
    };
    wire_a_dom_flags args = { .dom = { .name = (char *)"vm1", .id = -1 },
                              .flags = 2 };
    g_autoptr(RpcFrame) frame = NULL;
    g_autoptr(GError) error = NULL;
    gpointer back = NULL;
    RpcHeader header;
    gsize offset;
    guint nfds;

    for (int i = 0; i < 16; i++)
        args.dom.uuid[i] = i + 1;
    frame = rpc_frame_new(&call_header, &dom_codec, &args, NULL, 0, &error);
    assert_non_null(frame);
    assert_int_equal(frame->len, sizeof(want));
    assert_memory_equal(frame->data, want, sizeof(want));
    assert_true(
        rpc_header_decode(frame->data, frame->len, &header, &nfds, &offset));
    assert_memory_equal(&header, &call_header, sizeof(header));
    assert_int_equal(nfds, 0);
    assert_true(codec_decode(&dom_codec, frame->data + offset,
                             frame->len - offset, &back, &error));
    assert_string_equal(((wire_a_dom_flags *)back)->dom.name, "vm1");
    assert_int_equal(((wire_a_dom_flags *)back)->dom.id, -1);
    codec_free(&dom_codec, back);
}

static void test_truncated(void **state)
{
    wire_a_dom_flags args = { .dom = { .name = (char *)"vm1", .id = 5 } };
    g_autoptr(RpcFrame) frame =
        rpc_frame_new(&call_header, &dom_codec, &args, NULL, 0, NULL);
    RpcHeader header;
    gsize offset;
    guint nfds;

    for (gsize len = 0; len < 28; len++)
        assert_false(
            rpc_header_decode(frame->data, len, &header, &nfds, &offset));
    for (gsize len = 0; len < frame->len - 28; len++) {
        /* a copy of its own, so that a read behind it is seen */
        g_autofree guint8 *copy = g_memdup2(frame->data + 28, len);
        g_autoptr(GError) error = NULL;
        gpointer back = NULL;

        assert_false(codec_decode(&dom_codec, copy, len, &back, &error));
        assert_null(back);
        assert_int_equal(error->code, VIR_ERR_RPC);
        assert_int_equal(vir_error_domain(error), VIR_FROM_RPC);
    }
}

static void test_trailing_and_void(void **state)
{
    static const guint8 bytes[] = { 0, 0, 0, 1, 'a', 0, 0, 0, 9, 9, 9, 9 };
    gpointer back = NULL;

    assert_true(codec_decode(&str_codec, bytes, sizeof(bytes), &back, NULL));
    assert_string_equal(((wire_a_str *)back)->value, "a");
    codec_free(&str_codec, back);
    back = NULL;
    assert_true(codec_decode(&void_codec, bytes, sizeof(bytes), &back, NULL));
    assert_null(back);
}

static void check_refused(const Codec *codec, const guint8 *bytes, gsize len)
{
    g_autofree guint8 *copy = g_memdup2(bytes, len);
    g_autoptr(GError) error = NULL;
    gpointer back = NULL;

    assert_false(codec_decode(codec, copy, len, &back, &error));
    assert_non_null(error);
}

static void test_hostile_lengths(void **state)
{
    static const guint8 string_over[] = { 0, 0x40, 0, 1, 'x', 0, 0, 0 };
    static const guint8 string_huge[] = {
        0xff, 0xff, 0xff, 0xff, 'x', 0, 0, 0
    };
    static const guint8 string_short[] = { 0, 0, 0, 9, 'x', 0, 0, 0 };
    static const guint8 list_over[] = { 0, 0, 0, 21, 0, 0, 0, 0 };
    static const guint8 list_huge[] = { 0xff, 0xff, 0xff, 0xff };
    static const guint8 bad_type[] = { 0, 0, 0, 1, 0, 0, 0, 1, 'f', 0, 0, 0,
                                       0, 0, 0, 8, 0, 0, 0, 1, 0,   0, 0, 0 };
    static const guint8 bad_opt[] = { 0, 0, 0, 1 };

    check_refused(&str_codec, string_over, sizeof(string_over));
    check_refused(&str_codec, string_huge, sizeof(string_huge));
    check_refused(&str_codec, string_short, sizeof(string_short));
    check_refused(&identity_codec, list_over, sizeof(list_over));
    check_refused(&identity_codec, list_huge, sizeof(list_huge));
    check_refused(&identity_codec, bad_type, sizeof(bad_type));
    check_refused(&open_codec, bad_opt, sizeof(bad_opt));
}

static void test_params(void **state)
{
    static const Codec *codec = &params_codec;
    wire_r_params_count *ret = codec_new(codec);
    g_autoptr(RpcFrame) frame = NULL;
    gpointer back = NULL;
    wire_param *list;

    wire_params_add_int(&ret->params, "i", -5);
    wire_params_add_uint(&ret->params, "ui", 4000000000u);
    wire_params_add_llong(&ret->params, "l", G_MININT64);
    wire_params_add_ullong(&ret->params, "ul", G_MAXUINT64);
    wire_params_add_double(&ret->params, "d", 1.5);
    wire_params_add_bool(&ret->params, "b", TRUE);
    wire_params_add_string(&ret->params, "s", "text");
    ret->count = 7;
    frame = rpc_frame_new(&call_header, codec, ret, NULL, 0, NULL);
    codec_free(codec, ret);
    assert_true(
        codec_decode(codec, frame->data + 28, frame->len - 28, &back, NULL));
    ret = back;
    assert_int_equal(ret->params.list.list_len, 7);
    list = ret->params.list.list_val;
    assert_int_equal(list[0].value.wire_value_u.i, -5);
    assert_true(list[1].value.wire_value_u.ui == 4000000000u);
    assert_true(list[2].value.wire_value_u.l == G_MININT64);
    assert_true(list[3].value.wire_value_u.ul == G_MAXUINT64);
    assert_true(list[4].value.wire_value_u.d == 1.5);
    assert_int_equal(list[5].value.wire_value_u.b, 1);
    assert_string_equal(list[6].value.wire_value_u.s, "text");
    assert_string_equal(list[6].field, "s");
    codec_free(codec, ret);
}

static void test_encode_limit(void **state)
{
    g_autofree char *big = g_malloc(WIRE_STR_MAX + 2);
    wire_a_str args = { .value = big };
    g_autoptr(GError) error = NULL;

    memset(big, 'x', WIRE_STR_MAX + 1);
    big[WIRE_STR_MAX + 1] = '\0';
    assert_null(
        rpc_frame_new(&call_header, &str_codec, &args, NULL, 0, &error));
    assert_int_equal(error->code, VIR_ERR_RPC);
    g_clear_error(&error);
    args.value = NULL; /* a handler forgot it */
    assert_null(
        rpc_frame_new(&call_header, &str_codec, &args, NULL, 0, &error));
    assert_non_null(error);
}

static void test_fd_count(void **state)
{
    RpcHeader header = call_header;
    g_autoptr(RpcFrame) frame = NULL;
    gsize offset;
    guint nfds;

    header.type = RPC_TYPE_CALL_WITH_FDS;
    frame = rpc_frame_new(&header, NULL, NULL, NULL, 0, NULL);
    assert_int_equal(frame->len, 32);
    frame->data[31] = 32;
    assert_true(
        rpc_header_decode(frame->data, frame->len, &header, &nfds, &offset));
    assert_int_equal(nfds, 32);
    assert_int_equal(offset, 32);
    frame->data[31] = 33;
    assert_false(
        rpc_header_decode(frame->data, frame->len, &header, &nfds, &offset));
    frame->data[28] = 0xff;
    assert_false(
        rpc_header_decode(frame->data, frame->len, &header, &nfds, &offset));
    assert_false(rpc_header_decode(frame->data, 30, &header, &nfds, &offset));
}

static void check_error(GError *error, const char *message, const char *str1,
                        const char *str2, int int1)
{
    wire_error *wire = codec_new(&wire_error_codec);

    wire_error_fill(wire, error);
    assert_string_equal(wire_str_opt_get(wire->message), message);
    assert_string_equal(wire_str_opt_get(wire->str1), str1);
    if (str2)
        assert_string_equal(wire_str_opt_get(wire->str2), str2);
    else
        assert_null(wire->str2);
    assert_int_equal(wire->int1, int1);
    assert_int_equal(wire->level, VIR_ERR_ERROR);
    codec_free(&wire_error_codec, wire);
    g_error_free(error);
}

static void test_errors(void **state)
{
    GError *error = NULL;

    vir_error_set(&error, VIR_ERR_NO_DOMAIN, "no domain 'x'");
    check_error(error, "Domain not found: no domain 'x'",
                "Domain not found: %s", "no domain 'x'", -1);
    error = NULL;
    vir_error_set(&error, VIR_ERR_NO_NAME, NULL);
    check_error(error, "missing name information", "missing name information",
                NULL, -1);
    error = NULL;
    vir_error_set_errno(&error, 2, "cannot open");
    check_error(error, "cannot open: No such file or directory", "%s",
                "cannot open: No such file or directory", 2);
    error = NULL;
    vir_error_check_flags(8, 0, "virF", &error);
    check_error(error, "unsupported flags (0x8) in function virF", "virF",
                "flags", 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layout),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_trailing_and_void),
        cmocka_unit_test(test_hostile_lengths),
        cmocka_unit_test(test_params),
        cmocka_unit_test(test_encode_limit),
        cmocka_unit_test(test_fd_count),
        cmocka_unit_test(test_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
