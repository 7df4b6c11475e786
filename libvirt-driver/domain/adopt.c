/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* After a restart of the daemon: guests that went on, ended, or half started.
 *
 * A guest is the one of the status file when the host has not booted since
 * and the process has the same start time; from then on a pidfd names it.
 * One that was still starting is killed: its pid is in the status file before
 * its launch helper may go on, and a helper without daemon ends by itself.
 */
#include <config.h>

#include "domain/domain_priv.h"

#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/error.h"
#include "util/file.h"
#include "util/log.h"

/* Opens a pidfd if that process is the one that started then. */
static int open_process(pid_t pid, guint64 start_time)
{
    guint64 now;
    AUTO_FD fd = -1;

    if (pid <= 0)
        return -1;
    fd = syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0 || !pid_start_time(pid, &now) || now != start_time)
        return -1;
    return fd_steal(&fd);
}

/* A process that nobody has waited for still has its number. */
static gboolean has_ended(int pidfd)
{
    struct pollfd p = { .fd = pidfd, .events = POLLIN };

    return poll(&p, 1, 0) > 0;
}

static gboolean find_process(DomainProc *proc)
{
    g_autofree char *boot_id = host_boot_id();

    if (g_strcmp0(boot_id, proc->boot_id) == 0)
        proc->pidfd = open_process(proc->pid, proc->start_time);
    return proc->pidfd >= 0 && !has_ended(proc->pidfd);
}

static void adopt_failed(DomainProc *proc, const GError *why)
{
    log_error("guest '%s' runs, but its monitor does not answer: %s",
              proc->dom->name, why->message);
    domain_set_control(proc->dom, VIR_DOMAIN_CONTROL_ERROR);
}

static void adopt_running(DomainProc *proc)
{
    g_autoptr(DefRef) ref = domain_def_snapshot(proc->dom);
    g_autoptr(GError) error = NULL;

    proc->info = driver_probe(proc->dom->drv, ref->def->emulator, &error);
    if (!proc->info)
        log_warning("guest '%s': %s", proc->dom->name, error->message);
    g_clear_error(&error);
    if (!monitor_open(proc, &error))
        adopt_failed(proc, error);
}

/* Its connection is gone with the daemon that served it. */
static void destroy_orphan(DomainProc *proc)
{
    proc->destroyed = TRUE;
    proc_kill(proc, SIGKILL);
}

static void adopt_task(Domain *dom, gpointer unused)
{
    DomainProc *proc = dom->proc;

    if (!proc)
        return;
    if (!find_process(proc)) {
        proc->dead = TRUE;
        proc->ended_unseen = TRUE; /* shown as state, not told as news */
        proc_check_end(proc);
        return;
    }
    proc_watch_end(proc);
    if (proc->phase == PROC_STARTING)
        proc_kill(proc, SIGKILL);
    else if (proc->autodestroy)
        destroy_orphan(proc);
    else
        adopt_running(proc);
}

/* A daemon that died between making a guest's directory and noting it left
 * an empty one. */
static void sweep_directories(Driver *drv, GPtrArray *active)
{
    g_autoptr(GHashTable) known =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GDir) dir = g_dir_open(drv->paths.lib, 0, NULL);
    const char *name;

    for (guint i = 0; i < active->len; i++) {
        g_autoptr(DomainProc) proc =
            domain_proc_ref(g_ptr_array_index(active, i));

        if (proc && proc->dir)
            g_hash_table_add(known, g_path_get_basename(proc->dir));
    }
    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(drv->paths.lib, name, NULL);

        if (g_str_has_prefix(name, "domain-") &&
            !g_hash_table_contains(known, name))
            remove_private_dir(path);
    }
}

void adopt_all(Driver *drv)
{
    g_autoptr(GPtrArray) active =
        driver_list(drv, VIR_CONNECT_LIST_DOMAINS_ACTIVE);

    sweep_directories(drv, active);
    for (guint i = 0; i < active->len; i++)
        domain_post(g_ptr_array_index(active, i), adopt_task, NULL);
}

/* ---- The monitor answers again ---------------------------------------- */

static void take_state(DomainProc *proc, QmpRunState state, const char *cause)
{
    Domain *dom = proc->dom;

    switch (state) {
    case QMP_RUN_RUNNING:
        if (dom->state != VIR_DOMAIN_RUNNING)
            domain_set_state(dom, VIR_DOMAIN_RUNNING,
                             VIR_DOMAIN_RUNNING_UNKNOWN);
        break;
    case QMP_RUN_PAUSED:
        if (dom->state != VIR_DOMAIN_PAUSED)
            domain_set_state(dom, VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_UNKNOWN);
        break;
    case QMP_RUN_IO_ERROR:
        domain_set_state(dom, VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_IOERROR);
        break;
    case QMP_RUN_PANICKED:
        domain_set_state(dom, VIR_DOMAIN_CRASHED, VIR_DOMAIN_CRASHED_PANICKED);
        break;
    case QMP_RUN_SHUTDOWN: /* waits for us, see build_actions() of vmmcmd/ */
        if (g_strcmp0(cause, "guest-reset") == 0 &&
            !proc_restarts_after(proc, cause))
            qmp_quit(proc->qmp, NULL, NULL);
        else
            proc_restart_in_place(proc);
        break;
    default:
        break;
    }
    status_update(dom);
}

/* FALSE when the run is over or its monitor of no use. */
static gboolean adopt_step(DomainOp *op, const GError *error)
{
    if (!op->dom->proc || !op->dom->proc->qmp)
        return FALSE;
    if (error && !op->dom->proc->qmp_closed && !op->dom->proc->destroyed)
        adopt_failed(op->dom->proc, error);
    return !error;
}

static void adopt_cpus_done(DomainOp *op, json_t *ret, const GError *error)
{
    if (adopt_step(op, error))
        proc_take_threads(op->dom->proc, ret);
}

static void adopt_chardevs_done(DomainOp *op, json_t *ret, const GError *error)
{
    if (!adopt_step(op, error))
        return;
    proc_take_ptys(op->dom->proc, ret);
    qmp_query_cpus(op->dom->proc->qmp, op_reply_cb,
                   op_reply_new(op, adopt_cpus_done));
}

static void adopt_status_done(DomainOp *op, json_t *ret, const GError *error)
{
    if (!adopt_step(op, error))
        return;
    take_state(op->dom->proc, qmp_query_status_parse(ret),
               json_string_value(json_object_get(ret, "cause")));
    qmp_query_chardev(op->dom->proc->qmp, op_reply_cb,
                      op_reply_new(op, adopt_chardevs_done));
}

void adopt_monitor_ready(DomainProc *proc)
{
    DomainOp *op = op_new(proc->dom, "adopt", NULL, 0, NULL, NULL);

    qmp_query_status(proc->qmp, op_reply_cb,
                     op_reply_new(op, adopt_status_done));
    op_unref(op);
}
