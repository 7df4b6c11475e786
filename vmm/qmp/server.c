/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qmp/server.c - all monitors together: start, events, end. */
#include <config.h>

#include "qmp/monitor.h"
#include "util/cleanup.h"
#include "util/log.h"

#include <errno.h>
#include <string.h>
#include <time.h>

static void flush_events(void *opaque)
{
    QmpServer *server = opaque;
    json_t *events = server->events;
    size_t at;
    json_t *text;

    server->events = json_array();
    json_array_foreach(events, at, text)
    {
        list_for_each_safe(pos, &server->monitors)
        {
            Monitor *mon = container_of(pos, Monitor, link);

            if (mon->heard)
                monitor_send(mon, json_string_value(text), true);
        }
    }
    json_decref(events);
}

void qmp_event(QmpServer *server, const char *name, json_t *data)
{
    struct timespec now;
    json_t *event;
    char *text;

    clock_gettime(CLOCK_REALTIME, &now);
    event = json_pack("{s:s, s:o, s:{s:I, s:I}}", "event", name, "data",
                      data ? json_incref(data) : json_object(), "timestamp",
                      "seconds", (json_int_t)now.tv_sec, "microseconds",
                      (json_int_t)(now.tv_nsec / 1000));
    text = event ? json_dumps(event, JSON_COMPACT) : NULL;
    json_decref(event);
    if (!text) {
        log_error("monitor: out of memory for the event %s", name);
        return;
    }
    json_array_append_new(server->events, json_string(text));
    free(text);
    loop_post(server->loop, &server->flush);
}

int qmp_new(QmpServer **ret_server, Loop *loop, Err *e)
{
    QmpServer *server = calloc(1, sizeof(*server));

    if (server)
        server->events = json_array();
    if (!server || !server->events) {
        free(server);
        return err_set(e, ENOMEM, "out of memory");
    }
    server->loop = loop;
    list_init(&server->monitors);
    work_init(&server->flush, flush_events, server);
    *ret_server = server;
    return 0;
}

int qmp_add(QmpServer *server, Chardev *cd, Err *e)
{
    Monitor *mon;
    int r = monitor_new(&mon, server, cd, e);

    if (r == 0)
        list_add_tail(&server->monitors, &mon->link);
    return r;
}

int qmp_start(QmpServer *server, Machine *machine, Err *e)
{
    server->machine = machine;
    list_for_each(pos, &server->monitors)
    {
        Monitor *mon = container_of(pos, Monitor, link);
        int r = monitor_attach(mon, e);

        if (r < 0)
            return err_prefix(e, "monitor '%s': ", chardev_id(mon->cd));
    }
    return 0;
}

void qmp_free(QmpServer *server)
{
    if (!server)
        return;
    flush_events(server);
    loop_unpost(server->loop, &server->flush);
    list_for_each_safe(pos, &server->monitors)
    {
        Monitor *mon = container_of(pos, Monitor, link);

        monitor_flush(mon);
        monitor_free(mon);
    }
    json_decref(server->events);
    free(server);
}
