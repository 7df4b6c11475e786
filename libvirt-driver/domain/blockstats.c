/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Counters of disks, which the VMM keeps. */
#include <config.h>

#include "domain/domain_priv.h"

#include <string.h>

#include "util/error.h"

typedef struct TableCall {
    DomainBlockTableDone done;
    gpointer user;
    GHashTable *table; /* owned; NULL until the VMM answered */
} TableCall;

static DomainBlockStats *convert(const QmpBlockStats *in)
{
    DomainBlockStats *out = g_new0(DomainBlockStats, 1);

    out->rd_req = in->rd_operations;
    out->rd_bytes = in->rd_bytes;
    out->rd_ns = in->rd_total_time_ns;
    out->wr_req = in->wr_operations;
    out->wr_bytes = in->wr_bytes;
    out->wr_ns = in->wr_total_time_ns;
    out->flush_req = in->flush_operations;
    out->flush_ns = in->flush_total_time_ns;
    return out;
}

/* Every disk of the definition has an entry: zeros where the VMM counts
 * nothing, since clients give up on a disk without statistics. */
static GHashTable *build_table(Domain *dom, json_t *ret)
{
    g_autoptr(DefRef) ref = domain_def_snapshot(dom);
    g_autoptr(GHashTable) drives = qmp_query_blockstats_parse(ret);
    GHashTable *table =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);

    for (guint i = 0; i < ref->def->disks->len; i++) {
        const DomainDisk *disk = g_ptr_array_index(ref->def->disks, i);
        const char *alias = disk->dev.alias ? disk->dev.alias : "";
        g_autofree char *drive = g_strconcat("drive-", alias, NULL);
        static const QmpBlockStats none;
        const QmpBlockStats *found = g_hash_table_lookup(drives, drive);

        if (!found)
            found = g_hash_table_lookup(drives, alias);
        g_hash_table_replace(table, g_strdup(alias),
                             convert(found ? found : &none));
    }
    return table;
}

static void table_done(DomainOp *op, json_t *ret, const GError *error)
{
    TableCall *call = op->user;

    if (!error)
        call->table = build_table(op->dom, ret);
    op_end(op, NULL, error);
}

static void table_run(DomainOp *op)
{
    DomainProc *proc = op->dom->proc;

    if (!proc || !proc->announced)
        op_end_set(op, VIR_ERR_OPERATION_INVALID, "domain is not running");
    else if (!proc->qmp)
        op_end_set(op, VIR_ERR_OPERATION_FAILED,
                   "the VMM's monitor is not connected");
    else
        qmp_query_blockstats(proc->qmp, op_reply_cb,
                             op_reply_new(op, table_done));
}

static void table_ended(gpointer user, Domain *dom, const char *text,
                        const GError *error)
{
    TableCall *call = user;

    call->done(call->user, call->table, error);
    g_clear_pointer(&call->table, g_hash_table_unref);
    g_free(call);
}

void domain_get_block_table_async(Domain *dom, DomainBlockTableDone done,
                                  gpointer user)
{
    TableCall *call = g_new0(TableCall, 1);
    DomainOp *op;

    call->done = done;
    call->user = user;
    op = op_new(dom, "block statistics", table_run, 0, table_ended, call);
    op->no_job = TRUE;
    op_submit(op);
}

/* ---- One disk --------------------------------------------------------- */

typedef struct DiskCall {
    char *alias; /* owned; "": all disks */
    DomainBlockStatsDone done;
    gpointer user;
} DiskCall;

static void add_stats(DomainBlockStats *sum, const DomainBlockStats *more)
{
    sum->rd_req += more->rd_req;
    sum->rd_bytes += more->rd_bytes;
    sum->rd_ns += more->rd_ns;
    sum->wr_req += more->wr_req;
    sum->wr_bytes += more->wr_bytes;
    sum->wr_ns += more->wr_ns;
    sum->flush_req += more->flush_req;
    sum->flush_ns += more->flush_ns;
}

static void disk_done(gpointer user, GHashTable *by_alias, const GError *error)
{
    DiskCall *call = user;
    DomainBlockStats sum = { 0 };
    GHashTableIter iter;
    gpointer alias, stats;

    if (by_alias) {
        g_hash_table_iter_init(&iter, by_alias);
        while (g_hash_table_iter_next(&iter, &alias, &stats)) {
            if (!*call->alias || strcmp(call->alias, alias) == 0)
                add_stats(&sum, stats);
        }
    }
    call->done(call->user, error ? NULL : &sum, error);
    g_free(call->alias);
    g_free(call);
}

void domain_get_block_stats_async(Domain *dom, const char *disk,
                                  DomainBlockStatsDone done, gpointer user)
{
    g_autoptr(DefRef) ref = domain_def_snapshot(dom);
    const DomainDisk *found =
        *disk ? domain_def_find_disk(ref->def, disk) : NULL;
    g_autoptr(GError) error = NULL;
    DiskCall *call;

    if (!domain_require_active(dom, &error) ||
        (*disk && !found &&
         !vir_error_set(&error, VIR_ERR_INVALID_ARG, "invalid path: %s",
                        disk))) {
        done(user, NULL, error);
        return;
    }
    call = g_new0(DiskCall, 1);
    call->alias = g_strdup(found && found->dev.alias ? found->dev.alias : "");
    call->done = done;
    call->user = user;
    domain_get_block_table_async(dom, disk_done, call);
}
