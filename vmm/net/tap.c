/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* net/tap.c - taps of the host; see net/net.h for the model. */
#include <config.h>

#include "net/net.h"

#include "util/cleanup.h"
#include "util/log.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define TUN_PATH "/dev/net/tun"

_Static_assert(NET_OFFLOAD_CSUM == TUN_F_CSUM, "bits are those of the kernel");
_Static_assert(NET_OFFLOAD_TSO4 == TUN_F_TSO4, "bits are those of the kernel");
_Static_assert(NET_OFFLOAD_TSO6 == TUN_F_TSO6, "bits are those of the kernel");
_Static_assert(NET_OFFLOAD_ECN == TUN_F_TSO_ECN,
               "bits are those of the kernel");
_Static_assert(NET_OFFLOAD_UFO == TUN_F_UFO, "bits are those of the kernel");

typedef struct NetCounters {
    _Atomic uint64_t bytes, packets, errors, dropped;
} NetCounters;

struct Netdev {
    char *id; /* owned */
    char ifname[IFNAMSIZ];
    unsigned num_pairs;
    unsigned active_pairs; /* attached to the interface */
    unsigned offloads;     /* what the taps can do */
    bool own_fds;          /* opened here: on failure close them */
    int fd[NET_MAX_PAIRS]; /* owned once open; -1 none */
    NetCounters rx, tx;
};

/* --- open ---------------------------------------------------------------- */

static int open_node(const NetConf *conf, Err *e)
{
    const char *path = conf->path ? conf->path : TUN_PATH;
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);

    if (fd >= 0)
        return fd;
    if (errno == ENOENT || errno == ENODEV || errno == ENXIO)
        return err_set(e, errno,
                       "netdev '%s': there is no %s on this host: load the "
                       "kernel module 'tun', or pass a tap with fd=",
                       conf->id, path);
    if (errno == EACCES || errno == EPERM)
        return err_set(e, errno,
                       "netdev '%s': no permission to open %s: make it "
                       "accessible, or pass a tap with fd=",
                       conf->id, path);
    return err_sys(e, errno, "netdev '%s': cannot open %s", conf->id, path);
}

static int why_not(const NetConf *conf, unsigned pairs, int code, Err *e)
{
    if (code == EPERM || code == EACCES)
        return err_set(e, code,
                       "netdev '%s': no permission to use interface '%s': "
                       "create it for this user with 'ip tuntap add %s mode "
                       "tap user NAME'",
                       conf->id, conf->ifname, conf->ifname);
    if (code == EBUSY)
        return err_set(e, code,
                       "netdev '%s': interface '%s' is in use by another "
                       "program",
                       conf->id, conf->ifname);
    if (code == EINVAL && pairs > 1)
        return err_set(e, code,
                       "netdev '%s': interface '%s' is no multi-queue tap: "
                       "create it with 'multi_queue', or use queues=1",
                       conf->id, conf->ifname);
    if (code == EINVAL)
        return err_set(e, code,
                       "netdev '%s': interface '%s' is not a single-queue tap "
                       "that this host can attach to",
                       conf->id, conf->ifname);
    return err_sys(e, code, "netdev '%s': cannot attach to interface '%s'",
                   conf->id, conf->ifname);
}

static int open_by_name(Netdev *nd, const NetConf *conf, Err *e)
{
    struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };

    if (nd->num_pairs > 1)
        ifr.ifr_flags |= IFF_MULTI_QUEUE;
    strncpy(ifr.ifr_name, conf->ifname, IFNAMSIZ - 1);
    nd->own_fds = true;
    for (unsigned i = 0; i < nd->num_pairs; i++) {
        int fd = open_node(conf, e);

        if (fd < 0)
            return fd;
        nd->fd[i] = fd;
        if (ioctl(fd, TUNSETIFF, &ifr) < 0)
            return why_not(conf, nd->num_pairs, errno, e);
    }
    return 0;
}

