/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a VMM binary can do: its own description, cached by build. */
#include <config.h>

#include "host/vmm_probe.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>
#include <sys/stat.h>

#include "util/error.h"
#include "util/file.h"
#include "util/log.h"

enum {
    SCHEMA = 1,
    MAX_DOCUMENT_BYTES = 4 * 1024 * 1024,
    UPSTREAM_MAX_VCPUS = 254,
};

static GMutex cache_lock;
static GHashTable *cache; /* identity -> VmmInfo; under cache_lock */

static void machine_free(gpointer data)
{
    VmmMachine *machine = data;

    g_free(machine->name);
    g_free(machine->alias);
    g_free(machine->arch);
    g_free(machine);
}

static VmmInfo *vmm_info_new(void)
{
    VmmInfo *info = g_new0(VmmInfo, 1);

    g_atomic_ref_count_init(&info->refs);
    info->build_id = g_strdup("");
    info->machines = g_ptr_array_new_with_free_func(machine_free);
    info->devices =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    return info;
}

VmmInfo *vmm_info_ref(VmmInfo *info)
{
    g_atomic_ref_count_inc(&info->refs);
    return info;
}

void vmm_info_unref(VmmInfo *info)
{
    if (!info || !g_atomic_ref_count_dec(&info->refs))
        return;
    vmm_caps_free(info->caps);
    g_free(info->build_id);
    g_ptr_array_unref(info->machines);
    g_hash_table_unref(info->devices);
    g_free(info);
}

/* ---- The document ----------------------------------------------------- */

