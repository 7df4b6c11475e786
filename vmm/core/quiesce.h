/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* core/quiesce.h - free what lock-free readers may still look at. */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

/*
 * How this works
 *
 * Loops and vCPUs read published maps (guest memory, bus decode) without
 * locks.  Each such thread is a Quiescer: online while it runs our code,
 * offline while it waits (epoll_wait, KVM_RUN).  A writer publishes the new
 * map and retires the old one; it is freed once every Quiescer was offline or
 * came back online after the retirement.  A thread that keeps a pointer while
 * offline must hold a reference of its own.
 */
typedef struct Quiescer {
    _Atomic uint64_t seen; /* epoch at the last qs_online(); UINT64_MAX off */
    struct Quiescer *next; /* registry */
} Quiescer;

void qs_register(Quiescer *q);   /* starts offline */
void qs_unregister(Quiescer *q); /* must be offline */
void qs_online(Quiescer *q);     /* own thread */
void qs_offline(Quiescer *q);    /* own thread */

/* Call @fn(@arg) when no reader can hold what it frees. Any thread. */
void qs_retire(void (*fn)(void *arg), void *arg);
/* Frees what can be freed now; the main loop calls it once a turn. */
void qs_poll(void);
