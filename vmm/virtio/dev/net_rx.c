/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtio/dev/net_rx.c - received packets, from the tap to guest memory.
 *
 * A packet is read straight into buffers of the driver.  How large it is shows
 * only afterwards, and taking buffers for the largest one each time would cost
 * more than most packets do.  So buffers are held for what has been coming
 * lately, and the read's vector ends in a spill area of ours: what lands there
 * is copied into further buffers.  When the driver has too few of them the
 * packet is parked in the spill area until it has more.  No packet is lost for
 * being larger than expected.
 *
 * Without mergeable buffers a packet has one buffer, as large as the driver
 * wants; one that does not fit is dropped.
 *
 * Buffers held and not used go back to the ring at the end of the turn.
 */
#include <config.h>

#include "virtio/dev/net_priv.h"

#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/log.h"

#include <errno.h>
#include <string.h>

#define NET_RX_PACKETS 64 /* a turn and pair */
#define NET_MAX_IOV    1024
#define NUM_BUFFERS    10 /* offset in the header */
#define RX_WANT_MIN    4096
#define RX_CALM        64 /* small packets in a row that lower the demand */
#define PEEK_BYTES     18 /* Ethernet header and VLAN tag */

static Vq *rx_queue(NetPair *pair)
{
    return &pair->net->vdev.vqs[2 * pair->index];
}

static VqChain *held_at(NetPair *pair, unsigned i)
{
    return &pair->held[(pair->first + i) % NET_HELD];
}

static bool is_merging(const Net *net)
{
    return virtio_has(&net->vdev, NET_F_MRG_RXBUF);
}

/* --- buffers ------------------------------------------------------------- */

/* Holds buffers for @bytes, or as many as there are. 0 or -errno. */
static int rx_hold(NetPair *pair, uint64_t bytes)
{
    unsigned most = is_merging(pair->net) ? NET_HELD : 1;

    while (pair->num < most && pair->room < bytes) {
        VqChain *chain = held_at(pair, pair->num);
        int r = vq_pop(rx_queue(pair), chain);

        if (r <= 0)
            return r;
        pair->num++;
        pair->room += chain->in_bytes;
        if (chain->in_bytes < NET_HDR_BYTES)
            return -EBADMSG;
    }
    return 0;
}

/* Gives back what no packet used, last taken first. */
static void rx_release(NetPair *pair)
{
    while (pair->num)
        vq_unpop(rx_queue(pair), held_at(pair, --pair->num));
    pair->first = 0;
    pair->room = 0;
}

/* Copies into the held buffers, from byte @at of their sum on. */
static void rx_copy(NetPair *pair, uint64_t at, const uint8_t *buf, size_t len)
{
    for (unsigned i = 0; i < pair->num && len; i++) {
        VqChain *chain = held_at(pair, i);
        size_t n;

        if (at >= chain->in_bytes) {
            at -= chain->in_bytes;
            continue;
        }
        n = vq_chain_write(chain, at, buf, len);
        buf += n;
        len -= n;
        at = 0;
    }
}

/* Hands a packet over in as many of the held buffers as it fills. */
static void rx_deliver(NetPair *pair, uint64_t bytes)
{
    VqChain *chains[NET_HELD];
    uint32_t written[NET_HELD];
    uint8_t num_buffers[2];
    unsigned num = 0;

    while (bytes) {
        chains[num] = held_at(pair, num);
        written[num] = MIN(bytes, chains[num]->in_bytes);
        bytes -= written[num];
        pair->room -= chains[num]->in_bytes;
        num++;
    }
    store_le16(num_buffers, num);
    vq_chain_write(chains[0], NUM_BUFFERS, num_buffers, sizeof(num_buffers));
    vq_push_many(rx_queue(pair), chains, written, num);
    pair->first = (pair->first + num) % NET_HELD;
    pair->num -= num;
}

/* --- vectors ------------------------------------------------------------- */

typedef struct RxVector {
    struct iovec iov[NET_MAX_IOV];
    unsigned num;
    uint64_t direct; /* bytes of it that are guest memory */
} RxVector;

static void rx_vector(NetPair *pair, RxVector *v)
{
    v->num = 0;
    v->direct = 0;
    for (unsigned i = 0; i < pair->num; i++) {
        VqChain *chain = held_at(pair, i);

        for (unsigned j = 0; j < chain->in_num; j++) {
            if (v->num == NET_MAX_IOV - 1 || v->direct >= NET_MAX_FRAME)
                break;
            v->iov[v->num] = vq_chain_in(chain)[j];
            v->direct += v->iov[v->num++].iov_len;
        }
    }
    if (v->direct < NET_MAX_FRAME)
        v->iov[v->num++] =
            (struct iovec){ pair->spill, NET_MAX_FRAME - v->direct };
}

