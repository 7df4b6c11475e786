/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of domain/ share.
 *
 * How this works.  A Driver has a list of Domains.  Everything that changes
 * a domain runs as a task on that domain's strand: a queue whose tasks run
 * one after the other on the driver's thread pool (strand.c).  So tasks need
 * no lock among themselves; what they write and other threads read (state,
 * definitions, names) is written under the domain's lock, which is never held
 * across I/O.
 *
 * A run of a domain is a DomainProc: process, monitor, resources.  It is made
 * by start.c or adopt.c and ends once, in stop.c, when its process is gone.
 * Monitor replies, events, deadlines and the end of the process come in on
 * the driver's event loop, which does nothing but post tasks to strands; a
 * task that follows a wait checks that the domain still has the same
 * DomainProc.
 *
 * An API call is a DomainOp (job.c).  Those that change a running domain hold
 * the domain's job from their begin to their end, others wait for it 30 s at
 * most.  Destroying needs no job.
 *
 *   call -> op_submit -> strand: op->run -> qmp_X ... loop -> strand: ... ->
 *   op_end -> done()
 *
 * Locks, in the order they may be taken: Driver.define_lock (definitions on
 * disk; held across file I/O), Driver.list_lock, Domain.lock, Driver.event_lock
 * and Driver.strand_lock (leaves).
 */
#pragma once

#include <sys/types.h>

#include "conf/domain_def.h"
#include "domain/driver.h"
#include "host/vmm_probe.h"
#include "qmp/qmp_commands.h"
#include "util/ev_loop.h"

/* A definition that is not changed any more: formatted without locks. */
typedef struct DefRef {
    gatomicrefcount refs;
    DomainDef *def; /* owned */
} DefRef;

DefRef *def_ref_new(DomainDef *def); /* takes over */
DefRef *def_ref(DefRef *ref);
void def_unref(DefRef *ref); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DefRef, def_unref)

typedef struct DriverPaths {
    char *config; /* definitions; all owned */
    char *autostart;
    char *run;
    char *lib;
    char *log;
    char *cache;
} DriverPaths;

/* ---- Strands and timers: strand.c ------------------------------------- */

typedef void (*StrandFn)(Domain *dom, gpointer data);
/* Runs @fn on the domain's strand; a reference keeps the domain until then. */
void domain_post(Domain *dom, StrandFn fn, gpointer data);

gboolean strands_start(Driver *drv, GError **error);
/* Waits until no task is queued and none will come of those that ran. */
void strands_drain(Driver *drv);

/* Runs @fn on the strand after a delay; @data stays the caller's. */
typedef struct DomainTimer DomainTimer;
DomainTimer *domain_timer_start(Domain *dom, guint delay_ms, StrandFn fn,
                                gpointer data);
/* On the strand: @fn does not run any more. NULL is fine. */
void domain_timer_stop(DomainTimer *timer);

/* ---- Operations: job.c ------------------------------------------------ */

typedef struct DomainOp DomainOp;
struct DomainOp {
    gatomicrefcount refs;
    Domain *dom;      /* owned */
    const char *name; /* static; for errors */
    int operation;    /* VIR_DOMAIN_JOB_OPERATION_* or 0 */
    gboolean no_job;  /* runs at once */
    void (*run)(DomainOp *op);
    guint flags;
    gconstpointer conn;
    char *text;  /* owned; argument of the operation */
    DefRef *def; /* owned; likewise */
    int number;  /* argument of the operation */
    DriverDone done;
    gpointer user;
    gboolean running;
    gboolean ended;
    DomainTimer *timer; /* wait for the job, or the operation's own */
    gint64 started_us;
};

DomainOp *op_new(Domain *dom, const char *name, void (*run)(DomainOp *op),
                 guint flags, DriverDone done, gpointer user);
DomainOp *op_ref(DomainOp *op);
void op_unref(DomainOp *op);
/* Takes @op over. */
void op_submit(DomainOp *op);
/* On the strand; first call only. Frees the job and calls done. */
void op_end(DomainOp *op, const char *text, const GError *error);
void op_end_set(DomainOp *op, int code, const char *fmt, ...)
    G_GNUC_PRINTF(3, 4);
