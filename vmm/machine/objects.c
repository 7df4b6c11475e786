/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * machine/objects.c - what devices refer to by id: I/O threads, entropy
 * sources, disks, network and character back ends.
 *
 * Everything is created before the first device, in command-line order of its
 * kind.  A device claims an object by VirtioEnv.ref_take(); an object that is
 * not shared serves one device.
 */
#include <config.h>

#include "machine/machine_priv.h"

#include "block/block.h"
#include "core/pool.h"
#include "machine/devices.h"
#include "net/net.h"
#include "util/log.h"
#include "virtio/dev/rng.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_IOTHREADS 8

static const char *const ref_names[] = {
    [VIRTIO_REF_IOTHREAD] = "iothread", [VIRTIO_REF_RNG] = "rng-random",
    [VIRTIO_REF_CHARDEV] = "chardev",   [VIRTIO_REF_DRIVE] = "drive",
    [VIRTIO_REF_NETDEV] = "netdev",
};
_Static_assert(ARRAY_SIZE(ref_names) == VIRTIO_REF_MAX, "a name per kind");

/* --- the table ----------------------------------------------------------- */

MachineRef *machine_ref_find(const Machine *m, VirtioRef kind, const char *id)
{
    for (unsigned i = 0; i < m->num_refs; i++)
        if (m->refs[i].kind == kind && !strcmp(m->refs[i].id, id))
            return &m->refs[i];
    return NULL;
}

static int ref_add(Machine *m, VirtioRef kind, const char *id, void *object,
                   bool shared, void (*free_fn)(void *object), Err *e)
{
    MachineRef *ref = &m->refs[m->num_refs];

    if (machine_ref_find(m, kind, id)) {
        free_fn(object);
        return err_set(e, EEXIST, "%s '%s' is defined twice", ref_names[kind],
                       id);
    }
    *ref = (MachineRef){
        .kind = kind, .object = object, .shared = shared, .free = free_fn
    };
    snprintf(ref->id, sizeof(ref->id), "%s", id);
    m->num_refs++;
    return 0;
}

static void *ref_take(void *opaque, VirtioRef kind, const char *id, Err *e)
{
    MachineRef *ref = machine_ref_find(opaque, kind, id);

    if (!ref) {
        err_set(e, ENOENT, "there is no %s with id '%s'", ref_names[kind], id);
        return NULL;
    }
    if (ref->taken && !ref->shared) {
        err_set(e, EBUSY, "%s '%s' is in use by another device",
                ref_names[kind], id);
        return NULL;
    }
    ref->taken = true;
    return ref->object;
}

static void ref_put(void *opaque, VirtioRef kind, const char *id)
{
    MachineRef *ref = machine_ref_find(opaque, kind, id);

    if (ref && !ref->shared)
        ref->taken = false;
}

Chardev *machine_chardev_take(Machine *m, const char *id, Err *e)
{
    return ref_take(m, VIRTIO_REF_CHARDEV, id, e);
}

/* --- I/O threads --------------------------------------------------------- */

typedef struct IoThreadConf {
    const char *id;
} IoThreadConf;

static const OptDesc iothread_opts[] = {
    { .name = "id",
      .type = OPT_ID,
      .off = offsetof(IoThreadConf, id),
      .required = true,
      .help = "name that devices and monitors refer to" },
    { 0 },
};

static void iothread_free(void *object)
{
}

static int iothread_new(Machine *m, const OptBag *bag, Err *e)
{
    IoThread *io = &m->iothreads[m->num_iothreads];
    IoThreadConf conf = { 0 };
    int r;

    r = opt_parse(iothread_opts, bag, &conf, e);
    if (r < 0)
        return r;
    if (m->num_iothreads == MAX_IOTHREADS)
        return err_set(e, EINVAL, "iothread '%s': a machine has at most %d",
                       conf.id, MAX_IOTHREADS);
    snprintf(io->id, sizeof(io->id), "%s", conf.id);
    r = loop_new(&io->loop, conf.id, e);
    if (r < 0)
        return r;
    m->num_iothreads++;
    return ref_add(m, VIRTIO_REF_IOTHREAD, conf.id, io->loop, true,
                   iothread_free, e);
}

static void *iothread_main(void *arg)
{
    loop_run(arg);
    return NULL;
}

int machine_iothreads_start(Machine *m, Err *e)
{
    for (unsigned i = 0; i < m->num_iothreads; i++) {
        IoThread *io = &m->iothreads[i];
        char name[16];
        int r;

        snprintf(name, sizeof(name), "IO %.12s", io->id);
        r = thread_start(&io->thread, ROLE_IO, name, iothread_main, io->loop,
                         e);
        if (r < 0)
            return r;
    }
    return 0;
}

void machine_iothreads_stop(Machine *m)
{
    for (unsigned i = 0; i < m->num_iothreads; i++)
        if (m->iothreads[i].thread.started) {
            loop_stop(m->iothreads[i].loop);
            thread_join(&m->iothreads[i].thread);
        }
}

/* --- entropy, disks, networks -------------------------------------------- */

static void rng_free(void *object)
{
    rng_source_free(object);
}

