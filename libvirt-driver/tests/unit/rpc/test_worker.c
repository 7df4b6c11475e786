/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Unit tests of rpc/worker. */
#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "rpc/worker.h"

static GMutex lock;
static GCond cond;
static guint running;
static guint done;
static gboolean let_go;

static int setup(void **state)
{
    running = done = 0;
    let_go = FALSE;
    return 0;
}

static void hold(gpointer user)
{
    g_mutex_lock(&lock);
    running++;
    g_cond_broadcast(&cond);
    while (!let_go)
        g_cond_wait(&cond, &lock);
    running--;
    done++;
    g_cond_broadcast(&cond);
    g_mutex_unlock(&lock);
}

static void quick(gpointer user)
{
    g_mutex_lock(&lock);
    done++;
    g_cond_broadcast(&cond);
    g_mutex_unlock(&lock);
}

static void wait_for(const guint *value, guint want)
{
    g_mutex_lock(&lock);
    while (*value != want) /* bounded by the alarm in main */
        g_cond_wait(&cond, &lock);
    g_mutex_unlock(&lock);
}

static void release(void)
{
    g_mutex_lock(&lock);
    let_go = TRUE;
    g_cond_broadcast(&cond);
    g_mutex_unlock(&lock);
}

static void test_limits(void **state)
{
    WorkerPool *pool = worker_pool_new(1, 3, 1, NULL);
    WorkerPoolInfo info;

    for (int i = 0; i < 10; i++)
        assert_true(worker_pool_push(pool, FALSE, hold, NULL));
    wait_for(&running, 3);
    /* all ordinary threads are taken, urgent jobs still run */
    for (int i = 0; i < 5; i++)
        assert_true(worker_pool_push(pool, TRUE, quick, NULL));
    wait_for(&done, 5);
    worker_pool_get_info(pool, &info);
    assert_int_equal(info.current, 3);
    assert_int_equal(info.free, 0);
    assert_int_equal(info.depth, 7);
    release();
    wait_for(&done, 15);
    worker_pool_free(pool);
}

static void test_stop_runs_the_rest(void **state)
{
    WorkerPool *pool = worker_pool_new(1, 1, 0, NULL);

    for (int i = 0; i < 20; i++)
        assert_true(worker_pool_push(pool, i % 2, quick, NULL));
    worker_pool_stop(pool);
    assert_int_equal(done, 20);
    assert_false(worker_pool_push(pool, FALSE, quick, NULL));
    worker_pool_free(pool);
}

static void test_resize(void **state)
{
    WorkerPool *pool = worker_pool_new(1, 1, 0, NULL);
    WorkerPoolInfo info;

    for (int i = 0; i < 4; i++)
        worker_pool_push(pool, FALSE, hold, NULL);
    wait_for(&running, 1);
    assert_true(worker_pool_resize(pool, 4, 4, 2, NULL));
    wait_for(&running, 4);
    assert_true(worker_pool_resize(pool, 1, 2, 0, NULL));
    release();
    wait_for(&done, 4);
    for (;;) { /* bounded by the alarm */
        worker_pool_get_info(pool, &info);
        if (info.current == 2)
            break;
        g_usleep(1000);
    }
    assert_int_equal(info.min, 1);
    assert_int_equal(info.prio, 0);
    worker_pool_push(pool, TRUE, quick, NULL);
    wait_for(&done, 5);
    worker_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_limits, setup),
        cmocka_unit_test_setup(test_stop_runs_the_rest, setup),
        cmocka_unit_test_setup(test_resize, setup),
    };

    alarm(120); /* whatever happens, the test ends */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
