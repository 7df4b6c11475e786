# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LIBRARIES += libchardev.a
libchardev_a_SOURCES = %D%/chardev.h
