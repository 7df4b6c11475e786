/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Facts about one domain, answered from memory. */
#include <config.h>

#include <string.h>

#include "dispatch/procs.h"
#include "host/host.h"
#include "util/error.h"

/* Limits of the protocol. */
#define VCPUS_MAX   16384
#define CPUMAPS_MAX 8388608
#define JOB_STATS_FLAGS                                                        \
    (VIR_DOMAIN_JOB_STATS_COMPLETED | VIR_DOMAIN_JOB_STATS_KEEP_COMPLETED)

PROC(domain_get_state)
{
    const wire_a_dom_flags *a = args;
    wire_r_state *r = ret;
    g_autoptr(Domain) dom = NULL;

    if (!call_check_flags(call, a->flags, 0, error) ||
        !(dom = call_lookup(call, &a->dom, error)))
        return CALL_FAILED;
    domain_get_state(dom, &r->state, &r->reason);
    return CALL_DONE;
}

PROC(domain_get_info)
{
    const wire_a_dom *a = args;
    wire_r_domain_info *r = ret;
    g_autoptr(Domain) dom = call_lookup(call, &a->dom, error);
    DomainInfo info = { 0 };

    if (!dom)
        return CALL_FAILED;
    domain_get_info(dom, &info);
    r->state = info.state;
    r->max_mem = info.max_mem_kib;
    r->memory = info.mem_kib;
    r->vcpus = info.vcpus;
    r->cpu_time = info.cpu_time_ns;
    return CALL_DONE;
}

/* The shape of several questions: one domain in, one number out. */
static RpcVerdict ask_bool(RpcCall *call, gconstpointer args, gpointer ret,
                           GError **error, gboolean (*ask)(Domain *dom))
{
    const wire_a_dom *a = args;
    wire_r_int *r = ret;
    g_autoptr(Domain) dom = call_lookup(call, &a->dom, error);

    if (!dom)
        return CALL_FAILED;
    r->value = ask(dom) ? 1 : 0;
    return CALL_DONE;
}

PROC(domain_is_active)
{
    return ask_bool(call, args, ret, error, domain_is_active);
}

PROC(domain_is_persistent)
{
    return ask_bool(call, args, ret, error, domain_is_persistent);
}

PROC(domain_is_updated)
{
    return ask_bool(call, args, ret, error, domain_is_updated);
}

PROC(domain_get_autostart)
{
    return ask_bool(call, args, ret, error, domain_get_autostart);
}

PROC(domain_get_os_type)
{
    const wire_a_dom *a = args;
    g_autoptr(Domain) dom = call_lookup(call, &a->dom, error);

    return verdict(dom && ret_take_string(ret, domain_get_os_type(dom)));
}

PROC(domain_get_max_memory)
{
    const wire_a_dom *a = args;
    wire_r_ulong *r = ret;
    g_autoptr(Domain) dom = call_lookup(call, &a->dom, error);

    if (!dom)
        return CALL_FAILED;
    r->value = domain_get_max_memory_kib(dom);
    return CALL_DONE;
}

PROC(domain_get_max_vcpus)
{
    const wire_a_dom *a = args;
    wire_r_int *r = ret;
    g_autoptr(Domain) dom = call_lookup(call, &a->dom, error);
    guint flags = VIR_DOMAIN_VCPU_MAXIMUM;

    if (!dom)
        return CALL_FAILED;
    flags |= domain_is_active(dom) ? VIR_DOMAIN_AFFECT_LIVE
                                   : VIR_DOMAIN_AFFECT_CONFIG;
    r->value = domain_get_vcpus_count(dom, flags, error);
    return verdict(r->value >= 0);
}

PROC(domain_get_hostname)
{
    const wire_a_dom_flags *a = args;
    g_autoptr(Domain) dom = NULL;

    if (!call_check_flags(call, a->flags,
                          VIR_DOMAIN_GET_HOSTNAME_LEASE |
                              VIR_DOMAIN_GET_HOSTNAME_AGENT,
                          error) ||
        !(dom = call_lookup(call, &a->dom, error)))
        return CALL_FAILED;
    return verdict(ret_take_string(ret, domain_get_hostname(dom, error)));
}

