/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qmp/qom.c - the object tree as far as clients look: types and devices. */
#include <config.h>

#include "qmp/command.h"
#include "util/cleanup.h"
#include "virtio/virtio.h"

#include <errno.h>
#include <string.h>

typedef struct PathArgs {
    const char *path;
    const char *property;
    const char *type_name;
    const char *implements;
} PathArgs;

#define F(field) .off = offsetof(PathArgs, field)

static const OptDesc list_args[] = {
    { .name = "path",
      .type = OPT_STR,
      F(path),
      .def = "/",
      .help = "path of an object" },
    { 0 },
};

static const OptDesc get_args[] = {
    { .name = "path",
      .type = OPT_STR,
      F(path),
      .required = true,
      .help = "path of an object" },
    { .name = "property",
      .type = OPT_STR,
      F(property),
      .required = true,
      .help = "name of its property" },
    { 0 },
};

static const OptDesc type_args[] = {
    { .name = "typename",
      .type = OPT_STR,
      F(type_name),
      .required = true,
      .help = "a device of -device, as virtio-blk-device" },
    { 0 },
};

static const OptDesc types_args[] = {
    { .name = "implements",
      .type = OPT_STR,
      F(implements),
      .help = "only types below this one" },
    { .name = "abstract",
      .type = OPT_IGNORED,
      .help = "abstract types are never listed" },
    { 0 },
};

/* --- types ---------------------------------------------------------------- */

typedef struct OtherType {
    const char *name;
    const char *parent;
} OtherType;

static const OtherType other_types[] = {
    { "iothread", "object" },
    { "memory-backend-file", "memory-backend" },
    { "rng-random", "rng-backend" },
    { "virtconsole", "virtio-serial-port" },
    { "microvm-1.0-machine", "machine" },
    { "none-machine", "machine" },
};

static void add_type(json_t *list, const char *name, const char *parent,
                     const char *implements)
{
    if (!implements || strcmp(implements, parent) == 0 ||
        strcmp(implements, name) == 0 || strcmp(implements, "object") == 0 ||
        (strcmp(implements, "device") == 0 && strstr(parent, "virtio")))
        json_array_append_new(
            list, json_pack("{s:s, s:s}", "name", name, "parent", parent));
}

static int do_list_types(QmpCall *call, const void *args, Err *e)
{
    const PathArgs *a = args;

    (void)e;
    call->ret = json_array();
    for (size_t i = 0; virtio_classes[i]; i++) {
        char name[80];

        snprintf(name, sizeof(name), "%s-device", virtio_classes[i]->name);
        add_type(call->ret, name, "virtio-device", a->implements);
    }
    for (size_t i = 0; i < ARRAY_SIZE(other_types); i++)
        add_type(call->ret, other_types[i].name, other_types[i].parent,
                 a->implements);
    return 0;
}

static const VirtioClass *class_of(const char *type_name)
{
    static const char suffix[] = "-device";
    size_t len = strlen(type_name);
    char name[80];

    if (len <= sizeof(suffix) - 1 || len >= sizeof(name) ||
        strcmp(type_name + len - (sizeof(suffix) - 1), suffix) != 0)
        return NULL;
    snprintf(name, sizeof(name), "%.*s", (int)(len - (sizeof(suffix) - 1)),
             type_name);
    return virtio_class_find(name);
}

/* Type names as clients of this command know them. */
static const char *property_type(const OptDesc *d)
{
    switch (d->type) {
    case OPT_BOOL:
    case OPT_ONOFF:
    case OPT_FLAG:
        return "bool";
    case OPT_U8:
        return "uint8";
    case OPT_U16:
        return "uint16";
    case OPT_U32:
    case OPT_HEX:
        return "uint32";
    case OPT_U64:
    case OPT_SIZE:
        return "uint64";
    case OPT_I32:
        return "int32";
    default:
        return "str";
    }
}

static int do_list_properties(QmpCall *call, const void *args, Err *e)
{
    const PathArgs *a = args;
    const VirtioClass *cls = class_of(a->type_name);

    if (!cls)
        return qmp_fail(call, QMP_DEVICE_NOT_FOUND, e, ENODEV,
                        "Device '%s' not found", a->type_name);
    call->ret = json_array();
    for (const OptDesc *d = cls->opts; d && d->name; d++) {
        json_t *o =
            json_pack("{s:s, s:s}", "name", d->name, "type", property_type(d));

        if (d->help)
            json_object_set_new(o, "description", json_string(d->help));
        json_array_append_new(call->ret, o);
    }
    return 0;
}

/* --- objects ---------------------------------------------------------------
 */

static void add_property(json_t *list, const char *name, const char *type)
{
    json_array_append_new(list,
                          json_pack("{s:s, s:s}", "name", name, "type", type));
}

