/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The test accelerator: its protocol, and what it does with vCPU threads. */
#include <config.h>

#include "core/clock.h"
#include "core/thread.h"
#include "hv/hv.h"
#include "util/bytes.h"
#include "util/cleanup.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define RAM_BYTES 0x200000
#define PAGE_GPA  0xf0100000ull

typedef struct CpuArg {
    struct Fixture *f;
    unsigned index;
} CpuArg;

typedef struct Fixture {
    Loop *loop;
    Thread main_thread;
    GuestMem *gm;
    RamBlock *ram, *page;
    Hv *hv;
    HvVcpu *vcpus[2];
    Thread threads[2];
    CpuArg args[2];
    atomic_bool quit;
    atomic_uint last_cpu;
    _Atomic uint64_t writes[4]; /* addr, val, len, count */
    int listener, sock;
    char dir[32], path[64];
} Fixture;

static void *main_loop(void *arg)
{
    loop_run(arg);
    return NULL;
}

/* A machine of one device that answers reads with the address. */
static void *vcpu_main(void *arg)
{
    const CpuArg *cpu = arg;
    Fixture *f = cpu->f;
    HvExit x = { 0 };

    while (!f->quit) {
        hv_vcpu_run(f->vcpus[cpu->index], &x);
        if (x.kind == HV_EXIT_NONE)
            continue;
        f->last_cpu = cpu->index;
        if (!x.write) {
            memcpy(x.data, &x.addr, x.len);
            continue;
        }
        f->writes[0] = x.addr;
        memcpy((void *)&f->writes[1], x.data, 8);
        f->writes[2] = x.len;
        f->writes[3]++;
    }
    return NULL;
}

static void listen_at(Fixture *f)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };

    strcpy(f->dir, "/tmp/test-accel-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof(f->path), "%s/sock", f->dir);
    strcpy(addr.sun_path, f->path);
    f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(f->listener, (struct sockaddr *)&addr, sizeof(addr)),
                     0);
    assert_int_equal(listen(f->listener, 1), 0);
}

static int set_up(void **state)
{
    Fixture *f = calloc(1, sizeof(*f));
    const RamConf ram = { .name = "ram", .size_bytes = RAM_BYTES };
    const RamConf page = { .name = "page", .size_bytes = 4096 };
    const HvCpuTopology topology = { 1, 1, 1, 2, 1, 0 };
    HvConf conf = { .kind = HV_TEST, .device_fd = -1, .max_vcpus = 2 };
    Err e = ERR_INIT;

    listen_at(f);
    assert_int_equal(loop_new(&f->loop, "main", &e), 0);
    conf.loop = f->loop;
    conf.mod_test = f->path;
    assert_int_equal(gmem_new(&f->gm, &e), 0);
    assert_int_equal(ram_block_new(&f->ram, &ram, &e), 0);
    assert_int_equal(ram_block_new(&f->page, &page, &e), 0);
    assert_int_equal(gmem_map(f->gm, 0, RAM_BYTES, f->ram, 0, 0, &e), 0);
    assert_int_equal(hv_open(&f->hv, &conf, f->gm, &e), 0);
    assert_int_equal(gmem_map(f->gm, PAGE_GPA, 4096, f->page, 0,
                              MEM_READONLY | MEM_REGISTERS, &e),
                     0);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(hv_vcpu_new(&f->vcpus[i], f->hv, i, &topology, &e), 0);
    for (unsigned i = 0; i < 2; i++) {
        f->args[i] = (CpuArg){ f, i };
        assert_int_equal(thread_start(&f->threads[i], ROLE_VCPU, "vcpu",
                                      vcpu_main, &f->args[i], &e),
                         0);
    }
    assert_int_equal(thread_start(&f->main_thread, ROLE_MAIN, "main", main_loop,
                                  f->loop, &e),
                     0);
    if (hv_start(f->hv, &e) < 0)
        fail_msg("%s", e.msg);
    f->sock = accept(f->listener, NULL, NULL);
    assert_true(f->sock >= 0);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    Fixture *f = *state;

    f->quit = true;
    for (unsigned i = 0; i < 2; i++)
        hv_vcpu_kick(f->vcpus[i]);
    for (unsigned i = 0; i < 2; i++)
        thread_join(&f->threads[i]);
    loop_stop(f->loop);
    thread_join(&f->main_thread);
    for (unsigned i = 0; i < 2; i++)
        hv_vcpu_free(f->vcpus[i]);
    hv_close(f->hv);
    gmem_free(f->gm);
    ram_block_unref(f->ram);
    ram_block_unref(f->page);
    loop_free(f->loop);
    close(f->sock);
    close(f->listener);
    unlink(f->path);
    rmdir(f->dir);
    free(f);
    return 0;
}

