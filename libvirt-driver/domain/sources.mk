# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LIBRARIES += libdomain.a
libdomain_a_SOURCES = %D%/driver.h
