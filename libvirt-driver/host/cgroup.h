/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A control group (v2) for each guest.
 *
 * The scope comes from machined, else from systemd, else it is a directory
 * made here.  Below it libvirt/ holds threaded groups: emulator, vcpu0...,
 * iothread1...
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

typedef struct CgroupRequest {
    const char *name;   /* of the domain */
    const guint8 *uuid; /* 16 bytes */
    int id;
    pid_t pid;         /* process to put there */
    gboolean use_dbus; /* ask machined and systemd */
} CgroupRequest;

/**
 * cgroup_create() - Make a guest's scope and its libvirt/emulator
 * @ret_path: directory of the scope, owned by the caller; NULL when the host
 *            offers no control groups to us, which is said once in the log
 *
 * Return: FALSE only when a scope was made but cannot be used
 */
gboolean cgroup_create(const CgroupRequest *req, char **ret_path,
                       GError **error);

/* Descriptor of cgroup.procs of the emulator group; -1 with @error. */
int cgroup_open_emulator(const char *path, GError **error);

/* Moves a thread into libvirt/NAME; failing is logged only. */
void cgroup_place_thread(const char *path, const char *name, pid_t tid);

/* Removes the groups of a guest whose processes are gone. */
void cgroup_remove(const char *path);
