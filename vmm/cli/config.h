/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cli/config.h - layer 2 of the command line: options to configuration. */
#pragma once

#include "cli/args.h"
#include "machine/config.h"

/*
 * How this works
 *
 * cli_config() converts values in the reference VMM's fixed order and checks
 * whatever can be checked without opening anything.  cli_open_boot() opens
 * kernel and initrd.  Back ends and devices are checked by the tables of their
 * classes here, and parsed again from their bags when the machine makes them.
 */

/* A chardev of the command line: -chardev, or written inside -serial, -qmp. */
typedef struct CliChardev {
    OptBag bag; /* owned; holds the strings of @conf */
    ChardevConf conf;
    bool monitor; /* consumed by a monitor, not by the machine */
} CliChardev;

typedef struct CliConf {
    MachineConf machine;

    CliChardev *chardevs; /* owned */
    unsigned num_chardevs;

    const char *kernel_path; /* NULL none */
    const char *initrd_path; /* NULL none */
    bool daemonize;
    const char *pidfile;
    bool seccomp;

    /* Storage of what @machine borrows. */
    OptBag machine_bag, accel_bag, m_bag, smp_bag, cpu_bag;
    OptBag *object_bags, *drive_bags, *netdev_bags, *device_bags, *mon_bags;
    unsigned num_mon_bags;
    char *name;
    char *cmdline;
    char *mem_path;
} CliConf;

/**
 * cli_config() - Convert and check the whole command line
 * @args: cut and counted; strings are borrowed from argv
 *
 * Return: 0 or -errno; cli_config_fini() is due either way
 */
int cli_config(CliConf *conf, const Args *args, Err *e);

/* Opens kernel and initrd; they must be regular files. */
int cli_open_boot(CliConf *conf, Err *e);

/**
 * cli_open_chardevs() - Make all chardevs, in command-line order
 * @fn: sees each one; takes those of monitors.  The others are in
 *      conf->machine.chardevs
 */
typedef int CliChardevFn(void *opaque, Chardev *cd, bool monitor, Err *e);
int cli_open_chardevs(CliConf *conf, CliChardevFn *fn, void *opaque, Err *e);

void cli_config_fini(CliConf *conf);

/* What it all means, for -dry-run; new reference. */
json_t *cli_config_json(const CliConf *conf);

/* --- parts, for unit tests --------------------------------------------------
 */

typedef struct SmpArgs {
    uint8_t cpus;
    uint8_t max_cpus, sockets, dies, clusters, cores, threads; /* 0: derive */
} SmpArgs;

/* Derives what was left out; stratovirt's rules. */
int cli_smp(const SmpArgs *args, SmpConf *ret_smp, Err *e);

/* "-serial chardev:ID" or a chardev; and "-qmp URI,server,nowait". */
int cli_chardev(CliConf *conf, const char *text, Err *e);
int cli_serial(CliConf *conf, const char *text, Err *e);
int cli_qmp(CliConf *conf, const char *text, Err *e);
/* After all chardevs are known. */
int cli_chardev_check(CliConf *conf, Err *e);

/* Back ends and devices by their tables; nothing is opened. */
int cli_check_devices(CliConf *conf, Err *e);

/* Applies -add-fd. */
int cli_add_fds(const Args *args, Err *e);
