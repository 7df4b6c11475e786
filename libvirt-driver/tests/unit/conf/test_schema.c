// SPDX-License-Identifier: LGPL-2.1-or-later
// test_schema.c - the tables and the RNG schema have the same rows.
#include <config.h>

#include <glib.h>
#include <libxml/parser.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "conf/domain_schema.h"

/* "domain/os/type/@arch" for each element and attribute */
static void add_path(GHashTable *set, const char *parent, const char *name,
                     char **ret_path)
{
    char *path =
        parent[0] ? g_strdup_printf("%s/%s", parent, name) : g_strdup(name);

    g_hash_table_add(set, path);
    if (ret_path)
        *ret_path = path;
}

static void walk_table(const XmlRow *rows, const char *parent, GHashTable *set)
{
    for (const XmlRow *row = rows; row->name; row++) {
        char *path;

        if (row->name[0] == '.')
            continue;
        add_path(set, parent, row->name, &path);
        if (row->type == XML_ROW_GROUP)
            walk_table(row->rows, path, set);
        else if (row->type == XML_ROW_LIST)
            walk_table(row->record->rows, path, set);
    }
}

static xmlNodePtr find_define(xmlNodePtr grammar, const char *name)
{
    for (xmlNodePtr node = grammar->children; node; node = node->next) {
        xmlChar *attr = node->type == XML_ELEMENT_NODE
                            ? xmlGetProp(node, (const xmlChar *)"name")
                            : NULL;
        gboolean found = attr && strcmp((char *)attr, name) == 0;

        xmlFree(attr);
        if (found)
            return node;
    }
    return NULL;
}

static void walk_schema(xmlNodePtr grammar, xmlNodePtr pattern,
                        const char *parent, GHashTable *set)
{
    for (xmlNodePtr node = pattern->children; node; node = node->next) {
        g_autofree char *name = NULL;
        char *path;

        if (node->type != XML_ELEMENT_NODE)
            continue;
        name = xml_node_attr(node, "name");
        if (!name && xmlHasProp(node, (const xmlChar *)"name"))
            continue;
        if (strcmp((const char *)node->name, "ref") == 0) {
            xmlNodePtr define = find_define(grammar, name);

            assert_non_null(define);
            if (strcmp(name, "anything") != 0 && strcmp(name, "flag") != 0)
                walk_schema(grammar, define, parent, set);
        } else if (strcmp((const char *)node->name, "attribute") == 0) {
            g_autofree char *at = g_strdup_printf("@%s", name);

            add_path(set, parent, at, NULL);
        } else if (strcmp((const char *)node->name, "element") == 0) {
            add_path(set, parent, name, &path);
            walk_schema(grammar, node, path, set);
        } else {
            walk_schema(grammar, node, parent, set);
        }
    }
}

static void check_subset(GHashTable *some, GHashTable *all, const char *what)
{
    GHashTableIter iter;
    gpointer path;
    guint missing = 0;

    g_hash_table_iter_init(&iter, some);
    while (g_hash_table_iter_next(&iter, &path, NULL)) {
        if (!g_hash_table_contains(all, path)) {
            print_message("%s is not in %s\n", (char *)path, what);
            missing++;
        }
    }
    assert_int_equal(missing, 0);
}

static void test_same_rows(void **state)
{
    g_autoptr(GHashTable) rows =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GHashTable) patterns =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    xmlDocPtr doc = xmlReadMemory(domain_rng_text, (int)strlen(domain_rng_text),
                                  NULL, NULL, XML_PARSE_NONET);
    xmlNodePtr grammar = xmlDocGetRootElement(doc);

    assert_non_null(grammar);
    g_hash_table_add(rows, g_strdup("domain"));
    walk_table(domain_record.rows, "domain", rows);
    for (xmlNodePtr node = grammar->children; node; node = node->next) {
        if (node->type == XML_ELEMENT_NODE &&
            strcmp((const char *)node->name, "start") == 0)
            walk_schema(grammar, node, "", patterns);
    }
    assert_true(g_hash_table_size(rows) > 300);
    check_subset(rows, patterns, "the schema");
    check_subset(patterns, rows, "the tables");
    xmlFreeDoc(doc);
}

/* A name twice in one table would be read twice and printed twice. */
static void check_unique(const XmlRow *rows)
{
    for (const XmlRow *row = rows; row->name; row++) {
        for (const XmlRow *other = rows; other != row; other++)
            assert_string_not_equal(other->name, row->name);
        if (row->type == XML_ROW_GROUP)
            check_unique(row->rows);
        else if (row->type == XML_ROW_LIST)
            check_unique(row->record->rows);
        if (row->type == XML_ROW_ENUM)
            assert_non_null(row->names);
        if (row->type == XML_ROW_REFUSE)
            assert_non_null(row->hint);
    }
}

static void test_rows_are_unique(void **state)
{
    check_unique(domain_record.rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_rows),
        cmocka_unit_test(test_rows_are_unique),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
