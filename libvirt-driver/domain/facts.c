/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the host knows about a guest: times, memory, interfaces, images. */
#include <config.h>

#include "domain/domain_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/error.h"
#include "util/file.h"

enum {
    STAT_UTIME = 14, /* fields of /proc/PID/stat, as proc(5) counts */
    STAT_STIME = 15,
    STAT_RSS = 24,
    STAT_PROCESSOR = 39,
    STAT_MAX = 40,
    MAX_CPUS = 8192,
};

/* Numbers of a stat file by proc(5)'s count; the two first are left out. */
static gboolean read_stat(const char *path, gint64 *ret_fields)
{
    g_autofree char *text = NULL;
    char *p;

    memset(ret_fields, 0, STAT_MAX * sizeof(*ret_fields));
    if (!file_read(path, 65536, &text, NULL, NULL))
        return FALSE;
    p = strrchr(text, ')');
    if (!p || !p[1] || !p[2])
        return FALSE;
    p += 3; /* behind the state letter's blank */
    for (int i = 4; i < STAT_MAX && *p; i++) {
        p = strchr(p, ' ');
        if (!p)
            break;
        ret_fields[i] = g_ascii_strtoll(++p, NULL, 10);
    }
    return TRUE;
}

static guint64 ticks_to_ns(gint64 ticks)
{
    return (guint64)ticks *
           (G_GUINT64_CONSTANT(1000000000) / (guint64)sysconf(_SC_CLK_TCK));
}

static void process_facts(pid_t pid, DomainInfo *info)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/stat", (int)pid);
    gint64 stat[STAT_MAX];

    if (!read_stat(path, stat))
        return;
    info->cpu_user_ns = ticks_to_ns(stat[STAT_UTIME]);
    info->cpu_system_ns = ticks_to_ns(stat[STAT_STIME]);
    info->cpu_time_ns = info->cpu_user_ns + info->cpu_system_ns;
    info->rss_kib = stat[STAT_RSS] * (sysconf(_SC_PAGESIZE) / 1024);
}

void domain_get_info(Domain *dom, DomainInfo *ret_info)
{
    const DomainDef *def;
    pid_t pid;

    memset(ret_info, 0, sizeof(*ret_info));
    {
        DOMAIN_LOCK(dom);

        def = dom->def->def;
        ret_info->state = dom->state;
        ret_info->reason = dom->reason;
        ret_info->max_mem_kib = def->memory_kib;
        ret_info->mem_kib =
            def->current_kib ? def->current_kib : def->memory_kib;
        ret_info->vcpus = def->vcpus_current ? def->vcpus_current : def->vcpus;
        pid = dom->proc ? dom->proc->pid : 0;
    }
    if (pid)
        process_facts(pid, ret_info);
}

/* ---- vCPUs ------------------------------------------------------------ */

static void vcpu_clear(gpointer data)
{
    g_free(((DomainVcpu *)data)->cpumap);
}

/* First number of schedstat: time on a CPU, in ns. */
static guint64 thread_run_ns(pid_t pid, pid_t tid)
{
    g_autofree char *path =
        g_strdup_printf("/proc/%d/task/%d/schedstat", (int)pid, (int)tid);
    g_autofree char *text = NULL;

    if (!file_read(path, 4096, &text, NULL, NULL))
        return 0;
    return g_ascii_strtoull(text, NULL, 10);
}

static void thread_cpumap(pid_t tid, guint8 *map, gsize map_bytes)
{
    cpu_set_t *set = CPU_ALLOC(MAX_CPUS);
    gsize size = CPU_ALLOC_SIZE(MAX_CPUS);

    CPU_ZERO_S(size, set);
    if (sched_getaffinity(tid, size, set) == 0) {
        for (gsize i = 0; i < MIN(map_bytes * 8, MAX_CPUS); i++) {
            if (CPU_ISSET_S(i, size, set))
                map[i / 8] |= 1 << (i % 8);
        }
    }
    CPU_FREE(set);
}

static void vcpu_facts(pid_t pid, pid_t tid, DomainVcpu *vcpu,
                       gsize cpumap_bytes)
{
    g_autofree char *path =
        g_strdup_printf("/proc/%d/task/%d/stat", (int)pid, (int)tid);
    gint64 stat[STAT_MAX];

    if (!tid || !read_stat(path, stat))
        return;
    vcpu->cpu = stat[STAT_PROCESSOR];
    vcpu->cpu_time_ns = thread_run_ns(pid, tid);
    thread_cpumap(tid, vcpu->cpumap, cpumap_bytes);
}

GArray *domain_get_vcpus(Domain *dom, gsize cpumap_bytes, GError **error)
{
    GArray *list = g_array_new(FALSE, TRUE, sizeof(DomainVcpu));
    g_autoptr(GArray) tids = g_array_new(FALSE, TRUE, sizeof(pid_t));
    pid_t pid = 0;

    g_array_set_clear_func(list, vcpu_clear);
    {
        DOMAIN_LOCK(dom);

        if (dom->proc && dom->id >= 0) {
            pid = dom->proc->pid;
            g_array_append_vals(tids, dom->proc->vcpu_tids->data,
                                dom->proc->vcpu_tids->len);
        }
    }
    if (!pid) {
        g_array_unref(list);
        vir_error_set(error, VIR_ERR_OPERATION_INVALID,
                      "cannot list vcpus for an inactive domain");
        return NULL;
    }
    for (guint i = 0; i < tids->len; i++) {
        DomainVcpu vcpu = { .number = i,
                            .state = VIR_VCPU_RUNNING,
                            .cpu = -1,
                            .cpumap = g_malloc0(cpumap_bytes + 1) };

        vcpu_facts(pid, g_array_index(tids, pid_t, i), &vcpu, cpumap_bytes);
        g_array_append_val(list, vcpu);
    }
    return list;
}

