// SPDX-License-Identifier: LGPL-2.1-or-later
// conf/xml_parse.c - elements to objects, by tables.
#include <config.h>

#include "conf/xml_table.h"

#include <string.h>

#include "util/error.h"

#define FIELD(obj, row, type) (*(type *)((char *)(obj) + (row)->off))

static void set_has(const XmlRow *row, void *obj)
{
    if (row->has)
        *(gboolean *)((char *)obj + row->has - 1) = TRUE;
}

/* "attribute 'cache' of <driver>" or "<memory>" */
static char *describe(const XmlRow *row, xmlNodePtr node)
{
    if (row->name[0] == '@')
        return g_strdup_printf("attribute '%s' of <%s>", row->name + 1,
                               (const char *)node->name);
    return g_strdup_printf(
        "<%s>", row->name[0] == '.' ? (const char *)node->name : row->name);
}

static gboolean bad_value(const XmlRow *row, xmlNodePtr node, const char *value,
                          GError **error)
{
    g_autofree char *what = describe(row, node);
    g_autoptr(GString) accepted = g_string_new(NULL);

    switch (row->type) {
    case XML_ROW_ENUM:
        for (guint i = 0; row->names[i]; i++) {
            if (row->names[i][0])
                g_string_append_printf(accepted, "%s'%s'",
                                       accepted->len ? ", " : "",
                                       row->names[i]);
        }
        break;
    case XML_ROW_ON_OFF:
        g_string_append(accepted, "'on', 'off'");
        break;
    case XML_ROW_YES_NO:
        g_string_append(accepted, "'yes', 'no'");
        break;
    default:
        g_string_append(accepted, "a whole number");
    }
    return vir_error_set_from(error, VIR_FROM_XML, VIR_ERR_XML_ERROR,
                              "%s cannot be '%s'; accepted: %s", what, value,
                              accepted->str);
}

static gboolean parse_u64(const char *value, guint64 max, guint64 *ret)
{
    g_autofree char *copy = g_strstrip(g_strdup(value));

    return g_ascii_string_to_unsigned(copy, 10, 0, max, ret, NULL);
}

static gboolean parse_kib(const XmlRow *row, xmlNodePtr node, const char *value,
                          guint64 *ret, GError **error)
{
    static const struct {
        const char *name;
        guint64 bytes;
    } units[] = {
        { "b", 1 },
        { "bytes", 1 },
        { "KB", 1000 },
        { "k", 1024 },
        { "KiB", 1024 },
        { "MB", 1000000 },
        { "M", 1 << 20 },
        { "MiB", 1 << 20 },
        { "GB", 1000000000 },
        { "G", 1 << 30 },
        { "GiB", 1 << 30 },
        { "TB", G_GUINT64_CONSTANT(1000000000000) },
        { "T", G_GUINT64_CONSTANT(1) << 40 },
        { "TiB", G_GUINT64_CONSTANT(1) << 40 },
        { "PB", G_GUINT64_CONSTANT(1000000000000000) },
        { "P", G_GUINT64_CONSTANT(1) << 50 },
        { "PiB", G_GUINT64_CONSTANT(1) << 50 },
    };
    g_autofree char *unit = xml_node_attr(node, "unit");
    guint64 scale = unit ? 0 : 1024;
    guint64 number, bytes;

    for (guint i = 0; unit && i < G_N_ELEMENTS(units); i++) {
        if (g_ascii_strcasecmp(unit, units[i].name) == 0)
            scale = units[i].bytes;
    }
    if (!scale)
        return vir_error_set_from(error, VIR_FROM_XML, VIR_ERR_INVALID_ARG,
                                  "unknown unit '%s' of <%s>; accepted: b, "
                                  "KiB, MiB, GiB, TiB and their decimal kin",
                                  unit, (const char *)node->name);
    if (!parse_u64(value, G_MAXUINT64, &number))
        return bad_value(row, node, value, error);
    if (!g_uint64_checked_mul(&bytes, number, scale) ||
        !g_uint64_checked_add(&bytes, bytes, 1023))
        return vir_error_set_from(error, VIR_FROM_XML, VIR_ERR_OVERFLOW,
                                  "value too large for <%s>: %s%s",
                                  (const char *)node->name, value,
                                  unit ? unit : "KiB");
    *ret = bytes / 1024;
    return TRUE;
}