/* The domain stopped: ends all ops but starts under way. */
void ops_stopped(Domain *dom, const GError *error);

/* A monitor command as a step of an operation: @then runs on the strand,
 * unless the op has ended. @ret is borrowed. */
typedef void (*OpReplyFn)(DomainOp *op, json_t *ret, const GError *error);
typedef struct OpReply OpReply;
/* Arguments for qmp_X(): (client, op_reply_cb, op_reply_new(op, then)) */
OpReply *op_reply_new(DomainOp *op, OpReplyFn then);
void op_reply_cb(gpointer user, json_t *ret, const GError *error);

/* ---- A run of a domain ------------------------------------------------ */

typedef enum ProcPhase {
    PROC_STARTING,
    PROC_RUNNING,
    PROC_GONE,
    PROC_PHASE_MAX
} ProcPhase;

typedef struct DomainProc {
    gatomicrefcount refs;
    Domain *dom; /* owned */
    ProcPhase phase;
    pid_t pid;           /* 0: not spawned */
    guint64 start_time;  /* field 22 of /proc/PID/stat */
    int pidfd;           /* owned; -1 */
    int launch_fd;       /* owned; helper's socket; -1 */
    GPtrArray *waits;    /* of FdWait, under way; owned */
    QmpClient *qmp;      /* owned; NULL before the handshake */
    gboolean qmp_closed; /* the monitor has said its last */
    gboolean dead;       /* the process is gone */
    uid_t uid;           /* of the VMM; -1: as the daemon */
    gid_t gid;
    char *dir;         /* owned; private directory */
    char *cgroup;      /* owned; path of the scope; NULL: none */
    VmmInfo *info;     /* owned; what the VMM can do */
    GArray *vcpu_tids; /* of pid_t, owned */
    gboolean autodestroy;
    gconstpointer conn; /* AUTODESTROY: whose */
    gboolean paused_start;
    gboolean announced;     /* STARTED was emitted */
    gboolean destroyed;     /* on request */
    gboolean ended_unseen;  /* while no daemon ran */
    gboolean shutdown_seen; /* SHUTDOWN event */
    gboolean reboot_wanted; /* a power-off becomes a reset */
    GError *start_error;    /* owned; why a start is being undone */
    DomainOp *start_op;     /* owned */
    GPtrArray *destroy_ops; /* of DomainOp, owned */
    DomainTimer *timer;     /* start deadline, then kill escalation */
    DomainTimer *eof_timer; /* connecting again, then the monitor's end */
    GArray *lent;           /* of LentFile, owned; see security/ownership.h */
    char *boot_id;          /* owned; adopted: of the host when it started */
    off_t log_start;        /* where this run began in the guest's log */
} DomainProc;

DomainProc *proc_new(Domain *dom);
DomainProc *proc_ref(DomainProc *proc);
void proc_unref(DomainProc *proc);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DomainProc, proc_unref)
typedef void (*ProcFn)(DomainProc *proc);
/* Runs @fn on the strand if the domain still has this run. */
void proc_post(DomainProc *proc, ProcFn fn);

struct Domain {
    gatomicrefcount refs;
    Driver *drv; /* borrowed; outlives every domain in its list */

    GMutex lock;                    /* guards from here to the next comment */
    guint8 uuid[DRIVER_UUID_BYTES]; /* constant */
    char *name;
    int id;
    int state;
    int reason;
    gboolean persistent;
    gboolean autostart;
    gboolean removed; /* not in the list any more */
    gboolean tainted; /* monitor commands were sent */
    DefRef *def;      /* live when active, else the persistent one */
    DefRef *new_def;  /* next boot; only while active and persistent */
    DomainProc *proc;
    guint control_state; /* VIR_DOMAIN_CONTROL_* */
    gint64 control_since_us;
    DomainOp *job;       /* holds the job; owned */
    GPtrArray *consoles; /* of DomainConsole, borrowed */

