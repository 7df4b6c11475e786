/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* util/err.h - the one error type of the VMM's set-up paths. */
#pragma once

/*
 * Set-up paths take `Err *e` last, never NULL, and return 0 or -errno; data
 * paths return only the code.  An Err lives on the caller's stack: nothing to
 * free.  Whoever knows the cause fills it; callers may prefix, never replace.
 */
typedef struct Err {
    int code;      /* positive errno; 0 until something failed */
    char msg[512]; /* one sentence, no newline, no strerror() tail */
} Err;

#define ERR_INIT                                                               \
    {                                                                          \
        0                                                                      \
    }

/**
 * err_set() - Record a failure
 * @e:    where to; never NULL
 * @code: positive errno
 * @fmt:  one sentence that names the culprit and, where it helps, the remedy
 *
 * Return: -@code
 */
int err_set(Err *e, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/**
 * err_sys() - As err_set(), with ": " and the text of @code appended
 */
int err_sys(Err *e, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/**
 * err_prefix() - Put context in front of a recorded failure
 *
 * Return: the recorded -errno
 */
int err_prefix(Err *e, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
