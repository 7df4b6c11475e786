/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * machine/request.c - run state: stop, cont, reset, power off, quit.
 *
 * One Op runs at a time.  A step that waits for devices (they drain on their
 * own loops) counts them in `pending` and goes on in `pending_next` when the
 * last one called back.  Guest requests arrive as bits from vCPU threads and
 * are looked at on the main loop in the order shutdown, failure, reset.
 */
#include <config.h>

#include "machine/machine_priv.h"

#include "util/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *const run_state_names[] = {
    [RUN_STATE_PAUSED] = "paused",
    [RUN_STATE_RUNNING] = "running",
    [RUN_STATE_SHUTDOWN] = "shutdown",
    [RUN_STATE_GUEST_PANICKED] = "guest-panicked",
    [RUN_STATE_INTERNAL_ERROR] = "internal-error",
    [RUN_STATE_IO_ERROR] = "io-error",
};

const char *const exit_cause_names[] = {
    [EXIT_CAUSE_SHUTDOWN] = "shutdown", [EXIT_CAUSE_RESET] = "reset",
    [EXIT_CAUSE_PANIC] = "panic",       [EXIT_CAUSE_QUIT] = "quit",
    [EXIT_CAUSE_SIGNAL] = "signal",     [EXIT_CAUSE_ERROR] = "error",
    [EXIT_CAUSE_SECCOMP] = "seccomp",
};

static void run_next(Machine *m);

/* Takes @data. */
void machine_event(Machine *m, const char *name, json_t *data)
{
    if (m->listener.event)
        m->listener.event(m->listener.opaque, name, data);
    json_decref(data);
}

static json_t *cause_data(bool guest, const char *reason)
{
    return json_pack("{s:b, s:s}", "guest", guest, "reason", reason);
}

static void set_state(Machine *m, RunState state, const char *reason)
{
    m->state = state;
    m->reason = reason;
}

/* --- the queue ----------------------------------------------------------- */

static void op_finish(Machine *m, int r, const Err *e)
{
    Op *op = m->op;

    m->op = NULL;
    if (op->done)
        op->done(op->opaque, r, e);
    free(op);
    run_next(m);
}

static Op *op_queue(Machine *m, OpKind kind, MachineDoneFn *done, void *opaque)
{
    Op *op = calloc(1, sizeof(*op));
    Err e = ERR_INIT;

    if (!op) {
        err_set(&e, ENOMEM, "out of memory");
        if (done)
            done(opaque, -ENOMEM, &e);
        return NULL;
    }
    op->kind = kind;
    op->target = RUN_STATE_PAUSED;
    op->done = done;
    op->opaque = opaque;
    list_add_tail(&m->ops, &op->link);
    return op;
}

/* --- waiting for devices ------------------------------------------------- */

static void device_done(void *opaque)
{
    Machine *m = opaque;

    if (--m->pending == 0 && !m->quitting)
        m->pending_next(m);
}

typedef void DeviceFn(VirtioDev *vdev, VirtioDoneFn *done, void *opaque);

static void for_all_devices(Machine *m, DeviceFn *fn, void (*next)(Machine *m))
{
    m->pending = 1; /* ours: a callback may come before the call returns */
    m->pending_next = next;
    for (unsigned i = 0; i < m->num_devs; i++)
        if (m->devs[i].vdev) {
            m->pending++;
            fn(m->devs[i].vdev, device_done, m);
        }
    device_done(m);
}

/* --- stop and cont ------------------------------------------------------- */

static void stopped(Machine *m)
{
    hv_clock_save(m->hv);
    set_state(m, m->op->target, m->op->reason);
    machine_event(m, "STOP", NULL);
    op_finish(m, 0, NULL);
}

static void op_stop(Machine *m)
{
    if (m->state != RUN_STATE_RUNNING) {
        if (m->op->target != RUN_STATE_PAUSED)
            set_state(m, m->op->target, m->op->reason);
        machine_event(m, "STOP", NULL);
        op_finish(m, 0, NULL);
        return;
    }
    vcpus_stop(m);
    for_all_devices(m, virtio_pause, stopped);
}

