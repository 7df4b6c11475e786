/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* conf/domain_machine.h - the machines that a definition may name. */
#pragma once

#include <glib.h>

typedef struct DomainMachine {
    const char *name;   /* versioned, as definitions store it */
    const char *alias;  /* what people write; also StratoVirt's own name */
    const char *arch;   /* NULL: every one */
    gboolean supported; /* can this driver start it */
    gboolean needs_kernel;
    gboolean has_pci;
    guint max_vcpus;
    guint64 min_memory_kib;
    guint64 max_memory_kib;
    guint max_disks; /* virtio-blk devices */
    guint max_nets;  /* virtio-net devices */
} DomainMachine;

/**
 * domain_machine_find() - By versioned name or alias
 * @arch: NULL: any
 *
 * Return: static; NULL if there is none of that name for @arch
 */
const DomainMachine *domain_machine_find(const char *name, const char *arch);

/* What a definition without a machine gets: the first supported one. */
const DomainMachine *domain_machine_default(const char *arch);

/* All machines, ended by one without a name. */
extern const DomainMachine domain_machines[];
