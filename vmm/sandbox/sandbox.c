/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sandbox/sandbox.c - which thread may make which system call.
 *
 * One row a call: who may make it, and why.  libseccomp turns the rows of each
 * role into BPF once, before the first thread starts; a thread installs its
 * role's program with one seccomp() call.  Filters are inherited and add up,
 * so main's rows are a superset of what it may still start.  clone3() answers
 * ENOSYS, so that glibc falls back to clone(), whose flags can be checked.
 */
#include <config.h>

#include "sandbox/sandbox.h"

#include "util/cleanup.h"
#include "util/log.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define M (1u << ROLE_MAIN)
#define V (1u << ROLE_VCPU)
#define I (1u << ROLE_IO)
#define P (1u << ROLE_POOL)
#define T (1u << ROLE_TEST)

#define THREAD_CLONE_FLAGS                                                     \
    (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |        \
     CLONE_SYSVSEM | CLONE_SETTLS | CLONE_PARENT_SETTID |                      \
     CLONE_CHILD_CLEARTID)

typedef struct Row {
    int call;
    unsigned roles; /* main gets every row */
    const char *why;
} Row;

static const Row rows[] = {
    { SCMP_SYS(futex), V | I | P | T, "locks and waits" },
    { SCMP_SYS(write), V | I | P | T, "eventfds, the log, consoles" },
    { SCMP_SYS(read), I | T, "eventfds, chardevs" },
    { SCMP_SYS(rt_sigreturn), V | I | P | T, "end of the kick handler" },
    { SCMP_SYS(clock_gettime), V | I | P | T, "where the vDSO has no clock" },
    { SCMP_SYS(rt_sigprocmask), V | I | P | T, "thread exit, abort()" },
    { SCMP_SYS(madvise), V | I | P | T, "thread exit returns its stack" },
    { SCMP_SYS(exit), V | I | P | T, "thread exit" },
    { SCMP_SYS(exit_group), V | I | P | T, "_exit() on a violation" },
    { SCMP_SYS(brk), I | P | T, "malloc" },
    { SCMP_SYS(mmap), T, "malloc of large pieces" },
    { SCMP_SYS(munmap), T, "free of large pieces" },
    { SCMP_SYS(mprotect), 0, "stacks of new threads" },
#ifdef __NR_epoll_wait
    { SCMP_SYS(epoll_wait), I | T, "the loop" },
#else
    { SCMP_SYS(epoll_pwait), I | T, "the loop" },
#endif
    { SCMP_SYS(epoll_ctl), I | T, "the loop" },
    { SCMP_SYS(readv), I | P, "tap, files without io_uring" },
    { SCMP_SYS(writev), I | P, "tap, files without io_uring" },
    { SCMP_SYS(io_uring_enter), I, "disk I/O" },
    { SCMP_SYS(preadv), P, "disk I/O without io_uring" },
    { SCMP_SYS(pwritev), P, "disk I/O without io_uring" },
    { SCMP_SYS(pread64), P, "disk I/O without io_uring; reset reloads boot" },
    { SCMP_SYS(fsync), P, "flush" },
    { SCMP_SYS(fdatasync), P, "flush" },
    { SCMP_SYS(fallocate), P, "discard, write zeroes" },
    { SCMP_SYS(recvmsg), T, "monitor, descriptors over it" },
    { SCMP_SYS(sendmsg), T, "monitor" },
    { SCMP_SYS(accept4), 0, "a client connects" },
    { SCMP_SYS(close), T, "a client has left" },
    { SCMP_SYS(fcntl), 0, "descriptor flags, image locks on cont" },
    { SCMP_SYS(lseek), 0, "size of a disk" },
#ifdef __NR_unlink
    { SCMP_SYS(unlink), 0, "sockets and pid file at the end" },
#else
    { SCMP_SYS(unlinkat), 0, "sockets and pid file at the end" },
#endif
    { SCMP_SYS(tgkill), T, "vCPU kick, abort()" },
    { SCMP_SYS(getpid), T, "abort(), pthread_kill()" },
    { SCMP_SYS(gettid), T, "thread start" },
    { SCMP_SYS(rt_sigaction), 0, "start of the first thread" },
    { SCMP_SYS(set_robust_list), 0, "thread start" },
    { SCMP_SYS(rseq), 0, "thread start" },
    { SCMP_SYS(prctl), 0, "thread name, no_new_privs" },
    { SCMP_SYS(seccomp), 0, "a new thread's filter" },
};

static const char *const role_names[] = {
    [ROLE_MAIN] = "main", [ROLE_VCPU] = "vcpu", [ROLE_IO] = "io",
    [ROLE_POOL] = "pool", [ROLE_TEST] = "test",
};
_Static_assert(ARRAY_SIZE(role_names) == ROLE_MAX, "a name per role");

/* ioctl() is checked by the type byte of its request. */
typedef struct IoctlRow {
    unsigned type;
    unsigned roles;
    const char *why;
} IoctlRow;

static const IoctlRow ioctl_rows[] = {
    { 0xae, V | T, "KVM" },
    { 0x54, 0, "tap, terminals" },
    { 0x12, P, "block devices" },
};

static struct {
    struct sock_filter *code[ROLE_MAX]; /* NULL: not compiled */
    unsigned short len[ROLE_MAX];
    bool no_new_privs; /* main has it: threads inherit it */
    void (*hook)(int call, const char *role);
} sandbox;

