// SPDX-License-Identifier: LGPL-2.1-or-later
// conf/caps.c - the capabilities document.
#include <config.h>

#include "conf/caps.h"

#include <string.h>

#include "conf/domain_machine.h"
#include "conf/xml_table.h"

/* One line of output. */
#define LINE(indent, ...)                                                      \
    do {                                                                       \
        xml_indent(buf, indent);                                               \
        g_string_append_printf(buf, __VA_ARGS__);                              \
        g_string_append_c(buf, '\n');                                          \
    } while (0)

static void text_element(GString *buf, guint indent, const char *name,
                         const char *text)
{
    if (!text || !*text)
        return;
    xml_indent(buf, indent);
    g_string_append_printf(buf, "<%s>", name);
    xml_escape(buf, text, FALSE);
    g_string_append_printf(buf, "</%s>\n", name);
}

static void format_cpu(const Caps *caps, GString *buf)
{
    LINE(4, "<cpu>");
    text_element(buf, 6, "arch", caps->arch);
    text_element(buf, 6, "vendor", caps->vendor);
    if (caps->microcode)
        LINE(6, "<microcode version='%u'/>", caps->microcode);
    LINE(6, "<topology sockets='%u' dies='%u' cores='%u' threads='%u'/>",
         MAX(caps->sockets, 1), MAX(caps->dies, 1), MAX(caps->cores, 1),
         MAX(caps->threads, 1));
    for (guint i = 0; i < caps->n_pages; i++)
        LINE(6, "<pages unit='KiB' size='%u'/>", caps->pages[i].size_kib);
    LINE(4, "</cpu>");
    LINE(4, "<power_management/>");
    LINE(4, "<iommu support='%s'/>", caps->iommu ? "yes" : "no");
}

static void format_cell_cpus(const CapsCell *cell, GString *buf)
{
    LINE(10, "<cpus num='%u'>", cell->n_cpus);
    for (guint i = 0; i < cell->n_cpus; i++) {
        const CapsCpu *cpu = &cell->cpus[i];

        xml_indent(buf, 12);
        g_string_append_printf(
            buf, "<cpu id='%u' socket_id='%u' die_id='%u' core_id='%u'",
            cpu->id, cpu->socket, cpu->die, cpu->core);
        if (cpu->siblings) {
            g_string_append(buf, " siblings='");
            xml_escape(buf, cpu->siblings, TRUE);
            g_string_append_c(buf, '\'');
        }
        g_string_append(buf, "/>\n");
    }
    LINE(10, "</cpus>");
}

static void format_cell(const Caps *caps, const CapsCell *cell, GString *buf)
{
    LINE(8, "<cell id='%u'>", cell->id);
    LINE(10, "<memory unit='KiB'>%" G_GUINT64_FORMAT "</memory>",
         cell->memory_kib);
    for (guint i = 0; i < cell->n_pages; i++)
        LINE(10, "<pages unit='KiB' size='%u'>%" G_GUINT64_FORMAT "</pages>",
             cell->pages[i].size_kib, cell->pages[i].count);
    if (cell->distances) {
        LINE(10, "<distances>");
        for (guint i = 0; i < caps->n_cells; i++)
            LINE(12, "<sibling id='%u' value='%u'/>", caps->cells[i].id,
                 cell->distances[i]);
        LINE(10, "</distances>");
    }
    format_cell_cpus(cell, buf);
    LINE(8, "</cell>");
}

static void format_host(const Caps *caps, GString *buf)
{
    LINE(2, "<host>");
    text_element(buf, 4, "uuid", caps->uuid);
    format_cpu(caps, buf);
    if (caps->n_cells) {
        LINE(4, "<topology>");
        LINE(6, "<cells num='%u'>", caps->n_cells);
        for (guint i = 0; i < caps->n_cells; i++)
            format_cell(caps, &caps->cells[i], buf);
        LINE(6, "</cells>");
        LINE(4, "</topology>");
    }
    for (guint i = 0; i < caps->n_security; i++) {
        const CapsSecurity *security = &caps->security[i];

        LINE(4, "<secmodel>");
        text_element(buf, 6, "model", security->model);
        text_element(buf, 6, "doi", security->doi);
        if (security->baselabel) {
            xml_indent(buf, 6);
            g_string_append(buf, "<baselabel type='kvm'>");
            xml_escape(buf, security->baselabel, FALSE);
            g_string_append(buf, "</baselabel>\n");
        }
        LINE(4, "</secmodel>");
    }
    LINE(2, "</host>");
}

