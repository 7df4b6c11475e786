// SPDX-License-Identifier: LGPL-2.1-or-later
// conf/device_schema.c - the children of <devices>, as tables.
#include <config.h>

#include "conf/domain_schema.h"

#include <string.h>

#define END                                                                    \
    {                                                                          \
        .name = NULL                                                           \
    }
#define DROP(name_)                                                            \
    {                                                                          \
        .name = name_, .type = XML_ROW_DROP                                    \
    }
#define REFUSE(name_, hint_)                                                   \
    {                                                                          \
        .name = name_, .type = XML_ROW_REFUSE, .hint = hint_                   \
    }
/* An attribute that only has one value that works: the default. */
#define ONLY(name_, value_)                                                    \
    {                                                                          \
        .name = name_, .type = XML_ROW_REFUSE,                                 \
        .names = (const char *const[]){ value_, NULL },                        \
        .hint = "accepted: '" value_ "'"                                       \
    }

const char *const domain_disk_type_names[] = { "file",      "block",  "dir",
                                               "network",   "volume", "nvme",
                                               "vhostuser", NULL };
G_STATIC_ASSERT(G_N_ELEMENTS(domain_disk_type_names) ==
                DOMAIN_DISK_TYPE_MAX + 1);

const char *const domain_disk_device_names[] = { "disk", "cdrom", "floppy",
                                                 "lun", NULL };
G_STATIC_ASSERT(G_N_ELEMENTS(domain_disk_device_names) ==
                DOMAIN_DISK_DEVICE_MAX + 1);

const char *const domain_disk_bus_names[] = { "",    "virtio", "scsi", "sata",
                                              "ide", "fdc",    "usb",  "sd",
                                              "xen", NULL };
G_STATIC_ASSERT(G_N_ELEMENTS(domain_disk_bus_names) == DOMAIN_DISK_BUS_MAX + 1);

static const char *const cache_names[] = { "",          "default",
                                           "none",      "writethrough",
                                           "writeback", "directsync",
                                           "unsafe",    NULL };
G_STATIC_ASSERT(G_N_ELEMENTS(cache_names) == DOMAIN_DISK_CACHE_MAX + 1);

static const char *const io_names[] = { "", "threads", "native", "io_uring",
                                        NULL };
G_STATIC_ASSERT(G_N_ELEMENTS(io_names) == DOMAIN_DISK_IO_MAX + 1);

static const char *const discard_names[] = { "", "unmap", "ignore", NULL };
G_STATIC_ASSERT(G_N_ELEMENTS(discard_names) == DOMAIN_DISK_DISCARD_MAX + 1);

static const char *const zeroes_names[] = { "", "off", "on", "unmap", NULL };
G_STATIC_ASSERT(G_N_ELEMENTS(zeroes_names) == DOMAIN_DISK_ZEROES_MAX + 1);

const char *const domain_net_type_names[] = {
    "ethernet", "bridge", "network", "user",     "vhostuser", "server",
    "client",   "mcast",  "udp",     "internal", "direct",    "hostdev",
    "vdpa",     "null",   "vds",     NULL
};
G_STATIC_ASSERT(G_N_ELEMENTS(domain_net_type_names) == DOMAIN_NET_TYPE_MAX + 1);

static const char *const link_names[] = { "", "up", "down", NULL };
G_STATIC_ASSERT(G_N_ELEMENTS(link_names) == DOMAIN_NET_LINK_MAX + 1);

const char *const domain_chr_type_names[] = {
    "pty", "file", "unix",     "null",      "vc",   "dev",  "pipe", "stdio",
    "udp", "tcp",  "spicevmc", "spiceport", "nmdm", "dbus", NULL
};
G_STATIC_ASSERT(G_N_ELEMENTS(domain_chr_type_names) == DOMAIN_CHR_TYPE_MAX + 1);

const char *const domain_chr_target_names[] = {
    "",           "isa-serial", "system-serial",    "serial",      "virtio",
    "pci-serial", "usb-serial", "spapr-vio-serial", "sclp-serial", "isa-debug",
    "xen",        "sclp",       "sclplm",           "lxc",         NULL
};
G_STATIC_ASSERT(G_N_ELEMENTS(domain_chr_target_names) ==
                DOMAIN_CHR_TARGET_MAX + 1);

