/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One connection to a VMM's monitor. */
#include <config.h>

#include "qmp/qmp_client.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "qmp/qmp_scan.h"
#include "util/error.h"
#include "util/file.h"
#include "util/log.h"

enum {
    READ_BYTES = 16384,
    READS_PER_TURN = 16, /* a chatty VMM does not starve the others */
    MAX_QUEUED_COMMANDS = 1024,
};

typedef enum QmpState {
    QMP_GREETING,
    QMP_NEGOTIATING,
    QMP_READY,
    QMP_CLOSED,
} QmpState;

typedef struct QmpCommand {
    QmpClient *client; /* borrowed once queued; a reference while posted */
    char *name;        /* owned */
    json_t *arguments; /* owned */
    gboolean raw;
    QmpReplyFn reply;
    gpointer user;
} QmpCommand;

/* All but refs belongs to the loop's thread. */
struct QmpClient {
    gatomicrefcount refs;
    EvLoop *loop; /* borrowed */
    int fd;       /* owned */
    EvWatch *watch;
    EvTimer *deadline; /* of the greeting or the current command */
    QmpState state;
    gboolean stuck;
    guint timeout_ms;
    const QmpListener *listener; /* borrowed; NULL after close */
    gpointer user;
    GDestroyNotify user_free;
    QmpScan scan;
    GByteArray *in;      /* owned */
    GByteArray *out;     /* owned; rest of a request */
    GQueue queue;        /* of QmpCommand, not sent yet */
    QmpCommand *current; /* owned; waits for its reply */
    guint64 serial;      /* of the current command */
    guint version;       /* from the greeting */
    char *package;       /* owned; likewise */
};

static const struct {
    const char *qmp_class;
    int code;
} qmp_error_map[] = {
    { "CommandNotFound", VIR_ERR_NO_SUPPORT },
    { "DeviceNotFound", VIR_ERR_DEVICE_MISSING },
    { "DeviceNotActive", VIR_ERR_OPERATION_INVALID },
    { "OperationThrottled", VIR_ERR_RESOURCE_BUSY },
    { NULL, VIR_ERR_OPERATION_FAILED },
};

static void client_fail(QmpClient *client, const GError *why);
static void client_send_next(QmpClient *client);

static void command_free(QmpCommand *command)
{
    json_decref(command->arguments);
    g_free(command->name);
    g_free(command);
}

static void command_end(QmpCommand *command, json_t *ret, const GError *error)
{
    if (command->reply)
        command->reply(command->user, ret, error);
    command_free(command);
}

static void command_end_error(QmpCommand *command, int code, const char *fmt,
                              ...) G_GNUC_PRINTF(3, 4);

static void command_end_error(QmpCommand *command, int code, const char *fmt,
                              ...)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, fmt);
    text = g_strdup_vprintf(fmt, args);
    va_end(args);
    vir_error_set(&error, code, "%s", text);
    command_end(command, NULL, error);
}

static void client_set_deadline(QmpClient *client, EvFn fn)
{
    g_clear_pointer(&client->deadline, ev_timer_del);
    if (fn && client->timeout_ms)
        client->deadline =
            ev_timer_add(client->loop, client->timeout_ms, fn, client);
}

/* Everything that waits fails with @why; the descriptor is closed. */
static void client_shut(QmpClient *client, const GError *why)
{
    QmpCommand *command;

    if (client->state == QMP_CLOSED)
        return;
    client->state = QMP_CLOSED;
    client_set_deadline(client, NULL);
    g_clear_pointer(&client->watch, ev_watch_del);
    fd_clear(&client->fd);
    g_byte_array_set_size(client->in, 0);
    if (client->current)
        command_end(g_steal_pointer(&client->current), NULL, why);
    while ((command = g_queue_pop_head(&client->queue)))
        command_end(command, NULL, why);
}

static void client_fail(QmpClient *client, const GError *why)
{
    const QmpListener *listener = client->listener;

    if (client->state == QMP_CLOSED)
        return;
    qmp_client_ref(client);
    client_shut(client, why);
    client->listener = NULL;
    if (listener && listener->closed)
        listener->closed(client->user, why);
    qmp_client_unref(client); /* the loop's reference of a new client */
    qmp_client_unref(client);
}

static void client_fail_text(QmpClient *client, const char *text)
{
    g_autoptr(GError) why = NULL;

    vir_error_set(&why, VIR_ERR_OPERATION_FAILED, "%s", text);
    client_fail(client, why);
}

