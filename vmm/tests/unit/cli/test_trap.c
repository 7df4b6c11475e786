/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A forbidden system call: status, exit record, and the terminal is back. */
#include <config.h>

#include "chardev/chardev.h"
#include "cli/daemon.h"
#include "cli/exit.h"
#include "core/thread.h"
#include "sandbox/sandbox.h"
#include "util/log.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

static void *forbidden(void *arg)
{
    (void)arg;
    syscall(SYS_getuid);
    return NULL;
}

static void on_signal(void *opaque, int sig)
{
    (void)opaque;
    (void)sig;
}

/* The child: owns the terminal, makes it raw, and lets @role misbehave. */
static _Noreturn void child(int slave, int record, ThreadRole role)
{
    static const ChardevHandlers handlers = { 0 };
    const ChardevConf conf = { .id = "c", .cls = CHARDEV_STDIO };
    static Thread thread;
    Chardev *cd;
    Loop *loop;
    Err e = ERR_INIT;

    alarm(60);
    setsid();
    ioctl(slave, TIOCSCTTY, 0);
    dup2(slave, 0);
    dup2(slave, 1);
    if (exit_record_init(record, &e) < 0 || loop_new(&loop, "main", &e) < 0)
        _exit(2);
    signals_init(loop, on_signal, NULL);
    thread_kick_init();
    exit_guard_terminal();
    if (chardev_new(&cd, &conf, &e) < 0 ||
        chardev_attach(cd, loop, &handlers, NULL, CHARDEV_RAW, &e) < 0)
        _exit(3);
    sandbox_on_trap(exit_on_trap);
    if (sandbox_compile(true, &e) < 0 || sandbox_enter(ROLE_MAIN) < 0)
        _exit(4);
    if (role == ROLE_MAIN)
        forbidden(NULL);
    else if (thread_start(&thread, role, "bad", forbidden, NULL, &e) < 0)
        _exit(5);
    loop_run(loop);
    _exit(6);
}

static void trap(ThreadRole role)
{
    struct termios before;
    struct termios after;
    char want[128];
    char got[256];
    int fds[2];
    int status;
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    int slave;
    ssize_t len;
    pid_t pid;

    assert_true(master >= 0);
    assert_int_equal(grantpt(master), 0);
    assert_int_equal(unlockpt(master), 0);
    slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    assert_int_equal(tcgetattr(slave, &before), 0);
    assert_int_equal(pipe(fds), 0);
    pid = fork();
    if (pid == 0)
        child(slave, fds[1], role);
    close(fds[1]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), SANDBOX_EXIT_STATUS);
    len = read(fds[0], got, sizeof(got) - 1);
    assert_true(len > 0);
    got[len] = 0;
    snprintf(want, sizeof(want),
             "{\"cause\":\"seccomp\",\"guest\":false,\"detail\":\"system call "
             "%d is not allowed for thread role %s\"}\n",
             (int)SYS_getuid, role_name(role));
    assert_string_equal(got, want);
    assert_int_equal(tcgetattr(slave, &after), 0);
    assert_int_equal(after.c_lflag, before.c_lflag);
    assert_int_equal(after.c_iflag, before.c_iflag);
    close(fds[0]);
    close(slave);
    close(master);
}

static void test_trap(void **state)
{
    (void)state;
    if (SANITIZED)
        skip();
    for (int role = 0; role < ROLE_MAX; role++)
        trap((ThreadRole)role);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trap),
    };

    log_init(2, "error");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
