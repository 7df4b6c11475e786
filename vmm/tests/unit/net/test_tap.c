/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Unit tests of net/: options and taps. */
#include <config.h>

#include "net/net.h"

#include "util/cleanup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "netns.h"

#include <linux/if_tun.h>
#include <poll.h>

static bool have_taps;

static int parse(const char *text, Err *e)
{
    NetConf conf = { 0 };
    OptBag bag;
    int r;

    *e = (Err)ERR_INIT;
    assert_int_equal(
        opt_bag_text(&bag, "-netdev", text, OPT_HEAD_NAME, NULL, e), 0);
    r = opt_parse(net_tap_opts, &bag, &conf, e);
    if (r == 0)
        r = net_check(&conf, e);
    opt_bag_fini(&bag);
    return r;
}

static void test_options(void **state)
{
    static const struct {
        const char *text;
        const char *error; /* NULL: fine */
    } cases[] = {
        { "tap,id=n,ifname=tap0", NULL },
        { "tap,id=n,fd=5", NULL },
        { "tap,id=n,fds=5:6:7,queues=3", NULL },
        { "tap,id=n,ifname=tap0,vhost=off", NULL },
        { "tap,id=n", "netdev 'n': a tap needs ifname= (an interface) or fd= "
                      "(a passed descriptor)" },
        { "tap,id=n,fd=3,path=/dev/tap3",
          "netdev 'n': path= needs ifname= beside it" },
        { "tap,id=n,ifname=tap0,vhost=on",
          "netdev 'n': vhost=on is not supported; leave it out" },
        { "tap,id=n,fds=1:2:3:4:5:6:7:8:9:10:11:12:13:14:15:16:17",
          "netdev 'n': 17 descriptors given, at most 16 queue pairs can be "
          "had" },
    };
    Err e;

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        int r = parse(cases[i].text, &e);

        assert_string_equal(e.msg, cases[i].error ? cases[i].error : "");
        assert_int_equal(r < 0, cases[i].error != NULL);
    }
}

static void test_bad_descriptors(void **state)
{
    NetConf conf = { .id = "n", .queues = 1, .fds = { 1, { 999 } } };
    Netdev *nd = NULL;
    Err e = ERR_INIT;
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

    assert_int_equal(netdev_open(&nd, &conf, &e), -EBADF);
    assert_string_equal(e.msg, "netdev 'n': descriptor 999 is not open");
    conf.fds.fd[0] = fd;
    e = (Err)ERR_INIT;
    assert_int_equal(netdev_open(&nd, &conf, &e), -EINVAL);
    assert_non_null(strstr(e.msg, "is not a tap"));
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC); /* still the caller's */
    close(fd);
    assert_null(nd);
}

static void test_no_node(void **state)
{
    NetConf conf = {
        .id = "n", .queues = 1, .ifname = "tap0", .path = "/nonexistent/tun"
    };
    Netdev *nd = NULL;
    Err e = ERR_INIT;

    assert_int_equal(netdev_open(&nd, &conf, &e), -ENOENT);
    assert_string_equal(
        e.msg, "netdev 'n': there is no /nonexistent/tun on this host: load "
               "the kernel module 'tun', or pass a tap with fd=");
}

static void test_packets(void **state)
{
    NetConf conf = { .id = "n", .queues = 1, .ifname = "ut0" };
    uint8_t out[NET_HDR_BYTES + 64] = { 0 }, in[2048], buf[2048];
    struct iovec iov[2];
    struct pollfd pfd = { .events = POLLIN };
    NetStats stats;
    Netdev *nd = NULL;
    Err e = ERR_INIT;
    int host;

    if (!have_taps)
        skip();
    assert_int_equal(netdev_open(&nd, &conf, &e), 0);
    assert_string_equal(netdev_ifname(nd), "ut0");
    assert_int_equal(netdev_pairs(nd), 1);
    assert_true(netdev_offloads(nd) & NET_OFFLOAD_TSO4);
    assert_int_equal(netdev_set_offloads(nd, netdev_offloads(nd)), 0);

    /* Down: what is sent is dropped, like on an unplugged cable. */
    memset(out + NET_HDR_BYTES, 0xff, 6);
    iov[0] = (struct iovec){ out, NET_HDR_BYTES };
    iov[1] = (struct iovec){ out + NET_HDR_BYTES, 64 };
    assert_int_equal(netdev_send(nd, 0, iov, 2, sizeof(out)), 0);
    netdev_stats(nd, &stats);
    assert_int_equal(stats.tx_packets, 0);
    assert_int_equal(stats.tx_dropped, 1);

    assert_int_equal(netns_up("ut0", true), 0);
    host = netns_socket("ut0");
    assert_true(host >= 0);
    assert_int_equal(netdev_send(nd, 0, iov, 2, sizeof(out)), 0);
    assert_int_equal(recv(host, buf, sizeof(buf), 0), 64);
    assert_memory_equal(buf, out + NET_HDR_BYTES, 64);

    iov[0] = (struct iovec){ in, 20 };
    iov[1] = (struct iovec){ in + 20, sizeof(in) - 20 };
    assert_int_equal(netdev_recv(nd, 0, iov, 2), -EAGAIN);
    memset(buf, 0x5a, 100);
    assert_int_equal(send(host, buf, 100, 0), 100);
    pfd.fd = netdev_fd(nd, 0);
    assert_int_equal(poll(&pfd, 1, 10000), 1);
    assert_int_equal(netdev_recv(nd, 0, iov, 2), 112);
    assert_memory_equal(in + NET_HDR_BYTES, buf, 100);
    netdev_stats(nd, &stats);
    assert_int_equal(stats.rx_packets, 1);
    assert_int_equal(stats.rx_bytes, 100);
    assert_int_equal(stats.tx_bytes, 64);

    /* Nonsense from a guest is refused by the kernel and counted. */
    out[0] = 1; /* needs a checksum, beyond the packet */
    out[6] = 0xff;
    out[7] = 0xff;
    iov[0] = (struct iovec){ out, sizeof(out) };
    assert_int_equal(netdev_send(nd, 0, iov, 1, sizeof(out)), 0);
    assert_int_equal(netdev_send(nd, 0, iov, 0, 0), 0);
    netdev_stats(nd, &stats);
    assert_int_equal(stats.tx_errors, 2);
    close(host);
    netdev_close(nd);
}

