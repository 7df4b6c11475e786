/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* boot/aml.c - writes ACPI Machine Language. */
#include <config.h>

#include "boot/aml.h"

#include "util/bytes.h"
#include "util/cleanup.h"

#include <stdlib.h>
#include <string.h>

#define OP_NAME    0x08
#define OP_BYTE    0x0a
#define OP_WORD    0x0b
#define OP_DWORD   0x0c
#define OP_STRING  0x0d
#define OP_QWORD   0x0e
#define OP_SCOPE   0x10
#define OP_BUFFER  0x11
#define OP_METHOD  0x14
#define OP_DUAL    0x2e
#define OP_MULTI   0x2f
#define OP_EXT     0x5b
#define OP_LOCAL0  0x60
#define OP_NOTIFY  0x86
#define OP_IF      0xa0
#define EXT_REGION 0x80
#define EXT_FIELD  0x81
#define EXT_DEVICE 0x82

#define REGION_SYSTEM_MEMORY 0
#define METHOD_SERIALIZED    0x08
#define SEGMENT              4

void aml_fini(Aml *a)
{
    free(a->buf);
    *a = (Aml){ 0 };
}

static bool aml_reserve(Aml *a, size_t len)
{
    size_t room = a->room ? a->room : 1024;
    uint8_t *buf;

    if (a->failed)
        return false;
    while (room - a->len < len)
        room *= 2;
    if (room == a->room)
        return true;
    buf = realloc(a->buf, room);
    if (!buf) {
        a->failed = true;
        return false;
    }
    a->buf = buf;
    a->room = room;
    return true;
}

void aml_bytes(Aml *a, const void *bytes, size_t len)
{
    if (!len || !aml_reserve(a, len))
        return;
    memcpy(a->buf + a->len, bytes, len);
    a->len += len;
}

void aml_byte(Aml *a, uint8_t byte)
{
    aml_bytes(a, &byte, 1);
}

/* Short names are filled up with underscores. */
static void aml_segment(Aml *a, const char *name, size_t len)
{
    char seg[SEGMENT] = { '_', '_', '_', '_' };

    memcpy(seg, name, MIN(len, (size_t)SEGMENT));
    aml_bytes(a, seg, SEGMENT);
}

void aml_path(Aml *a, const char *path)
{
    unsigned segments = 1;

    if (*path == '\\') {
        aml_byte(a, '\\');
        path++;
    }
    for (const char *p = path; *p; p++)
        segments += *p == '.';
    if (segments == 2) {
        aml_byte(a, OP_DUAL);
    } else if (segments > 2) {
        aml_byte(a, OP_MULTI);
        aml_byte(a, (uint8_t)segments);
    }
    while (segments--) {
        size_t len = strcspn(path, ".");

        aml_segment(a, path, len);
        path += len + (path[len] == '.');
    }
}

void aml_int(Aml *a, uint64_t val)
{
    uint8_t bytes[8];

    store_le64(bytes, val);
    if (val <= 1) {
        aml_byte(a, (uint8_t)val); /* ZeroOp, OneOp */
    } else if (val <= UINT8_MAX) {
        aml_byte(a, OP_BYTE);
        aml_bytes(a, bytes, 1);
    } else if (val <= UINT16_MAX) {
        aml_byte(a, OP_WORD);
        aml_bytes(a, bytes, 2);
    } else if (val <= UINT32_MAX) {
        aml_byte(a, OP_DWORD);
        aml_bytes(a, bytes, 4);
    } else {
        aml_byte(a, OP_QWORD);
        aml_bytes(a, bytes, 8);
    }
}

void aml_string(Aml *a, const char *text)
{
    aml_byte(a, OP_STRING);
    aml_bytes(a, text, strlen(text) + 1);
}

static uint32_t hex_digit(char c)
{
    return (uint32_t)(c <= '9' ? c - '0' : c - 'A' + 10);
}

void aml_eisa_id(Aml *a, const char *id)
{
    uint32_t val =
        (uint32_t)(id[0] - '@') << 26 | (uint32_t)(id[1] - '@') << 21 |
        (uint32_t)(id[2] - '@') << 16 | hex_digit(id[3]) << 12 |
        hex_digit(id[4]) << 8 | hex_digit(id[5]) << 4 | hex_digit(id[6]);
    const uint8_t bytes[4] = { (uint8_t)(val >> 24), (uint8_t)(val >> 16),
                               (uint8_t)(val >> 8), (uint8_t)val };

    aml_byte(a, OP_DWORD);
    aml_bytes(a, bytes, sizeof(bytes));
}

/* --- package lengths ----------------------------------------------------- */

/* @len counts its own bytes too. Return: how many those are */
static size_t put_pkg_length(uint8_t *to, size_t content)
{
    size_t n = 1;

    while (n < 4 && content + n >= (n == 1 ? 1u << 6 : 1u << (8 * n - 4)))
        n++;
    content += n;
    if (n == 1) {
        to[0] = (uint8_t)content;
        return 1;
    }
    to[0] = (uint8_t)((n - 1) << 6 | (content & 0xf));
    content >>= 4;
    for (size_t i = 1; i < n; i++, content >>= 8)
        to[i] = (uint8_t)content;
    return n;
}

