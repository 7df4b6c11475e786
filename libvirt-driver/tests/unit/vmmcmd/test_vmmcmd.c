// SPDX-License-Identifier: LGPL-2.1-or-later
// test_vmmcmd.c - what the golden files cannot reach: refusals and options.
#include <config.h>

#include <glib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "util/error.h"
#include "vmmcmd/vmmcmd.h"

static const char guest_xml[] =
    "<domain type='kvm'><name>g</name><memory unit='KiB'>262145</memory>"
    "<os><type>hvm</type><kernel>/k</kernel></os><devices>"
    "<disk type='file'><source file='/a'/><target dev='vda'/></disk>"
    "<console type='pty'><log file='/l'/></console></devices></domain>";

typedef struct Guest {
    DomainDef *def;
    VmmCaps *caps;
    VmmResources res;
    VmmFile disk;
    VmmChr serial;
    VmmChr console;
} Guest;

static int setup(void **state)
{
    static const DomainCapsLimits limits = { .arch = "x86_64",
                                             .emulator = "/vmm" };
    Guest *guest = g_new0(Guest, 1);

    guest->def = domain_def_parse(guest_xml, 0, &limits, NULL);
    assert_non_null(guest->def);
    domain_def_assign_aliases(guest->def);
    guest->caps = vmm_caps_new();
    for (int i = 0; i < VMM_FEATURE_MAX; i++)
        vmm_caps_set(guest->caps, i);
    guest->disk = (VmmFile){ 5, "/a" };
    guest->serial = (VmmChr){ VMM_FILE_NONE, { 6, "/l" } };
    guest->console = (VmmChr){ VMM_FILE_NONE, VMM_FILE_NONE };
    vmm_resources_init(&guest->res);
    guest->res.binary = "/vmm";
    guest->res.kernel = (VmmFile){ 7, "/k" };
    guest->res.qmp = (VmmFile){ 8, "/q" };
    guest->res.disks = &guest->disk;
    guest->res.serials = &guest->serial;
    guest->res.consoles = &guest->console;
    *state = guest;
    return 0;
}

static int teardown(void **state)
{
    Guest *guest = *state;

    domain_def_free(guest->def);
    vmm_caps_free(guest->caps);
    g_free(guest);
    return 0;
}

/* The value behind an option, or "" for one without; NULL if absent. */
static char *option(const Guest *guest, const char *name)
{
    g_autoptr(GError) error = NULL;
    GPtrArray *argv =
        vmmcmd_build(guest->def, &guest->res, guest->caps, &error);
    char *value = NULL;

    assert_non_null(argv);
    for (guint i = 0; argv->pdata[i] && !value; i++) {
        const char *next = argv->pdata[i + 1];

        if (strcmp(argv->pdata[i], name) == 0)
            value = g_strdup(next && next[0] != '-' ? next : "");
    }
    g_ptr_array_unref(argv);
    return value;
}

static void check_option(const Guest *guest, const char *name, const char *want)
{
    g_autofree char *got = option(guest, name);

    if (want)
        assert_string_equal(got, want);
    else
        assert_null(got);
}

static void check_refused(const Guest *guest, const char *text)
{
    g_autoptr(GError) error = NULL;

    assert_null(vmmcmd_build(guest->def, &guest->res, guest->caps, &error));
    assert_int_equal(error->code, VIR_ERR_CONFIG_UNSUPPORTED);
    assert_string_equal(error->message, text);
}

static void test_process_options(void **state)
{
    Guest *guest = *state;

    check_option(guest, "-m", "262145K");
    check_option(guest, "-S", NULL);
    check_option(guest, "-disable-seccomp", NULL);
    check_option(guest, "-exit-record", NULL);
    check_option(guest, "-D", NULL);
    check_option(guest, "-accel", "kvm");
    guest->res.paused = TRUE;
    guest->res.disable_seccomp = TRUE;
    guest->res.exit_fd = 9;
    guest->res.log = (VmmFile){ 10, "/log" };
    check_option(guest, "-S", "");
    check_option(guest, "-disable-seccomp", "");
    check_option(guest, "-exit-record", "9");
    check_option(guest, "-D", "/dev/fdset/4");
}

