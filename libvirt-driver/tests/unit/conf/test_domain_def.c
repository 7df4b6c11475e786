// SPDX-License-Identifier: LGPL-2.1-or-later
// test_domain_def.c - what golden files cannot show: random, live, metadata.
#include <config.h>

#include <glib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "conf/domain_def.h"
#include "conf/domain_machine.h"
#include "conf/vmm_caps.h"
#include "util/error.h"

static const char guest_xml[] =
    "<domain type='kvm'><name>g</name><memory unit='MiB'>256</memory>"
    "<os><type>hvm</type><kernel>/k</kernel></os><devices>"
    "<disk type='file'><source file='/a'/><target dev='vdc'/></disk>"
    "<disk type='block'><source dev='/dev/b'/><target dev='vda'/>"
    "<alias name='ua-mine'/></disk>"
    "<interface type='bridge'><source bridge='br0'/></interface>"
    "<console type='pty'/><console type='pty'><target type='virtio'/>"
    "</console><rng><backend/></rng></devices></domain>";

static const DomainCapsLimits limits = {
    .arch = "x86_64",
    .emulator = "/usr/bin/stratovmm",
};

static DomainDef *parse(const char *xml, unsigned flags)
{
    g_autoptr(GError) error = NULL;
    DomainDef *def = domain_def_parse(xml, flags, &limits, &error);

    if (!def)
        print_error("%s\n", error->message);
    assert_non_null(def);
    return def;
}

static char *format(const DomainDef *def, unsigned flags)
{
    GString *buf = g_string_new(NULL);

    domain_def_format(def, flags, buf);
    return g_string_free(buf, FALSE);
}

static void check_error(GError **error, int code)
{
    assert_non_null(*error);
    assert_int_equal((*error)->code, code);
    g_clear_error(error);
}

static void test_generates_uuid_and_mac(void **state)
{
    g_autoptr(DomainDef) a = parse(guest_xml, DOMAIN_DEF_PARSE_INACTIVE);
    g_autoptr(DomainDef) b = parse(guest_xml, DOMAIN_DEF_PARSE_INACTIVE);
    const DomainNet *net = a->nets->pdata[0];

    assert_true(g_uuid_string_is_valid(a->uuid));
    assert_string_not_equal(a->uuid, b->uuid);
    assert_true(g_str_has_prefix(net->mac, "52:54:00:"));
    assert_int_equal(strlen(net->mac), 17);
    assert_string_not_equal(net->mac, ((DomainNet *)b->nets->pdata[0])->mac);
}

static void test_uuid_spellings(void **state)
{
    static const char *const spellings[] = {
        "C7A5FDBD-EDAF-9455-926A-D65C16DB1809",
        "c7a5fdbdedaf9455926ad65c16db1809",
        " c7a5fdbd-edaf-9455-926a-d65c16db1809\n",
    };

    for (guint i = 0; i < G_N_ELEMENTS(spellings); i++) {
        g_autofree char *xml =
            g_strdup_printf("<domain type='kvm'><name>g</name><uuid>%s</uuid>"
                            "<memory unit='GiB'>1</memory><os><type>hvm</type>"
                            "<kernel>/k</kernel></os></domain>",
                            spellings[i]);
        g_autoptr(DomainDef) def = parse(xml, DOMAIN_DEF_PARSE_INACTIVE);

        assert_string_equal(def->uuid, "c7a5fdbd-edaf-9455-926a-d65c16db1809");
    }
}

static void test_aliases_and_lookups(void **state)
{
    g_autoptr(DomainDef) def = parse(guest_xml, DOMAIN_DEF_PARSE_INACTIVE);
    DomainNet *net = def->nets->pdata[0];

    domain_def_assign_aliases(def);
    assert_string_equal(domain_def_find_disk(def, "vdc")->dev.alias,
                        "virtio-disk2");
    assert_string_equal(domain_def_find_disk(def, "/dev/b")->dev.alias,
                        "ua-mine");
    assert_null(domain_def_find_disk(def, "vdz"));
    assert_string_equal(net->dev.alias, "net0");
    net->ifname = g_strdup("vnet3");
    assert_ptr_equal(domain_def_find_net(def, "vnet3"), net);
    assert_ptr_equal(domain_def_find_net(def, net->mac), net);
    assert_null(domain_def_find_net(def, "eth9"));
    /* the first console is the serial */
    assert_ptr_equal(domain_def_find_chr(def, NULL), def->serials->pdata[0]);
    assert_ptr_equal(domain_def_find_chr(def, "serial0"),
                     def->serials->pdata[0]);
    assert_ptr_equal(domain_def_find_chr(def, "console1"),
                     def->consoles->pdata[1]);
    assert_null(domain_def_find_chr(def, "console7"));
}

