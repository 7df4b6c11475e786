/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Configuration files in libvirt's syntax. */
#include <config.h>

#include "util/config_file.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "util/error.h"
#include "util/file.h"

#define CONFIG_FILE_MAX_BYTES (1 << 20)

typedef enum ValueType {
    VALUE_INT,
    VALUE_STRING,
    VALUE_LIST
} ValueType;

typedef struct Value {
    ValueType type;
    int line;
    gint64 number;
    char *string; /* owned */
    GStrv list;   /* owned */
} Value;

struct ConfigFile {
    char *name;         /* owned */
    GHashTable *values; /* key -> Value, owned */
};

typedef struct Parser {
    const char *p;
    int line;
    const char *name; /* borrowed: file name */
} Parser;

static void value_free(gpointer data)
{
    Value *value = data;

    if (!value)
        return;
    g_free(value->string);
    g_strfreev(value->list);
    g_free(value);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Value, value_free)

static gboolean parse_fail(const Parser *ps, GError **error, const char *what)
{
    return vir_error_set_from(error, VIR_FROM_CONF, VIR_ERR_INVALID_ARG,
                              "%s:%d: %s", ps->name, ps->line, what);
}

/* Skip blanks and comments; newlines too when @lines. */
static void skip_space(Parser *ps, gboolean lines)
{
    for (;; ps->p++) {
        if (*ps->p == '#') {
            ps->p += strcspn(ps->p, "\n");
            ps->p--;
        } else if (*ps->p == '\n' && lines) {
            ps->line++;
        } else if (*ps->p != ' ' && *ps->p != '\t' && *ps->p != '\r') {
            return;
        }
    }
}

static char *parse_string(Parser *ps, GError **error)
{
    char quote = *ps->p;
    gsize len = strcspn(ps->p + 1, quote == '"' ? "\"\n" : "'\n");
    char *text;

    if (ps->p[1 + len] != quote) {
        parse_fail(ps, error, "the string has no closing quote");
        return NULL;
    }
    text = g_strndup(ps->p + 1, len);
    ps->p += len + 2;
    return text;
}

static gboolean parse_list(Parser *ps, Value *value, GError **error)
{
    g_autoptr(GStrvBuilder) items = g_strv_builder_new();
    g_autofree char *item = NULL;

    ps->p++;
    skip_space(ps, TRUE);
    while (*ps->p != ']') {
        if (*ps->p != '"' && *ps->p != '\'')
            return parse_fail(ps, error,
                              "expected a \"string\" or ] in the "
                              "list");
        item = parse_string(ps, error);
        if (!item)
            return FALSE;
        g_strv_builder_add(items, item);
        g_clear_pointer(&item, g_free);
        skip_space(ps, TRUE);
        if (*ps->p != ',' && *ps->p != ']')
            return parse_fail(ps, error, "expected , or ] in the list");
        if (*ps->p == ',')
            ps->p++;
        skip_space(ps, TRUE);
    }
    ps->p++;
    value->type = VALUE_LIST;
    value->list = g_strv_builder_end(items);
    return TRUE;
}

static gboolean parse_int(Parser *ps, Value *value, GError **error)
{
    char *end = NULL;

    errno = 0;
    value->number = g_ascii_strtoll(ps->p, &end, 10);
    if (end == ps->p || errno)
        return parse_fail(ps, error,
                          "expected a number, a \"string\" or a [\"list\"] "
                          "after =");
    value->type = VALUE_INT;
    ps->p = end;
    return TRUE;
}

static gboolean parse_value(Parser *ps, Value *value, GError **error)
{
    value->line = ps->line;
    if (*ps->p == '[')
        return parse_list(ps, value, error);
    if (*ps->p != '"' && *ps->p != '\'')
        return parse_int(ps, value, error);
    value->type = VALUE_STRING;
    value->string = parse_string(ps, error);
    return value->string != NULL;
}

static char *parse_key(Parser *ps)
{
    const char *start = ps->p;

    while (g_ascii_isalnum(*ps->p) || *ps->p == '_' || *ps->p == '-')
        ps->p++;
    return g_strndup(start, ps->p - start);
}

static gboolean parse_line(Parser *ps, ConfigFile *file, GError **error)
{
    g_autoptr(Value) value = g_new0(Value, 1);
    g_autofree char *key = parse_key(ps);

    skip_space(ps, FALSE);
    if (!*key || *ps->p != '=')
        return parse_fail(ps, error, "expected key = value");
    ps->p++;
    skip_space(ps, FALSE);
    if (!parse_value(ps, value, error))
        return FALSE;
    skip_space(ps, FALSE);
    if (*ps->p && *ps->p != '\n')
        return parse_fail(ps, error, "unexpected text after the value");
    g_hash_table_replace(file->values, g_steal_pointer(&key),
                         g_steal_pointer(&value));
    return TRUE;
}

