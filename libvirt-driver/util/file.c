/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Small file helpers: whole-file read, atomic write, directories, fds. */
#include <config.h>

#include "util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "util/error.h"
#include "util/log.h"

int fd_write_all(int fd, const void *data, gsize len)
{
    const char *p = data;

    while (len > 0) {
        ssize_t n = write(fd, p, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        p += n;
        len -= n;
    }
    return 0;
}

gboolean file_read(const char *path, gsize max_bytes, char **ret_data,
                   gsize *ret_len, GError **error)
{
    AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    g_autoptr(GByteArray) data = g_byte_array_new();
    guint8 buf[16384];
    ssize_t n;

    if (fd < 0)
        return vir_error_set_errno(error, errno, "cannot open '%s'", path);
    while ((n = read(fd, buf, sizeof(buf))) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return vir_error_set_errno(error, errno, "cannot read '%s'", path);
        if (data->len + (gsize)n > max_bytes)
            return vir_error_set(error, VIR_ERR_OPERATION_FAILED,
                                 "'%s' is larger than %" G_GSIZE_FORMAT
                                 " bytes",
                                 path, max_bytes);
        g_byte_array_append(data, buf, n);
    }
    if (ret_len)
        *ret_len = data->len;
    g_byte_array_append(data, (const guint8 *)"", 1);
    *ret_data = (char *)g_byte_array_free(g_steal_pointer(&data), FALSE);
    return TRUE;
}

/* The rename is durable only when the directory is synced as well. */
static int dir_sync(const char *path)
{
    g_autofree char *dir = g_path_get_dirname(path);
    AUTO_FD fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || fsync(fd) < 0)
        return -errno;
    return 0;
}

static int temp_fill(int fd, const char *data, gsize len, mode_t mode)
{
    int r = fd_write_all(fd, data, len);

    if (r < 0)
        return r;
    if (fchmod(fd, mode) < 0 || fsync(fd) < 0)
        return -errno;
    return 0;
}

#define TEMP_SUFFIX ".new-XXXXXX"

gboolean file_write_atomic(const char *path, const char *data, gssize len,
                           mode_t mode, GError **error)
{
    g_autofree char *temp = g_strconcat(path, TEMP_SUFFIX, NULL);
    AUTO_FD fd = g_mkstemp_full(temp, O_WRONLY | O_CLOEXEC, 0600);
    int r;

    if (fd < 0)
        return vir_error_set_errno(error, errno, "cannot create '%s'", temp);
    r = temp_fill(fd, data, len < 0 ? strlen(data) : (gsize)len, mode);
    if (r == 0 && rename(temp, path) < 0)
        r = -errno;
    if (r < 0) {
        unlink(temp);
        return vir_error_set_errno(error, -r, "cannot write '%s'", path);
    }
    r = dir_sync(path);
    if (r < 0)
        return vir_error_set_errno(error, -r, "cannot sync directory of '%s'",
                                   path);
    return TRUE;
}

static gboolean is_temp(const char *name)
{
    static const char mark[] = ".new-";
    gsize len = strlen(name);
    gsize suffix = strlen(TEMP_SUFFIX);

    return len > suffix && g_str_has_prefix(name + len - suffix, mark);
}

void file_sweep_temps(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *file = g_build_filename(path, name, NULL);

        if (is_temp(name) && unlink(file) < 0)
            log_warning("cannot remove '%s': %s", file, g_strerror(errno));
    }
}

gboolean file_mkdir_p(const char *path, mode_t mode, GError **error)
{
    if (g_mkdir_with_parents(path, mode) < 0)
        return vir_error_set_errno(error, errno, "cannot make directory '%s'",
                                   path);
    return TRUE;
}

gboolean file_unlink(const char *path, GError **error)
{
    if (unlink(path) < 0 && errno != ENOENT)
        return vir_error_set_errno(error, errno, "cannot remove '%s'", path);
    return TRUE;
}
