/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Consoles: a guest's pty or socket joined with a client's stream. */
#include <config.h>

#include "dispatch/procs.h"
#include "rpc/stream.h"
#include "util/error.h"

/* Shared by the driver's console, which may report its loss at once and from
 * any thread, and the stream, which ends on the loop thread. */
typedef struct Console {
    GMutex lock;
    gboolean lost;          /* reported before there was a stream */
    RpcFdStream *fs;        /* reference; NULL: not yet, or over */
    DomainConsole *console; /* owned */
} Console;

static void console_lost(gpointer user)
{
    Console *console = user;

    g_mutex_lock(&console->lock);
    console->lost = TRUE;
    if (console->fs)
        rpc_fd_stream_hangup(console->fs);
    g_mutex_unlock(&console->lock);
}

static void console_free(Console *console)
{
    g_mutex_clear(&console->lock);
    g_free(console);
}

/* The stream is over.  Its own reference lives until after this call. */
static void console_closed(gpointer user)
{
    Console *console = user;
    RpcFdStream *fs;

    domain_console_close(console->console);
    g_mutex_lock(&console->lock);
    fs = g_steal_pointer(&console->fs);
    g_mutex_unlock(&console->lock);
    rpc_fd_stream_unref(fs);
    console_free(console);
}

static void console_start(Console *console, RpcCall *call)
{
    RpcFdStream *fs = rpc_fd_stream_new(
        rpc_server_loop(rpc_client_server(rpc_call_client(call))),
        domain_console_fd(console->console), console_closed, console);

    g_mutex_lock(&console->lock);
    console->fs = rpc_fd_stream_ref(fs);
    if (console->lost)
        rpc_fd_stream_hangup(fs);
    g_mutex_unlock(&console->lock);
    rpc_fd_stream_open(fs, call);
}

PROC(domain_open_console)
{
    const wire_a_dom_str_opt_flags *a = args;
    g_autoptr(Domain) dom = NULL;
    Console *console;

    if (!call_check_flags(call, a->flags, DRIVER_CONSOLE_FLAGS, error) ||
        !(dom = call_lookup(call, &a->dom, error)))
        return CALL_FAILED;
    console = g_new0(Console, 1);
    g_mutex_init(&console->lock);
    console->console =
        domain_console_open(dom, wire_str_opt_get(a->value), a->flags,
                            console_lost, console, error);
    if (!console->console) {
        console_free(console);
        return CALL_FAILED;
    }
    console_start(console, call);
    return CALL_PENDING;
}
