/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * util/log.c - StratoVirt's log line, one write() a line.
 *
 * Lines look like "2026-01-31T12:00:00.123456789: [pid][tid][file:line]:INFO:
 * text"; Kata matches on ":INFO: ".  A file is rotated as upstream does: path
 * moves to path1, path1 to path2 ... up to path6.  The lock is held only while
 * the destination may change.
 */
#include <config.h>

#include "util/log.h"

#include "util/cleanup.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LOG_FILE_MAX_BYTES (100LL << 20)
#define LOG_FILES_KEPT     6

static const char *const level_names[] = {
    [LOG_LEVEL_ERROR] = "ERROR", [LOG_LEVEL_WARN] = "WARN",
    [LOG_LEVEL_INFO] = "INFO",   [LOG_LEVEL_DEBUG] = "DEBUG",
    [LOG_LEVEL_TRACE] = "TRACE",
};
_Static_assert(ARRAY_SIZE(level_names) == LOG_LEVEL_MAX, "a name per level");

/* One process, one log. */
static struct {
    pthread_mutex_t lock;
    int fd;
    LogLevel level;
    int pid;    /* after -daemonize forked */
    char *path; /* rotated file; NULL otherwise */
    long long written;
    int day;
} log_state = { .lock = PTHREAD_MUTEX_INITIALIZER,
                .fd = STDERR_FILENO,
                .level = LOG_LEVEL_INFO };

/* Read once, so that a line costs one system call. */
static _Thread_local int log_tid;

void log_thread_init(int tid)
{
    log_tid = tid;
}

static LogLevel level_from_name(const char *name)
{
    if (name)
        for (int i = 0; i < LOG_LEVEL_MAX; i++)
            if (!strcasecmp(name, level_names[i]))
                return i;
    return LOG_LEVEL_INFO;
}

void log_init(int fd, const char *name)
{
    log_state.fd = fd;
    log_state.level = level_from_name(name);
    log_state.pid = getpid();
    log_thread_init(log_state.pid); /* main, and alone */
    tzset(); /* reads the zone file now, not in a closed sandbox */
}

void log_init_file(int fd, const char *path, const char *name)
{
    struct stat st;
    struct tm tm;
    time_t now = time(NULL);

    log_init(fd, name);
    localtime_r(&now, &tm);
    log_state.day = tm.tm_mday;
    log_state.path = strdup(path);
    log_state.written = fstat(fd, &st) == 0 ? st.st_size : 0;
}

int log_fd(void)
{
    return log_state.fd;
}

int log_enabled(LogLevel level)
{
    return level <= log_state.level;
}

static const char *base_name(const char *file)
{
    const char *slash = strrchr(file, '/');

    return slash ? slash + 1 : file;
}

/* Under the lock. A failure keeps writing to the file there is. */
static void rotate(const struct tm *tm)
{
    char from[PATH_MAX], to[PATH_MAX];
    const size_t room = PATH_MAX;
    int fd;

    log_state.day = tm->tm_mday;
    log_state.written = 0;
    for (int i = LOG_FILES_KEPT; i > 0; i--) {
        snprintf(to, room, "%s%d", log_state.path, i);
        if (i > 1)
            snprintf(from, room, "%s%d", log_state.path, i - 1);
        else
            snprintf(from, room, "%s", log_state.path);
        rename(from, to);
    }
    fd = open(log_state.path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0)
        return;
    dup3(fd, log_state.fd, O_CLOEXEC); /* readers of log_fd() see no gap */
    close(fd);
}

void log_line(LogLevel level, const char *file, int line, const char *fmt, ...)
{
    char buf[1024];
    struct timespec ts;
    struct tm tm;
    va_list ap;
    int n, m;

    clock_gettime(CLOCK_REALTIME, &ts);
    localtime_r(&ts.tv_sec, &tm);
    n = snprintf(buf, sizeof(buf),
                 "%04d-%02d-%02dT%02d:%02d:%02d.%09ld: [%d][%d][%s:%d]:%s: ",
                 tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
                 tm.tm_min, tm.tm_sec, ts.tv_nsec, log_state.pid, log_tid,
                 base_name(file), line, level_names[level]);
    va_start(ap, fmt);
    m = vsnprintf(buf + n, sizeof(buf) - n, fmt, ap);
    va_end(ap);
    n = MIN(n + MAX(m, 0), (int)sizeof(buf) - 1);
    for (int i = 0; i < n; i++) /* a guest's text makes no lines of its own */
        if ((unsigned char)buf[i] < ' ')
            buf[i] = ' ';
    buf[n++] = '\n';

    pthread_mutex_lock(&log_state.lock);
    if (log_state.path && (log_state.written + n > LOG_FILE_MAX_BYTES ||
                           log_state.day != tm.tm_mday))
        rotate(&tm);
    log_state.written += n;
    if (write(log_state.fd, buf, n) < 0) {
        /* nowhere left to say it */
    }
    pthread_mutex_unlock(&log_state.lock);
}

int log_rate_ok(LogRate *rate)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    struct timespec ts;
    int64_t now;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    now = ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
    MUTEX_SCOPE(&lock);
    if (!rate->since_ms || now - rate->since_ms > LOG_RATE_MS) {
        rate->since_ms = now;
        rate->count = 0;
    }
    return ++rate->count <= LOG_RATE_BURST;
}
