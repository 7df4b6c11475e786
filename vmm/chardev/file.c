/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* chardev/file.c - output to a file, and output to the VMM's log. */
#include <config.h>

#include "chardev/chardev_priv.h"

#include "util/cleanup.h"
#include "util/fdset.h"
#include "util/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

/* --- file: opened, not truncated, written from its start ------------------ */

static int file_open(Chardev *cd, const ChardevConf *conf, Err *e)
{
    /* Read-write, so that opening a FIFO does not wait for a reader. */
    int access = path_is_fdset(conf->path) ? O_WRONLY : O_RDWR;
    int flags = O_CREAT | O_NOCTTY | O_NONBLOCK | (conf->append ? O_APPEND : 0);

    cd->out_fd = path_open(conf->path, access | flags, 0600, e);
    if (cd->out_fd < 0 && access == O_WRONLY)
        cd->out_fd = path_open(conf->path, O_RDWR | flags, 0600, e);
    if (cd->out_fd < 0)
        return -e->code;
    return chardev_name(cd, e, "file:%s", conf->path);
}

const ChardevOps chardev_file_ops = {
    .open = file_open,
};

/* --- redirect-to-log: whole lines at info level --------------------------- */

#define LINE_BYTES 1024

typedef struct LogLine {
    size_t len;
    char text[LINE_BYTES];
} LogLine;

static int log_open(Chardev *cd, const ChardevConf *conf, Err *e)
{
    cd->priv = calloc(1, sizeof(LogLine));
    return cd->priv ? 0 : err_set(e, ENOMEM, "out of memory");
}

static void log_flush(Chardev *cd, LogLine *line)
{
    if (line->len)
        log_info("%s: %.*s", cd->id, (int)line->len, line->text);
    line->len = 0;
}

static void log_close(Chardev *cd)
{
    if (cd->priv)
        log_flush(cd, cd->priv);
    free(cd->priv);
}

static ssize_t log_send(Chardev *cd, const void *buf, size_t len)
{
    LogLine *line = cd->priv;
    const char *text = buf;

    for (size_t i = 0; i < len; i++) {
        unsigned char c = text[i];

        if (c == '\n' || line->len == LINE_BYTES)
            log_flush(cd, line);
        if (c == '\t' || c >= ' ')
            line->text[line->len++] = c;
    }
    return len;
}

const ChardevOps chardev_log_ops = {
    .open = log_open,
    .close = log_close,
    .send = log_send,
};
