# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LIBRARIES += libvirtio.a
libvirtio_a_SOURCES = \
	%D%/transport.h \
	%D%/virtio.h \
	%D%/vq.h
