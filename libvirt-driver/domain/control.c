/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is asked of a running domain through its monitor. */
#include <config.h>

#include "domain/domain_priv.h"

#include "util/error.h"
#include "util/log.h"

/* The monitor, or the operation ends with the reason. Borrowed. */
static QmpClient *require_monitor(DomainOp *op)
{
    DomainProc *proc = op->dom->proc;

    if (!proc || !proc->announced) {
        op_end_set(op, VIR_ERR_OPERATION_INVALID, "domain is not running");
        return NULL;
    }
    if (!proc->qmp) {
        op_end_set(op, VIR_ERR_OPERATION_FAILED,
                   "the VMM's monitor is not connected");
        return NULL;
    }
    return proc->qmp;
}

static void simple_done(DomainOp *op, json_t *ret, const GError *error)
{
    op_end(op, NULL, error);
}

static void submit(Domain *dom, const char *name, void (*run)(DomainOp *op),
                   guint flags, DriverDone done, gpointer user)
{
    op_submit(op_new(dom, name, run, flags, done, user));
}

/* ---- Suspend and resume ----------------------------------------------- */

static void suspend_done(DomainOp *op, json_t *ret, const GError *error)
{
    Domain *dom = op->dom;

    if (!error && dom->state == VIR_DOMAIN_RUNNING) {
        domain_set_state(dom, VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_USER);
        status_update(dom);
        event_lifecycle(dom, VIR_DOMAIN_EVENT_SUSPENDED,
                        VIR_DOMAIN_EVENT_SUSPENDED_PAUSED);
    } else if (!error && dom->state == VIR_DOMAIN_PAUSED) {
        /* The event came first. */
        domain_set_state(dom, VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_USER);
        status_update(dom);
    }
    op_end(op, NULL, error);
}

static void suspend_run(DomainOp *op)
{
    QmpClient *qmp = require_monitor(op);

    if (!qmp)
        return;
    if (op->dom->state == VIR_DOMAIN_PAUSED)
        op_end(op, NULL, NULL);
    else if (op->dom->state == VIR_DOMAIN_PMSUSPENDED)
        op_end_set(op, VIR_ERR_OPERATION_INVALID, "domain is pmsuspended");
    else
        qmp_stop(qmp, op_reply_cb, op_reply_new(op, suspend_done));
}

void domain_suspend_async(Domain *dom, DriverDone done, gpointer user)
{
    submit(dom, "suspend", suspend_run, 0, done, user);
}

static void resume_done(DomainOp *op, json_t *ret, const GError *error)
{
    Domain *dom = op->dom;

    if (!error && dom->state == VIR_DOMAIN_PAUSED) {
        domain_set_state(dom, VIR_DOMAIN_RUNNING, VIR_DOMAIN_RUNNING_UNPAUSED);
        status_update(dom);
        event_lifecycle(dom, VIR_DOMAIN_EVENT_RESUMED,
                        VIR_DOMAIN_EVENT_RESUMED_UNPAUSED);
    }
    op_end(op, NULL, error);
}

static void resume_run(DomainOp *op)
{
    QmpClient *qmp = require_monitor(op);

    if (!qmp)
        return;
    if (op->dom->state == VIR_DOMAIN_RUNNING)
        op_end_set(op, VIR_ERR_OPERATION_INVALID, "domain is already running");
    else if (op->dom->state != VIR_DOMAIN_PAUSED)
        op_end_set(op, VIR_ERR_OPERATION_INVALID,
                   "domain is not in paused state");
    else
        qmp_cont(qmp, op_reply_cb, op_reply_new(op, resume_done));
}

void domain_resume_async(Domain *dom, DriverDone done, gpointer user)
{
    submit(dom, "resume", resume_run, 0, done, user);
}

/* ---- Shutdown, reboot, reset ------------------------------------------ */

static const char *poweroff_action(DomainProc *proc)
{
    g_autoptr(DefRef) ref = domain_def_snapshot(proc->dom);
    int action = ref->def->on_poweroff;

    if (proc->reboot_wanted || action == DOMAIN_ACTION_RESTART)
        return "pause";
    return "poweroff";
}

void proc_set_poweroff(DomainProc *proc)
{
    qmp_set_action_shutdown(proc->qmp, poweroff_action(proc), NULL, NULL);
}

