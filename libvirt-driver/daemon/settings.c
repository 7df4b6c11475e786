/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* virtstratovirtd.conf: the daemon's keys, named as in libvirtd.conf. */
#include <config.h>

#include "daemon/settings.h"

#include <string.h>

#include "util/config_file.h"
#include "util/error.h"
#include "util/log.h"

/* Keys of libvirtd.conf that have nothing to govern here; a file shared with
 * other daemons may set them. */
static const char *const known_keys[] = {
    "unix_sock_group",
    "unix_sock_rw_perms",
    "unix_sock_ro_perms",
    "unix_sock_admin_perms",
    "unix_sock_dir",
    "auth_unix_ro",
    "auth_unix_rw",
    "access_drivers",
    "max_clients",
    "max_queued_clients",
    "max_anonymous_clients",
    "min_workers",
    "max_workers",
    "prio_workers",
    "max_client_requests",
    "keepalive_interval",
    "keepalive_count",
    "log_level",
    "log_filters",
    "log_outputs",
    "host_uuid",
    "host_uuid_source",
    "admin_min_workers",
    "admin_max_workers",
    "admin_max_clients",
    "admin_max_queued_clients",
    "admin_max_client_requests",
    "admin_keepalive_interval",
    "admin_keepalive_count",
    "audit_level",
    "audit_logging",
    "ovs_timeout",
    "sasl_allowed_username_list",
    NULL,
};

static gboolean get_uint(const ConfigFile *file, const char *key, gint64 min,
                         guint *value, GError **error)
{
    gint64 n = *value;

    if (!config_file_get_int(file, key, min, G_MAXINT, &n, error))
        return FALSE;
    *value = (guint)n;
    return TRUE;
}

static gboolean get_int(const ConfigFile *file, const char *key, gint64 min,
                        gint64 max, int *value, GError **error)
{
    gint64 n = *value;

    if (!config_file_get_int(file, key, min, max, &n, error))
        return FALSE;
    *value = (int)n;
    return TRUE;
}

static gboolean get_perms(const ConfigFile *file, const char *key,
                          mode_t *value, GError **error)
{
    g_autofree char *text = NULL;
    char *end = NULL;
    guint64 mode;

    if (!config_file_get_string(file, key, &text, error))
        return FALSE;
    if (!text)
        return TRUE;
    mode = g_ascii_strtoull(text, &end, 8);
    if (!*text || *end || mode > 0777)
        return vir_error_set_from(error, VIR_FROM_CONF, VIR_ERR_INVALID_ARG,
                                  "%s = \"%s\" must be an octal mode as "
                                  "\"0770\"",
                                  key, text);
    *value = (mode_t)mode;
    return TRUE;
}

static gboolean get_auth(const ConfigFile *file, const char *key,
                         RpcAuth *value, GError **error)
{
    g_autofree char *text = NULL;

    if (!config_file_get_string(file, key, &text, error))
        return FALSE;
    if (!text)
        return TRUE;
    if (g_str_equal(text, "none"))
        *value = RPC_AUTH_NONE;
    else if (g_str_equal(text, "polkit"))
        *value = RPC_AUTH_POLKIT;
    else
        return vir_error_set_from(error, VIR_FROM_CONF, VIR_ERR_INVALID_ARG,
                                  "%s = \"%s\" must be \"none\" or "
                                  "\"polkit\"",
                                  key, text);
    return TRUE;
}

/* The keys of the main and of the admin socket differ by a prefix. */
static gboolean load_server(RpcServerConfig *rpc, guint *backlog,
                            const char *prefix, const ConfigFile *file,
                            GError **error)
{
    const struct {
        const char *key;
        gint64 min;
        guint *value;
    } numbers[] = {
        { "max_clients", 1, &rpc->max_clients },
        { "max_queued_clients", 1, backlog },
        { "min_workers", 1, &rpc->min_workers },
        { "max_workers", 1, &rpc->max_workers },
        { "max_client_requests", 1, &rpc->max_client_requests },
        { "keepalive_count", 0, &rpc->keepalive_count },
    };
    g_autofree char *interval = g_strconcat(prefix, "keepalive_interval", NULL);

    for (gsize i = 0; i < G_N_ELEMENTS(numbers); i++) {
        g_autofree char *key = g_strconcat(prefix, numbers[i].key, NULL);

        if (!get_uint(file, key, numbers[i].min, numbers[i].value, error))
            return FALSE;
    }
    return get_int(file, interval, -1, G_MAXINT / 1000,
                   &rpc->keepalive_interval_s, error);
}

static gboolean load_limits(DaemonSettings *s, const ConfigFile *file,
                            GError **error)
{
    RpcServerConfig *rpc = &s->rpc;

    if (!load_server(rpc, &s->max_queued_clients, "", file, error) ||
        !load_server(&s->admin, &s->admin_max_queued_clients, "admin_", file,
                     error) ||
        !get_uint(file, "max_anonymous_clients", 1, &rpc->max_anonymous_clients,
                  error) ||
        !get_uint(file, "prio_workers", 0, &rpc->prio_workers, error))
        return FALSE;
    if (rpc->max_clients < rpc->max_anonymous_clients)
        return vir_error_set_from(error, VIR_FROM_CONF, VIR_ERR_INVALID_ARG,
                                  "max_clients (%u) must not be less than "
                                  "max_anonymous_clients (%u)",
                                  rpc->max_clients, rpc->max_anonymous_clients);
    return TRUE;
}

