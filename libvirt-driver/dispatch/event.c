/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who wants to hear of which event, and how it goes out on the wire. */
#include <config.h>

#include "dispatch/event.h"

#include <string.h>

#define QEMU_PROC_MONITOR_EVENT 6

struct EventBroker {
    GMutex lock;
    GPtrArray *registrations; /* of EventRegistration, owned */
    int next_callback_id;
};

/* One event of the protocol.  The layout names the fields in wire order:
 * d domain, t type, e detail, o offset, p path, a alias, x text,
 * X optional text. */
typedef struct EventKind {
    int id;
    int proc;        /* message with a callback id */
    int legacy_proc; /* message without; 0: there is none */
    const char *layout;
} EventKind;

static const EventKind event_kinds[] = {
    { VIR_DOMAIN_EVENT_ID_LIFECYCLE, 318, 107, "dte" },
    { VIR_DOMAIN_EVENT_ID_REBOOT, 319, 169, "d" },
    { VIR_DOMAIN_EVENT_ID_RTC_CHANGE, 320, 170, "do" },
    { VIR_DOMAIN_EVENT_ID_WATCHDOG, 321, 171, "dt" },
    { VIR_DOMAIN_EVENT_ID_IO_ERROR, 322, 172, "dpat" },
    { VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON, 324, 195, "dpatx" },
    { VIR_DOMAIN_EVENT_ID_CONTROL_ERROR, 325, 224, "d" },
    { VIR_DOMAIN_EVENT_ID_BALLOON_CHANGE, 331, 276, "do" },
    { VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, 333, 311, "da" },
    { VIR_DOMAIN_EVENT_ID_DEVICE_ADDED, 354, 0, "da" },
    { VIR_DOMAIN_EVENT_ID_DEVICE_REMOVAL_FAILED, 367, 0, "da" },
    { VIR_DOMAIN_EVENT_ID_METADATA_CHANGE, 379, 0, "dtX" },
};

/* A message about to be encoded. */
typedef struct EventMessage {
    const EventKind *kind;
    const DriverEvent *event;
    gboolean has_callback;
    int callback_id;
} EventMessage;

static bool_t put_text(XDR *xdr, const char *text)
{
    wire_str str = (char *)(text ? text : "");

    return xdr_wire_str(xdr, &str);
}

static bool_t put_text_opt(XDR *xdr, const char *text)
{
    wire_str str = (char *)text;
    wire_str_opt opt = text ? &str : NULL;

    return xdr_wire_str_opt(xdr, &opt);
}

static bool_t put_domain(XDR *xdr, const DomainIdent *ident)
{
    wire_dom dom = { .name = ident->name, .id = ident->id };

    memcpy(dom.uuid, ident->uuid, sizeof(dom.uuid));
    return xdr_wire_dom(xdr, &dom);
}

static bool_t put_int(XDR *xdr, int value)
{
    return xdr_int(xdr, &value);
}

static bool_t put_hyper(XDR *xdr, gint64 value)
{
    quad_t wire = value;

    return xdr_hyper(xdr, &wire);
}

static bool_t put_field(XDR *xdr, char field, const DriverEvent *event)
{
    switch (field) {
    case 'd':
        return put_domain(xdr, &event->dom);
    case 't':
        return put_int(xdr, event->type);
    case 'e':
        return put_int(xdr, event->detail);
    case 'o':
        return put_hyper(xdr, event->offset);
    case 'p':
        return put_text(xdr, event->path);
    case 'a':
        return put_text(xdr, event->alias);
    case 'x':
        return put_text(xdr, event->text);
    default:
        return put_text_opt(xdr, event->text);
    }
}

static bool_t xdr_event_message(XDR *xdr, EventMessage *msg)
{
    if (msg->has_callback && !put_int(xdr, msg->callback_id))
        return FALSE;
    for (const char *field = msg->kind->layout; *field; field++) {
        if (!put_field(xdr, *field, msg->event))
            return FALSE;
    }
    return TRUE;
}

typedef struct MonitorMessage {
    const DriverMonitorEvent *event;
    int callback_id;
} MonitorMessage;

static bool_t xdr_monitor_message(XDR *xdr, MonitorMessage *msg)
{
    const DriverMonitorEvent *event = msg->event;
    u_int micros = event->micros;

    return put_int(xdr, msg->callback_id) && put_domain(xdr, &event->dom) &&
           put_text(xdr, event->event) && put_hyper(xdr, event->seconds) &&
           xdr_u_int(xdr, &micros) && put_text_opt(xdr, event->details);
}

static const Codec event_codec = { (xdrproc_t)xdr_event_message,
                                   sizeof(EventMessage) };
static const Codec monitor_codec = { (xdrproc_t)xdr_monitor_message,
                                     sizeof(MonitorMessage) };

static void registration_free(gpointer data)
{
    EventRegistration *reg = data;

    if (reg->regex)
        g_regex_unref(reg->regex);
    rpc_client_unref(reg->client);
    g_free(reg);
}

EventBroker *event_broker_new(void)
{
    EventBroker *broker = g_new0(EventBroker, 1);

    g_mutex_init(&broker->lock);
    broker->registrations = g_ptr_array_new_with_free_func(registration_free);
    return broker;
}

void event_broker_free(EventBroker *broker)
{
    if (!broker)
        return;
    g_ptr_array_unref(broker->registrations);
    g_mutex_clear(&broker->lock);
    g_free(broker);
}

