// SPDX-License-Identifier: LGPL-2.1-or-later
// conf/domain_schema.c - the domain document but its devices, as tables.
#include <config.h>

#include "conf/domain_schema.h"

#define ROW(type_, field_) .type = type_, .off = offsetof(DomainDef, field_)
#define REFUSE(name_, hint_)                                                   \
    {                                                                          \
        .name = name_, .type = XML_ROW_REFUSE, .hint = hint_                   \
    }
#define KEEP(name_, field_)                                                    \
    {                                                                          \
        .name = name_, ROW(XML_ROW_KEEP, field_)                               \
    }
#define END                                                                    \
    {                                                                          \
        .name = NULL                                                           \
    }

static const char *const virt_type_names[] = { "kvm", NULL };
G_STATIC_ASSERT(G_N_ELEMENTS(virt_type_names) == DOMAIN_VIRT_MAX + 1);

const char *const domain_action_names[] = { "",
                                            "destroy",
                                            "restart",
                                            "preserve",
                                            "rename-restart",
                                            "coredump-destroy",
                                            "coredump-restart",
                                            NULL };
G_STATIC_ASSERT(G_N_ELEMENTS(domain_action_names) == DOMAIN_ACTION_MAX + 1);

const char *const domain_cpu_mode_names[] = { "",           "host-passthrough",
                                              "host-model", "maximum",
                                              "custom",     NULL };
G_STATIC_ASSERT(G_N_ELEMENTS(domain_cpu_mode_names) == DOMAIN_CPU_MODE_MAX + 1);

static const char *const only_no[] = { "no", NULL };
static const char *const only_off[] = { "off", NULL };
static const char *const only_optional[] = { "optional", NULL };

static gboolean shown_live(const void *obj, unsigned flags)
{
    return !(flags & VIR_DOMAIN_XML_INACTIVE);
}

/* Labels are the driver's answer unless the user fixed them. */
static gboolean shown_label(const void *obj, unsigned flags)
{
    const DomainSeclabel *label = obj;

    return !(flags & VIR_DOMAIN_XML_INACTIVE) ||
           g_strcmp0(label->type, "static") == 0;
}

static const XmlRow memory_rows[] = {
    { .name = "@unit", .type = XML_ROW_UNIT },
    { .name = ".", ROW(XML_ROW_KIB, memory_kib) },
    END,
};

static const XmlRow current_rows[] = {
    { .name = "@unit", .type = XML_ROW_UNIT },
    { .name = ".", ROW(XML_ROW_KIB, current_kib) },
    END,
};

static const XmlRow vcpu_rows[] = {
    { .name = "@placement", ROW(XML_ROW_STR, vcpu_placement) },
    { .name = "@cpuset", ROW(XML_ROW_STR, vcpu_cpuset) },
    { .name = "@current", ROW(XML_ROW_UINT, vcpus_current) },
    { .name = ".", ROW(XML_ROW_UINT, vcpus) },
    END,
};

static const XmlRow iothread_rows[] = {
    { .name = "@id",
      .type = XML_ROW_UINT,
      .off = offsetof(DomainIothread, id) },
    END,
};

static const XmlRecord iothread_record = {
    .size = sizeof(DomainIothread),
    .rows = iothread_rows,
};

static const XmlRow iothread_ids_rows[] = {
    { .name = "iothread",
      ROW(XML_ROW_LIST, iothread_ids),
      .record = &iothread_record },
    END,
};

static const XmlRow resource_rows[] = {
    { .name = "partition", ROW(XML_ROW_STR, partition) },
    END,
};

static const XmlRow boot_rows[] = {
    { .name = "@dev", .type = XML_ROW_STR, .off = offsetof(DomainBoot, dev) },
    END,
};

static const XmlRecord boot_record = {
    .size = sizeof(DomainBoot),
    .rows = boot_rows,
};

static const XmlRow os_type_rows[] = {
    { .name = "@arch", ROW(XML_ROW_STR, os.arch) },
    { .name = "@machine", ROW(XML_ROW_STR, os.machine) },
    { .name = ".", ROW(XML_ROW_STR, os.type) },
    END,
};

static const XmlRow os_loader_rows[] = {
    { .name = "@readonly", .type = XML_ROW_DROP },
    { .name = "@secure", .type = XML_ROW_DROP },
    { .name = "@type", .type = XML_ROW_DROP },
    { .name = "@stateless", .type = XML_ROW_DROP },
    { .name = ".", ROW(XML_ROW_STR, os.loader) },
    END,
};

