/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Device tests: virtio block device on raw images. */
#include <config.h>

#include "device/virtio.h"

#include <endian.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define TYPE    2
#define SECTOR  512
#define SECTORS 2048 /* 1 MiB */

enum {
    T_IN = 0,
    T_OUT = 1,
    T_FLUSH = 4,
    T_GET_ID = 8,
    T_DISCARD = 11,
    T_ZEROES = 13,
};

enum {
    OK,
    IOERR,
    UNSUPP
};

enum {
    F_RO = 5,
    F_FLUSH = 9,
    F_MQ = 12,
    F_DISCARD = 13,
    F_ZEROES = 14,
};

static char image[64];

static int make_image(void **state)
{
    uint8_t sector[SECTOR];
    int fd;

    strcpy(image, "/tmp/blk-XXXXXX");
    fd = mkstemp(image);
    for (int i = 0; i < SECTORS; i++) {
        memset(sector, i, sizeof(sector));
        assert_int_equal(write(fd, sector, SECTOR), SECTOR);
    }
    close(fd);
    return 0;
}

static int drop_image(void **state)
{
    unlink(image);
    return 0;
}

/* The image on disk has @len bytes of @byte at @off. */
static void expect_image(off_t off, uint8_t byte, size_t len)
{
    int fd = open(image, O_RDONLY);
    uint8_t *buf = malloc(len);

    assert_int_equal(pread(fd, buf, len, off), len);
    for (size_t i = 0; i < len; i++)
        assert_int_equal(buf[i], byte);
    free(buf);
    close(fd);
}

static Vm *start(const char *drive_opts, const char *device_opts,
                 const char *more)
{
    char drive[256], device[128];
    const char *args[] = { "-drive", drive,     "-device",
                           device,   "-object", "iothread,id=io",
                           more,     NULL };

    snprintf(drive, sizeof(drive), "file=%s,id=d,direct=off%s", image,
             drive_opts);
    snprintf(device, sizeof(device), "virtio-blk-device,id=b,drive=d%s",
             device_opts);
    return vm_start(args);
}

/* One request whose data is in guest memory. */
typedef struct Req {
    uint64_t gpa; /* header, then status, then data from + 32 */
    uint16_t head;
} Req;

static Req req_add(Queue *q, uint32_t type, uint64_t sector, const void *out,
                   uint32_t len, bool indirect)
{
    Vm *vm = q->dev->vm;
    struct {
        uint32_t type, reserved;
        uint64_t sector;
    } hdr = { htole32(type), 0, htole64(sector) };
    Req r = { .gpa = vm_alloc(vm, 32 + len, 512) };
    Buf bufs[4] = { { r.gpa, 16, false } };
    unsigned n = 1;

    vm_write(vm, r.gpa, &hdr, 16);
    vm_store(vm, r.gpa + 16, 0xee, 1);
    if (out)
        vm_write(vm, r.gpa + 32, out, len);
    if (len > 1) { /* in two pieces */
        bufs[n++] = (Buf){ r.gpa + 32, len / 2, !out };
        bufs[n++] = (Buf){ r.gpa + 32 + len / 2, len - len / 2, !out };
    }
    bufs[n++] = (Buf){ r.gpa + 16, 1, true };
    r.head = q_add(q, bufs, n, indirect);
    return r;
}

static uint8_t req_status(Queue *q, const Req *r)
{
    return vm_load(q->dev->vm, r->gpa + 16, 1);
}

static uint8_t do_req(Queue *q, uint32_t type, uint64_t sector, const void *out,
                      void *in, uint32_t len)
{
    Req r =
        req_add(q, type, sector, out, len, q->dev->features & F(F_INDIRECT_));

    q_kick(q);
    assert_int_equal(q_wait(q, NULL), r.head);
    if (in)
        vm_read(q->dev->vm, r.gpa + 32, in, len);
    return req_status(q, &r);
}

static void registers(void **state)
{
    Vm *vm = start("", "", NULL);
    Dev d = dev_find(vm, TYPE, 0);

    dev_check_registers(&d, TYPE, 1, 36);
    assert_int_equal(vm_load(vm, d.base + MMIO_CONFIG, 8), SECTORS);
    assert_true(dev_offered(&d) & F(F_FLUSH));
    assert_int_equal(dev_offered(&d) & F(F_RO), 0);
    vm_quit(vm);
}

