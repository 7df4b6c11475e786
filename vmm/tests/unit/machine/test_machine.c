/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Unit tests of machine/ under KVM: run, pause, resume, reset, power off.
 *
 * The guest is a few bytes of 32-bit code entered by PVH.  It says 'A' on COM1
 * and then echoes what it reads there, but for 'q' (sleep register), 'r' (reset
 * register), 'k' (keyboard controller reset) and 't' (triple fault).  All of it
 * runs under an emulating /dev/kvm, too; without one the tests are skipped.
 */
#include <config.h>

#include "machine/machine_priv.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#ifdef __x86_64__

#define LOAD_GPA    0x100000
#define DEADLINE_MS 20000

extern const char payload[], payload_end[];
__asm__(".pushsection .rodata\n"
        ".code32\n"
        ".globl payload, payload_end\n"
        "payload:\n"
        "    movw $0x3f8, %dx\n"
        "    movb $'A', %al\n"
        "    outb %al, %dx\n"
        "1:  movw $0x3fd, %dx\n"
        "    inb %dx, %al\n"
        "    testb $1, %al\n"
        "    jz 1b\n"
        "    movw $0x3f8, %dx\n"
        "    inb %dx, %al\n"
        "    cmpb $'q', %al\n"
        "    je 2f\n"
        "    cmpb $'r', %al\n"
        "    je 3f\n"
        "    cmpb $'k', %al\n"
        "    je 4f\n"
        "    cmpb $'t', %al\n"
        "    je 5f\n"
        "    outb %al, %dx\n"
        "    jmp 1b\n"
        "2:  movw $0xce9, %dx\n"
        "    movb $0x34, %al\n"
        "    outb %al, %dx\n"
        "    jmp 1b\n"
        "3:  movw $0xcf9, %dx\n"
        "    movb $0x0f, %al\n"
        "    outb %al, %dx\n"
        "    jmp 1b\n"
        "4:  movb $0xfe, %al\n"
        "    outb %al, $0x64\n"
        "    jmp 1b\n"
        "5:  ud2\n"
        "payload_end:\n"
        ".code64\n"
        ".popsection\n");

typedef struct Fixture {
    Loop *loop;
    Machine *m;
    MachineConf conf;
    Chardev *chardevs[1];
    int kernel_fd;
    int console; /* our end of COM1 */

    char events[512]; /* names, separated by blanks */
    bool ended;
    ExitCause cause;
    bool guest;
    int done; /* completions seen */
    int done_r;
    char done_msg[128];
} Fixture;

static void on_event(void *opaque, const char *name, json_t *data)
{
    Fixture *f = opaque;

    strncat(f->events, name, sizeof(f->events) - strlen(f->events) - 1);
    strncat(f->events, " ", sizeof(f->events) - strlen(f->events) - 1);
}

static void on_exit_asked(void *opaque, ExitCause cause, bool guest,
                          const char *detail, int status)
{
    Fixture *f = opaque;

    f->ended = true;
    f->cause = cause;
    f->guest = guest;
}

/* An ELF with one segment and the note that names its 32-bit entry. */
static int make_kernel(void)
{
    struct {
        Elf64_Ehdr eh;
        Elf64_Phdr ph[2];
        Elf64_Nhdr note;
        char name[4];
        uint32_t entry[2];
    } file = {
        .eh = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64,
                             ELFDATA2LSB, EV_CURRENT },
                .e_type = ET_EXEC,
                .e_machine = EM_X86_64,
                .e_version = EV_CURRENT,
                .e_entry = LOAD_GPA,
                .e_phoff = sizeof(Elf64_Ehdr),
                .e_ehsize = sizeof(Elf64_Ehdr),
                .e_phentsize = sizeof(Elf64_Phdr),
                .e_phnum = 2 },
        .note = { 4, 8, 18 /* XEN_ELFNOTE_PHYS32_ENTRY */ },
        .name = "Xen",
        .entry = { LOAD_GPA, 0 },
    };
    size_t len = payload_end - payload;
    int fd = memfd_create("kernel", MFD_CLOEXEC);

    file.ph[0] = (Elf64_Phdr){ .p_type = PT_LOAD,
                               .p_offset = 0x1000,
                               .p_paddr = LOAD_GPA,
                               .p_vaddr = LOAD_GPA,
                               .p_filesz = len,
                               .p_memsz = len,
                               .p_align = 0x1000 };
    file.ph[1] = (Elf64_Phdr){ .p_type = PT_NOTE,
                               .p_offset = (char *)&file.note - (char *)&file,
                               .p_filesz = 24,
                               .p_memsz = 24,
                               .p_align = 4 };
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, &file, sizeof(file), 0), sizeof(file));
    assert_int_equal(pwrite(fd, payload, len, 0x1000), len);
    return fd;
}

