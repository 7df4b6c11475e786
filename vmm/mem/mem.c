/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mem/mem.c - the guest-physical map: published, immutable, sorted.
 *
 * A change copies the map, publishes the copy and retires the old one
 * (core/quiesce.h).  A range's block is referenced by every map that shows it,
 * so a pointer stays good until its reader goes offline.
 */
#include <config.h>

#include "mem/mem.h"

#include "core/quiesce.h"
#include "util/bytes.h"
#include "util/cleanup.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct MemMap {
    size_t num;
    MemRange ranges[]; /* by gpa */
} MemMap;

struct GuestMem {
    _Atomic(MemMap *) map;
    MemListener listener; /* add NULL: none */
    int next_slot;
    uint64_t page_bytes;
};

static void map_release(void *arg)
{
    MemMap *map = arg;

    for (size_t i = 0; i < map->num; i++)
        ram_block_unref(map->ranges[i].block);
    free(map);
}

/* A copy with room for @extra more ranges; references are taken. */
static MemMap *map_copy(const MemMap *old, size_t skip, size_t extra)
{
    MemMap *map =
        calloc(1, sizeof(*map) + (old->num + extra) * sizeof(MemRange));

    if (!map)
        return NULL;
    for (size_t i = 0; i < old->num; i++) {
        if (i == skip)
            continue;
        map->ranges[map->num++] = old->ranges[i];
        old->ranges[i].block->refs++;
    }
    return map;
}

static void publish(GuestMem *gm, MemMap *map)
{
    qs_retire(map_release, atomic_exchange(&gm->map, map));
}

int gmem_new(GuestMem **ret_gm, Err *e)
{
    GuestMem *gm = calloc(1, sizeof(*gm));
    MemMap *map = calloc(1, sizeof(*map));

    if (!gm || !map) {
        free(gm);
        free(map);
        return err_set(e, ENOMEM, "out of memory");
    }
    atomic_store(&gm->map, map);
    gm->page_bytes = sysconf(_SC_PAGESIZE);
    *ret_gm = gm;
    return 0;
}

void gmem_free(GuestMem *gm)
{
    if (!gm)
        return;
    map_release(atomic_load(&gm->map));
    free(gm);
}

