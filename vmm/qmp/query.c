/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qmp/query.c - commands that only look. */
#include <config.h>

#include "block/block.h"
#include "net/net.h"
#include "qmp/action.h"
#include "qmp/command.h"
#include "util/cleanup.h"

#include <errno.h>
#include <string.h>

#if defined(__x86_64__)
#define TARGET "x86_64"
#else
#define TARGET "aarch64"
#endif

/* Handlers whose answer is one function's result. */
#define QUERY(name, expression)                                                \
    static int name(QmpCall *call, const void *args, Err *e)                   \
    {                                                                          \
        (void)args;                                                            \
        (void)e;                                                               \
        call->ret = (expression);                                              \
        return 0;                                                              \
    }

QUERY(do_query_cpus, machine_query_cpus(call->machine))
QUERY(do_query_hotpluggable, machine_query_hotpluggable_cpus(call->machine))
QUERY(do_query_chardev, machine_query_chardev(call->machine))
QUERY(do_query_iothreads, machine_query_iothreads(call->machine))
QUERY(do_query_block, machine_query_block(call->machine))
QUERY(do_query_blockstats, machine_query_blockstats(call->machine))
QUERY(do_query_rx_filter, machine_query_rx_filter(call->machine))
QUERY(do_query_memory_size, machine_query_memory_size(call->machine))
QUERY(do_query_machines, qmp_describe_machines())
QUERY(do_query_events, qmp_describe_events())
QUERY(do_query_schema, qmp_schema())
QUERY(do_query_target, json_pack("{s:s}", "arch", TARGET))
QUERY(do_query_version,
      json_pack("{s:s, s:o}", "package", "stratovmm-" PACKAGE_VERSION, "qemu",
                qmp_version()))
/* What this machine has none of: block jobs, node graph, TPMs, GICs... */
QUERY(do_none, json_array())

static int do_query_commands(QmpCall *call, const void *args, Err *e)
{
    const QmpCommand **list CLEANUP(ptr_free) = qmp_command_list();

    (void)args;
    (void)e;
    call->ret = json_array();
    for (size_t i = 0; list && list[i]; i++)
        json_array_append_new(call->ret,
                              json_pack("{s:s}", "name", list[i]->name));
    return 0;
}

static int do_query_kvm(QmpCall *call, const void *args, Err *e)
{
    bool kvm = machine_conf(call->machine)->accel == HV_KVM;

    (void)args;
    (void)e;
    call->ret = json_pack("{s:b, s:b}", "enabled", kvm, "present", kvm);
    return 0;
}

static int do_query_name(QmpCall *call, const void *args, Err *e)
{
    const char *name = machine_conf(call->machine)->name;

    (void)args;
    (void)e;
    call->ret = json_object();
    if (name)
        json_object_set_new(call->ret, "name", json_string(name));
    return 0;
}

static int do_query_uuid(QmpCall *call, const void *args, Err *e)
{
    char text[37];

    (void)args;
    (void)e;
    opt_uuid_text(machine_conf(call->machine)->uuid, text);
    call->ret = json_pack("{s:s}", "UUID", text);
    return 0;
}

/* The same facts under the names of the newer command. */
static int do_query_cpus_fast(QmpCall *call, const void *args, Err *e)
{
    json_t *cpus = machine_query_cpus(call->machine);
    json_t *cpu;
    size_t at;

    (void)args;
    (void)e;
    call->ret = json_array();
    json_array_foreach(cpus, at, cpu) json_array_append_new(
        call->ret, json_pack("{s:O, s:O, s:O, s:O, s:s}", "cpu-index",
                             json_object_get(cpu, "CPU"), "qom-path",
                             json_object_get(cpu, "qom_path"), "thread-id",
                             json_object_get(cpu, "thread_id"), "props",
                             json_object_get(cpu, "props"), "target", TARGET));
    json_decref(cpus);
    return 0;
}

/* Each disk is one node: its image. */
static int do_query_nodes(QmpCall *call, const void *args, Err *e)
{
    json_t *disks = machine_query_block(call->machine);
    json_t *disk;
    size_t at;

    (void)args;
    (void)e;
    call->ret = json_array();
    json_array_foreach(disks, at, disk)
    {
        json_t *node = json_object_get(disk, "inserted");

        json_object_set(node, "node-name", json_object_get(disk, "device"));
        json_array_append(call->ret, node);
    }
    json_decref(disks);
    return 0;
}

static int do_query_balloon(QmpCall *call, const void *args, Err *e)
{
    (void)args;
    return qmp_fail(call, QMP_DEVICE_NOT_ACTIVE, e, ENODEV,
                    "No balloon device has been activated");
}

/* Options of back ends, from their tables. */
static json_t *option_parameters(const OptDesc *descs)
{
    json_t *array = json_array();

    for (const OptDesc *d = descs; d->name; d++) {
        const char *type =
            d->type == OPT_BOOL || d->type == OPT_ONOFF || d->type == OPT_FLAG
                ? "boolean"
            : d->type == OPT_SIZE ? "size"
            : d->type == OPT_U8 || d->type == OPT_U16 || d->type == OPT_U32 ||
                    d->type == OPT_U64
                ? "number"
                : "string";
        json_t *o = json_pack("{s:s, s:s}", "name", d->name, "type", type);

        if (d->help)
            json_object_set_new(o, "help", json_string(d->help));
        json_array_append_new(array, o);
    }
    return array;
}

