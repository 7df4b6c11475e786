/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dev/acpi_dev.h - what ACPI tables point to: GED, sleep and reset registers.
 */
#pragma once

#include "bus/bus.h"
#include "hv/hv.h"
#include "state/state.h"

/*
 * How this works
 *
 * The Generic Event Device is one 32-bit register: reading it returns and
 * clears the pending events, raising one pulses the interrupt.  What the bits
 * mean is between the machine and its tables.
 *
 * Sleep control and status are the FADT's registers of a hardware-reduced
 * platform.  Reset is heard on the FADT's port and, for `reboot=k`, on the
 * keyboard controller's command port.
 */
typedef struct AcpiDev AcpiDev;

/* Called on a vCPU thread under the device's lock: only post work. */
typedef struct AcpiListener {
    void (*power_off)(void *opaque); /* the guest entered S5 */
    void (*reset)(void *opaque);     /* the guest asked for a reset */
    void *opaque;
} AcpiListener;

typedef struct AcpiDevConf {
    uint64_t ged_base;  /* 4 bytes of MMIO */
    unsigned ged_gsi;   /* edge */
    uint16_t sleep_ctl; /* ports; 0 none */
    uint16_t sleep_sts;
    uint16_t reset_port;
    bool kbd_reset; /* 0xFE written to port 0x64 resets */
    Bus *bus;       /* borrowed, as is @hv */
    Hv *hv;
    AcpiListener listener;
} AcpiDevConf;

/* Main loop. */
int acpi_dev_new(AcpiDev **ret_dev, const AcpiDevConf *conf, Err *e);
void acpi_dev_free(AcpiDev *dev);
/* Makes events pending and interrupts. Any thread. */
void acpi_dev_event(AcpiDev *dev, uint32_t events);
void acpi_dev_reset(AcpiDev *dev); /* machine reset: nothing pending */

/* Saved state; the base is the AcpiDev. */
extern const StateField acpi_dev_state[];