static void shutdown_run(DomainOp *op)
{
    QmpClient *qmp = require_monitor(op);
    DomainProc *proc = op->dom->proc;

    if (!qmp)
        return;
    if (proc->reboot_wanted) { /* this later wish counts */
        proc->reboot_wanted = FALSE;
        proc_set_poweroff(proc);
    }
    qmp_system_powerdown(qmp, op_reply_cb, op_reply_new(op, simple_done));
}

void domain_shutdown_async(Domain *dom, guint flags, DriverDone done,
                           gpointer user)
{
    submit(dom, "shutdown", shutdown_run, flags, done, user);
}

static void reboot_prepared(DomainOp *op, json_t *ret, const GError *error)
{
    DomainProc *proc = op->dom->proc;

    if (error || !proc) {
        if (proc)
            proc->reboot_wanted = FALSE;
        op_end(op, NULL, error);
        return;
    }
    qmp_system_powerdown(proc->qmp, op_reply_cb, op_reply_new(op, simple_done));
}

/* The guest is asked to power off; its VMM waits then and is reset. */
static void reboot_run(DomainOp *op)
{
    QmpClient *qmp = require_monitor(op);

    if (!qmp)
        return;
    if (!proc_restarts_after(op->dom->proc, "guest-reset")) {
        shutdown_run(op); /* <on_reboot>destroy: a reboot ends the run */
        return;
    }
    op->dom->proc->reboot_wanted = TRUE;
    status_update(op->dom); /* a new daemon would have to finish it */
    qmp_set_action_shutdown(qmp, "pause", op_reply_cb,
                            op_reply_new(op, reboot_prepared));
}

void domain_reboot_async(Domain *dom, guint flags, DriverDone done,
                         gpointer user)
{
    submit(dom, "reboot", reboot_run, flags, done, user);
}

static void reset_run(DomainOp *op)
{
    QmpClient *qmp = require_monitor(op);

    if (qmp)
        qmp_system_reset(qmp, op_reply_cb, op_reply_new(op, simple_done));
}

void domain_reset_async(Domain *dom, DriverDone done, gpointer user)
{
    submit(dom, "reset", reset_run, 0, done, user);
}

/* ---- Monitor commands of clients -------------------------------------- */

static void command_done(DomainOp *op, json_t *ret, const GError *error)
{
    char *text = NULL;

    if (!error)
        text = json_is_string(ret)
                   ? strdup(json_string_value(ret))
                   : json_dumps(ret, JSON_COMPACT | JSON_ENCODE_ANY);
    op_end(op, text, error);
    free(text);
}

static void set_tainted(Domain *dom)
{
    gboolean first;

    {
        DOMAIN_LOCK(dom);

        first = !dom->tainted;
        dom->tainted = TRUE;
    }
    if (first)
        log_warning("domain id=%d name='%s' is tainted: custom-monitor",
                    dom->id, dom->name);
}

static void send_json(DomainOp *op, QmpClient *qmp)
{
    json_error_t why;
    json_t *doc = json_loads(op->text, JSON_REJECT_DUPLICATES, &why);
    const char *name = json_string_value(json_object_get(doc, "execute"));
    json_t *arguments = json_object_get(doc, "arguments");

    if (!doc)
        op_end_set(op, VIR_ERR_INVALID_ARG, "the command is no JSON: %s",
                   why.text);
    else if (!name || (arguments && !json_is_object(arguments)))
        op_end_set(op, VIR_ERR_INVALID_ARG,
                   "the command needs a name in \"execute\", and an object "
                   "where it has \"arguments\"");
    else
        qmp_client_execute_raw(qmp, name, json_incref(arguments), op_reply_cb,
                               op_reply_new(op, command_done));
    json_decref(doc);
}

static void command_run(DomainOp *op)
{
    QmpClient *qmp = require_monitor(op);

    if (!qmp)
        return;
    set_tainted(op->dom);
    if (op->flags & DRIVER_MONITOR_FLAGS)
        qmp_hmp(qmp, op->text, op_reply_cb, op_reply_new(op, command_done));
    else
        send_json(op, qmp);
}

void domain_monitor_command_async(Domain *dom, const char *command, guint flags,
                                  DriverDone done, gpointer user)
{
    DomainOp *op =
        op_new(dom, "monitor command", command_run, flags, done, user);

    op->text = g_strdup(command);
    op->no_job = TRUE; /* the monitor takes one at a time anyway */
    op_submit(op);
}