static int check_passed(const NetConf *conf, int fd, Err *e)
{
    struct ifreq ifr = { 0 };
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0)
        return err_set(e, EBADF, "netdev '%s': descriptor %d is not open",
                       conf->id, fd);
    if (ioctl(fd, TUNGETIFF, &ifr) < 0 || !(ifr.ifr_flags & IFF_TAP))
        return err_set(e, EINVAL, "netdev '%s': descriptor %d is not a tap",
                       conf->id, fd);
    if (!(ifr.ifr_flags & IFF_VNET_HDR) || !(ifr.ifr_flags & IFF_NO_PI))
        return err_set(e, EINVAL,
                       "netdev '%s': the tap of descriptor %d must be opened "
                       "with IFF_VNET_HDR and IFF_NO_PI",
                       conf->id, fd);
    if (fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return err_sys(e, errno, "netdev '%s': cannot set up descriptor %d",
                       conf->id, fd);
    return 0;
}

static int take_passed(Netdev *nd, const NetConf *conf, Err *e)
{
    for (unsigned i = 0; i < conf->fds.num; i++) {
        int r = check_passed(conf, conf->fds.fd[i], e);

        if (r < 0)
            return r;
        nd->fd[i] = conf->fds.fd[i];
    }
    if (conf->fds.num < nd->num_pairs)
        nd->num_pairs = conf->fds.num;
    return 0;
}

/* The most that this kernel's taps can hand to a guest. */
static unsigned probe_offloads(int fd)
{
    static const unsigned tries[] = {
        NET_OFFLOAD_CSUM | NET_OFFLOAD_TSO4 | NET_OFFLOAD_TSO6 |
            NET_OFFLOAD_ECN | NET_OFFLOAD_UFO,
        NET_OFFLOAD_CSUM | NET_OFFLOAD_TSO4 | NET_OFFLOAD_TSO6 |
            NET_OFFLOAD_ECN,
        NET_OFFLOAD_CSUM,
    };

    for (unsigned i = 0; i < ARRAY_SIZE(tries); i++)
        if (ioctl(fd, TUNSETOFFLOAD, (unsigned long)tries[i]) == 0)
            return tries[i];
    return 0;
}

static int set_up(Netdev *nd, Err *e)
{
    struct ifreq ifr = { 0 };
    int hdr_bytes = NET_HDR_BYTES;

    if (ioctl(nd->fd[0], TUNGETIFF, &ifr) == 0)
        memcpy(nd->ifname, ifr.ifr_name, IFNAMSIZ - 1);
    for (unsigned i = 0; i < nd->num_pairs; i++)
        if (ioctl(nd->fd[i], TUNSETVNETHDRSZ, &hdr_bytes) < 0)
            return err_sys(e, errno,
                           "netdev '%s': cannot set the virtio header's size "
                           "of interface '%s'",
                           nd->id, nd->ifname);
    nd->offloads = probe_offloads(nd->fd[0]);
    nd->active_pairs = nd->num_pairs;
    /* Until a driver says what it takes. */
    netdev_set_offloads(nd, 0);
    return nd->num_pairs > 1 ? netdev_set_pairs(nd, 1) : 0;
}

static void free_netdev(Netdev *nd, bool close_fds)
{
    for (unsigned i = 0; close_fds && i < NET_MAX_PAIRS; i++)
        fd_close(&nd->fd[i]);
    free(nd->id);
    free(nd);
}

int netdev_open(Netdev **ret_nd, const NetConf *conf, Err *e)
{
    Netdev *nd = calloc(1, sizeof(*nd));
    int r;

    if (nd)
        nd->id = strdup(conf->id);
    if (!nd || !nd->id) {
        free(nd);
        return err_set(e, ENOMEM, "out of memory for netdev '%s'", conf->id);
    }
    for (unsigned i = 0; i < NET_MAX_PAIRS; i++)
        nd->fd[i] = -1;
    nd->num_pairs = MAX(conf->queues, conf->ifname ? 1 : conf->fds.num);
    r = conf->ifname ? open_by_name(nd, conf, e) : take_passed(nd, conf, e);
    if (r == 0)
        r = set_up(nd, e);
    if (r < 0) {
        free_netdev(nd, nd->own_fds);
        return r;
    }
    *ret_nd = nd;
    return 0;
}

