/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* block/options.c - the options of -drive. */
#include <config.h>

#include "block/block.h"

#include <errno.h>

static const char *const iface_names[] = { "none", "pflash", NULL };
static const char *const format_names[] = { "raw", "qcow2", NULL };
static const char *const aio_names[] = { "off", "native", "io_uring", "threads",
                                         NULL };
const char *const block_detect_names[] = { "off", "on", "unmap", NULL };
static const char *const media_names[] = { "disk", "cdrom", NULL };

#define F(field) offsetof(BlockConf, field)

const OptDesc block_opts[] = {
    { .name = "file",
      .alias = "path-on-host",
      .type = OPT_PATH,
      .off = F(file),
      .required = true,
      .help = "image: a regular file, a block device, or /dev/fdset/M" },
    { .name = "id",
      .type = OPT_ID,
      .off = F(id),
      .help = "name that a device's drive= refers to" },
    { .name = "if",
      .alias = "drive-type",
      .type = OPT_ENUM,
      .off = F(iface),
      .def = "none",
      .names = iface_names,
      .help = "what the drive is for" },
    { .name = "unit",
      .type = OPT_U8,
      .off = F(unit),
      .given = F(unit_given),
      .max = 1,
      .help = "flash bank" },
    { .name = "format",
      .type = OPT_ENUM,
      .off = F(format),
      .def = "raw",
      .names = format_names,
      .help = "format of the image" },
    { .name = "readonly",
      .type = OPT_BOOL,
      .off = F(readonly),
      .repeat = OPT_FIRST_WINS,
      .def = "off",
      .help = "the guest cannot write" },
    { .name = "direct",
      .type = OPT_BOOL,
      .off = F(direct),
      .given = F(direct_given),
      .repeat = OPT_FIRST_WINS,
      .def = "on",
      .help = "bypass the host's page cache (O_DIRECT)" },
    { .name = "aio",
      .type = OPT_ENUM,
      .off = F(aio),
      .given = F(aio_given),
      .names = aio_names,
      .help = "how I/O is done: io_uring where the host has it, unless "
              "threads is asked for" },
    { .name = "throttling.iops-total",
      .alias = "iops",
      .type = OPT_U64,
      .off = F(iops_total),
      .max = 1000000,
      .def = "0",
      .unit = "requests/s",
      .help = "most requests per second, 0 for no limit" },
    { .name = "media",
      .type = OPT_ENUM,
      .off = F(media),
      .def = "disk",
      .names = media_names,
      .help = "what USB storage shows the guest" },
    { .name = "discard",
      .type = OPT_BOOL,
      .off = F(discard),
      .repeat = OPT_FIRST_WINS,
      .def = "ignore",
      .help = "pass the guest's discards on to the image" },
    { .name = "detect-zeroes",
      .alias = "write-zeroes",
      .type = OPT_ENUM,
      .off = F(detect_zeroes),
      .def = "off",
      .names = block_detect_names,
      .help = "turn writes of zeroes into efficient ones, and offer "
              "write-zeroes to the guest" },
    { .name = "l2-cache-size",
      .type = OPT_SIZE,
      .off = F(l2_cache_bytes),
      .max = 32 << 20,
      .unit = "bytes",
      .help = "qcow2: cache of mapping tables" },
    { .name = "refcount-cache-size",
      .type = OPT_SIZE,
      .off = F(refcount_cache_bytes),
      .max = 32 << 20,
      .unit = "bytes",
      .help = "qcow2: cache of reference counts" },
    { 0 },
};

static int check_pflash(const BlockConf *conf, Err *e)
{
    if (!conf->unit_given)
        return err_set(e, EINVAL,
                       "-drive if=pflash needs unit=0 (code) or "
                       "unit=1 (variables)");
    if (conf->format != BLOCK_FORMAT_RAW)
        return err_set(e, EINVAL, "-drive if=pflash takes format=raw only");
    return 0;
}

int block_check(BlockConf *conf, Err *e)
{
    if (conf->iface == BLOCK_IF_PFLASH)
        return check_pflash(conf, e);
    if (!conf->id || !*conf->id)
        return err_set(e, EINVAL,
                       "-drive file=%s needs an id= for a device to name it",
                       conf->file);
    if (!conf->aio_given)
        conf->aio = conf->direct ? BLOCK_AIO_NATIVE : BLOCK_AIO_OFF;
    if (conf->aio == BLOCK_AIO_NATIVE && !conf->direct)
        return err_set(e, EINVAL,
                       "drive '%s': aio=native needs direct=on; use "
                       "aio=io_uring, threads or off with direct=off",
                       conf->id);
    if (conf->aio == BLOCK_AIO_OFF && conf->direct)
        return err_set(e, EINVAL,
                       "drive '%s': aio=off needs direct=off; use aio=native, "
                       "io_uring or threads with direct=on",
                       conf->id);
    if (conf->format == BLOCK_FORMAT_QCOW2)
        return err_set(e, ENOTSUP,
                       "drive '%s': format=qcow2 is not supported yet; convert "
                       "the image to raw",
                       conf->id);
    return 0;
}
