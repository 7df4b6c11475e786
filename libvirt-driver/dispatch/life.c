/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Life cycle: the driver completes these calls when they are through. */
#include <config.h>

#include "dispatch/procs.h"
#include "util/error.h"

static gboolean check_start_flags(RpcCall *call, guint flags, GError **error)
{
    return call_check_flags(call, flags, DRIVER_START_FLAGS, error);
}

/* A guest that shall die with its connection, which died before it was up:
 * the end is told once more. */
static void done_start(gpointer user, Domain *dom, const char *text,
                       const GError *error)
{
    RpcCall *call = user;
    g_autoptr(RpcClient) client = rpc_client_ref(rpc_call_client(call));

    done_domain(call, dom, text, error);
    if (!error && rpc_client_is_closed(client))
        dispatch_connection_end(client);
}

PROC(domain_create)
{
    const wire_a_dom *a = args;
    g_autoptr(Domain) dom = call_lookup(call, &a->dom, error);

    if (!dom)
        return CALL_FAILED;
    domain_start_async(dom, 0, call_conn(call), done_void, call);
    return CALL_PENDING;
}

PROC(domain_create_with_flags)
{
    const wire_a_dom_flags *a = args;
    g_autoptr(Domain) dom = NULL;

    if (!check_start_flags(call, a->flags, error) ||
        !(dom = call_lookup(call, &a->dom, error)))
        return CALL_FAILED;
    domain_start_async(dom, a->flags, call_conn(call), done_start, call);
    return CALL_PENDING;
}

PROC(domain_create_xml)
{
    const wire_a_str_flags *a = args;

    if (!check_start_flags(call, a->flags, error))
        return CALL_FAILED;
    driver_create_async(call_driver(call), a->value, a->flags, call_conn(call),
                        done_start, call);
    return CALL_PENDING;
}

static RpcVerdict destroy(RpcCall *call, const wire_dom *handle, guint flags,
                          GError **error)
{
    g_autoptr(Domain) dom = NULL;

    if (!call_check_flags(call, flags, DRIVER_DESTROY_FLAGS, error) ||
        !(dom = call_lookup(call, handle, error)))
        return CALL_FAILED;
    domain_destroy_async(dom, flags, done_void, call);
    return CALL_PENDING;
}

PROC(domain_destroy)
{
    const wire_a_dom *a = args;

    return destroy(call, &a->dom, 0, error);
}

PROC(domain_destroy_flags)
{
    const wire_a_dom_flags *a = args;

    return destroy(call, &a->dom, a->flags, error);
}

static RpcVerdict shut_down(RpcCall *call, const wire_dom *handle, guint flags,
                            GError **error)
{
    g_autoptr(Domain) dom = NULL;

    if (!call_check_flags(call, flags, DRIVER_SHUTDOWN_FLAGS, error) ||
        !(dom = call_lookup(call, handle, error)))
        return CALL_FAILED;
    domain_shutdown_async(dom, flags, done_void, call);
    return CALL_PENDING;
}

PROC(domain_shutdown)
{
    const wire_a_dom *a = args;

    return shut_down(call, &a->dom, 0, error);
}

PROC(domain_shutdown_flags)
{
    const wire_a_dom_flags *a = args;

    return shut_down(call, &a->dom, a->flags, error);
}

PROC(domain_reboot)
{
    const wire_a_dom_flags *a = args;
    g_autoptr(Domain) dom = NULL;

    if (!call_check_flags(call, a->flags, DRIVER_REBOOT_FLAGS, error) ||
        !(dom = call_lookup(call, &a->dom, error)))
        return CALL_FAILED;
    domain_reboot_async(dom, a->flags, done_void, call);
    return CALL_PENDING;
}

PROC(domain_reset)
{
    const wire_a_dom_flags *a = args;
    g_autoptr(Domain) dom = NULL;

    if (!call_check_flags(call, a->flags, 0, error) ||
        !(dom = call_lookup(call, &a->dom, error)))
        return CALL_FAILED;
    domain_reset_async(dom, done_void, call);
    return CALL_PENDING;
}

PROC(domain_suspend)
{
    const wire_a_dom *a = args;
    g_autoptr(Domain) dom = call_lookup(call, &a->dom, error);

    if (!dom)
        return CALL_FAILED;
    domain_suspend_async(dom, done_void, call);
    return CALL_PENDING;
}

PROC(domain_resume)
{
    const wire_a_dom *a = args;
    g_autoptr(Domain) dom = call_lookup(call, &a->dom, error);

    if (!dom)
        return CALL_FAILED;
    domain_resume_async(dom, done_void, call);
    return CALL_PENDING;
}