static void deadline_passed(gpointer user)
{
    QmpClient *client = user;
    QmpCommand *late;
    QmpCommand *command;

    client->deadline = NULL;
    if (client->state == QMP_GREETING || client->state == QMP_NEGOTIATING) {
        client_fail_text(client, "the VMM did not greet on its monitor in "
                                 "time; see the guest's log");
        return;
    }
    client->stuck = TRUE;
    late = g_steal_pointer(&client->current);
    qmp_client_ref(client);
    if (client->listener && client->listener->stuck)
        client->listener->stuck(client->user, late->name);
    command_end_error(late, VIR_ERR_OPERATION_TIMEOUT,
                      "the VMM did not answer '%s' within %u ms; only "
                      "destroying the domain is possible now",
                      late->name, client->timeout_ms);
    while ((command = g_queue_pop_head(&client->queue)))
        command_end_error(command, VIR_ERR_OPERATION_FAILED,
                          "the VMM's monitor does not respond");
    qmp_client_unref(client);
}

/* ---- Output ----------------------------------------------------------- */

static void client_flush(QmpClient *client)
{
    while (client->out->len > 0) {
        ssize_t n = send(client->fd, client->out->data, client->out->len,
                         MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0) /* the reading side says why, after the last input */
            n = client->out->len;
        g_byte_array_remove_range(client->out, 0, n);
    }
    ev_watch_mod(client->watch,
                 EPOLLIN | (client->out->len > 0 ? EPOLLOUT : 0));
}

static void client_send(QmpClient *client, const char *name, json_t *arguments)
{
    g_autofree char *id = NULL;
    json_t *request = json_object();
    char *text;

    id = g_strdup_printf("libvirt-%" G_GUINT64_FORMAT, ++client->serial);
    json_object_set_new(request, "execute", json_string(name));
    if (arguments)
        json_object_set(request, "arguments", arguments);
    json_object_set_new(request, "id", json_string(id));
    text = json_dumps(request, JSON_COMPACT);
    json_decref(request);
    if (!text) { /* only a name that is not UTF-8; execute() refuses those */
        client_fail_text(client, "cannot encode a monitor command");
        return;
    }
    log_debug("monitor %p: %s", client, text);
    g_byte_array_append(client->out, (const guint8 *)text, strlen(text));
    g_byte_array_append(client->out, (const guint8 *)"\r\n", 2);
    free(text);
    client_set_deadline(client, deadline_passed);
    client_flush(client);
}

static void client_send_next(QmpClient *client)
{
    if (client->state != QMP_READY || client->current || client->stuck)
        return;
    client->current = g_queue_pop_head(&client->queue);
    if (client->current)
        client_send(client, client->current->name, client->current->arguments);
}

/* ---- Input ------------------------------------------------------------ */

static void reply_error(QmpCommand *command, json_t *error)
{
    const char *qmp_class = json_string_value(json_object_get(error, "class"));
    const char *desc = json_string_value(json_object_get(error, "desc"));
    gsize i = 0;
    int code;

    while (qmp_error_map[i].qmp_class &&
           g_strcmp0(qmp_error_map[i].qmp_class, qmp_class) != 0)
        i++;
    code = qmp_error_map[i].code;
    /* StratoVirt's words for CommandNotFound. */
    if (desc && g_str_has_prefix(desc, "unknown variant `"))
        code = VIR_ERR_NO_SUPPORT;
    command_end_error(command, code, "the VMM refused '%s': %s", command->name,
                      desc && *desc ? desc : "no reason given");
}

static gboolean reply_id_matches(QmpClient *client, json_t *reply)
{
    const char *id = json_string_value(json_object_get(reply, "id"));
    g_autofree char *want = NULL;

    want = g_strdup_printf("libvirt-%" G_GUINT64_FORMAT, client->serial);
    /* StratoVirt leaves the id out of some replies. */
    return !json_object_get(reply, "id") || g_strcmp0(id, want) == 0;
}

