/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtio/dev/net.c - virtio network device on a tap.  Spec: virtio 1.2, 5.1.
 *
 * Sending: a kick writes each available chain to the tap, straight from guest
 * memory.  When the tap is full the chain goes back and EPOLLOUT kicks again.
 *
 * Receiving (net_rx.c): while the driver has buffers, EPOLLIN reads packets
 * straight into them.
 *
 * Offloads and queue pairs are set by ioctl() on the main loop (I/O threads
 * make none); packets flow once that is done.
 */
#include <config.h>

#include "virtio/dev/net_priv.h"

#include "opt/opt.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NET_MAX_QUEUES (2 * NET_MAX_PAIRS + 1)

/* Offsets in config space. */
enum {
    CFG_MAC = 0,
    CFG_STATUS = 6,
    CFG_MAX_PAIRS = 8,
    CFG_MTU = 10,
    CFG_SPEED = 12,
    CFG_DUPLEX = 16,
    CFG_LEN = 17,
};

#define STATUS_LINK_UP 1

typedef struct NetDevConf {
    const char *netdev;
    uint8_t mac[ETH_ALEN];
    bool mac_given;
    const char *iothread;
    const char *rx_iothread;
    const char *tx_iothread;
    bool mq;
    uint16_t queue_size;
} NetDevConf;

#define F(field) offsetof(NetDevConf, field)

static const OptDesc net_opts[] = {
    { .name = "netdev",
      .type = OPT_REF,
      .ref = "netdev",
      .off = F(netdev),
      .required = true,
      .help = "the device's back end" },
    { .name = "mac",
      .type = OPT_MAC,
      .off = F(mac),
      .given = F(mac_given),
      .help = "address; 52:54:00:12:34:56 and up without it" },
    { .name = "iothread",
      .type = OPT_REF,
      .ref = "iothread",
      .off = F(iothread),
      .help = "I/O thread that moves the packets; the main loop without it" },
    { .name = "rx-iothread",
      .type = OPT_REF,
      .ref = "iothread",
      .off = F(rx_iothread),
      .help = "as iothread, where that is not given" },
    { .name = "tx-iothread",
      .type = OPT_REF,
      .ref = "iothread",
      .off = F(tx_iothread),
      .help = "as iothread, where neither of the others is given" },
    { .name = "mq",
      .type = OPT_BOOL,
      .off = F(mq),
      .repeat = OPT_FIRST_WINS,
      .def = "off",
      .help = "offer all queue pairs of the back end" },
    { .name = "queue-size",
      .type = OPT_U16,
      .off = F(queue_size),
      .min = 256,
      .max = 4096,
      .pow2 = true,
      .def = "256",
      .help = "entries of each queue; more than 1024 count as 1024" },
    { .name = "vectors", .type = OPT_IGNORED, .help = "ignored" },
    { 0 },
};

/* Features that go with what the tap can do. */
static const struct {
    unsigned offload;
    unsigned guest, host;
} offload_features[] = {
    { NET_OFFLOAD_CSUM, NET_F_GUEST_CSUM, NET_F_CSUM },
    { NET_OFFLOAD_TSO4, NET_F_GUEST_TSO4, NET_F_HOST_TSO4 },
    { NET_OFFLOAD_TSO6, NET_F_GUEST_TSO6, NET_F_HOST_TSO6 },
    { NET_OFFLOAD_ECN, NET_F_GUEST_ECN, NET_F_HOST_ECN },
    { NET_OFFLOAD_UFO, NET_F_GUEST_UFO, NET_F_HOST_UFO },
};

static Net *net_of(VirtioDev *vdev)
{
    return container_of(vdev, Net, vdev);
}

/* --- what the taps shall be like ----------------------------------------- */

static void net_apply_run(void *opaque)
{
    Net *net = opaque;
    unsigned want = net->want;

    if (netdev_set_offloads(net->nd, want >> 8) < 0 ||
        netdev_set_pairs(net->nd, want & 0xff) < 0)
        log_warn_rated("netdev '%s': cannot set offloads or queues of '%s'",
                       net->netdev, netdev_ifname(net->nd));
    net->have = want;
    if (net->vdev.loop != net->vdev.env->main_loop)
        loop_post(net->vdev.loop, &net->applied);
}

