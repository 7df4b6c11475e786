# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LIBRARIES += libstats.a
libstats_a_SOURCES = %D%/stats.c %D%/stats.h

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/stats/test_stats
tests_unit_stats_test_stats_SOURCES = tests/unit/stats/test_stats.c \
	$(DOMAIN_HARNESS)
tests_unit_stats_test_stats_CFLAGS = $(DOMAIN_TEST_CFLAGS)
tests_unit_stats_test_stats_LDADD = $(ROW_stats) $(TEST_LIBS)
endif
