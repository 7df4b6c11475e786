# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LIBRARIES += libqmp.a
libqmp_a_SOURCES = %D%/action.c %D%/action.h %D%/command.c %D%/command.h \
	%D%/dispatch.c %D%/fds.c %D%/hmp.c %D%/life.c %D%/monitor.c %D%/monitor.h \
	%D%/qmp.h %D%/qom.c %D%/query.c %D%/scan.c %D%/scan.h %D%/schema.c \
	%D%/server.c

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/qmp/test_scan
tests_unit_qmp_test_scan_SOURCES = tests/unit/qmp/test_scan.c
tests_unit_qmp_test_scan_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_qmp_test_scan_LDADD = $(ROW_qmp) $(TEST_LIBS)
check_PROGRAMS += tests/unit/qmp/test_qmp
tests_unit_qmp_test_qmp_SOURCES = tests/unit/qmp/test_qmp.c
tests_unit_qmp_test_qmp_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_qmp_test_qmp_LDADD = $(ROW_qmp) $(TEST_LIBS)
endif

# Seeds and changed copies of them; with --enable-fuzz the same by libFuzzer.
check_PROGRAMS += tests/fuzz/fuzz_qmp
tests_fuzz_fuzz_qmp_SOURCES = tests/fuzz/fuzz_qmp.c
tests_fuzz_fuzz_qmp_CFLAGS = $(AM_CFLAGS) $(FUZZ_CFLAGS)
tests_fuzz_fuzz_qmp_LDADD = $(ROW_qmp) $(VMM_EXT_LIBS)
EXTRA_DIST += tests/fuzz/seeds
