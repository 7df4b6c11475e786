# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LIBRARIES += libstate.a
libstate_a_SOURCES = %D%/state.c %D%/state.h

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/state/test_state
tests_unit_state_test_state_SOURCES = tests/unit/state/test_state.c
tests_unit_state_test_state_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_state_test_state_LDADD = $(ROW_state) $(TEST_LIBS)
endif