/* ---- Memory ----------------------------------------------------------- */

int domain_get_memory_stats(Domain *dom, DomainMemoryStat *ret_stats, int max,
                            GError **error)
{
    DomainInfo info;
    const DomainMemoryStat all[] = {
        { VIR_DOMAIN_MEMORY_STAT_ACTUAL_BALLOON, 0 },
        { VIR_DOMAIN_MEMORY_STAT_LAST_UPDATE, 0 },
        { VIR_DOMAIN_MEMORY_STAT_RSS, 0 },
    };
    int n = MIN(max, (int)G_N_ELEMENTS(all));

    if (!domain_require_active(dom, error))
        return -1;
    domain_get_info(dom, &info);
    for (int i = 0; i < n; i++) {
        ret_stats[i] = all[i];
        if (all[i].tag == VIR_DOMAIN_MEMORY_STAT_ACTUAL_BALLOON)
            ret_stats[i].value = info.mem_kib;
        else if (all[i].tag == VIR_DOMAIN_MEMORY_STAT_RSS)
            ret_stats[i].value = info.rss_kib;
    }
    return MAX(n, 0);
}

/* ---- Interfaces ------------------------------------------------------- */

static gint64 iface_counter(const char *ifname, const char *counter)
{
    g_autofree char *path =
        g_strdup_printf("/sys/class/net/%s/statistics/%s", ifname, counter);
    g_autofree char *text = NULL;

    if (!file_read(path, 256, &text, NULL, NULL))
        return -1;
    return g_ascii_strtoll(text, NULL, 10);
}

gboolean domain_get_iface_stats(Domain *dom, const char *device,
                                DomainIfaceStats *ret_stats, GError **error)
{
    g_autoptr(DefRef) ref = domain_def_snapshot(dom);
    const DomainNet *net;

    if (!domain_require_active(dom, error))
        return FALSE;
    net = domain_def_find_net(ref->def, device);
    if (!net || !net->ifname)
        return vir_error_set(error, VIR_ERR_INVALID_ARG,
                             "'%s' is not a known interface", device);
    /* The host receives what the guest sends. */
    ret_stats->rx_bytes = iface_counter(net->ifname, "tx_bytes");
    ret_stats->rx_packets = iface_counter(net->ifname, "tx_packets");
    ret_stats->rx_errs = iface_counter(net->ifname, "tx_errors");
    ret_stats->rx_drop = iface_counter(net->ifname, "tx_dropped");
    ret_stats->tx_bytes = iface_counter(net->ifname, "rx_bytes");
    ret_stats->tx_packets = iface_counter(net->ifname, "rx_packets");
    ret_stats->tx_errs = iface_counter(net->ifname, "rx_errors");
    ret_stats->tx_drop = iface_counter(net->ifname, "rx_dropped");
    return TRUE;
}

/* ---- Disks ------------------------------------------------------------ */

static gboolean image_facts(const char *path, DomainBlockInfo *ret,
                            GError **error)
{
    AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return vir_error_set_errno(error, errno, "cannot open disk '%s'", path);
    if (S_ISBLK(st.st_mode)) {
        guint64 bytes = 0;

        if (ioctl(fd, BLKGETSIZE64, &bytes) < 0)
            return vir_error_set_errno(error, errno,
                                       "cannot read the size of '%s'", path);
        ret->capacity = ret->allocation = ret->physical = bytes;
        return TRUE;
    }
    ret->capacity = ret->physical = st.st_size;
    ret->allocation = (guint64)st.st_blocks * 512;
    return TRUE;
}

gboolean domain_get_block_info(Domain *dom, const char *disk,
                               DomainBlockInfo *ret_info, GError **error)
{
    g_autoptr(DefRef) ref = domain_def_snapshot(dom);
    const DomainDisk *found = domain_def_find_disk(ref->def, disk);
    const char *path = found ? domain_disk_path(found) : NULL;

    if (!found)
        return vir_error_set(error, VIR_ERR_INVALID_ARG,
                             "invalid path %s not assigned to domain", disk);
    if (!path)
        return vir_error_set(error, VIR_ERR_INVALID_ARG,
                             "disk '%s' does not currently have a source "
                             "assigned",
                             disk);
    return image_facts(path, ret_info, error);
}

static void device_name_clear(gpointer data)
{
    DomainDeviceName *name = data;

    g_free(name->name);
    g_free(name->path);
    g_free(name->alias);
}

static GArray *device_names_new(void)
{
    GArray *names = g_array_new(FALSE, TRUE, sizeof(DomainDeviceName));

    g_array_set_clear_func(names, device_name_clear);
    return names;
}

GArray *domain_list_disks(Domain *dom)
{
    g_autoptr(DefRef) ref = domain_def_snapshot(dom);
    GArray *names = device_names_new();

    for (guint i = 0; i < ref->def->disks->len; i++) {
        const DomainDisk *disk = g_ptr_array_index(ref->def->disks, i);
        DomainDeviceName name = { g_strdup(disk->dst),
                                  g_strdup(domain_disk_path(disk)),
                                  g_strdup(disk->dev.alias) };

        g_array_append_val(names, name);
    }
    return names;
}

GArray *domain_list_ifaces(Domain *dom)
{
    g_autoptr(DefRef) ref = domain_def_snapshot(dom);
    GArray *names = device_names_new();

    for (guint i = 0; i < ref->def->nets->len; i++) {
        const DomainNet *net = g_ptr_array_index(ref->def->nets, i);
        DomainDeviceName name = { g_strdup(net->ifname), NULL,
                                  g_strdup(net->dev.alias) };

        if (net->ifname)
            g_array_append_val(names, name);
        else
            device_name_clear(&name);
    }
    return names;
}
