/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* machine/config.h - what a machine is made of, as the command line says. */
#pragma once

#include "chardev/chardev.h"
#include "hv/hv.h"
#include "opt/opt.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * How this works
 *
 * cli/ fills a MachineConf, machine_new() builds the machine from it.  Options
 * that belong to a class of back ends or devices stay OptBags here; the
 * machine parses each with its class's table when it creates the object, in
 * command-line order.  Everything is borrowed and must live as long as the
 * machine, unless a comment says that it is taken.
 */
typedef enum MachineType {
    MACHINE_NONE,    /* monitor only: no RAM, no vCPU, no device */
    MACHINE_MICROVM, /* microvm-1.0 */
    MACHINE_TYPE_MAX,
} MachineType;

extern const char *const machine_type_names[MACHINE_TYPE_MAX];
#define MACHINE_MICROVM_VERSIONED "microvm-1.0"

/* -action and set-action: what happens on each occasion. */
typedef enum ActionReboot {
    ACTION_REBOOT_DEFAULT, /* the machine's: shutdown on microvm */
    ACTION_REBOOT_RESET,
    ACTION_REBOOT_SHUTDOWN,
} ActionReboot;

typedef enum ActionShutdown {
    ACTION_SHUTDOWN_POWEROFF,
    ACTION_SHUTDOWN_PAUSE, /* also -no-shutdown */
} ActionShutdown;

typedef enum ActionPanic {
    ACTION_PANIC_SHUTDOWN,
    ACTION_PANIC_PAUSE,
    ACTION_PANIC_EXIT_FAILURE,
    ACTION_PANIC_NONE,
} ActionPanic;

typedef struct MachineActions {
    ActionReboot reboot;
    ActionShutdown shutdown;
    ActionPanic panic;
} MachineActions;

/* All complete: cli/ derived what was left out (stratovirt-cli §6.3). */
typedef struct SmpConf {
    unsigned cpus;
    unsigned max_cpus;
    unsigned sockets, dies, clusters, cores, threads;
} SmpConf;

/* An opened file and what to call it in messages. */
typedef struct FileConf {
    int fd; /* -1 none; borrowed */
    const char *name;
} FileConf;

typedef struct MachineConf {
    MachineType type;
    const char *name; /* -name; NULL none */
    uint8_t uuid[16];
    bool has_uuid;

    HvKind accel;
    const char *accel_device; /* NULL: /dev/kvm */
    int accel_fd;             /* taken; -1 none */
    const char *mod_test;     /* -mod-test; accel test only */

    SmpConf smp;
    uint64_t ram_bytes;
    const char *mem_path;
    bool mem_prealloc;
    bool mem_share;
    bool dump_guest_core;

    FileConf kernel;
    FileConf initrd;
    const char *cmdline; /* -append; NULL empty */

    const OptBag *objects; /* name: rng-random, iothread */
    unsigned num_objects;
    const OptBag *drives; /* no name: file=,id=,... */
    unsigned num_drives;
    const OptBag *netdevs; /* name: tap */
    unsigned num_netdevs;
    const OptBag *devices; /* name: class with transport suffix */
    unsigned num_devices;

    Chardev **chardevs; /* created by cli/, those of monitors left out; each is
                           taken */
    unsigned num_chardevs;
    const char *serial; /* id of -serial's chardev; NULL: no COM1 */

    MachineActions actions;
    bool start_paused; /* -S */

    /* Opens paths, "/dev/fdset/M" included: a descriptor or -errno. */
    int (*open_path)(void *opaque, const char *path, int flags, Err *e);
    void *open_opaque;
} MachineConf;
