/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* virtio/virtio.h - what a virtio device is.  Spec: virtio 1.2, 2. */
#pragma once

#include "bus/bus.h"
#include "core/loop.h"
#include "mem/mem.h"
#include "state/state.h"
#include "util/err.h"
#include "virtio/vq.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * How this works
 *
 * A device is one VirtioClass table and one struct with a VirtioDev as its
 * first member.  A transport (virtio/transport.h) shows it to the guest and
 * drives its status; the device file knows none.
 *
 *   realize -> [ activate -> kick... -> deactivate -> reset ] -> unrealize
 *
 * realize/unrealize run on the main loop.  activate, kick, deactivate and reset
 * run on the device's loop (@loop: the main loop, or an I/O thread the device
 * chose in realize).  write_config runs on a vCPU thread under @lock: no system
 * call, nothing that blocks; post a Work for the rest.  Config space is read
 * from vdev->config, which the device keeps current.
 *
 * Stopping.  Reset, unplug and pause first let chains in flight come back.
 * Pause waits as long as it takes.  Reset and unplug have a deadline
 * (VIRTIO_STOP_MS): then the generation is raised, remaining chains become
 * orphans, and while one is left the device shows NEEDS_RESET and does not
 * activate again.  A device that can cancel gets a `stop` call first.
 *
 * Guest mistakes end in virtio_break(): NEEDS_RESET, a config interrupt, a
 * rate-limited log line, and queues that give nothing more until reset.
 */
enum {
    VIRTIO_ID_NET = 1,
    VIRTIO_ID_BLOCK = 2,
    VIRTIO_ID_CONSOLE = 3,
    VIRTIO_ID_RNG = 4,
};

enum {
    VIRTIO_S_ACKNOWLEDGE = 1,
    VIRTIO_S_DRIVER = 2,
    VIRTIO_S_DRIVER_OK = 4,
    VIRTIO_S_FEATURES_OK = 8,
    VIRTIO_S_NEEDS_RESET = 0x40,
    VIRTIO_S_FAILED = 0x80,
};

#define VIRTIO_F(bit)      (1ULL << (bit))
#define VIRTIO_F_INDIRECT  28
#define VIRTIO_F_EVENT_IDX 29
#define VIRTIO_F_VERSION_1 32
/* Every device offers these (the core adds them). */
#define VIRTIO_F_RING_ALL                                                      \
    (VIRTIO_F(VIRTIO_F_INDIRECT) | VIRTIO_F(VIRTIO_F_EVENT_IDX) |              \
     VIRTIO_F(VIRTIO_F_VERSION_1))

#define VIRTIO_MAX_QUEUES 64
#define VIRTIO_MAX_CONFIG 256
#define VIRTIO_STOP_MS    5000 /* deadline of reset and unplug */

struct OptDesc;
typedef struct VirtioClass VirtioClass;
typedef struct VirtioTransport VirtioTransport;

/* What a device may refer to by id in its options. */
typedef enum VirtioRef {
    VIRTIO_REF_IOTHREAD, /* Loop */
    VIRTIO_REF_RNG,      /* RngSource */
    VIRTIO_REF_CHARDEV,  /* Chardev */
    VIRTIO_REF_DRIVE,    /* block/ back end */
    VIRTIO_REF_NETDEV,   /* net/ back end */
    VIRTIO_REF_MAX,
} VirtioRef;

/* The machine as devices see it; borrowed, outlives them. */
typedef struct VirtioEnv {
    Loop *main_loop;
    GuestMem *gm;
    unsigned vcpus; /* boot vCPUs, for default queue counts */
    /* Claims the object for one device. NULL with @e set: unknown, in use. */
    void *(*ref_take)(void *opaque, VirtioRef kind, const char *id, Err *e);
    void (*ref_put)(void *opaque, VirtioRef kind, const char *id);
    void *opaque;
} VirtioEnv;

typedef void VirtioDoneFn(void *opaque);

struct VirtioDev {
    const VirtioClass *cls;
    const VirtioEnv *env; /* borrowed */
    char id[64];          /* -device id=, for messages */
    Loop *loop;           /* borrowed; set in realize, default main loop */

    pthread_mutex_t lock;   /* leaf; registers below */
    uint64_t host_features; /* offered; realize may add and drop bits */
    uint64_t features;      /* acknowledged, final from FEATURES_OK on */
    uint8_t status;
    bool live;           /* not in reset state: the loop has to reset it */
    atomic_bool broken;  /* NEEDS_RESET since the last reset */
    uint8_t *config;     /* owned: config space, little-endian */
    uint32_t config_len; /* bytes of it that exist; realize may change it */
    uint32_t config_gen;
    unsigned num_queues;        /* realize may change it, up to the class's */
    Vq *vqs;                    /* owned array */
    VirtioTransport *transport; /* owned by the machine; NULL none yet */

    /* The device's loop. */
    enum {
        VIRTIO_IDLE,
        VIRTIO_ACTIVE,
        VIRTIO_STOPPING,
    } phase;
    bool paused;
    unsigned wanted;     /* VirtioWant: who waits for the device to settle */
    uint32_t generation; /* raised when chains are orphaned */
    unsigned inflight;   /* chains of this generation the device holds */
    atomic_uint orphans; /* chains of older ones */
    Timer stop_timer;
    Work settle_work; /* @inflight fell to 0 while someone waits for it */

