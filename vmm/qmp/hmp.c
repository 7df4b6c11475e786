/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qmp/hmp.c - human-monitor-command: a few questions answered as text. */
#include <config.h>

#include "qmp/command.h"
#include "util/cleanup.h"

#include <errno.h>
#include <string.h>

typedef struct HmpArgs {
    const char *line;
} HmpArgs;

static const OptDesc hmp_args[] = {
    { .name = "command-line",
      .type = OPT_STR,
      .off = offsetof(HmpArgs, line),
      .required = true,
      .max = 4095,
      .help = "`info status`, `info name`...; `info` lists them" },
    { .name = "cpu-index", .type = OPT_IGNORED },
    { 0 },
};

static void info_status(const Machine *m, FILE *out)
{
    RunState state = machine_run_state(m);

    if (state == RUN_STATE_RUNNING || state == RUN_STATE_PAUSED)
        fprintf(out, "VM status: %s\r\n", run_state_names[state]);
    else
        fprintf(out, "VM status: paused (%s)\r\n", run_state_names[state]);
}

static void info_name(const Machine *m, FILE *out)
{
    const char *name = machine_conf(m)->name;

    if (name)
        fprintf(out, "%s\r\n", name);
}

static void info_uuid(const Machine *m, FILE *out)
{
    char text[37];

    opt_uuid_text(machine_conf(m)->uuid, text);
    fprintf(out, "%s\r\n", text);
}

static void info_version(const Machine *m, FILE *out)
{
    (void)m;
    fprintf(out, "%d.%d.%d stratovmm-%s\r\n", QMP_QEMU_MAJOR, QMP_QEMU_MINOR,
            QMP_QEMU_MICRO, PACKAGE_VERSION);
}

static void info_kvm(const Machine *m, FILE *out)
{
    fprintf(out, "kvm support: %s\r\n",
            machine_conf(m)->accel == HV_KVM ? "enabled" : "disabled");
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

static void info_cpus(const Machine *m, FILE *out)
{
    json_t *cpus = machine_query_cpus(m);
    json_t *cpu;
    size_t at;

    json_array_foreach(cpus, at, cpu) fprintf(
        out, "%s CPU #%zu: thread_id=%lld\r\n", at ? " " : "*", at,
        (long long)json_integer_value(json_object_get(cpu, "thread_id")));
    json_decref(cpus);
}

static void info_chardev(const Machine *m, FILE *out)
{
    json_t *list = machine_query_chardev(m);
    json_t *item;
    size_t at;

    json_array_foreach(list, at, item)
        fprintf(out, "%s: filename=%s\r\n", text_of(item, "label"),
                text_of(item, "filename"));
    json_decref(list);
}

static void info_block(const Machine *m, FILE *out)
{
    json_t *list = machine_query_block(m);
    json_t *item;
    size_t at;

    json_array_foreach(list, at, item)
    {
        const json_t *image = json_object_get(item, "inserted");

        fprintf(out, "%s: %s (%s%s)\r\n", text_of(item, "device"),
                text_of(image, "file"), text_of(image, "drv"),
                json_is_true(json_object_get(image, "ro")) ? ", read-only"
                                                           : "");
    }
    json_decref(list);
}

static void info_snapshots(const Machine *m, FILE *out)
{
    (void)m;
    /* Raw images hold none. */
    fputs("There is no snapshot available.\r\n", out);
}

static const struct {
    const char *name;
    void (*fn)(const Machine *m, FILE *out);
    const char *doc;
} infos[] = {
    { "block", info_block, "disks and their images" },
    { "chardev", info_chardev, "character back ends" },
    { "cpus", info_cpus, "vCPUs and their threads" },
    { "kvm", info_kvm, "whether KVM is in use" },
    { "name", info_name, "name of the machine" },
    { "snapshots", info_snapshots, "snapshots inside images" },
    { "status", info_status, "run state" },
    { "uuid", info_uuid, "UUID of the machine" },
    { "version", info_version, "QMP level and version" },
};

static int run_info(QmpCall *call, const char *what, FILE *out, Err *e)
{
    for (size_t i = 0; i < ARRAY_SIZE(infos); i++) {
        if (!*what)
            fprintf(out, "info %s -- %s\r\n", infos[i].name, infos[i].doc);
        if (strcmp(what, infos[i].name) == 0) {
            infos[i].fn(call->machine, out);
            return 0;
        }
    }
    if (!*what)
        return 0;
    return err_set(e, ENOTSUP, "Unsupported command: info %s", what);
}

static int run_line(QmpCall *call, const char *line, FILE *out, Err *e)
{
    if (strcmp(line, "info") == 0)
        return run_info(call, "", out, e);
    if (strncmp(line, "info ", 5) == 0)
        return run_info(call, line + 5, out, e);
    return err_set(e, ENOTSUP, "Unsupported command: %.*s",
                   (int)strcspn(line, " "), line);
}

static int do_hmp(QmpCall *call, const void *args, Err *e)
{
    const HmpArgs *a = args;
    char *text CLEANUP(ptr_free) = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    int r;

    if (!out)
        return err_set(e, ENOMEM, "out of memory");
    r = run_line(call, a->line, out, e);
    if (fclose(out) != 0 && r == 0)
        r = err_set(e, ENOMEM, "out of memory");
    if (r == 0)
        call->ret = json_string(text);
    return r;
}

const QmpCommand qmp_hmp_rows[] = {
    { .name = "human-monitor-command",
      .fn = do_hmp,
      .args = hmp_args,
      .args_size = sizeof(HmpArgs),
      .doc = "a few `info` commands, answered as text" },
    { 0 },
};
