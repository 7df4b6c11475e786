/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtio/vq.c - split virtqueues, device side.  Spec: virtio 1.2, 2.7.
 *
 * Layout of what the driver shares with us, all little-endian:
 *
 *   desc   16 bytes each: addr u64, len u32, flags u16, next u16
 *   avail  flags u16, idx u16, ring[num] u16, used_event u16
 *   used   flags u16, idx u16, ring[num] { id u32, len u32 }, avail_event u16
 *
 * The driver may change any of it at any time: indices are loaded once, with
 * acquire order, and a descriptor is copied before anything in it is believed.
 */
#include <config.h>

#include "virtio/virtio_priv.h"

#include "util/bytes.h"
#include "util/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#define DESC_SIZE       16
#define DESC_F_NEXT     1
#define DESC_F_WRITE    2
#define DESC_F_INDIRECT 4

#define AVAIL_F_NO_INTERRUPT 1
#define USED_F_NO_NOTIFY     1

/* A descriptor may span memory ranges, so a chain may need more than this. */
#define CHAIN_MAX_IOV (2 * VQ_MAX_SIZE)

typedef struct Desc {
    uint64_t addr;
    uint32_t len;
    uint16_t flags;
    uint16_t next;
} Desc;

/* --- shared words -------------------------------------------------------- */

static uint16_t ring_load(const uint8_t *p)
{
    return le16toh(__atomic_load_n((const uint16_t *)p, __ATOMIC_ACQUIRE));
}

static void ring_store(Vq *vq, uint8_t *p, uint16_t v)
{
    __atomic_store_n((uint16_t *)p, htole16(v), __ATOMIC_RELEASE);
    gmem_dirty(vq->vdev->env->gm, p, sizeof(v));
}

static const uint8_t *used_event(const Vq *vq)
{
    return vq->avail + 4 + 2 * vq->num;
}

static uint8_t *avail_event(const Vq *vq)
{
    return vq->used + 4 + 8 * vq->num;
}

/* --- set-up -------------------------------------------------------------- */

static void kick_work(void *opaque)
{
    vq_run_kick(opaque);
}

int vq_init(Vq *vq, VirtioDev *vdev, unsigned index, unsigned size, Err *e)
{
    *vq = (Vq){ .vdev = vdev, .index = index, .size_max = size };
    work_init(&vq->kick_work, kick_work, vq);
    vq_reset_regs(vq);
    vq->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (vq->kick_fd < 0)
        return err_sys(e, errno, "cannot create an eventfd for queue %u",
                       index);
    return 0;
}

void vq_fini(Vq *vq)
{
    if (vq->vdev)
        loop_unpost(vq->vdev->loop, &vq->kick_work);
    fd_close(&vq->kick_fd);
}

void vq_reset_regs(Vq *vq)
{
    vq->size = vq->size_max;
    vq->ready = false;
    vq->desc_gpa = vq->avail_gpa = vq->used_gpa = 0;
    vq->last_avail = vq->used_idx = vq->signalled = 0;
}

int vq_start(Vq *vq)
{
    GuestMem *gm = vq->vdev->env->gm;
    uint64_t num = vq->size;

    if (num == 0 || num > vq->size_max || (num & (num - 1)))
        return -EBADMSG;
    if (vq->desc_gpa % 16 || vq->avail_gpa % 2 || vq->used_gpa % 4)
        return -EBADMSG;
    vq->desc = gmem_ptr(gm, vq->desc_gpa, num * DESC_SIZE, false);
    vq->avail = gmem_ptr(gm, vq->avail_gpa, 6 + 2 * num, false);
    vq->used = gmem_ptr(gm, vq->used_gpa, 6 + 8 * num, true);
    if (!vq->desc || !vq->avail || !vq->used)
        return -EBADMSG;
    vq->num = num;
    vq->event_idx = virtio_has(vq->vdev, VIRTIO_F_EVENT_IDX);
    vq->avail_seen = vq->last_avail;
    vq->suppressed = false;
    vq->inflight = 0;
    vq->budget = num;
    vq->active = true;
    return 0;
}

void vq_stop(Vq *vq)
{
    vq->active = false;
    vq->desc = NULL;
    vq->avail = vq->used = NULL;
}

/* --- the driver's side of the ring --------------------------------------- */

