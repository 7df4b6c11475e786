/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qmp/schema.c - query-qmp-schema, made from the command table. */
#include <config.h>

#include "qmp/command.h"
#include "util/cleanup.h"

#include <stdio.h>
#include <string.h>

static const char *type_of(const OptDesc *d)
{
    switch (d->type) {
    case OPT_BOOL:
    case OPT_ONOFF:
    case OPT_FLAG:
        return "bool";
    case OPT_U8:
    case OPT_U16:
    case OPT_U32:
    case OPT_U64:
    case OPT_I32:
    case OPT_HEX:
        return "int";
    case OPT_JSON:
    case OPT_IGNORED:
        return "any";
    default:
        return "str";
    }
}

static void add_enum(json_t *schema, const char *name, const OptDesc *d)
{
    json_t *values = json_array();
    json_t *members = json_array();

    for (unsigned i = 0; d->names[i]; i++) {
        json_array_append_new(values, json_string(d->names[i]));
        json_array_append_new(members, json_pack("{s:s}", "name", d->names[i]));
    }
    json_array_append_new(schema, json_pack("{s:s, s:s, s:o, s:o}", "name",
                                            name, "meta-type", "enum", "values",
                                            values, "members", members));
}

/* The arguments of one command, as an object type called @name. */
static void add_object(json_t *schema, const char *name, const OptDesc *args)
{
    json_t *members = json_array();

    for (const OptDesc *d = args; d && d->name; d++) {
        json_t *member = json_pack("{s:s}", "name", d->name);
        char type[128];

        snprintf(type, sizeof(type), "%s", type_of(d));
        if (d->type == OPT_ENUM) {
            snprintf(type, sizeof(type), "%s-%s", name, d->name);
            add_enum(schema, type, d);
        }
        json_object_set_new(member, "type", json_string(type));
        if (!d->required)
            json_object_set_new(member, "default", json_null());
        json_array_append_new(members, member);
    }
    json_array_append_new(schema,
                          json_pack("{s:s, s:s, s:o}", "name", name,
                                    "meta-type", "object", "members", members));
}

static void add_builtins(json_t *schema)
{
    static const struct {
        const char *name;
        const char *json_type;
    } builtins[] = {
        { "str", "string" },
        { "int", "int" },
        { "bool", "boolean" },
        { "any", "value" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(builtins); i++)
        json_array_append_new(schema, json_pack("{s:s, s:s, s:s}", "name",
                                                builtins[i].name, "meta-type",
                                                "builtin", "json-type",
                                                builtins[i].json_type));
}

json_t *qmp_schema(void)
{
    const QmpCommand **list CLEANUP(ptr_free) = qmp_command_list();
    json_t *schema = json_array();
    json_t *events = qmp_describe_events();
    json_t *event;
    size_t at;

    add_builtins(schema);
    add_object(schema, "empty", NULL);
    for (size_t i = 0; list && list[i]; i++) {
        char args[96] = "empty";

        if (list[i]->args) {
            snprintf(args, sizeof(args), "%s-arg", list[i]->name);
            add_object(schema, args, list[i]->args);
        }
        json_array_append_new(schema,
                              json_pack("{s:s, s:s, s:s, s:s}", "name",
                                        list[i]->name, "meta-type", "command",
                                        "arg-type", args, "ret-type", "any"));
    }
    json_array_foreach(events, at, event) json_array_append_new(
        schema,
        json_pack("{s:O, s:s, s:s}", "name", json_object_get(event, "name"),
                  "meta-type", "event", "arg-type", "any"));
    json_decref(events);
    return schema;
}
