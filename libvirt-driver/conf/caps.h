/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* conf/caps.h - capabilities, domain capabilities and sysinfo documents. */
#pragma once

#include <glib.h>

#include "conf/domain_def.h"

/* Everything here is filled by host/ and borrowed for one call. */

typedef struct CapsPages {
    guint size_kib;
    guint64 count; /* in a cell; unused for the host as a whole */
} CapsPages;

typedef struct CapsCpu {
    guint id;
    guint socket, die, core;
    const char *siblings; /* list format: "0-1" */
} CapsCpu;

typedef struct CapsCell {
    guint id;
    guint64 memory_kib;
    const CapsPages *pages;
    guint n_pages;
    const guint *distances; /* one per cell; NULL: unknown */
    const CapsCpu *cpus;
    guint n_cpus;
} CapsCell;

typedef struct CapsSecurity {
    const char *model;     /* "dac", "none" */
    const char *doi;       /* "0" */
    const char *baselabel; /* NULL: none; for domains of type kvm */
} CapsSecurity;

typedef struct Caps {
    const char *uuid;                    /* of the host; NULL: unknown */
    const char *arch;                    /* "x86_64" */
    const char *vendor;                  /* "Intel"; NULL: unknown */
    guint microcode;                     /* 0: unknown */
    guint sockets, dies, cores, threads; /* of one cell, as nodeinfo */
    const CapsPages *pages;              /* sizes the host has */
    guint n_pages;
    gboolean iommu;
    const CapsCell *cells;
    guint n_cells;
    const CapsSecurity *security;
    guint n_security;
    const char *emulator;
    guint max_vcpus; /* 0: the machine's own limit */
} Caps;

/**
 * caps_format() - The document of virConnectGetCapabilities
 * @buf: appended to
 */
void caps_format(const Caps *caps, GString *buf);

/* What virConnectGetDomainCapabilities was asked; NULLs are defaults. */
typedef struct DomainCapsQuery {
    const char *emulator;
    const char *arch;
    const char *machine;
    const char *virttype;
} DomainCapsQuery;

/**
 * domain_caps_format() - The document of virConnectGetDomainCapabilities
 * @limits: what the host offers
 * @buf:    appended to on success
 *
 * Return: FALSE with VIR_ERR_INVALID_ARG for what this host does not have
 */
gboolean domain_caps_format(const DomainCapsQuery *query,
                            const DomainCapsLimits *limits, GString *buf,
                            GError **error);

/* What the firmware says of the host; any may be NULL or empty. */
typedef struct SysinfoBoard {
    const char *manufacturer, *product, *version, *serial, *asset;
} SysinfoBoard;

typedef struct Sysinfo {
    const char *bios_vendor, *bios_version, *bios_date, *bios_release;
    const char *manufacturer, *product, *version, *serial, *uuid, *sku, *family;
    SysinfoBoard board;
    SysinfoBoard chassis; /* product unused */
} Sysinfo;

/**
 * sysinfo_format() - The document of virConnectGetSysinfo
 */
void sysinfo_format(const Sysinfo *info, GString *buf);
