/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The driver's settings: defaults and stratovirt.conf. */
#include <config.h>

#include "domain/driver.h"

#include <string.h>

#include "util/config_file.h"
#include "util/error.h"
#include "util/log.h"

enum {
    /* Between the ranges that distributions and systemd hand out. */
    DEFAULT_UID_FIRST = 1900000000,
    DEFAULT_UID_LAST = 1900008191,
    DEFAULT_START_TIMEOUT_S = 60,
    DEFAULT_QMP_TIMEOUT_S = 30,
    MAX_UID_RANGE = 1 << 20,
};

DriverConfig *driver_config_new(gboolean session, const char *root)
{
    DriverConfig *config = g_new0(DriverConfig, 1);

    config->root = g_strdup(root ? root : "");
    config->session = session;
    config->emulator = g_strdup(BINDIR "/stratovmm");
    config->launch_helper = g_strdup(LIBEXECDIR "/virtstratovirt-launch");
    config->host_uuid_source = g_strdup("smbios");
    config->device_substitution = TRUE;
    config->use_namespace = !session;
    config->use_cgroup = !session;
    config->use_machined = !session;
    config->start_timeout_ms = DEFAULT_START_TIMEOUT_S * 1000;
    config->qmp_timeout_ms = DEFAULT_QMP_TIMEOUT_S * 1000;
    if (!session) {
        config->uid_first = DEFAULT_UID_FIRST;
        config->uid_last = DEFAULT_UID_LAST;
    }
    return config;
}

void driver_config_free(DriverConfig *config)
{
    if (!config)
        return;
    g_free(config->root);
    g_free(config->emulator);
    g_free(config->launch_helper);
    g_free(config->user);
    g_free(config->group);
    g_free(config->host_uuid);
    g_free(config->host_uuid_source);
    g_free(config);
}

/* "FIRST-LAST"; root's and nobody's ids are not for guests. */
static gboolean parse_uid_range(DriverConfig *config, const char *text,
                                GError **error)
{
    char *end;
    guint64 first = g_ascii_strtoull(text, &end, 10);
    guint64 last = *end == '-' ? g_ascii_strtoull(end + 1, &end, 10) : 0;

    if (*end || first < 1000 || last < first || last > G_MAXINT32 - 1 ||
        last - first >= MAX_UID_RANGE)
        return vir_error_set(error, VIR_ERR_CONF_SYNTAX,
                             "uid_range = \"%s\": give two user ids from 1000 "
                             "up and at most %d apart, as \"%d-%d\"",
                             text, MAX_UID_RANGE, DEFAULT_UID_FIRST,
                             DEFAULT_UID_LAST);
    config->uid_first = first;
    config->uid_last = last;
    return TRUE;
}

static gboolean load_seconds(ConfigFile *file, const char *key, guint *value_ms,
                             GError **error)
{
    gint64 seconds = *value_ms / 1000;

    if (!config_file_get_int(file, key, 1, 86400, &seconds, error))
        return FALSE;
    *value_ms = seconds * 1000;
    return TRUE;
}

static gboolean load_identity(DriverConfig *config, ConfigFile *file,
                              GError **error)
{
    g_autofree char *range = NULL;

    if (!config_file_get_string(file, "user", &config->user, error) ||
        !config_file_get_string(file, "group", &config->group, error) ||
        !config_file_get_string(file, "uid_range", &range, error))
        return FALSE;
    if (range && !parse_uid_range(config, range, error))
        return FALSE;
    if (config->group && !config->user)
        return vir_error_set(error, VIR_ERR_CONF_SYNTAX,
                             "group = \"%s\" needs a user = \"...\" beside it",
                             config->group);
    return TRUE;
}

gboolean driver_config_load(DriverConfig *config, const char *path,
                            gboolean must_exist, GError **error)
{
    static const char *const known[] = {
        "emulator",        "user",
        "group",           "uid_range",
        "namespaces",      "cgroups",
        "machined",        "device_substitution",
        "launch_helper",   "start_timeout",
        "monitor_timeout", NULL,
    };
    g_autoptr(ConfigFile) file = config_file_load(path, must_exist, error);
    g_autofree char *unknown = NULL;

    if (!file)
        return FALSE;
    unknown = config_file_unknown_keys(file, known);
    if (unknown)
        log_warning("%s: unknown keys are ignored: %s", path, unknown);
    return config_file_get_string(file, "emulator", &config->emulator, error) &&
           config_file_get_string(file, "launch_helper", &config->launch_helper,
                                  error) &&
           load_identity(config, file, error) &&
           config_file_get_bool(file, "namespaces", &config->use_namespace,
                                error) &&
           config_file_get_bool(file, "cgroups", &config->use_cgroup, error) &&
           config_file_get_bool(file, "machined", &config->use_machined,
                                error) &&
           config_file_get_bool(file, "device_substitution",
                                &config->device_substitution, error) &&
           load_seconds(file, "start_timeout", &config->start_timeout_ms,
                        error) &&
           load_seconds(file, "monitor_timeout", &config->qmp_timeout_ms,
                        error);
}
