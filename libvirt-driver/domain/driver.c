/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The driver: its list of domains, ids and users, its begin and end. */
#include <config.h>

#include "domain/domain_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/file.h>

#include "host/host.h"
#include "util/error.h"
#include "util/file.h"
#include "util/log.h"

/* ---- The list --------------------------------------------------------- */

static guint uuid_hash(gconstpointer key)
{
    guint hash = 5381;
    const guint8 *uuid = key;

    for (int i = 0; i < DRIVER_UUID_BYTES; i++)
        hash = hash * 33 + uuid[i];
    return hash;
}

static gboolean uuid_equal(gconstpointer a, gconstpointer b)
{
    return memcmp(a, b, DRIVER_UUID_BYTES) == 0;
}

void driver_list_add(Driver *drv, Domain *dom)
{
    g_autofree char *name = domain_name(dom);

    g_mutex_lock(&drv->list_lock);
    g_hash_table_replace(drv->by_uuid, dom->uuid, domain_ref(dom));
    g_hash_table_replace(drv->by_name, g_steal_pointer(&name), dom);
    g_mutex_unlock(&drv->list_lock);
}

void driver_list_remove(Driver *drv, Domain *dom)
{
    g_autoptr(Domain) keep G_GNUC_UNUSED = domain_ref(dom);
    g_autofree char *name = domain_name(dom);

    g_mutex_lock(&drv->list_lock);
    if (g_hash_table_lookup(drv->by_name, name) == dom)
        g_hash_table_remove(drv->by_name, name);
    if (g_hash_table_lookup(drv->by_uuid, dom->uuid) == dom)
        g_hash_table_remove(drv->by_uuid, dom->uuid);
    g_mutex_unlock(&drv->list_lock);
    {
        DOMAIN_LOCK(dom);

        dom->removed = TRUE;
    }
}

void driver_list_rename(Driver *drv, Domain *dom, const char *new_name)
{
    g_mutex_lock(&drv->list_lock);
    g_hash_table_remove(drv->by_name, dom->name);
    {
        DOMAIN_LOCK(dom);

        g_free(dom->name);
        dom->name = g_strdup(new_name);
    }
    g_hash_table_replace(drv->by_name, g_strdup(new_name), dom);
    g_mutex_unlock(&drv->list_lock);
}

Domain *driver_find_uuid(Driver *drv, const guint8 *uuid)
{
    Domain *dom;

    g_mutex_lock(&drv->list_lock);
    dom = g_hash_table_lookup(drv->by_uuid, uuid);
    if (dom)
        domain_ref(dom);
    g_mutex_unlock(&drv->list_lock);
    return dom;
}

Domain *driver_find_name(Driver *drv, const char *name)
{
    Domain *dom;

    g_mutex_lock(&drv->list_lock);
    dom = g_hash_table_lookup(drv->by_name, name);
    if (dom)
        domain_ref(dom);
    g_mutex_unlock(&drv->list_lock);
    return dom;
}

Domain *driver_lookup_uuid(Driver *drv, const guint8 *uuid, GError **error)
{
    return driver_lookup(drv, NULL, uuid, error);
}

Domain *driver_lookup(Driver *drv, const char *name, const guint8 *uuid,
                      GError **error)
{
    Domain *dom = driver_find_uuid(drv, uuid);
    char text[37];

    if (dom)
        return dom;
    uuid_format(uuid, text);
    if (name)
        vir_error_set(error, VIR_ERR_NO_DOMAIN,
                      "no domain with matching uuid '%s' (%s)", text, name);
    else
        vir_error_set(error, VIR_ERR_NO_DOMAIN,
                      "no domain with matching uuid '%s'", text);
    return NULL;
}

Domain *driver_lookup_name(Driver *drv, const char *name, GError **error)
{
    Domain *dom = driver_find_name(drv, name);

    if (!dom)
        vir_error_set(error, VIR_ERR_NO_DOMAIN,
                      "no domain with matching name '%s'", name);
    return dom;
}

static GPtrArray *driver_all(Driver *drv)
{
    GPtrArray *all =
        g_ptr_array_new_with_free_func((GDestroyNotify)domain_unref);
    GHashTableIter iter;
    gpointer dom;

    g_mutex_lock(&drv->list_lock);
    g_hash_table_iter_init(&iter, drv->by_uuid);
    while (g_hash_table_iter_next(&iter, NULL, &dom))
        g_ptr_array_add(all, domain_ref(dom));
    g_mutex_unlock(&drv->list_lock);
    return all;
}

