/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The daemon as a process: background, pid file, notice to systemd. */
#pragma once

#include <glib.h>

/**
 * daemon_fork() - Go to the background
 * @ret_ready_fd: where daemon_fork_ready() tells the parent how it went
 *
 * The parent waits for that and exits with the same status; only the child
 * returns.  Before any thread.
 */
gboolean daemon_fork(int *ret_ready_fd, GError **error);
/* Detaches from the terminal and lets the parent go. */
void daemon_fork_ready(int *ready_fd);

/**
 * pid_file_take() - Create, lock and fill the pid file
 *
 * Return: descriptor that holds the lock; -1: another instance has it
 */
int pid_file_take(const char *path, GError **error);
void pid_file_drop(const char *path, int *fd);

/* sd_notify: a line as "READY=1"; nothing without NOTIFY_SOCKET. */
void service_notify(const char *state);
