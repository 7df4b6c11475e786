# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LIBRARIES += libnet.a
libnet_a_SOURCES = %D%/net.h %D%/options.c %D%/tap.c

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/net/test_tap
tests_unit_net_test_tap_SOURCES = tests/unit/net/test_tap.c \
	tests/unit/net/netns.h
tests_unit_net_test_tap_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_net_test_tap_LDADD = $(ROW_net) $(TEST_LIBS)
endif
