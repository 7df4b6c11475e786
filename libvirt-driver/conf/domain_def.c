// SPDX-License-Identifier: LGPL-2.1-or-later
// conf/domain_def.c - definitions: life, XML in and out, lookups.
#include <config.h>

#include "conf/domain_def.h"

#include <string.h>

#include "conf/domain_schema.h"
#include "util/error.h"

DomainDef *domain_def_new(void)
{
    DomainDef *def = xml_record_new(&domain_record);

    def->id = -1;
    return def;
}

void domain_def_free(DomainDef *def)
{
    xml_record_free(&domain_record, def);
}

DomainDef *domain_def_copy(const DomainDef *def)
{
    return xml_record_copy(&domain_record, def);
}

/* libvirt's own errors for these two come before all others. */
static gboolean check_root(xmlNodePtr node, GError **error)
{
    g_autofree char *type = xml_node_attr(node, "type");

    for (xmlNodePtr child = node->children; child; child = child->next) {
        if (child->type == XML_ELEMENT_NODE && child->ns && child->ns->href &&
            strcmp((const char *)child->ns->href,
                   "http://libvirt.org/schemas/domain/qemu/1.0") == 0)
            return vir_error_set(error, VIR_ERR_CONFIG_UNSUPPORTED,
                                 "<qemu:%s> is not supported: the VMM is not "
                                 "QEMU, remove it",
                                 (const char *)child->name);
    }
    if (!type)
        return vir_error_set_from(error, VIR_FROM_DOMAIN, VIR_ERR_XML_ERROR,
                                  "missing domain type attribute");
    if (strcmp(type, "qemu") == 0)
        return vir_error_set_from(error, VIR_FROM_DOMAIN,
                                  VIR_ERR_CONFIG_UNSUPPORTED,
                                  "domain type 'qemu' is not supported: the "
                                  "VMM emulates no CPU; accepted: 'kvm'");
    if (strcmp(type, "kvm") != 0)
        return vir_error_set_from(
            error, VIR_FROM_DOMAIN, VIR_ERR_CONFIG_UNSUPPORTED,
            "invalid domain type '%s'; accepted: 'kvm'", type);
    return TRUE;
}

static gboolean finish(DomainDef *def, unsigned flags,
                       const DomainCapsLimits *limits, GError **error)
{
    if (flags & DOMAIN_DEF_PARSE_RAW)
        return TRUE;
    if (limits->device_substitution)
        domain_def_substitute(def);
    return domain_def_fill_defaults(def, limits, error) &&
           (flags & DOMAIN_DEF_PARSE_SKIP_VALIDATE ||
            domain_def_validate(def, limits, error));
}

DomainDef *domain_def_parse_node(xmlNodePtr node, unsigned flags,
                                 const DomainCapsLimits *limits, GError **error)
{
    g_autoptr(DomainDef) def = domain_def_new();

    if (!check_root(node, error) ||
        !xml_table_parse(domain_record.rows, node, def, flags, error))
        return NULL;
    domain_record.fixup(def, flags);
    if (!finish(def, flags, limits, error))
        return NULL;
    return g_steal_pointer(&def);
}

DomainDef *domain_def_parse(const char *xml, unsigned flags,
                            const DomainCapsLimits *limits, GError **error)
{
    xmlDocPtr doc = xml_doc_parse(xml, "domain", error);
    DomainDef *def = NULL;

    if (!doc)
        return NULL;
    if (!(flags & DOMAIN_DEF_PARSE_VALIDATE_SCHEMA) ||
        domain_rng_validate(doc, error))
        def = domain_def_parse_node(xmlDocGetRootElement(doc), flags, limits,
                                    error);
    xmlFreeDoc(doc);
    return def;
}

void domain_def_format_indented(const DomainDef *def, unsigned flags,
                                guint indent, GString *buf)
{
    /* what is sent to another host says nothing of this one */
    if (flags & VIR_DOMAIN_XML_MIGRATABLE)
        flags |= VIR_DOMAIN_XML_INACTIVE;
    xml_table_format(domain_record.rows, "domain", def, flags, indent, TRUE,
                     buf);
}

void domain_def_format(const DomainDef *def, unsigned flags, GString *buf)
{
    domain_def_format_indented(def, flags, 0, buf);
}

const char *domain_disk_path(const DomainDisk *disk)
{
    return disk->type == DOMAIN_DISK_BLOCK ? disk->block : disk->file;
}

gboolean domain_chr_is_mirror(const DomainChr *chr)
{
    return chr->target_type == DOMAIN_CHR_TARGET_SERIAL;
}

