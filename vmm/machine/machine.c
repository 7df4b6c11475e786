/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* machine/machine.c - building, starting and ending a machine. */
#include <config.h>

#include "machine/machine_priv.h"

#include "util/bytes.h"
#include "util/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const machine_type_names[] = {
    [MACHINE_NONE] = "none",
    [MACHINE_MICROVM] = "microvm",
};

/* --- memory -------------------------------------------------------------- */

static int map_ram(Machine *m, RamBlock *ram, Err *e)
{
    uint64_t low = MIN(m->conf->ram_bytes, MICROVM_LOW_RAM_MAX);
    int r;

    r = gmem_map(m->gm, 0, low, ram, 0, 0, e);
    if (r == 0 && m->conf->ram_bytes > low)
        r = gmem_map(m->gm, UINT64_C(1) << 32, m->conf->ram_bytes - low, ram,
                     low, 0, e);
    return r;
}

static int ram_new(Machine *m, Err *e)
{
    const MachineConf *conf = m->conf;
    RamConf ram_conf = {
        .name = "pc.ram",
        .size_bytes = align_up(conf->ram_bytes, 4096),
        .path = conf->mem_path,
        .share = conf->mem_share,
        .dump = conf->dump_guest_core,
        .prealloc = conf->mem_prealloc,
        .threads = MIN(conf->smp.cpus, 16u),
    };
    RamBlock *ram;
    int r;

    r = ram_block_new(&ram, &ram_conf, e);
    if (r < 0)
        return r;
    r = map_ram(m, ram, e);
    ram_block_unref(ram); /* the map holds it */
    return r;
}

/* --- accelerator --------------------------------------------------------- */

static bool has_word(const char *text, const char *word)
{
    size_t len = strlen(word);

    for (const char *p = text; p && (p = strstr(p, word)); p += len)
        if ((p == text || p[-1] == ' ') && (p[len] == ' ' || !p[len]))
            return true;
    return false;
}

static int accel_open(Machine *m, Err *e)
{
    MachineConf *conf = m->conf;
    const SmpConf *smp = &conf->smp;
    HvCpuTopology topology = { smp->sockets, smp->dies,    smp->clusters,
                               smp->cores,   smp->threads, 0 };
    HvConf hv_conf = {
        .kind = conf->accel,
        .device = conf->accel_device,
        .device_fd = conf->accel_fd,
        .mod_test = conf->mod_test,
        .loop = m->loop,
        .irqchip = conf->type != MACHINE_NONE,
        /* A kernel without ACPI finds its timer by the PIT. */
        .pit = has_word(conf->cmdline, "acpi=off"),
        .max_vcpus = 1,
    };

    conf->accel_fd = -1;
    if (conf->type != MACHINE_NONE) {
        m->apic_ids = calloc(smp->max_cpus, sizeof(*m->apic_ids));
        if (!m->apic_ids)
            return err_set(e, ENOMEM, "out of memory");
        for (unsigned i = 0; i < smp->max_cpus; i++)
            m->apic_ids[i] = hv_apic_id(&topology, i);
        hv_conf.max_vcpus = m->apic_ids[smp->max_cpus - 1] + 1;
    }
    return hv_open(&m->hv, &hv_conf, m->gm, e);
}

/* --- life ---------------------------------------------------------------- */

static int build(Machine *m, Err *e)
{
    int r;

    r = gmem_new(&m->gm, e);
    if (r == 0)
        r = bus_new(&m->bus, e);
    if (r == 0)
        r = accel_open(m, e);
    if (r == 0 && m->conf->type != MACHINE_NONE)
        r = ram_new(m, e);
    if (r == 0)
        r = machine_objects_new(m, e);
    if (r == 0)
        r = vcpus_new(m, e);
    if (r == 0 && m->conf->type == MACHINE_MICROVM)
        r = microvm_new(m, e);
    return r;
}

int machine_new(Machine **ret_machine, MachineConf *conf, Loop *loop,
                const MachineListener *listener, Err *e)
{
    Machine *m = calloc(1, sizeof(*m));
    int r;

    if (!m)
        return err_set(e, ENOMEM, "out of memory");
    m->conf = conf;
    m->loop = loop;
    m->listener = *listener;
    m->state = RUN_STATE_PAUSED;
    pthread_mutex_init(&m->cpu_lock, NULL);
    pthread_cond_init(&m->cpu_cond, NULL);
    pthread_cond_init(&m->main_cond, NULL);
    machine_requests_init(m);
    r = build(m, e);
    if (r < 0) {
        machine_free(m);
        return r;
    }
    *ret_machine = m;
    return 0;
}

int machine_start(Machine *m, Err *e)
{
    int r;

    r = machine_iothreads_start(m, e);
    if (r == 0)
        r = vcpus_start(m, e);
    if (r == 0)
        r = hv_start(m->hv, e);
    if (r < 0)
        return r;
    m->started = true;
    if (!m->conf->start_paused) {
        r = machine_drives_lock(m, e);
        if (r < 0)
            return r;
        m->state = RUN_STATE_RUNNING;
        vcpus_run(m);
    }
    return 0;
}

void machine_free(Machine *m)
{
    if (!m)
        return;
    m->quitting = true;
    vcpus_free(m);
    machine_iothreads_stop(m);
    if (m->hv && m->conf->type == MACHINE_MICROVM)
        microvm_free(m);
    machine_requests_fini(m);
    machine_objects_free(m);
    boot_free(m->boot);
    if (m->hv)
        hv_close(m->hv);
    bus_free(m->bus);
    gmem_free(m->gm);
    free(m->apic_ids);
    pthread_cond_destroy(&m->main_cond);
    pthread_cond_destroy(&m->cpu_cond);
    pthread_mutex_destroy(&m->cpu_lock);
    free(m);
}
