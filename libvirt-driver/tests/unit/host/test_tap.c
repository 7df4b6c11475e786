/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Taps and bridges, in a network namespace of the test's own. */
#include <config.h>

#include "host/tap.h"

#include <linux/sockios.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "util/error.h"

static const guint8 mac[6] = { 0x52, 0x54, 0x00, 0x12, 0x34, 0x56 };

static int request(const char *ifname, unsigned long what, struct ifreq *ifr)
{
    int sock = socket(AF_INET, SOCK_DGRAM, 0);
    int r;

    g_strlcpy(ifr->ifr_name, ifname, IFNAMSIZ);
    r = ioctl(sock, what, ifr);
    close(sock);
    return r;
}

static void tap_is_made_and_goes(void **state)
{
    TapRequest req = { .mac = mac, .queues = 1, .mtu = 1400 };
    g_autofree char *ifname = NULL;
    struct ifreq ifr;
    int fd;

    assert_true(tap_open(&req, &ifname, &fd, NULL));
    assert_string_equal(ifname, "vnet0");
    assert_int_equal(request(ifname, SIOCGIFHWADDR, &ifr), 0);
    assert_int_equal((guint8)ifr.ifr_hwaddr.sa_data[0], 0xfe);
    assert_memory_equal(ifr.ifr_hwaddr.sa_data + 1, mac + 1, 5);
    assert_int_equal(request(ifname, SIOCGIFMTU, &ifr), 0);
    assert_int_equal(ifr.ifr_mtu, 1400);
    assert_int_equal(request(ifname, SIOCGIFFLAGS, &ifr), 0);
    assert_true(ifr.ifr_flags & IFF_UP);
    close(fd);
    assert_int_equal(if_nametoindex("vnet0"), 0);
}

static void several_queues(void **state)
{
    TapRequest req = { .ifname = "mq0", .queues = 4, .link_down = TRUE };
    g_autofree char *ifname = NULL;
    struct ifreq ifr;
    int fds[4];

    assert_true(tap_open(&req, &ifname, fds, NULL));
    assert_string_equal(ifname, "mq0");
    assert_int_equal(request(ifname, SIOCGIFFLAGS, &ifr), 0);
    assert_false(ifr.ifr_flags & IFF_UP);
    for (int i = 0; i < 4; i++)
        close(fds[i]);
}

static void bridge_gets_the_tap(void **state)
{
    TapRequest req = { .bridge = "br7", .mac = mac, .queues = 1 };
    int sock = socket(AF_INET, SOCK_DGRAM, 0);
    g_autofree char *ifname = NULL;
    g_autoptr(GError) error = NULL;
    unsigned long args[4] = { 0 };
    int indices[8] = { 0 };
    struct ifreq ifr = { 0 };
    int fd;

    assert_false(tap_open(&req, &ifname, &fd, &error));
    assert_non_null(strstr(error->message, "to the bridge 'br7'"));
    assert_int_equal(if_nametoindex("vnet0"), 0); /* undone */
    if (ioctl(sock, SIOCBRADDBR, "br7") < 0) {
        close(sock);
        skip(); /* a kernel without bridges */
    }
    assert_true(tap_open(&req, &ifname, &fd, NULL));
    args[0] = 7; /* BRCTL_GET_PORT_LIST */
    args[1] = (unsigned long)indices;
    args[2] = G_N_ELEMENTS(indices);
    ifr.ifr_data = (char *)args;
    assert_true(request("br7", SIOCDEVPRIVATE, &ifr) >= 0);
    assert_int_equal(indices[1], if_nametoindex(ifname));
    close(fd);
    close(sock);
}

static void existing_tap_is_left_as_it_is(void **state)
{
    TapRequest make = { .ifname = "mine0", .queues = 2, .link_down = TRUE };
    TapRequest req = {
        .ifname = "mine0", .queues = 2, .existing = TRUE, .mac = mac
    };
    g_autofree char *ifname = NULL;
    g_autofree char *again = NULL;
    struct ifreq ifr;
    int owner[2], guest[2];

    assert_true(tap_open(&make, &ifname, owner, NULL));
    assert_true(tap_open(&req, &again, guest, NULL));
    assert_string_equal(again, "mine0");
    assert_int_equal(request("mine0", SIOCGIFFLAGS, &ifr), 0);
    assert_false(ifr.ifr_flags & IFF_UP);
    assert_int_equal(request("mine0", SIOCGIFHWADDR, &ifr), 0);
    assert_memory_not_equal(ifr.ifr_hwaddr.sa_data + 1, mac + 1, 5);
    for (int i = 0; i < 2; i++) {
        close(owner[i]);
        close(guest[i]);
    }
}

static void long_names_are_refused(void **state)
{
    TapRequest req = { .ifname = "sixteen-letters!", .queues = 1 };
    g_autoptr(GError) error = NULL;
    char *ifname;
    int fd;

    assert_false(tap_open(&req, &ifname, &fd, &error));
    assert_int_equal(error->code, VIR_ERR_CONFIG_UNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tap_is_made_and_goes),
        cmocka_unit_test(several_queues),
        cmocka_unit_test(bridge_gets_the_tap),
        cmocka_unit_test(existing_tap_is_left_as_it_is),
        cmocka_unit_test(long_names_are_refused),
    };

    alarm(60);
    if (unshare(CLONE_NEWNET) < 0 || access("/dev/net/tun", R_OK | W_OK) < 0) {
        puts("skipped: needs root and /dev/net/tun");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
