/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* state/state.h - saved device state: field tables, sections, checksums. */
#pragma once

#include "util/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * How this works
 *
 * A device lists the fields of its struct that make up its state.  Saving
 * writes one section: a header with names, version and length, each field with
 * its name, type and number of elements, and a checksum.  Loading goes by
 * name: fields it does not know are skipped, so an older program reads what a
 * newer one wrote as far as it can; fields that came later than the section's
 * version keep the value they have.  Numbers are little-endian, lengths are
 * checked before anything is believed.
 *
 *   section  "SVST", header bytes u32, payload bytes u32, version u16,
 *            name (u8 length + text), instance (the same), payload,
 *            CRC-32 of all before it
 *   field    name (u8 length + text), type u8, count u32, count * size bytes
 */
typedef enum StateType {
    STATE_BOOL = 1, /* one byte, 0 or 1 */
    STATE_U8,
    STATE_U16,
    STATE_U32,
    STATE_U64,
    STATE_TYPE_MAX,
} StateType;

typedef struct StateField {
    const char *name; /* NULL ends the table; never changes its meaning */
    StateType type;
    size_t off;     /* from the base given to state_save() */
    uint32_t count; /* elements of an array; 0: one */
    uint16_t since; /* version of the section that has it first; 0: any */
} StateField;

/* A growing buffer; zero-initialised is empty. */
typedef struct StateBuf {
    uint8_t *data; /* owned */
    size_t len, room;
} StateBuf;

void state_buf_fini(StateBuf *buf);

/**
 * state_save() - Append a section
 * @name:     of the table ("virtio-rng"), at most 255 bytes
 * @instance: which one ("rng0"), at most 255 bytes
 */
int state_save(StateBuf *buf, const char *name, const char *instance,
               uint16_t version, const StateField *fields, const void *base,
               Err *e);

/* A section found in a stream; points into it. */
typedef struct StateSection {
    char name[256];
    char instance[256];
    uint16_t version;
    const uint8_t *payload;
    size_t payload_len;
} StateSection;

/**
 * state_next() - Take the next section off a stream
 * @data: in and out: where it starts; moved behind it
 * @len:  in and out: bytes left
 *
 * Return: 1 found, 0 at the end, -EBADMSG damaged or cut off
 */
int state_next(const uint8_t **data, size_t *len, StateSection *ret_section,
               Err *e);

/**
 * state_load() - Fill a struct from a section
 *
 * Nothing is changed unless all of it is good.
 * Return: 0, -EBADMSG damaged, -ENOENT a field is missing, -EINVAL a field has
 *         another type or number of elements
 */
int state_load(const StateSection *section, const StateField *fields,
               void *base, Err *e);
