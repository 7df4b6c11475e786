/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A driver without VMMs behind domain/driver.h, host/host.h and stats/stats.h.
 */
#include <config.h>

#include "fake_driver.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/host.h"
#include "stats/stats.h"
#include "util/error.h"

struct Domain {
    gint refs;
    Driver *drv; /* borrowed */
    char *name;
    guint8 uuid[DRIVER_UUID_BYTES];
    int id;
    int state;
    int reason;
    gboolean persistent;
    gboolean autostart;
    char *title;
    char *xml;
};

struct Driver {
    GMutex lock;
    GPtrArray *domains; /* of Domain references */
    int next_id;
    const DriverListener *listener;
    gpointer user;
    GThreadPool *later; /* completes what is asynchronous */
    DomainConsole *console;
    int guest_fd;
    guint closed;
    DriverConfig config;
};

struct DomainConsole {
    Driver *drv;
    int fd;
    void (*lost)(gpointer user);
    gpointer user;
};

/* ---- domains ---- */

Domain *domain_ref(Domain *dom)
{
    g_atomic_int_inc(&dom->refs);
    return dom;
}

void domain_unref(Domain *dom)
{
    if (!dom || !g_atomic_int_dec_and_test(&dom->refs))
        return;
    g_free(dom->name);
    g_free(dom->title);
    g_free(dom->xml);
    g_free(dom);
}

void domain_ident_clear(DomainIdent *ident)
{
    g_clear_pointer(&ident->name, g_free);
}

void domain_ident(Domain *dom, DomainIdent *ret_ident)
{
    ret_ident->name = g_strdup(dom->name);
    memcpy(ret_ident->uuid, dom->uuid, sizeof(dom->uuid));
    ret_ident->id = dom->id;
}

static void emit(Domain *dom, int type, int detail)
{
    DriverEvent event = { .id = VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                          .type = type,
                          .detail = detail };

    domain_ident(dom, &event.dom);
    dom->drv->listener->event(dom->drv->user, &event);
    domain_ident_clear(&event.dom);
}

void fake_event(Driver *drv, const DriverEvent *event)
{
    DriverEvent mine = *event;

    domain_ident(g_ptr_array_index(drv->domains, 0), &mine.dom);
    drv->listener->event(drv->user, &mine);
    domain_ident_clear(&mine.dom);
}

void fake_monitor_event(Driver *drv, const char *name, const char *details)
{
    DriverMonitorEvent event = {
        .event = name, .seconds = 5, .micros = 6, .details = details
    };

    domain_ident(g_ptr_array_index(drv->domains, 0), &event.dom);
    drv->listener->monitor_event(drv->user, &event);
    domain_ident_clear(&event.dom);
}

/* ---- the driver ---- */

typedef struct Later {
    Domain *dom; /* reference, NULL: none */
    char *text;
    GError *error;
    DriverDone done;
    gpointer user;
} Later;

static void later_run(gpointer data, gpointer unused)
{
    Later *later = data;

    later->done(later->user, later->dom, later->text, later->error);
    domain_unref(later->dom);
    g_clear_error(&later->error);
    g_free(later->text);
    g_free(later);
}

static void complete(Driver *drv, Domain *dom, const char *text, GError *error,
                     DriverDone done, gpointer user)
{
    Later *later = g_new0(Later, 1);

    later->dom = dom ? domain_ref(dom) : NULL;
    later->text = g_strdup(text);
    later->error = error;
    later->done = done;
    later->user = user;
    g_thread_pool_push(drv->later, later, NULL);
}

Driver *fake_driver_new(const DriverListener *listener, gpointer user)
{
    Driver *drv = g_new0(Driver, 1);

    g_mutex_init(&drv->lock);
    drv->domains = g_ptr_array_new_with_free_func((GDestroyNotify)domain_unref);
    drv->listener = listener;
    drv->user = user;
    drv->guest_fd = -1;
    drv->next_id = 1;
    drv->later = g_thread_pool_new(later_run, NULL, 1, TRUE, NULL);
    return drv;
}

void fake_driver_free(Driver *drv)
{
    g_thread_pool_free(drv->later, FALSE, TRUE);
    g_ptr_array_unref(drv->domains);
    if (drv->guest_fd >= 0)
        close(drv->guest_fd);
    g_mutex_clear(&drv->lock);
    g_free(drv);
}

