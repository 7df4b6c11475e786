/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hv/gsi.c - table of interrupt numbers and where messages are routed. */
#include <config.h>

#include "hv/gsi.h"

#include "util/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void gsi_init(GsiTable *t, unsigned pins, unsigned max)
{
    *t = (GsiTable){ .pins = pins, .max = MAX(max, pins) };
}

void gsi_fini(GsiTable *t)
{
    free(t->routes);
    *t = (GsiTable){ 0 };
}

static int gsi_grow(GsiTable *t)
{
    unsigned limit = t->max - t->pins;
    unsigned room = MIN(limit, t->room ? t->room * 2 : 16);
    GsiRoute *routes;

    if (room <= t->room)
        return -ENOSPC;
    routes = realloc(t->routes, room * sizeof(*routes));
    if (!routes)
        return -ENOMEM;
    memset(routes + t->room, 0, (room - t->room) * sizeof(*routes));
    t->routes = routes;
    t->room = room;
    return 0;
}

int gsi_alloc(GsiTable *t)
{
    unsigned i = 0;
    int r;

    if (t->used == t->room) {
        i = t->room;
        r = gsi_grow(t);
        if (r < 0)
            return r;
    }
    while (t->routes[i].used)
        i++;
    t->routes[i] = (GsiRoute){ .used = true };
    t->used++;
    return (int)(t->pins + i);
}

static GsiRoute *gsi_find(const GsiTable *t, unsigned gsi)
{
    if (gsi < t->pins || gsi - t->pins >= t->room)
        return NULL;
    return t->routes[gsi - t->pins].used ? &t->routes[gsi - t->pins] : NULL;
}

void gsi_free(GsiTable *t, unsigned gsi)
{
    GsiRoute *route = gsi_find(t, gsi);

    if (!route)
        return;
    if (route->routed)
        t->dirty = true;
    *route = (GsiRoute){ 0 };
    t->used--;
}

int gsi_set(GsiTable *t, unsigned gsi, uint64_t addr, uint32_t data)
{
    GsiRoute *route = gsi_find(t, gsi);

    if (!route)
        return -EINVAL;
    if (route->routed && route->addr == addr && route->data == data)
        return 0;
    route->routed = true;
    route->addr = addr;
    route->data = data;
    t->dirty = true;
    return 0;
}

int gsi_next(const GsiTable *t, unsigned gsi, const GsiRoute **ret_route)
{
    unsigned i = gsi > t->pins ? gsi - t->pins : 0;

    for (; i < t->room; i++) {
        if (t->routes[i].used && t->routes[i].routed) {
            *ret_route = &t->routes[i];
            return (int)(t->pins + i);
        }
    }
    return -1;
}

unsigned gsi_num_routed(const GsiTable *t)
{
    unsigned n = 0;

    for (unsigned i = 0; i < t->room; i++)
        n += t->routes[i].used && t->routes[i].routed;
    return n;
}
