/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bus/park.c - vCPUs that wait for work of theirs on another loop.
 *
 * A handler that posted a Deferred returns at once; its vCPU then waits in
 * bus_cpu_park() until the loop says done, or until pause, reset or quit kicks
 * it away (it parks again before it runs on, so the order the guest sees is
 * kept).
 */
#include <config.h>

#include "bus/bus.h"

#include "util/cleanup.h"

static _Thread_local BusCpu *self;

void bus_cpu_init(BusCpu *cpu)
{
    pthread_mutex_init(&cpu->lock, NULL);
    pthread_cond_init(&cpu->cond, NULL);
    cpu->pending = 0;
    cpu->kicked = false;
}

void bus_cpu_fini(BusCpu *cpu)
{
    pthread_cond_destroy(&cpu->cond);
    pthread_mutex_destroy(&cpu->lock);
}

void bus_cpu_enter(BusCpu *cpu)
{
    self = cpu;
}

bool bus_cpu_park(BusCpu *cpu)
{
    MUTEX_SCOPE(&cpu->lock);
    while (cpu->pending && !cpu->kicked)
        pthread_cond_wait(&cpu->cond, &cpu->lock);
    return cpu->pending == 0;
}

void bus_cpu_kick(BusCpu *cpu)
{
    MUTEX_SCOPE(&cpu->lock);
    cpu->kicked = true;
    pthread_cond_broadcast(&cpu->cond);
}

void bus_cpu_unkick(BusCpu *cpu)
{
    MUTEX_SCOPE(&cpu->lock);
    cpu->kicked = false;
}

static void run(void *opaque)
{
    Deferred *d = opaque;

    d->fn(d->opaque);
}

void deferred_init(Deferred *d, LoopFn *fn, void *opaque)
{
    *d = (Deferred){ .fn = fn, .opaque = opaque };
    work_init(&d->work, run, d);
}

bool deferred_post(Deferred *d, Loop *loop)
{
    if (d->busy)
        return false;
    d->busy = true;
    d->loop = loop;
    d->cpu = self;
    if (d->cpu) {
        pthread_mutex_lock(&d->cpu->lock);
        d->cpu->pending++;
        pthread_mutex_unlock(&d->cpu->lock);
    }
    loop_post(loop, &d->work);
    return true;
}

void deferred_done(Deferred *d, pthread_mutex_t *lock)
{
    BusCpu *cpu;

    pthread_mutex_lock(lock);
    cpu = d->cpu;
    d->cpu = NULL;
    d->busy = false;
    pthread_mutex_unlock(lock);
    if (!cpu)
        return;
    MUTEX_SCOPE(&cpu->lock);
    cpu->pending--;
    pthread_cond_broadcast(&cpu->cond);
}
