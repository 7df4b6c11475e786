/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* core/clock.c - real or virtual time for timers. */
#include <config.h>

#include "core/clock.h"

#include "core/loop_priv.h"

#include <stdatomic.h>
#include <time.h>

static _Atomic bool virtual_clock;
static _Atomic int64_t virtual_now_ns;

int64_t clock_now_ns(void)
{
    struct timespec ts;

    if (virtual_clock)
        return virtual_now_ns;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

void clock_use_virtual(void)
{
    virtual_clock = true;
}

bool clock_is_virtual(void)
{
    return virtual_clock;
}

void clock_set_virtual(int64_t now_ns)
{
    if (now_ns > virtual_now_ns)
        virtual_now_ns = now_ns;
    loop_wake_all();
}
