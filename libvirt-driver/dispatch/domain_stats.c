/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Statistics of domains: disks, interfaces, memory, and all in bulk. */
#include <config.h>

#include <string.h>

#include "dispatch/procs.h"
#include "stats/stats.h"
#include "util/error.h"

#define MEMORY_STATS_MAX 1024u
#define BLOCK_PARAMS     8

static void block_stats_done(gpointer user, const DomainBlockStats *stats,
                             const GError *error)
{
    RpcCall *call = user;
    wire_r_block_stats *r = rpc_call_ret(call);

    if (!error) {
        r->rd_req = stats->rd_req;
        r->rd_bytes = stats->rd_bytes;
        r->wr_req = stats->wr_req;
        r->wr_bytes = stats->wr_bytes;
        r->errs = -1; /* not counted */
    }
    rpc_call_complete(call, error);
}

PROC(domain_block_stats)
{
    const wire_a_dom_str *a = args;
    g_autoptr(Domain) dom = call_lookup(call, &a->dom, error);

    if (!dom)
        return CALL_FAILED;
    domain_get_block_stats_async(dom, a->value, block_stats_done, call);
    return CALL_PENDING;
}

static void block_params_done(gpointer user, const DomainBlockStats *stats,
                              const GError *error)
{
    RpcCall *call = user;
    wire_r_params_count *r = rpc_call_ret(call);
    wire_params *params = &r->params;

    if (!error) {
        wire_params_add_llong(params, VIR_DOMAIN_BLOCK_STATS_READ_BYTES,
                              stats->rd_bytes);
        wire_params_add_llong(params, VIR_DOMAIN_BLOCK_STATS_READ_REQ,
                              stats->rd_req);
        wire_params_add_llong(params, VIR_DOMAIN_BLOCK_STATS_READ_TOTAL_TIMES,
                              stats->rd_ns);
        wire_params_add_llong(params, VIR_DOMAIN_BLOCK_STATS_WRITE_BYTES,
                              stats->wr_bytes);
        wire_params_add_llong(params, VIR_DOMAIN_BLOCK_STATS_WRITE_REQ,
                              stats->wr_req);
        wire_params_add_llong(params, VIR_DOMAIN_BLOCK_STATS_WRITE_TOTAL_TIMES,
                              stats->wr_ns);
        wire_params_add_llong(params, VIR_DOMAIN_BLOCK_STATS_FLUSH_REQ,
                              stats->flush_req);
        wire_params_add_llong(params, VIR_DOMAIN_BLOCK_STATS_FLUSH_TOTAL_TIMES,
                              stats->flush_ns);
        r->count = params->list.list_len;
    }
    rpc_call_complete(call, error);
}

PROC(domain_block_stats_flags)
{
    const wire_a_dom_str_int_flags *a = args;
    wire_r_params_count *r = ret;
    g_autoptr(Domain) dom = NULL;

    if (!call_check_flags(call, a->flags, VIR_TYPED_PARAM_STRING_OKAY, error) ||
        !(dom = call_lookup(call, &a->dom, error)))
        return CALL_FAILED;
    if (a->count == 0) {
        r->count = BLOCK_PARAMS;
        return CALL_DONE;
    }
    if (a->count < BLOCK_PARAMS) {
        vir_error_set_from(error, VIR_FROM_DOMAIN, VIR_ERR_INVALID_ARG,
                           "room for %d statistics, but there are %d", a->count,
                           BLOCK_PARAMS);
        return CALL_FAILED;
    }
    domain_get_block_stats_async(dom, a->value, block_params_done, call);
    return CALL_PENDING;
}

PROC(domain_interface_stats)
{
    const wire_a_dom_str *a = args;
    wire_r_iface_stats *r = ret;
    g_autoptr(Domain) dom = call_lookup(call, &a->dom, error);
    DomainIfaceStats stats = { 0 };

    if (!dom || !domain_get_iface_stats(dom, a->value, &stats, error))
        return CALL_FAILED;
    r->rx_bytes = stats.rx_bytes;
    r->rx_packets = stats.rx_packets;
    r->rx_errs = stats.rx_errs;
    r->rx_drop = stats.rx_drop;
    r->tx_bytes = stats.tx_bytes;
    r->tx_packets = stats.tx_packets;
    r->tx_errs = stats.tx_errs;
    r->tx_drop = stats.tx_drop;
    return CALL_DONE;
}

