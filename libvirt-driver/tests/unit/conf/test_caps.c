// SPDX-License-Identifier: LGPL-2.1-or-later
// test_caps.c - capability documents against their text and libvirt's schema.
#include <config.h>

#include <glib.h>
#include <libxml/parser.h>
#include <libxml/relaxng.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "conf/caps.h"
#include "util/error.h"

#define SCHEMAS "/usr/share/libvirt/schemas/"

static const CapsPages pages[] = { { 4, 1628723 }, { 2048, 0 } };
static const CapsCpu cpus[] = { { 0, 0, 0, 0, "0-1" }, { 1, 0, 0, 0, "0-1" } };
static const guint near[] = { 10, 20 };
static const guint far[] = { 20, 10 };
static const CapsCell cells[] = {
    { 0, 6514892, pages, 2, near, cpus, 2 },
    { 1, 0, NULL, 0, far, NULL, 0 },
};
static const CapsSecurity security[] = {
    { "none", "0", NULL },
    { "dac", "0", "+64055:+64055" },
};
static const Caps host = {
    .uuid = "7c1f0c52-0d3e-4c0a-9a55-6f2f4b9f0a11",
    .arch = "x86_64",
    .vendor = "Intel",
    .microcode = 1,
    .sockets = 1,
    .cores = 1,
    .threads = 2,
    .pages = pages,
    .n_pages = 2,
    .cells = cells,
    .n_cells = 2,
    .security = security,
    .n_security = 2,
    .emulator = "/usr/bin/a&b",
    .max_vcpus = 64,
};
static const DomainCapsLimits limits = {
    .arch = "x86_64",
    .emulator = "/usr/bin/stratovmm",
    .max_vcpus = 300,
};

/* Against the schema of the libvirt that is installed, if there is one. */
static void check_schema(const char *text, const char *file)
{
    g_autofree char *path = g_strconcat(SCHEMAS, file, NULL);
    xmlRelaxNGParserCtxtPtr parser;
    xmlRelaxNGPtr schema;
    xmlRelaxNGValidCtxtPtr valid;
    xmlDocPtr doc = xmlReadMemory(text, (int)strlen(text), NULL, NULL, 0);

    assert_non_null(doc);
    if (access(path, R_OK) == 0) {
        parser = xmlRelaxNGNewParserCtxt(path);
        schema = xmlRelaxNGParse(parser);
        valid = xmlRelaxNGNewValidCtxt(schema);
        assert_int_equal(xmlRelaxNGValidateDoc(valid, doc), 0);
        xmlRelaxNGFreeValidCtxt(valid);
        xmlRelaxNGFree(schema);
        xmlRelaxNGFreeParserCtxt(parser);
    }
    xmlFreeDoc(doc);
}

static void test_capabilities(void **state)
{
    g_autoptr(GString) buf = g_string_new(NULL);

    caps_format(&host, buf);
    check_schema(buf->str, "capability.rng");
    assert_true(g_str_has_prefix(
        buf->str, "<capabilities>\n  <host>\n"
                  "    <uuid>7c1f0c52-0d3e-4c0a-9a55-6f2f4b9f0a11</uuid>\n"
                  "    <cpu>\n      <arch>x86_64</arch>\n"));
    assert_non_null(
        strstr(buf->str,
               "      <topology sockets='1' dies='1' cores='1' threads='2'/>\n"
               "      <pages unit='KiB' size='4'/>\n"
               "      <pages unit='KiB' size='2048'/>\n"));
    assert_non_null(strstr(buf->str,
                           "            <cpu id='1' socket_id='0' die_id='0' "
                           "core_id='0' siblings='0-1'/>\n"));
    assert_non_null(strstr(buf->str, "<sibling id='1' value='20'/>"));
    assert_non_null(strstr(buf->str, "<emulator>/usr/bin/a&amp;b</emulator>"));
    assert_non_null(
        strstr(buf->str, "<machine canonical='microvm-1.0' "
                         "maxCpus='64'>microvm</machine>\n"
                         "      <machine maxCpus='64'>microvm-1.0</machine>"));
    assert_null(strstr(buf->str, "q35"));
}

static void test_capabilities_of_little(void **state)
{
    const Caps little = { .arch = "aarch64", .emulator = "/x" };
    g_autoptr(GString) buf = g_string_new(NULL);

    caps_format(&little, buf);
    check_schema(buf->str, "capability.rng");
    assert_null(strstr(buf->str, "<apic"));
    assert_null(strstr(buf->str, "<uuid>"));
}

