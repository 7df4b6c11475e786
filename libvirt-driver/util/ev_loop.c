/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A thread with a GMainContext whose descriptors share one epoll GSource. */
#include <config.h>

#include "util/ev_loop.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "util/error.h"
#include "util/file.h"

enum {
    EV_BATCH = 64
};

struct EvWatch {
    EvLoop *loop; /* borrowed */
    int fd;       /* borrowed */
    guint32 events;
    EvWatchFn fn; /* NULL: deleted during a batch */
    gpointer user;
};

struct EvTimer {
    EvLoop *loop; /* borrowed */
    gint64 due_us;
    EvFn fn;
    gpointer user;
    GSequenceIter *iter; /* place in loop->timers */
};

typedef struct EvPost {
    EvFn fn;
    gpointer user;
} EvPost;

typedef struct EvSource {
    GSource base;
    EvLoop *loop; /* borrowed */
} EvSource;

struct EvLoop {
    GMainContext *context; /* owned */
    GMainLoop *main_loop;  /* owned */
    GThread *thread;       /* owned */
    GSource *source;       /* owned */
    int epoll_fd;          /* owned */
    int wake_fd;           /* owned; eventfd, readable: posts wait */
    GSequence *timers;     /* of EvTimer by due_us */
    GHashTable *watches;   /* set of EvWatch, owned */
    GPtrArray *dead;       /* watches deleted during a batch, owned */
    gboolean in_batch;
    GMutex lock;  /* guards posts */
    GQueue posts; /* of EvPost */
};

static int timer_compare(gconstpointer a, gconstpointer b, gpointer unused)
{
    const EvTimer *x = a;
    const EvTimer *y = b;

    return x->due_us < y->due_us ? -1 : x->due_us > y->due_us;
}

/* The source is ready when its descriptor is, or at the first timer. */
static void timers_rearm(EvLoop *loop)
{
    GSequenceIter *first = g_sequence_get_begin_iter(loop->timers);
    EvTimer *timer;

    if (g_sequence_iter_is_end(first)) {
        g_source_set_ready_time(loop->source, -1);
        return;
    }
    timer = g_sequence_get(first);
    g_source_set_ready_time(loop->source, timer->due_us);
}

static void timers_run(EvLoop *loop)
{
    gint64 now = g_get_monotonic_time();

    for (;;) {
        GSequenceIter *first = g_sequence_get_begin_iter(loop->timers);
        EvTimer *timer;
        EvFn fn;
        gpointer user;

        if (g_sequence_iter_is_end(first))
            break;
        timer = g_sequence_get(first);
        if (timer->due_us > now)
            break;
        fn = timer->fn;
        user = timer->user;
        ev_timer_del(timer);
        fn(user);
    }
    timers_rearm(loop);
}

static void posts_run(EvLoop *loop)
{
    GQueue batch = G_QUEUE_INIT;
    EvPost *post;
    guint64 count;

    /* Reading first: a post after this line wakes us again. */
    while (read(loop->wake_fd, &count, sizeof(count)) < 0 && errno == EINTR)
        ;
    g_mutex_lock(&loop->lock);
    batch = loop->posts;
    g_queue_init(&loop->posts);
    g_mutex_unlock(&loop->lock);
    while ((post = g_queue_pop_head(&batch))) {
        post->fn(post->user);
        g_free(post);
    }
}

static void watches_run(EvLoop *loop)
{
    struct epoll_event events[EV_BATCH];
    int n = epoll_wait(loop->epoll_fd, events, EV_BATCH, 0);

    loop->in_batch = TRUE;
    for (int i = 0; i < n; i++) {
        EvWatch *watch = events[i].data.ptr;

        if (!watch)
            posts_run(loop);
        else if (watch->fn)
            watch->fn(watch->user, events[i].events);
    }
    loop->in_batch = FALSE;
    g_ptr_array_set_size(loop->dead, 0);
}

static gboolean source_dispatch(GSource *base, GSourceFunc unused,
                                gpointer unused_data)
{
    EvLoop *loop = ((EvSource *)base)->loop;

    watches_run(loop);
    timers_run(loop);
    return G_SOURCE_CONTINUE;
}

static GSourceFuncs source_funcs = { .dispatch = source_dispatch };

static gpointer loop_thread(gpointer data)
{
    EvLoop *loop = data;

    g_main_context_push_thread_default(loop->context);
    g_main_loop_run(loop->main_loop);
    posts_run(loop);
    g_main_context_pop_thread_default(loop->context);
    return NULL;
}

static gboolean loop_open(EvLoop *loop, GError **error)
{
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL };

    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->epoll_fd < 0 || loop->wake_fd < 0 ||
        epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->wake_fd, &event) < 0)
        return vir_error_set_errno(error, errno, "cannot create an event loop");
    return TRUE;
}

static void loop_release(EvLoop *loop)
{
    if (loop->source) {
        g_source_destroy(loop->source);
        g_source_unref(loop->source);
    }
    g_clear_pointer(&loop->main_loop, g_main_loop_unref);
    g_clear_pointer(&loop->context, g_main_context_unref);
    g_sequence_free(loop->timers);
    g_hash_table_unref(loop->watches);
    g_ptr_array_unref(loop->dead);
    fd_clear(&loop->epoll_fd);
    fd_clear(&loop->wake_fd);
    g_mutex_clear(&loop->lock);
    g_free(loop);
}

