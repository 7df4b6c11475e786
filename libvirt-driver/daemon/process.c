/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The daemon as a process: background, pid file, notice to systemd. */
#include <config.h>

#include "daemon/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/error.h"
#include "util/file.h"

/* The parent's side: the child writes a byte, or dies with a status. */
static void wait_and_exit(pid_t pid, int fd)
{
    int status = 0;
    char byte;
    ssize_t n;

    do {
        n = read(fd, &byte, 1);
    } while (n < 0 && errno == EINTR);
    if (n == 1)
        _exit(EXIT_SUCCESS);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE);
}

gboolean daemon_fork(int *ret_ready_fd, GError **error)
{
    int fds[2];
    pid_t pid;

    if (pipe2(fds, O_CLOEXEC) < 0)
        return vir_error_set_errno(error, errno, "cannot create a pipe");
    pid = fork();
    if (pid < 0) {
        close(fds[0]);
        close(fds[1]);
        return vir_error_set_errno(error, errno, "cannot fork");
    }
    if (pid > 0) {
        close(fds[1]);
        wait_and_exit(pid, fds[0]);
    }
    close(fds[0]);
    setsid();
    *ret_ready_fd = fds[1];
    return TRUE;
}

void daemon_fork_ready(int *ready_fd)
{
    AUTO_FD null = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (*ready_fd < 0)
        return;
    for (int fd = 0; null >= 0 && fd <= 2; fd++)
        dup2(null, fd);
    if (chdir("/") == 0)
        (void)fd_write_all(*ready_fd, "", 1);
    fd_clear(ready_fd);
}

int pid_file_take(const char *path, GError **error)
{
    g_autofree char *dir = g_path_get_dirname(path);
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    AUTO_FD fd = -1;
    char text[32];
    int len;

    if (!file_mkdir_p(dir, 0755, error))
        return -1;
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0) {
        vir_error_set_errno(error, errno, "cannot open pid file '%s'", path);
        return -1;
    }
    if (fcntl(fd, F_SETLK, &lock) < 0) {
        vir_error_set(error, VIR_ERR_OPERATION_FAILED,
                      "pid file '%s' is locked: another virtstratovirtd runs",
                      path);
        return -1;
    }
    len = snprintf(text, sizeof(text), "%d\n", (int)getpid());
    if (ftruncate(fd, 0) < 0 || fd_write_all(fd, text, len) < 0) {
        vir_error_set_errno(error, errno, "cannot write pid file '%s'", path);
        return -1;
    }
    return fd_steal(&fd);
}

void pid_file_drop(const char *path, int *fd)
{
    if (*fd < 0)
        return;
    unlink(path);
    fd_clear(fd);
}

void service_notify(const char *state)
{
    const char *path = g_getenv("NOTIFY_SOCKET");
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    gsize len = path ? strlen(path) : 0;
    AUTO_FD fd = -1;

    if (len < 2 || len >= sizeof(addr.sun_path))
        return;
    memcpy(addr.sun_path, path, len);
    if (path[0] == '@')
        addr.sun_path[0] = '\0';
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0)
        (void)sendto(fd, state, strlen(state), MSG_NOSIGNAL,
                     (struct sockaddr *)&addr,
                     offsetof(struct sockaddr_un, sun_path) + len);
}
