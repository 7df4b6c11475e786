/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtio/mmio_pages.c - register pages that the guest reads without an exit.
 *
 * Eight mmio slots share a 4 KiB page of host memory, mapped read-only into
 * the guest: loads are plain loads, stores still exit (and still match
 * ioeventfds).  Pages are made when the first device of theirs arrives and
 * stay; a slot nobody uses reads as zero, which no driver takes for a device.
 */
#include <config.h>

#include "virtio/mmio_priv.h"

#include "util/bytes.h"
#include "util/cleanup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_BYTES 4096

typedef struct RegPage {
    uint64_t gpa;
    RamBlock *block; /* shared with the map */
    struct RegPage *next;
} RegPage;

struct VirtioMmioPages {
    GuestMem *gm; /* borrowed */
    RegPage *pages;
};

int virtio_mmio_pages_new(VirtioMmioPages **ret_pages, GuestMem *gm, Err *e)
{
    VirtioMmioPages *pages = calloc(1, sizeof(*pages));

    if (!pages)
        return err_set(e, ENOMEM, "out of memory");
    pages->gm = gm;
    *ret_pages = pages;
    return 0;
}

void virtio_mmio_pages_free(VirtioMmioPages *pages)
{
    RegPage *page;

    if (!pages)
        return;
    while ((page = pages->pages)) {
        pages->pages = page->next;
        gmem_unmap(pages->gm, page->gpa);
        ram_block_unref(page->block);
        free(page);
    }
    free(pages);
}

static RegPage *page_find(VirtioMmioPages *pages, uint64_t base)
{
    uint64_t gpa = align_down(base, PAGE_BYTES);

    for (RegPage *page = pages->pages; page; page = page->next)
        if (page->gpa == gpa)
            return page;
    return NULL;
}

static int page_new(VirtioMmioPages *pages, uint64_t gpa, RegPage **ret_page,
                    Err *e)
{
    RegPage *page = calloc(1, sizeof(*page));
    char name[32];
    RamConf conf = { .name = name, .size_bytes = PAGE_BYTES };
    int r;

    if (!page)
        return err_set(e, ENOMEM, "out of memory");
    snprintf(name, sizeof(name), "virtio-mmio-%llx", (unsigned long long)gpa);
    page->gpa = gpa;
    r = ram_block_new(&page->block, &conf, e);
    if (r < 0) {
        free(page);
        return r;
    }
    r = gmem_map(pages->gm, gpa, PAGE_BYTES, page->block, 0,
                 MEM_READONLY | MEM_REGISTERS, e);
    if (r < 0) {
        ram_block_unref(page->block);
        free(page);
        return r;
    }
    page->next = pages->pages;
    pages->pages = page;
    *ret_page = page;
    return 0;
}

int virtio_mmio_pages_get(VirtioMmioPages *pages, uint64_t base,
                          uint8_t **ret_win, Err *e)
{
    RegPage *page = page_find(pages, base);

    if (!page) {
        int r = page_new(pages, align_down(base, PAGE_BYTES), &page, e);

        if (r < 0)
            return r;
    }
    *ret_win = page->block->hva + base % PAGE_BYTES;
    return 0;
}

void virtio_mmio_pages_put(VirtioMmioPages *pages, uint64_t base)
{
    RegPage *page = page_find(pages, base);

    if (page)
        memset(page->block->hva + base % PAGE_BYTES, 0, VIRTIO_MMIO_STRIDE);
}
