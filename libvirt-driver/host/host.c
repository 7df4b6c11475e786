/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Memory, names and identity of the host. */
#include <config.h>

#include "host/host.h"

#include <netdb.h>
#include <string.h>
#include <unistd.h>

#include "conf/caps.h"
#include "host/host_files.h"
#include "util/error.h"

#define NODE_DIR "/sys/devices/system/node"
#define DMI_DIR  "/sys/class/dmi/id"

/* ---- Memory ----------------------------------------------------------- */

static guint64 free_kib(const char *meminfo)
{
    return host_find_kib(meminfo, "MemFree");
}

guint64 host_get_free_memory_bytes(void)
{
    g_autofree char *text = host_read("/proc/meminfo");

    return text ? free_kib(text) * 1024 : 0;
}

static guint64 cell_free_bytes(const HostCell *cell, guint n_cells)
{
    g_autofree char *text = host_read(NODE_DIR "/node%u/meminfo", cell->id);

    if (text)
        return free_kib(text) * 1024;
    return n_cells == 1 ? host_get_free_memory_bytes() : 0;
}

int host_get_cells_free_memory(int start, int max, guint64 *ret_bytes,
                               GError **error)
{
    g_autoptr(GPtrArray) cells = host_get_cells();
    int n = 0;

    if (start < 0 || (guint)start >= cells->len) {
        vir_error_set(error, VIR_ERR_INVALID_ARG,
                      "start cell %d out of range (0-%u)", start,
                      cells->len - 1);
        return -1;
    }
    for (guint i = start; i < cells->len && n < max; i++)
        ret_bytes[n++] =
            cell_free_bytes(g_ptr_array_index(cells, i), cells->len);
    return n;
}

int host_get_memory_stats(int cell, HostStat *ret_stats, GError **error)
{
    g_autofree char *text = cell < 0
                                ? host_read("/proc/meminfo")
                                : host_read(NODE_DIR "/node%d/meminfo", cell);
    int n = 0;

    if (!text && cell == 0)
        text = host_read("/proc/meminfo");
    if (!text || cell < -1) {
        vir_error_set(error, VIR_ERR_INVALID_ARG,
                      "cellNum in virNodeGetMemoryStats: the host has no "
                      "cell %d",
                      cell);
        return -1;
    }
    ret_stats[n++] = (HostStat){ "total", host_find_kib(text, "MemTotal") };
    ret_stats[n++] = (HostStat){ "free", free_kib(text) };
    if (cell < 0) {
        ret_stats[n++] =
            (HostStat){ "buffers", host_find_kib(text, "Buffers") };
        ret_stats[n++] = (HostStat){ "cached", host_find_kib(text, "Cached") };
    }
    return n;
}

/* ---- Names ------------------------------------------------------------ */

char *host_get_hostname(void)
{
    struct addrinfo hints = { .ai_flags = AI_CANONNAME };
    struct addrinfo *found = NULL;
    char name[256] = "";
    char *full = NULL;

    if (gethostname(name, sizeof(name) - 1) < 0)
        return g_strdup("localhost");
    /* A name with a dot is complete; else the resolver may know more. */
    if (strchr(name, '.') || g_str_has_prefix(name, "localhost"))
        return g_strdup(name);
    if (getaddrinfo(name, NULL, &hints, &found) == 0 && found->ai_canonname &&
        !g_str_has_prefix(found->ai_canonname, "localhost"))
        full = g_strdup(found->ai_canonname);
    if (found)
        freeaddrinfo(found);
    return full ? full : g_strdup(name);
}

/* 36 characters in the end, whatever the dashes were; NULL: no UUID, or one
 * that firmware makers left the same everywhere. */
static char *normal_uuid(const char *text)
{
    GString *hex = g_string_new(NULL);
    gboolean constant = TRUE;

    for (; *text; text++) {
        if (g_ascii_isxdigit(*text))
            g_string_append_c(hex, g_ascii_tolower(*text));
        else if (*text != '-')
            break;
    }
    for (gsize i = 1; i < hex->len; i++)
        constant = constant && hex->str[i] == hex->str[0];
    if (*text || hex->len != 32 || constant) {
        g_string_free(hex, TRUE);
        return NULL;
    }
    for (int i = 0; i < 4; i++)
        g_string_insert_c(hex, 8 + 5 * i, '-');
    return g_string_free(hex, FALSE);
}

