/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Facts about the host, read from made-up /proc and /sys trees. */
#include <config.h>

#include "host/host.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/host_files.h"
#include "host/tap.h"
#include "host/vmm_probe.h"
#include "util/error.h"

static void put(const char *root, const char *path, const char *text)
{
    g_autofree char *full = g_strconcat(root, path, NULL);
    g_autofree char *dir = g_path_get_dirname(full);

    assert_int_equal(g_mkdir_with_parents(dir, 0755), 0);
    assert_true(g_file_set_contents(full, text, -1, NULL));
}

static int setup(void **state)
{
    char *root = g_dir_make_tmp("stratovirt-host-XXXXXX", NULL);

    alarm(60);
    host_set_root(root);
    *state = root;
    return 0;
}

static int remove_entry(const char *path, const struct stat *st, int type,
                        struct FTW *ftw)
{
    return remove(path);
}

static int teardown(void **state)
{
    nftw(*state, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    host_set_root(NULL);
    g_free(*state);
    return 0;
}

#define CPU "/sys/devices/system/cpu"

/* Two cells with one socket each of two cores with two threads. */
static void make_numa_host(const char *root)
{
    static const struct {
        int socket, core;
        const char *siblings;
    } cpus[] = {
        { 0, 0, "0,4" }, { 0, 1, "1,5" }, { 1, 0, "2,6" }, { 1, 1, "3,7" },
        { 0, 0, "0,4" }, { 0, 1, "1,5" }, { 1, 0, "2,6" }, { 1, 1, "3,7" },
    };

    put(root, CPU "/online", "0-7\n");
    put(root, CPU "/present", "0-9\n");
    for (gsize i = 0; i < G_N_ELEMENTS(cpus); i++) {
        g_autofree char *dir = g_strdup_printf(CPU "/cpu%zu/topology/", i);
        g_autofree char *socket = g_strconcat(dir, "physical_package_id", NULL);
        g_autofree char *core = g_strconcat(dir, "core_id", NULL);
        g_autofree char *list = g_strconcat(dir, "thread_siblings_list", NULL);
        g_autofree char *text = g_strdup_printf("%d\n", cpus[i].socket);

        put(root, socket, text);
        g_free(text);
        text = g_strdup_printf("%d\n", cpus[i].core);
        put(root, core, text);
        put(root, list, cpus[i].siblings);
    }
    put(root, "/sys/devices/system/node/online", "0-1\n");
    put(root, "/sys/devices/system/node/node0/cpulist", "0-1,4-5\n");
    put(root, "/sys/devices/system/node/node1/cpulist", "2-3,6-7\n");
    put(root, "/sys/devices/system/node/node0/distance", "10 21\n");
    put(root, "/sys/devices/system/node/node1/distance", "21 10\n");
    put(root, "/sys/devices/system/node/node0/meminfo",
        "Node 0 MemTotal:       1000 kB\nNode 0 MemFree:         400 kB\n");
    put(root, "/sys/devices/system/node/node1/meminfo",
        "Node 1 MemTotal:       2000 kB\nNode 1 MemFree:         500 kB\n");
    put(root, "/proc/meminfo",
        "MemTotal:        3000 kB\nMemFree:          900 kB\n"
        "Buffers:           10 kB\nCached:            20 kB\n"
        "SwapCached:        99 kB\n");
    put(root, "/proc/cpuinfo",
        "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu MHz\t\t: 2100.5\n");
    put(root, "/proc/stat",
        "cpu  10 20 30 40 50 60 70 0 0 0\ncpu0 1 2 3 4 5 6 7 0 0 0\n"
        "cpu10 9 9 9 9 9 9 9\n");
}

static void numa_host(void **state)
{
    g_autoptr(GPtrArray) cells = NULL;
    const HostCell *cell;
    HostNodeInfo info;
    guint64 bytes[4];
    guint8 *map;
    gsize map_bytes;
    guint online;

    make_numa_host(*state);
    assert_true(host_get_node_info(&info, NULL));
    assert_int_equal(info.cpus, 8);
    assert_int_equal(info.nodes, 2);
    assert_int_equal(info.sockets, 1);
    assert_int_equal(info.cores, 2);
    assert_int_equal(info.threads, 2);
    assert_int_equal(info.mhz, 2100);
    assert_int_equal(info.memory_kib, 3000);
    cells = host_get_cells();
    assert_int_equal(cells->len, 2);
    cell = g_ptr_array_index(cells, 1);
    assert_int_equal(cell->memory_kib, 2000);
    assert_int_equal(cell->cpus->len, 4);
    assert_int_equal(g_array_index(cell->distances, guint, 0), 21);
    assert_int_equal(host_get_cells_free_memory(0, 4, bytes, NULL), 2);
    assert_int_equal(bytes[1], 500 * 1024);
    assert_int_equal(host_get_free_memory_bytes(), 900 * 1024);
    assert_int_equal(host_get_cpu_map(&map, &map_bytes, &online, NULL), 10);
    assert_int_equal(map_bytes, 2);
    assert_int_equal(map[0], 0xff);
    assert_int_equal(map[1], 0);
    assert_int_equal(online, 8);
    g_free(map);
}

static void times_and_memory(void **state)
{
    guint64 tick = G_GUINT64_CONSTANT(1000000000) / sysconf(_SC_CLK_TCK);
    g_autoptr(GError) error = NULL;
    HostStat stats[HOST_STATS_MAX];

    make_numa_host(*state);
    assert_int_equal(host_get_cpu_stats(-1, stats, NULL), 4);
    assert_string_equal(stats[0].field, "kernel");
    assert_int_equal(stats[0].value, 160 * tick);
    assert_int_equal(stats[1].value, 30 * tick);
    assert_int_equal(host_get_cpu_stats(0, stats, NULL), 4);
    assert_int_equal(stats[3].value, 5 * tick);
    assert_int_equal(host_get_cpu_stats(1, stats, &error), -1);
    assert_int_equal(error->code, VIR_ERR_INVALID_ARG);
    assert_int_equal(host_get_memory_stats(-1, stats, NULL), 4);
    assert_int_equal(stats[3].value, 20);
    assert_int_equal(host_get_memory_stats(1, stats, NULL), 2);
    assert_int_equal(stats[0].value, 2000);
    assert_int_equal(host_get_memory_stats(7, stats, NULL), -1);
    assert_int_equal(host_get_cells_free_memory(2, 1, &(guint64){ 0 }, NULL),
                     -1);
}

/* Odd topologies fall back to one socket with all CPUs. */
static void uneven_host(void **state)
{
    HostNodeInfo info;

    put(*state, CPU "/online", "0-2\n");
    put(*state, CPU "/cpu0/topology/physical_package_id", "0");
    put(*state, CPU "/cpu0/topology/core_id", "0");
    put(*state, CPU "/cpu1/topology/physical_package_id", "0");
    put(*state, CPU "/cpu1/topology/core_id", "0");
    put(*state, CPU "/cpu2/topology/physical_package_id", "0");
    put(*state, CPU "/cpu2/topology/core_id", "1");
    assert_true(host_get_node_info(&info, NULL));
    assert_int_equal(info.cpus, 3);
    assert_int_equal(info.sockets * info.cores * info.threads, 3);
}

static void host_uuid(void **state)
{
    const char *dmi = "/sys/class/dmi/id/product_uuid";
    g_autoptr(GError) error = NULL;
    static const struct {
        const char *configured, *source, *smbios, *want;
    } rows[] = {
        { "8A6D7E2C-54F1-4D3C-9D6A-3F1E2B4C5D6E", "smbios", "x",
          "8a6d7e2c-54f1-4d3c-9d6a-3f1e2b4c5d6e" },
        { NULL, "smbios", "11223344-5566-7788-99AA-BBCCDDEEFF00\n",
          "11223344-5566-7788-99aa-bbccddeeff00" },
        { NULL, "smbios", "00000000-0000-0000-0000-000000000000\n",
          "0123456789abcdef0123456789abcde0" },
        { NULL, "smbios", "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF\n",
          "0123456789abcdef0123456789abcde0" },
        { NULL, "smbios", "03000200-0400-0500-0006-000700080009\n",
          "0123456789abcdef0123456789abcde0" },
        { NULL, "smbios", "Not Settable", "0123456789abcdef0123456789abcde0" },
        { NULL, "machine-id", "11223344-5566-7788-99AA-BBCCDDEEFF00\n",
          "0123456789abcdef0123456789abcde0" },
    };

    put(*state, "/etc/machine-id", "0123456789abcdef0123456789abcde0\n");
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *uuid = NULL;
        g_autoptr(GString) plain = NULL;

        put(*state, dmi, rows[i].smbios);
        uuid = host_get_uuid(rows[i].configured, rows[i].source, NULL);
        assert_non_null(uuid);
        plain = g_string_new(uuid);
        if (!strchr(rows[i].want, '-'))
            g_string_replace(plain, "-", "", 0);
        assert_string_equal(plain->str, rows[i].want);
    }
    assert_null(
        host_get_uuid("11111111111111111111111111111111", NULL, &error));
    assert_int_equal(error->code, VIR_ERR_CONF_SYNTAX);
}

