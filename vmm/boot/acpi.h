/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* boot/acpi.h - ACPI tables of the microvm machine, built from a plain struct.
 */
#pragma once

#include "mem/mem.h"
#include "util/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * How this works
 *
 * acpi_microvm_build() turns a MicrovmAcpi into bytes that start with the RSDP
 * and are meant for one guest address.  The tables describe a
 * hardware-reduced platform: no PM timer, no SCI, no fixed events.  Power
 * button and slot changes arrive through the Generic Event Device (GED), which
 * has one 32-bit register: reading it returns and clears the pending ACPI_GED_*
 * events.
 *
 * Whether a slot is occupied is read by AML from a few bytes of reserved RAM
 * (slot state, ACPI_SLOT_STATE_GPA) and not from a register, since each
 * register read is an exit.  acpi_slot_set() changes them.
 */
#define ACPI_TABLES_GPA     0xE0000ul /* RSDP first: also found by scanning */
#define ACPI_TABLES_MAX     0x1FFF0ul /* up to the reset vector */
#define ACPI_SLOT_STATE_GPA 0xD0000ul /* two bytes a slot: _STA, event */
#define ACPI_SLOTS_MAX      64

/* Ports of the FADT's registers; writes of ACPI_SLEEP_EN power off. */
#define ACPI_PORT_SLEEP_CTL 0xCE9
#define ACPI_PORT_SLEEP_STS 0xCEA
#define ACPI_SLEEP_EN       0x20
#define ACPI_SLEEP_TYPE_S5  5 /* bits 4:2 of what is written */
#define ACPI_PORT_RESET     0xCF9
#define ACPI_RESET_VALUE    0x0F

/* Bits of the GED's register. */
#define ACPI_GED_POWER_BUTTON 0x01
#define ACPI_GED_SLOT         0x20
#define ACPI_GED_LEN          4

typedef struct AcpiSlot {
    uint64_t base;
    uint32_t len;
    uint32_t gsi;
    bool present;
} AcpiSlot;

typedef struct MicrovmAcpi {
    const uint32_t *apic_ids; /* borrowed, @vcpus of them */
    unsigned vcpus;
    const AcpiSlot *slots; /* borrowed: virtio-mmio devices, in order */
    unsigned num_slots;    /* at most ACPI_SLOTS_MAX */
    uint16_t serial_port;  /* COM1's base; 0 no serial port */
    uint8_t serial_gsi;
    uint64_t ged_base; /* 0: no GED, no power button */
    uint32_t ged_gsi;
    uint64_t slot_state_gpa; /* ACPI_SLOT_STATE_GPA */
} MicrovmAcpi;

/**
 * acpi_microvm_build() - Build all tables
 * @gpa:     where they will live; the RSDP is first
 * @ret_buf: owned by the caller: free()
 *
 * Return: 0, or -errno with @e set
 */
int acpi_microvm_build(const MicrovmAcpi *conf, uint64_t gpa, uint8_t **ret_buf,
                       size_t *ret_len, Err *e);

/**
 * acpi_slot_set() - Tell the guest that a slot was filled or emptied
 *
 * Changes the slot's state bytes; the caller then raises the GED's interrupt
 * with ACPI_GED_SLOT pending.
 * Thread: main loop
 */
int acpi_slot_set(const MicrovmAcpi *conf, GuestMem *gm, unsigned slot,
                  bool present);
