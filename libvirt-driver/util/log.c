/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Logging with libvirt's levels, filters and outputs. */
#include <config.h>

#include "util/log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <syslog.h>
#include <unistd.h>

#include "util/error.h"

typedef enum OutputKind {
    OUTPUT_STDERR,
    OUTPUT_FILE,
    OUTPUT_SYSLOG
} OutputKind;

typedef struct LogOutput {
    OutputKind kind;
    int level;
    int fd;    /* owned for OUTPUT_FILE, else -1 */
    char *arg; /* owned: path or syslog ident */
} LogOutput;

typedef struct LogFilter {
    int level;
    GPatternSpec *pattern; /* owned */
} LogFilter;

typedef struct LogConfig {
    int level;
    GPtrArray *filters; /* of LogFilter */
    GPtrArray *outputs; /* of LogOutput */
    char *filters_text; /* owned: as it was given */
    char *outputs_text; /* owned */
} LogConfig;

static GRWLock log_lock;
static LogConfig *log_config; /* NULL: warnings to stderr */

static void log_output_free(gpointer data)
{
    LogOutput *out = data;

    if (out->fd >= 0)
        close(out->fd);
    g_free(out->arg);
    g_free(out);
}

static void log_filter_free(gpointer data)
{
    LogFilter *filter = data;

    g_pattern_spec_free(filter->pattern);
    g_free(filter);
}

static void log_config_free(LogConfig *config)
{
    if (!config)
        return;
    g_ptr_array_unref(config->filters);
    g_ptr_array_unref(config->outputs);
    g_free(config->filters_text);
    g_free(config->outputs_text);
    g_free(config);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(LogConfig, log_config_free)

/* "3:rest" -> 3, with *ret_rest after the colon; 0: malformed */
static int level_parse(const char *item, const char **ret_rest)
{
    if (item[0] < '1' || item[0] > '4' || item[1] != ':' || !item[2])
        return 0;
    *ret_rest = item + 2;
    return item[0] - '0';
}

static gboolean filter_add(LogConfig *config, const char *item, GError **error)
{
    g_autofree char *glob = NULL;
    const char *match = NULL;
    LogFilter *filter;
    int level = level_parse(item, &match);

    if (level && *match == '+')
        match++;
    if (!level || !*match)
        return vir_error_set(error, VIR_ERR_INVALID_ARG,
                             "log filter '%s' is not LEVEL:NAME with a level "
                             "from 1 to 4",
                             item);
    if (strpbrk(match, "*?"))
        glob = g_strdup(match);
    else
        glob = g_strdup_printf("*%s*", match);
    filter = g_new0(LogFilter, 1);
    filter->level = level;
    filter->pattern = g_pattern_spec_new(glob);
    g_ptr_array_add(config->filters, filter);
    return TRUE;
}

static int log_file_open(const char *path)
{
    return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY,
                0600);
}

static gboolean output_add(LogConfig *config, const char *item, GError **error)
{
    const char *rest = NULL;
    LogOutput *out = g_new0(LogOutput, 1);

    out->fd = -1;
    out->level = level_parse(item, &rest);
    g_ptr_array_add(config->outputs, out);
    if (out->level && g_str_equal(rest, "stderr")) {
        out->kind = OUTPUT_STDERR;
    } else if (out->level && g_str_has_prefix(rest, "syslog:") && rest[7]) {
        out->kind = OUTPUT_SYSLOG;
        out->arg = g_strdup(rest + 7);
    } else if (out->level && g_str_has_prefix(rest, "file:/")) {
        out->kind = OUTPUT_FILE;
        out->arg = g_strdup(rest + 5);
        out->fd = log_file_open(out->arg);
        if (out->fd < 0)
            return vir_error_set_errno(error, errno,
                                       "cannot open log file '%s'", out->arg);
    } else {
        return vir_error_set(error, VIR_ERR_INVALID_ARG,
                             "log output '%s' is not LEVEL:stderr, "
                             "LEVEL:file:/PATH or LEVEL:syslog:NAME with a "
                             "level from 1 to 4",
                             item);
    }
    return TRUE;
}

static gboolean items_add(LogConfig *config, const char *items,
                          gboolean (*add)(LogConfig *, const char *, GError **),
                          GError **error)
{
    g_auto(GStrv) list = g_strsplit_set(items ? items : "", " \t\n", -1);

    for (char **item = list; *item; item++) {
        if (**item && !add(config, *item, error))
            return FALSE;
    }
    return TRUE;
}

gboolean log_setup(int level, const char *filters, const char *outputs,
                   GError **error)
{
    g_autoptr(LogConfig) config = g_new0(LogConfig, 1);
    LogConfig *old;

    config->filters = g_ptr_array_new_with_free_func(log_filter_free);
    config->outputs = g_ptr_array_new_with_free_func(log_output_free);
    config->level = level;
    if (level < LOG_LEVEL_DEBUG || level > LOG_LEVEL_ERROR)
        return vir_error_set(error, VIR_ERR_INVALID_ARG,
                             "log level %d is not 1 (debug) to 4 (error)",
                             level);
    if (!outputs || !*outputs)
        outputs = "1:stderr";
    if (!items_add(config, filters, filter_add, error) ||
        !items_add(config, outputs, output_add, error))
        return FALSE;
    config->filters_text = g_strdup(filters ? filters : "");
    config->outputs_text = g_strdup(outputs);
    g_rw_lock_writer_lock(&log_lock);
    old = log_config;
    log_config = g_steal_pointer(&config);
    g_rw_lock_writer_unlock(&log_lock);
    log_config_free(old);
    return TRUE;
}