PROC(domain_memory_stats)
{
    const wire_a_dom_count_flags *a = args;
    wire_r_memory_stats *r = ret;
    g_autoptr(Domain) dom = NULL;
    g_autofree DomainMemoryStat *stats = NULL;
    guint room = MIN(a->count, MEMORY_STATS_MAX);
    int count;

    if (!call_check_flags(call, a->flags, 0, error) ||
        !(dom = call_lookup(call, &a->dom, error)))
        return CALL_FAILED;
    stats = g_new0(DomainMemoryStat, MAX(room, 1));
    count = domain_get_memory_stats(dom, stats, room, error);
    if (count < 0)
        return CALL_FAILED;
    r->list.list_len = count;
    r->list.list_val = g_new0(wire_memory_stat, MAX(count, 1));
    for (int i = 0; i < count; i++) {
        r->list.list_val[i].tag = stats[i].tag;
        r->list.list_val[i].value = stats[i].value;
    }
    return CALL_DONE;
}

PROC(domain_get_block_info)
{
    const wire_a_dom_str_flags *a = args;
    wire_r_block_info *r = ret;
    g_autoptr(Domain) dom = NULL;
    DomainBlockInfo info = { 0 };

    if (!call_check_flags(call, a->flags, 0, error) ||
        !(dom = call_lookup(call, &a->dom, error)) ||
        !domain_get_block_info(dom, a->value, &info, error))
        return CALL_FAILED;
    r->allocation = info.allocation;
    r->capacity = info.capacity;
    r->physical = info.physical;
    return CALL_DONE;
}

static void param_convert(wire_params *params, const StatsParam *param)
{
    switch (param->type) {
    case VIR_TYPED_PARAM_INT:
        wire_params_add_int(params, param->field, param->value.i);
        break;
    case VIR_TYPED_PARAM_UINT:
        wire_params_add_uint(params, param->field, param->value.ui);
        break;
    case VIR_TYPED_PARAM_LLONG:
        wire_params_add_llong(params, param->field, param->value.l);
        break;
    case VIR_TYPED_PARAM_ULLONG:
        wire_params_add_ullong(params, param->field, param->value.ul);
        break;
    case VIR_TYPED_PARAM_DOUBLE:
        wire_params_add_double(params, param->field, param->value.d);
        break;
    case VIR_TYPED_PARAM_BOOLEAN:
        wire_params_add_bool(params, param->field, param->value.b);
        break;
    case VIR_TYPED_PARAM_STRING:
        wire_params_add_string(params, param->field, param->value.s);
        break;
    default:
        break;
    }
}

static void record_convert(wire_stats_record *wire, const StatsRecord *record)
{
    wire->dom.name = g_strdup(record->dom.name);
    memcpy(wire->dom.uuid, record->dom.uuid, sizeof(wire->dom.uuid));
    wire->dom.id = record->dom.id;
    for (guint i = 0; i < record->params->len; i++)
        param_convert(&wire->params,
                      &g_array_index(record->params, StatsParam, i));
}

static void all_stats_done(gpointer user, GPtrArray *records,
                           const GError *error)
{
    RpcCall *call = user;
    wire_r_domain_stats *r = rpc_call_ret(call);
    guint n = error ? 0 : MIN(records->len, WIRE_DOMAINS_MAX);

    r->list.list_val = g_new0(wire_stats_record, MAX(n, 1));
    r->list.list_len = n;
    for (guint i = 0; i < n; i++)
        record_convert(&r->list.list_val[i], g_ptr_array_index(records, i));
    rpc_call_complete(call, error);
}

/* Domains that are gone meanwhile are left out, as for a list of all. */
static GPtrArray *stats_domains(RpcCall *call, const wire_a_domain_stats *a)
{
    GPtrArray *domains;

    if (a->doms.doms_len == 0)
        return NULL;
    domains = g_ptr_array_new_with_free_func((GDestroyNotify)domain_unref);
    for (guint i = 0; i < a->doms.doms_len; i++) {
        Domain *dom = call_lookup(call, &a->doms.doms_val[i], NULL);

        if (dom)
            g_ptr_array_add(domains, dom);
    }
    return domains;
}

PROC(get_all_domain_stats)
{
    const wire_a_domain_stats *a = args;
    g_autoptr(GPtrArray) domains = NULL;

    if (!call_check_flags(call, a->flags, STATS_FLAGS, error))
        return CALL_FAILED;
    domains = stats_domains(call, a);
    stats_collect_async(call_driver(call), domains, a->stats, a->flags,
                        all_stats_done, call);
    return CALL_PENDING;
}
