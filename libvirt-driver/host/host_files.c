/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Small files of /proc and /sys. */
#include <config.h>

#include "host/host_files.h"

#include <string.h>

#include "host/host.h"
#include "util/file.h"

enum {
    MAX_BYTES = 8 * 1024 * 1024, /* /proc/stat or cpuinfo of a large host */
    MAX_LIST = 65536,
};

static char *host_root; /* owned; NULL: the real one */

void host_set_root(const char *root)
{
    g_free(host_root);
    host_root = g_strdup(root);
}

static char *read_va(const char *fmt, va_list args) G_GNUC_PRINTF(1, 0);

static char *read_va(const char *fmt, va_list args)
{
    g_autofree char *path = g_strdup_vprintf(fmt, args);
    g_autofree char *full = g_strconcat(host_root ? host_root : "", path, NULL);
    char *text;

    if (!file_read(full, MAX_BYTES, &text, NULL, NULL))
        return NULL;
    return g_strchomp(text);
}

char *host_read(const char *fmt, ...)
{
    va_list args;
    char *text;

    va_start(args, fmt);
    text = read_va(fmt, args);
    va_end(args);
    return text;
}

gint64 host_read_int(gint64 absent, const char *fmt, ...)
{
    g_autofree char *text = NULL;
    va_list args;
    char *end;
    gint64 value;

    va_start(args, fmt);
    text = read_va(fmt, args);
    va_end(args);
    if (!text)
        return absent;
    value = g_ascii_strtoll(text, &end, 0);
    return end == text ? absent : value;
}

GArray *host_parse_list(const char *text)
{
    GArray *list = g_array_new(FALSE, FALSE, sizeof(guint));
    char *p = (char *)text;

    while (g_ascii_isdigit(*p)) {
        guint64 first = g_ascii_strtoull(p, &p, 10);
        guint64 last = *p == '-' ? g_ascii_strtoull(p + 1, &p, 10) : first;

        for (guint64 i = first; i <= last && list->len < MAX_LIST; i++) {
            guint value = i;

            g_array_append_val(list, value);
        }
        if (*p == ',')
            p++;
    }
    return list;
}

GArray *host_read_list(const char *fmt, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, fmt);
    text = read_va(fmt, args);
    va_end(args);
    return host_parse_list(text ? text : "");
}

guint64 host_find_kib(const char *text, const char *key)
{
    g_autofree char *want = g_strconcat(key, ":", NULL);
    const char *p = text;

    while ((p = strstr(p, want))) {
        /* "MemFree:" also ends "Node 0 MemFree:", as it should. */
        if (p == text || g_ascii_isspace(p[-1]))
            return g_ascii_strtoull(p + strlen(want), NULL, 10);
        p++;
    }
    return 0;
}
