/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who wants to hear of which event, and how it goes out on the wire.
 *
 * The broker holds all registrations of all clients under one lock, which is
 * held while an event is queued for them: queueing never blocks.  A
 * registration's reply is queued under the same lock, so that no event can
 * overtake it.
 */
#pragma once

#include "dispatch/conn.h"

typedef enum EventClass {
    EVENT_CLASS_CALLBACK, /* messages carry a callback id */
    EVENT_CLASS_LEGACY,   /* messages without; one registration an event id */
    EVENT_CLASS_MONITOR   /* monitor events of the qemu program */
} EventClass;

typedef struct EventRegistration {
    EventClass kind;
    int callback_id;
    int event_id;      /* VIR_DOMAIN_EVENT_ID_*; unused for monitor events */
    gboolean filtered; /* only for the domain below */
    guint8 uuid[DRIVER_UUID_BYTES];
    GRegex *regex;     /* owned; monitor event names; NULL: all */
    RpcClient *client; /* reference */
} EventRegistration;

EventBroker *event_broker_new(void);
void event_broker_free(EventBroker *broker);

/* Takes @reg's contents, gives it a callback id, answers the call. */
void event_broker_add(EventBroker *broker, EventRegistration *reg,
                      RpcCall *call, int *ret_callback_id);
/* How many legacy registrations a client has for an event id. */
gboolean event_broker_has_legacy(EventBroker *broker, RpcClient *client,
                                 int event_id);
/* FALSE: there is no such registration. */
gboolean event_broker_remove(EventBroker *broker, RpcClient *client,
                             EventClass kind, int callback_id);
gboolean event_broker_remove_legacy(EventBroker *broker, RpcClient *client,
                                    int event_id);
/* The connection is gone. */
void event_broker_drop(EventBroker *broker, RpcClient *client);

void event_broker_send(EventBroker *broker, const DriverEvent *event);
void event_broker_send_monitor(EventBroker *broker,
                               const DriverMonitorEvent *event);
