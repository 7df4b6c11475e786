/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Asks a VMM what it can do, run without rights by the launch helper. */
#include <config.h>

#include "domain/domain_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "security/launch.h"
#include "util/error.h"
#include "util/file.h"

enum {
    RUN_DEADLINE_MS = 20000,
    MAX_OUTPUT_BYTES = 4 * 1024 * 1024,
};

/* Reads until the end of the stream; FALSE with the reason. */
static gboolean read_output(int fd, GString *out, GError **error)
{
    gint64 end = g_get_monotonic_time() + RUN_DEADLINE_MS * 1000;

    for (;;) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        gint64 left_ms = (end - g_get_monotonic_time()) / 1000;
        char buf[16384];
        ssize_t n;

        if (left_ms <= 0 || out->len > MAX_OUTPUT_BYTES)
            return vir_error_set(error, VIR_ERR_INTERNAL_ERROR,
                                 "it does not come to an end");
        if (poll(&p, 1, left_ms) < 1)
            continue;
        n = read(fd, buf, sizeof(buf));
        if (n == 0)
            return TRUE;
        if (n < 0 && errno != EINTR && errno != EAGAIN)
            return vir_error_set_errno(error, errno, "cannot read its output");
        if (n > 0)
            g_string_append_len(out, buf, n);
    }
}

static void plan_fill(Driver *drv, LaunchPlan *plan, const char *binary,
                      const char *argument, int out_fd)
{
    g_ptr_array_add(plan->argv, g_strdup(binary));
    g_ptr_array_add(plan->argv, g_strdup(argument));
    g_ptr_array_add(plan->env, g_strdup("LC_ALL=C"));
    g_ptr_array_add(plan->env, g_strdup("PATH=/usr/bin:/bin"));
    plan->out = launch_plan_add_fd(plan, out_fd);
}

static int reap(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR)
            return -1;
    }
    return status;
}

static gboolean run_helper(Driver *drv, LaunchPlan *plan, int in_fd,
                           GString *out, GError **error)
{
    AUTO_FD pidfd = -1;
    AUTO_FD sock = -1;
    pid_t pid;
    gboolean ok;
    int status;

    if (!launch_spawn(drv->config->launch_helper, &pid, &pidfd, &sock, error))
        return FALSE;
    ok = launch_send(plan, sock, error);
    /* Our copy of the output's other end has to go for its end to come. */
    g_array_set_size(plan->fds, 0);
    ok = ok && read_output(in_fd, out, error) && launch_report(sock, error);
    if (!ok)
        kill(pid, SIGKILL); /* not reaped yet: the id is still its own */
    fd_clear(&sock);
    status = reap(pid);
    if (ok && status != 0)
        return vir_error_set(error, VIR_ERR_INTERNAL_ERROR,
                             "it ended with status 0x%x", status);
    return ok;
}

static gboolean run_vmm(gpointer user, const char *binary, const char *argument,
                        char **ret_output, GError **error)
{
    Driver *drv = user;
    g_autoptr(LaunchPlan) plan = launch_plan_new();
    g_autoptr(GString) out = g_string_new(NULL);
    AUTO_FD in_fd = -1;
    gboolean ok = TRUE;
    int fds[2];

    if (pipe2(fds, O_CLOEXEC) < 0)
        return vir_error_set_errno(error, errno, "cannot create a pipe");
    in_fd = fds[0];
    plan_fill(drv, plan, binary, argument, fds[1]);
    if (!drv->config->session) {
        plan->drop_ids = TRUE;
        ok = driver_uid_take(drv, &plan->uid, &plan->gid, error);
    }
    if (ok) {
        ok = run_helper(drv, plan, in_fd, out, error);
        if (plan->drop_ids)
            driver_uid_release(drv, plan->uid);
    }
    if (!ok) {
        g_prefix_error(error, "'%s %s' failed: ", binary, argument);
        return FALSE;
    }
    *ret_output = g_string_free(g_steal_pointer(&out), FALSE);
    return TRUE;
}

VmmInfo *driver_probe(Driver *drv, const char *binary, GError **error)
{
    return vmm_probe(binary, drv->paths.cache, run_vmm, drv, error);
}
