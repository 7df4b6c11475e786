/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmmcmd/args.h - collecting a command line, option by option. */
#pragma once

#include <glib.h>

#include "vmmcmd/vmmcmd.h"

/*
 * The VMM cuts an option's value at each ',' and each piece at '=', and has
 * no escape for either; no value may start with '-'.  So every piece is
 * checked when it is added.  The first failure sticks: later calls do
 * nothing and args_end() reports it.
 */
typedef struct VmmArgs {
    GPtrArray *argv;     /* owned until args_end() */
    GString *value;      /* the option being put together; owned */
    const VmmCaps *caps; /* borrowed */
    guint next_set;      /* number of the next fd set */
    GError *error;       /* owned */
} VmmArgs;

void args_init(VmmArgs *args, const char *binary, const VmmCaps *caps);
/* Return: owned, NULL-ended; NULL with @error set */
GPtrArray *args_end(VmmArgs *args, GError **error);

/* -option alone, or with a value that the VMM does not cut. */
void args_flag(VmmArgs *args, const char *option);
void args_whole(VmmArgs *args, const char *option, const char *value);

/* -option FIRST[,KEY=VALUE...]; @first may be NULL. */
void args_begin(VmmArgs *args, const char *option, const char *first);
void args_key(VmmArgs *args, const char *key, const char *value);
void args_key_u64(VmmArgs *args, const char *key, guint64 value);
void args_bare(VmmArgs *args, const char *key);
void args_finish(VmmArgs *args);

/**
 * args_file() - Make a file known to the VMM and say how to name it
 * @file: what the driver opened, or its path
 * @tag:  what it is, shown by query-fdsets
 *
 * Emits -add-fd where there is a descriptor; to be called before
 * args_begin().
 *
 * Return: owned path for the option's value
 */
char *args_file(VmmArgs *args, const VmmFile *file, const char *tag);

void args_fail(VmmArgs *args, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
gboolean vmm_file_given(const VmmFile *file);