static bool vq_blocked(const Vq *vq)
{
    const VirtioDev *vdev = vq->vdev;

    return !vq->active || vdev->phase != VIRTIO_ACTIVE || vdev->paused ||
           atomic_load_explicit(&vdev->broken, memory_order_relaxed);
}

static void set_suppressed(Vq *vq, bool on)
{
    if (vq->event_idx || vq->suppressed == on)
        return;
    ring_store(vq, vq->used, on ? USED_F_NO_NOTIFY : 0);
    vq->suppressed = on;
}

/* Chains available; asks for a kick when there is none. -EBADMSG: bad index. */
static int vq_look(Vq *vq)
{
    uint16_t n = vq->avail_seen - vq->last_avail;

    if (n == 0) {
        vq->avail_seen = ring_load(vq->avail + 2);
        n = vq->avail_seen - vq->last_avail;
    }
    if (n == 0) {
        if (vq->event_idx)
            ring_store(vq, avail_event(vq), vq->last_avail);
        set_suppressed(vq, false);
        /* The driver stores its index, then loads our wish; we store the wish,
         * then load the index again: one of us sees the other. */
        __sync_synchronize();
        vq->avail_seen = ring_load(vq->avail + 2);
        n = vq->avail_seen - vq->last_avail;
        if (n == 0)
            return 0;
    }
    if (n + vq->inflight > vq->num)
        return -EBADMSG; /* more chains than there are descriptors */
    set_suppressed(vq, true);
    return n;
}

static void load_desc(Desc *d, const uint8_t *raw)
{
    uint8_t copy[DESC_SIZE];

    memcpy(copy, raw, sizeof(copy));
    d->addr = load_le64(copy);
    d->len = load_le32(copy + 8);
    d->flags = load_le16(copy + 12);
    d->next = load_le16(copy + 14);
}

static int chain_grow(VqChain *chain, unsigned used)
{
    unsigned room = MIN(chain->max_iov * 4u, CHAIN_MAX_IOV);
    struct iovec *iov;

    if (room <= chain->max_iov)
        return -EBADMSG;
    if (chain->iov == chain->small) {
        iov = malloc(room * sizeof(*iov));
        if (iov)
            memcpy(iov, chain->small, used * sizeof(*iov));
    } else {
        iov = realloc(chain->iov, room * sizeof(*iov));
    }
    if (!iov)
        return -ENOMEM;
    chain->iov = iov;
    chain->max_iov = room;
    return 0;
}

static void chain_fini(VqChain *chain)
{
    if (chain->iov != chain->small)
        free(chain->iov);
    chain->iov = NULL;
}

/* Appends one descriptor's memory. */
static int chain_add(VqChain *chain, GuestMem *gm, const Desc *d)
{
    bool in = d->flags & DESC_F_WRITE;
    unsigned used;
    int n;

    if (!in && chain->in_num)
        return -EBADMSG; /* readable after writable */
    if (chain->out_bytes + chain->in_bytes + d->len > UINT32_MAX)
        return -EBADMSG;
    if (d->len == 0)
        return 0;
    for (;;) {
        used = chain->out_num + chain->in_num;
        n = gmem_iov(gm, d->addr, d->len, in, chain->iov + used,
                     chain->max_iov - used);
        if (n != -E2BIG)
            break;
        n = chain_grow(chain, used);
        if (n < 0)
            return n;
    }
    if (n < 0)
        return -EBADMSG; /* outside RAM */
    if (in) {
        chain->in_num += n;
        chain->in_bytes += d->len;
    } else {
        chain->out_num += n;
        chain->out_bytes += d->len;
    }
    return 0;
}

/* Where the descriptors of a chain come from. */
typedef struct Table {
    GuestMem *gm;
    const uint8_t *hva; /* NULL: not in one piece, read by address */
    uint64_t gpa;
    uint32_t num;
    bool indirect;
} Table;

static int table_load(const Table *t, uint32_t i, Desc *d)
{
    uint8_t raw[DESC_SIZE];

    if (i >= t->num)
        return -EBADMSG;
    if (t->hva) {
        load_desc(d, t->hva + i * DESC_SIZE);
        return 0;
    }
    if (gmem_read(t->gm, t->gpa + i * DESC_SIZE, raw, sizeof(raw)) < 0)
        return -EBADMSG;
    load_desc(d, raw);
    return 0;
}

