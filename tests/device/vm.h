/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* device/vm.h - a VMM on the test accelerator, driven from a test. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * How this works
 *
 * vm_start() makes a private directory with two sockets, starts the real
 * binary with `-accel test` on them, and becomes its processor: every access
 * below is one request on the test socket, answered when the access was done
 * by a vCPU thread of the VMM.  Time is virtual and moves by vm_clock_step()
 * only.  Host I/O is real: its end is waited for in guest memory.
 *
 * Whatever goes wrong fails the test with a message; a VMM that does not
 * answer within VM_DEADLINE_S is killed and fails it too.
 */
#define VM_DEADLINE_S 20

/* Memory for rings and data; the rest of the RAM is the test's own. */
#define VM_RAM_BASE  0x1000000ULL
#define VM_RAM_BYTES (256ULL << 20) /* with -m 256, the default here */

typedef struct Vm {
    pid_t pid;
    char dir[32];
    int test_fd; /* requests */
    int qmp_fd;
    char *qmp_in; /* bytes read and not yet parsed */
    size_t qmp_len;
    json_t *events; /* array of those that came between replies */
    uint64_t ram_next;
} Vm;

/**
 * vm_start() - Start a microvm without a kernel
 * @args: further arguments, NULL-terminated; "%D" in them is the directory
 */
Vm *vm_start(const char *const *args);
/* QMP quit; the process must end with status 0. */
void vm_quit(Vm *vm);
/* Waits for the process to end by itself; returns its wait status. */
int vm_wait(Vm *vm);
void vm_signal(Vm *vm, int signal);
/* As vm_start() for a command line that must fail: its exit status; what it
 * said on standard error is in @ret_text. */
int vm_fail(const char *const *args, char *ret_text, size_t len);

/* In the directory. Static storage, overwritten by the next call. */
const char *vm_path(const Vm *vm, const char *name);

/* --- memory, registers, ports -------------------------------------------- */

void vm_read(Vm *vm, uint64_t gpa, void *buf, size_t len);
void vm_write(Vm *vm, uint64_t gpa, const void *buf, size_t len);
void vm_set(Vm *vm, uint64_t gpa, uint8_t byte, size_t len);

uint64_t vm_load(Vm *vm, uint64_t addr, unsigned size);
void vm_store(Vm *vm, uint64_t addr, uint64_t val, unsigned size);
uint64_t vm_in(Vm *vm, uint16_t port, unsigned size);
void vm_out(Vm *vm, uint16_t port, uint32_t val, unsigned size);

/* A write whose answer is not waited for; the VM takes no more requests. */
void vm_store_last(Vm *vm, uint64_t addr, uint64_t val, unsigned size);
/* A write that may end the VM before it is answered. */
void vm_out_last(Vm *vm, uint16_t port, uint8_t val);

static inline uint32_t vm_readl(Vm *vm, uint64_t addr)
{
    return vm_load(vm, addr, 4);
}

static inline void vm_writel(Vm *vm, uint64_t addr, uint32_t val)
{
    vm_store(vm, addr, val, 4);
}

/* Edge interrupts on a pin since the last call. */
unsigned vm_edges(Vm *vm, unsigned gsi);

/* Moves the clock; 0: to the next timer. Returns the new time. */
uint64_t vm_clock_step(Vm *vm, uint64_t ns);

/* Guest memory nobody else uses, zeroed; freed with the VM. */
uint64_t vm_alloc(Vm *vm, size_t len, size_t align);

/* One more try of a condition: sleeps a moment; fails after the deadline. */
typedef struct VmDeadline {
    int64_t end_ms;
} VmDeadline;
VmDeadline vm_deadline(void);
void vm_retry(Vm *vm, const VmDeadline *deadline, const char *what);

/* --- monitor ------------------------------------------------------------- */

/**
 * vm_qmp() - Execute a command; @args is a JSON text or NULL
 *
 * Return: what "return" holds, the caller's; an error fails the test
 */
json_t *vm_qmp(Vm *vm, const char *command, const char *args);
/* As vm_qmp() without looking at the reply. */
void vm_qmp_do(Vm *vm, const char *command, const char *args);
/* Sends a command whose reply nobody waits for. */
void vm_qmp_send(Vm *vm, const char *command);
/* Waits for an event; its "data" or NULL, the caller's. */
json_t *vm_event(Vm *vm, const char *name);
/* Whether an event came up to now. */
bool vm_had_event(Vm *vm, const char *name);