static void net_ready(Net *net)
{
    net->ready = true;
    for (unsigned i = 0; i < net->max_pairs; i++)
        net_events(&net->pair[i]);
}

/* On the device's loop; comes again when wishes changed meanwhile. */
static void net_applied(void *opaque)
{
    Net *net = opaque;

    if (net->have == net->want && net->vdev.phase != VIRTIO_IDLE)
        net_ready(net);
}

void net_apply(Net *net)
{
    unsigned offloads = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(offload_features); i++)
        if (virtio_has(&net->vdev, offload_features[i].guest))
            offloads |= offload_features[i].offload;
    net->want = offloads << 8 | net->pairs;
    if (net->vdev.loop != net->vdev.env->main_loop) {
        loop_post(net->vdev.env->main_loop, &net->apply);
        return;
    }
    net_apply_run(net);
    net_ready(net);
}

/* --- events -------------------------------------------------------------- */

static Vq *tx_queue(NetPair *pair)
{
    return &pair->net->vdev.vqs[2 * pair->index + 1];
}

void net_events(NetPair *pair)
{
    bool rx =
        pair->net->ready && !pair->rx_starved && pair->index < pair->net->pairs;

    if (pair->lfd.loop)
        loop_fd_set(&pair->lfd,
                    (rx ? EPOLLIN : 0) | (pair->tx_blocked ? EPOLLOUT : 0));
}

/* --- sending ------------------------------------------------------------- */

static int tx_run(NetPair *pair, Vq *vq)
{
    Net *net = pair->net;
    VqChain chain;
    int r;

    if (pair->tx_blocked)
        return 0;
    while ((r = vq_pop(vq, &chain)) > 0) {
        if (chain.out_bytes < NET_HDR_BYTES) {
            vq_push(vq, &chain, 0);
            return -EBADMSG;
        }
        r = netdev_send(net->nd, pair->index, vq_chain_out(&chain),
                        chain.out_num, chain.out_bytes);
        if (r == -EAGAIN) {
            vq_unpop(vq, &chain);
            pair->tx_blocked = true;
            net_events(pair);
            return 0;
        }
        vq_push(vq, &chain, 0);
    }
    return r;
}

void net_tap_gone(NetPair *pair)
{
    log_warn("netdev '%s': interface '%s' is gone, nothing is received any "
             "more",
             pair->net->netdev, netdev_ifname(pair->net->nd));
    loop_fd_del(&pair->lfd);
}

static void tap_ready(void *opaque, uint32_t events)
{
    NetPair *pair = opaque;

    if ((events & EPOLLOUT) && pair->tx_blocked) {
        pair->tx_blocked = false;
        net_events(pair);
        virtio_rekick(tx_queue(pair));
    }
    if (events & EPOLLIN)
        net_rx_run(pair);
    else if (events & (EPOLLERR | EPOLLHUP))
        net_tap_gone(pair);
}

/* --- the queues ---------------------------------------------------------- */

static unsigned ctrl_index(const Net *net)
{
    return virtio_has(&net->vdev, NET_F_MQ) ? 2 * net->max_pairs : 2;
}

static int ctrl_run(Net *net, Vq *vq)
{
    VqChain chain;
    int r;

    while ((r = vq_pop(vq, &chain)) > 0) {
        r = net_ctrl(net, &chain);
        vq_push(vq, &chain, r == 0 ? 1 : 0);
        if (r < 0)
            return r;
    }
    return r;
}

static int net_kick(VirtioDev *vdev, Vq *vq)
{
    Net *net = net_of(vdev);
    NetPair *pair = &net->pair[vq->index / 2];

    if (virtio_has(vdev, NET_F_CTRL_VQ) && vq->index == ctrl_index(net))
        return ctrl_run(net, vq);
    if (vq->index / 2 >= net->max_pairs)
        return 0;
    if (vq->index % 2)
        return tx_run(pair, vq);
    if (pair->rx_starved) {
        pair->rx_starved = false;
        net_events(pair);
        if (pair->parked) /* no event of the tap's tells of it */
            net_rx_run(pair);
    }
    return 0;
}

/* --- life ---------------------------------------------------------------- */

static void net_deactivate(VirtioDev *vdev)
{
    Net *net = net_of(vdev);

    for (unsigned i = 0; i < net->max_pairs; i++) {
        loop_fd_del(&net->pair[i].lfd);
        net_rx_reset(&net->pair[i]);
    }
    net->ready = false;
}