static void reads_and_writes_with(const char *device_opts, uint64_t features)
{
    Vm *vm = start("", device_opts, NULL);
    Dev d = dev_find(vm, TYPE, 0);
    uint8_t buf[8 * SECTOR], in[8 * SECTOR];

    dev_start(&d, features, 1);
    for (int i = 0; i < 20; i++) {
        unsigned at = i * 97;

        assert_int_equal(do_req(&d.q[0], T_IN, at, NULL, in, SECTOR), OK);
        for (int k = 0; k < SECTOR; k++)
            assert_int_equal(in[k], at & 0xff);
        memset(buf, 0x40 + i, sizeof(buf));
        assert_int_equal(do_req(&d.q[0], T_OUT, at, buf, NULL, sizeof(buf)),
                         OK);
        assert_int_equal(do_req(&d.q[0], T_IN, at, NULL, in, sizeof(in)), OK);
        assert_memory_equal(in, buf, sizeof(in));
    }
    assert_int_equal(do_req(&d.q[0], T_FLUSH, 0, NULL, NULL, 0), OK);
    expect_image(19 * 97 * SECTOR, 0x40 + 19, 8 * SECTOR);
    vm_quit(vm);
}

static void reads_and_writes(void **state)
{
    static const struct {
        const char *opts;
        uint64_t features;
    } with[] = {
        { "", NO_FEATURES },
        { "", ALL_FEATURES },
        { ",iothread=io", ALL_FEATURES },
        { ",iothread=io,queue-size=4", NO_FEATURES },
    };

    for (size_t i = 0; i < sizeof(with) / sizeof(with[0]); i++) {
        drop_image(state);
        make_image(state); /* as new */
        reads_and_writes_with(with[i].opts, with[i].features);
    }
}

static void many_at_once(void **state)
{
    Vm *vm = start("", ",iothread=io", NULL);
    Dev d = dev_find(vm, TYPE, 0);
    Queue *q = &d.q[0];
    Req r[32];
    uint8_t in[SECTOR];

    dev_start(&d, ALL_FEATURES, 1);
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 32; i++)
            r[i] = req_add(q, T_IN, i, NULL, SECTOR, true);
        q_kick(q);
        for (int i = 0; i < 32; i++)
            q_wait(q, NULL); /* in any order */
        for (int i = 0; i < 32; i++) {
            assert_int_equal(req_status(q, &r[i]), OK);
            vm_read(vm, r[i].gpa + 32, in, SECTOR);
            assert_int_equal(in[0], i);
            assert_int_equal(in[SECTOR - 1], i);
        }
    }
    vm_quit(vm);
}

static void refuses_bad_requests(void **state)
{
    Vm *vm = start("", "", NULL);
    Dev d = dev_find(vm, TYPE, 0);
    Queue *q = &d.q[0];
    uint8_t buf[2 * SECTOR] = { 0 };

    dev_start(&d, ALL_FEATURES, 1);
    assert_int_equal(do_req(q, T_IN, SECTORS, NULL, buf, SECTOR), IOERR);
    assert_int_equal(do_req(q, T_IN, SECTORS - 1, NULL, buf, 2 * SECTOR),
                     IOERR);
    assert_int_equal(do_req(q, T_OUT, UINT64_MAX, buf, NULL, SECTOR), IOERR);
    assert_int_equal(do_req(q, T_OUT, UINT64_MAX / SECTOR, buf, NULL, SECTOR),
                     IOERR);
    assert_int_equal(do_req(q, T_IN, 0, NULL, buf, SECTOR + 1), IOERR);
    assert_int_equal(do_req(q, 77, 0, NULL, buf, SECTOR), UNSUPP);
    assert_int_equal(do_req(q, T_DISCARD, 0, buf, NULL, 16), UNSUPP);
    assert_int_equal(do_req(q, T_IN, 5, NULL, buf, SECTOR), OK);
    assert_int_equal(buf[0], 5);
    vm_quit(vm);
}

static void serial_number(void **state)
{
    Vm *vm = start("", ",serial=disk-0001", NULL);
    Dev d = dev_find(vm, TYPE, 0);
    char id[21] = "";

    dev_start(&d, ALL_FEATURES, 1);
    assert_int_equal(do_req(&d.q[0], T_GET_ID, 0, NULL, id, 20), OK);
    assert_string_equal(id, "disk-0001");
    vm_quit(vm);
}

