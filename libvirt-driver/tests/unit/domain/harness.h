/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A session driver on a temporary root with the fake VMM, made synchronous. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "domain/domain_priv.h"

typedef struct Harness {
    char *root;
    Driver *drv;
    gboolean system; /* as root: users and namespaces for guests */
    const char *emulator;
    GMutex lock;
    GCond cond;
    GQueue events; /* of char *: "name event/detail id", in order */
} Harness;

int harness_setup(void **state);
int harness_teardown(void **state);
/* Ends the driver and starts another one on the same files. */
void harness_restart(Harness *h);
void harness_start_driver(Harness *h);
void harness_stop_driver(Harness *h);

/* A definition; @append are words for the fake, @more further elements. */
char *harness_xml(Harness *h, const char *name, const char *append,
                  const char *more);
Domain *harness_define(Harness *h, const char *name, const char *append);
Domain *harness_create(Harness *h, const char *name, const char *append);

/* Waits for the callback of an asynchronous call. */
typedef struct Call {
    Harness *h;
    gboolean done;
    char *text;
    GError *error;
    Domain *dom;
} Call;
Call *call_new(Harness *h);
void call_done(gpointer user, Domain *dom, const char *text,
               const GError *error);
/* Frees the call; error (NULL: success) goes to the caller. */
GError *call_wait(Call *call);
void call_ok(Call *call);
/* Wants this code and a part of the text. */
void call_fails(Call *call, int code, const char *text);

/* The next event must be this one; "id" is the event's number if it is no
 * life cycle event: "NAME 2/0 id 1", "NAME #1". */
void expect_event(Harness *h, const char *want);
void expect_no_event(Harness *h);
void expect_state(Domain *dom, int state, int reason);
/* Makes the guest do something. */
void fake_does(Harness *h, Domain *dom, const char *what);

/* Counts of descriptors, threads and children of this process, and of files
 * below the run and lib directories. */
typedef struct Leaks {
    int fds, threads, children, files;
} Leaks;
Leaks count_leaks(Harness *h);
