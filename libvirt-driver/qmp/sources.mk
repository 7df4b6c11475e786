# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LIBRARIES += libqmp.a
libqmp_a_SOURCES = %D%/qmp_client.c %D%/qmp_client.h \
	%D%/qmp_commands.c %D%/qmp_commands.h \
	%D%/qmp_scan.c %D%/qmp_scan.h

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/qmp/test_qmp
tests_unit_qmp_test_qmp_SOURCES = tests/unit/qmp/test_qmp.c
tests_unit_qmp_test_qmp_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_qmp_test_qmp_LDADD = $(ROW_qmp) $(TEST_LIBS)
endif
