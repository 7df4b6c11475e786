/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finding and listing domains. */
#include <config.h>

#include "dispatch/procs.h"
#include "util/error.h"

static RpcVerdict return_domain(wire_r_dom *ret, Domain *dom)
{
    if (!dom)
        return CALL_FAILED;
    wire_dom_fill(&ret->dom, dom);
    domain_unref(dom);
    return CALL_DONE;
}

PROC(lookup_by_id)
{
    const wire_a_int *a = args;

    return return_domain(ret,
                         driver_lookup_id(call_driver(call), a->value, error));
}

PROC(lookup_by_name)
{
    const wire_a_str *a = args;

    return return_domain(
        ret, driver_lookup_name(call_driver(call), a->value, error));
}

PROC(lookup_by_uuid)
{
    const wire_a_uuid *a = args;

    return return_domain(
        ret,
        driver_lookup_uuid(call_driver(call), (const guint8 *)a->uuid, error));
}

PROC(num_of_domains)
{
    wire_r_int *r = ret;

    r->value = driver_num_active(call_driver(call));
    return CALL_DONE;
}

PROC(num_of_defined_domains)
{
    wire_r_int *r = ret;

    r->value = driver_num_inactive(call_driver(call));
    return CALL_DONE;
}

static gboolean check_room(int room, GError **error)
{
    if (room >= 0 && room <= WIRE_DOMAINS_MAX)
        return TRUE;
    return vir_error_set_from(error, VIR_FROM_RPC, VIR_ERR_RPC,
                              "%d domains wanted, the limit is %d", room,
                              WIRE_DOMAINS_MAX);
}

PROC(list_domains)
{
    const wire_a_int *a = args;
    wire_r_ints *r = ret;

    if (!check_room(a->value, error))
        return CALL_FAILED;
    r->list.list_val = g_new0(int, MAX(a->value, 1));
    r->list.list_len =
        driver_list_ids(call_driver(call), r->list.list_val, a->value);
    return CALL_DONE;
}

PROC(list_defined_domains)
{
    const wire_a_int *a = args;
    wire_r_strs *r = ret;

    if (!check_room(a->value, error))
        return CALL_FAILED;
    /* a string vector is an array of strings with a NULL behind it */
    r->list.list_val = driver_list_inactive_names(call_driver(call), a->value);
    r->list.list_len = g_strv_length(r->list.list_val);
    return CALL_DONE;
}

PROC(list_all_domains)
{
    const wire_a_int_flags *a = args;
    wire_r_domains *r = ret;
    g_autoptr(GPtrArray) domains = NULL;

    if (!call_check_flags(call, a->flags, DRIVER_LIST_FLAGS, error))
        return CALL_FAILED;
    domains = driver_list(call_driver(call), a->flags);
    r->count = domains->len;
    if (!a->value)
        return CALL_DONE;
    if (domains->len > WIRE_DOMAINS_MAX) {
        vir_error_set_from(error, VIR_FROM_RPC, VIR_ERR_RPC,
                           "%u domains are more than a reply holds (%d)",
                           domains->len, WIRE_DOMAINS_MAX);
        return CALL_FAILED;
    }
    r->list.list_val = g_new0(wire_dom, MAX(domains->len, 1));
    r->list.list_len = domains->len;
    for (guint i = 0; i < domains->len; i++)
        wire_dom_fill(&r->list.list_val[i], g_ptr_array_index(domains, i));
    return CALL_DONE;
}