static void test_queues(void **state)
{
    NetConf conf = { .id = "n", .queues = 4, .ifname = "ut1" };
    Netdev *nd = NULL, *other = NULL;
    Err e = ERR_INIT;

    if (!have_taps)
        skip();
    assert_int_equal(netdev_open(&nd, &conf, &e), 0);
    assert_int_equal(netdev_pairs(nd), 4);
    assert_int_equal(netdev_set_pairs(nd, 3), 0);
    assert_int_equal(netdev_set_pairs(nd, 4), 0);
    assert_int_equal(netdev_set_pairs(nd, 1), 0);
    assert_int_equal(netdev_set_pairs(nd, 99), 0); /* as many as there are */

    /* One queue of a multi-queue tap that is there. */
    conf.queues = 1;
    assert_int_equal(netdev_open(&other, &conf, &e), -EINVAL);
    assert_string_equal(e.msg, "netdev 'n': interface 'ut1' is not a "
                               "single-queue tap that this host can attach "
                               "to");
    netdev_close(nd);
}

static void test_in_use(void **state)
{
    NetConf conf = { .id = "n", .queues = 1, .ifname = "ut2" };
    Netdev *nd = NULL, *other = NULL;
    Err e = ERR_INIT;

    if (!have_taps)
        skip();
    assert_int_equal(netdev_open(&nd, &conf, &e), 0);
    assert_int_equal(netdev_open(&other, &conf, &e), -EBUSY);
    assert_string_equal(
        e.msg, "netdev 'n': interface 'ut2' is in use by another program");
    conf.queues = 2;
    e = (Err)ERR_INIT;
    assert_int_equal(netdev_open(&other, &conf, &e), -EINVAL);
    assert_non_null(strstr(e.msg, "is no multi-queue tap"));
    netdev_close(nd);
}

static int raw_tap(const char *ifname, int flags)
{
    struct ifreq ifr = { .ifr_flags = (short)flags };
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

    strncpy(ifr.ifr_name, ifname, IFNAMSIZ - 1);
    assert_int_equal(ioctl(fd, TUNSETIFF, &ifr), 0);
    return fd;
}

static void test_passed(void **state)
{
    NetConf conf = { .id = "n", .queues = 1, .fds = { .num = 1 } };
    Netdev *nd = NULL;
    Err e = ERR_INIT;
    int fd;

    if (!have_taps)
        skip();
    fd = raw_tap("ut3", IFF_TAP | IFF_NO_PI); /* no virtio header */
    conf.fds.fd[0] = fd;
    assert_int_equal(netdev_open(&nd, &conf, &e), -EINVAL);
    assert_non_null(strstr(e.msg, "must be opened with IFF_VNET_HDR"));
    close(fd);

    fd = raw_tap("ut4", IFF_TAP | IFF_NO_PI | IFF_VNET_HDR);
    conf.fds.fd[0] = fd;
    e = (Err)ERR_INIT;
    assert_int_equal(netdev_open(&nd, &conf, &e), 0);
    assert_string_equal(netdev_ifname(nd), "ut4");
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    netdev_close(nd);
    assert_int_equal(fcntl(fd, F_GETFD), -1); /* it was taken */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options), cmocka_unit_test(test_bad_descriptors),
        cmocka_unit_test(test_no_node), cmocka_unit_test(test_packets),
        cmocka_unit_test(test_queues),  cmocka_unit_test(test_in_use),
        cmocka_unit_test(test_passed),
    };

    alarm(60);
    have_taps = netns_enter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
