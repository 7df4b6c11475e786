/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The driver as its callers see it: domains, what can be done to them, news.
 *
 * A Driver owns the list of domains, their files and their processes.  The
 * procedure handlers in dispatch/ are its callers.
 *
 * Threads.  Every function may be called from any thread.  A function whose
 * name does not end in _async answers from memory or does short file I/O; it
 * never waits for a VMM.  A function whose name ends in _async calls @done
 * exactly once, perhaps before it returns, on any thread and with no lock
 * held, and holds no thread while it waits.  A DriverDone callback and the
 * listener must not block and must not call back into the driver, except for
 * domain_ident(), domain_ref() and domain_unref().
 *
 * Flags are libvirt's public ones.  Callers refuse what is outside the
 * DRIVER_*_FLAGS mask of a function, for they know the name of the procedure
 * that belongs into that error.
 *
 * Errors are those of util/error.h, ready for the wire.
 */
#pragma once

#include <glib.h>
#include <libvirt/libvirt.h>

typedef struct Driver Driver;
typedef struct Domain Domain;

#define DRIVER_UUID_BYTES 16

/* What identifies a domain on the wire, as of one moment. */
typedef struct DomainIdent {
    char *name; /* owned */
    guint8 uuid[DRIVER_UUID_BYTES];
    int id; /* -1: not running */
} DomainIdent;

void domain_ident_clear(DomainIdent *ident);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(DomainIdent, domain_ident_clear)

/* ---- News ------------------------------------------------------------- */

/* One event of a domain; fields beyond `dom` depend on `id`. */
typedef struct DriverEvent {
    int id; /* VIR_DOMAIN_EVENT_ID_* */
    DomainIdent dom;
    int type;          /* LIFECYCLE: event; METADATA_CHANGE: type; WATCHDOG,
                          IO_ERROR, IO_ERROR_REASON: action */
    int detail;        /* LIFECYCLE */
    gint64 offset;     /* RTC_CHANGE: seconds; BALLOON_CHANGE: KiB */
    const char *path;  /* IO_ERROR, IO_ERROR_REASON: source path */
    const char *alias; /* IO_ERROR, IO_ERROR_REASON, DEVICE_ADDED,
                          DEVICE_REMOVED, DEVICE_REMOVAL_FAILED */
    const char *text;  /* IO_ERROR_REASON: reason; METADATA_CHANGE: URI or
                          NULL; qemu monitor event: JSON data or NULL */
} DriverEvent;

/* A QMP event as the VMM sent it, for the qemu program's monitor events. */
typedef struct DriverMonitorEvent {
    DomainIdent dom;
    const char *event;
    gint64 seconds;
    guint micros;
    const char *details; /* JSON or NULL */
} DriverMonitorEvent;

typedef struct DriverListener {
    /* In order for each domain, after the change is visible to look-ups. */
    void (*event)(gpointer user, const DriverEvent *event);
    void (*monitor_event)(gpointer user, const DriverMonitorEvent *event);
    /* Number of active domains changed to or from zero: keep running? */
    void (*busy)(gpointer user, gboolean busy);
} DriverListener;

/* ---- The driver ------------------------------------------------------- */

/* Keys of stratovirt.conf and what the daemon was told; all strings owned. */
typedef struct DriverConfig {
    char *root;          /* prefix of every path; "" for the real host */
    gboolean session;    /* per-user instance */
    char *emulator;      /* default VMM: /usr/bin/stratovmm */
    char *launch_helper; /* libexec program that starts a VMM */
    char *user;          /* all guests run as this user ... */
    char *group;         /* ... and group; NULL: one uid each from uid_range */
    guint uid_first;     /* uid_range; 0: none configured */
    guint uid_last;
    char *host_uuid;              /* NULL: from host_uuid_source */
    char *host_uuid_source;       /* "smbios" or "machine-id" */
    gboolean device_substitution; /* rewrite foreign devices to virtio */
    gboolean use_namespace;       /* private mount namespace for guests */
    gboolean use_cgroup;          /* scope per guest */
    gboolean use_machined;        /* ask machined or systemd over D-Bus */
    guint start_timeout_ms;       /* launch until the QMP greeting */
    guint qmp_timeout_ms;         /* any QMP command */
} DriverConfig;

