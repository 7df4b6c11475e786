// SPDX-License-Identifier: LGPL-2.1-or-later
// conf/xml_format.c - objects to XML, their copies and their end, by tables.
#include <config.h>

#include "conf/xml_table.h"

#include <string.h>

#define FIELD(obj, row, type) (*(type *)((char *)(obj) + (row)->off))
#define CFIELD(obj, row, type)                                                 \
    (*(type const *)((const char *)(obj) + (row)->off))

static gboolean has(const XmlRow *row, const void *obj)
{
    return row->has && *(const gboolean *)((const char *)obj + row->has - 1);
}

/* A row's text; NULL when there is nothing to print. */
static char *value_text(const XmlRow *row, const void *obj)
{
    static const char *const on_off[] = { "", "on", "off" };
    static const char *const yes_no[] = { "", "yes", "no" };
    const char *word = NULL;
    guint64 number = 0;

    switch (row->type) {
    case XML_ROW_STR:
        word = CFIELD(obj, row, char *);
        break;
    case XML_ROW_ENUM:
        word = row->names[CFIELD(obj, row, int)];
        break;
    case XML_ROW_ON_OFF:
        word = on_off[CFIELD(obj, row, int)];
        break;
    case XML_ROW_YES_NO:
        word = yes_no[CFIELD(obj, row, int)];
        break;
    case XML_ROW_ID:
        return CFIELD(obj, row, int) < 0
                   ? NULL
                   : g_strdup_printf("%d", CFIELD(obj, row, int));
    case XML_ROW_UINT:
        number = CFIELD(obj, row, guint);
        break;
    case XML_ROW_U64:
    case XML_ROW_KIB:
        number = CFIELD(obj, row, guint64);
        break;
    default:
        return NULL;
    }
    if (word)
        return *word ? g_strdup(word) : NULL;
    return number || has(row, obj)
               ? g_strdup_printf("%" G_GUINT64_FORMAT, number)
               : NULL;
}

static void format_attrs(const XmlRow *rows, const void *obj, unsigned flags,
                         gboolean content, GString *buf)
{
    for (const XmlRow *row = rows; row->name; row++) {
        g_autofree char *value = NULL;

        if (row->name[0] != '@' || (row->shown && !row->shown(obj, flags)))
            continue;
        value = row->type == XML_ROW_UNIT ? (content ? g_strdup("KiB") : NULL)
                                          : value_text(row, obj);
        if (!value)
            continue;
        g_string_append_printf(buf, " %s='", row->name + 1);
        xml_escape(buf, value, TRUE);
        g_string_append_c(buf, '\'');
    }
}

static void format_text_element(const XmlRow *row, const void *obj,
                                guint indent, GString *buf)
{
    g_autofree char *value = value_text(row, obj);

    if (!value)
        return;
    xml_indent(buf, indent);
    g_string_append_printf(buf, "<%s>", row->name);
    xml_escape(buf, value, FALSE);
    g_string_append_printf(buf, "</%s>\n", row->name);
}

static void format_any(const XmlRow *row, const void *obj, guint indent,
                       GString *buf)
{
    g_autoptr(GString) inner = g_string_new(NULL);

    xml_keep_format(CFIELD(obj, row, xmlDocPtr), NULL, indent + 2, inner);
    if (!inner->len)
        return;
    xml_indent(buf, indent);
    g_string_append_printf(buf, "<%s>\n%s", row->name, inner->str);
    xml_indent(buf, indent);
    g_string_append_printf(buf, "</%s>\n", row->name);
}

static void format_child(const XmlRow *row, const void *obj, unsigned flags,
                         guint indent, GString *buf)
{
    GPtrArray *list;

    if (row->shown && !row->shown(obj, flags))
        return;
    switch (row->type) {
    case XML_ROW_FLAG:
        if (CFIELD(obj, row, gboolean)) {
            xml_indent(buf, indent);
            g_string_append_printf(buf, "<%s/>\n", row->name);
        }
        break;
    case XML_ROW_GROUP:
        xml_table_format(row->rows, row->name, obj, flags, indent,
                         has(row, obj), buf);
        break;
    case XML_ROW_LIST:
        list = CFIELD(obj, row, GPtrArray *);
        for (guint i = 0; i < list->len; i++)
            xml_table_format(row->record->rows, row->name, list->pdata[i],
                             flags, indent, TRUE, buf);
        break;
    case XML_ROW_KEEP:
        xml_keep_format(CFIELD(obj, row, xmlDocPtr), row->name, indent, buf);
        break;
    case XML_ROW_ANY:
        format_any(row, obj, indent, buf);
        break;
    default:
        format_text_element(row, obj, indent, buf);
    }
}

