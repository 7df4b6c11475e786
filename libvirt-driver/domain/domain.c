/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A domain: identity, state, definitions, and its run. */
#include <config.h>

#include "domain/domain_priv.h"

#include <string.h>

#include "security/ownership.h"
#include "util/error.h"
#include "util/file.h"

/* ---- Definitions that many read --------------------------------------- */

DefRef *def_ref_new(DomainDef *def)
{
    DefRef *ref = g_new(DefRef, 1);

    g_atomic_ref_count_init(&ref->refs);
    ref->def = def;
    return ref;
}

DefRef *def_ref(DefRef *ref)
{
    g_atomic_ref_count_inc(&ref->refs);
    return ref;
}

void def_unref(DefRef *ref)
{
    if (!ref || !g_atomic_ref_count_dec(&ref->refs))
        return;
    domain_def_free(ref->def);
    g_free(ref);
}

/* ---- UUIDs ------------------------------------------------------------ */

gboolean uuid_parse(const char *text, guint8 *ret_uuid)
{
    guint8 uuid[DRIVER_UUID_BYTES];
    gsize n = 0;

    for (; *text && n < 2 * DRIVER_UUID_BYTES; text++) {
        int digit = g_ascii_xdigit_value(*text);

        if (*text == '-')
            continue;
        if (digit < 0)
            return FALSE;
        uuid[n / 2] = n % 2 ? uuid[n / 2] | digit : digit << 4;
        n++;
    }
    if (n != 2 * DRIVER_UUID_BYTES || *text)
        return FALSE;
    memcpy(ret_uuid, uuid, sizeof(uuid));
    return TRUE;
}

void uuid_format(const guint8 *u, char *ret_text)
{
    g_snprintf(ret_text, 37,
               "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-"
               "%02x%02x%02x%02x%02x%02x",
               u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9],
               u[10], u[11], u[12], u[13], u[14], u[15]);
}

/* ---- The object ------------------------------------------------------- */

Domain *domain_new(Driver *drv, const guint8 *uuid, const char *name)
{
    Domain *dom = g_new0(Domain, 1);

    g_atomic_ref_count_init(&dom->refs);
    dom->drv = drv;
    g_mutex_init(&dom->lock);
    memcpy(dom->uuid, uuid, DRIVER_UUID_BYTES);
    dom->name = g_strdup(name);
    dom->id = -1;
    dom->state = VIR_DOMAIN_SHUTOFF;
    dom->reason = VIR_DOMAIN_SHUTOFF_UNKNOWN;
    dom->consoles = g_ptr_array_new();
    g_queue_init(&dom->waiting);
    g_queue_init(&dom->tasks);
    return dom;
}

Domain *domain_ref(Domain *dom)
{
    g_atomic_ref_count_inc(&dom->refs);
    return dom;
}

void domain_unref(Domain *dom)
{
    if (!dom || !g_atomic_ref_count_dec(&dom->refs))
        return;
    def_unref(dom->def);
    def_unref(dom->new_def);
    g_ptr_array_unref(dom->consoles);
    g_free(dom->name);
    g_mutex_clear(&dom->lock);
    g_free(dom);
}

void domain_ident_clear(DomainIdent *ident)
{
    g_clear_pointer(&ident->name, g_free);
}

void domain_ident(Domain *dom, DomainIdent *ret_ident)
{
    DOMAIN_LOCK(dom);

    ret_ident->name = g_strdup(dom->name);
    memcpy(ret_ident->uuid, dom->uuid, DRIVER_UUID_BYTES);
    ret_ident->id = dom->id;
}

char *domain_name(Domain *dom)
{
    DOMAIN_LOCK(dom);

    return g_strdup(dom->name);
}

DefRef *domain_def_snapshot(Domain *dom)
{
    DOMAIN_LOCK(dom);

    return def_ref(dom->def);
}

