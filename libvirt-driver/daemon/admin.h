/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The admin program: what virt-admin asks of the daemon. */
#pragma once

#include "rpc/server.h"

/* The `user` of the admin server; its own lifetime is the daemon's. */
typedef struct DaemonAdmin {
    RpcServer *main_server;  /* borrowed; named virtstratovirtd */
    RpcServer *admin_server; /* borrowed; named admin */
    /* Any thread; 0 is never. */
    void (*set_timeout)(gpointer user, guint seconds);
    gpointer user;
} DaemonAdmin;

extern const RpcProgram *const daemon_admin_programs[];
extern const RpcServerHooks daemon_admin_hooks;