static const char *const chr_mode_names[] = { "",       "bind",   "connect",
                                              "client", "server", NULL };
G_STATIC_ASSERT(G_N_ELEMENTS(chr_mode_names) == DOMAIN_CHR_MODE_MAX + 1);

const char *const domain_address_names[] = {
    "",          "pci",         "drive", "virtio-serial", "ccid", "usb",
    "spapr-vio", "virtio-s390", "ccw",   "virtio-mmio",   "isa",  NULL
};
G_STATIC_ASSERT(G_N_ELEMENTS(domain_address_names) == DOMAIN_ADDRESS_MAX + 1);

static gboolean shown_live(const void *obj, unsigned flags)
{
    return !(flags & VIR_DOMAIN_XML_INACTIVE);
}

/* Rows that every device has: its struct starts with a DomainDevice. */
#define DEV(type_, field_) .type = type_, .off = offsetof(DomainDevice, field_)

static gboolean shown_alias(const void *obj, unsigned flags)
{
    const DomainDevice *dev = obj;

    return !(flags & VIR_DOMAIN_XML_INACTIVE) ||
           (dev->alias && g_str_has_prefix(dev->alias, "ua-"));
}

static void device_fixup(void *obj, unsigned flags)
{
    DomainDevice *dev = obj;

    if (flags & DOMAIN_DEF_PARSE_INACTIVE && dev->alias &&
        !g_str_has_prefix(dev->alias, "ua-"))
        g_clear_pointer(&dev->alias, g_free);
}

static const XmlRow boot_rows[] = {
    { .name = "@order", DEV(XML_ROW_UINT, boot_order) },
    DROP("@loadparm"),
    END,
};

static const XmlRow alias_rows[] = {
    { .name = "@name", DEV(XML_ROW_STR, alias), .shown = shown_alias },
    END,
};

static const XmlRow address_rows[] = {
    { .name = "@type",
      DEV(XML_ROW_ENUM, address_type),
      .names = domain_address_names },
    DROP("@domain"),
    DROP("@bus"),
    DROP("@slot"),
    DROP("@function"),
    DROP("@multifunction"),
    DROP("@controller"),
    DROP("@target"),
    DROP("@unit"),
    DROP("@port"),
    DROP("@iobase"),
    DROP("@irq"),
    END,
};

#define KEEP(name_)                                                            \
    {                                                                          \
        .name = name_, DEV(XML_ROW_KEEP, kept)                                 \
    }
#define BOOT                                                                   \
    {                                                                          \
        .name = "boot", .type = XML_ROW_GROUP, .rows = boot_rows               \
    }
#define ALIAS_AND_ADDRESS                                                      \
    { .name = "alias", .type = XML_ROW_GROUP, .rows = alias_rows },            \
    {                                                                          \
        .name = "address", .type = XML_ROW_GROUP, .rows = address_rows         \
    }

/* Disks */
#define DISK(type_, field_) .type = type_, .off = offsetof(DomainDisk, field_)

static gboolean shown_file(const void *obj, unsigned flags)
{
    return ((const DomainDisk *)obj)->type == DOMAIN_DISK_FILE;
}

static gboolean shown_block(const void *obj, unsigned flags)
{
    return ((const DomainDisk *)obj)->type == DOMAIN_DISK_BLOCK;
}

static gboolean shown_backing(const void *obj, unsigned flags)
{
    return ((const DomainDisk *)obj)->has_backing;
}

static const XmlRow disk_driver_rows[] = {
    { .name = "@name", DISK(XML_ROW_STR, driver_name) },
    { .name = "@type", DISK(XML_ROW_STR, format) },
    { .name = "@cache", DISK(XML_ROW_ENUM, cache), .names = cache_names },
    ONLY("@error_policy", "report"),
    ONLY("@rerror_policy", "report"),
    { .name = "@io", DISK(XML_ROW_ENUM, io), .names = io_names },
    ONLY("@copy_on_read", "off"),
    { .name = "@discard", DISK(XML_ROW_ENUM, discard), .names = discard_names },
    { .name = "@iothread", DISK(XML_ROW_UINT, iothread) },
    { .name = "@detect_zeroes",
      DISK(XML_ROW_ENUM, detect_zeroes),
      .names = zeroes_names },
    { .name = "@queues", DISK(XML_ROW_UINT, queues) },
    { .name = "@queue_size", DISK(XML_ROW_UINT, queue_size) },
    ONLY("@ioeventfd", "on"),
    ONLY("@event_idx", "on"),
    ONLY("@iommu", "off"),
    ONLY("@ats", "off"),
    ONLY("@packed", "off"),
    END,
};