DefRef *domain_def_affected(Domain *dom, guint flags, GError **error)
{
    gboolean live = flags & VIR_DOMAIN_AFFECT_LIVE;
    gboolean config = flags & VIR_DOMAIN_AFFECT_CONFIG;
    DOMAIN_LOCK(dom);

    if (live && config) {
        vir_error_set_arg(error, "virDomainDefGetOneDef", "ctl",
                          "Flags 'VIR_DOMAIN_AFFECT_LIVE' and "
                          "'VIR_DOMAIN_AFFECT_CONFIG' are mutually exclusive");
        return NULL;
    }
    if (live && dom->id < 0) {
        vir_error_set_from(error, VIR_FROM_DOM, VIR_ERR_OPERATION_INVALID,
                           "domain is not running");
        return NULL;
    }
    if (config && !dom->persistent) {
        vir_error_set_from(error, VIR_FROM_DOM, VIR_ERR_OPERATION_INVALID,
                           "transient domains do not have any persistent "
                           "config");
        return NULL;
    }
    return def_ref(config && dom->new_def ? dom->new_def : dom->def);
}

DomainProc *domain_proc_ref(Domain *dom)
{
    DOMAIN_LOCK(dom);

    return dom->proc ? proc_ref(dom->proc) : NULL;
}

gboolean domain_require_active(Domain *dom, GError **error)
{
    DOMAIN_LOCK(dom);

    if (dom->id >= 0)
        return TRUE;
    return vir_error_set(error, VIR_ERR_OPERATION_INVALID,
                         "domain is not running");
}

void domain_set_state(Domain *dom, int state, int reason)
{
    DOMAIN_LOCK(dom);

    dom->state = state;
    dom->reason = reason;
}

void domain_set_control(Domain *dom, guint control_state)
{
    DOMAIN_LOCK(dom);

    dom->control_state = control_state;
    dom->control_since_us = g_get_monotonic_time();
}

void domain_take_def(Domain *dom, DefRef *def)
{
    DefRef *old;

    {
        DOMAIN_LOCK(dom);

        old = dom->def;
        dom->def = def;
    }
    def_unref(old);
}

/* ---- A run ------------------------------------------------------------ */

DomainProc *proc_new(Domain *dom)
{
    DomainProc *proc = g_new0(DomainProc, 1);

    g_atomic_ref_count_init(&proc->refs);
    proc->dom = domain_ref(dom);
    proc->pidfd = -1;
    proc->launch_fd = -1;
    proc->uid = (uid_t)-1;
    proc->gid = (gid_t)-1;
    proc->vcpu_tids = g_array_new(FALSE, TRUE, sizeof(pid_t));
    proc->waits = g_ptr_array_new();
    proc->lent = lent_files_new();
    proc->destroy_ops =
        g_ptr_array_new_with_free_func((GDestroyNotify)op_unref);
    return proc;
}

DomainProc *proc_ref(DomainProc *proc)
{
    g_atomic_ref_count_inc(&proc->refs);
    return proc;
}

void proc_unref(DomainProc *proc)
{
    if (!proc || !g_atomic_ref_count_dec(&proc->refs))
        return;
    fd_clear(&proc->pidfd);
    fd_clear(&proc->launch_fd);
    qmp_client_unref(proc->qmp);
    vmm_info_unref(proc->info);
    g_clear_error(&proc->start_error);
    op_unref(proc->start_op);
    g_array_unref(proc->vcpu_tids);
    g_ptr_array_unref(proc->destroy_ops);
    g_ptr_array_unref(proc->waits);
    g_array_unref(proc->lent);
    g_free(proc->dir);
    g_free(proc->boot_id);
    g_free(proc->cgroup);
    domain_unref(proc->dom);
    g_free(proc);
}

typedef struct ProcTask {
    DomainProc *proc; /* owned */
    ProcFn fn;
} ProcTask;

static void proc_task(Domain *dom, gpointer data)
{
    ProcTask *task = data;

    if (dom->proc == task->proc)
        task->fn(task->proc);
    proc_unref(task->proc);
    g_free(task);
}

void proc_post(DomainProc *proc, ProcFn fn)
{
    ProcTask *task = g_new(ProcTask, 1);

    task->proc = proc_ref(proc);
    task->fn = fn;
    domain_post(proc->dom, proc_task, task);
}

/* ---- Facts from memory ------------------------------------------------ */

void domain_get_state(Domain *dom, int *ret_state, int *ret_reason)
{
    DOMAIN_LOCK(dom);

    *ret_state = dom->state;
    *ret_reason = dom->reason;
}

char **domain_get_messages(Domain *dom)
{
    g_autoptr(GPtrArray) texts = g_ptr_array_new();
    DOMAIN_LOCK(dom);

    if (dom->tainted)
        g_ptr_array_add(texts, g_strdup("tainted: custom monitor control "
                                        "commands issued"));
    g_ptr_array_add(texts, NULL);
    return (char **)g_ptr_array_free(g_steal_pointer(&texts), FALSE);
}

