/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bulk statistics: one record of typed values per domain. */
#include <config.h>

#include "stats/stats.h"

#include <string.h>

#include "util/error.h"

typedef struct Collect {
    gint pending;       /* domains without an answer, and the call itself */
    GPtrArray *domains; /* of Domain, owned */
    GPtrArray *records; /* of StatsRecord, one per domain */
    GPtrArray *tables;  /* of GHashTable or NULL, one per domain */
    guint groups;
    StatsDone done;
    gpointer user;
} Collect;

typedef struct CollectItem {
    Collect *collect;
    guint index;
} CollectItem;

/* ---- Values ----------------------------------------------------------- */

static void param_clear(gpointer data)
{
    StatsParam *param = data;

    if (param->type == VIR_TYPED_PARAM_STRING)
        g_free(param->value.s);
}

static StatsParam *put(GArray *params, int type, const char *fmt, ...)
    G_GNUC_PRINTF(3, 4);

static StatsParam *put(GArray *params, int type, const char *fmt, ...)
{
    StatsParam *param;
    va_list args;

    g_array_set_size(params, params->len + 1);
    param = &g_array_index(params, StatsParam, params->len - 1);
    param->type = type;
    va_start(args, fmt);
    g_vsnprintf(param->field, sizeof(param->field), fmt, args);
    va_end(args);
    return param;
}

#define PUT_INT(params, v, ...)                                                \
    (put(params, VIR_TYPED_PARAM_INT, __VA_ARGS__)->value.i = (v))
#define PUT_UINT(params, v, ...)                                               \
    (put(params, VIR_TYPED_PARAM_UINT, __VA_ARGS__)->value.ui = (v))
#define PUT_ULL(params, v, ...)                                                \
    (put(params, VIR_TYPED_PARAM_ULLONG, __VA_ARGS__)->value.ul = (v))
#define PUT_STRING(params, v, ...)                                             \
    (put(params, VIR_TYPED_PARAM_STRING, __VA_ARGS__)->value.s = g_strdup(v))

/* ---- Groups ----------------------------------------------------------- */

static void put_state(GArray *params, const DomainInfo *info)
{
    PUT_INT(params, info->state, "state.state");
    PUT_INT(params, info->reason, "state.reason");
}

static void put_cpu(GArray *params, const DomainInfo *info)
{
    PUT_ULL(params, info->cpu_time_ns, "cpu.time");
    PUT_ULL(params, info->cpu_user_ns, "cpu.user");
    PUT_ULL(params, info->cpu_system_ns, "cpu.system");
}

static void put_balloon(GArray *params, const DomainInfo *info, gboolean active)
{
    PUT_ULL(params, info->mem_kib, "balloon.current");
    PUT_ULL(params, info->max_mem_kib, "balloon.maximum");
    if (active)
        PUT_ULL(params, info->rss_kib, "balloon.rss");
}

static void put_vcpus(GArray *params, Domain *dom, const DomainInfo *info)
{
    g_autoptr(GArray) vcpus = domain_get_vcpus(dom, 0, NULL);
    int max = domain_get_vcpus_count(dom, VIR_DOMAIN_VCPU_MAXIMUM, NULL);

    PUT_UINT(params, info->vcpus, "vcpu.current");
    PUT_UINT(params, max > 0 ? max : (int)info->vcpus, "vcpu.maximum");
    for (guint i = 0; vcpus && i < vcpus->len; i++) {
        const DomainVcpu *vcpu = &g_array_index(vcpus, DomainVcpu, i);

        PUT_INT(params, vcpu->state, "vcpu.%u.state", vcpu->number);
        PUT_ULL(params, vcpu->cpu_time_ns, "vcpu.%u.time", vcpu->number);
    }
}

