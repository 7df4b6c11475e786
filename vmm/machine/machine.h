/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* machine/machine.h - the virtual machine: run state, requests, queries. */
#pragma once

#include "core/loop.h"
#include "machine/config.h"
#include "util/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * How this works
 *
 * Everything here is called on the main loop unless a comment says otherwise.
 *
 * A request (stop, cont, reset) is queued; one runs at a time and calls its
 * completion on the main loop, since devices drain asynchronously.  Requests
 * of the guest arrive from vCPU threads and join the same queue; among those
 * waiting, quit beats shutdown beats reset.  quit never waits for I/O.
 *
 *   created -> running <-> paused          stop, cont
 *   running -> shutdown                    guest powered off and -no-shutdown
 *   running -> guest-panicked, internal-error
 *
 * News travels upward by the MachineListener given at construction.
 */
typedef struct Machine Machine;

typedef enum RunState {
    RUN_STATE_PAUSED,
    RUN_STATE_RUNNING,
    RUN_STATE_SHUTDOWN, /* powered off, kept by -no-shutdown */
    RUN_STATE_GUEST_PANICKED,
    RUN_STATE_INTERNAL_ERROR, /* a vCPU cannot go on */
    RUN_STATE_IO_ERROR,
    RUN_STATE_MAX,
} RunState;

/* As QMP spells them. */
extern const char *const run_state_names[RUN_STATE_MAX];

/* Why the process ends; the exit record's "cause". */
typedef enum ExitCause {
    EXIT_CAUSE_SHUTDOWN, /* power off */
    EXIT_CAUSE_RESET,    /* the guest reset and the action says shutdown */
    EXIT_CAUSE_PANIC,
    EXIT_CAUSE_QUIT,   /* QMP quit, Ctrl-A X */
    EXIT_CAUSE_SIGNAL, /* SIGTERM, SIGINT, SIGHUP */
    EXIT_CAUSE_ERROR,  /* internal error, failed start */
    EXIT_CAUSE_SECCOMP,
    EXIT_CAUSE_MAX,
} ExitCause;

extern const char *const exit_cause_names[EXIT_CAUSE_MAX];

typedef struct MachineListener {
    /**
     * @name: as QMP: STOP, RESUME, RESET, SHUTDOWN, POWERDOWN, ...
     * @data: borrowed; NULL for an empty object
     */
    void (*event)(void *opaque, const char *name, json_t *data);
    /* The process shall end: vCPUs are stopped. @status: exit status. */
    void (*exit)(void *opaque, ExitCause cause, bool guest, const char *detail,
                 int status);
    void *opaque;
} MachineListener;

/**
 * machine_new() - Build a machine: memory, vCPUs, devices, kernel
 * @conf: borrowed for the machine's life; what it says is "taken" is taken
 *        also on failure
 */
int machine_new(Machine **ret_machine, MachineConf *conf, Loop *loop,
                const MachineListener *listener, Err *e);

/* Starts vCPU and I/O threads; runs unless conf->start_paused. */
int machine_start(Machine *m, Err *e);

/* Stops vCPUs and I/O threads without waiting for I/O, then frees. */
void machine_free(Machine *m);

const MachineConf *machine_conf(const Machine *m);
RunState machine_run_state(const Machine *m);
/* What led to it, or NULL: "guest-shutdown", "host-qmp-quit"... */
const char *machine_state_reason(const Machine *m);
MachineActions *machine_actions(Machine *m); /* set-action changes them */

/* @r: 0 or -errno; @e is valid for the call when @r < 0 */
typedef void MachineDoneFn(void *opaque, int r, const Err *e);

/* Pause. STOP is emitted by every successful call. @done may be NULL. */
void machine_stop(Machine *m, MachineDoneFn *done, void *opaque);
/* Resume; refused after shutdown, panic or internal error until a reset. */
void machine_cont(Machine *m, MachineDoneFn *done, void *opaque);
/* QMP system_reset: always resets, whatever -action says. */
void machine_reset(Machine *m, MachineDoneFn *done, void *opaque);
/* Presses the power button; POWERDOWN. -ENOTSUP: the machine has none. */
int machine_powerdown(Machine *m, Err *e);
/* Ends the process: listener->exit() follows. Idempotent, first cause wins. */
void machine_quit(Machine *m, ExitCause cause, const char *detail, int status);
/* Non-maskable interrupt to every vCPU (inject-nmi). */
int machine_nmi(Machine *m, Err *e);

/* --- queries: new references, ready to be a QMP reply ----------------------
 */

json_t *machine_query_cpus(const Machine *m);
json_t *machine_query_hotpluggable_cpus(const Machine *m);
json_t *machine_query_chardev(const Machine *m);
json_t *machine_query_iothreads(const Machine *m);
json_t *machine_query_block(const Machine *m);
json_t *machine_query_blockstats(const Machine *m);
json_t *machine_query_rx_filter(const Machine *m); /* NICs: mac, state */
/* {"base-memory":N,"plugged-memory":0} */
json_t *machine_query_memory_size(const Machine *m);
/* Devices for the qom-list family: [{"id","type"}], in creation order. */
json_t *machine_query_devices(const Machine *m);
