# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LIBRARIES += libhv.a
libhv_a_SOURCES = %D%/hv.c %D%/hv.h %D%/hv_priv.h %D%/gsi.c %D%/gsi.h \
	%D%/irq.c \
	%D%/kvm/vm.c %D%/kvm/vcpu.c %D%/kvm/kvm_priv.h \
	%D%/test/test.c %D%/test/server.c %D%/test/proto.c %D%/test/test_priv.h
if ARCH_X86_64
libhv_a_SOURCES += %D%/kvm/x86_64/vm.c %D%/kvm/x86_64/vcpu.c \
	%D%/kvm/x86_64/arch.h %D%/kvm/x86_64/cpuid.c %D%/kvm/x86_64/cpuid.h \
	%D%/kvm/x86_64/msr.c %D%/kvm/x86_64/msr.h
endif
if ARCH_AARCH64
libhv_a_SOURCES += %D%/kvm/aarch64/vm.c %D%/kvm/aarch64/vcpu.c \
	%D%/kvm/aarch64/arch.h %D%/kvm/aarch64/gic.c %D%/kvm/aarch64/gic.h
endif

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/hv/test_gsi tests/unit/hv/test_accel
tests_unit_hv_test_gsi_SOURCES = tests/unit/hv/test_gsi.c
tests_unit_hv_test_gsi_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_hv_test_gsi_LDADD = $(ROW_hv) $(TEST_LIBS)
tests_unit_hv_test_accel_SOURCES = tests/unit/hv/test_accel.c
tests_unit_hv_test_accel_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_hv_test_accel_LDADD = $(ROW_hv) $(TEST_LIBS)
if ARCH_X86_64
check_PROGRAMS += tests/unit/hv/test_cpuid tests/unit/hv/test_kvm_x86
tests_unit_hv_test_cpuid_SOURCES = tests/unit/hv/test_cpuid.c
tests_unit_hv_test_cpuid_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_hv_test_cpuid_LDADD = $(ROW_hv) $(TEST_LIBS)
tests_unit_hv_test_kvm_x86_SOURCES = tests/unit/hv/test_kvm_x86.c
tests_unit_hv_test_kvm_x86_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_hv_test_kvm_x86_LDADD = $(ROW_hv) $(TEST_LIBS)
endif
endif