static int net_activate(VirtioDev *vdev)
{
    Net *net = net_of(vdev);
    unsigned num = virtio_has(vdev, NET_F_MQ) ? net->max_pairs : 1;
    Err e = ERR_INIT;

    net->pairs = 1;
    net->filter.all_vlans = !virtio_has(vdev, NET_F_CTRL_VLAN);
    for (unsigned i = 0; i < num; i++) {
        NetPair *pair = &net->pair[i];
        int r;

        net_rx_reset(pair);
        pair->tx_blocked = false;
        r = loop_fd_add(vdev->loop, &pair->lfd, netdev_fd(net->nd, i), 0,
                        tap_ready, pair, &e);
        if (r < 0) {
            log_warn("%s", e.msg);
            net_deactivate(vdev);
            return r;
        }
    }
    net_apply(net);
    return 0;
}

/* After activation, so that EPOLLIN finds an active device. */
static void net_reset(VirtioDev *vdev)
{
    Net *net = net_of(vdev);

    net_filter_reset(&net->filter, net->mac, true);
    pthread_mutex_lock(&vdev->lock);
    memcpy(vdev->config + CFG_MAC, net->mac, ETH_ALEN);
    pthread_mutex_unlock(&vdev->lock);
}

static bool implies(uint64_t features, unsigned bit, unsigned needed)
{
    return !(features >> bit & 1) || (features >> needed & 1);
}

static bool net_check_features(const VirtioDev *vdev, uint64_t f)
{
    for (unsigned i = 1; i < ARRAY_SIZE(offload_features); i++)
        if (!implies(f, offload_features[i].guest, NET_F_GUEST_CSUM) ||
            !implies(f, offload_features[i].host, NET_F_CSUM))
            return false;
    return implies(f, NET_F_CTRL_RX, NET_F_CTRL_VQ) &&
           implies(f, NET_F_CTRL_VLAN, NET_F_CTRL_VQ) &&
           implies(f, NET_F_MQ, NET_F_CTRL_VQ) &&
           implies(f, NET_F_CTRL_MAC_ADDR, NET_F_CTRL_VQ);
}

static const char *loop_id(const NetDevConf *conf)
{
    if (conf->iothread)
        return conf->iothread;
    return conf->rx_iothread ? conf->rx_iothread : conf->tx_iothread;
}

static void give_back(Net *net)
{
    const VirtioEnv *env = net->vdev.env;

    if (net->nd)
        env->ref_put(env->opaque, VIRTIO_REF_NETDEV, net->netdev);
    if (net->iothread)
        env->ref_put(env->opaque, VIRTIO_REF_IOTHREAD, net->iothread);
    free(net->netdev);
    free(net->iothread);
    free(net->held);
    free(net->spill);
}

static int claim(Net *net, const NetDevConf *conf, Err *e)
{
    const VirtioEnv *env = net->vdev.env;
    const char *id = loop_id(conf);

    if (id) {
        Loop *loop = env->ref_take(env->opaque, VIRTIO_REF_IOTHREAD, id, e);

        if (!loop)
            return -e->code;
        net->vdev.loop = loop;
        net->iothread = strdup(id);
    }
    net->netdev = strdup(conf->netdev);
    if (!net->netdev || (id && !net->iothread))
        return err_set(e, ENOMEM, "out of memory for '%s'", net->vdev.id);
    net->nd = env->ref_take(env->opaque, VIRTIO_REF_NETDEV, conf->netdev, e);
    if (!net->nd)
        return -e->code;
    net->max_pairs = conf->mq ? netdev_pairs(net->nd) : 1;
    /* Here, since an I/O thread cannot map memory; untouched it costs none. */
    net->held = calloc((size_t)net->max_pairs * NET_HELD, sizeof(*net->held));
    /* Not cleared: that would touch 64 KiB a pair. */
    net->spill = malloc((size_t)net->max_pairs * NET_MAX_FRAME);
    if (!net->held || !net->spill)
        return err_set(e, ENOMEM, "out of memory for '%s'", net->vdev.id);
    return virtio_set_queues(&net->vdev, 2 * net->max_pairs + 1,
                             MIN(conf->queue_size, VQ_MAX_SIZE), e);
}

