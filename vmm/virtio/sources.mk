# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LIBRARIES += libvirtio.a
libvirtio_a_SOURCES = \
	%D%/dev/blk.c \
	%D%/dev/console.c \
	%D%/dev/console.h \
	%D%/dev/net.c \
	%D%/dev/net_ctrl.c \
	%D%/dev/net_priv.h \
	%D%/dev/net_rx.c \
	%D%/dev/rng.c \
	%D%/dev/rng.h \
	%D%/drv.c \
	%D%/mmio.c \
	%D%/mmio_pages.c \
	%D%/mmio_priv.h \
	%D%/registry.c \
	%D%/save.c \
	%D%/transport.h \
	%D%/virtio.c \
	%D%/virtio.h \
	%D%/virtio_priv.h \
	%D%/vq.c \
	%D%/vq.h

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/virtio/test_vq tests/unit/virtio/test_devices
tests_unit_virtio_test_devices_SOURCES = tests/unit/virtio/test_devices.c \
	tests/unit/virtio/guest.h
tests_unit_virtio_test_devices_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_virtio_test_devices_LDADD = $(ROW_virtio) $(TEST_LIBS)
tests_unit_virtio_test_vq_SOURCES = tests/unit/virtio/test_vq.c \
	tests/unit/virtio/guest.h
tests_unit_virtio_test_vq_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_virtio_test_vq_LDADD = $(ROW_virtio) $(TEST_LIBS)
endif

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/virtio/test_blk
tests_unit_virtio_test_blk_SOURCES = tests/unit/virtio/test_blk.c \
	tests/unit/virtio/guest.h
tests_unit_virtio_test_blk_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_virtio_test_blk_LDADD = $(ROW_virtio) $(TEST_LIBS)
endif

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/virtio/test_net
tests_unit_virtio_test_net_SOURCES = tests/unit/virtio/test_net.c \
	tests/unit/virtio/guest.h
tests_unit_virtio_test_net_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_virtio_test_net_LDADD = $(ROW_virtio) $(TEST_LIBS)
endif
