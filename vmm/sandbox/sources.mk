# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LIBRARIES += libsandbox.a
libsandbox_a_SOURCES = %D%/sandbox.c %D%/sandbox.h

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/sandbox/test_sandbox
tests_unit_sandbox_test_sandbox_SOURCES = tests/unit/sandbox/test_sandbox.c
tests_unit_sandbox_test_sandbox_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_sandbox_test_sandbox_LDADD = $(ROW_sandbox) $(TEST_LIBS)
endif