static _Thread_local ThreadRole my_role;

const char *role_name(ThreadRole role)
{
    return role_names[role];
}

static bool row_applies(unsigned roles, ThreadRole role)
{
    return role == ROLE_MAIN || (roles & (1u << role));
}

unsigned sandbox_calls(ThreadRole role)
{
    unsigned n = role == ROLE_MAIN ? 1 : 0; /* clone */

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        n += row_applies(rows[i].roles, role);
    for (size_t i = 0; i < ARRAY_SIZE(ioctl_rows); i++)
        if (row_applies(ioctl_rows[i].roles, role))
            return n + 1; /* ioctl */
    return n;
}

static int add_rows(scmp_filter_ctx ctx, ThreadRole role)
{
    int r = 0;

    for (size_t i = 0; i < ARRAY_SIZE(rows) && r == 0; i++)
        if (row_applies(rows[i].roles, role))
            r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, rows[i].call, 0);
    for (size_t i = 0; i < ARRAY_SIZE(ioctl_rows) && r == 0; i++)
        if (row_applies(ioctl_rows[i].roles, role))
            r = seccomp_rule_add(
                ctx, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
                SCMP_A1(SCMP_CMP_MASKED_EQ, 0xff00, ioctl_rows[i].type << 8));
    if (r == 0 && role == ROLE_MAIN)
        r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                             SCMP_A0(SCMP_CMP_EQ, THREAD_CLONE_FLAGS));
    if (r == 0)
        r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    return r;
}

/* libseccomp 2.5 exports to a descriptor only; a pipe holds any program. */
static int export_bpf(scmp_filter_ctx ctx, ThreadRole role,
                      const int pipe_fd[2])
{
    size_t room = BPF_MAXINSNS * sizeof(struct sock_filter);
    struct sock_filter *code;
    ssize_t n;
    int r;

    r = seccomp_export_bpf(ctx, pipe_fd[1]);
    if (r < 0)
        return r;
    code = malloc(room);
    if (!code)
        return -ENOMEM;
    n = read(pipe_fd[0], code, room);
    if (n <= 0 || n % sizeof(*code)) {
        free(code);
        return -EIO;
    }
    sandbox.len[role] = n / sizeof(*code);
    sandbox.code[role] = realloc(code, n);
    return 0;
}

static int compile_role(ThreadRole role, const int pipe_fd[2])
{
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_TRAP);
    int r;

    if (!ctx)
        return -ENOMEM;
    r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    if (r == 0)
        r = add_rows(ctx, role);
    if (r == 0)
        r = export_bpf(ctx, role, pipe_fd);
    seccomp_release(ctx);
    return r;
}

int sandbox_compile(bool test, Err *e)
{
    int pipe_fd[2];
    int r = 0;

    /* Nothing beyond the first level is used; saves probing the kernel. */
    seccomp_api_set(1);
    if (pipe2(pipe_fd, O_CLOEXEC) < 0)
        return err_sys(e, errno, "cannot compile the seccomp filters");
    for (int role = 0; role < ROLE_MAX && r == 0; role++)
        if (role != ROLE_TEST || test)
            r = compile_role(role, pipe_fd);
    close(pipe_fd[0]);
    close(pipe_fd[1]);
    if (r < 0)
        return err_sys(e, -r, "cannot compile the seccomp filters");
    return 0;
}

int sandbox_enter(ThreadRole role)
{
    struct sock_fprog prog = { .len = sandbox.len[role],
                               .filter = sandbox.code[role] };

    my_role = role;
    if (!prog.filter)
        return 0;
    if (!sandbox.no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -errno;
    if (syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) < 0)
        return -errno;
    if (role == ROLE_MAIN)
        sandbox.no_new_privs = true;
    return 0;
}

/* Async-signal-safe decimal. */
static size_t put_number(char *to, int n)
{
    char digits[12];
    size_t len = 0;

    do {
        digits[len++] = '0' + n % 10;
    } while ((n /= 10) > 0);
    for (size_t i = 0; i < len; i++)
        to[i] = digits[len - 1 - i];
    return len;
}

static void on_sigsys(int sig, siginfo_t *info, void *context)
{
    static const char head[] = "stratovmm: seccomp: system call ";
    static const char mid[] = " is not allowed in a thread of role ";
    const char *role = role_names[my_role];
    char line[160];
    size_t n = 0;

    memcpy(line, head, sizeof(head) - 1);
    n = sizeof(head) - 1;
    n += put_number(line + n, info->si_syscall);
    memcpy(line + n, mid, sizeof(mid) - 1);
    n += sizeof(mid) - 1;
    memcpy(line + n, role, strlen(role));
    n += strlen(role);
    line[n++] = '\n';
    if (write(log_fd(), line, n) < 0) {
        /* nowhere left to say it */
    }
    if (sandbox.hook)
        sandbox.hook(info->si_syscall, role);
    _exit(SANDBOX_EXIT_STATUS);
}

void sandbox_on_trap(void (*hook)(int call, const char *role))
{
    struct sigaction sa;

    sandbox.hook = hook;
    memset(&sa, 0, sizeof(sa));
    sa.sa_sigaction = on_sigsys;
    sa.sa_flags = SA_SIGINFO;
    sigfillset(&sa.sa_mask);
    sigaction(SIGSYS, &sa, NULL);
}
