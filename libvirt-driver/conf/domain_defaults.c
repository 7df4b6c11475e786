// SPDX-License-Identifier: LGPL-2.1-or-later
// conf/domain_defaults.c - what define adds, and the substitutions of D1.
#include <config.h>

#include <string.h>

#include "conf/domain_def.h"
#include "conf/domain_machine.h"
#include "conf/domain_schema.h"
#include "util/error.h"

static void set_default(char **field, const char *value)
{
    if (!*field)
        *field = g_strdup(value);
}

static void set_string(char **field, const char *value)
{
    g_free(*field);
    *field = g_strdup(value);
}

/* Any spelling of a UUID to the usual one; NULL if it is none. */
static char *canonical_uuid(const char *text)
{
    char hex[33];
    guint n = 0;

    for (; *text; text++) {
        if (*text == '-' || g_ascii_isspace(*text))
            continue;
        if (!g_ascii_isxdigit(*text) || n == 32)
            return NULL;
        hex[n++] = g_ascii_tolower(*text);
    }
    hex[n] = '\0';
    if (n != 32)
        return NULL;
    return g_strdup_printf("%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12,
                           hex + 16, hex + 20);
}

static gboolean fill_uuid(DomainDef *def, GError **error)
{
    char *uuid;

    if (!def->uuid) {
        def->uuid = g_uuid_string_random();
        return TRUE;
    }
    uuid = canonical_uuid(def->uuid);
    if (!uuid)
        return vir_error_set_from(error, VIR_FROM_DOMAIN,
                                  VIR_ERR_INTERNAL_ERROR,
                                  "malformed uuid element '%s'", def->uuid);
    g_free(def->uuid);
    def->uuid = uuid;
    return TRUE;
}

static void fill_machine(DomainDef *def, const DomainCapsLimits *limits)
{
    const DomainMachine *machine;

    set_default(&def->os.arch, limits->arch);
    machine = def->os.machine
                  ? domain_machine_find(def->os.machine, def->os.arch)
                  : domain_machine_default(def->os.arch);
    /* one that cannot be is left as it was written, for the message */
    if (machine && machine->supported)
        set_string(&def->os.machine, machine->name);
    if (!def->os.boots->len) {
        DomainBoot *boot = g_new0(DomainBoot, 1);

        boot->dev = g_strdup("hd");
        g_ptr_array_add(def->os.boots, boot);
    }
}

static void fill_cpu_and_clock(DomainDef *def)
{
    if (!def->cpu.present) {
        def->cpu.present = TRUE;
        def->cpu.mode = DOMAIN_CPU_HOST_PASSTHROUGH;
    }
    if (def->cpu.mode == DOMAIN_CPU_ABSENT && !def->cpu.kept)
        def->cpu.mode = DOMAIN_CPU_HOST_PASSTHROUGH;
    set_default(&def->cpu.check, "none");
    if (def->cpu.mode == DOMAIN_CPU_HOST_PASSTHROUGH &&
        def->cpu.migratable == DOMAIN_TRI_ABSENT)
        def->cpu.migratable = DOMAIN_TRI_ON;
    if (def->cpu.has_topology && !def->cpu.dies)
        def->cpu.dies = 1;
    def->clock.present = TRUE;
    set_default(&def->clock.offset, "utc");
    if (!def->on_poweroff)
        def->on_poweroff = DOMAIN_ACTION_DESTROY;
    if (!def->on_reboot)
        def->on_reboot = DOMAIN_ACTION_RESTART;
    if (!def->on_crash)
        def->on_crash = DOMAIN_ACTION_DESTROY;
}

static int bus_of_name(const char *dst)
{
    static const struct {
        const char *prefix;
        int bus;
    } rows[] = {
        { "vd", DOMAIN_DISK_BUS_VIRTIO }, { "sd", DOMAIN_DISK_BUS_SCSI },
        { "hd", DOMAIN_DISK_BUS_IDE },    { "fd", DOMAIN_DISK_BUS_FDC },
        { "xvd", DOMAIN_DISK_BUS_XEN },
    };

    for (guint i = 0; dst && i < G_N_ELEMENTS(rows); i++) {
        if (g_str_has_prefix(dst, rows[i].prefix))
            return rows[i].bus;
    }
    return DOMAIN_DISK_BUS_ABSENT;
}

static void fill_disk(DomainDisk *disk)
{
    set_default(&disk->driver_name, "qemu");
    set_default(&disk->format, "raw");
    if (disk->bus == DOMAIN_DISK_BUS_ABSENT)
        disk->bus = bus_of_name(disk->dst);
    if (disk->device == DOMAIN_DISK_DEVICE_CDROM)
        disk->readonly = TRUE;
}

