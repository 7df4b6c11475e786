/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* core/thread.h - the one function that starts a thread. */
#pragma once

#include "sandbox/sandbox.h"
#include "util/err.h"

#include <pthread.h>

typedef struct Thread {
    pthread_t id;
    ThreadRole role;
    char name[16];
    void *(*fn)(void *arg);
    void *arg;
    bool started;
    _Atomic int tid; /* kernel id, once it runs */
} Thread;

/**
 * thread_start() - Start @fn(@arg) with all signals but the kick signal
 * blocked and the role's seccomp filter in force
 * @thread: caller's storage, alive until thread_join()
 */
int thread_start(Thread *thread, ThreadRole role, const char *name,
                 void *(*fn)(void *arg), void *arg, Err *e);
void thread_join(Thread *thread); /* not started: no-op */

/* Ends a blocking KVM_RUN; its handler does nothing. */
#define THREAD_KICK_SIGNAL (SIGRTMIN + 1)
void thread_kick_init(void); /* installs the handler; once, in main */
