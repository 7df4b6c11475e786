/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* core/quiesce.c - epochs of lock-free readers; see core/quiesce.h. */
#include <config.h>

#include "core/quiesce.h"

#include "util/cleanup.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#define QS_OFF UINT64_MAX

typedef struct Retired {
    uint64_t epoch;
    void (*fn)(void *arg);
    void *arg;
    struct Retired *next;
} Retired;

static _Atomic uint64_t epoch = 1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static Quiescer *readers; /* under lock */
static Retired *retired;  /* under lock */
static atomic_bool any_retired;

void qs_register(Quiescer *q)
{
    atomic_store(&q->seen, QS_OFF);
    MUTEX_SCOPE(&lock);
    q->next = readers;
    readers = q;
}

void qs_unregister(Quiescer *q)
{
    MUTEX_SCOPE(&lock);
    for (Quiescer **p = &readers; *p; p = &(*p)->next)
        if (*p == q) {
            *p = q->next;
            break;
        }
}

/* Sequentially consistent: the mark is visible before any map is loaded. */
void qs_online(Quiescer *q)
{
    atomic_store(&q->seen, atomic_load(&epoch));
    atomic_thread_fence(memory_order_seq_cst);
}

void qs_offline(Quiescer *q)
{
    atomic_store_explicit(&q->seen, QS_OFF, memory_order_release);
}

void qs_retire(void (*fn)(void *arg), void *arg)
{
    Retired *r = malloc(sizeof(*r));

    if (!r)
        return; /* keeps it for good: a leak is better than a use after free */
    r->fn = fn;
    r->arg = arg;
    MUTEX_SCOPE(&lock);
    /* Readers that come online from now on see the new map. */
    r->epoch = atomic_fetch_add(&epoch, 1) + 1;
    r->next = retired;
    retired = r;
    atomic_store(&any_retired, true);
}

static Retired *take_free(void)
{
    uint64_t oldest = QS_OFF;
    Retired *out = NULL;

    MUTEX_SCOPE(&lock);
    for (Quiescer *q = readers; q; q = q->next)
        oldest = MIN(oldest, atomic_load(&q->seen));
    for (Retired **p = &retired; *p;) {
        Retired *r = *p;

        if (r->epoch <= oldest) {
            *p = r->next;
            r->next = out;
            out = r;
        } else {
            p = &r->next;
        }
    }
    atomic_store(&any_retired, retired != NULL);
    return out;
}

void qs_poll(void)
{
    Retired *r, *next;

    if (!atomic_load(&any_retired))
        return;
    for (r = take_free(); r; r = next) {
        next = r->next;
        r->fn(r->arg);
        free(r);
    }
}