static void fill_net(DomainNet *net)
{
    if (!net->mac) {
        guint32 low = g_random_int();

        net->mac = g_strdup_printf("52:54:00:%02x:%02x:%02x", low & 0xff,
                                   low >> 8 & 0xff, low >> 16 & 0xff);
    }
    set_default(&net->model, "virtio");
}

/* The console that mirrors a serial shows that serial's back end. */
static void mirror_source(DomainChr *console, const DomainChr *serial)
{
    console->type = serial->type;
    set_string(&console->path, serial->path);
    set_string(&console->log_file, serial->log_file);
    console->log_append = serial->log_append;
    console->append = serial->append;
    console->mode = serial->mode;
    console->target_port = serial->target_port;
    console->has_port = TRUE;
    if (serial->type == DOMAIN_CHR_PTY)
        set_string(&console->tty, serial->path);
}

static void fill_serials(DomainDef *def)
{
    gboolean x86 = g_strcmp0(def->os.arch, "x86_64") == 0;

    for (guint i = 0; i < def->serials->len; i++) {
        DomainChr *serial = def->serials->pdata[i];

        if (!serial->target_type)
            serial->target_type = x86 ? DOMAIN_CHR_TARGET_ISA_SERIAL
                                      : DOMAIN_CHR_TARGET_SYSTEM_SERIAL;
        if (!serial->has_port)
            serial->target_port = i;
        serial->has_port = TRUE;
        set_default(&serial->target_model, x86 ? "isa-serial" : "pl011");
    }
}

/* libvirt's pairing: the first console is the first serial, whichever of
 * the two the document had. */
static void fill_consoles(DomainDef *def)
{
    for (guint i = 0; i < def->consoles->len; i++) {
        DomainChr *console = def->consoles->pdata[i];

        if (!console->target_type)
            console->target_type = DOMAIN_CHR_TARGET_SERIAL;
        if (!console->has_port)
            console->target_port = i;
        console->has_port = TRUE;
    }
    if (def->consoles->len && !def->serials->len) {
        DomainChr *console = def->consoles->pdata[0];

        if (domain_chr_is_mirror(console)) {
            DomainChr *serial = xml_record_copy(&domain_chr_record, console);

            g_clear_pointer(&serial->tty, g_free);
            serial->target_type = DOMAIN_CHR_TARGET_ABSENT;
            serial->has_port = FALSE;
            g_ptr_array_add(def->serials, serial);
        }
    }
    if (!def->consoles->len && def->serials->len) {
        DomainChr *console = xml_record_new(&domain_chr_record);

        console->target_type = DOMAIN_CHR_TARGET_SERIAL;
        g_ptr_array_add(def->consoles, console);
    }
    fill_serials(def);
    if (def->consoles->len && def->serials->len &&
        domain_chr_is_mirror(def->consoles->pdata[0]))
        mirror_source(def->consoles->pdata[0], def->serials->pdata[0]);
}

static gboolean has_virtconsole(const DomainDef *def)
{
    for (guint i = 0; i < def->consoles->len; i++) {
        const DomainChr *console = def->consoles->pdata[i];

        if (console->target_type == DOMAIN_CHR_TARGET_VIRTIO)
            return TRUE;
    }
    return FALSE;
}

static void fill_controllers(DomainDef *def)
{
    gboolean found = FALSE;

    for (guint i = 0; i < def->controllers->len; i++) {
        DomainController *ctl = def->controllers->pdata[i];

        ctl->has_index = TRUE;
        found |= g_strcmp0(ctl->type, "virtio-serial") == 0;
    }
    if (!found && has_virtconsole(def)) {
        DomainController *ctl = xml_record_new(&domain_controller_record);

        ctl->type = g_strdup("virtio-serial");
        ctl->has_index = TRUE;
        g_ptr_array_add(def->controllers, ctl);
    }
}

static void fill_rng(DomainRng *rng)
{
    set_default(&rng->model, "virtio");
    set_default(&rng->backend_model, "random");
    if (strcmp(rng->backend_model, "random") == 0)
        set_default(&rng->path, "/dev/urandom");
}

