/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The daemon's command line and the places it works in. */
#include <config.h>

#include "daemon/options.h"

#include <getopt.h>
#include <string.h>

#include "util/error.h"

const char daemon_usage[] =
    "Usage: virtstratovirtd [options]\n"
    "\n"
    "Runs StratoVirt guests for libvirt clients (stratovirt:///system, or\n"
    "stratovirt:///session when started by an ordinary user).\n"
    "\n"
    "  -d, --daemon         run in the background\n"
    "  -f, --config FILE    configuration file\n"
    "  -p, --pid-file FILE  file for the process id\n"
    "  -t, --timeout SECS   exit after SECS without clients and guests\n"
    "  -v, --verbose        log informational messages\n"
    "      --root DIR       prefix of every path (for tests)\n"
    "  -V, --version        print the version\n"
    "  -h, --help           print this text\n";

enum {
    OPT_ROOT = 256
};

static const struct option long_options[] = {
    { "daemon", no_argument, NULL, 'd' },
    { "config", required_argument, NULL, 'f' },
    { "pid-file", required_argument, NULL, 'p' },
    { "timeout", required_argument, NULL, 't' },
    { "verbose", no_argument, NULL, 'v' },
    { "version", no_argument, NULL, 'V' },
    { "help", no_argument, NULL, 'h' },
    { "root", required_argument, NULL, OPT_ROOT },
    { NULL, 0, NULL, 0 },
};

static void replace(char **place, char *value)
{
    g_free(*place);
    *place = value;
}

static gboolean parse_timeout(const char *text, int *ret_seconds,
                              GError **error)
{
    guint64 seconds;

    if (!g_ascii_string_to_unsigned(text, 10, 1, G_MAXINT / 1000, &seconds,
                                    NULL))
        return vir_error_set(error, VIR_ERR_INVALID_ARG,
                             "--timeout '%s' is not a number of seconds from "
                             "1 to %d",
                             text, G_MAXINT / 1000);
    *ret_seconds = (int)seconds;
    return TRUE;
}

static gboolean option_apply(DaemonOptions *o, int opt, const char *arg,
                             GError **error)
{
    switch (opt) {
    case 'd':
        o->daemonize = TRUE;
        return TRUE;
    case 'f':
        replace(&o->config, g_canonicalize_filename(arg, NULL));
        return TRUE;
    case 'p':
        replace(&o->pid_file, g_canonicalize_filename(arg, NULL));
        return TRUE;
    case 't':
        return parse_timeout(arg, &o->timeout_s, error);
    case 'v':
        o->verbose = TRUE;
        return TRUE;
    case 'V':
        o->show_version = TRUE;
        return TRUE;
    case 'h':
        o->show_help = TRUE;
        return TRUE;
    case OPT_ROOT:
        replace(&o->root, g_canonicalize_filename(arg, NULL));
        if (g_str_equal(o->root, "/"))
            *o->root = '\0';
        return TRUE;
    default:
        return FALSE;
    }
}

gboolean daemon_options_parse(int argc, char **argv, DaemonOptions *ret_options,
                              GError **error)
{
    g_auto(DaemonOptions) o = { .root = g_strdup("") };
    int index;
    int opt;

    optind = 0; /* a fresh start also for tests */
    while (index = optind ? optind : 1,
           (opt = getopt_long(argc, argv, ":df:p:t:vVh", long_options, NULL)) !=
               -1) {
        if (opt == ':')
            return vir_error_set(error, VIR_ERR_INVALID_ARG,
                                 "option '%s' needs a value", argv[index]);
        if (opt == '?')
            return vir_error_set(error, VIR_ERR_INVALID_ARG,
                                 "unknown option '%s', see --help",
                                 argv[index]);
        if (!option_apply(&o, opt, optarg, error))
            return FALSE;
    }
    if (optind < argc)
        return vir_error_set(error, VIR_ERR_INVALID_ARG,
                             "unexpected argument '%s', see --help",
                             argv[optind]);
    *ret_options = o;
    memset(&o, 0, sizeof(o));
    return TRUE;
}

void daemon_options_clear(DaemonOptions *options)
{
    g_free(options->config);
    g_free(options->pid_file);
    g_free(options->root);
    memset(options, 0, sizeof(*options));
}

static void system_paths(DaemonPaths *p, const char *root)
{
    p->config =
        g_strconcat(root, SYSCONFDIR "/libvirt/virtstratovirtd.conf", NULL);
    p->driver_config =
        g_strconcat(root, SYSCONFDIR "/libvirt/stratovirt.conf", NULL);
    p->pid_file = g_strconcat(root, RUNSTATEDIR "/virtstratovirtd.pid", NULL);
    p->socket_dir = g_strconcat(root, RUNSTATEDIR "/libvirt", NULL);
    p->log_file = g_strconcat(
        root, LOCALSTATEDIR "/log/libvirt/virtstratovirtd.log", NULL);
}

static void session_paths(DaemonPaths *p, const char *root)
{
    p->config = g_strconcat(root, g_get_user_config_dir(),
                            "/libvirt/virtstratovirtd.conf", NULL);
    p->driver_config = g_strconcat(root, g_get_user_config_dir(),
                                   "/libvirt/stratovirt.conf", NULL);
    p->socket_dir =
        g_strconcat(root, g_get_user_runtime_dir(), "/libvirt", NULL);
    p->pid_file = g_build_filename(p->socket_dir, "virtstratovirtd.pid", NULL);
    p->log_file = g_strconcat(root, g_get_user_cache_dir(),
                              "/libvirt/virtstratovirtd.log", NULL);
}

void daemon_paths_init(DaemonPaths *paths, const DaemonOptions *options,
                       gboolean session)
{
    paths->session = session;
    if (session)
        session_paths(paths, options->root);
    else
        system_paths(paths, options->root);
    if (options->config)
        replace(&paths->config, g_strdup(options->config));
    if (options->pid_file)
        replace(&paths->pid_file, g_strdup(options->pid_file));
}

void daemon_paths_clear(DaemonPaths *paths)
{
    g_free(paths->config);
    g_free(paths->driver_config);
    g_free(paths->pid_file);
    g_free(paths->socket_dir);
    g_free(paths->log_file);
    memset(paths, 0, sizeof(*paths));
}
