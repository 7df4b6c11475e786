/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qmp/dispatch.c - one request: members, table row, handler, reply. */
#include <config.h>

#include "qmp/monitor.h"
#include "util/cleanup.h"
#include "util/log.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

static const char *const class_names[] = {
    [QMP_GENERIC_ERROR] = "GenericError",
    [QMP_COMMAND_NOT_FOUND] = "CommandNotFound",
    [QMP_DEVICE_NOT_FOUND] = "DeviceNotFound",
    [QMP_DEVICE_NOT_ACTIVE] = "DeviceNotActive",
};
_Static_assert(ARRAY_SIZE(class_names) == QMP_CLASS_MAX, "one name a class");

/* Text of a JSON string; bytes that are no UTF-8 (a path) become '?'. */
static json_t *lossy_string(const char *text)
{
    json_t *s = json_string(text);
    char *copy CLEANUP(ptr_free) = NULL;

    if (s)
        return s;
    copy = strdup(text);
    for (char *p = copy; p && *p; p++) {
        if (*p & 0x80)
            *p = '?';
    }
    return json_string(copy ? copy : "");
}

/* @doc without its '}' plus the id, sent. */
static void send_with_id(Monitor *mon, json_t *doc, const char *id)
{
    char *text CLEANUP(ptr_free) = json_dumps(doc, JSON_COMPACT);
    char *line CLEANUP(ptr_free) = NULL;

    if (!text) {
        log_error("monitor: out of memory for a reply");
        return;
    }
    if (!id) {
        monitor_send(mon, text, false);
        return;
    }
    if (asprintf(&line, "%.*s,\"id\":%s}", (int)strlen(text) - 1, text, id) < 0)
        line = NULL;
    if (line)
        monitor_send(mon, line, false);
}

void qmp_refuse(Monitor *mon, QmpClass cls, const char *id, const char *desc)
{
    json_t *doc = json_pack("{s:{s:s, s:o}}", "error", "class",
                            class_names[cls], "desc", lossy_string(desc));

    send_with_id(mon, doc, id);
    json_decref(doc);
}

static void reply(QmpCall *call, int r, const Err *e)
{
    json_t *doc;

    if (r < 0) {
        qmp_refuse(call->mon, call->cls, call->id, e->msg);
        return;
    }
    doc = json_object();
    json_object_set_new(doc, "return",
                        call->ret ? json_incref(call->ret) : json_object());
    send_with_id(call->mon, doc, call->id);
    json_decref(doc);
}

static void call_free(QmpCall *call)
{
    free(call->id);
    json_decref(call->ret);
    free(call);
}

void qmp_call_done(void *opaque, int r, const Err *e)
{
    QmpCall *call = opaque;
    Monitor *mon = call->mon;

    if (mon)
        reply(call, r, e);
    call_free(call);
    if (mon)
        monitor_resume(mon);
}

int qmp_call_take_fd(QmpCall *call)
{
    Monitor *mon = call->mon;
    int fd;

    if (!mon || !mon->num_fds)
        return -1;
    fd = mon->fds[0];
    mon->num_fds--;
    memmove(mon->fds, mon->fds + 1, mon->num_fds * sizeof(mon->fds[0]));
    return fd;
}

int qmp_fail(QmpCall *call, QmpClass cls, Err *e, int code, const char *fmt,
             ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
    va_end(ap);
    e->code = code;
    call->cls = cls;
    return -code;
}

/* --- decoding --------------------------------------------------------------
 */

static int take_id(const Slice *slice, char **ret_id, Err *e)
{
    json_t *value;

    if (!slice->at)
        return 0;
    /* Only whether it is JSON; the client's own text is echoed. */
    value = json_loadb(slice->at, slice->len,
                       JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL |
                           JSON_REJECT_DUPLICATES,
                       NULL);
    if (!value)
        return err_set(e, EBADMSG, "JSON parse error: 'id' is not JSON");
    json_decref(value);
    *ret_id = slice_compact(slice);
    return *ret_id ? 0 : err_set(e, ENOMEM, "out of memory");
}

static int take_name(const Slice *slice, char **ret_name, Err *e)
{
    json_error_t error;
    json_t *value = json_loadb(slice->at, slice->len, JSON_DECODE_ANY, &error);

    if (!json_is_string(value)) {
        json_decref(value);
        return err_set(e, EINVAL, "'execute' must be the name of a command");
    }
    *ret_name = strdup(json_string_value(value));
    json_decref(value);
    return *ret_name ? 0 : err_set(e, ENOMEM, "out of memory");
}

