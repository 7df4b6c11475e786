/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Option tables: grammar of one value, types, limits, messages. */
#include <config.h>

#include "opt/opt.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct Conf {
    bool readonly;
    bool onoff;
    bool server;
    bool num_given;
    uint8_t unit;
    uint16_t queues;
    uint32_t period;
    uint64_t bytes;
    uint64_t mem;
    uint32_t port;
    const char *file;
    const char *drive;
    unsigned format;
    uint8_t mac[6];
    uint8_t uuid[16];
    OptFds fds;
} Conf;

static const char *const formats[] = { "raw", "qcow2", NULL };

#define F(field) .off = offsetof(Conf, field)
static const OptDesc descs[] = {
    { .name = "file",
      .alias = "path-on-host",
      .type = OPT_PATH,
      F(file),
      .required = true,
      .help = "image" },
    { .name = "readonly",
      .type = OPT_BOOL,
      F(readonly),
      .repeat = OPT_FIRST_WINS,
      .def = "on" },
    { .name = "onoff", .type = OPT_ONOFF, F(onoff) },
    { .name = "server", .type = OPT_FLAG, F(server) },
    { .name = "unit", .type = OPT_U8, F(unit), .max = 1 },
    { .name = "queues",
      .type = OPT_U16,
      F(queues),
      .given = offsetof(Conf, num_given),
      .min = 4,
      .max = 1024,
      .pow2 = true,
      .def = "256" },
    { .name = "period", .type = OPT_U32, F(period), .unit = "ms" },
    { .name = "bytes", .type = OPT_U64, F(bytes) },
    { .name = "mem",
      .type = OPT_SIZE,
      F(mem),
      .min = 128ull << 20,
      .max = 512ull << 30 },
    { .name = "port", .type = OPT_HEX, F(port), .max = 0xffff },
    { .name = "drive", .type = OPT_REF, F(drive), .ref = "drive" },
    { .name = "format",
      .type = OPT_ENUM,
      F(format),
      .names = formats,
      .def = "raw" },
    { .name = "mac", .type = OPT_MAC, F(mac) },
    { .name = "uuid", .type = OPT_UUID, F(uuid) },
    { .name = "fds",
      .alias = "fd|tap-fds",
      .type = OPT_FDS,
      F(fds),
      .repeat = OPT_APPEND },
    { .name = "vectors", .type = OPT_IGNORED },
    { 0 },
};

/* Parses and expects success; the bag stays for the strings. */
static void good(OptBag *bag, Conf *conf, const char *text)
{
    Err e = ERR_INIT;

    memset(conf, 0, sizeof(*conf));
    if (opt_bag_text(bag, "-drive", text, OPT_HEAD_NONE, NULL, &e) < 0 ||
        opt_parse(descs, bag, conf, &e) < 0)
        fail_msg("'%s': %s", text, e.msg);
}

static void bad(const char *text, const char *message)
{
    OptBag bag;
    Conf conf = { 0 };
    Err e = ERR_INIT;
    int r = opt_bag_text(&bag, "-drive", text, OPT_HEAD_NONE, NULL, &e);

    if (r == 0) {
        r = opt_parse(descs, &bag, &conf, &e);
        opt_bag_fini(&bag);
    }
    assert_int_equal(r, -EINVAL);
    if (message)
        assert_string_equal(e.msg, message);
    assert_null(strchr(e.msg, '\n'));
}

static void test_types(void **state)
{
    static const uint8_t mac[6] = { 0xde, 0xad, 0xbe, 0xef, 0, 1 };
    OptBag bag;
    Conf c;
    char uuid[37];

    (void)state;
    good(&bag, &c,
         "path-on-host=/a,readonly=no,onoff=on,server,unit=1,queues=+8,"
         "period=7,bytes=18446744073709551615,mem=1g,port=0xA,drive=d0,"
         "format=qcow2,mac=dE:ad:BE:ef:00:01,fd=3,fds=4:5,vectors=zz,"
         "uuid=4dea22b3-1d52-d8f3-2516-782e98ab3fa0,");
    assert_string_equal(c.file, "/a");
    assert_false(c.readonly);
    assert_true(c.onoff);
    assert_true(c.server);
    assert_int_equal(c.unit, 1);
    assert_int_equal(c.queues, 8);
    assert_true(c.num_given);
    assert_int_equal(c.period, 7);
    assert_true(c.bytes == UINT64_MAX);
    assert_true(c.mem == 1ull << 30);
    assert_int_equal(c.port, 10);
    assert_string_equal(c.drive, "d0");
    assert_int_equal(c.format, 1);
    assert_memory_equal(c.mac, mac, 6);
    assert_int_equal(c.fds.num, 3);
    assert_int_equal(c.fds.fd[2], 5);
    opt_uuid_text(c.uuid, uuid);
    assert_string_equal(uuid, "4dea22b3-1d52-d8f3-2516-782e98ab3fa0");
    opt_bag_fini(&bag);
}