/* Sends text, reads one reply without its end of line. */
static const char *ask(Fixture *f, const char *text)
{
    static char buf[65536];
    size_t len = 0;

    assert_int_equal(send(f->sock, text, strlen(text), 0),
                     (ssize_t)strlen(text));
    do {
        ssize_t n = recv(f->sock, buf + len, sizeof(buf) - 1 - len, 0);

        assert_true(n > 0);
        len += (size_t)n;
    } while (len < 2 || buf[len - 1] != '\n');
    assert_int_equal(buf[len - 2], '\r');
    buf[len - 2] = 0;
    return buf;
}

#define ASK(text, answer) assert_string_equal(ask(f, text), answer)

static void test_memory(void **state)
{
    Fixture *f = *state;

    ASK("write 0x1000 0x4 0x11223344", "OK");
    ASK("read 0x1000 0x4", "OK 0x11223344");
    ASK("readl 0x1000", "OK 0x0000000044332211");
    ASK("readb 1001", "OK 0x0000000000000022");
    ASK("writeq 0x1000 0x8877665544332211", "OK");
    ASK("readw 0x1006", "OK 0x0000000000008877");
    ASK("readq 0x1000", "OK 0x8877665544332211");
    ASK("write 0x1000 0x2 0x123", "OK");
    ASK("read 0x1000 0x2", "OK 0x0123");
    ASK("memset 0x2000 0x6 0xabcd", "OK");
    ASK("read 0x1fff 0x8", "OK 0x00abcdabcdabcd00");
    ASK("memset 0x2000 0x100000 0x5a", "OK");
    ASK("readb 0x101fff", "OK 0x000000000000005a");
}

static void test_devices_and_ports(void **state)
{
    Fixture *f = *state;

    ASK("readl 0xf0000010", "OK 0x00000000f0000010");
    ASK("readb 0xf0000011", "OK 0x0000000000000011");
    ASK("writew 0xf0000020 0xbeef", "OK");
    assert_int_equal(f->writes[0], 0xf0000020);
    assert_int_equal(f->writes[1], 0xbeef);
    assert_int_equal(f->writes[2], 2);
    ASK("inb 0x3fd", "OK 0x00000000000000fd");
    ASK("inl 0xcfc", "OK 0x0000000000000cfc");
    ASK("outb 0x3f8 0x41", "OK");
    assert_int_equal(f->writes[0], 0x3f8);
    assert_int_equal(f->writes[1], 0x41);
    assert_int_equal(f->last_cpu, 0);
    ASK("cpu 1", "OK");
    ASK("inw 0x60", "OK 0x0000000000000060");
    assert_int_equal(f->last_cpu, 1);
    ASK("cpu 7", "OK");
    ASK("inw 0x60", "ERR there is no vCPU 7");
    ASK("cpu 0", "OK");
    /* A range over the end of memory: what is left goes to devices. */
    ASK("read 0x1ffffe 0x4", "OK 0x00000000");
}

static void test_register_page(void **state)
{
    Fixture *f = *state;
    uint64_t count = f->writes[3];

    store_le32(f->page->hva + 0x10, 0x74726976);
    ASK("readl 0xf0100010", "OK 0x0000000074726976");
    ASK("writel 0xf0100010 0x1", "OK");
    assert_int_equal(f->writes[3], count + 1);
    assert_int_equal(load_le32(f->page->hva + 0x10), 0x74726976);
    gmem_unmap(f->gm, PAGE_GPA);
    ASK("readl 0xf0100010", "OK 0x00000000f0100010");
}