    Deferred activation; /* guest: DRIVER_OK */
    Deferred resetting;  /* guest: status 0 */
    Deferred queue_stop; /* guest: QueueReady 0 on an active queue */

    /* Requests of the machine: main loop -> device's loop -> main loop. */
    Work op_work;
    Work op_reply;
    int op;
    VirtioDoneFn *op_done;
    void *op_opaque;
};

struct VirtioClass {
    const char *name; /* "virtio-rng": -device virtio-rng-device, -pci */
    const char *doc;  /* one line for help and -describe */
    uint16_t virtio_id;
    uint16_t num_queues; /* most queues an instance may have */
    uint16_t queue_size; /* default of every queue */
    uint32_t config_len; /* config space; realize may shorten it */
    uint64_t features;   /* offered besides VIRTIO_F_RING_ALL */
    size_t dev_size;     /* the struct with VirtioDev first */
    size_t conf_size;    /* what @opts fill */
    const struct OptDesc *opts;
    const StateField *state; /* offsets from the VirtioDev */

    /* Judges what was loaded by @state. NULL: any value is good. */
    int (*loaded)(VirtioDev *vdev, Err *e);
    /* Rules across options; pure. NULL: none. */
    int (*check)(const void *conf, Err *e);
    /* Main loop.  Sets loop, features, queues (virtio_set_queues()), config.
     * @conf lives as long as the call. */
    int (*realize)(VirtioDev *vdev, const void *conf, Err *e);
    void (*unrealize)(VirtioDev *vdev); /* main loop; not active */

    /* The device's loop.  -errno breaks the device. NULL: nothing to do. */
    int (*activate)(VirtioDev *vdev);
    /* Chains may be available, or the device was resumed.  < 0 breaks it.
     * Called for every active queue after activation, kick and resume. */
    int (*kick)(VirtioDev *vdev, Vq *vq);
    void (*stop)(VirtioDev *vdev);       /* cancel what can be cancelled */
    void (*deactivate)(VirtioDev *vdev); /* no chain is held any more */
    void (*reset)(VirtioDev *vdev);      /* back to power-on state */

    /* vCPU thread, under vdev->lock.  False refuses FEATURES_OK. */
    bool (*check_features)(const VirtioDev *vdev, uint64_t features);
    /* vCPU thread, under vdev->lock; may change vdev->config.  The range is
     * inside config_len.  NULL: config space is read-only. */
    void (*write_config)(VirtioDev *vdev, uint32_t off, const void *data,
                         uint32_t len);
};

static inline bool virtio_has(const VirtioDev *vdev, unsigned bit)
{
    return vdev->features >> bit & 1;
}

/**
 * virtio_new() - Create a device and realize it
 * @conf: options as the class's table filled them
 *
 * Thread: main loop
 */
int virtio_new(VirtioDev **ret_vdev, const VirtioClass *cls, const char *id,
               const void *conf, const VirtioEnv *env, Err *e);

/* Main loop; transport gone, device idle (virtio_unplug() before). */
void virtio_free(VirtioDev *vdev);

/* From realize: how many queues there are, and their size. */
int virtio_set_queues(VirtioDev *vdev, unsigned num, unsigned size, Err *e);

/**
 * virtio_break() - The driver did something no driver may do
 *
 * Thread: the device's loop, or a vCPU without the device's lock
 */
void virtio_break(VirtioDev *vdev, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/**
 * virtio_config_update() - Change config space and tell the driver
 *
 * Writes @len bytes at @off, raises the generation and the config interrupt.
 * Thread: any but a handler that holds the lock
 */
void virtio_config_update(VirtioDev *vdev, uint32_t off, const void *data,
                          uint32_t len);

/* Run kick() for a queue soon (a back end has news). Device's loop. */
void virtio_rekick(Vq *vq);

/*
 * Requests of the machine.  One at a time per device; @done runs on the main
 * loop, possibly before the call returns.
 */
void virtio_pause(VirtioDev *vdev, VirtioDoneFn *done, void *opaque);
void virtio_resume(VirtioDev *vdev, VirtioDoneFn *done, void *opaque);
/* Machine reset; vCPUs are paused. */
void virtio_reset(VirtioDev *vdev, VirtioDoneFn *done, void *opaque);
/* Deactivates for good, before virtio_free(). */
void virtio_unplug(VirtioDev *vdev, VirtioDoneFn *done, void *opaque);

/* --- saved state --------------------------------------------------------- */

/**
 * virtio_save() - Append the device's sections to a stream
 *
 * Three kinds: "virtio" (registers), "virtio-queue" once per queue, and one
 * with the class's name for what its state table lists.
 * Thread: main loop; the device is paused
 */
int virtio_save(VirtioDev *vdev, StateBuf *buf, Err *e);

/**
 * virtio_load() - Take one section back
 *
 * The device is realized as the saved one was, paused and idle.  Once all of
 * its sections were loaded, virtio_resume() activates it if the saved one was
 * active.
 * Return: 1 the section was the device's, 0 it was not, -errno refused
 */
int virtio_load(VirtioDev *vdev, const StateSection *section, Err *e);

/* --- registry ------------------------------------------------------------ */

/* All classes, NULL-terminated. */
extern const VirtioClass *const virtio_classes[];
/* By class name without transport suffix ("virtio-rng"); NULL unknown. */
const VirtioClass *virtio_class_find(const char *name);