static void resumed(Machine *m)
{
    hv_clock_restore(m->hv);
    vcpus_clock_changed(m);
    set_state(m, RUN_STATE_RUNNING, NULL);
    vcpus_run(m);
    machine_event(m, "RESUME", NULL);
    op_finish(m, 0, NULL);
}

static void op_cont(Machine *m)
{
    Err e = ERR_INIT;
    int r;

    if (m->state == RUN_STATE_RUNNING) {
        machine_event(m, "RESUME", NULL);
        op_finish(m, 0, NULL);
        return;
    }
    if (m->state != RUN_STATE_PAUSED && m->state != RUN_STATE_IO_ERROR) {
        err_set(&e, EPERM,
                "the machine is in state '%s' and must be reset "
                "(system_reset) before it can run",
                run_state_names[m->state]);
        op_finish(m, -EPERM, &e);
        return;
    }
    r = machine_drives_lock(m, &e);
    if (r < 0) {
        op_finish(m, r, &e);
        return;
    }
    for_all_devices(m, virtio_resume, resumed);
}

/* --- reset --------------------------------------------------------------- */

static void reset_resumed(Machine *m)
{
    if (m->was_running) {
        set_state(m, RUN_STATE_RUNNING, NULL);
        vcpus_run(m);
    }
    op_finish(m, 0, NULL);
}

static void reset_devices_done(Machine *m)
{
    Err e = ERR_INIT;
    int r = 0;

    if (m->conf->type == MACHINE_MICROVM)
        microvm_reset(m);
    hv_reset(m->hv);
    if (m->boot)
        r = boot_restore(m->boot, m->gm, &e);
    if (r == 0)
        r = vcpus_reset(m, &e);
    machine_event(m, "RESET",
                  cause_data(m->op->guest, m->op->guest ? "guest-reset"
                                                        : "host-qmp-system-"
                                                          "reset"));
    if (r < 0) {
        log_error("reset failed: %s", e.msg);
        set_state(m, RUN_STATE_INTERNAL_ERROR, "reset-failed");
        op_finish(m, r, &e);
        return;
    }
    set_state(m, RUN_STATE_PAUSED, NULL);
    if (m->was_running)
        reset_resumed(m);
    else
        op_finish(m, 0, NULL);
}

static void op_reset(Machine *m)
{
    m->was_running = m->state == RUN_STATE_RUNNING;
    vcpus_stop(m);
    /* Not paused before: that has no deadline, and a reset has. */
    for_all_devices(m, virtio_reset, reset_devices_done);
}

/* --- running the queue --------------------------------------------------- */

static void run_next(Machine *m)
{
    static void (*const fns[])(Machine * m) = {
        [OP_STOP] = op_stop,
        [OP_CONT] = op_cont,
        [OP_RESET] = op_reset,
    };

    if (m->op || m->quitting || list_empty(&m->ops))
        return;
    m->op = container_of(m->ops.next, Op, link);
    list_del(&m->op->link);
    fns[m->op->kind](m);
}

void machine_stop(Machine *m, MachineDoneFn *done, void *opaque)
{
    op_queue(m, OP_STOP, done, opaque);
    run_next(m);
}

void machine_cont(Machine *m, MachineDoneFn *done, void *opaque)
{
    op_queue(m, OP_CONT, done, opaque);
    run_next(m);
}

void machine_reset(Machine *m, MachineDoneFn *done, void *opaque)
{
    Op *op;

    /* Resets that wait are one reset. */
    list_for_each(pos, &m->ops)
    {
        op = container_of(pos, Op, link);
        if (op->kind == OP_RESET && !op->done && !done)
            return;
    }
    op_queue(m, OP_RESET, done, opaque);
    run_next(m);
}

/* --- what the guest asks for --------------------------------------------- */

static void stop_into(Machine *m, RunState state, const char *reason)
{
    Op *op = op_queue(m, OP_STOP, NULL, NULL);

    if (op) {
        op->target = state;
        op->reason = reason;
    }
    run_next(m);
}