static void client_take_reply(QmpClient *client, json_t *reply)
{
    json_t *ret = json_object_get(reply, "return");
    json_t *error = json_object_get(reply, "error");
    QmpCommand *command;

    if (client->stuck)
        return; /* the answer nobody waits for any more */
    if (!reply_id_matches(client, reply)) {
        client_fail_text(client, "the VMM's monitor answered a command that "
                                 "was not sent");
        return;
    }
    client_set_deadline(client, NULL);
    if (client->state == QMP_NEGOTIATING) {
        QmpGreeting greeting = { client->version, client->package };

        client->state = QMP_READY;
        if (client->listener && client->listener->ready)
            client->listener->ready(client->user, &greeting);
        client_send_next(client);
        return;
    }
    command = g_steal_pointer(&client->current);
    if (!command) {
        client_fail_text(client, "the VMM's monitor answered without being "
                                 "asked");
        return;
    }
    if (command->raw)
        command_end(command, reply, NULL);
    else if (ret)
        command_end(command, ret, NULL);
    else
        reply_error(command, error);
    client_send_next(client);
}

static void client_take_event(QmpClient *client, json_t *doc)
{
    json_t *stamp = json_object_get(doc, "timestamp");
    QmpEvent event = {
        .name = json_string_value(json_object_get(doc, "event")),
        .data = json_object_get(doc, "data"),
        .seconds = json_integer_value(json_object_get(stamp, "seconds")),
        .micros = json_integer_value(json_object_get(stamp, "microseconds")),
    };

    if (!json_is_object(event.data))
        event.data = NULL;
    if (event.name && client->listener && client->listener->event)
        client->listener->event(client->user, &event);
}

static guint greeting_part(json_t *qemu, const char *key)
{
    json_int_t value = json_integer_value(json_object_get(qemu, key));

    return value < 0 || value > 999 ? 0 : value;
}

static void client_take_greeting(QmpClient *client, json_t *hello)
{
    json_t *version = json_object_get(hello, "version");
    json_t *qemu = json_object_get(version, "qemu");
    const char *package =
        json_string_value(json_object_get(version, "package"));

    client->version = greeting_part(qemu, "major") * 1000000 +
                      greeting_part(qemu, "minor") * 1000 +
                      greeting_part(qemu, "micro");
    client->package = g_strdup(package ? package : "");
    client->state = QMP_NEGOTIATING;
    client_send(client, "qmp_capabilities", NULL);
}

static void client_take_document(QmpClient *client, json_t *doc)
{
    if (json_is_string(json_object_get(doc, "event")))
        client_take_event(client, doc);
    else if (client->state == QMP_GREETING &&
             json_is_object(json_object_get(doc, "QMP")))
        client_take_greeting(client, json_object_get(doc, "QMP"));
    else if (client->state != QMP_GREETING &&
             (json_object_get(doc, "return") || json_object_get(doc, "error")))
        client_take_reply(client, doc);
    else
        client_fail_text(client, "the VMM's monitor sent something that is "
                                 "neither greeting, reply nor event");
}

/* Takes whole documents off the input. */
static void client_parse(QmpClient *client)
{
    while (client->state != QMP_CLOSED) {
        gssize len = qmp_scan_next(&client->scan, (char *)client->in->data,
                                   client->in->len);
        json_error_t why;
        json_t *doc;

        if (len == 0)
            return;
        if (len < 0) {
            client_fail_text(client, "the VMM's monitor sent what is no JSON "
                                     "object or exceeds the limits");
            return;
        }
        doc = json_loadb((char *)client->in->data, len, JSON_REJECT_DUPLICATES,
                         &why);
        if (!doc) {
            client_fail_text(client, "the VMM's monitor sent malformed JSON");
            return;
        }
        g_byte_array_remove_range(client->in, 0, len);
        client_take_document(client, doc);
        json_decref(doc);
    }
}

static void client_read(QmpClient *client)
{
    for (int i = 0; i < READS_PER_TURN && client->state != QMP_CLOSED; i++) {
        guint8 buf[READ_BYTES];
        ssize_t n = recv(client->fd, buf, sizeof(buf), MSG_DONTWAIT);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            client_fail_text(client, "the VMM closed its monitor");
            return;
        }
        g_byte_array_append(client->in, buf, n);
        client_parse(client);
    }
}

static void client_ready(gpointer user, guint32 events)
{
    QmpClient *client = user;

    qmp_client_ref(client);
    if (events & EPOLLOUT)
        client_flush(client);
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        client_read(client);
    qmp_client_unref(client);
}

/* ---- Calls from any thread -------------------------------------------- */

