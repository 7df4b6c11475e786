/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* CPUs of the host: topology, cells, times. */
#include <config.h>

#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "host/host.h"
#include "host/host_files.h"
#include "util/error.h"

#define CPU_DIR  "/sys/devices/system/cpu"
#define NODE_DIR "/sys/devices/system/node"

/* ---- Topology --------------------------------------------------------- */

static int topology(guint cpu, const char *what, int absent)
{
    return host_read_int(absent, CPU_DIR "/cpu%u/topology/%s", cpu, what);
}

static GArray *online_cpus(void)
{
    GArray *list = host_read_list(CPU_DIR "/online");
    guint n = sysconf(_SC_NPROCESSORS_ONLN);

    for (guint i = 0; list->len < n && i < n; i++)
        g_array_append_val(list, i);
    return list;
}

static gboolean list_has(const GArray *list, guint value)
{
    for (guint i = 0; i < list->len; i++) {
        if (g_array_index(list, guint, i) == value)
            return TRUE;
    }
    return FALSE;
}

static void cpu_clear(gpointer data)
{
    g_free(((HostCpu *)data)->siblings);
}

static HostCell *cell_new(guint id)
{
    HostCell *cell = g_new0(HostCell, 1);

    cell->id = id;
    cell->cpus = g_array_new(FALSE, TRUE, sizeof(HostCpu));
    g_array_set_clear_func(cell->cpus, cpu_clear);
    cell->distances = g_array_new(FALSE, TRUE, sizeof(guint));
    return cell;
}

static void cell_free(gpointer data)
{
    HostCell *cell = data;

    g_array_unref(cell->cpus);
    g_array_unref(cell->distances);
    g_free(cell);
}

static void cell_add_cpu(HostCell *cell, guint id)
{
    HostCpu cpu = {
        id, MAX(topology(id, "physical_package_id", 0), 0),
        MAX(topology(id, "die_id", 0), 0), MAX(topology(id, "core_id", id), 0),
        host_read(CPU_DIR "/cpu%u/topology/thread_siblings_list", id)
    };

    if (!cpu.siblings)
        cpu.siblings = g_strdup_printf("%u", id);
    g_array_append_val(cell->cpus, cpu);
}

static void cell_add_distances(HostCell *cell)
{
    g_autofree char *text = host_read(NODE_DIR "/node%u/distance", cell->id);
    char *p = text;

    while (p && g_ascii_isdigit(*p)) {
        guint distance = g_ascii_strtoull(p, &p, 10);

        g_array_append_val(cell->distances, distance);
        while (*p == ' ')
            p++;
    }
}

static guint64 total_memory_kib(void)
{
    g_autofree char *text = host_read("/proc/meminfo");

    return text ? host_find_kib(text, "MemTotal") : 0;
}

static HostCell *cell_read(guint id, const GArray *online)
{
    HostCell *cell = cell_new(id);
    g_autoptr(GArray) cpus = host_read_list(NODE_DIR "/node%u/cpulist", id);
    g_autofree char *memory = host_read(NODE_DIR "/node%u/meminfo", id);

    cell->memory_kib = memory ? host_find_kib(memory, "MemTotal") : 0;
    for (guint i = 0; i < cpus->len; i++) {
        guint cpu = g_array_index(cpus, guint, i);

        if (list_has(online, cpu))
            cell_add_cpu(cell, cpu);
    }
    cell_add_distances(cell);
    return cell;
}

GPtrArray *host_get_cells(void)
{
    GPtrArray *cells = g_ptr_array_new_with_free_func(cell_free);
    g_autoptr(GArray) nodes = host_read_list(NODE_DIR "/online");
    g_autoptr(GArray) online = online_cpus();

    for (guint i = 0; i < nodes->len; i++)
        g_ptr_array_add(cells,
                        cell_read(g_array_index(nodes, guint, i), online));
    if (cells->len == 0) { /* a kernel without NUMA */
        HostCell *cell = cell_new(0);

        cell->memory_kib = total_memory_kib();
        for (guint i = 0; i < online->len; i++)
            cell_add_cpu(cell, g_array_index(online, guint, i));
        g_ptr_array_add(cells, cell);
    }
    return cells;
}

/* ---- Node info -------------------------------------------------------- */

/* Different sockets, most cores in one socket, most threads in one core. */
static void count_cell(const HostCell *cell, HostNodeInfo *info)
{
    g_autoptr(GHashTable) sockets = g_hash_table_new(NULL, NULL);
    g_autoptr(GHashTable) cores =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (guint i = 0; i < cell->cpus->len; i++) {
        const HostCpu *cpu = &g_array_index(cell->cpus, HostCpu, i);
        char *core =
            g_strdup_printf("%d %d %d", cpu->socket, cpu->die, cpu->core);
        guint threads = GPOINTER_TO_UINT(g_hash_table_lookup(cores, core)) + 1;

        g_hash_table_add(sockets, GINT_TO_POINTER(cpu->socket));
        g_hash_table_replace(cores, core, GUINT_TO_POINTER(threads));
        info->threads = MAX(info->threads, threads);
    }
    info->sockets = MAX(info->sockets, g_hash_table_size(sockets));
    if (g_hash_table_size(sockets) > 0)
        info->cores = MAX(info->cores, g_hash_table_size(cores) /
                                           g_hash_table_size(sockets));
}

