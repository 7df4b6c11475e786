# SPDX-License-Identifier: LGPL-2.1-or-later
bin_PROGRAMS += stratovmm
noinst_LIBRARIES += libcli.a
libcli_a_SOURCES = %D%/args.c %D%/args.h %D%/args_table.c %D%/chardevs.c \
	%D%/config.c %D%/config.h %D%/daemon.c %D%/daemon.h %D%/describe.c \
	%D%/describe.h %D%/device_table.h %D%/devices.c %D%/dump.c %D%/exit.c \
	%D%/exit.h %D%/smp.c
stratovmm_SOURCES = %D%/main.c
stratovmm_LDFLAGS = $(AM_LDFLAGS) $(VMM_LDFLAGS) -Wl,--build-id
stratovmm_LDADD = libcli.a $(VMM_ALL)

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/cli/test_cli
tests_unit_cli_test_cli_SOURCES = tests/unit/cli/test_cli.c
tests_unit_cli_test_cli_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_cli_test_cli_LDADD = libcli.a $(ROW_qmp) $(TEST_LIBS)
check_PROGRAMS += tests/unit/cli/test_trap
tests_unit_cli_test_trap_SOURCES = tests/unit/cli/test_trap.c
tests_unit_cli_test_trap_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_cli_test_trap_LDADD = libcli.a $(ROW_qmp) $(TEST_LIBS)
endif

check_PROGRAMS += tests/fuzz/fuzz_argv
tests_fuzz_fuzz_argv_SOURCES = tests/fuzz/fuzz_argv.c
tests_fuzz_fuzz_argv_CFLAGS = $(AM_CFLAGS) $(FUZZ_CFLAGS)
tests_fuzz_fuzz_argv_LDADD = libcli.a $(ROW_qmp) $(VMM_EXT_LIBS)

if ENABLE_FUZZ
FUZZ_CFLAGS = -fsanitize=fuzzer
else
FUZZ_CFLAGS =
tests_fuzz_fuzz_qmp_SOURCES += tests/fuzz/replay.c
tests_fuzz_fuzz_argv_SOURCES += tests/fuzz/replay.c
endif
