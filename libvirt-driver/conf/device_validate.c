// SPDX-License-Identifier: LGPL-2.1-or-later
// conf/device_validate.c - devices that can never work here, refused.
#include <config.h>

#include <string.h>

#include "conf/domain_schema.h"
#include "conf/validate_priv.h"

static gboolean iothread_exists(const DomainDef *def, guint id)
{
    if (!def->iothread_ids->len)
        return id >= 1 && id <= def->iothreads;
    for (guint i = 0; i < def->iothread_ids->len; i++) {
        if (((DomainIothread *)def->iothread_ids->pdata[i])->id == id)
            return TRUE;
    }
    return FALSE;
}

/* Aliases of users, and addresses, of any device. */
static gboolean check_device(const DomainDevice *dev, const char *what,
                             GHashTable *aliases, GError **error)
{
    if (dev->address_type != DOMAIN_ADDRESS_NONE &&
        dev->address_type != DOMAIN_ADDRESS_VIRTIO_MMIO &&
        dev->address_type != DOMAIN_ADDRESS_ISA &&
        dev->address_type != DOMAIN_ADDRESS_VIRTIO_SERIAL)
        return UNSUPPORTED("<address type='%s'> of <%s> is not supported: "
                           "machine 'microvm' has no such bus, remove the "
                           "address",
                           domain_address_names[dev->address_type], what);
    if (!dev->alias || !g_str_has_prefix(dev->alias, "ua-"))
        return TRUE;
    if (strspn(dev->alias, G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS "_-") !=
            strlen(dev->alias) ||
        strlen(dev->alias) > 128)
        return MALFORMED("the alias '%s' of <%s> has other characters than "
                         "letters, digits, '_' and '-', or more than 128",
                         dev->alias, what);
    if (!g_hash_table_add(aliases, dev->alias))
        return MALFORMED("non unique alias detected: %s", dev->alias);
    return TRUE;
}

static gboolean check_disk_source(const DomainDisk *disk, GError **error)
{
    const char *path = domain_disk_path(disk);

    if (disk->type != DOMAIN_DISK_FILE && disk->type != DOMAIN_DISK_BLOCK)
        return UNSUPPORTED("<disk type='%s'> is not supported; accepted: "
                           "'file', 'block'",
                           domain_disk_type_names[disk->type]);
    if (disk->device != DOMAIN_DISK_DEVICE_DISK)
        return UNSUPPORTED("<disk device='%s'> is not supported on this "
                           "machine; accepted: 'disk'",
                           domain_disk_device_names[disk->device]);
    if (!path)
        return MISSING(VIR_ERR_NO_SOURCE);
    if (!validate_path(path, "a <disk>", error))
        return FALSE;
    if (strcmp(disk->format, "raw") != 0)
        return UNSUPPORTED("attribute 'type' of a disk's <driver> cannot be "
                           "'%s' on this machine; accepted: 'raw'",
                           disk->format);
    return TRUE;
}

static gboolean check_disk_bus(const DomainDisk *disk, GError **error)
{
    if (disk->bus != DOMAIN_DISK_BUS_VIRTIO)
        return UNSUPPORTED("attribute 'bus' of <target dev='%s'> cannot be "
                           "'%s' on this machine; accepted: 'virtio'",
                           disk->dst, domain_disk_bus_names[disk->bus]);
    if (!g_str_has_prefix(disk->dst, "vd") ||
        strspn(disk->dst, G_CSET_a_2_z) != strlen(disk->dst) ||
        strlen(disk->dst) < 3 || strlen(disk->dst) > 5)
        return UNSUPPORTED("attribute 'dev' of a disk's <target> cannot be "
                           "'%s'; accepted: 'vda', 'vdb', ...",
                           disk->dst);
    if (disk->model && strcmp(disk->model, "virtio") != 0 &&
        strcmp(disk->model, "virtio-non-transitional") != 0)
        return UNSUPPORTED("<disk model='%s'> is not supported; accepted: "
                           "'virtio', 'virtio-non-transitional'",
                           disk->model);
    if (disk->transient)
        return UNSUPPORTED("<transient> of disk '%s' is not supported: the "
                           "VMM writes to the image itself",
                           disk->dst);
    return TRUE;
}

