/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* opt/bag.c - option text and JSON objects cut into ordered keys and values. */
#include <config.h>

#include "opt/opt.h"
#include "util/cleanup.h"

#include <errno.h>
#include <string.h>

#define BAG_MAX_ENTRIES 256
#define BAG_MAX_DEPTH   8

/* Takes @json. */
static int bag_append(OptBag *bag, const char *key, size_t key_len,
                      const char *text, OptKind kind, json_t *json, Err *e)
{
    OptEntry *entry;

    if (bag->num >= BAG_MAX_ENTRIES) {
        json_decref(json);
        return err_set(e, E2BIG, "%s: more than %d elements", bag->where,
                       BAG_MAX_ENTRIES);
    }
    entry = realloc(bag->entries, (bag->num + 1) * sizeof(*entry));
    if (!entry)
        goto no_memory;
    bag->entries = entry;
    entry += bag->num;
    entry->key = strndup(key, key_len);
    entry->text = text ? strdup(text) : NULL;
    if (!entry->key || (text && !entry->text)) {
        free(entry->key);
        free(entry->text);
        goto no_memory;
    }
    entry->kind = kind;
    entry->json = json;
    bag->num++;
    return 0;

no_memory:
    json_decref(json);
    return err_set(e, ENOMEM, "%s: out of memory", bag->where);
}

int opt_bag_add(OptBag *bag, const char *key, const char *text, OptKind kind,
                Err *e)
{
    return bag_append(bag, key, strlen(key), text, kind, NULL, e);
}

void opt_bag_fini(OptBag *bag)
{
    for (unsigned i = 0; i < bag->num; i++) {
        free(bag->entries[i].key);
        free(bag->entries[i].text);
        json_decref(bag->entries[i].json);
    }
    free(bag->entries);
    free(bag->name);
    memset(bag, 0, sizeof(*bag));
}

static OptEntry *bag_find(const OptBag *bag, const char *key)
{
    for (unsigned i = 0; i < bag->num; i++) {
        if (strcmp(bag->entries[i].key, key) == 0)
            return &bag->entries[i];
    }
    return NULL;
}

const char *opt_bag_get(const OptBag *bag, const char *key)
{
    const OptEntry *entry = bag_find(bag, key);

    if (!entry)
        return NULL;
    return entry->text ? entry->text : "";
}

bool opt_bag_drop(OptBag *bag, const char *key)
{
    bool found = false;
    OptEntry *entry;

    while ((entry = bag_find(bag, key))) {
        free(entry->key);
        free(entry->text);
        json_decref(entry->json);
        bag->num--;
        memmove(entry, entry + 1,
                (size_t)(bag->entries + bag->num - entry) * sizeof(*entry));
        found = true;
    }
    return found;
}

static void bag_start(OptBag *bag, const char *where)
{
    memset(bag, 0, sizeof(*bag));
    snprintf(bag->where, sizeof(bag->where), "%s", where);
}

/* The bag's name; messages show it, too. */
static int bag_name(OptBag *bag, const char *name, Err *e)
{
    size_t used = strlen(bag->where);

    bag->name = strdup(name);
    if (!bag->name)
        return err_set(e, ENOMEM, "%s: out of memory", bag->where);
    snprintf(bag->where + used, sizeof(bag->where) - used, " %s", name);
    return 0;
}

/* One element of a text, NUL-terminated; @first: of the whole text. */
static int bag_element(OptBag *bag, char *elem, bool first, OptHead head,
                       const char *head_key, Err *e)
{
    char *eq = strchr(elem, '=');

    if (first && head == OPT_HEAD_NAME) {
        if (eq)
            return err_set(e, EINVAL,
                           "%s: the first element must be a name, not '%s'",
                           bag->where, elem);
        return bag_name(bag, elem, e);
    }
    if (!eq) {
        if (first && head == OPT_HEAD_KEY)
            return bag_append(bag, head_key, strlen(head_key), elem,
                              OPT_KIND_TEXT, NULL, e);
        return bag_append(bag, elem, strlen(elem), NULL, OPT_KIND_BARE, NULL,
                          e);
    }
    if (eq == elem)
        return err_set(e, EINVAL, "%s: '%s' has no key before '='", bag->where,
                       elem);
    if (strchr(eq + 1, '='))
        return err_set(e, EINVAL,
                       "%s: '%s' has more than one '=', and a value cannot "
                       "contain one",
                       bag->where, elem);
    if (eq[1] == '-')
        return err_set(e, EINVAL,
                       "%s: the value '%s' of '%.*s' may not start with '-'",
                       bag->where, eq + 1, (int)(eq - elem), elem);
    return bag_append(bag, elem, (size_t)(eq - elem), eq + 1, OPT_KIND_TEXT,
                      NULL, e);
}

