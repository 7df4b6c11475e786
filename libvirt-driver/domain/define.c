/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Calls that change definitions; Driver.define_lock makes each atomic. */
#include <config.h>

#include "domain/domain_priv.h"

#include <string.h>

#include "util/error.h"
#include "util/file.h"
#include "util/log.h"

static DomainDef *parse_xml(Driver *drv, const char *xml, gboolean validate,
                            GError **error)
{
    DomainCapsLimits limits;
    unsigned flags = DOMAIN_DEF_PARSE_INACTIVE;

    driver_limits(drv, &limits);
    if (validate)
        flags |= DOMAIN_DEF_PARSE_VALIDATE_SCHEMA;
    return domain_def_parse(xml, flags, &limits, error);
}

/* The domain that @def is about; NULL with @error unset: a new one. */
static Domain *find_same(Driver *drv, const DomainDef *def, const guint8 *uuid,
                         GError **error)
{
    g_autoptr(Domain) by_uuid = driver_find_uuid(drv, uuid);
    g_autoptr(Domain) by_name = driver_find_name(drv, def->name);

    if (by_uuid && by_uuid != by_name) {
        g_autofree char *name = domain_name(by_uuid);

        vir_error_set_from(error, VIR_FROM_DOM, VIR_ERR_OPERATION_FAILED,
                           "domain '%s' is already defined with uuid %s", name,
                           def->uuid);
        return NULL;
    }
    if (by_name && by_name != by_uuid) {
        char text[37];

        uuid_format(by_name->uuid, text);
        vir_error_set_from(error, VIR_FROM_DOM, VIR_ERR_OPERATION_FAILED,
                           "domain '%s' already exists with uuid %s", def->name,
                           text);
        return NULL;
    }
    return g_steal_pointer(&by_uuid);
}

/* Puts @ref where the persistent definition of @dom belongs. */
static void place_definition(Domain *dom, DefRef *ref)
{
    DefRef *old;
    DOMAIN_LOCK(dom);
    DefRef **place = dom->id >= 0 ? &dom->new_def : &dom->def;

    old = *place;
    *place = ref;
    dom->persistent = TRUE;
    def_unref(old);
}

static Domain *define_locked(Driver *drv, DomainDef *def, GError **error)
{
    g_autoptr(DefRef) ref = def_ref_new(def);
    g_autoptr(Domain) dom = NULL;
    g_autoptr(GError) err = NULL;
    guint8 uuid[DRIVER_UUID_BYTES];
    gboolean was_persistent;

    if (!uuid_parse(def->uuid, uuid)) {
        vir_error_set(error, VIR_ERR_XML_ERROR, "malformed uuid '%s'",
                      def->uuid);
        return NULL;
    }
    dom = find_same(drv, def, uuid, &err);
    if (err) {
        g_propagate_error(error, g_steal_pointer(&err));
        return NULL;
    }
    was_persistent = dom && domain_is_persistent(dom);
    if (!persist_save(drv, def->name, def, error))
        return NULL;
    if (!dom) {
        dom = domain_new(drv, uuid, def->name);
        dom->def = g_steal_pointer(&ref);
        dom->persistent = TRUE;
        driver_list_add(drv, dom);
    } else {
        place_definition(dom, g_steal_pointer(&ref));
    }
    event_lifecycle(dom, VIR_DOMAIN_EVENT_DEFINED,
                    was_persistent ? VIR_DOMAIN_EVENT_DEFINED_UPDATED
                                   : VIR_DOMAIN_EVENT_DEFINED_ADDED);
    return g_steal_pointer(&dom);
}

Domain *driver_define(Driver *drv, const char *xml, guint flags, GError **error)
{
    DomainDef *def =
        parse_xml(drv, xml, flags & VIR_DOMAIN_DEFINE_VALIDATE, error);
    Domain *dom;

    if (!def)
        return NULL;
    g_mutex_lock(&drv->define_lock);
    dom = define_locked(drv, def, error);
    g_mutex_unlock(&drv->define_lock);
    return dom;
}

static gboolean undefine_locked(Driver *drv, Domain *dom, GError **error)
{
    g_autofree char *name = domain_name(dom);
    DefRef *old = NULL;
    gboolean active;

    if (!domain_is_persistent(dom))
        return vir_error_set(error, VIR_ERR_OPERATION_INVALID,
                             "cannot undefine transient domain");
    if (!persist_remove(drv, name, error))
        return FALSE;
    {
        DOMAIN_LOCK(dom);

        active = dom->id >= 0;
        dom->persistent = FALSE;
        dom->autostart = FALSE;
        old = g_steal_pointer(&dom->new_def);
    }
    def_unref(old);
    event_lifecycle(dom, VIR_DOMAIN_EVENT_UNDEFINED,
                    VIR_DOMAIN_EVENT_UNDEFINED_REMOVED);
    if (!active)
        driver_list_remove(drv, dom);
    return TRUE;
}