static const XmlRow os_rows[] = {
    { .name = "@firmware", ROW(XML_ROW_STR, os.firmware) },
    { .name = "type", .type = XML_ROW_GROUP, .rows = os_type_rows },
    REFUSE("firmware", "this machine boots <kernel> directly"),
    { .name = "loader", .type = XML_ROW_GROUP, .rows = os_loader_rows },
    REFUSE("nvram", "this machine boots <kernel> directly"),
    { .name = "kernel", ROW(XML_ROW_STR, os.kernel) },
    { .name = "initrd", ROW(XML_ROW_STR, os.initrd) },
    { .name = "cmdline", ROW(XML_ROW_STR, os.cmdline) },
    REFUSE("dtb", "the VMM makes the device tree itself"),
    REFUSE("acpi", "the VMM makes the ACPI tables itself"),
    { .name = "boot", ROW(XML_ROW_LIST, os.boots), .record = &boot_record },
    KEEP("bootmenu", os.kept),
    KEEP("bios", os.kept),
    KEEP("smbios", os.kept),
    END,
};

static const XmlRow features_rows[] = {
    { .name = "acpi", ROW(XML_ROW_FLAG, features.acpi) },
    { .name = "apic", ROW(XML_ROW_FLAG, features.apic) },
    { .name = "pae", ROW(XML_ROW_FLAG, features.pae) },
    KEEP("hap", features.kept),
    REFUSE("viridian", "guests are Linux"),
    REFUSE("hyperv", "guests are Linux"),
    KEEP("kvm", features.kept),
    KEEP("pvspinlock", features.kept),
    KEEP("pmu", features.kept),
    KEEP("vmport", features.kept),
    { .name = "gic",
      ROW(XML_ROW_KEEP, features.kept),
      .only = "version",
      .names = (const char *const[]){ "3", NULL },
      .hint = "accepted: version='3'" },
    { .name = "smm",
      ROW(XML_ROW_KEEP, features.kept),
      .only = "state",
      .names = only_off,
      .hint = "the VMM has no system management mode; accepted: state='off'" },
    KEEP("ioapic", features.kept),
    KEEP("vmcoreinfo", features.kept),
    END,
};

static const XmlRow topology_rows[] = {
    { .name = "@sockets", ROW(XML_ROW_UINT, cpu.sockets) },
    { .name = "@dies", ROW(XML_ROW_UINT, cpu.dies) },
    { .name = "@cores", ROW(XML_ROW_UINT, cpu.cores) },
    { .name = "@threads", ROW(XML_ROW_UINT, cpu.threads) },
    END,
};

static const XmlRow cpu_rows[] = {
    { .name = "@mode",
      ROW(XML_ROW_ENUM, cpu.mode),
      .names = domain_cpu_mode_names },
    { .name = "@match", ROW(XML_ROW_STR, cpu.match) },
    { .name = "@check", ROW(XML_ROW_STR, cpu.check) },
    { .name = "@migratable", ROW(XML_ROW_ON_OFF, cpu.migratable) },
    KEEP("model", cpu.kept),
    KEEP("vendor", cpu.kept),
    { .name = "topology",
      .type = XML_ROW_GROUP,
      .has = XML_HAS(DomainDef, cpu.has_topology),
      .rows = topology_rows },
    KEEP("cache", cpu.kept),
    KEEP("maxphysaddr", cpu.kept),
    { .name = "feature",
      ROW(XML_ROW_KEEP, cpu.kept),
      .only = "policy",
      .names = only_optional,
      .hint = "the VMM passes the host's CPU through; accepted: "
              "policy='optional'" },
    REFUSE("numa", "this machine has one NUMA node"),
    END,
};

static const XmlRow clock_rows[] = {
    { .name = "@offset", ROW(XML_ROW_STR, clock.offset) },
    { .name = "@adjustment", .type = XML_ROW_DROP },
    { .name = "@basis", .type = XML_ROW_DROP },
    { .name = "@timezone", .type = XML_ROW_DROP },
    KEEP("timer", clock.kept),
    END,
};

static const XmlRow pm_rows[] = {
    { .name = "suspend-to-mem",
      ROW(XML_ROW_KEEP, kept_pm),
      .only = "enabled",
      .names = only_no,
      .hint = "guests cannot sleep; accepted: enabled='no'" },
    { .name = "suspend-to-disk",
      ROW(XML_ROW_KEEP, kept_pm),
      .only = "enabled",
      .names = only_no,
      .hint = "guests cannot sleep; accepted: enabled='no'" },
    END,
};

#define LABEL(type_, field_)                                                   \
    .type = type_, .off = offsetof(DomainSeclabel, field_)
