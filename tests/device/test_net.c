/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Device tests: virtio network device on a tap in a namespace of our own. */
#include <config.h>

#include "device/virtio.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define TYPE 1
#define HDR  12

enum {
    RX,
    TX,
    CTRL,
    QUEUES
};

enum {
    F_MAC = 5,
    F_MRG_RXBUF = 15,
    F_STATUS = 16,
    F_CTRL_VQ = 17,
};

static const char *const args[] = {
    "-netdev", "tap,id=n,ifname=tap0",
    "-device", "virtio-net-device,id=net0,netdev=n,mac=52:54:00:aa:bb:cc",
    NULL,
};

static const uint8_t guest_mac[] = { 0x52, 0x54, 0x00, 0xaa, 0xbb, 0xcc };

static void put_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd >= 0 && write(fd, text, strlen(text)) < 0)
        perror(path);
    if (fd >= 0)
        close(fd);
}

/* A network namespace, in a user namespace unless we are root. */
static bool enter_namespace(void)
{
    unsigned uid = getuid();
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    char map[32];

    if (fd < 0)
        return false;
    close(fd);
    if (unshare(CLONE_NEWNET) < 0) {
        if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
            return false;
        snprintf(map, sizeof(map), "%u %u 1", uid, uid);
        put_file("/proc/self/uid_map", map);
    }
    /* Else every interface that comes up sends router solicitations. */
    put_file("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
    return true;
}

/* Brings the tap up and opens a raw socket on the host's side of it. */
static int host_side(void)
{
    struct ifreq ifr = { .ifr_name = "tap0" };
    struct sockaddr_ll addr = { .sll_family = AF_PACKET,
                                .sll_protocol = htons(ETH_P_ALL) };
    struct timeval tv = { VM_DEADLINE_S, 0 };
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));

    assert_true(fd >= 0);
    assert_int_equal(ioctl(fd, SIOCGIFFLAGS, &ifr), 0);
    ifr.ifr_flags |= IFF_UP;
    assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &ifr), 0);
    addr.sll_ifindex = (int)if_nametoindex("tap0");
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
    return fd;
}

static void make_frame(uint8_t *frame, size_t len, uint8_t tag)
{
    memcpy(frame, guest_mac, 6);
    memcpy(frame + 6, "\x02\x00\x00\x00\x00\x01", 6);
    frame[12] = 0x88; /* a local experimental protocol */
    frame[13] = 0xb5;
    memset(frame + 14, tag, len - 14);
}

/* Sends a frame with an empty header, in two pieces. */
static void guest_send(Dev *d, const uint8_t *frame, size_t len)
{
    uint64_t gpa = vm_alloc(d->vm, HDR + len, 16);
    Buf bufs[] = { { gpa, HDR, false },
                   { gpa + HDR, len / 2, false },
                   { gpa + HDR + len / 2, len - len / 2, false } };

    vm_write(d->vm, gpa + HDR, frame, len);
    q_do(&d->q[TX], bufs, 3);
}

/* The next of our frames that the host sees going out of the guest. */
static size_t host_receive(int fd, uint8_t *buf, size_t len)
{
    for (;;) {
        ssize_t n = recv(fd, buf, len, 0);

        assert_true(n > 0);
        if (n > 14 && buf[12] == 0x88 && buf[13] == 0xb5)
            return n;
    }
}

static void registers(void **state)
{
    Vm *vm = vm_start(args);
    Dev d = dev_find(vm, TYPE, 0);
    uint8_t mac[6];

    dev_check_registers(&d, TYPE, QUEUES, 17);
    for (int i = 0; i < 6; i++)
        mac[i] = vm_load(vm, d.base + MMIO_CONFIG + i, 1);
    assert_memory_equal(mac, guest_mac, 6);
    assert_true(dev_offered(&d) & F(F_MAC));
    assert_int_equal(d.base, SLOT_BASE + 4 * SLOT_STRIDE);
    vm_quit(vm);
}

