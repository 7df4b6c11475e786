/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qmp/qmp.h - the monitor server: clients, commands, events. */
#pragma once

#include "chardev/chardev.h"
#include "core/loop.h"
#include "machine/machine.h"
#include "util/err.h"

#include <jansson.h>

/*
 * How this works
 *
 * A QmpServer has any number of monitors, each the consumer of one socket
 * chardev with at most one client at a time.  Everything runs on the main loop.
 *
 *   bytes -> scan() -> request_cut() -> table row -> handler -> reply
 *                                                        machine -> events
 *
 * Requests of one client run one after the other; while a handler is pending
 * (a stop that waits for devices) the client's next request waits, other
 * clients do not.  Events are queued while a turn of the loop runs and written
 * after it, so that the reply to a command precedes the events it caused.
 *
 * A client gets events from its first request on; qmp_capabilities is accepted
 * and not required.
 *
 * What a bad client can do is bounded: a request has at most SCAN_MAX_BYTES
 * and SCAN_MAX_DEPTH, at most QMP_MAX_FDS descriptors wait for commands that
 * take them, and no request is read while more than QMP_OUT_HIGH bytes of
 * replies wait for the client.  A client that leaves QMP_OUT_MAX bytes of
 * events unread is disconnected with a line in the log, never stalls the
 * machine, and finds the state again by query-status after it reconnected.
 */
#define QMP_MAX_FDS  32
#define QMP_OUT_HIGH (64u << 10)
#define QMP_OUT_MAX  (1u << 20)

/* The level of QEMU's QMP that the greeting states. */
#define QMP_QEMU_MAJOR 8
#define QMP_QEMU_MINOR 2
#define QMP_QEMU_MICRO 2

typedef struct QmpServer QmpServer;

int qmp_new(QmpServer **ret_server, Loop *loop, Err *e);
/* Sends what is queued as far as it goes without waiting; drops clients. */
void qmp_free(QmpServer *server);

/**
 * qmp_add() - Add a monitor on a chardev
 * @cd: socket; taken, also on failure
 */
int qmp_add(QmpServer *server, Chardev *cd, Err *e);

/* Starts to serve @machine: clients get their greeting. */
int qmp_start(QmpServer *server, Machine *machine, Err *e);

/**
 * qmp_event() - Tell every client that has made a request
 * @data: borrowed; NULL is an empty object
 */
void qmp_event(QmpServer *server, const char *name, json_t *data);

/* For -describe: arrays sorted by name; new references. */
json_t *qmp_describe_commands(void);
json_t *qmp_describe_events(void);
json_t *qmp_describe_machines(void);
json_t *qmp_version(void); /* {"major":8,"minor":2,"micro":2} */
