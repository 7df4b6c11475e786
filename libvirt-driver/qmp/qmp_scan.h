/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finds where a JSON object ends in a byte stream, within limits.
 *
 * Looks only at strings, brackets and depth; whether the text in between is
 * JSON is the parser's business.  So a peer that never ends its document is
 * caught before anything is parsed.
 */
#pragma once

#include <glib.h>

enum {
    QMP_SCAN_MAX_BYTES = 8 * 1024 * 1024,
    QMP_SCAN_MAX_DEPTH = 64,
};

typedef struct QmpScan {
    gsize pos;   /* bytes seen of the current document */
    guint depth; /* open brackets; 0: before the document */
    gboolean in_string;
    gboolean escaped;
} QmpScan;

void qmp_scan_init(QmpScan *scan);

/**
 * qmp_scan_next() - Look for the end of the document that starts at @data
 * @scan: where the last call left off; reset when a document ends
 * @data: the same bytes as before and perhaps more behind them
 * @len:  their number
 *
 * Return: length of the document (white space before it included), 0 when
 *         bytes are missing, -1 when this is no object or over the limits
 */
gssize qmp_scan_next(QmpScan *scan, const char *data, gsize len);
