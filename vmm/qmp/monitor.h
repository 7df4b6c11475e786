/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qmp/monitor.h - one monitor: framing, queues, the client's descriptors. */
#pragma once

#include "qmp/command.h"
#include "qmp/scan.h"

struct Monitor {
    List link;         /* in the server's list */
    QmpServer *server; /* borrowed */
    Chardev *cd;       /* owned */
    bool attached;
    bool connected;
    bool heard; /* made a request: gets events */
    bool dead;  /* being disconnected: nothing more is read or written */

    char *in; /* owned: bytes not consumed yet */
    size_t in_len;
    size_t in_cap;
    Scanner scanner;

    char *out; /* owned: bytes the chardev has no room for yet */
    size_t out_len;
    size_t out_cap;

    QmpCall *pending; /* borrowed: request in progress, it frees itself */
    bool processing;  /* in monitor_process(): no recursion */
    int fds[QMP_MAX_FDS];
    unsigned num_fds; /* descriptors received and not taken */
};

struct QmpServer {
    Loop *loop;       /* borrowed */
    Machine *machine; /* borrowed; NULL before qmp_start() */
    List monitors;
    json_t *events; /* owned: array of texts not written yet */
    Work flush;
};

int monitor_new(Monitor **ret_mon, QmpServer *server, Chardev *cd, Err *e);
void monitor_free(Monitor *mon);
int monitor_attach(Monitor *mon, Err *e);

/* Queues a line; @event: the client may be dropped for not reading. */
void monitor_send(Monitor *mon, const char *text, bool event);
/* Tries once more to hand the queue to the chardev. */
void monitor_flush(Monitor *mon);
/* The pending request was answered: goes on with the next one. */
void monitor_resume(Monitor *mon);

/* dispatch.c: carries out one request of [buf, buf + len). */
void qmp_dispatch(Monitor *mon, const char *buf, size_t len);
/* An error reply to something that never became a call. @id: JSON or NULL */
void qmp_refuse(Monitor *mon, QmpClass cls, const char *id, const char *desc);