    /* Strand only. */
    GQueue waiting; /* of DomainOp, owned */

    /* Under Driver.strand_lock. */
    GQueue tasks;
    gboolean scheduled;
};

struct Driver {
    DriverConfig *config;
    DriverPaths paths;
    const DriverListener *listener;
    gpointer user;
    EvLoop *loop;
    GThreadPool *pool;
    int lock_fd; /* owned; driver.pid, locked */
    char *host_uuid;

    GMutex define_lock;
    GMutex list_lock;
    GHashTable *by_uuid; /* uuid in Domain -> Domain, owned */
    GHashTable *by_name; /* name (own copy) -> Domain, borrowed */
    int next_id;
    int num_active;
    guint8 *uid_used; /* bit per id of uid_range; list_lock */

    GMutex event_lock;
    GQueue events;
    gboolean event_scheduled;

    GMutex strand_lock;
    GCond strand_idle;
    guint tasks_pending;
    gboolean stopping;

    /* For tests: name of the step of a start that fails; NULL: none. */
    const char *fault;
};

#define DOMAIN_LOCK(dom)                                                       \
    g_autoptr(GMutexLocker) domain_locker G_GNUC_UNUSED =                      \
        g_mutex_locker_new(&(dom)->lock)

/* ---- domain.c --------------------------------------------------------- */

Domain *domain_new(Driver *drv, const guint8 *uuid, const char *name);
DefRef *domain_def_snapshot(Domain *dom); /* current definition */
/* Live or next-boot by AFFECT flags; NULL with an error. */
DefRef *domain_def_affected(Domain *dom, guint flags, GError **error);
DomainProc *domain_proc_ref(Domain *dom); /* NULL: not active */
gboolean domain_require_active(Domain *dom, GError **error);
void domain_set_state(Domain *dom, int state, int reason);
void domain_set_control(Domain *dom, guint control_state);
/* Replaces the live definition by a changed copy. */
void domain_take_def(Domain *dom, DefRef *def);
char *domain_name(Domain *dom);
gboolean uuid_parse(const char *text, guint8 *ret_uuid);
void uuid_format(const guint8 *uuid, char *ret_text); /* 37 bytes */

/* ---- driver.c --------------------------------------------------------- */

void driver_count_active(Driver *drv, int delta);
int driver_next_id(Driver *drv);
void driver_claim_id(Driver *drv, int id);
gboolean driver_uid_take(Driver *drv, uid_t *ret_uid, gid_t *ret_gid,
                         GError **error);
void driver_uid_claim(Driver *drv, uid_t uid);
void driver_uid_release(Driver *drv, uid_t uid);
void driver_limits(Driver *drv, DomainCapsLimits *ret_limits);
/* Adds to the list; the driver's reference is taken. list_lock not held. */
void driver_list_add(Driver *drv, Domain *dom);
void driver_list_remove(Driver *drv, Domain *dom);
Domain *driver_find_uuid(Driver *drv, const guint8 *uuid);
Domain *driver_find_name(Driver *drv, const char *name);
/* By the holder of define_lock. */
void driver_list_rename(Driver *drv, Domain *dom, const char *new_name);
/* For tests: the step of a start that fails from now on; static or NULL. */
void driver_set_fault(Driver *drv, const char *step);
/* Should this step fail for a test? */
gboolean driver_fault(Driver *drv, const char *step, GError **error);

/* ---- events.c --------------------------------------------------------- */

void event_lifecycle(Domain *dom, int type, int detail);
void event_lifecycle_name(Domain *dom, const char *name, int type, int detail);
void event_simple(Domain *dom, int event_id);
void event_metadata(Domain *dom, int type, const char *uri);
void event_device(Domain *dom, int event_id, const char *alias);
void event_io_error(Domain *dom, const char *path, const char *alias,
                    int action, const char *reason);
void event_value(Domain *dom, int event_id, gint64 value);
void event_monitor(Domain *dom, const QmpEvent *event);
void events_free(Driver *drv);

