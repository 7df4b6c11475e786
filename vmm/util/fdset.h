/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* util/fdset.h - passed descriptors: by set in place of a path, or by name. */
#pragma once

#include "util/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * How this works
 *
 * `-add-fd` and QMP's add-fd put descriptors into numbered sets.  Wherever an
 * option takes a path, "/dev/fdset/M" stands for the descriptor of set M whose
 * access mode (read-only, write-only, read-write) is the one asked for; the
 * opener gets a duplicate of its own.  QMP's getfd keeps descriptors by name
 * until a later command takes them.  One table of each per process, any thread.
 */

/**
 * path_open() - open(2) that knows /dev/fdset/M
 * @flags: O_CLOEXEC is added.  A set's descriptor also gets what F_SETFL can
 *         change (O_APPEND, O_DIRECT, O_NONBLOCK); O_TRUNC empties it
 * @e:     "cannot open '...': ..." ; the caller prefixes what it is for
 *
 * Return: the descriptor, caller's to close, or -errno
 */
int path_open(const char *path, int flags, mode_t mode, Err *e);

/* Whether a path names a set; nothing is opened. */
bool path_is_fdset(const char *path);

/**
 * fdset_add() - Put a descriptor into a set
 * @set:     number, or -1 for the smallest free one
 * @fd:      taken on success
 * @opaque:  text for query-fdsets, copied; NULL none
 * @ret_set: the set's number; may be NULL
 */
int fdset_add(int64_t set, int fd, const char *opaque, int64_t *ret_set,
              Err *e);

/* Closes one descriptor of a set, or all with @fd -1. -ENOENT: not there. */
int fdset_remove(int64_t set, int fd, Err *e);

/* Calls @fn for every descriptor, by ascending set number. */
typedef void FdsetFn(void *arg, int64_t set, int fd, const char *opaque);
void fdset_each(FdsetFn *fn, void *arg);

/* Keeps @fd (taken) as @name; an older one of that name is closed. */
int fdname_put(const char *name, int fd, Err *e);
/* Hands the descriptor over and forgets the name. -1: no such name. */
int fdname_take(const char *name);