static gboolean check_disk_options(const DomainDef *def, const DomainDisk *disk,
                                   GError **error)
{
    if (disk->serial &&
        (strlen(disk->serial) > 20 ||
         strspn(disk->serial, G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS
                " _-+.") != strlen(disk->serial)))
        return UNSUPPORTED("<serial> '%s' of disk '%s' is not supported; "
                           "accepted: up to 20 letters, digits, blanks and "
                           "'_-+.'",
                           disk->serial, disk->dst);
    if (disk->iothread && !iothread_exists(def, disk->iothread))
        return UNSUPPORTED("attribute 'iothread' of disk '%s' names I/O thread "
                           "%u, which <iothreads> does not have",
                           disk->dst, disk->iothread);
    if (disk->io == DOMAIN_DISK_IO_NATIVE &&
        disk->cache != DOMAIN_DISK_CACHE_NONE &&
        disk->cache != DOMAIN_DISK_CACHE_DIRECTSYNC)
        return UNSUPPORTED("io='native' of disk '%s' needs cache='none' or "
                           "'directsync'",
                           disk->dst);
    if (disk->queues > 1)
        return UNSUPPORTED("attribute 'queues' of disk '%s' cannot be %u on "
                           "this machine; accepted: 1",
                           disk->dst, disk->queues);
    if (disk->queue_size && (disk->queue_size < 4 || disk->queue_size > 1024 ||
                             (disk->queue_size & (disk->queue_size - 1))))
        return UNSUPPORTED("attribute 'queue_size' of disk '%s' cannot be %u; "
                           "accepted: a power of two from 4 to 1024",
                           disk->dst, disk->queue_size);
    if (disk->total_iops_sec > 1000000)
        return UNSUPPORTED("<total_iops_sec> of disk '%s' is above 1000000",
                           disk->dst);
    return TRUE;
}

