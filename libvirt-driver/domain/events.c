/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* News of domains: queued in order, told to the listener on the loop. */
#include <config.h>

#include "domain/domain_priv.h"

typedef struct QueuedEvent {
    DriverEvent event;         /* strings point to those below */
    char *path, *alias, *text; /* owned */
    gboolean monitor;
    char *name; /* owned; monitor event */
    gint64 seconds;
    guint micros;
} QueuedEvent;

static void queued_free(QueuedEvent *queued)
{
    domain_ident_clear(&queued->event.dom);
    g_free(queued->path);
    g_free(queued->alias);
    g_free(queued->text);
    g_free(queued->name);
    g_free(queued);
}

static void queued_tell(Driver *drv, QueuedEvent *queued)
{
    const DriverListener *listener = drv->listener;

    if (queued->monitor) {
        DriverMonitorEvent event = { queued->event.dom, queued->name,
                                     queued->seconds, queued->micros,
                                     queued->text };

        if (listener->monitor_event)
            listener->monitor_event(drv->user, &event);
    } else if (listener->event) {
        listener->event(drv->user, &queued->event);
    }
}

static QueuedEvent *events_pop(Driver *drv)
{
    QueuedEvent *queued;

    g_mutex_lock(&drv->event_lock);
    queued = g_queue_pop_head(&drv->events);
    if (!queued)
        drv->event_scheduled = FALSE;
    g_mutex_unlock(&drv->event_lock);
    return queued;
}

static void events_tell(gpointer data)
{
    Driver *drv = data;
    QueuedEvent *queued;

    while ((queued = events_pop(drv))) {
        queued_tell(drv, queued);
        queued_free(queued);
    }
}

static void event_push(Domain *dom, QueuedEvent *queued)
{
    Driver *drv = dom->drv;
    gboolean schedule;

    if (!drv->listener) {
        queued_free(queued);
        return;
    }
    g_mutex_lock(&drv->event_lock);
    g_queue_push_tail(&drv->events, queued);
    schedule = !drv->event_scheduled;
    drv->event_scheduled = TRUE;
    g_mutex_unlock(&drv->event_lock);
    if (schedule)
        ev_loop_post(drv->loop, events_tell, drv);
}

void events_free(Driver *drv)
{
    g_queue_clear_full(&drv->events, (GDestroyNotify)queued_free);
}

static QueuedEvent *event_new(Domain *dom, int event_id)
{
    QueuedEvent *queued = g_new0(QueuedEvent, 1);

    queued->event.id = event_id;
    domain_ident(dom, &queued->event.dom);
    return queued;
}

void event_lifecycle(Domain *dom, int type, int detail)
{
    QueuedEvent *queued = event_new(dom, VIR_DOMAIN_EVENT_ID_LIFECYCLE);

    queued->event.type = type;
    queued->event.detail = detail;
    event_push(dom, queued);
}

void event_lifecycle_name(Domain *dom, const char *name, int type, int detail)
{
    QueuedEvent *queued = event_new(dom, VIR_DOMAIN_EVENT_ID_LIFECYCLE);

    g_free(queued->event.dom.name);
    queued->event.dom.name = g_strdup(name);
    queued->event.type = type;
    queued->event.detail = detail;
    event_push(dom, queued);
}

void event_simple(Domain *dom, int event_id)
{
    event_push(dom, event_new(dom, event_id));
}

void event_metadata(Domain *dom, int type, const char *uri)
{
    QueuedEvent *queued = event_new(dom, VIR_DOMAIN_EVENT_ID_METADATA_CHANGE);

    queued->event.type = type;
    queued->event.text = queued->text = g_strdup(uri);
    event_push(dom, queued);
}

void event_device(Domain *dom, int event_id, const char *alias)
{
    QueuedEvent *queued = event_new(dom, event_id);

    queued->event.alias = queued->alias = g_strdup(alias);
    event_push(dom, queued);
}

void event_io_error(Domain *dom, const char *path, const char *alias,
                    int action, const char *reason)
{
    static const int ids[] = { VIR_DOMAIN_EVENT_ID_IO_ERROR,
                               VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON };

    for (gsize i = 0; i < G_N_ELEMENTS(ids); i++) {
        QueuedEvent *queued = event_new(dom, ids[i]);

        queued->event.path = queued->path = g_strdup(path);
        queued->event.alias = queued->alias = g_strdup(alias);
        queued->event.type = action;
        queued->event.text = queued->text = g_strdup(reason);
        event_push(dom, queued);
    }
}

void event_value(Domain *dom, int event_id, gint64 value)
{
    QueuedEvent *queued = event_new(dom, event_id);

    queued->event.offset = value;
    event_push(dom, queued);
}

void event_monitor(Domain *dom, const QmpEvent *event)
{
    QueuedEvent *queued;
    char *data;

    if (!dom->drv->listener || !dom->drv->listener->monitor_event)
        return;
    queued = event_new(dom, 0);
    queued->monitor = TRUE;
    queued->name = g_strdup(event->name);
    queued->seconds = event->seconds;
    queued->micros = event->micros;
    data = event->data ? json_dumps(event->data, JSON_COMPACT) : NULL;
    queued->text = g_strdup(data);
    free(data);
    event_push(dom, queued);
}
