/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Unit tests of sandbox/: what a role may do, what ends the process. */
#include <config.h>

#include "sandbox/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static int hook_fd;

static void hook(int call, const char *role)
{
    if (write(hook_fd, "T", 1) < 0)
        _exit(3);
}

typedef void ChildFn(void);

/* Runs @fn confined in a child; its exit status. */
static int confined(ThreadRole role, ChildFn *fn, char *ret_trap)
{
    int p[2], status;
    pid_t pid;

    assert_int_equal(pipe(p), 0);
    *ret_trap = 0;
    pid = fork();
    if (pid == 0) {
        Err e = ERR_INIT;

        hook_fd = p[1];
        sandbox_on_trap(hook);
        if (sandbox_compile(true, &e) < 0 || sandbox_enter(role) < 0)
            _exit(2);
        fn();
        _exit(0);
    }
    close(p[1]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (read(p[0], ret_trap, 1) < 0)
        *ret_trap = 0;
    close(p[0]);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void try_open(void)
{
    syscall(__NR_openat, AT_FDCWD, "/dev/null", O_RDONLY);
}

static void try_clone3(void)
{
    if (syscall(__NR_clone3, NULL, 0) != -1 || errno != ENOSYS)
        _exit(4);
}

static void try_fork(void)
{
    syscall(__NR_clone, SIGCHLD, 0, 0, 0, 0);
}

static void try_write(void)
{
    if (write(hook_fd, "", 0) != 0)
        _exit(4);
}

static void try_tty_ioctl(void)
{
    ioctl(hook_fd, 0x5401, 0);
}

static void a_vcpu_may_not_open(void **state)
{
    char trap;

    assert_int_equal(confined(ROLE_VCPU, try_open, &trap), SANDBOX_EXIT_STATUS);
    assert_int_equal(trap, 'T');
}

static void every_role_may_write(void **state)
{
    char trap;

    for (int role = 0; role < ROLE_MAX; role++)
        assert_int_equal(confined(role, try_write, &trap), 0);
}

static void main_may_not_fork(void **state)
{
    char trap;

    assert_int_equal(confined(ROLE_MAIN, try_fork, &trap), SANDBOX_EXIT_STATUS);
    assert_int_equal(confined(ROLE_MAIN, try_clone3, &trap), 0);
}

static void ioctl_is_checked_by_type(void **state)
{
    char trap;

    assert_int_equal(confined(ROLE_VCPU, try_tty_ioctl, &trap),
                     SANDBOX_EXIT_STATUS);
    assert_int_equal(confined(ROLE_MAIN, try_tty_ioctl, &trap), 0);
}

static void roles_stay_small(void **state)
{
    assert_true(sandbox_calls(ROLE_VCPU) <= 12);
    assert_true(sandbox_calls(ROLE_IO) <= 15);
    assert_true(sandbox_calls(ROLE_MAIN) <= 45);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_vcpu_may_not_open),
        cmocka_unit_test(every_role_may_write),
        cmocka_unit_test(main_may_not_fork),
        cmocka_unit_test(ioctl_is_checked_by_type),
        cmocka_unit_test(roles_stay_small),
    };

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    printf("a sanitizer makes system calls of its own\n");
    return 77;
#endif
    return cmocka_run_group_tests(tests, NULL, NULL);
}
