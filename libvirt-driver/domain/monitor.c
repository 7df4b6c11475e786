/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The monitor of a run: connecting, and what its events mean.
 *
 * The client calls on the loop's thread; each call becomes a task on the
 * domain's strand, in order.
 */
#include <config.h>

#include "domain/domain_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "host/cgroup.h"
#include "util/error.h"
#include "util/file.h"
#include "util/log.h"

enum {
    END_GRACE_MS = 10000, /* from the monitor's end to the process's */
};

/* ---- Events ----------------------------------------------------------- */

static void on_stop(DomainProc *proc, const QmpEvent *event)
{
    Domain *dom = proc->dom;

    if (dom->state != VIR_DOMAIN_RUNNING)
        return; /* known already: our own stop, or an end under way */
    domain_set_state(dom, VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_UNKNOWN);
    status_update(dom);
    event_lifecycle(dom, VIR_DOMAIN_EVENT_SUSPENDED,
                    VIR_DOMAIN_EVENT_SUSPENDED_PAUSED);
}

static void on_resume(DomainProc *proc, const QmpEvent *event)
{
    Domain *dom = proc->dom;

    if (dom->state != VIR_DOMAIN_PAUSED)
        return;
    domain_set_state(dom, VIR_DOMAIN_RUNNING, VIR_DOMAIN_RUNNING_UNPAUSED);
    status_update(dom);
    event_lifecycle(dom, VIR_DOMAIN_EVENT_RESUMED,
                    VIR_DOMAIN_EVENT_RESUMED_UNPAUSED);
}

void proc_restart_in_place(DomainProc *proc)
{
    proc->reboot_wanted = FALSE;
    proc->shutdown_seen = FALSE;
    proc_set_poweroff(proc);
    qmp_system_reset(proc->qmp, NULL, NULL);
    qmp_cont(proc->qmp, NULL, NULL);
    domain_set_state(proc->dom, VIR_DOMAIN_RUNNING, VIR_DOMAIN_RUNNING_BOOTED);
    status_update(proc->dom);
}

static int live_action(Domain *dom, gsize offset)
{
    g_autoptr(DefRef) ref = domain_def_snapshot(dom);

    return G_STRUCT_MEMBER(int, ref->def, offset);
}

gboolean proc_restarts_after(DomainProc *proc, const char *reason)
{
    gsize action = g_strcmp0(reason, "guest-reset") == 0
                       ? G_STRUCT_OFFSET(DomainDef, on_reboot)
                       : G_STRUCT_OFFSET(DomainDef, on_poweroff);

    return live_action(proc->dom, action) == DOMAIN_ACTION_RESTART;
}

static void on_shutdown(DomainProc *proc, const QmpEvent *event)
{
    Domain *dom = proc->dom;
    gboolean guest = json_is_true(json_object_get(event->data, "guest"));
    const char *reason =
        json_string_value(json_object_get(event->data, "reason"));

    if (proc->reboot_wanted ||
        (guest && !proc->destroyed && proc_restarts_after(proc, reason))) {
        proc_restart_in_place(proc);
        return;
    }
    /* A VMM that waits for a restart after power-off waits after a reboot
     * that ends the run, too. */
    if (live_action(dom, G_STRUCT_OFFSET(DomainDef, on_poweroff)) ==
        DOMAIN_ACTION_RESTART)
        qmp_quit(proc->qmp, NULL, NULL);
    proc->shutdown_seen = TRUE;
    domain_set_state(dom, VIR_DOMAIN_SHUTDOWN, VIR_DOMAIN_SHUTDOWN_UNKNOWN);
    event_lifecycle(dom, VIR_DOMAIN_EVENT_SHUTDOWN,
                    guest ? VIR_DOMAIN_EVENT_SHUTDOWN_GUEST
                          : VIR_DOMAIN_EVENT_SHUTDOWN_HOST);
}

static void on_reset(DomainProc *proc, const QmpEvent *event)
{
    event_simple(proc->dom, VIR_DOMAIN_EVENT_ID_REBOOT);
}

