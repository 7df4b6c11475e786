/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* virtio/dev/net_ctrl.c - control queue and receive filter of the network
 * device.  Spec: virtio 1.2, 5.1.6.5. */
#include <config.h>

#include "virtio/dev/net_priv.h"

#include "util/bytes.h"
#include "util/cleanup.h"

#include <errno.h>
#include <string.h>

enum {
    CTRL_RX = 0,
    CTRL_MAC = 1,
    CTRL_VLAN = 2,
    CTRL_MQ = 4,
};

enum {
    RX_PROMISC,
    RX_ALLMULTI,
    RX_ALLUNI,
    RX_NOMULTI,
    RX_NOUNI,
    RX_NOBCAST,
};

enum {
    MAC_TABLE_SET,
    MAC_ADDR_SET,
};

enum {
    VLAN_ADD,
    VLAN_DEL,
};

#define MQ_PAIRS_SET 0
#define CTRL_OK      0
#define CTRL_ERR     1
#define CTRL_HDR_LEN 2

#define ETH_TYPE_VLAN 0x8100

/* --- filter -------------------------------------------------------------- */

void net_filter_reset(NetFilter *filter, const uint8_t mac[ETH_ALEN],
                      bool all_vlans)
{
    memset(filter, 0, sizeof(*filter));
    /* Until a driver says what it wants. */
    filter->promisc = true;
    filter->all_vlans = all_vlans;
    memcpy(filter->mac, mac, ETH_ALEN);
}

static bool has_mac(const NetMacs *macs, const uint8_t *mac)
{
    for (unsigned i = 0; i < macs->num; i++)
        if (!memcmp(macs->mac[i], mac, ETH_ALEN))
            return true;
    return macs->overflow;
}

static bool vlan_wanted(const NetFilter *filter, const uint8_t *frame,
                        size_t len)
{
    unsigned vid;

    if (filter->all_vlans || len < ETH_HLEN + 2 ||
        (frame[12] << 8 | frame[13]) != ETH_TYPE_VLAN)
        return true;
    vid = (frame[14] << 8 | frame[15]) & (NET_MAX_VLANS - 1);
    return filter->vlans[vid / 64] >> vid % 64 & 1;
}

bool net_wanted(const NetFilter *filter, const uint8_t *frame, size_t len)
{
    static const uint8_t bcast[ETH_ALEN] = {
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff
    };

    if (len < ETH_HLEN)
        return false;
    if (!vlan_wanted(filter, frame, len))
        return false;
    if (filter->promisc)
        return true;
    if (!memcmp(frame, bcast, ETH_ALEN))
        return !filter->nobcast;
    if (frame[0] & 1)
        return !filter->nomulti &&
               (filter->allmulti || has_mac(&filter->multi, frame));
    return !filter->nouni &&
           (filter->alluni || !memcmp(frame, filter->mac, ETH_ALEN) ||
            has_mac(&filter->uni, frame));
}

/* --- commands ------------------------------------------------------------ */

/* A short command's data, copied out of guest memory. */
typedef struct CtrlData {
    uint8_t buf[8];
    uint64_t total; /* what the driver sent; may be more than @buf has */
} CtrlData;

static uint8_t ctrl_rx(NetFilter *filter, uint8_t cmd, const CtrlData *data)
{
    bool *const modes[] = {
        [RX_PROMISC] = &filter->promisc, [RX_ALLMULTI] = &filter->allmulti,
        [RX_ALLUNI] = &filter->alluni,   [RX_NOMULTI] = &filter->nomulti,
        [RX_NOUNI] = &filter->nouni,     [RX_NOBCAST] = &filter->nobcast,
    };

    if (cmd >= ARRAY_SIZE(modes) || data->total != 1)
        return CTRL_ERR;
    *modes[cmd] = data->buf[0] != 0;
    return CTRL_OK;
}

