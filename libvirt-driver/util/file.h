/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Small file helpers: whole-file read, atomic write, directories, fds. */
#pragma once

#include <glib.h>
#include <sys/types.h>
#include <unistd.h>

/* An int that is closed at the end of its scope: AUTO_FD fd = open(…);
 * hand it over with fd_steal(). */
#define AUTO_FD __attribute__((cleanup(fd_clear))) int

static inline void fd_clear(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static inline int fd_steal(int *fd)
{
    int ret = *fd;

    *fd = -1;
    return ret;
}

/**
 * file_read() - Read a whole regular file
 * @path:      file
 * @max_bytes: more than this is an error
 * @ret_data:  new buffer, NUL-terminated behind its end
 * @ret_len:   bytes without that NUL; may be NULL
 */
gboolean file_read(const char *path, gsize max_bytes, char **ret_data,
                   gsize *ret_len, GError **error);

/**
 * file_write_atomic() - Replace a file so that a crash leaves old or new
 * @path: file; a temporary beside it is synced and renamed over it
 * @data: content
 * @len:  its bytes; -1: up to the NUL
 * @mode: permissions of the new file
 */
gboolean file_write_atomic(const char *path, const char *data, gssize len,
                           mode_t mode, GError **error);

/**
 * file_sweep_temps() - Remove what file_write_atomic() left when it was killed
 * @dir: directory that nobody writes to now; may be missing
 */
void file_sweep_temps(const char *dir);

/* Make a directory and its missing parents; an existing one is fine. */
gboolean file_mkdir_p(const char *path, mode_t mode, GError **error);

/* Remove a file; one that is not there is fine. */
gboolean file_unlink(const char *path, GError **error);

/* Write all of a buffer, over short writes and EINTR.  Return: 0 or -errno */
int fd_write_all(int fd, const void *data, gsize len);