static void test_pty_shows_on_both(void **state)
{
    g_autoptr(DomainDef) def = parse(guest_xml, DOMAIN_DEF_PARSE_INACTIVE);
    g_autofree char *live = NULL;
    g_autofree char *inactive = NULL;

    domain_def_assign_aliases(def);
    domain_def_set_pty(def, "serial0", "/dev/pts/5");
    domain_def_set_pty(def, "console1", "/dev/pts/6");
    live = format(def, 0);
    inactive = format(def, VIR_DOMAIN_XML_INACTIVE);
    assert_non_null(strstr(live, "<console type='pty' tty='/dev/pts/5'>"));
    assert_non_null(strstr(live, "<console type='pty' tty='/dev/pts/6'>"));
    assert_non_null(strstr(live, "<source path='/dev/pts/5'/>"));
    assert_null(strstr(inactive, "/dev/pts"));
    assert_null(strstr(inactive, "serial0"));
    assert_non_null(strstr(inactive, "ua-mine"));
}

static void test_migratable_hides_the_host(void **state)
{
    g_autoptr(DomainDef) def = parse(guest_xml, DOMAIN_DEF_PARSE_INACTIVE);
    g_autofree char *text = NULL;

    def->id = 4;
    domain_def_assign_aliases(def);
    text = format(def, VIR_DOMAIN_XML_MIGRATABLE);
    assert_null(strstr(text, "id='4'"));
    assert_null(strstr(text, "virtio-disk2"));
}

static void test_copy_is_deep(void **state)
{
    g_autoptr(DomainDef) def = parse(guest_xml, DOMAIN_DEF_PARSE_INACTIVE);
    g_autoptr(DomainDef) copy = NULL;
    g_autofree char *before = NULL;
    g_autofree char *after = NULL;

    assert_true(domain_def_set_metadata(def, VIR_DOMAIN_METADATA_ELEMENT,
                                        "<a b='c'/>", "p", "urn:p", NULL));
    before = format(def, VIR_DOMAIN_XML_INACTIVE);
    copy = domain_def_copy(def);
    g_clear_pointer(&def, domain_def_free);
    after = format(copy, VIR_DOMAIN_XML_INACTIVE);
    assert_string_equal(before, after);
}

static void test_indented(void **state)
{
    g_autoptr(DomainDef) def = parse(guest_xml, DOMAIN_DEF_PARSE_INACTIVE);
    g_autoptr(GString) buf = g_string_new("<domstatus>\n");

    domain_def_format_indented(def, 0, 2, buf);
    assert_non_null(strstr(buf->str, "\n  <domain type='kvm'>\n    <name>"));
    assert_true(g_str_has_suffix(buf->str, "\n  </domain>\n"));
}

static void test_raw_needs_nothing(void **state)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(DomainDef) def =
        domain_def_parse("<domain type='kvm' id='12'><name>x</name></domain>",
                         DOMAIN_DEF_PARSE_RAW, NULL, &error);

    assert_non_null(def);
    assert_int_equal(def->id, 12);
    assert_null(def->uuid);
}

/* A stored definition stays visible when its host cannot start it now. */
static void test_skip_validate(void **state)
{
    const char *xml = "<domain type='kvm'><name>x</name><memory>524288"
                      "</memory><os><type machine='gone'>hvm</type></os>"
                      "</domain>";
    g_autoptr(DomainDef) def =
        parse(xml, DOMAIN_DEF_PARSE_INACTIVE | DOMAIN_DEF_PARSE_SKIP_VALIDATE);
    g_autoptr(GError) error = NULL;

    assert_string_equal(def->os.machine, "gone");
    assert_false(domain_def_validate(def, &limits, &error));
    check_error(&error, VIR_ERR_CONFIG_UNSUPPORTED);
}

static void test_emulator_list(void **state)
{
    static const char *const emulators[] = { "/usr/bin/stratovmm", NULL };
    DomainCapsLimits narrow = limits;
    g_autoptr(GError) error = NULL;
    const char *xml = "<domain type='kvm'><name>x</name><memory>524288"
                      "</memory><os><type>hvm</type><kernel>/k</kernel></os>"
                      "<devices><emulator>/bin/sh</emulator></devices>"
                      "</domain>";

    narrow.emulators = emulators;
    assert_null(domain_def_parse(xml, 0, &narrow, &error));
    check_error(&error, VIR_ERR_CONFIG_UNSUPPORTED);
}