void event_broker_add(EventBroker *broker, EventRegistration *reg,
                      RpcCall *call, int *ret_callback_id)
{
    EventRegistration *mine = g_memdup2(reg, sizeof(*reg));

    mine->client = rpc_client_ref(rpc_call_client(call));
    g_mutex_lock(&broker->lock);
    /* A client that went away before this was dropped already; one that goes
     * later is dropped after we let go of the lock. */
    if (rpc_client_is_closed(mine->client)) {
        rpc_call_complete(call, NULL);
        registration_free(mine);
        g_mutex_unlock(&broker->lock);
        return;
    }
    mine->callback_id = broker->next_callback_id;
    /* unique while 2^31 registrations are not alive at once */
    broker->next_callback_id = (broker->next_callback_id + 1) & G_MAXINT;
    g_ptr_array_add(broker->registrations, mine);
    if (ret_callback_id)
        *ret_callback_id = mine->callback_id;
    rpc_call_complete(call, NULL);
    g_mutex_unlock(&broker->lock);
}

/* Called with the lock held; the index or -1. */
static int find(EventBroker *broker, RpcClient *client, EventClass kind,
                int callback_id, int event_id)
{
    for (guint i = 0; i < broker->registrations->len; i++) {
        EventRegistration *reg = g_ptr_array_index(broker->registrations, i);

        if (reg->client == client && reg->kind == kind &&
            (kind == EVENT_CLASS_LEGACY ? reg->event_id == event_id
                                        : reg->callback_id == callback_id))
            return i;
    }
    return -1;
}

static gboolean remove_one(EventBroker *broker, RpcClient *client,
                           EventClass kind, int callback_id, int event_id)
{
    int index;

    g_mutex_lock(&broker->lock);
    index = find(broker, client, kind, callback_id, event_id);
    if (index >= 0)
        g_ptr_array_remove_index(broker->registrations, index);
    g_mutex_unlock(&broker->lock);
    return index >= 0;
}

gboolean event_broker_has_legacy(EventBroker *broker, RpcClient *client,
                                 int event_id)
{
    gboolean has;

    g_mutex_lock(&broker->lock);
    has = find(broker, client, EVENT_CLASS_LEGACY, 0, event_id) >= 0;
    g_mutex_unlock(&broker->lock);
    return has;
}

gboolean event_broker_remove(EventBroker *broker, RpcClient *client,
                             EventClass kind, int callback_id)
{
    return remove_one(broker, client, kind, callback_id, 0);
}

gboolean event_broker_remove_legacy(EventBroker *broker, RpcClient *client,
                                    int event_id)
{
    return remove_one(broker, client, EVENT_CLASS_LEGACY, 0, event_id);
}

void event_broker_drop(EventBroker *broker, RpcClient *client)
{
    g_mutex_lock(&broker->lock);
    for (guint i = broker->registrations->len; i-- > 0;) {
        EventRegistration *reg = g_ptr_array_index(broker->registrations, i);

        if (reg->client == client)
            g_ptr_array_remove_index(broker->registrations, i);
    }
    g_mutex_unlock(&broker->lock);
}

static const EventKind *kind_find(int id)
{
    for (gsize i = 0; i < G_N_ELEMENTS(event_kinds); i++) {
        if (event_kinds[i].id == id)
            return &event_kinds[i];
    }
    return NULL;
}

static gboolean domain_wanted(const EventRegistration *reg,
                              const DomainIdent *dom)
{
    return !reg->filtered ||
           memcmp(reg->uuid, dom->uuid, sizeof(reg->uuid)) == 0;
}

static void send_to(const EventRegistration *reg, const EventKind *kind,
                    const DriverEvent *event)
{
    gboolean legacy = reg->kind == EVENT_CLASS_LEGACY;
    EventMessage msg = { .kind = kind,
                         .event = event,
                         .has_callback = !legacy,
                         .callback_id = reg->callback_id };

    rpc_client_send_message(reg->client, RPC_PROGRAM_REMOTE,
                            legacy ? kind->legacy_proc : kind->proc,
                            &event_codec, &msg);
}

void event_broker_send(EventBroker *broker, const DriverEvent *event)
{
    const EventKind *kind = kind_find(event->id);

    if (!kind)
        return;
    g_mutex_lock(&broker->lock);
    for (guint i = 0; i < broker->registrations->len; i++) {
        EventRegistration *reg = g_ptr_array_index(broker->registrations, i);

        if (reg->kind != EVENT_CLASS_MONITOR && reg->event_id == event->id &&
            domain_wanted(reg, &event->dom))
            send_to(reg, kind, event);
    }
    g_mutex_unlock(&broker->lock);
}

void event_broker_send_monitor(EventBroker *broker,
                               const DriverMonitorEvent *event)
{
    g_mutex_lock(&broker->lock);
    for (guint i = 0; i < broker->registrations->len; i++) {
        EventRegistration *reg = g_ptr_array_index(broker->registrations, i);
        MonitorMessage msg = { event, reg->callback_id };

        if (reg->kind != EVENT_CLASS_MONITOR ||
            !domain_wanted(reg, &event->dom) ||
            (reg->regex && !g_regex_match(reg->regex, event->event, 0, NULL)))
            continue;
        rpc_client_send_message(reg->client, RPC_PROGRAM_QEMU,
                                QEMU_PROC_MONITOR_EVENT, &monitor_codec, &msg);
    }
    g_mutex_unlock(&broker->lock);
}
