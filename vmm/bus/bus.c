/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bus/bus.c - decode of ports and MMIO: published, immutable, sorted arrays.
 */
#include <config.h>

#include "bus/bus.h"

#include "core/quiesce.h"
#include "util/bytes.h"
#include "util/cleanup.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

typedef struct Decode {
    size_t num;
    const IoRegion *regions[]; /* borrowed, by base */
} Decode;

struct Bus {
    _Atomic(Decode *) spaces[BUS_SPACE_MAX];
    pthread_mutex_t lock; /* the bus lock: writers of the maps */
};

static const char *const space_names[] = {
    [BUS_PIO] = "port",
    [BUS_MMIO] = "address",
};
_Static_assert(ARRAY_SIZE(space_names) == BUS_SPACE_MAX, "a name per space");

static Decode *decode_new(size_t room)
{
    return calloc(1, sizeof(Decode) + room * sizeof(IoRegion *));
}

int bus_new(Bus **ret_bus, Err *e)
{
    Bus *bus = calloc(1, sizeof(*bus));

    if (!bus)
        return err_set(e, ENOMEM, "out of memory");
    pthread_mutex_init(&bus->lock, NULL);
    for (int i = 0; i < BUS_SPACE_MAX; i++) {
        bus->spaces[i] = decode_new(0);
        if (!bus->spaces[i]) {
            bus_free(bus);
            return err_set(e, ENOMEM, "out of memory");
        }
    }
    *ret_bus = bus;
    return 0;
}

void bus_free(Bus *bus)
{
    if (!bus)
        return;
    for (int i = 0; i < BUS_SPACE_MAX; i++)
        free(bus->spaces[i]);
    pthread_mutex_destroy(&bus->lock);
    free(bus);
}

/* Index of the first region that ends after @addr. */
static size_t find(const Decode *d, uint64_t addr)
{
    size_t lo = 0, hi = d->num;

    while (lo < hi) {
        size_t mid = (lo + hi) / 2;

        if (d->regions[mid]->base + d->regions[mid]->len - 1 < addr)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

int bus_add(Bus *bus, BusSpace space, const IoRegion *region, Err *e)
{
    Decode *old, *new;
    size_t at;

    if (!region->len || region->base + region->len - 1 < region->base)
        return err_set(e, EINVAL, "device '%s' claims an empty range",
                       region->name);
    MUTEX_SCOPE(&bus->lock);
    old = bus->spaces[space];
    at = find(old, region->base);
    if (at < old->num &&
        old->regions[at]->base <= region->base + region->len - 1)
        return err_set(
            e, EEXIST, "device '%s' at %s 0x%llx overlaps device '%s'",
            region->name, space_names[space], (unsigned long long)region->base,
            old->regions[at]->name);
    new = decode_new(old->num + 1);
    if (!new)
        return err_set(e, ENOMEM, "out of memory");
    memcpy(new->regions, old->regions, at * sizeof(IoRegion *));
    new->regions[at] = region;
    memcpy(&new->regions[at + 1], &old->regions[at],
           (old->num - at) * sizeof(IoRegion *));
    new->num = old->num + 1;
    qs_retire(free, atomic_exchange(&bus->spaces[space], new));
    return 0;
}

void bus_del(Bus *bus, BusSpace space, const IoRegion *region)
{
    Decode *old, *new;

    MUTEX_SCOPE(&bus->lock);
    old = bus->spaces[space];
    new = decode_new(old->num);
    if (!new)
        return;
    for (size_t i = 0; i < old->num; i++)
        if (old->regions[i] != region)
            new->regions[new->num++] = old->regions[i];
    qs_retire(free, atomic_exchange(&bus->spaces[space], new));
}

static const IoRegion *lookup(Bus *bus, BusSpace space, uint64_t addr,
                              unsigned size)
{
    const Decode *d =
        atomic_load_explicit(&bus->spaces[space], memory_order_acquire);
    size_t i = find(d, addr);
    const IoRegion *region;

    if (i == d->num)
        return NULL;
    region = d->regions[i];
    if (addr < region->base || !(region->ops->sizes & size) ||
        !range_within(addr - region->base, size, region->len))
        return NULL;
    return region;
}

/*
 * What ports without a device read as: values that make a stock kernel give
 * up on the device at once.  0x71 reads 0 so that no update-in-progress loop
 * spins; 0x64 says "output buffer full" for ever, so the i8042 probe fails
 * after its first flush; 0x61 says the PIT's output is high.
 */
static uint64_t pio_default(uint64_t port)
{
    switch (port) {
    case 0x61:
        return 0x20;
    case 0x64:
        return 0xfd;
    case 0x71:
        return 0;
    default:
        return UINT64_MAX;
    }
}

static uint64_t size_mask(unsigned size)
{
    return size >= 8 ? UINT64_MAX : (UINT64_C(1) << (size * 8)) - 1;
}

uint64_t bus_read(Bus *bus, BusSpace space, uint64_t addr, unsigned size)
{
    const IoRegion *region = lookup(bus, space, addr, size);
    uint64_t val;

    if (!region)
        return (space == BUS_PIO ? pio_default(addr) : UINT64_MAX) &
               size_mask(size);
    if (region->lock)
        pthread_mutex_lock(region->lock);
    val = region->ops->read(region->opaque, addr - region->base, size);
    if (region->lock)
        pthread_mutex_unlock(region->lock);
    return val & size_mask(size);
}

void bus_write(Bus *bus, BusSpace space, uint64_t addr, uint64_t val,
               unsigned size)
{
    const IoRegion *region = lookup(bus, space, addr, size);

    if (!region)
        return;
    if (region->lock)
        pthread_mutex_lock(region->lock);
    region->ops->write(region->opaque, addr - region->base,
                       val & size_mask(size), size);
    if (region->lock)
        pthread_mutex_unlock(region->lock);
}
