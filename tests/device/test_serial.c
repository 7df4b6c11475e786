/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Device tests: the 16550 at COM1, driven as Linux's 8250 driver does. */
#include <config.h>

#include "device/vm.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define COM1 0x3f8

enum {
    DATA,
    IER,
    IIR,
    LCR,
    MCR,
    LSR,
    MSR,
    SCR
};

static const char *const args[] = {
    "-serial",
    "socket,path=%D/com1,server,nowait",
    NULL,
};

static uint8_t in(Vm *vm, unsigned reg)
{
    return vm_in(vm, COM1 + reg, 1);
}

static void out(Vm *vm, unsigned reg, uint8_t val)
{
    vm_out(vm, COM1 + reg, val, 1);
}

static int connect_serial(Vm *vm)
{
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval tv = { VM_DEADLINE_S, 0 };

    strcpy(sa.sun_path, vm_path(vm, "com1"));
    assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
    return fd;
}

static uint8_t wait_byte(Vm *vm)
{
    VmDeadline deadline = vm_deadline();

    while (!(in(vm, LSR) & 1))
        vm_retry(vm, &deadline, "deliver serial input");
    return in(vm, DATA);
}

static void registers(void **state)
{
    Vm *vm = vm_start(args);

    assert_int_equal(in(vm, LSR), 0x60);
    assert_int_equal(in(vm, MSR), 0xb0);
    assert_int_equal(in(vm, IIR), 0x01);
    out(vm, IIR, 1);
    assert_int_equal(in(vm, IIR), 0xc1);
    out(vm, MCR, 0x1a);
    assert_int_equal(in(vm, MSR) & 0xf0, 0x90);
    out(vm, MCR, 0x0b);
    for (unsigned reg = 0; reg < 8; reg++) { /* byte-wide only */
        assert_int_equal(vm_in(vm, COM1 + reg, 2), 0xffff);
        assert_int_equal(vm_in(vm, COM1 + reg, 4), 0xffffffff);
        vm_out(vm, COM1 + reg, 0x12345678, 4);
    }
    for (int val = 0; val < 256; val++)
        for (unsigned reg = 0; reg < 8; reg++)
            out(vm, reg, val);
    vm_quit(vm);
}

static void both_ways(void **state)
{
    Vm *vm = vm_start(args);
    int fd = connect_serial(vm);
    char buf[64];
    size_t got = 0;

    assert_int_equal(write(fd, "in\r", 3), 3);
    assert_int_equal(wait_byte(vm), 'i');
    assert_int_equal(wait_byte(vm), 'n');
    assert_int_equal(wait_byte(vm), '\r');
    for (const char *c = "out\n"; *c; c++)
        out(vm, DATA, *c);
    in(vm, LSR); /* as every driver does; coalesced writes end here */
    while (got < 4) {
        ssize_t n = recv(fd, buf + got, sizeof(buf) - got, 0);

        assert_true(n > 0);
        got += n;
    }
    assert_memory_equal(buf, "out\n", 4);
    close(fd);
    vm_quit(vm);
}

static void input_is_not_lost(void **state)
{
    Vm *vm = vm_start(args);
    int fd = connect_serial(vm);
    uint8_t text[2000];

    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = i * 7;
    out(vm, IIR, 1);
    assert_int_equal(write(fd, text, sizeof(text)), sizeof(text));
    for (size_t i = 0; i < sizeof(text); i++)
        assert_int_equal(wait_byte(vm), text[i]);
    close(fd);
    vm_quit(vm);
}

static void nobody_reads(void **state)
{
    Vm *vm = vm_start(args);
    int fd = connect_serial(vm);

    for (int i = 0; i < 20000; i++)
        out(vm, DATA, 'x');
    assert_int_equal(in(vm, LSR), 0x60);
    close(fd);
    vm_quit(vm);
}

static void reset_clears_registers(void **state)
{
    Vm *vm = vm_start(args);

    out(vm, IER, 0x0f);
    out(vm, LCR, 0x1b);
    out(vm, SCR, 0x55);
    vm_qmp_do(vm, "system_reset", NULL);
    json_decref(vm_event(vm, "RESET"));
    assert_int_equal(in(vm, IER), 0);
    assert_int_equal(in(vm, LCR), 0);
    assert_int_equal(in(vm, SCR), 0);
    vm_quit(vm);
}

static void pty_is_told_by_the_monitor(void **state)
{
    static const char *const pty[] = { "-serial", "pty", NULL };
    Vm *vm = vm_start(pty);
    json_t *list = vm_qmp(vm, "query-chardev", NULL);
    const char *path =
        json_string_value(json_object_get(json_array_get(list, 0), "filename"));
    int fd;

    assert_non_null(path);
    fd = open(path, O_RDWR | O_NOCTTY);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "p", 1), 1);
    assert_int_equal(wait_byte(vm), 'p');
    close(fd);
    json_decref(list);
    vm_quit(vm);
}

static void no_serial_no_port(void **state)
{
    static const char *const none[] = { NULL };
    Vm *vm = vm_start(none);

    assert_int_equal(in(vm, LSR), 0xff);
    out(vm, DATA, 'x');
    vm_quit(vm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(registers),
        cmocka_unit_test(both_ways),
        cmocka_unit_test(input_is_not_lost),
        cmocka_unit_test(nobody_reads),
        cmocka_unit_test(reset_clears_registers),
        cmocka_unit_test(pty_is_told_by_the_monitor),
        cmocka_unit_test(no_serial_no_port),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
