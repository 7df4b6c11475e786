/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tap devices: made or opened here, handed to the VMM as descriptors. */
#include <config.h>

#include "host/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/error.h"
#include "util/file.h"

gboolean mac_parse(const char *text, guint8 *ret_mac)
{
    guint8 mac[6];
    char end;

    if (sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%c", mac, mac + 1,
               mac + 2, mac + 3, mac + 4, mac + 5, &end) != 6)
        return FALSE;
    memcpy(ret_mac, mac, sizeof(mac));
    return TRUE;
}

static gboolean copy_ifname(struct ifreq *req, const char *name, GError **error)
{
    if (strlen(name) >= IFNAMSIZ)
        return vir_error_set(error, VIR_ERR_CONFIG_UNSUPPORTED,
                             "the interface name '%s' has more than %d "
                             "characters",
                             name, IFNAMSIZ - 1);
    memset(req->ifr_name, 0, sizeof(req->ifr_name));
    memcpy(req->ifr_name, name, strlen(name));
    return TRUE;
}

static int open_queue(const TapRequest *req, const char *name,
                      struct ifreq *ifr, GError **error)
{
    AUTO_FD fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0) {
        vir_error_set_errno(error, errno,
                            "cannot open '/dev/net/tun' (is the module tun "
                            "loaded?)");
        return -1;
    }
    if (!copy_ifname(ifr, name, error))
        return -1;
    ifr->ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
    if (req->queues > 1)
        ifr->ifr_flags |= IFF_MULTI_QUEUE;
    if (ioctl(fd, TUNSETIFF, ifr) < 0) {
        vir_error_set_errno(error, errno, "cannot open the tap '%s'", name);
        return -1;
    }
    return fd_steal(&fd);
}

static gboolean set_mac(int sock, struct ifreq *ifr, const guint8 *mac,
                        GError **error)
{
    ifr->ifr_hwaddr.sa_family = ARPHRD_ETHER;
    memcpy(ifr->ifr_hwaddr.sa_data, mac, 6);
    /* High, so that a bridge does not take this address as its own. */
    ifr->ifr_hwaddr.sa_data[0] = (char)0xfe;
    if (ioctl(sock, SIOCSIFHWADDR, ifr) < 0)
        return vir_error_set_errno(error, errno,
                                   "cannot set the address of the tap '%s'",
                                   ifr->ifr_name);
    return TRUE;
}

static gboolean set_mtu(int sock, struct ifreq *ifr, int mtu, GError **error)
{
    ifr->ifr_mtu = mtu;
    if (ioctl(sock, SIOCSIFMTU, ifr) < 0)
        return vir_error_set_errno(error, errno,
                                   "cannot set the MTU of the tap '%s' to %d",
                                   ifr->ifr_name, mtu);
    return TRUE;
}

static gboolean set_up(int sock, struct ifreq *ifr, GError **error)
{
    if (ioctl(sock, SIOCGIFFLAGS, ifr) < 0)
        return vir_error_set_errno(error, errno,
                                   "cannot read the flags of the tap '%s'",
                                   ifr->ifr_name);
    ifr->ifr_flags |= IFF_UP;
    if (ioctl(sock, SIOCSIFFLAGS, ifr) < 0)
        return vir_error_set_errno(error, errno, "cannot bring up the tap '%s'",
                                   ifr->ifr_name);
    return TRUE;
}

static gboolean join_bridge(int sock, const char *ifname, const char *bridge,
                            GError **error)
{
    struct ifreq ifr = { 0 };

    if (!copy_ifname(&ifr, bridge, error))
        return FALSE;
    ifr.ifr_ifindex = if_nametoindex(ifname);
    if (ifr.ifr_ifindex == 0 || ioctl(sock, SIOCBRADDIF, &ifr) < 0)
        return vir_error_set_errno(error, errno,
                                   "cannot add the tap '%s' to the bridge '%s'",
                                   ifname, bridge);
    return TRUE;
}

static gboolean tap_setup(const TapRequest *req, const char *ifname,
                          GError **error)
{
    AUTO_FD sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq ifr = { 0 };

    if (sock < 0)
        return vir_error_set_errno(error, errno, "cannot open a socket");
    return copy_ifname(&ifr, ifname, error) &&
           (!req->mac || set_mac(sock, &ifr, req->mac, error)) &&
           (!req->mtu || set_mtu(sock, &ifr, req->mtu, error)) &&
           (!req->bridge || join_bridge(sock, ifname, req->bridge, error)) &&
           (req->link_down || set_up(sock, &ifr, error));
}

gboolean tap_open(const TapRequest *req, char **ret_ifname, int *ret_fds,
                  GError **error)
{
    struct ifreq ifr = { 0 };
    g_autofree char *name = g_strdup(req->ifname ? req->ifname : "vnet%d");
    guint n = 0;

    if (req->existing && if_nametoindex(name) == 0)
        return vir_error_set(error, VIR_ERR_OPERATION_FAILED,
                             "there is no tap '%s': create it, or let the "
                             "driver do it (managed='yes')",
                             name);
    while (n < req->queues) {
        int fd = open_queue(req, name, &ifr, error);

        if (fd < 0)
            break;
        ret_fds[n++] = fd;
        g_free(name);
        name = g_strndup(ifr.ifr_name, IFNAMSIZ - 1);
    }
    if (n == req->queues && (req->existing || tap_setup(req, name, error))) {
        *ret_ifname = g_steal_pointer(&name);
        return TRUE;
    }
    while (n > 0)
        close(ret_fds[--n]);
    return FALSE;
}
