/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* boot/aml.h - writes ACPI Machine Language.  Spec: ACPI 6.4, chapter 20. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * How this works
 *
 * Code is appended to a buffer in order.  What has a package length is opened
 * and closed: aml_close() puts the length in, now that it is known.  Errors
 * (no memory) stick and are looked at once, at the end.
 */
typedef struct Aml {
    uint8_t *buf; /* owned */
    size_t len;
    size_t room;
    bool failed;
} Aml;

void aml_fini(Aml *a);
void aml_bytes(Aml *a, const void *bytes, size_t len);
void aml_byte(Aml *a, uint8_t byte);
/* A path: an optional backslash, then segments of four, joined by dots. */
void aml_path(Aml *a, const char *path);
void aml_int(Aml *a, uint64_t val);
void aml_string(Aml *a, const char *text);
void aml_eisa_id(Aml *a, const char *id); /* "PNP0C0C" */

/* These return where the length belongs: give it to aml_close(). */
size_t aml_open(Aml *a, uint8_t op);     /* plain opcode */
size_t aml_open_ext(Aml *a, uint8_t op); /* behind the extended prefix */
size_t aml_scope(Aml *a, const char *path);
size_t aml_device(Aml *a, const char *name);
size_t aml_method(Aml *a, const char *name, unsigned num_args);
size_t aml_if(Aml *a); /* the condition comes next */
size_t aml_field(Aml *a, const char *region, unsigned access_bytes);
void aml_close(Aml *a, size_t at);

void aml_name(Aml *a, const char *name); /* Name (name, what comes next) */
void aml_name_int(Aml *a, const char *name, uint64_t val);
void aml_region(Aml *a, const char *name, uint64_t gpa, uint64_t len);
void aml_field_entry(Aml *a, const char *name, unsigned bits);
void aml_local(Aml *a, unsigned n);
void aml_notify(Aml *a, const char *device); /* the value comes next */

/* A resource template, as one buffer: open, descriptors, close. */
typedef struct AmlCrs {
    Aml template;
} AmlCrs;

void aml_crs_memory(AmlCrs *crs, uint32_t base, uint32_t len);
void aml_crs_io(AmlCrs *crs, uint16_t base, uint8_t len);
void aml_crs_edge_irq(AmlCrs *crs, uint32_t gsi);
/* Name (_CRS, template); frees the template. */
void aml_crs_end(Aml *a, AmlCrs *crs);

#define AML_STORE  0x70
#define AML_AND    0x7b
#define AML_RETURN 0xa4
#define AML_ZERO   0x00