ConfigFile *config_file_parse(const char *text, const char *name,
                              GError **error)
{
    g_autoptr(ConfigFile) file = g_new0(ConfigFile, 1);
    Parser ps = { .p = text, .line = 1, .name = name };

    file->name = g_strdup(name);
    file->values =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, value_free);
    for (skip_space(&ps, TRUE); *ps.p; skip_space(&ps, TRUE)) {
        if (!parse_line(&ps, file, error))
            return NULL;
    }
    return g_steal_pointer(&file);
}

ConfigFile *config_file_load(const char *path, gboolean required,
                             GError **error)
{
    g_autofree char *text = NULL;
    gsize len = 0;

    if (!required && access(path, F_OK) < 0 && errno == ENOENT)
        return config_file_parse("", path, error);
    if (!file_read(path, CONFIG_FILE_MAX_BYTES, &text, &len, error))
        return NULL;
    if (strlen(text) != len) {
        vir_error_set_from(error, VIR_FROM_CONF, VIR_ERR_INVALID_ARG,
                           "%s: the file contains a NUL byte", path);
        return NULL;
    }
    return config_file_parse(text, path, error);
}

void config_file_free(ConfigFile *file)
{
    if (!file)
        return;
    g_free(file->name);
    g_clear_pointer(&file->values, g_hash_table_unref);
    g_free(file);
}

gboolean config_file_has(const ConfigFile *file, const char *key)
{
    return g_hash_table_contains(file->values, key);
}

static gboolean get_fail(const ConfigFile *file, const Value *value,
                         const char *key, const char *want, GError **error)
{
    return vir_error_set_from(error, VIR_FROM_CONF, VIR_ERR_INVALID_ARG,
                              "%s:%d: %s must be %s", file->name, value->line,
                              key, want);
}

gboolean config_file_get_string(const ConfigFile *file, const char *key,
                                char **value, GError **error)
{
    const Value *v = g_hash_table_lookup(file->values, key);

    if (!v)
        return TRUE;
    if (v->type != VALUE_STRING)
        return get_fail(file, v, key, "a string in quotes", error);
    g_free(*value);
    *value = g_strdup(v->string);
    return TRUE;
}

gboolean config_file_get_int(const ConfigFile *file, const char *key,
                             gint64 min, gint64 max, gint64 *value,
                             GError **error)
{
    const Value *v = g_hash_table_lookup(file->values, key);
    g_autofree char *want = NULL;

    if (!v)
        return TRUE;
    if (v->type != VALUE_INT || v->number < min || v->number > max) {
        want = g_strdup_printf("a number from %" G_GINT64_FORMAT
                               " to %" G_GINT64_FORMAT,
                               min, max);
        return get_fail(file, v, key, want, error);
    }
    *value = v->number;
    return TRUE;
}

gboolean config_file_get_bool(const ConfigFile *file, const char *key,
                              gboolean *value, GError **error)
{
    const Value *v = g_hash_table_lookup(file->values, key);

    if (!v)
        return TRUE;
    if (v->type != VALUE_INT || v->number < 0 || v->number > 1)
        return get_fail(file, v, key, "0 or 1", error);
    *value = v->number != 0;
    return TRUE;
}

gboolean config_file_get_list(const ConfigFile *file, const char *key,
                              char ***value, GError **error)
{
    const Value *v = g_hash_table_lookup(file->values, key);
    const char *one[2] = { NULL, NULL };

    if (!v)
        return TRUE;
    if (v->type == VALUE_INT)
        return get_fail(file, v, key, "a list of strings", error);
    g_strfreev(*value);
    one[0] = v->string;
    *value = g_strdupv(v->type == VALUE_LIST ? v->list : (char **)one);
    return TRUE;
}

char *config_file_unknown_keys(const ConfigFile *file, const char *const *known)
{
    GString *out = g_string_new(NULL);
    GHashTableIter iter;
    gpointer key;
    gpointer value;

    g_hash_table_iter_init(&iter, file->values);
    while (g_hash_table_iter_next(&iter, &key, &value)) {
        if (!g_strv_contains(known, key))
            g_string_append_printf(out, "%s%s (line %d)", out->len ? ", " : "",
                                   (char *)key, ((Value *)value)->line);
    }
    return g_string_free(out, out->len == 0);
}