static const XmlRow disk_source_rows[] = {
    { .name = "@file", DISK(XML_ROW_STR, file), .shown = shown_file },
    { .name = "@dev", DISK(XML_ROW_STR, block), .shown = shown_block },
    ONLY("@startupPolicy", "mandatory"),
    { .name = "@index", DISK(XML_ROW_UINT, index), .shown = shown_live },
    DROP("@protocol"), /* what other types have: the type is refused */
    DROP("@name"),
    DROP("@dir"),
    DROP("@pool"),
    DROP("@volume"),
    DROP("@mode"),
    DROP("@type"),
    DROP("@path"),
    DROP("host"),
    REFUSE("seclabel", "disks are opened by the driver and need no label"),
    REFUSE("auth", "accepted: <disk> of type 'file' or 'block'"),
    REFUSE("encryption", "the VMM has no encrypted disks"),
    REFUSE("reservations", "the VMM passes no SCSI reservations"),
    REFUSE("slices", "the VMM uses the whole image"),
    END,
};

static const XmlRow backing_rows[] = {
    REFUSE("format", "the VMM reads no backing chain"),
    REFUSE("source", "the VMM reads no backing chain"),
    REFUSE("backingStore", "the VMM reads no backing chain"),
    DROP("@type"),
    DROP("@index"),
    END,
};

static const XmlRow disk_target_rows[] = {
    { .name = "@dev", DISK(XML_ROW_STR, dst) },
    { .name = "@bus", DISK(XML_ROW_ENUM, bus), .names = domain_disk_bus_names },
    ONLY("@tray", "closed"),
    ONLY("@removable", "off"),
    DROP("@rotation_rate"),
    END,
};

#define IOPS_HINT "the VMM limits requests alone; accepted: <total_iops_sec>"
static const XmlRow iotune_rows[] = {
    REFUSE("total_bytes_sec", IOPS_HINT),
    REFUSE("read_bytes_sec", IOPS_HINT),
    REFUSE("write_bytes_sec", IOPS_HINT),
    { .name = "total_iops_sec", DISK(XML_ROW_U64, total_iops_sec) },
    REFUSE("read_iops_sec", IOPS_HINT),
    REFUSE("write_iops_sec", IOPS_HINT),
    REFUSE("total_bytes_sec_max", IOPS_HINT),
    REFUSE("read_bytes_sec_max", IOPS_HINT),
    REFUSE("write_bytes_sec_max", IOPS_HINT),
    REFUSE("total_iops_sec_max", IOPS_HINT),
    REFUSE("read_iops_sec_max", IOPS_HINT),
    REFUSE("write_iops_sec_max", IOPS_HINT),
    REFUSE("size_iops_sec", IOPS_HINT),
    REFUSE("group_name", IOPS_HINT),
    END,
};

