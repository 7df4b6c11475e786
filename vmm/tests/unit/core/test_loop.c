/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Unit tests of core/: loop turns, timers, posted work, retirement. */
#include <config.h>

#include "core/clock.h"
#include "core/loop.h"
#include "core/quiesce.h"
#include "core/thread.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct Fixture {
    Loop *loop;
    Thread thread;
    LoopFd a, b;
    int pa[2], pb[2];
    int calls;
    Timer timer;
    Work work;
} Fixture;

static int setup(void **state)
{
    Fixture *f = calloc(1, sizeof(*f));
    Err e = ERR_INIT;

    assert_int_equal(loop_new(&f->loop, "test", &e), 0);
    assert_int_equal(pipe(f->pa), 0);
    assert_int_equal(pipe(f->pb), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    Fixture *f = *state;

    loop_free(f->loop);
    for (int i = 0; i < 2; i++) {
        close(f->pa[i]);
        close(f->pb[i]);
    }
    free(f);
    return 0;
}

static void delete_both(void *opaque, uint32_t events)
{
    Fixture *f = opaque;

    f->calls++;
    loop_fd_del(&f->a);
    loop_fd_del(&f->b);
}

static void a_handler_may_delete_another_ready_one(void **state)
{
    Fixture *f = *state;
    Err e = ERR_INIT;

    loop_fd_add(f->loop, &f->a, f->pa[0], EPOLLIN, delete_both, f, &e);
    loop_fd_add(f->loop, &f->b, f->pb[0], EPOLLIN, delete_both, f, &e);
    assert_int_equal(write(f->pa[1], "x", 1), 1);
    assert_int_equal(write(f->pb[1], "x", 1), 1);
    loop_turn(f->loop, 1000);
    assert_int_equal(f->calls, 1);
    loop_turn(f->loop, 0);
    assert_int_equal(f->calls, 1);
}

static void count(void *opaque)
{
    Fixture *f = opaque;

    f->calls++;
}

static void count_and_repost(void *opaque)
{
    Fixture *f = opaque;

    f->calls++;
    loop_post(f->loop, &f->work);
}

static void work_may_post_itself(void **state)
{
    Fixture *f = *state;

    work_init(&f->work, count_and_repost, f);
    assert_true(loop_post(f->loop, &f->work));
    assert_false(loop_post(f->loop, &f->work));
    loop_turn(f->loop, 0);
    loop_turn(f->loop, 0);
    assert_int_equal(f->calls, 2);
    loop_unpost(f->loop, &f->work);
    loop_turn(f->loop, 0);
    assert_int_equal(f->calls, 2);
}

static void timers_run_by_deadline(void **state)
{
    Fixture *f = *state;
    Timer later;

    timer_init(&f->timer, f->loop, count, f);
    timer_init(&later, f->loop, count, f);
    timer_set(&later, clock_now_ns() + INT64_C(3600000000000));
    timer_set(&f->timer, clock_now_ns());
    assert_int_equal(loop_next_deadline_all(), f->timer.deadline_ns);
    loop_turn(f->loop, 0);
    assert_int_equal(f->calls, 1);
    assert_false(timer_pending(&f->timer));
    assert_true(timer_pending(&later));
    timer_del(&later);
    assert_int_equal(loop_next_deadline_all(), INT64_MAX);
}

static void *run(void *arg)
{
    Fixture *f = arg;

    loop_run(f->loop);
    return NULL;
}

static void a_thread_runs_and_stops(void **state)
{
    Fixture *f = *state;
    Err e = ERR_INIT;

    thread_kick_init();
    work_init(&f->work, count, f);
    assert_int_equal(thread_start(&f->thread, ROLE_IO, "io", run, f, &e), 0);
    loop_post(f->loop, &f->work);
    loop_drain_all();
    assert_int_equal(f->calls, 1);
    loop_stop(f->loop);
    thread_join(&f->thread);
}

static void note_freed(void *arg)
{
    *(bool *)arg = true;
}

static void retired_is_freed_after_readers(void **state)
{
    Quiescer q;
    bool freed = false;

    qs_register(&q);
    qs_online(&q);
    qs_retire(note_freed, &freed);
    qs_poll();
    assert_false(freed);
    qs_offline(&q);
    qs_online(&q);
    qs_poll();
    assert_true(freed);
    qs_offline(&q);
    qs_unregister(&q);
}

static void virtual_time_moves_by_hand(void **state)
{
    Fixture *f = *state;

    clock_use_virtual();
    assert_int_equal(clock_now_ns(), 0);
    timer_init(&f->timer, f->loop, count, f);
    timer_set(&f->timer, 100);
    loop_turn(f->loop, 0);
    assert_int_equal(f->calls, 0);
    clock_set_virtual(100);
    clock_set_virtual(50); /* never backwards */
    assert_int_equal(clock_now_ns(), 100);
    loop_turn(f->loop, 1000);
    loop_turn(f->loop, 0);
    assert_int_equal(f->calls, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_handler_may_delete_another_ready_one,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(work_may_post_itself, setup, teardown),
        cmocka_unit_test_setup_teardown(timers_run_by_deadline, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_thread_runs_and_stops, setup,
                                        teardown),
        cmocka_unit_test(retired_is_freed_after_readers),
        cmocka_unit_test_setup_teardown(virtual_time_moves_by_hand, setup,
                                        teardown), /* last: stays virtual */
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
