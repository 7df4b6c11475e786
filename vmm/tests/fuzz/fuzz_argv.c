/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A command line, one token a line: cut, counted, converted, checked. */
#include <config.h>

#include "cli/config.h"
#include "util/cleanup.h"

#include <stdint.h>
#include <string.h>

#define MAX_TOKENS 512

extern const char fuzz_name[];
const char fuzz_name[] = "argv";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char *text CLEANUP(ptr_free) = strndup((const char *)data, len);
    char *argv[MAX_TOKENS + 1] = { "vmm" };
    char *save = NULL;
    int argc = 1;
    CliConf conf = { 0 };
    Args args;
    Err e = ERR_INIT;
    int r;

    if (!text)
        return 0;
    for (char *t = strtok_r(text, "\n", &save); t && argc < MAX_TOKENS;
         t = strtok_r(NULL, "\n", &save))
        argv[argc++] = t;
    r = args_cut(&args, argc, argv, &e);
    if (r == 0)
        r = args_check(&args, &e);
    if (r == 0) {
        conf.machine.accel_fd = -1;
        conf.machine.kernel.fd = conf.machine.initrd.fd = -1;
        r = cli_config(&conf, &args, &e);
        if (r == 0)
            json_decref(cli_config_json(&conf));
        cli_config_fini(&conf);
    }
    if (r < 0 && (!e.msg[0] || strchr(e.msg, '\n')))
        abort(); /* every refusal is one sentence */
    args_fini(&args);
    return 0;
}
