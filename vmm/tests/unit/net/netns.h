/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A network namespace of the test's own, with taps seen from the host. */
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* False, with a reason on stderr, where that is not allowed. */
static inline bool netns_enter(void)
{
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

    if (fd >= 0)
        close(fd);
    if (fd < 0 || unshare(CLONE_NEWNET) < 0) {
        fprintf(stderr, "skipped: needs root and /dev/net/tun (%s)\n",
                strerror(errno));
        return false;
    }
    /* Else every interface that comes up sends router solicitations. */
    fd = open("/proc/sys/net/ipv6/conf/default/disable_ipv6",
              O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        if (write(fd, "1", 1) < 0)
            perror("disable_ipv6");
        close(fd);
    }
    return true;
}

/* Brings an interface up or down. */
static inline int netns_up(const char *ifname, bool up)
{
    struct ifreq ifr = { 0 };
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int r;

    strncpy(ifr.ifr_name, ifname, IFNAMSIZ - 1);
    r = ioctl(fd, SIOCGIFFLAGS, &ifr);
    if (up)
        ifr.ifr_flags |= IFF_UP;
    else
        ifr.ifr_flags &= ~IFF_UP;
    if (r == 0)
        r = ioctl(fd, SIOCSIFFLAGS, &ifr);
    close(fd);
    return r;
}

static inline int netns_mtu(const char *ifname, int mtu)
{
    struct ifreq ifr = { .ifr_mtu = mtu };
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int r;

    strncpy(ifr.ifr_name, ifname, IFNAMSIZ - 1);
    r = ioctl(fd, SIOCSIFMTU, &ifr);
    close(fd);
    return r;
}

/* A raw socket on the host's side of a tap. */
static inline int netns_socket(const char *ifname)
{
    struct sockaddr_ll addr = { .sll_family = AF_PACKET,
                                .sll_protocol = htons(ETH_P_ALL),
                                .sll_ifindex = (int)if_nametoindex(ifname) };
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));

    if (fd >= 0 && bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}
