/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is asked of the host: CPUs, memory, capabilities. */
#include <config.h>

#include <string.h>

#include "dispatch/procs.h"
#include "host/host.h"
#include "util/error.h"

/* Limits of the protocol. */
#define CELLS_MAX     1024
#define CPU_MAP_BYTES 2048u

PROC(connect_get_max_vcpus)
{
    static const char *const types[] = { "kvm", "stratovirt", NULL };
    const wire_a_str_opt *a = args;
    const char *type = wire_str_opt_get(a->value);
    wire_r_int *r = ret;

    if (type && !g_strv_contains(types, type)) {
        vir_error_set(error, VIR_ERR_INVALID_ARG,
                      "unknown type '%s', it must be kvm", type);
        return CALL_FAILED;
    }
    r->value = driver_max_vcpus(call_driver(call));
    return CALL_DONE;
}

PROC(connect_get_capabilities)
{
    return verdict(ret_take_string(
        ret, driver_capabilities_xml(call_driver(call), error)));
}

PROC(connect_get_domain_caps)
{
    const wire_a_domain_caps *a = args;

    if (!call_check_flags(call, a->flags, 0, error))
        return CALL_FAILED;
    return verdict(ret_take_string(
        ret, driver_domain_capabilities_xml(
                 call_driver(call), wire_str_opt_get(a->emulator),
                 wire_str_opt_get(a->arch), wire_str_opt_get(a->machine),
                 wire_str_opt_get(a->virttype), error)));
}

PROC(connect_get_sysinfo)
{
    const wire_a_flags *a = args;

    return verdict(call_check_flags(call, a->flags, 0, error) &&
                   ret_take_string(ret, host_get_sysinfo_xml(error)));
}

PROC(node_get_info)
{
    wire_r_node_info *r = ret;
    HostNodeInfo info = { 0 };

    if (!host_get_node_info(&info, error))
        return CALL_FAILED;
    for (guint i = 0; i < G_N_ELEMENTS(r->model); i++)
        r->model[i] = (guint8)info.model[i];
    r->memory = info.memory_kib;
    r->cpus = info.cpus;
    r->mhz = info.mhz;
    r->nodes = info.nodes;
    r->sockets = info.sockets;
    r->cores = info.cores;
    r->threads = info.threads;
    return CALL_DONE;
}

/* Room 0 asks for the number of statistics alone. */
static gboolean node_stats_fill(wire_r_node_stats *r, const HostStat *stats,
                                int count, int room, GError **error)
{
    if (count < 0)
        return FALSE;
    r->count = count;
    if (room == 0)
        return TRUE;
    if (room < count)
        return vir_error_set_from(error, VIR_FROM_NONE, VIR_ERR_INVALID_ARG,
                                  "room for %d statistics, but there are %d",
                                  room, count);
    r->list.list_val = g_new0(wire_node_stat, MAX(count, 1));
    r->list.list_len = count;
    for (int i = 0; i < count; i++) {
        r->list.list_val[i].field = g_strdup(stats[i].field);
        r->list.list_val[i].value = stats[i].value;
    }
    return TRUE;
}

PROC(node_get_cpu_stats)
{
    const wire_a_int_int_flags *a = args;
    HostStat stats[HOST_STATS_MAX];

    return verdict(call_check_flags(call, a->flags, 0, error) &&
                   node_stats_fill(ret, stats,
                                   host_get_cpu_stats(a->first, stats, error),
                                   a->second, error));
}

PROC(node_get_memory_stats)
{
    const wire_a_int_int_flags *a = args;
    HostStat stats[HOST_STATS_MAX];

    return verdict(
        call_check_flags(call, a->flags, 0, error) &&
        node_stats_fill(ret, stats,
                        host_get_memory_stats(a->second, stats, error),
                        a->first, error));
}

PROC(node_get_cpu_map)
{
    const wire_a_int_int_flags *a = args;
    wire_r_cpu_map *r = ret;
    g_autofree guint8 *map = NULL;
    gsize bytes = 0;
    guint online = 0;
    int count;

    if (!call_check_flags(call, a->flags, 0, error))
        return CALL_FAILED;
    count = host_get_cpu_map(&map, &bytes, &online, error);
    if (count < 0)
        return CALL_FAILED;
    r->count = count;
    if (a->second)
        r->online = online;
    if (a->first) {
        r->cpumap.cpumap_len = MIN(bytes, CPU_MAP_BYTES);
        r->cpumap.cpumap_val = (char *)g_steal_pointer(&map);
    }
    return CALL_DONE;
}

PROC(node_get_free_memory)
{
    wire_r_ulong *r = ret;

    r->value = host_get_free_memory_bytes();
    return CALL_DONE;
}

PROC(node_get_cells_free_memory)
{
    const wire_a_int_int *a = args;
    wire_r_cells *r = ret;
    g_autofree guint64 *bytes = NULL;
    int count;

    if (a->first < 0 || a->second < 1 || a->second > CELLS_MAX) {
        vir_error_set_from(error, VIR_FROM_NONE, VIR_ERR_INVALID_ARG,
                           "first cell %d or number of cells %d out of range",
                           a->first, a->second);
        return CALL_FAILED;
    }
    bytes = g_new0(guint64, a->second);
    count = host_get_cells_free_memory(a->first, a->second, bytes, error);
    if (count < 0)
        return CALL_FAILED;
    r->cells.cells_len = count;
    r->cells.cells_val = g_new0(u_quad_t, MAX(count, 1));
    for (int i = 0; i < count; i++)
        r->cells.cells_val[i] = bytes[i];
    return CALL_DONE;
}