gboolean domain_is_active(Domain *dom)
{
    DOMAIN_LOCK(dom);

    return dom->id >= 0;
}

gboolean domain_is_persistent(Domain *dom)
{
    DOMAIN_LOCK(dom);

    return dom->persistent;
}

gboolean domain_get_autostart(Domain *dom)
{
    DOMAIN_LOCK(dom);

    return dom->autostart;
}

gboolean domain_is_updated(Domain *dom)
{
    g_autoptr(DefRef) live = NULL;
    g_autoptr(DefRef) next = NULL;
    g_autoptr(GString) a = g_string_new(NULL);
    g_autoptr(GString) b = g_string_new(NULL);

    {
        DOMAIN_LOCK(dom);

        if (!dom->new_def)
            return FALSE;
        live = def_ref(dom->def);
        next = def_ref(dom->new_def);
    }
    domain_def_format(live->def, VIR_DOMAIN_XML_INACTIVE, a);
    domain_def_format(next->def, VIR_DOMAIN_XML_INACTIVE, b);
    return !g_string_equal(a, b);
}

char *domain_get_os_type(Domain *dom)
{
    g_autoptr(DefRef) ref = domain_def_snapshot(dom);

    return g_strdup(ref->def->os.type ? ref->def->os.type : "hvm");
}

guint64 domain_get_max_memory_kib(Domain *dom)
{
    g_autoptr(DefRef) ref = domain_def_snapshot(dom);

    return ref->def->memory_kib;
}

char *domain_get_hostname(Domain *dom, GError **error)
{
    vir_error_set_no_support(error, "virDomainGetHostname");
    return NULL;
}

gboolean domain_get_control_info(Domain *dom, DomainControlInfo *ret_info,
                                 GError **error)
{
    if (!domain_require_active(dom, error))
        return FALSE;
    {
        DOMAIN_LOCK(dom);

        memset(ret_info, 0, sizeof(*ret_info));
        ret_info->state = dom->control_state;
        if (dom->control_state == VIR_DOMAIN_CONTROL_ERROR)
            ret_info->details = VIR_DOMAIN_CONTROL_ERROR_REASON_MONITOR;
        if (dom->control_state != VIR_DOMAIN_CONTROL_OK)
            ret_info->state_time_ms =
                (g_get_monotonic_time() - dom->control_since_us) / 1000;
    }
    return TRUE;
}

void domain_get_job_info(Domain *dom, DomainJobInfo *ret_info)
{
    DOMAIN_LOCK(dom);

    memset(ret_info, 0, sizeof(*ret_info));
    if (!dom->job || !dom->job->operation)
        return;
    ret_info->type = VIR_DOMAIN_JOB_UNBOUNDED;
    ret_info->operation = dom->job->operation;
    ret_info->time_elapsed_ms =
        (g_get_monotonic_time() - dom->job->started_us) / 1000;
}

char *domain_get_xml(Domain *dom, guint flags, GError **error)
{
    g_autoptr(DefRef) ref = NULL;
    GString *text = g_string_new(NULL);

    {
        DOMAIN_LOCK(dom);

        ref = def_ref((flags & VIR_DOMAIN_XML_INACTIVE) && dom->new_def
                          ? dom->new_def
                          : dom->def);
        if (dom->id < 0)
            flags |= VIR_DOMAIN_XML_INACTIVE;
    }
    domain_def_format(ref->def, flags, text);
    return g_string_free(text, FALSE);
}

int domain_get_vcpus_count(Domain *dom, guint flags, GError **error)
{
    g_autoptr(DefRef) ref = NULL;
    const DomainDef *def;

    if ((flags & VIR_DOMAIN_VCPU_GUEST) ||
        (flags & VIR_DOMAIN_VCPU_HOTPLUGGABLE)) {
        vir_error_set(error, VIR_ERR_NO_SUPPORT,
                      "vCPUs can be counted from the definition only");
        return -1;
    }
    ref = domain_def_affected(dom, flags & ~VIR_DOMAIN_VCPU_MAXIMUM, error);
    if (!ref)
        return -1;
    def = ref->def;
    if (flags & VIR_DOMAIN_VCPU_MAXIMUM)
        return def->vcpus;
    return def->vcpus_current ? def->vcpus_current : def->vcpus;
}
