/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The daemon's side of starting a VMM through virtstratovirt-launch. */
#include <config.h>

#include "security/launch.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "security/launch_proto.h"
#include "util/error.h"
#include "util/file.h"

LaunchPlan *launch_plan_new(void)
{
    LaunchPlan *plan = g_new0(LaunchPlan, 1);

    plan->argv = g_ptr_array_new_with_free_func(g_free);
    plan->env = g_ptr_array_new_with_free_func(g_free);
    plan->devs = g_ptr_array_new_with_free_func(g_free);
    plan->fds = g_array_new(FALSE, FALSE, sizeof(int));
    g_array_set_clear_func(plan->fds, (GDestroyNotify)fd_clear);
    plan->listen = g_array_new(FALSE, FALSE, sizeof(int));
    plan->cgroups = g_array_new(FALSE, FALSE, sizeof(int));
    plan->log = plan->out = plan->pid_file = -1;
    return plan;
}

void launch_plan_free(LaunchPlan *plan)
{
    if (!plan)
        return;
    g_ptr_array_unref(plan->argv);
    g_ptr_array_unref(plan->env);
    g_ptr_array_unref(plan->devs);
    g_array_unref(plan->fds);
    g_array_unref(plan->listen);
    g_array_unref(plan->cgroups);
    g_free(plan->dev_dir);
    g_free(plan);
}

int launch_plan_add_fd(LaunchPlan *plan, int fd)
{
    g_array_append_val(plan->fds, fd);
    return LAUNCH_FIRST_FD + plan->fds->len - 1;
}

/* Nothing of the daemon's signal set-up reaches the child. */
static void spawn_attributes(posix_spawnattr_t *attr)
{
    sigset_t all, none;

    sigfillset(&all);
    sigemptyset(&none);
    posix_spawnattr_setsigdefault(attr, &all);
    posix_spawnattr_setsigmask(attr, &none);
    posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGDEF |
                                       POSIX_SPAWN_SETSIGMASK |
                                       POSIX_SPAWN_SETSID);
}

static int spawn_with_socket(const char *helper, int socket_fd, pid_t *ret_pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    char *argv[] = { (char *)helper, NULL };
    char *envp[] = { NULL };
    int r;

    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attr);
    spawn_attributes(&attr);
    r = posix_spawn_file_actions_adddup2(&actions, socket_fd, LAUNCH_SOCKET);
    if (r == 0)
        r = posix_spawn(ret_pid, helper, &actions, &attr, argv, envp);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attr);
    return r;
}

gboolean launch_spawn(const char *helper, pid_t *ret_pid, int *ret_pidfd,
                      int *ret_socket, GError **error)
{
    int pair[2];
    pid_t pid;
    int pidfd;
    int r;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return vir_error_set_errno(error, errno, "cannot create a socket pair");
    r = spawn_with_socket(helper, pair[1], &pid);
    close(pair[1]);
    if (r != 0) {
        close(pair[0]);
        return vir_error_set_errno(error, r, "cannot run '%s'", helper);
    }
    pidfd = syscall(SYS_pidfd_open, pid, 0);
    if (pidfd < 0) {
        r = errno;
        close(pair[0]); /* ends the helper */
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            ;
        return vir_error_set_errno(error, r, "cannot watch process %d",
                                   (int)pid);
    }
    *ret_pid = pid;
    *ret_pidfd = pidfd;
    *ret_socket = pair[0];
    return TRUE;
}

/* ---- The plan as bytes ------------------------------------------------ */

static void put_item(GString *text, const char *key, const char *value)
{
    g_string_append_printf(text, "%s=%s", key, value);
    g_string_append_c(text, '\0');
}

static void put_number(GString *text, const char *key, gint64 value)
{
    g_string_append_printf(text, "%s=%" G_GINT64_FORMAT, key, value);
    g_string_append_c(text, '\0');
}

static void put_strings(GString *text, const char *key, GPtrArray *list)
{
    for (guint i = 0; i < list->len; i++)
        put_item(text, key, g_ptr_array_index(list, i));
}

static void put_numbers(GString *text, const char *key, GArray *list)
{
    for (guint i = 0; i < list->len; i++)
        put_number(text, key, g_array_index(list, int, i));
}

static GString *plan_text(const LaunchPlan *plan)
{
    GString *text = g_string_new(NULL);

    put_strings(text, "arg", plan->argv);
    put_strings(text, "env", plan->env);
    put_strings(text, "dev", plan->devs);
    put_numbers(text, "listen", plan->listen);
    put_numbers(text, "cgroup", plan->cgroups);
    if (plan->log >= 0)
        put_number(text, "log", plan->log);
    if (plan->out >= 0)
        put_number(text, "out", plan->out);
    if (plan->pid_file >= 0)
        put_number(text, "pidfile", plan->pid_file);
    if (plan->drop_ids) {
        put_number(text, "uid", plan->uid);
        put_number(text, "gid", plan->gid);
    }
    if (plan->dev_dir)
        put_item(text, "namespace", plan->dev_dir);
    if (plan->nofile)
        put_number(text, "nofile", plan->nofile);
    return text;
}

static gboolean send_message(int socket_fd, char kind, const char *data,
                             gsize len, const int *fds, guint num_fds,
                             GError **error)
{
    union {
        char bytes[CMSG_SPACE(LAUNCH_FDS_PER_MESSAGE * sizeof(int))];
        struct cmsghdr align;
    } control = { 0 };
    struct iovec iov[] = { { &kind, 1 }, { (char *)data, len } };
    struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
    ssize_t n;

    if (num_fds > 0) {
        struct cmsghdr *c;

        msg.msg_control = control.bytes;
        msg.msg_controllen = CMSG_SPACE(num_fds * sizeof(int));
        c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(num_fds * sizeof(int));
        memcpy(CMSG_DATA(c), fds, num_fds * sizeof(int));
    }
    do
        n = sendmsg(socket_fd, &msg, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return vir_error_set_errno(error, errno,
                                   "cannot hand the plan to the launch helper");
    return TRUE;
}

gboolean launch_send(const LaunchPlan *plan, int socket_fd, GError **error)
{
    g_autoptr(GString) text = plan_text(plan);
    const int *fds = (const int *)plan->fds->data;
    gsize done = 0;
    guint fds_done = 0;

    while (done < text->len || fds_done < plan->fds->len) {
        gsize len = MIN(text->len - done, LAUNCH_MESSAGE_BYTES - 1);
        guint n = MIN(plan->fds->len - fds_done, LAUNCH_FDS_PER_MESSAGE);

        if (!send_message(socket_fd, LAUNCH_DATA, text->str + done, len,
                          fds + fds_done, n, error))
            return FALSE;
        done += len;
        fds_done += n;
    }
    return send_message(socket_fd, LAUNCH_GO, NULL, 0, NULL, 0, error);
}

gboolean launch_report(int socket_fd, GError **error)
{
    char text[1025];
    ssize_t n;

    do
        n = recv(socket_fd, text, sizeof(text) - 1, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n == 0)
        return TRUE;
    if (n < 0)
        return vir_error_set_errno(error, errno,
                                   "cannot hear from the launch helper");
    text[n] = '\0';
    return vir_error_set(error, VIR_ERR_OPERATION_FAILED, "%s", text);
}