static void test_domain_capabilities(void **state)
{
    static const DomainCapsQuery queries[] = {
        { NULL, NULL, NULL, NULL },
        { "/usr/bin/stratovmm", "x86_64", "microvm", "kvm" },
        { NULL, NULL, "microvm-1.0", NULL },
    };

    for (guint i = 0; i < G_N_ELEMENTS(queries); i++) {
        g_autoptr(GString) buf = g_string_new(NULL);
        g_autoptr(GError) error = NULL;

        assert_true(domain_caps_format(&queries[i], &limits, buf, &error));
        check_schema(buf->str, "domaincaps.rng");
        assert_true(g_str_has_prefix(buf->str,
                                     "<domainCapabilities>\n"
                                     "  <path>/usr/bin/stratovmm</path>\n"
                                     "  <domain>kvm</domain>\n"
                                     "  <machine>microvm-1.0</machine>\n"
                                     "  <arch>x86_64</arch>\n"
                                     "  <vcpu max='254'/>\n"));
        assert_non_null(strstr(buf->str, "<graphics supported='no'/>"));
    }
}

static void test_domain_capabilities_aarch64(void **state)
{
    const DomainCapsLimits arm = { .arch = "aarch64", .emulator = "/x" };
    const DomainCapsQuery query = { NULL, NULL, NULL, NULL };
    g_autoptr(GString) buf = g_string_new(NULL);

    assert_true(domain_caps_format(&query, &arm, buf, NULL));
    check_schema(buf->str, "domaincaps.rng");
    assert_non_null(strstr(buf->str, "<gic supported='yes'>"));
}

static void test_domain_capabilities_refusals(void **state)
{
    static const struct {
        DomainCapsQuery query;
        const char *text;
    } rows[] = {
        { { "/bin/sh", NULL, NULL, NULL },
          "emulator '/bin/sh' is not available on this host; accepted: "
          "'/usr/bin/stratovmm'" },
        { { NULL, "riscv64", NULL, NULL },
          "architecture 'riscv64' is not available on this host; accepted: "
          "'x86_64'" },
        { { NULL, NULL, "pc", NULL },
          "machine 'pc' is not available on this host; accepted: 'microvm'" },
        { { NULL, NULL, NULL, "qemu" },
          "domain type 'qemu' is not available on this host; accepted: "
          "'kvm'" },
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GString) buf = g_string_new(NULL);
        g_autoptr(GError) error = NULL;

        assert_false(domain_caps_format(&rows[i].query, &limits, buf, &error));
        assert_int_equal(error->code, VIR_ERR_INVALID_ARG);
        assert_string_equal(error->message, rows[i].text);
        assert_int_equal(buf->len, 0);
    }
}

static void test_sysinfo(void **state)
{
    const Sysinfo info = {
        .bios_vendor = "V & Co",
        .manufacturer = "M",
        .serial = "",
        .uuid = "7c1f0c52-0d3e-4c0a-9a55-6f2f4b9f0a11",
        .chassis = { .asset = "A" },
    };
    const Sysinfo nothing = { NULL };
    g_autoptr(GString) buf = g_string_new(NULL);
    g_autoptr(GString) empty = g_string_new(NULL);

    sysinfo_format(&info, buf);
    assert_string_equal(
        buf->str,
        "<sysinfo type='smbios'>\n  <bios>\n"
        "    <entry name='vendor'>V &amp; Co</entry>\n  </bios>\n"
        "  <system>\n    <entry name='manufacturer'>M</entry>\n"
        "    <entry name='uuid'>7c1f0c52-0d3e-4c0a-9a55-6f2f4b9f0a11"
        "</entry>\n  </system>\n  <chassis>\n"
        "    <entry name='asset'>A</entry>\n  </chassis>\n</sysinfo>\n");
    sysinfo_format(&nothing, empty);
    assert_string_equal(empty->str, "<sysinfo type='smbios'>\n</sysinfo>\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_capabilities),
        cmocka_unit_test(test_capabilities_of_little),
        cmocka_unit_test(test_domain_capabilities),
        cmocka_unit_test(test_domain_capabilities_aarch64),
        cmocka_unit_test(test_domain_capabilities_refusals),
        cmocka_unit_test(test_sysinfo),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
