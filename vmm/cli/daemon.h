/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cli/daemon.h - going to the background, and signals that end the process. */
#pragma once

#include "core/loop.h"
#include "util/err.h"

/**
 * daemonize() - Go on in the background
 *
 * The calling process ends with status 0 once the pid file is complete; the
 * caller goes on as a session's child with standard streams on /dev/null.
 */
int daemonize(Err *e);

typedef void SignalFn(void *opaque, int sig);

/**
 * signals_init() - SIGTERM, SIGINT and SIGHUP reach @fn on @loop
 *
 * One that comes before the loop runs is told when it does.  SIGPIPE is
 * ignored from here on.
 */
void signals_init(Loop *loop, SignalFn *fn, void *opaque);

/* Makes the loop of signals_init() turn; async-signal-safe. */
void signals_wake(void);