static void on_panic(DomainProc *proc, const QmpEvent *event)
{
    Domain *dom = proc->dom;
    int action = live_action(dom, G_STRUCT_OFFSET(DomainDef, on_crash));

    domain_set_state(dom, VIR_DOMAIN_CRASHED, VIR_DOMAIN_CRASHED_PANICKED);
    status_update(dom);
    event_lifecycle(dom, VIR_DOMAIN_EVENT_CRASHED,
                    VIR_DOMAIN_EVENT_CRASHED_PANICKED);
    if (action == DOMAIN_ACTION_RESTART)
        proc_restart_in_place(proc);
}

static void on_io_error(DomainProc *proc, const QmpEvent *event)
{
    Domain *dom = proc->dom;
    g_autoptr(DefRef) ref = domain_def_snapshot(dom);
    const char *device =
        json_string_value(json_object_get(event->data, "device"));
    const char *action =
        json_string_value(json_object_get(event->data, "action"));
    const char *reason =
        json_string_value(json_object_get(event->data, "reason"));
    const DomainDisk *disk = NULL;
    const char *path = NULL;
    int what = VIR_DOMAIN_EVENT_IO_ERROR_REPORT;

    if (device && g_str_has_prefix(device, "drive-"))
        device += strlen("drive-");
    for (guint i = 0; device && !disk && i < ref->def->disks->len; i++) {
        const DomainDisk *d = g_ptr_array_index(ref->def->disks, i);

        if (g_strcmp0(d->dev.alias, device) == 0)
            disk = d;
    }
    if (disk)
        path = domain_disk_path(disk);
    if (g_strcmp0(action, "stop") == 0) {
        what = VIR_DOMAIN_EVENT_IO_ERROR_PAUSE;
        domain_set_state(dom, VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_IOERROR);
        status_update(dom);
    } else if (g_strcmp0(action, "ignore") == 0) {
        what = VIR_DOMAIN_EVENT_IO_ERROR_NONE;
    }
    event_io_error(dom, path ? path : "", device ? device : "", what,
                   reason ? reason : "");
    if (what == VIR_DOMAIN_EVENT_IO_ERROR_PAUSE)
        event_lifecycle(dom, VIR_DOMAIN_EVENT_SUSPENDED,
                        VIR_DOMAIN_EVENT_SUSPENDED_IOERROR);
}

static void on_device_deleted(DomainProc *proc, const QmpEvent *event)
{
    const char *device =
        json_string_value(json_object_get(event->data, "device"));

    if (device)
        event_device(proc->dom, VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, device);
}

static void on_rtc_change(DomainProc *proc, const QmpEvent *event)
{
    event_value(proc->dom, VIR_DOMAIN_EVENT_ID_RTC_CHANGE,
                json_integer_value(json_object_get(event->data, "offset")));
}

static void on_balloon(DomainProc *proc, const QmpEvent *event)
{
    event_value(proc->dom, VIR_DOMAIN_EVENT_ID_BALLOON_CHANGE,
                json_integer_value(json_object_get(event->data, "actual")) /
                    1024);
}

static const struct {
    const char *name;
    void (*handle)(DomainProc *proc, const QmpEvent *event);
} event_handlers[] = {
    { "STOP", on_stop },
    { "RESUME", on_resume },
    { "SHUTDOWN", on_shutdown },
    { "RESET", on_reset },
    { "GUEST_PANICKED", on_panic },
    { "BLOCK_IO_ERROR", on_io_error },
    { "DEVICE_DELETED", on_device_deleted },
    { "RTC_CHANGE", on_rtc_change },
    { "BALLOON_CHANGE", on_balloon },
    { "BALLOON_CHANGED", on_balloon }, /* StratoVirt's name */
};

typedef struct EventTask {
    DomainProc *proc; /* owned */
    char *name;       /* owned */
    json_t *data;     /* owned */
    gint64 seconds;
    guint micros;
} EventTask;

