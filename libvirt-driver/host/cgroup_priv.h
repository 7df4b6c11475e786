/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the control groups are; tests put a directory in their place. */
#pragma once

#include "host/cgroup.h"

#define CGROUP2_SUPER_MAGIC 0x63677270

typedef struct CgroupHost {
    const char *root;    /* mount point of cgroup v2 */
    guint64 super_magic; /* file system type expected there */
    const char *proc;    /* /proc */
    int dbus_timeout_ms; /* for each call */
    int move_timeout_ms; /* for the process to reach its scope */
} CgroupHost;

/* cgroup_create() on this host. */
gboolean cgroup_create_on(const CgroupHost *host, const CgroupRequest *req,
                          char **ret_path, GError **error);
