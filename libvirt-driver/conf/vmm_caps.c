// SPDX-License-Identifier: LGPL-2.1-or-later
// conf/vmm_caps.c - what a VMM binary can do, as far as the driver cares.
#include <config.h>

#include "conf/vmm_caps.h"

#include <string.h>

static const char *const feature_names[] = {
    "add-fd",          "accel-device",   "chardev-fd",
    "chardev-logfile", "serial-chardev", "action",
    "exit-record",     "no-shutdown",    "machine-versions",
};
G_STATIC_ASSERT(G_N_ELEMENTS(feature_names) == VMM_FEATURE_MAX);

VmmCaps *vmm_caps_new(void)
{
    return g_new0(VmmCaps, 1);
}

/* StratoVirt up to 2.5 has none of the features; its number on the QEMU
 * scale is the one that clients get for a VMM without a description. */
VmmCaps *vmm_caps_upstream(const char *version)
{
    VmmCaps *caps = vmm_caps_new();

    caps->version = g_strdup(version);
    caps->qmp_version = 8002002;
    return caps;
}

void vmm_caps_free(VmmCaps *caps)
{
    if (!caps)
        return;
    g_free(caps->version);
    g_free(caps);
}

gboolean vmm_caps_has(const VmmCaps *caps, VmmFeature feature)
{
    return (caps->features & (1u << feature)) != 0;
}

void vmm_caps_set(VmmCaps *caps, VmmFeature feature)
{
    caps->features |= 1u << feature;
}

gboolean vmm_caps_set_name(VmmCaps *caps, const char *name)
{
    for (guint i = 0; i < VMM_FEATURE_MAX; i++) {
        if (strcmp(feature_names[i], name) == 0) {
            vmm_caps_set(caps, i);
            return TRUE;
        }
    }
    return FALSE;
}

const char *vmm_feature_name(VmmFeature feature)
{
    return feature_names[feature];
}
