/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bulk statistics: one record of typed values per domain. */
#pragma once

#include "domain/driver.h"

typedef struct StatsParam {
    char field[VIR_TYPED_PARAM_FIELD_LENGTH];
    int type; /* VIR_TYPED_PARAM_* */
    union {
        gint32 i;
        guint32 ui;
        gint64 l;
        guint64 ul;
        double d;
        gboolean b;
        char *s; /* owned */
    } value;
} StatsParam;

typedef struct StatsRecord {
    DomainIdent dom;
    GArray *params; /* of StatsParam, owned */
} StatsRecord;

/* @records: array of StatsRecord, borrowed; NULL with an error. */
typedef void (*StatsDone)(gpointer user, GPtrArray *records,
                          const GError *error);

#define STATS_ALL                                                              \
    (VIR_DOMAIN_STATS_STATE | VIR_DOMAIN_STATS_CPU_TOTAL |                     \
     VIR_DOMAIN_STATS_BALLOON | VIR_DOMAIN_STATS_VCPU |                        \
     VIR_DOMAIN_STATS_INTERFACE | VIR_DOMAIN_STATS_BLOCK)
#define STATS_FLAGS                                                            \
    (0xffu | VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT |                        \
     VIR_CONNECT_GET_ALL_DOMAINS_STATS_BACKING |                               \
     VIR_CONNECT_GET_ALL_DOMAINS_STATS_ENFORCE_STATS)

/**
 * stats_collect_async() - Gather statistics of several domains
 * @domains: array of Domain references, or NULL for all that match @flags
 * @groups:  VIR_DOMAIN_STATS_*; 0 means all we have
 * @flags:   VIR_CONNECT_GET_ALL_DOMAINS_STATS_* and list filters
 *
 * A domain whose VMM does not answer in time yields what is known without
 * it.  With ENFORCE_STATS an unknown group is an error.
 */
void stats_collect_async(Driver *drv, GPtrArray *domains, guint groups,
                         guint flags, StatsDone done, gpointer user);
