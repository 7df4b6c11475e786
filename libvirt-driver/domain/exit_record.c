/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The line that a VMM writes before it ends on purpose. */
#include <config.h>

#include "domain/exit_record.h"

#include <jansson.h>
#include <string.h>

#include "util/file.h"

enum {
    MAX_RECORD_BYTES = 65536,
};

static const char *const cause_names[] = {
    "",       "shutdown", "reset",   "panic", "quit",
    "signal", "error",    "seccomp", "other",
};
G_STATIC_ASSERT(G_N_ELEMENTS(cause_names) == EXIT_CAUSE_MAX);

ExitCause exit_record_parse(const char *text)
{
    gsize len = strcspn(text, "\n");
    json_t *doc;
    const char *cause;
    ExitCause found = EXIT_CAUSE_OTHER;

    if (len == 0)
        return EXIT_CAUSE_NONE;
    doc = json_loadb(text, len, 0, NULL);
    cause = json_string_value(json_object_get(doc, "cause"));
    for (int i = 1; cause && i < EXIT_CAUSE_MAX; i++) {
        if (strcmp(cause, cause_names[i]) == 0)
            found = i;
    }
    json_decref(doc);
    return found;
}

ExitCause exit_record_read(const char *dir)
{
    g_autofree char *path = NULL;
    g_autofree char *text = NULL;

    if (!dir)
        return EXIT_CAUSE_NONE;
    path = g_build_filename(dir, "exit", NULL);
    if (!file_read(path, MAX_RECORD_BYTES, &text, NULL, NULL))
        return EXIT_CAUSE_NONE;
    return exit_record_parse(text);
}
