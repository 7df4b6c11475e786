/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cli/missing.c - refuses back ends whose folder is not part of the build. */
#include <config.h>

#include "net/net.h"

#include <errno.h>

const OptDesc net_tap_opts[] = {
    { .name = "id",
      .type = OPT_ID,
      .off = offsetof(NetConf, id),
      .required = true,
      .help = "name that devices refer to" },
    { 0 },
};

int net_check(const NetConf *conf, Err *e)
{
    return err_set(e, ENOTSUP,
                   "netdev '%s': this build has no network back "
                   "ends",
                   conf->id);
}

int netdev_open(Netdev **ret_nd, const NetConf *conf, Err *e)
{
    (void)ret_nd;
    return net_check(conf, e);
}

void netdev_close(Netdev *nd)
{
    (void)nd;
}
