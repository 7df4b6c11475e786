/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtio/dev/console.c - virtio console device.  Spec: virtio 1.2, 5.3.
 *
 * One port, a console, and no MULTIPORT: stock drivers that are offered it set
 * up a pair of queues for every port there might be, at hundreds of exits.
 *
 * Output goes to the chardev at once and is dropped when nobody reads.  Input
 * is taken from the chardev only while the driver has buffers for it; what did
 * not fit into them waits in @rest.  Everything runs on the main loop, but for
 * emergency writes, which a vCPU leaves in @emergency.
 */
#include <config.h>

#include "virtio/dev/console.h"

#include "chardev/chardev.h"
#include "util/bytes.h"
#include "util/cleanup.h"

#include <errno.h>
#include <string.h>

#define F_SIZE        0
#define F_EMERG_WRITE 2

#define CONFIG_MAX_PORTS 4
#define CONFIG_EMERG_WR  8
#define CONFIG_LEN       12

#define REST_BYTES      4096
#define EMERGENCY_BYTES 256

enum {
    QUEUE_RX,
    QUEUE_TX,
    NUM_QUEUES,
};

typedef struct ConsoleConf {
    uint32_t max_ports;
} ConsoleConf;

typedef struct Console {
    VirtioDev vdev;
    Chardev *chardev; /* borrowed; NULL: no port */

    uint8_t rest[REST_BYTES]; /* input the driver has no buffer for */
    uint32_t rest_off, rest_len;

    Work emergency_work;
    uint8_t emergency[EMERGENCY_BYTES]; /* under vdev.lock */
    unsigned emergency_len;
} Console;

static const OptDesc console_opts[] = {
    { .name = "max-ports",
      .type = OPT_U32,
      .off = offsetof(ConsoleConf, max_ports),
      .min = 1,
      .max = 31,
      .def = "31",
      .help = "most ports; the mmio device has one whatever is asked for" },
    { 0 },
};

const OptDesc console_port_opts[] = {
    { .name = "chardev",
      .type = OPT_REF,
      .ref = "chardev",
      .off = offsetof(ConsolePortConf, chardev),
      .required = true,
      .help = "character device the port talks to" },
    { .name = "nr",
      .type = OPT_U32,
      .off = offsetof(ConsolePortConf, nr),
      .given = offsetof(ConsolePortConf, has_nr),
      .max = 30,
      .help = "number of the port; 0 is the console" },
    { 0 },
};

/* --- output -------------------------------------------------------------- */

static int tx_kick(Console *con, Vq *vq)
{
    VqChain chain;
    int r;

    while ((r = vq_pop(vq, &chain)) > 0) {
        for (unsigned i = 0; con->chardev && i < chain.out_num; i++)
            chardev_write(con->chardev, chain.iov[i].iov_base,
                          chain.iov[i].iov_len);
        vq_push(vq, &chain, 0);
    }
    return r;
}

static void emergency_run(void *opaque)
{
    Console *con = opaque;
    uint8_t buf[EMERGENCY_BYTES];
    unsigned n;

    pthread_mutex_lock(&con->vdev.lock);
    n = con->emergency_len;
    memcpy(buf, con->emergency, n);
    con->emergency_len = 0;
    pthread_mutex_unlock(&con->vdev.lock);
    if (con->chardev)
        chardev_write(con->chardev, buf, n);
}

static void console_write_config(VirtioDev *vdev, uint32_t off,
                                 const void *data, uint32_t len)
{
    Console *con = container_of(vdev, Console, vdev);

    if (off != CONFIG_EMERG_WR || con->emergency_len == EMERGENCY_BYTES)
        return;
    con->emergency[con->emergency_len++] = *(const uint8_t *)data;
    loop_post(vdev->loop, &con->emergency_work);
}

/* --- input --------------------------------------------------------------- */

/* Moves what waits into the driver's buffers. < 0: bad chain. */
static int rx_fill(Console *con)
{
    Vq *vq = &con->vdev.vqs[QUEUE_RX];
    VqChain chain;
    size_t n;
    int r = 0;

    while (con->rest_len && (r = vq_pop(vq, &chain)) > 0) {
        n = vq_chain_write(&chain, 0, con->rest + con->rest_off, con->rest_len);
        con->rest_off += n;
        con->rest_len -= n;
        vq_push(vq, &chain, n);
    }
    return r < 0 ? r : 0;
}

static size_t console_can_read(void *opaque)
{
    Console *con = opaque;

    if (con->rest_len || vq_empty(&con->vdev.vqs[QUEUE_RX]))
        return 0;
    return REST_BYTES;
}