static guint cpu_mhz(void)
{
    g_autofree char *text = host_read("/proc/cpuinfo");
    const char *line = text ? strstr(text, "\ncpu MHz") : NULL;

    if (line)
        line = strchr(line, ':');
    return line ? (guint)g_ascii_strtod(line + 1, NULL) : 0;
}

gboolean host_get_node_info(HostNodeInfo *ret_info, GError **error)
{
    g_autoptr(GPtrArray) cells = host_get_cells();
    HostNodeInfo info = { .nodes = cells->len, .mhz = cpu_mhz() };
    struct utsname uts;

    if (uname(&uts) < 0)
        return vir_error_set(error, VIR_ERR_INTERNAL_ERROR,
                             "cannot tell the host's architecture");
    g_strlcpy(info.model, uts.machine, sizeof(info.model));
    info.memory_kib = total_memory_kib();
    for (guint i = 0; i < cells->len; i++) {
        const HostCell *cell = g_ptr_array_index(cells, i);

        info.cpus += cell->cpus->len;
        count_cell(cell, &info);
    }
    if (info.nodes * info.sockets * info.cores * info.threads != info.cpus) {
        info.nodes = info.sockets = info.threads = 1;
        info.cores = info.cpus;
    }
    *ret_info = info;
    return TRUE;
}

char *host_get_cpu_vendor(void)
{
    static const struct {
        const char *id, *name;
    } vendors[] = { { "GenuineIntel", "Intel" },
                    { "AuthenticAMD", "AMD" },
                    { "HygonGenuine", "Hygon" } };
    g_autofree char *text = host_read("/proc/cpuinfo");

    for (gsize i = 0; text && i < G_N_ELEMENTS(vendors); i++) {
        if (strstr(text, vendors[i].id))
            return g_strdup(vendors[i].name);
    }
    return NULL;
}

guint host_get_microcode(void)
{
    return host_read_int(0, CPU_DIR "/cpu0/microcode/version");
}

int host_get_cpu_map(guint8 **ret_map, gsize *ret_map_bytes, guint *ret_online,
                     GError **error)
{
    g_autoptr(GArray) present = host_read_list(CPU_DIR "/present");
    g_autoptr(GArray) online = online_cpus();
    guint max = 0;

    if (present->len == 0)
        g_array_append_vals(present, online->data, online->len);
    for (guint i = 0; i < present->len; i++)
        max = MAX(max, g_array_index(present, guint, i));
    *ret_map_bytes = max / 8 + 1;
    *ret_map = g_malloc0(*ret_map_bytes);
    for (guint i = 0; i < online->len; i++) {
        guint cpu = g_array_index(online, guint, i);

        if (cpu <= max)
            (*ret_map)[cpu / 8] |= 1 << (cpu % 8);
    }
    *ret_online = online->len;
    return max + 1;
}

/* ---- Times ------------------------------------------------------------ */

/* The numbers behind "cpuN " or "cpu " at the start of a line. */
static const char *find_cpu_line(const char *text, int cpu)
{
    g_autofree char *want =
        cpu < 0 ? g_strdup("cpu ") : g_strdup_printf("cpu%d ", cpu);

    for (const char *p = text; p; p = strchr(p, '\n')) {
        if (*p == '\n')
            p++;
        if (g_str_has_prefix(p, want))
            return p + strlen(want);
    }
    return NULL;
}

int host_get_cpu_stats(int cpu, HostStat *ret_stats, GError **error)
{
    g_autofree char *text = host_read("/proc/stat");
    const char *line = text && cpu >= -1 ? find_cpu_line(text, cpu) : NULL;
    guint64 t[7] = { 0 }; /* user nice system idle iowait irq softirq */
    guint64 ns = G_GUINT64_CONSTANT(1000000000) / sysconf(_SC_CLK_TCK);
    char *p = (char *)line;

    if (!line) {
        vir_error_set(error, VIR_ERR_INVALID_ARG,
                      "Invalid cpuNum in %s: the host has no CPU %d",
                      "virNodeGetCPUStats", cpu);
        return -1;
    }
    for (gsize i = 0; i < G_N_ELEMENTS(t); i++)
        t[i] = g_ascii_strtoull(p, &p, 10);
    ret_stats[0] = (HostStat){ "kernel", (t[2] + t[5] + t[6]) * ns };
    ret_stats[1] = (HostStat){ "user", (t[0] + t[1]) * ns };
    ret_stats[2] = (HostStat){ "idle", t[3] * ns };
    ret_stats[3] = (HostStat){ "iowait", t[4] * ns };
    return 4;
}
