/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtio/virtio.c - life of a device: realize, activate, stop, reset.
 *
 * What the driver does arrives in drv.c on a vCPU thread; what needs the
 * device's loop comes here as a Deferred.  What the machine wants arrives as
 * op_work.  Both end in settle(): once no chain is held, whoever waits is
 * served.
 *
 *              DRIVER_OK              reset, unplug
 *    IDLE ------------------> ACTIVE ----------------> STOPPING
 *      ^                                                  |
 *      +---- chains returned, or orphaned at deadline ----+
 */
#include <config.h>

#include "virtio/virtio_priv.h"

#include "core/clock.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/log.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void activation_run(void *opaque);
static void resetting_run(void *opaque);
static void queue_stop_run(void *opaque);
static void stop_deadline(void *opaque);
static void settle(void *opaque);
static void op_run(void *opaque);
static void op_reply(void *opaque);

/* --- creation ------------------------------------------------------------ */

static void queues_free(VirtioDev *vdev)
{
    for (unsigned i = 0; vdev->vqs && i < vdev->num_queues; i++)
        vq_fini(&vdev->vqs[i]);
    free(vdev->vqs);
    vdev->vqs = NULL;
    vdev->num_queues = 0;
}

int virtio_set_queues(VirtioDev *vdev, unsigned num, unsigned size, Err *e)
{
    queues_free(vdev);
    if (num == 0 || num > vdev->cls->num_queues)
        return err_set(e, EINVAL, "device '%s' cannot have %u queues, 1 to %u",
                       vdev->id, num, vdev->cls->num_queues);
    if (size < 2 || size > VQ_MAX_SIZE || (size & (size - 1)))
        return err_set(e, EINVAL,
                       "device '%s' cannot have queues of %u entries: a power "
                       "of two up to %u is needed",
                       vdev->id, size, VQ_MAX_SIZE);
    vdev->vqs = calloc(num, sizeof(*vdev->vqs));
    if (!vdev->vqs)
        return err_set(e, ENOMEM, "out of memory");
    for (unsigned i = 0; i < num; i++)
        vdev->vqs[i].kick_fd = -1;
    vdev->num_queues = num;
    for (unsigned i = 0; i < num; i++) {
        int r = vq_init(&vdev->vqs[i], vdev, i, size, e);

        if (r < 0)
            return r;
    }
    return 0;
}

static VirtioDev *dev_alloc(const VirtioClass *cls, const char *id,
                            const VirtioEnv *env)
{
    VirtioDev *vdev = calloc(1, cls->dev_size);

    if (!vdev)
        return NULL;
    vdev->cls = cls;
    vdev->env = env;
    vdev->loop = env->main_loop;
    vdev->host_features = cls->features | VIRTIO_F_RING_ALL;
    vdev->config_len = cls->config_len;
    vdev->config = calloc(1, VIRTIO_MAX_CONFIG);
    snprintf(vdev->id, sizeof(vdev->id), "%s", id ? id : cls->name);
    pthread_mutex_init(&vdev->lock, NULL);
    work_init(&vdev->settle_work, settle, vdev);
    work_init(&vdev->op_work, op_run, vdev);
    work_init(&vdev->op_reply, op_reply, vdev);
    deferred_init(&vdev->activation, activation_run, vdev);
    deferred_init(&vdev->resetting, resetting_run, vdev);
    deferred_init(&vdev->queue_stop, queue_stop_run, vdev);
    return vdev;
}

static void dev_release(VirtioDev *vdev)
{
    queues_free(vdev);
    pthread_mutex_destroy(&vdev->lock);
    free(vdev->config);
    free(vdev);
}

