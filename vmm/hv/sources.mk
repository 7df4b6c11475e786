# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LIBRARIES += libhv.a
libhv_a_SOURCES =
