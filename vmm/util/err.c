/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* util/err.c - recording and prefixing of failures. */
#include <config.h>

#include "util/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int err_set(Err *e, int code, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
    va_end(ap);
    e->code = code;
    return -code;
}

int err_sys(Err *e, int code, const char *fmt, ...)
{
    va_list ap;
    size_t used;

    va_start(ap, fmt);
    vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
    va_end(ap);
    used = strlen(e->msg);
    snprintf(e->msg + used, sizeof(e->msg) - used, ": %s", strerror(code));
    e->code = code;
    return -code;
}

int err_prefix(Err *e, const char *fmt, ...)
{
    char old[sizeof(e->msg)];
    va_list ap;
    size_t used;

    memcpy(old, e->msg, sizeof(old));
    va_start(ap, fmt);
    vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
    va_end(ap);
    used = strlen(e->msg);
    if (used < sizeof(e->msg) - 1)
        snprintf(e->msg + used, sizeof(e->msg) - used, "%.*s",
                 (int)(sizeof(e->msg) - used - 1), old);
    return -e->code;
}
