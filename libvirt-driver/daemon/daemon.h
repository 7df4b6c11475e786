/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The running daemon: loop, server, driver, and when to stop. */
#pragma once

#include "daemon/options.h"
#include "daemon/settings.h"
#include "daemon/sockets.h"

/**
 * daemon_run() - Serve until a signal or the idle timeout
 * @sockets:  descriptors are taken over
 * @ready:    called when clients are served
 *
 * Guests go on when it returns.  SIGTERM, SIGINT, SIGQUIT and SIGHUP must be
 * blocked in the calling thread.
 */
gboolean daemon_run(const DaemonOptions *options, const DaemonPaths *paths,
                    const DaemonSettings *settings, DaemonSockets *sockets,
                    void (*ready)(gpointer user), gpointer user,
                    GError **error);
