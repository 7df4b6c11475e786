# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LIBRARIES += libvmmcmd.a
libvmmcmd_a_SOURCES = \
	%D%/args.c %D%/args.h \
	%D%/vmmcmd.c %D%/vmmcmd.h

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/vmmcmd/test_vmmcmd
tests_unit_vmmcmd_test_vmmcmd_SOURCES = tests/unit/vmmcmd/test_vmmcmd.c
tests_unit_vmmcmd_test_vmmcmd_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_vmmcmd_test_vmmcmd_LDADD = $(ROW_vmmcmd) $(TEST_LIBS)
endif
