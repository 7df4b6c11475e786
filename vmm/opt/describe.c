/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* opt/describe.c - tells people and programs what an option table accepts. */
#include <config.h>

#include "opt/opt.h"
#include "util/cleanup.h"

#include <inttypes.h>
#include <string.h>

static const char *const type_names[] = {
    [0] = "none",        [OPT_BOOL] = "bool",       [OPT_ONOFF] = "onoff",
    [OPT_FLAG] = "flag", [OPT_U8] = "u8",           [OPT_U16] = "u16",
    [OPT_U32] = "u32",   [OPT_U64] = "u64",         [OPT_I32] = "fd",
    [OPT_HEX] = "hex",   [OPT_SIZE] = "size",       [OPT_STR] = "str",
    [OPT_ID] = "id",     [OPT_PATH] = "path",       [OPT_REF] = "ref",
    [OPT_ENUM] = "enum", [OPT_MAC] = "mac",         [OPT_UUID] = "uuid",
    [OPT_FDS] = "fds",   [OPT_IGNORED] = "ignored", [OPT_JSON] = "json",
};
_Static_assert(ARRAY_SIZE(type_names) == OPT_TYPE_MAX, "one name a type");

const char *opt_type_name(OptType type)
{
    return type_names[type];
}

/* "a, b or c" */
static void words(const char *const *names, char *text, size_t len)
{
    size_t used = 0;

    *text = 0;
    for (unsigned i = 0; names[i] && used < len; i++) {
        const char *sep = !i ? "" : names[i + 1] ? ", " : " or ";

        used +=
            (size_t)snprintf(text + used, len - used, "%s%s", sep, names[i]);
    }
}

static uint64_t number_max(const OptDesc *d)
{
    if (d->max)
        return d->max;
    switch (d->type) {
    case OPT_U8:
        return UINT8_MAX;
    case OPT_U16:
        return UINT16_MAX;
    case OPT_U32:
    case OPT_HEX:
        return UINT32_MAX;
    case OPT_I32:
        return INT32_MAX;
    default:
        return UINT64_MAX;
    }
}

static void size_text(uint64_t bytes, char *text, size_t len)
{
    if (bytes && bytes % (1ull << 30) == 0)
        snprintf(text, len, "%" PRIu64 "G", bytes >> 30);
    else if (bytes && bytes % (1ull << 20) == 0)
        snprintf(text, len, "%" PRIu64 "M", bytes >> 20);
    else if (bytes % 1024 == 0)
        snprintf(text, len, "%" PRIu64 "K", bytes >> 10);
    else
        snprintf(text, len, "%" PRIu64 " bytes", bytes);
}

static void size_accepts(const OptDesc *d, char *text, size_t len)
{
    char lo[32];
    char hi[32];

    if (!d->min && !d->max) {
        snprintf(text, len, "a size with suffix K, M or G (none means M)");
        return;
    }
    size_text(d->min, lo, sizeof(lo));
    size_text(number_max(d), hi, sizeof(hi));
    snprintf(text, len, "a size from %s to %s (without suffix in MiB)", lo, hi);
}

static void number_accepts(const OptDesc *d, char *text, size_t len)
{
    snprintf(text, len, "%s%" PRIu64 " to %" PRIu64 "%s%s%s",
             d->pow2              ? "a power of two from "
             : d->type == OPT_HEX ? "0x-hexadecimal or decimal from "
                                  : "decimal ",
             d->min, number_max(d), d->unit ? " (" : "", d->unit ? d->unit : "",
             d->unit ? ")" : "");
}

static void string_accepts(const OptDesc *d, char *text, size_t len)
{
    if (d->type == OPT_REF)
        snprintf(text, len, "the id of a %s", d->ref ? d->ref : "object");
    else if (d->type == OPT_PATH)
        snprintf(text, len, "a path of at most %" PRIu64 " bytes",
                 d->max ? d->max : 4095);
    else if (d->type == OPT_ID)
        snprintf(text, len, "a name of 1 to %" PRIu64 " bytes",
                 d->max ? d->max : 255);
    else if (d->max)
        snprintf(text, len, "a text of %" PRIu64 " to %" PRIu64 " bytes",
                 d->min, d->max);
    else
        snprintf(text, len, "a text");
}

