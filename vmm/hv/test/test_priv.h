/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hv/test/test_priv.h - test accelerator: machine, and its server. */
#pragma once

#include "core/quiesce.h"
#include "core/thread.h"
#include "hv/hv_priv.h"

#if defined(__x86_64__)
#define TEST_PINS 24
#else
#define TEST_PINS 192
#endif
#define TEST_VCPUS_MAX   1024
#define TEST_REQUEST_MAX (64u << 10)
#define TEST_READ_MAX    (16u << 10) /* bytes one read request may ask for */

/* A vCPU's current access. */
typedef enum TestPhase {
    TEST_IDLE,
    TEST_POSTED, /* by the server */
    TEST_TAKEN,  /* handed out by hv_vcpu_run() */
    TEST_DONE,   /* completed; the server has not looked yet */
} TestPhase;

typedef struct TestVcpu {
    HvVcpu base;         /* base object */
    pthread_cond_t wake; /* posted, or kicked */
    bool kicked;         /* under TestVm.lock, as all below */
    TestPhase phase;
    HvExit access;
    uint64_t data;
} TestVcpu;

typedef struct TestIoEvent {
    List link;
    HvIoEvent ev;
    int fd; /* borrowed */
} TestIoEvent;

/* A message that was sent and not asked about yet. */
typedef struct TestMsi {
    List link;
    uint64_t addr;
    uint32_t data;
} TestMsi;

typedef struct TestVm {
    Hv hv;       /* base object */
    int sock;    /* owned; -1 no harness */
    int epoll;   /* owned: @sock and @stop_fd */
    int stop_fd; /* owned: the server shall end */
    Thread server;
    Quiescer qs; /* the server's */
    Work gone;   /* main loop: the harness hung up */
    bool stopping;
    atomic_bool served; /* the server has nothing more to do */
    uint8_t *request;   /* owned: TEST_REQUEST_MAX + 1 */
    unsigned selected;  /* vCPU that does accesses */

    pthread_mutex_t lock; /* above Hv.lock: all below */
    pthread_cond_t done;  /* an access was completed */
    TestVcpu *vcpus[TEST_VCPUS_MAX];
    List ioevents;       /* TestIoEvent.link */
    MemRange *registers; /* owned: register pages */
    size_t num_registers;
    List msis;                   /* TestMsi.link; under Hv.lock */
    uint64_t edges[TEST_PINS];   /* pulses; under Hv.lock */
    atomic_bool intx[TEST_PINS]; /* asserted and not yet ended */
} TestVm;

/* --- test.c: what the server asks of the machine ------------------------- */

/**
 * test_access() - One access by the selected vCPU's thread
 * @val: written, or what was read
 *
 * Return: 0; -ENODEV no such vCPU, -ESHUTDOWN the machine ends
 */
int test_access(TestVm *vm, HvExitKind kind, bool write, uint64_t addr,
                unsigned len, uint64_t *val);
int test_port(TestVm *vm, bool write, uint16_t port, unsigned len,
              uint64_t *val);
/* Memory, register pages or devices, in accesses of at most 8 bytes. */
int test_mem(TestVm *vm, bool write, uint64_t addr, uint8_t *buf, size_t len);

bool test_take_msi(TestVm *vm, uint64_t addr, uint32_t data);
uint64_t test_take_edges(TestVm *vm, unsigned gsi);
bool test_intx(TestVm *vm, unsigned gsi);
bool test_eoi(TestVm *vm, unsigned gsi);

/* --- proto.c ------------------------------------------------------------- */
void test_reply(TestVm *vm, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Serves one request, a string that it may change. */
void test_serve_line(TestVm *vm, char *line);

/* --- server.c ------------------------------------------------------------ */
/* Opening does this, since a running machine may make no sockets. */
int test_server_connect(TestVm *vm, const char *path, Err *e);
int test_server_start(TestVm *vm, Err *e);
void test_server_stop(TestVm *vm);
