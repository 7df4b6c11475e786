/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who is on the other side of a UNIX socket. */
#include <config.h>

#include "rpc/peer.h"

#include <string.h>
#include <sys/socket.h>

#include "util/error.h"
#include "util/file.h"

/* Fields behind the ")" that ends the command name, the first being the third
 * of proc(5); the start time is the 22nd. */
#define STAT_START_INDEX (22 - 3)

guint64 rpc_peer_start_time(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/stat", (int)pid);
    g_autofree char *text = NULL;
    g_auto(GStrv) fields = NULL;
    const char *end;

    if (!file_read(path, 4096, &text, NULL, NULL))
        return 0;
    end = strrchr(text, ')');
    if (!end || end[1] != ' ')
        return 0;
    fields = g_strsplit(end + 2, " ", -1);
    if (g_strv_length(fields) <= STAT_START_INDEX)
        return 0;
    return g_ascii_strtoull(fields[STAT_START_INDEX], NULL, 10);
}

void rpc_peer_read(int fd, RpcPeer *ret_peer)
{
    struct ucred cred;
    socklen_t len = sizeof(cred);

    memset(ret_peer, 0, sizeof(*ret_peer));
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
        return;
    ret_peer->known = TRUE;
    ret_peer->pid = cred.pid;
    ret_peer->uid = cred.uid;
    ret_peer->gid = cred.gid;
    if (cred.pid > 0)
        ret_peer->start_time = rpc_peer_start_time(cred.pid);
}
