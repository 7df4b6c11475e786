/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The monitor's commands, one function each, and what their replies mean. */
#include <config.h>

#include "qmp/qmp_commands.h"

void qmp_stop(QmpClient *client, QmpReplyFn reply, gpointer user)
{
    qmp_client_execute(client, "stop", NULL, reply, user);
}

void qmp_cont(QmpClient *client, QmpReplyFn reply, gpointer user)
{
    qmp_client_execute(client, "cont", NULL, reply, user);
}

void qmp_quit(QmpClient *client, QmpReplyFn reply, gpointer user)
{
    qmp_client_execute(client, "quit", NULL, reply, user);
}

void qmp_system_powerdown(QmpClient *client, QmpReplyFn reply, gpointer user)
{
    qmp_client_execute(client, "system_powerdown", NULL, reply, user);
}

void qmp_system_reset(QmpClient *client, QmpReplyFn reply, gpointer user)
{
    qmp_client_execute(client, "system_reset", NULL, reply, user);
}

void qmp_hmp(QmpClient *client, const char *line, QmpReplyFn reply,
             gpointer user)
{
    g_autofree char *text = g_utf8_make_valid(line, -1);

    qmp_client_execute(client, "human-monitor-command",
                       json_pack("{s:s}", "command-line", text), reply, user);
}

void qmp_set_action_shutdown(QmpClient *client, const char *action,
                             QmpReplyFn reply, gpointer user)
{
    qmp_client_execute(client, "set-action",
                       json_pack("{s:s}", "shutdown", action), reply, user);
}

void qmp_query_status(QmpClient *client, QmpReplyFn reply, gpointer user)
{
    qmp_client_execute(client, "query-status", NULL, reply, user);
}

QmpRunState qmp_query_status_parse(json_t *ret)
{
    static const struct {
        const char *name;
        QmpRunState state;
    } names[] = {
        { "running", QMP_RUN_RUNNING },
        { "paused", QMP_RUN_PAUSED },
        { "prelaunch", QMP_RUN_PAUSED },
        { "shutdown", QMP_RUN_SHUTDOWN },
        { "guest-panicked", QMP_RUN_PANICKED },
        { "io-error", QMP_RUN_IO_ERROR },
    };
    const char *status = json_string_value(json_object_get(ret, "status"));

    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        if (g_strcmp0(status, names[i].name) == 0)
            return names[i].state;
    }
    return QMP_RUN_UNKNOWN;
}

void qmp_query_chardev(QmpClient *client, QmpReplyFn reply, gpointer user)
{
    qmp_client_execute(client, "query-chardev", NULL, reply, user);
}

GHashTable *qmp_query_chardev_parse(json_t *ret)
{
    GHashTable *table =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    size_t i;
    json_t *item;

    json_array_foreach(ret, i, item)
    {
        const char *label = json_string_value(json_object_get(item, "label"));
        const char *file = json_string_value(json_object_get(item, "filename"));

        if (!label || !file)
            continue;
        if (g_str_has_prefix(file, "pty:"))
            file += 4;
        if (g_str_has_prefix(file, "/dev/pts/"))
            g_hash_table_replace(table, g_strdup(label), g_strdup(file));
    }
    return table;
}

/* A thread id as the kernel gives them out, else 0. */
static pid_t parse_tid(json_t *value)
{
    json_int_t tid = json_integer_value(value);

    return tid > 0 && tid <= 4194304 ? (pid_t)tid : 0;
}

void qmp_query_cpus(QmpClient *client, QmpReplyFn reply, gpointer user)
{
    qmp_client_execute(client, "query-cpus", NULL, reply, user);
}

GArray *qmp_query_cpus_parse(json_t *ret, guint vcpus)
{
    GArray *tids = g_array_new(FALSE, TRUE, sizeof(pid_t));
    size_t i;
    json_t *item;

    g_array_set_size(tids, vcpus);
    json_array_foreach(ret, i, item)
    {
        json_t *cpu = json_object_get(item, "CPU");

        if (json_is_integer(cpu) && json_integer_value(cpu) >= 0 &&
            json_integer_value(cpu) < vcpus)
            g_array_index(tids, pid_t, json_integer_value(cpu)) =
                parse_tid(json_object_get(item, "thread_id"));
    }
    return tids;
}

static void iothread_clear(gpointer data)
{
    g_free(((QmpIothread *)data)->id);
}

void qmp_query_iothreads(QmpClient *client, QmpReplyFn reply, gpointer user)
{
    qmp_client_execute(client, "query-iothreads", NULL, reply, user);
}

GArray *qmp_query_iothreads_parse(json_t *ret)
{
    GArray *threads = g_array_new(FALSE, TRUE, sizeof(QmpIothread));
    size_t i;
    json_t *item;

    g_array_set_clear_func(threads, iothread_clear);
    json_array_foreach(ret, i, item)
    {
        const char *id = json_string_value(json_object_get(item, "id"));
        QmpIothread thread = {
            .tid = parse_tid(json_object_get(item, "thread-id")),
        };

        if (!id || !thread.tid)
            continue;
        thread.id = g_strdup(id);
        g_array_append_val(threads, thread);
    }
    return threads;
}

void qmp_query_blockstats(QmpClient *client, QmpReplyFn reply, gpointer user)
{
    qmp_client_execute(client, "query-blockstats", NULL, reply, user);
}

static const struct {
    const char *key;
    gsize offset;
} block_fields[] = {
    { "rd_bytes", G_STRUCT_OFFSET(QmpBlockStats, rd_bytes) },
    { "rd_operations", G_STRUCT_OFFSET(QmpBlockStats, rd_operations) },
    { "rd_total_time_ns", G_STRUCT_OFFSET(QmpBlockStats, rd_total_time_ns) },
    { "wr_bytes", G_STRUCT_OFFSET(QmpBlockStats, wr_bytes) },
    { "wr_operations", G_STRUCT_OFFSET(QmpBlockStats, wr_operations) },
    { "wr_total_time_ns", G_STRUCT_OFFSET(QmpBlockStats, wr_total_time_ns) },
    { "flush_operations", G_STRUCT_OFFSET(QmpBlockStats, flush_operations) },
    { "flush_total_time_ns",
      G_STRUCT_OFFSET(QmpBlockStats, flush_total_time_ns) },
};

GHashTable *qmp_query_blockstats_parse(json_t *ret)
{
    GHashTable *table =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    size_t i;
    json_t *item;

    json_array_foreach(ret, i, item)
    {
        const char *device = json_string_value(json_object_get(item, "device"));
        json_t *stats = json_object_get(item, "stats");
        QmpBlockStats *out;

        if (!device || !json_is_object(stats))
            continue;
        out = g_new0(QmpBlockStats, 1);
        for (gsize k = 0; k < G_N_ELEMENTS(block_fields); k++)
            G_STRUCT_MEMBER(gint64, out, block_fields[k].offset) =
                json_integer_value(json_object_get(stats, block_fields[k].key));
        g_hash_table_replace(table, g_strdup(device), out);
    }
    return table;
}
