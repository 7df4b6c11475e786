/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hv/test/server.c - test accelerator: the thread that serves -mod-test. */
#include <config.h>

#include "hv/test/test_priv.h"
#include "util/log.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>

/*
 * How this works
 *
 * A request is a line; a harness that never sends a newline sends one request
 * with each write, and what one read returns is taken for one request.
 * Sockets are made when the machine is opened, before the sandbox closes.
 */
/* Serves the whole lines among @len bytes. Return: bytes that remain */
static size_t serve_lines(TestVm *vm, size_t len)
{
    char *buf = (char *)vm->request;
    char *line = buf, *end;

    while ((end = memchr(line, '\n', len - (size_t)(line - buf)))) {
        *end = 0;
        test_serve_line(vm, line);
        line = end + 1;
    }
    len -= (size_t)(line - buf);
    memmove(buf, line, len);
    return len;
}

/* Return: bytes read, 0 when it is over */
static size_t wait_and_read(TestVm *vm, void *buf, size_t room)
{
    for (;;) {
        struct epoll_event ev;
        ssize_t n = epoll_wait(vm->epoll, &ev, 1, -1);

        if (n == 1 && ev.data.fd == vm->stop_fd)
            return 0;
        if (n == 1)
            n = read(vm->sock, buf, room);
        if (n < 0 && errno == EINTR)
            continue;
        return n < 0 ? 0 : (size_t)n;
    }
}

static void serve(TestVm *vm)
{
    size_t len = 0;
    bool lines = false;

    for (;;) {
        size_t n = wait_and_read(vm, vm->request + len, TEST_REQUEST_MAX - len);

        if (n == 0)
            return;
        lines |= memchr(vm->request + len, '\n', n) != NULL;
        len += n;
        vm->request[len] = 0;
        if (lines) {
            len = serve_lines(vm, len);
        } else {
            test_serve_line(vm, (char *)vm->request);
            len = 0;
        }
        if (len == TEST_REQUEST_MAX) {
            test_reply(vm, "ERR a request has at most %u bytes",
                       TEST_REQUEST_MAX);
            len = 0;
        }
    }
}

static void *server_main(void *arg_vm)
{
    TestVm *vm = arg_vm;
    bool stopping;

    serve(vm);
    pthread_mutex_lock(&vm->lock);
    stopping = vm->stopping;
    pthread_mutex_unlock(&vm->lock);
    if (!stopping && vm->hv.loop)
        loop_post(vm->hv.loop, &vm->gone);
    atomic_store(&vm->served, true);
    return NULL;
}

/* A harness that went away leaves no VMM behind. */
static void harness_gone(void *opaque)
{
    log_warn("the test harness has closed its socket");
    raise(SIGTERM);
}

static int watch(TestVm *vm, Err *e)
{
    struct epoll_event sock = { .events = EPOLLIN, .data.fd = vm->sock };
    struct epoll_event stop = { .events = EPOLLIN };

    vm->stop_fd = stop.data.fd = eventfd(0, EFD_CLOEXEC);
    vm->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (vm->stop_fd < 0 || vm->epoll < 0 ||
        epoll_ctl(vm->epoll, EPOLL_CTL_ADD, vm->sock, &sock) < 0 ||
        epoll_ctl(vm->epoll, EPOLL_CTL_ADD, vm->stop_fd, &stop) < 0)
        return err_sys(e, errno, "-mod-test: cannot watch the socket");
    return 0;
}

int test_server_connect(TestVm *vm, const char *path, Err *e)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };

    if (strlen(path) >= sizeof(addr.sun_path))
        return err_set(e, EINVAL, "-mod-test: the path '%.60s...' is too long",
                       path);
    strcpy(addr.sun_path, path);
    vm->sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (vm->sock < 0 ||
        connect(vm->sock, (struct sockaddr *)&addr, sizeof(addr)) < 0)
        return err_sys(e, errno, "-mod-test: cannot connect to '%s'", path);
    return watch(vm, e);
}

int test_server_start(TestVm *vm, Err *e)
{
    int r;

    if (vm->sock < 0)
        return 0; /* nobody drives this machine */
    vm->request = malloc(TEST_REQUEST_MAX + 1);
    if (!vm->request)
        return err_sys(e, ENOMEM, "cannot serve the test socket");
    work_init(&vm->gone, harness_gone, vm);
    qs_register(&vm->qs);
    r = thread_start(&vm->server, ROLE_TEST, "test", server_main, vm, e);
    if (r < 0)
        qs_unregister(&vm->qs);
    return r;
}

void test_server_stop(TestVm *vm)
{
    const uint64_t one = 1;

    if (vm->server.started) {
        pthread_mutex_lock(&vm->lock);
        vm->stopping = true;
        pthread_cond_broadcast(&vm->done);
        pthread_mutex_unlock(&vm->lock);
        if (write(vm->stop_fd, &one, sizeof(one)) < 0)
            log_error("cannot stop the test server");
        /* It may be waiting for the main loop, which is us. */
        while (vm->hv.loop && !atomic_load(&vm->served))
            loop_turn(vm->hv.loop, 10);
        thread_join(&vm->server);
        qs_unregister(&vm->qs);
        if (vm->hv.loop)
            loop_unpost(vm->hv.loop, &vm->gone);
    }
    free(vm->request);
    vm->request = NULL;
    fd_close(&vm->epoll);
    fd_close(&vm->stop_fd);
    fd_close(&vm->sock);
}
