/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Event loop: order of posts, watches, timers, deletion inside a batch. */
#include <config.h>

#include "util/ev_loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct Env {
    EvLoop *loop;
    GString *seen;
    EvWatch *a, *b;
    EvTimer *late;
    int pipe_a[2], pipe_b[2];
    GMutex lock;
    GCond cond;
    gboolean done;
} Env;

static int setup(void **state)
{
    Env *env = g_new0(Env, 1);

    alarm(60);
    env->loop = ev_loop_new("test", NULL);
    env->seen = g_string_new(NULL);
    assert_non_null(env->loop);
    assert_int_equal(pipe(env->pipe_a), 0);
    assert_int_equal(pipe(env->pipe_b), 0);
    *state = env;
    return 0;
}

static int teardown(void **state)
{
    Env *env = *state;

    ev_loop_free(env->loop);
    g_string_free(env->seen, TRUE);
    for (int i = 0; i < 2; i++) {
        close(env->pipe_a[i]);
        close(env->pipe_b[i]);
    }
    g_free(env);
    return 0;
}

static void finish(Env *env)
{
    g_mutex_lock(&env->lock);
    env->done = TRUE;
    g_cond_signal(&env->cond);
    g_mutex_unlock(&env->lock);
}

static void wait_done(Env *env)
{
    g_mutex_lock(&env->lock);
    while (!env->done)
        g_cond_wait(&env->cond, &env->lock);
    g_mutex_unlock(&env->lock);
}

static void say_a(gpointer user)
{
    g_string_append_c(((Env *)user)->seen, 'a');
}

static void say_b(gpointer user)
{
    g_string_append_c(((Env *)user)->seen, 'b');
}

static void posts_run_in_order(void **state)
{
    Env *env = *state;

    for (int i = 0; i < 100; i++) {
        ev_loop_post(env->loop, say_a, env);
        ev_loop_call(env->loop, say_b, env);
    }
    assert_int_equal(env->seen->len, 200);
    for (int i = 0; i < 200; i += 2)
        assert_memory_equal(env->seen->str + i, "ab", 2);
}

/* Both are ready in one batch; whoever comes first deletes the other. */
static void a_ready(gpointer user, guint32 events)
{
    Env *env = user;

    assert_true(events & EPOLLIN);
    say_a(env);
    g_clear_pointer(&env->b, ev_watch_del);
    g_clear_pointer(&env->a, ev_watch_del);
}

static void add_watches(gpointer user)
{
    Env *env = user;

    env->a = ev_watch_add(env->loop, env->pipe_a[0], EPOLLIN, a_ready, env);
    env->b = ev_watch_add(env->loop, env->pipe_b[0], EPOLLIN, a_ready, env);
    assert_non_null(env->a);
    assert_null(ev_watch_add(env->loop, -1, EPOLLIN, a_ready, env));
}

static void timer_done(gpointer user)
{
    finish(user);
}

static void add_timer(gpointer user)
{
    Env *env = user;

    ev_timer_add(env->loop, 10, timer_done, env);
}

static void deleted_watch_is_not_called(void **state)
{
    Env *env = *state;

    assert_int_equal(write(env->pipe_a[1], "x", 1), 1);
    assert_int_equal(write(env->pipe_b[1], "x", 1), 1);
    ev_loop_call(env->loop, add_watches, env);
    ev_loop_call(env->loop, add_timer, env);
    wait_done(env);
    assert_string_equal(env->seen->str, "a");
}

static void first_timer(gpointer user)
{
    Env *env = user;

    say_a(env);
    ev_timer_del(env->late);
}

static void add_timers(gpointer user)
{
    Env *env = user;

    ev_timer_add(env->loop, 30, timer_done, env);
    env->late = ev_timer_add(env->loop, 20, say_b, env);
    ev_timer_add(env->loop, 0, first_timer, env);
    ev_timer_add(env->loop, 25, say_a, env);
}

static void timers_run_in_order_and_can_be_deleted(void **state)
{
    Env *env = *state;

    ev_loop_call(env->loop, add_timers, env);
    wait_done(env);
    assert_string_equal(env->seen->str, "aa");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(posts_run_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(deleted_watch_is_not_called, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(timers_run_in_order_and_can_be_deleted,
                                        setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