static void test_defaults(void **state)
{
    OptBag bag;
    Conf c;

    (void)state;
    good(&bag, &c, "file=/a,readonly=on,readonly=off");
    assert_true(c.readonly); /* the first one wins */
    assert_int_equal(c.queues, 256);
    assert_false(c.num_given);
    assert_int_equal(c.format, 0);
    opt_bag_fini(&bag);
}

static void test_messages(void **state)
{
    (void)state;
    bad("id=x,file=/a", "-drive: unknown option 'id'; known are file, "
                        "readonly, onoff, server, unit, queues, period, bytes, "
                        "mem, port, drive, format, mac, uuid, fds");
    bad("readonly=on",
        "-drive: 'file' is missing; it takes a path of at most 4095 bytes");
    bad("file=/a,format=vhdx",
        "-drive: 'format' cannot be 'vhdx'; it accepts raw or qcow2");
    bad("file=/a,unit=2",
        "-drive: 'unit' cannot be '2'; it accepts decimal 0 to 1");
    bad("file=/a,queues=300", "-drive: 'queues' cannot be '300'; it accepts a "
                              "power of two from 4 to 1024");
    bad("file=/a,mem=64", "-drive: 'mem' cannot be '64'; it accepts a size "
                          "from 128M to 512G (without suffix in MiB)");
    bad("file=/a,file=/b", "-drive: 'file' is given more than once");
    bad("file=/a,path-on-host=/b", "-drive: 'file' is given more than once");
    bad("file=/a,unit", "-drive: 'unit' needs a value: unit=VALUE");
    bad("file=/a=b", "-drive: 'file=/a=b' has more than one '=', and a value "
                     "cannot contain one");
    bad("file=/a,unit=-1",
        "-drive: the value '-1' of 'unit' may not start with '-'");
    bad("file=/a,,unit=1", "-drive: empty element");
    bad("", "-drive: empty element");
    bad(",", "-drive: empty element");
    bad("file=/a,=x", "-drive: '=x' has no key before '='");
}

static void test_bad_values(void **state)
{
    static const char *const parts[] = {
        "readonly=On",
        "readonly=",
        "onoff=true",
        "server=maybe",
        "unit=",
        "unit=0x1",
        "unit=256",
        "bytes=1k",
        "queues=0",
        "mem=1T",
        "mem=1.5G",
        "mem=GB",
        "mem=513G",
        "port=0x",
        "port=0x10000",
        "port=g",
        "drive=",
        "format=",
        "format=RAW",
        "mac=1:1:1",
        "mac=",
        "uuid=x",
        "fds=",
        "fds=1::2",
        "fds=:1",
        "fds=1:",
        "fds=a",
        "file=",
        "unit= 1",
        "bytes=18446744073709551616",
        "mem=18446744073709551615G",
        "uuid=4dea22b3x1d52-d8f3-2516-782e98a"
        "b3fa0",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        char text[128];

        snprintf(text, sizeof(text), "file=/a,%s", parts[i]);
        bad(text, NULL);
    }
}

