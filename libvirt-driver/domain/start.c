/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Starting a domain, from its definition to a running guest.
 *
 *   begin -> prepare host -> status "starting" -> helper -> control group ->
 *   plan sent -> [helper reports] -> monitor -> [greeting] -> threads, ptys ->
 *   status "running" -> cont -> announced
 *
 * Brackets are waits.  Whatever fails calls start_fail(), which kills what
 * runs; the end of the run (stop.c) then undoes the rest and ends the
 * operation.  A run whose process was not made yet ends at once.
 */
#include <config.h>

#include "domain/domain_priv.h"

#include <errno.h>
#include <signal.h>

#include "host/cgroup.h"
#include "security/launch.h"
#include "util/error.h"
#include "util/file.h"
#include "util/log.h"

enum {
    RETRY_MS = 20,
};

static void start_fail_code(DomainProc *proc, int code, const char *text)
{
    g_autoptr(GError) why = NULL;

    vir_error_set(&why, code, "%s", text);
    start_fail(proc, why);
}

void start_fail(DomainProc *proc, const GError *why)
{
    if (!proc->start_error)
        proc->start_error = g_error_copy(why);
    if (proc->pid && !proc->dead) {
        proc_kill(proc, SIGKILL);
        return;
    }
    proc->dead = TRUE;
    proc_check_end(proc);
}

/* ---- Begin ------------------------------------------------------------ */

static DomainDef *live_definition(Domain *dom, const DefRef *from)
{
    DomainDef *live = domain_def_copy(from->def);

    live->id = driver_next_id(dom->drv);
    domain_def_assign_aliases(live);
    return live;
}

/* The domain becomes active under define_lock, so that nobody removes or
 * renames it meanwhile.  NULL: it cannot start, as @error says. */
static DomainProc *begin_locked(DomainOp *op, DomainDef **ret_live,
                                GError **error)
{
    Domain *dom = op->dom;
    g_autoptr(DefRef) from = NULL;
    DomainDef *live;
    DomainProc *proc;
    DefRef *ref;

    if (dom->id >= 0 || dom->removed) {
        if (dom->removed)
            vir_error_set(error, VIR_ERR_NO_DOMAIN,
                          "the domain '%s' was undefined", dom->name);
        else
            vir_error_set(error, VIR_ERR_OPERATION_INVALID,
                          "domain is already running");
        return NULL;
    }
    from = op->def ? def_ref(op->def) : domain_def_snapshot(dom);
    live = *ret_live = live_definition(dom, from);
    ref = def_ref_new(domain_def_copy(live));
    proc = proc_new(dom);
    proc->start_op = op_ref(op);
    proc->paused_start = op->flags & VIR_DOMAIN_START_PAUSED;
    proc->autodestroy = op->flags & VIR_DOMAIN_START_AUTODESTROY;
    proc->conn = op->conn;
    {
        DOMAIN_LOCK(dom);

        dom->proc = proc_ref(proc);
        dom->id = live->id;
        dom->state = VIR_DOMAIN_PAUSED;
        dom->reason = VIR_DOMAIN_PAUSED_STARTING_UP;
        if (dom->persistent)
            dom->new_def = dom->def;
        else
            def_unref(dom->def);
        dom->def = ref;
    }
    driver_count_active(dom->drv, 1);
    return proc;
}

static DomainProc *start_begin(DomainOp *op, DomainDef **ret_live,
                               GError **error)
{
    Driver *drv = op->dom->drv;
    DomainProc *proc;

    g_mutex_lock(&drv->define_lock);
    proc = begin_locked(op, ret_live, error);
    g_mutex_unlock(&drv->define_lock);
    return proc;
}

/* ---- Launch ----------------------------------------------------------- */