static gboolean check_disks(const DomainDef *def, const DomainMachine *machine,
                            GHashTable *aliases, GError **error)
{
    if (machine->max_disks && def->disks->len > machine->max_disks)
        return UNSUPPORTED("%u disks are not supported; machine '%s' accepts "
                           "up to %u",
                           def->disks->len, machine->alias, machine->max_disks);
    for (guint i = 0; i < def->disks->len; i++) {
        const DomainDisk *disk = def->disks->pdata[i];

        if (!disk->dst)
            return MISSING(VIR_ERR_NO_TARGET);
        for (guint j = 0; j < i; j++) {
            if (strcmp(((DomainDisk *)def->disks->pdata[j])->dst, disk->dst) ==
                0)
                return MALFORMED("target '%s' duplicated for disk sources",
                                 disk->dst);
        }
        if (!check_disk_bus(disk, error) || !check_disk_source(disk, error) ||
            !check_disk_options(def, disk, error) ||
            !check_device(&disk->dev, "disk", aliases, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean check_mac(const char *mac, GError **error)
{
    gboolean ok = strlen(mac) == 17;

    for (guint i = 0; ok && i < 17; i++)
        ok = i % 3 == 2 ? mac[i] == ':' : g_ascii_isxdigit(mac[i]);
    if (!ok)
        return MALFORMED("unable to parse mac address '%s'", mac);
    if (g_ascii_xdigit_value(mac[1]) & 1)
        return MALFORMED("expected unicast mac address, found multicast '%s'",
                         mac);
    if (strcmp(mac, "00:00:00:00:00:00") == 0)
        return MALFORMED("the mac address cannot be all zeros");
    return TRUE;
}

static gboolean check_net_source(const DomainNet *net,
                                 const DomainCapsLimits *limits, GError **error)
{
    switch (net->type) {
    case DOMAIN_NET_ETHERNET:
        if (net->managed == DOMAIN_TRI_OFF && !net->ifname)
            return MALFORMED("<target managed='no'> of <interface> needs "
                             "attribute 'dev', the name of the tap");
        return TRUE;
    case DOMAIN_NET_BRIDGE:
        if (!net->bridge)
            return MALFORMED("<interface type='bridge'> needs <source "
                             "bridge='...'/>");
        if (strlen(net->bridge) > 15 || strchr(net->bridge, '/') ||
            validate_has_control(net->bridge))
            return MALFORMED("'%s' cannot be the name of a bridge",
                             net->bridge);
        return TRUE;
    case DOMAIN_NET_NETWORK:
        if (!limits->network_interfaces)
            break;
        if (!net->network)
            return MALFORMED("<interface type='network'> needs <source "
                             "network='...'/>");
        return TRUE;
    default:
        break;
    }
    return UNSUPPORTED("<interface type='%s'> is not supported; accepted: "
                       "'ethernet', 'bridge'%s",
                       domain_net_type_names[net->type],
                       limits->network_interfaces ? ", 'network'" : "");
}

static gboolean check_net_options(const DomainNet *net, GError **error)
{
    if (strcmp(net->model, "virtio") != 0 &&
        strcmp(net->model, "virtio-non-transitional") != 0)
        return UNSUPPORTED("<model type='%s'> of <interface> is not supported; "
                           "accepted: 'virtio'",
                           net->model);
    if (net->ifname &&
        (strlen(net->ifname) > 15 ||
         strspn(net->ifname, G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS "_.-") !=
             strlen(net->ifname) ||
         net->ifname[0] == '-' || strcmp(net->ifname, ".") == 0 ||
         strcmp(net->ifname, "..") == 0))
        return UNSUPPORTED("'%s' cannot be the name of a tap; accepted: up to "
                           "15 letters, digits and '_.-'",
                           net->ifname);
    if (net->script)
        return UNSUPPORTED("<script> of <interface> is not supported: the "
                           "driver runs no scripts");
    if (net->driver_name && strcmp(net->driver_name, "qemu") != 0)
        return UNSUPPORTED("<driver name='%s'> of <interface> is not "
                           "supported; accepted: 'qemu'",
                           net->driver_name);
    if (net->queues > 16)
        return UNSUPPORTED("attribute 'queues' of <interface> cannot be %u; "
                           "accepted: 1 to 16",
                           net->queues);
    if (net->mtu && (net->mtu < 68 || net->mtu > 65535))
        return UNSUPPORTED("<mtu size='%u'> is not supported; accepted: 68 to "
                           "65535",
                           net->mtu);
    if (net->link == DOMAIN_NET_LINK_DOWN)
        return UNSUPPORTED("<link state='down'> is not supported: the VMM's "
                           "links are up");
    return TRUE;
}

static gboolean check_nets(const DomainDef *def, const DomainCapsLimits *limits,
                           const DomainMachine *machine, GHashTable *aliases,
                           GError **error)
{
    for (guint i = 0; i < def->nets->len; i++) {
        const DomainNet *net = def->nets->pdata[i];

        if (!check_mac(net->mac, error) ||
            !check_net_source(net, limits, error) ||
            !check_net_options(net, error) ||
            !check_device(&net->dev, "interface", aliases, error))
            return FALSE;
    }
    if (machine->max_nets && def->nets->len > machine->max_nets)
        return UNSUPPORTED("%u interfaces are not supported; machine '%s' "
                           "accepts up to %u",
                           def->nets->len, machine->alias, machine->max_nets);
    return TRUE;
}

static gboolean check_chr_source(const DomainChr *chr, const char *what,
                                 GError **error)
{
    if (chr->type != DOMAIN_CHR_PTY && chr->type != DOMAIN_CHR_FILE &&
        chr->type != DOMAIN_CHR_UNIX)
        return UNSUPPORTED("<%s type='%s'> is not supported; accepted: 'pty', "
                           "'file', 'unix'",
                           what, domain_chr_type_names[chr->type]);
    if (chr->type != DOMAIN_CHR_PTY && !chr->path)
        return MALFORMED("<%s type='%s'> needs <source path='...'/>", what,
                         domain_chr_type_names[chr->type]);
    if (chr->type == DOMAIN_CHR_UNIX && chr->mode != DOMAIN_CHR_MODE_BIND)
        return UNSUPPORTED("<source> of <%s type='unix'> must have "
                           "mode='bind': the VMM only listens",
                           what);
    if (chr->type == DOMAIN_CHR_UNIX && strlen(chr->path) > 107)
        return UNSUPPORTED("the socket path of <%s> is longer than 107 bytes",
                           what);
    return validate_path(chr->type == DOMAIN_CHR_PTY ? NULL : chr->path, what,
                         error) &&
           validate_path(chr->log_file, "<log>", error);
}

static gboolean check_serials(const DomainDef *def, GHashTable *aliases,
                              GError **error)
{
    gboolean x86 = strcmp(def->os.arch, "x86_64") == 0;
    int target =
        x86 ? DOMAIN_CHR_TARGET_ISA_SERIAL : DOMAIN_CHR_TARGET_SYSTEM_SERIAL;

    if (def->serials->len > 1)
        return UNSUPPORTED("%u <serial> are not supported; accepted: one",
                           def->serials->len);
    for (guint i = 0; i < def->serials->len; i++) {
        const DomainChr *serial = def->serials->pdata[i];

        if (serial->target_type != target)
            return UNSUPPORTED("<target type='%s'> of <serial> is not "
                               "supported; accepted: '%s'",
                               domain_chr_target_names[serial->target_type],
                               domain_chr_target_names[target]);
        if (serial->target_port)
            return UNSUPPORTED("<target port='%u'> of <serial> is not "
                               "supported; accepted: 0",
                               serial->target_port);
        if (strcmp(serial->target_model, x86 ? "isa-serial" : "pl011") != 0)
            return UNSUPPORTED("<model name='%s'> of <serial> is not "
                               "supported; accepted: '%s'",
                               serial->target_model,
                               x86 ? "isa-serial" : "pl011");
        if (!check_chr_source(serial, "serial", error) ||
            !check_device(&serial->dev, "serial", aliases, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean check_consoles(const DomainDef *def, GHashTable *aliases,
                               GError **error)
{
    guint virtio = 0, mirrors = 0;

    for (guint i = 0; i < def->consoles->len; i++) {
        const DomainChr *console = def->consoles->pdata[i];

        if (console->target_type == DOMAIN_CHR_TARGET_VIRTIO)
            virtio++;
        else if (console->target_type == DOMAIN_CHR_TARGET_SERIAL)
            mirrors++;
        else
            return UNSUPPORTED("<target type='%s'> of <console> is not "
                               "supported; accepted: 'serial', 'virtio'",
                               domain_chr_target_names[console->target_type]);
        if (!check_chr_source(console, "console", error))
            return FALSE;
        if (!domain_chr_is_mirror(console) &&
            !check_device(&console->dev, "console", aliases, error))
            return FALSE;
        if (mirrors > 1 || (domain_chr_is_mirror(console) && i > 0))
            return UNSUPPORTED("only the first <console> can have <target "
                               "type='serial'>");
    }
    if (virtio > 1)
        return UNSUPPORTED("%u <console> with <target type='virtio'> are not "
                           "supported; this machine accepts one",
                           virtio);
    return TRUE;
}

static gboolean check_rng(const DomainRng *rng, GHashTable *aliases,
                          GError **error)
{
    guint64 period = rng->rate_period_ms ? rng->rate_period_ms : 1000;

    if (strcmp(rng->model, "virtio") != 0 &&
        strcmp(rng->model, "virtio-non-transitional") != 0)
        return UNSUPPORTED("<rng model='%s'> is not supported; accepted: "
                           "'virtio'",
                           rng->model);
    if (strcmp(rng->backend_model, "random") != 0)
        return UNSUPPORTED("<backend model='%s'> of <rng> is not supported; "
                           "accepted: 'random'",
                           rng->backend_model);
    if (rng->has_rate) {
        guint64 rate;

        if (!rng->rate_bytes)
            return MALFORMED("<rate> of <rng> needs attribute 'bytes'");
        if (!g_uint64_checked_mul(&rate, rng->rate_bytes, 1000) ||
            rate / period < 64 || rate / period > 1000000000)
            return UNSUPPORTED("<rate> of <rng> is not supported; accepted: "
                               "64 to 1000000000 bytes a second");
    }
    return validate_path(rng->path, "<backend> of <rng>", error) &&
           check_device(&rng->dev, "rng", aliases, error);
}

static gboolean check_controller(const DomainController *ctl,
                                 GHashTable *aliases, GError **error)
{
    const char *type = ctl->type ? ctl->type : "";
    const char *model = ctl->model ? ctl->model : "";
    gboolean ok = FALSE;

    if (strcmp(type, "virtio-serial") == 0)
        ok = ctl->index == 0 && (!*model || strcmp(model, "virtio") == 0) &&
             ctl->ports <= 31;
    else if (strcmp(type, "usb") == 0)
        ok = strcmp(model, "none") == 0;
    if (!ok)
        return UNSUPPORTED("<controller type='%s' index='%u' model='%s'> is "
                           "not supported; this machine accepts one "
                           "type='virtio-serial', and type='usb' "
                           "model='none'",
                           type, ctl->index, model);
    return check_device(&ctl->dev, "controller", aliases, error);
}

static gboolean check_controllers(const DomainDef *def, GHashTable *aliases,
                                  GError **error)
{
    for (guint i = 0; i < def->controllers->len; i++) {
        const DomainController *ctl = def->controllers->pdata[i];

        if (!check_controller(ctl, aliases, error))
            return FALSE;
        for (guint j = 0; j < i; j++) {
            const DomainController *other = def->controllers->pdata[j];

            if (strcmp(other->type, ctl->type) == 0)
                return MALFORMED("<controller type='%s' index='%u'> is there "
                                 "twice",
                                 ctl->type, ctl->index);
        }
    }
    return TRUE;
}

static gboolean check_others(const DomainDef *def, GHashTable *aliases,
                             GError **error)
{
    for (guint i = 0; i < def->rngs->len; i++) {
        if (!check_rng(def->rngs->pdata[i], aliases, error))
            return FALSE;
    }
    for (guint i = 0; i < def->videos->len; i++) {
        const DomainVideo *video = def->videos->pdata[i];

        if (g_strcmp0(video->model, "none") != 0)
            return UNSUPPORTED("<video> of model '%s' is not supported: this "
                               "machine has no display; accepted: 'none'",
                               video->model ? video->model : "");
    }
    if (def->balloons->len > 1)
        return MALFORMED("only a single memory balloon device is supported");
    for (guint i = 0; i < def->balloons->len; i++) {
        const DomainBalloon *balloon = def->balloons->pdata[i];

        if (g_strcmp0(balloon->model, "none") != 0)
            return UNSUPPORTED("<memballoon model='%s'> is not supported; "
                               "accepted: 'none'",
                               balloon->model ? balloon->model : "");
    }
    return check_controllers(def, aliases, error);
}

gboolean validate_devices(const DomainDef *def, const DomainCapsLimits *limits,
                          const DomainMachine *machine, GError **error)
{
    g_autoptr(GHashTable) aliases = g_hash_table_new(g_str_hash, g_str_equal);

    return check_disks(def, machine, aliases, error) &&
           check_nets(def, limits, machine, aliases, error) &&
           check_serials(def, aliases, error) &&
           check_consoles(def, aliases, error) &&
           check_others(def, aliases, error);
}
