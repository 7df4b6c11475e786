/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* device/vm.c - start the VMM, speak its test and monitor protocols. */
#include <config.h>

#include "device/vm.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define MAX_ARGS  64
#define LINE_MAX_ 8192 /* longest request the protocol allows */
#define CHUNK     2048 /* bytes of one read or write request */
#define QMP_MAX   (1 << 20)

/* The one that runs; a failed test leaves it behind. */
static pid_t running;

/* --- time ---------------------------------------------------------------- */

static int64_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

VmDeadline vm_deadline(void)
{
    return (VmDeadline){ now_ms() + VM_DEADLINE_S * 1000 };
}

static int left_ms(const VmDeadline *deadline)
{
    int64_t left = deadline->end_ms - now_ms();

    return left > 0 ? left : 0;
}

static void give_up(Vm *vm, const char *what)
{
    if (vm->pid > 0)
        kill(vm->pid, SIGKILL);
    fail_msg("the VMM did not within %d s: %s", VM_DEADLINE_S, what);
}

void vm_retry(Vm *vm, const VmDeadline *deadline, const char *what)
{
    const struct timespec moment = { .tv_nsec = 300000 };

    if (!left_ms(deadline))
        give_up(vm, what);
    nanosleep(&moment, NULL);
}

static void wait_readable(Vm *vm, int fd, const VmDeadline *deadline,
                          const char *what)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    int r;

    do
        r = poll(&p, 1, left_ms(deadline));
    while (r < 0 && errno == EINTR);
    if (r <= 0)
        give_up(vm, what);
}

/* --- start and end ------------------------------------------------------- */

const char *vm_path(const Vm *vm, const char *name)
{
    static char path[96];

    snprintf(path, sizeof(path), "%s/%s", vm->dir, name);
    return path;
}

static const char *binary(void)
{
    static char path[4096];
    const char *given = getenv("STRATOVIRT_BINARY");
    const char *top = getenv("top_builddir");

    if (given)
        return given;
    snprintf(path, sizeof(path), "%s/vmm/stratovmm", top ? top : "..");
    return path;
}

static int listen_at(const char *path)
{
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
    assert_int_equal(listen(fd, 1), 0);
    return fd;
}

static int connect_at(const char *path)
{
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
    assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
    return fd;
}

/* @arg with "%D" replaced by @dir; never freed (the child execs). */
static char *expand(const char *arg, const char *dir)
{
    const char *at = strstr(arg, "%D");
    char *text = NULL;

    if (!at)
        return (char *)arg;
    if (asprintf(&text, "%.*s%s%s", (int)(at - arg), arg, dir, at + 2) < 0)
        _exit(125);
    return text;
}

static bool has_arg(const char *const *args, const char *wanted)
{
    for (; *args; args++)
        if (!strcmp(*args, wanted))
            return true;
    return false;
}

/* Sanitized builds: guest memory is shared without locks by design. */
static void set_tsan_options(void)
{
    const char *src = getenv("top_srcdir");
    char text[4200];

    snprintf(text, sizeof(text),
             "history_size=7 suppressions=%s/tests/device/tsan.supp",
             src ? src : "../..");
    setenv("TSAN_OPTIONS", text, 0);
}

static void run_child(const char *dir, const char *const *args, int err_fd)
{
    char *argv[MAX_ARGS] = { (char *)binary(), "-accel", "test", "-machine",
                             "microvm" };
    char test[64], qmp[96];
    int n = 5, null;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    set_tsan_options();
    null = open("/dev/null", O_RDWR);
    dup2(null, STDIN_FILENO);
    if (err_fd >= 0)
        dup2(err_fd, STDERR_FILENO);
    snprintf(test, sizeof(test), "%s/test.sock", dir);
    snprintf(qmp, sizeof(qmp), "unix:%s/qmp.sock,server,nowait", dir);
    if (!has_arg(args, "-m")) {
        argv[n++] = "-m";
        argv[n++] = "256";
    }
    argv[n++] = "-mod-test";
    argv[n++] = test;
    argv[n++] = "-qmp";
    argv[n++] = qmp;
    if (getenv("VM_NO_SECCOMP")) /* for sanitizers */
        argv[n++] = "-disable-seccomp";
    for (; *args && n < MAX_ARGS - 1; args++)
        argv[n++] = expand(*args, dir);
    argv[n] = NULL;
    execv(argv[0], argv);
    _exit(126);
}

