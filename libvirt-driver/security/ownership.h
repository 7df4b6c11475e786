/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lending files to a guest's user, for VMMs that open paths themselves.
 *
 * A VMM that takes descriptors never needs this.  What is lent is written
 * down in the status file, so that a restarted daemon gives it back.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

typedef struct LentFile {
    char *path; /* owned */
    uid_t uid;  /* to whom it goes back */
    gid_t gid;
} LentFile;

/* Array of LentFile that frees itself. */
GArray *lent_files_new(void);
void lent_files_add(GArray *files, const char *path, uid_t uid, gid_t gid);

/* Writes down whose the open file is now; before it is lent. */
gboolean lent_files_note(GArray *files, int fd, const char *path,
                         GError **error);
/* Makes it the guest's. */
gboolean lent_file_give(int fd, const char *path, uid_t uid, gid_t gid,
                        GError **error);

/* Gives all back that still belongs to @uid, and empties the array. */
void lent_files_return(GArray *files, uid_t uid);

/* May a user without groups read this file? */
gboolean file_readable_by(int fd, uid_t uid, gid_t gid);
