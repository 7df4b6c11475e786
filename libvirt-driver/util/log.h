/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Logging with libvirt's levels, filters and outputs.
 *
 * Before log_setup() everything from warning up goes to stderr.  The source
 * name that filters match is made of the file's folder and name, as
 * "rpc.server" for rpc/server.c.  Safe from every thread.
 */
#pragma once

#include <glib.h>

typedef enum LogLevel {
    LOG_LEVEL_DEBUG = 1,
    LOG_LEVEL_INFO,
    LOG_LEVEL_WARNING,
    LOG_LEVEL_ERROR,
    LOG_LEVEL_MAX
} LogLevel;

#define log_debug(...)                                                         \
    log_write(LOG_LEVEL_DEBUG, __FILE__, __func__, __LINE__, __VA_ARGS__)
#define log_info(...)                                                          \
    log_write(LOG_LEVEL_INFO, __FILE__, __func__, __LINE__, __VA_ARGS__)
#define log_warning(...)                                                       \
    log_write(LOG_LEVEL_WARNING, __FILE__, __func__, __LINE__, __VA_ARGS__)
#define log_error(...)                                                         \
    log_write(LOG_LEVEL_ERROR, __FILE__, __func__, __LINE__, __VA_ARGS__)

/**
 * log_setup() - Replace level, filters and outputs
 * @level:   LogLevel for sources that no filter names
 * @filters: space-separated LEVEL:PATTERN, NULL or "": none
 * @outputs: space-separated LEVEL:stderr, LEVEL:file:PATH or
 *           LEVEL:syslog:IDENT; NULL or "": warnings and up to stderr
 * @error:   names the malformed item; the old set-up stays then
 */
gboolean log_setup(int level, const char *filters, const char *outputs,
                   GError **error);

/* Replace one part, keep the rest. */
gboolean log_set_filters(const char *filters, GError **error);
gboolean log_set_outputs(const char *outputs, GError **error);
/* What is set now, in the syntax of log_setup(), and how many items that is. */
char *log_get_filters(guint *ret_count);
char *log_get_outputs(guint *ret_count);

/* Open file outputs again, after logrotate moved them. */
void log_reopen(void);

/* Would a message of this level from this file be written? */
gboolean log_enabled(LogLevel level, const char *file);

void log_write(LogLevel level, const char *file, const char *function, int line,
               const char *fmt, ...) G_GNUC_PRINTF(5, 6);

/* Log an error (its whole text) and leave it to the caller; "not found" and
 * its like go out at debug level. */
#define log_gerror(err) log_write_error((err), __FILE__, __func__, __LINE__)
void log_write_error(const GError *err, const char *file, const char *function,
                     int line);
