/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The running daemon: loop, server, driver, and when to stop.
 *
 * The main thread does nothing but wait for signals and for the idle timeout;
 * sockets live on the loop thread, procedures on the server's workers, guests
 * in the driver.  Stopping goes backwards: clients first, then the driver,
 * which lets go of its guests, then the loop.
 */
#include <config.h>

#include "daemon/daemon.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "daemon/admin.h"
#include "daemon/process.h"
#include "dispatch/dispatch.h"
#include "util/error.h"
#include "util/file.h"
#include "util/log.h"

typedef struct Daemon {
    EvLoop *loop;       /* owned */
    Dispatch *dispatch; /* owned */
    RpcServer *server;  /* reference */
    RpcServer *admin;   /* reference; NULL: no admin socket */
    DaemonAdmin admin_user;
    Driver *driver;   /* owned */
    int signal_fd;    /* owned */
    int idle_fd;      /* owned; eventfd: the idle timeout is over */
    guint timeout_ms; /* 0: none */

    /* loop thread only */
    guint clients;
    gboolean busy; /* guests run */
    EvTimer *idle_timer;
} Daemon;

static void idle_expired(gpointer user)
{
    Daemon *d = user;
    guint64 one = 1;

    d->idle_timer = NULL;
    log_info("no clients and no guests for %u s: exiting",
             d->timeout_ms / 1000);
    (void)fd_write_all(d->idle_fd, &one, sizeof(one));
}

static void idle_update(Daemon *d)
{
    gboolean idle = d->timeout_ms > 0 && d->clients == 0 && !d->busy;

    if (idle && !d->idle_timer)
        d->idle_timer = ev_timer_add(d->loop, d->timeout_ms, idle_expired, d);
    if (!idle)
        g_clear_pointer(&d->idle_timer, ev_timer_del);
}

static void on_clients(gpointer user, guint count)
{
    Daemon *d = user;

    d->clients = count;
    idle_update(d);
}

static void busy_run(gpointer user)
{
    Daemon *d = user;

    d->busy = TRUE;
    idle_update(d);
}

static void quiet_run(gpointer user)
{
    Daemon *d = user;

    d->busy = FALSE;
    idle_update(d);
}

static void on_busy(gpointer user, gboolean busy)
{
    Daemon *d = user;

    ev_loop_post(d->loop, busy ? busy_run : quiet_run, d);
}

typedef struct TimeoutChange {
    Daemon *daemon; /* borrowed */
    guint seconds;
} TimeoutChange;

static void timeout_run(gpointer user)
{
    TimeoutChange *change = user;
    Daemon *d = change->daemon;

    d->timeout_ms = change->seconds * 1000;
    g_clear_pointer(&d->idle_timer, ev_timer_del);
    idle_update(d);
    g_free(change);
}

static void on_set_timeout(gpointer user, guint seconds)
{
    TimeoutChange *change = g_new(TimeoutChange, 1);
    Daemon *d = user;

    *change = (TimeoutChange){ d, seconds };
    ev_loop_post(d->loop, timeout_run, change);
}

static gboolean daemon_open_fds(Daemon *d, GError **error)
{
    sigset_t mask;

    sigemptyset(&mask);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGINT);
    sigaddset(&mask, SIGQUIT);
    sigaddset(&mask, SIGHUP);
    d->signal_fd = signalfd(-1, &mask, SFD_CLOEXEC);
    d->idle_fd = eventfd(0, EFD_CLOEXEC);
    if (d->signal_fd < 0 || d->idle_fd < 0)
        return vir_error_set_errno(error, errno, "cannot watch signals");
    return TRUE;
}

static gboolean driver_open(Daemon *d, const DaemonOptions *options,
                            const DaemonPaths *paths,
                            const DaemonSettings *settings, GError **error)
{
    g_autoptr(DriverConfig) config =
        driver_config_new(paths->session, options->root);

    if (!driver_config_load(config, paths->driver_config, FALSE, error))
        return FALSE;
    g_free(config->host_uuid);
    config->host_uuid = g_strdup(settings->host_uuid);
    g_free(config->host_uuid_source);
    config->host_uuid_source = g_strdup(settings->host_uuid_source);
    d->driver = driver_new(g_steal_pointer(&config), &dispatch_listener,
                           d->dispatch, error);
    d->dispatch->driver = d->driver;
    return d->driver != NULL;
}

