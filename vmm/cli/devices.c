/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cli/devices.c - checks drives, netdevs, objects and devices by their tables.
 */
#include <config.h>

#include "block/block.h"
#include "cli/config.h"
#include "cli/device_table.h"
#include "net/net.h"
#include "util/cleanup.h"
#include "virtio/dev/console.h"
#include "virtio/dev/rng.h"
#include "virtio/virtio.h"

#include <errno.h>
#include <string.h>

#define MAX_IOTHREADS 8
#define MAX_BLK       4
#define MAX_NET       2

/* Devices of the reference VMM that this version does not have. */
static const char *const later_devices[] = {
    "vhost-user-blk-device",
    "vhost-user-blk-pci",
    "vhost-user-fs-device",
    "vhost-user-fs-pci",
    "vhost-user-gpu-pci",
    "vhost-vsock-device",
    "vhost-vsock-pci",
    "virtio-balloon-device",
    "virtio-balloon-pci",
    "virtio-blk-pci",
    "virtio-gpu-pci",
    "virtio-input-device",
    "virtio-input-pci",
    "virtio-mem-device",
    "virtio-mem-pci",
    "virtio-multitouch-device",
    "virtio-multitouch-pci",
    "virtio-net-pci",
    "virtio-pmem-device",
    "virtio-pmem-pci",
    "virtio-rng-pci",
    "virtio-scsi-pci",
    "virtio-serial-pci",
    "virtserialport",
    "ivshmem-scream",
    "nec-usb-xhci",
    "pcie-demo-dev",
    "pcie-root-port",
    "pvpanic",
    "ramfb",
    "scsi-cd",
    "scsi-hd",
    "usb-camera",
    "usb-consumer",
    "usb-host",
    "usb-kbd",
    "usb-storage",
    "usb-tablet",
    "usb-uas",
    "vfio-pci",
};

static bool is_later(const char *driver)
{
    for (size_t i = 0; i < ARRAY_SIZE(later_devices); i++) {
        if (strcmp(later_devices[i], driver) == 0)
            return true;
    }
    return false;
}

/* --- rows that belong to no class --------------------------------------------
 */

typedef struct IdArgs {
    const char *id;
} IdArgs;

const OptDesc device_id_opts[] = {
    { .name = "id",
      .type = OPT_ID,
      .off = offsetof(IdArgs, id),
      .required = true,
      .max = 63,
      .help = "name that others refer to" },
    { 0 },
};

/* --- uniqueness and references
 * -------------------------------------------------- */

/* The bag of a kind with that id, or NULL. @name: class, NULL any. */
static const OptBag *find_bag(const OptBag *bags, unsigned num,
                              const char *name, const char *id)
{
    for (unsigned i = 0; i < num; i++) {
        const char *have = opt_bag_get(&bags[i], "id");

        if (have && strcmp(have, id) == 0 &&
            (!name || strcmp(bags[i].name, name) == 0))
            return &bags[i];
    }
    return NULL;
}

/* Is the id of bags[at] taken by an earlier one of the same class? */
static int check_unique(const OptBag *bags, unsigned at, bool by_class, Err *e)
{
    const char *id = opt_bag_get(&bags[at], "id");

    if (id && *id && find_bag(bags, at, by_class ? bags[at].name : NULL, id))
        return err_set(e, EEXIST, "%s: the id '%s' is in use", bags[at].where,
                       id);
    return 0;
}

static bool ref_exists(const CliConf *conf, const char *kind, const char *id)
{
    const MachineConf *m = &conf->machine;

    if (strcmp(kind, "drive") == 0)
        return find_bag(m->drives, m->num_drives, NULL, id);
    if (strcmp(kind, "netdev") == 0)
        return find_bag(m->netdevs, m->num_netdevs, NULL, id);
    if (strcmp(kind, "chardev") == 0) {
        for (unsigned i = 0; i < conf->num_chardevs; i++) {
            const CliChardev *c = &conf->chardevs[i];

            if (strcmp(c->conf.id, id) == 0)
                return !c->monitor;
        }
        return false;
    }
    return find_bag(m->objects, m->num_objects, kind, id);
}

/* A device before this one that names the same object of that kind. */
static const OptBag *other_user(const CliConf *conf, unsigned at,
                                const char *key, const char *id)
{
    const MachineConf *m = &conf->machine;

    for (unsigned i = 0; i < at; i++) {
        const char *have = opt_bag_get(&m->devices[i], key);

        if (have && strcmp(have, id) == 0)
            return &m->devices[i];
    }
    return NULL;
}