DomainDisk *domain_def_find_disk(const DomainDef *def, const char *name)
{
    for (guint i = 0; i < def->disks->len; i++) {
        DomainDisk *disk = def->disks->pdata[i];
        const char *path = domain_disk_path(disk);

        if (g_strcmp0(disk->dst, name) == 0 || g_strcmp0(path, name) == 0)
            return disk;
    }
    return NULL;
}

DomainNet *domain_def_find_net(const DomainDef *def, const char *name)
{
    for (guint i = 0; i < def->nets->len; i++) {
        DomainNet *net = def->nets->pdata[i];

        if (g_strcmp0(net->ifname, name) == 0 ||
            (net->mac && g_ascii_strcasecmp(net->mac, name) == 0))
            return net;
    }
    return NULL;
}

static DomainChr *first(GPtrArray *list)
{
    return list->len ? list->pdata[0] : NULL;
}

static DomainChr *find_alias(GPtrArray *list, const char *alias)
{
    for (guint i = 0; i < list->len; i++) {
        DomainChr *chr = list->pdata[i];

        if (g_strcmp0(chr->dev.alias, alias) == 0)
            return chr;
    }
    return NULL;
}

DomainChr *domain_def_find_chr(const DomainDef *def, const char *alias)
{
    DomainChr *chr;

    if (alias) {
        chr = find_alias(def->serials, alias);
        if (!chr)
            chr = find_alias(def->consoles, alias);
    } else {
        chr = first(def->consoles);
        if (!chr)
            chr = first(def->serials);
    }
    if (chr && domain_chr_is_mirror(chr) && def->serials->len)
        return first(def->serials);
    return chr;
}

static void set_pty(DomainChr *chr, const char *path, gboolean tty)
{
    g_free(chr->path);
    chr->path = g_strdup(path);
    if (!tty)
        return;
    g_free(chr->tty);
    chr->tty = g_strdup(path);
}

void domain_def_set_pty(DomainDef *def, const char *alias, const char *path)
{
    DomainChr *serial = find_alias(def->serials, alias);

    if (serial && serial->type == DOMAIN_CHR_PTY)
        set_pty(serial, path, FALSE);
    for (guint i = 0; i < def->consoles->len; i++) {
        DomainChr *console = def->consoles->pdata[i];

        if (console->type == DOMAIN_CHR_PTY &&
            g_strcmp0(console->dev.alias, alias) == 0)
            set_pty(console, path, TRUE);
    }
}

static void assign(DomainDevice *dev, const char *prefix, guint number)
{
    if (!dev->alias)
        dev->alias = g_strdup_printf("%s%u", prefix, number);
}

static void assign_all(GPtrArray *list, const char *prefix)
{
    for (guint i = 0; i < list->len; i++)
        assign(list->pdata[i], prefix, i);
}

/* The number in a target name: vda 0, vdz 25, vdaa 26. */
static guint disk_number(const DomainDisk *disk)
{
    guint number = 0;

    for (const char *s = disk->dst ? disk->dst + 2 : ""; *s; s++) {
        if (!g_ascii_islower(*s) || number > 10000)
            break;
        number = number * 26 + (guint)(*s - 'a') + 1;
    }
    return number ? number - 1 : 0;
}

void domain_def_assign_aliases(DomainDef *def)
{
    for (guint i = 0; i < def->disks->len; i++) {
        DomainDisk *disk = def->disks->pdata[i];

        assign(&disk->dev, "virtio-disk", disk_number(disk));
    }
    for (guint i = 0; i < def->controllers->len; i++) {
        DomainController *ctl = def->controllers->pdata[i];

        if (!ctl->dev.alias && g_strcmp0(ctl->type, "usb") == 0)
            ctl->dev.alias = g_strdup("usb");
        else if (!ctl->dev.alias)
            ctl->dev.alias = g_strdup_printf("%s%u", ctl->type, ctl->index);
    }
    assign_all(def->nets, "net");
    assign_all(def->serials, "serial");
    for (guint i = 0; i < def->consoles->len; i++) {
        DomainChr *console = def->consoles->pdata[i];

        if (domain_chr_is_mirror(console) && def->serials->len) {
            g_free(console->dev.alias);
            console->dev.alias = g_strdup(first(def->serials)->dev.alias);
        }
        assign(&console->dev, "console", i);
    }
    assign_all(def->videos, "video");
    assign_all(def->rngs, "rng");
    for (guint i = 0; i < def->balloons->len; i++) {
        DomainBalloon *balloon = def->balloons->pdata[i];

        if (g_strcmp0(balloon->model, "none") != 0)
            assign(&balloon->dev, "balloon", i);
    }
}