size_t aml_open(Aml *a, uint8_t op)
{
    aml_byte(a, op);
    return a->len;
}

size_t aml_open_ext(Aml *a, uint8_t op)
{
    aml_byte(a, OP_EXT);
    return aml_open(a, op);
}

void aml_close(Aml *a, size_t at)
{
    uint8_t length[4];
    size_t n;

    if (a->failed)
        return;
    n = put_pkg_length(length, a->len - at);
    if (!aml_reserve(a, n))
        return;
    memmove(a->buf + at + n, a->buf + at, a->len - at);
    memcpy(a->buf + at, length, n);
    a->len += n;
}

size_t aml_scope(Aml *a, const char *path)
{
    size_t at = aml_open(a, OP_SCOPE);

    aml_path(a, path);
    return at;
}

size_t aml_device(Aml *a, const char *name)
{
    size_t at = aml_open_ext(a, EXT_DEVICE);

    aml_path(a, name);
    return at;
}

size_t aml_method(Aml *a, const char *name, unsigned num_args)
{
    size_t at = aml_open(a, OP_METHOD);

    aml_path(a, name);
    aml_byte(a, (uint8_t)(METHOD_SERIALIZED | num_args));
    return at;
}

size_t aml_if(Aml *a)
{
    return aml_open(a, OP_IF);
}

size_t aml_field(Aml *a, const char *region, unsigned access_bytes)
{
    size_t at = aml_open_ext(a, EXT_FIELD);

    aml_path(a, region);
    aml_byte(a, access_bytes == 1 ? 1 : 3); /* byte, dword; no lock, preserve */
    return at;
}

void aml_field_entry(Aml *a, const char *name, unsigned bits)
{
    uint8_t length[4];
    size_t n;

    /* A field's length counts bits and not its own bytes. */
    if (bits < 1u << 6) {
        length[0] = (uint8_t)bits;
        n = 1;
    } else {
        length[0] = (uint8_t)(1 << 6 | (bits & 0xf));
        length[1] = (uint8_t)(bits >> 4);
        n = 2;
    }
    aml_segment(a, name, strlen(name));
    aml_bytes(a, length, n);
}

/* --- statements ---------------------------------------------------------- */

void aml_name(Aml *a, const char *name)
{
    aml_byte(a, OP_NAME);
    aml_path(a, name);
}

void aml_name_int(Aml *a, const char *name, uint64_t val)
{
    aml_name(a, name);
    aml_int(a, val);
}

void aml_region(Aml *a, const char *name, uint64_t gpa, uint64_t len)
{
    aml_byte(a, OP_EXT);
    aml_byte(a, EXT_REGION);
    aml_path(a, name);
    aml_byte(a, REGION_SYSTEM_MEMORY);
    aml_int(a, gpa);
    aml_int(a, len);
}

void aml_local(Aml *a, unsigned n)
{
    aml_byte(a, (uint8_t)(OP_LOCAL0 + n));
}

void aml_notify(Aml *a, const char *device)
{
    aml_byte(a, OP_NOTIFY);
    aml_path(a, device);
}

/* --- resources ----------------------------------------------------------- */

void aml_crs_memory(AmlCrs *crs, uint32_t base, uint32_t len)
{
    uint8_t d[12] = { 0x86, 9, 0, 1 }; /* Memory32Fixed, read-write */

    store_le32(d + 4, base);
    store_le32(d + 8, len);
    aml_bytes(&crs->template, d, sizeof(d));
}

void aml_crs_io(AmlCrs *crs, uint16_t base, uint8_t len)
{
    uint8_t d[8] = { 0x47, 1 }; /* IO, 16-bit decode */

    store_le16(d + 2, base);
    store_le16(d + 4, base);
    d[6] = 1;
    d[7] = len;
    aml_bytes(&crs->template, d, sizeof(d));
}

void aml_crs_edge_irq(AmlCrs *crs, uint32_t gsi)
{
    /* Extended Interrupt: consumer, edge, active high, exclusive; one */
    uint8_t d[9] = { 0x89, 6, 0, 0x03, 1 };

    store_le32(d + 5, gsi);
    aml_bytes(&crs->template, d, sizeof(d));
}

void aml_crs_end(Aml *a, AmlCrs *crs)
{
    const uint8_t end[2] = { 0x79, 0 }; /* no checksum */
    size_t at;

    aml_bytes(&crs->template, end, sizeof(end));
    if (crs->template.failed)
        a->failed = true;
    aml_name(a, "_CRS");
    at = aml_open(a, OP_BUFFER);
    aml_int(a, crs->template.len);
    aml_bytes(a, crs->template.buf, crs->template.len);
    aml_close(a, at);
    aml_fini(&crs->template);
}