static int check_ref(const CliConf *conf, unsigned at, const OptDesc *d,
                     const char *id, Err *e)
{
    const OptBag *bag = &conf->machine.devices[at];
    bool shared = strcmp(d->ref, "iothread") == 0;

    if (!ref_exists(conf, d->ref, id))
        return err_set(e, ENOENT,
                       "%s: '%s' cannot be '%s'; there is no such "
                       "%s",
                       bag->where, d->name, id, d->ref);
    if ((!shared && other_user(conf, at, d->name, id)) ||
        (strcmp(d->ref, "chardev") == 0 && conf->machine.serial &&
         strcmp(conf->machine.serial, id) == 0))
        return err_set(e, EBUSY, "%s: the %s '%s' is in use by another device",
                       bag->where, d->ref, id);
    return 0;
}

static int check_refs(const CliConf *conf, unsigned at, const OptDesc *descs,
                      Err *e)
{
    const OptBag *bag = &conf->machine.devices[at];
    int r = 0;

    for (unsigned i = 0; i < bag->num && r == 0; i++) {
        const OptDesc *d = opt_find(descs, bag->entries[i].key);

        if (d && d->type == OPT_REF)
            r = check_ref(conf, at, d, bag->entries[i].text, e);
    }
    return r;
}

/* --- back ends
 * --------------------------------------------------------------------- */

static int check_drive(CliConf *conf, unsigned at, Err *e)
{
    const OptBag *bag = &conf->machine.drives[at];
    BlockConf a = { 0 };
    int r = opt_parse(block_opts, bag, &a, e);

    if (r == 0 && a.iface == BLOCK_IF_PFLASH)
        return err_set(e, ENOTSUP,
                       "-drive: 'if' cannot be 'pflash'; machine "
                       "microvm has no flash");
    if (r == 0)
        r = block_check(&a, e);
    return r == 0 ? check_unique(conf->machine.drives, at, false, e) : r;
}

static int check_netdev(CliConf *conf, unsigned at, Err *e)
{
    const OptBag *bag = &conf->machine.netdevs[at];
    NetConf a = { 0 };
    int r;

    if (strcmp(bag->name, "vhost-user") == 0)
        return err_set(e, ENOTSUP,
                       "-netdev vhost-user is not supported by "
                       "this version; it accepts tap");
    if (strcmp(bag->name, "tap") != 0)
        return err_set(e, EINVAL, "-netdev cannot be '%s'; it accepts tap",
                       bag->name);
    r = opt_parse(net_tap_opts, bag, &a, e);
    if (r == 0)
        r = net_check(&a, e);
    return r == 0 ? check_unique(conf->machine.netdevs, at, false, e) : r;
}

static int check_object(CliConf *conf, unsigned at, Err *e)
{
    const OptBag *bags = conf->machine.objects;
    const OptBag *bag = &bags[at];
    RngSourceConf rng = { 0 };
    IdArgs id = { 0 };
    unsigned iothreads = 0;
    int r;

    if (strcmp(bag->name, "iothread") == 0)
        r = opt_parse(device_id_opts, bag, &id, e);
    else if (strcmp(bag->name, "rng-random") == 0)
        r = opt_parse(rng_source_opts, bag, &rng, e);
    else
        return err_set(e, EINVAL,
                       "-object cannot be '%s'; this version "
                       "accepts iothread and rng-random",
                       bag->name);
    if (r < 0)
        return r;
    for (unsigned i = 0; i <= at; i++)
        iothreads += strcmp(bags[i].name, "iothread") == 0;
    if (iothreads > MAX_IOTHREADS)
        return err_set(e, EINVAL, "-object: at most %d iothreads are possible",
                       MAX_IOTHREADS);
    return check_unique(bags, at, true, e);
}

/* --- devices
 * ----------------------------------------------------------------------------
 */

const VirtioClass *device_class(const char *driver)
{
    static const char suffix[] = "-device";
    size_t len = strlen(driver);
    char name[64];

    if (len < sizeof(suffix) || len >= sizeof(name) ||
        strcmp(driver + len - (sizeof(suffix) - 1), suffix) != 0)
        return NULL;
    snprintf(name, sizeof(name), "%.*s", (int)(len - (sizeof(suffix) - 1)),
             driver);
    return virtio_class_find(name);
}

static unsigned count_before(const CliConf *conf, unsigned at,
                             const char *driver)
{
    unsigned num = 0;

    for (unsigned i = 0; i < at; i++)
        num += strcmp(conf->machine.devices[i].name, driver) == 0;
    return num;
}

static int check_count(const CliConf *conf, unsigned at, Err *e)
{
    static const struct {
        const char *driver;
        unsigned max;
    } limits[] = {
        { "virtio-blk-device", MAX_BLK },
        { "virtio-net-device", MAX_NET },
        { "virtio-serial-device", 1 },
        { "virtconsole", 1 },
    };
    const char *driver = conf->machine.devices[at].name;

    for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
        if (strcmp(limits[i].driver, driver) == 0 &&
            count_before(conf, at, driver) >= limits[i].max)
            return err_set(e, EINVAL,
                           "-device: machine microvm has room for %u %s",
                           limits[i].max, driver);
    }
    return 0;
}