static int table_enter(Table *t, const Vq *vq, const Desc *d)
{
    if (t->indirect || (d->flags & DESC_F_NEXT) || d->len == 0 ||
        d->len % DESC_SIZE || !virtio_has(vq->vdev, VIRTIO_F_INDIRECT))
        return -EBADMSG;
    t->indirect = true;
    t->gpa = d->addr;
    t->num = d->len / DESC_SIZE;
    t->hva = gmem_ptr(t->gm, d->addr, d->len, false);
    if (!t->hva && d->addr > UINT64_MAX - d->len)
        return -EBADMSG;
    return 0;
}

static int chain_fill(Vq *vq, VqChain *chain)
{
    Table t = { .gm = vq->vdev->env->gm, .hva = vq->desc, .num = vq->num };
    uint32_t i = chain->head;
    unsigned count = 0;
    Desc d;
    int r;

    do {
        r = table_load(&t, i, &d);
        if (r < 0)
            return r;
        if (++count > VQ_MAX_SIZE || count > t.num + vq->num)
            return -EBADMSG; /* a loop */
        if (d.flags & DESC_F_INDIRECT) {
            r = table_enter(&t, vq, &d);
            if (r < 0)
                return r;
            i = 0;
            d.flags = DESC_F_NEXT;
            continue;
        }
        r = chain_add(chain, t.gm, &d);
        if (r < 0)
            return r;
        i = d.next;
    } while (d.flags & DESC_F_NEXT);
    return 0;
}

int vq_pop(Vq *vq, VqChain *chain)
{
    int r;

    if (vq_blocked(vq))
        return 0; /* resume kicks every queue */
    if (vq->budget == 0) {
        loop_post(vq->vdev->loop, &vq->kick_work);
        return 0;
    }
    r = vq_look(vq);
    if (r <= 0)
        return r;

    chain->vq = vq;
    chain->generation = vq->vdev->generation;
    chain->head =
        ring_load(vq->avail + 4 + 2 * (vq->last_avail & (vq->num - 1)));
    chain->max_iov = VQ_INLINE_IOV;
    chain->out_num = chain->in_num = 0;
    chain->out_bytes = chain->in_bytes = 0;
    chain->iov = chain->small;
    r = chain_fill(vq, chain);
    if (r < 0) {
        chain_fini(chain);
        return r;
    }
    vq->last_avail++;
    vq->budget--;
    vq->inflight++;
    vq->vdev->inflight++;
    return 1;
}

bool vq_empty(Vq *vq)
{
    int r;

    if (vq_blocked(vq))
        return true;
    if (vq->budget == 0) {
        loop_post(vq->vdev->loop, &vq->kick_work);
        return true;
    }
    r = vq_look(vq);
    if (r < 0)
        virtio_break(vq->vdev, "queue %u has a bad index", vq->index);
    return r <= 0;
}

/* --- our side of the ring ------------------------------------------------ */

/* False for an orphan, whose queue is no longer the one it came from. */
static bool chain_returns(Vq *vq, const VqChain *chain)
{
    VirtioDev *vdev = vq->vdev;

    if (chain->generation != vdev->generation) {
        atomic_fetch_sub(&vdev->orphans, 1);
        return false;
    }
    vq->inflight--;
    vdev->inflight--;
    if (vdev->wanted)
        virtio_settle_soon(vdev);
    return true;
}

void vq_unpop(Vq *vq, VqChain *chain)
{
    if (chain_returns(vq, chain)) {
        vq->last_avail--;
        vq->budget++;
    }
    chain_fini(chain);
}

static void dirty_written(GuestMem *gm, VqChain *chain, uint32_t written)
{
    struct iovec *iov = vq_chain_in(chain);

    for (unsigned i = 0; i < chain->in_num && written; i++) {
        size_t n = MIN(iov[i].iov_len, written);

        gmem_dirty(gm, iov[i].iov_base, n);
        written -= n;
    }
}

/* Puts a chain @ahead entries past the used index. False: an orphan. */
static bool used_fill(Vq *vq, VqChain *chain, uint32_t written, unsigned ahead)
{
    GuestMem *gm = vq->vdev->env->gm;
    uint16_t at = (uint16_t)(vq->used_idx + ahead) & (vq->num - 1);
    uint8_t *elem;

    if (!chain_returns(vq, chain)) {
        chain_fini(chain);
        return false;
    }
    written = MIN(written, chain->in_bytes);
    dirty_written(gm, chain, written);
    elem = vq->used + 4 + 8 * at;
    store_le32(elem, chain->head);
    store_le32(elem + 4, written);
    gmem_dirty(gm, elem, 8);
    chain_fini(chain);
    return true;
}