/* Does "key=something" stand anywhere?  Then nothing is implicit. */
static bool key_written(const char *text, const char *key)
{
    size_t len = strlen(key);

    for (const char *p = text; p; p = strchr(p, ',')) {
        if (*p == ',')
            p++;
        if (strncmp(p, key, len) == 0 && p[len] == '=' && p[len + 1] &&
            p[len + 1] != ',')
            return true;
    }
    return false;
}

static int bag_cut(OptBag *bag, char *copy, OptHead head, const char *head_key,
                   Err *e)
{
    bool first = true;
    char *p = copy;

    for (;;) {
        char *comma = strchr(p, ',');
        int r;

        if (comma)
            *comma = 0;
        if (!*p) {
            if (!comma && !first)
                return 0; /* the one tolerated trailing comma */
            return err_set(e, EINVAL, "%s: empty element", bag->where);
        }
        r = bag_element(bag, p, first, head, head_key, e);
        if (r < 0)
            return r;
        if (!comma)
            return 0;
        first = false;
        p = comma + 1;
    }
}

int opt_bag_text(OptBag *bag, const char *where, const char *text, OptHead head,
                 const char *head_key, Err *e)
{
    char *copy CLEANUP(ptr_free) = strdup(text);
    int r;

    bag_start(bag, where);
    if (!copy)
        return err_set(e, ENOMEM, "%s: out of memory", where);
    if (head == OPT_HEAD_KEY && key_written(text, head_key))
        head = OPT_HEAD_NONE;
    r = bag_cut(bag, copy, head, head_key, e);
    if (r < 0)
        opt_bag_fini(bag);
    return r;
}

static int bag_object(OptBag *bag, const json_t *object, const char *prefix,
                      const char *head_key, unsigned depth, Err *e);

static int bag_json_value(OptBag *bag, const char *key, json_t *value,
                          unsigned depth, Err *e)
{
    char num[32];
    size_t len = strlen(key);

    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return bag_object(bag, value, key, NULL, depth + 1, e);
    case JSON_STRING:
        if (strlen(json_string_value(value)) != json_string_length(value))
            return err_set(e, EINVAL, "%s: '%s' contains a NUL", bag->where,
                           key);
        return bag_append(bag, key, len, json_string_value(value),
                          OPT_KIND_TEXT, NULL, e);
    case JSON_INTEGER:
        snprintf(num, sizeof(num), "%" JSON_INTEGER_FORMAT,
                 json_integer_value(value));
        return bag_append(bag, key, len, num, OPT_KIND_INT, NULL, e);
    case JSON_TRUE:
        return bag_append(bag, key, len, "on", OPT_KIND_BOOL, NULL, e);
    case JSON_FALSE:
        return bag_append(bag, key, len, "off", OPT_KIND_BOOL, NULL, e);
    default:
        return bag_append(bag, key, len, NULL, OPT_KIND_JSON,
                          json_incref(value), e);
    }
}

static int bag_object(OptBag *bag, const json_t *object, const char *prefix,
                      const char *head_key, unsigned depth, Err *e)
{
    const char *key;
    json_t *value;

    if (depth > BAG_MAX_DEPTH)
        return err_set(e, EINVAL, "%s: '%s' is nested too deeply", bag->where,
                       prefix);
    json_object_foreach((json_t *)object, key, value)
    {
        char full[256];
        int r;

        if (head_key && strcmp(key, head_key) == 0)
            continue;
        if (snprintf(full, sizeof(full), "%s%s%s", prefix, *prefix ? "." : "",
                     key) >= (int)sizeof(full))
            return err_set(e, EINVAL, "%s: the name '%.60s...' is too long",
                           bag->where, key);
        r = bag_json_value(bag, full, value, depth, e);
        if (r < 0)
            return r;
    }
    return 0;
}

static int bag_json_head(OptBag *bag, const json_t *object,
                         const char *head_key, Err *e)
{
    const json_t *head = json_object_get(object, head_key);

    if (!head)
        return err_set(e, EINVAL, "%s: '%s' is missing", bag->where, head_key);
    if (!json_is_string(head) || !*json_string_value(head))
        return err_set(e, EINVAL, "%s: '%s' must be a string that is not empty",
                       bag->where, head_key);
    return bag_name(bag, json_string_value(head), e);
}

int opt_bag_json(OptBag *bag, const char *where, const json_t *object,
                 const char *head_key, Err *e)
{
    int r = 0;

    bag_start(bag, where);
    if (head_key)
        r = bag_json_head(bag, object, head_key, e);
    if (r == 0 && object)
        r = bag_object(bag, object, "", head_key, 0, e);
    if (r < 0)
        opt_bag_fini(bag);
    return r;
}
