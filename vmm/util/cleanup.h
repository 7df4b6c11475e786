/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* util/cleanup.h - scope cleanup, ownership moves, small macros. */
#pragma once

#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#define CLEANUP(fn)   __attribute__((cleanup(fn)))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define container_of(ptr, type, member)                                        \
    ((type *)((char *)(ptr)-offsetof(type, member)))

#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

static inline void fd_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* Moves a descriptor out of a CLEANUP(fd_close) variable. */
static inline int fd_take(int *fd)
{
    int taken = *fd;

    *fd = -1;
    return taken;
}

static inline void ptr_free(void *pp)
{
    void **p = pp;

    free(*p);
    *p = NULL;
}

#define ptr_take(pp)                                                           \
    ({                                                                         \
        __typeof__(*(pp)) taken_ = *(pp);                                      \
        *(pp) = NULL;                                                          \
        taken_;                                                                \
    })

static inline void mutex_scope_end(pthread_mutex_t **m)
{
    pthread_mutex_unlock(*m);
}

static inline pthread_mutex_t *mutex_scope_begin(pthread_mutex_t *m)
{
    pthread_mutex_lock(m);
    return m;
}

#define CLEANUP_CAT_(a, b) a##b
#define CLEANUP_CAT(a, b)  CLEANUP_CAT_(a, b)
/* Holds @m until the end of the scope. */
#define MUTEX_SCOPE(m)                                                         \
    pthread_mutex_t *CLEANUP_CAT(scope_, __LINE__) CLEANUP(mutex_scope_end)    \
        __attribute__((unused)) = mutex_scope_begin(m)
