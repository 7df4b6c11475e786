/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mem/mem.h - guest RAM and the guest-physical address space. */
#pragma once

#include "util/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/*
 * How this works
 *
 * A RamBlock is host memory with a name and a stable order (snapshots and
 * migration address it by name and offset).  GuestMem maps pieces of blocks to
 * guest-physical addresses and publishes one immutable sorted map; readers
 * (loops, vCPUs) look it up without a lock, old maps are freed by
 * core/quiesce.h.  A listener (hv/) turns changes into KVM memory slots.
 *
 * Guest memory is written by the guest while we read it: copy once, check the
 * copy.  A gpa is only good together with its length; every function here
 * checks the pair.
 */
typedef struct RamBlock {
    char name[32];
    uint8_t *hva; /* owned mapping */
    uint64_t size_bytes;
    int fd;          /* backing file or memfd, owned; -1 anonymous */
    uint64_t fd_off; /* offset in @fd */
    bool shared;
    unsigned refs;
    struct RamBlock *next; /* list of all blocks, in creation order */
} RamBlock;

typedef struct RamConf {
    const char *name;
    uint64_t size_bytes;
    const char *path; /* -mem-path: file or directory; NULL anonymous */
    bool share;       /* shared mapping; without @path a memfd */
    bool dump;        /* in core dumps */
    bool prealloc;    /* touch every page now */
    unsigned threads; /* at most so many touch pages */
} RamConf;

typedef enum MemFlags {
    MEM_READONLY = 1 << 0,  /* ROM or register page: guest writes exit */
    MEM_REGISTERS = 1 << 1, /* register page: no DMA target, not RAM */
} MemFlags;

typedef struct MemRange {
    uint64_t gpa;
    uint64_t size_bytes;
    RamBlock *block; /* shared reference */
    uint64_t block_off;
    unsigned flags;
    int slot; /* stable id of this range */
} MemRange;

typedef struct GuestMem GuestMem;

/* Told of each range that comes or goes; returns 0 or -errno (add only). */
typedef struct MemListener {
    int (*add)(void *opaque, const MemRange *range, Err *e);
    void (*del)(void *opaque, const MemRange *range);
    void *opaque;
} MemListener;

int ram_block_new(RamBlock **ret_block, const RamConf *conf, Err *e);
void ram_block_unref(RamBlock *block);

int gmem_new(GuestMem **ret_gm, Err *e);
void gmem_free(GuestMem *gm);
/* Replays existing ranges to the listener. One listener. */
int gmem_listen(GuestMem *gm, const MemListener *listener, Err *e);

/**
 * gmem_map() - Make a piece of a block appear at @gpa
 *
 * Page-aligned; overlapping an existing range is -EEXIST.  Takes a reference
 * to @block.
 * Thread: main loop
 */
int gmem_map(GuestMem *gm, uint64_t gpa, uint64_t size_bytes, RamBlock *block,
             uint64_t block_off, unsigned flags, Err *e);
void gmem_unmap(GuestMem *gm, uint64_t gpa);
size_t gmem_num_ranges(const GuestMem *gm);
const MemRange *gmem_range(const GuestMem *gm, size_t i);
uint64_t gmem_ram_bytes(const GuestMem *gm);

/**
 * gmem_ptr() - Host address of guest memory
 * @write: the caller will write (refuses MEM_READONLY ranges)
 *
 * Valid until the thread goes offline (core/quiesce.h).
 * Return: NULL unless [gpa, gpa + len) is inside one range of RAM
 * Thread: any Quiescer
 */
void *gmem_ptr(const GuestMem *gm, uint64_t gpa, uint64_t len, bool write);

/**
 * gmem_iov() - As gmem_ptr() for memory that may span ranges
 * @iov:     filled from index 0
 * @max_iov: room
 *
 * Return: entries used, -EFAULT outside RAM, -E2BIG no room
 */
int gmem_iov(const GuestMem *gm, uint64_t gpa, uint64_t len, bool write,
             struct iovec *iov, int max_iov);

int gmem_read(const GuestMem *gm, uint64_t gpa, void *buf, size_t len);
int gmem_write(GuestMem *gm, uint64_t gpa, const void *buf, size_t len);
/* Fills with a byte. */
int gmem_set(GuestMem *gm, uint64_t gpa, int byte, uint64_t len);

/* Tell the dirty log of a host write through a pointer from gmem_ptr(). */
void gmem_dirty(GuestMem *gm, const void *hva, size_t len);
