/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hv/irq.c - interrupt handles: an eventfd that raises an interrupt. */
#include <config.h>

#include "hv/hv_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>

/*
 * How this works
 *
 * Raising is one eventfd write, and the accelerator consumes it.  A level pin
 * stays asserted until the guest ends the interrupt; then the resample eventfd
 * fires on the main loop, which asserts again if the device still wants it.
 * What a masked message's eventfd collects is delivered when it is unmasked.
 */
static void irq_signal(int fd)
{
    const uint64_t one = 1;

    /* Fails only when the counter is full: then it is signalled anyway. */
    if (write(fd, &one, sizeof(one)) < 0)
        return;
}

static void irq_resampled(void *opaque, uint32_t events)
{
    Irq *irq = opaque;
    uint64_t count;

    if (read(irq->resample_fd, &count, sizeof(count)) < 0)
        return;
    if (atomic_load(&irq->level))
        irq_signal(irq->event_fd);
}

static int irq_open_fds(Irq *irq, Err *e)
{
    irq->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (irq->event_fd < 0)
        return err_sys(e, errno, "cannot create an interrupt's eventfd");
    if (irq->kind != IRQ_LEVEL)
        return 0;
    irq->resample_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (irq->resample_fd < 0)
        return err_sys(e, errno, "cannot create an interrupt's eventfd");
    if (!irq->hv->loop)
        return err_set(e, EINVAL, "a level interrupt needs the main loop");
    return loop_fd_add(irq->hv->loop, &irq->resample, irq->resample_fd, EPOLLIN,
                       irq_resampled, irq, e);
}

static Irq *irq_alloc(Hv *hv, IrqKind kind)
{
    Irq *irq = calloc(1, sizeof(*irq));

    if (!irq)
        return NULL;
    list_init(&irq->link);
    irq->hv = hv;
    irq->kind = kind;
    irq->event_fd = irq->resample_fd = -1;
    return irq;
}

static int irq_attach_locked(Irq *irq)
{
    int r;

    if (irq->attached)
        return 0;
    r = irq->hv->ops->irq_attach(irq->hv, irq);
    if (r == 0)
        irq->attached = true;
    return r;
}

static void irq_detach_locked(Irq *irq)
{
    if (irq->attached)
        irq->hv->ops->irq_detach(irq->hv, irq);
    irq->attached = false;
}

int irq_new_pin(Irq **ret_irq, Hv *hv, IrqKind kind, unsigned gsi, Err *e)
{
    Irq *irq;
    int r;

    if (kind == IRQ_MSI || gsi >= hv->gsi.pins)
        return err_set(e, EINVAL,
                       "interrupt %u does not exist: the machine has 0 to %u",
                       gsi, hv->gsi.pins ? hv->gsi.pins - 1 : 0);
    irq = irq_alloc(hv, kind);
    if (!irq)
        return err_sys(e, ENOMEM, "cannot create interrupt %u", gsi);
    irq->gsi = gsi;
    r = irq_open_fds(irq, e);
    if (r < 0) {
        irq_free(irq);
        return r;
    }
    pthread_mutex_lock(&hv->lock);
    list_add_tail(&hv->irqs, &irq->link);
    r = irq_attach_locked(irq);
    pthread_mutex_unlock(&hv->lock);
    if (r < 0) {
        irq_free(irq);
        return err_sys(e, -r, "cannot connect interrupt %u", gsi);
    }
    *ret_irq = irq;
    return 0;
}

int irq_new_msi(Irq **ret_irq, Hv *hv, Err *e)
{
    Irq *irq = irq_alloc(hv, IRQ_MSI);
    int r, gsi;

    if (!irq)
        return err_sys(e, ENOMEM, "cannot create a message interrupt");
    irq->masked = true;
    r = irq_open_fds(irq, e);
    if (r < 0) {
        irq_free(irq);
        return r;
    }
    pthread_mutex_lock(&hv->lock);
    gsi = gsi_alloc(&hv->gsi);
    if (gsi >= 0) {
        irq->gsi = (unsigned)gsi;
        list_add_tail(&hv->irqs, &irq->link);
    }
    pthread_mutex_unlock(&hv->lock);
    if (gsi < 0) {
        irq_free(irq);
        return err_sys(e, -gsi, "all %u interrupt numbers are taken",
                       hv->gsi.max);
    }
    *ret_irq = irq;
    return 0;
}

void irq_free(Irq *irq)
{
    if (!irq)
        return;
    if (!list_empty(&irq->link)) {
        MUTEX_SCOPE(&irq->hv->lock);
        irq_detach_locked(irq);
        list_del(&irq->link);
        if (irq->kind == IRQ_MSI)
            gsi_free(&irq->hv->gsi, irq->gsi);
    }
    if (irq->resample.loop)
        loop_fd_del(&irq->resample);
    fd_close(&irq->event_fd);
    fd_close(&irq->resample_fd);
    free(irq);
}

void irq_pulse(Irq *irq)
{
    irq_signal(irq->event_fd);
}

void irq_set(Irq *irq, bool level)
{
    bool was = atomic_exchange(&irq->level, level);

    if (was == level)
        return;
    if (irq->hv->ops->irq_level)
        irq->hv->ops->irq_level(irq->hv, irq, level);
    else if (level)
        irq_signal(irq->event_fd);
}

int irq_eventfd(Irq *irq)
{
    return irq->event_fd;
}

void irq_msi_set(Irq *irq, uint64_t addr, uint32_t data, bool masked)
{
    Hv *hv = irq->hv;

    MUTEX_SCOPE(&hv->lock);
    if (hv->ops->irq_route)
        hv->ops->irq_route(hv, irq);
    irq->msi_addr = addr;
    irq->msi_data = data;
    irq->masked = masked;
    irq->changed = true;
    if (!masked)
        gsi_set(&hv->gsi, irq->gsi, addr, data);
}

int irq_commit(Hv *hv)
{
    int ret = 0;

    MUTEX_SCOPE(&hv->lock);
    /* Off before the routes change, on after: no message to a stale place. */
    list_for_each(pos, &hv->irqs)
    {
        Irq *irq = container_of(pos, Irq, link);

        if (irq->changed && irq->masked)
            irq_detach_locked(irq);
    }
    if (hv->gsi.dirty) {
        ret = hv->ops->commit(hv);
        if (ret < 0)
            return ret;
        hv->gsi.dirty = false;
    }
    list_for_each(pos, &hv->irqs)
    {
        Irq *irq = container_of(pos, Irq, link);
        int r = 0;

        if (irq->changed && !irq->masked)
            r = irq_attach_locked(irq);
        irq->changed = false;
        if (r < 0)
            ret = r;
    }
    return ret;
}