static gboolean parse_enum(const XmlRow *row, xmlNodePtr node,
                           const char *value, int *ret, GError **error)
{
    for (int i = 0; row->names[i]; i++) {
        if (strcmp(row->names[i], value) == 0) {
            *ret = i;
            return TRUE;
        }
    }
    return bad_value(row, node, value, error);
}

static gboolean parse_switch(const XmlRow *row, xmlNodePtr node,
                             const char *value, int *ret, GError **error)
{
    gboolean words = row->type == XML_ROW_YES_NO;

    if (strcmp(value, words ? "yes" : "on") == 0)
        *ret = 1;
    else if (strcmp(value, words ? "no" : "off") == 0)
        *ret = 2;
    else
        return bad_value(row, node, value, error);
    return TRUE;
}

/* One text or attribute. @node is the element it belongs to. */
static gboolean parse_value(const XmlRow *row, xmlNodePtr node, char *value,
                            void *obj, GError **error)
{
    guint64 number;

    switch (row->type) {
    case XML_ROW_STR:
        g_free(FIELD(obj, row, char *));
        FIELD(obj, row, char *) = g_strdup(value);
        break;
    case XML_ROW_UINT:
        if (!parse_u64(value, G_MAXINT32, &number))
            return bad_value(row, node, value, error);
        FIELD(obj, row, guint) = (guint)number;
        break;
    case XML_ROW_U64:
        if (!parse_u64(value, G_MAXINT64, &number))
            return bad_value(row, node, value, error);
        FIELD(obj, row, guint64) = number;
        break;
    case XML_ROW_ID:
        if (strcmp(value, "-1") == 0)
            return TRUE;
        if (!parse_u64(value, G_MAXINT32, &number))
            return bad_value(row, node, value, error);
        FIELD(obj, row, int) = (int)number;
        break;
    case XML_ROW_ENUM:
        return parse_enum(row, node, value, &FIELD(obj, row, int), error);
    case XML_ROW_ON_OFF:
    case XML_ROW_YES_NO:
        return parse_switch(row, node, value, &FIELD(obj, row, int), error);
    case XML_ROW_KIB:
        if (!parse_kib(row, node, value, &FIELD(obj, row, guint64), error))
            return FALSE;
        break;
    default:
        return TRUE; /* unit, dropped */
    }
    set_has(row, obj);
    return TRUE;
}

static gboolean refuse(const XmlRow *row, xmlNodePtr parent, GError **error)
{
    g_autofree char *what = describe(row, parent);

    return vir_error_set(
        error, VIR_ERR_CONFIG_UNSUPPORTED, "%s%s%s%s is not supported: %s",
        what, row->name[0] == '@' ? "" : " in <",
        row->name[0] == '@' ? "" : (const char *)parent->name,
        row->name[0] == '@' ? "" : ">", row->hint ? row->hint : "remove it");
}

/* Is what the deciding attribute says among the harmless values? */
static gboolean is_harmless(const XmlRow *row, const char *value)
{
    for (guint i = 0; value && row->names && row->names[i]; i++) {
        if (strcmp(row->names[i], value) == 0)
            return TRUE;
    }
    return FALSE;
}

static gboolean parse_attr(const XmlRow *row, xmlNodePtr node, void *obj,
                           GError **error)
{
    g_autofree char *value = xml_node_attr(node, row->name + 1);

    if (!value)
        return TRUE;
    if (row->type == XML_ROW_REFUSE)
        return is_harmless(row, value) || refuse(row, node, error);
    return parse_value(row, node, value, obj, error);
}

static gboolean parse_list_item(const XmlRow *row, xmlNodePtr node, void *obj,
                                unsigned flags, GError **error)
{
    GPtrArray *list = FIELD(obj, row, GPtrArray *);
    void *item = xml_record_new(row->record);

    g_ptr_array_add(list, item);
    if (!xml_table_parse(row->record->rows, node, item, flags, error))
        return FALSE;
    if (row->record->fixup)
        row->record->fixup(item, flags);
    return TRUE;
}

static gboolean parse_kept(const XmlRow *row, xmlNodePtr parent,
                           xmlNodePtr child, void *obj, GError **error)
{
    if (row->only) {
        g_autofree char *value = xml_node_attr(child, row->only);

        if (!is_harmless(row, value))
            return refuse(row, parent, error);
    }
    xml_keep_add(&FIELD(obj, row, xmlDocPtr), child);
    return TRUE;
}