static const XmlRow seclabel_rows[] = {
    { .name = "@type", LABEL(XML_ROW_STR, type) },
    { .name = "@model", LABEL(XML_ROW_STR, model) },
    { .name = "@relabel", LABEL(XML_ROW_YES_NO, relabel) },
    { .name = "label", LABEL(XML_ROW_STR, label), .shown = shown_label },
    { .name = "imagelabel",
      LABEL(XML_ROW_STR, imagelabel),
      .shown = shown_live },
    { .name = "baselabel", LABEL(XML_ROW_STR, baselabel) },
    END,
};

static void seclabel_fixup(void *obj, unsigned flags)
{
    DomainSeclabel *label = obj;

    if (!(flags & DOMAIN_DEF_PARSE_INACTIVE))
        return;
    g_clear_pointer(&label->imagelabel, g_free);
    if (g_strcmp0(label->type, "static") != 0)
        g_clear_pointer(&label->label, g_free);
}

static const XmlRecord seclabel_record = {
    .size = sizeof(DomainSeclabel),
    .rows = seclabel_rows,
    .fixup = seclabel_fixup,
};

static const XmlRow domain_rows[] = {
    { .name = "@type", ROW(XML_ROW_ENUM, virt_type), .names = virt_type_names },
    { .name = "@id", ROW(XML_ROW_ID, id), .shown = shown_live },
    { .name = "name", ROW(XML_ROW_STR, name) },
    { .name = "uuid", ROW(XML_ROW_STR, uuid) },
    KEEP("genid", kept_head),
    { .name = "title", ROW(XML_ROW_STR, title) },
    { .name = "description", ROW(XML_ROW_STR, description) },
    { .name = "metadata", ROW(XML_ROW_ANY, metadata) },
    REFUSE("maxMemory", "memory cannot be plugged on this machine"),
    { .name = "memory", .type = XML_ROW_GROUP, .rows = memory_rows },
    { .name = "currentMemory", .type = XML_ROW_GROUP, .rows = current_rows },
    REFUSE("blkiotune", "the driver sets no block weights"),
    REFUSE("memtune", "the driver sets no memory limits"),
    REFUSE("memoryBacking", "guest memory is anonymous on this machine"),
    { .name = "vcpu", .type = XML_ROW_GROUP, .rows = vcpu_rows },
    REFUSE("vcpus", "vCPUs cannot be plugged on this machine"),
    { .name = "iothreads", ROW(XML_ROW_UINT, iothreads) },
    { .name = "iothreadids", .type = XML_ROW_GROUP, .rows = iothread_ids_rows },
    REFUSE("cputune", "the driver tunes no vCPUs"),
    REFUSE("numatune", "the driver binds no memory"),
    { .name = "resource", .type = XML_ROW_GROUP, .rows = resource_rows },
    KEEP("sysinfo", kept_sysinfo),
    REFUSE("bootloader", "use <kernel> in <os>"),
    { .name = "os", .type = XML_ROW_GROUP, .rows = os_rows },
    { .name = "features",
      .type = XML_ROW_GROUP,
      .has = XML_HAS(DomainDef, features.present),
      .rows = features_rows },
    { .name = "cpu",
      .type = XML_ROW_GROUP,
      .has = XML_HAS(DomainDef, cpu.present),
      .rows = cpu_rows },
    { .name = "clock",
      .type = XML_ROW_GROUP,
      .has = XML_HAS(DomainDef, clock.present),
      .rows = clock_rows },
    { .name = "on_poweroff",
      ROW(XML_ROW_ENUM, on_poweroff),
      .names = domain_action_names },
    { .name = "on_reboot",
      ROW(XML_ROW_ENUM, on_reboot),
      .names = domain_action_names },
    { .name = "on_crash",
      ROW(XML_ROW_ENUM, on_crash),
      .names = domain_action_names },
    REFUSE("on_lockfailure", "there is no lock manager"),
    { .name = "pm", .type = XML_ROW_GROUP, .rows = pm_rows },
    REFUSE("perf", "the driver counts no performance events"),
    { .name = "devices", .type = XML_ROW_GROUP, .rows = domain_device_rows },
    { .name = "seclabel",
      ROW(XML_ROW_LIST, seclabels),
      .record = &seclabel_record },
    REFUSE("keywrap", "only s390 guests have it"),
    REFUSE("launchSecurity", "the VMM starts no confidential guests"),
    END,
};

static void domain_fixup(void *obj, unsigned flags)
{
    DomainDef *def = obj;

    if (flags & DOMAIN_DEF_PARSE_INACTIVE)
        def->id = -1;
}

const XmlRecord domain_record = {
    .size = sizeof(DomainDef),
    .rows = domain_rows,
    .fixup = domain_fixup,
};
