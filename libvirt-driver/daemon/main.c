/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* virtstratovirtd: entry point.
 *
 * Order of a start: options, configuration, log, background, pid file, sockets
 * (bound, so that early clients wait), driver, clients.
 */
#include <config.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/daemon.h"
#include "daemon/process.h"
#include "util/error.h"
#include "util/file.h"
#include "util/log.h"

#define EXIT_USAGE 1

static int report(const GError *error)
{
    g_autofree char *text = vir_error_text(error);

    fprintf(stderr, "virtstratovirtd: %s\n", text);
    return EXIT_FAILURE;
}

static void signals_block(void)
{
    sigset_t mask;

    sigemptyset(&mask);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGINT);
    sigaddset(&mask, SIGQUIT);
    sigaddset(&mask, SIGHUP);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* Where nothing is configured: a file in the background, else stderr. */
static gboolean logging_start(const DaemonOptions *options,
                              const DaemonPaths *paths,
                              const DaemonSettings *settings, GError **error)
{
    g_autofree char *outputs = g_strdup(settings->log_outputs);
    g_autofree char *dir = g_path_get_dirname(paths->log_file);
    int level = settings->log_level;

    if (options->verbose)
        level = MIN(level, LOG_LEVEL_INFO);
    if ((!outputs || !*outputs) && options->daemonize) {
        if (!file_mkdir_p(dir, 0700, error))
            return FALSE;
        g_free(outputs);
        outputs = g_strdup_printf("1:file:%s", paths->log_file);
    }
    return log_setup(level, settings->log_filters, outputs, error);
}

static void on_ready(gpointer user)
{
    log_info("virtstratovirtd " VERSION " is ready");
    service_notify("READY=1");
    daemon_fork_ready(user);
}

static gboolean run(const DaemonOptions *options, GError **error)
{
    g_auto(DaemonPaths) paths = { 0 };
    g_auto(DaemonSettings) settings = { 0 };
    DaemonSockets sockets = DAEMON_SOCKETS_INIT;
    AUTO_FD ready_fd = -1;
    AUTO_FD pid_fd = -1;
    gboolean ok;

    daemon_paths_init(&paths, options, geteuid() != 0);
    if (!daemon_settings_load(&settings, paths.config, options->config != NULL,
                              paths.session, error) ||
        !logging_start(options, &paths, &settings, error) ||
        (options->daemonize && !daemon_fork(&ready_fd, error)))
        return FALSE;
    signals_block();
    pid_fd = pid_file_take(paths.pid_file, error);
    if (pid_fd < 0)
        return FALSE;
    ok = daemon_sockets_open(&sockets, &settings,
                             settings.sock_dir ? settings.sock_dir
                                               : paths.socket_dir,
                             paths.session, error) &&
         daemon_run(options, &paths, &settings, &sockets, on_ready, &ready_fd,
                    error);
    daemon_sockets_close(&sockets);
    pid_file_drop(paths.pid_file, &pid_fd);
    return ok;
}

int main(int argc, char **argv)
{
    g_auto(DaemonOptions) options = { 0 };
    g_autoptr(GError) error = NULL;

    umask(022);
    if (!daemon_options_parse(argc, argv, &options, &error)) {
        report(error);
        return EXIT_USAGE;
    }
    if (options.show_help) {
        fputs(daemon_usage, stdout);
        return EXIT_SUCCESS;
    }
    if (options.show_version) {
        puts("virtstratovirtd (" PACKAGE_NAME ") " VERSION);
        return EXIT_SUCCESS;
    }
    if (!run(&options, &error))
        return report(error);
    return EXIT_SUCCESS;
}