static int64_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Runs the loop until @*flag is set. */
static void run_until(Fixture *f, const bool *flag)
{
    int64_t end = now_ms() + DEADLINE_MS;

    while (!*flag) {
        assert_true(now_ms() < end);
        loop_turn(f->loop, 50);
    }
}

static char console_byte(Fixture *f)
{
    int64_t end = now_ms() + DEADLINE_MS;
    char c;

    while (recv(f->console, &c, 1, MSG_DONTWAIT) != 1) {
        assert_true(now_ms() < end);
        loop_turn(f->loop, 50);
    }
    return c;
}

static void console_send(Fixture *f, char c)
{
    assert_int_equal(send(f->console, &c, 1, 0), 1);
}

static void on_done(void *opaque, int r, const Err *e)
{
    Fixture *f = opaque;

    f->done++;
    f->done_r = r;
    snprintf(f->done_msg, sizeof(f->done_msg), "%.100s", r < 0 ? e->msg : "");
}

static void wait_done(Fixture *f, int count)
{
    int64_t end = now_ms() + DEADLINE_MS;

    while (f->done < count) {
        assert_true(now_ms() < end);
        loop_turn(f->loop, 50);
    }
}

static void start(Fixture *f, unsigned cpus)
{
    MachineListener listener = { on_event, on_exit_asked, f };
    ChardevConf serial = { .id = "com1",
                           .cls = CHARDEV_SOCKET,
                           .server = true,
                           .nowait = true,
                           .has_fd = true };
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    socklen_t len = sizeof(sa_family_t); /* the kernel chooses a name */
    Err e = ERR_INIT;

    serial.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(serial.fd, (struct sockaddr *)&addr, len), 0);
    assert_int_equal(listen(serial.fd, 1), 0);
    len = sizeof(addr);
    getsockname(serial.fd, (struct sockaddr *)&addr, &len);
    f->console = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(f->console, (struct sockaddr *)&addr, len), 0);
    if (chardev_new(&f->chardevs[0], &serial, &e) < 0)
        fail_msg("%s", e.msg);
    f->kernel_fd = make_kernel();
    f->conf.type = MACHINE_MICROVM;
    f->conf.accel = HV_KVM;
    f->conf.accel_fd = -1;
    f->conf.smp = (SmpConf){ cpus, cpus, 1, 1, 1, cpus, 1 };
    f->conf.ram_bytes = 128 << 20;
    f->conf.kernel = (FileConf){ f->kernel_fd, "payload" };
    f->conf.initrd.fd = -1;
    f->conf.chardevs = f->chardevs;
    f->conf.num_chardevs = 1;
    f->conf.serial = "com1";
    if (machine_new(&f->m, &f->conf, f->loop, &listener, &e) < 0 ||
        machine_start(f->m, &e) < 0)
        fail_msg("%s", e.msg);
}