static void event_task(Domain *dom, gpointer data)
{
    EventTask *task = data;
    QmpEvent event = { task->name, task->data, task->seconds, task->micros };

    if (dom->proc == task->proc) {
        event_monitor(dom, &event);
        /* During a start only its end is told, by the start itself. */
        for (gsize i = 0;
             task->proc->announced && i < G_N_ELEMENTS(event_handlers); i++) {
            if (strcmp(event_handlers[i].name, task->name) == 0)
                event_handlers[i].handle(task->proc, &event);
        }
    }
    proc_unref(task->proc);
    json_decref(task->data);
    g_free(task->name);
    g_free(task);
}

/* ---- The client's calls ----------------------------------------------- */

static void ready_task(DomainProc *proc)
{
    if (proc->start_op)
        start_monitor_ready(proc);
    else
        adopt_monitor_ready(proc);
}

static void client_ready(gpointer user, const QmpGreeting *greeting)
{
    proc_post(user, ready_task);
}

static void client_event(gpointer user, const QmpEvent *event)
{
    DomainProc *proc = user;
    EventTask *task = g_new0(EventTask, 1);

    task->proc = proc_ref(proc);
    task->name = g_strdup(event->name);
    task->data = json_incref(event->data);
    task->seconds = event->seconds;
    task->micros = event->micros;
    domain_post(proc->dom, event_task, task);
}

static void stuck_task(DomainProc *proc)
{
    domain_set_control(proc->dom, VIR_DOMAIN_CONTROL_ERROR);
    event_simple(proc->dom, VIR_DOMAIN_EVENT_ID_CONTROL_ERROR);
}

static void client_stuck(gpointer user, const char *command)
{
    DomainProc *proc = user;

    log_warning("the VMM with pid %d does not answer '%s'", (int)proc->pid,
                command);
    proc_post(proc, stuck_task);
}

static void no_end_task(Domain *dom, gpointer data)
{
    DomainProc *proc = data;

    g_clear_pointer(&proc->eof_timer, domain_timer_stop);
    if (dom->proc == proc && !proc->dead)
        stuck_task(proc);
}

/* A VMM closes its monitor when it ends; one that goes on without is out of
 * control. */
static void closed_task(DomainProc *proc)
{
    g_autoptr(GError) why = NULL;

    proc->qmp_closed = TRUE;
    if (proc->dead) {
        proc_check_end(proc);
    } else if (proc->start_op && !proc->start_error) {
        vir_error_set(&why, VIR_ERR_OPERATION_FAILED,
                      "the VMM closed its monitor while the domain started");
        start_fail(proc, why);
    } else if (!proc->eof_timer) {
        proc->eof_timer =
            domain_timer_start(proc->dom, END_GRACE_MS, no_end_task, proc);
    }
}

static void client_closed(gpointer user, const GError *why)
{
    DomainProc *proc = user;

    log_debug("monitor of pid %d: %s", (int)proc->pid, why->message);
    proc_post(proc, closed_task);
}

static const QmpListener client_listener = { client_ready, client_event,
                                             client_stuck, client_closed };

/* ---- Connecting ------------------------------------------------------- */

/* Below a directory descriptor, so that no length of path matters. */
int connect_unix_at(const char *dir, const char *name, GError **error)
{
    AUTO_FD dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    AUTO_FD fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_un addr = { .sun_family = AF_UNIX };

    if (dir_fd < 0 || fd < 0) {
        vir_error_set_errno(error, errno, "cannot reach the socket '%s/%s'",
                            dir, name);
        return -1;
    }
    if (g_snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/%s",
                   dir_fd, name) >= (int)sizeof(addr.sun_path)) {
        vir_error_set(error, VIR_ERR_CONFIG_UNSUPPORTED,
                      "the socket's name '%s' is too long", name);
        return -1;
    }
    if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
        vir_error_set_errno(error, errno, "cannot connect to '%s/%s'", dir,
                            name);
        return -1;
    }
    return fd_steal(&fd);
}