static void rx_gather(const RxVector *v, uint64_t skip, uint8_t *buf,
                      size_t len)
{
    for (unsigned i = 0; i < v->num && len; i++) {
        size_t n = v->iov[i].iov_len;

        if (skip >= n) {
            skip -= n;
            continue;
        }
        n = MIN(n - skip, len);
        memcpy(buf, (uint8_t *)v->iov[i].iov_base + skip, n);
        buf += n;
        len -= n;
        skip = 0;
    }
}

static bool rx_wanted(NetPair *pair, const RxVector *v, uint64_t bytes)
{
    uint8_t frame[PEEK_BYTES];
    size_t len = MIN(bytes - NET_HDR_BYTES, PEEK_BYTES);

    rx_gather(v, NET_HDR_BYTES, frame, len);
    return net_wanted(&pair->net->filter, frame, len);
}

/* --- packets ------------------------------------------------------------- */

/* Learns what packets are like these days. */
static void rx_learn(NetPair *pair, uint64_t bytes)
{
    if (bytes > pair->want) {
        pair->want = NET_MAX_FRAME;
        pair->calm = 0;
    } else if (bytes > pair->want / 4) {
        pair->calm = 0;
    } else if (++pair->calm >= RX_CALM) {
        pair->want = MAX(pair->want / 2, RX_WANT_MIN);
        pair->calm = 0;
    }
}

/* Keeps a whole packet in the spill area. */
static void rx_park(NetPair *pair, const RxVector *v, uint64_t bytes)
{
    memmove(pair->spill + v->direct, pair->spill, bytes - v->direct);
    rx_gather(v, 0, pair->spill, v->direct);
    pair->parked = bytes;
}

/* A packet that is larger than the buffers held for it. */
static int rx_spilled(NetPair *pair, const RxVector *v, uint64_t bytes)
{
    int r;

    if (!is_merging(pair->net)) {
        netdev_drop_rx(pair->net->nd, bytes);
        return 1;
    }
    r = rx_hold(pair, bytes);
    if (r < 0)
        return r;
    if (pair->room < bytes) {
        rx_park(pair, v, bytes);
        return 0;
    }
    rx_copy(pair, v->direct, pair->spill, bytes - v->direct);
    rx_deliver(pair, bytes);
    return 1;
}

/* Return: 1 delivered or nothing parked, 0 too few buffers, -errno */
static int rx_unpark(NetPair *pair)
{
    uint64_t bytes = pair->parked;
    int r;

    if (!bytes)
        return 1;
    r = rx_hold(pair, bytes);
    if (r < 0)
        return r;
    if (pair->room >= bytes) {
        rx_copy(pair, 0, pair->spill, bytes);
        rx_deliver(pair, bytes);
    } else if (pair->num < MIN(rx_queue(pair)->num, NET_HELD)) {
        return 0;
    } else { /* its queue is full of buffers too small for this */
        netdev_drop_rx(pair->net->nd, bytes);
    }
    pair->parked = 0;
    return 1;
}

/* Return: 1 go on, 0 too few buffers, -EAGAIN no packet, -errno */
static int rx_packet(NetPair *pair)
{
    Net *net = pair->net;
    RxVector v;
    int64_t n;
    int r;

    r = rx_unpark(pair);
    if (r <= 0)
        return r;
    r = rx_hold(pair, pair->want);
    if (r < 0 || !pair->num)
        return r;
    rx_vector(pair, &v);
    n = netdev_recv(net->nd, pair->index, v.iov, v.num);
    if (n == -ENODATA)
        return 1;
    if (n < 0)
        return (int)n;
    rx_learn(pair, n);
    if (!rx_wanted(pair, &v, n)) {
        netdev_drop_rx(net->nd, n);
        return 1;
    }
    if ((uint64_t)n > v.direct)
        return rx_spilled(pair, &v, n);
    rx_deliver(pair, n);
    return 1;
}

void net_rx_run(NetPair *pair)
{
    Net *net = pair->net;
    int r = 1;

    for (unsigned i = 0; i < NET_RX_PACKETS && r > 0; i++)
        r = rx_packet(pair);
    rx_release(pair);
    vq_notify(rx_queue(pair));
    if (r == 0) {
        /* vq_pop() asked for a kick, which ends that. */
        pair->rx_starved = true;
        net_events(pair);
    } else if (r == -EIO) {
        net_tap_gone(pair);
    } else if (r < 0 && r != -EAGAIN) {
        virtio_break(&net->vdev, "receive queue %u: %s", pair->index,
                     r == -EBADMSG ? "malformed descriptor chain"
                                   : strerror(-r));
    }
}

void net_rx_reset(NetPair *pair)
{
    if (pair->parked)
        netdev_drop_rx(pair->net->nd, pair->parked);
    pair->parked = 0;
    pair->want = RX_WANT_MIN;
    pair->calm = 0;
    pair->rx_starved = false;
}
