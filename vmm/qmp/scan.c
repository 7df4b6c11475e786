/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qmp/scan.c - linear scanner for JSON objects. */
#include <config.h>

#include "qmp/scan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Outside an object: blanks are skipped, anything else but '{' is garbage. */
static ScanResult scan_outside(Scanner *s, const char *buf, size_t len,
                               size_t *ret_start, size_t *ret_end)
{
    size_t from;

    while (s->pos < len && is_blank(buf[s->pos]))
        s->pos++;
    if (s->pos == len)
        return SCAN_MORE;
    from = s->pos;
    if (buf[from] == '{') {
        s->in_object = true;
        s->start = from;
        return SCAN_MORE;
    }
    while (s->pos < len && buf[s->pos] != '{' && buf[s->pos] != '\n')
        s->pos++;
    *ret_start = from;
    *ret_end = s->pos;
    memset(s, 0, sizeof(*s));
    return SCAN_GARBAGE;
}

/* One byte inside an object. Return: whether the object ends with it. */
static bool scan_byte(Scanner *s, char c)
{
    if (s->in_string) {
        if (s->escaped)
            s->escaped = false;
        else if (c == '\\')
            s->escaped = true;
        else if (c == '"')
            s->in_string = false;
        return false;
    }
    switch (c) {
    case '"':
        s->in_string = true;
        break;
    case '{':
    case '[':
        if (++s->depth > SCAN_MAX_DEPTH)
            s->deep = true;
        break;
    case '}':
    case ']':
        return --s->depth == 0;
    }
    return false;
}

ScanResult scan(Scanner *s, const char *buf, size_t len, size_t *ret_start,
                size_t *ret_end)
{
    if (!s->in_object) {
        ScanResult r = scan_outside(s, buf, len, ret_start, ret_end);

        if (!s->in_object)
            return r;
    }
    while (s->pos < len) {
        bool deep;

        if (s->pos - s->start >= SCAN_MAX_BYTES)
            return SCAN_LONG;
        if (!scan_byte(s, buf[s->pos++]))
            continue;
        *ret_start = s->start;
        *ret_end = s->pos;
        deep = s->deep;
        memset(s, 0, sizeof(*s));
        return deep ? SCAN_DEEP : SCAN_OBJECT;
    }
    return SCAN_MORE;
}

/* --- members of the top-level object -------------------------------------- */

typedef struct Cursor {
    const char *p;
    const char *end;
} Cursor;

static void skip_blanks(Cursor *c)
{
    while (c->p < c->end && is_blank(*c->p))
        c->p++;
}

static bool take_char(Cursor *c, char want)
{
    skip_blanks(c);
    if (c->p == c->end || *c->p != want)
        return false;
    c->p++;
    return true;
}

/* A string with its quotes. */
static bool take_string(Cursor *c, Slice *ret)
{
    skip_blanks(c);
    ret->at = c->p;
    if (c->p == c->end || *c->p != '"')
        return false;
    for (c->p++; c->p < c->end; c->p++) {
        if (*c->p == '"') {
            c->p++;
            ret->len = (size_t)(c->p - ret->at);
            return true;
        }
        if (*c->p == '\\' && ++c->p == c->end)
            return false;
    }
    return false;
}

/* Any value, up to the ',' or '}' after it; what is inside is not judged. */
static bool take_value(Cursor *c, Slice *ret)
{
    unsigned depth = 0;
    const char *last;

    skip_blanks(c);
    ret->at = c->p;
    while (c->p < c->end) {
        Slice string;

        if (!depth && (*c->p == ',' || *c->p == '}' || *c->p == ']'))
            break;
        if (*c->p == '"') {
            if (!take_string(c, &string))
                return false;
            continue;
        }
        if (*c->p == '{' || *c->p == '[')
            depth++;
        if (*c->p == '}' || *c->p == ']')
            depth--;
        c->p++;
    }
    for (last = c->p; last > ret->at && is_blank(last[-1]); last--)
        ;
    ret->len = (size_t)(last - ret->at);
    return ret->len > 0;
}

static bool slice_is(const Slice *slice, const char *text)
{
    size_t len = strlen(text);

    return slice->len == len + 2 && memcmp(slice->at + 1, text, len) == 0;
}

static Slice *request_member(Request *req, const Slice *key)
{
    if (slice_is(key, "execute"))
        return &req->execute;
    if (slice_is(key, "arguments"))
        return &req->arguments;
    if (slice_is(key, "id"))
        return &req->id;
    return NULL;
}

/* Goes on after a mistake, so that the id is found wherever it stands. */
static int cut_member(Cursor *c, Request *req, Err *e)
{
    Slice key;
    Slice value;
    Slice *member;

    if (!take_string(c, &key) || !take_char(c, ':') || !take_value(c, &value))
        return err_set(e, EBADMSG,
                       "JSON parse error: a \"name\": value pair "
                       "is expected in the request object");
    member = request_member(req, &key);
    if (!member && !e->code)
        err_set(e, EINVAL,
                "unknown field `%.*s`, expected one of `execute`, `arguments`, "
                "`id`",
                (int)(key.len - 2 > 64 ? 64 : key.len - 2), key.at + 1);
    if (member && member->at && !e->code)
        err_set(e, EINVAL, "duplicate field `%.*s`", (int)key.len - 2,
                key.at + 1);
    if (member && !member->at)
        *member = value;
    return 0;
}

int request_cut(const char *buf, size_t len, Request *ret_req, Err *e)
{
    Cursor c = { buf, buf + len };

    memset(ret_req, 0, sizeof(*ret_req));
    e->code = 0;
    if (!take_char(&c, '{'))
        return err_set(e, EBADMSG, "JSON parse error: an object is expected");
    if (!take_char(&c, '}')) {
        do {
            int r = cut_member(&c, ret_req, e);

            if (r < 0)
                return r;
        } while (take_char(&c, ','));
        if (!take_char(&c, '}'))
            return err_set(e, EBADMSG,
                           "JSON parse error: ',' or '}' is "
                           "expected in the request object");
    }
    if (e->code)
        return -e->code;
    if (!ret_req->execute.at)
        return err_set(e, EINVAL, "missing field `execute`");
    return 0;
}

char *slice_compact(const Slice *slice)
{
    char *text = malloc(slice->len + 1);
    bool in_string = false;
    size_t used = 0;

    if (!text)
        return NULL;
    for (size_t i = 0; i < slice->len; i++) {
        char c = slice->at[i];

        if (!in_string && is_blank(c))
            continue;
        text[used++] = c;
        if (c == '"')
            in_string = !in_string;
        if (in_string && c == '\\' && i + 1 < slice->len)
            text[used++] = slice->at[++i];
    }
    text[used] = 0;
    return text;
}