gboolean monitor_open(DomainProc *proc, GError **error)
{
    Driver *drv = proc->dom->drv;
    g_autofree char *sub = g_build_filename(proc->dir, "vmm", NULL);
    gboolean own = g_file_test(sub, G_FILE_TEST_IS_DIR);
    uid_t uid = proc->uid == (uid_t)-1 ? geteuid() : proc->uid;
    int fd = connect_unix_at(own ? sub : proc->dir, "monitor.sock", error);

    if (fd < 0)
        return FALSE;
    if (!qmp_peer_check(fd, proc->pid, uid, error)) {
        close(fd);
        return FALSE;
    }
    proc->qmp = qmp_client_new(drv->loop, fd, drv->config->qmp_timeout_ms,
                               &client_listener, proc_ref(proc),
                               (GDestroyNotify)proc_unref);
    return TRUE;
}

void proc_close_monitor(DomainProc *proc)
{
    if (!proc->qmp)
        return;
    qmp_client_close(proc->qmp);
    g_clear_pointer(&proc->qmp, qmp_client_unref); /* it holds the run */
}

/* ---- What the VMM tells about itself ---------------------------------- */

void proc_take_threads(DomainProc *proc, json_t *cpus)
{
    g_autoptr(DefRef) ref = domain_def_snapshot(proc->dom);
    GArray *tids = qmp_query_cpus_parse(cpus, ref->def->vcpus);
    GArray *old;

    for (guint i = 0; proc->cgroup && i < tids->len; i++) {
        g_autofree char *name = g_strdup_printf("vcpu%u", i);
        pid_t tid = g_array_index(tids, pid_t, i);

        if (tid)
            cgroup_place_thread(proc->cgroup, name, tid);
    }
    {
        DOMAIN_LOCK(proc->dom);

        old = proc->vcpu_tids;
        proc->vcpu_tids = tids;
    }
    g_array_unref(old);
}

static void iothreads_done(DomainOp *op, json_t *ret, const GError *error)
{
    DomainProc *proc = op->dom->proc;
    GArray *threads;

    if (error || !proc || !proc->cgroup)
        return;
    threads = qmp_query_iothreads_parse(ret);
    for (guint i = 0; i < threads->len; i++) {
        const QmpIothread *thread = &g_array_index(threads, QmpIothread, i);

        /* The name becomes a directory's: only what vmmcmd/ gave out. */
        if (g_str_has_prefix(thread->id, "iothread") &&
            strspn(thread->id + 8, "0123456789") == strlen(thread->id + 8))
            cgroup_place_thread(proc->cgroup, thread->id, thread->tid);
    }
    g_array_unref(threads);
}

void proc_place_iothreads(DomainProc *proc)
{
    g_autoptr(DefRef) ref = domain_def_snapshot(proc->dom);
    DomainOp *op;

    if (!proc->cgroup || ref->def->iothreads == 0)
        return;
    op = op_new(proc->dom, "place I/O threads", NULL, 0, NULL, NULL);
    qmp_query_iothreads(proc->qmp, op_reply_cb,
                        op_reply_new(op, iothreads_done));
    op_unref(op);
}

/* Back ends are labelled "char" and the alias of their device. */
static const char *pty_of(GHashTable *ptys, const DomainChr *chr)
{
    g_autofree char *label = NULL;

    if (chr->type != DOMAIN_CHR_PTY || !chr->dev.alias)
        return NULL;
    label = g_strconcat("char", chr->dev.alias, NULL);
    return g_hash_table_lookup(ptys, label);
}

static void take_ptys_of(DomainDef *def, GPtrArray *chrs, GHashTable *ptys)
{
    for (guint i = 0; i < chrs->len; i++) {
        const DomainChr *chr = g_ptr_array_index(chrs, i);
        const char *path = pty_of(ptys, chr);

        if (path && !domain_chr_is_mirror(chr))
            domain_def_set_pty(def, chr->dev.alias, path);
    }
}

void proc_take_ptys(DomainProc *proc, json_t *chardevs)
{
    g_autoptr(DefRef) ref = domain_def_snapshot(proc->dom);
    g_autoptr(GHashTable) ptys = qmp_query_chardev_parse(chardevs);
    DomainDef *def;

    if (g_hash_table_size(ptys) == 0)
        return;
    def = domain_def_copy(ref->def);
    take_ptys_of(def, def->serials, ptys);
    take_ptys_of(def, def->consoles, ptys);
    domain_take_def(proc->dom, def_ref_new(def));
}