static void end(Machine *m, ExitCause cause, bool guest, const char *detail,
                int status)
{
    m->quitting = true;
    vcpus_stop(m);
    if (m->listener.exit)
        m->listener.exit(m->listener.opaque, cause, guest, detail, status);
}

/* Power off, or a reset that -action turns into one. */
static void guest_shutdown(Machine *m, ExitCause cause, const char *reason)
{
    machine_event(m, "SHUTDOWN", cause_data(true, reason));
    if (m->conf->actions.shutdown == ACTION_SHUTDOWN_PAUSE)
        stop_into(m, RUN_STATE_SHUTDOWN, reason);
    else
        end(m, cause, true, reason, 0);
}

static void guest_reset(Machine *m, bool triple_fault)
{
    ActionReboot action = m->conf->actions.reboot;
    Op *op;

    if (action == ACTION_REBOOT_RESET) {
        op = op_queue(m, OP_RESET, NULL, NULL);
        if (op)
            op->guest = true;
        run_next(m);
        return;
    }
    /* StratoVirt's words for a triple fault, which is its only reset. */
    guest_shutdown(m, EXIT_CAUSE_RESET,
                   triple_fault && action == ACTION_REBOOT_DEFAULT
                       ? "guest-shutdown"
                       : "guest-reset");
}

static void guest_work(void *opaque)
{
    Machine *m = opaque;
    unsigned bits = atomic_exchange(&m->guest_requests, 0);

    if (m->quitting)
        return;
    if (bits & GUEST_REQ_SHUTDOWN)
        guest_shutdown(m, EXIT_CAUSE_SHUTDOWN, "guest-shutdown");
    else if (bits & GUEST_REQ_FAIL)
        stop_into(m, RUN_STATE_INTERNAL_ERROR, "internal-error");
    else if (bits & (GUEST_REQ_RESET | GUEST_REQ_TRIPLE_FAULT))
        guest_reset(m, bits & GUEST_REQ_TRIPLE_FAULT);
}

void machine_guest_request(Machine *m, unsigned bits)
{
    atomic_fetch_or(&m->guest_requests, bits);
    loop_post(m->loop, &m->guest_work);
}

int machine_powerdown(Machine *m, Err *e)
{
    if (!m->acpi_dev)
        return err_set(e, ENOTSUP, "this machine has no power button");
    machine_event(m, "POWERDOWN", NULL);
    acpi_dev_event(m->acpi_dev, ACPI_GED_POWER_BUTTON);
    return 0;
}

void machine_quit(Machine *m, ExitCause cause, const char *detail, int status)
{
    if (m->quitting)
        return;
    if (cause == EXIT_CAUSE_QUIT || cause == EXIT_CAUSE_SIGNAL)
        machine_event(m, "SHUTDOWN", cause_data(false, detail));
    end(m, cause, false, detail, status);
}

/* --- life ---------------------------------------------------------------- */

void machine_requests_init(Machine *m)
{
    list_init(&m->ops);
    work_init(&m->guest_work, guest_work, m);
}

void machine_requests_fini(Machine *m)
{
    Err e = ERR_INIT;

    err_set(&e, ECANCELED, "the machine is going away");
    m->quitting = true;
    loop_unpost(m->loop, &m->guest_work);
    if (m->op)
        list_add_tail(&m->ops, &m->op->link);
    m->op = NULL;
    list_for_each_safe(pos, &m->ops)
    {
        Op *op = container_of(pos, Op, link);

        if (op->done)
            op->done(op->opaque, -ECANCELED, &e);
        free(op);
    }
    list_init(&m->ops);
}

RunState machine_run_state(const Machine *m)
{
    return m->state;
}

const char *machine_state_reason(const Machine *m)
{
    return m->reason;
}

MachineActions *machine_actions(Machine *m)
{
    return &m->conf->actions;
}

const MachineConf *machine_conf(const Machine *m)
{
    return m->conf;
}