static int domain_id(Domain *dom)
{
    DOMAIN_LOCK(dom);

    return dom->id;
}

Domain *driver_lookup_id(Driver *drv, int id, GError **error)
{
    g_autoptr(GPtrArray) all = driver_all(drv);

    for (guint i = 0; id >= 0 && i < all->len; i++) {
        Domain *dom = g_ptr_array_index(all, i);

        if (domain_id(dom) == id)
            return domain_ref(dom);
    }
    vir_error_set(error, VIR_ERR_NO_DOMAIN, "no domain with matching id %d",
                  id);
    return NULL;
}

/* What a domain is, as bits of the list filters. */
static guint domain_traits(Domain *dom)
{
    guint traits = VIR_CONNECT_LIST_DOMAINS_NO_MANAGEDSAVE |
                   VIR_CONNECT_LIST_DOMAINS_NO_SNAPSHOT |
                   VIR_CONNECT_LIST_DOMAINS_NO_CHECKPOINT;
    DOMAIN_LOCK(dom);

    traits |= dom->id >= 0 ? VIR_CONNECT_LIST_DOMAINS_ACTIVE
                           : VIR_CONNECT_LIST_DOMAINS_INACTIVE;
    traits |= dom->persistent ? VIR_CONNECT_LIST_DOMAINS_PERSISTENT
                              : VIR_CONNECT_LIST_DOMAINS_TRANSIENT;
    traits |= dom->autostart ? VIR_CONNECT_LIST_DOMAINS_AUTOSTART
                             : VIR_CONNECT_LIST_DOMAINS_NO_AUTOSTART;
    if (dom->state == VIR_DOMAIN_RUNNING)
        traits |= VIR_CONNECT_LIST_DOMAINS_RUNNING;
    else if (dom->state == VIR_DOMAIN_PAUSED)
        traits |= VIR_CONNECT_LIST_DOMAINS_PAUSED;
    else if (dom->state == VIR_DOMAIN_SHUTOFF)
        traits |= VIR_CONNECT_LIST_DOMAINS_SHUTOFF;
    else
        traits |= VIR_CONNECT_LIST_DOMAINS_OTHER;
    return traits;
}

/* Bits are ORed inside a group; a group without a bit does not filter. */
static gboolean traits_match(guint traits, guint flags)
{
    static const guint groups[] = {
        0x3, 0xc, 0xf0, 0x300, 0xc00, 0x3000, 0xc000
    };

    for (gsize i = 0; i < G_N_ELEMENTS(groups); i++) {
        guint want = flags & groups[i];

        if (want && !(traits & want))
            return FALSE;
    }
    return TRUE;
}

GPtrArray *driver_list(Driver *drv, guint flags)
{
    g_autoptr(GPtrArray) all = driver_all(drv);
    GPtrArray *list =
        g_ptr_array_new_with_free_func((GDestroyNotify)domain_unref);

    for (guint i = 0; i < all->len; i++) {
        Domain *dom = g_ptr_array_index(all, i);

        if (traits_match(domain_traits(dom), flags))
            g_ptr_array_add(list, domain_ref(dom));
    }
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
    g_autoptr(GPtrArray) all = driver_all(drv);
    int n = 0;

    for (guint i = 0; i < all->len && n < max; i++) {
        int id = domain_id(g_ptr_array_index(all, i));

        if (id >= 0)
            ret_ids[n++] = id;
    }
    return n;
}

char **driver_list_inactive_names(Driver *drv, int max)
{
    g_autoptr(GPtrArray) list =
        driver_list(drv, VIR_CONNECT_LIST_DOMAINS_INACTIVE);
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    for (guint i = 0; i < list->len && (int)i < max; i++)
        g_ptr_array_add(names, domain_name(g_ptr_array_index(list, i)));
    g_ptr_array_add(names, NULL);
    return (char **)g_ptr_array_free(g_steal_pointer(&names), FALSE);
}

/* ---- Ids and users ---------------------------------------------------- */

int driver_next_id(Driver *drv)
{
    int id;

    g_mutex_lock(&drv->list_lock);
    id = drv->next_id++;
    g_mutex_unlock(&drv->list_lock);
    return id;
}

