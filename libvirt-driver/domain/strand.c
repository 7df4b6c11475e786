/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Strands: each domain's tasks, one after the other, on shared threads. */
#include <config.h>

#include "domain/domain_priv.h"

#include "util/error.h"

enum {
    STRAND_THREADS = 32,
    STRAND_BATCH = 16, /* tasks of one domain before others have a turn */
};

typedef struct StrandTask {
    StrandFn fn;
    gpointer data;
} StrandTask;

struct DomainTimer {
    gatomicrefcount refs; /* starter, loop, posted task */
    Domain *dom;          /* owned */
    guint delay_ms;
    StrandFn fn;
    gpointer data;
    gboolean stopped; /* strand */
    EvTimer *timer;   /* loop */
};

/* The next task; NULL leaves the strand unscheduled. */
static StrandTask *strand_next(Domain *dom)
{
    Driver *drv = dom->drv;
    StrandTask *task;

    g_mutex_lock(&drv->strand_lock);
    task = g_queue_pop_head(&dom->tasks);
    if (!task)
        dom->scheduled = FALSE;
    g_mutex_unlock(&drv->strand_lock);
    return task;
}

static void task_done(Driver *drv)
{
    g_mutex_lock(&drv->strand_lock);
    if (--drv->tasks_pending == 0)
        g_cond_broadcast(&drv->strand_idle);
    g_mutex_unlock(&drv->strand_lock);
}

/* A pool thread works off a part of one domain's queue. The push came with
 * a reference. */
static void strand_run(gpointer data, gpointer user)
{
    Domain *dom = data;
    Driver *drv = user;

    for (int i = 0; i < STRAND_BATCH; i++) {
        StrandTask *task = strand_next(dom);

        if (!task) {
            domain_unref(dom);
            return;
        }
        task->fn(dom, task->data);
        g_free(task);
        task_done(drv);
    }
    g_thread_pool_push(drv->pool, dom, NULL);
}

void domain_post(Domain *dom, StrandFn fn, gpointer data)
{
    Driver *drv = dom->drv;
    StrandTask *task = g_new(StrandTask, 1);
    gboolean push;

    task->fn = fn;
    task->data = data;
    g_mutex_lock(&drv->strand_lock);
    drv->tasks_pending++;
    g_queue_push_tail(&dom->tasks, task);
    push = !dom->scheduled;
    dom->scheduled = TRUE;
    g_mutex_unlock(&drv->strand_lock);
    if (push)
        g_thread_pool_push(drv->pool, domain_ref(dom), NULL);
}

gboolean strands_start(Driver *drv, GError **error)
{
    g_autoptr(GError) err = NULL;

    drv->pool = g_thread_pool_new(strand_run, drv, STRAND_THREADS, FALSE, &err);
    if (!drv->pool)
        return vir_error_set(error, VIR_ERR_OPERATION_FAILED,
                             "cannot start threads: %s", err->message);
    return TRUE;
}

static void strands_wait(Driver *drv)
{
    g_mutex_lock(&drv->strand_lock);
    while (drv->tasks_pending > 0)
        g_cond_wait(&drv->strand_idle, &drv->strand_lock);
    g_mutex_unlock(&drv->strand_lock);
}

static void do_nothing(gpointer unused)
{
}

static gboolean strands_idle(Driver *drv)
{
    gboolean idle;

    g_mutex_lock(&drv->strand_lock);
    idle = drv->tasks_pending == 0;
    g_mutex_unlock(&drv->strand_lock);
    return idle;
}

/* Tasks post to the loop and the loop posts tasks; what they started before
 * ends, so at some time a round passes without a new task. */
void strands_drain(Driver *drv)
{
    do {
        strands_wait(drv);
        ev_loop_call(drv->loop, do_nothing, NULL);
    } while (!strands_idle(drv));
}

/* ---- Timers ----------------------------------------------------------- */

static void timer_unref(DomainTimer *timer)
{
    if (!g_atomic_ref_count_dec(&timer->refs))
        return;
    domain_unref(timer->dom);
    g_free(timer);
}

static DomainTimer *timer_ref(DomainTimer *timer)
{
    g_atomic_ref_count_inc(&timer->refs);
    return timer;
}

static void timer_task(Domain *dom, gpointer data)
{
    DomainTimer *timer = data;

    if (!timer->stopped)
        timer->fn(dom, timer->data);
    timer_unref(timer);
}

/* The loop's reference goes to the task. */
static void timer_fired(gpointer data)
{
    DomainTimer *timer = data;

    timer->timer = NULL;
    domain_post(timer->dom, timer_task, timer);
}

static void timer_add(gpointer data)
{
    DomainTimer *timer = data;

    timer->timer = ev_timer_add(timer->dom->drv->loop, timer->delay_ms,
                                timer_fired, timer);
}

DomainTimer *domain_timer_start(Domain *dom, guint delay_ms, StrandFn fn,
                                gpointer data)
{
    DomainTimer *timer = g_new0(DomainTimer, 1);

    g_atomic_ref_count_init(&timer->refs);
    timer->dom = domain_ref(dom);
    timer->delay_ms = delay_ms;
    timer->fn = fn;
    timer->data = data;
    ev_loop_post(dom->drv->loop, timer_add, timer_ref(timer));
    return timer;
}

static void timer_cancel(gpointer data)
{
    DomainTimer *timer = data;

    if (timer->timer) {
        ev_timer_del(timer->timer);
        timer_unref(timer); /* the loop's */
    }
    timer_unref(timer);
}

void domain_timer_stop(DomainTimer *timer)
{
    if (!timer)
        return;
    timer->stopped = TRUE;
    /* The starter's reference travels along. */
    ev_loop_post(timer->dom->drv->loop, timer_cancel, timer);
}