static void sysinfo(void **state)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *xml = NULL;

    assert_null(host_get_sysinfo_xml(&error));
    put(*state, "/sys/class/dmi/id/sys_vendor", "A & B\n");
    xml = host_get_sysinfo_xml(NULL);
    assert_non_null(
        strstr(xml, "<entry name='manufacturer'>A &amp; B</entry>"));
}

static void lists(void **state)
{
    g_autoptr(GArray) list = host_parse_list("0-2,5,9-8,x");
    g_autoptr(GArray) huge = host_parse_list("0-99999999999");

    assert_int_equal(list->len, 4);
    assert_int_equal(g_array_index(list, guint, 3), 5);
    assert_true(huge->len <= 65536);
}

/* ---- The VMM's description ---- */

static int runs;

static gboolean run_describe(gpointer user, const char *binary,
                             const char *argument, char **ret_output,
                             GError **error)
{
    runs++;
    if (strcmp(argument, "-describe") != 0)
        return FALSE;
    *ret_output = g_strdup(user);
    return TRUE;
}

static gboolean run_upstream(gpointer user, const char *binary,
                             const char *argument, char **ret_output,
                             GError **error)
{
    if (strcmp(argument, "-version") != 0)
        return vir_error_set(error, VIR_ERR_OPERATION_FAILED, "no");
    *ret_output = g_strdup("StratoVirt 2.5.0\n");
    return TRUE;
}

