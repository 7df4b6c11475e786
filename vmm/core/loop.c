/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * core/loop.c - epoll, timers, posted work; see core/loop.h for the model.
 *
 * A turn's ready descriptors are kept in the Loop, so that loop_fd_del() can
 * strike one out that a handler before it in the same turn removed.  Posting
 * writes the eventfd only when the loop may be asleep.
 */
#include <config.h>

#include "core/loop.h"

#include "core/clock.h"
#include "core/loop_priv.h"
#include "core/quiesce.h"
#include "util/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define LOOP_BATCH 32

struct Loop {
    char name[16];
    int epfd;
    int wake_fd;
    atomic_bool wake_sent; /* the eventfd is readable already */
    atomic_bool stop;
    _Atomic pthread_t thread; /* runs it now, or 0 */
    Quiescer qs;

    List timers; /* by deadline; own thread */
    List hooks;  /* own thread */

    pthread_mutex_t lock;
    List works;       /* under lock */
    bool busy;        /* a turn's work is under way; under lock */
    uint64_t counter; /* works and timers run; under lock */

    LoopFd wake;
    struct epoll_event ready[LOOP_BATCH];
    int num_ready; /* of this turn */
    Loop *next;    /* registry */
};

/* All loops, for the virtual clock. */
static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static Loop *registry;

static void wake_ready(void *opaque, uint32_t events)
{
    Loop *loop = opaque;
    uint64_t n;

    if (read(loop->wake_fd, &n, sizeof(n)) < 0 && errno != EAGAIN)
        log_warn_rated("loop %s: cannot read its eventfd", loop->name);
    /* Last: a signal sent in between would be read away and still count as
     * sent, and nobody would ever signal again.  Its work is already queued,
     * and the turn that follows runs it. */
    atomic_store(&loop->wake_sent, false);
}

int loop_new(Loop **ret_loop, const char *name, Err *e)
{
    Loop *loop = calloc(1, sizeof(*loop));
    int r;

    if (!loop)
        return err_set(e, ENOMEM, "out of memory for loop '%s'", name);
    snprintf(loop->name, sizeof(loop->name), "%s", name);
    list_init(&loop->timers);
    list_init(&loop->hooks);
    list_init(&loop->works);
    pthread_mutex_init(&loop->lock, NULL);
    loop->epfd = epoll_create1(EPOLL_CLOEXEC);
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->epfd < 0 || loop->wake_fd < 0) {
        r = err_sys(e, errno, "cannot create loop '%s'", name);
        goto fail;
    }
    r = loop_fd_add(loop, &loop->wake, loop->wake_fd, EPOLLIN, wake_ready, loop,
                    e);
    if (r < 0)
        goto fail;
    qs_register(&loop->qs);
    pthread_mutex_lock(&registry_lock);
    loop->next = registry;
    registry = loop;
    pthread_mutex_unlock(&registry_lock);
    *ret_loop = loop;
    return 0;

fail:
    fd_close(&loop->epfd);
    fd_close(&loop->wake_fd);
    free(loop);
    return r;
}

void loop_free(Loop *loop)
{
    if (!loop)
        return;
    pthread_mutex_lock(&registry_lock);
    for (Loop **p = &registry; *p; p = &(*p)->next)
        if (*p == loop) {
            *p = loop->next;
            break;
        }
    pthread_mutex_unlock(&registry_lock);
    qs_unregister(&loop->qs);
    fd_close(&loop->epfd);
    fd_close(&loop->wake_fd);
    pthread_mutex_destroy(&loop->lock);
    free(loop);
}

const char *loop_name(const Loop *loop)
{
    return loop->name;
}

bool loop_in(const Loop *loop)
{
    return pthread_equal(loop->thread, pthread_self());
}

