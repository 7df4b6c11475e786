# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LIBRARIES += libbus.a
libbus_a_SOURCES = %D%/bus.c %D%/bus.h %D%/park.c

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/bus/test_bus
tests_unit_bus_test_bus_SOURCES = tests/unit/bus/test_bus.c
tests_unit_bus_test_bus_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_bus_test_bus_LDADD = $(ROW_bus) $(TEST_LIBS)
endif
