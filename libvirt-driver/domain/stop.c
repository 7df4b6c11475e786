/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The end of a run, whoever wanted it, and destroying.
 *
 * A run ends when its process is gone and its monitor was read to the end (so
 * that the last events come first).  Why it ended is told by, in this order:
 * a destroy that was asked for, the exit record that the VMM wrote, or the
 * absence of one.
 */
#include <config.h>

#include "domain/domain_priv.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "domain/exit_record.h"
#include "host/cgroup.h"
#include "security/ownership.h"
#include "util/error.h"
#include "util/file.h"
#include "util/log.h"

enum {
    MONITOR_DRAIN_MS = 2000,
    TERM_GRACE_MS = 10000,
    GRACEFUL_MS = 15000,
    GIVE_UP_MS = 30000, /* after TERM_GRACE_MS */
};

typedef struct EndReason {
    int shutoff; /* VIR_DOMAIN_SHUTOFF_* */
    int stopped; /* VIR_DOMAIN_EVENT_STOPPED_* */
} EndReason;

/* Nobody's child but ours leaves a status; of an adopted VMM there is none. */
static void proc_reap(DomainProc *proc)
{
    siginfo_t info = { 0 };

    if (proc->pidfd < 0)
        return;
    while (waitid(P_PIDFD, proc->pidfd, &info, WEXITED | WNOHANG) < 0) {
        if (errno != EINTR)
            return;
    }
    log_debug("process %d ended: code %d, status %d", (int)proc->pid,
              info.si_code, info.si_status);
}

static EndReason end_reason(DomainProc *proc)
{
    static const EndReason destroyed = { VIR_DOMAIN_SHUTOFF_DESTROYED,
                                         VIR_DOMAIN_EVENT_STOPPED_DESTROYED };
    static const EndReason shut = { VIR_DOMAIN_SHUTOFF_SHUTDOWN,
                                    VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN };
    static const EndReason crashed = { VIR_DOMAIN_SHUTOFF_CRASHED,
                                       VIR_DOMAIN_EVENT_STOPPED_CRASHED };
    static const EndReason died = { VIR_DOMAIN_SHUTOFF_CRASHED,
                                    VIR_DOMAIN_EVENT_STOPPED_FAILED };
    static const EndReason failed = { VIR_DOMAIN_SHUTOFF_FAILED,
                                      VIR_DOMAIN_EVENT_STOPPED_FAILED };

    if (proc->destroyed)
        return destroyed;
    switch (exit_record_read(proc->dir)) {
    case EXIT_CAUSE_SHUTDOWN:
    case EXIT_CAUSE_RESET:
    case EXIT_CAUSE_QUIT:
    case EXIT_CAUSE_SIGNAL:
        return shut;
    case EXIT_CAUSE_PANIC:
        return crashed;
    case EXIT_CAUSE_ERROR:
        return failed;
    case EXIT_CAUSE_NONE:
        /* A VMM that keeps no record announces on its monitor. */
        return proc->shutdown_seen ? shut : died;
    default:
        return died;
    }
}

/* Everything on the host that belonged to the run. */
static void release_host(DomainProc *proc)
{
    Driver *drv = proc->dom->drv;
    g_autofree char *name = domain_name(proc->dom);
    g_autofree char *pid_file = path_named(drv->paths.run, name, "pid");
    g_autofree char *status = path_named(drv->paths.run, name, "xml");

    if (proc->cgroup)
        cgroup_remove(proc->cgroup);
    lent_files_return(proc->lent, proc->uid);
    if (proc->dir)
        remove_private_dir(proc->dir);
    file_unlink(status, NULL);
    file_unlink(pid_file, NULL);
    if (proc->uid != (uid_t)-1)
        driver_uid_release(drv, proc->uid);
}

/* The domain is inactive from here on. */
static void become_inactive(DomainProc *proc, const EndReason *reason)
{
    Domain *dom = proc->dom;
    DefRef *old = NULL;
    DomainProc *mine;
    gboolean gone;

    consoles_lost(dom);
    g_mutex_lock(&dom->drv->define_lock);
    {
        DOMAIN_LOCK(dom);

        mine = g_steal_pointer(&dom->proc);
        dom->id = -1;
        dom->state = VIR_DOMAIN_SHUTOFF;
        dom->reason = reason->shutoff;
        dom->control_state = VIR_DOMAIN_CONTROL_OK;
        dom->tainted = FALSE;
        if (dom->new_def) {
            old = dom->def;
            dom->def = g_steal_pointer(&dom->new_def);
        }
        gone = !dom->persistent;
    }
    if (gone)
        driver_list_remove(dom->drv, dom);
    g_mutex_unlock(&dom->drv->define_lock);
    def_unref(old);
    proc_unref(mine);
    driver_count_active(dom->drv, -1);
}

/* What the caller of a failed start is told. */
static GError *start_reason(DomainProc *proc)
{
    g_autofree char *tail = proc_log_tail(proc);
    GError *error = NULL;

    if (proc->destroyed)
        vir_error_set(&error, VIR_ERR_OPERATION_ABORTED,
                      "the domain was destroyed while it started");
    else if (proc->start_error)
        error = g_error_copy(proc->start_error);
    else
        vir_error_set(&error, VIR_ERR_OPERATION_FAILED,
                      "the VMM ended while the domain started");
    if (*tail) {
        char *text =
            g_strdup_printf("%s; end of its log:\n%s", error->message, tail);

        g_free(error->message);
        error->message = text;
    }
    return error;
}