static void readonly(void **state)
{
    Vm *vm = start(",readonly=on", "", NULL);
    Dev d = dev_find(vm, TYPE, 0);
    uint8_t buf[SECTOR] = { 0 };

    assert_true(dev_offered(&d) & F(F_RO));
    dev_start(&d, ALL_FEATURES, 1);
    assert_int_equal(do_req(&d.q[0], T_OUT, 9, buf, NULL, SECTOR), IOERR);
    assert_int_equal(do_req(&d.q[0], T_IN, 9, NULL, buf, SECTOR), OK);
    expect_image(9 * SECTOR, 9, SECTOR);
    vm_quit(vm);
}

static void discard_and_zeroes(void **state)
{
    struct {
        uint64_t sector;
        uint32_t num, flags;
    } seg[2] = { { 8, 8, 0 }, { 24, 8, 0 } };
    Vm *vm = start(",discard=unmap,detect-zeroes=on", "", NULL);
    Dev d = dev_find(vm, TYPE, 0);
    Queue *q = &d.q[0];

    assert_true(dev_offered(&d) & F(F_DISCARD));
    assert_true(dev_offered(&d) & F(F_ZEROES));
    dev_check_registers(&d, TYPE, 1, 57);
    dev_start(&d, ALL_FEATURES, 1);
    assert_int_equal(do_req(q, T_ZEROES, 0, seg, NULL, 32), OK);
    expect_image(8 * SECTOR, 0, 8 * SECTOR);
    expect_image(16 * SECTOR, 16, SECTOR);
    expect_image(24 * SECTOR, 0, 8 * SECTOR);
    seg[0].sector = 64;
    assert_int_equal(do_req(q, T_DISCARD, 0, seg, NULL, 16), OK);
    expect_image(64 * SECTOR, 0, 8 * SECTOR);
    /* nonsense */
    seg[0].flags = 2;
    assert_int_equal(do_req(q, T_ZEROES, 0, seg, NULL, 16), UNSUPP);
    seg[0].flags = 0;
    seg[0].sector = SECTORS - 1;
    assert_int_equal(do_req(q, T_DISCARD, 0, seg, NULL, 16), IOERR);
    assert_int_equal(do_req(q, T_DISCARD, 0, seg, NULL, 17), IOERR);
    vm_quit(vm);
}

static void broken_frames(void **state)
{
    Vm *vm = start("", "", NULL);
    Dev d = dev_find(vm, TYPE, 0);
    uint64_t gpa = vm_alloc(vm, 4096, 4096);
    const Buf bad[][2] = {
        { { gpa, 16, false }, { gpa + 512, 512, false } }, /* no status */
        { { gpa, 15, false }, { gpa + 512, 1, true } },    /* short header */
        { { gpa, 16, true }, { gpa + 512, 1, true } },     /* no header */
    };

    for (size_t i = 0; i < 3; i++) {
        dev_start(&d, ALL_FEATURES, 1);
        q_add(&d.q[0], bad[i], 2, false);
        q_kick(&d.q[0]);
        dev_expect_broken(&d);
    }
    vm_quit(vm);
}

static void survives_hostile_rings(void **state)
{
    Vm *vm = start("", ",iothread=io", NULL);
    Dev d = dev_find(vm, TYPE, 0);
    uint8_t in[SECTOR];

    dev_torture(&d, 1, 0);
    dev_start(&d, ALL_FEATURES, 1);
    assert_int_equal(do_req(&d.q[0], T_IN, 3, NULL, in, SECTOR), OK);
    assert_int_equal(in[0], 3);
    expect_image(0, 0, SECTOR);
    expect_image((SECTORS - 1) * SECTOR, 0xff, SECTOR);
    vm_quit(vm);
}

static Vm *start_fault(const char *rules, const char *device_opts)
{
    char drive[256], device[128];
    const char *args[] = { "-drive", drive,     "-device",
                           device,   "-object", "iothread,id=io",
                           NULL };

    snprintf(drive, sizeof(drive), "file=fault:%s:%s,id=d,direct=off", rules,
             image);
    snprintf(device, sizeof(device), "virtio-blk-device,id=b,drive=d%s",
             device_opts);
    return vm_start(args);
}

static void host_errors_reach_the_guest(void **state)
{
    Vm *vm = start_fault("write@4096*1-EIO+flush*1-EIO", "");
    Dev d = dev_find(vm, TYPE, 0);
    uint8_t buf[SECTOR] = { 0 };

    dev_start(&d, ALL_FEATURES, 1);
    assert_int_equal(do_req(&d.q[0], T_OUT, 8, buf, NULL, SECTOR), IOERR);
    assert_int_equal(do_req(&d.q[0], T_OUT, 8, buf, NULL, SECTOR), OK);
    /* once a flush failed, nobody knows what is lost: it stays so */
    assert_int_equal(do_req(&d.q[0], T_FLUSH, 0, NULL, NULL, 0), IOERR);
    assert_int_equal(do_req(&d.q[0], T_FLUSH, 0, NULL, NULL, 0), IOERR);
    vm_quit(vm);
}

