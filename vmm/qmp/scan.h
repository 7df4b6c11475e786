/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qmp/scan.h - finds where a request ends, and cuts it into its members. */
#pragma once

#include "util/err.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * How this works
 *
 * Bytes from a client pass through a scanner that knows strings, escapes and
 * brackets and nothing else.  It looks at each byte once, whatever pieces the
 * bytes come in, and says where a top-level object ends; no newline is needed.
 * Only a whole object within the limits is given to the JSON parser.
 */
#define SCAN_MAX_DEPTH 64
#define SCAN_MAX_BYTES (256u << 10) /* of one request */

typedef enum ScanResult {
    SCAN_MORE,    /* no whole request yet */
    SCAN_OBJECT,  /* a request: [start, end) */
    SCAN_DEEP,    /* a request nested too deeply: skip [start, end) */
    SCAN_GARBAGE, /* [start, end) is no object: skip it */
    SCAN_LONG,    /* the request is longer than SCAN_MAX_BYTES */
} ScanResult;

typedef struct Scanner {
    size_t pos;   /* next byte to look at */
    size_t start; /* of the object */
    unsigned depth;
    bool in_object;
    bool in_string;
    bool escaped;
    bool deep;
} Scanner;

/**
 * scan() - Look at what came since the last call
 * @buf: all bytes not consumed yet; the first ones are those of the last call
 *
 * After anything but SCAN_MORE the caller takes [0, *@ret_end) off the buffer;
 * the scanner is ready for what follows.
 */
ScanResult scan(Scanner *s, const char *buf, size_t len, size_t *ret_start,
                size_t *ret_end);

typedef struct Slice {
    const char *at; /* NULL: member absent */
    size_t len;
} Slice;

typedef struct Request {
    Slice execute;   /* the JSON value, quotes included */
    Slice arguments; /* the JSON value */
    Slice id;        /* the JSON value, of any type */
} Request;

/**
 * request_cut() - The members of a top-level object, without parsing them
 *
 * @ret_req->id is set whenever it could be found, also on errors, so that the
 * error can be told with it.
 */
int request_cut(const char *buf, size_t len, Request *ret_req, Err *e);

/**
 * slice_compact() - The text of a JSON value without blanks between tokens
 *
 * Numbers, escapes and key order stay as the client wrote them.
 * Return: malloc'd string, or NULL without memory
 */
char *slice_compact(const Slice *slice);
