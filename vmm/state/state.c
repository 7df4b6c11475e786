/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* state/state.c - encode, check and decode sections of saved state. */
#include <config.h>

#include "state/state.h"

#include "util/bytes.h"
#include "util/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC        "SVST"
#define FIXED_HEADER 14 /* magic, header bytes, payload bytes, version */
#define CRC_LEN      4

static const uint8_t type_bytes[] = {
    [STATE_BOOL] = 1, [STATE_U8] = 1,  [STATE_U16] = 2,
    [STATE_U32] = 4,  [STATE_U64] = 8,
};
_Static_assert(ARRAY_SIZE(type_bytes) == STATE_TYPE_MAX, "a size per type");

static uint32_t crc32(const uint8_t *p, size_t len)
{
    uint32_t crc = UINT32_MAX;

    while (len--) {
        crc ^= *p++;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return ~crc;
}

static uint32_t field_count(const StateField *f)
{
    return f->count ? f->count : 1;
}

/* --- writing ------------------------------------------------------------- */

void state_buf_fini(StateBuf *buf)
{
    free(buf->data);
    *buf = (StateBuf){ 0 };
}

/* Room for @len more bytes, or NULL. */
static uint8_t *grow(StateBuf *buf, size_t len)
{
    uint8_t *at;

    if (buf->room - buf->len < len) {
        size_t room = MAX(buf->room * 2, buf->len + len + 256);
        uint8_t *data = realloc(buf->data, room);

        if (!data)
            return NULL;
        buf->data = data;
        buf->room = room;
    }
    at = buf->data + buf->len;
    buf->len += len;
    return at;
}

static bool put_name(StateBuf *buf, const char *name)
{
    size_t len = strlen(name);
    uint8_t *to = len <= UINT8_MAX ? grow(buf, 1 + len) : NULL;

    if (!to)
        return false;
    to[0] = len;
    memcpy(to + 1, name, len);
    return true;
}

static void store_elem(uint8_t *to, const uint8_t *from, StateType type)
{
    switch (type_bytes[type]) {
    case 1:
        *to = *from;
        break;
    case 2:
        store_le16(to, *(const uint16_t *)from);
        break;
    case 4:
        store_le32(to, *(const uint32_t *)from);
        break;
    default:
        store_le64(to, *(const uint64_t *)from);
    }
}

static void load_elem(uint8_t *to, const uint8_t *from, StateType type)
{
    switch (type_bytes[type]) {
    case 1:
        *to = *from;
        break;
    case 2:
        *(uint16_t *)to = load_le16(from);
        break;
    case 4:
        *(uint32_t *)to = load_le32(from);
        break;
    default:
        *(uint64_t *)to = load_le64(from);
    }
}

static bool put_field(StateBuf *buf, const StateField *f, const void *base)
{
    uint32_t count = field_count(f), size = type_bytes[f->type];
    const uint8_t *from = (const uint8_t *)base + f->off;
    uint8_t *to;

    if (!put_name(buf, f->name))
        return false;
    to = grow(buf, 5 + (size_t)count * size);
    if (!to)
        return false;
    to[0] = f->type;
    store_le32(to + 1, count);
    for (uint32_t i = 0; i < count; i++)
        store_elem(to + 5 + (size_t)i * size, from + (size_t)i * size, f->type);
    return true;
}

int state_save(StateBuf *buf, const char *name, const char *instance,
               uint16_t version, const StateField *fields, const void *base,
               Err *e)
{
    size_t start = buf->len, payload;
    uint8_t *crc;

    if (!grow(buf, FIXED_HEADER) || !put_name(buf, name) ||
        !put_name(buf, instance))
        goto fail;
    payload = buf->len;
    for (; fields->name; fields++)
        if (!put_field(buf, fields, base))
            goto fail;
    memcpy(buf->data + start, MAGIC, 4);
    store_le32(buf->data + start + 4, payload - start);
    store_le32(buf->data + start + 8, buf->len - payload);
    store_le16(buf->data + start + 12, version);
    crc = grow(buf, CRC_LEN);
    if (!crc)
        goto fail;
    store_le32(crc, crc32(buf->data + start, buf->len - CRC_LEN - start));
    return 0;

fail:
    buf->len = start;
    return err_set(e, ENOMEM, "cannot save state of '%s': out of memory", name);
}

/* --- reading ------------------------------------------------------------- */

typedef struct Cursor {
    const uint8_t *p;
    size_t left;
} Cursor;

/* The next @len bytes, or NULL. */
static const uint8_t *take(Cursor *c, size_t len)
{
    const uint8_t *p = c->p;

    if (c->left < len)
        return NULL;
    c->p += len;
    c->left -= len;
    return p;
}

static bool take_name(Cursor *c, char ret_name[256])
{
    const uint8_t *len = take(c, 1);
    const uint8_t *text = len ? take(c, *len) : NULL;

    if (!text)
        return false;
    memcpy(ret_name, text, *len);
    ret_name[*len] = '\0';
    return true;
}

static int damaged(Err *e)
{
    return err_set(e, EBADMSG, "saved state is damaged or cut off");
}

int state_next(const uint8_t **data, size_t *len, StateSection *ret_section,
               Err *e)
{
    StateSection s = { .version = 0 };
    Cursor c = { *data, *len };
    const uint8_t *head = take(&c, FIXED_HEADER);
    uint64_t header, payload, total;

    if (*len == 0)
        return 0;
    if (!head || memcmp(head, MAGIC, 4) != 0)
        return damaged(e);
    header = load_le32(head + 4);
    payload = load_le32(head + 8);
    total = header + payload + CRC_LEN;
    if (total > *len || header < FIXED_HEADER)
        return damaged(e);
    if (crc32(*data, total - CRC_LEN) != load_le32(*data + total - CRC_LEN))
        return err_set(e, EBADMSG, "saved state has a wrong checksum");
    s.version = load_le16(head + 12);
    c.left = header - FIXED_HEADER;
    if (!take_name(&c, s.name) || !take_name(&c, s.instance))
        return damaged(e);
    s.payload = *data + header;
    s.payload_len = payload;
    *ret_section = s;
    *data += total;
    *len -= total;
    return 1;
}

typedef struct Found {
    char name[256];
    uint8_t type;
    uint32_t count;
    const uint8_t *data;
} Found;

/* 1 found, 0 end, < 0 damaged */
static int next_field(Cursor *c, Found *ret)
{
    const uint8_t *head;

    if (!c->left)
        return 0;
    if (!take_name(c, ret->name) || !(head = take(c, 5)))
        return -EBADMSG;
    ret->type = head[0];
    ret->count = load_le32(head + 1);
    /* A type of the future has a size nobody knows: it cannot be skipped. */
    if (!ret->type || ret->type >= STATE_TYPE_MAX)
        return -EBADMSG;
    ret->data = take(c, (size_t)ret->count * type_bytes[ret->type]);
    return ret->data ? 1 : -EBADMSG;
}

static int find_field(const StateSection *s, const char *name, Found *ret)
{
    Cursor c = { s->payload, s->payload_len };
    int r;

    while ((r = next_field(&c, ret)) > 0)
        if (strcmp(ret->name, name) == 0)
            return 1;
    return r;
}

static int check_field(const StateSection *s, const StateField *f, Err *e)
{
    Found found;
    int r = find_field(s, f->name, &found);

    if (r < 0)
        return damaged(e);
    if (r == 0)
        return f->since > s->version
                   ? 0
                   : err_set(e, ENOENT, "state of '%s' (%s) lacks '%s'",
                             s->instance, s->name, f->name);
    if (found.type != f->type || found.count != field_count(f))
        return err_set(e, EINVAL, "state of '%s' (%s) has another kind of '%s'",
                       s->instance, s->name, f->name);
    if (f->type == STATE_BOOL)
        for (uint32_t i = 0; i < found.count; i++)
            if (found.data[i] > 1)
                return damaged(e);
    return 0;
}

int state_load(const StateSection *s, const StateField *fields, void *base,
               Err *e)
{
    for (const StateField *f = fields; f->name; f++) {
        int r = check_field(s, f, e);

        if (r < 0)
            return r;
    }
    for (const StateField *f = fields; f->name; f++) {
        uint8_t *to = (uint8_t *)base + f->off;
        uint32_t size = type_bytes[f->type];
        Found found;

        if (find_field(s, f->name, &found) <= 0)
            continue;
        for (uint32_t i = 0; i < found.count; i++)
            load_elem(to + (size_t)i * size, found.data + (size_t)i * size,
                      f->type);
    }
    return 0;
}
