/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* virtio/vq.h - split virtqueues, device side.  Spec: virtio 1.2, 2.7. */
#pragma once

#include "core/loop.h"
#include "mem/mem.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/*
 * How this works
 *
 * A Vq has two lives.  While the driver sets it up, its registers (size,
 * ready, addresses) belong to the transport, under the device's lock.  From
 * activation on, ring state belongs to the loop the device is activated on;
 * nobody else touches it until the device is deactivated.
 *
 * vq_pop() copies every descriptor once, checks the copy, and hands out a
 * VqChain: host iovecs, device-readable ones first.  The chain stays good
 * until vq_push(), across any number of loop turns, so a device may give it to
 * asynchronous I/O.  What it must not do is sit on a chain until a peer or a
 * timer feels like it: pausing and reset wait for chains.  Pop when you can
 * finish the request or hand it to the host.
 *
 * The ring is drained until vq_pop() returns 0; by then it asked the driver
 * for the next kick (EVENT_IDX or flags) and looked once more.  A kick has a
 * budget: a driver that refills as fast as we drain gets its next turn only
 * after the loop served everyone else.
 *
 * After a reset whose deadline passed, chains of the old generation are
 * orphans: vq_push() drops them and touches no guest memory.
 */
#define VQ_MAX_SIZE   1024 /* entries a queue may have */
#define VQ_INLINE_IOV 10   /* chains up to this many pieces need no heap */

typedef struct Vq Vq;
typedef struct VirtioDev VirtioDev;

typedef struct VqChain {
    Vq *vq;
    uint32_t generation; /* the device's, at vq_pop() */
    uint16_t head;
    uint16_t max_iov;   /* room in @iov */
    uint16_t out_num;   /* iov[0 .. out_num): device-readable */
    uint16_t in_num;    /* iov[out_num .. out_num + in_num): writable */
    uint64_t out_bytes; /* at most 4 GiB - 1 in sum with @in_bytes */
    uint64_t in_bytes;
    struct iovec *iov; /* @small, or owned heap memory */
    struct iovec small[VQ_INLINE_IOV];
} VqChain;

struct Vq {
    VirtioDev *vdev;
    unsigned index;
    uint16_t size_max; /* what the device offers */

    /* Registers; the device's lock. */
    uint16_t size;
    bool ready;
    uint64_t desc_gpa, avail_gpa, used_gpa;

    /* Ring state; the owning loop. */
    bool active;
    bool event_idx;
    unsigned budget; /* chains left in this kick */
    uint16_t num;    /* size, latched at activation */
    uint16_t last_avail;
    uint16_t avail_seen; /* driver's index at last look */
    uint16_t used_idx;
    uint16_t signalled;  /* used_idx at the last vq_notify() */
    bool suppressed;     /* VRING_USED_F_NO_NOTIFY is set */
    const uint8_t *desc; /* host views of the rings */
    uint8_t *avail;
    uint8_t *used;
    unsigned inflight; /* popped, not pushed */

    int kick_fd; /* owned eventfd: ioeventfd of the transport */
    LoopFd kick_lfd;
    Work kick_work; /* kick by register write; rest of a spent budget */
};

/**
 * vq_pop() - Take the next available chain off a queue
 * @vq:        activated queue
 * @ret_chain: view of guest memory, valid until vq_push() or vq_unpop(); may be
 *             moved with vq_chain_move(), not by plain assignment
 *
 * Return: 1 taken, 0 empty, paused or budget spent, -EBADMSG malformed (return
 *         it from kick(), or call virtio_break() when elsewhere), -ENOMEM
 * Thread: the owning loop
 * Spec:   virtio 1.2, 2.7.5 and 2.7.6
 */
int vq_pop(Vq *vq, VqChain *ret_chain);

/**
 * vq_unpop() - Put the chain taken last back, as if never popped
 */
void vq_unpop(Vq *vq, VqChain *chain);

/**
 * vq_push() - Return a chain to the driver
 * @written: bytes written from the start of the device-writable part
 *
 * Does not interrupt: see vq_notify().  Any order of chains.  @chain is dead
 * afterwards.
 * Thread: the owning loop
 */
void vq_push(Vq *vq, VqChain *chain, uint32_t written);

/**
 * vq_push_many() - Return several chains, which the driver sees at once
 *
 * For a packet in more than one buffer: its driver does not wait for the rest.
 */
void vq_push_many(Vq *vq, VqChain *const *chains, const uint32_t *written,
                  unsigned num);

/**
 * vq_notify() - Interrupt the driver if it wants to know of what was pushed
 *
 * The core calls it after kick(); completions outside of kick() call it once
 * per batch.
 */
void vq_notify(Vq *vq);

/**
 * vq_empty() - True when no chain is available; asks for a kick then
 */
bool vq_empty(Vq *vq);

/* Moves @src to @dst (inline iovecs make plain assignment wrong). */
void vq_chain_move(VqChain *dst, VqChain *src);

static inline struct iovec *vq_chain_out(VqChain *chain)
{
    return chain->iov;
}

static inline struct iovec *vq_chain_in(VqChain *chain)
{
    return chain->iov + chain->out_num;
}

/**
 * vq_chain_read() - Copy bytes of the device-readable part
 *
 * Return: bytes copied; fewer than @len at the end of the chain
 */
size_t vq_chain_read(const VqChain *chain, uint64_t off, void *buf, size_t len);

/* Copies into the device-writable part; returns bytes copied. */
size_t vq_chain_write(VqChain *chain, uint64_t off, const void *buf,
                      size_t len);

/**
 * vq_iov_slice() - Part of an iovec array, in place
 * @iov:  entries; the first and last one used are trimmed
 * @num:  in: entries of @iov; out: entries of the slice
 * @skip: bytes to leave out at the front
 * @len:  bytes wanted; UINT64_MAX for all that follow
 *
 * Return: first entry of the slice; *@num is 0 when nothing is left
 */
struct iovec *vq_iov_slice(struct iovec *iov, unsigned *num, uint64_t skip,
                           uint64_t len);
