/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A run of a domain: waiting for its descriptors, signals, identity, log. */
#include <config.h>

#include "domain/domain_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/file.h"
#include "util/log.h"

enum {
    LOG_TAIL_BYTES = 2048,
    LOG_TAIL_LINES = 8,
};

/* ---- One-shot waits --------------------------------------------------- */

typedef struct FdWait {
    gatomicrefcount refs; /* proc->waits, loop */
    DomainProc *proc;     /* owned */
    int fd;
    ProcFn fn;
    EvWatch *watch;     /* loop */
    gboolean cancelled; /* loop */
} FdWait;

static void wait_unref(FdWait *wait)
{
    if (!g_atomic_ref_count_dec(&wait->refs))
        return;
    proc_unref(wait->proc);
    g_free(wait);
}

static void wait_over_task(Domain *dom, gpointer data)
{
    FdWait *wait = data;

    /* A run that was let go has dropped its waits. */
    if (g_ptr_array_remove_fast(wait->proc->waits, wait)) {
        if (dom->proc == wait->proc)
            wait->fn(wait->proc);
        wait_unref(wait);
    }
    wait_unref(wait);
}

static void wait_ready(gpointer user, guint32 events)
{
    FdWait *wait = user;

    g_clear_pointer(&wait->watch, ev_watch_del);
    domain_post(wait->proc->dom, wait_over_task, wait);
}

static void wait_begin(gpointer user)
{
    FdWait *wait = user;

    wait->watch = ev_watch_add(wait->proc->dom->drv->loop, wait->fd, EPOLLIN,
                               wait_ready, wait);
    if (!wait->watch) {
        log_error("cannot watch a descriptor of a guest: %s",
                  g_strerror(errno));
        wait_unref(wait);
    }
}

static void wait_cancel(gpointer user)
{
    FdWait *wait = user;

    if (wait->watch) {
        ev_watch_del(wait->watch);
        wait->watch = NULL;
        wait_unref(wait); /* the loop's */
    }
    wait_unref(wait);
}

void proc_wait_fd(DomainProc *proc, int fd, ProcFn fn)
{
    FdWait *wait = g_new0(FdWait, 1);

    g_atomic_ref_count_init(&wait->refs);
    g_atomic_ref_count_inc(&wait->refs);
    wait->proc = proc_ref(proc);
    wait->fd = fd;
    wait->fn = fn;
    g_ptr_array_add(proc->waits, wait);
    ev_loop_post(proc->dom->drv->loop, wait_begin, wait);
}

static void proc_drop_waits(DomainProc *proc)
{
    while (proc->waits->len > 0) {
        FdWait *wait = g_ptr_array_steal_index_fast(proc->waits, 0);

        ev_loop_post(proc->dom->drv->loop, wait_cancel, wait);
    }
}

void proc_detach(DomainProc *proc, const GError *why)
{
    Domain *dom = proc->dom;
    DomainProc *mine;

    for (guint i = 0; i < proc->destroy_ops->len; i++)
        op_end(g_ptr_array_index(proc->destroy_ops, i), NULL, why);
    g_ptr_array_set_size(proc->destroy_ops, 0);
    proc_drop_waits(proc);
    g_clear_pointer(&proc->timer, domain_timer_stop);
    g_clear_pointer(&proc->eof_timer, domain_timer_stop);
    proc_close_monitor(proc);
    {
        DOMAIN_LOCK(dom);

        mine = g_steal_pointer(&dom->proc);
    }
    g_clear_pointer(&mine->start_op, op_unref);
    proc_unref(mine);
}

/* ---- The end of a process --------------------------------------------- */

static void proc_dead(DomainProc *proc)
{
    proc->dead = TRUE;
    proc_check_end(proc);
}

void proc_watch_end(DomainProc *proc)
{
    proc_wait_fd(proc, proc->pidfd, proc_dead);
}

void proc_kill(DomainProc *proc, int sig)
{
    if (proc->pidfd >= 0 && !proc->dead &&
        syscall(SYS_pidfd_send_signal, proc->pidfd, sig, NULL, 0) < 0 &&
        errno != ESRCH)
        log_error("cannot send signal %d to process %d: %s", sig,
                  (int)proc->pid, g_strerror(errno));
}

/* ---- Identity --------------------------------------------------------- */

gboolean pid_start_time(pid_t pid, guint64 *ret_start_time)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/stat", (int)pid);
    g_autofree char *text = NULL;
    const char *p;

    if (!file_read(path, 65536, &text, NULL, NULL))
        return FALSE;
    p = strrchr(text, ')');
    for (int field = 2; p && field < 22; field++)
        p = strchr(p + 1, ' ');
    if (!p)
        return FALSE;
    *ret_start_time = g_ascii_strtoull(p + 1, NULL, 10);
    return TRUE;
}

char *host_boot_id(void)
{
    char *text;

    if (!file_read("/proc/sys/kernel/random/boot_id", 256, &text, NULL, NULL))
        return g_strdup("");
    return g_strstrip(text);
}

/* ---- Log -------------------------------------------------------------- */

/* The last lines of @text, control characters made harmless. */
static char *last_lines(char *text)
{
    char *start;
    int lines = 0;

    g_strchomp(text);
    for (start = text + strlen(text); start > text; start--) {
        if (start[-1] == '\n' && ++lines == LOG_TAIL_LINES)
            break;
    }
    for (char *p = start; *p; p++) {
        if (g_ascii_iscntrl(*p) && *p != '\n')
            *p = ' ';
    }
    return g_utf8_make_valid(start, -1);
}

char *proc_log_tail(DomainProc *proc)
{
    g_autofree char *name = domain_name(proc->dom);
    g_autofree char *path = path_named(proc->dom->drv->paths.log, name, "log");
    AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    char buf[LOG_TAIL_BYTES + 1];
    struct stat st;
    off_t from;
    ssize_t n;

    if (fd < 0 || fstat(fd, &st) < 0 || st.st_size <= proc->log_start)
        return g_strdup("");
    from = MAX(proc->log_start, st.st_size - LOG_TAIL_BYTES);
    n = pread(fd, buf, LOG_TAIL_BYTES, from);
    if (n <= 0)
        return g_strdup("");
    buf[n] = '\0';
    return last_lines(buf);
}