static const XmlRow disk_rows[] = {
    { .name = "@type",
      DISK(XML_ROW_ENUM, type),
      .names = domain_disk_type_names },
    { .name = "@device",
      DISK(XML_ROW_ENUM, device),
      .names = domain_disk_device_names },
    { .name = "@model", DISK(XML_ROW_STR, model) },
    ONLY("@rawio", "no"),
    ONLY("@sgio", "filtered"),
    ONLY("@snapshot", "internal"),
    { .name = "driver", .type = XML_ROW_GROUP, .rows = disk_driver_rows },
    REFUSE("auth", "accepted: <disk> of type 'file' or 'block'"),
    { .name = "source", .type = XML_ROW_GROUP, .rows = disk_source_rows },
    { .name = "backingStore",
      .type = XML_ROW_GROUP,
      .has = XML_HAS(DomainDisk, has_backing),
      .rows = backing_rows,
      .shown = shown_backing },
    REFUSE("mirror", "the VMM copies no disks"),
    DROP("geometry"),
    REFUSE("blockio", "the VMM takes the sizes from the image"),
    { .name = "target", .type = XML_ROW_GROUP, .rows = disk_target_rows },
    { .name = "iotune", .type = XML_ROW_GROUP, .rows = iotune_rows },
    { .name = "readonly", DISK(XML_ROW_FLAG, readonly) },
    { .name = "shareable", DISK(XML_ROW_FLAG, shareable) },
    { .name = "transient", DISK(XML_ROW_FLAG, transient) },
    { .name = "serial", DISK(XML_ROW_STR, serial) },
    { .name = "wwn", DISK(XML_ROW_STR, wwn) },
    REFUSE("vendor", "virtio disks have none"),
    REFUSE("product", "virtio disks have none"),
    REFUSE("encryption", "the VMM has no encrypted disks"),
    BOOT,
    ALIAS_AND_ADDRESS,
    END,
};

static void disk_fixup(void *obj, unsigned flags)
{
    DomainDisk *disk = obj;

    device_fixup(obj, flags);
    if (flags & DOMAIN_DEF_PARSE_INACTIVE)
        disk->index = 0;
    if (disk->type != DOMAIN_DISK_FILE)
        g_clear_pointer(&disk->file, g_free);
    if (disk->type != DOMAIN_DISK_BLOCK)
        g_clear_pointer(&disk->block, g_free);
}

const XmlRecord domain_disk_record = {
    .size = sizeof(DomainDisk),
    .rows = disk_rows,
    .fixup = disk_fixup,
};

/* Interfaces */
#define NET(type_, field_) .type = type_, .off = offsetof(DomainNet, field_)

static gboolean shown_ifname(const void *obj, unsigned flags)
{
    return !(flags & VIR_DOMAIN_XML_INACTIVE) ||
           !((const DomainNet *)obj)->ifname_generated;
}

static const XmlRow mac_rows[] = {
    { .name = "@address", NET(XML_ROW_STR, mac) },
    DROP("@type"),
    DROP("@check"),
    END,
};

static const XmlRow net_source_rows[] = {
    { .name = "@network", NET(XML_ROW_STR, network) },
    { .name = "@portgroup", NET(XML_ROW_STR, portgroup) },
    { .name = "@portid", NET(XML_ROW_STR, portid), .shown = shown_live },
    { .name = "@bridge", NET(XML_ROW_STR, bridge) },
    DROP("@dev"), /* what other types have: the type is refused */
    DROP("@mode"),
    DROP("@type"),
    DROP("@path"),
    DROP("@address"),
    DROP("@port"),
    DROP("@name"),
    REFUSE("ip", "the guest's addresses are its own affair"),
    REFUSE("route", "the guest's routes are its own affair"),
    DROP("address"),
    DROP("local"),
    DROP("reconnect"),
    END,
};

static const XmlRow script_rows[] = {
    { .name = "@path", NET(XML_ROW_STR, script) },
    END,
};

static const XmlRow net_target_rows[] = {
    { .name = "@dev", NET(XML_ROW_STR, ifname), .shown = shown_ifname },
    { .name = "@managed", NET(XML_ROW_YES_NO, managed) },
    END,
};

static const XmlRow net_model_rows[] = {
    { .name = "@type", NET(XML_ROW_STR, model) },
    END,
};

static const XmlRow net_driver_rows[] = {
    { .name = "@name", NET(XML_ROW_STR, driver_name) },
    DROP("@txmode"),
    ONLY("@ioeventfd", "on"),
    ONLY("@event_idx", "on"),
    { .name = "@queues", NET(XML_ROW_UINT, queues) },
    ONLY("@rx_queue_size", "256"),
    ONLY("@tx_queue_size", "256"),
    ONLY("@rss", "off"),
    ONLY("@iommu", "off"),
    ONLY("@ats", "off"),
    ONLY("@packed", "off"),
    REFUSE("host", "the VMM negotiates offloads with the tap"),
    REFUSE("guest", "the VMM negotiates offloads with the guest"),
    END,
};

static const XmlRow link_rows[] = {
    { .name = "@state", NET(XML_ROW_ENUM, link), .names = link_names },
    END,
};