static void client_begin(gpointer user)
{
    QmpClient *client = user;

    if (client->state == QMP_CLOSED) { /* closed before it began */
        qmp_client_unref(client);
        return;
    }
    client->watch =
        ev_watch_add(client->loop, client->fd, EPOLLIN, client_ready, client);
    if (!client->watch) {
        client_fail_text(client, "cannot watch the VMM's monitor");
        return;
    }
    client_set_deadline(client, deadline_passed);
}

QmpClient *qmp_client_new(EvLoop *loop, int fd, guint timeout_ms,
                          const QmpListener *listener, gpointer user,
                          GDestroyNotify user_free)
{
    QmpClient *client = g_new0(QmpClient, 1);

    g_atomic_ref_count_init(&client->refs);
    client->loop = loop;
    client->fd = fd;
    client->timeout_ms = timeout_ms;
    client->listener = listener;
    client->user = user;
    client->user_free = user_free;
    client->in = g_byte_array_new();
    client->out = g_byte_array_new();
    qmp_scan_init(&client->scan);
    g_queue_init(&client->queue);
    /* The loop keeps one reference until the connection is over. */
    ev_loop_post(loop, client_begin, qmp_client_ref(client));
    return client;
}

QmpClient *qmp_client_ref(QmpClient *client)
{
    g_atomic_ref_count_inc(&client->refs);
    return client;
}

void qmp_client_unref(QmpClient *client)
{
    if (!client || !g_atomic_ref_count_dec(&client->refs))
        return;
    if (client->user_free)
        client->user_free(client->user);
    fd_clear(&client->fd);
    g_byte_array_unref(client->in);
    g_byte_array_unref(client->out);
    g_free(client->package);
    g_free(client);
}

static void client_close_now(gpointer user)
{
    QmpClient *client = user;
    gboolean begun = client->watch != NULL;
    g_autoptr(GError) why = NULL;

    if (client->state != QMP_CLOSED) {
        vir_error_set(&why, VIR_ERR_OPERATION_FAILED,
                      "the connection to the VMM was closed");
        client->listener = NULL;
        client_shut(client, why);
        if (begun)
            qmp_client_unref(client);
    }
    qmp_client_unref(client);
}

void qmp_client_close(QmpClient *client)
{
    ev_loop_post(client->loop, client_close_now, qmp_client_ref(client));
}

static void command_queue(gpointer user)
{
    QmpCommand *command = user;
    QmpClient *client = command->client;

    if (client->state == QMP_CLOSED)
        command_end_error(command, VIR_ERR_OPERATION_FAILED,
                          "the connection to the VMM is closed");
    else if (client->stuck)
        command_end_error(command, VIR_ERR_OPERATION_FAILED,
                          "the VMM's monitor does not respond");
    else if (client->queue.length >= MAX_QUEUED_COMMANDS)
        command_end_error(command, VIR_ERR_RESOURCE_BUSY,
                          "too many commands wait for the VMM");
    else
        g_queue_push_tail(&client->queue, command);
    client_send_next(client);
    qmp_client_unref(client);
}

static void execute(QmpClient *client, const char *name, json_t *arguments,
                    gboolean raw, QmpReplyFn reply, gpointer user)
{
    QmpCommand *command = g_new0(QmpCommand, 1);

    command->client = qmp_client_ref(client);
    command->name = g_utf8_make_valid(name, -1);
    command->arguments = arguments;
    command->raw = raw;
    command->reply = reply;
    command->user = user;
    ev_loop_post(client->loop, command_queue, command);
}

void qmp_client_execute(QmpClient *client, const char *command,
                        json_t *arguments, QmpReplyFn reply, gpointer user)
{
    execute(client, command, arguments, FALSE, reply, user);
}

void qmp_client_execute_raw(QmpClient *client, const char *command,
                            json_t *arguments, QmpReplyFn reply, gpointer user)
{
    execute(client, command, arguments, TRUE, reply, user);
}

gboolean qmp_peer_check(int fd, pid_t pid, uid_t uid, GError **error)
{
    struct ucred cred;
    socklen_t len = sizeof(cred);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
        return vir_error_set_errno(error, errno,
                                   "cannot tell who serves the monitor");
    if (cred.uid != uid || (pid && cred.pid != pid))
        return vir_error_set(error, VIR_ERR_OPERATION_FAILED,
                             "the monitor is served by process %d of user %u, "
                             "not by process %d of user %u",
                             (int)cred.pid, (unsigned)cred.uid, (int)pid,
                             (unsigned)uid);
    return TRUE;
}