gulong driver_vmm_version(Driver *drv)
{
    return 8002002;
}

int driver_max_vcpus(Driver *drv)
{
    return 254;
}

char *driver_capabilities_xml(Driver *drv, GError **error)
{
    return g_strdup("<capabilities/>\n");
}

char *driver_domain_capabilities_xml(Driver *drv, const char *emulator,
                                     const char *arch, const char *machine,
                                     const char *virttype, GError **error)
{
    return g_strdup_printf("<domainCapabilities machine='%s'/>\n",
                           machine ? machine : "default");
}

void driver_connection_closed(Driver *drv, gconstpointer conn)
{
    g_mutex_lock(&drv->lock);
    drv->closed++;
    g_mutex_unlock(&drv->lock);
}

guint fake_connections_closed(Driver *drv)
{
    guint closed;

    g_mutex_lock(&drv->lock);
    closed = drv->closed;
    g_mutex_unlock(&drv->lock);
    return closed;
}

/* ---- look-ups ---- */

typedef gboolean (*Match)(const Domain *dom, gconstpointer key);

static gboolean match_uuid(const Domain *dom, gconstpointer key)
{
    return memcmp(dom->uuid, key, sizeof(dom->uuid)) == 0;
}

static gboolean match_name(const Domain *dom, gconstpointer key)
{
    return g_str_equal(dom->name, key);
}

static gboolean match_id(const Domain *dom, gconstpointer key)
{
    return dom->id == *(const int *)key;
}

static Domain *lookup(Driver *drv, Match match, gconstpointer key,
                      const char *what, GError **error)
{
    Domain *found = NULL;

    g_mutex_lock(&drv->lock);
    for (guint i = 0; !found && i < drv->domains->len; i++) {
        Domain *dom = g_ptr_array_index(drv->domains, i);

        if (match(dom, key))
            found = domain_ref(dom);
    }
    g_mutex_unlock(&drv->lock);
    if (!found)
        vir_error_set(error, VIR_ERR_NO_DOMAIN, "no domain with matching %s",
                      what);
    return found;
}

Domain *driver_lookup_uuid(Driver *drv, const guint8 *uuid, GError **error)
{
    return lookup(drv, match_uuid, uuid, "uuid", error);
}

Domain *driver_lookup(Driver *drv, const char *name, const guint8 *uuid,
                      GError **error)
{
    return lookup(drv, match_uuid, uuid, "uuid", error);
}

Domain *driver_lookup_name(Driver *drv, const char *name, GError **error)
{
    g_autofree char *what = g_strdup_printf("name '%s'", name);

    return lookup(drv, match_name, name, what, error);
}

Domain *driver_lookup_id(Driver *drv, int id, GError **error)
{
    g_autofree char *what = g_strdup_printf("id %d", id);

    return lookup(drv, match_id, &id, what, error);
}

GPtrArray *driver_list(Driver *drv, guint flags)
{
    GPtrArray *list =
        g_ptr_array_new_with_free_func((GDestroyNotify)domain_unref);
    guint wanted = flags & (VIR_CONNECT_LIST_DOMAINS_ACTIVE |
                            VIR_CONNECT_LIST_DOMAINS_INACTIVE);

    g_mutex_lock(&drv->lock);
    for (guint i = 0; i < drv->domains->len; i++) {
        Domain *dom = g_ptr_array_index(drv->domains, i);
        guint mine = dom->id > 0 ? VIR_CONNECT_LIST_DOMAINS_ACTIVE
                                 : VIR_CONNECT_LIST_DOMAINS_INACTIVE;

        if (!wanted || (wanted & mine))
            g_ptr_array_add(list, domain_ref(dom));
    }
    g_mutex_unlock(&drv->lock);
    return list;
}

int driver_num_active(Driver *drv)
{
    g_autoptr(GPtrArray) list =
        driver_list(drv, VIR_CONNECT_LIST_DOMAINS_ACTIVE);

    return list->len;
}

int driver_num_inactive(Driver *drv)
{
    g_autoptr(GPtrArray) list =
        driver_list(drv, VIR_CONNECT_LIST_DOMAINS_INACTIVE);

    return list->len;
}

