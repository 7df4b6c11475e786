/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* conf/vmm_caps.h - what a VMM binary can do, as far as the driver cares. */
#pragma once

#include <glib.h>

/*
 * host/ fills this from the document that `stratovmm -describe` prints, or
 * takes vmm_caps_upstream() for StratoVirt, which has no such document.
 * Every feature has one row in a table with its name in that document.
 */
typedef enum VmmFeature {
    VMM_FEATURE_ADD_FD,           /* -add-fd and /dev/fdset/N as a path */
    VMM_FEATURE_ACCEL_DEVICE,     /* -accel kvm,device=PATH */
    VMM_FEATURE_CHARDEV_FD,       /* -chardev socket,fd=N */
    VMM_FEATURE_CHARDEV_LOG,      /* logfile=, logappend= of -chardev, and
                                     append= of its class file */
    VMM_FEATURE_SERIAL_CHARDEV,   /* -serial chardev:ID */
    VMM_FEATURE_ACTION,           /* -action */
    VMM_FEATURE_EXIT_RECORD,      /* -exit-record N */
    VMM_FEATURE_NO_SHUTDOWN,      /* -no-shutdown works on every machine */
    VMM_FEATURE_MACHINE_VERSIONS, /* -machine microvm-1.0 */
    VMM_FEATURE_MAX
} VmmFeature;

typedef struct VmmCaps {
    char *version;     /* owned; the VMM's own, as "0.1.0" */
    guint qmp_version; /* 8002002: the level its greeting states */
    guint32 features;  /* bit per VmmFeature */
} VmmCaps;

/**
 * vmm_caps_upstream() - Built-in description of StratoVirt
 * @version: as `stratovirt -version` says, "2.5.0"
 *
 * Return: owned
 */
VmmCaps *vmm_caps_upstream(const char *version);
VmmCaps *vmm_caps_new(void);
void vmm_caps_free(VmmCaps *caps);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VmmCaps, vmm_caps_free)

gboolean vmm_caps_has(const VmmCaps *caps, VmmFeature feature);
void vmm_caps_set(VmmCaps *caps, VmmFeature feature);

/**
 * vmm_caps_set_name() - Turn on a feature by its name in the description
 *
 * Return: FALSE if the driver has no use for a feature of that name
 */
gboolean vmm_caps_set_name(VmmCaps *caps, const char *name);
const char *vmm_feature_name(VmmFeature feature);