void driver_claim_id(Driver *drv, int id)
{
    g_mutex_lock(&drv->list_lock);
    drv->next_id = MAX(drv->next_id, id + 1);
    g_mutex_unlock(&drv->list_lock);
}

void driver_count_active(Driver *drv, int delta)
{
    gboolean before, after;

    g_mutex_lock(&drv->list_lock);
    before = drv->num_active > 0;
    drv->num_active += delta;
    after = drv->num_active > 0;
    g_mutex_unlock(&drv->list_lock);
    if (before != after && drv->listener && drv->listener->busy)
        drv->listener->busy(drv->user, after);
}

static gboolean lookup_user(const DriverConfig *config, uid_t *ret_uid,
                            gid_t *ret_gid, GError **error)
{
    struct passwd pw, *found = NULL;
    struct group gr, *found_group = NULL;
    char buf[16384];

    if (getpwnam_r(config->user, &pw, buf, sizeof(buf), &found) != 0 || !found)
        return vir_error_set(error, VIR_ERR_CONFIG_UNSUPPORTED,
                             "user = \"%s\" in stratovirt.conf: there is no "
                             "such user",
                             config->user);
    *ret_uid = pw.pw_uid;
    *ret_gid = pw.pw_gid;
    if (!config->group)
        return TRUE;
    if (getgrnam_r(config->group, &gr, buf, sizeof(buf), &found_group) != 0 ||
        !found_group)
        return vir_error_set(error, VIR_ERR_CONFIG_UNSUPPORTED,
                             "group = \"%s\" in stratovirt.conf: there is no "
                             "such group",
                             config->group);
    *ret_gid = gr.gr_gid;
    return TRUE;
}

static gboolean uid_in_range(const DriverConfig *config, uid_t uid)
{
    return config->uid_first && uid >= config->uid_first &&
           uid <= config->uid_last;
}

gboolean driver_uid_take(Driver *drv, uid_t *ret_uid, gid_t *ret_gid,
                         GError **error)
{
    const DriverConfig *config = drv->config;
    guint n = config->uid_last - config->uid_first + 1;
    gboolean found = FALSE;

    if (config->user)
        return lookup_user(config, ret_uid, ret_gid, error);
    if (!config->uid_first)
        return vir_error_set(error, VIR_ERR_CONFIG_UNSUPPORTED,
                             "guests have no user to run as: set uid_range, or "
                             "user and group, in stratovirt.conf");
    g_mutex_lock(&drv->list_lock);
    for (guint i = 0; i < n && !found; i++) {
        if (drv->uid_used[i])
            continue;
        drv->uid_used[i] = TRUE;
        *ret_uid = *ret_gid = config->uid_first + i;
        found = TRUE;
    }
    g_mutex_unlock(&drv->list_lock);
    if (!found)
        return vir_error_set(error, VIR_ERR_OPERATION_FAILED,
                             "all %u users of uid_range are taken by running "
                             "guests: widen it in stratovirt.conf",
                             n);
    return TRUE;
}

static void uid_set(Driver *drv, uid_t uid, gboolean used)
{
    if (drv->config->user || !uid_in_range(drv->config, uid))
        return;
    g_mutex_lock(&drv->list_lock);
    drv->uid_used[uid - drv->config->uid_first] = used;
    g_mutex_unlock(&drv->list_lock);
}

void driver_uid_claim(Driver *drv, uid_t uid)
{
    uid_set(drv, uid, TRUE);
}

void driver_uid_release(Driver *drv, uid_t uid)
{
    uid_set(drv, uid, FALSE);
}

/* ---- Begin and end ---------------------------------------------------- */

const DriverConfig *driver_config(Driver *drv)
{
    return drv->config;
}

const char *driver_host_uuid(Driver *drv)
{
    return drv->host_uuid;
}

gboolean driver_fault(Driver *drv, const char *step, GError **error)
{
    if (g_strcmp0(drv->fault, step) != 0)
        return FALSE;
    vir_error_set(error, VIR_ERR_INTERNAL_ERROR, "fault injected at '%s'",
                  step);
    return TRUE;
}

void driver_set_fault(Driver *drv, const char *step)
{
    drv->fault = step;
}

