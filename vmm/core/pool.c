/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* core/pool.c - the helper threads; see core/pool.h for the model. */
#include <config.h>

#include "core/pool.h"

#include "core/thread.h"
#include "util/cleanup.h"
#include "util/log.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

typedef struct Helper {
    Thread thread;
    bool busy; /* in a job's function; under the pool's lock */
} Helper;

/* One per process: the limit on threads is the process's. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    Loop *main_loop; /* borrowed; NULL: no pool */
    unsigned max;
    unsigned num;  /* helpers started */
    unsigned idle; /* of them, waiting */
    List jobs;     /* not begun */
    unsigned num_jobs;
    Work grow;
    bool stop;
    Helper helpers[POOL_THREADS_MAX];
} pool = {
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .cond = PTHREAD_COND_INITIALIZER,
};

static PoolJob *take_job(Helper *helper)
{
    PoolJob *job;

    helper->busy = false;
    pool.idle++;
    while (!pool.num_jobs && !pool.stop)
        pthread_cond_wait(&pool.cond, &pool.lock);
    pool.idle--;
    if (pool.stop)
        return NULL;
    job = container_of(pool.jobs.next, PoolJob, link);
    list_del(&job->link);
    pool.num_jobs--;
    job->taken = true;
    helper->busy = true;
    return job;
}

static void *helper_main(void *arg)
{
    Helper *helper = arg;
    PoolJob *job;

    MUTEX_SCOPE(&pool.lock);
    while ((job = take_job(helper))) {
        pthread_mutex_unlock(&pool.lock);
        job->res = job->fn(job);
        pthread_mutex_lock(&pool.lock);
        if (!pool.stop)
            loop_post(job->loop, &job->work);
    }
    return NULL;
}

static void job_done(void *opaque)
{
    PoolJob *job = opaque;

    job->done(job, job->res);
}

/* No helper can be had: nobody would ever run these. */
static void fail_jobs(void)
{
    while (pool.num_jobs) {
        PoolJob *job = container_of(pool.jobs.next, PoolJob, link);

        list_del(&job->link);
        pool.num_jobs--;
        job->taken = true;
        job->res = -EAGAIN;
        loop_post(job->loop, &job->work);
    }
}

static bool want_helper(void)
{
    return pool.num_jobs > pool.idle && pool.num < pool.max;
}

/* On the main loop. */
static void grow(void *opaque)
{
    Err e = ERR_INIT;

    MUTEX_SCOPE(&pool.lock);
    /* A new helper is idle only once it runs: start one for each job. */
    for (unsigned want = pool.num_jobs; want && want_helper(); want--) {
        Helper *helper = &pool.helpers[pool.num];
        char name[16];

        snprintf(name, sizeof(name), "pool-%u", pool.num);
        helper->busy = false;
        if (thread_start(&helper->thread, ROLE_POOL, name, helper_main, helper,
                         &e) < 0) {
            log_warn("%s", e.msg);
            if (!pool.num)
                fail_jobs();
            return;
        }
        pool.num++;
    }
}

int pool_start(Loop *main_loop, unsigned max_threads, Err *e)
{
    if (max_threads < 1 || max_threads > POOL_THREADS_MAX)
        return err_set(e, EINVAL, "a pool has 1 to %d helper threads, not %u",
                       POOL_THREADS_MAX, max_threads);
    if (pool.main_loop)
        return err_set(e, EBUSY, "the helper pool exists already");
    pool.max = max_threads;
    pool.num = pool.idle = pool.num_jobs = 0;
    pool.stop = false;
    list_init(&pool.jobs);
    work_init(&pool.grow, grow, NULL);
    pool.main_loop = main_loop;
    return 0;
}

bool pool_started(void)
{
    return pool.main_loop;
}

unsigned pool_stop(void)
{
    unsigned busy = 0;

    if (!pool.main_loop)
        return 0;
    pthread_mutex_lock(&pool.lock);
    pool.stop = true;
    while (pool.num_jobs) {
        list_del(pool.jobs.next);
        pool.num_jobs--;
    }
    pthread_cond_broadcast(&pool.cond);
    for (unsigned i = 0; i < pool.num; i++) {
        /* Read under the lock: a helper that is not busy now never will be. */
        bool leave = pool.helpers[i].busy;

        busy += leave;
        if (leave)
            continue;
        pthread_mutex_unlock(&pool.lock);
        thread_join(&pool.helpers[i].thread);
        pthread_mutex_lock(&pool.lock);
    }
    pthread_mutex_unlock(&pool.lock);
    loop_unpost(pool.main_loop, &pool.grow);
    pool.main_loop = NULL;
    return busy;
}

void pool_submit(PoolJob *job, Loop *loop)
{
    bool more;

    assert(pool.main_loop);
    job->loop = loop;
    job->taken = false;
    job->res = 0;
    work_init(&job->work, job_done, job);
    pthread_mutex_lock(&pool.lock);
    list_add_tail(&pool.jobs, &job->link);
    pool.num_jobs++;
    if (pool.idle)
        pthread_cond_signal(&pool.cond);
    more = want_helper();
    pthread_mutex_unlock(&pool.lock);
    if (more)
        loop_post(pool.main_loop, &pool.grow);
}

bool pool_cancel(PoolJob *job)
{
    MUTEX_SCOPE(&pool.lock);
    if (job->taken)
        return false;
    list_del(&job->link);
    pool.num_jobs--;
    return true;
}
