// SPDX-License-Identifier: LGPL-2.1-or-later
// conf/domain_caps.c - what a machine offers its guests, as a document.
#include <config.h>

#include <string.h>

#include "conf/caps.h"
#include "conf/domain_machine.h"
#include "conf/xml_table.h"
#include "util/error.h"

#define LINE(indent, ...)                                                      \
    do {                                                                       \
        xml_indent(buf, indent);                                               \
        g_string_append_printf(buf, __VA_ARGS__);                              \
        g_string_append_c(buf, '\n');                                          \
    } while (0)

typedef const char *const Values[];

static void format_enum(GString *buf, guint indent, const char *name,
                        const char *const *values)
{
    LINE(indent, "<enum name='%s'>", name);
    for (; *values; values++)
        LINE(indent + 2, "<value>%s</value>", *values);
    LINE(indent, "</enum>");
}

static void format_cpu(GString *buf)
{
    LINE(2, "<cpu>");
    LINE(4, "<mode name='host-passthrough' supported='yes'>");
    format_enum(buf, 6, "hostPassthroughMigratable",
                (Values){ "on", "off", NULL });
    LINE(4, "</mode>");
    LINE(4, "<mode name='maximum' supported='no'/>");
    LINE(4, "<mode name='host-model' supported='no'/>");
    LINE(4, "<mode name='custom' supported='no'/>");
    LINE(2, "</cpu>");
}

static void format_devices(GString *buf)
{
    Values virtio = { "virtio", "virtio-non-transitional", NULL };

    LINE(2, "<devices>");
    LINE(4, "<disk supported='yes'>");
    format_enum(buf, 6, "diskDevice", (Values){ "disk", NULL });
    format_enum(buf, 6, "bus", (Values){ "virtio", NULL });
    format_enum(buf, 6, "model", virtio);
    LINE(4, "</disk>");
    LINE(4, "<graphics supported='no'/>");
    LINE(4, "<video supported='no'/>");
    LINE(4, "<hostdev supported='no'/>");
    LINE(4, "<rng supported='yes'>");
    format_enum(buf, 6, "model", virtio);
    format_enum(buf, 6, "backendModel", (Values){ "random", NULL });
    LINE(4, "</rng>");
    LINE(4, "<filesystem supported='no'/>");
    LINE(4, "<tpm supported='no'/>");
    LINE(2, "</devices>");
}

static void format_features(GString *buf, const char *arch)
{
    LINE(2, "<features>");
    if (strcmp(arch, "aarch64") == 0) {
        LINE(4, "<gic supported='yes'>");
        format_enum(buf, 6, "version", (Values){ "3", NULL });
        LINE(4, "</gic>");
    } else {
        LINE(4, "<gic supported='no'/>");
    }
    LINE(4, "<vmcoreinfo supported='no'/>");
    LINE(4, "<genid supported='no'/>");
    LINE(4, "<backingStoreInput supported='no'/>");
    LINE(4, "<backup supported='no'/>");
    LINE(4, "<sev supported='no'/>");
    LINE(2, "</features>");
}

static gboolean refuse(GError **error, const char *what, const char *value,
                       const char *accepted)
{
    return vir_error_set(error, VIR_ERR_INVALID_ARG,
                         "%s '%s' is not available on this host; "
                         "accepted: '%s'",
                         what, value, accepted);
}

static gboolean check_query(const DomainCapsQuery *query,
                            const DomainCapsLimits *limits, GError **error)
{
    if (query->virttype && strcmp(query->virttype, "kvm") != 0)
        return refuse(error, "domain type", query->virttype, "kvm");
    if (query->arch && strcmp(query->arch, limits->arch) != 0)
        return refuse(error, "architecture", query->arch, limits->arch);
    if (query->emulator && g_strcmp0(query->emulator, limits->emulator) != 0 &&
        !(limits->emulators &&
          g_strv_contains(limits->emulators, query->emulator)))
        return refuse(error, "emulator", query->emulator, limits->emulator);
    return TRUE;
}

gboolean domain_caps_format(const DomainCapsQuery *query,
                            const DomainCapsLimits *limits, GString *buf,
                            GError **error)
{
    const DomainMachine *machine =
        query->machine ? domain_machine_find(query->machine, limits->arch)
                       : domain_machine_default(limits->arch);
    const char *path = query->emulator ? query->emulator : limits->emulator;
    guint max;

    if (!check_query(query, limits, error))
        return FALSE;
    if (!machine || !machine->supported)
        return refuse(error, "machine", query->machine,
                      domain_machine_default(limits->arch)->alias);
    max = machine->max_vcpus;
    if (limits->max_vcpus && limits->max_vcpus < max)
        max = limits->max_vcpus;

    LINE(0, "<domainCapabilities>");
    xml_indent(buf, 2);
    g_string_append(buf, "<path>");
    xml_escape(buf, path, FALSE);
    g_string_append(buf, "</path>\n");
    LINE(2, "<domain>kvm</domain>");
    LINE(2, "<machine>%s</machine>", machine->name);
    LINE(2, "<arch>%s</arch>", limits->arch);
    LINE(2, "<vcpu max='%u'/>", max);
    LINE(2, "<iothreads supported='yes'/>");
    LINE(2, "<os supported='yes'>");
    LINE(4, "<loader supported='no'/>");
    LINE(2, "</os>");
    format_cpu(buf);
    LINE(2, "<memoryBacking supported='no'/>");
    format_devices(buf);
    format_features(buf, limits->arch);
    LINE(0, "</domainCapabilities>");
    return TRUE;
}
