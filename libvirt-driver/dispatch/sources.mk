# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LIBRARIES += libdispatch.a
libdispatch_a_SOURCES = %D%/conn.c %D%/conn.h %D%/connect.c \
	%D%/console.c %D%/define.c %D%/dispatch.c %D%/dispatch.h \
	%D%/domain_stats.c %D%/event.c %D%/event.h %D%/event_procs.c \
	%D%/life.c %D%/lookup.c %D%/node.c %D%/procs.h %D%/qemu_table.c \
	%D%/query.c %D%/remote_table.c

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/dispatch/test_dispatch
tests_unit_dispatch_test_dispatch_SOURCES = \
	tests/unit/dispatch/fake_driver.c tests/unit/dispatch/fake_driver.h \
	tests/unit/dispatch/test_dispatch.c
tests_unit_dispatch_test_dispatch_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_dispatch_test_dispatch_LDADD = libdispatch.a librawclient.a \
	$(ROW_rpc) $(TEST_LIBS)
endif
