/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A control group (v2) for each guest. */
#include <config.h>

#include "host/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "host/cgroup_priv.h"
#include "util/error.h"
#include "util/file.h"
#include "util/log.h"

#define UNIT_NAME_BYTES 255 /* systemd's limit, and that of a directory */
#define SCOPE_SUFFIX    ".scope"

static const CgroupHost this_host = {
    .root = "/sys/fs/cgroup",
    .super_magic = CGROUP2_SUPER_MAGIC,
    .proc = "/proc",
    .dbus_timeout_ms = 10000,
    .move_timeout_ms = 2000,
};

/* ---- Names ------------------------------------------------------------ */

/* systemd's rules for a part of a unit name; what is too long is cut, as the
 * id already tells guests apart. */
static char *scope_name(const CgroupRequest *req)
{
    GString *name = g_string_new(NULL);

    g_string_printf(name, "machine-stratovirt\\x2d%d\\x2d", req->id);
    for (const char *p = req->name; *p; p++) {
        gboolean plain = g_ascii_isalnum(*p) || *p == '_' || *p == '.';
        gsize len = plain ? 1 : 4;

        if (name->len + len + strlen(SCOPE_SUFFIX) > UNIT_NAME_BYTES)
            break;
        if (plain)
            g_string_append_c(name, *p);
        else
            g_string_append_printf(name, "\\x%02x", (guchar)*p);
    }
    g_string_append(name, SCOPE_SUFFIX);
    return g_string_free(name, FALSE);
}

/* machined takes host name characters only. */
static char *machine_name(const CgroupRequest *req)
{
    GString *name = g_string_new(NULL);

    g_string_printf(name, "stratovirt-%d-", req->id);
    for (const char *p = req->name; *p && name->len < 60; p++) {
        if (g_ascii_isalnum(*p) ||
            (*p == '-' && name->str[name->len - 1] != '-'))
            g_string_append_c(name, *p);
    }
    while (name->str[name->len - 1] == '-')
        g_string_truncate(name, name->len - 1);
    return g_string_free(name, FALSE);
}

/* ---- D-Bus ------------------------------------------------------------ */

static gboolean call_machined(const CgroupHost *host, GDBusConnection *bus,
                              const CgroupRequest *req, GError **error)
{
    g_autofree char *name = machine_name(req);
    g_autoptr(GVariant) reply = NULL;
    GVariant *uuid =
        g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, req->uuid, 16, 1);
    GVariantBuilder props;

    g_variant_builder_init(&props, G_VARIANT_TYPE("a(sv)"));
    g_variant_builder_add(&props, "(sv)", "Slice",
                          g_variant_new_string("machine.slice"));
    g_variant_builder_add(&props, "(sv)", "Delegate",
                          g_variant_new_boolean(TRUE));
    reply = g_dbus_connection_call_sync(
        bus, "org.freedesktop.machine1", "/org/freedesktop/machine1",
        "org.freedesktop.machine1.Manager", "CreateMachine",
        g_variant_new("(s@ayssus@a(sv))", name, uuid, "libvirt-stratovirt",
                      "vm", (guint32)req->pid, "",
                      g_variant_builder_end(&props)),
        NULL, G_DBUS_CALL_FLAGS_NONE, host->dbus_timeout_ms, NULL, error);
    return reply != NULL;
}

static gboolean call_systemd(const CgroupHost *host, GDBusConnection *bus,
                             const CgroupRequest *req, GError **error)
{
    g_autofree char *name = scope_name(req);
    g_autofree char *text = g_strdup_printf("StratoVirt guest %s", req->name);
    g_autofree char *description = g_utf8_make_valid(text, -1);
    g_autoptr(GVariant) reply = NULL;
    guint32 pid = req->pid;
    GVariantBuilder props;

    g_variant_builder_init(&props, G_VARIANT_TYPE("a(sv)"));
    g_variant_builder_add(&props, "(sv)", "Description",
                          g_variant_new_string(description));
    g_variant_builder_add(&props, "(sv)", "Slice",
                          g_variant_new_string("machine.slice"));
    g_variant_builder_add(&props, "(sv)", "Delegate",
                          g_variant_new_boolean(TRUE));
    g_variant_builder_add(
        &props, "(sv)", "PIDs",
        g_variant_new_fixed_array(G_VARIANT_TYPE_UINT32, &pid, 1, 4));
    reply = g_dbus_connection_call_sync(
        bus, "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
        "org.freedesktop.systemd1.Manager", "StartTransientUnit",
        g_variant_new("(ss@a(sv)@a(sa(sv)))", name, "fail",
                      g_variant_builder_end(&props),
                      g_variant_new_array(G_VARIANT_TYPE("(sa(sv))"), NULL, 0)),
        NULL, G_DBUS_CALL_FLAGS_NONE, host->dbus_timeout_ms, NULL, error);
    return reply != NULL;
}

/* ---- Where is it? ----------------------------------------------------- */

/* Path of a process in the unified hierarchy, "" when it has none. */
static char *process_path(const CgroupHost *host, pid_t pid)
{
    g_autofree char *file =
        g_strdup_printf("%s/%d/cgroup", host->proc, (int)pid);
    g_autofree char *text = NULL;
    char *line;

    if (!file_read(file, 65536, &text, NULL, NULL))
        return g_strdup("");
    line = g_str_has_prefix(text, "0::") ? text : strstr(text, "\n0::");
    if (!line)
        return g_strdup("");
    line = strstr(line, "0::") + 3;
    line[strcspn(line, "\n")] = '\0';
    return g_strdup(line);
}

