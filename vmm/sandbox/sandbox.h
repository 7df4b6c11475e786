/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sandbox/sandbox.h - seccomp roles of threads. */
#pragma once

#include "util/err.h"

#include <stdbool.h>

typedef enum ThreadRole {
    ROLE_MAIN, /* main loop: monitor, devices without an I/O thread */
    ROLE_VCPU, /* runs the guest; handlers make no system call */
    ROLE_IO,   /* -object iothread */
    ROLE_POOL, /* blocking file calls */
    ROLE_TEST, /* server of the test accelerator */
    ROLE_MAX,
} ThreadRole;

const char *role_name(ThreadRole role);

/**
 * sandbox_compile() - Compile every role's filter to BPF, once
 * @test: ROLE_TEST is needed, too
 *
 * Must run before the first thread starts; libseccomp runs nowhere else.
 * Without this call (-disable-seccomp) sandbox_enter() does nothing.
 */
int sandbox_compile(bool test, Err *e);

/* Calls that a role may make; for the boot benchmark and -describe. */
unsigned sandbox_calls(ThreadRole role);

/**
 * sandbox_enter() - Close the calling thread in its role's filter
 *
 * Called by thread_start()'s trampoline, and by main for ROLE_MAIN (which is
 * a superset of every role it may still start).  Sets no_new_privs.
 */
int sandbox_enter(ThreadRole role);

/**
 * sandbox_on_trap() - Installs the SIGSYS handler
 * @hook: async-signal-safe; gets call number and role name before the process
 *        ends with SANDBOX_EXIT_STATUS (restores the terminal, writes the exit
 *        record)
 */
void sandbox_on_trap(void (*hook)(int call, const char *role));

#define SANDBOX_EXIT_STATUS 159 /* as a shell shows death by SIGSYS */
