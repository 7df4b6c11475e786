# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LIBRARIES += libhost.a
libhost_a_SOURCES = %D%/cgroup.c %D%/cgroup.h %D%/cgroup_priv.h \
	%D%/host.c %D%/host.h \
	%D%/host_cpu.c \
	%D%/host_files.c %D%/host_files.h \
	%D%/tap.c %D%/tap.h \
	%D%/vmm_probe.c %D%/vmm_probe.h

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/host/test_host
tests_unit_host_test_host_SOURCES = tests/unit/host/test_host.c
tests_unit_host_test_host_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_host_test_host_LDADD = $(ROW_host) $(TEST_LIBS)

check_PROGRAMS += tests/unit/host/test_scope
tests_unit_host_test_scope_SOURCES = tests/unit/host/test_scope.c
tests_unit_host_test_scope_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_host_test_scope_LDADD = $(ROW_host) $(TEST_LIBS)

check_PROGRAMS += tests/unit/host/test_tap
tests_unit_host_test_tap_SOURCES = tests/unit/host/test_tap.c
tests_unit_host_test_tap_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_host_test_tap_LDADD = $(ROW_host) $(TEST_LIBS)
endif
