/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Definitions on disk: one file per domain, a link for autostart. */
#include <config.h>

#include "domain/domain_priv.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "util/error.h"
#include "util/file.h"
#include "util/log.h"

enum {
    MAX_XML_BYTES = 16 * 1024 * 1024,
};

static const char header[] =
    "<!--\n"
    "This file is written by virtstratovirtd; changes made here are lost.\n"
    "To change the domain use `virsh -c stratovirt:///system edit %s`.\n"
    "-->\n\n";

gboolean persist_save(Driver *drv, const char *name, const DomainDef *def,
                      GError **error)
{
    g_autofree char *path = path_named(drv->paths.config, name, "xml");
    g_autoptr(GString) text = g_string_new(NULL);

    /* A comment may not hold two dashes in a row. */
    g_string_printf(text, header, strstr(name, "--") ? "DOMAIN" : name);
    domain_def_format(def, VIR_DOMAIN_XML_INACTIVE | VIR_DOMAIN_XML_SECURE,
                      text);
    return file_write_atomic(path, text->str, text->len, 0600, error);
}

gboolean persist_remove(Driver *drv, const char *name, GError **error)
{
    g_autofree char *path = path_named(drv->paths.config, name, "xml");

    return persist_autostart(drv, name, FALSE, error) &&
           file_unlink(path, error);
}

gboolean persist_autostart(Driver *drv, const char *name, gboolean on,
                           GError **error)
{
    g_autofree char *path = path_named(drv->paths.config, name, "xml");
    g_autofree char *link = path_named(drv->paths.autostart, name, "xml");

    if (!on)
        return file_unlink(link, error);
    if (symlink(path, link) < 0 && errno != EEXIST)
        return vir_error_set_errno(error, errno, "cannot create '%s'", link);
    return TRUE;
}

static gboolean has_autostart_link(Driver *drv, const char *name)
{
    g_autofree char *path = path_named(drv->paths.config, name, "xml");
    g_autofree char *link = path_named(drv->paths.autostart, name, "xml");
    g_autofree char *target = g_file_read_link(link, NULL);

    return target && strcmp(target, path) == 0;
}

/* A domain that runs already gets this as its next definition. */
static gboolean persist_add(Driver *drv, DomainDef *def, GError **error)
{
    g_autoptr(DefRef) ref = def_ref_new(def);
    g_autoptr(Domain) dom = NULL;
    g_autoptr(Domain) other = driver_find_name(drv, def->name);
    gboolean autostart = has_autostart_link(drv, def->name);
    guint8 uuid[DRIVER_UUID_BYTES];
    gboolean fresh;

    if (!def->uuid || !uuid_parse(def->uuid, uuid))
        return vir_error_set(error, VIR_ERR_XML_ERROR, "no valid uuid");
    dom = driver_find_uuid(drv, uuid);
    if (dom != other)
        return vir_error_set(error, VIR_ERR_OPERATION_FAILED,
                             "name or uuid belongs to another domain");
    fresh = !dom;
    if (fresh)
        dom = domain_new(drv, uuid, def->name);
    {
        DOMAIN_LOCK(dom);
        DefRef **place = dom->id >= 0 ? &dom->new_def : &dom->def;

        def_unref(*place);
        *place = g_steal_pointer(&ref);
        dom->persistent = TRUE;
        dom->autostart = autostart;
    }
    if (fresh)
        driver_list_add(drv, dom);
    return TRUE;
}

static gboolean persist_load(Driver *drv, const char *file, GError **error)
{
    g_autofree char *path = g_build_filename(drv->paths.config, file, NULL);
    g_autofree char *xml = NULL;
    g_autofree char *want = NULL;
    g_autoptr(DomainDef) def = NULL;
    DomainCapsLimits limits;

    driver_limits(drv, &limits);
    if (!file_read(path, MAX_XML_BYTES, &xml, NULL, error))
        return FALSE;
    def = domain_def_parse(
        xml, DOMAIN_DEF_PARSE_INACTIVE | DOMAIN_DEF_PARSE_SKIP_VALIDATE,
        &limits, error);
    if (!def)
        return FALSE;
    want = g_strconcat(def->name, ".xml", NULL);
    if (strcmp(want, file) != 0)
        return vir_error_set(error, VIR_ERR_XML_ERROR,
                             "it holds a domain named '%s'", def->name);
    return persist_add(drv, g_steal_pointer(&def), error);
}

void persist_load_all(Driver *drv)
{
    g_autoptr(GDir) dir = g_dir_open(drv->paths.config, 0, NULL);
    const char *file;

    g_mutex_lock(&drv->define_lock);
    while (dir && (file = g_dir_read_name(dir))) {
        g_autoptr(GError) error = NULL;

        if (!g_str_has_suffix(file, ".xml"))
            continue;
        if (!persist_load(drv, file, &error))
            log_warning("definition '%s/%s' is left out: %s", drv->paths.config,
                        file, error->message);
    }
    g_mutex_unlock(&drv->define_lock);
}

void driver_reload(Driver *drv)
{
    persist_load_all(drv);
}
