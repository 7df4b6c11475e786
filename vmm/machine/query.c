/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* machine/query.c - what the monitor asks about; QEMU's shapes. */
#include <config.h>

#include "machine/machine_priv.h"

#include "block/block.h"

#include <stdio.h>
#include <string.h>

#ifdef __x86_64__
#define QUERY_ARCH     "x86"
#define QUERY_CPU_TYPE "host-x86-cpu"
#else
#define QUERY_ARCH     "arm"
#define QUERY_CPU_TYPE "host-aarch64-cpu"
#endif

/* --- processors ---------------------------------------------------------- */

static json_t *cpu_props(const SmpConf *smp, unsigned i)
{
    unsigned thread = i % smp->threads;
    unsigned core = i / smp->threads % smp->cores;
    unsigned cluster = i / smp->threads / smp->cores % smp->clusters;
    unsigned die = i / smp->threads / smp->cores / smp->clusters % smp->dies;
    unsigned socket = i / smp->threads / smp->cores / smp->clusters / smp->dies;

#ifdef __x86_64__
    (void)cluster;
    return json_pack("{s:i, s:i, s:i, s:i}", "socket-id", socket, "die_id", die,
                     "core-id", core, "thread-id", thread);
#else
    (void)die;
    return json_pack("{s:i, s:i, s:i, s:i}", "socket-id", socket, "cluster_id",
                     cluster, "core-id", core, "thread-id", thread);
#endif
}

static json_t *qom_path(unsigned i)
{
    return json_sprintf("/machine/unattached/device[%u]", i);
}

json_t *machine_query_cpus(const Machine *m)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < m->num_vcpus; i++)
        json_array_append_new(
            list,
            json_pack("{s:i, s:s, s:b, s:b, s:o, s:o, s:i}", "CPU", i, "arch",
                      QUERY_ARCH, "current", 1, "halted", 0, "props",
                      cpu_props(&m->conf->smp, i), "qom_path", qom_path(i),
                      "thread_id", (int)m->vcpus[i].thread.tid));
    return list;
}

json_t *machine_query_hotpluggable_cpus(const Machine *m)
{
    json_t *list = json_array();

    if (m->conf->type == MACHINE_NONE)
        return list;
    for (unsigned i = 0; i < m->conf->smp.max_cpus; i++) {
        json_t *cpu =
            json_pack("{s:o, s:s, s:i}", "props", cpu_props(&m->conf->smp, i),
                      "type", QUERY_CPU_TYPE, "vcpus-count", 1);

        if (i < m->num_vcpus)
            json_object_set_new(cpu, "qom-path", qom_path(i));
        json_array_append_new(list, cpu);
    }
    return list;
}

/* --- back ends ----------------------------------------------------------- */

json_t *machine_query_chardev(const Machine *m)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < m->num_refs; i++) {
        const Chardev *cd = m->refs[i].object;

        if (m->refs[i].kind == VIRTIO_REF_CHARDEV)
            json_array_append_new(
                list, json_pack("{s:s, s:s, s:b}", "label", chardev_id(cd),
                                "filename", chardev_filename(cd),
                                "frontend-open", m->refs[i].taken));
    }
    return list;
}

json_t *machine_query_iothreads(const Machine *m)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < m->num_iothreads; i++)
        json_array_append_new(list, json_pack("{s:s, s:i, s:i, s:i, s:i}", "id",
                                              m->iothreads[i].id, "thread-id",
                                              (int)m->iothreads[i].thread.tid,
                                              "poll-max-ns", 0, "poll-grow", 0,
                                              "poll-shrink", 0));
    return list;
}

/* Id of the device that a drive or netdev serves, or NULL. */
static const char *user_of(const Machine *m, VirtioRef kind, const char *id)
{
    for (unsigned i = 0; i < m->num_devs; i++) {
        const char *ref =
            kind == VIRTIO_REF_DRIVE ? m->devs[i].drive : m->devs[i].netdev;

        if (ref && !strcmp(ref, id))
            return m->devs[i].id;
    }
    return NULL;
}

