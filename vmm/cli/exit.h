/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cli/exit.h - the one way out: exit record, terminal, pid file. */
#pragma once

#include "machine/machine.h"

/*
 * How this works
 *
 * Whatever ends the process tells it to the exit record first: one line of
 * JSON on the descriptor of -exit-record, once.  No line means that the
 * process crashed or was killed.
 *
 *   {"cause":"quit","guest":false,"detail":"host-qmp-quit"}
 */

/* Takes @fd, the descriptor of -exit-record. */
int exit_record_init(int fd, Err *e);

/* Writes the record unless it was written. @detail may be NULL. */
void exit_record(ExitCause cause, bool guest, const char *detail);

/* Creates the pid file; it must not exist. Removed by exit_cleanup(). */
int exit_pidfile_create(const char *path, Err *e);
int exit_pidfile_write(int pid, Err *e);
/* Another process writes it; this one removes it. */
void exit_pidfile_written(void);

/* Removes the pid file and puts the terminal back. Idempotent. */
void exit_cleanup(void);

/* The terminal is restored when a bug or the kernel ends the process, too. */
void exit_guard_terminal(void);

/**
 * exit_on_trap() - sandbox_on_trap()'s hook; async-signal-safe
 *
 * Writes the record.  Only main's filter lets a thread change the terminal, so
 * any other thread hands that to main, and waits a moment for it.
 */
void exit_on_trap(int call, const char *role);

/* Main thread, before it waits: ends the process if a trap asks for it. */
void exit_poll_trap(void);
