/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* opt/parse.c - fills typed structs from bags, by tables. */
#include <config.h>

#include "opt/opt.h"
#include "util/cleanup.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

static bool alias_has(const char *aliases, const char *key)
{
    size_t len = strlen(key);

    for (const char *p = aliases; p; p = strchr(p, '|')) {
        if (*p == '|')
            p++;
        if (strncmp(p, key, len) == 0 && (!p[len] || p[len] == '|'))
            return true;
    }
    return false;
}

const OptDesc *opt_find(const OptDesc *descs, const char *key)
{
    for (const OptDesc *d = descs; d && d->name; d++) {
        if (strcmp(d->name, key) == 0 || (*key && alias_has(d->alias, key)))
            return d;
    }
    return NULL;
}

static int word_bool(const char *text, bool *ret_val)
{
    static const char *const yes[] = { "on", "yes", "true", "unmap" };
    static const char *const no[] = { "off", "no", "false", "ignore" };

    for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
        if (strcmp(text, yes[i]) == 0 || strcmp(text, no[i]) == 0) {
            *ret_val = strcmp(text, yes[i]) == 0;
            return 0;
        }
    }
    return -EINVAL;
}

static int word_onoff(const char *text, bool *ret_val)
{
    *ret_val = strcmp(text, "on") == 0;
    return *ret_val || strcmp(text, "off") == 0 ? 0 : -EINVAL;
}

static int word_enum(const OptDesc *d, const char *text, unsigned *ret_val)
{
    for (unsigned i = 0; d->names[i]; i++) {
        if (strcmp(text, d->names[i]) == 0 ||
            (d->nocase && strcasecmp(text, d->names[i]) == 0)) {
            *ret_val = i;
            return 0;
        }
    }
    return -EINVAL;
}

