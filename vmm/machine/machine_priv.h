/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* machine/machine_priv.h - for machine/ and its tests. */
#pragma once

#include "boot/boot.h"
#include "bus/bus.h"
#include "core/quiesce.h"
#include "core/thread.h"
#include "dev/acpi_dev.h"
#include "dev/serial.h"
#include "machine/machine.h"
#include "virtio/transport.h"

#include <pthread.h>
#include <stdatomic.h>

/*
 * vCPU threads.  Under cpu_lock: whether vCPUs may run, and what each still has
 * to do on its own thread before it runs.  `attention` is read without the lock
 * on the fast path: it is set before a vCPU is kicked.
 */
typedef struct Vcpu {
    Machine *m;
    unsigned index;
    Thread thread;
    HvVcpu *hv;
    BusCpu bus;
    Quiescer qs;
    HvBootState boot;

    /* Under m->cpu_lock. */
    bool paused;        /* waits in vcpu_ready() */
    bool halted;        /* cannot go on until a reset */
    bool need_reset;    /* registers to boot state */
    bool need_nmi;      /* inject one */
    bool clock_changed; /* tell the guest that time stood still */
    Err err;            /* a reset that failed; code 0 fine */
} Vcpu;

/* What the guest asks for; bits of guest_requests. */
enum {
    GUEST_REQ_SHUTDOWN = 1 << 0,
    GUEST_REQ_RESET = 1 << 1,
    GUEST_REQ_TRIPLE_FAULT = 1 << 2,
    GUEST_REQ_FAIL = 1 << 3,
};

typedef enum OpKind {
    OP_STOP,
    OP_CONT,
    OP_RESET
} OpKind;

/* One queued request of the monitor or the guest. */
typedef struct Op {
    List link;
    OpKind kind;
    RunState target; /* OP_STOP: the state afterwards */
    const char *reason;
    bool guest; /* OP_RESET: by the guest */
    MachineDoneFn *done;
    void *opaque;
} Op;

typedef struct IoThread {
    char id[64];
    Loop *loop;
    Thread thread;
} IoThread;

/* An object that devices refer to by id; one device may take it. */
typedef struct MachineRef {
    VirtioRef kind;
    char id[64];
    void *object;
    bool shared; /* any number of devices (iothread, rng) */
    bool taken;
    void (*free)(void *object);
} MachineRef;

typedef struct MachineDev {
    char id[64];
    const char *cls; /* as in -device; borrowed from the bag */
    VirtioDev *vdev;
    VirtioMmio *mmio;
    const char *drive;  /* borrowed from the bag; NULL none */
    const char *netdev; /* as @drive */
    unsigned slot;
} MachineDev;

/* Board constants: machine-layout §2 and this VMM's additions. */
#define MICROVM_LOW_RAM_MAX (UINT64_C(3) << 30)
#define MICROVM_SLOT_BASE   UINT64_C(0xF0100000)
#define MICROVM_GED_BASE    UINT64_C(0xF0000000)
#define MICROVM_GED_GSI     3 /* COM2's, which this machine does not have */
#define MICROVM_COM1_PORT   0x3F8
#define MICROVM_COM1_GSI    4
#define MICROVM_BLK_SLOTS   4
#define MICROVM_NET_SLOTS   2
#define MICROVM_FIXED_SLOTS (MICROVM_BLK_SLOTS + MICROVM_NET_SLOTS)
#define MICROVM_FIRST_GSI   5
#define MICROVM_MAX_SLOTS   19 /* GSI 5 to 23 */

struct Machine {
    MachineConf *conf;
    Loop *loop;
    MachineListener listener;
    RunState state;
    const char *reason; /* of @state; NULL none */
    bool quitting;
    bool started;

    GuestMem *gm;
    Hv *hv;
    Bus *bus;
    VirtioEnv env;

    MachineRef *refs;
    unsigned num_refs;
    IoThread *iothreads;
    unsigned num_iothreads;

    MachineDev *devs; /* by creation */
    unsigned num_devs;
    int slot_dev[MICROVM_MAX_SLOTS]; /* index in @devs; -1 empty */
    IoRegion slot_stubs[MICROVM_FIXED_SLOTS];
    VirtioMmioPages *pages;
    Serial *serial;
    AcpiDev *acpi_dev;

    Boot *boot;
    uint32_t *apic_ids;
    AcpiSlot acpi_slots[MICROVM_MAX_SLOTS];
    MicrovmAcpi acpi;

    Vcpu *vcpus;
    unsigned num_vcpus;
    pthread_mutex_t cpu_lock;
    pthread_cond_t cpu_cond;  /* vCPUs wait here */
    pthread_cond_t main_cond; /* the main loop waits for vCPUs here */
    bool cpus_run;
    bool cpus_quit;
    atomic_bool attention;

    atomic_uint guest_requests;
    Work guest_work;
    char fail_detail[160]; /* under cpu_lock: first failing vCPU's words */

    List ops; /* waiting */
    Op *op;   /* runs now */
    bool was_running;
    unsigned pending; /* devices the running step waits for */
    void (*pending_next)(Machine *m);
};

/* --- vcpu.c -------------------------------------------------------------- */

int vcpus_new(Machine *m, Err *e);
/* Starts threads and sets registers; they wait paused. */
int vcpus_start(Machine *m, Err *e);
void vcpus_free(Machine *m);
void vcpus_stop(Machine *m); /* returns when all are paused */
void vcpus_run(Machine *m);
int vcpus_reset(Machine *m, Err *e); /* paused before and after */
void vcpus_clock_changed(Machine *m);

/* --- request.c ----------------------------------------------------------- */

void machine_requests_init(Machine *m);
void machine_requests_fini(Machine *m);
/* Any thread. */
void machine_guest_request(Machine *m, unsigned bits);
void machine_event(Machine *m, const char *name, json_t *data);

/* --- objects.c ----------------------------------------------------------- */

int machine_objects_new(Machine *m, Err *e);
void machine_objects_free(Machine *m);
int machine_iothreads_start(Machine *m, Err *e);
void machine_iothreads_stop(Machine *m);
/* Before the guest first runs. */
int machine_drives_lock(Machine *m, Err *e);
MachineRef *machine_ref_find(const Machine *m, VirtioRef kind, const char *id);

/* --- microvm.c ----------------------------------------------------------- */

int microvm_new(Machine *m, Err *e);
void microvm_free(Machine *m);
void microvm_reset(Machine *m);