static const char document[] =
    "{\"schema\":1,\"version\":\"0.1.0\",\"qemu-version\":{\"major\":8,"
    "\"minor\":2,\"micro\":2},\"features\":[\"add-fd\",\"unknown\"],"
    "\"machines\":[{\"name\":\"microvm-1.0\",\"alias\":\"microvm\"},7],"
    "\"devices\":[\"a\",{\"name\":\"b\"}],\"limits\":{\"vcpus\":254},"
    "\"later\":{}}";

static void description_is_cached_by_build(void **state)
{
    g_autofree char *binary = g_strconcat(*state, "/vmm", NULL);
    g_autoptr(VmmInfo) first = NULL;
    g_autoptr(VmmInfo) second = NULL;
    g_autoptr(VmmInfo) third = NULL;

    put(*state, "/vmm", "x");
    runs = 0;
    first = vmm_probe(binary, *state, run_describe, (gpointer)document, NULL);
    assert_non_null(first);
    assert_int_equal(first->caps->qmp_version, 8002002);
    assert_true(vmm_caps_has(first->caps, VMM_FEATURE_ADD_FD));
    assert_false(vmm_caps_has(first->caps, VMM_FEATURE_ACTION));
    assert_int_equal(first->max_vcpus, 254);
    assert_int_equal(first->machines->len, 1);
    assert_true(g_hash_table_contains(first->devices, "b"));
    second = vmm_probe(binary, *state, run_describe, (gpointer)document, NULL);
    vmm_probe_forget(); /* a new daemon reads the cache */
    third = vmm_probe(binary, *state, run_describe, (gpointer)document, NULL);
    assert_int_equal(third->caps->qmp_version, 8002002);
    assert_int_equal(runs, 1);
    put(*state, "/vmm", "xy"); /* another build */
    vmm_info_unref(g_steal_pointer(&third));
    third = vmm_probe(binary, *state, run_describe, (gpointer)document, NULL);
    assert_int_equal(runs, 2);
    vmm_probe_forget();
}

static void bad_descriptions_are_refused(void **state)
{
    static const char *const bad[] = { "", "[]", "{", "{\"schema\":2}",
                                       "{\"schema\":1}" };

    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;

        assert_null(vmm_info_parse(bad[i], &error));
        assert_int_equal(error->code, VIR_ERR_INTERNAL_ERROR);
    }
}

static void vmm_without_description(void **state)
{
    g_autofree char *binary = g_strconcat(*state, "/vmm", NULL);
    g_autoptr(VmmInfo) info = NULL;
    g_autoptr(GError) error = NULL;

    put(*state, "/vmm", "x");
    info = vmm_probe(binary, NULL, run_upstream, NULL, NULL);
    assert_string_equal(info->caps->version, "2.5.0");
    assert_false(vmm_caps_has(info->caps, VMM_FEATURE_ADD_FD));
    vmm_probe_forget();
    assert_null(vmm_probe("/nonexistent", NULL, run_upstream, NULL, &error));
    assert_non_null(strstr(error->message, "cannot find the VMM"));
}

static void mac_addresses(void **state)
{
    guint8 mac[6];

    assert_true(mac_parse("52:54:00:aB:0c:ff", mac));
    assert_int_equal(mac[3], 0xab);
    assert_false(mac_parse("52:54:00:ab:0c", mac));
    assert_false(mac_parse("52:54:00:ab:0c:ff:1", mac));
    assert_false(mac_parse("", mac));
}

static void missing_tap(void **state)
{
    TapRequest req = { .ifname = "nosuchtap0", .existing = TRUE, .queues = 1 };
    g_autoptr(GError) error = NULL;
    char *ifname;
    int fd;

    assert_false(tap_open(&req, &ifname, &fd, &error));
    assert_non_null(strstr(error->message, "there is no tap 'nosuchtap0'"));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(numa_host),
        TEST(times_and_memory),
        TEST(uneven_host),
        TEST(host_uuid),
        TEST(sysinfo),
        TEST(lists),
        TEST(description_is_cached_by_build),
        TEST(bad_descriptions_are_refused),
        TEST(vmm_without_description),
        TEST(mac_addresses),
        TEST(missing_tap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
