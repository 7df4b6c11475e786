/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtio/dev/rng.c - virtio entropy device.  Spec: virtio 1.2, 5.4.
 *
 * Each buffer gets what one non-blocking read of the source gives, at most
 * what is left of the period's quota.  A source that has nothing is waited for
 * by its descriptor, an empty quota by a timer; no buffer is held meanwhile.
 */
#include <config.h>

#include "virtio/dev/rng.h"

#include "core/clock.h"
#include "util/cleanup.h"
#include "util/fdset.h"
#include "util/log.h"
#include "virtio/virtio.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Most bytes a second that max-bytes and period may come to, and fewest. */
#define RNG_MAX_RATE 1000000000ULL
#define RNG_MIN_RATE 64ULL
/* Read at a time; a longer buffer is filled in part, as the spec allows. */
#define RNG_CHUNK 4096

/* --- source -------------------------------------------------------------- */

struct RngSource {
    char *id; /* owned */
    int fd;   /* owned */
};

const OptDesc rng_source_opts[] = {
    { .name = "id",
      .type = OPT_ID,
      .off = offsetof(RngSourceConf, id),
      .required = true,
      .help = "id of the object" },
    { .name = "filename",
      .type = OPT_PATH,
      .off = offsetof(RngSourceConf, filename),
      .required = true,
      .help = "character device that random bytes are read from" },
    { 0 },
};

int rng_source_new(RngSource **ret_source, const RngSourceConf *conf, Err *e)
{
    int fd CLEANUP(fd_close) = -1;
    RngSource *source;
    struct stat st;

    fd = path_open(conf->filename, O_RDONLY | O_NONBLOCK, 0, e);
    if (fd < 0)
        return err_prefix(e, "rng-random '%s': ", conf->id);
    if (fstat(fd, &st) < 0 || !S_ISCHR(st.st_mode))
        return err_set(e, EINVAL,
                       "rng-random '%s': filename '%s' is not a character "
                       "device: use one such as /dev/urandom",
                       conf->id, conf->filename);
    source = calloc(1, sizeof(*source));
    if (source)
        source->id = strdup(conf->id);
    if (!source || !source->id) {
        free(source);
        return err_set(e, ENOMEM, "out of memory");
    }
    source->fd = fd_take(&fd);
    *ret_source = source;
    return 0;
}

void rng_source_free(RngSource *source)
{
    if (!source)
        return;
    fd_close(&source->fd);
    free(source->id);
    free(source);
}

const char *rng_source_id(const RngSource *source)
{
    return source->id;
}

/* --- device -------------------------------------------------------------- */

typedef struct RngConf {
    const char *rng; /* id of the source */
    uint64_t max_bytes;
    uint64_t period_ms;
    bool has_max_bytes;
    bool has_period;
} RngConf;

typedef struct Rng {
    VirtioDev vdev;
    RngSource *source;  /* borrowed; outlives the device */
    uint64_t max_bytes; /* per period; 0: no limit */
    int64_t period_ns;
    uint64_t quota; /* bytes left in this period */
    Timer refill;
    LoopFd ready; /* the source, while it has nothing */
} Rng;

static const OptDesc rng_opts[] = {
    { .name = "rng",
      .type = OPT_REF,
      .ref = "rng-random",
      .off = offsetof(RngConf, rng),
      .required = true,
      .help = "object that random bytes come from" },
    { .name = "max-bytes",
      .type = OPT_U64,
      .off = offsetof(RngConf, max_bytes),
      .given = offsetof(RngConf, has_max_bytes),
      .unit = "bytes",
      .help = "most bytes handed out per period" },
    { .name = "period",
      .type = OPT_U64,
      .off = offsetof(RngConf, period_ms),
      .given = offsetof(RngConf, has_period),
      .min = 1,
      .unit = "ms",
      .help = "length of the period of max-bytes" },
    { 0 },
};

static int rng_check(const void *opaque, Err *e)
{
    const RngConf *conf = opaque;
    unsigned __int128 rate;

    if (!conf->has_max_bytes && !conf->has_period)
        return 0;
    if (!conf->has_max_bytes || !conf->has_period)
        return err_set(e, EINVAL,
                       "virtio-rng: max-bytes and period go together: give "
                       "both or neither");
    rate = (unsigned __int128)conf->max_bytes * 1000 / conf->period_ms;
    if (rate < RNG_MIN_RATE || rate > RNG_MAX_RATE)
        return err_set(e, EINVAL,
                       "virtio-rng: max-bytes=%llu with period=%llu is not "
                       "between %llu and %llu bytes a second",
                       (unsigned long long)conf->max_bytes,
                       (unsigned long long)conf->period_ms, RNG_MIN_RATE,
                       RNG_MAX_RATE);
    return 0;
}

