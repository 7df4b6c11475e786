/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Status files: what a restarted daemon needs to know about a run. */
#include <config.h>

#include "domain/domain_priv.h"

#include <errno.h>
#include <libxml/parser.h>
#include <stdlib.h>
#include <string.h>

#include "security/ownership.h"
#include "util/error.h"
#include "util/file.h"
#include "util/log.h"

enum {
    MAX_STATUS_BYTES = 16 * 1024 * 1024,
};

static const char *const state_names[] = {
    "no state", "running", "idle",    "paused",
    "shutdown", "shutoff", "crashed", "pmsuspended",
};
G_STATIC_ASSERT(G_N_ELEMENTS(state_names) == VIR_DOMAIN_PMSUSPENDED + 1);

static const char *const phase_names[] = { "starting", "running", "gone" };
G_STATIC_ASSERT(G_N_ELEMENTS(phase_names) == PROC_PHASE_MAX);

/* ---- Writing ---------------------------------------------------------- */

static void put_text(GString *text, const char *name, const char *value)
{
    g_autofree char *escaped = NULL;

    if (!value)
        return;
    escaped = g_markup_escape_text(value, -1);
    g_string_append_printf(text, " %s='%s'", name, escaped);
}

static void put_number(GString *text, const char *name, gint64 value)
{
    g_string_append_printf(text, " %s='%" G_GINT64_FORMAT "'", name, value);
}

static void put_process(GString *text, DomainProc *proc)
{
    g_autofree char *boot_id = host_boot_id();

    g_string_append(text, "  <process");
    put_text(text, "phase", phase_names[proc->phase]);
    put_number(text, "start", proc->start_time);
    put_text(text, "boot", boot_id);
    put_number(text, "log", proc->log_start);
    if (proc->uid != (uid_t)-1) {
        put_number(text, "uid", proc->uid);
        put_number(text, "gid", proc->gid);
    }
    put_text(text, "dir", proc->dir);
    put_text(text, "cgroup", proc->cgroup);
    if (proc->autodestroy)
        put_text(text, "autodestroy", "yes");
    if (proc->reboot_wanted)
        put_text(text, "reboot", "yes");
    g_string_append(text, "/>\n");
    for (guint i = 0; i < proc->lent->len; i++) {
        const LentFile *file = &g_array_index(proc->lent, LentFile, i);

        g_string_append(text, "  <lent");
        put_text(text, "path", file->path);
        put_number(text, "uid", file->uid);
        put_number(text, "gid", file->gid);
        g_string_append(text, "/>\n");
    }
}

gboolean status_save(DomainProc *proc, GError **error)
{
    Domain *dom = proc->dom;
    g_autoptr(DefRef) ref = domain_def_snapshot(dom);
    g_autoptr(GString) text = g_string_new(
        "<!-- written by virtstratovirtd for itself; do not edit -->\n"
        "<domstatus");
    g_autofree char *path =
        path_named(dom->drv->paths.run, ref->def->name, "xml");

    put_text(text, "state", state_names[dom->state]);
    put_number(text, "reason", dom->reason);
    put_number(text, "pid", proc->pid);
    g_string_append(text, ">\n");
    if (dom->tainted)
        g_string_append(text, "  <taint flag='custom-monitor'/>\n");
    put_process(text, proc);
    domain_def_format_indented(ref->def, VIR_DOMAIN_XML_SECURE, 2, text);
    g_string_append(text, "</domstatus>\n");
    return file_write_atomic(path, text->str, text->len, 0600, error);
}

void status_update(Domain *dom)
{
    g_autoptr(GError) error = NULL;

    if (dom->proc && !status_save(dom->proc, &error))
        log_error("the state of domain '%s' is not on disk: %s", dom->name,
                  error->message);
}

/* ---- Reading ---------------------------------------------------------- */

static char *get_text(xmlNodePtr node, const char *name)
{
    xmlChar *value = xmlGetNoNsProp(node, (const xmlChar *)name);
    char *copy = g_strdup((const char *)value);

    xmlFree(value);
    return copy;
}

static gint64 get_number(xmlNodePtr node, const char *name, gint64 absent)
{
    g_autofree char *text = get_text(node, name);

    return text ? g_ascii_strtoll(text, NULL, 10) : absent;
}

static int get_name(xmlNodePtr node, const char *name, const char *const *names,
                    int n)
{
    g_autofree char *text = get_text(node, name);

    for (int i = 0; text && i < n; i++) {
        if (strcmp(text, names[i]) == 0)
            return i;
    }
    return -1;
}

static xmlNodePtr find_child(xmlNodePtr node, const char *name)
{
    for (xmlNodePtr child = node->children; child; child = child->next) {
        if (child->type == XML_ELEMENT_NODE &&
            strcmp((const char *)child->name, name) == 0)
            return child;
    }
    return NULL;
}

