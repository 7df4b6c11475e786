# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LIBRARIES += libnet.a
libnet_a_SOURCES = %D%/net.h