static void test_ioeventfd(void **state)
{
    Fixture *f = *state;
    const HvIoEvent ev = {
        .addr = 0xf0100050, .len = 4, .match = true, .data = 3
    };
    const HvIoEvent any = { .addr = 0x80, .pio = true };
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    uint64_t count = f->writes[3], val;
    Err e = ERR_INIT;

    assert_int_equal(hv_ioevent_add(f->hv, &ev, fd, &e), 0);
    assert_int_equal(hv_ioevent_add(f->hv, &ev, fd, &e), -EEXIST);
    assert_int_equal(hv_ioevent_add(f->hv, &any, fd, &e), 0);
    ASK("writel 0xf0100050 0x3", "OK");
    ASK("outw 0x80 0x1234", "OK");
    assert_int_equal(f->writes[3], count);
    assert_int_equal(read(fd, &val, sizeof(val)), sizeof(val));
    assert_int_equal(val, 2);
    ASK("writel 0xf0100050 0x2", "OK");
    ASK("writew 0xf0100050 0x3", "OK");
    assert_int_equal(f->writes[3], count + 2);
    hv_ioevent_del(f->hv, &ev, fd);
    hv_ioevent_del(f->hv, &any, fd);
    ASK("writel 0xf0100050 0x3", "OK");
    assert_int_equal(f->writes[3], count + 3);
    close(fd);
}

static void test_interrupts(void **state)
{
    Fixture *f = *state;
    Irq *edge, *msi;
    Err e = ERR_INIT;

    assert_int_equal(irq_new_pin(&edge, f->hv, IRQ_EDGE, 5, &e), 0);
    ASK("query_edge 5", "OK 0");
    irq_pulse(edge);
    irq_pulse(edge);
    ASK("query_edge 5", "OK 2");
    ASK("query_edge 5", "OK 0");

    assert_int_equal(irq_new_msi(&msi, f->hv, &e), 0);
    irq_pulse(msi);
    ASK("query_msix 4276092928 48", "OK FALSE"); /* masked */
    irq_msi_set(msi, 0xfee00000, 48, false);
    assert_int_equal(irq_commit(f->hv), 0);
    ASK("query_msix 4276092928 48", "OK TRUE");
    ASK("query_msix 4276092928 48", "OK FALSE");
    irq_pulse(msi);
    /* Sent by the old route, whatever the new one is. */
    irq_msi_set(msi, 0xfee00000, 49, false);
    assert_int_equal(irq_commit(f->hv), 0);
    ASK("query_msix 4276092928 49", "OK FALSE");
    ASK("query_msix 4276092928 48", "OK TRUE");
    irq_free(msi);
    irq_free(edge);
}

typedef struct LevelWork {
    Work work;
    Fixture *f;
    Irq *irq;
    bool free;
} LevelWork;

static void level_work(void *opaque)
{
    LevelWork *w = opaque;
    Err e = ERR_INIT;

    if (w->free)
        irq_free(w->irq);
    else
        irq_new_pin(&w->irq, w->f->hv, IRQ_LEVEL, 16, &e);
}

static void test_level_interrupt(void **state)
{
    Fixture *f = *state;
    LevelWork w = { .f = f };

    work_init(&w.work, level_work, &w);
    loop_post(f->loop, &w.work);
    loop_drain_all();
    assert_non_null(w.irq);
    ASK("query_intx 16", "OK FALSE");
    irq_set(w.irq, true);
    ASK("query_intx 16", "OK TRUE");
    ASK("eoi_intx 16", "OK TRUE");
    ASK("query_intx 16", "OK TRUE"); /* still driven */
    irq_set(w.irq, false);
    ASK("eoi_intx 16", "OK TRUE");
    ASK("eoi_intx 16", "OK FALSE");
    ASK("query_intx 16", "OK FALSE");
    w.free = true;
    loop_post(f->loop, &w.work);
    loop_drain_all();
}

typedef struct Ticks {
    Timer timer;
    Work work;
    Loop *loop;
    unsigned left;
    int64_t at[3];
    unsigned num;
} Ticks;

static void tick(void *opaque)
{
    Ticks *t = opaque;

    t->at[t->num++] = clock_now_ns();
    if (t->num < 3)
        timer_set(&t->timer, clock_now_ns() + 100);
}

static void ticks_begin(void *opaque)
{
    Ticks *t = opaque;

    timer_init(&t->timer, t->loop, tick, t);
    timer_set(&t->timer, clock_now_ns() + 100);
}

