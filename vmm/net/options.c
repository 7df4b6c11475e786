/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* net/options.c - the options of -netdev tap. */
#include <config.h>

#include "net/net.h"

#include <errno.h>
#include <net/if.h>

#define F(field) offsetof(NetConf, field)

const OptDesc net_tap_opts[] = {
    { .name = "id",
      .type = OPT_ID,
      .off = F(id),
      .required = true,
      .help = "name that a device's netdev= refers to" },
    { .name = "ifname",
      .type = OPT_ID,
      .off = F(ifname),
      .max = IFNAMSIZ - 1,
      .help = "host interface; made when it does not exist" },
    { .name = "fd",
      .alias = "fds|tap-fds",
      .type = OPT_FDS,
      .off = F(fds),
      .repeat = OPT_APPEND,
      .help = "inherited descriptors of a tap, one for each queue pair" },
    { .name = "queues",
      .type = OPT_U16,
      .off = F(queues),
      .min = 1,
      .max = NET_MAX_PAIRS,
      .def = "1",
      .help = "queue pairs; at least as many as descriptors" },
    { .name = "vhost",
      .alias = "vhost-kernel",
      .type = OPT_BOOL,
      .off = F(vhost),
      .repeat = OPT_FIRST_WINS,
      .def = "off",
      .help = "packets are moved by the host's kernel" },
    { .name = "vhostfd",
      .alias = "vhostfds|vhost-fds",
      .type = OPT_FDS,
      .off = F(vhost_fds),
      .repeat = OPT_APPEND,
      .help = "inherited descriptors of /dev/vhost-net" },
    { .name = "path",
      .type = OPT_ID,
      .off = F(path),
      .help = "device node in place of /dev/net/tun (macvtap, ipvtap)" },
    { .name = "macnat",
      .type = OPT_BOOL,
      .off = F(macnat),
      .repeat = OPT_FIRST_WINS,
      .def = "off",
      .help = "rewrite MAC addresses for ipvtap" },
    { 0 },
};

int net_check(const NetConf *conf, Err *e)
{
    if (!conf->ifname && !conf->fds.num)
        return err_set(e, EINVAL,
                       "netdev '%s': a tap needs ifname= (an interface) or "
                       "fd= (a passed descriptor)",
                       conf->id);
    if (conf->path && !conf->ifname)
        return err_set(e, EINVAL, "netdev '%s': path= needs ifname= beside it",
                       conf->id);
    if (conf->fds.num > NET_MAX_PAIRS)
        return err_set(e, EINVAL,
                       "netdev '%s': %u descriptors given, at most %d queue "
                       "pairs can be had",
                       conf->id, conf->fds.num, NET_MAX_PAIRS);
    if (conf->vhost || conf->vhost_fds.num)
        return err_set(e, ENOTSUP,
                       "netdev '%s': vhost=on is not supported; leave it out",
                       conf->id);
    if (conf->macnat)
        return err_set(e, ENOTSUP,
                       "netdev '%s': macnat=on is not supported; leave it out",
                       conf->id);
    return 0;
}