static int do_query_options(QmpCall *call, const void *args, Err *e)
{
    static const struct {
        const char *option;
        const OptDesc *descs;
    } tables[] = {
        { "action", action_opts },
        { "drive", block_opts },
        { "netdev", net_tap_opts },
    };

    (void)args;
    (void)e;
    call->ret = json_array();
    for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
        json_array_append_new(call->ret,
                              json_pack("{s:s, s:o}", "option",
                                        tables[i].option, "parameters",
                                        option_parameters(tables[i].descs)));
    return 0;
}

static int do_query_sev(QmpCall *call, const void *args, Err *e)
{
    (void)call;
    (void)args;
    return err_set(e, ENOTSUP, "SEV is not available on this machine");
}

static const struct {
    const char *name;
    const char *alias;
    unsigned cpu_max;
    bool is_default;
} machines[] = {
    { MACHINE_MICROVM_VERSIONED, "microvm", 254, true },
    { "none", NULL, 0, false },
};

json_t *qmp_describe_machines(void)
{
    json_t *array = json_array();

    for (size_t i = 0; i < ARRAY_SIZE(machines); i++) {
        json_t *m =
            json_pack("{s:s, s:i, s:b, s:b, s:b}", "name", machines[i].name,
                      "cpu-max", machines[i].cpu_max, "hotpluggable-cpus", 0,
                      "numa-mem-supported", 0, "deprecated", 0);

        if (machines[i].alias)
            json_object_set_new(m, "alias", json_string(machines[i].alias));
        if (machines[i].is_default)
            json_object_set_new(m, "is-default", json_true());
        json_array_append_new(array, m);
    }
    return array;
}

const QmpCommand qmp_query_rows[] = {
    { .name = "query-version",
      .fn = do_query_version,
      .lenient = true,
      .doc = "version of the program and its QMP level" },
    { .name = "query-commands",
      .fn = do_query_commands,
      .lenient = true,
      .doc = "names of all commands" },
    { .name = "query-events",
      .fn = do_query_events,
      .lenient = true,
      .doc = "names of all events" },
    { .name = "query-qmp-schema",
      .fn = do_query_schema,
      .lenient = true,
      .doc = "commands, arguments and events as introspection data" },
    { .name = "query-command-line-options",
      .fn = do_query_options,
      .lenient = true,
      .doc = "options of -action, -drive and -netdev" },
    { .name = "query-target",
      .fn = do_query_target,
      .lenient = true,
      .doc = "architecture of the guest" },
    { .name = "query-kvm",
      .fn = do_query_kvm,
      .lenient = true,
      .doc = "whether the accelerator is KVM" },
    { .name = "query-machines",
      .fn = do_query_machines,
      .lenient = true,
      .doc = "machine types" },
    { .name = "query-name", .fn = do_query_name, .doc = "what -name says" },
    { .name = "query-uuid", .fn = do_query_uuid, .doc = "what -uuid says" },
    { .name = "query-cpus",
      .fn = do_query_cpus,
      .doc = "vCPUs, topology and threads" },
    { .name = "query-cpus-fast",
      .fn = do_query_cpus_fast,
      .doc = "as query-cpus, with newer names" },
    { .name = "query-hotpluggable-cpus",
      .fn = do_query_hotpluggable,
      .doc = "all possible vCPUs" },
    { .name = "query-chardev",
      .fn = do_query_chardev,
      .lenient = true,
      .doc = "character back ends" },
    { .name = "query-iothreads",
      .fn = do_query_iothreads,
      .lenient = true,
      .doc = "I/O threads" },
    { .name = "query-block",
      .fn = do_query_block,
      .lenient = true,
      .doc = "disks" },
    { .name = "query-named-block-nodes",
      .fn = do_query_nodes,
      .lenient = true,
      .doc = "images of disks" },
    { .name = "query-blockstats",
      .fn = do_query_blockstats,
      .lenient = true,
      .doc = "bytes, operations and times of disks" },
    { .name = "query-rx-filter",
      .fn = do_query_rx_filter,
      .lenient = true,
      .doc = "network cards and their receive filters" },
    { .name = "query-memory-size-summary",
      .fn = do_query_memory_size,
      .doc = "guest memory in bytes" },
    { .name = "query-memory-devices",
      .fn = do_none,
      .doc = "memory devices: this machine has none" },
    { .name = "query-block-jobs",
      .fn = do_none,
      .lenient = true,
      .doc = "block jobs: this program runs none" },
    { .name = "query-tpm-models",
      .fn = do_none,
      .lenient = true,
      .doc = "TPM models: there are none" },
    { .name = "query-tpm-types",
      .fn = do_none,
      .lenient = true,
      .doc = "TPM back ends: there are none" },
    { .name = "query-gic-capabilities",
      .fn = do_none,
      .lenient = true,
      .doc = "ARM interrupt controllers: there are none" },
    { .name = "query-migrate-capabilities",
      .fn = do_none,
      .lenient = true,
      .doc = "migration capabilities: there are none" },
    { .name = "query-sev-capabilities",
      .fn = do_query_sev,
      .lenient = true,
      .doc = "AMD SEV: an error, it is not available" },
    { .name = "query-balloon",
      .fn = do_query_balloon,
      .lenient = true,
      .doc = "balloon: an error, there is none" },
    { 0 },
};
