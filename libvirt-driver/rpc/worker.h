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
void worker_pool_free(WorkerPool *pool);
void worker_pool_push(WorkerPool *pool, gboolean urgent, WorkerFn fn,
                      gpointer user);