/* Clients take the first machine of the list for the default one. */
static void format_machines(const Caps *caps, GString *buf)
{
    for (const DomainMachine *m = domain_machines; m->name; m++) {
        guint max = m->max_vcpus;

        if (!m->supported || (m->arch && strcmp(m->arch, caps->arch) != 0))
            continue;
        if (caps->max_vcpus && caps->max_vcpus < max)
            max = caps->max_vcpus;
        LINE(6, "<machine canonical='%s' maxCpus='%u'>%s</machine>", m->name,
             max, m->alias);
        LINE(6, "<machine maxCpus='%u'>%s</machine>", max, m->name);
    }
}

static void format_guest(const Caps *caps, GString *buf)
{
    LINE(2, "<guest>");
    LINE(4, "<os_type>hvm</os_type>");
    LINE(4, "<arch name='%s'>", caps->arch);
    LINE(6, "<wordsize>64</wordsize>");
    text_element(buf, 6, "emulator", caps->emulator);
    format_machines(caps, buf);
    LINE(6, "<domain type='kvm'/>");
    LINE(4, "</arch>");
    LINE(4, "<features>");
    LINE(6, "<acpi default='on' toggle='yes'/>");
    if (strcmp(caps->arch, "x86_64") == 0)
        LINE(6, "<apic default='on' toggle='no'/>");
    LINE(6, "<cpuselection/>");
    LINE(6, "<deviceboot/>");
    LINE(6, "<disksnapshot default='off' toggle='no'/>");
    LINE(4, "</features>");
    LINE(2, "</guest>");
}

void caps_format(const Caps *caps, GString *buf)
{
    LINE(0, "<capabilities>");
    format_host(caps, buf);
    format_guest(caps, buf);
    LINE(0, "</capabilities>");
}

/* sysinfo */
typedef struct SysinfoRow {
    const char *group; /* element */
    const char *name;  /* attribute of its entry */
    gsize off;         /* of a const char * in Sysinfo */
} SysinfoRow;

static const SysinfoRow sysinfo_rows[] = {
    { "bios", "vendor", offsetof(Sysinfo, bios_vendor) },
    { "bios", "version", offsetof(Sysinfo, bios_version) },
    { "bios", "date", offsetof(Sysinfo, bios_date) },
    { "bios", "release", offsetof(Sysinfo, bios_release) },
    { "system", "manufacturer", offsetof(Sysinfo, manufacturer) },
    { "system", "product", offsetof(Sysinfo, product) },
    { "system", "version", offsetof(Sysinfo, version) },
    { "system", "serial", offsetof(Sysinfo, serial) },
    { "system", "uuid", offsetof(Sysinfo, uuid) },
    { "system", "sku", offsetof(Sysinfo, sku) },
    { "system", "family", offsetof(Sysinfo, family) },
    { "baseBoard", "manufacturer", offsetof(Sysinfo, board.manufacturer) },
    { "baseBoard", "product", offsetof(Sysinfo, board.product) },
    { "baseBoard", "version", offsetof(Sysinfo, board.version) },
    { "baseBoard", "serial", offsetof(Sysinfo, board.serial) },
    { "baseBoard", "asset", offsetof(Sysinfo, board.asset) },
    { "chassis", "manufacturer", offsetof(Sysinfo, chassis.manufacturer) },
    { "chassis", "version", offsetof(Sysinfo, chassis.version) },
    { "chassis", "serial", offsetof(Sysinfo, chassis.serial) },
    { "chassis", "asset", offsetof(Sysinfo, chassis.asset) },
};

void sysinfo_format(const Sysinfo *info, GString *buf)
{
    const char *open = NULL; /* group whose element is open */

    LINE(0, "<sysinfo type='smbios'>");
    for (guint i = 0; i < G_N_ELEMENTS(sysinfo_rows); i++) {
        const SysinfoRow *row = &sysinfo_rows[i];
        const char *value =
            *(const char *const *)((const char *)info + row->off);

        if (!value || !*value)
            continue;
        if (open && strcmp(open, row->group) != 0)
            LINE(2, "</%s>", open);
        if (!open || strcmp(open, row->group) != 0)
            LINE(2, "<%s>", row->group);
        open = row->group;
        xml_indent(buf, 4);
        g_string_append_printf(buf, "<entry name='%s'>", row->name);
        xml_escape(buf, value, FALSE);
        g_string_append(buf, "</entry>\n");
    }
    if (open)
        LINE(2, "</%s>", open);
    LINE(0, "</sysinfo>");
}
