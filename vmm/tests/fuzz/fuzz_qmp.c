/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A monitor client's bytes: scanner, members, arguments of every command. */
#include <config.h>

#include "qmp/command.h"
#include "qmp/scan.h"
#include "util/cleanup.h"

#include <stdint.h>
#include <string.h>

extern const char fuzz_name[];
const char fuzz_name[] = "qmp";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void arguments(const char *name, const Slice *slice)
{
    const QmpCommand *cmd = qmp_command_find(name);
    json_t *object = json_loadb(slice->at, slice->len,
                                JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
    OptBag bag;
    Err e = ERR_INIT;

    if (cmd && json_is_object(object) &&
        opt_bag_json(&bag, name, object, NULL, &e) == 0) {
        void *args = calloc(1, cmd->args_size + 1);

        bag.strict = true;
        opt_parse(cmd->args, &bag, args, &e);
        free(args);
        opt_bag_fini(&bag);
    }
    json_decref(object);
}

static void request(const char *buf, size_t len)
{
    Request req;
    Err e = ERR_INIT;
    int r = request_cut(buf, len, &req, &e);
    json_t *name;

    if (req.id.at)
        free(slice_compact(&req.id));
    if (r < 0)
        return;
    name = json_loadb(req.execute.at, req.execute.len, JSON_DECODE_ANY, NULL);
    if (json_is_string(name) && req.arguments.at)
        arguments(json_string_value(name), &req.arguments);
    json_decref(name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const char *buf = (const char *)data;
    Scanner s = { 0 };
    size_t start;
    size_t end;
    ScanResult r;

    while ((r = scan(&s, buf, len, &start, &end)) != SCAN_MORE &&
           r != SCAN_LONG) {
        if (start > end || end > len)
            abort();
        if (r == SCAN_OBJECT)
            request(buf + start, end - start);
        buf += end;
        len -= end;
    }
    return 0;
}
