/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* virtstratovirtd.conf: the daemon's keys, named as in libvirtd.conf. */
#pragma once

#include <sys/types.h>

#include "rpc/server.h"

typedef struct DaemonSettings {
    RpcServerConfig rpc;
    RpcServerConfig admin;    /* of the admin socket */
    guint max_queued_clients; /* backlog of the sockets */
    guint admin_max_queued_clients;
    char *sock_group; /* owned; NULL: leave it */
    char *sock_dir;   /* owned; NULL: default place */
    mode_t rw_perms;
    mode_t ro_perms;
    mode_t admin_perms;
    RpcAuth auth_rw;
    RpcAuth auth_ro;
    int log_level;
    char *log_filters;      /* owned */
    char *log_outputs;      /* owned; empty: by circumstances */
    char *host_uuid;        /* owned; NULL: by source */
    char *host_uuid_source; /* owned */
} DaemonSettings;

/**
 * daemon_settings_load() - Read the file, over the defaults
 * @path:     file
 * @required: a missing file is an error
 * @session:  defaults of a per-user instance
 *
 * LIBVIRT_DEBUG, LIBVIRT_LOG_FILTERS and LIBVIRT_LOG_OUTPUTS win over the file.
 */
gboolean daemon_settings_load(DaemonSettings *ret_settings, const char *path,
                              gboolean required, gboolean session,
                              GError **error);
void daemon_settings_clear(DaemonSettings *settings);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(DaemonSettings, daemon_settings_clear)
