# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LIBRARIES += libboot.a
libboot_a_SOURCES = %D%/boot.c %D%/boot.h %D%/boot_priv.h %D%/x86.c \
	%D%/bzimage.c %D%/elf.c %D%/mptable.c %D%/acpi.c %D%/acpi.h \
	%D%/aml.c %D%/aml.h

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/boot/test_acpi tests/unit/boot/test_boot
tests_unit_boot_test_acpi_SOURCES = tests/unit/boot/test_acpi.c
tests_unit_boot_test_acpi_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_boot_test_acpi_LDADD = $(ROW_boot) $(TEST_LIBS)
tests_unit_boot_test_boot_SOURCES = tests/unit/boot/test_boot.c
tests_unit_boot_test_boot_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_boot_test_boot_LDADD = $(ROW_boot) $(TEST_LIBS)
endif
