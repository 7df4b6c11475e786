# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LIBRARIES += libdomain.a
libdomain_a_SOURCES = %D%/driver.h %D%/domain_priv.h \
	%D%/adopt.c \
	%D%/blockstats.c \
	%D%/config.c \
	%D%/console.c \
	%D%/control.c \
	%D%/define.c \
	%D%/domain.c \
	%D%/driver.c \
	%D%/driver_caps.c \
	%D%/events.c \
	%D%/exit_record.c %D%/exit_record.h \
	%D%/facts.c \
	%D%/job.c \
	%D%/monitor.c \
	%D%/paths.c \
	%D%/persist.c \
	%D%/prepare.c \
	%D%/proc.c \
	%D%/start.c \
	%D%/status.c \
	%D%/stop.c \
	%D%/strand.c \
	%D%/vmm_run.c

if HAVE_CMOCKA
noinst_PROGRAMS += tests/unit/domain/fake_vmm
tests_unit_domain_fake_vmm_SOURCES = tests/unit/domain/fake_vmm.c
tests_unit_domain_fake_vmm_LDADD = $(JANSSON_LIBS)

DOMAIN_TEST_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) \
	-DFAKE_VMM=\"$(abs_builddir)/tests/unit/domain/fake_vmm\" \
	-DLAUNCH_HELPER=\"$(abs_builddir)/virtstratovirt-launch\"
DOMAIN_HARNESS = tests/unit/domain/harness.c tests/unit/domain/harness.h

check_PROGRAMS += tests/unit/domain/test_lifecycle
tests_unit_domain_test_lifecycle_SOURCES = \
	tests/unit/domain/test_lifecycle.c $(DOMAIN_HARNESS)
tests_unit_domain_test_lifecycle_CFLAGS = $(DOMAIN_TEST_CFLAGS)
tests_unit_domain_test_lifecycle_LDADD = $(ROW_domain) $(TEST_LIBS)

check_PROGRAMS += tests/unit/domain/test_adopt
tests_unit_domain_test_adopt_SOURCES = \
	tests/unit/domain/test_adopt.c $(DOMAIN_HARNESS)
tests_unit_domain_test_adopt_CFLAGS = $(DOMAIN_TEST_CFLAGS)
tests_unit_domain_test_adopt_LDADD = $(ROW_domain) $(TEST_LIBS)

check_PROGRAMS += tests/unit/domain/test_leaks
tests_unit_domain_test_leaks_SOURCES = \
	tests/unit/domain/test_leaks.c $(DOMAIN_HARNESS)
tests_unit_domain_test_leaks_CFLAGS = $(DOMAIN_TEST_CFLAGS)
tests_unit_domain_test_leaks_LDADD = $(ROW_domain) $(TEST_LIBS)

check_PROGRAMS += tests/unit/domain/test_paths
tests_unit_domain_test_paths_SOURCES = \
	tests/unit/domain/test_paths.c $(DOMAIN_HARNESS)
tests_unit_domain_test_paths_CFLAGS = $(DOMAIN_TEST_CFLAGS)
tests_unit_domain_test_paths_LDADD = $(ROW_domain) $(TEST_LIBS)
endif