static void parse_any(const XmlRow *row, xmlNodePtr node, void *obj)
{
    for (xmlNodePtr child = node->children; child; child = child->next) {
        if (child->type == XML_ELEMENT_NODE)
            xml_keep_add(&FIELD(obj, row, xmlDocPtr), child);
    }
}

static gboolean parse_element(const XmlRow *row, xmlNodePtr parent,
                              xmlNodePtr child, void *obj, unsigned flags,
                              GError **error)
{
    g_autofree char *value = NULL;

    switch (row->type) {
    case XML_ROW_FLAG:
        FIELD(obj, row, gboolean) = TRUE;
        return TRUE;
    case XML_ROW_GROUP:
        set_has(row, obj);
        return xml_table_parse(row->rows, child, obj, flags, error);
    case XML_ROW_LIST:
        return parse_list_item(row, child, obj, flags, error);
    case XML_ROW_KEEP:
        return parse_kept(row, parent, child, obj, error);
    case XML_ROW_ANY:
        parse_any(row, child, obj);
        return TRUE;
    case XML_ROW_REFUSE:
        return refuse(row, parent, error);
    default:
        value = xml_node_text(child);
        return !value || parse_value(row, child, value, obj, error);
    }
}

/* Only lists and kept elements repeat; of others the first one counts. */
static gboolean repeats(const XmlRow *row)
{
    return row->type == XML_ROW_LIST || row->type == XML_ROW_KEEP ||
           row->type == XML_ROW_REFUSE;
}

static gboolean parse_row(const XmlRow *row, xmlNodePtr node, void *obj,
                          unsigned flags, GError **error)
{
    if (row->name[0] == '@')
        return parse_attr(row, node, obj, error);
    if (row->name[0] == '.') {
        g_autofree char *text = xml_node_text(node);

        return !text || parse_value(row, node, text, obj, error);
    }
    for (xmlNodePtr child = node->children; child; child = child->next) {
        if (!xml_node_is(child, row->name))
            continue;
        if (!parse_element(row, node, child, obj, flags, error))
            return FALSE;
        if (!repeats(row))
            return TRUE;
    }
    return TRUE;
}

gboolean xml_table_parse(const XmlRow *rows, xmlNodePtr node, void *obj,
                         unsigned parse_flags, GError **error)
{
    for (const XmlRow *row = rows; row->name; row++) {
        if (!parse_row(row, node, obj, parse_flags, error))
            return FALSE;
    }
    return TRUE;
}

static const XmlRow *find_row(const XmlRow *rows, const char *prefix,
                              const char *name)
{
    for (; rows->name; rows++) {
        if (g_str_has_prefix(rows->name, prefix) &&
            strcmp(rows->name + strlen(prefix), name) == 0)
            return rows;
    }
    return NULL;
}

static char *find_unknown_below(const XmlRow *row, xmlNodePtr node)
{
    static const XmlRow none[] = { { .name = NULL } };

    switch (row->type) {
    case XML_ROW_GROUP:
        return xml_table_find_unknown(row->rows, node);
    case XML_ROW_LIST:
        return xml_table_find_unknown(row->record->rows, node);
    case XML_ROW_KEEP:
    case XML_ROW_ANY:
    case XML_ROW_DROP:
    case XML_ROW_REFUSE:
        return NULL;
    default:
        return xml_table_find_unknown(none, node);
    }
}

char *xml_table_find_unknown(const XmlRow *rows, xmlNodePtr node)
{
    for (xmlAttrPtr attr = node->properties; attr; attr = attr->next) {
        if (!attr->ns && !find_row(rows, "@", (const char *)attr->name))
            return g_strdup_printf("line %ld: unknown attribute '%s' of <%s>",
                                   xmlGetLineNo(node), (const char *)attr->name,
                                   (const char *)node->name);
    }
    for (xmlNodePtr child = node->children; child; child = child->next) {
        const XmlRow *row;
        char *unknown;

        if (child->type != XML_ELEMENT_NODE)
            continue;
        row = child->ns ? NULL : find_row(rows, "", (const char *)child->name);
        if (!row)
            return g_strdup_printf(
                "line %ld: unknown element <%s> in <%s>", xmlGetLineNo(child),
                (const char *)child->name, (const char *)node->name);
        unknown = find_unknown_below(row, child);
        if (unknown)
            return unknown;
    }
    return NULL;
}