gboolean driver_undefine(Driver *drv, Domain *dom, guint flags, GError **error)
{
    gboolean ok;

    if (!vir_error_check_exclusive(
            flags, VIR_DOMAIN_UNDEFINE_NVRAM, "VIR_DOMAIN_UNDEFINE_NVRAM",
            VIR_DOMAIN_UNDEFINE_KEEP_NVRAM, "VIR_DOMAIN_UNDEFINE_KEEP_NVRAM",
            "virDomainUndefineFlags", error) ||
        !vir_error_check_exclusive(
            flags, VIR_DOMAIN_UNDEFINE_TPM, "VIR_DOMAIN_UNDEFINE_TPM",
            VIR_DOMAIN_UNDEFINE_KEEP_TPM, "VIR_DOMAIN_UNDEFINE_KEEP_TPM",
            "virDomainUndefineFlags", error))
        return FALSE;
    g_mutex_lock(&drv->define_lock);
    ok = undefine_locked(drv, dom, error);
    g_mutex_unlock(&drv->define_lock);
    return ok;
}

gboolean driver_set_autostart(Driver *drv, Domain *dom, gboolean autostart,
                              GError **error)
{
    g_autofree char *name = domain_name(dom);
    gboolean ok;

    g_mutex_lock(&drv->define_lock);
    ok = domain_is_persistent(dom) ||
         vir_error_set(error, VIR_ERR_OPERATION_INVALID,
                       "cannot set autostart for transient domain");
    ok = ok && persist_autostart(drv, name, autostart, error);
    if (ok) {
        DOMAIN_LOCK(dom);

        dom->autostart = !!autostart;
    }
    g_mutex_unlock(&drv->define_lock);
    return ok;
}

/* ---- Rename ----------------------------------------------------------- */

static gboolean rename_check(Driver *drv, Domain *dom, const char *new_name,
                             GError **error)
{
    g_autoptr(Domain) taken = driver_find_name(drv, new_name);

    if (!domain_def_check_name(new_name, error))
        return FALSE;
    if (taken)
        return vir_error_set(error, VIR_ERR_OPERATION_INVALID,
                             "domain with name '%s' already exists", new_name);
    if (!domain_is_persistent(dom))
        return vir_error_set(error, VIR_ERR_OPERATION_INVALID,
                             "cannot rename a transient domain");
    if (domain_is_active(dom))
        return vir_error_set(error, VIR_ERR_OPERATION_INVALID,
                             "cannot rename active domain");
    return TRUE;
}

static gboolean rename_locked(Driver *drv, Domain *dom, const char *new_name,
                              GError **error)
{
    g_autofree char *old_name = domain_name(dom);
    g_autoptr(DefRef) ref = domain_def_snapshot(dom);
    g_autoptr(GError) err = NULL;
    DomainDef *def;

    if (!rename_check(drv, dom, new_name, error))
        return FALSE;
    def = domain_def_copy(ref->def);
    g_free(def->name);
    def->name = g_strdup(new_name);
    if (!persist_save(drv, new_name, def, error) ||
        (domain_get_autostart(dom) &&
         !persist_autostart(drv, new_name, TRUE, error))) {
        persist_remove(drv, new_name, NULL);
        domain_def_free(def);
        return FALSE;
    }
    if (!persist_remove(drv, old_name, &err))
        log_warning("domain '%s' was renamed to '%s': %s", old_name, new_name,
                    err->message);
    domain_take_def(dom, def_ref_new(def));
    driver_list_rename(drv, dom, new_name);
    event_lifecycle_name(dom, old_name, VIR_DOMAIN_EVENT_UNDEFINED,
                         VIR_DOMAIN_EVENT_UNDEFINED_RENAMED);
    event_lifecycle(dom, VIR_DOMAIN_EVENT_DEFINED,
                    VIR_DOMAIN_EVENT_DEFINED_RENAMED);
    return TRUE;
}

gboolean driver_rename(Driver *drv, Domain *dom, const char *new_name,
                       GError **error)
{
    gboolean ok;

    g_mutex_lock(&drv->define_lock);
    ok = rename_locked(drv, dom, new_name, error);
    g_mutex_unlock(&drv->define_lock);
    return ok;
}

/* ---- Metadata --------------------------------------------------------- */

char *domain_get_metadata(Domain *dom, int type, const char *uri, guint flags,
                          GError **error)
{
    g_autoptr(DefRef) ref = domain_def_affected(dom, flags, error);

    return ref ? domain_def_get_metadata(ref->def, type, uri, error) : NULL;
}

typedef struct MetadataChange {
    int type;
    const char *metadata, *key, *uri;
} MetadataChange;

static DomainDef *changed_copy(const DefRef *ref, const MetadataChange *change,
                               GError **error)
{
    g_autoptr(DomainDef) def = domain_def_copy(ref->def);

    if (!domain_def_set_metadata(def, change->type, change->metadata,
                                 change->key, change->uri, error))
        return NULL;
    return g_steal_pointer(&def);
}

