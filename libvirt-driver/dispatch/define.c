/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Definitions: make, change, remove. */
#include <config.h>

#include "dispatch/procs.h"
#include "util/error.h"

static RpcVerdict define(RpcCall *call, const char *xml, guint flags,
                         wire_r_dom *ret, GError **error)
{
    g_autoptr(Domain) dom = NULL;

    if (!call_check_flags(call, flags, DRIVER_DEFINE_FLAGS, error) ||
        !(dom = driver_define(call_driver(call), xml, flags, error)))
        return CALL_FAILED;
    wire_dom_fill(&ret->dom, dom);
    return CALL_DONE;
}

PROC(domain_define_xml)
{
    const wire_a_str *a = args;

    return define(call, a->value, 0, ret, error);
}

PROC(domain_define_xml_flags)
{
    const wire_a_str_flags *a = args;

    return define(call, a->value, a->flags, ret, error);
}

static RpcVerdict undefine(RpcCall *call, const wire_dom *handle, guint flags,
                           GError **error)
{
    g_autoptr(Domain) dom = NULL;

    return verdict(
        call_check_flags(call, flags, DRIVER_UNDEFINE_FLAGS, error) &&
        (dom = call_lookup(call, handle, error)) &&
        driver_undefine(call_driver(call), dom, flags, error));
}

PROC(domain_undefine)
{
    const wire_a_dom *a = args;

    return undefine(call, &a->dom, 0, error);
}

PROC(domain_undefine_flags)
{
    const wire_a_dom_flags *a = args;

    return undefine(call, &a->dom, a->flags, error);
}

PROC(domain_set_autostart)
{
    const wire_a_dom_int *a = args;
    g_autoptr(Domain) dom = call_lookup(call, &a->dom, error);

    return verdict(dom && driver_set_autostart(call_driver(call), dom,
                                               a->value != 0, error));
}

PROC(domain_rename)
{
    const wire_a_dom_str_opt_flags *a = args;
    const char *name = wire_str_opt_get(a->value);
    g_autoptr(Domain) dom = NULL;

    if (!call_check_flags(call, a->flags, 0, error))
        return CALL_FAILED;
    if (!name) {
        vir_error_set_arg(error, "virDomainRename", "new_name",
                          "new_name in virDomainRename must not be NULL");
        return CALL_FAILED;
    }
    dom = call_lookup(call, &a->dom, error);
    return verdict(dom && driver_rename(call_driver(call), dom, name, error));
}

PROC(domain_get_metadata)
{
    const wire_a_get_metadata *a = args;
    g_autoptr(Domain) dom = NULL;

    if (!call_check_flags(call, a->flags, DRIVER_METADATA_FLAGS, error) ||
        !vir_error_check_exclusive(
            a->flags, VIR_DOMAIN_AFFECT_LIVE, "VIR_DOMAIN_AFFECT_LIVE",
            VIR_DOMAIN_AFFECT_CONFIG, "VIR_DOMAIN_AFFECT_CONFIG",
            "virDomainGetMetadata", error) ||
        !(dom = call_lookup(call, &a->dom, error)))
        return CALL_FAILED;
    return verdict(ret_take_string(
        ret, domain_get_metadata(dom, a->type, wire_str_opt_get(a->uri),
                                 a->flags, error)));
}

PROC(domain_set_metadata)
{
    const wire_a_set_metadata *a = args;
    g_autoptr(Domain) dom = NULL;

    return verdict(
        call_check_flags(call, a->flags, DRIVER_METADATA_FLAGS, error) &&
        (dom = call_lookup(call, &a->dom, error)) &&
        domain_set_metadata(dom, a->type, wire_str_opt_get(a->metadata),
                            wire_str_opt_get(a->key), wire_str_opt_get(a->uri),
                            a->flags, error));
}
