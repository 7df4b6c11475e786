/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Registering for events, in the style of today and in the two of old. */
#include <config.h>

#include <string.h>

#include "dispatch/event.h"
#include "dispatch/procs.h"
#include "util/error.h"

/* The old style has no message for later ids. */
#define LEGACY_EVENT_MAX VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED

/* Flags of the qemu program's registration. */
#define MONITOR_REGEX  1u
#define MONITOR_NOCASE 2u

/* Any id from 0 up is accepted: a newer client's registration must not fail
 * for an event that never comes. */
static gboolean check_event_id(int id, int max, GError **error)
{
    if (id >= 0 && id <= max)
        return TRUE;
    return vir_error_set_from(error, VIR_FROM_RPC, VIR_ERR_INTERNAL_ERROR,
                              "unsupported event ID %d", id);
}

static RpcVerdict registration_missing(GError **error, int id)
{
    vir_error_set_from(error, VIR_FROM_RPC, VIR_ERR_INTERNAL_ERROR,
                       "domain event callback %d not registered", id);
    return CALL_FAILED;
}

static void filter_set(EventRegistration *reg, const wire_dom *dom)
{
    if (!dom)
        return;
    reg->filtered = TRUE;
    memcpy(reg->uuid, dom->uuid, sizeof(reg->uuid));
}

PROC(event_register)
{
    const wire_a_event_register *a = args;
    EventRegistration reg = { .kind = EVENT_CLASS_CALLBACK,
                              .event_id = a->event };
    wire_r_int *r = ret;

    if (!check_event_id(a->event, G_MAXINT, error))
        return CALL_FAILED;
    filter_set(&reg, a->dom);
    event_broker_add(call_dispatch(call)->events, &reg, call, &r->value);
    return CALL_PENDING;
}

PROC(event_deregister)
{
    const wire_a_int *a = args;

    if (event_broker_remove(call_dispatch(call)->events, rpc_call_client(call),
                            EVENT_CLASS_CALLBACK, a->value))
        return CALL_DONE;
    return registration_missing(error, a->value);
}

static RpcVerdict legacy_add(RpcCall *call, int event_id, GError **error)
{
    EventBroker *broker = call_dispatch(call)->events;
    EventRegistration reg = { .kind = EVENT_CLASS_LEGACY,
                              .event_id = event_id };

    if (event_broker_has_legacy(broker, rpc_call_client(call), event_id)) {
        vir_error_set_from(error, VIR_FROM_RPC, VIR_ERR_INTERNAL_ERROR,
                           "domain event %d already registered", event_id);
        return CALL_FAILED;
    }
    event_broker_add(broker, &reg, call, NULL);
    return CALL_PENDING;
}

static RpcVerdict legacy_remove(RpcCall *call, int event_id, GError **error)
{
    if (event_broker_remove_legacy(call_dispatch(call)->events,
                                   rpc_call_client(call), event_id))
        return CALL_DONE;
    return registration_missing(error, event_id);
}

PROC(event_register_legacy)
{
    wire_r_int *r = ret;

    r->value = 1;
    return legacy_add(call, VIR_DOMAIN_EVENT_ID_LIFECYCLE, error);
}

PROC(event_deregister_legacy)
{
    return legacy_remove(call, VIR_DOMAIN_EVENT_ID_LIFECYCLE, error);
}

PROC(event_register_any_legacy)
{
    const wire_a_int *a = args;

    if (!check_event_id(a->value, LEGACY_EVENT_MAX, error))
        return CALL_FAILED;
    return legacy_add(call, a->value, error);
}

PROC(event_deregister_any_legacy)
{
    const wire_a_int *a = args;

    if (!check_event_id(a->value, LEGACY_EVENT_MAX, error))
        return CALL_FAILED;
    return legacy_remove(call, a->value, error);
}

/* The name to match: exact, or a regular expression when flags say so. */
static gboolean monitor_filter(EventRegistration *reg, const char *name,
                               guint flags, GError **error)
{
    g_autofree char *escaped = NULL;
    g_autofree char *exact = NULL;
    g_autoptr(GError) cause = NULL;

    if (!name)
        return TRUE;
    if (!(flags & MONITOR_REGEX)) {
        escaped = g_regex_escape_string(name, -1);
        exact = g_strdup_printf("^%s$", escaped);
    }
    reg->regex =
        g_regex_new(exact ? exact : name,
                    (flags & MONITOR_NOCASE) ? G_REGEX_CASELESS : 0, 0, &cause);
    if (reg->regex)
        return TRUE;
    return vir_error_set(error, VIR_ERR_INVALID_ARG,
                         "the event pattern '%s' is no regular expression: %s",
                         name, cause->message);
}

PROC(monitor_event_register)
{
    const wire_a_monitor_event_register *a = args;
    EventRegistration reg = { .kind = EVENT_CLASS_MONITOR };
    wire_r_int *r = ret;

    if (!call_check_flags(call, a->flags, MONITOR_REGEX | MONITOR_NOCASE,
                          error) ||
        !monitor_filter(&reg, wire_str_opt_get(a->event), a->flags, error))
        return CALL_FAILED;
    filter_set(&reg, a->dom);
    event_broker_add(call_dispatch(call)->events, &reg, call, &r->value);
    return CALL_PENDING;
}

PROC(monitor_event_deregister)
{
    const wire_a_int *a = args;

    if (event_broker_remove(call_dispatch(call)->events, rpc_call_client(call),
                            EVENT_CLASS_MONITOR, a->value))
        return CALL_DONE;
    return registration_missing(error, a->value);
}
