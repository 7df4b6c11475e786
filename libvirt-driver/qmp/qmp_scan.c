/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finds where a JSON object ends in a byte stream, within limits. */
#include <config.h>

#include "qmp/qmp_scan.h"

#include <string.h>

void qmp_scan_init(QmpScan *scan)
{
    memset(scan, 0, sizeof(*scan));
}

static void scan_string_byte(QmpScan *scan, char c)
{
    if (scan->escaped)
        scan->escaped = FALSE;
    else if (c == '\\')
        scan->escaped = TRUE;
    else if (c == '"')
        scan->in_string = FALSE;
}

/* Return: 1 at the end of the document, 0 inside or before it, -1 bad */
static int scan_byte(QmpScan *scan, char c)
{
    if (scan->in_string) {
        scan_string_byte(scan, c);
        return 0;
    }
    if (scan->depth == 0 && c != '{')
        return strchr(" \t\r\n", c) && c ? 0 : -1;
    if (c == '"')
        scan->in_string = TRUE;
    else if (c == '{' || c == '[')
        return ++scan->depth > QMP_SCAN_MAX_DEPTH ? -1 : 0;
    else if (c == '}' || c == ']')
        return --scan->depth == 0;
    return 0;
}

gssize qmp_scan_next(QmpScan *scan, const char *data, gsize len)
{
    while (scan->pos < len) {
        int r = scan_byte(scan, data[scan->pos++]);

        if (r < 0 || scan->pos > QMP_SCAN_MAX_BYTES)
            return -1;
        if (r > 0) {
            gssize end = scan->pos;

            qmp_scan_init(scan);
            return end;
        }
    }
    return 0;
}
