/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* core/clock.h - the clock timers run on: monotonic, or virtual for tests. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/**
 * clock_now_ns() - Time since start-up
 *
 * CLOCK_MONOTONIC, or the virtual clock once clock_use_virtual() was called
 * (the test accelerator; it starts at 0 and moves by clock_set_virtual() only).
 *
 * Thread: any
 */
int64_t clock_now_ns(void);

void clock_use_virtual(void); /* before the first loop exists */
bool clock_is_virtual(void);

/* Virtual clock only; never backwards.  Loops are woken to run due timers. */
void clock_set_virtual(int64_t now_ns);
