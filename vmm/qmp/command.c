/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qmp/command.c - the command table as a whole. */
#include <config.h>

#include "qmp/command.h"
#include "util/cleanup.h"

#include <string.h>

static const QmpCommand *const groups[] = {
    qmp_life_rows, qmp_query_rows, qmp_fds_rows, qmp_qom_rows, qmp_hmp_rows,
};

static const char *const events[] = {
    "POWERDOWN", "RESET", "RESUME", "SHUTDOWN", "STOP",
};

const QmpCommand *qmp_command_find(const char *name)
{
    for (size_t g = 0; g < ARRAY_SIZE(groups); g++) {
        for (const QmpCommand *c = groups[g]; c->name; c++) {
            if (strcmp(c->name, name) == 0)
                return c;
        }
    }
    return NULL;
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const QmpCommand *const *)a)->name,
                  (*(const QmpCommand *const *)b)->name);
}

const QmpCommand **qmp_command_list(void)
{
    const QmpCommand **list;
    size_t num = 0;

    for (size_t g = 0; g < ARRAY_SIZE(groups); g++) {
        for (const QmpCommand *c = groups[g]; c->name; c++)
            num++;
    }
    list = calloc(num + 1, sizeof(*list));
    if (!list)
        return NULL;
    num = 0;
    for (size_t g = 0; g < ARRAY_SIZE(groups); g++) {
        for (const QmpCommand *c = groups[g]; c->name; c++)
            list[num++] = c;
    }
    qsort(list, num, sizeof(*list), by_name);
    return list;
}

json_t *qmp_describe_commands(void)
{
    const QmpCommand **list CLEANUP(ptr_free) = qmp_command_list();
    json_t *array = json_array();

    for (size_t i = 0; list && list[i]; i++)
        json_array_append_new(array, json_pack("{s:s, s:s, s:o}", "name",
                                               list[i]->name, "help",
                                               list[i]->doc, "arguments",
                                               opt_describe(list[i]->args)));
    return array;
}

json_t *qmp_describe_events(void)
{
    json_t *array = json_array();

    for (size_t i = 0; i < ARRAY_SIZE(events); i++)
        json_array_append_new(array, json_pack("{s:s}", "name", events[i]));
    return array;
}

json_t *qmp_version(void)
{
    return json_pack("{s:i, s:i, s:i}", "major", QMP_QEMU_MAJOR, "minor",
                     QMP_QEMU_MINOR, "micro", QMP_QEMU_MICRO);
}
