/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who is on the other side of a UNIX socket. */
#pragma once

#include <glib.h>
#include <sys/types.h>

typedef struct RpcPeer {
    gboolean known; /* FALSE: the kernel did not tell */
    pid_t pid;
    uid_t uid;
    gid_t gid;
    guint64 start_time; /* of the process, clock ticks since boot; 0 unknown */
} RpcPeer;

void rpc_peer_read(int fd, RpcPeer *ret_peer);

/* Start time of a process from /proc, 0 when it is gone. */
guint64 rpc_peer_start_time(pid_t pid);