static gboolean load_sockets(DaemonSettings *s, const ConfigFile *file,
                             GError **error)
{
    if (!get_auth(file, "auth_unix_ro", &s->auth_ro, error) ||
        !get_auth(file, "auth_unix_rw", &s->auth_rw, error))
        return FALSE;
    s->ro_perms = 0777;
    s->admin_perms = 0700;
    /* polkit decides who may; without it only the owner */
    s->rw_perms = s->auth_rw == RPC_AUTH_POLKIT ? 0777 : 0700;
    return get_perms(file, "unix_sock_ro_perms", &s->ro_perms, error) &&
           get_perms(file, "unix_sock_rw_perms", &s->rw_perms, error) &&
           get_perms(file, "unix_sock_admin_perms", &s->admin_perms, error) &&
           config_file_get_string(file, "unix_sock_group", &s->sock_group,
                                  error) &&
           config_file_get_string(file, "unix_sock_dir", &s->sock_dir, error);
}

static gboolean load_logging(DaemonSettings *s, const ConfigFile *file,
                             GError **error)
{
    const char *debug = g_getenv("LIBVIRT_DEBUG");
    const char *filters = g_getenv("LIBVIRT_LOG_FILTERS");
    const char *outputs = g_getenv("LIBVIRT_LOG_OUTPUTS");

    if (!get_int(file, "log_level", 1, 4, &s->log_level, error) ||
        !config_file_get_string(file, "log_filters", &s->log_filters, error) ||
        !config_file_get_string(file, "log_outputs", &s->log_outputs, error))
        return FALSE;
    if (debug && *debug)
        s->log_level = CLAMP(g_ascii_strtoll(debug, NULL, 10), 1, 4);
    if (filters) {
        g_free(s->log_filters);
        s->log_filters = g_strdup(filters);
    }
    if (outputs) {
        g_free(s->log_outputs);
        s->log_outputs = g_strdup(outputs);
    }
    return TRUE;
}

static gboolean load_host_uuid(DaemonSettings *s, const ConfigFile *file,
                               GError **error)
{
    if (!config_file_get_string(file, "host_uuid", &s->host_uuid, error) ||
        !config_file_get_string(file, "host_uuid_source", &s->host_uuid_source,
                                error))
        return FALSE;
    if (s->host_uuid && !g_uuid_string_is_valid(s->host_uuid))
        return vir_error_set_from(error, VIR_FROM_CONF, VIR_ERR_INVALID_ARG,
                                  "host_uuid = \"%s\" is not a UUID",
                                  s->host_uuid);
    if (!g_str_equal(s->host_uuid_source, "smbios") &&
        !g_str_equal(s->host_uuid_source, "machine-id"))
        return vir_error_set_from(error, VIR_FROM_CONF, VIR_ERR_INVALID_ARG,
                                  "host_uuid_source = \"%s\" must be "
                                  "\"smbios\" or \"machine-id\"",
                                  s->host_uuid_source);
    return TRUE;
}

/* A file that asks for protection which we lack must not be taken lightly. */
static gboolean check_access_drivers(const ConfigFile *file, GError **error)
{
    g_auto(GStrv) drivers = NULL;

    if (!config_file_get_list(file, "access_drivers", &drivers, error))
        return FALSE;
    for (char **name = drivers; name && *name; name++) {
        if (!g_str_equal(*name, "none") && !g_str_equal(*name, "nop"))
            return vir_error_set_from(error, VIR_FROM_CONF, VIR_ERR_INVALID_ARG,
                                      "access_drivers names '%s', but there is "
                                      "no fine-grained access control here: "
                                      "remove the line",
                                      *name);
    }
    return TRUE;
}

static void defaults(DaemonSettings *s, gboolean session)
{
    s->rpc = (RpcServerConfig)RPC_SERVER_CONFIG_INIT;
    s->max_queued_clients = 1000;
    s->admin = s->rpc;
    s->admin.min_workers = 1;
    s->admin.max_workers = 5;
    s->admin.prio_workers = 1;
    s->admin.max_clients = 5;
    s->admin_max_queued_clients = 20;
    s->auth_rw = s->auth_ro = session ? RPC_AUTH_NONE : RPC_AUTH_POLKIT;
    s->log_level = LOG_LEVEL_WARNING;
    s->host_uuid_source = g_strdup("smbios");
}

gboolean daemon_settings_load(DaemonSettings *ret_settings, const char *path,
                              gboolean required, gboolean session,
                              GError **error)
{
    g_autoptr(ConfigFile) file = config_file_load(path, required, error);
    g_auto(DaemonSettings) s = { 0 };
    g_autofree char *unknown = NULL;

    if (!file)
        return FALSE;
    defaults(&s, session);
    if (!load_limits(&s, file, error) || !load_sockets(&s, file, error) ||
        !load_logging(&s, file, error) || !load_host_uuid(&s, file, error) ||
        !check_access_drivers(file, error))
        return FALSE;
    unknown = config_file_unknown_keys(file, known_keys);
    if (unknown)
        log_warning("%s: ignored unknown keys: %s", path, unknown);
    *ret_settings = s;
    memset(&s, 0, sizeof(s));
    return TRUE;
}

void daemon_settings_clear(DaemonSettings *settings)
{
    g_free(settings->sock_group);
    g_free(settings->sock_dir);
    g_free(settings->log_filters);
    g_free(settings->log_outputs);
    g_free(settings->host_uuid);
    g_free(settings->host_uuid_source);
    memset(settings, 0, sizeof(*settings));
}