/* Handed out by firmware to many boards. */
static gboolean is_well_known(const char *uuid)
{
    static const char *const known[] = {
        "03000200-0400-0500-0006-000700080009",
        "00020003-0004-0005-0006-000700080009",
        "12345678-1234-5678-90ab-cddeefaabbcc",
        "4c4c4544-0000-2010-8020-80c04f202020",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(known); i++) {
        if (strcmp(uuid, known[i]) == 0)
            return TRUE;
    }
    return FALSE;
}

char *host_get_uuid(const char *configured, const char *source, GError **error)
{
    g_autofree char *text = NULL;
    g_autofree char *uuid = NULL;

    if (configured && *configured) {
        uuid = normal_uuid(configured);
        if (!uuid)
            vir_error_set(error, VIR_ERR_CONF_SYNTAX,
                          "host_uuid = \"%s\" is no UUID, or one whose digits "
                          "are all the same",
                          configured);
        return g_steal_pointer(&uuid);
    }
    if (g_strcmp0(source, "machine-id") != 0) {
        text = host_read(DMI_DIR "/product_uuid");
        uuid = text ? normal_uuid(text) : NULL;
        if (uuid && !is_well_known(uuid))
            return g_steal_pointer(&uuid);
        g_clear_pointer(&uuid, g_free);
        g_clear_pointer(&text, g_free);
    }
    text = host_read("/etc/machine-id");
    uuid = text ? normal_uuid(text) : NULL;
    /* A host without identity gets one for this run. */
    return uuid ? g_steal_pointer(&uuid) : g_uuid_string_random();
}

/* ---- Firmware --------------------------------------------------------- */

char *host_get_sysinfo_xml(GError **error)
{
    static const struct {
        const char *file;
        gsize offset;
    } rows[] = {
        { "bios_vendor", G_STRUCT_OFFSET(Sysinfo, bios_vendor) },
        { "bios_version", G_STRUCT_OFFSET(Sysinfo, bios_version) },
        { "bios_date", G_STRUCT_OFFSET(Sysinfo, bios_date) },
        { "bios_release", G_STRUCT_OFFSET(Sysinfo, bios_release) },
        { "sys_vendor", G_STRUCT_OFFSET(Sysinfo, manufacturer) },
        { "product_name", G_STRUCT_OFFSET(Sysinfo, product) },
        { "product_version", G_STRUCT_OFFSET(Sysinfo, version) },
        { "product_serial", G_STRUCT_OFFSET(Sysinfo, serial) },
        { "product_uuid", G_STRUCT_OFFSET(Sysinfo, uuid) },
        { "product_sku", G_STRUCT_OFFSET(Sysinfo, sku) },
        { "product_family", G_STRUCT_OFFSET(Sysinfo, family) },
        { "board_vendor", G_STRUCT_OFFSET(Sysinfo, board.manufacturer) },
        { "board_name", G_STRUCT_OFFSET(Sysinfo, board.product) },
        { "board_version", G_STRUCT_OFFSET(Sysinfo, board.version) },
        { "board_serial", G_STRUCT_OFFSET(Sysinfo, board.serial) },
        { "board_asset_tag", G_STRUCT_OFFSET(Sysinfo, board.asset) },
        { "chassis_vendor", G_STRUCT_OFFSET(Sysinfo, chassis.manufacturer) },
        { "chassis_version", G_STRUCT_OFFSET(Sysinfo, chassis.version) },
        { "chassis_serial", G_STRUCT_OFFSET(Sysinfo, chassis.serial) },
        { "chassis_asset_tag", G_STRUCT_OFFSET(Sysinfo, chassis.asset) },
    };
    g_autoptr(GPtrArray) keep = g_ptr_array_new_with_free_func(g_free);
    Sysinfo info = { 0 };
    GString *xml;

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        char *text = host_read(DMI_DIR "/%s", rows[i].file);

        if (!text)
            continue;
        g_ptr_array_add(keep, text);
        if (*text)
            G_STRUCT_MEMBER(const char *, &info, rows[i].offset) = text;
    }
    if (keep->len == 0) {
        vir_error_set(error, VIR_ERR_CONFIG_UNSUPPORTED,
                      "the host's firmware describes itself nowhere in "
                      "'" DMI_DIR "'");
        return NULL;
    }
    xml = g_string_new(NULL);
    sysinfo_format(&info, xml);
    return g_string_free(xml, FALSE);
}