/* The virtual clock stands still, so a delayed request is in flight for sure.
 */
static void start_slow(Vm *vm, Dev *d, Req *ret_req)
{
    *d = dev_find(vm, TYPE, 0);
    dev_start(d, ALL_FEATURES, 1);
    *ret_req = req_add(&d->q[0], T_IN, 7, NULL, SECTOR, false);
    q_kick(&d->q[0]);
    vm_clock_step(vm, 1000000);
    assert_int_equal(q_used_idx(&d->q[0]), 0);
}

static void reset_waits(const char *device_opts)
{
    Vm *vm = start_fault("read*1-late100", device_opts);
    uint8_t in[SECTOR];
    Dev d;
    Req r;

    start_slow(vm, &d, &r);
    vm_qmp_send(vm, "system_reset");
    vm_clock_step(vm, 50000000);
    assert_false(vm_had_event(vm, "RESET"));
    vm_clock_step(vm, 60000000);
    json_decref(vm_event(vm, "RESET"));
    assert_int_equal(req_status(&d.q[0], &r), OK); /* it was let finish */
    dev_start(&d, ALL_FEATURES, 1);
    assert_int_equal(do_req(&d.q[0], T_IN, 7, NULL, in, SECTOR), OK);
    assert_int_equal(in[0], 7);
    vm_quit(vm);
}

static void reset_waits_for_requests(void **state)
{
    reset_waits("");
    reset_waits(",iothread=io");
}

/* What the host has not begun is taken back at once. */
static void reset_cancels(const char *device_opts)
{
    Vm *vm = start_fault("read*1-delay100", device_opts);
    uint8_t in[SECTOR];
    Dev d;
    Req r;

    start_slow(vm, &d, &r);
    dev_reset(&d); /* time stands still */
    assert_int_not_equal(vm_load(vm, r.gpa + 16, 1), OK);
    dev_start(&d, ALL_FEATURES, 1);
    assert_int_equal(do_req(&d.q[0], T_IN, 7, NULL, in, SECTOR), OK);
    assert_int_equal(in[0], 7);
    vm_quit(vm);
}

static void reset_cancels_requests(void **state)
{
    reset_cancels("");
    reset_cancels(",iothread=io");
}

static void reset_gives_up_on_a_dead_disk(void **state)
{
    Vm *vm = start_fault("read*1-hold", ",iothread=io");
    Dev d;
    Req r;

    start_slow(vm, &d, &r);
    vm_qmp_send(vm, "system_reset");
    while (!vm_had_event(vm, "RESET"))
        vm_clock_step(vm, 1000000000); /* up to the deadline */
    /* as long as host I/O may touch guest memory, the device stays away */
    assert_int_equal(dev_get(&d, MMIO_STATUS), S_NEEDS_RESET);
    dev_set(&d, MMIO_STATUS, 0);
    assert_int_equal(dev_get(&d, MMIO_STATUS), S_NEEDS_RESET);
    assert_int_equal(req_status(&d.q[0], &r), 0xee);
    vm_quit(vm);
}

/* A vCPU that waits for its device can be called away. */
static void parked_vcpu_does_not_hold_up(void **state)
{
    Vm *vm = start_fault("read*1-hold", "");
    Dev d;
    Req r;

    start_slow(vm, &d, &r);
    vm_store_last(vm, d.base + MMIO_STATUS, 0, 4);
    vm_qmp_do(vm, "query-status", NULL);
    vm_quit(vm);

    vm = start_fault("read*1-hold", "");
    start_slow(vm, &d, &r);
    vm_store_last(vm, d.base + MMIO_STATUS, 0, 4);
    vm_qmp_send(vm, "stop"); /* waits for the disk, for ever */
    vm_signal(vm, SIGTERM);
    vm_wait(vm);
}