static void put_iface(GArray *params, guint i, const DomainIfaceStats *s)
{
    const struct {
        const char *name;
        gint64 value;
    } rows[] = {
        { "rx.bytes", s->rx_bytes }, { "rx.pkts", s->rx_packets },
        { "rx.errs", s->rx_errs },   { "rx.drop", s->rx_drop },
        { "tx.bytes", s->tx_bytes }, { "tx.pkts", s->tx_packets },
        { "tx.errs", s->tx_errs },   { "tx.drop", s->tx_drop },
    };

    for (gsize k = 0; k < G_N_ELEMENTS(rows); k++) {
        if (rows[k].value >= 0)
            PUT_ULL(params, rows[k].value, "net.%u.%s", i, rows[k].name);
    }
}

static void put_ifaces(GArray *params, Domain *dom)
{
    g_autoptr(GArray) names = domain_list_ifaces(dom);

    PUT_UINT(params, names->len, "net.count");
    for (guint i = 0; i < names->len; i++) {
        const DomainDeviceName *name =
            &g_array_index(names, DomainDeviceName, i);
        DomainIfaceStats stats;

        PUT_STRING(params, name->name, "net.%u.name", i);
        if (domain_get_iface_stats(dom, name->name, &stats, NULL))
            put_iface(params, i, &stats);
    }
}

static void put_disk_counters(GArray *params, guint i,
                              const DomainBlockStats *s)
{
    PUT_ULL(params, s->rd_req, "block.%u.rd.reqs", i);
    PUT_ULL(params, s->rd_bytes, "block.%u.rd.bytes", i);
    PUT_ULL(params, s->rd_ns, "block.%u.rd.times", i);
    PUT_ULL(params, s->wr_req, "block.%u.wr.reqs", i);
    PUT_ULL(params, s->wr_bytes, "block.%u.wr.bytes", i);
    PUT_ULL(params, s->wr_ns, "block.%u.wr.times", i);
    PUT_ULL(params, s->flush_req, "block.%u.fl.reqs", i);
    PUT_ULL(params, s->flush_ns, "block.%u.fl.times", i);
}

static void put_disks(GArray *params, Domain *dom, GHashTable *table)
{
    g_autoptr(GArray) names = domain_list_disks(dom);

    PUT_UINT(params, names->len, "block.count");
    for (guint i = 0; i < names->len; i++) {
        const DomainDeviceName *name =
            &g_array_index(names, DomainDeviceName, i);
        const DomainBlockStats *stats =
            table && name->alias ? g_hash_table_lookup(table, name->alias)
                                 : NULL;
        DomainBlockInfo info;

        PUT_STRING(params, name->name, "block.%u.name", i);
        if (name->path)
            PUT_STRING(params, name->path, "block.%u.path", i);
        if (stats)
            put_disk_counters(params, i, stats);
        if (name->path && domain_get_block_info(dom, name->name, &info, NULL)) {
            PUT_ULL(params, info.allocation, "block.%u.allocation", i);
            PUT_ULL(params, info.capacity, "block.%u.capacity", i);
            PUT_ULL(params, info.physical, "block.%u.physical", i);
        }
    }
}

static void fill_record(StatsRecord *record, Domain *dom, GHashTable *table,
                        guint groups)
{
    gboolean active = domain_is_active(dom);
    DomainInfo info;

    domain_ident(dom, &record->dom);
    domain_get_info(dom, &info);
    if (groups & VIR_DOMAIN_STATS_STATE)
        put_state(record->params, &info);
    if ((groups & VIR_DOMAIN_STATS_CPU_TOTAL) && active)
        put_cpu(record->params, &info);
    if (groups & VIR_DOMAIN_STATS_BALLOON)
        put_balloon(record->params, &info, active);
    if (groups & VIR_DOMAIN_STATS_VCPU)
        put_vcpus(record->params, dom, &info);
    if ((groups & VIR_DOMAIN_STATS_INTERFACE) && active)
        put_ifaces(record->params, dom);
    if (groups & VIR_DOMAIN_STATS_BLOCK)
        put_disks(record->params, dom, table);
}