static uint64_t type_max(OptType type)
{
    switch (type) {
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

static int number_fits(const OptDesc *d, uint64_t val)
{
    uint64_t max = d->max ? d->max : type_max(d->type);

    if (val < d->min || val > max)
        return -ERANGE;
    if (d->pow2 && (!val || (val & (val - 1))))
        return -EINVAL;
    return 0;
}

static int hexdec(const char *text, uint64_t *ret_val)
{
    uint64_t val = 0;
    size_t len;

    if (text[0] != '0' || (text[1] | 0x20) != 'x')
        return opt_u64(text, ret_val);
    text += 2;
    len = strlen(text);
    if (!len || len > 16 || strspn(text, "0123456789abcdefABCDEF") != len)
        return -EINVAL;
    val = strtoull(text, NULL, 16);
    *ret_val = val;
    return 0;
}

static int store_number(const OptDesc *d, const char *text, void *field)
{
    uint64_t val;
    int r;

    if (d->type == OPT_SIZE)
        r = opt_size(text, &val);
    else if (d->type == OPT_HEX)
        r = hexdec(text, &val);
    else
        r = opt_u64(text, &val);
    if (r == 0)
        r = number_fits(d, val);
    if (r < 0)
        return r;
    switch (d->type) {
    case OPT_U8:
        *(uint8_t *)field = (uint8_t)val;
        break;
    case OPT_U16:
        *(uint16_t *)field = (uint16_t)val;
        break;
    case OPT_U32:
    case OPT_HEX:
        *(uint32_t *)field = (uint32_t)val;
        break;
    case OPT_I32:
        *(int32_t *)field = (int32_t)val;
        break;
    default:
        *(uint64_t *)field = val;
    }
    return 0;
}

static int store_string(const OptDesc *d, const char *text, void *field)
{
    size_t len = strlen(text);
    uint64_t min = d->min;
    uint64_t max = d->max;

    if (d->type != OPT_STR && !min)
        min = 1;
    if (!max)
        max = d->type == OPT_PATH  ? 4095
              : d->type == OPT_STR ? UINT64_MAX
                                   : 255;
    if (len < min || len > max)
        return -ERANGE;
    *(const char **)field = text;
    return 0;
}

static int store_fds(const char *text, OptFds *fds)
{
    char copy[512];
    char *save = NULL;
    unsigned start = fds->num;

    if (snprintf(copy, sizeof(copy), "%s", text) >= (int)sizeof(copy))
        return -EINVAL;
    if (!*copy || *copy == ':' || copy[strlen(copy) - 1] == ':' ||
        strstr(copy, "::"))
        return -EINVAL;
    for (char *p = strtok_r(copy, ":", &save); p;
         p = strtok_r(NULL, ":", &save)) {
        uint64_t fd;

        if (opt_u64(p, &fd) < 0 || fd > INT32_MAX || fds->num >= OPT_FDS_MAX) {
            fds->num = start;
            return -EINVAL;
        }
        fds->fd[fds->num++] = (int)fd;
    }
    return 0;
}

static int store_text(const OptDesc *d, const char *text, void *field)
{
    switch (d->type) {
    case OPT_BOOL:
    case OPT_FLAG:
        return word_bool(text, field);
    case OPT_ONOFF:
        return word_onoff(text, field);
    case OPT_U8:
    case OPT_U16:
    case OPT_U32:
    case OPT_U64:
    case OPT_I32:
    case OPT_HEX:
    case OPT_SIZE:
        return store_number(d, text, field);
    case OPT_STR:
    case OPT_ID:
    case OPT_PATH:
    case OPT_REF:
        return store_string(d, text, field);
    case OPT_ENUM:
        return word_enum(d, text, field);
    case OPT_MAC:
        return opt_mac(text, field);
    case OPT_UUID:
        return opt_uuid(text, field);
    case OPT_FDS:
        return store_fds(text, field);
    case OPT_IGNORED:
        return 0;
    case OPT_JSON:
    case OPT_TYPE_MAX:
        break;
    }
    return -EINVAL;
}

/* QMP arguments: does the JSON type suit the row? */
static bool kind_suits(const OptDesc *d, OptKind kind)
{
    switch (d->type) {
    case OPT_BOOL:
    case OPT_ONOFF:
    case OPT_FLAG:
        return kind == OPT_KIND_BOOL;
    case OPT_U8:
    case OPT_U16:
    case OPT_U32:
    case OPT_U64:
    case OPT_I32:
    case OPT_HEX:
        return kind == OPT_KIND_INT;
    case OPT_IGNORED:
    case OPT_JSON:
        return true;
    default:
        return kind == OPT_KIND_TEXT;
    }
}

static int value_error(const OptDesc *d, const OptBag *bag, const char *text,
                       Err *e)
{
    char accepts[256];

    opt_accepts(d, accepts, sizeof(accepts));
    return err_set(e, EINVAL, "%s: '%s' cannot be '%s'; it accepts %s",
                   bag->where, d->name, text, accepts);
}

static int store_json(const OptDesc *d, const OptBag *bag,
                      const OptEntry *entry, void *field, Err *e)
{
    char *text CLEANUP(ptr_free) = NULL;
    int r;

    if (d->type == OPT_IGNORED)
        return 0;
    if (d->type == OPT_JSON) {
        *(json_t **)field = entry->json;
        return 0;
    }
    text = json_dumps(entry->json, JSON_ENCODE_ANY | JSON_COMPACT);
    r = value_error(d, bag, text ? text : "?", e);
    return r;
}

static int store_entry(const OptDesc *d, const OptBag *bag,
                       const OptEntry *entry, void *field, Err *e)
{
    if (entry->kind == OPT_KIND_JSON)
        return store_json(d, bag, entry, field, e);
    if (entry->kind == OPT_KIND_BARE) {
        if (d->type == OPT_FLAG)
            *(bool *)field = true;
        else if (d->type != OPT_IGNORED)
            return err_set(e, EINVAL, "%s: '%s' needs a value: %s=VALUE",
                           bag->where, entry->key, entry->key);
        return 0;
    }
    if (bag->strict && !kind_suits(d, entry->kind))
        return value_error(d, bag, entry->text, e);
    if (store_text(d, entry->text, field) < 0)
        return value_error(d, bag, entry->text, e);
    return 0;
}

static void *field_of(const OptDesc *d, void *conf)
{
    return (char *)conf + d->off;
}

void opt_defaults(const OptDesc *descs, void *conf)
{
    for (const OptDesc *d = descs; d && d->name; d++) {
        if (d->type == OPT_FDS)
            ((OptFds *)field_of(d, conf))->num = 0;
        if (d->def)
            store_text(d, d->def, field_of(d, conf));
    }
}

/* A second entry for the row of entry @at, under any of its spellings? */
static const OptEntry *earlier(const OptDesc *d, const OptBag *bag, unsigned at)
{
    for (unsigned i = 0; i < at; i++) {
        const char *key = bag->entries[i].key;

        if (strcmp(d->name, key) == 0 || alias_has(d->alias, key))
            return &bag->entries[i];
    }
    return NULL;
}

static int unknown_key(const OptSet *sets, unsigned num_sets, const OptBag *bag,
                       const char *key, Err *e)
{
    char list[320] = "";
    size_t used = 0;

    for (unsigned s = 0; s < num_sets; s++) {
        for (const OptDesc *d = sets[s].descs; d && d->name; d++) {
            if (d->type == OPT_IGNORED)
                continue;
            used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s",
                                     used ? ", " : "", d->name);
            if (used >= sizeof(list)) {
                memcpy(list + sizeof(list) - 4, "...", 4);
                used = sizeof(list) - 1;
            }
        }
    }
    if (!used)
        return err_set(e, EINVAL,
                       "%s: unknown option '%s'; there are no options",
                       bag->where, key);
    return err_set(e, EINVAL, "%s: unknown option '%s'; known are %s",
                   bag->where, key, list);
}

static int parse_entry(const OptSet *sets, unsigned num_sets, const OptBag *bag,
                       unsigned at, Err *e)
{
    const OptEntry *entry = &bag->entries[at];

    for (unsigned s = 0; s < num_sets; s++) {
        const OptDesc *d = opt_find(sets[s].descs, entry->key);
        uint64_t scratch[sizeof(OptFds) / 8 + 1] = { 0 };
        void *field;

        if (!d)
            continue;
        field = field_of(d, sets[s].conf);
        if (d->given)
            *(bool *)((char *)sets[s].conf + d->given) = true;
        if (d->repeat != OPT_APPEND && earlier(d, bag, at)) {
            if (d->repeat == OPT_ONCE)
                return err_set(e, EINVAL, "%s: '%s' is given more than once",
                               bag->where, d->name);
            field = scratch;
        }
        return store_entry(d, bag, entry, field, e);
    }
    return unknown_key(sets, num_sets, bag, entry->key, e);
}

static int check_required(const OptSet *set, const OptBag *bag, Err *e)
{
    for (const OptDesc *d = set->descs; d && d->name; d++) {
        char accepts[200];

        if (!d->required || earlier(d, bag, bag->num))
            continue;
        opt_accepts(d, accepts, sizeof(accepts));
        return err_set(e, EINVAL, "%s: '%s' is missing; it takes %s",
                       bag->where, d->name, accepts);
    }
    return 0;
}

int opt_parse_sets(const OptSet *sets, unsigned num_sets, const OptBag *bag,
                   Err *e)
{
    int r;

    for (unsigned s = 0; s < num_sets; s++)
        opt_defaults(sets[s].descs, sets[s].conf);
    for (unsigned i = 0; i < bag->num; i++) {
        r = parse_entry(sets, num_sets, bag, i, e);
        if (r < 0)
            return r;
    }
    for (unsigned s = 0; s < num_sets; s++) {
        r = check_required(&sets[s], bag, e);
        if (r < 0)
            return r;
    }
    return 0;
}

int opt_parse(const OptDesc *descs, const OptBag *bag, void *conf, Err *e)
{
    const OptSet set = { descs, conf };

    return opt_parse_sets(&set, 1, bag, e);
}
