# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LIBRARIES += libutil.a
libutil_a_SOURCES = %D%/bytes.h %D%/cleanup.h %D%/err.c %D%/err.h \
	%D%/fdset.c %D%/fdset.h \
	%D%/list.h %D%/log.c %D%/log.h

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/util/test_util
tests_unit_util_test_util_SOURCES = tests/unit/util/test_util.c
tests_unit_util_test_util_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_util_test_util_LDADD = $(ROW_util) $(TEST_LIBS)
check_PROGRAMS += tests/unit/util/test_fdset
tests_unit_util_test_fdset_SOURCES = tests/unit/util/test_fdset.c
tests_unit_util_test_fdset_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_util_test_fdset_LDADD = $(ROW_util) $(TEST_LIBS)
endif
