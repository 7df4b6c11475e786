# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LIBRARIES += libdispatch.a
libdispatch_a_SOURCES =