DriverConfig *driver_config_new(gboolean session, const char *root);
void driver_config_free(DriverConfig *config);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DriverConfig, driver_config_free)

/* Reads stratovirt.conf; a missing file is fine unless @must_exist. */
gboolean driver_config_load(DriverConfig *config, const char *path,
                            gboolean must_exist, GError **error);

/**
 * driver_new() - Take the driver's lock and load what is on disk
 * @config:   taken over
 * @listener: const table, must outlive the driver; NULL for none
 * @user:     for the listener
 *
 * Running guests are adopted before this returns, as far as files tell;
 * their monitors connect afterwards.
 */
Driver *driver_new(DriverConfig *config, const DriverListener *listener,
                   gpointer user, GError **error);
/* Starts guests marked for it, once per host boot. Returns at once. */
void driver_autostart(Driver *drv);
/* SIGHUP: reads definitions that appeared or changed on disk. */
void driver_reload(Driver *drv);
/* Lets go of everything; guests go on. */
void driver_free(Driver *drv);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Driver, driver_free)

const DriverConfig *driver_config(Driver *drv);
/* GET_VERSION: QMP level of the default VMM, as major*10^6+minor*10^3+micro */
gulong driver_vmm_version(Driver *drv);
int driver_max_vcpus(Driver *drv);
char *driver_capabilities_xml(Driver *drv, GError **error);
char *driver_domain_capabilities_xml(Driver *drv, const char *emulator,
                                     const char *arch, const char *machine,
                                     const char *virttype, GError **error);
/* Host UUID in text form, borrowed. */
const char *driver_host_uuid(Driver *drv);

/* ---- Look-ups: from memory -------------------------------------------- */

Domain *domain_ref(Domain *dom);
void domain_unref(Domain *dom);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Domain, domain_unref)
void domain_ident(Domain *dom, DomainIdent *ret_ident);

/* Each gives a reference, or VIR_ERR_NO_DOMAIN. */
Domain *driver_lookup_uuid(Driver *drv, const guint8 *uuid, GError **error);
Domain *driver_lookup_name(Driver *drv, const char *name, GError **error);
Domain *driver_lookup_id(Driver *drv, int id, GError **error);
/* A handle from a client: by UUID, the name only for the error's text. */
Domain *driver_lookup(Driver *drv, const char *name, const guint8 *uuid,
                      GError **error);

#define DRIVER_LIST_FLAGS 0xffffu
/* VIR_CONNECT_LIST_DOMAINS_*; an array of references that frees itself. */
GPtrArray *driver_list(Driver *drv, guint flags);
int driver_num_active(Driver *drv);
int driver_num_inactive(Driver *drv);
/* Up to @max; returned count. Names are owned by the caller. */
int driver_list_ids(Driver *drv, int *ret_ids, int max);
char **driver_list_inactive_names(Driver *drv, int max);

/* ---- Facts about one domain: from memory ------------------------------ */

typedef struct DomainInfo {
    int state;
    int reason;
    guint64 max_mem_kib;
    guint64 mem_kib;
    guint vcpus;
    guint64 cpu_time_ns; /* 0 when not running, like the following */
    guint64 cpu_user_ns;
    guint64 cpu_system_ns;
    guint64 rss_kib;
} DomainInfo;

void domain_get_state(Domain *dom, int *ret_state, int *ret_reason);
void domain_get_info(Domain *dom, DomainInfo *ret_info);
/* Sentences on how the domain is tainted; ends with NULL, g_strfreev(). */
char **domain_get_messages(Domain *dom);
gboolean domain_is_active(Domain *dom);
gboolean domain_is_persistent(Domain *dom);
gboolean domain_is_updated(Domain *dom); /* next boot differs from live */
gboolean domain_get_autostart(Domain *dom);
char *domain_get_os_type(Domain *dom);
guint64 domain_get_max_memory_kib(Domain *dom);
char *domain_get_hostname(Domain *dom, GError **error);

typedef struct DomainControlInfo {
    guint state;   /* VIR_DOMAIN_CONTROL_* */
    guint details; /* VIR_DOMAIN_CONTROL_ERROR_REASON_* */
    guint64 state_time_ms;
} DomainControlInfo;
gboolean domain_get_control_info(Domain *dom, DomainControlInfo *ret_info,
                                 GError **error);