static int setup(void **state)
{
    Fixture *f = calloc(1, sizeof(*f));
    Err e = ERR_INIT;

    thread_kick_init();
    assert_int_equal(loop_new(&f->loop, "main", &e), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    Fixture *f = *state;

    machine_free(f->m);
    loop_turn(f->loop, 0);
    qs_poll();
    loop_free(f->loop);
    close(f->kernel_fd);
    close(f->console);
    free(f);
    return 0;
}

static void runs_echoes_and_powers_off(void **state)
{
    Fixture *f = *state;

    start(f, 1);
    assert_int_equal(console_byte(f), 'A');
    console_send(f, 'x');
    assert_int_equal(console_byte(f), 'x');
    console_send(f, 'q');
    run_until(f, &f->ended);
    assert_int_equal(f->cause, EXIT_CAUSE_SHUTDOWN);
    assert_true(f->guest);
    assert_string_equal(f->events, "SHUTDOWN ");
}

static void pauses_and_resumes(void **state)
{
    Fixture *f = *state;

    start(f, 3);
    assert_int_equal(console_byte(f), 'A');
    machine_stop(f->m, on_done, f);
    machine_stop(f->m, on_done, f);
    wait_done(f, 2);
    assert_int_equal(machine_run_state(f->m), RUN_STATE_PAUSED);
    console_send(f, 'x'); /* stays with the host while paused */
    for (int i = 0; i < 20; i++)
        loop_turn(f->loop, 5);
    assert_int_equal(recv(f->console, &f->done_msg, 1, MSG_DONTWAIT), -1);
    machine_cont(f->m, on_done, f);
    wait_done(f, 3);
    assert_int_equal(console_byte(f), 'x');
    assert_string_equal(f->events, "STOP STOP RESUME ");
}

static void pausing_a_hundred_times_loses_nothing(void **state)
{
    Fixture *f = *state;

    start(f, 2);
    assert_int_equal(console_byte(f), 'A');
    for (int i = 0; i < 100; i++) {
        console_send(f, 'a' + i % 8);
        machine_stop(f->m, on_done, f);
        machine_cont(f->m, on_done, f);
        wait_done(f, 2 * i + 2);
        assert_int_equal(f->done_r, 0);
        assert_int_equal(console_byte(f), 'a' + i % 8);
    }
}

static void a_reset_starts_over(void **state)
{
    Fixture *f = *state;

    f->conf.actions.reboot = ACTION_REBOOT_RESET;
    start(f, 2);
    for (const char *how = "rkt"; *how; how++) {
        assert_int_equal(console_byte(f), 'A');
        console_send(f, *how);
    }
    assert_int_equal(console_byte(f), 'A');
    machine_reset(f->m, on_done, f);
    wait_done(f, 1);
    assert_int_equal(console_byte(f), 'A');
    assert_string_equal(f->events, "RESET RESET RESET RESET ");
    assert_int_equal(machine_run_state(f->m), RUN_STATE_RUNNING);
}

static void a_paused_machine_stays_paused_over_reset(void **state)
{
    Fixture *f = *state;

    start(f, 1);
    assert_int_equal(console_byte(f), 'A');
    machine_stop(f->m, on_done, f);
    machine_reset(f->m, on_done, f);
    wait_done(f, 2);
    assert_int_equal(machine_run_state(f->m), RUN_STATE_PAUSED);
    machine_cont(f->m, on_done, f);
    wait_done(f, 3);
    assert_int_equal(console_byte(f), 'A');
}

static void a_guest_reset_ends_a_microvm(void **state)
{
    Fixture *f = *state;

    start(f, 1);
    assert_int_equal(console_byte(f), 'A');
    console_send(f, 'k');
    run_until(f, &f->ended);
    assert_int_equal(f->cause, EXIT_CAUSE_RESET);
    assert_string_equal(f->events, "SHUTDOWN ");
}

static void a_kept_machine_needs_a_reset(void **state)
{
    Fixture *f = *state;

    f->conf.actions.shutdown = ACTION_SHUTDOWN_PAUSE;
    start(f, 1);
    assert_int_equal(console_byte(f), 'A');
    console_send(f, 'q');
    while (machine_run_state(f->m) != RUN_STATE_SHUTDOWN)
        loop_turn(f->loop, 50);
    assert_string_equal(f->events, "SHUTDOWN STOP ");
    assert_string_equal(machine_state_reason(f->m), "guest-shutdown");
    machine_cont(f->m, on_done, f);
    wait_done(f, 1);
    assert_int_equal(f->done_r, -EPERM);
    assert_non_null(strstr(f->done_msg, "'shutdown'"));
    machine_reset(f->m, on_done, f);
    machine_cont(f->m, on_done, f);
    wait_done(f, 3);
    assert_int_equal(f->done_r, 0);
    assert_int_equal(console_byte(f), 'A');
}

static void quit_beats_what_waits(void **state)
{
    Fixture *f = *state;

    start(f, 1);
    assert_int_equal(console_byte(f), 'A');
    machine_quit(f->m, EXIT_CAUSE_QUIT, "host-qmp-quit", 0);
    machine_quit(f->m, EXIT_CAUSE_ERROR, "later", 1);
    assert_true(f->ended);
    assert_int_equal(f->cause, EXIT_CAUSE_QUIT);
    assert_string_equal(f->events, "SHUTDOWN ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(runs_echoes_and_powers_off, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(pauses_and_resumes, setup, teardown),
        cmocka_unit_test_setup_teardown(pausing_a_hundred_times_loses_nothing,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_reset_starts_over, setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_paused_machine_stays_paused_over_reset, setup, teardown),
        cmocka_unit_test_setup_teardown(a_guest_reset_ends_a_microvm, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_kept_machine_needs_a_reset, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(quit_beats_what_waits, setup, teardown),
    };

    if (access("/dev/kvm", R_OK | W_OK) < 0) {
        printf("/dev/kvm cannot be opened: %s\n", strerror(errno));
        return 77;
    }
    alarm(300);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
    printf("this payload is x86_64 code\n");
    return 77;
}

#endif