static void read_greeting(Vm *vm);

Vm *vm_start(const char *const *args)
{
    Vm *vm = calloc(1, sizeof(*vm));
    VmDeadline deadline = vm_deadline();
    int fd;

    alarm(120); /* whatever happens, the program ends */
    if (running) {
        kill(running, SIGKILL);
        waitpid(running, NULL, 0);
    }
    strcpy(vm->dir, "/tmp/vm-XXXXXX");
    assert_non_null(mkdtemp(vm->dir));
    vm->ram_next = VM_RAM_BASE;
    vm->events = json_array();
    vm->qmp_in = malloc(QMP_MAX);
    fd = listen_at(vm_path(vm, "test.sock"));
    vm->pid = fork();
    if (vm->pid == 0)
        run_child(vm->dir, args, -1);
    assert_true(vm->pid > 0);
    running = vm->pid;
    for (;;) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        int status;

        if (poll(&p, 1, 50) > 0)
            break;
        if (waitpid(vm->pid, &status, WNOHANG) == vm->pid)
            fail_msg("the VMM did not start: wait status 0x%x", status);
        if (!left_ms(&deadline))
            give_up(vm, "connect to the test socket");
    }
    vm->test_fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    close(fd);
    vm->qmp_fd = connect_at(vm_path(vm, "qmp.sock"));
    read_greeting(vm);
    return vm;
}

static void remove_dir(const char *dir)
{
    char cmd[64];

    snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
    if (system(cmd) != 0)
        fail_msg("cannot remove %s", dir);
}

static void vm_free(Vm *vm)
{
    close(vm->test_fd);
    close(vm->qmp_fd);
    json_decref(vm->events);
    remove_dir(vm->dir);
    free(vm->qmp_in);
    free(vm);
}

static int wait_end(Vm *vm)
{
    VmDeadline deadline = vm_deadline();
    int status;

    while (waitpid(vm->pid, &status, WNOHANG) != vm->pid)
        vm_retry(vm, &deadline, "end");
    running = 0;
    return status;
}

int vm_wait(Vm *vm)
{
    int status = wait_end(vm);

    vm_free(vm);
    return status;
}

void vm_quit(Vm *vm)
{
    vm_qmp_do(vm, "quit", NULL);
    assert_int_equal(vm_wait(vm), 0);
}

void vm_signal(Vm *vm, int signal)
{
    kill(vm->pid, signal);
}

