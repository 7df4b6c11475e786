/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lending files to a guest's user, for VMMs that open paths themselves. */
#include <config.h>

#include "security/ownership.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/error.h"
#include "util/file.h"
#include "util/log.h"

static void lent_clear(gpointer data)
{
    g_free(((LentFile *)data)->path);
}

GArray *lent_files_new(void)
{
    GArray *files = g_array_new(FALSE, TRUE, sizeof(LentFile));

    g_array_set_clear_func(files, lent_clear);
    return files;
}

void lent_files_add(GArray *files, const char *path, uid_t uid, gid_t gid)
{
    LentFile file = { g_strdup(path), uid, gid };

    g_array_append_val(files, file);
}

gboolean lent_files_note(GArray *files, int fd, const char *path,
                         GError **error)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return vir_error_set_errno(error, errno, "cannot inspect '%s'", path);
    lent_files_add(files, path, st.st_uid, st.st_gid);
    return TRUE;
}

gboolean lent_file_give(int fd, const char *path, uid_t uid, gid_t gid,
                        GError **error)
{
    if (fchown(fd, uid, gid) < 0)
        return vir_error_set_errno(
            error, errno, "cannot give '%s' to the guest's user", path);
    return TRUE;
}

static void give_back(const LentFile *file, uid_t uid)
{
    AUTO_FD fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;

    /* Only what is still the guest's: the path may name another file now. */
    if (fd < 0 || fstat(fd, &st) < 0 || st.st_uid != uid)
        return;
    if (fchown(fd, file->uid, file->gid) < 0)
        log_warning("cannot give '%s' back to user %u: %s", file->path,
                    (unsigned)file->uid, g_strerror(errno));
}

void lent_files_return(GArray *files, uid_t uid)
{
    for (guint i = 0; i < files->len; i++)
        give_back(&g_array_index(files, LentFile, i), uid);
    g_array_set_size(files, 0);
}

gboolean file_readable_by(int fd, uid_t uid, gid_t gid)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return FALSE;
    if (st.st_uid == uid)
        return (st.st_mode & S_IRUSR) != 0;
    if (st.st_gid == gid)
        return (st.st_mode & S_IRGRP) != 0;
    return (st.st_mode & S_IROTH) != 0;
}