int driver_list_ids(Driver *drv, int *ret_ids, int max)
{
    g_autoptr(GPtrArray) list =
        driver_list(drv, VIR_CONNECT_LIST_DOMAINS_ACTIVE);
    int n = MIN((int)list->len, max);

    for (int i = 0; i < n; i++)
        ret_ids[i] = ((Domain *)g_ptr_array_index(list, i))->id;
    return n;
}

char **driver_list_inactive_names(Driver *drv, int max)
{
    g_autoptr(GPtrArray) list =
        driver_list(drv, VIR_CONNECT_LIST_DOMAINS_INACTIVE);
    g_autoptr(GStrvBuilder) names = g_strv_builder_new();

    for (guint i = 0; i < list->len && (int)i < max; i++)
        g_strv_builder_add(names, ((Domain *)g_ptr_array_index(list, i))->name);
    return g_strv_builder_end(names);
}

/* ---- facts ---- */

void domain_get_state(Domain *dom, int *ret_state, int *ret_reason)
{
    *ret_state = dom->state;
    *ret_reason = dom->reason;
}

void domain_get_info(Domain *dom, DomainInfo *ret_info)
{
    *ret_info =
        (DomainInfo){ dom->state, dom->reason, 262144,
                      131072,     2,           dom->id > 0 ? 1500000000u : 0 };
}

char **domain_get_messages(Domain *dom)
{
    return g_strsplit("tainted: custom monitor control commands issued", "|",
                      -1);
}

gboolean domain_is_active(Domain *dom)
{
    return dom->id > 0;
}

gboolean domain_is_persistent(Domain *dom)
{
    return dom->persistent;
}

gboolean domain_is_updated(Domain *dom)
{
    return FALSE;
}

gboolean domain_get_autostart(Domain *dom)
{
    return dom->autostart;
}

char *domain_get_os_type(Domain *dom)
{
    return g_strdup("hvm");
}

guint64 domain_get_max_memory_kib(Domain *dom)
{
    return 262144;
}

char *domain_get_hostname(Domain *dom, GError **error)
{
    vir_error_set(error, VIR_ERR_NO_HOSTNAME, NULL);
    return NULL;
}

gboolean domain_get_control_info(Domain *dom, DomainControlInfo *ret_info,
                                 GError **error)
{
    *ret_info = (DomainControlInfo){ VIR_DOMAIN_CONTROL_OK, 0, 0 };
    return TRUE;
}

void domain_get_job_info(Domain *dom, DomainJobInfo *ret_info)
{
    *ret_info = (DomainJobInfo){ VIR_DOMAIN_JOB_NONE, 0, 0 };
}

char *domain_get_xml(Domain *dom, guint flags, GError **error)
{
    return g_strdup(dom->xml);
}

int domain_get_vcpus_count(Domain *dom, guint flags, GError **error)
{
    return 2;
}

static void vcpu_clear(gpointer data)
{
    g_free(((DomainVcpu *)data)->cpumap);
}

GArray *domain_get_vcpus(Domain *dom, gsize cpumap_bytes, GError **error)
{
    GArray *vcpus;

    if (dom->id < 0) {
        vir_error_set(error, VIR_ERR_OPERATION_INVALID,
                      "domain is not running");
        return NULL;
    }
    vcpus = g_array_new(FALSE, TRUE, sizeof(DomainVcpu));
    g_array_set_clear_func(vcpus, vcpu_clear);
    for (guint i = 0; i < 2; i++) {
        DomainVcpu vcpu = { i, VIR_VCPU_RUNNING, 700000000u, (int)i,
                            g_malloc0(MAX(cpumap_bytes, 1)) };

        vcpu.cpumap[0] = 3;
        g_array_append_val(vcpus, vcpu);
    }
    return vcpus;
}

char *domain_get_metadata(Domain *dom, int type, const char *uri, guint flags,
                          GError **error)
{
    if (type == VIR_DOMAIN_METADATA_TITLE && dom->title)
        return g_strdup(dom->title);
    vir_error_set_from(error, VIR_FROM_DOMAIN, VIR_ERR_NO_DOMAIN_METADATA,
                       "Requested metadata element is not present");
    return NULL;
}