static gboolean join_cgroup(DomainProc *proc, LaunchPlan *plan, GError **error)
{
    Domain *dom = proc->dom;
    g_autofree char *name = domain_name(dom);
    CgroupRequest req = { name, dom->uuid, dom->id, proc->pid,
                          dom->drv->config->use_machined };
    int fd, number;

    if (!dom->drv->config->use_cgroup)
        return TRUE;
    if (!cgroup_create(&req, &proc->cgroup, error))
        return FALSE;
    if (!proc->cgroup)
        return TRUE;
    fd = cgroup_open_emulator(proc->cgroup, error);
    if (fd < 0)
        return FALSE;
    number = launch_plan_add_fd(plan, fd);
    g_array_append_val(plan->cgroups, number);
    return TRUE;
}

static gboolean spawn(DomainProc *proc, LaunchPlan *plan, GError **error)
{
    Driver *drv = proc->dom->drv;
    pid_t pid;

    if (!launch_spawn(drv->config->launch_helper, &pid, &proc->pidfd,
                      &proc->launch_fd, error))
        return FALSE;
    proc->pid = pid;
    proc_watch_end(proc);
    if (!pid_start_time(pid, &proc->start_time))
        return vir_error_set(error, VIR_ERR_OPERATION_FAILED,
                             "the launch helper ended at once");
    return !driver_fault(drv, "spawn", error) &&
           join_cgroup(proc, plan, error) &&
           !driver_fault(drv, "cgroup", error) && status_save(proc, error) &&
           launch_send(plan, proc->launch_fd, error) &&
           !driver_fault(drv, "send", error);
}

static void start_deadline(Domain *dom, gpointer data)
{
    DomainProc *proc = data;

    start_fail_code(proc, VIR_ERR_OPERATION_TIMEOUT,
                    "the VMM did not come up in time (start_timeout in "
                    "stratovirt.conf)");
}

static void start_reported(DomainProc *proc);

static gboolean start_launch(DomainProc *proc, DomainDef *live, GError **error)
{
    Driver *drv = proc->dom->drv;
    g_autoptr(LaunchPlan) plan = launch_plan_new();
    DomainCapsLimits limits;

    driver_limits(drv, &limits);
    /* Stored definitions were read without asking what the host can do. */
    if (!domain_def_validate(live, &limits, error) ||
        !prepare_host(proc, live, plan, error))
        return FALSE;
    domain_take_def(proc->dom, def_ref_new(domain_def_copy(live)));
    if (!status_save(proc, error) || driver_fault(drv, "status", error) ||
        !spawn(proc, plan, error))
        return FALSE;
    proc->timer = domain_timer_start(proc->dom, drv->config->start_timeout_ms,
                                     start_deadline, proc);
    proc_wait_fd(proc, proc->launch_fd, start_reported);
    return TRUE;
}

void start_run(DomainOp *op)
{
    g_autoptr(DomainDef) live = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(DomainProc) proc = start_begin(op, &live, &error);

    if (!proc)
        op_end(op, NULL, error);
    else if (!start_launch(proc, live, &error))
        start_fail(proc, error);
}

/* ---- After the waits -------------------------------------------------- */

static void monitor_retry(Domain *dom, gpointer data);

static void start_connect(DomainProc *proc)
{
    g_autoptr(GError) error = NULL;

    if (proc->start_error || proc->dead || proc->destroyed)
        return;
    if (!driver_fault(proc->dom->drv, "connect", &error) &&
        monitor_open(proc, &error))
        return;
    /* A VMM that makes the socket itself may not have come that far; one
     * that was given a listener and refuses has ended, its log says why. */
    if (!vmm_caps_has(proc->info->caps, VMM_FEATURE_CHARDEV_FD) &&
        vir_error_errno(error))
        proc->eof_timer =
            domain_timer_start(proc->dom, RETRY_MS, monitor_retry, proc);
    else if (vir_error_errno(error) == ECONNREFUSED)
        proc_kill(proc, SIGKILL);
    else
        start_fail(proc, error);
}

static void monitor_retry(Domain *dom, gpointer data)
{
    DomainProc *proc = data;

    g_clear_pointer(&proc->eof_timer, domain_timer_stop);
    if (dom->proc == proc)
        start_connect(proc);
}

