/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* virtio/dev/net_priv.h - what net.c, net_rx.c and net_ctrl.c share. */
#pragma once

#include "core/loop.h"
#include "net/net.h"
#include "virtio/virtio.h"

#define ETH_ALEN      6
#define ETH_HLEN      14
#define NET_MAX_MACS  64 /* in each of the two lists of the filter */
#define NET_MAX_VLANS 4096
#define NET_HELD      64 /* chains that one received packet may take */

enum {
    NET_F_CSUM = 0,
    NET_F_GUEST_CSUM = 1,
    NET_F_MAC = 5,
    NET_F_GUEST_TSO4 = 7,
    NET_F_GUEST_TSO6 = 8,
    NET_F_GUEST_ECN = 9,
    NET_F_GUEST_UFO = 10,
    NET_F_HOST_TSO4 = 11,
    NET_F_HOST_TSO6 = 12,
    NET_F_HOST_ECN = 13,
    NET_F_HOST_UFO = 14,
    NET_F_MRG_RXBUF = 15,
    NET_F_STATUS = 16,
    NET_F_CTRL_VQ = 17,
    NET_F_CTRL_RX = 18,
    NET_F_CTRL_VLAN = 19,
    NET_F_CTRL_RX_EXTRA = 20,
    NET_F_MQ = 22,
    NET_F_CTRL_MAC_ADDR = 23,
};

typedef struct NetMacs {
    unsigned num;
    bool overflow; /* more than fit: let all of the kind pass */
    uint8_t mac[NET_MAX_MACS][ETH_ALEN];
} NetMacs;

/* Which received packets the driver wants. */
typedef struct NetFilter {
    bool promisc, allmulti, alluni, nomulti, nouni, nobcast;
    uint8_t mac[ETH_ALEN];
    NetMacs uni, multi;
    bool all_vlans;
    uint64_t vlans[NET_MAX_VLANS / 64];
} NetFilter;

typedef struct Net Net;

typedef struct NetPair {
    Net *net; /* borrowed; the device */
    unsigned index;
    LoopFd lfd;
    bool rx_starved; /* no buffers: wait for a kick */
    bool tx_blocked; /* the tap is full: wait for it */
    VqChain *held;   /* ring of NET_HELD; part of Net.held */
    unsigned first, num;
    uint64_t room;   /* bytes in the held chains */
    uint64_t want;   /* bytes to hold before a read */
    unsigned calm;   /* small packets in a row */
    uint8_t *spill;  /* NET_MAX_FRAME bytes; part of Net.spill */
    uint64_t parked; /* bytes of the packet that waits there */
} NetPair;

struct Net {
    VirtioDev vdev;
    Netdev *nd;     /* borrowed from the machine while claimed */
    char *netdev;   /* owned; its id */
    char *iothread; /* owned; NULL: main loop */
    unsigned max_pairs;
    unsigned pairs;        /* in use by the driver */
    uint8_t mac[ETH_ALEN]; /* at power-on */
    NetFilter filter;
    NetPair pair[NET_MAX_PAIRS];
    VqChain *held;  /* owned array, NET_HELD a pair */
    uint8_t *spill; /* owned, NET_MAX_FRAME a pair */

    /* What the taps shall be like, set by the main loop: an I/O thread makes
     * no ioctl(). */
    atomic_uint want; /* offloads << 8 | pairs */
    atomic_uint have;
    Work apply;   /* on the main loop */
    Work applied; /* back on the device's */
    bool ready;   /* the taps are as the driver wants them */
};

/* A packet's destination is wanted. @frame: Ethernet header, 18 bytes if @len
 * has as many. */
bool net_wanted(const NetFilter *filter, const uint8_t *frame, size_t len);
void net_filter_reset(NetFilter *filter, const uint8_t mac[ETH_ALEN],
                      bool all_vlans);
/* One chain of the control queue; -EBADMSG breaks the device. */
int net_ctrl(Net *net, VqChain *chain);
/* Which events of its tap a pair waits for. */
void net_events(NetPair *pair);
void net_tap_gone(NetPair *pair);
/* Receive what the tap has; back to the state at activation. */
void net_rx_run(NetPair *pair);
void net_rx_reset(NetPair *pair);
/* Tell the main loop of new wishes. */
void net_apply(Net *net);