int gmem_listen(GuestMem *gm, const MemListener *listener, Err *e)
{
    MemMap *map = atomic_load(&gm->map);
    int r;

    gm->listener = *listener;
    for (size_t i = 0; i < map->num; i++) {
        r = listener->add(listener->opaque, &map->ranges[i], e);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Index of the first range that ends after @gpa. */
static size_t find(const MemMap *map, uint64_t gpa)
{
    size_t lo = 0, hi = map->num;

    while (lo < hi) {
        size_t mid = (lo + hi) / 2;

        if (map->ranges[mid].gpa + map->ranges[mid].size_bytes - 1 < gpa)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static int check_new(const GuestMem *gm, const MemMap *map, uint64_t gpa,
                     uint64_t size_bytes, const RamBlock *block,
                     uint64_t block_off, size_t *ret_at, Err *e)
{
    size_t at;

    if (!size_bytes || gpa + size_bytes < gpa || gpa % gm->page_bytes ||
        size_bytes % gm->page_bytes || block_off % gm->page_bytes ||
        !range_within(block_off, size_bytes, block->size_bytes))
        return err_set(e, EINVAL,
                       "memory range 0x%llx+0x%llx of block '%s' is not a "
                       "whole number of pages inside it",
                       (unsigned long long)gpa, (unsigned long long)size_bytes,
                       block->name);
    at = find(map, gpa);
    if (at < map->num && map->ranges[at].gpa < gpa + size_bytes)
        return err_set(e, EEXIST,
                       "memory range 0x%llx+0x%llx overlaps that at 0x%llx",
                       (unsigned long long)gpa, (unsigned long long)size_bytes,
                       (unsigned long long)map->ranges[at].gpa);
    *ret_at = at;
    return 0;
}

int gmem_map(GuestMem *gm, uint64_t gpa, uint64_t size_bytes, RamBlock *block,
             uint64_t block_off, unsigned flags, Err *e)
{
    MemMap *old = atomic_load(&gm->map);
    MemRange range = {
        gpa, size_bytes, block, block_off, flags, gm->next_slot
    };
    MemMap *map;
    size_t at = 0;
    int r;

    r = check_new(gm, old, gpa, size_bytes, block, block_off, &at, e);
    if (r < 0)
        return r;
    map = map_copy(old, SIZE_MAX, 1);
    if (!map)
        return err_set(e, ENOMEM, "out of memory");
    if (gm->listener.add) {
        r = gm->listener.add(gm->listener.opaque, &range, e);
        if (r < 0) {
            map_release(map);
            return r;
        }
    }
    memmove(&map->ranges[at + 1], &map->ranges[at],
            (map->num - at) * sizeof(MemRange));
    map->ranges[at] = range;
    map->num++;
    block->refs++;
    gm->next_slot++;
    publish(gm, map);
    return 0;
}

void gmem_unmap(GuestMem *gm, uint64_t gpa)
{
    MemMap *old = atomic_load(&gm->map);
    size_t at = find(old, gpa);
    MemMap *map;

    if (at == old->num || old->ranges[at].gpa != gpa)
        return;
    map = map_copy(old, at, 0);
    if (!map)
        return; /* the range stays: safe, and the guest was told nothing */
    if (gm->listener.del)
        gm->listener.del(gm->listener.opaque, &old->ranges[at]);
    publish(gm, map);
}

size_t gmem_num_ranges(const GuestMem *gm)
{
    return atomic_load(&((GuestMem *)gm)->map)->num;
}

const MemRange *gmem_range(const GuestMem *gm, size_t i)
{
    return &atomic_load(&((GuestMem *)gm)->map)->ranges[i];
}

uint64_t gmem_ram_bytes(const GuestMem *gm)
{
    const MemMap *map = atomic_load(&((GuestMem *)gm)->map);
    uint64_t sum = 0;

    for (size_t i = 0; i < map->num; i++)
        if (!map->ranges[i].flags)
            sum += map->ranges[i].size_bytes;
    return sum;
}

/* --- access -------------------------------------------------------------- */

/*
 * The piece of [gpa, gpa + *len) that lies in one range of RAM; *len shrinks
 * to it.
 */
static uint8_t *piece(const GuestMem *gm, uint64_t gpa, uint64_t *len,
                      bool write)
{
    const MemMap *map =
        atomic_load_explicit(&((GuestMem *)gm)->map, memory_order_acquire);
    size_t i = find(map, gpa);
    const MemRange *range = &map->ranges[i];
    uint64_t off;

    if (i == map->num || gpa < range->gpa || (range->flags & MEM_REGISTERS))
        return NULL;
    if (write && (range->flags & MEM_READONLY))
        return NULL;
    off = gpa - range->gpa;
    *len = MIN(*len, range->size_bytes - off);
    return range->block->hva + range->block_off + off;
}

void *gmem_ptr(const GuestMem *gm, uint64_t gpa, uint64_t len, bool write)
{
    uint64_t have = len;
    uint8_t *hva = piece(gm, gpa, &have, write);

    return hva && have == len ? hva : NULL;
}

int gmem_iov(const GuestMem *gm, uint64_t gpa, uint64_t len, bool write,
             struct iovec *iov, int max_iov)
{
    int n = 0;

    while (len) {
        uint64_t have = len;
        uint8_t *hva = piece(gm, gpa, &have, write);

        if (!hva || gpa + have < gpa)
            return -EFAULT;
        if (n == max_iov)
            return -E2BIG;
        iov[n++] = (struct iovec){ hva, have };
        gpa += have;
        len -= have;
    }
    return n;
}

int gmem_read(const GuestMem *gm, uint64_t gpa, void *buf, size_t len)
{
    uint8_t *to = buf;

    while (len) {
        uint64_t have = len;
        const uint8_t *hva = piece(gm, gpa, &have, false);

        if (!hva)
            return -EFAULT;
        memcpy(to, hva, have);
        to += have;
        gpa += have;
        len -= have;
    }
    return 0;
}

int gmem_write(GuestMem *gm, uint64_t gpa, const void *buf, size_t len)
{
    const uint8_t *from = buf;

    while (len) {
        uint64_t have = len;
        uint8_t *hva = piece(gm, gpa, &have, true);

        if (!hva)
            return -EFAULT;
        memcpy(hva, from, have);
        gmem_dirty(gm, hva, have);
        from += have;
        gpa += have;
        len -= have;
    }
    return 0;
}

int gmem_set(GuestMem *gm, uint64_t gpa, int byte, uint64_t len)
{
    while (len) {
        uint64_t have = len;
        uint8_t *hva = piece(gm, gpa, &have, true);

        if (!hva)
            return -EFAULT;
        memset(hva, byte, have);
        gmem_dirty(gm, hva, have);
        gpa += have;
        len -= have;
    }
    return 0;
}

void gmem_dirty(GuestMem *gm, const void *hva, size_t len)
{
    /* No dirty log is kept until there is a reader of one (migration). */
}
