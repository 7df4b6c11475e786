/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the driver keeps its files, all below one root. */
#include <config.h>

#include "domain/domain_priv.h"

#include <sys/stat.h>

#include "util/error.h"
#include "util/file.h"

static void paths_system(DriverPaths *paths, const char *root)
{
    paths->config = g_strconcat(root, SYSCONFDIR "/libvirt/stratovirt", NULL);
    paths->run = g_strconcat(root, RUNSTATEDIR "/libvirt/stratovirt", NULL);
    paths->lib =
        g_strconcat(root, LOCALSTATEDIR "/lib/libvirt/stratovirt", NULL);
    paths->log =
        g_strconcat(root, LOCALSTATEDIR "/log/libvirt/stratovirt", NULL);
    paths->cache =
        g_strconcat(root, LOCALSTATEDIR "/cache/libvirt/stratovirt", NULL);
}

static void paths_session(DriverPaths *paths, const char *root)
{
    g_autofree char *config =
        g_strconcat(root, g_get_user_config_dir(), "/libvirt/stratovirt", NULL);
    g_autofree char *cache =
        g_strconcat(root, g_get_user_cache_dir(), "/libvirt/stratovirt", NULL);

    paths->run = g_strconcat(root, g_get_user_runtime_dir(),
                             "/libvirt/stratovirt/run", NULL);
    paths->lib = g_build_filename(config, "lib", NULL);
    paths->log = g_build_filename(cache, "log", NULL);
    paths->cache = g_build_filename(cache, "cache", NULL);
    paths->config = g_steal_pointer(&config);
}

void paths_init(DriverPaths *paths, const DriverConfig *config)
{
    if (config->session)
        paths_session(paths, config->root);
    else
        paths_system(paths, config->root);
    paths->autostart = g_build_filename(paths->config, "autostart", NULL);
}

void paths_fini(DriverPaths *paths)
{
    g_free(paths->config);
    g_free(paths->autostart);
    g_free(paths->run);
    g_free(paths->lib);
    g_free(paths->log);
    g_free(paths->cache);
}

gboolean paths_make(const DriverPaths *paths, gboolean session, GError **error)
{
    /* A guest's user must be able to pass through lib and run to files that
     * are named to its VMM; it can list and write nothing there. */
    mode_t pass = session ? 0700 : 0711;

    return file_mkdir_p(paths->config, 0700, error) &&
           file_mkdir_p(paths->autostart, 0700, error) &&
           file_mkdir_p(paths->run, pass, error) &&
           file_mkdir_p(paths->lib, pass, error) &&
           file_mkdir_p(paths->log, 0700, error) &&
           file_mkdir_p(paths->cache, 0700, error);
}

char *path_named(const char *dir, const char *name, const char *suffix)
{
    return g_strdup_printf("%s/%s.%s", dir, name, suffix);
}