static void traffic(const char *device, uint64_t features)
{
    const char *argv[] = { "-object", "iothread,id=io", "-netdev", args[1],
                           "-device", device,           NULL };
    Vm *vm = vm_start(argv);
    Dev d = dev_find(vm, TYPE, 0);
    int host = host_side();
    uint8_t frame[1514], got[2048];
    uint32_t len;

    dev_start(&d, features, QUEUES);
    for (int i = 0; i < 20; i++) {
        size_t size = 60 + i * 70;
        Buf b = { vm_alloc(vm, 2048, 16), 2048, true };

        make_frame(frame, size, i);
        guest_send(&d, frame, size);
        assert_int_equal(host_receive(host, got, sizeof(got)), size);
        assert_memory_equal(got, frame, size);

        make_frame(frame, size, 0x80 + i);
        q_add(&d.q[RX], &b, 1, i % 2 && (d.features & F(F_INDIRECT_)));
        q_kick(&d.q[RX]);
        assert_int_equal(send(host, frame, size, 0), size);
        q_wait(&d.q[RX], &len);
        assert_int_equal(len, HDR + size);
        vm_read(vm, b.gpa + HDR, got, size);
        assert_memory_equal(got, frame, size);
    }
    close(host);
    vm_quit(vm);
}

static void both_ways(void **state)
{
    static const char main_loop[] =
        "virtio-net-device,id=e,netdev=n,mac=52:54:00:aa:bb:cc";
    static const char io_thread[] =
        "virtio-net-device,id=e,netdev=n,mac=52:54:00:aa:bb:cc,iothread=io";

    traffic(main_loop, NO_FEATURES);
    traffic(main_loop, ALL_FEATURES);
    traffic(io_thread, ALL_FEATURES);
}

static void merged_buffers(void **state)
{
    Vm *vm = vm_start(args);
    Dev d = dev_find(vm, TYPE, 0);
    int host = host_side();
    uint8_t frame[1200], got[2048];
    uint16_t num;
    uint32_t len, sum = 0;

    dev_start(&d, F(F_VERSION_1_) | F(F_MRG_RXBUF), QUEUES);
    for (int i = 0; i < 40; i++) {
        Buf b = { vm_alloc(vm, 128, 16), 128, true };

        q_add(&d.q[RX], &b, 1, false);
    }
    q_kick(&d.q[RX]);
    make_frame(frame, sizeof(frame), 9);
    assert_int_equal(send(host, frame, sizeof(frame), 0), sizeof(frame));
    q_wait(&d.q[RX], &len);
    vm_read(vm, d.vm->ram_next - 40 * 128, got, 128);
    num = got[10] | got[11] << 8;
    sum = len;
    for (uint16_t i = 1; i < num; i++) {
        q_wait(&d.q[RX], &len);
        sum += len;
    }
    assert_int_equal(sum, HDR + sizeof(frame));
    assert_int_equal(num, (HDR + sizeof(frame) + 127) / 128);
    close(host);
    vm_quit(vm);
}

static uint8_t control(Dev *d, uint8_t cls, uint8_t cmd, const void *data,
                       size_t len)
{
    uint64_t gpa = vm_alloc(d->vm, 16 + len, 16);
    Buf bufs[3] = { { gpa, 2, false } };
    uint8_t head[2] = { cls, cmd };
    unsigned n = 1;

    vm_write(d->vm, gpa, head, 2);
    vm_store(d->vm, gpa + 8, 0xee, 1);
    if (len) {
        vm_write(d->vm, gpa + 16, data, len);
        bufs[n++] = (Buf){ gpa + 16, len, false };
    }
    bufs[n++] = (Buf){ gpa + 8, 1, true };
    q_do(&d->q[CTRL], bufs, n);
    return vm_load(d->vm, gpa + 8, 1);
}

