/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Device tests: virtio console on a socket. */
#include <config.h>

#include "device/virtio.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define TYPE 3

enum {
    RX,
    TX,
    QUEUES
};

static const char *const args[] = {
    "-chardev", "socket,id=c,path=%D/con,server,nowait",
    "-device",  "virtio-serial-device,id=s",
    "-device",  "virtconsole,id=con0,chardev=c",
    NULL,
};

static int connect_console(Vm *vm)
{
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval tv = { VM_DEADLINE_S, 0 };

    strcpy(sa.sun_path, vm_path(vm, "con"));
    assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
    return fd;
}

static void send_text(Dev *d, const char *text)
{
    Vm *vm = d->vm;
    size_t len = strlen(text);
    uint64_t gpa = vm_alloc(vm, len, 16);
    Buf bufs[] = { { gpa, len / 2, false },
                   { gpa + len / 2, len - len / 2, false } };

    vm_write(vm, gpa, text, len);
    assert_int_equal(q_do(&d->q[TX], bufs, 2), 0);
}

/* Until the socket shows @text; what was sent before somebody had accepted the
 * connection may be missing. */
static void expect_text(Dev *d, int fd, const char *text)
{
    char buf[256];
    size_t got = 0;

    while (got < strlen(text)) {
        ssize_t n = recv(fd, buf + got, sizeof(buf) - got, 0);

        assert_true(n > 0);
        got += n;
    }
    assert_memory_equal(buf, text, got);
}

/* Output is dropped until the VMM has taken the connection: input that came
 * back shows that it has. */
static void wait_accepted(Dev *d, int fd)
{
    uint64_t gpa = vm_alloc(d->vm, 8, 8);
    Buf b = { gpa, 8, true };
    uint32_t len;

    q_add(&d->q[RX], &b, 1, false);
    q_kick(&d->q[RX]);
    assert_int_equal(write(fd, "x", 1), 1);
    q_wait(&d->q[RX], &len);
    assert_int_equal(len, 1);
}

static void registers(void **state)
{
    Vm *vm = vm_start(args);
    Dev d = dev_find(vm, TYPE, 0);

    dev_check_registers(&d, TYPE, QUEUES, 12);
    assert_int_equal(dev_offered(&d) & F(1), 0); /* MULTIPORT */
    assert_int_equal(dev_get(&d, MMIO_CONFIG + 4), 1);
    vm_quit(vm);
}

static void talks(void **state)
{
    Vm *vm = vm_start(args);
    Dev d = dev_find(vm, TYPE, 0);
    const uint64_t sets[] = { NO_FEATURES, ALL_FEATURES };

    for (int i = 0; i < 2; i++) {
        int fd = connect_console(vm);

        dev_start(&d, sets[i], QUEUES);
        wait_accepted(&d, fd);
        send_text(&d, "hello, host");
        expect_text(&d, fd, "hello, host");
        close(fd); /* detach, then attach again */
    }
    vm_quit(vm);
}

static void input_is_not_lost(void **state)
{
    Vm *vm = vm_start(args);
    Dev d = dev_find(vm, TYPE, 0);
    int fd = connect_console(vm);
    char text[3000], got[3000];
    size_t len = 0;

    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = 'A' + i % 53;
    /* before there is a driver */
    assert_int_equal(write(fd, text, 1500), 1500);
    dev_start(&d, ALL_FEATURES, QUEUES);
    while (len < sizeof(text)) {
        uint64_t gpa = vm_alloc(vm, 200, 8);
        Buf bufs[] = { { gpa, 7, true }, { gpa + 7, 193, true } };
        uint32_t n;

        q_add(&d.q[RX], bufs, 2, len % 2);
        q_kick(&d.q[RX]);
        if (len == 0)
            assert_int_equal(write(fd, text + 1500, 1500), 1500);
        q_wait(&d.q[RX], &n);
        assert_true(n > 0 && n <= 200 && len + n <= sizeof(got));
        vm_read(vm, gpa, got + len, n);
        len += n;
    }
    assert_memory_equal(got, text, sizeof(text));
    close(fd);
    vm_quit(vm);
}

static void output_never_waits(void **state)
{
    Vm *vm = vm_start(args);
    Dev d = dev_find(vm, TYPE, 0);
    Buf b = { VM_RAM_BASE, 1 << 20, false };
    int fd = -1;

    dev_start(&d, ALL_FEATURES, QUEUES);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(q_do(&d.q[TX], &b, 1), 0); /* nobody is there */
        if (i == 10)
            fd = connect_console(vm); /* and now somebody who sleeps */
    }
    close(fd);
    vm_quit(vm);
}

static void emergency_write(void **state)
{
    Vm *vm = vm_start(args);
    Dev d = dev_find(vm, TYPE, 0);
    int fd = connect_console(vm);

    dev_start(&d, ALL_FEATURES, QUEUES);
    wait_accepted(&d, fd);
    vm_writel(vm, d.base + MMIO_CONFIG + 8, '!');
    expect_text(&d, fd, "!");
    close(fd);
    vm_quit(vm);
}

static void survives_hostile_rings(void **state)
{
    Vm *vm = vm_start(args);
    Dev d = dev_find(vm, TYPE, 0);
    int fd = connect_console(vm);

    dev_torture(&d, QUEUES, TX);
    /* the receive queue is looked at when there is input */
    for (int i = 0; i < 2; i++) {
        assert_int_equal(write(fd, "z", 1), 1);
        dev_start(&d, ALL_FEATURES, QUEUES);
        q_avail(&d.q[RX], 0xffff);
        q_kick(&d.q[RX]);
        dev_expect_broken(&d);
    }
    dev_start(&d, ALL_FEATURES, QUEUES);
    send_text(&d, "fine");
    close(fd);
    vm_quit(vm);
}

static void refused(void **state)
{
    static const struct {
        const char *a, *b, *says;
    } wrong[] = {
        { "virtconsole,id=x,chardev=c", "virtio-serial-device,id=s",
          "virtio-serial" },
        { "virtio-serial-device,id=s", "virtserialport,id=x,chardev=c",
          "virtserialport" },
        { "virtio-serial-device,id=s", "virtconsole,id=x,chardev=c,nr=1",
          "port 0" },
        { "virtio-serial-device,id=s", "virtconsole,id=x,chardev=no", "no" },
        { "virtio-serial-device,id=s", "virtio-serial-device,id=t",
          "virtio-serial" },
        { "virtio-serial-device,id=s", "virtconsole,id=s,chardev=c", "'s'" },
    };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        const char *argv[] = { args[0],   args[1],    "-device", wrong[i].a,
                               "-device", wrong[i].b, NULL };
        char text[2048];

        assert_int_not_equal(vm_fail(argv, text, sizeof(text)), 0);
        if (!strstr(text, wrong[i].says))
            fail_msg("%s: %s", wrong[i].b, text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(registers),
        cmocka_unit_test(talks),
        cmocka_unit_test(input_is_not_lost),
        cmocka_unit_test(output_never_waits),
        cmocka_unit_test(emergency_write),
        cmocka_unit_test(survives_hostile_rings),
        cmocka_unit_test(refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