/* StartTransientUnit answers before the process has moved. */
static char *wait_for_scope(const CgroupHost *host, pid_t pid,
                            const char *before)
{
    for (int ms = 0; ms <= host->move_timeout_ms; ms += 10) {
        g_autofree char *path = process_path(host, pid);

        if (*path && strcmp(path, before) != 0)
            return g_strconcat(host->root, path, NULL);
        g_usleep(10000);
    }
    log_debug("process %d was not moved to a scope", (int)pid);
    return NULL;
}

static gboolean host_has_cgroup2(const CgroupHost *host)
{
    struct statfs fs;

    return statfs(host->root, &fs) == 0 &&
           (guint64)fs.f_type == host->super_magic;
}

static char *scope_by_dbus(const CgroupHost *host, const CgroupRequest *req)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GDBusConnection) bus =
        g_bus_get_sync(G_BUS_TYPE_SYSTEM, NULL, &error);
    g_autofree char *before = process_path(host, req->pid);

    if (!bus) {
        log_debug("system bus: %s", error->message);
        return NULL;
    }
    g_dbus_connection_set_exit_on_close(bus, FALSE);
    if (!call_machined(host, bus, req, &error)) {
        log_debug("machined: %s", error->message);
        g_clear_error(&error);
        if (!call_systemd(host, bus, req, &error)) {
            log_debug("systemd: %s", error->message);
            return NULL;
        }
    }
    return wait_for_scope(host, req->pid, before);
}

static char *scope_by_hand(const CgroupHost *host, const CgroupRequest *req)
{
    g_autofree char *name = scope_name(req);
    g_autofree char *slice =
        g_build_filename(host->root, "machine.slice", NULL);
    g_autofree char *path = g_build_filename(slice, name, NULL);

    if (mkdir(slice, 0755) < 0 && errno != EEXIST)
        return NULL;
    if (mkdir(path, 0755) < 0 && errno != EEXIST)
        return NULL;
    return g_steal_pointer(&path);
}

/* ---- Groups below the scope ------------------------------------------- */

static gboolean write_file(const char *dir, const char *file, const char *text,
                           GError **error)
{
    g_autofree char *path = g_build_filename(dir, file, NULL);
    AUTO_FD fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        return vir_error_set_errno(error, errno, "cannot write '%s' to '%s'",
                                   text, path);
    return TRUE;
}

/* A threaded child of libvirt/ with the given name. */
static gboolean make_threaded(const char *scope, const char *name,
                              GError **error)
{
    g_autofree char *path = g_build_filename(scope, "libvirt", name, NULL);

    if (mkdir(path, 0755) < 0 && errno != EEXIST)
        return vir_error_set_errno(error, errno, "cannot create '%s'", path);
    return write_file(path, "cgroup.type", "threaded", error);
}

static gboolean make_tree(const char *scope, GError **error)
{
    g_autofree char *path = g_build_filename(scope, "libvirt", NULL);

    if (mkdir(path, 0755) < 0 && errno != EEXIST)
        return vir_error_set_errno(error, errno, "cannot create '%s'", path);
    return make_threaded(scope, "emulator", error);
}

static void say_once(const char *why, const char *root)
{
    static gsize said;

    if (g_once_init_enter(&said)) {
        log_warning("guests run without control groups: %s at %s", why, root);
        g_once_init_leave(&said, 1);
    }
}

gboolean cgroup_create_on(const CgroupHost *host, const CgroupRequest *req,
                          char **ret_path, GError **error)
{
    g_autofree char *path = NULL;

    *ret_path = NULL;
    if (!host_has_cgroup2(host)) {
        say_once("the host has no cgroup v2", host->root);
        return TRUE;
    }
    path = req->use_dbus ? scope_by_dbus(host, req) : NULL;
    if (!path)
        path = scope_by_hand(host, req);
    if (!path) {
        say_once("neither machined nor systemd made a scope, nor can one be "
                 "made",
                 host->root);
        return TRUE;
    }
    if (!make_tree(path, error)) {
        cgroup_remove(path);
        return FALSE;
    }
    *ret_path = g_steal_pointer(&path);
    return TRUE;
}

gboolean cgroup_create(const CgroupRequest *req, char **ret_path,
                       GError **error)
{
    return cgroup_create_on(&this_host, req, ret_path, error);
}

int cgroup_open_emulator(const char *path, GError **error)
{
    g_autofree char *file =
        g_build_filename(path, "libvirt", "emulator", "cgroup.procs", NULL);
    int fd = open(file, O_WRONLY | O_CLOEXEC);

    if (fd < 0)
        vir_error_set_errno(error, errno, "cannot open '%s'", file);
    return fd;
}

void cgroup_place_thread(const char *path, const char *name, pid_t tid)
{
    g_autofree char *dir = g_build_filename(path, "libvirt", name, NULL);
    g_autofree char *text = g_strdup_printf("%d", (int)tid);
    g_autoptr(GError) error = NULL;

    if (!make_threaded(path, name, &error) ||
        !write_file(dir, "cgroup.threads", text, &error))
        log_warning("cannot place a thread of the guest: %s", error->message);
}

/* Directories first; the files in them go with them. */
static void remove_tree(const char *path, int depth)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;

    while (dir && depth > 0 && (name = g_dir_read_name(dir))) {
        g_autofree char *child = g_build_filename(path, name, NULL);

        if (g_file_test(child, G_FILE_TEST_IS_DIR))
            remove_tree(child, depth - 1);
    }
    if (rmdir(path) < 0 && errno != ENOENT)
        log_debug("cannot remove '%s': %s", path, g_strerror(errno));
}

void cgroup_remove(const char *path)
{
    remove_tree(path, 3);
}
