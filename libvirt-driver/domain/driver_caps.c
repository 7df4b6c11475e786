/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What host and VMM offer: capabilities, limits, version; and autostart. */
#include <config.h>

#include "domain/domain_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "conf/caps.h"
#include "host/host.h"
#include "util/error.h"
#include "util/file.h"
#include "util/log.h"

enum {
    DEFAULT_VMM_VERSION = 8002002, /* of a VMM that cannot be asked */
};

#if defined(__x86_64__)
static const char host_arch[] = "x86_64";
#elif defined(__aarch64__)
static const char host_arch[] = "aarch64";
#endif

gulong driver_vmm_version(Driver *drv)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VmmInfo) info = driver_probe(drv, drv->config->emulator, &error);

    if (!info)
        log_warning("%s", error->message);
    if (!info || !info->caps->qmp_version)
        return DEFAULT_VMM_VERSION;
    return info->caps->qmp_version;
}

int driver_max_vcpus(Driver *drv)
{
    g_autoptr(VmmInfo) info = driver_probe(drv, drv->config->emulator, NULL);

    return info && info->max_vcpus ? info->max_vcpus : 254;
}

/* No VMM is asked here: definitions are read before any is needed. */
void driver_limits(Driver *drv, DomainCapsLimits *ret_limits)
{
    memset(ret_limits, 0, sizeof(*ret_limits));
    ret_limits->arch = host_arch;
    ret_limits->emulator = drv->config->emulator;
    ret_limits->device_substitution = drv->config->device_substitution;
}

/* ---- Capabilities ----------------------------------------------------- */

/* Borrowed views of what host/ found, in the shape that conf/ prints. */
typedef struct CapsView {
    GPtrArray *cells; /* of HostCell, owned */
    CapsCell *out;    /* owned */
    GPtrArray *cpus;  /* of CapsCpu arrays, owned */
} CapsView;

static void view_cell(CapsView *view, guint i)
{
    const HostCell *cell = g_ptr_array_index(view->cells, i);
    CapsCpu *cpus = g_new0(CapsCpu, cell->cpus->len + 1);

    for (guint k = 0; k < cell->cpus->len; k++) {
        const HostCpu *cpu = &g_array_index(cell->cpus, HostCpu, k);

        cpus[k] = (CapsCpu){ cpu->id, cpu->socket, cpu->die, cpu->core,
                             cpu->siblings };
    }
    g_ptr_array_add(view->cpus, cpus);
    view->out[i].id = cell->id;
    view->out[i].memory_kib = cell->memory_kib;
    view->out[i].cpus = cpus;
    view->out[i].n_cpus = cell->cpus->len;
    if (cell->distances->len == view->cells->len)
        view->out[i].distances = (const guint *)cell->distances->data;
}

static void view_init(CapsView *view)
{
    view->cells = host_get_cells();
    view->out = g_new0(CapsCell, view->cells->len + 1);
    view->cpus = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < view->cells->len; i++)
        view_cell(view, i);
}

static void view_fini(CapsView *view)
{
    g_ptr_array_unref(view->cpus);
    g_ptr_array_unref(view->cells);
    g_free(view->out);
}

char *driver_capabilities_xml(Driver *drv, GError **error)
{
    static const CapsSecurity security[] = { { "none", "0", NULL } };
    g_autofree char *vendor = host_get_cpu_vendor();
    GString *text;
    HostNodeInfo node;
    CapsView view;
    Caps caps = { .uuid = drv->host_uuid, .arch = host_arch };

    if (!host_get_node_info(&node, error))
        return NULL;
    view_init(&view);
    caps.vendor = vendor;
    caps.microcode = host_get_microcode();
    caps.sockets = node.sockets;
    caps.dies = 1;
    caps.cores = node.cores;
    caps.threads = node.threads;
    caps.cells = view.out;
    caps.n_cells = view.cells->len;
    caps.security = security;
    caps.n_security = G_N_ELEMENTS(security);
    caps.emulator = drv->config->emulator;
    caps.max_vcpus = driver_max_vcpus(drv);
    text = g_string_new(NULL);
    caps_format(&caps, text);
    view_fini(&view);
    return g_string_free(text, FALSE);
}

char *driver_domain_capabilities_xml(Driver *drv, const char *emulator,
                                     const char *arch, const char *machine,
                                     const char *virttype, GError **error)
{
    DomainCapsQuery query = { emulator, arch, machine, virttype };
    DomainCapsLimits limits;
    GString *text = g_string_new(NULL);

    driver_limits(drv, &limits);
    limits.max_vcpus = driver_max_vcpus(drv);
    if (!domain_caps_format(&query, &limits, text, error)) {
        g_string_free(text, TRUE);
        return NULL;
    }
    return g_string_free(text, FALSE);
}

/* ---- Autostart -------------------------------------------------------- */

static void autostart_done(gpointer user, Domain *dom, const char *text,
                           const GError *error)
{
    DomainIdent ident;

    if (!error)
        return;
    domain_ident(dom, &ident);
    log_error("cannot start domain '%s' at boot: %s", ident.name,
              error->message);
    domain_ident_clear(&ident);
}

void driver_autostart(Driver *drv)
{
    g_autofree char *marker =
        g_build_filename(drv->paths.run, "autostarted", NULL);
    g_autoptr(GPtrArray) list =
        driver_list(drv, VIR_CONNECT_LIST_DOMAINS_AUTOSTART |
                             VIR_CONNECT_LIST_DOMAINS_INACTIVE);
    AUTO_FD fd = open(marker, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0) {
        if (errno != EEXIST)
            log_error("nothing is started at boot: cannot create '%s': %s",
                      marker, g_strerror(errno));
        return; /* done since the host booted */
    }
    for (guint i = 0; i < list->len; i++)
        domain_start_async(g_ptr_array_index(list, i), 0, NULL, autostart_done,
                           NULL);
}