static void start_reported(DomainProc *proc)
{
    g_autoptr(GError) error = NULL;
    gboolean ok = launch_report(proc->launch_fd, &error) &&
                  !driver_fault(proc->dom->drv, "exec", &error);

    fd_clear(&proc->launch_fd);
    if (proc->start_error || proc->destroyed)
        return; /* ends by itself */
    if (!ok)
        start_fail(proc, error);
    else
        start_connect(proc);
}

static void start_cont_done(DomainOp *op, json_t *ret, const GError *error);
static void start_chardevs_done(DomainOp *op, json_t *ret, const GError *error);
static void start_cpus_done(DomainOp *op, json_t *ret, const GError *error);

/* FALSE when the start is over already or is now. */
static gboolean start_step(DomainOp *op, const char *step, const GError *error)
{
    DomainProc *proc = op->dom->proc;
    g_autoptr(GError) fault = NULL;

    if (!proc || proc->start_op != op || proc->start_error || proc->destroyed)
        return FALSE;
    if (error)
        start_fail(proc, error);
    else if (driver_fault(op->dom->drv, step, &fault))
        start_fail(proc, fault);
    else
        return TRUE;
    return FALSE;
}

void start_monitor_ready(DomainProc *proc)
{
    if (start_step(proc->start_op, "greeting", NULL))
        qmp_query_cpus(proc->qmp, op_reply_cb,
                       op_reply_new(proc->start_op, start_cpus_done));
}

static void start_cpus_done(DomainOp *op, json_t *ret, const GError *error)
{
    if (!start_step(op, "query-cpus", error))
        return;
    proc_take_threads(op->dom->proc, ret);
    proc_place_iothreads(op->dom->proc);
    qmp_query_chardev(op->dom->proc->qmp, op_reply_cb,
                      op_reply_new(op, start_chardevs_done));
}

/* The guest runs (or is ready to): say so. */
static void start_announce(DomainProc *proc)
{
    Domain *dom = proc->dom;
    DomainOp *op = g_steal_pointer(&proc->start_op);

    g_clear_pointer(&proc->timer, domain_timer_stop);
    proc->announced = TRUE;
    if (proc->paused_start)
        domain_set_state(dom, VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_USER);
    else
        domain_set_state(dom, VIR_DOMAIN_RUNNING, VIR_DOMAIN_RUNNING_BOOTED);
    status_update(dom);
    event_lifecycle(dom, VIR_DOMAIN_EVENT_STARTED,
                    VIR_DOMAIN_EVENT_STARTED_BOOTED);
    if (proc->paused_start)
        event_lifecycle(dom, VIR_DOMAIN_EVENT_SUSPENDED,
                        VIR_DOMAIN_EVENT_SUSPENDED_PAUSED);
    op_end(op, NULL, NULL);
    op_unref(op);
}

static void start_chardevs_done(DomainOp *op, json_t *ret, const GError *error)
{
    DomainProc *proc = op->dom->proc;
    g_autoptr(GError) err = NULL;

    if (!start_step(op, "query-chardev", error))
        return;
    proc_take_ptys(proc, ret);
    proc->phase = PROC_RUNNING;
    if (!status_save(proc, &err) ||
        driver_fault(op->dom->drv, "status-running", &err)) {
        start_fail(proc, err);
        return;
    }
    if (proc->paused_start)
        start_announce(proc);
    else
        qmp_cont(proc->qmp, op_reply_cb, op_reply_new(op, start_cont_done));
}

static void start_cont_done(DomainOp *op, json_t *ret, const GError *error)
{
    if (start_step(op, "cont", error))
        start_announce(op->dom->proc);
}

/* ---- Calls ------------------------------------------------------------ */

void start_from(Domain *dom, DefRef *ref, guint flags, gconstpointer conn,
                DriverDone done, gpointer user)
{
    DomainOp *op = op_new(dom, "start", start_run, flags, done, user);

    op->operation = VIR_DOMAIN_JOB_OPERATION_START;
    op->conn = conn;
    op->def = ref;
    op_submit(op);
}

void domain_start_async(Domain *dom, guint flags, gconstpointer conn,
                        DriverDone done, gpointer user)
{
    start_from(dom, NULL, flags, conn, done, user);
}
