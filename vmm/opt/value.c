/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* opt/value.c - text to number, size, address: one value at a time. */
#include <config.h>

#include "opt/opt.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

/* Decimal digits with an optional leading '+', as the reference VMM reads. */
int opt_u64(const char *text, uint64_t *ret_val)
{
    uint64_t val = 0;
    const char *p = text;

    if (*p == '+')
        p++;
    if (!*p)
        return -EINVAL;
    for (; *p; p++) {
        if (*p < '0' || *p > '9')
            return -EINVAL;
        if (__builtin_mul_overflow(val, 10, &val) ||
            __builtin_add_overflow(val, (uint64_t)(*p - '0'), &val))
            return -ERANGE;
    }
    *ret_val = val;
    return 0;
}

int opt_size(const char *text, uint64_t *ret_bytes)
{
    char digits[32];
    size_t len = strlen(text);
    uint64_t val;
    int shift = 20;
    int r;

    if (!len || len >= sizeof(digits))
        return -EINVAL;
    switch (text[len - 1]) {
    case 'k':
    case 'K':
        shift = 10;
        len--;
        break;
    case 'm':
    case 'M':
        len--;
        break;
    case 'g':
    case 'G':
        shift = 30;
        len--;
        break;
    }
    memcpy(digits, text, len);
    digits[len] = 0;
    r = opt_u64(digits, &val);
    if (r < 0)
        return r;
    if (val > UINT64_MAX >> shift)
        return -ERANGE;
    *ret_bytes = val << shift;
    return 0;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

static int hex_byte(const char *text, uint8_t *ret_byte)
{
    int hi = hex_digit(text[0]);
    int lo = hi < 0 ? -1 : hex_digit(text[1]);

    if (lo < 0)
        return -EINVAL;
    *ret_byte = (uint8_t)(hi << 4 | lo);
    return 0;
}

int opt_mac(const char *text, uint8_t ret_mac[6])
{
    uint8_t mac[6];

    if (strlen(text) != 17)
        return -EINVAL;
    for (int i = 0; i < 6; i++) {
        if (hex_byte(text + i * 3, &mac[i]) < 0 ||
            (i < 5 && text[i * 3 + 2] != ':'))
            return -EINVAL;
    }
    memcpy(ret_mac, mac, sizeof(mac));
    return 0;
}

int opt_uuid(const char *text, uint8_t ret_uuid[16])
{
    uint8_t uuid[16];
    const char *p = text;

    if (strlen(text) != 36)
        return -EINVAL;
    for (int i = 0; i < 16; i++, p += 2) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            if (*p++ != '-')
                return -EINVAL;
        }
        if (hex_byte(p, &uuid[i]) < 0)
            return -EINVAL;
    }
    memcpy(ret_uuid, uuid, sizeof(uuid));
    return 0;
}

void opt_uuid_text(const uint8_t uuid[16], char ret_text[37])
{
    static const char digits[] = "0123456789abcdef";
    char *p = ret_text;

    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *p++ = '-';
        *p++ = digits[uuid[i] >> 4];
        *p++ = digits[uuid[i] & 15];
    }
    *p = 0;
}
