/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Facts about the host, read from /proc and /sys at each call.
 *
 * Every function takes its files below the root given to host_set_root(),
 * which only tests set.
 */
#pragma once

#include <glib.h>

void host_set_root(const char *root);

typedef struct HostNodeInfo {
    char model[32]; /* architecture, as x86_64 */
    guint64 memory_kib;
    guint cpus;    /* online */
    guint mhz;     /* 0 unknown */
    guint nodes;   /* NUMA cells; 1 when nodes*sockets*cores*threads would
                      not give the number of CPUs */
    guint sockets; /* per node */
    guint cores;   /* per socket */
    guint threads; /* per core */
} HostNodeInfo;
gboolean host_get_node_info(HostNodeInfo *ret_info, GError **error);

typedef struct HostStat {
    const char *field; /* static: kernel, user, idle, iowait, total, free ... */
    guint64 value;     /* ns or KiB */
} HostStat;
#define HOST_STATS_MAX 8
/* @cpu -1: all CPUs. Returns the number of fields, -1 on error. */
int host_get_cpu_stats(int cpu, HostStat *ret_stats, GError **error);
/* @cell -1: all cells. */
int host_get_memory_stats(int cell, HostStat *ret_stats, GError **error);

guint64 host_get_free_memory_bytes(void);
/* Bytes free in cells @start up to @start+@max-1; count or -1. */
int host_get_cells_free_memory(int start, int max, guint64 *ret_bytes,
                               GError **error);

/* Bit map of online CPUs; returns the number of present ones, -1 on error. */
int host_get_cpu_map(guint8 **ret_map, gsize *ret_map_bytes, guint *ret_online,
                     GError **error);

char *host_get_hostname(void);
/* "Intel", "AMD" or the like; NULL unknown. */
char *host_get_cpu_vendor(void);
guint host_get_microcode(void); /* 0: unknown */
/* <sysinfo type='smbios'> from /sys/class/dmi/id. */
char *host_get_sysinfo_xml(GError **error);

/* UUID as text. @configured wins; a source "smbios" that is constant or zero
 * falls back to the machine id. */
char *host_get_uuid(const char *configured, const char *source, GError **error);

/* NUMA cells and their CPUs. */
typedef struct HostCpu {
    guint id;
    int socket, die, core;
    char *siblings; /* list format, as 0-1; owned */
} HostCpu;
typedef struct HostCell {
    guint id;
    guint64 memory_kib;
    GArray *cpus;      /* of HostCpu, owned */
    GArray *distances; /* of guint, one per cell in order; may be empty */
} HostCell;
/* Array of HostCell; at least one. */
GPtrArray *host_get_cells(void);
