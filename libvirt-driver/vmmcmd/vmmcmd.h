/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmmcmd/vmmcmd.h - a definition and what was opened for it -> argv. */
#pragma once

#include <glib.h>

#include "conf/domain_def.h"
#include "conf/vmm_caps.h"

/*
 * How this works
 *
 * Pure: "prepare host" opened everything and says here under which
 * descriptor number the VMM will find it, or under which path for a VMM
 * without VMM_FEATURE_ADD_FD.  Arrays run parallel to the lists of the
 * definition.  The builder numbers the fd sets itself, from 1 in the order
 * of the command line.  Descriptor numbers are those in the VMM's process.
 */

/* A file: either descriptor or path. */
typedef struct VmmFile {
    int fd;           /* -1: use the path */
    const char *path; /* borrowed; also the set's opaque text with an fd */
} VmmFile;
#define VMM_FILE_NONE ((VmmFile){ -1, NULL })

/* Taps of one interface, one per queue pair. */
typedef struct VmmTap {
    const int *fds;     /* borrowed */
    guint n_fds;        /* 0: open by ifname */
    const char *ifname; /* borrowed */
} VmmTap;

/* Back end of one serial or console. */
typedef struct VmmChr {
    VmmFile file; /* type file: the output; type unix: fd is a listener */
    VmmFile log;  /* <log file=...>; NONE if it has none */
} VmmChr;

typedef struct VmmResources {
    const char *binary; /* borrowed; argv[0] */
    VmmFile kvm;        /* /dev/kvm; NONE: the VMM opens it */
    VmmFile kernel;
    VmmFile initrd;
    VmmFile log;            /* -D; NONE: stderr */
    VmmFile qmp;            /* listener, or its path */
    int exit_fd;            /* exit record; -1: none */
    const VmmFile *disks;   /* one per def->disks */
    const VmmTap *taps;     /* one per def->nets */
    const VmmChr *serials;  /* one per def->serials */
    const VmmChr *consoles; /* one per def->consoles */
    const VmmFile *rngs;    /* one per def->rngs */
    gboolean paused;        /* -S */
    gboolean disable_seccomp;
} VmmResources;

/**
 * vmm_resources_init() - All descriptors -1, all arrays NULL
 */
void vmm_resources_init(VmmResources *res);

/**
 * vmmcmd_build() - The command line that starts this domain
 * @def: live definition: defaults filled in and aliases assigned
 * @res: what was opened
 *
 * Arrays of @res may be NULL where the list is empty.  A VMM without
 * VMM_FEATURE_CHARDEV_LOG gets no log; one without VMM_FEATURE_ACTION or
 * VMM_FEATURE_EXIT_RECORD none of these options.
 *
 * Return: owned, NULL-ended array of owned strings; NULL with
 *         VIR_ERR_CONFIG_UNSUPPORTED naming what this VMM cannot express
 */
GPtrArray *vmmcmd_build(const DomainDef *def, const VmmResources *res,
                        const VmmCaps *caps, GError **error);
