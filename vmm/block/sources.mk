# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LIBRARIES += libblock.a
libblock_a_SOURCES = %D%/block.c %D%/block.h %D%/block_priv.h %D%/bounce.c \
	%D%/fault.c %D%/iov.c %D%/lock.c %D%/options.c %D%/raw.c %D%/raw_priv.h

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/block/test_block
tests_unit_block_test_block_SOURCES = tests/unit/block/test_block.c
tests_unit_block_test_block_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_block_test_block_LDADD = $(ROW_block) $(TEST_LIBS)
endif

# make tests/bench/bench_block && tests/bench/bench_block FILE
EXTRA_PROGRAMS += tests/bench/bench_block
tests_bench_bench_block_SOURCES = tests/bench/bench_block.c
tests_bench_bench_block_LDADD = $(ROW_block) $(VMM_EXT_LIBS)
