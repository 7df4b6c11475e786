/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mem/ram.c - host memory that backs guest RAM.
 *
 * Anonymous and private unless the user asks for a file (-mem-path) or for
 * sharing (a memfd).  A directory (a hugetlbfs mount, say) gets an unlinked
 * temporary file; a file is made when missing and grown when empty.
 */
#include <config.h>

#include "mem/mem.h"

#include "core/thread.h"
#include "util/bytes.h"
#include "util/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define PREALLOC_MAX_THREADS 16

static int open_in_dir(const char *dir, Err *e)
{
    char name[4096];
    int fd;

    fd = open(dir, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
    if (fd >= 0)
        return fd;
    /* hugetlbfs has no O_TMPFILE before Linux 6.2 */
    snprintf(name, sizeof(name), "%s/stratovirt_backmem_XXXXXX", dir);
    fd = mkostemp(name, O_CLOEXEC);
    if (fd < 0)
        return err_sys(e, errno, "cannot make a memory file in '%s'", dir);
    unlink(name);
    return fd;
}

static int open_backing(const RamConf *conf, uint64_t *ret_page_bytes, Err *e)
{
    int fd CLEANUP(fd_close) = -1;
    struct statfs fs;
    struct stat st;

    if (stat(conf->path, &st) == 0 && S_ISDIR(st.st_mode)) {
        fd = open_in_dir(conf->path, e);
        if (fd < 0)
            return fd;
    } else {
        fd = open(conf->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0)
            return err_sys(e, errno, "cannot open memory file '%s'",
                           conf->path);
    }
    if (fstat(fd, &st) < 0 || fstatfs(fd, &fs) < 0)
        return err_sys(e, errno, "cannot look at memory file '%s'", conf->path);
    *ret_page_bytes = fs.f_bsize;
    if (st.st_size == 0 &&
        ftruncate(fd, align_up(conf->size_bytes, fs.f_bsize)) < 0)
        return err_sys(e, errno, "cannot grow memory file '%s' to %llu bytes",
                       conf->path, (unsigned long long)conf->size_bytes);
    if (st.st_size != 0 && (uint64_t)st.st_size < conf->size_bytes)
        return err_set(e, EINVAL,
                       "memory file '%s' has %lld bytes, the machine needs "
                       "%llu: use an empty or a larger file",
                       conf->path, (long long)st.st_size,
                       (unsigned long long)conf->size_bytes);
    return fd_take(&fd);
}

static int open_memfd(const RamConf *conf, Err *e)
{
    int fd CLEANUP(fd_close) = memfd_create(conf->name, MFD_CLOEXEC);

    if (fd < 0 || ftruncate(fd, conf->size_bytes) < 0)
        return err_sys(e, errno, "cannot create shared memory of %llu bytes",
                       (unsigned long long)conf->size_bytes);
    return fd_take(&fd);
}

/* --- prealloc ------------------------------------------------------------ */

typedef struct Toucher {
    Thread thread;
    uint8_t *from;
    uint64_t len;
    int error;
} Toucher;

static void *touch(void *arg)
{
    Toucher *t = arg;

    /* Linux 5.14: fills page tables without changing what a file holds. */
    if (madvise(t->from, t->len, MADV_POPULATE_WRITE) < 0)
        t->error = errno;
    return NULL;
}

static int prealloc(RamBlock *block, const RamConf *conf, Err *e)
{
    Toucher touchers[PREALLOC_MAX_THREADS] = { 0 };
    unsigned n = MAX(1u, MIN(conf->threads, PREALLOC_MAX_THREADS));
    uint64_t step = align_up(block->size_bytes / n, 1 << 21);
    int r = 0;

    for (unsigned i = 0; i < n; i++) {
        uint64_t off = MIN(i * step, block->size_bytes);

        touchers[i].from = block->hva + off;
        touchers[i].len = i == n - 1 ? block->size_bytes - off
                                     : MIN(step, block->size_bytes - off);
        if (r == 0 && touchers[i].len)
            r = thread_start(&touchers[i].thread, ROLE_POOL, "prealloc", touch,
                             &touchers[i], e);
    }
    for (unsigned i = 0; i < n; i++) {
        thread_join(&touchers[i].thread);
        if (r == 0 && touchers[i].error)
            r = err_sys(e, touchers[i].error,
                        "cannot allocate all %llu bytes of guest memory",
                        (unsigned long long)block->size_bytes);
    }
    return r;
}

/* --- blocks -------------------------------------------------------------- */

static int map_block(RamBlock *block, const RamConf *conf, Err *e)
{
    int flags = block->shared ? MAP_SHARED : MAP_PRIVATE;
    void *hva;

    flags |= block->fd < 0 ? MAP_ANONYMOUS | MAP_NORESERVE : 0;
    hva = mmap(NULL, block->size_bytes, PROT_READ | PROT_WRITE, flags,
               block->fd, 0);
    if (hva == MAP_FAILED)
        return err_sys(e, errno, "cannot map %llu bytes of guest memory",
                       (unsigned long long)block->size_bytes);
    block->hva = hva;
    if (!conf->dump)
        madvise(hva, block->size_bytes, MADV_DONTDUMP);
    if (block->fd < 0 && block->size_bytes >= (2 << 20))
        madvise(hva, block->size_bytes, MADV_HUGEPAGE);
    return conf->prealloc ? prealloc(block, conf, e) : 0;
}

int ram_block_new(RamBlock **ret_block, const RamConf *conf, Err *e)
{
    RamBlock *block = calloc(1, sizeof(*block));
    uint64_t page_bytes = 4096;
    int r = 0;

    if (!block)
        return err_set(e, ENOMEM, "out of memory");
    snprintf(block->name, sizeof(block->name), "%s", conf->name);
    block->refs = 1;
    block->fd = -1;
    block->shared = conf->share;
    if (conf->path)
        r = block->fd = open_backing(conf, &page_bytes, e);
    else if (conf->share)
        r = block->fd = open_memfd(conf, e);
    block->size_bytes = align_up(conf->size_bytes, page_bytes);
    if (r >= 0)
        r = map_block(block, conf, e);
    if (r < 0) {
        ram_block_unref(block);
        return r;
    }
    *ret_block = block;
    return 0;
}

void ram_block_unref(RamBlock *block)
{
    if (!block || --block->refs)
        return;
    if (block->hva)
        munmap(block->hva, block->size_bytes);
    fd_close(&block->fd);
    free(block);
}