static gboolean server_open(Daemon *d, const DaemonSettings *settings,
                            DaemonSockets *sockets, GError **error)
{
    d->server = rpc_server_new(d->loop, &settings->rpc, dispatch_programs,
                               &dispatch_hooks, d->dispatch, error);
    if (!d->server)
        return FALSE;
    if (sockets->rw_fd >= 0)
        rpc_server_add_listener(d->server, fd_steal(&sockets->rw_fd), FALSE,
                                settings->auth_rw);
    if (sockets->ro_fd >= 0)
        rpc_server_add_listener(d->server, fd_steal(&sockets->ro_fd), TRUE,
                                settings->auth_ro);
    return TRUE;
}

/* Only its owner may connect, so that nothing else is asked of a client. */
static gboolean admin_open(Daemon *d, const DaemonSettings *settings,
                           DaemonSockets *sockets, GError **error)
{
    if (sockets->admin_fd < 0)
        return TRUE;
    d->admin = rpc_server_new(d->loop, &settings->admin, daemon_admin_programs,
                              &daemon_admin_hooks, &d->admin_user, error);
    if (!d->admin)
        return FALSE;
    d->admin_user = (DaemonAdmin){ d->server, d->admin, on_set_timeout, d };
    rpc_server_add_listener(d->admin, fd_steal(&sockets->admin_fd), FALSE,
                            RPC_AUTH_NONE);
    return TRUE;
}

static gboolean daemon_open(Daemon *d, const DaemonOptions *options,
                            const DaemonPaths *paths,
                            const DaemonSettings *settings,
                            DaemonSockets *sockets, GError **error)
{
    d->timeout_ms = (guint)options->timeout_s * 1000;
    d->loop = ev_loop_new("rpc-loop", error);
    if (!d->loop)
        return FALSE;
    d->dispatch = dispatch_new(paths->session);
    d->dispatch->clients = on_clients;
    d->dispatch->busy = on_busy;
    d->dispatch->user = d;
    return daemon_open_fds(d, error) &&
           driver_open(d, options, paths, settings, error) &&
           server_open(d, settings, sockets, error) &&
           admin_open(d, settings, sockets, error);
}

static void idle_stop(gpointer user)
{
    Daemon *d = user;

    d->timeout_ms = 0;
    idle_update(d);
}

static void daemon_close(Daemon *d)
{
    if (d->admin)
        rpc_server_stop(d->admin);
    if (d->server)
        rpc_server_stop(d->server);
    driver_free(d->driver);
    if (d->loop)
        ev_loop_call(d->loop, idle_stop, d);
    ev_loop_free(d->loop);
    rpc_server_unref(d->admin);
    rpc_server_unref(d->server);
    dispatch_free(d->dispatch);
    fd_clear(&d->signal_fd);
    fd_clear(&d->idle_fd);
}

/* Return: FALSE: time to stop */
static gboolean signal_handle(Daemon *d)
{
    struct signalfd_siginfo info;

    if (read(d->signal_fd, &info, sizeof(info)) != sizeof(info))
        return TRUE;
    if (info.ssi_signo != SIGHUP) {
        log_info("stopping on signal %u", info.ssi_signo);
        return FALSE;
    }
    log_reopen();
    log_info("reloading");
    service_notify("RELOADING=1");
    driver_reload(d->driver);
    service_notify("READY=1");
    return TRUE;
}

static void daemon_wait(Daemon *d)
{
    struct pollfd fds[] = { { .fd = d->signal_fd, .events = POLLIN },
                            { .fd = d->idle_fd, .events = POLLIN } };

    for (;;) {
        if (poll(fds, G_N_ELEMENTS(fds), -1) < 0)
            continue; /* EINTR */
        if (fds[1].revents)
            return;
        if (fds[0].revents && !signal_handle(d))
            return;
    }
}

static void idle_start(gpointer user)
{
    idle_update(user);
}

gboolean daemon_run(const DaemonOptions *options, const DaemonPaths *paths,
                    const DaemonSettings *settings, DaemonSockets *sockets,
                    void (*ready)(gpointer user), gpointer user, GError **error)
{
    Daemon d = { .signal_fd = -1, .idle_fd = -1 };
    gboolean ok = daemon_open(&d, options, paths, settings, sockets, error);

    if (ok) {
        rpc_server_start(d.server);
        if (d.admin)
            rpc_server_start(d.admin);
        driver_autostart(d.driver);
        ev_loop_call(d.loop, idle_start, &d);
        ready(user);
        daemon_wait(&d);
        service_notify("STOPPING=1");
    }
    daemon_close(&d);
    return ok;
}