static void guest_resets_under_load(void **state)
{
    Vm *vm = start("", ",iothread=io", NULL);
    Dev d = dev_find(vm, TYPE, 0);
    uint8_t in[SECTOR];

    for (int i = 0; i < 10; i++) {
        dev_start(&d, ALL_FEATURES, 1);
        for (int k = 0; k < 16; k++)
            req_add(&d.q[0], T_IN, k, NULL, 8 * SECTOR, true);
        q_kick(&d.q[0]);
        dev_reset(&d); /* parks the vCPU until all of them have gone */
    }
    dev_start(&d, ALL_FEATURES, 1);
    assert_int_equal(do_req(&d.q[0], T_IN, 7, NULL, in, SECTOR), OK);
    assert_int_equal(in[0], 7);
    vm_quit(vm);
}

static void quit_never_waits_for_io(void **state)
{
    Vm *vm = start_fault("read-hold", ",iothread=io");
    Dev d = dev_find(vm, TYPE, 0);

    dev_start(&d, ALL_FEATURES, 1);
    for (int i = 0; i < 5; i++)
        req_add(&d.q[0], T_IN, i, NULL, SECTOR, false);
    q_kick(&d.q[0]);
    vm_clock_step(vm, 1000000);
    vm_quit(vm);
}

static void pause_keeps_rings_still(void **state)
{
    Vm *vm = start("", ",iothread=io", NULL);
    Dev d = dev_find(vm, TYPE, 0);
    Queue *q = &d.q[0];
    uint8_t in[SECTOR];
    Req r;

    dev_start(&d, ALL_FEATURES, 1);
    for (int i = 0; i < 10; i++) {
        vm_qmp_do(vm, "stop", NULL);
        r = req_add(q, T_IN, i, NULL, SECTOR, true);
        vm_qmp_do(vm, "cont", NULL);
        assert_int_equal(q_wait(q, NULL), r.head);
        vm_read(vm, r.gpa + 32, in, SECTOR);
        assert_int_equal(in[0], i);
    }
    vm_quit(vm);
}

static void machine_reset(void **state)
{
    Vm *vm = start("", ",iothread=io", NULL);
    Dev d = dev_find(vm, TYPE, 0);
    uint8_t in[SECTOR];

    for (int i = 0; i < 5; i++) {
        dev_start(&d, ALL_FEATURES, 1);
        assert_int_equal(do_req(&d.q[0], T_IN, i, NULL, in, SECTOR), OK);
        assert_int_equal(in[0], i);
        for (int k = 0; k < 10; k++)
            req_add(&d.q[0], T_IN, k, NULL, SECTOR, true);
        q_kick(&d.q[0]);
        vm_qmp_do(vm, "system_reset", NULL);
        json_decref(vm_event(vm, "RESET"));
        assert_int_equal(dev_get(&d, MMIO_STATUS), 0);
    }
    vm_quit(vm);
}

static void slots_fill_in_order(void **state)
{
    char drives[5][128], devices[5][64];
    const char *args[32] = { NULL };
    int n = 0;
    Vm *vm;

    for (int i = 0; i < 3; i++) {
        snprintf(drives[i], sizeof(drives[i]),
                 "file=%s,id=d%d,direct=off,readonly=on", image, i);
        snprintf(devices[i], sizeof(devices[i]),
                 "virtio-blk-device,id=b%d,drive=d%d,serial=s%d", i, i, i);
        args[n++] = "-drive";
        args[n++] = drives[i];
        args[n++] = "-device";
        args[n++] = devices[i];
    }
    vm = vm_start(args);
    for (int i = 0; i < 3; i++) {
        Dev d = dev_find(vm, TYPE, i);
        char id[21] = "", want[8];

        assert_int_equal(d.base, SLOT_BASE + i * SLOT_STRIDE);
        dev_start(&d, ALL_FEATURES, 1);
        assert_int_equal(do_req(&d.q[0], T_GET_ID, 0, NULL, id, 20), OK);
        snprintf(want, sizeof(want), "s%d", i);
        assert_string_equal(id, want);
    }
    vm_quit(vm);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, make_image, drop_image)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(registers),
        T(reads_and_writes),
        T(many_at_once),
        T(refuses_bad_requests),
        T(serial_number),
        T(readonly),
        T(discard_and_zeroes),
        T(broken_frames),
        T(survives_hostile_rings),
        T(host_errors_reach_the_guest),
        T(reset_waits_for_requests),
        T(reset_cancels_requests),
        T(reset_gives_up_on_a_dead_disk),
        T(parked_vcpu_does_not_hold_up),
        T(guest_resets_under_load),
        T(quit_never_waits_for_io),
        T(pause_keeps_rings_still),
        T(machine_reset),
        T(slots_fill_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