static void test_actions(void **state)
{
    Guest *guest = *state;

    check_option(guest, "-action",
                 "reboot=reset,shutdown=poweroff,panic=exit-failure");
    guest->def->on_poweroff = DOMAIN_ACTION_RESTART;
    guest->def->on_reboot = DOMAIN_ACTION_DESTROY;
    guest->def->on_crash = DOMAIN_ACTION_RESTART;
    check_option(guest, "-action",
                 "reboot=shutdown,shutdown=pause,panic=pause");
    check_option(guest, "-no-shutdown", NULL);
    guest->caps->features &= ~(1u << VMM_FEATURE_ACTION);
    check_option(guest, "-action", NULL);
    check_option(guest, "-no-shutdown", "");
}

static void test_log_needs_the_feature(void **state)
{
    Guest *guest = *state;

    check_option(guest, "-chardev",
                 "socket,id=charmonitor,fd=8,server=on,wait=off");
    check_option(guest, "-serial", "chardev:charserial0");
    guest->caps->features &= ~(1u << VMM_FEATURE_SERIAL_CHARDEV);
    check_option(guest, "-serial", "pty,logfile=/dev/fdset/2,logappend=on");
    guest->caps->features &= ~(1u << VMM_FEATURE_CHARDEV_LOG);
    check_option(guest, "-serial", "pty");
}

static void test_monitor_by_path(void **state)
{
    Guest *guest = *state;

    guest->res.qmp = (VmmFile){ -1, "/run/q" };
    check_option(guest, "-qmp", "unix:/run/q,server,nowait");
    guest->res.qmp = (VmmFile){ -1, "/run/a:b" };
    check_refused(guest,
                  "the monitor's path '/run/a:b' contains ',', ':' or '='");
    guest->res.qmp = VMM_FILE_NONE;
    check_refused(guest, "the VMM needs a monitor socket that it can take");
}

static void test_descriptors_need_the_feature(void **state)
{
    Guest *guest = *state;

    guest->caps->features &= ~(1u << VMM_FEATURE_ADD_FD);
    check_refused(guest, "this VMM takes no descriptor for kernel");
}

static void test_missing_resources(void **state)
{
    Guest *guest = *state;

    guest->disk = VMM_FILE_NONE;
    check_refused(guest, "nothing was opened for drive-virtio-disk0");
    guest->res.disks = NULL;
    check_refused(guest, "nothing was opened for the devices of 'g'");
}

static void test_values_that_would_be_options(void **state)
{
    Guest *guest = *state;

    g_free(guest->def->name);
    guest->def->name = g_strdup("-S");
    check_refused(guest, "the value of -name cannot start with '-': the VMM "
                         "would take '-S' for an option");
    g_free(guest->def->name);
    guest->def->name = g_strdup("a\nb");
    check_refused(guest, "the value of -name contains a control character");
}

static void test_paths_that_would_be_cut(void **state)
{
    static const char *const paths[] = { "/a,b", "/a=b", "/a\001b" };
    Guest *guest = *state;

    for (guint i = 0; i < G_N_ELEMENTS(paths); i++) {
        g_autofree char *text = g_strdup_printf(
            "file of -drive cannot be '%s': the VMM takes no ',', '=' or "
            "control character there",
            paths[i]);

        guest->disk = (VmmFile){ -1, paths[i] };
        check_refused(guest, text);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_process_options),
        T(test_actions),
        T(test_log_needs_the_feature),
        T(test_monitor_by_path),
        T(test_descriptors_need_the_feature),
        T(test_missing_resources),
        T(test_values_that_would_be_options),
        T(test_paths_that_would_be_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
