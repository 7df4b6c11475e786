# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LIBRARIES += libmachine.a
libmachine_a_SOURCES = %D%/config.h %D%/devices.c %D%/devices.h \
	%D%/machine.c %D%/machine.h %D%/machine_priv.h %D%/microvm.c \
	%D%/objects.c %D%/query.c %D%/request.c %D%/vcpu.c

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/machine/test_machine
tests_unit_machine_test_machine_SOURCES = tests/unit/machine/test_machine.c
tests_unit_machine_test_machine_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_machine_test_machine_LDADD = $(ROW_machine) $(TEST_LIBS)
endif
