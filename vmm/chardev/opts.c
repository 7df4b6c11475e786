/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* chardev/opts.c - options of -chardev, by class. */
#include <config.h>

#include "chardev/chardev.h"

#include "util/cleanup.h"

#include <errno.h>
#include <string.h>

/* Rows that every class has. */
#define COMMON_ROWS                                                            \
    { .name = "id",                                                            \
      .type = OPT_ID,                                                          \
      .off = offsetof(ChardevConf, id),                                        \
      .required = true,                                                        \
      .help = "id of the character device" },                                  \
        { .name = "logfile",                                                   \
          .type = OPT_PATH,                                                    \
          .off = offsetof(ChardevConf, logfile),                               \
          .help = "file that gets a copy of all output" },                     \
    {                                                                          \
        .name = "logappend", .type = OPT_ONOFF,                                \
        .off = offsetof(ChardevConf, logappend), .def = "off",                 \
        .help = "keep what the logfile holds"                                  \
    }

static const OptDesc plain_opts[] = {
    COMMON_ROWS,
    { 0 },
};

static const OptDesc file_opts[] = {
    COMMON_ROWS,
    { .name = "path",
      .type = OPT_PATH,
      .off = offsetof(ChardevConf, path),
      .required = true,
      .help = "file that output is written to" },
    { .name = "append",
      .type = OPT_ONOFF,
      .off = offsetof(ChardevConf, append),
      .def = "off",
      .help = "write at the end of the file instead of from its start" },
    { 0 },
};

static const OptDesc socket_opts[] = {
    COMMON_ROWS,
    { .name = "path",
      .type = OPT_PATH,
      .off = offsetof(ChardevConf, path),
      .max = 107,
      .help = "unix socket" },
    { .name = "host",
      .type = OPT_STR,
      .off = offsetof(ChardevConf, host),
      .help = "address of a TCP socket, 0.0.0.0 when left out" },
    { .name = "port",
      .type = OPT_U16,
      .off = offsetof(ChardevConf, port),
      .min = 1,
      .help = "port of a TCP socket" },
    { .name = "fd",
      .type = OPT_I32,
      .off = offsetof(ChardevConf, fd),
      .given = offsetof(ChardevConf, has_fd),
      .help = "inherited socket: a listener with server, else a connection" },
    { .name = "server",
      .type = OPT_FLAG,
      .off = offsetof(ChardevConf, server),
      .help = "listen instead of connecting" },
    { .name = "nowait",
      .type = OPT_FLAG,
      .off = offsetof(ChardevConf, nowait),
      .help = "start without waiting for a client" },
    { .name = "wait",
      .type = OPT_ONOFF,
      .off = offsetof(ChardevConf, wait),
      .given = offsetof(ChardevConf, has_wait),
      .help = "wait=off is nowait" },
    { 0 },
};

const OptDesc *const chardev_opts[] = {
    [CHARDEV_STDIO] = plain_opts, [CHARDEV_PTY] = plain_opts,
    [CHARDEV_FILE] = file_opts,   [CHARDEV_SOCKET] = socket_opts,
    [CHARDEV_LOG] = plain_opts,
};
_Static_assert(ARRAY_SIZE(chardev_opts) == CHARDEV_CLASS_MAX,
               "a table per class");

static int check_socket(ChardevConf *conf, Err *e)
{
    if (!!conf->path + !!conf->port + conf->has_fd != 1)
        return err_set(e, EINVAL,
                       "chardev '%s': a socket has exactly one of path, port "
                       "and fd",
                       conf->id);
    if (conf->host && !conf->port)
        return err_set(e, EINVAL, "chardev '%s': host needs port", conf->id);
    if (conf->has_wait && conf->nowait && conf->wait)
        return err_set(e, EINVAL, "chardev '%s': wait=on contradicts nowait",
                       conf->id);
    if (conf->has_wait && !conf->wait)
        conf->nowait = true;
    if (conf->server && !conf->nowait)
        return err_set(e, EINVAL,
                       "chardev '%s': waiting for a client is not supported: "
                       "add nowait (or wait=off) to server",
                       conf->id);
    return 0;
}

int chardev_parse(const OptBag *bag, ChardevConf *ret_conf, Err *e)
{
    ChardevConf conf = { .fd = -1 };
    unsigned cls;
    int r;

    for (cls = 0; cls < CHARDEV_CLASS_MAX; cls++)
        if (bag->name && strcmp(bag->name, chardev_class_names[cls]) == 0)
            break;
    if (cls == CHARDEV_CLASS_MAX)
        return err_set(e, EINVAL,
                       "%s: no chardev class '%s': stdio, pty, file, socket "
                       "and redirect-to-log are",
                       bag->where, bag->name ? bag->name : "");
    conf.cls = cls;
    r = opt_parse(chardev_opts[cls], bag, &conf, e);
    if (r == 0 && cls == CHARDEV_SOCKET)
        r = check_socket(&conf, e);
    if (r == 0)
        *ret_conf = conf;
    return r;
}