/* Children named by @name_key; @type_key NULL: all are of type @type. */
static void add_children(json_t *list, json_t *items, const char *name_key,
                         const char *type_key, const char *type)
{
    json_t *item;
    size_t at;

    json_array_foreach(items, at, item)
    {
        const char *name = json_string_value(json_object_get(item, name_key));
        char child[128];

        if (type_key)
            type = json_string_value(json_object_get(item, type_key));
        snprintf(child, sizeof(child), "child<%s>", type ? type : "object");
        if (name)
            add_property(list, name, child);
    }
}

/* The type of the item called @name, borrowed from @items; NULL not there. */
static const char *child_type(json_t *items, const char *name)
{
    json_t *item;
    size_t at;

    json_array_foreach(items, at, item)
    {
        const char *id = json_string_value(json_object_get(item, "id"));

        if (id && strcmp(id, name) == 0)
            return json_string_value(json_object_get(item, "type"));
    }
    return NULL;
}

#define PERIPHERAL "/machine/peripheral"

/* The type of the object at @path into @ret_type; false: there is none. */
static bool type_at(QmpCall *call, const char *path, char *ret_type, size_t len)
{
    static const OtherType fixed[] = {
        { "/", "container" },
        { "/objects", "container" },
        { PERIPHERAL, "container" },
    };
    const char *type = NULL;
    json_t *devices;

    for (size_t i = 0; i < ARRAY_SIZE(fixed); i++) {
        if (strcmp(path, fixed[i].name) == 0)
            type = fixed[i].parent;
    }
    if (strcmp(path, "/machine") == 0)
        type = machine_conf(call->machine)->type == MACHINE_NONE
                   ? "none-machine"
                   : "microvm-1.0-machine";
    if (type) {
        snprintf(ret_type, len, "%s", type);
        return true;
    }
    if (strncmp(path, PERIPHERAL "/", sizeof(PERIPHERAL)) != 0)
        return false;
    devices = machine_query_devices(call->machine);
    type = child_type(devices, path + sizeof(PERIPHERAL));
    if (type)
        snprintf(ret_type, len, "%s", type);
    json_decref(devices);
    return type != NULL;
}

static int no_path(QmpCall *call, const char *path, Err *e)
{
    return qmp_fail(call, QMP_DEVICE_NOT_FOUND, e, ENOENT,
                    "Device '%s' not found", path);
}

static int do_qom_list(QmpCall *call, const void *args, Err *e)
{
    const PathArgs *a = args;
    json_t *items = NULL;
    char type[96];

    if (!type_at(call, a->path, type, sizeof(type)))
        return no_path(call, a->path, e);
    call->ret = json_array();
    add_property(call->ret, "type", "string");
    if (strcmp(a->path, "/") == 0) {
        add_property(call->ret, "machine", "child<machine>");
        add_property(call->ret, "objects", "child<container>");
    } else if (strcmp(a->path, "/machine") == 0) {
        add_property(call->ret, "peripheral", "child<container>");
    } else if (strcmp(a->path, "/objects") == 0) {
        items = machine_query_iothreads(call->machine);
        add_children(call->ret, items, "id", NULL, "iothread");
    } else if (strcmp(a->path, PERIPHERAL) == 0) {
        items = machine_query_devices(call->machine);
        add_children(call->ret, items, "id", "type", NULL);
    }
    json_decref(items);
    return 0;
}

static int do_qom_get(QmpCall *call, const void *args, Err *e)
{
    const PathArgs *a = args;
    char type[96];

    if (!type_at(call, a->path, type, sizeof(type)))
        return no_path(call, a->path, e);
    if (strcmp(a->property, "type") != 0)
        return err_set(e, ENOENT, "Property '%s.%s' not found", type,
                       a->property);
    call->ret = json_string(type);
    return 0;
}

const QmpCommand qmp_qom_rows[] = {
    { .name = "qom-list-types",
      .fn = do_list_types,
      .args = types_args,
      .args_size = sizeof(PathArgs),
      .lenient = true,
      .doc = "types of devices and objects" },
    { .name = "device-list-properties",
      .fn = do_list_properties,
      .args = type_args,
      .args_size = sizeof(PathArgs),
      .lenient = true,
      .doc = "options of a device type" },
    { .name = "qom-list",
      .fn = do_qom_list,
      .args = list_args,
      .args_size = sizeof(PathArgs),
      .lenient = true,
      .doc = "children and properties of an object" },
    { .name = "qom-get",
      .fn = do_qom_get,
      .args = get_args,
      .args_size = sizeof(PathArgs),
      .lenient = true,
      .doc = "a property of an object" },
    { 0 },
};
