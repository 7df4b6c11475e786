/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One connection to a VMM's monitor.
 *
 * How this works.  The client reads and writes a unix socket on an event
 * loop.  It waits for the greeting, sends qmp_capabilities and then the
 * commands that were queued, one at a time: StratoVirt reads two requests
 * that arrive together as one malformed one.  Each command has a deadline.
 * When one passes it, the client is stuck: that command and all later ones
 * fail, and the listener hears of it once; the connection stays open for
 * events, and its end is still noticed.
 *
 * The peer is not trusted: documents are bounded in size and depth, replies
 * must carry the id of the command under way, and anything else than
 * greeting, reply or event closes the connection.
 *
 * Threads.  qmp_client_execute(), _close(), _ref() and _unref() may be called
 * on any thread.  Callbacks run on the loop's thread.
 */
#pragma once

#include <glib.h>
#include <jansson.h>

#include "util/ev_loop.h"

typedef struct QmpClient QmpClient;

typedef struct QmpEvent {
    const char *name;
    json_t *data; /* borrowed object or NULL */
    gint64 seconds;
    guint micros;
} QmpEvent;

typedef struct QmpGreeting {
    guint version;       /* major * 10^6 + minor * 10^3 + micro */
    const char *package; /* borrowed, "" when absent */
} QmpGreeting;

typedef struct QmpListener {
    /* Greeting seen and capabilities negotiated. */
    void (*ready)(gpointer user, const QmpGreeting *greeting);
    void (*event)(gpointer user, const QmpEvent *event);
    /* A command passed its deadline; at most once. */
    void (*stuck)(gpointer user, const char *command);
    /* The connection is over, @why says how; exactly once, the last call.
     * Not after qmp_client_close(). */
    void (*closed)(gpointer user, const GError *why);
} QmpListener;

/**
 * QmpReplyFn - The end of a command
 * @ret:   borrowed: value of "return", or the whole reply for a raw command;
 *         NULL with @error
 * @error: VIR_ERR_*; borrowed
 */
typedef void (*QmpReplyFn)(gpointer user, json_t *ret, const GError *error);

/**
 * qmp_client_new() - Talk QMP on a connected socket
 * @loop:       borrowed; must outlive the client
 * @fd:         connected unix socket, taken over
 * @timeout_ms: per command, and for the greeting
 * @listener:   const, outlives the client
 * @user:       for the listener
 * @user_free:  called when the client is freed; may be NULL
 *
 * Return: a reference
 */
QmpClient *qmp_client_new(EvLoop *loop, int fd, guint timeout_ms,
                          const QmpListener *listener, gpointer user,
                          GDestroyNotify user_free);
QmpClient *qmp_client_ref(QmpClient *client);
void qmp_client_unref(QmpClient *client);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(QmpClient, qmp_client_unref)

/* Ends the connection; commands not answered yet fail. No listener calls
 * start after the loop has taken note. */
void qmp_client_close(QmpClient *client);

/**
 * qmp_client_execute() - Queue a command
 * @command:   its name
 * @arguments: object, taken over; NULL for none
 * @reply:     called exactly once, never from within this call; may be NULL
 */
void qmp_client_execute(QmpClient *client, const char *command,
                        json_t *arguments, QmpReplyFn reply, gpointer user);

/* The same, but @reply gets the whole reply, whether it holds a return value
 * or an error of the VMM. */
void qmp_client_execute_raw(QmpClient *client, const char *command,
                            json_t *arguments, QmpReplyFn reply, gpointer user);

/**
 * qmp_peer_check() - Is the peer of a unix socket who it should be?
 * @pid: 0: any
 * @uid: its user
 */
gboolean qmp_peer_check(int fd, pid_t pid, uid_t uid, GError **error);