static void fill_devices(DomainDef *def, const DomainCapsLimits *limits)
{
    set_default(&def->emulator, limits->emulator);
    for (guint i = 0; i < def->disks->len; i++)
        fill_disk(def->disks->pdata[i]);
    for (guint i = 0; i < def->nets->len; i++)
        fill_net(def->nets->pdata[i]);
    for (guint i = 0; i < def->rngs->len; i++)
        fill_rng(def->rngs->pdata[i]);
    fill_consoles(def);
    fill_controllers(def);
    if (!def->balloons->len) {
        DomainBalloon *balloon = xml_record_new(&domain_balloon_record);

        balloon->model = g_strdup("none");
        g_ptr_array_add(def->balloons, balloon);
    }
}

gboolean domain_def_fill_defaults(DomainDef *def,
                                  const DomainCapsLimits *limits,
                                  GError **error)
{
    if (!fill_uuid(def, error))
        return FALSE;
    /* without a balloon the guest has all its memory, always */
    def->current_kib = def->memory_kib;
    if (!def->vcpus)
        def->vcpus = 1;
    if (def->vcpus_current == def->vcpus)
        def->vcpus_current = 0;
    set_default(&def->vcpu_placement, "static");
    fill_machine(def, limits);
    fill_cpu_and_clock(def);
    fill_devices(def, limits);
    return TRUE;
}

/* D1 */
static gboolean name_taken(const DomainDef *def, const char *dst)
{
    for (guint i = 0; i < def->disks->len; i++) {
        const DomainDisk *disk = def->disks->pdata[i];

        if (g_strcmp0(disk->dst, dst) == 0)
            return TRUE;
    }
    return FALSE;
}

/* sdb becomes vdb, or the first free name if there is one already. */
static void rename_disk(const DomainDef *def, DomainDisk *disk)
{
    g_autofree char *same = disk->dst && strlen(disk->dst) > 2
                                ? g_strdup_printf("vd%s", disk->dst + 2)
                                : NULL;

    if (same && !name_taken(def, same)) {
        set_string(&disk->dst, same);
        return;
    }
    for (char c = 'a'; c <= 'z'; c++) {
        char dst[] = { 'v', 'd', c, '\0' };

        if (!name_taken(def, dst)) {
            set_string(&disk->dst, dst);
            return;
        }
    }
}

static void substitute_disk(DomainDef *def, DomainDisk *disk)
{
    int bus = disk->bus ? disk->bus : bus_of_name(disk->dst);

    if (disk->device != DOMAIN_DISK_DEVICE_DISK ||
        (bus != DOMAIN_DISK_BUS_SATA && bus != DOMAIN_DISK_BUS_IDE &&
         bus != DOMAIN_DISK_BUS_SD))
        return;
    disk->bus = DOMAIN_DISK_BUS_VIRTIO;
    disk->dev.address_type = DOMAIN_ADDRESS_NONE;
    rename_disk(def, disk);
}

static gboolean in_list(const char *const *list, const char *word)
{
    return word && g_strv_contains(list, word);
}

/* Drop what the predicate names from a list of records. */
static void drop_if(GPtrArray *list, const XmlRecord *record,
                    gboolean (*drop)(const void *obj))
{
    guint kept = 0;

    for (guint i = 0; i < list->len; i++) {
        if (drop(list->pdata[i]))
            xml_record_free(record, list->pdata[i]);
        else
            list->pdata[kept++] = list->pdata[i];
    }
    g_ptr_array_set_size(list, (int)kept);
}

/* microvm has no display: the cards that clients add by default go. */
static gboolean is_default_video(const void *obj)
{
    static const char *const models[] = { "vga", "cirrus", "qxl", "bochs",
                                          NULL };
    const DomainVideo *video = obj;

    return !video->model || in_list(models, video->model);
}

/* Controllers of buses that only the substituted devices were on. */
static gboolean is_default_controller(const void *obj)
{
    static const char *const types[] = { "sata", "ide", NULL };
    const DomainController *ctl = obj;

    return in_list(types, ctl->type);
}

void domain_def_substitute(DomainDef *def)
{
    static const char *const models[] = {
        "e1000",    "e1000e", "e1000-82544gc", "e1000-82545em", "rtl8139",
        "ne2k_pci", NULL
    };

    /* more than any machine has: validation refuses them, unlooked at */
    for (guint i = 0; def->disks->len <= 64 && i < def->disks->len; i++)
        substitute_disk(def, def->disks->pdata[i]);
    for (guint i = 0; i < def->nets->len; i++) {
        DomainNet *net = def->nets->pdata[i];

        if (in_list(models, net->model)) {
            set_string(&net->model, "virtio");
            net->dev.address_type = DOMAIN_ADDRESS_NONE;
        }
    }
    drop_if(def->videos, &domain_video_record, is_default_video);
    drop_if(def->controllers, &domain_controller_record, is_default_controller);
}