/* The address of a device that was given none: unique in this process. */
static void default_mac(uint8_t mac[ETH_ALEN])
{
    static atomic_uint next = 0x123456;
    unsigned n = atomic_fetch_add(&next, 1);

    mac[0] = 0x52;
    mac[1] = 0x54;
    mac[2] = 0x00;
    mac[3] = n >> 16;
    mac[4] = n >> 8;
    mac[5] = n;
}

static void fill_config(Net *net)
{
    VirtioDev *vdev = &net->vdev;
    unsigned offloads = netdev_offloads(net->nd);

    memcpy(vdev->config + CFG_MAC, net->mac, ETH_ALEN);
    store_le16(vdev->config + CFG_STATUS, STATUS_LINK_UP);
    store_le16(vdev->config + CFG_MAX_PAIRS, net->max_pairs);
    store_le32(vdev->config + CFG_SPEED, UINT32_MAX); /* unknown */
    vdev->config[CFG_DUPLEX] = 0xff;
    for (unsigned i = 0; i < ARRAY_SIZE(offload_features); i++)
        if (offloads & offload_features[i].offload)
            vdev->host_features |= VIRTIO_F(offload_features[i].guest) |
                                   VIRTIO_F(offload_features[i].host);
    if (net->max_pairs > 1)
        vdev->host_features |= VIRTIO_F(NET_F_MQ);
}

static int net_realize(VirtioDev *vdev, const void *opaque, Err *e)
{
    const NetDevConf *conf = opaque;
    Net *net = net_of(vdev);
    int r = claim(net, conf, e);

    if (r < 0) {
        give_back(net);
        return r;
    }
    if (conf->mac_given)
        memcpy(net->mac, conf->mac, ETH_ALEN);
    else
        default_mac(net->mac);
    for (unsigned i = 0; i < net->max_pairs; i++)
        net->pair[i] = (NetPair){ .net = net,
                                  .index = i,
                                  .held = net->held + i * NET_HELD,
                                  .spill = net->spill + i * NET_MAX_FRAME };
    net_filter_reset(&net->filter, net->mac, true);
    work_init(&net->apply, net_apply_run, net);
    work_init(&net->applied, net_applied, net);
    fill_config(net);
    return 0;
}

static void net_unrealize(VirtioDev *vdev)
{
    Net *net = net_of(vdev);

    net_deactivate(vdev);
    loop_unpost(vdev->env->main_loop, &net->apply);
    loop_unpost(vdev->loop, &net->applied);
    give_back(net);
}

static int net_check_conf(const void *opaque, Err *e)
{
    const NetDevConf *conf = opaque;

    if (conf->mac_given && (conf->mac[0] & 1))
        return err_set(e, EINVAL,
                       "virtio-net: mac=%02x:%02x:%02x:%02x:%02x:%02x is a "
                       "multicast address; use one with an even first byte",
                       conf->mac[0], conf->mac[1], conf->mac[2], conf->mac[3],
                       conf->mac[4], conf->mac[5]);
    return 0;
}

extern const VirtioClass virtio_net;
const VirtioClass virtio_net = {
    .name = "virtio-net",
    .doc = "network interface",
    .virtio_id = VIRTIO_ID_NET,
    .num_queues = NET_MAX_QUEUES,
    .queue_size = 256,
    .config_len = CFG_LEN,
    .features = VIRTIO_F(NET_F_MAC) | VIRTIO_F(NET_F_MRG_RXBUF) |
                VIRTIO_F(NET_F_STATUS) | VIRTIO_F(NET_F_CTRL_VQ) |
                VIRTIO_F(NET_F_CTRL_RX) | VIRTIO_F(NET_F_CTRL_VLAN) |
                VIRTIO_F(NET_F_CTRL_RX_EXTRA) | VIRTIO_F(NET_F_CTRL_MAC_ADDR),
    .dev_size = sizeof(Net),
    .conf_size = sizeof(NetDevConf),
    .opts = net_opts,
    .check = net_check_conf,
    .realize = net_realize,
    .unrealize = net_unrealize,
    .activate = net_activate,
    .kick = net_kick,
    .deactivate = net_deactivate,
    .reset = net_reset,
    .check_features = net_check_features,
};
