/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Listening sockets: made here, or handed over by socket activation. */
#pragma once

#include "daemon/settings.h"

typedef struct DaemonSockets {
    int rw_fd;     /* owned until handed over; -1: none */
    int ro_fd;     /* the same; a per-user instance has none */
    int admin_fd;  /* the same */
    char *rw_path; /* owned; made by us, so that we remove it; NULL: not */
    char *ro_path;
    char *admin_path;
} DaemonSockets;

#define DAEMON_SOCKETS_INIT                                                    \
    {                                                                          \
        .rw_fd = -1, .ro_fd = -1, .admin_fd = -1                               \
    }

/**
 * daemon_sockets_open() - Get the listening sockets
 * @dir:     directory of the sockets
 * @session: no read-only socket
 *
 * With LISTEN_FDS for this process, LISTEN_FDNAMES tells which descriptor is
 * virtstratovirtd.socket, virtstratovirtd-ro.socket and
 * virtstratovirtd-admin.socket; then nothing is made here, and a descriptor
 * that nobody claims is an error.
 */
gboolean daemon_sockets_open(DaemonSockets *sockets,
                             const DaemonSettings *settings, const char *dir,
                             gboolean session, GError **error);
/* Closes what is left and removes what was made. */
void daemon_sockets_close(DaemonSockets *sockets);