static void read_lent(DomainProc *proc, xmlNodePtr root)
{
    for (xmlNodePtr node = root->children; node; node = node->next) {
        g_autofree char *path = NULL;

        if (node->type != XML_ELEMENT_NODE ||
            strcmp((const char *)node->name, "lent") != 0)
            continue;
        path = get_text(node, "path");
        if (path)
            lent_files_add(proc->lent, path, get_number(node, "uid", 0),
                           get_number(node, "gid", 0));
    }
}

static void read_process(DomainProc *proc, xmlNodePtr root, xmlNodePtr node)
{
    proc->phase = MAX(get_name(node, "phase", phase_names, PROC_PHASE_MAX), 0);
    proc->pid = get_number(root, "pid", 0);
    proc->start_time = get_number(node, "start", 0);
    proc->boot_id = get_text(node, "boot");
    proc->log_start = get_number(node, "log", 0);
    proc->uid = get_number(node, "uid", -1);
    proc->gid = get_number(node, "gid", -1);
    proc->dir = get_text(node, "dir");
    proc->cgroup = get_text(node, "cgroup");
    proc->autodestroy =
        xmlHasProp(node, (const xmlChar *)"autodestroy") != NULL;
    proc->reboot_wanted = xmlHasProp(node, (const xmlChar *)"reboot") != NULL;
    proc->announced = proc->phase == PROC_RUNNING;
    read_lent(proc, root);
}

static gboolean add_domain(Driver *drv, xmlNodePtr root, xmlNodePtr process,
                           DomainDef *def, GError **error)
{
    g_autoptr(DefRef) ref = def_ref_new(def);
    g_autoptr(Domain) dom = NULL;
    g_autoptr(Domain) same = driver_find_name(drv, def->name);
    guint8 uuid[DRIVER_UUID_BYTES];
    int state = get_name(root, "state", state_names, G_N_ELEMENTS(state_names));

    if (!def->uuid || !uuid_parse(def->uuid, uuid) || def->id < 0 || same ||
        state < 0)
        return vir_error_set(error, VIR_ERR_XML_ERROR,
                             "its uuid, id, name or state is not valid");
    same = driver_find_uuid(drv, uuid);
    if (same)
        return vir_error_set(error, VIR_ERR_XML_ERROR, "its uuid is taken");
    dom = domain_new(drv, uuid, def->name);
    dom->id = def->id;
    dom->state = state;
    dom->reason = get_number(root, "reason", 0);
    dom->tainted = find_child(root, "taint") != NULL;
    dom->def = g_steal_pointer(&ref);
    dom->proc = proc_new(dom);
    read_process(dom->proc, root, process);
    if (dom->proc->uid != (uid_t)-1)
        driver_uid_claim(drv, dom->proc->uid);
    driver_claim_id(drv, dom->id);
    driver_list_add(drv, dom);
    driver_count_active(drv, 1);
    return TRUE;
}

static gboolean load_document(Driver *drv, xmlDocPtr doc, GError **error)
{
    xmlNodePtr root = xmlDocGetRootElement(doc);
    xmlNodePtr process = root ? find_child(root, "process") : NULL;
    xmlNodePtr domain = root ? find_child(root, "domain") : NULL;
    DomainCapsLimits limits;
    DomainDef *def;

    if (!process || !domain)
        return vir_error_set(error, VIR_ERR_XML_ERROR, "it is incomplete");
    driver_limits(drv, &limits);
    def = domain_def_parse_node(domain, DOMAIN_DEF_PARSE_RAW, &limits, error);
    return def && add_domain(drv, root, process, def, error);
}

static gboolean load_file(Driver *drv, const char *path, GError **error)
{
    g_autofree char *text = NULL;
    gsize len;
    xmlDocPtr doc;
    gboolean ok;

    if (!file_read(path, MAX_STATUS_BYTES, &text, &len, error))
        return FALSE;
    doc = xmlReadMemory(text, len, NULL, NULL,
                        XML_PARSE_NONET | XML_PARSE_NOERROR |
                            XML_PARSE_NOWARNING);
    if (!doc)
        return vir_error_set(error, VIR_ERR_XML_ERROR, "it is not XML");
    ok = load_document(drv, doc, error);
    xmlFreeDoc(doc);
    return ok;
}

void status_load_all(Driver *drv)
{
    g_autoptr(GDir) dir = g_dir_open(drv->paths.run, 0, NULL);
    const char *file;

    while (dir && (file = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(drv->paths.run, file, NULL);
        g_autoptr(GError) error = NULL;

        if (g_str_has_suffix(file, ".xml") && !load_file(drv, path, &error))
            log_error("the guest of status file '%s' is not known any more: %s",
                      path, error->message);
    }
}