void opt_accepts(const OptDesc *d, char *text, size_t len)
{
    switch (d->type) {
    case OPT_BOOL:
    case OPT_ONOFF:
    case OPT_FLAG:
        snprintf(text, len, "on or off");
        break;
    case OPT_SIZE:
        size_accepts(d, text, len);
        break;
    case OPT_ENUM:
        words(d->names, text, len);
        break;
    case OPT_MAC:
        snprintf(text, len, "an address like 52:54:00:12:34:56");
        break;
    case OPT_UUID:
        snprintf(text, len, "36 characters, 8-4-4-4-12 hexadecimal digits");
        break;
    case OPT_FDS:
        snprintf(text, len, "at most %d decimal descriptors joined by ':'",
                 OPT_FDS_MAX);
        break;
    case OPT_IGNORED:
    case OPT_JSON:
        snprintf(text, len, "anything");
        break;
    case OPT_STR:
    case OPT_ID:
    case OPT_PATH:
    case OPT_REF:
        string_accepts(d, text, len);
        break;
    default:
        number_accepts(d, text, len);
    }
}

void opt_print_help(const OptDesc *descs, FILE *out)
{
    for (const OptDesc *d = descs; d && d->name; d++) {
        char accepts[256];

        if (d->type == OPT_IGNORED)
            continue;
        opt_accepts(d, accepts, sizeof(accepts));
        fprintf(out, "  %-20s %s; %s", d->name, d->help ? d->help : "",
                accepts);
        if (d->required)
            fprintf(out, " (required)");
        else if (d->def && *d->def)
            fprintf(out, " (default %s)", d->def);
        fputc('\n', out);
    }
}

static json_t *split(const char *list, char sep)
{
    json_t *array = json_array();

    while (list && *list) {
        const char *end = strchrnul(list, sep);

        json_array_append_new(array, json_stringn(list, (size_t)(end - list)));
        list = *end ? end + 1 : end;
    }
    return array;
}

static json_t *choices(const char *const *names)
{
    json_t *array = json_array();

    for (unsigned i = 0; names[i]; i++)
        json_array_append_new(array, json_string(names[i]));
    return array;
}

static void set_text(json_t *o, const char *key, const char *text)
{
    if (text)
        json_object_set_new(o, key, json_string(text));
}

/* Limits above what JSON integers hold are left out: they are the type's. */
static void set_limit(json_t *o, const char *key, uint64_t val)
{
    if (val && val <= INT64_MAX)
        json_object_set_new(o, key, json_integer((json_int_t)val));
}

static json_t *describe_one(const OptDesc *d)
{
    json_t *o = json_object();

    set_text(o, "name", d->name);
    set_text(o, "type", opt_type_name(d->type));
    set_text(o, "help", d->help);
    set_text(o, "default", d->def);
    set_text(o, "ref", d->ref);
    set_text(o, "unit", d->unit);
    json_object_set_new(o, "required", json_boolean(d->required));
    set_limit(o, "min", d->min);
    set_limit(o, "max", d->max);
    if (d->alias)
        json_object_set_new(o, "aliases", split(d->alias, '|'));
    if (d->type == OPT_ENUM)
        json_object_set_new(o, "choices", choices(d->names));
    return o;
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const OptDesc *const *)a)->name,
                  (*(const OptDesc *const *)b)->name);
}

json_t *opt_describe(const OptDesc *descs)
{
    const OptDesc **rows CLEANUP(ptr_free) = NULL;
    json_t *array = json_array();
    size_t num = 0;

    for (const OptDesc *d = descs; d && d->name; d++)
        num++;
    rows = calloc(num + 1, sizeof(*rows));
    if (!rows || !array) {
        json_decref(array);
        return NULL;
    }
    for (size_t i = 0; i < num; i++)
        rows[i] = &descs[i];
    qsort(rows, num, sizeof(*rows), by_name);
    for (size_t i = 0; i < num; i++)
        json_array_append_new(array, describe_one(rows[i]));
    return array;
}
