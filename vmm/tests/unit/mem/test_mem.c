/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Unit tests of mem/: the map, checked access, backing files. */
#include <config.h>

#include "mem/mem.h"

#include "core/quiesce.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define MIB (UINT64_C(1) << 20)

static RamBlock *block(uint64_t size_bytes)
{
    RamConf conf = { .name = "ram", .size_bytes = size_bytes, .dump = true };
    RamBlock *b = NULL;
    Err e = ERR_INIT;

    assert_int_equal(ram_block_new(&b, &conf, &e), 0);
    return b;
}

/* 0..1 MiB, 1..2 MiB of another block, a hole, 4 GiB.. */
static GuestMem *three_ranges(void)
{
    RamBlock *a = block(2 * MIB), *b = block(MIB);
    GuestMem *gm = NULL;
    Err e = ERR_INIT;

    assert_int_equal(gmem_new(&gm, &e), 0);
    assert_int_equal(gmem_map(gm, 0, MIB, a, 0, 0, &e), 0);
    assert_int_equal(gmem_map(gm, UINT64_C(4) << 30, MIB, a, MIB, 0, &e), 0);
    assert_int_equal(gmem_map(gm, MIB, MIB, b, 0, 0, &e), 0);
    ram_block_unref(a);
    ram_block_unref(b);
    return gm;
}

static void drop(GuestMem *gm)
{
    gmem_free(gm);
    qs_poll();
}

static void access_spans_ranges_but_not_holes(void **state)
{
    GuestMem *gm = three_ranges();
    char out[64], in[64];
    struct iovec iov[4];

    memset(out, 0x5a, sizeof(out));
    assert_int_equal(gmem_write(gm, MIB - 32, out, 64), 0);
    assert_int_equal(gmem_read(gm, MIB - 32, in, 64), 0);
    assert_memory_equal(in, out, 64);
    assert_int_equal(gmem_iov(gm, MIB - 32, 64, true, iov, 4), 2);
    assert_int_equal(iov[0].iov_len + iov[1].iov_len, 64);
    assert_int_equal(gmem_iov(gm, MIB - 32, 64, true, iov, 1), -E2BIG);
    assert_null(gmem_ptr(gm, MIB - 32, 64, true));
    assert_non_null(gmem_ptr(gm, MIB, MIB, true));
    assert_int_equal(gmem_read(gm, 2 * MIB - 1, in, 2), -EFAULT);
    assert_int_equal(gmem_read(gm, 3 * MIB, in, 1), -EFAULT);
    assert_int_equal(gmem_ram_bytes(gm), 3 * MIB);
    drop(gm);
}

static void lengths_do_not_wrap(void **state)
{
    GuestMem *gm = three_ranges();
    struct iovec iov[4];

    assert_null(gmem_ptr(gm, 0, UINT64_MAX, false));
    assert_null(gmem_ptr(gm, UINT64_MAX, 2, false));
    assert_int_equal(gmem_iov(gm, UINT64_MAX - 1, 8, false, iov, 4), -EFAULT);
    assert_int_equal(gmem_iov(gm, 0, UINT64_MAX, false, iov, 4), -EFAULT);
    drop(gm);
}

static void overlap_and_odd_sizes_are_refused(void **state)
{
    GuestMem *gm = three_ranges();
    RamBlock *b = block(MIB);
    Err e = ERR_INIT;

    assert_int_equal(gmem_map(gm, MIB / 2, MIB, b, 0, 0, &e), -EEXIST);
    assert_int_equal(gmem_map(gm, 8 * MIB, 100, b, 0, 0, &e), -EINVAL);
    assert_int_equal(gmem_map(gm, 8 * MIB, 2 * MIB, b, 0, 0, &e), -EINVAL);
    assert_int_equal(gmem_map(gm, -4096, 8192, b, 0, 0, &e), -EINVAL);
    assert_int_equal(gmem_num_ranges(gm), 3);
    ram_block_unref(b);
    drop(gm);
}

static void readonly_and_register_pages(void **state)
{
    GuestMem *gm = three_ranges();
    RamBlock *b = block(MIB);
    Err e = ERR_INIT;
    char c = 1;

    assert_int_equal(gmem_map(gm, 8 * MIB, 4096, b, 0, MEM_READONLY, &e), 0);
    assert_int_equal(
        gmem_map(gm, 9 * MIB, 4096, b, 4096, MEM_READONLY | MEM_REGISTERS, &e),
        0);
    assert_int_equal(gmem_read(gm, 8 * MIB, &c, 1), 0);
    assert_int_equal(gmem_write(gm, 8 * MIB, &c, 1), -EFAULT);
    assert_int_equal(gmem_read(gm, 9 * MIB, &c, 1), -EFAULT);
    gmem_unmap(gm, 8 * MIB);
    assert_int_equal(gmem_read(gm, 8 * MIB, &c, 1), -EFAULT);
    assert_int_equal(gmem_num_ranges(gm), 4);
    ram_block_unref(b);
    drop(gm);
}

static int refuse(void *opaque, const MemRange *range, Err *e)
{
    return err_set(e, ENOSPC, "no slot");
}

static void a_refused_slot_changes_nothing(void **state)
{
    GuestMem *gm = three_ranges();
    MemListener listener = { .add = refuse };
    RamBlock *b = block(MIB);
    Err e = ERR_INIT;

    assert_int_equal(gmem_listen(gm, &listener, &e), -ENOSPC);
    assert_int_equal(gmem_map(gm, 8 * MIB, MIB, b, 0, 0, &e), -ENOSPC);
    assert_int_equal(gmem_num_ranges(gm), 3);
    ram_block_unref(b);
    drop(gm);
}

static void backing_files(void **state)
{
    char path[] = "/tmp/test-mem-XXXXXX";
    RamConf conf = { .name = "ram",
                     .size_bytes = MIB,
                     .path = path,
                     .share = true,
                     .prealloc = true,
                     .threads = 3 };
    RamBlock *b = NULL;
    Err e = ERR_INIT;
    struct stat st;
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(ram_block_new(&b, &conf, &e), 0); /* empty: grown */
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_size, MIB);
    b->hva[5] = 7;
    ram_block_unref(b);
    assert_int_equal(pread(fd, &e.msg, 1, 5), 1);
    assert_int_equal(e.msg[0], 7);

    assert_int_equal(ftruncate(fd, 4096), 0);
    assert_int_equal(ram_block_new(&b, &conf, &e), -EINVAL);
    assert_non_null(strstr(e.msg, "has 4096 bytes"));
    unlink(path);
    close(fd);

    conf.path = "/tmp"; /* a directory: unlinked file */
    assert_int_equal(ram_block_new(&b, &conf, &e), 0);
    ram_block_unref(b);
    conf.path = "/nonexistent/dir/file";
    assert_int_equal(ram_block_new(&b, &conf, &e), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(access_spans_ranges_but_not_holes),
        cmocka_unit_test(lengths_do_not_wrap),
        cmocka_unit_test(overlap_and_odd_sizes_are_refused),
        cmocka_unit_test(readonly_and_register_pages),
        cmocka_unit_test(a_refused_slot_changes_nothing),
        cmocka_unit_test(backing_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
