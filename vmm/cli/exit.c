/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cli/exit.c - what is done on every way out. */
#include <config.h>

#include "chardev/chardev.h"
#include "cli/daemon.h"
#include "cli/exit.h"
#include "sandbox/sandbox.h"
#include "util/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

static int record_fd = -1;
static atomic_bool recorded;
static const char *pidfile; /* borrowed from argv; NULL: nothing to remove */
static int pidfile_fd = -1;
static bool terminal_guarded; /* set before threads start */

int exit_record_init(int fd, Err *e)
{
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        return err_sys(e, errno, "-exit-record: descriptor %d cannot be used",
                       fd);
    record_fd = fd;
    return 0;
}

/* --- a line of JSON, without allocating
 * ---------------------------------------- */

typedef struct Line {
    char text[1024];
    size_t used;
} Line;

static void put(Line *line, const char *text)
{
    while (*text && line->used < sizeof(line->text) - 1)
        line->text[line->used++] = *text++;
}

/* The inside of a JSON string; room for the end of the line is kept. */
static void put_escaped(Line *line, const char *text)
{
    static const char hex[] = "0123456789abcdef";

    for (; *text && line->used < sizeof(line->text) - 16; text++) {
        unsigned char c = (unsigned char)*text;
        char escape[7] = { '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15], 0 };
        char plain[3] = { (char)c, 0, 0 };

        if (c == '"' || c == '\\') {
            plain[0] = '\\';
            plain[1] = (char)c;
        }
        /* Bytes above ASCII become Latin-1 escapes: always valid JSON. */
        put(line, c < 0x20 || c > 0x7e ? escape : plain);
    }
}

/* async-signal-safe */
void exit_record(ExitCause cause, bool guest, const char *detail)
{
    Line line = { .used = 0 };
    ssize_t wrote;

    if (record_fd < 0 || atomic_exchange(&recorded, true))
        return;
    put(&line, "{\"cause\":\"");
    put(&line, exit_cause_names[cause]);
    put(&line, guest ? "\",\"guest\":true" : "\",\"guest\":false");
    put(&line, ",\"detail\":\"");
    put_escaped(&line, detail ? detail : "");
    put(&line, "\"}\n");
    do {
        wrote = write(record_fd, line.text, line.used);
    } while (wrote < 0 && errno == EINTR);
}

static void put_number(Line *line, int val)
{
    char digits[16];
    unsigned at = sizeof(digits) - 1;

    digits[at] = 0;
    do {
        digits[--at] = (char)('0' + val % 10);
        val /= 10;
    } while (val);
    put(line, digits + at);
}

/* Time for the main thread to put the terminal back. */
static const struct timespec trap_patience = { .tv_sec = 2 };
static atomic_int trapped;

static void hand_terminal_to_main(void)
{
    atomic_store(&trapped, 1);
    signals_wake();
    syscall(SYS_futex, &trapped, FUTEX_WAIT_PRIVATE, 1, &trap_patience, NULL,
            0);
}

void exit_on_trap(int call, const char *role)
{
    Line line = { .used = 0 };

    put(&line, "system call ");
    put_number(&line, call);
    put(&line, " is not allowed for thread role ");
    put(&line, role);
    exit_record(EXIT_CAUSE_SECCOMP, false, line.text);
    if (strcmp(role, role_name(ROLE_MAIN)) == 0)
        chardev_restore_terminal();
    else if (terminal_guarded)
        hand_terminal_to_main();
}

void exit_poll_trap(void)
{
    if (!atomic_load(&trapped))
        return;
    chardev_restore_terminal();
    _exit(SANDBOX_EXIT_STATUS);
}

/* --- pid file
 * --------------------------------------------------------------------- */

int exit_pidfile_create(const char *path, Err *e)
{
    pidfile_fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (pidfile_fd < 0 && errno == EEXIST)
        return err_set(e, EEXIST, "-pidfile: '%s' exists already", path);
    if (pidfile_fd < 0)
        return err_sys(e, errno, "-pidfile: cannot create '%s'", path);
    pidfile = path;
    return 0;
}

int exit_pidfile_write(int pid, Err *e)
{
    char text[16];
    int len = snprintf(text, sizeof(text), "%d", pid);

    if (!pidfile)
        return 0;
    if (write(pidfile_fd, text, (size_t)len) != len)
        return err_sys(e, errno ? errno : EIO, "-pidfile: cannot write '%s'",
                       pidfile);
    fd_close(&pidfile_fd);
    return 0;
}

void exit_pidfile_written(void)
{
    fd_close(&pidfile_fd);
}

void exit_cleanup(void)
{
    if (pidfile)
        unlink(pidfile);
    pidfile = NULL;
    chardev_restore_terminal();
}

/* --- ends that nobody asked for
 * ------------------------------------------------------- */

static void on_crash(int sig)
{
    chardev_restore_terminal();
    /* SA_RESETHAND: the second time the signal does what it does. */
    raise(sig);
}

void exit_guard_terminal(void)
{
    static const int signals[] = { SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGFPE };
    struct sigaction sa = { .sa_handler = on_crash,
                            .sa_flags = SA_RESETHAND | SA_NODEFER };

    for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
        sigaction(signals[i], &sa, NULL);
    terminal_guarded = true;
}
