# SPDX-License-Identifier: LGPL-2.1-or-later
# The real binary on the test accelerator: no KVM, no root.
EXTRA_DIST += %D%/tsan.supp
if HAVE_CMOCKA
check_LIBRARIES += device/libdevice.a
device_libdevice_a_SOURCES = %D%/virtio.c %D%/virtio.h %D%/vm.c %D%/vm.h
device_libdevice_a_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(JANSSON_CFLAGS)
DEVICE_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(JANSSON_CFLAGS)
DEVICE_LIBS = device/libdevice.a $(CMOCKA_LIBS) $(JANSSON_LIBS)

check_PROGRAMS += %D%/test_blk %D%/test_console %D%/test_net %D%/test_limits %D%/test_power \
	%D%/test_rng %D%/test_serial
device_test_blk_SOURCES = %D%/test_blk.c
device_test_blk_CFLAGS = $(DEVICE_CFLAGS)
device_test_blk_LDADD = $(DEVICE_LIBS)
device_test_console_SOURCES = %D%/test_console.c
device_test_console_CFLAGS = $(DEVICE_CFLAGS)
device_test_console_LDADD = $(DEVICE_LIBS)
device_test_net_SOURCES = %D%/test_net.c
device_test_net_CFLAGS = $(DEVICE_CFLAGS)
device_test_net_LDADD = $(DEVICE_LIBS)
device_test_limits_SOURCES = %D%/test_limits.c
device_test_limits_CFLAGS = $(DEVICE_CFLAGS)
device_test_limits_LDADD = $(DEVICE_LIBS)
device_test_power_SOURCES = %D%/test_power.c
device_test_power_CFLAGS = $(DEVICE_CFLAGS)
device_test_power_LDADD = $(DEVICE_LIBS)
device_test_rng_SOURCES = %D%/test_rng.c
device_test_rng_CFLAGS = $(DEVICE_CFLAGS)
device_test_rng_LDADD = $(DEVICE_LIBS)
device_test_serial_SOURCES = %D%/test_serial.c
device_test_serial_CFLAGS = $(DEVICE_CFLAGS)
device_test_serial_LDADD = $(DEVICE_LIBS)
endif
