/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* net/net.h - network back ends: a -netdev opened, packets in and out. */
#pragma once

#include "core/loop.h"
#include "opt/opt.h"
#include "util/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

/*
 * How this works
 *
 * A Netdev is one -netdev with its tap queues opened, one descriptor per queue
 * pair, non-blocking, each packet preceded by a virtio header of
 * NET_HDR_BYTES.  A device claims it, watches netdev_fd() on its own loop, and
 * moves packets with netdev_recv() and netdev_send() straight from and to
 * guest memory: there is no buffer of ours and no copy.
 */
#define NET_HDR_BYTES 12 /* struct virtio_net_hdr_mrg_rxbuf */
#define NET_MAX_PAIRS 16
#define NET_MAX_FRAME (NET_HDR_BYTES + 65550) /* largest one with GSO */

typedef struct NetConf {
    const char *id;
    const char *ifname;
    OptFds fds;
    uint16_t queues; /* pairs asked for */
    bool vhost;
    OptFds vhost_fds;
    const char *path; /* in place of /dev/net/tun */
    bool macnat;
} NetConf;

/* The table of -netdev tap. */
extern const OptDesc net_tap_opts[];
/* Rules across options; pure. */
int net_check(const NetConf *conf, Err *e);

/* Offloads, as TUNSETOFFLOAD's TUN_F_ bits: what may reach the guest. */
enum {
    NET_OFFLOAD_CSUM = 1 << 0,
    NET_OFFLOAD_TSO4 = 1 << 1,
    NET_OFFLOAD_TSO6 = 1 << 2,
    NET_OFFLOAD_ECN = 1 << 3,
    NET_OFFLOAD_UFO = 1 << 4,
};

/* All queue pairs together; written by the device's loop, read by any. */
typedef struct NetStats {
    uint64_t rx_bytes, rx_packets, rx_errors, rx_dropped; /* to the guest */
    uint64_t tx_bytes, tx_packets, tx_errors, tx_dropped; /* from it */
} NetStats;

typedef struct Netdev Netdev;

/**
 * netdev_open() - Open the taps of a -netdev
 * @conf: checked; strings are copied, descriptors taken on success
 *
 * Thread: main, before the sandbox closes
 */
int netdev_open(Netdev **ret_nd, const NetConf *conf, Err *e);
void netdev_close(Netdev *nd);

const char *netdev_id(const Netdev *nd);
const char *netdev_ifname(const Netdev *nd); /* "" when the host won't say */
unsigned netdev_pairs(const Netdev *nd);
unsigned netdev_offloads(const Netdev *nd); /* what the taps can do */
int netdev_fd(const Netdev *nd, unsigned pair);

/* What the guest's driver takes from here on; a subset of the above. */
int netdev_set_offloads(Netdev *nd, unsigned offloads);
/* Packets are spread over the first @pairs queues. */
int netdev_set_pairs(Netdev *nd, unsigned pairs);

/**
 * netdev_recv() - Take one packet, virtio header first
 *
 * Return: bytes with the header, -EAGAIN nothing there, -EIO the interface is
 *         gone, -ENODATA a packet was lost (counted)
 */
int64_t netdev_recv(Netdev *nd, unsigned pair, const struct iovec *iov,
                    unsigned niov);

/**
 * netdev_send() - Hand one packet over, virtio header first
 *
 * Return: 0 sent or dropped (counted), -EAGAIN: wait for EPOLLOUT
 */
int netdev_send(Netdev *nd, unsigned pair, const struct iovec *iov,
                unsigned niov, uint64_t bytes);

/* A packet that was received and not delivered (filter, no room). */
void netdev_drop_rx(Netdev *nd, uint64_t bytes);
void netdev_stats(const Netdev *nd, NetStats *ret_stats);
