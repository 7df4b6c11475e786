# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LIBRARIES += libhost.a
libhost_a_SOURCES = %D%/host.h