void vq_push_many(Vq *vq, VqChain *const *chains, const uint32_t *written,
                  unsigned num)
{
    unsigned filled = 0;

    for (unsigned i = 0; i < num; i++)
        filled += used_fill(vq, chains[i], written[i], filled);
    if (filled) {
        vq->used_idx += filled;
        ring_store(vq, vq->used + 2, vq->used_idx);
    }
}

void vq_push(Vq *vq, VqChain *chain, uint32_t written)
{
    vq_push_many(vq, &chain, &written, 1);
}

static bool wants_interrupt(const Vq *vq)
{
    uint16_t event;

    if (!vq->event_idx)
        return !(ring_load(vq->avail) & AVAIL_F_NO_INTERRUPT);
    event = ring_load(used_event(vq));
    return (uint16_t)(vq->used_idx - event - 1) <
           (uint16_t)(vq->used_idx - vq->signalled);
}

void vq_notify(Vq *vq)
{
    VirtioTransport *t = vq->vdev->transport;
    bool wanted;

    if (!vq->active || vq->used_idx == vq->signalled)
        return;
    /* Our index must be visible before the driver's wish is loaded. */
    __sync_synchronize();
    wanted = wants_interrupt(vq);
    vq->signalled = vq->used_idx;
    if (wanted && t)
        t->ops->queue_irq(t, vq->index);
}

void vq_run_kick(Vq *vq)
{
    VirtioDev *vdev = vq->vdev;
    int r;

    if (vq_blocked(vq))
        return;
    vq->budget = vq->num;
    r = vdev->cls->kick(vdev, vq);
    vq_notify(vq);
    if (r < 0)
        virtio_break(vdev, "queue %u: %s", vq->index,
                     r == -EBADMSG ? "malformed descriptor chain"
                                   : strerror(-r));
}

/* --- chains -------------------------------------------------------------- */

void vq_chain_move(VqChain *dst, VqChain *src)
{
    unsigned used = src->out_num + src->in_num;

    *dst = *src;
    if (src->iov == src->small) {
        memcpy(dst->small, src->small, used * sizeof(src->small[0]));
        dst->iov = dst->small;
    }
    src->iov = NULL;
}

typedef void CopyFn(void *piece, uint8_t *buf, size_t len);

static void copy_out(void *piece, uint8_t *buf, size_t len)
{
    memcpy(buf, piece, len);
}

static void copy_in(void *piece, uint8_t *buf, size_t len)
{
    memcpy(piece, buf, len);
}

static size_t iov_copy(const struct iovec *iov, unsigned num, uint64_t off,
                       uint8_t *buf, size_t len, CopyFn *copy)
{
    size_t done = 0;

    for (unsigned i = 0; i < num && done < len; i++) {
        size_t n;

        if (off >= iov[i].iov_len) {
            off -= iov[i].iov_len;
            continue;
        }
        n = MIN(iov[i].iov_len - off, len - done);
        copy((uint8_t *)iov[i].iov_base + off, buf + done, n);
        done += n;
        off = 0;
    }
    return done;
}

size_t vq_chain_read(const VqChain *chain, uint64_t off, void *buf, size_t len)
{
    return iov_copy(chain->iov, chain->out_num, off, buf, len, copy_out);
}

size_t vq_chain_write(VqChain *chain, uint64_t off, const void *buf, size_t len)
{
    return iov_copy(vq_chain_in(chain), chain->in_num, off, (uint8_t *)buf, len,
                    copy_in);
}

struct iovec *vq_iov_slice(struct iovec *iov, unsigned *num, uint64_t skip,
                           uint64_t len)
{
    unsigned left = *num, used = 0;

    while (left && skip >= iov->iov_len) {
        skip -= iov->iov_len;
        iov++;
        left--;
    }
    if (left && skip) {
        iov->iov_base = (uint8_t *)iov->iov_base + skip;
        iov->iov_len -= skip;
    }
    while (used < left && len) {
        iov[used].iov_len = MIN(iov[used].iov_len, len);
        len -= iov[used].iov_len;
        used++;
    }
    *num = used;
    return iov;
}