/* ---- Gathering -------------------------------------------------------- */

static void record_free(gpointer data)
{
    StatsRecord *record = data;

    domain_ident_clear(&record->dom);
    g_array_unref(record->params);
    g_free(record);
}

static void table_unref(gpointer table)
{
    if (table)
        g_hash_table_unref(table);
}

static void collect_finish(Collect *collect)
{
    if (!g_atomic_int_dec_and_test(&collect->pending))
        return;
    for (guint i = 0; i < collect->domains->len; i++) {
        StatsRecord *record = g_new0(StatsRecord, 1);

        record->params = g_array_new(FALSE, TRUE, sizeof(StatsParam));
        g_array_set_clear_func(record->params, param_clear);
        fill_record(record, g_ptr_array_index(collect->domains, i),
                    g_ptr_array_index(collect->tables, i), collect->groups);
        g_ptr_array_add(collect->records, record);
    }
    collect->done(collect->user, collect->records, NULL);
    g_ptr_array_unref(collect->domains);
    g_ptr_array_unref(collect->records);
    g_ptr_array_unref(collect->tables);
    g_free(collect);
}

static void item_done(gpointer user, GHashTable *by_alias, const GError *error)
{
    CollectItem *item = user;

    if (by_alias)
        item->collect->tables->pdata[item->index] = g_hash_table_ref(by_alias);
    collect_finish(item->collect);
    g_free(item);
}

/* Would asking this domain's VMM wait behind something? */
static gboolean is_busy(Domain *dom)
{
    DomainControlInfo info;

    return domain_get_control_info(dom, &info, NULL) &&
           info.state != VIR_DOMAIN_CONTROL_OK;
}

static void collect_ask(Collect *collect, guint i, guint flags)
{
    Domain *dom = g_ptr_array_index(collect->domains, i);
    CollectItem *item;

    if (!domain_is_active(dom) ||
        ((flags & VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT) && is_busy(dom)))
        return;
    item = g_new(CollectItem, 1);
    item->collect = collect;
    item->index = i;
    g_atomic_int_inc(&collect->pending);
    domain_get_block_table_async(dom, item_done, item);
}

static GPtrArray *wanted_domains(Driver *drv, GPtrArray *domains, guint flags)
{
    GPtrArray *list;

    if (!domains) /* other bits than those of lists mean nothing there */
        return driver_list(drv, flags & DRIVER_LIST_FLAGS);
    list = g_ptr_array_new_with_free_func((GDestroyNotify)domain_unref);
    for (guint i = 0; i < domains->len; i++)
        g_ptr_array_add(list, domain_ref(g_ptr_array_index(domains, i)));
    return list;
}

void stats_collect_async(Driver *drv, GPtrArray *domains, guint groups,
                         guint flags, StatsDone done, gpointer user)
{
    g_autoptr(GError) error = NULL;
    Collect *collect;

    if ((flags & VIR_CONNECT_GET_ALL_DOMAINS_STATS_ENFORCE_STATS) &&
        (groups & ~STATS_ALL)) {
        vir_error_set(&error, VIR_ERR_NO_SUPPORT,
                      "Stats types bits 0x%x are not supported by this daemon",
                      groups & ~STATS_ALL);
        done(user, NULL, error);
        return;
    }
    collect = g_new0(Collect, 1);
    collect->pending = 1;
    collect->domains = wanted_domains(drv, domains, flags);
    collect->records = g_ptr_array_new_with_free_func(record_free);
    collect->tables = g_ptr_array_new_with_free_func(table_unref);
    g_ptr_array_set_size(collect->tables, collect->domains->len);
    collect->groups = groups ? groups : STATS_ALL;
    collect->done = done;
    collect->user = user;
    if (collect->groups & VIR_DOMAIN_STATS_BLOCK) {
        for (guint i = 0; i < collect->domains->len; i++)
            collect_ask(collect, i, flags);
    }
    collect_finish(collect);
}