int virtio_new(VirtioDev **ret_vdev, const VirtioClass *cls, const char *id,
               const void *conf, const VirtioEnv *env, Err *e)
{
    VirtioDev *vdev;
    int r = cls->check ? cls->check(conf, e) : 0;

    if (r < 0)
        return r;
    vdev = dev_alloc(cls, id, env);
    if (!vdev || !vdev->config) {
        free(vdev);
        return err_set(e, ENOMEM, "out of memory");
    }
    r = cls->realize(vdev, conf, e);
    if (r == 0 && !vdev->vqs) {
        r = virtio_set_queues(vdev, cls->num_queues, cls->queue_size, e);
        if (r < 0 && cls->unrealize)
            cls->unrealize(vdev);
    }
    if (r < 0) {
        dev_release(vdev);
        return r;
    }
    timer_init(&vdev->stop_timer, vdev->loop, stop_deadline, vdev);
    *ret_vdev = vdev;
    return 0;
}

void virtio_free(VirtioDev *vdev)
{
    if (!vdev)
        return;
    timer_del(&vdev->stop_timer);
    loop_unpost(vdev->loop, &vdev->settle_work);
    loop_unpost(vdev->loop, &vdev->op_work);
    loop_unpost(vdev->loop, &vdev->activation.work);
    loop_unpost(vdev->loop, &vdev->resetting.work);
    loop_unpost(vdev->loop, &vdev->queue_stop.work);
    loop_unpost(vdev->env->main_loop, &vdev->op_reply);
    for (unsigned i = 0; i < vdev->num_queues; i++)
        loop_fd_del(&vdev->vqs[i].kick_lfd);
    if (vdev->cls->unrealize)
        vdev->cls->unrealize(vdev);
    dev_release(vdev);
}

/* --- activation ---------------------------------------------------------- */

static void kick_ready(void *opaque, uint32_t events)
{
    /* Edge-triggered: every signal is an event, so the counter is never read */
    vq_run_kick(opaque);
}

static int queues_start(VirtioDev *vdev)
{
    Err e = ERR_INIT;
    int r;

    for (unsigned i = 0; i < vdev->num_queues; i++) {
        Vq *vq = &vdev->vqs[i];

        if (!vq->ready)
            continue;
        r = vq_start(vq);
        if (r == 0)
            r = loop_fd_add(vdev->loop, &vq->kick_lfd, vq->kick_fd,
                            EPOLLIN | EPOLLET, kick_ready, vq, &e);
        if (r < 0) {
            virtio_break(vdev, "queue %u: %s", i,
                         e.code ? e.msg : "bad size or ring addresses");
            return r;
        }
    }
    return 0;
}

static void queues_stop(VirtioDev *vdev)
{
    for (unsigned i = 0; i < vdev->num_queues; i++) {
        loop_fd_del(&vdev->vqs[i].kick_lfd);
        vq_stop(&vdev->vqs[i]);
    }
}

static void kick_all(VirtioDev *vdev)
{
    for (unsigned i = 0; i < vdev->num_queues; i++)
        vq_run_kick(&vdev->vqs[i]);
}

static void activate(VirtioDev *vdev)
{
    int r = 0;

    if (atomic_load(&vdev->orphans)) {
        virtio_break(vdev, "host I/O of before the last reset has not ended");
        return;
    }
    if (queues_start(vdev) < 0) {
        queues_stop(vdev);
        return;
    }
    if (vdev->cls->activate)
        r = vdev->cls->activate(vdev);
    if (r < 0) {
        queues_stop(vdev);
        virtio_break(vdev, "cannot activate: %s", strerror(-r));
        return;
    }
    vdev->phase = VIRTIO_ACTIVE;
}

static void activation_run(void *opaque)
{
    VirtioDev *vdev = opaque;

    if (vdev->phase == VIRTIO_IDLE)
        activate(vdev);
    deferred_done(&vdev->activation, &vdev->lock);
    kick_all(vdev);
}

/* --- stopping ------------------------------------------------------------ */

static void stop_begin(VirtioDev *vdev)
{
    if (vdev->phase != VIRTIO_ACTIVE)
        return;
    vdev->phase = VIRTIO_STOPPING;
    if (vdev->cls->stop)
        vdev->cls->stop(vdev);
    if (vdev->inflight)
        timer_set(&vdev->stop_timer,
                  clock_now_ns() + VIRTIO_STOP_MS * 1000000LL);
}