static void console_input(void *opaque, const uint8_t *buf, size_t len)
{
    Console *con = opaque;
    Vq *vq = &con->vdev.vqs[QUEUE_RX];

    memcpy(con->rest, buf, len);
    con->rest_off = 0;
    con->rest_len = len;
    if (rx_fill(con) < 0)
        virtio_break(&con->vdev, "receive queue: malformed descriptor chain");
    vq_notify(vq);
}

static const ChardevHandlers console_handlers = {
    .can_read = console_can_read,
    .read = console_input,
};

static int console_kick(VirtioDev *vdev, Vq *vq)
{
    Console *con = container_of(vdev, Console, vdev);
    int r;

    if (vq->index == QUEUE_TX)
        return tx_kick(con, vq);
    r = rx_fill(con);
    if (r == 0 && con->chardev)
        chardev_accept_input(con->chardev);
    return r;
}

/* --- life ---------------------------------------------------------------- */

static int console_realize(VirtioDev *vdev, const void *conf, Err *e)
{
    Console *con = container_of(vdev, Console, vdev);

    store_le32(vdev->config + CONFIG_MAX_PORTS, 1);
    work_init(&con->emergency_work, emergency_run, con);
    return 0;
}

static void console_unrealize(VirtioDev *vdev)
{
    Console *con = container_of(vdev, Console, vdev);

    if (con->chardev) {
        emergency_run(con);
        chardev_detach(con->chardev);
        vdev->env->ref_put(vdev->env->opaque, VIRTIO_REF_CHARDEV,
                           chardev_id(con->chardev));
    }
    loop_unpost(vdev->loop, &con->emergency_work);
}

static void console_reset(VirtioDev *vdev)
{
    Console *con = container_of(vdev, Console, vdev);

    con->rest_len = 0;
}

bool virtio_console_is(const VirtioDev *vdev)
{
    return vdev->cls->virtio_id == VIRTIO_ID_CONSOLE;
}

int virtio_console_add_port(VirtioDev *vdev, const ConsolePortConf *conf,
                            bool console, Err *e)
{
    Console *con = container_of(vdev, Console, vdev);
    Chardev *cd;
    int r;

    if (con->chardev)
        return err_set(e, ENOSPC,
                       "virtio-serial device '%s' has one port on this "
                       "machine, and it is taken",
                       vdev->id);
    if (!console || conf->nr != 0)
        return err_set(e, EINVAL,
                       "virtio-serial device '%s' has one port on this "
                       "machine: a virtconsole with nr=0",
                       vdev->id);
    cd = vdev->env->ref_take(vdev->env->opaque, VIRTIO_REF_CHARDEV,
                             conf->chardev, e);
    if (!cd)
        return -e->code;
    r = chardev_attach(cd, vdev->loop, &console_handlers, con,
                       CHARDEV_DROP | CHARDEV_RAW, e);
    if (r < 0) {
        vdev->env->ref_put(vdev->env->opaque, VIRTIO_REF_CHARDEV,
                           conf->chardev);
        return r;
    }
    con->chardev = cd;
    return 0;
}

static const StateField console_state[] = {
    { "rest", STATE_U8, offsetof(Console, rest), REST_BYTES, 0 },
    { "rest-off", STATE_U32, offsetof(Console, rest_off), 0, 0 },
    { "rest-len", STATE_U32, offsetof(Console, rest_len), 0, 0 },
    { 0 },
};

static int console_loaded(VirtioDev *vdev, Err *e)
{
    Console *con = container_of(vdev, Console, vdev);

    if (range_within(con->rest_off, con->rest_len, REST_BYTES))
        return 0;
    con->rest_off = con->rest_len = 0;
    return err_set(e, EINVAL, "state of '%s': input beyond its buffer",
                   vdev->id);
}

extern const VirtioClass virtio_console;
const VirtioClass virtio_console = {
    .name = "virtio-serial",
    .doc = "console and serial ports",
    .virtio_id = VIRTIO_ID_CONSOLE,
    .num_queues = NUM_QUEUES,
    .queue_size = 128,
    .config_len = CONFIG_LEN,
    .features = VIRTIO_F(F_SIZE) | VIRTIO_F(F_EMERG_WRITE),
    .dev_size = sizeof(Console),
    .conf_size = sizeof(ConsoleConf),
    .opts = console_opts,
    .state = console_state,
    .loaded = console_loaded,
    .realize = console_realize,
    .unrealize = console_unrealize,
    .kick = console_kick,
    .reset = console_reset,
    .write_config = console_write_config,
};
