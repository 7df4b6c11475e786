/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The daemon's side of starting a VMM through virtstratovirt-launch.
 *
 * launch_spawn() gives a helper that waits; its process id is that of the VMM
 * to be, so control groups can be made around it.  launch_send() lets it go.
 * Then the socket becomes readable: launch_report() tells how it went.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

typedef struct LaunchPlan {
    GPtrArray *argv; /* of char *, owned; no NULL at the end */
    GPtrArray *env;  /* of char *, owned */
    GPtrArray *devs; /* of char *: device paths to have in /dev, owned */
    GArray *fds;     /* of int, owned: closed with the plan */
    GArray *listen;  /* of int: numbers in the VMM */
    GArray *cgroups; /* of int: likewise, of cgroup.procs files */
    int log;         /* likewise; -1: none */
    int out;         /* likewise; -1: as the log */
    int pid_file;    /* likewise; -1: none */
    gboolean drop_ids;
    uid_t uid;
    gid_t gid;
    char *dev_dir; /* owned; NULL: no mount namespace */
    guint nofile;  /* 0: as the daemon's */
} LaunchPlan;

LaunchPlan *launch_plan_new(void);
/* Closes the descriptors. */
void launch_plan_free(LaunchPlan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LaunchPlan, launch_plan_free)

/* Takes @fd over; returns its number in the VMM. */
int launch_plan_add_fd(LaunchPlan *plan, int fd);

/**
 * launch_spawn() - Start the helper
 * @helper:     its path
 * @ret_pid:    a child of ours, to be reaped by the caller
 * @ret_pidfd:  owned by the caller
 * @ret_socket: owned by the caller; closing it ends a helper that waits
 */
gboolean launch_spawn(const char *helper, pid_t *ret_pid, int *ret_pidfd,
                      int *ret_socket, GError **error);

gboolean launch_send(const LaunchPlan *plan, int socket_fd, GError **error);

/**
 * launch_report() - What the helper said, once its socket is readable
 *
 * Return: TRUE when the VMM was executed, FALSE with the failed step
 */
gboolean launch_report(int socket_fd, GError **error);
