/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Operations on a domain and the job that lets one through at a time. */
#include <config.h>

#include "domain/domain_priv.h"

#include "util/error.h"

enum {
    JOB_WAIT_MS = 30000,
};

struct OpReply {
    DomainOp *op; /* owned */
    OpReplyFn then;
    json_t *ret;   /* owned */
    GError *error; /* owned */
};

DomainOp *op_new(Domain *dom, const char *name, void (*run)(DomainOp *op),
                 guint flags, DriverDone done, gpointer user)
{
    DomainOp *op = g_new0(DomainOp, 1);

    g_atomic_ref_count_init(&op->refs);
    op->dom = domain_ref(dom);
    op->name = name;
    op->run = run;
    op->flags = flags;
    op->done = done;
    op->user = user;
    return op;
}

DomainOp *op_ref(DomainOp *op)
{
    g_atomic_ref_count_inc(&op->refs);
    return op;
}

void op_unref(DomainOp *op)
{
    if (!op || !g_atomic_ref_count_dec(&op->refs))
        return;
    g_free(op->text);
    def_unref(op->def);
    domain_unref(op->dom);
    g_free(op);
}

static void op_set_job(Domain *dom, DomainOp *op)
{
    DomainOp *old;

    {
        DOMAIN_LOCK(dom);

        old = dom->job;
        dom->job = op ? op_ref(op) : NULL;
        dom->control_state = dom->control_state == VIR_DOMAIN_CONTROL_ERROR
                                 ? VIR_DOMAIN_CONTROL_ERROR
                             : op ? VIR_DOMAIN_CONTROL_JOB
                                  : VIR_DOMAIN_CONTROL_OK;
        dom->control_since_us = g_get_monotonic_time();
    }
    op_unref(old);
}

static void op_begin(DomainOp *op)
{
    g_clear_pointer(&op->timer, domain_timer_stop);
    op->running = TRUE;
    op->started_us = g_get_monotonic_time();
    if (!op->no_job)
        op_set_job(op->dom, op);
    op->run(op);
}

static void op_wait_over(Domain *dom, gpointer data)
{
    DomainOp *op = data;

    op_end_set(op, VIR_ERR_OPERATION_TIMEOUT,
               "cannot acquire state change lock (held by '%s')",
               dom->job ? dom->job->name : "nobody");
}

static void op_arrive(Domain *dom, gpointer data)
{
    DomainOp *op = data;

    if (op->no_job || !dom->job) {
        op_begin(op);
    } else {
        g_queue_push_tail(&dom->waiting, op_ref(op));
        op->timer = domain_timer_start(dom, JOB_WAIT_MS, op_wait_over, op);
    }
    op_unref(op);
}

void op_submit(DomainOp *op)
{
    domain_post(op->dom, op_arrive, op);
}

static void next_task(Domain *dom, gpointer unused)
{
    DomainOp *next;

    if (dom->job)
        return;
    next = g_queue_pop_head(&dom->waiting);
    if (!next)
        return;
    op_begin(next);
    op_unref(next);
}

void op_end(DomainOp *op, const char *text, const GError *error)
{
    Domain *dom = op->dom;

    if (op->ended)
        return;
    op->ended = TRUE;
    op_ref(op);
    g_clear_pointer(&op->timer, domain_timer_stop);
    if (g_queue_remove(&dom->waiting, op))
        op_unref(op);
    if (dom->job == op) {
        op_set_job(dom, NULL);
        domain_post(dom, next_task, NULL);
    }
    if (op->done)
        op->done(op->user, dom, text, error);
    op_unref(op);
}

void op_end_set(DomainOp *op, int code, const char *fmt, ...)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, fmt);
    text = g_strdup_vprintf(fmt, args);
    va_end(args);
    vir_error_set(&error, code, "%s", text);
    op_end(op, NULL, error);
}

void ops_stopped(Domain *dom, const GError *error)
{
    if (dom->job && dom->job->run != start_run)
        op_end(dom->job, NULL, error);
    /* Those that wait see for themselves that the domain is not running. */
}

OpReply *op_reply_new(DomainOp *op, OpReplyFn then)
{
    OpReply *reply = g_new0(OpReply, 1);

    reply->op = op_ref(op);
    reply->then = then;
    return reply;
}

static void reply_task(Domain *dom, gpointer data)
{
    OpReply *reply = data;

    if (!reply->op->ended)
        reply->then(reply->op, reply->ret, reply->error);
    op_unref(reply->op);
    json_decref(reply->ret);
    g_clear_error(&reply->error);
    g_free(reply);
}

void op_reply_cb(gpointer user, json_t *ret, const GError *error)
{
    OpReply *reply = user;

    /* Jansson's reference counts are atomic. */
    reply->ret = json_incref(ret);
    reply->error = error ? g_error_copy(error) : NULL;
    domain_post(reply->op->dom, reply_task, reply);
}
