/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* util/log.h - the VMM's log: StratoVirt's line shape, any thread. */
#pragma once

#include <stdint.h>

typedef enum LogLevel {
    LOG_LEVEL_ERROR,
    LOG_LEVEL_WARN,
    LOG_LEVEL_INFO,
    LOG_LEVEL_DEBUG,
    LOG_LEVEL_TRACE,
    LOG_LEVEL_MAX,
} LogLevel;

/* At most LOG_RATE_BURST lines per site and LOG_RATE_MS. */
#define LOG_RATE_BURST 8
#define LOG_RATE_MS    5000

typedef struct LogRate {
    int64_t since_ms; /* start of the current window */
    unsigned count;   /* lines asked for in it */
} LogRate;

/**
 * log_init() - Choose destination and level
 * @fd:   descriptor lines go to; borrowed, kept open by the caller
 * @name: STRATOVIRT_LOG_LEVEL's value or NULL (info)
 */
void log_init(int fd, const char *name);

/**
 * log_init_file() - As log_init() for a file that is rotated (path1..path6)
 * at 100 MiB or when the day changes.  Takes @fd.
 */
void log_init_file(int fd, const char *path, const char *name);

/* Each thread, before its sandbox closes: remembers what lines will need. */
void log_thread_init(int tid);

/* The descriptor lines go to now; for signal handlers. */
int log_fd(void);

int log_enabled(LogLevel level);

void log_line(LogLevel level, const char *file, int line, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Return: 1 when a line may be written at this site now. Any thread. */
int log_rate_ok(LogRate *rate);

#define log_at(level, ...)                                                     \
    do {                                                                       \
        if (log_enabled(level))                                                \
            log_line(level, __FILE__, __LINE__, __VA_ARGS__);                  \
    } while (0)
#define log_error(...) log_at(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...)  log_at(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...)  log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* For what a guest or peer can cause again and again. */
#define log_warn_rated(...)                                                    \
    do {                                                                       \
        static LogRate rate_;                                                  \
        if (log_enabled(LOG_LEVEL_WARN) && log_rate_ok(&rate_))                \
            log_line(LOG_LEVEL_WARN, __FILE__, __LINE__, __VA_ARGS__);         \
    } while (0)
