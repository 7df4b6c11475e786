/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Unit tests of state/: round trips, versions, damage. */
#include <config.h>

#include "state/state.h"

#include "util/bytes.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct Thing {
    uint8_t bytes[5];
    uint16_t half;
    uint32_t words[3];
    uint64_t big;
    bool flag;
    uint32_t later; /* came with version 2 */
} Thing;

#define FIELD(f, t, n)                                                         \
    {                                                                          \
#f, t, offsetof(Thing, f), n, 0                                        \
    }

static const StateField v1[] = {
    FIELD(bytes, STATE_U8, 5),  FIELD(half, STATE_U16, 0),
    FIELD(words, STATE_U32, 3), FIELD(big, STATE_U64, 0),
    FIELD(flag, STATE_BOOL, 0), { 0 },
};

static const StateField v2[] = {
    FIELD(bytes, STATE_U8, 5),
    FIELD(later, STATE_U32, 0),
    FIELD(half, STATE_U16, 0),
    FIELD(words, STATE_U32, 3),
    FIELD(big, STATE_U64, 0),
    FIELD(flag, STATE_BOOL, 0),
    { 0 },
};

static const Thing full = { { 1, 2, 3, 4, 5 }, 0x1234, { 7, 8, 0xdeadbeef },
                            1ULL << 63,        true,   99 };

static StateBuf saved(uint16_t version, const StateField *fields)
{
    StateBuf buf = { 0 };
    Err e = ERR_INIT;

    assert_int_equal(
        state_save(&buf, "thing", "t0", version, fields, &full, &e), 0);
    return buf;
}

static int load(const StateBuf *buf, const StateField *fields, Thing *t, Err *e)
{
    const uint8_t *p = buf->data;
    size_t len = buf->len;
    StateSection s;
    int r = state_next(&p, &len, &s, e);

    if (r <= 0)
        return r < 0 ? r : -ENOENT;
    assert_string_equal(s.name, "thing");
    assert_string_equal(s.instance, "t0");
    assert_int_equal(len, 0);
    return state_load(&s, fields, t, e);
}

static void round_trip(void **state)
{
    StateBuf buf = saved(2, v2);
    Thing t = { .half = 1 };
    Err e = ERR_INIT;

    assert_int_equal(load(&buf, v2, &t, &e), 0);
    assert_memory_equal(t.bytes, full.bytes, 5);
    assert_int_equal(t.half, full.half);
    assert_memory_equal(t.words, full.words, sizeof(t.words));
    assert_true(t.big == full.big);
    assert_true(t.flag);
    assert_int_equal(t.later, 99);
    state_buf_fini(&buf);
}

static void older_and_newer_programs(void **state)
{
    StateField since2[7];
    StateBuf old = saved(1, v1), new = saved(2, v2);
    Thing t = { .later = 7 };
    Err e = ERR_INIT;

    memcpy(since2, v2, sizeof(v2));
    since2[1].since = 2;
    assert_int_equal(load(&new, v1, &t, &e), 0); /* skips what it knows not */
    assert_int_equal(t.later, 7);
    assert_int_equal(load(&old, since2, &t, &e), 0); /* keeps the default */
    assert_int_equal(t.later, 7);
    assert_int_equal(load(&old, v2, &t, &e), -ENOENT); /* must be there */
    assert_non_null(strstr(e.msg, "'later'"));
    state_buf_fini(&old);
    state_buf_fini(&new);
}

static void other_kind_is_refused(void **state)
{
    static const StateField wider[] = { FIELD(big, STATE_U32, 0), { 0 } };
    static const StateField longer[] = { FIELD(words, STATE_U32, 2), { 0 } };
    StateBuf buf = saved(1, v1);
    Thing t = { .half = 1 };
    Err e = ERR_INIT;

    assert_int_equal(load(&buf, wider, &t, &e), -EINVAL);
    assert_int_equal(load(&buf, longer, &t, &e), -EINVAL);
    state_buf_fini(&buf);
}

static void damage_is_noticed(void **state)
{
    StateBuf buf = saved(2, v2);
    Thing before = { .half = 1 }, t = before;
    Err e = ERR_INIT;

    for (size_t i = 0; i < buf.len; i++) {
        buf.data[i] ^= 0x41;
        assert_true(load(&buf, v2, &t, &e) < 0);
        buf.data[i] ^= 0x41;
    }
    for (size_t len = buf.len; len-- > 0;) {
        StateBuf cut = { buf.data, len, len };

        assert_true(load(&cut, v2, &t, &e) < 0);
    }
    assert_memory_equal(&t, &before, sizeof(t));
    state_buf_fini(&buf);
}

/* With a good checksum, lengths inside must be checked all the same. */
static void hostile_payloads(void **state)
{
    static const uint8_t bad[][12] = {
        { 1, 'x' },                                /* cut off after the name */
        { 1, 'x', STATE_U64, 255, 255, 255, 255 }, /* huge count */
        { 255, 'x' },                              /* huge name */
        { 1, 'x', 99, 1, 0, 0, 0, 0 },             /* unknown type */
        { 1, 'x', 0, 1, 0, 0, 0, 0 },
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        StateSection s = { .name = "thing",
                           .payload = bad[i],
                           .payload_len = i == 0 ? 2 : 8 };
        Thing t = { .half = 1 };
        Err e = ERR_INIT;

        assert_int_equal(state_load(&s, v1, &t, &e), -EBADMSG);
    }
}

static void sections_follow_each_other(void **state)
{
    StateBuf buf = { 0 };
    const uint8_t *p;
    size_t len;
    StateSection s;
    Err e = ERR_INIT;

    for (int i = 0; i < 20; i++)
        assert_int_equal(
            state_save(&buf, i % 2 ? "a" : "b", "x", i, v1, &full, &e), 0);
    p = buf.data;
    len = buf.len;
    for (int i = 0; i < 20; i++) {
        assert_int_equal(state_next(&p, &len, &s, &e), 1);
        assert_int_equal(s.version, i);
    }
    assert_int_equal(state_next(&p, &len, &s, &e), 0);
    state_buf_fini(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(older_and_newer_programs),
        cmocka_unit_test(other_kind_is_refused),
        cmocka_unit_test(damage_is_noticed),
        cmocka_unit_test(hostile_payloads),
        cmocka_unit_test(sections_follow_each_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