void xml_table_format(const XmlRow *rows, const char *name, const void *obj,
                      unsigned format_flags, guint indent, gboolean always,
                      GString *buf)
{
    g_autoptr(GString) attrs = g_string_new(NULL);
    g_autoptr(GString) inner = g_string_new(NULL);
    g_autofree char *text = NULL;

    for (const XmlRow *row = rows; row->name; row++) {
        if (row->name[0] == '.' &&
            (!row->shown || row->shown(obj, format_flags)))
            text = value_text(row, obj);
        else if (row->name[0] != '.' && row->name[0] != '@')
            format_child(row, obj, format_flags, indent + 2, inner);
    }
    format_attrs(rows, obj, format_flags, text || inner->len, attrs);
    if (!attrs->len && !inner->len && !text && !always)
        return;

    xml_indent(buf, indent);
    g_string_append_printf(buf, "<%s%s", name, attrs->str);
    if (text) {
        g_string_append_c(buf, '>');
        xml_escape(buf, text, FALSE);
        g_string_append_printf(buf, "</%s>\n", name);
    } else if (inner->len) {
        g_string_append_printf(buf, ">\n%s", inner->str);
        xml_indent(buf, indent);
        g_string_append_printf(buf, "</%s>\n", name);
    } else {
        g_string_append(buf, "/>\n");
    }
}

static void list_free(const XmlRecord *record, GPtrArray *list)
{
    for (guint i = 0; list && i < list->len; i++)
        xml_record_free(record, list->pdata[i]);
    if (list)
        g_ptr_array_unref(list);
}

void xml_table_clear(const XmlRow *rows, void *obj)
{
    for (const XmlRow *row = rows; row->name; row++) {
        switch (row->type) {
        case XML_ROW_STR:
            g_clear_pointer(&FIELD(obj, row, char *), g_free);
            break;
        case XML_ROW_GROUP:
            xml_table_clear(row->rows, obj);
            break;
        case XML_ROW_LIST:
            list_free(row->record, FIELD(obj, row, GPtrArray *));
            FIELD(obj, row, GPtrArray *) = NULL;
            break;
        case XML_ROW_KEEP:
        case XML_ROW_ANY:
            g_clear_pointer(&FIELD(obj, row, xmlDocPtr), xml_keep_free);
            break;
        default:
            break;
        }
    }
}

static GPtrArray *list_copy(const XmlRecord *record, GPtrArray *list)
{
    GPtrArray *copy = g_ptr_array_new();

    for (guint i = 0; i < list->len; i++)
        g_ptr_array_add(copy, xml_record_copy(record, list->pdata[i]));
    return copy;
}

/* Several rows may share a field: it is copied when it still is the other
 * object's. */
void xml_table_copy(const XmlRow *rows, void *dst, const void *src)
{
    for (const XmlRow *row = rows; row->name; row++) {
        switch (row->type) {
        case XML_ROW_STR:
            if (FIELD(dst, row, char *) == CFIELD(src, row, char *))
                FIELD(dst, row, char *) = g_strdup(CFIELD(src, row, char *));
            break;
        case XML_ROW_GROUP:
            xml_table_copy(row->rows, dst, src);
            break;
        case XML_ROW_LIST:
            FIELD(dst, row, GPtrArray *) =
                list_copy(row->record, CFIELD(src, row, GPtrArray *));
            break;
        case XML_ROW_KEEP:
        case XML_ROW_ANY:
            if (FIELD(dst, row, xmlDocPtr) == CFIELD(src, row, xmlDocPtr))
                FIELD(dst, row, xmlDocPtr) =
                    xml_keep_copy(CFIELD(src, row, xmlDocPtr));
            break;
        default:
            break;
        }
    }
}

static void make_lists(const XmlRow *rows, void *obj)
{
    for (const XmlRow *row = rows; row->name; row++) {
        if (row->type == XML_ROW_LIST && !FIELD(obj, row, GPtrArray *))
            FIELD(obj, row, GPtrArray *) = g_ptr_array_new();
        else if (row->type == XML_ROW_GROUP)
            make_lists(row->rows, obj);
    }
}

void *xml_record_new(const XmlRecord *record)
{
    void *obj = g_malloc0(record->size);

    make_lists(record->rows, obj);
    return obj;
}

void xml_record_free(const XmlRecord *record, void *obj)
{
    if (!obj)
        return;
    xml_table_clear(record->rows, obj);
    g_free(obj);
}

void *xml_record_copy(const XmlRecord *record, const void *obj)
{
    void *copy = g_memdup2(obj, record->size);

    xml_table_copy(record->rows, copy, obj);
    return copy;
}
