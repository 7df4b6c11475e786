// SPDX-License-Identifier: LGPL-2.1-or-later
// conf/domain_machine.c - the machines that a definition may name.
#include <config.h>

#include "conf/domain_machine.h"

#include <string.h>

#define GIB_KIB (G_GUINT64_CONSTANT(1024) * 1024)
#define MIB_KIB G_GUINT64_CONSTANT(1024)

const DomainMachine domain_machines[] = {
    {
        .name = "microvm-1.0",
        .alias = "microvm",
        .supported = TRUE,
        .needs_kernel = TRUE,
        .max_vcpus = 254,
        .min_memory_kib = 128 * MIB_KIB,
        .max_memory_kib = 512 * GIB_KIB,
        .max_disks = 4,
        .max_nets = 2,
    },
    {
        .name = "q35-1.0",
        .alias = "q35",
        .arch = "x86_64",
        .has_pci = TRUE,
        .max_vcpus = 254,
        .min_memory_kib = 128 * MIB_KIB,
        .max_memory_kib = 512 * GIB_KIB,
    },
    {
        .name = "virt-1.0",
        .alias = "virt",
        .arch = "aarch64",
        .has_pci = TRUE,
        .max_vcpus = 254,
        .min_memory_kib = 128 * MIB_KIB,
        .max_memory_kib = 512 * GIB_KIB,
    },
    { .name = NULL },
};

static gboolean fits(const DomainMachine *machine, const char *arch)
{
    return !machine->arch || !arch || strcmp(machine->arch, arch) == 0;
}

const DomainMachine *domain_machine_find(const char *name, const char *arch)
{
    for (const DomainMachine *m = domain_machines; m->name; m++) {
        if (fits(m, arch) &&
            (strcmp(m->name, name) == 0 || strcmp(m->alias, name) == 0))
            return m;
    }
    return NULL;
}

const DomainMachine *domain_machine_default(const char *arch)
{
    for (const DomainMachine *m = domain_machines; m->name; m++) {
        if (fits(m, arch) && m->supported)
            return m;
    }
    return NULL;
}