int vm_fail(const char *const *args, char *ret_text, size_t len)
{
    Vm vm = { .dir = "/tmp/vm-XXXXXX" };
    VmDeadline deadline = vm_deadline();
    size_t got = 0;
    int pipe_fd[2], listen_fd, status;
    ssize_t n;

    alarm(120);
    assert_non_null(mkdtemp(vm.dir));
    assert_int_equal(pipe2(pipe_fd, O_CLOEXEC), 0);
    listen_fd = listen_at(vm_path(&vm, "test.sock"));
    vm.pid = fork();
    if (vm.pid == 0)
        run_child(vm.dir, args, pipe_fd[1]);
    close(pipe_fd[1]);
    do {
        wait_readable(&vm, pipe_fd[0], &deadline, "fail");
        n = read(pipe_fd[0], ret_text + got, len - 1 - got);
        got += n > 0 ? n : 0;
    } while (n > 0 && got < len - 1);
    ret_text[got] = '\0';
    close(pipe_fd[0]);
    status = wait_end(&vm);
    close(listen_fd);
    remove_dir(vm.dir);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* --- the test protocol --------------------------------------------------- */

static void send_all(Vm *vm, int fd, const char *buf, size_t len)
{
    while (len) {
        ssize_t n = send(fd, buf, len, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            fail_msg("the VMM closed its socket");
        buf += n;
        len -= n;
    }
}

/* The next line of the socket; false when it was closed instead. */
static bool read_reply(Vm *vm, char *line, size_t room)
{
    VmDeadline deadline = vm_deadline();
    size_t got = 0;

    do {
        ssize_t n;

        wait_readable(vm, vm->test_fd, &deadline, "answer a test request");
        n = recv(vm->test_fd, line + got, room - 1 - got, 0);
        if (n <= 0)
            return false;
        got += n;
    } while (line[got - 1] != '\n' && got < room - 1);
    line[got] = '\0';
    line[strcspn(line, "\r\n")] = '\0';
    return true;
}

/* One request, one reply: what follows "OK". Static storage. */
__attribute__((format(printf, 2, 3))) static const char *
request(Vm *vm, const char *fmt, ...)
{
    static char line[2 * CHUNK + 256];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(line, sizeof(line) - 1, fmt, ap);
    va_end(ap);
    strcat(line, "\n");
    send_all(vm, vm->test_fd, line, strlen(line));
    if (!read_reply(vm, line, sizeof(line)))
        fail_msg("the VMM closed its test socket");
    if (strncmp(line, "OK", 2) != 0)
        fail_msg("the VMM answered '%s'", line);
    return line[2] == ' ' ? line + 3 : line + 2;
}

static uint8_t hex_digit(char c)
{
    return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

void vm_read(Vm *vm, uint64_t gpa, void *buf, size_t len)
{
    uint8_t *to = buf;

    while (len) {
        size_t n = len < CHUNK ? len : CHUNK;
        const char *hex = request(vm, "read 0x%" PRIx64 " 0x%zx", gpa, n) + 2;

        assert_int_equal(strlen(hex), 2 * n);
        for (size_t i = 0; i < n; i++)
            to[i] = hex_digit(hex[2 * i]) << 4 | hex_digit(hex[2 * i + 1]);
        gpa += n;
        to += n;
        len -= n;
    }
}

void vm_write(Vm *vm, uint64_t gpa, const void *buf, size_t len)
{
    static char hex[2 * CHUNK + 1];
    const uint8_t *from = buf;

    while (len) {
        size_t n = len < CHUNK ? len : CHUNK;

        for (size_t i = 0; i < n; i++)
            sprintf(hex + 2 * i, "%02x", from[i]);
        request(vm, "write 0x%" PRIx64 " 0x%zx 0x%s", gpa, n, hex);
        gpa += n;
        from += n;
        len -= n;
    }
}

void vm_set(Vm *vm, uint64_t gpa, uint8_t byte, size_t len)
{
    request(vm, "memset 0x%" PRIx64 " 0x%zx 0x%02x", gpa, len, byte);
}

static char suffix(unsigned size)
{
    return size == 1 ? 'b' : size == 2 ? 'w' : size == 4 ? 'l' : 'q';
}

/* The 8 bytes of a reply show the value big-endian. */
uint64_t vm_load(Vm *vm, uint64_t addr, unsigned size)
{
    const char *hex = request(vm, "read%c 0x%" PRIx64, suffix(size), addr);

    return strtoull(hex, NULL, 16);
}

void vm_store(Vm *vm, uint64_t addr, uint64_t val, unsigned size)
{
    val &= UINT64_MAX >> (64 - 8 * size);
    request(vm, "write%c 0x%" PRIx64 " 0x%" PRIx64, suffix(size), addr, val);
}

uint64_t vm_in(Vm *vm, uint16_t port, unsigned size)
{
    return strtoull(request(vm, "in%c 0x%x", suffix(size), port), NULL, 16);
}

void vm_out(Vm *vm, uint16_t port, uint32_t val, unsigned size)
{
    val &= UINT32_MAX >> (32 - 8 * size);
    request(vm, "out%c 0x%x 0x%x", suffix(size), port, val);
}

void vm_store_last(Vm *vm, uint64_t addr, uint64_t val, unsigned size)
{
    char line[256];

    snprintf(line, sizeof(line), "write%c 0x%" PRIx64 " 0x%" PRIx64 "\n",
             suffix(size), addr, val);
    send_all(vm, vm->test_fd, line, strlen(line));
}

void vm_out_last(Vm *vm, uint16_t port, uint8_t val)
{
    char line[256];

    snprintf(line, sizeof(line), "outb 0x%x 0x%x\n", port, val);
    send_all(vm, vm->test_fd, line, strlen(line));
    read_reply(vm, line, sizeof(line));
}

unsigned vm_edges(Vm *vm, unsigned gsi)
{
    return strtoul(request(vm, "query_edge %u", gsi), NULL, 10);
}

uint64_t vm_clock_step(Vm *vm, uint64_t ns)
{
    if (!ns)
        return strtoull(request(vm, "clock_step"), NULL, 10);
    return strtoull(request(vm, "clock_step %" PRIu64, ns), NULL, 10);
}

uint64_t vm_alloc(Vm *vm, size_t len, size_t align)
{
    uint64_t gpa = (vm->ram_next + align - 1) & ~(uint64_t)(align - 1);

    vm->ram_next = gpa + len;
    assert_true(vm->ram_next <= VM_RAM_BYTES);
    vm_set(vm, gpa, 0, len);
    return gpa;
}

/* --- monitor ------------------------------------------------------------- */

/* The next document; NULL when none is complete and @deadline is NULL. */
static json_t *qmp_next(Vm *vm, const VmDeadline *deadline)
{
    for (;;) {
        char *end = memchr(vm->qmp_in, '\n', vm->qmp_len);
        struct pollfd p = { .fd = vm->qmp_fd, .events = POLLIN };
        json_t *doc;
        ssize_t n;

        if (end) {
            size_t len = end + 1 - vm->qmp_in;

            doc = json_loadb(vm->qmp_in, len, 0, NULL);
            if (!doc)
                fail_msg("not JSON: %.*s", (int)len, vm->qmp_in);
            vm->qmp_len -= len;
            memmove(vm->qmp_in, end + 1, vm->qmp_len);
            return doc;
        }
        if (!deadline && poll(&p, 1, 0) <= 0)
            return NULL;
        if (deadline)
            wait_readable(vm, vm->qmp_fd, deadline, "speak on its monitor");
        n = recv(vm->qmp_fd, vm->qmp_in + vm->qmp_len, QMP_MAX - vm->qmp_len,
                 0);
        if (n <= 0) {
            if (!deadline)
                return NULL;
            fail_msg("the VMM closed its monitor");
        }
        vm->qmp_len += n;
    }
}

static void read_greeting(Vm *vm)
{
    VmDeadline deadline = vm_deadline();
    json_t *doc = qmp_next(vm, &deadline);

    assert_non_null(json_object_get(doc, "QMP"));
    json_decref(doc);
    vm_qmp_do(vm, "qmp_capabilities", NULL);
}

/* The id tells the reply from those that nobody waited for. */
static int qmp_send(Vm *vm, const char *command, const char *args)
{
    static int id;
    char *text = NULL;

    assert_true(asprintf(&text, "{\"execute\":\"%s\",\"id\":%d%s%s}\n", command,
                         ++id, args ? ",\"arguments\":" : "",
                         args ? args : "") > 0);
    send_all(vm, vm->qmp_fd, text, strlen(text));
    free(text);
    return id;
}

void vm_qmp_send(Vm *vm, const char *command)
{
    qmp_send(vm, command, NULL);
}

json_t *vm_qmp(Vm *vm, const char *command, const char *args)
{
    VmDeadline deadline = vm_deadline();
    int id = qmp_send(vm, command, args);
    json_t *doc, *result;

    while ((doc = qmp_next(vm, &deadline)) &&
           json_integer_value(json_object_get(doc, "id")) != id)
        json_array_append_new(vm->events, doc);
    result = json_incref(json_object_get(doc, "return"));
    if (!result)
        fail_msg("%s: %s", command, json_dumps(doc, 0));
    json_decref(doc);
    return result;
}

void vm_qmp_do(Vm *vm, const char *command, const char *args)
{
    json_decref(vm_qmp(vm, command, args));
}

static bool take_event(Vm *vm, const char *name, json_t **ret_data)
{
    for (size_t i = 0; i < json_array_size(vm->events); i++) {
        json_t *ev = json_array_get(vm->events, i);
        const char *is = json_string_value(json_object_get(ev, "event"));

        if (!is || strcmp(is, name) != 0)
            continue;
        *ret_data = json_incref(json_object_get(ev, "data"));
        json_array_remove(vm->events, i);
        return true;
    }
    return false;
}

json_t *vm_event(Vm *vm, const char *name)
{
    VmDeadline deadline = vm_deadline();
    json_t *data;

    while (!take_event(vm, name, &data))
        json_array_append_new(vm->events, qmp_next(vm, &deadline));
    return data;
}

bool vm_had_event(Vm *vm, const char *name)
{
    json_t *doc, *data;

    while ((doc = qmp_next(vm, NULL)))
        json_array_append_new(vm->events, doc);
    if (!take_event(vm, name, &data))
        return false;
    json_decref(data);
    return true;
}