static const XmlRow mtu_rows[] = {
    { .name = "@size", NET(XML_ROW_UINT, mtu) },
    END,
};

static const XmlRow net_rows[] = {
    { .name = "@type",
      NET(XML_ROW_ENUM, type),
      .names = domain_net_type_names },
    DROP("@managed"),
    ONLY("@trustGuestRxFilters", "no"),
    { .name = "mac", .type = XML_ROW_GROUP, .rows = mac_rows },
    { .name = "source", .type = XML_ROW_GROUP, .rows = net_source_rows },
    REFUSE("virtualport", "accepted: a Linux bridge or a tap"),
    REFUSE("ip", "the guest's addresses are its own affair"),
    REFUSE("route", "the guest's routes are its own affair"),
    { .name = "script", .type = XML_ROW_GROUP, .rows = script_rows },
    REFUSE("downscript", "the driver runs no scripts"),
    REFUSE("backenddomain", "there are no driver domains"),
    { .name = "target", .type = XML_ROW_GROUP, .rows = net_target_rows },
    REFUSE("guest", "the guest names its interfaces itself"),
    { .name = "model", .type = XML_ROW_GROUP, .rows = net_model_rows },
    { .name = "driver", .type = XML_ROW_GROUP, .rows = net_driver_rows },
    REFUSE("backend", "the driver opens the tap itself"),
    REFUSE("filterref", "the driver has no packet filters"),
    REFUSE("bandwidth", "the driver shapes no traffic"),
    REFUSE("vlan", "accepted: a bridge or tap without VLAN tags"),
    REFUSE("port", "the driver isolates no bridge ports"),
    KEEP("tune"),
    { .name = "link", .type = XML_ROW_GROUP, .rows = link_rows },
    { .name = "mtu", .type = XML_ROW_GROUP, .rows = mtu_rows },
    KEEP("coalesce"),
    KEEP("rom"),
    REFUSE("teaming", "the VMM has no fail-over pairs"),
    BOOT,
    ALIAS_AND_ADDRESS,
    END,
};

static void net_fixup(void *obj, unsigned flags)
{
    DomainNet *net = obj;

    device_fixup(obj, flags);
    if (net->mac) {
        char *lower = g_ascii_strdown(net->mac, -1);

        g_free(net->mac);
        net->mac = lower;
    }
    /* libvirt's names for taps of its own making: never configuration */
    net->ifname_generated = net->ifname && net->managed != DOMAIN_TRI_OFF &&
                            g_str_has_prefix(net->ifname, "vnet");
    if (flags & DOMAIN_DEF_PARSE_INACTIVE) {
        g_clear_pointer(&net->portid, g_free);
        if (net->ifname_generated)
            g_clear_pointer(&net->ifname, g_free);
        net->ifname_generated = FALSE;
    }
    if (net->type != DOMAIN_NET_NETWORK) {
        g_clear_pointer(&net->network, g_free);
        g_clear_pointer(&net->portgroup, g_free);
    }
    if (net->type != DOMAIN_NET_BRIDGE && net->type != DOMAIN_NET_NETWORK)
        g_clear_pointer(&net->bridge, g_free);
}

const XmlRecord domain_net_record = {
    .size = sizeof(DomainNet),
    .rows = net_rows,
    .fixup = net_fixup,
};

/* Serials and consoles */
#define CHR(type_, field_) .type = type_, .off = offsetof(DomainChr, field_)

/* The path of a pty is the host's answer. */
static gboolean shown_path(const void *obj, unsigned flags)
{
    return !(flags & VIR_DOMAIN_XML_INACTIVE) ||
           ((const DomainChr *)obj)->type != DOMAIN_CHR_PTY;
}

static const XmlRow chr_source_rows[] = {
    { .name = "@mode", CHR(XML_ROW_ENUM, mode), .names = chr_mode_names },
    { .name = "@path", CHR(XML_ROW_STR, path), .shown = shown_path },
    { .name = "@append", CHR(XML_ROW_ON_OFF, append) },
    DROP("@host"), /* what other types have: the type is refused */
    DROP("@service"),
    DROP("@tls"),
    DROP("@channel"),
    DROP("@master"),
    DROP("@slave"),
    REFUSE("seclabel", "the driver opens the file and it needs no label"),
    REFUSE("reconnect", "the VMM only listens"),
    END,
};