static void stop_end(VirtioDev *vdev)
{
    timer_del(&vdev->stop_timer);
    queues_stop(vdev);
    if (vdev->cls->deactivate)
        vdev->cls->deactivate(vdev);
    vdev->phase = VIRTIO_IDLE;
}

static void stop_deadline(void *opaque)
{
    VirtioDev *vdev = opaque;

    log_warn("%s '%s': %u requests did not end within %u ms of a reset",
             vdev->cls->name, vdev->id, vdev->inflight, VIRTIO_STOP_MS);
    vdev->generation++;
    atomic_fetch_add(&vdev->orphans, vdev->inflight);
    vdev->inflight = 0;
    settle(vdev);
}

/* Back to what the driver finds after power-on. */
static void reset_all(VirtioDev *vdev)
{
    bool orphans = atomic_load(&vdev->orphans) != 0;

    if (vdev->cls->reset)
        vdev->cls->reset(vdev);
    MUTEX_SCOPE(&vdev->lock);
    virtio_reset_regs(vdev);
    if (orphans) {
        vdev->status = VIRTIO_S_NEEDS_RESET;
        vdev->live = true;
        atomic_store(&vdev->broken, true);
        if (vdev->transport)
            vdev->transport->ops->refresh(vdev->transport);
    }
}

void virtio_reset_regs(VirtioDev *vdev)
{
    vdev->status = 0;
    vdev->features = 0;
    vdev->live = false;
    atomic_store(&vdev->broken, false);
    for (unsigned i = 0; i < vdev->num_queues; i++)
        vq_reset_regs(&vdev->vqs[i]);
    if (vdev->transport)
        vdev->transport->ops->reset(vdev->transport);
}

static void reply(VirtioDev *vdev)
{
    loop_post(vdev->env->main_loop, &vdev->op_reply);
}

static void settle_op(VirtioDev *vdev)
{
    if (vdev->op != VIRTIO_OP_PAUSE && vdev->phase != VIRTIO_IDLE)
        return;
    vdev->wanted &= ~VIRTIO_WANT_OP;
    if (vdev->op == VIRTIO_OP_RESET)
        reset_all(vdev);
    reply(vdev);
}

/* The driver took queues away; true when they are all quiet. */
static bool queues_retire(VirtioDev *vdev)
{
    MUTEX_SCOPE(&vdev->lock);
    for (unsigned i = 0; i < vdev->num_queues; i++) {
        Vq *vq = &vdev->vqs[i];

        if (vq->ready || !vq->active)
            continue;
        if (vq->inflight)
            return false;
        loop_fd_del(&vq->kick_lfd);
        vq_stop(vq);
    }
    return true;
}

static void settle(void *opaque)
{
    VirtioDev *vdev = opaque;

    if ((vdev->wanted & VIRTIO_WANT_QUEUES) && queues_retire(vdev)) {
        vdev->wanted &= ~VIRTIO_WANT_QUEUES;
        deferred_done(&vdev->queue_stop, &vdev->lock);
    }
    if (vdev->inflight)
        return;
    if (vdev->phase == VIRTIO_STOPPING)
        stop_end(vdev);
    if ((vdev->wanted & VIRTIO_WANT_RESET) && vdev->phase == VIRTIO_IDLE) {
        vdev->wanted &= ~VIRTIO_WANT_RESET;
        reset_all(vdev);
        deferred_done(&vdev->resetting, &vdev->lock);
    }
    if (vdev->wanted & VIRTIO_WANT_OP)
        settle_op(vdev);
}

void virtio_settle_soon(VirtioDev *vdev)
{
    loop_post(vdev->loop, &vdev->settle_work);
}