typedef struct DomainJobInfo {
    int type;      /* VIR_DOMAIN_JOB_NONE or _UNBOUNDED */
    int operation; /* VIR_DOMAIN_JOB_OPERATION_* */
    guint64 time_elapsed_ms;
} DomainJobInfo;
void domain_get_job_info(Domain *dom, DomainJobInfo *ret_info);

#define DRIVER_XML_FLAGS                                                       \
    (VIR_DOMAIN_XML_SECURE | VIR_DOMAIN_XML_INACTIVE |                         \
     VIR_DOMAIN_XML_UPDATE_CPU | VIR_DOMAIN_XML_MIGRATABLE)
char *domain_get_xml(Domain *dom, guint flags, GError **error);

/* VIR_DOMAIN_AFFECT_* and VIR_DOMAIN_VCPU_MAXIMUM; the number or -1. */
int domain_get_vcpus_count(Domain *dom, guint flags, GError **error);

typedef struct DomainVcpu {
    guint number;
    int state;           /* VIR_VCPU_* */
    guint64 cpu_time_ns; /* of its thread */
    int cpu;             /* host CPU it ran on last, -1 unknown */
    guint8 *cpumap;      /* owned by the array, cpumap_bytes long */
} DomainVcpu;
/* Array of DomainVcpu of a running domain; cpumap of @cpumap_bytes each. */
GArray *domain_get_vcpus(Domain *dom, gsize cpumap_bytes, GError **error);

#define DRIVER_METADATA_FLAGS                                                  \
    (VIR_DOMAIN_AFFECT_LIVE | VIR_DOMAIN_AFFECT_CONFIG)
char *domain_get_metadata(Domain *dom, int type, const char *uri, guint flags,
                          GError **error);
/* @metadata NULL removes. */
gboolean domain_set_metadata(Domain *dom, int type, const char *metadata,
                             const char *key, const char *uri, guint flags,
                             GError **error);

typedef struct DomainIfaceStats {
    gint64 rx_bytes, rx_packets, rx_errs, rx_drop; /* the guest's view */
    gint64 tx_bytes, tx_packets, tx_errs, tx_drop;
} DomainIfaceStats;
/* @device: target name or MAC address. */
gboolean domain_get_iface_stats(Domain *dom, const char *device,
                                DomainIfaceStats *ret_stats, GError **error);

typedef struct DomainBlockInfo {
    guint64 capacity, allocation, physical; /* bytes */
} DomainBlockInfo;
/* @disk: target name or source path. */
gboolean domain_get_block_info(Domain *dom, const char *disk,
                               DomainBlockInfo *ret_info, GError **error);

/* Tags are VIR_DOMAIN_MEMORY_STAT_*; returns the count, -1 on error. */
typedef struct DomainMemoryStat {
    int tag;
    guint64 value;
} DomainMemoryStat;
int domain_get_memory_stats(Domain *dom, DomainMemoryStat *ret_stats, int max,
                            GError **error);

/* ---- Definitions ------------------------------------------------------ */

#define DRIVER_DEFINE_FLAGS VIR_DOMAIN_DEFINE_VALIDATE
Domain *driver_define(Driver *drv, const char *xml, guint flags,
                      GError **error);

#define DRIVER_UNDEFINE_FLAGS                                                  \
    (VIR_DOMAIN_UNDEFINE_MANAGED_SAVE |                                        \
     VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA | VIR_DOMAIN_UNDEFINE_NVRAM |      \
     VIR_DOMAIN_UNDEFINE_KEEP_NVRAM |                                          \
     VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA | VIR_DOMAIN_UNDEFINE_TPM |      \
     VIR_DOMAIN_UNDEFINE_KEEP_TPM)
gboolean driver_undefine(Driver *drv, Domain *dom, guint flags, GError **error);
gboolean driver_rename(Driver *drv, Domain *dom, const char *new_name,
                       GError **error);
gboolean driver_set_autostart(Driver *drv, Domain *dom, gboolean autostart,
                              GError **error);

/* ---- Life cycle ------------------------------------------------------- */

/**
 * DriverDone - How an operation ended
 * @user:  as given
 * @dom:   borrowed; the domain, NULL when there is none
 * @text:  borrowed; what domain_monitor_command_async() answers, else NULL
 * @error: borrowed; NULL on success
 */
typedef void (*DriverDone)(gpointer user, Domain *dom, const char *text,
                           const GError *error);