/* One driver per directory. */
static gboolean take_lock(Driver *drv, GError **error)
{
    g_autofree char *path = path_named(drv->paths.run, "driver", "pid");
    char text[32];

    drv->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (drv->lock_fd < 0)
        return vir_error_set_errno(error, errno, "cannot open '%s'", path);
    if (flock(drv->lock_fd, LOCK_EX | LOCK_NB) < 0)
        return vir_error_set(error, VIR_ERR_OPERATION_INVALID,
                             "another driver runs with '%s': stop it first",
                             path);
    g_snprintf(text, sizeof(text), "%d\n", (int)getpid());
    if (ftruncate(drv->lock_fd, 0) < 0 ||
        fd_write_all(drv->lock_fd, text, strlen(text)) < 0)
        return vir_error_set_errno(error, errno, "cannot write '%s'", path);
    return TRUE;
}

static Driver *driver_alloc(DriverConfig *config,
                            const DriverListener *listener, gpointer user)
{
    Driver *drv = g_new0(Driver, 1);

    drv->config = config;
    drv->listener = listener;
    drv->user = user;
    drv->lock_fd = -1;
    drv->next_id = 1;
    g_mutex_init(&drv->define_lock);
    g_mutex_init(&drv->list_lock);
    g_mutex_init(&drv->event_lock);
    g_mutex_init(&drv->strand_lock);
    g_cond_init(&drv->strand_idle);
    g_queue_init(&drv->events);
    drv->by_uuid = g_hash_table_new_full(uuid_hash, uuid_equal, NULL,
                                         (GDestroyNotify)domain_unref);
    drv->by_name = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    drv->uid_used = g_malloc0(config->uid_last - config->uid_first + 1);
    paths_init(&drv->paths, config);
    return drv;
}

Driver *driver_new(DriverConfig *config, const DriverListener *listener,
                   gpointer user, GError **error)
{
    g_autoptr(Driver) drv = driver_alloc(config, listener, user);

    if (!paths_make(&drv->paths, config->session, error) ||
        !take_lock(drv, error))
        return NULL;
    drv->host_uuid =
        host_get_uuid(config->host_uuid, config->host_uuid_source, error);
    if (!drv->host_uuid)
        return NULL;
    drv->loop = ev_loop_new("domains", error);
    if (!drv->loop || !strands_start(drv, error))
        return NULL;
    file_sweep_temps(drv->paths.run);
    file_sweep_temps(drv->paths.config);
    /* Running guests first: a definition then joins its live domain. */
    status_load_all(drv);
    persist_load_all(drv);
    adopt_all(drv);
    strands_drain(drv);
    return g_steal_pointer(&drv);
}

/* The strand lets go of what the loop watches; the guest goes on. */
static void detach_task(Domain *dom, gpointer unused)
{
    g_autoptr(GError) why = NULL;
    DomainOp *op;

    vir_error_set(&why, VIR_ERR_OPERATION_FAILED, "the daemon is stopping");
    consoles_lost(dom);
    if (dom->job)
        op_end(dom->job, NULL, why);
    while ((op = g_queue_peek_head(&dom->waiting)))
        op_end(op, NULL, why);
    if (dom->proc)
        proc_detach(dom->proc, why);
}

static void detach_all(Driver *drv)
{
    g_autoptr(GPtrArray) all = driver_all(drv);

    for (guint i = 0; i < all->len; i++)
        domain_post(g_ptr_array_index(all, i), detach_task, NULL);
}

void driver_free(Driver *drv)
{
    if (!drv)
        return;
    if (drv->pool) {
        drv->stopping = TRUE;
        detach_all(drv);
        strands_drain(drv);
        g_thread_pool_free(drv->pool, FALSE, TRUE);
    }
    ev_loop_free(drv->loop);
    events_free(drv);
    g_hash_table_unref(drv->by_name);
    g_hash_table_unref(drv->by_uuid);
    g_free(drv->uid_used);
    g_free(drv->host_uuid);
    paths_fini(&drv->paths);
    fd_clear(&drv->lock_fd);
    g_mutex_clear(&drv->define_lock);
    g_mutex_clear(&drv->list_lock);
    g_mutex_clear(&drv->event_lock);
    g_mutex_clear(&drv->strand_lock);
    g_cond_clear(&drv->strand_idle);
    driver_config_free(drv->config);
    g_free(drv);
}
