/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A bounded pool of threads with some that take urgent jobs alone.
 *
 * Ordinary threads take any job, urgent ones first; the extra priority threads
 * take urgent jobs only, so that these run while all others are busy.  Threads
 * beyond the minimum start when a job finds nobody idle.
 */
#pragma once

#include <glib.h>

typedef struct WorkerPool WorkerPool;
typedef void (*WorkerFn)(gpointer user);

/**
 * worker_pool_new() - Start a pool
 * @min:  ordinary threads from the start
 * @max:  ordinary threads at most, at least 1
 * @prio: threads for urgent jobs
 */
WorkerPool *worker_pool_new(guint min, guint max, guint prio, GError **error);
/* Runs what is queued, then joins the threads; not from a job. */
void worker_pool_stop(WorkerPool *pool);
/* Stops it if that did not happen yet. */
void worker_pool_free(WorkerPool *pool);
/* FALSE: the pool is stopped and the job will not run. */
gboolean worker_pool_push(WorkerPool *pool, gboolean urgent, WorkerFn fn,
                          gpointer user);

typedef struct WorkerPoolInfo {
    guint min;
    guint max;
    guint prio;    /* priority threads wanted */
    guint free;    /* ordinary threads without a job */
    guint current; /* ordinary threads */
    guint depth;   /* jobs that wait */
} WorkerPoolInfo;

void worker_pool_get_info(WorkerPool *pool, WorkerPoolInfo *ret_info);

/**
 * worker_pool_resize() - Change the numbers of threads
 *
 * Threads above the new numbers end when they have no job.
 */
gboolean worker_pool_resize(WorkerPool *pool, guint min, guint max, guint prio,
                            GError **error);