static void resetting_run(void *opaque)
{
    VirtioDev *vdev = opaque;

    vdev->wanted |= VIRTIO_WANT_RESET;
    stop_begin(vdev);
    settle(vdev);
}

static void queue_stop_run(void *opaque)
{
    VirtioDev *vdev = opaque;

    vdev->wanted |= VIRTIO_WANT_QUEUES;
    settle(vdev);
}

/* --- requests of the machine --------------------------------------------- */

static void op_reply(void *opaque)
{
    VirtioDev *vdev = opaque;
    VirtioDoneFn *done = vdev->op_done;

    vdev->op = VIRTIO_OP_NONE;
    vdev->op_done = NULL;
    if (done)
        done(vdev->op_opaque);
}

static void op_run(void *opaque)
{
    VirtioDev *vdev = opaque;

    if (vdev->op == VIRTIO_OP_RESUME) {
        vdev->paused = false;
        if (vdev->phase == VIRTIO_IDLE && (vdev->status & VIRTIO_S_DRIVER_OK) &&
            !vdev->activation.busy && !atomic_load(&vdev->broken))
            activate(vdev); /* its state was loaded */
        kick_all(vdev);
        reply(vdev);
        return;
    }
    vdev->wanted |= VIRTIO_WANT_OP;
    if (vdev->op == VIRTIO_OP_PAUSE)
        vdev->paused = true;
    else
        stop_begin(vdev);
    settle(vdev);
}

static void op_start(VirtioDev *vdev, int op, VirtioDoneFn *done, void *opaque)
{
    assert(vdev->op == VIRTIO_OP_NONE); /* the machine serialises */
    vdev->op = op;
    vdev->op_done = done;
    vdev->op_opaque = opaque;
    loop_post(vdev->loop, &vdev->op_work);
}

void virtio_pause(VirtioDev *vdev, VirtioDoneFn *done, void *opaque)
{
    op_start(vdev, VIRTIO_OP_PAUSE, done, opaque);
}

void virtio_resume(VirtioDev *vdev, VirtioDoneFn *done, void *opaque)
{
    op_start(vdev, VIRTIO_OP_RESUME, done, opaque);
}

void virtio_reset(VirtioDev *vdev, VirtioDoneFn *done, void *opaque)
{
    op_start(vdev, VIRTIO_OP_RESET, done, opaque);
}

void virtio_unplug(VirtioDev *vdev, VirtioDoneFn *done, void *opaque)
{
    op_start(vdev, VIRTIO_OP_UNPLUG, done, opaque);
}

/* --- news from the device ------------------------------------------------ */

void virtio_break(VirtioDev *vdev, const char *fmt, ...)
{
    char why[200];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(why, sizeof(why), fmt, ap);
    va_end(ap);
    pthread_mutex_lock(&vdev->lock);
    if (!atomic_exchange(&vdev->broken, true)) {
        vdev->status |= VIRTIO_S_NEEDS_RESET;
        vdev->live = true;
        if (vdev->transport) {
            vdev->transport->ops->refresh(vdev->transport);
            if (vdev->status & VIRTIO_S_DRIVER_OK)
                vdev->transport->ops->config_irq(vdev->transport);
        }
    }
    pthread_mutex_unlock(&vdev->lock);
    log_warn_rated("%s '%s' needs a reset by its driver: %s", vdev->cls->name,
                   vdev->id, why);
}

void virtio_config_update(VirtioDev *vdev, uint32_t off, const void *data,
                          uint32_t len)
{
    assert(range_within(off, len, VIRTIO_MAX_CONFIG));
    MUTEX_SCOPE(&vdev->lock);
    memcpy(vdev->config + off, data, len);
    if (!vdev->transport)
        return;
    vdev->transport->ops->refresh(vdev->transport);
    if (vdev->status & VIRTIO_S_DRIVER_OK)
        vdev->transport->ops->config_irq(vdev->transport);
}

void virtio_rekick(Vq *vq)
{
    loop_post(vq->vdev->loop, &vq->kick_work);
}
