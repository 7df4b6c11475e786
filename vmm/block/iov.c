/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* block/iov.c - vectors: copies, zero check. */
#include <config.h>

#include "block/block_priv.h"

#include <string.h>

/* Calls for each piece of the vector that [skip, skip + len) touches. */
static void walk(const struct iovec *iov, unsigned niov, uint64_t skip,
                 char *buf, size_t len, bool to_buf)
{
    for (unsigned i = 0; i < niov && len; i++) {
        char *base = iov[i].iov_base;
        size_t n = iov[i].iov_len;

        if (skip >= n) {
            skip -= n;
            continue;
        }
        n = MIN(n - skip, len);
        if (to_buf)
            memcpy(buf, base + skip, n);
        else
            memcpy(base + skip, buf, n);
        buf += n;
        len -= n;
        skip = 0;
    }
}

void block_iov_to_buf(const struct iovec *iov, unsigned niov, uint64_t skip,
                      void *buf, size_t len)
{
    walk(iov, niov, skip, buf, len, true);
}

void block_iov_from_buf(const struct iovec *iov, unsigned niov, uint64_t skip,
                        const void *buf, size_t len)
{
    walk(iov, niov, skip, (char *)buf, len, false);
}

static bool is_zero(const char *p, size_t len)
{
    size_t head = MIN(len, 16);

    for (size_t i = 0; i < head; i++)
        if (p[i])
            return false;
    /* The rest is zero when it equals itself, shifted by the zero head. */
    return len <= 16 || memcmp(p, p + 16, len - 16) == 0;
}

bool block_iov_is_zero(const struct iovec *iov, unsigned niov)
{
    for (unsigned i = 0; i < niov; i++)
        if (!is_zero(iov[i].iov_base, iov[i].iov_len))
            return false;
    return true;
}
