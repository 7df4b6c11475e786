# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LIBRARIES += libcore.a
libcore_a_SOURCES = %D%/clock.c %D%/clock.h %D%/loop.c %D%/loop.h \
	%D%/loop_priv.h %D%/quiesce.c %D%/quiesce.h %D%/thread.c \
	%D%/thread.h
libcore_a_SOURCES += %D%/ioq.c %D%/ioq.h %D%/pool.c %D%/pool.h

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/core/test_loop
tests_unit_core_test_loop_SOURCES = tests/unit/core/test_loop.c
tests_unit_core_test_loop_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_core_test_loop_LDADD = $(ROW_core) $(TEST_LIBS)
endif
if HAVE_CMOCKA
check_PROGRAMS += tests/unit/core/test_ioq
tests_unit_core_test_ioq_SOURCES = tests/unit/core/test_ioq.c
tests_unit_core_test_ioq_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_core_test_ioq_LDADD = $(ROW_core) $(TEST_LIBS)
endif