/* ---- Files: paths.c, persist.c, status.c ------------------------------ */

void paths_init(DriverPaths *paths, const DriverConfig *config);
void paths_fini(DriverPaths *paths);
gboolean paths_make(const DriverPaths *paths, gboolean session, GError **error);
/* DIR/NAME.SUFFIX */
char *path_named(const char *dir, const char *name, const char *suffix);

gboolean persist_save(Driver *drv, const char *name, const DomainDef *def,
                      GError **error);
gboolean persist_remove(Driver *drv, const char *name, GError **error);
gboolean persist_autostart(Driver *drv, const char *name, gboolean on,
                           GError **error);
void persist_load_all(Driver *drv);

/* Written before anything is done that a dead daemon would leave behind. */
gboolean status_save(DomainProc *proc, GError **error);
/* The same, but failing only in the log. */
void status_update(Domain *dom);
/* Makes domains of the status files; adopt_all() then looks after them. */
void status_load_all(Driver *drv);
void adopt_all(Driver *drv);

/* ---- vmm_run.c -------------------------------------------------------- */

/* What a VMM can do; asks it, without rights, when it is not known yet. */
VmmInfo *driver_probe(Driver *drv, const char *binary, GError **error);

/* ---- A start and an end: prepare.c, start.c, stop.c, adopt.c ---------- */

struct LaunchPlan;
/* Opens what the domain needs; @plan gets argv and descriptors. */
gboolean prepare_host(DomainProc *proc, DomainDef *live,
                      struct LaunchPlan *plan, GError **error);
/* A path of the host, below the driver's root if it is there. */
char *driver_host_path(Driver *drv, const char *path);
void remove_private_dir(const char *path);

/* Starts @dom from @ref (taken over; NULL: its own definition). */
void start_from(Domain *dom, DefRef *ref, guint flags, gconstpointer conn,
                DriverDone done, gpointer user);
void start_run(DomainOp *op);
/* Why a start failed, with the last lines of the guest's log. */
void start_fail(DomainProc *proc, const GError *why);

/* monitor.c: connects to the run's monitor; news go to monitor_* below. */
gboolean monitor_open(DomainProc *proc, GError **error);
void proc_close_monitor(DomainProc *proc);
/* Tells the VMM what a power-off of the guest does, as things stand. */
void proc_set_poweroff(DomainProc *proc);
/* The guest powered off or panicked and its VMM waits: begin again. */
void proc_restart_in_place(DomainProc *proc);
/* Does a guest that stopped for @reason (as QMP says it) begin again? */
gboolean proc_restarts_after(DomainProc *proc, const char *reason);
int connect_unix_at(const char *dir, const char *name, GError **error);
/* Greeting done: goes on with the start or the adoption. */
void start_monitor_ready(DomainProc *proc);
void adopt_monitor_ready(DomainProc *proc);
/* Puts the threads that the monitor names where they belong. */
void proc_take_threads(DomainProc *proc, json_t *cpus);
/* Asks for the I/O threads and puts them into groups of their own. */
void proc_place_iothreads(DomainProc *proc);
/* Records the ptys in the live definition. */
void proc_take_ptys(DomainProc *proc, json_t *chardevs);

/* Calls @fn on the strand once @fd (borrowed; open as long as the run) is
 * readable. */
void proc_wait_fd(DomainProc *proc, int fd, ProcFn fn);
/* Watches for the end of the process. */
void proc_watch_end(DomainProc *proc);
void proc_kill(DomainProc *proc, int sig);
void proc_ended(DomainProc *proc);
/* Ends the run if all is said: process gone, monitor read to its end. */
void proc_check_end(DomainProc *proc);
/* Lets go of a run that goes on without us. */
void proc_detach(DomainProc *proc, const GError *why);
/* Last lines of the guest's log of this run, "" when there are none. */
char *proc_log_tail(DomainProc *proc);

/* proc_id.c: which process is it? */
gboolean pid_start_time(pid_t pid, guint64 *ret_start_time);
char *host_boot_id(void);

void consoles_lost(Domain *dom);
