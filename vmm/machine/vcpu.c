/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * machine/vcpu.c - vCPU threads: run, handle exits, pause, reset.
 *
 * A vCPU loops: look whether somebody wants it (vcpu_ready), wait for work it
 * posted (bus_cpu_park), run the guest, dispatch the exit.  To pause, the main
 * loop clears cpus_run, sets `attention` and immediate_exit, signals every
 * vCPU that is not paused already, and waits.  A vCPU counts as paused only
 * after a pending port or memory access was completed.
 */
#include <config.h>

#include "machine/machine_priv.h"

#include "util/log.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- exits --------------------------------------------------------------- */

static uint64_t load(const void *data, unsigned len)
{
    uint64_t val = 0;

    memcpy(&val, data, MIN(len, sizeof(val)));
    return val; /* both supported hosts are little-endian */
}

static void access_one(Machine *m, BusSpace space, const HvExit *x, void *data)
{
    uint64_t val;

    if (x->write) {
        bus_write(m->bus, space, x->addr, load(data, x->len), x->len);
        return;
    }
    val = bus_read(m->bus, space, x->addr, x->len);
    memcpy(data, &val, MIN(x->len, sizeof(val)));
}

static void coalesced_write(void *opaque, bool pio, uint64_t addr, unsigned len,
                            const void *data)
{
    Machine *m = opaque;

    bus_write(m->bus, pio ? BUS_PIO : BUS_MMIO, addr, load(data, len), len);
}

/* This vCPU stays where it is until the machine is reset. */
static void halt_self(Vcpu *v, unsigned request)
{
    Machine *m = v->m;

    pthread_mutex_lock(&m->cpu_lock);
    v->halted = true;
    pthread_mutex_unlock(&m->cpu_lock);
    atomic_store(&m->attention, true);
    machine_guest_request(m, request);
}

static void fail(Vcpu *v, const char *detail)
{
    Machine *m = v->m;

    log_error("%s", detail);
    pthread_mutex_lock(&m->cpu_lock);
    if (!m->fail_detail[0])
        snprintf(m->fail_detail, sizeof(m->fail_detail), "%s", detail);
    pthread_mutex_unlock(&m->cpu_lock);
    halt_self(v, GUEST_REQ_FAIL);
}

static void handle(Vcpu *v, HvExit *x)
{
    Machine *m = v->m;

    switch (x->kind) {
    case HV_EXIT_NONE:
    case HV_EXIT_HALT:
        /* Before a pause or the end: what was written last counts, too. */
        hv_coalesce_drain(m->hv, coalesced_write, m);
        break;
    case HV_EXIT_PIO:
        hv_coalesce_drain(m->hv, coalesced_write, m);
        for (unsigned i = 0; i < x->count; i++)
            access_one(m, BUS_PIO, x, (char *)x->data + i * x->len);
        break;
    case HV_EXIT_MMIO:
        hv_coalesce_drain(m->hv, coalesced_write, m);
        access_one(m, BUS_MMIO, x, x->data);
        break;
    case HV_EXIT_SHUTDOWN:
        halt_self(v, GUEST_REQ_TRIPLE_FAULT);
        break;
    case HV_EXIT_SYSTEM:
        halt_self(v, x->system == HV_SYSTEM_RESET ? GUEST_REQ_RESET
                                                  : GUEST_REQ_SHUTDOWN);
        break;
    case HV_EXIT_FAIL:
        fail(v, x->detail);
        break;
    }
}

/* --- the thread ---------------------------------------------------------- */

/* Under cpu_lock, which is dropped around the ioctls. */
static void do_own_work(Vcpu *v)
{
    Machine *m = v->m;
    bool nmi = v->need_nmi, clock = v->clock_changed && m->cpus_run;
    Err e = ERR_INIT;

    if (v->need_reset) {
        pthread_mutex_unlock(&m->cpu_lock);
        hv_vcpu_reset(v->hv, &v->boot, &e);
        pthread_mutex_lock(&m->cpu_lock);
        v->err = e;
        v->need_reset = v->halted = v->need_nmi = false;
        pthread_cond_broadcast(&m->main_cond);
        return;
    }
    v->need_nmi = false;
    v->clock_changed &= !clock;
    if (!nmi && !clock)
        return;
    pthread_mutex_unlock(&m->cpu_lock);
    if (nmi)
        hv_vcpu_nmi(v->hv);
    if (clock)
        hv_vcpu_clock_restored(v->hv);
    pthread_mutex_lock(&m->cpu_lock);
}

