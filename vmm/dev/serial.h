/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dev/serial.h - 16550A UART. */
#pragma once

#include "bus/bus.h"
#include "chardev/chardev.h"
#include "hv/hv.h"
#include "state/state.h"

typedef struct Serial Serial;

typedef struct SerialConf {
    BusSpace space; /* ports on x86 */
    uint64_t base;  /* 0x3f8 */
    unsigned gsi;   /* 4; edge */
    Bus *bus;       /* borrowed, as all of these */
    Hv *hv;
    Loop *loop;       /* the main loop */
    Chardev *chardev; /* claimed */
} SerialConf;

int serial_new(Serial **ret_serial, const SerialConf *conf, Err *e);
void serial_free(Serial *serial);
void serial_reset(Serial *serial); /* machine reset; vCPUs paused */

/* Saved state; the base is the Serial. */
extern const StateField serial_state[];
/* After loading: checks what was loaded, raises what is pending. */
int serial_loaded(Serial *serial, Err *e);