static int rng_new(Machine *m, const OptBag *bag, Err *e)
{
    RngSourceConf conf = { 0 };
    RngSource *source;
    int r;

    r = opt_parse(rng_source_opts, bag, &conf, e);
    if (r == 0)
        r = rng_source_new(&source, &conf, e);
    if (r < 0)
        return r;
    return ref_add(m, VIRTIO_REF_RNG, conf.id, source, true, rng_free, e);
}

static void drive_free(void *object)
{
    block_close(object);
}

static int drive_new(Machine *m, const OptBag *bag, Err *e)
{
    BlockConf conf = { 0 };
    Block *block;
    int r;

    r = opt_parse(block_opts, bag, &conf, e);
    if (r == 0)
        r = block_check(&conf, e);
    if (r < 0)
        return r;
    if (conf.iface == BLOCK_IF_PFLASH)
        return err_set(e, EINVAL,
                       "-drive if=pflash: a %s machine has no flash, boot it "
                       "with -kernel",
                       machine_type_names[m->conf->type]);
    r = block_open(&block, &conf, m->conf->open_path, m->conf->open_opaque, e);
    if (r < 0)
        return r;
    return ref_add(m, VIRTIO_REF_DRIVE, conf.id, block, false, drive_free, e);
}

static void net_free(void *object)
{
    netdev_close(object);
}

static int net_new(Machine *m, const OptBag *bag, Err *e)
{
    NetConf conf = { 0 };
    Netdev *nd;
    int r;

    if (strcmp(bag->name, "tap"))
        return err_set(e, EINVAL,
                       "-netdev %s: this kind of back end is not supported, "
                       "use tap",
                       bag->name);
    r = opt_parse(net_tap_opts, bag, &conf, e);
    if (r == 0)
        r = net_check(&conf, e);
    if (r == 0)
        r = netdev_open(&nd, &conf, e);
    if (r < 0)
        return r;
    return ref_add(m, VIRTIO_REF_NETDEV, conf.id, nd, false, net_free, e);
}

static void chardev_drop(void *object)
{
    chardev_free(object);
}

/* --- all of them --------------------------------------------------------- */

static int object_new(Machine *m, const OptBag *bag, Err *e)
{
    if (!strcmp(bag->name, "iothread"))
        return iothread_new(m, bag, e);
    if (!strcmp(bag->name, "rng-random"))
        return rng_new(m, bag, e);
    return err_set(e, EINVAL,
                   "-object %s: unknown object type, accepted are iothread "
                   "and rng-random",
                   bag->name);
}

static int chardevs_take(Machine *m, Err *e)
{
    MachineConf *conf = m->conf;
    int r = 0;

    for (unsigned i = 0; i < conf->num_chardevs; i++) {
        Chardev *cd = ptr_take(&conf->chardevs[i]);

        if (r == 0)
            r = ref_add(m, VIRTIO_REF_CHARDEV, chardev_id(cd), cd, false,
                        chardev_drop, e);
        else
            chardev_free(cd);
    }
    return r;
}

int machine_objects_new(Machine *m, Err *e)
{
    const MachineConf *conf = m->conf;
    unsigned n = conf->num_objects + conf->num_drives + conf->num_netdevs +
                 conf->num_chardevs;
    int r;

    m->refs = calloc(n + 1, sizeof(*m->refs));
    m->iothreads = calloc(MAX_IOTHREADS + 1, sizeof(*m->iothreads));
    if (!m->refs || !m->iothreads)
        return err_set(e, ENOMEM, "out of memory");
    m->env = (VirtioEnv){ .main_loop = m->loop,
                          .gm = m->gm,
                          .vcpus = conf->smp.cpus,
                          .ref_take = ref_take,
                          .ref_put = ref_put,
                          .opaque = m };
    r = chardevs_take(m, e);
    if (r == 0) /* no thread yet: they come with the first job */
        r = pool_start(m->loop, POOL_THREADS_DEFAULT, e);
    for (unsigned i = 0; i < conf->num_objects && r == 0; i++)
        r = object_new(m, &conf->objects[i], e);
    for (unsigned i = 0; i < conf->num_drives && r == 0; i++)
        r = drive_new(m, &conf->drives[i], e);
    for (unsigned i = 0; i < conf->num_netdevs && r == 0; i++)
        r = net_new(m, &conf->netdevs[i], e);
    return r;
}

int machine_drives_lock(Machine *m, Err *e)
{
    for (unsigned i = 0; i < m->num_refs; i++)
        if (m->refs[i].kind == VIRTIO_REF_DRIVE) {
            int r = block_lock(m->refs[i].object, e);

            if (r < 0)
                return r;
        }
    return 0;
}

void machine_objects_free(Machine *m)
{
    pool_stop();
    for (unsigned i = m->num_refs; i-- > 0;)
        m->refs[i].free(m->refs[i].object);
    free(m->refs);
    for (unsigned i = 0; i < m->num_iothreads; i++)
        loop_free(m->iothreads[i].loop);
    free(m->iothreads);
    for (unsigned i = 0; m->conf && i < m->conf->num_chardevs; i++)
        if (m->conf->chardevs[i])
            chardev_free(ptr_take(&m->conf->chardevs[i]));
}
