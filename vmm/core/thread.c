/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* core/thread.c - starts threads: signals, name, seccomp role. */
#include <config.h>

#include "core/thread.h"

#include "util/log.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define THREAD_STACK_BYTES (256 << 10)

static void *trampoline(void *arg)
{
    Thread *thread = arg;

    pthread_setname_np(pthread_self(), thread->name);
    thread->tid = gettid();
    log_thread_init(thread->tid);
    if (sandbox_enter(thread->role) < 0) {
        log_error("thread %s: cannot enter its seccomp filter", thread->name);
        _exit(1); /* never run unconfined by accident */
    }
    return thread->fn(thread->arg);
}

int thread_start(Thread *thread, ThreadRole role, const char *name,
                 void *(*fn)(void *arg), void *arg, Err *e)
{
    sigset_t block;
    pthread_attr_t attr;
    int r;

    thread->role = role;
    thread->fn = fn;
    thread->arg = arg;
    snprintf(thread->name, sizeof(thread->name), "%s", name);
    sigfillset(&block);
    sigdelset(&block, THREAD_KICK_SIGNAL);
    sigdelset(&block, SIGSYS);
    sigdelset(&block, SIGSEGV);
    sigdelset(&block, SIGBUS);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, THREAD_STACK_BYTES);
    pthread_attr_setsigmask_np(&attr, &block);
    r = pthread_create(&thread->id, &attr, trampoline, thread);
    pthread_attr_destroy(&attr);
    if (r)
        return err_sys(e, r, "cannot start thread '%s'", name);
    thread->started = true;
    return 0;
}

void thread_join(Thread *thread)
{
    if (!thread->started)
        return;
    pthread_join(thread->id, NULL);
    thread->started = false;
}

static void kick_handler(int sig)
{
}

void thread_kick_init(void)
{
    struct sigaction sa;

    memset(&sa, 0, sizeof(sa));
    sa.sa_handler = kick_handler;
    sigemptyset(&sa.sa_mask);
    sigaction(THREAD_KICK_SIGNAL, &sa, NULL);
}
