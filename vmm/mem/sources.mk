# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LIBRARIES += libmem.a
libmem_a_SOURCES = %D%/mem.c %D%/mem.h %D%/ram.c

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/mem/test_mem
tests_unit_mem_test_mem_SOURCES = tests/unit/mem/test_mem.c
tests_unit_mem_test_mem_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_mem_test_mem_LDADD = $(ROW_mem) $(TEST_LIBS)
endif
