/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A bounded pool of threads with some that take urgent jobs alone. */
#include <config.h>

#include "rpc/worker.h"

#include "util/error.h"
#include "util/log.h"

typedef struct Job {
    WorkerFn fn;
    gpointer user;
} Job;

struct WorkerPool {
    GMutex lock;
    GCond any;         /* wakes ordinary threads */
    GCond urgent_only; /* wakes priority threads */
    GQueue normal;     /* of Job */
    GQueue urgent;     /* of Job */
    GPtrArray *threads;
    guint ordinary; /* threads that take any job */
    guint priority; /* threads that take urgent jobs alone */
    guint idle;     /* ordinary threads that wait */
    guint idle_prio;
    guint min;
    guint max;
    guint prio;
    gboolean stopping;
};

static void job_run(WorkerPool *pool, Job *job)
{
    g_mutex_unlock(&pool->lock);
    job->fn(job->user);
    g_free(job);
    g_mutex_lock(&pool->lock);
}

static gpointer ordinary_thread(gpointer data)
{
    WorkerPool *pool = data;
    Job *job;

    g_mutex_lock(&pool->lock);
    for (;;) {
        job = g_queue_pop_head(&pool->urgent);
        if (!job)
            job = g_queue_pop_head(&pool->normal);
        if (job) {
            job_run(pool, job);
            continue;
        }
        if (pool->stopping || pool->ordinary > pool->max)
            break;
        pool->idle++;
        g_cond_wait(&pool->any, &pool->lock);
        pool->idle--;
    }
    pool->ordinary--;
    g_mutex_unlock(&pool->lock);
    return NULL;
}

static gpointer priority_thread(gpointer data)
{
    WorkerPool *pool = data;
    Job *job;

    g_mutex_lock(&pool->lock);
    for (;;) {
        job = g_queue_pop_head(&pool->urgent);
        if (job) {
            job_run(pool, job);
            continue;
        }
        if (pool->stopping || pool->priority > pool->prio)
            break;
        pool->idle_prio++;
        g_cond_wait(&pool->urgent_only, &pool->lock);
        pool->idle_prio--;
    }
    pool->priority--;
    g_mutex_unlock(&pool->lock);
    return NULL;
}

/* Called with the lock held. */
static gboolean thread_start(WorkerPool *pool, GThreadFunc fn, GError **error)
{
    g_autoptr(GError) err = NULL;
    GThread *thread = g_thread_try_new(
        fn == priority_thread ? "rpc-prio" : "rpc-worker", fn, pool, &err);

    if (!thread)
        return vir_error_set(error, VIR_ERR_OPERATION_FAILED,
                             "cannot start a worker thread: %s", err->message);
    g_ptr_array_add(pool->threads, thread);
    if (fn == ordinary_thread)
        pool->ordinary++;
    else
        pool->priority++;
    return TRUE;
}

/* Called with the lock held. */
static gboolean threads_fill(WorkerPool *pool, GError **error)
{
    while (pool->ordinary < pool->min) {
        if (!thread_start(pool, ordinary_thread, error))
            return FALSE;
    }
    while (pool->priority < pool->prio) {
        if (!thread_start(pool, priority_thread, error))
            return FALSE;
    }
    return TRUE;
}

gboolean worker_pool_resize(WorkerPool *pool, guint min, guint max, guint prio,
                            GError **error)
{
    gboolean ok;

    g_mutex_lock(&pool->lock);
    pool->max = MAX(max, 1);
    pool->min = CLAMP(min, 1, pool->max);
    pool->prio = prio;
    ok = threads_fill(pool, error);
    g_cond_broadcast(&pool->any);
    g_cond_broadcast(&pool->urgent_only);
    g_mutex_unlock(&pool->lock);
    return ok;
}

WorkerPool *worker_pool_new(guint min, guint max, guint prio, GError **error)
{
    WorkerPool *pool = g_new0(WorkerPool, 1);

    g_mutex_init(&pool->lock);
    g_cond_init(&pool->any);
    g_cond_init(&pool->urgent_only);
    pool->threads = g_ptr_array_new();
    if (!worker_pool_resize(pool, min, max, prio, error))
        g_clear_pointer(&pool, worker_pool_free);
    return pool;
}

void worker_pool_get_info(WorkerPool *pool, WorkerPoolInfo *ret_info)
{
    g_mutex_lock(&pool->lock);
    ret_info->min = pool->min;
    ret_info->max = pool->max;
    ret_info->prio = pool->prio;
    ret_info->free = pool->idle;
    ret_info->current = pool->ordinary;
    ret_info->depth = pool->urgent.length + pool->normal.length;
    g_mutex_unlock(&pool->lock);
}

void worker_pool_stop(WorkerPool *pool)
{
    g_mutex_lock(&pool->lock);
    pool->stopping = TRUE;
    g_cond_broadcast(&pool->any);
    g_cond_broadcast(&pool->urgent_only);
    g_mutex_unlock(&pool->lock);
    /* no thread starts any more, so that the array stays as it is */
    for (guint i = 0; i < pool->threads->len; i++)
        g_thread_join(g_ptr_array_index(pool->threads, i));
    g_ptr_array_set_size(pool->threads, 0);
}

void worker_pool_free(WorkerPool *pool)
{
    if (!pool)
        return;
    worker_pool_stop(pool);
    g_ptr_array_unref(pool->threads);
    g_cond_clear(&pool->any);
    g_cond_clear(&pool->urgent_only);
    g_mutex_clear(&pool->lock);
    g_free(pool);
}

gboolean worker_pool_push(WorkerPool *pool, gboolean urgent, WorkerFn fn,
                          gpointer user)
{
    g_autoptr(GError) error = NULL;
    Job *job = g_new(Job, 1);
    guint waiting;
    guint available;

    *job = (Job){ fn, user };
    g_mutex_lock(&pool->lock);
    if (pool->stopping) {
        g_mutex_unlock(&pool->lock);
        g_free(job);
        return FALSE;
    }
    g_queue_push_tail(urgent ? &pool->urgent : &pool->normal, job);
    waiting = pool->urgent.length + pool->normal.length;
    available = pool->idle + (urgent ? pool->idle_prio : 0);
    /* A thread that was woken but did not run yet still counts as idle, hence
     * the comparison with all that wait. */
    if (waiting > available && pool->ordinary < pool->max &&
        !thread_start(pool, ordinary_thread, &error))
        log_gerror(error);
    g_cond_signal(&pool->any);
    if (urgent)
        g_cond_signal(&pool->urgent_only);
    g_mutex_unlock(&pool->lock);
    return TRUE;
}
