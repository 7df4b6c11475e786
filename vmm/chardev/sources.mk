# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LIBRARIES += libchardev.a
libchardev_a_SOURCES = \
	%D%/chardev.c \
	%D%/chardev.h \
	%D%/chardev_priv.h \
	%D%/file.c \
	%D%/opts.c \
	%D%/pty.c \
	%D%/socket.c \
	%D%/stdio.c

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/chardev/test_chardev
tests_unit_chardev_test_chardev_SOURCES = tests/unit/chardev/test_chardev.c
tests_unit_chardev_test_chardev_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_chardev_test_chardev_LDADD = $(ROW_chardev) $(TEST_LIBS)
endif
