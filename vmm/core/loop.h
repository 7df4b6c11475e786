/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* core/loop.h - the one event loop: descriptors, timers, posted work. */
#pragma once

#include "util/err.h"
#include "util/list.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

/*
 * How this works
 *
 * A Loop is an epoll set with a timer list and a queue of posted work.  The
 * main thread runs one, and so does every I/O thread.  Everything here but
 * loop_post(), loop_wake() and loop_in() is for the loop's own thread, or for
 * any thread while the loop does not run yet.
 *
 * One turn: run posted work, run due timers, run the before-wait hooks (a hook
 * flushes what the turn queued, an io_uring submit for example), wait, call
 * the handlers of ready descriptors.  All structs are embedded in their
 * owner's, so nothing here allocates while the machine runs.
 */
typedef struct Loop Loop;

typedef void LoopFdFn(void *opaque, uint32_t events);
typedef void LoopFn(void *opaque);

typedef struct LoopFd {
    Loop *loop;      /* NULL: not added */
    int fd;          /* borrowed */
    uint32_t events; /* EPOLLIN... */
    LoopFdFn *fn;
    void *opaque;
} LoopFd;

typedef struct Timer {
    List link; /* in the loop's list, by deadline */
    Loop *loop;
    int64_t deadline_ns; /* on clock_now_ns() */
    LoopFn *fn;
    void *opaque;
} Timer;

typedef struct Work {
    List link;
    atomic_bool queued;
    LoopFn *fn;
    void *opaque;
} Work;

typedef struct LoopHook {
    List link;
    LoopFn *fn;
    void *opaque;
} LoopHook;

int loop_new(Loop **ret_loop, const char *name, Err *e);
void loop_free(Loop *loop); /* not running, nothing added */
const char *loop_name(const Loop *loop);

/* Runs turns on the calling thread until loop_stop(). */
void loop_run(Loop *loop);
/* One turn; waits at most @timeout_ms (-1: until something happens). */
void loop_turn(Loop *loop, int timeout_ms);
void loop_stop(Loop *loop); /* any thread */
void loop_wake(Loop *loop); /* any thread */
bool loop_in(const Loop *loop);

/**
 * loop_fd_add() - Watch a descriptor
 * @events: EPOLLIN, EPOLLOUT ...; level-triggered.  0 watches for hang-up only
 *
 * @fn may delete @lfd or any other descriptor.
 */
int loop_fd_add(Loop *loop, LoopFd *lfd, int fd, uint32_t events, LoopFdFn *fn,
                void *opaque, Err *e);
int loop_fd_set(LoopFd *lfd, uint32_t events); /* 0 or -errno */
void loop_fd_del(LoopFd *lfd);                 /* not added: no-op */

void timer_init(Timer *timer, Loop *loop, LoopFn *fn, void *opaque);
void timer_set(Timer *timer, int64_t deadline_ns); /* moves it if set */
void timer_del(Timer *timer);
bool timer_pending(const Timer *timer);
/* The earliest deadline of any loop, or INT64_MAX. Virtual clock only. */
int64_t loop_next_deadline_all(void);

void work_init(Work *work, LoopFn *fn, void *opaque);
/**
 * loop_post() - Run @work->fn on the loop's thread, in the order posted
 *
 * Thread: any; does not block and wakes the loop with one eventfd write at
 *         most.  The work may be posted again from its own function.
 * Return: false when it was queued already
 */
bool loop_post(Loop *loop, Work *work);
/* Own thread only: drops queued work. */
void loop_unpost(Loop *loop, Work *work);

void loop_hook_add(Loop *loop, LoopHook *hook, LoopFn *fn, void *opaque);
void loop_hook_del(LoopHook *hook);

/**
 * loop_drain_all() - Wait until every loop has run its due timers and work
 *
 * Thread: one that runs no loop (the test accelerator's server)
 */
void loop_drain_all(void);
