# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LIBRARIES += libdev.a
libdev_a_SOURCES = \
	%D%/acpi_dev.c \
	%D%/acpi_dev.h \
	%D%/serial.c \
	%D%/serial.h

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/dev/test_serial tests/unit/dev/test_acpi_dev
tests_unit_dev_test_serial_SOURCES = tests/unit/dev/test_serial.c \
	tests/unit/dev/fake_hv.h
tests_unit_dev_test_serial_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_dev_test_serial_LDADD = $(ROW_dev) $(TEST_LIBS)
tests_unit_dev_test_acpi_dev_SOURCES = tests/unit/dev/test_acpi_dev.c \
	tests/unit/dev/fake_hv.h
tests_unit_dev_test_acpi_dev_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_dev_test_acpi_dev_LDADD = $(ROW_dev) $(TEST_LIBS)
endif
