/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * machine/devices.c - from a -device bag to a realized device.
 *
 * "virtio-blk-device" is class virtio-blk on the mmio transport.  Every device
 * needs an id, as on StratoVirt's command line.
 */
#include <config.h>

#include "machine/devices.h"

#include "virtio/dev/console.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MMIO_SUFFIX "-device"

/* What every device has besides its class's options. */
typedef struct BaseConf {
    const char *id;
} BaseConf;

static const OptDesc base_opts[] = {
    { .name = "id",
      .type = OPT_ID,
      .off = offsetof(BaseConf, id),
      .required = true,
      .max = 63,
      .help = "name of the device" },
    { 0 },
};

static const VirtioClass *find_class(const char *name)
{
    size_t len = strlen(name), suffix = strlen(MMIO_SUFFIX);
    char cls[64];

    if (len <= suffix || len - suffix >= sizeof(cls) ||
        strcmp(name + len - suffix, MMIO_SUFFIX))
        return NULL;
    memcpy(cls, name, len - suffix);
    cls[len - suffix] = '\0';
    return virtio_class_find(cls);
}

static int unknown_class(const Machine *m, const OptBag *bag, Err *e)
{
    char known[256] = "";
    size_t used = 0;

    for (unsigned i = 0; virtio_classes[i] && used < sizeof(known); i++)
        used += snprintf(known + used, sizeof(known) - used, "%s%s" MMIO_SUFFIX,
                         i ? ", " : "", virtio_classes[i]->name);
    return err_set(e, ENOTSUP,
                   "%s: a %s machine has no such device, accepted are %s",
                   bag->where, machine_type_names[m->conf->type], known);
}

static bool id_taken(const Machine *m, const char *id)
{
    for (unsigned i = 0; i < m->num_devs; i++)
        if (!strcmp(m->devs[i].id, id))
            return true;
    return false;
}

/* Room for one more; @devs may move, so nobody keeps pointers into it. */
static MachineDev *append(Machine *m)
{
    MachineDev *devs = realloc(m->devs, (m->num_devs + 1) * sizeof(*devs));

    if (!devs)
        return NULL;
    m->devs = devs;
    memset(&devs[m->num_devs], 0, sizeof(*devs));
    return &devs[m->num_devs];
}

static VirtioDev *find_console(const Machine *m)
{
    for (unsigned i = 0; i < m->num_devs; i++)
        if (virtio_console_is(m->devs[i].vdev))
            return m->devs[i].vdev;
    return NULL;
}

/* virtconsole, virtserialport: part of the virtio-serial device before it. */
static int port_new(Machine *m, const OptBag *bag, Err *e)
{
    VirtioDev *vdev = find_console(m);
    ConsolePortConf conf = { 0 };
    BaseConf base = { 0 };
    OptSet sets[] = { { base_opts, &base }, { console_port_opts, &conf } };
    int r = opt_parse_sets(sets, ARRAY_SIZE(sets), bag, e);

    if (r < 0)
        return r;
    if (!vdev)
        return err_set(e, ENOENT,
                       "%s: there is no virtio-serial device for it: give "
                       "-device virtio-serial-device,id=ID before",
                       bag->where);
    if (id_taken(m, base.id))
        return err_set(e, EEXIST, "%s: id '%s' is used by another device",
                       bag->where, base.id);
    r = virtio_console_add_port(vdev, &conf, !strcmp(bag->name, "virtconsole"),
                                e);
    return r < 0 ? err_prefix(e, "%s: ", bag->where) : 0;
}

int machine_device_new(Machine *m, const OptBag *bag, const char *where, Err *e)
{
    const VirtioClass *cls = find_class(bag->name);
    void *conf CLEANUP(ptr_free) = NULL;
    BaseConf base = { 0 };
    MachineDev *dev;
    int r;

    if (!strcmp(bag->name, "virtconsole") ||
        !strcmp(bag->name, "virtserialport"))
        return port_new(m, bag, e);
    if (!cls)
        return unknown_class(m, bag, e);
    if (cls->virtio_id == VIRTIO_ID_CONSOLE && find_console(m))
        return err_set(e, EEXIST, "%s: a machine has one virtio-serial device",
                       bag->where);
    conf = calloc(1, cls->conf_size + 1);
    dev = append(m);
    if (!conf || !dev)
        return err_set(e, ENOMEM, "out of memory");
    OptSet sets[] = { { base_opts, &base }, { cls->opts, conf } };
    r = opt_parse_sets(sets, ARRAY_SIZE(sets), bag, e);
    if (r == 0 && cls->check)
        r = cls->check(conf, e);
    if (r < 0)
        return r;
    if (id_taken(m, base.id))
        return err_set(e, EEXIST, "%s: id '%s' is used by another device",
                       bag->where, base.id);
    r = virtio_new(&dev->vdev, cls, base.id, conf, &m->env, e);
    if (r < 0)
        return err_prefix(e, "%s: ", bag->where);
    snprintf(dev->id, sizeof(dev->id), "%s", base.id);
    dev->cls = bag->name;
    dev->drive = opt_bag_get(bag, "drive");
    dev->netdev = opt_bag_get(bag, "netdev");
    m->num_devs++;
    return 0;
}

void machine_devices_free(Machine *m)
{
    for (unsigned i = m->num_devs; i-- > 0;)
        virtio_free(m->devs[i].vdev);
    free(m->devs);
    m->devs = NULL;
    m->num_devs = 0;
}