static json_t *inserted(const BlockInfo *info)
{
    return json_pack(
        "{s:s, s:s, s:s, s:b, s:b, s:i, s:i, s:i, s:i, s:i, s:i, s:s, s:I,"
        " s:{s:b, s:b, s:b}, s:{s:s, s:s, s:I}}",
        "file", info->file, "node-name", info->id, "drv", info->format, "ro",
        info->readonly, "encrypted", 0, "bps", 0, "bps_rd", 0, "bps_wr", 0,
        "iops", (int)info->iops_total, "iops_rd", 0, "iops_wr", 0,
        "detect_zeroes", info->detect_zeroes, "write_threshold", (json_int_t)0,
        "cache", "writeback", 1, "direct", info->direct, "no-flush", 0, "image",
        "filename", info->file, "format", info->format, "virtual-size",
        (json_int_t)info->size_bytes);
}

json_t *machine_query_block(const Machine *m)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < m->num_refs; i++) {
        const char *user;
        json_t *entry;

        if (m->refs[i].kind != VIRTIO_REF_DRIVE)
            continue;
        entry = json_pack("{s:s, s:b, s:b, s:s, s:o}", "device", m->refs[i].id,
                          "locked", 0, "removable", 0, "type", "unknown",
                          "inserted", inserted(block_info(m->refs[i].object)));
        user = user_of(m, VIRTIO_REF_DRIVE, m->refs[i].id);
        if (user)
            json_object_set_new(entry, "qdev", json_string(user));
        json_array_append_new(list, entry);
    }
    return list;
}

static void put(json_t *stats, const char *a, const char *b, const char *c,
                uint64_t val)
{
    char key[48];

    snprintf(key, sizeof(key), "%s%s%s", a, b, c);
    json_object_set_new(stats, key, json_integer(val));
}

static void put_op(json_t *stats, const char *op_name, const BlockOpStats *op)
{
    put(stats, op_name, "_bytes", "", op->bytes);
    put(stats, op_name, "_operations", "", op->ops);
    put(stats, op_name, "_total_time_ns", "", op->ns);
    put(stats, "failed_", op_name, "_operations", op->failed);
}

static json_t *block_stats_json(const Block *block)
{
    json_t *out = json_object();
    BlockStats stats;

    block_stats(block, &stats);
    put_op(out, "rd", &stats.op[BLOCK_READ]);
    put_op(out, "wr", &stats.op[BLOCK_WRITE]);
    put_op(out, "flush", &stats.op[BLOCK_FLUSH]);
    put_op(out, "unmap", &stats.op[BLOCK_DISCARD]);
    put_op(out, "zeroes", &stats.op[BLOCK_ZEROES]);
    return out;
}

json_t *machine_query_blockstats(const Machine *m)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < m->num_refs; i++) {
        const char *user;
        json_t *entry;

        if (m->refs[i].kind != VIRTIO_REF_DRIVE)
            continue;
        entry = json_pack("{s:s, s:s, s:o}", "device", m->refs[i].id,
                          "node-name", m->refs[i].id, "stats",
                          block_stats_json(m->refs[i].object));
        user = user_of(m, VIRTIO_REF_DRIVE, m->refs[i].id);
        if (user)
            json_object_set_new(entry, "qdev", json_string(user));
        json_array_append_new(list, entry);
    }
    return list;
}

json_t *machine_query_rx_filter(const Machine *m)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < m->num_devs; i++) {
        const VirtioDev *vdev = m->devs[i].vdev;
        const uint8_t *mac = vdev->config;

        if (vdev->cls->virtio_id != VIRTIO_ID_NET || vdev->config_len < 6)
            continue;
        json_array_append_new(
            list,
            json_pack("{s:s, s:o}", "name", m->devs[i].id, "main-mac",
                      json_sprintf("%02x:%02x:%02x:%02x:%02x:%02x", mac[0],
                                   mac[1], mac[2], mac[3], mac[4], mac[5])));
    }
    return list;
}

/* --- the rest ------------------------------------------------------------ */

json_t *machine_query_memory_size(const Machine *m)
{
    return json_pack(
        "{s:I, s:I}", "base-memory",
        (json_int_t)(m->conf->type == MACHINE_NONE ? 0 : m->conf->ram_bytes),
        "plugged-memory", (json_int_t)0);
}

json_t *machine_query_devices(const Machine *m)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < m->num_devs; i++)
        json_array_append_new(list, json_pack("{s:s, s:s}", "id", m->devs[i].id,
                                              "type", m->devs[i].cls));
    return list;
}
