# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LIBRARIES += libutil.a
libutil_a_SOURCES = %D%/config_file.c %D%/config_file.h \
	%D%/error.c %D%/error.h %D%/ev_loop.c %D%/ev_loop.h \
	%D%/file.c %D%/file.h \
	%D%/log.c %D%/log.h

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/util/test_error
tests_unit_util_test_error_SOURCES = tests/unit/util/test_error.c
tests_unit_util_test_error_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_util_test_error_LDADD = $(ROW_util) $(TEST_LIBS)
check_PROGRAMS += tests/unit/util/test_ev_loop
tests_unit_util_test_ev_loop_SOURCES = tests/unit/util/test_ev_loop.c
tests_unit_util_test_ev_loop_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_util_test_ev_loop_LDADD = $(ROW_util) $(TEST_LIBS)
check_PROGRAMS += tests/unit/util/test_file
tests_unit_util_test_file_SOURCES = tests/unit/util/test_file.c
tests_unit_util_test_file_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_util_test_file_LDADD = $(ROW_util) $(TEST_LIBS)
check_PROGRAMS += tests/unit/util/test_log
tests_unit_util_test_log_SOURCES = tests/unit/util/test_log.c
tests_unit_util_test_log_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_util_test_log_LDADD = $(ROW_util) $(TEST_LIBS)
check_PROGRAMS += tests/unit/util/test_config_file
tests_unit_util_test_config_file_SOURCES = tests/unit/util/test_config_file.c
tests_unit_util_test_config_file_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_util_test_config_file_LDADD = $(ROW_util) $(TEST_LIBS)
endif