static void control_queue(void **state)
{
    Vm *vm = vm_start(args);
    Dev d = dev_find(vm, TYPE, 0);
    uint8_t on = 1, mac[6] = { 0x52, 0x54, 0, 1, 2, 3 };

    dev_start(&d, ALL_FEATURES, QUEUES);
    assert_true(d.features & F(F_CTRL_VQ));
    assert_int_equal(control(&d, 0, 0, &on, 1), 0);  /* promiscuous */
    assert_int_equal(control(&d, 1, 1, mac, 6), 0);  /* address */
    assert_int_equal(control(&d, 1, 1, mac, 5), 1);  /* too short */
    assert_int_equal(control(&d, 99, 0, &on, 1), 1); /* no such class */
    assert_int_equal(control(&d, 0, 99, &on, 1), 1);
    assert_int_equal(control(&d, 0, 0, NULL, 0), 1);
    for (int cls = 0; cls < 8; cls++)
        for (int cmd = 0; cmd < 8; cmd++)
            control(&d, cls, cmd, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
    vm_quit(vm);
}

/* What is no frame is dropped; what is no request breaks the device. */
static void odd_frames(void **state)
{
    Vm *vm = vm_start(args);
    Dev d = dev_find(vm, TYPE, 0);
    int host = host_side();
    uint64_t gpa = vm_alloc(vm, 1 << 20, 4096);
    const Buf odd[] = {
        { gpa, HDR, false },
        { gpa, HDR + 1, false },
        { gpa, 1 << 20, false },
    };
    const Buf wrong[] = { { gpa, HDR - 1, false }, { gpa, HDR + 60, true } };
    uint8_t frame[100], got[2048];

    dev_start(&d, ALL_FEATURES, QUEUES);
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
        q_do(&d.q[TX], &odd[i], 1);
    /* a megabyte may have filled the socket: what came before goes */
    while (recv(host, got, sizeof(got), MSG_DONTWAIT) > 0)
        ;
    make_frame(frame, sizeof(frame), 1);
    guest_send(&d, frame, sizeof(frame));
    assert_int_equal(host_receive(host, got, sizeof(got)), sizeof(frame));
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        dev_start(&d, ALL_FEATURES, QUEUES);
        q_add(&d.q[TX], &wrong[i], 1, false);
        q_kick(&d.q[TX]);
        dev_expect_broken(&d);
    }
    close(host);
    vm_quit(vm);
}

static void survives_hostile_rings(void **state)
{
    Vm *vm = vm_start(args);
    Dev d = dev_find(vm, TYPE, 0);
    int host = host_side();
    uint8_t frame[100], got[2048];

    dev_torture(&d, QUEUES, TX);
    dev_torture(&d, QUEUES, CTRL);
    dev_start(&d, ALL_FEATURES, QUEUES);
    make_frame(frame, sizeof(frame), 1);
    guest_send(&d, frame, sizeof(frame));
    assert_int_equal(host_receive(host, got, sizeof(got)), sizeof(frame));
    close(host);
    vm_quit(vm);
}

static void pause_and_reset(void **state)
{
    Vm *vm = vm_start(args);
    Dev d = dev_find(vm, TYPE, 0);
    int host = host_side();
    uint8_t frame[100];
    uint32_t len;

    make_frame(frame, sizeof(frame), 1);
    for (int i = 0; i < 5; i++) {
        Buf b = { vm_alloc(vm, 2048, 16), 2048, true };

        dev_start(&d, ALL_FEATURES, QUEUES);
        q_add(&d.q[RX], &b, 1, false);
        q_kick(&d.q[RX]);
        vm_qmp_do(vm, "stop", NULL);
        assert_int_equal(send(host, frame, sizeof(frame), 0), sizeof(frame));
        assert_int_equal(vm_load(vm, d.q[RX].used + 2, 2), 0);
        vm_qmp_do(vm, "cont", NULL);
        q_wait(&d.q[RX], &len);
        assert_int_equal(len, HDR + sizeof(frame));
        vm_qmp_do(vm, "system_reset", NULL);
        json_decref(vm_event(vm, "RESET"));
    }
    close(host);
    vm_quit(vm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(registers),
        cmocka_unit_test(both_ways),
        cmocka_unit_test(merged_buffers),
        cmocka_unit_test(control_queue),
        cmocka_unit_test(odd_frames),
        cmocka_unit_test(survives_hostile_rings),
        cmocka_unit_test(pause_and_reset),
    };

    if (!enter_namespace()) {
        fprintf(stderr,
                "skipped: needs /dev/net/tun and a network namespace "
                "(%s)\n",
                strerror(errno));
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