/* Whether the vCPU has run since it was reset, so something may be pending. */
static bool has_run(Vcpu *v)
{
    MUTEX_SCOPE(&v->m->cpu_lock);
    return v->thread.tid && !v->need_reset;
}

/* Pending accesses are finished first. Return: false when it is over. */
static bool vcpu_ready(Vcpu *v)
{
    Machine *m = v->m;
    HvExit x;

    if (!atomic_load(&m->attention))
        return true;
    if (has_run(v)) {
        qs_online(&v->qs);
        while (!hv_vcpu_complete(v->hv, &x))
            handle(v, &x);
        qs_offline(&v->qs);
    }
    MUTEX_SCOPE(&m->cpu_lock);
    for (;;) {
        do_own_work(v);
        if (m->cpus_quit || (m->cpus_run && !v->halted))
            break;
        v->paused = true;
        pthread_cond_broadcast(&m->main_cond);
        pthread_cond_wait(&m->cpu_cond, &m->cpu_lock);
        v->paused = false;
    }
    return !m->cpus_quit;
}

static void *vcpu_main(void *arg)
{
    Vcpu *v = arg;
    HvExit x;

    bus_cpu_enter(&v->bus);
    while (vcpu_ready(v)) {
        if (!bus_cpu_park(&v->bus))
            continue;
        hv_vcpu_run(v->hv, &x);
        qs_online(&v->qs);
        handle(v, &x);
        qs_offline(&v->qs);
    }
    return NULL;
}

/* --- the main loop's side ------------------------------------------------ */

static void boot_state(const Machine *m, unsigned index, HvBootState *b)
{
    const BootEntry *entry = m->boot ? boot_entry(m->boot) : NULL;

    *b = (HvBootState){ .mode = HV_BOOT_WAIT };
    if (index || !entry)
        return;
    b->mode = entry->protocol == BOOT_PVH ? HV_BOOT_PVH : HV_BOOT_LONG64;
    b->pc = entry->pc;
    b->arg = entry->arg;
    b->sp = entry->sp;
    b->cr3 = entry->cr3;
    b->gdt_gpa = entry->gdt_gpa;
    b->gdt_limit = entry->gdt_limit;
    b->idt_gpa = entry->idt_gpa;
    b->idt_limit = entry->idt_limit;
}

int vcpus_new(Machine *m, Err *e)
{
    const SmpConf *smp = &m->conf->smp;
    HvCpuTopology topology = { smp->sockets, smp->dies,    smp->clusters,
                               smp->cores,   smp->threads, 0 };
    int r;

    if (m->conf->type == MACHINE_NONE)
        return 0;
    m->vcpus = calloc(smp->cpus, sizeof(*m->vcpus));
    if (!m->vcpus)
        return err_set(e, ENOMEM, "out of memory for %u vCPUs", smp->cpus);
    for (unsigned i = 0; i < smp->cpus; i++) {
        Vcpu *v = &m->vcpus[i];

        v->m = m;
        v->index = i;
        topology.apic_id = m->apic_ids[i];
        r = hv_vcpu_new(&v->hv, m->hv, i, &topology, e);
        if (r < 0)
            return err_prefix(e, "vCPU %u: ", i);
        bus_cpu_init(&v->bus);
        qs_register(&v->qs);
        m->num_vcpus++;
    }
    return 0;
}

static void wait_all_paused(Machine *m)
{
    for (unsigned i = 0; i < m->num_vcpus; i++)
        while (m->vcpus[i].thread.started && !m->vcpus[i].paused)
            pthread_cond_wait(&m->main_cond, &m->cpu_lock);
}