static const XmlRow log_rows[] = {
    { .name = "@file", CHR(XML_ROW_STR, log_file) },
    { .name = "@append", CHR(XML_ROW_ON_OFF, log_append) },
    END,
};

static const XmlRow chr_model_rows[] = {
    { .name = "@name", CHR(XML_ROW_STR, target_model) },
    END,
};

static const XmlRow chr_target_rows[] = {
    { .name = "@type",
      CHR(XML_ROW_ENUM, target_type),
      .names = domain_chr_target_names },
    { .name = "@port",
      CHR(XML_ROW_UINT, target_port),
      .has = XML_HAS(DomainChr, has_port) },
    { .name = "model", .type = XML_ROW_GROUP, .rows = chr_model_rows },
    END,
};

static const XmlRow chr_rows[] = {
    { .name = "@type",
      CHR(XML_ROW_ENUM, type),
      .names = domain_chr_type_names },
    { .name = "@tty", CHR(XML_ROW_STR, tty), .shown = shown_live },
    { .name = "source", .type = XML_ROW_GROUP, .rows = chr_source_rows },
    DROP("protocol"),
    { .name = "log", .type = XML_ROW_GROUP, .rows = log_rows },
    { .name = "target", .type = XML_ROW_GROUP, .rows = chr_target_rows },
    ALIAS_AND_ADDRESS,
    END,
};

static void chr_fixup(void *obj, unsigned flags)
{
    DomainChr *chr = obj;

    device_fixup(obj, flags);
    if (flags & DOMAIN_DEF_PARSE_INACTIVE) {
        g_clear_pointer(&chr->tty, g_free);
        if (chr->type == DOMAIN_CHR_PTY)
            g_clear_pointer(&chr->path, g_free);
    }
    if (chr->type != DOMAIN_CHR_UNIX)
        chr->mode = DOMAIN_CHR_MODE_ABSENT;
    if (chr->type != DOMAIN_CHR_FILE)
        chr->append = DOMAIN_TRI_ABSENT;
}

const XmlRecord domain_chr_record = {
    .size = sizeof(DomainChr),
    .rows = chr_rows,
    .fixup = chr_fixup,
};

/* Random numbers */
#define RNG(type_, field_) .type = type_, .off = offsetof(DomainRng, field_)

static const XmlRow rate_rows[] = {
    { .name = "@bytes", RNG(XML_ROW_U64, rate_bytes) },
    { .name = "@period", RNG(XML_ROW_UINT, rate_period_ms) },
    END,
};

static const XmlRow backend_rows[] = {
    { .name = "@model", RNG(XML_ROW_STR, backend_model) },
    DROP("@type"),
    DROP("source"),
    DROP("protocol"),
    { .name = ".", RNG(XML_ROW_STR, path) },
    END,
};

static const XmlRow rng_rows[] = {
    { .name = "@model", RNG(XML_ROW_STR, model) },
    { .name = "rate",
      .type = XML_ROW_GROUP,
      .has = XML_HAS(DomainRng, has_rate),
      .rows = rate_rows },
    { .name = "backend", .type = XML_ROW_GROUP, .rows = backend_rows },
    KEEP("driver"),
    ALIAS_AND_ADDRESS,
    END,
};

const XmlRecord domain_rng_record = {
    .size = sizeof(DomainRng),
    .rows = rng_rows,
    .fixup = device_fixup,
};

/* The balloon, controllers and video cards */
static const XmlRow balloon_rows[] = {
    { .name = "@model",
      .type = XML_ROW_STR,
      .off = offsetof(DomainBalloon, model) },
    DROP("@autodeflate"),
    DROP("@freePageReporting"),
    DROP("stats"),
    DROP("driver"),
    ALIAS_AND_ADDRESS,
    END,
};

const XmlRecord domain_balloon_record = {
    .size = sizeof(DomainBalloon),
    .rows = balloon_rows,
    .fixup = device_fixup,
};

#define CTL(type_, field_)                                                     \
    .type = type_, .off = offsetof(DomainController, field_)
