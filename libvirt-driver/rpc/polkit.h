/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Authentication procedures: the list of methods, and polkit over D-Bus. */
#pragma once

#include "rpc/server.h"

/* AUTH_LIST: the one method that this client's socket asks for. */
RpcVerdict rpc_auth_list(RpcCall *call, gconstpointer args, gpointer ret,
                         GError **error);

/**
 * rpc_auth_polkit() - AUTH_POLKIT: ask polkit about the client's process
 *
 * The action is org.libvirt.unix.manage, or org.libvirt.unix.monitor on a
 * read-only socket; both belong to libvirt's own packages.  The call is
 * completed when polkit, perhaps with its user, has decided.
 */
RpcVerdict rpc_auth_polkit(RpcCall *call, gconstpointer args, gpointer ret,
                           GError **error);