gboolean domain_set_metadata(Domain *dom, int type, const char *metadata,
                             const char *key, const char *uri, guint flags,
                             GError **error)
{
    DriverEvent event = { .id = VIR_DOMAIN_EVENT_ID_METADATA_CHANGE,
                          .type = type,
                          .text = uri };

    if (type == VIR_DOMAIN_METADATA_TITLE) {
        g_free(dom->title);
        dom->title = g_strdup(metadata);
    }
    domain_ident(dom, &event.dom);
    dom->drv->listener->event(dom->drv->user, &event);
    domain_ident_clear(&event.dom);
    return TRUE;
}

gboolean domain_get_iface_stats(Domain *dom, const char *device,
                                DomainIfaceStats *ret_stats, GError **error)
{
    *ret_stats = (DomainIfaceStats){ 1, 2, 3, 4, 5, 6, 7, 8 };
    return TRUE;
}

gboolean domain_get_block_info(Domain *dom, const char *disk,
                               DomainBlockInfo *ret_info, GError **error)
{
    *ret_info = (DomainBlockInfo){ 3000, 1000, 2000 };
    return TRUE;
}

int domain_get_memory_stats(Domain *dom, DomainMemoryStat *ret_stats, int max,
                            GError **error)
{
    if (max < 1)
        return 0;
    ret_stats[0] = (DomainMemoryStat){ VIR_DOMAIN_MEMORY_STAT_RSS, 4711 };
    return 1;
}

/* ---- definitions ---- */

static char *between(const char *xml, const char *start, const char *end)
{
    const char *from = strstr(xml, start);
    const char *to = from ? strstr(from, end) : NULL;

    if (!to)
        return NULL;
    from += strlen(start);
    return g_strndup(from, to - from);
}

Domain *driver_define(Driver *drv, const char *xml, guint flags, GError **error)
{
    g_autofree char *name = between(xml, "<name>", "</name>");
    Domain *dom;

    if (!name) {
        vir_error_set_from(error, VIR_FROM_DOMAIN, VIR_ERR_NO_NAME, NULL);
        return NULL;
    }
    dom = lookup(drv, match_name, name, "name", NULL);
    if (!dom) {
        dom = g_new0(Domain, 1);
        dom->refs = 1;
        dom->drv = drv;
        dom->name = g_steal_pointer(&name);
        memset(dom->uuid, dom->name[0], sizeof(dom->uuid));
        dom->id = -1;
        dom->state = VIR_DOMAIN_SHUTOFF;
        dom->persistent = TRUE;
        g_mutex_lock(&drv->lock);
        g_ptr_array_add(drv->domains, domain_ref(dom));
        g_mutex_unlock(&drv->lock);
    }
    g_free(dom->xml);
    dom->xml = g_strdup(xml);
    emit(dom, VIR_DOMAIN_EVENT_DEFINED, VIR_DOMAIN_EVENT_DEFINED_ADDED);
    return dom;
}

gboolean driver_undefine(Driver *drv, Domain *dom, guint flags, GError **error)
{
    emit(dom, VIR_DOMAIN_EVENT_UNDEFINED, VIR_DOMAIN_EVENT_UNDEFINED_REMOVED);
    g_mutex_lock(&drv->lock);
    g_ptr_array_remove(drv->domains, dom);
    g_mutex_unlock(&drv->lock);
    return TRUE;
}

gboolean driver_rename(Driver *drv, Domain *dom, const char *new_name,
                       GError **error)
{
    g_free(dom->name);
    dom->name = g_strdup(new_name);
    return TRUE;
}

gboolean driver_set_autostart(Driver *drv, Domain *dom, gboolean autostart,
                              GError **error)
{
    dom->autostart = autostart;
    return TRUE;
}

/* ---- life cycle ---- */

