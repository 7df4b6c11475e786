# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LIBRARIES += libqmp.a
libqmp_a_SOURCES =