EvLoop *ev_loop_new(const char *name, GError **error)
{
    EvLoop *loop = g_new0(EvLoop, 1);
    g_autoptr(GError) err = NULL;

    loop->epoll_fd = loop->wake_fd = -1;
    g_mutex_init(&loop->lock);
    g_queue_init(&loop->posts);
    loop->timers = g_sequence_new(g_free);
    loop->watches = g_hash_table_new_full(NULL, NULL, g_free, NULL);
    loop->dead = g_ptr_array_new_with_free_func(g_free);
    if (!loop_open(loop, error)) {
        loop_release(loop);
        return NULL;
    }
    loop->context = g_main_context_new();
    loop->main_loop = g_main_loop_new(loop->context, FALSE);
    loop->source = g_source_new(&source_funcs, sizeof(EvSource));
    ((EvSource *)loop->source)->loop = loop;
    g_source_add_unix_fd(loop->source, loop->epoll_fd, G_IO_IN);
    g_source_attach(loop->source, loop->context);
    loop->thread = g_thread_try_new(name, loop_thread, loop, &err);
    if (!loop->thread) {
        vir_error_set(error, VIR_ERR_OPERATION_FAILED,
                      "cannot start thread '%s': %s", name, err->message);
        loop_release(loop);
        return NULL;
    }
    return loop;
}

static void loop_quit(gpointer user)
{
    EvLoop *loop = user;

    g_main_loop_quit(loop->main_loop);
}

void ev_loop_free(EvLoop *loop)
{
    if (!loop)
        return;
    g_assert(!ev_loop_is_current(loop));
    ev_loop_post(loop, loop_quit, loop);
    g_thread_join(loop->thread);
    loop_release(loop);
}

GMainContext *ev_loop_context(EvLoop *loop)
{
    return loop->context;
}

gboolean ev_loop_is_current(EvLoop *loop)
{
    return g_thread_self() == loop->thread;
}

void ev_loop_post(EvLoop *loop, EvFn fn, gpointer user)
{
    EvPost *post = g_new(EvPost, 1);
    guint64 one = 1;

    post->fn = fn;
    post->user = user;
    g_mutex_lock(&loop->lock);
    g_queue_push_tail(&loop->posts, post);
    g_mutex_unlock(&loop->lock);
    /* EAGAIN: the counter is full, so the loop wakes anyway. */
    while (write(loop->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
        ;
}

typedef struct EvCall {
    EvFn fn;
    gpointer user;
    GMutex lock;
    GCond cond;
    gboolean done;
} EvCall;

static void call_run(gpointer user)
{
    EvCall *call = user;

    call->fn(call->user);
    g_mutex_lock(&call->lock);
    call->done = TRUE;
    g_cond_signal(&call->cond);
    g_mutex_unlock(&call->lock);
}

void ev_loop_call(EvLoop *loop, EvFn fn, gpointer user)
{
    EvCall call = { .fn = fn, .user = user };

    g_assert(!ev_loop_is_current(loop));
    g_mutex_init(&call.lock);
    g_cond_init(&call.cond);
    ev_loop_post(loop, call_run, &call);
    g_mutex_lock(&call.lock);
    while (!call.done)
        g_cond_wait(&call.cond, &call.lock);
    g_mutex_unlock(&call.lock);
    g_cond_clear(&call.cond);
    g_mutex_clear(&call.lock);
}

EvWatch *ev_watch_add(EvLoop *loop, int fd, guint32 events, EvWatchFn fn,
                      gpointer user)
{
    EvWatch *watch = g_new(EvWatch, 1);
    struct epoll_event event = { .events = events, .data.ptr = watch };

    *watch = (EvWatch){ loop, fd, events, fn, user };
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
        g_free(watch);
        return NULL;
    }
    g_hash_table_add(loop->watches, watch);
    return watch;
}

void ev_watch_mod(EvWatch *watch, guint32 events)
{
    struct epoll_event event = { .events = events, .data.ptr = watch };

    if (events == watch->events)
        return;
    /* Only a closed descriptor can fail here, a mistake of the caller. */
    if (epoll_ctl(watch->loop->epoll_fd, EPOLL_CTL_MOD, watch->fd, &event) == 0)
        watch->events = events;
}

void ev_watch_del(EvWatch *watch)
{
    EvLoop *loop;

    if (!watch)
        return;
    loop = watch->loop;
    epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
    watch->fn = NULL;
    g_hash_table_steal(loop->watches, watch);
    if (loop->in_batch)
        g_ptr_array_add(loop->dead, watch); /* the batch may still name it */
    else
        g_free(watch);
}

EvTimer *ev_timer_add(EvLoop *loop, guint delay_ms, EvFn fn, gpointer user)
{
    EvTimer *timer = g_new(EvTimer, 1);

    timer->loop = loop;
    timer->due_us = g_get_monotonic_time() + (gint64)delay_ms * 1000;
    timer->fn = fn;
    timer->user = user;
    timer->iter =
        g_sequence_insert_sorted(loop->timers, timer, timer_compare, NULL);
    timers_rearm(loop);
    return timer;
}

void ev_timer_del(EvTimer *timer)
{
    EvLoop *loop;

    if (!timer)
        return;
    loop = timer->loop;
    g_sequence_remove(timer->iter);
    timers_rearm(loop);
}