int vcpus_start(Machine *m, Err *e)
{
    char name[16];
    int r;

    atomic_store(&m->attention, true);
    for (unsigned i = 0; i < m->num_vcpus; i++) {
        Vcpu *v = &m->vcpus[i];

        v->need_reset = true;
        boot_state(m, i, &v->boot);
        snprintf(name, sizeof(name), "CPU %u/KVM", i & 0xff);
        r = thread_start(&v->thread, ROLE_VCPU, name, vcpu_main, v, e);
        if (r < 0)
            return r;
    }
    return vcpus_reset(m, e);
}

int vcpus_reset(Machine *m, Err *e)
{
    MUTEX_SCOPE(&m->cpu_lock);
    m->fail_detail[0] = '\0';
    for (unsigned i = 0; i < m->num_vcpus; i++)
        m->vcpus[i].need_reset = true;
    pthread_cond_broadcast(&m->cpu_cond);
    for (unsigned i = 0; i < m->num_vcpus; i++)
        while (m->vcpus[i].need_reset)
            pthread_cond_wait(&m->main_cond, &m->cpu_lock);
    for (unsigned i = 0; i < m->num_vcpus; i++)
        if (m->vcpus[i].err.code) {
            *e = m->vcpus[i].err;
            return err_prefix(e, "vCPU %u: ", i);
        }
    return 0;
}

static void kick_all(Machine *m)
{
    for (unsigned i = 0; i < m->num_vcpus; i++) {
        Vcpu *v = &m->vcpus[i];

        if (!v->thread.started)
            continue;
        bus_cpu_kick(&v->bus);
        hv_vcpu_kick(v->hv);
        if (!v->paused)
            pthread_kill(v->thread.id, THREAD_KICK_SIGNAL);
    }
}

void vcpus_stop(Machine *m)
{
    MUTEX_SCOPE(&m->cpu_lock);
    m->cpus_run = false;
    atomic_store(&m->attention, true);
    kick_all(m);
    wait_all_paused(m);
}

void vcpus_run(Machine *m)
{
    bool halted = false;

    MUTEX_SCOPE(&m->cpu_lock);
    for (unsigned i = 0; i < m->num_vcpus; i++) {
        bus_cpu_unkick(&m->vcpus[i].bus);
        halted |= m->vcpus[i].halted;
    }
    m->cpus_run = true;
    /* A halted one keeps the others on the slow path: it is rare. */
    atomic_store(&m->attention, halted);
    pthread_cond_broadcast(&m->cpu_cond);
}

void vcpus_clock_changed(Machine *m)
{
    MUTEX_SCOPE(&m->cpu_lock);
    for (unsigned i = 0; i < m->num_vcpus; i++)
        m->vcpus[i].clock_changed = true;
}

int machine_nmi(Machine *m, Err *e)
{
    if (!m->num_vcpus)
        return err_set(e, ENOTSUP, "the machine has no vCPU");
    pthread_mutex_lock(&m->cpu_lock);
    for (unsigned i = 0; i < m->num_vcpus; i++)
        m->vcpus[i].need_nmi = true;
    pthread_mutex_unlock(&m->cpu_lock);
    if (m->state != RUN_STATE_RUNNING)
        return 0; /* delivered on resume */
    vcpus_stop(m);
    vcpus_run(m);
    return 0;
}

void vcpus_free(Machine *m)
{
    pthread_mutex_lock(&m->cpu_lock);
    m->cpus_quit = true;
    atomic_store(&m->attention, true);
    kick_all(m);
    pthread_cond_broadcast(&m->cpu_cond);
    pthread_mutex_unlock(&m->cpu_lock);
    for (unsigned i = 0; i < m->num_vcpus; i++) {
        thread_join(&m->vcpus[i].thread);
        hv_vcpu_free(m->vcpus[i].hv);
        bus_cpu_fini(&m->vcpus[i].bus);
        qs_unregister(&m->vcpus[i].qs);
    }
    free(m->vcpus);
    m->vcpus = NULL;
    m->num_vcpus = 0;
}