#define DRIVER_START_FLAGS                                                     \
    (VIR_DOMAIN_START_PAUSED | VIR_DOMAIN_START_AUTODESTROY |                  \
     VIR_DOMAIN_START_BYPASS_CACHE | VIR_DOMAIN_START_FORCE_BOOT |             \
     VIR_DOMAIN_START_VALIDATE | VIR_DOMAIN_START_RESET_NVRAM)

/* Defines a transient domain (or uses the persistent one) and starts it.
 * @conn is any key of the client's connection, for AUTODESTROY. */
void driver_create_async(Driver *drv, const char *xml, guint flags,
                         gconstpointer conn, DriverDone done, gpointer user);
void domain_start_async(Domain *dom, guint flags, gconstpointer conn,
                        DriverDone done, gpointer user);
/* The connection is gone: destroys its AUTODESTROY domains. */
void driver_connection_closed(Driver *drv, gconstpointer conn);

#define DRIVER_DESTROY_FLAGS                                                   \
    (VIR_DOMAIN_DESTROY_GRACEFUL | VIR_DOMAIN_DESTROY_REMOVE_LOGS)
void domain_destroy_async(Domain *dom, guint flags, DriverDone done,
                          gpointer user);

#define DRIVER_SHUTDOWN_FLAGS VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN
void domain_shutdown_async(Domain *dom, guint flags, DriverDone done,
                           gpointer user);
#define DRIVER_REBOOT_FLAGS VIR_DOMAIN_REBOOT_ACPI_POWER_BTN
void domain_reboot_async(Domain *dom, guint flags, DriverDone done,
                         gpointer user);
void domain_reset_async(Domain *dom, DriverDone done, gpointer user);
void domain_suspend_async(Domain *dom, DriverDone done, gpointer user);
void domain_resume_async(Domain *dom, DriverDone done, gpointer user);

typedef struct DomainBlockStats {
    gint64 rd_req, rd_bytes, rd_ns;
    gint64 wr_req, wr_bytes, wr_ns;
    gint64 flush_req, flush_ns;
} DomainBlockStats;
typedef void (*DomainBlockStatsDone)(gpointer user,
                                     const DomainBlockStats *stats,
                                     const GError *error);
/* @disk: target name or source path; "" sums all disks. */
void domain_get_block_stats_async(Domain *dom, const char *disk,
                                  DomainBlockStatsDone done, gpointer user);

/* One disk or interface, for statistics of all of them; strings owned. */
typedef struct DomainDeviceName {
    char *name;  /* target */
    char *path;  /* disk: source, may be NULL */
    char *alias; /* NULL when not running */
} DomainDeviceName;
GArray *domain_list_disks(Domain *dom);
GArray *domain_list_ifaces(Domain *dom);

/* @by_alias: disk alias -> DomainBlockStats, borrowed; NULL with an error. */
typedef void (*DomainBlockTableDone)(gpointer user, GHashTable *by_alias,
                                     const GError *error);
void domain_get_block_table_async(Domain *dom, DomainBlockTableDone done,
                                  gpointer user);

/* VIR_DOMAIN_QEMU_MONITOR_COMMAND_HMP */
#define DRIVER_MONITOR_FLAGS 1u
void domain_monitor_command_async(Domain *dom, const char *command, guint flags,
                                  DriverDone done, gpointer user);

/* ---- Console ---------------------------------------------------------- */

#define DRIVER_CONSOLE_FLAGS                                                   \
    (VIR_DOMAIN_CONSOLE_FORCE | VIR_DOMAIN_CONSOLE_SAFE)
typedef struct DomainConsole DomainConsole;

/**
 * domain_console_open() - Connect to a guest's console
 * @device: alias or NULL for the first console or serial port
 * @lost:   called once, on any thread, when another client forced us off or
 *          the domain stopped: end the stream and close
 *
 * Return: the console; its descriptor is a non-blocking pty or socket which
 *         gives end of file or EIO when the guest is gone
 */
DomainConsole *domain_console_open(Domain *dom, const char *device, guint flags,
                                   void (*lost)(gpointer user), gpointer user,
                                   GError **error);
int domain_console_fd(DomainConsole *console);
/* After this returns, @lost is not called any more; closes the descriptor. */
void domain_console_close(DomainConsole *console);