static const XmlRow controller_rows[] = {
    { .name = "@type", CTL(XML_ROW_STR, type) },
    { .name = "@index",
      CTL(XML_ROW_UINT, index),
      .has = XML_HAS(DomainController, has_index) },
    { .name = "@model", CTL(XML_ROW_STR, model) },
    { .name = "@ports", CTL(XML_ROW_UINT, ports) },
    DROP("@vectors"),
    DROP("model"),
    DROP("target"),
    DROP("master"),
    KEEP("driver"),
    ALIAS_AND_ADDRESS,
    END,
};

const XmlRecord domain_controller_record = {
    .size = sizeof(DomainController),
    .rows = controller_rows,
    .fixup = device_fixup,
};

static const XmlRow video_model_rows[] = {
    { .name = "@type",
      .type = XML_ROW_STR,
      .off = offsetof(DomainVideo, model) },
    DROP("@ram"),
    DROP("@vram"),
    DROP("@vram64"),
    DROP("@vgamem"),
    DROP("@heads"),
    DROP("@primary"),
    DROP("@blob"),
    DROP("acceleration"),
    DROP("resolution"),
    END,
};

static const XmlRow video_rows[] = {
    { .name = "model", .type = XML_ROW_GROUP, .rows = video_model_rows },
    DROP("driver"),
    ALIAS_AND_ADDRESS,
    END,
};

const XmlRecord domain_video_record = {
    .size = sizeof(DomainVideo),
    .rows = video_rows,
    .fixup = device_fixup,
};

/* <devices> itself */
#define DEF(type_, field_) .type = type_, .off = offsetof(DomainDef, field_)

const XmlRow domain_device_rows[] = {
    { .name = "emulator", DEF(XML_ROW_STR, emulator) },
    { .name = "disk", DEF(XML_ROW_LIST, disks), .record = &domain_disk_record },
    { .name = "controller",
      DEF(XML_ROW_LIST, controllers),
      .record = &domain_controller_record },
    REFUSE("lease", "there is no lock manager"),
    REFUSE("filesystem", "the VMM shares no directories"),
    { .name = "interface",
      DEF(XML_ROW_LIST, nets),
      .record = &domain_net_record },
    REFUSE("smartcard", "the VMM has none"),
    { .name = "serial",
      DEF(XML_ROW_LIST, serials),
      .record = &domain_chr_record },
    REFUSE("parallel", "the VMM has no parallel port"),
    { .name = "console",
      DEF(XML_ROW_LIST, consoles),
      .record = &domain_chr_record },
    REFUSE("channel", "this machine has one console port and no channels"),
    { .name = "input",
      DEF(XML_ROW_KEEP, kept_devices),
      .only = "bus",
      .names = (const char *const[]){ "ps2", NULL },
      .hint = "this machine has no input devices; accepted, without effect: "
              "bus='ps2'" },
    REFUSE("tpm", "the VMM has none"),
    REFUSE("graphics", "this machine has no display; use a <console>"),
    { .name = "sound", DEF(XML_ROW_KEEP, kept_devices) },
    { .name = "audio", DEF(XML_ROW_KEEP, kept_devices) },
    { .name = "video",
      DEF(XML_ROW_LIST, videos),
      .record = &domain_video_record },
    REFUSE("hostdev", "this machine has no PCI or USB bus"),
    REFUSE("redirdev", "this machine has no USB bus"),
    REFUSE("redirfilter", "this machine has no USB bus"),
    REFUSE("hub", "this machine has no USB bus"),
    REFUSE("watchdog", "the VMM has none"),
    { .name = "memballoon",
      DEF(XML_ROW_LIST, balloons),
      .record = &domain_balloon_record },
    { .name = "rng", DEF(XML_ROW_LIST, rngs), .record = &domain_rng_record },
    REFUSE("nvram", "this machine boots <kernel> directly"),
    REFUSE("panic", "this machine has no panic device"),
    REFUSE("shmem", "the VMM shares no memory with other guests"),
    REFUSE("memory", "memory cannot be plugged on this machine"),
    REFUSE("iommu", "the VMM has none"),
    REFUSE("vsock", "this machine has none"),
    REFUSE("crypto", "the VMM has none"),
    END,
};