/* Console ports name a chardev that must be able to be nobody's. */
static int check_console(const CliConf *conf, unsigned at, uint32_t nr, Err *e)
{
    const OptBag *bag = &conf->machine.devices[at];
    const char *id = opt_bag_get(bag, "chardev");

    if (!count_before(conf, at, "virtio-serial-device"))
        return err_set(e, EINVAL,
                       "%s: a virtio-serial-device must stand before it",
                       bag->where);
    if (nr)
        return err_set(e, EINVAL,
                       "%s: 'nr' cannot be '%u'; machine microvm has port 0 "
                       "alone",
                       bag->where, nr);
    for (unsigned i = 0; i < conf->num_chardevs; i++) {
        const ChardevConf *c = &conf->chardevs[i].conf;

        if (strcmp(c->id, id) == 0 && c->cls == CHARDEV_SOCKET && !c->has_fd &&
            !(c->server && c->nowait))
            return err_set(e, EINVAL,
                           "%s: the socket '%s' must be given 'server' and "
                           "'nowait'",
                           bag->where, id);
    }
    return 0;
}

/* Options of the class; strings are borrowed from the bag. */
static int parse_class(const VirtioClass *cls, const OptBag *bag, Err *e)
{
    void *args CLEANUP(ptr_free) = calloc(1, cls->conf_size + 1);
    IdArgs id = { 0 };
    const OptSet sets[] = { { device_id_opts, &id }, { cls->opts, args } };
    int r;

    if (!args)
        return err_set(e, ENOMEM, "out of memory");
    r = opt_parse_sets(sets, ARRAY_SIZE(sets), bag, e);
    return r == 0 && cls->check ? cls->check(args, e) : r;
}

static int check_device(CliConf *conf, unsigned at, Err *e)
{
    const OptBag *bag = &conf->machine.devices[at];
    const VirtioClass *cls = device_class(bag->name);
    bool console = strcmp(bag->name, "virtconsole") == 0;
    IdArgs id = { 0 };
    ConsolePortConf port = { 0 };
    const OptSet sets[] = { { device_id_opts, &id },
                            { console_port_opts, &port } };
    int r;

    if (!cls && !console)
        return err_set(e, EINVAL,
                       "-device: unknown driver '%s'; -describe "
                       "lists the devices",
                       bag->name);
    r = console ? opt_parse_sets(sets, ARRAY_SIZE(sets), bag, e)
                : parse_class(cls, bag, e);
    if (r == 0)
        r = check_count(conf, at, e);
    if (r == 0)
        r = check_refs(conf, at, console ? console_port_opts : cls->opts, e);
    if (r == 0 && console)
        r = check_console(conf, at, port.nr, e);
    return r == 0 ? check_unique(conf->machine.devices, at, false, e) : r;
}

/* One sentence for all devices that a later version will have. */
static int check_known(const CliConf *conf, Err *e)
{
    const MachineConf *m = &conf->machine;
    char list[300] = "";
    size_t used = 0;

    for (unsigned i = 0; i < m->num_devices; i++) {
        const char *driver = m->devices[i].name;

        if (!is_later(driver) || count_before(conf, i, driver) ||
            used + strlen(driver) + 3 > sizeof(list))
            continue;
        used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s",
                                 used ? ", " : "", driver);
    }
    if (!used)
        return 0;
    return err_set(e, ENOTSUP,
                   "-device: not supported by this version on "
                   "machine microvm: %s",
                   list);
}

/* Machine microvm makes up what is missing: guides leave ids out. */
static int give_ids(CliConf *conf, Err *e)
{
    for (unsigned i = 0; i < conf->machine.num_devices; i++) {
        OptBag *bag = &conf->device_bags[i];
        char id[100];
        int r;

        if (opt_bag_get(bag, "id"))
            continue;
        snprintf(id, sizeof(id), "%s-%u", bag->name, i);
        r = opt_bag_add(bag, "id", id, OPT_KIND_TEXT, e);
        if (r < 0)
            return r;
    }
    return 0;
}

typedef int CheckFn(CliConf *conf, unsigned at, Err *e);

static int check_all(CliConf *conf, unsigned num, CheckFn *check, Err *e)
{
    int r = 0;

    for (unsigned i = 0; i < num && r == 0; i++)
        r = check(conf, i, e);
    return r;
}

int cli_check_devices(CliConf *conf, Err *e)
{
    MachineConf *m = &conf->machine;
    int r = check_known(conf, e);

    if (r == 0)
        r = give_ids(conf, e);
    if (r == 0)
        r = check_all(conf, m->num_drives, check_drive, e);
    if (r == 0)
        r = check_all(conf, m->num_objects, check_object, e);
    if (r == 0)
        r = check_all(conf, m->num_netdevs, check_netdev, e);
    if (r == 0)
        r = check_all(conf, m->num_devices, check_device, e);
    return r;
}
