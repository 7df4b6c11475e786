/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The daemon's command line and the places it works in. */
#pragma once

#include <glib.h>

typedef struct DaemonOptions {
    gboolean daemonize;
    gboolean verbose;
    gboolean show_help;
    gboolean show_version;
    char *config;   /* owned; NULL: default place, may be absent */
    char *pid_file; /* owned; NULL: default place */
    char *root;     /* owned; prefix of every path, "" for the real host */
    int timeout_s; /* exit after so long without clients and guests; 0: never */
} DaemonOptions;

/**
 * daemon_options_parse() - Read the command line
 * @argv:        as main() got it
 * @ret_options: filled in; clear with daemon_options_clear()
 * @error:       one sentence that names the wrong option
 */
gboolean daemon_options_parse(int argc, char **argv, DaemonOptions *ret_options,
                              GError **error);
void daemon_options_clear(DaemonOptions *options);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(DaemonOptions, daemon_options_clear)

/* What --help prints. */
extern const char daemon_usage[];

/* Where everything lives; all owned. */
typedef struct DaemonPaths {
    gboolean session; /* per-user instance */
    char *config;     /* virtstratovirtd.conf */
    char *driver_config;
    char *pid_file;
    char *socket_dir;
    char *log_file; /* default output of a daemonised process */
} DaemonPaths;

void daemon_paths_init(DaemonPaths *paths, const DaemonOptions *options,
                       gboolean session);
void daemon_paths_clear(DaemonPaths *paths);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(DaemonPaths, daemon_paths_clear)
