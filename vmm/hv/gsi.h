/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hv/gsi.h - table of interrupt numbers and where messages are routed. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * Numbers [0, pins) are pins of the interrupt controllers and never change.
 * Numbers from pins up to max are messages: allocated, given a route, freed.
 * The table only remembers; the accelerator applies it as a whole and then
 * clears @dirty.
 */
typedef struct GsiRoute {
    bool used;   /* allocated */
    bool routed; /* addr and data count */
    uint64_t addr;
    uint32_t data;
} GsiRoute;

typedef struct GsiTable {
    unsigned pins;
    unsigned max;     /* numbers in all */
    unsigned room;    /* entries of @routes */
    unsigned used;    /* allocated messages */
    GsiRoute *routes; /* owned; index 0 is number @pins */
    bool dirty;       /* changed since it was applied */
} GsiTable;

void gsi_init(GsiTable *t, unsigned pins, unsigned max);
void gsi_fini(GsiTable *t);

/* Return: a number, -ENOSPC when all are taken, -ENOMEM */
int gsi_alloc(GsiTable *t);
void gsi_free(GsiTable *t, unsigned gsi);

/* Return: 0, -EINVAL when @gsi is not an allocated message */
int gsi_set(GsiTable *t, unsigned gsi, uint64_t addr, uint32_t data);

/**
 * gsi_next() - Walk the routed messages
 * @gsi: 0 to begin, else the last one returned plus 1
 *
 * Return: its number, or -1 at the end
 */
int gsi_next(const GsiTable *t, unsigned gsi, const GsiRoute **ret_route);
unsigned gsi_num_routed(const GsiTable *t);
