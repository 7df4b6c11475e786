/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Configuration files in libvirt's syntax.
 *
 * Lines are `key = value`; a value is an integer, a "string" (or 'string'), or
 * a list of strings in [ ], which may span lines.  # starts a comment.  The
 * getters leave the caller's variable alone when the key is absent, so that it
 * keeps its default, and fail when the value has another type or is out of
 * range: the message names file, line, key and what is accepted.
 */
#pragma once

#include <glib.h>

typedef struct ConfigFile ConfigFile;

/**
 * config_file_parse() - Parse text
 * @text: NUL-terminated content
 * @name: file name for messages
 *
 * Return: new file, NULL with @error
 */
ConfigFile *config_file_parse(const char *text, const char *name,
                              GError **error);

/**
 * config_file_load() - Read and parse a file
 * @path:     file
 * @required: FALSE: a file that is not there counts as empty
 *
 * Return: new file, NULL with @error
 */
ConfigFile *config_file_load(const char *path, gboolean required,
                             GError **error);

void config_file_free(ConfigFile *file);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ConfigFile, config_file_free)

gboolean config_file_has(const ConfigFile *file, const char *key);

/* Replaces *value (g_free()d) with a new string. */
gboolean config_file_get_string(const ConfigFile *file, const char *key,
                                char **value, GError **error);
gboolean config_file_get_int(const ConfigFile *file, const char *key,
                             gint64 min, gint64 max, gint64 *value,
                             GError **error);
/* 0 or 1 in the file. */
gboolean config_file_get_bool(const ConfigFile *file, const char *key,
                              gboolean *value, GError **error);
/* Replaces *value (g_strfreev()ed); a single string is a list of one. */
gboolean config_file_get_list(const ConfigFile *file, const char *key,
                              char ***value, GError **error);

/**
 * config_file_unknown_keys() - Find keys that nobody knows
 * @known: NULL-terminated names
 *
 * Return: new comma-separated text "key (line N)", NULL when all are known
 */
char *config_file_unknown_keys(const ConfigFile *file,
                               const char *const *known);