static void rng_refill(void *opaque)
{
    Rng *rng = opaque;

    rng->quota = rng->max_bytes;
    virtio_rekick(&rng->vdev.vqs[0]);
}

static void rng_ready(void *opaque, uint32_t events)
{
    Rng *rng = opaque;

    loop_fd_del(&rng->ready);
    virtio_rekick(&rng->vdev.vqs[0]);
}

static int rng_realize(VirtioDev *vdev, const void *opaque, Err *e)
{
    Rng *rng = container_of(vdev, Rng, vdev);
    const RngConf *conf = opaque;

    rng->source =
        vdev->env->ref_take(vdev->env->opaque, VIRTIO_REF_RNG, conf->rng, e);
    if (!rng->source)
        return -e->code;
    rng->max_bytes = rng->quota = conf->max_bytes;
    if (conf->period_ms > INT64_MAX / 1000000)
        rng->period_ns = INT64_MAX / 2;
    else
        rng->period_ns = conf->period_ms * 1000000;
    timer_init(&rng->refill, vdev->loop, rng_refill, rng);
    return 0;
}

static void rng_quiet(Rng *rng)
{
    timer_del(&rng->refill);
    loop_fd_del(&rng->ready);
}

static void rng_unrealize(VirtioDev *vdev)
{
    Rng *rng = container_of(vdev, Rng, vdev);

    rng_quiet(rng);
    vdev->env->ref_put(vdev->env->opaque, VIRTIO_REF_RNG,
                       rng_source_id(rng->source));
}

static void rng_deactivate(VirtioDev *vdev)
{
    rng_quiet(container_of(vdev, Rng, vdev));
}

static void rng_reset(VirtioDev *vdev)
{
    Rng *rng = container_of(vdev, Rng, vdev);

    rng->quota = rng->max_bytes;
}

/* Wakes the queue once the source can be read; false when that cannot be. */
static bool rng_wait(Rng *rng)
{
    Err e = ERR_INIT;

    if (rng->ready.loop)
        return true;
    return loop_fd_add(rng->vdev.loop, &rng->ready, rng->source->fd, EPOLLIN,
                       rng_ready, rng, &e) == 0;
}

/* Bytes put into the chain, or -EAGAIN. */
static ssize_t rng_fill(Rng *rng, VqChain *chain)
{
    uint8_t buf[RNG_CHUNK];
    size_t want = MIN(chain->in_bytes, sizeof(buf));
    ssize_t n;

    if (rng->max_bytes)
        want = MIN(want, rng->quota);
    n = want ? read(rng->source->fd, buf, want) : 0;
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? -EAGAIN : -errno;
    vq_chain_write(chain, 0, buf, n);
    explicit_bzero(buf, n);
    return n;
}

/* True when the period's bytes are spent; a timer brings new ones. */
static bool rng_spent(Rng *rng)
{
    if (!rng->max_bytes || rng->quota)
        return false;
    if (!timer_pending(&rng->refill))
        timer_set(&rng->refill, clock_now_ns() + rng->period_ns);
    return true;
}

static int rng_kick(VirtioDev *vdev, Vq *vq)
{
    Rng *rng = container_of(vdev, Rng, vdev);
    VqChain chain;
    ssize_t n;
    int r;

    while (!rng_spent(rng) && !rng->ready.loop &&
           (r = vq_pop(vq, &chain)) != 0) {
        if (r < 0)
            return r;
        n = rng_fill(rng, &chain);
        if (n == -EAGAIN && rng_wait(rng)) {
            vq_unpop(vq, &chain);
            return 0;
        }
        if (n < 0) {
            log_warn_rated("rng-random '%s': cannot read: %s", rng->source->id,
                           strerror(-n));
            n = 0;
        }
        if (rng->max_bytes) {
            if (rng->quota == rng->max_bytes && n)
                timer_set(&rng->refill, clock_now_ns() + rng->period_ns);
            rng->quota -= n;
        }
        vq_push(vq, &chain, n);
    }
    return 0;
}

static const StateField rng_state[] = {
    { "quota", STATE_U64, offsetof(Rng, quota), 0, 0 },
    { 0 },
};

extern const VirtioClass virtio_rng;
const VirtioClass virtio_rng = {
    .name = "virtio-rng",
    .doc = "source of random bytes",
    .virtio_id = VIRTIO_ID_RNG,
    .num_queues = 1,
    .queue_size = 256,
    .dev_size = sizeof(Rng),
    .conf_size = sizeof(RngConf),
    .opts = rng_opts,
    .state = rng_state,
    .check = rng_check,
    .realize = rng_realize,
    .unrealize = rng_unrealize,
    .kick = rng_kick,
    .deactivate = rng_deactivate,
    .reset = rng_reset,
};