PROC(domain_get_control_info)
{
    const wire_a_dom_flags *a = args;
    wire_r_control_info *r = ret;
    g_autoptr(Domain) dom = NULL;
    DomainControlInfo info = { 0 };

    if (!call_check_flags(call, a->flags, 0, error) ||
        !(dom = call_lookup(call, &a->dom, error)) ||
        !domain_get_control_info(dom, &info, error))
        return CALL_FAILED;
    r->state = info.state;
    r->details = info.details;
    r->state_time = info.state_time_ms;
    return CALL_DONE;
}

PROC(domain_get_job_info)
{
    const wire_a_dom *a = args;
    wire_r_job_info *r = ret;
    g_autoptr(Domain) dom = call_lookup(call, &a->dom, error);
    DomainJobInfo info = { 0 };

    if (!dom)
        return CALL_FAILED;
    domain_get_job_info(dom, &info);
    r->type = info.type;
    r->time_elapsed = info.time_elapsed_ms;
    return CALL_DONE;
}

PROC(domain_get_job_stats)
{
    const wire_a_dom_flags *a = args;
    wire_r_job_stats *r = ret;
    g_autoptr(Domain) dom = NULL;
    DomainJobInfo info = { 0 };

    if (!call_check_flags(call, a->flags, JOB_STATS_FLAGS, error) ||
        !(dom = call_lookup(call, &a->dom, error)))
        return CALL_FAILED;
    /* Finished jobs of the kinds we have leave no statistics. */
    if (a->flags & VIR_DOMAIN_JOB_STATS_COMPLETED)
        return CALL_DONE;
    domain_get_job_info(dom, &info);
    r->type = info.type;
    if (info.type == VIR_DOMAIN_JOB_NONE)
        return CALL_DONE;
    wire_params_add_int(&r->params, VIR_DOMAIN_JOB_OPERATION, info.operation);
    wire_params_add_ullong(&r->params, VIR_DOMAIN_JOB_TIME_ELAPSED,
                           info.time_elapsed_ms);
    return CALL_DONE;
}

gboolean check_xml_desc(RpcCall *call, gconstpointer args, GError **error)
{
    const wire_a_dom_flags *a = args;

    if (!rpc_client_is_readonly(rpc_call_client(call)) ||
        !(a->flags & (VIR_DOMAIN_XML_SECURE | VIR_DOMAIN_XML_MIGRATABLE)))
        return TRUE;
    return vir_error_set_from(error, VIR_FROM_DOMAIN, VIR_ERR_OPERATION_DENIED,
                              "virDomainGetXMLDesc with secure flag");
}

PROC(domain_get_xml_desc)
{
    const wire_a_dom_flags *a = args;
    g_autoptr(Domain) dom = NULL;

    if (!call_check_flags(call, a->flags, DRIVER_XML_FLAGS, error) ||
        !(dom = call_lookup(call, &a->dom, error)))
        return CALL_FAILED;
    return verdict(ret_take_string(ret, domain_get_xml(dom, a->flags, error)));
}

gboolean check_vcpus_flags(RpcCall *call, gconstpointer args, GError **error)
{
    const wire_a_dom_flags *a = args;

    if (!rpc_client_is_readonly(rpc_call_client(call)) ||
        !(a->flags & VIR_DOMAIN_VCPU_GUEST))
        return TRUE;
    return vir_error_set_from(error, VIR_FROM_DOMAIN, VIR_ERR_OPERATION_DENIED,
                              "read only access prevents "
                              "virDomainGetVcpusFlags");
}

PROC(domain_get_vcpus_flags)
{
    const wire_a_dom_flags *a = args;
    wire_r_int *r = ret;
    g_autoptr(Domain) dom = NULL;

    if (!call_check_flags(call, a->flags,
                          VIR_DOMAIN_AFFECT_LIVE | VIR_DOMAIN_AFFECT_CONFIG |
                              VIR_DOMAIN_VCPU_MAXIMUM,
                          error) ||
        !(dom = call_lookup(call, &a->dom, error)))
        return CALL_FAILED;
    r->value = domain_get_vcpus_count(dom, a->flags, error);
    return verdict(r->value >= 0);
}