/* Which definitions do the AFFECT flags mean? */
static gboolean affected(Domain *dom, guint flags, gboolean *ret_live,
                         gboolean *ret_config, GError **error)
{
    gboolean active = domain_is_active(dom);

    *ret_live = flags & VIR_DOMAIN_AFFECT_LIVE;
    *ret_config = flags & VIR_DOMAIN_AFFECT_CONFIG;
    if (!*ret_live && !*ret_config)
        *(active ? ret_live : ret_config) = TRUE;
    if (*ret_live && !active)
        return vir_error_set_from(error, VIR_FROM_DOM,
                                  VIR_ERR_OPERATION_INVALID,
                                  "domain is not running");
    if (*ret_config && !domain_is_persistent(dom))
        return vir_error_set_from(error, VIR_FROM_DOM,
                                  VIR_ERR_OPERATION_INVALID,
                                  "transient domains do not have any "
                                  "persistent config");
    return TRUE;
}

static void status_task(Domain *dom, gpointer unused)
{
    status_update(dom);
}

static gboolean set_metadata_locked(Domain *dom, const MetadataChange *change,
                                    guint flags, GError **error)
{
    g_autoptr(DomainDef) live = NULL;
    g_autoptr(DomainDef) next = NULL;
    g_autoptr(DefRef) config_ref = NULL;
    g_autoptr(DefRef) live_ref = domain_def_snapshot(dom);
    gboolean to_live, to_config;

    if (!affected(dom, flags, &to_live, &to_config, error))
        return FALSE;
    if (to_live && !(live = changed_copy(live_ref, change, error)))
        return FALSE;
    if (to_config) {
        config_ref = domain_def_affected(dom, VIR_DOMAIN_AFFECT_CONFIG, error);
        if (!config_ref || !(next = changed_copy(config_ref, change, error)) ||
            !persist_save(dom->drv, next->name, next, error))
            return FALSE;
        place_definition(dom, def_ref_new(g_steal_pointer(&next)));
    }
    if (to_live) {
        domain_take_def(dom, def_ref_new(g_steal_pointer(&live)));
        domain_post(dom, status_task, NULL);
    }
    return TRUE;
}

gboolean domain_set_metadata(Domain *dom, int type, const char *metadata,
                             const char *key, const char *uri, guint flags,
                             GError **error)
{
    MetadataChange change = { type, metadata, key, uri };
    gboolean ok;

    g_mutex_lock(&dom->drv->define_lock);
    ok = set_metadata_locked(dom, &change, flags, error);
    g_mutex_unlock(&dom->drv->define_lock);
    if (ok)
        event_metadata(dom, type,
                       type == VIR_DOMAIN_METADATA_ELEMENT ? uri : NULL);
    return ok;
}

/* ---- Transient domains ------------------------------------------------ */

/* The domain that CREATE_XML is to start, with @ret_ref to start it from. */
static Domain *create_locked(Driver *drv, DomainDef *def, DefRef **ret_ref,
                             GError **error)
{
    g_autoptr(DefRef) ref = def_ref_new(def);
    g_autoptr(GError) err = NULL;
    g_autoptr(Domain) dom = NULL;
    guint8 uuid[DRIVER_UUID_BYTES];

    if (!uuid_parse(def->uuid, uuid)) {
        vir_error_set(error, VIR_ERR_XML_ERROR, "malformed uuid '%s'",
                      def->uuid);
        return NULL;
    }
    dom = find_same(drv, def, uuid, &err);
    if (err) {
        g_propagate_error(error, g_steal_pointer(&err));
        return NULL;
    }
    if (dom && (domain_is_active(dom) || !domain_is_persistent(dom))) {
        vir_error_set_from(error, VIR_FROM_DOM, VIR_ERR_OPERATION_INVALID,
                           domain_is_active(dom)
                               ? "domain '%s' is already active"
                               : "domain '%s' is already being started",
                           def->name);
        return NULL;
    }
    if (!dom) {
        dom = domain_new(drv, uuid, def->name);
        dom->def = def_ref(ref);
        driver_list_add(drv, dom);
    }
    *ret_ref = g_steal_pointer(&ref);
    return g_steal_pointer(&dom);
}

void driver_create_async(Driver *drv, const char *xml, guint flags,
                         gconstpointer conn, DriverDone done, gpointer user)
{
    g_autoptr(GError) error = NULL;
    DomainDef *def =
        parse_xml(drv, xml, flags & VIR_DOMAIN_START_VALIDATE, &error);
    g_autoptr(Domain) dom = NULL;
    g_autoptr(DefRef) ref = NULL;

    if (def) {
        g_mutex_lock(&drv->define_lock);
        dom = create_locked(drv, def, &ref, &error);
        g_mutex_unlock(&drv->define_lock);
    }
    if (!dom)
        done(user, NULL, NULL, error);
    else
        start_from(dom, g_steal_pointer(&ref), flags, conn, done, user);
}