static void test_clock(void **state)
{
    Fixture *f = *state;
    Ticks t = { .loop = f->loop };
    int64_t start = clock_now_ns();
    char text[64];

    work_init(&t.work, ticks_begin, &t);
    loop_post(f->loop, &t.work);
    loop_drain_all();
    snprintf(text, sizeof(text), "OK %lld", (long long)start + 50);
    ASK("clock_step 50", text);
    assert_int_equal(t.num, 0);
    snprintf(text, sizeof(text), "OK %lld", (long long)start + 100);
    ASK("clock_step", text);
    assert_int_equal(t.num, 1);
    /* Both remaining timers run, each at its time. */
    snprintf(text, sizeof(text), "clock_set %lld", (long long)start + 1000);
    ask(f, text);
    assert_int_equal(t.num, 3);
    assert_int_equal(t.at[1], start + 200);
    assert_int_equal(t.at[2], start + 300);
    assert_int_equal(clock_now_ns(), start + 1000);
    snprintf(text, sizeof(text), "OK %lld", (long long)start + 1000);
    ASK("clock_set 1", text); /* never backwards */
}

static void test_malformed(void **state)
{
    Fixture *f = *state;
    static const char *const bad[] = {
        "read",
        "read 0x0",
        "read zz 0x4",
        "read 0x0 0x100000",
        "read 0x0 -4",
        "readb 0x",
        "readb 0x11111111111111111",
        "readq 0xfffffffffffffffc",
        "read 0xffffffffffffffff 0x10",
        "writeb 0x0 0x100",
        "write 0x0 0x2 0x112233",
        "write 0x0 0x2 0xgg11",
        "memset 0x0 0x100 0x",
        "memset 0x200000 0x100 0x1",
        "memset 0xffffffffffffffff 0x100 0x1",
        "outb 0x10000 0x1",
        "outb 0x80 0x100",
        "cpu 5000",
        "clock_step x",
        "clock_set",
        "clock_set 9223372036854775808",
        "query_msix 1",
        "query_intx 24000",
        "query_edge -1",
        "read 1 2 3 4 5 6",
    };

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        if (strncmp(ask(f, bad[i]), "ERR ", 4))
            fail_msg("'%s' was accepted", bad[i]);
    ASK("qtest me", "Unsupported command: qtest");
    ASK("read 0x0 0x0", "OK 0x");
}

/* With newlines several requests may share a write, and one may be split. */
static void test_lines(void **state)
{
    Fixture *f = *state;
    char reply[64] = { 0 };
    size_t len = 0;

    ASK("readb 0x0\n", "OK 0x0000000000000000");
    assert_int_equal(send(f->sock, "cpu 0\ncp", 8, 0), 8);
    assert_int_equal(send(f->sock, "u 1\n\n", 5, 0), 5);
    while (len < 8)
        len += (size_t)recv(f->sock, reply + len, sizeof(reply) - len, 0);
    assert_string_equal(reply, "OK\r\nOK\r\n");
    ASK("cpu 0\n", "OK");
}

/* Closing while a request waits for a vCPU that does not run any more. */
static void test_close_while_waiting(void **state)
{
    Fixture *f = *state;
    struct pollfd p = { .fd = f->sock, .events = POLLIN };

    f->quit = true;
    for (unsigned i = 0; i < 2; i++)
        hv_vcpu_kick(f->vcpus[i]);
    for (unsigned i = 0; i < 2; i++)
        thread_join(&f->threads[i]);
    assert_int_equal(send(f->sock, "inb 0x60", 8, 0), 8);
    assert_int_equal(poll(&p, 1, 0), 0);
}

static void test_no_harness(void **state)
{
    HvConf conf = { .kind = HV_TEST, .device_fd = -1 };
    Hv *hv;
    Err e = ERR_INIT;

    assert_int_equal(hv_open(&hv, &conf, NULL, &e), 0);
    assert_int_equal(hv_start(hv, &e), 0);
    hv_close(hv);
    conf.mod_test = "/nonexistent/sock";
    assert_int_equal(hv_open(&hv, &conf, NULL, &e), -ENOENT);
    assert_non_null(strstr(e.msg, "cannot connect to '/nonexistent/sock'"));
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_memory),
        TEST(test_devices_and_ports),
        TEST(test_register_page),
        TEST(test_ioeventfd),
        TEST(test_interrupts),
        TEST(test_level_interrupt),
        TEST(test_clock),
        TEST(test_malformed),
        TEST(test_lines),
        TEST(test_close_while_waiting),
        cmocka_unit_test(test_no_harness),
    };

    alarm(120);
    clock_use_virtual();
    return cmocka_run_group_tests_name("hv/test", tests, NULL, NULL);
}