void domain_start_async(Domain *dom, guint flags, gconstpointer conn,
                        DriverDone done, gpointer user)
{
    gboolean paused = (flags & VIR_DOMAIN_START_PAUSED) != 0;
    GError *error = NULL;

    if (dom->id > 0) {
        vir_error_set(&error, VIR_ERR_OPERATION_INVALID,
                      "domain is already running");
        complete(dom->drv, NULL, NULL, error, done, user);
        return;
    }
    dom->id = dom->drv->next_id++;
    dom->state = paused ? VIR_DOMAIN_PAUSED : VIR_DOMAIN_RUNNING;
    dom->reason = paused ? VIR_DOMAIN_PAUSED_USER : VIR_DOMAIN_RUNNING_BOOTED;
    emit(dom, VIR_DOMAIN_EVENT_STARTED, VIR_DOMAIN_EVENT_STARTED_BOOTED);
    complete(dom->drv, dom, NULL, NULL, done, user);
}

void driver_create_async(Driver *drv, const char *xml, guint flags,
                         gconstpointer conn, DriverDone done, gpointer user)
{
    GError *error = NULL;
    g_autoptr(Domain) dom = driver_define(drv, xml, 0, &error);

    if (!dom) {
        complete(drv, NULL, NULL, error, done, user);
        return;
    }
    dom->persistent = FALSE;
    domain_start_async(dom, flags, conn, done, user);
}

static void stop(Domain *dom, int reason, int detail)
{
    dom->id = -1;
    dom->state = VIR_DOMAIN_SHUTOFF;
    dom->reason = reason;
    emit(dom, VIR_DOMAIN_EVENT_STOPPED, detail);
}

void domain_destroy_async(Domain *dom, guint flags, DriverDone done,
                          gpointer user)
{
    stop(dom, VIR_DOMAIN_SHUTOFF_DESTROYED, VIR_DOMAIN_EVENT_STOPPED_DESTROYED);
    complete(dom->drv, dom, NULL, NULL, done, user);
}

void domain_shutdown_async(Domain *dom, guint flags, DriverDone done,
                           gpointer user)
{
    stop(dom, VIR_DOMAIN_SHUTOFF_SHUTDOWN, VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN);
    complete(dom->drv, dom, NULL, NULL, done, user);
}

void domain_reboot_async(Domain *dom, guint flags, DriverDone done,
                         gpointer user)
{
    complete(dom->drv, dom, NULL, NULL, done, user);
}

void domain_reset_async(Domain *dom, DriverDone done, gpointer user)
{
    complete(dom->drv, dom, NULL, NULL, done, user);
}

void domain_suspend_async(Domain *dom, DriverDone done, gpointer user)
{
    dom->state = VIR_DOMAIN_PAUSED;
    dom->reason = VIR_DOMAIN_PAUSED_USER;
    emit(dom, VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_PAUSED);
    complete(dom->drv, dom, NULL, NULL, done, user);
}

void domain_resume_async(Domain *dom, DriverDone done, gpointer user)
{
    dom->state = VIR_DOMAIN_RUNNING;
    dom->reason = VIR_DOMAIN_RUNNING_UNPAUSED;
    emit(dom, VIR_DOMAIN_EVENT_RESUMED, VIR_DOMAIN_EVENT_RESUMED_UNPAUSED);
    complete(dom->drv, dom, NULL, NULL, done, user);
}

void domain_get_block_stats_async(Domain *dom, const char *disk,
                                  DomainBlockStatsDone done, gpointer user)
{
    DomainBlockStats stats = { 1, 2, 3, 4, 5, 6, 7, 8 };

    done(user, &stats, NULL);
}

void domain_monitor_command_async(Domain *dom, const char *command, guint flags,
                                  DriverDone done, gpointer user)
{
    g_autofree char *text = g_strdup_printf("{\"return\":%s}", command);

    complete(dom->drv, dom, text, NULL, done, user);
}

/* ---- console ---- */

DomainConsole *domain_console_open(Domain *dom, const char *device, guint flags,
                                   void (*lost)(gpointer user), gpointer user,
                                   GError **error)
{
    Driver *drv = dom->drv;
    DomainConsole *console;
    int pair[2];

    if (device && g_str_equal(device, "none")) {
        vir_error_set(error, VIR_ERR_INVALID_ARG, "no device '%s'", device);
        return NULL;
    }
    g_assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    g_assert(fcntl(pair[1], F_SETFL, O_NONBLOCK) == 0);
    console = g_new0(DomainConsole, 1);
    *console = (DomainConsole){ drv, pair[1], lost, user };
    g_mutex_lock(&drv->lock);
    drv->guest_fd = pair[0];
    drv->console = console;
    g_mutex_unlock(&drv->lock);
    return console;
}