void netdev_close(Netdev *nd)
{
    if (nd)
        free_netdev(nd, true);
}

/* --- what it is ---------------------------------------------------------- */

const char *netdev_id(const Netdev *nd)
{
    return nd->id;
}

const char *netdev_ifname(const Netdev *nd)
{
    return nd->ifname;
}

unsigned netdev_pairs(const Netdev *nd)
{
    return nd->num_pairs;
}

unsigned netdev_offloads(const Netdev *nd)
{
    return nd->offloads;
}

int netdev_fd(const Netdev *nd, unsigned pair)
{
    return nd->fd[pair];
}

int netdev_set_offloads(Netdev *nd, unsigned offloads)
{
    /* A property of the interface, not of one queue. */
    if (ioctl(nd->fd[0], TUNSETOFFLOAD,
              (unsigned long)(offloads & nd->offloads)) < 0)
        return -errno;
    return 0;
}

int netdev_set_pairs(Netdev *nd, unsigned pairs)
{
    pairs = MIN(pairs, nd->num_pairs);
    while (nd->active_pairs != pairs) {
        bool more = nd->active_pairs < pairs;
        unsigned i = more ? nd->active_pairs : nd->active_pairs - 1;
        struct ifreq ifr = { .ifr_flags =
                                 more ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE };

        if (ioctl(nd->fd[i], TUNSETQUEUE, &ifr) < 0)
            return -errno;
        nd->active_pairs += more ? 1 : -1;
    }
    return 0;
}

/* --- packets ------------------------------------------------------------- */

static void add(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static void count_packet(NetCounters *c, uint64_t bytes)
{
    add(&c->packets, 1);
    add(&c->bytes, bytes - NET_HDR_BYTES);
}

int64_t netdev_recv(Netdev *nd, unsigned pair, const struct iovec *iov,
                    unsigned niov)
{
    ssize_t n;

    do
        n = readv(nd->fd[pair], iov, (int)niov);
    while (n < 0 && errno == EINTR);
    if (n > NET_HDR_BYTES) {
        count_packet(&nd->rx, n);
        return n;
    }
    if (n < 0 && errno == EAGAIN)
        return -EAGAIN;
    add(&nd->rx.errors, 1);
    if (n < 0 && (errno == EIO || errno == EBADFD || errno == ENODEV))
        return -EIO;
    return -ENODATA;
}

int netdev_send(Netdev *nd, unsigned pair, const struct iovec *iov,
                unsigned niov, uint64_t bytes)
{
    ssize_t n;

    do
        n = writev(nd->fd[pair], iov, (int)niov);
    while (n < 0 && errno == EINTR);
    if (n > NET_HDR_BYTES) {
        count_packet(&nd->tx, n);
        return 0;
    }
    if (n < 0 && errno == EAGAIN)
        return -EAGAIN;
    /* EIO: the interface is down, as with an unplugged cable. */
    if (n < 0 && (errno == EIO || errno == ENOBUFS || errno == ENOMEM))
        add(&nd->tx.dropped, 1);
    else
        add(&nd->tx.errors, 1);
    return 0;
}

void netdev_drop_rx(Netdev *nd, uint64_t bytes)
{
    atomic_fetch_sub_explicit(&nd->rx.packets, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&nd->rx.bytes, bytes - NET_HDR_BYTES,
                              memory_order_relaxed);
    add(&nd->rx.dropped, 1);
}

static uint64_t load(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

void netdev_stats(const Netdev *nd, NetStats *ret_stats)
{
    *ret_stats = (NetStats){
        .rx_bytes = load(&nd->rx.bytes),
        .rx_packets = load(&nd->rx.packets),
        .rx_errors = load(&nd->rx.errors),
        .rx_dropped = load(&nd->rx.dropped),
        .tx_bytes = load(&nd->tx.bytes),
        .tx_packets = load(&nd->tx.packets),
        .tx_errors = load(&nd->tx.errors),
        .tx_dropped = load(&nd->tx.dropped),
    };
}