static void test_title_and_description(void **state)
{
    g_autoptr(DomainDef) def = parse(guest_xml, DOMAIN_DEF_PARSE_INACTIVE);
    g_autoptr(GError) error = NULL;
    g_autofree char *title = NULL;

    assert_null(
        domain_def_get_metadata(def, VIR_DOMAIN_METADATA_TITLE, NULL, &error));
    check_error(&error, VIR_ERR_NO_DOMAIN_METADATA);
    assert_true(domain_def_set_metadata(def, VIR_DOMAIN_METADATA_TITLE, "T <&>",
                                        NULL, NULL, &error));
    title =
        domain_def_get_metadata(def, VIR_DOMAIN_METADATA_TITLE, NULL, &error);
    assert_string_equal(title, "T <&>");
    assert_false(domain_def_set_metadata(def, VIR_DOMAIN_METADATA_TITLE, "a\nb",
                                         NULL, NULL, &error));
    check_error(&error, VIR_ERR_INVALID_ARG);
    assert_true(domain_def_set_metadata(def, VIR_DOMAIN_METADATA_DESCRIPTION,
                                        "a\nb", NULL, NULL, &error));
    assert_false(domain_def_set_metadata(def, VIR_DOMAIN_METADATA_DESCRIPTION,
                                         "a\001b", NULL, NULL, &error));
    check_error(&error, VIR_ERR_INVALID_ARG);
    assert_string_equal(def->description, "a\nb");
    assert_true(domain_def_set_metadata(def, VIR_DOMAIN_METADATA_TITLE, NULL,
                                        NULL, NULL, &error));
    assert_null(def->title);
}

static void test_metadata_elements(void **state)
{
    g_autoptr(DomainDef) def = parse(guest_xml, DOMAIN_DEF_PARSE_INACTIVE);
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    g_autofree char *again = NULL;
    g_autofree char *xml = NULL;
    const int type = VIR_DOMAIN_METADATA_ELEMENT;

    assert_true(domain_def_set_metadata(def, type, "<a><b/></a>", "one",
                                        "urn:1", &error));
    assert_true(domain_def_set_metadata(def, type, "<x k='v'>t</x>", "two",
                                        "urn:2", &error));
    text = domain_def_get_metadata(def, type, "urn:1", &error);
    assert_string_equal(text, "<a>\n  <b/>\n</a>");
    assert_true(
        domain_def_set_metadata(def, type, "<a2/>", "one", "urn:1", &error));
    again = domain_def_get_metadata(def, type, "urn:1", &error);
    assert_string_equal(again, "<a2/>");
    xml = format(def, 0);
    assert_non_null(strstr(xml, "<one:a2 xmlns:one=\"urn:1\"/>"));
    assert_non_null(
        strstr(xml, "<two:x xmlns:two=\"urn:2\" k=\"v\">t</two:x>"));
    assert_true(
        domain_def_set_metadata(def, type, NULL, NULL, "urn:1", &error));
    assert_null(domain_def_get_metadata(def, type, "urn:1", &error));
    check_error(&error, VIR_ERR_NO_DOMAIN_METADATA);
    assert_true(
        domain_def_set_metadata(def, type, NULL, NULL, "urn:2", &error));
    assert_null(def->metadata);
}

static void test_metadata_own_namespace(void **state)
{
    g_autoptr(DomainDef) def = parse(guest_xml, DOMAIN_DEF_PARSE_INACTIVE);
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    const int type = VIR_DOMAIN_METADATA_ELEMENT;

    /* children that use the element's own prefix keep it */
    assert_true(domain_def_set_metadata(
        def, type, "<p:a xmlns:p='urn:p'><p:b p:c='d'/></p:a>", "p", "urn:p",
        &error));
    text = domain_def_get_metadata(def, type, "urn:p", &error);
    assert_non_null(text);
    assert_non_null(strstr(text, "xmlns:p=\"urn:p\""));
    assert_non_null(strstr(text, "<p:b p:c=\"d\"/>"));
}

