/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The monitor's commands, one function each, and what their replies mean.
 *
 * A qmp_X() queues the command; the QmpReplyFn hands its reply to the parse
 * function of the same name where there is one.  Parse functions take nothing
 * for granted: what is missing or of the wrong type is left out.
 */
#pragma once

#include "qmp/qmp_client.h"

void qmp_stop(QmpClient *client, QmpReplyFn reply, gpointer user);
void qmp_cont(QmpClient *client, QmpReplyFn reply, gpointer user);
void qmp_quit(QmpClient *client, QmpReplyFn reply, gpointer user);
void qmp_system_powerdown(QmpClient *client, QmpReplyFn reply, gpointer user);
void qmp_system_reset(QmpClient *client, QmpReplyFn reply, gpointer user);
void qmp_hmp(QmpClient *client, const char *line, QmpReplyFn reply,
             gpointer user);
/* What a guest's power-off does from now on: "poweroff" or "pause". */
void qmp_set_action_shutdown(QmpClient *client, const char *action,
                             QmpReplyFn reply, gpointer user);

typedef enum QmpRunState {
    QMP_RUN_UNKNOWN,
    QMP_RUN_RUNNING,
    QMP_RUN_PAUSED,   /* also prelaunch, -S */
    QMP_RUN_SHUTDOWN, /* powered off, the process waits */
    QMP_RUN_PANICKED,
    QMP_RUN_IO_ERROR,
    QMP_RUN_MAX
} QmpRunState;
void qmp_query_status(QmpClient *client, QmpReplyFn reply, gpointer user);
QmpRunState qmp_query_status_parse(json_t *ret);

/* Label -> path of the pty, without prefix; for pty back ends only. */
void qmp_query_chardev(QmpClient *client, QmpReplyFn reply, gpointer user);
GHashTable *qmp_query_chardev_parse(json_t *ret);

/* Array of pid_t: the threads of vCPU 0, 1, ...; 0 where unknown. */
void qmp_query_cpus(QmpClient *client, QmpReplyFn reply, gpointer user);
GArray *qmp_query_cpus_parse(json_t *ret, guint vcpus);

typedef struct QmpIothread {
    char *id; /* owned */
    pid_t tid;
} QmpIothread;
void qmp_query_iothreads(QmpClient *client, QmpReplyFn reply, gpointer user);
GArray *qmp_query_iothreads_parse(json_t *ret);

typedef struct QmpBlockStats {
    gint64 rd_bytes, rd_operations, rd_total_time_ns;
    gint64 wr_bytes, wr_operations, wr_total_time_ns;
    gint64 flush_operations, flush_total_time_ns;
} QmpBlockStats;
/* Drive id -> QmpBlockStats. */
void qmp_query_blockstats(QmpClient *client, QmpReplyFn reply, gpointer user);
GHashTable *qmp_query_blockstats_parse(json_t *ret);