static void end_operations(DomainProc *proc, GError *start_error)
{
    Domain *dom = proc->dom;
    g_autoptr(GError) why = NULL;
    DomainOp *op = g_steal_pointer(&proc->start_op);

    if (op) {
        op_end(op, NULL, start_error);
        op_unref(op);
    }
    vir_error_set(&why, VIR_ERR_OPERATION_INVALID, "domain is not running");
    ops_stopped(dom, why);
    for (guint i = 0; i < proc->destroy_ops->len; i++)
        op_end(g_ptr_array_index(proc->destroy_ops, i), NULL, NULL);
    g_ptr_array_set_size(proc->destroy_ops, 0);
}

void proc_ended(DomainProc *proc)
{
    static const EndReason not_started = { VIR_DOMAIN_SHUTOFF_FAILED, 0 };
    g_autoptr(DomainProc) keep G_GNUC_UNUSED = proc_ref(proc);
    g_autoptr(GError) start_error = NULL;
    EndReason reason = end_reason(proc);

    proc->phase = PROC_GONE;
    g_clear_pointer(&proc->timer, domain_timer_stop);
    g_clear_pointer(&proc->eof_timer, domain_timer_stop);
    proc_close_monitor(proc);
    proc_reap(proc);
    if (proc->start_op)
        start_error = start_reason(proc);
    release_host(proc);
    if (!proc->announced)
        reason = not_started;
    become_inactive(proc, &reason);
    if (proc->announced && !proc->ended_unseen)
        event_lifecycle(proc->dom, VIR_DOMAIN_EVENT_STOPPED, reason.stopped);
    end_operations(proc, start_error);
}

static void monitor_drain_over(Domain *dom, gpointer data)
{
    DomainProc *proc = data;

    if (dom->proc == proc)
        proc_ended(proc);
}

void proc_check_end(DomainProc *proc)
{
    if (!proc->dead || proc->phase == PROC_GONE)
        return;
    if (!proc->qmp || proc->qmp_closed)
        proc_ended(proc);
    else if (!proc->eof_timer)
        proc->eof_timer = domain_timer_start(proc->dom, MONITOR_DRAIN_MS,
                                             monitor_drain_over, proc);
}

/* ---- Destroy ---------------------------------------------------------- */

static void destroy_give_up(Domain *dom, gpointer data)
{
    DomainOp *op = data;
    g_autoptr(GError) error = NULL;

    /* With EBUSY, on which clients try again. */
    vir_error_set_errno(&error, EBUSY,
                        "the VMM of domain '%s' does not end: its process is "
                        "stuck",
                        dom->name);
    if (dom->proc)
        g_ptr_array_remove(dom->proc->destroy_ops, op_ref(op));
    op_end(op, NULL, error);
    op_unref(op);
}

static void destroy_harder(Domain *dom, gpointer data)
{
    DomainOp *op = data;

    proc_kill(dom->proc, SIGKILL);
    g_clear_pointer(&op->timer, domain_timer_stop);
    op->timer = domain_timer_start(dom, GIVE_UP_MS, destroy_give_up, op);
}

static void destroy_run(DomainOp *op)
{
    Domain *dom = op->dom;
    DomainProc *proc = dom->proc;
    gboolean graceful = op->flags & VIR_DOMAIN_DESTROY_GRACEFUL;

    if (!proc) {
        op_end_set(op, VIR_ERR_OPERATION_INVALID, "domain is not running");
        return;
    }
    proc->destroyed = TRUE;
    g_ptr_array_add(proc->destroy_ops, op_ref(op));
    proc_kill(proc, SIGTERM);
    op->timer =
        domain_timer_start(dom, graceful ? GRACEFUL_MS : TERM_GRACE_MS,
                           graceful ? destroy_give_up : destroy_harder, op);
}

static void remove_log(Domain *dom)
{
    g_autofree char *name = domain_name(dom);
    g_autofree char *path = path_named(dom->drv->paths.log, name, "log");

    file_unlink(path, NULL);
}

typedef struct DestroyCall {
    DriverDone done;
    gpointer user;
} DestroyCall;

static void destroy_done_logs(gpointer user, Domain *dom, const char *text,
                              const GError *error)
{
    DestroyCall *call = user;

    if (!error)
        remove_log(dom);
    call->done(call->user, dom, text, error);
    g_free(call);
}

void domain_destroy_async(Domain *dom, guint flags, DriverDone done,
                          gpointer user)
{
    DomainOp *op;

    if (flags & VIR_DOMAIN_DESTROY_REMOVE_LOGS) {
        DestroyCall *call = g_new(DestroyCall, 1);

        *call = (DestroyCall){ done, user };
        done = destroy_done_logs;
        user = call;
    }
    op = op_new(dom, "destroy", destroy_run, flags, done, user);
    op->no_job = TRUE;
    op_submit(op);
}

static void connection_closed_task(Domain *dom, gpointer data)
{
    DomainOp *op;

    if (!dom->proc || !dom->proc->autodestroy || dom->proc->conn != data)
        return;
    op = op_new(dom, "destroy", destroy_run, 0, NULL, NULL);
    op->no_job = TRUE;
    op_submit(op);
}

void driver_connection_closed(Driver *drv, gconstpointer conn)
{
    g_autoptr(GPtrArray) active =
        driver_list(drv, VIR_CONNECT_LIST_DOMAINS_ACTIVE);

    for (guint i = 0; i < active->len; i++)
        domain_post(g_ptr_array_index(active, i), connection_closed_task,
                    (gpointer)conn);
}