void loop_wake(Loop *loop)
{
    uint64_t one = 1;

    if (atomic_exchange(&loop->wake_sent, true))
        return;
    if (write(loop->wake_fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
        log_warn_rated("loop %s: cannot wake it", loop->name);
}

void loop_wake_all(void)
{
    MUTEX_SCOPE(&registry_lock);
    for (Loop *loop = registry; loop; loop = loop->next)
        loop_wake(loop);
}

/* --- descriptors --------------------------------------------------------- */

int loop_fd_add(Loop *loop, LoopFd *lfd, int fd, uint32_t events, LoopFdFn *fn,
                void *opaque, Err *e)
{
    struct epoll_event ev = { .events = events, .data.ptr = lfd };

    *lfd = (LoopFd){
        .loop = loop, .fd = fd, .events = events, .fn = fn, .opaque = opaque
    };
    if (epoll_ctl(loop->epfd, EPOLL_CTL_ADD, fd, &ev) < 0) {
        lfd->loop = NULL;
        return err_sys(e, errno, "cannot watch descriptor %d", fd);
    }
    return 0;
}

int loop_fd_set(LoopFd *lfd, uint32_t events)
{
    struct epoll_event ev = { .events = events, .data.ptr = lfd };

    if (!lfd->loop)
        return -ENOENT;
    if (lfd->events == events)
        return 0;
    if (epoll_ctl(lfd->loop->epfd, EPOLL_CTL_MOD, lfd->fd, &ev) < 0)
        return -errno;
    lfd->events = events;
    return 0;
}

void loop_fd_del(LoopFd *lfd)
{
    Loop *loop = lfd->loop;

    if (!loop)
        return;
    epoll_ctl(loop->epfd, EPOLL_CTL_DEL, lfd->fd, NULL);
    for (int i = 0; i < loop->num_ready; i++)
        if (loop->ready[i].data.ptr == lfd)
            loop->ready[i].data.ptr = NULL;
    lfd->loop = NULL;
}

/* --- timers -------------------------------------------------------------- */

void timer_init(Timer *timer, Loop *loop, LoopFn *fn, void *opaque)
{
    *timer = (Timer){ .loop = loop, .fn = fn, .opaque = opaque };
    list_init(&timer->link);
}

bool timer_pending(const Timer *timer)
{
    return !list_empty(&timer->link);
}

void timer_del(Timer *timer)
{
    MUTEX_SCOPE(&timer->loop->lock);
    list_del(&timer->link);
}

void timer_set(Timer *timer, int64_t deadline_ns)
{
    Loop *loop = timer->loop;
    List *at;

    MUTEX_SCOPE(&loop->lock);
    list_del(&timer->link);
    timer->deadline_ns = deadline_ns;
    for (at = loop->timers.prev; at != &loop->timers; at = at->prev)
        if (container_of(at, Timer, link)->deadline_ns <= deadline_ns)
            break;
    list_add_tail(at->next, &timer->link);
}

static int64_t next_deadline(Loop *loop)
{
    MUTEX_SCOPE(&loop->lock);
    return list_empty(&loop->timers)
               ? INT64_MAX
               : container_of(loop->timers.next, Timer, link)->deadline_ns;
}

int64_t loop_next_deadline_all(void)
{
    int64_t next = INT64_MAX;

    MUTEX_SCOPE(&registry_lock);
    for (Loop *loop = registry; loop; loop = loop->next)
        next = MIN(next, next_deadline(loop));
    return next;
}

static Timer *pop_due(Loop *loop, int64_t now_ns)
{
    Timer *timer;

    MUTEX_SCOPE(&loop->lock);
    if (list_empty(&loop->timers))
        return NULL;
    timer = container_of(loop->timers.next, Timer, link);
    if (timer->deadline_ns > now_ns)
        return NULL;
    list_del(&timer->link);
    loop->counter++;
    return timer;
}

/* A timer that sets itself to the past runs again in the next turn only. */
static void run_timers(Loop *loop)
{
    int64_t now_ns;
    Timer *timer;

    if (list_empty(&loop->timers))
        return;
    now_ns = clock_now_ns();
    for (int budget = 256; budget && (timer = pop_due(loop, now_ns)); budget--)
        timer->fn(timer->opaque);
}

/* --- posted work and hooks ----------------------------------------------- */

void work_init(Work *work, LoopFn *fn, void *opaque)
{
    *work = (Work){ .fn = fn, .opaque = opaque };
    list_init(&work->link);
}

bool loop_post(Loop *loop, Work *work)
{
    if (atomic_exchange(&work->queued, true))
        return false;
    pthread_mutex_lock(&loop->lock);
    list_add_tail(&loop->works, &work->link);
    pthread_mutex_unlock(&loop->lock);
    loop_wake(loop);
    return true;
}

void loop_unpost(Loop *loop, Work *work)
{
    MUTEX_SCOPE(&loop->lock);
    list_del(&work->link);
    atomic_store(&work->queued, false);
}

/* Runs what was posted up to now, not what that posts. */
static void run_works(Loop *loop)
{
    List now;
    Work *work;

    list_init(&now);
    pthread_mutex_lock(&loop->lock);
    list_splice(&now, &loop->works);
    while (!list_empty(&now)) {
        work = container_of(now.next, Work, link);
        list_del(&work->link);
        atomic_store(&work->queued, false);
        loop->counter++;
        pthread_mutex_unlock(&loop->lock);
        work->fn(work->opaque);
        pthread_mutex_lock(&loop->lock);
    }
    pthread_mutex_unlock(&loop->lock);
}

void loop_hook_add(Loop *loop, LoopHook *hook, LoopFn *fn, void *opaque)
{
    *hook = (LoopHook){ .fn = fn, .opaque = opaque };
    list_add_tail(&loop->hooks, &hook->link);
}

void loop_hook_del(LoopHook *hook)
{
    list_del(&hook->link);
}

/* --- turns --------------------------------------------------------------- */

static int wait_ms(Loop *loop, int timeout_ms)
{
    int64_t next, left_ms;

    pthread_mutex_lock(&loop->lock);
    if (!list_empty(&loop->works))
        timeout_ms = 0;
    pthread_mutex_unlock(&loop->lock);
    next = next_deadline(loop);
    if (timeout_ms == 0 || next == INT64_MAX)
        return timeout_ms;
    if (clock_is_virtual())
        return next <= clock_now_ns() ? 0 : timeout_ms;
    left_ms = (next - clock_now_ns() + 999999) / 1000000;
    left_ms = MAX(left_ms, 0);
    if (timeout_ms >= 0)
        left_ms = MIN(left_ms, timeout_ms);
    return MIN(left_ms, INT32_MAX);
}

static void set_busy(Loop *loop, bool busy)
{
    pthread_mutex_lock(&loop->lock);
    loop->busy = busy;
    pthread_mutex_unlock(&loop->lock);
}

static void dispatch(Loop *loop)
{
    for (int i = 0; i < loop->num_ready; i++) {
        LoopFd *lfd = loop->ready[i].data.ptr;

        if (lfd)
            lfd->fn(lfd->opaque, loop->ready[i].events);
    }
    loop->num_ready = 0;
}

void loop_turn(Loop *loop, int timeout_ms)
{
    int n;

    atomic_store(&loop->thread, pthread_self());
    qs_online(&loop->qs);
    set_busy(loop, true);
    run_works(loop);
    run_timers(loop);
    list_for_each_safe(pos, &loop->hooks)
    {
        LoopHook *hook = container_of(pos, LoopHook, link);

        hook->fn(hook->opaque);
    }
    set_busy(loop, false);
    qs_offline(&loop->qs);
    n = epoll_wait(loop->epfd, loop->ready, LOOP_BATCH,
                   atomic_load(&loop->stop) ? 0 : wait_ms(loop, timeout_ms));
    qs_online(&loop->qs);
    if (n > 0) {
        set_busy(loop, true);
        loop->num_ready = n;
        dispatch(loop);
        pthread_mutex_lock(&loop->lock);
        if (n > 1 || loop->ready[0].data.ptr != &loop->wake)
            loop->counter++;
        pthread_mutex_unlock(&loop->lock);
    }
    qs_offline(&loop->qs);
}

void loop_run(Loop *loop)
{
    while (!atomic_load(&loop->stop)) {
        loop_turn(loop, -1);
        qs_poll();
    }
    atomic_store(&loop->stop, false);
}

void loop_stop(Loop *loop)
{
    atomic_store(&loop->stop, true);
    loop_wake(loop);
}

/* --- draining (virtual clock) -------------------------------------------- */

typedef struct Barrier {
    Work work;
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool passed;
} Barrier;

static void barrier_pass(void *opaque)
{
    Barrier *b = opaque;

    pthread_mutex_lock(&b->lock);
    b->passed = true;
    pthread_cond_signal(&b->cond);
    pthread_mutex_unlock(&b->lock);
}

static void loop_barrier(Loop *loop)
{
    Barrier b = { .lock = PTHREAD_MUTEX_INITIALIZER,
                  .cond = PTHREAD_COND_INITIALIZER };

    work_init(&b.work, barrier_pass, &b);
    loop_post(loop, &b.work);
    pthread_mutex_lock(&b.lock);
    while (!b.passed)
        pthread_cond_wait(&b.cond, &b.lock);
    pthread_mutex_unlock(&b.lock);
}

/* Two rounds of barriers with no timer or work but theirs in between: quiet. */
void loop_drain_all(void)
{
    uint64_t before, after, loops;
    bool due;

    do {
        before = after = loops = 0;
        due = false;
        MUTEX_SCOPE(&registry_lock);
        for (Loop *loop = registry; loop; loop = loop->next) {
            loop_barrier(loop);
            pthread_mutex_lock(&loop->lock);
            before += loop->counter;
            pthread_mutex_unlock(&loop->lock);
            loops++;
        }
        for (Loop *loop = registry; loop; loop = loop->next) {
            loop_barrier(loop);
            due |= next_deadline(loop) <= clock_now_ns();
            pthread_mutex_lock(&loop->lock);
            after += loop->counter;
            due |= !list_empty(&loop->works);
            pthread_mutex_unlock(&loop->lock);
        }
    } while (due || after - before > loops);
}