/* One list: a count, then addresses. Return: false when it is cut off */
static bool take_macs(NetMacs *macs, VqChain *chain, uint64_t *off)
{
    uint8_t raw[4];
    uint64_t num;

    if (vq_chain_read(chain, *off, raw, sizeof(raw)) != sizeof(raw))
        return false;
    num = load_le32(raw);
    *off += sizeof(raw);
    if (num * ETH_ALEN > chain->out_bytes - *off)
        return false;
    macs->overflow = num > NET_MAX_MACS;
    macs->num = macs->overflow ? 0 : num;
    vq_chain_read(chain, *off, macs->mac, macs->num * ETH_ALEN);
    *off += num * ETH_ALEN;
    return true;
}

static uint8_t mac_table_set(NetFilter *filter, VqChain *chain)
{
    uint64_t off = CTRL_HDR_LEN;
    NetMacs uni, multi;

    if (!take_macs(&uni, chain, &off) || !take_macs(&multi, chain, &off) ||
        off != chain->out_bytes)
        return CTRL_ERR;
    filter->uni = uni;
    filter->multi = multi;
    return CTRL_OK;
}

static uint8_t ctrl_mac(Net *net, uint8_t cmd, VqChain *chain,
                        const CtrlData *data)
{
    if (cmd == MAC_TABLE_SET)
        return mac_table_set(&net->filter, chain);
    if (cmd != MAC_ADDR_SET || data->total != ETH_ALEN ||
        !virtio_has(&net->vdev, NET_F_CTRL_MAC_ADDR))
        return CTRL_ERR;
    memcpy(net->filter.mac, data->buf, ETH_ALEN);
    virtio_config_update(&net->vdev, 0, data->buf, ETH_ALEN);
    return CTRL_OK;
}

static uint8_t ctrl_vlan(NetFilter *filter, uint8_t cmd, const CtrlData *data)
{
    unsigned vid = load_le16(data->buf);
    uint64_t bit = 1ULL << vid % 64;

    if (data->total != 2 || vid >= NET_MAX_VLANS)
        return CTRL_ERR;
    if (cmd == VLAN_ADD)
        filter->vlans[vid / 64] |= bit;
    else if (cmd == VLAN_DEL)
        filter->vlans[vid / 64] &= ~bit;
    else
        return CTRL_ERR;
    return CTRL_OK;
}

static uint8_t ctrl_mq(Net *net, uint8_t cmd, const CtrlData *data)
{
    unsigned pairs = load_le16(data->buf);

    if (cmd != MQ_PAIRS_SET || data->total != 2 || pairs < 1 ||
        pairs > net->max_pairs)
        return CTRL_ERR;
    net->pairs = pairs;
    net_apply(net);
    return CTRL_OK;
}

static uint8_t run(Net *net, const uint8_t hdr[CTRL_HDR_LEN], VqChain *chain)
{
    const VirtioDev *vdev = &net->vdev;
    CtrlData data = { .total = chain->out_bytes - CTRL_HDR_LEN };
    uint8_t cmd = hdr[1];

    vq_chain_read(chain, CTRL_HDR_LEN, data.buf, sizeof(data.buf));
    switch (hdr[0]) {
    case CTRL_RX:
        if (!virtio_has(vdev, cmd <= RX_ALLMULTI ? NET_F_CTRL_RX
                                                 : NET_F_CTRL_RX_EXTRA))
            return CTRL_ERR;
        return ctrl_rx(&net->filter, cmd, &data);
    case CTRL_MAC:
        return ctrl_mac(net, cmd, chain, &data);
    case CTRL_VLAN:
        return virtio_has(vdev, NET_F_CTRL_VLAN)
                   ? ctrl_vlan(&net->filter, cmd, &data)
                   : CTRL_ERR;
    case CTRL_MQ:
        return virtio_has(vdev, NET_F_MQ) ? ctrl_mq(net, cmd, &data) : CTRL_ERR;
    default:
        return CTRL_ERR;
    }
}

int net_ctrl(Net *net, VqChain *chain)
{
    uint8_t hdr[CTRL_HDR_LEN];
    uint8_t ack;

    if (vq_chain_read(chain, 0, hdr, sizeof(hdr)) != sizeof(hdr) ||
        chain->in_bytes < sizeof(ack))
        return -EBADMSG;
    ack = run(net, hdr, chain);
    vq_chain_write(chain, 0, &ack, sizeof(ack));
    return 0;
}