static const char *get_string(json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static guint64 get_number(json_t *object, const char *key, guint64 max)
{
    json_int_t value = json_integer_value(json_object_get(object, key));

    return value < 0 ? 0 : MIN((guint64)value, max);
}

static guint parse_level(json_t *version)
{
    return get_number(version, "major", 999) * 1000000 +
           get_number(version, "minor", 999) * 1000 +
           get_number(version, "micro", 999);
}

static void parse_machines(VmmInfo *info, json_t *list)
{
    size_t i;
    json_t *item;

    json_array_foreach(list, i, item)
    {
        VmmMachine *machine;

        if (!get_string(item, "name"))
            continue;
        machine = g_new0(VmmMachine, 1);
        machine->name = g_strdup(get_string(item, "name"));
        machine->alias = g_strdup(get_string(item, "alias"));
        machine->arch = g_strdup(get_string(item, "arch"));
        machine->max_cpus = get_number(item, "max-cpus", G_MAXUINT16);
        machine->is_default = json_is_true(json_object_get(item, "default"));
        g_ptr_array_add(info->machines, machine);
    }
}

/* Entries are names or objects with a name. */
static const char *entry_name(json_t *item)
{
    return json_is_string(item) ? json_string_value(item)
                                : get_string(item, "name");
}

static void parse_lists(VmmInfo *info, json_t *doc)
{
    size_t i;
    json_t *item;

    json_array_foreach(json_object_get(doc, "features"), i, item)
    {
        if (entry_name(item))
            vmm_caps_set_name(info->caps, entry_name(item));
    }
    json_array_foreach(json_object_get(doc, "devices"), i, item)
    {
        if (entry_name(item))
            g_hash_table_add(info->devices, g_strdup(entry_name(item)));
    }
}

static VmmInfo *info_from_json(json_t *doc)
{
    VmmInfo *info = vmm_info_new();
    json_t *limits = json_object_get(doc, "limits");

    info->caps = vmm_caps_new();
    info->caps->version = g_strdup(get_string(doc, "version"));
    info->caps->qmp_version = parse_level(json_object_get(doc, "qemu-version"));
    if (get_string(doc, "build-id")) {
        g_free(info->build_id);
        info->build_id = g_strdup(get_string(doc, "build-id"));
    }
    info->max_vcpus = get_number(limits, "vcpus", G_MAXUINT16);
    info->max_memory_bytes = get_number(limits, "memory-bytes", G_MAXINT64);
    parse_machines(info, json_object_get(doc, "machines"));
    parse_lists(info, doc);
    return info;
}

VmmInfo *vmm_info_parse(const char *text, GError **error)
{
    json_error_t why;
    json_t *doc = json_loads(text, JSON_REJECT_DUPLICATES, &why);
    VmmInfo *info = NULL;

    if (!json_is_object(doc))
        vir_error_set(error, VIR_ERR_INTERNAL_ERROR,
                      "the VMM's description is malformed: %s",
                      doc ? "it is no object" : why.text);
    else if (json_integer_value(json_object_get(doc, "schema")) != SCHEMA)
        vir_error_set(error, VIR_ERR_INTERNAL_ERROR,
                      "the VMM's description has another schema than %d: "
                      "install driver and VMM of one release",
                      SCHEMA);
    else if (!get_string(doc, "version"))
        vir_error_set(error, VIR_ERR_INTERNAL_ERROR,
                      "the VMM's description lacks a version");
    else
        info = info_from_json(doc);
    json_decref(doc);
    return info;
}

/* ---- StratoVirt itself ------------------------------------------------ */

/* "StratoVirt 2.5.0" or the like: the first word that starts with a digit. */
static char *version_word(const char *text)
{
    g_auto(GStrv) words = g_strsplit_set(text, " \t\r\n-", -1);

    for (char **word = words; *word; word++) {
        if (g_ascii_isdigit(**word))
            return g_strdup(*word);
    }
    return NULL;
}

static VmmInfo *info_from_version(const char *text, GError **error)
{
    g_autofree char *version = version_word(text);
    VmmInfo *info;
    VmmMachine *machine;

    if (!version) {
        vir_error_set(error, VIR_ERR_INTERNAL_ERROR,
                      "the VMM states no version");
        return NULL;
    }
    info = vmm_info_new();
    info->caps = vmm_caps_upstream(version);
    info->max_vcpus = UPSTREAM_MAX_VCPUS;
    machine = g_new0(VmmMachine, 1);
    machine->name = g_strdup("microvm");
    machine->max_cpus = UPSTREAM_MAX_VCPUS;
    machine->is_default = TRUE;
    g_ptr_array_add(info->machines, machine);
    return info;
}

/* ---- Cache ------------------------------------------------------------ */

static char *file_identity(const char *binary, GError **error)
{
    struct stat st;

    if (stat(binary, &st) < 0) {
        vir_error_set_errno(error, errno,
                            "cannot find the VMM '%s': install it, or name "
                            "another with emulator in stratovirt.conf",
                            binary);
        return NULL;
    }
    return g_strdup_printf(
        "%s %lx %lx %lx %lx.%lx", binary, (unsigned long)st.st_dev,
        (unsigned long)st.st_ino, (unsigned long)st.st_size,
        (unsigned long)st.st_ctim.tv_sec, (unsigned long)st.st_ctim.tv_nsec);
}

static char *cache_path(const char *cache_dir, const char *identity)
{
    g_autofree char *sum =
        g_compute_checksum_for_string(G_CHECKSUM_SHA256, identity, -1);

    return g_strdup_printf("%s/vmm-%s.json", cache_dir, sum);
}

static VmmInfo *load_cached(const char *cache_dir, const char *identity)
{
    g_autofree char *path = NULL;
    g_autofree char *text = NULL;

    if (!cache_dir)
        return NULL;
    path = cache_path(cache_dir, identity);
    if (!file_read(path, MAX_DOCUMENT_BYTES, &text, NULL, NULL))
        return NULL;
    return vmm_info_parse(text, NULL);
}

static void save_cached(const char *cache_dir, const char *identity,
                        const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = NULL;

    if (!cache_dir)
        return;
    path = cache_path(cache_dir, identity);
    if (!file_write_atomic(path, text, -1, 0600, &error))
        log_warning("%s", error->message);
}

static VmmInfo *ask_vmm(const char *binary, const char *cache_dir,
                        const char *identity, VmmRunFn run, gpointer user,
                        GError **error)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) first = NULL;
    VmmInfo *info;

    if (run(user, binary, "-describe", &text, &first)) {
        info = vmm_info_parse(text, error);
        if (info)
            save_cached(cache_dir, identity, text);
        return info;
    }
    if (!run(user, binary, "-version", &text, NULL)) {
        g_propagate_error(error, g_steal_pointer(&first));
        return NULL;
    }
    info = info_from_version(text, error);
    if (info)
        log_warning("'%s' has no -describe: taken for StratoVirt %s, which "
                    "gets paths instead of descriptors",
                    binary, info->caps->version);
    return info;
}

VmmInfo *vmm_probe(const char *binary, const char *cache_dir, VmmRunFn run,
                   gpointer user, GError **error)
{
    g_autofree char *identity = file_identity(binary, error);
    VmmInfo *info;

    if (!identity)
        return NULL;
    g_mutex_lock(&cache_lock);
    info = cache ? g_hash_table_lookup(cache, identity) : NULL;
    if (info)
        vmm_info_ref(info);
    g_mutex_unlock(&cache_lock);
    if (info)
        return info;
    info = load_cached(cache_dir, identity);
    if (!info)
        info = ask_vmm(binary, cache_dir, identity, run, user, error);
    if (!info)
        return NULL;
    g_mutex_lock(&cache_lock);
    if (!cache)
        cache = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                      (GDestroyNotify)vmm_info_unref);
    g_hash_table_replace(cache, g_steal_pointer(&identity), vmm_info_ref(info));
    g_mutex_unlock(&cache_lock);
    return info;
}

void vmm_probe_forget(void)
{
    g_mutex_lock(&cache_lock);
    g_clear_pointer(&cache, g_hash_table_unref);
    g_mutex_unlock(&cache_lock);
}
