/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The line that a VMM writes before it ends on purpose. */
#pragma once

#include <glib.h>

typedef enum ExitCause {
    EXIT_CAUSE_NONE, /* no record: it crashed, or keeps none */
    EXIT_CAUSE_SHUTDOWN,
    EXIT_CAUSE_RESET,
    EXIT_CAUSE_PANIC,
    EXIT_CAUSE_QUIT,
    EXIT_CAUSE_SIGNAL,
    EXIT_CAUSE_ERROR,
    EXIT_CAUSE_SECCOMP,
    EXIT_CAUSE_OTHER,
    EXIT_CAUSE_MAX
} ExitCause;

/* From DIR/exit; NULL: none. */
ExitCause exit_record_read(const char *dir);
ExitCause exit_record_parse(const char *text);
