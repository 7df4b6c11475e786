# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LIBRARIES += libsecurity.a
libsecurity_a_SOURCES = %D%/launch.c %D%/launch.h %D%/launch_proto.h \
	%D%/ownership.c %D%/ownership.h

libexec_PROGRAMS += virtstratovirt-launch
virtstratovirt_launch_SOURCES = %D%/launch_helper.c %D%/launch_proto.h

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/security/test_launch
tests_unit_security_test_launch_SOURCES = tests/unit/security/test_launch.c
tests_unit_security_test_launch_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) \
	-DLAUNCH_HELPER=\"$(abs_builddir)/virtstratovirt-launch\"
tests_unit_security_test_launch_LDADD = $(ROW_security) $(TEST_LIBS)
endif