static char *log_text(gboolean outputs, guint *ret_count, int *ret_level)
{
    char *text;

    g_rw_lock_reader_lock(&log_lock);
    if (log_config) {
        text = g_strdup(outputs ? log_config->outputs_text
                                : log_config->filters_text);
        *ret_count =
            outputs ? log_config->outputs->len : log_config->filters->len;
        *ret_level = log_config->level;
    } else {
        text = g_strdup(outputs ? "3:stderr" : "");
        *ret_count = outputs;
        *ret_level = LOG_LEVEL_WARNING;
    }
    g_rw_lock_reader_unlock(&log_lock);
    return text;
}

char *log_get_filters(guint *ret_count)
{
    int level;

    return log_text(FALSE, ret_count, &level);
}

char *log_get_outputs(guint *ret_count)
{
    int level;

    return log_text(TRUE, ret_count, &level);
}

gboolean log_set_filters(const char *filters, GError **error)
{
    guint count;
    int level;
    g_autofree char *outputs = log_text(TRUE, &count, &level);

    return log_setup(level, filters, outputs, error);
}

gboolean log_set_outputs(const char *outputs, GError **error)
{
    guint count;
    int level;
    g_autofree char *filters = log_text(FALSE, &count, &level);

    return log_setup(level, filters, outputs, error);
}

void log_reopen(void)
{
    g_rw_lock_writer_lock(&log_lock);
    for (guint i = 0; log_config && i < log_config->outputs->len; i++) {
        LogOutput *out = g_ptr_array_index(log_config->outputs, i);
        int fd;

        if (out->kind != OUTPUT_FILE)
            continue;
        fd = log_file_open(out->arg);
        if (fd < 0)
            continue; /* go on writing to the old one */
        close(out->fd);
        out->fd = fd;
    }
    g_rw_lock_writer_unlock(&log_lock);
}

/* "…/rpc/server.c" -> "rpc.server" */
static void source_name(const char *file, char *buf, gsize size)
{
    const char *start = strrchr(file, '/');
    char *p;

    while (start && start > file && start[-1] != '/')
        start--;
    g_strlcpy(buf, start ? start : file, size);
    p = strrchr(buf, '.');
    if (p)
        *p = '\0';
    for (p = buf; *p; p++) {
        if (*p == '/')
            *p = '.';
    }
}

static gboolean enabled_locked(int level, const char *source)
{
    if (!log_config)
        return level >= LOG_LEVEL_WARNING;
    for (guint i = 0; i < log_config->filters->len; i++) {
        LogFilter *filter = g_ptr_array_index(log_config->filters, i);

        if (g_pattern_spec_match_string(filter->pattern, source))
            return level >= filter->level;
    }
    return level >= log_config->level;
}

gboolean log_enabled(LogLevel level, const char *file)
{
    char source[64];
    gboolean enabled;

    source_name(file, source, sizeof(source));
    g_rw_lock_reader_lock(&log_lock);
    enabled = enabled_locked(level, source);
    g_rw_lock_reader_unlock(&log_lock);
    return enabled;
}

static void fd_write_line(int fd, const char *line)
{
    gsize len = strlen(line);

    while (len > 0) {
        ssize_t n = write(fd, line, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return; /* nowhere left to say so */
        line += n;
        len -= n;
    }
}

static void output_write(const LogOutput *out, int level, const char *line)
{
    static const int priorities[LOG_LEVEL_MAX] = { 0, LOG_DEBUG, LOG_INFO,
                                                   LOG_WARNING, LOG_ERR };

    if (level < out->level)
        return;
    switch (out->kind) {
    case OUTPUT_STDERR:
        fd_write_line(STDERR_FILENO, line);
        break;
    case OUTPUT_FILE:
        fd_write_line(out->fd, line);
        break;
    case OUTPUT_SYSLOG:
        syslog(LOG_DAEMON | priorities[level], "%s: %s", out->arg, line);
        break;
    }
}

static char *line_format(int level, const char *function, int line,
                         const char *text)
{
    static const char *const names[LOG_LEVEL_MAX] = { "", "debug", "info",
                                                      "warning", "error" };
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    g_autofree char *stamp = g_date_time_format(now, "%Y-%m-%d %H:%M:%S");

    return g_strdup_printf("%s.%03d+0000: %ld: %s : %s:%d : %s\n", stamp,
                           g_date_time_get_microsecond(now) / 1000,
                           (long)syscall(SYS_gettid), names[level], function,
                           line, text);
}

static void text_write(int level, const char *file, const char *function,
                       int line, const char *text)
{
    g_autofree char *out = NULL;
    char source[64];

    source_name(file, source, sizeof(source));
    g_rw_lock_reader_lock(&log_lock);
    if (enabled_locked(level, source)) {
        out = line_format(level, function, line, text);
        for (guint i = 0; log_config && i < log_config->outputs->len; i++)
            output_write(g_ptr_array_index(log_config->outputs, i), level, out);
        if (!log_config)
            fd_write_line(STDERR_FILENO, out);
    }
    g_rw_lock_reader_unlock(&log_lock);
}

void log_write(LogLevel level, const char *file, const char *function, int line,
               const char *fmt, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    if (!log_enabled(level, file))
        return;
    va_start(args, fmt);
    text = g_strdup_vprintf(fmt, args);
    va_end(args);
    text_write(level, file, function, line, text);
}

void log_write_error(const GError *err, const char *file, const char *function,
                     int line)
{
    g_autofree char *text = vir_error_text(err);
    LogLevel level =
        vir_error_is_quiet(err) ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR;

    text_write(level, file, function, line, text);
}