static void test_heads(void **state)
{
    OptBag bag;
    Err e = ERR_INIT;

    (void)state;
    assert_int_equal(
        opt_bag_text(&bag, "-device", "rng,id=x", OPT_HEAD_NAME, NULL, &e), 0);
    assert_string_equal(bag.name, "rng");
    assert_string_equal(bag.where, "-device rng");
    assert_string_equal(opt_bag_get(&bag, "id"), "x");
    assert_true(opt_bag_drop(&bag, "id"));
    assert_false(opt_bag_drop(&bag, "id"));
    opt_bag_fini(&bag);

    assert_int_equal(opt_bag_text(&bag, "-machine", "q35,mem-share=on",
                                  OPT_HEAD_KEY, "type", &e),
                     0);
    assert_string_equal(opt_bag_get(&bag, "type"), "q35");
    opt_bag_fini(&bag);
    assert_int_equal(opt_bag_text(&bag, "-machine", "mem-share=on,type=q35",
                                  OPT_HEAD_KEY, "type", &e),
                     0);
    assert_string_equal(opt_bag_get(&bag, "type"), "q35");
    assert_string_equal(opt_bag_get(&bag, "mem-share"), "on");
    opt_bag_fini(&bag);

    assert_int_equal(
        opt_bag_text(&bag, "-device", "id=x", OPT_HEAD_NAME, NULL, &e),
        -EINVAL);
    assert_string_equal(
        e.msg, "-device: the first element must be a name, not 'id=x'");
    assert_int_equal(
        opt_bag_text(&bag, "-device", ",id=x", OPT_HEAD_NAME, NULL, &e),
        -EINVAL);
    assert_int_equal(
        opt_bag_text(&bag, "-device", "a,,b=c", OPT_HEAD_NAME, NULL, &e),
        -EINVAL);
}

static int from_json(OptBag *bag, const char *text, bool strict, Conf *c,
                     Err *e)
{
    json_t *o = json_loads(text, 0, NULL);
    int r = opt_bag_json(bag, "blockdev-add", o, NULL, e);

    json_decref(o);
    if (r < 0)
        return r;
    bag->strict = strict;
    memset(c, 0, sizeof(*c));
    return opt_parse(descs, bag, c, e);
}

static void test_json(void **state)
{
    OptBag bag;
    Conf c;
    Err e = ERR_INIT;

    (void)state;
    assert_int_equal(from_json(&bag,
                               "{\"file\":\"/a,b=c\",\"readonly\":false,"
                               "\"unit\":1}",
                               true, &c, &e),
                     0);
    assert_string_equal(c.file, "/a,b=c");
    assert_false(c.readonly);
    assert_int_equal(c.unit, 1);
    opt_bag_fini(&bag);

    assert_int_equal(
        from_json(&bag, "{\"file\":\"/a\",\"unit\":\"1\"}", true, &c, &e),
        -EINVAL);
    assert_string_equal(
        e.msg, "blockdev-add: 'unit' cannot be '1'; it accepts decimal 0 to 1");
    opt_bag_fini(&bag);
    assert_int_equal(
        from_json(&bag, "{\"file\":\"/a\",\"unit\":\"1\"}", false, &c, &e), 0);
    opt_bag_fini(&bag);
    assert_int_equal(from_json(&bag, "{\"file\":[1]}", false, &c, &e), -EINVAL);
    assert_string_equal(e.msg, "blockdev-add: 'file' cannot be '[1]'; it "
                               "accepts a path of at most 4095 bytes");
    opt_bag_fini(&bag);
    assert_int_equal(
        from_json(&bag, "{\"file\":\"/a\",\"unit\":-1}", true, &c, &e),
        -EINVAL);
    opt_bag_fini(&bag);
    assert_int_equal(
        from_json(&bag, "{\"file\":{\"x\":{\"y\":1}}}", true, &c, &e), -EINVAL);
    assert_memory_equal(e.msg, "blockdev-add: unknown option 'file.x.y'", 39);
    opt_bag_fini(&bag);
}

static void test_describe(void **state)
{
    json_t *rows = opt_describe(descs);
    json_t *row = json_array_get(rows, 3);
    char *text =
        json_dumps(json_array_get(rows, 4), JSON_SORT_KEYS | JSON_COMPACT);

    (void)state;
    assert_int_equal(json_array_size(rows), 16);
    assert_string_equal(json_string_value(json_object_get(row, "name")),
                        "file");
    assert_true(json_is_true(json_object_get(row, "required")));
    assert_string_equal(
        text, "{\"choices\":[\"raw\",\"qcow2\"],\"default\":\"raw\",\"name\":"
              "\"format\",\"required\":false,\"type\":\"enum\"}");
    free(text);
    json_decref(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types),    cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_messages), cmocka_unit_test(test_bad_values),
        cmocka_unit_test(test_heads),    cmocka_unit_test(test_json),
        cmocka_unit_test(test_describe),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
