# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LIBRARIES += libopt.a
libopt_a_SOURCES = %D%/opt.h %D%/bag.c %D%/describe.c %D%/parse.c %D%/value.c

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/opt/test_opt
tests_unit_opt_test_opt_SOURCES = tests/unit/opt/test_opt.c
tests_unit_opt_test_opt_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_opt_test_opt_LDADD = $(ROW_opt) $(TEST_LIBS)
endif