static void test_metadata_refusals(void **state)
{
    static const struct {
        const char *xml, *key, *uri;
        int code;
    } rows[] = {
        { "<a", "k", "urn:k", VIR_ERR_XML_ERROR },
        { "", "k", "urn:k", VIR_ERR_XML_ERROR },
        { "<a/><b/>", "k", "urn:k", VIR_ERR_XML_ERROR },
        { "<a/>", NULL, "urn:k", VIR_ERR_INVALID_ARG },
        { "<a/>", "k", NULL, VIR_ERR_INVALID_ARG },
        { "<a/>", "no good", "urn:k", VIR_ERR_INVALID_ARG },
        { "<a/>", "k:l", "urn:k", VIR_ERR_INVALID_ARG },
        { "<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>", "k", "urn:k",
          VIR_ERR_XML_ERROR },
    };
    g_autoptr(DomainDef) def = parse(guest_xml, DOMAIN_DEF_PARSE_INACTIVE);

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;

        assert_false(domain_def_set_metadata(def, VIR_DOMAIN_METADATA_ELEMENT,
                                             rows[i].xml, rows[i].key,
                                             rows[i].uri, &error));
        check_error(&error, rows[i].code);
        assert_null(def->metadata);
    }
}

static void test_deep_document(void **state)
{
    g_autoptr(GString) xml = g_string_new(NULL);
    g_autoptr(GError) error = NULL;

    for (int i = 0; i < 100000; i++)
        g_string_append(xml, "<domain>");
    assert_null(domain_def_parse(xml->str, 0, &limits, &error));
    check_error(&error, VIR_ERR_XML_DETAIL);
}

/* Thousands of devices are refused at once, not compared with each other. */
static void test_many_devices(void **state)
{
    static const char *const devices[] = {
        "<disk type='file'><source file='/a'/><target dev='sda' bus='sata'/>"
        "</disk>",
        "<video/><video><model type='none'/></video>",
        "<controller type='sata' index='0'/><controller type='usb' "
        "model='none'/>",
        "<interface type='bridge'><source bridge='b'/></interface>",
        "<console type='pty'><target type='virtio'/></console>",
        "<rng/>",
    };
    DomainCapsLimits all = limits;

    all.device_substitution = TRUE;
    for (guint i = 0; i < G_N_ELEMENTS(devices); i++) {
        g_autoptr(GString) xml = g_string_new(
            "<domain type='kvm'><name>g</name><memory unit='GiB'>1</memory>"
            "<os><type>hvm</type><kernel>/k</kernel></os><devices>");
        g_autoptr(GError) error = NULL;
        g_autoptr(DomainDef) def = NULL;

        for (int n = 0; n < 30000; n++)
            g_string_append(xml, devices[i]);
        g_string_append(xml, "</devices></domain>");
        def = domain_def_parse(xml->str, 0, &all, &error);
        assert_true(!def == (error != NULL));
    }
}

static void test_machines(void **state)
{
    assert_string_equal(domain_machine_find("microvm", "aarch64")->name,
                        "microvm-1.0");
    assert_null(domain_machine_find("q35", "aarch64"));
    assert_non_null(domain_machine_find("q35-1.0", "x86_64"));
    assert_string_equal(domain_machine_default("x86_64")->alias, "microvm");
}

static void test_vmm_features(void **state)
{
    g_autoptr(VmmCaps) caps = vmm_caps_new();
    g_autoptr(VmmCaps) upstream = vmm_caps_upstream("2.5.0");

    for (int i = 0; i < VMM_FEATURE_MAX; i++) {
        assert_false(vmm_caps_has(caps, i));
        assert_true(vmm_caps_set_name(caps, vmm_feature_name(i)));
        assert_true(vmm_caps_has(caps, i));
        assert_false(vmm_caps_has(upstream, i));
    }
    assert_false(vmm_caps_set_name(caps, "teleport"));
    assert_string_equal(upstream->version, "2.5.0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_generates_uuid_and_mac),
        cmocka_unit_test(test_uuid_spellings),
        cmocka_unit_test(test_aliases_and_lookups),
        cmocka_unit_test(test_pty_shows_on_both),
        cmocka_unit_test(test_migratable_hides_the_host),
        cmocka_unit_test(test_copy_is_deep),
        cmocka_unit_test(test_indented),
        cmocka_unit_test(test_raw_needs_nothing),
        cmocka_unit_test(test_skip_validate),
        cmocka_unit_test(test_emulator_list),
        cmocka_unit_test(test_title_and_description),
        cmocka_unit_test(test_metadata_elements),
        cmocka_unit_test(test_metadata_own_namespace),
        cmocka_unit_test(test_metadata_refusals),
        cmocka_unit_test(test_deep_document),
        cmocka_unit_test(test_many_devices),
        cmocka_unit_test(test_machines),
        cmocka_unit_test(test_vmm_features),
    };

    alarm(120);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
