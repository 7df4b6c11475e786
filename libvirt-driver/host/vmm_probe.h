/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a VMM binary can do: its own description, cached by build.
 *
 * `VMM -describe` prints one JSON document that depends on the binary alone.
 * It is kept in memory and in the cache directory under the file's identity
 * (path, device, inode, size, time of change).  A VMM without -describe is
 * taken for StratoVirt of the version that -version states.
 */
#pragma once

#include <glib.h>

#include "conf/vmm_caps.h"

typedef struct VmmMachine {
    char *name;  /* owned; "microvm-1.0" */
    char *alias; /* owned; "microvm" or NULL */
    char *arch;  /* owned */
    guint max_cpus;
    gboolean is_default;
} VmmMachine;

typedef struct VmmInfo {
    gatomicrefcount refs;
    VmmCaps *caps;            /* owned */
    char *build_id;           /* owned; "" unknown */
    GPtrArray *machines;      /* of VmmMachine, owned */
    GHashTable *devices;      /* set of names, owned */
    guint max_vcpus;          /* 0 unknown */
    guint64 max_memory_bytes; /* 0 unknown */
} VmmInfo;

VmmInfo *vmm_info_ref(VmmInfo *info);
void vmm_info_unref(VmmInfo *info);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VmmInfo, vmm_info_unref)

/**
 * VmmRunFn - Run the VMM without rights and collect what it prints
 * @argument:   "-describe" or "-version"
 * @ret_output: owned by the caller
 *
 * Return: FALSE also when it ends with another status than 0
 */
typedef gboolean (*VmmRunFn)(gpointer user, const char *binary,
                             const char *argument, char **ret_output,
                             GError **error);

/**
 * vmm_probe() - Learn about a VMM
 * @cache_dir: for the documents; NULL: memory only
 *
 * Return: a reference; NULL when the binary is missing or prints nonsense
 */
VmmInfo *vmm_probe(const char *binary, const char *cache_dir, VmmRunFn run,
                   gpointer user, GError **error);

/* The document of -describe; for tests and the cache. */
VmmInfo *vmm_info_parse(const char *text, GError **error);

/* Forgets what is in memory. */
void vmm_probe_forget(void);
