/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* core/pool.h - helper threads for calls that may block. */
#pragma once

#include "core/loop.h"
#include "util/err.h"
#include "util/list.h"

#include <stdbool.h>

/*
 * How this works
 *
 * One pool per process.  A PoolJob is embedded in its owner's struct; its
 * function runs on a helper thread (ROLE_POOL) and may block, its done
 * function runs later on the loop that submitted it.  Threads start on demand,
 * up to a limit; jobs beyond it wait their turn.
 *
 * A thread inherits the seccomp filter of the one that starts it, so helpers
 * are started on the main loop only: a submit from an I/O thread posts that
 * wish there.  When the pool is still without a thread because none can be
 * started, waiting jobs end with -EAGAIN.
 */
typedef struct PoolJob PoolJob;

struct PoolJob {
    int (*fn)(PoolJob *job);             /* helper thread; may block */
    void (*done)(PoolJob *job, int res); /* the submitting loop */

    /* The pool's own. */
    List link;
    Loop *loop;
    Work work;
    int res;
    bool taken; /* a helper runs it; under the pool's lock */
};

#define POOL_THREADS_DEFAULT 16

/**
 * pool_start() - Make the pool; threads come with the first jobs
 * @main_loop:   where helper threads are started from; outlives the pool
 * @max_threads: 1 to POOL_THREADS_MAX
 *
 * Thread: main, once, before a loop uses it
 */
#define POOL_THREADS_MAX 64
int pool_start(Loop *main_loop, unsigned max_threads, Err *e);
bool pool_started(void);

/**
 * pool_stop() - Ends idle helpers and gives up on jobs not begun
 *
 * Does not wait for a job that is being run: its done function is not called
 * any more and its memory must stay (the process is about to end).
 * Return: number of helpers that are still in a call
 */
unsigned pool_stop(void);

/**
 * pool_submit() - Run @job->fn on a helper, then @job->done on @loop
 *
 * Thread: any; does not block
 */
void pool_submit(PoolJob *job, Loop *loop);

/**
 * pool_cancel() - Take back a job that no helper has begun
 *
 * Return: true when it was taken back; done is not called then
 */
bool pool_cancel(PoolJob *job);