/* What a client asks room for bounds what is allocated. */
static gboolean check_vcpu_room(int vcpus, int maplen, GError **error)
{
    if (vcpus >= 0 && vcpus <= VCPUS_MAX && maplen >= 0 &&
        (gint64)vcpus * maplen <= CPUMAPS_MAX)
        return TRUE;
    return vir_error_set_from(error, VIR_FROM_RPC, VIR_ERR_RPC,
                              "%d vCPUs with maps of %d bytes are over the "
                              "limit of the protocol",
                              vcpus, maplen);
}

PROC(domain_get_vcpus)
{
    const wire_a_dom_int_int *a = args;
    wire_r_vcpus *r = ret;
    g_autoptr(Domain) dom = NULL;
    g_autoptr(GArray) vcpus = NULL;
    guint n;

    if (!check_vcpu_room(a->first, a->second, error) ||
        !(dom = call_lookup(call, &a->dom, error)) ||
        !(vcpus = domain_get_vcpus(dom, a->second, error)))
        return CALL_FAILED;
    n = MIN(vcpus->len, (guint)a->first);
    r->info.info_len = n;
    r->info.info_val = g_new0(wire_vcpu, MAX(n, 1));
    r->cpumaps.cpumaps_len = n * a->second;
    r->cpumaps.cpumaps_val = g_malloc0(MAX(n * a->second, 1));
    for (guint i = 0; i < n; i++) {
        const DomainVcpu *vcpu = &g_array_index(vcpus, DomainVcpu, i);
        wire_vcpu *wire = &r->info.info_val[i];

        wire->number = vcpu->number;
        wire->state = vcpu->state;
        wire->cpu_time = vcpu->cpu_time_ns;
        wire->cpu = vcpu->cpu;
        if (vcpu->cpumap && a->second)
            memcpy(r->cpumaps.cpumaps_val + (gsize)i * a->second, vcpu->cpumap,
                   a->second);
    }
    return CALL_DONE;
}

/* No vCPU is pinned: each may run on every host CPU. */
PROC(domain_get_vcpu_pin_info)
{
    const wire_a_dom_int_int_flags *a = args;
    wire_r_pin_info *r = ret;
    g_autoptr(Domain) dom = NULL;
    g_autofree guint8 *map = NULL;
    gsize bytes = 0;
    guint online;
    int vcpus;

    if (!call_check_flags(call, a->flags,
                          VIR_DOMAIN_AFFECT_LIVE | VIR_DOMAIN_AFFECT_CONFIG,
                          error) ||
        !check_vcpu_room(a->first, a->second, error) ||
        !(dom = call_lookup(call, &a->dom, error)))
        return CALL_FAILED;
    vcpus = domain_get_vcpus_count(dom, a->flags, error);
    if (vcpus < 0 || host_get_cpu_map(&map, &bytes, &online, error) < 0)
        return CALL_FAILED;
    r->count = MIN(vcpus, a->first);
    r->cpumaps.cpumaps_len = r->count * a->second;
    r->cpumaps.cpumaps_val = g_malloc0(MAX(r->count * a->second, 1));
    for (int i = 0; i < r->count; i++)
        memcpy(r->cpumaps.cpumaps_val + (gsize)i * a->second, map,
               MIN(bytes, (gsize)a->second));
    return CALL_DONE;
}

PROC(domain_has_managed_save)
{
    const wire_a_dom_flags *a = args;
    wire_r_int *r = ret;
    g_autoptr(Domain) dom = NULL;

    if (!call_check_flags(call, a->flags, 0, error) ||
        !(dom = call_lookup(call, &a->dom, error)))
        return CALL_FAILED;
    r->value = 0; /* there is no managed save that could have made one */
    return CALL_DONE;
}

/* A tainted domain is all there is to tell; deprecations are not tracked. */
PROC(domain_get_messages)
{
    const wire_a_dom_flags *a = args;
    wire_r_messages *r = ret;
    g_autoptr(Domain) dom = NULL;

    if (!call_check_flags(call, a->flags,
                          VIR_DOMAIN_MESSAGE_DEPRECATION |
                              VIR_DOMAIN_MESSAGE_TAINTING,
                          error) ||
        !(dom = call_lookup(call, &a->dom, error)))
        return CALL_FAILED;
    if (a->flags == VIR_DOMAIN_MESSAGE_DEPRECATION)
        return CALL_DONE;
    r->list.list_val = domain_get_messages(dom);
    r->list.list_len = g_strv_length(r->list.list_val);
    return CALL_DONE;
}