int domain_console_fd(DomainConsole *console)
{
    return console->fd;
}

void domain_console_close(DomainConsole *console)
{
    Driver *drv = console->drv;

    g_mutex_lock(&drv->lock);
    if (drv->console == console)
        drv->console = NULL;
    g_mutex_unlock(&drv->lock);
    close(console->fd);
    g_free(console);
}

int fake_console_guest_fd(Driver *drv)
{
    int fd;

    g_mutex_lock(&drv->lock);
    fd = drv->guest_fd;
    g_mutex_unlock(&drv->lock);
    return fd;
}

void fake_console_lose(Driver *drv)
{
    g_mutex_lock(&drv->lock);
    if (drv->console)
        drv->console->lost(drv->console->user);
    g_mutex_unlock(&drv->lock);
}

/* ---- statistics ---- */

static void record_free(gpointer data)
{
    StatsRecord *record = data;

    domain_ident_clear(&record->dom);
    g_array_unref(record->params);
    g_free(record);
}

void stats_collect_async(Driver *drv, GPtrArray *domains, guint groups,
                         guint flags, StatsDone done, gpointer user)
{
    g_autoptr(GPtrArray) all = domains ? NULL : driver_list(drv, 0);
    g_autoptr(GPtrArray) records = g_ptr_array_new_with_free_func(record_free);
    GPtrArray *list = domains ? domains : all;

    for (guint i = 0; i < list->len; i++) {
        Domain *dom = g_ptr_array_index(list, i);
        StatsRecord *record = g_new0(StatsRecord, 1);
        StatsParam state = { "state.state",
                             VIR_TYPED_PARAM_INT,
                             { .i = dom->state } };
        StatsParam name = { "block.0.name",
                            VIR_TYPED_PARAM_STRING,
                            { .s = (char *)"vda" } };
        StatsParam bytes = { "block.0.rd.bytes",
                             VIR_TYPED_PARAM_ULLONG,
                             { .ul = G_MAXUINT64 } };

        domain_ident(dom, &record->dom);
        record->params = g_array_new(FALSE, FALSE, sizeof(StatsParam));
        g_array_append_val(record->params, state);
        g_array_append_val(record->params, name);
        g_array_append_val(record->params, bytes);
        g_ptr_array_add(records, record);
    }
    done(user, records, NULL);
}

/* ---- host ---- */

gboolean host_get_node_info(HostNodeInfo *ret_info, GError **error)
{
    *ret_info = (HostNodeInfo){ "x86_64", 8388608, 4, 2000, 1, 1, 4, 1 };
    return TRUE;
}

int host_get_cpu_stats(int cpu, HostStat *ret_stats, GError **error)
{
    if (cpu > 3) {
        vir_error_set(error, VIR_ERR_INVALID_ARG, "there is no CPU %d", cpu);
        return -1;
    }
    ret_stats[0] = (HostStat){ "kernel", 1000 };
    ret_stats[1] = (HostStat){ "user", 2000 };
    ret_stats[2] = (HostStat){ "idle", 3000 };
    ret_stats[3] = (HostStat){ "iowait", 4000 };
    return 4;
}

int host_get_memory_stats(int cell, HostStat *ret_stats, GError **error)
{
    ret_stats[0] = (HostStat){ "total", 8388608 };
    ret_stats[1] = (HostStat){ "free", 4194304 };
    return 2;
}

guint64 host_get_free_memory_bytes(void)
{
    return 4194304u * 1024ull;
}

int host_get_cells_free_memory(int start, int max, guint64 *ret_bytes,
                               GError **error)
{
    ret_bytes[0] = 4194304u * 1024ull;
    return 1;
}

int host_get_cpu_map(guint8 **ret_map, gsize *ret_map_bytes, guint *ret_online,
                     GError **error)
{
    *ret_map = g_malloc0(1);
    (*ret_map)[0] = 0x0f;
    *ret_map_bytes = 1;
    *ret_online = 4;
    return 4;
}

char *host_get_hostname(void)
{
    return g_strdup("fakehost");
}

char *host_get_sysinfo_xml(GError **error)
{
    return g_strdup("<sysinfo type='smbios'/>\n");
}
