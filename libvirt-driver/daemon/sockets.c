/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Listening sockets: made here, or handed over by socket activation. */
#include <config.h>

#include "daemon/sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "util/error.h"
#include "util/file.h"
#include "util/log.h"

#define ACTIVATION_FIRST_FD 3

static gboolean address_set(struct sockaddr_un *addr, const char *path,
                            GError **error)
{
    memset(addr, 0, sizeof(*addr));
    addr->sun_family = AF_UNIX;
    if (g_strlcpy(addr->sun_path, path, sizeof(addr->sun_path)) >=
        sizeof(addr->sun_path))
        return vir_error_set(error, VIR_ERR_INVALID_ARG,
                             "the socket path '%s' is longer than %zu bytes",
                             path, sizeof(addr->sun_path) - 1);
    return TRUE;
}

/* A socket file may be left from a crash, or belong to a live daemon. */
static gboolean stale_remove(const struct sockaddr_un *addr, GError **error)
{
    AUTO_FD fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd >= 0 &&
        connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0)
        return vir_error_set(error, VIR_ERR_OPERATION_FAILED,
                             "another daemon listens on '%s': stop it first",
                             addr->sun_path);
    return file_unlink(addr->sun_path, error);
}

static gboolean group_apply(const char *path, const char *group, GError **error)
{
    struct group *entry;

    if (!group)
        return TRUE;
    errno = 0;
    entry = getgrnam(group);
    if (!entry)
        return vir_error_set(error, VIR_ERR_INVALID_ARG,
                             "unix_sock_group: there is no group '%s'", group);
    if (lchown(path, -1, entry->gr_gid) < 0)
        return vir_error_set_errno(
            error, errno, "cannot give socket '%s' to group '%s'", path, group);
    return TRUE;
}

static int socket_make(const char *path, mode_t mode, guint backlog,
                       const DaemonSettings *settings, GError **error)
{
    AUTO_FD fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_un addr;
    mode_t old;
    int r;

    if (fd < 0) {
        vir_error_set_errno(error, errno, "cannot create a socket");
        return -1;
    }
    if (!address_set(&addr, path, error) || !stale_remove(&addr, error))
        return -1;
    /* no thread runs yet that the mask could disturb */
    old = umask(~mode & 0777);
    r = bind(fd, (struct sockaddr *)&addr, sizeof(addr));
    umask(old);
    if (r < 0) {
        vir_error_set_errno(error, errno, "cannot bind socket '%s'", path);
        return -1;
    }
    if (!group_apply(path, settings->sock_group, error))
        return -1;
    if (listen(fd, (int)backlog) < 0) {
        vir_error_set_errno(error, errno, "cannot listen on '%s'", path);
        return -1;
    }
    return fd_steal(&fd);
}

/* Number of descriptors handed over to this process, 0: no activation. */
static guint activation_count(void)
{
    const char *pid = g_getenv("LISTEN_PID");
    const char *fds = g_getenv("LISTEN_FDS");
    guint64 n = 0;

    if (!pid || !fds || g_ascii_strtoll(pid, NULL, 10) != getpid() ||
        !g_ascii_string_to_unsigned(fds, 10, 1, 1024, &n, NULL))
        return 0;
    if (!g_getenv("LISTEN_FDNAMES")) {
        log_error("LISTEN_FDNAMES is missing beside LISTEN_FDS, so that the "
                  "handed over sockets cannot be told apart: they are ignored");
        return 0;
    }
    return (guint)n;
}

static gboolean activation_claim(DaemonSockets *sockets, const char *name,
                                 int fd, GError **error)
{
    int *place = NULL;

    if (g_str_equal(name, "virtstratovirtd.socket"))
        place = &sockets->rw_fd;
    else if (g_str_equal(name, "virtstratovirtd-ro.socket"))
        place = &sockets->ro_fd;
    else if (g_str_equal(name, "virtstratovirtd-admin.socket"))
        place = &sockets->admin_fd;
    if (!place || *place >= 0)
        return vir_error_set(error, VIR_ERR_INVALID_ARG,
                             "socket activation handed over '%s', but only "
                             "virtstratovirtd.socket, "
                             "virtstratovirtd-ro.socket and "
                             "virtstratovirtd-admin.socket can be used, once "
                             "each",
                             name);
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ||
        fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
        return vir_error_set_errno(error, errno,
                                   "cannot use descriptor %d of socket "
                                   "activation",
                                   fd);
    *place = fd;
    return TRUE;
}

static gboolean activation_take(DaemonSockets *sockets, guint count,
                                GError **error)
{
    g_auto(GStrv) names = g_strsplit(g_getenv("LISTEN_FDNAMES"), ":", -1);

    if (g_strv_length(names) != count)
        return vir_error_set(error, VIR_ERR_INVALID_ARG,
                             "LISTEN_FDS says %u but LISTEN_FDNAMES has %u "
                             "names",
                             count, g_strv_length(names));
    for (guint i = 0; i < count; i++) {
        if (!activation_claim(sockets, names[i], ACTIVATION_FIRST_FD + (int)i,
                              error))
            return FALSE;
    }
    g_unsetenv("LISTEN_PID");
    g_unsetenv("LISTEN_FDS");
    g_unsetenv("LISTEN_FDNAMES");
    return TRUE;
}

/* Makes one socket and remembers its path for the end. */
static gboolean socket_open(int *ret_fd, char **ret_path, const char *dir,
                            const char *name, mode_t mode, guint backlog,
                            const DaemonSettings *settings, GError **error)
{
    g_autofree char *path = g_build_filename(dir, name, NULL);

    *ret_fd = socket_make(path, mode, backlog, settings, error);
    if (*ret_fd < 0)
        return FALSE;
    *ret_path = g_steal_pointer(&path);
    return TRUE;
}

gboolean daemon_sockets_open(DaemonSockets *sockets,
                             const DaemonSettings *settings, const char *dir,
                             gboolean session, GError **error)
{
    guint count = activation_count();

    if (count > 0)
        return activation_take(sockets, count, error);
    return file_mkdir_p(dir, session ? 0700 : 0755, error) &&
           socket_open(&sockets->rw_fd, &sockets->rw_path, dir,
                       "virtstratovirtd-sock",
                       session ? 0700 : settings->rw_perms,
                       settings->max_queued_clients, settings, error) &&
           (session ||
            socket_open(&sockets->ro_fd, &sockets->ro_path, dir,
                        "virtstratovirtd-sock-ro", settings->ro_perms,
                        settings->max_queued_clients, settings, error)) &&
           socket_open(&sockets->admin_fd, &sockets->admin_path, dir,
                       "virtstratovirtd-admin-sock", settings->admin_perms,
                       settings->admin_max_queued_clients, settings, error);
}

static void socket_close(int *fd, char **path)
{
    fd_clear(fd);
    if (*path)
        unlink(*path);
    g_clear_pointer(path, g_free);
}

void daemon_sockets_close(DaemonSockets *sockets)
{
    socket_close(&sockets->rw_fd, &sockets->rw_path);
    socket_close(&sockets->ro_fd, &sockets->ro_path);
    socket_close(&sockets->admin_fd, &sockets->admin_path);
}
