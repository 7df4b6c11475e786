/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cli/daemon.c - double fork, signal hand-over. */
#include <config.h>

#include "cli/daemon.h"
#include "cli/exit.h"
#include "util/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

/* The first child: starts the real process and tells its pid. */
static _Noreturn void intermediate(pid_t child)
{
    Err e = ERR_INIT;

    if (child < 0)
        exit_cleanup();
    _exit(child < 0 || exit_pidfile_write(child, &e) < 0 ? 1 : 0);
}

static int streams_to_null(Err *e)
{
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (fd < 0)
        return err_sys(e, errno, "-daemonize: cannot open '/dev/null'");
    for (int i = 0; i < 3; i++) {
        if (fd != i && dup2(fd, i) < 0) {
            close(fd);
            return err_sys(e, errno, "-daemonize: cannot redirect stream %d",
                           i);
        }
    }
    if (fd > 2)
        close(fd);
    return 0;
}

int daemonize(Err *e)
{
    pid_t first = fork();
    pid_t second;
    int status;

    if (first < 0)
        return err_sys(e, errno, "-daemonize: cannot fork");
    if (first > 0) {
        while (waitpid(first, &status, 0) < 0 && errno == EINTR)
            ;
        _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
    }
    setsid();
    second = fork();
    if (second != 0)
        intermediate(second);
    exit_pidfile_written();
    return streams_to_null(e);
}

/* --- signals
 * --------------------------------------------------------------------- */

static atomic_int pending;  /* 0: none */
static Loop *_Atomic waker; /* borrowed */
static SignalFn *deliver;
static void *deliver_opaque;
static LoopHook hook;

void signals_wake(void)
{
    Loop *loop = atomic_load(&waker);

    if (loop)
        loop_wake(loop);
}

static void on_signal(int sig)
{
    int saved = errno;
    int none = 0;

    atomic_compare_exchange_strong(&pending, &none, sig);
    signals_wake();
    errno = saved;
}

static void before_wait(void *opaque)
{
    int sig = atomic_exchange(&pending, 0);

    (void)opaque;
    exit_poll_trap();
    if (sig)
        deliver(deliver_opaque, sig);
}

void signals_init(Loop *loop, SignalFn *fn, void *opaque)
{
    static const int ending[] = { SIGTERM, SIGINT, SIGHUP };
    struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
    struct sigaction ignore = { .sa_handler = SIG_IGN };

    atomic_store(&waker, loop);
    deliver = fn;
    deliver_opaque = opaque;
    loop_hook_add(loop, &hook, before_wait, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(ending); i++)
        sigaction(ending[i], &sa, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
}