static int take_arguments(const Slice *slice, json_t **ret_args, Err *e)
{
    json_error_t error;

    if (!slice->at)
        return 0;
    *ret_args = json_loadb(slice->at, slice->len,
                           JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (!*ret_args)
        return err_set(e, EBADMSG, "JSON parse error in 'arguments': %s",
                       error.text);
    if (!json_is_object(*ret_args))
        return err_set(e, EINVAL, "'arguments' must be an object");
    return 0;
}

/* Leaves out what the row does not know, for commands that tolerate it. */
static void drop_unknown(OptBag *bag, const OptDesc *descs)
{
    for (unsigned i = 0; i < bag->num;) {
        if (opt_find(descs, bag->entries[i].key))
            i++;
        else
            opt_bag_drop(bag, bag->entries[i].key);
    }
}

static int check_state(const QmpCall *call, Err *e)
{
    RunState state;

    if (!call->cmd->states)
        return 0;
    state = machine_run_state(call->machine);
    if (call->cmd->states & QMP_IN(state))
        return 0;
    return err_set(e, EBUSY, "%s is not possible in run state '%s'",
                   call->cmd->name, run_state_names[state]);
}

/* Return: as the handler. */
static int run_handler(QmpCall *call, const json_t *arguments, Err *e)
{
    const QmpCommand *cmd = call->cmd;
    void *args CLEANUP(ptr_free) = calloc(1, cmd->args_size + 1);
    OptBag bag CLEANUP(opt_bag_fini);
    int r = opt_bag_json(&bag, cmd->name, arguments, NULL, e);

    if (r < 0)
        return r;
    if (!args)
        return err_set(e, ENOMEM, "out of memory");
    bag.strict = true;
    if (cmd->lenient)
        drop_unknown(&bag, cmd->args);
    r = opt_parse(cmd->args, &bag, args, e);
    if (r == 0)
        r = check_state(call, e);
    if (r == 0)
        r = cmd->fn(call, args, e);
    return r;
}

/* Takes *@id on success. */
static int make_call(Monitor *mon, const char *name, char **id,
                     QmpCall **ret_call, QmpClass *ret_cls, Err *e)
{
    const QmpCommand *cmd = qmp_command_find(name);
    QmpCall *call;

    if (!cmd) {
        *ret_cls = QMP_COMMAND_NOT_FOUND;
        return err_set(e, ENOENT, "The command %s has not been found", name);
    }
    call = calloc(1, sizeof(*call));
    if (!call)
        return err_set(e, ENOMEM, "out of memory");
    call->cmd = cmd;
    call->server = mon->server;
    call->machine = mon->server->machine;
    call->mon = mon;
    call->id = ptr_take(id);
    *ret_call = call;
    return 0;
}

static void run_call(Monitor *mon, QmpCall *call, const json_t *arguments)
{
    Err e = ERR_INIT;
    int r;

    mon->pending = call;
    r = run_handler(call, arguments, &e);
    /* A pending call answers, or answered already, by itself. */
    if (r != QMP_PENDING)
        qmp_call_done(call, r, &e);
}

void qmp_dispatch(Monitor *mon, const char *buf, size_t len)
{
    char *id CLEANUP(ptr_free) = NULL;
    char *name CLEANUP(ptr_free) = NULL;
    json_t *arguments = NULL;
    QmpClass cls = QMP_GENERIC_ERROR;
    QmpCall *call = NULL;
    Request req;
    Err e = ERR_INIT;
    Err id_e = ERR_INIT;
    int r = request_cut(buf, len, &req, &e);

    mon->heard = true;
    if (take_id(&req.id, &id, &id_e) < 0 && r == 0) {
        e = id_e;
        r = -e.code;
    }
    if (r == 0)
        r = take_name(&req.execute, &name, &e);
    if (r == 0)
        r = take_arguments(&req.arguments, &arguments, &e);
    if (r == 0)
        r = make_call(mon, name, &id, &call, &cls, &e);
    if (r < 0)
        qmp_refuse(mon, cls, id, e.msg);
    else
        run_call(mon, call, arguments);
    json_decref(arguments);
}
