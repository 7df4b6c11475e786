/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Small files of /proc and /sys; for the files of host/ alone. */
#pragma once

#include <glib.h>

/* Content without trailing white space; NULL when it cannot be read. */
char *host_read(const char *fmt, ...) G_GNUC_PRINTF(1, 2);
/* A number; @absent when it cannot be read. */
gint64 host_read_int(gint64 absent, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
/* "0-3,8" -> array of guint; empty when it cannot be read. */
GArray *host_read_list(const char *fmt, ...) G_GNUC_PRINTF(1, 2);
GArray *host_parse_list(const char *text);
/* "Key: 12 kB" in a text like meminfo; 0 when absent. */
guint64 host_find_kib(const char *text, const char *key);
